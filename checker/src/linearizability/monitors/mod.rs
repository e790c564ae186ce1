//! Monitors: near-linear decisions for queues, stacks and priority queues into which each value is inserted once.
//!
//! The general search is exponential in the open operations. If each value is inserted once, a removal tells which
//! insertion it belongs to, as a read of a register with distinct values tells its write. Then a few comparisons of
//! intervals decide (Henzinger, Sezgin & Vafeiadis, *Aspect-oriented linearizability proofs*, CONCUR 2013; Bouajjani,
//! Emmi, Enea & Hamza, *On reducing linearizability to state reachability*, ICALP 2015; Lee & Mathur, *Efficient
//! decrease-and-conquer linearizability monitoring*, OOPSLA 2025). Each file argues its own condition.
//!
//! **Projection.** All operations on some values may be left out: if an order explains the whole, then the same order
//! without these operations explains the rest. The other elements keep their relative order in the queue or stack, and
//! an element of least priority remains one. A removal that found the object empty finds it empty again, or may be left out, because it changes nothing. A removal
//! without an answer removes the same element as before, or nothing. So a violation is shown by few values.
//!
//! **Indeterminate operations.**
//!
//! * An indeterminate insertion of a value that no answer returns is left out. If an order contains it, the order
//!   without it, and without the removal that took its value, is legal as well.
//! * An indeterminate insertion of a value that some answer returns took effect. Its interval has no end.
//! * An element that no answer returns stays, or one removal without an answer took it. The queue decides this exactly
//!   ([`unanswered`]). The stack meets the deadlines that follow for certain ([`unanswered_pops`]). If it then finds an
//!   order, the history is linearizable; if the deadlines cannot be met, it is not. Nor is it if no order exists even when
//!   each element may have the earliest of these removals. Otherwise the search decides.
//!
//! Priority queues are treated like stacks ([`priority_credits`]).
//!
//! If a value is inserted twice, or the value `null` is inserted (it also stands for an empty object), the search decides.

mod lives;
mod presence;
mod priority_credits;
mod priority_queue;
mod priority_ranks;
mod queue;
mod range_min;
mod shrink;
mod stack;
mod timeline;
mod unanswered;
mod unanswered_pops;

pub(super) use shrink::shrink_container_core;

use super::search::TimedCall;
use claims::Limits;
use claims::specification::PriorityQueue;
use histories::Function;

/// The order in which a container returns its elements.
#[derive(Clone, Copy)]
pub(super) enum Discipline<'a> {
    /// First in, first out.
    Queue,
    /// Last in, first out.
    Stack,
    /// The least priority first.
    PriorityQueue(&'a PriorityQueue),
}

/// The result of a monitor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum MonitorResult {
    /// An order of the calls, by index, that explains them all.
    Order(Vec<u32>),
    /// Calls that no order explains: all certain calls on some values, and removals that found the object empty. The
    /// removals without an answer belong to them.
    Conflict(Vec<u32>),
    /// The history is not of the kind that the monitor decides.
    Undecided,
    /// The caller asked to stop.
    Stopped,
}

/// Why a monitor found no order.
#[derive(Clone, PartialEq, Eq, Debug)]
enum NoOrder {
    /// These calls have none.
    Conflict(Vec<u32>),
    /// The caller asked to stop.
    Stopped,
}

impl NoOrder {
    /// An error if the caller asks to stop.
    fn if_stopped(limits: &Limits<'_>) -> Result<(), Self> {
        if limits.stop_requested() { Err(Self::Stopped) } else { Ok(()) }
    }

    /// The conflict without one call.
    fn without_call(self, call: Option<u32>) -> Self {
        match self {
            Self::Conflict(mut conflict) => {
                conflict.retain(|&other| Some(other) != call);
                Self::Conflict(conflict)
            }
            Self::Stopped => Self::Stopped,
        }
    }
}

impl From<Vec<u32>> for NoOrder {
    fn from(conflict: Vec<u32>) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<NoOrder> for MonitorResult {
    fn from(why: NoOrder) -> Self {
        match why {
            NoOrder::Conflict(conflict) => Self::Conflict(conflict),
            NoOrder::Stopped => Self::Stopped,
        }
    }
}

impl Discipline<'_> {
    fn insertion(self) -> Function {
        match self {
            Discipline::Queue => Function::ENQUEUE,
            Discipline::Stack => Function::PUSH,
            Discipline::PriorityQueue(_) => Function::INSERT,
        }
    }

    fn removal(self) -> Function {
        match self {
            Discipline::Queue => Function::DEQUEUE,
            Discipline::Stack => Function::POP,
            Discipline::PriorityQueue(_) => Function::DELETE_MIN,
        }
    }

    /// The name of the engine, as reports show it.
    pub(super) fn method(self) -> &'static str {
        match self {
            Discipline::Queue => "queue-order",
            Discipline::Stack => "stack-nesting",
            Discipline::PriorityQueue(_) => "priority-order",
        }
    }
}

/// Decides whether the calls of a container have a legal order, if each value is inserted once. O(n log n).
pub(super) fn decide_by_monitor(
    discipline: Discipline<'_>,
    calls: &[TimedCall],
    limits: &Limits<'_>,
) -> MonitorResult {
    match discipline {
        Discipline::Queue => queue::decide_queue(calls, limits),
        Discipline::Stack => stack::decide_stack(calls, limits),
        Discipline::PriorityQueue(model) => priority_queue::decide_priority_queue(model, calls, limits),
    }
}
