//! A history from wherever the user said.
//!
//! For now the plain native format alone, until the readers of `histories::format` stand.

use crate::args::{ReadingArgs, Source};
use crate::progress::Progress;
use histories::{
    ActorEvent, Completion, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome,
    Payload, ValueId,
};
use serde_json::Value;
use std::io::Read;

/// A history and what the user must know of how it was read.
pub(crate) struct Loaded {
    pub(crate) history: History,
    pub(crate) remarks: Vec<String>,
}

/// Reads a history. The error tells every problem, a line each.
pub(crate) fn load(source: &Source, _reading: &ReadingArgs, progress: &Progress) -> Result<Loaded, String> {
    let name = source.name();
    progress.stage(&format!("reading {name}"));
    let mut text = String::new();
    match source {
        Source::StandardInput => std::io::stdin().read_to_string(&mut text),
        Source::File(path) => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    }
    .map_err(|why| format!("failed to read {name}: {why}"))?;
    let mut builder = HistoryBuilder::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        event(&mut builder, line).map_err(|why| format!("{name}:{}: {why}", number + 1))?;
    }
    Ok(Loaded { history: builder.finish(), remarks: Vec::new() })
}

fn event(builder: &mut HistoryBuilder, line: &str) -> Result<(), String> {
    let event: Value = serde_json::from_str(line).map_err(|why| why.to_string())?;
    let text = |name: &str| {
        event.get(name).and_then(Value::as_str).map(|text| text.trim_start_matches(':').to_owned())
    };
    if event.get("steadfast").is_some() {
        builder.set_header(line);
        return Ok(());
    }
    let kind = text("type").ok_or("expected a type: invoke, ok, fail or info")?;
    let name = text("f").ok_or("expected an f: what the operation does")?;
    let time = event.get("time").and_then(Value::as_i64);
    let Some(process) = event.get("process").and_then(Value::as_i64) else {
        let actor = text("process").ok_or("expected a process")?;
        let value = event.get("value").unwrap_or(&Value::Null).to_string();
        builder.actor(ActorEvent { position: 0, time, actor, kind, function: name, value });
        return Ok(());
    };
    let function = builder.function(&name);
    let key = event.get("key").map(|key| builder.history().keys.intern(&key.to_string()));
    let value = event.get("value").unwrap_or(&Value::Null);
    let micros = match (function, value) {
        (Function::TXN, Value::Array(list)) => list.iter().map(|one| micro(builder, one)).collect(),
        _ => Vec::new(),
    };
    let payload = match (function, value) {
        (Function::TXN, Value::Array(_)) => Payload::Micros(&micros),
        (Function::CAS, Value::Array(pair)) if pair.len() == 2 => {
            let values = &mut builder.history().values;
            Payload::Pair(values.intern(&pair[0].to_string()), values.intern(&pair[1].to_string()))
        }
        (Function::CAS, _) => Payload::Pair(ValueId::NULL, ValueId::NULL),
        (_, value) => Payload::Value(builder.history().values.intern(&value.to_string())),
    };
    let id = match kind.as_str() {
        "invoke" => {
            let session =
                event.get("session").map(|session| builder.history().sessions.intern(&session.to_string()));
            let key = key.unwrap_or(KeyId::NONE);
            builder.invoke(Invocation { process, session, function, key, payload })
        }
        "ok" | "fail" | "info" => {
            let outcome = match kind.as_str() {
                "ok" => Outcome::Ok,
                "fail" => Outcome::Fail,
                _ => Outcome::Info,
            };
            builder.complete(Completion { process, outcome, function: Some(function), key, payload })
        }
        _ => return Err(format!("found {kind:?}, expected a type: invoke, ok, fail or info")),
    }
    .map_err(|why| why.to_string())?;
    if let Some(time) = time {
        builder.set_time(id, kind != "invoke", time);
    }
    if let (Some(version), true) = (event.get("version").and_then(Value::as_i64), kind == "ok") {
        builder.set_version(id, version);
    }
    let kept: serde_json::Map<String, Value> = event
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| ["node", "error", "trace_id"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !kept.is_empty() {
        builder.note(&Value::Object(kept).to_string());
    }
    Ok(())
}

fn micro(builder: &mut HistoryBuilder, one: &Value) -> MicroInput<'static> {
    let key = builder.history().keys.intern(&one[1].to_string());
    let value = builder.history().values.intern(&one[2].to_string());
    match one[0].as_str() {
        Some("r") => MicroInput::Read(key, value),
        Some("append") => MicroInput::Append(key, value),
        _ => MicroInput::Write(key, value),
    }
}
