//! The messages between nodes and clients.

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
    /// From a client: execute this operation. `id` identifies the question in the reply.
    Ask { id: u64, operation: Arc<ClientOperation>, local: bool },
    /// The reply to a client.
    Reply { id: u64, reply: NodeReply },
    /// From a candidate: asks for a vote or, if `asking` is set, whether the node would vote.
    Vote { term: u64, length: usize, last_term: u64, asking: bool },
    /// The answer to a candidate.
    VoteReply { term: u64, granted: bool, asking: bool },
    /// From the primary: these entries follow after `previous` entries, the last of which has the term
    /// `previous_term`.
    Append {
        term: u64,
        previous: usize,
        previous_term: u64,
        entries: Vec<LogEntry>,
        committed: usize,
        sent_ns: u64,
    },
    /// To the primary: the result. If `ok`, `length` is how much of the log is known to agree. Otherwise it is where
    /// to try again.
    AppendReply { term: u64, ok: bool, previous: usize, length: usize, sent_ns: u64 },
}

/// The reply to a client.
#[derive(Clone, Debug)]
pub(super) enum NodeReply {
    /// The operation was done or refused.
    Done(Result<StoreAnswer, Failure>),
    /// Nothing was done. The client is to ask the named node, if the primary is known.
    Elsewhere(Option<usize>),
    /// Nothing was done, because the process is not running.
    Refused,
}
