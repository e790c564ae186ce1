//! Durations, rates and sizes as users write them: `250ms`, `10s`, `500/s`, `64KiB`.

use std::time::Duration;

/// A text that could not be parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnitError {
    /// The text.
    pub found: String,
    /// The expected form.
    pub expected: &'static str,
}

impl std::fmt::Display for UnitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: expected {}", self.found, self.expected)
    }
}

impl std::error::Error for UnitError {}

const UNITS: [(&str, f64); 6] =
    [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Parses a duration: a non-negative number and `ns`, `us`, `ms`, `s`, `m` or `h`. The maximum is about 290 years.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let error = || UnitError { found: text.to_owned(), expected: "a duration such as 250ms, 10s or 5m" };
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(error)?;
    let (number, unit) = text.split_at(split);
    let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
    let number: f64 = number.parse().map_err(|_| error())?;
    let ns = number * unit_ns;
    if !(0.0..9.2e18).contains(&ns) {
        return Err(error());
    }
    Ok(Duration::from_nanos(ns.round() as u64))
}

/// Parses a rate as events per second: a positive number and `/s`, `/m` or `/h`.
pub fn parse_rate(text: &str) -> Result<f64, UnitError> {
    let error = || UnitError { found: text.to_owned(), expected: "a rate such as 500/s" };
    let (number, unit) = text.split_once('/').ok_or_else(error)?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(error()),
    };
    let number: f64 = number.parse().map_err(|_| error())?;
    if !(number > 0.0 && number.is_finite()) {
        return Err(error());
    }
    Ok(number / seconds)
}

const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Parses a number of bytes: a whole number, at least 1, with or without a unit.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    let error =
        || UnitError { found: text.to_owned(), expected: "a number of bytes, at least one, such as 64KiB" };
    let split = text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let size = match unit {
        "" => 1,
        unit => SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(error)?.1,
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(size));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(error)
}

/// Formats a number of bytes with the largest binary unit that gives a whole number.
pub fn format_bytes(bytes: u64) -> String {
    let unit = SIZES[..3].iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| bytes.to_string(), |(name, size)| format!("{}{name}", bytes / size))
}

/// Formats a duration with the largest unit up to seconds, with at most three decimals.
pub fn format_duration(duration: Duration) -> String {
    let ns = duration.as_nanos() as f64;
    let (unit, unit_ns) = match duration.as_nanos() {
        0 => return "0s".to_owned(),
        1..1_000 => ("ns", 1.0),
        1_000..1_000_000 => ("us", 1e3),
        1_000_000..1_000_000_000 => ("ms", 1e6),
        _ => ("s", 1e9),
    };
    let text = format!("{:.3}", ns / unit_ns);
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        for (text, ns) in [
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("2m", 120_000_000_000),
            ("0s", 0),
            ("7us", 7_000),
        ] {
            assert_eq!(parse_duration(text).unwrap().as_nanos(), ns, "{text}");
        }
        for text in ["", "5", "s", "-1s", "1 s", "1d", "1e300h", "infs", "nans"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for ns in [0, 1, 999, 1_500, 250_000_000, 40_000_000_000, 90_500_000_000] {
            let duration = Duration::from_nanos(ns);
            assert_eq!(parse_duration(&format_duration(duration)).unwrap(), duration);
        }
    }

    #[test]
    fn sizes_are_read_as_written_and_read_back() {
        for (text, bytes) in [("16", 16), ("64KiB", 65536), ("5kB", 5000), ("1GiB", 1 << 30), ("7B", 7)] {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
            assert_eq!(parse_bytes(&format_bytes(bytes)).unwrap(), bytes);
        }
        for text in ["", "0", "-1", "1.5KiB", "KiB", "5 KiB", "99999999999GiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_per_second() {
        assert_eq!(parse_rate("500/s").unwrap(), 500.0);
        assert_eq!(parse_rate("30/m").unwrap(), 0.5);
        for text in ["", "500", "0/s", "-1/s", "5/d", "x/s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
