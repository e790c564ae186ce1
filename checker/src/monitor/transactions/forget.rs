//! What may be forgotten of a stream of transactions, and why.
//!
//! F is a set of transactions with these properties:
//!
//! 1. each of them has ended and had taken effect, or never will;
//! 2. no edge leads into F from a transaction that stays (`closure.rs`);
//! 3. the state that F leaves is certain: of each list the elements in order, of each register the last value
//!    (`registers.rs`);
//! 4. every transaction that stays reads this state, or what a transaction that stays wrote.
//!
//! The window holds the transactions that stay, with this state as the initial one. By 2 no cycle has a transaction of F
//! and one that stays, unless a later event adds an edge into F. Such an edge needs a read of something older than the
//! state that F leaves, or a list that does not begin with the elements that F leaves. Both are noticed when they come
//! (`pairing.rs`); the key is then lost, and the levels are *unknown*. `docs/live.md` has the proofs in full.

use super::closure::{Closure, ForgetRules};
use super::kept::{KeptTransaction, MicroAction};
use super::keys::{KeptKey, KeyState};
use super::registers::Registers;
use super::times::StreamTimes;
use crate::monitor::stream::NOT_YET;
use std::sync::Arc;

/// What changes when transactions are forgotten.
pub(super) struct ForgetPlan {
    /// For each transaction, whether it stays.
    pub(super) stays: Vec<bool>,
    lists: Vec<ListChange>,
    /// The value that each register has then; none if the register is retired.
    registers: Vec<(u32, Option<Arc<str>>)>,
}

/// What changes in a list.
struct ListChange {
    key: u32,
    /// The number of elements of the trunk that are forgotten.
    shown: usize,
    /// The elements that no read has shown and that certainly follow, in order.
    unshown: Vec<Arc<str>>,
    is_retired: bool,
}

impl ForgetPlan {
    /// Chooses what is forgotten. With `weak`, levels without real time are judged.
    pub(super) fn choose(
        transactions: &[KeptTransaction],
        keys: &[KeptKey],
        rules: ForgetRules,
        times: &StreamTimes,
        weak: bool,
    ) -> Self {
        let mut closure = Closure::new(transactions, keys, rules);
        if rules.lists {
            closure.place_lists();
            closure.keep_what_is_recent();
            closure.follow_edges();
            while closure.keep_uncertain_orders() {
                closure.follow_edges();
            }
            let lists = (0..closure.rows.len()).filter_map(|row| change_list(&closure, row)).collect();
            return Self { stays: closure.stays, lists, registers: Vec::new() };
        }
        let registers = Registers::collect(&mut closure, weak);
        closure.keep_what_is_recent();
        closure.follow_edges();
        while registers.keep_uncertain_versions(&mut closure, times) {
            closure.follow_edges();
        }
        let registers = registers.forgotten_values(&closure, times);
        Self { stays: closure.stays, lists: Vec::new(), registers }
    }

    /// The number of transactions that are forgotten.
    pub(super) fn forgotten_count(&self) -> usize {
        self.stays.iter().filter(|stays| !**stays).count()
    }

    /// Makes what is forgotten part of the state of its keys.
    pub(super) fn apply_to_keys(&self, keys: &mut [KeptKey]) {
        for change in &self.lists {
            let key = &mut keys[change.key as usize];
            let shown: Vec<Arc<str>> = key.trunk.drain(..change.shown).collect();
            shown.iter().chain(&change.unshown).for_each(|element| key.forgotten.push(element));
            if change.is_retired {
                key.state = KeyState::Retired;
            }
        }
        for (key, value) in &self.registers {
            let key = &mut keys[*key as usize];
            match value {
                Some(value) => key.forgotten.value = Some(Arc::clone(value)),
                None => key.state = KeyState::Retired,
            }
        }
    }
}

/// What is forgotten of a list, if anything.
fn change_list(closure: &Closure<'_>, at_row: usize) -> Option<ListChange> {
    let (row, key, known) = (&closure.rows[at_row], closure.used[at_row], closure.key_of(at_row));
    if known.is_lost() || row.stays {
        return None;
    }
    let shown = match row.lowest {
        NOT_YET => known.trunk.len(),
        lowest => ((lowest - 1).saturating_sub(known.forgotten.length) as usize).min(known.trunk.len()),
    };
    let is_retired = row.is_retired && closure.find_uncertain(at_row).is_some();
    let gone = row.unplaced.iter().filter(|unplaced| !closure.stays[unplaced.transaction as usize]);
    let value = |at: u32, micro: usize| match &closure.transactions[at as usize].micros[micro].action {
        MicroAction::Write(value) => Arc::clone(value),
        MicroAction::Read(_) => unreachable!("an append is a write"),
    };
    let unshown: Vec<Arc<str>> = match is_retired {
        true => Vec::new(),
        false => gone.map(|unplaced| value(unplaced.transaction, unplaced.micro)).collect(),
    };
    let changes = shown > 0 || !unshown.is_empty() || is_retired;
    changes.then_some(ListChange { key, shown, unshown, is_retired })
}
