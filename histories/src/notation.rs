//! A one-line-per-session notation for small histories, for tests and documentation.
//!
//! Each line is a session, and columns are time. An operation is written as `[` at its invocation, what it does, and
//! `]` (ok), `!` (fail) or `?` (info) at its completion. Events are ordered by column; events in the same column, by
//! line.
//!
//! ```text
//! a: [w1    ]      [r1]
//! b:     [r_ ]  [c1>2 ?
//! ```
//!
//! | text | operation |
//! | --- | --- |
//! | `w1`, `r1`, `r_` | write 1, read 1, read null |
//! | `c1>2` | compare-and-set from 1 to 2 |
//! | `x.w1` | write 1 to the key x |
//! | `w1@7` | the store returned version 7 |
//! | `r1~linearizable` | a read that declares its consistency |
//! | `t ax1 ry_ rz(1,2) wx3` | a transaction: append 1 to x, read y (null), read the list [1, 2] of z, write 3 to x |
//! | `t:read-committed wx3` | a transaction that declares its isolation level |
//! | `enqueue:1`, `dequeue:1`, `acquire` | any other function, with its argument or result |
//!
//! Each operation has a process of its own. Operations of one session may overlap: write the session on a second line
//! under the same name.

use crate::{
    Completion, DeclaredIsolation, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome,
    Payload, ValueId,
};

/// One operation of a drawing, with the columns of its two events.
#[derive(Clone, Debug)]
struct DrawnOperation {
    session: String,
    line: usize,
    from: usize,
    to: usize,
    outcome: Outcome,
    text: String,
}

/// Parses a drawing into a history.
///
/// # Errors
/// A line has no session name, an operation is not closed, or a text is no operation. The message contains the text.
pub fn parse(drawing: &str) -> Result<History, String> {
    let mut operations = Vec::new();
    for (number, line) in drawing.lines().enumerate() {
        if !line.trim().is_empty() {
            operations.extend(parse_line(number, line)?);
        }
    }
    let mut ends: Vec<(usize, usize, bool, usize)> = Vec::new();
    for (at, drawn) in operations.iter().enumerate() {
        ends.push((drawn.from, drawn.line, false, at));
        ends.push((drawn.to, drawn.line, true, at));
    }
    ends.sort_unstable();
    let mut builder = HistoryBuilder::new();
    for (_, _, end, at) in ends {
        add_event(&mut builder, &operations[at], at as i64, end)
            .map_err(|why| format!("{}: {why}", operations[at].text))?;
    }
    Ok(builder.finish())
}

fn parse_line(number: usize, line: &str) -> Result<Vec<DrawnOperation>, String> {
    let (session, _) = line.split_once(':').ok_or(format!("line {}: expected NAME: …", number + 1))?;
    let mut operations = Vec::new();
    let mut open: Option<usize> = None;
    for (column, sign) in line.char_indices().skip(session.len() + 1) {
        let outcome = match sign {
            '[' => {
                if open.replace(column).is_some() {
                    return Err(format!("line {}: a '[' inside an operation", number + 1));
                }
                continue;
            }
            ']' => Outcome::Ok,
            '!' => Outcome::Fail,
            '?' => Outcome::Info,
            _ => continue,
        };
        let from = open.take().ok_or(format!("line {}: an end without '['", number + 1))?;
        let text = line[from + 1..column].trim().to_owned();
        operations.push(DrawnOperation {
            session: session.trim().to_owned(),
            line: number,
            from,
            to: column,
            outcome,
            text,
        });
    }
    if open.is_some() {
        return Err(format!("line {}: an operation without ], ! or ?", number + 1));
    }
    Ok(operations)
}

fn add_event(
    builder: &mut HistoryBuilder,
    drawn: &DrawnOperation,
    process: i64,
    end: bool,
) -> Result<(), String> {
    if let Some(micros) = drawn.text.strip_prefix("t ") {
        return add_transaction_event(builder, drawn, micros, process, end);
    }
    if let Some((level, micros)) = drawn.text.strip_prefix("t:").and_then(|text| text.split_once(' ')) {
        DeclaredIsolation::by_name(level).ok_or(format!("no isolation level {level}"))?;
        add_transaction_event(builder, drawn, micros, process, end)?;
        if !end {
            builder.add_note(&format!("{{\"isolation\":\"{level}\"}}"));
        }
        return Ok(());
    }
    let (text, declared) = match drawn.text.split_once('~') {
        Some((text, declared)) => (text, Some(declared)),
        None => (drawn.text.as_str(), None),
    };
    let (text, version) = match text.split_once('@') {
        Some((text, version)) => (text, Some(version.parse::<i64>().map_err(|e| e.to_string())?)),
        None => (text, None),
    };
    let (key, text) = match text.split_once('.') {
        Some((key, text)) => (builder.history().keys.intern(&json_string(key)), text),
        None => (KeyId::NONE, text),
    };
    let (function, argument, result) = parse_operation(builder, text)?;
    let id = if end {
        let payload = if function == Function::CAS { argument } else { Payload::Value(result) };
        let completion =
            Completion { process, outcome: drawn.outcome, function: Some(function), key: Some(key), payload };
        builder.complete(completion).map_err(|e| e.to_string())?
    } else {
        let session = Some(builder.history().sessions.intern(&json_string(&drawn.session)));
        let invocation = Invocation { process, session, function, key, payload: argument };
        builder.invoke(invocation).map_err(|e| e.to_string())?
    };
    if let (Some(version), true) = (version, end) {
        builder.set_version(id, version);
    }
    if let (Some(declared), false) = (declared, end) {
        builder.add_note(&format!("{{\"consistency\":{}}}", json_string(declared)));
    }
    Ok(())
}

/// Parses the text of an operation into its function, its argument and its result.
fn parse_operation(
    builder: &mut HistoryBuilder,
    text: &str,
) -> Result<(Function, Payload<'static>, ValueId), String> {
    if let Some((name, value)) = text
        .split_once(':')
        .or((text.len() > 1 && text.chars().all(char::is_alphabetic)).then_some((text, "_")))
    {
        let (function, value) = (builder.intern_function(name), intern_drawn_value(builder, value));
        return Ok((function, Payload::Value(value), value));
    }
    let (kind, value) = text.split_at_checked(1).ok_or("nothing inside the brackets")?;
    let value_of = |builder: &mut HistoryBuilder, text: &str| intern_drawn_value(builder, text);
    match kind {
        "w" => {
            let value = value_of(builder, value);
            Ok((Function::WRITE, Payload::Value(value), value))
        }
        "r" => Ok((Function::READ, Payload::Value(ValueId::NULL), value_of(builder, value))),
        "c" => {
            let (old, new) = value.split_once('>').ok_or("expected c OLD>NEW")?;
            let pair = Payload::Pair(value_of(builder, old), value_of(builder, new));
            Ok((Function::CAS, pair, ValueId::NULL))
        }
        _ => Err("expected w…, r…, c…>…, t … or NAME:…".to_owned()),
    }
}

fn add_transaction_event(
    builder: &mut HistoryBuilder,
    drawn: &DrawnOperation,
    micros: &str,
    process: i64,
    end: bool,
) -> Result<(), String> {
    let mut lists: Vec<Vec<ValueId>> = Vec::new();
    let mut parsed = Vec::new();
    for text in micros.split_whitespace() {
        let (kind, rest) = text.split_at_checked(1).ok_or("an empty micro-operation")?;
        let (key, value) = rest.split_at_checked(1).ok_or("a micro-operation without a key")?;
        let key = builder.history().keys.intern(&json_string(key));
        let is_list = value.starts_with('(');
        let value = value.trim_matches(['(', ')']);
        let digits = value.split(',').filter(|part| !part.is_empty());
        lists.push(if is_list {
            digits.map(|part| intern_drawn_value(builder, part)).collect()
        } else {
            Vec::new()
        });
        let value = intern_drawn_value(builder, if is_list { "_" } else { value });
        parsed.push((kind, key, value, is_list));
    }
    let micros: Vec<MicroInput<'_>> = (parsed.iter().zip(&lists))
        .map(|(&(kind, key, value, is_list), list)| match (kind, is_list) {
            ("r", true) if end => MicroInput::ReadList(key, list),
            ("r", _) => MicroInput::Read(key, if end { value } else { ValueId::NULL }),
            ("w", _) => MicroInput::Write(key, value),
            _ => MicroInput::Append(key, value),
        })
        .collect();
    let payload = Payload::Micros(&micros);
    let (function, key) = (Function::TXN, KeyId::NONE);
    let outcome = drawn.outcome;
    if end {
        let completion = Completion { process, outcome, function: Some(function), key: None, payload };
        builder.complete(completion).map_err(|e| e.to_string())?;
    } else {
        let session = Some(builder.history().sessions.intern(&json_string(&drawn.session)));
        builder.invoke(Invocation { process, session, function, key, payload }).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn intern_drawn_value(builder: &mut HistoryBuilder, text: &str) -> ValueId {
    match text {
        "_" | "" => ValueId::NULL,
        text if text.parse::<i64>().is_ok() => builder.history().values.intern(text),
        text => builder.history().values.intern(&json_string(text)),
    }
}

fn json_string(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_overlap_outcomes_and_results() {
        let history = parse("a: [w1  ]  [r1]\nb:   [c1>2 ?\nc: [x.w3@9 !").unwrap();
        let ops: Vec<_> = history.operations().collect();
        assert_eq!(ops.len(), 4);
        assert_eq!(
            ops.iter().map(|op| op.outcome).collect::<Vec<_>>(),
            [Outcome::Ok, Outcome::Fail, Outcome::Info, Outcome::Ok]
        );
        assert!(ops[0].precedes(&ops[3]) && !ops[0].precedes(&ops[2]));
        assert_eq!(history.value_text(ops[3].result), "1");
        assert_eq!(history.key_text(ops[1].key), "x");
        assert_eq!(history.version(ops[1].id), Some(9));
        assert_eq!(ops[0].session, ops[3].session);
    }

    #[test]
    fn draws_transactions() {
        let history = parse("a: [t ax1 rx(1,2) ry_ wz3]").unwrap();
        let micros = history.micros_of(history.ids().next().unwrap());
        assert_eq!(micros.len(), 4);
        assert_eq!(history.list(micros[1].list()).len(), 2);
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(parse("a: [w1").unwrap_err().contains("without"));
        assert!(parse("[w1]").unwrap_err().contains("NAME"));
    }
}
