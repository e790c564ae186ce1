//! The operations that spans tell of: each once, with the renewals and creations that follow from them.

use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

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

impl TracedOperation {
    /// The ids of its trace and of its span, if it has both.
    pub(super) fn span_ids(&self) -> Option<(String, String)> {
        let field = |name: &str| self.fields.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((field("trace_id")?, field("span_id")?))
    }
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
    pub(super) fn add(&mut self, operation: TracedOperation) {
        if let Some(ids) = operation.span_ids() {
            if let Some(&known) = self.known.get(&ids) {
                self.repeated += 1;
                if self.list[known].to_ns.is_none() {
                    self.list[known] = operation;
                }
                return;
            }
            self.known.insert(ids, self.list.len());
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
