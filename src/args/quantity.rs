//! Parses durations (`10s`, `250ms`), sizes (`64MiB`) and bounds of staleness (`5s`, `k=3`).

use checker::StalenessBound;
use std::num::NonZeroUsize;
use std::time::Duration;

/// The greatest number of versions that a bound of staleness may have.
const VERSIONS_MAX: u32 = 1_000;

/// The greatest number of threads that may be asked for.
const THREADS_MAX: usize = 1024;

/// Parses a duration with its unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let units =
        [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("m", 60.0), ("h", 3600.0)];
    let seconds =
        parse_scaled(text, &units).ok_or("pass a number and a unit, such as 250ms, 10s, 5min or 1h")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "pass a duration below 2^64 seconds".to_owned())
}

/// Formats a span as it is typed: `5m`, `1h`, `250ms`.
pub(crate) fn format_span(ns: i64) -> String {
    let units =
        [(3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s"), (1_000_000, "ms"), (1, "ns")];
    let fitting = units.into_iter().find(|(length, _)| ns % length == 0);
    let (length, unit) = fitting.unwrap_or((1, "ns"));
    format!("{}{unit}", ns / length)
}

/// Parses a number of threads.
pub(crate) fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse::<NonZeroUsize>().ok().filter(|count| count.get() <= THREADS_MAX);
    count.ok_or_else(|| format!("pass a number from 1 to {THREADS_MAX}"))
}

/// Parses a bound of staleness: a duration, or `k=` and a number of versions.
pub(crate) fn parse_staleness_bound(text: &str) -> Result<StalenessBound, String> {
    if let Some(count) = text.strip_prefix("k=") {
        let count = count.parse::<u32>().ok().filter(|count| (1..=VERSIONS_MAX).contains(count));
        return count.map(StalenessBound::Versions).ok_or_else(|| {
            format!("pass k=1 to k={VERSIONS_MAX}. k=2 means that a read returns one of the last 2 versions")
        });
    }
    let bound = parse_duration(text)
        .map_err(|_| "pass a time, such as 5s or 250ms, or a number of versions, such as k=2".to_owned())?;
    let ns = u64::try_from(bound.as_nanos()).map_err(|_| "pass a time below 500 years".to_owned())?;
    Ok(StalenessBound::Nanoseconds(ns))
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
    fn a_span_is_formatted_as_it_is_typed() {
        for typed in ["250ms", "10s", "5m", "1h", "72h", "90s", "1ns"] {
            let span = parse_duration(typed).expect("a duration");
            assert_eq!(format_span(span.as_nanos() as i64), typed);
        }
    }

    #[test]
    fn a_bound_is_a_time_or_a_number_of_versions() {
        assert_eq!(parse_staleness_bound("1.5s"), Ok(StalenessBound::Nanoseconds(1_500_000_000)));
        assert_eq!(parse_staleness_bound("0s"), Ok(StalenessBound::Nanoseconds(0)));
        assert_eq!(parse_staleness_bound("k=2"), Ok(StalenessBound::Versions(2)));
        for wrong in ["k=0", "k=1001", "k=", "k=-1", "3", "", "K", "1000000h1", "1e30s", "99999999999999h"] {
            assert!(parse_staleness_bound(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn threads_have_a_range() {
        assert_eq!(parse_threads("1024").map(NonZeroUsize::get), Ok(1024));
        for wrong in ["0", "1025", "99999999999999999999", "-1", "four", ""] {
            assert_eq!(parse_threads(wrong), Err("pass a number from 1 to 1024".to_owned()), "{wrong}");
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
