//! What a real Redis lost, against what its servers were given.
//!
//! A partition cuts the primary off, with users at its side, and the Sentinels promote another server. Each server notes in its
//! append-only file every command that it carries out, from clients and from its primary alike. An acknowledged write that is not
//! in the file of the promoted server never came there: it is lost, whatever happened to its key later. No other write is. Skipped,
//! with the reason, where Redis is not installed or no network of its own is to be had. STEADFAST_SEEDS says how many seeds;
//! three are usual.

use crate::sentinel_questions::{find_primary, find_sentinels};
use checker::measurements::{MeasuredLosses, measure_register_losses, measure_session_losses};
use checker::{Limits, continuity};
use histories::format::{Format, from_text};
use histories::{History, ValueId};
use recorder::journal::MemorySink;
use recorder::stores::redis_sentinel::{SentinelCluster, SentinelOptions};
use recorder::system::{NetworkIsolation, find_program, run_isolated};
use recorder::{Clock, Journal, RunCounts, RunSettings, Stop, run};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use workloads::{FaultSchedule, Plan, WorkloadKind, WorkloadSettings};

const LIVES: Duration = Duration::from_secs(60);
/// How many registers there are. If all of them are overwritten at the promoted server before anybody reads there, no answer shows
/// whether it had what the first one acknowledged, and every write is undecided. With many that hardly happens.
const KEYS: usize = 40;
/// Writes that may stay undecided, as a share of those that were lost, over all seeds.
const OPEN_SHARE_MAX: f64 = 0.5;

/// A write as both sides name it: the key and the value of a register, the session and the version of its state.
type WriteName = (String, u64);

/// The commands in the append-only files of a server, as arrays of words. Such a file is a sequence of requests as they went over
/// the wire.
fn noted_commands(home: &Path) -> Vec<Vec<Vec<u8>>> {
    let files = std::fs::read_dir(home.join("appendonlydir")).expect("it notes its commands");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".incr.aof"));
    paths.sort();
    let mut commands = Vec::new();
    for path in paths {
        let bytes = std::fs::read(path).expect("it can be read");
        let mut rest = bytes.as_slice();
        while let Some(count) = next_number(&mut rest, b'*') {
            let words = (0..count).map(|_| {
                let length = next_number(&mut rest, b'$')?;
                let word = rest.get(..length)?.to_vec();
                rest = rest.get(length + 2..)?;
                Some(word)
            });
            commands.extend(words.collect::<Option<Vec<_>>>());
        }
    }
    commands
}

/// The number after a mark, up to the end of its line.
fn next_number(rest: &mut &[u8], mark: u8) -> Option<usize> {
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = std::str::from_utf8(&rest[..end]).ok()?.trim_end();
    assert_eq!(line.bytes().next(), Some(mark), "{line:?}");
    *rest = &rest[end + 1..];
    line[1..].parse().ok()
}

/// The writes among commands. The payload of a session begins with its version, its length and its name.
fn written(commands: &[Vec<Vec<u8>>], kind: WorkloadKind) -> BTreeSet<WriteName> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let names = commands.iter().filter_map(|words| match words.as_slice() {
        [set, key, value, ..] if set.eq_ignore_ascii_case(b"set") => Some((text(key), text(value))),
        _ => None,
    });
    let names = names.map(|(key, value)| {
        if kind == WorkloadKind::Register {
            return (key, value.parse().expect("a number"));
        }
        let mut head = value.split([' ', '\n']);
        let version = head.next().and_then(|word| word.parse().ok()).expect("a version");
        (head.nth(1).expect("a session").to_owned(), version)
    });
    names.collect()
}

/// The acknowledged writes of a recording, with the position of their invocations among the lines, by the lines alone.
fn acknowledged(journal: &str, kind: WorkloadKind) -> BTreeMap<u64, WriteName> {
    let mut open: HashMap<u64, (u64, WriteName)> = HashMap::new();
    let mut writes = BTreeMap::new();
    for line in journal.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let Some(process) = event["process"].as_u64().filter(|_| event["f"] == "write") else { continue };
        if event["type"] == "invoke" {
            let value = &event["value"];
            let name = match kind {
                WorkloadKind::Register => (event["key"].to_string().replace('"', ""), value.as_u64()),
                _ => (value["session"].as_str().expect("a name").to_owned(), value["version"].as_u64()),
            };
            let name = (name.0, name.1.expect("a number"));
            open.insert(process, (event["index"].as_u64().expect("an index"), name));
        } else if let Some((index, name)) = open.remove(&process).filter(|_| event["type"] == "ok") {
            writes.insert(index, name);
        }
    }
    writes
}

fn settings(kind: WorkloadKind, seed: u64) -> RunSettings {
    let schedule = FaultSchedule {
        strikes: vec!["partition:n1@1s+4s".parse().expect("a fault")],
        timing: "once".parse().expect("a timing"),
        length: Duration::from_secs(4),
    };
    let duration = Duration::from_secs(6);
    let nodes: Vec<String> = (1..=3).map(|number| format!("n{number}")).collect();
    RunSettings {
        plan: Plan::new(&schedule, seed, &nodes, duration).expect("a plan"),
        workload: WorkloadSettings { kind, sessions: 9, keys: KEYS, ..WorkloadSettings::new(seed) },
        load: "500/s".parse().expect("a load"),
        workers: 9,
        timeout: Duration::from_millis(500),
        patience: Duration::from_secs(1),
        warm_start: false,
        duration,
        after_heal: Duration::from_millis(500),
        settle: Duration::from_secs(1),
        look_every: None,
    }
}

/// The primary that all Sentinels name. After a partition it takes them a moment to agree.
fn agreed_primary(sentinels: &[SocketAddr]) -> SocketAddr {
    let began = Instant::now();
    loop {
        let named: BTreeSet<Option<SocketAddr>> =
            sentinels.iter().map(|&sentinel| find_primary(&[sentinel])).collect();
        match named.first() {
            Some(&Some(primary)) if named.len() == 1 => return primary,
            _ => assert!(began.elapsed() < Duration::from_secs(20), "the Sentinels name {named:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The journal of a run, and the writes that the server was given which was the primary in the end.
fn record(kind: WorkloadKind, seed: u64) -> Option<(String, BTreeSet<WriteName>)> {
    run_isolated(|isolation| async move {
        if let NetworkIsolation::Shared(why) = &isolation {
            eprintln!("skipped: {why}");
            return None;
        }
        let mut cluster =
            SentinelCluster::start(SentinelOptions::default(), isolation).await.expect("it starts");
        let store = cluster.open_store(kind, false, None, LIVES);
        let (clock, sink) = (Clock::start_real(), MemorySink::default());
        let journal =
            Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").expect("memory is there");
        let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
        run(store, &mut cluster, &settings(kind, seed), clock, Arc::new(journal), counts, stop)
            .await
            .expect("a run");
        // A Sentinel and the server that it watches have one address and two ports.
        let sentinels = find_sentinels(cluster.folder());
        let primary = agreed_primary(&sentinels);
        let host = sentinels.iter().position(|sentinel| sentinel.ip() == primary.ip()).expect("one of them");
        let home = cluster.folder().join(format!("n{}", host + 1));
        let given = written(&noted_commands(&home), kind);
        Some((String::from_utf8(sink.bytes()).expect("text"), given))
    })
}

fn measure(history: &History, kind: WorkloadKind) -> MeasuredLosses {
    if kind == WorkloadKind::Register {
        return measure_register_losses(history, ValueId::NULL);
    }
    let question = continuity::Question {
        time_to_live_ns: Some(LIVES.as_nanos() as i64),
        renewed_by: continuity::RenewedBy::default(),
        tolerance_ns: 100_000_000,
        is_sample: false,
    };
    let limits = Limits::unbounded();
    measure_session_losses(history, &continuity::judge_session_findings(history, &question, &limits))
}

/// Compares the figure with what the servers were given; the numbers of writes that were lost, and that were left open.
fn compare(kind: WorkloadKind, seed: u64) -> Option<(usize, usize)> {
    let (journal, given) = record(kind, seed)?;
    let history = from_text(Format::Native, &journal).expect("a history");
    let found = measure(&history, kind).writes.expect("it was read back");
    let acknowledged = acknowledged(&journal, kind);
    let lost: BTreeSet<&WriteName> = acknowledged.values().filter(|name| !given.contains(name)).collect();
    // Operations are named by their invocations; those of other functions, such as patches, are not compared.
    let named = |ids: &[histories::OpId]| -> BTreeSet<&WriteName> {
        let index = |id: &histories::OpId| u64::from(history.operation(*id).invoked);
        ids.iter().filter_map(|id| acknowledged.get(&index(id))).collect()
    };
    let (certain, open) = (named(&found.certain), named(&found.open));
    eprintln!(
        "{kind:?}, seed {seed}: {} acknowledged, {} lost; counted {} certainly, {} perhaps",
        acknowledged.len(),
        lost.len(),
        certain.len(),
        open.len()
    );
    let wrong: Vec<_> = certain.difference(&lost).collect();
    assert!(wrong.is_empty(), "{kind:?}, seed {seed}: counted, and not lost: {wrong:?}");
    let missed: Vec<_> =
        lost.iter().filter(|name| !certain.contains(*name) && !open.contains(*name)).collect();
    assert!(missed.is_empty(), "{kind:?}, seed {seed}: lost, and not counted: {missed:?}");
    Some((lost.len(), open.len()))
}

fn compare_seeds(kind: WorkloadKind) {
    if let Err(why) = find_program("redis-sentinel", "redis-sentinel") {
        eprintln!("skipped: {why}");
        return;
    }
    let seeds = std::env::var("STEADFAST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    let (mut lost, mut open) = (0, 0);
    for seed in 1..=seeds {
        let Some(one) = compare(kind, seed) else { return };
        lost += one.0;
        open += one.1;
    }
    assert!(lost > 0, "no run lost anything, so nothing was compared");
    assert!(
        open as f64 <= OPEN_SHARE_MAX * lost as f64,
        "nothing is known of {open} writes, {lost} were lost"
    );
}

#[test]
fn lost_writes_of_registers_are_those_that_the_promoted_server_never_got() {
    let _shared = crate::run_beside_others();
    compare_seeds(WorkloadKind::Register);
}

#[test]
fn lost_writes_of_sessions_are_those_that_the_promoted_server_never_got() {
    let _shared = crate::run_beside_others();
    compare_seeds(WorkloadKind::Session);
}
