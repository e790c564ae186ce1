//! Histories as OpenTelemetry spans, in OTLP/JSON: an operation is a span from its invocation to its completion.
//!
//! Traces are where operators look first, and where applications that were never meant to be checked already say
//! what they did. So a history can be put beside them, and spans that carry a few attributes are a history.
//!
//! A span of an operation has `steadfast.process`, `steadfast.f` and, where there are any, `steadfast.session` and
//! `steadfast.key`. What the invocation says by itself is in `steadfast.invoke.FIELD`, what the completion says in
//! `steadfast.FIELD`: `steadfast.invoke.value`, `steadfast.value`, `steadfast.type`, `steadfast.node`, … Values are
//! JSON in a string, for the types of OTLP have no `null` in a list that every tool keeps. A fault is a span of
//! `steadfast.actor`, from the strike to the heal.
//!
//! # Choices
//! A span has two times and a history has an order. If every event has its index (`steadfast.invoke.index`,
//! `steadfast.index`: whatever we wrote), that is the order, as one observer saw it. Otherwise times decide, and the
//! clocks of all who made spans are believed. Where two times are equal, operations are taken to overlap: that can
//! hide a violation and cannot make one.
//!
//! A collector holds spans of many services. Those without any attribute of ours are left out and counted in a
//! remark; a span that has some but lacks what it must have is a problem, and so is a file in which none has any.

mod order;
mod read;
mod spans;
mod write;

pub(super) use order::{EventMoment, order_events};
pub(super) use read::{SpanFile, read_requests};
pub use write::{OtlpLines, began_unix_ns, write_otlp};

/// How the names of our attributes begin.
const OURS: &str = "steadfast.";
/// How those of an invocation alone begin, after that.
const INVOKE: &str = "invoke.";
/// The resource's attribute with the history's header, as JSON text.
const HEADER: &str = "steadfast.header";
/// The resource's attribute with the time since 1970 at which the history's clock was zero, in ns.
const ZERO: &str = "steadfast.zero";
/// The resource's attribute that says where the events' times are.
const TIMES: &str = "steadfast.times";
/// They are attributes, for some event has none that a span could have; the spans' times only order them.
const IN_ATTRIBUTES: &str = "attributes";
/// What an actor's second event is called: `heal-partition`.
const HEAL: &str = "heal";
