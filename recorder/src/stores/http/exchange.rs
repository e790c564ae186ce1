//! One request, and the stages of its answer.

use super::cookies::CookieJar;
use super::description::{Acknowledged, ClockUnit, Description, IdPlace, RequestStep};
use super::entry::EntryPoint;
use super::secrets::Secrets;
use super::take::TakeFrom;
use super::template::{Escape, NamedPlace, TemplatePlace};
use super::wire::{self, ByteTransport, ExchangeError, HttpConnection};
use super::witness::{Witness, describe_body, show_secret};
use super::{CONNECT_PATIENCE, HANDSHAKE_PATIENCE, HttpClient};
use crate::stores::document;
use crate::{Failure, Notes, StoreRequest};
use bytes::Bytes;
use histories::Function;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use workloads::{ClientOperation, SessionPayload, Value};

/// The values for the places of a step.
#[derive(Clone, Debug, Default)]
pub(super) struct Filling {
    user: String,
    key: String,
    value: String,
    field: String,
    new: String,
    action: String,
    trace: String,
    base: String,
    /// What was taken from answers to the requests before this one.
    pub(super) taken: BTreeMap<String, String>,
    /// The user's line in the table of users.
    pub(super) columns: BTreeMap<String, String>,
    parent: Option<String>,
}

impl Filling {
    pub(super) fn from_request(request: &StoreRequest<'_>, key: &Arc<str>) -> Self {
        let mut filling = Self {
            user: request.session.to_string(),
            key: key.to_string(),
            trace: request.trace.trace_id(),
            parent: Some(request.trace.traceparent_header()),
            ..Self::default()
        };
        let operation = request.operation;
        if let Some(Value::Payload(read)) = &operation.based_on {
            filling.base = String::from_utf8_lossy(&read.to_bytes()).into_owned();
        }
        match (&operation.value, operation.function) {
            (Value::Payload(payload), _) => {
                filling.field = payload.field.as_deref().unwrap_or_default().to_owned();
                filling.user = payload.session.to_string();
                filling.value = String::from_utf8_lossy(&payload.to_bytes()).into_owned();
            }
            (Value::Text(text), Function::RENEW) => filling.new = text.to_string(),
            (Value::Text(text), _) => filling.action = text.to_string(),
            (Value::Int(number), _) => filling.action = number.to_string(),
            _ => {}
        }
        if operation.function == Function::ACTIONS {
            filling.user = key.to_string();
        }
        filling
    }

    /// The values that are known of a session beside its operations.
    pub(super) fn of_session(user: &str, key: &str) -> Self {
        Self { user: user.to_owned(), key: key.to_owned(), ..Self::default() }
    }

    pub(super) fn place_value(&self, place: TemplatePlace, id: Option<&str>) -> String {
        match place {
            TemplatePlace::User => self.user.clone(),
            TemplatePlace::Key => self.key.clone(),
            TemplatePlace::Id => id.unwrap_or_default().to_owned(),
            TemplatePlace::Value => self.value.clone(),
            TemplatePlace::Field => self.field.clone(),
            TemplatePlace::New => self.new.clone(),
            TemplatePlace::Action => self.action.clone(),
            TemplatePlace::Trace => self.trace.clone(),
            TemplatePlace::Base => self.base.clone(),
        }
    }
}

/// An answer whose headers have arrived.
#[derive(Debug)]
pub(crate) struct HttpReply {
    pub(crate) status: u16,
    pub(crate) node: Option<Arc<str>>,
    pub(crate) clock_ns: Option<i64>,
    pub(super) location: Option<String>,
    pub(super) headers: HeaderMap,
    pub(crate) set_cookies: Vec<String>,
    /// The session id, if it is in a header.
    pub(crate) header_id: Option<String>,
    body: Option<Incoming>,
    /// Where the shape of the body is to be noted, if somebody watches.
    pub(super) seen: Option<(Witness, usize)>,
}

/// The place of a step for which the user has no value. An empty value could mean something else to the application, such as all
/// sessions instead of one.
fn find_missing_value(step: &RequestStep, id: Option<&str>, jar: &CookieJar) -> Option<String> {
    if id.is_none() && step.templates().any(|template| template.has_place(TemplatePlace::Id)) {
        return Some("{id}".to_owned());
    }
    let mut cookies = step.templates().flat_map(|template| template.names(NamedPlace::Cookie));
    let missing = cookies.find(|name| jar.cookie_value(name).is_none())?;
    Some(format!("{{cookie.{missing}}}"))
}

impl HttpClient {
    /// Sends one step. Nothing is sent if a place of the step has no value.
    pub(super) async fn send_step(
        &mut self,
        step: &RequestStep,
        entry: usize,
        filling: &Filling,
        jar: &CookieJar,
    ) -> Result<HttpReply, Failure> {
        let id = self.inner.id_in_jar(jar);
        if let Some(missing) = find_missing_value(step, id.as_deref(), jar) {
            return Err(Failure::definite(format!(
                "[{}] needs {missing}, which the user does not have",
                step.name
            )));
        }
        let seen = self.begin_seen_exchange(step, entry, filling, jar, id.as_deref());
        let get = |place| filling.place_value(place, id.as_deref());
        let named = |of: NamedPlace, name: &str| match of {
            NamedPlace::Taken => filling.taken.get(name).cloned().unwrap_or_default(),
            NamedPlace::Cookie => jar.cookie_value(name).unwrap_or_default().to_owned(),
            NamedPlace::Column => filling.columns.get(name).cloned().unwrap_or_default(),
        };
        let path = step.path.fill_places(Escape::Percent, get, named);
        let headers: Vec<(String, String)> = (step.headers.iter())
            .map(|(name, template)| (name.clone(), template.fill_places(Escape::Nothing, get, named)))
            .collect();
        let content = headers.iter().find(|(name, _)| name == "content-type").map_or("", |(_, value)| value);
        let body = step
            .body
            .as_ref()
            .map(|body| body.fill_places(Escape::for_content_type(content), get, named))
            .unwrap_or_default();
        let request = self.build_request(&step.method, entry, &path, jar, &filling.parent)?;
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|why| Failure::definite(why.to_string()))?;
        self.send_seen_request(entry, request, seen).await
    }

    /// Fetches a page.
    pub(super) async fn fetch_page(
        &mut self,
        entry: usize,
        path: &str,
        jar: &CookieJar,
    ) -> Result<HttpReply, Failure> {
        let request = self.build_request("GET", entry, path, jar, &None)?.body(Full::default());
        let request = request.map_err(|why| Failure::definite(why.to_string()))?;
        let seen = self.begin_seen_page(entry, path, jar);
        let mut reply = self.send_seen_request(entry, request, seen).await?;
        reply.read_body().await?;
        Ok(reply)
    }

    /// Connects to where a WebSocket is: at the user's entry, or at an address of its own. Returns the connection and the head of
    /// the request with what the user's other requests have.
    pub(super) async fn open_live_socket(
        &self,
        user: &str,
        apart: Option<&EntryPoint>,
        path: &str,
        jar: &CookieJar,
    ) -> Result<(Box<dyn ByteTransport>, hyper::http::request::Builder), Failure> {
        let description = &self.inner.description;
        // An address that is that of an entry has what stands before it.
        let entry = match apart {
            None => &description.entries[self.entry_for_user(user)],
            Some(apart) => {
                let mut entries = description.entries.iter();
                entries.find(|entry| entry.address == apart.address).unwrap_or(apart)
            }
        };
        let base = if apart.is_some() { "" } else { &entry.base };
        let secure_host = apart.unwrap_or(entry).secure_host.as_ref();
        let scheme = if secure_host.is_some() { "wss" } else { "ws" };
        let head = self.with_identity(hyper::Request::builder(), &entry.address, jar);
        let head = head.uri(format!("{scheme}://{}{base}{path}", entry.address));
        let address = entry.front.as_ref().unwrap_or(&entry.address);
        let secure = description.tls.as_ref().zip(secure_host).map(|(tls, host)| (tls, host.as_str()));
        let patience = if secure.is_some() { HANDSHAKE_PATIENCE } else { CONNECT_PATIENCE };
        let opened = tokio::time::timeout(patience, wire::open_transport(address, secure)).await;
        let opened = opened.map_err(|_| "no connection in time".to_owned());
        let opened = opened.and_then(|opened| opened.map_err(|why| why.to_string()));
        opened.map(|open| (open, head)).map_err(|why| Failure::unreachable(format!("{address}: {why}")))
    }

    /// Asks for a stream that lasts, on a connection of its own. Returns its status and body.
    pub(super) async fn open_live_stream(
        &mut self,
        user: &str,
        path: &str,
        headers: Vec<(String, String)>,
        jar: &CookieJar,
    ) -> Result<(u16, Option<Incoming>), Failure> {
        let entry = self.entry_for_user(user);
        let request = self.build_request("GET", entry, path, jar, &None)?;
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request.body(Full::default()).map_err(|why| Failure::definite(why.to_string()))?;
        self.forget_connection(entry);
        let mut reply = self.send_request(entry, request).await?;
        self.forget_connection(entry);
        Ok((reply.status, reply.body.take()))
    }

    fn build_request(
        &self,
        method: &str,
        entry: usize,
        path: &str,
        jar: &CookieJar,
        parent: &Option<String>,
    ) -> Result<hyper::http::request::Builder, Failure> {
        let description = &self.inner.description;
        let entry = &description.entries[entry];
        let request = hyper::Request::builder().method(method).uri(format!("{}{path}", entry.base));
        let request = self.with_identity(request, &entry.address, jar);
        Ok(match parent {
            Some(parent) => request.header("traceparent", parent),
            None => request,
        })
    }

    /// Adds the host, and the cookies or the token of a user.
    fn with_identity(
        &self,
        request: hyper::http::request::Builder,
        host: &str,
        jar: &CookieJar,
    ) -> hyper::http::request::Builder {
        let mut request = request.header("host", host);
        if let Some(cookies) = jar.cookie_header() {
            request = request.header("cookie", cookies);
        }
        if let (IdPlace::Header(_, (name, template)) | IdPlace::Token(_, (name, template)), Some(token)) =
            (&self.inner.description.id, &jar.token)
        {
            request = request
                .header(name, template.fill_places(Escape::Nothing, |_| token.clone(), |_, _| String::new()));
        }
        request
    }

    /// Sends a request on the connection to an entry. If that connection is closed, a new one is opened first;
    /// nothing of the request was sent on the old one.
    pub(super) async fn send_request(
        &mut self,
        entry: usize,
        request: hyper::Request<Full<Bytes>>,
    ) -> Result<HttpReply, Failure> {
        let inner = self.inner.clone();
        let point = &inner.description.entries[entry];
        let (name, address) = (point.name.clone(), point.front.as_ref().unwrap_or(&point.address));
        let unreachable =
            |why: &dyn std::fmt::Display| Failure::unreachable(format!("{address}: {why}")).with_node(&name);
        let versions = inner.description.versions;
        let open = match self.connections[entry].take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => {
                let opened = match (&inner.description.tls, &point.secure_host) {
                    (Some(tls), Some(host)) => {
                        let open = HttpConnection::open_secure(address, tls, host, versions);
                        tokio::time::timeout(HANDSHAKE_PATIENCE, open).await
                    }
                    _ => {
                        let open = HttpConnection::open_plain(address, versions);
                        tokio::time::timeout(CONNECT_PATIENCE, open).await
                    }
                };
                match opened {
                    Ok(Ok(connection)) => connection,
                    Ok(Err(error)) => return Err(unreachable(&error)),
                    Err(_) => return Err(unreachable(&"no connection in time")),
                }
            }
        };
        // If nobody waits for the answer any more, the connection is closed: the next request must not go out on one that may
        // be dead. In HTTP/1, hyper closes it anyway.
        let mut open = open;
        let sent = open.send_request(request).await;
        match sent {
            Ok(response) => {
                self.connections[entry] = Some(open);
                let (head, body) = response.into_parts();
                Ok(HttpReply::new(head.status.as_u16(), &head.headers, Some(body), &inner.description))
            }
            Err(ExchangeError::Unsent(why)) => Err(unreachable(&why)),
            Err(ExchangeError::Sent(why)) => Err(Failure::indefinite(why)),
        }
    }
}

impl HttpReply {
    /// An answer whose headers have arrived. Without a body, nothing but the headers is looked at.
    pub(crate) fn new(
        status: u16,
        headers: &HeaderMap,
        body: Option<Incoming>,
        description: &Description,
    ) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let lines = headers.get_all("set-cookie").iter();
        let clock = description.clock.as_ref().and_then(|(name, unit)| parse_clock_ns(&text(name)?, *unit));
        Self {
            status,
            node: description.node.as_ref().and_then(|name| text(name)).map(Into::into),
            clock_ns: clock,
            location: text("location"),
            headers: headers.clone(),
            set_cookies: lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect(),
            header_id: match &description.id {
                IdPlace::Header(name, _) => text(name),
                IdPlace::Cookie(_) | IdPlace::Token(..) => None,
            },
            body,
            seen: None,
        }
    }

    /// Stores in a jar what a browser keeps of the answer.
    pub(super) fn store_in_jar(&self, jar: &mut CookieJar) {
        self.set_cookies.iter().for_each(|line| jar.apply_set_cookie(line));
        if self.header_id.is_some() {
            jar.token.clone_from(&self.header_id);
        }
    }

    /// The fields that the history holds beside the result.
    pub(crate) fn history_notes(&self, secrets: &Secrets) -> Notes {
        let mut notes = vec![("status", Value::Int(i64::from(self.status)))];
        if !self.set_cookies.is_empty() {
            let lines =
                self.set_cookies.iter().map(|line| Value::from(secrets.represent_cookie(line).as_str()));
            notes.push(("set_cookie", Value::List(lines.collect())));
        }
        notes
    }

    /// Stops waiting for the rest of the body.
    pub(super) fn abandon_body(&mut self) {
        self.body.take().into_iter().for_each(wire::drain_body);
    }

    /// Reads the complete body.
    pub(super) async fn read_body(&mut self) -> Result<Bytes, Failure> {
        let Some(body) = self.body.take() else { return Ok(Bytes::new()) };
        let body = wire::read_body(body)
            .await
            .map_err(|broken| Failure::indefinite(format!("the body: {}", broken.reason())))?;
        if let Some((witness, number)) = &self.seen {
            let kind =
                self.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            witness.complete_exchange(*number, |exchange| exchange.body = describe_body(kind, &body));
        }
        Ok(body)
    }

    /// Reads the body of an answer that was not expected if the exchange is shown, and otherwise does not wait for it.
    pub(super) async fn dismiss_body(&mut self) {
        match self.seen {
            Some(_) => drop(self.read_body().await),
            None => self.abandon_body(),
        }
    }

    /// Adds a value that was taken from the answer to what is shown of the exchange.
    pub(super) fn note_taken(&self, name: &str, from: &TakeFrom, found: &str, secrets: &Secrets) {
        if let Some((witness, number)) = &self.seen {
            let taken = format!("{name} = {} ({from})", show_secret(secrets, found));
            witness.complete_exchange(*number, |exchange| exchange.taken.push(taken));
        }
    }

    async fn read_json(&mut self) -> Result<serde_json::Value, Failure> {
        parse_json_body(&self.read_body().await?)
    }

    /// Reads the elements of the list in the answer.
    pub(super) async fn read_list(&mut self, step: &RequestStep) -> Result<Vec<serde_json::Value>, Failure> {
        let place = step.list.as_deref().unwrap_or_default();
        match self.read_json().await?.pointer(place) {
            Some(serde_json::Value::Array(elements)) => Ok(elements.clone()),
            other => Err(Failure::indefinite(format!("no list at {place:?} but {other:?}"))),
        }
    }

    /// Reads the result of an operation, once it is acknowledged. If the answer holds a token, it goes into the jar.
    pub(super) async fn read_result(
        &mut self,
        step: &RequestStep,
        operation: &ClientOperation,
        description: &Description,
        jar: &mut CookieJar,
    ) -> Result<Value, Failure> {
        match (operation.function, &description.id) {
            (Function::READ, _) => {
                let json = self.read_json().await?;
                // An answer of another shape does not say that there is no session.
                if !(json.is_object() || json.is_null()) {
                    let begins: String = json.to_string().chars().take(60).collect();
                    return Err(Failure::indefinite(format!("the body is no JSON object: {begins}")));
                }
                return Ok(read_session_value(step, &json, |_, text| {
                    SessionPayload::from_bytes(text.as_bytes())
                }));
            }
            (Function::ACTIONS, _) => {
                let elements = self.read_list(step).await?;
                return Ok(Value::List(elements.iter().map(parse_scalar).collect()));
            }
            (Function::CREATE | Function::RENEW, IdPlace::Token(place, _)) => {
                let json = parse_json_body(&self.read_body().await?);
                // A login before this request may have returned the token already.
                let has_token = operation.function == Function::CREATE && jar.token.is_some();
                let json = if has_token { json.unwrap_or_default() } else { json? };
                let token = json.pointer(place).and_then(serde_json::Value::as_str);
                if token.is_some() || !has_token {
                    jar.token = token.map(str::to_owned);
                }
            }
            (Function::CREATE | Function::RENEW, IdPlace::Header(..)) if self.header_id.is_some() => {
                jar.token.clone_from(&self.header_id);
            }
            _ => {}
        }
        match step.acknowledged {
            Acknowledged::Headers => self.abandon_body(),
            Acknowledged::Body => drop(self.read_body().await?),
        }
        Ok(match operation.function {
            Function::TOUCH | Function::DESTROY => Value::Null,
            _ => operation.value.clone(),
        })
    }
}

fn parse_json_body(body: &[u8]) -> Result<serde_json::Value, Failure> {
    serde_json::from_slice(body).map_err(|why| {
        let begins = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        Failure::indefinite(format!("the body is no JSON ({why}): {begins:?}"))
    })
}

/// Reads what a session holds from the answer to a read. If there is nothing at the described places, the session
/// does not exist: applications give a visitor without a session an empty one.
///
/// `parse` turns the text of the whole content, or of the named field, into a value.
pub(crate) fn read_session_value(
    step: &RequestStep,
    json: &serde_json::Value,
    mut parse: impl FnMut(Option<&str>, &str) -> Value,
) -> Value {
    let mut parse_held = |field: Option<&str>, held: &serde_json::Value| match held {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::String(text) => parse(field, text),
        // A value that is not a text, as it stands in the answer.
        other => parse(field, &other.to_string()),
    };
    let whole = step.value.as_ref().and_then(|place| json.pointer(place));
    let whole = whole.map_or(Value::Null, |held| parse_held(None, held));
    let fields = step.fields.as_ref().and_then(|place| json.pointer(place)?.as_object());
    let fields =
        fields.into_iter().flatten().map(|(name, held)| (name.as_str(), parse_held(Some(name), held)));
    document::combine_fields(whole, fields)
}

pub(crate) fn parse_scalar(element: &serde_json::Value) -> Value {
    match element {
        serde_json::Value::String(text) => {
            text.parse().map_or_else(|_| Value::from(text.as_str()), Value::Int)
        }
        other => other.as_i64().map_or_else(|| Value::from(other.to_string().as_str()), Value::Int),
    }
}

fn parse_clock_ns(text: &str, unit: ClockUnit) -> Option<i64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = match unit {
        ClockUnit::S => 9,
        ClockUnit::Ms => 6,
        ClockUnit::Ns => 0,
    };
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(digits).collect();
    format!("{whole}{fraction}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_read_to_the_last_digit() {
        assert_eq!(parse_clock_ns("1700000000123", ClockUnit::Ms), Some(1_700_000_000_123_000_000));
        assert_eq!(parse_clock_ns("1700000000.5", ClockUnit::S), Some(1_700_000_000_500_000_000));
        assert_eq!(parse_clock_ns("1700000000123456789", ClockUnit::Ns), Some(1_700_000_000_123_456_789));
        assert_eq!(parse_clock_ns("yesterday", ClockUnit::Ms), None);
    }
}
