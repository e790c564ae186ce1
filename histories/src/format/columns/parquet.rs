//! Parquet files of events.

use super::super::datum::{Strictness, write_canonical};
use super::super::input::STOPPED;
use super::super::{Loaded, ReadOptions};
use super::cell::{datum, json_datum};
use super::texts::TextColumn;
use super::write::{NAME_COLUMNS, name_type};
use super::{EventBatches, read_batches};
use crate::{History, Problem, Problems};
use arrow_array::{Array, BooleanArray, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, Fields, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The number of rows that are decoded at a time.
const DECODED_ROWS: usize = 1 << 15;
/// The number of rows of a group, the smallest part of a file that a reader can skip.
const GROUP_ROWS: usize = 1 << 18;

/// The size to which the dictionary of a column grows: each of the rows of a group has another name.
const DICTIONARY_BYTES: usize = GROUP_ROWS * 32;

/// The bytes of a file. The end is read first, so a file cannot be read as a stream.
pub(in super::super) enum ParquetSource {
    File(PathBuf),
    Memory(Vec<u8>),
}

/// Reads a file of events.
pub(in super::super) fn read_parquet(
    name: &str,
    source: ParquetSource,
    options: &ReadOptions,
    progress: &dyn Fn(u64, u64),
) -> Result<Loaded, Problems> {
    // The decoder trusts the metadata of a file, and panics on some damaged files.
    let read = catch_unwind(AssertUnwindSafe(|| match source {
        ParquetSource::File(path) => match File::open(path) {
            Ok(file) => read_chunks(name, SharedFile(Arc::new(file)), options, progress),
            Err(error) => Err(unreadable(name, &error.to_string())),
        },
        ParquetSource::Memory(bytes) => read_chunks(name, Bytes::from(bytes), options, progress),
    }));
    read.unwrap_or_else(|_| Err(unreadable(name, "the file is damaged")))
}

/// A file that several readers share.
#[derive(Clone)]
struct SharedFile(Arc<File>);

impl Length for SharedFile {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for SharedFile {
    type T = <File as ChunkReader>::T;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.0.get_bytes(start, length)
    }
}

fn unreadable(name: &str, why: &str) -> Problems {
    let found = format!("cannot be read as Parquet: {why}");
    let problem = Problem { file: Arc::from(name), line: 0, column: 0, found, expected: String::new() };
    Problems { list: vec![problem], more: 0 }
}

/// If keys are selected, rows of other objects are skipped before their other columns are decoded. If that finds an error, the
/// whole file is read again, because otherwise the error would name a wrong row.
fn read_chunks(
    name: &str,
    chunks: impl ChunkReader + Clone + 'static,
    options: &ReadOptions,
    progress: &dyn Fn(u64, u64),
) -> Result<Loaded, Problems> {
    if options.keys.is_some()
        && let Ok(loaded) = read_rows(name, chunks.clone(), options, progress, true)
    {
        return Ok(loaded);
    }
    read_rows(name, chunks, options, progress, false)
}

fn read_rows(
    name: &str,
    chunks: impl ChunkReader + 'static,
    options: &ReadOptions,
    progress: &dyn Fn(u64, u64),
    pushed_down: bool,
) -> Result<Loaded, Problems> {
    let opened = with_dictionaries_of_names(&chunks);
    let metadata = opened.map_err(|error| unreadable(name, &error.to_string()))?;
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata);
    if pushed_down && let Some(filter) = key_filter(&builder, options) {
        builder = builder.with_row_filter(filter);
    }
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let schema = Arc::clone(builder.schema());
    let reader = builder.with_batch_size(DECODED_ROWS).build();
    let reader = reader.map_err(|error| unreadable(name, &error.to_string()))?;
    debug_assert_eq!(reader.schema().fields(), schema.fields(), "all columns are read");
    let done = AtomicU64::new(0);
    let is_stopped = || options.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed));
    let counted = reader.map(|batch: Result<RecordBatch, ArrowError>| {
        if is_stopped() {
            return Err(ArrowError::ExternalError(STOPPED.into()));
        }
        done.fetch_add(batch.as_ref().map_or(0, |batch| batch.num_rows() as u64), Ordering::Relaxed);
        batch
    });
    let read = read_batches(name, &schema, counted, options);
    progress(done.load(Ordering::Relaxed), rows);
    read
}

/// The metadata of a file, with a schema in which a column of names is a dictionary exactly if that is how the file stores it.
/// Names repeat in many rows, and a dictionary is read without looking at the text of each row. But to make a dictionary of
/// texts or of nulls costs more than all the rest, also where the file has a schema of Arrow that wants one.
fn with_dictionaries_of_names(chunks: &impl ChunkReader) -> parquet::errors::Result<ArrowReaderMetadata> {
    let given = ArrowReaderMetadata::load(chunks, ArrowReaderOptions::new())?;
    // Columns of a table without nested types are the leaves of the file, in the same order.
    let groups = given.metadata().row_groups();
    if groups.iter().any(|group| group.num_columns() != given.schema().fields().len()) {
        return Ok(given);
    }
    let fields = given.schema().fields().iter().enumerate().map(|(at, field)| {
        let is_text = *field.data_type() == DataType::Utf8 || *field.data_type() == name_type();
        if !is_text || !NAME_COLUMNS.contains(&field.name().as_str()) {
            return Arc::clone(field);
        }
        let is_dictionary = groups.iter().all(|group| is_dictionary_of_texts(group.column(at)));
        let stored = if is_dictionary { name_type() } else { DataType::Utf8 };
        Arc::new(field.as_ref().clone().with_data_type(stored))
    });
    let schema = Schema::new_with_metadata(fields.collect::<Fields>(), given.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::clone(given.metadata()), options)
}

/// Whether all texts of a part of a column are in its dictionary, and there are some. A writer stops using a dictionary that has
/// grown too large.
fn is_dictionary_of_texts(chunk: &ColumnChunkMetaData) -> bool {
    let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
    let encodings = chunk.page_encoding_stats_mask();
    nulls.is_some_and(|nulls| nulls < u64::try_from(chunk.num_values()).unwrap_or(0))
        && encodings.is_some_and(|mask| mask.is_only(Encoding::RLE_DICTIONARY))
}

/// A filter that keeps rows with a selected key, and rows without a key: [`super::selection`] decides about those. `None` if no
/// keys are selected, or if the table has no column for keys.
fn key_filter<T: ChunkReader>(
    builder: &ParquetRecordBatchReaderBuilder<T>,
    options: &ReadOptions,
) -> Option<RowFilter> {
    let keys = options.keys.as_ref()?;
    let columns: Vec<&str> = ["key", "key_json"]
        .into_iter()
        .filter(|name| builder.schema().column_with_name(name).is_some())
        .collect();
    let wanted: HashSet<String> = keys.iter().cloned().collect();
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let predicate = ArrowPredicateFn::new(mask, move |batch| {
        let given: Vec<(&dyn Array, bool)> = (batch.schema().fields().iter())
            .zip(batch.columns())
            .map(|(field, column)| (column.as_ref(), field.name() == "key_json"))
            .collect();
        let kept = |row| {
            given.iter().all(|(column, _)| column.is_null(row))
                || given.iter().any(|(column, json)| is_wanted(*column, row, *json, &wanted))
        };
        Ok((0..batch.num_rows()).map(|row| Some(kept(row))).collect::<BooleanArray>())
    });
    (!columns.is_empty()).then(|| RowFilter::new(vec![Box::new(predicate)]))
}

/// Whether the key of a row is selected, or cannot be read here.
fn is_wanted(column: &dyn Array, row: usize, json: bool, wanted: &HashSet<String>) -> bool {
    if column.is_null(row) {
        return false;
    }
    let mut text = String::new();
    let datum = match TextColumn::of_row(column, row) {
        Some(found) if json => json_datum(found, row),
        _ => Ok(datum(column, row, row)),
    };
    match datum.and_then(|datum| write_canonical(&datum, Strictness::Judged, &mut text)) {
        Ok(()) => wanted.contains(&text),
        Err(_) => true,
    }
}

/// Writes a history as Parquet, compressed with Zstandard.
///
/// Parquet's own types say what the columns are. A schema of Arrow beside them would say that some are dictionaries, and Sail refuses
/// to read such a file.
///
/// # Errors
/// The error of the writer.
pub(in super::super) fn write_parquet(history: &History, mut to: impl Write) -> io::Result<()> {
    let batches = EventBatches::new(history);
    let schema = batches.schema();
    let metadata = schema.metadata().iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let properties = WriterProperties::builder()
        .set_key_value_metadata(Some(metadata.collect()))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_created_by(format!("steadfast {}", env!("CARGO_PKG_VERSION")))
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let written = Written::default();
    let mut writer =
        ArrowWriter::try_new_with_options(written.clone(), schema, options).map_err(io::Error::other)?;
    for batch in batches {
        writer.write(&batch).map_err(io::Error::other)?;
        to.write_all(&written.take())?;
    }
    writer.close().map_err(io::Error::other)?;
    to.write_all(&written.take())?;
    to.flush()
}

/// A writer that counts its bytes and can be shared with the Parquet writer, which takes ownership of its target.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics while holding it"))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while holding it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Bytes {
        let history = crate::notation::parse("a: [w1] [w2]\nb:  [r1]  [r2]").expect("a history");
        let mut bytes = Vec::new();
        write_parquet(&history, &mut bytes).expect("memory can be written");
        bytes.into()
    }

    /// A file said in a schema of Arrow that its texts are dictionaries, and Sail could not read it.
    #[test]
    fn a_file_needs_no_dictionaries_of_its_reader() {
        let plain = ArrowReaderMetadata::load(&written(), ArrowReaderOptions::new()).expect("a Parquet file");
        let is_dictionary = |data_type: &DataType| matches!(data_type, DataType::Dictionary(..));
        assert!(!plain.schema().fields().iter().any(|field| is_dictionary(field.data_type())));
        assert!(plain.schema().metadata().contains_key("steadfast_events"));
    }

    /// To make a dictionary of a column of nulls cost half of the time of a check.
    #[test]
    fn names_are_read_as_the_file_stores_them() {
        let metadata = with_dictionaries_of_names(&written()).expect("a Parquet file");
        let type_of =
            |name: &str| metadata.schema().field_with_name(name).expect("a column").data_type().clone();
        assert_eq!(type_of("type"), name_type());
        assert_eq!(type_of("session"), name_type());
        assert_eq!(type_of("key_json"), DataType::Utf8, "a column of nulls");
        assert_eq!(type_of("value_json"), DataType::Utf8, "a column of values");
    }
}
