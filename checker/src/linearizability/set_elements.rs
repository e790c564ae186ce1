//! Sets, decided element by element.
//!
//! An operation on one element neither sees nor changes the others. So a set without reads of all elements is one register
//! for each element, which is absent or present, and linearizability is local to registers (Herlihy & Wing, theorem 1;
//! Horn & Kroening, *Faster linearizability checking via P-compositionality*, FORTE 2015). An `add` that answered true is a
//! compare-and-set from absent to present, one that answered false is a read of present, and one without such an answer is
//! a write of present; `remove` likewise.
//!
//! A read of all elements ties the registers together. If one completed, [`super::set_reads`] decides.

use super::register::{self, Access, RegisterStep};
use super::register_engines::{RegisterDecision, decide_register_steps};
use super::search::TimedCall;
use claims::Limits;
use claims::Reason;
use claims::specification::CallValues;
use histories::{Function, NEVER, OpId, ValueId};
use rustc_hash::FxHashMap;

/// The two values of the register of an element.
pub(super) const ABSENT: ValueId = register::FREE;
const PRESENT: ValueId = register::HELD;

/// The result of deciding a set element by element.
pub(super) enum SetDecision {
    /// An order of the operations that explains them all.
    Order(Vec<OpId>),
    /// The steps on one element, which no order explains, and a response up to which that shows, if known.
    Impossible {
        steps: Vec<RegisterStep>,
        dead: Option<u32>,
    },
    /// Operations that no order explains, with the moments at which they begin and end as a part of the history.
    ImpossibleTogether {
        operations: Vec<OpId>,
        from: Option<u32>,
        until: u32,
        minimal: bool,
    },
    Unknown(Reason),
    /// Some operation reads all elements, or is of another kind.
    NotByElement,
}

/// The operations on one element.
#[derive(Default)]
struct SetElement {
    steps: Vec<RegisterStep>,
    /// Operations that neither change the element nor tell whether it is present.
    silent: Vec<usize>,
}

/// Decides a set whose operations concern one element each.
pub(super) fn decide_set_by_element(
    values: &CallValues<'_>,
    calls: &[TimedCall],
    limits: &Limits<'_>,
) -> SetDecision {
    let Some(elements) = split_by_element(values, calls) else { return SetDecision::NotByElement };
    let invoked: FxHashMap<OpId, u32> = calls.iter().map(|call| (call.id, call.invoked)).collect();
    let mut order: Vec<(u32, OpId)> = Vec::with_capacity(calls.len());
    let mut unknown = None;
    for element in elements {
        order.extend(element.silent.iter().map(|&call| (calls[call].invoked, calls[call].id)));
        let mut steps = element.steps;
        register::drop_unwanted_steps(&mut steps);
        let (_, decision) = decide_register_steps(&steps, ABSENT, limits);
        let places = match decision {
            RegisterDecision::Order(places) => places,
            RegisterDecision::Impossible { dead, .. } => return SetDecision::Impossible { steps, dead },
            RegisterDecision::Unknown(why) => {
                // Another element may still show a violation.
                unknown = unknown.or(Some(why));
                continue;
            }
        };
        // Each operation takes effect as early as the order of its element permits.
        let mut now = 0;
        for step in places.into_iter().map(|place| &steps[place as usize]) {
            now = invoked[&step.id].max(now);
            order.push((now, step.id));
        }
    }
    if let Some(why) = unknown {
        return SetDecision::Unknown(why);
    }
    // Stable: the order within each element stays.
    order.sort_by_key(|&(moment, _)| moment);
    SetDecision::Order(order.into_iter().map(|(_, id)| id).collect())
}

/// The operations by element, in order of invocation. `None` if some operation is not about one element.
fn split_by_element(values: &CallValues<'_>, calls: &[TimedCall]) -> Option<Vec<SetElement>> {
    let mut place_of: FxHashMap<ValueId, usize> = FxHashMap::default();
    let mut elements: Vec<SetElement> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        let reads_all = call.call.function == Function::READ;
        if reads_all && call.returned == NEVER {
            continue;
        }
        if !matches!(call.call.function, Function::ADD | Function::REMOVE | Function::CONTAINS) {
            return None;
        }
        let element = *place_of.entry(call.call.value()).or_insert(elements.len());
        if element == elements.len() {
            elements.push(SetElement::default());
        }
        match access_of_element(values, call) {
            Some(access) => elements[element].steps.push(RegisterStep {
                id: call.id,
                access,
                invoked: call.invoked,
                returned: call.returned,
            }),
            None if call.returned != NEVER => elements[element].silent.push(place),
            None => {}
        }
    }
    Some(elements)
}

/// What a call does to the register of its element. `None` if nothing.
pub(super) fn access_of_element(values: &CallValues<'_>, call: &TimedCall) -> Option<Access> {
    let answer = match call.call.output.map(|output| values.text_of_value(output)) {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let (before, after) = match call.call.function {
        Function::ADD => (ABSENT, PRESENT),
        Function::REMOVE => (PRESENT, ABSENT),
        _ => return Some(Access::Read(if answer? { PRESENT } else { ABSENT })),
    };
    Some(match answer {
        Some(true) => Access::Cas(before, after),
        Some(false) => Access::Read(after),
        None => Access::Write(after),
    })
}
