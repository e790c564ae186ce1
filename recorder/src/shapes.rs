//! Decides which ways between ends a fault affects. Simulated and real networks use the same rules.
//!
//! Ends are numbered: the nodes from zero, then one end for all clients together. A *way* is an ordered pair of ends
//! and stands for what the first end sends to the second.

use workloads::{Fault, Target};

/// The nodes or links that a fault strikes, after roles such as *primary* have been resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StruckTargets {
    /// These nodes.
    Nodes(Vec<usize>),
    /// What the ends of one side send to the ends of the other side.
    Link {
        /// The ends of the one side.
        from: Vec<usize>,
        /// The ends of the other side.
        to: Vec<usize>,
        /// Whether the opposite direction is struck as well.
        both: bool,
    },
}

impl StruckTargets {
    /// Resolves a target. `one` returns the nodes that a target other than a link stands for.
    pub fn resolve_target(target: &Target, nodes: usize, mut one: impl FnMut(&Target) -> Vec<usize>) -> Self {
        let mut end = |target: &Target| match target {
            Target::Client => vec![nodes],
            target => one(target),
        };
        match target {
            Target::Link { from, to, both } => {
                StruckTargets::Link { from: end(from), to: end(to), both: *both }
            }
            target => StruckTargets::Nodes(end(target)),
        }
    }

    /// Resolves a target among nodes of these names, one of which is the primary. The target *replica* picks a
    /// different replica for each episode of the plan; the number of the episode determines which.
    pub fn resolve_among(target: &Target, names: &[String], primary: usize, number: usize) -> Self {
        let count = names.len();
        Self::resolve_target(target, count, |target| match target {
            Target::Primary => vec![primary],
            Target::Replica | Target::Random if count > 1 => {
                vec![(primary + 1 + number % (count - 1)) % count]
            }
            Target::All => (0..count).collect(),
            Target::Node(name) => names.iter().position(|known| known == name).into_iter().collect(),
            _ => Vec::new(),
        })
    }

    /// The struck nodes; empty if links are struck.
    pub fn struck_nodes(&self) -> &[usize] {
        match self {
            StruckTargets::Nodes(nodes) => nodes,
            StruckTargets::Link { .. } => &[],
        }
    }

    /// The names of the struck nodes or links, as they appear in the history.
    pub fn struck_names(&self, nodes: &[String]) -> Vec<String> {
        let name = |end: usize| nodes.get(end).map_or("client", String::as_str);
        match self {
            StruckTargets::Nodes(struck) => struck.iter().map(|&node| name(node).to_owned()).collect(),
            StruckTargets::Link { from, to, both } => {
                let sign = if *both { '-' } else { '>' };
                let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
                let pairs = pairs.filter(|(from, to)| from != to);
                pairs.map(|(from, to)| format!("{}{sign}{}", name(from), name(to))).collect()
            }
        }
    }

    /// Whether a way is among the links that were struck.
    pub(crate) fn has_way(&self, from: usize, to: usize) -> bool {
        let StruckTargets::Link { from: ones, to: others, both } = self else { return false };
        from != to
            && ((ones.contains(&from) && others.contains(&to))
                || (*both && ones.contains(&to) && others.contains(&from)))
    }
}

/// Whether a fault with these targets affects the way from one end to another, among `nodes` nodes in all.
///
/// A fault of links that names a node strikes its ways to and from the other nodes; `clients_too` says whether
/// also those to and from clients. A fault of requests that names a node strikes what clients send to it.
pub(crate) fn fault_affects_way(
    fault: Fault,
    struck: &StruckTargets,
    way: (usize, usize),
    nodes: usize,
    clients_too: bool,
) -> bool {
    let (from, to) = way;
    let ends = match struck {
        StruckTargets::Link { .. } => return fault.strikes_links() && struck.has_way(from, to),
        StruckTargets::Nodes(ends) => ends,
    };
    let between_nodes = from < nodes && to < nodes;
    let at_one = ends.contains(&from) != ends.contains(&to);
    match fault {
        Fault::Isolate => at_one,
        fault if fault.strikes_requests() => ends.contains(&to) && from >= nodes,
        fault if fault.divides_nodes() && between_nodes => partition_cuts_way(fault, ends, from, to, nodes),
        // This includes the way between two nodes that are both struck.
        Fault::HalfClose => from != to && ends.contains(&to) && (between_nodes || clients_too),
        fault if fault.strikes_links() && !fault.divides_nodes() => {
            from != to && (ends.contains(&from) || ends.contains(&to)) && (between_nodes || clients_too)
        }
        fault => fault == Fault::Partition && at_one && clients_too,
    }
}

/// Whether a partition of this shape, with these nodes struck, cuts the way from one node to another among `count`
/// nodes.
pub(crate) fn partition_cuts_way(
    fault: Fault,
    struck: &[usize],
    from: usize,
    to: usize,
    count: usize,
) -> bool {
    let is_struck = |node: usize| struck.contains(&node);
    match fault {
        Fault::Partition | Fault::Isolate => is_struck(from) != is_struck(to),
        Fault::OneWay => is_struck(to) && !is_struck(from),
        Fault::Bridge => {
            let bridge = struck.first().copied().unwrap_or(0);
            let half = |node: usize| (node + count - bridge) % count <= count / 2;
            from != bridge && to != bridge && half(from) != half(to)
        }
        Fault::MajoritiesRing => {
            let steps = (from + count - to) % count;
            let reach = (count / 2).div_ceil(2);
            steps.min(count - steps) > reach
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line for each sender, one character for each receiver.
    fn drawn(fault: Fault, struck: &[usize], count: usize) -> Vec<String> {
        let sign = |from, to| if partition_cuts_way(fault, struck, from, to, count) { '.' } else { 'x' };
        (0..count).map(|from| (0..count).map(|to| sign(from, to)).collect()).collect()
    }

    #[test]
    fn each_shape_as_drawn() {
        assert_eq!(drawn(Fault::Partition, &[0], 3), ["x..", ".xx", ".xx"]);
        assert_eq!(drawn(Fault::OneWay, &[0], 3), ["xxx", ".xx", ".xx"]);
        assert_eq!(drawn(Fault::Bridge, &[1], 5), ["xx..x", "xxxxx", ".xxx.", ".xxx.", "xx..x"]);
        assert_eq!(drawn(Fault::MajoritiesRing, &[], 5), ["xx..x", "xxx..", ".xxx.", "..xxx", "x..xx"]);
        assert_eq!(drawn(Fault::Kill, &[0], 2), ["xx", "xx"]);
    }

    /// The ways that a strike affects among three nodes and the clients. Clients are drawn last.
    fn hit(strike: &str, clients_too: bool) -> Vec<String> {
        let strike: workloads::Strike = strike.parse().unwrap();
        let names = ["n1", "n2", "n3"].map(str::to_owned);
        let struck = StruckTargets::resolve_among(&strike.target.unwrap(), &names, 0, 0);
        let sign = |from, to| {
            if fault_affects_way(strike.fault, &struck, (from, to), 3, clients_too) { '!' } else { '-' }
        };
        (0..4).map(|from| (0..4).map(|to| sign(from, to)).collect()).collect()
    }

    #[test]
    fn nodes_and_links_are_struck_as_drawn() {
        assert_eq!(hit("delay:n1", false), ["-!!-", "!---", "!---", "----"]);
        assert_eq!(hit("delay:n1", true), ["-!!!", "!---", "!---", "!---"]);
        assert_eq!(hit("hold:all", false), ["-!!-", "!-!-", "!!--", "----"]);
        assert_eq!(hit("partition:n2", false), ["-!--", "!-!-", "-!--", "----"]);
        assert_eq!(hit("isolate:n2", false), ["-!--", "!-!!", "-!--", "-!--"]);
        assert_eq!(hit("half-close:n2", true), ["-!--", "----", "-!--", "-!--"]);
        assert_eq!(hit("delay:primary>replica", false), ["-!--", "----", "----", "----"]);
        assert_eq!(hit("hold:client-n3", false), ["----", "----", "---!", "--!-"]);
        assert_eq!(hit("partition:n1-n3", false), ["--!-", "----", "!---", "----"]);
        assert_eq!(hit("hang:n2", false), ["----", "----", "----", "-!--"]);
        assert_eq!(hit("slow=5ms:n1>n2", true), ["-!--", "----", "----", "----"]);
        assert_eq!(hit("delay:all-all", false), ["-!!-", "!-!-", "!!--", "----"]);
    }
}
