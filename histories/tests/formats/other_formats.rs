//! Formats of other tools: what each file says, against what its tool says that it means.
//!
//! What went wrong: people have these files, and all that they got was "no format that is known" or five lines of
//! problems. The files here are made by hand after the documentation or the source of each tool.

use histories::format::{self, Format, Input, Loaded, ReadOptions};
use histories::{Argument, Function, History, Outcome};
use std::path::{Path, PathBuf};

fn read_with(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Loaded, String> {
    let input = Input::Bytes(name.to_owned(), bytes.to_vec());
    format::read(input, options, &|_, _| {}).map_err(|problems| problems.to_string())
}

fn read(name: &str, text: &str) -> Result<Loaded, String> {
    read_with(name, text.as_bytes(), &ReadOptions::default())
}

/// Each operation in a line: process, function, key, argument, result, outcome.
fn told(history: &History) -> Vec<String> {
    let text = |value| history.value_text(value);
    let line = |op: histories::Operation| {
        let argument = match op.argument {
            Argument::Value(value) => text(value).to_owned(),
            Argument::Pair(old, new) => format!("{}>{}", text(old), text(new)),
            Argument::Micros(range) => range.map(|at| micro(history, at)).collect::<Vec<_>>().join(" "),
        };
        let outcome = match op.outcome {
            Outcome::Ok => "ok",
            Outcome::Fail => "fail",
            Outcome::Info => "info",
        };
        let (function, key) = (history.written_function_name(op.id), history.keys.text(op.key));
        let process = history.process_text(op.process);
        format!("{process} {function} {key} {argument} {} {outcome}", text(op.result))
    };
    history.operations().map(line).collect()
}

fn micro(history: &History, at: usize) -> String {
    let micro = history.micros()[at];
    let key = history.keys.text(micro.key);
    match micro.kind {
        histories::MicroKind::Read => format!("r{key}={}", history.value_text(micro.value())),
        histories::MicroKind::Write => format!("w{key}={}", history.value_text(micro.value())),
        histories::MicroKind::Append => format!("a{key}={}", history.value_text(micro.value())),
        histories::MicroKind::ReadList => format!("r{key}={}", history.list(micro.list()).len()),
    }
}

fn folder(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("steadfast-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("a file");
    }
    folder
}

fn read_folder(path: &Path) -> Result<Loaded, String> {
    format::read(Input::Path(path.to_owned()), &ReadOptions::default(), &|_, _| {})
        .map_err(|problems| problems.to_string())
}

#[test]
fn every_number_of_clojure_is_read() {
    // The values that Clojure 1.11 prints for these forms, where JSON has them.
    for (edn, json) in [
        ("0x1F", "31"),
        ("-0xff", "-255"),
        ("017", "15"),
        ("36rZZ", "1295"),
        ("2r101", "5"),
        ("31N", "31"),
        ("+7", "7"),
        ("1.50M", "1.5"),
        ("-4/2", "-2"),
        ("0x7f8f9200e100", "140254606582016"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0", "0"),
        ("-0", "0"),
    ] {
        let text = format!("{{:process 0, :type :invoke, :f :write, :value {edn}}}");
        let history = read("a.edn", &text).unwrap_or_else(|why| panic!("{edn}: {why}")).history;
        let value = history.operations().next().expect("one").value();
        assert_eq!(history.value_text(value), json, "{edn}");
    }
    for edn in [
        "1/2",
        "18446744073709551616",
        "0x1ffffffffffffffff",
        "08",
        "37r1",
        "2r3",
        "##NaN",
        "1.0000000000000000001M",
    ] {
        let text = format!("{{:process 0, :type :invoke, :f :write, :value {edn}}}");
        assert!(read("a.edn", &text).is_err(), "{edn}");
    }
}

#[test]
fn unsigned_keys_and_values_are_kept_exactly() {
    let text =
        r#"{"process":0,"type":"invoke","f":"write","key":18446744073709551615,"value":9223372036854775808}"#;
    let history = read("a.jsonl", text).expect("a history").history;
    assert_eq!(told(&history), ["0 write 18446744073709551615 9223372036854775808 null info"]);
    for (name, write) in [("a.jsonl", true), ("a.edn", false)] {
        let mut out = Vec::new();
        match write {
            true => format::write_native(&history, &mut out).expect("memory"),
            false => format::write_edn(&history, &mut out).expect("memory"),
        }
        let again = read_with(name, &out, &ReadOptions::default()).expect("a history").history;
        assert!(history.same_events(&again), "{}", String::from_utf8_lossy(&out));
    }
    let why = read("a.jsonl", &text.replace("9223372036854775808", "18446744073709551616")).unwrap_err();
    assert!(why.ends_with("expected an integer between -2^63 and 2^64 - 1"), "{why}");
}

#[test]
fn knossos_prints_events_as_vectors() {
    let list = "[[0 :invoke :write 1]\n [0 :ok :write 1]\n [:nemesis :info :start nil]\n [1 :invoke :read nil]\n [1 :ok :read 1]]";
    let expected = ["0 write null 1 1 ok", "1 read null null 1 ok"];
    for text in [list.to_owned(), list.replace('\n', ""), list[1..list.len() - 1].to_owned()] {
        for block_bytes in [1, 7, 1 << 18] {
            let options = ReadOptions { from: Some(Format::Edn), block_bytes, ..ReadOptions::default() };
            let history = read_with("-", text.as_bytes(), &options).expect("a history").history;
            assert_eq!(told(&history), expected, "{text}");
            assert_eq!(history.actor_events().len(), 1);
        }
    }
    assert_eq!(read("-", list).expect("recognised").format, Format::Edn);
    let why = read("a.edn", "[[0 :invoke]]").unwrap_err();
    assert_eq!(why, "a.edn:1:2: found an event of 2 parts, expected [process :type :f value]");
    assert!(read("a.edn", "[[0 :invoke :read nil]").unwrap_err().contains("never closed"));
}

#[test]
fn the_history_text_of_a_run_of_jepsen() {
    let text = "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n:nemesis\t:info\t:start\tnil\n1\t:invoke\t:read\tnil\n1\t:info\t:read\tnil\t:timeout\n";
    let loaded = read("history.txt", text).expect("a history");
    assert_eq!(loaded.format, Format::JepsenText);
    assert_eq!(told(&loaded.history), ["0 write null 1 1 ok", "1 read null null null info"]);
    assert_eq!(loaded.history.note(4).expect("an error").fields, r#"{"error":":timeout"}"#);
    // Every line is an event: one that is damaged is lost otherwise.
    let why = read("history.txt", &text.replace("0\t:ok\t:write", "0\t:ok")).unwrap_err();
    assert!(why.starts_with("history.txt:2:"), "{why}");
    assert!(read("history.txt", &format!("{text}and so on\n")).is_err());
}

#[test]
fn a_log_of_jepsen_has_other_lines() {
    let old = "\nlein test jepsen.system.etcd-test\nINFO  jepsen.os.debian - :n5 setting up debian
INFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.util - 0\t:ok\t:write\t1\nINFO  jepsen.core - Run complete, writing\n";
    let new = "2024-05-01 10:00:00,123{GMT}\tINFO\t[jepsen test runner] jepsen.core: Running test
2024-05-01 10:00:01,000{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:invoke\t:write\t1
2024-05-01 10:00:01,002{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:ok\t:write\t1
2024-05-01 10:00:01,003{GMT}\tWARN\t[jepsen worker 0] jepsen.client: {:type :info :f :x}\n";
    for (text, others) in [(old, 3), (new, 2)] {
        let loaded = read("jepsen.log", text).expect("a history");
        assert_eq!(told(&loaded.history), ["0 write null 1 1 ok"]);
        assert_eq!(loaded.remarks, [format!("{others} other lines of the log were left out")]);
    }
    // A line that has lost its mark still has the words of an event: it is not one of the others.
    let why = read("jepsen.log", &old.replace("util - 0\t:ok", "utl - 0\t:ok")).unwrap_err();
    assert!(why.contains("jepsen.log:5:1"), "{why}");
}

const PORCUPINE: &str = r#"[{"ClientId":0,"Input":{"Op":1,"Key":"a","Value":"1"},"Call":1,"Output":{"Value":""},"Return":5},
 {"ClientId":1,"Input":{"Op":0,"Key":"a"},"Call":6,"Output":{"Value":"1"},"Return":9},
 {"ClientId":1,"Input":{"Op":2,"Key":"a","Value":"2"},"Call":9,"Output":{}}]"#;

#[test]
fn operations_of_porcupine_in_json() {
    let loaded = read("a.json", PORCUPINE).expect("a history");
    assert_eq!(loaded.format, Format::PorcupineJson);
    let expected = [r#"0 put "a" "1" "1" ok"#, r#"1 get "a" null "1" ok"#, r#"1 append "a" "2" null info"#];
    assert_eq!(told(&loaded.history), expected);
    let ops: Vec<_> = loaded.history.operations().collect();
    assert!(ops[0].precedes(&ops[1]) && loaded.history.invoked_at(ops[1].id) == Some(6));
    // Its etcd model: registers, with what is unknown and what was not there.
    let etcd = r#"[{"ClientId":0,"Input":{"Op":2,"Arg1":1,"Arg2":2},"Call":1,"Output":{"Ok":false},"Return":2},
 {"ClientId":0,"Input":{"Op":0,"Arg1":0},"Call":3,"Output":{"Exists":false,"Value":0},"Return":4},
 {"ClientId":0,"Input":{"Op":1,"Arg1":7},"Call":5,"Output":{"Unknown":true},"Return":6}]"#;
    let expected = ["0 cas null 1>2 null fail", "0 read null null null ok", "0 write null 7 null info"];
    assert_eq!(told(&read("a.json", etcd).expect("a history").history), expected);
}

#[test]
fn operations_whose_times_touch_overlap_and_clients_that_overlap_are_none() {
    // The write returns at the very time at which the read of the other client is called.
    let touching = PORCUPINE.replace("\"Call\":6", "\"Call\":5");
    let ops: Vec<_> = read("a.json", &touching).expect("a history").history.operations().collect();
    assert!(!ops[0].precedes(&ops[1]));
    // All have one client, as in logs where nobody filled it in, and two overlap: it is no process.
    let one = PORCUPINE.replace("\"ClientId\":1", "\"ClientId\":0").replace("\"Call\":6", "\"Call\":4");
    let loaded = read("a.json", &one).expect("a history");
    let processes: Vec<_> =
        loaded.history.operations().map(|op| loaded.history.process_text(op.process).into_owned()).collect();
    assert_eq!(processes, ["0", "1", "2"]);
    assert!(loaded.remarks.iter().any(|remark| remark.contains("overlap")), "{:?}", loaded.remarks);
    let why = read("a.json", &PORCUPINE.replace("\"Return\":5", "\"Return\":0")).unwrap_err();
    assert!(why.contains("an operation that returns before it is called"), "{why}");
}

#[test]
fn operations_in_a_table() {
    let text = "call_ns,return_ns,client_id,op,key,value,output\n1,5,0,PUT,k1,apple,\n6,7,1,GET,k1,,NotFound\n8,,1,put,k1,\"a,\"\"b\",\n";
    let loaded = read("a.csv", text).expect("a history");
    let expected =
        [r#"0 put "k1" "apple" "apple" ok"#, r#"1 get "k1" null null ok"#, r#"1 put "k1" "a,\"b" null info"#];
    assert_eq!(told(&loaded.history), expected);
    // Names that do not tell are told.
    let renamed = text.replace("call_ns", "t0").replace(",op,", ",verb,");
    let why = read("a.csv", &renamed).unwrap_err();
    assert!(why.contains("no column for \"call\"") && why.contains("--columns call=NAME"), "{why}");
    let options = ReadOptions { columns: Some("call=t0,f=verb".to_owned()), ..ReadOptions::default() };
    assert_eq!(told(&read_with("a.csv", renamed.as_bytes(), &options).expect("a history").history), expected);
    // Numbers are numbers, and what is wrong has its line.
    let cas = "start,end,process,op,value,output,outcome\n1,2,0,cas,1:2,,fail\n3,x,0,read,,2,ok\n";
    assert_eq!(
        read("a.csv", cas).unwrap_err(),
        "a.csv:3:1: found the time \"x\", expected an integer: nanoseconds, or another unit that all times have"
    );
    let history = read("a.csv", &cas.replace(",x,", ",4,")).expect("a history").history;
    assert_eq!(told(&history), ["0 cas null 1>2 null fail", "0 read null null 2 ok"]);
    assert!(read("a.csv", "start,end,op\n1,2\n").unwrap_err().contains("a line of 2 cells"));
}

/// An operation that never returned was once taken for an overlap, and an overlap of one client made every operation of every client a process
/// of its own: nothing could contradict a session guarantee any more.
#[test]
fn a_client_goes_on_in_its_session_after_an_operation_that_never_returned() {
    let lanes = |text: &str| {
        let loaded = read("a.csv", text).expect("a history");
        let history = &loaded.history;
        let lane = |op: histories::Operation| {
            (history.process_text(op.process).into_owned(), history.sessions.text(op.session).to_owned())
        };
        let mut told: Vec<(String, String)> = history.operations().map(lane).collect();
        told.sort();
        (
            told.into_iter().map(|(process, session)| format!("{process} of {session}")).collect::<Vec<_>>(),
            loaded.remarks,
        )
    };
    let table =
        "call,return,process,f,value\n1,,0,write,1\n2,3,0,write,2\n4,5,1,write,3\n6,7,1,read,\n8,9,0,read,\n";
    let (told, remarks) = lanes(table);
    assert_eq!(told, ["0 of 0", "1 of 1", "1 of 1", "2 of 0", "2 of 0"]);
    assert!(remarks.len() == 2 && remarks[1].starts_with("client 0 went on after"), "{remarks:?}");
    // Without that operation, clients are processes as they are, and no remark is needed.
    let (told, remarks) = lanes(&table.replace("1,,0,write,1\n", ""));
    assert_eq!((told.len(), remarks.len()), (4, 1));
    // The operations of one client overlap: those of the other stay one process.
    let (told, remarks) = lanes(&table.replace("1,,", "1,3,"));
    assert_eq!(told.iter().filter(|lane| lane.starts_with("1 ")).count(), 2, "{told:?}");
    assert_eq!(told.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{told:?}");
    assert!(remarks[1].starts_with("operations of client 0 overlap"), "{remarks:?}");
    // Without a client nothing overlaps.
    let (told, remarks) = lanes("call,return,f,value\n1,2,write,1\n3,4,read,\n");
    assert_eq!(told.len(), 2);
    assert!(remarks.len() == 2 && remarks[1].starts_with("operations without a client"), "{remarks:?}");
}

/// A negative return once meant silently that the operation never returned, and so did a text in JSON.
#[test]
fn a_return_is_a_time_or_nothing() {
    let why = read("a.csv", "call,return,process,f,value\n-5,-3,0,write,1\n").unwrap_err();
    assert!(why.starts_with("a.csv:2:1: found the return -3, expected a time from 0 on"), "{why}");
    for wrong in ["-1", "\"5\"", "5.5"] {
        let why =
            read("a.json", &PORCUPINE.replace("\"Return\":5", &format!("\"Return\":{wrong}"))).unwrap_err();
        assert!(why.contains("found the return"), "{why}");
    }
    for open in ["null", "9223372036854775807"] {
        let open = PORCUPINE.replace("\"Return\":5", &format!("\"Return\":{open}"));
        assert!(told(&read("a.json", &open).expect("a history").history)[0].ends_with("info"));
    }
    let options = ReadOptions { columns: Some("call=t0,call=t1".to_owned()), ..ReadOptions::default() };
    let why = read_with("a.csv", b"t0,t1,return,f\n1,2,3,read\n", &options).unwrap_err();
    assert!(why.to_string().contains("two columns for \"call\""), "{why}");
}

#[test]
fn timestamps_of_the_database_are_no_real_time() {
    let text = r#"[{"tid":2,"sid":1,"sts":{"p":3,"l":0},"cts":{"p":9,"l":1},"ops":[{"t":"r","k":1,"v":5},{"t":"a","k":2,"v":6}]},
{"tid":1,"sid":0,"sts":{"p":1,"l":0},"cts":{"p":9,"l":0},"ops":[{"t":"w","k":1,"v":5},{"t":"r","k":2,"v":null}]},
{"tid":3,"sid":0,"sts":{"p":10,"l":0},"cts":{"p":11,"l":0},"ops":[{"t":"r","k":3,"v":[6,7]}]}]"#;
    let loaded = read("a.json", text).expect("a history");
    assert_eq!((loaded.format, loaded.history.has_real_time()), (Format::Chronos, false));
    let expected =
        ["0 txn null w1=5 r2=null null ok", "1 txn null r1=5 a2=6 null ok", "0 txn null r3=2 null ok"];
    assert_eq!(told(&loaded.history), expected);
    let why = read("a.json", &text.replace("\"t\":\"a\"", "\"t\":\"x\"")).unwrap_err();
    assert!(why.contains("an operation of type \"x\""), "{why}");
}

#[test]
fn logs_of_s2_are_events() {
    let text = r#"{"event":{"Start":{"Append":{"num_records":2}}},"client_id":0,"op_id":0}
{"event":{"Start":"Read"},"client_id":1,"op_id":1}
{"event":{"Finish":{"AppendSuccess":{"tail":2}}},"client_id":0,"op_id":0}
{"event":{"Finish":{"ReadSuccess":{"tail":2,"stream_hash":17279655951921914625}}},"client_id":1,"op_id":1}
{"event":{"Start":{"Append":{"num_records":1}}},"client_id":0,"op_id":2}
{"event":{"Finish":"AppendIndefiniteFailure"},"client_id":0,"op_id":2}
{"event":{"Start":{"Append":{"num_records":1}}},"client_id":1,"op_id":3}
{"event":{"Finish":"AppendDefiniteFailure"},"client_id":1,"op_id":3}
"#;
    let loaded = read("a.jsonl", text).expect("a history");
    assert_eq!(loaded.format, Format::S2);
    let expected = [
        r#"0 append null {"num_records":2} {"tail":2} ok"#,
        r#"1 read null null {"stream_hash":17279655951921914625,"tail":2} ok"#,
        r#"0 append null {"num_records":1} null info"#,
        r#"1 append null {"num_records":1} null fail"#,
    ];
    assert_eq!(told(&loaded.history), expected);
}

/// One record of Cobra's: its kind and its numbers.
fn record(kind: u8, numbers: &[i64]) -> Vec<u8> {
    [kind].into_iter().chain(numbers.iter().flat_map(|number| number.to_be_bytes())).collect()
}

#[test]
fn a_folder_of_cobras_logs() {
    let initial = 0xbebe_ebee;
    let first =
        [record(b'S', &[1]), record(b'W', &[100, -7, 55]), record(b'C', &[1]), record(b'S', &[2])].concat();
    let second = [
        record(b'S', &[3]),
        record(b'R', &[1, 100, -7, 55]),
        record(b'R', &[0, initial, 8, 0]),
        record(b'A', &[3]),
    ];
    let path = folder("cobra", &[("T1.log", &first), ("T10.log", &second.concat()), ("notes.txt", b"x")]);
    let loaded = read_folder(&path).expect("a history");
    assert_eq!((loaded.format, loaded.history.has_real_time()), (Format::Cobra, false));
    let expected =
        ["1 txn null w-7=100 null ok", "1 txn null  null info", "10 txn null r-7=100 r8=null null fail"];
    assert_eq!(told(&loaded.history), expected);
    std::fs::write(path.join("T2.log"), [record(b'S', &[1]), record(b'C', &[9])].concat()).expect("a file");
    let why = read_folder(&path).unwrap_err();
    assert!(
        why.ends_with("T2.log: found the end of transaction 9 at byte 9, expected the end of transaction 1"),
        "{why}"
    );
    std::fs::write(path.join("T2.log"), b"S\0\0").expect("a file");
    assert!(read_folder(&path).unwrap_err().contains("in the middle of a record at byte 3"));
    std::fs::remove_dir_all(path).expect("it is ours");
}

#[test]
fn a_store_of_jepsen_is_a_history() {
    let text: &[u8] = b"0\t:invoke\t:read\tnil\n0\t:ok\t:read\tnil\n";
    let edn: &[u8] = b"{:process 3, :type :invoke, :f :read}";
    let path = folder("store", &[("history.txt", text), ("history.edn", edn), ("results.edn", b"{}")]);
    let loaded = read_folder(&path).expect("a history");
    assert_eq!((told(&loaded.history).len(), loaded.format), (1, Format::Edn));
    assert!(loaded.remarks[0].ends_with("its history.edn was read"), "{:?}", loaded.remarks);
    std::fs::remove_file(path.join("history.edn")).expect("it is ours");
    assert_eq!(read_folder(&path).expect("a history").format, Format::JepsenText);
    std::fs::remove_file(path.join("history.txt")).expect("it is ours");
    let why = read_folder(&path).unwrap_err();
    assert!(why.contains(" is a directory. Pass a file, `-` for standard input"), "{why}");
    std::fs::write(path.join("test.jepsen"), b"JEPSEN").expect("a file");
    assert!(
        read_folder(&path)
            .unwrap_err()
            .contains("binary format only, which cannot be read. Let Jepsen write")
    );
    std::fs::remove_dir_all(path).expect("it is ours");
}

/// Viper's histories in EDN are completions, with nothing in `:f` and no invocations.
#[test]
fn vipers_completions_are_transactions() {
    let text =
        "{:type :ok, :process 0, :value [[:w 1 2] [:r 3 nil]]}\n{:type :ok, :process 1, :value [[:r 1 2]]}";
    let loaded = read("a.edn", text).expect("a history");
    assert_eq!(told(&loaded.history), ["0 txn null w1=2 r3=null null ok", "1 txn null r1=2 null ok"]);
    assert!(loaded.history.ids().all(|id| loaded.history.function(id) == Function::TXN));
}
