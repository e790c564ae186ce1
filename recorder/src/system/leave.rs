//! Ends the process at once without leaving anything behind.
//!
//! A second Ctrl-C means: now. The process waits for nothing and runs no destructors, and the clients may be in the
//! middle of any operation. The kernel undoes most things when the process ends. Two things it does not undo in time:
//! a server's own children may outlive it, and folders stay. Therefore all descendants of this process are killed
//! first, and then the folders that bear its id are removed.
//!
//! There is no list of started processes, which would have to be correct at every moment. The kernel has the list.

use super::clean::remove_folder;
use super::folder::PREFIX;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// How long killed processes may take to end. A process in the middle of a write to a slow disk takes some time.
const PATIENCE: Duration = Duration::from_secs(2);

/// Kills all descendants of this process and removes its folders. If another thread starts a process meanwhile, that
/// process dies with this one, which must end right after this.
pub fn kill_descendants_and_clean() {
    let ours = std::process::id();
    let began = Instant::now();
    loop {
        let left = live_descendants(ours);
        if left.is_empty() || began.elapsed() > PATIENCE {
            break;
        }
        for process in left {
            // The signal fails only if the process has already ended.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let own = format!("{PREFIX}{ours}-");
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&own)) {
        // `steadfast clean` finds a folder that cannot be removed now.
        let _ = remove_folder(&entry.path());
    }
}

/// Kills a process that this one started as the leader of a group of its own, with everything in that group.
pub fn kill_process_group(leader: u32) {
    // The signal fails only if the group has already ended.
    let _ = i32::try_from(leader).map(|leader| killpg(Pid::from_raw(leader), Signal::SIGKILL));
}

/// The living descendants of this process. Zombies are left out, because they disappear when this process ends.
fn live_descendants(ours: u32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parents: Vec<(i32, i32)> =
        numbers.filter_map(|process| parent_of(process).map(|parent| (process, parent))).collect();
    let mut found = vec![ours as i32];
    let mut next = 0;
    while let Some(&process) = found.get(next) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == process).map(|(child, _)| child));
        next += 1;
    }
    found.split_off(1)
}

/// The parent of a process; `None` if the process is dead.
fn parent_of(process: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may contain any text.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?;
    words.next()?.parse().ok().filter(|_| !matches!(state, "Z" | "X"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn children_of_children_are_found() {
        let mut shell = Command::new("sh").args(["-c", "sleep 1000 & wait"]).spawn().unwrap();
        let ours = shell.id();
        let began = Instant::now();
        while live_descendants(ours).is_empty() {
            assert!(began.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(5));
        }
        let sleeper = live_descendants(ours)[0];
        assert!(live_descendants(std::process::id()).contains(&sleeper));
        kill(Pid::from_raw(sleeper), Signal::SIGKILL).unwrap();
        shell.wait().unwrap();
    }
}
