//! Times as vendors write them, as RFC 3339 timestamps of the same instant, by exact decimal
//! arithmetic (rules `adapter-time-verbatim`, `adapter-time-epoch`, `adapter-time-repair`).

use libfaas::Timestamp;

use crate::json::{Kind, Value};

/// From here on a number counts milliseconds, below it seconds.
const MILLISECONDS_FROM: i128 = 100_000_000_000;
const NANOS: i128 = 1_000_000_000;

/// The time that a string or a number is; None if it is none.
pub fn of(value: Value<'_>) -> Option<Timestamp> {
    match value.kind() {
        Kind::String => from_text(&value.as_str()?),
        Kind::Number => from_epoch(value.raw()),
        _ => None,
    }
}

/// The time that a text is: RFC 3339 as it stands, a form of it that can be repaired, or the digits
/// of an epoch.
///
/// ```
/// # use faas_adapters::time::from_text;
/// let written = |text| from_text(text).map(|time| time.to_string());
/// assert_eq!(written("2026-11-21T09:30:00.1200+02:00").as_deref(), Some("2026-11-21T09:30:00.1200+02:00"));
/// assert_eq!(written("2026-11-21 09:30:00 +0200").as_deref(), Some("2026-11-21T09:30:00+02:00"));
/// assert_eq!(written("2015-05-17 18:08:09 UTC").as_deref(), Some("2015-05-17T18:08:09Z"));
/// assert_eq!(written("yesterday"), None);
/// ```
pub fn from_text(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    if text.bytes().next()?.is_ascii_digit() && !text.contains(['-', ':']) {
        return from_epoch(text);
    }
    repair(text)?.parse().ok()
}

/// The time that a number is, from its digits: milliseconds since the Unix epoch from
/// 100,000,000,000 on, else seconds. Digits after the ninth of a second are cut.
///
/// ```
/// # use faas_adapters::time::from_epoch;
/// let written = |digits| from_epoch(digits).map(|time| time.to_string());
/// assert_eq!(written("1763717400").as_deref(), Some("2025-11-21T09:30:00Z"));
/// assert_eq!(written("1763717400123").as_deref(), Some("2025-11-21T09:30:00.123Z"));
/// assert_eq!(written("1.763717400123E9").as_deref(), Some("2025-11-21T09:30:00.123Z"));
/// ```
pub fn from_epoch(number: &str) -> Option<Timestamp> {
    let nanos = scaled(number, 9)?;
    // Compared at full scale: a fraction of a second must not round up to a millisecond count.
    let nanos = if nanos >= MILLISECONDS_FROM * NANOS {
        scaled(number, 6)?
    } else {
        nanos
    };
    let seconds = i64::try_from(nanos.div_euclid(NANOS)).ok()?;
    Timestamp::from_unix(seconds, nanos.rem_euclid(NANOS) as u32)
}

/// A JSON number times ten to the power of `scale`, rounded down; None if it isn't one, or is far
/// beyond any time.
fn scaled(number: &str, scale: i64) -> Option<i128> {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || !digits().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The point goes this far to the right of the whole part.
    let exponent: i64 = exponent.parse().ok()?;
    let shift = exponent.checked_add(scale)?;
    let kept = (whole.len() as i64).checked_add(shift)?;
    let mut value: i128 = 0;
    for digit in digits().take(usize::try_from(kept).unwrap_or(0)) {
        value = value
            .checked_mul(10)?
            .checked_add(i128::from(digit - b'0'))?;
    }
    let count = (whole.len() + fraction.len()) as i64;
    for _ in 0..kept.saturating_sub(count).max(0) {
        // Zero stays zero, however far the point goes.
        if value == 0 {
            break;
        }
        value = value.checked_mul(10)?;
    }
    let cut = digits()
        .skip(usize::try_from(kept).unwrap_or(0))
        .any(|digit| digit != b'0');
    Some(match negative {
        true => -value - i128::from(cut),
        false => value,
    })
}

/// Mends a space for `T`, ` UTC` for `Z`, a space before the offset, and an offset without a colon.
fn repair(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let at = rest.find(['+', '-', 'Z', 'z', ' '])?;
    let (clock, zone) = rest.split_at(at);
    let zone = zone.trim_start_matches(' ');
    let zone = match zone.as_bytes() {
        b"UTC" | b"Z" | b"z" => "Z".to_owned(),
        [b'+' | b'-', rest @ ..] if rest.len() == 4 => {
            format!("{}:{}", zone.get(..3)?, zone.get(3..)?)
        }
        _ => zone.to_owned(),
    };
    Some(format!("{date}T{clock}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(number: &str) -> Option<String> {
        from_epoch(number).map(|time| time.to_string())
    }

    fn text(text: &str) -> Option<String> {
        from_text(text).map(|time| time.to_string())
    }

    #[test]
    fn epochs_by_decimal_arithmetic() {
        for (number, time) in [
            ("0", "1970-01-01T00:00:00Z"),
            ("1545084650.987", "2018-12-17T22:10:50.987Z"),
            ("1.545084650987E9", "2018-12-17T22:10:50.987Z"),
            ("1545084650987.25", "2018-12-17T22:10:50.98725Z"),
            ("1545084650.123456789", "2018-12-17T22:10:50.123456789Z"),
            ("1545084650.1234567891", "2018-12-17T22:10:50.123456789Z"),
            ("99999999999", "5138-11-16T09:46:39Z"),
            ("100000000000", "1973-03-03T09:46:40Z"),
            ("1e11", "1973-03-03T09:46:40Z"),
            ("-1.5", "1969-12-31T23:59:58.5Z"),
            ("0e999999999", "1970-01-01T00:00:00Z"),
            ("1e-999999999", "1970-01-01T00:00:00Z"),
            ("1545084650000000e-6", "2018-12-17T22:10:50Z"),
        ] {
            assert_eq!(epoch(number).as_deref(), Some(time), "{number}");
        }
        for none in [
            "1e999999999",
            "1e99999999999999999999",
            "999999999999999999999999",
            "NaN",
            "",
            "-",
            ".5",
        ] {
            assert_eq!(epoch(none), None, "{none}");
        }
    }

    #[test]
    fn texts_are_kept_or_mended() {
        for (came, written) in [
            (
                "2019-03-18T22:36:36.1234567+00:00",
                "2019-03-18T22:36:36.1234567+00:00",
            ),
            ("2026-11-21T09:30:00+0000", "2026-11-21T09:30:00+00:00"),
            (
                "2026-11-21T09:30:00.123-0530",
                "2026-11-21T09:30:00.123-05:30",
            ),
            ("2016-01-04 15:31:46 +0200", "2016-01-04T15:31:46+02:00"),
            ("2015-05-17 18:08:09 UTC", "2015-05-17T18:08:09Z"),
            ("2015-05-17 18:08:09Z", "2015-05-17T18:08:09Z"),
            ("1545082649183", "2018-12-17T21:37:29.183Z"),
        ] {
            assert_eq!(text(came).as_deref(), Some(written), "{came}");
        }
        for none in [
            "",
            "2015-05-17",
            "2015-05-17T18:08:09",
            "10/Feb/2020:13:40:43 +0000",
            "2015-05-17 18:08:09 CEST",
            "日本語日本語 18:08:09 UTC",
            "2026-11-21T09:30:00+00é",
        ] {
            assert_eq!(text(none), None, "{none}");
        }
    }
}
