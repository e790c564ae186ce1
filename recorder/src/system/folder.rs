//! A folder for one run, removed with it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// How the names of our folders begin; the process number and a count follow.
pub(super) const PREFIX: &str = "steadfast-run-";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A folder that is removed, with all that is in it, when this is dropped.
#[derive(Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// A new folder among the temporary files.
    pub fn create() -> io::Result<Self> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{PREFIX}{}-{count}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // What cannot be removed now is found by `steadfast clean`.
        let _ = super::clean::remove_folder(&self.0);
    }
}
