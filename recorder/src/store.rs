//! What a store must be able to do so that the recorder can drive it: connect, and execute one operation.
//!
//! The difficult part is the *classification* of errors. An operation with a definite failure did not take effect. An
//! operation with an indefinite failure may have taken effect, or may take effect later; the history records it as
//! indeterminate. If an indefinite failure is reported as definite, the checker sees values that no operation wrote:
//! a false alarm. If a definite failure is reported as indefinite, the checker only becomes slower and less sharp.
//! Therefore an error is definite only if the store itself said that it refused, or if the request provably never
//! left. Every other error is indefinite.
//!
//! ```
//! use recorder::{Client, Failure, Store, StoreAnswer, StoreRequest};
//! use std::sync::{Arc, Mutex};
//! use workloads::Value;
//!
//! /// A register in this process's memory.
//! #[derive(Clone, Default)]
//! struct Memory(Arc<Mutex<Value>>);
//!
//! impl Store for Memory {
//!     type Client = Memory;
//!     async fn connect(&self, _seat: usize) -> Result<Memory, Failure> {
//!         Ok(self.clone())
//!     }
//! }
//!
//! impl Client for Memory {
//!     async fn execute(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
//!         let mut held = self.0.lock().unwrap();
//!         match workloads::function_name(request.operation.function) {
//!             "read" => Ok(StoreAnswer::from_value(held.clone())),
//!             "write" => {
//!                 *held = request.operation.value.clone();
//!                 Ok(StoreAnswer::from_value(held.clone()))
//!             }
//!             other => Err(Failure::definite(format!("there is no {other} here"))),
//!         }
//!     }
//! }
//! ```

use crate::journal::JournalLost;
use crate::{Clock, Journal, StackFact, Stop};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use workloads::{ClientOperation, Value};

/// A store that clients can connect to.
pub trait Store: Send + Sync + 'static {
    /// The type of a connection to the store.
    type Client: Client;

    /// Opens a connection for the client with this number. There are as many clients as operations may be in flight,
    /// and a store can place clients by their number. No operation has been sent yet, so that every failure here is
    /// definite.
    fn connect(&self, seat: usize) -> impl Future<Output = Result<Self::Client, Failure>> + Send;

    /// Whether the store's protocol has room for a [`Trace`]. If so, the history holds the trace id of each
    /// operation.
    const TRACED: bool = false;

    /// Whether a client could ask for this object. A session whose id was never sent to its user is not reachable and
    /// is not read at the end.
    fn is_reachable(&self, _key: &str) -> bool {
        true
    }

    /// The replicas that can be read one by one with [`Store::read_replica`]; empty if that is not possible.
    fn replica_names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// Reads what one replica holds under a key, whatever the other replicas hold. It is called when the store has
    /// settled.
    fn read_replica(
        &self,
        replica: &str,
        key: &Arc<str>,
    ) -> impl Future<Output = Result<Value, Failure>> + Send {
        let why = format!("{replica} cannot be asked for {key} alone");
        async move { Err(Failure::definite(why)) }
    }

    /// Reads the stack's own record of critical events, in its order; `None` if it keeps none. It is called at the
    /// end.
    fn read_audit_trail(&self) -> impl Future<Output = Result<Option<Vec<AuditEntry>>, Failure>> + Send {
        async { Ok(None) }
    }

    /// What the parts of the stack tell of themselves now: who is primary, which epoch it is, which process runs. Each
    /// change of it becomes an event of the history. Nothing where nobody tells. Asked again and again during a run;
    /// bounds its own time.
    fn facts(&self) -> impl Future<Output = Vec<StackFact>> + Send {
        async { Vec::new() }
    }

    /// Whether sessions keep live connections open beside their operations.
    fn has_live_connections(&self) -> bool {
        false
    }

    /// Holds the live connections of all sessions until the run ends, and records when each was open and lost.
    fn hold_live_connections(
        &self,
        _journal: Arc<Journal>,
        _clock: Clock,
        _ends: LiveEnds,
    ) -> impl Future<Output = Result<(), JournalLost>> + Send {
        async { Ok(()) }
    }

    /// What has reached the store since it began, by the store's own count or that of a proxy before it;
    /// nothing where nobody counts. Asked before the first operation and after the last.
    fn count_traffic(&self) -> impl Future<Output = Option<Traffic>> + Send {
        async { None }
    }
}

/// The longest time for which a lost live connection is tried at the end of a run.
pub(crate) const RESUME_WITHIN_MAX: Duration = Duration::from_secs(60);

/// How the live connections of a run end.
#[derive(Clone, Debug)]
pub struct LiveEnds {
    /// The run has enough of them. One that is lost may be tried for `RESUME_WITHIN_MAX` more.
    pub enough: Stop,
    /// The run was asked to stop: they end at once.
    pub stop: Stop,
}

/// An entry of a stack's audit trail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// The name of the operation that the entry reports: `create`, `renew`, `destroy`, `act`.
    pub function: Arc<str>,
    /// The id of the session.
    pub key: Arc<str>,
    /// The new id of a `renew`, the action of an `act`.
    pub value: Value,
}

/// The traffic that has reached a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Number of commands, of clients and of replication.
    pub commands: u64,
    /// Bytes that the store received.
    pub bytes_in: u64,
    /// Bytes that the store sent, those to replicas included.
    pub bytes_out: u64,
}

/// The identity of an operation in traces: a [W3C trace context](https://www.w3.org/TR/trace-context/).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trace {
    /// The number of the run.
    pub run: u64,
    /// The number of the operation in the run, counted from one.
    pub number: u64,
}

impl Trace {
    /// The trace id: 32 hexadecimal digits.
    pub fn trace_id(self) -> String {
        format!("{:016x}{:016x}", self.run, self.number)
    }

    /// The `traceparent` header that a request carries.
    pub fn traceparent_header(self) -> String {
        format!("00-{}-{:016x}-01", self.trace_id(), self.number)
    }
}

/// A connection that executes one operation at a time. It is dropped after an indeterminate failure, and when the
/// deadline of an operation passes while the operation is open.
pub trait Client: Send + 'static {
    /// Executes one operation.
    fn execute(
        &mut self,
        request: &StoreRequest<'_>,
    ) -> impl Future<Output = Result<StoreAnswer, Failure>> + Send;
}

/// An operation and its context.
#[derive(Clone, Copy, Debug)]
pub struct StoreRequest<'a> {
    /// The user's session, for stores with session affinity or cookies.
    pub session: &'a Arc<str>,
    /// The operation to execute.
    pub operation: &'a ClientOperation,
    /// When the client loop gives up, on its clock. A store that has not found a server to send the operation to can
    /// report a definite failure shortly before this time.
    pub deadline_ns: u64,
    /// The identity of the operation in traces. It is sent along if the protocol has room.
    pub trace: Trace,
}

/// The answer of a store.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StoreAnswer {
    /// The result, in the shape that [`ClientOperation`](workloads::ClientOperation) documents.
    pub value: Value,
    /// The node that answered.
    pub node: Option<Arc<str>>,
    /// The version of the object, if the store reports one: a number that grows with each write to it.
    pub version: Option<i64>,
    /// The clock of the node that answered, in ns since 1970, if the store reports it.
    pub clock_ns: Option<i64>,
    /// Further fields for the history. No level judges them; they are shown with the operation.
    pub notes: Notes,
}

/// Further fields of an event: name and value.
pub type Notes = Vec<(&'static str, Value)>;

impl StoreAnswer {
    /// An answer that consists of a value alone.
    pub fn from_value(value: Value) -> Self {
        Self { value, ..Self::default() }
    }

    /// Sets the node that gave the answer.
    pub fn with_node(self, node: &Arc<str>) -> Self {
        Self { node: Some(node.clone()), ..self }
    }
}

/// The error text for a session that does not exist.
const NO_SUCH_SESSION: &str = "no such session";

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Whether it is certain that the operation did not take effect and never will.
    pub definite: bool,
    /// Whether the connection can still be used.
    pub connected: bool,
    /// What happened, in the store's own words if it gave any.
    pub error: String,
    /// The node that reported the failure.
    pub node: Option<Arc<str>>,
    /// Further fields for the history.
    pub notes: Notes,
}

impl Failure {
    /// The store refused the operation, and the connection can still be used.
    pub fn definite(error: impl Into<String>) -> Self {
        Self { definite: true, connected: true, error: error.into(), node: None, notes: Notes::new() }
    }

    /// The store refused because no session has this id (any more). The user has to log in again.
    pub fn no_such_session() -> Self {
        Self::definite(NO_SUCH_SESSION)
    }

    /// Whether the store reported that no session has this id.
    pub fn says_no_such_session(&self) -> bool {
        self.definite && self.error == NO_SUCH_SESSION
    }

    /// The request was not sent, or no server accepted it.
    pub fn unreachable(error: impl Into<String>) -> Self {
        Self { connected: false, ..Self::definite(error) }
    }

    /// The operation may have taken effect, or may take effect later.
    pub fn indefinite(error: impl Into<String>) -> Self {
        Self { definite: false, connected: false, ..Self::definite(error) }
    }

    /// Sets the node that reported the failure.
    pub fn with_node(self, node: &Arc<str>) -> Self {
        Self { node: Some(node.clone()), ..self }
    }
}
