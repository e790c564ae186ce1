//! Which kinds of cycles exist, and the shortest cycle of each kind.
//!
//! A cycle lies within one strongly connected component. So only vertices in components of more than one vertex are
//! examined again. A healthy history has no such components, and the whole search is one pass.
//!
//! Whether a *kind* of cycle exists is decided exactly, by components again and not by a search for paths:
//!
//! * `G0`: a component in the graph of `ww` edges between transactions that certainly committed. `G1c`: a component in the graph of all
//!   `ww` and `wr` edges. A transaction without a completion may have failed, even if a list shows its append: that was a dirty read then.
//! * Cycles without adjacent anti-dependencies, which snapshot isolation forbids (Cerone & Gotsman 2016): a component
//!   in a graph with two copies of each vertex. A walk is at the second copy if it arrived by an anti-dependency; no
//!   further anti-dependency leaves that copy. The graph has 2n vertices, and the pass is linear. (Elle composes
//!   edges instead, which is quadratic around a vertex with many edges of both kinds.)
//! * `G-single-item`: within such a component, an anti-dependency a → b with a path from b to a that has no
//!   anti-dependency. Only an anti-dependency that leads backwards in a topological order of the other dependencies
//!   can have such a path, and these are few.
//! * `G2-item`: a component in the whole graph.
//!
//! The search for the shortest cycle of a kind starts at every vertex that an edge enters from an operation invoked
//! later: every cycle has such an edge. This is quadratic if one component contains the whole history. So the search
//! stops after a counted number of steps and reports that the cycle may not be the shortest. Whether a kind of cycle
//! exists is not affected, with one exception: [`Cycles::undecided`].

use super::graph::{
    Budget, DependencyComponents, DependencyGraph, DependencyStep, EdgeKinds, GraphScope, PathGoal,
    PathSearch,
};
use claims::{CycleFamily, CycleKind, Limits, OrderExtent};

/// Steps that the search for a short cycle may take, in addition to four for each edge of its component.
const STEPS_PER_COMPONENT: u64 = 100_000;

/// The cycles of one kind.
#[derive(Clone, Debug)]
pub(crate) struct FoundCycle {
    pub kind: CycleKind,
    /// The shortest cycle found in the component.
    pub steps: Vec<DependencyStep>,
    /// Whether its component has no shorter cycle of this kind.
    pub shortest: bool,
    /// How many components of the whole graph have a cycle of this kind.
    pub components: u32,
}

/// The cycles of a graph. If the search was stopped, those that it had found by then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cycles {
    pub found: Vec<FoundCycle>,
    /// Kinds for which the search ended before it could tell whether such a cycle exists. Only `G-single-item` and
    /// its variants occur here, and only where a nonadjacent cycle was found.
    pub undecided: Vec<CycleKind>,
    /// One cycle of each kind and component: its kind and its vertices.
    pub each: Vec<(CycleKind, Vec<u32>)>,
}

impl Cycles {
    /// Whether a cycle was found whose kind implies this kind.
    pub(crate) fn has_cycle_implying(&self, kind: CycleKind) -> bool {
        self.found.iter().any(|found| found.kind.implies(kind))
    }
}

pub(crate) fn edge_kinds_for(family: CycleFamily, extent: OrderExtent) -> EdgeKinds {
    let data = match family {
        CycleFamily::G0 => EdgeKinds::WW,
        CycleFamily::G1c => EdgeKinds::WW.union(EdgeKinds::INDETERMINATE).union(EdgeKinds::WR),
        CycleFamily::GSingle | CycleFamily::GNonadjacent | CycleFamily::G2 => {
            EdgeKinds::WW.union(EdgeKinds::INDETERMINATE).union(EdgeKinds::WR).union(EdgeKinds::RW)
        }
    };
    let order = match extent {
        OrderExtent::Data => EdgeKinds(0),
        OrderExtent::Session => EdgeKinds::SESSION,
        OrderExtent::RealTime => EdgeKinds::TIME,
    };
    data.union(order).union(EdgeKinds::THROUGH)
}

/// Finds the cycles of every kind up to an extent. If `deepest` is at most `G1c`, cycles with anti-dependencies are
/// not searched for. `top` are the components of the whole graph for this extent and family.
pub(crate) fn find_cycles(
    graph: &DependencyGraph,
    top: &DependencyComponents,
    extent: OrderExtent,
    deepest: CycleFamily,
    limits: &Limits<'_>,
) -> Cycles {
    if top.nontrivial.is_empty() {
        return Cycles::default();
    }
    let mut search = DependencyCycleSearch {
        graph,
        top,
        paths: PathSearch::new(graph),
        limits,
        found: vec![Vec::new(); top.nontrivial.len()],
        undecided: Vec::new(),
    };
    for extent in OrderExtent::ALL.into_iter().filter(|&each| each <= extent) {
        if limits.stop_requested() {
            break;
        }
        search.find_dependency_cycles(CycleFamily::G0, extent);
        let ranks = search.find_dependency_cycles(CycleFamily::G1c, extent);
        if deepest > CycleFamily::G1c {
            search.find_nonadjacent_cycles(extent, &ranks);
            search.find_anti_dependency_cycles(extent);
        }
    }
    search.into_cycles()
}

/// A cycle in one component of the whole graph.
#[derive(Clone)]
struct InComponent {
    kind: CycleKind,
    steps: Vec<DependencyStep>,
    shortest: bool,
}

impl InComponent {
    /// Weakens the claim to what a stopped search can say: the cycle exists, and its edges determine its kind.
    fn reclassify_by_edges(&mut self) {
        self.kind = CycleKind { family: family_of_steps(&self.steps), extent: extent_of_steps(&self.steps) };
        self.shortest = false;
    }
}

struct DependencyCycleSearch<'g> {
    graph: &'g DependencyGraph,
    top: &'g DependencyComponents,
    paths: PathSearch<'g>,
    limits: &'g Limits<'g>,
    /// Indexed by component of the whole graph.
    found: Vec<Vec<InComponent>>,
    undecided: Vec<CycleKind>,
}

impl<'g> DependencyCycleSearch<'g> {
    /// The components of a narrower graph. Only those components of the whole graph are examined in which no cycle
    /// that implies this kind was found.
    fn find_narrower_components(&self, kind: CycleKind) -> DependencyComponents {
        let scope = self.scope_of_kind(kind);
        let members = self.top.nontrivial.iter().enumerate();
        let wanted = members.filter(|(at, _)| self.wants_kind(*at, kind));
        DependencyComponents::find_from_roots(
            self.graph,
            scope,
            wanted.flat_map(|(_, members)| members.iter().copied()),
        )
    }

    fn scope_of_kind(&self, kind: CycleKind) -> GraphScope<'g> {
        let nonadjacent = matches!(kind.family, CycleFamily::GSingle | CycleFamily::GNonadjacent);
        GraphScope {
            kinds: edge_kinds_for(kind.family, kind.extent),
            within: Some(self.top),
            nonadjacent,
            stop: self.limits.stop,
        }
    }

    fn scope_inside<'c>(&self, kinds: EdgeKinds, components: &'c DependencyComponents) -> GraphScope<'c>
    where
        'g: 'c,
    {
        GraphScope { kinds, within: Some(components), nonadjacent: false, stop: self.limits.stop }
    }

    fn has_exact_kind(&self, component: usize, kind: CycleKind) -> bool {
        self.found[component].iter().any(|found| found.kind == kind)
    }

    fn wants_kind(&self, component: usize, kind: CycleKind) -> bool {
        !self.found[component].iter().any(|found| found.kind.implies(kind))
    }

    /// The index of a vertex's component in [`Components::nontrivial`] of the whole graph.
    fn component_place(&self, vertex: u32) -> usize {
        let number = self.top.number[vertex as usize];
        let of = |members: &Vec<u32>| self.top.number[members[0] as usize];
        self.top.nontrivial.binary_search_by_key(&number, of).expect("components close in order")
    }

    fn record_cycle(&mut self, kind: CycleKind, steps: Vec<DependencyStep>, shortest: bool) {
        let place = self.component_place(steps[0].from);
        let known = self.found[place].iter_mut().find(|found| found.kind == kind);
        match known {
            Some(known) if known.steps.len() <= steps.len() => {}
            Some(known) => *known = InComponent { kind, steps, shortest },
            None => self.found[place].push(InComponent { kind, steps, shortest }),
        }
    }

    /// Finds cycles of kind `G0` or `G1c`. Every cycle of this pass is of the kind: components with a cycle of a
    /// weaker kind are left out.
    fn find_dependency_cycles(&mut self, family: CycleFamily, extent: OrderExtent) -> DependencyComponents {
        let kind = CycleKind { family, extent };
        let components = self.find_narrower_components(kind);
        for members in components.nontrivial.iter().take_while(|_| !self.limits.stop_requested()) {
            if let Some((steps, shortest)) = self.shortest_cycle_in(members, &components, kind) {
                self.record_cycle(kind, steps, shortest);
            }
        }
        let complete =
            (0..self.found.len()).all(|at| self.wants_kind(at, kind) || self.has_exact_kind(at, kind));
        if family == CycleFamily::G0 || complete {
            return components;
        }
        // Ranks are needed for every vertex, even in components that this pass left out.
        let roots = self.top.nontrivial.iter().flatten().copied();
        DependencyComponents::find_from_roots(self.graph, self.scope_of_kind(kind), roots)
    }

    /// Finds cycles of kinds `G-single-item` and `G-nonadjacent-item`.
    fn find_nonadjacent_cycles(&mut self, extent: OrderExtent, ranks: &DependencyComponents) {
        let single = CycleKind { family: CycleFamily::GSingle, extent };
        let several = CycleKind { family: CycleFamily::GNonadjacent, extent };
        let components = self.find_narrower_components(single);
        for members in components.nontrivial.iter().take_while(|_| !self.limits.stop_requested()) {
            let place = self.component_place_of_copy(members[0]);
            if !self.wants_kind(place, single) && !self.has_exact_kind(place, single) {
                continue;
            }
            let mut budget = self.component_budget(members);
            let edges =
                self.anti_dependencies_inside(members, &components, edge_kinds_for(single.family, extent));
            let one = self.shortest_cycle_closing(&edges, single, Some(ranks), &mut budget);
            let exhausted = budget.0 == 0;
            if let Some(steps) = one {
                self.record_cycle(single, steps, !exhausted);
                continue;
            }
            let mut budget = self.component_budget(members);
            if let Some(walk) = self.shortest_cycle_closing(&edges, several, None, &mut budget) {
                let steps = simple_part_of_walk(walk);
                let kind = CycleKind { family: family_of_steps(&steps), extent };
                if self.wants_kind(place, kind) {
                    self.record_cycle(kind, steps, budget.0 > 0);
                }
            }
            if exhausted {
                self.undecided.push(single);
            }
        }
    }

    /// Finds cycles of kind `G2-item`.
    fn find_anti_dependency_cycles(&mut self, extent: OrderExtent) {
        let kind = CycleKind { family: CycleFamily::G2, extent };
        let components = self.find_narrower_components(kind);
        for members in components.nontrivial.iter().take_while(|_| !self.limits.stop_requested()) {
            let place = self.component_place(members[0]);
            let simple_case = self.found[place].is_empty()
                || self.found[place].iter().all(|found| found.kind.family == CycleFamily::G2);
            let cycle = if simple_case {
                self.shortest_cycle_in(members, &components, kind)
            } else {
                self.adjacent_cycle_in(members, &components, kind).map(|steps| (steps, false))
            };
            if let Some((steps, shortest)) = cycle {
                self.record_cycle(kind, steps, shortest);
            }
        }
    }

    fn component_place_of_copy(&self, vertex: u32) -> usize {
        let size = self.graph.vertex_count() as u32;
        self.component_place(if vertex >= size { vertex - size } else { vertex })
    }

    fn component_budget(&self, members: &[u32]) -> Budget {
        let size = self.graph.vertex_count() as u32;
        let plain = members.iter().map(|&member| if member >= size { member - size } else { member });
        let edges: u64 = plain.map(|member| self.graph.arcs_from(member).len() as u64 + 2).sum();
        Budget(STEPS_PER_COMPONENT + 4 * edges)
    }

    /// The shortest cycle in a component of a pass, and whether it is certainly the shortest.
    fn shortest_cycle_in(
        &mut self,
        members: &[u32],
        components: &DependencyComponents,
        kind: CycleKind,
    ) -> Option<(Vec<DependencyStep>, bool)> {
        let scope = self.scope_inside(edge_kinds_for(kind.family, kind.extent), components);
        let mut budget = self.component_budget(members);
        let mut best: Option<Vec<DependencyStep>> = None;
        for start in self.vertices_entered_from_later(members, components, scope.kinds) {
            let goal = PathGoal { from: (start, false), to: start, scope, ranks: None };
            let steps = self.paths.find_shortest(goal, &mut budget);
            if let Some(steps) = steps
                && best.as_ref().is_none_or(|best| steps.len() < best.len())
            {
                best = Some(steps);
            }
            if budget.0 == 0 && (best.is_some() || self.limits.stop_requested()) {
                return best.map(|steps| (steps, false));
            }
            if budget.0 == 0 {
                // The component proves that a cycle exists, so one must be found.
                budget = Budget(u64::MAX);
            }
            if best.as_ref().is_some_and(|best| best.len() == 2) {
                break;
            }
        }
        best.map(|steps| (steps, true))
    }

    /// The operations that an edge within the component enters from an operation invoked later, or from a helper.
    /// Every cycle passes through at least one of them.
    fn vertices_entered_from_later(
        &self,
        members: &[u32],
        components: &DependencyComponents,
        kinds: EdgeKinds,
    ) -> Vec<u32> {
        let mut entered = Vec::new();
        for &from in members {
            for arc in self.graph.arcs_from(from) {
                let backwards = arc.to < from && self.graph.is_operation(arc.to);
                if backwards && arc.kind.is_subset_of(kinds) && components.in_same_component(from, arc.to) {
                    entered.push(arc.to);
                }
            }
        }
        entered.sort_unstable();
        entered.dedup();
        entered
    }

    /// Anti-dependencies within a component of the doubled graph. They may end at a helper.
    fn anti_dependencies_inside(
        &self,
        members: &[u32],
        components: &DependencyComponents,
        kinds: EdgeKinds,
    ) -> Vec<DependencyStep> {
        let size = self.graph.vertex_count() as u32;
        let mut edges = Vec::new();
        for &from in members.iter().filter(|&&member| self.graph.is_operation(member)) {
            for arc in self
                .graph
                .arcs_from(from)
                .iter()
                .filter(|arc| arc.kind.intersects(EdgeKinds::RW) && arc.kind.is_subset_of(kinds))
            {
                if components.in_same_component(from, arc.to + size) {
                    edges.push(DependencyStep { from, to: arc.to, kind: arc.kind, key: arc.key });
                }
            }
        }
        edges
    }

    /// The shortest cycle that one of these anti-dependencies closes.
    fn shortest_cycle_closing(
        &mut self,
        edges: &[DependencyStep],
        kind: CycleKind,
        ranks: Option<&DependencyComponents>,
        budget: &mut Budget,
    ) -> Option<Vec<DependencyStep>> {
        let family = if kind.family == CycleFamily::GSingle { CycleFamily::G1c } else { kind.family };
        let kinds = edge_kinds_for(family, kind.extent);
        let nonadjacent = kind.family == CycleFamily::GNonadjacent;
        let mut best: Option<Vec<DependencyStep>> = None;
        for &edge in edges {
            if let Some(ranks) = ranks
                && ranks.number[edge.to as usize] < ranks.number[edge.from as usize]
            {
                continue;
            }
            let scope = GraphScope { kinds, within: Some(self.top), nonadjacent, stop: self.limits.stop };
            let goal = PathGoal { from: (edge.to, nonadjacent), to: edge.from, scope, ranks };
            if let Some(mut steps) = self.paths.find_shortest(goal, budget)
                && best.as_ref().is_none_or(|best| steps.len() + 1 < best.len())
            {
                // The anti-dependency may end at a helper. The first step of the path names the transaction behind
                // it.
                steps.insert(0, DependencyStep { to: steps[0].from, ..edge });
                best = Some(steps);
            }
            if budget.0 == 0 || best.as_ref().is_some_and(|best| best.len() == 2) {
                break;
            }
        }
        best
    }

    /// Finds a cycle with adjacent anti-dependencies in a component that also has cycles of other kinds. It takes the
    /// shortest cycle through each backward edge in turn, until one is of the kind. It may miss such a cycle. That
    /// loses nothing: the cycles already found in the component refute more levels.
    fn adjacent_cycle_in(
        &mut self,
        members: &[u32],
        components: &DependencyComponents,
        kind: CycleKind,
    ) -> Option<Vec<DependencyStep>> {
        let scope = self.scope_inside(edge_kinds_for(kind.family, kind.extent), components);
        let mut budget = self.component_budget(members);
        for start in self.vertices_entered_from_later(members, components, scope.kinds) {
            let goal = PathGoal { from: (start, false), to: start, scope, ranks: None };
            let steps = self.paths.find_shortest(goal, &mut budget);
            if let Some(steps) = steps
                && is_simple(&steps)
                && family_of_steps(&steps) == CycleFamily::G2
                && extent_of_steps(&steps) <= kind.extent
            {
                return Some(steps);
            }
            if budget.0 == 0 {
                break;
            }
        }
        None
    }

    fn into_cycles(mut self) -> Cycles {
        if self.limits.stop_requested() {
            self.found.iter_mut().flatten().for_each(InComponent::reclassify_by_edges);
        }
        let mut cycles = Cycles { found: Vec::new(), undecided: self.undecided, each: Vec::new() };
        for InComponent { kind, steps, shortest } in self.found.into_iter().rev().flatten() {
            cycles.each.push((kind, steps.iter().map(|step| step.from).collect()));
            match cycles.found.iter_mut().find(|found| found.kind == kind) {
                Some(found) => {
                    found.components += 1;
                    if (steps.len(), steps[0].from) < (found.steps.len(), found.steps[0].from) {
                        (found.steps, found.shortest) = (steps, shortest);
                    }
                }
                None => cycles.found.push(FoundCycle { kind, steps, shortest, components: 1 }),
            }
        }
        cycles.found.sort_by_key(|found| (found.kind.extent, found.kind.family));
        cycles.undecided.sort_unstable();
        cycles.undecided.dedup();
        let found = cycles.found.clone();
        cycles.undecided.retain(|&kind| !found.iter().any(|found| found.kind.implies(kind)));
        cycles
    }
}

/// Cuts a closed walk without adjacent anti-dependencies down to a part that visits no transaction twice and has no
/// adjacent anti-dependencies either. The walk is cut at a transaction that it visits twice. If one part begins and
/// ends with an anti-dependency, the other part neither begins nor ends with one, because the walk had no adjacent
/// ones.
fn simple_part_of_walk(mut walk: Vec<DependencyStep>) -> Vec<DependencyStep> {
    loop {
        let twice = (0..walk.len()).find_map(|i| {
            let later = (i + 1..walk.len()).find(|&j| walk[j].from == walk[i].from)?;
            Some((i, later))
        });
        let Some((i, j)) = twice else { return walk };
        let inner = walk[i..j].to_vec();
        let closes_well = !(inner[0].kind.intersects(EdgeKinds::RW)
            && inner[inner.len() - 1].kind.intersects(EdgeKinds::RW));
        if closes_well || inner.len() == walk.len() {
            walk = inner;
        } else {
            walk.drain(i..j);
        }
    }
}

fn is_simple(steps: &[DependencyStep]) -> bool {
    let mut seen: Vec<u32> = steps.iter().map(|step| step.from).collect();
    seen.sort_unstable();
    seen.windows(2).all(|pair| pair[0] != pair[1])
}

/// The family of a cycle, from its edges.
pub(crate) fn family_of_steps(steps: &[DependencyStep]) -> CycleFamily {
    let is_rw = |at: usize| steps[at % steps.len()].kind.intersects(EdgeKinds::RW);
    let anti = (0..steps.len()).filter(|&at| is_rw(at)).count();
    let adjacent = (0..steps.len()).any(|at| is_rw(at) && is_rw(at + 1));
    match anti {
        0 if steps.iter().any(|step| step.kind.intersects(EdgeKinds::WR.union(EdgeKinds::INDETERMINATE))) => {
            CycleFamily::G1c
        }
        0 => CycleFamily::G0,
        1 => CycleFamily::GSingle,
        _ if adjacent => CycleFamily::G2,
        _ => CycleFamily::GNonadjacent,
    }
}

/// The extent of a cycle: the widest order that any of its edges needs.
pub(crate) fn extent_of_steps(steps: &[DependencyStep]) -> OrderExtent {
    let has = |kind: EdgeKinds| steps.iter().any(|step| step.kind.intersects(kind));
    match (has(EdgeKinds::TIME), has(EdgeKinds::SESSION)) {
        (true, _) => OrderExtent::RealTime,
        (false, true) => OrderExtent::Session,
        (false, false) => OrderExtent::Data,
    }
}
