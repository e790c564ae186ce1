//! The names of anomalies in the literature, and the definitions of terms from the glossary.

/// The glossary: a table with the columns term, meaning and type.
const GLOSSARY: &str = include_str!("../../docs/glossary.md");

/// The name of an anomaly in the literature, where it differs from ours: `G2-item` is write skew.
pub(crate) fn textbook_name(kind: &str) -> Option<String> {
    let (family, order) = match kind {
        kind if kind.ends_with("-process") => (kind.trim_end_matches("-process"), " with session order"),
        kind if kind.ends_with("-realtime") => (kind.trim_end_matches("-realtime"), " with real-time order"),
        kind => (kind, ""),
    };
    let name = match family {
        "G0" => "dirty write",
        "G1a" => "dirty read of an aborted write",
        "G1b" => "dirty read of an intermediate write",
        "G1c" => "circular information flow",
        "G-single-item" => "read skew",
        "G-nonadjacent-item" => "cycle of non-adjacent anti-dependencies",
        "G2-item" => "write skew",
        "cyclic-causality" => "CyclicCO",
        "overwritten-read" => "WriteCORead",
        "initial-value-overwritten" => "WriteCOInitRead",
        "conflicting-order" => "CyclicCF",
        "conflicting-reads" => "CyclicHB",
        "own-write-missing" => "read-your-writes violation",
        "non-monotonic-read" => "monotonic-reads violation",
        "write-order-inverted" => "monotonic-writes violation",
        "write-before-read-cause" => "writes-follow-reads violation",
        "session-leak" => "cross-session data leak",
        "fractured-read" | "read-atomic-cycle" => "fractured read",
        _ => return None,
    };
    Some(format!("{name}{order}"))
}

/// The name of an anomaly with its name in the literature: `G2-item: write skew`.
pub(crate) fn full_name(kind: &str) -> String {
    textbook_name(kind).map_or_else(|| kind.to_owned(), |name| format!("{kind}: {name}"))
}

/// The terms of the glossary with their meanings, in its order.
pub(crate) fn glossary_terms() -> impl Iterator<Item = (&'static str, &'static str)> {
    GLOSSARY.lines().filter_map(|line| {
        let (term, rest) = line.strip_prefix("| **")?.split_once("** | ")?;
        Some((term, rest.split(" | ").next().unwrap_or(rest).trim_end_matches('|').trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomalies_have_the_names_that_books_give_them() {
        assert_eq!(full_name("G2-item"), "G2-item: write skew");
        assert_eq!(
            full_name("G-single-item-realtime"),
            "G-single-item-realtime: read skew with real-time order"
        );
        assert_eq!(full_name("lost-session"), "lost-session");
    }

    #[test]
    fn the_glossary_is_read() {
        let terms: Vec<_> = glossary_terms().collect();
        assert!(terms.len() > 40, "{} terms", terms.len());
        let cycle = terms.iter().find(|(term, _)| *term == "cycle").expect("the term");
        assert!(cycle.1.starts_with("A sequence in which each"), "{}", cycle.1);
        assert!(terms.iter().all(|(_, meaning)| meaning.ends_with('.')), "{terms:?}");
    }
}
