//! The operations of users as rows of times, from which all other figures are counted.
//!
//! Some operations are left out. Operations after the `settled` event read everything back, and are not those of users.
//! Operations before `warmed-up` prepare a warm start. Steps that the description of an application lacks were never
//! sent to a server. An operation without any completion has no end time.

use super::in_time::{TimeOver, UntilStopped, in_time};
use super::notes::{self, NONE, NoteFacts, NumberedTexts};
use super::recorder_events::{settled_position, warmed_up_position};
use super::turned_away::read_turned_away;
use histories::{Function, History, Id, OpId, Outcome, SessionId};
use std::sync::atomic::AtomicBool;

/// The beginning of the error of an operation that was never sent, because the description of the application lacks the
/// step.
const NOT_ISSUED: &str = "the description has no [";

/// The outcome of an operation, as its user sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum UserOutcome {
    /// The operation did what was asked.
    Success,
    /// The store refused: no such session, a compare-and-set that found another value, an empty queue.
    Refusal,
    /// An error, a timeout, or no end at all.
    Error,
}

/// One operation of a user. Times are in ns on the history's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) id: OpId,
    pub(super) session: SessionId,
    /// When its user wanted it to begin, if the history says so; otherwise the same as `invoked`.
    pub(super) wanted: i64,
    pub(super) invoked: i64,
    /// When its last event came. `None` if only its invocation was recorded.
    pub(super) ended: Option<i64>,
    /// Until when its user waited at least: its last event, or the last event of the history if it has none.
    pub(super) until: i64,
    pub(super) end: UserOutcome,
    pub(super) outcome: Outcome,
    /// The kind of its error, as an index into [`Samples::errors`].
    pub(super) error: u32,
}

/// All operations of users, in order of invocation.
#[derive(Default)]
pub(super) struct Samples {
    pub(super) rows: Vec<Sample>,
    /// The kinds of errors, with normalised texts.
    pub(super) errors: Vec<String>,
    /// When the requests were due that were never sent, sorted.
    pub(super) turned_away: Vec<i64>,
    /// The kinds of errors for operations that ended without an error text, and for operations without an end.
    silent: u32,
    endless: u32,
    /// For each row, the latest end of this row and all rows before it.
    reach: Vec<i64>,
    /// The rows of each session: the index at which those of each session begin, and the rows.
    session_starts: Vec<u32>,
    session_rows: Vec<u32>,
}

impl Samples {
    /// The operations of users; none if the history has no times. O(n log n), about 70 bytes an operation.
    ///
    /// # Errors
    /// The time limit was reached.
    pub(super) fn from_history(history: &History, stop: &AtomicBool) -> Result<Samples, TimeOver> {
        let mut samples = Samples::default();
        let facts = samples.read_notes(history);
        samples.turned_away = read_turned_away(history);
        let (warm, settled) = (warmed_up_position(history), settled_position(history));
        let mut errors = vec![NONE; history.len()];
        let mut intended = vec![None; history.len()];
        distribute_notes(history, &facts, stop, &mut |id, facts, at_end| {
            if at_end {
                errors[id.index()] = facts.error;
            } else {
                intended[id.index()] = facts.intended;
            }
        });
        in_time(stop)?;
        let last_event = find_last_event(history, stop);
        let operations = history.operations().until_stopped(stop);
        for op in operations.take_while(|op| op.invoked < settled).filter(|op| op.invoked >= warm) {
            let (at, Some(invoked)) = (op.id.index(), history.invoked_at(op.id)) else { continue };
            let ended = history.completed_at(op.id).map(|ended| ended.max(invoked));
            let mut sample = Sample {
                id: op.id,
                session: op.session,
                // An intended start after the invocation comes from another clock.
                wanted: intended[at].map_or(invoked, |wanted| wanted.min(invoked)),
                invoked,
                ended,
                until: ended.unwrap_or(last_event),
                end: UserOutcome::Success,
                outcome: op.outcome,
                error: NONE,
            };
            if op.outcome != Outcome::Ok {
                let told = samples.errors.get(errors[at] as usize).map(String::as_str);
                let Some(end) = judge_end(op.function, op.outcome, told) else { continue };
                sample.end = end;
                let unsaid = if ended.is_none() { samples.endless } else { samples.silent };
                sample.error = if errors[at] == NONE { unsaid } else { errors[at] };
            }
            samples.rows.push(sample);
        }
        if !samples.rows.is_sorted_by_key(|row| row.invoked) {
            samples.rows.sort_by_key(|row| row.invoked);
        }
        in_time(stop)?;
        samples.build_indexes(history.sessions.len());
        Ok(samples)
    }

    /// The index of the first row that was invoked at or after a time.
    pub(super) fn index_from(&self, time: i64) -> usize {
        self.rows.partition_point(|row| row.invoked < time)
    }

    /// The rows invoked from one time (included) to another (excluded).
    pub(super) fn invoked_between(&self, from: i64, to: i64) -> &[Sample] {
        &self.rows[self.index_from(from)..self.index_from(to).max(self.index_from(from))]
    }

    /// The index of the first row that may have been in progress at a time. All rows before it were over.
    pub(super) fn first_reaching(&self, time: i64) -> usize {
        self.reach.partition_point(|&reach| reach < time)
    }

    /// Whether some operation invoked before a time was in progress at that time.
    pub(super) fn is_under_way(&self, time: i64) -> bool {
        self.index_from(time).checked_sub(1).is_some_and(|last| self.reach[last] > time)
    }

    /// The rows of one session, in order of invocation.
    pub(super) fn rows_of_session(&self, session: SessionId) -> impl Iterator<Item = &Sample> + Clone {
        let at = session.index();
        let range = self.session_starts[at] as usize..self.session_starts[at + 1] as usize;
        self.session_rows[range].iter().map(|&row| &self.rows[row as usize])
    }

    /// The sessions that have rows.
    pub(super) fn sessions_with_rows(&self) -> impl Iterator<Item = SessionId> + '_ {
        let windows = self.session_starts.windows(2).enumerate();
        windows.filter(|(_, ends)| ends[0] < ends[1]).map(|(at, _)| SessionId::new(at))
    }

    /// The time of the first invocation, and that of the last event of any row.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        Some((self.rows.first()?.invoked, *self.reach.last()?))
    }

    fn build_indexes(&mut self, sessions: usize) {
        let mut reach = i64::MIN;
        for row in &self.rows {
            reach = reach.max(row.until);
            self.reach.push(reach);
        }
        self.session_starts = vec![0; sessions + 1];
        self.rows.iter().for_each(|row| self.session_starts[row.session.index() + 1] += 1);
        for at in 0..sessions {
            self.session_starts[at + 1] += self.session_starts[at];
        }
        let mut next = self.session_starts.clone();
        self.session_rows = vec![0; self.rows.len()];
        for (at, row) in self.rows.iter().enumerate() {
            let place = &mut next[row.session.index()];
            self.session_rows[*place as usize] = at as u32;
            *place += 1;
        }
    }

    /// Reads each pattern of further fields.
    fn read_notes(&mut self, history: &History) -> Vec<NoteFacts> {
        let (mut errors, mut nodes) = (NumberedTexts::default(), NumberedTexts::default());
        let facts =
            history.note_patterns().map(|text| notes::parse_note(&text, &mut errors, &mut nodes)).collect();
        (self.silent, self.endless) = (errors.number_text("no error told"), errors.number_text("no end"));
        self.errors = errors.texts;
        facts
    }
}

/// The time of the last event of a history.
fn find_last_event(history: &History, stop: &AtomicBool) -> i64 {
    let of_operation = |op: histories::Operation| history.completed_at(op.id).max(history.invoked_at(op.id));
    let of_operations = history.operations().until_stopped(stop).filter_map(of_operation);
    let of_actors = history.actor_events().iter().filter_map(|event| event.time);
    of_operations.chain(of_actors).max().unwrap_or(i64::MIN)
}

/// Hands each operation the facts of its two events: three lists by position, walked side by side.
/// It ends early once the flag is set.
pub(super) fn distribute_notes(
    history: &History,
    facts: &[NoteFacts],
    stop: &AtomicBool,
    hand: &mut impl FnMut(OpId, NoteFacts, bool),
) {
    let mut ends: Vec<(u32, OpId)> = history
        .operations()
        .until_stopped(stop)
        .filter(|op| op.completed != histories::NEVER)
        .map(|op| (op.completed, op.id))
        .chain(history.info_events().iter().copied())
        .collect();
    ends.sort_unstable();
    let mut ends = ends.into_iter().peekable();
    let mut begins = history.operations().map(|op| (op.invoked, op.id)).peekable();
    for &(position, text) in history.note_rows().iter().until_stopped(stop) {
        while begins.next_if(|begin| begin.0 < position).is_some() {}
        while ends.next_if(|end| end.0 < position).is_some() {}
        let mut facts = facts[text as usize];
        if facts.intended.is_some() {
            facts.intended = history.note_number(position, "intended");
        }
        if let Some((_, id)) = begins.next_if(|begin| begin.0 == position) {
            hand(id, facts, false);
        } else if let Some((_, id)) = ends.next_if(|end| end.0 == position) {
            hand(id, facts, true);
        }
    }
}

/// How an operation ended for its user, by the kind of its error. `None` if it was never issued.
pub(super) fn judge_end(function: Function, outcome: Outcome, error: Option<&str>) -> Option<UserOutcome> {
    match outcome {
        Outcome::Ok => Some(UserOutcome::Success),
        Outcome::Fail if error.is_some_and(|error| error.starts_with(NOT_ISSUED)) => None,
        Outcome::Fail if is_refusal(function, error) => Some(UserOutcome::Refusal),
        Outcome::Fail | Outcome::Info => Some(UserOutcome::Error),
    }
}

/// Whether a failed operation is an answer about the object: the store works, and refuses.
fn is_refusal(function: Function, error: Option<&str>) -> bool {
    const ANSWERS: [&str; 6] =
        ["no such session", "exists", "the value differs", "empty", "not found", "precondition"];
    match error {
        Some(error) => ANSWERS.iter().any(|answer| error.contains(answer)),
        None => matches!(function, Function::CAS | Function::DEQUEUE | Function::POP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_answer_and_an_error_is_none() {
        assert!(is_refusal(Function::WRITE, Some("no such session")));
        assert!(is_refusal(Function::CAS, None));
        assert!(!is_refusal(Function::WRITE, None));
        assert!(!is_refusal(Function::CREATE, Some("no primary")));
    }

    /// An application without a `[touch]` step used to be reported as 91.7 % available although nothing was wrong. A
    /// step that the description lacks is never sent, so no user was refused.
    #[test]
    fn a_step_that_a_description_lacks_is_nobodys_request() {
        let found = crate::measurements::tests::measured(
            "1-2 a write x 1 ok
             3-4 a touch x null fail the description has no [touch]
             5-6 a read x 1 ok",
        );
        crate::measurements::tests::is(&found.run, "availability_share", 1.0);
        assert!(found.errors.is_empty());
    }
}
