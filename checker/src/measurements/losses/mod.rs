//! What was acknowledged and is lost: how many operations, which, and how certainly.
//!
//! Three kinds of observations show a loss. Each lost operation is counted once, however many show it.
//!
//! - **What is there in the end.** A final read returned a version that was observed before an acknowledged write
//!   began. Nothing can have put the older version in place of the newer ([`registers`], and the finding `lost-write`
//!   of sessions).
//! - **A session that is gone**, although no operation ended it and its time had not run out. With it, everything is
//!   lost that was acknowledged under its id ([`sessions`]).
//! - **The point at which the logs of two servers diverge**: one server acknowledged an operation that its successor
//!   did not have, even if it was overwritten long before the end ([`branches`]).
//!
//! What every server still held when the servers were read one by one in the end was not lost, whatever an answer lacked
//! ([`held`]).
//!
//! An operation that none of these decides is *open*, so the number of losses is known between two bounds. If nothing
//! was read back, and nothing is known to be lost, no figure is given.

mod branches;
mod held;
mod lacks;
mod last_entries;
mod overlaps;
mod registers;
mod sessions;
mod write_list;

use super::figure::Figure;
use super::in_time::{TimeOver, in_time};
use super::nodes::Nodes;
use super::recorder_events::settled_position;
use crate::Verdict;
use crate::continuity::{Finding, FindingVerdict, Kind, Proof, is_read_after_settling};
use branches::{Fates, decide_fates};
use claims::Limits;
use histories::{Function, History, KeyId, OpId, ValueId};
use rustc_hash::FxHashSet;

const NOT_FOUND_HERE: &str = "the history does not show what was lost";
const NOT_TOLD: &str = "the findings leave this open";
const NOT_READ: &str = "the history has no final reads";
const NO_SESSIONS: &str = "this history has no sessions";

/// Everything that a store lost.
#[derive(Clone, PartialEq, Debug)]
pub struct MeasuredLosses {
    /// The number of lost sessions.
    pub sessions: Result<Figure, &'static str>,
    /// The lost acknowledged writes.
    pub writes: Result<LostOperations, &'static str>,
    /// The lost acknowledged renewals of sessions.
    pub renewals: Result<LostOperations, &'static str>,
    /// The number of lost acknowledged actions.
    pub actions: Result<usize, &'static str>,
    /// The number of actions that took effect more than once.
    pub duplicates: Result<usize, &'static str>,
    /// Pairs of an acknowledged operation and a later answer that lacks it.
    pub lacking: Vec<(OpId, OpId)>,
    /// All acknowledged operations that are certainly lost, of any kind, in order.
    pub certain: Vec<OpId>,
}

/// Lost operations. Both lists are in order of invocation and have no operation in common.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LostOperations {
    /// Operations that are certainly lost.
    pub certain: Vec<OpId>,
    /// Operations that may be lost: the history does not decide.
    pub open: Vec<OpId>,
}

impl LostOperations {
    /// The number of lost operations, between two bounds.
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

/// What registers lost that held `initial` at first, without a limit. O(n log n).
pub fn measure_register_losses(history: &History, initial: ValueId) -> MeasuredLosses {
    measure_register_losses_within(history, initial, &Limits::unbounded()).expect("there is no limit")
}

/// What registers lost that held `initial` at first. O(n log n).
///
/// # Errors
/// The time limit was reached before everything had been looked at.
pub fn measure_register_losses_within(
    history: &History,
    initial: ValueId,
    limits: &Limits<'_>,
) -> Result<MeasuredLosses, TimeOver> {
    let stop = limits.stop;
    let none = MeasuredLosses {
        sessions: Err(NO_SESSIONS),
        renewals: Err(NO_SESSIONS),
        actions: Err(NO_SESSIONS),
        duplicates: Err(NO_SESSIONS),
        ..MeasuredLosses::default()
    };
    if !registers::has_only_registers(history) {
        return Ok(MeasuredLosses { writes: Err("the objects are no registers"), ..none });
    }
    let entries = registers::acknowledged_writes(history);
    let evidence = registers::collect_evidence(history, initial, &entries, stop)?;
    if settled_position(history) == u32::MAX {
        return Ok(MeasuredLosses { writes: Err(NOT_READ), lacking: evidence.missing, ..none });
    }
    let fates = decide_fates(history, &Nodes::from_history(history, stop)?, &entries, &evidence);
    in_time(stop)?;
    let writes = Ok(LostOperations::from_fates(&fates, |_| true));
    Ok(MeasuredLosses { writes, lacking: evidence.missing, certain: fates.lost, ..none })
}

/// What a session store lost, from what was found wrong with it and from what its answers show, without a limit.
/// O(n log n).
pub fn measure_session_losses(history: &History, judged: &[FindingVerdict]) -> MeasuredLosses {
    measure_session_losses_within(history, judged, &Limits::unbounded()).expect("there is no limit")
}

/// What a session store lost, from what was found wrong with it and from what its answers show. O(n log n).
///
/// # Errors
/// The time limit was reached before everything had been looked at.
pub fn measure_session_losses_within(
    history: &History,
    judged: &[FindingVerdict],
    limits: &Limits<'_>,
) -> Result<MeasuredLosses, TimeOver> {
    let stop = limits.stop;
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
    let mixes_answers = found(Kind::SessionLeak).is_ok_and(|leaks| !leaks.is_empty());
    let evidence = sessions::collect_evidence(history, &entries, &telling, mixes_answers, stop)?;
    // Where nothing could have shown one of these findings, final reads tell as much as where it holds.
    let is_decided = |kind| {
        let mut verdicts = judged.iter().filter(|judged| judged.kind == kind).map(|judged| &judged.verdict);
        verdicts.next().is_some_and(|verdict| !matches!(verdict, Verdict::Unknown(_)))
    };
    let decided =
        is_read_after_settling(history) && is_decided(Kind::LostWrite) && is_decided(Kind::LostSession);
    let undecided = (!decided).then_some(NOT_TOLD);
    let fates = match undecided {
        None => decide_fates(history, &Nodes::from_history(history, stop)?, &entries, &evidence),
        Some(_) => Fates::without_final_reads(&entries, &evidence),
    };
    in_time(stop)?;
    // Where the findings are not decided, what is certain is a lower bound; and if nothing is, nothing is known.
    let of = |is_counted: fn(Function) -> bool| {
        let lost = LostOperations::from_fates(&fates, |id| is_counted(history.function(id)));
        undecided.filter(|_| lost.certain.is_empty()).map_or(Ok(lost), Err)
    };
    Ok(MeasuredLosses {
        sessions,
        writes: of(|function| matches!(function, Function::WRITE | Function::PATCH)),
        renewals: of(|function| function == Function::RENEW),
        actions: distinct(Kind::LostAction, act),
        duplicates: distinct(Kind::DuplicatedAction, act),
        lacking: evidence.missing,
        certain: fates.lost,
    })
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
