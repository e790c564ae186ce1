//! A web application on two nodes behind HAProxy, with its sessions in Redis under Sentinels. The run starts the
//! stack and causes faults in it.
//!
//! ```text
//! users ── proxy (HAProxy) ─┬─ a1 (Express) ─┬─ n1 (Redis, Sentinel)
//!                           └─ a2 (Express) ─┼─ n2
//!                                            └─ n3
//! ```
//!
//! Each process has its own address in the loopback network and opens its connections from it, so that a partition
//! cuts hosts. Users come from 127.0.0.1 and see only the proxy. The application and its description (`stack.toml`,
//! for [`super::http`]) are files of this repository. Each setting that can be wrong is a [switch](SWITCHES).
//!
//! The stack needs Redis, HAProxy, node and the packages of `package-lock.json`: see [`find_packages`].
//!
//! HAProxy's own 503 says that no node took the request, so nothing was done. With `retry` this is not certain,
//! because a node may have taken an earlier attempt.

mod backend;
mod cluster;
mod files;
mod proxy_view;

pub use backend::ExpressRedis;
pub use cluster::ExpressCluster;
pub use files::find_packages;

use super::document;
use super::http::{Description, HttpStore};
use super::redis::facts::read_facts_of;
use super::redis::resp::{RespConnection, RespReply};
use super::switches::Switch;
use crate::journal::JournalLost;
use crate::{AuditEntry, Clock, Failure, Journal, LiveEnds, StackFact, Store, Traffic};
use proxy_view::proxy_facts;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use workloads::{SessionPayload, Value};

/// The description of how the application is used.
pub const DESCRIPTION: &str = include_str!("../../../stacks/express/stack.toml");

/// What the switch `live` adds to the description.
const LIVE: &str = r#"
[live]
path = "/events"
shows = '"user":"{user}"'
number = "id"
silence = "3s"
"#;

/// The settings of the stack, each with its default.
pub const SWITCHES: &[Switch] = &[
    ("sticky", "no", "HAProxy sends a user to one node, by a cookie"),
    ("memory", "no", "each node keeps sessions in its own memory, Redis holds orders only"),
    ("resave", "no", "each request saves the session, changed or not"),
    ("rolling", "no", "each answer sets the cookie anew"),
    ("save-uninitialized", "no", "visitors without a login get a session too"),
    ("regenerate", "yes", "login and renewal give the session a new id"),
    (
        "redirect",
        "no",
        "yes: a write is answered with a redirect, before the session is saved; after-save: after it is",
    ),
    ("save-over", "any", "existing: a session that was found is saved only if it is still there"),
    ("edits", "any", "compared: a session is saved only over the version that its user had read"),
    ("orders", "redis", "session: orders are kept in the session, read and written back as a whole"),
    ("cache", "no", "HAProxy keeps answers for a second, and does not look at cookies"),
    ("acknowledged", "body", "headers: a request counts when the headers of its answer are there"),
    ("replica-reads", "no", "sessions are read at any Redis server"),
    ("wait", "0", "how many replicas must have a session before the request goes on (WAIT)"),
    ("reads", "any", "confirmed: as many replicas must have what a read shows, before it is shown"),
    ("store-delay", "0ms", "how much longer Redis takes to save a session"),
    (
        "slow-write",
        "0ms",
        "how long the handler of a write takes before it is saved, and of an order after it is",
    ),
    ("slow-renew", "0ms", "how long the handler of a renewal takes"),
    ("slow-share", "100", "per cent of the writes and renewals that are slow"),
    ("retry", "no", "HAProxy repeats every request that got no answer, even if it is not idempotent"),
    ("server-timeout", "5s", "how long HAProxy waits for an answer"),
    (
        "live",
        "no",
        "each session keeps a stream of events open; forget: a resumed one leaves out what came meanwhile",
    ),
    ("versions", "1/1", "the versions of the application on a1 and a2: 1 or 2"),
    (
        "migration",
        "at-once",
        "expand: version 2 still writes what version 1 reads, and reads that, beside what is new",
    ),
];

/// The stack as users see it, and its Redis servers as operators see them.
#[derive(Clone, Debug)]
pub struct ExpressStore {
    http: HttpStore,
    servers: Arc<Vec<(Arc<str>, String)>>,
    sentinels: Arc<Vec<String>>,
    /// The path of the socket at which the proxy answers `show stat`.
    proxy_at: Arc<Path>,
    in_redis: bool,
}

impl ExpressStore {
    /// Says what became of the live connections of sessions; nothing without the switch `live`.
    pub(super) fn describe_live_connections(&self) -> Option<String> {
        self.http.describe_live_connections()
    }

    /// Goes through the life of one session.
    pub async fn probe_application(&self) -> Result<Vec<String>, String> {
        self.http.probe_application().await
    }

    async fn ask_redis(&self, server: &str, words: &[&str]) -> Option<RespReply> {
        let ask = async { RespConnection::open(server).await.ok()?.run_command(words).await.ok() };
        tokio::time::timeout(Duration::from_millis(500), ask).await.ok()?
    }
}

impl Store for ExpressStore {
    type Client = super::http::HttpClient;
    const TRACED: bool = true;

    async fn connect(&self, seat: usize) -> Result<Self::Client, Failure> {
        self.http.connect(seat).await
    }

    fn is_reachable(&self, key: &str) -> bool {
        self.http.is_reachable(key)
    }

    fn has_live_connections(&self) -> bool {
        self.http.has_live_connections()
    }

    async fn hold_live_connections(
        &self,
        journal: Arc<Journal>,
        clock: Clock,
        ends: LiveEnds,
    ) -> Result<(), JournalLost> {
        self.http.hold_live_connections(journal, clock, ends).await
    }

    fn replica_names(&self) -> Vec<Arc<str>> {
        let all = self.servers.iter().map(|(name, _)| name.clone());
        if self.in_redis { all.collect() } else { Vec::new() }
    }

    async fn read_replica(&self, replica: &str, key: &Arc<str>) -> Result<Value, Failure> {
        let server = self.servers.iter().find(|(name, _)| **name == *replica);
        let (_, address) = server.ok_or_else(|| Failure::definite(format!("there is no {replica}")))?;
        let id = self.http.session_id_of(key).as_deref().and_then(parse_session_id);
        let id = id.ok_or_else(|| Failure::definite("no client ever got the id of this session"))?;
        match self.ask_redis(address, &["GET", &format!("sess:{id}")]).await {
            Some(RespReply::Bulk(None)) => Ok(Value::Null),
            Some(RespReply::Bulk(Some(bytes))) => Ok(parse_redis_session(&bytes)),
            other => Err(Failure::indefinite(format!("{replica}: {other:?}"))),
        }
    }

    async fn read_audit_trail(&self) -> Result<Option<Vec<AuditEntry>>, Failure> {
        self.http.read_audit_trail().await
    }

    async fn facts(&self) -> Vec<StackFact> {
        let (mut facts, of_proxy) =
            tokio::join!(read_facts_of(&self.servers, &self.sentinels), proxy_facts(&self.proxy_at));
        facts.extend(of_proxy);
        facts
    }

    /// By the servers' own counts, which begin anew with each of them; nothing while one does not answer.
    async fn count_traffic(&self) -> Option<Traffic> {
        let mut sum = Traffic::default();
        for (_, address) in self.servers.iter() {
            let Some(RespReply::Bulk(Some(text))) = self.ask_redis(address, &["INFO", "stats"]).await else {
                return None;
            };
            let text = String::from_utf8_lossy(&text).into_owned();
            let number = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.and_then(|number| number.trim().parse::<u64>().ok())
            };
            sum.commands += number("total_commands_processed")?;
            sum.bytes_in += number("total_net_input_bytes")?;
            sum.bytes_out += number("total_net_output_bytes")?;
        }
        Some(sum)
    }
}

impl ExpressCluster {
    /// Returns the stack as a store for its users. With `keep_secrets`, session ids appear in the history unchanged.
    pub fn open_store(&self, keep_secrets: bool) -> Result<ExpressStore, String> {
        let live = if self.switches().get("live") == "no" { "" } else { LIVE };
        let mut description = Description::from_toml(&format!("{DESCRIPTION}{live}"))?
            .with_entries([("proxy", self.entry_url().as_str())])?;
        if !self.switches().is_on("retry")? {
            description.add_refused_statuses(&[503]);
        }
        if self.acknowledges_at_headers() {
            description.set_acknowledged(super::http::Acknowledged::Headers);
        }
        Ok(ExpressStore {
            http: if keep_secrets {
                HttpStore::keeping_secrets(description)
            } else {
                HttpStore::new(description)
            },
            servers: Arc::new(self.redis_servers()),
            sentinels: Arc::new(self.sentinels()),
            proxy_at: self.proxy_socket().into(),
            in_redis: !self.switches().is_on("memory")?,
        })
    }
}

/// Extracts the session id from a signed cookie: `s:ID.SIGNATURE`, percent-encoded.
fn parse_session_id(cookie: &str) -> Option<String> {
    let signed = cookie.strip_prefix("s%3A").or_else(|| cookie.strip_prefix("s:"))?;
    signed.split_once('.').map(|(id, _)| id.to_owned())
}

/// Decodes a session in Redis, which express-session stores as JSON.
fn parse_redis_session(bytes: &[u8]) -> Value {
    let Ok(session) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return SessionPayload::from_bytes(bytes);
    };
    let text = |held: &serde_json::Value| {
        held.as_str().map_or(Value::Null, |text| SessionPayload::from_bytes(text.as_bytes()))
    };
    let whole = session.get("payload").or_else(|| session.get("data")).map_or(Value::Null, text);
    let fields = session.get("fields").and_then(serde_json::Value::as_object);
    document::combine_fields(
        whole,
        fields.into_iter().flatten().map(|(name, held)| (name.as_str(), text(held))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_in_this_repository_makes_sense() {
        let description = Description::from_toml(DESCRIPTION).unwrap();
        assert_eq!(
            (description.missing_steps(), description.entry_names()),
            (vec![], vec!["proxy".to_owned()])
        );
    }

    #[test]
    fn an_id_is_found_in_its_cookie() {
        assert_eq!(parse_session_id("s%3AaB-_1.xyz%2F").as_deref(), Some("aB-_1"));
        assert_eq!(parse_session_id("aB-_1"), None);
    }

    #[test]
    fn a_session_in_redis_is_read_as_the_application_would() {
        let text = |version| {
            let payload = SessionPayload { session: "s".into(), field: None, version, bytes: 64 };
            (String::from_utf8(payload.to_bytes()).unwrap(), Value::Payload(payload))
        };
        let ((one, first), (two, second)) = (text(1), text(2));
        let json = |value: serde_json::Value| parse_redis_session(value.to_string().as_bytes());
        assert_eq!(json(serde_json::json!({"cookie": {}, "data": one, "fields": {}})), first);
        assert_eq!(json(serde_json::json!({"data": one, "payload": two})), second);
        let fields = json(serde_json::json!({"data": one, "fields": {"lang": one, "cart": two}}));
        let expected = [("all", first.clone()), ("cart", second), ("lang", first)];
        assert_eq!(fields, Value::Fields(expected.map(|(name, held)| (name.into(), held)).to_vec()));
        assert_eq!(json(serde_json::json!({"cookie": {}})), Value::Null);
    }
}
