//! One assignment of sources to the reads: which operations took effect, and what precedes what.
//!
//! Sessions are cut into *lanes*. In a lane each operation completed before the next was invoked. A session without
//! overlap is one lane, a session with two browser tabs is two, and an operation that never completed has a lane of
//! its own. The past of an operation is then a prefix of every lane, and one number a lane represents it
//! (`clocks.rs`).
//!
//! Cost: O(n) times the number of operations that a session has in flight at once.

use super::facts::{INITIAL, RegisterFacts, RowRead};
use crate::graph::Edge;
use claims::Limits;
use histories::SessionId;
use rustc_hash::FxHashMap;

/// The label of a session-order edge.
pub(super) const SESSION: u32 = 0;
/// The label of an edge from a write to its reader.
pub(super) const READ_FROM: u32 = 1;
/// The label of an edge of real time.
pub(super) const REAL_TIME: u32 = 2;
/// The first label of an inferred edge; the labels continue by the number of the inference.
pub(super) const INFERRED: u32 = 3;

/// The lane of a vertex that did not take effect.
pub(super) const NO_LANE: u32 = u32::MAX;

/// The source of what a vertex read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ReadSource {
    /// It read nothing, or its source is open.
    None,
    /// The write of this vertex.
    Write(u32),
    /// The initial value.
    Initial,
}

/// The operations that took effect, with their sources. Vertices are the rows of the facts.
pub(super) struct CausalProblem<'a> {
    pub(super) facts: &'a RegisterFacts<'a>,
    pub(super) source: Vec<ReadSource>,
    /// The lane of each vertex; [`NO_LANE`] if the operation did not take effect.
    pub(super) lane: Vec<u32>,
    /// The place of each vertex in its lane, from 0.
    pub(super) place: Vec<u32>,
    pub(super) lanes: Vec<Vec<u32>>,
    /// Session order, without most of the edges that follow from others.
    pub(super) session_edges: Vec<Edge>,
    pub(super) writes: WritesByKey,
    /// A read that took effect, has several candidate sources, and has no assigned source.
    pub(super) open: Option<u32>,
}

/// The writes of each object, by lane and in lane order.
pub(super) struct WritesByKey {
    /// For each key, where its groups begin.
    starts: Vec<u32>,
    /// A lane, and where its writes begin. They end where those of the next group begin.
    groups: Vec<(u32, u32)>,
    writes: Vec<u32>,
}

impl WritesByKey {
    fn new(problem: &CausalProblem<'_>) -> Self {
        let of = |vertex: u32| (problem.key(vertex), problem.lane[vertex as usize]);
        let writes = Self::sort_writes(problem);
        let mut groups: Vec<(u32, u32)> = Vec::new();
        let mut starts = vec![0u32; problem.facts.key_count + 1];
        for (at, &vertex) in (0u32..).zip(&writes) {
            if at == 0 || of(writes[at as usize - 1]) != of(vertex) {
                groups.push((of(vertex).1, at));
                starts[of(vertex).0 as usize + 1] += 1;
            }
        }
        (1..starts.len()).for_each(|key| starts[key] += starts[key - 1]);
        groups.push((NO_LANE, writes.len() as u32));
        Self { starts, groups, writes }
    }

    /// All writes by object, those of each object by lane, and those of each lane in order. O(n): lanes are in order already.
    fn sort_writes(problem: &CausalProblem<'_>) -> Vec<u32> {
        let rows = &problem.facts.rows;
        let by_lane =
            || problem.lanes.iter().flatten().copied().filter(|&vertex| rows[vertex as usize].writes);
        let mut next = vec![0_u32; problem.facts.key_count + 1];
        by_lane().for_each(|vertex| next[problem.key(vertex) as usize + 1] += 1);
        (1..next.len()).for_each(|key| next[key] += next[key - 1]);
        let mut writes = vec![0; next.last().map_or(0, |&count| count as usize)];
        for vertex in by_lane() {
            let place = &mut next[problem.key(vertex) as usize];
            writes[*place as usize] = vertex;
            *place += 1;
        }
        writes
    }

    /// The writes of an object, for each lane that has any.
    pub(super) fn writes_by_lane(&self, key: u32) -> impl Iterator<Item = (u32, &[u32])> {
        let groups = self.starts[key as usize] as usize..self.starts[key as usize + 1] as usize;
        groups.map(|group| {
            let (lane, start) = self.groups[group];
            (lane, &self.writes[start as usize..self.groups[group + 1].1 as usize])
        })
    }
}

impl<'a> CausalProblem<'a> {
    /// `assigned` has the assumed source of each ambiguous read. `None` if the check was stopped.
    pub(super) fn new(
        facts: &'a RegisterFacts<'a>,
        assigned: &[Option<u32>],
        limits: &Limits<'_>,
    ) -> Option<Self> {
        let source_of = |read: RowRead| match read {
            RowRead::Nothing | RowRead::Nobody => ReadSource::None,
            RowRead::From(INITIAL) => ReadSource::Initial,
            RowRead::From(row) => ReadSource::Write(row),
            RowRead::OneOf(choice) => match assigned[choice as usize] {
                None => ReadSource::None,
                Some(INITIAL) => ReadSource::Initial,
                Some(row) => ReadSource::Write(row),
            },
        };
        let source: Vec<ReadSource> = facts.rows.iter().map(|row| source_of(row.read)).collect();
        let count = facts.rows.len();
        let mut problem = Self {
            facts,
            source,
            lane: vec![NO_LANE; count],
            place: vec![0; count],
            lanes: Vec::new(),
            session_edges: Vec::new(),
            writes: WritesByKey { starts: Vec::new(), groups: Vec::new(), writes: Vec::new() },
            open: None,
        };
        let live = problem.find_live();
        let is_open = |(vertex, row): &(usize, &super::facts::OperationRow)| {
            live[*vertex] && matches!(row.read, RowRead::OneOf(choice) if assigned[choice as usize].is_none())
        };
        problem.open = facts.rows.iter().enumerate().find(is_open).map(|(vertex, _)| vertex as u32);
        problem.cut_into_lanes(&live, limits)?;
        problem.writes = WritesByKey::new(&problem);
        (!limits.stop_requested()).then_some(problem)
    }

    pub(super) fn took_effect(&self, vertex: u32) -> bool {
        self.lane[vertex as usize] != NO_LANE
    }

    pub(super) fn vertex_count(&self) -> usize {
        self.source.len()
    }

    /// The object of a vertex, as a number below [`RegisterFacts::key_count`].
    pub(super) fn key(&self, vertex: u32) -> u32 {
        if self.facts.key_count == 1 { 0 } else { self.facts.rows[vertex as usize].key.raw() }
    }

    pub(super) fn session(&self, vertex: u32) -> SessionId {
        self.facts.rows[vertex as usize].session
    }

    /// Whether the vertex is a read or compare-and-set with a known source.
    pub(super) fn is_known_read(&self, vertex: u32) -> bool {
        self.took_effect(vertex) && self.source[vertex as usize] != ReadSource::None
    }

    /// The operations that took effect: those that completed, the writes that they read, what those read, and so on.
    fn find_live(&self) -> Vec<bool> {
        let mut live: Vec<bool> = self.facts.rows.iter().map(|row| row.is_ok()).collect();
        if live.iter().all(|&live| live) {
            return live;
        }
        for vertex in 0..live.len() {
            let mut at = self.source[vertex];
            if !live[vertex] || !self.facts.rows[vertex].is_ok() {
                continue;
            }
            while let ReadSource::Write(write) = at
                && !live[write as usize]
            {
                live[write as usize] = true;
                at = self.source[write as usize];
            }
        }
        live
    }

    /// `None` if the check was stopped.
    fn cut_into_lanes(&mut self, live: &[bool], limits: &Limits<'_>) -> Option<()> {
        let rows = &self.facts.rows;
        let mut open_lanes: FxHashMap<SessionId, Vec<u32>> = FxHashMap::default();
        for vertex in (0..rows.len()).filter(|&vertex| live[vertex]) {
            if vertex & 0xffff == 0 && limits.stop_requested() {
                return None;
            }
            let row = &rows[vertex];
            let lanes = open_lanes.entry(row.session).or_default();
            let mut own = None;
            let before = self.session_edges.len();
            // For each lane, the last operation that completed before this one was invoked.
            for (at, &lane) in lanes.iter().enumerate() {
                let members = &self.lanes[lane as usize];
                let last = members.len() - 1;
                let idle = rows[members[last] as usize].completed < row.invoked;
                let last_completed =
                    if idle { Some(members[last]) } else { last.checked_sub(1).map(|at| members[at]) };
                if idle && own.is_none() {
                    own = Some(at);
                }
                if let Some(from) = last_completed {
                    self.session_edges.push(Edge { from, to: vertex as u32, label: SESSION });
                }
            }
            // An edge is redundant if its source completed before the source of another edge was invoked.
            if self.session_edges.len() - before > 1 {
                let found = self.session_edges.split_off(before);
                let newest = found.iter().map(|edge| rows[edge.from as usize].invoked).max().unwrap_or(0);
                let counts = |edge: &Edge| rows[edge.from as usize].completed >= newest;
                self.session_edges.extend(found.into_iter().filter(counts));
            }
            let lane = match own {
                Some(at) if row.is_ok() => lanes[at],
                // An operation that never completes has a lane of its own, because nothing may follow it there.
                _ => {
                    let lane = self.lanes.len() as u32;
                    self.lanes.push(Vec::new());
                    if row.is_ok() {
                        lanes.push(lane);
                    }
                    lane
                }
            };
            self.lane[vertex] = lane;
            self.place[vertex] = self.lanes[lane as usize].len() as u32;
            self.lanes[lane as usize].push(vertex as u32);
        }
        Some(())
    }

    /// Edges from writes to their readers, restricted to the readers that `of` accepts.
    pub(super) fn read_edges(&self, of: impl Fn(u32) -> bool) -> impl Iterator<Item = Edge> {
        (0u32..).zip(&self.source).filter_map(move |(to, source)| match *source {
            ReadSource::Write(from) if self.took_effect(to) && of(to) => {
                Some(Edge { from, to, label: READ_FROM })
            }
            _ => None,
        })
    }
}
