//! What operations on sessions and actions claim of one another, claim by claim, and which name each claim bears.

use super::{Checked, Mismatch, Record, actions, clock, contents, ensure, over, presence, updates};
use crate::continuity::{Finding, Kind, Proof};
use histories::{Function, OpId, Operation};

pub(super) fn check(record: &Record<'_>, finding: &Finding) -> Checked {
    let kind = finding.kind;
    let op = |id: &OpId| record.op(*id);
    let some = |id: &Option<OpId>| id.map(|id| record.op(id));
    match &finding.proof {
        Proof::Gone { gone, alive, renewed, idle_ns } => {
            presence::is_gone(record, kind, [&op(gone), &op(alive)], some(renewed), *idle_ns)
        }
        Proof::Back { back, ended, shown } => presence::is_back(record, &op(back), &op(ended), some(shown)),
        Proof::EndedTwice { one, other } => presence::is_ended_twice(record, &op(one), &op(other)),
        Proof::Unborn { seen } => presence::is_unborn(record, &op(seen)),
        Proof::Overdue { seen, late_ns, .. } => presence::is_overdue(record, &op(seen), *late_ns),
        Proof::Replaced { read, field, older, newer, shown } => {
            let ops = [&op(read), &op(older), &op(newer), &op(shown)];
            contents::is_replaced(record, kind, field.as_deref(), ops)
        }
        Proof::BackToBirth { read, field, birth, shown } => {
            let ops = [&op(read), &op(birth), &op(shown)];
            contents::is_back_to_birth(record, kind, field.as_deref(), ops)
        }
        Proof::Uncleared { read, field, patch, write } => {
            contents::is_uncleared(record, field, [&op(read), &op(patch), &op(write)])
        }
        Proof::Unwritten { read, writer } => contents::is_unwritten(record, &op(read), some(writer)),
        Proof::Foreign { read, writer, owner } => {
            contents::is_foreign(record, &op(read), some(writer), owner)
        }
        Proof::Repeated { read, action, times, .. } => {
            actions::is_repeated(record, &op(read), action, *times)
        }
        Proof::Undone { read, act, later } => {
            actions::is_undone(record, kind, [&op(read), &op(act)], some(later))
        }
        Proof::Unasked { read, action, .. } => actions::is_unasked(record, &op(read), action),
        Proof::NoList { read } => actions::is_no_list(record, &op(read)),
        Proof::Overwritten { save, read, other, other_read } => {
            updates::is_overwritten(record, [&(op(save), some(read)), &(op(other), some(other_read))])
        }
        Proof::ToldEarlier { earlier, later, back_ns } => {
            told_earlier(record, &op(earlier), &op(later), *back_ns)
        }
        Proof::Entries { .. } | Proof::OutOfOrder { .. } | Proof::Differ { .. } => {
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

/// Whether what a proof shows bears this name. Of names that are diagnoses (lost, or expired early) more than one fits;
/// what each asks for beside the contradiction is asked where that is checked.
pub(super) fn bears(record: &Record<'_>, kind: Kind, proof: &Proof) -> bool {
    use Kind::*;
    let renewal = |id: &OpId| record.op(*id).function == Function::RENEW;
    match proof {
        Proof::Gone { .. } => matches!(kind, LostSession | StaleSession | ExpiredEarly),
        Proof::Back { ended, .. } => kind == if renewal(ended) { OldIdAlive } else { ResurrectedSession },
        Proof::EndedTwice { one, other } => {
            kind == if renewal(one) || renewal(other) { OldIdAlive } else { ResurrectedSession }
        }
        Proof::Unborn { .. } | Proof::Unasked { .. } | Proof::NoList { .. } => kind == Unexplained,
        Proof::Overdue { .. } => kind == ExpiredLate,
        Proof::Replaced { .. } | Proof::BackToBirth { .. } => matches!(kind, StaleSession | LostWrite),
        Proof::Uncleared { .. } => kind == StaleSession,
        Proof::Unwritten { .. } => kind == TornSession,
        Proof::Foreign { .. } => kind == SessionLeak,
        Proof::Repeated { .. } => kind == DuplicatedAction,
        Proof::Undone { .. } => matches!(kind, LostAction | StaleSession),
        Proof::ToldEarlier { .. } => kind == ClockWentBack,
        Proof::Overwritten { .. } => kind == LostUpdate,
        Proof::Entries { .. } => matches!(kind, AuditMissing | AuditDuplicated | AuditForged),
        Proof::OutOfOrder { .. } => kind == AuditForged,
        Proof::Differ { .. } => kind == DivergentReplicas,
    }
}
