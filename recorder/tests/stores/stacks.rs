//! The stacks for real: what each keeps and loses, found out by code that shares nothing with the checker.
//!
//! Each test has servers and a network namespace of its own, so they run side by side. Skipped, with the
//! reason, where programs are missing or no namespace is to be had.

use crate::truth::sessions::{lost_actions, repeated_actions};
use crate::truth::{Op, linearizable, lost_writes, operations, settings, stale_reads};
use recorder::journal::MemorySink;
use recorder::stores::etcd::EtcdCluster;
use recorder::stores::express_redis::{self, ExpressCluster};
use recorder::stores::memcached::{self, MemcachedCluster};
use recorder::stores::postgres::{self, PostgresCluster};
use recorder::stores::switches::Switches;
use recorder::system::{MachineNeeds, NetworkIsolation, ServerError, run_isolated};
use recorder::{Clock, Journal, Nemesis, RunCounts, RunOutcome, RunSettings, Stop, Store, run};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use workloads::{Churn, WorkloadKind, WorkloadSettings};

const LIVES: Duration = Duration::from_secs(60);

async fn drive<S: Store, N: Nemesis>(
    store: S,
    nemesis: &mut N,
    settings: &RunSettings,
) -> (RunOutcome, Vec<Op>) {
    let (clock, sink) = (Clock::start_real(), MemorySink::default());
    let journal = Arc::new(Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").unwrap());
    let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
    let outcome = run(store, nemesis, settings, clock, journal, counts, stop).await.unwrap();
    (outcome, operations(&sink.bytes()))
}

/// The cluster, or nothing where a program is missing or links cannot be broken: then the test is skipped.
fn started<C>(isolation: &NetworkIsolation, result: Result<C, ServerError>) -> Option<C> {
    match (isolation, result) {
        (NetworkIsolation::Shared(why), _) => eprintln!("skipped: {why}"),
        (_, Err(why @ ServerError::NoProgram { .. })) => eprintln!("skipped: {why}"),
        (_, Err(ServerError::System(why))) if why.contains("npm ci") => eprintln!("skipped: {why}"),
        (_, result) => return Some(result.unwrap_or_else(|why| panic!("{why}"))),
    }
    None
}

fn switches(known: &'static [recorder::stores::switches::Switch], words: &[&str]) -> Switches {
    Switches::parse(known, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn registers(seed: u64, strikes: &[&str], nodes: usize, seconds: u64) -> RunSettings {
    let workload = WorkloadSettings { keys: 10, sessions: 9, ..WorkloadSettings::new(seed) };
    let mut settings = settings(workload, strikes, nodes, seconds);
    settings.load = "300/s".parse().unwrap();
    settings.workers = 9;
    settings
}

fn on_etcd(settings: &RunSettings, serializable: bool) -> Option<(RunOutcome, Vec<Op>)> {
    run_isolated(|isolation| async move {
        let mut cluster = started(&isolation, EtcdCluster::start(isolation.clone()).await)?;
        cluster.check_plan(&settings.plan).unwrap();
        let store = cluster.open_store(settings.workload.kind, serializable, LIVES);
        Some(drive(store, &mut cluster, settings).await)
    })
}

#[test]
fn etcd_without_its_leader_is_linearizable() {
    let settings = registers(1, &["kill:primary@1s+3s"], 3, 5);
    let Some((outcome, operations)) = on_etcd(&settings, false) else { return };
    eprintln!("etcd, leader killed: {:?}", outcome.tally);
    linearizable(&operations).unwrap();
    assert_eq!(outcome.unread.objects.len(), 0);
    // Somebody else leads: writes were acknowledged while it was away.
    let away = 3_000_000_000..4_000_000_000;
    assert!(operations.iter().any(|op| op.f == "write" && op.ok() && away.contains(&op.invoked_ns)));
}

#[test]
fn serializable_reads_at_a_member_of_etcd_that_is_cut_off_are_stale() {
    let settings = registers(2, &["partition:replica@1s+3s"], 3, 5);
    let Some((outcome, operations)) = on_etcd(&settings, true) else { return };
    let stale = stale_reads(&operations);
    eprintln!("etcd, serializable reads in a partition: {:?}, {stale} stale", outcome.tally);
    assert!(linearizable(&operations).is_err() && stale > 0);
}

fn orders(seed: u64, strikes: &[&str], nodes: usize, seconds: u64) -> RunSettings {
    let mut workload =
        WorkloadSettings { kind: WorkloadKind::Session, sessions: 9, ..WorkloadSettings::new(seed) };
    workload.lives.act_share = 0.4;
    let mut settings = settings(workload, strikes, nodes, seconds);
    settings.workers = 9;
    settings.after_heal = Duration::from_secs(1);
    settings
}

fn acknowledged_orders(operations: &[Op]) -> usize {
    operations.iter().filter(|op| op.f == "act" && op.ok()).count()
}

#[test]
fn etcd_without_its_leader_does_each_order_once() {
    let settings = orders(11, &["kill:primary@1s+2s"], 3, 3);
    let Some((outcome, operations)) = on_etcd(&settings, false) else { return };
    let done = acknowledged_orders(&operations);
    eprintln!("etcd, leader killed: {:?}, {done} orders", outcome.tally);
    assert!(done > 50 && outcome.unread.objects.is_empty(), "{outcome:?}");
    assert_eq!((lost_actions(&operations), repeated_actions(&operations)), (0, 0));
}

/// The standby is cut off, and then the primary dies: what it acknowledged alone is gone with it.
fn on_postgres(seed: u64, commit: &str) -> Option<(RunOutcome, Vec<Op>)> {
    let mut settings = registers(seed, &["partition:primary@1s+4s", "kill:primary@2500ms+1s"], 2, 5);
    // So many that few are written again after the promotion, which would hide what was lost.
    settings.workload.keys = 400;
    run_isolated(|isolation| async move {
        let switches = switches(postgres::SWITCHES, &[&format!("commit={commit}"), "promote-after=500ms"]);
        let mut cluster = started(&isolation, PostgresCluster::start(&switches, isolation.clone()).await)?;
        cluster.check_plan(&settings.plan).unwrap();
        let store = cluster.open_store(WorkloadKind::Register, false, LIVES);
        Some(drive(store, &mut cluster, &settings).await)
    })
}

#[test]
fn postgres_that_does_not_wait_for_its_standby_loses_writes() {
    let Some((outcome, operations)) = on_postgres(3, "local") else { return };
    let lost = lost_writes(&operations);
    eprintln!("postgres, asynchronous: {:?}, {lost} acknowledged writes lost", outcome.tally);
    assert_eq!(outcome.unread.objects.len(), 0);
    assert!(linearizable(&operations).is_err() && lost > 10);
}

#[test]
fn postgres_that_waits_for_its_standby_loses_none() {
    let Some((outcome, operations)) = on_postgres(4, "remote_apply") else { return };
    eprintln!("postgres, remote_apply: {:?}", outcome.tally);
    linearizable(&operations).unwrap();
    assert_eq!((outcome.unread.objects.len(), lost_writes(&operations)), (0, 0));
    // Without an answer while the standby was away, but not for ever.
    assert!(operations.iter().any(|op| op.ok() && op.f == "write" && op.invoked_ns > 4_500_000_000));
}

fn on_memcached(settings: &RunSettings) -> Option<(RunOutcome, Vec<Op>)> {
    run_isolated(|isolation| async move {
        let switches = switches(memcached::SWITCHES, &[]);
        let mut cluster = started(&isolation, MemcachedCluster::start(&switches, isolation.clone()).await)?;
        let store = cluster.open_store(settings.workload.kind, LIVES);
        Some(drive(store, &mut cluster, settings).await)
    })
}

/// Each order once as long as the node lives, and none after that.
#[test]
fn memcached_loses_orders_when_it_restarts_and_not_before() {
    for (strikes, loses) in [(&[][..], false), (&["restart@1s"], true)] {
        let Some((outcome, operations)) = on_memcached(&orders(12, strikes, 1, 2)) else { return };
        let (done, lost) = (acknowledged_orders(&operations), lost_actions(&operations));
        eprintln!("memcached, {strikes:?}: {:?}, {done} orders, {lost} lost", outcome.tally);
        assert!(done > 50 && (lost > 0) == loses);
        assert_eq!(repeated_actions(&operations), 0);
    }
}

#[test]
fn memcached_forgets_all_when_it_restarts() {
    let Some((_, operations)) = on_memcached(&registers(5, &["restart@2s"], 1, 3)) else { return };
    let forgotten = operations.iter().filter(|read| {
        let before = |write: &&Op| write.f == "write" && write.key == read.key && write.ok();
        let acknowledged = operations.iter().filter(before).any(|write| write.completed < read.invoked);
        read.f == "read" && read.ok() && read.result.is_null() && acknowledged
    });
    assert!(forgotten.count() > 0 && linearizable(&operations).is_err());
}

fn sessions(seed: u64, strikes: &[&str], seconds: u64) -> RunSettings {
    let churn = Churn { mean_operations: Some(12.0), lasting_share: 0.0 };
    let workload =
        WorkloadSettings { kind: WorkloadKind::Session, sessions: 9, churn, ..WorkloadSettings::new(seed) };
    let mut settings = settings(workload, strikes, 3, seconds);
    settings.load = "100/s".parse().unwrap();
    settings.workers = 9;
    // Two nodes of Express beside other tests on the same cores.
    settings.timeout = Duration::from_secs(3);
    settings.after_heal = Duration::ZERO;
    settings
}

fn on_express(settings: &RunSettings, words: &[&str]) -> Option<(RunOutcome, Vec<Op>)> {
    run_isolated(|isolation| async move {
        let switches = switches(express_redis::SWITCHES, words);
        let cluster =
            ExpressCluster::start(switches, LIVES, isolation.clone(), MachineNeeds::default()).await;
        let mut cluster = started(&isolation, cluster)?;
        cluster.check_plan(&settings.plan).unwrap();
        let store = cluster.open_store(false).unwrap();
        // What is configured badly need not do what its description says.
        if words.is_empty() {
            store.probe_application().await.unwrap();
        }
        Some(drive(store, &mut cluster, settings).await)
    })
}

/// Reads that found a session after an operation of this name had ended its id.
fn alive_after<'a>(operations: &'a [Op], f: &str) -> Vec<&'a Op> {
    let ended: HashMap<&str, usize> = operations
        .iter()
        .filter(|op| op.f == f && op.ok())
        .map(|op| (op.key.as_str(), op.completed))
        .collect();
    let found = |read: &&Op| read.f == "read" && read.ok() && !read.result.is_null();
    let after = |read: &&Op| ended.get(read.key.as_str()).is_some_and(|&end| end < read.invoked);
    operations.iter().filter(found).filter(after).collect()
}

#[test]
fn express_does_what_it_is_asked_when_nothing_breaks() {
    let Some((outcome, operations)) = on_express(&sessions(6, &[], 3), &[]) else { return };
    eprintln!("express, no faults: {:?}", outcome.tally);
    assert_eq!((outcome.tally.fail, outcome.tally.info, outcome.unread.objects.len()), (0, 0, 0));
    assert!(alive_after(&operations, "destroy").is_empty() && alive_after(&operations, "renew").is_empty());
    // Each session is seen as it was last written, by whichever node.
    let nodes: Vec<&str> = operations.iter().map(|op| op.node.as_str()).collect();
    assert!(nodes.contains(&"a1") && nodes.contains(&"a2"));
}

#[test]
fn express_recovers_from_the_death_of_the_redis_primary() {
    let strike_ns = 2_000_000_000;
    let settings = sessions(7, &["kill:primary@2s+4s"], 12);
    let Some((outcome, operations)) = on_express(&settings, &[]) else { return };
    let mut ended: Vec<u64> = operations.iter().filter(|op| op.ok()).map(|op| op.completed_ns).collect();
    ended.sort_unstable();
    let gap = ended.windows(2).filter(|pair| pair[1] > strike_ns).map(|pair| pair[1] - pair[0]).max();
    let gap_s = gap.unwrap_or(u64::MAX) as f64 / 1e9;
    eprintln!("express, Redis primary killed: {:?}, {gap_s:.1} s without an answer", outcome.tally);
    // The Sentinels take a second to find out, and as long again to agree.
    assert!(gap_s > 0.9 && operations.iter().any(|op| op.ok() && op.invoked_ns > 9_000_000_000));
}

/// A slow write that began before the logout saves the session again after it; and a renewal that keeps the id
/// leaves the old one good.
#[test]
fn express_configured_badly_brings_sessions_back() {
    let mut settings = sessions(8, &[], 6);
    settings.workload.in_flight_per_session = 3;
    let words = ["slow-write=200ms", "regenerate=no", "rolling=yes"];
    let Some((outcome, operations)) = on_express(&settings, &words) else { return };
    let (undone, fixed) =
        (alive_after(&operations, "destroy").len(), alive_after(&operations, "renew").len());
    eprintln!("express, badly configured: {:?}, {undone} undone, {fixed} under old ids", outcome.tally);
    assert!(undone > 0 && fixed > 0);
}

/// The answer comes before the session is saved, and the user asks again at once.
#[test]
fn express_that_redirects_before_it_saves_shows_users_what_they_had_before() {
    let mut settings = sessions(9, &[], 4);
    settings.load = "closed".parse().unwrap();
    settings.workers = 4;
    settings.workload.sessions = 4;
    let words = ["redirect=yes", "acknowledged=headers", "store-delay=100ms"];
    let Some((_, operations)) = on_express(&settings, &words) else { return };
    let version = |value: &serde_json::Value| value["version"].as_u64().unwrap_or(0);
    let own = |op: &&Op, read: &Op| op.f == "write" && op.ok() && op.session == read.session;
    let stale = operations.iter().filter(|read| read.f == "read" && read.ok()).filter(|read| {
        let before = operations.iter().filter(|op| own(op, read) && op.completed < read.invoked);
        before.map(|write| version(&write.argument)).max().unwrap_or(0) > version(&read.result)
    });
    let stale = stale.filter(|read| !read.result.is_null()).count();
    eprintln!("express, redirect before save: {stale} reads of what was before the own last write");
    assert!(stale > 0);
}

/// The proxy sends an order again that was not answered in time.
#[test]
fn express_behind_a_proxy_that_repeats_does_things_twice() {
    let mut settings = sessions(10, &[], 4);
    settings.workload.lives.act_share = 0.5;
    let words = ["retry=yes", "server-timeout=300ms", "slow-write=700ms"];
    let Some((_, operations)) = on_express(&settings, &words) else { return };
    let lists = operations.iter().filter(|op| op.f == "actions" && op.ok() && op.session == "final");
    let twice = lists.filter(|list| {
        let done: Vec<String> = list.result.as_array().unwrap().iter().map(ToString::to_string).collect();
        done.iter().collect::<std::collections::HashSet<_>>().len() < done.len()
    });
    let twice = twice.count();
    eprintln!("express, repeating proxy: {twice} users with an order done twice");
    assert!(twice > 0);
}
