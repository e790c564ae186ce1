//! Sequential specifications: what an object may answer when one operation happens at a time.
//!
//! A specification is two functions: the state before the first operation, and the state after one more, or
//! why there is none. Everything else (orders, overlap, operations that may or may not have happened) is the
//! business of the engines. A specification of one's own takes ten lines:
//!
//! ```
//! use claims::specification::{Call, Refused, Specification};
//! use histories::{Function, ValueId};
//!
//! /// A register that can be written once.
//! struct WriteOnce;
//!
//! impl Specification for WriteOnce {
//!     type State = ValueId;
//!     fn initial(&self) -> ValueId {
//!         ValueId::NULL
//!     }
//!     fn step(&self, state: &ValueId, call: &Call) -> Result<ValueId, Refused> {
//!         match call.function {
//!             Function::WRITE if *state != ValueId::NULL => Err(Refused("it was written before")),
//!             Function::WRITE => Ok(call.value()),
//!             _ if call.returns(*state) => Ok(*state),
//!             _ => Err(Refused("it holds another value")),
//!         }
//!     }
//! }
//! ```

mod call;
mod counter;
mod fifo;
mod kv;
mod lifo;
mod multi_register;
mod mutex;
mod register;
mod set;

pub use call::{Call, CallInput, CallValues, MicroCall};
pub use counter::Counter;
pub use fifo::Fifo;
pub use kv::Kv;
pub use lifo::Lifo;
pub use multi_register::MultiRegister;
pub use mutex::MutexSpecification;
pub use register::Register;
pub use set::Set;

use std::hash::Hash;

/// A sequential specification. Deterministic: what a call does to a state is one state or a refusal.
pub trait Specification: Sync {
    /// All that the object remembers.
    type State: Clone + Eq + Hash + Send + Sync + std::fmt::Debug;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `call`, or why the object would not have answered so. A call without an output may
    /// have answered anything.
    fn step(&self, state: &Self::State, call: &Call) -> Result<Self::State, Refused>;

    /// [`step`](Specification::step), in place. After a refusal the state means nothing.
    ///
    /// Worth writing for states that are long: an order of n operations is replayed in O(n), where copies would make it
    /// quadratic.
    fn step_in_place(&self, state: &mut Self::State, call: &Call) -> Result<(), Refused> {
        *state = self.step(state, call)?;
        Ok(())
    }

    /// Whether a call leaves every state as it is. Such a call is taken as soon as it is legal, and one that
    /// did not complete is left out: both lose nothing.
    fn is_read(&self, _call: &Call) -> bool {
        false
    }

    /// Whether `state` can still become one in which the read is legal, by calls that do not
    /// [overwrite](Specification::overwrites). Only for models in which nothing but a read is ever refused. Where it cannot, and nothing that overwrites is left before the read, the
    /// search turns back at once instead of at the read.
    fn can_lead_to_read(&self, _state: &Self::State, _read: &Call) -> bool {
        true
    }

    /// Whether a call can take away what [`Specification::leads_to`] looks for. What such a call leaves must not depend on the
    /// state before it, unless `leads_to` is always true.
    fn overwrites(&self, _call: &Call) -> bool {
        true
    }

    /// Bytes that a state takes, for the limit on memory.
    fn state_bytes(&self, _state: &Self::State) -> usize {
        size_of::<Self::State>()
    }
}

/// Why a specification refuses a call, as a fragment that fits after "because".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused(pub &'static str);
