//! Writes histories of a simulated queue, stack, priority queue or set, and times the check of such a file:
//! `containers generate queue|stack|priority-queue|set|set-with-reads OPERATIONS CLIENTS INDETERMINATE BAD SEED FILE`,
//! `containers check FILE`. In `set-with-reads`, one operation of a hundred reads all elements.
//!
//! All clients are busy all the time. Each operation takes effect at a random moment while it is open. Each value is
//! inserted once, but for sets. `INDETERMINATE` operations get no answer, and half of these take effect. If `BAD` is 1,
//! one answer near the end is wrong: a queue returns its newest element, a stack its oldest, a priority queue the one of
//! greatest priority, a set the opposite, and a read of all elements lacks the first.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::phases::{busy_seconds, check_timed};
use checker::{Level, Limits, Property, Question, Verdict};
use histories::format::{self, Input, ReadOptions};
use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use workloads::databases::Random;

/// A queue, stack or priority queue holds about this many elements.
const DEPTH: usize = 50;
/// An element of a priority queue is one of this many numbers times this number, plus the number of the operation.
const PRIORITIES: usize = 100_000_000;
/// A set has operations on this many elements.
const ELEMENTS: usize = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", model, ref numbers @ .., file] => generate_history(model, numbers, file),
        ["check", file] => time_check(file),
        _ => panic!("generate MODEL OPERATIONS CLIENTS INDETERMINATE BAD SEED FILE, or check FILE"),
    }
}

fn generate_history(model: &str, numbers: &[&str], file: &str) {
    let numbers: Vec<usize> = numbers.iter().map(|text| text.parse().expect("a number")).collect();
    let [operations, clients, indeterminate, bad, seed] = numbers[..] else {
        panic!("five numbers: OPERATIONS CLIENTS INDETERMINATE BAD SEED");
    };
    let file = std::fs::File::create(file).expect("a file that can be written");
    let mut simulation = Simulation {
        object: SimulatedObject::from_name(model),
        random: Random::new(seed as u64),
        is_bad: bad == 1,
        operations,
        started: 0,
        indeterminate,
        unanswered: 0,
        out: std::io::BufWriter::new(file),
    };
    simulation.run(clients);
}

/// Reads the file, decides whether its history is linearizable, checks the evidence, and prints how long each took.
fn time_check(file: &str) {
    let start = Instant::now();
    let loaded = match format::read(Input::from_argument(file), &ReadOptions::default(), &|_, _| {}) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems}"),
    };
    let (read, read_cpu) = (start.elapsed().as_secs_f64(), busy_seconds());
    let question = Question::recognised(&loaded.history).expect("a known model");
    let question = Question { asked: Some(vec![Property::Level(Level::Linearizable)]), ..question };
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 200_000_000, bytes: 512 << 20, stop: &stop };
    let timed = check_timed(&loaded.history, &question, &limits);
    let answer = &timed.report.answers[0];
    let detail = match &answer.verdict {
        Verdict::Violated(violations) => format!(" by {} operations", violations[0].operations.len()),
        Verdict::Unknown(why) | Verdict::Untested(why) => format!(": {}", why.reason),
        Verdict::Holds(_) => String::new(),
    };
    println!(
        "{file}: {}{detail}, {}; read {read:.3} s, check {:.3} s, evidence {:.3} s; {:.2} s of CPU, {:.2} s of it reading",
        answer.verdict.name(),
        answer.method,
        timed.check,
        timed.verify,
        busy_seconds(),
        read_cpu
    );
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
