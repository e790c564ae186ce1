//! Makes events of spans while they are received.
//!
//! A span is sent when it has ended, in batches, by several exporters. So spans come out of order. The operation of a span waits until one has
//! come that ended later than it began by more than a bound, the *lateness*; then no operation that began before it is expected any more.
//! When nothing comes, time passes all the same, so that the last spans before a silence do not wait for the next ones.
//!
//! A span that comes later still is *late*: it is left out, and nothing is judged from there on. The same holds if something is seen that
//! would have changed an earlier event ([`EventWriter`]). So the verdicts are those of the whole, or *unknown*.

use super::TraceMap;
use super::census::SpanCensus;
use super::events::EventWriter;
use super::operation::TracedOperation;
use super::otlp::OtlpRequest;
use crate::stream_sorter::{LateEvent, LateReason, SortedPart};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{Hash, Hasher};

/// The memory of an operation that waits, beside its texts.
const WAITING_BYTES: usize = 600;
/// The number of spans by which repeated ones are recognised, beside those that wait.
const RECENT_MAX: usize = 1 << 20;
/// The most time that passes at once while nothing comes: the process may have been stopped, and spans may wait in the system.
const PASSES_MAX_NS: i64 = 1_000_000_000;

/// Reads spans as they come.
pub(crate) struct SpanStream {
    map: TraceMap,
    lateness_ns: i64,
    bytes_max: usize,
    writer: EventWriter,
    census: SpanCensus,
    /// By begin, and in the order in which they came: the operations that wait.
    waiting: BTreeMap<(i64, u64), TracedOperation>,
    waiting_bytes: usize,
    received: u64,
    /// Where the operation of each span waits, by a fingerprint of the ids of trace and span; none if it was written: then whether the
    /// span had an end. And the spans that were written, the oldest first.
    spans: HashMap<u64, SpanPlace>,
    recent: VecDeque<u64>,
    /// The latest end of a span, or what time it must be since then.
    latest: Option<i64>,
    /// All operations that began until then were passed on.
    known_until: Option<i64>,
    has_header: bool,
    /// Nothing is judged any more, so nothing needs to be kept.
    has_given_up: bool,
}

#[derive(Clone, Copy)]
enum SpanPlace {
    Waits(i64, u64),
    Written { has_end: bool },
}

impl SpanStream {
    /// Reads spans that come at most so late, and holds at most so many bytes.
    pub(crate) fn new(map: TraceMap, lateness_ns: i64, bytes_max: usize) -> Self {
        Self {
            lateness_ns,
            bytes_max,
            writer: EventWriter::new(&map),
            map,
            census: SpanCensus::default(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            received: 0,
            spans: HashMap::new(),
            recent: VecDeque::new(),
            latest: None,
            known_until: None,
            has_header: false,
            has_given_up: false,
        }
    }

    /// Takes the spans of a request, as a line of a file of spans. Appends the events that are due to `parts`. `now_ns` is the time of
    /// this machine: a clock that is ahead of it does not make the spans of others late.
    ///
    /// # Errors
    /// The line has no spans, or more waits than may.
    pub(crate) fn add_request(
        &mut self,
        line: &str,
        now_ns: i64,
        parts: &mut Vec<SortedPart>,
    ) -> Result<(), String> {
        let request: OtlpRequest =
            serde_json::from_str(line).map_err(|why| format!("the request has no spans: {why}"))?;
        let mut operations = Vec::new();
        self.map.read_request(request, &mut self.census, &mut |operation| operations.push(operation))?;
        for operation in operations {
            self.add_operation(operation, now_ns, parts);
        }
        self.pass_due(parts);
        match self.waiting_bytes > self.bytes_max && !self.has_given_up {
            true => Err(format!(
                "the spans of {} s (--lateness) do not fit into {} MiB. Pass a shorter time, or more --memory",
                self.lateness_ns as f64 / 1e9,
                self.bytes_max >> 20
            )),
            false => Ok(()),
        }
    }

    /// Lets time pass while nothing comes.
    pub(crate) fn pass_time(&mut self, elapsed_ns: i64, now_ns: i64, parts: &mut Vec<SortedPart>) {
        if let Some(latest) = self.latest.filter(|_| !self.waiting.is_empty() || self.writer.is_waiting()) {
            let passed = latest.saturating_add(elapsed_ns.min(PASSES_MAX_NS));
            self.latest = Some(passed.min(now_ns.max(latest)));
            self.pass_due(parts);
        }
    }

    /// What waits, in order: the stream has ended.
    pub(crate) fn finish(&mut self) -> Vec<SortedPart> {
        let mut parts = Vec::new();
        self.pass_until(i64::MAX, &mut parts);
        parts
    }

    /// The number of operations that wait.
    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Remarks on what was left out and assumed.
    pub(crate) fn describe_spans(&mut self) -> Vec<String> {
        if self.census.used == 0 {
            return vec![self.map.describe_nothing(&self.census)];
        }
        self.writer.count_into(&mut self.census);
        self.map.describe_census(&self.census)
    }

    fn add_operation(&mut self, operation: TracedOperation, now_ns: i64, parts: &mut Vec<SortedPart>) {
        if self.has_given_up {
            return;
        }
        let ended = operation.to_ns.unwrap_or(operation.from_ns);
        let fingerprint = operation.span_ids().map(|ids| fingerprint_of(&ids));
        let mut number = self.received;
        match fingerprint.and_then(|fingerprint| self.spans.get(&fingerprint)) {
            None => {}
            Some(&SpanPlace::Waits(from, known)) => {
                self.census.repeated += 1;
                let waits = self.waiting.get(&(from, known));
                if waits.is_none_or(|waits| waits.to_ns.is_some()) {
                    return;
                }
                let replaced = self.waiting.remove(&(from, known));
                self.waiting_bytes -= replaced.as_ref().map_or(0, bytes_of);
                number = known;
            }
            Some(&SpanPlace::Written { has_end }) => {
                self.census.repeated += 1;
                if !has_end {
                    let why = "the end of a span came after the span had been judged as one without an end";
                    self.give_up(LateReason::NeedsTheWhole(why.to_owned()), parts);
                }
                return;
            }
        }
        if let Some(known) = self.known_until.filter(|&known| operation.from_ns <= known) {
            let excess_ns = known.saturating_sub(operation.from_ns).saturating_add(1);
            self.give_up(LateReason::TooLate { what: "a span", excess_ns }, parts);
            return;
        }
        // A clock that is ahead must not make the spans of others late.
        self.latest = self.latest.max(Some(ended.min(now_ns)));
        if let Some(fingerprint) = fingerprint {
            self.spans.insert(fingerprint, SpanPlace::Waits(operation.from_ns, number));
        }
        self.waiting_bytes += bytes_of(&operation);
        self.waiting.insert((operation.from_ns, number), operation);
        self.received += 1;
    }

    fn pass_due(&mut self, parts: &mut Vec<SortedPart>) {
        if let Some(latest) = self.latest {
            self.pass_until(latest.saturating_sub(self.lateness_ns), parts);
        }
    }

    /// Passes on what began until a moment, as far as its events are certain.
    fn pass_until(&mut self, until: i64, parts: &mut Vec<SortedPart>) {
        if self.has_given_up || self.known_until.is_some_and(|known| known >= until) {
            return;
        }
        self.known_until = Some(until);
        let mut due = Vec::new();
        while let Some(entry) = self.waiting.first_entry().filter(|entry| entry.key().0 <= until) {
            let operation = entry.remove();
            self.waiting_bytes -= bytes_of(&operation);
            self.remember_span(&operation);
            due.push(operation);
        }
        if due.is_empty() && !self.writer.is_waiting() {
            return;
        }
        self.writer.add_operations(due);
        if let Some(why) = self.writer.take_contradiction() {
            self.give_up(LateReason::NeedsTheWhole(why), parts);
            return;
        }
        let mut text = String::new();
        if !self.has_header {
            text = self.map.header_line();
            self.has_header = true;
        }
        self.writer.write_until(until, &mut text);
        if !text.is_empty() {
            parts.push(SortedPart::Lines(text));
        }
        if self.writer.remembered_bytes() > self.bytes_max {
            let why = format!(
                "the ids and values of all sessions do not fit into {} MiB. Pass more --memory",
                self.bytes_max >> 20
            );
            self.give_up(LateReason::NeedsTheWhole(why), parts);
        }
    }

    /// Remembers a span that is passed on, so that it counts once.
    fn remember_span(&mut self, operation: &TracedOperation) {
        let Some(ids) = operation.span_ids() else { return };
        let fingerprint = fingerprint_of(&ids);
        self.spans.insert(fingerprint, SpanPlace::Written { has_end: operation.to_ns.is_some() });
        self.recent.push_back(fingerprint);
        if self.recent.len() > RECENT_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.spans.remove(&oldest);
        }
    }

    /// Judges nothing from here on.
    fn give_up(&mut self, why: LateReason, parts: &mut Vec<SortedPart>) {
        parts.push(SortedPart::Late(LateEvent { key: None, why }));
        self.has_given_up = true;
        self.writer = EventWriter::new(&self.map);
        (self.waiting, self.spans, self.recent) = (BTreeMap::new(), HashMap::new(), VecDeque::new());
        self.waiting_bytes = 0;
    }
}

fn fingerprint_of(ids: &(String, String)) -> u64 {
    let mut hasher = DefaultHasher::new();
    ids.hash(&mut hasher);
    hasher.finish()
}

/// The memory of an operation that waits.
fn bytes_of(operation: &TracedOperation) -> usize {
    let values = [&operation.asked, &operation.answered].map(|value| value.as_str().map_or(0, str::len));
    operation.key.len() + operation.user.len() + values[0] + values[1] + WAITING_BYTES
}

#[cfg(test)]
mod tests;
