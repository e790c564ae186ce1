//! Anomalies of transactions, as every format tells them.
//!
//! The analysis keeps a few examples of each phenomenon and counts the rest; one example is one anomaly here.

use checker::{
    Axiom, CycleFamily as Family, OrderExtent as Extent, Phenomenon, TransactionEvidence as Evidence,
};
use histories::{KeyId, OpId};

/// What a phenomenon is, as a fragment that fits after "a history with one:".
pub(crate) fn meaning(phenomenon: Phenomenon) -> &'static str {
    match phenomenon {
        Phenomenon::Cycle(kind) => match (kind.family, kind.extent) {
            (Family::G0, Extent::Data) => "transactions overwrote one another in a circle",
            (Family::G0, Extent::Session) => "the order of overwrites contradicts that of a session",
            (Family::G0, Extent::RealTime) => "the order of overwrites contradicts real time",
            (Family::G1c, Extent::Data) => "transactions read from or overwrote one another in a circle",
            (Family::G1c, Extent::Session) => {
                "what was read and overwritten contradicts the order of a session"
            }
            (Family::G1c, Extent::RealTime) => "what was read and overwritten contradicts real time",
            (_, Extent::Data) => {
                "transactions must come before one another in a circle, because of writes that they missed"
            }
            (_, Extent::Session) => "what transactions missed contradicts the order of a session",
            (_, Extent::RealTime) => "what transactions missed contradicts real time",
        },
        Phenomenon::G1a => "a transaction read what a failed transaction wrote",
        Phenomenon::G1b => "a transaction read what its writer itself overwrote",
        Phenomenon::GarbageRead => "a transaction read what nobody wrote",
        Phenomenon::Internal => "a transaction disagrees with what it read or wrote before",
        Phenomenon::FutureRead => "a transaction read what it wrote only later",
        Phenomenon::LostUpdate => "several transactions read one version and all replaced it",
        Phenomenon::DirtyUpdate => "a committed write stands on top of an aborted one",
        Phenomenon::DuplicateElements => "one element is twice in a list",
        Phenomenon::IncompatibleOrder => "no single order of appends explains what was read",
        Phenomenon::CyclicVersions => "what is known of the order of the versions contradicts itself",
        Phenomenon::CommitOrder(Axiom::MonotonicAtomicView) => {
            "after reading from a transaction, something older than its writes was read"
        }
        Phenomenon::CommitOrder(Axiom::ReadAtomic) => "a transaction was seen in part",
        Phenomenon::CommitOrder(Axiom::Causal) => "something was seen without what came causally before it",
        Phenomenon::Impossible(_) => "no execution that the level permits explains what was read",
    }
}

/// The transactions that show it, in the order in which the text tells them.
pub(super) fn operations(evidence: &Evidence) -> Vec<OpId> {
    match evidence {
        Evidence::Cycle(cycle) => cycle.edges.iter().map(|edge| edge.from).collect(),
        Evidence::Lemmas(lemmas) => {
            let mut all: Vec<OpId> = Vec::new();
            for edge in lemmas.iter().flat_map(|lemma| &lemma.cycle) {
                if !all.contains(&edge.from) {
                    all.push(edge.from);
                }
            }
            all
        }
        Evidence::Cases(steps) => {
            let mut all: Vec<OpId> =
                steps.iter().flat_map(|step| &step.cycle).map(|edge| edge.from).collect();
            let mut seen = std::collections::HashSet::new();
            all.retain(|id| seen.insert(*id));
            all
        }
        Evidence::AbortedRead { read, writer, .. }
        | Evidence::IntermediateRead { read, writer, .. }
        | Evidence::AppendsOutOfOrder { read, writer, .. } => vec![read.transaction, *writer],
        Evidence::GarbageRead { read, .. }
        | Evidence::Internal { read, .. }
        | Evidence::FutureRead { read, .. }
        | Evidence::DuplicateElement { read, .. } => vec![read.transaction],
        Evidence::LostUpdate { transactions, .. } => transactions.clone(),
        Evidence::DirtyUpdate { read, aborted, committed } => vec![read.transaction, aborted.0, committed.0],
        Evidence::IncompatibleOrder { one, other } | Evidence::IncompatibleOwnAppends { one, other }
            if one.transaction == other.transaction =>
        {
            vec![one.transaction]
        }
        Evidence::IncompatibleOrder { one, other } | Evidence::IncompatibleOwnAppends { one, other } => {
            vec![one.transaction, other.transaction]
        }
        Evidence::CyclicVersions { .. } => Vec::new(),
    }
}

/// The object, where it is one.
pub(super) fn key(evidence: &Evidence) -> KeyId {
    match evidence {
        Evidence::Cycle(_) | Evidence::Lemmas(_) => KeyId::NONE,
        Evidence::AbortedRead { read, .. }
        | Evidence::IntermediateRead { read, .. }
        | Evidence::AppendsOutOfOrder { read, .. }
        | Evidence::GarbageRead { read, .. }
        | Evidence::Internal { read, .. }
        | Evidence::FutureRead { read, .. }
        | Evidence::DuplicateElement { read, .. }
        | Evidence::DirtyUpdate { read, .. } => read.key,
        Evidence::IncompatibleOrder { one, .. } => one.key,
        Evidence::LostUpdate { key, .. } | Evidence::CyclicVersions { key, .. } => *key,
    }
}
