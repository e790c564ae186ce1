//! Notes of the faults that a run has caused on nodes of a user's stack, so that they are undone even if the run is killed.
//!
//! When a run ends, the kernel ends the servers that the run started, but it does not undo a `docker kill`. Therefore the
//! run writes a note to the disk *before* it strikes a node, and another one when the fault has been undone. A folder with
//! an outstanding note is not removed: `steadfast clean --stack FILE` undoes the fault with the commands of that file. The
//! notes hold the names of nodes and faults but no commands, because nothing from a folder of temporary files is executed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The name of the file with the notes.
const STRUCK: &str = "struck";
/// The largest file that is read, in bytes.
const NOTES_BYTES_MAX: u64 = 1 << 20;

/// The notes of one run.
#[derive(Clone, Debug)]
pub struct StruckNotes(PathBuf);

/// A fault of one node that has not been undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutstandingFault {
    /// The number of the episode in the plan.
    pub number: usize,
    /// The name of the fault.
    pub fault: String,
    /// The name of the node.
    pub node: String,
}

impl std::fmt::Display for OutstandingFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.fault, self.node)
    }
}

impl StruckNotes {
    /// The notes in a run's folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self(folder.join(STRUCK))
    }

    /// Notes that a node is about to be struck.
    pub fn note_strike(&self, number: usize, fault: &str, node: &str) -> Result<(), String> {
        self.append_note(&format!("struck {number} {fault} {node}"))
    }

    /// Notes that the fault has been undone.
    pub fn note_undone(&self, number: usize, fault: &str, node: &str) -> Result<(), String> {
        self.append_note(&format!("undone {number} {fault} {node}"))
    }

    fn append_note(&self, line: &str) -> Result<(), String> {
        let write = || -> io::Result<()> {
            let mut file: File = OpenOptions::new().create(true).append(true).open(&self.0)?;
            writeln!(file, "{line}")?;
            file.sync_all()
        };
        write().map_err(|why| format!("failed to write a note of the fault to {}: {why}", self.0.display()))
    }
}

/// The faults that have not been undone, according to the notes in a run's folder: the latest first, which is the order in
/// which they must be undone.
pub(super) fn outstanding_faults(folder: &Path) -> Vec<OutstandingFault> {
    let path = folder.join(STRUCK);
    if std::fs::metadata(&path).is_ok_and(|about| about.len() > NOTES_BYTES_MAX) {
        return Vec::new();
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut open: Vec<OutstandingFault> = Vec::new();
    for line in text.lines() {
        let [what, number, fault, node] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        let Ok(number) = number.parse() else { continue };
        let noted = OutstandingFault { number, fault: fault.to_owned(), node: node.to_owned() };
        match what {
            "struck" => open.push(noted),
            "undone" => open.retain(|other| *other != noted),
            _ => {}
        }
    }
    open.reverse();
    open
}

#[cfg(test)]
mod tests {
    use super::super::RunFolder;
    use super::*;

    #[test]
    fn what_was_not_undone_is_outstanding() {
        let folder = RunFolder::create().unwrap();
        let notes = StruckNotes::in_folder(folder.path());
        notes.note_strike(0, "kill", "web1").unwrap();
        notes.note_strike(1, "pause", "web2").unwrap();
        notes.note_strike(2, "kill", "web1").unwrap();
        notes.note_undone(0, "kill", "web1").unwrap();
        let open: Vec<String> =
            outstanding_faults(folder.path()).iter().map(OutstandingFault::to_string).collect();
        assert_eq!(open, ["kill of web1", "pause of web2"]);
        notes.note_undone(2, "kill", "web1").unwrap();
        notes.note_undone(1, "pause", "web2").unwrap();
        assert_eq!(outstanding_faults(folder.path()), []);
    }

    /// Removing the folder would lose the only note that a node is still down.
    #[test]
    fn a_folder_with_something_outstanding_is_kept() {
        let folder = RunFolder::create().unwrap();
        let (path, notes) = (folder.path().to_owned(), StruckNotes::in_folder(folder.path()));
        notes.note_strike(0, "kill", "web1").unwrap();
        drop(folder);
        assert!(path.exists());
        notes.note_undone(0, "kill", "web1").unwrap();
        std::fs::remove_dir_all(path).unwrap();
    }
}
