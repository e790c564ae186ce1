//! Processes that somebody else started and gave us to break.
//!
//! They are not our children: they do not die with us, nobody tells us when they end, and their number may by then be
//! another's. So each signal is sent only while the process is the one that was given, by the time at which it
//! started; and before one is paused a note of it goes into the run's folder, so that whoever removes the folder (the
//! run itself, or `steadfast clean` after a SIGKILL) lets it go on.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file with notes: a line for each process that was paused, its number and when it started.
const PAUSED: &str = "paused";

/// A process that is ours to break and not ours to keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForeignProcess {
    process: i32,
    /// When it started, in ticks since the machine did.
    started: u64,
    folder: PathBuf,
}

impl ForeignProcess {
    /// The process of this number, if it is there and may be signalled. Notes go into the folder.
    pub fn new(process: i32, folder: &Path) -> Result<Self, String> {
        let started = process_start_time(process).ok_or_else(|| format!("there is no process {process}"))?;
        if process == std::process::id() as i32 || process <= 1 {
            return Err(format!("process {process} is not to be broken"));
        }
        kill(Pid::from_raw(process), None)
            .map_err(|why| format!("process {process} may not be signalled: {why}"))?;
        Ok(Self { process, started, folder: folder.to_owned() })
    }

    /// Its number.
    pub fn process_id(&self) -> i32 {
        self.process
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        is_same_process(self.process, self.started)
    }

    /// The state that the kernel has it in, while it runs.
    pub fn kernel_state(&self) -> Option<char> {
        self.is_running().then(|| super::process::read_process_state(self.process as u32)).flatten()
    }

    /// Makes it stand still. A note of that comes first.
    pub fn pause(&self) -> Result<(), String> {
        let note = || -> std::io::Result<()> {
            let mut file =
                std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join(PAUSED))?;
            writeln!(file, "{} {}", self.process, self.started)
        };
        note().map_err(|why| format!("failed to note that process {} is paused: {why}", self.process))?;
        self.send_signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<(), String> {
        self.send_signal(Signal::SIGCONT)
    }

    /// Asks it to end in good order (SIGTERM).
    pub fn ask_to_end(&self) -> Result<(), String> {
        self.send_signal(Signal::SIGTERM)
    }

    /// Kills it at once.
    pub fn kill(&self) -> Result<(), String> {
        self.send_signal(Signal::SIGKILL)
    }

    fn send_signal(&self, signal: Signal) -> Result<(), String> {
        if !self.is_running() {
            return Err(format!("process {} has ended", self.process));
        }
        kill(Pid::from_raw(self.process), signal).map_err(|why| format!("process {}: {why}", self.process))
    }
}

/// Lets every process go on that is noted in a run's folder and still is the one that was paused.
pub(super) fn resume_noted_processes(folder: &Path) {
    let notes = std::fs::read_to_string(folder.join(PAUSED)).unwrap_or_default();
    for note in notes.lines() {
        let Some((process, started)) = note.split_once(' ') else { continue };
        let (Ok(process), Ok(started)) = (process.parse::<i32>(), started.parse()) else { continue };
        if is_same_process(process, started) {
            // It fails only if it has just ended.
            let _ = kill(Pid::from_raw(process), Signal::SIGCONT);
        }
    }
}

fn is_same_process(process: i32, then: u64) -> bool {
    process_start_time(process) == Some(then)
}

/// When a process started, unless it is gone or dead.
fn process_start_time(process: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, in brackets: the state is field 3, the start field 22.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let dead = matches!(*fields.first()?, "Z" | "X");
    fields.get(19)?.parse().ok().filter(|_| !dead)
}

#[cfg(test)]
mod tests {
    use super::super::RunFolder;
    use super::*;
    use std::process::Command;

    fn state(process: u32) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().trim().chars().next().unwrap()
    }

    fn eventually(what: impl Fn() -> bool) -> bool {
        (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            what()
        })
    }

    #[test]
    fn what_was_paused_goes_on_when_the_folder_is_removed() {
        let folder = RunFolder::create().unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let given = ForeignProcess::new(child.id() as i32, folder.path()).unwrap();
        given.pause().unwrap();
        assert!(eventually(|| state(child.id()) == 'T'));
        given.resume().unwrap();
        given.pause().unwrap();
        assert!(eventually(|| state(child.id()) == 'T'));
        drop(folder);
        assert!(eventually(|| state(child.id()) == 'S'));
        given.kill().unwrap();
        child.wait().unwrap();
        assert!(!given.is_running() && given.pause().is_err());
    }

    #[test]
    fn a_number_that_is_now_anothers_is_left_alone() {
        let folder = RunFolder::create().unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = child.id() as i32;
        let earlier = ForeignProcess { process, started: 1, folder: folder.path().to_owned() };
        assert!(!earlier.is_running() && earlier.kill().unwrap_err().contains("has ended"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ForeignProcess::new(process, folder.path()).unwrap_err().contains("no process"));
        assert!(ForeignProcess::new(std::process::id() as i32, folder.path()).is_err());
    }
}
