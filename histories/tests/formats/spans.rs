//! Histories as OpenTelemetry spans: what is written, what is read back, and what is said of spans that are none.

use histories::events::Event;
use histories::format::{self, Format, Input, ReadOptions};
use histories::{History, Outcome};
use serde_json::{Value, json};

/// Two operations, the second without an end, and a fault over both of them.
const RECORDED: &str = r#"{"steadfast":1,"seed":41,"store":"redis","version":"0.1.0"}
{"index":0,"time":1000,"process":"nemesis","type":"info","f":"delay=50ms","value":"n1"}
{"index":1,"time":2000,"process":3,"session":"s-1","type":"invoke","f":"write","key":"k1","value":{"a":1.0}}
{"index":2,"time":2000,"process":4,"session":"s-2","type":"invoke","f":"read","key":"k1","value":null,"intended":1500}
{"index":3,"time":3000,"process":3,"session":"s-1","type":"fail","f":"write","key":"k1","value":{"a":1.0},"node":"n1","error":"READONLY"}
{"index":4,"time":9000,"process":"nemesis","type":"info","f":"heal-delay","value":"n1"}
{"index":5,"time":9500,"process":"recorder","type":"info","f":"settled"}
"#;

const ZERO_NS: u64 = 1_700_000_000_000_000_000;

fn written(history: &History) -> (String, Vec<Value>) {
    let mut bytes = Vec::new();
    format::write_otlp(history, ZERO_NS, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let spans = lines
        .flat_map(|line| line["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone())
        .collect();
    (text, spans)
}

fn attribute<'s>(span: &'s Value, name: &str) -> &'s Value {
    let found = span["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == name);
    &found.unwrap_or_else(|| panic!("{name} of {span}"))["value"]
}

fn read(text: &str) -> Result<format::Loaded, String> {
    let input = Input::Bytes("spans.json".to_owned(), text.as_bytes().to_vec());
    format::read(input, &ReadOptions::default(), &|_, _| {}).map_err(|problems| problems.to_string())
}

#[test]
fn operations_and_faults_are_spans_as_the_specification_has_them() {
    let history = format::from_text(Format::Native, RECORDED).unwrap();
    let (text, spans) = written(&history);
    assert_eq!(spans.len(), 4);
    let [fault, write, open, settled] = spans.as_slice() else { panic!("four spans") };
    // Ids are hexadecimal and not zero, times are strings: OTLP/JSON, "JSON Protobuf Encoding". The ids are those
    // of `recorder::Trace`: the run (its seed + 1) and the operation's number.
    assert_eq!(write["traceId"], "000000000000002a0000000000000001");
    assert_eq!(write["spanId"], "0000000000000001");
    assert_eq!(open["traceId"], "000000000000002a0000000000000002");
    assert_eq!(write["startTimeUnixNano"], "1700000000000002000");
    assert_eq!(write["endTimeUnixNano"], "1700000000000003000");
    assert_eq!(write["status"], json!({"code": 2, "message": "READONLY"}));
    assert_eq!(attribute(write, "steadfast.process"), &json!({"intValue": "3"}));
    assert_eq!(attribute(write, "steadfast.session"), &json!({"stringValue": "s-1"}));
    assert_eq!(attribute(write, "steadfast.invoke.value"), &json!({"stringValue": "{\"a\":1.0}"}));
    assert_eq!(attribute(write, "steadfast.type"), &json!({"stringValue": "fail"}));
    assert_eq!(attribute(write, "steadfast.node"), &json!({"stringValue": "n1"}));
    assert_eq!(attribute(write, "steadfast.index"), &json!({"intValue": "3"}));
    assert!(open["endTimeUnixNano"].is_null() && open["status"].is_null());
    assert_eq!((&fault["name"], &settled["name"]), (&json!("delay=50ms"), &json!("settled")));
    assert_eq!(fault["endTimeUnixNano"], "1700000000000009000");
    let resource =
        &serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap()["resourceSpans"][0]["resource"];
    assert_eq!(attribute(resource, "service.name"), &json!({"stringValue": "steadfast"}));
    assert_eq!(attribute(resource, "steadfast.seed"), &json!({"intValue": "41"}));
}

/// Only `heal-X` ended a span: a partition of Jepsen's, told by `start` and `stop` with two events each, was four spans
/// without a length.
#[test]
fn a_partition_of_jepsens_is_one_span_from_its_start_to_its_stop() {
    let line = |at: u64, f: &str, value: &str| {
        let time = at * 1000;
        format!(
            r#"{{"index":{at},"time":{time},"process":"nemesis","type":"info","f":"{f}","value":{value}}}"#
        )
    };
    let lines = [
        line(0, "start-partition", "null"),
        line(1, "start-partition", r#""cut off""#),
        line(2, "stop-partition", "null"),
        line(3, "stop-partition", r#""healed""#),
    ];
    let history = format::from_text(Format::Native, &lines.join("\n")).unwrap();
    let (text, spans) = written(&history);
    let times: Vec<_> = spans.iter().map(|s| (&s["startTimeUnixNano"], &s["endTimeUnixNano"])).collect();
    let at = |number: u64| json!((ZERO_NS + number * 1000).to_string());
    // The two reports that something was done are events without a length, for a span has only two ends.
    let expected = [(at(0), at(2)), (at(1), at(1)), (at(3), at(3))];
    assert_eq!(times, expected.each_ref().map(|(from, to)| (from, to)));
    assert!(history.same_events(&read(&text).unwrap().history));
}

#[test]
fn they_read_back_in_any_layout_and_order() {
    let history = format::from_text(Format::Native, RECORDED).unwrap();
    let (text, mut spans) = written(&history);
    assert!(history.same_events(&read(&text).unwrap().history));
    let whole: Value = serde_json::from_str(text.trim()).unwrap();
    let pretty = serde_json::to_string_pretty(&whole).unwrap();
    let loaded = read(&pretty).unwrap();
    assert!(history.same_events(&loaded.history) && loaded.remarks.is_empty(), "{:?}", loaded.remarks);
    // A collector batches as it likes.
    spans.reverse();
    let resource = &whole["resourceSpans"][0]["resource"];
    let line = |span: &Value| {
        json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}).to_string()
            + "\n"
    };
    assert!(history.same_events(&read(&spans.iter().map(line).collect::<String>()).unwrap().history));
}

#[test]
fn many_spans_are_many_requests() {
    let pair = |process: usize| {
        let event =
            |kind: &str| format!(r#"{{"process":{process},"type":"{kind}","f":"write","value":{process}}}"#);
        event("invoke") + "\n" + &event("ok") + "\n"
    };
    for count in [0, 499, 500, 1234] {
        let native: String = (0..count).map(pair).collect();
        let history = format::from_text(Format::Native, &native).unwrap();
        let (text, spans) = written(&history);
        assert_eq!((text.lines().count(), spans.len()), (count / 500 + 1, count));
        assert!(history.same_events(&format::from_text(Format::Otlp, &text).unwrap()), "{count}");
    }
}

/// Spans as an application makes them that sets a few attributes and nothing else.
fn span(name: &str, times: (u64, u64), attributes: &Value) -> Value {
    let attributes = attributes.as_object().unwrap().iter();
    let attributes: Vec<Value> = attributes.map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({"name": name, "startTimeUnixNano": times.0.to_string(), "endTimeUnixNano": times.1.to_string(),
        "attributes": attributes})
}

fn request(spans: &[Value]) -> String {
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}

#[test]
fn an_application_can_make_its_own() {
    let of = |process: u64, f: &str, key: &str, value: Value| {
        json!({"steadfast.process": {"intValue": process.to_string()}, "steadfast.f": {"stringValue": f},
            key: value, "http.route": {"stringValue": "/cart"}})
    };
    let write = of(1, "write", "steadfast.invoke.value", json!({"intValue": "5"}));
    let read_back = of(2, "read", "steadfast.value", json!({"stringValue": "5"}));
    let mut failed =
        span("PUT /cart", (250, 260), &of(3, "write", "steadfast.invoke.value", json!({"intValue": "6"})));
    failed["status"] = json!({"code": 2});
    let others = span("SELECT", (120, 130), &json!({"db.system": {"stringValue": "postgresql"}}));
    let spans =
        [failed, others, span("GET /cart", (200, 220), &read_back), span("PUT /cart", (100, 150), &write)];
    let loaded = read(&request(&spans)).unwrap();
    let history = &loaded.history;
    let kinds: Vec<_> = history
        .events()
        .map(|event| match event {
            Event::Invoke(id) => (history.function_name(history.function(id)).to_owned(), false),
            Event::Complete(id) => (history.function_name(history.function(id)).to_owned(), true),
            Event::Actor(_) => panic!("no actor"),
        })
        .collect();
    let expected = [
        ("write", false),
        ("write", true),
        ("read", false),
        ("read", true),
        ("write", false),
        ("write", true),
    ];
    assert_eq!(kinds, expected.map(|(name, completes)| (name.to_owned(), completes)));
    let operations: Vec<_> = history.operations().collect();
    assert_eq!(history.value_text(operations[1].result), "5");
    assert_eq!(
        operations.iter().map(|op| op.outcome).collect::<Vec<_>>(),
        [Outcome::Ok, Outcome::Ok, Outcome::Info]
    );
    assert_eq!(
        (history.invoked_at(operations[0].id), history.completed_at(operations[1].id)),
        (Some(0), Some(120))
    );
    let remarks = loaded.remarks.join("\n");
    assert!(remarks.contains("1 spans of others, \"SELECT\"") && remarks.contains("clocks"), "{remarks}");
}

#[test]
fn what_is_no_history_is_told_with_its_place() {
    let process = || json!({"steadfast.process": {"intValue": "1"}, "steadfast.f": {"stringValue": "read"}});
    let with = |name: &str, value: Value| {
        let mut attributes = process();
        attributes[name] = value;
        attributes
    };
    let without = |name: &str| {
        let mut attributes = process();
        attributes.as_object_mut().unwrap().remove(name);
        attributes
    };
    let times = (100, 200);
    for (spans, says) in [
        (
            vec![span("GET /", times, &json!({"http.route": {"stringValue": "/"}}))],
            "no span here with attributes of ours",
        ),
        (
            vec![span("GET /", times, &without("steadfast.process"))],
            "the span \"GET /\" has no steadfast.process",
        ),
        (vec![span("GET /", times, &without("steadfast.f"))], "has no steadfast.f"),
        (
            vec![span("GET /", times, &with("steadfast.value", json!({"stringValue": "five"})))],
            "expected JSON",
        ),
        (
            vec![span("GET /", times, &with("steadfast.type", json!({"stringValue": "good"})))],
            "a type: invoke, ok, fail or info",
        ),
        (vec![span("GET /", (200, 100), &process())], "ends before it begins"),
        (vec![span("GET /", (100, 0), &with("steadfast.type", json!({"stringValue": "ok"})))], "has ended"),
        (
            vec![json!({"name": "GET /", "attributes": span("", times, &process())["attributes"]})],
            "no startTimeUnixNano",
        ),
        (vec![span("a", (1, 9), &process()), span("b", (2, 5), &process())], "process 1"),
    ] {
        let told = read(&request(&spans)).unwrap_err();
        assert!(told.contains(says) && told.starts_with("spans.json:1:"), "{says}: {told}");
    }
    // A process may have a name, whatever it does.
    let named = with("steadfast.process", json!({"stringValue": "web-1"}));
    let history = read(&request(&[span("GET /", times, &named)])).unwrap().history;
    assert_eq!(history.process_text(history.operations().next().unwrap().process), "web-1");
    let told = format::from_text(Format::Otlp, r#"{"resourceMetrics":[]}"#).unwrap_err().to_string();
    assert!(told.contains("expected a request in OTLP/JSON"), "{told}");
    let (whole, _) = written(&format::from_text(Format::Native, RECORDED).unwrap());
    assert!(read(&whole[..whole.len() / 2]).is_err());
}

#[test]
fn what_spans_cannot_say_is_not_written() {
    let text = r#"{"index":5,"process":0,"type":"invoke","f":"read"}
        {"index":4,"process":0,"type":"ok","f":"read","value":1}"#;
    let history = format::from_text(Format::Native, text).unwrap();
    let why = format::write_otlp(&history, 0, std::io::sink()).unwrap_err();
    assert!(why.to_string().contains("its indexes do not grow"), "{why}");
}
