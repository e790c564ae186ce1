//! Histories that are recorded session by session: Plume's and PolySI's text, AWDIT's text, and dbcop's formats.
//!
//! These formats record what each session did, one transaction after another, but not when. Two transactions of
//! different sessions are not ordered. A [`History`] is a sequence of events, so the events must be given *some* order,
//! and any order claims more than was observed. With two sessions of two transactions each, no sequence of events keeps
//! the order of each session and lets everything else overlap: such an order, "2 + 2", is exactly what an interval
//! order cannot contain (Fishburn 1970). So the history is marked as having no real time ([`History::has_real_time`]),
//! and properties that need real time are not decided from it. Session order is real.
//!
//! The formats also share this: keys and values are integers, objects are registers, and a transaction is either
//! committed or aborted. They cannot express that the client does not know which.

use super::datum::Flaw;
use crate::{Problem, Problems};
use std::sync::Arc;

/// What one step of a transaction did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TransactionStep {
    pub(super) writes: bool,
    pub(super) key: i64,
    /// None is the initial value.
    pub(super) value: Option<i64>,
}

/// One transaction: the range of its steps, and whether it was committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SessionTransaction {
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) committed: bool,
    /// Its index in the file, from zero.
    pub(super) number: u32,
}

/// The content of a file, for formats that are small and for writing. [`super::gathering`] is for formats that are
/// streamed.
#[derive(Default)]
pub(super) struct TransactionsBySession {
    pub(super) steps: Vec<TransactionStep>,
    /// The name of each session and its transactions, in order.
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

/// Converts the flaws of a file that was read at once to problems, with lines and columns in `text`. A binary file has
/// no text, and its problems have no line.
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
