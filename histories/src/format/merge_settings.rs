//! What is merged: a whole history or a part of one, and how strictly; and what comes out.

use crate::{History, Problem, Problems};
use std::sync::Arc;

/// The options of a merge.
pub(super) struct MergeSettings {
    pub(super) file: Arc<str>,
    pub(super) lenient: bool,
    pub(super) lone_completions: bool,
    pub(super) extent: HistoryExtent,
    pub(super) problems_max: usize,
}

/// How much of a history is read. Some rules are about all of its events, and a part must not be held against them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HistoryExtent {
    /// All of it.
    Whole,
    /// The lines of a stream up to its first invocation.
    Beginning,
    /// Later lines of a stream.
    Later,
}

/// The history, and what else a merge returns.
pub(super) struct MergedHistory {
    pub(super) history: History,
    pub(super) dropped: Option<Problem>,
    pub(super) remarks: Vec<String>,
    /// Problems that count unless the history is an independent one.
    pub(super) flat: Option<Problems>,
    /// The number of events without an index.
    pub(super) unnumbered: u64,
}
