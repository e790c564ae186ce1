//! Whether transactions, in a given order, give the lists that were read. Neither the readers nor their levels matter.
//!
//! The committed elements of the longest list of each key are in the order of their transactions. What no list shows comes after them;
//! what only other lists show has no place. Elements of transactions that failed, or that have no completion and are not in the order, may
//! be anywhere. Equal elements are told apart in every possible way.

use super::{Orders, returned};
use histories::{Function, Id, KeyId, MicroKind, ValueId};

/// Whether these transactions, in this order, explain the lists of all keys. Unless `whole`, others may follow.
pub fn explains_lists(orders: &Orders<'_>, order: &[usize], whole: bool) -> bool {
    let whole = whole.then_some(order);
    (0..orders.history.keys.len())
        .all(|key| ListOfKey::new(orders, KeyId::new(key)).is_explained(order, whole))
}

struct ListOfKey<'o, 'h> {
    orders: &'o Orders<'h>,
    key: KeyId,
    lists: Vec<Vec<ValueId>>,
    longest: Vec<ValueId>,
}

impl<'o, 'h> ListOfKey<'o, 'h> {
    fn new(orders: &'o Orders<'h>, key: KeyId) -> Self {
        let reads = (0..orders.ids.len()).filter(|&reader| orders.must(reader));
        let micros = reads.flat_map(|reader| orders.micros(reader));
        let micros = micros.filter(|m| m.kind == MicroKind::ReadList && m.key == key);
        let lists: Vec<Vec<ValueId>> = micros.map(|m| returned(orders.history, *m)).collect();
        // The first of the longest ones.
        let longest = lists.iter().rev().max_by_key(|list| list.len()).cloned().unwrap_or_default();
        Self { orders, key, lists, longest }
    }

    fn count(list: &[ValueId], value: ValueId) -> usize {
        list.iter().filter(|&&element| element == value).count()
    }

    /// How often transactions appended an element: those that are not in an order, or all.
    fn appended(&self, value: ValueId, outside: Option<&[usize]>) -> usize {
        let history = self.orders.history;
        let placed = |id| outside.is_some_and(|order| order.iter().any(|&at| self.orders.ids[at] == id));
        let all = history.ids().filter(|&id| history.function(id) == Function::TXN && !placed(id));
        let micros = all.flat_map(|id| history.micros_of(id));
        micros.filter(|m| m.kind == MicroKind::Append && m.key == self.key && m.value() == value).count()
    }

    /// Whether an append of the element that is not in the longest list comes after it: no other list shows more of them.
    fn comes_after(&self, value: ValueId) -> bool {
        self.lists.iter().all(|list| Self::count(list, value) <= Self::count(&self.longest, value))
    }

    fn is_explained(&self, order: &[usize], whole: Option<&[usize]>) -> bool {
        let excess = |list: &Vec<ValueId>| {
            list.iter().any(|&value| Self::count(list, value) > self.appended(value, None).max(1))
        };
        !self.lists.iter().any(excess) && self.place(order, 0, &mut vec![false; self.longest.len()], whole)
    }

    /// Whether the rest of the order can be placed at positions from `from` on; `usize::MAX` if an append is after the list.
    fn place(&self, order: &[usize], from: usize, taken: &mut Vec<bool>, whole: Option<&[usize]>) -> bool {
        let Some((&first, rest)) = order.split_first() else {
            return whole.is_none_or(|order| self.is_rest_explained(taken, order));
        };
        let appends = self.orders.micros(first).iter();
        let own: Vec<ValueId> =
            appends.filter(|m| m.kind == MicroKind::Append && m.key == self.key).map(|m| m.value()).collect();
        self.place_appends(&own, (from, from), rest, taken, whole)
    }

    fn place_appends(
        &self,
        own: &[ValueId],
        (from, last): (usize, usize),
        rest: &[usize],
        taken: &mut Vec<bool>,
        whole: Option<&[usize]>,
    ) -> bool {
        let Some((&value, more)) = own.split_first() else { return self.place(rest, last, taken, whole) };
        for at in 0..self.longest.len() {
            if at >= from && !taken[at] && self.longest[at] == value {
                taken[at] = true;
                if self.place_appends(more, (from, last.max(at)), rest, taken, whole) {
                    return true;
                }
                taken[at] = false;
            }
        }
        let last = if self.comes_after(value) { usize::MAX } else { last };
        self.place_appends(more, (from, last), rest, taken, whole)
    }

    /// Whether transactions outside the order can have appended the elements that no transaction took, or nobody appended them.
    fn is_rest_explained(&self, taken: &[bool], order: &[usize]) -> bool {
        self.longest.iter().all(|&value| {
            let left = (0..taken.len()).filter(|&at| !taken[at] && self.longest[at] == value).count();
            left <= self.appended(value, Some(order)) || self.appended(value, None) == 0
        })
    }
}
