//! The targets of faults: nodes, or links between two ends.
//!
//! ```text
//! n1         a node, by name           n1>n2      what n1 sends to n2
//! primary    a role, when it strikes   n1-n2      both ways between the two
//! all        every node                client>n1  what clients send to n1
//! ```
//!
//! A role can replace a node: `primary>replica`, `client-primary`. Names of nodes may contain hyphens: the plan decides
//! by the existing nodes what `a-b` means.

use std::str::FromStr;

/// The target of a fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The node that is the primary when the fault strikes.
    Primary,
    /// A node that is not the primary when the fault strikes.
    Replica,
    /// A random node, drawn from the seed.
    Random,
    /// All nodes.
    All,
    /// The node with this name.
    Node(String),
    /// The clients. Valid only as an end of a link.
    Client,
    /// The connection between two ends.
    Link {
        /// One end.
        from: Box<Target>,
        /// The other end.
        to: Box<Target>,
        /// Whether the reverse direction is affected too.
        both: bool,
    },
}

impl Target {
    /// Resolves hyphens with the names of the existing nodes: a name with a hyphen is a node if that node exists, and a
    /// link otherwise.
    pub fn resolve_names(&self, nodes: &[String]) -> Target {
        let Target::Link { both: true, .. } = self else { return self.clone() };
        let text = self.to_string();
        if nodes.contains(&text) {
            return Target::Node(text);
        }
        let known = |end: &Target| match end {
            Target::Node(name) => nodes.contains(name),
            _ => true,
        };
        let splits =
            text.match_indices('-').map(|(at, _)| (parse_end(&text[..at]), parse_end(&text[at + 1..])));
        for (from, to) in splits {
            if known(&from) && known(&to) {
                return Target::Link { from: Box::new(from), to: Box::new(to), both: true };
            }
        }
        self.clone()
    }

    /// The names of nodes in the target.
    pub fn node_names(&self) -> Vec<&str> {
        match self {
            Target::Node(name) => vec![name],
            Target::Link { from, to, .. } => [from.node_names(), to.node_names()].concat(),
            _ => Vec::new(),
        }
    }

    /// Whether the text of this link may be the name of a node that contains a hyphen: it goes both ways, has a name at one
    /// end at least, and does not name clients.
    pub fn may_be_node(&self) -> bool {
        let named = |end: &Target| matches!(end, Target::Node(_) | Target::Link { .. });
        matches!(self, Target::Link { from, to, both: true } if named(from) || named(to))
            && !self.has_client()
    }

    fn has_client(&self) -> bool {
        match self {
            Target::Client => true,
            Target::Link { from, to, .. } => from.has_client() || to.has_client(),
            _ => false,
        }
    }

    /// Whether the target is a link.
    pub fn is_link(&self) -> bool {
        matches!(self, Target::Link { .. })
    }
}

fn parse_end(text: &str) -> Target {
    match text {
        "primary" => Target::Primary,
        "replica" => Target::Replica,
        "random" => Target::Random,
        "all" => Target::All,
        "client" => Target::Client,
        node => Target::Node(node.to_owned()),
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ends, both) = match (text.split_once('>'), text.split_once('-')) {
            (Some(ends), _) => (ends, false),
            (None, Some(ends)) => (ends, true),
            (None, None) if text == "client" => {
                return Err(
                    "clients are not a target. Name one of their links: client-n1, client>n1, n1>client"
                        .to_owned(),
                );
            }
            (None, None) if text.is_empty() => return Err("no target after the colon".to_owned()),
            (None, None) => return Ok(parse_end(text)),
        };
        if ends.0.is_empty() || ends.1.is_empty() || ends.1.contains('>') {
            return Err(format!("{text:?}: a link has two ends, as in n1>n2 or n1-n2"));
        }
        let (from, to) = (parse_end(ends.0), parse_end(ends.1));
        if from == to && from != Target::All {
            return Err(format!("{text:?} is a link from an end to itself"));
        }
        Ok(Target::Link { from: Box::new(from), to: Box::new(to), both })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Target::Primary => "primary",
            Target::Replica => "replica",
            Target::Random => "random",
            Target::All => "all",
            Target::Client => "client",
            Target::Node(name) => name,
            Target::Link { from, to, both } => {
                let sign = if *both { '-' } else { '>' };
                return write!(f, "{from}{sign}{to}");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["primary", "n1", "n1>n2", "client-primary", "primary>replica", "all-all", "n2>client"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (text, says) in [
            ("client", "client-n1"),
            ("n1>", "two ends"),
            (">n1", "two ends"),
            ("n1>n2>n3", "two ends"),
            ("n1-n1", "to itself"),
            ("", "no target"),
        ] {
            let why = text.parse::<Target>().unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }

    #[test]
    fn names_with_hyphens_are_told_from_links_by_the_nodes_there_are() {
        let nodes = ["web-1", "web-2", "redis"].map(str::to_owned);
        let settled = |text: &str| text.parse::<Target>().unwrap().resolve_names(&nodes);
        assert_eq!(settled("web-1"), Target::Node("web-1".to_owned()));
        assert_eq!(settled("web-1-redis").node_names(), ["web-1", "redis"]);
        assert_eq!(settled("redis-web-2").node_names(), ["redis", "web-2"]);
        assert_eq!(settled("client-web-2").node_names(), ["web-2"]);
        assert_eq!(settled("web-1>web-2").node_names(), ["web-1", "web-2"]);
    }
}
