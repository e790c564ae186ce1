//! The entry points that read a history: finds the file, recognises its format and calls the reader of the format.

use super::blocks::{Block, Blocks, Cut};
use super::chunk::{Chunk, Local};
use super::event::{Rules, Strings};
use super::folder::{self, Folder};
use super::gathering::Gathering;
use super::input::{Opened, open};
use super::loaded::{Loaded, ReadOptions, loaded};
use super::merge::{Merge, Settings};
use super::stream::stream;
use super::{Format, Input, by_session, dbcop, edn, jepsen_json, lines, read_sessions, s2, whole};
use crate::{History, Problem, Problems};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Reads a history from a text in memory; its name in problems is `text`. Otherwise it works like [`read`].
///
/// # Errors
/// All problems of the text, each with its line and column.
pub fn from_text(format: Format, text: &str) -> Result<History, Problems> {
    let options = ReadOptions { from: Some(format), ..ReadOptions::default() };
    let input = Input::Bytes("text".to_owned(), text.as_bytes().to_vec());
    read(input, &options, &|_, _| {}).map(|loaded| loaded.history)
}

/// Reads a history. O(bytes) time. Needs memory for the history and a few dozen blocks.
///
/// `progress` is called now and then with the number of bytes read so far and the total, both before decompression. The
/// total is 0 for a pipe. Runs in the current rayon pool.
///
/// # Errors
/// All problems of the input, up to [`ReadOptions::problems_max`]: it cannot be read, its format is not recognised, or
/// its content is not a history. There is no history then.
pub fn read(input: Input, options: &ReadOptions, progress: &dyn Fn(u64, u64)) -> Result<Loaded, Problems> {
    let (input, found) = match find_in_folder(input) {
        Ok(Found::Input(input, remark)) => (input, remark),
        Ok(Found::Sessions(name, sessions)) => return whole::read_cobra(&name, &sessions, options),
        Err(problems) => return Err(problems),
    };
    let mut loaded = read_input(input, options, progress)?;
    loaded.remarks.extend(found);
    Ok(loaded)
}

/// The place where a history was found.
enum Found {
    /// In a file or stream, with a remark if it was found in a folder.
    Input(Input, Option<String>),
    /// In a folder of this name, with one file per session.
    Sessions(String, Vec<(i64, std::path::PathBuf)>),
}

fn find_in_folder(input: Input) -> Result<Found, Problems> {
    let Input::Path(path) = input else { return Ok(Found::Input(input, None)) };
    if !path.is_dir() {
        return Ok(Found::Input(Input::Path(path), None));
    }
    match folder::find(&path) {
        Ok(Folder::File(file)) => {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let remark = format!("{} is a folder: its {name} was read", path.display());
            Ok(Found::Input(Input::Path(file), Some(remark)))
        }
        Ok(Folder::Sessions(sessions)) => Ok(Found::Sessions(path.display().to_string(), sessions)),
        Err(found) => {
            let file = Arc::from(path.display().to_string());
            let problem = Problem { file, line: 0, column: 0, found, expected: String::new() };
            Err(Problems { list: vec![problem], more: 0 })
        }
    }
}

fn read_input(input: Input, options: &ReadOptions, progress: &dyn Fn(u64, u64)) -> Result<Loaded, Problems> {
    let name = input.name();
    let mut merge = Merge::new(Settings {
        file: Arc::from(name.as_str()),
        lenient: options.lenient,
        lone_completions: options.lone_completions,
        problems_max: options.problems_max,
    });
    let unreadable = |mut merge: Merge, error: io::Error| {
        let found = match error.kind() {
            // The message of such an error is already a statement about the file.
            io::ErrorKind::InvalidData => folder::plain(&error),
            _ => format!("cannot be read: {}", folder::plain(&error)),
        };
        merge.whole_file(found, "");
        merge.finish().err().expect("a problem was added")
    };
    let Opened { mut reader, done, total } = match open(input) {
        Ok(opened) => opened,
        Err(error) => return Err(unreadable(merge, error)),
    };
    let mut head = Vec::new();
    if let Err(error) = (&mut reader).take(HEAD_BYTES).read_to_end(&mut head) {
        return Err(unreadable(merge, error));
    }
    if head.starts_with(BYTE_ORDER_MARK) {
        head.drain(..BYTE_ORDER_MARK.len());
    }
    let Some(format) = options.from.or_else(|| Format::recognise(&name, &head)) else {
        let names = Format::ALL.map(Format::name).join(", ");
        let found = format!("is in no format that is recognised. Name its format with --from: {names}.");
        merge.whole_file(found, "");
        return Err(merge.finish().err().expect("a problem was added"));
    };
    if format.is_read_whole() {
        return match read_whole(reader, head) {
            Ok(bytes) => whole::read(format, &bytes, options, merge),
            Err(error) => Err(unreadable(merge, error)),
        };
    }
    if format == Format::Cobra {
        merge.whole_file("is a file. Cobra's logs are a folder: pass that.".to_owned(), "");
        return Err(merge.finish().err().expect("a problem was added"));
    }
    if format.is_by_session() && options.independent {
        let found = format!("{} with --independent", format.name());
        merge.whole_file(found, "a format whose values are [key, value]");
        return Err(merge.finish().err().expect("a problem was added"));
    }
    let progress = || progress(done.load(Ordering::Relaxed), total);
    if format == Format::Dbcop {
        return match read_whole(reader, head) {
            Ok(bytes) => dbcops(&name, &bytes, options.problems_max),
            Err(error) => Err(unreadable(merge, error)),
        };
    }
    if format.is_by_session() {
        let blocks = Blocks::new(reader, Cut::Lines, options.block_bytes, head);
        let read = read_sessions::read(format, blocks, (Arc::from(name), options.problems_max), &progress);
        return read.unwrap_or_else(|error| Err(unreadable(merge, error)));
    }
    let parser = Parser { format, independent: options.independent };
    let blocks = Blocks::new(reader, parser.cut(), options.block_bytes, head);
    let add = |(block, chunk): (Block, Chunk)| merge.add(&block.bytes, chunk);
    if let Err(error) = stream(blocks, |block| parser.parse(block), add, &progress) {
        return Err(unreadable(merge, error));
    }
    loaded(merge, format, options)
}

const HEAD_BYTES: u64 = 1 << 14;

/// Some editors put it at the beginning of a UTF-8 file. It has no meaning.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads all bytes, for formats in which related parts can be far apart.
fn read_whole(reader: impl Read, mut head: Vec<u8>) -> io::Result<Vec<u8>> {
    reader.take(whole::BYTES_MAX).read_to_end(&mut head)?;
    if head.len() as u64 > whole::BYTES_MAX {
        let why = "is larger than a gigabyte; a file of this format is read whole, so split it";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(head)
}

/// Reads the history of a file of dbcop.
fn dbcops(name: &str, bytes: &[u8], problems_max: usize) -> Result<Loaded, Problems> {
    let told = dbcop::read(bytes).map_err(|flaws| {
        let text = (dbcop::Encoding::of(bytes) == dbcop::Encoding::Json).then_some(bytes);
        by_session::problems(&Arc::from(name), text, flaws, problems_max)
    })?;
    let (format, gathering) = (Format::Dbcop, Gathering::of(&told));
    let remarks = gathering.remarks(format.name());
    let history = gathering.history(format.name(), &told.about);
    Ok(Loaded { history, format, dropped: None, remarks, independent: false })
}

/// Parses the blocks of a format.
#[derive(Clone, Copy)]
struct Parser {
    format: Format,
    independent: bool,
}

impl Parser {
    fn cut(self) -> Cut {
        match self.format {
            Format::Native
            | Format::PorcupineEtcd
            | Format::JepsenText
            | Format::Otlp
            | Format::Plume
            | Format::Awdit
            | Format::Dbcop
            | Format::PorcupineJson
            | Format::Csv
            | Format::S2
            | Format::Chronos
            | Format::Cobra => Cut::Lines,
            Format::JepsenJson => Cut::Json,
            Format::Edn | Format::PorcupineKv => Cut::Edn,
        }
    }

    fn parse(self, block: Block) -> (Block, Chunk) {
        let process_required = !matches!(self.format, Format::Edn | Format::JepsenJson);
        let rules = Rules { independent: self.independent, process_required, strings: Strings::Recognised };
        let mut chunk = Chunk::default();
        if block.oversize {
            chunk.broken(0, Local::ABSENT, [block.oversized()]);
            return (block, chunk);
        }
        match self.format {
            Format::Native => lines::read_native(&mut chunk, &block, rules),
            Format::PorcupineEtcd => lines::read_log(&mut chunk, &block, rules),
            Format::JepsenText => lines::read_history_text(&mut chunk, &block, rules),
            Format::S2 => s2::read(&mut chunk, &block, Rules { strings: Strings::Clients, ..rules }),
            Format::JepsenJson => jepsen_json::read_block(&mut chunk, &block.bytes, rules),
            Format::Edn | Format::PorcupineKv => edn::read_block(&mut chunk, &block.bytes, rules),
            Format::Otlp
            | Format::Plume
            | Format::Awdit
            | Format::Dbcop
            | Format::PorcupineJson
            | Format::Csv
            | Format::Chronos
            | Format::Cobra => unreachable!("they are no events, one after another"),
        }
        (block, chunk)
    }
}
