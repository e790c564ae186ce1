//! Decides which write each ambiguous read returned, by backtracking over the choices, with proofs.
//!
//! The question is NP-hard in general, so this is a search. It takes the choices in order of invocation. For each it
//! tries first the version that was written last before the read, and looks for a contradiction through the chosen
//! version. All new edges touch that version, so any new cycle passes it. On a contradiction the search takes the
//! choice back and tries the next version.
//!
//! Two techniques keep the search small. First, the walk that contradicts a choice names the other choices that it
//! depends on. If all versions of a choice are refuted, the search jumps back to the last choice that any of the
//! refutations depended on, and skips the others (conflict-directed backjumping, Prosser 1993). Second, a refutation
//! that does not depend on a choice refutes all of its versions at once, which keeps the proof short.
//!
//! The version that an indeterminate compare-and-set found is chosen only after another choice shows that it took
//! effect. That depends on any of the earlier choices, so the search never jumps over such a choice.
//!
//! Cost: at most `steps` edges. The proof is a tree with a leaf for each refuted case.

use super::guarantees::Guarantees;
use super::objects::{INITIAL, SessionObject, versions_that_took_effect};
use super::proof::ContradictionWalk;
use super::proof::{self};
use super::version_graph::{VersionGraph, operation_of_label};
use crate::graph::{Csr, CycleSearch, Edge, Graph, WalkAutomaton};
use claims::{Limits, VersionProofStep};
use histories::OpId;
use rustc_hash::FxHashMap;

/// The result of a search.
pub(super) enum SearchOutcome {
    /// A version for each choice; `None` for an indeterminate compare-and-set that took no effect.
    Fits(Vec<Option<u32>>),
    /// The steps of a proof, in preorder.
    Refuted(Vec<RefutationStep>),
    /// The limit that was reached.
    GaveUp(String),
}

/// A step of a proof, in terms of vertices.
pub(super) enum RefutationStep {
    Split { choice: usize, candidates: Vec<u32> },
    Walk(Vec<Edge>),
}

impl RefutationStep {
    /// Translates the step into operations.
    pub(super) fn into_proof_step(
        self,
        object: &SessionObject<'_>,
        graph: &VersionGraph,
        guarantees: Guarantees,
    ) -> VersionProofStep {
        match self {
            RefutationStep::Split { choice, candidates } => VersionProofStep::Split {
                read: object.rows[object.choices[choice].row as usize].op,
                writes: candidates.into_iter().map(|version| object.writer(version)).collect(),
            },
            RefutationStep::Walk(walk) => {
                VersionProofStep::Cycle(proof::walk_to_constraints(object, graph, guarantees, &walk))
            }
        }
    }
}

/// A graph with additional edges that can be removed again.
struct OverlayGraph<'a> {
    base: &'a Csr,
    further: Vec<Vec<Edge>>,
}

impl Graph for OverlayGraph<'_> {
    fn vertex_count(&self) -> usize {
        self.base.vertex_count()
    }

    fn edges(&self, from: u32) -> impl Iterator<Item = Edge> {
        self.base.edges(from).chain(self.further[from as usize].iter().copied())
    }
}

/// One choice on the path from the root.
struct ChoiceFrame {
    choice: usize,
    /// Sorted, the most likely first.
    candidates: Vec<u32>,
    /// How many candidates were tried, including the present one.
    tried: usize,
    /// The refutations of the candidates before the present one.
    proof: Vec<RefutationStep>,
    /// The earlier choices that these refutations depend on.
    conflict: Vec<usize>,
}

/// A refuted case: the choices that it depends on, and its proof.
struct RefutedCase {
    conflict: Vec<usize>,
    proof: Vec<RefutationStep>,
}

struct ChoiceSearch<'a> {
    object: &'a SessionObject<'a>,
    graph: &'a VersionGraph,
    limits: &'a Limits<'a>,
    steps: &'a mut u64,
    overlay: OverlayGraph<'a>,
    memory: CycleSearch,
    choice_of: FxHashMap<OpId, usize>,
    /// The choices of completed operations, in order of invocation.
    completed: Vec<usize>,
    invoked: Vec<u32>,
    chosen: Vec<Option<u32>>,
    path: Vec<ChoiceFrame>,
    /// The number of edges in the stored proofs.
    proof_edges: usize,
}

/// Searches for a version for each choice. `csr` has the edges of `graph`, which must have no contradiction.
pub(super) fn search_choices(
    object: &SessionObject<'_>,
    graph: &VersionGraph,
    csr: &Csr,
    limits: &Limits<'_>,
    steps: &mut u64,
) -> SearchOutcome {
    let row = |choice: usize| &object.rows[object.choices[choice].row as usize];
    let mut completed: Vec<usize> = (0..object.choices.len()).filter(|&choice| row(choice).is_ok()).collect();
    completed.sort_unstable_by_key(|&choice| row(choice).invoked);
    let mut invoked = vec![0; graph.version_count as usize];
    object.rows.iter().filter(|row| row.wrote != INITIAL).for_each(|row| {
        invoked[row.wrote as usize] = row.invoked + 1;
    });
    let mut search = ChoiceSearch {
        object,
        graph,
        limits,
        steps,
        overlay: OverlayGraph { base: csr, further: vec![Vec::new(); graph.vertex_count()] },
        memory: CycleSearch::new(graph.vertex_count(), ContradictionWalk::STATES),
        choice_of: (0..object.choices.len()).map(|choice| (row(choice).op, choice)).collect(),
        completed,
        invoked,
        chosen: vec![None; object.choices.len()],
        path: Vec::new(),
        proof_edges: 0,
    };
    search.run()
}

impl ChoiceSearch<'_> {
    fn run(&mut self) -> SearchOutcome {
        loop {
            let Some(choice) = self.next_open_choice() else {
                return SearchOutcome::Fits(std::mem::take(&mut self.chosen));
            };
            self.path.push(ChoiceFrame {
                choice,
                candidates: self.ordered_candidates(choice),
                tried: 0,
                proof: Vec::new(),
                conflict: Vec::new(),
            });
            let mut refuted = self.try_next_version();
            while let Some(case) = refuted {
                if let Some(why) = self.reason_to_give_up() {
                    return SearchOutcome::GaveUp(why);
                }
                let Some(frame) = self.path.last_mut() else { return SearchOutcome::Refuted(case.proof) };
                if case.conflict.binary_search(&frame.choice).is_err() {
                    // The refutation does not depend on this choice, so it also refutes its other versions.
                    refuted = Some(self.leave_choice(case));
                    continue;
                }
                frame.conflict.extend(case.conflict.iter().filter(|&&choice| choice != frame.choice));
                frame.proof.extend(case.proof);
                refuted = self.try_next_version();
            }
            if let Some(why) = self.reason_to_give_up() {
                return SearchOutcome::GaveUp(why);
            }
        }
    }

    fn reason_to_give_up(&self) -> Option<String> {
        let bytes = self.proof_edges * size_of::<claims::VersionConstraint>();
        if *self.steps == 0 {
            Some(format!("no answer within {} steps", self.limits.steps))
        } else if bytes > self.limits.bytes {
            Some("the proof grew beyond the memory limit".to_owned())
        } else {
            self.limits.stop_requested().then(|| Limits::STOPPED.to_owned())
        }
    }

    /// The next choice to make: of a completed operation, or of an indeterminate one that took effect.
    fn next_open_choice(&mut self) -> Option<usize> {
        if let Some(&choice) = self.completed.get(self.path.len()) {
            return Some(choice);
        }
        if self.completed.len() == self.chosen.len() {
            return None;
        }
        *self.steps = self.steps.saturating_sub(self.object.rows.len() as u64);
        let took_effect = versions_that_took_effect(self.object, &self.chosen);
        (0..self.chosen.len()).find(|&choice| {
            let row = &self.object.rows[self.object.choices[choice].row as usize];
            self.chosen[choice].is_none() && !row.is_ok() && took_effect[row.wrote as usize - 1]
        })
    }

    /// The versions that were written before the read completed, the last one first; then those that were written
    /// later.
    fn ordered_candidates(&self, choice: usize) -> Vec<u32> {
        let choice = &self.object.choices[choice];
        let row = &self.object.rows[choice.row as usize];
        let mut candidates: Vec<u32> = self.object.candidates(choice).collect();
        candidates.sort_by_key(|&version| {
            let invoked = self.invoked[version as usize];
            if invoked <= row.completed { (false, u32::MAX - invoked) } else { (true, invoked) }
        });
        candidates
    }

    /// Tries the next version of the last choice. Returns the refutation of that version, or of the whole choice if
    /// no version is left.
    fn try_next_version(&mut self) -> Option<RefutedCase> {
        let frame = self.path.last_mut().expect("there is a choice to try");
        let (choice, tried) = (frame.choice, frame.tried);
        self.take_back_choice(choice);
        let frame = self.path.last_mut().expect("the same");
        let Some(&version) = frame.candidates.get(tried) else { return Some(self.refute_exhausted_choice()) };
        frame.tried += 1;
        self.chosen[choice] = Some(version);
        let further = &mut self.overlay.further;
        self.graph.for_each_choice_edge(choice, version, |edge| further[edge.from as usize].push(edge));
        let walk =
            ContradictionWalk { start: version, version_count: self.graph.version_count, component: None };
        let found = self.memory.shortest_through(&self.overlay, &walk, version, u32::MAX, self.steps)?;
        self.proof_edges += found.len();
        Some(RefutedCase { conflict: self.choices_of_walk(&found), proof: vec![RefutationStep::Walk(found)] })
    }

    /// Undoes the last choice, if it was made.
    fn take_back_choice(&mut self, choice: usize) {
        if let Some(version) = self.chosen[choice].take() {
            let further = &mut self.overlay.further;
            self.graph.for_each_choice_edge(choice, version, |edge| {
                further[edge.from as usize].pop();
            });
        }
    }

    /// Called when all versions of the last choice are refuted. Returns the refutation of the choice.
    fn refute_exhausted_choice(&mut self) -> RefutedCase {
        let ChoiceFrame { choice, candidates, proof, mut conflict, .. } =
            self.path.pop().expect("there is a choice to leave");
        if !self.object.rows[self.object.choices[choice].row as usize].is_ok() {
            conflict.extend(self.path.iter().map(|frame| frame.choice));
        }
        conflict.sort_unstable();
        conflict.dedup();
        let mut whole = vec![RefutationStep::Split { choice, candidates }];
        whole.extend(proof);
        RefutedCase { conflict, proof: whole }
    }

    /// Leaves the last choice because a refutation does not depend on it.
    fn leave_choice(&mut self, case: RefutedCase) -> RefutedCase {
        let frame = self.path.pop().expect("there is a choice to leave");
        self.take_back_choice(frame.choice);
        let edges =
            |step: &RefutationStep| if let RefutationStep::Walk(walk) = step { walk.len() } else { 0 };
        self.proof_edges -= frame.proof.iter().map(edges).sum::<usize>();
        case
    }

    /// The choices that a walk depends on, sorted.
    ///
    /// Indeterminate writes on the walk add no dependency: each leads to an operation that returned it, and so on to
    /// a completed operation. The exception is a walk of indeterminate compare-and-sets only. Then the last choice
    /// belongs to such an operation, and the search never jumps over it.
    fn choices_of_walk(&self, walk: &[Edge]) -> Vec<usize> {
        let operations = walk.iter().filter_map(|edge| operation_of_label(edge.label));
        let mut choices: Vec<usize> = operations.filter_map(|op| self.choice_of.get(&op).copied()).collect();
        choices.retain(|&choice| self.chosen[choice].is_some());
        choices.sort_unstable();
        choices.dedup();
        choices
    }
}
