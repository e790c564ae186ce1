//! Linearizability (Herlihy & Wing 1990), decided per object.

use crate::check::{Anomaly, Question, Witness};
use crate::{Limits, Unknown, Verdict};
use histories::{History, KeyId, OpId};

/// The operations of one object in an order that explains what was observed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// The object.
    pub key: KeyId,
    /// Every operation that took effect, in the order in which it did.
    pub operations: Vec<OpId>,
}

/// Operations on one object that no order explains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Core {
    /// The object.
    pub key: KeyId,
    /// The operations, in order of invocation.
    pub operations: Vec<OpId>,
}

pub(crate) fn check(
    _history: &History,
    _question: &Question,
    _limits: &Limits<'_>,
) -> (String, Verdict<Witness, Vec<Anomaly>>) {
    ("none".to_owned(), Verdict::Unknown(Unknown { reason: "no engine is built yet".to_owned() }))
}
