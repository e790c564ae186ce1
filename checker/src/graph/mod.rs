//! Directed graphs of the size of a history.
//!
//! Most questions about a history come down to "is there a cycle among these constraints, and which is the
//! shortest?". A graph library for drawings does not survive them: a session of a million operations *is* a
//! path of a million vertices, and an algorithm that recurses along it overflows the stack. So this room has
//! three small things and no more:
//!
//! - [`Csr`]: vertices are `0..n`, edges lie in one flat vector, 8 bytes each, with a label of 32 bits that
//!   says where the edge came from.
//! - [`Components`]: strongly connected components in O(V + E) with an explicit stack, numbered in
//!   topological order, so that they are a witness order where there is no cycle.
//! - [`CycleSearch`]: the shortest cycle through a vertex, where *which* cycles count and what an edge costs
//!   is told by a small automaton ([`Walk`]): "at least one strict edge", "exactly one anti-dependency",
//!   "no two anti-dependencies in a row".

mod components;
mod csr;
mod shortest_cycle;

pub use components::Components;
pub use csr::{Csr, Edge, Graph};
pub use shortest_cycle::{CycleSearch, WalkAutomaton};
