//! What a store must be able to do to be driven: connect, and execute one operation.
//!
//! The one thing that takes thought is the *classification* of errors. An operation that failed definitely
//! did not take effect; one that failed indefinitely may have taken effect, or may yet. Taking the second for
//! the first makes the checker see values that nobody wrote: a false alarm. Taking the first for the second
//! only makes it slower and less sharp. So: an error is definite only if the store itself said that it
//! refused, or if the request provably never left; everything else is indefinite.
//!
//! ```
//! use recorder::{Answer, Client, Failure, Request, Store};
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
//!     async fn execute(&mut self, request: &Request<'_>) -> Result<Answer, Failure> {
//!         let mut held = self.0.lock().unwrap();
//!         match workloads::function_name(request.operation.function) {
//!             "read" => Ok(Answer::of(held.clone())),
//!             "write" => {
//!                 *held = request.operation.value.clone();
//!                 Ok(Answer::of(held.clone()))
//!             }
//!             other => Err(Failure::definite(format!("there is no {other} here"))),
//!         }
//!     }
//! }
//! ```

use crate::StackFact;
use std::future::Future;
use std::sync::Arc;
use workloads::{ClientOperation, Value};

/// Something that can be connected to.
pub trait Store: Send + Sync + 'static {
    /// A connection.
    type Client: Client;

    /// Opens a connection for the client in this seat, of which there are as many as may be in flight; a store
    /// can place clients by it. Nothing was sent yet, so that whatever fails here is definite.
    fn connect(&self, seat: usize) -> impl Future<Output = Result<Self::Client, Failure>> + Send;

    /// Whether its protocol has room for a [`Trace`]; then each operation's is in the history.
    const TRACED: bool = false;

    /// Whether anybody could ask for this object: a session whose id was never told to its user is out of reach,
    /// and is not read in the end.
    fn is_reachable(&self, _key: &str) -> bool {
        true
    }

    /// The replicas that can be read one by one, for [`Store::look`]; none where that cannot be done.
    fn replica_names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// What one replica holds under a key, whatever the others do. Asked when the store has settled.
    fn read_replica(
        &self,
        replica: &str,
        key: &Arc<str>,
    ) -> impl Future<Output = Result<Value, Failure>> + Send {
        let why = format!("{replica} cannot be asked for {key} alone");
        async move { Err(Failure::definite(why)) }
    }

    /// The stack's own record of critical events, in its order; nothing where there is none. Asked at the end.
    fn read_audit_trail(&self) -> impl Future<Output = Result<Option<Vec<AuditEntry>>, Failure>> + Send {
        async { Ok(None) }
    }

    /// What the parts of the stack tell of themselves now: who is primary, which epoch it is, which process runs. Each
    /// change of it becomes an event of the history. Nothing where nobody tells. Asked again and again during a run;
    /// bounds its own time.
    fn facts(&self) -> impl Future<Output = Vec<StackFact>> + Send {
        async { Vec::new() }
    }

    /// What has reached the store since it began, by the store's own count or that of a proxy before it;
    /// nothing where nobody counts. Asked before the first operation and after the last.
    fn count_traffic(&self) -> impl Future<Output = Option<Traffic>> + Send {
        async { None }
    }
}

/// An entry of a stack's audit trail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// What it says happened, by the name of the operation: `create`, `renew`, `destroy`, `act`.
    pub function: Arc<str>,
    /// Whose session, by its id.
    pub key: Arc<str>,
    /// The new id of a `renew`, the action of an `act`.
    pub value: Value,
}

/// What has reached a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Commands, of clients and of replication.
    pub commands: u64,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Bytes that went out, to replicas among others.
    pub bytes_out: u64,
}

/// Who an operation is to those who trace it: a [W3C trace context](https://www.w3.org/TR/trace-context/).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trace {
    /// Which run it belongs to.
    pub run: u64,
    /// Which operation of the run it is, from one.
    pub number: u64,
}

impl Trace {
    /// The trace id: 32 hexadecimal digits.
    pub fn trace_id(self) -> String {
        format!("{:016x}{:016x}", self.run, self.number)
    }

    /// The header that a request carries.
    pub fn traceparent_header(self) -> String {
        format!("00-{}-{:016x}-01", self.trace_id(), self.number)
    }
}

/// A connection that executes one operation at a time. It is dropped after an indefinite failure, and when
/// the deadline of an operation passed in the middle of it.
pub trait Client: Send + 'static {
    /// Executes one operation.
    fn execute(
        &mut self,
        request: &StoreRequest<'_>,
    ) -> impl Future<Output = Result<StoreAnswer, Failure>> + Send;
}

/// An operation, and who asks for it.
#[derive(Clone, Copy, Debug)]
pub struct StoreRequest<'a> {
    /// The user's session, for stores that know such a thing (affinity, cookies).
    pub session: &'a Arc<str>,
    /// What to do.
    pub operation: &'a ClientOperation,
    /// When the client loop gives up, on its clock. A store that is still only *looking* for somebody to ask
    /// by then can say so definitely, shortly before.
    pub deadline_ns: u64,
    /// Who it is to those who trace it; sent along where the protocol has room.
    pub trace: Trace,
}

/// What a store answered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StoreAnswer {
    /// The result, in the shape that [`Operation`] tells.
    pub value: Value,
    /// Which node answered.
    pub node: Option<Arc<str>>,
    /// The version of the object, where the store tells: a number that grows with each write to it.
    pub version: Option<i64>,
    /// The clock of whoever answered, in ns since 1970, where the store tells.
    pub clock_ns: Option<i64>,
    /// What else is to stand in the history: never judged by a level, shown with the operation.
    pub notes: Notes,
}

/// Further fields of an event: name and value.
pub type Notes = Vec<(&'static str, Value)>;

impl StoreAnswer {
    /// An answer that is nothing but a value.
    pub fn from_value(value: Value) -> Self {
        Self { value, ..Self::default() }
    }

    /// The same, from this node.
    pub fn with_node(self, node: &Arc<str>) -> Self {
        Self { node: Some(node.clone()), ..self }
    }
}

/// What is said of a session that is not there.
const NO_SUCH_SESSION: &str = "no such session";

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Whether it is certain that the operation did not and will not take effect.
    pub definite: bool,
    /// Whether the connection can be used further.
    pub connected: bool,
    /// What happened, in the store's own words where it has any.
    pub error: String,
    /// Which node said so.
    pub node: Option<Arc<str>>,
    /// What else is to stand in the history.
    pub notes: Notes,
}

impl Failure {
    /// The store refused and the connection is as good as before.
    pub fn definite(error: impl Into<String>) -> Self {
        Self { definite: true, connected: true, error: error.into(), node: None, notes: Notes::new() }
    }

    /// The store refused because there is no session of this id (any more): its user has to log in again.
    pub fn no_such_session() -> Self {
        Self::definite(NO_SUCH_SESSION)
    }

    /// Whether the store said that there is no session of this id.
    pub fn says_no_such_session(&self) -> bool {
        self.definite && self.error == NO_SUCH_SESSION
    }

    /// The request never left, or nobody was there to take it.
    pub fn unreachable(error: impl Into<String>) -> Self {
        Self { connected: false, ..Self::definite(error) }
    }

    /// It may have taken effect or may yet.
    pub fn indefinite(error: impl Into<String>) -> Self {
        Self { definite: false, connected: false, ..Self::definite(error) }
    }

    /// The same, said by this node.
    pub fn with_node(self, node: &Arc<str>) -> Self {
        Self { node: Some(node.clone()), ..self }
    }
}
