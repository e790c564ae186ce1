//! Output files for histories, compressed if the file name says so.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// A file to write a history to. Call [`Output::finish`] at the end: a compressed stream needs an end, or the last
/// bytes are lost.
pub struct Output(OutputEncoder);

enum OutputEncoder {
    Plain(File),
    #[cfg(feature = "gzip")]
    Gz(flate2::write::GzEncoder<File>),
    #[cfg(all(feature = "zstd", not(target_family = "wasm")))]
    Zst(zstd::stream::write::Encoder<'static, File>),
}

impl Output {
    /// Creates a file. If its name ends in `.gz` or `.zst`, the output is compressed.
    ///
    /// # Errors
    /// The file cannot be created, or this build was made without the feature for its compression.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        let extension = path.extension().and_then(|extension| extension.to_str());
        Ok(Self(match extension.map(str::to_ascii_lowercase).as_deref() {
            #[cfg(feature = "gzip")]
            Some("gz") => {
                OutputEncoder::Gz(flate2::write::GzEncoder::new(file, flate2::Compression::default()))
            }
            #[cfg(not(feature = "gzip"))]
            Some("gz") => return Err(super::input::not_built("gzip")),
            #[cfg(all(feature = "zstd", not(target_family = "wasm")))]
            Some("zst") => OutputEncoder::Zst(zstd::stream::write::Encoder::new(file, 0)?),
            #[cfg(any(not(feature = "zstd"), target_family = "wasm"))]
            Some("zst") => return Err(super::input::not_built("zstd")),
            _ => OutputEncoder::Plain(file),
        }))
    }

    /// Compresses into a file that is open, fast rather than small. Without the feature for it, the file is not compressed.
    ///
    /// # Errors
    /// The compression cannot start.
    pub fn compressed(file: File) -> io::Result<Self> {
        #[cfg(all(feature = "zstd", not(target_family = "wasm")))]
        return Ok(Self(OutputEncoder::Zst(zstd::stream::write::Encoder::new(file, 1)?)));
        #[cfg(any(not(feature = "zstd"), target_family = "wasm"))]
        return Ok(Self(OutputEncoder::Plain(file)));
    }

    /// Writes the bytes that are still buffered.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            OutputEncoder::Plain(mut file) => file.flush(),
            #[cfg(feature = "gzip")]
            OutputEncoder::Gz(encoder) => encoder.finish()?.flush(),
            #[cfg(all(feature = "zstd", not(target_family = "wasm")))]
            OutputEncoder::Zst(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            OutputEncoder::Plain(file) => file.write(bytes),
            #[cfg(feature = "gzip")]
            OutputEncoder::Gz(encoder) => encoder.write(bytes),
            #[cfg(all(feature = "zstd", not(target_family = "wasm")))]
            OutputEncoder::Zst(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            OutputEncoder::Plain(file) => file.flush(),
            #[cfg(feature = "gzip")]
            OutputEncoder::Gz(encoder) => encoder.flush(),
            #[cfg(all(feature = "zstd", not(target_family = "wasm")))]
            OutputEncoder::Zst(encoder) => encoder.flush(),
        }
    }
}
