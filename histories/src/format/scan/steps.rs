//! Scans the micro-operations of transactions: `[["r","x",[1,2]],["append","x",3]]`.
//!
//! Long lists are most of the text of a history of list transactions. A reader of an append-only list sees what the
//! reader before it saw, and perhaps more. So the text of a read is compared with that of the longest read of its key in
//! the block: where the texts are equal, so are the elements, and they are not scanned again. Comparing takes a fraction
//! of a nanosecond an element, scanning and interning about 20.

use super::cursor::{LineCursor, ScannedValue};
use crate::MicroKind;
use crate::format::chunk::{Chunk, LocalId, LocalMicro};
use rustc_hash::FxHashMap;

/// The longest read of each key in a text.
#[derive(Default)]
pub(super) struct ListTrunks {
    of_keys: FxHashMap<LocalId, ListTrunk>,
}

/// A read of a list.
#[derive(Clone, Copy)]
struct ListTrunk {
    list: LocalId,
    len: u32,
    /// Its text without the brackets, which ends with its last element.
    start: usize,
    end: usize,
    /// Whether all elements are numbers or words, so that each comma is between two of them.
    has_strings: bool,
}

/// Scans a list of micro-operations at the position of the cursor.
pub(super) fn scan_micros<'a>(
    chunk: &mut Chunk,
    cursor: &mut LineCursor<'a>,
    trunks: &mut ListTrunks,
) -> Option<ScannedValue<'a>> {
    let start = chunk.micros.len();
    let mut more = cursor.open_bracket(b'[', b']')?;
    while more {
        let micro = scan_micro(chunk, cursor, trunks)?;
        chunk.micros.push(micro);
        more = cursor.has_another(b']')?;
    }
    Some(ScannedValue::Micros { start: start as u32, len: (chunk.micros.len() - start) as u32 })
}

fn scan_micro(chunk: &mut Chunk, cursor: &mut LineCursor<'_>, trunks: &mut ListTrunks) -> Option<LocalMicro> {
    cursor.expect_byte(b'[')?;
    cursor.skip_spaces();
    let kind = match cursor.scan_name()? {
        "r" | "read" => MicroKind::Read,
        "w" | "write" => MicroKind::Write,
        "append" => MicroKind::Append,
        _ => return None,
    };
    cursor.expect_separator(b',')?;
    let key = chunk.keys.intern(cursor.scan_scalar()?.canonical_text()?);
    cursor.expect_separator(b',')?;
    let micro = if kind == MicroKind::Read && cursor.peek()? == b'[' {
        let (list, len) = trunks.scan_list(chunk, cursor, key)?;
        LocalMicro { kind: MicroKind::ReadList, key, value: list, len }
    } else {
        LocalMicro { kind, key, value: chunk.values.intern(cursor.scan_scalar()?.canonical_text()?), len: 0 }
    };
    cursor.skip_spaces();
    cursor.expect_byte(b']')?;
    Some(micro)
}

impl ListTrunks {
    /// Scans a list that was read of `key`. Returns a list of the chunk, and how many of its first elements were read.
    fn scan_list(
        &mut self,
        chunk: &mut Chunk,
        cursor: &mut LineCursor<'_>,
        key: LocalId,
    ) -> Option<(LocalId, u32)> {
        let has_elements = cursor.open_bracket(b'[', b']')?;
        let known = self.of_keys.get(&key).copied();
        if !has_elements {
            let list = known.map_or_else(|| chunk.lists.start_list(), |trunk| trunk.list);
            return Some((list, 0));
        }
        let start = cursor.at;
        let mut trunk = match known {
            Some(trunk) if trunk.scan_whole(cursor) => ListTrunk { start, end: cursor.at, ..trunk },
            known => {
                if let Some((trunk, len)) = known.and_then(|known| Some((known, known.scan_prefix(cursor)?)))
                {
                    return Some((trunk.list, len));
                }
                ListTrunk::scan_first(chunk, cursor)?
            }
        };
        if trunk.scan_rest(chunk, cursor).is_none() {
            // The list may have elements that the trunk does not count.
            self.of_keys.remove(&key);
            return None;
        }
        self.of_keys.insert(key, trunk);
        Some((trunk.list, trunk.len))
    }
}

impl ListTrunk {
    /// Scans the first element of a new list.
    fn scan_first(chunk: &mut Chunk, cursor: &mut LineCursor<'_>) -> Option<ListTrunk> {
        let (list, at) = (chunk.lists.start_list(), cursor.at);
        let mut trunk = ListTrunk { list, len: 0, start: at, end: at, has_strings: false };
        trunk.scan_element(chunk, cursor)?;
        Some(trunk)
    }

    /// Scans the elements after the last one, to the end of the list.
    fn scan_rest(&mut self, chunk: &mut Chunk, cursor: &mut LineCursor<'_>) -> Option<()> {
        while cursor.has_another(b']')? {
            self.scan_element(chunk, cursor)?;
        }
        Some(())
    }

    fn scan_element(&mut self, chunk: &mut Chunk, cursor: &mut LineCursor<'_>) -> Option<()> {
        let element = cursor.scan_scalar()?.canonical_text()?;
        self.has_strings |= element.starts_with('"');
        let element = chunk.values.intern(element);
        chunk.lists.push_element(self.list, element);
        (self.len, self.end) = (self.len + 1, cursor.at);
        Some(())
    }

    /// If the text at the cursor begins with all elements of this list, moves the cursor behind them.
    fn scan_whole(&self, cursor: &mut LineCursor<'_>) -> bool {
        let bytes = cursor.text.as_bytes();
        let end = cursor.at + (self.end - self.start);
        // The last element could go on: 12 after 1.
        let is_whole = bytes[cursor.at..].starts_with(&bytes[self.start..self.end])
            && matches!(bytes.get(end), Some(b',' | b']' | b' '));
        if is_whole {
            cursor.at = end;
        }
        is_whole
    }

    /// If the text at the cursor is a list of only the first elements of this one, moves the cursor behind the list.
    /// Returns the number of its elements.
    fn scan_prefix(&self, cursor: &mut LineCursor<'_>) -> Option<u32> {
        if self.has_strings {
            // A bracket or a comma could be inside a string.
            return None;
        }
        let bytes = cursor.text.as_bytes();
        // The search ends with the line, because a line that breaks off has no bracket.
        let len = memchr::memchr2(b']', b'\n', &bytes[cursor.at..])?;
        if bytes[cursor.at + len] != b']' {
            return None;
        }
        let mut prefix = &bytes[cursor.at..cursor.at + len];
        while let Some(shorter) = prefix.strip_suffix(b" ") {
            prefix = shorter;
        }
        let rest = bytes[self.start..self.end].strip_prefix(prefix)?;
        if !rest.starts_with(b",") {
            return None;
        }
        cursor.at += len + 1;
        Some(memchr::memchr_iter(b',', prefix).count() as u32 + 1)
    }
}
