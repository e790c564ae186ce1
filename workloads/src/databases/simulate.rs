//! The databases themselves: one loop that invokes, begins, commits and completes, as chance has it.

use super::plan::{PlannedStep, TransactionGenerator};
use super::{Defect, Isolation, Random, Shape, SimulationPlan};
use histories::{
    Completion, Function, History, HistoryBuilder, Invocation, KeyId, MicroInput, Outcome, Payload, ValueId,
};

/// A write that was committed: by which site, as its how many-th commit.
#[derive(Clone, Copy)]
struct CommittedWrite {
    site: usize,
    commit: u32,
    value: u32,
}

/// What is visible: so many commits of each site.
type VisibleCommits = [u32; 2];

/// How far a transaction has come.
enum TransactionPhase {
    Invoked,
    Began(VisibleCommits),
    Done { committed: bool, reads: Vec<Vec<u32>> },
}

struct RunningTransaction {
    steps: Vec<PlannedStep>,
    phase: TransactionPhase,
    /// What was visible when it was invoked.
    invoked_at: VisibleCommits,
}

struct SimulatedDatabase {
    plan: SimulationPlan,
    random: Random,
    keys: Vec<Vec<CommittedWrite>>,
    /// How many commits there are of each site, and how many of them each site sees.
    commits: VisibleCommits,
    seen: [VisibleCommits; 2],
    /// A write of a transaction that aborted, or of one that is not done, which can be read for a while.
    ghost: Option<(usize, u32)>,
}

/// The history that the clients of a simulated database record.
pub fn simulate_history(plan: &SimulationPlan) -> History {
    let mut random = Random::new(plan.seed);
    let mut generator = TransactionGenerator::new(*plan, &mut random);
    let mut recorder =
        HistoryRecorder { builder: HistoryBuilder::new(), shape: plan.shape, processes: plan.clients };
    let mut processes: Vec<usize> = (0..plan.clients).collect();
    let mut database = SimulatedDatabase {
        plan: *plan,
        random,
        keys: Vec::new(),
        commits: [0; 2],
        seen: [[0; 2]; 2],
        ghost: None,
    };
    let mut clients: Vec<Option<RunningTransaction>> = (0..plan.clients).map(|_| None).collect();
    let mut left = plan.transactions;
    while left > 0 || clients.iter().any(Option::is_some) {
        let client = database.random.draw_below(plan.clients);
        let Some(mut running) = clients[client].take() else {
            if left > 0 {
                left -= 1;
                let steps = generator.draw_transaction(&mut database.random);
                recorder.record_invocation(processes[client], client, &steps);
                let invoked_at = database.visible_commits(client);
                clients[client] =
                    Some(RunningTransaction { steps, phase: TransactionPhase::Invoked, invoked_at });
            }
            continue;
        };
        running.phase = match running.phase {
            TransactionPhase::Invoked => TransactionPhase::Began(database.visible_commits(client)),
            TransactionPhase::Began(snapshot) => {
                database.finish_transaction(client, &running.steps, snapshot, running.invoked_at)
            }
            TransactionPhase::Done { committed, reads } => {
                let lost = database.random.draw_chance(plan.indeterminate_percent);
                let outcome = match (lost, committed) {
                    (true, _) => Outcome::Info,
                    (false, true) => Outcome::Ok,
                    (false, false) => Outcome::Fail,
                };
                recorder.record_completion(processes[client], &running.steps, &reads, outcome);
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

impl SimulatedDatabase {
    fn site_of_client(&self, client: usize) -> usize {
        match self.plan.isolation {
            Isolation::ParallelSnapshotIsolation => client % 2,
            _ => 0,
        }
    }

    /// What a client's site sees now. It hears of the other site's commits now and then, in order.
    fn visible_commits(&mut self, client: usize) -> VisibleCommits {
        let site = self.site_of_client(client);
        let other = 1 - site;
        self.seen[site][site] = self.commits[site];
        if self.random.draw_chance(30) {
            self.seen[site][other] = self.commits[other];
        }
        self.seen[site]
    }

    fn defect_occurs(&mut self, defect: Defect) -> bool {
        self.plan.defect == Some(defect) && self.random.draw_chance(20)
    }

    fn finish_transaction(
        &mut self,
        client: usize,
        steps: &[PlannedStep],
        began: VisibleCommits,
        invoked: VisibleCommits,
    ) -> TransactionPhase {
        let now = self.visible_commits(client);
        let read_only = steps.iter().all(|step| step.write.is_none());
        let stale = read_only && self.defect_occurs(Defect::StaleRead);
        let lagging = read_only && self.random.draw_chance(30);
        let skewed = self.defect_occurs(Defect::WriteSkew);
        let snapshot = match self.plan.isolation {
            Isolation::StrictSerializable if stale => older_commits(invoked),
            Isolation::Serializable if lagging => older_commits(invoked),
            Isolation::Serializable if skewed => began,
            Isolation::StrictSerializable | Isolation::Serializable | Isolation::ReadCommitted => now,
            Isolation::SnapshotIsolation | Isolation::ParallelSnapshotIsolation => began,
        };
        let conflict =
            steps.iter().any(|step| step.write.is_some() && self.is_written_since(step.key, snapshot));
        if conflict
            && !(self.defect_occurs(Defect::LostUpdate))
            && self.plan.isolation != Isolation::ReadCommitted
        {
            self.expose_aborted(steps);
            return TransactionPhase::Done { committed: false, reads: Vec::new() };
        }
        let reads = self.read_results(steps, snapshot, began, now);
        if self.random.draw_chance(2) {
            self.expose_aborted(steps);
            return TransactionPhase::Done { committed: false, reads: Vec::new() };
        }
        self.commit_writes(client, steps);
        TransactionPhase::Done { committed: true, reads }
    }

    fn is_written_since(&self, key: usize, snapshot: VisibleCommits) -> bool {
        let last = self.keys.get(key).and_then(|written| written.last());
        last.is_some_and(|last| last.commit > snapshot[last.site])
    }

    /// What each read returns: the snapshot, or at read committed anything between beginning and now, and the
    /// transaction's own writes on top.
    fn read_results(
        &mut self,
        steps: &[PlannedStep],
        snapshot: VisibleCommits,
        began: VisibleCommits,
        now: VisibleCommits,
    ) -> Vec<Vec<u32>> {
        let mut reads = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            if step.write.is_some() {
                reads.push(Vec::new());
                continue;
            }
            let own: Vec<u32> =
                steps[..at].iter().filter(|own| own.key == step.key).filter_map(|own| own.write).collect();
            // Once it has written a key it holds that key's lock, and sees the newest.
            let early = own.is_empty() && self.random.draw_chance(50);
            let fractured = own.is_empty() && self.defect_occurs(Defect::FracturedRead);
            let from = match self.plan.isolation {
                Isolation::ReadCommitted if early => began,
                Isolation::SnapshotIsolation if fractured => now,
                _ => snapshot,
            };
            let mut state = self.state_of_key(step.key, from);
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

    fn state_of_key(&self, key: usize, snapshot: VisibleCommits) -> Vec<u32> {
        let Some(written) = self.keys.get(key) else { return Vec::new() };
        let seen = written.partition_point(|each| each.commit <= snapshot[each.site]);
        let first = if self.plan.shape == Shape::Registers { seen.saturating_sub(1) } else { 0 };
        written[first..seen].iter().map(|each| each.value).collect()
    }

    fn commit_writes(&mut self, client: usize, steps: &[PlannedStep]) {
        let site = self.site_of_client(client);
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
            self.keys[key].push(CommittedWrite { site, commit: self.commits[site], value });
        }
        if self.ghost.is_some_and(|(ghost, _)| writes.iter().any(|&(key, _)| key == ghost)) {
            self.ghost = None;
        }
        self.expose_intermediate(&writes);
    }

    /// Leaves a write of a transaction that aborts where it can be read.
    fn expose_aborted(&mut self, steps: &[PlannedStep]) {
        let write = steps.iter().find_map(|step| Some((step.key, step.write?)));
        if self.plan.defect == Some(Defect::DirtyRead) {
            self.ghost = write.or(self.ghost);
        }
    }

    /// Takes the last of several writes to a key back, to be made again by the next that commits: meanwhile the
    /// state is one that its writer has overwritten.
    fn expose_intermediate(&mut self, writes: &[(usize, u32)]) {
        let twice = |&&(key, _): &&(usize, u32)| writes.iter().filter(|other| other.0 == key).count() > 1;
        let Some(&(key, _)) = writes.iter().find(twice) else { return };
        if self.plan.defect == Some(Defect::IntermediateRead) {
            let last = self.keys[key].last_mut().expect("just written");
            // Visible one commit later than the rest of its transaction.
            last.commit += 1;
        }
    }
}

fn older_commits(snapshot: VisibleCommits) -> VisibleCommits {
    [snapshot[0] / 2 + snapshot[0] / 4, snapshot[1]]
}

/// Writes down what clients do and see.
struct HistoryRecorder {
    builder: HistoryBuilder,
    shape: Shape,
    processes: usize,
}

impl HistoryRecorder {
    fn record_invocation(&mut self, process: usize, client: usize, steps: &[PlannedStep]) {
        let session = Some(self.builder.history().sessions.intern(&client.to_string()));
        self.with_micros(steps, &[], |builder, payload| {
            let (process, function, key) = (process as i64, Function::TXN, KeyId::NONE);
            builder.invoke(Invocation { process, session, function, key, payload }).expect("one at a time");
        });
    }

    fn record_completion(
        &mut self,
        process: usize,
        steps: &[PlannedStep],
        reads: &[Vec<u32>],
        outcome: Outcome,
    ) {
        self.with_micros(steps, reads, |builder, payload| {
            let process = process as i64;
            let completion = Completion { process, outcome, function: None, key: None, payload };
            builder.complete(completion).expect("it was invoked");
        });
    }

    fn with_micros(
        &mut self,
        steps: &[PlannedStep],
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
