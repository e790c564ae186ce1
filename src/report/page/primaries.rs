//! Which node was the primary, and when, by what the nodes themselves told the recorder.
//!
//! The reader of a stale answer wants to know which node gave it, and which node was the primary then. A node counts as a primary from the
//! event in which it said so to the event in which it said otherwise, or in which it did not answer. A node that answers again and says
//! nothing else is what it was: the recorder tells a role only if it is another one. Two nodes may count as primaries at
//! the same time, as in a split brain. The recorder asks the nodes from time to time, so a claim may be older than its first event.

use histories::History;
use serde_json::Value;
use std::collections::HashMap;

/// The actor whose events these are.
const ACTOR: &str = "stack";
/// The most claims that are kept. A stack that flaps makes many.
const CLAIMS_MAX: usize = 1_000;

/// The time in which a node said that it was the primary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PrimaryClaim {
    pub(super) node: String,
    /// The position of the event in which the recorder noticed the claim.
    pub(super) from: u32,
    /// The time of that event in nanoseconds.
    pub(super) from_ns: Option<i64>,
    /// The position of the event in which the recorder noticed its end; `None` if it lasted.
    pub(super) to: Option<u32>,
    pub(super) to_ns: Option<i64>,
}

impl PrimaryClaim {
    fn stands_at(&self, position: u32) -> bool {
        self.from <= position && self.to.is_none_or(|to| position < to)
    }
}

/// Finds the claims in the order in which they were noticed. O(events of the stack · open claims).
pub(super) fn find_claims(history: &History) -> Vec<PrimaryClaim> {
    let mut claims: Vec<PrimaryClaim> = Vec::new();
    // What each node last said of itself.
    let mut said: HashMap<String, bool> = HashMap::new();
    for event in history.actor_events().iter().filter(|event| event.actor == ACTOR) {
        let Ok(Value::Array(told)) = serde_json::from_str(&event.value) else { continue };
        let [Value::String(node), Value::String(what)] = told.as_slice() else { continue };
        let claimed = match (event.function.as_str(), what.as_str()) {
            ("role", role) => {
                let claimed = matches!(role, "primary" | "leader");
                said.insert(node.clone(), claimed);
                claimed
            }
            ("answers", "no") => false,
            ("answers", "yes") if said.get(node) == Some(&true) => true,
            _ => continue,
        };
        let open = claims.iter().rposition(|claim| claim.node == *node && claim.to.is_none());
        match (open, claimed) {
            (Some(at), false) => (claims[at].to, claims[at].to_ns) = (Some(event.position), event.time),
            (None, true) if claims.len() < CLAIMS_MAX => {
                let (node, from, from_ns) = (node.clone(), event.position, event.time);
                claims.push(PrimaryClaim { node, from, from_ns, to: None, to_ns: None });
            }
            _ => {}
        }
    }
    claims
}

/// The nodes that said at a position that they were the primary.
pub(super) fn primaries_at(claims: &[PrimaryClaim], position: u32) -> Vec<&str> {
    claims.iter().filter(|claim| claim.stands_at(position)).map(|claim| claim.node.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::format::{Format, from_text};

    /// A paused primary goes on believing in itself, so that for a while there are two. A killed one is none any more.
    #[test]
    fn a_claim_ends_when_the_node_says_otherwise_or_is_silent() {
        let told = |time: u32, f: &str, value: &str| {
            format!(r#"{{"time":{time},"process":"stack","type":"info","f":"{f}","value":{value}}}"#)
        };
        let text = [
            told(1, "role", r#"["n1","primary"]"#),
            told(2, "role", r#"["n2","replica"]"#),
            told(3, "epoch", r#"["sentinel 1",2]"#),
            told(4, "role", r#"["n2","primary"]"#),
            told(5, "role", r#"["n1","replica"]"#),
            told(6, "answers", r#"["n2","no"]"#),
            told(7, "role", r#"["n3","leader"]"#),
            told(8, "answers", r#"["n2","yes"]"#),
            told(9, "answers", r#"["n1","yes"]"#),
            told(10, "role", r#"["n2","replica"]"#),
        ];
        let history = from_text(Format::Native, &text.join("\n")).expect("a history");
        let claims = find_claims(&history);
        let at = |position| primaries_at(&claims, position).join(" ");
        let seen: Vec<String> = (0..10).map(at).collect();
        assert_eq!(seen, ["n1", "n1", "n1", "n1 n2", "n2", "", "n3", "n3 n2", "n3 n2", "n3"]);
    }
}
