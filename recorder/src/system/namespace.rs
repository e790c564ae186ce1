//! Threads with their own network.

use std::future::Future;
use std::process::Command;

/// Whether the work has its own network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NetworkIsolation {
    /// The work runs in a network namespace that only its thread and its children are in.
    Own,
    /// The work runs in the machine's network, for this reason.
    Shared(String),
}

/// Runs async work on a thread in its own network namespace, if one is available, and returns its output.
///
/// All sockets that the work opens and all processes that it starts belong to that namespace. The runtime has one
/// thread, because the namespace belongs to the thread and not to the process.
///
/// # Panics
/// If the work panics.
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

/// Runs async work in the machine's network, on a runtime with a thread for each core.
pub fn run_in_machine_network<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime with a timer and sockets").block_on(work)
}

/// Makes this process root in its own user namespace, so that a user without privileges can create a network
/// namespace. The process gets no additional rights outside, and its files belong to the same user as before. For
/// root this does nothing.
///
/// It affects the whole process, permanently, and works only before the process has a second thread. If the kernel
/// refuses, nothing changes.
pub fn enter_user_namespace() -> Result<(), String> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if user.is_root() {
        return Ok(());
    }
    let no = |why: &dyn std::fmt::Display| format!("no users of its own: {why}");
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).map_err(|why| no(&why))?;
    // The kernel allows writing the map of groups only after `setgroups` has been denied.
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
    // The loopback interface of a new namespace is down.
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).output();
    match up {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("ip link set lo up: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(why) => Err(format!("the program ip: {why}")),
    }
}
