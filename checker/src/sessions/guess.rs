//! Proposals for which write each ambiguous read returned: good ones, fast, with no promise.
//!
//! Once the *order* of the versions is fixed, the choices are easy: the guarantees ask of a read only that it
//! returns nothing older than something, and of what comes after it that it is newer. So the oldest version
//! that is allowed is the best choice for everything that follows, and one pass in session order makes all
//! choices. Orders to try come from the clock: stores mostly order writes as they arrive. Where the
//! constraints that are known contradict the clock, they go first: the order is topological, and the clock
//! only breaks its ties.
//!
//! A proposal that fits is a proof that the level holds, checked like any other. One that does not proves
//! nothing: then the search begins.
//!
//! Cost: O(n log n) a proposal.

use super::guarantees::Guarantees;
use super::objects::{INITIAL, ObjectRow, SessionObject, VersionRead};
use super::version_graph::VersionGraph;
use crate::graph::{Components, Csr, Graph};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Versions for the choices of an object, by one order after the other. Without the choices, `graph` must have
/// no contradiction.
pub(super) fn propose_choices(
    object: &SessionObject<'_>,
    graph: &VersionGraph,
    csr: &Csr,
    components: &Components,
    guarantees: Guarantees,
) -> impl Iterator<Item = Vec<Option<u32>>> {
    let completed = |row: &ObjectRow| if row.is_ok() { row.completed } else { row.invoked };
    let clocks: [fn(&ObjectRow) -> u32; 2] = [completed, |row| row.invoked];
    clocks.into_iter().map(move |clock| {
        let ranks = rank_versions(object, graph, csr, components, clock);
        Chooser::new(object, ranks).choose_all(guarantees)
    })
}

/// The place of each version in a topological order of what is known, in the order of a clock where that is open.
fn rank_versions(
    object: &SessionObject<'_>,
    graph: &VersionGraph,
    csr: &Csr,
    components: &Components,
    clock: fn(&ObjectRow) -> u32,
) -> Vec<u32> {
    let of = |vertex: u32| components.of[vertex as usize];
    let mut time = vec![0; components.count as usize];
    let writes = object.rows.iter().filter(|row| row.wrote != INITIAL);
    writes.for_each(|row| time[of(row.wrote) as usize] = clock(row));
    let mut version_in = vec![None; components.count as usize];
    (0..graph.version_count).for_each(|version| version_in[of(version) as usize] = Some(version));
    let (starts, members) = components.members();
    let edges = |component: u32| {
        let range = starts[component as usize] as usize..starts[component as usize + 1] as usize;
        let vertices = members[range].iter();
        vertices
            .flat_map(|&vertex| csr.edges(vertex))
            .map(|edge| of(edge.to))
            .filter(move |&to| to != component)
    };
    let mut waits_for = vec![0u32; components.count as usize];
    (0..components.count).flat_map(edges).for_each(|to| waits_for[to as usize] += 1);
    let ready = (0..components.count).filter(|&component| waits_for[component as usize] == 0);
    let mut ready: BinaryHeap<_> =
        ready.map(|component| Reverse((time[component as usize], component))).collect();
    let (mut ranks, mut next) = (vec![0; graph.version_count as usize], 1);
    while let Some(Reverse((_, component))) = ready.pop() {
        if let Some(version) = version_in[component as usize].filter(|&version| version != INITIAL) {
            ranks[version as usize] = next;
            next += 1;
        }
        for to in edges(component) {
            waits_for[to as usize] -= 1;
            if waits_for[to as usize] == 0 {
                ready.push(Reverse((time[to as usize], to)));
            }
        }
    }
    ranks
}

/// Chooses, for a fixed order of versions, the oldest that is allowed.
struct Chooser<'a> {
    object: &'a SessionObject<'a>,
    ranks: Vec<u32>,
    /// The versions of each class, oldest first.
    classes: Vec<Vec<u32>>,
    chosen: Vec<Option<u32>>,
}

impl<'a> Chooser<'a> {
    fn new(object: &'a SessionObject<'a>, ranks: Vec<u32>) -> Self {
        let mut classes = object.classes.to_vec();
        classes.iter_mut().for_each(|class| class.sort_unstable_by_key(|&version| ranks[version as usize]));
        Self { object, ranks, classes, chosen: vec![None; object.choices.len()] }
    }

    fn choose_all(mut self, guarantees: Guarantees) -> Vec<Option<u32>> {
        for session in self.object.rows.chunk_by(|a, b| a.session == b.session) {
            self.choose_in_session(session, guarantees);
        }
        self.chosen
    }

    /// A pass over one session with the newest version that it has read, and written, so far.
    fn choose_in_session(&mut self, rows: &[ObjectRow], guarantees: Guarantees) {
        let (mut newest_read, mut newest_written) = (0, 0);
        let mut open = BinaryHeap::new();
        for (at, row) in rows.iter().enumerate() {
            while let Some(&Reverse((completed, a))) = open.peek()
                && completed < row.invoked
            {
                let a: &ObjectRow = &rows[a];
                newest_read =
                    newest_read.max(self.version_read(a).map_or(0, |version| self.ranks[version as usize]));
                newest_written = newest_written.max(self.ranks[a.wrote as usize]);
                open.pop();
            }
            if let VersionRead::Choice(choice) = row.read() {
                let read_floor = if guarantees.monotonic_reads { newest_read } else { 0 };
                let write_floor = if guarantees.read_your_writes { newest_written } else { 0 };
                let floor = if row.is_ok() { read_floor.max(write_floor) } else { 0 };
                self.chosen[choice as usize] = Some(self.oldest_allowed(choice as usize, row, floor));
            }
            if row.is_ok() {
                open.push(Reverse((row.completed, at)));
            }
        }
    }

    fn version_read(&self, row: &ObjectRow) -> Option<u32> {
        match row.read() {
            VersionRead::Nothing => None,
            VersionRead::Version(version) => Some(version),
            VersionRead::Choice(choice) => self.chosen[choice as usize],
        }
    }

    /// The oldest candidate from a rank on; the newest if all are older.
    fn oldest_allowed(&self, choice: usize, row: &ObjectRow, floor: u32) -> u32 {
        let class = &self.classes[self.object.choices[choice].class as usize];
        let own = |version: &u32| row.wrote != INITIAL && *version == row.wrote;
        let from = class.partition_point(|&version| self.ranks[version as usize] < floor);
        let newer = class[from..].iter().copied().find(|version| !own(version));
        let older = || class[..from].iter().copied().rev().find(|version| !own(version));
        newer.or_else(older).expect("a choice has two candidates")
    }
}
