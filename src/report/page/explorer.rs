//! The whole history to pan and zoom: how many operations there are first, and the operations themselves when near.
//!
//! The problem: a history of a million operations does not fit a page that travels by mail. So the page holds the counts of all
//! operations in buckets, and the operations themselves up to a limit: all of a short history, otherwise those nearest to the
//! anomalies. The script draws both; it hides nothing that the page shows without it, because the charts have the same counts.
//! O(n) time; the size is bounded by [`OPERATIONS_MAX`], [`BUCKETS`] and [`NAMES_MAX`].

use super::html::Html;
use crate::report::describe;
use histories::{Function, History, KeyId, OpId, Outcome};
use std::collections::HashMap;
use std::fmt::Write as _;

/// The most operations that the page holds, at about 25 bytes each.
const OPERATIONS_MAX: usize = 15_000;
/// The same for each further history of a page, so that a page of many histories can still be sent by mail.
const OPERATIONS_MAX_OTHERS: usize = 500;
/// Buckets of counts over the whole history.
const BUCKETS: usize = 800;
/// The most names of sessions, keys, nodes or kinds of operations that the page holds; later ones share one name.
const NAMES_MAX: usize = 400;
/// A history with fewer operations is drawn whole in the pictures of its anomalies.
const OPERATIONS_MIN: usize = 40;

/// Names in the order of their first use, as indexes.
#[derive(Default)]
struct NameTable {
    names: Vec<String>,
    known: HashMap<String, usize>,
}

impl NameTable {
    fn index_of(&mut self, name: &str) -> usize {
        if let Some(&at) = self.known.get(name) {
            return at;
        }
        if self.names.len() + 1 >= NAMES_MAX {
            let others = "(others)".to_owned();
            let at = self.names.iter().position(|known| *known == others);
            return at.unwrap_or_else(|| {
                self.names.push(others);
                self.names.len() - 1
            });
        }
        self.names.push(name.to_owned());
        self.known.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }

    fn as_json(&self) -> String {
        serde_json::to_string(&self.names).expect("names are text")
    }
}

/// Writes the data of the explorer, if the history has times. `marks` are the times of anomalies with their labels.
pub(super) fn write_explorer(history: &History, marks: &[(i64, &str)], is_first: bool, html: &mut Html) {
    let limit = if is_first { OPERATIONS_MAX } else { OPERATIONS_MAX_OTHERS };
    let starts = || history.ids().filter_map(|id| history.invoked_at(id));
    let Some(from) = starts().min().filter(|_| history.len() >= OPERATIONS_MIN) else { return };
    let ends = history.ids().filter_map(|id| history.completed_at(id));
    let to = ends.chain(starts()).max().unwrap_or(from).max(from.saturating_add(1));
    html.add_leaf("h3", &[], "Explore the whole history");
    let [mut sessions, mut keys, mut nodes, mut functions] = [(); 4].map(|()| NameTable::default());
    let mut operations = String::new();
    let chosen = choose_operations(history, marks, limit);
    for &id in &chosen {
        let Some(invoked) = history.invoked_at(id) else { continue };
        let op = history.operation(id);
        let end = history.completed_at(id).unwrap_or(if op.outcome == Outcome::Info { to } else { invoked });
        let session = sessions.index_of(&describe::shorten_text(history.session_text(op.session)));
        let key =
            if op.function == Function::TXN || op.key == KeyId::NONE { "" } else { history.key_text(op.key) };
        let key = keys.index_of(&describe::shorten_text(key));
        let node = describe::note_field(history, id, "node").unwrap_or_default();
        let node = nodes.index_of(&describe::shorten_text(&node));
        let function = functions.index_of(history.function_name(op.function));
        let micros = |ns: i64| ns.saturating_sub(from).max(0) / 1_000;
        let (start, length) = (micros(invoked), (micros(end) - micros(invoked)).max(0));
        let outcome = op.outcome as u8;
        let index = history.operation_index(id);
        write!(operations, "{start},{length},{session},{key},{node},{function},{outcome},{index};")
            .expect("a string takes everything");
    }
    let marks =
        marks.iter().map(|(time, label)| serde_json::json!([time.saturating_sub(from) / 1_000, label]));
    let marks = serde_json::Value::from(marks.collect::<Vec<_>>()).to_string();
    html.open_tag(
        "div",
        &[
            ("class", &"explorer"),
            ("hidden", &"hidden"),
            ("data-length", &(to.saturating_sub(from) / 1_000)),
            ("data-from", &(from / 1_000)),
            ("data-total", &history.len()),
            ("data-sessions", &sessions.as_json()),
            ("data-keys", &keys.as_json()),
            ("data-nodes", &nodes.as_json()),
            ("data-functions", &functions.as_json()),
            ("data-marks", &marks),
            ("data-counts", &count_buckets(history, from, to)),
            ("data-operations", &operations),
        ],
    );
    html.close_tag("div");
    html.add_leaf(
        "noscript",
        &[],
        "The explorer needs script. The charts above show the same counts, and the tables show the operations of each anomaly.",
    );
    html.break_line();
}

/// All operations of a short history; of a long one, equally many around each mark.
fn choose_operations(history: &History, marks: &[(i64, &str)], limit: usize) -> Vec<OpId> {
    if history.len() <= limit {
        return history.ids().collect();
    }
    let each = limit / marks.len().max(1);
    let mut chosen = vec![false; history.len()];
    let places: Vec<usize> = match marks {
        [] => vec![0],
        marks => marks.iter().map(|(time, _)| place_of(history, *time)).collect(),
    };
    for place in places {
        let from = place.saturating_sub(each / 2);
        chosen[from..(from + each).min(history.len())].fill(true);
    }
    history.ids().zip(chosen).filter(|(_, chosen)| *chosen).map(|(id, _)| id).collect()
}

/// The place of the first operation that was invoked at a time or later.
fn place_of(history: &History, time: i64) -> usize {
    history
        .ids()
        .position(|id| history.invoked_at(id).is_some_and(|at| at >= time))
        .unwrap_or(history.len() - 1)
}

/// The counts of ok, failed and indeterminate operations in each bucket.
fn count_buckets(history: &History, from: i64, to: i64) -> String {
    let mut counts = vec![[0_u32; 3]; BUCKETS];
    let span = i128::from(to) - i128::from(from);
    for id in history.ids() {
        let Some(at) = history.completed_at(id).or(history.invoked_at(id)) else { continue };
        let bucket = (i128::from(at) - i128::from(from)).max(0) * BUCKETS as i128 / span.max(1);
        let bucket = usize::try_from(bucket).unwrap_or(0).min(BUCKETS - 1);
        counts[bucket][history.outcome(id) as usize] += 1;
    }
    counts.iter().map(|[ok, fail, info]| format!("{ok},{fail},{info};")).collect()
}
