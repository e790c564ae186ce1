//! One request on its way: what it means, the answer of the application, and what the client gets.

use super::TapState;
use super::body::{AnswerBody, AnswerReader, AnswerWatch, LookedBytes, PassedAnswer, SentBody};
use super::book::RequestMeaning;
use super::operation::{OpenOperation, find_id_after};
use super::recognise::{StepMatch, StepRole};
use super::tunnel::start_tunnel;
use super::upstream::{ConnectionNeeds, UpstreamSlot, send_upstream};
use crate::Failure;
use crate::stores::http::description::IdPlace;
use crate::stores::http::exchange::HttpReply;
use crate::stores::http::wire::ExchangeError;
use bytes::Bytes;
use histories::Function;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// How long a client may take for the next piece of a body that the tap looks at.
const LOOKED_BODY_PATIENCE: Duration = Duration::from_secs(30);

/// The connection of a client, as its requests see it.
#[derive(Debug)]
pub(super) struct ClientConnection {
    pub(super) tap: Arc<TapState>,
    pub(super) upstream: Mutex<UpstreamSlot>,
    pub(super) permit: Arc<OwnedSemaphorePermit>,
}

/// The body of a request, as far as the tap looks at it.
enum LookedBody {
    /// Nothing in it matters.
    NotLooked(Incoming),
    Whole(Bytes),
    /// It is longer than the tap looks at, or compressed.
    Unread {
        first: Bytes,
        rest: Incoming,
    },
    /// The client broke off, or was silent for too long.
    Broken,
}

/// What becomes of a request: an operation, or something else whose answer may give out an id. `login` is the step that ends a
/// login.
enum RequestPlan {
    Operation(Box<OpenOperation>),
    Other { sent_id: Option<String>, login: Option<usize> },
}

/// Passes a request on, and returns the answer.
pub(super) async fn answer_request(
    client: &ClientConnection,
    mut request: Request<Incoming>,
) -> Response<PassedAnswer> {
    let tap = &client.tap;
    if request.method() == Method::CONNECT {
        return make_answer(StatusCode::NOT_IMPLEMENTED, "the tap opens no tunnels to other hosts (CONNECT)");
    }
    if tap.journal_is_lost() {
        return make_answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "the recording could not be written, so the tap ends",
        );
    }
    let upgrade = wants_upgrade(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    join_cookie_lines(&mut head.headers);
    let mut matches = tap.recogniser.match_head(&head);
    let looks = matches.iter().any(|found| tap.recogniser.step(found.step).looks_at_body());
    let body = if looks { look_at_body(tap, &head.headers, body).await } else { LookedBody::NotLooked(body) };
    keep_fitting_matches(tap, &mut matches, &body);
    let body_bytes = content_length(&head.headers);
    let (sent, plan) = {
        let sent = match body {
            LookedBody::Broken => {
                return make_answer(StatusCode::REQUEST_TIMEOUT, "the body of the request did not come");
            }
            LookedBody::Whole(bytes) => SentBody::Whole(bytes),
            LookedBody::Unread { first, rest } => SentBody::streamed(first, rest),
            LookedBody::NotLooked(rest) if rest.is_end_stream() => SentBody::Whole(Bytes::new()),
            LookedBody::NotLooked(rest) => SentBody::streamed(Bytes::new(), rest),
        };
        match plan_request(tap, &head, &matches, body_bytes) {
            Some(plan) => (sent, plan),
            None => {
                let why = "the recording could not be written, so nothing more is passed on";
                return make_answer(StatusCode::SERVICE_UNAVAILABLE, why);
            }
        }
    };
    let needs = ConnectionNeeds { upgrades: upgrade.is_some(), shared: head.version == Version::HTTP_2 };
    let request = build_request(tap, head, sent, &plan, upgrade.is_some());
    let exchange = send_upstream(&client.upstream, &tap.upstream, needs, request);
    let exchanged = tokio::time::timeout(tap.settings.answer_patience, exchange).await;
    match exchanged {
        Ok(Ok(response)) => pass_answer(client, response, plan, upgrade),
        Ok(Err(error)) => {
            let (status, failure) = match error {
                ExchangeError::Unsent(why) => {
                    (StatusCode::BAD_GATEWAY, Failure::unreachable(format!("{}: {why}", tap.settings.to)))
                }
                ExchangeError::Sent(why) => (StatusCode::BAD_GATEWAY, Failure::indefinite(why)),
            };
            refuse_exchange(status, failure, plan)
        }
        // The connection was dropped with the exchange, so that no later request gets its answer.
        Err(_) => refuse_exchange(StatusCode::GATEWAY_TIMEOUT, Failure::indefinite("timeout"), plan),
    }
}

/// Reads a body that a step has places in, up to a bound.
async fn look_at_body(tap: &Arc<TapState>, headers: &HeaderMap, mut body: Incoming) -> LookedBody {
    let compressed = headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    if compressed {
        return LookedBody::Unread { first: Bytes::new(), rest: body };
    }
    let mut looked = LookedBytes::new(tap);
    loop {
        let piece = match tokio::time::timeout(LOOKED_BODY_PATIENCE, body.frame()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => return LookedBody::Whole(Bytes::copy_from_slice(looked.kept())),
            Ok(Some(Err(_))) | Err(_) => return LookedBody::Broken,
        };
        let Some(data) = piece.data_ref() else { continue };
        if !looked.keep(data) {
            let first = [looked.kept(), data].concat();
            return LookedBody::Unread { first: first.into(), rest: body };
        }
    }
}

/// Keeps the steps whose body fits. If the body was not looked at, only steps are kept that no body could tell apart.
fn keep_fitting_matches(tap: &TapState, matches: &mut Vec<StepMatch>, body: &LookedBody) {
    match body {
        LookedBody::Whole(bytes) => matches
            .retain_mut(|found| tap.recogniser.step(found.step).capture_body(bytes, &mut found.captured)),
        LookedBody::Unread { .. } => {
            let writes = [Function::CREATE, Function::WRITE, Function::PATCH];
            let role = |found: &StepMatch| tap.recogniser.step(found.step).role;
            matches.retain(
                |found| matches!(role(found), StepRole::Operation(function) if writes.contains(&function)),
            );
            let patches = |found: &StepMatch| role(found) == StepRole::Operation(Function::PATCH);
            if matches.iter().any(patches) && !matches.iter().all(patches) {
                matches.clear();
            }
        }
        LookedBody::NotLooked(_) | LookedBody::Broken => {}
    }
}

/// Decides what a request is, and records the invocation of an operation. Returns `None` if it could not be recorded.
fn plan_request(
    tap: &Arc<TapState>,
    head: &Parts,
    matches: &[StepMatch],
    body_bytes: u64,
) -> Option<RequestPlan> {
    let sent_id = tap.recogniser.find_sent_id(&head.headers);
    if matches.is_empty() {
        let is_safe = head.method.is_safe() || tap.is_harmless(&head.method, head.uri.path());
        if !is_safe {
            tap.book().note_unsafe_request(sent_id.as_deref());
        }
        tap.census().count_unrecognised(head.method.as_str(), head.uri.path(), !is_safe);
        return Some(RequestPlan::Other { sent_id, login: None });
    }
    let meaning = tap.book().interpret_request(&tap.recogniser, matches, sent_id.as_deref(), body_bytes);
    Some(match meaning {
        RequestMeaning::Operation(planned) => {
            RequestPlan::Operation(OpenOperation::begin(tap, *planned, &head.headers).ok()?)
        }
        RequestMeaning::Part { login } => {
            tap.census().count_part();
            RequestPlan::Other { sent_id, login }
        }
        RequestMeaning::Unrecorded(why) => {
            tap.census().count_unrecorded(why);
            RequestPlan::Other { sent_id, login: None }
        }
    })
}

/// The request as it goes to the application: the same, but for what belongs to the connection.
fn build_request(
    tap: &TapState,
    mut head: Parts,
    body: SentBody,
    plan: &RequestPlan,
    upgrades: bool,
) -> Request<SentBody> {
    head.version = Version::HTTP_11;
    // In HTTP/2, the address is in the URI. A client that takes the tap for a proxy sends it there in HTTP/1 too.
    let authority = head.uri.authority().map(|authority| authority.as_str().to_owned());
    if authority.is_some() {
        head.uri = head.uri.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    remove_connection_headers(&mut head.headers, upgrades);
    if !head.headers.contains_key(header::HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_deref().unwrap_or(&tap.settings.to))
    {
        head.headers.insert(header::HOST, host);
    }
    if let RequestPlan::Operation(operation) = plan
        && operation.looks_at_body()
    {
        // The tap reads the answer. It does not decompress, and it does not know what the client has in its cache.
        for name in [header::ACCEPT_ENCODING, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
            head.headers.remove(name);
        }
    }
    Request::from_parts(head, body)
}

/// Notes the answer, and passes it on.
fn pass_answer(
    client: &ClientConnection,
    mut response: Response<Incoming>,
    plan: RequestPlan,
    upgrade: Option<OnUpgrade>,
) -> Response<PassedAnswer> {
    let tap = &client.tap;
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let server = upgraded.then(|| hyper::upgrade::on(&mut response));
    let (mut head, body) = response.into_parts();
    let compressed = head.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    let reader = match plan {
        RequestPlan::Operation(mut operation) => operation
            .take_headers(head.status.as_u16(), &head.headers)
            .then_some(AnswerReader::Operation(operation)),
        RequestPlan::Other { sent_id, login } => {
            note_other_answer(tap, head.status, &head.headers, sent_id, login)
        }
    };
    if let Some(server) = server {
        let Some(on_upgrade) = upgrade else {
            return make_answer(StatusCode::BAD_GATEWAY, "the application left HTTP without being asked to");
        };
        start_tunnel(tap.clone(), on_upgrade, server, client.permit.clone());
        return Response::from_parts(head, PassedAnswer::Own(Bytes::new()));
    }
    remove_connection_headers(&mut head.headers, false);
    head.version = Version::HTTP_11;
    let watch = reader.map(|reader| AnswerWatch::new(tap, reader, compressed));
    let body = AnswerBody::new(body, watch, tap.settings.answer_patience);
    Response::from_parts(head, PassedAnswer::Passed(Box::new(body)))
}

/// Notes the id that an answer gives out which is not the answer to an operation. Returns who reads the body, if it may hold a token.
fn note_other_answer(
    tap: &Arc<TapState>,
    status: StatusCode,
    headers: &HeaderMap,
    sent_id: Option<String>,
    login: Option<usize>,
) -> Option<AnswerReader> {
    if sent_id.is_none() && login.is_none() {
        return None;
    }
    let reply = HttpReply::new(status.as_u16(), headers, None, &tap.description);
    let id_after = find_id_after(&tap.description.id, sent_id.as_deref(), &reply);
    let succeeds = |step: usize| tap.recogniser.step(step).step.is_success_status(status.as_u16());
    let done = login.is_some_and(succeeds);
    match &tap.description.id {
        IdPlace::Token(place, _) if done => {
            return Some(AnswerReader::Login { place: place.clone(), sent_id });
        }
        _ if done => tap.book().note_login(sent_id.as_deref(), id_after.as_deref()),
        _ => tap.book().note_other_answer(sent_id.as_deref(), id_after.as_deref()),
    }
    None
}

/// The answer to a request that the application did not answer. The operation is recorded with the failure.
fn refuse_exchange(status: StatusCode, failure: Failure, plan: RequestPlan) -> Response<PassedAnswer> {
    let text = format!("the application did not answer: {}", failure.error);
    if let RequestPlan::Operation(operation) = plan {
        operation.end_with_failure(failure);
    }
    make_answer(status, &text)
}

/// An answer of the tap itself.
fn make_answer(status: StatusCode, text: &str) -> Response<PassedAnswer> {
    let mut answer = Response::new(PassedAnswer::Own(Bytes::from(format!("steadfast tap: {text}\n"))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

fn wants_upgrade(headers: &HeaderMap) -> bool {
    let connection = headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let mut words = connection.flat_map(|line| line.split(','));
    headers.contains_key(header::UPGRADE) && words.any(|word| word.trim().eq_ignore_ascii_case("upgrade"))
}

/// Removes the headers that are about one connection (RFC 9110, §7.6.1). An upgrade keeps those that ask for it.
fn remove_connection_headers(headers: &mut HeaderMap, upgrades: bool) {
    // How a body is delimited is up to each connection.
    headers.remove(header::TRANSFER_ENCODING);
    if !headers.contains_key(header::CONNECTION) && !headers.contains_key("keep-alive") {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(header::CONNECTION).iter().cloned().collect();
    let words = lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    for name in words.filter_map(|word| HeaderName::from_bytes(word.trim().as_bytes()).ok()) {
        if !(upgrades && name == header::UPGRADE) && name != header::CONTENT_LENGTH {
            headers.remove(name);
        }
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    headers.remove(header::CONNECTION);
    if upgrades {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// In HTTP/2, a client may send its cookies in several lines. HTTP/1 has one (RFC 9113, section 8.2.3).
fn join_cookie_lines(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

fn content_length(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or(0)
}
