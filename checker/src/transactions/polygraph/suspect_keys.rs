//! The keys whose open choices the order of moments may contradict, because something about them changed.

use super::case_facts::CaseFacts;
use super::moments::TransactionMoments;
use std::collections::VecDeque;

/// The keys that have to be looked at.
pub(super) struct SuspectKeys {
    /// By key: its reads.
    pub(super) reads: Vec<Vec<u32>>,
    /// By key: its writers, by their places, in the order in which they committed when the key was looked at last.
    pub(super) sorted: Vec<Vec<u32>>,
    /// By transaction: the keys that it reads or writes.
    keys: Vec<Vec<u32>>,
    /// By moment: its transaction.
    transactions: Vec<u32>,
    pub(super) is_suspect: Vec<bool>,
    /// The suspect keys, the latest one last.
    pub(super) suspects: VecDeque<u32>,
}

impl SuspectKeys {
    /// All keys are suspect at first.
    pub(super) fn new(facts: &CaseFacts<'_>, moments: &TransactionMoments) -> Self {
        let mut reads = vec![Vec::new(); facts.keys.len()];
        let mut keys: Vec<Vec<u32>> =
            facts.writes.iter().map(|writes| writes.iter().map(|write| write.0).collect()).collect();
        for (number, read) in (0u32..).zip(&facts.reads) {
            reads[read.key as usize].push(number);
            keys[read.reader as usize].push(read.key);
        }
        let count = facts.keys.len() as u32;
        Self {
            reads,
            sorted: facts.keys.iter().map(|key| (0..key.writers.len() as u32).collect()).collect(),
            keys,
            transactions: (0..moments.count).map(|moment| moments.transaction_of_moment(moment)).collect(),
            is_suspect: vec![true; facts.keys.len()],
            suspects: (0..count).collect(),
        }
    }

    pub(super) fn suspect_key(&mut self, key: u32) {
        if !std::mem::replace(&mut self.is_suspect[key as usize], true) {
            self.suspects.push_back(key);
        }
    }

    pub(super) fn suspect_moment(&mut self, moment: u32) {
        // Moments of real time have no transaction.
        let Some(&transaction) = self.transactions.get(moment as usize) else { return };
        for at in 0..self.keys[transaction as usize].len() {
            self.suspect_key(self.keys[transaction as usize][at]);
        }
    }
}
