//! What the events of a file mean, where that is not plain: who is a client, what is a transaction, whether values are
//! pairs of an object and its value, which fields are misspelt.
//!
//! What went wrong, for each test: the file was read, and the verdict was about another history than the one that
//! happened. Operations of clients with names were not checked at all; transactions called `read` and `append` were
//! checked as registers; reads of one object were held against writes to another.

use histories::format::{self, Format, Input, Loaded, ReadOptions};
use histories::{Function, History, Outcome};

fn read(name: &str, text: &str) -> Result<Loaded, String> {
    let input = Input::Bytes(name.to_owned(), text.as_bytes().to_vec());
    format::read(input, &ReadOptions::default(), &|_, _| {}).map_err(|problems| problems.to_string())
}

fn history(name: &str, text: &str) -> History {
    read(name, text).unwrap_or_else(|why| panic!("{why}")).history
}

/// The same history, written and read again.
fn written_and_read(history: &History) -> History {
    let mut text = Vec::new();
    format::write_native(history, &mut text).expect("memory");
    let text = String::from_utf8(text).expect("text");
    let again = format::from_text(Format::Native, &text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert!(history.same_events(&again), "{text}");
    again
}

/// Key, argument and result of each operation, as JSON.
fn operations(history: &History) -> Vec<String> {
    let text = |value| history.value_text(value);
    let line = |op: histories::Operation| {
        let argument = match op.argument {
            histories::Argument::Value(value) => text(value).to_owned(),
            histories::Argument::Pair(old, new) => format!("{}>{}", text(old), text(new)),
            histories::Argument::Micros(range) => format!("{} steps", range.len()),
        };
        let key = history.keys.text(op.key);
        format!("{} {key} {argument} {}", history.written_function_name(op.id), text(op.result))
    };
    history.operations().map(line).collect()
}

#[test]
fn a_client_may_have_a_name() {
    let text = r#"{"process":"web-1","type":"invoke","f":"write","value":1}
{"process":"nemesis","type":"info","f":"kill","value":"n1"}
{"process":"web-1","type":"ok","f":"write","value":1}
{"process":"web-2","type":"invoke","f":"read","value":null}
{"process":"web-2","type":"info","f":"read","value":"timeout"}
{"process":7,"type":"invoke","f":"read","value":null}
{"process":7,"type":"ok","f":"read","value":1}
"#;
    let history = history("a.jsonl", text);
    let names: Vec<_> =
        history.operations().map(|op| history.process_text(op.process).into_owned()).collect();
    assert_eq!(names, ["web-1", "web-2", "7"]);
    assert_eq!(history.outcome(history.ids().nth(1).unwrap()), Outcome::Info);
    assert_eq!((history.actor_events().len(), history.process_count()), (1, 3));
    // The number of a named process is nobody else's.
    let mut numbers: Vec<i64> = history.operations().map(|op| history.process_number(op.process)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 7]);
    let sessions: Vec<_> =
        history.operations().map(|op| history.session_text(op.session).to_owned()).collect();
    assert_eq!(sessions, ["process web-1", "process web-2", "process 7"]);
    written_and_read(&history);
    // EDN writes names as keywords or strings.
    let mut edn = Vec::new();
    format::write_edn(&history, &mut edn).expect("memory");
    let edn = String::from_utf8(edn).expect("text");
    assert!(history.same_events(&format::from_text(Format::Edn, &edn).expect("a history")), "{edn}");
}

/// Observers of the recorder have these names. All of their events are `info`. The operations of a client are never dropped.
#[test]
fn a_client_with_the_name_of_an_observer_is_read_or_refused() {
    for name in histories::faults::OBSERVERS.iter().filter(|name| **name != "log") {
        let text = format!(
            r#"{{"process":"{name}","type":"invoke","f":"read","value":null}}
{{"process":"{name}","type":"ok","f":"read","value":null}}
"#
        );
        if ["live", "stack"].contains(name) {
            let read = history("a.jsonl", &text);
            assert_eq!((read.len(), read.actor_events().len()), (1, 0), "{name}");
            written_and_read(&read);
        } else {
            let refused = read("a.jsonl", &text).expect_err("the name is reserved");
            assert!(refused.contains(&format!("a.jsonl:1:12: found read invoked by {name}")), "{refused}");
        }
        let observed = format!(r#"{{"process":"{name}","type":"info","f":"read","value":1}}"#);
        let observed = history("a.jsonl", &observed);
        assert_eq!((observed.len(), observed.actor_events().len()), (0, 1), "{name}");
    }
}

#[test]
fn two_names_are_two_clients_even_if_one_is_the_text_of_a_number() {
    let text = r#"{"process":"0","type":"invoke","f":"write","value":1}
{"process":0,"type":"invoke","f":"write","value":2}
{"process":"0","type":"ok","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":2}
"#;
    let history = history("a.jsonl", text);
    let sessions: Vec<_> =
        history.operations().map(|op| history.session_text(op.session).to_owned()).collect();
    assert_eq!(sessions, ["process \"0\"", "process 0"]);
    written_and_read(&history);
}

#[test]
fn who_only_informs_or_does_what_no_model_knows_is_no_client() {
    let text = r#"{"process":"chaos","type":"invoke","f":"unplug","value":"n1"}
{"process":"chaos","type":"ok","f":"unplug","value":"n1"}
{"process":"watcher","type":"info","f":"read","value":3}
{"process":"nemesis","type":"invoke","f":"add","value":"n4"}
{"process":"nemesis","type":"ok","f":"add","value":"n4"}
{"type":"info","f":"read","value":"a line of a log that names no process"}
"#;
    let history = history("a.jsonl", text);
    let actors: Vec<_> = history.actor_events().iter().map(|event| event.actor.as_str()).collect();
    assert_eq!((history.len(), actors), (0, vec!["chaos", "chaos", "watcher", "nemesis", "nemesis", "log"]));
    written_and_read(&history);
    // Found by damaging files for four minutes: without a name of what it did, the end of an operation of a client
    // became an event of an actor, and the copy of the file, which leaves the empty name out, said otherwise.
    let unnamed = r#"{"process":"web","type":"invoke","f":"read"}
{"process":"web","type":"info","f":""}"#;
    assert_eq!(
        read("a.jsonl", unnamed).unwrap_err(),
        "a.jsonl:2:36: found \"\", expected a name of what the actor did"
    );
    // An `ok` of an operation that such a process never invoked is a mistake, and not somebody else's event.
    let wrong = read(
        "a.jsonl",
        r#"{"process":"web","type":"invoke","f":"read"}
{"process":"web","type":"ok","f":"read","value":1}
{"process":"web","type":"ok","f":"read","value":1}"#,
    );
    assert_eq!(
        wrong.unwrap_err(),
        "a.jsonl:3:1: found ok by process web, which has no operation open, expected its invoke event before it"
    );
}

#[test]
fn micro_operations_are_a_transaction_whatever_f_says() {
    // Elle looks at the micro-operations alone: `:f :append` of its list-append workload is a transaction.
    let text = "{:process 0, :type :invoke, :f :append, :value [[:append 9 1]]}
{:process 0, :type :ok, :f :append, :value [[:append 9 1]]}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value [[:r 9 [1]]]}
{:process 2, :type :invoke, :f :read, :value nil}
{:process 2, :type :info, :f :read, :value :timeout}
{:process 3, :type :invoke, :f :write, :value [[:w 8 1] [:r 8 nil]]}
{:process 3, :type :fail, :f :write, :value [[:w 8 1] [:r 8 nil]]}";
    let history = history("a.edn", text);
    let found: Vec<_> = history.ids().map(|id| (history.function(id), history.micros_of(id).len())).collect();
    // The read that returned nothing has no steps that anybody knows.
    assert_eq!(found, [(Function::TXN, 1), (Function::TXN, 1), (Function::TXN, 0), (Function::TXN, 2)]);
    let typed: Vec<_> = history.ids().map(|id| history.written_function_name(id)).collect();
    assert_eq!(typed, ["append", "read", "read", "write"]);
    written_and_read(&history);
    let part = history.restrict_to(&[histories::OpId::from_raw(1)]);
    assert_eq!(operations(&part), ["read null 1 steps null"]);
}

#[test]
fn what_only_resembles_micro_operations_is_a_value() {
    for value in ["[[\"r\"]]", "[\"r\",\"x\",1]", "[[\"s\",\"x\",1]]", "[]", "[[\"w\",1,2],3]"] {
        let text = format!("{{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":{value}}}");
        assert_eq!(
            history("a.jsonl", &text).function(histories::OpId::from_raw(0)),
            Function::WRITE,
            "{value}"
        );
    }
    // A completion under another name than the invocation's is still a mistake.
    let text = r#"{"process":0,"type":"invoke","f":"write","value":[["w",1,2]]}
{"process":0,"type":"ok","f":"read","value":[["w",1,2]]}"#;
    let expected = "a.jsonl:2:1: found ok by process 0 with f \"read\", expected f \"write\", as its operation 0 was invoked";
    assert_eq!(read("a.jsonl", text).unwrap_err(), expected);
}

const INDEPENDENT: &str = "{:process 0, :type :invoke, :f :read, :value [7 nil]}
{:process 0, :type :ok, :f :read, :value [7 nil]}
{:process 1, :type :invoke, :f :write, :value [8 3]}
{:process 1, :type :ok, :f :write, :value [8 3]}
{:process 0, :type :invoke, :f :cas, :value [8 [3 4]]}
{:process 0, :type :ok, :f :cas, :value [8 [3 4]]}
{:process 2, :type :invoke, :f :read, :value [8]}
{:process 2, :type :info, :f :read, :value :timeout}
";

#[test]
fn an_independent_history_is_recognised() {
    let loaded = read("a.edn", INDEPENDENT).expect("a history");
    assert_eq!(
        operations(&loaded.history),
        ["read 7 null null", "write 8 3 3", "cas 8 3>4 null", "read 8 null null"]
    );
    assert!(loaded.independent && loaded.remarks[0].contains("each key was read as an object of its own"));
    written_and_read(&loaded.history);
    // It is what `--independent` reads.
    let options = ReadOptions { independent: true, ..ReadOptions::default() };
    let input = Input::Bytes("a.edn".to_owned(), INDEPENDENT.as_bytes().to_vec());
    let told = format::read(input, &options, &|_, _| {}).expect("a history").history;
    assert_eq!(operations(&told), operations(&loaded.history));
}

#[test]
fn a_flat_compare_and_set_is_one_of_an_independent_history() {
    let flat = INDEPENDENT.replace("[8 [3 4]]", "[8 3 4]");
    let expected = operations(&history("a.edn", INDEPENDENT));
    assert_eq!(operations(&history("a.edn", &flat)), expected);
    let options = ReadOptions { independent: true, ..ReadOptions::default() };
    let input = Input::Bytes("a.edn".to_owned(), flat.as_bytes().to_vec());
    assert_eq!(operations(&format::read(input, &options, &|_, _| {}).expect("a history").history), expected);
    // Without the proof of a read it is no compare-and-set of any register.
    let alone = "{:process 0, :type :invoke, :f :cas, :value [8 3 4]}";
    let expected = "a.edn:1:1: found a list of three, expected [old, new], the value of a compare-and-set";
    assert_eq!(read("a.edn", alone).unwrap_err(), expected);
}

/// Each of these is one register. Split by what looks like a key, its violations could not be seen.
#[test]
fn a_register_of_pairs_is_no_independent_history() {
    let pairs = [
        ("a read that is invoked without a value", "[7 nil]", "nil"),
        ("a compare-and-set of two values", "[8 [3 4]]", "[3 4]"),
        ("a key that is a list", "[8 3]", "[[8] 3]"),
        ("no key", "[8 3]", "[nil 3]"),
        ("a value that is no pair", "[8 3]", "3"),
        ("three parts", "[8 3]", "[8 3 4]"),
        ("another function", ":f :write", ":f :put"),
        ("a key of its own", ":f :write", ":f :write, :key 1"),
    ];
    for (why, from, to) in pairs {
        let text = INDEPENDENT.replace(from, to);
        assert_ne!(text, INDEPENDENT, "{why}");
        if let Ok(loaded) = read("a.edn", &text) {
            assert!(!loaded.independent && !loaded.history.is_independent(), "{why}");
        }
    }
    // A read that returns the value of another key than it asked for is no evidence of independence either.
    let other = INDEPENDENT.replace(":ok, :f :read, :value [7 nil]", ":ok, :f :read, :value [9 nil]");
    assert!(!read("a.edn", &other).expect("a history").independent);
    // Writes alone prove nothing.
    let writes = "{:process 1, :type :invoke, :f :write, :value [8 3]}\n{:process 1, :type :ok, :f :write, :value [8 3]}";
    assert_eq!(operations(&history("a.edn", writes)), ["write null [8,3] [8,3]"]);
}

#[test]
fn completions_alone_are_a_history_without_real_time() {
    let text = "[{:type :ok, :process 1, :value [[:r 0 nil] [:w 0 1]], :time 0}
 {:type :ok, :process 2, :value [[:w 0 2]], :time 1}
 {:type :fail, :process 1, :f :txn, :value [[:w 0 3]]}]";
    let loaded = read("a.edn", text).expect("a history");
    let history = &loaded.history;
    assert_eq!((history.len(), history.has_real_time(), loaded.remarks.len()), (3, false, 1));
    assert!(loaded.remarks[0].starts_with("no event is an invocation"), "{:?}", loaded.remarks);
    let outcomes: Vec<_> = history.ids().map(|id| history.outcome(id)).collect();
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Ok, Outcome::Fail]);
    written_and_read(history);
    // A read of a register was given nothing, and returned its value.
    let reads = "{:type :ok, :process 1, :f :read, :value 5}";
    assert_eq!(operations(&self::history("a.edn", reads)), ["read null null 5"]);
}

#[test]
fn a_completion_without_its_invocation_is_wrong_where_others_have_theirs() {
    let text = r#"{"process":0,"type":"ok","f":"read","value":1}
{"process":1,"type":"invoke","f":"read"}
{"process":1,"type":"ok","f":"read","value":1}
{"process":2,"type":"ok","f":"read","value":1}
"#;
    let expected =
        "a.jsonl:1:1: found ok by process 0, which has no operation open, expected its invoke event before it
a.jsonl:4:1: found ok by process 2, which has no operation open, expected its invoke event before it";
    assert_eq!(read("a.jsonl", text).unwrap_err(), expected);
    // A recording has every event: what is missing from it is lost.
    let header = "{\"steadfast\":1,\"gapless\":true}\n";
    let lost = format!("{header}{}", r#"{"index":0,"process":0,"type":"ok","f":"read","value":1}"#);
    assert!(read("a.jsonl", &lost).unwrap_err().contains("has no operation open"));
}

#[test]
fn a_field_that_every_invocation_misspells_is_an_error() {
    let text = r#"[{"type":"invoke","f":"write","key":"x","value":1,"client":0},
 {"type":"ok","f":"write","key":"x","value":1,"client":0}]"#;
    let expected = "a.json has the field \"client\" in every invocation and the field \"process\" in no event. Rename it \
                    to \"process\" if it says which client did the operation; if not, remove it.";
    assert_eq!(read("a.json", text).unwrap_err(), expected);
    let line = |more: &str| format!(r#"{{"process":0,"type":"invoke","f":"write","value":1{more}}}"#);
    for (more, field) in
        [(r#","k":"x""#, "key"), (r#","Key":"x""#, "key"), (r#","session_id":"s""#, "session")]
    {
        let why = read("a.jsonl", &line(more)).unwrap_err();
        assert!(why.contains(&format!("the field {field:?} in no event")), "{why}");
        // Beside the field itself it is a note.
        assert!(read("a.jsonl", &line(&format!("{more},{field:?}:\"y\""))).is_ok());
        // If only some invocations have it, it is a note too.
        let other = r#"{"process":1,"type":"invoke","f":"write","value":1}"#;
        assert!(read("a.jsonl", &format!("{}\n{other}", line(more))).is_ok());
    }
}

#[test]
fn indexes_that_collide_with_counted_ones_are_not_used() {
    // The first event counts as 0, and the second says that it is 0. Written so, the file was refused.
    let text = r#"{"process":0,"type":"invoke","f":"write","value":1}
{"index":0,"process":1,"type":"invoke","f":"read","value":null}
{"process":0,"type":"ok","f":"write","value":1}
{"process":1,"type":"ok","f":"read","value":1}
"#;
    let loaded = read("a.jsonl", text).expect("a history");
    let indexes: Vec<u64> = (0..4).map(|at| loaded.history.event_index(at)).collect();
    assert_eq!((indexes, loaded.remarks.len()), (vec![0, 1, 2, 3], 1));
    written_and_read(&loaded.history);
    // Where they do not collide, they stay.
    let kept = history("a.jsonl", &text.replace("\"index\":0", "\"index\":9"));
    assert_eq!((0..4).map(|at| kept.event_index(at)).collect::<Vec<_>>(), [0, 9, 10, 11]);
    written_and_read(&kept);
}

#[test]
fn a_set_that_was_read_as_a_map_is_no_set() {
    let text = "{:process 0, :type :invoke, :f :add, :value 1}
{:process 0, :type :ok, :f :add, :value 1}
{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value {\"n1\" [1], \"n2\" [1]}}";
    let expected = "a.edn:4:1: found a read that returned a map of collections, expected a list or a set of elements, for \
                    the history adds elements (\"f\": \"add\")";
    assert_eq!(read("a.edn", text).unwrap_err(), expected);
    // Registers that are added to may be numbers by name.
    assert!(read("a.edn", &text.replace("[1]", "1")).is_ok());
    // Nothing is added here: a register may hold anything.
    assert!(read("a.edn", &text.replace(":add", ":write")).is_ok());
}
