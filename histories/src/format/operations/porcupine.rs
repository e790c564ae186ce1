//! Porcupine's operations in JSON, as `encoding/json` writes a `[]porcupine.Operation`.
//!
//! ```json
//! [{"ClientId": 0, "Input": {"Op": 1, "Key": "a", "Value": "1"}, "Call": 1, "Output": {"Value": ""}, "Return": 5}]
//! ```
//!
//! The types of input and output depend on the model. Those of Porcupine's key-value model (`Op` 0 get, 1 put, 2
//! append) and of its etcd model (`Op` 0 read, 1 write, 2 compare-and-set, with `Arg1` and `Arg2`) are supported, and
//! so is any model in which the operation is a word. Field names may be in any case, with or without `_`.

use super::{LoggedCall, check_return};
use crate::format::datum::{Datum, DatumKind, Flaw};

const OPERATION: &str =
    "an operation: {\"ClientId\": 0, \"Input\": {…}, \"Call\": 1, \"Output\": {…}, \"Return\": 5}";

/// What a return may be.
const RETURN_TIME: &str = "an integer from 0 on, or no \"Return\" if the operation never returned";

/// Reads the operations of a file that is one list of them.
pub(in crate::format) fn read_operations<'a>(whole: &Datum<'a>) -> Result<Vec<LoggedCall<'a>>, Vec<Flaw>> {
    let DatumKind::List(items) = &whole.kind else {
        return Err(vec![Flaw::new(whole.at, whole.describe(), "a list of operations")]);
    };
    let (mut calls, mut flaws) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        match parse_operation(item) {
            Ok(call) => calls.push(call),
            Err(flaw) => flaws.push(flaw),
        }
    }
    if flaws.is_empty() { Ok(calls) } else { Err(flaws) }
}

fn parse_operation<'a>(item: &Datum<'a>) -> Result<LoggedCall<'a>, Flaw> {
    let strange = |at: usize, found: String| Flaw::new(at, found, OPERATION);
    let input =
        find_field(item, &["input"]).ok_or_else(|| strange(item.at, "an object without \"Input\"".into()))?;
    let called = find_field(item, &["call"]).and_then(as_integer);
    let called = called.ok_or_else(|| strange(item.at, "an operation without a time as \"Call\"".into()))?;
    // Porcupine cannot mark an operation that did not return. Its users omit the time or write the largest one.
    let returned = match find_field(item, &["return"]) {
        None => None,
        Some(Datum { kind: DatumKind::Null, .. }) => None,
        Some(time) => {
            let int = as_integer(time)
                .ok_or_else(|| Flaw::new(time.at, format!("the return {}", time.describe()), RETURN_TIME))?;
            check_return(Some(int)).map_err(|found| Flaw::new(time.at, found, RETURN_TIME))?
        }
    };
    let output = find_field(item, &["output"]);
    let null = || Datum::new(item.at, DatumKind::Null);
    let function = parse_function(input)?;
    let has = |name: &str| {
        output.and_then(|output| find_field(output, &[name])).map(|value| value.kind == DatumKind::Bool(true))
    };
    let argument = match function.as_str() {
        "cas" => {
            let part = |names: &[&str]| find_field(input, names).cloned().unwrap_or_else(null);
            let pair =
                vec![part(&["arg1", "old", "from", "expected"]), part(&["arg2", "new", "to", "value"])];
            Datum::new(input.at, DatumKind::List(pair))
        }
        "get" | "read" => null(),
        _ => find_field(input, &["value", "arg1", "arg"]).cloned().unwrap_or_else(null),
    };
    let result = match (function.as_str(), output) {
        ("get" | "read", Some(output)) if has("exists") != Some(false) => {
            let plain = (!matches!(output.kind, DatumKind::Map(_))).then(|| output.clone());
            plain.or_else(|| find_field(output, &["value", "result"]).cloned()).unwrap_or_else(null)
        }
        ("get" | "read", _) => null(),
        _ => argument.clone(),
    };
    let outcome = match function.as_str() {
        _ if has("unknown") == Some(true) => "info",
        "cas" if has("ok") == Some(false) => "fail",
        _ => "ok",
    };
    let client = find_field(item, &["clientid", "client", "process"]).cloned();
    let key = find_field(input, &["key"]).cloned();
    Ok(LoggedCall {
        at: item.at,
        client,
        called,
        returned,
        function,
        key,
        session: None,
        argument,
        result,
        outcome,
    })
}

fn parse_function(input: &Datum<'_>) -> Result<String, Flaw> {
    let named = find_field(input, &["op", "operation", "f", "kind", "type"]);
    let is_register = find_field(input, &["arg1"]).is_some();
    let expected = "0 (get), 1 (put), 2 (append), or the name of an operation, as \"Op\" of the input";
    let Some(op) = named else { return Err(Flaw::new(input.at, "an input without \"Op\"", expected)) };
    let name = match (&op.kind, is_register) {
        (DatumKind::Int(0), true) => "read",
        (DatumKind::Int(1), true) => "write",
        (DatumKind::Int(2), true) => "cas",
        (DatumKind::Int(0), false) => "get",
        (DatumKind::Int(1), false) => "put",
        (DatumKind::Int(2), false) => "append",
        (DatumKind::Text(name), _) if !name.is_empty() => return Ok(name.to_lowercase()),
        _ => return Err(Flaw::new(op.at, op.describe(), expected)),
    };
    Ok(name.to_owned())
}

/// Finds a field by one of its names, ignoring case and `_`.
fn find_field<'d, 'a>(of: &'d Datum<'a>, names: &[&str]) -> Option<&'d Datum<'a>> {
    let DatumKind::Map(entries) = &of.kind else { return None };
    let plain = |name: &str| name.chars().filter(|sign| *sign != '_').collect::<String>().to_lowercase();
    names.iter().find_map(|wanted| {
        entries
            .iter()
            .find(|(name, _)| name.as_name().is_some_and(|name| plain(name) == **wanted))
            .map(|(_, value)| value)
    })
}

fn as_integer(datum: &Datum<'_>) -> Option<i64> {
    match datum.kind {
        DatumKind::Int(int) => Some(int),
        _ => None,
    }
}

/// Whether JSON that begins with `head` is a list of operations.
pub(in crate::format) fn is_porcupine_json(head: &[u8]) -> bool {
    let start = head.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(head.len());
    let first_ends = memchr::memmem::find(head, b"\"Return\"").or(memchr::memmem::find(head, b"\"return\""));
    head.get(start) == Some(&b'[')
        && first_ends.is_some()
        && ["\"Call\"", "\"call\""].iter().any(|name| memchr::memmem::find(head, name.as_bytes()).is_some())
        && ["\"Input\"", "\"input\""].iter().any(|name| memchr::memmem::find(head, name.as_bytes()).is_some())
}
