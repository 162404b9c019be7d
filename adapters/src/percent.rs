//! Percent-encoding (RFC 3986), as UTF-8.

use data_encoding::HEXLOWER_PERMISSIVE;

/// Text whose characters other than those of a path segment, `/`, and these are encoded. A colon is
/// kept only if it is among these.
pub(crate) fn encoded(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        let sign = b"-._~/@!$&'()*+,;=".contains(&byte) || kept.as_bytes().contains(&byte);
        match byte.is_ascii_alphanumeric() || sign {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The byte that two digits behind a `%` are.
pub(crate) fn byte(high: u8, low: u8) -> Option<u8> {
    let byte = HEXLOWER_PERMISSIVE.decode(&[high, low]).ok()?;
    byte.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_a_byte() {
        for (digits, expected) in [(b"2F", Some(b'/')), (b"2f", Some(b'/')), (b"g0", None)] {
            assert_eq!(byte(digits[0], digits[1]), expected);
        }
    }
}
