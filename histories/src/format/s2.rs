//! The logs of S2's verification: JSON Lines in which each line is the start or the finish of an operation on a stream.
//!
//! ```json
//! {"event": {"Start": {"Append": {"num_records": 2, "record_hashes": [11, 22]}}}, "client_id": 0, "op_id": 0}
//! {"event": {"Finish": {"AppendSuccess": {"tail": 2}}}, "client_id": 0, "op_id": 0}
//! ```
//!
//! Operations are `append`, `read` and `check-tail`. A finish that is a success is `ok`, one that is a definite failure is
//! `fail`, every other is `info`. Arguments and results are kept as they are; no model of this program knows such a
//! stream yet.

use super::blocks::TextBlock;
use super::chunk::{Chunk, LocalId};
use super::datum::{Datum, DatumKind, Flaw};
use super::event::{self, EventRules};
use super::json;
use super::lines::for_each_line;

const EXPECTED: &str = "an event such as {\"event\": {\"Start\": \"Read\"}, \"client_id\": 0, \"op_id\": 0}";

/// Reads the lines of a block.
pub(super) fn read_s2_lines(chunk: &mut Chunk, block: &TextBlock, rules: EventRules) {
    for_each_line(block, chunk, |chunk, at, line, unfinished| {
        let indent = line.len() - line.trim_ascii_start().len();
        let parsed = std::str::from_utf8(line.trim_ascii())
            .map_err(|error| super::edn::utf8_flaw(at, error))
            .and_then(|text| json::parse_json(text, at + indent))
            .and_then(|datum| convert_line(&datum));
        match parsed {
            Ok(datum) => event::add_event(chunk, &datum, rules),
            Err(mut flaw) => {
                flaw.truncated &= unfinished;
                chunk.add_broken_event(at, LocalId::ABSENT, [flaw]);
            }
        }
    });
}

/// The event of a line in the fields of ours.
fn convert_line<'a>(line: &Datum<'a>) -> Result<Datum<'a>, Flaw> {
    let strange = || Flaw::new(line.at, line.describe(), EXPECTED);
    let client = find_field(line, "client_id").ok_or_else(strange)?;
    let (name, what) = parse_variant(find_field(line, "event").ok_or_else(strange)?).ok_or_else(strange)?;
    let (operation, value) = parse_variant(what.ok_or_else(strange)?).ok_or_else(strange)?;
    let (kind, function) = match name {
        "Start" => ("invoke", function_name(operation)),
        "Finish" if operation.ends_with("Success") => ("ok", function_name(operation)),
        "Finish" if operation.contains("DefiniteFailure") => ("fail", function_name(operation)),
        "Finish" => ("info", function_name(operation)),
        _ => return Err(strange()),
    };
    let function = function.ok_or_else(strange)?;
    let named =
        |name: &'static str, value: Datum<'a>| (Datum::new(value.at, DatumKind::Text(name.into())), value);
    let text = |text: &'static str| Datum::new(line.at, DatumKind::Text(text.into()));
    let mut fields = vec![
        named("process", client.clone()),
        named("type", text(kind)),
        named("f", text(function)),
        named("value", value.cloned().unwrap_or(Datum::new(line.at, DatumKind::Null))),
    ];
    fields.extend(find_field(line, "op_id").map(|id| named("op_id", id.clone())));
    Ok(Datum::new(line.at, DatumKind::Map(fields)))
}

fn function_name(operation: &str) -> Option<&'static str> {
    [("Append", "append"), ("Read", "read"), ("CheckTail", "check-tail")]
        .into_iter()
        .find(|(prefix, _)| operation.starts_with(prefix))
        .map(|(_, function)| function)
}

/// A variant: `"Read"`, or an object with one field.
fn parse_variant<'d, 'a>(datum: &'d Datum<'a>) -> Option<(&'d str, Option<&'d Datum<'a>>)> {
    match &datum.kind {
        DatumKind::Text(name) => Some((name, None)),
        DatumKind::Map(fields) => match fields.as_slice() {
            [(name, value)] => Some((name.as_name()?, Some(value))),
            _ => None,
        },
        _ => None,
    }
}

fn find_field<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d Datum<'a>> {
    let DatumKind::Map(entries) = &of.kind else { return None };
    entries.iter().find(|(known, _)| known.as_name() == Some(name)).map(|(_, value)| value)
}

/// Whether JSON that begins like this is such a log.
pub(super) fn is_s2_log(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or(head);
    let has = |name: &[u8]| memchr::memmem::find(line, name).is_some();
    has(b"\"event\"") && has(b"\"client_id\"") && (has(b"\"Start\"") || has(b"\"Finish\""))
}
