//! Streams that are cut anywhere, and lines that are wrong.

use super::*;

const TEXT: &str = r#"{"steadfast":1,"seed":7}
{"process":0,"session":"a","type":"invoke","f":"write","key":"x","value":{"b":1,"a":"é\n"}}
{"process":"client-1","type":"invoke","f":"read","key":"x"}
{"process":0,"session":"a","type":"ok","f":"write","key":"x","value":{"b":1,"a":"é\n"}}

{"process":2,"type":"invoke","f":"write","value":null}
{"process":"client-1","type":"ok","f":"read","key":"x","value":{"a":"é\n","b":1}}
{"process":"nemesis","type":"info","f":"kill","value":"n1"}
{"process":2,"type":"info","f":"write","value":null}
"#;

/// What matters of each event.
fn events_of(text: &[u8], chunk: usize) -> Vec<String> {
    let mut lines = StreamLines::default();
    let mut told = Vec::new();
    for bytes in text.chunks(chunk) {
        let mut take = |event: StreamEvent<'_>| {
            let part = event.part;
            told.push(match event.event {
                Event::Invoke(id) => format!("{} {}", event.index, invocation_line(part, id)),
                Event::Complete(id) => {
                    let op = part.operation(id);
                    let result = part.value_text(op.result);
                    format!("{} {} {:?} {result}", event.index, process_json(part, id), op.outcome)
                }
                Event::Actor(actor) => format!("{} {actor:?}", event.index)
                    .replace(&format!("position: {}", actor.position), "position"),
            });
            Ok(())
        };
        lines.add_bytes(bytes, &mut take).expect("a history");
    }
    assert_eq!((lines.unfinished().len(), lines.event_count()), (0, 7));
    told
}

/// A block that ended between invocation and completion lost the session, or paired with another process.
#[test]
fn events_are_the_same_however_the_stream_is_cut() {
    let whole = events_of(TEXT.as_bytes(), TEXT.len());
    assert!(whole[0].contains("\"session\":\"a\"") && whole[4].contains("é"), "{whole:?}");
    for chunk in 1..TEXT.len() {
        assert_eq!(events_of(TEXT.as_bytes(), chunk), whole, "{chunk} bytes at once");
    }
}

#[test]
fn a_wrong_line_is_named_and_the_lines_before_it_are_kept() {
    for chunk in [1, 40, 4096] {
        let text = TEXT.replace("\"type\":\"info\",\"f\":\"kill\"", "\"type\":\"inf\",\"f\":\"kill\"");
        let (mut lines, mut count) = (StreamLines::default(), 0);
        let mut take = |_: StreamEvent<'_>| {
            count += 1;
            Ok(())
        };
        let flaw = text.as_bytes().chunks(chunk).find_map(|bytes| lines.add_bytes(bytes, &mut take).err());
        match flaw {
            Some(StreamFlaw::Line(8, why)) => assert!(why.contains("expected a type"), "{why}"),
            other => panic!("{chunk} bytes at once: {other:?}"),
        }
        assert_eq!(count, 5, "{chunk} bytes at once");
    }
}

/// What one reading told of a stream: its events, and whether it broke.
fn read_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, bool) {
    let (mut lines, mut told) = (StreamLines::default(), Vec::new());
    let mut take = |event: StreamEvent<'_>| {
        let part = event.part;
        told.push(match event.event {
            Event::Invoke(id) => format!("{} {}", event.index, invocation_line(part, id)),
            Event::Complete(id) => {
                let op = part.operation(id);
                let result = (part.value_text(op.result), part.micros_of(id).len());
                format!("{} {} {:?} {result:?}", event.index, process_json(part, id), op.outcome)
            }
            Event::Actor(actor) => format!("{} {} {} {}", event.index, actor.actor, actor.kind, actor.value),
        });
        Ok(())
    };
    let broke = pieces.into_iter().any(|bytes| lines.add_bytes(bytes, &mut take).is_err());
    (told, broke)
}

/// Streams on which a rule about a whole file was applied to each block.
const CUT_ALIKE: &[(&str, bool)] = &[
    // Jepsen's independent pairs: a block of writes was not recognised, and the next one was.
    (include_str!("independent.jsonl"), true),
    // Two registers that hold pairs, and are no independent history.
    (
        r#"{"process":0,"type":"invoke","f":"read"}
{"process":0,"type":"ok","f":"read","value":null}
{"process":0,"type":"invoke","f":"write","value":[1,5]}
{"process":0,"type":"ok","f":"write","value":[1,5]}
{"process":0,"type":"invoke","f":"read","value":[1,null]}
{"process":0,"type":"ok","f":"read","value":[1,5]}
"#,
        false,
    ),
    // An event without an index among others, and a header that is repeated.
    (
        r#"{"index":0,"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"index":10,"process":0,"type":"ok","f":"write","key":"x","value":1}
{"process":"nemesis","type":"info","f":"kill","value":"n1"}
{"index":11,"process":1,"type":"invoke","f":"read","key":"x"}
{"index":12,"process":1,"type":"ok","f":"read","key":"x","value":1}
"#,
        false,
    ),
    ("{\"steadfast\":1}\n{\"steadfast\":1}\n{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n", true),
    // A completion without its invocation: no event of its block was an invocation.
    (
        r#"{"process":0,"type":"invoke","f":"read","key":"x"}
{"process":0,"type":"ok","f":"read","key":"x","value":null}
{"process":5,"type":"ok","f":"read","key":"x","value":3}
"#,
        true,
    ),
    // A note that is named like a misspelt field, in one invocation of several.
    (
        r#"{"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"process":0,"type":"ok","f":"write","key":"x","value":1}
{"process":0,"type":"invoke","f":"write","k":"x","value":1}
{"process":0,"type":"ok","f":"write","value":1}
"#,
        false,
    ),
    // The header lists a client whose function is not known.
    (
        r#"{"steadfast":1,"clients":["a","b"],"seed":1}
{"process":"a","type":"invoke","f":"read","key":"x"}
{"process":"a","type":"ok","f":"read","key":"x","value":null}
{"process":"b","type":"invoke","f":"frobnicate","key":"x"}
{"process":"b","type":"ok","f":"frobnicate","key":"x"}
"#,
        false,
    ),
    // A gap where the header promises none, and an event without an index there.
    (
        r#"{"steadfast":1,"gapless":true}
{"index":0,"process":0,"type":"invoke","f":"read"}
{"process":0,"type":"ok","f":"read","value":null}
"#,
        true,
    ),
    (
        r#"{"steadfast":1,"gapless":true}
{"index":1,"process":0,"type":"invoke","f":"read"}
{"index":2,"process":0,"type":"ok","f":"read","value":null}
"#,
        true,
    ),
];

#[test]
fn a_stream_is_read_the_same_however_it_is_cut() {
    for (text, breaks) in CUT_ALIKE {
        let bytes = text.as_bytes();
        let whole = read_pieces([bytes]);
        assert_eq!(whole.1, *breaks, "{text}\n{whole:?}");
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(read_pieces([first, second]), whole, "cut at byte {at}:\n{text}");
        }
        assert_eq!(read_pieces(bytes.chunks(1)), whole, "byte by byte:\n{text}");
    }
}

/// The events of every case of the corpus, in one block and line by line.
#[test]
fn the_corpus_is_read_the_same_however_it_is_cut() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus");
    let mut read = 0;
    for case in std::fs::read_dir(corpus).expect("a folder").flatten() {
        let Ok(bytes) = std::fs::read(case.path().join("history.jsonl")) else { continue };
        let name = case.file_name();
        let whole = read_pieces([bytes.as_slice()]);
        assert_eq!(read_pieces(bytes.split_inclusive(|&byte| byte == b'\n')), whole, "{name:?} line by line");
        let half = bytes.len() / 2;
        assert_eq!(read_pieces([&bytes[..half], &bytes[half..]]), whole, "{name:?} in two halves");
        read += 1;
    }
    assert!(read > 150, "{read} cases");
}

/// A file that replaces another may repeat the header, and may not have another one.
#[test]
fn the_header_of_a_new_file_is_that_of_the_old_one() {
    let header = "{\"steadfast\":1,\"seed\":7}\n";
    for (second, is_taken) in [(header, true), ("", true), ("{\"steadfast\":1,\"seed\":8}\n", false)] {
        let mut lines = StreamLines::default();
        let mut take = |_: StreamEvent<'_>| Ok(());
        lines.add_bytes(TEXT.as_bytes(), &mut take).expect("a history");
        lines.begin_file();
        let event = "{\"process\":4,\"type\":\"invoke\",\"f\":\"read\",\"key\":\"x\"}\n";
        let taken = lines.add_bytes(format!("{second}{event}").as_bytes(), &mut take);
        assert_eq!(taken.is_ok(), is_taken, "{second}: {taken:?}");
        assert!(is_taken || format!("{taken:?}").contains("another recording"), "{taken:?}");
    }
}
