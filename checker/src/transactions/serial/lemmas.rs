//! What was learned of the order of versions.

use super::schedule::SerialSchedule;
use crate::transactions::graph::EdgeKinds;
use claims::OrderExtent;
use histories::KeyId;
use rustc_hash::FxHashMap;

/// Of two that write a key, the one comes before the other: it begins before that commits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Literal {
    pub key: KeyId,
    pub earlier: u32,
    pub later: u32,
}

/// Why one transaction has to come before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bond {
    /// The graph says so.
    Arc { kind: EdgeKinds, key: KeyId },
    /// It reads this version of the key, and the other overwrites it.
    Unread { key: KeyId, version: u32, order: PrecedenceEvidence },
    /// Both write the key, and the one had begun, and not committed, when the other was to begin.
    Taken { key: KeyId },
    /// An earlier lemma, by its number, of whose other pairs all are assumed.
    Lemma(u32),
}

/// How it is known that what is overwritten was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PrecedenceEvidence {
    /// It is the initial version.
    Initial,
    /// Whoever overwrites it read it.
    Read,
    /// Its writer comes before, in session or real-time order.
    Before(OrderExtent),
    /// It is assumed.
    Assumed,
}

/// An edge of a cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tie {
    pub from: u32,
    pub to: u32,
    pub bond: Bond,
}

/// Not all of these hold: each of the cycle would have to come before the next.
#[derive(Clone, Debug)]
pub(crate) struct LearnedLemma {
    pub assumed: Vec<Literal>,
    pub cycle: Vec<Tie>,
}

/// All that was learned.
#[derive(Default)]
pub(super) struct Lemmas {
    pub all: Vec<LearnedLemma>,
    /// By transaction: the lemmas that have a pair of which it is the earlier.
    by_earlier: FxHashMap<u32, Vec<u32>>,
    /// Pairs that are supposed for now, though neither of the two is placed.
    pub supposed: Vec<Literal>,
    /// How many pairs and ties there are in all.
    size: usize,
}

/// How much memory lemmas may take, in pairs and ties.
const SIZE_MAX: usize = 1 << 22;

impl Lemmas {
    pub(super) fn add_lemma(&mut self, lemma: LearnedLemma) {
        let number = self.all.len() as u32;
        let mut earlier: Vec<u32> = lemma.assumed.iter().map(|literal| literal.earlier).collect();
        earlier.sort_unstable();
        earlier.dedup();
        for op in earlier {
            self.by_earlier.entry(op).or_default().push(number);
        }
        self.size += lemma.assumed.len() + lemma.cycle.len();
        self.all.push(lemma);
    }

    /// Whether no more may be learned.
    pub(super) fn is_full(&self) -> bool {
        self.size > SIZE_MAX
    }

    /// The lemmas that forbid to place a transaction now, all else of them standing or being supposed, in the order in
    /// which they were learned: with the pairs of each that it would complete.
    pub(super) fn blocking_lemmas<'l>(
        &'l self,
        op: u32,
        schedule: &'l SerialSchedule<'_, '_, '_>,
    ) -> impl Iterator<Item = (u32, Vec<Literal>)> + 'l {
        let numbers = self.by_earlier.get(&op).into_iter().flatten();
        numbers.filter_map(move |&number| {
            let mut own = Vec::new();
            for &literal in &self.all[number as usize].assumed {
                if self.supposed.contains(&literal) {
                    continue;
                }
                match literal.earlier == op {
                    true if schedule.is_placed(literal.later) => return None,
                    true => own.push(literal),
                    false if !schedule.affirms_literal(literal) => return None,
                    false => {}
                }
            }
            Some((number, own))
        })
    }
}
