//! Events as columns mean what the same events mean as lines, and what is wrong with a table is told by its row.
use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::Schema;
use histories::format::columns::{EventBatches, read_batches};
use histories::format::{
    self, AcceptedLosses, Format, Input, ReadOptions, RepresentableHistory, TargetFormat,
};
use histories::{History, Problems};
use proptest::prelude::*;
use std::sync::Arc;

fn parquet(history: &History) -> Vec<u8> {
    let mut bytes = Vec::new();
    let sayable = RepresentableHistory::new(history, TargetFormat::Parquet, AcceptedLosses::default())
        .expect("it says all");
    sayable.write(&mut bytes).expect("memory can be written");
    bytes
}

fn read_bytes(bytes: Vec<u8>) -> Result<History, Problems> {
    let input = Input::Bytes("run.parquet".to_owned(), bytes);
    format::read(input, &ReadOptions::default(), &|_, _| {}).map(|loaded| loaded.history)
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<History, Problems> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .expect("columns of one length");
    let schema = batch.schema();
    let read = read_batches("table", &schema, [Ok(batch)].into_iter(), &ReadOptions::default());
    read.map(|loaded| loaded.history)
}

fn said(columns: Vec<(&str, ArrayRef)>) -> String {
    table(columns).expect_err("something is wrong").to_string()
}

fn texts(list: &[&str]) -> ArrayRef {
    let given = list.iter().map(|text| (*text != "-").then_some(*text));
    Arc::new(given.collect::<StringArray>())
}

fn integers(list: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(list.to_vec()))
}

fn native(lines: &[&str]) -> History {
    format::from_text(Format::Native, &lines.join("\n")).expect("events")
}

#[test]
fn every_history_of_the_corpus_comes_back_from_parquet() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut count = 0;
    for case in std::fs::read_dir(corpus).expect("the corpus") {
        let path = case.expect("an entry").path().join("history.jsonl");
        let Ok(history) = histories::read(&path) else { continue };
        let again = read_bytes(parquet(&history)).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        assert!(again.same_events(&history), "{}", path.display());
        assert_eq!(again.header(), history.header(), "{}", path.display());
        count += 1;
    }
    assert!(count > 100, "{count} histories were read");
}

/// One column of each field in whatever type a tool has chosen for it.
#[test]
fn types_of_columns_do_not_matter() {
    let expected = native(&[
        r#"{"index":0,"time":1000,"process":0,"session":"s","type":"invoke","f":"write","key":7,"value":5,"node":"n1"}"#,
        r#"{"index":1,"time":2000,"process":0,"session":"s","type":"ok","f":"write","key":7,"value":5,"node":"n\"2"}"#,
        r#"{"index":2,"time":3000,"process":1,"type":"invoke","f":"read","key":7,"value":null}"#,
        r#"{"index":3,"time":4000,"process":1,"type":"ok","f":"read","key":7,"value":5}"#,
    ]);
    let numbers = [5, 5, 0, 5].iter().zip([true, true, false, true]).map(|(&n, given)| given.then_some(n));
    let values: Vec<Option<i64>> = numbers.collect();
    let dictionary: DictionaryArray<Int8Type> = ["write", "write", "read", "read"].into_iter().collect();
    let found = table(vec![
        ("index", Arc::new(UInt64Array::from(vec![0, 1, 2, 3])) as ArrayRef),
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3, 4]))),
        ("process", Arc::new(Int32Array::from(vec![0, 0, 1, 1]))),
        ("session", Arc::new(StringViewArray::from(vec![Some("s"), Some("s"), None, None]))),
        ("type", Arc::new(LargeStringArray::from(vec!["invoke", "ok", ":invoke", "ok"]))),
        ("f", Arc::new(dictionary)),
        ("key_json", texts(&["7", " 7", "7", "7"])),
        ("value", Arc::new(Int64Array::from(values))),
        ("node", texts(&["n1", "n\"2", "-", "-"])),
    ]);
    assert!(found.expect("a history").same_events(&expected));
}

#[test]
fn transactions_pairs_and_clients_with_names_take_the_careful_path() {
    let expected = native(&[
        r#"{"process":"web","type":"invoke","f":"txn","value":[["r","x",null],["append","y",1]]}"#,
        r#"{"process":"web","type":"ok","f":"txn","value":[["r","x",[1,2]],["append","y",1]]}"#,
        r#"{"process":"nemesis","type":"info","f":"kill","value":"n1"}"#,
        r#"{"process":3,"type":"invoke","f":"cas","key":"z","value":[1,2]}"#,
        r#"{"process":3,"type":"fail","f":"cas","key":"z","value":[1,2],"error":{"b":1.5,"a":[]}}"#,
    ]);
    let mut process = Int64Builder::new();
    [None, None, None, Some(3), Some(3)].into_iter().for_each(|number| process.append_option(number));
    let found = table(vec![
        ("process", Arc::new(process.finish()) as ArrayRef),
        ("process_json", texts(&["\"web\"", "\"web\"", "\"nemesis\"", "-", "-"])),
        ("type", texts(&["invoke", "ok", "info", "invoke", "fail"])),
        ("f", texts(&["txn", "txn", "kill", "cas", "cas"])),
        ("key", texts(&["-", "-", "-", "z", "z"])),
        (
            "value_json",
            texts(&[
                "[[\"r\",\"x\",null],[\"append\",\"y\",1]]",
                "[[\"r\",\"x\",[1,2]],[\"append\",\"y\",1]]",
                "\"n1\"",
                "[1,2]",
                "[1,2]",
            ]),
        ),
        ("fields_json", texts(&["-", "-", "-", "-", "{\"error\":{\"b\":1.5,\"a\":[]}}"])),
    ]);
    assert!(found.expect("a history").same_events(&expected));
}

#[test]
fn a_list_in_a_column_is_a_list() {
    let mut lists = ListBuilder::new(Int64Builder::new());
    lists.append(false);
    lists.append_value([Some(1), None, Some(3)]);
    let found = table(vec![
        ("process", integers(&[0, 0])),
        ("type", texts(&["invoke", "ok"])),
        ("f", texts(&["read", "read"])),
        ("value", Arc::new(lists.finish()) as ArrayRef),
    ]);
    let expected = native(&[
        r#"{"process":0,"type":"invoke","f":"read","value":null}"#,
        r#"{"process":0,"type":"ok","f":"read","value":[1,null,3]}"#,
    ]);
    assert!(found.expect("a history").same_events(&expected));
}

#[test]
fn what_is_wrong_is_told_by_its_row() {
    let (types, functions) = (texts(&["invoke", "ok"]), texts(&["write", "write"]));
    let usual = |name: &'static str, other: ArrayRef| {
        let mut columns = vec![
            ("process", integers(&[0, 0])),
            ("type", Arc::clone(&types)),
            ("f", Arc::clone(&functions)),
            ("value", integers(&[1, 1])),
        ];
        columns.retain(|column| column.0 != name);
        columns.push((name, other));
        columns
    };
    assert!(table(usual("value", integers(&[1, 1]))).is_ok());
    let process = Int64Array::from(vec![Some(0), None]);
    assert_eq!(
        said(usual("process", Arc::new(process))),
        "table: row 1: found an event without \"process\", expected a process: an integer or a string"
    );
    let found = said(usual("type", texts(&["invoke", "done"])));
    assert!(found.starts_with("table: row 1: found \"done\", expected a type"), "{found}");
    let found = said(usual("value", Arc::new(Float64Array::from(vec![1.0, f64::NAN]))));
    assert!(found.starts_with("table: row 1: found NaN, expected a finite number"), "{found}");
    let found = said(usual("value", Arc::new(BinaryArray::from(vec![&b"a"[..], b"b"]))));
    assert!(found.starts_with("table has a column \"value\" of type Binary"), "{found}");
    let found = said(usual("value_json", texts(&["-", "2"])));
    assert!(found.starts_with("table: row 1: found the field \"value\" for the second time"), "{found}");
    let found = said(usual("value_json", texts(&["-", "[1"])));
    assert!(found.starts_with("table: row 1: found "), "{found}");
    let found = said(usual("index", integers(&[4, 3])));
    assert_eq!(
        found,
        "table: row 1: found the index 3 after the index 4, expected rows in the order of events: sort the table by index"
    );
    let found = said(usual("time", integers(&[4, 3])));
    assert!(found.contains("sort the table by time"), "{found}");
    assert!(table([usual("time", integers(&[4, 3])), vec![("index", integers(&[0, 1]))]].concat()).is_ok());
}

#[test]
fn a_table_without_a_column_that_is_needed_is_refused() {
    let found =
        said(vec![("client", integers(&[0])), ("type", texts(&["invoke"])), ("op", texts(&["read"]))]);
    assert_eq!(
        found,
        "table has no column \"process\", which every event needs. Its columns are: client, type, op.\n\
         table has no column \"f\", which every event needs. Its columns are: client, type, op."
    );
}

#[test]
fn a_misspelt_column_is_a_problem_as_a_misspelt_field_is() {
    let found = said(vec![
        ("process", integers(&[0, 0])),
        ("type", texts(&["invoke", "ok"])),
        ("f", texts(&["write", "write"])),
        ("Key", texts(&["x", "x"])),
        ("value", integers(&[1, 1])),
    ]);
    assert!(found.contains("\"Key\""), "{found}");
}

/// Batches are cut and read on several threads; rows are numbered over all of them.
#[test]
fn a_long_table_in_several_batches_is_one_history() {
    let operations = 60_000;
    let mut lines = String::new();
    for at in 0..operations {
        for kind in ["invoke", "ok"] {
            lines += &format!(
                "{{\"process\":{},\"type\":\"{kind}\",\"f\":\"write\",\"key\":\"k{}\",\"value\":{at}}}\n",
                at % 7,
                at % 100
            );
        }
    }
    let history = format::from_text(Format::Native, &lines).expect("events");
    assert!(read_bytes(parquet(&history)).expect("events").same_events(&history));
    let batches: Vec<RecordBatch> = EventBatches::new(&history).collect();
    assert!(batches.len() > 1);
    let schema = EventBatches::new(&history).schema();
    // The first batch twice: the second time its indexes are those of rows before.
    let twice = [Ok(batches[0].clone()), Ok(batches[0].clone())];
    let found =
        read_batches("table", &schema, twice.into_iter(), &ReadOptions::default()).expect_err("unsorted");
    assert_eq!(found.list[0].row(), Some(batches[0].num_rows() as u64));
}

/// What a file says of itself may be anything. A damaged file is refused or read, and nothing panics.
#[test]
fn a_damaged_file_is_no_panic() {
    let history = native(&[
        r#"{"process":0,"type":"invoke","f":"write","key":"x","value":5}"#,
        r#"{"process":0,"type":"ok","f":"write","key":"x","value":5}"#,
    ]);
    let bytes = parquet(&history);
    for len in (0..bytes.len()).step_by(5) {
        assert!(read_bytes(bytes[..len].to_vec()).is_err() || len == 0, "cut at {len}");
    }
    for (at, flip) in (0..bytes.len()).step_by(2).zip([0x01, 0x80, 0xff, 0x10].into_iter().cycle()) {
        let mut damaged = bytes.clone();
        damaged[at] ^= flip;
        let _ = read_bytes(damaged);
    }
}

#[test]
fn the_schema_of_arrow_has_the_header() {
    let history =
        native(&[r#"{"steadfast":1,"seed":7}"#, r#"{"process":0,"type":"invoke","f":"write","value":5}"#]);
    let schema: Arc<Schema> = EventBatches::new(&history).schema();
    assert_eq!(schema.metadata()["steadfast"], r#"{"seed":7,"steadfast":1}"#);
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(
        names.join(" "),
        "index time process process_json session session_json type f key key_json value_json version fields_json"
    );
}

/// Without its completion an operation would be one of unknown outcome, and the violation would be missed.
#[test]
fn a_selection_keeps_completions_that_leave_their_key_to_the_invocation() {
    let history = native(&[
        r#"{"steadfast":1,"gapless":true}"#,
        r#"{"index":0,"process":0,"type":"invoke","f":"write","key":"x","value":1}"#,
        r#"{"index":1,"process":1,"type":"invoke","f":"write","key":7,"value":1}"#,
        r#"{"index":2,"process":0,"type":"ok","f":"write","key":"x","value":1}"#,
        r#"{"index":3,"process":"nemesis","type":"info","f":"kill"}"#,
        r#"{"index":4,"process":1,"type":"ok","f":"write","key":7,"value":1}"#,
    ]);
    let select = |bytes: Vec<u8>, keys: &[&str]| {
        let keys = Some(keys.iter().map(|key| (*key).to_owned()).collect());
        let options = ReadOptions { keys, ..ReadOptions::default() };
        let input = Input::Bytes("run.parquet".to_owned(), bytes);
        format::read(input, &options, &|_, _| {}).map(|loaded| loaded.history)
    };
    for (key, index) in [("\"x\"", 0), ("7", 1)] {
        let found = select(parquet(&history), &[key]).expect("a history");
        assert_eq!((found.len(), found.event_count()), (1, 3), "{key}: two events and the fault");
        let operation = found.operations().next().expect("one");
        assert_eq!((operation.outcome, found.operation_index(operation.id)), (histories::Outcome::Ok, index));
    }
    assert_eq!(select(parquet(&history), &["\"y\""]).expect("a history").len(), 0);
    assert_eq!(select(parquet(&history), &["\"x\"", "7"]).expect("a history").len(), 2);
    // A column of keys that only invocations have.
    let mut process = Int64Builder::new();
    [0, 1, 0, 1].into_iter().for_each(|number| process.append_value(number));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("process", Arc::new(process.finish())),
        ("type", texts(&["invoke", "invoke", "ok", "ok"])),
        ("f", texts(&["write", "write", "write", "write"])),
        ("key", texts(&["x", "y", "-", "-"])),
        ("value", integers(&[1, 2, 1, 2])),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)));
    let batch = batch.expect("columns of one length");
    let options = ReadOptions { keys: Some(vec!["\"x\"".to_owned()]), ..ReadOptions::default() };
    let read = read_batches("table", &batch.schema(), [Ok(batch.clone())].into_iter(), &options);
    let found = read.expect("a history").history;
    let outcomes: Vec<_> = found.operations().map(|operation| operation.outcome).collect();
    assert_eq!(outcomes, [histories::Outcome::Ok]);
    // What is wrong with a row of another object is told all the same, by its row in the whole file.
    let transactions = native(&[
        r#"{"process":0,"type":"invoke","f":"write","key":"x","value":1}"#,
        r#"{"process":1,"type":"invoke","f":"txn","value":[["r","x",null]]}"#,
    ]);
    let found = select(parquet(&transactions), &["\"y\""]).expect_err("a transaction").to_string();
    assert!(found.starts_with("run.parquet: row 1: found a transaction"), "{found}");
}

/// A batch with a dictionary of its own, or with that of the batch before it. Each row has the number of its key, if it has one.
#[derive(Clone, Debug)]
struct KeyBatch {
    dictionary: Option<Vec<&'static str>>,
    rows: Vec<Option<usize>>,
}

fn key_batch() -> impl Strategy<Value = KeyBatch> {
    // Some keys stand in a dictionary twice, and some dictionaries have more texts than are looked at for so few rows.
    let text = prop::sample::select(vec!["x", "y", "z", "", "a\"b", "\u{7f}\n", "7", "null"]);
    let distinct = prop::sample::subsequence(vec!["x", "y", "z", "", "a\"b", "\u{7f}\n", "7", "null"], 1..8);
    let dictionary = prop_oneof![4 => distinct, 1 => prop::collection::vec(text, 1..40)];
    let key = prop::option::weighted(0.95, 0..64_usize);
    (prop::option::weighted(0.6, dictionary), prop::collection::vec(key, 1..12))
        .prop_map(|(dictionary, rows)| KeyBatch { dictionary, rows })
}

/// The same rows with keys as dictionaries and as plain texts.
fn with_keys_both_ways(batches: &[KeyBatch]) -> [Vec<RecordBatch>; 2] {
    let mut both = [Vec::new(), Vec::new()];
    let mut dictionary: Arc<StringArray> = Arc::new(StringArray::from(vec!["first", "second"]));
    let mut count = 0;
    for batch in batches {
        if let Some(texts) = &batch.dictionary {
            dictionary = Arc::new(StringArray::from(texts.clone()));
        }
        // Most completions leave their key to the invocation. Another key is a problem, which both ways must tell alike.
        let is_told = |at: usize, key: usize| at.is_multiple_of(2) || key.is_multiple_of(32);
        let told = batch.rows.iter().zip(count..).map(|(key, at)| key.filter(|&key| is_told(at, key)));
        let numbers: Vec<Option<usize>> = told.map(|key| key.map(|key| key % dictionary.len())).collect();
        let keys = numbers.iter().map(|number| number.map(|number| number as i32));
        let plain: StringArray =
            numbers.iter().map(|number| number.map(|number| dictionary.value(number))).collect();
        let at: Vec<i64> = (count..count + batch.rows.len()).map(|at| at as i64).collect();
        count += batch.rows.len();
        // Only the careful path reads an object.
        let values = at.iter().map(|at| match at / 2 % 3 {
            1 => format!("{{\"n\":{}}}", at / 2),
            _ => format!("{}", at / 2),
        });
        let columns = |key: ArrayRef| {
            let kinds = at.iter().map(|at| if at % 2 == 0 { "invoke" } else { "ok" });
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("process", integers(&at.iter().map(|at| at / 2 % 3).collect::<Vec<_>>())),
                ("type", Arc::new(kinds.map(Some).collect::<StringArray>())),
                ("f", Arc::new(at.iter().map(|_| Some("write")).collect::<StringArray>())),
                ("key", key),
                ("value_json", Arc::new(values.clone().map(Some).collect::<StringArray>())),
            ];
            RecordBatch::try_from_iter_with_nullable(
                columns.into_iter().map(|(name, array)| (name, array, true)),
            )
            .expect("columns of one length")
        };
        let named = DictionaryArray::<Int32Type>::new(keys.collect(), Arc::clone(&dictionary) as ArrayRef);
        both[0].push(columns(Arc::new(named)));
        both[1].push(columns(Arc::new(plain)));
    }
    both
}

proptest! {
    /// Keys of a dictionary are named once for all batches that share it. The history must be the same as of plain texts: events,
    /// the order of names, problems and what a selection keeps.
    #[test]
    fn keys_of_a_dictionary_are_those_of_plain_texts(
        batches in prop::collection::vec(key_batch(), 1..6),
        selected in any::<bool>(),
    ) {
        let keys = selected.then(|| vec!["\"x\"".to_owned(), "\"a\\\"b\"".to_owned()]);
        let options = ReadOptions { keys, ..ReadOptions::default() };
        let [named, plain] = with_keys_both_ways(&batches).map(|batches| {
            let schema = batches[0].schema();
            read_batches("table", &schema, batches.into_iter().map(Ok), &options)
        });
        match (named, plain) {
            (Ok(named), Ok(plain)) => {
                let texts = |history: &History| history.keys.iter().map(|(_, text)| text.to_owned()).collect::<Vec<_>>();
                prop_assert!(named.history.same_events(&plain.history));
                prop_assert_eq!(texts(&named.history), texts(&plain.history));
            }
            (Err(named), Err(plain)) => prop_assert_eq!(named.to_string(), plain.to_string()),
            (named, plain) => prop_assert!(false, "one is refused: {} {}", named.is_ok(), plain.is_ok()),
        }
    }
}
