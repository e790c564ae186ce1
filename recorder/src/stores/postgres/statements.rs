//! Operations as statements, and what statements did as answers.

use super::PostgresOptions;
use super::protocol::{StatementResult, quote_literal};
use crate::stores::document;
use crate::{Failure, StoreAnswer};
use histories::Function;
use workloads::{ClientOperation, SessionPayload, Value, WorkloadKind, micro_operation, micro_operations};

/// The tables.
pub(super) const TABLES: &str = "CREATE TABLE registers (key text PRIMARY KEY, value text NOT NULL); \
    CREATE TABLE lists (key text PRIMARY KEY, elements text[] NOT NULL); \
    CREATE TABLE sessions (id text PRIMARY KEY, whole text NOT NULL, fields jsonb NOT NULL DEFAULT '{}', \
        expires timestamptz NOT NULL); \
    CREATE TABLE ledger (number bigserial PRIMARY KEY, owner text NOT NULL, action text NOT NULL);";

/// The statements of an operation.
pub(super) fn build_statements(
    operation: &ClientOperation,
    options: &PostgresOptions,
) -> Result<String, Failure> {
    if operation.function == Function::TXN {
        return transaction_statements(operation, options);
    }
    let key = operation.key.as_ref().ok_or_else(|| Failure::definite("which object?"))?;
    if options.kind == WorkloadKind::Session {
        return session_statement(operation, &quote_literal(key), options);
    }
    let key = quote_literal(key);
    match (operation.function, &operation.value) {
        (Function::READ, _) => Ok(select_statement("registers", "value", &key)),
        (Function::WRITE, value) => Ok(upsert_statement(&key, &encode_value(value)?)),
        (Function::CAS, Value::List(pair)) if pair.len() == 2 => {
            let new = encode_value(&pair[1])?;
            Ok(match &pair[0] {
                Value::Null => {
                    format!("INSERT INTO registers VALUES ({key}, {new}) ON CONFLICT (key) DO NOTHING")
                }
                old => {
                    let old = encode_value(old)?;
                    format!("UPDATE registers SET value = {new} WHERE key = {key} AND value = {old}")
                }
            })
        }
        _ => Err(unsupported_operation()),
    }
}

fn session_statement(
    operation: &ClientOperation,
    id: &str,
    options: &PostgresOptions,
) -> Result<String, Failure> {
    let until = format!("now() + interval '{} ms'", options.time_to_live.as_millis());
    let alive = format!("id = {id} AND expires > now()");
    Ok(match (operation.function, &operation.value) {
        (Function::CREATE, Value::Payload(payload)) => {
            let whole = payload_literal(payload);
            format!(
                "INSERT INTO sessions VALUES ({id}, {whole}, '{{}}', {until}) ON CONFLICT (id) DO UPDATE \
                 SET whole = {whole}, fields = '{{}}', expires = {until} WHERE sessions.expires <= now()"
            )
        }
        (Function::READ, _) => format!(
            "SELECT whole, fields::text, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint \
             FROM (SELECT 1) AS one LEFT JOIN sessions ON {alive}"
        ),
        (Function::WRITE, Value::Payload(payload)) => {
            let whole = payload_literal(payload);
            format!("UPDATE sessions SET whole = {whole}, fields = '{{}}', expires = {until} WHERE {alive}")
        }
        (Function::PATCH, Value::Payload(payload)) => {
            let (field, value) = (
                quote_literal(payload.field.as_deref().unwrap_or(document::WHOLE)),
                payload_literal(payload),
            );
            format!(
                "UPDATE sessions SET fields = fields || jsonb_build_object({field}, {value}), \
                 expires = {until} WHERE {alive}"
            )
        }
        (Function::TOUCH, _) => format!("UPDATE sessions SET expires = {until} WHERE {alive}"),
        (Function::RENEW, Value::Text(new)) => {
            format!("UPDATE sessions SET id = {}, expires = {until} WHERE {alive}", quote_literal(new))
        }
        (Function::DESTROY, _) => format!("DELETE FROM sessions WHERE {alive}"),
        (Function::ACT, action) => {
            // The owner is who the session says that it is of: the user, in the head of its payload.
            let action = encode_value(action)?;
            format!(
                "INSERT INTO ledger (owner, action) SELECT split_part(whole, ' ', 3), {action} \
                 FROM sessions WHERE {alive}"
            )
        }
        (Function::ACTIONS, _) => format!("SELECT action FROM ledger WHERE owner = {id} ORDER BY number"),
        _ => return Err(unsupported_operation()),
    })
}

fn transaction_statements(operation: &ClientOperation, options: &PostgresOptions) -> Result<String, Failure> {
    let steps = micro_operations(&operation.value).ok_or_else(unsupported_operation)?;
    let mut statements = vec![format!("BEGIN ISOLATION LEVEL {}", options.isolation)];
    for step in steps {
        let key = quote_literal(step.key);
        statements.push(match (step.kind, options.kind) {
            ("r", WorkloadKind::ListAppend) => {
                select_statement("lists", "array_to_string(elements, ' ')", &key)
            }
            ("r", _) => select_statement("registers", "value", &key),
            ("append", _) => {
                let element = encode_value(step.value)?;
                format!(
                    "INSERT INTO lists VALUES ({key}, ARRAY[{element}]) ON CONFLICT (key) DO UPDATE \
                     SET elements = array_append(lists.elements, {element})"
                )
            }
            ("w", _) => upsert_statement(&key, &encode_value(step.value)?),
            _ => return Err(unsupported_operation()),
        });
    }
    statements.push("COMMIT".to_owned());
    Ok(statements.join("; "))
}

fn select_statement(table: &str, what: &str, key: &str) -> String {
    format!("SELECT {what} FROM {table} WHERE key = {key}")
}

fn upsert_statement(key: &str, value: &str) -> String {
    format!("INSERT INTO registers VALUES ({key}, {value}) ON CONFLICT (key) DO UPDATE SET value = {value}")
}

/// What the statements of an operation did, as its answer.
pub(super) fn parse_answer(
    operation: &ClientOperation,
    options: &PostgresOptions,
    done: &[StatementResult],
) -> Result<StoreAnswer, Failure> {
    let same = || Ok(StoreAnswer::from_value(operation.value.clone()));
    if operation.function == Function::TXN {
        return parse_transaction(operation, options, done).map(StoreAnswer::from_value);
    }
    let last = done.last().ok_or_else(|| Failure::indefinite("no answer"))?;
    let first = last.rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
    match (operation.function, last.affected_rows()) {
        (Function::READ, _) if options.kind == WorkloadKind::Session => Ok(parse_session_row(last)),
        (Function::READ, _) => Ok(StoreAnswer::from_value(first.map_or(Value::Null, parse_scalar))),
        (Function::ACTIONS, _) => {
            let actions = last.rows.iter().filter_map(|row| row.first()?.as_deref());
            Ok(StoreAnswer::from_value(Value::List(actions.map(parse_scalar).collect())))
        }
        (Function::CAS, 0) => Err(Failure::definite("the value differs")),
        (Function::CREATE, 0) => Err(Failure::definite("it exists")),
        (_, 0) => Err(Failure::no_such_session()),
        (Function::TOUCH | Function::DESTROY, _) => Ok(StoreAnswer::default()),
        _ => same(),
    }
}

/// The session in the row of a read.
fn parse_session_row(done: &StatementResult) -> StoreAnswer {
    let column = |at: usize| done.rows.first().and_then(|row| row.get(at)?.as_deref());
    let clock_us = column(2).and_then(|micros| micros.parse::<i64>().ok());
    let whole = column(0).map_or(Value::Null, |text| SessionPayload::from_bytes(text.as_bytes()));
    let fields: serde_json::Map<String, serde_json::Value> =
        column(1).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let field = |(name, held): (&String, &serde_json::Value)| {
        (name.clone(), SessionPayload::from_bytes(held.as_str().unwrap_or_default().as_bytes()))
    };
    let fields: Vec<(String, Value)> = fields.iter().map(field).collect();
    let value =
        document::combine_fields(whole, fields.iter().map(|(name, held)| (name.as_str(), held.clone())));
    StoreAnswer {
        clock_ns: clock_us.and_then(|micros| micros.checked_mul(1000)),
        ..StoreAnswer::from_value(value)
    }
}

fn parse_transaction(
    operation: &ClientOperation,
    options: &PostgresOptions,
    done: &[StatementResult],
) -> Result<Value, Failure> {
    let steps = micro_operations(&operation.value).unwrap_or_default();
    match done.last() {
        // The server ended a transaction that had failed.
        Some(last) if last.tag == "ROLLBACK" => return Err(Failure::unreachable("rolled back")),
        Some(last) if last.tag == "COMMIT" && done.len() == steps.len() + 2 => {}
        other => return Err(Failure::indefinite(format!("an unexpected end: {other:?}"))),
    }
    let step = |(step, done): (workloads::MicroOperation<'_>, &StatementResult)| {
        let found = done.rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
        let value = match (step.kind, options.kind) {
            ("r", WorkloadKind::ListAppend) => {
                Value::List(found.unwrap_or_default().split_whitespace().map(parse_scalar).collect())
            }
            ("r", _) => found.map_or(Value::Null, parse_scalar),
            _ => step.value.clone(),
        };
        micro_operation(step.kind, step.key, value)
    };
    Ok(Value::List(steps.into_iter().zip(&done[1..]).map(step).collect()))
}

fn parse_scalar(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::from(text), Value::Int)
}

fn payload_literal(payload: &SessionPayload) -> String {
    quote_literal(&String::from_utf8_lossy(&payload.to_bytes()))
}

/// What a value is in the store.
fn encode_value(value: &Value) -> Result<String, Failure> {
    match value {
        Value::Int(number) => Ok(format!("'{number}'")),
        Value::Text(text) => Ok(quote_literal(text)),
        _ => Err(unsupported_operation()),
    }
}

fn unsupported_operation() -> Failure {
    Failure::definite("PostgreSQL is not used for this here")
}
