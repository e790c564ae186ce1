//! What replication looks like from outside: who answered with something older, by how long, and what the replicas
//! hold in the end.
//!
//! Lag is taken from reads before the first fault: what a failover does to them is another matter. A store that only
//! ever answers from its primary shows no lag, however it replicates; so what is said is what was *seen*.

use super::faults::Fault;
use super::latency::Quantiles;
use super::notes::NONE;
use super::samples::Samples;
use super::staleness::Staleness;
use histories::{Function, History};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Fewer reads than this say nothing.
const READS_LEAST: usize = 100;

/// What replication looks like.
#[derive(Clone, PartialEq, Debug)]
pub struct Replication {
    /// In a word.
    pub looks: Looks,
    /// Reads before the first fault that could be traced to a write.
    pub reads: usize,
    /// For how long a newer version had been there, of the stale ones among them, in ns.
    pub lag: Option<Quantiles>,
    /// The same by the node that answered, where that is told.
    pub nodes: Vec<NodeReads>,
    /// What the replicas held in the end, where they were asked one by one.
    pub replicas: Option<Replicas>,
}

/// What replication looks like, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looks {
    /// Reads were stale before any fault, or acknowledged writes were lost.
    Asynchronous,
    /// Several nodes answered, and none of them with anything older.
    Synchronous,
    /// No read was stale, and no more than one node is known to have answered.
    NoLagSeen,
    /// There were too few reads to tell.
    Unknown,
}

/// What one node answered before the first fault.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeReads {
    /// Its name.
    pub node: String,
    /// Its answers to reads, successes all.
    pub reads: usize,
    /// How many of them were stale.
    pub stale: usize,
    /// For how long a newer version had been there, in ns.
    pub lag: Option<Quantiles>,
}

/// What the replicas held in the end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replicas {
    /// Who answered.
    pub nodes: usize,
    /// Keys that at least two of them were asked for with success.
    pub keys: usize,
    /// Those of which they hold different things, as JSON.
    pub divergent: Vec<String>,
    /// Questions that got no answer.
    pub unanswered: usize,
}

pub(super) fn replication(
    history: &History,
    samples: &Samples,
    faults: &[Fault],
    staleness: &Staleness,
    writes_lost: bool,
) -> Replication {
    let calm = faults.iter().map(|fault| fault.struck).min().unwrap_or(i64::MAX);
    let ages: FxHashMap<u32, i64> = staleness.stale.iter().map(|read| (read.id.raw(), read.age)).collect();
    let mut by_node: BTreeMap<u32, (usize, Vec<i64>)> = BTreeMap::new();
    let rows = samples.rows[..samples.from(calm)].iter();
    for row in rows.filter(|row| row.ended.is_some() && row.outcome == histories::Outcome::Ok) {
        if matches!(history.function(row.id), Function::READ | Function::GET) {
            let (reads, stale) = by_node.entry(row.node).or_default();
            *reads += 1;
            stale.extend(ages.get(&row.id.raw()));
        }
    }
    let reads = by_node.values().map(|(reads, _)| reads).sum();
    let all: Vec<i64> = by_node.values().flat_map(|(_, ages)| ages).copied().collect();
    let nodes: Vec<NodeReads> = by_node
        .into_iter()
        .filter(|(node, _)| *node != NONE)
        .map(|(node, (reads, ages))| NodeReads {
            node: samples.nodes[node as usize].clone(),
            reads,
            stale: ages.len(),
            lag: Quantiles::of(ages),
        })
        .collect();
    let looks = match (all.is_empty() && !writes_lost, reads < READS_LEAST || staleness.traced == 0) {
        (false, _) => Looks::Asynchronous,
        (true, true) => Looks::Unknown,
        (true, false) if nodes.iter().filter(|node| node.reads >= READS_LEAST).count() > 1 => {
            Looks::Synchronous
        }
        (true, false) => Looks::NoLagSeen,
    };
    Replication { looks, reads, lag: Quantiles::of(all), nodes, replicas: replicas(history) }
}

/// Compares what the replicas held. Where they were asked several times, the last answer counts.
fn replicas(history: &History) -> Option<Replicas> {
    let mut held: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut found = Replicas::default();
    let mut nodes = FxHashSet::default();
    let mut asked = false;
    for event in history.actor_events() {
        if event.actor != "replica" || event.function != "read" {
            continue;
        }
        asked = true;
        let failed = history.note(event.position).is_some_and(|note| note.fields.contains("\"error\""));
        let Ok([node, key, value]) = serde_json::from_str::<[serde_json::Value; 3]>(&event.value) else {
            continue;
        };
        if failed {
            found.unanswered += 1;
            continue;
        }
        nodes.insert(node.to_string());
        held.entry(key.to_string()).or_default().insert(node.to_string(), value.to_string());
    }
    found.nodes = nodes.len();
    for (key, answers) in held.into_iter().filter(|(_, answers)| answers.len() > 1) {
        found.keys += 1;
        let mut answers = answers.into_values();
        let first = answers.next();
        if answers.any(|answer| Some(&answer) != first.as_ref()) {
            found.divergent.push(key);
        }
    }
    asked.then_some(found)
}
