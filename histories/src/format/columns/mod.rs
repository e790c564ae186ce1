//! Events as columns: Arrow record batches, in memory or in Parquet files. `docs/formats.md` describes the schema.
//!
//! A row is an event, and its columns are the fields of a native line. Any table with such column names is a history, and
//! values keep their types: an integer is an integer, a string a string, a list a list. If a column would need several types
//! (keys that are strings and numbers, values of any shape), a second column, `key_json` or `value_json`, has JSON in a string.
//! Each row uses one of the two. The name marks such a column, because not every engine keeps the logical types of Parquet.
//!
//! Batches are read like blocks of text (`blocks.rs`): each becomes a chunk on some thread, and chunks are merged in order. A
//! row of the usual shape is read column by column (`batch.rs`). Any other row becomes the tree that a native line would be
//! (`cell.rs`) and takes the careful path, so that both formats accept and refuse the same events.

mod batch;
mod cell;
mod layout;
#[cfg(feature = "parquet")]
mod parquet;
mod selection;
mod texts;
mod write;

#[cfg(feature = "parquet")]
pub(super) use parquet::{ParquetSource, read_parquet, write_parquet};
pub use write::{EVENTS_SCHEMA_VERSION, EventBatches, events_schema};

use super::chunk::{Chunk, EventKind, SpareChunks};
use super::datum::Flaw;
use super::loaded::load_merged;
use super::merge::ChunkMerger;
use super::merge_settings::{HistoryExtent, MergeSettings};
use super::{Format, Loaded, ReadOptions};
use crate::history::NOT_GIVEN;
use crate::{Problem, Problems};
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema};
use batch::read_batch;
use layout::Layout;
use rayon::prelude::*;
use selection::Selection;
use std::sync::Arc;
use texts::KeyDictionary;

/// The number of rows of a chunk. A longer batch is cut without copying.
const CHUNK_ROWS: usize = 1 << 15;

/// Reads a history from record batches, in the order of its events. Cost: O(n) for n rows, and the memory of the history and of
/// some dozen batches. Errors name the row, counted from 0 over all batches ([`Problem::row`]).
///
/// # Errors
/// All errors in the schema or the rows, up to [`ReadOptions::problems_max`].
pub fn read_batches(
    name: &str,
    schema: &Schema,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send,
    options: &ReadOptions,
) -> Result<Loaded, Problems> {
    let whole =
        |found: String| Problem { file: Arc::from(name), line: 0, column: 0, found, expected: String::new() };
    let layout = Layout::of(schema)
        .map_err(|found| Problems { list: found.into_iter().map(whole).collect(), more: 0 })?;
    let merge = ChunkMerger::new(MergeSettings {
        file: Arc::from(name),
        lenient: options.lenient,
        lone_completions: options.lone_completions,
        extent: HistoryExtent::Whole,
        problems_max: options.problems_max,
    });
    let mut merging = Merging {
        merge,
        spare: Arc::default(),
        order: Order::default(),
        header: layout.header.clone(),
        selection: options.keys.as_deref().map(Selection::of),
    };
    let read = stream_batches(batches, &layout, options, &mut merging);
    if let Err(error) = read {
        merging.merge.add_file_problem(format!("cannot be read: {error}"), "");
    }
    let mut read = load_merged(merging.merge, Format::Parquet, options);
    if let Err(problems) = &mut read {
        problems.list.iter_mut().for_each(Problem::count_rows);
    }
    read
}

/// Three groups of batches are in flight: one is decoded, one becomes chunks, one is merged.
fn stream_batches(
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send,
    layout: &Layout,
    options: &ReadOptions,
    merging: &mut Merging,
) -> Result<(), ArrowError> {
    let group_len = rayon::current_num_threads() * 2;
    let mut pieces = Pieces { batches, rest: None };
    let mut ready = pieces.group(2)?;
    let spare = Arc::clone(&merging.spare);
    let dictionary = KeyDictionary::default();
    let parse = |batch: &RecordBatch| {
        let chunk = read_batch(batch, layout, options, &dictionary, spare.take_chunk());
        (batch.num_rows(), chunk)
    };
    if ready.len() < 2 {
        // A small table: no need to wake other threads.
        ready.iter().map(parse).for_each(|(rows, chunk)| merging.add(rows, chunk));
        return Ok(());
    }
    let mut parsed: Vec<(usize, Chunk)> = Vec::new();
    while !ready.is_empty() || !parsed.is_empty() {
        // Merging takes about half of the time and cannot be shared, so that nothing else may wait for the thread that does it.
        let ((), (next, done)) = rayon::join(
            || parsed.drain(..).for_each(|(rows, chunk)| merging.add(rows, chunk)),
            || rayon::join(|| pieces.group(group_len), || ready.par_iter().map(parse).collect::<Vec<_>>()),
        );
        (ready, parsed) = (next?, done);
    }
    Ok(())
}

/// Batches, cut into pieces of [`CHUNK_ROWS`].
struct Pieces<I> {
    batches: I,
    rest: Option<RecordBatch>,
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> Pieces<I> {
    fn group(&mut self, len: usize) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut group = Vec::with_capacity(len);
        while group.len() < len {
            let Some(batch) = self.rest.take().map(Ok).or_else(|| self.batches.next()) else { break };
            let batch = batch?;
            let rows = batch.num_rows();
            if rows > CHUNK_ROWS {
                self.rest = Some(batch.slice(CHUNK_ROWS, rows - CHUNK_ROWS));
            }
            group.push(batch.slice(0, rows.min(CHUNK_ROWS)));
        }
        Ok(group)
    }
}

/// A history that is being read.
struct Merging {
    merge: ChunkMerger,
    spare: Arc<SpareChunks>,
    order: Order,
    header: Option<String>,
    selection: Option<Selection>,
}

impl Merging {
    fn add(&mut self, rows: usize, mut chunk: Chunk) {
        chunk.header = self.header.take();
        self.order.check(&mut chunk);
        if let Some(selection) = &mut self.selection {
            selection.apply(&mut chunk);
        }
        // The merge treats a row like a line.
        self.merge.add_chunk(&vec![b'\n'; rows], &mut chunk);
        self.spare.keep_chunk(chunk);
    }
}

/// Checks that rows are in the order of their indexes, or else of their times. An engine may have shuffled the table, and the
/// events in another order are a different history.
#[derive(Default)]
struct Order {
    index: Option<i64>,
    time: Option<i64>,
    told: bool,
}

impl Order {
    fn check(&mut self, chunk: &mut Chunk) {
        let mut found = None;
        for event in chunk.events.iter().filter(|event| event.kind != EventKind::Broken) {
            let (column, last, this) = match (event.index, event.time) {
                (NOT_GIVEN, NOT_GIVEN) => continue,
                (NOT_GIVEN, time) if self.index.is_none() => ("time", &mut self.time, time),
                (NOT_GIVEN, _) => continue,
                (index, _) => ("index", &mut self.index, index),
            };
            if let Some(before) = last.replace(this).filter(|&before| before > this) {
                found.get_or_insert((event.at, column, before, this));
            }
        }
        if let (Some((at, column, before, this)), false) = (found, self.told) {
            self.told = true;
            let expected = format!("rows in the order of events: sort the table by {column}");
            let found = format!("the {column} {this} after the {column} {before}");
            chunk.add_flaw(Flaw::new(at as usize, found, expected));
        }
    }
}
