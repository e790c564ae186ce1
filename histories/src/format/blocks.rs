//! Cuts a stream of bytes into blocks that can be parsed independently.
//!
//! Parallel parsing needs pieces that do not end in the middle of an event. For formats with one event per line, the
//! cut is after the last newline, which is found from the end at no cost. If one JSON array or one EDN vector holds
//! everything, brackets have to be counted from the start, outside of strings and comments. That pass is sequential but
//! does nothing else. Memory is bounded by the number of blocks in flight: a block exceeds its size only for an event
//! that is longer, and only up to [`EVENT_BYTES_MAX`].

use super::datum::Flaw;
use super::edn::begins_vector_event;
use std::io::{self, Read};

/// The maximum length of an event. A transaction that reads a million elements takes 8 MB.
pub(super) const EVENT_BYTES_MAX: usize = 16 << 20;

/// The maximum amount of blank text in a file. A compressed file of 98 KB can hold gigabytes of blank lines.
pub(super) const BLANK_BYTES_MAX: u64 = 256 << 20;

/// Where the text of a format may be cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockCut {
    /// After any newline.
    Lines,
    /// After a bracket that closes an event, outside of JSON strings.
    Json,
    /// After a bracket that closes an event, outside of EDN strings, comments and characters, and not between a tag and
    /// its form.
    Edn,
}

/// A piece of a file that ends at the end of an event.
pub(super) struct TextBlock {
    pub(super) bytes: Vec<u8>,
    pub(super) first: bool,
    /// Whether it is the last block.
    pub(super) last: bool,
    /// Whether it is the beginning of an event that is too long. The rest of that event was skipped.
    pub(super) oversize: bool,
}

impl TextBlock {
    /// The flaw of an oversize block.
    pub(super) fn oversize_flaw(&self) -> Flaw {
        let limit = format!("an event of at most {} MiB", EVENT_BYTES_MAX >> 20);
        Flaw::new(0, "an event that goes on and on", limit)
    }
}

/// Reads the blocks of a stream.
pub(super) struct BlockReader<R> {
    reader: R,
    cut: BlockCut,
    size: usize,
    rest: Vec<u8>,
    first: bool,
    ended: bool,
    /// The number of bytes of blank blocks so far.
    blank: u64,
}

impl<R: Read> BlockReader<R> {
    /// Reads blocks of about `size` bytes. They begin with `head`, which was read already.
    pub(super) fn new(reader: R, cut: BlockCut, size: usize, head: Vec<u8>) -> Self {
        Self { reader, cut, size: size.max(1), rest: head, first: true, ended: false, blank: 0 }
    }

    /// The next block; none at the end.
    pub(super) fn next_block(&mut self) -> io::Result<Option<TextBlock>> {
        let block = self.cut_next_block()?;
        // Fast: a block with content usually shows it in its first bytes.
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

    /// Reads until `bytes` has the length `wanted`, or to the end of the stream. The buffer is zeroed once and filled
    /// by reads as long as possible.
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

    /// Skips an event that is too long, up to the end of its line.
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
        // The skipped newline must still count as a line.
        bytes.push(b'\n');
        Ok(TextBlock { oversize: true, ..self.make_block(bytes) })
    }
}

impl BlockCut {
    /// The length of the longest prefix that ends at the end of an event, if there is one.
    fn find_cut(self, bytes: &[u8]) -> Option<usize> {
        match self {
            BlockCut::Lines => memchr::memrchr(b'\n', bytes).map(|newline| newline + 1),
            BlockCut::Json => last_event_end(bytes, false),
            BlockCut::Edn => last_event_end(bytes, true),
        }
    }
}

/// Finds the end of the last event by counting brackets. Square and round brackets outside of any event are the ones
/// around events.
fn last_event_end(bytes: &[u8], edn: bool) -> Option<usize> {
    let (mut at, mut depth, mut end) = (0, 0_usize, None);
    // `#tag`, `#_` and `^` must be in one block with the form that follows them.
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

/// The end of the string that began before `at`, or the end of the bytes if it is not closed.
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
