//! Checks that the time that a session observes does not go backwards.

use super::presence::answer_clock;
use super::{Judge, is_ok};
use claims::{FindingKind, FindingProof};
use histories::events::Event;
use histories::{Id, NEVER, OpId};
use rayon::prelude::*;

/// The number of operations whose clocks one task reads.
const TASK_OPERATIONS: usize = 1 << 14;

/// Judges the clock times that answers carry. Returns why it could not, if no two answers can be compared.
///
/// Answer b observed an earlier time than a of the same session if a was complete before b began. Among all answers
/// that were complete before a moment, only the one with the latest time matters: O(n).
pub(super) fn judge_clocks(judge: &mut Judge<'_>) -> Option<String> {
    let history = judge.facts.history;
    let clock = |at: usize| {
        let id = OpId::new(at);
        let is_answer = is_ok(history, id) && history.completion_position(id) != NEVER;
        is_answer.then(|| answer_clock(history, id)).flatten()
    };
    let clocks: Vec<Option<i64>> = match history.len() < TASK_OPERATIONS {
        true => (0..history.len()).map(clock).collect(),
        false => (0..history.len()).into_par_iter().with_min_len(TASK_OPERATIONS).map(clock).collect(),
    };
    if clocks.iter().all(Option::is_none) {
        return Some("no answer carries the clock of whoever gave it".to_owned());
    }
    let mut latest: Vec<Option<(i64, OpId)>> = vec![None; history.sessions.len()];
    let mut is_compared = false;
    for event in history.events() {
        let (Event::Invoke(id) | Event::Complete(id)) = event else { continue };
        let Some(told) = clocks[id.index()] else { continue };
        let known = &mut latest[history.session(id).index()];
        if matches!(event, Event::Complete(_)) {
            *known = (*known).max(Some((told, id)));
        } else if let Some((most, earlier)) = *known {
            is_compared = true;
            let back_ns = most - told;
            if back_ns <= judge.facts.question.tolerance_ns {
                continue;
            }
            judge.record_finding_without_exclusion(
                FindingKind::ClockWentBack,
                vec![id, earlier],
                FindingProof::ToldEarlier { earlier, later: id, back_ns },
            );
        }
    }
    (!is_compared).then(|| "no session has two answers, one after the other, that carry a clock".to_owned())
}
