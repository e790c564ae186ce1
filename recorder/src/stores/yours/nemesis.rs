//! The nemesis of a user's own stack: it strikes nodes through their units and commands, and links through proxies.
//!
//! Before the run, a check makes sure that each fault can be undone. Before each strike, a note of it goes to the disk
//! ([`StruckNotes`]). The exit status of a command proves nothing, so the state of the node is read back. A strike that
//! fails half-way is undone. If the run has to end while a fault is undone, the command that undoes it continues. A strike
//! that is cut off by the time limit of the plan's execution stays noted, and `steadfast clean --stack FILE` undoes it.

use super::shell::{RanCommand, run_command, run_undoing_command};
use super::tables::{YourNode, YourStack};
use super::unit::{NodeState, NodeUnit, NodeVerb};
use crate::shapes::StruckTargets;
use crate::system::{FaultyNetwork, ForeignProcess, RunFolder, StruckNotes};
use crate::{FaultEvidence, Nemesis};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use workloads::{Episode, Fault, Plan, Target, Value};

/// How long a node may take to reach the state that a command or a signal asks for.
const STATE_PATIENCE: Duration = Duration::from_secs(5);
/// Timeout of reading a node's state while a fault is active.
const LOOK_PATIENCE: Duration = Duration::from_millis(250);
/// The pause between two reads of a state.
const PAUSE: Duration = Duration::from_millis(50);

/// The nemesis of a user's stack, with the faults that are active.
#[derive(Debug)]
pub(crate) struct StackNemesis {
    stack: YourStack,
    /// The names of the ends of all links.
    names: Vec<String>,
    network: FaultyNetwork,
    broken: BTreeMap<usize, StruckNodes>,
    /// The commands that were run since the last report.
    did: Vec<RanCommand>,
    /// The process ids of nodes that were started again, by node.
    processes: BTreeMap<String, i32>,
    notes: StruckNotes,
    folder: RunFolder,
}

/// The nodes that an episode struck.
#[derive(Clone, Debug)]
struct StruckNodes {
    fault: Fault,
    nodes: Vec<String>,
    /// What was observed right after the strike.
    seen: Option<FaultEvidence>,
}

impl StackNemesis {
    /// Opens a proxy for each link of the file and, if the plan has faults of links, in front of each entry (name and address).
    /// Returns the nemesis and the addresses of the proxies in front of the entries, if there are any.
    pub(crate) async fn open_proxies(
        stack: YourStack,
        entries: &[(String, String)],
        plan: &Plan,
    ) -> Result<(Self, Vec<String>), String> {
        let (entries, addresses): (Vec<String>, Vec<String>) = entries.iter().cloned().unzip();
        let names = stack.end_names(&entries);
        let mut network = FaultyNetwork::of_proxies(&names, true);
        let clients = network.client_end();
        let mut fronts = Vec::new();
        if plan.episodes.iter().any(|episode| episode.fault.strikes_links()) {
            for (number, address) in addresses.iter().enumerate() {
                let front = network.open_front(clients, number, address).await;
                fronts.push(front.map_err(|why| format!("a proxy before {address}: {why}"))?.to_string());
            }
        }
        let place = |name: &str| {
            names.iter().position(|known| known == name).expect("each end of a link is in `names`")
        };
        for link in &stack.links {
            let (from, to) = (place(&link.from), place(&link.node));
            let front = network.open_front_at(from, to, &link.listen, &link.to).await;
            front.map_err(|why| {
                format!(
                    "[links] {}-{}: the proxy cannot listen at {}: {why}",
                    link.from, link.node, link.listen
                )
            })?;
        }
        let folder =
            RunFolder::create().map_err(|why| format!("failed to make a folder for notes: {why}"))?;
        let notes = StruckNotes::in_folder(folder.path());
        let (broken, processes) = (BTreeMap::new(), BTreeMap::new());
        let nemesis = Self { stack, names, network, broken, did: Vec::new(), processes, notes, folder };
        Ok((nemesis, fronts))
    }

    /// Undoes a fault that an earlier run left behind, with the commands of a stack file.
    pub(crate) async fn undo_leftover_fault(stack: YourStack, fault: &str, node: &str) -> Result<(), String> {
        let folder = RunFolder::create().map_err(|why| why.to_string())?;
        let notes = StruckNotes::in_folder(folder.path());
        let network = FaultyNetwork::of_proxies(&[], false);
        let (broken, processes, names) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let mut nemesis = Self { stack, names, network, broken, did: Vec::new(), processes, notes, folder };
        let strike: workloads::Strike = fault.parse().map_err(|why| format!("{why}"))?;
        nemesis.find_node(node)?;
        nemesis.undo_fault(strike.fault, node).await
    }

    fn find_node(&self, name: &str) -> Result<YourNode, String> {
        let found = self.stack.nodes.iter().find(|node| node.name == name).cloned();
        found.ok_or_else(|| format!("the stack file has no [nodes.{name}]"))
    }

    /// Resolves a target to the nodes that it stands for now. If several nodes have the role, the number of the episode
    /// determines which of them is struck.
    async fn resolve_nodes(&self, number: usize, target: &Target) -> Result<Vec<String>, String> {
        let all = || self.stack.node_names();
        let one_of = |names: Vec<String>, what: &str| match names.is_empty() {
            true => Err(format!("no node of the stack file has the role {what} at the moment")),
            false => Ok(vec![names[number % names.len()].clone()]),
        };
        match target {
            Target::All => Ok(all()),
            Target::Primary => {
                let bearers = self.stack.find_nodes_with_role("primary").await?;
                let first = || all().into_iter().take(1).collect();
                one_of(if bearers.is_empty() { first() } else { bearers }, "primary")
            }
            Target::Replica | Target::Random => {
                let bearers = self.stack.find_nodes_with_role("replica").await?;
                let primary = self.stack.find_nodes_with_role("primary").await?;
                let others = || all().into_iter().filter(|name| !primary.contains(name)).collect();
                one_of(if bearers.is_empty() { others() } else { bearers }, "replica")
            }
            Target::Node(name) if all().contains(name) => Ok(vec![name.clone()]),
            Target::Node(role) => one_of(self.stack.find_nodes_with_role(role).await?, role),
            Target::Client | Target::Link { .. } => Ok(Vec::new()),
        }
    }

    /// Resolves the target of a fault of links to the ways that it strikes now.
    async fn resolve_link(
        &self,
        number: usize,
        fault: Fault,
        target: &Target,
    ) -> Result<StruckTargets, String> {
        let place = |name: &str| self.names.iter().position(|known| known == name);
        let clients = self.names.len();
        let mut ends = BTreeMap::new();
        let parts: Vec<&Target> = match target {
            Target::Link { from, to, .. } => vec![from, to],
            target => vec![target],
        };
        for part in parts {
            let found = match part {
                Target::Client => vec![clients],
                // An entry, a node, or another end of a link.
                Target::Node(name) if place(name).is_some() => place(name).into_iter().collect(),
                Target::Primary if self.stack.nodes.is_empty() => vec![0],
                part => {
                    self.resolve_nodes(number, part).await?.iter().filter_map(|name| place(name)).collect()
                }
            };
            ends.insert(part.to_string(), found);
        }
        let struck = StruckTargets::resolve_target(target, clients, |part| {
            ends.get(&part.to_string()).cloned().unwrap_or_default()
        });
        Ok(match struck {
            // A fault of requests to a node strikes every link that leads to it.
            StruckTargets::Nodes(nodes) if fault.strikes_requests() => {
                StruckTargets::Link { from: (0..=clients).collect(), to: nodes, both: false }
            }
            struck => struck,
        })
    }

    /// Runs the node's command for a verb or, if it has none, sends the signal to its process. A command that undoes a
    /// fault continues if this future is dropped.
    async fn run_verb(
        &mut self,
        node: &YourNode,
        verb: NodeVerb,
        number: u64,
        undoes: bool,
    ) -> Result<(), String> {
        if let Some(command) = node.commands.command_for(verb, number) {
            let ran = match undoes {
                true => run_undoing_command(&command, node.patience).await,
                false => run_command(&command, node.patience).await,
            };
            self.did.push(ran.clone());
            let ran = ran.into_result().map_err(|why| format!("{}: {why}", node.name))?;
            if verb == NodeVerb::Start && matches!(node.commands.unit, NodeUnit::Process(_)) {
                let last = ran.printed.lines().next_back().unwrap_or_default().trim().to_owned();
                let process = last.parse().map_err(|_| {
                    format!(
                        "{}: the last line of `{command}` must be the id (pid) of the started process, but \
                         it is {last:?}",
                        node.name
                    )
                })?;
                self.processes.insert(node.name.clone(), process);
            }
            return Ok(());
        }
        let process = self.process_of_node(node)?;
        let done = match verb {
            NodeVerb::Kill => process.kill(),
            NodeVerb::Stop => process.ask_to_end(),
            NodeVerb::Pause => process.pause(),
            NodeVerb::Resume => process.resume(),
            verb => {
                Err(format!("no signal means {0}: add {0} = \"…\" to [nodes.{1}]", verb.name(), node.name))
            }
        };
        done.map_err(|why| format!("{}: {why}", node.name))
    }

    /// The process of a node, by the id in its pidfile or in the stack file.
    fn process_of_node(&self, node: &YourNode) -> Result<ForeignProcess, String> {
        let number = match (&node.commands.unit, self.processes.get(&node.name)) {
            (_, Some(number)) | (NodeUnit::Process(number), None) => *number,
            (NodeUnit::ProcessFile(path), None) => {
                let text = std::fs::read_to_string(path).map_err(|why| format!("{path}: {why}"))?;
                let first = text.lines().next().unwrap_or_default().trim();
                first.parse().map_err(|_| {
                    format!("{path}: the first line must be a process id (pid), but it is {first:?}")
                })?
            }
            _ => {
                return Err(
                    "the process is unknown: add unit = \"pid:NUMBER\" or \"pidfile:PATH\"".to_owned()
                );
            }
        };
        ForeignProcess::new(number, self.folder.path())
    }

    /// Reads the state of a node; `None` if there is no way to read it, or if it is not understood.
    async fn read_state(&self, node: &YourNode) -> Option<NodeState> {
        if let Some(command) = node.commands.command_for(NodeVerb::State, 0) {
            let ran = run_command(&command, node.patience).await;
            // `systemctl is-active`, for one, fails if the unit does not run, and prints its state all the same.
            let told = NodeState::parse_words(&ran.printed);
            return told.filter(|_| ran.succeeded() || !ran.printed.trim().is_empty());
        }
        if !node.commands.unit.is_process() {
            return None;
        }
        Some(match self.process_of_node(node).ok().and_then(|process| process.kernel_state()) {
            None => NodeState::Gone,
            Some('T') => NodeState::Stands,
            Some(_) => NodeState::Runs,
        })
    }

    /// Waits until a node is in a state, for [`STATE_PATIENCE`] at most, and returns the last observation; `None` if the
    /// state cannot be read.
    async fn wait_for_state(&self, node: &YourNode, wanted: NodeState) -> Option<FaultEvidence> {
        let began = Instant::now();
        loop {
            let state = self.read_state(node).await?;
            if state == wanted || began.elapsed() > STATE_PATIENCE {
                return Some(state_evidence(&node.name, state, wanted));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until a node answers its `ready` request or, if it has none, until it runs.
    ///
    /// # Errors
    /// Says what was observed last, if the node is not ready in time.
    async fn wait_until_ready(&self, node: &YourNode) -> Result<(), String> {
        let began = Instant::now();
        let Some(ready) = &node.ready else {
            let seen = self.wait_for_state(node, NodeState::Runs).await;
            return match seen {
                Some(seen) if !seen.in_force => Err(format!("after the start: {}", seen.how)),
                _ => Ok(()),
            };
        };
        while let Err(seen) = ready.ask(self.stack.tls.as_ref()).await {
            if began.elapsed() > node.ready_within {
                let within = workloads::format_duration(node.ready_within);
                return Err(format!(
                    "{}: GET {} at {} did not return status {} within {within} ({seen})",
                    node.name, ready.path, ready.address, ready.status
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Strikes one node. Returns what was observed right after.
    async fn strike_node(&mut self, fault: Fault, node: &YourNode) -> Result<Option<FaultEvidence>, String> {
        let (verb, number, state) = match fault {
            Fault::Kill => (NodeVerb::Kill, 0, NodeState::Gone),
            Fault::Pause => (NodeVerb::Pause, 0, NodeState::Stands),
            Fault::Drain => (NodeVerb::Stop, 0, NodeState::Gone),
            Fault::Restart if node.commands.command_for(NodeVerb::Restart, 0).is_none() => {
                self.run_verb(node, NodeVerb::Kill, 0, false).await?;
                self.wait_for_state(node, NodeState::Gone).await;
                (NodeVerb::Start, 0, NodeState::Runs)
            }
            Fault::Restart => (NodeVerb::Restart, 0, NodeState::Runs),
            Fault::Replace => (NodeVerb::Replace, 0, NodeState::Runs),
            Fault::Deploy { version } => (NodeVerb::Deploy, u64::from(version), NodeState::Runs),
            Fault::Scale { count } => {
                let state = if count == 0 { NodeState::Gone } else { NodeState::Runs };
                (NodeVerb::Scale, u64::from(count), state)
            }
            fault => return Err(format!("{fault} cannot be caused on node {}", node.name)),
        };
        self.run_verb(node, verb, number, false).await?;
        let seen = self.wait_for_state(node, state).await;
        if fault.is_momentary() {
            self.wait_until_ready(node).await?;
        }
        Ok(seen)
    }

    /// Undoes a fault of a node, and waits until the node is ready if it was down.
    async fn undo_fault(&mut self, fault: Fault, name: &str) -> Result<(), String> {
        let node = self.find_node(name)?;
        match fault {
            Fault::Pause => self.run_verb(&node, NodeVerb::Resume, 0, true).await,
            Fault::Scale { .. } => {
                self.run_verb(&node, NodeVerb::Scale, u64::from(node.commands.replicas), true).await?;
                self.wait_until_ready(&node).await
            }
            Fault::Kill | Fault::Drain | Fault::Restart => {
                // A supervisor may have started the node already. Then the start may fail although the node runs.
                let started = self.run_verb(&node, NodeVerb::Start, 0, true).await;
                let ready = self.wait_until_ready(&node).await;
                if ready.is_ok() && self.read_state(&node).await == Some(NodeState::Runs) {
                    return Ok(());
                }
                started.and(ready)
            }
            _ => Ok(()),
        }
    }

    /// Undoes a fault, with a second attempt if the first one fails, and notes on the disk that it is undone.
    async fn undo_with_retry(&mut self, number: usize, fault: Fault, node: &str) -> Result<(), String> {
        let mut undone = self.undo_fault(fault, node).await;
        if undone.is_err() {
            undone = self.undo_fault(fault, node).await;
        }
        if undone.is_ok() {
            self.notes.note_undone(number, &fault.to_string(), node)?;
        }
        undone
    }
}

impl Nemesis for StackNemesis {
    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        let fault = episode.fault;
        if fault.strikes_links() {
            let struck = self.resolve_link(number, fault, &episode.target).await?;
            let told = StruckTargets::resolve_among(&episode.target, &self.names, 0, number)
                .struck_names(&self.names);
            let told = if told.is_empty() { struck.struck_names(&self.names) } else { told };
            self.network.strike(number, fault, struck)?;
            return Ok(told);
        }
        let names = self.resolve_nodes(number, &episode.target).await?;
        let mut seen = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let node = self.find_node(name)?;
            self.notes.note_strike(number, &fault.to_string(), name)?;
            match self.strike_node(fault, &node).await {
                Ok(of_node) => seen.extend(of_node),
                Err(why) => {
                    // The failed command may have had its effect, and the nodes before this one are struck.
                    let mut more = String::new();
                    for struck in names[..=at].iter().rev() {
                        if let Err(left) = self.undo_with_retry(number, fault, struck).await {
                            more += &format!("; {struck} could not be restored: {left}");
                        }
                    }
                    return Err(format!("{why}{more}"));
                }
            }
        }
        if fault.is_momentary() {
            for name in &names {
                self.notes.note_undone(number, &fault.to_string(), name)?;
            }
        }
        let hit = StruckNodes { fault, nodes: names.clone(), seen: FaultEvidence::combine_parts(seen) };
        self.broken.insert(number, hit);
        Ok(names)
    }

    async fn heal(&mut self, number: usize, _episode: &Episode) -> Result<(), String> {
        let Some(hit) = self.broken.remove(&number) else { return self.network.heal(number) };
        let mut failed = Vec::new();
        for name in hit.nodes.iter().rev() {
            failed.extend(self.undo_with_retry(number, hit.fault, name).await.err());
        }
        if failed.is_empty() {
            return Ok(());
        }
        Err(format!("{} (to try again: steadfast clean --stack FILE)", failed.join("; ")))
    }

    async fn observe_fault(&mut self, number: usize, _episode: &Episode) -> Option<FaultEvidence> {
        let Some(hit) = self.broken.get(&number) else { return self.network.observe_fault(number) };
        let wanted = match hit.fault {
            Fault::Kill | Fault::Drain => NodeState::Gone,
            Fault::Pause => NodeState::Stands,
            _ => return hit.seen.clone(),
        };
        // A fault that did not take hold when it was injected is not observed again.
        if hit.seen.as_ref().is_some_and(|seen| !seen.in_force) {
            return hit.seen.clone();
        }
        let looks = async {
            let mut seen = Vec::new();
            for name in &hit.nodes {
                let state = self.read_state(&self.find_node(name).ok()?).await?;
                seen.push(state_evidence(name, state, wanted));
            }
            FaultEvidence::combine_parts(seen)
        };
        // If the state cannot be read in time, the observation right after the strike is used instead.
        tokio::time::timeout(LOOK_PATIENCE, looks).await.ok().flatten().or_else(|| hit.seen.clone())
    }

    fn take_commands_report(&mut self) -> Option<Value> {
        let did = std::mem::take(&mut self.did);
        (!did.is_empty()).then(|| Value::List(did.iter().map(RanCommand::as_value).collect()))
    }
}

fn state_evidence(name: &str, state: NodeState, wanted: NodeState) -> FaultEvidence {
    FaultEvidence { in_force: state == wanted, how: format!("{name}: the node is {}", state.name()) }
}
