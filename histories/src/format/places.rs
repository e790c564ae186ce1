//! Where something is, in a file that streams by: line and column of a place in the block at hand.

use super::datum::Flaw;
use crate::Problem;
use std::sync::Arc;

/// How far a file has been read.
pub(super) struct FilePosition {
    file: Arc<str>,
    /// Newlines before the block, and characters since the last of them.
    lines: u64,
    columns: u64,
}

impl FilePosition {
    /// The beginning of a file.
    pub(super) fn new(file: Arc<str>) -> Self {
        Self { file, lines: 0, columns: 0 }
    }

    /// Line and column, from one, of a byte of the block that comes next.
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

    /// What is wrong in the block that comes next.
    pub(super) fn problem_in_block(&self, block: &[u8], flaw: Flaw) -> Problem {
        let (line, column) = self.line_and_column(block, flaw.at);
        self.problem_at(line, column, flaw.found, flaw.expected)
    }

    /// What is wrong at a line and column; both zero for the file as a whole.
    pub(super) fn problem_at(&self, line: u64, column: u64, found: String, expected: String) -> Problem {
        Problem { file: Arc::clone(&self.file), line, column, found, expected }
    }

    /// Goes on behind the block.
    pub(super) fn advance_past(&mut self, block: &[u8]) {
        (self.lines, self.columns) = match memchr::memrchr(b'\n', block) {
            Some(newline) => {
                let count = memchr::memchr_iter(b'\n', block).count() as u64;
                (self.lines + count, count_characters(&block[newline + 1..]))
            }
            None => (self.lines, self.columns + count_characters(block)),
        };
    }
}

/// Bytes that begin a character.
fn count_characters(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u64
}
