//! Processes that the run did not start and in which the user lets it cause faults.
//!
//! They are not children of this process: they do not die with it, it is not told when they end, and by then another
//! process may have their id. Therefore a signal is sent only while the process has the start time of the given one.
//! Before a process is paused, a note goes into the run's folder, so that whatever removes the folder resumes the
//! process (the run itself, or `steadfast clean` after a SIGKILL).

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file of notes: one line for each paused process, with its id and its start time.
const PAUSED: &str = "paused";

/// A process that the run may cause faults in and must not leave stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForeignProcess {
    process: i32,
    /// The start time, in ticks since the machine started.
    started: u64,
    folder: PathBuf,
}

impl ForeignProcess {
    /// Takes the process of this id, if it exists and may be signalled. Notes go into the folder.
    pub fn new(process: i32, folder: &Path) -> Result<Self, String> {
        let started = process_start_time(process).ok_or_else(|| format!("there is no process {process}"))?;
        if process == std::process::id() as i32 || process <= 1 {
            return Err(format!("process {process} is not to be broken"));
        }
        kill(Pid::from_raw(process), None)
            .map_err(|why| format!("process {process} may not be signalled: {why}"))?;
        Ok(Self { process, started, folder: folder.to_owned() })
    }

    /// The process id.
    pub fn process_id(&self) -> i32 {
        self.process
    }

    /// Whether the process still runs.
    pub fn is_running(&self) -> bool {
        is_same_process(self.process, self.started)
    }

    /// The process state that the kernel shows, while the process runs.
    pub fn kernel_state(&self) -> Option<char> {
        self.is_running().then(|| super::process::read_process_state(self.process as u32)).flatten()
    }

    /// Pauses the process, after writing a note.
    pub fn pause(&self) -> Result<(), String> {
        let note = || -> std::io::Result<()> {
            let mut file =
                std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join(PAUSED))?;
            writeln!(file, "{} {}", self.process, self.started)
        };
        note().map_err(|why| format!("failed to note that process {} is paused: {why}", self.process))?;
        self.send_signal(Signal::SIGSTOP)
    }

    /// Resumes the process.
    pub fn resume(&self) -> Result<(), String> {
        self.send_signal(Signal::SIGCONT)
    }

    /// Requests an orderly shutdown (SIGTERM).
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

/// Resumes every process that is noted in a run's folder and is still the one that was paused.
pub(super) fn resume_noted_processes(folder: &Path) {
    let notes = std::fs::read_to_string(folder.join(PAUSED)).unwrap_or_default();
    for note in notes.lines() {
        let Some((process, started)) = note.split_once(' ') else { continue };
        let (Ok(process), Ok(started)) = (process.parse::<i32>(), started.parse()) else { continue };
        if is_same_process(process, started) {
            // The signal fails only if the process has just ended.
            let _ = kill(Pid::from_raw(process), Signal::SIGCONT);
        }
    }
}

fn is_same_process(process: i32, then: u64) -> bool {
    process_start_time(process) == Some(then)
}

/// The start time of a process; `None` if it is gone or dead.
fn process_start_time(process: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The fields follow the name, which is in brackets: the state is field 3 and the start time field 22.
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
