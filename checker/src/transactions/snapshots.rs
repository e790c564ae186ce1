//! Snapshot isolation: finds an order of begin and commit points, or proves that none exists.

use super::analysis::{LevelJudge, SerialSearchResults};
use super::candidates::witness_candidates;
use super::polygraph::{self, CaseOutcome, CaseScope};
use super::refuted::all_ruled_out_levels;
use super::serial::{self, RegisterUses, SnapshotSearch};
use super::witness;
use claims::{
    Assume, CycleFamily, CycleKind, IsolationLevel, IsolationSet, OrderExtent, Phenomenon, Proviso,
    TransactionAnomaly, TransactionEvidence, TransactionPoint, TransactionWitness,
};
use histories::OpId;
use std::sync::Arc;

impl LevelJudge<'_, '_> {
    /// Searches for the snapshots that the requested levels need. Adds proofs that none exist to the anomalies.
    pub(super) fn by_snapshots(
        &self,
        asked: &[IsolationLevel],
        anomalies: &mut Vec<TransactionAnomaly>,
        extent: OrderExtent,
        assume: Assume,
        found: &mut SerialSearchResults,
    ) {
        let mut tried: Vec<OrderExtent> = Vec::new();
        for &level in asked {
            if self.reason_to_doubt_absence(anomalies, level).is_some() {
                continue;
            }
            let snapshots = witness_candidates(level, extent, self.deepest).into_iter();
            for (_, extent, strongest) in snapshots.filter(|each| each.0 == CycleFamily::GNonadjacent) {
                let known = self.is_violated(level, anomalies)
                    || found.proves_level(level)
                    || tried.contains(&extent);
                if known || all_ruled_out_levels(anomalies, self.own_appends_read).contains(strongest) {
                    continue;
                }
                tried.push(extent);
                if !self.is_acyclic(CycleKind { family: CycleFamily::GNonadjacent, extent }) {
                    continue;
                }
                let covers = IsolationSet::default().with(strongest).and_weaker(Proviso::None);
                match self.search_snapshots(extent) {
                    SnapshotSearch::Points(points) => {
                        found.proven.push((covers, TransactionWitness::Snapshots(extent, Arc::new(points))));
                    }
                    SnapshotSearch::Unknown(reason) => found.open.push((covers, reason.to_owned())),
                    SnapshotSearch::Impossible(core) => {
                        match self.prove_impossible(strongest, assume, core) {
                            Ok(anomaly) => anomalies.push(anomaly),
                            Err(reason) => found.open.push((covers, reason)),
                        }
                    }
                }
            }
        }
    }

    fn search_snapshots(&self, extent: OrderExtent) -> SnapshotSearch {
        let (index, graph, limits) = (self.index, self.graph, self.limits);
        let by_lists = || -> Option<Vec<TransactionPoint>> {
            witness::find_list_snapshots(index, graph, extent, limits)
        };
        if let Some(points) = by_lists() {
            return SnapshotSearch::Points(points);
        }
        let uses = RegisterUses::collect(index, true, limits);
        let implied = serial::implied_order(index, &uses, limits);
        // If the implied order closes a cycle, the search finds it without that order, with all its reasons.
        let points = witness::graph_of_points(graph, extent, &implied, limits)
            .or_else(|| witness::graph_of_points(graph, extent, &[], limits));
        match points {
            Some(points) => serial::search_snapshots(index, uses, &points, extent, limits),
            None => SnapshotSearch::Unknown("the known dependencies leave no order of snapshots to look for"),
        }
    }

    /// A proof by cases that the core, together with the transactions that it read from, has no order of snapshots.
    fn prove_impossible(
        &self,
        level: IsolationLevel,
        assume: Assume,
        core: Vec<OpId>,
    ) -> Result<TransactionAnomaly, String> {
        let index = self.index;
        let mut members = core.clone();
        for key in index.key_ids() {
            for &touch in index.touches(key) {
                let version = index.outside_version(key, touch);
                if core.binary_search(&index.op_id(touch.op)).is_ok() {
                    let writer = version.and_then(|version| index.committed_writer(key, version));
                    members.extend(writer.map(OpId::from_raw));
                }
            }
        }
        members.sort_unstable();
        members.dedup();
        match polygraph::try_cases_of(
            index.history,
            level,
            assume,
            CaseScope::Transactions(&members),
            self.limits,
        ) {
            CaseOutcome::Impossible(steps) => Ok(TransactionAnomaly {
                phenomenon: Phenomenon::Impossible(level),
                count: 1,
                examples: vec![TransactionEvidence::Cases(steps)],
            }),
            CaseOutcome::Unknown(reason) => Err(reason),
            CaseOutcome::Holds(_) | CaseOutcome::Incompatible(..) => {
                Err("no order of snapshots was found, and no proof that there is none".to_owned())
            }
        }
    }
}
