//! A stream of bytes, cut into blocks that can be parsed apart from each other.
//!
//! Parsing in parallel needs pieces, and a piece must not end in the middle of an event. For formats of one
//! event a line the cut is after the last newline: found from the end, at no cost. Where one JSON array or one
//! EDN vector holds everything, brackets have to be counted from the start, outside of strings and comments;
//! that pass is sequential but does nothing else. Memory is bounded by the blocks in flight: a block grows
//! beyond its size only for an event that is longer, and only to [`EVENT_BYTES_MAX`].

use super::datum::Flaw;
use super::edn::begins_vector_event;
use std::io::{self, Read};

/// No event is longer than this; a transaction that reads a million elements takes 8 MB.
pub(super) const EVENT_BYTES_MAX: usize = 16 << 20;

/// No more blank text than this is passed over. A compressed file of 98 KB can hold gigabytes of blank lines, and
/// nothing else.
pub(super) const BLANK_BYTES_MAX: u64 = 256 << 20;

/// How a format may be cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockCut {
    /// After any newline.
    Lines,
    /// After a bracket that closes an event, strings and JSON's escapes minded.
    Json,
    /// The same for EDN, which has comments, characters and tags too.
    Edn,
}

/// A piece of a file that ends where an event ends.
pub(super) struct TextBlock {
    pub(super) bytes: Vec<u8>,
    pub(super) first: bool,
    /// Nothing follows it.
    pub(super) last: bool,
    /// It is the beginning of an event that is longer than any may be; the rest of it was passed over.
    pub(super) oversize: bool,
}

impl TextBlock {
    /// What is wrong with one that is oversize.
    pub(super) fn oversize_flaw(&self) -> Flaw {
        let limit = format!("an event of at most {} MiB", EVENT_BYTES_MAX >> 20);
        Flaw::new(0, "an event that goes on and on", limit)
    }
}

/// Reads blocks.
pub(super) struct BlockReader<R> {
    reader: R,
    cut: BlockCut,
    size: usize,
    rest: Vec<u8>,
    first: bool,
    ended: bool,
    /// Bytes of the blocks so far that hold nothing but space.
    blank: u64,
}

impl<R: Read> BlockReader<R> {
    /// Blocks of about `size` bytes, beginning with `head`, which was read already.
    pub(super) fn new(reader: R, cut: BlockCut, size: usize, head: Vec<u8>) -> Self {
        Self { reader, cut, size: size.max(1), rest: head, first: true, ended: false, blank: 0 }
    }

    /// The next block, or none.
    pub(super) fn next_block(&mut self) -> io::Result<Option<TextBlock>> {
        let block = self.cut_next_block()?;
        // A block that says something shows it in its first bytes.
        let blank = |block: &TextBlock| block.bytes.iter().all(u8::is_ascii_whitespace);
        if let Some(block) = block.as_ref().filter(|block| blank(block)) {
            self.blank += block.bytes.len() as u64;
            if self.blank > BLANK_BYTES_MAX {
                let limit = BLANK_BYTES_MAX >> 20;
                let why = format!("has more than {limit} MiB of blank lines; remove them");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        Ok(block)
    }

    fn cut_next_block(&mut self) -> io::Result<Option<TextBlock>> {
        if self.ended && self.rest.is_empty() {
            return Ok(None);
        }
        let mut bytes = std::mem::take(&mut self.rest);
        let mut wanted = self.size;
        loop {
            self.fill_to(&mut bytes, wanted)?;
            if self.ended {
                return Ok(Some(self.make_block(bytes)));
            }
            if let Some(end) = self.cut.find_cut(&bytes) {
                self.rest = bytes[end..].to_vec();
                bytes.truncate(end);
                return Ok(Some(self.make_block(bytes)));
            }
            if bytes.len() > EVENT_BYTES_MAX {
                return self.skip_oversize_event(bytes).map(Some);
            }
            wanted = (bytes.len() * 2).min(EVENT_BYTES_MAX + 1);
        }
    }

    fn make_block(&mut self, bytes: Vec<u8>) -> TextBlock {
        let first = std::mem::replace(&mut self.first, false);
        TextBlock { bytes, first, last: self.ended && self.rest.is_empty(), oversize: false }
    }

    /// Reads to a length, or to the end. Into room that is zeroed once, in reads as long as they can be.
    fn fill_to(&mut self, bytes: &mut Vec<u8>, wanted: usize) -> io::Result<()> {
        let mut filled = bytes.len();
        if wanted > filled {
            bytes.reserve_exact(wanted - filled);
            bytes.resize(wanted, 0);
        }
        while filled < bytes.len() {
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.ended = filled < wanted;
        bytes.truncate(filled);
        Ok(())
    }

    /// Gives up an event that is too long: the rest of its line is not kept.
    fn skip_oversize_event(&mut self, mut bytes: Vec<u8>) -> io::Result<TextBlock> {
        let mut beyond = Vec::new();
        loop {
            self.fill_to(&mut beyond, 1 << 16)?;
            if let Some(newline) = memchr::memchr(b'\n', &beyond) {
                self.rest = beyond.split_off(newline + 1);
                break;
            }
            beyond.clear();
            if self.ended {
                break;
            }
        }
        // Its newlines still count.
        bytes.push(b'\n');
        Ok(TextBlock { oversize: true, ..self.make_block(bytes) })
    }
}

impl BlockCut {
    /// The length of the longest beginning that ends where an event ends, if there is one.
    fn find_cut(self, bytes: &[u8]) -> Option<usize> {
        match self {
            BlockCut::Lines => memchr::memrchr(b'\n', bytes).map(|newline| newline + 1),
            BlockCut::Json => last_event_end(bytes, false),
            BlockCut::Edn => last_event_end(bytes, true),
        }
    }
}

/// Counts brackets. Square and round ones outside of any event are the ones around events.
fn last_event_end(bytes: &[u8], edn: bool) -> Option<usize> {
    let (mut at, mut depth, mut end) = (0, 0_usize, None);
    // What `#tag`, `#_` and `^` are for must stay in their block.
    let (mut tagged, mut dropped) = (false, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' => depth += 1,
            b'(' | b')' if !edn => {}
            b'[' if edn && depth == 0 && begins_vector_event(bytes, at - 1) => depth = 1,
            b'[' | b'(' if depth > 0 => depth += 1,
            b'}' | b']' | b')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    tagged = false;
                    end = if dropped == 0 { Some(at) } else { end };
                    dropped = dropped.saturating_sub(1);
                }
            }
            b'\n' if depth == 0 && !tagged && dropped == 0 => end = Some(at),
            b';' if edn => match memchr::memchr(b'\n', &bytes[at..]) {
                Some(newline) => at += newline,
                None => return end,
            },
            b'\\' if edn => at += 1,
            b'#' | b'^' if edn && depth == 0 => match (byte, bytes.get(at)) {
                (b'^', _) | (b'#', Some(b'_')) => dropped += 1,
                _ => tagged = true,
            },
            _ => {}
        }
    }
    end
}

/// Where the string ends that began before `at`: the end of the bytes if they do not close it.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(step) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or(&[])) {
        at += step + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, cut: BlockCut, size: usize) -> Vec<String> {
        let mut blocks = BlockReader::new(text.as_bytes(), cut, size, Vec::new());
        std::iter::from_fn(|| {
            blocks.next_block().unwrap().map(|block| String::from_utf8(block.bytes).unwrap())
        })
        .collect()
    }

    #[test]
    fn lines_are_never_cut() {
        for size in 1..20 {
            let found = pieces("one\ntwo\n\nthree", BlockCut::Lines, size);
            assert_eq!(found.concat(), "one\ntwo\n\nthree");
            assert!(found[..found.len() - 1].iter().all(|piece| piece.ends_with('\n')), "{found:?}");
        }
    }

    #[test]
    fn events_are_never_cut() {
        let edn = "; [ {\n[{:a \"}\\\"{\" :b \\{} #op\n{:c [1 {2 3}]}\n {}]";
        for size in 1..50 {
            let found = pieces(edn, BlockCut::Edn, size);
            assert_eq!(found.concat(), edn);
            for piece in &found {
                let opened = piece.matches("{:").count();
                assert_eq!(piece.contains("#op"), piece.contains("{:c"), "{found:?}");
                assert!(opened == 0 || piece.trim_end().ends_with(['}', ']']), "{found:?}");
            }
        }
    }

    #[test]
    fn an_endless_line_is_passed_over() {
        let text = "a\n".to_owned() + &"x".repeat(EVENT_BYTES_MAX * 2) + "\nb\nc";
        let mut blocks = BlockReader::new(text.as_bytes(), BlockCut::Lines, 1 << 16, Vec::new());
        let (mut oversize, mut last) = (0, Vec::new());
        while let Some(block) = blocks.next_block().unwrap() {
            oversize += usize::from(block.oversize);
            last = block.bytes;
        }
        assert_eq!((oversize, last.as_slice()), (1, &b"b\nc"[..]));
    }
}
