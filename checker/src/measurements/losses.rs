//! What was acknowledged and is gone, as far as measurements need it: how many, and when it was acknowledged.
//!
//! Of registers it is found here: the final reads say which version survived, and every acknowledged write that was
//! invoked after somebody had that version is lost, because nothing can have put the older version in its place.
//! Sessions and actions are judged elsewhere; whoever measures them hands the findings in.

use super::samples::settled;
use histories::{Argument, Function, History, Id, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

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
