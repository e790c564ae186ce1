//! What is written reads as the same history, in each format that is written, however the text is cut, compressed
//! or laid out; and what is read is what the text says.

use histories::events::Event;
use histories::format::{self, Format, Input, Output, ReadOptions};
use histories::{Argument, Function, History, Outcome};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Values of every kind that a history may hold.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0..20_i64).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
        1 => prop::sample::select(vec!["x", ":x", ":x/y", ": no", ":-)", "é\"\\\n\u{1}", "", "/", "nil"]).prop_map(Value::from),
        1 => ".{0,5}".prop_map(Value::from),
        1 => prop::collection::vec(0..5_i64, 0..3).prop_map(Value::from),
        1 => Just(json!({"b": [1, {"c": null}], "a": ":k", "é": 1.5})),
    ]
}

fn micro() -> impl Strategy<Value = Value> {
    prop_oneof![
        (value(), value()).prop_map(|(key, value)| json!(["r", key, value])),
        (value(), value()).prop_map(|(key, value)| json!(["w", key, value])),
        (value(), value()).prop_map(|(key, value)| json!(["append", key, value])),
    ]
}

/// One step of one process.
#[derive(Clone, Debug)]
struct Step {
    process: usize,
    function: &'static str,
    argument: Value,
    result: Value,
    micros: Vec<Value>,
    kind: &'static str,
    extra: Map<String, Value>,
    /// How much the index grows by, and whether the event has a time.
    gap: u64,
    timed: bool,
    actor: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let extra = prop::collection::btree_map(
        prop::sample::select(vec!["node", "error", "trace_id", "odd name", "é"]),
        value(),
        0..3,
    );
    let names = prop::sample::select(vec!["read", "write", "cas", "txn", "enqueue", "do-it!", "a b"]);
    let kinds = prop::sample::select(vec!["ok", "ok", "fail", "info"]);
    let payload = (value(), value(), prop::collection::vec(micro(), 0..4));
    let marks = (prop::sample::select(vec![1, 1, 1, 1, 5]), any::<bool>(), prop::bool::weighted(0.1));
    (0..4_usize, names, payload, kinds, extra, marks).prop_map(
        |(process, function, (argument, result, micros), kind, extra, (gap, timed, actor))| Step {
            process,
            function,
            argument,
            result,
            micros,
            kind,
            extra: extra.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            gap,
            timed,
            actor,
        },
    )
}

/// Events in which each process does one operation at a time, as JSON objects.
fn events(steps: &[Step]) -> Vec<Value> {
    let mut open: [Option<Value>; 4] = Default::default();
    let mut events = Vec::new();
    let mut index = 0;
    for (number, step) in steps.iter().enumerate() {
        let mut event = step.extra.clone();
        event.insert("index".into(), index.into());
        index += step.gap;
        if step.timed {
            event.insert("time".into(), (number as i64 * 1000 - 5).into());
        }
        if step.actor {
            event.extend(fields(
                json!({"process": "nemesis", "type": "info", "f": step.function, "value": step.result}),
            ));
        } else if let Some(invoked) = open[step.process].take() {
            event.extend(fields(invoked));
            event.insert("type".into(), step.kind.into());
            if step.kind == "ok" {
                complete(&mut event, step);
            }
        } else {
            let mut invoked = json!({"process": step.process, "f": step.function});
            invoked["value"] = match step.function {
                "txn" => unread(&step.micros).into(),
                "cas" => json!([step.argument, step.result]),
                _ => step.argument.clone(),
            };
            if step.process % 2 == 1 {
                invoked["session"] = json!(format!("s-{}", step.process));
                invoked["key"] = json!({"k": step.process});
            }
            open[step.process] = Some(invoked.clone());
            event.extend(fields(invoked));
            event.insert("type".into(), "invoke".into());
        }
        events.push(Value::Object(event));
    }
    events
}

fn complete(event: &mut Map<String, Value>, step: &Step) {
    match event["f"].as_str() {
        Some("txn") => {
            // Reads come back filled in; one in three as a list.
            let mut micros = event["value"].as_array().expect("micro-operations").clone();
            for micro in micros.iter_mut().filter(|micro| micro[0] == "r") {
                micro[2] = if step.process == 0 { json!([step.result, 1]) } else { step.result.clone() };
            }
            event.insert("value".into(), micros.into());
        }
        Some("cas") => {}
        _ => {
            event.insert("value".into(), step.result.clone());
        }
    }
    if step.gap > 1 {
        event.insert("version".into(), (step.gap * 7).into());
    }
}

fn unread(micros: &[Value]) -> Vec<Value> {
    let unread = |micro: &Value| if micro[0] == "r" { json!(["r", micro[1], null]) } else { micro.clone() };
    micros.iter().map(unread).collect()
}

fn fields(object: Value) -> Map<String, Value> {
    let Value::Object(fields) = object else { panic!("an object") };
    fields
}

fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn read_bytes(name: &str, bytes: Vec<u8>, options: &ReadOptions) -> History {
    format::read(Input::Bytes(name.to_owned(), bytes), options, &|_, _| {}).unwrap().history
}

fn native(history: &History) -> String {
    let mut bytes = Vec::new();
    format::write_native(history, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn edn(history: &History) -> String {
    let mut bytes = Vec::new();
    format::write_edn(history, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn otlp(history: &History, zero_ns: u64) -> String {
    let mut bytes = Vec::new();
    format::write_otlp(history, zero_ns, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Holds a history against the events it was read from, by way of serde_json alone.
fn assert_says(history: &History, events: &[Value]) {
    assert_eq!(history.event_count() as usize, events.len());
    for (event, text) in history.events().zip(events) {
        match event {
            Event::Actor(actor) => {
                assert_eq!(actor.actor, text["process"]);
                assert_eq!(actor.value, text["value"].to_string());
            }
            Event::Invoke(id) | Event::Complete(id) => {
                let operation = history.operation(id);
                assert_eq!(history.process_number(operation.process), text["process"]);
                assert_eq!(history.function_name(operation.function), text["f"]);
                let completes = matches!(event, Event::Complete(_));
                let kind = match operation.outcome {
                    _ if !completes => "invoke",
                    Outcome::Ok => "ok",
                    Outcome::Fail => "fail",
                    Outcome::Info => "info",
                };
                assert_eq!(kind, text["type"]);
                // serde_json prints values canonically: compact, keys sorted.
                let value = match operation.argument {
                    Argument::Value(_) if kind == "ok" => history.value_text(operation.result).to_owned(),
                    Argument::Value(value) => history.value_text(value).to_owned(),
                    Argument::Pair(old, new) => {
                        format!("[{},{}]", history.value_text(old), history.value_text(new))
                    }
                    // Transactions are written and read again; their keys are held against the text here.
                    Argument::Micros(range) => {
                        let keys = history.micros()[range]
                            .iter()
                            .map(|micro| history.keys.text(micro.key).to_owned());
                        let of_text =
                            text["value"].as_array().unwrap().iter().map(|micro| micro[1].to_string());
                        assert!(keys.eq(of_text));
                        continue;
                    }
                };
                assert_eq!(value, text["value"].to_string());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_survives_each_format(steps in prop::collection::vec(step(), 0..40), size in 1..400_usize) {
        let events = events(&steps);
        let text = lines(&events);
        let history = format::from_text(Format::Native, &text).unwrap();
        assert_says(&history, &events);

        // No micro-operation is left over from an invocation whose completion said it again.
        let used: usize = history.ids().map(|id| history.micros_of(id).len()).sum();
        prop_assert_eq!(history.micros().len(), used);

        let written = native(&history);
        prop_assert!(history.same_events(&format::from_text(Format::Native, &written).unwrap()), "{text}\n{written}");
        let written = edn(&history);
        prop_assert!(history.same_events(&format::from_text(Format::Edn, &written).unwrap()), "{text}\n{written}");

        let spans = otlp(&history, 1_700_000_000_000_000_000);
        prop_assert!(history.same_events(&format::from_text(Format::Otlp, &spans).unwrap()), "{text}\n{spans}");

        // Neither where it is cut nor how JSON is laid out matters; ids follow the file, so columns are equal too.
        let small = ReadOptions { block_bytes: size, ..ReadOptions::default() };
        let array = serde_json::to_string_pretty(&events).unwrap();
        for (name, text) in [("a.jsonl", &text), ("a.json", &array), ("a.edn", &written)] {
            let cut = read_bytes(name, text.clone().into_bytes(), &small);
            prop_assert!(history.same_events(&cut), "{name} in blocks of {size}: {text}");
        }
    }

    /// Histories that differ are told apart, or nothing above would mean anything.
    #[test]
    fn a_change_is_noticed(steps in prop::collection::vec(step(), 1..30), at in any::<prop::sample::Index>(), what in 0..4) {
        let events = events(&steps);
        let history = format::from_text(Format::Native, &lines(&events)).unwrap();
        let mut changed = events;
        let event = at.get_mut(&mut changed);
        match what {
            0 => event["index"] = 1_000_000.into(),
            1 => event["node"] = "elsewhere".into(),
            2 => event["time"] = 123.into(),
            _ => event["process"] = 99.into(),
        }
        if let Ok(other) = format::from_text(Format::Native, &lines(&changed)) {
            prop_assert!(!history.same_events(&other));
        }
    }
}

const TWO_LINES: &str = concat!(
    r#"{"steadfast":1,"seed":42}"#,
    "\n",
    r#"{"process":0,"type":"invoke","f":"write","value":1}"#,
    "\n",
    r#"{"process":0,"type":"ok","f":"write","value":1}"#,
    "\n"
);

#[test]
fn compressed_files_are_read_and_written() {
    let plain = format::from_text(Format::Native, TWO_LINES).unwrap();
    assert_eq!(plain.header(), Some(r#"{"seed":42,"steadfast":1}"#));
    let folder = std::env::temp_dir().join(format!("steadfast-formats-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"] {
        let path = folder.join(name);
        let mut output = Output::create(&path).unwrap();
        format::write_native(&plain, &mut output).unwrap();
        output.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.starts_with(b"{"), name == "a.jsonl");
        let loaded = format::read(Input::Path(path), &ReadOptions::default(), &|_, _| {}).unwrap();
        assert!(loaded.history.same_events(&plain), "{name}");
        // Whatever it is called: the first bytes tell. The extension of the format is gone, so content tells that.
        assert!(read_bytes("-", bytes.clone(), &ReadOptions::default()).same_events(&plain));
        if name != "a.jsonl" {
            let cut = bytes[..bytes.len() - 6].to_vec();
            let problems = format::read(Input::Bytes("cut".into(), cut), &ReadOptions::default(), &|_, _| {});
            assert!(problems.unwrap_err().to_string().starts_with("cut "), "{name}");
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Found by fuzzing: a name that began with several colons lost one each time it was read.
#[test]
fn names_lose_all_their_colons_at_once() {
    let text = r#"{"process":"::nemesis","type":"::info","f":"::kill","::node":1}
        {"process":0,"type":":invoke","f":"::read","::value":null}"#;
    let history = format::from_text(Format::Native, text).unwrap();
    assert_eq!(history.actor_events()[0].actor, "nemesis");
    assert_eq!(history.note(0).unwrap().fields, r#"{"node":1}"#);
    assert!(history.same_events(&format::from_text(Format::Native, &native(&history)).unwrap()));
    assert!(history.same_events(&format::from_text(Format::Edn, &edn(&history)).unwrap()));
}

#[test]
fn progress_ends_at_the_end() {
    let seen = std::cell::Cell::new((0, 0));
    let input = Input::Bytes("a.jsonl".into(), TWO_LINES.as_bytes().to_vec());
    format::read(input, &ReadOptions::default(), &|done, total| seen.set((done, total))).unwrap();
    assert_eq!(seen.get(), (TWO_LINES.len() as u64, TWO_LINES.len() as u64));
}

#[test]
fn a_pipe_is_read_as_it_comes() {
    struct Dribble(std::vec::IntoIter<u8>);
    impl std::io::Read for Dribble {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some(byte) = self.0.next() else { return Ok(0) };
            buffer[0] = byte;
            Ok(1)
        }
    }
    let input = Input::Reader("-".into(), Box::new(Dribble(TWO_LINES.as_bytes().to_vec().into_iter())));
    let loaded = format::read(input, &ReadOptions::default(), &|_, _| {}).unwrap();
    assert_eq!((loaded.history.len(), loaded.format), (1, Format::Native));
}

#[test]
fn independent_values_hold_their_keys() {
    let options = ReadOptions { independent: true, ..ReadOptions::default() };
    let native = r#"{"process":0,"type":"invoke","f":"cas","value":["x",[1,2]]}
        {"process":0,"type":"info","f":"cas","value":"timed out"}
        {"process":1,"type":"invoke","f":"read","value":["y",null]}
        {"process":1,"type":"ok","f":"read","value":["y",{"a":1}]}"#;
    let edn = r#"{:process 0 :type :invoke :f :cas :value #jepsen.independent.Tuple ["x" [1 2]]}
        {:process 0 :type :info :f :cas :value "timed out"}
        {:process 1 :type :invoke :f :read :value ["y" nil]}
        {:process 1 :type :ok :f :read :value ["y" {"a" 1}]}"#;
    let histories =
        [("a.jsonl", native), ("a.edn", edn)].map(|(name, text)| read_bytes(name, text.into(), &options));
    for history in &histories {
        let operations: Vec<_> = history.operations().collect();
        assert_eq!(operations[0].function, Function::CAS);
        assert_eq!(operations.iter().map(|op| history.key_text(op.key)).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(history.value_text(operations[1].result), r#"{"a":1}"#);
    }
    assert!(histories[0].same_events(&histories[1]));
}

#[test]
fn completions_alone_are_operations_if_asked_for() {
    let text = r#"[{"process":0,"type":"ok","f":"txn","value":[["append","x",1]]},
        {"process":0,"type":"ok","f":"txn","value":[["r","x",[1]]]}]"#;
    // Not asked for, they are so too, but no order between processes is believed.
    assert!(!format::from_text(Format::JepsenJson, text).unwrap().has_real_time());
    let options = ReadOptions { lone_completions: true, ..ReadOptions::default() };
    let history = read_bytes("a.json", text.into(), &options);
    let operations: Vec<_> = history.operations().collect();
    assert_eq!(operations.len(), 2);
    assert!(operations[0].precedes(&operations[1]) && history.has_real_time());
}

/// A history that several threads format is written in the order of its events, up to the last one.
#[test]
fn a_large_history_is_written_event_by_event() {
    for count in [1_024, 1_025, 16_384, 16_385, 40_000] {
        let mut given = String::new();
        for index in 0..count {
            let (operation, kind) = (index / 2, ["invoke", "ok"][index % 2]);
            let process = operation % 7;
            let list = if kind == "ok" { format!("[{operation}]") } else { "null".to_owned() };
            let value = format!(r#"[["append","x",{operation}],["r","y",{list}]]"#);
            let session = if process == 3 { r#""session":"s","# } else { "" };
            writeln!(
                given,
                r#"{{"index":{index},"time":{},"process":{process},"type":"{kind}","f":"txn",{session}"value":{value},"note":{index}}}"#,
                index * 3
            )
            .expect("text grows");
        }
        let history = read_bytes("-", given.into_bytes(), &ReadOptions::default());
        let mut by_event = String::new();
        for (event, position) in history.events().zip(0..) {
            format::push_event_line(&history, event, position, u64::from(position), &mut by_event);
        }
        assert_eq!(native(&history), by_event, "{count} events");
        assert_eq!(by_event.lines().count(), count);
    }
}
