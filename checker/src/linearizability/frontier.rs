//! Registers whose values are written more than once: just-in-time linearization with absorbed writes.
//!
//! The search reads the history forward and keeps every way in which the operations so far can have happened. Each way
//! is a *configuration*: the register's value, and which of the open operations are done. No operation is done before
//! it must be: others are placed before an operation only when it returns (Lowe, Testing for Linearizability, CCPE
//! 2017). A plain search over configurations is exponential in the number of open operations. The following
//! observations, each an exchange argument, make it small:
//!
//! * A read is done at the first moment at which the register holds its value, because it changes nothing.
//! * A blind write that happens right before another write leaves no trace, nor does a write of the value that the
//!   register holds. So once some blind write is observed while w is open, or the register holds what w writes, w is
//!   *free*: it may count as having happened then, or be observed itself later. Keeping only the first of the two
//!   options would reject legal histories.
//! * Of several open writes of one value, the one that returns first is used first, and an indeterminate one last. The
//!   writes that are left can then be used at least as long. The same holds for compare-and-sets of the same pair.
//! * A blind write whose response is not due is done only if an open operation wants its value, or, if it writes the
//!   value that the register holds, to free other writes before a compare-and-set takes that value away. An
//!   indeterminate operation is done only in these cases. Any other operation can as well be done later.
//! * A configuration is dropped if another one *dominates* it: same value, more reads done, fewer writes used, more of
//!   them free. Every continuation of the dropped one is a continuation of the other.
//!
//! An open operation is a bit that is reused after it returns, so a configuration is a few words however long the
//! history is. Indeterminate operations keep their bits. Each configuration ends a chain of moves that records which
//! writes were observed and when. The witness is built from that chain at the end.
//!
//! Two choices remain exponential: *which* indeterminate operations were used so far, and which of the open
//! compare-and-sets are done. So several passes are made, and each decides only what it can be sure of. A beam of the
//! most promising configurations looks for an order. Relaxations, in which such operations can be used repeatedly, look
//! for a proof that there is none. Only the last pass keeps everything.
//!
//! Cost: n responses times the live configurations (a handful at concurrency 20 with five values). Memory: one move for
//! each write on a live path.

use super::bits::{self, clear_bit, has_bit, set_bit};
use super::register::{Access, RegisterStep};
use claims::{Limits, Reason};
use histories::ValueId;
use rustc_hash::FxHashMap;

mod open;
mod refinement;
mod replay;

pub(crate) use refinement::{Refinement, decide_by_refinement};

use open::{Config, NumberedAccess, OpenSteps};

/// The result of the search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FrontierResult {
    /// An order of the steps, by index, that explains them all.
    Order(Vec<u32>),
    /// No order explains the steps up to the response at this position.
    Dead(u32),
    /// A limit was reached.
    Unknown(Reason),
}

/// How many configurations of the frontier are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrontierWidth {
    /// All: the answer is exact.
    Whole,
    /// The most promising ones: an order that is found is right; if none is found, that means nothing.
    Beam(usize),
    /// All, but an indeterminate operation may happen any number of times. If there is no order, that is right; an
    /// order that is found means nothing. This pass need not remember which indeterminate operations were used, and the
    /// ways of using them are what makes a frontier large.
    Relaxed,
    /// As [`Width::Relaxed`], and certain compare-and-sets may happen any number of times while they are open, or
    /// never.
    Loose,
}

/// Decides whether the steps have an order that is legal for a register with one of the values `initials` at first.
/// Also returns the number of search steps.
pub(crate) fn decide_by_frontier(
    steps: &[RegisterStep],
    initials: &[ValueId],
    width: FrontierWidth,
    limits: &Limits<'_>,
) -> (FrontierResult, u64) {
    let spends = !matches!(width, FrontierWidth::Relaxed | FrontierWidth::Loose);
    search_frontier(steps, initials, width, vec![spends; steps.len()], limits)
}

/// The same. `spends` tells of each indeterminate step whether it happens at most once.
fn search_frontier(
    steps: &[RegisterStep],
    initials: &[ValueId],
    width: FrontierWidth,
    spends: Vec<bool>,
    limits: &Limits<'_>,
) -> (FrontierResult, u64) {
    match bits::count_slots_needed(&step_events(steps)).div_ceil(64) {
        0 | 1 => run_frontier_search::<1>(steps, initials, width, spends, limits),
        2 => run_frontier_search::<2>(steps, initials, width, spends, limits),
        3 => run_frontier_search::<3>(steps, initials, width, spends, limits),
        4 => run_frontier_search::<4>(steps, initials, width, spends, limits),
        5..=8 => run_frontier_search::<8>(steps, initials, width, spends, limits),
        9..=16 => run_frontier_search::<16>(steps, initials, width, spends, limits),
        17..=64 => run_frontier_search::<64>(steps, initials, width, spends, limits),
        words => {
            let reason = format!(
                "up to {} operations on one key are open or indeterminate at once; the frontier search holds 4096",
                words * 64
            );
            (FrontierResult::Unknown(Reason { reason }), 0)
        }
    }
}

fn step_events(steps: &[RegisterStep]) -> Vec<(u32, u32, bool)> {
    bits::sort_interval_events(steps.iter().map(|step| (step.invoked, step.returned)))
}

/// A configuration and the last move on its path.
#[derive(Clone, Copy, Debug)]
struct Alive<const W: usize> {
    config: Config<W>,
    last: u32,
}

/// A write or compare-and-set that was observed, before the response at a position.
#[derive(Clone, Copy, Debug)]
struct Move {
    before: u32,
    step: u32,
    position: u32,
}

const START: u32 = u32::MAX;
/// The weight of a used indeterminate operation against an open one, when the most promising configurations are chosen.
const SPENT_WEIGHT: u32 = 3;
/// The number of moves from which the search looks for moves that are on no live path.
const COMPACT_AT: usize = 1 << 20;

fn run_frontier_search<const W: usize>(
    steps: &[RegisterStep],
    initials: &[ValueId],
    width: FrontierWidth,
    spends: Vec<bool>,
    limits: &Limits<'_>,
) -> (FrontierResult, u64) {
    let mut numbers: FxHashMap<ValueId, u32> = FxHashMap::default();
    let mut number = |value| {
        let next = numbers.len() as u32;
        *numbers.entry(value).or_insert(next)
    };
    let starts: Vec<u32> = initials.iter().map(|&value| number(value)).collect();
    let accesses: Vec<NumberedAccess> = (steps.iter())
        .map(|step| match step.access {
            Access::Read(value) => NumberedAccess::Read(number(value)),
            Access::Write(value) => NumberedAccess::Write(number(value)),
            Access::Cas(old, new) => NumberedAccess::Cas(number(old), number(new)),
            Access::Differs(value) => NumberedAccess::Differs(number(value)),
        })
        .collect();
    let mut open = OpenSteps::<'_, W>::new(steps, accesses, numbers.len());
    open.obliges = width != FrontierWidth::Loose;
    let mut search = FrontierSearch::<W> {
        open,
        spends,
        reach: if let FrontierWidth::Beam(most) = width { most } else { usize::MAX },
        alive: Vec::new(),
        moves: Vec::new(),
        spent: 0,
        compact_at: COMPACT_AT,
    };
    let end = search.follow_events(&starts, width, limits);
    let found = end.map_or_else(
        |end| end,
        |path| FrontierResult::Order(replay::reconstruct_order(steps, initials, &path)),
    );
    (found, search.spent)
}

struct FrontierSearch<'a, const W: usize> {
    open: OpenSteps<'a, W>,
    /// By step: whether an indeterminate operation that happened cannot happen again.
    spends: Vec<bool>,
    /// How many configurations are explored before one response, from each live one.
    reach: usize,
    alive: Vec<Alive<W>>,
    moves: Vec<Move>,
    spent: u64,
    compact_at: usize,
}

impl<const W: usize> FrontierSearch<'_, W> {
    /// Returns the path of a configuration that survives to the end, or how else the search ended.
    fn follow_events(
        &mut self,
        starts: &[u32],
        width: FrontierWidth,
        limits: &Limits<'_>,
    ) -> Result<MovePath, FrontierResult> {
        for (at, &value) in (0u32..).zip(starts) {
            // The path of each start ends in a move of its own, which names the start.
            self.moves.push(Move { before: START, step: at, position: 0 });
            let config = Config { value, done: [0; W], free: [0; W] };
            self.alive.push(Alive { config, last: at });
        }
        let events = step_events(self.open.steps);
        for (count, &(position, step, returns)) in events.iter().enumerate() {
            if returns {
                self.record_response(step, position);
                if self.alive.is_empty() {
                    return Err(FrontierResult::Dead(position));
                }
                self.prune_dominated(width);
                if let Some(reason) = self.limit_reached(limits) {
                    let reason = format!("{reason} after {count} of {} events", events.len());
                    return Err(FrontierResult::Unknown(Reason { reason }));
                }
            } else {
                self.record_invocation(step);
            }
        }
        let best = self.alive.first().expect("the frontier is not empty");
        Ok(MovePath::from_moves(&self.moves, best.last))
    }

    fn limit_reached(&mut self, limits: &Limits<'_>) -> Option<String> {
        if self.moves.len() > self.compact_at {
            self.compact_moves();
        }
        let bytes = self.moves.len() * size_of::<Move>() + self.alive.len() * size_of::<Alive<W>>() * 4;
        if limits.stop_requested() {
            return Some("the search was stopped".to_owned());
        }
        if self.spent > limits.steps {
            return Some(format!("the search took its {} steps", limits.steps));
        }
        (bytes > limits.bytes).then(|| format!("the search took its {} bytes", limits.bytes))
    }

    fn record_invocation(&mut self, step: u32) {
        let slot = self.open.open_step(step);
        match self.open.accesses[step as usize] {
            NumberedAccess::Read(value) => self.answer_read(slot, |held| held == value),
            NumberedAccess::Differs(value) => self.answer_read(slot, |held| held != value),
            NumberedAccess::Write(value) if has_bit(&self.open.blind, slot) => {
                for alive in self.alive.iter_mut().filter(|alive| alive.config.value == value) {
                    set_bit(&mut alive.config.free, slot);
                }
            }
            NumberedAccess::Write(_) | NumberedAccess::Cas(..) => {}
        }
    }

    /// Marks a read that was just invoked as done wherever the register holds what it returned.
    fn answer_read(&mut self, slot: u32, fits: impl Fn(u32) -> bool) {
        for alive in &mut self.alive {
            if fits(alive.config.value) {
                set_bit(&mut alive.config.done, slot);
            }
        }
    }

    /// Places before the response of `step` the operations that must come before it, in every possible way.
    fn record_response(&mut self, step: u32, position: u32) {
        let slot = self.open.slot_of[step as usize];
        let mut next = Vec::with_capacity(self.alive.len());
        for alive in std::mem::take(&mut self.alive) {
            if has_bit(&alive.config.done, slot) {
                next.push(alive);
            } else {
                self.explore_until_done(alive, step, position, &mut next);
            }
        }
        for alive in &mut next {
            clear_bit(&mut alive.config.done, slot);
            clear_bit(&mut alive.config.free, slot);
        }
        self.spent += next.len() as u64;
        self.open.close_step(step);
        self.alive = next;
    }

    /// Collects all configurations reachable from `from` in which `step` is done, with no operation done that could
    /// wait.
    fn explore_until_done(&mut self, from: Alive<W>, step: u32, position: u32, next: &mut Vec<Alive<W>>) {
        let slot = self.open.slot_of[step as usize];
        // The last operation to happen, if possible: a blind write is observed itself, a loose compare-and-set is
        // tried.
        let (blind, chance) = match self.open.accesses[step as usize] {
            NumberedAccess::Write(_) => (true, None),
            NumberedAccess::Cas(old, _) if !self.open.obliges => (false, Some(old)),
            _ => (false, None),
        };
        let free_at_first = has_bit(&from.config.free, slot);
        if free_at_first || chance.is_some() {
            next.push(from);
        }
        // Nearest first, so that a configuration reached on a detour meets the one that dominates it.
        let mut reached: Vec<Alive<W>> = vec![from];
        let mut at = 0;
        while at < reached.len().min(self.reach) {
            let here = reached[at];
            at += 1;
            if has_bit(&here.config.done, slot) {
                continue;
            }
            self.spent += 1;
            if blind || chance == Some(here.config.value) {
                next.push(self.apply_step(here, step, position));
            }
            self.open.for_each_move(&here.config, slot, chance, |by| {
                let then = apply_move(&self.open, &self.spends, &mut self.moves, here, by, position);
                self.spent += 1;
                if reached.iter().any(|better| self.open.dominates(&better.config, &then.config)) {
                    self.moves.pop();
                    return;
                }
                reached.push(then);
                if has_bit(&then.config.done, slot) || (!free_at_first && has_bit(&then.config.free, slot)) {
                    next.push(then);
                }
            });
        }
    }

    fn apply_step(&mut self, at: Alive<W>, step: u32, position: u32) -> Alive<W> {
        apply_move(&self.open, &self.spends, &mut self.moves, at, self.open.slot_of[step as usize], position)
    }

    /// Drops duplicates and dominated configurations.
    fn prune_dominated(&mut self, width: FrontierWidth) {
        let open = &self.open;
        let alive = &mut self.alive;
        if alive.len() < 2 {
            return;
        }
        let cost = |config: &Config<W>| {
            let count = |bits: fn(&OpenSteps<'_, W>, &Config<W>, usize) -> u64| -> u32 {
                (0..W).map(|w| bits(open, config, w).count_ones()).sum()
            };
            let spent = count(|open, c, w| c.done[w] & !(open.reading[w] | open.taking[w] | open.blind[w]));
            let used = count(|open, c, w| c.done[w] & open.blind[w]);
            let waiting = count(|open, c, w| !c.done[w] & (open.reading[w] | open.taking[w]));
            let stuck = count(|open, c, w| !c.done[w] & !c.free[w] & open.blind[w]);
            (config.value, SPENT_WEIGHT * spent + used + waiting + stuck)
        };
        // A configuration that dominates another costs no more, so it is kept before the other is considered.
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
        if let FrontierWidth::Beam(most) = width
            && kept.len() > most
        {
            kept.sort_by_key(|alive| cost(&alive.config).1);
            kept.truncate(most);
        }
        self.alive = kept;
    }

    /// Removes the moves that are on no live path.
    fn compact_moves(&mut self) {
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

/// The observed writes and compare-and-sets of one path, in order, each with the position of the response before which
/// it happened; and the index of the initial value.
#[derive(Clone, PartialEq, Eq, Debug)]
struct MovePath {
    start: u32,
    seen: Vec<(u32, u32)>,
}

impl MovePath {
    fn from_moves(moves: &[Move], last: u32) -> MovePath {
        let mut seen = Vec::new();
        let mut at = moves[last as usize];
        while at.before != START {
            seen.push((at.step, at.position));
            at = moves[at.before as usize];
        }
        seen.reverse();
        MovePath { start: at.step, seen }
    }
}

/// Applies the write or compare-and-set in slot `by` to a configuration.
fn apply_move<const W: usize>(
    open: &OpenSteps<'_, W>,
    spends: &[bool],
    moves: &mut Vec<Move>,
    mut at: Alive<W>,
    by: u32,
    position: u32,
) -> Alive<W> {
    let step = open.step_at[by as usize];
    let config = &mut at.config;
    if spends[step as usize] || has_bit(&open.taking, by) || has_bit(&open.blind, by) {
        set_bit(&mut config.done, by);
    }
    config.value = match open.accesses[step as usize] {
        NumberedAccess::Write(value) => {
            for w in 0..W {
                config.free[w] = open.blind[w] & !config.done[w];
            }
            value
        }
        NumberedAccess::Cas(_, new) => new,
        NumberedAccess::Read(_) | NumberedAccess::Differs(_) => unreachable!("a read is not a move"),
    };
    for &reader in &open.readers[config.value as usize] {
        set_bit(&mut config.done, reader);
    }
    for &writer in &open.writers[config.value as usize] {
        if has_bit(&open.blind, writer) && !has_bit(&config.done, writer) {
            set_bit(&mut config.free, writer);
        }
    }
    for &slot in &open.differing {
        if open.accesses[open.step_at[slot as usize] as usize] != NumberedAccess::Differs(config.value) {
            set_bit(&mut config.done, slot);
        }
    }
    moves.push(Move { before: at.last, step, position });
    at.last = (moves.len() - 1) as u32;
    at
}
