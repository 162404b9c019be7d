//! CloudEvents Timestamp: RFC 3339 text kept as it came, compared by instant.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};

/// A moment between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z, the range of
/// `google.protobuf.Timestamp`.
///
/// The text of RFC 3339 is kept verbatim, with its offset and all its digits, as far as the
/// encoding that it came from carries text. Equality and order are those of the instant, to the
/// nanosecond.
///
/// ```
/// let a: libfaas::Timestamp = "2026-10-01T14:00:00.50+02:00".parse()?;
/// let b = libfaas::Timestamp::from_unix(1_790_856_000, 500_000_000).unwrap();
/// assert_eq!(a, b);
/// assert_eq!(a.to_string(), "2026-10-01T14:00:00.50+02:00");
/// assert_eq!(b.to_string(), "2026-10-01T12:00:00.5Z");
/// # Ok::<(), libfaas::InvalidTimestamp>(())
/// ```
#[derive(Clone, Debug)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
    /// None where the encoding carried no text.
    text: Option<Arc<str>>,
}

/// The text is no timestamp of RFC 3339, or lies outside the years 1 to 9999.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", Self::EXPECTED)]
pub struct InvalidTimestamp;

impl InvalidTimestamp {
    pub(crate) const EXPECTED: &str =
        "an RFC 3339 timestamp like 2026-10-01T12:00:00Z in the years 1 to 9999";
}

/// jiff's own `Timestamp` ends a day early, so that every offset fits; its civil time does not.
const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

impl Timestamp {
    /// The moment `seconds` after the Unix epoch plus `nanos`, which count forward (0 to 999,999,999).
    /// None outside the range.
    pub fn from_unix(seconds: i64, nanos: u32) -> Option<Self> {
        let valid = (FIRST_SECOND..=LAST_SECOND).contains(&seconds) && nanos < 1_000_000_000;
        valid.then_some(Timestamp {
            seconds,
            nanos,
            text: None,
        })
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`seconds`](Self::seconds), 0 to 999,999,999.
    pub fn nanos(&self) -> u32 {
        self.nanos
    }
}

impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Reads the `date-time` of RFC 3339 section 5.6 with at most nine digits of a second. A leap
    /// second is the first instant of the next minute.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let (seconds, nanos) = instant(text.as_bytes()).ok_or(InvalidTimestamp)?;
        let valid = Timestamp::from_unix(seconds, nanos).ok_or(InvalidTimestamp)?;
        Ok(Timestamp {
            text: Some(text.into()),
            ..valid
        })
    }
}

fn instant(text: &[u8]) -> Option<(i64, u32)> {
    let (stamp, rest) = text.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, c)| stamp[at] != c) || !matches!(stamp[10], b'T' | b't') {
        return None;
    }
    let year = digits(&stamp[0..4])?;
    let [month, day, hour, minute, second] =
        [5, 8, 11, 14, 17].map(|at| digits(&stamp[at..at + 2]).map(|n| n as i8));
    // Neither jiff nor POSIX time has a place for a leap second: it is the next minute's first.
    let leap = i64::from(second? == 60);
    let civil = DateTime::new(
        year as i16,
        month?,
        day?,
        hour?,
        minute?,
        second? - leap as i8,
        0,
    )
    .ok()?;

    let (nanos, zone) = fraction(rest)?;
    let offset = match zone {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), zone @ ..] if zone.len() == 5 && zone[2] == b':' => {
            let (hours, minutes) = (digits(&zone[..2])?, digits(&zone[3..])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = (hours * 60 + minutes) * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = civil.duration_since(EPOCH).as_secs() - i64::from(offset) + leap;
    // Leap seconds end a day of UTC, whatever the offset says.
    (leap == 0 || seconds % 86_400 == 0).then_some((seconds, nanos))
}

/// Splits `[.digits]zone` into nanoseconds and the zone.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(rest) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let nanos = (0..9).fold(0, |n, at| {
        n * 10
            + if at < count {
                u32::from(rest[at] - b'0')
            } else {
                0
            }
    });
    Some((nanos, &rest[count..]))
}

fn digits(text: &[u8]) -> Option<i32> {
    text.iter().try_fold(0, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + i32::from(b - b'0'))
    })
}

impl fmt::Display for Timestamp {
    /// The text that came, else UTC with as many digits as needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => {
                let since = SignedDuration::new(self.seconds, self.nanos as i32);
                let civil = EPOCH.checked_add(since).map_err(|_| fmt::Error)?;
                write!(f, "{civil}Z")
            }
        }
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        (self.seconds, self.nanos) == (other.seconds, other.nanos)
    }
}

impl Eq for Timestamp {}

impl Hash for Timestamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.seconds, self.nanos).hash(state);
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rfc_3339_is_read() {
        for good in [
            "2026-10-01T12:00:00Z",
            "2026-10-01t12:00:00.123456789z",
            "2016-12-31T23:59:60Z",
            "2016-12-31T15:59:60.5-08:00",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "0000-12-31T23:59:59-00:01",
        ] {
            let stamp: Timestamp = good.parse().unwrap_or_else(|e| panic!("{good}: {e}"));
            assert_eq!(stamp.to_string(), good);
        }
        for bad in [
            "",
            "2026-10-01",
            "2026-10-01 12:00:00Z",
            "2026-10-01T12:00:00",
            "2026-10-01T12:00Z",
            "2026-10-01T12:00:00.Z",
            "2026-02-29T12:00:00Z",
            "2026-10-01T24:00:00Z",
            "2026-10-01T12:00:60Z",
            "2026-10-01T23:59:61Z",
            "2026-10-01T12:00:00.1234567890Z",
            "2026-10-01T12:00:00+24:00",
            "2026-10-01T12:00:00+0200",
            "2026-10-01T12:00:00Z[UTC]",
            "+026-10-01T12:00:00Z",
            "0000-12-31T23:59:59Z",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(InvalidTimestamp), "{bad}");
        }
    }

    #[test]
    fn a_leap_second_is_the_next_minute() {
        let stamp = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            stamp("2016-12-31T23:59:60.5Z"),
            stamp("2017-01-01T00:00:00.5Z")
        );
    }

    #[test]
    fn instants_before_the_epoch_count_nanos_forward() {
        let stamp: Timestamp = "1969-12-31T23:59:59.25Z".parse().unwrap();
        assert_eq!((stamp.seconds(), stamp.nanos()), (-1, 250_000_000));
        assert_eq!(
            Timestamp::from_unix(-1, 250_000_000).unwrap().to_string(),
            "1969-12-31T23:59:59.25Z"
        );
    }
}
