//! The history as it is written: one true order, nothing lost in silence, readable after any crash.
//!
//! **Order.** An invocation is in the file before its request leaves, a completion after its answer arrived.
//! Then "a completed before b was invoked" in the file implies that it was so in the world, which is all that
//! a checker relies on. One lock around (number the event, read the clock, write the line) makes file order,
//! index and time agree.
//!
//! **Crash.** Each line goes to the kernel in one `write` before the client goes on: what was written survives
//! a SIGKILL of this process (not a crash of the machine: nothing is synced). Buffering would be faster and
//! would lose, at a crash, invocations whose requests were executed: values that nobody seems to have written.
//! Any prefix of the file is a valid history, in which what is open is indeterminate.
//!
//! **No torn lines.** A `write` that is interrupted by SIGKILL can end early, but only between pages of the
//! page cache. So a line never crosses a page boundary: when less than [`ROOM`] bytes would remain in the page
//! after a line, the line is filled up with spaces before its newline. Lines longer than that can be torn by a
//! kill at the wrong nanosecond; a reader sees a truncated last line and says so.
//!
//! **Failure.** When a write fails (the disk is full), what came of the line is cut off again and the journal
//! is *lost*: it refuses everything from then on, so that no request leaves whose invocation is not in the
//! file. What is on disk is a shorter history, not a wrong one, and the run ends with the reason.
//!
//! **Cost.** About a microsecond an event, most of it the system call; see `examples/journal_speed.rs`.

mod line;
mod sink;

use crate::Clock;
use histories::Outcome;
pub use line::{Completed, Invoked};
pub use sink::{FileSink, MemorySink, Sink};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;
use workloads::Value;

/// The size of the pages in which the kernel takes a write.
const PAGE: u64 = 4096;

/// A line up to this long is never torn. Longer ones are rare: long lists, long error messages.
pub const ROOM: usize = 512;

/// The longest error message that is kept, in characters.
const ERROR_CHARS: usize = 200;

/// Writes events in the order in which they are given to it.
pub struct Journal {
    clock: Clock,
    inner: Mutex<JournalState>,
}

struct JournalState {
    sink: Box<dyn Sink>,
    line: String,
    /// Bytes that the sink has taken.
    length: u64,
    events: u64,
    lost: Option<JournalLost>,
}

/// The journal could not be written on; the history ends before this event.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the recording ends after {events} events because the journal could not be written: {reason}")]
pub struct JournalLost {
    /// How many events are in it.
    pub events: u64,
    /// What the system said.
    pub reason: String,
}

impl Journal {
    /// A journal that begins with a header: a JSON object whose first field is `"steadfast":1`. Two fields are
    /// added: that no event is missing (`gapless`), which readers hold against the indexes, and, where time is real,
    /// when its zero was, in ns since 1970 (`began_unix_ns`).
    pub fn new(sink: impl Sink, clock: Clock, header: &str) -> Result<Self, JournalLost> {
        let inner = JournalState {
            sink: Box::new(sink),
            line: String::with_capacity(1024),
            length: 0,
            events: 0,
            lost: None,
        };
        let journal = Self { clock, inner: Mutex::new(inner) };
        {
            let mut inner = journal.lock_state();
            let began = unix_ns_at_zero(&journal.clock);
            let began = began.map_or(String::new(), |began| format!(",\"began_unix_ns\":{began}"));
            let open = header.strip_suffix('}').expect("a header is a JSON object");
            inner.line.push_str(&format!("{open},\"gapless\":true{began}}}"));
            inner.write_line()?;
        }
        Ok(journal)
    }

    /// An `invoke` event. Returns its time; only then may the request leave.
    pub fn record_invocation(&self, event: &Invoked<'_>) -> Result<u64, JournalLost> {
        self.append_event(|line, index, time_ns| event.write_json(index, time_ns, line))
    }

    /// An `ok`, `fail` or `info` event. Returns its time.
    pub fn record_completion(&self, event: &Completed<'_>) -> Result<u64, JournalLost> {
        self.append_event(|line, index, time_ns| event.write_json(index, time_ns, line))
    }

    /// An event of an actor that is no client.
    pub fn record_actor_event(
        &self,
        actor: &str,
        function: &str,
        value: &Value,
        error: Option<&str>,
    ) -> Result<u64, JournalLost> {
        self.record_actor_event_with(actor, function, value, error, "")
    }

    /// The same with further fields: text that follows a JSON object's last one, each with a comma before it.
    pub(crate) fn record_actor_event_with(
        &self,
        actor: &str,
        function: &str,
        value: &Value,
        error: Option<&str>,
        more: &str,
    ) -> Result<u64, JournalLost> {
        self.append_event(|line, index, time_ns| {
            line::write_actor(index, time_ns, actor, function, value, error, more, line)
        })
    }

    /// How many events are in it.
    pub fn event_count(&self) -> u64 {
        self.lock_state().events
    }

    /// Why nothing more is written, if that is so.
    pub fn lost_reason(&self) -> Option<JournalLost> {
        self.lock_state().lost.clone()
    }

    fn append_event(&self, write: impl FnOnce(&mut String, u64, u64)) -> Result<u64, JournalLost> {
        let mut inner = self.lock_state();
        if let Some(lost) = &inner.lost {
            return Err(lost.clone());
        }
        let time_ns = self.clock.now_ns();
        let index = inner.events;
        write(&mut inner.line, index, time_ns);
        inner.write_line()?;
        inner.events += 1;
        Ok(time_ns)
    }

    fn lock_state(&self) -> MutexGuard<'_, JournalState> {
        self.inner.lock().expect("writing a line does not panic")
    }
}

impl JournalState {
    fn write_line(&mut self) -> Result<(), JournalLost> {
        self.pad_to_page();
        self.line.push('\n');
        let written = self.sink.append(self.line.as_bytes());
        let taken = self.line.len() as u64;
        self.line.clear();
        let Err(error) = written else {
            self.length += taken;
            return Ok(());
        };
        let mut reason = error.to_string();
        if let Err(error) = self.sink.truncate_to(self.length) {
            reason = format!("{reason}; and its last line may be torn: {error}");
        }
        let lost = JournalLost { events: self.events, reason };
        self.lost = Some(lost.clone());
        Err(lost)
    }

    /// Spaces up to the end of the page, if the next line might not fit into what remains of it.
    fn pad_to_page(&mut self) {
        let end = self.length + self.line.len() as u64 + 1;
        let remains = (PAGE - end % PAGE) % PAGE;
        if remains < ROOM as u64 {
            self.line.extend(std::iter::repeat_n(' ', remains as usize));
        }
    }
}

/// When a real clock was at zero, by the machine's wall clock now.
fn unix_ns_at_zero(clock: &Clock) -> Option<u64> {
    let Clock::Real { zero } = clock else { return None };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    now.checked_sub(zero.elapsed()).map(|zero| zero.as_nanos() as u64)
}

/// How an outcome is written.
fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use workloads::ClientOperation;

    /// A disk with room for so many bytes.
    struct SmallDisk(MemorySink, usize);

    impl Sink for SmallDisk {
        fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
            let room = self.1.saturating_sub(self.0.bytes().len());
            self.0.append(&bytes[..bytes.len().min(room)])?;
            if bytes.len() > room { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn truncate_to(&mut self, length: u64) -> std::io::Result<()> {
            self.0.truncate_to(length)
        }
    }

    fn operation() -> ClientOperation {
        ClientOperation::on_key(&"k1".into(), histories::Function::WRITE, Value::Int(5))
    }

    fn invoke(journal: &Journal, process: u64) -> Result<u64, JournalLost> {
        let operation = operation();
        journal.record_invocation(&Invoked {
            process,
            session: "s-1",
            operation: &operation,
            intended_ns: None,
            trace: None,
        })
    }

    #[test]
    fn lines_are_those_of_the_contract() {
        let sink = MemorySink::default();
        let journal = Journal::new(sink.clone(), Clock::start_real(), "{\"steadfast\":1}").unwrap();
        invoke(&journal, 3).unwrap();
        let operation = operation();
        let completed = Completed {
            process: 3,
            session: "s-1",
            operation: &operation,
            outcome: Outcome::Info,
            value: None,
            node: Some("n1"),
            version: None,
            clock_ns: Some(-7),
            error: Some("timeout"),
            notes: &[("status", Value::Int(504))],
        };
        journal.record_completion(&completed).unwrap();
        journal.record_actor_event("nemesis", "kill", &Value::from("n1"), None).unwrap();
        let text = String::from_utf8(sink.bytes()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["steadfast"], &lines[0]["gapless"]), (&1.into(), &true.into()));
        // Written within the last minute: time zero is now.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let began = lines[0]["began_unix_ns"].as_u64().unwrap();
        assert!(began <= now && now - began < 60_000_000_000);
        let mut expected = serde_json::json!({"index": 0, "time": lines[1]["time"], "process": 3,
            "session": "s-1", "type": "invoke", "f": "write", "key": "k1", "value": 5});
        assert_eq!(lines[1], expected);
        expected["index"] = 1.into();
        expected["time"] = lines[2]["time"].clone();
        expected["type"] = "info".into();
        expected["node"] = "n1".into();
        expected["error"] = "timeout".into();
        expected["clock"] = (-7).into();
        expected["status"] = 504.into();
        assert_eq!(lines[2], expected);
        assert_eq!(lines[3]["process"], "nemesis");
        assert!(lines[1]["time"].as_u64() <= lines[2]["time"].as_u64());
    }

    #[test]
    fn no_line_crosses_a_page() {
        let sink = MemorySink::default();
        let journal = Journal::new(sink.clone(), Clock::start_real(), "{\"steadfast\":1}").unwrap();
        for process in 0..5000 {
            invoke(&journal, process * process * process).unwrap();
        }
        let bytes = sink.bytes();
        let mut start = 0;
        for end in (0..bytes.len()).filter(|&at| bytes[at] == b'\n') {
            assert_eq!(start / 4096, end / 4096, "a line from {start} to {end}");
            start = end + 1;
        }
        assert!(bytes.len() > 300_000);
    }

    #[test]
    fn a_full_disk_ends_the_history_with_a_whole_line() {
        let sink = MemorySink::default();
        let journal =
            Journal::new(SmallDisk(sink.clone(), 1000), Clock::start_real(), "{\"steadfast\":1}").unwrap();
        let first_lost = (0..100).map(|process| invoke(&journal, process)).find_map(Result::err).unwrap();
        let text = String::from_utf8(sink.bytes()).unwrap();
        assert!(text.ends_with("}\n") && text.len() > 800);
        assert_eq!(text.lines().count() as u64, first_lost.events + 1);
        assert_eq!(invoke(&journal, 1), Err(first_lost.clone()));
        assert_eq!(journal.lost_reason(), Some(first_lost));
        assert_eq!(sink.bytes().len(), text.len());
    }
}
