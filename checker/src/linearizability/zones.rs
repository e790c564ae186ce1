//! Registers whose values are written once: Gibbons & Korach's zones, in one sort and one sweep.
//!
//! When every value has one writer, each read names the write that it follows, so all operations on one value
//! (its *cluster*) stand next to each other in every legal order. A compare-and-set from a to b glues the
//! cluster of b to the end of that of a. What is left to find is an order of these *blocks*.
//!
//! Let m be the first response in a block and M its last invocation. Block B must come before A if something
//! in B finished before something in A began: m(B) < M(A). Such an order exists if and only if no two blocks must
//! each precede the other: in a longer cycle the block with the largest M comes after every other one of the
//! cycle, its successor included, and that is a cycle of two. Gibbons & Korach (SIAM J. Comput. 26(4), 1997,
//! section 4) say the same with *zones*: no two forward zones [m, M] overlap, no backward zone [M, m] lies inside
//! a forward one.
//!
//! Ordered by min(m, M), blocks without such a pair already stand in a right order: if A comes before B in it and
//! yet m(B) < M(A), then min(m(A), M(A)) ≤ m(B) < M(A), so m(A) is the minimum, m(A) < M(B), and the two are such
//! a pair. So one sort and one sweep with the largest M so far decide, and give the order or the pair.
//!
//! An indeterminate write counts with a response at infinity if its value was read, and not at all if it was not
//! (`register::steps` leaves it out). The initial value is a write before all events. Cost: O(n log n).

use super::register::{Access, RegisterStep};
use histories::{NEVER, ValueId};
use rustc_hash::FxHashMap;

/// What the zones of a register say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ZonesResult {
    /// An order of the steps, by place, that explains them all.
    Order(Vec<u32>),
    /// Values no order of which explains the steps: those of one block, or of two that must precede each other.
    Conflict(Vec<ValueId>),
    /// Some value has two writers, or a failed compare-and-set observes: another engine's case.
    Ambiguous,
}

const NONE: u32 = u32::MAX;

/// The operations on one value.
struct ValueCluster {
    value: ValueId,
    /// The step that wrote it; [`NONE`] for the initial value.
    writer: u32,
    /// The compare-and-set that replaced it, and the cluster that this one made.
    successor: Option<(u32, u32)>,
    /// Where its reads are in the list of reads by cluster.
    reads: std::ops::Range<usize>,
}

/// A chain of clusters that stand next to each other in every order.
struct ClusterBlock {
    head: u32,
    first_response: u32,
    last_invocation: u32,
}

pub(crate) fn decide_by_zones(steps: &[RegisterStep], initial: ValueId) -> ZonesResult {
    let Some((clusters, reads)) = (match build_clusters(steps, initial) {
        Ok(found) => found,
        Err(conflict) => return conflict,
    }) else {
        return ZonesResult::Ambiguous;
    };
    let mut blocks = Vec::with_capacity(clusters.len());
    let mut reached = 0;
    for head in 0..clusters.len() as u32 {
        if begins_block(&clusters[head as usize], steps) {
            match build_block(head, &clusters, &reads, steps) {
                Ok((block, length)) => {
                    reached += length;
                    blocks.push(block);
                }
                Err(values) => return ZonesResult::Conflict(values),
            }
        }
    }
    if reached < clusters.len() {
        return ZonesResult::Conflict(find_value_cycle(&clusters, steps));
    }
    blocks.sort_unstable_by_key(|block| block.first_response.min(block.last_invocation));
    let mut latest: Option<&ClusterBlock> = None;
    for block in &blocks {
        if let Some(before) = latest.filter(|before| block.first_response < before.last_invocation) {
            let mut values = block_values(before.head, &clusters);
            values.extend(block_values(block.head, &clusters));
            return ZonesResult::Conflict(values);
        }
        if latest.is_none_or(|before| before.last_invocation < block.last_invocation) {
            latest = Some(block);
        }
    }
    ZonesResult::Order(order_steps(&blocks, &clusters, &reads, steps.len()))
}

/// Clusters and the reads sorted by cluster; `None` if reads-from is ambiguous; a conflict if a value that
/// nobody wrote was read, or if two compare-and-sets replaced one value.
#[allow(clippy::type_complexity, reason = "used once, right above")]
fn build_clusters(
    steps: &[RegisterStep],
    initial: ValueId,
) -> Result<Option<(Vec<ValueCluster>, Vec<u32>)>, ZonesResult> {
    let cluster = |value, writer| ValueCluster { value, writer, successor: None, reads: 0..0 };
    let mut clusters = vec![cluster(initial, NONE)];
    let mut of_value: FxHashMap<ValueId, u32> = FxHashMap::default();
    of_value.insert(initial, 0);
    for (place, step) in steps.iter().enumerate() {
        if let Access::Differs(_) = step.access {
            return Ok(None);
        }
        if let Some(value) = step.written_value() {
            if of_value.insert(value, clusters.len() as u32).is_some() {
                return Ok(None);
            }
            clusters.push(cluster(value, place as u32));
        }
    }
    let mut read_of = Vec::with_capacity(steps.len());
    for (place, step) in steps.iter().enumerate() {
        let Some(value) = step.wanted_value() else { continue };
        let &from = of_value.get(&value).ok_or_else(|| ZonesResult::Conflict(vec![value]))?;
        match step.access {
            Access::Cas(_, new) => {
                let successor = &mut clusters[from as usize].successor;
                if successor.is_some() {
                    return Err(ZonesResult::Conflict(vec![value]));
                }
                *successor = Some((place as u32, of_value[&new]));
            }
            _ => read_of.push((from, place as u32)),
        }
    }
    Ok(Some(sort_reads_by_cluster(clusters, &read_of)))
}

/// Reads by cluster, in order of invocation: a counting sort.
fn sort_reads_by_cluster(
    mut clusters: Vec<ValueCluster>,
    read_of: &[(u32, u32)],
) -> (Vec<ValueCluster>, Vec<u32>) {
    for &(from, _) in read_of {
        clusters[from as usize].reads.end += 1;
    }
    let mut start = 0;
    for cluster in &mut clusters {
        let count = cluster.reads.end;
        cluster.reads = start..start;
        start += count;
    }
    let mut reads = vec![0; read_of.len()];
    for &(from, place) in read_of {
        let end = &mut clusters[from as usize].reads.end;
        reads[*end] = place;
        *end += 1;
    }
    (clusters, reads)
}

/// Whether a block begins here: at the initial value or a blind write.
fn begins_block(cluster: &ValueCluster, steps: &[RegisterStep]) -> bool {
    cluster.writer == NONE || matches!(steps[cluster.writer as usize].access, Access::Write(_))
}

/// The block that begins at `head` and how many clusters it has, or its values if its own operations
/// contradict their order: a later one finished before an earlier one began.
fn build_block(
    head: u32,
    clusters: &[ValueCluster],
    reads: &[u32],
    steps: &[RegisterStep],
) -> Result<(ClusterBlock, usize), Vec<ValueId>> {
    let mut block = ClusterBlock { head, first_response: NEVER, last_invocation: 0 };
    if clusters[head as usize].writer == NONE {
        block.first_response = 0;
    }
    let (mut at, mut length) = (head, 0);
    loop {
        let cluster = &clusters[at as usize];
        length += 1;
        let mut fits = cluster.writer == NONE || block.admit_step(&steps[cluster.writer as usize]);
        let before_reads = block.last_invocation;
        for &read in &reads[cluster.reads.clone()] {
            let read = &steps[read as usize];
            fits &= read.returned >= before_reads;
            block.include_step(read);
        }
        if !fits {
            let mut values = block_values(head, clusters);
            values.truncate(length);
            return Err(values);
        }
        let Some((_, next)) = cluster.successor else { return Ok((block, length)) };
        at = next;
    }
}

impl ClusterBlock {
    /// Takes a step in after all that are in; false if it finished before one of them began.
    fn admit_step(&mut self, step: &RegisterStep) -> bool {
        let fits = step.returned >= self.last_invocation;
        self.include_step(step);
        fits
    }

    /// Positions count from one here, so that the initial value can come before them all.
    fn include_step(&mut self, step: &RegisterStep) {
        self.first_response = self.first_response.min(step.returned.saturating_add(1));
        self.last_invocation = self.last_invocation.max(step.invoked + 1);
    }
}

/// The values of the block that begins at `head`.
fn block_values(head: u32, clusters: &[ValueCluster]) -> Vec<ValueId> {
    let mut values = vec![clusters[head as usize].value];
    let mut at = head;
    while let Some((_, next)) = clusters[at as usize].successor {
        values.push(clusters[next as usize].value);
        at = next;
    }
    values
}

/// Values that compare-and-sets make of one another in a ring, so that none can be the first.
fn find_value_cycle(clusters: &[ValueCluster], steps: &[RegisterStep]) -> Vec<ValueId> {
    let mut reached = vec![false; clusters.len()];
    for head in (0..clusters.len()).filter(|&head| begins_block(&clusters[head], steps)) {
        let mut at = head;
        reached[at] = true;
        while let Some((_, next)) = clusters[at].successor {
            at = next as usize;
            reached[at] = true;
        }
    }
    let start = reached.iter().position(|&reached| !reached).expect("some cluster is in no block");
    let mut values = Vec::new();
    let mut at = start;
    loop {
        values.push(clusters[at].value);
        match clusters[at].successor {
            Some((_, next)) if next as usize != start => at = next as usize,
            _ => return values,
        }
    }
}

/// The steps block by block: each write, its reads, and the compare-and-set that ends it.
fn order_steps(blocks: &[ClusterBlock], clusters: &[ValueCluster], reads: &[u32], len: usize) -> Vec<u32> {
    let mut order = Vec::with_capacity(len);
    for block in blocks {
        let mut at = block.head;
        loop {
            let cluster = &clusters[at as usize];
            if cluster.writer != NONE {
                order.push(cluster.writer);
            }
            order.extend_from_slice(&reads[cluster.reads.clone()]);
            let Some((_, next)) = cluster.successor else { break };
            at = next;
        }
    }
    order
}
