//! Durations (`10s`, `250ms`) and sizes (`64MiB`), as users write them.

use std::time::Duration;

/// A duration with its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units =
        [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("m", 60.0), ("h", 3600.0)];
    let seconds = scaled(text, &units).ok_or("expected a number and a unit: 250ms, 10s, 5min, 1h")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "expected fewer than 2^64 seconds".to_owned())
}

/// A number of bytes, with a unit or none.
pub(crate) fn size(text: &str) -> Result<usize, String> {
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
    let bytes = scaled(text, &units).ok_or("expected a number of bytes: 64MiB, 2GiB, 1000000")?;
    if bytes < 1.0 || bytes >= usize::MAX as f64 {
        return Err("expected at least one byte, and fewer than there are addresses".to_owned());
    }
    Ok(bytes as usize)
}

fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
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
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        for wrong in ["10", "s", "-1s", "10 parsecs", "1e400s", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_may_have_one() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("2gb"), Ok(2_000_000_000));
        assert_eq!(size("4096"), Ok(4096));
        for wrong in ["0", "MiB", "-1", "10TBs", "99999999999999GiB", ""] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
