//! The four session guarantees (Terry et al. 1994), decided on version orders.

use crate::check::{Anomaly, Question, Witness};
use crate::{Level, Limits, Unknown, Verdict};
use histories::{History, KeyId, OpId};

/// The writes of one object in an order that meets the guarantees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionOrder {
    /// The object.
    pub key: KeyId,
    /// The writes, oldest first. The initial value comes before them.
    pub writes: Vec<OpId>,
}

/// A cycle in what must be the version order of one object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cycle {
    /// The object.
    pub key: KeyId,
}

pub(crate) fn check(
    _history: &History,
    _level: Level,
    _question: &Question,
    _limits: &Limits<'_>,
) -> (String, Verdict<Witness, Vec<Anomaly>>) {
    ("none".to_owned(), Verdict::Unknown(Unknown { reason: "no engine is built yet".to_owned() }))
}
