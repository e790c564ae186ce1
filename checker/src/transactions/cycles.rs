//! Which kinds of cycles exist, and the shortest cycle of each kind.
//!
//! A cycle lies within one strongly connected component. So only vertices in components of more than one vertex are
//! examined again. A healthy history has no such components, and the whole search is one pass.
//!
//! Whether a *kind* of cycle exists is decided exactly, by components again and not by a search for paths:
//!
//! * `G0`: a component in the graph of `ww` edges. `G1c`: a component in the graph of `ww` and `wr` edges.
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

use super::graph::{Budget, Components, Goal, Graph, Kinds, Paths, Scope, Step};
use claims::{CycleFamily, CycleKind, Limits, OrderExtent};

/// Steps that the search for a short cycle may take, in addition to four for each edge of its component.
const STEPS_PER_COMPONENT: u64 = 100_000;

/// The cycles of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub kind: CycleKind,
    /// The shortest cycle found in the component.
    pub steps: Vec<Step>,
    /// Whether its component has no shorter cycle of this kind.
    pub shortest: bool,
    /// How many components of the whole graph have a cycle of this kind.
    pub components: u32,
}

/// The cycles of a graph. If the search was stopped, those that it had found by then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cycles {
    pub found: Vec<Found>,
    /// Kinds for which the search ended before it could tell whether such a cycle exists. Only `G-single-item` and
    /// its variants occur here, and only where a nonadjacent cycle was found.
    pub undecided: Vec<CycleKind>,
}

impl Cycles {
    /// Whether a cycle was found whose kind implies this kind.
    pub(crate) fn any(&self, kind: CycleKind) -> bool {
        self.found.iter().any(|found| found.kind.implies(kind))
    }
}

pub(crate) fn kinds_of(family: CycleFamily, extent: OrderExtent) -> Kinds {
    let data = match family {
        CycleFamily::G0 => Kinds::WW,
        CycleFamily::G1c => Kinds::WW.and(Kinds::WR),
        CycleFamily::GSingle | CycleFamily::GNonadjacent | CycleFamily::G2 => {
            Kinds::WW.and(Kinds::WR).and(Kinds::RW)
        }
    };
    let order = match extent {
        OrderExtent::Data => Kinds(0),
        OrderExtent::Session => Kinds::SESSION,
        OrderExtent::RealTime => Kinds::TIME,
    };
    data.and(order).and(Kinds::THROUGH)
}

/// Finds the cycles of every kind up to an extent. If `deepest` is at most `G1c`, cycles with anti-dependencies are
/// not searched for. `top` are the components of the whole graph for this extent and family.
pub(crate) fn find(
    graph: &Graph,
    top: &Components,
    extent: OrderExtent,
    deepest: CycleFamily,
    limits: &Limits<'_>,
) -> Cycles {
    if top.nontrivial.is_empty() {
        return Cycles::default();
    }
    let mut search = Search {
        graph,
        top,
        paths: Paths::new(graph),
        limits,
        found: vec![Vec::new(); top.nontrivial.len()],
        undecided: Vec::new(),
    };
    for extent in OrderExtent::ALL.into_iter().filter(|&each| each <= extent) {
        if limits.stopped() {
            break;
        }
        search.dependencies(CycleFamily::G0, extent);
        let ranks = search.dependencies(CycleFamily::G1c, extent);
        if deepest > CycleFamily::G1c {
            search.nonadjacent(extent, &ranks);
            search.anti_dependencies(extent);
        }
    }
    search.finish()
}

/// A cycle in one component of the whole graph.
#[derive(Clone)]
struct InComponent {
    kind: CycleKind,
    steps: Vec<Step>,
    shortest: bool,
}

impl InComponent {
    /// Weakens the claim to what a stopped search can say: the cycle exists, and its edges determine its kind.
    fn by_its_edges(&mut self) {
        self.kind = CycleKind { family: family_of(&self.steps), extent: extent_of(&self.steps) };
        self.shortest = false;
    }
}

struct Search<'g> {
    graph: &'g Graph,
    top: &'g Components,
    paths: Paths<'g>,
    limits: &'g Limits<'g>,
    /// Indexed by component of the whole graph.
    found: Vec<Vec<InComponent>>,
    undecided: Vec<CycleKind>,
}

impl<'g> Search<'g> {
    /// The components of a narrower graph. Only those components of the whole graph are examined in which no cycle
    /// that implies this kind was found.
    fn pass(&self, kind: CycleKind) -> Components {
        let scope = self.scope(kind);
        let members = self.top.nontrivial.iter().enumerate();
        let wanted = members.filter(|(at, _)| self.wants(*at, kind));
        Components::find(self.graph, scope, wanted.flat_map(|(_, members)| members.iter().copied()))
    }

    fn scope(&self, kind: CycleKind) -> Scope<'g> {
        let nonadjacent = matches!(kind.family, CycleFamily::GSingle | CycleFamily::GNonadjacent);
        Scope {
            kinds: kinds_of(kind.family, kind.extent),
            within: Some(self.top),
            nonadjacent,
            stop: self.limits.stop,
        }
    }

    fn inside<'c>(&self, kinds: Kinds, components: &'c Components) -> Scope<'c>
    where
        'g: 'c,
    {
        Scope { kinds, within: Some(components), nonadjacent: false, stop: self.limits.stop }
    }

    fn has(&self, component: usize, kind: CycleKind) -> bool {
        self.found[component].iter().any(|found| found.kind == kind)
    }

    fn wants(&self, component: usize, kind: CycleKind) -> bool {
        !self.found[component].iter().any(|found| found.kind.implies(kind))
    }

    /// The index of a vertex's component in [`Components::nontrivial`] of the whole graph.
    fn place(&self, vertex: u32) -> usize {
        let number = self.top.number[vertex as usize];
        let of = |members: &Vec<u32>| self.top.number[members[0] as usize];
        self.top.nontrivial.binary_search_by_key(&number, of).expect("components close in order")
    }

    fn note(&mut self, kind: CycleKind, steps: Vec<Step>, shortest: bool) {
        let place = self.place(steps[0].from);
        let known = self.found[place].iter_mut().find(|found| found.kind == kind);
        match known {
            Some(known) if known.steps.len() <= steps.len() => {}
            Some(known) => *known = InComponent { kind, steps, shortest },
            None => self.found[place].push(InComponent { kind, steps, shortest }),
        }
    }

    /// Finds cycles of kind `G0` or `G1c`. Every cycle of this pass is of the kind: components with a cycle of a
    /// weaker kind are left out.
    fn dependencies(&mut self, family: CycleFamily, extent: OrderExtent) -> Components {
        let kind = CycleKind { family, extent };
        let components = self.pass(kind);
        for members in components.nontrivial.iter().take_while(|_| !self.limits.stopped()) {
            if let Some((steps, shortest)) = self.shortest_in(members, &components, kind) {
                self.note(kind, steps, shortest);
            }
        }
        let complete = (0..self.found.len()).all(|at| self.wants(at, kind) || self.has(at, kind));
        if family == CycleFamily::G0 || complete {
            return components;
        }
        // Ranks are needed for every vertex, even in components that this pass left out.
        let roots = self.top.nontrivial.iter().flatten().copied();
        Components::find(self.graph, self.scope(kind), roots)
    }

    /// Finds cycles of kinds `G-single-item` and `G-nonadjacent-item`.
    fn nonadjacent(&mut self, extent: OrderExtent, ranks: &Components) {
        let single = CycleKind { family: CycleFamily::GSingle, extent };
        let several = CycleKind { family: CycleFamily::GNonadjacent, extent };
        let components = self.pass(single);
        for members in components.nontrivial.iter().take_while(|_| !self.limits.stopped()) {
            let place = self.place_of_copy(members[0]);
            if !self.wants(place, single) && !self.has(place, single) {
                continue;
            }
            let mut budget = self.budget(members);
            let edges = self.anti_dependencies_inside(members, &components, kinds_of(single.family, extent));
            let one = self.shortest_closed(&edges, single, Some(ranks), &mut budget);
            let exhausted = budget.0 == 0;
            if let Some(steps) = one {
                self.note(single, steps, !exhausted);
                continue;
            }
            let mut budget = self.budget(members);
            if let Some(walk) = self.shortest_closed(&edges, several, None, &mut budget) {
                let steps = simple_part(walk);
                let kind = CycleKind { family: family_of(&steps), extent };
                if self.wants(place, kind) {
                    self.note(kind, steps, budget.0 > 0);
                }
            }
            if exhausted {
                self.undecided.push(single);
            }
        }
    }

    /// Finds cycles of kind `G2-item`.
    fn anti_dependencies(&mut self, extent: OrderExtent) {
        let kind = CycleKind { family: CycleFamily::G2, extent };
        let components = self.pass(kind);
        for members in components.nontrivial.iter().take_while(|_| !self.limits.stopped()) {
            let place = self.place(members[0]);
            let simple_case = self.found[place].is_empty()
                || self.found[place].iter().all(|found| found.kind.family == CycleFamily::G2);
            let cycle = if simple_case {
                self.shortest_in(members, &components, kind)
            } else {
                self.adjacent_in(members, &components, kind).map(|steps| (steps, false))
            };
            if let Some((steps, shortest)) = cycle {
                self.note(kind, steps, shortest);
            }
        }
    }

    fn place_of_copy(&self, vertex: u32) -> usize {
        let size = self.graph.vertices() as u32;
        self.place(if vertex >= size { vertex - size } else { vertex })
    }

    fn budget(&self, members: &[u32]) -> Budget {
        let size = self.graph.vertices() as u32;
        let plain = members.iter().map(|&member| if member >= size { member - size } else { member });
        let edges: u64 = plain.map(|member| self.graph.arcs(member).len() as u64 + 2).sum();
        Budget(STEPS_PER_COMPONENT + 4 * edges)
    }

    /// The shortest cycle in a component of a pass, and whether it is certainly the shortest.
    fn shortest_in(
        &mut self,
        members: &[u32],
        components: &Components,
        kind: CycleKind,
    ) -> Option<(Vec<Step>, bool)> {
        let scope = self.inside(kinds_of(kind.family, kind.extent), components);
        let mut budget = self.budget(members);
        let mut best: Option<Vec<Step>> = None;
        for start in self.entered_from_later(members, components, scope.kinds) {
            let goal = Goal { from: (start, false), to: start, scope, ranks: None };
            let steps = self.paths.shortest(goal, &mut budget);
            if let Some(steps) = steps
                && best.as_ref().is_none_or(|best| steps.len() < best.len())
            {
                best = Some(steps);
            }
            if budget.0 == 0 && (best.is_some() || self.limits.stopped()) {
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
    fn entered_from_later(&self, members: &[u32], components: &Components, kinds: Kinds) -> Vec<u32> {
        let mut entered = Vec::new();
        for &from in members {
            for arc in self.graph.arcs(from) {
                let backwards = arc.to < from && self.graph.is_operation(arc.to);
                if backwards && arc.kind.within(kinds) && components.together(from, arc.to) {
                    entered.push(arc.to);
                }
            }
        }
        entered.sort_unstable();
        entered.dedup();
        entered
    }

    /// Anti-dependencies within a component of the doubled graph. They may end at a helper.
    fn anti_dependencies_inside(&self, members: &[u32], components: &Components, kinds: Kinds) -> Vec<Step> {
        let size = self.graph.vertices() as u32;
        let mut edges = Vec::new();
        for &from in members.iter().filter(|&&member| self.graph.is_operation(member)) {
            for arc in
                self.graph.arcs(from).iter().filter(|arc| arc.kind.has(Kinds::RW) && arc.kind.within(kinds))
            {
                if components.together(from, arc.to + size) {
                    edges.push(Step { from, to: arc.to, kind: arc.kind, key: arc.key });
                }
            }
        }
        edges
    }

    /// The shortest cycle that one of these anti-dependencies closes.
    fn shortest_closed(
        &mut self,
        edges: &[Step],
        kind: CycleKind,
        ranks: Option<&Components>,
        budget: &mut Budget,
    ) -> Option<Vec<Step>> {
        let family = if kind.family == CycleFamily::GSingle { CycleFamily::G1c } else { kind.family };
        let kinds = kinds_of(family, kind.extent);
        let nonadjacent = kind.family == CycleFamily::GNonadjacent;
        let mut best: Option<Vec<Step>> = None;
        for &edge in edges {
            if let Some(ranks) = ranks
                && ranks.number[edge.to as usize] < ranks.number[edge.from as usize]
            {
                continue;
            }
            let scope = Scope { kinds, within: Some(self.top), nonadjacent, stop: self.limits.stop };
            let goal = Goal { from: (edge.to, nonadjacent), to: edge.from, scope, ranks };
            if let Some(mut steps) = self.paths.shortest(goal, budget)
                && best.as_ref().is_none_or(|best| steps.len() + 1 < best.len())
            {
                // The anti-dependency may end at a helper. The first step of the path names the transaction behind
                // it.
                steps.insert(0, Step { to: steps[0].from, ..edge });
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
    fn adjacent_in(
        &mut self,
        members: &[u32],
        components: &Components,
        kind: CycleKind,
    ) -> Option<Vec<Step>> {
        let scope = self.inside(kinds_of(kind.family, kind.extent), components);
        let mut budget = self.budget(members);
        for start in self.entered_from_later(members, components, scope.kinds) {
            let goal = Goal { from: (start, false), to: start, scope, ranks: None };
            let steps = self.paths.shortest(goal, &mut budget);
            if let Some(steps) = steps
                && is_simple(&steps)
                && family_of(&steps) == CycleFamily::G2
                && extent_of(&steps) <= kind.extent
            {
                return Some(steps);
            }
            if budget.0 == 0 {
                break;
            }
        }
        None
    }

    fn finish(mut self) -> Cycles {
        if self.limits.stopped() {
            self.found.iter_mut().flatten().for_each(InComponent::by_its_edges);
        }
        let mut cycles = Cycles { found: Vec::new(), undecided: self.undecided };
        for InComponent { kind, steps, shortest } in self.found.into_iter().rev().flatten() {
            match cycles.found.iter_mut().find(|found| found.kind == kind) {
                Some(found) => {
                    found.components += 1;
                    if (steps.len(), steps[0].from) < (found.steps.len(), found.steps[0].from) {
                        (found.steps, found.shortest) = (steps, shortest);
                    }
                }
                None => cycles.found.push(Found { kind, steps, shortest, components: 1 }),
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
fn simple_part(mut walk: Vec<Step>) -> Vec<Step> {
    loop {
        let twice = (0..walk.len()).find_map(|i| {
            let later = (i + 1..walk.len()).find(|&j| walk[j].from == walk[i].from)?;
            Some((i, later))
        });
        let Some((i, j)) = twice else { return walk };
        let inner = walk[i..j].to_vec();
        let closes_well = !(inner[0].kind.has(Kinds::RW) && inner[inner.len() - 1].kind.has(Kinds::RW));
        if closes_well || inner.len() == walk.len() {
            walk = inner;
        } else {
            walk.drain(i..j);
        }
    }
}

fn is_simple(steps: &[Step]) -> bool {
    let mut seen: Vec<u32> = steps.iter().map(|step| step.from).collect();
    seen.sort_unstable();
    seen.windows(2).all(|pair| pair[0] != pair[1])
}

/// The family of a cycle, from its edges.
pub(crate) fn family_of(steps: &[Step]) -> CycleFamily {
    let is_rw = |at: usize| steps[at % steps.len()].kind.has(Kinds::RW);
    let anti = (0..steps.len()).filter(|&at| is_rw(at)).count();
    let adjacent = (0..steps.len()).any(|at| is_rw(at) && is_rw(at + 1));
    match anti {
        0 if steps.iter().any(|step| step.kind.has(Kinds::WR)) => CycleFamily::G1c,
        0 => CycleFamily::G0,
        1 => CycleFamily::GSingle,
        _ if adjacent => CycleFamily::G2,
        _ => CycleFamily::GNonadjacent,
    }
}

/// The extent of a cycle: the widest order that any of its edges needs.
pub(crate) fn extent_of(steps: &[Step]) -> OrderExtent {
    let has = |kind: Kinds| steps.iter().any(|step| step.kind.has(kind));
    match (has(Kinds::TIME), has(Kinds::SESSION)) {
        (true, _) => OrderExtent::RealTime,
        (false, true) => OrderExtent::Session,
        (false, false) => OrderExtent::Data,
    }
}
