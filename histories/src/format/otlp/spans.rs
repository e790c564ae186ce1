//! Converts spans to events, and puts the events into one order.

use super::order::{Moment, arrange};
use super::read::{Resource, attributes, broken, field, text};
use super::{HEAL, INVOKE, OURS};
use crate::format::chunk::{Chunk, EventKind};
use crate::format::datum::{Datum, Flaw, Kind, clip};
use crate::format::event::{self, Rules, Strings};
use crate::format::json;

/// The spans that were read so far.
#[derive(Default)]
pub(super) struct Spans {
    /// The moment of each event of the chunk, in the chunk's order.
    moments: Vec<Moment>,
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
type Fields<'a> = Vec<(Datum<'a>, Datum<'a>)>;

impl Spans {
    /// Adds the events of a span to the chunk, or reports what is wrong with the span.
    pub(super) fn add(&mut self, span: &Datum<'_>, resource: Resource, chunk: &mut Chunk, rules: Rules) {
        let name = field(span, "name").and_then(text).unwrap_or("");
        let ours: Vec<(&str, Datum<'_>)> = attributes(span)
            .filter_map(|(name, value)| name.strip_prefix(OURS).map(|name| (name, value)))
            .collect();
        if ours.is_empty() {
            self.foreign += 1;
            self.first_foreign.get_or_insert_with(|| (span.at, clip(name)));
            return;
        }
        let before = chunk.events.len();
        if let Err(flaw) = self.events(span, &ours, resource, chunk, rules) {
            let expected = flaw.expected.clone();
            broken(chunk, flaw.at, format!("the span {:?} {}", clip(name), flaw.found), &expected);
        }
        // Every event of the chunk must have a moment, including broken ones.
        for _ in self.moments.len()..chunk.events.len() {
            self.moments.push(Moment { span: self.count, ..Moment::default() });
            self.timed.push(false);
        }
        self.count += u32::from(chunk.events.len() > before);
        self.zero = self.zero.or(resource.zero);
    }

    fn events(
        &mut self,
        span: &Datum<'_>,
        ours: &[(&str, Datum<'_>)],
        resource: Resource,
        chunk: &mut Chunk,
        rules: Rules,
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
        let rules =
            Rules { strings: if actor.is_some() { Strings::Actors } else { Strings::Clients }, ..rules };
        let (from, to) = times(span)?;
        let kind = match given("type") {
            Some(kind) => kind.clone(),
            None => Datum::new(span.at, Kind::Text(outcome(span).into())),
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
        let event = |completes: bool| -> Result<Fields<'_>, Flaw> {
            let mut fields = Vec::new();
            let mut push = |name: &str, value: Datum<'_>| {
                fields.push((Datum::new(value.at, Kind::Text(name.to_owned().into())), owned(&value)));
            };
            push("process", who.clone());
            match (completes, actor) {
                (true, _) => push("type", kind.clone()),
                (false, Some(_)) if given("invoke.type").is_some() => {}
                (false, Some(_)) => push("type", Datum::new(span.at, Kind::Text("info".into()))),
                (false, None) => push("type", Datum::new(span.at, Kind::Text("invoke".into()))),
            }
            for (name, value) in ours {
                let own = name.strip_prefix(INVOKE);
                match (own.unwrap_or(name), own.is_none()) {
                    ("process" | "actor" | "type" | HEAL, true) => {}
                    ("f", true) if completes && actor.is_some() => push("f", healed(given(HEAL), value)),
                    ("f", true) => push("f", value.clone()),
                    ("session" | "key", true) if actor.is_none() => push(name, value.clone()),
                    ("value", of_completion) if of_completion == completes => push("value", value_of(value)?),
                    (name, of_completion) if of_completion == completes => push(name, value.clone()),
                    _ => {}
                }
            }
            Ok(fields)
        };
        let (first, second) = (event(false)?, ends.then(|| event(true)).transpose()?);
        self.event(span.at, first, from, false, resource, chunk, rules);
        if let Some(second) = second {
            self.event(span.at, second, to.unwrap_or(from), true, resource, chunk, rules);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one event")]
    fn event(
        &mut self,
        at: usize,
        fields: Fields<'_>,
        time: i64,
        completes: bool,
        resource: Resource,
        chunk: &mut Chunk,
        rules: Rules,
    ) {
        event::add(chunk, &Datum::new(at, Kind::Map(fields)), rules);
        let added = chunk.events.last().expect("an event, or a broken one");
        let index = (added.index != crate::history::NOT_GIVEN).then_some(added.index);
        self.moments.push(Moment { index, time, completes, span: self.count, process: added.process.0 });
        self.timed.push(!resource.in_attributes);
    }

    /// Sorts the events of the chunk, and sets their times relative to the zero of the history's clock. Returns remarks
    /// for the user.
    pub(super) fn finish(self, chunk: &mut Chunk) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some((at, name)) = self.first_foreign {
            if self.count == 0 {
                let expected = "steadfast.process, steadfast.f and the like in the spans of operations";
                let found = format!("the span {name:?}, and no span here with attributes of ours");
                chunk.flaw(Flaw::new(at, found, expected));
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
        let order = arrange(&self.moments);
        chunk.events = order.into_iter().map(|at| chunk.events[at]).collect();
        remarks
    }
}

/// The times of the beginning and the end of a span. An end time of 0 means that there is no end.
fn times(span: &Datum<'_>) -> Result<(i64, Option<i64>), Flaw> {
    let time = |name: &str| match field(span, name) {
        None => Ok(None),
        Some(value) => {
            let time = match &value.kind {
                Kind::Int(time) => Some(*time),
                Kind::Text(digits) => digits.parse().ok(),
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
fn outcome(span: &Datum<'_>) -> &'static str {
    let code = field(span, "status").and_then(|status| field(status, "code"));
    match code.map(|code| &code.kind) {
        Some(Kind::Int(2)) => "info",
        Some(Kind::Text(name)) if name == "STATUS_CODE_ERROR" => "info",
        _ => "ok",
    }
}

fn healed<'a>(heal: Option<&Datum<'a>>, strike: &Datum<'a>) -> Datum<'a> {
    let name = strike.name().unwrap_or("").split('=').next().unwrap_or("");
    heal.cloned().unwrap_or(Datum::new(strike.at, Kind::Text(format!("heal-{name}").into())))
}

/// The value of an attribute: JSON in a string, or any other OTLP type as it is.
fn value_of(value: &Datum<'_>) -> Result<Datum<'static>, Flaw> {
    let Kind::Text(text) = &value.kind else { return Ok(owned(value)) };
    let parsed = json::parse(text, 0).map_err(|flaw| {
        let expected = "JSON: a string, say, in quotes of its own";
        Flaw::new(value.at, format!("has the value {}: {}", clip(text), flaw.found), expected)
    })?;
    Ok(at_one_place(&parsed, value.at))
}

fn owned(value: &Datum<'_>) -> Datum<'static> {
    copy(value, None)
}

/// Copies a datum and gives each part the place `at`. A text inside a string has no places of its own.
fn at_one_place(value: &Datum<'_>, at: usize) -> Datum<'static> {
    copy(value, Some(at))
}

/// The recursion is bounded, because the JSON reader limits the depth.
fn copy(value: &Datum<'_>, at: Option<usize>) -> Datum<'static> {
    let kind = match &value.kind {
        Kind::Null => Kind::Null,
        Kind::Bool(bool) => Kind::Bool(*bool),
        Kind::Int(int) => Kind::Int(*int),
        Kind::Float(float) => Kind::Float(*float),
        Kind::Text(text) => Kind::Text(text.to_string().into()),
        Kind::Keyword(text) => Kind::Text((*text).to_owned().into()),
        Kind::List(items) | Kind::Set(items) => Kind::List(items.iter().map(|item| copy(item, at)).collect()),
        Kind::Map(entries) => {
            Kind::Map(entries.iter().map(|(name, value)| (copy(name, at), copy(value, at))).collect())
        }
        Kind::Odd { text, expected } => Kind::Odd { text: text.to_string().into(), expected },
    };
    Datum::new(at.unwrap_or(value.at), kind)
}
