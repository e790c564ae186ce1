//! Reads a batch of rows as a chunk of events.
//!
//! The usual row has a client with an integer name, a function other than `cas` and `txn`, and one plain value. It is read
//! column by column, and each distinct text of a dictionary is interned once. Any other row (steps of transactions, a pair, a
//! client with a text as its name, a text with an escape, a missing field) becomes the tree that a native line would be. As in
//! [`super::super::scan`], the fast path reports no errors and may leave any row to the careful path. Both must give the same
//! event; a property test compares them.

use super::super::ReadOptions;
use super::super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, LocalId, LocalNote, intern_note};
use super::super::datum::{Datum, DatumKind, write_quoted};
use super::super::event::{self, EventRules, StringProcesses};
use super::cell::{datum, json_datum};
use super::layout::{FIELDS, Layout, Place};
use super::texts::{IntegerColumn, KeyDictionary, TextColumn};
use crate::history::NOT_GIVEN;
use crate::intern::HashedNames;
use crate::note::split_note;
use arrow_array::{Array, RecordBatch};
use std::borrow::Cow;

/// Reads the events of a batch into an empty chunk.
pub(super) fn read_batch(
    batch: &RecordBatch,
    layout: &Layout,
    options: &ReadOptions,
    dictionary: &KeyDictionary,
    mut chunk: Chunk,
) -> Chunk {
    let rules = EventRules {
        independent: options.independent,
        process_required: true,
        strings: StringProcesses::Recognised,
    };
    let mut fast = (!rules.independent).then(|| FastColumns::of(batch, layout));
    if let Some(place) = fast.as_ref().and_then(|fast| fast.key_place) {
        chunk.shared_keys = dictionary.names_of(batch.column(place.column).as_ref());
    }
    for row in 0..batch.num_rows() {
        if let Some(event) = fast.as_mut().and_then(|fast| fast.event(&mut chunk, row)) {
            chunk.events.push(event);
            continue;
        }
        if chunk.has_too_many_flaws() {
            break;
        }
        match row_datum(batch, layout, row) {
            Ok(datum) => event::add_event(&mut chunk, &datum, rules),
            Err(flaw) => chunk.add_broken_event(row, LocalId::ABSENT, [flaw]),
        }
    }
    chunk
}

/// Converts a row to the tree that a native line would be.
fn row_datum<'a>(batch: &'a RecordBatch, layout: &'a Layout, row: usize) -> Result<Datum<'a>, super::Flaw> {
    let name = |name: &'a str| Datum::new(row, DatumKind::Text(Cow::Borrowed(name)));
    let mut entries = Vec::new();
    let known = FIELDS
        .iter()
        .zip(&layout.fields)
        .flat_map(|(&field, places)| places.iter().map(move |&place| (field, place)));
    let notes = layout.notes.iter().map(|note| (note.name.as_str(), note.place));
    for (field, place) in known.chain(notes) {
        let column = batch.column(place.column).as_ref();
        let value = match place.json {
            false => datum(column, row, row),
            true => match TextColumn::of_row(column, row) {
                Some(text) => json_datum(text, row)?,
                None => continue,
            },
        };
        if !value.is_null() {
            entries.push((name(field), value));
        }
    }
    if let Some(text) = layout.further.and_then(|column| TextColumn::of_row(batch.column(column), row)) {
        match json_datum(text, row)? {
            Datum { kind: DatumKind::Map(further), .. } => entries.extend(further),
            Datum { kind: DatumKind::Null, .. } => {}
            other => {
                let expected = "an object of further fields in the column \"fields_json\"";
                return Err(super::Flaw::new(row, other.describe(), expected));
            }
        }
    }
    Ok(Datum::new(row, DatumKind::Map(entries)))
}

/// A column that the fast path reads.
enum Source<'a> {
    Integers(IntegerColumn<'a>),
    /// The interned name of each text of the dictionary that was used so far.
    Texts {
        texts: TextColumn<'a>,
        json: bool,
        interned: Vec<LocalId>,
    },
    /// A column of another type. Only its nulls can be read.
    Other(&'a dyn Array),
}

/// The result of reading a cell on the fast path.
enum Cell {
    Absent,
    Given(LocalId),
    /// The careful path must read the row.
    Unusual,
}

impl<'a> Source<'a> {
    fn of(batch: &'a RecordBatch, place: Place) -> Self {
        let array = batch.column(place.column).as_ref();
        if let Some(texts) = TextColumn::of(array) {
            let interned = vec![LocalId::ABSENT; texts.dictionary_len()];
            return Self::Texts { texts, json: place.json, interned };
        }
        match IntegerColumn::of(array) {
            Some(integers) => Self::Integers(integers),
            None => Self::Other(array),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Integers(integers) => integers.get(row).is_none(),
            Self::Texts { texts, .. } => texts.get(row).is_none(),
            Self::Other(array) => array.data_type().is_null() || array.is_null(row),
        }
    }

    /// The integer of a row, `Ok(None)` for null, and `Err` for anything else.
    fn integer(&self, row: usize) -> Result<Option<i64>, ()> {
        match self {
            Self::Integers(integers) => Ok(integers.get(row)),
            _ if self.is_null(row) => Ok(None),
            _ => Err(()),
        }
    }

    /// The text of a row in a column that is not JSON.
    fn name(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Texts { texts, json: false, .. } => texts.get(row),
            _ => None,
        }
    }

    /// The canonical JSON of a row, interned.
    fn intern(&mut self, row: usize, names: &mut HashedNames<LocalId>, scratch: &mut String) -> Cell {
        match self {
            Self::Other(_) if self.is_null(row) => Cell::Absent,
            Self::Other(_) => Cell::Unusual,
            Self::Integers(integers) => match integers.get(row) {
                None => Cell::Absent,
                Some(integer) => Cell::Given(names.intern(itoa::Buffer::new().format(integer))),
            },
            Self::Texts { texts, json, interned } => {
                let number = texts.number(row);
                if let Some(&known) =
                    number.and_then(|number| interned.get(number)).filter(|known| **known != LocalId::ABSENT)
                {
                    return Cell::Given(known);
                }
                let Some(text) = texts.get(row) else { return Cell::Absent };
                let local = match *json {
                    true if text == "null" => return Cell::Absent,
                    true if is_plain_scalar(text) => names.intern(text),
                    true => return Cell::Unusual,
                    false => {
                        scratch.clear();
                        write_quoted(text, scratch);
                        names.intern(scratch)
                    }
                };
                if let Some(number) = number {
                    interned[number] = local;
                }
                Cell::Given(local)
            }
        }
    }
}

/// Whether a text is a number or a string that is its own canonical JSON.
fn is_plain_scalar(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes {
        [b'"', inside @ .., b'"'] => inside.iter().all(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\'),
        b"true" | b"false" | b"0" => true,
        _ => {
            let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
            (1..=18).contains(&digits.len()) && digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit)
        }
    }
}

/// Remembers what a text of a dictionary means.
fn remember_text<T: Copy>(known: &mut Vec<T>, number: Option<usize>, unknown: T, meaning: T) {
    if let Some(number) = number {
        if number >= known.len() {
            known.resize(number + 1, unknown);
        }
        known[number] = meaning;
    }
}

/// The columns of a batch.
struct FastColumns<'a> {
    fields: [Vec<Source<'a>>; 9],
    /// The column of keys if there is only one, and it has a dictionary of texts.
    key_place: Option<Place>,
    /// By the number of a text in the dictionary of types: what kind of event it means, once it was seen.
    kinds: Vec<Option<EventKind>>,
    /// By the number of a text in the dictionary of functions: its name in the chunk, once it was seen. Only usual functions are here.
    functions: Vec<LocalId>,
    notes: Vec<(&'a str, Source<'a>)>,
    further: Option<Source<'a>>,
    scratch: String,
    note: String,
}

/// Places in [`FIELDS`].
const TYPE: usize = 0;
const PROCESS: usize = 1;
const FUNCTION: usize = 2;
const VALUE: usize = 3;
const KEY: usize = 4;
const SESSION: usize = 5;
const TIME: usize = 6;
const INDEX: usize = 7;
const VERSION: usize = 8;

impl<'a> FastColumns<'a> {
    fn of(batch: &'a RecordBatch, layout: &'a Layout) -> Self {
        // Most tables have columns without a value in any row, such as `key_json` where all keys are texts.
        let is_used = |place: &Place| batch.column(place.column).logical_null_count() < batch.num_rows();
        let source = |place: Place| Source::of(batch, place);
        let sources = |places: &Vec<Place>| places.iter().copied().filter(is_used).map(source).collect();
        let further = layout.further.map(|column| Place { column, json: true });
        let notes = layout.notes.iter().filter(|note| is_used(&note.place));
        let fields: [Vec<Source<'a>>; 9] = layout.fields.each_ref().map(sources);
        let mut key_places = layout.fields[KEY].iter().copied().filter(is_used);
        let is_dictionary = matches!(
            &fields[KEY][..],
            [Source::Texts { texts: TextColumn::Dictionary { .. }, json: false, .. }]
        );
        Self {
            fields,
            key_place: key_places.next().filter(|_| is_dictionary),
            kinds: Vec::new(),
            functions: Vec::new(),
            notes: notes.map(|note| (note.quoted.as_str(), source(note.place))).collect(),
            further: further.filter(is_used).map(source),
            scratch: String::new(),
            note: String::new(),
        }
    }

    /// The event of a usual row.
    fn event(&mut self, chunk: &mut Chunk, row: usize) -> Option<ChunkEvent> {
        let kind = self.kind(row)?;
        let function = self.function(row, chunk)?;
        let process = self.integer(PROCESS, row)?.filter(|&process| process != NOT_GIVEN)?;
        let (time, index, version) =
            (self.integer(TIME, row)?, self.integer(INDEX, row)?, self.integer(VERSION, row)?);
        let fits = |integer: Option<i64>, least: i64| integer.is_none_or(|integer| integer >= least);
        let has_place = version.is_none() || kind == EventKind::Ok;
        if !fits(time, NOT_GIVEN + 1) || !fits(index, 0) || !fits(version, NOT_GIVEN + 1) || !has_place {
            return None;
        }
        // Names are interned from here on. If the row turns out to be unusual, some of them belong to no event, which is harmless.
        let key = match chunk.shared_keys {
            Some(_) => self.dictionary_number(KEY, row).map_or(LocalId::ABSENT, LocalId::of_shared),
            None => self.intern(KEY, row, &mut chunk.keys)?,
        };
        let session = self.intern(SESSION, row, &mut chunk.sessions)?;
        let value = match self.intern(VALUE, row, &mut chunk.values)? {
            LocalId::ABSENT => chunk.values.intern("null"),
            value => value,
        };
        let note = self.note(row, &mut chunk.notes)?;
        Some(ChunkEvent {
            kind,
            function,
            session,
            key,
            value: EventValue::One(value),
            note,
            time: time.unwrap_or(NOT_GIVEN),
            index: index.unwrap_or(NOT_GIVEN),
            version: version.unwrap_or(NOT_GIVEN),
            ..ChunkEvent::broken(row, chunk.intern_process(process))
        })
    }

    fn kind(&mut self, row: usize) -> Option<EventKind> {
        let number = self.dictionary_number(TYPE, row);
        if let Some(known) = number.and_then(|number| *self.kinds.get(number)?) {
            return Some(known);
        }
        let kind = match self.name(TYPE, row)? {
            "invoke" => EventKind::Invoke,
            "ok" => EventKind::Ok,
            "fail" => EventKind::Fail,
            "info" => EventKind::Info,
            _ => return None,
        };
        remember_text(&mut self.kinds, number, None, Some(kind));
        Some(kind)
    }

    /// The function of a usual row.
    fn function(&mut self, row: usize, chunk: &mut Chunk) -> Option<LocalId> {
        let number = self.dictionary_number(FUNCTION, row);
        let known = number.and_then(|number| self.functions.get(number)?.if_given());
        if known.is_some() {
            return known;
        }
        let name = self.name(FUNCTION, row)?;
        if name.is_empty() || name.starts_with(':') || matches!(name, "txn" | "cas") {
            return None;
        }
        let function = chunk.functions.intern(name);
        remember_text(&mut self.functions, number, LocalId::ABSENT, function);
        Some(function)
    }

    /// The number of the text of a field in the dictionary of its only column.
    fn dictionary_number(&self, field: usize, row: usize) -> Option<usize> {
        match self.fields[field].as_slice() {
            [Source::Texts { texts, json: false, .. }] => texts.number(row),
            _ => None,
        }
    }

    /// The text of a field that has only one column.
    fn name(&self, field: usize, row: usize) -> Option<&'a str> {
        if let [source] = self.fields[field].as_slice() {
            return source.name(row);
        }
        let mut given = self.fields[field].iter().filter(|source| !source.is_null(row));
        let name = given.next()?.name(row)?;
        given.next().is_none().then_some(name)
    }

    /// The integer of a field. The outer `None` means that both columns have a value, or one that is not an integer.
    fn integer(&self, field: usize, row: usize) -> Option<Option<i64>> {
        let mut found = None;
        for source in &self.fields[field] {
            if let Some(integer) = source.integer(row).ok()?
                && found.replace(integer).is_some()
            {
                return None;
            }
        }
        Some(found)
    }

    /// The value of a field, or [`Local::ABSENT`]. `None` leaves the row to the careful path.
    fn intern(&mut self, field: usize, row: usize, names: &mut HashedNames<LocalId>) -> Option<LocalId> {
        let mut found = LocalId::ABSENT;
        for source in &mut self.fields[field] {
            match source.intern(row, names, &mut self.scratch) {
                Cell::Absent => {}
                Cell::Given(local) if found == LocalId::ABSENT => found = local,
                Cell::Given(_) | Cell::Unusual => return None,
            }
        }
        Some(found)
    }

    /// The further fields, as one JSON object.
    fn note(&mut self, row: usize, notes: &mut HashedNames<LocalId>) -> Option<LocalNote> {
        if self.further.as_ref().is_some_and(|further| !further.is_null(row)) {
            let pattern = self.further_fields(row, notes)?;
            return Some(LocalNote { pattern, ..LocalNote::ABSENT });
        }
        self.note.clear();
        for (name, source) in &self.notes {
            if source.is_null(row) {
                continue;
            }
            self.note.push(if self.note.is_empty() { '{' } else { ',' });
            self.note.push_str(name);
            self.note.push(':');
            match source {
                Source::Integers(integers) => {
                    self.note.push_str(itoa::Buffer::new().format(integers.get(row)?))
                }
                Source::Texts { texts, json, .. } => match (texts.get(row)?, json) {
                    (text, false) => write_quoted(text, &mut self.note),
                    (text, true) if is_plain_scalar(text) => self.note.push_str(text),
                    _ => return None,
                },
                Source::Other(_) => return None,
            }
        }
        if self.note.is_empty() {
            return Some(LocalNote::ABSENT);
        }
        self.note.push('}');
        Some(intern_note(notes, split_note(&self.note, &mut self.scratch)))
    }

    /// Further fields that are an object of a dictionary. The careful path reads each distinct object once.
    fn further_fields(&mut self, row: usize, notes: &mut HashedNames<LocalId>) -> Option<LocalId> {
        if self.notes.iter().any(|(_, source)| !source.is_null(row)) {
            return None;
        }
        let Some(Source::Texts { texts, interned, .. }) = &mut self.further else { return None };
        let (text, number) = (texts.get(row)?, texts.number(row));
        let known = number.and_then(|number| interned.get(number)).filter(|known| **known != LocalId::ABSENT);
        if let Some(&known) = known {
            return Some(known);
        }
        let datum = json_datum(text, row).ok()?;
        let DatumKind::Map(fields) = &datum.kind else { return None };
        let is_note = |name: &Datum<'_>| match &name.kind {
            DatumKind::Text(name) => !name.starts_with(':') && !FIELDS.contains(&name.as_ref()),
            _ => false,
        };
        if fields.is_empty() || !fields.iter().all(|(name, _)| is_note(name)) {
            return None;
        }
        self.note.clear();
        super::super::datum::write_canonical(&datum, super::super::datum::Strictness::Lax, &mut self.note)
            .ok()?;
        let local = notes.intern(&self.note);
        if let Some(number) = number {
            interned[number] = local;
        }
        Some(local)
    }
}
