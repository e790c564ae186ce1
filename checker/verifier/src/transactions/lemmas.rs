//! Proofs that there is no serial order: does every step follow from those before it?
//!
//! Every transaction took effect at one place of the order, if there is one. So of two that wrote a register one was
//! there before the other, and what is assumed of them can be held against each edge by itself.

use super::cycle::{check_closed_cycle_by, dependency_exists, extent_of_cycle, read_value_last};
use super::ensure;
use super::writers::KeyWriters;
use crate::Mismatch;
use crate::watch::Watch;
use claims::{
    Assume, CycleFamily, CycleKind, Dependency, DependencyReason, OrderAssumption, OrderExtent, OrderLemma,
    VersionEvidence,
};
use histories::{History, KeyId, Micro, MicroKind, OpId};
use std::collections::HashSet;

pub(super) fn verify_lemmas(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    kind: CycleKind,
    lemmas: &[OrderLemma],
) -> Result<(), Mismatch> {
    let is_list = |micro: &&Micro| matches!(micro.kind, MicroKind::Append | MicroKind::ReadList);
    let lists: HashSet<KeyId> = history.micros().iter().filter(is_list).map(|micro| micro.key).collect();
    let of_list = lemmas.iter().flat_map(|lemma| &lemma.assumed).find(|each| lists.contains(&each.key));
    ensure(of_list.is_none(), || format!("something is assumed of the order of a list: {of_list:?}"))?;
    let steps =
        LemmaProof { history, assume, writers: KeyWriters::from_history(history, watch)?, lemmas, watch };
    for at in 0..lemmas.len() {
        steps.check_lemma(at)?;
    }
    let last = lemmas.last().ok_or_else(|| Mismatch("a proof without a step".into()))?;
    ensure(last.assumed.is_empty(), || format!("a proof that ends with an assumption: {last:?}"))?;
    let extent = lemmas.iter().map(|lemma| extent_of_cycle(&lemma.cycle)).max().unwrap_or(OrderExtent::Data);
    let is = CycleKind { family: CycleFamily::G2, extent };
    ensure(is == kind, || format!("a proof said to be {} is {}", kind.name(), is.name()))
}

struct LemmaProof<'a> {
    history: &'a History,
    watch: &'a Watch<'a>,
    assume: Assume,
    writers: KeyWriters,
    lemmas: &'a [OrderLemma],
}

impl LemmaProof<'_> {
    fn check_lemma(&self, at: usize) -> Result<(), Mismatch> {
        let OrderLemma { assumed, cycle } = &self.lemmas[at];
        for each in assumed {
            let known = self.writers_of_versions(each).is_some_and(|(one, other)| one != other);
            ensure(known, || format!("something is assumed of what nobody wrote: {each:?}"))?;
        }
        check_closed_cycle_by(self.history, self.watch, cycle, |edge| self.edge_follows(at, edge))
    }

    /// Who wrote the two.
    fn writers_of_versions(&self, assumed: &OrderAssumption) -> Option<(OpId, OpId)> {
        let writer = |value| self.writers.find_write(assumed.key, value).map(|written| written.by);
        writer(assumed.earlier).zip(writer(assumed.later))
    }

    /// Whether one transaction must come before the other, given what the lemma assumes.
    fn edge_follows(&self, at: usize, edge: &Dependency) -> bool {
        match edge.why {
            // It read what another had left, which the one that writes the key too came after: so it came before that.
            DependencyReason::Missed { key, read: Some(read), later, order: VersionEvidence::Assumed } => {
                let assumption = OrderAssumption { key, earlier: read, later };
                self.lemmas[at].assumed.contains(&assumption)
                    && read_value_last(self.history, edge.from, key, Some(read))
                    && self.writers_of_versions(&assumption).is_some_and(|(_, writer)| writer == edge.to)
            }
            DependencyReason::Concluded { lemma, .. } => {
                lemma < at && self.follows_from_lemma(at, lemma, edge)
            }
            _ => dependency_exists(self.history, self.watch, self.assume, edge),
        }
    }

    /// Whether all that the earlier lemma assumes is assumed here too, but for that the later of the two came first.
    fn follows_from_lemma(&self, at: usize, lemma: usize, edge: &Dependency) -> bool {
        let DependencyReason::Concluded { key, earlier, later, .. } = edge.why else { return false };
        let reversed = OrderAssumption { key, earlier, later }.reversed();
        let (here, there) = (&self.lemmas[at].assumed, &self.lemmas[lemma].assumed);
        let denied = |each: &&OrderAssumption| self.writers_of_versions(each) == Some((edge.to, edge.from));
        denied(&&reversed)
            && there.contains(&reversed)
            && there.iter().filter(|each| !denied(each)).all(|each| here.contains(each))
    }
}
