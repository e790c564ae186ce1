//! Puts the events of a stream in the order of their times, if they come out of order by at most a bounded time (`--lateness`).
//!
//! Lines wait until an event came whose time is later by the bound. Then no event before them is expected any more, and they are passed
//! on in the order of time; lines of equal times in the order in which they came. An event that comes later all the same is *late*: what came
//! after it was judged without it, so what it is about must not be judged any further. A late completion is passed on with the time of now, so
//! that its operation ends. A late invocation is left out, and so is its completion, whichever of them comes first.
//!
//! What is passed on depends on the lines alone, not on how the stream is cut. So the state after any whole line can be written down, and
//! another process goes on from it (`--checkpoint`).
//!
//! O(log n) a line for n lines that wait. What waits is bounded in bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The memory of a line that waits, beside its texts.
const WAITING_LINE_BYTES: usize = 128;

/// Sorts the lines of a stream.
#[derive(Serialize, Deserialize)]
pub(crate) struct LateSorter {
    lateness_ns: i64,
    /// Not part of the state: it follows from the options.
    #[serde(skip)]
    bytes_max: usize,
    /// The bytes of a line that is not complete yet. They are read again.
    #[serde(skip)]
    rest: Vec<u8>,
    /// The number of lines, and how many of them were in files before this one.
    lines: u64,
    lines_before_file: u64,
    /// By time and number: the lines that wait.
    #[serde(with = "waiting_rows")]
    waiting: BTreeMap<(i64, u64), WaitingLine>,
    waiting_bytes: usize,
    latest: Option<i64>,
    /// The latest time of a line that was passed on.
    passed: Option<i64>,
    /// The clients that have something open, by their names as JSON.
    clients: HashMap<String, ClientState>,
    /// The number of invocations and completions that were left out and can still meet their other half.
    halves: usize,
    late_count: u64,
    /// Whether the event came with which a recording ends. It waits like others.
    has_ended: bool,
}

/// The operations of a client of which one event is missing. Times are those that the events tell, also of late ones.
#[derive(Default, Serialize, Deserialize)]
struct ClientState {
    /// An invocation that was passed on.
    open: Option<HalfOperation>,
    /// Invocations that were left out.
    left_out: Vec<HalfOperation>,
    /// Completions that were left out because their invocations had not come.
    orphans: Vec<HalfOperation>,
}

/// One of the two events of an operation.
#[derive(Serialize, Deserialize)]
struct HalfOperation {
    time: i64,
    /// What both of its events have in common.
    what: OperationTraits,
}

/// The function, the key, and what is written, each as JSON. An event may leave some of them out: `null`.
type OperationTraits = [String; 3];

#[derive(Serialize, Deserialize)]
struct WaitingLine {
    time: i64,
    text: String,
    process: String,
    what: OperationTraits,
    kind: EventKind,
    key: Option<String>,
}

/// What an event of a client does to its operation. Events of others do nothing to it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum EventKind {
    Invokes,
    Completes,
    Other,
}

/// An event that came too late.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LateEvent {
    /// Its object as JSON, if it names one.
    pub(crate) key: Option<String>,
    pub(crate) why: LateReason,
}

/// Why an event cannot be judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LateReason {
    /// It came so many nanoseconds later than the bound allows.
    TooLate { what: &'static str, excess_ns: i64 },
    /// It does not fit those that came in time.
    Unpaired,
    /// It would have changed what was judged before.
    NeedsTheWhole(String),
}

/// What is passed on, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SortedPart {
    /// Whole lines.
    Lines(String),
    /// From here on, what this event is about must not be judged.
    Late(LateEvent),
}

impl LateSorter {
    /// Sorts lines that come at most so late, and holds at most so many bytes.
    pub(crate) fn new(lateness_ns: i64, bytes_max: usize) -> Self {
        Self {
            lateness_ns,
            bytes_max,
            rest: Vec::new(),
            lines: 0,
            lines_before_file: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            latest: None,
            passed: None,
            clients: HashMap::new(),
            halves: 0,
            late_count: 0,
            has_ended: false,
        }
    }

    /// Goes on from the state of an earlier process.
    pub(crate) fn resume(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// The bound on how late an event may come.
    pub(crate) fn lateness_ns(&self) -> i64 {
        self.lateness_ns
    }

    /// Adds bytes. Appends what is due to `parts`, in order, up to a line that is wrong.
    ///
    /// # Errors
    /// A line is no event with a time, or more waits than may.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8], parts: &mut Vec<SortedPart>) -> Result<(), String> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
            return self.check_memory();
        };
        let rest = self.rest.split_off(end + 1);
        let block = std::mem::replace(&mut self.rest, rest);
        for line in block.split_inclusive(|&byte| byte == b'\n') {
            let number = self.unfinished_line();
            let line = str::from_utf8(line).map_err(|_| format!("line {number} is not UTF-8"))?;
            self.lines += 1;
            self.add_line(line.trim_end_matches(['\r', '\n']), number, parts)?;
            // After each line, so that it does not matter how the stream is cut.
            self.pass_due(self.latest.map(|latest| latest.saturating_sub(self.lateness_ns)), parts);
        }
        self.check_memory()
    }

    /// What follows is a file that replaced the one before. Its lines are counted from 1.
    pub(crate) fn begin_file(&mut self) {
        self.lines_before_file = self.lines;
    }

    /// The lines that wait, in order: the stream has ended.
    pub(crate) fn finish(&mut self) -> Vec<SortedPart> {
        let mut parts = Vec::new();
        self.pass_due(self.latest, &mut parts);
        parts
    }

    /// The bytes of the line that is not complete.
    pub(crate) fn unfinished(&self) -> &[u8] {
        &self.rest
    }

    /// The number of the line that is not complete, in its file.
    pub(crate) fn unfinished_line(&self) -> u64 {
        self.lines - self.lines_before_file + 1
    }

    /// The number of lines that wait.
    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the event came with which a recording ends.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The number of late events.
    pub(crate) fn late_count(&self) -> u64 {
        self.late_count
    }

    fn check_memory(&self) -> Result<(), String> {
        let names = (self.clients.len() + self.halves) * WAITING_LINE_BYTES;
        match self.waiting_bytes + self.rest.len() + names > self.bytes_max {
            true => Err(format!(
                "the events of {} s (--lateness) do not fit into {} MiB. Pass a shorter time, or more --memory",
                self.lateness_ns as f64 / 1e9,
                self.bytes_max >> 20
            )),
            false => Ok(()),
        }
    }

    fn add_line(&mut self, line: &str, number: u64, parts: &mut Vec<SortedPart>) -> Result<(), String> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let mut event: Value = serde_json::from_str(line.trim_start_matches('\u{feff}'))
            .map_err(|why| format!("line {number}: the event is not JSON: {why}"))?;
        // An index says how the writer counted. The order of times is another one, and has gaps in these numbers.
        for field in ["index", "gapless"] {
            event.as_object_mut().and_then(|fields| fields.remove(field));
        }
        if event.get("steadfast").is_some() {
            push_line(&event.to_string(), parts);
            return Ok(());
        }
        let time = event.get("time").and_then(Value::as_i64);
        let time =
            time.ok_or_else(|| format!("line {number} has no time. --lateness needs that of each event"))?;
        self.has_ended |= event["process"] == "recorder" && event["f"] == "end";
        let waiting = WaitingLine {
            time,
            process: event["process"].to_string(),
            what: describe_operation(&event),
            kind: kind_of(&event),
            key: event.get("key").map(Value::to_string),
            text: event.to_string(),
        };
        match self.passed.filter(|&passed| time < passed) {
            Some(passed) => {
                event["time"] = passed.into();
                let why = LateReason::TooLate { what: "an event", excess_ns: passed - time };
                self.add_late(waiting.key.clone(), why, parts);
                self.pass_line(&WaitingLine { text: event.to_string(), ..waiting }, true, parts);
            }
            None => {
                self.waiting_bytes += waiting.bytes();
                self.waiting.insert((time, self.lines), waiting);
            }
        }
        self.latest = self.latest.max(Some(time));
        Ok(())
    }

    fn pass_due(&mut self, until: Option<i64>, parts: &mut Vec<SortedPart>) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| Some(entry.key().0) <= until) {
            let ((time, _), line) = entry.remove_entry();
            self.waiting_bytes -= line.bytes();
            self.passed = self.passed.max(Some(time));
            // Its invocation is late, so what it is about is not known.
            if !self.pass_line(&line, false, parts) {
                self.add_late(line.key, LateReason::Unpaired, parts);
            }
        }
    }

    /// Passes a line on, unless it is a late invocation, or one event of an operation of which the other is left out. Returns whether it
    /// was passed on.
    fn pass_line(&mut self, line: &WaitingLine, is_late: bool, parts: &mut Vec<SortedPart>) -> bool {
        let mut client = self.clients.remove(&line.process).unwrap_or_default();
        let before = client.half_count();
        let half = HalfOperation { time: line.time, what: line.what.clone() };
        let fits = match line.kind {
            EventKind::Invokes => client.begin(half, is_late),
            EventKind::Completes => client.complete(half),
            // A client that has a text for a name ends an operation in the same way as a fault injector tells something.
            EventKind::Other => client.is_idle() || client.complete(half),
        };
        self.halves = self.halves + client.half_count() - before;
        if !client.is_idle() {
            self.clients.insert(line.process.clone(), client);
        }
        if fits {
            push_line(&line.text, parts);
        }
        fits
    }

    fn add_late(&mut self, key: Option<String>, why: LateReason, parts: &mut Vec<SortedPart>) {
        self.late_count += 1;
        parts.push(SortedPart::Late(LateEvent { key, why }));
    }
}

impl ClientState {
    fn is_idle(&self) -> bool {
        self.open.is_none() && self.half_count() == 0
    }

    fn half_count(&self) -> usize {
        self.left_out.len() + self.orphans.len()
    }

    /// Takes an invocation. Returns whether it is passed on.
    fn begin(&mut self, half: HalfOperation, is_late: bool) -> bool {
        let is_own = |completed: &HalfOperation| completed.agrees_with(&half) && completed.time >= half.time;
        if take_first(&mut self.orphans, is_own) {
            return false;
        }
        // If an operation is open, its completion is late.
        if is_late || self.open.is_some() {
            self.left_out.push(half);
            return false;
        }
        self.open = Some(half);
        true
    }

    /// Takes a completion. Returns whether it is passed on.
    fn complete(&mut self, half: HalfOperation) -> bool {
        let is_own = |invoked: &HalfOperation| invoked.agrees_with(&half) && invoked.time <= half.time;
        if self.open.as_ref().is_some_and(is_own) {
            self.open = None;
            return true;
        }
        if !take_first(&mut self.left_out, is_own) {
            self.orphans.push(half);
        }
        false
    }
}

/// Removes the first one that fits. Returns whether there is one.
fn take_first(halves: &mut Vec<HalfOperation>, fits: impl Fn(&HalfOperation) -> bool) -> bool {
    let found = halves.iter().position(fits);
    found.map(|at| halves.remove(at)).is_some()
}

impl HalfOperation {
    /// Whether both can be events of one operation.
    fn agrees_with(&self, other: &Self) -> bool {
        self.what.iter().zip(&other.what).all(|(own, other)| own == other || own == "null" || other == "null")
    }
}

impl WaitingLine {
    fn bytes(&self) -> usize {
        let key = self.key.as_ref().map_or(0, String::len);
        self.text.len()
            + self.process.len()
            + self.what.iter().map(String::len).sum::<usize>()
            + key
            + WAITING_LINE_BYTES
    }
}

fn push_line(line: &str, parts: &mut Vec<SortedPart>) {
    match parts.last_mut() {
        Some(SortedPart::Lines(text)) => {
            text.push_str(line);
            text.push('\n');
        }
        _ => parts.push(SortedPart::Lines(format!("{line}\n"))),
    }
}

/// Events of fault injectors and recorders are `info` events whose process is a text.
fn kind_of(event: &Value) -> EventKind {
    match event["type"].as_str() {
        Some("invoke") => EventKind::Invokes,
        Some("ok" | "fail") => EventKind::Completes,
        Some("info") if event["process"].is_number() => EventKind::Completes,
        _ => EventKind::Other,
    }
}

/// What the invocation and the completion of an operation have in common. What is read is known to the completion alone.
fn describe_operation(event: &Value) -> OperationTraits {
    let written = if event["f"] == "write" { &event["value"] } else { &Value::Null };
    [&event["f"], &event["key"], written].map(Value::to_string)
}

/// The lines that wait as rows, because their keys are no texts.
mod waiting_rows {
    use super::*;

    type Waiting = BTreeMap<(i64, u64), WaitingLine>;

    pub(super) fn serialize<S: Serializer>(waiting: &Waiting, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(waiting)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Waiting, D::Error> {
        Ok(Vec::<((i64, u64), WaitingLine)>::deserialize(from)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn event(time: i64, process: u32, kind: &str, value: u32) -> String {
        format!(
            "{{\"f\":\"write\",\"key\":\"x\",\"process\":{process},\"time\":{},\"type\":\"{kind}\",\"value\":{value}}}\n",
            time * MS
        )
    }

    /// What is passed on, line by line, and the number of late events.
    fn sorted(lateness: i64, lines: &[String]) -> (Vec<String>, u64) {
        let mut sorter = LateSorter::new(lateness * MS, 1 << 20);
        let mut parts = Vec::new();
        for line in lines {
            // Cut in the middle, as a pipe does.
            let (one, other) = line.as_bytes().split_at(line.len() / 2);
            sorter.add_bytes(one, &mut parts).expect("events");
            sorter.add_bytes(other, &mut parts).expect("events");
        }
        parts.extend(sorter.finish());
        (lines_of(&parts), sorter.late_count())
    }

    fn lines_of(parts: &[SortedPart]) -> Vec<String> {
        let lines = parts.iter().flat_map(|part| match part {
            SortedPart::Lines(text) => text.lines().map(|line| format!("{line}\n")).collect(),
            SortedPart::Late(_) => Vec::new(),
        });
        lines.collect()
    }

    /// The parts with each line by itself: how lines are grouped depends on how the stream is cut.
    fn apart(parts: &[SortedPart]) -> Vec<SortedPart> {
        let each = parts.iter().flat_map(|part| match part {
            SortedPart::Lines(text) => {
                text.lines().map(|line| SortedPart::Lines(format!("{line}\n"))).collect()
            }
            late @ SortedPart::Late(_) => vec![late.clone()],
        });
        each.collect()
    }

    /// A state that is written down after any line, and read back, passes the same on: lines that wait, clients whose completion was
    /// left out, and late events.
    #[test]
    fn a_sorter_goes_on_from_its_state_after_any_line() {
        let mut seed = 11_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut arrivals: Vec<(u64, String)> = (0..400_u32)
            .map(|at| {
                let kind = if at / 5 % 2 == 0 { "invoke" } else { "ok" };
                // Out of order by up to 8 ms, and now and then by 60.
                let late = if random(20) == 0 { 60 } else { random(8) };
                (u64::from(at) + late, event(i64::from(at), at % 5, kind, at / 10))
            })
            .collect();
        arrivals.sort_by_key(|arrival| arrival.0);
        let lines: Vec<String> = arrivals.into_iter().map(|(_, line)| line).collect();
        let mut whole = (LateSorter::new(20 * MS, 1 << 20), Vec::new());
        whole.0.add_bytes(lines.concat().as_bytes(), &mut whole.1).expect("events");
        whole.1.extend(whole.0.finish());
        let mut resumed = (LateSorter::new(20 * MS, 1 << 20), Vec::new());
        for line in &lines {
            resumed.0.add_bytes(line.as_bytes(), &mut resumed.1).expect("events");
            let state = serde_json::to_string(&resumed.0).expect("it is written");
            resumed.0 = serde_json::from_str::<LateSorter>(&state).expect("it is read").resume(1 << 20);
        }
        resumed.1.extend(resumed.0.finish());
        assert!(whole.0.late_count() > 10 && lines_of(&whole.1).len() > 300, "{}", whole.0.late_count());
        assert_eq!(apart(&resumed.1), apart(&whole.1));
        assert_eq!(resumed.0.late_count(), whole.0.late_count());
    }

    /// The numbers of a recording are in the order in which it was written, and the header promises that none is missing.
    #[test]
    fn a_header_promises_nothing_about_the_order_of_times() {
        let mut sorter = LateSorter::new(MS, 1 << 20);
        let mut parts = Vec::new();
        sorter.add_bytes(b"{\"steadfast\":1,\"gapless\":true}\n", &mut parts).expect("a header");
        assert_eq!(parts, [SortedPart::Lines("{\"steadfast\":1}\n".to_owned())]);
    }

    /// What came before a mistake and is due is passed on.
    #[test]
    fn lines_before_a_mistake_are_passed_on() {
        let mut sorter = LateSorter::new(MS, 1 << 20);
        let mut parts = Vec::new();
        let text = [event(1, 0, "invoke", 1), event(9, 0, "ok", 1), "{\n".to_owned()].concat();
        let why = sorter.add_bytes(text.as_bytes(), &mut parts).expect_err("no JSON");
        assert!(why.starts_with("line 3: "), "{why}");
        assert_eq!(lines_of(&parts), [event(1, 0, "invoke", 1)]);
        assert_eq!(sorter.waiting_count(), 1);
    }

    #[test]
    fn events_that_are_late_by_less_than_the_bound_are_in_order() {
        let in_order: Vec<String> = (0..20)
            .map(|at| event(at, at as u32 % 3, if at / 3 % 2 == 0 { "invoke" } else { "ok" }, 1))
            .collect();
        let mut mixed = in_order.clone();
        mixed.chunks_mut(4).for_each(<[String]>::reverse);
        assert_eq!(sorted(4, &mixed), (in_order, 0));
    }

    #[test]
    fn a_late_event_is_counted_and_keeps_its_place_in_its_operation() {
        // The completion at 2 ms comes when events up to 20 ms were passed on.
        let lines = [
            event(1, 0, "invoke", 1),
            event(20, 1, "invoke", 2),
            event(40, 1, "ok", 2),
            event(2, 0, "ok", 1),
        ];
        let (passed, late) = sorted(5, &lines);
        assert_eq!(late, 1);
        assert_eq!(
            passed,
            [
                event(1, 0, "invoke", 1),
                event(20, 1, "invoke", 2),
                event(20, 0, "ok", 1),
                event(40, 1, "ok", 2)
            ]
        );
    }

    #[test]
    fn a_completion_whose_invocation_is_late_is_left_out_with_it() {
        let lines = [
            event(2, 0, "ok", 1),
            event(20, 1, "invoke", 2),
            event(1, 0, "invoke", 1),
            event(21, 0, "invoke", 3),
        ];
        let (passed, late) = sorted(5, &lines);
        assert_eq!((passed, late), (vec![event(20, 1, "invoke", 2), event(21, 0, "invoke", 3)], 2));
    }

    /// What went wrong: the next operation of the client was taken for the one whose completion had been left out, so that the late
    /// invocation was completed by an operation on another key, and the judgement ended with an error.
    #[test]
    fn an_operation_that_is_left_out_does_not_take_the_next_one_with_it() {
        let next = [event(30, 0, "invoke", 3), event(31, 0, "ok", 3), event(90, 2, "invoke", 9)];
        let [invoked, completed] = [event(1, 0, "invoke", 1), event(2, 0, "ok", 1)];
        // The invocation comes after the next operation, or after its beginning, or the completion does; or both come late.
        let [a, b, c] = next.clone();
        for lines in [
            vec![completed.clone(), a.clone(), b.clone(), c.clone(), invoked.clone()],
            vec![completed.clone(), a.clone(), c.clone(), invoked.clone(), b.clone()],
            vec![a.clone(), b.clone(), c.clone(), invoked.clone(), completed.clone()],
            vec![a, c, invoked, completed, b],
        ] {
            let (passed, late) = sorted(20, &lines);
            assert!(late >= 1);
            let mut open = std::collections::HashMap::new();
            for line in &passed {
                let event: Value = serde_json::from_str(line).expect("JSON");
                let (process, value) = (event["process"].as_i64(), event["value"].as_i64());
                match event["type"] == "invoke" {
                    true => assert_eq!(open.insert(process, value), None, "{passed:?}"),
                    false => assert_eq!(open.remove(&process), Some(value), "{passed:?}"),
                }
            }
            assert!(passed.contains(&next[1]) || late > 2, "{passed:?}");
        }
    }

    /// An indeterminate operation of a client with a name. Its next invocation was left out.
    #[test]
    fn a_client_with_a_name_may_have_indeterminate_operations() {
        let named = |line: String| line.replace("\"process\":0", "\"process\":\"web\"");
        let lines = [
            event(1, 0, "invoke", 1),
            event(2, 0, "info", 1),
            event(3, 0, "invoke", 2),
            event(4, 0, "ok", 2),
        ];
        let lines = lines.map(named);
        assert_eq!(sorted(5, &lines), (lines.to_vec(), 0));
    }

    #[test]
    fn a_line_without_a_time_and_too_much_to_hold_are_refused() {
        let mut sorter = LateSorter::new(MS, 1 << 10);
        let refused =
            sorter.add_bytes(b"{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n", &mut Vec::new());
        assert!(refused.is_err_and(|why| why.starts_with("line 1 has no time")));
        let mut sorter = LateSorter::new(i64::MAX, 1 << 10);
        let refused = (0..20)
            .map(|at| sorter.add_bytes(event(at, 0, "invoke", 1).as_bytes(), &mut Vec::new()))
            .find(Result::is_err);
        assert!(refused.is_some_and(|why| why.is_err_and(|why| why.contains("do not fit"))));
    }
}
