//! Where the lines go.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Takes bytes and keeps them.
pub trait Sink: Send + 'static {
    /// Adds bytes at the end. When it returns they outlive this process. On an error some may have been added.
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()>;

    /// Cuts off everything after this length.
    fn truncate_to(&mut self, length: u64) -> std::io::Result<()>;
}

/// A file, without any buffer between it and us. Nobody else writes to it while this is there: it is locked.
///
/// It has its name from the first line on, so that what was recorded is found after a crash. A pipe or a device has no
/// content to lose: it is opened as it is.
#[derive(Debug)]
pub struct FileSink(File);

impl FileSink {
    /// A new file. An error of the kind `AlreadyExists` if there is one of that name.
    pub fn create(path: &Path) -> io::Result<Self> {
        if std::fs::metadata(path).is_ok_and(|about| !about.is_file()) || path.starts_with("/dev") {
            return Ok(Self(OpenOptions::new().write(true).open(path)?));
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        lock_for_recording(&file)?;
        Ok(Self(file))
    }

    /// A new file in place of any that was there. An error of the kind `ResourceBusy` if somebody records into that.
    pub fn replace(path: &Path) -> io::Result<Self> {
        // A link stays a link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match OpenOptions::new().write(true).open(&path) {
            Ok(old) if old.metadata()?.is_file() => {
                lock_for_recording(&old)?;
                std::fs::remove_file(&path)?;
            }
            Ok(_) => {}
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
        Self::create(&path)
    }
}

/// Locks a file for as long as it is open.
fn lock_for_recording(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "another run records into this file"))
        }
        // A file system that knows no locks: a new file is nobody else's all the same.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

impl Sink for FileSink {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }

    fn truncate_to(&mut self, length: u64) -> std::io::Result<()> {
        use std::io::Seek;
        self.0.set_len(length)?;
        self.0.seek(std::io::SeekFrom::Start(length)).map(drop)
    }
}

/// Memory, for simulations that need no file. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemorySink(Arc<Mutex<Vec<u8>>>);

impl MemorySink {
    /// What was written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no writer panics").clone()
    }
}

impl Sink for MemorySink {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(())
    }

    fn truncate_to(&mut self, length: u64) -> std::io::Result<()> {
        self.0.lock().expect("no writer panics").truncate(length as usize);
        Ok(())
    }
}
