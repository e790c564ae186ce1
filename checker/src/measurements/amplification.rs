//! Write amplification: what reaches the store for each write of a user.
//!
//! The counters of the store, or of a proxy in front of it, are in the history as `traffic` events, taken before the
//! first operation and after the last. All traffic in between counts, because the store had to handle it: commands of
//! replication and health checks, reads, and the writes of users themselves.

use super::catalogue::MeasuredFigure;
use super::figure::Figure;
use super::in_time::UntilStopped;
use histories::{Argument, Function, History, OpId, Outcome};
use std::sync::atomic::AtomicBool;

/// Commands for each acknowledged write, and bytes for each byte written. Wrong once the flag is set.
pub(super) fn measure_amplification(
    history: &History,
    stop: &AtomicBool,
) -> (MeasuredFigure, MeasuredFigure) {
    let mut counted = history.actor_events().iter().filter_map(|event| {
        let is_traffic = event.actor == "recorder" && event.function == "traffic";
        let numbers = is_traffic.then(|| serde_json::from_str::<[u64; 3]>(&event.value).ok()).flatten();
        numbers.map(|numbers| (event.position, numbers))
    });
    let (Some(first), Some(last)) = (counted.next(), counted.next_back()) else {
        let why = "the recording does not count what reached the store";
        return (Err(why), Err(why));
    };
    let (mut writes, mut bytes) = (0u64, 0u64);
    for id in history.ids().until_stopped(stop) {
        let op = history.operation(id);
        let counts = op.outcome == Outcome::Ok && op.invoked > first.0 && op.completed < last.0;
        if let Some(size) = written_bytes(history, id).filter(|_| counts) {
            writes += 1;
            bytes += size;
        }
    }
    let share = |of: u64, to: u64| match to {
        0 => Err("no write was acknowledged"),
        // A counter that went backwards was reset with its server.
        _ if of == 0 => Err("the store's counters did not advance"),
        _ => Ok(Figure::exactly(of as f64 / to as f64)),
    };
    let grown = |at: usize| last.1[at].saturating_sub(first.1[at]);
    (share(grown(0), writes), share(grown(1), bytes))
}

/// The number of bytes that a write asks to store: those of its payload, or of its value. `None` if the operation is no
/// write.
fn written_bytes(history: &History, id: OpId) -> Option<u64> {
    let is_write = matches!(
        history.function(id),
        Function::WRITE
            | Function::PUT
            | Function::APPEND
            | Function::CREATE
            | Function::PATCH
            | Function::CAS
            | Function::ADD
            | Function::ENQUEUE
            | Function::ACT
    );
    let value = match history.argument(id) {
        Argument::Value(value) | Argument::Pair(_, value) => value,
        Argument::Micros(_) => return None,
    };
    let text = history.value_text(value);
    is_write.then(|| parse_payload_bytes(text).unwrap_or(text.len() as u64))
}

/// The field `bytes` of a payload. The text is canonical, so searching for the name of the field is enough.
fn parse_payload_bytes(text: &str) -> Option<u64> {
    let (_, rest) = text.strip_prefix('{')?.split_once("\"bytes\":")?;
    let digits = rest.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}
