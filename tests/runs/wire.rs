//! Spans of a small trace, and an encoder of OTLP in protobuf and JSON. The encoder is written from the published `.proto` files and
//! shares nothing with the reader.

pub(crate) const MAP: &str = r#"
complete = true

[session]
id = "session.id"

[[operation]]
function = "create"
where = { "http.request.method" = "POST", "http.route" = "/login" }

[[operation]]
function = "read"
where = { "http.request.method" = "GET", "http.route" = "/cart" }
value = "cart.version"
absent = { "http.response.status_code" = 401 }

[[operation]]
function = "write"
where = { "http.request.method" = "POST", "http.route" = "/cart" }
value = "cart.version"
"#;

#[derive(Clone, Copy)]
pub(crate) struct Span<'a> {
    /// In ms.
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    pub(crate) session: &'a str,
    pub(crate) status: i64,
    pub(crate) version: &'a str,
    pub(crate) trace_id: &'a [u8],
    /// Whether the span has an attribute of each type, an event and a link.
    pub(crate) rich: bool,
    /// Bytes for the value of a further attribute.
    pub(crate) extra: &'a [u8],
}

const fn span<'a>(
    from: u64,
    method: &'a str,
    route: &'a str,
    session: &'a str,
    status: i64,
    version: &'a str,
) -> Span<'a> {
    Span {
        from,
        to: from + 5,
        method,
        route,
        session,
        status,
        version,
        trace_id: &[7; 16],
        rich: false,
        extra: &[],
    }
}

/// Two users: one is fine. The other logs in, fills the cart, and is then told that there is no session: it is lost.
pub(crate) const LOST: [Span<'static>; 6] = [
    span(0, "POST", "/login", "aaa", 200, ""),
    span(10, "POST", "/cart", "aaa", 200, "1"),
    span(20, "GET", "/cart", "aaa", 200, "1"),
    span(1, "POST", "/login", "bbb", 200, ""),
    span(11, "POST", "/cart", "bbb", 200, "7"),
    span(21, "GET", "/cart", "bbb", 401, ""),
];

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field with a length: text, bytes or a message.
pub(crate) fn field(number: u64, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn number_field(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn fixed64(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

fn attribute(key: &str, value: &[u8]) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, value)].concat()
}

fn text(key: &str, value: &str) -> Vec<u8> {
    attribute(key, &field(1, value.as_bytes()))
}

fn ns(ms: u64) -> u64 {
    1_700_000_000_000_000_000 + ms * 1_000_000
}

fn span_id(span: &Span<'_>) -> [u8; 8] {
    (span.from + 1).to_be_bytes()
}

fn proto_span(span: &Span<'_>) -> Vec<u8> {
    let mut parts = vec![
        field(1, span.trace_id),
        field(2, &span_id(span)),
        field(3, b"vendor=1"),
        field(5, format!("{} {}", span.method, span.route).as_bytes()),
        number_field(6, 2),
        fixed64(7, ns(span.from)),
        fixed64(8, ns(span.to)),
        field(9, &text("http.request.method", span.method)),
        field(9, &text("http.route", span.route)),
        field(9, &text("session.id", span.session)),
        field(9, &attribute("http.response.status_code", &number_field(3, span.status as u64))),
    ];
    if !span.version.is_empty() {
        parts.push(field(9, &text("cart.version", span.version)));
    }
    if !span.extra.is_empty() {
        parts.push(field(9, &attribute("extra", span.extra)));
    }
    if span.rich {
        let array = field(5, &[field(1, &field(1, b"one")), field(1, &number_field(3, u64::MAX))].concat());
        let map = field(6, &field(1, &text("inner", "value")));
        parts.extend([
            field(9, &attribute("a.bool", &number_field(2, 1))),
            field(9, &attribute("a.double", &fixed64(4, 1.5f64.to_bits()))),
            field(9, &attribute("an.array", &array)),
            field(9, &attribute("a.map", &map)),
            field(9, &attribute("bytes", &field(7, &[0, 255]))),
            number_field(10, 3),
            field(
                11,
                &[fixed64(1, ns(span.from)), field(2, b"exception"), field(3, &text("k", "v"))].concat(),
            ),
            field(13, &[field(1, &[9; 16]), field(2, &[9; 8])].concat()),
            field(15, &number_field(3, 1)),
            // flags, a fixed32
            [varint(16 << 3 | 5), 257u32.to_le_bytes().to_vec()].concat(),
        ]);
    }
    parts.concat()
}

/// An `ExportTraceServiceRequest`.
pub(crate) fn proto_request(spans: &[Span<'_>]) -> Vec<u8> {
    let resource = field(1, &text("service.instance.id", "web1"));
    let scope = field(1, &field(1, b"a library"));
    let spans: Vec<u8> = spans.iter().flat_map(|span| field(2, &proto_span(span))).collect();
    field(1, &[field(1, &resource), field(2, &[scope, spans].concat()), field(3, b"https://schema")].concat())
}

/// A message after its length in four bytes, as the file exporter of the Collector writes it.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    [(message.len() as u32).to_be_bytes().to_vec(), message.to_vec()].concat()
}

/// A message after its length as a varint.
pub(crate) fn delimit(message: &[u8]) -> Vec<u8> {
    [varint(message.len() as u64), message.to_vec()].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same in OTLP/JSON.
pub(crate) fn json_request(spans: &[Span<'_>]) -> String {
    let text = |key: &str, value: &str| serde_json::json!({"key": key, "value": {"stringValue": value}});
    let span = |span: &Span<'_>| {
        let mut attributes = vec![
            text("http.request.method", span.method),
            text("http.route", span.route),
            text("session.id", span.session),
            serde_json::json!({"key": "http.response.status_code", "value": {"intValue": span.status.to_string()}}),
        ];
        if !span.version.is_empty() {
            attributes.push(text("cart.version", span.version));
        }
        serde_json::json!({
            "traceId": hex(span.trace_id), "spanId": hex(&span_id(span)), "name": "x",
            "startTimeUnixNano": ns(span.from).to_string(), "endTimeUnixNano": ns(span.to).to_string(),
            "attributes": attributes,
        })
    };
    let spans: Vec<_> = spans.iter().map(span).collect();
    serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}
