//! The transitive closure of the edges that will not be removed, as rows of bits.

use super::order::IncrementalOrder;
use claims::Limits;

/// The maximum size of a closure in bytes: 46,000 moments.
const BYTES_MAX: usize = 256 << 20;
/// How often the stop flag is looked at, in vertices.
const VERTICES_BETWEEN_LOOKS: usize = 1 << 8;

/// Which vertices reach which, along edges that will not be removed.
pub(super) struct CertainReachability {
    words: usize,
    /// By vertex: one bit for each vertex that it reaches.
    rows: Vec<u64>,
}

impl CertainReachability {
    /// The closure of the edges of an order. `None` if it takes more than `bytes`, or if the check was stopped.
    ///
    /// `steps` counts the rows that were visited. The time is at most the number of edges times the length of a row. An edge to a vertex
    /// that is already reached takes constant time.
    pub(super) fn compute(
        order: &IncrementalOrder,
        bytes: usize,
        steps: &mut u64,
        limits: &Limits<'_>,
    ) -> Option<Self> {
        let count = order.sequence().len();
        let words = count.div_ceil(64);
        if (count * words).saturating_mul(8) > bytes.min(BYTES_MAX) {
            return None;
        }
        let mut closure = Self { words, rows: vec![0; count * words] };
        let mut row = vec![0_u64; words];
        let mut successors = Vec::new();
        for (place, &vertex) in order.sequence().iter().rev().enumerate() {
            if place.is_multiple_of(VERTICES_BETWEEN_LOOKS) && limits.stop_requested() {
                return None;
            }
            successors.clear();
            successors.extend(order.successors(vertex));
            // The nearest first: they reach most of the others.
            successors.sort_unstable_by_key(|&to| order.position(to));
            row.fill(0);
            for &to in &successors {
                if row[to as usize / 64] >> (to % 64) & 1 == 1 {
                    continue;
                }
                *steps += 1;
                let of_other = &closure.rows[to as usize * words..][..words];
                row.iter_mut().zip(of_other).for_each(|(word, other)| *word |= other);
                row[to as usize / 64] |= 1 << (to % 64);
            }
            closure.rows[vertex as usize * words..][..words].copy_from_slice(&row);
        }
        Some(closure)
    }

    /// The vertices in the order of their expected places. Let `b` vertices be certainly before a vertex, and `a` behind it: then its place
    /// is expected at the share `b / (b + a)`. The order extends all edges, because the end of an edge has more vertices before it than its
    /// beginning, and fewer behind it.
    ///
    /// O(v · v) for v vertices. Vertices of equal share stay in the order of `sequence`.
    pub(super) fn order_by_share(&self, sequence: &[u32]) -> Vec<u32> {
        let (mut before, mut behind) = (vec![1_u64; sequence.len()], vec![1_u64; sequence.len()]);
        for (vertex, row) in self.rows.chunks_exact(self.words.max(1)).enumerate() {
            for (word, &bits) in row.iter().enumerate() {
                behind[vertex] += u64::from(bits.count_ones());
                let mut rest = bits;
                while rest != 0 {
                    before[word * 64 + rest.trailing_zeros() as usize] += 1;
                    rest &= rest - 1;
                }
            }
        }
        let share = |vertex: u32| (before[vertex as usize], behind[vertex as usize]);
        let mut order = sequence.to_vec();
        order.sort_by(|&one, &other| {
            let ((before, behind), (other_before, other_behind)) = (share(one), share(other));
            (before * other_behind).cmp(&(other_before * behind))
        });
        order
    }

    /// Whether a path leads from one vertex to another.
    pub(super) fn reaches(&self, from: u32, to: u32) -> bool {
        self.rows[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closure_has_what_a_search_reaches() {
        let count = 300;
        let mut order = IncrementalOrder::new((0..count).collect());
        let mut state = 1_u32;
        let mut draw = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        // Some edges lead back in the first order, so that positions are no longer numbers.
        for number in 0..count {
            let _closes_a_cycle = order.add_edge(number, draw(count), draw(count), &mut 0);
        }
        let closure = CertainReachability::compute(&order, usize::MAX, &mut 0, &Limits::unbounded())
            .expect("it is small");
        let mut reached_any = 0;
        for start in 0..count {
            let (mut reached, mut todo) = (vec![false; count as usize], vec![start]);
            while let Some(vertex) = todo.pop() {
                for to in order.successors(vertex) {
                    if !std::mem::replace(&mut reached[to as usize], true) {
                        todo.push(to);
                    }
                }
            }
            for (to, reached) in (0..count).zip(reached) {
                assert_eq!(closure.reaches(start, to), reached, "from {start} to {to}");
                reached_any += u32::from(reached);
            }
        }
        assert!(reached_any > 1_000, "{reached_any}");
        assert!(CertainReachability::compute(&order, 1_000, &mut 0, &Limits::unbounded()).is_none());
    }
}
