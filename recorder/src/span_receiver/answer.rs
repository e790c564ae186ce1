//! The answers to exporters, over HTTP and over gRPC.

use super::{SpanBatch, SpanEncoding};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::fmt::Write;

pub(super) type ExporterAnswer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Why a request is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// There is nothing at this path, or not for this method.
    NotFound(String),
    /// A content type or an encoding that is not read.
    Unsupported(String),
    Malformed(String),
    TooLarge(usize),
    /// The body did not come.
    Broken,
    /// There is no memory for the body now.
    Busy,
    /// The file cannot be written.
    Lost(String),
}

/// How a request wants to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AnswerForm {
    Http(SpanEncoding),
    Grpc,
}

impl Refusal {
    pub(super) fn reason(&self) -> String {
        match self {
            Self::NotFound(why) | Self::Unsupported(why) | Self::Malformed(why) | Self::Lost(why) => {
                why.clone()
            }
            Self::TooLarge(bytes) => format!("the spans of a request have more than {bytes} bytes"),
            Self::Broken => "the body of the request did not come".to_owned(),
            Self::Busy => "there are too many requests at a time; send this one again".to_owned(),
        }
    }

    /// The status in HTTP, and in gRPC. By OTLP, exporters send again only after 429, 502, 503, 504, and after UNAVAILABLE.
    fn codes(&self) -> (StatusCode, i32) {
        match self {
            Self::NotFound(_) => (StatusCode::NOT_FOUND, 12),
            Self::Unsupported(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, 12),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, 3),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, 8),
            Self::Broken => (StatusCode::REQUEST_TIMEOUT, 1),
            Self::Busy | Self::Lost(_) => (StatusCode::SERVICE_UNAVAILABLE, 14),
        }
    }
}

/// The answer to a request whose spans are in the file.
pub(super) fn accept_spans(form: AnswerForm, batch: &SpanBatch) -> ExporterAnswer {
    let why = batch.why_rejected.as_deref().unwrap_or("spans without times");
    match form {
        AnswerForm::Http(SpanEncoding::Json) => {
            let text = match batch.rejected {
                0 => serde_json::json!({}),
                count => serde_json::json!({
                    "partialSuccess": {"rejectedSpans": count.to_string(), "errorMessage": why}
                }),
            };
            make_http_answer(StatusCode::OK, SpanEncoding::Json, text.to_string().into())
        }
        AnswerForm::Http(SpanEncoding::Protobuf) => make_http_answer(
            StatusCode::OK,
            SpanEncoding::Protobuf,
            encode_success(batch.rejected, why).into(),
        ),
        AnswerForm::Grpc => {
            let message = encode_success(batch.rejected, why);
            let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let framed = Bytes::from([&[0], &length[..], &message].concat());
            // The frames pass unchanged. But the body has no known size any more: with a content length, some clients stop
            // reading before the trailers.
            let body =
                Full::new(framed).with_trailers(async move { Some(Ok(trailers)) }).map_frame(|frame| frame);
            make_grpc_answer(body.boxed_unsync())
        }
    }
}

/// The answer to a request that is refused.
pub(super) fn refuse_request(form: AnswerForm, refusal: &Refusal) -> ExporterAnswer {
    let (status, code) = refusal.codes();
    let why = refusal.reason();
    match form {
        AnswerForm::Http(encoding) => {
            let body = match encoding {
                SpanEncoding::Json => serde_json::json!({"code": code, "message": why}).to_string().into(),
                SpanEncoding::Protobuf => {
                    [varint_field(1, u64::from(code.unsigned_abs())), text_field(2, &why)].concat()
                }
            };
            let mut answer = make_http_answer(status, encoding, body.into());
            if matches!(refusal, Refusal::Busy) {
                answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            answer
        }
        AnswerForm::Grpc => {
            let mut answer = make_grpc_answer(Full::new(Bytes::new()).boxed_unsync());
            let headers = answer.headers_mut();
            headers.insert("grpc-status", HeaderValue::from(code));
            if let Ok(text) = HeaderValue::from_str(&percent_encode(&why)) {
                headers.insert("grpc-message", text);
            }
            answer
        }
    }
}

fn make_http_answer(status: StatusCode, encoding: SpanEncoding, body: Bytes) -> ExporterAnswer {
    let mut answer = Response::new(Full::new(body).boxed_unsync());
    *answer.status_mut() = status;
    let kind = match encoding {
        SpanEncoding::Json => "application/json",
        SpanEncoding::Protobuf => "application/x-protobuf",
    };
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn make_grpc_answer(body: UnsyncBoxBody<Bytes, Infallible>) -> ExporterAnswer {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip"));
    answer
}

/// `ExportTraceServiceResponse`: empty, or with a partial success.
fn encode_success(rejected: u64, why: &str) -> Vec<u8> {
    if rejected == 0 {
        return Vec::new();
    }
    bytes_field(1, &[varint_field(1, rejected), text_field(2, why)].concat())
}

fn varint_field(number: u8, value: u64) -> Vec<u8> {
    let mut bytes = vec![number << 3];
    push_varint(&mut bytes, value);
    bytes
}

fn text_field(number: u8, text: &str) -> Vec<u8> {
    bytes_field(number, text.as_bytes())
}

fn bytes_field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    push_varint(&mut bytes, content.len() as u64);
    bytes.extend_from_slice(content);
    bytes
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A message of gRPC in a header: ASCII that can be printed, and everything else in percent signs.
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if (0x20..0x7f).contains(&byte) && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes are by hand from the published messages: field 1 with a message of field 1 (varint) and field 2 (text).
    #[test]
    fn a_partial_success_is_encoded_as_published() {
        assert_eq!(encode_success(0, "x"), Vec::<u8>::new());
        assert_eq!(encode_success(300, "no"), [0x0a, 7, 0x08, 0xac, 0x02, 0x12, 2, b'n', b'o']);
    }

    #[test]
    fn messages_of_grpc_fit_a_header() {
        assert_eq!(percent_encode("50 % \u{e4}\n"), "50 %25 %C3%A4%0A");
    }
}
