//! Counting the messages in a stream of bytes, for those who ask how many commands a store was sent.

/// Counts messages. One for each direction of each connection, so that it can remember what was cut in two.
pub trait MessageCounter: Send {
    /// How many messages end in these bytes, which follow those of the last call.
    fn count_messages(&mut self, bytes: &[u8]) -> u64;
}

/// Counts nothing: for protocols that nobody wrote a counter for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncounted;

impl MessageCounter for Uncounted {
    fn count_messages(&mut self, _bytes: &[u8]) -> u64 {
        0
    }
}

/// The longest line that makes sense; what is longer is not Redis' protocol.
const LINE_MAX: usize = 64 << 10;
/// What ends a snapshot whose length was not known when it began.
const MARK_BYTES: usize = 40;

/// Counts the commands in Redis' protocol: lists at the top level (`*2 …`), which is what clients and primaries
/// send. Of what servers answer, only lists are counted.
///
/// Snapshots that a primary sends to a replica are skipped. Once something is met that is not Redis' protocol,
/// nothing more is counted.
#[derive(Clone, Debug, Default)]
pub struct RedisCommands {
    state: RespParserState,
    line: Vec<u8>,
    /// Elements that the list at the top level, and lists in it, still lack.
    lacking: u64,
}

#[derive(Clone, Debug, Default)]
enum RespParserState {
    #[default]
    Line,
    /// So many bytes of a text, and the end of its line.
    Text(u64),
    /// A snapshot of this length, without an end of line.
    Snapshot(u64),
    /// A snapshot that ends with this mark, of which so many bytes have just been seen.
    Until(Vec<u8>, Vec<u8>),
    Foreign,
}

impl MessageCounter for RedisCommands {
    fn count_messages(&mut self, mut bytes: &[u8]) -> u64 {
        let mut messages = 0;
        while !bytes.is_empty() {
            match &mut self.state {
                RespParserState::Foreign => return messages,
                RespParserState::Line => bytes = self.take_line(bytes, &mut messages),
                RespParserState::Text(left) | RespParserState::Snapshot(left) => {
                    let taken = (*left).min(bytes.len() as u64);
                    *left -= taken;
                    bytes = &bytes[taken as usize..];
                    if *left == 0 {
                        let text = matches!(self.state, RespParserState::Text(_));
                        self.state = RespParserState::Line;
                        messages += u64::from(text && self.finish_element());
                    }
                }
                RespParserState::Until(mark, seen) => {
                    seen.push(bytes[0]);
                    bytes = &bytes[1..];
                    if seen.len() > mark.len() {
                        seen.remove(0);
                    }
                    if seen == mark {
                        self.state = RespParserState::Line;
                    }
                }
            }
        }
        messages
    }
}

impl RedisCommands {
    /// Takes a line, or what there is of it, and returns what follows.
    fn take_line<'a>(&mut self, bytes: &'a [u8], messages: &mut u64) -> &'a [u8] {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.line.extend_from_slice(bytes);
            if self.line.len() > LINE_MAX {
                self.state = RespParserState::Foreign;
            }
            return &[];
        };
        self.line.extend_from_slice(&bytes[..end]);
        let line = std::mem::take(&mut self.line);
        *messages += self.parse_line(line.strip_suffix(b"\r").unwrap_or(&line));
        &bytes[end + 1..]
    }

    /// What a line begins or is; returns how many commands it ends.
    fn parse_line(&mut self, line: &[u8]) -> u64 {
        let Some((kind, rest)) = line.split_first() else { return 0 };
        let number = std::str::from_utf8(rest).ok().and_then(|text| text.parse::<i64>().ok());
        match (kind, number) {
            (b'*', Some(count)) => {
                let inside = self.lacking > 0;
                self.lacking += u64::try_from(count).unwrap_or(0);
                if inside { u64::from(self.finish_element()) } else { 0 }
            }
            (b'$', Some(length)) if length < 0 => u64::from(self.finish_element()),
            (b'$', Some(length)) if self.lacking > 0 => {
                self.state = RespParserState::Text(length as u64 + 2);
                0
            }
            // At the top level: a snapshot, or an answer, whose end of line is then an empty line.
            (b'$', Some(length)) => {
                self.state = RespParserState::Snapshot(length as u64);
                0
            }
            (b'$', None) => {
                match rest.strip_prefix(b"EOF:") {
                    Some(mark) if mark.len() == MARK_BYTES => {
                        self.state = RespParserState::Until(mark.to_vec(), Vec::new());
                    }
                    _ => self.state = RespParserState::Foreign,
                }
                0
            }
            (b'+' | b'-' | b':', _) => u64::from(self.finish_element()),
            // A command in one line, as people type it.
            (letter, _) if letter.is_ascii_alphabetic() => u64::from(self.lacking == 0),
            _ => {
                self.state = RespParserState::Foreign;
                0
            }
        }
    }

    /// Ends an element of a list; whether the list at the top level ends with it.
    fn finish_element(&mut self) -> bool {
        if self.lacking == 0 {
            return false;
        }
        self.lacking -= 1;
        self.lacking == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(bytes: &[u8], piece: usize) -> u64 {
        let mut counter = RedisCommands::default();
        bytes.chunks(piece).map(|piece| counter.count_messages(piece)).sum()
    }

    /// However the bytes are cut, the count is the same.
    fn commands(bytes: &[u8]) -> u64 {
        let whole = counted(bytes, bytes.len());
        for piece in 1..20 {
            assert_eq!(counted(bytes, piece), whole, "in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn commands_are_counted_and_answers_are_not() {
        assert_eq!(commands(b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$5\r\na\r\nb*\r\n"), 2);
        assert_eq!(commands(b"+OK\r\n:5\r\n-ERR no\r\n$2\r\n*1\r\n$-1\r\n"), 0);
        assert_eq!(commands(b"*2\r\n$1\r\nx\r\n*2\r\n:1\r\n$-1\r\nPING\r\n*1\r\n$4\r\nPING\r\n"), 3);
    }

    #[test]
    fn snapshots_on_the_way_to_a_replica_are_skipped() {
        let follows = b"*1\r\n$4\r\nPING\r\n";
        let known = [&b"+FULLRESYNC x 0\r\n$8\r\nREDIS*1\n"[..], follows].concat();
        assert_eq!(commands(&known), 1);
        let mark = [b'm'; MARK_BYTES];
        let unknown = [b"$EOF:", &mark[..], b"\r\nREDIS*1\r\nmmm", &mark[..], follows].concat();
        assert_eq!(commands(&unknown), 1);
    }

    #[test]
    fn other_protocols_are_not_guessed_at() {
        assert_eq!(commands(b"\x16\x03\x01\x02\n*1\r\n$4\r\nPING\r\n"), 0);
    }
}
