//! Where the lines go.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Takes bytes and keeps them.
pub trait Sink: Send + 'static {
    /// Adds bytes at the end. When it returns they outlive this process. On an error some may have been added.
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()>;

    /// Cuts off everything after this length.
    fn cut_to(&mut self, length: u64) -> std::io::Result<()>;
}

/// A file, without any buffer between it and us.
#[derive(Debug)]
pub struct FileSink(File);

impl FileSink {
    /// A new file, in place of any that was there.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self(File::create(path)?))
    }
}

impl Sink for FileSink {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }

    fn cut_to(&mut self, length: u64) -> std::io::Result<()> {
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

    fn cut_to(&mut self, length: u64) -> std::io::Result<()> {
        self.0.lock().expect("no writer panics").truncate(length as usize);
        Ok(())
    }
}
