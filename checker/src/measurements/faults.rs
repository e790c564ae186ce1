//! The faults of a run, and for how long each is held responsible for errors.

use histories::History;
use histories::faults::{FaultEnd, fault_episodes};

/// One fault. Times are in ns on the history's clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeasuredFault {
    /// The kind of the fault, as the history names it: `kill`, `delay=50ms`.
    pub name: String,
    /// The nodes that it struck, as JSON.
    pub nodes: String,
    /// When it struck.
    pub struck: i64,
    /// When it ended. `None` for a fault without length (a restart), and for one that was never healed.
    pub healed: Option<i64>,
    /// Until when errors are attributed to the fault: until the next fault strikes after this one ended, or the last
    /// event of a user.
    pub until: i64,
    /// The positions of its two events.
    pub positions: (u32, Option<u32>),
    /// Whether the recorder observed the fault to be in force. `None` if it did not look.
    pub in_force: Option<bool>,
    /// How the recorder observed that.
    pub how: Option<String>,
}

/// The reason why nothing is measured of a fault that did not take effect.
pub(super) const NOT_IN_FORCE: &str =
    "the fault was not in force: whoever caused it looked, and it had no effect";

impl MeasuredFault {
    /// When it ended, or when it struck if it has no length.
    pub fn end_time(&self) -> i64 {
        self.healed.unwrap_or(self.struck)
    }
}

/// Reads the faults of a history in the order in which they struck, as [`fault_episodes`] gives them. Faults that could
/// not be caused are left out. A fault strikes when its strike begins, and ends when its end is done. `end` is the time
/// of the last event of a user.
pub(super) fn read_faults(history: &History, end: i64) -> Vec<MeasuredFault> {
    let caused = fault_episodes(history).into_iter().filter(|episode| episode.failed.is_none());
    let mut faults: Vec<MeasuredFault> = caused
        .filter_map(|episode| {
            let struck = episode.strike.first;
            let over = if let FaultEnd::Seen(moment) = episode.end { Some(moment.last) } else { None };
            Some(MeasuredFault {
                name: episode.name,
                nodes: episode.value,
                struck: struck.time_ns?,
                healed: over.and_then(|over| over.time_ns),
                until: end,
                positions: (struck.position, over.map(|over| over.position)),
                in_force: None,
                how: None,
            })
        })
        .collect();
    faults.iter_mut().for_each(|fault| apply_evidence(history, fault));
    faults.sort_by_key(|fault| fault.struck);
    let strikes: Vec<i64> = faults.iter().map(|fault| fault.struck).collect();
    for (at, fault) in faults.iter_mut().enumerate() {
        let over = fault.end_time();
        let next = strikes[at + 1..].iter().find(|&&strike| strike >= over);
        fault.until = next.copied().unwrap_or(end).max(over);
    }
    faults
}

/// Lets a fault begin when it was observed to be in force, instead of when it was requested. The observation of the
/// recorder (`evidence`) is in the notes of the event that struck or of the event that healed. The second was made
/// later and takes precedence.
fn apply_evidence(history: &History, fault: &mut MeasuredFault) {
    for position in [Some(fault.positions.0), fault.positions.1].into_iter().flatten() {
        let Some(note) = history.note(position).filter(|note| note.fields.contains("\"evidence\"")) else {
            continue;
        };
        // The notes are the further fields of a JSON object that the reader kept.
        let Ok(notes) = serde_json::from_str::<serde_json::Value>(&note.fields) else { continue };
        let evidence = &notes["evidence"];
        fault.in_force = evidence["in_force"].as_bool().or(fault.in_force);
        fault.how = evidence["how"].as_str().map(str::to_owned).or(fault.how.take());
        fault.struck = evidence["from_ns"].as_i64().unwrap_or(fault.struck);
        // A beginning after the end comes from another clock.
        fault.healed = fault.healed.map(|healed| healed.max(fault.struck));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurements::tests::{history, is, unknown};
    use crate::measurements::{MeasuredLosses, measure_history};
    use histories::ValueId;

    #[test]
    fn each_heal_ends_its_own_fault_and_a_fault_answers_until_the_next_strikes() {
        let mixed = history(
            "0 nemesis delay=50ms \"n1\"
             10 nemesis kill \"n2\"
             20 nemesis heal-delay \"n1\"
             30 nemesis restart \"n3\"
             40 nemesis heal-kill \"n2\"
             50 nemesis kill null failed",
        );
        let found = read_faults(&mixed, 99_000_000);
        let told: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.struck, f.healed, f.until)).collect();
        let ms = 1_000_000;
        assert_eq!(
            told,
            [
                ("delay=50ms", 0, Some(20 * ms), 30 * ms),
                ("kill", 10 * ms, Some(40 * ms), 99 * ms),
                ("restart", 30 * ms, None, 99 * ms)
            ]
        );
    }

    #[test]
    fn jepsens_nemesis_tells_everything_twice() {
        let history = history(
            "0 nemesis start null
             1 nemesis start \"cut\"
             9 nemesis stop null
             10 nemesis stop \"ok\"",
        );
        let found = read_faults(&history, 99_000_000);
        // The fault strikes when the strike begins, and ends when the heal is done: until then it may be in force.
        assert_eq!((found.len(), found[0].struck, found[0].healed), (1, 0, Some(10_000_000)));
    }

    fn with_evidence(evidence: &str) -> History {
        let lines = [
            r#"{"time":0,"process":0,"session":"a","type":"invoke","f":"write","key":"x","value":1}"#,
            r#"{"time":1000000,"process":0,"session":"a","type":"ok","f":"write","key":"x","value":1}"#,
            r#"{"time":10000000,"process":"nemesis","type":"info","f":"pause","value":"n1"}"#,
            r#"{"time":15000000,"process":0,"session":"a","type":"invoke","f":"write","key":"x","value":2}"#,
            r#"{"time":16000000,"process":0,"session":"a","type":"info","f":"write","key":"x","value":2}"#,
            r#"{"time":40000000,"process":"nemesis","type":"info","f":"heal-pause","value":"n1","evidence":EVIDENCE}"#,
            r#"{"time":45000000,"process":0,"session":"a","type":"invoke","f":"write","key":"x","value":3}"#,
            r#"{"time":46000000,"process":0,"session":"a","type":"ok","f":"write","key":"x","value":3}"#,
        ];
        let text = lines.join("\n").replace("EVIDENCE", evidence);
        histories::format::from_text(histories::format::Format::Native, &text).expect("a history")
    }

    /// The process was observed to be stopped from 12 ms on, so the session that was served at 46 ms waited for 34 ms.
    /// The process was let go at 40 ms, although it was last observed before that.
    #[test]
    fn a_fault_begins_when_it_was_seen_to() {
        let history = with_evidence(
            r#"{"in_force":true,"from_ns":12000000,"to_ns":39000000,"how":"state T in /proc"}"#,
        );
        let found = measure_history(&history, ValueId::NULL, &MeasuredLosses::default());
        let fault = &found.faults[0];
        assert_eq!((fault.fault.struck, fault.fault.healed), (12_000_000, Some(40_000_000)));
        assert_eq!(fault.fault.how.as_deref(), Some("state T in /proc"));
        is(&fault.values, "recovery_max_seconds", 0.034);
    }

    /// A fault that had no effect shows nothing of the store, and above all not that it recovers at once.
    #[test]
    fn of_a_fault_that_was_not_in_force_nothing_is_known() {
        let history = with_evidence(r#"{"in_force":false,"how":"the process ran on"}"#);
        let found = measure_history(&history, ValueId::NULL, &MeasuredLosses::default());
        assert_eq!(found.faults[0].fault.in_force, Some(false));
        for name in ["recovery_max_seconds", "affected_sessions", "availability_share", "lost_writes"] {
            unknown(&found.faults[0].values, name);
        }
        for name in ["recovery_max_seconds", "affected_sessions", "recovery_first_seconds", "warm_up_seconds"]
        {
            unknown(&found.run, name);
        }
    }
}
