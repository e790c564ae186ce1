//! Which write did each ambiguous read return? Backtracking over the choices, with proofs.
//!
//! The question is NP-hard in general, so this is a search: take the choices in the order of their
//! invocations, try for each the version that was written last before it, and look for a contradiction through
//! the chosen version; all new edges are incident to it, so any new cycle passes it. On a contradiction take
//! the choice back and try the next version.
//!
//! Two things keep it from drowning. First, the walk that contradicts a choice names the other choices that it
//! depends on; when all versions of a choice are refuted, the search jumps back to the last choice that any of
//! the refutations depended on, past those that had no part in it (conflict-directed backjumping, Prosser
//! 1993). Second, by the same token a refutation that does not depend on a choice refutes all of its versions
//! at once, which keeps the proof short.
//!
//! What an indeterminate compare-and-set found is asked only once something chosen says that it took effect;
//! as that depends on any of the choices before, such a choice is never jumped over.
//!
//! Cost: `steps` edges at most. The proof is a tree, a leaf for each case that was refuted.

use super::decide::took_effect;
use super::guarantees::Guarantees;
use super::objects::{INITIAL, Object};
use super::proof::Contradiction;
use super::proof::{self};
use super::version_graph::{VersionGraph, operation};
use crate::graph::{Csr, CycleSearch, Edge, Graph, Walk};
use claims::{Limits, VersionProofStep};
use histories::OpId;
use rustc_hash::FxHashMap;

/// What a search found.
pub(super) enum Searched {
    /// A version for each choice; none for an indeterminate compare-and-set that took no effect.
    Fits(Vec<Option<u32>>),
    /// A proof in preorder.
    Refuted(Vec<Refutation>),
    /// What ran out.
    GaveUp(String),
}

/// A step of a proof, in vertices.
pub(super) enum Refutation {
    Split { choice: usize, candidates: Vec<u32> },
    Walk(Vec<Edge>),
}

impl Refutation {
    /// The step in operations.
    pub(super) fn told(
        self,
        object: &Object<'_>,
        graph: &VersionGraph,
        guarantees: Guarantees,
    ) -> VersionProofStep {
        match self {
            Refutation::Split { choice, candidates } => VersionProofStep::Split {
                read: object.rows[object.choices[choice].row as usize].op,
                writes: candidates.into_iter().map(|version| object.writer(version)).collect(),
            },
            Refutation::Walk(walk) => {
                VersionProofStep::Cycle(proof::constraints(object, graph, guarantees, &walk))
            }
        }
    }
}

/// A graph with further edges that can be taken back.
struct Overlay<'a> {
    base: &'a Csr,
    further: Vec<Vec<Edge>>,
}

impl Graph for Overlay<'_> {
    fn vertex_count(&self) -> usize {
        self.base.vertex_count()
    }

    fn edges(&self, from: u32) -> impl Iterator<Item = Edge> {
        self.base.edges(from).chain(self.further[from as usize].iter().copied())
    }
}

/// One choice on the path from the root.
struct Frame {
    choice: usize,
    /// The best first.
    candidates: Vec<u32>,
    /// How many of them were tried, the present one included.
    tried: usize,
    /// The refutations of those before the present one.
    proof: Vec<Refutation>,
    /// The choices before this one that they depend on.
    conflict: Vec<usize>,
}

/// A refuted case: the choices that it depends on, and the proof.
struct Refuted {
    conflict: Vec<usize>,
    proof: Vec<Refutation>,
}

struct Search<'a> {
    object: &'a Object<'a>,
    graph: &'a VersionGraph,
    limits: &'a Limits<'a>,
    steps: &'a mut u64,
    overlay: Overlay<'a>,
    memory: CycleSearch,
    choice_of: FxHashMap<OpId, usize>,
    /// The choices of completed operations, by invocation.
    completed: Vec<usize>,
    invoked: Vec<u32>,
    chosen: Vec<Option<u32>>,
    path: Vec<Frame>,
    /// Edges in the proofs that are kept.
    proof_edges: usize,
}

/// Searches for versions of all choices; `csr` holds the edges of `graph`, which have no contradiction.
pub(super) fn decide(
    object: &Object<'_>,
    graph: &VersionGraph,
    csr: &Csr,
    limits: &Limits<'_>,
    steps: &mut u64,
) -> Searched {
    let row = |choice: usize| &object.rows[object.choices[choice].row as usize];
    let mut completed: Vec<usize> = (0..object.choices.len()).filter(|&choice| row(choice).is_ok()).collect();
    completed.sort_unstable_by_key(|&choice| row(choice).invoked);
    let mut invoked = vec![0; graph.version_count as usize];
    object.rows.iter().filter(|row| row.wrote != INITIAL).for_each(|row| {
        invoked[row.wrote as usize] = row.invoked + 1;
    });
    let mut search = Search {
        object,
        graph,
        limits,
        steps,
        overlay: Overlay { base: csr, further: vec![Vec::new(); graph.vertex_count()] },
        memory: CycleSearch::new(graph.vertex_count(), Contradiction::STATES),
        choice_of: (0..object.choices.len()).map(|choice| (row(choice).op, choice)).collect(),
        completed,
        invoked,
        chosen: vec![None; object.choices.len()],
        path: Vec::new(),
        proof_edges: 0,
    };
    search.run()
}

impl Search<'_> {
    fn run(&mut self) -> Searched {
        loop {
            let Some(choice) = self.open_choice() else {
                return Searched::Fits(std::mem::take(&mut self.chosen));
            };
            self.path.push(Frame {
                choice,
                candidates: self.candidates(choice),
                tried: 0,
                proof: Vec::new(),
                conflict: Vec::new(),
            });
            let mut refuted = self.try_next();
            while let Some(case) = refuted {
                if let Some(why) = self.gave_up() {
                    return Searched::GaveUp(why);
                }
                let Some(frame) = self.path.last_mut() else { return Searched::Refuted(case.proof) };
                if case.conflict.binary_search(&frame.choice).is_err() {
                    // The same holds whatever this choice is: nothing else needs to be tried.
                    refuted = Some(self.leave(case));
                    continue;
                }
                frame.conflict.extend(case.conflict.iter().filter(|&&choice| choice != frame.choice));
                frame.proof.extend(case.proof);
                refuted = self.try_next();
            }
            if let Some(why) = self.gave_up() {
                return Searched::GaveUp(why);
            }
        }
    }

    fn gave_up(&self) -> Option<String> {
        let bytes = self.proof_edges * size_of::<claims::VersionConstraint>();
        if *self.steps == 0 {
            Some(format!("no answer within {} steps", self.limits.steps))
        } else if bytes > self.limits.bytes {
            Some("the proof grew beyond the memory limit".to_owned())
        } else {
            self.limits.stopped().then(|| "stopped".to_owned())
        }
    }

    /// A choice that is to be made: of a completed operation, or of an indeterminate one that took effect.
    fn open_choice(&mut self) -> Option<usize> {
        if let Some(&choice) = self.completed.get(self.path.len()) {
            return Some(choice);
        }
        if self.completed.len() == self.chosen.len() {
            return None;
        }
        *self.steps = self.steps.saturating_sub(self.object.rows.len() as u64);
        let took_effect = took_effect(self.object, &self.chosen);
        (0..self.chosen.len()).find(|&choice| {
            let row = &self.object.rows[self.object.choices[choice].row as usize];
            self.chosen[choice].is_none() && !row.is_ok() && took_effect[row.wrote as usize - 1]
        })
    }

    /// What was written before the read completed, the last first; then what was written later.
    fn candidates(&self, choice: usize) -> Vec<u32> {
        let choice = &self.object.choices[choice];
        let row = &self.object.rows[choice.row as usize];
        let mut candidates: Vec<u32> = self.object.candidates(choice).collect();
        candidates.sort_by_key(|&version| {
            let invoked = self.invoked[version as usize];
            if invoked <= row.completed { (false, u32::MAX - invoked) } else { (true, invoked) }
        });
        candidates
    }

    /// Tries the next version of the last choice; answers with the refutation of that version, or of the choice
    /// if there is none left.
    fn try_next(&mut self) -> Option<Refuted> {
        let frame = self.path.last_mut().expect("there is a choice to try");
        let (choice, tried) = (frame.choice, frame.tried);
        self.take_back(choice);
        let frame = self.path.last_mut().expect("the same");
        let Some(&version) = frame.candidates.get(tried) else { return Some(self.exhausted()) };
        frame.tried += 1;
        self.chosen[choice] = Some(version);
        let further = &mut self.overlay.further;
        self.graph.choose(choice, version, |edge| further[edge.from as usize].push(edge));
        let walk = Contradiction { start: version, version_count: self.graph.version_count, component: None };
        let found = self.memory.through(&self.overlay, &walk, version, u32::MAX, self.steps)?;
        self.proof_edges += found.len();
        Some(Refuted { conflict: self.depends_on(&found), proof: vec![Refutation::Walk(found)] })
    }

    /// Undoes the last choice, if it was made.
    fn take_back(&mut self, choice: usize) {
        if let Some(version) = self.chosen[choice].take() {
            let further = &mut self.overlay.further;
            self.graph.choose(choice, version, |edge| {
                further[edge.from as usize].pop();
            });
        }
    }

    /// All versions of the last choice are refuted.
    fn exhausted(&mut self) -> Refuted {
        let Frame { choice, candidates, proof, mut conflict, .. } =
            self.path.pop().expect("there is a choice to leave");
        if !self.object.rows[self.object.choices[choice].row as usize].is_ok() {
            conflict.extend(self.path.iter().map(|frame| frame.choice));
        }
        conflict.sort_unstable();
        conflict.dedup();
        let mut whole = vec![Refutation::Split { choice, candidates }];
        whole.extend(proof);
        Refuted { conflict, proof: whole }
    }

    /// Leaves the last choice, which a refutation does not depend on.
    fn leave(&mut self, case: Refuted) -> Refuted {
        let frame = self.path.pop().expect("there is a choice to leave");
        self.take_back(frame.choice);
        let edges = |step: &Refutation| if let Refutation::Walk(walk) = step { walk.len() } else { 0 };
        self.proof_edges -= frame.proof.iter().map(edges).sum::<usize>();
        case
    }

    /// The choices that a walk depends on, sorted.
    ///
    /// That indeterminate writes on it took effect depends on no more: each leads on by an operation that returned
    /// it, up to a completed one. Only if all are indeterminate compare-and-sets there is none; then the choice
    /// that was made last is of such a one, and those are never jumped over.
    fn depends_on(&self, walk: &[Edge]) -> Vec<usize> {
        let operations = walk.iter().filter_map(|edge| operation(edge.label));
        let mut choices: Vec<usize> = operations.filter_map(|op| self.choice_of.get(&op).copied()).collect();
        choices.retain(|&choice| self.chosen[choice].is_some());
        choices.sort_unstable();
        choices.dedup();
        choices
    }
}
