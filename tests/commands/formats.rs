//! Formats of other checkers and histories that are not as they should be, through the program as a user runs it: what is
//! judged from them, and what is not.

use crate::program::steadfast;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const LEVELS: &str =
    "monotonic-atomic-view,read-atomic,causal,serializable,strong-session-serializable,strict-serializable";

/// The verdicts on a history, by level, and why some are unknown.
fn verdicts(path: &Path) -> BTreeMap<String, (String, String)> {
    let output = steadfast()
        .args(["check", "--format=json", "--consistency", LEVELS])
        .arg(path)
        .output()
        .expect("it runs");
    let object: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let levels = object["levels"].as_array().expect("levels").iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    levels.map(|level| (text(&level["level"]), (text(&level["verdict"]), text(&level["reason"])))).collect()
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file can be written");
    path
}

/// The same history in all formats that are told by session: session 0 writes x, then reads y empty; session 1 writes y,
/// then reads x empty.
///
/// Whichever transaction is last, it reads something that was written before it in any serial order that keeps the
/// order of sessions: not strong-session-serializable, and so not strict. Without sessions both reads may come first:
/// serializable. Causal: each read misses only what nothing ties to it.
const STORE_BUFFER: [(&str, &str); 2] = [
    ("a.txt", "w(0,1,0,0)\nr(1,0,0,1)\nw(1,2,1,2)\nr(0,0,1,3)\n"),
    (
        "a.json",
        r#"[[{"events":[["w",0,1]],"committed":true},{"events":[["r",1,null]],"committed":true}],
            [{"events":[["w",1,2]],"committed":true},{"events":[["r",0,0]],"committed":true}]]"#,
    ),
];

#[test]
fn sessions_are_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in STORE_BUFFER {
        let found = verdicts(&file(&folder, name, text));
        for (level, verdict) in [
            ("causal", "holds"),
            ("read-atomic", "holds"),
            ("monotonic-atomic-view", "holds"),
            ("serializable", "holds"),
            ("strong-session-serializable", "violated"),
            ("strict-serializable", "violated"),
        ] {
            assert_eq!(found[level].0, verdict, "{name} {level}: {found:?}");
        }
    }
}

/// One session wrote twice, another read the first value twice. Whatever the order of the lines, and wherever the reader
/// puts the events, nobody knows that the reads came after the second write.
#[test]
fn an_order_between_sessions_is_neither_violated_nor_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = ["w(0,1,0,0)\n", "w(0,2,0,1)\n", "r(0,1,1,2)\n", "r(0,1,1,3)\n"];
    for (at, order) in [[0, 1, 2, 3], [2, 3, 0, 1], [0, 2, 1, 3], [2, 0, 3, 1]].iter().enumerate() {
        let text: String = order.iter().map(|&line| lines[line]).collect();
        let path = file(&folder, &format!("{at}.txt"), &text);
        let native = folder.path().join(format!("{at}.jsonl"));
        steadfast().arg("convert").arg(&path).arg(&native).assert().code(0);
        for path in [path, native] {
            let found = verdicts(&path);
            for (level, (verdict, reason)) in &found {
                let expected = if level == "strict-serializable" { "unknown" } else { "holds" };
                assert_eq!(verdict, expected, "{} {level}: {found:?}", path.display());
                assert_eq!(reason.contains("nothing of when"), expected == "unknown", "{reason}");
            }
            let registers = ["check", "--model=multi-register", "--consistency=linearizable", "--quiet"];
            steadfast().args(registers).arg(&path).assert().code(3);
            let output = steadfast()
                .args(["check", "--assume=linearizable-keys"])
                .arg(&path)
                .output()
                .expect("it runs");
            assert_eq!(output.status.code(), Some(2));
            assert!(String::from_utf8_lossy(&output.stderr).contains("this history has no real-time order"));
        }
    }
}

/// A stale read that one session shows by itself is one whatever else happened.
#[test]
fn what_one_session_shows_is_a_violation_of_the_strongest_level_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let found = verdicts(&file(&folder, "a.txt", "w(0,1,0,0)\nr(0,0,0,1)\n"));
    assert_eq!(found["strict-serializable"].0, "violated");
    assert_eq!(found["causal"].0, "violated");
    assert_eq!(found["serializable"].0, "holds");
}

#[test]
fn what_was_aborted_and_what_was_never_written_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("aborted.txt", "w(0,1,0,-1)\nr(0,1,1,0)\n"),
        ("nobody.txt", "w(0,1,0,0)\nr(0,7,1,1)\n"),
        ("none.txt", "w 0 1\n=====\nr 0 0\n"),
        (
            "aborted.json",
            r#"[[{"events":[["w",0,1]],"committed":false}],[{"events":[["r",0,1]],"committed":true}]]"#,
        ),
    ] {
        let found = verdicts(&file(&folder, name, text));
        assert!(found.values().all(|(verdict, _)| verdict == "violated"), "{name}: {found:?}");
    }
}

/// 0 is the initial value, so a read of it does not tell who wrote it; an order that explains it all is enough.
#[test]
fn a_write_of_the_initial_value_is_decided_by_an_order_of_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(&folder, "a.txt", "w(0,1,0,0)\nw(0,0,0,1)\nr(0,0,0,2)\n");
    let found = verdicts(&path);
    assert_eq!((found["serializable"].0.as_str(), found["causal"].0.as_str()), ("holds", "holds"));
    let output = steadfast().arg("check").arg(&path).output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 writes of 0"));
}

#[test]
fn a_history_goes_through_every_format_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = file(&folder, "a.txt", STORE_BUFFER[0].1);
    let expected = verdicts(&start);
    let mut from = start;
    for (name, to) in [
        ("b.json", "--to=dbcop-json"),
        ("c.bincode", "--to=dbcop-bincode"),
        ("d.jsonl.gz", "--to=native"),
        ("e.txt.zst", "--to=plume"),
        ("f.bincode", "--to=dbcop-bincode"),
    ] {
        let path = folder.path().join(name);
        steadfast().args(["convert", to]).arg(&from).arg(&path).assert().code(0);
        assert_eq!(verdicts(&path), expected, "{name}");
        from = path;
    }
}

#[test]
fn what_a_format_cannot_say_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let event = |process: u32, kind: &str, f: &str, value: &str| {
        format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}\n")
    };
    let append = "[[\"append\",0,1]]";
    let text = event(0, "invoke", "txn", append)
        + &event(0, "ok", "txn", append)
        + &event(1, "invoke", "read", "null");
    let path = file(&folder, "a.jsonl", &text);
    let out = folder.path().join("out.bincode");
    let output = steadfast().arg("convert").arg(&path).arg(&out).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for reason in [
        "cannot be written as dbcop-bincode",
        "knows no real-time order",
        "operation 0 is about the list 0",
        "operation 2 is \"read\"",
        "--without-real-time",
    ] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
    assert!(!out.exists());
    // What is not judged is left out, and said.
    let micros = "[[\"w\",0,1]]";
    let text = event(0, "invoke", "txn", micros)
        + &event(0, "ok", "txn", micros).replace("\"f\"", "\"node\":\"n1\",\"time\":5,\"f\"");
    let path = file(&folder, "b.jsonl", &text);
    let output = steadfast().args(["convert", "--to=plume"]).arg(&path).arg("-").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "w(0,1,0,0)\n", "{said}");
    assert!(said.contains("times") && said.contains("such as node"), "{said}");
}

/// Transactions, each of a process of its own: what it was invoked with and what it completed with.
fn transactions(folder: &tempfile::TempDir, steps: &[(&str, &str)]) -> std::path::PathBuf {
    let event = |process: usize, kind: &str, value: &str| {
        format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"txn\",\"value\":{value}}}\n")
    };
    let text = steps
        .iter()
        .enumerate()
        .map(|(at, (invoked, done))| event(at, "invoke", invoked) + &event(at, "ok", done));
    file(folder, "odd.jsonl", &text.collect::<String>())
}

/// What is odd, the transactions, the exit code, and what is said.
type Odd = (&'static str, Vec<(&'static str, &'static str)>, i32, &'static [&'static str]);

/// What is wrong with a history is named with its place, and the rest is judged as far as it can be.
#[test]
fn bad_input_is_named_with_its_place_and_judged_as_far_as_it_can_be() {
    for (what, steps, code, said) in &odd_histories() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = transactions(&folder, steps);
        // One line a remark: nothing is wrapped in JSON.
        let output = steadfast().args(["check", "--format=json"]).arg(&path).output().expect("it runs");
        let all = String::from_utf8_lossy(&output.stdout).replace("\\\"", "\"")
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{what}: {all}");
        for text in *said {
            assert!(all.contains(text), "{what}: {text} is not in {all}");
        }
    }
}

fn odd_histories() -> Vec<Odd> {
    let append = |value: &'static str| (value, value);
    // Operations are numbered by their events: the second is 2, the third 4.
    vec![
        (
            "a read of more elements than were appended",
            vec![append("[[\"append\",\"x\",1]]"), ("[[\"r\",\"x\",null]]", "[[\"r\",\"x\",[1,2,3]]]")],
            1,
            &["garbage-read", "at 2 read (1 2 3) from x, but nobody wrote 2"],
        ),
        (
            "an append of a list",
            vec![append("[[\"append\",\"x\",[1,2]]]"), ("[[\"r\",\"x\",null]]", "[[\"r\",\"x\",[[1,2]]]]")],
            0,
            &["operation 0 appends the list [1,2] to x; it counts as one element"],
        ),
        (
            "an append of a list that was read as several elements",
            vec![append("[[\"append\",\"x\",[1,2]]]"), ("[[\"r\",\"x\",null]]", "[[\"r\",\"x\",[1,2]]]")],
            1,
            &["operation 0 appends the list [1,2] to x; it counts as one element", "nobody wrote 1"],
        ),
        (
            "a micro-operation of unknown kind",
            vec![append("[[\"append\",\"x\",1],[\"frob\",\"x\",1]]")],
            2,
            &[
                "odd.jsonl:1:",
                "odd.jsonl:2:",
                "found \"frob\", expected a micro-operation's name: r, w or append",
            ],
        ),
        (
            // The read began when both appends had completed, and the list shows one of them.
            "two appends of one value",
            vec![
                append("[[\"append\",\"x\",1]]"),
                append("[[\"append\",\"x\",1]]"),
                ("[[\"r\",\"x\",null]]", "[[\"r\",\"x\",[1]]]"),
            ],
            1,
            &["strict-serializable-impossible", "T1 = at 0: [append x 1]", "T2 = at 2: [append x 1]"],
        ),
        (
            "two appends of one value, and a dirty read elsewhere",
            vec![
                append("[[\"append\",\"x\",1]]"),
                append("[[\"append\",\"x\",1]]"),
                ("[[\"r\",\"y\",null]]", "[[\"r\",\"y\",[7]]]"),
            ],
            1,
            &["garbage-read", "nobody wrote 7"],
        ),
        (
            "keys of two types",
            vec![append("[[\"append\",\"1\",1]]"), ("[[\"r\",1,null]]", "[[\"r\",1,[]]]")],
            0,
            &["the keys \"1\" (operation 0) and 1 (operation 2) differ only in type"],
        ),
        (
            "a key that is a list and a register",
            vec![append("[[\"append\",\"x\",1]]"), append("[[\"w\",\"x\",2]]")],
            3,
            &["operation 0 uses x as a list, and operation 2 uses it as a register"],
        ),
        // Before, this was an internal error: the first check called it garbage, the second did not.
        (
            "a list that was read as one value",
            vec![append("[[\"append\",\"x\",1]]"), ("[[\"r\",\"x\",null]]", "[[\"r\",\"x\",1]]")],
            3,
            &["operation 0 uses x as a list, and operation 2 uses it as a register"],
        ),
        // Before, what was invoked was forgotten, and an append could vanish.
        (
            "a transaction that completes with fewer steps",
            vec![("[[\"r\",\"x\",null],[\"append\",\"x\",1]]", "[[\"r\",\"x\",[]]]")],
            2,
            &["odd.jsonl:2:1: found ok by process 0 with the end as step 1, expected [[\"append\",\"x\",1]]"],
        ),
        (
            "a transaction that completes with another write",
            vec![("[[\"w\",\"x\",1]]", "[[\"w\",\"x\",2]]")],
            2,
            &[
                "odd.jsonl:2:1: found ok by process 0 with [[\"w\",\"x\",2]] as step 0, expected [[\"w\",\"x\",1]]",
            ],
        ),
    ]
}

/// A table whose columns are called otherwise says so; without that it is refused, and the message names the option.
#[test]
fn the_columns_of_a_table_can_be_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path =
        file(&folder, "a.csv", "t0,t1,client,verb,object,value,seen\n1,5,0,PUT,k1,apple,\n6,7,1,GET,k1,,\n");
    let checked =
        |options: &[&str]| steadfast().arg("check").args(options).arg(&path).output().expect("it runs");
    let refused = checked(&[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--columns"), "{refused:?}");
    // The read came after the write had returned, and found nothing.
    let told = checked(&["--columns", "call=t0,return=t1,f=verb,output=seen"]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
}

/// What the text report says of a history.
fn told(path: &Path) -> String {
    let output = steadfast().arg("check").arg(path).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Completions alone: a transaction wrote x, one of another process had read nothing, and a third read the write. The
/// default level needs real time, so it is unknown. The report used to recommend more time and memory, with which it would
/// stay unknown.
#[test]
fn without_real_time_a_level_is_recommended_that_needs_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(
        &folder,
        "completions.edn",
        "{:process 0, :type :ok, :f :txn, :value [[:w :x 1]]}\n{:process 1, :type :ok, :f :txn, :value [[:r :x nil]]}\n\
         {:process 2, :type :ok, :f :txn, :value [[:r :x 1]]}\n",
    );
    let text = told(&path);
    assert!(text.contains("UNKNOWN: strict-serializable"), "{text}");
    assert!(text.contains("such as --consistency strong-session-serializable"), "{text}");
    assert!(!text.contains("--memory"), "{text}");
    assert_eq!(verdicts(&path)["strong-session-serializable"].0, "holds");
}

/// The token of a fenced lock goes from 5 back to 3. Who holds the lock is right, so the mutex holds; the tokens were
/// ignored without a word.
#[test]
fn the_values_of_a_lock_are_not_judged_and_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let event = |process: u8, kind: &str, f: &str, value: &str| {
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
    };
    let lock = |token: [&str; 2]| {
        [
            event(0, "invoke", "acquire", "nil") + &event(0, "ok", "acquire", token[0]),
            event(0, "invoke", "release", "nil") + &event(0, "ok", "release", "nil"),
            event(1, "invoke", "acquire", "nil") + &event(1, "ok", "acquire", token[1]),
        ]
        .concat()
    };
    let fenced = told(&file(&folder, "fenced.edn", &lock(["5", "3"])));
    assert!(fenced.starts_with("HOLDS"), "{fenced}");
    assert!(fenced.contains("such as 5 in operation 0. They were not judged"), "{fenced}");
    let plain = told(&file(&folder, "plain.edn", &lock(["nil", "nil"])));
    assert!(!plain.contains("not judged"), "{plain}");
}

/// What `check` prints about a file.
fn printed(path: &Path, more: &[&str]) -> String {
    let output = steadfast().arg("check").args(more).arg(path).output().expect("it runs");
    let text =
        [&*String::from_utf8_lossy(&output.stdout), &*String::from_utf8_lossy(&output.stderr)].concat();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The store numbers the second write lower than the first one. Gateways of etcd write 64-bit integers as texts, and tables with missing values
/// have floats; the numbers were ignored silently.
#[test]
fn a_version_may_be_the_text_of_an_integer() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = |first: &str, second: &str| {
        let event = |kind: &str, f: &str, value: &str, more: &str| {
            format!(r#"{{"process":0,"type":"{kind}","f":"{f}","key":"x","value":{value}{more}}}"#)
        };
        let version = |version: &str| format!(r#","version":{version}"#);
        let lines = [
            event("invoke", "write", "1", ""),
            event("ok", "write", "1", &version(first)),
            event("invoke", "write", "2", ""),
            event("ok", "write", "2", &version(second)),
            event("invoke", "read", "null", ""),
            event("ok", "read", "2", ""),
        ];
        lines.join("\n")
    };
    for (first, second) in [("2", "1"), ("\"2\"", "\"1\""), ("2.0", "1.0")] {
        let told = printed(&file(&folder, "a.jsonl", &text(first, second)), &[]);
        assert!(told.starts_with("VIOLATED"), "{told}");
    }
    let told = printed(&file(&folder, "a.jsonl", &text("\"v2\"", "1.5")), &[]);
    assert!(told.starts_with("HOLDS"), "{told}");
    assert!(
        told.contains("2 answers (the first is that of operation 0) carry a \"version\" that is no integer"),
        "{told}"
    );
}

/// The results are in a column named `res`, which the reader does not know. It took each read to have found nothing, and `check` reported a
/// stale read.
#[test]
fn columns_that_were_not_read_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let table =
        file(&folder, "a.csv", "call,return,client,op,key,value,res\n1,2,0,write,x,1,\n3,4,1,read,x,,1\n");
    let told = printed(&table, &[]);
    assert!(
        told.contains("the column \"res\" was not read, and no column says output, outcome, session"),
        "{told}"
    );
    assert!(told.contains("--columns output=res"), "{told}");
    let told = printed(&table, &["--columns", "output=res"]);
    assert!(told.starts_with("HOLDS"), "{told}");
}

/// The invocation of a read has no value, so not every invocation had the misspelt field. Each value was null.
#[test]
fn a_misspelt_value_of_one_invocation_is_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = r#"{"process":0,"type":"invoke","f":"write","val":1}
{"process":0,"type":"ok","f":"write","val":1}
{"process":0,"type":"invoke","f":"read"}
{"process":0,"type":"ok","f":"read","val":7}
"#;
    let told = printed(&file(&folder, "a.jsonl", text), &[]);
    assert!(
        told.contains("the field \"val\" in some invocations and the field \"value\" in no event"),
        "{told}"
    );
}

/// Two objects and two sessions of the same name, but for the type of it.
#[test]
fn names_that_differ_only_in_type_are_told_of_registers_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = r#"{"process":0,"type":"invoke","f":"write","key":1,"session":"7","value":1}
{"process":0,"type":"ok","f":"write","key":1,"session":"7","value":1}
{"process":1,"type":"invoke","f":"read","key":"1","session":7,"value":null}
{"process":1,"type":"ok","f":"read","key":"1","session":7,"value":null}
"#;
    let told = printed(&file(&folder, "a.jsonl", text), &[]);
    assert!(told.contains("the keys \"1\" (operation 2) and 1 (operation 0) differ only in type"), "{told}");
    assert!(
        told.contains("the sessions \"7\" (operation 0) and 7 (operation 2) differ only in type"),
        "{told}"
    );
}

/// Nothing can be concluded from an answer that is neither true nor false. It was left out silently.
#[test]
fn an_answer_of_contains_that_is_no_truth_value_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = r#"{"process":0,"type":"invoke","f":"contains","value":2}
{"process":0,"type":"ok","f":"contains","value":1}
{"process":0,"type":"invoke","f":"read"}
{"process":0,"type":"ok","f":"read","value":[]}
"#;
    let told = printed(&file(&folder, "a.jsonl", text), &["--model", "set"]);
    assert!(told.contains("the answer 1 is neither true nor false"), "{told}");
}

/// All transactions declare read-uncommitted, and nothing orders versions. The level held.
#[test]
fn mixed_levels_that_ask_nothing_are_untested() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = r#"{"process":0,"type":"invoke","f":"txn","value":[["w","x",1]],"isolation":"read-uncommitted"}
{"process":0,"type":"ok","f":"txn","value":[["w","x",1]]}
{"process":0,"type":"invoke","f":"txn","value":[["r","x",null]],"isolation":"read-uncommitted"}
{"process":0,"type":"ok","f":"txn","value":[["r","x",999]]}
"#;
    let told = printed(&file(&folder, "a.jsonl", text), &[]);
    assert!(told.starts_with("UNTESTED: mixed"), "{told}");
    let asks = text.replacen(
        r#"null]],"isolation":"read-uncommitted""#,
        r#"null]],"isolation":"read-committed""#,
        1,
    );
    let told = printed(&file(&folder, "a.jsonl", &asks), &[]);
    assert!(told.starts_with("VIOLATED"), "{told}");
}
