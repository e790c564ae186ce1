//! Descriptions of the anomalies of transactions, shared by all formats.
//!
//! The analysis keeps a few examples of each phenomenon and counts the rest. Here, one example is one anomaly.

use checker::{
    Axiom, CaseChoice, CycleFamily as Family, OrderExtent as Extent, Phenomenon,
    TransactionEvidence as Evidence,
};
use histories::{KeyId, OpId};

/// The meaning of a phenomenon, as a fragment that fits after "a history with one:".
pub(crate) fn phenomenon_meaning(phenomenon: Phenomenon) -> &'static str {
    match phenomenon {
        Phenomenon::Cycle(kind) => match (kind.family, kind.extent) {
            (Family::G0, Extent::Data) => "transactions overwrote one another in a cycle",
            (Family::G0, Extent::Session) => "the order of overwrites contradicts the order of a session",
            (Family::G0, Extent::RealTime) => "the order of overwrites contradicts real time",
            (Family::G1c, Extent::Data) => "transactions read from or overwrote one another in a cycle",
            (Family::G1c, Extent::Session) => "reads and overwrites contradict the order of a session",
            (Family::G1c, Extent::RealTime) => "reads and overwrites contradict real time",
            (_, Extent::Data) => {
                "these transactions cannot be ordered: each missed or depends on a write of the next (a cycle)"
            }
            (_, Extent::Session) => "missed writes contradict the order of a session",
            (_, Extent::RealTime) => "missed writes contradict real time",
        },
        Phenomenon::G1a => "a transaction read a value that a failed transaction wrote",
        Phenomenon::G1b => "a transaction read a value that its writer itself overwrote",
        Phenomenon::GarbageRead => "a transaction read a value that no operation wrote",
        Phenomenon::Internal => "a transaction contradicts its own earlier read or write",
        Phenomenon::FutureRead => "a transaction read a value that it wrote only later",
        Phenomenon::LostUpdate => "several transactions read one version and all replaced it",
        Phenomenon::DirtyUpdate => "a committed write builds on an aborted one",
        Phenomenon::DuplicateElements => "a list contains one element twice",
        Phenomenon::IncompatibleOrder => "no single order of appends explains the reads",
        Phenomenon::CyclicVersions => "the constraints on the order of versions contradict one another",
        Phenomenon::CommitOrder(Axiom::MonotonicAtomicView) => {
            "a transaction read from another one, and then read a version older than that one's writes"
        }
        Phenomenon::CommitOrder(Axiom::ReadAtomic) => "a transaction saw only part of another one",
        Phenomenon::CommitOrder(Axiom::Causal) => {
            "a transaction saw a write without the writes that causally precede it"
        }
        Phenomenon::Impossible(_) => "no execution that the level permits explains the reads",
    }
}

/// The transactions that show the phenomenon, in the order of the text.
pub(super) fn evidence_transactions(evidence: &Evidence) -> Vec<OpId> {
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
            all.extend(steps.iter().flat_map(|step| &step.unexplained).map(|read| read.transaction));
            if all.is_empty() {
                // No cycle is needed. The transactions of the choices show it.
                all.extend(steps.iter().flat_map(|step| &step.assumed).flat_map(transactions_of_choice));
            }
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

fn transactions_of_choice(choice: &CaseChoice) -> Vec<OpId> {
    match choice {
        CaseChoice::Before { earlier, later, .. } => vec![*earlier, *later],
        CaseChoice::ReadFrom(read) | CaseChoice::NotReadFrom(read) => {
            std::iter::once(read.reader).chain(read.writer).collect()
        }
        CaseChoice::Placed(place)
        | CaseChoice::NotPlaced(place)
        | CaseChoice::Shown(place)
        | CaseChoice::NotShown(place) => vec![place.writer],
    }
}

/// The object, if the phenomenon is about a single one.
pub(super) fn evidence_key(evidence: &Evidence) -> KeyId {
    match evidence {
        Evidence::Cycle(_) | Evidence::Lemmas(_) | Evidence::Cases(_) => KeyId::NONE,
        Evidence::AbortedRead { read, .. }
        | Evidence::IntermediateRead { read, .. }
        | Evidence::AppendsOutOfOrder { read, .. }
        | Evidence::GarbageRead { read, .. }
        | Evidence::Internal { read, .. }
        | Evidence::FutureRead { read, .. }
        | Evidence::DuplicateElement { read, .. }
        | Evidence::DirtyUpdate { read, .. } => read.key,
        Evidence::IncompatibleOrder { one, .. } | Evidence::IncompatibleOwnAppends { one, .. } => one.key,
        Evidence::LostUpdate { key, .. } | Evidence::CyclicVersions { key, .. } => *key,
    }
}
