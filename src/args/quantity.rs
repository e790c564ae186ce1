//! Parses durations (`10s`, `250ms`) and sizes (`64MiB`).

use std::time::Duration;

/// Parses a duration with its unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let units =
        [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("m", 60.0), ("h", 3600.0)];
    let seconds =
        parse_scaled(text, &units).ok_or("pass a number and a unit, such as 250ms, 10s, 5min or 1h")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "pass a duration below 2^64 seconds".to_owned())
}

/// Parses a number of bytes, with or without a unit.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let units = [
        ("B", 1.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("KiB", 1024.0),
        ("MiB", 1024.0 * 1024.0),
        ("GiB", 1024.0 * 1024.0 * 1024.0),
        ("", 1.0),
    ];
    let bytes = parse_scaled(text, &units).ok_or("pass a number of bytes, such as 64MiB, 2GiB or 1000000")?;
    if bytes < 1.0 || bytes >= usize::MAX as f64 {
        return Err("pass at least one byte, and less than the address space".to_owned());
    }
    Ok(bytes as usize)
}

fn parse_scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let digits = text.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|known| known.0.eq_ignore_ascii_case(unit.trim()))?.1;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2min"), Ok(Duration::from_secs(120)));
        for wrong in ["10", "s", "-1s", "10 parsecs", "1e400s", ""] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_may_have_one() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("2gb"), Ok(2_000_000_000));
        assert_eq!(parse_size("4096"), Ok(4096));
        for wrong in ["0", "MiB", "-1", "10TBs", "99999999999999GiB", ""] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
