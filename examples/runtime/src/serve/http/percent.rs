//! Attribute values in headers (CloudEvents' HTTP binding 1.0.2, section 3.1.3.2).

use std::borrow::Cow;
use std::fmt::Write;

/// Why a header's value is no attribute's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Bytes that a header's value can't be trusted with.
    #[error("a byte that is no visible ASCII character; write it as % and two hexadecimal digits")]
    Byte,
    /// A `%` that encodes nothing.
    #[error("a % without two hexadecimal digits after it; write % as %25")]
    Triplet,
    /// An opening quote alone, or a backslash at the end of a quoted text.
    #[error("an unfinished quoted string; write \" as %22")]
    Quote,
    /// Bytes that are no text.
    #[error("percent-encoded bytes that are no UTF-8")]
    Utf8,
}

/// The value of an attribute as a header has it: space, `"`, `%` and all that is not printable
/// ASCII percent-encoded.
pub fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => write!(out, "%{byte:02X}").expect("a String takes all"),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").expect("a String takes all"),
        }
    }
    out
}

/// The value of an attribute from a header. A value in double quotes, as older senders write it,
/// loses them first.
///
/// # Errors
///
/// A value that was not encoded so; nothing is repaired.
pub fn decode(value: &[u8]) -> Result<String, InvalidValue> {
    let visible = |b: &u8| matches!(b, b' '..=b'~' | b'\t');
    if !value.iter().all(visible) {
        return Err(InvalidValue::Byte);
    }
    let mut out = Vec::with_capacity(value.len());
    let text = unquoted(value)?;
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(*bytes.next()?).to_digit(16);
        let (high, low) = digit().zip(digit()).ok_or(InvalidValue::Triplet)?;
        out.push((high << 4 | low) as u8);
    }
    String::from_utf8(out).map_err(|_| InvalidValue::Utf8)
}

fn unquoted(value: &[u8]) -> Result<Cow<'_, [u8]>, InvalidValue> {
    let Some(inner) = value.strip_prefix(b"\"") else {
        return Ok(Cow::Borrowed(value));
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.push(*bytes.next().ok_or(InvalidValue::Quote)?),
            b'"' if bytes.as_slice().is_empty() => return Ok(Cow::Owned(out)),
            b'"' => return Err(InvalidValue::Quote),
            byte => out.push(byte),
        }
    }
    Err(InvalidValue::Quote)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_the_binding() {
        for (header, value) in [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u{20ac} \u{1f600}"),
            ("plain", "plain"),
            ("", ""),
            ("%e2%82%ac", "\u{20ac}"),
            ("100%25", "100%"),
            ("a b", "a b"),
            ("%2525", "%25"),
            (r#""quoted \"a\\b\" %20""#, r#"quoted "a\b"  "#),
            ("mid\"dle", "mid\"dle"),
        ] {
            assert_eq!(decode(header.as_bytes()).as_deref(), Ok(value), "{header}");
        }
        assert_eq!(
            encode("Euro \u{20ac} \u{1f600}"),
            "Euro%20%E2%82%AC%20%F0%9F%98%80"
        );
        assert_eq!(encode("\"50%\"\u{7f}~!"), "%2250%25%22%7F~!");
    }

    #[test]
    fn nothing_is_repaired() {
        for (header, fault) in [
            (&b"%"[..], InvalidValue::Triplet),
            (b"%2", InvalidValue::Triplet),
            (b"%2g", InvalidValue::Triplet),
            (b"%+1", InvalidValue::Triplet),
            (b"\xE2\x82\xAC", InvalidValue::Byte),
            (b"a\nb", InvalidValue::Byte),
            (b"%E2%82", InvalidValue::Utf8),
            (b"%C0%80", InvalidValue::Utf8),
            (b"%ED%A0%80", InvalidValue::Utf8),
            (b"\"", InvalidValue::Quote),
            (b"\"a", InvalidValue::Quote),
            (b"\"a\"b", InvalidValue::Quote),
            (b"\"a\\\"", InvalidValue::Quote),
        ] {
            assert_eq!(decode(header), Err(fault), "{}", header.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn there_and_back(value in ".*") {
            let header = encode(&value);
            prop_assert!(header.bytes().all(|b| matches!(b, b'!'..=b'~') && b != b'"'));
            prop_assert_eq!(decode(header.as_bytes()), Ok(value));
        }

        #[test]
        fn any_bytes_have_an_answer(bytes: Vec<u8>, text in "[\"\\\\%0-9a-f ]*") {
            for value in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(decoded) = decode(value) {
                    prop_assert_eq!(decode(encode(&decoded).as_bytes()), Ok(decoded));
                }
            }
        }
    }
}
