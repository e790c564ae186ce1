//! The shape of the histories to enumerate, and how many there are.

use std::collections::BTreeSet;
use std::fmt;

/// The largest number of histories, before renaming, that are enumerated.
pub const HISTORIES_MAX: u128 = 20_000_000;
/// The largest number of reads and writes in a history.
pub const STEPS_MAX: usize = 12;
/// The largest number of keys.
pub const KEYS_MAX: usize = 3;
/// The largest number of reads and writes in a transaction.
pub const LENGTH_MAX: usize = 4;

/// What the operations of the enumerated histories are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SmallObjects {
    /// Single reads and writes of registers.
    Registers,
    /// Transactions of reads and writes of registers.
    TransactionsOverRegisters,
    /// Transactions of reads of lists and appends to them.
    TransactionsOverLists,
}

/// The shape of small histories.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryShape {
    /// The number of operations of each session, longest session first.
    pub sessions: Vec<usize>,
    /// The number of keys that operations may use.
    pub keys: usize,
    /// The largest number of reads and writes in a transaction; 1 for registers.
    pub length_max: usize,
    /// What the operations are.
    pub objects: SmallObjects,
    /// Whether histories that differ only in real-time order count as different. Otherwise the n-th operations of all
    /// sessions overlap.
    pub real_time: bool,
}

/// A read or a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SmallStep {
    pub(super) key: u8,
    pub(super) is_write: bool,
    /// The value that was written; or the values that were read, the last one in the lowest bits; 0 for none.
    pub(super) result: u64,
}

/// Why histories of a shape are not enumerated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ShapeError {
    /// The text is no shape.
    Syntax(String),
    /// A number is out of its range.
    OutOfRange {
        /// What the number counts.
        what: &'static str,
        /// The largest number.
        max: usize,
        /// The number.
        found: usize,
    },
    /// There are too many histories.
    TooLarge {
        /// The shape as it would be typed.
        shape: String,
        /// The count, or a lower bound with words that say so.
        count: String,
    },
}

impl std::error::Error for ShapeError {}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShapeError::Syntax(text) => write!(
                f,
                "{text:?} is not a shape. Write the number of operations of each session, such as 2+2 or 2+2+1."
            ),
            ShapeError::OutOfRange { what, max, found } => {
                write!(f, "{what} must be between 1 and {max}, and it is {found}.")
            }
            ShapeError::TooLarge { shape, count } => write!(
                f,
                "the shape {shape} has {count} histories before renaming, and the limit is {HISTORIES_MAX}. Pass fewer \
                 operations or fewer keys, or leave out real-time orders."
            ),
        }
    }
}

impl fmt::Display for HistoryShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions: Vec<String> = self.sessions.iter().map(usize::to_string).collect();
        f.write_str(&sessions.join("+"))
    }
}

/// Parses the number of operations of each session, such as `2+2+1`. The longest session comes first in the result.
///
/// # Errors
/// The text is no shape, or it has more than [`STEPS_MAX`] operations.
pub(crate) fn parse_sessions(text: &str) -> Result<Vec<usize>, ShapeError> {
    let syntax = || ShapeError::Syntax(text.to_owned());
    let mut sessions: Vec<usize> = Vec::new();
    for part in text.split('+') {
        sessions.push(part.trim().parse().ok().filter(|&count| count > 0).ok_or_else(syntax)?);
    }
    sessions.sort_unstable_by(|a, b| b.cmp(a));
    Ok(sessions)
}

impl HistoryShape {
    /// Parses a shape such as `2+2+1`: the number of operations of each session. `length_max` is ignored for registers.
    ///
    /// # Errors
    /// The text is no shape, or a number is out of its range.
    pub fn parse(
        sessions: &str,
        keys: usize,
        length_max: usize,
        objects: SmallObjects,
    ) -> Result<HistoryShape, ShapeError> {
        let sessions = parse_sessions(sessions)?;
        let length_max = if objects == SmallObjects::Registers { 1 } else { length_max };
        let operations = sessions.iter().fold(0usize, |sum, &count| sum.saturating_add(count));
        let ranges = [
            ("the number of operations", STEPS_MAX, operations),
            ("the number of keys", KEYS_MAX, keys),
            ("the length of a transaction", LENGTH_MAX, length_max),
        ];
        for (what, max, found) in ranges {
            if found == 0 || found > max {
                return Err(ShapeError::OutOfRange { what, max, found });
            }
        }
        Ok(HistoryShape { sessions, keys, length_max, objects, real_time: false })
    }

    /// The number of operations.
    pub fn operation_count(&self) -> usize {
        self.sessions.iter().sum()
    }

    /// The shapes with at most as many operations in each session, fewer operations first. This shape is the last.
    pub fn list_sub_shapes(&self) -> Vec<HistoryShape> {
        let mut found: BTreeSet<(usize, usize, Vec<usize>)> = BTreeSet::new();
        let mut counts = vec![0; self.sessions.len()];
        while super::advance_counters(&mut counts, |at| self.sessions[at] + 1) {
            let mut sessions: Vec<usize> = counts.iter().copied().filter(|&count| count > 0).collect();
            sessions.sort_unstable_by(|a, b| b.cmp(a));
            found.insert((sessions.iter().sum(), sessions.len(), sessions));
        }
        found.into_iter().map(|(_, _, sessions)| HistoryShape { sessions, ..self.clone() }).collect()
    }

    /// All choices of reads and writes for one operation, shorter ones first.
    pub(super) fn list_operation_skeletons(&self) -> Vec<Vec<SmallStep>> {
        let step = |choice: usize| SmallStep {
            key: (choice / 2) as u8,
            is_write: choice.is_multiple_of(2),
            result: 0,
        };
        let mut all = Vec::new();
        for length in 1..=self.length_max {
            let mut choice = vec![0; length];
            loop {
                all.push(choice.iter().map(|&each| step(each)).collect());
                if !super::advance_counters(&mut choice, |_| 2 * self.keys) {
                    break;
                }
            }
        }
        all
    }
}
