//! Measurements, objectives and differences from the command line.

use assert_cmd::Command;
use std::path::Path;

/// A kill from 2 to 4 s. alice is refused at 2.5 and served again at 3.001: after 1.001 s. Four of five operations are
/// answered.
const HISTORY: &str = r#"{"time":100000000,"process":1,"session":"alice","type":"invoke","f":"write","key":"x","value":1}
{"time":101000000,"process":1,"session":"alice","type":"ok","f":"write","key":"x","value":1,"node":"n1"}
{"time":200000000,"process":1,"session":"alice","type":"invoke","f":"write","key":"x","value":2}
{"time":201000000,"process":1,"session":"alice","type":"ok","f":"write","key":"x","value":2,"node":"n1"}
{"time":2000000000,"process":"nemesis","type":"info","f":"kill","value":"n1"}
{"time":2500000000,"process":1,"session":"alice","type":"invoke","f":"write","key":"x","value":3}
{"time":2501000000,"process":1,"session":"alice","type":"fail","f":"write","key":"x","value":3,"error":"no primary"}
{"time":3000000000,"process":1,"session":"alice","type":"invoke","f":"write","key":"x","value":4}
{"time":3001000000,"process":1,"session":"alice","type":"ok","f":"write","key":"x","value":4,"node":"n2"}
{"time":4000000000,"process":"nemesis","type":"info","f":"heal-kill","value":"n1"}
{"time":4100000000,"process":2,"session":"bob","type":"invoke","f":"read","key":"x","value":null}
{"time":4101000000,"process":2,"session":"bob","type":"ok","f":"read","key":"x","value":4,"node":"n2"}
"#;

fn steadfast(folder: &Path, args: &[&str], code: i32) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    let output = command.current_dir(folder).args(args).assert().code(code).get_output().clone();
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("run.jsonl"), HISTORY).expect("a history");
    folder
}

#[test]
fn a_missed_objective_is_exit_code_1_and_says_by_how_much() {
    let folder = folder();
    let check = |slo: &str, code| steadfast(folder.path(), &["check", "--slo", slo, "run.jsonl"], code).0;
    assert!(check("recovery.p99=2s,availability=50%", 0).starts_with("HOLDS"));
    let missed = check("recovery.p99=1s,availability=50%", 1);
    assert!(missed.starts_with("MISSED"), "{missed}");
    assert!(missed.contains("missed  recovery.p99: 1 s, 1 ms more than 1 s"), "{missed}");
    assert!(missed.contains("met     availability: 80% (limit: at least 50%)"), "{missed}");
    // Nobody read back what the store had left in the end, so nobody knows what it lost: no figure, no promise.
    let unknown = check("lost-writes=0", 3);
    assert!(
        unknown.starts_with("UNKNOWN") && unknown.contains("the history has no final reads"),
        "{unknown}"
    );
    // Missed is worse than unknown.
    check("lost-writes=0,recovery.p99=1s", 1);
}

#[test]
fn every_format_tells_of_objectives() {
    let folder = folder();
    let check = |format: &str| {
        let options = ["check", "--format", format, "--slo", "recovery.p99=1s,lost-writes=0", "run.jsonl"];
        steadfast(folder.path(), &options, 1).0
    };
    let json: serde_json::Value = serde_json::from_str(&check("json")).expect("JSON");
    assert_eq!(json["verdict"], "holds", "that of the levels");
    let objectives = json["objectives"].as_array().expect("a list");
    assert_eq!(
        (&objectives[0]["name"], &objectives[0]["verdict"]),
        (&"recovery.p99".into(), &"missed".into())
    );
    assert_eq!((&objectives[0]["limit"], &objectives[0]["measured"]), (&1.0.into(), &1.001.into()));
    assert_eq!(objectives[1]["verdict"], "unknown");
    assert_eq!(json["measurements"]["run"]["affected_sessions"], 1);
    assert_eq!(json["measurements"]["run"]["lost_writes"], serde_json::Value::Null);
    let fault = &json["measurements"]["faults"][0];
    assert_eq!((&fault["fault"], &fault["nodes"][0]), (&"kill".into(), &"n1".into()));
    assert_eq!((&fault["struck_seconds"], &fault["recovery_max_seconds"]), (&2.0.into(), &1.001.into()));
    assert!(
        check("junit").contains("<failure message=\"recovery.p99: 1 s, 1 ms more than 1 s\" type=\"missed\"")
    );
    assert!(check("github").contains("::error file=run.jsonl,title=objective missed::recovery.p99"));
    let sarif: serde_json::Value = serde_json::from_str(&check("sarif")).expect("JSON");
    let rules: Vec<&str> = sarif["runs"][0]["results"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["ruleId"].as_str())
        .collect();
    assert_eq!(rules, ["objective-missed", "objective-unknown"]);
}

#[test]
fn an_objective_that_names_no_measurement_is_refused_with_those_there_are() {
    let folder = folder();
    let file = folder.path().join("slo.toml");
    std::fs::write(&file, "recovery.p98 = \"3s\"\n").expect("a file");
    for options in [
        &["check", "--slo", "speed=3", "run.jsonl"][..],
        &["check", "--objectives", "slo.toml", "run.jsonl"],
        &["run", "--objectives", "slo.toml"],
    ] {
        let (_, problem) = steadfast(folder.path(), options, 2);
        assert!(
            problem.contains("there is no figure") && problem.contains("`steadfast objectives` lists them"),
            "{problem}"
        );
    }
    // Known before anything was run.
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
    let (_, problem) = steadfast(folder.path(), &["check", "--slo", "recovery.p99=3", "run.jsonl"], 2);
    assert!(problem.contains("a number and a unit"), "{problem}");
    let (_, problem) = steadfast(folder.path(), &["check", "--objectives", "none.toml", "run.jsonl"], 2);
    assert!(problem.contains("none.toml"), "{problem}");
}

/// After the run such an objective could only be *unknown*, minutes later and without a word of what would have helped.
#[test]
fn an_objective_that_a_run_can_never_decide_is_refused_before_it_with_the_cure() {
    let folder = folder();
    for (options, cure) in [
        (&["--slo", "lost-sessions=0"][..], "--workload session"),
        (&["--slo", "recovered-with-state=100%"], "--workload session"),
        (&["--slo", "recovery.p99=3s", "--faults", "none"], "--faults"),
        (&["--slo", "convergence=3s"], "--workload session"),
        (&["--slo", "lost-writes=0", "--workload", "queue"], "--workload register"),
    ] {
        let (_, problem) = steadfast(folder.path(), &[&["run"], options].concat(), 2);
        assert!(
            problem.contains("cannot measure the objective") && problem.contains(cure),
            "{options:?}: {problem}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing was run");
}

/// The program's own first run: 248 writes were acknowledged by a primary that was cut off, nobody ever read them again,
/// and it said *lost-writes: 0*, met. With a quorum the same faults lose nothing, and that is known.
#[test]
fn what_the_first_run_loses_is_counted_and_nothing_is_lost_with_a_quorum() {
    let folder = folder();
    let run = |more: &[&str], code| {
        let options = ["run", "--quiet", "--seed", "1", "--slo", "lost-writes=0", "--format", "json"];
        steadfast(folder.path(), &[&options, more].concat(), code).0
    };
    let json: serde_json::Value = serde_json::from_str(&run(&["--output", "lost.jsonl"], 1)).expect("JSON");
    let history = std::fs::read_to_string(folder.path().join("lost.jsonl")).expect("a history");
    let events =
        history.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an event"));
    // All that n1 acknowledged after it was cut off, counted without the checker: n3 was elected without any of it.
    let cut = 5_000_000_000_u64;
    let lost = events.filter(|event| {
        let acknowledged = event["f"] == "write" && event["type"] == "ok" && event["node"] == "n1";
        acknowledged && event["time"].as_u64().is_some_and(|time| time > cut)
    });
    let (least, most) = match &json["objectives"][0]["measured"] {
        serde_json::Value::Object(bounds) => (bounds["least"].as_u64(), bounds["most"].as_u64()),
        exact => (exact.as_u64(), exact.as_u64()),
    };
    let lost = lost.count() as u64;
    // One or two may have been on their way to n3 when the links were cut.
    assert!(least.is_some_and(|least| least + 2 >= lost && least <= lost), "{least:?} of {lost}");
    assert!(most.is_none_or(|most| most + 2 >= lost), "{most:?} of {lost}");
    let none = run(&["--output", "kept.jsonl", "--replication", "quorum"], 0);
    assert!(none.contains("\"verdict\":\"met\""), "{none}");
}

#[test]
fn objectives_may_stand_in_a_file() {
    let folder = folder();
    let file = folder.path().join("slo.toml");
    std::fs::write(&file, "recovery.p99 = \"1s\"\navailability = \"99.5%\"\n").expect("a file");
    let options = ["check", "--objectives", "slo.toml", "--slo", "availability=50%", "run.jsonl"];
    let (text, _) = steadfast(folder.path(), &options, 1);
    assert!(text.contains("missed  recovery.p99") && text.contains("met     availability"), "{text}");
}

#[test]
fn objectives_are_listed() {
    let (text, _) = steadfast(Path::new("."), &["objectives"], 0);
    assert!(text.contains("recovery.p99 ") && text.contains("staleness.delta "), "{text}");
}

#[test]
fn runs_are_repeated_and_held_against_each_other() {
    let folder = folder();
    let folder = folder.path();
    let run = |name: &str, more: &[&str]| {
        let repeat =
            ["run", "--repeat", "5", "--duration", "3s", "--replication", "quorum", "--after-heal", "1s"];
        let common = [&repeat[..], &["--load", "200/s", "--quiet", "--output", name], more].concat();
        steadfast(folder, &common, 0);
    };
    run("calm.jsonl", &["--faults", "none"]);
    run("killed.jsonl", &["--faults", "kill@1s+1s"]);
    let files = |name: &str, ending: &str| -> Vec<String> {
        (1..=5).map(|seed| format!("{name}-{seed}{ending}")).collect()
    };
    let (calm, killed) = (files("calm", ".jsonl"), files("killed", ".jsonl"));
    // Each can be had again by itself.
    let header = std::fs::read_to_string(folder.join("calm-3.jsonl")).expect("a history");
    assert!(
        header.lines().next().is_some_and(|line| line.contains("--seed 3") && !line.contains("--repeat"))
    );
    let (text, _) = steadfast(folder, &["diff", &calm.join(","), &killed.join(",")], 1);
    let worse = text.lines().find(|line| line.contains(" unavailable ")).unwrap_or_default();
    assert!(worse.trim_start().starts_with("worse") && worse.contains("p = 0.008"), "{text}");
    let (json, _) = steadfast(folder, &["diff", "--format", "json", &killed.join(","), &calm.join(",")], 0);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["verdict"], "better");
    // Of single runs nobody knows what is noise.
    let (text, _) = steadfast(folder, &["diff", &calm[0], &killed[0]], 0);
    assert!(text.contains("looks worse") && text.contains("--repeat 5"), "{text}");
    let (_, problem) = steadfast(folder, &["diff", &calm[0]], 2);
    assert!(problem.contains("name two runs"), "{problem}");
    let (_, problem) = steadfast(folder, &["diff", &calm[0], "no-such-file"], 2);
    assert!(problem.contains("no-such-file"), "{problem}");
}

/// The objectives of every scenario can be measured with the settings of the scenario, on each store.
#[test]
fn the_objectives_of_scenarios_can_be_measured_where_they_run() {
    let folder = folder();
    let mut planned = 0;
    for scenario in workloads::Scenario::all() {
        // An application of one's own needs a description, and the others are asked for their programs only when they run.
        for store in scenario.stores().filter(|store| *store != "http") {
            let words = ["run", store, "--scenario", &scenario.name, "--dry-run"];
            let (_, told) = steadfast(folder.path(), &words, 0);
            assert!(!told.contains("left out"), "{} on {store}: {told}", scenario.name);
            planned += usize::from(!scenario.objectives.is_empty());
        }
    }
    assert!(planned >= 30, "only {planned} plans had objectives");
}

/// A scenario promises that maintenance is hardly noticed: no session waits for more than five seconds. The run says whether
/// that was so. A typed objective replaces the scenario's. A workload without sessions leaves nothing to measure; the run
/// used to be refused then, because of an objective that nobody had typed.
#[test]
fn a_scenario_has_the_objectives_of_its_promise() {
    let folder = folder();
    let run = |more: &[&str], code| {
        let scenario = ["run", "--scenario", "rolling-restart", "--fixed"];
        let output = ["--format", "json", "--force", "--output", "h.jsonl"];
        let (printed, told) = steadfast(folder.path(), &[&scenario[..], &output, more].concat(), code);
        let report: serde_json::Value = serde_json::from_str(&printed).expect("one object");
        let objectives = report["objectives"].as_array().expect("objectives");
        let text = |one: &serde_json::Value| format!("{} {}", one["verdict"], one["name"]).replace('"', "");
        (objectives.iter().map(text).collect::<Vec<_>>().join(", "), told)
    };
    assert_eq!(run(&[], 0).0, "met lost-sessions, met session-unavailable.max");
    assert_eq!(run(&["--objective", "session-unavailable.max=1ms"], 1).0, "missed session-unavailable.max");
    let (judged, told) = run(&["--workload", "register"], 0);
    assert_eq!(judged, "met session-unavailable.max");
    assert!(
        told.contains("the objective lost-sessions of the scenario rolling-restart is left out"),
        "{told}"
    );
}
