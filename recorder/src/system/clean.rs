//! Removes what a run left behind that was killed with SIGKILL: folders, and processes of others that it had paused.

use super::folder::PREFIX;
use super::given;
use std::io;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cleaned {
    /// Folders that were removed.
    pub removed: Vec<PathBuf>,
    /// Folders of runs that are still going on.
    pub in_use: Vec<PathBuf>,
    /// Folders that could not be removed, and why.
    pub failed: Vec<(PathBuf, String)>,
}

/// Removes the folders of runs whose process is gone.
pub fn clean() -> io::Result<Cleaned> {
    clean_in(&std::env::temp_dir())
}

fn clean_in(folder: &Path) -> io::Result<Cleaned> {
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
        match remove_folder(&path) {
            Ok(()) => cleaned.removed.push(path),
            Err(why) => cleaned.failed.push((path, why.to_string())),
        }
    }
    Ok(cleaned)
}

/// Removes a run's folder. Whoever is noted in it as paused goes on.
pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    given::resume_noted_processes(folder);
    std::fs::remove_dir_all(folder)
}

/// The process that made a folder of this name, if it is one of ours.
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
        let cleaned = clean_in(own.path()).unwrap();
        assert_eq!(cleaned, Cleaned { removed: vec![dead], in_use: vec![alive], failed: vec![] });
        assert_eq!(std::fs::read_dir(own.path()).unwrap().count(), 3);
    }
}
