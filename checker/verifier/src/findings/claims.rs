//! Checks each kind of proof about operations on sessions and actions, and which kinds of finding it can support.

use super::{Checked, Mismatch, Record, actions, clock, contents, ensure, over, presence, updates};
use ::claims::{Finding, FindingKind, FindingProof};
use histories::{Function, OpId, Operation};

pub(super) fn check(record: &Record<'_>, finding: &Finding) -> Checked {
    let kind = finding.kind;
    let op = |id: &OpId| record.op(*id);
    let some = |id: &Option<OpId>| id.map(|id| record.op(id));
    match &finding.proof {
        FindingProof::Gone { gone, alive, renewed, idle_ns } => {
            presence::is_gone(record, kind, [&op(gone), &op(alive)], some(renewed), *idle_ns)
        }
        FindingProof::Back { back, ended, shown } => {
            presence::is_back(record, &op(back), &op(ended), some(shown))
        }
        FindingProof::EndedTwice { one, other } => presence::is_ended_twice(record, &op(one), &op(other)),
        FindingProof::Unborn { seen } => presence::is_unborn(record, &op(seen)),
        FindingProof::Overdue { seen, late_ns, .. } => presence::is_overdue(record, &op(seen), *late_ns),
        FindingProof::Replaced { read, field, older, newer, shown } => {
            let ops = [&op(read), &op(older), &op(newer), &op(shown)];
            contents::is_replaced(record, kind, field.as_deref(), ops)
        }
        FindingProof::BackToBirth { read, field, birth, shown } => {
            let ops = [&op(read), &op(birth), &op(shown)];
            contents::is_back_to_birth(record, kind, field.as_deref(), ops)
        }
        FindingProof::Uncleared { read, field, patch, write } => {
            contents::is_uncleared(record, field, [&op(read), &op(patch), &op(write)])
        }
        FindingProof::Unwritten { read, writer } => contents::is_unwritten(record, &op(read), some(writer)),
        FindingProof::Foreign { read, writer, owner } => {
            contents::is_foreign(record, &op(read), some(writer), owner)
        }
        FindingProof::Repeated { read, act, action, times } => {
            actions::is_asked_by(record, some(act), action)?;
            actions::is_repeated(record, &op(read), action, *times)
        }
        FindingProof::Undone { read, act, later } => {
            actions::is_undone(record, kind, [&op(read), &op(act)], some(later))
        }
        FindingProof::Unasked { read, action, act } => {
            actions::is_asked_by(record, some(act), action)?;
            actions::is_unasked(record, &op(read), action)
        }
        FindingProof::Overwritten { save, read, other, other_read } => {
            updates::is_overwritten(record, [&(op(save), some(read)), &(op(other), some(other_read))])
        }
        FindingProof::NoList { read } => actions::is_no_list(record, &op(read)),
        FindingProof::ToldEarlier { earlier, later, back_ns } => {
            told_earlier(record, &op(earlier), &op(later), *back_ns)
        }
        FindingProof::Entries { .. } | FindingProof::OutOfOrder { .. } | FindingProof::Differ { .. } => {
            Err(Mismatch("evidence of another kind".to_owned()))
        }
    }
}

fn told_earlier(record: &Record<'_>, earlier: &Operation, later: &Operation, back_ns: i64) -> Checked {
    ensure(earlier.session == later.session && over(earlier) < later.invoked, || {
        "not so ordered".to_owned()
    })?;
    let told = clock(record, earlier).zip(clock(record, later));
    let back = told.is_some_and(|(first, second)| first - second == back_ns);
    ensure(back && back_ns > record.question.tolerance_ns, || "not so told".to_owned())
}

/// Whether a proof can support a finding of this kind. Some kinds are diagnoses (lost, or expired early), and the same
/// proof fits several of them. Their additional conditions are checked with the proof.
pub(super) fn bears(record: &Record<'_>, kind: FindingKind, proof: &FindingProof) -> bool {
    use FindingKind::*;
    let renewal = |id: &OpId| record.op(*id).function == Function::RENEW;
    match proof {
        FindingProof::Gone { .. } => matches!(kind, LostSession | StaleSession | ExpiredEarly),
        FindingProof::Back { ended, .. } => {
            kind == if renewal(ended) { OldIdAlive } else { ResurrectedSession }
        }
        FindingProof::EndedTwice { one, other } => {
            kind == if renewal(one) || renewal(other) { OldIdAlive } else { ResurrectedSession }
        }
        FindingProof::Unborn { .. } | FindingProof::Unasked { .. } | FindingProof::NoList { .. } => {
            kind == Unexplained
        }
        FindingProof::Overdue { .. } => kind == ExpiredLate,
        FindingProof::Replaced { .. } | FindingProof::BackToBirth { .. } => {
            matches!(kind, StaleSession | LostWrite)
        }
        FindingProof::Uncleared { .. } => kind == StaleSession,
        FindingProof::Unwritten { .. } => kind == TornSession,
        FindingProof::Foreign { .. } => kind == SessionLeak,
        FindingProof::Repeated { .. } => kind == DuplicatedAction,
        FindingProof::Undone { .. } => matches!(kind, LostAction | StaleSession),
        FindingProof::ToldEarlier { .. } => kind == ClockWentBack,
        FindingProof::Entries { .. } => matches!(kind, AuditMissing | AuditDuplicated | AuditForged),
        FindingProof::Overwritten { .. } => kind == LostUpdate,
        FindingProof::OutOfOrder { .. } => kind == AuditForged,
        FindingProof::Differ { .. } => kind == DivergentReplicas,
    }
}
