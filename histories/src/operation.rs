//! Operations: one row of a history.

use crate::{Id, KeyId, ListId, OpId, ProcessId, SessionId, ValueId};
use std::ops::Range;

/// The position of an event that never came. Later than every real position.
pub const NEVER: u32 = u32::MAX;

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Outcome {
    /// It took effect, between its two events.
    Ok,
    /// It did not take effect.
    Fail,
    /// Indeterminate: it took effect at any moment after its invocation, or never.
    Info,
}

/// The function of an operation. Well-known names have constants. Any other name is interned after them, for models
/// that know it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function(pub(crate) u16);

macro_rules! functions {
    ($($name:ident = $text:literal),* $(,)?) => {
        functions!(@constants 0u16, $($name)*);
        impl Function {
            /// The well-known names, in the order of their constants.
            pub const WELL_KNOWN: &'static [&'static str] = &[$($text),*];
        }
    };
    (@constants $n:expr, $name:ident $($rest:ident)*) => {
        impl Function {
            #[allow(missing_docs, reason = "named as in histories")]
            pub const $name: Function = Function($n);
        }
        functions!(@constants $n + 1, $($rest)*);
    };
    (@constants $n:expr,) => {};
}

functions! {
    READ = "read", WRITE = "write", CAS = "cas", TXN = "txn",
    GET = "get", PUT = "put", APPEND = "append", DELETE = "delete",
    ADD = "add", REMOVE = "remove", CONTAINS = "contains", INC = "inc",
    ENQUEUE = "enqueue", DEQUEUE = "dequeue", DRAIN = "drain", PUSH = "push", POP = "pop",
    ACQUIRE = "acquire", RELEASE = "release",
    CREATE = "create", TOUCH = "touch", RENEW = "renew", DESTROY = "destroy",
    TRANSFER = "transfer", GENERATE = "generate",
    PATCH = "patch", ACT = "act", ACTIONS = "actions",
    INSERT = "insert", DELETE_MIN = "delete-min",
}

impl Function {
    /// Its index among the function names of a history.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Self::WELL_KNOWN.get(self.index()) {
            Some(name) => write!(f, "Function({name})"),
            None => write!(f, "Function({})", self.0),
        }
    }
}

/// The argument of an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Argument {
    /// One value, as of a write, an add or an enqueue; `null` if there is none, as for a read.
    Value(ValueId),
    /// The two values of a compare-and-set: the expected one and the new one.
    Pair(ValueId, ValueId),
    /// The micro-operations of a transaction, as a range of [`crate::History::micros`]. Those of an `ok` transaction
    /// are as completed, with the results of reads; those of any other are as invoked.
    Micros(Range<usize>),
}

/// One operation, as a row read from the columns of a [`crate::History`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// Its own id.
    pub id: OpId,
    /// The client that did it.
    pub process: ProcessId,
    /// The user's session that it belongs to.
    pub session: SessionId,
    /// What it does.
    pub function: Function,
    /// The object that it is about.
    pub key: KeyId,
    /// Its argument.
    pub argument: Argument,
    /// The result of an `ok` operation; else `null`.
    pub result: ValueId,
    /// The position of its invocation among all events.
    pub invoked: u32,
    /// The position of its `ok` or `fail` event; [`NEVER`] for `info` and for no completion.
    pub completed: u32,
    /// How it ended.
    pub outcome: Outcome,
}

impl Operation {
    /// Whether this operation completed as `ok` before `other` was invoked: real-time order.
    pub fn precedes(&self, other: &Operation) -> bool {
        self.outcome == Outcome::Ok && self.completed < other.invoked
    }

    /// The argument if it is a single value; `null` for a pair or a transaction.
    pub fn value(&self) -> ValueId {
        match self.argument {
            Argument::Value(value) => value,
            Argument::Pair(..) | Argument::Micros(_) => ValueId::NULL,
        }
    }
}

/// What a micro-operation of a transaction does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MicroKind {
    /// `["r", key, value]`: a read of a single value. If the transaction did not complete as `ok`, the value is `null`
    /// and means nothing.
    Read,
    /// `["r", key, [values…]]`: a read of a list.
    ReadList,
    /// `["w", key, value]`.
    Write,
    /// `["append", key, value]`.
    Append,
}

/// One micro-operation of a transaction. 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Micro {
    /// What it does.
    pub kind: MicroKind,
    /// The object.
    pub key: KeyId,
    pub(crate) payload: u32,
}

impl Micro {
    /// The value written, appended or read. Panics for a list.
    pub fn value(self) -> ValueId {
        assert!(self.kind != MicroKind::ReadList, "a list was read where one value was expected");
        ValueId::from_raw(self.payload)
    }

    /// The list read. Panics for anything else.
    pub fn list(self) -> ListId {
        assert!(self.kind == MicroKind::ReadList, "no list was read");
        ListId::new(self.payload as usize)
    }
}
