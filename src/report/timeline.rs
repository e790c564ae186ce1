//! Draws a few operations in time, as text.
//!
//! The problem: the reader of a violation wants to see which operations overlapped. Time is a poor axis for that (a second
//! of silence, then two operations a microsecond apart), and a verdict rests on the order alone. The columns are therefore
//! ranks: each event has its own column, in the order of the history, as wide as its text.
//!
//! The drawing uses the notation of [`histories::notation`], so that it can be pasted into a test as a history. `]` means
//! ok, `!` failed, and `?` indeterminate; an indeterminate operation reaches to the right edge. A session whose operations
//! overlap has several lines.
//!
//! If the drawing is wider than the terminal, a second form gives each operation its own line, with a scaled interval and
//! the text beside it.

use super::describe;
use histories::{History, OpId, Outcome};

/// The most operations that are drawn; nobody could follow more.
pub(crate) const OPERATIONS_MAX: usize = 40;

/// One operation, placed by the ranks of its events.
struct RankedBar {
    id: OpId,
    label: String,
    text: String,
    from: usize,
    to: usize,
    sign: char,
}

/// Draws operations in lines of at most `width` columns, which must be at least 40.
pub(crate) fn draw_timeline(history: &History, operations: &[OpId], width: usize) -> Vec<String> {
    let mut operations = operations.to_vec();
    operations.sort_unstable();
    operations.dedup();
    operations.truncate(OPERATIONS_MAX);
    let bars = rank_events(history, &operations);
    let lanes = draw_lanes(&bars);
    match lanes.iter().all(|line| line.chars().count() <= width) {
        true => lanes,
        false => draw_scaled(history, &bars, width),
    }
}

/// Assigns a column to every event.
fn rank_events(history: &History, operations: &[OpId]) -> Vec<RankedBar> {
    let mut bars: Vec<RankedBar> = operations.iter().map(|&id| ranked_bar(history, id)).collect();
    let mut events: Vec<(u32, bool, usize)> = Vec::new();
    for (at, &id) in operations.iter().enumerate() {
        let op = history.operation(id);
        events.push((op.invoked, false, at));
        events.push((op.completed, true, at));
    }
    // Operations that never ended sort last, at `histories::NEVER`, in order of invocation.
    events.sort_unstable();
    let mut column = 0;
    for &(_, ends, at) in &events {
        if ends {
            let gap = usize::from(bars[at].sign != ']');
            column = column.max(bars[at].from + 1 + bars[at].text.chars().count() + gap);
            bars[at].to = column;
            column += 1;
        } else {
            bars[at].from = column;
        }
        column += 1;
    }
    bars
}

fn ranked_bar(history: &History, id: OpId) -> RankedBar {
    let op = history.operation(id);
    let sign = match op.outcome {
        Outcome::Ok => ']',
        Outcome::Fail => '!',
        Outcome::Info => '?',
    };
    let label = describe::shorten_text(history.session_text(op.session)).replace(':', "_");
    RankedBar { id, label, text: describe::operation_notation(history, id), from: 0, to: 0, sign }
}

/// One line per session, and more where its operations overlap.
fn draw_lanes(bars: &[RankedBar]) -> Vec<String> {
    let label_width = bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
    let mut lanes: Vec<(&str, usize, String)> = Vec::new();
    for bar in bars {
        let free = lanes.iter().position(|lane| lane.0 == bar.label && lane.1 <= bar.from);
        let at = free.unwrap_or_else(|| {
            let after = lanes.iter().rposition(|lane| lane.0 == bar.label).map_or(lanes.len(), |at| at + 1);
            lanes.insert(after, (&bar.label, 0, String::new()));
            after
        });
        let (_, end, line) = &mut lanes[at];
        line.extend(std::iter::repeat_n(' ', bar.from - *end));
        let inside = bar.to - bar.from - 1;
        line.push_str(&format!("[{:<inside$}{}", bar.text, bar.sign));
        *end = bar.to + 1;
    }
    lanes.iter().map(|(label, _, line)| format!("{:<label_width$}  {line}", format!("{label}:"))).collect()
}

/// One line per operation.
fn draw_scaled(history: &History, bars: &[RankedBar], width: usize) -> Vec<String> {
    let names: Vec<String> = bars.iter().map(|bar| history.operation_index(bar.id).to_string()).collect();
    let name_width = names.iter().map(String::len).max().unwrap_or(0);
    let texts: Vec<String> =
        bars.iter().map(|bar| format!("{}: {}", bar.label, describe::shorten_text(&bar.text))).collect();
    let text_width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let last = bars.iter().map(|bar| bar.to).max().unwrap_or(0).max(1);
    let room = width.saturating_sub(name_width + text_width + 4).max(10);
    let scale = |column: usize| column * (room - 1) / last;
    let lines = bars.iter().zip(&names).zip(&texts).map(|((bar, name), text)| {
        let from = scale(bar.from).min(room - 2);
        let to = scale(bar.to).max(from + 1);
        let interval = format!("{}[{}{}", " ".repeat(from), "=".repeat(to - from - 1), bar.sign);
        format!("{name:<name_width$}  {interval:<room$}  {text}")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    /// The order of a history's events: which operation, and whether it is its end.
    fn order(history: &History) -> Vec<(usize, bool)> {
        let ops: Vec<_> = history.operations().collect();
        let mut events: Vec<(u32, usize, bool)> = Vec::new();
        for (at, op) in ops.iter().enumerate() {
            events.push((op.invoked, at, false));
            if op.completed != histories::NEVER {
                events.push((op.completed, at, true));
            }
        }
        events.sort_unstable();
        events.into_iter().map(|(_, at, end)| (at, end)).collect()
    }

    #[test]
    fn a_drawing_is_the_history_again() {
        for drawing in [
            "a: [w1  ]  [r1]\nb:   [c1>2 ?\nc: [w3 !",
            "a: [w1]      [r2]\na:    [w2  ]\nb: [r_  ?    [r1]",
            "a: [enqueue:1]  [dequeue:1]\nb:   [enqueue:2]",
            "a: [w1 ?\nb:   [w2 ?\nc:      [r1]  [r2]",
        ] {
            let history = parse(drawing).expect("a drawing");
            let ids: Vec<OpId> = history.ids().collect();
            let again =
                parse(&draw_timeline(&history, &ids, 200).join("\n")).expect("what was drawn can be parsed");
            assert_eq!(order(&history), order(&again), "{drawing}");
            let said = |history: &History| -> Vec<String> {
                history
                    .ids()
                    .map(|id| {
                        format!("{} {:?}", describe::operation_notation(history, id), history.outcome(id))
                    })
                    .collect()
            };
            assert_eq!(said(&history), said(&again), "{drawing}");
        }
    }

    #[test]
    fn what_has_no_end_reaches_to_the_edge() {
        let history = parse("a: [w1 ?\nb:         [r1]").expect("a drawing");
        let ids: Vec<OpId> = history.ids().collect();
        assert_eq!(draw_timeline(&history, &ids, 80), ["a:  [w1   ?", "b:   [r1]"]);
    }

    #[test]
    fn a_drawing_that_is_too_wide_is_scaled() {
        let drawing: String = (0..30).map(|n| format!("s{n}: {}[w{n}]\n", " ".repeat(n * 5))).collect();
        let history = parse(&drawing).expect("a drawing");
        let ids: Vec<OpId> = history.ids().collect();
        for width in [40, 60, 80] {
            let lines = draw_timeline(&history, &ids, width);
            assert_eq!(lines.len(), 30);
            assert!(lines.iter().all(|line| line.trim_end().chars().count() <= width), "{lines:#?}");
        }
    }
}
