//! What goes wrong, where and when, as people write it: data, from flags or a TOML file.
//!
//! One strike is a text: `FAULT[=PARAMETER][:TARGET][@START][+LENGTH]`.
//!
//! ```
//! use workloads::{Fault, Strike, Target};
//! let strike: Strike = "delay=50ms~20ms:replica@5s+10s".parse().unwrap();
//! assert_eq!(strike.fault, Fault::Delay { least_ns: 50_000_000, jitter_ns: 20_000_000 });
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

use crate::{Target, UnitError, format_bytes, format_duration, parse_bytes, parse_duration};
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
    /// The process is killed and one with an empty disk is started in its place at once.
    Replace,
    /// The process is stopped in good order and started again with another version of what it runs.
    Deploy {
        /// Which one; the first is what runs from the start.
        version: u8,
    },
    /// The node reaches nobody of the others and nobody reaches it; clients on both sides still reach theirs.
    Partition,
    /// The node reaches nobody and nobody reaches it, clients included.
    Isolate,
    /// The node hears nothing from the others, but they hear it.
    OneWay,
    /// Two halves that see each other only through one node.
    Bridge,
    /// Each node sees a majority, and no two see the same one.
    MajoritiesRing,
    /// Messages take longer by a fixed time and, on top of it, an exponential one.
    Delay {
        /// The fixed part, in ns.
        least_ns: u64,
        /// The mean of what comes on top, in ns.
        jitter_ns: u64,
    },
    /// Messages are lost with this probability.
    Loss {
        /// Between 0 and 1.
        probability: f64,
    },
    /// Messages are overtaken by later ones with this probability.
    Reorder {
        /// Between 0 and 1.
        probability: f64,
    },
    /// Nothing comes through until the end, when all that waited does, in order.
    Hold,
    /// Connections are broken (RST), and so is each new one.
    Reset,
    /// New connections are refused; those that are there go on.
    Refuse,
    /// No more than so much comes through.
    Throttle {
        /// Bytes a second, at least one.
        rate: u64,
    },
    /// What is sent comes in small pieces.
    Slice {
        /// The largest piece, in bytes, at least one.
        bytes: u64,
    },
    /// Connections are closed for one direction and stay open for the other.
    HalfClose,
    /// The node's clock jumps by so much, and back at the end.
    Skew {
        /// How far, in ns; negative: into the past.
        offset_ns: i64,
    },
    /// What the node writes to its disk takes longer.
    SlowDisk {
        /// Bytes a second, at least one.
        rate: u64,
    },
    /// The node's disk has no room left.
    FullDisk,
}

impl Fault {
    /// The faults by name, with the form of their parameter and one line about each.
    pub const ALL: [(&'static str, &'static str, &'static str); 22] = [
        ("kill", "", "the process is killed (SIGKILL) and started again at the end of the fault"),
        ("pause", "", "the process is stopped (SIGSTOP) and continues at the end of the fault"),
        ("restart", "", "the process is killed and started again at once"),
        ("replace", "", "the process is killed, and a new one with an empty disk replaces it at once"),
        ("deploy", "=VERSION", "the process is shut down and started with this version"),
        ("partition", "", "the node and the other nodes exchange no messages"),
        ("isolate", "", "the node exchanges no messages with other nodes or clients"),
        ("one-way", "", "the node receives no messages from the other nodes, but sends to them"),
        ("bridge", "", "two halves of the nodes are connected only through one node"),
        ("majorities-ring", "", "each node is connected to a majority, and no two majorities are the same"),
        ("delay", "=TIME[~JITTER]", "messages are delayed by TIME plus an exponential time of mean JITTER"),
        ("loss", "=SHARE", "this share of the messages is lost"),
        ("reorder", "=SHARE", "this share of the messages is overtaken by later ones"),
        ("hold", "", "messages are held back and arrive in order at the end of the fault"),
        ("reset", "", "open and new connections are reset (RST)"),
        ("refuse", "", "new connections are refused"),
        ("throttle", "=BYTES/s", "at most this many bytes per second pass"),
        ("slice", "=BYTES", "data arrives in pieces of at most this many bytes"),
        ("half-close", "", "connections to the node are closed in its receiving direction only"),
        ("skew", "=[-]OFFSET", "the node's clock jumps by OFFSET, and back at the end of the fault"),
        ("slow-disk", "=BYTES/s", "at most this many bytes per second are written to the node's disk"),
        ("full-disk", "", "the node's disk is full"),
    ];

    /// The name that users type.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::Pause => "pause",
            Fault::Restart => "restart",
            Fault::Replace => "replace",
            Fault::Deploy { .. } => "deploy",
            Fault::Partition => "partition",
            Fault::Isolate => "isolate",
            Fault::OneWay => "one-way",
            Fault::Bridge => "bridge",
            Fault::MajoritiesRing => "majorities-ring",
            Fault::Delay { .. } => "delay",
            Fault::Loss { .. } => "loss",
            Fault::Reorder { .. } => "reorder",
            Fault::Hold => "hold",
            Fault::Reset => "reset",
            Fault::Refuse => "refuse",
            Fault::Throttle { .. } => "throttle",
            Fault::Slice { .. } => "slice",
            Fault::HalfClose => "half-close",
            Fault::Skew { .. } => "skew",
            Fault::SlowDisk { .. } => "slow-disk",
            Fault::FullDisk => "full-disk",
        }
    }

    /// Whether it is over as soon as it has happened.
    pub fn is_momentary(&self) -> bool {
        matches!(self, Fault::Restart | Fault::Replace | Fault::Deploy { .. } | Fault::HalfClose)
    }

    /// Whether it is done to links rather than to what is at their ends.
    pub fn strikes_links(&self) -> bool {
        self.divides_nodes()
            || matches!(
                self,
                Fault::Delay { .. }
                    | Fault::Loss { .. }
                    | Fault::Reorder { .. }
                    | Fault::Hold
                    | Fault::Reset
                    | Fault::Refuse
                    | Fault::Throttle { .. }
                    | Fault::Slice { .. }
                    | Fault::HalfClose
            )
    }

    /// Whether it divides nodes that cannot hear each other from those that can.
    pub fn divides_nodes(&self) -> bool {
        matches!(
            self,
            Fault::Partition | Fault::Isolate | Fault::OneWay | Fault::Bridge | Fault::MajoritiesRing
        )
    }

    fn parse_with_parameter(name: &str, parameter: Option<&str>) -> Result<Self, String> {
        if let Some(fault) = Self::parse_without_parameter(name) {
            return match parameter {
                None => Ok(fault),
                Some(_) => Err(format!("{name} takes no parameter")),
            };
        }
        let unit_error = |why: UnitError| why.to_string();
        Ok(match name {
            "deploy" => Fault::Deploy { version: parse_version(parameter.unwrap_or("2"))? },
            "delay" => {
                let (least, jitter) = split_off(parameter.unwrap_or("100ms"), '~');
                let ns = |text| parse_duration(text).map(|time| time.as_nanos() as u64).map_err(unit_error);
                Fault::Delay { least_ns: ns(least)?, jitter_ns: ns(jitter.unwrap_or("0s"))? }
            }
            "loss" => Fault::Loss { probability: parse_share(parameter.unwrap_or("0.2"))? },
            "reorder" => Fault::Reorder { probability: parse_share(parameter.unwrap_or("0.2"))? },
            "throttle" => Fault::Throttle { rate: parse_byte_rate(parameter.unwrap_or("16KiB/s"))? },
            "slow-disk" => Fault::SlowDisk { rate: parse_byte_rate(parameter.unwrap_or("16KiB/s"))? },
            "slice" => Fault::Slice { bytes: parse_bytes(parameter.unwrap_or("16")).map_err(unit_error)? },
            "skew" => {
                let text = parameter.unwrap_or("1s");
                let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
                let offset = parse_duration(text).map_err(unit_error)?;
                Fault::Skew { offset_ns: sign * offset.as_nanos() as i64 }
            }
            name => return Err(format!("there is no fault {name:?}; there are {}", Self::list_names())),
        })
    }

    fn parse_without_parameter(name: &str) -> Option<Self> {
        Some(match name {
            "kill" => Fault::Kill,
            "pause" => Fault::Pause,
            "restart" => Fault::Restart,
            "replace" => Fault::Replace,
            "partition" => Fault::Partition,
            "isolate" => Fault::Isolate,
            "one-way" => Fault::OneWay,
            "bridge" => Fault::Bridge,
            "majorities-ring" => Fault::MajoritiesRing,
            "hold" => Fault::Hold,
            "reset" => Fault::Reset,
            "refuse" => Fault::Refuse,
            "half-close" => Fault::HalfClose,
            "full-disk" => Fault::FullDisk,
            _ => return None,
        })
    }

    fn list_names() -> String {
        Self::ALL.map(|(name, parameter, _)| format!("{name}{parameter}")).join(", ")
    }
}

fn parse_byte_rate(text: &str) -> Result<u64, String> {
    let bytes = text
        .strip_suffix("/s")
        .ok_or_else(|| format!("{text:?}: expected so many bytes a second, such as 64KiB/s or 5000/s"))?;
    parse_bytes(bytes).map_err(|why| why.to_string())
}

fn parse_version(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(version) if version > 0 => Ok(version),
        _ => Err(format!("{text:?}: expected the number of a version, from 1")),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("{text:?}: expected a share between 0 and 1")),
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = |ns| format_duration(Duration::from_nanos(ns));
        match *self {
            Fault::Delay { least_ns, jitter_ns: 0 } => write!(f, "delay={}", time(least_ns)),
            Fault::Delay { least_ns, jitter_ns } => {
                write!(f, "delay={}~{}", time(least_ns), time(jitter_ns))
            }
            Fault::Deploy { version } => write!(f, "deploy={version}"),
            Fault::Loss { probability } => write!(f, "loss={probability}"),
            Fault::Reorder { probability } => write!(f, "reorder={probability}"),
            Fault::Throttle { rate } => write!(f, "throttle={}/s", format_bytes(rate)),
            Fault::SlowDisk { rate } => write!(f, "slow-disk={}/s", format_bytes(rate)),
            Fault::Slice { bytes } => write!(f, "slice={}", format_bytes(bytes)),
            Fault::Skew { offset_ns } => {
                let sign = if offset_ns < 0 { "-" } else { "" };
                write!(f, "skew={sign}{}", time(offset_ns.unsigned_abs()))
            }
            _ => f.write_str(self.name()),
        }
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
        let fault = Fault::parse_with_parameter(name, parameter).map_err(error)?;
        let target = target.map(Target::from_str).transpose().map_err(error)?;
        if target.as_ref().is_some_and(Target::is_link) {
            match fault {
                Fault::OneWay | Fault::Bridge | Fault::MajoritiesRing | Fault::Isolate => {
                    return Err(error(format!("{name} is a shape of its own; partition cuts one link")));
                }
                fault if !fault.strikes_links() => {
                    return Err(error(format!("{name} strikes nodes, not links")));
                }
                _ => {}
            }
        }
        Ok(Strike {
            fault,
            target,
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
pub struct FaultSchedule {
    /// What goes wrong.
    pub strikes: Vec<Strike>,
    /// When those come that do not say.
    pub timing: Timing,
    /// How long those last that do not say.
    pub length: Duration,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultScheduleFile {
    strikes: Vec<String>,
    timing: Option<String>,
    length: Option<String>,
}

impl FaultSchedule {
    /// No fault at all.
    pub fn without_faults() -> Self {
        Self { strikes: Vec::new(), timing: Timing::Once, length: Duration::from_secs(5) }
    }

    /// A schedule from the text of a TOML file. The error says what is wrong and, where it can, on which line.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let file: FaultScheduleFile = toml::from_str(text).map_err(|why| why.to_string())?;
        let mut schedule = FaultSchedule::without_faults();
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

    /// Two crates know which faults have no length: the one that injects them and the one that reads them back. If they
    /// differed, a report would show a restart that lasts to the end of the run.
    #[test]
    fn histories_know_which_faults_have_no_length() {
        for (name, ..) in Fault::ALL {
            let fault = Fault::parse_with_parameter(name, None).expect("a fault with its usual parameter");
            assert_eq!(histories::faults::is_immediate(name), fault.is_momentary(), "{name}");
        }
    }

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
            ("deploy=0", "from 1"),
            ("kill:", "no target"),
            ("delay=5ms~x", "expected a duration"),
            ("throttle=64KiB", "bytes a second"),
            ("throttle=0/s", "at least one"),
            ("slice=big", "number of bytes"),
            ("hold:client", "client-n1"),
            ("kill:n1>n2", "strikes nodes, not links"),
            ("bridge:n1-n2", "a shape of its own"),
            ("kill@soon", "expected a duration"),
        ] {
            let why = text.parse::<Strike>().unwrap_err().to_string();
            assert!(why.contains(says), "{text}: {why}");
        }
        assert!("rolling".parse::<Timing>().is_err());
    }

    #[test]
    fn files_say_the_same() {
        let schedule = FaultSchedule::from_toml(
            "strikes = [\"kill:n1@5s\", \"pause\"]\ntiming = \"random:4s\"\nlength = \"3s\"",
        );
        let schedule = schedule.unwrap();
        assert_eq!(schedule.strikes.len(), 2);
        assert_eq!(schedule.timing, Timing::Random(Duration::from_secs(4)));
        assert!(
            FaultSchedule::from_toml("strikes = []\ntimeing = \"once\"").unwrap_err().contains("timeing")
        );
        assert!(FaultSchedule::from_toml("strikes = [\"kil\"]").unwrap_err().contains("kil"));
    }
}
