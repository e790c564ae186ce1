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

mod backend;
pub(crate) mod cookies;
mod description;
mod exchange;
mod fronts;
mod probe;
mod secrets;
mod template;
pub(crate) mod wire;

pub use backend::GivenApplication;
pub use description::{Acknowledged, Description};
pub use fronts::HttpFronts;

use crate::{Answer, AuditEntry, Client, Failure, Notes, Request, Store};
use cookies::{Browsers, Held, Jar};
use description::{IdPlace, Spread, Step};
use exchange::{Filling, Reply};
use histories::Function;
use secrets::Secrets;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wire::Connection;
use workloads::{Operation, Value};

/// How long to wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_millis(300);

/// How long the audit trail may take.
const AUDIT_PATIENCE: Duration = Duration::from_secs(5);

/// A web application.
#[derive(Clone, Debug)]
pub struct HttpStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    description: Description,
    browsers: Browsers,
    secrets: Secrets,
    /// The session and the value of an operation, by the trace id under which an audit entry may name it.
    traced: Mutex<HashMap<String, (Arc<str>, Value)>>,
}

/// A user agent in one seat: connections to the entries.
#[derive(Debug)]
pub struct HttpClient {
    inner: Arc<Inner>,
    seat: usize,
    connections: Vec<Option<Connection>>,
}

impl HttpStore {
    /// Creates a store for the application of a description. The history holds digests of ids and tokens.
    pub fn new(description: Description) -> Self {
        Self::with_secrets(description, Secrets::digested())
    }

    /// Creates a store whose histories hold ids and tokens unchanged. Anyone who reads such a history can use them.
    pub fn keeping_secrets(description: Description) -> Self {
        Self::with_secrets(description, Secrets::kept())
    }

    fn with_secrets(description: Description, secrets: Secrets) -> Self {
        let (browsers, traced) = (Browsers::default(), Mutex::default());
        Self(Arc::new(Inner { description, browsers, secrets, traced }))
    }

    /// The current cookie, header or token of a session.
    pub fn id_of(&self, session: &str) -> Option<String> {
        self.0.id_in(&self.0.browsers.held(session)?.jar)
    }

    /// Runs one session through its life cycle and reports what does not fit the description. This happens before the
    /// run, so that a wrong description is not mistaken for a broken application.
    pub async fn probe(&self) -> Result<(), String> {
        probe::probe(self).await
    }
}

impl Store for HttpStore {
    type Client = HttpClient;
    const TRACED: bool = true;

    async fn connect(&self, seat: usize) -> Result<HttpClient, Failure> {
        let count = self.0.description.entries.len();
        let mut client = HttpClient { inner: self.0.clone(), seat, connections: Vec::new() };
        client.connections.resize_with(count, || None);
        Ok(client)
    }

    fn can_ask(&self, key: &str) -> bool {
        self.0.browsers.held(key).is_some()
    }

    async fn audit(&self) -> Result<Option<Vec<AuditEntry>>, Failure> {
        let Some(step) = &self.0.description.audit else { return Ok(None) };
        let mut client = self.connect(0).await?;
        let (filling, jar) = (Filling::default(), Jar::default());
        let read = async {
            let mut reply = client.ask(step, 0, &filling, &jar).await?;
            if !step.is_done_by(reply.status) {
                return Err(Failure::indefinite(format!("the audit trail: status {}", reply.status)));
            }
            reply.list(step).await
        };
        let entries = tokio::time::timeout(AUDIT_PATIENCE, read).await;
        let entries = entries.map_err(|_| Failure::indefinite("the audit trail did not come in time"))??;
        entries.iter().map(|entry| self.0.audited(step, entry)).collect::<Result<_, _>>().map(Some)
    }
}

impl Inner {
    /// The session id that a jar holds.
    fn id_in(&self, jar: &Jar) -> Option<String> {
        match &self.description.id {
            IdPlace::Cookie(name) => jar.cookie(name).map(str::to_owned),
            IdPlace::Header(..) | IdPlace::Token(..) => jar.token.clone(),
        }
    }

    fn audited(&self, step: &Step, entry: &serde_json::Value) -> Result<AuditEntry, Failure> {
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
                let known = self.browsers.session_of(id, |jar| self.id_in(jar));
                let value = text(&step.entry.value).map_or(Value::Null, |value| Value::from(value.as_str()));
                (known.unwrap_or_else(|| self.secrets.shown(id).into()), value)
            }
            (None, None) => (trace.unwrap_or_default().into(), Value::Null),
        };
        Ok(AuditEntry { function: event.into(), key, value })
    }
}

impl Client for HttpClient {
    async fn execute(&mut self, request: &Request<'_>) -> Result<Answer, Failure> {
        let inner = self.inner.clone();
        let operation = request.operation;
        let Some(key) = &operation.key else { return Err(Failure::definite("which session?")) };
        let step = inner.description.step(operation.function)?;
        let entry = self.entry_of(request.session);
        let filling = Filling::of(request, key);
        let held = match operation.function {
            Function::CREATE => Held { jar: self.visited(entry, &filling).await?, lives: true },
            // The operation is about a user, not about a session.
            Function::ACTIONS => {
                inner.browsers.held(key).unwrap_or(Held { jar: Jar::default(), lives: false })
            }
            _ => inner.browsers.held(key).ok_or_else(|| {
                Failure::definite("nobody was told the id of this session, and nobody can ask for it")
            })?,
        };
        self.note_trace(request, key);
        let mut reply = self.ask(step, entry, &filling, &held.jar).await?;
        let mut jar = held.jar.clone();
        if operation.function != Function::CREATE {
            if held.lives {
                inner.browsers.change(key, |jar| reply.keep(jar));
            }
        } else {
            reply.keep(&mut jar);
        }
        let status = reply.status;
        if !step.is_done_by(status) {
            let absent = step.absent.contains(&status);
            let (node, notes) = (reply.node.clone(), reply.notes(&inner.secrets));
            reply.leave();
            self.connections[entry] = None;
            if absent && operation.function == Function::READ {
                return Ok(Answer { node, clock_ns: reply.clock_ns, notes, ..Answer::default() });
            }
            let said = |failure: Failure| Failure { node: node.clone(), notes: notes.clone(), ..failure };
            return Err(said(match absent {
                true => Failure::no_such_session(),
                false if step.refused.contains(&status) => Failure::definite(format!("status {status}")),
                false => Failure::indefinite(format!("status {status}")),
            }));
        }
        self.acknowledged(step, request, key, held, jar, reply).await
    }
}

impl HttpClient {
    /// Completes an operation whose status says that it was done.
    async fn acknowledged(
        &mut self,
        step: &Step,
        request: &Request<'_>,
        key: &Arc<str>,
        held: Held,
        mut jar: Jar,
        mut reply: Reply,
    ) -> Result<Answer, Failure> {
        let (inner, operation) = (self.inner.clone(), request.operation);
        let (node, clock_ns, mut notes) = (reply.node.clone(), reply.clock_ns, reply.notes(&inner.secrets));
        let said =
            |failure: Failure, notes: &Notes| Failure { node: node.clone(), notes: notes.clone(), ..failure };
        let location = reply.location.take().filter(|_| step.follow);
        let value = reply.value(step, operation, &inner.description, &mut jar).await;
        let value = value.map_err(|failure| said(failure, &notes))?;
        if step.acknowledged == Acknowledged::Headers {
            // The rest of the answer is still arriving on this connection. The next request uses another connection,
            // as a browser does, instead of waiting.
            let entry = self.entry_of(request.session);
            self.connections[entry] = None;
        }
        match operation.function {
            Function::CREATE => {
                if inner.id_in(&jar).is_none() {
                    return Err(said(Failure::indefinite(inner.description.id.missing()), &notes));
                }
                inner.browsers.begun(key, jar.clone());
            }
            Function::RENEW => {
                let Value::Text(new) = &operation.value else {
                    return Err(Failure::definite("renewed to what?"));
                };
                inner.browsers.over(key, held.jar, Some(new));
                if let Some(token) = jar.token.clone() {
                    inner.browsers.change(new, |jar| jar.token = Some(token));
                }
            }
            Function::DESTROY => inner.browsers.over(key, held.jar, None),
            _ => {}
        }
        if let Some(location) = location {
            let now = inner.browsers.held(key).map_or(jar, |held| held.jar);
            let followed = self.follow(self.entry_of(request.session), &location, &now).await;
            notes.push(("followed", followed));
        }
        Ok(Answer { value, node, version: None, clock_ns, notes })
    }

    /// The entry that a user's requests use.
    fn entry_of(&self, user: &str) -> usize {
        let count = self.connections.len();
        match self.inner.description.spread {
            Spread::Seat => self.seat % count,
            Spread::User => {
                user.bytes().fold(0, |sum: usize, byte| sum * 31 % 65_521 + usize::from(byte)) % count
            }
        }
    }

    /// Returns the jar of a fresh browser, which has first visited the application if the description says so.
    async fn visited(&mut self, entry: usize, filling: &Filling) -> Result<Jar, Failure> {
        let mut jar = Jar::default();
        let inner = self.inner.clone();
        let Some(step) = &inner.description.visit else { return Ok(jar) };
        // The login has not been sent yet. Whatever fails during the visit, the failure is definite.
        let unasked = |failure: Failure| Failure { definite: true, ..failure };
        let mut reply = self.ask(step, entry, filling, &jar).await.map_err(unasked)?;
        reply.keep(&mut jar);
        let status = reply.status;
        reply.body().await.map_err(unasked)?;
        if step.is_done_by(status) {
            Ok(jar)
        } else {
            Err(Failure::definite(format!("the visit: status {status}")))
        }
    }

    /// Follows a redirect and returns the status of the page.
    async fn follow(&mut self, entry: usize, location: &str, jar: &Jar) -> Value {
        let base = &self.inner.description.entries[entry];
        let path = location
            .strip_prefix("http://")
            .map_or(location, |rest| rest.find('/').map_or("/", |slash| &rest[slash..]));
        let path = path.strip_prefix(base.base.as_str()).unwrap_or(path).to_owned();
        match self.get(entry, &path, jar).await {
            Ok(reply) => Value::Int(i64::from(reply.status)),
            Err(failure) => Value::from(failure.error.as_str()),
        }
    }

    /// Remembers what a trace id stands for, for the operations that audit trails report.
    fn note_trace(&self, request: &Request<'_>, key: &Arc<str>) {
        let operation: &Operation = request.operation;
        let value = match operation.function {
            Function::CREATE | Function::DESTROY => Value::Null,
            Function::RENEW | Function::ACT => operation.value.clone(),
            _ => return,
        };
        if self.inner.description.audit.is_some() {
            let mut traced = self.inner.traced.lock().unwrap_or_else(PoisonError::into_inner);
            traced.insert(request.trace.id(), (key.clone(), value));
        }
    }
}

impl IdPlace {
    /// The message for an answer without an id.
    fn missing(&self) -> String {
        match self {
            IdPlace::Cookie(name) => format!("no cookie {name:?} in the answer to the login"),
            IdPlace::Header(name, _) => format!("no header {name:?} in the answer to the login"),
            IdPlace::Token(place, _) => format!("nothing at {place:?} in the answer to the login"),
        }
    }
}

impl Description {
    fn step(&self, function: Function) -> Result<&Step, Failure> {
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
