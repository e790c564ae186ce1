//! Reads formats whose lines record what each session did, as a stream: Plume's text and AWDIT's.
//!
//! As with events, one thread collects what the others have parsed, and only a few blocks of text are in memory at a
//! time.

use super::blocks::{BlockReader, TextBlock};
use super::datum::Flaw;
use super::gathering::Gathering;
use super::places::FilePosition;
use super::stream::stream_blocks;
use super::{Format, awdit, plume};
use crate::format::Loaded;
use crate::{Problem, Problems};
use std::io::{self, Read};
use std::sync::Arc;

/// Reads a file with a name for messages, and keeps at most `problems_max` of its problems. The outer error is that of
/// the reader.
pub(super) fn read_session_lines<R: Read + Send>(
    format: Format,
    blocks: BlockReader<R>,
    (file, problems_max): (Arc<str>, usize),
    progress: &dyn Fn(),
) -> io::Result<Result<Loaded, Problems>> {
    let mut wrong = FileProblems::new(file, problems_max);
    let kept = wrong.max;
    let gathering = if format == Format::Plume {
        let mut sorter = plume::PlumeSorter::default();
        let parse = |block| ParsedBlock::new(block, kept, |block, flaw| plume::parse_lines(block, flaw));
        let add = |mut parsed: ParsedBlock<plume::PlumeLines>| {
            // Flaws of transactions are found after those of lines and may lie before them, so they get room of their
            // own.
            parsed.flaws.room = kept;
            sorter.add_lines(&parsed.said, |flaw| parsed.flaws.push_flaw(flaw));
            wrong.add_block(&parsed.block.bytes, parsed.flaws);
        };
        stream_blocks(blocks, parse, add, progress)?;
        sorter.gathering
    } else {
        let mut sorter = awdit::AwditSorter::default();
        let parse = |block| ParsedBlock::new(block, kept, |block, flaw| awdit::parse_steps(block, flaw));
        let add = |parsed: ParsedBlock<awdit::AwditSteps>| {
            sorter.add_steps(&parsed.said);
            wrong.add_block(&parsed.block.bytes, parsed.flaws);
        };
        stream_blocks(blocks, parse, add, progress)?;
        sorter.gathering
    };
    Ok(wrong.into_result(|| load_gathering(gathering, format)))
}

fn load_gathering(mut gathering: Gathering, format: Format) -> Loaded {
    gathering.detect_initial_state();
    let remarks = gathering.remarks(format.name());
    Loaded {
        history: gathering.into_history(format.name(), ""),
        format,
        dropped: None,
        remarks,
        independent: false,
    }
}

/// The content of a block, and what is wrong with it.
struct ParsedBlock<S> {
    block: TextBlock,
    said: S,
    flaws: KeptFlaws,
}

impl<S: Default> ParsedBlock<S> {
    fn new(block: TextBlock, kept: usize, read: impl FnOnce(&TextBlock, &mut dyn FnMut(Flaw)) -> S) -> Self {
        let mut flaws = KeptFlaws { list: Vec::new(), room: kept, more: 0 };
        if block.oversize {
            flaws.push_flaw(block.oversize_flaw());
            return Self { block, said: S::default(), flaws };
        }
        let said = read(&block, &mut |flaw| flaws.push_flaw(flaw));
        Self { block, said, flaws }
    }
}

/// The flaws of a block: the first few, and the number of the others.
struct KeptFlaws {
    list: Vec<Flaw>,
    room: usize,
    more: u64,
}

impl KeptFlaws {
    fn push_flaw(&mut self, flaw: Flaw) {
        match self.room.checked_sub(1) {
            Some(room) => {
                self.room = room;
                self.list.push(flaw);
            }
            None => self.more += 1,
        }
    }
}

/// The problems of a file.
struct FileProblems {
    places: FilePosition,
    list: Vec<Problem>,
    max: usize,
    more: u64,
}

impl FileProblems {
    fn new(file: Arc<str>, max: usize) -> Self {
        Self { places: FilePosition::new(file), list: Vec::new(), max: max.max(1), more: 0 }
    }

    /// Adds the flaws of the next block.
    fn add_block(&mut self, bytes: &[u8], mut flaws: KeptFlaws) {
        self.more += flaws.more;
        flaws.list.sort_by_key(|flaw| flaw.at);
        for flaw in flaws.list {
            if self.list.len() < self.max {
                self.list.push(self.places.problem_in_block(bytes, flaw));
            } else {
                self.more += 1;
            }
        }
        self.places.advance_past(bytes, None);
    }

    fn into_result(self, loaded: impl FnOnce() -> Loaded) -> Result<Loaded, Problems> {
        if self.list.is_empty() { Ok(loaded()) } else { Err(Problems { list: self.list, more: self.more }) }
    }
}
