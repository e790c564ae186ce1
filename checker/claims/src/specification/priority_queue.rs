//! A priority queue: the element of least priority first.
//!
//! **Equal priorities.** Elements of the same priority come out in any order, so a removal without an answer may have
//! taken any element of the least priority. A specification here is deterministic. So its state represents all states in
//! which the object may be, and remembers that such a removal took *one* of the elements that were there.
//!
//! The elements of one priority are kept in [groups](PriorityClass), with one such removal between two groups. A removal
//! took an element of a group before it. An answer removes its element from the last group that has it: of equal elements,
//! the one in an earlier group could have been taken in place of the one in a later group. If the first k groups have only
//! as many elements as removals follow them, all of these elements are gone.

use super::{Call, CallValues, Refused, Specification};
use histories::{Function, ValueId};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

/// A priority queue that is empty at first. An element is an integer, which is its priority, or a list of an integer
/// priority and a value. A `delete-min` that returns `null` found it empty.
pub struct PriorityQueue {
    priorities: FxHashMap<ValueId, i128>,
}

/// The elements of one priority, in groups: each group with its distinct elements and their numbers. Between two groups, a
/// removal without an answer took an element of some earlier group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PriorityClass(Vec<BTreeMap<ValueId, usize>>);

/// The priority of an element, from its JSON text: `5` or `[5,"value"]`. `None` if it is no integer, or if the list has
/// another length.
pub fn parse_priority(text: &str) -> Option<i128> {
    if !text.starts_with('[') {
        // Most are short, and wide integers take several times as long to parse.
        return text.parse::<i64>().map(i128::from).or_else(|_| text.parse()).ok();
    }
    match serde_json::from_str::<Vec<&serde_json::value::RawValue>>(text).ok()?.as_slice() {
        [priority, _] => priority.get().parse().ok(),
        _ => None,
    }
}

impl PriorityQueue {
    /// A priority queue into which at most these values are inserted.
    pub fn new(values: &CallValues<'_>, inserted: impl Iterator<Item = ValueId>) -> Self {
        let mut priorities = FxHashMap::default();
        for value in inserted {
            if let Entry::Vacant(vacant) = priorities.entry(value)
                && let Some(priority) = parse_priority(values.text_of_value(value))
            {
                vacant.insert(priority);
            }
        }
        Self { priorities }
    }

    /// The priority of a value that is inserted. `None` if it has none.
    pub fn priority_of(&self, value: ValueId) -> Option<i128> {
        self.priorities.get(&value).copied()
    }
}

impl Specification for PriorityQueue {
    /// The elements by priority. No class is without elements.
    type State = BTreeMap<i128, PriorityClass>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn state_bytes(&self, state: &Self::State) -> usize {
        let groups = state.values().flat_map(|class| &class.0);
        let elements: usize = groups.map(|group| 64 + 24 * group.len()).sum();
        size_of_val(state) + 64 * state.len() + elements
    }

    fn step(&self, state: &Self::State, call: &Call) -> Result<Self::State, Refused> {
        let mut next = state.clone();
        self.step_in_place(&mut next, call)?;
        Ok(next)
    }

    fn step_in_place(&self, state: &mut Self::State, call: &Call) -> Result<(), Refused> {
        match call.function {
            Function::INSERT => {
                let value = call.value();
                let priority = self.priority_of(value).ok_or(Refused("a priority is an integer"))?;
                state.entry(priority).or_default().insert_element(value);
                Ok(())
            }
            Function::DELETE_MIN => {
                let Some(mut least) = state.first_entry() else {
                    let empty = call.returns(ValueId::NULL);
                    return if empty { Ok(()) } else { Err(Refused("the priority queue is empty")) };
                };
                match call.output {
                    None => least.get_mut().take_unknown_element(),
                    Some(value) if least.get_mut().remove_element(value) => {}
                    Some(_) => return Err(Refused("the element of least priority is another one")),
                }
                if least.get().is_empty() {
                    least.remove();
                }
                Ok(())
            }
            _ => Err(Refused("a priority queue knows insert and delete-min")),
        }
    }
}

impl Default for PriorityClass {
    fn default() -> Self {
        Self(vec![BTreeMap::new()])
    }
}

impl PriorityClass {
    fn is_empty(&self) -> bool {
        self.0.iter().all(BTreeMap::is_empty)
    }

    fn insert_element(&mut self, value: ValueId) {
        if let Some(group) = self.0.last_mut() {
            *group.entry(value).or_default() += 1;
        }
    }

    /// Removes an element that can still be there. Returns false if there is none.
    fn remove_element(&mut self, value: ValueId) -> bool {
        let Some(group) = self.0.iter_mut().rev().find(|group| group.contains_key(&value)) else {
            return false;
        };
        take_one(group, value);
        self.settle_removals();
        true
    }

    fn take_unknown_element(&mut self) {
        self.0.push(BTreeMap::new());
        self.settle_removals();
    }

    /// Carries out the removals whose elements are known.
    fn settle_removals(&mut self) {
        // As many elements as removals that must have taken one of them.
        let (mut elements, mut gone) = (0, 0);
        for (removals, group) in (1..self.0.len()).zip(&self.0) {
            elements += group.values().sum::<usize>();
            if elements == removals {
                gone = removals;
            }
        }
        self.0.drain(..gone);
        // The first removal had no choice between different elements.
        while self.0.len() > 1
            && let [(&value, _)] = self.0[0].iter().collect::<Vec<_>>()[..]
        {
            let mut first = self.0.remove(0);
            take_one(&mut first, value);
            for (value, number) in first {
                *self.0[0].entry(value).or_default() += number;
            }
        }
    }
}

/// Removes one of the equal elements of a group, which has it.
fn take_one(group: &mut BTreeMap<ValueId, usize>, value: ValueId) {
    if let Some(number) = group.get_mut(&value) {
        *number -= 1;
        if *number == 0 {
            group.remove(&value);
        }
    }
}
