//! Servers that fail without dying: they hang, are slow, are drained, or break the first connections.
//!
//! What went wrong before these faults were there: a run could kill, pause and cut off a store, and in each case its
//! Sentinels saw it and failed over. The failure that operators report as the worst, a store that accepts and answers
//! nothing while its health checks pass, could not be rehearsed.
//!
//! All runs go on side by side, in network namespaces or on ports of their own. Each is skipped, with the reason, where
//! what it needs is not to be had.

use crate::truth::stacks::{LIVES, Shown, drive, registers, started, switches};
use recorder::stores::etcd::EtcdCluster;
use recorder::stores::express_redis::{self, ExpressCluster};
use recorder::stores::memcached::{self, MemcachedCluster};
use recorder::stores::postgres::{self, PostgresCluster};
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::system::{MachineNeeds, Means, NetworkIsolation, run_isolated};
use std::collections::BTreeSet;
use std::time::Duration;
use workloads::{WorkloadKind, WorkloadSettings};

fn on_sentinels(means: Means, strike: &str, seconds: u64) -> Option<Shown> {
    let settings = registers(strike, &["n1", "n2", "n3"], seconds);
    run_isolated(|isolation| async move {
        if let Err(why) = SentinelCluster::choose_means(Some(means), &isolation, &settings.plan) {
            eprintln!("skipped {strike}: {why}");
            return None;
        }
        let needs = MachineNeeds::for_plan(&settings.plan);
        let options = SentinelOptions { means: Some(means), needs, ..SentinelOptions::default() };
        let shared_is_fine = if means == Means::Proxies { &NetworkIsolation::Own } else { &isolation };
        let mut cluster = started(shared_is_fine, SentinelCluster::start(options, isolation.clone()).await)?;
        cluster.check_plan(&settings.plan).unwrap();
        let store = cluster.open_store(WorkloadKind::Register, false, None, LIVES);
        Some(drive(store, &mut cluster, &settings).await)
    })
}

/// The store that hangs never fails over: its Sentinels reach it, clients wait in vain, and nobody is promoted. A killed
/// one is replaced in the same time ([`redis_sentinel.rs`](redis_sentinel.rs)).
fn a_primary_that_hangs_is_not_replaced(means: Means) {
    let name = format!("hang by {means:?}");
    let Some(shown) = on_sentinels(means, "hang:primary@1s+6s", 7) else { return };
    shown.fault(&name);
    // From a second after the strike, when what was under way has ended, to its end.
    let meanwhile = shown.between(20, 65);
    assert!(meanwhile.len() > 20, "{name}: {} operations were tried", meanwhile.len());
    let answered = shown.done_between(20, 69);
    assert!(answered.is_empty(), "{name}: {answered:?}");
    // Connections are accepted: whoever waits in vain does not know what became of the request.
    assert!(meanwhile.iter().any(|op| op.outcome == "info" && op.error.contains("timeout")), "{name}");
    assert_eq!(shown.writers_after(0), BTreeSet::from(["n1"]), "{name}: nobody else was promoted");
    assert!(shown.between(80, 90).iter().filter(|op| op.ok()).count() > 50, "{name}: it serves again");
}

fn a_slow_primary_takes_longer_for_each_request(means: Means) {
    let name = format!("slow by {means:?}");
    let Some(shown) = on_sentinels(means, "slow=150ms:primary@1s+3s", 4) else { return };
    shown.fault(&name);
    let took = |from, to| -> Vec<u64> {
        let done = shown.between(from, to);
        let mut took: Vec<_> = done
            .iter()
            .filter(|op| op.ok())
            .map(|op| (op.completed_ns - op.invoked_ns) / 1_000_000)
            .collect();
        took.sort_unstable();
        took
    };
    let (before, meanwhile) = (took(0, 9), took(12, 38));
    let median = |times: &[u64]| times[times.len() / 2];
    eprintln!("{name}: median {} ms, then {} ms", median(&before), median(&meanwhile));
    assert!(meanwhile.len() > 50 && meanwhile[0] >= 150, "{name}: {meanwhile:?}");
    assert!(median(&before) < 100, "{name}");
    assert_eq!(shown.writers_after(0), BTreeSet::from(["n1"]), "{name}");
}

fn the_first_requests_fail_and_the_rest_do_not(means: Means) {
    let name = format!("fail-first by {means:?}");
    let Some(shown) = on_sentinels(means, "fail-first=6:primary@1s+3s", 4) else { return };
    let fault = shown.fault(&name);
    assert!(fault.evidence.as_ref().unwrap().how.contains("of 6 requests"), "{name}: {fault:?}");
    // A request to a Sentinel on the same host may be one of the six.
    let unknown = shown.operations.iter().filter(|op| op.outcome == "info").count();
    assert!((1..=6).contains(&unknown), "{name}: {unknown} operations whose connection broke");
    assert!(shown.between(20, 40).iter().all(|op| op.ok()), "{name}: all is well after that");
}

/// A server that is asked to stop says how it ended, and another one takes over.
fn a_drained_primary_ends_and_is_replaced() {
    let Some(shown) = on_sentinels(Means::Proxies, "drain:primary@1s+7s", 8) else { return };
    let fault = shown.fault("drain of Redis");
    assert!(fault.evidence.as_ref().unwrap().how.contains("after it was asked to"), "{fault:?}");
    assert!(shown.writers_after(6).iter().any(|node| *node != "n1"), "{:?}", shown.writers_after(6));
}

/// Faults that nobody looked at before: of proxies, clocks and disks.
fn what_proxies_do_is_measured() {
    let strikes = "delay=40ms:client-primary@500ms+500ms,throttle=20000/s:client-primary@1200ms+800ms,\
                   slice=3:client-primary@2200ms+400ms,hold:client-primary@2800ms+300ms,\
                   half-close:client>primary@3400ms,reset:client-primary@4s+300ms,refuse:client-primary@4200ms+600ms,\
                   partition:n2@5s+500ms";
    let Some(shown) = on_sentinels(Means::Proxies, strikes, 6) else { return };
    assert_eq!(shown.outcome.faults.len(), 8);
    shown.were_in_force("proxies");
}

fn what_packets_meet_is_measured() {
    let strikes = "delay=40ms:client-primary@500ms+500ms,throttle=20000/s:client-primary@1200ms+800ms,\
                   loss=0.3:client-primary@2200ms+600ms,reorder=0.3:client-primary@3s+400ms,\
                   hold:client-primary@3500ms+300ms,reset:client-primary@4s+300ms,refuse:client-primary@4200ms+600ms,\
                   partition:n2@5s+500ms";
    let Some(shown) = on_sentinels(Means::Packets, strikes, 6) else { return };
    assert_eq!(shown.outcome.faults.len(), 8);
    shown.were_in_force("packets");
}

fn clocks_and_disks_are_read_back() {
    let strikes = "skew=-5s:primary@500ms+1s,slow-disk=4000/s:primary@2s+1500ms,full-disk:primary@4s+500ms";
    let Some(shown) = on_sentinels(Means::Proxies, strikes, 5) else { return };
    shown.were_in_force("machines");
    let how: Vec<&str> = (shown.outcome.faults.iter())
        .filter_map(|fault| fault.evidence.as_ref().map(|evidence| evidence.how.as_str()))
        .collect();
    assert!(how[0].contains("-5000 ms") || how[0].contains("-4999 ms"), "{how:?}");
    assert!(how[2].contains("no room"), "{how:?}");
}

fn on_etcd(strike: &str) -> Option<Shown> {
    let settings = registers(strike, &["e1", "e2", "e3"], 5);
    run_isolated(|isolation| async move {
        let mut cluster = started(&isolation, EtcdCluster::start(isolation.clone()).await)?;
        cluster.check_plan(&settings.plan).unwrap();
        Some(drive(cluster.open_store(WorkloadKind::Register, false, LIVES), &mut cluster, &settings).await)
    })
}

fn on_postgres(strike: &str, seconds: u64) -> Option<Shown> {
    let settings = registers(strike, &["p1", "p2"], seconds);
    run_isolated(|isolation| async move {
        let switches = switches(postgres::SWITCHES, &["promote-after=500ms"]);
        let mut cluster = started(&isolation, PostgresCluster::start(&switches, isolation.clone()).await)?;
        cluster.check_plan(&settings.plan).unwrap();
        Some(drive(cluster.open_store(WorkloadKind::Register, false, LIVES), &mut cluster, &settings).await)
    })
}

fn on_memcached(strike: &str) -> Option<Shown> {
    let settings = registers(strike, &["m1"], 4);
    run_isolated(|isolation| async move {
        let switches = switches(memcached::SWITCHES, &[]);
        let mut cluster = started(&isolation, MemcachedCluster::start(&switches, isolation.clone()).await)?;
        cluster.check_plan(&settings.plan).unwrap();
        Some(drive(cluster.open_store(WorkloadKind::Register, LIVES), &mut cluster, &settings).await)
    })
}

/// Clients of the member that hangs wait in vain; those of the others do not, and the member stays in the cluster.
fn a_member_of_etcd_that_hangs_fails_its_own_clients_only() {
    let Some(shown) = on_etcd("hang:e1@1s+3s") else { return };
    shown.fault("hang of etcd");
    let meanwhile = shown.done_between(20, 39);
    let by = |node: &str| meanwhile.iter().filter(|op| op.node == node).count();
    assert!(by("e1") == 0 && by("e2") > 10 && by("e3") > 10, "{} {} {}", by("e1"), by("e2"), by("e3"));
}

/// Nobody takes over from a PostgreSQL that hangs, and somebody does from one that is drained.
fn postgres_is_replaced_when_it_is_drained_and_not_when_it_hangs() {
    let Some(hung) = on_postgres("hang:primary@1s+3s", 4) else { return };
    hung.fault("hang of PostgreSQL");
    assert_eq!(hung.writers_after(0), BTreeSet::from(["p1"]));
    assert!(hung.between(20, 35).len() > 10 && hung.done_between(20, 39).is_empty());
    let Some(drained) = on_postgres("drain:primary@1s+3s", 4) else { return };
    drained.fault("drain of PostgreSQL");
    assert_eq!(drained.writers_after(4), BTreeSet::from(["p2"]));
}

fn a_drained_memcached_has_forgotten_everything() {
    let Some(shown) = on_memcached("drain:m1@1s+1s") else { return };
    shown.fault("drain of memcached");
    let forgotten = shown.between(20, 30).iter().any(|op| op.f == "read" && op.ok() && op.result.is_null());
    assert!(forgotten, "what it held is gone");
}

fn on_express(strike: &str, seconds: u64) -> Option<Shown> {
    let workload = WorkloadSettings { kind: WorkloadKind::Session, sessions: 9, ..WorkloadSettings::new(1) };
    let mut settings = registers(strike, &["n1", "n2", "n3", "a1", "a2", "proxy"], seconds);
    settings.workload = workload;
    settings.load = "100/s".parse().unwrap();
    settings.timeout = Duration::from_secs(2);
    run_isolated(|isolation| async move {
        let switches = switches(express_redis::SWITCHES, &[]);
        let cluster =
            ExpressCluster::start(switches, LIVES, isolation.clone(), MachineNeeds::default()).await;
        let mut cluster = started(&isolation, cluster)?;
        cluster.check_plan(&settings.plan).unwrap();
        Some(drive(cluster.open_store(false).unwrap(), &mut cluster, &settings).await)
    })
}

/// Redis hangs for the application and not for its Sentinels: nobody is promoted, and no user is served.
fn users_of_a_hanging_redis_are_not_served() {
    let Some(shown) = on_express("hang:primary@2s+5s", 7) else { return };
    shown.fault("hang of Redis behind Express");
    let (tried, done) = (shown.between(45, 65), shown.done_between(45, 69));
    assert!(!tried.is_empty() && done.is_empty(), "{} tried; {done:?}", tried.len());
    let after = shown.between(80, 90);
    assert!(after.iter().any(|op| op.ok()), "it serves again: {after:?}");
}

/// A node of the application that is drained finishes what is open: no request of a user is broken off.
fn draining_a_node_of_the_application_breaks_no_request() {
    let Some(shown) = on_express("drain:a1@2s+2s", 5) else { return };
    shown.fault("drain of a node of Express");
    let broken: Vec<_> = shown.operations.iter().filter(|op| !op.ok()).collect();
    assert!(broken.is_empty(), "{broken:?}");
    let meanwhile = shown.between(26, 38);
    assert!(meanwhile.iter().all(|op| op.node == "a2") && meanwhile.len() > 20, "{meanwhile:?}");
}

#[test]
fn each_store_that_fails_without_dying_does_what_it_says() {
    let runs: [(&str, fn()); 15] = [
        ("proxies", what_proxies_do_is_measured),
        ("packets", what_packets_meet_is_measured),
        ("machines", clocks_and_disks_are_read_back),
        ("hang by packets", || a_primary_that_hangs_is_not_replaced(Means::Packets)),
        ("hang by proxies", || a_primary_that_hangs_is_not_replaced(Means::Proxies)),
        ("slow by packets", || a_slow_primary_takes_longer_for_each_request(Means::Packets)),
        ("slow by proxies", || a_slow_primary_takes_longer_for_each_request(Means::Proxies)),
        ("fail-first by packets", || the_first_requests_fail_and_the_rest_do_not(Means::Packets)),
        ("fail-first by proxies", || the_first_requests_fail_and_the_rest_do_not(Means::Proxies)),
        ("drain of Redis", a_drained_primary_ends_and_is_replaced),
        ("etcd", a_member_of_etcd_that_hangs_fails_its_own_clients_only),
        ("postgres", postgres_is_replaced_when_it_is_drained_and_not_when_it_hangs),
        ("memcached", a_drained_memcached_has_forgotten_everything),
        ("express, Redis hangs", users_of_a_hanging_redis_are_not_served),
        ("express, a node is drained", draining_a_node_of_the_application_breaks_no_request),
    ];
    // A few at a time: more would starve one another of a processor.
    let mut failed = Vec::new();
    for some in runs.chunks(4) {
        let threads: Vec<_> = some.iter().map(|&(name, run)| (name, std::thread::spawn(run))).collect();
        failed
            .extend(threads.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)));
    }
    assert!(failed.is_empty(), "{failed:?}");
}
