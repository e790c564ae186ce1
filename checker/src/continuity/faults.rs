//! When faults were on, and what notes of events say.

use histories::{ActorEvent, History, OpId, Outcome};

/// The end of an operation, or of what is known of it.
pub(super) fn end(history: &History, id: OpId) -> u32 {
    let op = history.operation(id);
    if op.outcome == Outcome::Info { op.invoked } else { op.completed }
}

/// A field of the notes of an event, as JSON, found without parsing all of them.
pub(crate) fn note_field<'a>(history: &'a History, position: u32, name: &str) -> Option<&'a str> {
    let fields = history.note(position)?.fields;
    // The name in its quotes, with a colon after it.
    let named = |at: &usize| fields[..*at].ends_with('"') && fields[at + name.len()..].starts_with("\":");
    let at = fields.match_indices(name).map(|(at, _)| at).find(named)?;
    let rest = &fields[at + name.len() + 2..];
    let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<&serde_json::value::RawValue>();
    stream.next()?.ok().map(serde_json::value::RawValue::get)
}

/// When and how long faults were on.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// Position of the strike, that of the heal, in order of the strikes.
    spans: Vec<(u32, u32)>,
    /// Of each, whether it sets clocks.
    clocks: Vec<bool>,
}

impl Faults {
    /// Reads the events of the nemesis.
    pub(super) fn of(history: &History) -> Self {
        let mut faults = Faults::default();
        let mut open: Vec<(usize, &ActorEvent)> = Vec::new();
        for event in history.actor_events().iter().filter(|event| event.actor == "nemesis") {
            let heals = event.function.strip_prefix("heal-");
            if let Some(name) = heals {
                let same = |struck: &ActorEvent| fault(struck) == name && struck.value == event.value;
                if let Some(at) = open.iter().position(|(_, struck)| same(struck)) {
                    faults.spans[open.remove(at).0].1 = event.position;
                }
            } else {
                open.push((faults.spans.len(), event));
                // A restart is over at once and is never said to be.
                let until = if fault(event) == "restart" { event.position } else { u32::MAX };
                faults.spans.push((event.position, until));
                faults.clocks.push(fault(event) == "skew");
            }
        }
        faults
    }

    /// The strikes of those that were on at some moment between two positions.
    pub(super) fn on(&self, from: u32, until: u32) -> Vec<u32> {
        let spans = self.spans.iter().filter(|&&(struck, healed)| struck <= until && healed >= from);
        spans.map(|span| span.0).collect()
    }

    /// Whether somebody had set a clock by then.
    pub(super) fn clocks_were_set(&self, until: u32) -> bool {
        self.spans.iter().zip(&self.clocks).any(|(span, &clock)| clock && span.0 <= until)
    }
}

/// `delay` of `delay=50ms`.
fn fault(event: &ActorEvent) -> &str {
    event.function.split('=').next().unwrap_or(&event.function)
}
