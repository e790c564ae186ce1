//! A history from wherever the user said, in words for the user.

use crate::args::{ReadingArgs, Source};
use crate::progress::Progress;
use histories::History;
use histories::events::Event;
use histories::format::{self, Format, Input, ReadOptions};

/// A history and what the user must know of how it was read.
pub(crate) struct Loaded {
    pub(crate) history: History,
    pub(crate) remarks: Vec<String>,
}

/// Reads a history. The error tells every problem, a line each.
pub(crate) fn load(source: &Source, reading: &ReadingArgs, progress: &Progress) -> Result<Loaded, String> {
    let name = source.name();
    progress.stage(&format!("reading {name}"));
    let input = match source {
        Source::StandardInput => Input::Stdin,
        Source::File(path) => Input::Path(path.clone()),
    };
    let options = ReadOptions {
        from: reading.from,
        independent: reading.independent,
        lenient: reading.lenient,
        columns: reading.columns.clone(),
        keys: reading.selected_keys(),
        ..ReadOptions::default()
    };
    let read = format::read(input, &options, &|done, total| progress.at(done, total));
    let read = read.map_err(|problems| problems.to_string())?;
    progress.at(0, 0);
    Ok(with_remarks(read))
}

/// A history that was read, with what the user must know of how.
pub(crate) fn with_remarks(read: format::Loaded) -> Loaded {
    let mut remarks = read.remarks;
    remarks.extend(read.dropped.map(|problem| format!("dropped as --lenient asks: {problem}")));
    remarks.extend(cut_short(&read.history));
    Loaded { history: read.history, remarks }
}

/// What is to be said of a recording of ours that has no end: whatever came after it is in no verdict.
fn cut_short(history: &History) -> Option<String> {
    let ours = history.header().is_some_and(|header| header.contains("\"gapless\":true"));
    let ends = |event: &histories::ActorEvent| event.actor == "recorder" && event.function == "end";
    if !ours || history.actor_events().iter().any(ends) {
        return None;
    }
    let ended = history.events().filter(|event| matches!(event, Event::Complete(_))).count();
    let open = match history.len() - ended {
        1 => "1 operation is open".to_owned(),
        open => format!("{open} operations are open"),
    };
    Some(format!("the recording was cut short: it has no end, and {open}"))
}

/// A JSON text as histories intern it, so that the same value has the same text.
///
/// There is one way to write a value canonically and the reader knows it, so it is asked.
pub(crate) fn canonical(json: &str) -> Result<String, String> {
    if json == "null" {
        return Ok("null".to_owned());
    }
    let event = format!("{{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":{json}}}");
    // On a thread of its own: the reader would start the pool for all, which --threads must still be able to size.
    let own = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|why| why.to_string())?;
    let history = own.install(|| format::from_text(Format::Native, &event)).map_err(|problems| {
        let first = &problems.list[0];
        format!("found {}, expected {}", first.found, first.expected)
    })?;
    let written = history.operations().next().ok_or("expected a value")?;
    Ok(history.value_text(written.value()).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_histories_write_it() {
        assert_eq!(canonical("0"), Ok("0".to_owned()));
        assert_eq!(canonical(" { \"b\" : 1 , \"a\" : [ ] } "), Ok("{\"a\":[],\"b\":1}".to_owned()));
        assert_eq!(canonical("\"\\u0061\""), Ok("\"a\"".to_owned()));
        assert!(canonical("123456789012345678901234567890").is_err());
        assert!(canonical("").is_err());
        assert!(canonical("1}\n{").is_err());
    }
}
