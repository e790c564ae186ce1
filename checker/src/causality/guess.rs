//! Guesses one order that explains all reads at once. The guess is right for every linearizable history.
//!
//! A *block* is a write, its reads, and the chain of compare-and-sets that follow from it; it must stay together. Let
//! `m` be the first completion in a block and `M` its last invocation. Block A must precede B in real time if `m(A) <
//! M(B)`. If no two blocks must each precede the other (Gibbons & Korach), sorting by `m + M` respects all of this:
//! `m(A) < M(B)` and `M(A) <= m(B)` give A the smaller sum. In that order, each operation of an object happens as
//! soon as it can, and these moments merge the objects into one order.
//!
//! For other histories the order is only a guess. It is replayed, and dropped if a read fails. O(n log n).

use super::problem::{CausalProblem, NO_LANE, ReadSource};
use claims::Limits;
use rustc_hash::FxHashMap;

/// Marks a vertex that is in no block.
const NO_BLOCK: u32 = u32::MAX;
/// The block of the initial values, which comes before all others.
const INITIALLY: u32 = u32::MAX - 1;

/// An order of all operations that took effect. It is legal and extends session order. `None` if the guess is wrong, or if the check was
/// stopped.
pub(super) fn guess_order(problem: &CausalProblem<'_>, limits: &Limits<'_>) -> Option<Vec<u32>> {
    if problem.open.is_some() {
        return None;
    }
    let rows = &problem.facts.rows;
    let goes_on = || (!limits.stop_requested()).then_some(());
    let blocks = WriteBlocks::new(problem)?;
    goes_on()?;
    let mut sequence: Vec<(u32, u64, u32, u32, u32, u32)> = Vec::with_capacity(problem.vertex_count());
    for vertex in (0..problem.vertex_count() as u32).filter(|&vertex| problem.took_effect(vertex)) {
        let (block, rank) = blocks.block_and_rank(problem, vertex);
        let sum = if block == INITIALLY { 0 } else { blocks.sum[block as usize] };
        let block = if block == INITIALLY { 0 } else { block + 1 };
        sequence.push((
            problem.key(vertex),
            sum,
            block,
            rank,
            u32::from(!rows[vertex as usize].writes),
            vertex,
        ));
    }
    goes_on()?;
    sequence.sort_unstable();
    goes_on()?;
    let mut moments: Vec<(u32, u32)> = Vec::with_capacity(sequence.len());
    let (mut key, mut moment) = (None, 0);
    for &(of, .., vertex) in &sequence {
        if key != Some(of) {
            (key, moment) = (Some(of), 0);
        }
        moment = moment.max(rows[vertex as usize].invoked);
        moments.push((moment, vertex));
    }
    // Each moment is an invocation, so two objects share no moment. Equal moments are already in order, and the sort
    // is stable.
    goes_on()?;
    moments.sort_by_key(|&(moment, _)| moment);
    goes_on()?;
    let order: Vec<u32> = moments.into_iter().map(|(_, vertex)| vertex).collect();
    explains_reads(problem, &order).then_some(order)
}

/// Blocks of operations that must stay together.
struct WriteBlocks {
    /// The block of each write.
    block: Vec<u32>,
    /// For each write, how many compare-and-sets of its block come before it.
    rank: Vec<u32>,
    /// For the block that begins with a vertex, the sum of its first completion and its last invocation.
    sum: Vec<u64>,
}

impl WriteBlocks {
    fn new(problem: &CausalProblem<'_>) -> Option<Self> {
        let rows = &problem.facts.rows;
        let count = problem.vertex_count();
        let writes = |vertex: u32| rows[vertex as usize].writes && problem.took_effect(vertex);
        let mut next = vec![NO_BLOCK; count];
        let mut heads: Vec<(u32, u32)> = Vec::new();
        let mut initial: FxHashMap<u32, u32> = FxHashMap::default();
        for vertex in (0..count as u32).filter(|&vertex| writes(vertex)) {
            let taken = match problem.source[vertex as usize] {
                ReadSource::None => {
                    heads.push((vertex, vertex));
                    None
                }
                ReadSource::Initial => {
                    heads.push((vertex, INITIALLY));
                    initial.insert(problem.key(vertex), vertex)
                }
                ReadSource::Write(write) => Some(std::mem::replace(&mut next[write as usize], vertex))
                    .filter(|&before| before != NO_BLOCK),
            };
            // Two compare-and-sets found the same version.
            if taken.is_some() {
                return None;
            }
        }
        let mut blocks = Self { block: vec![NO_BLOCK; count], rank: vec![0; count], sum: vec![0; count] };
        for (head, block) in heads {
            let (mut at, mut rank) = (head, u32::from(block == INITIALLY));
            while at != NO_BLOCK {
                (blocks.block[at as usize], blocks.rank[at as usize]) = (block, rank);
                (at, rank) = (next[at as usize], rank + 1);
            }
        }
        // Compare-and-sets that form a cycle.
        if (0..count as u32).any(|vertex| writes(vertex) && blocks.block[vertex as usize] == NO_BLOCK) {
            return None;
        }
        blocks.compute_sums(problem);
        Some(blocks)
    }

    fn compute_sums(&mut self, problem: &CausalProblem<'_>) {
        let mut ends = vec![(u32::MAX, 0u32); problem.vertex_count()];
        for vertex in
            (0..problem.vertex_count() as u32).filter(|&vertex| problem.lane[vertex as usize] != NO_LANE)
        {
            let (block, _) = self.block_and_rank(problem, vertex);
            if block != INITIALLY {
                let row = &problem.facts.rows[vertex as usize];
                let (first, last) = &mut ends[block as usize];
                (*first, *last) = (row.completed.min(*first), row.invoked.max(*last));
            }
        }
        self.sum = ends.into_iter().map(|(first, last)| u64::from(first) + u64::from(last)).collect();
    }

    /// The block of a vertex, and the number of compare-and-sets before it in the block.
    fn block_and_rank(&self, problem: &CausalProblem<'_>, vertex: u32) -> (u32, u32) {
        if problem.facts.rows[vertex as usize].writes {
            return (self.block[vertex as usize], self.rank[vertex as usize]);
        }
        match problem.source[vertex as usize] {
            ReadSource::Write(write) => (self.block[write as usize], self.rank[write as usize]),
            _ => (INITIALLY, 0),
        }
    }
}

/// Whether an order is legal and extends session order.
fn explains_reads(problem: &CausalProblem<'_>, order: &[u32]) -> bool {
    let mut holds: Vec<ReadSource> = vec![ReadSource::Initial; problem.facts.key_count];
    let mut invoked = vec![0u32; problem.facts.session_count];
    order.iter().all(|&vertex| {
        let row = &problem.facts.rows[vertex as usize];
        let holds = &mut holds[problem.key(vertex) as usize];
        let legal =
            matches!(problem.source[vertex as usize], source if source == ReadSource::None || source == *holds);
        if row.writes {
            *holds = ReadSource::Write(vertex);
        }
        let newest = &mut invoked[row.session_number as usize];
        let in_order = row.completed > *newest;
        *newest = row.invoked.max(*newest);
        legal && in_order
    })
}
