//! The grammars of W3C Trace Context (level 1, with level 2's room for later versions) and Baggage.

/// `version "-" trace-id "-" parent-id "-" trace-flags` (Trace Context, section 3.2.2).
pub(super) fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    let mut parts = text.splitn(5, '-');
    let mut next = || parts.next().unwrap_or_default();
    let (version, trace, parent, flags, more) = (next(), next(), next(), next(), next());
    let later = version != "00";
    hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && !zero(trace)
        && hex(parent, 16)
        && !zero(parent)
        && hex(flags, 2)
        // Version 00 ends here; a later one may go on after another dash.
        && (text.len() == 55 || later && !more.is_empty())
}

/// `list-member *( OWS "," OWS list-member )`, at most 32 of them (Trace Context, section 3.3).
pub(super) fn is_tracestate(text: &str) -> bool {
    let members = text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']));
    let mut keys = Vec::new();
    for member in members.filter(|member| !member.is_empty()) {
        let Some((key, value)) = member.split_once('=') else {
            return false;
        };
        if keys.len() == 32
            || keys.contains(&key)
            || !is_tracestate_key(key)
            || !is_tracestate_value(value)
        {
            return false;
        }
        keys.push(key);
    }
    true
}

fn is_tracestate_key(key: &str) -> bool {
    let rest = |part: &str| {
        part.bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    let lower = |part: &str| part.starts_with(|c: char| c.is_ascii_lowercase());
    let alphanumeric =
        |part: &str| part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    match key.split_once('@') {
        None => key.len() <= 256 && lower(key) && rest(key),
        Some((tenant, system)) => {
            tenant.len() <= 241
                && alphanumeric(tenant)
                && rest(tenant)
                && system.len() <= 14
                && lower(system)
                && rest(system)
        }
    }
}

fn is_tracestate_value(value: &str) -> bool {
    let fits = |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b',' | b'=');
    (1..=256).contains(&value.len()) && !value.ends_with(' ') && value.bytes().all(fits)
}

/// `list-member 0*179( OWS "," OWS list-member )`, at most 8192 bytes (Baggage, section 3.3).
pub(super) fn is_baggage(text: &str) -> bool {
    text.len() <= 8192 && text.split(',').count() <= 180 && text.split(',').all(is_baggage_member)
}

fn is_baggage_member(member: &str) -> bool {
    let trim = |part: &str| part.trim_matches([' ', '\t']).to_owned();
    let mut parts = member.split(';');
    let Some((key, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
        return false;
    };
    let pair = |key: &str, value: &str| is_token(&trim(key)) && is_baggage_value(&trim(value));
    pair(key, value)
        && parts.all(|property| match property.split_once('=') {
            Some((key, value)) => pair(key, value),
            None => is_token(&trim(property)),
        })
}

/// RFC 7230's token.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_baggage_value(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fits: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(fits(text), "good: {text:?}");
        }
        for text in bad {
            assert!(!fits(text), "bad: {text:?}");
        }
    }

    #[test]
    fn traceparent() {
        check(
            is_traceparent,
            &[
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings",
            ],
            &[
                "",
                "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
                "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x",
                "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            ],
        );
    }

    #[test]
    fn tracestate() {
        check(
            is_tracestate,
            &[
                "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
                "a=1 , b=2",
                "fw529a3039@dt=FfAb y",
                "1a@x=1",
                "a=1,,b=2",
            ],
            &[
                "a",
                "A=1",
                "a=",
                "a=1,a=2",
                "a=b=c",
                "1a=1",
                "a@1=1",
                "a=é",
                "a=1;b\u{7f}=2",
            ],
        );
        let members = |count| {
            (0..count)
                .map(|n| format!("k{n}=1"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert!(is_tracestate(&members(32)) && !is_tracestate(&members(33)));
    }

    #[test]
    fn baggage() {
        check(
            is_baggage,
            &["userId=alice", "a=1,b = 2 ; p ; q=%20", "a="],
            &[
                "", "a", "a b=1", "a=1,,b=2", "a=x y", "a=\"1\"", "a=1;", "a=é",
            ],
        );
    }
}
