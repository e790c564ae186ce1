//! Faults as reports show them: a name, the nodes, and the interval in the history.

use histories::History;
use histories::faults::{FaultEnd, FaultEpisode, fault_episodes};

/// A fault with its interval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ShownFault {
    /// The name: `partition`.
    pub(crate) fault: String,
    /// The nodes, as the history names them.
    pub(crate) target: String,
    /// The position of the event with which the fault began.
    pub(crate) from: u32,
    /// The position of the event with which the fault ended; none for a momentary fault.
    pub(crate) to: Option<u32>,
    /// The times of both in nanoseconds, where known.
    pub(crate) from_ns: Option<i64>,
    pub(crate) to_ns: Option<i64>,
}

/// The faults of a history in order of their begin, as [`fault_episodes`] reads them. A fault without an end lasts until the
/// end of the history if faults of its kind last; otherwise it is momentary.
pub(crate) fn shown_faults(history: &History) -> Vec<ShownFault> {
    let shown = |fault: FaultEpisode| {
        let (to, to_ns) = match fault.end {
            FaultEnd::Seen(end) => (Some(end.last.position), end.last.time_ns),
            FaultEnd::NotSeen => (Some(history.event_count()), None),
            FaultEnd::Immediate | FaultEnd::Unknown => (None, None),
        };
        let name =
            fault.parameter.as_ref().map_or(fault.kind.clone(), |told| format!("{}={told}", fault.kind));
        let failed = if fault.failed.is_some() { " (failed)" } else { "" };
        ShownFault {
            fault: format!("{name}{failed}"),
            target: fault.target_text(),
            from: fault.strike.first.position,
            to,
            from_ns: fault.strike.first.time_ns,
            to_ns,
        }
    };
    fault_episodes(history).into_iter().map(shown).collect()
}

impl ShownFault {
    /// The fault with its interval: `partition n1 from 5.000000 s to 9.000000 s`.
    pub(crate) fn describe_with_interval(&self) -> String {
        let time = |ns: Option<i64>| ns.map(super::describe::format_seconds);
        match (time(self.from_ns), time(self.to_ns), self.to) {
            (Some(from), Some(to), _) => format!("{} from {from} to {to}", self.label()),
            (Some(from), None, Some(_)) => format!("{} from {from} to the end", self.label()),
            (Some(at), None, None) => format!("{} at {at}", self.label()),
            (None, ..) => self.label(),
        }
    }

    /// The name and the nodes: `partition n1`.
    pub(crate) fn label(&self) -> String {
        match self.target.as_str() {
            "" => self.fault.clone(),
            target => format!("{} {}", self.fault, super::describe::shorten_text(target)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::format::{Format, from_text};

    fn of(lines: &[(&str, &str)]) -> Vec<(String, Option<u32>)> {
        let lines: Vec<String> = lines
            .iter()
            .map(|(f, value)| {
                format!("{{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"{f}\",\"value\":{value}}}")
            })
            .collect();
        let history = from_text(Format::Native, &lines.join("\n")).expect("a history");
        shown_faults(&history).iter().map(|episode| (episode.label(), episode.to)).collect()
    }

    #[test]
    fn a_fault_lasts_until_it_is_healed() {
        let found = of(&[
            ("kill", "[\"n1\"]"),
            ("kill", "[\"n2\"]"),
            ("heal-kill", "[\"n2\"]"),
            ("heal-kill", "[\"n1\"]"),
            ("delay=50ms", "\"n3\""),
            ("heal-delay=50ms", "\"n3\""),
        ]);
        let expected = [("kill n1", 3), ("kill n2", 2), ("delay=50ms n3", 5)];
        assert_eq!(found, expected.map(|(label, to)| (label.to_owned(), Some(to))));
    }

    #[test]
    fn what_is_never_healed_lasts_to_the_end_and_what_nobody_heals_is_a_moment() {
        let found = of(&[("kill", "null"), ("heal-kill", "null"), ("kill", "null"), ("restart", "null")]);
        assert_eq!(
            found,
            [("kill".into(), Some(1)), ("kill".into(), Some(4)), ("restart".into(), None)]
                as [(String, Option<u32>); 3]
        );
    }
}
