//! Which acknowledged entries survived a change of primaries, and which were lost.
//!
//! A lost write is mostly overwritten soon after, so the end of the history does not show that it ever existed. The
//! loss shows at the point where the logs of two servers diverge: one had acknowledged an entry that the next did not
//! have.
//!
//! **What is assumed.** A server has a copy of all objects, and changes to it are *entries* of a log. It acknowledges
//! an entry when its own copy has it, and answers reads from that copy. A server that takes over has a prefix of its
//! predecessor's log, and continues from there. This holds for a primary and its replicas, however they replicate. A
//! *reign* is the time of a server from one loss of its role, or of its memory, to the next; during a reign its copy
//! only grows. A reign ends at a fault that stops the server; when the server shows what another one acknowledged
//! during the reign; and when it was silent for a tenth of a second or more while others acknowledged.
//!
//! **What follows.** Let `e` be an acknowledged entry, and `v` an entry that server N acknowledged and that began after
//! `e` was acknowledged. Let `r` be an answer of N, in the same reign, that began after `v` was acknowledged and
//! shows something older than `e`. Then the log of `v` lacks `e`: if it had `e`, then before `v`, and N's copy would have had it at `r`.
//! So if `v` survived, `e` is **lost**. So is everything that the reign of `e` acknowledged later, because logs grow
//! only at their ends. Conversely, what a surviving reign shows of another was **kept**, and so was everything that the
//! other acknowledged before.
//!
//! The entries between the last that was certainly kept and the first that was lost are **open**: each may be either.
//! So are all entries of a reign that no later answer shows. If entries of a reign were observed again and no answer
//! ever lacked one, then those of its last entries that were overwritten unobserved count as kept, because no client
//! can ever miss them ([`super::last_entries`]). An entry that overlaps what an answer of another reign shows may be the later one of the log, so it is in doubt
//! ([`super::overlaps`]).
//!
//! Reigns are processed from the last one backwards, because whether one survived follows from later ones. What is read
//! after the store had settled is what survived. If answers do not name the server that gave them, the whole store
//! counts as one, and a reign ends whenever a fault strikes or ends. Then entries that an answer lacks are lost only if
//! they are lost in the end, and otherwise open. O(n log n), and another O(n) for each server.

use super::super::nodes::Nodes;
use super::super::recorder_events::settled_position;
use super::lacks::{Lack, find_lacked_entries};
use super::last_entries::LastEntries;
use super::overlaps::find_overlapping_entries;
use histories::faults::{FaultEpisode, fault_episodes};
use histories::{Function, History, Id, OpId, Outcome};
use rustc_hash::{FxHashMap, FxHashSet};

/// A server that is silent for this long, while others acknowledge, may have lost its role and regained it.
const SILENCE_NS: i64 = 100_000_000;
/// Faults that stop a process, so that the content of its memory may be lost.
const STOPPING: [&str; 4] = ["kill", "restart", "deploy", "crash"];
const NO_REIGN: u32 = u32::MAX;

/// What answers show of entries: pairs of an entry and an answer.
#[derive(Default)]
pub(super) struct LossEvidence {
    /// The answer shows the entry.
    pub(super) seen: Vec<(OpId, OpId)>,
    /// The answer began after the entry was acknowledged, and shows something older.
    pub(super) missing: Vec<(OpId, OpId)>,
    /// Answers that lack writes of an object. Each of the reigns that acknowledged some of these writes has lost its own.
    pub(super) lacks: Vec<Lack>,
    /// Entries that are certainly lost, whatever the logs of the servers were.
    pub(super) lost: FxHashSet<OpId>,
    /// Entries that every server held in the end.
    pub(super) held: FxHashSet<OpId>,
    /// Whether some answer was meant for another session. Then no answer proves that anything is missing.
    pub(super) mixes_answers: bool,
}

/// What became of the entries. Each list is in order of invocation.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Fates {
    /// Certainly lost.
    pub(super) lost: Vec<OpId>,
    /// Lost or not: the history does not decide.
    pub(super) open: Vec<OpId>,
}

impl Fates {
    /// The fates if nothing shows the end of the history: entries that are lost for other reasons are lost, all others
    /// are open.
    pub(super) fn without_final_reads(entries: &[OpId], evidence: &LossEvidence) -> Self {
        let (lost, open) = entries.iter().partition(|id| evidence.lost.contains(id));
        Self { lost, open }
    }
}

/// What one server did while its copy only grew. If answers name no servers, the store counts as one server.
#[derive(Default)]
struct Reign {
    /// Whether the answers name the server.
    told: bool,
    /// For each entry, in order of invocation: its invocation, and the first completion among this one and all later
    /// ones.
    entries: Vec<(u32, u32)>,
    /// Everything that it had acknowledged before this position was kept: the last invocation of an entry that was
    /// kept, or of its answers in the end. Zero if no entry is known to have been kept.
    kept_to: u32,
    /// The first completion of an entry that was lost.
    lost_from: u32,
    /// Whether the reign contradicts what is assumed of logs, so that nothing follows from one of its entries for
    /// another.
    torn: bool,
    /// Whether some answer lacked one of its entries.
    doubted: bool,
}

/// Decides what became of the entries, which are all acknowledged and in order of invocation.
pub(super) fn decide_fates(
    history: &History,
    nodes: &Nodes,
    entries: &[OpId],
    evidence: &LossEvidence,
) -> Fates {
    let mut ledger = Ledger::new(history, nodes, entries, evidence);
    ledger.apply_final_reads(evidence);
    let mut order: Vec<usize> = (0..ledger.reigns.len()).collect();
    let first = |reign: &Reign| reign.entries.first().map_or(0, |entry| entry.1);
    order.sort_by_key(|&at| std::cmp::Reverse(first(&ledger.reigns[at])));
    let mut lacked = ledger.find_lacked_entries(entries, evidence);
    lacked.extend(&evidence.missing);
    let (seen, missing) = (ledger.group_by_reign(&evidence.seen), ledger.group_by_reign(&lacked));
    for at in order {
        if evidence.mixes_answers {
            missing[at].iter().for_each(|&(entry, _)| ledger.doubt_entry(entry));
            continue;
        }
        seen[at].iter().for_each(|&(entry, read)| ledger.apply_seen(at, entry, read));
        missing[at].iter().for_each(|&(entry, read)| ledger.apply_missing(at, entry, read));
    }
    let overlapping = find_overlapping_entries(history, entries, &evidence.seen, &ledger.reign_of);
    overlapping.into_iter().for_each(|entry| ledger.doubt_entry(entry));
    ledger.collect_fates(entries)
}

/// What is known so far.
struct Ledger<'a> {
    history: &'a History,
    faults: Vec<FaultEpisode>,
    settled: u32,
    reigns: Vec<Reign>,
    /// The reign of each answer.
    reign_of: Vec<u32>,
    kept: FxHashSet<OpId>,
    lost: FxHashSet<OpId>,
}

impl<'a> Ledger<'a> {
    fn new(history: &'a History, nodes: &Nodes, entries: &[OpId], evidence: &LossEvidence) -> Self {
        let mut ledger = Self {
            history,
            faults: fault_episodes(history),
            settled: settled_position(history),
            reigns: Vec::new(),
            reign_of: vec![NO_REIGN; history.len()],
            kept: FxHashSet::default(),
            lost: FxHashSet::default(),
        };
        let mut answers: Vec<Vec<OpId>> = vec![Vec::new(); nodes.names.len()];
        let mut untold = Vec::new();
        for op in history.operations().filter(|op| op.outcome == Outcome::Ok) {
            match nodes.replica_of(op.id) {
                Some(node) => answers[node as usize].push(op.id),
                None => untold.push(op.id),
            }
        }
        let mut shown: FxHashMap<OpId, Vec<OpId>> = FxHashMap::default();
        evidence.seen.iter().for_each(|&(entry, read)| shown.entry(read).or_default().push(entry));
        for (node, answers) in answers.iter().enumerate() {
            ledger.add_reigns_of_server(nodes, node as u32, answers, entries, &shown);
        }
        ledger.add_reigns_between_faults(&untold);
        for &id in entries.iter().rev() {
            let op = history.operation(id);
            let reign = &mut ledger.reigns[ledger.reign_of[id.index()] as usize];
            let later = reign.entries.last().map_or(u32::MAX, |entry| entry.1);
            reign.entries.push((op.invoked, op.completed.min(later)));
        }
        ledger.reigns.iter_mut().for_each(|reign| reign.entries.reverse());
        ledger
    }

    /// Adds the reigns of one server, from its answers in order of invocation.
    fn add_reigns_of_server(
        &mut self,
        nodes: &Nodes,
        node: u32,
        answers: &[OpId],
        entries: &[OpId],
        shown: &FxHashMap<OpId, Vec<OpId>>,
    ) {
        let history = self.history;
        let stops = find_stops(&self.faults, &nodes.names[node as usize]);
        let is_entry: FxHashSet<OpId> =
            entries.iter().copied().filter(|&id| nodes.replica_of(id) == Some(node)).collect();
        // The last completion of its answers so far; the time of that; and the first completion of an entry of the
        // reign.
        let (mut reach, mut reach_ns, mut first) = (0, None, u32::MAX);
        for (number, &id) in answers.iter().enumerate() {
            let op = history.operation(id);
            let stopped = stops.iter().any(|stop| (reach.min(op.invoked)..=op.invoked).contains(stop));
            let foreign = |entry: &OpId| {
                nodes.replica_of(*entry) != Some(node) && history.operation(*entry).invoked > first
            };
            let shows_another = shown.get(&id).is_some_and(|entries| entries.iter().any(foreign));
            let silent_ns = history.invoked_at(id).zip(reach_ns).map_or(i64::MAX, |(now, then)| now - then);
            let silent = op.invoked > reach
                && silent_ns >= SILENCE_NS
                && others_acknowledged(history, nodes, node, entries, reach, op.invoked);
            if number == 0 || stopped || shows_another || silent {
                self.reigns.push(Reign { told: true, lost_from: u32::MAX, ..Reign::default() });
                first = u32::MAX;
            }
            self.reign_of[id.index()] = (self.reigns.len() - 1) as u32;
            if is_entry.contains(&id) {
                first = first.min(op.completed);
            }
            if op.completed >= reach {
                (reach, reach_ns) = (op.completed, history.completed_at(id));
            }
        }
    }

    /// Adds the reigns of a store whose answers name no server. After each event of a fault, another server may answer.
    fn add_reigns_between_faults(&mut self, answers: &[OpId]) {
        let history = self.history;
        let mut events: Vec<u32> = self.faults.iter().flat_map(FaultEpisode::event_positions).collect();
        events.sort_unstable();
        let mut last = None;
        for &id in answers {
            let phase = events.partition_point(|&event| event < history.operation(id).invoked);
            if last != Some(phase) {
                self.reigns.push(Reign { lost_from: u32::MAX, ..Reign::default() });
                last = Some(phase);
            }
            self.reign_of[id.index()] = (self.reigns.len() - 1) as u32;
        }
    }

    /// Pairs of an entry and an answer, by the reign of the answer.
    fn group_by_reign(&self, pairs: &[(OpId, OpId)]) -> Vec<Vec<(OpId, OpId)>> {
        let mut lists: Vec<Vec<(OpId, OpId)>> = vec![Vec::new(); self.reigns.len()];
        for &pair in pairs {
            if let Some(list) = lists.get_mut(self.reign_of[pair.1.index()] as usize) {
                list.push(pair);
            }
        }
        lists
    }

    /// What answers lack of each reign. If there is too much to look at, every reign is in doubt.
    fn find_lacked_entries(&mut self, entries: &[OpId], evidence: &LossEvidence) -> Vec<(OpId, OpId)> {
        let is_write = |id: &OpId| {
            let function = self.history.function(*id);
            let others = [Function::CREATE, Function::PATCH, Function::RENEW, Function::DESTROY];
            !others.contains(&function) && !evidence.held.contains(id)
        };
        let writes = entries.iter().copied().filter(is_write);
        let found = find_lacked_entries(self.history, writes, &self.reign_of, &evidence.lacks);
        if !found.is_complete {
            self.reigns.iter_mut().for_each(|reign| reign.doubted = true);
        }
        found.pairs
    }

    /// Applies what is known of the end: what was read after the store had settled was kept, and what is lost for other
    /// reasons was lost.
    fn apply_final_reads(&mut self, evidence: &LossEvidence) {
        let is_final = |read: OpId| self.history.operation(read).invoked > self.settled;
        let kept: Vec<OpId> =
            evidence.seen.iter().filter(|pair| is_final(pair.1)).map(|pair| pair.0).collect();
        kept.into_iter().chain(evidence.held.iter().copied()).for_each(|entry| self.keep_entry(entry));
        // A server that answers in the end has everything that it acknowledged in that reign.
        for op in self.history.operations().filter(|op| op.invoked > self.settled) {
            if let Some(reign) = self.reigns.get_mut(self.reign_of[op.id.index()] as usize) {
                reign.kept_to = reign.kept_to.max(if reign.told { op.invoked } else { 0 });
            }
        }
        for &entry in &evidence.lost {
            self.lost.insert(entry);
            if let Some(reign) = self.reigns.get_mut(self.reign_of[entry.index()] as usize) {
                reign.doubted = true;
            }
        }
    }

    fn keep_entry(&mut self, entry: OpId) {
        let invoked = self.history.operation(entry).invoked;
        if let Some(reign) = self.reigns.get_mut(self.reign_of[entry.index()] as usize) {
            reign.kept_to = reign.kept_to.max(invoked);
            self.kept.insert(entry);
        }
    }

    /// Applies an answer of one reign that shows an entry.
    fn apply_seen(&mut self, at: usize, entry: OpId, read: OpId) {
        let survives = self.history.operation(read).completed < self.reigns[at].kept_to;
        if survives && self.reign_of[entry.index()] != at as u32 {
            self.keep_entry(entry);
        }
    }

    /// Notes that an answer lacks an entry, without a conclusion for others.
    fn doubt_entry(&mut self, entry: OpId) {
        if let Some(reign) = self.reigns.get_mut(self.reign_of[entry.index()] as usize) {
            reign.doubted = true;
        }
    }

    /// Applies an answer of one reign that lacks an entry.
    fn apply_missing(&mut self, at: usize, entry: OpId, read: OpId) {
        let (acknowledged, began) =
            (self.history.operation(entry).completed, self.history.operation(read).invoked);
        let other = self.reign_of[entry.index()] as usize;
        // A server that renewed an id and goes on answering for the old one did not end it. It has the renewal.
        if other == at && self.history.function(entry) == Function::RENEW {
            return;
        }
        let reign = &self.reigns[at];
        let next = reign.entries.partition_point(|&(invoked, _)| invoked <= acknowledged);
        // Some entry of the reign survived and came between the missing entry and the answer.
        let between = reign.entries.get(next).is_some_and(|&(_, first)| first < began.min(reign.kept_to));
        let proves = between && reign.told && self.reigns.get(other).is_some_and(|reign| reign.told);
        let Some(reign) = self.reigns.get_mut(other) else { return };
        reign.doubted = true;
        if proves {
            self.lost.insert(entry);
            reign.torn |= other == at;
            reign.lost_from = reign.lost_from.min(acknowledged);
        }
    }

    fn collect_fates(&mut self, entries: &[OpId]) -> Fates {
        for reign in &mut self.reigns {
            reign.torn |= reign.lost_from < reign.kept_to;
        }
        let mut fates = Fates::default();
        let last = LastEntries::from_history(self.history, entries);
        for &id in entries {
            let op = self.history.operation(id);
            let reign = &self.reigns[self.reign_of[id.index()] as usize];
            let by_log = !reign.torn;
            if self.lost.contains(&id) {
                fates.lost.push(id);
            } else if self.kept.contains(&id) || (by_log && op.completed < reign.kept_to) {
                continue;
            } else if by_log && op.invoked > reign.lost_from {
                fates.lost.push(id);
            } else if reign.doubted || reign.kept_to == 0 || !last.is_overwritten(&op) {
                fates.open.push(id);
            }
        }
        fates
    }
}

/// Whether entries of other servers began after one position and were acknowledged before another.
fn others_acknowledged(
    history: &History,
    nodes: &Nodes,
    node: u32,
    entries: &[OpId],
    from: u32,
    to: u32,
) -> bool {
    let first = entries.partition_point(|&id| history.operation(id).invoked <= from);
    let between = entries[first..].iter().map(|&id| history.operation(id)).take_while(|op| op.invoked < to);
    between
        .filter(|op| op.completed < to)
        .any(|op| nodes.replica_of(op.id).is_some_and(|other| other != node))
}

/// The positions of events at which faults stopped a server or let it start again.
fn find_stops(faults: &[FaultEpisode], node: &str) -> Vec<u32> {
    let stops = faults.iter().filter(|fault| {
        STOPPING.contains(&fault.kind.as_str()) && fault.targets.iter().any(|target| target == node)
    });
    let mut positions: Vec<u32> = stops.flat_map(FaultEpisode::event_positions).collect();
    positions.sort_unstable();
    positions
}
