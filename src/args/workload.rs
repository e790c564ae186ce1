//! Less common options of the workload: sizes, shares and names.

use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::Arc;
use workloads::{Distribution, WorkloadKind, WorkloadSettings, parse_bytes};

/// The largest payload. Each write and each comparison of a read creates the payload in memory.
const PAYLOAD_BYTES_MAX: u64 = 64 << 20;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct WorkloadArgs {
    /// Name of the run in the keys of a store [default: a random name; none in simulated time]
    #[arg(long, value_name = "NAME", value_parser = parse_run_name, help_heading = "Workload")]
    run_name: Option<Arc<str>>,
    /// Distribution of requests over sessions, as in --key-distribution
    #[arg(long, value_name = "NAME", value_parser = Distribution::from_str, default_value = "uniform", help_heading = "Workload")]
    session_distribution: Distribution,
    /// Number of writes after which a new object replaces an object [default: 32 for list-append, else no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Workload")]
    writes_per_key: Option<u64>,
    /// Maximum number of steps of a transaction [default: 4]
    #[arg(long = "max-steps", alias = "steps", value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Workload")]
    steps: Option<u16>,
    /// session: size of the data of a session, or a range of sizes, such as 4KiB..64KiB [default: 64]
    #[arg(long = "payload-size", alias = "payload", value_name = "SIZE[..SIZE]", value_parser = PayloadSizes::from_str, help_heading = "Workload")]
    payload: Option<PayloadSizes>,
}

/// Parses a name that is valid in keys, addresses and cookies.
fn parse_run_name(text: &str) -> Result<Arc<str>, String> {
    const LONGEST: usize = 32;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match !text.is_empty() && text.len() <= LONGEST && text.bytes().all(fits) {
        true => Ok(text.into()),
        false => Err(format!("pass 1 to {LONGEST} lower-case letters and digits")),
    }
}

/// A random name of 40 bits, so that no two runs share one.
pub(crate) fn random_run_name() -> Arc<str> {
    const LETTERS: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v',
        'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9',
    ];
    // The keys of a hasher are random in each process, and each new hasher has other keys.
    let bits = RandomState::new().hash_one(std::process::id());
    (0..8).map(|place| LETTERS[(bits >> (5 * place) & 31) as usize]).collect::<String>().into()
}

/// The smallest and the largest size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct PayloadSizes(u64, u64);

impl WorkloadArgs {
    /// Applies the options to the settings. The error names an option that has no effect on the workload.
    pub(crate) fn apply_to(&self, settings: &mut WorkloadSettings) -> Result<(), String> {
        let kind = settings.kind;
        let in_vain = |option: &str, kinds: &str| {
            Err(format!("{option} has no effect on workload {}. Pass --workload {kinds}.", kind.name()))
        };
        settings.session_distribution = self.session_distribution;
        settings.run.clone_from(&self.run_name);
        if let Some(PayloadSizes(least, most)) = self.payload {
            if kind != WorkloadKind::Session {
                return in_vain("--payload-size", "session");
            }
            settings.payload_bytes = (least, most);
        }
        if let Some(steps) = self.steps {
            if !matches!(kind, WorkloadKind::ListAppend | WorkloadKind::RwRegister) {
                return in_vain("--max-steps", "list-append or rw-register");
            }
            settings.steps = usize::from(steps);
        }
        if self.writes_per_key.is_some() {
            if kind == WorkloadKind::Session {
                return in_vain("--writes-per-key", "register or another one without sessions");
            }
            settings.writes_per_key = self.writes_per_key;
        }
        Ok(())
    }
}

impl FromStr for PayloadSizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = |text: &str| parse_bytes(text).map_err(|why| why.to_string());
        let (least, most) = match text.split_once("..") {
            Some((least, most)) => (size(least)?, size(most)?),
            None => (size(text)?, size(text)?),
        };
        if least > most {
            return Err("pass the smaller size first".to_owned());
        }
        if most > PAYLOAD_BYTES_MAX {
            return Err("pass at most 64MiB".to_owned());
        }
        Ok(PayloadSizes(least, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_or_a_range() {
        assert_eq!("4KiB".parse(), Ok(PayloadSizes(4096, 4096)));
        assert_eq!("1KiB..1MiB".parse(), Ok(PayloadSizes(1024, 1 << 20)));
        for wrong in ["", "1KiB..", "2..1", "65MiB", "0", "1..2..3"] {
            assert!(wrong.parse::<PayloadSizes>().is_err(), "{wrong}");
        }
    }
}
