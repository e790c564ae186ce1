//! What is wrong with a file, said so that a person can mend it: where, what was found, what was expected.
//!
//! A reader that stops at the first problem makes its user run it again for the second. So a reader goes on
//! after a problem with the next event, collects all of them up to a limit, and counts the rest. It repairs
//! nothing in silence: a file with a problem has no history.

use std::fmt;
use std::sync::Arc;

/// One thing that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file's name as it was given; `-` is standard input.
    pub file: Arc<str>,
    /// The line, from 1; 0 where it is the file as a whole. Of a table: the number of the row, from 1.
    pub line: u64,
    /// The column in characters, from 1; 0 where it is the file as a whole, or a row of a table.
    pub column: u64,
    /// What is there: a fragment that fits "found …". If nothing is in `expected`: all that is to be said, a sentence
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

/// Everything that is wrong with a file, in its order, to a limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problems {
    /// The first of them; never empty.
    pub list: Vec<Problem>,
    /// How many more there are.
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
