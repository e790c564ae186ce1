//! Reads a history from the place that the user named, and words every problem for the user.

use crate::args::{HistorySource, ReadingArgs};
use crate::progress::ProgressDisplay;
use crate::traces::{TraceMap, read_span_bytes};
use histories::History;
use histories::events::Event;
use histories::format::{self, Format, ReadOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A history, with remarks on how it was read.
pub(crate) struct LoadedHistory {
    pub(crate) history: History,
    pub(crate) remarks: Vec<String>,
}

/// Reads a history. Reading fails soon after `stop` is set.
///
/// # Errors
/// A text with every problem of the file, one per line.
pub(crate) fn load_history(
    source: &HistorySource,
    reading: &ReadingArgs,
    progress: &ProgressDisplay,
    stop: Option<Arc<AtomicBool>>,
) -> Result<LoadedHistory, String> {
    let name = source.name();
    progress.set_stage(&format!("reading {name}"));
    if let Some(map) = &reading.map {
        return load_traces(source, map, reading.from);
    }
    let input = source.input();
    let options = ReadOptions {
        from: reading.from,
        independent: reading.independent,
        lenient: reading.lenient,
        columns: reading.columns.clone(),
        keys: reading.selected_keys(),
        stop,
        ..ReadOptions::default()
    };
    let read = format::read(input, &options, &|done, total| progress.set_position(done, total));
    let read = read.map_err(|problems| problems.to_string())?;
    progress.set_position(0, 0);
    Ok(with_reading_remarks(read))
}

/// Reads the spans of an application as a history of its sessions.
fn load_traces(source: &HistorySource, map: &Path, from: Option<Format>) -> Result<LoadedHistory, String> {
    if let Some(other) = from.filter(|from| *from != Format::Otlp) {
        return Err(format!(
            "--map reads spans in OTLP, and --from names the format {}. Leave one of them out.",
            other.name()
        ));
    }
    let map = read_trace_map(map)?;
    let bytes =
        read_span_bytes(source.input()).map_err(|why| format!("failed to read {}: {why}", source.name()))?;
    let (history, remarks) = map.read_spans(&bytes).map_err(|why| format!("{}: {why}", source.name()))?;
    Ok(LoadedHistory { history, remarks })
}

/// Reads what the spans of an application mean.
pub(crate) fn read_trace_map(map: &Path) -> Result<TraceMap, String> {
    let shown = map.display();
    let text =
        std::fs::read_to_string(map).map_err(|why| format!("failed to read the map {shown}: {why}"))?;
    TraceMap::from_toml(&text).map_err(|why| format!("the map {shown}: {why}"))
}

/// The history, with remarks on what was dropped or is missing.
pub(crate) fn with_reading_remarks(read: format::Loaded) -> LoadedHistory {
    let mut remarks = read.remarks;
    remarks.extend(
        read.dropped.map(|problem| format!("the truncated last line was dropped (--lenient): {problem}")),
    );
    remarks.extend(describe_cut_recording(&read.history));
    LoadedHistory { history: read.history, remarks }
}

/// A remark on a recording of this program that has no end event: no verdict covers what happened afterwards.
fn describe_cut_recording(history: &History) -> Option<String> {
    let ours = history.header().is_some_and(|header| header.contains("\"gapless\":true"));
    let ends = |event: &histories::ActorEvent| event.actor == "recorder" && event.function == "end";
    if !ours || history.actor_events().iter().any(ends) {
        return None;
    }
    let ended = history.events().filter(|event| matches!(event, Event::Complete(_))).count();
    let open = match history.len() - ended {
        0 => "every operation has a completion".to_owned(),
        1 => "1 operation has no completion".to_owned(),
        open => format!("{open} operations have no completion"),
    };
    Some(format!("the recording was cut short: it has no end event, and {open}"))
}

/// Returns a JSON text in the canonical form in which histories intern it, so that equal values have equal texts.
///
/// Only the reader knows the canonical form, so this function reads a one-event history with the value in it.
pub(crate) fn canonical_json(json: &str) -> Result<String, String> {
    if json == "null" {
        return Ok("null".to_owned());
    }
    let event = format!("{{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":{json}}}");
    let history = run_in_own_pool(|| format::from_text(Format::Native, &event))?.map_err(|problems| {
        let first = &problems.list[0];
        format!("{} is not a JSON value: {}", first.found, first.expected)
    })?;
    let written = history.operations().next().ok_or("expected a value")?;
    Ok(history.value_text(written.value()).to_owned())
}

/// Runs `read` in a pool of its own: the reader would start the global pool, whose size --threads must still be able to set.
#[cfg(not(target_family = "wasm"))]
fn run_in_own_pool<T: Send>(read: impl FnOnce() -> T + Send) -> Result<T, String> {
    let own = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|why| why.to_string())?;
    Ok(own.install(read))
}

/// Runs `read` on the one thread that there is.
#[cfg(target_family = "wasm")]
fn run_in_own_pool<T: Send>(read: impl FnOnce() -> T + Send) -> Result<T, String> {
    Ok(read())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_histories_write_it() {
        assert_eq!(canonical_json("0"), Ok("0".to_owned()));
        assert_eq!(canonical_json(" { \"b\" : 1 , \"a\" : [ ] } "), Ok("{\"a\":[],\"b\":1}".to_owned()));
        assert_eq!(canonical_json("\"\\u0061\""), Ok("\"a\"".to_owned()));
        assert!(canonical_json("123456789012345678901234567890").is_err());
        assert!(canonical_json("").is_err());
        assert!(canonical_json("1}\n{").is_err());
    }
}
