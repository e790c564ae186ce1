//! The operations that spans tell of: each once, with the renewals and creations that follow from them.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// What an operation does, by the names of histories.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum TraceFunction {
    Create,
    Read,
    Write,
    Touch,
    Renew,
    Destroy,
}

impl TraceFunction {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write",
            Self::Touch => "touch",
            Self::Renew => "renew",
            Self::Destroy => "destroy",
        }
    }
}

/// One operation, as its span tells it.
pub(super) struct TracedOperation {
    pub(super) from_ns: i64,
    /// `None` if the span has no end.
    pub(super) to_ns: Option<i64>,
    pub(super) function: TraceFunction,
    pub(super) key: String,
    pub(super) user: String,
    /// The value of the invocation.
    pub(super) asked: Value,
    pub(super) outcome: &'static str,
    /// The value of the completion.
    pub(super) answered: Value,
    /// The id that the span says came before this one, and how a renewal of it ended.
    pub(super) previous: Option<(String, &'static str)>,
    pub(super) fields: serde_json::Map<String, Value>,
}

/// The operations of all spans. Exporters send a span again if they miss the answer, so a span may come several times.
#[derive(Default)]
pub(super) struct DistinctOperations {
    pub(super) list: Vec<TracedOperation>,
    /// Where the operation of a span is, by the ids of its trace and of itself.
    pub(super) known: HashMap<(String, String), usize>,
    pub(super) repeated: usize,
}

impl DistinctOperations {
    /// Adds the operation of a span, unless it is there. A span that was sent before its end is replaced by one with an end.
    pub(super) fn add(&mut self, operation: Option<TracedOperation>) {
        let Some(operation) = operation else { return };
        let field = |name: &str| operation.fields.get(name).and_then(Value::as_str).map(str::to_owned);
        if let (Some(trace), Some(span)) = (field("trace_id"), field("span_id")) {
            if let Some(&known) = self.known.get(&(trace.clone(), span.clone())) {
                self.repeated += 1;
                if self.list[known].to_ns.is_none() {
                    self.list[known] = operation;
                }
                return;
            }
            self.known.insert((trace, span), self.list.len());
        }
        self.list.push(operation);
    }
}

/// How a renewal ended, by the answer to its request.
pub(super) fn renewal_outcome(did_nothing: bool, unclear: bool, has_ended: bool) -> &'static str {
    match (has_ended, did_nothing, unclear) {
        (false, ..) | (_, false, true) => "info",
        (true, true, _) => "fail",
        (true, false, false) => "ok",
    }
}

/// Adds a renewal for the first span of each pair of an id and the one before it. The attribute tells of a session, and each of its
/// spans may have it: the later ones are what their entry says. The operations are in order of time, and stay so.
pub(super) fn tell_renewals(operations: Vec<TracedOperation>) -> Vec<TracedOperation> {
    let mut known: HashSet<(String, String)> = HashSet::new();
    let mut told = Vec::with_capacity(operations.len());
    for mut operation in operations {
        let is_renewal = operation.function == TraceFunction::Renew;
        if let Some((previous, outcome)) = operation.previous.take() {
            let pair = (previous.clone(), operation.key.clone());
            let is_first = !known.contains(&pair);
            if is_first && outcome != "fail" {
                known.insert(pair);
            }
            if is_first {
                let id = json!(operation.key);
                // Without an attribute for the user, the user is the session.
                let user =
                    if operation.user == operation.key { previous.clone() } else { operation.user.clone() };
                told.push(TracedOperation {
                    from_ns: operation.from_ns,
                    to_ns: operation.to_ns,
                    function: TraceFunction::Renew,
                    key: previous,
                    user,
                    asked: id.clone(),
                    outcome,
                    answered: id,
                    previous: None,
                    fields: operation.fields.clone(),
                });
            }
            // A login that gave a session another id creates none.
            if is_first && (is_renewal || operation.function == TraceFunction::Create) {
                continue;
            }
        }
        if is_renewal {
            // A later request for a new id. Its answer is in the first span with that id; this one shows that the session exists.
            operation.function = TraceFunction::Touch;
            (operation.asked, operation.answered) = (Value::Null, Value::Null);
        }
        told.push(operation);
    }
    told
}

/// Adds the creation of each session that existed when it was first seen, and whose creation no span shows: the session is older
/// than the traces, or the request was not sampled. The operations are in order of time. Returns how many there are.
pub(super) fn add_creations(operations: &mut Vec<TracedOperation>) -> usize {
    let mut known: HashSet<String> = HashSet::new();
    let mut added = Vec::new();
    for operation in operations.iter() {
        let exists = operation.outcome == "ok"
            && (operation.function != TraceFunction::Read || operation.answered != Value::Null);
        if operation.function == TraceFunction::Create {
            known.insert(operation.key.clone());
        } else if exists && known.insert(operation.key.clone()) {
            let before = operation.from_ns.saturating_sub(1);
            let value = json!(format!("not traced: {}", added.len()));
            added.push(TracedOperation {
                from_ns: before,
                to_ns: Some(before),
                function: TraceFunction::Create,
                key: operation.key.clone(),
                user: operation.user.clone(),
                asked: value.clone(),
                outcome: "ok",
                answered: value,
                previous: None,
                fields: serde_json::Map::new(),
            });
        }
        if let (TraceFunction::Renew, Some(id)) = (operation.function, operation.asked.as_str()) {
            known.insert(id.to_owned());
        }
    }
    let count = added.len();
    operations.extend(added);
    count
}
