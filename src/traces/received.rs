//! Spans that an exporter sent, as a line of a file that [`super::TraceMap`] reads.

use super::otlp::{OtlpRequest, OtlpSpan};
use super::protobuf::decode_message;
use recorder::span_receiver::{SpanBatch, SpanEncoding};

/// Decodes the body of a request. Spans without usable times are left out, because a file with one could not be read.
pub(crate) fn decode_received_spans(body: &[u8], encoding: SpanEncoding) -> Result<SpanBatch, String> {
    let mut request: OtlpRequest = match encoding {
        SpanEncoding::Protobuf => {
            decode_message(body).map_err(|why| format!("the body is no traces: {why}"))?
        }
        SpanEncoding::Json => serde_json::from_slice(body)
            .map_err(|why| format!("the body is no request of traces in OTLP/JSON: {why}"))?,
    };
    let (mut spans, mut rejected, mut why_rejected) = (0, 0, None);
    let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    for scope in scopes {
        scope.spans.retain(|span: &OtlpSpan| match span.read_times() {
            Ok(_) => {
                spans += 1;
                true
            }
            Err(why) => {
                rejected += 1;
                why_rejected.get_or_insert(why);
                false
            }
        });
    }
    let line = serde_json::to_string(&request).map_err(|why| why.to_string())?;
    Ok(SpanBatch { line, spans, rejected, why_rejected })
}
