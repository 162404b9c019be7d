//! Percent-encoding (RFC 3986), as UTF-8.

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
