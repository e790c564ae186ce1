//! Registers whose values are written more than once: just-in-time linearization with absorbed writes.
//!
//! The history is read forward, keeping every way in which the operations so far can have happened: a
//! *configuration* is the register's value and what is done of the operations that are open. Nothing is done
//! before it must be: only when an operation returns are others put before it (Lowe, Testing for Linearizability,
//! CCPE 2017). A plain search over configurations is exponential in what is open. These observations, each an
//! exchange argument, are what make it small:
//!
//! * A read is taken the moment its value is there: it changes nothing.
//! * A blind write that happens right before another leaves no trace, nor does a write of the value that is
//!   there. So once some blind write is seen while w is open, or the register holds what w writes, w is *free*:
//!   it may count as having happened then, or be seen itself later. Keeping only the first of the two options
//!   would reject legal histories.
//! * Of open writes of one value, the one that returns first is used first, an indeterminate one last: what is
//!   left then serves at least as long. Likewise for compare-and-sets of the same pair.
//! * A blind write that is not returning is seen only if somebody open wants its value, or (of the value that is
//!   there) to free others before a compare-and-set takes it away; an indeterminate operation happens only then.
//!   Whatever else could be done now can as well be done later.
//! * A configuration is dropped if another one *dominates* it: same value, more reads done, fewer writes used,
//!   more of them free. Every continuation of the one is a continuation of the other.
//!
//! An open operation is a bit; bits are used again after it returns, so that a configuration is a few words
//! however long the history is. Indeterminate operations keep theirs. What was seen, and when, is a chain of
//! moves behind each configuration, from which the witness is put together at the end.
//!
//! Cost: n responses times the configurations alive (a handful at concurrency 20 with five values), in memory
//! one move for each write on a living path.

use super::bits::{self, Bits, bit, clear, set};
use super::register::{Access, Step};
use crate::{Limits, Unknown};
use histories::ValueId;
use rustc_hash::FxHashMap;

mod replay;

/// What the search found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Frontier {
    /// An order of steps, by place, that explains them all.
    Order(Vec<u32>),
    /// Nothing explains the steps up to the response at this position.
    Dead(u32),
    /// A limit was reached.
    Unknown(Unknown),
}

/// How much of the frontier is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Width {
    /// All of it: the answer is exact.
    Whole,
    /// The most promising configurations: an order that is found is right, its absence means nothing.
    Beam(usize),
}

/// Decides whether the steps have an order that is legal for a register that holds one of `initials` at first, and
/// says how many steps of search that took.
pub(crate) fn decide(
    steps: &[Step],
    initials: &[ValueId],
    width: Width,
    limits: &Limits<'_>,
) -> (Frontier, u64) {
    match bits::slots_needed(&events(steps)).div_ceil(64) {
        0 | 1 => search::<1>(steps, initials, width, limits),
        2 => search::<2>(steps, initials, width, limits),
        3 => search::<3>(steps, initials, width, limits),
        4 => search::<4>(steps, initials, width, limits),
        5..=8 => search::<8>(steps, initials, width, limits),
        9..=16 => search::<16>(steps, initials, width, limits),
        17..=64 => search::<64>(steps, initials, width, limits),
        words => {
            let reason = format!(
                "up to {} operations on one key are open or indeterminate at once; the frontier search holds 4096",
                words * 64
            );
            (Frontier::Unknown(Unknown { reason }), 0)
        }
    }
}

fn events(steps: &[Step]) -> Vec<(u32, u32, bool)> {
    bits::events(steps.iter().map(|step| (step.invoked, step.returned)))
}

/// One way in which the operations so far can have happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Config<const W: usize> {
    /// What the register holds.
    value: u32,
    /// The open operations that are done: reads answered, writes seen, compare-and-sets taken.
    done: Bits<W>,
    /// The open certain blind writes that are not done and may count as having happened.
    free: Bits<W>,
}

/// A configuration and the last move on its path.
#[derive(Clone, Copy, Debug)]
struct Alive<const W: usize> {
    config: Config<W>,
    last: u32,
}

/// A write or compare-and-set that was seen, before the response at a position.
#[derive(Clone, Copy, Debug)]
struct Move {
    before: u32,
    step: u32,
    position: u32,
}

const START: u32 = u32::MAX;
/// How many moves are worth a look for those on no living path.
const COMPACT_AT: usize = 1 << 20;

/// All that is open, indexed for the questions that the search asks.
struct Open<'a, const W: usize> {
    steps: &'a [Step],
    /// Steps with their values numbered from zero.
    accesses: Vec<Local>,
    slot_of: Vec<u32>,
    step_at: Vec<u32>,
    free: Vec<u32>,
    used_slots: u32,
    /// Open reads of each value.
    readers: Vec<Vec<u32>>,
    /// Open blind writes of each value: those that return first, first; indeterminate ones last.
    writers: Vec<Vec<u32>>,
    /// Open compare-and-sets from each value, in the same order.
    takers: Vec<Vec<u32>>,
    /// The values with an open taker, and how many.
    taken_from: FxHashMap<u32, u32>,
    /// The values with an open reader, and how many.
    read: FxHashMap<u32, u32>,
    /// Open failed compare-and-sets that observe.
    differing: Vec<u32>,
    /// Which slots hold reads (more done is better) and which hold certain compare-and-sets (done or not is
    /// a difference); all others hold writes and indeterminate ones (fewer done is better).
    reading: Bits<W>,
    taking: Bits<W>,
    /// Certain blind writes.
    blind: Bits<W>,
}

/// An access with dense values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Local {
    Read(u32),
    Write(u32),
    Cas(u32, u32),
    Differs(u32),
}

fn search<const W: usize>(
    steps: &[Step],
    initials: &[ValueId],
    width: Width,
    limits: &Limits<'_>,
) -> (Frontier, u64) {
    let mut numbers: FxHashMap<ValueId, u32> = FxHashMap::default();
    let mut number = |value| {
        let next = numbers.len() as u32;
        *numbers.entry(value).or_insert(next)
    };
    let starts: Vec<u32> = initials.iter().map(|&value| number(value)).collect();
    let accesses: Vec<Local> = (steps.iter())
        .map(|step| match step.access {
            Access::Read(value) => Local::Read(number(value)),
            Access::Write(value) => Local::Write(number(value)),
            Access::Cas(old, new) => Local::Cas(number(old), number(new)),
            Access::Differs(value) => Local::Differs(number(value)),
        })
        .collect();
    let open = Open::<'_, W>::new(steps, accesses, numbers.len());
    let mut search =
        Search::<W> { open, alive: Vec::new(), moves: Vec::new(), spent: 0, compact_at: COMPACT_AT };
    let end = search.run(&starts, width, limits);
    let found = end.map_or_else(|end| end, |path| Frontier::Order(replay::order(steps, initials, &path)));
    (found, search.spent)
}

struct Search<'a, const W: usize> {
    open: Open<'a, W>,
    alive: Vec<Alive<W>>,
    moves: Vec<Move>,
    spent: u64,
    compact_at: usize,
}

impl<const W: usize> Search<'_, W> {
    /// The moves of a path to the end, or how else the search ended.
    fn run(&mut self, starts: &[u32], width: Width, limits: &Limits<'_>) -> Result<Path, Frontier> {
        for (at, &value) in (0u32..).zip(starts) {
            // The path of each start ends in a move of its own, that names the start.
            self.moves.push(Move { before: START, step: at, position: 0 });
            let config = Config { value, done: [0; W], free: [0; W] };
            self.alive.push(Alive { config, last: at });
        }
        let events = events(self.open.steps);
        for (count, &(position, step, returns)) in events.iter().enumerate() {
            if returns {
                self.returned(step, position);
                if self.alive.is_empty() {
                    return Err(Frontier::Dead(position));
                }
                self.prune(width);
                if let Some(reason) = self.over(limits) {
                    let reason = format!("{reason} after {count} of {} events", events.len());
                    return Err(Frontier::Unknown(Unknown { reason }));
                }
            } else {
                self.invoked(step);
            }
        }
        let best = self.alive.first().expect("the frontier is not empty");
        Ok(Path::of(&self.moves, best.last))
    }

    fn over(&mut self, limits: &Limits<'_>) -> Option<String> {
        if self.moves.len() > self.compact_at {
            self.compact();
        }
        let bytes = self.moves.len() * size_of::<Move>() + self.alive.len() * size_of::<Alive<W>>() * 4;
        if limits.stopped() {
            return Some("the search was stopped".to_owned());
        }
        if self.spent > limits.steps {
            return Some(format!("the search took its {} steps", limits.steps));
        }
        (bytes > limits.bytes).then(|| format!("the search took its {} bytes", limits.bytes))
    }

    fn invoked(&mut self, step: u32) {
        let slot = self.open.open(step);
        match self.open.accesses[step as usize] {
            Local::Read(value) => self.answer(slot, |held| held == value),
            Local::Differs(value) => self.answer(slot, |held| held != value),
            Local::Write(value) if bit(&self.open.blind, slot) => {
                for alive in self.alive.iter_mut().filter(|alive| alive.config.value == value) {
                    set(&mut alive.config.free, slot);
                }
            }
            Local::Write(_) | Local::Cas(..) => {}
        }
    }

    /// Answers a read that was just invoked, where the register holds what it returned.
    fn answer(&mut self, slot: u32, fits: impl Fn(u32) -> bool) {
        for alive in &mut self.alive {
            if fits(alive.config.value) {
                set(&mut alive.config.done, slot);
            }
        }
    }

    /// Puts before the response of `step` what has to come before it, in every way there is.
    fn returned(&mut self, step: u32, position: u32) {
        let slot = self.open.slot_of[step as usize];
        let mut next = Vec::with_capacity(self.alive.len());
        for alive in std::mem::take(&mut self.alive) {
            if bit(&alive.config.done, slot) {
                next.push(alive);
            } else {
                self.explore(alive, step, position, &mut next);
            }
        }
        for alive in &mut next {
            clear(&mut alive.config.done, slot);
            clear(&mut alive.config.free, slot);
        }
        self.spent += next.len() as u64;
        self.open.close(step);
        self.alive = next;
    }

    /// All configurations reached from `from` in which `step` is done, with nothing done that could wait.
    fn explore(&mut self, from: Alive<W>, step: u32, position: u32, next: &mut Vec<Alive<W>>) {
        let slot = self.open.slot_of[step as usize];
        let blind = matches!(self.open.accesses[step as usize], Local::Write(_));
        let free_at_first = bit(&from.config.free, slot);
        if free_at_first {
            next.push(from);
        }
        // Nearest first, so that what is reached by way of a detour finds what dominates it.
        let mut reached: Vec<Alive<W>> = vec![from];
        let mut at = 0;
        while at < reached.len() {
            let here = reached[at];
            at += 1;
            if bit(&here.config.done, slot) {
                continue;
            }
            self.spent += 1;
            if blind {
                // Seen itself, last of all.
                next.push(self.see(here, step, position));
            }
            self.open.for_each_move(&here.config, slot, |by| {
                let then = apply_move(&self.open, &mut self.moves, here, by, position);
                self.spent += 1;
                if reached.iter().any(|better| self.open.dominates(&better.config, &then.config)) {
                    self.moves.pop();
                    return;
                }
                reached.push(then);
                if bit(&then.config.done, slot) || (!free_at_first && bit(&then.config.free, slot)) {
                    next.push(then);
                }
            });
        }
    }

    fn see(&mut self, at: Alive<W>, step: u32, position: u32) -> Alive<W> {
        apply_move(&self.open, &mut self.moves, at, self.open.slot_of[step as usize], position)
    }

    /// Drops doubles and dominated configurations.
    fn prune(&mut self, width: Width) {
        let open = &self.open;
        let alive = &mut self.alive;
        if alive.len() < 2 {
            return;
        }
        let cost = |config: &Config<W>| {
            let used: u32 = (0..W).map(|w| (config.done[w] & !open.reading[w]).count_ones()).sum();
            let unread: u32 = (0..W).map(|w| (open.reading[w] & !config.done[w]).count_ones()).sum();
            let free: u32 = (0..W).map(|w| config.free[w].count_ones()).sum();
            (config.value, 2 * (used + unread) + (64 * W as u32 - free))
        };
        alive.sort_by_cached_key(|alive| (cost(&alive.config), alive.config.done, alive.config.free));
        alive.dedup_by_key(|alive| alive.config);
        let mut kept: Vec<Alive<W>> = Vec::with_capacity(alive.len());
        let mut group = 0;
        for candidate in alive.drain(..) {
            if kept.last().is_some_and(|last| last.config.value != candidate.config.value) {
                group = kept.len();
            }
            if !kept[group..].iter().any(|better| open.dominates(&better.config, &candidate.config)) {
                kept.push(candidate);
            }
        }
        self.spent += kept.len() as u64;
        if let Width::Beam(most) = width
            && kept.len() > most
        {
            kept.sort_by_key(|alive| cost(&alive.config).1);
            kept.truncate(most);
        }
        self.alive = kept;
    }

    /// Forgets the moves that are on no living path.
    fn compact(&mut self) {
        let mut live = vec![false; self.moves.len()];
        for alive in &self.alive {
            let mut at = alive.last;
            while at != START && !std::mem::replace(&mut live[at as usize], true) {
                at = self.moves[at as usize].before;
            }
        }
        let mut moved = vec![START; self.moves.len()];
        let mut kept = 0;
        for at in 0..self.moves.len() {
            if live[at] {
                let mut step = self.moves[at];
                if step.before != START {
                    step.before = moved[step.before as usize];
                }
                moved[at] = kept as u32;
                self.moves[kept] = step;
                kept += 1;
            }
        }
        self.moves.truncate(kept);
        for alive in &mut self.alive {
            alive.last = moved[alive.last as usize];
        }
        self.compact_at = COMPACT_AT.max(kept * 2);
    }
}

/// What was seen on one path: the place of the initial value, and each write and compare-and-set in order, with
/// the position of the response before which it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Path {
    start: u32,
    seen: Vec<(u32, u32)>,
}

impl Path {
    fn of(moves: &[Move], last: u32) -> Path {
        let mut seen = Vec::new();
        let mut at = moves[last as usize];
        while at.before != START {
            seen.push((at.step, at.position));
            at = moves[at.before as usize];
        }
        seen.reverse();
        Path { start: at.step, seen }
    }
}

/// The write or compare-and-set in slot `by` is seen.
fn apply_move<const W: usize>(
    open: &Open<'_, W>,
    moves: &mut Vec<Move>,
    mut at: Alive<W>,
    by: u32,
    position: u32,
) -> Alive<W> {
    let step = open.step_at[by as usize];
    let config = &mut at.config;
    set(&mut config.done, by);
    config.value = match open.accesses[step as usize] {
        Local::Write(value) => {
            for w in 0..W {
                config.free[w] = open.blind[w] & !config.done[w];
            }
            value
        }
        Local::Cas(_, new) => new,
        Local::Read(_) | Local::Differs(_) => unreachable!("a read is not a move"),
    };
    for &reader in &open.readers[config.value as usize] {
        set(&mut config.done, reader);
    }
    for &writer in &open.writers[config.value as usize] {
        if bit(&open.blind, writer) && !bit(&config.done, writer) {
            set(&mut config.free, writer);
        }
    }
    for &slot in &open.differing {
        if open.accesses[open.step_at[slot as usize] as usize] != Local::Differs(config.value) {
            set(&mut config.done, slot);
        }
    }
    moves.push(Move { before: at.last, step, position });
    at.last = (moves.len() - 1) as u32;
    at
}

impl<'a, const W: usize> Open<'a, W> {
    fn new(steps: &'a [Step], accesses: Vec<Local>, values: usize) -> Self {
        Open {
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
        }
    }

    fn open(&mut self, step: u32) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.used_slots += 1;
            self.used_slots - 1
        });
        self.slot_of[step as usize] = slot;
        self.step_at[slot as usize] = step;
        let certain = self.steps[step as usize].is_certain();
        match self.accesses[step as usize] {
            Local::Read(value) => {
                self.readers[value as usize].push(slot);
                *self.read.entry(value).or_default() += 1;
                set(&mut self.reading, slot);
            }
            Local::Differs(_) => {
                self.differing.push(slot);
                set(&mut self.reading, slot);
            }
            Local::Write(value) => {
                self.insert_by_return(slot, |open| &mut open.writers[value as usize]);
                if certain {
                    set(&mut self.blind, slot);
                }
            }
            Local::Cas(old, _) => {
                self.insert_by_return(slot, |open| &mut open.takers[old as usize]);
                *self.taken_from.entry(old).or_default() += 1;
                if certain {
                    set(&mut self.taking, slot);
                }
            }
        }
        slot
    }

    /// Keeps a list ordered by response, and by invocation among the indeterminate.
    fn insert_by_return(&mut self, slot: u32, list: impl Fn(&mut Self) -> &mut Vec<u32>) {
        let key = |open: &Self, slot: u32| {
            let step = &open.steps[open.step_at[slot as usize] as usize];
            (step.returned, step.invoked)
        };
        let mut slots = std::mem::take(list(self));
        let at = slots.partition_point(|&other| key(self, other) < key(self, slot));
        slots.insert(at, slot);
        *list(self) = slots;
    }

    fn close(&mut self, step: u32) {
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
            Local::Read(value) => {
                forget(&mut self.readers[value as usize]);
                one_less(&mut self.read, value);
            }
            Local::Differs(_) => forget(&mut self.differing),
            Local::Write(value) => forget(&mut self.writers[value as usize]),
            Local::Cas(old, _) => {
                forget(&mut self.takers[old as usize]);
                one_less(&mut self.taken_from, old);
            }
        }
        clear(&mut self.reading, slot);
        clear(&mut self.taking, slot);
        clear(&mut self.blind, slot);
        self.free.push(slot);
    }

    /// Calls `go` with each write and compare-and-set that may be seen now, `target` as a write left out.
    fn for_each_move(&self, config: &Config<W>, target: u32, mut go: impl FnMut(u32)) {
        let wanted = self.wanted(config);
        for &value in &wanted {
            if value != config.value
                && let Some(&by) = self.writers[value as usize].iter().find(|&&slot| !bit(&config.done, slot))
                && by != target
            {
                go(by);
            }
        }
        if let Some(by) = self.silent(config).filter(|&by| by != target) {
            go(by);
        }
        let mut results: Vec<u32> = Vec::new();
        for &slot in &self.takers[config.value as usize] {
            let Local::Cas(_, new) = self.accesses[self.step_at[slot as usize] as usize] else { continue };
            if bit(&config.done, slot) || results.contains(&new) {
                continue;
            }
            results.push(new);
            if bit(&self.taking, slot) || wanted.contains(&new) {
                go(slot);
            }
        }
    }

    /// The values that somebody open waits for, by way of indeterminate compare-and-sets too.
    fn wanted(&self, config: &Config<W>) -> Vec<u32> {
        let waits = |slots: &[u32]| slots.iter().any(|&slot| !bit(&config.done, slot));
        let mut wanted: Vec<u32> = Vec::with_capacity(8);
        wanted.extend(self.read.keys().copied().filter(|&value| waits(&self.readers[value as usize])));
        for &value in self.taken_from.keys() {
            let takers = &self.takers[value as usize];
            let certain = |&slot: &u32| bit(&self.taking, slot) && !bit(&config.done, slot);
            if takers.iter().any(certain) && !wanted.contains(&value) {
                wanted.push(value);
            }
        }
        if !self.differing.is_empty() {
            self.want_anything_else(config, &mut wanted);
        }
        let mut grown = true;
        while grown {
            grown = false;
            for &value in self.taken_from.keys().filter(|value| !wanted.contains(value)).collect::<Vec<_>>() {
                let leads = |&slot: &u32| {
                    let Local::Cas(_, new) = self.accesses[self.step_at[slot as usize] as usize] else {
                        return false;
                    };
                    !bit(&config.done, slot) && wanted.contains(&new)
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
    fn want_anything_else(&self, config: &Config<W>, wanted: &mut Vec<u32>) {
        if self.differing.iter().all(|&slot| bit(&config.done, slot)) {
            return;
        }
        let open = (0..self.used_slots).map(|slot| self.step_at[slot as usize]);
        for step in open.filter(|&step| self.slot_of[step as usize] != u32::MAX) {
            if let Local::Write(value) | Local::Cas(_, value) = self.accesses[step as usize]
                && value != config.value
                && !wanted.contains(&value)
            {
                wanted.push(value);
            }
        }
    }

    /// A write of the value that is there, to free the others before a compare-and-set takes the value away.
    fn silent(&self, config: &Config<W>) -> Option<u32> {
        let stuck = (0..W).any(|w| self.blind[w] & !config.done[w] & !config.free[w] != 0);
        let leaves = self.takers[config.value as usize].iter().any(|&slot| !bit(&config.done, slot));
        let mut writers = self.writers[config.value as usize].iter().copied();
        (stuck && leaves).then(|| writers.find(|&slot| !bit(&config.done, slot))).flatten()
    }

    /// Whether every continuation of `b` is one of `a` as well.
    fn dominates(&self, a: &Config<W>, b: &Config<W>) -> bool {
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
