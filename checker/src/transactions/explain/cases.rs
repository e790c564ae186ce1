//! Describes proofs by cases as text.

use super::describe_transaction;
use claims::{CaseChoice, CaseEdge, CaseReason, CaseStep, ListPlace, ReadAt, ReadChoice};
use histories::{History, MicroKind, OpId, Outcome, ValueId};
use std::fmt::Write as _;

/// The maximum number of steps that are written out.
const STEPS_MAX: usize = 40;

/// The text of a proof: several lines, without a newline at the end.
pub(super) fn explain_case_proof(history: &History, steps: &[CaseStep]) -> String {
    let mut words = CaseProofWriter { history, names: Vec::new() };
    let shown = &steps[..steps.len().min(STEPS_MAX)];
    for step in shown {
        step.assumed.iter().for_each(|choice| words.name_choice_transactions(*choice));
        step.cycle.iter().for_each(|edge| words.add_transaction(edge.from));
        step.unexplained.iter().for_each(|read| words.name_unexplained_read(*read));
    }
    let mut text = String::from("Let:");
    for (at, &id) in words.names.iter().enumerate() {
        let (index, what) = (history.operation_index(id), describe_transaction(history, id));
        write!(text, "\n  T{} = at {index}: {what}", at + 1).expect("writing to a string");
    }
    text.push_str("\nThe history leaves some choices open. Each case leads to a contradiction:");
    if steps.len() == 1 && steps[0].cycle.is_empty() && steps[0].unexplained.is_empty() {
        let has_lists = history.micros().iter().any(|micro| micro.kind == MicroKind::Append);
        text.push_str(match has_lists {
            true => "\n  (1) No order of the appends gives the lists that were read: a contradiction.",
            false => "\n  (1) A read returned a version that no transaction can have left: a contradiction.",
        });
    } else {
        for (at, step) in shown.iter().enumerate() {
            words.write_step(at, step, &mut text);
        }
    }
    if steps.len() > STEPS_MAX {
        let left = steps.len() - STEPS_MAX;
        write!(text, "\n  ({left} more steps follow. The last one rules out every remaining case.)")
            .expect("writing to a string");
    }
    text
}

/// How many writers of an unexplained list are named.
const WRITERS_MAX: usize = 10;

/// The transactions that may have written what a read returned, the reader aside.
fn writers_of_read(history: &History, read: ReadAt) -> Vec<OpId> {
    let micro = history.micros_of(read.transaction)[read.place];
    let values: Vec<ValueId> = match micro.kind {
        MicroKind::ReadList => history.list(micro.list()).to_vec(),
        _ => vec![micro.value()],
    };
    let wrote = |id: &OpId| {
        let mut micros = history.micros_of(*id).iter();
        history.outcome(*id) != Outcome::Fail
            && *id != read.transaction
            && micros.any(|own| {
                matches!(own.kind, MicroKind::Append | MicroKind::Write)
                    && own.key == read.key
                    && values.contains(&own.value())
            })
    };
    history.ids().filter(wrote).collect()
}

fn is_about_lists(choice: &CaseChoice) -> bool {
    use CaseChoice::{NotPlaced, NotShown, Placed, Shown};
    matches!(choice, Placed(_) | NotPlaced(_) | Shown(_) | NotShown(_))
}

struct CaseProofWriter<'h> {
    history: &'h History,
    /// The transactions that have a name, in order of their names.
    names: Vec<OpId>,
}

impl CaseProofWriter<'_> {
    fn add_transaction(&mut self, id: OpId) {
        if !self.names.contains(&id) {
            self.names.push(id);
        }
    }

    fn name_choice_transactions(&mut self, choice: CaseChoice) {
        match choice {
            CaseChoice::Before { earlier, later, .. } => [earlier, later].map(|id| self.add_transaction(id)),
            CaseChoice::ReadFrom(read) | CaseChoice::NotReadFrom(read) => {
                [Some(read.reader), read.writer].map(|id| id.map_or((), |id| self.add_transaction(id)))
            }
            CaseChoice::Placed(place)
            | CaseChoice::NotPlaced(place)
            | CaseChoice::Shown(place)
            | CaseChoice::NotShown(place) => {
                self.add_transaction(place.writer);
                [(), ()]
            }
        };
    }

    fn transaction_name(&self, id: OpId) -> String {
        match self.names.iter().position(|&known| known == id) {
            Some(place) => format!("T{}", place + 1),
            None => format!("the transaction at {}", self.history.operation_index(id)),
        }
    }

    fn write_step(&self, at: usize, step: &CaseStep, text: &mut String) {
        let assumed: Vec<String> = step.assumed.iter().map(|choice| self.describe_choice(*choice)).collect();
        let suppose = match (assumed.is_empty(), step.cycle.is_empty()) {
            (true, true) => String::new(),
            (true, false) => " In every case:".to_owned(),
            (false, _) => format!(" Suppose {}.", assumed.join(", and ")),
        };
        write!(text, "\n  ({}){suppose}", at + 1).expect("writing to a string");
        for read in &step.unexplained {
            write!(text, " {}: a contradiction.", self.describe_unexplained_read(*read))
                .expect("writing to a string");
        }
        if step.cycle.is_empty() && step.unexplained.is_empty() {
            text.push_str(match step.assumed.iter().any(is_about_lists) {
                true => {
                    " The lists that were read and the earlier steps leave no such case: a contradiction."
                }
                false => " The earlier steps rule out every remaining case: a contradiction.",
            });
        }
        for (at, edge) in step.cycle.iter().enumerate() {
            let (but, end) = match at + 1 == step.cycle.len() {
                true => ("However, ", ": a contradiction."),
                false => ("", "."),
            };
            let (from, to) = (self.transaction_name(edge.from), self.transaction_name(edge.to));
            let because = self.describe_reason(edge);
            write!(text, "\n      - {but}{from} < {to}, because {because}{end}")
                .expect("writing to a string");
        }
    }

    /// Names the reader, and transactions that wrote what it read.
    fn name_unexplained_read(&mut self, read: ReadAt) {
        self.add_transaction(read.transaction);
        for id in writers_of_read(self.history, read).into_iter().take(WRITERS_MAX) {
            self.add_transaction(id);
        }
    }

    fn describe_unexplained_read(&self, read: ReadAt) -> String {
        let (reader, key) = (self.transaction_name(read.transaction), self.history.key_text(read.key));
        let writers = writers_of_read(self.history, read);
        let named: Vec<String> =
            writers.iter().take(WRITERS_MAX).map(|&id| self.transaction_name(id)).collect();
        let others = match writers.len().saturating_sub(WRITERS_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match self.history.micros_of(read.transaction)[read.place].kind {
            MicroKind::ReadList => format!(
                "{reader} read a list of {key} that is not the appends of whole transactions, one after another. Its elements were \
                 appended by {}{others}",
                named.join(", ")
            ),
            _ => format!("{reader} read a value of {key} that no transaction can have left"),
        }
    }

    fn describe_choice(&self, choice: CaseChoice) -> String {
        match choice {
            CaseChoice::Before { key, earlier, later } => {
                let key = self.history.key_text(key);
                format!(
                    "{} wrote {key} before {} did",
                    self.transaction_name(earlier),
                    self.transaction_name(later)
                )
            }
            CaseChoice::ReadFrom(read) => self.describe_read_choice(read, "read"),
            CaseChoice::NotReadFrom(read) => self.describe_read_choice(read, "did not read"),
            CaseChoice::Placed(place) => self.describe_place(place, true),
            CaseChoice::NotPlaced(place) => self.describe_place(place, false),
            CaseChoice::Shown(place) => self.describe_shown(place, true),
            CaseChoice::NotShown(place) => self.describe_shown(place, false),
        }
    }

    fn describe_place(&self, place: ListPlace, placed: bool) -> String {
        let (key, writer) = (self.history.key_text(place.key), self.transaction_name(place.writer));
        let own = self.history.micros_of(place.writer).iter().filter(|micro| micro.key == place.key);
        let several = own.filter(|micro| micro.kind == MicroKind::Append).count() > 1;
        match (place.start.map(|start| start + 1), several) {
            (Some(at), true) => {
                let are = if placed { "are" } else { "are not" };
                format!("the appends of {writer} {are} placed at element {at} of {key}")
            }
            (Some(at), false) => {
                let is = if placed { "is" } else { "is not" };
                format!("the append of {writer} {is} element {at} of {key}")
            }
            (None, true) => {
                let append = if placed { "an append" } else { "no append" };
                format!("{append} of {writer} comes after all elements of {key} that were read")
            }
            (None, false) => {
                let comes = if placed { "comes" } else { "does not come" };
                format!("the append of {writer} {comes} after all elements of {key} that were read")
            }
        }
    }

    /// What is said of an element that stands by itself.
    fn describe_shown(&self, place: ListPlace, shown: bool) -> String {
        let (key, writer) = (self.history.key_text(place.key), self.transaction_name(place.writer));
        match place.start.map(|start| start + 1) {
            Some(at) => {
                let is = if shown { "is" } else { "is not" };
                format!("element {at} of {key} {is} an append of {writer}")
            }
            None => {
                let append = if shown { "an append" } else { "no append" };
                format!("{append} of {writer} comes after all elements of {key} that were read")
            }
        }
    }

    fn describe_read_choice(&self, ReadChoice { reader, place, writer }: ReadChoice, verb: &str) -> String {
        let key = self.history.key_text(self.history.micros_of(reader)[place].key);
        let writer = writer.map_or("the initial state".to_owned(), |writer| self.transaction_name(writer));
        format!("{} {verb} {key} from {writer}", self.transaction_name(reader))
    }

    fn describe_reason(&self, edge: &CaseEdge) -> String {
        let (from, to) = (self.transaction_name(edge.from), self.transaction_name(edge.to));
        match edge.why {
            CaseReason::Read(place) => {
                let key = self.history.key_text(self.history.micros_of(edge.to)[place].key);
                format!("{to} read {key} from {from}")
            }
            CaseReason::Overwrote(key) => {
                format!("{to} wrote {} after {from} did", self.history.key_text(key))
            }
            CaseReason::Missed { place, writer } => {
                let key = self.history.key_text(self.history.micros_of(edge.from)[place].key);
                let writer =
                    writer.map_or("the initial state".to_owned(), |writer| self.transaction_name(writer));
                format!("{from} read {key} from {writer}, and {to} overwrote that version")
            }
            CaseReason::Session => format!("{from} completed before {to} began, in the same session"),
            CaseReason::RealTime => format!("{from} completed before {to} began"),
        }
    }
}
