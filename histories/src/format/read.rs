//! The entry points that read a history: finds the file, recognises its format and calls the reader of the format.

use super::blocks::{BlockCut, BlockReader, TextBlock};
use super::chunk::{Chunk, LocalId, SpareChunks};
#[cfg(feature = "parquet")]
use super::columns;
use super::event::{EventRules, StringProcesses};
use super::folder::{self, HistoryFolder};
use super::gathering::Gathering;
use super::input::{OpenInput, open_input};
use super::loaded::{Loaded, ReadOptions, load_merged};
use super::merge::ChunkMerger;
use super::merge_settings::{HistoryExtent, MergeSettings, MergedHistory};
use super::stream::stream_blocks;
use super::{Format, Input, by_session, dbcop, edn, jepsen_json, lines, read_sessions, s2, whole};
use crate::{History, Problem, Problems};
use std::io::{self, Read};
#[cfg(feature = "parquet")]
use std::path::PathBuf;
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

/// Some lines of a stream as a history of their own.
#[derive(Debug)]
pub struct StreamPart {
    /// The operations. An operation that was invoked in an earlier part must be in this one as well.
    pub history: History,
    /// The number of events without an index.
    pub unnumbered: u64,
}

/// Reads native lines of a stream. Other lines come before or after them, so nothing is decided that only all events
/// together can tell: whether the history is independent, or has no invocations, or is numbered anew. Only if the lines
/// are the beginning of the stream up to its first invocation, that invocation is searched for misspelt fields.
///
/// # Errors
/// All problems of the lines. The first line is line 1.
pub fn read_stream_part(text: &str, is_beginning: bool) -> Result<StreamPart, Problems> {
    let options = ReadOptions::default();
    let mut merge = ChunkMerger::new(MergeSettings {
        file: Arc::from("text"),
        lenient: false,
        lone_completions: false,
        extent: if is_beginning { HistoryExtent::Beginning } else { HistoryExtent::Later },
        problems_max: options.problems_max,
    });
    let parser = BlockParser { format: Format::Native, independent: false };
    let blocks = BlockReader::new(text.as_bytes(), BlockCut::Lines, options.block_bytes, Vec::new());
    if let Err(error) = parser.merge_blocks(blocks, &mut merge, &|| {}) {
        merge.add_file_problem(folder::describe_io_error(&error), "");
    }
    let MergedHistory { history, flat, unnumbered, .. } = merge.finish()?;
    flat.map_or(Ok(StreamPart { history, unnumbered }), Err)
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
    let (input, found) = match locate_history(input) {
        Ok(HistorySource::Input(input, remark)) => (input, remark),
        Ok(HistorySource::Sessions(name, sessions)) => return whole::read_cobra(&name, &sessions, options),
        Err(problems) => return Err(problems),
    };
    let mut loaded = read_input(input, options, progress)?;
    loaded.remarks.extend(found);
    Ok(loaded)
}

/// The place where a history was found.
enum HistorySource {
    /// In a file or stream, with a remark if it was found in a folder.
    Input(Input, Option<String>),
    /// In a folder of this name, with one file per session.
    Sessions(String, Vec<(i64, std::path::PathBuf)>),
}

fn locate_history(input: Input) -> Result<HistorySource, Problems> {
    let Input::Path(path) = input else { return Ok(HistorySource::Input(input, None)) };
    if !path.is_dir() {
        return Ok(HistorySource::Input(Input::Path(path), None));
    }
    match folder::find_history(&path) {
        Ok(HistoryFolder::File(file)) => {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let remark = format!("{} is a folder: its {name} was read", path.display());
            Ok(HistorySource::Input(Input::Path(file), Some(remark)))
        }
        Ok(HistoryFolder::Sessions(sessions)) => {
            Ok(HistorySource::Sessions(path.display().to_string(), sessions))
        }
        Err(found) => {
            let file = Arc::from(path.display().to_string());
            let problem = Problem { file, line: 0, column: 0, found, expected: String::new() };
            Err(Problems { list: vec![problem], more: 0 })
        }
    }
}

fn read_input(input: Input, options: &ReadOptions, progress: &dyn Fn(u64, u64)) -> Result<Loaded, Problems> {
    let name = input.name();
    #[cfg(feature = "parquet")]
    let path = match &input {
        Input::Path(path) => Some(path.clone()),
        Input::Stdin | Input::Bytes(..) | Input::Reader(..) => None,
    };
    let mut merge = ChunkMerger::new(MergeSettings {
        file: Arc::from(name.as_str()),
        lenient: options.lenient,
        lone_completions: options.lone_completions,
        extent: HistoryExtent::Whole,
        problems_max: options.problems_max,
    });
    let unreadable = |mut merge: ChunkMerger, error: io::Error| {
        let found = match error.kind() {
            // The message of such an error is already a statement about the file.
            io::ErrorKind::InvalidData => folder::describe_io_error(&error),
            _ => format!("cannot be read: {}", folder::describe_io_error(&error)),
        };
        merge.add_file_problem(found, "");
        merge.finish().err().expect("a problem was added")
    };
    let OpenInput { mut reader, done, total } = match open_input(input, options.stop.clone()) {
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
        merge.add_file_problem(found, "");
        return Err(merge.finish().err().expect("a problem was added"));
    };
    if let Some((found, expected)) = refusal(format, options) {
        merge.add_file_problem(found, expected);
        return Err(merge.finish().err().expect("a problem was added"));
    }
    if format.is_read_whole() {
        return match read_all_bytes(reader, head) {
            Ok(bytes) => whole::read_whole_file(format, &bytes, options, merge),
            Err(error) => Err(unreadable(merge, error)),
        };
    }
    if format == Format::Parquet {
        #[cfg(feature = "parquet")]
        return match parquet_source(path, reader, head) {
            Ok(source) => columns::read_parquet(&name, source, options, progress),
            Err(error) => Err(unreadable(merge, error)),
        };
        #[cfg(not(feature = "parquet"))]
        return Err(unreadable(merge, super::input::not_built("parquet")));
    }
    let progress = || progress(done.load(Ordering::Relaxed), total);
    if format == Format::Dbcop {
        return match read_all_bytes(reader, head) {
            Ok(bytes) => load_dbcop(&name, &bytes, options.problems_max),
            Err(error) => Err(unreadable(merge, error)),
        };
    }
    if format.is_by_session() {
        let blocks = BlockReader::new(reader, BlockCut::Lines, options.block_bytes, head);
        let read = read_sessions::read_session_lines(
            format,
            blocks,
            (Arc::from(name), options.problems_max),
            &progress,
        );
        return read.unwrap_or_else(|error| Err(unreadable(merge, error)));
    }
    let parser = BlockParser { format, independent: options.independent };
    let blocks = BlockReader::new(reader, parser.block_cut(), options.block_bytes, head);
    if let Err(error) = parser.merge_blocks(blocks, &mut merge, &progress) {
        return Err(unreadable(merge, error));
    }
    load_merged(merge, format, options)
}

/// Why a file of this format cannot be read with these options: what was found, and what was expected. If the second is empty,
/// the first is the whole sentence.
fn refusal(format: Format, options: &ReadOptions) -> Option<(String, &'static str)> {
    let name = format.name();
    if options.keys.is_some() && format != Format::Parquet {
        let found =
            format!("is in the format {name}, and keys are selected in Parquet only. Convert it first.");
        return Some((found, ""));
    }
    if format == Format::Cobra {
        return Some(("is a file. Cobra's logs are a folder: pass that.".to_owned(), ""));
    }
    (format.is_by_session() && options.independent)
        .then(|| (format!("{name} with --independent"), "a format whose values are [key, value]"))
}

const HEAD_BYTES: u64 = 1 << 14;

/// Some editors put it at the beginning of a UTF-8 file. It has no meaning.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads all bytes, for formats in which related parts can be far apart.
fn read_all_bytes(reader: impl Read, mut head: Vec<u8>) -> io::Result<Vec<u8>> {
    reader.take(whole::BYTES_MAX).read_to_end(&mut head)?;
    if head.len() as u64 > whole::BYTES_MAX {
        let why = "is larger than a gigabyte; a file of this format is read whole, so split it";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(head)
}

/// The source of the bytes of a Parquet file: the file itself, or memory if the file is compressed as a whole.
#[cfg(feature = "parquet")]
fn parquet_source(
    path: Option<PathBuf>,
    reader: impl Read,
    head: Vec<u8>,
) -> io::Result<columns::ParquetSource> {
    let begins = |path: &PathBuf| -> io::Result<bool> {
        let mut first = Vec::new();
        std::fs::File::open(path)?.take(head.len() as u64).read_to_end(&mut first)?;
        Ok(first == head)
    };
    match path {
        Some(path) if begins(&path)? => Ok(columns::ParquetSource::File(path)),
        _ => read_all_bytes(reader, head).map(columns::ParquetSource::Memory),
    }
}

/// Reads the history of a file of dbcop.
fn load_dbcop(name: &str, bytes: &[u8], problems_max: usize) -> Result<Loaded, Problems> {
    let told = dbcop::read_dbcop(bytes).map_err(|flaws| {
        let text =
            (dbcop::DbcopEncoding::detect_encoding(bytes) == dbcop::DbcopEncoding::Json).then_some(bytes);
        by_session::place_flaws(&Arc::from(name), text, flaws, problems_max)
    })?;
    let (format, gathering) = (Format::Dbcop, Gathering::from_sessions(&told));
    let remarks = gathering.remarks(format.name());
    let history = gathering.into_history(format.name(), &told.about);
    Ok(Loaded { history, format, dropped: None, remarks, independent: false })
}

/// Parses the blocks of a format.
#[derive(Clone, Copy)]
struct BlockParser {
    format: Format,
    independent: bool,
}

impl BlockParser {
    /// Parses all blocks, and adds them in their order.
    fn merge_blocks<R: Read + Send>(
        self,
        blocks: BlockReader<R>,
        merge: &mut ChunkMerger,
        progress: &dyn Fn(),
    ) -> io::Result<()> {
        let spare = SpareChunks::default();
        let parse = |block| self.parse_block(block, spare.take_chunk());
        let add = |(block, mut chunk): (TextBlock, Chunk)| {
            merge.add_chunk(&block.bytes, &mut chunk);
            spare.keep_chunk(chunk);
        };
        stream_blocks(blocks, parse, add, progress)
    }

    fn block_cut(self) -> BlockCut {
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
            | Format::Cobra
            | Format::Parquet => BlockCut::Lines,
            Format::JepsenJson => BlockCut::Json,
            Format::Edn | Format::PorcupineKv => BlockCut::Edn,
        }
    }

    /// Parses a block into an empty chunk.
    fn parse_block(self, block: TextBlock, mut chunk: Chunk) -> (TextBlock, Chunk) {
        let process_required = !matches!(self.format, Format::Edn | Format::JepsenJson);
        let rules = EventRules {
            independent: self.independent,
            process_required,
            strings: StringProcesses::Recognised,
        };
        if block.oversize {
            chunk.add_broken_event(0, LocalId::ABSENT, [block.oversize_flaw()]);
            return (block, chunk);
        }
        match self.format {
            Format::Native => lines::read_native_lines(&mut chunk, &block, rules),
            Format::PorcupineEtcd => lines::read_jepsen_log(&mut chunk, &block, rules),
            Format::JepsenText => lines::read_history_text(&mut chunk, &block, rules),
            Format::S2 => s2::read_s2_lines(
                &mut chunk,
                &block,
                EventRules { strings: StringProcesses::Clients, ..rules },
            ),
            Format::JepsenJson => jepsen_json::read_block(&mut chunk, &block.bytes, rules),
            Format::Edn | Format::PorcupineKv => edn::read_block(&mut chunk, &block.bytes, rules),
            Format::Otlp
            | Format::Plume
            | Format::Awdit
            | Format::Dbcop
            | Format::PorcupineJson
            | Format::Csv
            | Format::Chronos
            | Format::Cobra
            | Format::Parquet => unreachable!("they are no events, one after another"),
        }
        (block, chunk)
    }
}
