//! A transaction that writes the initial state.
//!
//! Generators of transactional workloads (Plume, PolySI, IsoVista, Cobra's benchmarks) often begin with one transaction
//! that writes the same value to every key. It prepares the test and is not part of it. To a checker it is a write like
//! any other. If its value is also what keys hold before any write, a read of that value does not show which of the two
//! it observed.

use crate::{History, Id, KeyId, MicroKind, OpId, Outcome, ValueId};

/// A transaction that writes the initial state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InitialTransaction {
    /// The transaction.
    pub operation: OpId,
    /// The value that it writes to every key.
    pub value: ValueId,
}

impl History {
    /// Finds the transaction that writes one value to every key before anything else happens, if there is one. O(n).
    ///
    /// It must be the first operation, be `ok`, and be the only one to write that value. It must write each key that
    /// any operation names exactly once, and do nothing else. If the history has real time, it must complete before any
    /// other operation begins.
    pub fn initial_transaction(&self) -> Option<InitialTransaction> {
        let mut ids = self.ids();
        let first = ids.next().filter(|&id| self.outcome(id) == Outcome::Ok)?;
        let writes = self.micros_of(first);
        let value = writes.first().filter(|micro| micro.kind == MicroKind::Write)?.value();
        let mut written = vec![false; self.keys.len()];
        for micro in writes {
            let again = std::mem::replace(&mut written[micro.key.index()], true);
            if again || micro.kind != MicroKind::Write || micro.value() != value {
                return None;
            }
        }
        if self.has_real_time() && self.len() > 1 {
            let second = self.operation(OpId::from_raw(1));
            if self.operation(first).completed > second.invoked {
                return None;
            }
        }
        let fits = |id: OpId| {
            self.key(id) == KeyId::NONE
                && self.micros_of(id).iter().all(|micro| {
                    written[micro.key.index()] && (micro.kind != MicroKind::Write || micro.value() != value)
                })
        };
        (self.len() > 1 && ids.all(fits)).then_some(InitialTransaction { operation: first, value })
    }
}

#[cfg(test)]
mod tests {
    use crate::notation::parse;

    fn value(drawing: &str) -> Option<String> {
        let history = parse(drawing).expect("a drawing");
        let found = history.initial_transaction()?;
        Some(history.value_text(found.value).to_owned())
    }

    #[test]
    fn a_transaction_that_writes_everything_first_is_the_initial_state() {
        assert_eq!(value("a: [t wx7 wy7] [t rx7 wy2]\nb:             [t ry7]").as_deref(), Some("7"));
    }

    #[test]
    fn nothing_less_is() {
        for (why, drawing) in [
            ("another value", "a: [t wx7 wy8] [t rx7 ry8]"),
            ("not every key", "a: [t wx7] [t rx7 wy2]"),
            ("one key twice", "a: [t wx7 wx7] [t rx7]"),
            ("it reads", "a: [t wx7 rx7] [t rx7]"),
            ("it failed", "a: [t wx7 ! [t rx7]"),
            ("nobody knows whether it happened", "a: [t wx7 ?\nb:        [t rx7]"),
            ("another one began before it ended", "a: [t wx7    ]\nb:   [t rx7]"),
            ("the value is written again", "a: [t wx7] [t wx7]"),
            ("nothing else happens", "a: [t wx7]"),
            ("a list", "a: [t ax7] [t rx(7)]"),
        ] {
            assert_eq!(value(drawing), None, "{why}");
        }
    }
}
