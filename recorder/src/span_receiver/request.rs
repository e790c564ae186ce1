//! One request of an exporter: what it is, its body, and what becomes of its spans.

use super::answer::{AnswerForm, ExporterAnswer, Refusal, accept_spans, refuse_request};
use super::{ReceiverState, SpanBatch, SpanEncoding, shorten_reason};
use histories::format::{Input, open_decompressed};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, Request};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Where OTLP/HTTP has traces.
const HTTP_PATH: &str = "/v1/traces";
/// Where OTLP/gRPC has them.
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// The bytes before a message of gRPC: whether it is compressed, and its length.
const GRPC_HEAD_BYTES: usize = 5;
/// How long an exporter may take for the next piece of a body.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of a refused body that are read before the answer.
const PASSED_OVER_MAX: usize = 16 << 20;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A body in memory. The permits give its memory back.
struct HeldBody {
    bytes: Vec<u8>,
    permits: Vec<OwnedSemaphorePermit>,
}

/// How a body is to be read.
#[derive(Clone, Copy)]
struct BodyForm {
    answer: AnswerForm,
    encoding: SpanEncoding,
    /// Whether the body, or in gRPC a message that says so, is compressed with gzip.
    gzip: bool,
}

/// Takes the spans of a request, and answers it.
pub(super) async fn answer_exporter(
    state: &Arc<ReceiverState>,
    request: Request<Incoming>,
) -> ExporterAnswer {
    let (head, mut body) = request.into_parts();
    let form = find_answer_form(&head.headers);
    match take_spans(state, &head, form, &mut body).await {
        Ok(batch) => accept_spans(form, &batch),
        Err(refusal) => {
            state.note_refusal(&refusal.reason());
            let _ = tokio::time::timeout(BODY_PATIENCE, pass_over_body(&mut body)).await;
            refuse_request(form, &refusal)
        }
    }
}

async fn take_spans(
    state: &Arc<ReceiverState>,
    head: &Parts,
    answer: AnswerForm,
    body: &mut Incoming,
) -> Result<SpanBatch, Refusal> {
    let form = recognise_request(head, answer)?;
    let held = read_body(state, body).await?;
    let permit = state.decoders.clone().acquire_owned().await.map_err(|_| Refusal::Busy)?;
    let state = state.clone();
    // Decoding takes processor time, and the file may wait for its disk.
    let stored = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        store_spans(&state, form, held)
    });
    stored.await.unwrap_or_else(|why| Err(Refusal::Malformed(why.to_string())))
}

fn find_answer_form(headers: &HeaderMap) -> AnswerForm {
    let kind = content_type(headers);
    if kind.starts_with("application/grpc") {
        AnswerForm::Grpc
    } else if kind == "application/json" {
        AnswerForm::Http(SpanEncoding::Json)
    } else {
        AnswerForm::Http(SpanEncoding::Protobuf)
    }
}

/// The content type without its parameters, in lower case.
fn content_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What a request is, from its headers.
fn recognise_request(head: &Parts, answer: AnswerForm) -> Result<BodyForm, Refusal> {
    let (path, kind) = (head.uri.path(), content_type(&head.headers));
    let wanted = if answer == AnswerForm::Grpc { GRPC_PATH } else { HTTP_PATH };
    if path != wanted || head.method != Method::POST {
        let asked = shorten_reason(&format!("{} {path}", head.method));
        return Err(Refusal::NotFound(format!("{asked} is not POST {wanted}: only traces are received")));
    }
    let encoding = match (answer, kind.as_str()) {
        (AnswerForm::Grpc, "application/grpc" | "application/grpc+proto") => SpanEncoding::Protobuf,
        (AnswerForm::Http(SpanEncoding::Json), _) => SpanEncoding::Json,
        (AnswerForm::Http(SpanEncoding::Protobuf), "application/x-protobuf" | "application/protobuf") => {
            SpanEncoding::Protobuf
        }
        _ => {
            let why = "is not read. Use application/x-protobuf, application/json, or gRPC";
            return Err(Refusal::Unsupported(shorten_reason(&format!("the content type {kind:?} {why}"))));
        }
    };
    let coding = if answer == AnswerForm::Grpc { "grpc-encoding" } else { "content-encoding" };
    let gzip = match head.headers.get(coding).map(|coding| coding.as_bytes()) {
        None | Some(b"identity" | b"") => false,
        Some(b"gzip") => true,
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            let why = format!("the compression {other:?} is not read. Use gzip, or none");
            return Err(Refusal::Unsupported(shorten_reason(&why)));
        }
    };
    Ok(BodyForm { answer, encoding, gzip })
}

/// Reads a body up to its bound, as long as there is memory for it.
async fn read_body(state: &ReceiverState, body: &mut Incoming) -> Result<HeldBody, Refusal> {
    let bytes_max = state.settings.body_bytes_max;
    let mut held = HeldBody { bytes: Vec::new(), permits: Vec::new() };
    let mut held_kib = 0;
    loop {
        let piece = match tokio::time::timeout(BODY_PATIENCE, body.frame()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => return Ok(held),
            Ok(Some(Err(_))) | Err(_) => return Err(Refusal::Broken),
        };
        let Some(data) = piece.data_ref() else { continue };
        let length = held.bytes.len() + data.len();
        if length > bytes_max.saturating_add(GRPC_HEAD_BYTES) {
            return Err(Refusal::TooLarge(bytes_max));
        }
        let more_kib = (length.div_ceil(1024) - held_kib) as u32;
        held.permits.push(state.bodies.clone().try_acquire_many_owned(more_kib).map_err(|_| Refusal::Busy)?);
        held_kib += more_kib as usize;
        held.bytes.extend_from_slice(data);
    }
}

/// Reads the rest of a refused body and keeps nothing of it. If the answer came before the end of the body, the stream would be reset, and
/// some clients then lose the answer.
async fn pass_over_body(body: &mut Incoming) {
    let mut passed = 0;
    while let Some(Ok(piece)) = body.frame().await {
        passed += piece.data_ref().map_or(0, |data| data.len());
        if passed > PASSED_OVER_MAX {
            return;
        }
    }
}

/// Decodes a body and appends its spans to the file.
fn store_spans(state: &ReceiverState, form: BodyForm, held: HeldBody) -> Result<SpanBatch, Refusal> {
    let HeldBody { bytes, permits } = held;
    let (bytes, gzip) = match form.answer {
        AnswerForm::Grpc => take_grpc_message(bytes, form.gzip)?,
        AnswerForm::Http(_) => (bytes, form.gzip),
    };
    let bytes_max = state.settings.body_bytes_max;
    let bytes = if gzip { unzip_body(bytes, bytes_max)? } else { bytes };
    if bytes.len() > bytes_max {
        return Err(Refusal::TooLarge(bytes_max));
    }
    let batch = (state.decoder)(&bytes, form.encoding).map_err(Refusal::Malformed)?;
    drop((bytes, permits));
    state.append_batch(&batch).map_err(Refusal::Lost)?;
    Ok(batch)
}

/// The only message of a call, and whether it is compressed.
fn take_grpc_message(mut bytes: Vec<u8>, gzip: bool) -> Result<(Vec<u8>, bool), Refusal> {
    let malformed = |why: &str| Refusal::Malformed(format!("a call of gRPC {why}"));
    let (head, rest) =
        bytes.split_first_chunk::<GRPC_HEAD_BYTES>().ok_or_else(|| malformed("has no message"))?;
    let [flag, length @ ..] = *head;
    if u32::from_be_bytes(length) as usize != rest.len() {
        return Err(malformed("has not exactly one whole message"));
    }
    match flag {
        1 if !gzip => return Err(malformed("has a compressed message and names no compression")),
        0 | 1 => {}
        _ => return Err(malformed("has a message with an unknown flag")),
    }
    bytes.drain(..GRPC_HEAD_BYTES);
    Ok((bytes, flag == 1))
}

fn unzip_body(bytes: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Err(Refusal::Malformed("the body is not gzip data, as its header says".to_owned()));
    }
    let failed = |why: std::io::Error| Refusal::Malformed(format!("the gzip data of the body: {why}"));
    let mut unzipped = Vec::new();
    let reader = open_decompressed(Input::Bytes(String::new(), bytes)).map_err(failed)?;
    reader.take(bytes_max as u64 + 1).read_to_end(&mut unzipped).map_err(failed)?;
    Ok(unzipped)
}
