//! Faults as people are shown them: a name, the nodes, and from where to where in the history.

use histories::History;
use histories::faults::{FaultEnd, FaultEpisode, fault_episodes};

/// A fault while it was on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Episode {
    /// What: `partition`.
    pub(crate) fault: String,
    /// The nodes, as the history says it.
    pub(crate) target: String,
    /// The position of the event that struck.
    pub(crate) from: u32,
    /// That of the event that healed; none if it is a moment.
    pub(crate) to: Option<u32>,
    /// The times of both, in nanoseconds, where they are known.
    pub(crate) from_ns: Option<i64>,
    pub(crate) to_ns: Option<i64>,
}

/// The episodes of a history, in order of their beginning, as [`fault_episodes`] reads them. What is never ended lasts to the
/// end of the history if faults of its name last, and is a moment otherwise.
pub(crate) fn episodes(history: &History) -> Vec<Episode> {
    let shown = |fault: FaultEpisode| {
        let (to, to_ns) = match fault.end {
            FaultEnd::Seen(end) => (Some(end.last.position), end.last.time_ns),
            FaultEnd::NotSeen => (Some(history.event_count()), None),
            FaultEnd::Immediate | FaultEnd::Unknown => (None, None),
        };
        let name =
            fault.parameter.as_ref().map_or(fault.kind.clone(), |told| format!("{}={told}", fault.kind));
        let failed = if fault.failed.is_some() { " (failed)" } else { "" };
        Episode {
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

impl Episode {
    /// What and where: `partition n1`.
    pub(crate) fn label(&self) -> String {
        match self.target.as_str() {
            "" => self.fault.clone(),
            target => format!("{} {}", self.fault, super::describe::short(target)),
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
        episodes(&history).iter().map(|episode| (episode.label(), episode.to)).collect()
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
