//! Inputs that histories are read from: files, standard input, pipes and memory; plain or compressed.
//!
//! Compression is recognised by the first bytes, whatever the name of the file, and undone while the bytes stream by.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The input that a history is read from.
pub enum Input {
    /// A file.
    Path(PathBuf),
    /// Standard input; its name in messages is `-`.
    Stdin,
    /// Bytes in memory, with a name for messages. The extension of the name counts as that of a file does.
    Bytes(String, Vec<u8>),
    /// Any other reader, with a name.
    Reader(String, Box<dyn Read + Send>),
}

impl Input {
    /// The input that an argument of a command line means: `-` is standard input, anything else a file.
    pub fn from_argument(name: &str) -> Self {
        if name == "-" { Input::Stdin } else { Input::Path(PathBuf::from(name)) }
    }

    /// The name of the input in messages.
    pub fn name(&self) -> String {
        match self {
            Input::Path(path) => path.display().to_string(),
            Input::Stdin => "-".to_owned(),
            Input::Bytes(name, _) | Input::Reader(name, _) => name.clone(),
        }
    }
}

/// The error when [`ReadOptions::stop`](super::ReadOptions::stop) was set.
pub(super) const STOPPED: &str = "the time limit ended while the file was being read";

/// An open input: its decompressed bytes, and how many bytes of it have been read.
pub(super) struct OpenInput {
    pub(super) reader: Box<dyn Read + Send>,
    /// Bytes read so far, before decompression.
    pub(super) done: Arc<AtomicU64>,
    /// Bytes on disk, before decompression; 0 if unknown.
    pub(super) total: u64,
}

/// Opens an input. Reading fails soon after `stop` is set.
pub(super) fn open_input(input: Input, stop: Option<Arc<AtomicBool>>) -> io::Result<OpenInput> {
    let (name, total, reader): (String, u64, Box<dyn Read + Send>) = match input {
        Input::Path(path) => {
            let file = File::open(&path)?;
            let about = file.metadata()?;
            (path.display().to_string(), about.len(), Box::new(file))
        }
        Input::Stdin => (String::new(), 0, Box::new(io::stdin())),
        Input::Bytes(name, bytes) => (name, bytes.len() as u64, Box::new(io::Cursor::new(bytes))),
        Input::Reader(name, reader) => (name, 0, reader),
    };
    let done = Arc::new(AtomicU64::new(0));
    let counted = CountingReader { reader, done: Arc::clone(&done), stop };
    Ok(OpenInput { reader: decompress_reader(&name, counted)?, done, total })
}

/// Opens an input for another reader than those of histories, and undoes its compression (gzip, Zstandard) while it is read.
///
/// # Errors
/// The input cannot be opened, or its compression is not part of this build.
pub fn open_decompressed(input: Input) -> io::Result<Box<dyn Read + Send>> {
    Ok(open_input(input, None)?.reader)
}

fn decompress_reader(name: &str, mut reader: CountingReader) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = Vec::new();
    (&mut reader).take(4).read_to_end(&mut magic)?;
    let is_gz = magic.starts_with(&[0x1f, 0x8b]);
    let is_zst = magic == [0x28, 0xb5, 0x2f, 0xfd];
    let whole = io::Cursor::new(magic).chain(reader);
    let claims = |extension: &str| name.to_ascii_lowercase().ends_with(extension);
    if is_gz {
        gunzip(whole)
    } else if is_zst {
        decode_zstd(whole)
    } else if claims(".gz") || claims(".zst") {
        let (kind, name) = if claims(".gz") { ("gzip", ".gz") } else { ("zstd", ".zst") };
        let why = format!("is named {name} but is not {kind} data");
        Err(io::Error::new(io::ErrorKind::InvalidData, why))
    } else {
        Ok(Box::new(whole))
    }
}

#[cfg(feature = "gzip")]
fn gunzip(bytes: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(flate2::read::MultiGzDecoder::new(bytes)))
}

#[cfg(not(feature = "gzip"))]
fn gunzip(_: impl Read) -> io::Result<Box<dyn Read + Send>> {
    Err(not_built("gzip"))
}

#[cfg(all(feature = "zstd", not(target_family = "wasm")))]
fn decode_zstd(bytes: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(zstd::stream::read::Decoder::new(bytes)?))
}

#[cfg(all(feature = "zstd", target_family = "wasm"))]
fn decode_zstd(bytes: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(super::zstd_frames::ZstdFrames::new(bytes)))
}

#[cfg(not(feature = "zstd"))]
fn decode_zstd(_: impl Read) -> io::Result<Box<dyn Read + Send>> {
    Err(not_built("zstd"))
}

/// The error for a compression that this build does not include.
#[cfg(any(not(all(feature = "gzip", feature = "zstd", feature = "parquet")), target_family = "wasm"))]
pub(super) fn not_built(feature: &str) -> io::Error {
    let why = format!("is {feature} data, and this build was made without the feature {feature:?}");
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A reader that counts the bytes that were read.
struct CountingReader {
    reader: Box<dyn Read + Send>,
    done: Arc<AtomicU64>,
    stop: Option<Arc<AtomicBool>>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, STOPPED));
        }
        let read = self.reader.read(buffer)?;
        self.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
