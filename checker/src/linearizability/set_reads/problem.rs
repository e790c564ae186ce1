//! The operations on a set in the form that the search reads: steps on single elements, and reads of all elements.

use crate::linearizability::register::Access;
use crate::linearizability::search::TimedCall;
use crate::linearizability::set_elements::{ABSENT, access_of_element};
use claims::specification::CallValues;
use histories::{Function, NEVER, OpId, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// What a step finds and makes of its element. `true` stands for present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ElementAccess {
    /// The step found this and changed nothing.
    Found(bool),
    /// The step made the element this, whatever it was before.
    Made(bool),
    /// The step made the element this, and it was not so before.
    Changed(bool),
}

impl ElementAccess {
    /// Whether the element is present right after the step.
    pub(super) fn present_after(self) -> bool {
        match self {
            ElementAccess::Found(present)
            | ElementAccess::Made(present)
            | ElementAccess::Changed(present) => present,
        }
    }

    /// Whether the step can turn the element into this.
    pub(super) fn changes_to(self, present: bool) -> bool {
        self == ElementAccess::Made(present) || self == ElementAccess::Changed(present)
    }

    fn from_register(access: Access) -> Self {
        match access {
            Access::Read(value) => ElementAccess::Found(value != ABSENT),
            Access::Cas(_, value) => ElementAccess::Changed(value != ABSENT),
            Access::Write(value) | Access::Differs(value) => ElementAccess::Made(value != ABSENT),
        }
    }
}

/// An operation on one element.
#[derive(Clone, Copy, Debug)]
pub(super) struct SetStep {
    pub id: OpId,
    pub element: u32,
    pub access: ElementAccess,
    pub invoked: u32,
    /// [`NEVER`] if the step may not have happened.
    pub returned: u32,
}

/// A completed read of all elements.
#[derive(Clone, Debug)]
pub(super) struct WholeRead {
    pub id: OpId,
    pub invoked: u32,
    pub returned: u32,
    /// The elements that it returned, ascending.
    pub elements: Vec<u32>,
    /// Whether a set can return this at all: a list without duplicates, or null.
    pub possible: bool,
}

impl WholeRead {
    pub(super) fn returned_element(&self, element: u32) -> bool {
        self.elements.binary_search(&element).is_ok()
    }
}

/// The operations on one set.
#[derive(Clone, Debug, Default)]
pub(super) struct SetProblem {
    /// In order of invocation.
    pub steps: Vec<SetStep>,
    pub reads: Vec<WholeRead>,
    /// Completed operations that say and change nothing, with their invocations.
    pub silent: Vec<(u32, OpId)>,
    pub element_count: usize,
    /// The steps of each element, in order of invocation.
    pub steps_of: Vec<Vec<u32>>,
    /// Whether each element may be present or absent at the beginning. Otherwise it is absent.
    pub starts_anyhow: bool,
}

impl SetProblem {
    /// O(size of the answers). `None` if an operation is neither on one element nor a read of all.
    pub(super) fn from_calls(values: &CallValues<'_>, calls: &[TimedCall]) -> Option<Self> {
        let mut problem = SetProblem::default();
        let mut element_of: FxHashMap<ValueId, u32> = FxHashMap::default();
        for call in calls {
            if call.call.function == Function::READ {
                problem.add_read(values, call, &mut element_of);
                continue;
            }
            if !matches!(call.call.function, Function::ADD | Function::REMOVE | Function::CONTAINS) {
                return None;
            }
            match access_of_element(values, call) {
                Some(register) => {
                    let element = element_number(&mut element_of, call.call.value());
                    problem.steps.push(SetStep {
                        id: call.id,
                        element,
                        access: ElementAccess::from_register(register),
                        invoked: call.invoked,
                        returned: call.returned,
                    });
                }
                None if call.returned != NEVER => problem.silent.push((call.invoked, call.id)),
                None => {}
            }
        }
        problem.element_count = element_of.len();
        problem.index_steps();
        Some(problem)
    }

    fn add_read(
        &mut self,
        values: &CallValues<'_>,
        call: &TimedCall,
        element_of: &mut FxHashMap<ValueId, u32>,
    ) {
        if call.returned == NEVER {
            return;
        }
        let Some(found) = call.call.output else {
            self.silent.push((call.invoked, call.id));
            return;
        };
        let listed = values.list_elements(found);
        let mut elements: Vec<u32> =
            listed.into_iter().flatten().map(|&element| element_number(element_of, element)).collect();
        elements.sort_unstable();
        let count = elements.len();
        elements.dedup();
        let possible = elements.len() == count && (listed.is_some() || found == ValueId::NULL);
        let (id, invoked, returned) = (call.id, call.invoked, call.returned);
        self.reads.push(WholeRead { id, invoked, returned, elements, possible });
    }

    fn index_steps(&mut self) {
        self.steps_of = vec![Vec::new(); self.element_count];
        for (number, step) in (0u32..).zip(&self.steps) {
            self.steps_of[step.element as usize].push(number);
        }
    }

    /// The part on some elements, up to the response at a position: what the set does if the other elements are left out of
    /// all answers. If the whole has a legal order, so has each part. The elements are numbered anew, in the order of `kept`.
    pub(super) fn part_on_elements(
        &self,
        kept: &[u32],
        reads: &[u32],
        until: u32,
        from: Option<u32>,
    ) -> Self {
        let mut part = SetProblem { element_count: kept.len(), ..SetProblem::default() };
        part.starts_anyhow = from.is_some();
        let from = from.unwrap_or(0);
        for (number, &element) in (0u32..).zip(kept) {
            for &step in &self.steps_of[element as usize] {
                let step = self.steps[step as usize];
                let is_open = step.returned > until || step.invoked < from;
                let may_write = !matches!(step.access, ElementAccess::Found(_));
                if step.invoked <= until && step.returned >= from && (!is_open || may_write) {
                    let returned = if is_open { NEVER } else { step.returned };
                    part.steps.push(SetStep { element: number, returned, ..step });
                }
            }
        }
        part.steps.sort_unstable_by_key(|step| step.invoked);
        for read in reads.iter().map(|&read| &self.reads[read as usize]) {
            if read.returned <= until && read.invoked >= from {
                let elements = (0u32..).zip(kept).filter(|(_, element)| read.returned_element(**element));
                part.reads.push(WholeRead {
                    elements: elements.map(|(number, _)| number).collect(),
                    ..read.clone()
                });
            }
        }
        part.index_steps();
        part
    }
}

impl SetProblem {
    /// Leaves out some steps.
    pub(super) fn leave_out_steps(&mut self, without: &FxHashSet<OpId>) {
        if !without.is_empty() {
            self.steps.retain(|step| !without.contains(&step.id));
            self.index_steps();
        }
    }

    /// Whether the rest has an order without a step if it has one with it.
    pub(super) fn may_go_without(&self, step: &SetStep) -> bool {
        let made = match step.access {
            ElementAccess::Found(_) => return true,
            ElementAccess::Made(present) | ElementAccess::Changed(present) => present,
        };
        let found = |&other: &u32| match self.steps[other as usize].access {
            ElementAccess::Found(present) => present == made,
            ElementAccess::Changed(present) => present != made,
            ElementAccess::Made(_) => false,
        };
        !self.steps_of[step.element as usize].iter().any(found)
            && !self.reads.iter().any(|read| read.returned_element(step.element) == made)
    }
}

fn element_number(element_of: &mut FxHashMap<ValueId, u32>, element: ValueId) -> u32 {
    let next = element_of.len() as u32;
    *element_of.entry(element).or_insert(next)
}
