//! Removes what a run left behind that was killed with SIGKILL: folders, and processes that it had paused but not
//! started.

use super::folder::PREFIX;
use super::given;
use super::struck::{OutstandingFault, StruckNotes, outstanding_faults};
use std::io;
use std::path::{Path, PathBuf};

/// The result of cleaning.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cleaned {
    /// Folders that were removed.
    pub removed: Vec<PathBuf>,
    /// Folders of runs that are still in progress.
    pub in_use: Vec<PathBuf>,
    /// Folders that could not be removed, and why.
    pub failed: Vec<(PathBuf, String)>,
}

/// Removes the folders of runs whose process has ended.
pub fn clean() -> io::Result<Cleaned> {
    clean_undoing(&mut |left| Err(format!("{left} is not undone (steadfast clean --stack FILE undoes it)")))
}

/// Removes the folders of runs whose process has ended, after `undo` has undone the faults that such a run left behind on
/// nodes of a user's stack.
pub fn clean_undoing(undo: &mut dyn FnMut(&OutstandingFault) -> Result<(), String>) -> io::Result<Cleaned> {
    clean_in(&std::env::temp_dir(), undo)
}

fn clean_in(
    folder: &Path,
    undo: &mut dyn FnMut(&OutstandingFault) -> Result<(), String>,
) -> io::Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(parse_folder_process) else { continue };
        let path = entry.path();
        if Path::new("/proc").join(process.to_string()).exists() {
            cleaned.in_use.push(path);
            continue;
        }
        if let Err(why) = undo_outstanding_faults(&path, undo) {
            cleaned.failed.push((path, why));
            continue;
        }
        match remove_folder(&path) {
            Ok(()) => cleaned.removed.push(path),
            Err(why) => cleaned.failed.push((path, why.to_string())),
        }
    }
    Ok(cleaned)
}

/// Undoes each outstanding fault that is noted in a run's folder.
fn undo_outstanding_faults(
    folder: &Path,
    undo: &mut dyn FnMut(&OutstandingFault) -> Result<(), String>,
) -> Result<(), String> {
    let notes = StruckNotes::in_folder(folder);
    for left in outstanding_faults(folder) {
        undo(&left)?;
        notes.note_undone(left.number, &left.fault, &left.node)?;
    }
    Ok(())
}

/// Resumes the processes that are noted as paused in a run's folder, and removes the folder. A folder with an outstanding
/// fault is kept, which is an error.
pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    given::resume_noted_processes(folder);
    if let Some(left) = outstanding_faults(folder).first() {
        return Err(io::Error::other(format!("{left} is not undone")));
    }
    std::fs::remove_dir_all(folder)
}

/// The id of the process that made a folder of this name, if it is the folder of a run.
fn parse_folder_process(name: &str) -> Option<u32> {
    let (process, count) = name.strip_prefix(PREFIX)?.split_once('-')?;
    count.parse::<u32>().ok()?;
    process.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_dead_runs_are_removed() {
        let own = super::super::RunFolder::create().unwrap();
        let inside = |name: &str| {
            let path = own.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let dead = inside(&format!("{PREFIX}{}-0", u32::MAX));
        let alive = inside(&format!("{PREFIX}{}-7", std::process::id()));
        inside("something else");
        inside(&format!("{PREFIX}notes"));
        std::fs::write(dead.join("file"), "x").unwrap();
        let cleaned = clean_in(own.path(), &mut |_| Ok(())).unwrap();
        assert_eq!(cleaned, Cleaned { removed: vec![dead], in_use: vec![alive], failed: vec![] });
        assert_eq!(std::fs::read_dir(own.path()).unwrap().count(), 3);
    }
}
