//! Converts places in the current block of a streamed file to lines and columns.

use super::datum::Flaw;
use crate::Problem;
use std::sync::Arc;

/// The position in a file up to which it has been read.
pub(super) struct FilePosition {
    file: Arc<str>,
    /// The number of newlines before the block, and of characters since the last one.
    lines: u64,
    columns: u64,
}

impl FilePosition {
    /// The beginning of a file.
    pub(super) fn new(file: Arc<str>) -> Self {
        Self { file, lines: 0, columns: 0 }
    }

    /// The line and column, from one, of a byte of the next block.
    pub(super) fn line_and_column(&self, block: &[u8], at: usize) -> (u64, u64) {
        let before = &block[..at.min(block.len())];
        match memchr::memrchr(b'\n', before) {
            Some(newline) => {
                let lines = memchr::memchr_iter(b'\n', before).count() as u64;
                (self.lines + lines + 1, count_characters(&before[newline + 1..]) + 1)
            }
            None => (self.lines + 1, self.columns + count_characters(before) + 1),
        }
    }

    /// Makes the problem for a flaw in the next block.
    pub(super) fn problem_in_block(&self, block: &[u8], flaw: Flaw) -> Problem {
        let (line, column) = self.line_and_column(block, flaw.at);
        self.problem_at(line, column, flaw.found, flaw.expected)
    }

    /// Makes the problem at a line and column; both zero for the file as a whole.
    pub(super) fn problem_at(&self, line: u64, column: u64, found: String, expected: String) -> Problem {
        Problem { file: Arc::clone(&self.file), line, column, found, expected }
    }

    /// Moves past the block. `newlines` is their number, if it was counted before.
    pub(super) fn advance_past(&mut self, block: &[u8], newlines: Option<u64>) {
        (self.lines, self.columns) = match memchr::memrchr(b'\n', block) {
            Some(newline) => {
                let count = newlines.unwrap_or_else(|| memchr::memchr_iter(b'\n', block).count() as u64);
                (self.lines + count, count_characters(&block[newline + 1..]))
            }
            None => (self.lines, self.columns + count_characters(block)),
        };
    }
}

/// Counts characters: the bytes that begin one in UTF-8.
fn count_characters(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u64
}
