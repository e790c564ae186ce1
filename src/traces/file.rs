//! Files of spans: which encoding a file has, and its messages one after another.
//!
//! | file | written by |
//! | --- | --- |
//! | OTLP/JSON, one message or one per line | the file exporter of the Collector, `steadfast collect` |
//! | messages in protobuf, each after its length in 4 bytes, the highest first | the file exporter with `format: proto` |
//! | the same, with each message compressed | the file exporter with `compression: zstd`, for JSON too |
//! | messages in protobuf, each after its length as a varint | exporters that follow OpenTelemetry's specification of files |
//! | one message in protobuf | bodies of requests that somebody kept |
//!
//! # Choices
//! The names of files say nothing reliable, so the bytes decide. JSON is tried first: no message with spans in protobuf is JSON, because
//! it has lengths below 32, which JSON does not permit. Lengths must add up to the whole file. A file that ends within a message is
//! refused, because more spans may be missing than those of the message.

use super::otlp::OtlpRequest;
use super::protobuf::decode_message;
use histories::format::{Input, open_decompressed};
use serde::de::IgnoredAny;
use std::io::{self, Read};

/// The most bytes of spans that are read, after decompression. Spans are in memory until they are a history.
pub(crate) const SPAN_BYTES_MAX: u64 = 4 << 30;
/// The size of the length before a message of the Collector's file exporter.
const FRAME_HEAD_BYTES: usize = 4;
/// The first byte of a message in protobuf with spans: field 1, with a length.
const FIRST_FIELD: u8 = 0x0a;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Reads an input whole, after decompression.
pub(crate) fn read_span_bytes(input: Input) -> io::Result<Vec<u8>> {
    read_bounded(open_decompressed(input)?, SPAN_BYTES_MAX)
}

/// Reads a reader to its end, but at most `bytes_max`.
fn read_bounded(reader: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let why =
            format!("has more than {bytes_max} bytes of spans, which is the most that is read. Split it");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Calls `take` with each message of a file. O(n).
pub(super) fn for_each_message(
    bytes: &[u8],
    take: &mut dyn FnMut(OtlpRequest) -> Result<(), String>,
) -> Result<(), String> {
    if bytes.trim_ascii().is_empty() {
        return Err("there are no spans: the file is empty".to_owned());
    }
    let json = is_json(bytes);
    if matches!(json, Ok(true)) {
        return for_each_json(bytes, take);
    }
    if let Ok(frames) = split_frames(bytes) {
        let mut left = SPAN_BYTES_MAX;
        for (number, frame) in frames.into_iter().enumerate() {
            let message = |why: String| format!("message {}: {why}", number + 1);
            let unpacked = unpack_frame(frame, &mut left).map_err(|why| message(why.to_string()))?;
            for_each_in_frame(unpacked.as_deref().unwrap_or(frame), take).map_err(message)?;
        }
        return Ok(());
    }
    // Other bytes may decode too, as a message that has only unknown fields.
    let whole = if bytes[0] == FIRST_FIELD { decode_message(bytes) } else { Err(String::new()) };
    if let Ok(request) = whole {
        return take(request);
    }
    if let Some(messages) = split_delimited(bytes)
        && let Ok(requests) = messages.into_iter().map(decode_message).collect::<Result<Vec<_>, _>>()
    {
        return requests.into_iter().try_for_each(take);
    }
    if json.is_err() {
        // It begins as JSON does, and the parser knows where it fails.
        return for_each_json(bytes, take);
    }
    if bytes[0] == 0 {
        return split_frames(bytes).map(|_| ());
    }
    let why = whole.err().filter(|why| !why.is_empty()).map_or_else(String::new, |why| format!(" ({why})"));
    Err(format!(
        "these are no spans in OTLP, neither in JSON nor in protobuf{why}. Pass a file of the Collector's file exporter"
    ))
}

/// Whether the first value is JSON. An error means that it begins with a brace and is not.
fn is_json(bytes: &[u8]) -> Result<bool, ()> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(false);
    }
    match serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>().next() {
        Some(Ok(_)) => Ok(true),
        _ => Err(()),
    }
}

fn for_each_json(
    bytes: &[u8],
    take: &mut dyn FnMut(OtlpRequest) -> Result<(), String>,
) -> Result<(), String> {
    for request in serde_json::Deserializer::from_slice(bytes).into_iter::<OtlpRequest>() {
        take(request.map_err(|why| format!("this is no request in OTLP/JSON: {why}"))?)?;
    }
    Ok(())
}

fn for_each_in_frame(
    frame: &[u8],
    take: &mut dyn FnMut(OtlpRequest) -> Result<(), String>,
) -> Result<(), String> {
    if frame.starts_with(b"{") { for_each_json(frame, take) } else { take(decode_message(frame)?) }
}

/// Decompresses a message that was compressed by itself. `left` bounds all messages together.
fn unpack_frame(frame: &[u8], left: &mut u64) -> io::Result<Option<Vec<u8>>> {
    if !frame.starts_with(&ZSTD_MAGIC) {
        return Ok(None);
    }
    let unpacked = read_bounded(open_decompressed(Input::Bytes(String::new(), frame.to_vec()))?, *left)?;
    *left -= unpacked.len() as u64;
    Ok(Some(unpacked))
}

/// Splits a file into messages that come after their lengths, in 4 bytes each.
fn split_frames(bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let (length, after) = rest
            .split_first_chunk::<FRAME_HEAD_BYTES>()
            .ok_or_else(|| format!("the file is cut off at byte {at}, within the length of a message"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let (frame, further) = after.split_at_checked(length).ok_or_else(|| {
            format!(
                "the file is cut off: the message at byte {at} has {length} bytes, and {} follow",
                after.len()
            )
        })?;
        frames.push(frame);
        rest = further;
    }
    Ok(frames)
}

/// Splits a file into messages that come after their lengths, as varints. Returns `None` if the lengths do not add up.
fn split_delimited(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut messages = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = prost::decode_length_delimiter(&mut rest).ok()?;
        let (message, further) = rest.split_at_checked(length)?;
        messages.push(message);
        rest = further;
    }
    Some(messages)
}
