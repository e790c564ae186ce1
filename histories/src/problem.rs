//! What is wrong with a file, so that a person can correct it: where, what was found, and what was expected.
//!
//! If a reader stopped at the first problem, the user would have to run it again to see the second. So a reader goes on
//! with the next event after a problem, collects all problems up to a limit, and counts the rest. It repairs nothing in
//! silence: a file with a problem has no history.

use std::fmt;
use std::sync::Arc;

/// One problem, and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file's name as it was given; `-` is standard input.
    pub file: Arc<str>,
    /// The line, from 1; 0 if the problem concerns the file as a whole. For a table: the number of the row, from 1.
    pub line: u64,
    /// The column in characters, from 1; 0 if the problem concerns the file as a whole, or a row of a table.
    pub column: u64,
    /// What is there: a fragment that fits "found …". If `expected` is empty, this is the whole message: a sentence
    /// whose subject is the file.
    pub found: String,
    /// What should be there: a fragment that fits "expected …".
    pub expected: String,
}

impl Problem {
    /// The row of a table that the problem is in, counted from 0 as tables are; none in a text.
    pub fn row(&self) -> Option<u64> {
        if self.column == 0 { self.line.checked_sub(1) } else { None }
    }

    /// Makes the place one in a table, where it was one in a text with a row in each line.
    pub fn count_rows(&mut self) {
        self.column = 0;
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.expected.is_empty() && self.line == 0 {
            return write!(f, "{} {}", self.file, self.found);
        }
        write!(f, "{}:", self.file)?;
        if let Some(row) = self.row() {
            write!(f, " row {row}:")?;
        } else if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        write!(f, " found {}, expected {}", self.found, self.expected)
    }
}

/// All problems of a file in the order of the file, up to a limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems {
    /// The first problems; never empty.
    pub list: Vec<Problem>,
    /// The number of further problems.
    pub more: u64,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            write!(f, "{}{problem}", if at == 0 { "" } else { "\n" })?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Problems {}
