//! Reads formats whose files must be complete in memory, because related parts can be far apart.

use super::chunk::Chunk;
use super::datum::{Datum, Flaw};
use super::edn::utf8_flaw;
use super::event::{EventRules, StringProcesses};
use super::loaded::load_merged;
use super::merge::ChunkMerger;
use super::merge_settings::{HistoryExtent, MergeSettings};
use super::{Format, Loaded, ReadOptions, chronos, cobra, folder, json, operations, otlp};
use crate::{Problem, Problems};
use std::path::PathBuf;
use std::sync::Arc;

/// The maximum size of a file that is read whole.
pub(super) const BYTES_MAX: u64 = 1 << 30;

/// Builds the history of a file from all of its bytes.
pub(super) fn read_whole_file(
    format: Format,
    bytes: &[u8],
    options: &ReadOptions,
    mut merge: ChunkMerger,
) -> Result<Loaded, Problems> {
    let rules = whole_file_rules(options);
    let (mut chunk, remarks) = match format {
        Format::Otlp => {
            let otlp::SpanFile { chunk, remarks } = otlp::read_requests(bytes, rules);
            (chunk, remarks)
        }
        _ => {
            let mut chunk = Chunk::default();
            let remarks = match decode_utf8(bytes)
                .and_then(|text| add_events(format, text, options, &mut chunk, rules))
            {
                Ok(remarks) => remarks,
                Err(flaws) => {
                    flaws.into_iter().for_each(|flaw| chunk.add_flaw(flaw));
                    Vec::new()
                }
            };
            (chunk, remarks)
        }
    };
    merge.add_chunk(bytes, &mut chunk);
    remarks.into_iter().for_each(|remark| merge.add_remark(remark));
    load_merged(merge, format, options)
}

fn whole_file_rules(options: &ReadOptions) -> EventRules {
    EventRules { independent: options.independent, process_required: true, strings: StringProcesses::Clients }
}

fn decode_utf8(bytes: &[u8]) -> Result<&str, Vec<Flaw>> {
    std::str::from_utf8(bytes).map_err(|error| vec![utf8_flaw(0, error)])
}

/// Adds the events of a text to a chunk. Returns remarks for the user.
fn add_events(
    format: Format,
    text: &str,
    options: &ReadOptions,
    chunk: &mut Chunk,
    rules: EventRules,
) -> Result<Vec<String>, Vec<Flaw>> {
    let (calls, remark) = match format {
        Format::Csv => operations::csv::read_table(text, options.columns.as_deref())?,
        Format::PorcupineJson => (operations::porcupine::read_operations(&parse_tree(text)?)?, None),
        Format::Chronos => {
            chronos::add_transactions(&parse_tree(text)?, chunk, rules);
            return Ok(Vec::new());
        }
        _ => unreachable!("a format that streams by"),
    };
    let remarks = operations::add_calls(&calls, chunk, rules);
    Ok(remark.into_iter().chain(remarks).collect())
}

fn parse_tree(text: &str) -> Result<Datum<'_>, Vec<Flaw>> {
    let indent = text.len() - text.trim_start().len();
    json::parse_json(text.trim(), indent).map_err(|flaw| vec![flaw])
}

/// Reads the history of a folder of Cobra's logs. It has sessions and no real time.
pub(super) fn read_cobra(
    name: &str,
    sessions: &[(i64, PathBuf)],
    options: &ReadOptions,
) -> Result<Loaded, Problems> {
    let mut merge = ChunkMerger::new(MergeSettings {
        file: Arc::from(name),
        lenient: options.lenient,
        lone_completions: false,
        extent: HistoryExtent::Whole,
        problems_max: options.problems_max,
    });
    for (session, path) in sessions {
        let file: Arc<str> = Arc::from(path.display().to_string());
        let problem = |found: String, expected: String| Problem {
            file: Arc::clone(&file),
            line: 0,
            column: 0,
            found,
            expected,
        };
        let size = std::fs::metadata(path).map_or(0, |about| about.len());
        let log = if size > BYTES_MAX {
            Err("is larger than a gigabyte; a log is read whole".to_owned())
        } else {
            std::fs::read(path)
                .map_err(|error| format!("cannot be read: {}", folder::describe_io_error(&error)))
        };
        let mut chunk = Chunk::default();
        match log {
            Err(found) => merge.add_problem(problem(found, String::new())),
            Ok(log) => cobra::add_session_log(*session, &log, &mut chunk, whole_file_rules(options)),
        }
        // A binary log has no lines, so problems name the byte.
        for flaw in std::mem::take(&mut chunk.flaws) {
            merge.add_problem(problem(format!("{} at byte {}", flaw.found, flaw.at), flaw.expected));
        }
        merge.add_chunk(&[], &mut chunk);
    }
    load_merged(merge, Format::Cobra, options)
}
