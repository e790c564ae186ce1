//! What stacks did by themselves is in the history: promotions, elections, restarts, what the proxy saw.
//!
//! What went wrong before: a history told what was done to a stack and not what the stack made of it. "Served again after
//! 3.1 s" could not be told apart into the time until somebody was promoted and the time until clients found out.
//!
//! Each event is held against what clients saw: whoever is said to have been promoted answers their writes from then on,
//! and not before. Skipped, with the reason, where programs are missing.

use crate::truth::stacks::{LIVES, Shown, drive, registers, started, switches};
use recorder::stores::etcd::EtcdCluster;
use recorder::stores::express_redis::{self, ExpressCluster};
use recorder::stores::memcached::{self, MemcachedCluster};
use recorder::stores::postgres::{self, PostgresCluster};
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::system::{MachineNeeds, Means, NetworkIsolation, run_isolated};
use std::time::Duration;
use workloads::{WorkloadKind, WorkloadSettings};

/// A change that the history tells of the stack.
#[derive(Debug)]
struct Change {
    time_ns: u64,
    what: String,
    node: String,
    now: String,
    was: String,
}

/// All changes, without what was told first.
fn changes(shown: &Shown) -> Vec<Change> {
    let text = std::str::from_utf8(&shown.journal).expect("UTF-8");
    let events = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON"));
    let of_stack = events.filter(|event: &serde_json::Value| event["process"] == "stack");
    let text = |value: &serde_json::Value| value.as_str().map_or(value.to_string(), str::to_owned);
    of_stack
        .filter(|event| !event["was"].is_null())
        .map(|event| Change {
            time_ns: event["time"].as_u64().expect("a time"),
            what: text(&event["f"]),
            node: text(&event["value"][0]),
            now: text(&event["value"][1]),
            was: text(&event["was"]),
        })
        .collect()
}

fn told<'a>(changes: &'a [Change], what: &str, node: &str, now: &str) -> Vec<&'a Change> {
    changes.iter().filter(|change| change.what == what && change.node == node && change.now == now).collect()
}

/// The first write that a node other than this one acknowledged: who did, and when.
fn first_by_another<'a>(shown: &'a Shown, than: &str) -> (&'a str, u64) {
    let writes = shown.operations.iter().filter(|op| op.f == "write" && op.ok());
    let first = writes.filter(|op| op.node != than).min_by_key(|op| op.completed_ns);
    first.map(|op| (op.node.as_str(), op.completed_ns)).expect("somebody else serves")
}

/// The looks are 100 ms apart, and on a busy machine one takes a while.
const LATE_NS: u64 = 1_500_000_000;

fn a_promotion_is_told(shown: &Shown, old: &str, now: &str) {
    let changes = changes(shown);
    let (served_by, served_ns) = first_by_another(shown, old);
    let promoted = told(&changes, "role", served_by, now);
    let [promotion] = promoted.as_slice() else { panic!("{served_by} serves; {changes:#?}") };
    let struck_ns = shown.outcome.faults[0].from_ns;
    eprintln!(
        "{}: struck at {} ms, {served_by} told {now} at {} ms, served at {} ms",
        shown.outcome.faults[0].fault,
        struck_ns / 1_000_000,
        promotion.time_ns / 1_000_000,
        served_ns / 1_000_000
    );
    assert!(promotion.time_ns > struck_ns && promotion.time_ns < served_ns + LATE_NS, "{promotion:?}");
    assert!(!told(&changes, "answers", old, "no").is_empty(), "{old} is not there: {changes:#?}");
}

#[test]
fn sentinels_tell_the_promotion_and_its_epoch() {
    let settings = registers("kill:primary@1s+5s", &["n1", "n2", "n3"], 7);
    let shown = run_isolated(|isolation| async move {
        let options = SentinelOptions { means: Some(Means::Proxies), ..SentinelOptions::default() };
        let mut cluster = started(&NetworkIsolation::Own, SentinelCluster::start(options, isolation).await)?;
        Some(
            drive(cluster.open_store(WorkloadKind::Register, false, None, LIVES), &mut cluster, &settings)
                .await,
        )
    });
    let Some(shown) = shown else { return };
    a_promotion_is_told(&shown, "n1", "primary");
    let changes = changes(&shown);
    let epochs = changes.iter().filter(|change| change.what == "epoch").count();
    assert!(epochs > 0, "Sentinels count failovers: {changes:#?}");
    // The old one comes back as another process.
    let back = changes.iter().find(|change| change.what == "process" && change.node == "n1");
    assert!(back.is_some_and(|back| back.was != back.now), "{changes:#?}");
}

#[test]
fn postgres_tells_the_promotion_and_its_timeline() {
    let settings = registers("kill:primary@1s+2s", &["p1", "p2"], 4);
    let shown = run_isolated(|isolation| async move {
        let switches = switches(postgres::SWITCHES, &["promote-after=500ms"]);
        let mut cluster = started(&isolation, PostgresCluster::start(&switches, isolation.clone()).await)?;
        Some(drive(cluster.open_store(WorkloadKind::Register, false, LIVES), &mut cluster, &settings).await)
    });
    let Some(shown) = shown else { return };
    a_promotion_is_told(&shown, "p1", "primary");
}

/// Clients of other members do not notice who leads: so the leader is held against the member that was killed.
#[test]
fn etcd_tells_the_new_leader_and_its_term() {
    let settings = registers("kill:primary@1s+3s", &["e1", "e2", "e3"], 5);
    let shown = run_isolated(|isolation| async move {
        let mut cluster = started(&isolation, EtcdCluster::start(isolation.clone()).await)?;
        Some(drive(cluster.open_store(WorkloadKind::Register, false, LIVES), &mut cluster, &settings).await)
    });
    let Some(shown) = shown else { return };
    let (changes, killed) = (changes(&shown), shown.outcome.faults[0].nodes[0].clone());
    let leads = changes.iter().find(|change| change.what == "role" && change.now == "leader");
    let leads = leads.unwrap_or_else(|| panic!("{changes:#?}"));
    eprintln!("etcd: {killed} killed, {} leads after {} ms", leads.node, leads.time_ns / 1_000_000);
    assert_ne!(leads.node, killed);
    let terms: Vec<&Change> = changes.iter().filter(|change| change.what == "epoch").collect();
    assert!(terms.iter().all(|term| term.now.parse::<u64>().unwrap() > term.was.parse::<u64>().unwrap()));
    assert!(!terms.is_empty());
}

#[test]
fn memcached_tells_that_another_process_serves() {
    let settings = registers("restart:m1@1s", &["m1"], 2);
    let shown = run_isolated(|isolation| async move {
        let switches = switches(memcached::SWITCHES, &[]);
        let mut cluster = started(&isolation, MemcachedCluster::start(&switches, isolation.clone()).await)?;
        Some(drive(cluster.open_store(WorkloadKind::Register, LIVES), &mut cluster, &settings).await)
    });
    let Some(shown) = shown else { return };
    let changes = changes(&shown);
    let processes = changes.iter().filter(|change| change.what == "process").count();
    assert_eq!(processes, 1, "{changes:#?}");
}

/// The proxy takes a node out that was killed, and takes it in again: from then on it answers users.
#[test]
fn the_proxy_tells_which_nodes_it_sees() {
    let mut settings = registers("kill:a1@2s+3s", &["n1", "n2", "n3", "a1", "a2", "proxy"], 7);
    settings.workload =
        WorkloadSettings { kind: WorkloadKind::Session, sessions: 9, ..WorkloadSettings::new(1) };
    settings.load = "100/s".parse().unwrap();
    settings.timeout = Duration::from_secs(2);
    let shown = run_isolated(|isolation| async move {
        let switches = switches(express_redis::SWITCHES, &[]);
        let cluster =
            ExpressCluster::start(switches, LIVES, isolation.clone(), MachineNeeds::default()).await;
        let mut cluster = started(&isolation, cluster)?;
        Some(drive(cluster.open_store(false).unwrap(), &mut cluster, &settings).await)
    });
    let Some(shown) = shown else { return };
    let changes = changes(&shown);
    let (down, up) = (told(&changes, "proxy-sees", "a1", "DOWN"), told(&changes, "proxy-sees", "a1", "UP"));
    // On a busy machine its checks may fail at other times too.
    let down = down.first().unwrap_or_else(|| panic!("{changes:#?}"));
    let up = up.iter().find(|up| up.time_ns > down.time_ns).unwrap_or_else(|| panic!("{changes:#?}"));
    let answers = shown.operations.iter().filter(|op| op.node == "a1" && op.ok());
    let meanwhile =
        answers.filter(|op| op.invoked_ns > down.time_ns && op.completed_ns + LATE_NS < up.time_ns);
    assert_eq!(meanwhile.count(), 0, "nobody was sent to a1 while the proxy saw it down");
    let after: Vec<_> = shown.operations.iter().filter(|op| op.ok() && op.invoked_ns > up.time_ns).collect();
    assert!(after.len() < 20 || after.iter().any(|op| op.node == "a1"), "{} answers", after.len());
}
