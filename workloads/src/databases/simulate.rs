//! The simulated databases: one loop that invokes, begins, commits and completes transactions in random order.

use super::plan::{Generator, Step};
use super::{Defect, Isolation, Plan, Random, Shape};
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome, Payload, ValueId,
};

/// A committed write: the site, and the number of the commit at that site.
#[derive(Clone, Copy)]
struct Written {
    site: usize,
    commit: u32,
    value: u32,
}

/// The commits that are visible: a number for each site.
type Snapshot = [u32; 2];

/// The progress of a transaction.
enum Phase {
    Invoked,
    Began(Snapshot),
    Done { committed: bool, reads: Vec<Vec<u32>> },
}

struct Running {
    steps: Vec<Step>,
    phase: Phase,
    /// The commits that were visible when it was invoked.
    invoked_at: Snapshot,
}

struct Database {
    plan: Plan,
    random: Random,
    keys: Vec<Vec<Written>>,
    /// By site: the number of commits, and the number of commits of each site that it sees.
    commits: Snapshot,
    seen: [Snapshot; 2],
    /// A write of an aborted or unfinished transaction that can be read for a while.
    ghost: Option<(usize, u32)>,
}

/// Runs a simulated database and returns the history that its clients record.
pub fn simulate(plan: &Plan) -> History {
    let mut random = Random::new(plan.seed);
    let mut generator = Generator::new(*plan, &mut random);
    let mut recorder =
        Recorder { builder: HistoryBuilder::new(), shape: plan.shape, processes: plan.clients };
    let mut processes: Vec<usize> = (0..plan.clients).collect();
    let mut database =
        Database { plan: *plan, random, keys: Vec::new(), commits: [0; 2], seen: [[0; 2]; 2], ghost: None };
    let mut clients: Vec<Option<Running>> = (0..plan.clients).map(|_| None).collect();
    let mut left = plan.transactions;
    while left > 0 || clients.iter().any(Option::is_some) {
        let client = database.random.below(plan.clients);
        let Some(mut running) = clients[client].take() else {
            if left > 0 {
                left -= 1;
                let steps = generator.transaction(&mut database.random);
                recorder.invoke(processes[client], client, &steps);
                let invoked_at = database.visible(client);
                clients[client] = Some(Running { steps, phase: Phase::Invoked, invoked_at });
            }
            continue;
        };
        running.phase = match running.phase {
            Phase::Invoked => Phase::Began(database.visible(client)),
            Phase::Began(snapshot) => database.finish(client, &running.steps, snapshot, running.invoked_at),
            Phase::Done { committed, reads } => {
                let lost = database.random.chance(plan.indeterminate_percent);
                let outcome = match (lost, committed) {
                    (true, _) => Outcome::Info,
                    (false, true) => Outcome::Ok,
                    (false, false) => Outcome::Fail,
                };
                recorder.complete(processes[client], &running.steps, &reads, outcome);
                if lost {
                    processes[client] = recorder.processes;
                    recorder.processes += 1;
                }
                continue;
            }
        };
        clients[client] = Some(running);
    }
    recorder.builder.finish()
}

impl Database {
    fn site(&self, client: usize) -> usize {
        match self.plan.isolation {
            Isolation::ParallelSnapshotIsolation => client % 2,
            _ => 0,
        }
    }

    /// The commits that a client's site sees now. It learns of the other site's commits occasionally, in order.
    fn visible(&mut self, client: usize) -> Snapshot {
        let site = self.site(client);
        let other = 1 - site;
        self.seen[site][site] = self.commits[site];
        if self.random.chance(30) {
            self.seen[site][other] = self.commits[other];
        }
        self.seen[site]
    }

    fn defect(&mut self, defect: Defect) -> bool {
        self.plan.defect == Some(defect) && self.random.chance(20)
    }

    fn finish(&mut self, client: usize, steps: &[Step], began: Snapshot, invoked: Snapshot) -> Phase {
        let now = self.visible(client);
        let read_only = steps.iter().all(|step| step.write.is_none());
        let stale = read_only && self.defect(Defect::StaleRead);
        let lagging = read_only && self.random.chance(30);
        let skewed = self.defect(Defect::WriteSkew);
        let snapshot = match self.plan.isolation {
            Isolation::StrictSerializable if stale => older(invoked),
            Isolation::Serializable if lagging => older(invoked),
            Isolation::Serializable if skewed => began,
            Isolation::StrictSerializable | Isolation::Serializable | Isolation::ReadCommitted => now,
            Isolation::SnapshotIsolation | Isolation::ParallelSnapshotIsolation => began,
        };
        let conflict =
            steps.iter().any(|step| step.write.is_some() && self.written_since(step.key, snapshot));
        if conflict && !(self.defect(Defect::LostUpdate)) && self.plan.isolation != Isolation::ReadCommitted {
            self.expose_aborted(steps);
            return Phase::Done { committed: false, reads: Vec::new() };
        }
        let reads = self.reads(steps, snapshot, began, now);
        if self.random.chance(2) {
            self.expose_aborted(steps);
            return Phase::Done { committed: false, reads: Vec::new() };
        }
        self.commit(client, steps);
        Phase::Done { committed: true, reads }
    }

    fn written_since(&self, key: usize, snapshot: Snapshot) -> bool {
        let last = self.keys.get(key).and_then(|written| written.last());
        last.is_some_and(|last| last.commit > snapshot[last.site])
    }

    /// The results of the reads: the state of the snapshot (with read committed, of any moment between the beginning
    /// and now), followed by the transaction's own writes.
    fn reads(&mut self, steps: &[Step], snapshot: Snapshot, began: Snapshot, now: Snapshot) -> Vec<Vec<u32>> {
        let mut reads = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            if step.write.is_some() {
                reads.push(Vec::new());
                continue;
            }
            let own: Vec<u32> =
                steps[..at].iter().filter(|own| own.key == step.key).filter_map(|own| own.write).collect();
            // A transaction that has written a key holds its lock and therefore reads the newest state.
            let early = own.is_empty() && self.random.chance(50);
            let fractured = own.is_empty() && self.defect(Defect::FracturedRead);
            let from = match self.plan.isolation {
                Isolation::ReadCommitted if early => began,
                Isolation::SnapshotIsolation if fractured => now,
                _ => snapshot,
            };
            let mut state = self.state(step.key, from);
            if let Some((key, value)) = self.ghost.filter(|&(key, _)| key == step.key && own.is_empty()) {
                debug_assert!(key == step.key);
                state.push(value);
                self.ghost = None;
            }
            state.extend(own);
            reads.push(state);
        }
        reads
    }

    fn state(&self, key: usize, snapshot: Snapshot) -> Vec<u32> {
        let Some(written) = self.keys.get(key) else { return Vec::new() };
        let seen = written.partition_point(|each| each.commit <= snapshot[each.site]);
        let first = if self.plan.shape == Shape::Registers { seen.saturating_sub(1) } else { 0 };
        written[first..seen].iter().map(|each| each.value).collect()
    }

    fn commit(&mut self, client: usize, steps: &[Step]) {
        let site = self.site(client);
        let writes: Vec<(usize, u32)> =
            steps.iter().filter_map(|step| Some((step.key, step.write?))).collect();
        if writes.is_empty() {
            return;
        }
        self.commits[site] += 1;
        self.seen[site][site] = self.commits[site];
        for &(key, value) in &writes {
            if self.keys.len() <= key {
                self.keys.resize(key + 1, Vec::new());
            }
            self.keys[key].push(Written { site, commit: self.commits[site], value });
        }
        if self.ghost.is_some_and(|(ghost, _)| writes.iter().any(|&(key, _)| key == ghost)) {
            self.ghost = None;
        }
        self.expose_intermediate(&writes);
    }

    /// With the defect, leaves a write of an aborted transaction where it can be read.
    fn expose_aborted(&mut self, steps: &[Step]) {
        let write = steps.iter().find_map(|step| Some((step.key, step.write?)));
        if self.plan.defect == Some(Defect::DirtyRead) {
            self.ghost = write.or(self.ghost);
        }
    }

    /// With the defect, makes the last of several writes to a key visible one commit late. Until then, reads return a
    /// value that its writer has overwritten.
    fn expose_intermediate(&mut self, writes: &[(usize, u32)]) {
        let twice = |&&(key, _): &&(usize, u32)| writes.iter().filter(|other| other.0 == key).count() > 1;
        let Some(&(key, _)) = writes.iter().find(twice) else { return };
        if self.plan.defect == Some(Defect::IntermediateRead) {
            let last = self.keys[key].last_mut().expect("just written");
            // Visible one commit after the rest of its transaction.
            last.commit += 1;
        }
    }
}

fn older(snapshot: Snapshot) -> Snapshot {
    [snapshot[0] / 2 + snapshot[0] / 4, snapshot[1]]
}

/// Records what clients do and observe.
struct Recorder {
    builder: HistoryBuilder,
    shape: Shape,
    processes: usize,
}

impl Recorder {
    fn invoke(&mut self, process: usize, client: usize, steps: &[Step]) {
        let session = Some(self.builder.history().sessions.intern(&client.to_string()));
        self.with_micros(steps, &[], |builder, payload| {
            let (process, function, key) = (process as i64, Function::TXN, KeyId::NONE);
            builder.invoke(Invocation { process, session, function, key, payload }).expect("one at a time");
        });
    }

    fn complete(&mut self, process: usize, steps: &[Step], reads: &[Vec<u32>], outcome: Outcome) {
        self.with_micros(steps, reads, |builder, payload| {
            let process = process as i64;
            let completion = Completion { process, outcome, function: None, key: None, payload };
            builder.complete(completion).expect("it was invoked");
        });
    }

    fn with_micros(
        &mut self,
        steps: &[Step],
        reads: &[Vec<u32>],
        run: impl FnOnce(&mut HistoryBuilder, Payload<'_>),
    ) {
        let history = self.builder.history();
        let lists: Vec<Vec<ValueId>> = reads
            .iter()
            .map(|read| read.iter().map(|value| history.values.intern(&value.to_string())).collect())
            .collect();
        let mut micros = Vec::with_capacity(steps.len());
        for (at, step) in steps.iter().enumerate() {
            let key = history.keys.intern(&step.key.to_string());
            let value = step.write.map(|value| history.values.intern(&value.to_string()));
            let read = lists.get(at);
            micros.push(match (value, self.shape, read) {
                (Some(value), Shape::Lists, _) => MicroInput::Append(key, value),
                (Some(value), Shape::Registers, _) => MicroInput::Write(key, value),
                (None, Shape::Lists, Some(read)) => MicroInput::ReadList(key, read),
                (None, _, read) => {
                    let last = read.and_then(|read| read.last().copied());
                    MicroInput::Read(key, last.unwrap_or(ValueId::NULL))
                }
            });
        }
        run(&mut self.builder, Payload::Micros(&micros));
    }
}
