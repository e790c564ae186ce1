//! Histories of whole operations: a line or an object for each, with the times of its call and its return.
//!
//! Porcupine's `Operation` is one, and so is what most load generators log: when a request was sent, when its answer
//! came, what it was. There are no events and no order but that of times. So the events are put into the order of their
//! times; where two times are equal, the operations are taken to overlap, as Porcupine does it: that can hide a
//! violation and cannot make one.
//!
//! # Choices
//! *Who is a process?* Porcupine uses its `ClientId` for pictures only, and many logs have the same one everywhere. If
//! the operations of no client overlap, clients are processes. Otherwise each operation is a process of its own: no
//! order is claimed that clients did not keep.
//!
//! *No return* means that the answer never came: the operation is indeterminate.

pub(super) mod csv;
pub(super) mod porcupine;

use super::chunk::Chunk;
use super::datum::{Datum, DatumKind, Flaw};
use super::event::{self, EventRules, StringProcesses};
use super::otlp::{EventMoment, order_events};

/// One operation.
pub(super) struct LoggedCall<'a> {
    /// Where it is in the text.
    pub(super) at: usize,
    /// The client; none if the format names none.
    pub(super) client: Option<Datum<'a>>,
    pub(super) called: i64,
    /// None: it never returned.
    pub(super) returned: Option<i64>,
    pub(super) function: String,
    pub(super) key: Option<Datum<'a>>,
    pub(super) session: Option<Datum<'a>>,
    pub(super) argument: Datum<'a>,
    pub(super) result: Datum<'a>,
    /// `ok`, `fail` or `info`.
    pub(super) outcome: &'static str,
}

/// Adds the events of operations to a chunk, in the order of their times. Returns what is to be said. O(n log n).
pub(super) fn add_calls(calls: &[LoggedCall<'_>], chunk: &mut Chunk, rules: EventRules) -> Vec<String> {
    let rules = EventRules { strings: StringProcesses::Clients, process_required: true, ..rules };
    for call in calls.iter().filter(|call| call.returned.is_some_and(|returned| returned < call.called)) {
        chunk.add_flaw(Flaw::new(
            call.at,
            "an operation that returns before it is called",
            "a return after the call",
        ));
    }
    let clients = number_clients(calls);
    let overlap = clients_overlap(calls, &clients);
    let process = |at: usize| if overlap { at as u32 } else { clients[at] };
    let mut moments = Vec::with_capacity(calls.len() * 2);
    let mut ends = Vec::with_capacity(calls.len() * 2);
    for (at, call) in calls.iter().enumerate() {
        let moment = EventMoment {
            index: None,
            time: call.called,
            completes: false,
            span: at as u32,
            process: process(at),
        };
        moments.push(moment);
        ends.push((at, false));
        if let Some(returned) = call.returned {
            moments.push(EventMoment { time: returned, completes: true, ..moment });
            ends.push((at, true));
        }
    }
    for place in order_events(&moments) {
        let (at, completes) = ends[place];
        event::add_event(chunk, &call_event(&calls[at], (at, overlap), completes), rules);
    }
    let mut remarks =
        vec!["operations are in the order of their times, and those are as good as the clocks".to_owned()];
    if overlap {
        remarks.push(
            "operations of one client overlap: each operation was read as a process of its own, so that no order of a \
             client is claimed"
                .to_owned(),
        );
    }
    remarks
}

/// The number of each operation's client.
fn number_clients(calls: &[LoggedCall<'_>]) -> Vec<u32> {
    let mut known: rustc_hash::FxHashMap<String, u32> = rustc_hash::FxHashMap::default();
    let number = |call: &LoggedCall<'_>| {
        let name = call.client.as_ref().map_or_else(String::new, Datum::describe);
        let next = known.len() as u32;
        *known.entry(name).or_insert(next)
    };
    calls.iter().map(number).collect()
}

/// Whether some client does two things at once, or the format names no clients.
fn clients_overlap(calls: &[LoggedCall<'_>], clients: &[u32]) -> bool {
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_key(|&at| (clients[at], calls[at].called, calls[at].returned.unwrap_or(i64::MAX)));
    let overlap = |pair: &[usize]| {
        let (one, other) = (&calls[pair[0]], &calls[pair[1]]);
        clients[pair[0]] == clients[pair[1]] && one.returned.is_none_or(|returned| returned > other.called)
    };
    calls.iter().any(|call| call.client.is_none()) || order.windows(2).any(overlap)
}

fn call_event<'a>(call: &LoggedCall<'a>, (number, overlap): (usize, bool), completes: bool) -> Datum<'a> {
    let named =
        |name: &str, value: Datum<'a>| (Datum::new(value.at, DatumKind::Text(name.to_owned().into())), value);
    let text = |text: &str| Datum::new(call.at, DatumKind::Text(text.to_owned().into()));
    let process = match (&call.client, overlap) {
        (Some(client), false) => client.clone(),
        _ => Datum::new(call.at, DatumKind::Int(number as i64)),
    };
    let (kind, time, value) = match completes {
        false => ("invoke", Some(call.called), &call.argument),
        true => (call.outcome, call.returned, &call.result),
    };
    let mut fields = vec![
        named("process", process),
        named("type", text(kind)),
        named("f", text(&call.function)),
        named("value", value.clone()),
    ];
    fields.extend(call.key.iter().map(|key| named("key", key.clone())));
    fields.extend(call.session.iter().map(|session| named("session", session.clone())));
    fields.extend(time.map(|time| named("time", Datum::new(call.at, DatumKind::Int(time)))));
    if let (Some(client), true) = (&call.client, overlap) {
        fields.push(named("client_of_operation", client.clone()));
    }
    Datum::new(call.at, DatumKind::Map(fields))
}
