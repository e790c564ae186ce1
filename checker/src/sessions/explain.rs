//! A cycle in words: what a session did, which operations show it, and what it should have seen.
//!
//! The [`VersionRefutation`] has the data; this module renders it for people. If any constraint of a cycle belongs to
//! a guarantee, the first one does, and becomes the headline. The other constraints explain why the session cannot
//! have seen a newer version.

use claims::{ConstraintReason, Level, VersionConstraint, VersionProofStep, VersionRefutation};
use histories::{Argument, Function, History, OpId};
use std::borrow::Cow;

/// One anomaly as a sentence or two, without a capital and without a full stop at the end.
///
/// Operations are named by [`History::operation_index`]. O(length of the cycle) look-ups.
///
/// ```
/// # use checker::{sessions::explain, Evidence, Level, Limits, Model, Property, Question, Verdict};
/// # let history = histories::notation::parse("alice: [w1] [r_]").unwrap();
/// let asked = Some(vec![Property::Level(Level::ReadYourWrites)]);
/// let question = Question { asked, ..Question::about(Model::Register) };
/// let report = checker::check(&history, &question, &Limits::unbounded()).unwrap();
/// let Verdict::Violated(anomalies) = &report.answers[0].verdict else { panic!() };
/// let Evidence::Cycle(cycle) = &anomalies[0].evidence else { panic!() };
/// assert_eq!(
///     explain::describe_version_refutation(&history, cycle),
///     "session alice wrote 1 (operation 0) and then read null (operation 2): it should have seen 1 or something \
///      newer; but the initial value comes before 1 (operation 0)"
/// );
/// ```
pub fn describe_version_refutation(history: &History, cycle: &VersionRefutation) -> String {
    let teller = SessionExplainer { history };
    let object = match history.key_text(cycle.key) {
        "" => String::new(),
        key => format!("{key}: "),
    };
    let constraints = cycle.cycles().next().unwrap_or_default();
    let mut told = match constraints {
        [] => "no order of the versions exists".to_owned(),
        [only] if only.from == only.to => teller.describe_self_conflict(only),
        [first, others @ ..] => {
            let others: Vec<String> =
                others.iter().map(|constraint| teller.describe_premise(constraint)).collect();
            format!("{}; but {}", teller.describe_headline(first), others.join(", and "))
        }
    };
    if let Some(VersionProofStep::Split { read, .. }) = cycle.proof.first() {
        let index = history.operation_index(*read);
        let cases = cycle.cycles().count();
        told += &format!(
            ". That is if operation {index} read what {} wrote; its value was written more than once, and each of \
             the {cases} ways to explain what was read ends in a contradiction like this one",
            teller.name_assumed_writer(cycle.proof.first())
        );
    }
    object + &told
}

/// Why one version of a cycle comes before the next, in the same style.
pub fn describe_constraint(history: &History, constraint: &VersionConstraint) -> String {
    let teller = SessionExplainer { history };
    if constraint.from == constraint.to {
        teller.describe_self_conflict(constraint)
    } else {
        teller.describe_premise(constraint)
    }
}

/// How many characters of a value a sentence shows.
const VALUE_CHARS_MAX: usize = 60;

/// Leaves out the middle of a long value.
pub(crate) fn shorten_value(text: &str) -> Cow<'_, str> {
    let count = text.chars().count();
    if count <= VALUE_CHARS_MAX {
        return Cow::Borrowed(text);
    }
    let half = VALUE_CHARS_MAX / 2 - 1;
    let start: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(count - half).collect();
    Cow::Owned(format!("{start}..{end}"))
}

struct SessionExplainer<'a> {
    history: &'a History,
}

impl SessionExplainer<'_> {
    fn name_operation(&self, op: OpId) -> String {
        format!("operation {}", self.history.operation_index(op))
    }

    fn name_session(&self, op: OpId) -> String {
        let text = self.history.session_text(self.history.session(op));
        if text.starts_with("process ") { text.to_owned() } else { format!("session {text}") }
    }

    fn written_text(&self, op: OpId) -> Cow<'_, str> {
        shorten_value(self.history.value_text(match self.history.argument(op) {
            Argument::Pair(_, new) => new,
            Argument::Value(value) => value,
            Argument::Micros(_) => return Cow::Borrowed("a transaction"),
        }))
    }

    fn read_text(&self, op: OpId) -> Cow<'_, str> {
        shorten_value(self.history.value_text(match self.history.argument(op) {
            Argument::Pair(old, _) => old,
            _ => self.history.operation(op).result,
        }))
    }

    /// What an operation did as a reader. A compare-and-set reads the value that it expects.
    fn describe_read(&self, op: OpId) -> String {
        let verb = if self.history.function(op) == Function::CAS { "found" } else { "read" };
        format!("{verb} {} ({})", self.read_text(op), self.name_operation(op))
    }

    fn describe_write(&self, op: OpId) -> String {
        format!("wrote {} ({})", self.written_text(op), self.name_operation(op))
    }

    /// A version, named by its value and its write.
    fn name_version(&self, write: Option<OpId>) -> String {
        match write {
            None => "the initial value".to_owned(),
            Some(op) => format!("{} ({})", self.written_text(op), self.name_operation(op)),
        }
    }

    fn name_value(&self, write: Option<OpId>) -> String {
        write.map_or_else(|| "the initial value".to_owned(), |op| self.written_text(op).into_owned())
    }

    /// The operation that wrote what the first case of a split assumes.
    fn name_assumed_writer(&self, split: Option<&VersionProofStep>) -> String {
        match split {
            Some(VersionProofStep::Split { writes, .. }) if writes[0].is_none() => "nobody".to_owned(),
            Some(VersionProofStep::Split { writes, .. }) => {
                self.name_operation(writes[0].expect("not the initial value"))
            }
            _ => "somebody".to_owned(),
        }
    }

    /// What happened, and what should have happened.
    fn describe_headline(&self, constraint: &VersionConstraint) -> String {
        let ConstraintReason::SessionOrder { guarantee, a, b } = constraint.reason else {
            return self.describe_premise(constraint);
        };
        let (session, older) = (self.name_session(a), self.name_value(constraint.from));
        let what = self.describe_pair(guarantee, a, b);
        match guarantee {
            Level::ReadYourWrites | Level::MonotonicReads => {
                format!("{session} {what}: it should have seen {older} or something newer")
            }
            _ => format!("{session} {what}: {older} should come first"),
        }
    }

    fn describe_pair(&self, guarantee: Level, a: OpId, b: OpId) -> String {
        let (first, second) = match guarantee {
            Level::ReadYourWrites => (self.describe_write(a), self.describe_read(b)),
            Level::MonotonicReads => (self.describe_read(a), self.describe_read(b)),
            Level::MonotonicWrites => (self.describe_write(a), self.describe_write(b)),
            _ => (self.describe_read(a), self.describe_write(b)),
        };
        format!("{first} and then {second}")
    }

    /// A constraint that makes the headline impossible.
    fn describe_premise(&self, constraint: &VersionConstraint) -> String {
        let (older, newer) = (self.name_version(constraint.from), self.name_version(constraint.to));
        match constraint.reason {
            ConstraintReason::SessionOrder { guarantee, a, b } => {
                let not_after =
                    if constraint.is_strict(self.history) { "is older than" } else { "is not newer than" };
                let (what, session) = (self.describe_pair(guarantee, a, b), self.name_session(a));
                format!("{session} {what}, so {older} {not_after} {newer}")
            }
            ConstraintReason::CompareAndSet { op } => {
                format!(
                    "{} replaced {} by {}",
                    self.name_operation(op),
                    self.read_text(op),
                    self.written_text(op)
                )
            }
            ConstraintReason::Token { a, b } => format!(
                "the store numbered {older} as version {} ({}) and {newer} as version {} ({})",
                self.token_of(a),
                self.name_operation(a),
                self.token_of(b),
                self.name_operation(b)
            ),
            ConstraintReason::Initial => format!("the initial value comes before {newer}"),
            ConstraintReason::SessionWrites { a, b } => format!(
                "{} {} and then {}, and the writes of a session are assumed to keep their order",
                self.name_session(a),
                self.describe_write(a),
                self.describe_write(b)
            ),
            ConstraintReason::RealTimeWrites { a, b } => format!(
                "{} completed before {} began, and writes are assumed to keep real-time order",
                self.name_version(Some(a)),
                self.name_version(Some(b))
            ),
        }
    }

    fn token_of(&self, op: OpId) -> i64 {
        self.history.version(op).unwrap_or_default()
    }

    /// Describes a version that would have to be older than itself.
    fn describe_self_conflict(&self, constraint: &VersionConstraint) -> String {
        match constraint.reason {
            ConstraintReason::SessionOrder { a, b, .. } => {
                format!(
                    "{} {} before it {}",
                    self.name_session(a),
                    self.describe_read(a),
                    self.describe_write(b)
                )
            }
            ConstraintReason::Token { a, b } => format!(
                "the store numbered one version, {}, both {} ({}) and {} ({})",
                self.name_version(constraint.from),
                self.token_of(a),
                self.name_operation(a),
                self.token_of(b),
                self.name_operation(b)
            ),
            _ => self.describe_premise(constraint),
        }
    }
}
