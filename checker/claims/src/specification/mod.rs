//! Sequential specifications: what an object may answer if it executes one operation at a time.
//!
//! A specification consists of two functions: the state before the first operation, and the state after one more call,
//! or the reason why the call is illegal. The engines handle everything else: orders, concurrency, and indeterminate
//! operations. A user-defined specification takes ten lines:
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
mod priority_queue;
mod recent_versions;
mod register;
mod set;
mod two_versions;

pub use call::{Call, CallInput, CallValues, MicroCall};
pub use counter::Counter;
pub use fifo::Fifo;
pub use kv::Kv;
pub use lifo::Lifo;
pub use multi_register::MultiRegister;
pub use mutex::MutexSpecification;
pub use priority_queue::{PriorityClass, PriorityQueue, parse_priority};
pub use recent_versions::RecentVersionsRegister;
pub use register::Register;
pub use set::Set;
pub use two_versions::TwoVersionRegister;

use std::hash::Hash;

/// A sequential specification. It is deterministic: a call leads from a state to exactly one state or is refused.
pub trait Specification: Sync {
    /// The complete state of the object.
    type State: Clone + Eq + Hash + Send + Sync + std::fmt::Debug;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `call`, or the reason why the object cannot have answered like this. A call without an output
    /// may have had any result.
    fn step(&self, state: &Self::State, call: &Call) -> Result<Self::State, Refused>;

    /// Performs [`step`](Specification::step) in place. After a refusal the state is unspecified.
    ///
    /// Worth implementing for large states: an order of n operations is then replayed in O(n). Copying the state at
    /// each step would make it quadratic.
    fn step_in_place(&self, state: &mut Self::State, call: &Call) -> Result<(), Refused> {
        *state = self.step(state, call)?;
        Ok(())
    }

    /// Whether a call leaves every state unchanged. The search takes such a call as soon as it is legal, and omits it
    /// if it did not complete. Neither loses a solution.
    fn is_read(&self, _call: &Call) -> bool {
        false
    }

    /// Whether calls that do not [overwrite](Specification::overwrites) can turn `state` into one in which the read is
    /// legal.
    ///
    /// If they cannot, and no overwriting call is left before the read, the search backtracks at once instead of at the
    /// read. Implement this only for models in which only reads are ever refused.
    fn can_lead_to_read(&self, _state: &Self::State, _read: &Call) -> bool {
        true
    }

    /// Whether a call can turn a state for which [`Specification::can_lead_to_read`] is true into one for which it is false, or
    /// the reverse. The state after such a call must not depend on the state before it, unless that function is always
    /// true.
    fn overwrites(&self, _call: &Call) -> bool {
        true
    }

    /// The number of bytes that a state occupies, for the memory limit.
    fn state_bytes(&self, _state: &Self::State) -> usize {
        size_of::<Self::State>()
    }
}

/// The reason why a specification refuses a call, as a fragment that fits after "because".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused(pub &'static str);
