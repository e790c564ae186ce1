//! Encodes the open choices of a history as variables, with the edges that they imply and the cycles that a level forbids.
//!
//! Each pair of writers of a key is a variable: which of them came first. Each candidate source of a read with several sources is a
//! variable too. An edge has one or two premises and becomes active when both are chosen; the order of moments is then updated
//! ([`IncrementalOrder`]). A cycle of active edges becomes a clause: these choices cannot all hold. The condition that a read did
//! not miss a write ([`Anti::Missed`]) is checked when all choices are made; where a single edge decides it, it is a clause from the
//! start.

use super::super::graph::RealTimeChain;
use super::case_facts::{CaseFacts, INITIAL, OutsideRead};
use super::clauses::{ChoiceLiteral, Clause, ClauseOrigin};
use super::closure::CertainReachability;
use super::cursor::CompletionCursor;
use super::moments::TransactionMoments;
use super::order::IncrementalOrder;
use super::shape::{AntiDependencyRule, LevelShape, Visibility};
use super::suspect_keys::SuspectKeys;
use super::written_key::WrittenKey;
use claims::{Limits, OrderExtent};
use histories::{NEVER, Outcome};
use rustc_hash::FxHashMap;

/// The reason why one moment comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CaseLinkReason {
    /// Both moments belong to one transaction.
    Within,
    /// Session order.
    Session,
    /// The edge begins or ends at a moment of real time.
    Time,
    /// The read with this number returned the version of the source.
    Read { read: u32, source: u32 },
    /// Both transactions wrote the key with this number.
    Wrote { key: u32 },
    /// The read returned the version of the source, and the later transaction overwrote it.
    Missed { read: u32, source: u32 },
}

/// An edge between moments, given by their transactions ([`INITIAL`] for moments of real time), and its reason.
#[derive(Clone, Copy, Debug)]
pub(super) struct CaseLink {
    pub from: u32,
    pub to: u32,
    pub link: CaseLinkReason,
}

/// A conditional edge between moments. It is active if both premises hold.
#[derive(Clone, Copy)]
pub(super) struct ConditionalEdge {
    pub from: u32,
    pub to: u32,
    pub premises: [ChoiceLiteral; 2],
    pub link: CaseLinkReason,
    /// Whether the edge is only tested for cycles. The order of moments does not extend it.
    pub closes: bool,
}

/// The meaning of a variable.
#[derive(Clone, Copy)]
pub(super) enum CaseVariable {
    /// The constant true.
    True,
    /// The writer at place `one` among the writers of the key came before the writer at place `other`.
    Before { key: u32, one: u32, other: u32 },
    /// The read returned the version of this source.
    From { read: u32, source: u32 },
    /// The appends of the writer at this place among the writers of the key begin at this position of its longest list.
    Placed { key: u32, writer: u32, start: u32 },
    /// An append of the writer at this place among the writers of the list is the element at this position of it
    /// ([`ShownElements`](super::element_candidates::ShownElements)).
    Shown { key: u32, writer: u32, start: u32 },
}

/// The maximum number of edges. They are numbered by 32 bits.
const EDGES_MAX: usize = 1 << 30;

/// The choices and edges of one level.
pub(super) struct CaseEncoding<'f, 'h> {
    pub(super) facts: &'f CaseFacts<'h>,
    pub(super) shape: LevelShape,
    pub(super) moments: TransactionMoments,
    pub variables: Vec<CaseVariable>,
    /// The variable of each open pair of writers: by the key and the two places, the smaller place first.
    pairs: FxHashMap<(u32, u32, u32), u32>,
    /// The variable of each place at which appends may stand: by the key, the place among its writers, and the position.
    pub(super) placed: FxHashMap<(u32, u32, u32), u32>,
    /// The same for the elements of lists that are read at read-uncommitted. The places are those among the writers of the list.
    pub(super) shown: FxHashMap<(u32, u32, u32), u32>,
    /// By variable of such a place, counted from the first: whether it is tried first.
    pub(super) placed_first: Vec<bool>,
    /// By read: the variable of its first source. Only reads with several sources have variables.
    pub(super) sources: Vec<u32>,
    /// By variable: whether the edges to what a read missed were added for this source.
    pub(super) connected: Vec<bool>,
    pub(super) edges: Vec<ConditionalEdge>,
    /// By literal: the edges that have it as a premise.
    pub(super) resting: Vec<Vec<u32>>,
    pub(super) order: IncrementalOrder,
    /// What is known of the edges that will not be removed.
    pub(super) certain: Option<CertainReachability>,
    pub(super) cursor: Option<CompletionCursor>,
    pub(super) suspects: Option<SuspectKeys>,
    /// How much memory the caller permits, in bytes.
    pub(super) bytes: usize,
    /// By literal: whether it was chosen.
    pub(super) chosen: Vec<bool>,
    /// The active edges that the order extends, in order of activation.
    pub(super) active: Vec<u32>,
    /// By edge: its place in `active`, if it is there.
    pub(super) activated: Vec<u32>,
    /// How many of the active edges will not be removed.
    pub(super) certain_active: usize,
    /// The active edges that are only tested for cycles ([`Edge::closes`]).
    pub(super) closing: Vec<u32>,
    /// For each choice: its literal, and the lengths of `active` and `closing` before it.
    pub(super) frames: Vec<(ChoiceLiteral, usize, usize)>,
    /// The clauses that hold from the start.
    pub rules: Vec<Clause<CaseLink>>,
    /// The number of literals of those that are evident.
    evident_literals: usize,
}

/// The maximum number of clauses that hold from the start.
pub(super) const CLAUSES_MAX: usize = 1 << 22;

/// The reason for *unknown* when the encoding exceeds the limit of memory.
pub(super) const TOO_MANY: &str = "the history leaves too many choices open to decide case by case";

impl<'f, 'h> CaseEncoding<'f, 'h> {
    /// Encodes the facts for a level of this shape.
    ///
    /// # Errors
    /// The reason if the encoding needs too much memory, or if the caller stopped the check.
    pub(super) fn new(
        facts: &'f CaseFacts<'h>,
        shape: LevelShape,
        limits: &Limits<'_>,
    ) -> Result<Self, &'static str> {
        let moments = TransactionMoments::new(facts, shape.layout);
        let mut cases = Self {
            facts,
            shape,
            moments,
            variables: vec![CaseVariable::True],
            pairs: FxHashMap::default(),
            placed: FxHashMap::default(),
            shown: FxHashMap::default(),
            placed_first: Vec::new(),
            sources: Vec::new(),
            connected: Vec::new(),
            edges: Vec::new(),
            resting: Vec::new(),
            order: IncrementalOrder::new(Vec::new()),
            certain: None,
            cursor: None,
            suspects: None,
            bytes: limits.bytes,
            chosen: Vec::new(),
            active: Vec::new(),
            activated: Vec::new(),
            certain_active: 0,
            closing: Vec::new(),
            frames: Vec::new(),
            rules: Vec::new(),
            evident_literals: 0,
        };
        if cases.bytes_needed() > cases.edge_bytes_max() {
            return Err(TOO_MANY);
        }
        cases.create_variables();
        let stopped =
            |limits: &Limits<'_>| if limits.stop_requested() { Err(Limits::STOPPED) } else { Ok(()) };
        stopped(limits)?;
        cases.add_list_rules()?;
        cases.add_element_rules()?;
        stopped(limits)?;
        cases.connect_time_orders();
        cases.connect_writes();
        cases.connect_reads();
        stopped(limits)?;
        cases.forbid_direct_misses();
        stopped(limits)?;
        Ok(cases)
    }

    /// Adds a clause that is evident from the history.
    ///
    /// # Errors
    /// The reason if the clauses are too many, or take more than a quarter of the memory.
    pub(super) fn add_evident(&mut self, literals: Vec<ChoiceLiteral>) -> Result<(), &'static str> {
        self.evident_literals += literals.len();
        self.rules.push(Clause { literals, origin: ClauseOrigin::Evident });
        let bytes = self.rules.len() * size_of::<Clause<CaseLink>>()
            + self.evident_literals * size_of::<ChoiceLiteral>();
        if self.rules.len() > CLAUSES_MAX || bytes > self.bytes / 4 { Err(TOO_MANY) } else { Ok(()) }
    }

    /// Whether the edges take more memory than they may.
    pub(super) fn edges_exceed_memory(&self) -> bool {
        self.edges.len() * size_of::<ConditionalEdge>() > self.edge_bytes_max()
    }

    /// How much memory edges may take. The closure of the certain edges takes a quarter of what the caller permits.
    fn edge_bytes_max(&self) -> usize {
        (self.bytes / 4 * 3).min(EDGES_MAX.saturating_mul(size_of::<ConditionalEdge>()))
    }

    /// An upper bound for the memory of the edges between writers, and from sources to reads, in bytes.
    fn bytes_needed(&self) -> usize {
        // Writers whose order is open have edges to one another; all others have one edge each.
        let pairs = |key: &WrittenKey| {
            let open: usize = (0..key.writers.len() as u32).map(|writer| key.open_after(writer).len()).sum();
            open.saturating_add(key.writers.len())
        };
        let pairs: usize = self.facts.keys.iter().map(pairs).fold(0, usize::saturating_add);
        let sources: usize = self.facts.reads.iter().map(|read| read.sources.len()).sum();
        pairs.saturating_mul(3).saturating_add(sources).saturating_mul(size_of::<ConditionalEdge>())
    }

    fn create_variables(&mut self) {
        self.create_place_variables();
        self.create_element_variables();
        for (number, read) in (0u32..).zip(&self.facts.reads) {
            self.sources.push(self.variables.len() as u32);
            if read.sources.len() > 1 {
                let of_one = read.sources.iter().map(|&source| CaseVariable::From { read: number, source });
                self.variables.extend(of_one);
            }
        }
        for (key, written) in (0u32..).zip(&self.facts.keys) {
            for one in 0..written.writers.len() as u32 {
                for other in written.open_after(one) {
                    if self.facts.certain_order(key, one, other).is_none() {
                        self.pairs.insert((key, one, other), self.variables.len() as u32);
                        self.variables.push(CaseVariable::Before { key, one, other });
                    }
                }
            }
        }
        self.resting = vec![Vec::new(); 2 * self.variables.len()];
        self.chosen = vec![false; 2 * self.variables.len()];
        self.connected = vec![false; self.variables.len()];
        self.chosen[ChoiceLiteral::TRUE.0 as usize] = true;
        for (number, read) in (0u32..).zip(&self.facts.reads) {
            if read.sources.len() != 1 {
                let literals = (0..read.sources.len() as u32)
                    .map(|at| self.read_from_literal(number, at))
                    .collect::<Vec<_>>();
                self.rules.push(Clause { literals, origin: ClauseOrigin::Rule });
            }
        }
    }

    /// The value of each variable that is tried first. Versions follow the order in which their writers completed. A read
    /// returned the version of the last source that completed before the reader did.
    pub(super) fn preferred_values(&self) -> Vec<bool> {
        let facts = self.facts;
        let completed = |number: u32| facts.history.operation(facts.transactions[number as usize]).completed;
        let best = |read: &OutsideRead| {
            let end = completed(read.reader);
            let rank = |source: u32| match source {
                INITIAL => (true, 0),
                source if completed(source) < end => (true, completed(source)),
                source => (false, NEVER - completed(source)),
            };
            read.sources.iter().copied().max_by_key(|&source| rank(source))
        };
        let bests: Vec<Option<u32>> = facts.reads.iter().map(best).collect();
        let prefers = |variable: &CaseVariable| match *variable {
            CaseVariable::True | CaseVariable::Before { .. } => true,
            CaseVariable::From { read, source } => bests[read as usize] == Some(source),
            CaseVariable::Placed { .. } | CaseVariable::Shown { .. } => false,
        };
        let places = self.placed_first.len() + 1;
        let by_meaning = self.variables[places..].iter().map(prefers);
        std::iter::once(true).chain(self.placed_first.iter().copied()).chain(by_meaning).collect()
    }

    /// The literal that a read returned the version of its source with this index.
    pub(super) fn read_from_literal(&self, read: u32, at: u32) -> ChoiceLiteral {
        match self.facts.reads[read as usize].sources.len() {
            1 => ChoiceLiteral::TRUE,
            _ => ChoiceLiteral::from_value(self.sources[read as usize] + at, true),
        }
    }

    /// The literal that one writer of a key came before another. Both are places among the writers of the key.
    pub(super) fn write_order_literal(&self, key: u32, one: u32, other: u32) -> ChoiceLiteral {
        debug_assert!(one != other, "a write does not come before itself");
        if let Some(certain) = self.facts.certain_order(key, one, other) {
            return if certain { ChoiceLiteral::TRUE } else { ChoiceLiteral::TRUE.negated() };
        }
        let variable = self.pairs[&(key, one.min(other), one.max(other))];
        ChoiceLiteral::from_value(variable, one < other)
    }

    /// The place of a transaction among the writers of a key.
    pub(super) fn place_among_writers(&self, key: u32, transaction: u32) -> Option<u32> {
        self.facts.places.get(&(key, transaction)).copied()
    }

    pub(super) fn add_edge(&mut self, edge: ConditionalEdge) {
        if edge.premises.contains(&ChoiceLiteral::TRUE.negated()) {
            return;
        }
        let number = self.edges.len() as u32;
        let [one, other] = edge.premises;
        self.resting[one.0 as usize].push(number);
        if other != one {
            self.resting[other.0 as usize].push(number);
        }
        self.edges.push(edge);
        self.activated.push(u32::MAX);
    }

    fn add_certain_edge(&mut self, from: u32, to: u32, link: CaseLinkReason) {
        self.add_edge(ConditionalEdge { from, to, premises: [ChoiceLiteral::TRUE; 2], link, closes: false });
    }

    /// Adds the edges within transactions, of session order and of real time, and sets the first order of moments.
    fn connect_time_orders(&mut self) {
        let facts = self.facts;
        for transaction in 0..facts.transactions.len() as u32 {
            for moment in self.moments.first_moment(transaction)..self.moments.commit_moment(transaction) {
                self.add_certain_edge(moment, moment + 1, CaseLinkReason::Within);
            }
        }
        let completed = |transaction: u32| {
            let operation = facts.history.operation(facts.transactions[transaction as usize]);
            operation.completed
        };
        let mut keys: Vec<(u32, u32)> = (0..facts.transactions.len() as u32)
            .flat_map(|transaction| {
                let moments =
                    self.moments.first_moment(transaction)..=self.moments.commit_moment(transaction);
                moments.map(move |moment| (completed(transaction), moment))
            })
            .collect();
        if self.shape.extent != OrderExtent::Data {
            self.connect_sessions();
        }
        if self.shape.extent == OrderExtent::RealTime {
            self.connect_real_time(&mut keys);
        }
        keys.sort_unstable();
        self.order = IncrementalOrder::new(keys.into_iter().map(|(_, moment)| moment).collect());
    }

    fn connect_sessions(&mut self) {
        let facts = self.facts;
        let mut sessions: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (number, &id) in (0u32..).zip(&facts.transactions) {
            sessions.entry(facts.history.session(id).raw()).or_default().push(number);
        }
        for session in sessions.into_values() {
            let interval = |&number: &u32| {
                let operation = facts.history.operation(facts.transactions[number as usize]);
                (operation.invoked, operation.completed)
            };
            let intervals: Vec<(u32, u32)> = session.iter().map(interval).collect();
            let successors = super::super::key_facts::immediate_successors(&intervals);
            for (at, range) in successors.into_iter().enumerate() {
                for later in range {
                    let from = self.moments.commit_moment(session[at]);
                    let to = self.moments.first_moment(session[later]);
                    self.add_certain_edge(from, to, CaseLinkReason::Session);
                }
            }
        }
    }

    /// Adds a chain of moments that represents real time. `keys` receives the moments with their sort keys.
    fn connect_real_time(&mut self, keys: &mut Vec<(u32, u32)>) {
        let facts = self.facts;
        let timeline = RealTimeChain::new(facts.history);
        let base = self.moments.count;
        let mut began: Vec<u32> = vec![0; timeline.moment_count()];
        for (number, &id) in (0u32..).zip(&facts.transactions) {
            let operation = facts.history.operation(id);
            if let (Some(moment), Outcome::Ok) = (timeline.moment_after(id.raw()), operation.outcome) {
                began[moment as usize] = began[moment as usize].max(operation.completed);
                let commit = self.moments.commit_moment(number);
                self.add_certain_edge(commit, base + moment, CaseLinkReason::Time);
            }
            if let Some(moment) = timeline.moment_before(id.raw()) {
                let first = self.moments.first_moment(number);
                self.add_certain_edge(base + moment, first, CaseLinkReason::Time);
            }
        }
        for moment in 0..timeline.moment_count() as u32 {
            if moment > 0 {
                self.add_certain_edge(base + moment - 1, base + moment, CaseLinkReason::Time);
                began[moment as usize] = began[moment as usize].max(began[moment as usize - 1]);
            }
            keys.push((began[moment as usize], base + moment));
        }
    }

    fn connect_writes(&mut self) {
        let facts = self.facts;
        for &(key, one, other) in &facts.listed {
            let (from, to) = (self.moments.commit_moment(one), self.write_moment(key, other));
            self.add_certain_edge(from, to, CaseLinkReason::Wrote { key });
        }
        for (key, written) in (0u32..).zip(&facts.keys) {
            for one in 0..written.writers.len() as u32 {
                // Of those that certainly come later, the next ones suffice.
                for other in written.open_after(one).chain(written.next_after(Some(one))) {
                    self.connect_writers(key, one, other);
                }
            }
        }
    }

    /// Adds an edge for each order of two writers of a key.
    fn connect_writers(&mut self, key: u32, one: u32, other: u32) {
        let writers = &self.facts.keys[key as usize].writers;
        for (a, b) in [(one, other), (other, one)] {
            let premises = [self.write_order_literal(key, a, b), ChoiceLiteral::TRUE];
            let (from, to) = (writers[a as usize], writers[b as usize]);
            let (from, to) = (self.moments.commit_moment(from), self.write_moment(key, to));
            let link = CaseLinkReason::Wrote { key };
            self.add_edge(ConditionalEdge { from, to, premises, link, closes: false });
        }
    }

    /// The moment before which earlier writers of a key must have committed.
    pub(super) fn write_moment(&self, key: u32, transaction: u32) -> u32 {
        if !self.shape.conflicts {
            return self.moments.commit_moment(transaction);
        }
        let writes = &self.facts.writes[transaction as usize];
        let write = writes.iter().find(|write| write.0 == key).expect("it writes the key");
        self.moments.moment_at_place(transaction, write.1)
    }

    /// Adds an edge from each possible source of a read to the read.
    fn connect_reads(&mut self) {
        let facts = self.facts;
        for (number, read) in (0u32..).zip(&facts.reads) {
            let at = self.moments.moment_at_place(read.reader, read.place);
            for (which, &source) in (0u32..).zip(&read.sources) {
                if source != INITIAL {
                    let premises = [self.read_from_literal(number, which), ChoiceLiteral::TRUE];
                    let link = CaseLinkReason::Read { read: number, source };
                    let from = self.moments.commit_moment(source);
                    self.add_edge(ConditionalEdge { from, to: at, premises, link, closes: false });
                }
            }
        }
    }

    /// Activates the edges from this number on that hold without any choice. The error is the empty clause, with its cycle.
    pub(super) fn activate_certain_edges(
        &mut self,
        first: u32,
        steps: &mut u64,
    ) -> Result<(), Clause<CaseLink>> {
        let mut spent = 0;
        let certain = |edge: &ConditionalEdge| edge.premises == [ChoiceLiteral::TRUE; 2];
        let result = (first..self.edges.len() as u32).try_for_each(|number| {
            match certain(&self.edges[number as usize]) {
                true => self.activate_edge(number, &mut spent),
                false => Ok(()),
            }
        });
        *steps = steps.saturating_sub(spent);
        result
    }

    pub(super) fn activate_edge(&mut self, number: u32, steps: &mut u64) -> Result<(), Clause<CaseLink>> {
        let ConditionalEdge { from, to, closes, .. } = self.edges[number as usize];
        if closes {
            self.closing.push(number);
            return Ok(());
        }
        if self.is_implied(from, to) {
            return Ok(());
        }
        if let Err(back) = self.order.add_edge(number, from, to, steps) {
            let back = if from == to { back } else { self.find_clearest_path(to, from, steps) };
            return Err(self.cycle_clause(&[back.as_slice(), &[number]].concat()));
        }
        self.activated[number as usize] = self.active.len() as u32;
        self.active.push(number);
        Ok(())
    }

    /// The path along active edges that depends on the fewest choices.
    fn find_clearest_path(&mut self, start: u32, goal: u32, steps: &mut u64) -> Vec<u32> {
        let (activated, certain) = (&self.activated, self.certain_active);
        let is_certain = |number: u32| (activated[number as usize] as usize) < certain;
        self.order.find_lightest_path(start, goal, is_certain, steps)
    }

    /// Whether certain edges lead from one moment to another, and serve wherever an edge between them would.
    pub(super) fn is_implied(&self, from: u32, to: u32) -> bool {
        !matches!(self.shape.anti, AntiDependencyRule::Missed(Visibility::Along(_)))
            && self.is_certain_path(from, to)
    }

    /// The clause that the edges of a cycle are not all active.
    pub(super) fn cycle_clause(&self, cycle: &[u32]) -> Clause<CaseLink> {
        let edges = cycle.iter().map(|&number| self.edges[number as usize]);
        let literals = negate_premises(edges.clone().flat_map(|edge| edge.premises));
        let links = edges.map(|edge| CaseLink {
            from: self.moments.transaction_of_moment(edge.from),
            to: self.moments.transaction_of_moment(edge.to),
            link: edge.link,
        });
        Clause { literals, origin: ClauseOrigin::Cycle(links.collect()) }
    }

    /// Whether an edge counts towards what a read has seen.
    pub(super) fn counts_as_seen(&self, number: u32) -> bool {
        let (reads, writes, sessions) = match self.shape.anti {
            AntiDependencyRule::Missed(Visibility::Along(edges)) => {
                (edges.reads, edges.writes, edges.sessions)
            }
            _ => return true,
        };
        match self.edges[number as usize].link {
            CaseLinkReason::Within => true,
            CaseLinkReason::Read { .. } => reads,
            CaseLinkReason::Wrote { .. } => writes,
            CaseLinkReason::Session => sessions,
            CaseLinkReason::Time | CaseLinkReason::Missed { .. } => false,
        }
    }
}

/// The negations of all premises that are not the constant true, without duplicates.
pub(super) fn negate_premises(premises: impl IntoIterator<Item = ChoiceLiteral>) -> Vec<ChoiceLiteral> {
    let mut literals: Vec<ChoiceLiteral> = premises
        .into_iter()
        .filter(|&premise| premise != ChoiceLiteral::TRUE)
        .map(ChoiceLiteral::negated)
        .collect();
    literals.sort_unstable_by_key(|literal| literal.0);
    literals.dedup();
    literals
}
