//! Histories that are told session by session: Plume's and PolySI's text, AWDIT's, dbcop's.
//!
//! These formats say what each session did, one transaction after another, and nothing of when: two
//! transactions of different sessions are in no order. A [`History`] is a sequence of events, so events have to
//! be put in *some* order, and any order would claim what nobody saw: with two sessions of two transactions each,
//! no sequence of events keeps each session's order and lets everything else overlap (such an order, "2 + 2",
//! is what orders of intervals cannot be; Fishburn 1970). So the history is marked as one without real time
//! ([`History::has_real_time`]), and what needs real time is not judged from it. Session order is real.
//!
//! What the formats share beyond that: keys and values are integers, objects are registers, and a transaction was
//! committed or aborted; that a client does not know which, they cannot say.

use super::datum::Flaw;
use crate::{Problem, Problems};
use std::sync::Arc;

/// What one step of a transaction did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TransactionStep {
    pub(super) writes: bool,
    pub(super) key: i64,
    /// None: the initial value.
    pub(super) value: Option<i64>,
}

/// One transaction: which steps are its own, and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SessionTransaction {
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) committed: bool,
    /// Its place in the file, from zero.
    pub(super) number: u32,
}

/// What a file tells, for formats that are small or written; [`super::gathering`] has what streams by.
#[derive(Default)]
pub(super) struct TransactionsBySession {
    pub(super) steps: Vec<TransactionStep>,
    /// The name of each session and what it did, in order.
    pub(super) sessions: Vec<(i64, Vec<SessionTransaction>)>,
    /// Further fields of the header, as JSON after a comma: `,"info":"…"`.
    pub(super) about: String,
}

impl TransactionsBySession {
    /// Adds a transaction to the last session.
    pub(super) fn push_transaction(
        &mut self,
        steps: impl IntoIterator<Item = TransactionStep>,
        committed: bool,
        number: u32,
    ) {
        let start = self.steps.len() as u32;
        self.steps.extend(steps);
        let len = self.steps.len() as u32 - start;
        let (_, transactions) = self.sessions.last_mut().expect("a session was begun");
        transactions.push(SessionTransaction { start, len, committed, number });
    }

    pub(super) fn steps_of(&self, told: SessionTransaction) -> &[TransactionStep] {
        &self.steps[told.start as usize..(told.start + told.len) as usize]
    }
}

/// What is wrong with a whole file that was read at once, each with its place in the text; a file that is no text has
/// none.
pub(super) fn place_flaws(
    file: &Arc<str>,
    text: Option<&[u8]>,
    mut flaws: Vec<Flaw>,
    max: usize,
) -> Problems {
    let bytes = text.unwrap_or_default();
    flaws.sort_by_key(|flaw| flaw.at);
    let more = flaws.len().saturating_sub(max.max(1));
    flaws.truncate(max.max(1));
    let (mut line, mut line_start, mut seen) = (1, 0, 0);
    let place = |flaw: Flaw| {
        let at = flaw.at.min(bytes.len());
        line += memchr::memchr_iter(b'\n', &bytes[seen..at]).count() as u64;
        line_start = memchr::memrchr(b'\n', &bytes[..at]).map_or(line_start, |newline| newline + 1);
        seen = at;
        let column = bytes[line_start..at].iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u64 + 1;
        let (line, column) = if text.is_some() { (line, column) } else { (0, 0) };
        Problem { file: Arc::clone(file), line, column, found: flaw.found, expected: flaw.expected }
    };
    Problems { list: flaws.into_iter().map(place).collect(), more: more as u64 }
}
