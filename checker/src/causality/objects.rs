//! Levels that demand an order of each object by itself: `per-object-sequential` and `slow-memory`.
//!
//! Session order then counts only among the operations on one object. So the part of the history on each object is decided by
//! itself, as `sequential` or `pram` of one object: the same inference and the same cases (`serial.rs`).
//!
//! Cost: as for these levels, where the lanes are those of one object.

use super::cases::decide_causal_level;
use super::facts::{INITIAL, OperationRow, RegisterFacts, RowRead};
use super::outcome::{CausalOutcome, Effort, LIMIT};
use claims::{CausalOrders, CausalRefutation, Level, Limits};
use histories::SessionId;
use rustc_hash::FxHashMap;

/// Decides `per-object-sequential` or `slow-memory`. Returns the names of the methods with the result.
pub(super) fn decide_each_object(
    facts: &RegisterFacts<'_>,
    level: Level,
    limits: &Limits<'_>,
) -> (String, CausalOutcome<Vec<CausalRefutation>>) {
    let of_one_object = match level {
        Level::PerObjectSequential => Level::Sequential,
        Level::SlowMemory => Level::Pram,
        other => unreachable!("{} is not a demand on each object", other.name()),
    };
    let mut effort = Effort::within(limits);
    let mut all = CausalOrders { orders: Vec::new(), returned: Vec::new() };
    let (mut refuted, mut unknown, mut methods) = (Vec::new(), None, Vec::new());
    let objects = ObjectRows::new(facts);
    for rows in objects.rows_by_object() {
        if refuted.len() >= LIMIT {
            break;
        }
        let part = part_of_facts(facts, rows);
        let key = part.rows[0].key;
        let (method, found) = decide_causal_level(&part, of_one_object, limits, &mut effort);
        methods.push(method);
        match found {
            CausalOutcome::Explained(found) => {
                all.orders.extend(found.orders.into_iter().map(|mut order| {
                    order.key = Some(key);
                    order
                }));
                all.returned.extend(found.returned);
            }
            CausalOutcome::Refuted(found) => refuted.extend(found),
            CausalOutcome::Unknown(reason) => {
                unknown = unknown.or(Some(with_key_name(&part, reason)));
                if limits.stop_requested() {
                    break;
                }
            }
        }
    }
    methods.sort_unstable();
    methods.dedup();
    let method = if methods.is_empty() { "none needed".to_owned() } else { methods.join(" + ") };
    let outcome = match unknown {
        _ if !refuted.is_empty() => CausalOutcome::Refuted(refuted),
        Some(reason) => CausalOutcome::Unknown(reason),
        None => CausalOutcome::Explained(all),
    };
    (method, outcome)
}

fn with_key_name(part: &RegisterFacts<'_>, reason: String) -> String {
    match part.history.key_text(part.rows[0].key) {
        "" => reason,
        key => format!("key {key}: {reason}"),
    }
}

/// The rows of each object.
struct ObjectRows {
    /// All rows, by object and then in their order.
    rows: Vec<u32>,
    /// Where the rows of each object begin, and where the last ones end.
    starts: Vec<usize>,
}

impl ObjectRows {
    fn new(facts: &RegisterFacts<'_>) -> Self {
        let mut rows: Vec<u32> = (0..facts.rows.len() as u32).collect();
        rows.sort_by_key(|&row| facts.rows[row as usize].key);
        let key = |at: usize| facts.rows[rows[at] as usize].key;
        let mut starts: Vec<usize> =
            (0..rows.len()).filter(|&at| at == 0 || key(at - 1) != key(at)).collect();
        starts.push(rows.len());
        Self { rows, starts }
    }

    fn rows_by_object(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|range| &self.rows[range[0]..range[1]])
    }
}

/// The facts about one object. Objects and sessions are numbered anew, so that the cost does not depend on the others.
fn part_of_facts<'a>(facts: &RegisterFacts<'a>, rows: &[u32]) -> RegisterFacts<'a> {
    let place: FxHashMap<u32, u32> = rows.iter().copied().zip(0..).collect();
    let moved = |row: u32| if row == INITIAL { INITIAL } else { place[&row] };
    let mut candidates = Vec::new();
    let mut numbers: FxHashMap<SessionId, u32> = FxHashMap::default();
    let mut part_of_row = |&row: &u32| {
        let row = facts.rows[row as usize];
        let read = match row.read {
            RowRead::Nothing | RowRead::Nobody => row.read,
            RowRead::From(write) => RowRead::From(moved(write)),
            RowRead::OneOf(choice) => {
                let all = facts.candidates[choice as usize].iter().map(|&write| moved(write));
                candidates.push(all.collect());
                RowRead::OneOf(candidates.len() as u32 - 1)
            }
        };
        let next = numbers.len() as u32;
        let session_number = *numbers.entry(row.session).or_insert(next);
        OperationRow { session_number, read, ..row }
    };
    let rows: Vec<OperationRow> = rows.iter().map(&mut part_of_row).collect();
    RegisterFacts {
        history: facts.history,
        rows,
        candidates,
        unwritten: Vec::new(),
        foreign: None,
        unknown_declaration: None,
        key_count: 1,
        session_count: numbers.len(),
    }
}
