//! The monitor of transactions beside the check of each prefix.

use crate::{draw_history, isolation_properties, test_limits};
use checker::{Monitor, MonitorLimits, MonitorVerdict, StreamEvent};
use claims::{IsolationLevel, Model, Question};
use histories::History;
use histories::format::{Format, from_text, write_native};

/// The steps of one search.
pub const STEPS: u64 = 1_000_000;

/// The levels that are judged online.
pub const ONLINE_LEVELS: [IsolationLevel; 6] = [
    IsolationLevel::StrictSerializable,
    IsolationLevel::Serializable,
    IsolationLevel::ReadCommitted,
    IsolationLevel::MonotonicAtomicView,
    IsolationLevel::ReadAtomic,
    IsolationLevel::Causal,
];

/// Limits with which a monitor keeps everything.
pub fn keeps_all() -> MonitorLimits {
    MonitorLimits {
        bytes: 1 << 30,
        steps: STEPS,
        judge_after: u64::MAX,
        horizon: 1 << 40,
        staleness_bound_ns: None,
        session_idle_ns: None,
    }
}

/// Limits with which a monitor forgets whatever it may after each event.
pub fn forgets_at_once() -> MonitorLimits {
    MonitorLimits { horizon: 0, ..keeps_all() }
}

/// The prefixes of a history, by the number of their events.
pub struct Prefixes {
    header: usize,
    lines: Vec<String>,
}

impl Prefixes {
    /// The prefixes of a history.
    pub fn new(history: &History) -> Self {
        let mut text = Vec::new();
        write_native(history, &mut text).expect("memory");
        let text = String::from_utf8(text).expect("text");
        let lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
        let header = lines.len() - history.event_count() as usize;
        Self { header, lines }
    }

    /// The first events, as a history.
    pub fn prefix(&self, events: usize) -> History {
        let text: String = self.lines[..self.header + events].concat();
        // A prefix of a recording has open operations, which is all that the promise of no gaps is about.
        from_text(Format::Native, &text.replace("\"gapless\":true", "\"gapless\":false")).expect("a prefix")
    }

    /// The verdict of each level on a prefix.
    pub fn verdicts(&self, events: usize, question: &Question) -> Vec<&'static str> {
        let report = checker::check(&self.prefix(events), question, &test_limits(STEPS, 1 << 30));
        report.expect("a question that fits").answers.iter().map(|answer| answer.verdict.name()).collect()
    }
}

/// The question whether levels hold.
pub fn ask_online(model: Model, levels: &[IsolationLevel]) -> Question {
    Question { asked: Some(isolation_properties(levels)), ..Question::about(model) }
}

/// The verdicts of a monitor with the reasons of those that are unknown.
pub fn answers(monitor: &Monitor) -> Vec<(&'static str, String)> {
    let reason = |verdict: MonitorVerdict<'_>| match verdict {
        MonitorVerdict::Unknown(unknown) => unknown.reason.clone(),
        _ => String::new(),
    };
    monitor.answers().map(|answer| (answer.verdict.name(), reason(answer.verdict))).collect()
}

/// Every violation that the monitor reports is one of its own small history, as the check of that says.
fn assert_evidence(monitor: &mut Monitor) -> usize {
    let violations = monitor.take_violations();
    for violation in &violations {
        let question = Question { accept_untested: true, ..violation.question.clone() };
        let again = checker::check(&violation.history, &question, &test_limits(STEPS, 1 << 30));
        let again = again.expect("it was checked before");
        assert_eq!(again.answers, violation.report.answers);
        assert_eq!(violation.report.verdict(), "violated");
    }
    violations.len()
}

/// Feeds a history, judges at these numbers of events, and compares with the check of the prefix. A level that was once
/// violated stays violated.
pub fn assert_online_is_offline(history: &History, model: Model, cuts: &[usize], what: &str) {
    let question = ask_online(model, &ONLINE_LEVELS);
    let prefixes = Prefixes::new(history);
    let mut monitor = Monitor::new(question.clone(), keeps_all()).expect("a question about transactions");
    let mut ever_violated = [false; ONLINE_LEVELS.len()];
    for (event, number) in StreamEvent::all(history).zip(1..) {
        monitor.push(event).expect("a history");
        if !cuts.contains(&number) {
            continue;
        }
        monitor.judge().expect("no internal error");
        assert_evidence(&mut monitor);
        let offline = prefixes.verdicts(number, &question);
        for (at, (online, why)) in answers(&monitor).into_iter().enumerate() {
            ever_violated[at] |= offline[at] == "violated";
            let expected = if ever_violated[at] { "violated" } else { offline[at] };
            let level = ONLINE_LEVELS[at].name();
            let drawn = || draw_history(&prefixes.prefix(number));
            assert_eq!(online, expected, "{what}, {number} events, {level} ({why}):\n{}", drawn());
        }
    }
}

/// What a monitor said in the end, and how much it had forgotten.
#[derive(Default, Debug)]
pub struct FollowTally {
    /// Levels that were violated.
    pub violated: usize,
    /// Levels that held, or were untested.
    pub holds: usize,
    /// Levels that were unknown.
    pub unknown: usize,
    /// Transactions that were forgotten.
    pub forgotten: usize,
}

/// A monitor that forgets: it never says *violated* or *holds* where the check of the prefix does not.
pub fn compare_while_forgetting(
    history: &History,
    model: Model,
    levels: &[IsolationLevel],
    limits: MonitorLimits,
    what: &str,
    tally: &mut FollowTally,
) {
    let question = ask_online(model, levels);
    let prefixes = Prefixes::new(history);
    let mut monitor = Monitor::new(question.clone(), limits).expect("a question about transactions");
    let mut ever_violated = vec![false; levels.len()];
    let last = history.event_count() as usize;
    let mut before = vec![String::new(); levels.len()];
    for (event, number) in StreamEvent::all(history).zip(1..) {
        monitor.push(event).expect("a history");
        monitor.judge().expect("no internal error");
        let news = assert_evidence(&mut monitor);
        let now = answers(&monitor);
        // Verdicts that did not change are compared at every seventh event.
        let changed = now.iter().zip(&before).any(|(now, before)| now.0 != before);
        before = now.iter().map(|now| now.0.to_owned()).collect();
        if news == 0 && !changed && number % 7 != 0 && number != last {
            continue;
        }
        let offline = prefixes.verdicts(number, &question);
        for (at, (online, why)) in now.into_iter().enumerate() {
            ever_violated[at] |= offline[at] == "violated";
            let told = || {
                let drawn = draw_history(&prefixes.prefix(number));
                format!("{what}, {number} events, {}: {online} ({why})\n{drawn}", levels[at].name())
            };
            match online {
                "violated" => assert!(ever_violated[at], "{}", told()),
                "unknown" => {}
                _ if offline[at] == "unknown" => {}
                _ => assert_eq!((online, ever_violated[at]), (offline[at], false), "{}", told()),
            }
        }
    }
    tally.forgotten += history.len().saturating_sub(monitor.kept_operations());
    for (online, _) in answers(&monitor) {
        match online {
            "violated" => tally.violated += 1,
            "unknown" => tally.unknown += 1,
            _ => tally.holds += 1,
        }
    }
}
