//! Histories as OpenTelemetry spans, in OTLP/JSON: an operation is a span from its invocation to its completion.
//!
//! Operators look at traces first, and applications that were never meant to be checked already record traces. So a
//! history can be exported as spans, to be seen beside other spans, and spans with a few attributes can be read as a
//! history.
//!
//! The span of an operation has `steadfast.process`, `steadfast.f` and, if present, `steadfast.session` and
//! `steadfast.key`. The further fields of the invocation are in `steadfast.invoke.FIELD`, those of the completion in
//! `steadfast.FIELD`: `steadfast.invoke.value`, `steadfast.value`, `steadfast.type`, `steadfast.node`, … Values are
//! JSON in a string, because OTLP's types have no `null` in a list that every tool keeps. A fault is a span with
//! `steadfast.actor`, from the strike to the heal.
//!
//! # Choices
//! A span has two times, but a history needs an order. If every event has its index (`steadfast.invoke.index` and
//! `steadfast.index`, which all our exports have), the indexes are the order, as one observer saw it. Otherwise times
//! decide, and the clocks of all producers of spans are trusted. Where two times are equal, the operations are assumed
//! to overlap: that can hide a violation but cannot create one.
//!
//! A collector holds the spans of many services. Spans without any of our attributes are skipped, and counted in a
//! remark. A span that has some of our attributes but lacks a required one is a problem, and so is a file in which no
//! span has any.

mod attributes;
mod order;
mod read;
mod spans;
mod write;

pub(super) use order::{EventMoment, order_events};
pub(super) use read::{SpanFile, read_requests};
pub use write::{OtlpLines, began_unix_ns, write_otlp};

/// The prefix of the names of our attributes.
const OURS: &str = "steadfast.";
/// After that, the prefix for fields of the invocation only.
const INVOKE: &str = "invoke.";
/// The attribute of a resource that holds the header of the history, as JSON text.
const HEADER: &str = "steadfast.header";
/// The attribute of a resource that holds the time at which the history's clock was zero, in ns since 1970.
const ZERO: &str = "steadfast.zero";
/// The attribute of a resource that says where the times of events are.
const TIMES: &str = "steadfast.times";
/// The times of events are attributes, because some event has a time that a span cannot hold. The times of spans are
/// then only for their order.
const IN_ATTRIBUTES: &str = "attributes";
/// The attribute with the name of a fault's end event: `heal-partition`.
const HEAL: &str = "heal";
