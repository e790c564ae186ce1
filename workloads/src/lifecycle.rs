//! The life of a session: created, used, perhaps renewed, destroyed; and looked for once more afterwards.
//!
//! Each seat walks through a small machine of states. What makes it more than a random choice: a session must
//! not be used before its creation was acknowledged (nothing could be concluded from what is seen), its end
//! must be the last thing that it asks for, and after its end and after a renewal the dead id is read a few
//! times more, because a session that comes back is the worst thing that a store can do.

use crate::{Operation, Payload, Stream, Value};
use histories::{Function, Outcome};
use std::sync::Arc;

/// Reads of an id after its end.
const LOOKS_AFTER_THE_END: u8 = 3;

#[derive(Clone, Debug)]
pub(crate) struct Lifecycle {
    seats: Vec<Life>,
    payload_bytes: (u64, u64),
    read_share: f64,
    /// Every id that was ever created.
    ids: Vec<Arc<str>>,
}

#[derive(Clone, Debug, Default)]
struct Life {
    state: State,
    /// The present id; an earlier one, if it was renewed.
    id: Option<Arc<str>>,
    old_id: Option<Arc<str>>,
    version: u64,
    renewals: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Unborn,
    /// A creation or a renewal is under way: nobody knows by which id to ask.
    Changing,
    Alive,
    /// A destruction is under way; another tab does not know that and goes on.
    Ending,
    Ended {
        looks: u8,
    },
    Gone,
}

impl Lifecycle {
    pub(crate) fn new(seats: usize, payload_bytes: (u64, u64), read_share: f64) -> Self {
        Self { seats: vec![Life::default(); seats], payload_bytes, read_share, ids: Vec::new() }
    }

    /// Whether a seat's session may send another request now.
    pub(crate) fn is_ready(&self, seat: usize) -> bool {
        !matches!(self.seats[seat].state, State::Changing | State::Gone)
    }

    /// The seat is taken by a new session.
    pub(crate) fn reset(&mut self, seat: usize) {
        self.seats[seat] = Life::default();
    }

    pub(crate) fn every(&self) -> impl Iterator<Item = &Arc<str>> {
        self.ids.iter()
    }

    /// What the session in a seat does next; `over` if it should come to its end.
    pub(crate) fn next(
        &mut self,
        seat: usize,
        session: &Arc<str>,
        over: bool,
        stream: &mut Stream,
    ) -> Operation {
        let life = &mut self.seats[seat];
        let id = life.id.get_or_insert_with(|| session.clone()).clone();
        match life.state {
            State::Unborn => {
                life.state = State::Changing;
                self.ids.push(id.clone());
                let payload = self.payload(seat, session, stream);
                return Operation::on(&id, Function::CREATE, payload);
            }
            State::Ended { looks } => {
                life.state = if looks > 1 { State::Ended { looks: looks - 1 } } else { State::Gone };
                return Operation::on(&id, Function::READ, Value::Null);
            }
            State::Alive if over => {
                life.state = State::Ending;
                return Operation::on(&id, Function::DESTROY, Value::Null);
            }
            State::Alive | State::Ending => {}
            State::Changing | State::Gone => unreachable!("a seat that is not ready was taken"),
        }
        let reads = stream.chance(self.read_share);
        let draw = stream.unit();
        match &self.seats[seat].old_id {
            Some(old) if reads && draw < 0.05 => Operation::on(old, Function::READ, Value::Null),
            _ if reads => Operation::on(&id, Function::READ, Value::Null),
            _ if draw < 0.2 => Operation::on(&id, Function::TOUCH, Value::Null),
            _ if draw < 0.25 && self.seats[seat].state == State::Alive => self.renew(seat, session, &id),
            _ => {
                let payload = self.payload(seat, session, stream);
                Operation::on(&id, Function::WRITE, payload)
            }
        }
    }

    /// Takes note of how an operation ended; whether the seat's session is over.
    pub(crate) fn finished(&mut self, seat: usize, operation: &Operation, outcome: Outcome) -> bool {
        let life = &mut self.seats[seat];
        match (operation.function, outcome) {
            (Function::CREATE, Outcome::Ok) => life.state = State::Alive,
            (Function::RENEW, Outcome::Ok) => {
                let Value::Text(id) = &operation.value else { unreachable!("renewed to an id") };
                life.old_id = life.id.replace(id.clone());
                life.state = State::Alive;
            }
            (Function::RENEW, Outcome::Fail) => life.state = State::Alive,
            // Where nothing was destroyed, the session is tried again.
            (Function::DESTROY, Outcome::Fail) => life.state = State::Alive,
            (Function::DESTROY, Outcome::Ok) => life.state = State::Ended { looks: LOOKS_AFTER_THE_END },
            // Nobody can say whether there is a session, or under which id: its user begins another one.
            (Function::CREATE, _) | (Function::RENEW | Function::DESTROY, Outcome::Info) => {
                life.state = State::Gone;
            }
            _ => {}
        }
        life.state == State::Gone
    }

    fn renew(&mut self, seat: usize, session: &str, id: &Arc<str>) -> Operation {
        let life = &mut self.seats[seat];
        life.renewals += 1;
        life.state = State::Changing;
        let new: Arc<str> = format!("{session}.{}", life.renewals).into();
        self.ids.push(new.clone());
        Operation::on(id, Function::RENEW, Value::Text(new))
    }

    fn payload(&mut self, seat: usize, session: &Arc<str>, stream: &mut Stream) -> Value {
        let (least, most) = self.payload_bytes;
        self.seats[seat].version += 1;
        Value::Payload(Payload {
            session: session.clone(),
            field: None,
            version: self.seats[seat].version,
            bytes: stream.between(least, most),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Churn, Generator, Kind, Settings, Value};
    use histories::{Function, Outcome};
    use std::collections::HashMap;

    fn settings() -> Settings {
        let churn = Churn { mean_operations: Some(20.0), lasting_share: 0.0 };
        Settings { kind: Kind::Session, churn, in_flight_per_session: 2, ..Settings::new(3) }
    }

    /// Two requests in flight at a time, a store that does all that is asked: every session is created before
    /// anything else and nothing but reads follows its end.
    #[test]
    fn nothing_comes_before_birth_and_only_looks_after_the_end() {
        let mut generator = Generator::new(&settings());
        let mut stories: HashMap<String, Vec<Function>> = HashMap::new();
        for _ in 0..1000 {
            let tasks: Vec<_> = (0..2).filter_map(|_| generator.task()).collect();
            for task in &tasks {
                stories.entry(task.session.to_string()).or_default().push(task.operation.function);
            }
            for task in &tasks {
                generator.finished(task, Outcome::Ok, &Value::Null);
            }
        }
        assert!(stories.len() > 50);
        let seen: Vec<Function> = stories.values().flatten().copied().collect();
        for function in [Function::TOUCH, Function::RENEW, Function::WRITE, Function::DESTROY] {
            assert!(seen.contains(&function), "{function:?}");
        }
        for (session, story) in &stories {
            assert_eq!(story[0], Function::CREATE, "{session}");
            assert!(!story[1..].contains(&Function::CREATE), "{session}");
            let end = story.iter().position(|&function| function == Function::DESTROY);
            // One request of the other tab may be in flight while the session is destroyed.
            let after = end.map_or(&[][..], |end| &story[end + 1..]);
            assert!(after.iter().skip(1).all(|&function| function == Function::READ), "{session} {after:?}");
        }
    }

    #[test]
    fn a_session_of_unknown_fate_is_left() {
        let mut generator = Generator::new(&Settings { sessions: 1, ..settings() });
        let first = generator.task().unwrap();
        assert!(generator.task().is_none(), "nothing is asked of a session that is being created");
        generator.finished(&first, Outcome::Info, &Value::Null);
        assert_ne!(generator.task().unwrap().session, first.session);
    }
}
