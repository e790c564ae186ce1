//! The finer points of what is done: sizes and shares.

use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::Arc;
use workloads::{Distribution, WorkloadKind, WorkloadSettings, parse_bytes};

/// The largest payload: it is made anew in memory for each write, and again to compare what is read with it.
const PAYLOAD_BYTES_MAX: u64 = 64 << 20;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct WorkloadArgs {
    /// What the run is called in what it leaves in a store [default: a random name; none in the simulation]
    #[arg(long, value_name = "NAME", value_parser = run_name, help_heading = "Workload")]
    run_name: Option<Arc<str>>,
    /// How busy sessions are: as `--key-distribution`
    #[arg(long, value_name = "NAME", value_parser = Distribution::from_str, default_value = "uniform", help_heading = "Workload")]
    session_distribution: Distribution,
    /// After how many writes another object takes the place of one [default: 32 for list-append; else never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Workload")]
    writes_per_key: Option<u64>,
    /// The most steps of a transaction [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Workload")]
    steps: Option<u16>,
    /// session: how large what sessions hold is, such as 4KiB, or anything from one to the other [default: 64]
    #[arg(long, value_name = "SIZE[..SIZE]", value_parser = Sizes::from_str, help_heading = "Workload")]
    payload: Option<Sizes>,
}

/// A name that may stand in keys, addresses and cookies.
fn run_name(text: &str) -> Result<Arc<str>, String> {
    const LONGEST: usize = 32;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match !text.is_empty() && text.len() <= LONGEST && text.bytes().all(fits) {
        true => Ok(text.into()),
        false => Err(format!("expected up to {LONGEST} lower-case letters and digits")),
    }
}

/// A name that no other run has: 40 random bits.
pub(crate) fn random_run_name() -> Arc<str> {
    const LETTERS: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v',
        'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9',
    ];
    // The keys of a hasher are random for each process, and those of each further one differ.
    let bits = RandomState::new().hash_one(std::process::id());
    (0..8).map(|place| LETTERS[(bits >> (5 * place) & 31) as usize]).collect::<String>().into()
}

/// From the least to the most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sizes(u64, u64);

impl WorkloadArgs {
    /// Puts into the settings what was asked for, or says which of it has no meaning there.
    pub(crate) fn apply(&self, settings: &mut WorkloadSettings) -> Result<(), String> {
        let kind = settings.kind;
        let in_vain = |option: &str, kinds: &str| {
            Err(format!("{option} means something for {kinds}, and the workload is {}", kind.name()))
        };
        settings.session_distribution = self.session_distribution;
        settings.run.clone_from(&self.run_name);
        if let Some(Sizes(least, most)) = self.payload {
            if kind != WorkloadKind::Session {
                return in_vain("--payload", "session");
            }
            settings.payload_bytes = (least, most);
        }
        if let Some(steps) = self.steps {
            if !matches!(kind, WorkloadKind::ListAppend | WorkloadKind::RwRegister) {
                return in_vain("--steps", "list-append and rw-register");
            }
            settings.steps = usize::from(steps);
        }
        if self.writes_per_key.is_some() {
            if kind == WorkloadKind::Session {
                return in_vain("--writes-per-key", "all but session");
            }
            settings.writes_per_key = self.writes_per_key;
        }
        Ok(())
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = |text: &str| parse_bytes(text).map_err(|why| why.to_string());
        let (least, most) = match text.split_once("..") {
            Some((least, most)) => (size(least)?, size(most)?),
            None => (size(text)?, size(text)?),
        };
        if least > most {
            return Err("expected the smaller size first".to_owned());
        }
        if most > PAYLOAD_BYTES_MAX {
            return Err("expected at most 64MiB".to_owned());
        }
        Ok(Sizes(least, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_or_a_range() {
        assert_eq!("4KiB".parse(), Ok(Sizes(4096, 4096)));
        assert_eq!("1KiB..1MiB".parse(), Ok(Sizes(1024, 1 << 20)));
        for wrong in ["", "1KiB..", "2..1", "65MiB", "0", "1..2..3"] {
            assert!(wrong.parse::<Sizes>().is_err(), "{wrong}");
        }
    }
}
