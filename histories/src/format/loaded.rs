//! How a history is to be read, and what comes of it.

use super::Format;
use super::merge::{ChunkMerger, MergedHistory};
use crate::{History, Problem, Problems};

/// How to read a history.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The format; recognised by the name and the first bytes where it is not given.
    pub from: Option<Format>,
    /// `value` is `[key, value]`, as Jepsen's independent workloads write it.
    pub independent: bool,
    /// Whether to drop a last event that was cut off in the middle. What was dropped is in [`Loaded::dropped`].
    pub lenient: bool,
    /// Whether an `ok`, `fail` or `info` without its `invoke` is an operation that was invoked just before it,
    /// as in some of Elle's own tests. The indexes of such a history are counted anew.
    pub lone_completions: bool,
    /// Of a table of operations, the columns whose names do not tell: `call=started,f=verb`.
    pub columns: Option<String>,
    /// Of events as columns, only those of the objects with these keys (as JSON); absent: all.
    pub keys: Option<Vec<String>>,
    /// How many problems to keep; the others are counted.
    pub problems_max: usize,
    /// How many bytes to parse at a time.
    pub block_bytes: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            from: None,
            independent: false,
            lenient: false,
            lone_completions: false,
            columns: None,
            keys: None,
            problems_max: 100,
            block_bytes: 1 << 18,
        }
    }
}

/// A history that was read, and how.
#[derive(Debug)]
pub struct Loaded {
    /// What clients did and saw.
    pub history: History,
    /// The format that it was in.
    pub format: Format,
    /// What `lenient` dropped: to be said together with any verdict.
    pub dropped: Option<Problem>,
    /// How the file was understood where that is not plain: to be said too.
    pub remarks: Vec<String>,
    /// Whether the value of each event was read as `[key, value]`: as [`ReadOptions::independent`] said, or
    /// recognised ([`History::is_independent`]).
    pub independent: bool,
}

/// What the merge made of the events.
pub(super) fn load_merged(
    merge: ChunkMerger,
    format: Format,
    options: &ReadOptions,
) -> Result<Loaded, Problems> {
    let MergedHistory { mut history, dropped, mut remarks, flat } = merge.finish()?;
    let independent = !options.independent && history.is_independent();
    if independent {
        history.split_by_object();
        remarks.push(
            "every value is a pair of a key and its value, as in Jepsen's independent workloads: each key was read as an \
             object of its own"
                .to_owned(),
        );
    } else if let Some(flat) = flat {
        return Err(flat);
    }
    let independent = independent || options.independent;
    Ok(Loaded { history, format, dropped, remarks, independent })
}
