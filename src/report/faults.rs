//! Faults as episodes: from the event of a fault injector that struck to the one that healed.
//!
//! A history says `nemesis kill ["n1"]` and later `nemesis heal-kill ["n1"]`. What was never healed lasts to the
//! end; what nobody heals by name (`restart`, of another project's injector anything at all) is a moment.

use histories::{ActorEvent, History};

/// A fault while it was on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Episode {
    /// What: `partition`.
    pub(crate) fault: String,
    /// The nodes, as the history says it.
    pub(crate) target: String,
    /// The position of the event that struck.
    pub(crate) from: u32,
    /// That of the event that healed; none if it is a moment.
    pub(crate) to: Option<u32>,
    /// The times of both, in nanoseconds, where they are known.
    pub(crate) from_ns: Option<i64>,
    pub(crate) to_ns: Option<i64>,
}

/// Actors that write down what the recorder does, and break nothing.
pub(crate) const OBSERVERS: &[&str] = &["recorder", "replica", "audit"];

/// The episodes of a history, in order of their beginning. O(a · open) for a events of actors.
pub(crate) fn episodes(history: &History) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    let faults = history.actor_events().iter().filter(|event| !OBSERVERS.contains(&event.actor.as_str()));
    let is_healed = |name: &str| {
        let heal = format!("heal-{name}");
        history.actor_events().iter().any(|event| event.function == heal)
    };
    let mut healed: Vec<(String, bool)> = Vec::new();
    for event in faults.filter(|event| event.kind != "invoke" || event.function.starts_with("heal-")) {
        if let Some(name) = event.function.strip_prefix("heal-") {
            let value = value(event);
            let open = |episode: &&mut Episode| episode.to.is_none() && episode.fault == name;
            let mut of_name: Vec<&mut Episode> = episodes.iter_mut().filter(open).collect();
            let same = of_name.iter().position(|episode| episode.target == value).unwrap_or(0);
            if let Some(episode) = of_name.get_mut(same) {
                (episode.to, episode.to_ns) = (Some(event.position), event.time);
            }
            continue;
        }
        if !healed.iter().any(|known| known.0 == event.function) {
            healed.push((event.function.clone(), is_healed(&event.function)));
        }
        episodes.push(Episode {
            fault: event.function.clone(),
            target: value(event),
            from: event.position,
            to: None,
            from_ns: event.time,
            to_ns: None,
        });
    }
    // Of a fault that this history heals elsewhere, an episode without an end lasts to the end.
    for episode in episodes.iter_mut().filter(|episode| episode.to.is_none()) {
        if healed.iter().any(|(name, is_healed)| *is_healed && *name == episode.fault) {
            episode.to = Some(history.event_count());
        }
    }
    episodes
}

impl Episode {
    /// What and where: `partition n1`.
    pub(crate) fn label(&self) -> String {
        match self.target.as_str() {
            "" => self.fault.clone(),
            target => format!("{} {}", self.fault, super::describe::short(target)),
        }
    }
}

/// The nodes as people write them: `n1, n2`.
fn value(event: &ActorEvent) -> String {
    match serde_json::from_str::<serde_json::Value>(&event.value) {
        Ok(serde_json::Value::Null) => String::new(),
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Array(all)) if all.iter().all(serde_json::Value::is_string) => {
            all.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(", ")
        }
        _ => event.value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::format::{Format, from_text};

    fn of(lines: &[(&str, &str)]) -> Vec<(String, Option<u32>)> {
        let lines: Vec<String> = lines
            .iter()
            .map(|(f, value)| {
                format!("{{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"{f}\",\"value\":{value}}}")
            })
            .collect();
        let history = from_text(Format::Native, &lines.join("\n")).expect("a history");
        episodes(&history).iter().map(|episode| (episode.label(), episode.to)).collect()
    }

    #[test]
    fn a_fault_lasts_until_it_is_healed() {
        let found = of(&[
            ("kill", "[\"n1\"]"),
            ("kill", "[\"n2\"]"),
            ("heal-kill", "[\"n2\"]"),
            ("heal-kill", "[\"n1\"]"),
            ("delay=50ms", "\"n3\""),
            ("heal-delay=50ms", "\"n3\""),
        ]);
        let expected = [("kill n1", 3), ("kill n2", 2), ("delay=50ms n3", 5)];
        assert_eq!(found, expected.map(|(label, to)| (label.to_owned(), Some(to))));
    }

    #[test]
    fn what_is_never_healed_lasts_to_the_end_and_what_nobody_heals_is_a_moment() {
        let found = of(&[("kill", "null"), ("heal-kill", "null"), ("kill", "null"), ("restart", "null")]);
        assert_eq!(
            found,
            [("kill".into(), Some(1)), ("kill".into(), Some(4)), ("restart".into(), None)]
                as [(String, Option<u32>); 3]
        );
    }
}
