//! A thread with a network of its own.

use std::future::Future;
use std::process::Command;

/// Whether a network of our own is to be had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NetworkIsolation {
    /// The work runs in a network namespace that only it and its children are in.
    Own,
    /// It runs in the machine's network, because of this.
    Shared(String),
}

/// Runs async work on a thread in a network namespace of its own, if that is to be had, and returns what it
/// yields. Panics where the work panics.
///
/// All sockets that the work opens and all processes that it starts belong to that namespace. The runtime has
/// one thread: the namespace is the thread's, not the process's.
pub fn run_isolated<T, F>(work: impl FnOnce(NetworkIsolation) -> F + Send) -> T
where
    T: Send,
    F: Future<Output = T>,
{
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let isolation = match enter_network_namespace() {
                Ok(()) => NetworkIsolation::Own,
                Err(why) => NetworkIsolation::Shared(why),
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime with a timer and sockets").block_on(work(isolation))
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs async work in the machine's own network, on a runtime with a thread for each core.
pub fn run_in_machine_network<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime with a timer and sockets").block_on(work)
}

/// Makes this process root among users of its own, so that a user without privileges may have a network of its own.
/// Nothing outside is any more open to it than before; its files are its user's. Does nothing for root.
///
/// For the whole process and for good, and only before it has a second thread: the kernel refuses it later. Where it
/// is refused, everything is as before.
pub fn enter_user_namespace() -> Result<(), String> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if user.is_root() {
        return Ok(());
    }
    let no = |why: &dyn std::fmt::Display| format!("no users of its own: {why}");
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).map_err(|why| no(&why))?;
    // Groups must be given up before their map may be written.
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {user} 1")),
        ("gid_map", format!("0 {group} 1")),
    ] {
        std::fs::write(format!("/proc/self/{file}"), text).map_err(|why| no(&why))?;
    }
    Ok(())
}

fn enter_network_namespace() -> Result<(), String> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
        .map_err(|why| format!("no network namespace of its own: {why}"))?;
    // A new namespace has a loopback interface that is down.
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).output();
    match up {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("ip link set lo up: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(why) => Err(format!("the program ip: {why}")),
    }
}
