//! Any web application that keeps sessions, used as a [`Description`] says.
//!
//! The client does what a browser does and no more: it sends the cookies that its user holds, stores what
//! `Set-Cookie` says, follows a redirect only where the description says so, and never retries.
//!
//! The recorder names the sessions in the history itself (`s-1`; after a renewal `s-1.1`), because applications
//! choose their ids themselves. `cookies.rs` maps names to cookies. A renewed or ended session keeps the cookie that
//! it had, so that a later read with it sends what an attacker would send.
//!
//! | answer | meaning |
//! | --- | --- |
//! | no connection; nothing was sent | definite |
//! | a status of `ok` (else 200 to 299) | done; for `create` only with an id, otherwise indeterminate |
//! | a status of `absent` | for a read: there is no session; else definite |
//! | a status of `refused` | definite |
//! | any other status, a broken connection, a timeout, no JSON where it was promised | indeterminate |

mod accounts;
mod advice;
mod backend;
mod before;
pub(crate) mod cookies;
pub(crate) mod description;
mod draft;
mod entry;
pub(crate) mod exchange;
mod fronts;
mod life;
mod live;
mod probe;
pub(crate) mod secrets;
mod seen;
mod take;
pub(crate) mod template;
mod tls;
mod undoing;
mod users;
pub(crate) mod wire;
mod witness;

pub use backend::{GivenApplication, walk_application};
pub use description::{Acknowledged, Description};
pub use draft::{AskPerson, DraftOptions, DraftQuestion, FieldsAs, draft_description};
pub use fronts::HttpFronts;
pub use life::{LifeStep, StepOutcome, WalkSettings};
pub use tls::TlsTable;
pub(crate) use tls::{TlsClient, read_certificates};
pub use witness::SeenExchange;

use crate::journal::JournalLost;
use crate::{AuditEntry, Client, Clock, Failure, Journal, LiveEnds, Notes, Store, StoreAnswer, StoreRequest};
use cookies::{Browsers, CookieJar, RequestJar};
use description::{IdPlace, RequestStep, Spread};
use exchange::{Filling, HttpReply};
use histories::Function;
use live::LiveTally;
use secrets::Secrets;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wire::HttpConnection;
use witness::Witness;
use workloads::{ClientOperation, Value};

/// How long to wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_millis(300);

/// How long to wait for a connection with TLS, which takes more round trips and work.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(1);

/// How long the audit trail may take.
const AUDIT_PATIENCE: Duration = Duration::from_secs(5);

/// A web application.
#[derive(Clone, Debug)]
pub struct HttpStore(Arc<HttpStoreState>);

#[derive(Debug)]
struct HttpStoreState {
    description: Description,
    browsers: Browsers,
    secrets: Secrets,
    /// The session and the value of an operation, by the trace id under which an audit entry may name it.
    traced: Mutex<HashMap<String, (Arc<str>, Value)>>,
    /// What became of the live connections.
    live: Mutex<LiveTally>,
}

/// A user agent in one seat: connections to the entries.
#[derive(Debug)]
pub struct HttpClient {
    inner: Arc<HttpStoreState>,
    seat: usize,
    connections: Vec<Option<HttpConnection>>,
    /// Collects the exchanges of this client, if somebody watches.
    witness: Option<Witness>,
}

impl HttpStore {
    /// Creates a store for the application of a description. The history holds digests of ids and tokens.
    pub fn new(description: Description) -> Self {
        Self::with_secrets(description, Secrets::with_digests())
    }

    /// Creates a store whose histories hold ids and tokens unchanged. Anyone who reads such a history can use them.
    pub fn keeping_secrets(description: Description) -> Self {
        Self::with_secrets(description, Secrets::without_digests())
    }

    fn with_secrets(description: Description, secrets: Secrets) -> Self {
        let (browsers, traced, live) = (Browsers::default(), Mutex::default(), Mutex::default());
        Self(Arc::new(HttpStoreState { description, browsers, secrets, traced, live }))
    }

    /// The current cookie, header or token of a session.
    pub fn session_id_of(&self, session: &str) -> Option<String> {
        self.0.id_in_jar(&self.0.browsers.jar_for_session(session)?.jar)
    }

    /// Says what became of the live connections of sessions; nothing if the description has none.
    pub(crate) fn describe_live_connections(&self) -> Option<String> {
        self.0.describe_live_connections()
    }

    /// Goes through the life of one session at every entry and tells each step with its requests and answers. Returns whether
    /// the description fits the application.
    pub(crate) async fn walk_session_life(
        &self,
        settings: &WalkSettings,
        tell: &mut (dyn FnMut(&LifeStep) + Send),
    ) -> bool {
        life::walk_session_life(self, settings, tell).await
    }

    /// Goes through the life of one session and says what does not fit the description. Before the run, so that
    /// a wrong description is not taken for a broken application. What may be a bug of the application is returned as
    /// remarks, because finding bugs is up to the run.
    pub async fn probe_application(&self) -> Result<Vec<String>, String> {
        probe::probe_session_life(self).await
    }
}

impl Store for HttpStore {
    type Client = HttpClient;
    const TRACED: bool = true;

    async fn connect(&self, seat: usize) -> Result<HttpClient, Failure> {
        Ok(HttpClient::for_seat(&self.0, seat))
    }

    fn has_live_connections(&self) -> bool {
        self.0.description.live.is_some()
    }

    async fn hold_live_connections(
        &self,
        journal: Arc<Journal>,
        clock: Clock,
        ends: LiveEnds,
    ) -> Result<(), JournalLost> {
        live::hold_live_connections(self.0.clone(), (journal, clock), ends).await
    }

    fn is_reachable(&self, key: &str) -> bool {
        self.0.browsers.jar_for_session(key).is_some()
    }

    async fn read_audit_trail(&self) -> Result<Option<Vec<AuditEntry>>, Failure> {
        let Some(step) = &self.0.description.audit else { return Ok(None) };
        let mut client = self.connect(0).await?;
        let (filling, jar) = (Filling::default(), CookieJar::default());
        let read = async {
            let mut reply = client.send_step(step, 0, &filling, &jar).await?;
            if !step.is_success_status(reply.status) {
                return Err(Failure::indefinite(format!("the audit trail: status {}", reply.status)));
            }
            reply.read_list(step).await
        };
        let entries = tokio::time::timeout(AUDIT_PATIENCE, read).await;
        let entries = entries.map_err(|_| Failure::indefinite("the audit trail did not come in time"))??;
        entries.iter().map(|entry| self.0.parse_audit_entry(step, entry)).collect::<Result<_, _>>().map(Some)
    }
}

impl HttpStoreState {
    /// The session id that a jar holds.
    fn id_in_jar(&self, jar: &CookieJar) -> Option<String> {
        match &self.description.id {
            IdPlace::Cookie(name) => jar.cookie_value(name).map(str::to_owned),
            IdPlace::Header(..) | IdPlace::Token(..) => jar.token.clone(),
        }
    }

    fn parse_audit_entry(
        &self,
        step: &RequestStep,
        entry: &serde_json::Value,
    ) -> Result<AuditEntry, Failure> {
        let text = |pointer: &Option<String>| {
            let found = entry.pointer(pointer.as_ref()?)?;
            Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
        };
        let event = text(&Some(step.entry.event.clone()));
        let event =
            event.ok_or_else(|| Failure::indefinite(format!("an entry without an event: {entry}")))?;
        let (trace, id) = (text(&step.entry.trace), text(&step.entry.id));
        let traced = self.traced.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = trace.as_ref().and_then(|trace| traced.get(trace));
        // An entry that matches no operation of the run keeps the name that the trail gives it.
        let (key, value) = match (asked, &id) {
            (Some((key, value)), _) => (key.clone(), value.clone()),
            (None, Some(id)) => {
                let known = self.browsers.find_session(id, |jar| self.id_in_jar(jar));
                let value = text(&step.entry.value).map_or(Value::Null, |value| Value::from(value.as_str()));
                (known.unwrap_or_else(|| self.secrets.represent_secret(id).into()), value)
            }
            (None, None) => (trace.unwrap_or_default().into(), Value::Null),
        };
        Ok(AuditEntry { function: event.into(), key, value })
    }
}

impl Client for HttpClient {
    async fn execute(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        let inner = self.inner.clone();
        let operation = request.operation;
        let Some(key) = &operation.key else { return Err(Failure::definite("which session?")) };
        let step = inner.description.step_for_function(operation.function)?;
        let entry = self.entry_for_user(request.session);
        let mut filling = Filling::from_request(request, key);
        filling.columns = inner.description.users.line_of(request.session);
        let held = match operation.function {
            Function::CREATE => RequestJar { jar: self.prepare_jar(entry, &filling).await?, lives: true },
            // The operation is about a user, not about a session.
            Function::ACTIONS => inner
                .browsers
                .jar_for_session(key)
                .unwrap_or(RequestJar { jar: CookieJar::default(), lives: false }),
            _ => inner.browsers.jar_for_session(key).ok_or_else(|| {
                Failure::definite("no client ever got the id of this session, so no request can use it")
            })?,
        };
        let key_now = (operation.function != Function::CREATE).then_some(key);
        let went = self.go_before(step, entry, filling, held, key_now).await;
        let (filling, held) = match went {
            Err(failure) if failure.says_no_such_session() && operation.function == Function::READ => {
                return Ok(StoreAnswer { node: failure.node, ..StoreAnswer::default() });
            }
            went => went?,
        };
        self.note_trace(request, key);
        let mut reply = self.send_step(step, entry, &filling, &held.jar).await?;
        let mut jar = held.jar.clone();
        if operation.function != Function::CREATE {
            if held.lives {
                inner.browsers.change_jar(key, |jar| reply.store_in_jar(jar));
            }
        } else {
            reply.store_in_jar(&mut jar);
        }
        let status = reply.status;
        if !step.is_success_status(status) {
            let absent = step.absent.contains(&status);
            let (node, notes) = (reply.node.clone(), reply.history_notes(&inner.secrets));
            reply.dismiss_body().await;
            self.connections[entry] = None;
            if absent && operation.function == Function::READ {
                return Ok(StoreAnswer { node, clock_ns: reply.clock_ns, notes, ..StoreAnswer::default() });
            }
            let said = |failure: Failure| Failure { node: node.clone(), notes: notes.clone(), ..failure };
            return Err(said(step.failure_for_status(status)));
        }
        self.finish_acknowledged(step, request, key, held, jar, reply).await
    }
}

impl HttpClient {
    fn for_seat(inner: &Arc<HttpStoreState>, seat: usize) -> Self {
        let mut client = Self { inner: inner.clone(), seat, connections: Vec::new(), witness: None };
        client.connections.resize_with(inner.description.entries.len(), || None);
        client
    }

    /// Completes an operation whose status says that it was done.
    async fn finish_acknowledged(
        &mut self,
        step: &RequestStep,
        request: &StoreRequest<'_>,
        key: &Arc<str>,
        held: RequestJar,
        mut jar: CookieJar,
        mut reply: HttpReply,
    ) -> Result<StoreAnswer, Failure> {
        let (inner, operation) = (self.inner.clone(), request.operation);
        let (node, clock_ns, mut notes) =
            (reply.node.clone(), reply.clock_ns, reply.history_notes(&inner.secrets));
        let said =
            |failure: Failure, notes: &Notes| Failure { node: node.clone(), notes: notes.clone(), ..failure };
        let location = reply.location.take().filter(|_| step.follow);
        let value = reply.read_result(step, operation, &inner.description, &mut jar).await;
        let value = value.map_err(|failure| said(failure, &notes))?;
        if step.acknowledged == Acknowledged::Headers {
            // The rest of the answer is still arriving on this connection. The next request uses another connection,
            // as a browser does, instead of waiting.
            let entry = self.entry_for_user(request.session);
            self.connections[entry] = None;
        }
        match operation.function {
            Function::CREATE => {
                if inner.id_in_jar(&jar).is_none() {
                    return Err(said(
                        Failure::indefinite(inner.description.id.describe_missing_id()),
                        &notes,
                    ));
                }
                inner.browsers.begin_session(key, jar.clone());
            }
            Function::RENEW => {
                let Value::Text(new) = &operation.value else {
                    return Err(Failure::definite("renewed to what?"));
                };
                inner.browsers.end_session(key, held.jar, Some(new));
                if let Some(token) = jar.token.clone() {
                    inner.browsers.change_jar(new, |jar| jar.token = Some(token));
                }
            }
            Function::DESTROY => inner.browsers.end_session(key, held.jar, None),
            _ => {}
        }
        if let Some(location) = location {
            let now = inner.browsers.jar_for_session(key).map_or(jar, |held| held.jar);
            let followed = self.follow_redirect(self.entry_for_user(request.session), &location, &now).await;
            notes.push(("followed", followed));
        }
        Ok(StoreAnswer { value, node, version: None, clock_ns, notes })
    }

    /// Closes the connection to an entry. The next request opens a new one.
    fn forget_connection(&mut self, entry: usize) {
        self.connections[entry] = None;
    }

    /// The entry that a user's requests use.
    fn entry_for_user(&self, user: &str) -> usize {
        let count = self.connections.len();
        match self.inner.description.spread {
            Spread::Seat => self.seat % count,
            Spread::User => {
                user.bytes().fold(0, |sum: usize, byte| sum * 31 % 65_521 + usize::from(byte)) % count
            }
        }
    }

    /// Returns the jar of a fresh browser, which has first visited the application if the description says so.
    async fn prepare_jar(&mut self, entry: usize, filling: &Filling) -> Result<CookieJar, Failure> {
        let mut jar = CookieJar::default();
        let inner = self.inner.clone();
        let Some(step) = &inner.description.visit else { return Ok(jar) };
        // The login has not been sent yet. Whatever fails during the visit, the failure is definite.
        let unasked = |failure: Failure| Failure { definite: true, ..failure };
        let mut reply = self.send_step(step, entry, filling, &jar).await.map_err(unasked)?;
        reply.store_in_jar(&mut jar);
        let status = reply.status;
        reply.read_body().await.map_err(unasked)?;
        if step.is_success_status(status) {
            Ok(jar)
        } else {
            Err(Failure::definite(format!("the visit: status {status}")))
        }
    }

    /// Follows a redirect and returns the status of the page.
    async fn follow_redirect(&mut self, entry: usize, location: &str, jar: &CookieJar) -> Value {
        let base = &self.inner.description.entries[entry];
        let path = location
            .strip_prefix("http://")
            .or_else(|| location.strip_prefix("https://"))
            .map_or(location, |rest| rest.find('/').map_or("/", |slash| &rest[slash..]));
        let path = path.strip_prefix(base.base.as_str()).unwrap_or(path).to_owned();
        match self.fetch_page(entry, &path, jar).await {
            Ok(reply) => Value::Int(i64::from(reply.status)),
            Err(failure) => Value::from(failure.error.as_str()),
        }
    }

    /// Remembers what a trace id stands for, for the operations that audit trails report.
    fn note_trace(&self, request: &StoreRequest<'_>, key: &Arc<str>) {
        let operation: &ClientOperation = request.operation;
        let value = match operation.function {
            Function::CREATE | Function::DESTROY => Value::Null,
            Function::RENEW | Function::ACT => operation.value.clone(),
            _ => return,
        };
        if self.inner.description.audit.is_some() {
            let mut traced = self.inner.traced.lock().unwrap_or_else(PoisonError::into_inner);
            traced.insert(request.trace.trace_id(), (key.clone(), value));
        }
    }
}

impl IdPlace {
    /// The place as the file states it.
    fn describe_place(&self) -> String {
        match self {
            IdPlace::Cookie(name) => format!("cookie {name}"),
            IdPlace::Header(name, _) => format!("header {name}"),
            IdPlace::Token(place, _) => format!("token {place:?}"),
        }
    }

    /// The message for an answer without an id.
    pub(crate) fn describe_missing_id(&self) -> String {
        match self {
            IdPlace::Cookie(name) => format!("no cookie {name:?} in the answer to the login"),
            IdPlace::Header(name, _) => format!("no header {name:?} in the answer to the login"),
            IdPlace::Token(place, _) => format!("nothing at {place:?} in the answer to the login"),
        }
    }
}

impl Description {
    pub(crate) fn step_for_function(&self, function: Function) -> Result<&RequestStep, Failure> {
        let step = match function {
            Function::CREATE => Some(&self.create),
            Function::READ => Some(&self.read),
            Function::WRITE => self.write.as_ref(),
            Function::PATCH => self.patch.as_ref(),
            Function::TOUCH => self.touch.as_ref(),
            Function::RENEW => self.renew.as_ref(),
            Function::DESTROY => self.destroy.as_ref(),
            Function::ACT => self.act.as_ref(),
            Function::ACTIONS => self.actions.as_ref(),
            _ => None,
        };
        step.ok_or_else(|| {
            Failure::definite(format!("the description has no [{}]", workloads::function_name(function)))
        })
    }
}
