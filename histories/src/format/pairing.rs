//! Compares completions with their invocations: what each adds to the other, and what is wrong if they do not fit.

use super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, LocalId};
use super::datum::{Flaw, clip_text};
use super::merge::ChunkMerger;
use super::names::NameTranslation;
use super::write::{micro_input, micros_json};
use crate::{Function, MicroInput, MicroKind, OpId, Outcome, PairingError, Payload, ProcessId, ValueId};
use serde_json::value::RawValue;

impl ChunkMerger {
    /// Converts a payload to the shape of its operation. A completion without a function has the two values of a
    /// compare-and-set as one list.
    pub(super) fn shape_as_invoked<'a>(
        &mut self,
        process: ProcessId,
        function: Option<Function>,
        payload: Payload<'a>,
    ) -> Payload<'a> {
        let (None, Payload::Value(value), Some(id)) =
            (function, payload, self.builder.open_operation(process))
        else {
            return payload;
        };
        let history = self.builder.history();
        if history.function(id) != Function::CAS {
            return payload;
        }
        let parts: Result<[&RawValue; 2], _> = serde_json::from_str(history.value_text(value));
        let Ok([old, new]) = parts.map(|parts| parts.map(|part| part.get().to_owned())) else {
            return payload;
        };
        Payload::Pair(history.values.intern(&old), history.values.intern(&new))
    }

    /// Checks that a transaction completed with the steps that it was invoked with, apart from the results of reads.
    /// Otherwise it is unknown what it wrote. An invocation without steps leaves them open.
    pub(super) fn check_same_steps(
        &mut self,
        id: OpId,
        micros: &[MicroInput<'_>],
    ) -> Result<(), PairingError> {
        let history = self.builder.history();
        let invoked = history.micros_of(id);
        let same = |(a, b): (&crate::Micro, &MicroInput<'_>)| match *b {
            MicroInput::Read(key, _) | MicroInput::ReadList(key, _) => {
                matches!(a.kind, MicroKind::Read | MicroKind::ReadList) && a.key == key
            }
            MicroInput::Write(key, value) => a.kind == MicroKind::Write && a.key == key && a.value() == value,
            MicroInput::Append(key, value) => {
                a.kind == MicroKind::Append && a.key == key && a.value() == value
            }
        };
        if invoked.is_empty() || (invoked.len() == micros.len() && invoked.iter().zip(micros).all(same)) {
            return Ok(());
        }
        let at = invoked
            .iter()
            .zip(micros)
            .position(|pair| !same(pair))
            .unwrap_or(invoked.len().min(micros.len()));
        let step = |micro: Option<String>| micro.unwrap_or_else(|| "the end".to_owned());
        let found = micros.get(at).map(|&micro| clip_text(&micros_json(history, [micro])));
        let expected = invoked
            .get(at)
            .map(|&micro| clip_text(&micros_json(history, [micro_input(history, micro, false)])));
        Err(PairingError::Differs {
            process: history.process_number(history.process(id)),
            open: history.operation_index(id),
            found: format!("{} as step {at}", step(found)),
            expected: step(expected),
        })
    }

    /// The value of a completion without a result, if it differs from the value of the invocation: an error, a timeout.
    /// It is kept as a note.
    pub(super) fn unjudged_value(
        &mut self,
        id: OpId,
        outcome: Outcome,
        payload: Payload<'_>,
    ) -> Option<String> {
        let function = self.builder.history().function(id);
        match payload {
            Payload::Value(value) => {
                if value == ValueId::NULL || (outcome == Outcome::Ok && function != Function::CAS) {
                    return None;
                }
                let history = self.builder.history();
                let same = history.argument(id) == crate::Argument::Value(value);
                (!same).then(|| history.value_text(value).to_owned())
            }
            Payload::Pair(old, new) => {
                let history = self.builder.history();
                let same = history.argument(id) == crate::Argument::Pair(old, new);
                let texts = (history.value_text(old), history.value_text(new));
                (!same).then(|| format!("[{},{}]", texts.0, texts.1))
            }
            Payload::Micros(_) if outcome == Outcome::Ok => None,
            Payload::Micros(micros) => {
                let history = self.builder.history();
                let invoked = history.micros_of(id);
                let same = |(a, b): (&crate::Micro, &MicroInput<'_>)| match *b {
                    MicroInput::Read(key, value) => {
                        a.kind == MicroKind::Read && a.key == key && a.value() == value
                    }
                    MicroInput::Write(key, value) => {
                        a.kind == MicroKind::Write && a.key == key && a.value() == value
                    }
                    MicroInput::Append(key, value) => {
                        a.kind == MicroKind::Append && a.key == key && a.value() == value
                    }
                    MicroInput::ReadList(key, list) => {
                        a.kind == MicroKind::ReadList && a.key == key && history.list(a.list()) == list
                    }
                };
                let all = invoked.len() == micros.len() && invoked.iter().zip(micros).all(same);
                (!all).then(|| micros_json(history, micros.iter().copied()))
            }
        }
    }

    /// Calls `with` with the value of an event, in ids of the history.
    pub(super) fn with_payload<T>(
        &mut self,
        chunk: &Chunk,
        names: &mut NameTranslation,
        value: EventValue,
        with: impl FnOnce(&mut Self, Payload<'_>) -> T,
    ) -> T {
        match value {
            EventValue::One(value) => {
                let value = value
                    .if_given()
                    .map_or(ValueId::NULL, |value| names.translate_value(value, chunk, &mut self.builder));
                with(self, Payload::Value(value))
            }
            EventValue::Pair(old, new) => {
                let old = names.translate_value(old, chunk, &mut self.builder);
                let new = names.translate_value(new, chunk, &mut self.builder);
                with(self, Payload::Pair(old, new))
            }
            EventValue::Micros { start, len } => {
                let micros = &chunk.micros[start as usize..(start + len) as usize];
                for micro in micros.iter().filter(|micro| micro.kind == MicroKind::ReadList) {
                    names.translate_list(micro.value, micro.len, chunk, &mut self.builder);
                }
                let mut translated = std::mem::take(&mut names.micros);
                translated.clear();
                translated.extend(micros.iter().map(|micro| {
                    let key = names.translate_key(micro.key, chunk, &mut self.builder);
                    let value = match micro.kind {
                        MicroKind::ReadList => ValueId::NULL,
                        _ => names.translate_value(micro.value, chunk, &mut self.builder),
                    };
                    (key, value)
                }));
                let inputs: Vec<MicroInput<'_>> = (micros.iter().zip(&translated))
                    .map(|(micro, &(key, value))| match micro.kind {
                        MicroKind::ReadList => {
                            MicroInput::ReadList(key, names.list(micro.value, micro.len, chunk))
                        }
                        MicroKind::Write => MicroInput::Write(key, value),
                        MicroKind::Append => MicroInput::Append(key, value),
                        MicroKind::Read => MicroInput::Read(key, value),
                    })
                    .collect();
                let done = with(self, Payload::Micros(&inputs));
                names.micros = translated;
                done
            }
        }
    }

    /// Whether an earlier broken event explains why an event does not fit. If so, uses up that explanation.
    pub(super) fn consume_excuse(&mut self, error: &PairingError, process: ProcessId) -> bool {
        if !matches!(error, PairingError::NotInvoked { .. } | PairingError::AlreadyOpen { .. }) {
            return false;
        }
        let doubts = match self.doubts.of_process.get_mut(&process).filter(|doubts| **doubts > 0) {
            Some(doubts) => doubts,
            None => &mut self.doubts.of_nobody,
        };
        let excused = *doubts > 0;
        *doubts -= u32::from(excused);
        excused
    }

    pub(super) fn pairing_flaw(
        &mut self,
        event: &ChunkEvent,
        chunk: &Chunk,
        (process, error): (ProcessId, PairingError),
    ) -> Flaw {
        let process = self.builder.history().process_text(process).into_owned();
        let at = event.at as usize;
        let kind = match event.kind {
            EventKind::Ok => "ok",
            EventKind::Fail => "fail",
            EventKind::Info => "info",
            _ => "invoke",
        };
        match error {
            PairingError::NotInvoked { .. } => {
                let found = format!("{kind} by process {process}, which has no operation open");
                Flaw::new(at, found, "its invoke event before it")
            }
            PairingError::AlreadyOpen { open, .. } => {
                let found = format!("invoke by process {process}, whose operation {open} is still open");
                let expected = "its ok, fail or info first (a client that goes on after a time-out does so under \
                                a new process number)";
                Flaw::new(at, found, expected)
            }
            PairingError::Differs { open, found, expected, .. } => Flaw::new(
                at,
                format!("{kind} by process {process} with {found}"),
                format!("{expected}, as its operation {open} was invoked"),
            ),
            PairingError::Shape { function, expected } => {
                let value = match event.value {
                    EventValue::One(value) if value != LocalId::ABSENT => chunk.values.text(value),
                    _ => "another value",
                };
                Flaw::new(at, format!("{function} with {}", clip_text(value)), expected)
            }
        }
    }
}
