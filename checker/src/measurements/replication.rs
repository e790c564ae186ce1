//! What replication looks like from outside: who answered with something older, by how long, and what the replicas
//! hold in the end.
//!
//! Lag is taken from reads before the first fault: what a failover does to them is another matter. A read is stale here if
//! it lacks what had been *acknowledged* before it began; one that found no session where there was one does. What was
//! merely seen somewhere is not enough: PostgreSQL with `remote_apply` shows a commit at the standby before it
//! acknowledges it, and before the primary shows it, and is synchronous all the same.
//!
//! A store that only ever answers from its primary shows no lag, however it replicates, and neither does one that is
//! asked long after each write. So *synchronous* has to be earned by reads that could have shown a lag: reads at one
//! replica that began within [`RESOLUTION_NS`] after another one had acknowledged a write of the same object. Whoever
//! answers for an application is no replica ([`Nodes`]). What a failover lost was not replicated when it was
//! acknowledged, whatever the reads say. What is said is what was *seen*, and what it rests on.

use super::faults::MeasuredFault;
use super::latency::Quantiles;
use super::losses::MeasuredLosses;
use super::nodes::Nodes;
use super::samples::Samples;
use super::staleness::Staleness;
use histories::{Argument, Function, History, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Fewer reads than this say nothing.
const READS_LEAST: usize = 100;
/// A lag that is shorter than this is not told from none: about the time that a request takes in one data centre.
pub const RESOLUTION_NS: i64 = 1_000_000;

/// What replication looks like.
#[derive(Clone, PartialEq, Debug)]
pub struct ReplicationMeasurements {
    /// In a word.
    pub looks: ObservedReplication,
    /// What that rests on.
    pub basis: ReplicationBasis,
    /// Reads before the first fault that succeeded.
    pub reads: usize,
    /// Those of them that could have shown a lag of [`RESOLUTION_NS`].
    pub telling_reads: usize,
    /// For how long a newer version had been there, of the stale ones among them, in ns.
    pub lag: Option<Quantiles>,
    /// The same by the node that answered, where that is told.
    pub nodes: Vec<NodeReads>,
    /// What the replicas held in the end, where they were asked one by one.
    pub replicas: Option<FinalReplicas>,
}

/// What replication looks like, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObservedReplication {
    /// Reads were stale before any fault, or a failover lost what was acknowledged.
    Asynchronous,
    /// Enough reads could have shown a lag, and none did.
    Synchronous,
    /// No read was stale, and too few could have been.
    NoLagSeen,
    /// There were too few reads to tell.
    Unknown,
}

/// What the word rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplicationBasis {
    /// Stale reads before any fault.
    StaleReads,
    /// What one server had acknowledged and another did not have.
    Losses,
    /// Reads at one replica right after a write at another, none of which was stale.
    TellingReads,
    /// Nothing: those who answered are no replicas, but answer for them.
    NoReplicas,
    /// Nothing: no or few reads came right after a write at another replica.
    FewTellingReads,
    /// Nothing: there were few reads before the first fault, or their versions are not known.
    FewReads,
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
pub struct FinalReplicas {
    /// Who answered.
    pub nodes: usize,
    /// Keys that at least two of them were asked for with success.
    pub keys: usize,
    /// Those of which they hold different things, as JSON.
    pub divergent: Vec<String>,
    /// Questions that got no answer.
    pub unanswered: usize,
}

pub(super) fn measure_replication(
    history: &History,
    samples: &Samples,
    faults: &[MeasuredFault],
    staleness: &Staleness,
    losses: &MeasuredLosses,
) -> ReplicationMeasurements {
    let nodes = Nodes::from_history(history);
    let calm = faults.iter().map(|fault| fault.struck).min().unwrap_or(i64::MAX);
    let ages = measure_ages(history, losses);
    // The last acknowledged write of each object so far: who acknowledged it, and when.
    let mut written: FxHashMap<u32, (Option<u32>, i64)> = FxHashMap::default();
    let mut by_node: BTreeMap<Option<u32>, (usize, Vec<i64>)> = BTreeMap::new();
    let mut telling_reads = 0;
    for (time, is_end, id) in collect_events(history, samples, calm) {
        let (key, node) = (history.key(id).raw(), nodes.replica_of(id));
        if is_end {
            written.insert(key, (node, time));
            continue;
        }
        let (reads, stale) = by_node.entry(nodes.node_of(id)).or_default();
        *reads += 1;
        stale.extend(ages.get(&id));
        let soon = written.get(&key).filter(|(_, then)| time - then <= RESOLUTION_NS);
        let elsewhere = soon.is_some_and(|(writer, _)| writer.is_some() && node.is_some() && *writer != node);
        telling_reads += usize::from(elsewhere);
    }
    let reads = by_node.values().map(|(reads, _)| reads).sum();
    let all: Vec<i64> = by_node.values().flat_map(|(_, ages)| ages).copied().collect();
    let failover_lost = was_lost_elsewhere(&nodes, losses);
    let known = staleness.traced > 0 || !losses.lacking.is_empty();
    let (looks, basis) = match (all.is_empty(), failover_lost, reads < READS_LEAST || !known) {
        (false, ..) => (ObservedReplication::Asynchronous, ReplicationBasis::StaleReads),
        (_, true, _) => (ObservedReplication::Asynchronous, ReplicationBasis::Losses),
        (_, _, true) => (ObservedReplication::Unknown, ReplicationBasis::FewReads),
        _ if telling_reads >= READS_LEAST => {
            (ObservedReplication::Synchronous, ReplicationBasis::TellingReads)
        }
        _ if !nodes.are_replicas => (ObservedReplication::NoLagSeen, ReplicationBasis::NoReplicas),
        _ => (ObservedReplication::NoLagSeen, ReplicationBasis::FewTellingReads),
    };
    let of = by_node.into_iter().filter_map(|(node, (reads, ages))| {
        let node = nodes.names[node? as usize].clone();
        Some(NodeReads { node, reads, stale: ages.len(), lag: Quantiles::from_values(ages) })
    });
    let nodes = of.collect();
    let lag = Quantiles::from_values(all);
    ReplicationMeasurements {
        looks,
        basis,
        reads,
        telling_reads,
        lag,
        nodes,
        replicas: compare_replicas(history),
    }
}

/// Reads by when they began, and writes by when they were acknowledged, before a time: of users, and in order.
fn collect_events(history: &History, samples: &Samples, calm: i64) -> Vec<(i64, bool, OpId)> {
    let rows = samples.rows[..samples.index_from(calm)].iter().filter(|row| row.outcome == Outcome::Ok);
    let event = |row: &super::samples::Sample| {
        let ended = row.ended?;
        match history.function(row.id) {
            Function::READ | Function::GET => Some((row.invoked, false, row.id)),
            _ if has_argument(history, row.id) => Some((ended, true, row.id)),
            _ => None,
        }
    };
    let mut events: Vec<_> = rows.filter_map(event).collect();
    events.sort_unstable();
    events
}

fn has_argument(history: &History, id: OpId) -> bool {
    !matches!(history.argument(id), Argument::Value(ValueId::NULL) | Argument::Micros(_))
}

/// For how long what it lacks had been acknowledged when it began, of each read that lacks anything, in ns.
fn measure_ages(history: &History, losses: &MeasuredLosses) -> FxHashMap<OpId, i64> {
    let mut ages: FxHashMap<OpId, i64> = FxHashMap::default();
    for &(lacked, answer) in &losses.lacking {
        // A session that is there although it was ended need not be old: somebody may have brought it back.
        let there = history.operation(answer).result != ValueId::NULL;
        let ends = matches!(history.function(lacked), Function::DESTROY | Function::RENEW);
        let in_turn = history.operation(lacked).completed < history.operation(answer).invoked;
        let times = history.invoked_at(answer).zip(history.completed_at(lacked));
        if let Some((began, acknowledged)) = times.filter(|_| in_turn && !(there && ends)) {
            let age = ages.entry(answer).or_insert(0);
            *age = (*age).max(began - acknowledged);
        }
    }
    ages
}

/// Whether something was lost that one server had acknowledged and another, or one that is not known, did not have.
fn was_lost_elsewhere(nodes: &Nodes, losses: &MeasuredLosses) -> bool {
    let lost: FxHashSet<OpId> = losses.certain.iter().copied().collect();
    losses.lacking.iter().any(|&(lacked, answer)| {
        let (one, other) = (nodes.replica_of(lacked), nodes.replica_of(answer));
        lost.contains(&lacked) && (one.is_none() || one != other)
    })
}

/// Compares what the replicas held. Where they were asked several times, the last answer counts.
fn compare_replicas(history: &History) -> Option<FinalReplicas> {
    let mut held: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut found = FinalReplicas::default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurements::tests::{history, measured};
    use crate::measurements::{measure_history, measure_register_losses};

    /// Rounds of a write at n1 and a read at n2, which begins so many ms after the write was acknowledged.
    fn rounds(count: usize, after_ms: f64, stale: bool) -> String {
        let round = |at: usize| {
            let (from, seen) = (at * 10 + 10, if stale { at } else { at + 1 });
            let read = from as f64 + 1.0 + after_ms;
            format!(
                "{from}-{} a write x {} ok @n1\n{read}-{} b read x {seen} ok @n2\n",
                from + 1,
                at + 1,
                read + 1.0
            )
        };
        (1..=count).map(round).collect()
    }

    fn looks(text: &str) -> (ObservedReplication, ReplicationBasis, usize) {
        let found = measured(text).replication;
        (found.looks, found.basis, found.telling_reads)
    }

    /// Asynchronous replication that takes 0.3 ms looked synchronous to whoever read 5 ms after each write, which was
    /// wrong in four of six set-ups. Reads have to come soon enough to see a lag.
    #[test]
    fn synchronous_has_to_be_earned() {
        assert_eq!(
            looks(&rounds(120, 5.0, false)),
            (ObservedReplication::NoLagSeen, ReplicationBasis::FewTellingReads, 0)
        );
        assert_eq!(
            looks(&rounds(120, 0.5, false)),
            (ObservedReplication::Synchronous, ReplicationBasis::TellingReads, 120)
        );
        assert_eq!(looks(&rounds(90, 0.5, false)).0, ObservedReplication::Unknown);
        let stale = format!("{}{}", "2-3 a write x 1 ok @n1\n", rounds(120, 0.5, true));
        assert_eq!(looks(&stale).0, ObservedReplication::Asynchronous);
    }

    /// A standby that shows a commit before it is acknowledged, and a primary that shows it only then, looked asynchronous.
    #[test]
    fn what_was_seen_but_not_acknowledged_is_no_lag() {
        let early = |at: usize| {
            let (from, next) = (at * 10 + 10, at + 1);
            format!(
                "{from}-{}.6 a write x {next} ok @n1\n{from}.1-{from}.2 b read x {next} ok @n2\n\
                 {from}.3-{from}.4 b read x {at} ok @n1\n{}.8-{}.9 b read x {next} ok @n2\n",
                from + 1,
                from + 1,
                from + 1
            )
        };
        let text: String = (1..=120).map(early).collect();
        assert_eq!(looks(&format!("2-3 a write x 1 ok @n1\n{text}")).0, ObservedReplication::Synchronous);
    }

    /// Reads at the server that acknowledged the write see it at once, however it replicates.
    #[test]
    fn reads_at_the_writer_itself_tell_nothing() {
        let own = rounds(120, 0.5, false).replace("@n2", "@n1");
        assert_eq!(looks(&own), (ObservedReplication::NoLagSeen, ReplicationBasis::FewTellingReads, 0));
    }

    /// Two instances of an application share what is behind them: an answer with a status is one of theirs.
    #[test]
    fn nodes_of_an_application_are_no_replicas() {
        let lines = crate::measurements::tests::lines(&rounds(120, 0.5, false));
        let text = lines.join("\n").replace("\"node\":", "\"status\":200,\"node\":");
        let history =
            histories::format::from_text(histories::format::Format::Native, &text).expect("a history");
        let found =
            measure_history(&history, ValueId::NULL, &measure_register_losses(&history, ValueId::NULL))
                .replication;
        assert_eq!(
            (found.looks, found.basis),
            (ObservedReplication::NoLagSeen, ReplicationBasis::NoReplicas)
        );
    }

    /// Replicas that are asked one by one are named in the history; whoever else answers is none.
    #[test]
    fn replicas_are_those_that_are_asked_by_themselves() {
        let asked = |node: &str| format!("{}9000 replica read [\"{node}\",\"x\",1]\n", rounds(2, 0.5, false));
        let are = |text: &str| Nodes::from_history(&history(text)).are_replicas;
        assert!(!are(&asked("n1")), "n2 is not among them");
        assert!(are(&format!("{}9001 replica read [\"n2\",\"x\",1]", asked("n1"))));
    }
}
