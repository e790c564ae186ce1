//! Branches of the search: which open reads are placed, and what that leaves possible for each element.

use super::configurations::ElementConfiguration;
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// The possible configurations of one element.
pub(super) type Configurations = Rc<[ElementConfiguration]>;

/// One way in which the reads of all elements can have been placed so far.
#[derive(Clone)]
pub(super) struct ReadBranch {
    /// The open reads that are placed, by slot.
    pub placed: u128,
    /// The configurations of the elements for which they differ from those that all branches began with.
    pub changed: FxHashMap<u32, Configurations>,
    /// How many elements are present in all of their configurations.
    pub certain: usize,
    /// The last read that was placed, in the [`ReadTrace`]s.
    pub trace: u32,
}

/// A read that was placed, and the one that was placed before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadTrace {
    pub before: u32,
    pub read: u32,
    pub tick: u32,
}

pub(super) fn is_certainly_present(configurations: &[ElementConfiguration]) -> bool {
    configurations.iter().all(|found| found.present)
}

pub(super) fn is_uncertain(configurations: &[ElementConfiguration]) -> bool {
    !is_certainly_present(configurations) && configurations.iter().any(|found| found.present)
}

impl ReadBranch {
    pub(super) fn configurations<'b>(
        &'b self,
        base: &'b [Configurations],
        element: u32,
    ) -> &'b Configurations {
        self.changed.get(&element).unwrap_or(&base[element as usize])
    }

    pub(super) fn set_configurations(&mut self, base: &[Configurations], element: u32, new: Configurations) {
        let was = is_certainly_present(self.configurations(base, element));
        self.certain += usize::from(is_certainly_present(&new));
        self.certain -= usize::from(was);
        self.changed.insert(element, new);
    }

    /// Whether everything that is possible after the other branch is possible after this one.
    pub(super) fn covers(&self, other: &ReadBranch, base: &[Configurations]) -> bool {
        let includes = |element: &u32| {
            let own = self.configurations(base, *element);
            let others = other.configurations(base, *element);
            Rc::ptr_eq(own, others)
                || others.iter().all(|found| own.iter().any(|better| better.covers(found)))
        };
        other.placed & !self.placed == 0
            && self.changed.keys().all(includes)
            && other.changed.keys().all(includes)
    }
}

/// Adds a branch, unless another one covers it. Removes the branches that it covers.
pub(super) fn add_branch(branches: &mut Vec<ReadBranch>, new: ReadBranch, base: &[Configurations]) {
    if branches.iter().any(|other| other.covers(&new, base)) {
        return;
    }
    branches.retain(|other| !new.covers(other, base));
    branches.push(new);
}
