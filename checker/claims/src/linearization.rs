//! Evidence about one object and one total order: the order that explains it, or operations that none explains.

use histories::{KeyId, NEVER, OpId};
use serde::{Deserialize, Serialize};

/// The operations of one object in an order that explains what was observed (Herlihy & Wing 1990, section 2.3: a
/// legal sequential history).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Linearization {
    /// The object.
    pub key: KeyId,
    /// Every operation that took effect, in the order in which it did.
    pub operations: Vec<OpId>,
}

/// Operations on one object that no order explains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Core {
    /// The object.
    pub key: KeyId,
    /// The operations, in order of invocation.
    pub operations: Vec<OpId>,
    /// The compare-and-sets among the operations whose write alone counts.
    pub writes_only: Vec<OpId>,
    /// The position from which the operations are told, if not from the beginning: whatever the object held
    /// then, nothing explains them. Those invoked before it may or may not have happened.
    pub from: Option<u32>,
    /// The position up to which they are told: those that return later may or may not have happened.
    pub until: u32,
    /// Whether nothing more can be left out; false if the effort for that ran out before it was known.
    pub minimal: bool,
}

impl Core {
    /// A minimal core of operations that all count, from the beginning to the end.
    pub fn minimal_core(key: KeyId, operations: Vec<OpId>) -> Core {
        Core { key, operations, writes_only: Vec::new(), from: None, until: NEVER, minimal: true }
    }
}
