//! What a recorded history shows, found out by code that shares nothing with the checker.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod sessions;
pub(crate) mod stacks;

use recorder::journal::MemorySink;
use recorder::stores::embedded::{EmbeddedOptions, simulate};
use recorder::{RunCounts, RunOutcome, RunSettings, Stop};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use workloads::{FaultSchedule, Plan, WorkloadSettings};

/// An operation with the positions of its events.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) process: u64,
    pub(crate) session: String,
    pub(crate) f: String,
    pub(crate) key: String,
    pub(crate) argument: serde_json::Value,
    pub(crate) result: serde_json::Value,
    pub(crate) outcome: String,
    pub(crate) error: String,
    pub(crate) node: String,
    pub(crate) invoked: usize,
    pub(crate) completed: usize,
    pub(crate) invoked_ns: u64,
    pub(crate) completed_ns: u64,
}

impl Op {
    pub(crate) fn ok(&self) -> bool {
        self.outcome == "ok"
    }
}

/// Reads a journal and holds it to the rules of histories.
pub(crate) fn operations(journal: &[u8]) -> Vec<Op> {
    let text = std::str::from_utf8(journal).unwrap();
    let mut operations: Vec<Op> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    let mut retired = std::collections::HashSet::new();
    let mut last_ns = 0;
    for (position, line) in text.lines().skip(1).enumerate() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["index"], position);
        let time_ns = event["time"].as_u64().unwrap();
        assert!(time_ns >= last_ns, "time goes forward");
        last_ns = time_ns;
        let Some(process) = event["process"].as_u64() else { continue };
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        if event["type"] == "invoke" {
            assert!(!retired.contains(&process), "a process goes on after info: {line}");
            assert!(open.insert(process, operations.len()).is_none(), "two open operations: {line}");
            operations.push(Op {
                process,
                session: text("session"),
                f: text("f"),
                key: text("key"),
                argument: event["value"].clone(),
                result: serde_json::Value::Null,
                outcome: "info".to_owned(),
                error: String::new(),
                node: String::new(),
                invoked: position,
                completed: usize::MAX,
                invoked_ns: time_ns,
                completed_ns: u64::MAX,
            });
        } else {
            let op = &mut operations[open.remove(&process).expect("an open operation")];
            op.outcome = text("type");
            op.error = text("error");
            op.node = text("node");
            op.result = event["value"].clone();
            if op.outcome == "info" {
                retired.insert(process);
            } else {
                op.completed = position;
                op.completed_ns = time_ns;
            }
        }
    }
    operations
}

/// Settings for a short run with these faults.
pub(crate) fn settings(
    workload: WorkloadSettings,
    strikes: &[&str],
    nodes: usize,
    seconds: u64,
) -> RunSettings {
    let schedule = FaultSchedule {
        strikes: strikes.iter().map(|text| text.parse().unwrap()).collect(),
        timing: "once".parse().unwrap(),
        length: Duration::from_secs(3),
    };
    planned(workload, &schedule, nodes, seconds)
}

pub(crate) fn planned(
    workload: WorkloadSettings,
    schedule: &FaultSchedule,
    nodes: usize,
    seconds: u64,
) -> RunSettings {
    let duration = Duration::from_secs(seconds);
    let names: Vec<String> = (1..=nodes).map(|number| format!("n{number}")).collect();
    RunSettings {
        plan: Plan::new(schedule, workload.seed, &names, duration).unwrap(),
        workload,
        load: "500/s".parse().unwrap(),
        workers: 5,
        timeout: Duration::from_millis(500),
        patience: Duration::from_secs(1),
        warm_start: false,
        duration,
        after_heal: Duration::from_secs(2),
        settle: Duration::from_secs(2),
        look_every: None,
    }
}

/// Runs the embedded store; returns the journal as well.
pub(crate) fn run(options: &EmbeddedOptions, settings: &RunSettings) -> (RunOutcome, Vec<u8>) {
    let sink = MemorySink::default();
    let header = "{\"steadfast\":1}";
    let outcome =
        simulate(options, settings, sink.clone(), header, Arc::new(RunCounts::default()), Stop::default());
    (outcome.unwrap(), sink.bytes())
}

/// Whether a history of reads and writes of distinct values is linearizable, key by key: the condition of
/// Gibbons & Korach (1997) on pairs of clusters (a write and the reads of its value), tried on every pair.
/// The error says what is wrong.
pub(crate) fn linearizable(operations: &[Op]) -> Result<(), String> {
    let mut keys: BTreeMap<&str, Vec<&Op>> = BTreeMap::new();
    for op in operations {
        keys.entry(&op.key).or_default().push(op);
    }
    keys.into_iter()
        .try_for_each(|(key, operations)| one_key(&operations).map_err(|why| format!("{key}: {why}")))
}

fn one_key(operations: &[&Op]) -> Result<(), String> {
    // For each value: when it was first over (a response), and when it was last begun (an invocation).
    let mut clusters: BTreeMap<String, (usize, usize)> = BTreeMap::from([("null".to_owned(), (0, 0))]);
    let mut written: BTreeMap<String, &Op> = BTreeMap::new();
    for op in operations.iter().filter(|op| op.f == "write" && op.outcome != "fail") {
        assert!(written.insert(op.argument.to_string(), op).is_none(), "a value written twice");
    }
    for op in operations.iter().filter(|op| op.f == "read" && op.ok()) {
        let value = op.result.to_string();
        let write = written.get(&value);
        if value != "null" && write.is_none_or(|write| write.invoked > op.completed) {
            return Err(format!("event {} reads {value}, which nobody had written", op.invoked));
        }
        let begun = write.map_or(0, |write| write.invoked);
        let over = write.map_or(0, |write| write.completed);
        let cluster = clusters.entry(value).or_insert((over, begun));
        *cluster = (cluster.0.min(op.completed), cluster.1.max(op.invoked));
    }
    for (value, write) in written.iter().filter(|(_, write)| write.ok()) {
        clusters.entry(value.clone()).or_insert((write.completed, write.invoked));
    }
    let clusters: Vec<_> = clusters.into_iter().collect();
    for (n, (a, (over_a, begun_a))) in clusters.iter().enumerate() {
        for (b, (over_b, begun_b)) in &clusters[n + 1..] {
            // Part of a comes before part of b, and part of b before part of a.
            if over_a < begun_b && over_b < begun_a {
                return Err(format!("values {a} and {b} each come before the other"));
            }
        }
    }
    Ok(())
}

/// Acknowledged writes that are not the last of their key in any order that real time allows, though the
/// final reads say that something older survived: lost for certain.
pub(crate) fn lost_writes(operations: &[Op]) -> usize {
    let finals = operations.iter().filter(|op| op.session == "final" && op.ok());
    let mut lost = 0;
    for read in finals {
        let survived = operations.iter().find(|op| {
            op.f == "write" && op.key == read.key && op.argument == read.result && op.outcome != "fail"
        });
        let survived_at = survived.map_or(0, |write| write.completed);
        lost += operations
            .iter()
            .filter(|op| op.f == "write" && op.key == read.key && op.ok() && op.invoked > survived_at)
            .count();
    }
    lost
}

/// Reads that return a value though a later one had been acknowledged before they began: both writes and the
/// read follow one another in real time.
pub(crate) fn stale_reads(operations: &[Op]) -> usize {
    let writes: Vec<&Op> = operations.iter().filter(|op| op.f == "write").collect();
    let stale = |read: &&Op| {
        let seen = writes.iter().find(|write| write.key == read.key && write.argument == read.result);
        seen.is_some_and(|seen| {
            writes.iter().any(|later| {
                later.key == read.key
                    && later.ok()
                    && seen.completed < later.invoked
                    && later.completed < read.invoked
            })
        })
    };
    operations.iter().filter(|op| op.f == "read" && op.ok()).filter(stale).count()
}
