//! Files that are being written under a name that nobody asked for.
//!
//! A result is written beside its target and renamed when it is complete. A signal ends the process between the two, and the part
//! would stay in the folder of the user. So parts are listed here, and the thread that hears signals removes them first.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The parts that exist now, or are about to be created.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A file that a signal removes as long as this value lives. Dropping the value does not remove the file.
#[derive(Debug)]
pub struct UnfinishedFile(PathBuf);

impl UnfinishedFile {
    /// Creates a file with a function, such that no signal comes between its creation and its entry in the list. From the first call on, a
    /// SIGINT, SIGTERM or SIGHUP ends the process with exit code 130.
    ///
    /// # Errors
    /// That of `create`. Then the file is not listed.
    pub fn create<T>(
        path: PathBuf,
        create: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<(UnfinishedFile, T)> {
        crate::stop::start_listening();
        let mut unfinished = lock_unfinished();
        let created = create(&path)?;
        unfinished.push(path.clone());
        Ok((UnfinishedFile(path), created))
    }

    /// The name of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes all unfinished files. No other can be created as long as the result lives.
    pub(crate) fn remove_all() -> impl Drop {
        let unfinished = lock_unfinished();
        for path in &*unfinished {
            // It may not exist yet, or no longer.
            let _ = std::fs::remove_file(path);
        }
        unfinished
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        let mut unfinished = lock_unfinished();
        if let Some(at) = unfinished.iter().position(|path| *path == self.0) {
            unfinished.swap_remove(at);
        }
    }
}

fn lock_unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    // A poisoned lock is safe to use: each use leaves the content consistent.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
