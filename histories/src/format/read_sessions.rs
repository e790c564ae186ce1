//! Reads formats whose lines record what each session did, as a stream: Plume's text and AWDIT's.
//!
//! As with events, one thread collects what the others have parsed, and only a few blocks of text are in memory at a
//! time.

use super::blocks::{Block, Blocks};
use super::datum::Flaw;
use super::gathering::Gathering;
use super::places::Places;
use super::stream::stream;
use super::{Format, awdit, plume};
use crate::format::Loaded;
use crate::{Problem, Problems};
use std::io::{self, Read};
use std::sync::Arc;

/// Reads a file with a name for messages, and keeps at most `problems_max` of its problems. The outer error is that of
/// the reader.
pub(super) fn read<R: Read + Send>(
    format: Format,
    blocks: Blocks<R>,
    (file, problems_max): (Arc<str>, usize),
    progress: &dyn Fn(),
) -> io::Result<Result<Loaded, Problems>> {
    let mut wrong = Wrong::new(file, problems_max);
    let kept = wrong.max;
    let gathering = if format == Format::Plume {
        let mut sorter = plume::Sorter::default();
        let parse = |block| Parsed::new(block, kept, |block, flaw| plume::read(block, flaw));
        let add = |mut parsed: Parsed<plume::Lines>| {
            // Flaws of transactions are found after those of lines and may lie before them, so they get room of their
            // own.
            parsed.flaws.room = kept;
            sorter.add(&parsed.said, |flaw| parsed.flaws.add(flaw));
            wrong.add(&parsed.block.bytes, parsed.flaws);
        };
        stream(blocks, parse, add, progress)?;
        sorter.gathering
    } else {
        let mut sorter = awdit::Sorter::default();
        let parse = |block| Parsed::new(block, kept, |block, flaw| awdit::read(block, flaw));
        let add = |parsed: Parsed<awdit::Steps>| {
            sorter.add(&parsed.said);
            wrong.add(&parsed.block.bytes, parsed.flaws);
        };
        stream(blocks, parse, add, progress)?;
        sorter.gathering
    };
    Ok(wrong.finish(|| loaded(gathering, format)))
}

fn loaded(mut gathering: Gathering, format: Format) -> Loaded {
    gathering.settle();
    let remarks = gathering.remarks(format.name());
    Loaded {
        history: gathering.history(format.name(), ""),
        format,
        dropped: None,
        remarks,
        independent: false,
    }
}

/// The content of a block, and what is wrong with it.
struct Parsed<S> {
    block: Block,
    said: S,
    flaws: Flaws,
}

impl<S: Default> Parsed<S> {
    fn new(block: Block, kept: usize, read: impl FnOnce(&Block, &mut dyn FnMut(Flaw)) -> S) -> Self {
        let mut flaws = Flaws { list: Vec::new(), room: kept, more: 0 };
        if block.oversize {
            flaws.add(block.oversized());
            return Self { block, said: S::default(), flaws };
        }
        let said = read(&block, &mut |flaw| flaws.add(flaw));
        Self { block, said, flaws }
    }
}

/// The flaws of a block: the first few, and the number of the others.
struct Flaws {
    list: Vec<Flaw>,
    room: usize,
    more: u64,
}

impl Flaws {
    fn add(&mut self, flaw: Flaw) {
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
struct Wrong {
    places: Places,
    list: Vec<Problem>,
    max: usize,
    more: u64,
}

impl Wrong {
    fn new(file: Arc<str>, max: usize) -> Self {
        Self { places: Places::new(file), list: Vec::new(), max: max.max(1), more: 0 }
    }

    /// Adds the flaws of the next block.
    fn add(&mut self, bytes: &[u8], mut flaws: Flaws) {
        self.more += flaws.more;
        flaws.list.sort_by_key(|flaw| flaw.at);
        for flaw in flaws.list {
            if self.list.len() < self.max {
                self.list.push(self.places.problem(bytes, flaw));
            } else {
                self.more += 1;
            }
        }
        self.places.pass(bytes);
    }

    fn finish(self, loaded: impl FnOnce() -> Loaded) -> Result<Loaded, Problems> {
        if self.list.is_empty() { Ok(loaded()) } else { Err(Problems { list: self.list, more: self.more }) }
    }
}
