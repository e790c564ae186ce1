//! A contradiction in words: what was read, and what that makes impossible.
//!
//! The data is in the [`Contradiction`]; this is one rendering of it, for people.

use super::{Contradiction, Inferred, Link, Why};
use histories::{Argument, Function, History, OpId};

/// Links that are told of one contradiction; the evidence has them all.
const LINKS_MAX: usize = 12;

/// One anomaly as a sentence or two, without a capital and without a full stop at the end.
///
/// ```
/// # use checker::{causality::{self, explain}, check::*, Level, Limits, Verdict};
/// # let history = histories::notation::parse("alice: [w1] [w2]\nbob: [r2] [r1]").unwrap();
/// # let question = Question { model: Model::Register, initial: histories::ValueId::NULL,
/// #     failed_cas: FailedCas::SaysNothing, assume: Assume::default() };
/// # let stop = std::sync::atomic::AtomicBool::new(false);
/// # let limits = Limits { steps: 1_000, bytes: 1 << 20, stop: &stop };
/// let (_, verdict) = causality::check(&history, Level::Causal, &question, &limits);
/// let Verdict::Violated(anomalies) = verdict else { panic!() };
/// let Evidence::Causality(found) = &anomalies[0].evidence else { panic!() };
/// assert_eq!(
///     explain::sentence(&history, found),
///     "session bob read 1 (operation 5), which had been overwritten by 2 (operation 4) in what it had seen: session \
///      alice wrote 1 (operation 0) and then wrote 2 (operation 4), and session bob read 2 (operation 1), which session \
///      alice wrote (operation 4), and session bob read 2 (operation 1) and then read 1 (operation 5)"
/// );
/// ```
pub fn sentence(history: &History, found: &Contradiction) -> String {
    let teller = Teller { history, found };
    let Some(last) = found.links.last() else { return "nothing contradicts".to_owned() };
    if !found.is_circle() {
        let (write, read) = (found.links[0].from, last.to);
        return format!(
            "{} {}, although {} comes before that: {}",
            teller.session(read),
            teller.did_read(read),
            teller.version(write),
            teller.links(&found.links)
        );
    }
    match (found.inferred.as_slice(), found.session) {
        ([], _) => format!(
            "each of these comes before the next, and the last before the first: {}",
            teller.links(&found.links)
        ),
        ([only], None) => {
            let causal: Vec<Link> =
                found.links.iter().copied().filter(|link| !matches!(link.why, Why::Inferred(_))).collect();
            format!(
                "{} {}, which had been overwritten by {} in what it had seen: {}, and {}",
                teller.session(only.read),
                teller.did_read(only.read),
                teller.version(only.earlier),
                teller.links(&causal),
                teller.links(&only.path)
            )
        }
        (_, None) => {
            format!("there is no one order of the writes: {}", teller.links(&found.links))
        }
        (_, Some(session)) => format!(
            "no order of the writes explains what session {} read: {}",
            history.session_text(session),
            teller.links(&found.links)
        ),
    }
}

/// Why one operation comes before another, in the same manner.
pub fn reason(history: &History, found: &Contradiction, link: &Link) -> String {
    Teller { history, found }.link(link)
}

struct Teller<'a> {
    history: &'a History,
    found: &'a Contradiction,
}

impl Teller<'_> {
    fn operation(&self, op: OpId) -> String {
        format!("operation {}", self.history.index(op))
    }

    fn session(&self, op: OpId) -> String {
        let text = self.history.session_text(self.history.session(op));
        if text.starts_with("process ") { text.to_owned() } else { format!("session {text}") }
    }

    /// The object of an operation, where objects have names.
    fn object(&self, op: OpId) -> String {
        match self.history.key_text(self.history.key(op)) {
            "" => String::new(),
            key => format!(" to {key}"),
        }
    }

    fn written(&self, op: OpId) -> &str {
        self.history.value_text(match self.history.argument(op) {
            Argument::Pair(_, new) => new,
            Argument::Value(value) => value,
            Argument::Micros(_) => return "a transaction",
        })
    }

    fn did_read(&self, op: OpId) -> String {
        let (verb, value) = match self.history.argument(op) {
            Argument::Pair(old, _) => ("found", old),
            _ => ("read", self.history.operation(op).result),
        };
        let of = self.object(op).replacen(" to ", " of ", 1);
        format!("{verb} {}{of} ({})", self.history.value_text(value), self.operation(op))
    }

    fn did(&self, op: OpId) -> String {
        match self.history.function(op) {
            Function::READ | Function::GET => self.did_read(op),
            _ => format!("wrote {}{} ({})", self.written(op), self.object(op), self.operation(op)),
        }
    }

    fn version(&self, op: OpId) -> String {
        format!("{}{} ({})", self.written(op), self.object(op), self.operation(op))
    }

    fn links(&self, links: &[Link]) -> String {
        let mut told: Vec<String> = links.iter().take(LINKS_MAX).map(|link| self.link(link)).collect();
        if let Some(more) = links.len().checked_sub(LINKS_MAX).filter(|&more| more > 0) {
            told.push(format!("{more} more"));
        }
        told.join(", and ")
    }

    fn link(&self, link: &Link) -> String {
        match link.why {
            Why::Session => {
                format!("{} {} and then {}", self.session(link.from), self.did(link.from), self.did(link.to))
            }
            Why::ReadFrom => format!(
                "{} {}, which {} wrote ({})",
                self.session(link.to),
                self.did_read(link.to),
                self.session(link.from),
                self.operation(link.from)
            ),
            Why::Inferred(at) => self.inferred(&self.found.inferred[at as usize]),
        }
    }

    fn inferred(&self, inferred: &Inferred) -> String {
        format!(
            "{} is older than {}, because {} {} after it",
            self.version(inferred.earlier),
            self.version(inferred.later),
            self.session(inferred.read),
            self.did_read(inferred.read)
        )
    }
}
