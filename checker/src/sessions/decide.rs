//! Decides one object: does an order of its versions exist that meets the constraints?

use super::guarantees::Guarantees;
use super::objects::{INITIAL, SessionObject, versions_that_took_effect};
use super::proof::{self, FoundContradiction};
use super::search::{self, SearchOutcome};
use super::version_graph::{VersionGraph, is_strict};
use super::{ANOMALIES_MAX, guess};
use crate::graph::{Components, Csr, Edge};
use claims::{Limits, ReturnedWrite, VersionOrder, VersionProofStep, VersionRefutation};
use histories::History;

/// The result for one object.
pub(super) enum ObjectDecision {
    Holds(VersionOrder),
    /// At least one refutation. Each is from a component of its own.
    Violated(Vec<VersionRefutation>),
    /// The reason why the object is undecided.
    Unknown(String),
}

/// Decides the objects of a history one after the other, for one level.
pub(super) struct ObjectDecider<'a> {
    history: &'a History,
    guarantees: Guarantees,
    limits: &'a Limits<'a>,
    /// How many more steps searches may take.
    steps: u64,
    /// Whether any object needed more than its graph.
    pub(super) searched: bool,
}

impl<'a> ObjectDecider<'a> {
    pub(super) fn new(history: &'a History, guarantees: Guarantees, limits: &'a Limits<'a>) -> Self {
        Self { history, guarantees, limits, steps: limits.steps, searched: false }
    }

    /// Decides one object. The graph decides if it has a cycle or if no choice is open; otherwise the proposals do,
    /// and at last the search.
    pub(super) fn decide_object(&mut self, object: &SessionObject<'_>) -> ObjectDecision {
        if self.limits.stop_requested() {
            return ObjectDecision::Unknown(Limits::STOPPED.to_owned());
        }
        let stopped = || ObjectDecision::Unknown(Limits::STOPPED.to_owned());
        let graph = VersionGraph::new(self.history, object, self.guarantees);
        if self.limits.stop_requested() {
            return stopped();
        }
        let csr = Csr::new(graph.vertex_count(), &graph.edges);
        if self.limits.stop_requested() {
            return stopped();
        }
        let components = Components::new(&csr);
        let bad = contradictory_components(&graph, &graph.edges, &components);
        if !bad.is_empty() {
            let found = proof::find_contradictions(object, &graph, &csr, components, &bad, ANOMALIES_MAX);
            return ObjectDecision::Violated(
                found.into_iter().map(|found| self.cycle_refutation(object, &graph, found)).collect(),
            );
        }
        if object.choices.is_empty() {
            return ObjectDecision::Holds(version_order(object, &graph, &components, &[]));
        }
        self.searched = true;
        let mut proposals = guess::propose_choices(object, &graph, &csr, &components, self.guarantees);
        if let Some(order) = proposals.find_map(|chosen| order_for_choices(object, &graph, &chosen)) {
            return ObjectDecision::Holds(order);
        }
        drop(proposals);
        let searched = search::search_choices(object, &graph, &csr, self.limits, &mut self.steps);
        match searched {
            SearchOutcome::Fits(chosen) => ObjectDecision::Holds(
                order_for_choices(object, &graph, &chosen).expect("the search met every constraint"),
            ),
            SearchOutcome::Refuted(steps) => {
                let proof = steps
                    .into_iter()
                    .map(|step| step.into_proof_step(object, &graph, self.guarantees))
                    .collect();
                ObjectDecision::Violated(vec![VersionRefutation { key: object.key, proof, shortest: false }])
            }
            SearchOutcome::GaveUp(why) => {
                ObjectDecision::Unknown(blame_repeated_values(self.history, object, why))
            }
        }
    }

    fn cycle_refutation(
        &self,
        object: &SessionObject<'_>,
        graph: &VersionGraph,
        found: FoundContradiction,
    ) -> VersionRefutation {
        let constraints = proof::walk_to_constraints(object, graph, self.guarantees, &found.walk);
        VersionRefutation {
            key: object.key,
            proof: vec![VersionProofStep::Cycle(constraints)],
            shortest: found.shortest,
        }
    }
}

/// An order that the graph alone gives, if no choice is open and no constraints contradict each other.
pub(super) fn find_order_without_search(
    history: &History,
    guarantees: Guarantees,
    limits: &Limits<'_>,
    object: &SessionObject<'_>,
) -> Option<VersionOrder> {
    if !object.choices.is_empty() || limits.stop_requested() {
        return None;
    }
    let graph = VersionGraph::new(history, object, guarantees);
    let components = Components::new(&Csr::new(graph.vertex_count(), &graph.edges));
    contradictory_components(&graph, &graph.edges, &components)
        .is_empty()
        .then(|| version_order(object, &graph, &components, &[]))
}

/// The components with two versions or with a strict edge. No order allows them.
fn contradictory_components(graph: &VersionGraph, edges: &[Edge], components: &Components) -> Vec<u32> {
    if components.count as usize == graph.vertex_count() {
        return Vec::new();
    }
    let mut has_version = vec![false; components.count as usize];
    let mut bad = Vec::new();
    for version in 0..graph.version_count {
        let component = components.of[version as usize];
        if std::mem::replace(&mut has_version[component as usize], true) {
            bad.push(component);
        }
    }
    let component = |vertex: u32| components.of[vertex as usize];
    let strict = edges.iter().filter(|edge| is_strict(edge.label));
    bad.extend(
        strict.filter(|edge| component(edge.from) == component(edge.to)).map(|edge| component(edge.from)),
    );
    bad.sort_unstable();
    bad.dedup();
    bad
}

/// The order that the chosen versions leave, if there is one. `None` leaves a choice out: it belongs to an
/// indeterminate compare-and-set that took no effect.
fn order_for_choices(
    object: &SessionObject<'_>,
    graph: &VersionGraph,
    chosen: &[Option<u32>],
) -> Option<VersionOrder> {
    let mut edges: Vec<Edge> = graph.edges.clone();
    for (choice, version) in chosen.iter().enumerate() {
        if let Some(version) = *version {
            graph.for_each_choice_edge(choice, version, |edge| edges.push(edge));
        }
    }
    let components = Components::new(&Csr::new(graph.vertex_count(), &edges));
    contradictory_components(graph, &edges, &components)
        .is_empty()
        .then(|| version_order(object, graph, &components, chosen))
}

/// The versions that took effect, in the topological order of their components.
fn version_order(
    object: &SessionObject<'_>,
    graph: &VersionGraph,
    components: &Components,
    chosen: &[Option<u32>],
) -> VersionOrder {
    let took_effect = versions_that_took_effect(object, chosen);
    let mut version_at = vec![INITIAL; components.count as usize];
    for version in (1..graph.version_count).filter(|&version| took_effect[version as usize - 1]) {
        version_at[components.of[version as usize] as usize] = version;
    }
    let writes = version_at.into_iter().filter_map(|version| object.writer(version)).collect();
    let returned = object.choices.iter().zip(chosen).filter_map(|(choice, &version)| {
        let row = &object.rows[choice.row as usize];
        let happened = row.is_ok() || took_effect[row.wrote as usize - 1];
        let write = object.writer(version?);
        happened.then_some(ReturnedWrite { read: row.op, write })
    });
    VersionOrder { key: object.key, writes, returned: returned.collect() }
}

/// A reason for *unknown*, with the values that were written more than once.
fn blame_repeated_values(history: &History, object: &SessionObject<'_>, why: String) -> String {
    let mut values: Vec<&str> = Vec::new();
    for choice in object.choices {
        let value = super::objects::value_read(history, object.rows[choice.row as usize].op);
        let value = history.value_text(value);
        if !values.contains(&value) {
            values.push(value);
        }
        if values.len() > 5 {
            break;
        }
    }
    let more = if values.len() > 5 { ", …" } else { "" };
    values.truncate(5);
    let key = match history.key_text(object.key) {
        "" => String::new(),
        key => format!(" to {key}"),
    };
    format!(
        "{why}: values written more than once{key} ({}{more}) leave open which write was read",
        values.join(", ")
    )
}
