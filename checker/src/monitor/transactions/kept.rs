//! What the monitor keeps of a stream of transactions.

use crate::monitor::stream::{EventDetails, ProcessName};
use histories::Outcome;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a read returned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum KeptRead {
    /// Nothing yet, or it never will.
    Unknown,
    /// The state before all writes; of a list: the empty list.
    Initial,
    /// The value of a register.
    Value(Arc<str>),
    /// The first elements of the list, as far as it is known; so many since the beginning of the stream.
    Prefix(u64),
    /// A list that contradicts a longer one: its elements after those that were forgotten.
    Stray(Arc<[Arc<str>]>),
}

/// What a micro-operation does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum MicroAction {
    Read(KeptRead),
    /// An append, or a write of a register.
    Write(Arc<str>),
}

/// A micro-operation that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptMicro {
    /// The place of its key among the keys of the monitor.
    pub(super) key: u32,
    pub(super) action: MicroAction,
}

/// A transaction that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptTransaction {
    pub(super) process: ProcessName,
    pub(super) session: Arc<str>,
    pub(super) micros: Vec<KeptMicro>,
    /// The position of its invocation in the stream.
    pub(super) invoked: u64,
    /// The position of its `ok` or `fail` event; `NOT_YET` for `info`, as for an open transaction.
    pub(super) completed: u64,
    /// None while it is open.
    #[serde(with = "crate::monitor::snapshot::outcome")]
    pub(super) outcome: Option<Outcome>,
    /// The version token that the store returned.
    pub(super) version: Option<i64>,
    pub(super) invocation: EventDetails,
    pub(super) completion: EventDetails,
    /// The position of its last event.
    pub(super) last_event: u64,
}

impl KeptTransaction {
    /// Whether its client was told that it took effect.
    pub(super) fn is_ok(&self) -> bool {
        self.outcome == Some(Outcome::Ok)
    }

    pub(super) fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    pub(super) fn is_indeterminate(&self) -> bool {
        self.outcome == Some(Outcome::Info)
    }

    /// The writes: key and value.
    pub(super) fn writes(&self) -> impl Iterator<Item = (u32, &Arc<str>)> {
        self.micros.iter().filter_map(|micro| match &micro.action {
            MicroAction::Write(value) => Some((micro.key, value)),
            MicroAction::Read(_) => None,
        })
    }

    /// The reads: key and result.
    pub(super) fn reads(&self) -> impl Iterator<Item = (u32, &KeptRead)> {
        self.micros.iter().filter_map(|micro| match &micro.action {
            MicroAction::Read(read) => Some((micro.key, read)),
            MicroAction::Write(_) => None,
        })
    }

    /// Whether nothing about it will ever matter: it did not succeed, and wrote nothing.
    pub(super) fn is_void(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Fail | Outcome::Info)) && self.writes().next().is_none()
    }

    /// The memory that it takes, in units of [`super::BYTES_PER_UNIT`].
    pub(super) fn units(&self) -> usize {
        let strays = self.reads().map(|(_, read)| match read {
            KeptRead::Stray(elements) => elements.len(),
            _ => 0,
        });
        2 + self.micros.len() + strays.sum::<usize>()
    }
}
