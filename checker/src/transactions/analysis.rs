//! The whole analysis: from a history to anomalies, and from the anomalies to a verdict on each level.
//!
//! A level is *violated* if a phenomenon that it forbids was found. It *holds* if a witness was found: an order that
//! anyone can replay. For lists the search for cycles is complete. For the levels that are defined by cycles, from
//! `read-uncommitted` to `strict-serializable`, it therefore always finds a phenomenon or a witness. For registers
//! the version order is known only in part. A level on registers without a violation is passed to [`witness`]; it is
//! *unknown* if that module finds nothing.

use super::candidates::{extent_of_level, serial_candidates, with_witnessing_levels, witness_candidates};
use super::case_context::CaseContext;
use super::cycles::{self, Cycles};
use super::distinct::{FirstGuess, GuessedLevels};
use super::extent::{deepest_relevant_family, find_components, find_widest_components};
use super::findings::AnomalyCollector;
use super::graph::{DependencyComponents, DependencyGraph};
use super::index::{KeyShape, TransactionIndex};
use super::judgement::Judgement;
use super::placement;
use super::refuted::{all_ruled_out_levels, phenomena_ruling_out, reads_own_appends};
use super::serial::{self, SerialOutcome};
use super::summary::{TransactionAnalysis, TransactionOptions, summarize_judgements};
use super::undecided;
use super::versions::{self, VersionEdge};
use super::weak::{self, AxiomDecision, TransactionFacts};
use super::{dependencies, distinct, internal, reads, why};
use claims::{
    Assume, Axiom, CycleFamily, CycleKind, IsolationLevel, IsolationSet, Limits, NO_REAL_TIME, OrderExtent,
    Phenomenon, Proviso, Reason, TransactionAnomaly, TransactionEvidence, TransactionExecution,
    TransactionWitness, Verdict,
};
use histories::{History, Id, KeyId, OpId};
use std::sync::Arc;

/// Analyzes a history of transactions. Operations that are not transactions are ignored.
pub fn analyze(history: &History, options: &TransactionOptions, limits: &Limits<'_>) -> TransactionAnalysis {
    if let Some(analysis) = analyze_plain_history(history, options, limits) {
        return analysis;
    }
    if limits.stop_requested() {
        return summarize_stopped(history, options, Vec::new());
    }
    let index = TransactionIndex::new(history, limits);
    if limits.stop_requested() {
        return summarize_stopped(history, options, Vec::new());
    }
    let (index, guessed) = match distinct::decide_by_first_guess(index, options, analyze, limits) {
        FirstGuess::AllHold(judgements) => {
            return summarize_judgements(options.assume, Vec::new(), judgements);
        }
        FirstGuess::SomeHold(index, guessed) => (index, guessed),
    };
    match limits.stop_requested() {
        true => summarize_stopped(history, options, Vec::new()),
        false => analyze_index(&index, &guessed, options, limits),
    }
}

/// Analyzes a history by its index. Some levels are known to hold.
fn analyze_index(
    index: &TransactionIndex<'_>,
    guessed: &GuessedLevels,
    options: &TransactionOptions,
    limits: &Limits<'_>,
) -> TransactionAnalysis {
    let history = index.history;
    let levels = with_witnessing_levels(&options.levels);
    let extent = levels.iter().map(|&level| extent_of_level(level)).max().unwrap_or(OrderExtent::Data);
    let deepest = deepest_relevant_family(&levels);
    // Without real time the order of events of different sessions has no meaning. Session order is then the most that is known.
    let extent = if history.has_real_time() { extent } else { extent.min(OrderExtent::Session) };
    // The two closures only read the index and do not depend on each other, so they run in parallel.
    let ((mut findings, own_write_missed), (cyclic, orders, graph)) = rayon::join(
        || {
            let mut findings = AnomalyCollector::default();
            reads::find_read_anomalies(index, &mut findings, limits);
            let own_write_missed = internal::find_internal_anomalies(index, &mut findings, limits);
            (findings, own_write_missed)
        },
        || {
            let mut findings = AnomalyCollector::default();
            let orders = versions::find_version_orders(
                index,
                options.assume.applicable_to(history),
                &mut findings,
                limits,
            );
            let graph = dependencies::build_dependency_graph(index, &orders, extent, deepest, limits);
            (findings, orders, graph)
        },
    );
    findings.append(cyclic);
    let mut anomalies = findings.into_anomalies();
    if limits.stop_requested() {
        return summarize_stopped(history, options, anomalies);
    }
    let whole = find_widest_components(index, &graph, deepest, extent, limits);
    if limits.stop_requested() {
        return summarize_stopped(history, options, anomalies);
    }
    let cycles = cycles::find_cycles(&graph, &whole, extent, deepest, limits);
    let explainer = why::EdgeExplainer { index, orders: &orders };
    anomalies.extend(cycles.found.iter().map(|found| TransactionAnomaly {
        phenomenon: Phenomenon::Cycle(found.kind),
        count: u64::from(found.components),
        examples: vec![TransactionEvidence::Cycle(explainer.explain_cycle(found))],
    }));
    if limits.stop_requested() {
        return summarize_stopped(history, options, anomalies);
    }
    let case = LevelJudge {
        index,
        orders: &orders,
        graph: &graph,
        whole: &whole,
        cycles: &cycles,
        own_write_missed,
        own_appends_read: reads_own_appends(history),
        deepest,
        limits,
    };
    let by_execution = case.decide_execution_levels(&levels, &mut anomalies);
    let mut serially = case.search_serial_orders(&levels, &mut anomalies, extent, &explainer);
    case.by_snapshots(&levels, &mut anomalies, extent, options.assume, &mut serially);
    let mut judgements = case.judge_levels(&levels, &anomalies, extent, by_execution, serially);
    guessed.judge_unknown_levels(&mut judgements);
    let known = CaseContext {
        history,
        assume: options.assume,
        own_write_missed,
        own_appends_read: case.own_appends_read,
        index,
        analyze,
        mixed: !index.mixed.is_empty(),
        limits,
    };
    undecided::decide_by_cases(&known, &options.levels, &mut judgements, &mut anomalies);
    anomalies.sort_by_key(|anomaly| anomaly.phenomenon.name());
    let each = cycles.each.iter();
    let each = each.map(|(kind, ops)| (*kind, ops.iter().map(|&op| index.op_id(op)).collect())).collect();
    TransactionAnalysis { cycles: each, ..summarize_judgements(options.assume, anomalies, judgements) }
}

/// Builds the result of an analysis that the caller stopped. Levels that the anomalies so far rule out are violated;
/// all other levels are unknown.
fn summarize_stopped(
    history: &History,
    options: &TransactionOptions,
    mut anomalies: Vec<TransactionAnomaly>,
) -> TransactionAnalysis {
    let own_appends_read = reads_own_appends(history);
    anomalies.sort_by_key(|anomaly| anomaly.phenomenon.name());
    let verdict = |level: IsolationLevel| {
        let guilty = phenomena_ruling_out(level, &anomalies, own_appends_read);
        match guilty.is_empty() {
            true => Verdict::Unknown(Reason { reason: Limits::STOPPED.to_owned() }),
            false => Verdict::Violated(guilty),
        }
    };
    let judgements =
        options.levels.iter().map(|&level| Judgement { level, verdict: verdict(level) }).collect();
    summarize_judgements(options.assume, anomalies, judgements)
}

/// The levels that are defined by a commit order, strongest first, each with its axiom.
const BY_EXECUTION: [(IsolationLevel, Axiom); 3] = [
    (IsolationLevel::Causal, Axiom::Causal),
    (IsolationLevel::ReadAtomic, Axiom::ReadAtomic),
    (IsolationLevel::MonotonicAtomicView, Axiom::MonotonicAtomicView),
];

/// A faster analysis that needs no index. It applies if only levels that are defined by a commit order are requested,
/// every read identifies its writer, and every requested level holds. A commit order shows that no phenomenon rules
/// the level out. Returns `None` if any of these conditions fails.
fn analyze_plain_history(
    history: &History,
    options: &TransactionOptions,
    limits: &Limits<'_>,
) -> Option<TransactionAnalysis> {
    let by_execution = |level: &IsolationLevel| BY_EXECUTION.iter().any(|known| known.0 == *level);
    if options.levels.is_empty()
        || !options.levels.iter().all(by_execution)
        || options.assume != Assume::default()
    {
        return None;
    }
    let facts = TransactionFacts::from_plain_history(history, *limits)?;
    let mut proven: Vec<(IsolationSet, Verdict<TransactionWitness, Vec<Phenomenon>>)> = Vec::new();
    for (level, axiom) in BY_EXECUTION.into_iter().filter(|(level, _)| options.levels.contains(level)) {
        if proven.iter().any(|(covers, _)| covers.contains(level)) {
            continue;
        }
        let covers = IsolationSet::default().with(level).and_weaker(Proviso::None);
        match weak::find_plain_commit_order(&facts, axiom, limits) {
            Ok(order) => {
                proven.push((covers, Verdict::Holds(TransactionWitness::CommitOrder(axiom, Arc::new(order)))))
            }
            Err(Some(reason)) => {
                proven.push((IsolationSet::default().with(level), Verdict::Unknown(Reason { reason })));
            }
            Err(None) => return None,
        }
    }
    let verdict = |level: IsolationLevel| {
        let found = proven.iter().find(|(covers, _)| covers.contains(level));
        found.expect("every level that was asked for was decided").1.clone()
    };
    let judgements = options.levels.iter().map(|&level| Judgement { level, verdict: verdict(level) });
    Some(summarize_judgements(options.assume, Vec::new(), judgements.collect()))
}

/// All data that the verdicts are drawn from.
pub(super) struct LevelJudge<'a, 'h> {
    pub(super) index: &'a TransactionIndex<'h>,
    pub(super) orders: &'a [Vec<VersionEdge>],
    pub(super) graph: &'a DependencyGraph,
    /// The components of the whole graph, with all edges up to the requested extent.
    pub(super) whole: &'a DependencyComponents,
    pub(super) cycles: &'a Cycles,
    /// Whether some transaction did not read back its own write.
    pub(super) own_write_missed: bool,
    /// Whether a transaction read a list that it had appended to before.
    pub(super) own_appends_read: bool,
    /// The deepest family of cycles that was searched for.
    pub(super) deepest: CycleFamily,
    pub(super) limits: &'a Limits<'a>,
}

/// The results for levels that are defined by a commit order and were not already ruled out. Each level has a
/// witness, or the reason why it is unknown.
type ExecutionResults = Vec<(IsolationLevel, Result<TransactionWitness, String>)>;

impl LevelJudge<'_, '_> {
    /// Decides the requested levels that are defined by a commit order. Adds the cycles that refute them to the
    /// anomalies.
    fn decide_execution_levels(
        &self,
        asked: &[IsolationLevel],
        anomalies: &mut Vec<TransactionAnomaly>,
    ) -> ExecutionResults {
        let mut decided = Vec::new();
        let mut facts = None;
        // The weakest level comes first: a refutation of it also refutes the stronger ones, which are then skipped.
        for (level, axiom) in BY_EXECUTION.into_iter().rev().filter(|(level, _)| asked.contains(level)) {
            // Cycles that need session order do not rule out these levels; the other anomalies do.
            if self.is_violated(level, anomalies) || self.reason_to_doubt_absence(anomalies, level).is_some()
            {
                continue;
            }
            let facts = facts.get_or_insert_with(|| TransactionFacts::new(self.index, *self.limits));
            match weak::decide_axiom(self.index, facts, self.orders, axiom, self.limits) {
                AxiomDecision::Holds(order) => {
                    decided.push((level, Ok(TransactionWitness::CommitOrder(axiom, Arc::new(order)))));
                }
                AxiomDecision::Unknown(reason) => decided.push((level, Err(reason))),
                // The refutation may rest on a reader's own appends in a list, whose place these levels leave open.
                AxiomDecision::Violated(_) if self.own_appends_read => {}
                AxiomDecision::Violated(evidence) => anomalies.push(TransactionAnomaly {
                    phenomenon: Phenomenon::CommitOrder(axiom),
                    count: 1,
                    examples: vec![evidence],
                }),
            }
        }
        decided
    }

    /// Searches for the serial orders of registers that the requested levels need. Adds a proof to the anomalies if
    /// no serial order exists.
    fn search_serial_orders(
        &self,
        asked: &[IsolationLevel],
        anomalies: &mut Vec<TransactionAnomaly>,
        extent: OrderExtent,
        explainer: &why::EdgeExplainer<'_, '_>,
    ) -> SerialSearchResults {
        let mut found = SerialSearchResults::default();
        if !self.index.has_registers() {
            return found;
        }
        let mut tried: Vec<OrderExtent> = Vec::new();
        for &level in asked {
            if self.reason_to_doubt_absence(anomalies, level).is_some() {
                continue;
            }
            for (_, extent, strongest) in serial_candidates(level, extent, self.deepest) {
                let known = self.is_violated(level, anomalies) || found.proves_level(level);
                let out = all_ruled_out_levels(anomalies, self.own_appends_read).contains(strongest);
                if known || tried.contains(&extent) || out {
                    continue;
                }
                tried.push(extent);
                if !self.is_acyclic(CycleKind { family: CycleFamily::G2, extent }) {
                    continue;
                }
                let covers = IsolationSet::default().with(strongest).and_weaker(Proviso::None);
                match serial::search_serial_order(self.index, self.graph, extent, self.limits) {
                    SerialOutcome::Order(order) => {
                        found.proven.push((covers, TransactionWitness::Serial(extent, Arc::new(order))));
                    }
                    SerialOutcome::Unknown(reason) => found.open.push((covers, reason.to_owned())),
                    SerialOutcome::Impossible(proof) => {
                        let lemmas = explainer.explain_lemmas(&proof);
                        let extent = lemmas.iter().map(|lemma| why::extent_of_edges(&lemma.cycle)).max();
                        let extent = extent.unwrap_or(OrderExtent::Data);
                        anomalies.push(TransactionAnomaly {
                            phenomenon: Phenomenon::Cycle(CycleKind { family: CycleFamily::G2, extent }),
                            count: 1,
                            examples: vec![TransactionEvidence::Lemmas(lemmas)],
                        });
                    }
                }
            }
        }
        found
    }

    pub(super) fn is_violated(&self, level: IsolationLevel, anomalies: &[TransactionAnomaly]) -> bool {
        all_ruled_out_levels(anomalies, self.own_appends_read).contains(level)
            || (self.own_write_missed && undecided::asks_for_own_writes(level))
    }

    fn guilty_phenomena(&self, level: IsolationLevel, anomalies: &[TransactionAnomaly]) -> Vec<Phenomenon> {
        let guilty = phenomena_ruling_out(level, anomalies, self.own_appends_read);
        if guilty.is_empty() { vec![Phenomenon::Internal] } else { guilty }
    }

    fn judge_levels(
        &self,
        asked: &[IsolationLevel],
        anomalies: &[TransactionAnomaly],
        extent: OrderExtent,
        by_execution: ExecutionResults,
        serially: SerialSearchResults,
    ) -> Vec<Judgement> {
        let SerialSearchResults { mut proven, open } = serially;
        let mut undecided = Vec::new();
        for (level, decision) in by_execution {
            match decision {
                Ok(witness) => {
                    let covers = IsolationSet::default().with(level).and_weaker(Proviso::None);
                    proven.push((covers, witness));
                }
                Err(reason) => undecided.push((level, reason)),
            }
        }
        let mut tried: Vec<(CycleFamily, OrderExtent)> = Vec::new();
        let ruled_out = all_ruled_out_levels(anomalies, self.own_appends_read);
        let mut by_values = None;
        let mut judge = |level: IsolationLevel| {
            if self.is_violated(level, anomalies) {
                return Verdict::Violated(self.guilty_phenomena(level, anomalies));
            }
            if let Some(reason) = self.reason_to_doubt_absence(anomalies, level) {
                // Orders of other levels take for granted that transactions read back their own writes.
                if self.own_write_missed && level == IsolationLevel::Mixed {
                    return Verdict::Unknown(Reason { reason });
                }
                if let Some(witness) = self.witness_from_versions_alone(level) {
                    return Verdict::Holds(witness);
                }
                if by_values.is_none() && !self.index.ambiguities.is_empty() {
                    by_values = Some(self.find_orders_by_values(extent));
                    proven.extend(by_values.iter().flatten().cloned());
                }
                let proof = proven.iter().find(|(covers, _)| covers.contains(level));
                return match proof {
                    Some((_, witness)) => Verdict::Holds(witness.clone()),
                    None => Verdict::Unknown(Reason { reason }),
                };
            }
            if let Some((_, witness)) = proven.iter().find(|(covers, _)| covers.contains(level)) {
                return Verdict::Holds(witness.clone());
            }
            for (family, extent, strongest) in witness_candidates(level, extent, self.deepest) {
                if !ruled_out.contains(strongest) && !tried.contains(&(family, extent)) {
                    tried.push((family, extent));
                    if let Some(witness) = self.find_witness(family, extent) {
                        let covers = IsolationSet::default().with(strongest).and_weaker(Proviso::None);
                        proven.push((covers, witness));
                    }
                }
                if let Some((_, witness)) = proven.iter().find(|(covers, _)| covers.contains(level)) {
                    return Verdict::Holds(witness.clone());
                }
            }
            let reason =
                undecided.iter().find(|(other, _)| *other == level).map(|(_, reason)| reason.clone());
            let searched = open.iter().find(|(covers, _)| covers.contains(level));
            let reason = reason.or_else(|| searched.map(|(_, reason)| reason.clone()));
            Verdict::Unknown(Reason { reason: reason.unwrap_or_else(|| self.explain_unknown(level)) })
        };
        asked.iter().map(|&level| Judgement { level, verdict: judge(level) }).collect()
    }

    /// Why the absence of cycles would prove nothing; `None` if it does prove something.
    pub(super) fn reason_to_doubt_absence(
        &self,
        anomalies: &[TransactionAnomaly],
        level: IsolationLevel,
    ) -> Option<String> {
        // Levels that are defined by a commit order judge a repeated read like any other read.
        let judged =
            |phenomenon| level == IsolationLevel::MonotonicAtomicView && phenomenon == Phenomenon::Internal;
        let clouds = |anomaly: &&TransactionAnomaly| {
            anomaly.phenomenon.leaves_versions_uncertain() && !judged(anomaly.phenomenon)
        };
        if let Some(anomaly) = anomalies.iter().find(clouds) {
            return Some(format!(
                "{} makes the version order uncertain, so the absence of cycles proves nothing",
                anomaly.phenomenon.name()
            ));
        }
        if let Some(key) = self.index.mixed.first() {
            let key = self.index.history.key_text(*key);
            return Some(format!(
                "{key} is used as a list and as a register, so its reads cannot be interpreted"
            ));
        }
        let ambiguity = self.index.ambiguities.first()?;
        let history = self.index.history;
        Some(format!(
            "{} was written to {} more than once (again at {}), so a read does not identify its writer",
            history.value_text(ambiguity.value),
            history.key_text(ambiguity.key),
            history.operation_index(ambiguity.writer)
        ))
    }

    fn explain_unknown(&self, level: IsolationLevel) -> String {
        if self.limits.stop_requested() {
            return Limits::STOPPED.to_owned();
        }
        if extent_of_level(level) == OrderExtent::RealTime && !self.index.history.has_real_time() {
            return NO_REAL_TIME.to_owned();
        }
        let cycle = |family, extent| CycleKind { family, extent };
        if self.cycles.undecided.contains(&cycle(CycleFamily::GSingle, extent_of_level(level))) {
            return "the search for a cycle with one anti-dependency reached its limit of steps".to_owned();
        }
        if self.index.has_registers() {
            return "no anomaly was found, but the version order of registers is known only in part, and no commit \
                    order that was tried explains all reads"
                .to_owned();
        }
        format!("no anomaly rules out {}, and no witness for it was found", level.name())
    }

    pub(super) fn is_acyclic(&self, kind: CycleKind) -> bool {
        let weaker = |family| CycleKind { family, extent: kind.extent };
        let families: &[CycleFamily] = match kind.family {
            CycleFamily::G0 => &[CycleFamily::G0],
            CycleFamily::G1c => &[CycleFamily::G1c],
            CycleFamily::GSingle => &[CycleFamily::G1c, CycleFamily::GSingle],
            CycleFamily::GNonadjacent => &[CycleFamily::G1c, CycleFamily::GNonadjacent],
            CycleFamily::G2 => &[CycleFamily::G1c, CycleFamily::G2],
        };
        families.iter().all(|&family| !self.cycles.has_cycle_implying(weaker(family)))
    }

    /// The witness for a level that requires a version order and has no condition on reads.
    fn witness_from_versions_alone(&self, level: IsolationLevel) -> Option<TransactionWitness> {
        use IsolationLevel::{ReadUncommitted, StrongReadUncommitted, StrongSessionReadUncommitted};
        let extent = extent_of_level(level);
        let asks_no_more =
            matches!(level, ReadUncommitted | StrongSessionReadUncommitted | StrongReadUncommitted);
        let is_list = |key: KeyId| self.index.key(key).shape == KeyShape::List;
        let unclear = !self.index.mixed.is_empty()
            || self.index.ambiguities.iter().any(|ambiguity| is_list(ambiguity.key))
            || (extent == OrderExtent::RealTime && !self.index.history.has_real_time())
            || !self.is_acyclic(CycleKind { family: CycleFamily::G0, extent });
        if !asks_no_more || unclear {
            return None;
        }
        let components = find_components(self.graph, CycleFamily::G0, extent, self.limits);
        let order = (!self.limits.stop_requested()).then(|| self.completed_in_order(&components))?;
        let execution = TransactionExecution { order, reads: Vec::new(), elements: Vec::new() };
        Some(TransactionWitness::Execution(level, Arc::new(execution)))
    }

    /// Orders that explain the returned values when reads do not identify their writers: the strongest serial order and the
    /// strongest snapshots that were found, up to the given extent.
    fn find_orders_by_values(&self, extent: OrderExtent) -> Vec<(IsolationSet, TransactionWitness)> {
        use IsolationLevel::*;
        let serial = [Serializable, SessionSerializable, StrictSerializable];
        let snapshots = [SnapshotIsolation, StrongSessionSnapshotIsolation, StrongSnapshotIsolation];
        let covers = |level| IsolationSet::default().with(level).and_weaker(Proviso::None);
        let lists = self.index.key_ids().any(|key| self.index.key(key).shape == KeyShape::List);
        if lists {
            return Vec::new();
        }
        let extents = || OrderExtent::ALL.into_iter().rev().filter(move |&each| each <= extent);
        let order = extents().find_map(|each| {
            let order = placement::find_serial_order_by_values(self.index, each, self.limits)?;
            Some((covers(serial[each as usize]), TransactionWitness::Serial(each, Arc::new(order))))
        });
        if order.as_ref().is_some_and(|_| extent == OrderExtent::Data) {
            return order.into_iter().collect();
        }
        let points = extents().find_map(|each| {
            let points = placement::find_register_snapshots(self.index, each, self.limits)?;
            Some((covers(snapshots[each as usize]), TransactionWitness::Snapshots(each, Arc::new(points))))
        });
        order.into_iter().chain(points).collect()
    }

    /// An order that shows that no cycle of a family, or of a weaker family, occurred.
    fn find_witness(&self, family: CycleFamily, extent: OrderExtent) -> Option<TransactionWitness> {
        if !self.is_acyclic(CycleKind { family, extent }) {
            return None;
        }
        match family {
            CycleFamily::G0 | CycleFamily::G1c => {
                let components = find_components(self.graph, family, extent, self.limits);
                let order = (!self.limits.stop_requested()).then(|| match family {
                    CycleFamily::G0 => self.completed_in_order(&components),
                    _ => self.topological_order(&components),
                })?;
                Some(TransactionWitness::Versions(extent, family, Arc::new(order)))
            }
            // `by_snapshots` has searched for them already. If its search ended early, one in the order of completion may
            // still succeed.
            CycleFamily::GSingle | CycleFamily::GNonadjacent => {
                let registers = self.index.has_registers();
                let found =
                    registers.then(|| placement::find_register_snapshots(self.index, extent, self.limits));
                Some(TransactionWitness::Snapshots(extent, Arc::new(found.flatten()?)))
            }
            // The serial orders of registers were searched for before the levels are judged.
            CycleFamily::G2 if self.index.has_registers() => None,
            CycleFamily::G2 => {
                // If the widest search found no cycle, the order of its components serves as the witness.
                let order = if self.whole.nontrivial.is_empty() {
                    self.topological_order(self.whole)
                } else {
                    let components = find_components(self.graph, family, extent, self.limits);
                    (!self.limits.stop_requested()).then(|| self.topological_order(&components))?
                };
                Some(TransactionWitness::Serial(extent, Arc::new(order)))
            }
        }
    }

    /// The same without transactions that have no completion. Where dirty reads are permitted, nothing shows that they committed.
    fn completed_in_order(&self, components: &DependencyComponents) -> Vec<OpId> {
        let mut order = self.topological_order(components);
        order.retain(|id| self.index.has_completed(id.raw()));
        order
    }

    /// The committed transactions in reverse order of the component numbers. That is a topological order if there are
    /// no cycles.
    fn topological_order(&self, components: &DependencyComponents) -> Vec<OpId> {
        debug_assert!(components.nontrivial.is_empty(), "a graph with a cycle has no topological order");
        let mut at_number = vec![None; components.count as usize];
        for id in self.index.history.ids().filter(|id| self.index.is_committed(id.raw())) {
            at_number[components.number[id.index()] as usize] = Some(id);
        }
        debug_assert!(self.orders.len() == self.index.keys.len());
        at_number.into_iter().rev().flatten().collect()
    }
}

/// The results of the searches for serial orders: levels with the order that proves them, and why other levels are
/// unknown.
#[derive(Default)]
pub(super) struct SerialSearchResults {
    pub proven: Vec<(IsolationSet, TransactionWitness)>,
    pub open: Vec<(IsolationSet, String)>,
}

impl SerialSearchResults {
    pub(super) fn proves_level(&self, level: IsolationLevel) -> bool {
        self.proven.iter().any(|(covers, _)| covers.contains(level))
    }
}
