//! What was acknowledged and is gone: how many, which, and how surely.
//!
//! Three things tell of a loss, and each operation is counted once, however many do.
//!
//! - **What is there in the end.** A final read returned a version that somebody had before an acknowledged write began:
//!   nothing can have put the older one in its place ([`registers`], and the finding `lost-write` of sessions).
//! - **A session that is gone**, though nobody ended it and its time had not run out: with it, all that was acknowledged
//!   under its id ([`sessions`]).
//! - **The place where the logs of two servers part**: what one acknowledged and its successor did not have, though it was
//!   overwritten long before the end ([`branches`]).
//!
//! What none of them decides is *open*: the number of losses is then known between two bounds. Where nothing was read
//! back, and nothing is known to be lost, nothing is said.

mod branches;
mod registers;
mod sessions;

use super::figure::Figure;
use super::nodes::Nodes;
use super::samples::settled_position;
use crate::Verdict;
use crate::continuity::{Finding, FindingVerdict, Kind, Proof};
use branches::{Fates, decide_fates};
use histories::{Function, History, KeyId, OpId, ValueId};
use rustc_hash::FxHashSet;

const NOT_FOUND_HERE: &str = "the history does not show what was lost";
const NOT_TOLD: &str = "the findings leave this open";
const NOT_READ: &str = "the history has no final reads";
const NO_SESSIONS: &str = "this history has no sessions";

/// What was lost.
#[derive(Clone, PartialEq, Debug)]
pub struct MeasuredLosses {
    /// How many sessions.
    pub sessions: Result<Figure, &'static str>,
    /// Which acknowledged writes.
    pub writes: Result<LostOperations, &'static str>,
    /// Which acknowledged renewals of sessions.
    pub renewals: Result<LostOperations, &'static str>,
    /// How many acknowledged actions.
    pub actions: Result<usize, &'static str>,
    /// How many actions took effect more than once.
    pub duplicates: Result<usize, &'static str>,
    /// Answers that lack what had been acknowledged before they were asked for: what, and the answer.
    pub lacking: Vec<(OpId, OpId)>,
    /// Everything acknowledged that is certainly lost, of whatever kind, in order.
    pub certain: Vec<OpId>,
}

/// Operations that are lost. Both lists are in order of invocation and have no operation in common.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LostOperations {
    /// Those that certainly are.
    pub certain: Vec<OpId>,
    /// Those that may be or not: nothing in the history decides.
    pub open: Vec<OpId>,
}

impl LostOperations {
    /// How many.
    pub fn count(&self) -> Figure {
        let certain = self.certain.len();
        Figure::between(certain as f64, (certain + self.open.len()) as f64)
    }

    fn from_fates(fates: &Fates, is_counted: impl Fn(OpId) -> bool) -> Self {
        let counted = |ids: &[OpId]| ids.iter().copied().filter(|&id| is_counted(id)).collect();
        Self { certain: counted(&fates.lost), open: counted(&fates.open) }
    }
}

impl Default for MeasuredLosses {
    fn default() -> Self {
        Self {
            sessions: Err(NOT_FOUND_HERE),
            writes: Err(NOT_FOUND_HERE),
            renewals: Err(NOT_FOUND_HERE),
            actions: Err(NOT_FOUND_HERE),
            duplicates: Err(NOT_FOUND_HERE),
            lacking: Vec::new(),
            certain: Vec::new(),
        }
    }
}

/// What registers lost that held `initial` at first. O(n log n).
pub fn measure_register_losses(history: &History, initial: ValueId) -> MeasuredLosses {
    let none = MeasuredLosses {
        sessions: Err(NO_SESSIONS),
        renewals: Err(NO_SESSIONS),
        actions: Err(NO_SESSIONS),
        duplicates: Err(NO_SESSIONS),
        ..MeasuredLosses::default()
    };
    if !registers::has_only_registers(history) {
        return MeasuredLosses { writes: Err("the objects are no registers"), ..none };
    }
    let entries = registers::acknowledged_writes(history);
    let evidence = registers::collect_evidence(history, initial, &entries);
    if settled_position(history) == u32::MAX {
        return MeasuredLosses { writes: Err(NOT_READ), lacking: evidence.missing, ..none };
    }
    let fates = decide_fates(history, &Nodes::from_history(history), &entries, &evidence);
    let writes = Ok(LostOperations::from_fates(&fates, |_| true));
    MeasuredLosses { writes, lacking: evidence.missing, certain: fates.lost, ..none }
}

/// What a session store lost, from what was found wrong with it and from what its answers show. O(n log n).
pub fn measure_session_losses(history: &History, judged: &[FindingVerdict]) -> MeasuredLosses {
    let found = |kind| -> Result<&[Finding], &'static str> {
        match judged.iter().find(|judged| judged.kind == kind).map(|judged| &judged.verdict) {
            Some(Verdict::Holds(())) => Ok(&[]),
            Some(Verdict::Violated(findings)) => Ok(findings),
            _ => Err(NOT_TOLD),
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
    let sessions = found(Kind::LostSession).map(|findings| {
        let lost: FxHashSet<KeyId> = findings.iter().map(|finding| finding.key).collect();
        let open = sessions::count_unasked_sessions(history, &lost);
        Figure::between(lost.len() as f64, (lost.len() + open) as f64)
    });
    let entries = sessions::acknowledged_changes(history);
    let telling: Vec<&Finding> = judged.iter().filter_map(telling_findings).flatten().collect();
    let evidence = sessions::collect_evidence(history, &entries, &telling);
    let undecided = found(Kind::LostWrite).and(found(Kind::LostSession)).err();
    let fates = match undecided {
        None => decide_fates(history, &Nodes::from_history(history), &entries, &evidence),
        Some(_) => Fates::without_final_reads(&entries, &evidence),
    };
    // Where the findings are not decided, what is certain is a lower bound; and if nothing is, nothing is known.
    let of = |is_counted: fn(Function) -> bool| {
        let lost = LostOperations::from_fates(&fates, |id| is_counted(history.function(id)));
        undecided.filter(|_| lost.certain.is_empty()).map_or(Ok(lost), Err)
    };
    MeasuredLosses {
        sessions,
        writes: of(|function| matches!(function, Function::WRITE | Function::PATCH)),
        renewals: of(|function| function == Function::RENEW),
        actions: distinct(Kind::LostAction, act),
        duplicates: distinct(Kind::DuplicatedAction, act),
        lacking: evidence.missing,
        certain: fates.lost,
    }
}

fn telling_findings(judged: &FindingVerdict) -> Option<&[Finding]> {
    let tells = matches!(
        judged.kind,
        Kind::LostSession
            | Kind::LostWrite
            | Kind::StaleSession
            | Kind::ResurrectedSession
            | Kind::OldIdAlive
    );
    match &judged.verdict {
        Verdict::Violated(findings) if tells => Some(findings),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
