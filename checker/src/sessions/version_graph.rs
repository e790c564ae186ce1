//! The versions of one object as a graph: an edge from u to v where u must not come after v.
//!
//! Session order is an interval order: `a` before `b` if `a` completed before `b` was invoked. A session of n
//! operations has up to n²/2 such pairs. But whoever precedes `b` precedes everyone invoked after `b`, so the
//! pairs factor through a chain of helper vertices h₁ → h₂ → …: what completes points at the chain's end, and
//! the chain's end points at what is invoked. Then u reaches v through the chain if and only if some `a` of u
//! precedes some `b` of v. Operations that overlap do not reach each other, as the one was invoked before the
//! other's completion had been added.
//!
//! ```text
//! session:    [w1]   [r1]     [w2]          version 1 ──► h₁ ──► version 1    (read your writes)
//!                                                          │
//!                                                          ▼
//!                                           version 1 ──► h₂ ──► version 2    (monotonic writes)
//! ```
//!
//! What was read leads to other things than what was written (four guarantees, four pairs of kinds), so a
//! session has two chains. An edge into a version is strict where the versions must differ: into what `b`
//! *wrote*. A vertex a token holds the version of that number: edges both ways, so that two versions with one
//! token fall into one component.
//!
//! The initial value precedes all versions. That matters only where something points at it; then there is an
//! edge from it to every other version.
//!
//! Cost: at most 2 helper vertices and 6 edges an operation, fewer where several complete between two
//! invocations.

use super::guarantees::Guarantees;
use super::objects::{INITIAL, ObjectRow, SessionObject, VersionRead};
use crate::graph::Edge;
use histories::{History, NEVER, OpId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Label of an edge between versions that must differ; the rest of the label is an operation.
const STRICT: u32 = 1 << 31;
/// In place of an operation, where an edge stands for none.
const NO_OPERATION: u32 = STRICT - 1;
/// No vertex.
pub(super) const NONE: u32 = u32::MAX;

/// What a vertex is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum VertexKind {
    /// A version.
    Version,
    /// What a session has read.
    SessionRead,
    /// What a session has written.
    SessionWrote,
    /// What everyone has written.
    EveryoneWrote,
    /// A version token.
    Token,
}

/// Where a read with several candidates is tied in once one is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChoicePort {
    op: u32,
    /// What must not be newer than what it returned.
    before: [u32; 2],
    /// What must not be older.
    after: u32,
    token: u32,
    /// What a compare-and-set wrote.
    wrote: u32,
}

/// The constraints of one level on the versions of one object.
pub(super) struct VersionGraph {
    pub(super) version_count: u32,
    /// Of the vertices beyond the versions.
    helpers: Vec<VertexKind>,
    pub(super) edges: Vec<Edge>,
    /// Of each choice.
    pub(super) ports: Vec<ChoicePort>,
}

/// The operation of an edge's label.
pub(super) fn operation_of_label(label: u32) -> Option<OpId> {
    let raw = label & !STRICT;
    (raw != NO_OPERATION).then(|| OpId::from_raw(raw))
}

/// Whether an edge asks for different versions.
pub(super) fn is_strict(label: u32) -> bool {
    label & STRICT != 0
}

fn label_of(op: OpId) -> u32 {
    assert!(op.raw() < NO_OPERATION, "fewer than 2^31 operations");
    op.raw()
}

impl VersionGraph {
    /// The graph without the choices. O(n), and O(n log n) where sessions or writers overlap.
    pub(super) fn new(history: &History, object: &SessionObject<'_>, guarantees: Guarantees) -> Self {
        let mut graph = Self {
            version_count: object.version_count(),
            helpers: Vec::new(),
            edges: Vec::with_capacity(object.rows.len() * 2),
            ports: object
                .choices
                .iter()
                .map(|choice| ChoicePort::new(&object.rows[choice.row as usize]))
                .collect(),
        };
        let mut needs_initial = object.classes.iter().any(|class| class[0] == INITIAL);
        for session in object.rows.chunk_by(|a, b| a.session == b.session) {
            needs_initial |= graph.add_session(session, guarantees);
        }
        if guarantees.real_time_writes {
            graph.add_real_time_chain(object.rows);
        }
        needs_initial |= graph.add_tokens(history, object);
        for row in object.rows.iter().filter(|row| row.wrote != INITIAL) {
            if let VersionRead::Version(old) = row.read() {
                graph.add_edge(old, row.wrote, label_of(row.op) | STRICT);
            }
        }
        if needs_initial {
            (1..graph.version_count)
                .for_each(|version| graph.add_edge(INITIAL, version, NO_OPERATION | STRICT));
        }
        graph
    }

    /// How many vertices there are.
    pub(super) fn vertex_count(&self) -> usize {
        self.version_count as usize + self.helpers.len()
    }

    /// What a vertex is.
    pub(super) fn vertex_kind(&self, vertex: u32) -> VertexKind {
        match vertex.checked_sub(self.version_count) {
            None => VertexKind::Version,
            Some(helper) => self.helpers[helper as usize],
        }
    }

    /// The edges that follow from a choice: all of them at the chosen version.
    pub(super) fn for_each_choice_edge(&self, choice: usize, version: u32, mut add: impl FnMut(Edge)) {
        let ChoicePort { op, before, after, token, wrote } = self.ports[choice];
        let mut edge = |from, to, label| {
            if from != NONE && to != NONE {
                add(Edge { from, to, label });
            }
        };
        before.iter().for_each(|&before| edge(before, version, op));
        edge(version, after, op);
        edge(version, token, op);
        edge(token, version, op);
        edge(version, wrote, op | STRICT);
    }

    fn add_edge(&mut self, from: u32, to: u32, label: u32) {
        self.edges.push(Edge { from, to, label });
    }

    fn add_helper(&mut self, kind: VertexKind) -> u32 {
        self.helpers.push(kind);
        self.version_count + (self.helpers.len() - 1) as u32
    }

    /// The chains of one session. Answers whether something written or read precedes a read of the initial value.
    fn add_session(&mut self, rows: &[ObjectRow], guarantees: Guarantees) -> bool {
        let mut needs_initial = false;
        let (mut read, mut wrote) =
            (HelperChain::new(VertexKind::SessionRead), HelperChain::new(VertexKind::SessionWrote));
        let mut open: BinaryHeap<Reverse<(u32, u32)>> = BinaryHeap::new();
        for (at, row) in (0u32..).zip(rows) {
            while let Some(&Reverse((completed, a))) = open.peek()
                && completed < row.invoked
            {
                open.pop();
                self.add_completed(&rows[a as usize], guarantees, &mut read, &mut wrote);
            }
            needs_initial |= self.lead_to_invoked(row, guarantees, &mut read, &mut wrote);
            if row.completed != NEVER {
                open.push(Reverse((row.completed, at)));
            }
        }
        // What completed after the last invocation leads nowhere, and joins no chain.
        needs_initial
    }

    /// `a` joins the chains.
    fn add_completed(
        &mut self,
        a: &ObjectRow,
        guarantees: Guarantees,
        read: &mut HelperChain,
        wrote: &mut HelperChain,
    ) {
        if guarantees.reads_constrain_later() {
            match a.read() {
                VersionRead::Nothing => {}
                VersionRead::Version(version) => read.add_version(self, version, a.op),
                VersionRead::Choice(choice) => {
                    read.has_other = true;
                    self.ports[choice as usize].after = read.open_end(self);
                }
            }
        }
        if guarantees.writes_constrain_later() && a.wrote != INITIAL {
            wrote.add_version(self, a.wrote, a.op);
        }
    }

    /// The chains lead to `b`.
    fn lead_to_invoked(
        &mut self,
        b: &ObjectRow,
        guarantees: Guarantees,
        read: &mut HelperChain,
        wrote: &mut HelperChain,
    ) -> bool {
        let mut needs_initial = false;
        let leading = [(guarantees.monotonic_reads, &mut *read), (guarantees.read_your_writes, &mut *wrote)];
        for (slot, (leads, chain)) in leading.into_iter().enumerate() {
            match b.read() {
                // What an indeterminate operation read, its client was never told.
                _ if !leads || !b.is_ok() => {}
                VersionRead::Nothing => {}
                VersionRead::Version(version) => {
                    needs_initial |= version == INITIAL && chain.has_other;
                    chain.lead_to(self, version, label_of(b.op));
                }
                VersionRead::Choice(choice) => self.ports[choice as usize].before[slot] = chain.leading_end(),
            }
        }
        if b.wrote != INITIAL {
            if guarantees.writes_follow_reads {
                read.lead_to(self, b.wrote, label_of(b.op) | STRICT);
            }
            if guarantees.writes_are_ordered() {
                wrote.lead_to(self, b.wrote, label_of(b.op) | STRICT);
            }
        }
        needs_initial
    }

    /// The chain of all writes in real time.
    fn add_real_time_chain(&mut self, rows: &[ObjectRow]) {
        let mut writes: Vec<&ObjectRow> = rows.iter().filter(|row| row.wrote != INITIAL).collect();
        writes.sort_unstable_by_key(|row| row.invoked);
        let mut completions = writes.clone();
        completions.sort_unstable_by_key(|row| row.completed);
        let mut completions = completions.into_iter().peekable();
        let mut chain = HelperChain::new(VertexKind::EveryoneWrote);
        for b in writes {
            while let Some(a) = completions.next_if(|a| a.completed < b.invoked) {
                chain.add_version(self, a.wrote, a.op);
            }
            chain.lead_to(self, b.wrote, label_of(b.op) | STRICT);
        }
    }

    /// A vertex a token, in their order. Answers whether the initial value has one.
    fn add_tokens(&mut self, history: &History, object: &SessionObject<'_>) -> bool {
        let mut tokens = object.tokens.to_vec();
        tokens.sort_unstable_by_key(|token| token.token);
        let mut needs_initial = false;
        let mut last = NONE;
        for class in tokens.chunk_by(|a, b| a.token == b.token) {
            let vertex = self.add_helper(VertexKind::Token);
            if last != NONE {
                self.add_edge(last, vertex, NO_OPERATION | STRICT);
            }
            last = vertex;
            for row in class.iter().map(|token| &object.rows[token.row as usize]) {
                debug_assert_eq!(history.version(row.op), Some(class[0].token));
                match (row.wrote, row.read()) {
                    (INITIAL, VersionRead::Nothing) => {}
                    (INITIAL, VersionRead::Choice(choice)) => self.ports[choice as usize].token = vertex,
                    (INITIAL, VersionRead::Version(version)) | (version, _) => {
                        needs_initial |= version == INITIAL;
                        self.add_edge(version, vertex, label_of(row.op));
                        self.add_edge(vertex, version, label_of(row.op));
                    }
                }
            }
        }
        needs_initial
    }
}

impl ChoicePort {
    fn new(row: &ObjectRow) -> Self {
        let wrote = if row.wrote == INITIAL { NONE } else { row.wrote };
        Self { op: label_of(row.op), before: [NONE; 2], after: NONE, token: NONE, wrote }
    }
}

/// A chain of helper vertices, of which only the end matters.
struct HelperChain {
    kind: VertexKind,
    end: u32,
    /// Whether something leaves the end already: then it takes no more versions in.
    left: bool,
    /// Whether a version other than the initial one, or a choice, joined.
    has_other: bool,
}

impl HelperChain {
    fn new(kind: VertexKind) -> Self {
        Self { kind, end: NONE, left: false, has_other: false }
    }

    /// The vertex that what completes now points at.
    fn open_end(&mut self, graph: &mut VersionGraph) -> u32 {
        if self.end == NONE || self.left {
            let end = graph.add_helper(self.kind);
            if self.end != NONE {
                graph.add_edge(self.end, end, NO_OPERATION);
            }
            (self.end, self.left) = (end, false);
        }
        self.end
    }

    fn add_version(&mut self, graph: &mut VersionGraph, version: u32, op: OpId) {
        self.has_other |= version != INITIAL;
        let end = self.open_end(graph);
        graph.add_edge(version, end, label_of(op));
    }

    /// The vertex that leads to what is invoked now, if anything has completed.
    fn leading_end(&mut self) -> u32 {
        self.left = true;
        self.end
    }

    fn lead_to(&mut self, graph: &mut VersionGraph, version: u32, label: u32) {
        let end = self.leading_end();
        if end != NONE {
            graph.add_edge(end, version, label);
        }
    }
}
