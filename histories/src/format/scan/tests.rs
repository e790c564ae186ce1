//! The scanner held against the careful path: what one accepts means the same to the other.

use super::*;
use crate::format::event::StringProcesses;
use crate::format::lines::read_json_event;
use proptest::prelude::*;

/// What a chunk says, in names.
fn said(chunk: &Chunk) -> Vec<String> {
    let name = |local: LocalId, names: &crate::Interner<LocalId>| match local.if_given() {
        Some(local) => names.text(local).to_owned(),
        None => "absent".to_owned(),
    };
    let value = |value| match value {
        EventValue::One(one) => name(one, &chunk.values),
        EventValue::Pair(old, new) => format!("{} {}", name(old, &chunk.values), name(new, &chunk.values)),
        EventValue::Micros { start, len } => {
            let micros = &chunk.micros[start as usize..(start + len) as usize];
            let micro = |micro: &LocalMicro| {
                let list = micro.value.index()..micro.value.index() + micro.len as usize;
                let values: Vec<String> = match micro.kind {
                    MicroKind::ReadList => {
                        chunk.elements[list].iter().map(|&id| name(id, &chunk.values)).collect()
                    }
                    _ => vec![name(micro.value, &chunk.values)],
                };
                format!("{:?} {} {values:?}", micro.kind, name(micro.key, &chunk.keys))
            };
            format!("{:?}", micros.iter().map(micro).collect::<Vec<_>>())
        }
    };
    let event = |event: &ChunkEvent| {
        let process = event.process.if_given().map(|process| chunk.processes.get(process.index()));
        format!(
            "{} {:?} process {process:?} f {} session {} key {} value {} note {} {:?}",
            event.at,
            event.kind,
            name(event.function, &chunk.functions),
            name(event.session, &chunk.sessions),
            name(event.key, &chunk.keys),
            value(event.value),
            name(event.note, &chunk.notes),
            [event.time, event.index, event.version],
        )
    };
    chunk.events.iter().map(event).collect()
}

fn both(line: &str, independent: bool) -> (bool, Vec<String>, Vec<String>) {
    let rules = EventRules { independent, process_required: true, strings: StringProcesses::Recognised };
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
    ] {
        let (accepted, fast, careful) = both(line, false);
        assert!(accepted, "{line}");
        assert_eq!(fast, careful, "{line}");
    }
    let (accepted, fast, careful) = both(r#"{"process":0,"type":"ok","f":"cas","value":["k",[1,2]]}"#, true);
    assert!(accepted);
    assert_eq!(fast, careful);
}

#[test]
fn leaves_no_trace_of_what_it_refuses() {
    let mut chunk = Chunk::default();
    let line = br#"{"type":"ok","process":0,"f":"txn","value":[["r","x",[1,2]],["append","x",1.5]]}"#;
    assert!(!scan_event(
        &mut chunk,
        line,
        0,
        EventRules { independent: false, process_required: true, strings: StringProcesses::Recognised }
    ));
    assert!(chunk.events.is_empty() && chunk.micros.is_empty() && chunk.elements.is_empty());
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
];

/// Lines that are mostly events, with any value in any field, fields missing, twice or in any order.
fn line() -> impl Strategy<Value = String> {
    let usual = (
        prop::sample::select(vec![r#""invoke""#, r#""ok""#, r#"":fail""#, r#""info""#]),
        prop::sample::select(vec!["0", "17", "-3", r#""nemesis""#]),
        prop::sample::select(vec![r#""read""#, r#"":write""#, r#""cas""#, r#""txn""#, r#""""#]),
        prop::sample::select(VALUES),
    );
    let others = prop::collection::vec((prop::sample::select(NAMES), prop::sample::select(VALUES)), 0..4);
    let separator = prop::sample::select(vec![",", ", ", " , "]);
    (usual, others, separator, 0..6_usize, any::<bool>()).prop_map(|(usual, others, separator, turn, all)| {
        let mut fields = vec![("type", usual.0), ("process", usual.1), ("f", usual.2), ("value", usual.3)];
        fields.truncate(if all { 4 } else { turn });
        // Mostly fields that are not there yet.
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

    /// What the scanner accepts means the same on the careful path, which finds nothing wrong with it.
    #[test]
    fn agrees_with_the_careful_path(line in line(), independent in any::<bool>()) {
        let (accepted, fast, careful) = both(&line, independent);
        if accepted {
            prop_assert_eq!(fast, careful, "{}", line);
        }
    }

    /// The same for lines with a byte changed, put in or left out.
    #[test]
    fn agrees_on_damaged_lines(line in line(), at in any::<prop::sample::Index>(), with in any::<Option<u8>>(), insert in any::<bool>()) {
        let mut bytes = line.into_bytes();
        let at = at.index(bytes.len());
        match with {
            Some(byte) if insert => bytes.insert(at, byte),
            Some(byte) => bytes[at] = byte,
            None => { bytes.remove(at); }
        }
        let rules = EventRules { independent: false, process_required: true, strings: StringProcesses::Recognised };
        let (mut fast, mut careful) = (Chunk::default(), Chunk::default());
        if scan_event(&mut fast, &bytes, 7, rules) {
            read_json_event(&mut careful, &bytes, 7, rules, false, false);
            prop_assert_eq!(said(&fast), said(&careful), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
