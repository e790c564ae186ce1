//! Where histories go: a file, compressed if its name says so.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// A file to write a history to. Compression needs an end: call [`Output::finish`], or what was written last
/// is lost.
pub struct Output(Kind);

enum Kind {
    Plain(File),
    Gz(GzEncoder<File>),
    Zst(zstd::stream::write::Encoder<'static, File>),
}

impl Output {
    /// Creates a file; `.gz` and `.zst` at the end of its name compress.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        let extension = path.extension().and_then(|extension| extension.to_str());
        Ok(Self(match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("gz") => Kind::Gz(GzEncoder::new(file, Compression::default())),
            Some("zst") => Kind::Zst(zstd::stream::write::Encoder::new(file, 0)?),
            _ => Kind::Plain(file),
        }))
    }

    /// Writes what is still held back.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Kind::Plain(mut file) => file.flush(),
            Kind::Gz(encoder) => encoder.finish()?.flush(),
            Kind::Zst(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Plain(file) => file.write(bytes),
            Kind::Gz(encoder) => encoder.write(bytes),
            Kind::Zst(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Plain(file) => file.flush(),
            Kind::Gz(encoder) => encoder.flush(),
            Kind::Zst(encoder) => encoder.flush(),
        }
    }
}
