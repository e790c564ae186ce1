//! Dense numbers for the moments of transactions: their begin points, their micro-operations and their commits.

use super::case_facts::{CaseFacts, INITIAL};
use super::shape::MomentLayout;

/// The moments of all transactions. Those of one transaction are consecutive, and the last one is its commit.
pub(super) struct TransactionMoments {
    layout: MomentLayout,
    /// The first moment of each transaction, and the number of all moments at the end.
    starts: Vec<u32>,
    /// For each moment, the index of its micro-operation; `u32::MAX` for commits.
    places: Vec<u32>,
    /// The number of moments of all transactions. The moments of real time have larger numbers.
    pub count: u32,
}

impl TransactionMoments {
    pub(super) fn new(facts: &CaseFacts<'_>, layout: MomentLayout) -> Self {
        let mut used: Vec<Vec<u32>> = vec![Vec::new(); facts.transactions.len()];
        if layout == MomentLayout::Actions {
            facts.reads.iter().for_each(|read| used[read.reader as usize].push(read.place));
            for (transaction, writes) in facts.writes.iter().enumerate() {
                used[transaction].extend(writes.iter().map(|write| write.1));
            }
        }
        let (mut starts, mut places) = (vec![0], Vec::new());
        for (transaction, mut of_one) in (0..).zip(used) {
            match layout {
                MomentLayout::Whole => {}
                MomentLayout::Points => places.extend(facts.has_begin_point(transaction).then_some(0)),
                MomentLayout::Actions => {
                    of_one.sort_unstable();
                    of_one.dedup();
                    places.extend(of_one);
                }
            }
            places.push(u32::MAX);
            starts.push(places.len() as u32);
        }
        let count = places.len() as u32;
        Self { layout, starts, places, count }
    }

    pub(super) fn first_moment(&self, transaction: u32) -> u32 {
        self.starts[transaction as usize]
    }

    pub(super) fn commit_moment(&self, transaction: u32) -> u32 {
        self.starts[transaction as usize + 1] - 1
    }

    pub(super) fn moment_at_place(&self, transaction: u32, place: u32) -> u32 {
        match self.layout {
            MomentLayout::Whole | MomentLayout::Points => self.first_moment(transaction),
            MomentLayout::Actions => {
                let (from, to) =
                    (self.first_moment(transaction) as usize, self.commit_moment(transaction) as usize);
                let at = self.places[from..to].binary_search(&place).expect("it is one of its moments");
                (from + at) as u32
            }
        }
    }

    pub(super) fn transaction_of_moment(&self, moment: u32) -> u32 {
        match moment < self.count {
            true => self.starts.partition_point(|&start| start <= moment) as u32 - 1,
            false => INITIAL,
        }
    }

    /// The index of the micro-operation of a moment; `None` for commits.
    pub(super) fn place_of_moment(&self, moment: u32) -> Option<u32> {
        Some(self.places[moment as usize]).filter(|&place| place != u32::MAX)
    }
}
