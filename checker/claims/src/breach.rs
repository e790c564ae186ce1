//! What breaks an invariant, as data.

use histories::{KeyId, OpId};
use serde::{Deserialize, Serialize};

/// One breach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// Its name: `lost`.
    pub kind: crate::AnomalyName,
    /// The object.
    pub key: KeyId,
    /// What shows it.
    pub evidence: BreachEvidence,
}

/// What shows a breach. Elements, accounts and registers are told as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum BreachEvidence {
    /// `read` shows accounts that hold `total` together, and not `expected`, as `first` showed or as was told.
    Total {
        /// The read.
        read: OpId,
        /// What its accounts hold together.
        #[serde(with = "wide")]
        total: i128,
        /// What all accounts hold together.
        #[serde(with = "wide")]
        expected: i128,
        /// The read that showed it; none where it was told.
        first: Option<OpId>,
    },
    /// `read` shows an account with this balance; none: with `null`.
    Balance {
        /// The read.
        read: OpId,
        /// The account.
        account: String,
        /// What it holds.
        balance: Option<i64>,
    },
    /// `read` lacks an element although `known`, which added or showed it, had completed before `read` began.
    Missing {
        /// The element.
        element: String,
        /// What added it, or a read that showed it.
        known: OpId,
        /// The read.
        read: OpId,
        /// A read that has it and had not completed when `read` began; none: it was gone for good.
        again: Option<OpId>,
    },
    /// `read` has an element more than once.
    Doubled {
        /// The element.
        element: String,
        /// The read.
        read: OpId,
        /// How many times.
        times: usize,
    },
    /// `read` returned an element that nobody can have added: none did before it completed, or only `writer`, which
    /// failed or began later.
    Unwritten {
        /// The element.
        element: String,
        /// What returned it.
        read: OpId,
        /// Who failed to add it, or began too late.
        writer: Option<OpId>,
    },
    /// `read` returned a number outside of what must and may have been counted by then.
    Bounds {
        /// The read.
        read: OpId,
        /// What it returned.
        #[serde(with = "wide")]
        value: i128,
        /// The least that it could.
        #[serde(with = "wide")]
        least: i128,
        /// The most.
        #[serde(with = "wide")]
        most: i128,
    },
    /// These enqueues were acknowledged and their elements did not come out before `empty` showed that the queue was
    /// empty; at most `swallowed` dequeues whose answers never came can have taken some.
    Undelivered {
        /// Enqueues, more than `swallowed`.
        enqueued: Vec<OpId>,
        /// What found the queue empty, after each of them.
        empty: OpId,
        /// How many indeterminate dequeues began before `empty` completed.
        swallowed: usize,
    },
    /// An element came out of the queue in all these operations, and was put in fewer times by the time of the last.
    Repeated {
        /// The element.
        element: String,
        /// What returned it, in the order in which they completed.
        returned: Vec<OpId>,
        /// How many times it can have been put in before the last of them completed.
        put_in: usize,
    },
    /// Both operations returned the same id.
    SameId {
        /// The id.
        id: String,
        /// One.
        one: OpId,
        /// The other.
        other: OpId,
    },
    /// `one` saw `x` written and `y` not yet, `other` the other way round.
    Fork {
        /// One read.
        one: OpId,
        /// The other.
        other: OpId,
        /// Written for `one`.
        x: String,
        /// Written for `other`.
        y: String,
    },
    /// A session saw `register` at `from` and later at `to`, which is less.
    Backwards {
        /// What saw more.
        earlier: OpId,
        /// What saw less, and began after the other had completed, in the same session.
        later: OpId,
        /// The register, where one operation is about several.
        register: Option<String>,
        /// What was seen first.
        from: i64,
        /// What was seen then.
        to: i64,
    },
    /// `read` shows what `second` wrote and not what `first` wrote, which had completed before `second` began.
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
    /// The operations that show it, the telling ones first.
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

/// Sums are wider than the integers of JSON that programs agree on, and wider than what serde keeps of a value until it knows
/// its type. So those beyond 64 bits are written as text.
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
