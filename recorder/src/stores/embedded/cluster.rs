//! The nodes, the network between them and their clients, and the active faults.

use super::data::LogCommand;
use super::message::{NodeMessage, NodeReply};
use super::node::{NodeRole, Outbox, SimulatedNode};
use super::{Bug, EmbeddedOptions};
use crate::shapes::{StruckTargets, fault_affects_way, partition_cuts_way};
use crate::simulation::{SimulatedClock, SimulatedLink, SimulatedNetwork};
use crate::{AuditEntry, Failure, StackFact, Traffic};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tokio::sync::oneshot;
use workloads::{ClientOperation, Fault, Stream, Target, Value};

/// A link without faults. A message takes a quarter of a millisecond, plus the same again on average.
const LINK: SimulatedLink = SimulatedLink {
    least_ns: 250_000,
    jitter_ns: 250_000,
    loss: 0.0,
    cut: false,
    held: false,
    reorders: false,
};

/// The whole store. The ends of the network are the nodes, followed by one place of clients next to each node.
pub(super) struct SimulatedCluster {
    pub(super) options: Arc<EmbeddedOptions>,
    pub(super) timeline: SimulatedClock,
    nodes: Vec<NodeHost>,
    network: SimulatedNetwork<NodeMessage>,
    /// Clients that wait for a reply, by the id of their question.
    asked: BTreeMap<u64, oneshot::Sender<NodeReply>>,
    questions: u64,
    broken: BTreeMap<usize, ActiveFault>,
    stream: Stream,
    pump: Option<Waker>,
    armed_ns: u64,
    /// Whether the store is driven as a session store. Then answers carry the time, and traffic is counted.
    pub(super) of_sessions: bool,
    pub(super) traffic: Traffic,
}

/// The machine of a node.
struct NodeHost {
    node: SimulatedNode,
    running: HostState,
    /// While it drains: when it ends. Until then it takes no more requests and finishes those that it has.
    ends_ns: Option<u64>,
    /// What came while it was paused.
    inbox: VecDeque<(usize, NodeMessage)>,
}

/// How long a node that drains takes to finish what it has.
const DRAIN_NS: u64 = 200_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HostState {
    Yes,
    Paused,
    Dead,
}

/// An active fault and what it struck.
struct ActiveFault {
    fault: Fault,
    struck: StruckTargets,
    /// How many requests it has failed, if it fails the first.
    failed: u64,
}

impl SimulatedCluster {
    pub(super) fn new(options: &EmbeddedOptions, timeline: SimulatedClock, seed: u64) -> Self {
        let options = Arc::new(options.clone());
        let host = |id: usize| NodeHost {
            node: SimulatedNode::new(id, options.clone(), Stream::new(seed, &format!("node {id}"))),
            running: HostState::Yes,
            ends_ns: None,
            inbox: VecDeque::new(),
        };
        Self {
            nodes: (0..options.nodes).map(host).collect(),
            network: SimulatedNetwork::new(2 * options.nodes, LINK, Stream::new(seed, "network")),
            options,
            timeline,
            asked: BTreeMap::new(),
            questions: 0,
            broken: BTreeMap::new(),
            stream: Stream::new(seed, "targets"),
            pump: None,
            armed_ns: u64::MAX,
            of_sessions: false,
            traffic: Traffic::default(),
        }
    }

    /// Sends a question from a place of clients to a node.
    pub(super) fn send_question(
        &mut self,
        place: usize,
        node: usize,
        operation: &Arc<ClientOperation>,
        local: bool,
    ) -> oneshot::Receiver<NodeReply> {
        let (sender, receiver) = oneshot::channel();
        self.questions += 1;
        let id = self.questions;
        if self.fails(node) {
            let broken = Failure::indefinite("the connection was broken");
            // Whoever has given up does not listen any more.
            let _ = sender.send(NodeReply::Done(Err(broken)));
            return receiver;
        }
        self.asked.insert(id, sender);
        let ask = NodeMessage::Ask { id, operation: operation.clone(), local };
        let now_ns = self.timeline.now_ns();
        self.traffic.commands += 1;
        self.traffic.bytes_in += operation_bytes(operation);
        self.network.send_message(now_ns, self.options.nodes + place, node, ask);
        self.arm_pump();
        receiver
    }

    /// Whether a request to a node is one of the first of a fault, whose connections are broken.
    fn fails(&mut self, node: usize) -> bool {
        let count = self.options.nodes;
        let failing = self.broken.values_mut().find(|effect| match effect.fault {
            Fault::FailFirst { count: first } => {
                effect.failed < first
                    && fault_affects_way(effect.fault, &effect.struck, (count, node), count, false)
            }
            _ => false,
        });
        failing.map(|effect| effect.failed += 1).is_some()
    }

    /// What the nodes tell of themselves. One that is dead or stands still does not answer.
    pub(super) fn facts(&self) -> Vec<StackFact> {
        let mut facts = Vec::new();
        for (host, name) in self.nodes.iter().zip(self.options.node_names()) {
            let (name, answers) = (Arc::from(name), host.running == HostState::Yes);
            facts.push(StackFact::new(&name, "answers", if answers { "yes" } else { "no" }));
            if answers {
                let role = match host.node.role {
                    NodeRole::Primary(_) => "primary",
                    NodeRole::Replica => "replica",
                    NodeRole::Candidate { .. } => "candidate",
                };
                facts.push(StackFact::new(&name, "role", role));
                facts.push(StackFact::new(&name, "epoch", Value::Int(host.node.term as i64)));
            }
        }
        facts
    }

    /// What one node holds under a key.
    pub(super) fn read_node(&self, name: &str, key: &Arc<str>) -> Result<Value, Failure> {
        let number = name.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
        let host = number.and_then(|number| self.nodes.get(number.checked_sub(1)?));
        match host {
            Some(host) if host.running == HostState::Yes => {
                host.node.read_replica_value(self.timeline.now_ns(), key)
            }
            _ => Err(Failure::unreachable(format!("{name} is not there"))),
        }
    }

    /// Returns the audit trail that the primary has.
    pub(super) fn collect_audit_trail(&self) -> Result<Vec<AuditEntry>, Failure> {
        let leads = |host: &&NodeHost| {
            matches!(host.node.role, NodeRole::Primary(_)) && host.running == HostState::Yes
        };
        let primary = self.nodes.iter().filter(leads).max_by_key(|host| host.node.term);
        let Some(primary) = primary else { return Err(Failure::unreachable("there is no primary")) };
        let term = primary.node.term;
        let trail = |host: &NodeHost| host.node.data.trail.clone();
        let entries: Vec<(u64, AuditEntry)> = match self.options.has_bug(Bug::AuditTwice) {
            true => self.nodes.iter().flat_map(trail).collect(),
            false => trail(primary),
        };
        let since = if self.options.has_bug(Bug::AuditForgotten) { term } else { 0 };
        Ok(entries.into_iter().filter(|entry| entry.0 >= since).map(|entry| entry.1).collect())
    }

    /// Causes a fault. Returns the names of what it struck.
    pub(super) fn strike(&mut self, number: usize, fault: Fault, target: &Target) -> Vec<String> {
        let count = self.options.nodes;
        let struck = StruckTargets::resolve_target(target, count, |target| self.resolve_target(target));
        let nodes = struck.struck_nodes().to_vec();
        match fault {
            Fault::Kill | Fault::Restart => nodes.iter().for_each(|&node| self.kill_node(node)),
            // Operations in flight with the node's clients break off: a client cannot tell an orderly stop from a
            // crash.
            Fault::Deploy { version } => nodes.iter().for_each(|&node| {
                self.kill_node(node);
                self.nodes[node].node.version = version;
            }),
            Fault::Replace => nodes.iter().for_each(|&node| {
                self.kill_node(node);
                let now_ns = self.timeline.now_ns();
                self.nodes[node].node.wipe_disk(now_ns);
            }),
            Fault::Pause => nodes.iter().for_each(|&node| self.pause_node(node)),
            Fault::Drain => {
                let ends_ns = self.timeline.now_ns() + DRAIN_NS;
                nodes.iter().for_each(|&node| self.nodes[node].ends_ns = Some(ends_ns));
            }
            _ => {}
        }
        let names = struck.struck_names(&self.options.node_names());
        if fault.is_momentary() {
            nodes.iter().for_each(|&node| self.revive_node(node));
        } else {
            self.broken.insert(number, ActiveFault { fault, struck, failed: 0 });
        }
        self.apply_active_faults();
        names
    }

    /// Undoes the fault of an episode.
    pub(super) fn heal(&mut self, number: usize) {
        let Some(effect) = self.broken.remove(&number) else { return };
        for &node in effect.struck.struck_nodes() {
            let still = |running: fn(&Fault) -> bool| {
                self.broken
                    .values()
                    .any(|other| running(&other.fault) && other.struck.struck_nodes().contains(&node))
            };
            let (dead, paused) = (
                still(|fault| matches!(fault, Fault::Kill | Fault::Drain)),
                still(|fault| *fault == Fault::Pause),
            );
            match effect.fault {
                Fault::Kill | Fault::Drain if !dead => self.revive_node(node),
                Fault::Pause if !paused => self.resume_node(node),
                _ => {}
            }
        }
        self.apply_active_faults();
    }

    fn resolve_target(&mut self, target: &Target) -> Vec<usize> {
        let count = self.options.nodes;
        let leads = |host: &NodeHost| {
            matches!(host.node.role, NodeRole::Primary(_)) && host.running != HostState::Dead
        };
        let terms = self.nodes.iter().enumerate().filter(|(_, host)| leads(host));
        // While there is no primary, the fault strikes the first node.
        let primary = terms.max_by_key(|(_, host)| host.node.term).map_or(0, |(node, _)| node);
        match target {
            Target::Primary => vec![primary],
            Target::Replica => {
                let others: Vec<_> = (0..count).filter(|&node| node != primary).collect();
                if others.is_empty() {
                    Vec::new()
                } else {
                    vec![others[self.stream.draw_index(others.len())]]
                }
            }
            Target::Random => vec![self.stream.draw_index(count)],
            Target::All => (0..count).collect(),
            Target::Node(name) => {
                let number = name.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
                vec![number.expect("the plan names nodes that are there") - 1]
            }
            Target::Client | Target::Link { .. } => Vec::new(),
        }
    }

    fn kill_node(&mut self, node: usize) {
        let mut out = Outbox::new();
        let host = &mut self.nodes[node];
        host.running = HostState::Dead;
        host.ends_ns = None;
        host.node.crash(&mut out);
        host.inbox.clear();
        self.send_outbox(node, out);
    }

    fn revive_node(&mut self, node: usize) {
        let now_ns = self.timeline.now_ns();
        let host = &mut self.nodes[node];
        host.ends_ns = None;
        if host.running == HostState::Dead {
            host.running = HostState::Yes;
            host.node.restart(now_ns);
        }
    }

    fn pause_node(&mut self, node: usize) {
        let host = &mut self.nodes[node];
        if host.running == HostState::Yes {
            host.running = HostState::Paused;
        }
    }

    /// Lets a paused process continue. It first handles the messages that arrived in the meantime.
    fn resume_node(&mut self, node: usize) {
        let host = &mut self.nodes[node];
        if host.running != HostState::Paused {
            return;
        }
        host.running = HostState::Yes;
        for (from, message) in std::mem::take(&mut host.inbox) {
            self.deliver_message(from, node, message);
        }
    }

    /// Applies the combined effect of all active faults to every link and to every node's clock.
    fn apply_active_faults(&mut self) {
        let count = self.options.nodes;
        for from in 0..2 * count {
            for to in 0..2 * count {
                let mut link = LINK;
                for effect in self.broken.values() {
                    effect.apply_to_link(&mut link, from, to, count);
                }
                *self.network.link_mut(from, to) = link;
            }
        }
        self.network.release_held(self.timeline.now_ns());
        for (number, host) in self.nodes.iter_mut().enumerate() {
            let skews = self.broken.values().filter(|effect| effect.struck.struck_nodes().contains(&number));
            host.node.skew_ns = skews
                .map(|effect| if let Fault::Skew { offset_ns } = effect.fault { offset_ns } else { 0 })
                .sum();
        }
        self.arm_pump();
    }

    /// Handles everything that is due by now.
    fn process_due_events(&mut self) {
        let now_ns = self.timeline.now_ns();
        loop {
            if let Some((from, to, message)) = self.network.receive_next(now_ns) {
                self.deliver_message(from, to, message);
                continue;
            }
            let drained = |host: &NodeHost| host.ends_ns.is_some_and(|ends_ns| ends_ns <= now_ns);
            if let Some(node) = self.nodes.iter().position(drained) {
                self.kill_node(node);
                continue;
            }
            let due = |host: &NodeHost| host.running == HostState::Yes && host.node.next_due_ns() <= now_ns;
            let Some(node) = self.nodes.iter().position(due) else { break };
            let mut out = Outbox::new();
            self.nodes[node].node.do_due_work(now_ns, &mut out);
            self.send_outbox(node, out);
        }
    }

    fn deliver_message(&mut self, from: usize, to: usize, message: NodeMessage) {
        let Some(host) = self.nodes.get_mut(to) else {
            let NodeMessage::Reply { id, reply } = message else {
                unreachable!("clients are only replied to")
            };
            if let Some(client) = self.asked.remove(&id) {
                // The client has given up and does not wait for the reply any more.
                let _ = client.send(reply);
            }
            return;
        };
        let mut out = Outbox::new();
        match (host.running, &message) {
            (HostState::Yes, NodeMessage::Ask { id, .. }) if host.ends_ns.is_some() => {
                out.push((from, NodeMessage::Reply { id: *id, reply: NodeReply::Refused }));
            }
            (HostState::Yes, _) => host.node.receive_message(self.timeline.now_ns(), from, message, &mut out),
            (HostState::Paused, _) => host.inbox.push_back((from, message)),
            (HostState::Dead, NodeMessage::Ask { id, .. }) => {
                out.push((from, NodeMessage::Reply { id: *id, reply: NodeReply::Refused }));
            }
            (HostState::Dead, _) => {}
        }
        self.send_outbox(to, out);
    }

    fn send_outbox(&mut self, from: usize, out: Outbox) {
        let now_ns = self.timeline.now_ns();
        for (to, mut message) in out {
            match &mut message {
                NodeMessage::Reply { reply: NodeReply::Done(Ok(answer)), .. } if self.of_sessions => {
                    answer.clock_ns = Some(self.nodes[from].node.answer_clock_ns(now_ns));
                }
                NodeMessage::Append { entries, .. } => {
                    self.traffic.commands += entries.len() as u64;
                    let sent: u64 = entries.iter().map(|entry| command_bytes(&entry.command)).sum();
                    self.traffic.bytes_out += sent;
                    self.traffic.bytes_in += sent;
                }
                _ => {}
            }
            self.network.send_message(now_ns, from, to, message);
        }
    }

    fn next_due_ns(&self) -> u64 {
        let running = self.nodes.iter().filter(|host| host.running == HostState::Yes);
        let node_ns = running.map(|host| host.node.next_due_ns()).min();
        let drained_ns = self.nodes.iter().filter_map(|host| host.ends_ns).min();
        let all = node_ns.into_iter().chain(drained_ns).chain(self.network.next_arrival_ns());
        all.min().unwrap_or(u64::MAX)
    }

    /// Arms the timer that wakes the pump when the next event is due, unless the pump wakes earlier anyway.
    fn arm_pump(&mut self) {
        let next_ns = self.next_due_ns();
        if let Some(pump) = &self.pump
            && next_ns < self.armed_ns
        {
            self.armed_ns = next_ns;
            self.timeline.wake_at_ns(next_ns, pump.clone());
        }
    }
}

/// Estimates the size of an operation on the network: its payload and a small overhead.
fn operation_bytes(operation: &ClientOperation) -> u64 {
    let payload = match &operation.value {
        Value::Payload(payload) => payload.bytes,
        Value::Fields(fields) => (fields.iter())
            .map(|(_, part)| if let Value::Payload(payload) = part { payload.bytes } else { 0 })
            .sum(),
        _ => 0,
    };
    32 + payload
}

fn command_bytes(command: &LogCommand) -> u64 {
    if let LogCommand::Do { operation, .. } = command { operation_bytes(operation) } else { 16 }
}

impl ActiveFault {
    /// Applies the effect of this fault to the link between two ends. The first `count` ends are nodes, the others
    /// are the clients next to them.
    fn apply_to_link(&self, link: &mut SimulatedLink, from: usize, to: usize, count: usize) {
        let (here, there) = (from % count, to % count);
        let between_nodes = from < count && to < count;
        // A partition separates clients together with their node. In a one-way partition, only nodes stop hearing one
        // another.
        let of_sides = self.fault.divides_nodes() && self.fault != Fault::Isolate;
        if of_sides && (between_nodes || self.fault != Fault::OneWay) {
            link.cut |= partition_cuts_way(self.fault, self.struck.struck_nodes(), here, there, count);
        }
        // For faults of links and for isolated nodes, all clients are one end, wherever they are.
        let way = (from.min(count), to.min(count));
        let is_struck = fault_affects_way(self.fault, &self.struck, way, count, false);
        match self.fault {
            Fault::Delay { least_ns, jitter_ns } if is_struck => {
                link.least_ns += least_ns;
                link.jitter_ns += jitter_ns;
            }
            Fault::Loss { probability } if is_struck => {
                link.loss = 1.0 - (1.0 - link.loss) * (1.0 - probability);
            }
            Fault::Hold | Fault::Hang => link.held |= is_struck,
            Fault::Slow { by_ns } if is_struck => link.least_ns += by_ns,
            Fault::Isolate | Fault::Partition if !of_sides || self.struck.struck_nodes().is_empty() => {
                link.cut |= is_struck;
            }
            _ => {}
        }
    }
}

/// Delivers messages and wakes nodes for as long as the simulation runs.
pub(super) async fn run_pump(cluster: Arc<Mutex<SimulatedCluster>>) {
    poll_fn(|context| -> Poll<()> {
        let mut cluster = cluster.lock().expect("no node panicked");
        cluster.pump.get_or_insert_with(|| context.waker().clone());
        cluster.process_due_events();
        // A wake-up that an earlier one overtook finds another timer armed. It must not arm a second one, because
        // timers would then multiply.
        if cluster.timeline.now_ns() >= cluster.armed_ns {
            cluster.armed_ns = u64::MAX;
        }
        cluster.arm_pump();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_cut_off_with_their_node() {
        let effect =
            ActiveFault { fault: Fault::Partition, struck: StruckTargets::Nodes(vec![0]), failed: 0 };
        let cut = |from, to| {
            let mut link = LINK;
            effect.apply_to_link(&mut link, from, to, 3);
            link.cut
        };
        assert!(!cut(3, 0) && !cut(0, 3) && !cut(4, 1) && !cut(5, 1));
        assert!(cut(3, 1) && cut(1, 3) && cut(4, 0) && cut(0, 4));
    }
}
