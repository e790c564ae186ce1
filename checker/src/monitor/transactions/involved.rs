//! The transactions that evidence names.

use claims::{Dependency, DependencyReason, Phenomenon, Report, SeenThrough, TransactionEvidence};
use histories::OpId;

/// The transactions that show a phenomenon, in order. Empty if the evidence is a proof by cases.
pub(super) fn involved_transactions(report: &Report, phenomenon: Phenomenon) -> Vec<OpId> {
    let example = report.find_anomaly(phenomenon).and_then(|anomaly| anomaly.examples.first());
    let mut involved = Vec::new();
    if let Some(example) = example {
        add_of_evidence(example, &mut involved);
    }
    involved.sort_unstable();
    involved.dedup();
    involved
}

fn add_of_evidence(evidence: &TransactionEvidence, involved: &mut Vec<OpId>) {
    use TransactionEvidence::*;
    match evidence {
        Cycle(cycle) => add_of_edges(&cycle.edges, involved),
        Lemmas(lemmas) => lemmas.iter().for_each(|lemma| add_of_edges(&lemma.cycle, involved)),
        Cases(_) | CyclicVersions { .. } => {}
        AbortedRead { read, writer, .. }
        | IntermediateRead { read, writer, .. }
        | AppendsOutOfOrder { read, writer, .. } => involved.extend([read.transaction, *writer]),
        GarbageRead { read, .. }
        | Internal { read, .. }
        | FutureRead { read, .. }
        | DuplicateElement { read, .. } => involved.push(read.transaction),
        LostUpdate { transactions, .. } => involved.extend(transactions),
        DirtyUpdate { read, aborted, committed } => {
            involved.extend([read.transaction, aborted.0, committed.0])
        }
        IncompatibleOrder { one, other } | IncompatibleOwnAppends { one, other } => {
            involved.extend([one.transaction, other.transaction]);
        }
    }
}

fn add_of_edges(edges: &[Dependency], involved: &mut Vec<OpId>) {
    for edge in edges {
        involved.extend([edge.from, edge.to]);
        if let DependencyReason::Arbitrated { reader, seen, .. } = &edge.why {
            involved.push(*reader);
            if let SeenThrough::Causally(path) = seen {
                involved.extend(path);
            }
        }
    }
}
