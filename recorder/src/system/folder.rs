//! A folder of one run, which is removed together with the run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The prefix of the folders' names. The process id and a count follow.
pub(super) const PREFIX: &str = "steadfast-run-";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A folder that is removed with its content when this is dropped.
#[derive(Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Creates a new folder in the directory of temporary files.
    pub fn create() -> io::Result<Self> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{PREFIX}{}-{count}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // `steadfast clean` finds a folder that cannot be removed now.
        let _ = super::clean::remove_folder(&self.0);
    }
}
