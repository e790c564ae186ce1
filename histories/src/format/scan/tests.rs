//! Compares the scanner with the careful path: a line that the scanner accepts must mean the same to both.

use super::*;
use crate::format::chunk::LocalMicro;
use crate::format::event::StringProcesses;
use crate::format::lines::read_json_event;
use crate::{Id, MicroKind};
use proptest::prelude::*;

fn rules(independent: bool) -> EventRules {
    EventRules { independent, process_required: true, strings: StringProcesses::Recognised }
}

/// The events of a chunk as texts, with names instead of ids.
fn said(chunk: &Chunk) -> Vec<String> {
    let name = |local: LocalId, names: &crate::intern::HashedNames<LocalId>| match local.if_given() {
        Some(local) => names.text(local).to_owned(),
        None => "absent".to_owned(),
    };
    let value = |value| match value {
        EventValue::One(one) => name(one, &chunk.values),
        EventValue::Pair(old, new) => format!("{} {}", name(old, &chunk.values), name(new, &chunk.values)),
        EventValue::Micros { start, len } => {
            let micros = &chunk.micros[start as usize..(start + len) as usize];
            let micro = |micro: &LocalMicro| {
                let values: Vec<String> = match micro.kind {
                    MicroKind::ReadList => {
                        let list = chunk.lists.list(micro.value);
                        let elements = &chunk.lists.elements[list.start as usize..][..micro.len as usize];
                        elements.iter().map(|&id| name(id, &chunk.values)).collect()
                    }
                    _ => vec![name(micro.value, &chunk.values)],
                };
                format!("{:?} {} {values:?}", micro.kind, name(micro.key, &chunk.keys))
            };
            format!("{:?}", micros.iter().map(micro).collect::<Vec<_>>())
        }
    };
    let event = |event: &ChunkEvent| {
        let process = event.process.if_given().map(|process| match event.kind {
            EventKind::Actor => format!("{:?}", chunk.actors[process.index()]),
            _ => format!("{:?}", chunk.processes.get(process.index())),
        });
        format!(
            "{} {:?} process {process:?} f {} session {} key {} value {} note {} {:?}",
            event.at,
            event.kind,
            event.function.if_given().map_or("absent", |function| chunk.functions.text(function)),
            name(event.session, &chunk.sessions),
            name(event.key, &chunk.keys),
            value(event.value),
            event.note.pattern.if_given().map_or("absent".to_owned(), |pattern| {
                format!(
                    "{:?} {} {}",
                    chunk.notes.text(pattern),
                    event.note.number,
                    chunk.note_text(event.note)
                )
            }),
            [event.time, event.index, event.version],
        )
    };
    chunk.events.iter().map(event).collect()
}

fn both(line: &str, independent: bool) -> (bool, Vec<String>, Vec<String>) {
    let rules = rules(independent);
    let (mut fast, mut careful) = (Chunk::default(), Chunk::default());
    let accepted = scan_event(&mut fast, line.as_bytes(), 7, rules);
    read_json_event(&mut careful, line.as_bytes(), 7, rules, false, false);
    (accepted, said(&fast), said(&careful))
}

#[test]
fn reads_the_usual_lines_itself() {
    for line in [
        r#"{"index":0,"time":12000,"process":3,"session":"s-17","type":"invoke","f":"write","key":"cart","value":5}"#,
        r#"{"index":1,"time":48,"process":3,"session":"s-17","type":"ok","f":"write","key":"cart","value":5,"node":"n1"}"#,
        r#" { "type": ":ok", "process": 0, "f": ":cas", "value": [1, "a"], "version": 7, "z": 1, "a": null} "#,
        r#"{"type":"info","process":-4,"f":"cas","key":"x"}"#,
        r#"{"type":"ok","process":0,"f":"txn","value":[["append",11,1],["r",11,[1,2]],["r","y",null],["w",null,true]]}"#,
        r#"{"type":"invoke","process":0,"f":"txn","value":[]}"#,
        r#"{"value":[["r","x",[]],["r","x",["a","b"]]],"type":"ok","process":0,"f":"txn"}"#,
        // What session stores are sent and return; fields are sorted by name.
        r#"{"type":"ok","process":0,"f":"write","key":"s-1","value":{"session":"s-1","version":7,"bytes":64},"node":"n1"}"#,
        r#"{"type":"ok","process":0,"f":"read","value":{"torn":"00ff","bytes":64,"begins":"1 64 \"é\n"}}"#,
        r#"{"type":"ok","process":0,"f":"read","value":{"fields":{"lang":null,"cart":{"version":1,"a":[ ]}, "b" : { } }}}"#,
        r#"{"type":"ok","process":0,"f":"read","value":[1, {"b":2,"a":[1, [2]]}, []]}"#,
        // Fields are sorted by name alone. Sorted together with the quote after it, "a" would come after "a b".
        r#"{"type":"ok","process":0,"f":"read","value":{"a":1,"a b":2,"":3,"é":4,"a!":5}}"#,
        r#"{"type":"fail","process":0,"f":"read","error":"no \"session\"","seen":{"b":1,"a":[2]},"é":"é"}"#,
        r#"{"type":"fail","process":0,"f":"cas","value":{"b":1,"a":2}}"#,
        r#"{"type":"ok","process":0,"f":"cas","value":[{"b":1,"a":2},{}]}"#,
        // What actors tell that are never clients.
        r#"{"index":7,"time":9,"process":"audit","type":"info","f":"renew","value":["s-1","s-1.1"],"node":"n1"}"#,
        r#"{"process":"replica","type":"info","f":"read","value":["n1","s-1",{"session":"s-1","bytes":64}]}"#,
        r#"{"type":"info","f":":txn","value":{"b":1,"a":[[]]},"process":":nemesis","time":null}"#,
        r#"{"process":"log","type":"info","f":"x"}"#,
    ] {
        let (accepted, fast, careful) = both(line, false);
        assert!(accepted, "{line}");
        assert_eq!(fast, careful, "{line}");
    }
    let (accepted, fast, careful) = both(r#"{"process":0,"type":"ok","f":"cas","value":["k",[1,2]]}"#, true);
    assert!(accepted);
    assert_eq!(fast, careful);
}

/// A list of lists with the names of micro-operations is a transaction, whatever its function is called.
#[test]
fn leaves_what_may_be_a_transaction_to_the_careful_path() {
    for value in
        [r#"[["append",9,1]]"#, r#"[ ["r",9,null]]"#, r#"[["r",1],["w",1,2]]"#, r#"[["r",1],["r",2]]"#]
    {
        for function in ["read", "cas", "append"] {
            let line = format!(r#"{{"process":0,"type":"ok","f":"{function}","value":{value}}}"#);
            assert!(!both(&line, false).0, "{line}");
        }
    }
}

#[test]
fn leaves_no_event_of_what_it_refuses() {
    let mut chunk = Chunk::default();
    let line = br#"{"type":"ok","process":0,"f":"txn","value":[["r","x",[1,2]],["append","x",1.5]]}"#;
    assert!(!scan_event(&mut chunk, line, 0, rules(false)));
    assert!(chunk.events.is_empty() && chunk.micros.is_empty());
}

/// The events of lines that are scanned one after another, and of the same lines on the careful path. Lines that the
/// scanner refuses are left out on both.
fn both_in_one_block(lines: &[String]) -> (usize, Vec<String>, Vec<String>) {
    let text = lines.join("\n");
    let (mut fast, mut careful) = (Chunk::default(), Chunk::default());
    let mut scanner = LineScanner::new(&text, 0, rules(false));
    let mut start = 0;
    let mut accepted = 0;
    for line in lines {
        if scanner.scan_line(&mut fast, start, start + line.len()) {
            read_json_event(&mut careful, line.as_bytes(), start, rules(false), false, false);
            accepted += 1;
        }
        start += line.len() + 1;
    }
    (accepted, said(&fast), said(&careful))
}

fn reads_of(list: &str) -> String {
    format!(r#"{{"process":0,"type":"ok","f":"txn","value":[["r","x",{list}]]}}"#)
}

/// The text of a list may begin like that of the list before it and still go on differently, or end inside an element.
#[test]
fn lists_that_begin_alike_are_not_taken_for_one_another() {
    let lists = [
        "[1,2]",
        "[1,2]",
        "[1,23]",
        "[1,2,3]",
        "[1]",
        "[]",
        "[ 1,2 , 3 ]",
        "[1,2 ]",
        "[1 ,2,3,4]",
        "[12]",
        "[1,2,3,4,5.5]",
        "[1,2,3,4,6]",
        "[1,2,3,4,6,null]",
        r#"[1,2,3,4,6,null,"a],b"]"#,
        r#"[1,2,3,4,6,null,"a]"#,
        r#"[1,2,3,4,6,null,"a"]"#,
        r#"[1,2,3,4,6,null,"a],b","c"]"#,
        "[1,2,]",
        "[1,2,,3]",
        "[1,2,3",
        "[1,2,3\u{c}]",
    ];
    let lines: Vec<String> = lists.iter().map(|list| reads_of(list)).collect();
    let (accepted, fast, careful) = both_in_one_block(&lines);
    assert_eq!((accepted, fast), (lists.len() - 6, careful));
}

/// A payload may begin like the one before it and still go on differently, and so may further fields. The texts are compared
/// with those of earlier events, so each is repeated, also as something else.
#[test]
fn objects_and_notes_that_begin_alike_are_not_taken_for_one_another() {
    let values = [
        r#"{"session":"s","version":1}"#,
        r#"{"session":"s","version":12}"#,
        r#"{"version":1,"session":"s"}"#,
        r#"{"session":"s","version":1,"session":"s"}"#,
        r#"{"a":{"session":"s","version":1}}"#,
        r#"{"a":{"session":"s","version":1},"b":[]}"#,
        r#"{"session":"s","version":"1}"}"#,
        r#"{"session":"s" ,"version":1}"#,
        r#"{"session":"s","version":1.0}"#,
    ];
    let notes = [
        "",
        r#","clock":7"#,
        r#","clock":8"#,
        r#","clock":"7""#,
        r#","clock":null"#,
        r#","node":"n1","clock":7"#,
        r#","clock":9,"node":"n1""#,
        r#","node":"n2","clock":9"#,
        r#","clock":7,"intended":8"#,
        r#","intended":8,"clock":9"#,
        r#","intended":8,"clock":{"b":1,"a":2}"#,
        r#","intended":8,"clock":{"a":2,"b":1}"#,
    ];
    let mut lines = Vec::new();
    for (at, value) in values.iter().chain(&values).chain(values.iter().rev()).enumerate() {
        for (function, key) in [("read", 1), ("read", 2), ("write", 1)] {
            let note = notes[(at * 5 + key) % notes.len()];
            lines.push(format!(
                r#"{{"process":{key},"type":"ok","f":"{function}","key":{key},"value":{value}{note}}}"#
            ));
        }
    }
    let (accepted, fast, careful) = both_in_one_block(&lines);
    // All but those with a field twice and those with a float.
    assert_eq!((accepted, fast), (lines.len() * 7 / 9, careful));
}

const NAMES: &[&str] =
    &["type", "process", "f", "value", "key", "session", "time", "index", "version", "node", "error", ":f"];
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "7",
    "-1",
    "-0",
    "01",
    "1.5",
    "1e3",
    "123456789012345678",
    "1234567890123456789",
    "9223372036854775808",
    r#""x""#,
    r#"":x""#,
    r#""""#,
    r#""é""#,
    r#""\n""#,
    r#""a b/c""#,
    "[]",
    "[1,2]",
    "[1, 2]",
    "[1,[2,3]]",
    "{}",
    r#"{"b":1,"a":2}"#,
    r#""invoke""#,
    r#""ok""#,
    r#"":info""#,
    r#""fail""#,
    r#""txn""#,
    r#""cas""#,
    r#""read""#,
    r#"[["r","x",null]]"#,
    r#"[["r","x"]]"#,
    r#"[["append",1,2],["r",1,[]]]"#,
    r#"[["w","x",[1]]]"#,
    r#"[["x",1,2]]"#,
    r#"[["r","x",[1,"a",null]],["w","y",-3]]"#,
    r#"["k",[1,2]]"#,
    r#"{"session":"s","version":7,"bytes":64}"#,
    r#"{"a":{"b":[1,{"d":null,"c":true}],"":[]}, "a b": -3}"#,
    r#"{"a":1,"a":2}"#,
    r#"{"a":1,"\u0061":2}"#,
    r#"{"a":1.0}"#,
    r#"{"a":18446744073709551615}"#,
    r#"{"a" :"\/"}"#,
    r#"{"a":"\"\\\b\f\n\r\t"}"#,
    r#"{"a":1,}"#,
    r#"{"a":[1}"#,
    r#"{a:1}"#,
    r#"["r",1]"#,
    r#"[["r",1],["w",1]]"#,
    r#"[["r",1],["w",1,2]]"#,
    r#"[1,{"b":[[[[[[[[[1]]]]]]]]]}]"#,
];

/// Lists of a few elements. Many of these lists are a beginning of another one.
fn list_text() -> impl Strategy<Value = String> {
    const ELEMENTS: [&str; 8] = ["1", "2", "12", "-3", "null", r#""a""#, r#""a],b""#, "4"];
    let odd = prop::sample::select(vec!["1.5", "\"", "", "]", "1 2", r#""é""#]);
    let separators = prop::sample::select(vec![",", ",", ",", ", ", " ,"]);
    let parts = (0..ELEMENTS.len(), prop::option::weighted(0.1, odd), separators, 0..3_usize, 0..9_usize);
    parts.prop_map(|(len, odd, separator, turn, swapped)| {
        let mut elements: Vec<&str> = ELEMENTS[turn * swapped / 8..].iter().copied().take(len).collect();
        elements.extend(odd);
        format!("[{}]", elements.join(separator))
    })
}

/// Lines that are mostly events, with any value in any field, fields missing, twice or in any order.
fn line() -> impl Strategy<Value = String> {
    let usual = (
        prop::sample::select(vec![r#""invoke""#, r#""ok""#, r#"":fail""#, r#""info""#]),
        prop::sample::select(vec!["0", "17", "-3", r#""nemesis""#, r#"":audit""#, r#""web""#]),
        prop::sample::select(vec![r#""read""#, r#"":write""#, r#""cas""#, r#""txn""#, r#""""#]),
        prop::sample::select(VALUES),
    );
    let others = prop::collection::vec((prop::sample::select(NAMES), prop::sample::select(VALUES)), 0..4);
    let separator = prop::sample::select(vec![",", ", ", " , "]);
    (usual, others, separator, 0..6_usize, any::<bool>()).prop_map(|(usual, others, separator, turn, all)| {
        let mut fields = vec![("type", usual.0), ("process", usual.1), ("f", usual.2), ("value", usual.3)];
        fields.truncate(if all { 4 } else { turn });
        // Mostly fields that the event does not have yet.
        let new =
            others.into_iter().filter(|(name, _)| turn == 0 || fields.iter().all(|field| field.0 != *name));
        let new: Vec<_> = new.collect();
        fields.extend(new);
        let turn = turn % fields.len().max(1);
        fields.rotate_left(turn);
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(separator))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// A line that the scanner accepts means the same on the careful path, which finds no flaw in it.
    #[test]
    fn agrees_with_the_careful_path(line in line(), independent in any::<bool>()) {
        let (accepted, fast, careful) = both(&line, independent);
        if accepted {
            prop_assert_eq!(fast, careful, "{}", line);
        }
    }

    /// The same for reads of lists, whose texts are compared with the lists before them.
    #[test]
    fn agrees_on_lists_that_begin_alike(lists in prop::collection::vec((list_text(), 0..2_u8), 1..12)) {
        let line = |(list, key): &(String, u8)| {
            format!(r#"{{"process":0,"type":"ok","f":"txn","value":[["r",{key},{list}],["r",7,{list}]]}}"#)
        };
        let lines: Vec<String> = lists.iter().map(line).collect();
        let (_, fast, careful) = both_in_one_block(&lines);
        prop_assert_eq!(fast, careful, "{:?}", lines);
    }

    /// The same for events whose values and further fields often repeat those of the events before them.
    #[test]
    fn agrees_on_events_that_repeat_others(
        events in prop::collection::vec((0..2_u8, 0..2_u8, any::<bool>(), 0..6_usize, 0..6_usize, 0..3_u8), 1..24),
        values in prop::collection::vec(prop::sample::select(VALUES), 6),
        notes in prop::collection::vec((prop::sample::select(VALUES), prop::sample::select(VALUES), 0..3_usize), 6),
    ) {
        let line = |&(process, key, reads, value, note, number): &(u8, u8, bool, usize, usize, u8)| {
            let (function, (one, other, shape)) = (if reads { "read" } else { "write" }, &notes[note]);
            let note = match shape {
                0 => format!(r#","clock":{number},"node":{one}"#),
                1 => format!(r#","node":{other},"clock":{number}"#),
                _ => format!(r#","a":{one},"intended":{other},"clock":{number}"#),
            };
            format!(
                r#"{{"process":{process},"type":"ok","f":"{function}","key":"k{key}","value":{}{note}}}"#,
                values[value]
            )
        };
        let lines: Vec<String> = events.iter().map(line).collect();
        let (_, fast, careful) = both_in_one_block(&lines);
        prop_assert_eq!(fast, careful, "{:?}", lines);
    }

    /// The same for lines in which a byte was changed, inserted or removed.
    #[test]
    fn agrees_on_damaged_lines(line in line(), at in any::<prop::sample::Index>(), with in any::<Option<u8>>(), insert in any::<bool>()) {
        let mut bytes = line.into_bytes();
        let at = at.index(bytes.len());
        match with {
            Some(byte) if insert => bytes.insert(at, byte),
            Some(byte) => bytes[at] = byte,
            None => { bytes.remove(at); }
        }
        let rules = rules(false);
        let (mut fast, mut careful) = (Chunk::default(), Chunk::default());
        if scan_event(&mut fast, &bytes, 7, rules) {
            read_json_event(&mut careful, &bytes, 7, rules, false, false);
            prop_assert_eq!(said(&fast), said(&careful), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
