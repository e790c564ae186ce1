//! Which stretch of a history is drawn around an anomaly, and where everything stands in it.
//!
//! The problem: a violation is three operations out of a million, minutes apart, and they mean little without what
//! happened to the same object around them. All of it is too much (a page has to travel by mail), a window in time
//! is either empty or full. So: the telling operations, and of the same objects the few that were invoked before and
//! after each of them. What is left out in between is counted, and drawn as a break.
//!
//! The axis is the order of events, which is all that a verdict rests on; a gap in time makes a step wider, but
//! only by its logarithm, so that a microsecond and a minute fit into one picture.

use crate::report::describe;
use crate::report::faults::Episode;
use histories::{Function, History, KeyId, NEVER, OpId, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// Operations of the same objects that are drawn before and after each telling one: the first pair with which the
/// picture is not wider than a screen, or else the last.
const AROUND: [(usize, usize); 5] = [(4, 2), (3, 1), (2, 1), (1, 1), (1, 0)];
const WIDTH: f64 = 1010.0;
/// Operations that are drawn beside the telling ones.
const CONTEXT_MAX: usize = 40;
/// Characters of a text in a bar.
const TEXT_CHARS_MAX: usize = 18;
const CHAR_WIDTH: f64 = 7.2;
const STEP: f64 = 13.0;
const BREAK: f64 = 46.0;
/// Room for the names of lanes.
pub(super) const LEFT: f64 = 116.0;
const RIGHT: f64 = 26.0;

/// A stretch of a history, laid out.
pub(super) struct Stretch {
    pub(super) lanes: Vec<Lane>,
    pub(super) bars: Vec<Bar>,
    pub(super) breaks: Vec<Break>,
    pub(super) bands: Vec<Band>,
    /// Times to write below, at their places.
    pub(super) ticks: Vec<(f64, i64)>,
    pub(super) width: f64,
    /// Rows of all lanes together.
    pub(super) rows: usize,
}

/// A session.
pub(super) struct Lane {
    pub(super) name: String,
    /// Its first row.
    pub(super) row: usize,
    pub(super) rows: usize,
}

/// An operation.
pub(super) struct Bar {
    pub(super) id: OpId,
    pub(super) tells: bool,
    pub(super) text: String,
    pub(super) row: usize,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) outcome: Outcome,
}

/// Operations that are left out between two events.
pub(super) struct Break {
    pub(super) at: f64,
    pub(super) count: usize,
}

/// A fault while it was on.
pub(super) struct Band {
    pub(super) label: String,
    pub(super) from: f64,
    /// The same as `from` for a moment.
    pub(super) to: f64,
}

/// Lays out what is drawn around the telling operations. O(n) for the choice.
pub(super) fn around(history: &History, telling: &[OpId], episodes: &[Episode]) -> Stretch {
    let tells: BTreeSet<OpId> = telling.iter().copied().collect();
    let mut near = Near::of(history, &tells);
    let mut sizes = AROUND.into_iter().peekable();
    loop {
        let (before, after) = sizes.next().expect("it ends at the last");
        near.choose(&tells, before, after);
        let stretch = laid_out(history, &near, telling, episodes);
        if stretch.width <= WIDTH || sizes.peek().is_none() {
            return stretch;
        }
    }
}

fn laid_out(history: &History, near: &Near, telling: &[OpId], episodes: &[Episode]) -> Stretch {
    let tells: BTreeSet<OpId> = telling.iter().copied().collect();
    let shown: Vec<OpId> = near.shown(&tells);
    let names = short_names(history, telling);
    let mut columns = Columns::of(history, &shown, episodes);
    columns.place(history, near, &shown, |id| text(history, id, &names).chars().count());
    let mut bars: Vec<Bar> = shown
        .iter()
        .map(|&id| {
            let op = history.operation(id);
            let to = if op.completed == NEVER { columns.end } else { columns.at(op.completed) };
            let from = columns.at(op.invoked);
            let (tells, text) = (tells.contains(&id), text(history, id, &names));
            Bar { id, tells, text, row: 0, from, to, outcome: op.outcome }
        })
        .collect();
    let (lanes, rows) = lanes(history, &mut bars);
    Stretch {
        lanes,
        bars,
        breaks: std::mem::take(&mut columns.breaks),
        bands: columns.bands(episodes),
        ticks: columns.ticks(),
        width: columns.end + RIGHT,
        rows,
    }
}

/// What is written on a bar. A transaction's operations do not fit: it has the name that the text gives it.
fn text(history: &History, id: OpId, names: &BTreeMap<OpId, String>) -> String {
    if history.function(id) == Function::TXN {
        return names.get(&id).cloned().unwrap_or_else(|| history.operation_index(id).to_string());
    }
    let unread = history.outcome(id) != Outcome::Ok && describe::answers(history.function(id));
    let text = match history.function(id) {
        // The notation has to name a result, but nobody knows what this would have been.
        Function::READ | Function::GET if unread => "r?".to_owned(),
        _ => describe::notation(history, id),
    };
    match text.chars().count() > TEXT_CHARS_MAX {
        true => text.chars().take(TEXT_CHARS_MAX - 2).chain("..".chars()).collect(),
        false => text,
    }
}

/// `T1`, `T2`, … in the order in which the text tells them.
fn short_names(history: &History, telling: &[OpId]) -> BTreeMap<OpId, String> {
    let transactions = telling.iter().filter(|&&id| history.function(id) == Function::TXN);
    transactions.zip(1..).map(|(&id, number)| (id, format!("T{number}"))).collect()
}

/// The operations on the same objects, in order of invocation, and which of them are drawn.
struct Near {
    same: Vec<OpId>,
    drawn: BTreeSet<usize>,
}

impl Near {
    fn of(history: &History, tells: &BTreeSet<OpId>) -> Near {
        let mut keys: BTreeSet<KeyId> = BTreeSet::new();
        for &id in tells {
            keys.extend(history.micros_of(id).iter().map(|micro| micro.key));
            if history.function(id) != Function::TXN {
                keys.insert(history.key(id));
            }
        }
        let same = |id: &OpId| match history.micros_of(*id) {
            [] => keys.contains(&history.key(*id)),
            micros => micros.iter().any(|micro| keys.contains(&micro.key)),
        };
        let same: Vec<OpId> = history.ids().filter(|id| tells.contains(id) || same(id)).collect();
        Near { same, drawn: BTreeSet::new() }
    }

    /// Chooses the operations around the telling ones, the nearest first.
    fn choose(&mut self, tells: &BTreeSet<OpId>, before: usize, after: usize) {
        let places = tells.iter().filter_map(|id| self.same.binary_search(id).ok());
        let mut near: Vec<(usize, usize)> = Vec::new();
        for at in places {
            let around = at.saturating_sub(before)..(at + after + 1).min(self.same.len());
            near.extend(around.map(|other| (other.abs_diff(at), other)));
        }
        near.sort_unstable();
        let mut drawn: BTreeSet<usize> = BTreeSet::new();
        for (_, at) in near {
            if drawn.len() < tells.len() + CONTEXT_MAX {
                drawn.insert(at);
            }
        }
        self.drawn = drawn;
    }

    fn shown(&self, tells: &BTreeSet<OpId>) -> Vec<OpId> {
        let shown = self.drawn.iter().map(|&at| self.same[at]);
        shown.chain(tells.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// How many of the same objects' operations are left out whose invocation lies between two positions.
    fn left_out(&self, history: &History, from: u32, to: u32) -> usize {
        let place = |position: u32| self.same.partition_point(|&id| history.operation(id).invoked < position);
        let (from, to) = (place(from), place(to));
        to - from - self.drawn.range(from..to.max(from)).count()
    }
}

/// Where each event that is drawn stands.
struct Columns {
    /// Position, time if known, place.
    events: Vec<(u32, Option<i64>, f64)>,
    breaks: Vec<Break>,
    end: f64,
}

impl Columns {
    fn of(history: &History, shown: &[OpId], episodes: &[Episode]) -> Columns {
        let mut events: BTreeMap<u32, Option<i64>> = BTreeMap::new();
        for &id in shown {
            let op = history.operation(id);
            events.insert(op.invoked, history.invoked_at(id));
            if op.completed != NEVER {
                events.insert(op.completed, history.completed_at(id));
            }
        }
        if let (Some((&first, _)), Some((&last, _))) = (events.first_key_value(), events.last_key_value()) {
            let within = |position: &u32| (first..=last).contains(position);
            for episode in episodes {
                let ends = [(Some(episode.from), episode.from_ns), (episode.to, episode.to_ns)];
                let ends = ends.into_iter().filter_map(|(position, time)| Some((position?, time)));
                events.extend(ends.filter(|(position, _)| within(position)));
            }
        }
        let events = events.into_iter().map(|(position, time)| (position, time, 0.0)).collect();
        Columns { events, breaks: Vec::new(), end: 0.0 }
    }

    /// Gives every event a place, so that each bar has room for its text.
    fn place(&mut self, history: &History, near: &Near, shown: &[OpId], chars: impl Fn(OpId) -> usize) {
        let mut begins: BTreeMap<u32, f64> = BTreeMap::new();
        let mut of: BTreeMap<u32, OpId> = BTreeMap::new();
        for &id in shown {
            let op = history.operation(id);
            of.insert(op.invoked, id);
            of.insert(op.completed, id);
        }
        let mut x = LEFT + 6.0;
        let mut before: Option<(u32, Option<i64>)> = None;
        for at in 0..self.events.len() {
            let (position, time, _) = self.events[at];
            if let Some((last, then)) = before {
                x += STEP + wider(then, time);
                let count = near.left_out(history, last + 1, position);
                if count > 0 {
                    self.breaks.push(Break { at: x + BREAK / 2.0 - STEP / 2.0, count });
                    x += BREAK;
                }
            }
            if let Some(&id) = of.get(&position) {
                match history.operation(id).invoked == position {
                    true => drop(begins.insert(position, x)),
                    false => {
                        let begin = begins.get(&history.operation(id).invoked).copied().unwrap_or(x);
                        x = x.max(begin + chars(id) as f64 * CHAR_WIDTH + 12.0);
                    }
                }
            }
            self.events[at].2 = x;
            before = Some((position, time));
        }
        // What never ended reaches to the end, and has room for its text too.
        let open = shown.iter().filter(|&&id| history.operation(id).completed == NEVER);
        let room =
            open.map(|&id| self.at(history.operation(id).invoked) + chars(id) as f64 * CHAR_WIDTH + 34.0);
        self.end = room.fold(x + 24.0, f64::max);
    }

    /// The place of a position: of the event that is drawn there, or else of the next.
    fn at(&self, position: u32) -> f64 {
        let at = self.events.partition_point(|event| event.0 < position);
        self.events.get(at).map_or(self.end, |event| event.2)
    }

    fn bands(&self, episodes: &[Episode]) -> Vec<Band> {
        let (Some(first), Some(last)) = (self.events.first(), self.events.last()) else { return Vec::new() };
        let touches =
            |episode: &&Episode| episode.from <= last.0 && episode.to.unwrap_or(episode.from) >= first.0;
        let band = |episode: &Episode| {
            let from = if episode.from < first.0 { LEFT } else { self.at(episode.from) };
            let to = match episode.to {
                Some(to) if to > last.0 => self.end,
                Some(to) => self.at(to),
                None => from,
            };
            Band { label: episode.label(), from, to }
        };
        episodes.iter().filter(touches).map(band).collect()
    }

    /// Times that can be written below without touching one another.
    fn ticks(&self) -> Vec<(f64, i64)> {
        let mut ticks: Vec<(f64, i64)> = Vec::new();
        for &(_, time, x) in &self.events {
            if let Some(time) = time
                && ticks.last().is_none_or(|last| x - last.0 >= 86.0)
            {
                ticks.push((x, time));
            }
        }
        ticks
    }
}

/// How much wider a step is made by the time that it takes.
fn wider(then: Option<i64>, now: Option<i64>) -> f64 {
    let (Some(then), Some(now)) = (then, now) else { return 0.0 };
    let micros = now.saturating_sub(then).max(0) as f64 / 1e3;
    (1.0 + micros).log10() * 4.0
}

/// A lane for each session, first those that tell; rows within it, so that no bars overlap.
fn lanes(history: &History, bars: &mut [Bar]) -> (Vec<Lane>, usize) {
    let mut sessions = Vec::new();
    for wanted in [true, false] {
        for bar in bars.iter().filter(|bar| bar.tells == wanted) {
            let session = history.session(bar.id);
            if !sessions.contains(&session) {
                sessions.push(session);
            }
        }
    }
    let (mut lanes, mut row) = (Vec::new(), 0);
    for session in sessions {
        let mut ends: Vec<f64> = Vec::new();
        for bar in bars.iter_mut().filter(|bar| history.session(bar.id) == session) {
            let free = ends.iter().position(|&end| end < bar.from).unwrap_or_else(|| {
                ends.push(0.0);
                ends.len() - 1
            });
            ends[free] = bar.to;
            bar.row = row + free;
        }
        let name = describe::short(history.session_text(session));
        lanes.push(Lane { name, row, rows: ends.len() });
        row += ends.len();
    }
    (lanes, row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    #[test]
    fn what_is_drawn_does_not_overlap_and_keeps_its_order() {
        let history = parse("a: [w1      ] [r2]\nb:   [w2  ?\nb:      [r1 ]\nc: [w3]").expect("a drawing");
        let ids: Vec<OpId> = history.ids().collect();
        let stretch = around(&history, &ids, &[]);
        assert_eq!(stretch.bars.len(), 5);
        for (at, bar) in stretch.bars.iter().enumerate() {
            assert!(bar.to > bar.from && bar.from >= LEFT && bar.to <= stretch.width);
            for other in &stretch.bars[..at] {
                assert!(bar.row != other.row || bar.from >= other.to || other.from >= bar.to);
                let (one, two) = (history.operation(bar.id), history.operation(other.id));
                assert_eq!(one.invoked < two.invoked, bar.from < other.from, "the order of events");
            }
        }
    }

    #[test]
    fn of_a_long_history_little_is_drawn_and_the_rest_counted() {
        let drawing: String = "a: ".to_owned() + &"[w1] [r1] ".repeat(500);
        let history = parse(&drawing).expect("a drawing");
        let ids: Vec<OpId> = history.ids().collect();
        let stretch = around(&history, &[ids[100], ids[900]], &[]);
        let (before, after) = AROUND[0];
        assert_eq!(stretch.bars.len(), 2 * (before + after + 1));
        let left_out: usize = stretch.breaks.iter().map(|gap| gap.count).sum();
        assert_eq!(left_out, 900 - 100 - 1 - before - after);
        assert!(stretch.width <= WIDTH);
    }
}
