//! What the recorder does to the machine it runs on, and how all of it is undone.
//!
//! The naive way is to note what was started and configured and to undo it at the end; then a crash leaves
//! servers running and rules in force. Here the kernel does the undoing:
//!
//! - Servers and rules live in a **network namespace** of their own that has no name and no file. It belongs
//!   to one thread of ours and to the servers which that thread started, and is gone with the last of them,
//!   addresses and firewall rules included.
//! - Each server is started with a **parent-death signal**: when that thread ends, for whatever reason, SIGKILL
//!   of this process included, the kernel kills the server, paused or not.
//! - A disk of a server's own is mounted in a **mount namespace** of that thread, and gone with it.
//! - What remains after a SIGKILL is a folder of files, which [`clean`] finds by its name. In it are noted, before it
//!   happens, processes of others that a run pauses: they are the one thing that the kernel does not undo.
//! - Whoever must leave without unwinding calls [`leave`].

mod capabilities;
mod clean;
mod disk;
mod folder;
mod given;
mod leave;
mod machine;
mod namespace;
mod network;
mod packets;
mod preload;
mod process;
mod proxy;
mod sources;
mod struck;

pub use capabilities::Capabilities;
pub use clean::{Cleaned, clean, clean_undoing};
pub use disk::Disk;
pub use folder::RunFolder;
pub use given::ForeignProcess;
pub use leave::kill_descendants_and_clean;
pub use machine::{Machine, MachineNeeds, Machines};
pub use namespace::{NetworkIsolation, enter_user_namespace, run_in_machine_network, run_isolated};
pub use network::{FaultyNetwork, Means};
pub use preload::{Control, Preload};
pub use process::{Launch, Server, ServerError, find_program};
pub use proxy::{
    Carried, Direction, Flow, Gate, LinkCounts, MessageCounter, Proxy, ProxyLink, RedisCommands, Uncounted,
};
pub(crate) use sources::set_source_addresses;
pub use struck::{Outstanding, StruckNotes};
