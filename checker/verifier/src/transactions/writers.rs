//! Finds the writer of a value to a key with a plain table over values.

use super::ensure;
use super::micros::is_read;
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use histories::{Function, History, Id, KeyId, Micro, OpId, ValueId};
use std::collections::HashMap;

/// A write, found by its key and value.
#[derive(Clone, Copy)]
pub(super) struct WriteRecord {
    pub by: OpId,
    /// Whether this was the transaction's last write to the key.
    pub last: bool,
}

/// All writes of a history. Each writes a different value to its key.
pub(super) struct KeyWriters {
    first: Vec<Option<(KeyId, WriteRecord)>>,
    /// Writes of values that were written to several keys.
    others: HashMap<(KeyId, ValueId), WriteRecord>,
}

impl KeyWriters {
    /// Returns a mismatch if a value was written to a key twice. The writer of a value is then ambiguous, and an order
    /// proves nothing.
    pub(super) fn from_history(history: &History, watch: &Watch<'_>) -> Result<Self, Mismatch> {
        let mut writers = Self { first: vec![None; history.values.len()], others: HashMap::new() };
        let transactions = history.ids().filter(|&id| history.function(id) == Function::TXN);
        for id in watch.take_while_in_time(StepCost::Follow, transactions) {
            let micros = history.micros_of(id);
            for (at, micro) in micros.iter().enumerate().filter(|(_, micro)| !is_read(**micro)) {
                let written = WriteRecord { by: id, last: is_last_write(micros, at) };
                let twice = match &mut writers.first[micro.value().index()] {
                    Some((key, _)) if *key != micro.key => {
                        writers.others.insert((micro.key, micro.value()), written).is_some()
                    }
                    place => place.replace((micro.key, written)).is_some(),
                };
                ensure(!twice, || format!("{id:?} is not the first to write {micro:?}"))?;
            }
        }
        Ok(writers)
    }

    pub(super) fn find_write(&self, key: KeyId, value: ValueId) -> Option<WriteRecord> {
        match self.first[value.index()] {
            Some((first, written)) if first == key => Some(written),
            Some(_) => self.others.get(&(key, value)).copied(),
            None => None,
        }
    }
}

fn is_last_write(micros: &[Micro], at: usize) -> bool {
    !micros[at + 1..].iter().any(|later| !is_read(*later) && later.key == micros[at].key)
}
