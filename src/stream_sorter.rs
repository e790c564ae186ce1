//! Puts the events of a stream in the order of their times, if they come out of order by at most a bounded time (`--lateness`).
//!
//! Lines wait until an event came whose time is later by the bound. Then no event before them is expected any more, and they are passed
//! on in the order of time; lines of equal times in the order in which they came. An event that comes later all the same is *late*: what came
//! after it was judged without it. It is passed on with the time of now, so that every completion has its invocation, and what it is about
//! must not be judged any further. A completion that is due before its invocation came is left out, and so is that invocation.
//!
//! O(log n) a line for n lines that wait. What waits is bounded in bytes.

use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// Sorts the lines of a stream.
pub(crate) struct LateSorter {
    lateness_ns: i64,
    bytes_max: usize,
    /// The bytes of a line that is not complete yet.
    rest: Vec<u8>,
    lines: u64,
    /// By time and number: the lines that wait.
    waiting: BTreeMap<(i64, u64), WaitingLine>,
    waiting_bytes: usize,
    latest: Option<i64>,
    /// The latest time of a line that was passed on.
    passed: Option<i64>,
    /// The clients whose latest invocation was passed on, and those whose completion was left out because it had none.
    open: HashSet<String>,
    orphaned: HashSet<String>,
    late: Vec<LateEvent>,
    late_count: u64,
}

struct WaitingLine {
    text: String,
    process: String,
    kind: EventKind,
    key: Option<String>,
}

/// What an event of a client does to its operation. Events of others do nothing to it.
#[derive(Clone, Copy, PartialEq, Eq)]
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
    /// By how many nanoseconds more than the bound it was late.
    pub(crate) excess_ns: i64,
}

impl LateSorter {
    /// Sorts lines that come at most so late, and holds at most so many bytes.
    pub(crate) fn new(lateness_ns: i64, bytes_max: usize) -> Self {
        Self {
            lateness_ns,
            bytes_max,
            rest: Vec::new(),
            lines: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            latest: None,
            passed: None,
            open: HashSet::new(),
            orphaned: HashSet::new(),
            late: Vec::new(),
            late_count: 0,
        }
    }

    /// Adds bytes. Returns the lines that are due, in order.
    ///
    /// # Errors
    /// A line is no event with a time, or more waits than may.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.rest.extend_from_slice(bytes);
        let mut out = String::new();
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
            self.check_memory()?;
            return Ok(Vec::new());
        };
        let rest = self.rest.split_off(end + 1);
        let block = std::mem::replace(&mut self.rest, rest);
        let number = self.lines + 1;
        let text =
            String::from_utf8(block).map_err(|_| format!("line {number}, or one after it, is not UTF-8"))?;
        for line in text.lines() {
            self.lines += 1;
            self.add_line(line, &mut out)?;
            // After each line, so that it does not matter how the stream is cut.
            self.pass_due(self.latest.map(|latest| latest.saturating_sub(self.lateness_ns)), &mut out);
        }
        self.check_memory()?;
        Ok(out.into_bytes())
    }

    /// The lines that wait, in order, and the beginning of one that is not complete: the stream has ended.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut out = String::new();
        self.pass_due(self.latest, &mut out);
        let mut out = out.into_bytes();
        out.append(&mut self.rest);
        out
    }

    /// The late events that were not taken.
    pub(crate) fn take_late(&mut self) -> Vec<LateEvent> {
        std::mem::take(&mut self.late)
    }

    /// The number of late events.
    pub(crate) fn late_count(&self) -> u64 {
        self.late_count
    }

    fn check_memory(&self) -> Result<(), String> {
        match self.waiting_bytes + self.rest.len() > self.bytes_max {
            true => Err(format!(
                "the events of {} s (--lateness) do not fit into {} MiB. Pass a shorter time, or more --memory",
                self.lateness_ns as f64 / 1e9,
                self.bytes_max >> 20
            )),
            false => Ok(()),
        }
    }

    fn add_line(&mut self, line: &str, out: &mut String) -> Result<(), String> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let number = self.lines;
        let mut event: Value = serde_json::from_str(line)
            .map_err(|why| format!("line {number}: the event is not JSON: {why}"))?;
        if event.get("steadfast").is_some() {
            out.push_str(line);
            out.push('\n');
            return Ok(());
        }
        let time = event.get("time").and_then(Value::as_i64);
        let time =
            time.ok_or_else(|| format!("line {number} has no time. --lateness needs that of each event"))?;
        // An index says how the writer counted. The order of times is another one.
        if let Some(fields) = event.as_object_mut() {
            fields.remove("index");
        }
        let waiting = WaitingLine {
            process: event["process"].to_string(),
            kind: kind_of(&event),
            key: event.get("key").map(Value::to_string),
            text: event.to_string(),
        };
        match self.passed.filter(|&passed| time < passed) {
            Some(passed) => {
                event["time"] = passed.into();
                self.count_late(waiting.key.clone(), passed - time);
                self.pass_line(&WaitingLine { text: event.to_string(), ..waiting }, out);
            }
            None => {
                self.waiting_bytes += waiting.text.len() + 64;
                self.waiting.insert((time, number), waiting);
            }
        }
        self.latest = self.latest.max(Some(time));
        Ok(())
    }

    fn pass_due(&mut self, until: Option<i64>, out: &mut String) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| Some(entry.key().0) <= until) {
            let ((time, _), line) = entry.remove_entry();
            self.waiting_bytes -= line.text.len() + 64;
            self.passed = self.passed.max(Some(time));
            // Its invocation is late, so what it is about is not known.
            if !self.pass_line(&line, out) {
                self.count_late(line.key, 0);
            }
        }
    }

    /// Passes a line on, unless it is a completion without an invocation, or the invocation of one that was left out. Returns whether it
    /// was passed on.
    fn pass_line(&mut self, line: &WaitingLine, out: &mut String) -> bool {
        let fits = match line.kind {
            // A client that has a text for a name ends an operation in the same way as a fault injector tells something.
            EventKind::Other => {
                self.open.remove(&line.process);
                true
            }
            EventKind::Invokes => {
                !self.orphaned.remove(&line.process) && self.open.insert(line.process.clone())
            }
            EventKind::Completes => {
                self.open.remove(&line.process) || {
                    self.orphaned.insert(line.process.clone());
                    false
                }
            }
        };
        if fits {
            out.push_str(&line.text);
            out.push('\n');
        }
        fits
    }

    fn count_late(&mut self, key: Option<String>, excess_ns: i64) {
        self.late_count += 1;
        self.late.push(LateEvent { key, excess_ns });
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
        let mut out = Vec::new();
        for line in lines {
            // Cut in the middle, as a pipe does.
            let (one, other) = line.as_bytes().split_at(line.len() / 2);
            out.extend(sorter.add_bytes(one).expect("events"));
            out.extend(sorter.add_bytes(other).expect("events"));
        }
        out.extend(sorter.finish());
        let text = String::from_utf8(out).expect("text");
        (text.lines().map(|line| format!("{line}\n")).collect(), sorter.late_count())
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
        let refused = sorter.add_bytes(b"{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n");
        assert!(refused.is_err_and(|why| why.starts_with("line 1 has no time")));
        let mut sorter = LateSorter::new(i64::MAX, 1 << 10);
        let refused =
            (0..20).map(|at| sorter.add_bytes(event(at, 0, "invoke", 1).as_bytes())).find(Result::is_err);
        assert!(refused.is_some_and(|why| why.is_err_and(|why| why.contains("do not fit"))));
    }
}
