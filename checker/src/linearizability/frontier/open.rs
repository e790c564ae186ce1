//! What is open at one moment, indexed for the questions that the frontier asks: who reads this value, which write of
//! it is used first, what does anybody wait for.

use super::super::bits::{Bits, clear_bit, has_bit, set_bit};
use super::super::register::RegisterStep;
use rustc_hash::FxHashMap;

/// One way in which the operations so far can have happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Config<const W: usize> {
    /// What the register holds.
    pub(super) value: u32,
    /// The open operations that are done: reads answered, writes seen, compare-and-sets taken.
    pub(super) done: Bits<W>,
    /// The open certain blind writes that are not done and may count as having happened.
    pub(super) free: Bits<W>,
}

/// All that is open, indexed for the questions that the search asks.
pub(super) struct OpenSteps<'a, const W: usize> {
    pub(super) steps: &'a [RegisterStep],
    /// Steps with their values numbered from zero.
    pub(super) accesses: Vec<NumberedAccess>,
    pub(super) slot_of: Vec<u32>,
    pub(super) step_at: Vec<u32>,
    pub(super) free: Vec<u32>,
    pub(super) used_slots: u32,
    /// Open reads of each value.
    pub(super) readers: Vec<Vec<u32>>,
    /// Open blind writes of each value: those that return first, first; indeterminate ones last.
    pub(super) writers: Vec<Vec<u32>>,
    /// Open compare-and-sets from each value, in the same order.
    pub(super) takers: Vec<Vec<u32>>,
    /// The values with an open taker, and how many.
    pub(super) taken_from: FxHashMap<u32, u32>,
    /// The values with an open reader, and how many.
    pub(super) read: FxHashMap<u32, u32>,
    /// Open failed compare-and-sets that observe.
    pub(super) differing: Vec<u32>,
    /// Which slots hold reads (more done is better) and which hold certain compare-and-sets (done or not is
    /// a difference); all others hold writes and indeterminate ones (fewer done is better).
    pub(super) reading: Bits<W>,
    pub(super) taking: Bits<W>,
    /// Certain blind writes.
    pub(super) blind: Bits<W>,
    /// Whether a certain compare-and-set has to happen.
    pub(super) obliges: bool,
}

/// An access with dense values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NumberedAccess {
    Read(u32),
    Write(u32),
    Cas(u32, u32),
    Differs(u32),
}

impl<'a, const W: usize> OpenSteps<'a, W> {
    pub(super) fn new(steps: &'a [RegisterStep], accesses: Vec<NumberedAccess>, values: usize) -> Self {
        OpenSteps {
            steps,
            slot_of: vec![u32::MAX; accesses.len()],
            accesses,
            step_at: vec![u32::MAX; W * 64],
            free: Vec::new(),
            used_slots: 0,
            readers: vec![Vec::new(); values],
            writers: vec![Vec::new(); values],
            takers: vec![Vec::new(); values],
            taken_from: FxHashMap::default(),
            read: FxHashMap::default(),
            differing: Vec::new(),
            reading: [0; W],
            taking: [0; W],
            blind: [0; W],
            obliges: true,
        }
    }

    pub(super) fn open_step(&mut self, step: u32) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.used_slots += 1;
            self.used_slots - 1
        });
        self.slot_of[step as usize] = slot;
        self.step_at[slot as usize] = step;
        let certain = self.steps[step as usize].is_certain();
        match self.accesses[step as usize] {
            NumberedAccess::Read(value) => {
                self.readers[value as usize].push(slot);
                *self.read.entry(value).or_default() += 1;
                set_bit(&mut self.reading, slot);
            }
            NumberedAccess::Differs(_) => {
                self.differing.push(slot);
                set_bit(&mut self.reading, slot);
            }
            NumberedAccess::Write(value) => {
                self.insert_by_return(slot, |open| &mut open.writers[value as usize]);
                if certain {
                    set_bit(&mut self.blind, slot);
                }
            }
            NumberedAccess::Cas(old, _) => {
                self.insert_by_return(slot, |open| &mut open.takers[old as usize]);
                *self.taken_from.entry(old).or_default() += 1;
                if certain && self.obliges {
                    set_bit(&mut self.taking, slot);
                }
            }
        }
        slot
    }

    /// Keeps a list ordered by response, and by invocation among the indeterminate.
    pub(super) fn insert_by_return(&mut self, slot: u32, list: impl Fn(&mut Self) -> &mut Vec<u32>) {
        let key = |open: &Self, slot: u32| {
            let step = &open.steps[open.step_at[slot as usize] as usize];
            (step.returned, step.invoked)
        };
        let mut slots = std::mem::take(list(self));
        let at = slots.partition_point(|&other| key(self, other) < key(self, slot));
        slots.insert(at, slot);
        *list(self) = slots;
    }

    pub(super) fn close_step(&mut self, step: u32) {
        let slot = self.slot_of[step as usize];
        let forget = |list: &mut Vec<u32>| list.retain(|&other| other != slot);
        let one_less = |counts: &mut FxHashMap<u32, u32>, value: u32| {
            let count = counts.get_mut(&value).expect("it was open");
            *count -= 1;
            if *count == 0 {
                counts.remove(&value);
            }
        };
        match self.accesses[step as usize] {
            NumberedAccess::Read(value) => {
                forget(&mut self.readers[value as usize]);
                one_less(&mut self.read, value);
            }
            NumberedAccess::Differs(_) => forget(&mut self.differing),
            NumberedAccess::Write(value) => forget(&mut self.writers[value as usize]),
            NumberedAccess::Cas(old, _) => {
                forget(&mut self.takers[old as usize]);
                one_less(&mut self.taken_from, old);
            }
        }
        clear_bit(&mut self.reading, slot);
        clear_bit(&mut self.taking, slot);
        clear_bit(&mut self.blind, slot);
        self.free.push(slot);
    }

    /// Calls `go` with each write and compare-and-set that may be seen now, `target` as a write left out. The value
    /// that a loose compare-and-set waits for as its last chance is wanted too.
    pub(super) fn for_each_move(
        &self,
        config: &Config<W>,
        target: u32,
        chance: Option<u32>,
        mut go: impl FnMut(u32),
    ) {
        let wanted = self.wanted_values(config, chance);
        for &value in &wanted {
            if value != config.value
                && let Some(&by) =
                    self.writers[value as usize].iter().find(|&&slot| !has_bit(&config.done, slot))
                && by != target
            {
                go(by);
            }
        }
        if let Some(by) = self.find_freeing_write(config).filter(|&by| by != target) {
            go(by);
        }
        let mut results: Vec<u32> = Vec::new();
        for &slot in &self.takers[config.value as usize] {
            let NumberedAccess::Cas(_, new) = self.accesses[self.step_at[slot as usize] as usize] else {
                continue;
            };
            if has_bit(&config.done, slot) || results.contains(&new) {
                continue;
            }
            results.push(new);
            if has_bit(&self.taking, slot) || wanted.contains(&new) {
                go(slot);
            }
        }
    }

    /// The values that somebody open waits for, by way of indeterminate compare-and-sets too.
    pub(super) fn wanted_values(&self, config: &Config<W>, chance: Option<u32>) -> Vec<u32> {
        let waits = |slots: &[u32]| slots.iter().any(|&slot| !has_bit(&config.done, slot));
        let mut wanted: Vec<u32> = Vec::with_capacity(8);
        wanted.extend(chance);
        wanted.extend(
            self.read
                .keys()
                .copied()
                .filter(|&value| Some(value) != chance && waits(&self.readers[value as usize])),
        );
        for &value in self.taken_from.keys() {
            let takers = &self.takers[value as usize];
            let certain = |&slot: &u32| has_bit(&self.taking, slot) && !has_bit(&config.done, slot);
            if takers.iter().any(certain) && !wanted.contains(&value) {
                wanted.push(value);
            }
        }
        if !self.differing.is_empty() {
            self.want_any_other_value(config, &mut wanted);
        }
        let mut grown = true;
        while grown {
            grown = false;
            for &value in self.taken_from.keys().filter(|value| !wanted.contains(value)).collect::<Vec<_>>() {
                let leads = |&slot: &u32| {
                    let NumberedAccess::Cas(_, new) = self.accesses[self.step_at[slot as usize] as usize]
                    else {
                        return false;
                    };
                    !has_bit(&config.done, slot) && wanted.contains(&new)
                };
                if self.takers[value as usize].iter().any(leads) {
                    wanted.push(value);
                    grown = true;
                }
            }
        }
        wanted.sort_unstable();
        wanted
    }

    /// A failed compare-and-set that is open wants any value but its own.
    pub(super) fn want_any_other_value(&self, config: &Config<W>, wanted: &mut Vec<u32>) {
        if self.differing.iter().all(|&slot| has_bit(&config.done, slot)) {
            return;
        }
        let open = (0..self.used_slots).map(|slot| self.step_at[slot as usize]);
        for step in open.filter(|&step| self.slot_of[step as usize] != u32::MAX) {
            if let NumberedAccess::Write(value) | NumberedAccess::Cas(_, value) = self.accesses[step as usize]
                && value != config.value
                && !wanted.contains(&value)
            {
                wanted.push(value);
            }
        }
    }

    /// A write of the value that is there, to free the others before a compare-and-set takes the value away.
    pub(super) fn find_freeing_write(&self, config: &Config<W>) -> Option<u32> {
        let stuck = (0..W).any(|w| self.blind[w] & !config.done[w] & !config.free[w] != 0);
        let leaves = self.takers[config.value as usize].iter().any(|&slot| !has_bit(&config.done, slot));
        let mut writers = self.writers[config.value as usize].iter().copied();
        (stuck && leaves).then(|| writers.find(|&slot| !has_bit(&config.done, slot))).flatten()
    }

    /// Whether every continuation of `b` is one of `a` as well.
    pub(super) fn dominates(&self, a: &Config<W>, b: &Config<W>) -> bool {
        if a.value != b.value {
            return false;
        }
        for w in 0..W {
            let (reading, taking, blind) = (self.reading[w], self.taking[w], self.blind[w]);
            let spending = !(reading | taking);
            let worse = (b.done[w] & !a.done[w] & reading)
                | ((a.done[w] ^ b.done[w]) & taking)
                | (a.done[w] & !b.done[w] & spending)
                | (!a.done[w] & !a.free[w] & (b.done[w] | b.free[w]) & blind);
            if worse != 0 {
                return false;
            }
        }
        true
    }
}
