//! The states of lists along an order of transactions: which transaction left a list at which length.

use super::ensure;
use super::sources::list_without_own_appends;
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use histories::{History, KeyId, MicroKind, OpId, Outcome, ValueId};
use std::collections::HashMap;

/// The appends of all transactions in an order. Transactions are given by their places in it.
pub(super) struct ListStates<'h> {
    history: &'h History,
    lists: HashMap<KeyId, OrderedList>,
}

#[derive(Default)]
struct OrderedList {
    elements: Vec<ValueId>,
    /// The transactions that appended, in order, each with the length of the list before it.
    writers: Vec<(u32, usize)>,
}

/// Checks that each list that was read is the state of the list after some transaction of the order, so that one of two lists is the
/// beginning of the other. Last elements do not show that: an element may be missing before the last one. What the reader appended itself
/// counts only `with_own`; the check that a transaction sees its own writes is another one. O(n) for n micro-operations and elements of lists. Meaningless once the time is over.
pub(super) fn check_lists_of_order(
    history: &History,
    order: &[OpId],
    with_own: bool,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    let mut states = ListStates::new(history);
    for (at, &id) in (0u32..).zip(watch.take_while_in_time(StepCost::Follow, order.iter())) {
        for micro in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::Append) {
            states.append(at, micro.key, micro.value());
        }
    }
    for (at, &id) in (0u32..).zip(watch.take_while_in_time(StepCost::Follow, order.iter())) {
        let micros = history.micros_of(id);
        let is_list = |place: &usize| micros[*place].kind == MicroKind::ReadList;
        for read in (0..micros.len()).filter(|_| history.outcome(id) == Outcome::Ok).filter(is_list) {
            states.find_source((at, id), read, with_own)?;
        }
    }
    Ok(())
}

impl<'h> ListStates<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        Self { history, lists: HashMap::new() }
    }

    /// Appends an element. Transactions come in order.
    pub(super) fn append(&mut self, at: u32, key: KeyId, value: ValueId) {
        let list = self.lists.entry(key).or_default();
        if list.writers.last().is_none_or(|last| last.0 != at) {
            list.writers.push((at, list.elements.len()));
        }
        list.elements.push(value);
    }

    /// The transaction that left the list as a read returned it; `None` for the initial state. With `with_own`, the reader's own appends
    /// must directly follow it.
    pub(super) fn find_source(
        &self,
        (at, id): (u32, OpId),
        read: usize,
        with_own: bool,
    ) -> Result<Option<u32>, Mismatch> {
        let micros = self.history.micros_of(id);
        let (key, whole) = (micros[read].key, self.history.list(micros[read].list()));
        let outside = list_without_own_appends(self.history, micros, read);
        let nothing = OrderedList::default();
        let list = self.lists.get(&key).unwrap_or(&nothing);
        let never = || {
            Mismatch(format!(
                "in a witness, the list never has the state that micro-operation {read} of {id:?} read"
            ))
        };
        let shown = if with_own { whole } else { outside };
        ensure(list.elements.starts_with(shown), || never().0)?;
        // The first transaction that appended at this length or later.
        let next = list.writers.partition_point(|&(_, before)| before < outside.len());
        let start = list.writers.get(next).map_or(list.elements.len(), |&(_, before)| before);
        ensure(start == outside.len(), || never().0)?;
        if with_own && outside.len() < whole.len() {
            let follows = list.writers.get(next).is_some_and(|&(writer, _)| writer == at);
            ensure(follows, || {
                format!("in a witness, the appends of {id:?} do not follow the list that it read")
            })?;
        }
        let from = next.checked_sub(1).map(|last| list.writers[last].0);
        ensure(from.is_none_or(|from| from < at), || {
            format!("in a witness, micro-operation {read} of {id:?} reads from a later transaction")
        })?;
        Ok(from)
    }
}
