//! Conflict-driven clause learning: a search for a set of choices that can all be made.
//!
//! Each choice is a variable. Clauses say what is known about the choices, and a [`Theory`] rejects sets of choices that close a
//! cycle. The solver assumes a choice and propagates its consequences. When they contradict a clause, the solver learns the reason
//! as a new clause and backtracks to the level which that clause determines (Marques-Silva & Sakallah, *GRASP*, 1996; two watched
//! literals and activities as in Chaff, DAC 2001). Each clause records its origin, so that a refutation can be reported and checked.

use claims::Limits;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A choice or its negation: twice the variable, plus one for the negation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct ChoiceLiteral(pub u32);

impl ChoiceLiteral {
    /// The constant true, the positive literal of variable 0.
    pub(super) const TRUE: ChoiceLiteral = ChoiceLiteral(0);

    pub(super) fn from_value(variable: u32, value: bool) -> Self {
        Self(variable << 1 | u32::from(!value))
    }

    pub(super) fn negated(self) -> Self {
        Self(self.0 ^ 1)
    }

    pub(super) fn variable(self) -> u32 {
        self.0 >> 1
    }

    pub(super) fn is_positive(self) -> bool {
        self.0 & 1 == 0
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// The origin of a clause.
#[derive(Clone, Debug)]
pub(super) enum ClauseOrigin<E> {
    /// The clause is a rule of the problem.
    Rule,
    /// The clause says what is evident from the history, and is a step of a proof by itself.
    Evident,
    /// If all its literals are false, these edges close a forbidden cycle.
    Cycle(Vec<E>),
    /// An edge of the choice that the only literal negates closes a forbidden cycle with the edges that were active before. The cycle
    /// is found when a refutation needs it ([`Theory::explain_refuted_choice`]).
    Deferred { edge: u32, active: usize },
    /// The clause follows from these clauses, together with variables whose values hold without any assumption.
    Learned { clauses: Vec<u32>, certain: Vec<u32> },
}

/// A disjunction: at least one of the literals holds.
#[derive(Clone, Debug)]
pub(super) struct Clause<E> {
    pub literals: Vec<ChoiceLiteral>,
    pub origin: ClauseOrigin<E>,
}

/// The literals that hold because their negations cannot be chosen, each with the reason.
pub(super) type RefutedChoices<E> = Vec<(ChoiceLiteral, ClauseOrigin<E>)>;

/// What a theory says of the choices that are open.
pub(super) enum NextChoice {
    /// This literal, which is open, should be assumed next.
    Assume(ChoiceLiteral),
    /// The theory does not know. Any open choice may come next.
    AnyOpen,
    /// None: what is open can be completed so that all choices together are permitted.
    Complete,
}

/// The judge of sets of choices: it rejects those that close a forbidden cycle.
pub(super) trait Theory {
    type Edge: Clone;

    /// Adds a choice. The error is a conflict clause: all its literals are false under the choices so far.
    fn apply_choice(&mut self, literal: ChoiceLiteral, steps: &mut u64) -> Result<(), Clause<Self::Edge>>;

    /// Removes the choice that was added last.
    fn undo_choice(&mut self);

    /// Whether the choices so far took as much memory as they may.
    fn is_full(&self) -> bool;

    /// Open choices that cannot be made, because one edge that the choice adds closes a cycle with what was chosen: for each, the literal
    /// that holds instead, with the reason. Precondition: none of the choices so far will be undone. Not all such choices need to be found.
    fn refute_choices(
        &mut self,
        values: &[Option<bool>],
        steps: &mut u64,
        limits: &Limits<'_>,
    ) -> RefutedChoices<Self::Edge>;

    /// The clause for which a [`ClauseOrigin::Deferred`] stands, with its cycle.
    fn explain_refuted_choice(&mut self, edge: u32, active: usize) -> Clause<Self::Edge>;

    /// The value of a variable that the choices so far make likely, if they do.
    fn likely_value(&self, variable: u32) -> Option<bool>;

    /// The choice to assume next. `values` has the value of each variable.
    fn next_choice(&mut self, values: &[Option<bool>], steps: &mut u64) -> NextChoice;

    /// A value for each variable, after [`NextChoice::Complete`].
    fn complete_choices(&self, values: &[Option<bool>]) -> Vec<bool>;

    /// Checks a complete set of choices. Returns the clauses that it violates; none if the choices are permitted.
    fn find_violated_clauses(&mut self, steps: &mut u64) -> Vec<Clause<Self::Edge>>;
}

/// The result of a search.
pub(super) enum SolverOutcome<E> {
    /// A permitted set of choices: the value of each variable.
    Choices(Vec<bool>),
    /// No set of choices is permitted. The clauses prove it, in order of derivation; the last one is empty.
    Refuted(Vec<Clause<E>>),
    Unknown(&'static str),
}

pub(super) const OUT_OF_STEPS: &str =
    "the search through the cases that the history leaves open reached its limit of steps";
const OUT_OF_MEMORY: &str =
    "the search through the cases that the history leaves open reached its limit of memory";
/// The maximum total size of all clauses, in literals, edges and references to other clauses.
const SIZE_MAX: usize = 1 << 25;
const UNSET: u32 = u32::MAX;
const NOT_QUEUED: u64 = u64::MAX;
/// How often single choices are refuted. What one round refutes lets the next refute more.
const ROUNDS_MAX: usize = 64;

pub(super) struct ClauseSolver<T: Theory> {
    pub theory: T,
    clauses: Vec<Clause<T::Edge>>,
    /// By literal: the clauses that watch it. A clause watches its first two literals.
    watching: Vec<Vec<u32>>,
    /// By variable: its value, if it has one. The next four columns are by variable too.
    values: Vec<Option<bool>>,
    levels: Vec<u32>,
    reasons: Vec<u32>,
    preferred: Vec<bool>,
    activity: Vec<f64>,
    bump: f64,
    queue: BinaryHeap<(u64, Reverse<u32>)>,
    /// By variable: the activity with which it was last put into the queue, or `NOT_QUEUED`.
    queued: Vec<u64>,
    /// The literals that were set, in order.
    trail: Vec<ChoiceLiteral>,
    /// The beginning of each decision level in the trail.
    starts: Vec<usize>,
    /// The number of literals of the trail whose clauses were visited.
    propagated: usize,
    /// The number of literals of the trail that the theory has received.
    told: usize,
    size: usize,
    seen: Vec<bool>,
    /// A clause that is contradicted without any assumption.
    refuted: Option<u32>,
}

impl<T: Theory> ClauseSolver<T> {
    /// `preferred` has the value of each variable that is tried first. Variable 0 is the constant true.
    pub(super) fn new(theory: T, preferred: Vec<bool>) -> Self {
        let count = preferred.len();
        let mut solver = Self {
            theory,
            clauses: Vec::new(),
            watching: vec![Vec::new(); 2 * count],
            values: vec![None; count],
            levels: vec![0; count],
            reasons: vec![UNSET; count],
            preferred,
            activity: vec![0.0; count],
            bump: 1.0,
            queue: (1..count as u32).map(|variable| (0, Reverse(variable))).collect(),
            queued: vec![0; count],
            trail: Vec::new(),
            starts: Vec::new(),
            propagated: 0,
            told: 0,
            size: 0,
            seen: vec![false; count],
            refuted: None,
        };
        solver.values[0] = Some(true);
        solver
    }

    /// Adds a clause. No assumption may be in force.
    pub(super) fn add_clause(&mut self, clause: Clause<T::Edge>) {
        debug_assert!(self.starts.is_empty(), "clauses are added while no assumption is in force");
        let number = self.store_clause(clause);
        let open: Vec<usize> = {
            let literals = &self.clauses[number as usize].literals;
            (0..literals.len())
                .filter(|&at| self.literal_value(literals[at]) != Some(false))
                .take(2)
                .collect()
        };
        match open.as_slice() {
            [] => self.refuted = self.refuted.or(Some(number)),
            [one] => {
                let literal = self.clauses[number as usize].literals[*one];
                if self.literal_value(literal).is_none() {
                    self.assign_literal(literal, number);
                }
            }
            [one, other, ..] => {
                let literals = &mut self.clauses[number as usize].literals;
                literals.swap(0, *one);
                literals.swap(1, *other);
                self.watch_clause(number);
            }
        }
    }

    fn store_clause(&mut self, clause: Clause<T::Edge>) -> u32 {
        self.size += clause.literals.len()
            + match &clause.origin {
                ClauseOrigin::Rule | ClauseOrigin::Evident | ClauseOrigin::Deferred { .. } => 0,
                ClauseOrigin::Cycle(edges) => edges.len(),
                ClauseOrigin::Learned { clauses, certain } => clauses.len() + certain.len(),
            };
        self.clauses.push(clause);
        self.clauses.len() as u32 - 1
    }

    fn watch_clause(&mut self, number: u32) {
        for at in 0..2 {
            let literal = self.clauses[number as usize].literals[at];
            self.watching[literal.index()].push(number);
        }
    }

    fn literal_value(&self, literal: ChoiceLiteral) -> Option<bool> {
        self.values[literal.variable() as usize].map(|value| value == literal.is_positive())
    }

    fn assign_literal(&mut self, literal: ChoiceLiteral, reason: u32) {
        let variable = literal.variable() as usize;
        self.values[variable] = Some(literal.is_positive());
        self.levels[variable] = self.starts.len() as u32;
        self.reasons[variable] = reason;
        self.trail.push(literal);
    }

    /// Searches for a permitted set of choices. One step is one visit to a clause or an edge.
    pub(super) fn solve(&mut self, steps: &mut u64, limits: &Limits<'_>) -> SolverOutcome<T::Edge> {
        let (mut conflicts, mut until_restart, mut looked) = (0u32, 128u32, 0u32);
        self.refute_single_choices(steps, limits);
        loop {
            if let Some(number) = self.refuted {
                return SolverOutcome::Refuted(self.extract_refutation(number));
            }
            looked += 1;
            if *steps == 0 || (looked & 0x3f == 0 && limits.stop_requested()) {
                return SolverOutcome::Unknown(if *steps == 0 { OUT_OF_STEPS } else { Limits::STOPPED });
            }
            if self.size > SIZE_MAX || self.theory.is_full() {
                return SolverOutcome::Unknown(OUT_OF_MEMORY);
            }
            if let Some(conflict) = self.propagate(steps) {
                if self.starts.is_empty() {
                    self.refuted = Some(conflict);
                    continue;
                }
                conflicts += 1;
                self.learn_from_conflict(conflict);
                if conflicts >= until_restart {
                    until_restart = conflicts + 128 + until_restart / 8;
                    self.backtrack_to(0);
                }
            } else if !self.assume_next_choice(steps) {
                let clauses = self.theory.find_violated_clauses(steps);
                if *steps == 0 {
                    continue;
                }
                if clauses.is_empty() {
                    return SolverOutcome::Choices(self.theory.complete_choices(&self.values));
                }
                self.backtrack_to(0);
                clauses.into_iter().for_each(|clause| self.add_clause(clause));
            }
        }
    }

    /// Refutes single choices before anything is assumed. Most choices of a real history are forced by what is certain. The search would
    /// refute them too, but one by one beneath many assumptions, and would learn long clauses from each.
    fn refute_single_choices(&mut self, steps: &mut u64, limits: &Limits<'_>) {
        for _ in 0..ROUNDS_MAX {
            if self.refuted.is_none() {
                self.refuted = self.propagate(steps);
            }
            if self.refuted.is_some() || *steps == 0 {
                return;
            }
            let refuted = self.theory.refute_choices(&self.values, steps, limits);
            if refuted.is_empty() || limits.stop_requested() {
                return;
            }
            for (literal, origin) in refuted {
                self.add_clause(Clause { literals: vec![literal], origin });
            }
        }
    }

    /// Propagates the consequences of the trail through clauses and theory. Returns a contradicted clause, if there is one.
    fn propagate(&mut self, steps: &mut u64) -> Option<u32> {
        loop {
            while self.propagated < self.trail.len() {
                let literal = self.trail[self.propagated];
                self.propagated += 1;
                if let Some(conflict) = self.update_watchers(literal.negated(), steps) {
                    return Some(conflict);
                }
            }
            let &literal = self.trail.get(self.told)?;
            self.told += 1;
            if let Err(clause) = self.theory.apply_choice(literal, steps) {
                return Some(self.store_conflict_clause(clause));
            }
        }
    }

    /// Visits the clauses that watch a literal that became false. Returns a contradicted clause, if there is one.
    fn update_watchers(&mut self, literal: ChoiceLiteral, steps: &mut u64) -> Option<u32> {
        let mut watching = std::mem::take(&mut self.watching[literal.index()]);
        let mut conflict = None;
        let mut at = 0;
        while at < watching.len() {
            *steps = steps.saturating_sub(1);
            let number = watching[at];
            let literals = &mut self.clauses[number as usize].literals;
            if literals[0] == literal {
                literals.swap(0, 1);
            }
            let first = literals[0];
            let values = &self.values;
            let value = |literal: ChoiceLiteral| {
                values[literal.variable() as usize].map(|value| value == literal.is_positive())
            };
            if value(first) == Some(true) {
                at += 1;
                continue;
            }
            let other = (2..literals.len()).find(|&other| value(literals[other]) != Some(false));
            if let Some(other) = other {
                literals.swap(1, other);
                let watched = literals[1];
                self.watching[watched.index()].push(number);
                watching.swap_remove(at);
                continue;
            }
            if value(first) == Some(false) {
                conflict = Some(number);
                break;
            }
            self.assign_literal(first, number);
            at += 1;
        }
        self.watching[literal.index()].append(&mut watching);
        conflict
    }

    /// Stores a conflict clause of the theory. Its literals are sorted by decision level, the latest first, as watching requires.
    fn store_conflict_clause(&mut self, mut clause: Clause<T::Edge>) -> u32 {
        let level = |literal: &ChoiceLiteral| Reverse(self.levels[literal.variable() as usize]);
        clause.literals.sort_by_key(level);
        let watched = clause.literals.len() > 1;
        let number = self.store_clause(clause);
        if watched {
            self.watch_clause(number);
        }
        number
    }

    /// Derives a clause from a conflict (first unique implication point), backtracks to its second-latest level, and sets the
    /// literal that the clause then implies.
    fn learn_from_conflict(&mut self, conflict: u32) {
        let here = self.starts.len() as u32;
        let (mut learned, mut clauses, mut certain) = (vec![ChoiceLiteral::TRUE], vec![conflict], Vec::new());
        let (mut open, mut at, mut reason, mut marked) = (0, self.trail.len(), conflict, Vec::new());
        loop {
            for place in 0..self.clauses[reason as usize].literals.len() {
                let literal = self.clauses[reason as usize].literals[place];
                let variable = literal.variable();
                if self.seen[variable as usize] || self.literal_value(literal) == Some(true) {
                    continue;
                }
                self.seen[variable as usize] = true;
                marked.push(variable);
                match self.levels[variable as usize] {
                    0 => certain.push(variable),
                    level => {
                        self.bump_activity(variable);
                        match level == here {
                            true => open += 1,
                            false => learned.push(literal),
                        }
                    }
                }
            }
            while !self.seen[self.trail[at - 1].variable() as usize]
                || self.levels[self.trail[at - 1].variable() as usize] != here
            {
                at -= 1;
            }
            at -= 1;
            let literal = self.trail[at];
            open -= 1;
            if open == 0 {
                learned[0] = literal.negated();
                break;
            }
            reason = self.reasons[literal.variable() as usize];
            clauses.push(reason);
        }
        self.leave_out_implied(&mut learned, &mut clauses, &mut certain);
        marked.into_iter().for_each(|variable| self.seen[variable as usize] = false);
        self.bump /= 0.95;
        let level = |literal: &ChoiceLiteral| self.levels[literal.variable() as usize];
        let second = (1..learned.len()).max_by_key(|&at| level(&learned[at]));
        let back = second.map_or(0, |at| level(&learned[at]));
        if let Some(second) = second {
            learned.swap(1, second);
        }
        self.backtrack_to(back as usize);
        let (first, unit) = (learned[0], learned.len() == 1);
        let number = self
            .store_clause(Clause { literals: learned, origin: ClauseOrigin::Learned { clauses, certain } });
        if !unit {
            self.watch_clause(number);
        }
        self.assign_literal(first, number);
    }

    /// Leaves literals out of a learned clause that its other literals imply: all others in the reason of such a literal are in the clause
    /// (Sörensson & Biere, *Minimizing Learned Clauses*, SAT 2009, local minimization). Precondition: the variables of the clause are `seen`.
    fn leave_out_implied(
        &self,
        learned: &mut Vec<ChoiceLiteral>,
        clauses: &mut Vec<u32>,
        certain: &mut Vec<u32>,
    ) {
        let here = self.starts.len() as u32;
        let is_in_clause = |variable: u32| {
            let level = self.levels[variable as usize];
            level == 0 || (level != here && self.seen[variable as usize])
        };
        let is_implied = |literal: &ChoiceLiteral| {
            let reason = self.reasons[literal.variable() as usize];
            reason != UNSET && {
                let mut others = self.clauses[reason as usize].literals.iter();
                others.all(|other| other.variable() == literal.variable() || is_in_clause(other.variable()))
            }
        };
        let first = learned[0];
        learned.retain(|literal| {
            let goes = *literal != first && is_implied(literal);
            if goes {
                let reason = self.reasons[literal.variable() as usize];
                clauses.push(reason);
                let of_reason = self.clauses[reason as usize].literals.iter().map(|other| other.variable());
                certain.extend(of_reason.filter(|&variable| self.levels[variable as usize] == 0));
            }
            !goes
        });
    }

    fn bump_activity(&mut self, variable: u32) {
        let activity = &mut self.activity[variable as usize];
        *activity += self.bump;
        if *activity > 1e100 {
            self.activity.iter_mut().for_each(|activity| *activity *= 1e-100);
            self.bump *= 1e-100;
        }
    }

    fn backtrack_to(&mut self, level: usize) {
        let Some(&start) = self.starts.get(level) else { return };
        while self.trail.len() > start {
            if self.told == self.trail.len() {
                self.theory.undo_choice();
                self.told -= 1;
            }
            let literal = self.trail.pop().expect("the trail is longer than the start of the level");
            let variable = literal.variable();
            self.preferred[variable as usize] = literal.is_positive();
            self.values[variable as usize] = None;
            // The bit patterns of non-negative floats are ordered like the floats.
            let activity = self.activity[variable as usize].to_bits();
            if std::mem::replace(&mut self.queued[variable as usize], activity) != activity {
                self.queue.push((activity, Reverse(variable)));
            }
        }
        self.propagated = self.trail.len();
        self.starts.truncate(level);
    }

    /// Assumes the next choice: the one that the theory wants, if it wants any. Returns whether there was one.
    fn assume_next_choice(&mut self, steps: &mut u64) -> bool {
        let literal = match self.theory.next_choice(&self.values, steps) {
            NextChoice::Complete => return false,
            NextChoice::AnyOpen => self.most_active_choice(),
            NextChoice::Assume(literal) => Some(self.with_value_of_conflicts(literal)),
        };
        literal.inspect(|&literal| self.assume_literal(literal)).is_some()
    }

    /// A choice that took part in a conflict is made as it was made last, because its neighbours were made accordingly. Other choices that
    /// took part in conflicts are not made before the theory asks for them: that took three times as long.
    fn with_value_of_conflicts(&self, literal: ChoiceLiteral) -> ChoiceLiteral {
        let variable = literal.variable();
        match self.activity[variable as usize] > 0.0 {
            true => ChoiceLiteral::from_value(variable, self.preferred[variable as usize]),
            false => literal,
        }
    }

    fn assume_literal(&mut self, literal: ChoiceLiteral) {
        self.starts.push(self.trail.len());
        self.assign_literal(literal, UNSET);
    }

    /// The likely or preferred value of the most active open variable.
    fn most_active_choice(&mut self) -> Option<ChoiceLiteral> {
        while let Some((activity, Reverse(variable))) = self.queue.pop() {
            if self.queued[variable as usize] == activity {
                self.queued[variable as usize] = NOT_QUEUED;
            }
            if self.values[variable as usize].is_none() {
                let likely = self.theory.likely_value(variable);
                let value = likely.unwrap_or(self.preferred[variable as usize]);
                return Some(ChoiceLiteral::from_value(variable, value));
            }
        }
        None
    }

    /// The clauses that the contradiction depends on, in order of derivation, with the empty clause at the end.
    fn extract_refutation(&mut self, contradicted: u32) -> Vec<Clause<T::Edge>> {
        let mut needed = vec![false; self.clauses.len()];
        let mut known = vec![false; self.values.len()];
        let mut todo = vec![contradicted];
        while let Some(number) = todo.pop() {
            if std::mem::replace(&mut needed[number as usize], true) {
                continue;
            }
            if let ClauseOrigin::Deferred { edge, active } = self.clauses[number as usize].origin {
                self.clauses[number as usize] = self.theory.explain_refuted_choice(edge, active);
            }
            let clause = &self.clauses[number as usize];
            let mut variables: Vec<u32> = Vec::new();
            match &clause.origin {
                ClauseOrigin::Learned { clauses, certain } => {
                    todo.extend(clauses);
                    variables.extend(certain);
                }
                ClauseOrigin::Rule
                | ClauseOrigin::Evident
                | ClauseOrigin::Cycle(_)
                | ClauseOrigin::Deferred { .. } => {}
            }
            // Literals that are decided without assumptions were propagated. The clauses that implied them are needed too.
            variables.extend(clause.literals.iter().map(|literal| literal.variable()));
            for variable in variables {
                let reason = self.reasons[variable as usize];
                let is_certain =
                    self.levels[variable as usize] == 0 && self.values[variable as usize].is_some();
                if is_certain && reason != UNSET && !std::mem::replace(&mut known[variable as usize], true) {
                    todo.push(reason);
                }
            }
        }
        let clauses = std::mem::take(&mut self.clauses).into_iter().zip(needed);
        let mut proof: Vec<Clause<T::Edge>> =
            clauses.filter(|(_, needed)| *needed).map(|(clause, _)| clause).collect();
        if proof.last().is_none_or(|last| !last.literals.is_empty()) {
            let origin = ClauseOrigin::Learned { clauses: Vec::new(), certain: Vec::new() };
            proof.push(Clause { literals: Vec::new(), origin });
        }
        proof
    }
}
