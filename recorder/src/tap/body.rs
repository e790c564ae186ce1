//! Bodies on their way through the tap. They are passed on piece by piece as they come, and never collected beyond a bound.

use super::TapState;
use super::operation::{OpenOperation, SeenBody};
use crate::Failure;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How long a body may bring nothing, in either direction. Event streams send a sign of life more often.
const BODY_SILENCE_MAX: Duration = Duration::from_secs(600);

/// The most bytes of all bodies together that are looked at at a time. Bodies beyond are passed on as too long.
const LOOKED_AT_ONCE_MAX: u64 = 256 << 20;

/// Why a body ended before its end.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes that are kept while the tap looks at them, counted over all bodies.
#[derive(Debug)]
pub(super) struct LookedBytes {
    tap: Arc<TapState>,
    bytes: Vec<u8>,
    too_long: bool,
}

/// The number of bytes that all bodies together keep.
#[derive(Debug, Default)]
pub(super) struct LookedTotal(AtomicU64);

impl LookedBytes {
    pub(super) fn new(tap: &Arc<TapState>) -> Self {
        Self { tap: tap.clone(), bytes: Vec::new(), too_long: false }
    }

    /// Keeps some bytes. Returns whether all bytes so far are kept.
    pub(super) fn keep(&mut self, data: &[u8]) -> bool {
        if self.too_long {
            return false;
        }
        let fits = (self.bytes.len() + data.len()) as u64 <= self.tap.settings.look_bytes_max;
        let total = self.tap.looked.0.fetch_add(data.len() as u64, Ordering::Relaxed) + data.len() as u64;
        if fits && total <= LOOKED_AT_ONCE_MAX {
            self.bytes.extend_from_slice(data);
        } else {
            self.tap.looked.0.fetch_sub(data.len() as u64, Ordering::Relaxed);
            self.too_long = true;
        }
        !self.too_long
    }

    pub(super) fn kept(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for LookedBytes {
    fn drop(&mut self) {
        self.tap.looked.0.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

/// The time limit of a body that brings nothing. It costs nothing while pieces come without waiting.
#[derive(Debug, Default)]
struct SilenceLimit(Option<Pin<Box<Sleep>>>);

impl SilenceLimit {
    fn note_piece(&mut self) {
        self.0 = None;
    }

    /// Whether the body has brought nothing for too long. Otherwise, the task is woken when that is so.
    fn is_over(&mut self, patience: Duration, context: &mut Context<'_>) -> bool {
        let sleep =
            self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + patience)));
        sleep.as_mut().poll(context).is_ready()
    }
}

/// The body of a request on its way to the application.
#[derive(Debug)]
pub(super) enum SentBody {
    /// The tap has looked at the whole body, or there is none.
    Whole(Bytes),
    /// What the tap has looked at, and what still comes.
    Streamed { first: Bytes, rest: Incoming, silence: RequestSilence },
}

/// See [`SilenceLimit`].
#[derive(Debug, Default)]
pub(super) struct RequestSilence(SilenceLimit);

impl SentBody {
    pub(super) fn streamed(first: Bytes, rest: Incoming) -> Self {
        SentBody::Streamed { first, rest, silence: RequestSilence::default() }
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            SentBody::Whole(bytes) | SentBody::Streamed { first: bytes, .. } if !bytes.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            SentBody::Whole(_) => Poll::Ready(None),
            SentBody::Streamed { rest, silence: RequestSilence(silence), .. } => {
                match Pin::new(rest).poll_frame(context) {
                    Poll::Pending if silence.is_over(BODY_SILENCE_MAX, context) => {
                        Poll::Ready(Some(Err("the client sent nothing for too long".into())))
                    }
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(piece) => {
                        silence.note_piece();
                        Poll::Ready(piece.map(|piece| piece.map_err(BodyError::from)))
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            SentBody::Whole(bytes) => bytes.is_empty(),
            SentBody::Streamed { first, rest, .. } => first.is_empty() && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            SentBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            SentBody::Streamed { first, rest, .. } => {
                let (rest, first) = (rest.size_hint(), first.len() as u64);
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower() + first);
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper + first);
                }
                hint
            }
        }
    }
}

/// Who waits for the end of an answer.
#[derive(Debug)]
pub(super) enum AnswerReader {
    Operation(Box<OpenOperation>),
    /// A login that may return a token at this place. `sent_id` is the id that the request sent.
    Login {
        place: String,
        sent_id: Option<String>,
    },
}

/// An answer that is watched to its end.
#[derive(Debug)]
pub(super) struct AnswerWatch {
    reader: AnswerReader,
    /// The content, if it matters.
    seen: Option<LookedBytes>,
    /// Why the content is not looked at although it matters.
    unread: Option<&'static str>,
}

impl AnswerWatch {
    pub(super) fn new(tap: &Arc<TapState>, reader: AnswerReader, compressed: bool) -> Self {
        let looks = match &reader {
            AnswerReader::Operation(operation) => operation.looks_at_body(),
            AnswerReader::Login { .. } => true,
        };
        let unread = (looks && compressed).then_some("the answer is compressed");
        Self { reader, seen: looks.then(|| LookedBytes::new(tap)), unread }
    }

    fn end_whole(self) {
        match (self.reader, self.seen) {
            (AnswerReader::Operation(operation), seen) => {
                let kept = seen.as_ref().map_or(&[][..], LookedBytes::kept);
                operation.end_with_body(self.unread.map_or(SeenBody::Whole(kept), SeenBody::Unread));
            }
            (AnswerReader::Login { place, sent_id }, Some(seen)) if self.unread.is_none() => {
                // An answer that is no JSON gives out no token.
                let json = serde_json::from_slice::<serde_json::Value>(seen.kept()).ok();
                let token = json.as_ref().and_then(|json| json.pointer(&place)?.as_str());
                seen.tap.book().note_login(sent_id.as_deref(), token);
            }
            (AnswerReader::Login { .. }, _) => {}
        }
    }

    fn end_too_long(self) {
        if let AnswerReader::Operation(operation) = self.reader {
            operation.end_with_body(SeenBody::TooLong);
        }
    }

    fn end_broken(self, why: &str) {
        if let AnswerReader::Operation(operation) = self.reader {
            operation.end_with_failure(Failure::indefinite(format!("the body: {why}")));
        }
    }
}

/// An answer on its way to the client.
#[derive(Debug)]
pub(super) enum PassedAnswer {
    /// One that the tap made itself.
    Own(Bytes),
    Passed(Box<AnswerBody>),
}

/// The body of an answer of the application.
#[derive(Debug)]
pub(super) struct AnswerBody {
    inner: Incoming,
    watch: Option<AnswerWatch>,
    patience: Duration,
    silence: SilenceLimit,
}

impl AnswerBody {
    /// `patience`: how long an answer may bring nothing that an operation waits for.
    pub(super) fn new(inner: Incoming, watch: Option<AnswerWatch>, patience: Duration) -> Self {
        let patience = if watch.is_some() { patience } else { BODY_SILENCE_MAX };
        let mut body = Self { inner, watch, patience, silence: SilenceLimit::default() };
        body.end_if_complete();
        body
    }

    /// Completes the operation if nothing more will come.
    fn end_if_complete(&mut self) {
        if self.inner.is_end_stream()
            && let Some(watch) = self.watch.take()
        {
            watch.end_whole();
        }
    }

    fn see_piece(&mut self, frame: &Frame<Bytes>) {
        self.silence.note_piece();
        let data = frame.data_ref();
        if let (Some(data), Some(AnswerWatch { seen: Some(seen), .. })) = (data, &mut self.watch)
            && !seen.keep(data)
            && let Some(watch) = self.watch.take()
        {
            watch.end_too_long();
        }
        // The last byte has not been passed on yet.
        self.end_if_complete();
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.see_piece(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                if let Some(watch) = self.watch.take() {
                    watch.end_whole();
                }
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                if let Some(watch) = self.watch.take() {
                    watch.end_broken(&error.to_string());
                }
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending if self.silence.is_over(self.patience, context) => {
                if let Some(watch) = self.watch.take() {
                    watch.end_broken("timeout");
                }
                Poll::Ready(Some(Err("the application sent nothing for too long".into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Body for PassedAnswer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            PassedAnswer::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            PassedAnswer::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            PassedAnswer::Passed(body) => body.poll_piece(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            PassedAnswer::Own(bytes) => bytes.is_empty(),
            PassedAnswer::Passed(body) => body.watch.is_none() && body.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            PassedAnswer::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            PassedAnswer::Passed(body) => body.inner.size_hint(),
        }
    }
}
