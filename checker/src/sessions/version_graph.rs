//! The versions of one object as a graph: an edge from u to v says that u must not come after v.
//!
//! Session order is an interval order: `a` precedes `b` if `a` completed before `b` was invoked. A session of n
//! operations has up to n²/2 such pairs. But an operation that precedes `b` also precedes every operation invoked
//! after `b`. So the pairs factor through a chain of helper vertices h₁ → h₂ → …. A completed operation points at the
//! chain's end, and the chain's end points at an invoked operation. Then u reaches v through the chain if and only if
//! some `a` of u precedes some `b` of v. Operations that overlap do not reach each other, because one was invoked
//! before the other's completion was added.
//!
//! ```text
//! session:    [w1]   [r1]     [w2]          version 1 ──► h₁ ──► version 1    (read your writes)
//!                                                          │
//!                                                          ▼
//!                                           version 1 ──► h₂ ──► version 2    (monotonic writes)
//! ```
//!
//! Versions that were read lead to other constraints than versions that were written (four guarantees, four pairs of
//! kinds). So a session has two chains. An edge into a version is strict if the versions must differ: if `b` *wrote*
//! that version. Each token has a vertex with edges in both directions to the versions with that token. So two
//! versions with one token are in one component.
//!
//! The initial value precedes all versions. That matters only if some edge points at it. In that case it has an edge
//! to every other version.
//!
//! Cost: at most 2 helper vertices and 6 edges an operation; fewer if several operations complete between two
//! invocations.

use super::guarantees::Guarantees;
use super::objects::{INITIAL, ObjectRow, SessionObject, VersionRead};
use crate::graph::Edge;
use histories::{History, NEVER, OpId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The label bit of an edge between versions that must differ. The other bits are an operation.
const STRICT: u32 = 1 << 31;
/// Stands for "no operation" in a label.
const NO_OPERATION: u32 = STRICT - 1;
/// No vertex.
pub(super) const NONE: u32 = u32::MAX;

/// The kind of a vertex.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum VertexKind {
    /// A version.
    Version,
    /// A helper for versions that a session has read.
    SessionRead,
    /// A helper for versions that a session has written.
    SessionWrote,
    /// A helper for versions that any session has written.
    EveryoneWrote,
    /// A version token of the store.
    Token,
}

/// The vertices that an ambiguous read is connected to once its version is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChoicePort {
    op: u32,
    /// Vertices that must not be newer than the version that it returned.
    before: [u32; 2],
    /// The vertex that must not be older than the version that it returned.
    after: u32,
    token: u32,
    /// The version that a compare-and-set wrote.
    wrote: u32,
}

/// The constraints of one level on the versions of one object.
pub(super) struct VersionGraph {
    pub(super) version_count: u32,
    /// The kinds of the vertices after the versions.
    helpers: Vec<VertexKind>,
    pub(super) edges: Vec<Edge>,
    /// Indexed by choice.
    pub(super) ports: Vec<ChoicePort>,
}

/// The operation that an edge's label names, if there is one.
pub(super) fn operation_of_label(label: u32) -> Option<OpId> {
    let raw = label & !STRICT;
    (raw != NO_OPERATION).then(|| OpId::from_raw(raw))
}

/// Whether an edge demands different versions.
pub(super) fn is_strict(label: u32) -> bool {
    label & STRICT != 0
}

fn label_of(op: OpId) -> u32 {
    assert!(op.raw() < NO_OPERATION, "fewer than 2^31 operations");
    op.raw()
}

impl VersionGraph {
    /// Builds the graph without the choices. O(n), and O(n log n) if sessions or writers overlap.
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

    /// The kind of a vertex.
    pub(super) fn vertex_kind(&self, vertex: u32) -> VertexKind {
        match vertex.checked_sub(self.version_count) {
            None => VertexKind::Version,
            Some(helper) => self.helpers[helper as usize],
        }
    }

    /// Calls `add` with the edges that follow from a choice. All of them touch the chosen version.
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

    /// Adds the chains of one session. Returns whether a version that it wrote or read precedes a read of the initial
    /// value.
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
        // Operations that completed after the last invocation precede nothing and join no chain.
        needs_initial
    }

    /// Adds the completed operation `a` to the chains.
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

    /// Adds edges from the chains to the invoked operation `b`. Returns whether `b` is a read of the initial value
    /// that follows another version.
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
                // The client of an indeterminate operation never learned what it read.
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

    /// Adds the chain of all writes in real-time order.
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

    /// Adds a vertex for each token, in token order. Returns whether the initial value has a token.
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

/// A chain of helper vertices. Only its end is stored.
struct HelperChain {
    kind: VertexKind,
    end: u32,
    /// Whether an edge already leaves the end. If so, the end takes no more incoming edges.
    left: bool,
    /// Whether a choice or a version other than the initial one joined the chain.
    has_other: bool,
}

impl HelperChain {
    fn new(kind: VertexKind) -> Self {
        Self { kind, end: NONE, left: false, has_other: false }
    }

    /// The vertex that an operation which completes now points at.
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

    /// The vertex that leads to an operation invoked now; [`NONE`] if nothing has completed yet.
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
