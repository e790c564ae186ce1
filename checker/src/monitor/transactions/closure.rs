//! Which transactions must stay: those that are recent, and everything that must come after a transaction that stays.
//!
//! What is left, F, has no edge that leads into it from a transaction that stays. The edges are those of strict
//! serializability: real time, and for each key the order of versions with its readers. Every other level that is judged
//! online has a part of these edges.
//!
//! Real time needs one number: everything that was invoked after the first completion of a transaction that stays. A list
//! needs one number for each key: the lowest place at which something stays. So the closure takes O(n log n) for n
//! micro-operations.

use super::kept::{KeptTransaction, MicroAction};
use super::keys::KeptKey;
use super::places::ListPlaces;
use crate::monitor::stream::NOT_YET;
use histories::Outcome;

/// What decides which transactions may be forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForgetRules {
    pub(super) lists: bool,
    /// Only transactions that ended before this position may be forgotten.
    pub(super) recent_from: u64,
    /// Only transactions that took effect before this position may be forgotten.
    pub(super) settled_before: u64,
    /// Indeterminate transactions that no read has returned are forgotten if they ended before this position, and keys whose
    /// last writes have no known order are retired if nobody used them since.
    pub(super) idle_before: u64,
}

/// What is known of the effect of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// It took effect, before the given position if the position is known.
    By(u64),
    /// It did not take effect, and never will.
    Never,
    /// It may still take effect.
    Open,
}

/// An append whose place no read shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unplaced {
    pub(super) transaction: u32,
    /// The place of the append in its transaction.
    pub(super) micro: usize,
    invoked: u64,
    effect_by: u64,
}

/// The row of a key that no transaction uses.
const NO_ROW: u32 = u32::MAX;

/// What a transaction that stays keeps.
#[derive(Clone, Copy)]
enum Mark {
    /// Everything of the list of a row from a place on.
    From(usize, u64),
    /// Appends of the list of a row whose place is not known.
    Unplaced(usize),
}

/// What the closure knows of a key.
#[derive(Default)]
pub(super) struct KeyRow {
    /// Writers by the place of their element, and readers by the number of elements that others had left for them. In
    /// ascending order; the part from `lowest` on was reached.
    places: Vec<(u64, u32)>,
    /// The lowest place that stays.
    pub(super) lowest: u64,
    /// In order of invocation.
    pub(super) unplaced: Vec<Unplaced>,
    /// The first invocation of a transaction that stays and appends at an unknown place.
    unplaced_from: u64,
    /// The order of appends at unknown places is given up.
    pub(super) is_retired: bool,
    /// Everything about the key stays.
    pub(super) stays: bool,
}

/// The transactions that stay, and what it follows from.
pub(super) struct Closure<'a> {
    pub(super) transactions: &'a [KeptTransaction],
    pub(super) keys: &'a [KeptKey],
    pub(super) rules: ForgetRules,
    pub(super) effects: Vec<Effect>,
    pub(super) stays: Vec<bool>,
    /// The keys that these transactions use, and a row for each of them.
    pub(super) used: Vec<u32>,
    pub(super) rows: Vec<KeyRow>,
    /// The row of each key.
    row_of: Vec<u32>,
    /// For registers: the readers of each transaction.
    pub(super) readers: Vec<Vec<u32>>,
    /// For lists: the marks of each transaction.
    marks: Vec<Vec<Mark>>,
    stack: Vec<u32>,
    /// The transactions from here on were reached through real time.
    reached_from: usize,
}

impl<'a> Closure<'a> {
    pub(super) fn new(transactions: &'a [KeptTransaction], keys: &'a [KeptKey], rules: ForgetRules) -> Self {
        let row = || KeyRow { lowest: NOT_YET, unplaced_from: NOT_YET, ..KeyRow::default() };
        let (mut used, mut row_of) = (Vec::new(), vec![NO_ROW; keys.len()]);
        for micro in transactions.iter().flat_map(|kept| &kept.micros) {
            if row_of[micro.key as usize] == NO_ROW {
                row_of[micro.key as usize] = used.len() as u32;
                used.push(micro.key);
            }
        }
        Self {
            transactions,
            keys,
            rules,
            effects: transactions.iter().map(effect_as_told).collect(),
            stays: vec![false; transactions.len()],
            rows: used.iter().map(|_| row()).collect(),
            used,
            row_of,
            readers: Vec::new(),
            marks: vec![Vec::new(); transactions.len()],
            stack: Vec::new(),
            reached_from: transactions.len(),
        }
    }

    /// The row of a key that a transaction uses.
    pub(super) fn row_of(&self, key: u32) -> usize {
        self.row_of[key as usize] as usize
    }

    /// The key of a row.
    pub(super) fn key_of(&self, row: usize) -> &'a KeptKey {
        &self.keys[self.used[row] as usize]
    }

    /// Places the appends and the reads of all lists.
    pub(super) fn place_lists(&mut self) {
        let mut shown: Vec<ListPlaces<'_>> =
            self.used.iter().map(|&key| ListPlaces::of_key(&self.keys[key as usize])).collect();
        for (at, kept) in self.transactions.iter().enumerate() {
            for (key, value) in kept.writes() {
                shown[self.row_of(key)].add_writer(value, at as u32, self.effects[at] == Effect::Never);
            }
            for (key, read) in kept.reads().filter(|_| kept.is_ok()) {
                shown[self.row_of(key)].add_read(read, kept.completed);
            }
        }
        shown.iter_mut().for_each(ListPlaces::settle);
        for (at, kept) in self.transactions.iter().enumerate() {
            if self.effects[at] == Effect::Open {
                let places =
                    kept.writes().filter_map(|(key, value)| shown[self.row_of(key)].effect_of(value));
                if let Some(first) = places.min() {
                    self.effects[at] = Effect::By(first);
                }
            }
        }
        for (row, shown) in self.rows.iter_mut().zip(&shown) {
            row.stays = shown.is_contradictory;
        }
        for at in 0..self.transactions.len() {
            self.place_transaction(at, &shown);
        }
        self.rows.iter_mut().for_each(|row| row.places.sort_unstable());
    }

    fn place_transaction(&mut self, at: usize, shown: &[ListPlaces<'_>]) {
        let kept = &self.transactions[at];
        for (place_in, micro) in kept.micros.iter().enumerate() {
            let at_row = self.row_of(micro.key);
            let (shown, row) = (&shown[at_row], &mut self.rows[at_row]);
            match (&micro.action, self.effects[at]) {
                _ if self.keys[micro.key as usize].is_lost() => {}
                (_, Effect::Never) => {}
                (MicroAction::Write(value), Effect::By(effect_by)) => match shown.place_of(value) {
                    Some(place) => {
                        row.places.push((place, at as u32));
                        self.marks[at].push(Mark::From(at_row, place));
                    }
                    None => {
                        let (transaction, invoked) = (at as u32, kept.invoked);
                        row.unplaced.push(Unplaced { transaction, micro: place_in, invoked, effect_by });
                        self.marks[at].push(Mark::Unplaced(at_row));
                    }
                },
                (MicroAction::Write(_), Effect::Open) => {
                    if !self.is_dropped(at) {
                        let row = &mut self.rows[at_row];
                        row.unplaced_from = row.unplaced_from.min(kept.invoked);
                    }
                }
                (MicroAction::Read(read), Effect::By(_)) if kept.is_ok() => {
                    let left = shown.left_by_others(read, at as u32);
                    row.places.push((left, at as u32));
                    self.marks[at].push(Mark::From(at_row, left + 1));
                }
                (MicroAction::Read(_), _) => {}
            }
        }
    }

    /// Whether a transaction that may still take effect is forgotten all the same: a read of it will be noticed.
    pub(super) fn is_dropped(&self, at: usize) -> bool {
        let kept = &self.transactions[at];
        !kept.is_open() && self.effects[at] == Effect::Open && kept.last_event < self.rules.idle_before
    }

    /// Begins with the transactions that stay in any case.
    pub(super) fn keep_what_is_recent(&mut self) {
        for at in 0..self.transactions.len() {
            let kept = &self.transactions[at];
            let is_old = kept.last_event < self.rules.recent_from && !kept.is_open();
            let goes = match self.effects[at] {
                Effect::Never => is_old,
                Effect::Open => self.is_dropped(at),
                Effect::By(position) => is_old && position < self.rules.settled_before,
            };
            let pinned = kept.micros.iter().any(|micro| self.rows[self.row_of(micro.key)].stays);
            if !goes || pinned {
                self.keep(at as u32);
            }
        }
    }

    pub(super) fn keep(&mut self, at: u32) {
        if !std::mem::replace(&mut self.stays[at as usize], true) {
            self.stack.push(at);
        }
    }

    /// Keeps everything that must come after something that stays.
    pub(super) fn follow_edges(&mut self) {
        while let Some(at) = self.stack.pop() {
            if !matches!(self.effects[at as usize], Effect::By(_)) {
                continue;
            }
            let kept = &self.transactions[at as usize];
            if kept.is_ok() {
                self.follow_real_time(kept.completed);
            }
            if self.rules.lists {
                self.follow_lists(at);
            } else {
                let readers = std::mem::take(&mut self.readers[at as usize]);
                readers.iter().for_each(|&reader| self.keep(reader));
            }
        }
    }

    fn follow_real_time(&mut self, completed: u64) {
        while self.reached_from > 0 && self.transactions[self.reached_from - 1].invoked > completed {
            self.reached_from -= 1;
            if matches!(self.effects[self.reached_from], Effect::By(_)) {
                self.keep(self.reached_from as u32);
            }
        }
    }

    fn follow_lists(&mut self, at: u32) {
        for mark in std::mem::take(&mut self.marks[at as usize]) {
            match mark {
                Mark::From(row, place) => self.keep_list_from(row, place),
                Mark::Unplaced(row) => {
                    let row = &mut self.rows[row];
                    row.unplaced_from = row.unplaced_from.min(self.transactions[at as usize].invoked);
                }
            }
        }
    }

    /// Keeps the writers and readers of a list from a place on, and all appends whose place is not known: they come after
    /// all that were read.
    fn keep_list_from(&mut self, row: usize, place: u64) {
        let row = &mut self.rows[row];
        if row.lowest <= place {
            return;
        }
        row.lowest = place;
        let from = row.places.partition_point(|known| known.0 < place);
        let mut reached: Vec<u32> = row.places.split_off(from).into_iter().map(|known| known.1).collect();
        reached.extend(row.unplaced.iter().map(|unplaced| unplaced.transaction));
        reached.into_iter().for_each(|at| self.keep(at));
    }

    /// Keeps appends at unknown places whose order among each other is not certain. Returns whether there were any.
    pub(super) fn keep_uncertain_orders(&mut self) -> bool {
        let mut found = false;
        for at_row in 0..self.rows.len() {
            while let Some(from) = self.find_uncertain(at_row) {
                let is_idle = self.key_of(at_row).last_event < self.rules.idle_before;
                let row = &mut self.rows[at_row];
                if is_idle && row.lowest == NOT_YET {
                    row.is_retired = true;
                    break;
                }
                let invoked = row.unplaced[from].invoked;
                row.unplaced_from = row.unplaced_from.min(invoked);
                let later: Vec<u32> =
                    row.unplaced[from..].iter().map(|unplaced| unplaced.transaction).collect();
                later.into_iter().for_each(|at| self.keep(at));
                found = true;
            }
        }
        found
    }

    /// The first append at an unknown place that would be forgotten although its place among the others is not certain.
    pub(super) fn find_uncertain(&self, row: usize) -> Option<usize> {
        let row = &self.rows[row];
        let mut before: Option<(usize, u64)> = None;
        for (at, unplaced) in row.unplaced.iter().enumerate() {
            if self.stays[unplaced.transaction as usize] {
                continue;
            }
            if unplaced.effect_by >= row.unplaced_from {
                return Some(at);
            }
            if let Some((earlier, by)) = before
                && by >= unplaced.invoked
                && row.unplaced[earlier].transaction != unplaced.transaction
            {
                return Some(earlier);
            }
            if before.is_none_or(|before| before.1 < unplaced.effect_by) {
                before = Some((at, unplaced.effect_by));
            }
        }
        None
    }
}

fn effect_as_told(kept: &KeptTransaction) -> Effect {
    match kept.outcome {
        Some(Outcome::Ok) => Effect::By(kept.completed),
        Some(Outcome::Fail) => Effect::Never,
        Some(Outcome::Info) if kept.is_void() => Effect::Never,
        Some(Outcome::Info) | None => Effect::Open,
    }
}
