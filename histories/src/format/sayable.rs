//! Finds what a format cannot represent, before anything is written.
//!
//! A converted history must get the verdicts of the original. So if a format cannot represent something that affects
//! verdicts, the conversion is refused, with the operation that is the reason. Data that is only shown (times, notes,
//! names of sessions, events of fault injectors, the header) is omitted, and [`Sayable::left_out`] lists it. Real-time
//! order affects verdicts, so the user must agree to lose it ([`Losses`]).

use super::by_session::{SessionTransaction, TransactionStep, TransactionsBySession};
use super::{OtlpLines, TargetFormat};
use crate::{Function, History, Id, KeyId, Micro, MicroKind, NEVER, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::fmt;

/// What the user agrees to lose in a conversion.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AcceptedLosses {
    /// The order between operations of different sessions.
    pub real_time: bool,
}

/// What a format cannot represent of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotRepresentable {
    /// The first reasons; never empty.
    pub reasons: Vec<String>,
    /// The number of further reasons.
    pub more: u64,
}

const REASONS_MAX: usize = 10;

impl fmt::Display for NotRepresentable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons.join("\n"))?;
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for NotRepresentable {}

/// A history that a format can represent.
pub struct RepresentableHistory<'a> {
    pub(super) history: &'a History,
    pub(super) target: TargetFormat,
    /// The transactions of its sessions, for formats that are written by session.
    pub(super) told: TransactionsBySession,
}

impl<'a> RepresentableHistory<'a> {
    /// Checks that `target` can represent everything in the history that affects verdicts. O(n).
    ///
    /// # Errors
    /// What the format cannot represent, with the operations concerned.
    pub fn new(
        history: &'a History,
        target: TargetFormat,
        losses: AcceptedLosses,
    ) -> Result<Self, NotRepresentable> {
        let mut reasons = RefusalReasons { list: Vec::new(), more: 0 };
        let mut told = TransactionsBySession::default();
        match target {
            TargetFormat::Native | TargetFormat::Parquet => {}
            TargetFormat::Edn if !history.has_real_time() && !losses.real_time => reasons.add_reason(
                "the history has no real-time order, and EDN cannot say so: whoever reads it takes the order of \
                 events for one"
                    .to_owned(),
            ),
            TargetFormat::Edn => {
                if history.header().is_some() && history.ids().any(|id| history.function(id) == Function::CREATE) {
                    reasons.add_reason(
                        "the header of a session store says how long sessions live and which version a save is based on, \
                         and EDN has no header"
                            .to_owned(),
                    );
                }
                for name in history.unrecognised_clients() {
                    reasons.add_reason(format!(
                        "the process {name:?} does nothing that a model knows, and EDN cannot say that it is a client"
                    ));
                }
            }
            TargetFormat::Otlp => {
                let written = OtlpLines::new(history, 0).and_then(|mut lines| lines.try_for_each(|line| line.map(drop)));
                if let Err(why) = written {
                    reasons.add_reason(why.to_string());
                }
            }
            TargetFormat::Plume | TargetFormat::Awdit | TargetFormat::DbcopJson | TargetFormat::DbcopBincode => {
                if history.has_real_time() && history.len() > 1 && !losses.real_time {
                    reasons.add_reason(format!("{} knows no real-time order, and this history has one", target.name()));
                }
                told = SessionCollector { history, target, reasons: &mut reasons }.collect_sessions();
            }
        }
        match reasons.list.is_empty() {
            true => Ok(Self { history, target, told }),
            false => Err(NotRepresentable { reasons: reasons.list, more: reasons.more }),
        }
    }

    /// What the format omits although the history has it, in a few words each. None of it affects verdicts.
    pub fn omitted_parts(&self) -> Vec<&'static str> {
        let by_session = !matches!(
            self.target,
            TargetFormat::Native | TargetFormat::Parquet | TargetFormat::Edn | TargetFormat::Otlp
        );
        let history = self.history;
        let any_note = || (0..history.event_count()).any(|at| history.note(at).is_some());
        let any_time =
            || history.ids().any(|id| history.invoked_at(id).or(history.completed_at(id)).is_some());
        let mut left_out = Vec::new();
        if by_session && any_time() {
            left_out.push("times");
        }
        if by_session && any_note() {
            left_out.push("further fields of events, such as node and error");
        }
        if by_session && !history.actor_events().is_empty() {
            left_out.push("events of those who are no clients");
        }
        let own = |id| {
            history.session_text(history.session(id))
                == format!("process {}", history.process_text(history.process(id)))
        };
        if by_session && !history.ids().all(own) {
            left_out.push("names of sessions");
        }
        left_out
    }
}

struct RefusalReasons {
    list: Vec<String>,
    more: u64,
}

impl RefusalReasons {
    fn add_reason(&mut self, reason: String) {
        if self.list.len() < REASONS_MAX {
            self.list.push(reason);
        } else {
            self.more += 1;
        }
    }
}

/// Collects the transactions of each session, and the reasons for a refusal.
struct SessionCollector<'a, 'r> {
    history: &'a History,
    target: TargetFormat,
    reasons: &'r mut RefusalReasons,
}

impl SessionCollector<'_, '_> {
    fn collect_sessions(mut self) -> TransactionsBySession {
        let history = self.history;
        let mut told = TransactionsBySession::default();
        let mut places: FxHashMap<u32, usize> = FxHashMap::default();
        // For each session, the position at which its last operation completed, and the id of that operation.
        let mut ended: Vec<(u32, OpId)> = Vec::new();
        let zeros = self.keys_written_zero();
        for id in history.ids() {
            let session = history.session(id).raw();
            let place = *places.entry(session).or_insert_with(|| {
                told.sessions.push((history.process_number(history.process(id)), Vec::new()));
                ended.push((0, id));
                ended.len() - 1
            });
            let operation = history.operation(id);
            if operation.invoked < ended[place].0 {
                let (one, other) = (history.operation_index(ended[place].1), history.operation_index(id));
                self.reasons.add_reason(format!(
                    "operation {other} begins before operation {one} of its session has ended: {} knows sessions \
                     that do one thing after another",
                    self.target.name()
                ));
            }
            ended[place] = (operation.completed, id);
            let Some(committed) = self.commit_state(id) else { continue };
            let start = told.steps.len() as u32;
            for &micro in history.micros_of(id) {
                if committed || micro.kind == MicroKind::Write {
                    told.steps.extend(self.convert_step(id, micro, &zeros));
                }
            }
            let len = told.steps.len() as u32 - start;
            // The reads of an aborted transaction mean nothing. Without a write, the transaction is omitted.
            if committed || len > 0 {
                let transaction = SessionTransaction { start, len, committed, number: id.index() as u32 };
                told.sessions[place].1.push(transaction);
            }
        }
        told
    }

    /// Whether a transaction was committed; none, with a reason, if the format cannot represent the operation.
    fn commit_state(&mut self, id: OpId) -> Option<bool> {
        let (history, name) = (self.history, self.target.name());
        let index = history.operation_index(id);
        let mut refuse = |what: String| {
            self.reasons.add_reason(format!("operation {index} {what}"));
            None
        };
        if history.function(id) != Function::TXN {
            let function = history.function_name(history.function(id));
            return refuse(format!("is {function:?}: {name} has transactions only"));
        }
        if history.key(id) != KeyId::NONE {
            return refuse(format!(
                "has the key {}: {name} has keys in steps only",
                history.keys.text(history.key(id))
            ));
        }
        if history.version(id).is_some() {
            return refuse(format!("has a version: {name} has none"));
        }
        match history.outcome(id) {
            Outcome::Ok => Some(true),
            Outcome::Fail if self.target == TargetFormat::Awdit => {
                refuse(format!("was aborted: {name} knows committed transactions only"))
            }
            Outcome::Fail => Some(false),
            Outcome::Info => {
                debug_assert!(history.operation(id).completed == NEVER);
                refuse(format!("is indeterminate: {name} knows of each transaction whether it was committed"))
            }
        }
    }

    fn convert_step(&mut self, id: OpId, micro: Micro, zeros: &FxHashSet<KeyId>) -> Option<TransactionStep> {
        let (history, name) = (self.history, self.target.name());
        let index = history.operation_index(id);
        let key = parse_natural(history.keys.text(micro.key));
        if key.is_none() {
            let text = history.keys.text(micro.key);
            self.reasons.add_reason(format!(
                "operation {index} is about {text}: the keys of {name} are integers from 0 up"
            ));
        }
        let writes = micro.kind == MicroKind::Write;
        let value = match micro.kind {
            MicroKind::Append | MicroKind::ReadList => {
                let text = history.keys.text(micro.key);
                self.reasons.add_reason(format!(
                    "operation {index} is about the list {text}: {name} has registers only"
                ));
                return None;
            }
            MicroKind::Read | MicroKind::Write => micro.value(),
        };
        let (value, why) = self.convert_value(value, writes, zeros.contains(&micro.key));
        if let Some(why) = why {
            self.reasons.add_reason(format!("operation {index} {why}"));
        }
        Some(TransactionStep { writes, key: key?, value })
    }

    /// The value as an integer; none for the initial value. With it the reason for a refusal, if the format cannot
    /// represent the value.
    fn convert_value(
        &self,
        value: ValueId,
        writes: bool,
        zero_written: bool,
    ) -> (Option<i64>, Option<String>) {
        let name = self.target.name();
        let text = self.history.value_text(value);
        let (does, number) = (if writes { "writes" } else { "reads" }, parse_natural(text));
        let why = match (self.target, number) {
            (_, None) if value == ValueId::NULL && writes => {
                Some(format!("writes null: {name} cannot write nothing"))
            }
            (TargetFormat::Awdit, None) if value == ValueId::NULL => {
                Some(format!("reads the initial value: {name} has none"))
            }
            (_, None) if value == ValueId::NULL => None,
            (_, None) => Some(format!("{does} {text}: the values of {name} are integers from 0 up")),
            (TargetFormat::Plume | TargetFormat::DbcopBincode, Some(0)) => {
                Some(format!("{does} 0, which in {name} is the initial value"))
            }
            (TargetFormat::DbcopJson, Some(0)) if !zero_written => Some(format!(
                "{does} 0, which no committed transaction writes: in {name} that is the initial value"
            )),
            (_, Some(_)) => None,
        };
        (number, why)
    }

    /// The keys that a committed transaction writes 0 to.
    fn keys_written_zero(&self) -> FxHashSet<KeyId> {
        let history = self.history;
        let committed = history.ids().filter(|&id| history.outcome(id) == Outcome::Ok);
        let micros = committed.flat_map(|id| history.micros_of(id));
        let zero =
            |micro: &&Micro| micro.kind == MicroKind::Write && history.value_text(micro.value()) == "0";
        micros.filter(zero).map(|micro| micro.key).collect()
    }
}

fn parse_natural(text: &str) -> Option<i64> {
    text.parse().ok().filter(|&number| number >= 0)
}
