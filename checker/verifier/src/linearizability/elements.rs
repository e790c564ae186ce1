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
//! **Projection of sets.** An operation on one element neither sees nor changes the others. So a core without a read of
//! all elements whose operations are on one element may leave out those on other elements. Of this element, it may leave
//! out what changed nothing, and what made the element present (or absent) if no operation of the core found it present
//! (or absent): until the next change, no operation of the core takes effect.

use claims::{Core, Model};
use histories::{Argument, Function, History, OpId, Outcome, ValueId};
use std::collections::HashMap;

/// What a core of a queue, stack, priority queue or set keeps.
pub(super) enum KeptPart {
    Container(KeptElements),
    Set(KeptElement),
}

impl KeptPart {
    /// What a core keeps, among all operations on its object. `None` if no rule of this module applies.
    pub(super) fn from_core(history: &History, model: Model, here: &[OpId], core: &Core) -> Option<Self> {
        match model {
            Model::Queue | Model::Stack | Model::PriorityQueue => {
                Some(KeptPart::Container(KeptElements::from_core(history, here, core)))
            }
            Model::Set => KeptElement::from_core(history, core).map(KeptPart::Set),
            _ => None,
        }
    }

    /// Whether the core may leave out an operation that took effect or may have taken effect.
    pub(super) fn permit_omission(&self, history: &History, id: OpId) -> bool {
        match self {
            KeptPart::Container(elements) => elements.permit_omission(history, id),
            KeptPart::Set(element) => element.permit_omission(history, id),
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

/// The element whose operations a core of a set keeps.
pub(super) struct KeptElement {
    element: ValueId,
    /// Whether some operation of the core found the element present.
    found_present: bool,
    /// Whether some operation of the core found the element absent.
    found_absent: bool,
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

/// The element that all these operations of a set are on. `None` if there are several, or if one reads all elements.
pub(super) fn single_element(history: &History, operations: &[OpId]) -> Option<ValueId> {
    let element_of = |&id: &OpId| match history.argument(id) {
        Argument::Value(value) => element_step(history, id).map(|_| value),
        Argument::Pair(..) | Argument::Micros(_) => None,
    };
    let first = element_of(operations.first()?)?;
    operations.iter().all(|id| element_of(id) == Some(first)).then_some(first)
}

impl KeptElement {
    fn from_core(history: &History, core: &Core) -> Option<Self> {
        let element = single_element(history, &core.operations)?;
        let found = |present: bool| {
            let mut steps = core.operations.iter().filter_map(|&id| element_step(history, id));
            steps.any(|step| step.found == Some(present))
        };
        Some(Self { element, found_present: found(true), found_absent: found(false) })
    }

    fn permit_omission(&self, history: &History, id: OpId) -> bool {
        if history.function(id) == Function::READ || history.argument(id) != Argument::Value(self.element) {
            return true;
        }
        match element_step(history, id).map(|step| step.made) {
            Some(None) => true,
            Some(Some(true)) => !self.found_present,
            Some(Some(false)) => !self.found_absent,
            None => false,
        }
    }
}
