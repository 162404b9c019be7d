//! Kubernetes quantities, and durations.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An amount as Kubernetes writes it: exact to a thousand-millionth, which is rounded up.
///
/// ```
/// use libfaas::Quantity;
///
/// let cpu: Quantity = "500m".parse()?;
/// assert_eq!(cpu.to_f64(), 0.5);
/// assert_eq!("0.5Gi".parse::<Quantity>()?.rounded_up(), 512 << 20);
/// # Ok::<(), libfaas::InvalidQuantity>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    /// 10^-9 of the unit.
    nano: u128,
}

/// The text is no quantity, or too large for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a quantity like 64Mi, 1.5Gi or 500m, below 2^64")]
pub struct InvalidQuantity;

const NANO: u128 = 1_000_000_000;

impl Quantity {
    /// Whole units, rounded up, as bytes are counted.
    pub fn rounded_up(self) -> u64 {
        u64::try_from(self.nano.div_ceil(NANO)).unwrap_or(u64::MAX)
    }

    /// The amount, as near as floating point comes, as cores are counted.
    pub fn to_f64(self) -> f64 {
        self.nano as f64 / NANO as f64
    }
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        parse(text)
            .filter(|nano| nano.div_ceil(NANO) <= u128::from(u64::MAX))
            .map(|nano| Quantity { nano })
            .ok_or(InvalidQuantity)
    }
}

fn parse(text: &str) -> Option<u128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    if whole.is_empty() || fraction.contains('.') {
        return None;
    }
    let (mut factor, exponent): (u128, i32) = match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => {
            let digits = suffix.strip_prefix(['e', 'E'])?;
            let (sign, digits) = match digits.strip_prefix('-') {
                Some(digits) => (-1, digits),
                None => (1, digits.strip_prefix('+').unwrap_or(digits)),
            };
            if !(1..=2).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (1, sign * digits.parse::<i32>().ok()?)
        }
    };
    // digits × factor × 10^(exponent - places + 9), rounded up.
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let (kept, cut) = digits.split_at(digits.len().min(30));
    let mut power =
        exponent + 9 - i32::try_from(fraction.len()).ok()? + i32::try_from(cut.len()).ok()?;
    let mut value: u128 = kept.parse().ok()?;
    let mut inexact = cut.bytes().any(|b| b != b'0');
    while power < 0 {
        // Binary factors give way to the division only as far as they must.
        if value.checked_mul(factor).is_some() {
            value *= std::mem::replace(&mut factor, 1);
        }
        inexact |= !value.is_multiple_of(10);
        value /= 10;
        power += 1;
    }
    let value = value.checked_mul(factor)?;
    let value = 10u128
        .checked_pow(u32::try_from(power).ok()?)
        .and_then(|power| value.checked_mul(power))?;
    value.checked_add(u128::from(inexact))
}

impl fmt::Display for Quantity {
    /// Without a suffix where it is whole, else in thousand-millionths.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano.is_multiple_of(NANO) {
            write!(f, "{}", self.nano / NANO)
        } else {
            write!(f, "{}n", self.nano)
        }
    }
}

/// Integers with the units h, m, s and ms, in this order, each at most once; longer than zero.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut millis = 0u64;
    let mut last = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, tail) = rest.split_at(end);
        let end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (order, factor) = match unit {
            "h" => (1, 3_600_000),
            "m" => (2, 60_000),
            "s" => (3, 1_000),
            "ms" => (4, 1),
            _ => return None,
        };
        if order <= last {
            return None;
        }
        last = order;
        millis = millis.checked_add(digits.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = tail;
    }
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// The text that [`duration`] reads back.
pub(super) fn duration_text(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, bytes) in [
            ("0", 0),
            ("256Mi", 268_435_456),
            ("0.5Gi", 536_870_912),
            ("100k", 100_000),
            ("1e3", 1000),
            ("1E+3", 1000),
            ("1.5", 2),
            ("500m", 1),
            ("0.000000000000000000000000000000000000001", 1),
            ("1000000000000000000000e-12", 1_000_000_000),
            ("16383Pi", 16383 << 50),
            ("18446744073709551615", u64::MAX),
            ("0000000000000000000000000000000000000000000000001", 1),
        ] {
            assert_eq!(
                text.parse::<Quantity>().map(Quantity::rounded_up),
                Ok(bytes),
                "{text}"
            );
        }
        for text in [
            "",
            "Mi",
            "-1",
            "+1",
            "1.",
            ".5",
            "1..2",
            "1 Mi",
            "1mi",
            "1e",
            "1e123",
            "1K",
            "18446744073709551616",
            "16Ei",
            "1e99",
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(InvalidQuantity), "{text}");
        }
        assert_eq!("0.1".parse::<Quantity>().unwrap().to_string(), "100000000n");
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1h1ms", 3_600_001),
            ("0h1s", 1000),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "10",
            "1.5s",
            "30s1m",
            "1s1s",
            "0s",
            "s",
            "1d",
            "99999999999999999999s",
            "-1s",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
