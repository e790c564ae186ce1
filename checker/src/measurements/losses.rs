//! What was acknowledged and is gone, as far as measurements need it: how many, and when it was acknowledged.
//!
//! Of registers it is found here: the final reads say which version survived, and every acknowledged write that was
//! invoked after somebody had that version is lost, because nothing can have put the older version in its place.
//! Of sessions and actions [`crate::continuity`] finds it.

use super::samples::settled;
use crate::Verdict;
use crate::continuity::{Finding, Judged, Kind, Proof};
use histories::{Argument, Function, History, Id, KeyId, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

const NOT_FOUND_HERE: &str = "nobody looked for what was lost";

/// What findings say was lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Losses {
    /// How many sessions.
    pub sessions: Result<usize, &'static str>,
    /// Which acknowledged writes.
    pub writes: Result<Vec<OpId>, &'static str>,
    /// How many acknowledged actions.
    pub actions: Result<usize, &'static str>,
    /// How many actions took effect more than once.
    pub duplicates: Result<usize, &'static str>,
}

impl Default for Losses {
    fn default() -> Self {
        Self {
            sessions: Err(NOT_FOUND_HERE),
            writes: Err(NOT_FOUND_HERE),
            actions: Err(NOT_FOUND_HERE),
            duplicates: Err(NOT_FOUND_HERE),
        }
    }
}

/// What registers lost. O(n).
pub fn of_registers(history: &History, initial: ValueId) -> Losses {
    const NO_SESSIONS: &str = "the objects are no sessions";
    Losses {
        sessions: Err(NO_SESSIONS),
        writes: lost_writes(history, initial),
        actions: Err(NO_SESSIONS),
        duplicates: Err(NO_SESSIONS),
    }
}

/// What a session store lost, from what was found wrong with it. Of lost writes a finding shows one; all acknowledged
/// writes of the same content that were asked for after the version that survived are lost with it. O(n).
pub fn of_sessions(history: &History, judged: &[Judged]) -> Losses {
    const NOT_TOLD: &str = "the findings leave it unknown";
    let found = |kind| -> Result<&[Finding], &'static str> {
        match judged.iter().find(|judged| judged.kind == kind).map(|judged| &judged.verdict) {
            Some(Verdict::Holds(())) => Ok(&[]),
            Some(Verdict::Violated(findings)) => Ok(findings),
            Some(Verdict::Unknown(_) | Verdict::Untested(_)) | None => Err(NOT_TOLD),
        }
    };
    let distinct = |kind, of: fn(&Finding) -> Option<u32>| {
        let findings = found(kind)?.iter();
        Ok(findings.map(of).collect::<FxHashSet<_>>().len())
    };
    let act = |finding: &Finding| match &finding.proof {
        Proof::Repeated { act, .. } => act.map(OpId::raw),
        Proof::Undone { act, .. } => Some(act.raw()),
        _ => finding.operations.first().map(|id| id.raw()),
    };
    Losses {
        sessions: distinct(Kind::LostSession, |finding| Some(finding.key.raw())),
        writes: found(Kind::LostWrite).map(|findings| lost_with(history, findings)),
        actions: distinct(Kind::LostAction, act),
        duplicates: distinct(Kind::DuplicatedAction, act),
    }
}

/// The acknowledged writes that findings show to be lost, those that are lost with them included.
fn lost_with(history: &History, findings: &[Finding]) -> Vec<OpId> {
    // For each object what survived: since when somebody had it, and until when nothing newer was there.
    let mut survived: FxHashMap<KeyId, Vec<(u32, u32)>> = FxHashMap::default();
    let mut lost: FxHashSet<OpId> = FxHashSet::default();
    for finding in findings {
        match &finding.proof {
            &Proof::Replaced { read, field: None, older, .. }
            | &Proof::BackToBirth { read, birth: older, .. } => {
                let (older, read) = (history.operation(older), history.operation(read));
                survived.entry(read.key).or_default().push((older.completed, read.invoked));
            }
            Proof::Replaced { newer: one, .. } | Proof::Uncleared { write: one, .. } => {
                lost.insert(*one);
            }
            _ => {}
        }
    }
    for op in history.operations().filter(|op| op.function == Function::WRITE && op.outcome == Outcome::Ok) {
        let spans = survived.get(&op.key).map_or(&[][..], Vec::as_slice);
        if spans.iter().any(|&(from, to)| op.invoked > from && op.completed < to) {
            lost.insert(op.id);
        }
    }
    let mut lost: Vec<OpId> = lost.into_iter().collect();
    lost.sort_unstable();
    lost
}

fn lost_writes(history: &History, initial: ValueId) -> Result<Vec<OpId>, &'static str> {
    let settled = settled(history);
    if settled == u32::MAX {
        return Err("nothing was read back after the store had settled");
    }
    let is_register = |function| {
        matches!(function, Function::READ | Function::WRITE | Function::CAS | Function::GET | Function::PUT)
    };
    if !history.ids().all(|id| is_register(history.function(id))) {
        return Err("the objects are no registers");
    }
    // What each object held in the end, and then since when somebody had that.
    let mut survivors: Vec<Option<(ValueId, u32, bool)>> = vec![None; history.keys.len()];
    for op in history.operations().filter(|op| op.invoked > settled && op.outcome == Outcome::Ok) {
        if matches!(op.function, Function::READ | Function::GET) {
            survivors[op.key.index()] = Some((op.result, u32::MAX, op.result == initial));
        }
    }
    let mut writers: FxHashMap<u32, u32> = FxHashMap::default();
    for op in history.operations() {
        let Some((value, seen, known)) = &mut survivors[op.key.index()] else { continue };
        if written(history, op.id) == Some(*value) {
            *writers.entry(op.key.raw()).or_default() += 1;
            *known = true;
            *seen = (*seen).min(op.completed);
        } else if op.outcome == Outcome::Ok && op.result == *value && op.invoked < settled {
            *seen = (*seen).min(op.completed);
        }
    }
    let mut lost = Vec::new();
    for op in history.operations().filter(|op| op.outcome == Outcome::Ok) {
        let Some((value, seen, known)) = survivors[op.key.index()] else { continue };
        let count = writers.get(&op.key.raw()).copied().unwrap_or(0);
        // Of a value that was written twice, or that stood there at first too, nobody knows which it is.
        let unique = known && (count == 1) != (value == initial);
        let wrote = written(history, op.id).is_some_and(|wrote| wrote != value);
        let since = if value == initial { 0 } else { seen };
        if unique && wrote && op.invoked >= since {
            lost.push(op.id);
        }
    }
    Ok(lost)
}

fn written(history: &History, id: OpId) -> Option<ValueId> {
    match (history.function(id), history.argument(id)) {
        (Function::WRITE | Function::PUT, Argument::Value(value)) => Some(value),
        (Function::CAS, Argument::Pair(_, new)) => Some(new),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::continuity::judge;
    use crate::measurements::tests::history;

    /// What the findings about a history, drawn as in `tests.rs`, say was lost.
    fn lost(text: &str) -> (History, Losses) {
        let history = history(text);
        let judged = judge(&history, &claims::SessionRules::default(), &Limits::unbounded());
        let losses = of_sessions(&history, &judged);
        (history, losses)
    }

    fn payload(version: u32) -> String {
        format!(r#"{{"bytes":64,"session":"alice","version":{version}}}"#)
    }

    /// Created with 1; 2, 3 and 4 are acknowledged, and in the end it holds 1: one finding, and three writes that are gone.
    /// One that failed, and one that nobody acknowledged, were never promised to anybody.
    #[test]
    fn with_a_lost_write_all_are_lost_that_came_after_what_survived() {
        let write = |at: u32, version, end: &str| {
            format!("{at}-{} alice write s {} {end}\n", at + 1, payload(version))
        };
        let text = [
            format!("1-2 alice create s {} ok\n", payload(1)),
            write(3, 2, "ok"),
            write(5, 3, "ok"),
            write(7, 5, "fail no primary"),
            write(9, 6, "info timeout"),
            write(11, 4, "ok"),
            "20 recorder settled null\n".to_owned(),
            format!("30-31 final read s {} ok\n", payload(1)),
        ];
        let (history, losses) = lost(&text.concat());
        let writes = losses.writes.expect("the store had settled");
        let values: Vec<&str> =
            writes.iter().map(|&id| history.value_text(history.operation(id).value())).collect();
        assert_eq!(values, [payload(2), payload(3), payload(4)]);
        assert_eq!((losses.sessions, losses.actions.is_err()), (Ok(0), true), "no list of actions was read");
        let (_, open) = lost(&text.concat().replace("20 recorder settled null\n", ""));
        assert!(open.writes.is_err(), "what is not seen may come yet");
    }

    /// 1 is overwritten by 2, which a reader sees in the end: nothing is lost.
    #[test]
    fn what_was_overwritten_is_not_lost() {
        let (_, losses) = lost(&format!(
            "1-2 alice create s {} ok\n3-4 alice write s {} ok\n5 recorder settled null\n6-7 final read s {} ok",
            payload(1),
            payload(2),
            payload(2)
        ));
        assert_eq!(losses.writes, Ok(Vec::new()));
    }

    #[test]
    fn sessions_and_actions_are_counted_once_however_often_they_are_missed() {
        let (_, losses) = lost(&format!(
            "1-2 alice create s {} ok
             3-4 alice act s \"a-1\" ok
             5-6 alice act s \"a-2\" ok
             7-8 alice act s \"a-3\" ok
             10-11 alice read s null ok
             12-13 bob read s null ok
             14-15 bob actions alice [\"a-2\",\"a-2\",\"a-3\"] ok
             16-17 bob actions alice [\"a-2\",\"a-2\",\"a-3\",\"a-3\"] ok",
            payload(1)
        ));
        assert_eq!((losses.sessions, losses.actions, losses.duplicates), (Ok(1), Ok(1), Ok(2)));
    }
}
