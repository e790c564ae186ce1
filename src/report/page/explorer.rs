//! The whole history to pan and zoom: how many operations there are first, and the operations themselves when near.
//!
//! The problem: a history of a million operations does not fit a page that travels by mail. So the page holds counts of all
//! operations over time ([`density`]), in total and for each of the most frequent names, and the operations themselves up to
//! a limit: all of a short history, otherwise an [`excerpt`]. The script draws both, hatches what the page does not hold,
//! and says so. It hides nothing that the page shows without it, because the charts have the same counts.
//! O(n) time; the size is bounded by [`OPERATIONS_MAX`], [`BUCKETS`] and [`NAMES_MAX`].

use super::density::{self, NodeFinder, TimeBuckets};
use super::excerpt;
use super::html::Html;
use crate::report::describe;
use crate::report::faults::ShownFault;
use crate::report::layout::count_noun;
use histories::{Function, History, Id as _, KeyId, OpId, Outcome, SessionId};
use std::collections::HashMap;

/// The most operations that the page holds, at about 20 bytes each.
const OPERATIONS_MAX: usize = 25_000;
/// The same for each further history of a page, so that a page of many histories can still be sent by mail.
const OPERATIONS_MAX_OTHERS: usize = 500;
/// Buckets of counts over the whole history, and over that of each further history of a page.
const BUCKETS: usize = 4_000;
const BUCKETS_OTHERS: usize = 400;
/// The most names of sessions, keys, nodes or kinds of operations that the page holds; later ones share one name.
const NAMES_MAX: usize = 400;
/// The most faults that are shaded.
const FAULTS_MAX: usize = 100;
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

/// The names of an explorer, by column.
#[derive(Default)]
struct ExplorerNames {
    sessions: NameTable,
    keys: NameTable,
    nodes: NameTable,
    functions: NameTable,
}

/// What is marked in the explorer: the times of anomalies with their labels, and the faults.
pub(super) struct ExplorerMarks<'a> {
    pub(super) anomalies: &'a [(i64, &'a str)],
    pub(super) faults: &'a [ShownFault],
}

/// Writes the data of the explorer, if the history has times.
pub(super) fn write_explorer(history: &History, marks: &ExplorerMarks<'_>, is_first: bool, html: &mut Html) {
    let starts = || history.ids().filter_map(|id| history.invoked_at(id));
    let Some(from) = starts().min().filter(|_| history.len() >= OPERATIONS_MIN) else { return };
    let ends = history.ids().filter_map(|id| history.completed_at(id));
    let to = ends.chain(starts()).max().unwrap_or(from).max(from.saturating_add(1));
    html.add_leaf("h3", &[], "Explore the whole history");
    let mut names = ExplorerNames::default();
    let nodes = NodeFinder::from_history(history);
    let held = choose_held(history, marks, is_first);
    let shown: usize = held.iter().map(std::ops::Range::len).sum();
    // The most frequent names come first in the tables, so that they keep their own entries.
    let rows = if is_first && shown < history.len() {
        write_rows(history, &nodes, (from, to), &mut names)
    } else {
        "{}".to_owned()
    };
    let operations = write_operations(history, &nodes, &held, (from, to), &mut names);
    let buckets = TimeBuckets::new(from, to, if is_first { BUCKETS } else { BUCKETS_OTHERS });
    html.open_tag(
        "div",
        &[
            ("class", &"explorer"),
            ("hidden", &"hidden"),
            ("data-length", &(to.saturating_sub(from) / 1_000)),
            ("data-from", &(from / 1_000)),
            ("data-total", &history.len()),
            ("data-sessions", &names.sessions.as_json()),
            ("data-keys", &names.keys.as_json()),
            ("data-nodes", &names.nodes.as_json()),
            ("data-functions", &names.functions.as_json()),
            ("data-marks", &describe_anomalies(marks, from)),
            ("data-faults", &describe_faults(marks, from, to)),
            ("data-held", &describe_held(history, &held, from)),
            ("data-counts", &density::count_outcomes(history, &buckets)),
            ("data-rows", &rows),
            ("data-operations", &operations),
        ],
    );
    html.close_tag("div");
    if shown < history.len() {
        let text = format!(
            "This page holds {} of {}: those around the anomalies and the faults, and samples of the rest. All of them are counted.",
            count_noun(shown, "operation"),
            history.len()
        );
        html.add_leaf("p", &[("class", &"quiet")], text);
    }
    html.add_leaf(
        "noscript",
        &[],
        "The explorer needs script. The charts above show the same counts, and the tables show the operations of each anomaly.",
    );
    html.break_line();
}

/// The operations that the page holds, as ranges of places.
fn choose_held(history: &History, marks: &ExplorerMarks<'_>, is_first: bool) -> Vec<std::ops::Range<usize>> {
    let limit = if is_first { OPERATIONS_MAX } else { OPERATIONS_MAX_OTHERS };
    let anomalies: Vec<i64> = marks.anomalies.iter().map(|(time, _)| *time).collect();
    let edges: Vec<i64> =
        marks.faults.iter().flat_map(|fault| [fault.from_ns, fault.to_ns]).flatten().collect();
    excerpt::choose_excerpt(history, &anomalies, &edges, limit)
}

/// A time in microseconds since the first invocation.
fn micros_since(from: i64, time: i64) -> i64 {
    time.saturating_sub(from).max(0) / 1_000
}

/// The held operations, one after another, in base 36: microseconds since the start of the one before, length, session, key,
/// node, kind, outcome, and the index's distance to the one before. A negative distance has a minus sign.
fn write_operations(
    history: &History,
    nodes: &NodeFinder<'_>,
    held: &[std::ops::Range<usize>],
    (from, to): (i64, i64),
    names: &mut ExplorerNames,
) -> String {
    let mut text = String::new();
    let mut before = (0, 0);
    for place in held.iter().cloned().flatten() {
        let id = OpId::new(place);
        let Some(invoked) = history.invoked_at(id) else { continue };
        let op = history.operation(id);
        let end = history.completed_at(id).unwrap_or(if op.outcome == Outcome::Info { to } else { invoked });
        let (start, index) =
            (micros_since(from, invoked), i64::try_from(history.operation_index(id)).unwrap_or(i64::MAX));
        let length = (micros_since(from, end) - start).max(0);
        let session = names.sessions.index_of(&session_name(history, op.session));
        let key = names.keys.index_of(&key_name(history, id));
        let node =
            names.nodes.index_of(&nodes.node_of(id).map_or_else(String::new, |node| node_name(nodes, node)));
        let function = names.functions.index_of(history.function_name(op.function));
        push_signed(start - before.0, &mut text);
        for part in
            [length as u64, session as u64, key as u64, node as u64, function as u64, op.outcome as u64]
        {
            text.push(',');
            density::push_base36(part, &mut text);
        }
        text.push(',');
        push_signed(index - before.1, &mut text);
        text.push(';');
        before = (start, index);
    }
    text
}

fn push_signed(number: i64, text: &mut String) {
    if number < 0 {
        text.push('-');
    }
    density::push_base36(number.unsigned_abs(), text);
}

fn session_name(history: &History, session: SessionId) -> String {
    describe::shorten_text(history.session_text(session))
}

fn key_name(history: &History, id: OpId) -> String {
    let op = history.operation(id);
    match op.function == Function::TXN || op.key == KeyId::NONE {
        true => String::new(),
        false => describe::shorten_text(history.key_text(op.key)),
    }
}

fn node_name(nodes: &NodeFinder<'_>, node: u32) -> String {
    describe::shorten_text(&nodes.names[node as usize])
}

/// The counts of the most frequent names of each column: `{"session":{"3":"1,2,,4"}}`, by the numbers of the name tables.
fn write_rows(
    history: &History,
    nodes: &NodeFinder<'_>,
    (from, to): (i64, i64),
    names: &mut ExplorerNames,
) -> String {
    let buckets = TimeBuckets::new(from, to, density::ROW_BUCKETS);
    let key_of = |id: OpId| {
        let op = history.operation(id);
        (op.function != Function::TXN && op.key != KeyId::NONE).then(|| op.key.raw())
    };
    let mut columns = serde_json::Map::new();
    let mut add = |column: &str, rows: Vec<(u32, Vec<u32>)>, name: &mut dyn FnMut(u32) -> usize| {
        let rows = rows.into_iter().map(|(number, counts)| {
            let mut text = String::new();
            density::push_counts(&counts, &mut text);
            (name(number).to_string(), text.into())
        });
        columns.insert(column.to_owned(), serde_json::Value::Object(rows.collect()));
    };
    let found = density::count_names(history, &buckets, |id| Some(history.session(id).raw()));
    add("session", found, &mut |number| {
        names.sessions.index_of(&session_name(history, SessionId::from_raw(number)))
    });
    let found = density::count_names(history, &buckets, key_of);
    add("key", found, &mut |number| {
        names.keys.index_of(&describe::shorten_text(history.key_text(KeyId::from_raw(number))))
    });
    let found = density::count_names(history, &buckets, |id| nodes.node_of(id));
    add("node", found, &mut |number| names.nodes.index_of(&node_name(nodes, number)));
    let mut functions: HashMap<u32, Function> = HashMap::new();
    let found = density::count_names(history, &buckets, |id| {
        let function = history.function(id);
        functions.insert(function.index() as u32, function);
        Some(function.index() as u32)
    });
    add("operation", found, &mut |number| {
        names.functions.index_of(history.function_name(functions[&number]))
    });
    serde_json::Value::Object(columns).to_string()
}

fn describe_anomalies(marks: &ExplorerMarks<'_>, from: i64) -> String {
    let anomalies = marks
        .anomalies
        .iter()
        .map(|(time, label)| serde_json::json!([time.saturating_sub(from) / 1_000, label]));
    serde_json::Value::from(anomalies.collect::<Vec<_>>()).to_string()
}

fn describe_faults(marks: &ExplorerMarks<'_>, from: i64, to: i64) -> String {
    let faults = marks.faults.iter().take(FAULTS_MAX).filter_map(|fault| {
        let begins = fault.from_ns?;
        let ends = match fault.to {
            None => begins,
            Some(_) => fault.to_ns.unwrap_or(to),
        };
        Some(serde_json::json!([micros_since(from, begins), micros_since(from, ends), fault.label()]))
    });
    serde_json::Value::from(faults.collect::<Vec<_>>()).to_string()
}

/// The spans of time whose operations the page holds, in microseconds: `from,to;`.
fn describe_held(history: &History, held: &[std::ops::Range<usize>], from: i64) -> String {
    let time = |place: usize| history.invoked_at(OpId::new(place)).map(|time| micros_since(from, time));
    let mut text = String::new();
    for range in held {
        // The end of the last range is the end of the history, where nothing more is to be held.
        let last = if range.end == history.len() { Some(i64::MAX / 1_000) } else { time(range.end - 1) };
        if let (Some(begins), Some(ends)) = (time(range.start), last) {
            density::push_base36(begins as u64, &mut text);
            text.push(',');
            density::push_base36(ends.max(begins) as u64, &mut text);
            text.push(';');
        }
    }
    text
}
