//! Where each transaction's appends may stand in the longest list that was read of a key, from the definition: a list is the appends of one
//! transaction after another, each of them whole, and a read shows the list as one of them left it.
//!
//! A transaction that read its own appends shows where they are. For all others, only places count that lie in some division of the
//! list into such parts, whether or not one transaction has several parts there.

use histories::{OpId, ValueId};
use std::collections::{HashMap, HashSet};

/// The part of a list that is one transaction's appends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ListPart {
    pub writer: OpId,
    pub from: usize,
    /// One past its last element; beyond the end of the list if the list shows only the first of its appends.
    pub to: usize,
}

/// A list that was read, and what the reads say of its parts.
pub(super) struct ListToDivide<'h> {
    pub elements: &'h [ValueId],
    /// By length without the readers' own appends: the transactions that read the list so.
    pub readers: HashMap<usize, Vec<OpId>>,
    /// Transactions that read their own appends, with the index of the first of them in the list; `None` if it is not the same in all
    /// their reads.
    pub own: HashMap<OpId, Option<usize>>,
}

/// The places of all transactions in one list.
#[derive(Default)]
pub(super) struct ListPlaces {
    len: usize,
    /// By position: the parts that may begin there.
    beginning: Vec<Vec<ListPart>>,
    /// By transaction: the positions at which its part may begin, ascending.
    starts: HashMap<OpId, Vec<usize>>,
    /// By position: whether it lies within some part.
    inside: Vec<bool>,
    readers: HashMap<usize, Vec<OpId>>,
    /// Transactions with an element of which the list has every append.
    all_shown: HashSet<OpId>,
}

impl ListPlaces {
    /// Divides a list. `appended` gives what a transaction appended to it, and `writers` the transactions that appended an element.
    pub(super) fn divide(
        list: ListToDivide<'_>,
        appended: impl Fn(OpId) -> Vec<ValueId>,
        writers: impl Fn(ValueId) -> Vec<OpId>,
    ) -> Self {
        let len = list.elements.len();
        let claims = list.own.iter().filter_map(|(&id, &from)| Some((id, from?)));
        let claimed: Vec<ListPart> = claims
            .map(|(writer, from)| ListPart { writer, from, to: from + appended(writer).len() })
            .collect();
        let mut belongs_to: HashMap<usize, OpId> = HashMap::new();
        for part in &claimed {
            belongs_to.extend((part.from..part.to.min(len)).map(|at| (at, part.writer)));
        }
        let mut ends: Vec<usize> = list.readers.keys().copied().collect();
        ends.sort_unstable();
        let may_stand = |part: &ListPart, own: &[ValueId]| {
            let shown = &list.elements[part.from..part.to.min(len)];
            let next_end = ends.get(ends.partition_point(|&end| end <= part.from));
            let at_its_place = match list.own.get(&part.writer) {
                None => part.to <= len,
                Some(from) => *from == Some(part.from),
            };
            at_its_place
                && own.starts_with(shown)
                && next_end.is_none_or(|&end| part.to <= end)
                && (part.from..part.to.min(len))
                    .all(|at| belongs_to.get(&at).is_none_or(|owner| *owner == part.writer))
        };
        let mut beginning: Vec<Vec<ListPart>> = vec![Vec::new(); len];
        let mut can_reach: HashSet<usize> = HashSet::from([0]);
        for (from, parts) in beginning.iter_mut().enumerate() {
            if !can_reach.contains(&from) {
                continue;
            }
            let mut ids = writers(list.elements[from]);
            ids.dedup();
            for writer in ids {
                let own = appended(writer);
                let part = ListPart { writer, from, to: from + own.len() };
                if may_stand(&part, &own) {
                    can_reach.insert(part.to.min(len));
                    parts.push(part);
                }
            }
        }
        // If no division covers the whole list, a read is unexplained anyway, and the parts before it stay.
        if can_reach.contains(&len) {
            let mut leads_on: HashSet<usize> = HashSet::from([len]);
            for from in (0..len).rev() {
                beginning[from].retain(|part| leads_on.contains(&part.to.min(len)));
                if !beginning[from].is_empty() {
                    leads_on.insert(from);
                }
            }
        }
        let mut places = Self::from_parts(beginning, list.readers);
        places.all_shown = find_fully_shown(list.elements, writers);
        places
    }

    fn from_parts(beginning: Vec<Vec<ListPart>>, readers: HashMap<usize, Vec<OpId>>) -> Self {
        let len = beginning.len();
        let mut starts: HashMap<OpId, Vec<usize>> = HashMap::new();
        let mut inside = vec![false; len];
        let mut covered_to = 0;
        for (at, parts) in beginning.iter().enumerate() {
            inside[at] = covered_to > at;
            for part in parts {
                starts.entry(part.writer).or_default().push(at);
                covered_to = covered_to.max(part.to);
            }
        }
        Self { len, beginning, starts, inside, readers, all_shown: HashSet::new() }
    }

    /// The transactions that may have left the list at a length above zero.
    pub(super) fn writers_at_length(&self, length: usize, longest: usize) -> Vec<OpId> {
        let from = length.saturating_sub(longest);
        let parts = self.beginning.get(from..length.min(self.len)).unwrap_or_default().iter().flatten();
        parts.filter(|part| part.to == length).map(|part| part.writer).collect()
    }

    /// Where the part of a transaction may begin.
    pub(super) fn starts_of(&self, writer: OpId) -> &[usize] {
        self.starts.get(&writer).map_or(&[], Vec::as_slice)
    }

    /// Whether a transaction must stand in the list: only it can begin at a position at which some part must, or the list has all
    /// appends of one of its elements.
    pub(super) fn must_stand(&self, writer: OpId) -> bool {
        let starts = self.starts_of(writer);
        // If it fits nowhere, the positions of its elements contradict each other by themselves.
        if !starts.is_empty() && self.all_shown.contains(&writer) {
            return true;
        }
        starts.len() == 1 && !self.inside[starts[0]] && self.beginning[starts[0]].len() == 1
    }

    /// Whether a part must begin at a position of the list, wherever the others stand.
    pub(super) fn must_begin_at(&self, at: usize) -> bool {
        !self.inside[at]
    }

    /// Whether the list has an element at a position.
    pub(super) fn is_within(&self, at: usize) -> bool {
        at < self.len
    }

    /// The transactions whose part may begin at a position.
    pub(super) fn writers_from(&self, at: usize) -> impl Iterator<Item = OpId> + '_ {
        self.beginning.get(at).into_iter().flatten().map(|part| part.writer)
    }

    /// The transactions that read the list at this length.
    pub(super) fn readers_of_length(&self, length: usize) -> &[OpId] {
        self.readers.get(&length).map_or(&[], Vec::as_slice)
    }
}

/// The transactions that appended an element of which no append can be missing in the list, because the list has it as often as it was
/// appended by all that may have taken effect.
fn find_fully_shown(elements: &[ValueId], writers: impl Fn(ValueId) -> Vec<OpId>) -> HashSet<OpId> {
    let mut sorted = elements.to_vec();
    sorted.sort_unstable();
    let mut shown = HashSet::new();
    for same in sorted.chunk_by(|one, other| one == other) {
        let appends = writers(same[0]);
        if appends.len() <= same.len() {
            shown.extend(appends);
        }
    }
    shown
}
