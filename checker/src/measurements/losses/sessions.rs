//! What findings and answers show of the entries of a session store.
//!
//! An *entry* is an acknowledged operation that changed a session: a creation, a write, a patch, a renewal, a destroy.
//! A read shows the writes of all parts of what it returned, and the birth of its id (the creation, or the renewal that
//! gave it). Findings name what an answer lacks. An answer without the session lacks its birth, a stale answer lacks
//! the version that had replaced what it shows, and an answer with a session that had ended lacks its end.

use super::super::in_time::{TimeOver, UntilStopped, in_time};
use super::branches::LossEvidence;
use super::held::HeldSessions;
use super::lacks::Lack;
use super::registers::NewerWrites;
use crate::continuity::{Finding, Kind, Proof};
use histories::faults::{FaultEpisode, fault_episodes};
use histories::{Function, History, Id, KeyId, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

/// The acknowledged operations that changed a session, in order of invocation.
pub(super) fn acknowledged_changes(history: &History) -> Vec<OpId> {
    let changes = |function| {
        matches!(
            function,
            Function::CREATE | Function::WRITE | Function::PATCH | Function::RENEW | Function::DESTROY
        )
    };
    history.ids().filter(|&id| history.outcome(id) == Outcome::Ok && changes(history.function(id))).collect()
}

/// What is known of the entries. If answers are mixed up, as a cache does that confuses users, an answer that lacks an
/// entry proves nothing. O(n) beside the parsing of sessions with several fields.
///
/// # Errors
/// The time limit was reached.
pub(super) fn collect_evidence(
    history: &History,
    entries: &[OpId],
    findings: &[&Finding],
    mixes_answers: bool,
    stop: &AtomicBool,
) -> Result<LossEvidence, TimeOver> {
    let index = EntryIndex::from_history(history, stop)?;
    let whole: Vec<OpId> =
        entries.iter().copied().filter(|&id| history.function(id) == Function::WRITE).collect();
    let newer = NewerWrites::from_entries(history, &whole);
    let sessions_held = HeldSessions::from_history(history);
    let mut evidence = LossEvidence {
        seen: index.collect_seen(history, stop),
        held: index.collect_held(history, &sessions_held),
        mixes_answers,
        ..LossEvidence::default()
    };
    in_time(stop)?;
    for finding in findings.iter().until_stopped(stop) {
        let lacked = find_first_lacked_write(history, &newer, finding);
        evidence.lacks.extend(lacked.map(|(_, lack)| lack));
        let pair = lacked.map(|(entry, lack)| (entry, lack.read));
        evidence.missing.extend(pair.or_else(|| index.find_lacked_entry(history, finding)));
        if let (Proof::Gone { gone, .. }, Kind::LostSession) = (&finding.proof, finding.kind) {
            // If every server has the session, the store hid it and lost nothing.
            if !mixes_answers && !sessions_held.has_session(history.key(*gone)) {
                evidence.lost.extend(index.entries_gone_with(history, *gone));
            }
        }
    }
    let lost_writes = findings.iter().filter(|finding| finding.kind == Kind::LostWrite);
    evidence.lost.extend(collect_lost_writes(history, lost_writes.copied()));
    let last_shown = last_answers_showing_renewals(history, &evidence.seen);
    // Where the new id of a renewal works later, an old id that works too is a mistake of the store and no loss.
    evidence.missing.retain(|&(entry, answer)| {
        let began = history.operation(answer).invoked;
        let works_later = history.function(entry) == Function::RENEW
            && last_shown.get(&entry).is_some_and(|&shown| shown >= began);
        !works_later && !evidence.held.contains(&entry)
    });
    in_time(stop)?;
    Ok(evidence)
}

/// Among the whole writes that the answer of a finding lacks, the one that was acknowledged first. The finding names
/// the last of them, and the logs of two servers diverge at the first.
fn find_first_lacked_write(
    history: &History,
    newer: &NewerWrites,
    finding: &Finding,
) -> Option<(OpId, Lack)> {
    let (read, older) = match finding.proof {
        Proof::Replaced { read, older, field: None, .. } => (read, older),
        Proof::BackToBirth { read, birth, field: None, .. } => (read, birth),
        _ => return None,
    };
    let (began, since) = (history.operation(read).invoked, history.operation(older));
    let acknowledged = since.outcome == Outcome::Ok;
    let entry = newer.first_acknowledged_after(since.key, since.completed, began).filter(|_| acknowledged)?;
    Some((entry, Lack { read, key: since.key, since: since.completed }))
}

/// The operation that wrote each value, and the one that gave each id.
struct EntryIndex {
    /// The acknowledged write of each value. `None` if several operations wrote it.
    writers: FxHashMap<ValueId, Option<OpId>>,
    /// The acknowledged birth of each id, if it is the only one.
    births: Vec<Option<OpId>>,
    /// The acknowledged writes to each id.
    writes: FxHashMap<KeyId, Vec<OpId>>,
}

impl EntryIndex {
    fn from_history(history: &History, stop: &AtomicBool) -> Result<Self, TimeOver> {
        let mut index = Self {
            writers: FxHashMap::default(),
            births: vec![None; history.keys.len()],
            writes: FxHashMap::default(),
        };
        let mut born = vec![0u32; history.keys.len()];
        for op in history.operations().until_stopped(stop).filter(|op| op.outcome != Outcome::Fail) {
            let own = Some(op.id).filter(|_| op.outcome == Outcome::Ok);
            if matches!(op.function, Function::CREATE | Function::WRITE | Function::PATCH) {
                index.writers.entry(op.value()).and_modify(|known| *known = None).or_insert(own);
            }
            if matches!(op.function, Function::WRITE | Function::PATCH) {
                index.writes.entry(op.key).or_default().extend(own);
            }
            let birth = match op.function {
                Function::CREATE => Some(op.key),
                Function::RENEW => history.keys.get(history.value_text(op.value())),
                _ => None,
            };
            if let Some(key) = birth {
                born[key.index()] += 1;
                index.births[key.index()] = own.filter(|_| born[key.index()] == 1);
            }
        }
        in_time(stop)?;
        Ok(index)
    }

    fn writer_of(&self, value: ValueId) -> Option<OpId> {
        self.writers.get(&value).copied().flatten()
    }

    /// Entries and answers that show them.
    fn collect_seen(&self, history: &History, stop: &AtomicBool) -> Vec<(OpId, OpId)> {
        let mut parts: FxHashMap<ValueId, Vec<OpId>> = FxHashMap::default();
        let mut seen = Vec::new();
        for op in history.operations().until_stopped(stop).filter(|op| op.outcome == Outcome::Ok) {
            if op.function != Function::READ || op.result == ValueId::NULL {
                continue;
            }
            let writers = parts.entry(op.result).or_insert_with(|| self.part_writers(history, op.result));
            seen.extend(writers.iter().map(|&writer| (writer, op.id)));
            seen.extend(self.births[op.key.index()].map(|birth| (birth, op.id)));
        }
        seen
    }

    /// The entries that every server held in the end: the births of the sessions, and the writes of what *all* of them held. What one server
    /// has the others may replace.
    fn collect_held(&self, history: &History, sessions: &HeldSessions) -> FxHashSet<OpId> {
        let mut entries = FxHashSet::default();
        for (key, values) in sessions.iter() {
            entries.extend(self.births[key.index()]);
            let writers_of = |value: Option<ValueId>| {
                value.map_or_else(Vec::new, |value| self.part_writers(history, value))
            };
            let mut shared = values.first().map_or_else(Vec::new, |&first| writers_of(first));
            for &other in values.iter().skip(1) {
                let others = writers_of(other);
                shared.retain(|writer| others.contains(writer));
            }
            entries.extend(shared);
        }
        entries
    }

    /// The writes of the parts of a value.
    fn part_writers(&self, history: &History, value: ValueId) -> Vec<OpId> {
        let text = history.value_text(value);
        let fields: Option<BTreeMap<&str, BTreeMap<String, &RawValue>>> =
            text.starts_with("{\"fields\"").then(|| serde_json::from_str(text).ok()).flatten();
        let Some(object) = fields else { return self.writer_of(value).into_iter().collect() };
        let parts = object.get("fields").into_iter().flat_map(BTreeMap::values);
        parts.filter_map(|part| self.writer_of(history.values.get(part.get())?)).collect()
    }

    /// The entry that the answer of a finding lacks.
    fn find_lacked_entry(&self, history: &History, finding: &Finding) -> Option<(OpId, OpId)> {
        let written = |id: OpId| match history.function(id) {
            Function::READ => self.writer_of(history.operation(id).result),
            _ => Some(id).filter(|&id| history.outcome(id) == Outcome::Ok),
        };
        match finding.proof {
            Proof::Gone { gone, .. } => Some((self.births[history.key(gone).index()]?, gone)),
            Proof::Replaced { read, newer, .. } => Some((written(newer)?, read)),
            Proof::BackToBirth { read, shown, .. } => Some((written(shown)?, read)),
            Proof::Back { back, ended, .. } => {
                let ends = matches!(history.function(ended), Function::DESTROY | Function::RENEW);
                (ends && history.outcome(ended) == Outcome::Ok).then_some((ended, back))
            }
            _ => None,
        }
    }

    /// The entries that are lost with a session: everything acknowledged under its id, and its birth.
    fn entries_gone_with(&self, history: &History, gone: OpId) -> Vec<OpId> {
        let key = history.key(gone);
        let began = history.operation(gone).invoked;
        let writes = self.writes.get(&key).into_iter().flatten().copied();
        let before = writes.chain(self.births[key.index()]);
        before.filter(|&id| history.operation(id).completed < began).collect()
    }
}

/// For each renewal, the last invocation of an answer that shows its new id.
fn last_answers_showing_renewals(history: &History, seen: &[(OpId, OpId)]) -> FxHashMap<OpId, u32> {
    let mut last: FxHashMap<OpId, u32> = FxHashMap::default();
    for &(entry, answer) in seen.iter().filter(|&&(entry, _)| history.function(entry) == Function::RENEW) {
        let shown = last.entry(entry).or_default();
        *shown = (*shown).max(history.operation(answer).invoked);
    }
    last
}

/// By id: the first id of its session. Renewals give a session further ids.
fn first_ids_of_sessions(history: &History) -> Vec<KeyId> {
    let mut first: Vec<KeyId> = (0..history.keys.len()).map(KeyId::new).collect();
    for op in history.operations().filter(|op| op.function == Function::RENEW && op.outcome != Outcome::Fail)
    {
        if let Some(new) = history.keys.get(history.value_text(op.value())) {
            first[new.index()] = first[op.key.index()];
        }
    }
    first
}

/// The acknowledged writes that findings show to be lost, including those that are lost with them. A session keeps its
/// content when it is renewed, so writes under an earlier id are lost as those under the last.
fn collect_lost_writes<'a>(
    history: &History,
    findings: impl Iterator<Item = &'a Finding>,
) -> FxHashSet<OpId> {
    let session = first_ids_of_sessions(history);
    // For each session, the spans that survived: since when a version was observed, and until when no newer one was
    // there.
    let mut survived: FxHashMap<KeyId, Vec<(u32, u32)>> = FxHashMap::default();
    let mut lost: FxHashSet<OpId> = FxHashSet::default();
    for finding in findings {
        match &finding.proof {
            &Proof::Replaced { read, field: None, older, .. }
            | &Proof::BackToBirth { read, birth: older, .. } => {
                let (older, read) = (history.operation(older), history.operation(read));
                survived.entry(session[read.key.index()]).or_default().push((older.completed, read.invoked));
            }
            Proof::Replaced { newer: one, .. } | Proof::Uncleared { write: one, .. } => {
                lost.insert(*one);
            }
            _ => {}
        }
    }
    for op in history.operations().filter(|op| op.function == Function::WRITE && op.outcome == Outcome::Ok) {
        let spans = survived.get(&session[op.key.index()]).map_or(&[][..], Vec::as_slice);
        if spans.iter().any(|&(from, to)| op.invoked > from && op.completed < to) {
            lost.insert(op.id);
        }
    }
    lost
}

/// Counts the ids of sessions that may be lost: acknowledged, not ended, and not asked for again after the last event
/// of a fault. Zero without faults. O(n).
pub(super) fn count_unasked_sessions(history: &History, lost: &FxHashSet<KeyId>) -> usize {
    let faults = fault_episodes(history);
    let Some(last) = faults.iter().flat_map(FaultEpisode::event_positions).max() else { return 0 };
    let mut alive = vec![false; history.keys.len()];
    // The ids that renewals gave and no operation used.
    let mut unused: FxHashSet<&str> = FxHashSet::default();
    for op in history.operations() {
        let own = &mut alive[op.key.index()];
        match (op.function, op.outcome) {
            (Function::CREATE, Outcome::Ok) => *own = op.completed < last,
            (Function::DESTROY | Function::RENEW, Outcome::Ok | Outcome::Info) => *own = false,
            (Function::READ | Function::WRITE | Function::PATCH | Function::TOUCH, Outcome::Ok) => {
                *own &= op.invoked < last;
            }
            _ => {}
        }
        let renews = op.function == Function::RENEW && op.outcome == Outcome::Ok;
        if renews {
            let new = history.value_text(op.value());
            match history.keys.get(new) {
                Some(new) => alive[new.index()] = op.completed < last,
                None if op.completed < last => _ = unused.insert(new),
                None => {}
            }
        }
    }
    let open = alive.iter().enumerate().filter(|&(key, &alive)| alive && !lost.contains(&KeyId::new(key)));
    open.count() + unused.len()
}
