//! Times the monitor on a stream of simulated registers that is generated on the fly:
//! `monitor OPERATIONS PROCESSES KEYS INDETERMINATE_PER_MILLION MEBIBYTES SEED`.
//!
//! Every value is written once, each process is a session, and all processes are busy. All operations end at the end of
//! each block of 20,000. The time for generating the stream is measured separately.
//!
//! `monitor causal OPERATIONS PROCESSES KEYS INDETERMINATE_PER_MILLION MEBIBYTES SEED LEVELS` does the same with the levels that follow,
//! separated by commas: by default causal and causal-convergence. `monitor sessions …` takes the four session guarantees and `session`.
//!
//! `monitor lists|registers TRANSACTIONS CLIENTS KEYS WRITES_PER_KEY LENGTH INDETERMINATE_PER_MILLION MEBIBYTES SEED LEVELS`
//! does the same with transactions on a strictly serializable store. LEVELS are separated by commas.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

use benches::transaction_stream::{StreamPlan, TransactionStream};
use checker::{IsolationLevel, Level, Model, Monitor, MonitorLimits, Property, Question, StreamEvent};
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, Outcome, Payload, ValueId,
};
use std::time::{Duration, Instant};
use workloads::databases::{Random, Shape};

const BLOCK: u64 = 20_000;
const GUARANTEES: &str = "read-your-writes,monotonic-reads,monotonic-writes,writes-follow-reads,session";

/// What an open operation has done: its process, key and argument, and what it returns once it took effect.
struct OpenOperation {
    process: i64,
    client: usize,
    key: usize,
    writes: Option<u64>,
    returns: Option<u64>,
}

struct Stream {
    random: Random,
    /// What each register holds; 0 is the initial value.
    held: Vec<u64>,
    clients: usize,
    next_process: i64,
    next_value: u64,
    indeterminate_per_million: usize,
}

impl Stream {
    /// Generates the next operations. All of them have ended. Values and process numbers continue from block to block.
    fn next_block(&mut self) -> History {
        let mut builder = HistoryBuilder::new();
        let mut open: Vec<Option<OpenOperation>> = (0..self.clients).map(|_| None).collect();
        let mut left = BLOCK;
        while left > 0 || open.iter().any(Option::is_some) {
            let client = self.random.draw_below(self.clients);
            open[client] = match open[client].take() {
                None if left == 0 => None,
                None => {
                    left -= 1;
                    Some(self.invoke(client, &mut builder))
                }
                Some(operation) if operation.returns.is_none() => Some(self.take_effect(operation)),
                Some(operation) => {
                    self.complete(&operation, &mut builder);
                    None
                }
            };
        }
        builder.finish()
    }

    fn invoke(&mut self, client: usize, builder: &mut HistoryBuilder) -> OpenOperation {
        let key = self.random.draw_below(self.held.len());
        self.next_value += 1;
        let writes = (self.random.draw_below(2) == 0).then_some(self.next_value);
        let process = self.next_process;
        self.next_process += 1;
        let session = Some(builder.history().sessions.intern(&client.to_string()));
        let function = if writes.is_some() { Function::WRITE } else { Function::READ };
        let payload = Payload::Value(value_id(builder, writes.unwrap_or(0)));
        let key_id = key_id(builder, key);
        builder
            .invoke(Invocation { process, session, function, key: key_id, payload })
            .expect("a new process");
        OpenOperation { process, client, key, writes, returns: None }
    }

    fn take_effect(&mut self, mut operation: OpenOperation) -> OpenOperation {
        if let Some(value) = operation.writes {
            self.held[operation.key] = value;
        }
        operation.returns = Some(self.held[operation.key]);
        debug_assert!(operation.client < self.clients);
        operation
    }

    fn complete(&mut self, operation: &OpenOperation, builder: &mut HistoryBuilder) {
        let is_lost = self.random.draw_below(1_000_000) < self.indeterminate_per_million;
        let outcome = if is_lost { Outcome::Info } else { Outcome::Ok };
        let payload = Payload::Value(value_id(builder, operation.returns.unwrap_or(0)));
        let process = operation.process;
        builder
            .complete(Completion { process, outcome, function: None, key: None, payload })
            .expect("it is open");
    }
}

fn value_id(builder: &mut HistoryBuilder, value: u64) -> ValueId {
    if value == 0 { ValueId::NULL } else { builder.history().values.intern(&value.to_string()) }
}

fn key_id(builder: &mut HistoryBuilder, key: usize) -> KeyId {
    builder.history().keys.intern(&format!("\"k{key}\""))
}

/// The memory of this process in MiB.
fn resident_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells the memory of a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line with the memory in use");
    let kibibytes: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
    kibibytes / 1024
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("lists") => follow_transactions(Shape::Lists, &args[1..]),
        Some("registers") => follow_transactions(Shape::Registers, &args[1..]),
        Some("causal") => follow_registers(&args[1..], Some("causal,causal-convergence")),
        Some("sessions") => follow_registers(&args[1..], Some(GUARANTEES)),
        _ => follow_registers(&args, None),
    }
}

/// `levels` are those that are asked unless others are typed; none are those of registers.
fn follow_registers(args: &[String], levels: Option<&str>) {
    let (numbers, typed) = args.split_at(6.min(args.len()));
    let n: Vec<u64> = numbers.iter().map(|arg| arg.parse().expect("a number")).collect();
    let [operations, processes, keys, indeterminate, mebibytes, seed] = n[..] else {
        panic!("six numbers: operations processes keys indeterminate-per-million mebibytes seed");
    };
    let mut stream = Stream {
        random: Random::new(seed),
        held: vec![0; keys as usize],
        clients: processes as usize,
        next_process: 0,
        next_value: 0,
        indeterminate_per_million: indeterminate as usize,
    };
    let mut question = Question::about(Model::Register);
    if let Some(levels) = typed.first().map(String::as_str).or(levels) {
        let level = |level: &str| Property::Level(level.parse::<Level>().expect("a level"));
        question.asked = Some(levels.split(',').map(level).collect());
    }
    time_monitor(question, operations, mebibytes, || stream.next_block());
}

fn follow_transactions(shape: Shape, args: &[String]) {
    let (numbers, levels) = args.split_at(8.min(args.len()));
    let n: Vec<u64> = numbers.iter().map(|arg| arg.parse().expect("a number")).collect();
    let [transactions, clients, keys, writes_per_key, length, indeterminate, mebibytes, seed] = n[..] else {
        panic!(
            "eight numbers: transactions clients keys writes-per-key length indeterminate-per-million mebibytes seed"
        );
    };
    let plan = StreamPlan {
        shape,
        clients: clients as usize,
        keys: keys as usize,
        writes_per_key,
        length_max: length as usize,
        indeterminate_per_million: indeterminate as usize,
    };
    let levels = levels.first().map_or("strict-serializable", String::as_str).split(',');
    let asked = levels.map(|level| Property::Isolation(level.parse::<IsolationLevel>().expect("a level")));
    let model = if shape == Shape::Lists { Model::ListAppend } else { Model::RwRegister };
    let question = Question { asked: Some(asked.collect()), ..Question::about(model) };
    let mut stream = TransactionStream::new(plan, seed);
    time_monitor(question, transactions, mebibytes, || stream.next_block(BLOCK as usize));
}

/// Follows a stream of blocks, and prints the throughput of the monitor and the memory of this process ten times.
fn time_monitor(
    question: Question,
    operations: u64,
    mebibytes: u64,
    mut next_block: impl FnMut() -> History,
) {
    let limits = MonitorLimits::within((mebibytes << 20) as usize);
    let mut monitor = Monitor::new(question, limits).expect("a question that is judged online");
    let mut taken = Duration::ZERO;
    let blocks = operations.div_ceil(BLOCK);
    let mut most_kept = 0;
    for block in 1..=blocks {
        let part = next_block();
        let began = Instant::now();
        for event in StreamEvent::all(&part) {
            monitor.push(event).expect("a history");
        }
        taken += began.elapsed();
        most_kept = most_kept.max(monitor.kept_operations());
        if block % blocks.div_ceil(10) == 0 || block == blocks {
            let done = block * BLOCK;
            println!(
                "{done:>11} operations  {:>8.0}/s  {:>7} kept, at most {most_kept}  {:>5} MiB",
                done as f64 / taken.as_secs_f64(),
                monitor.kept_operations(),
                resident_mebibytes()
            );
        }
    }
    monitor.judge().expect("no internal error");
    for answer in monitor.answers() {
        println!("  {} {}", answer.property.name(), answer.verdict.name());
    }
}
