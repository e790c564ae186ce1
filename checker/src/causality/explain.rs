//! A refutation in words: what a session had seen, and what it then read.

use claims::{CausalLink, CausalRefutation, Contradiction, InferenceRule, InferredOrder, LinkReason};
use histories::{Argument, Function, History, OpId, Operation, Outcome};

/// How many inferences are listed one by one.
const TOLD_MAX: usize = 6;
const INITIAL: &str = "the initial value";

/// One anomaly as a sentence or two, without a full stop at the end. Operations are named by [`History::operation_index`].
///
/// ```
/// # use checker::{causality::explain, Evidence, Level, Limits, Model, Property, Question, Verdict};
/// # let history = histories::notation::parse("a: [w1] [w2]\nb:           [r2] [r1]").unwrap();
/// let asked = Some(vec![Property::Level(Level::Causal)]);
/// let question = Question { asked, ..Question::about(Model::Register) };
/// let report = checker::check(&history, &question, &Limits::unbounded()).unwrap();
/// let Verdict::Violated(anomalies) = &report.answers[0].verdict else { panic!() };
/// let Evidence::Causal(found) = &anomalies[0].evidence else { panic!() };
/// assert_eq!(
///     explain::describe_causal_refutation(&history, found),
///     "read 1 (operation 6) returned what write 1 (operation 0) wrote, and write 2 (operation 2) comes before that read: \
///      read 2 (operation 4) saw write 2 (operation 2), and session b did read 2 (operation 4) before read 1 (operation 6); \
///      so write 2 (operation 2) comes before write 1 (operation 0); but session a did write 1 (operation 0) before write 2 \
///      (operation 2)"
/// );
/// ```
pub fn describe_causal_refutation(history: &History, found: &CausalRefutation) -> String {
    let teller = CausalExplainer { history };
    let Some(first) = found.contradictions().next() else {
        return "no execution explains what was read".to_owned();
    };
    let mut told = teller.describe_contradiction(first);
    let cases = found.contradictions().count();
    if cases > 1 {
        told += &format!(
            ". That is one case of {cases}; which write was read, or which of two writes came first, is open, and each case \
             ends in a contradiction like this one"
        );
    }
    told
}

/// Why one operation comes before the next, in the same style.
pub fn describe_causal_link(history: &History, found: &Contradiction, link: &CausalLink) -> String {
    let teller = CausalExplainer { history };
    match link.why {
        LinkReason::Inferred(number) => teller.describe_inference(&found.inferred[number]),
        _ => teller.describe_known_link(link),
    }
}

struct CausalExplainer<'a> {
    history: &'a History,
}

impl CausalExplainer<'_> {
    fn describe_contradiction(&self, found: &Contradiction) -> String {
        let known = |link: &&CausalLink| !matches!(link.why, LinkReason::Inferred(_));
        let known: Vec<String> =
            found.cycle.iter().filter(known).map(|link| self.describe_known_link(link)).collect();
        let Some(more) = found.inferred.len().checked_sub(TOLD_MAX) else {
            let inferred: Vec<String> =
                found.inferred.iter().map(|inferred| self.describe_inference(inferred)).collect();
            return self.join_parts(found, inferred, &known);
        };
        // The last inferences are the ones on the cycle itself.
        let mut inferred = match more {
            0 => Vec::new(),
            more => vec![format!("from the reads follow {more} more steps, and from those")],
        };
        inferred.extend(found.inferred[more..].iter().map(|inferred| self.describe_inference(inferred)));
        self.join_parts(found, inferred, &known)
    }

    fn join_parts(&self, found: &Contradiction, inferred: Vec<String>, known: &[String]) -> String {
        let whose = match found.session {
            Some(session) => {
                format!("no order of the writes explains what {} read: ", self.session_name(session))
            }
            None => String::new(),
        };
        let known = known.join(", and ");
        match (inferred.as_slice(), known.as_str()) {
            ([], known) => format!("{whose}{known}: each would have to come before the next, in a cycle"),
            (inferred, "") => format!("{whose}{}, in a cycle", inferred.join("; and ")),
            (inferred, known) => format!("{whose}{}; but {known}", inferred.join("; and ")),
        }
    }

    fn describe_inference(&self, inferred: &InferredOrder) -> String {
        let InferredOrder { read, source, other, rule, path } = inferred;
        let other = self.name_operation(*other);
        let returned = source
            .map_or_else(|| INITIAL.to_owned(), |write| format!("what {} wrote", self.name_operation(write)));
        let returned = self.describe_return(*read, &returned);
        let source = self.name_version(*source);
        let path: Vec<String> = path.iter().map(|link| self.describe_known_link(link)).collect();
        let path = path.join(", and ");
        match rule {
            InferenceRule::NotBetween => format!(
                "{returned}, and {other} comes before that read: {path}; so {other} comes before {source}"
            ),
            InferenceRule::NotYet => format!(
                "{returned}, and {other} comes after {source}: {path}; so that read comes before {other}"
            ),
        }
    }

    /// What a read returned. A compare-and-set returns nothing, but it found what it replaced. If it is indeterminate, a read of its new
    /// value shows that it took effect, unless another operation wrote that value too.
    fn describe_return(&self, read: OpId, returned: &str) -> String {
        let (name, op) = (self.name_operation(read), self.history.operation(read));
        let Argument::Pair(_, new) = op.argument else { return format!("{name} returned {returned}") };
        let shows = |reader: &Operation| {
            reader.key == op.key
                && reader.outcome == Outcome::Ok
                && reader.id != read
                && reader.effect().is_some_and(|effect| effect.reads == Some(new))
        };
        let also_writes = |other: &Operation| {
            other.key == op.key
                && other.id != read
                && other.outcome != Outcome::Fail
                && other.effect().is_some_and(|effect| effect.writes == Some(new))
        };
        let is_shown = op.outcome == Outcome::Info && !self.history.operations().any(|op| also_writes(&op));
        let reader = is_shown.then(|| self.history.operations().find(shows)).flatten();
        match reader {
            Some(reader) => format!(
                "{name} took effect, because {} saw its value; it replaced {returned}",
                self.name_operation(reader.id)
            ),
            None => format!("{name} replaced {returned}"),
        }
    }

    fn name_version(&self, op: Option<OpId>) -> String {
        op.map_or_else(|| INITIAL.to_owned(), |op| self.name_operation(op))
    }

    fn describe_known_link(&self, link: &CausalLink) -> String {
        let (from, to) = (self.name_version(link.from), self.name_version(link.to));
        match link.why {
            LinkReason::SessionOrder => match link.to {
                Some(op) => {
                    format!("{} did {from} before {to}", self.session_name(self.history.session(op)))
                }
                None => unreachable!("nobody did the initial value"),
            },
            LinkReason::RealTime => format!("{from} was complete before {to} began"),
            LinkReason::ReadsFrom => format!("{to} saw {from}"),
            LinkReason::Initial => format!("the initial value was there before {to}"),
            LinkReason::Assumed => format!("{from} is taken to come before {to}"),
            LinkReason::Inferred(_) => format!("{from} comes before {to}, as was shown"),
        }
    }

    fn session_name(&self, session: histories::SessionId) -> String {
        let text = self.history.session_text(session);
        if text.starts_with("process ") { text.to_owned() } else { format!("session {text}") }
    }

    /// `write 1 of x (operation 4)`.
    fn name_operation(&self, op: OpId) -> String {
        let operation = self.history.operation(op);
        let value = |value| crate::sessions::explain::shorten_value(self.history.value_text(value));
        let what = match (&operation.argument, operation.function) {
            (Argument::Pair(old, new), _) => format!("compare-and-set {} to {}", value(*old), value(*new)),
            (_, Function::READ | Function::GET) => format!("read {}", value(operation.result)),
            (Argument::Value(written), _) => format!("write {}", value(*written)),
            (Argument::Micros(_), _) => "transaction".to_owned(),
        };
        let key = match self.history.key_text(operation.key) {
            "" => String::new(),
            key => format!(" of {key}"),
        };
        format!("{what}{key} (operation {})", self.history.operation_index(op))
    }
}
