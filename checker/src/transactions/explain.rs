//! Evidence in words: renders the data in [`claims::TransactionEvidence`] as text.
//!
//! The text of a cycle lists its transactions, says why each must come before the next, and ends at the first one.

mod cases;

use claims::{
    Axiom, Dependency, DependencyCycle, DependencyReason, OrderAssumption, OrderLemma, ReadAt, SeenThrough,
    TransactionEvidence, VersionEvidence, VersionStep,
};
use histories::{History, KeyId, Micro, MicroKind, OpId, ValueId};
use std::fmt::Write as _;

/// The evidence of an anomaly as text. It has several lines and no newline at the end.
pub fn describe_evidence(history: &History, evidence: &TransactionEvidence) -> String {
    let words = EvidenceExplainer { history };
    match evidence {
        TransactionEvidence::Cycle(cycle) => words.describe_cycle(cycle),
        TransactionEvidence::Lemmas(lemmas) => words.describe_lemmas(lemmas),
        other => words.describe_single(other),
    }
}

/// Why one transaction of a cycle comes before the next. `from` and `to` are the names that the surrounding text uses
/// for them.
pub fn describe_dependency(history: &History, edge: &Dependency, from: &str, to: &str) -> String {
    EvidenceExplainer { history }.describe_reason(edge, from, to)
}

/// A transaction in notation such as `[r x (1 2)] [append x 3]`.
pub fn describe_transaction(history: &History, id: OpId) -> String {
    let words = EvidenceExplainer { history };
    let micros = history.micros_of(id).iter().map(|micro| {
        let key = words.key_text(micro.key);
        match micro.kind {
            MicroKind::Append => format!("append {key} {}", words.value_text(micro.value())),
            MicroKind::Write => format!("w {key} {}", words.value_text(micro.value())),
            MicroKind::Read if micro.value() == ValueId::NULL => format!("r {key} nothing"),
            MicroKind::Read => format!("r {key} {}", words.value_text(micro.value())),
            MicroKind::ReadList => {
                let list: Vec<&str> =
                    history.list(micro.list()).iter().map(|&value| words.value_text(value)).collect();
                format!("r {key} ({})", list.join(" "))
            }
        }
    });
    micros.map(|micro| format!("[{micro}]")).collect::<Vec<_>>().join(" ")
}

struct EvidenceExplainer<'h> {
    history: &'h History,
}

impl EvidenceExplainer<'_> {
    fn key_text(&self, key: KeyId) -> &str {
        self.history.key_text(key)
    }

    fn value_text(&self, value: ValueId) -> &str {
        self.history.value_text(value)
    }

    /// What a transaction read that read the initial state of a key. `--init` may have given it a value.
    fn initial_text(&self, reader: OpId, key: KeyId) -> &str {
        let reads = |micro: &&Micro| micro.key == key && micro.kind == MicroKind::Read;
        let values = || self.history.micros_of(reader).iter().filter(reads).map(|micro| micro.value());
        let is_written = |value: ValueId| {
            let mut writes = self.history.micros().iter().filter(|micro| micro.kind == MicroKind::Write);
            writes.any(|micro| micro.key == key && micro.value() == value)
        };
        // It may have read the register more than once, and what others wrote too.
        let initial = values().find(|&value| value == ValueId::NULL || !is_written(value));
        let initial = initial.or_else(|| values().next()).filter(|&value| value != ValueId::NULL);
        initial.map_or("nothing", |value| self.value_text(value))
    }

    fn name_transaction(&self, id: OpId) -> String {
        format!("the transaction at {}", self.history.operation_index(id))
    }

    fn describe_cycle(&self, cycle: &DependencyCycle) -> String {
        let mut text = String::from("Let:\n");
        for (at, edge) in cycle.edges.iter().enumerate() {
            let (index, what) =
                (self.history.operation_index(edge.from), describe_transaction(self.history, edge.from));
            writeln!(text, "  T{} = at {index}: {what}", at + 1).expect("writing to a string");
        }
        text.push_str("Then:\n");
        let count = cycle.edges.len();
        for (at, edge) in cycle.edges.iter().enumerate() {
            let to = (at + 1) % count;
            let (from, to) = (format!("T{}", at + 1), format!("T{}", to + 1));
            let because = self.describe_reason(edge, &from, &to);
            if at + 1 == count {
                write!(text, "  - However, {from} < {to}, because {because}: a contradiction.")
            } else {
                writeln!(text, "  - {from} < {to}, because {because}.")
            }
            .expect("writing to a string");
        }
        text
    }

    /// A proof by cases. Each step is a cycle under its assumptions; the last step has none.
    fn describe_lemmas(&self, lemmas: &[OrderLemma]) -> String {
        let mut names: Vec<OpId> = Vec::new();
        for edge in lemmas.iter().flat_map(|lemma| &lemma.cycle) {
            if !names.contains(&edge.from) {
                names.push(edge.from);
            }
        }
        let name = |id: OpId| {
            let place = names.iter().position(|&known| known == id);
            format!("T{}", place.expect("every edge of a cycle begins where another ends") + 1)
        };
        let mut text = String::from("Let:\n");
        for (at, &id) in names.iter().enumerate() {
            let (index, what) = (self.history.operation_index(id), describe_transaction(self.history, id));
            writeln!(text, "  T{} = at {index}: {what}", at + 1).expect("writing to a string");
        }
        text.push_str("Then, in whichever order the versions came:\n");
        for (at, OrderLemma { assumed, cycle }) in lemmas.iter().enumerate() {
            let supposed: Vec<String> = assumed.iter().map(|each| self.describe_assumption(each)).collect();
            let (begin, end) = match supposed.as_slice() {
                [] => ("Together:".to_owned(), String::new()),
                [one] => {
                    let not = self.describe_assumption(&assumed[0].reversed());
                    (format!("Suppose {one}. Then"), format!("\n      So {not}.\n"))
                }
                several => {
                    let not = "\n      So not all of this is so.\n".to_owned();
                    (format!("Suppose {}. Then", several.join(", and ")), not)
                }
            };
            write!(text, "  ({}) {begin}", at + 1).expect("writing to a string");
            for (at, edge) in cycle.iter().enumerate() {
                let (from, to) = (name(edge.from), name(edge.to));
                let because = self.describe_reason(edge, &from, &to);
                let (but, end) = match at + 1 == cycle.len() {
                    true => ("However, ", ": a contradiction."),
                    false => ("", "."),
                };
                write!(text, "\n      - {but}{from} < {to}, because {because}{end}")
                    .expect("writing to a string");
            }
            text += &end;
        }
        text
    }

    fn describe_assumption(&self, assumed: &OrderAssumption) -> String {
        let OrderAssumption { key, earlier, later } = *assumed;
        format!(
            "{} = {} was written before {}",
            self.key_text(key),
            self.value_text(earlier),
            self.value_text(later)
        )
    }

    fn describe_reason(&self, edge: &Dependency, from: &str, to: &str) -> String {
        match &edge.why {
            DependencyReason::Overwritten { key, earlier, later, order } => {
                let (key, earlier, later) =
                    (self.key_text(*key), self.value_text(*earlier), self.value_text(*later));
                match order {
                    VersionEvidence::Listed => {
                        format!("{to} appended {later} to {key} after {from} had appended {earlier}")
                    }
                    VersionEvidence::Unlisted => format!(
                        "{from} appended {earlier} to {key}, and {to} appended {later}, which no read shows: it came later"
                    ),
                    order => format!(
                        "{from} wrote {key} = {earlier}, and {to} wrote {later} after it ({})",
                        describe_version_evidence(*order)
                    ),
                }
            }
            DependencyReason::ReadBy { key, value } => {
                format!(
                    "{to} read {} from {}, which {from} wrote",
                    self.value_text(*value),
                    self.key_text(*key)
                )
            }
            DependencyReason::Missed { key, read, later, order } => {
                let read =
                    read.map_or_else(|| self.initial_text(edge.from, *key), |read| self.value_text(read));
                let (key, later) = (self.key_text(*key), self.value_text(*later));
                match order {
                    VersionEvidence::Listed | VersionEvidence::Unlisted => {
                        let up_to =
                            if read == "nothing" { "nothing".to_owned() } else { format!("up to {read}") };
                        format!("{from} read {up_to} from {key}, and {to} appended {later} to it")
                    }
                    VersionEvidence::Initial => {
                        format!("{from} read {read} from {key}, and {to} wrote {later} to it")
                    }
                    order => format!(
                        "{from} read {read} from {key}, and {to} wrote {later} after that ({})",
                        describe_version_evidence(*order)
                    ),
                }
            }
            DependencyReason::Concluded { key, earlier, later, lemma } => {
                let (key, earlier, later) =
                    (self.key_text(*key), self.value_text(*earlier), self.value_text(*later));
                format!("{from} wrote {key} = {earlier} before {to} wrote {later}, by ({})", lemma + 1)
            }
            DependencyReason::Session => format!("{from} completed before {to} began, in the same session"),
            DependencyReason::RealTime => format!("{from} completed before {to} began"),
            DependencyReason::Arbitrated { axiom, key, reader, value, seen } => {
                self.describe_arbitration(*axiom, *key, *reader, *value, seen, (from, to))
            }
        }
    }

    fn describe_arbitration(
        &self,
        axiom: Axiom,
        key: KeyId,
        reader: OpId,
        value: ValueId,
        seen: &SeenThrough,
        (from, to): (&str, &str),
    ) -> String {
        let reader = self.name_transaction(reader);
        let how = match seen {
            SeenThrough::Read(other) => format!("read {} from it", self.key_text(*other)),
            SeenThrough::Session => "follows it in its session".to_owned(),
            SeenThrough::Causally(between) if between.is_empty() => "depends on it".to_owned(),
            SeenThrough::Causally(between) => {
                let names: Vec<String> =
                    between.iter().map(|&id| self.history.operation_index(id).to_string()).collect();
                format!("depends on it, by way of {}", names.join(", "))
            }
        };
        format!(
            "{from} too wrote {key}, and {reader}, which {how}, read {value} from {key}, which {to} wrote: \
             {to} came later ({})",
            axiom.name(),
            key = self.key_text(key),
            value = self.value_text(value),
        )
    }

    fn describe_read(&self, read: ReadAt) -> String {
        let micro = self.history.micros_of(read.transaction)[read.place];
        let key = self.key_text(read.key);
        match micro.kind {
            MicroKind::ReadList => {
                let list: Vec<&str> =
                    self.history.list(micro.list()).iter().map(|&value| self.value_text(value)).collect();
                format!("{} read ({}) from {key}", self.name_transaction(read.transaction), list.join(" "))
            }
            _ => {
                let value = self.value_text(micro.value());
                format!("{} read {value} from {key}", self.name_transaction(read.transaction))
            }
        }
    }

    fn describe_single(&self, evidence: &TransactionEvidence) -> String {
        match evidence {
            TransactionEvidence::Cycle(cycle) => self.describe_cycle(cycle),
            TransactionEvidence::Lemmas(lemmas) => self.describe_lemmas(lemmas),
            TransactionEvidence::AbortedRead { read, value, writer } => format!(
                "{}, but {}, which wrote {}, failed",
                self.describe_read(*read),
                self.name_transaction(*writer),
                self.value_text(*value)
            ),
            TransactionEvidence::IntermediateRead { read, value, writer } => format!(
                "{}, but {} wrote {} only on its way: it wrote {} again",
                self.describe_read(*read),
                self.name_transaction(*writer),
                self.value_text(*value),
                self.key_text(read.key)
            ),
            TransactionEvidence::GarbageRead { read, value } => {
                format!("{}, but nobody wrote {}", self.describe_read(*read), self.value_text(*value))
            }
            TransactionEvidence::Internal { read, .. } => format!(
                "{}, which is not what its own earlier operations on {} say: {}",
                self.describe_read(*read),
                self.key_text(read.key),
                describe_transaction(self.history, read.transaction)
            ),
            TransactionEvidence::FutureRead { read, value, .. } => {
                format!("{}, but wrote {} only later", self.describe_read(*read), self.value_text(*value))
            }
            TransactionEvidence::LostUpdate { key, version, transactions } => {
                let names: Vec<String> =
                    transactions.iter().map(|&id| self.history.operation_index(id).to_string()).collect();
                let initial = || transactions.first().map_or("nothing", |&id| self.initial_text(id, *key));
                let version = version.map_or_else(initial, |version| self.value_text(version));
                format!(
                    "the transactions at {} all read {version} from {key} and wrote it",
                    names.join(", "),
                    key = self.key_text(*key)
                )
            }
            TransactionEvidence::DirtyUpdate { read, aborted, committed } => format!(
                "{}: {} of {}, which failed, comes before {} of {}, which did not",
                self.describe_read(*read),
                self.value_text(aborted.1),
                self.name_transaction(aborted.0),
                self.value_text(committed.1),
                self.name_transaction(committed.0)
            ),
            TransactionEvidence::DuplicateElement { read, value } => {
                format!("{}, where {} is more than once", self.describe_read(*read), self.value_text(*value))
            }
            TransactionEvidence::Cases(steps) => cases::explain_case_proof(self.history, steps),
            TransactionEvidence::IncompatibleOwnAppends { one, other } => format!(
                "{}, but {}: neither is a prefix of the other, though what they show of others' appends is",
                self.describe_read(*one),
                self.describe_read(*other)
            ),
            TransactionEvidence::IncompatibleOrder { one, other } => {
                format!(
                    "{}, but {}: neither is a prefix of the other",
                    self.describe_read(*one),
                    self.describe_read(*other)
                )
            }
            TransactionEvidence::AppendsOutOfOrder { read, writer, earlier, later } => format!(
                "{}, but {} appended {} before {}",
                self.describe_read(*read),
                self.name_transaction(*writer),
                self.value_text(*earlier),
                self.value_text(*later)
            ),
            TransactionEvidence::CyclicVersions { key, steps } => self.describe_cyclic_versions(*key, steps),
        }
    }

    fn describe_cyclic_versions(&self, key: KeyId, steps: &[VersionStep]) -> String {
        let name = |value: Option<ValueId>| value.map_or("nothing", |value| self.value_text(value));
        let steps: Vec<String> = steps
            .iter()
            .map(|step| {
                format!(
                    "{} before {} ({})",
                    name(step.earlier),
                    name(step.later),
                    describe_version_evidence(step.order)
                )
            })
            .collect();
        format!("the versions of {} contradict one another: {}", self.key_text(key), steps.join(", "))
    }
}

fn describe_version_evidence(order: VersionEvidence) -> &'static str {
    match order {
        VersionEvidence::Listed => "a list shows both",
        VersionEvidence::Unlisted => "no list shows it",
        VersionEvidence::Initial => "nothing was there before",
        VersionEvidence::ReadModifyWrite => "the same transaction read the one and wrote the other",
        VersionEvidence::SequentialKeys => "sequential-keys is assumed",
        VersionEvidence::LinearizableKeys => "linearizable-keys is assumed",
        VersionEvidence::Assumed => "as is supposed",
        VersionEvidence::Token => "the store's own versions say so",
        VersionEvidence::Session => {
            "a session had done with the earlier version before it did something with the later one"
        }
        VersionEvidence::RealTime => {
            "something was done with the earlier version before anything was done with the later one"
        }
    }
}
