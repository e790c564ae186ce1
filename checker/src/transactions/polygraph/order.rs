//! A topological order of a graph to which edges are added one at a time, and from which they are removed in reverse order.
//!
//! The algorithm is that of Pearce & Kelly, *A dynamic topological sort algorithm for directed acyclic graphs* (JEA 2006). When a new
//! edge contradicts the order, only the vertices between its ends are visited and reordered. Removing an edge takes constant time,
//! because the order still extends the remaining edges.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// The order, and the edges added so far.
pub(super) struct IncrementalOrder {
    position: Vec<u32>,
    at: Vec<u32>,
    out: Vec<Vec<(u32, u32)>>,
    into: Vec<Vec<u32>>,
    /// Scratch, by vertex: the last search that reached the vertex, and the edge by which it was reached.
    met: Vec<u32>,
    by: Vec<u32>,
    round: u32,
    /// The vertices that moved and were not drained since, some of them several times.
    moved: Vec<u32>,
}

const NONE: u32 = u32::MAX;
/// How many moves are remembered before they are counted once each, at least.
const MOVED_MAX: usize = 1 << 12;

impl IncrementalOrder {
    /// A graph without edges, with its vertices in this order.
    pub(super) fn new(at: Vec<u32>) -> Self {
        let mut position = vec![0; at.len()];
        for (place, &vertex) in (0u32..).zip(&at) {
            position[vertex as usize] = place;
        }
        let count = at.len();
        Self {
            position,
            at,
            out: vec![Vec::new(); count],
            into: vec![Vec::new(); count],
            met: vec![0; count],
            by: vec![NONE; count],
            round: 0,
            moved: Vec::new(),
        }
    }

    pub(super) fn position(&self, vertex: u32) -> u32 {
        self.position[vertex as usize]
    }

    /// The vertices, in order.
    pub(super) fn sequence(&self) -> &[u32] {
        &self.at
    }

    /// The ends of the edges that begin at a vertex.
    pub(super) fn successors(&self, vertex: u32) -> impl Iterator<Item = u32> {
        self.out[vertex as usize].iter().map(|&(to, _)| to)
    }

    /// Puts the vertices in another order that extends all edges.
    pub(super) fn rearrange(&mut self, at: Vec<u32>) {
        for (place, &vertex) in (0u32..).zip(&at) {
            self.position[vertex as usize] = place;
        }
        self.at = at;
        debug_assert!(self.extends_all_edges(), "the new order must extend the edges");
    }

    fn extends_all_edges(&self) -> bool {
        let leads_forward = |from: u32, to: u32| self.position(from) < self.position(to);
        (0u32..).zip(&self.out).all(|(from, out)| out.iter().all(|&(to, _)| leads_forward(from, to)))
    }

    /// Adds an edge. `steps` counts the edges that were visited.
    ///
    /// # Errors
    /// If the edge closes a cycle, it is not added. The error is the path from `to` back to `from`, as edge numbers in order.
    pub(super) fn add_edge(
        &mut self,
        number: u32,
        from: u32,
        to: u32,
        steps: &mut u64,
    ) -> Result<(), Vec<u32>> {
        if from == to {
            return Err(Vec::new());
        }
        let (low, high) = (self.position(to), self.position(from));
        if low < high {
            let forward = self.find_reachable(to, from, high, steps)?;
            let backward = self.find_leading(from, low, steps);
            self.reorder(forward, backward);
        }
        self.out[from as usize].push((to, number));
        self.into[to as usize].push(from);
        Ok(())
    }

    /// Removes the edge that was added last.
    pub(super) fn remove_last_edge(&mut self, from: u32, to: u32) {
        self.out[from as usize].pop();
        self.into[to as usize].pop();
    }

    /// Calls a function with each vertex that moved since the last call, perhaps several times.
    pub(super) fn drain_moved(&mut self, mut each: impl FnMut(u32)) {
        self.moved.drain(..).for_each(&mut each);
    }

    /// The vertices that can be reached from `start` through positions up to `last`. The error is the path to the goal, if the
    /// goal can be reached.
    fn find_reachable(
        &mut self,
        start: u32,
        goal: u32,
        last: u32,
        steps: &mut u64,
    ) -> Result<Vec<u32>, Vec<u32>> {
        self.round += 1;
        self.met[start as usize] = self.round;
        let mut parents: Vec<(u32, u32)> = vec![(NONE, NONE)];
        let mut reached = vec![start];
        let mut next = 0;
        while next < reached.len() {
            let vertex = reached[next];
            for &(to, number) in &self.out[vertex as usize] {
                *steps += 1;
                if to == goal {
                    let mut way = vec![number];
                    let mut at = next as u32;
                    while parents[at as usize].0 != NONE {
                        way.push(parents[at as usize].1);
                        at = parents[at as usize].0;
                    }
                    way.reverse();
                    return Err(way);
                }
                if self.met[to as usize] != self.round && self.position[to as usize] <= last {
                    self.met[to as usize] = self.round;
                    reached.push(to);
                    parents.push((next as u32, number));
                }
            }
            next += 1;
        }
        Ok(reached)
    }

    /// The vertices from which `start` can be reached through positions from `first` on.
    fn find_leading(&mut self, start: u32, first: u32, steps: &mut u64) -> Vec<u32> {
        self.round += 1;
        self.met[start as usize] = self.round;
        let mut leading = vec![start];
        let mut next = 0;
        while next < leading.len() {
            let vertex = leading[next];
            next += 1;
            for &from in &self.into[vertex as usize] {
                *steps += 1;
                if self.met[from as usize] != self.round && self.position[from as usize] >= first {
                    self.met[from as usize] = self.round;
                    leading.push(from);
                }
            }
        }
        leading
    }

    fn reorder(&mut self, mut forward: Vec<u32>, mut backward: Vec<u32>) {
        forward.sort_unstable_by_key(|&vertex| self.position[vertex as usize]);
        backward.sort_unstable_by_key(|&vertex| self.position[vertex as usize]);
        let all: Vec<u32> = backward.into_iter().chain(forward).collect();
        let mut places: Vec<u32> = all.iter().map(|&vertex| self.position[vertex as usize]).collect();
        places.sort_unstable();
        self.moved.extend(&all);
        if self.moved.len() > MOVED_MAX.max(4 * self.at.len()) {
            self.moved.sort_unstable();
            self.moved.dedup();
        }
        for (vertex, place) in all.into_iter().zip(places) {
            self.position[vertex as usize] = place;
            self.at[place as usize] = vertex;
        }
    }

    /// The path from one vertex to another that has the fewest edges which are not free, as edge numbers. Precondition: there is a path.
    pub(super) fn find_lightest_path(
        &mut self,
        start: u32,
        goal: u32,
        is_free: impl Fn(u32) -> bool,
        steps: &mut u64,
    ) -> Vec<u32> {
        let last = self.position(goal);
        // By vertex that was reached: the cost, the vertex before it, and the edge between the two.
        let mut reached: FxHashMap<u32, (u32, u32, u32)> = FxHashMap::default();
        reached.insert(start, (0, NONE, NONE));
        let mut queue = VecDeque::from([(0, start)]);
        while let Some((cost, vertex)) = queue.pop_front() {
            if vertex == goal {
                break;
            }
            if reached[&vertex].0 < cost {
                continue;
            }
            for &(to, number) in &self.out[vertex as usize] {
                *steps += 1;
                let free = is_free(number);
                let then = cost + u32::from(!free);
                let is_better = reached.get(&to).is_none_or(|known| then < known.0);
                if self.position[to as usize] <= last && is_better {
                    reached.insert(to, (then, vertex, number));
                    if free { queue.push_front((then, to)) } else { queue.push_back((then, to)) }
                }
            }
        }
        let (mut path, mut at) = (Vec::new(), goal);
        while at != start {
            let (_, before, number) = reached[&at];
            path.push(number);
            at = before;
        }
        path.reverse();
        path
    }

    /// The shortest path from one vertex to another along allowed edges, as edge numbers; `None` if there is no path.
    pub(super) fn find_shortest_path(
        &mut self,
        start: u32,
        goal: u32,
        allowed: impl Fn(u32) -> bool,
        steps: &mut u64,
    ) -> Option<Vec<u32>> {
        if self.position(start) > self.position(goal) {
            return None;
        }
        self.round += 1;
        self.met[start as usize] = self.round;
        self.by[start as usize] = NONE;
        let mut reached = vec![(start, NONE)];
        let mut next = 0;
        let last = self.position(goal);
        while next < reached.len() {
            let (vertex, _) = reached[next];
            for &(to, number) in &self.out[vertex as usize] {
                *steps += 1;
                if !allowed(number) || self.met[to as usize] == self.round {
                    continue;
                }
                if to == goal {
                    let mut way = vec![number];
                    let mut at = next as u32;
                    while at != 0 {
                        let (vertex, parent) = reached[at as usize];
                        way.push(self.by[vertex as usize]);
                        at = parent;
                    }
                    way.reverse();
                    return Some(way);
                }
                if self.position[to as usize] < last {
                    self.met[to as usize] = self.round;
                    self.by[to as usize] = number;
                    reached.push((to, next as u32));
                }
            }
            next += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// After any additions and removals, the order extends all edges. An edge is rejected exactly if it closes a cycle.
        #[test]
        fn the_order_extends_its_edges(edges in prop::collection::vec((0u32..9, 0u32..9, any::<bool>()), 1..60)) {
            let mut order = IncrementalOrder::new((0..9).collect());
            let mut kept: Vec<(u32, u32)> = Vec::new();
            for (number, (from, to, take_back)) in (0u32..).zip(edges) {
                let mut steps = 0;
                let mut reachable = [false; 9];
                reachable[to as usize] = true;
                for _ in 0..9 {
                    for &(a, b) in &kept {
                        reachable[b as usize] |= reachable[a as usize];
                    }
                }
                let added = order.add_edge(number, from, to, &mut steps);
                prop_assert_eq!(added.is_err(), reachable[from as usize]);
                if added.is_ok() {
                    kept.push((from, to));
                }
                if let (true, Some(&(from, to))) = (take_back, kept.last()) {
                    order.remove_last_edge(from, to);
                    kept.pop();
                }
                for &(a, b) in &kept {
                    prop_assert!(order.position(a) < order.position(b));
                }
            }
        }
    }
}
