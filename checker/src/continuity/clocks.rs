//! Does time go forward for a session?

use super::presence::answer_clock;
use super::{Judge, is_ok};
use claims::{FindingKind, FindingProof};
use histories::{Id, NEVER, OpId};

/// Judges the times that answers carry. What is missing, if there are none.
///
/// Answer `b` was told an earlier time than `a` if `a` was complete before `b` began, both of one session. Of all answers
/// that were complete before a moment only the one with the latest time matters: O(n).
pub(super) fn judge_clocks(judge: &mut Judge<'_>) -> Option<String> {
    let history = judge.history;
    let mut events: Vec<(u32, bool, OpId, i64)> = Vec::new();
    for id in history.ids().filter(|&id| is_ok(history, id)) {
        let op = history.operation(id);
        if let Some(told) = answer_clock(history, id).filter(|_| op.completed != NEVER) {
            events.push((op.invoked, false, id, told));
            events.push((op.completed, true, id, told));
        }
    }
    if events.is_empty() {
        return Some("no answer carries the clock of whoever gave it".to_owned());
    }
    events.sort_unstable();
    let mut latest: Vec<Option<(i64, OpId)>> = vec![None; history.sessions.len()];
    for (_, completes, id, told) in events {
        let known = &mut latest[history.session(id).index()];
        if completes {
            *known = (*known).max(Some((told, id)));
        } else if let Some((most, earlier)) = *known
            && most - told > judge.question.tolerance_ns
        {
            let back_ns = most - told;
            judge.record_finding_without_exclusion(
                FindingKind::ClockWentBack,
                vec![id, earlier],
                FindingProof::ToldEarlier { earlier, later: id, back_ns },
            );
        }
    }
    None
}
