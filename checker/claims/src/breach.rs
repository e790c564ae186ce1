//! Evidence that an invariant is broken, as data.

use histories::{KeyId, OpId};
use serde::{Deserialize, Serialize};

/// One breach of an invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// The anomaly's name, for example `lost`.
    pub kind: crate::AnomalyName,
    /// The object.
    pub key: KeyId,
    /// The evidence.
    pub evidence: BreachEvidence,
}

/// The evidence for a breach. Elements, accounts and registers are JSON text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum BreachEvidence {
    /// The accounts that `read` shows hold `total` together. They should hold `expected`, which the read `first` showed
    /// or the user stated.
    Total {
        /// The read.
        read: OpId,
        /// The sum of its balances.
        #[serde(with = "wide")]
        total: i128,
        /// The sum of all accounts that the invariant requires.
        #[serde(with = "wide")]
        expected: i128,
        /// The read that showed `expected`; `None` if the user stated it.
        first: Option<OpId>,
    },
    /// `read` shows an account with a forbidden balance. `None` means that it was `null`.
    Balance {
        /// The read.
        read: OpId,
        /// The account.
        account: String,
        /// The balance.
        balance: Option<i64>,
    },
    /// `read` lacks an element although `known`, which added or showed it, had completed before `read` began.
    Missing {
        /// The element.
        element: String,
        /// The operation that added it, or a read that showed it.
        known: OpId,
        /// The read.
        read: OpId,
        /// A read that has the element and had not completed when `read` began. `None`: the element was gone for good.
        again: Option<OpId>,
    },
    /// `read` has an element more than once.
    Doubled {
        /// The element.
        element: String,
        /// The read.
        read: OpId,
        /// The number of occurrences.
        times: usize,
    },
    /// `read` returned an element that no operation can have added: no add of it began before `read` completed, or the
    /// only one is `writer`, which failed or began later.
    Unwritten {
        /// The element.
        element: String,
        /// The operation that returned it.
        read: OpId,
        /// The add that failed or began too late.
        writer: Option<OpId>,
    },
    /// `read` returned a number outside the range that the completed and possible increments allow.
    Bounds {
        /// The read.
        read: OpId,
        /// The value that it returned.
        #[serde(with = "wide")]
        value: i128,
        /// The lower bound.
        #[serde(with = "wide")]
        least: i128,
        /// The upper bound.
        #[serde(with = "wide")]
        most: i128,
    },
    /// These enqueues were acknowledged, and their elements did not come out before `empty` showed an empty queue.
    /// Indeterminate dequeues can have removed at most `swallowed` of them.
    Undelivered {
        /// The enqueues. There are more of them than `swallowed`.
        enqueued: Vec<OpId>,
        /// The operation that found the queue empty. It began after each of the enqueues had completed.
        empty: OpId,
        /// The number of indeterminate dequeues that began before `empty` completed.
        swallowed: usize,
    },
    /// All these operations returned the same element. It was enqueued fewer times before the last of them completed.
    Repeated {
        /// The element.
        element: String,
        /// The operations that returned it, in order of completion.
        returned: Vec<OpId>,
        /// An upper bound on the number of enqueues of the element before the last of them completed.
        put_in: usize,
    },
    /// Both operations returned the same id.
    SameId {
        /// The id.
        id: String,
        /// The first operation.
        one: OpId,
        /// The second operation.
        other: OpId,
    },
    /// `one` saw the write of `x` and not that of `y`. `other` saw the write of `y` and not that of `x`.
    Fork {
        /// One read.
        one: OpId,
        /// The other read.
        other: OpId,
        /// The register whose write `one` saw.
        x: String,
        /// The register whose write `other` saw.
        y: String,
    },
    /// A session saw `register` at `from` and later at `to`, which is smaller.
    Backwards {
        /// The operation that saw the greater value.
        earlier: OpId,
        /// The operation that saw the smaller value. It is in the same session and began after `earlier` had completed.
        later: OpId,
        /// The register, if one operation can access several registers.
        register: Option<String>,
        /// The greater value, seen first.
        from: i64,
        /// The smaller value, seen later.
        to: i64,
    },
    /// `read` shows what `second` wrote but not what `first` wrote, although `first` had completed before `second`
    /// began.
    Reversed {
        /// The write that is missing.
        first: OpId,
        /// The write that is seen.
        second: OpId,
        /// The read.
        read: OpId,
    },
}

impl BreachEvidence {
    /// The operations that the evidence names. The ones that a user should look at first come first.
    pub fn involved_operations(&self) -> Vec<OpId> {
        match self {
            BreachEvidence::Total { read, first, .. } => first.iter().copied().chain([*read]).collect(),
            BreachEvidence::Balance { read, .. }
            | BreachEvidence::Doubled { read, .. }
            | BreachEvidence::Bounds { read, .. } => {
                vec![*read]
            }
            BreachEvidence::Missing { known, read, again, .. } => {
                [*known, *read].into_iter().chain(*again).collect()
            }
            BreachEvidence::Unwritten { read, writer, .. } => [*read].into_iter().chain(*writer).collect(),
            BreachEvidence::Undelivered { enqueued, empty, .. } => {
                enqueued.iter().copied().chain([*empty]).collect()
            }
            BreachEvidence::Repeated { returned, .. } => returned.clone(),
            BreachEvidence::SameId { one, other, .. } | BreachEvidence::Fork { one, other, .. } => {
                vec![*one, *other]
            }
            BreachEvidence::Backwards { earlier, later, .. } => vec![*earlier, *later],
            BreachEvidence::Reversed { first, second, read } => vec![*first, *second, *read],
        }
    }
}

/// Serializes sums of 128 bits. A sum that does not fit into 64 bits is written as text: programs do not agree on wider
/// JSON integers, and serde cannot buffer them before it knows the type.
mod wide {
    use serde::{Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(sum: &i128, to: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(*sum) {
            Ok(sum) => sum.serialize(to),
            Err(_) => sum.to_string().serialize(to),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
        from.deserialize_any(WideSumVisitor)
    }

    struct WideSumVisitor;

    impl de::Visitor<'_> for WideSumVisitor {
        type Value = i128;

        fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            to.write_str("an integer, or one as text")
        }

        fn visit_i64<E: de::Error>(self, sum: i64) -> Result<i128, E> {
            Ok(sum.into())
        }

        fn visit_u64<E: de::Error>(self, sum: u64) -> Result<i128, E> {
            Ok(sum.into())
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<i128, E> {
            text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }
}
