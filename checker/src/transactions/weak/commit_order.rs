//! Orders of commits that extend session order, reads and required pairs.

use super::Arbitration;
use super::facts::TransactionFacts;
use crate::transactions::index::NONE;

/// A total order of the committed transactions.
pub(crate) struct CommitOrder {
    pub sequence: Vec<u32>,
    /// The position of each operation in the order; [`NONE`] if it is not in the order.
    pub place: Vec<u32>,
}

/// Marks a transaction that is on the path of the walk.
const OPEN: u32 = u32::MAX - 1;

impl CommitOrder {
    /// An order that extends session order, reads, the required pairs, and these pairs. Returns `None` if they have a
    /// cycle, or if the check was stopped.
    pub(super) fn extending_pairs(facts: &TransactionFacts<'_>, kept: &[Arbitration]) -> Option<CommitOrder> {
        let further = ExtraPredecessors::new(facts, kept);
        let count = facts.operation_count();
        let mut order =
            CommitOrder { sequence: Vec::with_capacity(count as usize), place: vec![NONE; count as usize] };
        let mut path: Vec<(u32, u32)> = Vec::new();
        for root in (0..count).filter(|&op| facts.is_committed(op)) {
            if order.place[root as usize] != NONE {
                continue;
            }
            order.place[root as usize] = OPEN;
            path.push((root, 0));
            while let Some(&mut (op, ref mut cursor)) = path.last_mut() {
                let Some(before) = nth_predecessor(facts, &further, op, *cursor) else {
                    order.place[op as usize] = order.sequence.len() as u32;
                    order.sequence.push(op);
                    if order.sequence.len() & 0xfff == 0 && facts.limits.stop_requested() {
                        return None;
                    }
                    path.pop();
                    continue;
                };
                *cursor += 1;
                if before == NONE {
                    continue;
                }
                match order.place[before as usize] {
                    NONE => {
                        order.place[before as usize] = OPEN;
                        path.push((before, 0));
                    }
                    OPEN => return None,
                    _ => {}
                }
            }
        }
        Some(order)
    }
}

/// The predecessor at position `cursor`; [`NONE`] if that position has no transaction, and `None` after the last
/// position.
fn nth_predecessor(
    facts: &TransactionFacts<'_>,
    further: &ExtraPredecessors,
    op: u32,
    cursor: u32,
) -> Option<u32> {
    let reads = facts.reads.row(op);
    match cursor as usize {
        0 => Some(facts.previous[op as usize]),
        at if at <= reads.len() => Some(reads[at - 1].1),
        at => further.predecessors_of(op).get(at - 1 - reads.len()).copied(),
    }
}

/// Predecessors beyond session order and reads, by the later transaction.
pub(super) struct ExtraPredecessors {
    starts: Vec<u32>,
    before: Vec<u32>,
}

impl ExtraPredecessors {
    pub(super) fn new(facts: &TransactionFacts<'_>, kept: &[Arbitration]) -> Self {
        let pairs = || {
            let kept = kept.iter().map(|pair| (pair.earlier, pair.later));
            facts.required.iter().copied().chain(kept)
        };
        let mut starts = vec![0u32; facts.operation_count() as usize + 1];
        for (_, later) in pairs() {
            starts[later as usize + 1] += 1;
        }
        for op in 1..starts.len() {
            starts[op] += starts[op - 1];
        }
        let mut next = starts.clone();
        let mut before = vec![0; *starts.last().expect("never empty") as usize];
        for (earlier, later) in pairs() {
            before[next[later as usize] as usize] = earlier;
            next[later as usize] += 1;
        }
        Self { starts, before }
    }

    pub(super) fn predecessors_of(&self, op: u32) -> &[u32] {
        &self.before[self.starts[op as usize] as usize..self.starts[op as usize + 1] as usize]
    }
}
