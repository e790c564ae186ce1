//! Where a transaction read.

use histories::{KeyId, OpId};
use serde::{Deserialize, Serialize};

/// The position of a read within a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadAt {
    /// The transaction.
    pub transaction: OpId,
    /// The index of the micro-operation within the transaction.
    pub place: usize,
    /// The object.
    pub key: KeyId,
}
