//! The nodes, the network between them and their clients, and the active faults.

use super::data::Command;
use super::message::{Message, Reply};
use super::node::{Node, Outbox, Role};
use super::{Bug, Options};
use crate::shapes::{Struck, cuts, strikes};
use crate::simulation::{Link, Network, Timeline};
use crate::{AuditEntry, Failure, Traffic};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tokio::sync::oneshot;
use workloads::{Fault, Operation, Stream, Target, Value};

/// A link without faults. A message takes a quarter of a millisecond, plus the same again on average.
const LINK: Link =
    Link { least_ns: 250_000, jitter_ns: 250_000, loss: 0.0, cut: false, held: false, reorders: false };

/// The whole store. The ends of the network are the nodes, followed by one place of clients next to each node.
pub(super) struct Cluster {
    pub(super) options: Arc<Options>,
    pub(super) timeline: Timeline,
    nodes: Vec<Host>,
    network: Network<Message>,
    /// Clients that wait for a reply, by the id of their question.
    asked: BTreeMap<u64, oneshot::Sender<Reply>>,
    questions: u64,
    broken: BTreeMap<usize, Effect>,
    stream: Stream,
    pump: Option<Waker>,
    armed_ns: u64,
    /// Whether the store is driven as a session store. Then answers carry the time, and traffic is counted.
    pub(super) of_sessions: bool,
    pub(super) traffic: Traffic,
}

/// The machine of a node.
struct Host {
    node: Node,
    running: Running,
    /// Messages that arrived while the process was paused.
    inbox: VecDeque<(usize, Message)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Running {
    Yes,
    Paused,
    Dead,
}

/// An active fault and what it struck.
struct Effect {
    fault: Fault,
    struck: Struck,
}

impl Cluster {
    pub(super) fn new(options: &Options, timeline: Timeline, seed: u64) -> Self {
        let options = Arc::new(options.clone());
        let host = |id: usize| Host {
            node: Node::new(id, options.clone(), Stream::new(seed, &format!("node {id}"))),
            running: Running::Yes,
            inbox: VecDeque::new(),
        };
        Self {
            nodes: (0..options.nodes).map(host).collect(),
            network: Network::new(2 * options.nodes, LINK, Stream::new(seed, "network")),
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
    pub(super) fn ask(
        &mut self,
        place: usize,
        node: usize,
        operation: &Arc<Operation>,
        local: bool,
    ) -> oneshot::Receiver<Reply> {
        let (sender, receiver) = oneshot::channel();
        self.questions += 1;
        let id = self.questions;
        self.asked.insert(id, sender);
        let ask = Message::Ask { id, operation: operation.clone(), local };
        let now_ns = self.timeline.now_ns();
        self.traffic.commands += 1;
        self.traffic.bytes_in += bytes(operation);
        self.network.send(now_ns, self.options.nodes + place, node, ask);
        self.arm();
        receiver
    }

    /// Reads what one node holds under a key.
    pub(super) fn look(&self, name: &str, key: &Arc<str>) -> Result<Value, Failure> {
        let number = name.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
        let host = number.and_then(|number| self.nodes.get(number.checked_sub(1)?));
        match host {
            Some(host) if host.running == Running::Yes => host.node.look(self.timeline.now_ns(), key),
            _ => Err(Failure::unreachable(format!("{name} is not there"))),
        }
    }

    /// Returns the audit trail that the primary has.
    pub(super) fn audit(&self) -> Result<Vec<AuditEntry>, Failure> {
        let leads = |host: &&Host| matches!(host.node.role, Role::Primary(_)) && host.running == Running::Yes;
        let primary = self.nodes.iter().filter(leads).max_by_key(|host| host.node.term);
        let Some(primary) = primary else { return Err(Failure::unreachable("there is no primary")) };
        let term = primary.node.term;
        let trail = |host: &Host| host.node.data.trail.clone();
        let entries: Vec<(u64, AuditEntry)> = match self.options.has(Bug::AuditTwice) {
            true => self.nodes.iter().flat_map(trail).collect(),
            false => trail(primary),
        };
        let since = if self.options.has(Bug::AuditForgotten) { term } else { 0 };
        Ok(entries.into_iter().filter(|entry| entry.0 >= since).map(|entry| entry.1).collect())
    }

    /// Causes a fault. Returns the names of what it struck.
    pub(super) fn strike(&mut self, number: usize, fault: Fault, target: &Target) -> Vec<String> {
        let count = self.options.nodes;
        let struck = Struck::of(target, count, |target| self.resolve(target));
        let nodes = struck.nodes().to_vec();
        match fault {
            Fault::Kill | Fault::Restart => nodes.iter().for_each(|&node| self.kill(node)),
            // Operations in flight with the node's clients break off: a client cannot tell an orderly stop from a
            // crash.
            Fault::Deploy { version } => nodes.iter().for_each(|&node| {
                self.kill(node);
                self.nodes[node].node.version = version;
            }),
            Fault::Replace => nodes.iter().for_each(|&node| {
                self.kill(node);
                let now_ns = self.timeline.now_ns();
                self.nodes[node].node.wipe(now_ns);
            }),
            Fault::Pause => nodes.iter().for_each(|&node| self.pause(node)),
            _ => {}
        }
        let names = struck.names(&self.options.node_names());
        if fault.is_momentary() {
            nodes.iter().for_each(|&node| self.revive(node));
        } else {
            self.broken.insert(number, Effect { fault, struck });
        }
        self.rewire();
        names
    }

    /// Undoes the fault of an episode.
    pub(super) fn heal(&mut self, number: usize) {
        let Some(effect) = self.broken.remove(&number) else { return };
        for &node in effect.struck.nodes() {
            let still = |running: fn(&Fault) -> bool| {
                self.broken
                    .values()
                    .any(|other| running(&other.fault) && other.struck.nodes().contains(&node))
            };
            let (dead, paused) =
                (still(|fault| *fault == Fault::Kill), still(|fault| *fault == Fault::Pause));
            match effect.fault {
                Fault::Kill if !dead => self.revive(node),
                Fault::Pause if !paused => self.resume(node),
                _ => {}
            }
        }
        self.rewire();
    }

    fn resolve(&mut self, target: &Target) -> Vec<usize> {
        let count = self.options.nodes;
        let leads = |host: &Host| matches!(host.node.role, Role::Primary(_)) && host.running != Running::Dead;
        let terms = self.nodes.iter().enumerate().filter(|(_, host)| leads(host));
        // While there is no primary, the fault strikes the first node.
        let primary = terms.max_by_key(|(_, host)| host.node.term).map_or(0, |(node, _)| node);
        match target {
            Target::Primary => vec![primary],
            Target::Replica => {
                let others: Vec<_> = (0..count).filter(|&node| node != primary).collect();
                if others.is_empty() { Vec::new() } else { vec![others[self.stream.index(others.len())]] }
            }
            Target::Random => vec![self.stream.index(count)],
            Target::All => (0..count).collect(),
            Target::Node(name) => {
                let number = name.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
                vec![number.expect("the plan names nodes that are there") - 1]
            }
            Target::Client | Target::Link { .. } => Vec::new(),
        }
    }

    fn kill(&mut self, node: usize) {
        let mut out = Outbox::new();
        let host = &mut self.nodes[node];
        host.running = Running::Dead;
        host.node.crash(&mut out);
        host.inbox.clear();
        self.send_all(node, out);
    }

    fn revive(&mut self, node: usize) {
        let now_ns = self.timeline.now_ns();
        let host = &mut self.nodes[node];
        if host.running == Running::Dead {
            host.running = Running::Yes;
            host.node.restart(now_ns);
        }
    }

    fn pause(&mut self, node: usize) {
        let host = &mut self.nodes[node];
        if host.running == Running::Yes {
            host.running = Running::Paused;
        }
    }

    /// Lets a paused process continue. It first handles the messages that arrived in the meantime.
    fn resume(&mut self, node: usize) {
        let host = &mut self.nodes[node];
        if host.running != Running::Paused {
            return;
        }
        host.running = Running::Yes;
        for (from, message) in std::mem::take(&mut host.inbox) {
            self.deliver(from, node, message);
        }
    }

    /// Applies the combined effect of all active faults to every link and to every node's clock.
    fn rewire(&mut self) {
        let count = self.options.nodes;
        for from in 0..2 * count {
            for to in 0..2 * count {
                let mut link = LINK;
                for effect in self.broken.values() {
                    effect.change(&mut link, from, to, count);
                }
                *self.network.link(from, to) = link;
            }
        }
        self.network.release(self.timeline.now_ns());
        for (number, host) in self.nodes.iter_mut().enumerate() {
            let skews = self.broken.values().filter(|effect| effect.struck.nodes().contains(&number));
            host.node.skew_ns = skews
                .map(|effect| if let Fault::Skew { offset_ns } = effect.fault { offset_ns } else { 0 })
                .sum();
        }
        self.arm();
    }

    /// Handles everything that is due by now.
    fn advance(&mut self) {
        let now_ns = self.timeline.now_ns();
        loop {
            if let Some((from, to, message)) = self.network.receive(now_ns) {
                self.deliver(from, to, message);
                continue;
            }
            let due = |host: &Host| host.running == Running::Yes && host.node.next_ns() <= now_ns;
            let Some(node) = self.nodes.iter().position(due) else { break };
            let mut out = Outbox::new();
            self.nodes[node].node.tick(now_ns, &mut out);
            self.send_all(node, out);
        }
    }

    fn deliver(&mut self, from: usize, to: usize, message: Message) {
        let Some(host) = self.nodes.get_mut(to) else {
            let Message::Reply { id, reply } = message else { unreachable!("clients are only replied to") };
            if let Some(client) = self.asked.remove(&id) {
                // The client has given up and does not wait for the reply any more.
                let _ = client.send(reply);
            }
            return;
        };
        let mut out = Outbox::new();
        match (host.running, &message) {
            (Running::Yes, _) => host.node.receive(self.timeline.now_ns(), from, message, &mut out),
            (Running::Paused, _) => host.inbox.push_back((from, message)),
            (Running::Dead, Message::Ask { id, .. }) => {
                out.push((from, Message::Reply { id: *id, reply: Reply::Refused }));
            }
            (Running::Dead, _) => {}
        }
        self.send_all(to, out);
    }

    fn send_all(&mut self, from: usize, out: Outbox) {
        let now_ns = self.timeline.now_ns();
        for (to, mut message) in out {
            match &mut message {
                Message::Reply { reply: Reply::Done(Ok(answer)), .. } if self.of_sessions => {
                    answer.clock_ns = Some(self.nodes[from].node.clock_ns(now_ns));
                }
                Message::Append { entries, .. } => {
                    self.traffic.commands += entries.len() as u64;
                    let sent: u64 = entries.iter().map(|entry| command_bytes(&entry.command)).sum();
                    self.traffic.bytes_out += sent;
                    self.traffic.bytes_in += sent;
                }
                _ => {}
            }
            self.network.send(now_ns, from, to, message);
        }
    }

    fn next_ns(&self) -> u64 {
        let running = self.nodes.iter().filter(|host| host.running == Running::Yes);
        let node_ns = running.map(|host| host.node.next_ns()).min();
        node_ns.into_iter().chain(self.network.next_ns()).min().unwrap_or(u64::MAX)
    }

    /// Arms the timer that wakes the pump when the next event is due, unless the pump wakes earlier anyway.
    fn arm(&mut self) {
        let next_ns = self.next_ns();
        if let Some(pump) = &self.pump
            && next_ns < self.armed_ns
        {
            self.armed_ns = next_ns;
            self.timeline.wake_at_ns(next_ns, pump.clone());
        }
    }
}

/// Estimates the size of an operation on the network: its payload and a small overhead.
fn bytes(operation: &Operation) -> u64 {
    let payload = match &operation.value {
        Value::Payload(payload) => payload.bytes,
        Value::Fields(fields) => (fields.iter())
            .map(|(_, part)| if let Value::Payload(payload) = part { payload.bytes } else { 0 })
            .sum(),
        _ => 0,
    };
    32 + payload
}

fn command_bytes(command: &Command) -> u64 {
    if let Command::Do { operation, .. } = command { bytes(operation) } else { 16 }
}

impl Effect {
    /// Applies the effect of this fault to the link between two ends. The first `count` ends are nodes, the others
    /// are the clients next to them.
    fn change(&self, link: &mut Link, from: usize, to: usize, count: usize) {
        let (here, there) = (from % count, to % count);
        let between_nodes = from < count && to < count;
        // A partition separates clients together with their node. In a one-way partition, only nodes stop hearing one
        // another.
        let of_sides = self.fault.is_shape() && self.fault != Fault::Isolate;
        if of_sides && (between_nodes || self.fault != Fault::OneWay) {
            link.cut |= cuts(self.fault, self.struck.nodes(), here, there, count);
        }
        // For faults of links and for isolated nodes, all clients are one end, wherever they are.
        let way = (from.min(count), to.min(count));
        let is_struck = strikes(self.fault, &self.struck, way, count, false);
        match self.fault {
            Fault::Delay { least_ns, jitter_ns } if is_struck => {
                link.least_ns += least_ns;
                link.jitter_ns += jitter_ns;
            }
            Fault::Loss { probability } if is_struck => {
                link.loss = 1.0 - (1.0 - link.loss) * (1.0 - probability);
            }
            Fault::Hold => link.held |= is_struck,
            Fault::Isolate | Fault::Partition if !of_sides || self.struck.nodes().is_empty() => {
                link.cut |= is_struck;
            }
            _ => {}
        }
    }
}

/// Delivers messages and wakes nodes for as long as the simulation runs.
pub(super) async fn pump(cluster: Arc<Mutex<Cluster>>) {
    poll_fn(|context| -> Poll<()> {
        let mut cluster = cluster.lock().expect("no node panicked");
        cluster.pump.get_or_insert_with(|| context.waker().clone());
        cluster.advance();
        // A wake-up that an earlier one overtook finds another timer armed. It must not arm a second one, because
        // timers would then multiply.
        if cluster.timeline.now_ns() >= cluster.armed_ns {
            cluster.armed_ns = u64::MAX;
        }
        cluster.arm();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_cut_off_with_their_node() {
        let effect = Effect { fault: Fault::Partition, struck: Struck::Nodes(vec![0]) };
        let cut = |from, to| {
            let mut link = LINK;
            effect.change(&mut link, from, to, 3);
            link.cut
        };
        assert!(!cut(3, 0) && !cut(0, 3) && !cut(4, 1) && !cut(5, 1));
        assert!(cut(3, 1) && cut(1, 3) && cut(4, 0) && cut(0, 4));
    }
}
