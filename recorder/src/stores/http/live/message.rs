//! Messages of live connections, and how a stream of server-sent events is split into them.

use std::collections::VecDeque;

/// The most bytes of a message.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What a live connection brought at once: an event with data, or a message of a WebSocket.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct LiveMessage {
    /// All of it as it came; for an event, all of its lines.
    pub(super) text: String,
    /// What it carries; for an event, its data.
    pub(super) data: String,
    /// The id that the event itself has.
    pub(super) id: Option<String>,
}

/// Where a message has its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum NumberPlace {
    /// It is the id of the event.
    Id,
    /// It is at this JSON pointer in the data.
    Pointer(String),
}

impl LiveMessage {
    /// The number of the message, if it has one at that place.
    pub(super) fn number_at(&self, place: &NumberPlace) -> Option<i64> {
        match place {
            NumberPlace::Id => self.id.as_ref()?.trim().parse().ok(),
            NumberPlace::Pointer(pointer) => {
                let data: serde_json::Value = serde_json::from_str(&self.data).ok()?;
                let found = data.pointer(pointer)?;
                found.as_i64().or_else(|| found.as_str()?.parse().ok())
            }
        }
    }
}

/// Splits a stream of server-sent events as a browser does (WHATWG HTML, 9.2.6). A line ends with LF, CR, or CR LF; an empty
/// line ends an event; an event without data is none; what follows the last empty line is dropped.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    line: Vec<u8>,
    /// The last byte was CR, so that LF belongs to the same end of a line.
    after_cr: bool,
    text: String,
    data: Option<String>,
    id: Option<String>,
}

impl EventReader {
    /// Reads bytes, and adds the events that end in them. An error says that an event is too long.
    pub(super) fn read_bytes(
        &mut self,
        bytes: &[u8],
        events: &mut VecDeque<LiveMessage>,
    ) -> Result<(), String> {
        for &byte in bytes {
            let ends_line_of_cr = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            if ends_line_of_cr {
                continue;
            }
            if matches!(byte, b'\r' | b'\n') {
                events.extend(self.end_line());
            } else {
                self.line.push(byte);
            }
            if self.line.len() + self.text.len() > MESSAGE_BYTES_MAX {
                return Err(format!("an event has more than {MESSAGE_BYTES_MAX} bytes"));
            }
        }
        Ok(())
    }

    /// Takes in a line. An empty one ends an event.
    fn end_line(&mut self) -> Option<LiveMessage> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        let line = line.trim_start_matches('\u{feff}');
        if line.is_empty() {
            let (text, id) = (std::mem::take(&mut self.text), self.id.take());
            return self.data.take().map(|data| LiveMessage { text, data, id });
        }
        self.text.push_str(line);
        self.text.push('\n');
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a stream in pieces of each length: where the network cuts it must not matter.
    fn events_of(stream: &str) -> Vec<LiveMessage> {
        let read = |length: usize| {
            let (mut reader, mut events) = (EventReader::default(), VecDeque::new());
            let pieces = stream.as_bytes().chunks(length);
            pieces.for_each(|piece| reader.read_bytes(piece, &mut events).expect("short events"));
            Vec::from(events)
        };
        let whole = read(stream.len().max(1));
        (1..8).for_each(|length| assert_eq!(read(length), whole, "{length} bytes at once"));
        whole
    }

    #[test]
    fn events_are_split_as_a_browser_splits_them() {
        let data = |stream: &str| events_of(stream).into_iter().map(|event| event.data).collect::<Vec<_>>();
        assert_eq!(data("data: a\ndata: b\n\ndata: c\n\n"), ["a\nb", "c"]);
        assert_eq!(data("data: a\r\n\r\ndata:b\r\rdata:  c\n\r\n"), ["a", "b", " c"]);
        // Comments, events without data, and what is not complete are no events.
        assert_eq!(data(": ping\n\nevent: x\nid: 1\n\ndata\n\ndata: cut off\n"), [""]);
        let event = &events_of("event: news\nid: 7\ndata: {\"n\":9}\nretry: 5\n\n")[0];
        assert_eq!(event.id.as_deref(), Some("7"));
        assert!(event.text.contains("event: news"));
    }

    #[test]
    fn numbers_are_found_at_their_place() {
        let event =
            &events_of("id: 7\ndata: {\"n\":9,\"m\":\"12\",\"x\":1.5,\"big\":9223372036854775808}\n\n")[0];
        let pointer = |text: &str| event.number_at(&NumberPlace::Pointer(text.to_owned()));
        assert_eq!(event.number_at(&NumberPlace::Id), Some(7));
        assert_eq!((pointer("/n"), pointer("/m")), (Some(9), Some(12)));
        assert_eq!((pointer("/x"), pointer("/big"), pointer("/none")), (None, None, None));
        // An event has no number because an earlier one had: that would be a repetition.
        let events = events_of("id: 7\ndata: a\n\ndata: b\n\n");
        assert_eq!(events[1].number_at(&NumberPlace::Id), None);
    }

    #[test]
    fn an_event_without_end_is_cut_short() {
        let (mut reader, mut events) = (EventReader::default(), VecDeque::new());
        let piece = [b'x'; 1 << 10];
        let why = (0..100).find_map(|_| reader.read_bytes(&piece, &mut events).err());
        assert!(why.is_some_and(|why| why.contains("more than 65536 bytes")));
    }
}
