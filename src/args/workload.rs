//! The finer points of what is done: sizes and shares.

use std::str::FromStr;
use workloads::{Distribution, Kind, Settings, parse_bytes};

/// The largest payload: it is made anew in memory for each write, and again to compare what is read with it.
const PAYLOAD_BYTES_MAX: u64 = 64 << 20;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct WorkloadArgs {
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

/// From the least to the most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sizes(u64, u64);

impl WorkloadArgs {
    /// Puts into the settings what was asked for, or says which of it has no meaning there.
    pub(crate) fn apply(&self, settings: &mut Settings) -> Result<(), String> {
        let kind = settings.kind;
        let in_vain = |option: &str, kinds: &str| {
            Err(format!("{option} means something for {kinds}, and the workload is {}", kind.name()))
        };
        settings.session_distribution = self.session_distribution;
        if let Some(Sizes(least, most)) = self.payload {
            if kind != Kind::Session {
                return in_vain("--payload", "session");
            }
            settings.payload_bytes = (least, most);
        }
        if let Some(steps) = self.steps {
            if !matches!(kind, Kind::ListAppend | Kind::RwRegister) {
                return in_vain("--steps", "list-append and rw-register");
            }
            settings.steps = usize::from(steps);
        }
        if self.writes_per_key.is_some() {
            if kind == Kind::Session {
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
