//! Chooses the stretch of a history that is drawn around an anomaly, and lays it out.
//!
//! The problem: a violation consists of three operations out of a million, minutes apart, and they mean little without the
//! other operations on the same object. All of these are too many for a page, and a window in time is either empty or full.
//! So the stretch contains the operations that show the anomaly, and the few operations on the same objects that were
//! invoked just before and after each of them. Omitted operations are counted and drawn as a break.
//!
//! The axis is the order of events, because a verdict rests on nothing else. A gap in time makes a step wider by its
//! logarithm, so that a microsecond and a minute fit into one picture.

use super::primaries::PrimaryClaim;
use crate::report::describe;
use crate::report::faults::ShownFault;
use histories::{Function, History, KeyId, NEVER, OpId, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// The numbers of operations on the same objects that are drawn before and after each of the anomaly's operations. The
/// first pair is used with which the picture is not wider than a screen, or else the last.
const AROUND: [(usize, usize); 5] = [(4, 2), (3, 1), (2, 1), (1, 1), (1, 0)];
const WIDTH: f64 = 1010.0;
/// The most operations that are drawn in addition to those of the anomaly.
const CONTEXT_MAX: usize = 40;
/// The most characters of a text in a bar.
const TEXT_CHARS_MAX: usize = 18;
/// The most characters of the name of a node in a bar.
const NODE_CHARS_MAX: usize = 10;
/// The most nodes that are drawn as primaries at the same time.
const PRIMARY_ROWS_MAX: usize = 3;
const CHAR_WIDTH: f64 = 7.2;
const STEP: f64 = 13.0;
const BREAK: f64 = 46.0;
/// The width of the column with the names of lanes.
pub(super) const LEFT: f64 = 116.0;
const RIGHT: f64 = 26.0;

/// The layout of a stretch.
pub(super) struct StretchLayout {
    pub(super) lanes: Vec<SessionLane>,
    pub(super) bars: Vec<OperationBar>,
    pub(super) breaks: Vec<OmittedOperations>,
    pub(super) bands: Vec<FaultBand>,
    /// Who was the primary.
    pub(super) primaries: Vec<PrimaryBand>,
    /// The times below the lanes, with their places.
    pub(super) ticks: Vec<(f64, i64)>,
    pub(super) width: f64,
    /// The rows of all lanes.
    pub(super) rows: usize,
}

/// The lane of a session.
pub(super) struct SessionLane {
    pub(super) name: String,
    /// The first row.
    pub(super) row: usize,
    pub(super) rows: usize,
}

/// The bar of an operation.
pub(super) struct OperationBar {
    pub(super) id: OpId,
    pub(super) tells: bool,
    pub(super) text: String,
    pub(super) row: usize,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) outcome: Outcome,
}

/// Operations that are omitted between two events.
pub(super) struct OmittedOperations {
    pub(super) at: f64,
    pub(super) count: usize,
}

/// The interval of a fault.
pub(super) struct FaultBand {
    pub(super) label: String,
    pub(super) from: f64,
    /// The same as `from` for a momentary fault.
    pub(super) to: f64,
}

/// The part of the stretch in which a node said that it was the primary.
pub(super) struct PrimaryBand {
    pub(super) node: String,
    pub(super) from: f64,
    pub(super) to: f64,
    /// Claims that overlap are on different rows.
    pub(super) row: usize,
}

/// Lays out the stretch around the operations of an anomaly. O(n) for the choice.
pub(super) fn layout_around(
    history: &History,
    telling: &[OpId],
    episodes: &[ShownFault],
    claims: &[PrimaryClaim],
) -> StretchLayout {
    let tells: BTreeSet<OpId> = telling.iter().copied().collect();
    let mut near = NearbyOperations::on_same_objects(history, &tells);
    let mut sizes = AROUND.into_iter().peekable();
    loop {
        let (before, after) = sizes.next().expect("it ends at the last");
        near.choose_near(&tells, before, after);
        let stretch = layout_stretch(history, &near, telling, episodes, claims);
        if stretch.width <= WIDTH || sizes.peek().is_none() {
            return stretch;
        }
    }
}

fn layout_stretch(
    history: &History,
    near: &NearbyOperations,
    telling: &[OpId],
    episodes: &[ShownFault],
    claims: &[PrimaryClaim],
) -> StretchLayout {
    let tells: BTreeSet<OpId> = telling.iter().copied().collect();
    let shown: Vec<OpId> = near.shown_operations(&tells);
    let names = transaction_names(history, telling);
    let mut columns = EventColumns::from_operations(history, &shown, episodes);
    columns.place_events(history, near, &shown, |id| {
        lane_text(history, id, &names, tells.contains(&id)).chars().count()
    });
    let mut bars: Vec<OperationBar> = shown
        .iter()
        .map(|&id| {
            let op = history.operation(id);
            let to = if op.completed == NEVER { columns.end } else { columns.x_at(op.completed) };
            let from = columns.x_at(op.invoked);
            let (tells, text) = (tells.contains(&id), lane_text(history, id, &names, tells.contains(&id)));
            OperationBar { id, tells, text, row: 0, from, to, outcome: op.outcome }
        })
        .collect();
    let (lanes, rows) = assign_lanes(history, &mut bars);
    StretchLayout {
        lanes,
        bars,
        breaks: std::mem::take(&mut columns.breaks),
        bands: columns.fault_bands(episodes),
        primaries: columns.primary_bands(claims),
        ticks: columns.time_ticks(),
        width: columns.end + RIGHT,
        rows,
    }
}

/// The text on a bar, with the node that answered if the operation is part of the anomaly.
fn lane_text(history: &History, id: OpId, names: &BTreeMap<OpId, String>, tells: bool) -> String {
    let node = describe::note_field(history, id, "node").filter(|_| tells);
    let node = node.map(|node| format!(" @{}", node.chars().take(NODE_CHARS_MAX).collect::<String>()));
    bar_text(history, id, names) + &node.unwrap_or_default()
}

/// The text on a bar. The operations of a transaction do not fit, so its bar has the name that the text gives it.
fn bar_text(history: &History, id: OpId, names: &BTreeMap<OpId, String>) -> String {
    if history.function(id) == Function::TXN {
        return names.get(&id).cloned().unwrap_or_else(|| history.operation_index(id).to_string());
    }
    let unread = history.outcome(id) != Outcome::Ok && describe::is_about_result(history.function(id));
    let text = match history.function(id) {
        // The notation needs a result, but this read returned none.
        Function::READ | Function::GET if unread => "r?".to_owned(),
        _ => describe::operation_notation(history, id),
    };
    match text.chars().count() > TEXT_CHARS_MAX {
        true => text.chars().take(TEXT_CHARS_MAX - 2).chain("..".chars()).collect(),
        false => text,
    }
}

/// The names `T1`, `T2`, … in the order of the text.
fn transaction_names(history: &History, telling: &[OpId]) -> BTreeMap<OpId, String> {
    let transactions = telling.iter().filter(|&&id| history.function(id) == Function::TXN);
    transactions.zip(1..).map(|(&id, number)| (id, format!("T{number}"))).collect()
}

/// The operations on the same objects in order of invocation, and the ones that are drawn.
struct NearbyOperations {
    same: Vec<OpId>,
    drawn: BTreeSet<usize>,
}

impl NearbyOperations {
    fn on_same_objects(history: &History, tells: &BTreeSet<OpId>) -> NearbyOperations {
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
        NearbyOperations { same, drawn: BTreeSet::new() }
    }

    /// Chooses the operations around those of the anomaly, nearest first.
    fn choose_near(&mut self, tells: &BTreeSet<OpId>, before: usize, after: usize) {
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

    fn shown_operations(&self, tells: &BTreeSet<OpId>) -> Vec<OpId> {
        let shown = self.drawn.iter().map(|&at| self.same[at]);
        shown.chain(tells.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The number of omitted operations whose invocation lies between two positions.
    fn count_left_out(&self, history: &History, from: u32, to: u32) -> usize {
        let place = |position: u32| self.same.partition_point(|&id| history.operation(id).invoked < position);
        let (from, to) = (place(from), place(to));
        to - from - self.drawn.range(from..to.max(from)).count()
    }
}

/// The place of each event that is drawn.
struct EventColumns {
    /// Position, time if known, and place.
    events: Vec<(u32, Option<i64>, f64)>,
    breaks: Vec<OmittedOperations>,
    end: f64,
}

impl EventColumns {
    fn from_operations(history: &History, shown: &[OpId], episodes: &[ShownFault]) -> EventColumns {
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
        EventColumns { events, breaks: Vec::new(), end: 0.0 }
    }

    /// Assigns a place to every event, so that each bar has room for its text.
    fn place_events(
        &mut self,
        history: &History,
        near: &NearbyOperations,
        shown: &[OpId],
        chars: impl Fn(OpId) -> usize,
    ) {
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
                x += STEP + extra_width(then, time);
                let count = near.count_left_out(history, last + 1, position);
                if count > 0 {
                    self.breaks.push(OmittedOperations { at: x + BREAK / 2.0 - STEP / 2.0, count });
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
        // A bar without an end reaches to the right edge and also needs room for its text.
        let open = shown.iter().filter(|&&id| history.operation(id).completed == NEVER);
        let room =
            open.map(|&id| self.x_at(history.operation(id).invoked) + chars(id) as f64 * CHAR_WIDTH + 34.0);
        self.end = room.fold(x + 24.0, f64::max);
    }

    /// The place of the event at a position, or else of the next event.
    fn x_at(&self, position: u32) -> f64 {
        let at = self.events.partition_point(|event| event.0 < position);
        self.events.get(at).map_or(self.end, |event| event.2)
    }

    /// The place of an event that may lie between two that are drawn: by its time, or else by its position.
    fn x_between(&self, position: u32, time: Option<i64>) -> f64 {
        let at = self.events.partition_point(|event| event.0 < position);
        let (Some(&(before, began, left)), Some(&(after, ended, right))) =
            (at.checked_sub(1).and_then(|at| self.events.get(at)), self.events.get(at))
        else {
            return self.x_at(position);
        };
        let share = |from: f64, to: f64, at: f64| {
            if to > from { ((at - from) / (to - from)).clamp(0.0, 1.0) } else { 1.0 }
        };
        let share = match (began, ended, time) {
            _ if after == position => 1.0,
            (Some(began), Some(ended), Some(time)) => share(began as f64, ended as f64, time as f64),
            _ => share(f64::from(before), f64::from(after), f64::from(position)),
        };
        left + (right - left) * share
    }

    fn fault_bands(&self, episodes: &[ShownFault]) -> Vec<FaultBand> {
        let (Some(first), Some(last)) = (self.events.first(), self.events.last()) else { return Vec::new() };
        let touches =
            |episode: &&ShownFault| episode.from <= last.0 && episode.to.unwrap_or(episode.from) >= first.0;
        let band = |episode: &ShownFault| {
            let from = if episode.from < first.0 { LEFT } else { self.x_at(episode.from) };
            let to = match episode.to {
                Some(to) if to > last.0 => self.end,
                Some(to) => self.x_at(to),
                None => from,
            };
            FaultBand { label: episode.label(), from, to }
        };
        episodes.iter().filter(touches).map(band).collect()
    }

    fn primary_bands(&self, claims: &[PrimaryClaim]) -> Vec<PrimaryBand> {
        let (Some(first), Some(last)) = (self.events.first(), self.events.last()) else { return Vec::new() };
        let touches = |claim: &&PrimaryClaim| claim.from <= last.0 && claim.to.is_none_or(|to| to >= first.0);
        let mut ends: Vec<f64> = Vec::new();
        let mut bands = Vec::new();
        for claim in claims.iter().filter(touches) {
            let from = if claim.from < first.0 { LEFT } else { self.x_between(claim.from, claim.from_ns) };
            let to = claim.to.filter(|&to| to <= last.0);
            let to = to.map_or(self.end, |to| self.x_between(to, claim.to_ns));
            if to <= from {
                continue;
            }
            let row = ends.iter().position(|&end| end <= from).unwrap_or(ends.len());
            if row == PRIMARY_ROWS_MAX {
                continue;
            }
            match ends.get_mut(row) {
                Some(end) => *end = to,
                None => ends.push(to),
            }
            bands.push(PrimaryBand { node: claim.node.clone(), from, to, row });
        }
        bands
    }

    /// The times that fit below the lanes without overlap.
    fn time_ticks(&self) -> Vec<(f64, i64)> {
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

/// The extra width of a step for the time that it takes.
fn extra_width(then: Option<i64>, now: Option<i64>) -> f64 {
    let (Some(then), Some(now)) = (then, now) else { return 0.0 };
    let micros = now.saturating_sub(then).max(0) as f64 / 1e3;
    (1.0 + micros).log10() * 4.0
}

/// Assigns a lane to each session, first to those of the anomaly, and rows within a lane so that no bars overlap.
fn assign_lanes(history: &History, bars: &mut [OperationBar]) -> (Vec<SessionLane>, usize) {
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
        let name = describe::shorten_text(history.session_text(session));
        lanes.push(SessionLane { name, row, rows: ends.len() });
        row += ends.len();
    }
    (lanes, row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::primaries::find_claims;
    use histories::format::{Format, from_text};
    use histories::notation::parse;

    #[test]
    fn what_is_drawn_does_not_overlap_and_keeps_its_order() {
        let history = parse("a: [w1      ] [r2]\nb:   [w2  ?\nb:      [r1 ]\nc: [w3]").expect("a drawing");
        let ids: Vec<OpId> = history.ids().collect();
        let stretch = layout_around(&history, &ids, &[], &[]);
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
        let stretch = layout_around(&history, &[ids[100], ids[900]], &[], &[]);
        let (before, after) = AROUND[0];
        assert_eq!(stretch.bars.len(), 2 * (before + after + 1));
        let left_out: usize = stretch.breaks.iter().map(|gap| gap.count).sum();
        assert_eq!(left_out, 900 - 100 - 1 - before - after);
        assert!(stretch.width <= WIDTH);
    }

    /// The bars began and ended at the next event that was drawn, which can be seconds later: a node seemed to be the primary
    /// after it had said otherwise, and a short claim had no bar.
    #[test]
    fn a_claim_between_two_drawn_events_is_drawn_between_them() {
        let event = |time: i64, process: &str, kind: &str, f: &str, value: &str| {
            let time = time * 1_000_000_000;
            format!(r#"{{"time":{time},"process":{process},"type":"{kind}","f":"{f}","value":{value}}}"#)
        };
        let stack = |time, value: &str| event(time, "\"stack\"", "info", "role", value);
        let text = [
            stack(0, r#"["n1","primary"]"#),
            event(1, "0", "invoke", "write", "1"),
            event(2, "0", "ok", "write", "1"),
            stack(3, r#"["n1","replica"]"#),
            stack(4, r#"["n2","primary"]"#),
            stack(11, r#"["n2","replica"]"#),
            event(12, "0", "invoke", "read", "null"),
            event(13, "0", "ok", "read", "1"),
        ];
        let history = from_text(Format::Native, &text.join("\n")).expect("a history");
        let ids: Vec<OpId> = history.ids().collect();
        let stretch = layout_around(&history, &ids, &[], &find_claims(&history));
        let bands: Vec<(&str, usize)> =
            stretch.primaries.iter().map(|band| (band.node.as_str(), band.row)).collect();
        assert_eq!(bands, [("n1", 0), ("n2", 0)]);
        let (written, read) = (stretch.bars[0].to, stretch.bars[1].from);
        let [one, two] = &stretch.primaries[..] else { unreachable!("two bands") };
        // The gap is ten seconds long: the first ends after one of them, the second lasts from the second to the ninth.
        let place = |seconds: f64| written + (read - written) * seconds / 10.0;
        for (found, seconds) in [(one.to, 1.0), (two.from, 2.0), (two.to, 9.0)] {
            assert!((found - place(seconds)).abs() < 0.01, "{found} at {seconds} s of {written} to {read}");
        }
    }

    /// During a failover two nodes may say that they are the primary. Neither may hide the other.
    #[test]
    fn claims_of_two_primaries_do_not_lie_on_each_other() {
        let history = parse("a: [w1] [r1] [r1] [r1]").expect("a drawing");
        let ids: Vec<OpId> = history.ids().collect();
        let claim = |node: &str, from, to| {
            let node = node.to_owned();
            PrimaryClaim { node, from, from_ns: None, to, to_ns: None }
        };
        let claims =
            [claim("n1", 0, Some(5)), claim("n2", 3, None), claim("n1", 6, None), claim("n3", 90, None)];
        let stretch = layout_around(&history, &ids, &[], &claims);
        let rows: Vec<(&str, usize)> =
            stretch.primaries.iter().map(|band| (band.node.as_str(), band.row)).collect();
        assert_eq!(rows, [("n1", 0), ("n2", 1), ("n1", 0)], "n3 comes after the stretch");
        assert!(
            stretch.primaries[0].to > stretch.primaries[1].from
                && stretch.primaries[0].to <= stretch.primaries[2].from
        );
    }
}
