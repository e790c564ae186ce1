//! Examines lists of actions, clocks, the audit trail and replicas by counting everything a second time.

use super::{Examination, took_effect_by};
use ::claims::FindingKind;
use histories::{Function, Id, KeyId, OpId, Operation, Outcome};
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

const UNDONE: &[FindingKind] = &[FindingKind::LostAction, FindingKind::StaleSession];

/// Counts of one event: acknowledged requests, possible requests, entries in the trail.
type EventCounts = [usize; 3];

impl Examination<'_> {
    pub(super) fn acknowledged_operations(&self, function: Function) -> Vec<Operation> {
        let of = self
            .survey
            .history
            .operations()
            .filter(|op| op.function == function && op.outcome == Outcome::Ok);
        of.collect()
    }

    /// Examines the lists of actions of each user: the actions in each list, and the actions that must be in it.
    pub(super) fn examine_action_lists(&self) {
        let history = self.survey.history;
        let mut asked: FxHashMap<&str, Vec<Operation>> = FxHashMap::default();
        let mut of_user: FxHashMap<KeyId, Vec<Operation>> = FxHashMap::default();
        for act in
            history.operations().filter(|op| op.function == Function::ACT && op.outcome != Outcome::Fail)
        {
            asked.entry(history.value_text(act.value())).or_default().push(act.clone());
            if let Some(user) = history.keys.get(history.sessions.text(act.session)) {
                of_user.entry(user).or_default().push(act);
            }
        }
        let reads = self.acknowledged_operations(Function::ACTIONS);
        let list_of = |read: &Operation| -> Result<Option<Vec<&RawValue>>, _> {
            serde_json::from_str(history.value_text(read.result))
        };
        // When an action was first known to be in the list of a user.
        let mut shown: FxHashMap<(KeyId, &str), u32> = FxHashMap::default();
        for read in &reads {
            for action in list_of(read).ok().flatten().unwrap_or_default() {
                let first = shown.entry((read.key, action.get())).or_insert(read.completed);
                *first = read.completed.min(*first);
            }
        }
        for read in reads {
            if self.is_wrong(&read) {
                continue;
            }
            let Ok(told) = list_of(&read) else {
                self.report_contradiction(
                    &[FindingKind::Unexplained],
                    Some(read.id),
                    "returned no list of actions",
                );
                continue;
            };
            // Values are canonical JSON, and so are their parts as they stand.
            let mut list: Vec<&str> = told.unwrap_or_default().into_iter().map(RawValue::get).collect();
            let count = list.len();
            list.sort_unstable();
            list.dedup();
            if list.len() < count {
                self.report_contradiction(
                    &[FindingKind::DuplicatedAction],
                    Some(read.id),
                    "returned an action twice",
                );
            }
            for action in &list {
                let acts = asked.get(action).map_or(&[][..], Vec::as_slice);
                if acts.iter().all(|act| act.invoked > read.completed) {
                    self.report_contradiction(
                        &[FindingKind::Unexplained],
                        Some(read.id),
                        "returned an action that nobody had asked for",
                    );
                }
                let own = |act: &Operation| history.sessions.text(act.session) == history.keys.text(read.key);
                if !acts.is_empty() && !acts.iter().any(own) {
                    self.report_contradiction(
                        &[FindingKind::SessionLeak],
                        Some(read.id),
                        "returned another user's action",
                    );
                }
            }
            let known_by = |act: &Operation| {
                let key = (read.key, history.value_text(act.value()));
                took_effect_by(act).min(shown.get(&key).copied().unwrap_or(u32::MAX))
            };
            let due = of_user.get(&read.key).into_iter().flatten().filter(|act| known_by(act) < read.invoked);
            let missing = due.filter(|act| list.binary_search(&history.value_text(act.value())).is_err());
            if missing.count() > 0 {
                self.report_contradiction(
                    UNDONE,
                    Some(read.id),
                    "returned a list without an action that had been acknowledged or seen",
                );
            }
        }
    }

    /// Examines the times that each session was told: answers in the order of completion, with a running maximum of the
    /// times.
    pub(super) fn examine_clocks(&self) {
        let history = self.survey.history;
        let mut answers: Vec<Vec<(u32, i64, OpId, u32)>> = vec![Vec::new(); history.sessions.len()];
        for op in history.operations().filter(|op| op.outcome == Outcome::Ok) {
            if let Some(told) = self.reported_clock(&op) {
                answers[op.session.index()].push((op.completed, told, op.id, op.invoked));
            }
        }
        for answers in &mut answers {
            answers.sort_unstable();
            let mut latest = Vec::with_capacity(answers.len());
            for answer in answers.iter() {
                latest.push(latest.last().copied().unwrap_or(i64::MIN).max(answer.1));
            }
            for &(_, told, id, invoked) in answers.iter() {
                let before = answers.partition_point(|answer| answer.0 < invoked);
                if before > 0 && latest[before - 1].saturating_sub(told) > self.survey.question.tolerance_ns {
                    self.report_contradiction(
                        &[FindingKind::ClockWentBack],
                        Some(id),
                        "was told a time before one that its session knew",
                    );
                }
            }
        }
    }

    /// Examines the audit trail: for each event, how often it can have happened and how often it is recorded. For the
    /// entries of acknowledged requests: whether one follows an entry whose request began after it was over.
    pub(super) fn examine_audit_trail(&self) {
        let history = self.survey.history;
        let mut events: FxHashMap<[&str; 3], (EventCounts, Option<OpId>)> = FxHashMap::default();
        for op in history.operations() {
            let value = match op.function {
                Function::CREATE | Function::DESTROY => "null",
                Function::RENEW | Function::ACT => history.value_text(op.value()),
                _ => continue,
            };
            let name = [history.function_name(op.function), history.keys.text(op.key), value];
            let known = events.entry(name).or_default();
            known.0[0] += usize::from(op.outcome == Outcome::Ok);
            known.0[1] += usize::from(op.outcome != Outcome::Fail);
            // A failed request for the same event caused no entry.
            if op.outcome != Outcome::Fail {
                known.1 = Some(op.id);
            }
        }
        let (mut recorded, mut order) = (false, Vec::new());
        for entry in history.actor_events() {
            recorded |= entry.actor == "recorder" && entry.function == "audit";
            let told: Option<[&RawValue; 2]> =
                (entry.actor == "audit").then(|| serde_json::from_str(&entry.value).ok()).flatten();
            let Some([key, value]) = told else { continue };
            let known = events.entry([&entry.function, key.get(), value.get()]).or_default();
            known.0[2] += 1;
            order.extend(known.1.filter(|_| known.0 == [1, 1, 1]));
        }
        if !recorded {
            return;
        }
        for ([acknowledged, possible, told], _) in events.values() {
            if told < acknowledged {
                self.report_contradiction(
                    &[FindingKind::AuditMissing],
                    None,
                    "an event is in the trail less often than it happened",
                );
            } else if told > possible && *possible == 0 {
                self.report_contradiction(
                    &[FindingKind::AuditForged],
                    None,
                    "an event is in the trail that nobody can have caused",
                );
            } else if told > possible {
                let why = "an event is in the trail more often than it can have happened";
                self.report_contradiction(&[FindingKind::AuditDuplicated], None, why);
            }
        }
        let mut began: FxHashMap<KeyId, u32> = FxHashMap::default();
        for id in order {
            let op = history.operation(id);
            let latest = began.entry(op.key).or_insert(op.invoked);
            if op.completed < *latest {
                self.report_contradiction(
                    &[FindingKind::AuditForged],
                    Some(op.id),
                    "stands in the trail after what came later",
                );
            }
            *latest = (*latest).max(op.invoked);
        }
    }

    /// Examines the final data of the replicas. If a session may have expired between the reads, the result is
    /// undecided.
    pub(super) fn examine_replicas(&self) {
        let history = self.survey.history;
        // By key: what each node held last.
        let mut held: FxHashMap<&str, BTreeMap<&str, &str>> = FxHashMap::default();
        for event in history.actor_events().iter().filter(|event| event.actor == "replica") {
            let failed = history.note(event.position).is_some_and(|note| note.fields.contains("\"error\""));
            if let Ok([node, key, value]) = serde_json::from_str::<[&RawValue; 3]>(&event.value)
                && !failed
            {
                held.entry(key.get()).or_default().insert(node.get(), value.get());
            }
        }
        let values = held.into_iter().map(|(key, nodes)| (key, nodes.into_values().collect()));
        let mut differing: Vec<(&str, Vec<&str>)> =
            values.filter(|(_, held): &(_, Vec<&str>)| held.iter().any(|one| *one != held[0])).collect();
        differing.sort_unstable();
        for (key, held) in differing {
            let why = format!("replicas held different things under {key}");
            if self.survey.question.time_to_live_ns.is_some() && held.contains(&"null") {
                self.report_undecided(
                    &[FindingKind::DivergentReplicas],
                    &format!("{why}, or its time ran out meanwhile"),
                );
            } else {
                self.report_contradiction(&[FindingKind::DivergentReplicas], None, &why);
            }
        }
    }
}
