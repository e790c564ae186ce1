//! The embedded store with each of its bugs shows the findings that belong to it and no others; without any, none.
//!
//! The bugs are the ground truth, and the oracles of `recorder/tests/stores/truth/sessions.rs` a second way to the same
//! answers that shares nothing with the checker. STEADFAST_SEEDS says how many seeds; the usual few take seconds.

#![allow(clippy::print_stderr, reason = "what was shown how often is said")]

mod mutations;
#[path = "../../recorder/tests/stores/truth/mod.rs"]
mod truth;

use checker::{FindingKind as Kind, Limits, Model, Property, Question, SessionRules, Verdict};
use histories::format::{Format, from_text};
use recorder::stores::embedded::{Bug, EmbeddedOptions, FieldWriteMode, ReadRouting, ReplicationMode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use workloads::{Churn, FaultSchedule, LifecycleSettings, WorkloadSettings};

/// A bug, what brings it out, and what it shows.
struct Case {
    bug: Bug,
    strikes: &'static [&'static str],
    live: Duration,
    /// What many seeds must show: two of five at least.
    must: Kind,
    /// What may come with it, and why.
    may: &'static [Kind],
}

const HOUR: Duration = Duration::from_secs(3600);
const SECONDS: Duration = Duration::from_secs(4);

fn cases() -> Vec<Case> {
    use Kind::*;
    let case = |bug, strikes, live, must, may| Case { bug, strikes, live, must, may };
    // Whoever reads at a replica that lags, or at a primary that was replaced, sees the past of everything: a session
    // before its creation, before its end, under its old id.
    const PAST: &[Kind] = &[LostSession, ResurrectedSession, OldIdAlive];
    vec![
        case(Bug::StaleReplicaReads, &["delay=30ms@1s+5s"], HOUR, StaleSession, PAST),
        case(Bug::SplitBrain, &["partition@1s+6s"], HOUR, StaleSession, PAST),
        // All that was acknowledged after the cut is gone: creations, destroys, renewals, actions, their entries.
        // What is seen of it before the store has settled is stale.
        case(
            Bug::LostOnFailover,
            &["partition@1s+4s"],
            HOUR,
            LostSession,
            &[StaleSession, LostWrite, ResurrectedSession, OldIdAlive, LostAction, AuditMissing],
        ),
        // A write to an id that a renewal has given up creates that again as well.
        case(Bug::ResurrectAfterDestroy, &["delay=50ms@0s+8s"], HOUR, ResurrectedSession, &[OldIdAlive]),
        case(Bug::ExpireByLocalClock, &["skew=10s"], SECONDS, ExpiredEarly, &[]),
        case(Bug::LazyExpiry, &[], SECONDS, ExpiredLate, &[]),
        case(Bug::Eviction, &[], HOUR, LostSession, &[]),
        // A reader is shown what another one asked for, late: another session, or its own as it was, with the clock of
        // then. Nothing, where the other one found nothing; something, though its own had ended or changed its id.
        case(
            Bug::MixedReplies,
            &["pause+700ms", "pause+700ms", "pause+700ms", "pause+700ms"],
            HOUR,
            SessionLeak,
            &[LostSession, StaleSession, ResurrectedSession, OldIdAlive, ClockWentBack],
        ),
        case(Bug::TornWrites, &[], HOUR, TornSession, &[]),
        // What another tab writes to the copy under the old id was acknowledged, and is not seen under the new one.
        case(Bug::OldIdAlive, &[], HOUR, OldIdAlive, &[StaleSession, LostWrite]),
        // The second copy of a write may come after the next write: it undoes it.
        case(
            Bug::RetriedWrites,
            &["delay=100ms"],
            HOUR,
            DuplicatedAction,
            &[StaleSession, LostWrite, AuditDuplicated],
        ),
        case(Bug::ActionsDropped, &["delay=50ms@0s+8s"], HOUR, LostAction, &[]),
        case(Bug::WallClock, &["skew=10s@2s+3s"], HOUR, ClockWentBack, &[]),
        case(Bug::AuditForgotten, &["kill"], HOUR, AuditMissing, &[]),
        case(Bug::AuditTwice, &[], HOUR, AuditDuplicated, &[]),
        case(Bug::AuditBeforeDone, &["delay=50ms@0s+8s"], HOUR, AuditForged, &[]),
        case(Bug::ReplicasKeep, &[], HOUR, DivergentReplicas, &[]),
        // n3 hears nothing for a while, and n2 forgets what it had confirmed, just when n1 dies: together they elect n3,
        // and what n1 and n2 had between them is gone, as in any failover that loses something.
        case(
            Bug::HastyNewcomer,
            &["loss=1:n1>n3@2500ms+1500ms", "replace:n2@3s", "kill:n1@3s+4s"],
            HOUR,
            LostSession,
            &[StaleSession, LostWrite, ResurrectedSession, OldIdAlive, LostAction, AuditMissing],
        ),
        // What n2 wrote while it was primary is not there for whoever is primary after it; if n2 is once more, it is there
        // again, and what was said in between was stale.
        case(
            Bug::MixedVersions,
            &["kill:primary@1s+1s", "kill:primary@3s+1s", "kill:n2@5s+3s"],
            HOUR,
            LostSession,
            &[StaleSession],
        ),
        // What was written from the first second to the fourth is there, and nobody understands it any more.
        case(Bug::NoWayBack, &["deploy=2:all@1s", "deploy=1:all@4s"], HOUR, LostSession, &[]),
    ]
}

fn lives() -> LifecycleSettings {
    LifecycleSettings {
        fields: 2,
        edit_share: 0.0,
        act_share: 0.15,
        login_share: 0.3,
        left_share: 0.2,
        look_after: 2500,
    }
}

fn lifecycle(seed: u64) -> WorkloadSettings {
    WorkloadSettings {
        kind: workloads::WorkloadKind::Session,
        sessions: 8,
        in_flight_per_session: 2,
        churn: Churn { mean_operations: Some(20.0), lasting_share: 0.1 },
        lives: lives(),
        ..WorkloadSettings::new(seed)
    }
}

fn sound(live: Duration) -> EmbeddedOptions {
    EmbeddedOptions { replication: ReplicationMode::Quorum, time_to_live: live, ..EmbeddedOptions::new() }
}

/// How many seeds: STEADFAST_SEEDS, or this many.
fn seeds(usual: u64) -> u64 {
    std::env::var("STEADFAST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usual)
}

/// Runs, and judges what was recorded. What the oracles saw must be among the findings.
fn found(options: &EmbeddedOptions, settings: &recorder::RunSettings) -> BTreeMap<Kind, usize> {
    let (_, journal) = truth::run(options, settings);
    let counts = judged(std::str::from_utf8(&journal).expect("text"), options.time_to_live);
    by_hand(&truth::operations(&journal), options.time_to_live.as_nanos() as i64, &counts);
    counts
}

/// Which kinds are found how often in a history; every finding is checked again.
fn judged(text: &str, live: Duration) -> BTreeMap<Kind, usize> {
    let history = from_text(Format::Native, text).expect("a history");
    let live_ns = live.as_nanos() as i64;
    let question = Question {
        sessions: SessionRules { time_to_live_ns: Some(live_ns), ..SessionRules::default() },
        asked: Some(Kind::ALL.iter().copied().map(Property::Finding).collect()),
        ..Question::about(Model::Session)
    };
    let limits = Limits { steps: 1 << 40, bytes: 1 << 30, stop: &AtomicBool::new(false) };
    let report = checker::check(&history, &question, &limits).unwrap_or_else(|why| panic!("{why}"));
    let counted = report.answers.iter().filter_map(|answer| match (&answer.verdict, answer.property) {
        (Verdict::Violated(found), Property::Finding(kind)) => Some((kind, found.len())),
        // The embedded store's requests do not say which version they were made from, and it has no live connections.
        (
            Verdict::Untested(_),
            Property::Finding(
                Kind::LostUpdate | Kind::ConnectionNotResumed | Kind::LostMessage | Kind::DuplicatedMessage,
            ),
        ) => None,
        (Verdict::Unknown(why) | Verdict::Untested(why), property) => {
            panic!("{}: {}", property.name(), why.reason)
        }
        _ => None,
    });
    counted.collect()
}

/// What the oracles see, the checker must see too.
fn by_hand(operations: &[truth::Op], live_ns: i64, found: &BTreeMap<Kind, usize>) {
    let has = |kinds: &[Kind]| kinds.iter().any(|kind| found.contains_key(kind));
    let seen = [
        (truth::sessions::torn(operations), vec![Kind::TornSession]),
        (truth::sessions::leaks(operations), vec![Kind::SessionLeak]),
        (truth::sessions::old_ids(operations), vec![Kind::OldIdAlive]),
        (truth::sessions::resurrections(operations), vec![Kind::ResurrectedSession]),
        (
            truth::sessions::early_ends(operations, live_ns as u64 - 100_000_000),
            vec![Kind::LostSession, Kind::StaleSession, Kind::ExpiredEarly],
        ),
        (truth::sessions::repeated_actions(operations), vec![Kind::DuplicatedAction]),
        (truth::sessions::lost_actions(operations), vec![Kind::LostAction]),
    ];
    for (count, kinds) in seen {
        assert!(count == 0 || has(&kinds), "by hand {count} of {kinds:?}; found {found:?}");
    }
}

#[test]
fn each_bug_shows_what_belongs_to_it_and_nothing_else() {
    let seeds = seeds(3);
    let mut wrong = Vec::new();
    for case in cases() {
        let mut all: BTreeMap<Kind, u64> = BTreeMap::new();
        for seed in 0..seeds {
            let options = EmbeddedOptions { bugs: vec![case.bug], ..sound(case.live) };
            let settings = truth::settings(lifecycle(seed), case.strikes, options.nodes, 8);
            for kind in found(&options, &settings).into_keys() {
                *all.entry(kind).or_default() += 1;
            }
        }
        let shown = all.get(&case.must).copied().unwrap_or(0);
        let strange: BTreeSet<&str> = (all.keys())
            .filter(|kind| **kind != case.must && !case.may.contains(kind))
            .map(|kind| kind.name())
            .collect();
        let told: Vec<String> = all.iter().map(|(kind, count)| format!("{} {count}", kind.name())).collect();
        eprintln!("{}: {} of {seeds} seeds", case.bug.name(), told.join(", "));
        if shown * 10 < seeds * 6 || !strange.is_empty() {
            wrong.push(format!("{}: shown by {shown} of {seeds}, and {strange:?}", case.bug.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every bug has its case here, and its finding is the one that it is listed with.
#[test]
fn every_bug_is_put_to_the_test() {
    let cases = cases();
    for (bug, name, _, finding) in Bug::ALL {
        let case = cases.iter().find(|case| case.bug == *bug).unwrap_or_else(|| panic!("{name} has no case"));
        let kind: Kind = finding.parse().expect("a finding");
        assert!(case.must == kind || case.may.contains(&kind), "{name}: {finding}");
    }
}

/// Under every fault there is, sound and with a time to live that runs out, nothing is found.
#[test]
fn a_sound_store_shows_nothing() {
    let strikes = ["kill:random", "pause:random", "partition:random", "one-way:random", "bridge:random"];
    let others = [
        "delay=30ms:random",
        "loss=0.3:random",
        "skew=10s:random",
        "restart:random",
        "replace:random",
        "deploy=2:random",
    ];
    let schedule = FaultSchedule {
        strikes: strikes.iter().chain(&others).map(|text| text.parse().expect("a strike")).collect(),
        timing: "random:1s".parse().expect("a timing"),
        length: Duration::from_secs(2),
    };
    for seed in 0..seeds(8) {
        let live = if seed % 2 == 0 { SECONDS } else { HOUR };
        let options = EmbeddedOptions { nodes: 5, ..sound(live) };
        let counts = found(&options, &truth::planned(lifecycle(seed), &schedule, 5, 8));
        assert_eq!(counts, BTreeMap::new(), "seed {seed}");
    }
}

/// Of two tabs that each write another field, one undoes the other where the whole session is written back.
#[test]
fn a_whole_blob_undoes_the_other_tab() {
    let mut shown = 0;
    let seeds = seeds(3);
    for seed in 0..seeds {
        for (writes, bad) in [(FieldWriteMode::PerField, false), (FieldWriteMode::WholeBlob, true)] {
            let options = EmbeddedOptions { writes, ..sound(HOUR) };
            let settings = truth::settings(lifecycle(seed), &["delay=20ms@0s+8s"], 3, 8);
            let kinds: Vec<Kind> = found(&options, &settings).into_keys().collect();
            let expected = [Kind::StaleSession, Kind::LostWrite];
            assert!(kinds.iter().all(|kind| bad && expected.contains(kind)), "seed {seed}: {kinds:?}");
            shown += u64::from(!kinds.is_empty());
        }
    }
    assert!(shown * 10 >= seeds * 8, "{shown} of {seeds}");
}

/// Asynchronous replication and reads at replicas are no bugs, and no promise.
#[test]
fn weaker_configurations_are_found_out() {
    let weak = [
        (EmbeddedOptions { replication: ReplicationMode::Async, ..sound(HOUR) }, &["partition@1s+4s"][..]),
        (EmbeddedOptions { reads: ReadRouting::Any, ..sound(HOUR) }, &["delay=30ms@1s+5s"]),
    ];
    for (options, strikes) in weak {
        let kinds = found(&options, &truth::settings(lifecycle(1), strikes, 3, 8));
        assert!(kinds.contains_key(&Kind::StaleSession), "{kinds:?}");
    }
}

/// What somebody on call reads: what happened, to whom, where, under which fault, and where to read on.
#[test]
fn every_format_tells_a_finding() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("run.jsonl");
    let steadfast = || std::process::Command::new(env!("CARGO_BIN_EXE_steadfast"));
    let run = [
        "run",
        "--workload=session",
        "--bug=resurrect-after-destroy",
        "--tabs=2",
        "--faults=delay=50ms@0s+10s",
    ];
    let more = ["--replication=quorum", "--format=text", "--no-color", "--output"];
    let ran = steadfast().args(run).args(more).arg(&file).output().expect("it runs");
    let text = String::from_utf8(ran.stdout).expect("text");
    assert_eq!(ran.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&ran.stderr));
    for word in [
        "resurrected-session on ",
        "found the session, although destroy",
        " at n1",
        "delay=50ms",
        "docs/runbook.md#",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let told = |format: &str| {
        let check = steadfast().args(["check", "--format", format]).arg(&file).output().expect("it runs");
        String::from_utf8(check.stdout).expect("text")
    };
    let json: serde_json::Value = serde_json::from_str(&told("json")).expect("one object");
    let level = json["levels"].as_array().expect("levels").iter();
    let level = level.clone().find(|level| level["level"] == "resurrected-session").expect("it was judged");
    let anomalies = level["anomalies"].as_array().expect("anomalies").iter();
    let anomaly =
        anomalies.clone().find(|anomaly| anomaly["faults"][0].is_string()).expect("one under the fault");
    assert_eq!((&level["verdict"], &anomaly["type"]), (&"violated".into(), &"resurrected-session".into()));
    assert!(anomaly["session"].is_string() && anomaly["node"].is_string(), "{anomaly}");
    assert!(anomaly["faults"][0].as_str().is_some_and(|fault| fault.starts_with("delay=50ms")), "{anomaly}");
    for format in ["junit", "sarif", "github"] {
        assert!(told(format).contains("resurrected-session"), "{format}");
    }
    let asked = steadfast().args(["check", "--consistency=lost-session,torn-session"]).arg(&file).output();
    assert_eq!(asked.expect("it runs").status.code(), Some(0));
}

/// Every finding has its entry in the runbook, and its row in the definitions.
#[test]
fn every_finding_is_in_the_runbook() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let read = |name: &str| std::fs::read_to_string(docs.join(name)).expect("a page");
    let (runbook, definitions) = (read("runbook.md"), read("definitions.md"));
    for kind in Kind::ALL {
        assert!(runbook.contains(&format!("\n## {}\n", kind.name())), "{}", kind.name());
        assert!(definitions.contains(&format!("| `{}` |", kind.name())), "{}", kind.name());
    }
}
