//! Random small histories of each model: answers are drawn from few values, so that about as many are legal as not.

use checker::Model;
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome, Payload, ValueId,
};
use testkit::TestRandom;

/// An operation and what it answers if it completes.
struct Planned {
    function: Function,
    key: KeyId,
    input: Vec<ValueId>,
    output: ValueId,
    micros: Vec<(bool, KeyId, ValueId)>,
}

impl Planned {
    fn payload<T>(&self, done: bool, use_it: impl FnOnce(Payload<'_>) -> T) -> T {
        let micros: Vec<MicroInput<'_>> = (self.micros.iter())
            .map(|&(write, key, value)| match (write, done) {
                (true, _) => MicroInput::Write(key, value),
                (false, true) => MicroInput::Read(key, value),
                (false, false) => MicroInput::Read(key, ValueId::NULL),
            })
            .collect();
        use_it(match self.function {
            Function::TXN => Payload::Micros(&micros),
            Function::CAS => Payload::Pair(self.input[0], self.input[1]),
            _ if done => Payload::Value(self.output),
            _ => Payload::Value(self.input[0]),
        })
    }
}

pub(crate) fn history(model: Model, seed: u64) -> History {
    let mut random = TestRandom::new(seed);
    let mut builder = HistoryBuilder::new();
    let len = 1 + random.below(if seed < 3_000 { 5 } else { 8 });
    let most_open = 1 + random.below(4);
    let (mut open, mut started): (Vec<(i64, Planned)>, _) = (Vec::new(), 0);
    while started < len || !open.is_empty() {
        if started < len && (open.is_empty() || (open.len() < most_open && random.below(2) == 0)) {
            let planned = plan(model, &mut builder, &mut random, started);
            let process = started as i64;
            let (function, key) = (planned.function, planned.key);
            planned.payload(false, |payload| {
                builder
                    .invoke(Invocation { process, session: None, function, key, payload })
                    .expect("a new process")
            });
            open.push((process, planned));
            started += 1;
        } else {
            let at = random.below(open.len());
            let (process, planned) = open.swap_remove(at);
            let outcome = match random.below(12) {
                0 => Outcome::Info,
                1 => continue,
                2 => Outcome::Fail,
                3 if planned.function == Function::CAS => Outcome::Fail,
                _ => Outcome::Ok,
            };
            planned.payload(true, |payload| {
                builder
                    .complete(Completion { process, outcome, function: None, key: None, payload })
                    .expect("it is open")
            });
        }
    }
    builder.finish()
}

fn plan(model: Model, builder: &mut HistoryBuilder, random: &mut TestRandom, number: usize) -> Planned {
    let names = builder.history();
    let few = |names: &mut History, random: &mut TestRandom| {
        names.values.intern(&(1 + random.below(2)).to_string())
    };
    let maybe = |names: &mut History, random: &mut TestRandom| match random.below(3) {
        0 => ValueId::NULL,
        n => names.values.intern(&n.to_string()),
    };
    let own = |names: &mut History| names.values.intern(&(10 + number).to_string());
    let mut planned = Planned {
        function: Function::READ,
        key: KeyId::NONE,
        input: vec![ValueId::NULL; 2],
        output: ValueId::NULL,
        micros: Vec::new(),
    };
    match model {
        Model::Register | Model::CasRegister => {
            let all = [Function::READ, Function::WRITE, Function::CAS, Function::READ];
            planned.function = random.one_of(if model == Model::Register { &all[..2] } else { &all });
            planned.input = vec![few(names, random), few(names, random)];
            planned.output = maybe(names, random);
            if random.below(2) == 0 {
                planned.key = names.keys.intern(&random.below(2).to_string());
            }
            if random.below(4) == 0 && planned.function == Function::WRITE {
                planned.input[0] = own(names);
            }
        }
        Model::MultiRegister => {
            planned.function = Function::TXN;
            for _ in 0..1 + random.below(2) {
                let key = names.keys.intern(["\"x\"", "\"y\""][random.below(2)]);
                let write = random.below(2) == 0;
                let value = if write { few(names, random) } else { maybe(names, random) };
                planned.micros.push((write, key, value));
            }
        }
        Model::Kv => {
            planned.function = random.one_of(&[
                Function::GET,
                Function::PUT,
                Function::APPEND,
                Function::DELETE,
                Function::GET,
            ]);
            planned.input[0] = names.values.intern(["\"a\"", "\"b\""][random.below(2)]);
            planned.output =
                names.values.intern(["\"\"", "\"a\"", "\"b\"", "\"ab\"", "null"][random.below(5)]);
            planned.key = names.keys.intern(&random.below(2).to_string());
        }
        Model::Counter => {
            planned.function = random.one_of(&[Function::READ, Function::ADD]);
            planned.input[0] = names.values.intern(["1", "2", "-1"][random.below(3)]);
            planned.output = names.values.intern(["0", "1", "2", "3"][random.below(4)]);
        }
        Model::Set => {
            planned.function =
                random.one_of(&[Function::READ, Function::ADD, Function::REMOVE, Function::CONTAINS]);
            planned.input[0] = few(names, random);
            let outputs = if planned.function == Function::READ {
                ["[]", "[1]", "[2,1]", "[3]"]
            } else {
                ["true", "false", "true", "null"]
            };
            planned.output = names.values.intern(outputs[random.below(4)]);
        }
        Model::Queue | Model::Stack => {
            let all = if model == Model::Queue {
                [Function::ENQUEUE, Function::DEQUEUE]
            } else {
                [Function::PUSH, Function::POP]
            };
            planned.function = random.one_of(&all);
            planned.input[0] = few(names, random);
            planned.output = maybe(names, random);
        }
        Model::PriorityQueue => plan_priority_queue(names, random, &mut planned),
        Model::Mutex => planned.function = random.one_of(&[Function::ACQUIRE, Function::RELEASE]),
        other => panic!("{} has no sequential specification", other.name()),
    }
    let reads = [Function::READ, Function::GET, Function::DEQUEUE, Function::POP, Function::DELETE_MIN];
    if reads.contains(&planned.function) {
        planned.input[0] = ValueId::NULL;
    }
    planned
}

/// Three elements of one priority, and one of another.
fn plan_priority_queue(names: &mut History, random: &mut TestRandom, planned: &mut Planned) {
    planned.function = random.one_of(&[Function::INSERT, Function::DELETE_MIN]);
    let elements = ["[1,\"a\"]", "[1,\"b\"]", "[2,\"a\"]", "[1,\"c\"]"];
    planned.input[0] = names.values.intern(random.one_of(&elements));
    planned.output = match random.below(4) {
        0 => ValueId::NULL,
        _ => names.values.intern(random.one_of(&elements)),
    };
}
