//! What goes wrong, where and when, as people write it: data, from flags or a TOML file.
//!
//! One strike is a text: `FAULT[=PARAMETER][:TARGET][@START][+LENGTH]`.
//!
//! ```
//! use workloads::{Fault, Strike, Target};
//! let strike: Strike = "delay=50ms:replica@5s+10s".parse().unwrap();
//! assert_eq!(strike.fault, Fault::Delay { mean_ns: 50_000_000 });
//! assert_eq!(strike.target, Some(Target::Replica));
//! ```
//!
//! Strikes with a start of their own come then; the others come by the [`Timing`] of the [`Schedule`]. The
//! same in a file:
//!
//! ```toml
//! strikes = ["partition:primary@5s+10s", "kill"]
//! timing = "random:4s"
//! length = "3s"
//! ```

use crate::{UnitError, format_duration, parse_duration};
use std::str::FromStr;
use std::time::Duration;

/// Something that goes wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    /// The process is killed at once, and started again at the end.
    Kill,
    /// The process stands still and then goes on, unaware.
    Pause,
    /// The process is killed and started again at once.
    Restart,
    /// The node reaches nobody of the others and nobody reaches it; clients on both sides still reach theirs.
    Partition,
    /// The node hears nothing from the others, but they hear it.
    OneWay,
    /// Two halves that see each other only through one node.
    Bridge,
    /// Each node sees a majority, and no two see the same one.
    MajoritiesRing,
    /// Messages between nodes take longer, by an exponential time of this mean.
    Delay {
        /// The mean, in ns.
        mean_ns: u64,
    },
    /// Messages between nodes are lost with this probability.
    Loss {
        /// Between 0 and 1.
        probability: f64,
    },
    /// The node's clock jumps by so much, and back at the end.
    Skew {
        /// How far, in ns; negative: into the past.
        offset_ns: i64,
    },
}

impl Fault {
    /// The faults by name, with the form of their parameter and one line about each.
    pub const ALL: [(&'static str, &'static str, &'static str); 10] = [
        ("kill", "", "the process is killed (SIGKILL), and started again at the end"),
        ("pause", "", "the process stands still (SIGSTOP) and then goes on"),
        ("restart", "", "the process is killed and started again at once"),
        ("partition", "", "the node and the others do not hear each other"),
        ("one-way", "", "the node does not hear the others, but they hear it"),
        ("bridge", "", "two halves that hear each other only through one node"),
        ("majorities-ring", "", "each node hears a majority, no two the same"),
        ("delay", "=MEAN", "messages of the node are late, by an exponential time"),
        ("loss", "=SHARE", "messages of the node are lost, this share of them"),
        ("skew", "=[-]OFFSET", "the node's clock jumps, and back at the end"),
    ];

    /// The name that users type.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::Pause => "pause",
            Fault::Restart => "restart",
            Fault::Partition => "partition",
            Fault::OneWay => "one-way",
            Fault::Bridge => "bridge",
            Fault::MajoritiesRing => "majorities-ring",
            Fault::Delay { .. } => "delay",
            Fault::Loss { .. } => "loss",
            Fault::Skew { .. } => "skew",
        }
    }

    /// Whether it is over as soon as it has happened.
    pub fn is_momentary(&self) -> bool {
        matches!(self, Fault::Restart)
    }

    fn parse(name: &str, parameter: Option<&str>) -> Result<Self, String> {
        let plain = match name {
            "kill" => Some(Fault::Kill),
            "pause" => Some(Fault::Pause),
            "restart" => Some(Fault::Restart),
            "partition" => Some(Fault::Partition),
            "one-way" => Some(Fault::OneWay),
            "bridge" => Some(Fault::Bridge),
            "majorities-ring" => Some(Fault::MajoritiesRing),
            _ => None,
        };
        match (plain, name, parameter) {
            (Some(fault), _, None) => Ok(fault),
            (Some(_), _, Some(_)) => Err(format!("{name} takes no parameter")),
            (None, "delay", parameter) => {
                let mean = parse_duration(parameter.unwrap_or("100ms")).map_err(|why| why.to_string())?;
                Ok(Fault::Delay { mean_ns: mean.as_nanos() as u64 })
            }
            (None, "loss", parameter) => match parameter.unwrap_or("0.2").parse::<f64>() {
                Ok(probability) if (0.0..=1.0).contains(&probability) => Ok(Fault::Loss { probability }),
                _ => Err("expected a share between 0 and 1".to_owned()),
            },
            (None, "skew", parameter) => {
                let text = parameter.unwrap_or("1s");
                let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
                let offset = parse_duration(text).map_err(|why| why.to_string())?;
                Ok(Fault::Skew { offset_ns: sign * offset.as_nanos() as i64 })
            }
            (None, name, _) => Err(format!("there is no fault {name:?}; there are {}", Self::names())),
        }
    }

    fn names() -> String {
        Self::ALL.map(|(name, parameter, _)| format!("{name}{parameter}")).join(", ")
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Fault::Delay { mean_ns } => write!(f, "delay={}", format_duration(Duration::from_nanos(mean_ns))),
            Fault::Loss { probability } => write!(f, "loss={probability}"),
            Fault::Skew { offset_ns } => {
                let sign = if offset_ns < 0 { "-" } else { "" };
                write!(f, "skew={sign}{}", format_duration(Duration::from_nanos(offset_ns.unsigned_abs())))
            }
            _ => f.write_str(self.name()),
        }
    }
}

/// Whom it strikes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Whoever is the primary when it strikes.
    Primary,
    /// One that is not the primary when it strikes.
    Replica,
    /// Any one, drawn from the seed.
    Random,
    /// All of them.
    All,
    /// This one.
    Node(String),
}

impl From<&str> for Target {
    fn from(text: &str) -> Self {
        match text {
            "primary" => Target::Primary,
            "replica" => Target::Replica,
            "random" => Target::Random,
            "all" => Target::All,
            node => Target::Node(node.to_owned()),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Target::Primary => "primary",
            Target::Replica => "replica",
            Target::Random => "random",
            Target::All => "all",
            Target::Node(name) => name,
        })
    }
}

/// One fault as it was asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Strike {
    /// What goes wrong.
    pub fault: Fault,
    /// Whom it strikes; none: the primary, or whom the timing chooses.
    pub target: Option<Target>,
    /// When, since the start; none: when the timing says.
    pub at: Option<Duration>,
    /// For how long; none: as long as the schedule says.
    pub length: Option<Duration>,
}

/// A strike that was not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultParseError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for FaultParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fault {:?}: {}", self.text, self.why)
    }
}

impl std::error::Error for FaultParseError {}

impl FromStr for Strike {
    type Err = FaultParseError;

    fn from_str(text: &str) -> Result<Self, FaultParseError> {
        let error = |why: String| FaultParseError { text: text.to_owned(), why };
        let unit_error = |why: UnitError| error(why.to_string());
        let (rest, length) = split_off(text, '+');
        let (rest, at) = split_off(rest, '@');
        let (rest, target) = split_off(rest, ':');
        let (name, parameter) = split_off(rest, '=');
        if target == Some("") {
            return Err(error("no target after the colon".to_owned()));
        }
        Ok(Strike {
            fault: Fault::parse(name, parameter).map_err(error)?,
            target: target.map(Target::from),
            at: at.map(parse_duration).transpose().map_err(unit_error)?,
            length: length.map(parse_duration).transpose().map_err(unit_error)?,
        })
    }
}

fn split_off(text: &str, sign: char) -> (&str, Option<&str>) {
    match text.split_once(sign) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// When strikes without a time of their own come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timing {
    /// Once each, one after another, spread evenly over the run.
    Once,
    /// Again and again in turn, so far apart (from start to start).
    Every(Duration),
    /// Again and again, drawn from the seed, so far apart on average (from end to start).
    Random(Duration),
    /// All of them in rapid succession, so far apart, beginning after a quarter of the run.
    Rapid(Duration),
    /// Each on one node after another, the next so long after the last has ended.
    Rolling(Duration),
}

impl FromStr for Timing {
    type Err = String;

    /// `once`, `every:5s`, `random:5s`, `rapid:200ms`, `rolling:2s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, span) = split_off(text, ':');
        let span = span.map(parse_duration).transpose().map_err(|why| why.to_string())?;
        match (name, span) {
            ("once", None) => Ok(Timing::Once),
            (_, Some(span)) if span.is_zero() => Err(format!("timing {text:?}: a span of no length")),
            ("every", Some(span)) => Ok(Timing::Every(span)),
            ("random", Some(span)) => Ok(Timing::Random(span)),
            ("rapid", Some(span)) => Ok(Timing::Rapid(span)),
            ("rolling", Some(span)) => Ok(Timing::Rolling(span)),
            _ => Err(format!(
                "timing {text:?}: expected once, every:SPAN, random:SPAN, rapid:SPAN or rolling:SPAN"
            )),
        }
    }
}

/// All strikes of a run, as they were asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    /// What goes wrong.
    pub strikes: Vec<Strike>,
    /// When those come that do not say.
    pub timing: Timing,
    /// How long those last that do not say.
    pub length: Duration,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    strikes: Vec<String>,
    timing: Option<String>,
    length: Option<String>,
}

impl Schedule {
    /// No fault at all.
    pub fn none() -> Self {
        Self { strikes: Vec::new(), timing: Timing::Once, length: Duration::from_secs(5) }
    }

    /// A schedule from the text of a TOML file. The error says what is wrong and, where it can, on which line.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|why| why.to_string())?;
        let mut schedule = Schedule::none();
        for strike in &file.strikes {
            schedule.strikes.push(strike.parse().map_err(|why: FaultParseError| why.to_string())?);
        }
        if let Some(timing) = &file.timing {
            schedule.timing = timing.parse()?;
        }
        if let Some(length) = &file.length {
            schedule.length = parse_duration(length).map_err(|why| format!("length {why}"))?;
        }
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_are_read_as_written() {
        let strike: Strike = "partition".parse().unwrap();
        assert_eq!(strike, Strike { fault: Fault::Partition, target: None, at: None, length: None });
        let strike: Strike = "skew=-250ms:n2@1.5s+2s".parse().unwrap();
        assert_eq!(strike.fault, Fault::Skew { offset_ns: -250_000_000 });
        assert_eq!(strike.target, Some(Target::Node("n2".to_owned())));
        assert_eq!(
            (strike.at, strike.length),
            (Some(Duration::from_millis(1500)), Some(Duration::from_secs(2)))
        );
    }

    #[test]
    fn every_listed_fault_can_be_typed_and_prints_as_typed() {
        for (name, ..) in Fault::ALL {
            let strike: Strike = name.parse().unwrap();
            assert_eq!(strike.fault.name(), name);
            assert_eq!(strike.fault.to_string().parse::<Strike>().unwrap(), strike);
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (text, says) in [
            ("flood", "there is no fault \"flood\""),
            ("kill=5", "takes no parameter"),
            ("delay=x", "expected a duration"),
            ("loss=2", "between 0 and 1"),
            ("kill:", "no target"),
            ("kill@soon", "expected a duration"),
        ] {
            let why = text.parse::<Strike>().unwrap_err().to_string();
            assert!(why.contains(says), "{text}: {why}");
        }
        assert!("rolling".parse::<Timing>().is_err());
    }

    #[test]
    fn files_say_the_same() {
        let schedule = Schedule::from_toml(
            "strikes = [\"kill:n1@5s\", \"pause\"]\ntiming = \"random:4s\"\nlength = \"3s\"",
        );
        let schedule = schedule.unwrap();
        assert_eq!(schedule.strikes.len(), 2);
        assert_eq!(schedule.timing, Timing::Random(Duration::from_secs(4)));
        assert!(Schedule::from_toml("strikes = []\ntimeing = \"once\"").unwrap_err().contains("timeing"));
        assert!(Schedule::from_toml("strikes = [\"kil\"]").unwrap_err().contains("kil"));
    }
}
