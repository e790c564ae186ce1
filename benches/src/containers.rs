//! Histories of a simulated queue, stack, priority queue or set, as lines of JSON: right by construction, unless one answer is made wrong.
//!
//! All clients are busy all the time. Each operation takes effect at a random moment while it is open. Each value is
//! inserted once, but for sets.

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use workloads::databases::Random;

/// A queue, stack or priority queue holds about this many elements.
const DEPTH: usize = 50;
/// An element of a priority queue is one of this many numbers times this number, plus the number of the operation.
const PRIORITIES: usize = 100_000_000;
/// A set has operations on this many elements.
const ELEMENTS: usize = 1_000;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Containers<'a> {
    /// `queue`, `stack`, `priority-queue`, `set`, or `set-with-reads`: one operation of a hundred reads all elements.
    pub object: &'a str,
    /// How many operations in all.
    pub operations: usize,
    /// How many are open at once.
    pub clients: usize,
    /// How many get no answer; half of them take effect.
    pub indeterminate: usize,
    /// Whether one answer near the end is wrong: a queue returns its newest element, a stack its oldest, a priority queue the one of
    /// greatest priority, a set the opposite, and a read of all elements lacks the first.
    pub bad: bool,
    /// What everything is drawn from.
    pub seed: u64,
}

impl Containers<'_> {
    /// Writes the history. Deterministic in the fields. Panics if it cannot be written.
    pub fn write(&self, out: impl Write) {
        let mut simulation = Simulation {
            object: SimulatedObject::from_name(self.object),
            random: Random::new(self.seed),
            is_bad: self.bad,
            operations: self.operations,
            started: 0,
            indeterminate: self.indeterminate,
            unanswered: 0,
            out,
        };
        simulation.run(self.clients);
    }
}

/// The object, with its elements.
enum SimulatedObject {
    Queue(VecDeque<usize>),
    Stack(VecDeque<usize>),
    PriorityQueue(BTreeSet<usize>),
    Set(BTreeSet<usize>),
    SetWithReads(BTreeSet<usize>),
}

struct SimulatedClient {
    process: usize,
    function: &'static str,
    value: usize,
    /// The answer, once the operation has taken effect.
    answer: Option<String>,
}

struct Simulation<W> {
    object: SimulatedObject,
    random: Random,
    /// Whether one answer is still to be wrong.
    is_bad: bool,
    operations: usize,
    started: usize,
    indeterminate: usize,
    unanswered: usize,
    out: W,
}

impl SimulatedObject {
    fn from_name(name: &str) -> Self {
        match name {
            "queue" => SimulatedObject::Queue(VecDeque::new()),
            "stack" => SimulatedObject::Stack(VecDeque::new()),
            "set" => SimulatedObject::Set(BTreeSet::new()),
            "set-with-reads" => SimulatedObject::SetWithReads(BTreeSet::new()),
            "priority-queue" => SimulatedObject::PriorityQueue(BTreeSet::new()),
            other => panic!("{other}: pass queue, stack, priority-queue, set or set-with-reads"),
        }
    }

    fn choose_function(&self, random: &mut Random) -> &'static str {
        let inserts =
            |inside: usize, random: &mut Random| random.draw_chance(if inside < DEPTH { 60 } else { 40 });
        match self {
            SimulatedObject::Queue(inside) if inserts(inside.len(), random) => "enqueue",
            SimulatedObject::Queue(_) => "dequeue",
            SimulatedObject::Stack(inside) if inserts(inside.len(), random) => "push",
            SimulatedObject::Stack(_) => "pop",
            SimulatedObject::PriorityQueue(inside) if inserts(inside.len(), random) => "insert",
            SimulatedObject::PriorityQueue(_) => "delete-min",
            SimulatedObject::SetWithReads(_) if random.draw_chance(1) => "read",
            SimulatedObject::Set(_) | SimulatedObject::SetWithReads(_) => {
                ["add", "remove", "contains"][random.draw_below(3)]
            }
        }
    }

    /// Performs an operation. Returns the answer, and whether it is wrong.
    fn perform(&mut self, function: &str, value: usize, may_be_wrong: bool) -> (String, bool) {
        let (found, is_wrong) = match (self, function) {
            (SimulatedObject::Queue(inside) | SimulatedObject::Stack(inside), "enqueue" | "push") => {
                inside.push_back(value);
                return (value.to_string(), false);
            }
            (SimulatedObject::Queue(inside), _) => {
                let is_wrong = may_be_wrong && inside.len() >= DEPTH;
                (if is_wrong { inside.pop_back() } else { inside.pop_front() }, is_wrong)
            }
            (SimulatedObject::Stack(inside), _) => {
                let is_wrong = may_be_wrong && inside.len() >= DEPTH;
                (if is_wrong { inside.pop_front() } else { inside.pop_back() }, is_wrong)
            }
            (SimulatedObject::PriorityQueue(inside), "insert") => {
                inside.insert(value);
                return (value.to_string(), false);
            }
            (SimulatedObject::PriorityQueue(inside), _) => {
                let is_wrong = may_be_wrong && inside.len() >= DEPTH;
                (if is_wrong { inside.pop_last() } else { inside.pop_first() }, is_wrong)
            }
            (SimulatedObject::SetWithReads(inside), "read") => {
                let is_wrong = may_be_wrong && inside.len() >= DEPTH;
                let seen = inside.iter().skip(usize::from(is_wrong)).collect::<Vec<_>>();
                return (format!("{seen:?}").replace(' ', ""), is_wrong);
            }
            (SimulatedObject::Set(inside) | SimulatedObject::SetWithReads(inside), "add") => {
                return (inside.insert(value).to_string(), false);
            }
            (SimulatedObject::Set(inside) | SimulatedObject::SetWithReads(inside), "remove") => {
                return (inside.remove(&value).to_string(), false);
            }
            (SimulatedObject::SetWithReads(inside), _) => {
                return (inside.contains(&value).to_string(), false);
            }
            (SimulatedObject::Set(inside), _) => {
                return ((inside.contains(&value) != may_be_wrong).to_string(), may_be_wrong);
            }
        };
        (found.map_or("null".to_owned(), |value| value.to_string()), is_wrong)
    }
}

impl<W: Write> Simulation<W> {
    fn run(&mut self, clients: usize) {
        let mut next_process = clients;
        let mut open: Vec<SimulatedClient> = (0..clients).map(|process| self.begin(process)).collect();
        while !open.is_empty() {
            let at = self.random.draw_below(open.len());
            if open[at].answer.is_none() {
                let gives_up = self.unanswered * self.operations < self.indeterminate * self.started;
                if !(gives_up && self.random.draw_chance(50)) {
                    let may_be_wrong = self.is_bad && self.started * 50 > self.operations * 49;
                    let (answer, is_wrong) =
                        self.object.perform(open[at].function, open[at].value, may_be_wrong);
                    self.is_bad &= !is_wrong;
                    open[at].answer = Some(answer);
                }
                if !gives_up {
                    continue;
                }
                self.unanswered += 1;
                let answer = self.argument(&open[at]);
                self.write_event(&open[at], "info", &answer);
                open[at].process = next_process;
                next_process += 1;
            } else {
                let answer = open[at].answer.clone().expect("an operation that completes has its answer");
                self.write_event(&open[at], "ok", &answer);
            }
            if self.started < self.operations {
                let process = open[at].process;
                open[at] = self.begin(process);
            } else {
                open.swap_remove(at);
            }
        }
    }

    fn begin(&mut self, process: usize) -> SimulatedClient {
        self.started += 1;
        let function = self.object.choose_function(&mut self.random);
        let value = match self.object {
            SimulatedObject::Set(_) | SimulatedObject::SetWithReads(_) => self.random.draw_below(ELEMENTS),
            SimulatedObject::PriorityQueue(_) => {
                self.random.draw_below(PRIORITIES) * PRIORITIES + self.started
            }
            _ => self.started,
        };
        let client = SimulatedClient { process, function, value, answer: None };
        let argument = self.argument(&client);
        self.write_event(&client, "invoke", &argument);
        client
    }

    fn argument(&self, client: &SimulatedClient) -> String {
        match client.function {
            "dequeue" | "pop" | "delete-min" | "read" => "null".to_owned(),
            _ => client.value.to_string(),
        }
    }

    fn write_event(&mut self, client: &SimulatedClient, kind: &str, value: &str) {
        let SimulatedClient { process, function, .. } = client;
        writeln!(
            self.out,
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{function}\",\"value\":{value}}}"
        )
        .expect("a file that can be written");
    }
}
