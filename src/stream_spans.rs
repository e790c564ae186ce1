//! Receives spans while they are judged: the receiver of `steadfast collect`, whose spans go to the judgement instead of a file.

use crate::args::{BODY_BYTES_USUAL, CONNECTIONS_USUAL};
use crate::report::layout::count_noun;
use crate::stream_input::{StreamInput, StreamReading};
use crate::traces::decode_received_spans;
use recorder::Stop;
use recorder::span_receiver::{ReceivedSpans, SpanReceiverSettings, SpanSink, receive_spans};
use std::net::SocketAddr;
use std::sync::mpsc::{SyncSender, sync_channel};

/// The most requests that wait to be judged. Exporters wait for their answers then.
const REQUESTS_MAX: usize = 2;

/// The queue to the judgement.
struct SpanQueue(SyncSender<StreamInput>);

impl SpanSink for SpanQueue {
    fn append_line(&mut self, line: &str) -> Result<(), String> {
        let sent = self.0.send(StreamInput::Spans(line.to_owned()));
        sent.map_err(|_| "the judgement has ended".to_owned())
    }
}

/// Starts to receive spans at an address. They end when `stop` is requested, after what was answered. Also returns the address with its
/// port.
///
/// # Errors
/// The address cannot be used.
pub(crate) fn start_receiving(address: &str, stop: Stop) -> Result<(StreamReading, SocketAddr), String> {
    let settings = SpanReceiverSettings {
        listen: address.to_owned(),
        tls: None,
        connections_max: usize::from(CONNECTIONS_USUAL),
        body_bytes_max: BODY_BYTES_USUAL,
    };
    let (tell, told) = sync_channel(REQUESTS_MAX);
    let (listens, listening) = sync_channel(1);
    std::thread::spawn(move || {
        let queue = Box::new(SpanQueue(tell.clone()));
        let is_listening = listens.clone();
        let received =
            receive_spans(settings, queue, Box::new(decode_received_spans), stop, move |address| {
                let _ = is_listening.send(Ok(address));
            });
        // A send fails only if the judgement has ended.
        match received {
            Ok(received) => {
                for warning in describe_left_out(&received) {
                    let _ = tell.send(StreamInput::Warning(warning));
                }
                let _ = tell.send(StreamInput::End);
            }
            Err(why) => {
                let _ = listens.try_send(Err(why.to_string()));
                let _ = tell.send(StreamInput::Failed(why.to_string()));
            }
        }
    });
    let address = listening.recv().unwrap_or_else(|_| Err("the receiver of spans ended".to_owned()))?;
    Ok((StreamReading::of_unknown_size(told), address))
}

/// Says which spans were not taken, and why.
pub(crate) fn describe_left_out(received: &ReceivedSpans) -> Vec<String> {
    let mut left_out = Vec::new();
    if received.rejected > 0 {
        let count = count_noun(received.rejected as usize, "span");
        let why = received.why_rejected.as_deref().unwrap_or_default();
        left_out.push(format!("left out, because of their times: {count} (the first: {why})"));
    }
    if received.refused > 0 {
        let count = count_noun(received.refused as usize, "request");
        let why = received.why_refused.as_deref().unwrap_or_default();
        left_out.push(format!("refused: {count} (the first: {why})"));
    }
    left_out
}
