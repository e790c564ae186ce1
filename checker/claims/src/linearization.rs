//! Evidence about the linearizability of one object: a linearization, or a core of operations that no order explains.

use histories::{KeyId, NEVER, OpId};
use serde::{Deserialize, Serialize};

/// The operations of one object in an order that explains the observations (a legal sequential history; Herlihy & Wing
/// 1990, section 2.3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Linearization {
    /// The object.
    pub key: KeyId,
    /// All operations that took effect, in the order in which they took effect.
    pub operations: Vec<OpId>,
}

/// A core: operations on one object that no order explains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Core {
    /// The object.
    pub key: KeyId,
    /// The operations, in the order of invocation.
    pub operations: Vec<OpId>,
    /// The compare-and-sets whose write counts and whose read is ignored.
    pub writes_only: Vec<OpId>,
    /// The position at which the core begins, if it does not begin with the history. No order explains the operations
    /// whatever value the object held at that position. Operations that were invoked before it may or may not have
    /// taken effect.
    pub from: Option<u32>,
    /// The position at which the core ends. Operations that complete later may or may not have taken effect.
    pub until: u32,
    /// Whether the core is minimal: none of its operations can be left out, because the others can be explained. A write is left out together
    /// with the operations that found its value. Of a queue, stack or priority queue, all operations on one value are left out together.
    /// False if the effort limit was reached before this was known.
    pub minimal: bool,
}

impl Core {
    /// A minimal core of these operations that spans the whole history.
    pub fn minimal_core(key: KeyId, operations: Vec<OpId>) -> Core {
        Core { key, operations, writes_only: Vec::new(), from: None, until: NEVER, minimal: true }
    }
}
