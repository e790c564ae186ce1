//! Lemmas about the version order that the search has learned.

use crate::transactions::graph::EdgeKinds;
use crate::transactions::index::NONE;
use claims::OrderExtent;
use histories::KeyId;
use rustc_hash::FxHashMap;

/// An assumption: of two transactions that write a key, `earlier` comes before `later`. In an order of snapshots, `earlier`
/// then begins before `later` commits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Literal {
    pub key: KeyId,
    pub earlier: u32,
    pub later: u32,
}

impl Literal {
    /// Whether the earlier transaction is placed, and before the later one. `position` is by vertex, [`NONE`] for those that
    /// are not placed.
    pub(super) fn is_affirmed_by(self, position: &[u32]) -> bool {
        let (earlier, later) = (position[self.earlier as usize], position[self.later as usize]);
        earlier != NONE && (later == NONE || earlier < later)
    }
}

/// The reason why one transaction must come before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bond {
    /// An edge of the graph.
    Arc { kind: EdgeKinds, key: KeyId },
    /// The first transaction reads this version of the key, and the second overwrites it.
    Unread { key: KeyId, version: u32, order: PrecedenceEvidence },
    /// Both transactions write the key. The first had begun and not committed when the second was to begin.
    Taken { key: KeyId },
    /// An earlier lemma, by its number. All its other assumptions are assumed.
    Lemma(u32),
}

/// How it is known that an overwritten version was there before the overwriting transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PrecedenceEvidence {
    /// It is the initial version.
    Initial,
    /// The overwriting transaction read it.
    Read,
    /// Its writer comes before the overwriting transaction in session order or real-time order.
    Before(OrderExtent),
    /// It is an assumption.
    Assumed,
}

/// An edge of a cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tie {
    pub from: u32,
    pub to: u32,
    pub bond: Bond,
}

/// The assumptions cannot all hold, because together they imply this cycle.
#[derive(Clone, Debug)]
pub(crate) struct LearnedLemma {
    pub assumed: Vec<Literal>,
    pub cycle: Vec<Tie>,
}

/// All lemmas that were learned.
#[derive(Default)]
pub(super) struct Lemmas {
    pub all: Vec<LearnedLemma>,
    /// For each transaction, the lemmas with an assumption in which it is the earlier one.
    by_earlier: FxHashMap<u32, Vec<u32>>,
    /// The present hypotheses: assumptions about transactions that are not placed yet.
    pub supposed: Vec<Literal>,
    /// The number of assumptions and edges in all lemmas.
    size: usize,
}

/// A limit on the memory of lemmas, in assumptions and edges.
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

    /// Adds a lemma that edges of the graph enforce. Returns its number.
    pub(super) fn add_implied(&mut self, lemma: LearnedLemma) -> u32 {
        self.size += lemma.assumed.len() + lemma.cycle.len();
        self.all.push(lemma);
        self.all.len() as u32 - 1
    }

    /// Whether the memory limit for lemmas is exceeded.
    pub(super) fn is_full(&self) -> bool {
        self.size > SIZE_MAX
    }

    /// The lemmas that forbid to place a transaction now, in the order in which they were learned. All other
    /// assumptions of such a lemma hold or are hypotheses. `position` is by vertex, [`NONE`] if it is not placed. Each lemma comes with its assumptions in which the
    /// transaction is the earlier one and which are no hypotheses.
    pub(super) fn blocking_lemmas<'l>(
        &'l self,
        op: u32,
        position: &'l [u32],
    ) -> impl Iterator<Item = (u32, Vec<Literal>)> + 'l {
        let numbers = self.by_earlier.get(&op).into_iter().flatten();
        numbers.filter_map(move |&number| {
            let mut own = Vec::new();
            for &literal in &self.all[number as usize].assumed {
                if self.supposed.contains(&literal) {
                    continue;
                }
                match literal.earlier == op {
                    true if position[literal.later as usize] != NONE => return None,
                    true => own.push(literal),
                    false if !literal.is_affirmed_by(position) => return None,
                    false => {}
                }
            }
            Some((number, own))
        })
    }
}
