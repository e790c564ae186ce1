//! Finds the field of each column.

use super::super::datum::write_quoted;
use super::super::json;
use super::super::lines::native_header;
use super::cell::is_readable;
use arrow_schema::{DataType, Field, Schema};

/// The suffix of the name of a column with JSON.
const JSON_SUFFIX: &str = "_json";
/// The column of JSON objects with all further fields.
const FURTHER_FIELDS: &str = "fields_json";
/// The extension type of Arrow that marks texts as JSON.
const JSON_EXTENSION: &str = "arrow.json";
/// The key under which a schema has the header of the history.
pub(super) const HEADER: &str = "steadfast";

/// The fields that verdicts depend on.
pub(super) const FIELDS: [&str; 9] =
    ["type", "process", "f", "value", "key", "session", "time", "index", "version"];

/// The position of a column in a batch, and whether it has JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) column: usize,
    pub(super) json: bool,
}

/// The columns of a field that is kept and shown, but never used for a verdict.
pub(super) struct NotePlace {
    pub(super) name: String,
    /// As JSON.
    pub(super) quoted: String,
    pub(super) place: Place,
}

/// The columns of all fields.
pub(super) struct Layout {
    /// By the place of a field in [`FIELDS`]: its columns, one or two.
    pub(super) fields: [Vec<Place>; 9],
    /// By name.
    pub(super) notes: Vec<NotePlace>,
    pub(super) further: Option<usize>,
    pub(super) header: Option<String>,
}

impl Layout {
    /// Finds the columns of a schema, or returns all errors. Each error is a sentence whose subject is the table.
    pub(super) fn of(schema: &Schema) -> Result<Self, Vec<String>> {
        let mut layout =
            Layout { fields: Default::default(), notes: Vec::new(), further: None, header: None };
        let mut wrong = Vec::new();
        for (field, column) in schema.fields().iter().zip(0..) {
            let name = field.name();
            if !is_readable(field.data_type()) {
                let data_type = field.data_type();
                wrong.push(format!(
                    "has a column {name:?} of type {data_type}, which no value of an event has. Convert it to text, or leave it out."
                ));
                continue;
            }
            if let Err(why) = layout.add(field, column) {
                wrong.push(why);
            }
        }
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        for (name, places) in FIELDS.iter().zip(&layout.fields).take(3) {
            if places.is_empty() {
                let columns = columns.join(", ");
                wrong.push(format!(
                    "has no column {name:?}, which every event needs. Its columns are: {columns}."
                ));
            }
        }
        if let Some(header) = schema.metadata().get(HEADER) {
            match json::parse_json(header, 0).and_then(|datum| native_header(&datum)) {
                Ok(header) => layout.header = Some(header),
                Err(flaw) => {
                    wrong.push(format!("has a header with {}, expected {}", flaw.found, flaw.expected));
                }
            }
        }
        layout.notes.sort_by(|a, b| a.name.cmp(&b.name));
        if wrong.is_empty() { Ok(layout) } else { Err(wrong) }
    }

    fn add(&mut self, field: &Field, column: usize) -> Result<(), String> {
        let name = field.name().as_str();
        let marked = field.extension_type_name() == Some(JSON_EXTENSION);
        let (plain, json) = match name.strip_suffix(JSON_SUFFIX) {
            Some(plain) => (plain, true),
            None => (name, marked),
        };
        if json && !is_text(field.data_type()) {
            return Err(format!(
                "has a column {name:?} of type {}, expected JSON in texts",
                field.data_type()
            ));
        }
        let place = Place { column, json };
        let twice = || Err(format!("has the column {name:?} for the second time"));
        if name == FURTHER_FIELDS {
            return match self.further.replace(column) {
                Some(_) => twice(),
                None => Ok(()),
            };
        }
        match FIELDS.iter().position(|known| *known == plain) {
            Some(at) if self.fields[at].iter().any(|other| other.json == json) => twice(),
            Some(at) => {
                self.fields[at].push(place);
                Ok(())
            }
            None if self.notes.iter().any(|note| note.name == plain && note.place.json == json) => twice(),
            None => {
                let mut quoted = String::new();
                write_quoted(plain, &mut quoted);
                self.notes.push(NotePlace { name: plain.to_owned(), quoted, place });
                Ok(())
            }
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}
