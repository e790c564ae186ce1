//! The whole analysis: from a history to anomalies, and from these to a verdict on each level.
//!
//! A level is *violated* if a phenomenon that it forbids was found. It *holds* if a witness was found: an
//! order that anyone can replay. For lists the search for cycles is complete, and one of the two is always
//! found for the levels that are defined by cycles, from `read-uncommitted` to `strict-serializable`. For
//! registers the order of versions is known in part; there a level without violation is given to
//! [`witness`], and is *unknown* if that finds nothing.

use super::anomaly::{Anomaly, Axiom, Evidence, Findings};
use super::cycles::{self, Cycles};
use super::graph::{Components, Graph, Kinds, Scope};
use super::index::Index;
use super::lattice::{Isolation, Levels, Proviso, ruled_out_by};
use super::phenomenon::{CycleKind, Extent, Family, Phenomenon};
use super::serial::{self, Search};
use super::versions::{self, VersionEdge};
use super::weak::{self, Decision, Facts};
use super::witness;
use super::{dependencies, internal, reads, why};
use crate::check::{Assume, NO_REAL_TIME};
use crate::{Limits, Unknown, Verdict};
use histories::{History, Id, OpId};
use std::sync::Arc;

/// What is asked of a history of transactions.
#[derive(Clone, Debug)]
pub struct Options {
    /// The levels to judge. They also tell how far to look: session order and real time are only looked at
    /// where a level asks for them.
    pub levels: Vec<Isolation>,
    /// What the user asserts of version orders.
    pub assume: Assume,
}

/// All that was found.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// What was asserted of version orders.
    pub assume: Assume,
    /// Every phenomenon, sorted by name.
    pub anomalies: Vec<Anomaly>,
    /// The weakest levels that are ruled out.
    pub not: Vec<Isolation>,
    /// The others that are ruled out.
    pub also_not: Vec<Isolation>,
    /// A verdict for each level that was asked for, in that order.
    pub judgements: Vec<Judgement>,
    /// The strongest of the levels asked for, and of those that they imply, that hold.
    pub holds: Vec<Isolation>,
}

/// The verdict on one level.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The level.
    pub level: Isolation,
    /// What was found. *Violated* names the phenomena that rule the level out.
    pub verdict: Verdict<Witness, Vec<Phenomenon>>,
}

/// Why a level holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Witness {
    /// All committed transactions in an order in which, done one after another, each sees what it saw. It
    /// extends the given order.
    Serial(Extent, Arc<Vec<OpId>>),
    /// The beginnings and commits of all committed transactions in an order in which each sees what had
    /// committed when it began, and nobody else commits a write to what it writes in between.
    Snapshots(Extent, Arc<Vec<Point>>),
    /// All committed transactions in an order in which each comes after those it read from, if asked for by
    /// the level, and the versions of each object follow one another.
    Versions(Extent, Family, Arc<Vec<OpId>>),
    /// All committed transactions in an order that extends that of sessions, in which each comes after those it
    /// read from, and that meets the axiom.
    CommitOrder(Axiom, Arc<Vec<OpId>>),
}

impl Witness {
    /// Whether it is the same order, told without comparing orders where they are one in memory.
    pub fn same(&self, other: &Witness) -> bool {
        match (self, other) {
            (Witness::Serial(one, a), Witness::Serial(two, b)) if Arc::ptr_eq(a, b) => one == two,
            (Witness::Snapshots(one, a), Witness::Snapshots(two, b)) if Arc::ptr_eq(a, b) => one == two,
            (Witness::Versions(one, f, a), Witness::Versions(two, g, b)) if Arc::ptr_eq(a, b) => {
                (one, f) == (two, g)
            }
            (Witness::CommitOrder(one, a), Witness::CommitOrder(two, b)) if Arc::ptr_eq(a, b) => one == two,
            _ => self == other,
        }
    }
}

/// A moment in the life of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Point {
    /// Its snapshot is taken.
    Begin(OpId),
    /// What it wrote becomes visible.
    Commit(OpId),
}

/// Analyzes a history of transactions. Operations that are none are left out.
pub fn analyze(history: &History, options: &Options, limits: &Limits<'_>) -> Analysis {
    if let Some(analysis) = plainly(history, options, limits) {
        return analysis;
    }
    if limits.stopped() {
        return stopped(options, Vec::new());
    }
    let index = Index::new(history, limits);
    if limits.stopped() {
        return stopped(options, Vec::new());
    }
    let extent = options.levels.iter().map(|&level| extent_of(level)).max().unwrap_or(Extent::Data);
    let deepest = deepest(&options.levels);
    // Without real time the order between sessions is made up; session order is the most that is known.
    let extent = if history.has_real_time() { extent } else { extent.min(Extent::Session) };
    // The two look at the same index and need nothing of one another.
    let ((mut findings, own_write_missed), (cyclic, orders, graph)) = rayon::join(
        || {
            let mut findings = Findings::default();
            reads::find(&index, &mut findings, limits);
            let own_write_missed = internal::find(&index, &mut findings, limits);
            (findings, own_write_missed)
        },
        || {
            let mut findings = Findings::default();
            let orders = versions::orders(&index, options.assume.of(history), &mut findings, limits);
            let graph = dependencies::graph(&index, &orders, extent, deepest, limits);
            (findings, orders, graph)
        },
    );
    findings.append(cyclic);
    let mut anomalies = findings.into_anomalies();
    if limits.stopped() {
        return stopped(options, anomalies);
    }
    let whole = whole(&index, &graph, deepest, extent, limits);
    if limits.stopped() {
        return stopped(options, anomalies);
    }
    let cycles = cycles::find(&graph, &whole, extent, deepest, limits);
    let explainer = why::Explainer { index: &index, orders: &orders };
    anomalies.extend(cycles.found.iter().map(|found| Anomaly {
        phenomenon: Phenomenon::Cycle(found.kind),
        count: u64::from(found.components),
        examples: vec![Evidence::Cycle(explainer.cycle(found))],
    }));
    if limits.stopped() {
        return stopped(options, anomalies);
    }
    let case = Case {
        index: &index,
        orders: &orders,
        graph: &graph,
        whole: &whole,
        cycles: &cycles,
        own_write_missed,
        deepest,
        limits,
    };
    let by_execution = case.by_execution(&options.levels, &mut anomalies);
    let serially = case.serially(&options.levels, &mut anomalies, extent, &explainer);
    anomalies.sort_by_key(|anomaly| anomaly.phenomenon.name());
    let judgements = case.judge(&options.levels, &anomalies, extent, by_execution, serially);
    summarize(options.assume, anomalies, judgements)
}

/// What can be said when the caller asked to stop: what was found rules out what it rules out; all else is unknown.
fn stopped(options: &Options, mut anomalies: Vec<Anomaly>) -> Analysis {
    anomalies.sort_by_key(|anomaly| anomaly.phenomenon.name());
    let verdict = |level: Isolation| {
        let phenomena = anomalies.iter().map(|anomaly| anomaly.phenomenon);
        let guilty: Vec<Phenomenon> = phenomena.filter(|&each| ruled_out_by(each).contains(level)).collect();
        match guilty.is_empty() {
            true => Verdict::Unknown(Unknown { reason: Limits::STOPPED.to_owned() }),
            false => Verdict::Violated(guilty),
        }
    };
    let judgements =
        options.levels.iter().map(|&level| Judgement { level, verdict: verdict(level) }).collect();
    summarize(options.assume, anomalies, judgements)
}

/// The levels by execution, the strongest first, with their axioms.
const BY_EXECUTION: [(Isolation, Axiom); 3] = [
    (Isolation::Causal, Axiom::Causal),
    (Isolation::ReadAtomic, Axiom::ReadAtomic),
    (Isolation::MonotonicAtomicView, Axiom::MonotonicAtomicView),
];

/// The analysis where nothing but levels by execution is asked for, reads tell everything, and each level holds: no
/// phenomenon that could rule one out is there, for there is a commit order. None where any of this is not so.
fn plainly(history: &History, options: &Options, limits: &Limits<'_>) -> Option<Analysis> {
    let by_execution = |level: &Isolation| BY_EXECUTION.iter().any(|known| known.0 == *level);
    if options.levels.is_empty()
        || !options.levels.iter().all(by_execution)
        || options.assume != Assume::default()
    {
        return None;
    }
    let facts = Facts::plain(history, *limits)?;
    let mut proven: Vec<(Levels, Verdict<Witness, Vec<Phenomenon>>)> = Vec::new();
    for (level, axiom) in BY_EXECUTION.into_iter().filter(|(level, _)| options.levels.contains(level)) {
        if proven.iter().any(|(covers, _)| covers.contains(level)) {
            continue;
        }
        let covers = Levels::default().with(level).and_weaker(Proviso::None);
        match weak::plainly(&facts, axiom, limits) {
            Ok(order) => proven.push((covers, Verdict::Holds(Witness::CommitOrder(axiom, Arc::new(order))))),
            Err(Some(reason)) => {
                proven.push((Levels::default().with(level), Verdict::Unknown(Unknown { reason })));
            }
            Err(None) => return None,
        }
    }
    let verdict = |level: Isolation| {
        let found = proven.iter().find(|(covers, _)| covers.contains(level));
        found.expect("every level that was asked for was decided").1.clone()
    };
    let judgements = options.levels.iter().map(|&level| Judgement { level, verdict: verdict(level) });
    Some(summarize(options.assume, Vec::new(), judgements.collect()))
}

/// The deepest family of cycles that can rule out any of these levels: what lies beyond is not looked for.
fn deepest(levels: &[Isolation]) -> Family {
    let beyond = [Family::GSingle, Family::GNonadjacent, Family::G2].into_iter();
    let kinds = beyond.flat_map(|family| Extent::ALL.map(|extent| CycleKind { family, extent }));
    let concerns = |kind: CycleKind| {
        let ruled_out = ruled_out_by(Phenomenon::Cycle(kind));
        levels.iter().any(|&level| ruled_out.contains(level))
    };
    if levels.is_empty() || kinds.into_iter().any(concerns) { Family::G2 } else { Family::G1c }
}

/// The components of the whole graph. What sessions alone tell of registers is not among the edges of real time, but
/// cycles of it have to be within these too.
fn whole(
    index: &Index<'_>,
    graph: &Graph,
    deepest: Family,
    extent: Extent,
    limits: &Limits<'_>,
) -> Components {
    let mut kinds = cycles::kinds_of(deepest, extent);
    if extent == Extent::RealTime && index.has_registers() {
        kinds = kinds.and(Kinds::SESSION);
    }
    let scope = Scope { kinds, within: None, nonadjacent: false, stop: limits.stop };
    Components::find(graph, scope, 0..graph.operations())
}

fn components(graph: &Graph, family: Family, extent: Extent, limits: &Limits<'_>) -> Components {
    let kinds = cycles::kinds_of(family, extent);
    let scope = Scope { kinds, within: None, nonadjacent: false, stop: limits.stop };
    Components::find(graph, scope, 0..graph.operations())
}

/// How far a level looks beyond the data.
fn extent_of(level: Isolation) -> Extent {
    use Isolation::*;
    match level {
        StrictSerializable
        | StrongSnapshotIsolation
        | StrongReadCommitted
        | StrongReadUncommitted
        | SessionSerializable => Extent::RealTime,
        StrongSessionSerializable
        | StrongSessionSnapshotIsolation
        | StrongSessionReadCommitted
        | StrongSessionReadUncommitted => Extent::Session,
        _ => Extent::Data,
    }
}

fn ruled_out(anomalies: &[Anomaly]) -> Levels {
    anomalies.iter().fold(Levels::default(), |set, anomaly| set.union(ruled_out_by(anomaly.phenomenon)))
}

/// What follows from anomalies and judgements.
pub(super) fn summarize(assume: Assume, anomalies: Vec<Anomaly>, judgements: Vec<Judgement>) -> Analysis {
    let ruled_out = ruled_out(&anomalies);
    let violated = judgements.iter().filter(|judgement| matches!(judgement.verdict, Verdict::Violated(_)));
    let ruled_out = violated.fold(ruled_out, |set, judgement| set.with(judgement.level));
    let not: Vec<Isolation> = ruled_out.weakest(Proviso::SessionsAside).collect();
    let also_not = ruled_out.iter().filter(|level| !not.contains(level)).collect();
    let holding = judgements.iter().filter(|judgement| matches!(judgement.verdict, Verdict::Holds(_)));
    let holding: Levels = holding.map(|judgement| judgement.level).collect();
    let holds = holding.and_weaker(Proviso::None).strongest(Proviso::None).collect();
    Analysis { assume, anomalies, not, also_not, judgements, holds }
}

/// Everything that a verdict can be drawn from.
struct Case<'a, 'h> {
    index: &'a Index<'h>,
    orders: &'a [Vec<VersionEdge>],
    graph: &'a Graph,
    /// The components of the whole graph at the widest extent.
    whole: &'a Components,
    cycles: &'a Cycles,
    /// Whether a transaction read something else than what it had written itself.
    own_write_missed: bool,
    /// The family of cycles up to which was looked.
    deepest: Family,
    limits: &'a Limits<'a>,
}

/// What the levels by execution came to, where they were not ruled out before: each with a witness or with why
/// it is unknown.
type ByExecution = Vec<(Isolation, Result<Witness, String>)>;

impl Case<'_, '_> {
    /// Decides the levels by execution that were asked for, and adds the cycles found to the anomalies.
    fn by_execution(&self, asked: &[Isolation], anomalies: &mut Vec<Anomaly>) -> ByExecution {
        let mut decided = Vec::new();
        let mut facts = None;
        // The weakest first: what refutes one need not be asked again of those above.
        for (level, axiom) in BY_EXECUTION.into_iter().rev().filter(|(level, _)| asked.contains(level)) {
            // Cycles in what sessions lean on do not reach down here; the other facts do.
            if self.violated(level, anomalies) || self.doubt(anomalies, level).is_some() {
                continue;
            }
            let facts = facts.get_or_insert_with(|| Facts::new(self.index, *self.limits));
            match weak::decide(self.index, facts, self.orders, axiom, self.limits) {
                Decision::Holds(order) => {
                    decided.push((level, Ok(Witness::CommitOrder(axiom, Arc::new(order)))));
                }
                Decision::Unknown(reason) => decided.push((level, Err(reason))),
                Decision::Violated(evidence) => anomalies.push(Anomaly {
                    phenomenon: Phenomenon::CommitOrder(axiom),
                    count: 1,
                    examples: vec![evidence],
                }),
            }
        }
        decided
    }

    /// Searches for the serial orders of registers that the levels asked for need, and adds the proofs that there is none
    /// to the anomalies.
    fn serially(
        &self,
        asked: &[Isolation],
        anomalies: &mut Vec<Anomaly>,
        extent: Extent,
        explainer: &why::Explainer<'_, '_>,
    ) -> Serially {
        let mut found = Serially::default();
        if !self.index.has_registers() {
            return found;
        }
        let mut tried: Vec<Extent> = Vec::new();
        for &level in asked {
            if self.doubt(anomalies, level).is_some() {
                continue;
            }
            for (_, extent, strongest) in serial_candidates(level, extent, self.deepest) {
                let known = self.violated(level, anomalies) || found.proves(level);
                if known || tried.contains(&extent) || ruled_out(anomalies).contains(strongest) {
                    continue;
                }
                tried.push(extent);
                if !self.acyclic(CycleKind { family: Family::G2, extent }) {
                    continue;
                }
                let covers = Levels::default().with(strongest).and_weaker(Proviso::None);
                match serial::search(self.index, self.graph, extent, self.limits) {
                    Search::Order(order) => {
                        found.proven.push((covers, Witness::Serial(extent, Arc::new(order))));
                    }
                    Search::Unknown(reason) => found.open.push((covers, reason)),
                    Search::Impossible(proof) => {
                        let lemmas = explainer.lemmas(&proof);
                        let extent = lemmas.iter().map(|lemma| why::extent(&lemma.cycle)).max();
                        let extent = extent.unwrap_or(Extent::Data);
                        anomalies.push(Anomaly {
                            phenomenon: Phenomenon::Cycle(CycleKind { family: Family::G2, extent }),
                            count: 1,
                            examples: vec![Evidence::Lemmas(lemmas)],
                        });
                    }
                }
            }
        }
        found
    }

    fn violated(&self, level: Isolation, anomalies: &[Anomaly]) -> bool {
        ruled_out(anomalies).contains(level)
            || (level == Isolation::MonotonicAtomicView && self.own_write_missed)
    }

    fn guilty(&self, level: Isolation, anomalies: &[Anomaly]) -> Vec<Phenomenon> {
        let phenomena = anomalies.iter().map(|anomaly| anomaly.phenomenon);
        let guilty: Vec<Phenomenon> = phenomena.filter(|&each| ruled_out_by(each).contains(level)).collect();
        if guilty.is_empty() { vec![Phenomenon::Internal] } else { guilty }
    }

    fn judge(
        &self,
        asked: &[Isolation],
        anomalies: &[Anomaly],
        extent: Extent,
        by_execution: ByExecution,
        serially: Serially,
    ) -> Vec<Judgement> {
        let Serially { mut proven, open } = serially;
        let mut undecided = Vec::new();
        for (level, decision) in by_execution {
            match decision {
                Ok(witness) => {
                    let covers = Levels::default().with(level).and_weaker(Proviso::None);
                    proven.push((covers, witness));
                }
                Err(reason) => undecided.push((level, reason)),
            }
        }
        let mut tried: Vec<(Family, Extent)> = Vec::new();
        let ruled_out = ruled_out(anomalies);
        let mut judge = |level: Isolation| {
            if self.violated(level, anomalies) {
                return Verdict::Violated(self.guilty(level, anomalies));
            }
            if let Some(reason) = self.doubt(anomalies, level) {
                return Verdict::Unknown(Unknown { reason });
            }
            if let Some((_, witness)) = proven.iter().find(|(covers, _)| covers.contains(level)) {
                return Verdict::Holds(witness.clone());
            }
            for (family, extent, strongest) in candidates(level, extent, self.deepest) {
                if !ruled_out.contains(strongest) && !tried.contains(&(family, extent)) {
                    tried.push((family, extent));
                    if let Some(witness) = self.witness(family, extent) {
                        let covers = Levels::default().with(strongest).and_weaker(Proviso::None);
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
            let reason = reason.or_else(|| searched.map(|(_, reason)| (*reason).to_owned()));
            Verdict::Unknown(Unknown { reason: reason.unwrap_or_else(|| self.why_unknown(level)) })
        };
        asked.iter().map(|&level| Judgement { level, verdict: judge(level) }).collect()
    }

    /// Why the absence of cycles would prove nothing.
    fn doubt(&self, anomalies: &[Anomaly], level: Isolation) -> Option<String> {
        // By execution, what a transaction read twice is judged like any other read.
        let judged =
            |phenomenon| level == Isolation::MonotonicAtomicView && phenomenon == Phenomenon::Internal;
        let clouds = |anomaly: &&Anomaly| anomaly.phenomenon.clouds_versions() && !judged(anomaly.phenomenon);
        if let Some(anomaly) = anomalies.iter().find(clouds) {
            return Some(format!(
                "{} leaves the order of versions in doubt, so that finding no cycle proves nothing",
                anomaly.phenomenon.name()
            ));
        }
        if let Some(key) = self.index.mixed.first() {
            let key = self.index.history.key_text(*key);
            return Some(format!(
                "{key} is used as a list and as a register: what a read of it returned is unclear"
            ));
        }
        let ambiguity = self.index.ambiguities.first()?;
        let history = self.index.history;
        Some(format!(
            "{} was written to {} more than once (again at {}), so that a read does not tell who wrote it",
            history.value_text(ambiguity.value),
            history.key_text(ambiguity.key),
            history.index(ambiguity.writer)
        ))
    }

    fn why_unknown(&self, level: Isolation) -> String {
        if self.limits.stopped() {
            return Limits::STOPPED.to_owned();
        }
        if extent_of(level) == Extent::RealTime && !self.index.history.has_real_time() {
            return NO_REAL_TIME.to_owned();
        }
        let cycle = |family, extent| CycleKind { family, extent };
        if self.cycles.undecided.contains(&cycle(Family::GSingle, extent_of(level))) {
            return "the search for a cycle with one anti-dependency ran out of steps".to_owned();
        }
        if self.index.has_registers() {
            return "no anomaly was found, but the order of the versions of registers is known only in part, and \
                    no commit order that was tried explains all reads"
                .to_owned();
        }
        format!("nothing found rules {} out, and this program knows no witness for it", level.name())
    }

    fn acyclic(&self, kind: CycleKind) -> bool {
        let weaker = |family| CycleKind { family, extent: kind.extent };
        let families: &[Family] = match kind.family {
            Family::G0 => &[Family::G0],
            Family::G1c => &[Family::G1c],
            Family::GSingle => &[Family::G1c, Family::GSingle],
            Family::GNonadjacent => &[Family::G1c, Family::GNonadjacent],
            Family::G2 => &[Family::G1c, Family::G2],
        };
        families.iter().all(|&family| !self.cycles.any(weaker(family)))
    }

    /// An order that shows that nothing of a family, and nothing weaker, happened.
    fn witness(&self, family: Family, extent: Extent) -> Option<Witness> {
        if !self.acyclic(CycleKind { family, extent }) {
            return None;
        }
        match family {
            Family::G0 | Family::G1c => {
                let components = components(self.graph, family, extent, self.limits);
                let order = (!self.limits.stopped()).then(|| self.topological(&components))?;
                Some(Witness::Versions(extent, family, Arc::new(order)))
            }
            Family::GSingle | Family::GNonadjacent => {
                let points = witness::snapshots(self.index, self.graph, extent, self.limits)?;
                Some(Witness::Snapshots(extent, Arc::new(points)))
            }
            // Asked before: see `serially`.
            Family::G2 if self.index.has_registers() => None,
            Family::G2 => {
                // Where the widest search found nothing, its own order serves.
                let order = if self.whole.nontrivial.is_empty() {
                    self.topological(self.whole)
                } else {
                    let components = components(self.graph, family, extent, self.limits);
                    (!self.limits.stopped()).then(|| self.topological(&components))?
                };
                Some(Witness::Serial(extent, Arc::new(order)))
            }
        }
    }

    /// The committed transactions in the order that components without cycles close in, read backwards.
    fn topological(&self, components: &Components) -> Vec<OpId> {
        debug_assert!(components.nontrivial.is_empty(), "there is no order around a cycle");
        let mut at_number = vec![None; components.count as usize];
        for id in self.index.history.ids().filter(|id| self.index.committed(id.raw())) {
            at_number[components.number[id.index()] as usize] = Some(id);
        }
        debug_assert!(self.orders.len() == self.index.keys.len());
        at_number.into_iter().rev().flatten().collect()
    }
}

/// What the search for serial orders came to: levels with the order that proves them, and why others are unknown.
#[derive(Default)]
struct Serially {
    proven: Vec<(Levels, Witness)>,
    open: Vec<(Levels, &'static str)>,
}

impl Serially {
    fn proves(&self, level: Isolation) -> bool {
        self.proven.iter().any(|(covers, _)| covers.contains(level))
    }
}

/// The serial orders that would prove a level, the strongest first.
fn serial_candidates(
    level: Isolation,
    extent: Extent,
    deepest: Family,
) -> impl Iterator<Item = (Family, Extent, Isolation)> {
    candidates(level, extent, deepest).into_iter().filter(|(family, _, _)| *family == Family::G2)
}

/// What would prove a level, strongest first: the family of cycles that must be absent, with which order, and
/// the strongest level that this proves.
fn candidates(level: Isolation, extent: Extent, deepest: Family) -> Vec<(Family, Extent, Isolation)> {
    use Isolation::*;
    let all = [
        (Family::G2, Extent::RealTime, StrictSerializable),
        (Family::G2, Extent::Session, StrongSessionSerializable),
        (Family::G2, Extent::Data, Serializable),
        (Family::GNonadjacent, Extent::RealTime, StrongSnapshotIsolation),
        (Family::GNonadjacent, Extent::Session, StrongSessionSnapshotIsolation),
        (Family::GNonadjacent, Extent::Data, SnapshotIsolation),
        (Family::G1c, Extent::RealTime, StrongReadCommitted),
        (Family::G1c, Extent::Session, StrongSessionReadCommitted),
        (Family::G1c, Extent::Data, ReadCommitted),
        (Family::G0, Extent::RealTime, StrongReadUncommitted),
        (Family::G0, Extent::Session, StrongSessionReadUncommitted),
        (Family::G0, Extent::Data, ReadUncommitted),
    ];
    let proves =
        |strongest: Isolation| Levels::default().with(strongest).and_weaker(Proviso::None).contains(level);
    let within = |(family, needs, _): &(Family, Extent, Isolation)| *family <= deepest && *needs <= extent;
    all.into_iter().filter(|each| within(each) && proves(each.2)).collect()
}
