//! What the recorder does to the machine that it runs on, and how all of it is undone.
//!
//! The naive way is to note what was started and configured, and to undo it at the end. A crash then leaves servers
//! running and rules in force. Here the kernel undoes it:
//!
//! - Servers and firewall rules live in their own **network namespace**, which has no name and no file. It belongs to
//!   one thread of this process and to the servers that the thread started. It disappears with the last of them,
//!   together with its addresses and rules.
//! - Each server is started with a **parent-death signal**: when that thread ends, for whatever reason, SIGKILL of
//!   this process included, the kernel kills the server, paused or not.
//! - A server's own disk is mounted in a **mount namespace** of that thread and disappears with it.
//! - After a SIGKILL, a folder of files remains, which [`clean`] finds by its name. Before a run pauses a process
//!   that it did not start, it notes the process in this folder, because the kernel does not undo the pause.
//! - Code that must end the process without unwinding calls [`kill_descendants_and_clean`].

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
mod ports;
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
pub use leave::{kill_descendants_and_clean, kill_process_group};
pub use machine::{Machine, MachineNeeds, Machines};
pub use namespace::{NetworkIsolation, enter_user_namespace, run_in_machine_network, run_isolated};
pub use network::{FaultyNetwork, Means};
pub(crate) use ports::find_free_port;
pub use preload::{Control, Preload};
pub use process::{Launch, Server, ServerError, find_program};
pub use proxy::{
    Carried, Direction, Flow, Gate, LinkCounts, MessageCounter, Proxy, ProxyLink, RedisCommands, Uncounted,
};
pub(crate) use sources::set_source_addresses;
pub use struck::{OutstandingFault, StruckNotes};
