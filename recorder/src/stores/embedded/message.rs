//! What nodes and clients say to one another.

use super::data::LogCommand;
use crate::{Failure, StoreAnswer};
use std::sync::Arc;
use workloads::ClientOperation;

/// An entry of the log.
#[derive(Clone, Debug)]
pub(super) struct LogEntry {
    pub(super) term: u64,
    pub(super) command: Arc<LogCommand>,
}

/// A message to a node or to a place of clients.
#[derive(Clone, Debug)]
pub(super) enum NodeMessage {
    /// From a client: do this. `id` names the question, for the answer.
    Ask { id: u64, operation: Arc<ClientOperation>, local: bool },
    /// To a client.
    Reply { id: u64, reply: NodeReply },
    /// From a candidate: vote for me or, if only asking, would you?
    Vote { term: u64, length: usize, last_term: u64, asking: bool },
    /// To a candidate.
    VoteReply { term: u64, granted: bool, asking: bool },
    /// From the primary: these follow after `previous` entries, the last of which has that term.
    Append {
        term: u64,
        previous: usize,
        previous_term: u64,
        entries: Vec<LogEntry>,
        committed: usize,
        sent_ns: u64,
    },
    /// To the primary: how it went. `length` is how much of the log is known to agree or, if it did not go,
    /// from where to try again.
    AppendReply { term: u64, ok: bool, previous: usize, length: usize, sent_ns: u64 },
}

/// What a client is told.
#[derive(Clone, Debug)]
pub(super) enum NodeReply {
    /// The outcome.
    Done(Result<StoreAnswer, Failure>),
    /// Nothing was done: ask that one, if it is known who.
    Elsewhere(Option<usize>),
    /// Nothing was done: the process is not there.
    Refused,
}
