//! Directed graphs of the size of a history.
//!
//! Most questions about a history have the form "is there a cycle among these constraints, and which is the
//! shortest?". General graph libraries fail on such graphs: a session of a million operations *is* a path of a
//! million vertices, and a recursive algorithm overflows the stack along it. So this module has three small tools and
//! no more:
//!
//! - [`Csr`]: vertices are `0..n`. Edges lie in one flat vector, 8 bytes each, with a label of 32 bits that says
//!   where the edge came from.
//! - [`Components`]: strongly connected components in O(V + E) with an explicit stack. They are numbered in
//!   topological order, so the numbers are a witness order if there is no cycle.
//! - [`CycleSearch`]: the shortest cycle through a vertex. A small automaton ([`WalkAutomaton`]) defines *which* cycles count
//!   and what an edge costs: "at least one strict edge", "exactly one anti-dependency", "no two anti-dependencies in
//!   a row".

mod components;
mod csr;
mod shortest_cycle;

pub use components::Components;
pub use csr::{Csr, Edge, Graph};
pub use shortest_cycle::{CycleSearch, WalkAutomaton};
