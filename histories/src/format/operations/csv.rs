//! Operations as a table: CSV with a line of column names.
//!
//! ```text
//! call_ns,return_ns,client_id,op,key,value,output
//! 1,5,0,PUT,k1,apple,
//! 6,7,1,GET,k1,,NotFound
//! ```
//!
//! Columns are recognised by the names that such logs use, in upper or lower case. For other names, the user states the
//! column: `call=started,f=verb`. A number is a number and any other text is a string, in arguments and results alike.
//! An empty result, `NotFound`, `nil`, `null` or `None` is `null`: the read found nothing.

use super::{LoggedCall, check_return};
use crate::format::datum::{Datum, DatumKind, Flaw, clip_text};
use std::borrow::Cow;

/// What a time is expected to be.
const TIME: &str = "an integer: nanoseconds, or another unit that all times have";

/// The columns: our name, whether the column is required, and the names that other tools use.
const COLUMNS: [(&str, bool, &[&str]); 9] = [
    (
        "call",
        true,
        &["call", "call_ns", "call_time", "start", "start_ns", "started", "invoke", "invoked", "begin"],
    ),
    (
        "return",
        true,
        &["return", "return_ns", "return_time", "end", "end_ns", "ended", "complete", "completed", "finish"],
    ),
    ("process", false, &["process", "client_id", "client", "clientid", "thread", "worker"]),
    ("f", true, &["f", "op", "operation", "function", "action", "command"]),
    ("key", false, &["key", "object", "register"]),
    ("value", false, &["value", "input", "argument", "arg"]),
    ("output", false, &["output", "result", "returned", "response"]),
    ("outcome", false, &["outcome", "status", "type"]),
    ("session", false, &["session", "session_id"]),
];

/// What a return may be.
const RETURN_TIME: &str = "a time from 0 on, or an empty cell if the operation never returned";

/// The index of each column.
type ColumnPlaces = [Option<usize>; 9];

/// Reads the operations of a table, with a remark if it has columns of unknown names. `columns` are names that the user states:
/// `call=started,f=verb`.
pub(in crate::format) fn read_table<'a>(
    text: &'a str,
    columns: Option<&str>,
) -> Result<(Vec<LoggedCall<'a>>, Option<String>), Vec<Flaw>> {
    let mut lines = CsvLines { text, at: 0 };
    let Some((_, header)) = lines.next() else {
        return Err(vec![Flaw::new(0, "nothing", "a line with the names of columns")]);
    };
    let places = find_columns(&header, columns).map_err(|flaw| vec![flaw])?;
    let (mut calls, mut flaws) = (Vec::new(), Vec::new());
    for (at, cells) in lines {
        match parse_call(at, &cells, &places, header.len()) {
            Ok(call) => calls.push(call),
            Err(flaw) => flaws.push(flaw),
        }
    }
    if flaws.is_empty() { Ok((calls, describe_unread_columns(&header, &places))) } else { Err(flaws) }
}

/// A remark that names the columns of unknown names. One of them may be a result or an outcome that the verdict lacks.
fn describe_unread_columns(header: &[Cow<'_, str>], places: &ColumnPlaces) -> Option<String> {
    const NAMED_MAX: usize = 5;
    let unread = header.iter().enumerate().filter(|(at, _)| !places.contains(&Some(*at)));
    let names: Vec<String> = unread.map(|(_, name)| clip_text(name.trim()).to_string()).collect();
    let missing = COLUMNS.iter().zip(places).filter(|(_, place)| place.is_none());
    let missing: Vec<&str> = missing.map(|((ours, ..), _)| *ours).collect();
    let (first, lacked) = (names.first()?, missing.first()?);
    let mut told =
        names.iter().take(NAMED_MAX).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED_MAX {
        told += &format!(" and {} more", names.len() - NAMED_MAX);
    }
    let (columns, were) = if names.len() == 1 { ("column", "was") } else { ("columns", "were") };
    Some(format!(
        "the {columns} {told} {were} not read, and no column says {}. If one does, name it, such as --columns {lacked}={first}",
        missing.join(", ")
    ))
}

/// Whether a text begins with a line of column names.
pub(in crate::format) fn is_csv(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or(head);
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let cells = CsvLines { text, at: 0 }.next().map(|(_, cells)| cells).unwrap_or_default();
    cells.len() > 2 && find_columns(&cells, None).is_ok()
}

fn find_columns(header: &[Cow<'_, str>], columns: Option<&str>) -> Result<ColumnPlaces, Flaw> {
    let mut told: Vec<(&str, &str)> = Vec::new();
    for pair in columns.unwrap_or("").split(',').filter(|pair| !pair.trim().is_empty()) {
        let known = pair.split_once('=').map(|(ours, theirs)| (ours.trim(), theirs.trim()));
        match known.filter(|(ours, _)| COLUMNS.iter().any(|(name, ..)| name == ours)) {
            Some((ours, _)) if told.iter().any(|(name, _)| *name == ours) => {
                let found = format!("two columns for {ours:?} in --columns");
                return Err(Flaw::new(0, found, "one column for each name"));
            }
            Some(pair) => told.push(pair),
            None => {
                let names = COLUMNS.map(|(name, ..)| name).join(", ");
                return Err(Flaw::new(
                    0,
                    format!("the column {pair:?}"),
                    format!("NAME=COLUMN with one of {names}"),
                ));
            }
        }
    }
    let mut places = [None; 9];
    for (place, (ours, needed, names)) in places.iter_mut().zip(COLUMNS) {
        let told = told.iter().find(|(name, _)| *name == ours).map(|(_, theirs)| *theirs);
        let is_it = |cell: &Cow<'_, str>| match told {
            Some(theirs) => cell.trim() == theirs,
            None => names.contains(&cell.trim().to_lowercase().as_str()),
        };
        *place = header.iter().position(is_it);
        let missing = place.is_none() && (needed || told.is_some());
        if missing
            && let [only] = header
            && let Some(sign) = only.chars().find(|sign| [';', '\t', '|'].contains(sign))
        {
            let found = format!("columns that {sign:?} separates");
            return Err(Flaw::new(0, found, "commas between the columns"));
        }
        if missing {
            let wanted = told.map_or_else(|| names.join(", "), str::to_owned);
            let found = format!("no column for {ours:?}");
            return Err(Flaw::new(0, found, format!("one of {wanted} (--columns {ours}=NAME names it)")));
        }
    }
    Ok(places)
}

fn parse_call<'a>(
    at: usize,
    cells: &[Cow<'a, str>],
    places: &ColumnPlaces,
    width: usize,
) -> Result<LoggedCall<'a>, Flaw> {
    if cells.len() != width {
        return Err(Flaw::new(
            at,
            format!("a line of {} cells", cells.len()),
            format!("{width}, as the first line has"),
        ));
    }
    let cell = |column: usize| places[column].map(|place| &cells[place]).filter(|cell| !cell.is_empty());
    let time = |column: usize| match cell(column) {
        None => Ok(None),
        Some(text) => match text.trim().parse::<i64>() {
            Ok(time) => Ok(Some(time)),
            Err(_) => Err(Flaw::new(at, format!("the time {:?}", clip_text(text)), TIME)),
        },
    };
    let called = time(0)?.ok_or_else(|| Flaw::new(at, "a line without a time of its call", TIME))?;
    let returned = check_return(time(1)?).map_err(|found| Flaw::new(at, found, RETURN_TIME))?;
    let function = cell(3).map(|name| name.trim().to_lowercase());
    let function =
        function.ok_or_else(|| Flaw::new(at, "a line without an operation", "its name, such as get"))?;
    let datum = |text: &Cow<'a, str>| Datum::new(at, parse_scalar(text));
    let null = || Datum::new(at, DatumKind::Null);
    let reads = matches!(function.as_str(), "get" | "read");
    let argument = match function.as_str() {
        _ if reads => null(),
        "cas" => parse_pair(at, cell(5))?,
        _ => cell(5).map_or_else(null, datum),
    };
    let nothing = |text: &Cow<'_, str>| {
        matches!(
            text.to_lowercase().as_str(),
            "notfound" | "not_found" | "not found" | "nil" | "null" | "none"
        )
    };
    let result = match reads {
        true => cell(6).filter(|text| !nothing(text)).map_or_else(null, datum),
        false => argument.clone(),
    };
    let outcome = match cell(7).map(|text| text.trim().to_lowercase()).as_deref() {
        None | Some("ok" | "success" | "true") => "ok",
        Some("fail" | "failed" | "false") => "fail",
        Some("info" | "unknown" | "timeout" | "error") => "info",
        Some(other) => {
            return Err(Flaw::new(at, format!("the outcome {:?}", clip_text(other)), "ok, fail or info"));
        }
    };
    let (client, key, session) = (cell(2).map(datum), cell(4).map(datum), cell(8).map(datum));
    Ok(LoggedCall { at, client, called, returned, function, key, session, argument, result, outcome })
}

/// Parses the values of a compare-and-set: `old new`, `old:new` or `old>new`.
fn parse_pair<'a>(at: usize, cell: Option<&Cow<'a, str>>) -> Result<Datum<'a>, Flaw> {
    let text = cell.map_or("", |cell| cell);
    let parts: Vec<&str> = text.split([' ', ':', '>', '|']).filter(|part| !part.is_empty()).collect();
    match parts[..] {
        [old, new] => {
            let part = |text: &str| Datum::new(at, parse_scalar(&Cow::Owned(text.to_owned())));
            Ok(Datum::new(at, DatumKind::List(vec![part(old), part(new)])))
        }
        _ => {
            Err(Flaw::new(at, format!("the compare-and-set of {:?}", clip_text(text)), "two values: old:new"))
        }
    }
}

fn parse_scalar<'a>(text: &Cow<'a, str>) -> DatumKind<'a> {
    match text.parse::<i64>() {
        // Only a number in its usual form is an integer; `007` is a string.
        Ok(int) if int.to_string() == **text => DatumKind::Int(int),
        _ => DatumKind::Text(text.clone()),
    }
}

/// The lines of a table: the place and the cells of each. A quoted cell may contain commas and line ends; a quote in it
/// is written twice.
struct CsvLines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for CsvLines<'a> {
    type Item = (usize, Vec<Cow<'a, str>>);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b'\n' | b'\r')) {
            self.at += 1;
        }
        let start = self.at;
        bytes.get(start)?;
        let mut cells = Vec::new();
        loop {
            cells.push(self.next_cell());
            match bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'\r' | b'\n') | None => return Some((start, cells)),
                // Text after a closing quote becomes a cell of its own, so that the line has too many cells.
                Some(_) => {}
            }
        }
    }
}

impl<'a> CsvLines<'a> {
    fn next_cell(&mut self) -> Cow<'a, str> {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) != Some(&b'"') {
            let rest = &bytes[self.at..];
            let len = memchr::memchr3(b',', b'\n', b'\r', rest).unwrap_or(rest.len());
            let cell = &self.text[self.at..self.at + len];
            self.at += len;
            return Cow::Borrowed(cell);
        }
        let (mut cell, mut from) = (String::new(), self.at + 1);
        loop {
            let rest = &bytes[from..];
            let Some(len) = memchr::memchr(b'"', rest) else {
                cell.push_str(&self.text[from..]);
                self.at = bytes.len();
                return Cow::Owned(cell);
            };
            cell.push_str(&self.text[from..from + len]);
            from += len + 1;
            if bytes.get(from) != Some(&b'"') {
                self.at = from;
                return Cow::Owned(cell);
            }
            cell.push('"');
            from += 1;
        }
    }
}
