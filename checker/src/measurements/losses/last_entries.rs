//! The last acknowledged change of each object. A client could miss it; nobody can miss a change that another one followed.

use histories::{Function, History, Id, KeyId, OpId, Operation, Outcome};

/// For each object, its last two acknowledged changes. The ids that renewals join are one object.
pub(super) struct LastEntries {
    /// By id: the first id of the object. Operations without a key have one object in common, which is the last.
    object_of: Vec<u32>,
    /// By the first id of an object: the changes that were over last, with when they were.
    last: Vec<[Option<(u32, OpId)>; 2]>,
}

impl LastEntries {
    /// Takes the entries, and each operation that ended a session. O(n α(n)).
    pub(super) fn from_history(history: &History, entries: &[OpId]) -> Self {
        let count = history.keys.len() + 1;
        let mut parents: Vec<u32> = (0..count as u32).collect();
        for op in history.operations().filter(|op| op.function == Function::RENEW) {
            if let Some(new) = history.keys.get(history.value_text(op.value())) {
                let (old, new) = (find_root(&mut parents, op.key.raw()), find_root(&mut parents, new.raw()));
                parents[new as usize] = old;
            }
        }
        let object_of = (0..count as u32).map(|id| find_root(&mut parents, id)).collect();
        let mut found = Self { object_of, last: vec![[None; 2]; count] };
        let ends = |op: &Operation| op.function == Function::DESTROY && op.outcome == Outcome::Ok;
        let ends = history.operations().filter(ends).map(|op| op.id);
        for op in entries.iter().copied().chain(ends).map(|id| history.operation(id)) {
            let object = found.object_of(op.key);
            let [last, before] = &mut found.last[object];
            let this = Some((op.completed, op.id));
            if this > *last {
                *before = std::mem::replace(last, this);
            } else {
                *before = this.max(*before);
            }
        }
        found
    }

    fn object_of(&self, key: KeyId) -> usize {
        let last = self.object_of.len() - 1;
        self.object_of[key.index().min(last)] as usize
    }

    /// Whether another change of the object was over after an operation had begun. If the two overlap, the later one of the log is
    /// found in another way ([`super::overlaps`]).
    pub(super) fn is_overwritten(&self, op: &Operation) -> bool {
        let changes = self.last[self.object_of(op.key)].iter().flatten();
        changes.filter(|change| change.1 != op.id).any(|change| change.0 > op.invoked)
    }
}

fn find_root(parents: &mut [u32], id: u32) -> u32 {
    let mut at = id.min(parents.len() as u32 - 1);
    while parents[at as usize] != at {
        parents[at as usize] = parents[parents[at as usize] as usize];
        at = parents[at as usize];
    }
    at
}
