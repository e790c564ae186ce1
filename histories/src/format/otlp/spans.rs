//! Converts spans to events, and puts the events into one order.

use super::attributes::{ResourceInfo, add_broken_event, as_text, decode_attributes, find_field};
use super::order::{EventMoment, order_events};
use super::{HEAL, INVOKE, OURS};
use crate::format::chunk::{Chunk, EventKind};
use crate::format::datum::{Datum, DatumKind, Flaw, clip_text};
use crate::format::event::{self, EventRules, StringProcesses};
use crate::format::json;

/// The spans that were read so far.
#[derive(Default)]
pub(super) struct SpanEvents {
    /// The moment of each event of the chunk, in the chunk's order.
    moments: Vec<EventMoment>,
    /// For each event, whether its time is that of its span.
    timed: Vec<bool>,
    /// The zero of the history's clock in ns since 1970, from the first resource that has it.
    zero: Option<i64>,
    count: u32,
    /// The number of spans without any of our attributes, and the place and name of the first one.
    foreign: u64,
    first_foreign: Option<(usize, String)>,
}

/// The fields of an event, as pairs of name and value, that one span holds.
type SpanFields<'a> = Vec<(Datum<'a>, Datum<'a>)>;

impl SpanEvents {
    /// Adds the events of a span to the chunk, or reports what is wrong with the span.
    pub(super) fn add_span(
        &mut self,
        span: &Datum<'_>,
        resource: ResourceInfo,
        chunk: &mut Chunk,
        rules: EventRules,
    ) {
        let name = find_field(span, "name").and_then(as_text).unwrap_or("");
        let ours: Vec<(&str, Datum<'_>)> = decode_attributes(span)
            .filter_map(|(name, value)| name.strip_prefix(OURS).map(|name| (name, value)))
            .collect();
        if ours.is_empty() {
            self.foreign += 1;
            self.first_foreign.get_or_insert_with(|| (span.at, clip_text(name)));
            return;
        }
        let before = chunk.events.len();
        if let Err(flaw) = self.add_events(span, &ours, resource, chunk, rules) {
            let expected = flaw.expected.clone();
            add_broken_event(
                chunk,
                flaw.at,
                format!("the span {:?} {}", clip_text(name), flaw.found),
                &expected,
            );
        }
        // Every event of the chunk must have a moment, including broken ones.
        for _ in self.moments.len()..chunk.events.len() {
            self.moments.push(EventMoment { span: self.count, ..EventMoment::default() });
            self.timed.push(false);
        }
        self.count += u32::from(chunk.events.len() > before);
        self.zero = self.zero.or(resource.zero);
    }

    fn add_events(
        &mut self,
        span: &Datum<'_>,
        ours: &[(&str, Datum<'_>)],
        resource: ResourceInfo,
        chunk: &mut Chunk,
        rules: EventRules,
    ) -> Result<(), Flaw> {
        let given = |name: &str| ours.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        let actor = given("actor");
        let who = actor.or(given("process")).ok_or_else(|| {
            let expected =
                "steadfast.process, an integer (or steadfast.actor), in each span with attributes of ours";
            Flaw::new(span.at, "has no steadfast.process", expected)
        })?;
        if given("f").is_none() {
            let expected = "steadfast.f, what it did: \"read\", \"write\", …";
            return Err(Flaw::new(span.at, "has no steadfast.f", expected));
        }
        let rules = EventRules {
            strings: if actor.is_some() { StringProcesses::Actors } else { StringProcesses::Clients },
            ..rules
        };
        let (from, to) = parse_times(span)?;
        let kind = match given("type") {
            Some(kind) => kind.clone(),
            None => Datum::new(span.at, DatumKind::Text(status_outcome(span).into())),
        };
        let heals = actor.is_some() && (given(HEAL).is_some() || to.is_some_and(|to| to > from));
        let ends = if actor.is_some() { heals } else { to.is_some() };
        if given("type").is_some() && !ends {
            return Err(Flaw::new(
                span.at,
                "has steadfast.type and no end",
                "endTimeUnixNano, for it has ended",
            ));
        }
        let event = |completes: bool| -> Result<SpanFields<'_>, Flaw> {
            let mut fields = Vec::new();
            let mut push = |name: &str, value: Datum<'_>| {
                fields.push((
                    Datum::new(value.at, DatumKind::Text(name.to_owned().into())),
                    to_owned_datum(&value),
                ));
            };
            push("process", who.clone());
            match (completes, actor) {
                (true, _) => push("type", kind.clone()),
                (false, Some(_)) if given("invoke.type").is_some() => {}
                (false, Some(_)) => push("type", Datum::new(span.at, DatumKind::Text("info".into()))),
                (false, None) => push("type", Datum::new(span.at, DatumKind::Text("invoke".into()))),
            }
            for (name, value) in ours {
                let own = name.strip_prefix(INVOKE);
                match (own.unwrap_or(name), own.is_none()) {
                    ("process" | "actor" | "type" | HEAL, true) => {}
                    ("f", true) if completes && actor.is_some() => push("f", heal_name(given(HEAL), value)),
                    ("f", true) => push("f", value.clone()),
                    ("session" | "key", true) if actor.is_none() => push(name, value.clone()),
                    ("value", of_completion) if of_completion == completes => {
                        push("value", parse_value(value)?)
                    }
                    (name, of_completion) if of_completion == completes => push(name, value.clone()),
                    _ => {}
                }
            }
            Ok(fields)
        };
        let (first, second) = (event(false)?, ends.then(|| event(true)).transpose()?);
        self.add_event(span.at, first, from, false, resource, chunk, rules);
        if let Some(second) = second {
            self.add_event(span.at, second, to.unwrap_or(from), true, resource, chunk, rules);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one event")]
    fn add_event(
        &mut self,
        at: usize,
        fields: SpanFields<'_>,
        time: i64,
        completes: bool,
        resource: ResourceInfo,
        chunk: &mut Chunk,
        rules: EventRules,
    ) {
        event::add_event(chunk, &Datum::new(at, DatumKind::Map(fields)), rules);
        let added = chunk.events.last().expect("an event, or a broken one");
        let index = (added.index != crate::history::NOT_GIVEN).then_some(added.index);
        self.moments.push(EventMoment { index, time, completes, span: self.count, process: added.process.0 });
        self.timed.push(!resource.in_attributes);
    }

    /// Sorts the events of the chunk, and sets their times relative to the zero of the history's clock. Returns remarks
    /// for the user.
    pub(super) fn finish(self, chunk: &mut Chunk) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some((at, name)) = self.first_foreign {
            if self.count == 0 {
                let expected = "steadfast.process, steadfast.f and the like in the spans of operations";
                let found = format!(
                    "the span {name:?}, and no span here with attributes of ours. Spans of an application need --map MAP.toml"
                );
                chunk.add_flaw(Flaw::new(at, found, expected));
            } else {
                let count = self.foreign;
                remarks.push(format!("{count} spans of others, {name:?} the first, were left out"));
            }
        }
        let zero = self.zero.or(self.moments.iter().map(|moment| moment.time).min()).unwrap_or(0);
        for (event, (moment, _)) in chunk
            .events
            .iter_mut()
            .zip(self.moments.iter().zip(&self.timed))
            .filter(|(_, (_, timed))| **timed)
        {
            event.time = moment.time.saturating_sub(zero);
            if event.kind == EventKind::Actor {
                chunk.actors[event.process.0 as usize].time = Some(event.time);
            }
        }
        if self.moments.iter().any(|moment| moment.index.is_none()) && self.count > 0 {
            remarks.push(
                "events are in the order of their spans' times, and those are as good as the clocks"
                    .to_owned(),
            );
        }
        let order = order_events(&self.moments);
        chunk.events = order.into_iter().map(|at| chunk.events[at]).collect();
        remarks
    }
}

/// The times of the beginning and the end of a span. An end time of 0 means that there is no end.
fn parse_times(span: &Datum<'_>) -> Result<(i64, Option<i64>), Flaw> {
    let time = |name: &str| match find_field(span, name) {
        None => Ok(None),
        Some(value) => {
            let time = match &value.kind {
                DatumKind::Int(time) => Some(*time),
                DatumKind::Text(digits) => digits.parse().ok(),
                _ => None,
            };
            let flaw =
                || Flaw::new(value.at, format!("has the {name} {}", value.describe()), "ns since 1970");
            time.filter(|time| *time >= 0).map(Some).ok_or_else(flaw)
        }
    };
    let from = time("startTimeUnixNano")?
        .ok_or_else(|| Flaw::new(span.at, "has no startTimeUnixNano", "when it began, in ns since 1970"))?;
    match time("endTimeUnixNano")?.filter(|end| *end != 0 || from == 0) {
        Some(to) if to < from => {
            Err(Flaw::new(span.at, "ends before it begins", "an end after the beginning"))
        }
        to => Ok((from, to)),
    }
}

/// The outcome of an operation without `steadfast.type`, by the status of its span. An error is `info`, because it may
/// have come after the operation took effect.
fn status_outcome(span: &Datum<'_>) -> &'static str {
    let code = find_field(span, "status").and_then(|status| find_field(status, "code"));
    match code.map(|code| &code.kind) {
        Some(DatumKind::Int(2)) => "info",
        Some(DatumKind::Text(name)) if name == "STATUS_CODE_ERROR" => "info",
        _ => "ok",
    }
}

fn heal_name<'a>(heal: Option<&Datum<'a>>, strike: &Datum<'a>) -> Datum<'a> {
    let name = strike.as_name().unwrap_or("").split('=').next().unwrap_or("");
    heal.cloned().unwrap_or(Datum::new(strike.at, DatumKind::Text(format!("heal-{name}").into())))
}

/// The value of an attribute: JSON in a string, or any other OTLP type as it is.
fn parse_value(value: &Datum<'_>) -> Result<Datum<'static>, Flaw> {
    let DatumKind::Text(text) = &value.kind else { return Ok(to_owned_datum(value)) };
    let parsed = json::parse_json(text, 0).map_err(|flaw| {
        let expected = "JSON: a string, say, in quotes of its own";
        Flaw::new(value.at, format!("has the value {}: {}", clip_text(text), flaw.found), expected)
    })?;
    Ok(copy_to_place(&parsed, value.at))
}

fn to_owned_datum(value: &Datum<'_>) -> Datum<'static> {
    copy_datum(value, None)
}

/// Copies a datum and gives each part the place `at`. A text inside a string has no places of its own.
fn copy_to_place(value: &Datum<'_>, at: usize) -> Datum<'static> {
    copy_datum(value, Some(at))
}

/// The recursion is bounded, because the JSON reader limits the depth.
fn copy_datum(value: &Datum<'_>, at: Option<usize>) -> Datum<'static> {
    let kind = match &value.kind {
        DatumKind::Null => DatumKind::Null,
        DatumKind::Bool(bool) => DatumKind::Bool(*bool),
        DatumKind::Int(int) => DatumKind::Int(*int),
        DatumKind::Float(float) => DatumKind::Float(*float),
        DatumKind::Text(text) => DatumKind::Text(text.to_string().into()),
        DatumKind::Keyword(text) => DatumKind::Text((*text).to_owned().into()),
        DatumKind::List(items) | DatumKind::Set(items) => {
            DatumKind::List(items.iter().map(|item| copy_datum(item, at)).collect())
        }
        DatumKind::Map(entries) => DatumKind::Map(
            entries.iter().map(|(name, value)| (copy_datum(name, at), copy_datum(value, at))).collect(),
        ),
        DatumKind::Odd { text, expected } => DatumKind::Odd { text: text.to_string().into(), expected },
    };
    Datum::new(at.unwrap_or(value.at), kind)
}
