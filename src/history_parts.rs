//! Parts of a history that is larger than the memory: all operations on some of the objects, in temporary files.
//!
//! The history is read as a stream, a block at a time. Each event goes to the part of its object, as a line with the index that
//! the event has in the whole history. So a part can be read like any other history, operations keep their numbers, and each
//! mistake of the stream is reported with its line. Parts are compressed: on disk, they take a tenth of the history.
//!
//! The files have no name once they are open. The kernel removes them when this program ends, in whatever way.

use checker::StreamEvent;
use histories::events::Event;
use histories::format::{Format, Input, Output, from_text, open_decompressed, push_event_line};
use histories::{Function, History, KeyId, OpId};
use serde_json::value::RawValue;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Cursor, Read, Seek, Write};
use std::path::Path;

/// The number of operations of each function from which the model is recognised.
const SAMPLE_OPERATIONS: u32 = 100;
/// The number of names that are tried for a temporary file.
const NAMES_MAX: u32 = 1000;
/// The bytes of a part that wait in memory.
const BUFFER_BYTES: usize = 1 << 16;

/// One part.
pub(crate) struct HistoryPart {
    file: File,
    output: Option<Output>,
    text: String,
    /// The length of its lines, before compression.
    pub(crate) bytes: u64,
    pub(crate) operations: u64,
}

/// All parts.
pub(crate) struct HistoryParts {
    parts: Vec<HistoryPart>,
    /// The first operations of each function, as lines.
    sample: String,
    sampled: HashMap<String, u32>,
    /// The processes whose open operation is in the sample.
    open: HashSet<String>,
    /// The names of clients that have one instead of a number.
    clients: BTreeSet<String>,
    pub(crate) events: u64,
    pub(crate) operations: u64,
}

impl HistoryParts {
    /// Opens the files of `count` parts in a folder. The error is worded for the user.
    pub(crate) fn create(folder: &Path, count: usize) -> Result<Self, String> {
        let parts = (0..count).map(|_| HistoryPart::create(folder)).collect::<io::Result<_>>();
        let parts = parts.map_err(|why| {
            format!(
                "failed to create temporary files in {}: {why}. Pass another folder to --spill",
                folder.display()
            )
        })?;
        Ok(Self {
            parts,
            sample: String::new(),
            sampled: HashMap::new(),
            open: HashSet::new(),
            clients: BTreeSet::new(),
            events: 0,
            operations: 0,
        })
    }

    /// Adds an event to the part of its object. Events of actors belong to no object, and no level depends on them.
    pub(crate) fn take_event(&mut self, event: StreamEvent<'_>) -> Result<(), String> {
        self.events += 1;
        let StreamEvent { part: history, event, position, index } = event;
        let (Event::Invoke(id) | Event::Complete(id)) = event else { return Ok(()) };
        let place = place_of_key(history, history.key(id), self.parts.len());
        let part = &mut self.parts[place];
        let start = part.text.len();
        push_event_line(history, event, position, index, &mut part.text);
        let is_invocation = matches!(event, Event::Invoke(_));
        if is_in_sample(&mut self.sampled, &mut self.open, history, id, is_invocation) {
            self.sample.push_str(&part.text[start..]);
        }
        if is_invocation {
            (self.operations, part.operations) = (self.operations + 1, part.operations + 1);
            if let Some(label) = history.process_label(history.process(id))
                && !self.clients.contains(label)
            {
                self.clients.insert(label.to_owned());
            }
        }
        part.bytes += (part.text.len() - start) as u64;
        part.write_if_full().map_err(|why| format!("failed to write a temporary file: {why}"))
    }

    /// Ends all parts. `header` is that of the whole history.
    pub(crate) fn finish(self, header: Option<&str>) -> Result<FinishedParts, String> {
        let header = header_of_parts(header, &self.clients)?;
        let sample = from_text(Format::Native, &format!("{header}{}", self.sample))
            .map_err(|why| format!("internal error: what was read cannot be read again: {why}"))?;
        let parts = self.parts.into_iter().map(HistoryPart::finish).collect::<io::Result<_>>();
        let parts = parts.map_err(|why| format!("failed to write a temporary file: {why}"))?;
        Ok(FinishedParts { parts, header, sample, events: self.events, operations: self.operations })
    }
}

/// Parts that can be read.
pub(crate) struct FinishedParts {
    pub(crate) parts: Vec<HistoryPart>,
    header: String,
    /// A history of the first operations of each function.
    pub(crate) sample: History,
    pub(crate) events: u64,
    pub(crate) operations: u64,
}

impl FinishedParts {
    /// The input of a part.
    pub(crate) fn input(&self, part: &HistoryPart, name: &str) -> io::Result<Input> {
        let mut file = part.file.try_clone()?;
        file.rewind()?;
        let lines = open_decompressed(Input::Reader(name.to_owned(), Box::new(file)))?;
        let header = Cursor::new(self.header.clone().into_bytes());
        Ok(Input::Reader(name.to_owned(), Box::new(header.chain(lines))))
    }
}

impl HistoryPart {
    fn create(folder: &Path) -> io::Result<Self> {
        let file = create_nameless_file(folder)?;
        let output = Some(Output::compressed(file.try_clone()?)?);
        Ok(Self { file, output, text: String::new(), bytes: 0, operations: 0 })
    }

    fn write_if_full(&mut self) -> io::Result<()> {
        if self.text.len() >= BUFFER_BYTES
            && let Some(output) = &mut self.output
        {
            output.write_all(self.text.as_bytes())?;
            self.text.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<Self> {
        if let Some(mut output) = self.output.take() {
            output.write_all(std::mem::take(&mut self.text).as_bytes())?;
            output.finish()?;
        }
        Ok(self)
    }
}

/// Creates a file and takes its name away.
fn create_nameless_file(folder: &Path) -> io::Result<File> {
    for number in 0..NAMES_MAX {
        let path = folder.join(format!(".steadfast-{}-{number}.part", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => return std::fs::remove_file(&path).map(|()| file),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => return Err(why),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The part of an object.
fn place_of_key(history: &History, key: KeyId, parts: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    history.keys.text(key).hash(&mut hasher);
    (hasher.finish() % parts as u64) as usize
}

/// Whether an event belongs to the sample: to the first operations of its function.
fn is_in_sample(
    sampled: &mut HashMap<String, u32>,
    open: &mut HashSet<String>,
    history: &History,
    id: OpId,
    is_invocation: bool,
) -> bool {
    if !is_invocation {
        return !open.is_empty() && open.remove(&*history.process_text(history.process(id)));
    }
    let name = match history.function(id) {
        // What transactions are about can change from one to the next.
        Function::TXN => "txn",
        _ => history.written_function_name(id),
    };
    let count = match sampled.get_mut(name) {
        Some(count) => count,
        None => sampled.entry(name.to_owned()).or_default(),
    };
    *count += 1;
    let is_first = *count <= SAMPLE_OPERATIONS;
    if is_first {
        open.insert(history.process_text(history.process(id)).into_owned());
    }
    is_first
}

/// The first line of each part: the header of the history, with the clients that have a name.
fn header_of_parts(header: Option<&str>, clients: &BTreeSet<String>) -> Result<String, String> {
    // A header that was lost would take with it what it says of real time.
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(header.unwrap_or("{}"))
        .map_err(|why| format!("internal error: the header cannot be read again: {why}"))?;
    let raw = |json: String| RawValue::from_string(json).expect("it is JSON");
    fields.entry("steadfast".to_owned()).or_insert_with(|| raw("1".to_owned()));
    if !clients.is_empty() {
        let clients = serde_json::to_string(clients).expect("names can be written");
        fields.insert("clients".to_owned(), raw(clients));
    }
    Ok(serde_json::to_string(&fields).expect("JSON can be written") + "\n")
}
