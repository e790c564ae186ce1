//! Leaving at once, and still leaving nothing behind.
//!
//! A second Ctrl-C means: now. Nothing is waited for, no destructor runs; whoever runs the clients may be in the
//! middle of anything. What the kernel undoes is undone when the process ends. Two things it does not do in time:
//! a server's own children outlive it by a moment or for good, and folders stay. So whatever descends from this
//! process is killed first, and then the folders that bear its number are removed.
//!
//! There is no list of what was started, which would have to be right at any moment: the kernel has it.

use super::clean::remove_folder;
use super::folder::PREFIX;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// How long what was killed may take to be gone. A process in the middle of a write to a slow disk can take some.
const PATIENCE: Duration = Duration::from_secs(2);

/// Kills all that this process started, and removes its folders. Another thread may still start something: that dies
/// with the process, which is to end right after this.
pub fn kill_descendants_and_clean() {
    let ours = std::process::id();
    let began = Instant::now();
    loop {
        let left = live_descendants(ours);
        if left.is_empty() || began.elapsed() > PATIENCE {
            break;
        }
        for process in left {
            // It fails only if it is gone already.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let own = format!("{PREFIX}{ours}-");
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&own)) {
        // What cannot be removed now is found by `steadfast clean`.
        let _ = remove_folder(&entry.path());
    }
}

/// Processes that descend from this one and are not dead: a zombie is gone as soon as we are.
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

/// The parent of a process, unless it is dead.
fn parent_of(process: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold anything.
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
