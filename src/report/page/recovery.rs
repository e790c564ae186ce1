//! The recovery of each session: when its operations succeeded, and when none did.
//!
//! Rates over all clients hide how an outage felt: half of the users may wait while the others are served twice as often. Here
//! each session has a row, and each step of time in it is blue if some operation of the session succeeded, red if it had
//! operations and none did, and empty if it had none. At most [`ROWS_MAX`] sessions are drawn: those with the most operations
//! that failed or are indeterminate. O(n · steps of an operation), with memory for the drawn sessions alone.

use super::html::Html;
use super::overview::{self, TimeAxis};
use crate::report::describe;
use crate::report::faults::ShownFault;
use crate::report::layout::count_noun;
use histories::{History, Id as _, Outcome, SessionId};
use std::collections::HashMap;

/// The most sessions that are drawn.
const ROWS_MAX: usize = 24;
const ROW: f64 = 12.0;
/// The most characters of a name beside its row.
const NAME_CHARS_MAX: usize = 9;

/// What a session met in one step of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SessionStep {
    /// It had no operation.
    Quiet,
    /// It had operations, and none of them succeeded. (A compare-and-set that failed was answered, so this is no outage by itself.)
    Unsuccessful,
    /// At least one operation succeeded.
    Successful,
}

/// Draws the rows of the sessions, if any operation failed or is indeterminate.
pub(super) fn draw_recovery(history: &History, episodes: &[ShownFault], html: &mut Html) {
    let Some(axis) = TimeAxis::from_history(history) else { return };
    let axis = &axis;
    let (chosen, others) = choose_sessions(history);
    if chosen.is_empty() {
        return;
    }
    let rows = fill_rows(history, axis, &chosen);
    html.open_tag("p", &[("class", &"legend")]);
    for (class, text) in [("ok", "some operation succeeded"), ("info", "operations, but none succeeded")] {
        html.add_leaf("i", &[("class", &format!("key {class}"))], "");
        html.add_text(format!(" {text}{}", if class == "ok" { ", " } else { "" }));
    }
    let which = match others {
        0 => ". A row for each session with an operation that failed or is indeterminate".to_owned(),
        others => format!(
            ". A row for the {} with the most operations that failed or are indeterminate; {others} more had some",
            count_noun(chosen.len(), "session")
        ),
    };
    html.add_text(which);
    html.close_tag("p");
    let height = chosen.len() as f64 * ROW;
    overview::open_chart(
        html,
        axis,
        "The sessions over the run, and whether their operations succeeded",
        height,
    );
    overview::draw_faults(axis, episodes, height, html);
    for ((session, row), place) in chosen.iter().zip(&rows).zip(0..) {
        draw_row(history, *session, row, place as f64 * ROW, axis, html);
    }
    overview::draw_time_axis(axis, height, html);
    html.close_tag("svg");
    html.close_tag("div");
}

/// The sessions to draw, in the order of their first operation, and the number of others with an operation that did not succeed.
fn choose_sessions(history: &History) -> (Vec<SessionId>, usize) {
    let mut missed: HashMap<SessionId, u32> = HashMap::new();
    for id in history.ids().filter(|id| history.outcome(*id) != Outcome::Ok) {
        *missed.entry(history.session(id)).or_default() += 1;
    }
    let mut sessions: Vec<(SessionId, u32)> = missed.into_iter().collect();
    sessions.sort_unstable_by_key(|&(session, count)| (std::cmp::Reverse(count), session));
    let others = sessions.len().saturating_sub(ROWS_MAX);
    let mut chosen: Vec<SessionId> = sessions.iter().take(ROWS_MAX).map(|(session, _)| *session).collect();
    chosen.sort_unstable();
    (chosen, others)
}

fn fill_rows(history: &History, axis: &TimeAxis, chosen: &[SessionId]) -> Vec<Vec<SessionStep>> {
    let places: HashMap<SessionId, usize> =
        chosen.iter().zip(0..).map(|(&session, at)| (session, at)).collect();
    let mut rows = vec![vec![SessionStep::Quiet; axis.count]; chosen.len()];
    for id in history.ids() {
        let Some(&place) = places.get(&history.session(id)) else { continue };
        let Some(invoked) = history.invoked_at(id) else { continue };
        let ended = history.completed_at(id).unwrap_or(invoked);
        let (from, to) = (axis.bucket_index(invoked), axis.bucket_index(ended.max(invoked)));
        let row = &mut rows[place];
        for step in &mut row[from..=to] {
            if *step == SessionStep::Quiet {
                *step = SessionStep::Unsuccessful;
            }
        }
        if history.outcome(id) == Outcome::Ok {
            row[to] = SessionStep::Successful;
        }
    }
    rows
}

fn draw_row(
    history: &History,
    session: SessionId,
    row: &[SessionStep],
    y: f64,
    axis: &TimeAxis,
    html: &mut Html,
) {
    let name = describe::shorten_text(history.session_text(session));
    let wide = overview::WIDTH / axis.count as f64;
    let top = overview::TOP + y;
    html.open_tag("g", &[("data-session", &session.index())]);
    let vain = row.iter().filter(|step| **step == SessionStep::Unsuccessful).count();
    html.add_leaf("title", &[], format!("{name}: no operation succeeded in {vain} of {} steps", row.len()));
    for (kind, class) in [(SessionStep::Successful, "ok"), (SessionStep::Unsuccessful, "info")] {
        let mut path = String::new();
        for (at, length) in find_runs(row, kind) {
            let (x, length) = (overview::LEFT + at as f64 * wide, length as f64 * wide);
            path += &format!("M{x:.1} {:.1}h{length:.1}v{:.0}h-{length:.1}z", top + 1.0, ROW - 2.0);
        }
        if !path.is_empty() {
            html.add_empty("path", &[("class", &class), ("d", &path)]);
        }
    }
    let short = keep_end(&name);
    let (x, y) = (format!("{:.0}", overview::LEFT - 6.0), format!("{:.1}", top + ROW - 3.0));
    html.add_leaf("text", &[("x", &x), ("y", &y), ("text-anchor", &"end")], short);
    html.close_tag("g");
}

/// The end of a name that is too long: sessions of one run differ there, and begin alike.
fn keep_end(name: &str) -> String {
    let count = name.chars().count();
    match count > NAME_CHARS_MAX {
        true => std::iter::once('…').chain(name.chars().skip(count - NAME_CHARS_MAX + 1)).collect(),
        false => name.to_owned(),
    }
}

/// The runs of equal steps of one kind: the first step of each, and its length.
fn find_runs(row: &[SessionStep], kind: SessionStep) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in row.iter().enumerate().filter(|(_, step)| **step == kind) {
        match runs.last_mut().filter(|(from, length)| from + length == at) {
            Some((_, length)) => *length += 1,
            None => runs.push((at, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::format::{Format, from_text};

    #[test]
    fn of_a_long_name_the_end_is_kept() {
        assert_eq!(["s-3few5xd5-17", "s-1", "123456789"].map(keep_end), ["…w5xd5-17", "s-1", "123456789"]);
    }

    #[test]
    fn a_session_that_waits_is_shown_until_an_operation_succeeds() {
        let events = [
            (0, "a", "invoke", 0),
            (0, "a", "ok", 5),
            (1, "b", "invoke", 0),
            (1, "b", "ok", 5),
            // From 20 to 50 the session asks in vain.
            (0, "a", "invoke", 20),
            (0, "a", "info", 40),
            (2, "a", "invoke", 45),
            (2, "a", "ok", 60),
            (1, "b", "invoke", 99),
            (1, "b", "ok", 100),
        ];
        let lines: Vec<String> = events
            .iter()
            .map(|(process, session, kind, ms)| {
                format!(
                    "{{\"process\":{process},\"session\":\"{session}\",\"type\":\"{kind}\",\"f\":\"write\",\"key\":\"k\",\"value\":{process},\"time\":{}}}",
                    ms * 1_000_000
                )
            })
            .collect();
        let history = from_text(Format::Native, &lines.join("\n")).expect("a history");
        let (chosen, others) = choose_sessions(&history);
        assert_eq!((chosen.len(), others), (1, 0), "only the session that asked in vain");
        let axis = TimeAxis { from: 0, step: 10_000_000, count: 11 };
        let rows = fill_rows(&history, &axis, &chosen);
        assert_eq!(find_runs(&rows[0], SessionStep::Unsuccessful), [(2, 4)]);
        assert_eq!(find_runs(&rows[0], SessionStep::Successful), [(0, 1), (6, 1)]);
    }
}
