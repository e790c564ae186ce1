//! `steadfast enumerate` and `steadfast generate`.
//!
//! A count of histories that leaves some out, or a search that claims that there is none, would be believed. The counts here
//! were derived by hand, and the histories that the search finds are the textbook ones.

use assert_cmd::Command;
use serde_json::Value;

fn run(args: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast")).args(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1))
}

fn json(args: &[&str]) -> (Value, i32) {
    let (out, err, code) = run(&[args, &["--format", "json"]].concat());
    (serde_json::from_str(&out).unwrap_or_else(|why| panic!("{args:?}: {why}: {err}")), code)
}

/// One session with two operations on one key has six histories: w w, w r_, w r1, r_ w, r1 w, r r. Two of them have no legal
/// order: w r_ misses its own write, and r1 w reads what the session has yet to write.
#[test]
fn the_counts_of_a_shape_are_those_counted_by_hand() {
    let (found, code) = json(&["enumerate", "--shape", "2", "--keys", "1"]);
    assert_eq!((&found["histories"], code), (&6.into(), 0));
    let violated = |name: &str| -> u64 {
        let levels = found["levels"].as_array().expect("levels");
        let level = levels.iter().find(|level| level["level"] == name).expect("the level");
        assert_eq!(level["unknown"], 0);
        level["violated"].as_u64().expect("a count")
    };
    assert_eq!((violated("sequential"), violated("session")), (2, 2));
    assert_eq!((violated("read-your-writes"), violated("writes-follow-reads")), (1, 1));
    assert_eq!((violated("monotonic-reads"), violated("monotonic-writes")), (0, 0));
    assert!(found["levels"].as_array().expect("levels").iter().all(|level| level["level"] != "linearizable"));
}

/// An enumeration that was cut short claimed that no history exists, or gave counts as if they were complete.
#[test]
fn an_enumeration_that_the_time_limit_ends_says_so() {
    let count = ["enumerate", "--shape", "3+3", "--timeout", "1ms"];
    let (found, code) = json(&count);
    assert_eq!((&found["stopped"], code), (&true.into(), 3));
    let (text, _, _) = run(&count);
    assert!(text.contains("before the time limit"), "{text}");
    // A session that reads its own write cannot violate this: nothing is found, and that is not known yet.
    let search = ["enumerate", "--shape", "3+3", "--satisfies", "session", "--violates", "read-your-writes"];
    let (found, code) = json(&[&search[..], &["--timeout", "1ms"]].concat());
    assert_eq!((&found["stopped"], &found["history"], code), (&true.into(), &Value::Null, 3));
}

/// The store buffering test: each session writes one key and does not see the other's write.
#[test]
fn the_smallest_history_that_is_causal_and_not_sequential_is_store_buffering() {
    let args = [
        "enumerate",
        "--shape",
        "2+2",
        "--satisfies",
        "causal-convergence,causal-memory",
        "--violates",
        "sequential",
    ];
    let (found, code) = json(&args);
    assert_eq!((&found["steps"], &found["unknown"], code), (&4.into(), &0.into(), 0));
    assert_eq!(found["history"], "a: [x.w1] [y.r_]\nb: [y.w1] [x.r_]\n");
}

#[test]
fn the_smallest_write_skew_is_found() {
    let args = [
        "enumerate",
        "--shape",
        "1+1",
        "--model",
        "rw-register",
        "--satisfies",
        "snapshot-isolation",
        "--violates",
        "serializable",
    ];
    let (found, code) = json(&args);
    assert_eq!((&found["steps"], code), (&4.into(), 0));
    assert!(found["history"].as_str().expect("a drawing").contains("[t "));
}

/// A real-time level makes the search distinguish real-time orders without being told.
#[test]
fn real_time_orders_are_enumerated_where_a_level_needs_them() {
    let (found, code) =
        json(&["enumerate", "--shape", "1+1", "--satisfies", "sequential", "--violates", "linearizable"]);
    assert_eq!((&found["steps"], &found["real_time"], code), (&2.into(), &true.into(), 0));
}

/// Exit code 1 is a proof by exhaustion: clients cannot distinguish these levels.
#[test]
fn levels_that_permit_the_same_observations_are_not_separated() {
    let args = ["enumerate", "--shape", "1+1+1", "--keys", "1", "--model", "rw-register"];
    for (satisfies, violates) in
        [("view-serializable", "serializable"), ("consistent-view", "parallel-snapshot-isolation")]
    {
        let (found, code) = json(&[&args[..], &["--satisfies", satisfies, "--violates", violates]].concat());
        assert_eq!((&found["history"], &found["unknown"], code), (&Value::Null, &0.into(), 1));
        assert!(found["checked"].as_u64().expect("a count") > 100, "{}", found["checked"]);
    }
}

#[test]
fn bad_questions_are_refused_with_what_fits() {
    for (args, wanted) in [
        (&["--shape", "4+4+4", "--keys", "3"][..], "limit is 20000000"),
        (&["--shape", "2+x"], "2+2"),
        (&["--shape", "9+9"], "between 1 and 12"),
        (&["--shape", "2", "--keys", "9"], "between 1 and 3"),
        (&["--shape", "2", "--satisfies", "snapshot-isolation"], "not a level of register"),
        (&["--shape", "2", "--satisfies", "lost-session"], "not a level of register"),
        (&["--shape", "2", "--satisfies", "causal", "--violates", "causal"], "no history both"),
        (&["--shape", "2", "--output", "x.jsonl"], "--output needs"),
        (&["--shape", "2", "--satisfies", "sequentail"], "sequential"),
    ] {
        let (out, err, code) = run(&[&["enumerate"], args].concat());
        assert_eq!((out.as_str(), code), ("", 2), "{args:?}");
        assert!(err.contains(wanted), "{args:?}: {err}");
    }
}

#[test]
fn a_found_history_is_written_and_checks_as_it_was_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("found.jsonl");
    let file = file.to_str().expect("text");
    let args = [
        "enumerate",
        "--shape",
        "2+2",
        "--satisfies",
        "causal",
        "--violates",
        "sequential",
        "--output",
        file,
    ];
    assert_eq!(run(&args).2, 0);
    assert_eq!(run(&["check", "--consistency", "causal", "--accept-untested", file]).2, 0);
    assert_eq!(run(&["check", "--consistency", "sequential", file]).2, 1);
    assert_eq!(run(&args).2, 2, "an existing file is not replaced");
}

/// A simulated store keeps its level, and each defect is found. The same seed gives the same history.
#[test]
fn generated_histories_have_the_level_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    for model in ["list-append", "rw-register"] {
        for level in [
            "strict-serializable",
            "serializable",
            "snapshot-isolation",
            "parallel-snapshot-isolation",
            "read-committed",
        ] {
            let file = place(&format!("{model}-{level}.jsonl"));
            let shape = ["--transactions", "60", "--sessions", "4", "--indeterminate", "5", "--seed", "3"];
            assert_eq!(
                run(&[&["generate", &file, "--model", model, "--isolation", level], &shape[..]].concat()).2,
                0
            );
            let (_, said, code) = run(&["check", "--accept-untested", "--consistency", level, &file]);
            assert_eq!(code, 0, "{model}, {level}: {said}");
        }
    }
    let generated = |seed: &str| run(&["generate", "-", "--transactions", "30", "--seed", seed]).0;
    assert_eq!(generated("7"), generated("7"));
    assert_ne!(generated("7"), generated("8"));
    let skewed = place("skewed.jsonl");
    let args = ["generate", &skewed, "--defect", "write-skew", "--transactions", "300", "--seed", "1"];
    assert_eq!(run(&args).2, 0);
    assert_eq!(run(&["check", "--consistency", "serializable", &skewed]).2, 1);
    let (_, said, code) = run(&["generate", "-", "--defect", "write-skew", "--isolation", "read-committed"]);
    assert!(code == 2 && said.contains("--defect determines"), "{said}");
}
