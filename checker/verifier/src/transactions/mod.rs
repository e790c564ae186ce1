//! Verifies evidence about transactions with code that shares nothing with the search.
//!
//! Only what is claimed is checked: the named reads show what they are said to show, each edge of a cycle has its
//! reason in the history, and a witness can be replayed. Every fact is looked up in the history in a simple, slow way.
//! That is affordable because a cycle has few transactions and a witness is replayed in one pass. A mismatch is a bug
//! of this program, never a verdict.

mod anomalies;
mod cases;
mod commit_order;
mod cycle;
mod element_places;
mod execution;
mod lemmas;
mod list_places;
mod list_proof;
mod list_ranks;
mod list_states;
mod lists;
mod micros;
mod mixed;
mod replay;
mod sources;
mod told_order;
mod whole_order;
mod witness;
mod writers;

use crate::watch::Watch;
use crate::{Mismatch, UNCHECKED};
use claims::{
    Assume, Evidence, IsolationLevel, Phenomenon, TransactionAnomaly, TransactionEvidence,
    TransactionExecution, TransactionWitness, Verdict, Witness,
};
use histories::{History, KeyId, Micro, MicroKind, Outcome};
use std::cell::OnceCell;
use std::sync::Arc;

/// Evidence to be checked against a history. Each piece is checked once, even if several verdicts depend on it.
pub(crate) struct TransactionClaims<'a> {
    history: &'a History,
    assume: Assume,
    anomalies: &'a [TransactionAnomaly],
    /// By anomaly: the result of checking it, once it has been checked.
    checked: Vec<Option<Result<(), Mismatch>>>,
    witnesses: Vec<(&'a TransactionWitness, Result<(), Mismatch>)>,
    own_appends_read: OnceCell<bool>,
    watch: &'a Watch<'a>,
}

impl<'a> TransactionClaims<'a> {
    /// Collects the evidence without checking it.
    pub(crate) fn new(
        history: &'a History,
        assume: Assume,
        anomalies: &'a [TransactionAnomaly],
        watch: &'a Watch<'a>,
    ) -> Self {
        let checked = vec![None; anomalies.len()];
        let (assume, own_appends_read) = (assume.applicable_to(history), OnceCell::new());
        Self { history, assume, anomalies, checked, witnesses: Vec::new(), own_appends_read, watch }
    }

    /// Checks that a verdict follows from its evidence.
    pub(crate) fn check_verdict(
        &mut self,
        level: IsolationLevel,
        verdict: &'a Verdict,
    ) -> Result<(), Mismatch> {
        match verdict {
            Verdict::Unknown(_) | Verdict::Untested(_) => Ok(()),
            Verdict::Holds(Witness::Transactions(found)) => {
                witness::check_witness_proves_level(self.history, found, level)?;
                self.check_whole_lists(found, level)?;
                self.check_versions_follow_commits(found, level)?;
                if let Some((_, result)) = self.witnesses.iter().find(|(known, _)| known.is_same_order(found))
                {
                    return result.clone();
                }
                let result = told_order::check_follows_told_order(self.history, self.assume, found)
                    .and_then(|()| witness::verify_witness(self.history, found, self.watch));
                self.require_time_left()?;
                self.witnesses.push((found, result.clone()));
                result
            }
            Verdict::Holds(_) => {
                Err(Mismatch("transactions are witnessed by orders of transactions".to_owned()))
            }
            Verdict::Violated(violations) => {
                let mut telling = Vec::new();
                for violation in violations {
                    let Evidence::Phenomenon(phenomenon) = violation.evidence else {
                        return Err(Mismatch("evidence of another kind of property".to_owned()));
                    };
                    let at = self.anomalies.iter().position(|anomaly| anomaly.phenomenon == phenomenon);
                    ensure(phenomenon.name() == violation.kind.as_str(), || {
                        "a name of another anomaly".to_owned()
                    })?;
                    ensure(violation.key == KeyId::NONE && violation.operations.is_empty(), || {
                        format!("{} is told by its examples, not by operations", phenomenon.name())
                    })?;
                    let at = at.ok_or_else(|| {
                        Mismatch(format!("{} is named, and there is no example of it", phenomenon.name()))
                    })?;
                    telling.extend(Some(at).filter(|&at| self.rules_out(&self.anomalies[at], level)));
                }
                ensure(!telling.is_empty(), || format!("{} violated by nothing", level.name()))?;
                // One confirmed phenomenon is enough.
                let mut why = String::new();
                for at in telling {
                    match self.check_anomaly(at) {
                        Ok(()) => return Ok(()),
                        Err(Mismatch(other)) => why = other,
                    }
                }
                Err(Mismatch(format!("nothing stands that rules {} out: {why}", level.name())))
            }
        }
    }

    /// Checks that the examples of an anomaly show it.
    pub(crate) fn check_anomaly(&mut self, at: usize) -> Result<(), Mismatch> {
        if let Some(result) = &self.checked[at] {
            return result.clone();
        }
        let TransactionAnomaly { phenomenon, examples, .. } = &self.anomalies[at];
        let mut result = ensure(!examples.is_empty(), || format!("{} without an example", phenomenon.name()));
        for example in examples {
            let (history, assume) = (self.history, self.assume);
            result = result
                .and_then(|()| anomalies::check_example(history, self.watch, assume, *phenomenon, example));
        }
        self.require_time_left()?;
        self.checked[at] = Some(result.clone());
        result
    }

    /// Checks what an order that is compared with the last elements of lists does not say of the other elements.
    fn check_whole_lists(&self, found: &TransactionWitness, level: IsolationLevel) -> Result<(), Mismatch> {
        let (TransactionWitness::CommitOrder(_, order) | TransactionWitness::Versions(_, _, order)) = found
        else {
            return Ok(());
        };
        match asks_of_reads(level) {
            true => {
                // An order of versions has the readers' own appends in it. What is seen has them not.
                let with_own = matches!(found, TransactionWitness::Versions(..));
                list_states::check_lists_of_order(self.history, order, with_own, self.watch)?;
            }
            false => lists::check_no_element_too_often(self.history, self.watch)?,
        }
        self.require_time_left()
    }

    /// Checks that a commit order is also an order of versions, where a level needs it and it does not follow: a reader's own appends in a
    /// list do not show the version order.
    fn check_versions_follow_commits(
        &self,
        found: &TransactionWitness,
        level: IsolationLevel,
    ) -> Result<(), Mismatch> {
        let TransactionWitness::CommitOrder(_, order) = found else { return Ok(()) };
        if level.is_defined_by_visibility()
            || !*self.own_appends_read.get_or_init(|| reads_own_appends(self.history))
        {
            return Ok(());
        }
        let as_level = match asks_of_reads(level) {
            true => IsolationLevel::ReadCommitted,
            false => IsolationLevel::ReadUncommitted,
        };
        let execution =
            TransactionExecution { order: order.to_vec(), reads: Vec::new(), elements: Vec::new() };
        let execution = TransactionWitness::Execution(as_level, Arc::new(execution));
        witness::verify_witness(self.history, &execution, self.watch)
    }

    /// Returns an error if the time ran out, because results are then meaningless.
    fn require_time_left(&self) -> Result<(), Mismatch> {
        ensure(!self.watch.is_over(), || UNCHECKED.to_owned())
    }

    /// Whether an anomaly rules a level out: by the lattice, or because a transaction missed a write of its own, which
    /// all levels forbid that ask anything of reads. Where a list was read with the reader's own appends in it, dependencies
    /// say nothing of levels that are defined by what is seen.
    fn rules_out(&self, anomaly: &TransactionAnomaly, level: IsolationLevel) -> bool {
        let own = |example: &TransactionEvidence| match example {
            TransactionEvidence::Internal { read, .. } => micros::misses_own_write(self.history, *read),
            _ => false,
        };
        // At mixed levels it depends on the transaction, so that the anomaly is one of its own.
        let asks = asks_of_reads(level) && level != IsolationLevel::Mixed;
        let own_missed = asks && anomaly.examples.iter().any(own);
        let by_dependencies = match anomaly.phenomenon {
            Phenomenon::Cycle(_) | Phenomenon::CommitOrder(_) | Phenomenon::IncompatibleOrder => true,
            Phenomenon::Impossible(refuted) => !refuted.is_defined_by_visibility(),
            _ => false,
        };
        let own_appends_read = || *self.own_appends_read.get_or_init(|| reads_own_appends(self.history));
        let tells = !(by_dependencies && level.is_defined_by_visibility() && own_appends_read());
        (tells && anomaly.ruled_out_set().contains(level)) || own_missed
    }
}

/// Whether a level asks anything of what reads return.
fn asks_of_reads(level: IsolationLevel) -> bool {
    use IsolationLevel::{ReadUncommitted, StrongReadUncommitted, StrongSessionReadUncommitted};
    !matches!(level, ReadUncommitted | StrongSessionReadUncommitted | StrongReadUncommitted)
}

/// Whether a transaction read a list that it had appended to before.
fn reads_own_appends(history: &History) -> bool {
    let mut completed = history.ids().filter(|&id| history.outcome(id) == Outcome::Ok);
    completed.any(|id| {
        let micros = history.micros_of(id);
        micros.iter().enumerate().any(|(place, read)| {
            let own = |before: &Micro| before.kind == MicroKind::Append && before.key == read.key;
            read.kind == MicroKind::ReadList && micros[..place].iter().any(own)
        })
    })
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Mismatch> {
    if holds { Ok(()) } else { Err(Mismatch(what())) }
}
