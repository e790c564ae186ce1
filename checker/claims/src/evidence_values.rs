//! Exchanges values in evidence about transactions.
//!
//! Histories of transactions are judged as if all registers were `null` at first: for each key, the initial value and `null` are
//! exchanged ([`InitialValues::rebase_on_null`](crate::InitialValues::rebase_on_null)). What is said of such a history names values that
//! the user's history does not have there, so they are exchanged back.

use crate::{
    Dependency, DependencyReason, InitialValueIds, TransactionAnomaly, TransactionEvidence, VersionStep,
};
use histories::{KeyId, ValueId};

impl TransactionAnomaly {
    /// The same anomaly, with the initial value of each object and `null` exchanged. Twice, it is the anomaly itself.
    #[must_use]
    pub fn with_initial_exchanged(&self, initial: &InitialValueIds) -> Self {
        let mut exchanged = self.clone();
        for example in &mut exchanged.examples {
            exchange_in_evidence(example, initial);
        }
        exchanged
    }
}

fn exchange_in_evidence(evidence: &mut TransactionEvidence, initial: &InitialValueIds) {
    let exchange = |key: KeyId, value: &mut ValueId| *value = initial.exchange_with_null(key, *value);
    match evidence {
        TransactionEvidence::Cycle(cycle) => exchange_in_edges(&mut cycle.edges, initial),
        TransactionEvidence::Lemmas(lemmas) => {
            for lemma in lemmas {
                for assumed in &mut lemma.assumed {
                    exchange(assumed.key, &mut assumed.earlier);
                    exchange(assumed.key, &mut assumed.later);
                }
                exchange_in_edges(&mut lemma.cycle, initial);
            }
        }
        TransactionEvidence::AbortedRead { read, value, .. }
        | TransactionEvidence::IntermediateRead { read, value, .. }
        | TransactionEvidence::GarbageRead { read, value }
        | TransactionEvidence::FutureRead { read, value, .. }
        | TransactionEvidence::DuplicateElement { read, value } => exchange(read.key, value),
        TransactionEvidence::LostUpdate { key, version, .. } => {
            version.iter_mut().for_each(|value| exchange(*key, value));
        }
        TransactionEvidence::DirtyUpdate { read, aborted, committed } => {
            exchange(read.key, &mut aborted.1);
            exchange(read.key, &mut committed.1);
        }
        TransactionEvidence::AppendsOutOfOrder { read, earlier, later, .. } => {
            exchange(read.key, earlier);
            exchange(read.key, later);
        }
        TransactionEvidence::CyclicVersions { key, steps } => {
            for VersionStep { earlier, later, .. } in steps {
                earlier.iter_mut().chain(later).for_each(|value| exchange(*key, value));
            }
        }
        // These name operations and places, and no values.
        TransactionEvidence::Cases(_)
        | TransactionEvidence::Internal { .. }
        | TransactionEvidence::IncompatibleOrder { .. }
        | TransactionEvidence::IncompatibleOwnAppends { .. } => {}
    }
}

fn exchange_in_edges(edges: &mut [Dependency], initial: &InitialValueIds) {
    let exchange = |key: KeyId, value: &mut ValueId| *value = initial.exchange_with_null(key, *value);
    for edge in edges {
        match &mut edge.why {
            DependencyReason::Overwritten { key, earlier, later, .. }
            | DependencyReason::Concluded { key, earlier, later, .. } => {
                exchange(*key, earlier);
                exchange(*key, later);
            }
            DependencyReason::ReadBy { key, value } | DependencyReason::Arbitrated { key, value, .. } => {
                exchange(*key, value);
            }
            DependencyReason::Missed { key, read, later, .. } => {
                read.iter_mut().for_each(|value| exchange(*key, value));
                exchange(*key, later);
            }
            DependencyReason::Session | DependencyReason::RealTime => {}
        }
    }
}
