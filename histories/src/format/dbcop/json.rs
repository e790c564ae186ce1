//! dbcop's JSON of 2026: sessions of transactions, bare or under `data` beside what was run.
//!
//! ```json
//! {"params": {"id": 0, "n_node": 1}, "info": "…", "start": "…", "end": "…", "data": [[
//!   {"events": [{"Write": {"variable": 0, "version": 1}}, {"Read": {"variable": 1, "version": null}}], "committed": true},
//!   {"events": [["r", 0, 1]], "committed": false}
//! ]]}
//! ```
//!
//! A read of version 0 sees the beginning, as one of `null` does, unless a committed transaction writes 0 there.

use super::bincode::{DbcopCounts, UNKNOWN_TIME};
use crate::format::by_session::{TransactionStep, TransactionsBySession};
use crate::format::datum::{Datum, DatumKind, Flaw, Strictness, write_canonical};
use crate::format::edn::utf8_flaw;
use crate::format::json;
use rustc_hash::FxHashSet;
use std::io::{self, Write};

const SESSIONS: &str = "sessions: a list of lists of transactions";
const TRANSACTION: &str = "a transaction: {\"events\": [...], \"committed\": true}";
const EVENT: &str =
    "an event: {\"Read\": {\"variable\": 0, \"version\": null}}, {\"Write\": {...}} or [\"r\", 0, 1]";

pub(super) fn read_json(bytes: &[u8]) -> Result<TransactionsBySession, Vec<Flaw>> {
    let indent = bytes.len() - bytes.trim_ascii_start().len();
    let text = std::str::from_utf8(bytes.trim_ascii()).map_err(|error| vec![utf8_flaw(indent, error)])?;
    let whole = json::parse_json(text, indent).map_err(|flaw| vec![flaw])?;
    let (mut told, mut flaws) = (TransactionsBySession::default(), Vec::new());
    let sessions = match &whole.kind {
        DatumKind::Map(fields) => {
            told.about = collect_header_fields(fields);
            find_field(fields, "data")
                .ok_or_else(|| vec![Flaw::new(whole.at, "an object without \"data\"", SESSIONS)])?
        }
        _ => &whole,
    };
    let mut number = 0;
    for session in expect_list(sessions, SESSIONS).map_err(|flaw| vec![flaw])? {
        told.sessions.push((told.sessions.len() as i64, Vec::new()));
        match expect_list(session, "a session: a list of transactions") {
            Ok(transactions) => transactions.iter().for_each(|datum| {
                read_transaction(datum, &mut told, number, &mut flaws);
                number += 1;
            }),
            Err(flaw) => flaws.push(flaw),
        }
    }
    if !flaws.is_empty() {
        return Err(flaws);
    }
    resolve_initial_reads(&mut told);
    Ok(told)
}

/// What was run, as further fields of a header.
fn collect_header_fields(fields: &[(Datum<'_>, Datum<'_>)]) -> String {
    let mut about = String::new();
    for name in ["params", "info", "start", "end"] {
        let Some(value) = find_field(fields, name) else { continue };
        let mut text = String::new();
        if write_canonical(value, Strictness::Lax, &mut text).is_ok() {
            about.push_str(&format!(",\"{name}\":{text}"));
        }
    }
    about
}

fn find_field<'d, 'a>(fields: &'d [(Datum<'a>, Datum<'a>)], name: &str) -> Option<&'d Datum<'a>> {
    fields.iter().find(|(known, _)| known.as_name() == Some(name)).map(|(_, value)| value)
}

fn expect_list<'d, 'a>(datum: &'d Datum<'a>, expected: &str) -> Result<&'d [Datum<'a>], Flaw> {
    match &datum.kind {
        DatumKind::List(items) => Ok(items),
        _ => Err(Flaw::new(datum.at, datum.describe(), expected)),
    }
}

fn read_transaction(datum: &Datum<'_>, told: &mut TransactionsBySession, number: u32, flaws: &mut Vec<Flaw>) {
    let DatumKind::Map(fields) = &datum.kind else {
        return flaws.push(Flaw::new(datum.at, datum.describe(), TRANSACTION));
    };
    let (Some(events), Some(committed)) = (find_field(fields, "events"), find_field(fields, "committed"))
    else {
        return flaws.push(Flaw::new(datum.at, "an object without \"events\" or \"committed\"", TRANSACTION));
    };
    let DatumKind::Bool(committed) = committed.kind else {
        return flaws.push(Flaw::new(committed.at, committed.describe(), "true or false"));
    };
    match expect_list(events, "a list of events") {
        Err(flaw) => flaws.push(flaw),
        Ok(events) => {
            let steps: Vec<Result<TransactionStep, Flaw>> = events.iter().map(read_step).collect();
            told.push_transaction(steps.iter().flatten().copied(), committed, number);
            flaws.extend(steps.into_iter().filter_map(Result::err));
        }
    }
}

fn read_step(datum: &Datum<'_>) -> Result<TransactionStep, Flaw> {
    let strange = || Flaw::new(datum.at, datum.describe(), EVENT);
    let (name, variable, version) = match &datum.kind {
        DatumKind::List(parts) => {
            let [name, variable, version] = parts.as_slice() else { return Err(strange()) };
            (name, variable, Some(version))
        }
        DatumKind::Map(fields) => {
            let [(name, event)] = fields.as_slice() else { return Err(strange()) };
            let DatumKind::Map(fields) = &event.kind else { return Err(strange()) };
            (name, find_field(fields, "variable").ok_or_else(strange)?, find_field(fields, "version"))
        }
        _ => return Err(strange()),
    };
    let writes = match name.as_name() {
        Some("Write" | "w") => true,
        Some("Read" | "r") => false,
        _ => return Err(strange()),
    };
    let number = |datum: &Datum<'_>, what: &str| match datum.kind {
        DatumKind::Int(number) if number >= 0 => Ok(number),
        _ => Err(Flaw::new(datum.at, datum.describe(), format!("{what}: an integer from 0 to 2^63 - 1"))),
    };
    let value = match version.filter(|version| !version.is_null()) {
        Some(version) => Some(number(version, "a version")?),
        None if writes => return Err(Flaw::new(datum.at, "a write without a version", EVENT)),
        None => None,
    };
    Ok(TransactionStep { writes, key: number(variable, "a variable")?, value })
}

/// Takes reads of 0 for reads of the beginning where no committed transaction writes 0.
fn resolve_initial_reads(told: &mut TransactionsBySession) {
    let mut written = FxHashSet::default();
    for transaction in told.sessions.iter().flat_map(|(_, transactions)| transactions) {
        let steps = told.steps_of(*transaction).iter().filter(|_| transaction.committed);
        written.extend(steps.filter(|step| step.writes && step.value == Some(0)).map(|step| step.key));
    }
    for step in told.steps.iter_mut().filter(|step| !step.writes && step.value == Some(0)) {
        step.value = step.value.filter(|_| written.contains(&step.key));
    }
}

/// Writes sessions beside what dbcop insists on: counts, and times that are not known.
pub(in crate::format) fn write_json(told: &TransactionsBySession, to: &mut impl Write) -> io::Result<()> {
    let DbcopCounts { sessions, variables, transactions, events } = DbcopCounts::from_sessions(told);
    write!(
        to,
        "{{\"params\":{{\"id\":0,\"n_node\":{sessions},\"n_variable\":{variables},\
         \"n_transaction\":{transactions},\"n_event\":{events}}},\"info\":\"written by steadfast\",\
         \"start\":\"{UNKNOWN_TIME}\",\"end\":\"{UNKNOWN_TIME}\",\"data\":["
    )?;
    let comma = |at: usize| if at > 0 { "," } else { "" };
    for (at, (_, transactions)) in told.sessions.iter().enumerate() {
        write!(to, "{}[", comma(at))?;
        for (at, transaction) in transactions.iter().enumerate() {
            write!(to, "{}\n{{\"events\":[", comma(at))?;
            for (at, step) in told.steps_of(*transaction).iter().enumerate() {
                let name = if step.writes { "Write" } else { "Read" };
                write!(to, "{}{{\"{name}\":{{\"variable\":{},\"version\":", comma(at), step.key)?;
                match step.value {
                    Some(version) => write!(to, "{version}}}}}")?,
                    None => to.write_all(b"null}}")?,
                }
            }
            write!(to, "],\"committed\":{}}}", transaction.committed)?;
        }
        to.write_all(b"]")?;
    }
    to.write_all(b"]}\n")
}
