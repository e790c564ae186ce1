//! A small deterministic executor: tasks, a clock that jumps from event to event, and a network that can be made to
//! misbehave.
//!
//! **Why not an existing one.** The ready-made simulator for tokio programs (turmoil) gives each host a runtime of
//! its own and polls all of them every millisecond of simulated time. Its time has steps of a millisecond, its paused
//! clock belongs to one tokio version, and a run of ten seconds costs ten thousand rounds even if nothing happens. It
//! is at its best where existing programs that use sockets run unchanged. Nothing here uses sockets: the nodes of the
//! embedded store are plain state machines that take messages. What remains to be simulated is a queue of future
//! events, ordered by (time, order of asking), and futures to wake: `executor`, 150 lines. Time is in nanoseconds,
//! the order of events follows from the seed alone, and the cost is proportional to the number of events.
//!
//! **What makes it deterministic.** There is one thread. Tasks are polled in the order in which they were woken.
//! Timers of the same instant fire in the order in which they were set. The code iterates over no hash map, reads no
//! clock, and compares no addresses.

mod executor;
mod network;

pub use executor::{SimulatedClock, Simulation, SimulationStuck, Sleep};
pub use network::{SimulatedLink, SimulatedNetwork};
