//! The faults of a run with their targets and times, as users write them: in options or in a TOML file.
//!
//! A strike is written as text: `FAULT[=PARAMETER][:TARGET][@START][+LENGTH]`.
//!
//! ```
//! use workloads::{Fault, Strike, Target};
//! let strike: Strike = "delay=50ms~20ms:replica@5s+10s".parse().unwrap();
//! assert_eq!(strike.fault, Fault::Delay { least_ns: 50_000_000, jitter_ns: 20_000_000 });
//! assert_eq!(strike.target, Some(Target::Replica));
//! ```
//!
//! A strike with a start of its own happens at that time. The others happen according to the [`Timing`] of the
//! [`Schedule`]. The same in a file:
//!
//! ```toml
//! strikes = ["partition:primary@5s+10s", "kill"]
//! timing = "random:4s"
//! length = "3s"
//! ```

use crate::{Target, UnitError, format_bytes, format_duration, parse_bytes, parse_duration};
use std::str::FromStr;
use std::time::Duration;

/// A fault: something that goes wrong in the system under test.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    /// The process is killed at once, and started again at the end of the fault.
    Kill,
    /// The process is stopped and then continues without noticing.
    Pause,
    /// The process is killed and started again at once.
    Restart,
    /// The process is killed, and one with an empty disk is started in its place at once.
    Replace,
    /// The process is shut down in an orderly way and started again with another version of its software.
    Deploy {
        /// The number of the version. Version 1 runs from the start.
        version: u8,
    },
    /// The node and the other nodes cannot reach each other. Clients on both sides can still reach their nodes.
    Partition,
    /// Nothing can reach the node, and the node can reach nothing, clients included.
    Isolate,
    /// The node receives nothing from the others, but they receive its messages.
    OneWay,
    /// Two halves of the nodes that are connected through one node only.
    Bridge,
    /// Each node sees a majority, and no two nodes see the same one.
    MajoritiesRing,
    /// Messages are delayed by a fixed time plus an exponentially distributed one.
    Delay {
        /// The fixed part, in ns.
        least_ns: u64,
        /// The mean of the additional delay, in ns.
        jitter_ns: u64,
    },
    /// Each message is lost with this probability.
    Loss {
        /// Between 0 and 1.
        probability: f64,
    },
    /// Each message is overtaken by later ones with this probability.
    Reorder {
        /// Between 0 and 1.
        probability: f64,
    },
    /// No messages get through until the end of the fault. Then all of them do, in order.
    Hold,
    /// Existing and new connections are reset (RST).
    Reset,
    /// New connections are refused. Existing ones continue.
    Refuse,
    /// The throughput is limited.
    Throttle {
        /// Bytes per second, at least 1.
        rate: u64,
    },
    /// Data arrives in small pieces.
    Slice {
        /// The largest piece in bytes, at least 1.
        bytes: u64,
    },
    /// Connections are closed in one direction and stay open in the other.
    HalfClose,
    /// The node's clock jumps, and jumps back at the end of the fault.
    Skew {
        /// The offset in ns; negative values are in the past.
        offset_ns: i64,
    },
    /// The node's writes to its disk are slowed down.
    SlowDisk {
        /// Bytes per second, at least 1.
        rate: u64,
    },
    /// The node's disk is full.
    FullDisk,
    /// The process gets an orderly shutdown while requests are open, and is started again at the end of the fault.
    Drain,
    /// Connections are accepted, but requests wait, unanswered, until the end of the fault.
    Hang,
    /// Each request is delayed by this time.
    Slow {
        /// In ns.
        by_ns: u64,
    },
    /// The first requests are lost, because their connections are broken.
    FailFirst {
        /// The number of requests, at least one.
        count: u64,
    },
    /// The node gets this number of instances, and its usual number again at the end of the fault.
    Scale {
        /// The number of instances.
        count: u32,
    },
}

impl Fault {
    /// The faults by name, with the form of their parameter and one line about each.
    pub const ALL: [(&'static str, &'static str, &'static str); 27] = [
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
        (
            "drain",
            "",
            "the process gets SIGTERM while requests are open, and is started again at the end of the fault",
        ),
        ("hang", "", "connections are accepted, but requests get no answer until the end of the fault"),
        ("slow", "=TIME", "each request is delayed by TIME"),
        ("fail-first", "=COUNT", "the connections of the first COUNT requests are broken"),
        (
            "scale",
            "=COUNT",
            "the node gets COUNT instances, and its usual number again at the end of the fault",
        ),
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
            Fault::Drain => "drain",
            Fault::Hang => "hang",
            Fault::Slow { .. } => "slow",
            Fault::FailFirst { .. } => "fail-first",
            Fault::Scale { .. } => "scale",
        }
    }

    /// Whether the fault has no duration.
    pub fn is_momentary(&self) -> bool {
        matches!(self, Fault::Restart | Fault::Replace | Fault::Deploy { .. } | Fault::HalfClose)
    }

    /// Whether the fault affects links rather than nodes.
    pub fn strikes_links(&self) -> bool {
        self.divides_nodes()
            || self.strikes_requests()
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

    /// Whether the fault strikes the requests of clients to a node. Connections open as usual.
    pub fn strikes_requests(&self) -> bool {
        matches!(self, Fault::Hang | Fault::Slow { .. } | Fault::FailFirst { .. })
    }

    /// Whether the fault separates nodes, so that some of them cannot reach others.
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
            "slow" => Fault::Slow {
                by_ns: parse_duration(parameter.unwrap_or("200ms")).map_err(unit_error)?.as_nanos() as u64,
            },
            "fail-first" => Fault::FailFirst { count: parse_request_count(parameter.unwrap_or("5"))? },
            "scale" => Fault::Scale { count: parse_instance_count(parameter.unwrap_or("2"))? },
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
            "drain" => Fault::Drain,
            "hang" => Fault::Hang,
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
        .ok_or_else(|| format!("{text:?}: expected bytes per second, such as 64KiB/s or 5000/s"))?;
    parse_bytes(bytes).map_err(|why| why.to_string())
}

fn parse_instance_count(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| *count <= 1000)
        .ok_or_else(|| format!("{text:?}: expected a number of instances from 0 to 1000"))
}

fn parse_request_count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{text:?}: expected a number of requests, at least 1")),
    }
}

fn parse_version(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(version) if version > 0 => Ok(version),
        _ => Err(format!("{text:?}: expected the number of a version, at least 1")),
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
            Fault::Slow { by_ns } => write!(f, "slow={}", time(by_ns)),
            Fault::Scale { count } => write!(f, "scale={count}"),
            Fault::FailFirst { count } => write!(f, "fail-first={count}"),
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

/// One fault, as the user requested it.
#[derive(Clone, PartialEq, Debug)]
pub struct Strike {
    /// The fault.
    pub fault: Fault,
    /// The target; `None`: the primary, or the node that the timing chooses.
    pub target: Option<Target>,
    /// The time since the start of the run; `None`: decided by the timing.
    pub at: Option<Duration>,
    /// The duration; `None`: the default of the schedule.
    pub length: Option<Duration>,
}

/// A strike that could not be parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultParseError {
    /// The text of the strike.
    pub text: String,
    /// The reason.
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
                    return Err(error(format!(
                        "{name} does not take a link. To cut one link, use partition"
                    )));
                }
                // The name of a node may contain a hyphen: whether `web-1` is a node or a link is decided by the plan, which
                // knows the nodes.
                fault if !fault.strikes_links() && !target.as_ref().is_some_and(Target::may_be_node) => {
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

/// When strikes without a time of their own happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timing {
    /// Each of them once, one after another, spread evenly over the run.
    Once,
    /// Repeatedly in turn, with this time from start to start.
    Every(Duration),
    /// Repeatedly in random order, with this time from end to start on average.
    Random(Duration),
    /// All of them in rapid succession with this time between them, beginning after a quarter of the run.
    Rapid(Duration),
    /// Each of them on one node after another, with this time from end to start.
    Rolling(Duration),
}

impl FromStr for Timing {
    type Err = String;

    /// Parses `once`, `every:5s`, `random:5s`, `rapid:200ms` or `rolling:2s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, span) = split_off(text, ':');
        let span = span.map(parse_duration).transpose().map_err(|why| why.to_string())?;
        match (name, span) {
            ("once", None) => Ok(Timing::Once),
            (_, Some(span)) if span.is_zero() => {
                Err(format!("timing {text:?}: the span must be longer than zero"))
            }
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

/// All strikes of a run, as the user requested them.
#[derive(Clone, PartialEq, Debug)]
pub struct FaultSchedule {
    /// The strikes.
    pub strikes: Vec<Strike>,
    /// When strikes without a time of their own happen.
    pub timing: Timing,
    /// The duration of strikes without one of their own.
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
    /// A schedule without faults.
    pub fn without_faults() -> Self {
        Self { strikes: Vec::new(), timing: Timing::Once, length: Duration::from_secs(5) }
    }

    /// Parses a schedule from a TOML file. The error says what is wrong and, if possible, on which line.
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

    /// Two crates have a list of the faults without a duration: this one injects them, and `histories` reads them back. If
    /// the lists differed, a report would show a restart that lasts until the end of the run.
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
            ("deploy=0", "at least 1"),
            ("hang=5", "takes no parameter"),
            ("slow=fast", "expected a duration"),
            ("scale=many", "a number of instances"),
            ("fail-first=0", "a number of requests, at least 1"),
            ("drain:client-n1", "strikes nodes, not links"),
            ("kill:", "no target"),
            ("delay=5ms~x", "expected a duration"),
            ("throttle=64KiB", "bytes per second"),
            ("throttle=0/s", "at least one"),
            ("slice=big", "number of bytes"),
            ("hold:client", "client-n1"),
            ("kill:n1>n2", "strikes nodes, not links"),
            ("bridge:n1-n2", "does not take a link"),
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
