//! The logs of S2's verification: JSON Lines in which each line is the start or the finish of an operation on a stream.
//!
//! ```json
//! {"event": {"Start": {"Append": {"num_records": 2, "record_hashes": [11, 22]}}}, "client_id": 0, "op_id": 0}
//! {"event": {"Finish": {"AppendSuccess": {"tail": 2}}}, "client_id": 0, "op_id": 0}
//! ```
//!
//! Operations are `append`, `read` and `check-tail`. A finish that reports success is `ok`, one that reports a definite
//! failure is `fail`, and any other is `info`. Arguments and results are kept unchanged. No model of this program
//! covers such a stream yet.

use super::blocks::Block;
use super::chunk::{Chunk, Local};
use super::datum::{Datum, Flaw, Kind};
use super::event::{self, Rules};
use super::json;
use super::lines::each_line;

const EXPECTED: &str = "an event such as {\"event\": {\"Start\": \"Read\"}, \"client_id\": 0, \"op_id\": 0}";

/// Reads the lines of a block.
pub(super) fn read(chunk: &mut Chunk, block: &Block, rules: Rules) {
    each_line(block, chunk, |chunk, at, line, unfinished| {
        let indent = line.len() - line.trim_ascii_start().len();
        let parsed = std::str::from_utf8(line.trim_ascii())
            .map_err(|error| super::edn::not_utf8(at, error))
            .and_then(|text| json::parse(text, at + indent))
            .and_then(|datum| event_of(&datum));
        match parsed {
            Ok(datum) => event::add(chunk, &datum, rules),
            Err(mut flaw) => {
                flaw.truncated &= unfinished;
                chunk.broken(at, Local::ABSENT, [flaw]);
            }
        }
    });
}

/// Converts a line to an event with our field names.
fn event_of<'a>(line: &Datum<'a>) -> Result<Datum<'a>, Flaw> {
    let strange = || Flaw::new(line.at, line.describe(), EXPECTED);
    let client = field(line, "client_id").ok_or_else(strange)?;
    let (name, what) = single(field(line, "event").ok_or_else(strange)?).ok_or_else(strange)?;
    let (operation, value) = single(what.ok_or_else(strange)?).ok_or_else(strange)?;
    let (kind, function) = match name {
        "Start" => ("invoke", function(operation)),
        "Finish" if operation.ends_with("Success") => ("ok", function(operation)),
        "Finish" if operation.contains("DefiniteFailure") => ("fail", function(operation)),
        "Finish" => ("info", function(operation)),
        _ => return Err(strange()),
    };
    let function = function.ok_or_else(strange)?;
    let named = |name: &'static str, value: Datum<'a>| (Datum::new(value.at, Kind::Text(name.into())), value);
    let text = |text: &'static str| Datum::new(line.at, Kind::Text(text.into()));
    let mut fields = vec![
        named("process", client.clone()),
        named("type", text(kind)),
        named("f", text(function)),
        named("value", value.cloned().unwrap_or(Datum::new(line.at, Kind::Null))),
    ];
    fields.extend(field(line, "op_id").map(|id| named("op_id", id.clone())));
    Ok(Datum::new(line.at, Kind::Map(fields)))
}

fn function(operation: &str) -> Option<&'static str> {
    [("Append", "append"), ("Read", "read"), ("CheckTail", "check-tail")]
        .into_iter()
        .find(|(prefix, _)| operation.starts_with(prefix))
        .map(|(_, function)| function)
}

/// Parses a variant: `"Read"`, or an object with one field. Returns its name and its content.
fn single<'d, 'a>(datum: &'d Datum<'a>) -> Option<(&'d str, Option<&'d Datum<'a>>)> {
    match &datum.kind {
        Kind::Text(name) => Some((name, None)),
        Kind::Map(fields) => match fields.as_slice() {
            [(name, value)] => Some((name.name()?, Some(value))),
            _ => None,
        },
        _ => None,
    }
}

fn field<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d Datum<'a>> {
    let Kind::Map(entries) = &of.kind else { return None };
    entries.iter().find(|(known, _)| known.name() == Some(name)).map(|(_, value)| value)
}

/// Whether JSON that begins with `head` is a log of S2.
pub(super) fn is_log(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or(head);
    let has = |name: &[u8]| memchr::memmem::find(line, name).is_some();
    has(b"\"event\"") && has(b"\"client_id\"") && (has(b"\"Start\"") || has(b"\"Finish\""))
}
