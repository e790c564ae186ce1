//! Describes which faults a user's stack permits, and what a plan would do to it, without doing anything.

use super::tables::{YourNode, YourStack};
use super::unit::NodeVerb;
use std::fmt::Write as _;
use workloads::{Episode, Fault, Plan, Strike};

/// The faults of nodes, in the order in which they are listed.
const NODE_FAULTS: [&str; 7] = ["kill", "pause", "restart", "drain", "replace", "deploy", "scale"];

impl YourStack {
    /// Lists the faults of each node and link. For a fault that is not possible, it says what the stack file lacks.
    pub(crate) fn list_possible_faults(&self, entries: &[String]) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            let role = node.role.as_ref().map_or(String::new(), |role| format!(" ({role})"));
            let _ = writeln!(text, "{}{role}", node.name);
            for name in NODE_FAULTS {
                let strike: Strike = name.parse().expect("each fault can be typed");
                match node.check_fault(strike.fault) {
                    Ok(()) => {
                        let _ = writeln!(
                            text,
                            "  {name:8} {}",
                            describe_fault_commands(node, strike.fault).join("; ")
                        );
                    }
                    Err(why) => {
                        let _ = writeln!(text, "  {name:8} not possible: {why}");
                    }
                }
            }
        }
        for link in &self.links {
            let _ = writeln!(
                text,
                "{}-{}: {} leads to {}; hang, slow, fail-first, delay, hold, throttle, slice, reset, refuse, half-close",
                link.from, link.node, link.listen, link.to
            );
        }
        for entry in entries {
            let _ = writeln!(
                text,
                "client-{entry}: a proxy of the run stands in front of it; the same faults as on a link"
            );
        }
        let roles = self.role_names();
        if !roles.is_empty() {
            let _ = writeln!(text, "roles: {}", roles.join(", "));
        }
        text
    }

    /// Lists every command and signal of a plan, and how each fault is undone. No command runs, so a role that is only
    /// known during the run is listed with all nodes that may have it.
    pub(crate) fn describe_plan_commands(&self, plan: &Plan) -> String {
        let mut text = String::new();
        for episode in &plan.episodes {
            let at = workloads::format_duration(std::time::Duration::from_nanos(episode.from_ns));
            let _ = writeln!(text, "at {at}: {} of {}", episode.fault, episode.target);
            if episode.fault.strikes_links() {
                let _ = writeln!(text, "  by a proxy of the run");
                continue;
            }
            self.describe_node_commands(episode, &mut text);
        }
        text
    }

    fn describe_node_commands(&self, episode: &Episode, text: &mut String) {
        let nodes = self.possible_nodes(&episode.target);
        let several = nodes.len() > 1 && episode.target != workloads::Target::All;
        if several {
            let _ = writeln!(text, "  one of these nodes, found when the fault strikes:");
        }
        for node in nodes {
            for command in describe_fault_commands(node, episode.fault) {
                let _ = writeln!(text, "  {}: {command}", node.name);
            }
        }
    }
}

/// The command or signal that causes a fault of a node, followed by the one that undoes it.
fn describe_fault_commands(node: &YourNode, fault: Fault) -> Vec<String> {
    let shown = |verb: NodeVerb, number: u64| match node.commands.command_for(verb, number) {
        Some(command) => command,
        None => match verb {
            NodeVerb::Kill => "SIGKILL".to_owned(),
            NodeVerb::Pause => "SIGSTOP".to_owned(),
            NodeVerb::Resume => "SIGCONT".to_owned(),
            NodeVerb::Stop => "SIGTERM".to_owned(),
            verb => format!("(no command for {})", verb.name()),
        },
    };
    let undone = |verb: NodeVerb, number: u64| format!("undone by {}", shown(verb, number));
    match fault {
        Fault::Kill => vec![shown(NodeVerb::Kill, 0), undone(NodeVerb::Start, 0)],
        Fault::Pause => vec![shown(NodeVerb::Pause, 0), undone(NodeVerb::Resume, 0)],
        Fault::Drain => vec![shown(NodeVerb::Stop, 0), undone(NodeVerb::Start, 0)],
        Fault::Restart if node.commands.command_for(NodeVerb::Restart, 0).is_some() => {
            vec![shown(NodeVerb::Restart, 0)]
        }
        Fault::Restart => vec![shown(NodeVerb::Kill, 0), shown(NodeVerb::Start, 0)],
        Fault::Replace => vec![shown(NodeVerb::Replace, 0)],
        Fault::Deploy { version } => vec![shown(NodeVerb::Deploy, u64::from(version))],
        Fault::Scale { count } => {
            vec![
                shown(NodeVerb::Scale, u64::from(count)),
                undone(NodeVerb::Scale, u64::from(node.commands.replicas)),
            ]
        }
        _ => Vec::new(),
    }
}
