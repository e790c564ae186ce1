//! Writes a history as record batches. The columns are always the same, so that the tables of many runs can be one table.

use super::super::datum::write_quoted;
use super::super::write::{EventField, each_event_fields, header_if_needed};
use super::layout::HEADER;
use crate::History;
use crate::events::Event;
use arrow_array::builder::{Int64Builder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use std::collections::HashMap;
use std::sync::Arc;

/// The version of the schema, `steadfast_events` in its metadata.
pub const EVENTS_SCHEMA_VERSION: u32 = 1;

/// The number of rows of a written batch.
const BATCH_ROWS: usize = 1 << 16;

/// The columns whose texts repeat in many rows.
pub(super) const NAME_COLUMNS: [&str; 8] =
    ["process_json", "session", "session_json", "type", "f", "key", "key_json", "fields_json"];

/// The type of a column of [`NAME_COLUMNS`].
pub(super) fn name_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The schema of events as they are written. Readers accept more.
pub fn events_schema(history: &History) -> Schema {
    let names = name_type;
    let fields = vec![
        Field::new("index", DataType::Int64, false),
        Field::new("time", DataType::Int64, true),
        Field::new("process", DataType::Int64, true),
        Field::new("process_json", names(), true),
        Field::new("session", names(), true),
        Field::new("session_json", names(), true),
        Field::new("type", names(), false),
        Field::new("f", names(), true),
        Field::new("key", names(), true),
        Field::new("key_json", names(), true),
        Field::new("value_json", DataType::Utf8, true),
        Field::new("version", DataType::Int64, true),
        Field::new("fields_json", names(), true),
    ];
    let version = ("steadfast_events".to_owned(), EVENTS_SCHEMA_VERSION.to_string());
    let header = header_if_needed(history).map(|header| (HEADER.to_owned(), header));
    Schema::new_with_metadata(fields, HashMap::from_iter([version].into_iter().chain(header)))
}

/// The events of a history as record batches, in order. Cost: O(n) for n events, and the memory of one batch and 8 bytes per
/// event.
pub struct EventBatches<'a> {
    history: &'a History,
    schema: Arc<Schema>,
    events: Box<dyn Iterator<Item = (Event<'a>, u32)> + 'a>,
}

impl<'a> EventBatches<'a> {
    /// All events of a history.
    pub fn new(history: &'a History) -> Self {
        let events = Box::new(history.events().zip(0..));
        Self { history, schema: Arc::new(events_schema(history)), events }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema)
    }
}

impl Iterator for EventBatches<'_> {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        let mut rows = Rows::default();
        for (event, position) in self.events.by_ref().take(BATCH_ROWS) {
            each_event_fields(self.history, event, position, &mut |fields| rows.add(fields));
        }
        (rows.len > 0).then(|| rows.finish(&self.schema))
    }
}

type Names = StringDictionaryBuilder<Int32Type>;

/// The columns of a batch that is being built.
#[derive(Default)]
struct Rows {
    len: usize,
    integers: [Int64Builder; 4],
    process_json: Names,
    session: [Names; 2],
    kind: Names,
    function: Names,
    key: [Names; 2],
    value: StringBuilder,
    further: Names,
    /// A buffer for building texts.
    scratch: String,
}

/// Places in `Rows::integers`.
const INDEX: usize = 0;
const TIME: usize = 1;
const PROCESS: usize = 2;
const VERSION: usize = 3;

impl Rows {
    fn add(&mut self, fields: &[(&str, EventField<'_>)]) {
        self.len += 1;
        self.scratch.clear();
        for (name, field) in fields {
            match (*name, field) {
                ("index", EventField::Int(index)) => self.integers[INDEX].append_value(*index),
                ("time", EventField::Int(time)) => self.integers[TIME].append_value(*time),
                ("version", EventField::Int(version)) => self.integers[VERSION].append_value(*version),
                ("process", EventField::Int(process)) => self.integers[PROCESS].append_value(*process),
                ("process", EventField::Name(name)) => {
                    let mut quoted = String::new();
                    write_quoted(name, &mut quoted);
                    self.process_json.append_value(quoted);
                }
                ("type", EventField::Name(kind)) => self.kind.append_value(kind),
                ("f", EventField::Name(function)) => self.function.append_value(function),
                ("session", EventField::Json(json)) => append_name(&mut self.session, json),
                ("key", EventField::Json(json)) => append_name(&mut self.key, json),
                ("value", EventField::Json("null")) => {}
                ("value", EventField::Json(json)) => self.value.append_value(json),
                (name, EventField::Json(json)) => self.add_further(name, json),
                (name, EventField::Int(int)) => self.add_further(name, &int.to_string()),
                (name, EventField::Name(text)) => {
                    let mut quoted = String::new();
                    write_quoted(text, &mut quoted);
                    self.add_further(name, &quoted);
                }
            }
        }
        if !self.scratch.is_empty() {
            self.scratch.push('}');
            let further = std::mem::take(&mut self.scratch);
            self.further.append_value(&further);
            self.scratch = further;
        }
        self.fill();
    }

    fn add_further(&mut self, name: &str, json: &str) {
        self.scratch.push(if self.scratch.is_empty() { '{' } else { ',' });
        write_quoted(name, &mut self.scratch);
        self.scratch.push(':');
        self.scratch.push_str(json);
    }

    /// Adds nulls for the fields that the event lacks.
    fn fill(&mut self) {
        use arrow_array::builder::ArrayBuilder;
        let short = self.len - 1;
        for column in &mut self.integers {
            if column.len() == short {
                column.append_null();
            }
        }
        let [session, session_json] = &mut self.session;
        let [key, key_json] = &mut self.key;
        let (process, further) = (&mut self.process_json, &mut self.further);
        for column in
            [session, session_json, key, key_json, process, further, &mut self.kind, &mut self.function]
        {
            if column.len() == short {
                column.append_null();
            }
        }
        if self.value.len() == short {
            self.value.append_null();
        }
    }

    fn finish(mut self, schema: &Arc<Schema>) -> RecordBatch {
        let mut integer = |at: usize| -> ArrayRef { Arc::new(self.integers[at].finish()) };
        let columns: Vec<ArrayRef> = vec![
            integer(INDEX),
            integer(TIME),
            integer(PROCESS),
            Arc::new(self.process_json.finish()),
            Arc::new(self.session[0].finish()),
            Arc::new(self.session[1].finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.function.finish()),
            Arc::new(self.key[0].finish()),
            Arc::new(self.key[1].finish()),
            Arc::new(self.value.finish()),
            integer(VERSION),
            Arc::new(self.further.finish()),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns).expect("every column has a row for each event")
    }
}

/// Puts a string into the first column and anything else, as JSON, into the second.
fn append_name([texts, others]: &mut [Names; 2], json: &str) {
    match serde_json::from_str::<String>(json) {
        Ok(text) => texts.append_value(text),
        Err(_) => others.append_value(json),
    }
}
