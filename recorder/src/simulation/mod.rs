//! A small deterministic executor: tasks, a timeline that jumps, a network that misbehaves on purpose.
//!
//! **Why our own.** The ready-made simulator for tokio programs (turmoil) gives each host a runtime of its own
//! and polls all of them every millisecond of simulated time: time has steps of a millisecond, a paused clock
//! is that of one tokio version, and one run of ten seconds is ten thousand rounds even if nothing happens.
//! It shines where existing programs that use sockets are to be run unchanged. Here nothing uses sockets: the
//! embedded store's nodes are plain state machines that take messages. What remains to be simulated is a
//! queue of things to come, ordered by (time, order of asking), and futures to wake: `executor`, 150 lines.
//! Time is in nanoseconds, the order of everything follows from the seed and from nothing else, and the cost
//! is that of the events.
//!
//! **What makes it deterministic.** One thread. Tasks are polled in the order in which they were woken. Timers
//! of the same instant fire in the order in which they were set. No hash map is iterated, no clock read, no
//! address compared.

mod executor;
mod network;

pub use executor::{SimulatedClock, Simulation, SimulationStuck, Sleep};
pub use network::{SimulatedLink, SimulatedNetwork};
