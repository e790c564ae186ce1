//! Histories of whole operations: one line or object per operation, with the times of its call and its return.
//!
//! Porcupine's `Operation` has this form, and so do the logs of most load generators: when a request was sent, when its
//! answer came, and what it was. There are no events, and the times are the only order. So the events are sorted by
//! time. Where two times are equal, the operations are assumed to overlap, as in Porcupine: that can hide a violation
//! but cannot create one.
//!
//! # Choices
//! *What is a process?* Porcupine uses its `ClientId` for pictures only, and in many logs it is the same everywhere. If
//! the operations of a client do not overlap, it is a process. Otherwise each of its operations is a process of its own, so
//! that no order is claimed that the client did not keep.
//!
//! *No return* means that the answer never came, so the operation is indeterminate. A client that goes on had given it up: what follows is
//! another process, because a process has one open operation, but the same session. To take the open operation for an overlap would make the
//! session guarantees of this client vacuous.

pub(super) mod csv;
pub(super) mod porcupine;

use super::chunk::Chunk;
use super::datum::{Datum, DatumKind, Flaw};
use super::event::{self, EventRules, StringProcesses};
use super::otlp::{EventMoment, order_events};
use rustc_hash::{FxHashMap, FxHashSet};

/// One operation.
pub(super) struct LoggedCall<'a> {
    /// Its place in the text.
    pub(super) at: usize,
    /// The client; none if the format names none.
    pub(super) client: Option<Datum<'a>>,
    pub(super) called: i64,
    /// None if it never returned.
    pub(super) returned: Option<i64>,
    pub(super) function: String,
    pub(super) key: Option<Datum<'a>>,
    pub(super) session: Option<Datum<'a>>,
    pub(super) argument: Datum<'a>,
    pub(super) result: Datum<'a>,
    /// `ok`, `fail` or `info`.
    pub(super) outcome: &'static str,
}

/// The time of a return; none if the operation never returned, for which some logs write the largest time. A negative one is an error: some
/// logs mean by it that the operation never returned, and in others it is a time.
fn check_return(time: Option<i64>) -> Result<Option<i64>, String> {
    match time {
        Some(time) if time < 0 => Err(format!("the return {time}")),
        time => Ok(time.filter(|&time| time != i64::MAX)),
    }
}

/// Adds the events of operations to a chunk, in the order of their times. Returns remarks for the user. O(n log n).
pub(super) fn add_calls(calls: &[LoggedCall<'_>], chunk: &mut Chunk, rules: EventRules) -> Vec<String> {
    let rules = EventRules { strings: StringProcesses::Clients, process_required: true, ..rules };
    for call in calls.iter().filter(|call| call.returned.is_some_and(|returned| returned < call.called)) {
        chunk.add_flaw(Flaw::new(
            call.at,
            "an operation that returns before it is called",
            "a return after the call",
        ));
    }
    let clients = ClientLanes::from_calls(calls);
    let mut moments = Vec::with_capacity(calls.len() * 2);
    let mut ends = Vec::with_capacity(calls.len() * 2);
    for (at, call) in calls.iter().enumerate() {
        let moment = EventMoment {
            index: None,
            time: call.called,
            completes: false,
            span: at as u32,
            process: clients.lanes[at].number,
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
        event::add_event(chunk, &call_event(&calls[at], &clients.lanes[at], completes), rules);
    }
    let mut remarks =
        vec!["operations are in the order of their times, and those are as good as the clocks".to_owned()];
    remarks.extend(clients.remarks);
    remarks
}

/// The process and the session of one operation.
struct Lane<'a> {
    /// The number of the process among all processes.
    number: u32,
    process: Datum<'a>,
    /// The session; none if it is that of the process.
    session: Option<Datum<'a>>,
    /// Whether the operation is a process of its own although it has a client.
    is_split: bool,
}

/// The lanes of all operations, and remarks for the user on what was made of the clients.
struct ClientLanes<'a> {
    lanes: Vec<Lane<'a>>,
    remarks: Vec<String>,
}

/// What is known of one client.
#[derive(Clone, Copy, Default)]
struct ClientFacts {
    /// Whether two of its operations were in progress at once, although both returned or the first one did.
    overlaps: bool,
    /// Whether it went on after an operation that never returned.
    goes_on: bool,
}

impl<'a> ClientLanes<'a> {
    /// Assigns processes and sessions. O(n log n).
    fn from_calls(calls: &[LoggedCall<'a>]) -> Self {
        let clients = number_clients(calls);
        let order = order_by_client(calls, &clients);
        let facts = learn_about_clients(calls, &clients, &order);
        let goes_on = |client: usize| facts[client].goes_on && !facts[client].overlaps;
        let anyone_goes_on = (0..facts.len()).any(goes_on);
        let is_alone = |at: usize| calls[at].client.is_none() || facts[clients[at] as usize].overlaps;
        // Processes without a name of their own get numbers that no process has.
        let named = (0..calls.len()).filter(|&at| !is_alone(at));
        let used: FxHashSet<i64> = named.filter_map(|at| integer(calls[at].client.as_ref()?)).collect();
        let mut free = (0..i64::MAX).filter(|number| !used.contains(number));
        let mut fresh = |at: usize| Datum::new(calls[at].at, DatumKind::Int(free.next().unwrap_or(i64::MAX)));
        let mut lanes: Vec<Option<Lane<'a>>> = calls.iter().map(|_| None).collect();
        let mut numbers = 0..;
        let mut next_number = || numbers.next().expect("fewer than 2^32 operations");
        for at in (0..calls.len()).filter(|&at| is_alone(at)) {
            let is_split = calls[at].client.is_some();
            lanes[at] = Some(Lane { number: next_number(), process: fresh(at), session: None, is_split });
        }
        let mut before: Option<(usize, u32, Datum<'a>)> = None;
        for at in order.into_iter().filter(|&at| !is_alone(at)) {
            let client = calls[at].client.clone().expect("an operation without a client is alone");
            let (own, process) = match before.take() {
                Some((last, own, process))
                    if clients[last] == clients[at] && calls[last].returned.is_some() =>
                {
                    (own, process)
                }
                Some((last, ..)) if clients[last] == clients[at] => (next_number(), fresh(at)),
                _ => (next_number(), client.clone()),
            };
            let session = anyone_goes_on.then_some(client);
            before = Some((at, own, process.clone()));
            lanes[at] = Some(Lane { number: own, process, session, is_split: false });
        }
        let lanes = lanes.into_iter().map(|lane| lane.expect("each operation has a lane")).collect();
        Self { lanes, remarks: describe_clients(calls, &clients, &facts) }
    }
}

/// Numbers the clients. Returns the number of each operation's client.
fn number_clients(calls: &[LoggedCall<'_>]) -> Vec<u32> {
    let mut known: FxHashMap<String, u32> = FxHashMap::default();
    let number = |call: &LoggedCall<'_>| {
        let name = call.client.as_ref().map_or_else(String::new, Datum::describe);
        let next = known.len() as u32;
        *known.entry(name).or_insert(next)
    };
    calls.iter().map(number).collect()
}

/// The operations of each client in the order of their calls, one client after another.
fn order_by_client(calls: &[LoggedCall<'_>], clients: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_key(|&at| (clients[at], calls[at].called, calls[at].returned.unwrap_or(i64::MAX)));
    order
}

/// What each client did. An operation that never returned does not overlap the next one of its client, which had given it up.
fn learn_about_clients(calls: &[LoggedCall<'_>], clients: &[u32], order: &[usize]) -> Vec<ClientFacts> {
    let mut facts = vec![ClientFacts::default(); clients.iter().max().map_or(0, |&last| last as usize + 1)];
    for pair in order.windows(2).filter(|pair| clients[pair[0]] == clients[pair[1]]) {
        let (one, other) = (&calls[pair[0]], &calls[pair[1]]);
        let facts = &mut facts[clients[pair[0]] as usize];
        match one.returned {
            None => facts.goes_on = true,
            Some(returned) => facts.overlaps |= returned > other.called,
        }
    }
    facts
}

/// Says what was made of the clients, as far as that is not plain.
fn describe_clients(calls: &[LoggedCall<'_>], clients: &[u32], facts: &[ClientFacts]) -> Vec<String> {
    let mut remarks = Vec::new();
    if calls.iter().any(|call| call.client.is_none()) {
        remarks.push(
            "operations without a client were read as processes of their own, so that no order between them is claimed"
                .to_owned(),
        );
    }
    let named = |is_it: &dyn Fn(&ClientFacts) -> bool| {
        let of_client =
            |call: &(&LoggedCall<'_>, &u32)| call.0.client.is_some() && is_it(&facts[*call.1 as usize]);
        let first = calls.iter().zip(clients).find(of_client)?;
        let name = first.0.client.as_ref()?.describe();
        Some(match facts.iter().filter(|facts| is_it(facts)).count() {
            1 => format!("client {name}"),
            count => format!("{count} clients (such as {name})"),
        })
    };
    if let Some(who) = named(&|facts| facts.overlaps) {
        remarks.push(format!(
            "operations of {who} overlap: each of them was read as a process of its own, so that no order of the client is claimed"
        ));
    }
    if let Some(who) = named(&|facts| facts.goes_on && !facts.overlaps) {
        remarks.push(format!(
            "{who} went on after an operation that never returned: what follows was read as a new process of the same session"
        ));
    }
    remarks
}

fn integer(datum: &Datum<'_>) -> Option<i64> {
    match datum.kind {
        DatumKind::Int(number) => Some(number),
        _ => None,
    }
}

fn call_event<'a>(call: &LoggedCall<'a>, lane: &Lane<'a>, completes: bool) -> Datum<'a> {
    let named =
        |name: &str, value: Datum<'a>| (Datum::new(value.at, DatumKind::Text(name.to_owned().into())), value);
    let text = |text: &str| Datum::new(call.at, DatumKind::Text(text.to_owned().into()));
    let (kind, time, value) = match completes {
        false => ("invoke", Some(call.called), &call.argument),
        true => (call.outcome, call.returned, &call.result),
    };
    let mut fields = vec![
        named("process", lane.process.clone()),
        named("type", text(kind)),
        named("f", text(&call.function)),
        named("value", value.clone()),
    ];
    fields.extend(call.key.iter().map(|key| named("key", key.clone())));
    let session = call.session.as_ref().or(lane.session.as_ref());
    fields.extend(session.map(|session| named("session", session.clone())));
    fields.extend(time.map(|time| named("time", Datum::new(call.at, DatumKind::Int(time)))));
    if let (Some(client), true) = (&call.client, lane.is_split) {
        fields.push(named("client_of_operation", client.clone()));
    }
    Datum::new(call.at, DatumKind::Map(fields))
}
