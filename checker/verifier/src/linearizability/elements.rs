//! Which operations a core of a queue, stack, priority queue or set may leave out.
//!
//! **Projection of queues and stacks.** Take a legal order of all operations, and leave out all operations on some values. The remaining elements
//! keep their relative order in the queue or stack, so each remaining removal returns the same element. So the order that
//! is left is legal. The same holds for priority queues: an element of least priority among all elements is one of least
//! priority among fewer elements.
//!
//! A removal that found the object empty changed nothing, so it may be left out. This does not hold if `null` was inserted,
//! because such a removal may have returned the element `null`; then it counts as an operation on that value.
//!
//! A removal without an answer takes some element, or nothing. If the core has as many answered removals of each of its
//! values as insertions, nothing is left for it to take. It then changes nothing in the order that is left.
//!
//! **Projection of sets.** An operation on one element neither sees nor changes the others. Take a legal order of all operations,
//! and leave out all operations on some elements, and these elements in the answers of reads. The order that is left is legal. So a
//! core of a set is about the elements of its operations ([`KeptSetElements`]). Of these elements, it may leave out
//! what changed nothing, and what made an element present (or absent) if no operation of the core found it present
//! (or absent): until the next change of the element, no operation of the core finds out.

use claims::specification::{Call, CallValues, Refused, Set, Specification};
use claims::{Core, Model};
use histories::{Argument, Function, History, OpId, Outcome, ValueId};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Up to so many elements, a core of a set may begin later than the history: all sets of them are tried.
const ELEMENTS_ANYHOW_MAX: usize = 4;

/// What a core of a queue, stack, priority queue or set keeps.
pub(super) enum KeptPart {
    Container(KeptElements),
    Set(KeptSetElements),
}

impl KeptPart {
    /// What a core keeps, among all operations on its object. `None` if no rule of this module applies.
    pub(super) fn from_core(history: &History, model: Model, here: &[OpId], core: &Core) -> Option<Self> {
        match model {
            Model::Queue | Model::Stack | Model::PriorityQueue => {
                Some(KeptPart::Container(KeptElements::from_core(history, here, core)))
            }
            Model::Set => Some(KeptPart::Set(KeptSetElements::from_core(history, here, core))),
            _ => None,
        }
    }

    /// Whether the core may leave out an operation that took effect or may have taken effect.
    pub(super) fn permit_omission(&self, history: &History, id: OpId) -> bool {
        match self {
            KeptPart::Container(elements) => elements.permit_omission(history, id),
            KeptPart::Set(elements) => elements.permit_omission(history, id),
        }
    }
}

/// The values whose operations a core keeps.
pub(super) struct KeptElements {
    /// The number of insertions of each value, less the number of removals that returned it before the end of the core.
    remaining: HashMap<ValueId, i64>,
    /// Whether `null` is a value that some operation inserted.
    null_is_element: bool,
    /// Whether a removal without an answer can have taken an element of the core.
    can_be_taken: bool,
}

/// What an operation on a container did, or may have done.
enum ContainerStep {
    Insert(ValueId),
    /// A removal that returned a value.
    Remove(ValueId),
    /// A removal without an answer.
    RemoveUnknown,
    /// An operation that a container does not know.
    Other,
}

fn container_step(history: &History, id: OpId) -> ContainerStep {
    let operation = history.operation(id);
    match (operation.function, operation.outcome, operation.argument) {
        (Function::ENQUEUE | Function::PUSH | Function::INSERT, _, Argument::Value(value)) => {
            ContainerStep::Insert(value)
        }
        (Function::DEQUEUE | Function::POP | Function::DELETE_MIN, Outcome::Ok, _) => {
            ContainerStep::Remove(operation.result)
        }
        (Function::DEQUEUE | Function::POP | Function::DELETE_MIN, Outcome::Info, _) => {
            ContainerStep::RemoveUnknown
        }
        _ => ContainerStep::Other,
    }
}

impl KeptElements {
    fn from_core(history: &History, here: &[OpId], core: &Core) -> Self {
        let inserts_null = |id: &OpId| {
            history.outcome(*id) != Outcome::Fail
                && matches!(container_step(history, *id), ContainerStep::Insert(ValueId::NULL))
        };
        let null_is_element = here.iter().any(inserts_null);
        let mut remaining: HashMap<ValueId, i64> = HashMap::new();
        for &id in &core.operations {
            match container_step(history, id) {
                ContainerStep::Insert(value) => *remaining.entry(value).or_default() += 1,
                ContainerStep::Remove(ValueId::NULL) if !null_is_element => {}
                ContainerStep::Remove(value) => {
                    let returned = history.operation(id).completed <= core.until;
                    *remaining.entry(value).or_default() -= i64::from(returned);
                }
                ContainerStep::RemoveUnknown | ContainerStep::Other => {}
            }
        }
        let can_be_taken = remaining.iter().any(|(&value, &count)| count > 0 || value == ValueId::NULL);
        Self { remaining, null_is_element, can_be_taken }
    }

    fn permit_omission(&self, history: &History, id: OpId) -> bool {
        match container_step(history, id) {
            ContainerStep::Remove(ValueId::NULL) if !self.null_is_element => true,
            ContainerStep::Insert(value) | ContainerStep::Remove(value) => {
                !self.remaining.contains_key(&value)
            }
            ContainerStep::RemoveUnknown => !self.can_be_taken,
            ContainerStep::Other => false,
        }
    }
}

/// The elements that a core of a set is about.
pub(super) struct KeptSetElements {
    /// The elements, in order of id.
    elements: BTreeSet<ValueId>,
    /// The elements that some operation of the core found present.
    found_present: HashSet<ValueId>,
    /// The elements that some operation of the core found absent.
    found_absent: HashSet<ValueId>,
}

/// What an operation found of its element, and what it made of it: whether it is present.
struct ElementStep {
    found: Option<bool>,
    made: Option<bool>,
}

fn element_step(history: &History, id: OpId) -> Option<ElementStep> {
    let operation = history.operation(id);
    let answer = match (operation.outcome, history.value_text(operation.result)) {
        (Outcome::Ok, "true") => Some(true),
        (Outcome::Ok, "false") => Some(false),
        _ => None,
    };
    let made = match operation.function {
        Function::ADD => true,
        Function::REMOVE => false,
        Function::CONTAINS => return Some(ElementStep { found: answer, made: None }),
        _ => return None,
    };
    Some(match answer {
        Some(true) => ElementStep { found: Some(!made), made: Some(made) },
        Some(false) => ElementStep { found: Some(made), made: None },
        None => ElementStep { found: None, made: Some(made) },
    })
}

impl KeptSetElements {
    /// The elements of the operations of the core. If the core begins at the beginning, also those that its reads returned and that
    /// no operation can have added by its end.
    pub(super) fn from_core(history: &History, here: &[OpId], core: &Core) -> Self {
        let mut elements: BTreeSet<ValueId> =
            core.operations.iter().filter_map(|&id| element_of_operation(history, id)).collect();
        // Elements that only answers mention are numbered as they come, so all answers are decoded, as for the check itself.
        let mut values = CallValues::new(history);
        let calls: Vec<Call> = core.operations.iter().map(|&id| values.decode_call(id)).collect();
        let answered =
            core.operations.iter().zip(&calls).filter(|(id, _)| is_answered_read(history, **id, core));
        // An answer that lists nothing, such as null, is the empty set.
        let listed = answered.map(|(_, call)| call.output.and_then(|found| values.list_elements(found)));
        let reads: Vec<Vec<ValueId>> =
            listed.map(|found| found.map(<[ValueId]>::to_vec).unwrap_or_default()).collect();
        if core.from.is_none() {
            let adds = |id: &&OpId| {
                let operation = history.operation(**id);
                operation.outcome != Outcome::Fail
                    && operation.invoked <= core.until
                    && element_step(history, **id).is_some_and(|step| step.made == Some(true))
            };
            let added: HashSet<ValueId> =
                here.iter().filter(adds).filter_map(|&id| element_of_operation(history, id)).collect();
            elements.extend(reads.iter().flatten().filter(|element| !added.contains(element)).copied());
        }
        let (mut found_present, mut found_absent) = (HashSet::new(), HashSet::new());
        for &id in &core.operations {
            let found = element_step(history, id).and_then(|step| step.found);
            if let (Some(present), Some(element)) = (found, element_of_operation(history, id)) {
                if present {
                    found_present.insert(element)
                } else {
                    found_absent.insert(element)
                };
            }
        }
        for read in reads {
            // A set, because an answer may list as many elements as the history has.
            let read: HashSet<ValueId> = read.into_iter().collect();
            found_absent.extend(elements.iter().filter(|element| !read.contains(element)));
            found_present.extend(read);
        }
        Self { elements, found_present, found_absent }
    }

    /// All sets of these elements, if they are few.
    pub(super) fn all_states(&self) -> Vec<Vec<ValueId>> {
        if self.elements.len() > ELEMENTS_ANYHOW_MAX {
            return Vec::new();
        }
        let mut states = vec![Vec::new()];
        for &element in &self.elements {
            let with = states.iter().map(|state| [&state[..], &[element]].concat());
            states = states.iter().cloned().chain(with.collect::<Vec<_>>()).collect();
        }
        states
    }

    fn permit_omission(&self, history: &History, id: OpId) -> bool {
        let Some(element) = element_of_operation(history, id) else {
            return history.function(id) == Function::READ;
        };
        if !self.elements.contains(&element) {
            return true;
        }
        match element_step(history, id).map(|step| step.made) {
            Some(None) => true,
            Some(Some(true)) => !self.found_present.contains(&element),
            Some(Some(false)) => !self.found_absent.contains(&element),
            None => false,
        }
    }
}

/// The element that an operation of a set is on. `None` if it reads all elements, or if a set does not know it.
fn element_of_operation(history: &History, id: OpId) -> Option<ValueId> {
    match history.argument(id) {
        Argument::Value(value) => element_step(history, id).map(|_| value),
        Argument::Pair(..) | Argument::Micros(_) => None,
    }
}

/// Whether an operation read all elements and returned by the end of the core.
fn is_answered_read(history: &History, id: OpId, core: &Core) -> bool {
    let operation = history.operation(id);
    operation.function == Function::READ
        && operation.outcome == Outcome::Ok
        && operation.completed <= core.until
}

/// The specification of a set, restricted to some elements. A read may return other elements, which are ignored.
pub(super) struct ProjectedSet<'a> {
    pub set: Set<'a>,
    pub kept: &'a KeptSetElements,
}

impl Specification for ProjectedSet<'_> {
    type State = Vec<ValueId>;

    fn initial(&self) -> Vec<ValueId> {
        self.set.initial()
    }

    fn state_bytes(&self, state: &Vec<ValueId>) -> usize {
        self.set.state_bytes(state)
    }

    fn step(&self, state: &Vec<ValueId>, call: &Call) -> Result<Vec<ValueId>, Refused> {
        let (Function::READ, Some(found)) = (call.function, call.output) else {
            return self.set.step(state, call);
        };
        let elements = match self.set.values.list_elements(found) {
            Some(elements) => elements,
            None if found == ValueId::NULL => &[],
            None => return Err(Refused("a set has no such elements")),
        };
        let distinct: BTreeSet<ValueId> = elements.iter().copied().collect();
        let seen: Vec<ValueId> = distinct.intersection(&self.kept.elements).copied().collect();
        if distinct.len() == elements.len() && seen == *state {
            return Ok(state.clone());
        }
        Err(Refused("the set has other elements"))
    }

    fn is_read(&self, call: &Call) -> bool {
        self.set.is_read(call)
    }
}
