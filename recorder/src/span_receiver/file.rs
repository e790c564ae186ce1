//! The file of spans: whole lines, or none.

use super::SpanSink;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

/// A file that grows by whole lines.
#[derive(Debug)]
pub struct SpanFile {
    file: File,
    /// The bytes of the lines that were written.
    bytes: u64,
    bytes_max: u64,
}

impl SpanFile {
    /// An empty file that may have so many bytes.
    pub fn new(file: File, bytes_max: u64) -> Self {
        Self { file, bytes: 0, bytes_max }
    }
}

impl SpanSink for SpanFile {
    /// Appends a line. If that fails, the file is cut back to the lines before it.
    fn append_line(&mut self, line: &str) -> Result<(), String> {
        let text = format!("{line}\n");
        let bytes = self.bytes + text.len() as u64;
        if bytes > self.bytes_max {
            return Err(format!("the file of spans would exceed {} bytes, its largest size", self.bytes_max));
        }
        if let Err(why) = self.file.write_all(text.as_bytes()) {
            // A pipe cannot be cut back; its reader sees a line without an end.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(format!("failed to write the file of spans: {why}"));
        }
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn a_line_that_does_not_fit_leaves_the_lines_before_it() {
        let path = std::env::temp_dir().join(format!("span-file-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path).unwrap();
        let mut spans = SpanFile::new(file, 10);
        spans.append_line("abcd").unwrap();
        let why = spans.append_line("efghij").unwrap_err();
        assert!(why.contains("10 bytes"), "{why}");
        spans.append_line("efgh").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "abcd\nefgh\n");
        std::fs::remove_file(&path).unwrap();
    }
}
