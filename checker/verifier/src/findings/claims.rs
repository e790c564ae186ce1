//! Checks each kind of proof about operations on sessions and actions, and which kinds of finding it can support.

use super::{
    FindingCheck, Mismatch, SessionRecord, actions, contents, ensure, presence, reported_clock,
    took_effect_by, updates,
};
use ::claims::{Finding, FindingKind, FindingProof};
use histories::{Function, OpId, Operation};

pub(super) fn check_claim(record: &SessionRecord<'_>, finding: &Finding) -> FindingCheck {
    let kind = finding.kind;
    let op = |id: &OpId| record.operation(*id);
    let some = |id: &Option<OpId>| id.map(|id| record.operation(id));
    match &finding.proof {
        FindingProof::Gone { gone, alive, renewed, idle_ns } => {
            presence::check_gone_session(record, kind, [&op(gone), &op(alive)], some(renewed), *idle_ns)
        }
        FindingProof::Back { back, ended, shown } => {
            presence::check_found_again(record, &op(back), &op(ended), some(shown))
        }
        FindingProof::EndedTwice { one, other } => presence::check_ended_twice(record, &op(one), &op(other)),
        FindingProof::Unborn { seen } => presence::check_never_created(record, &op(seen)),
        FindingProof::Overdue { seen, late_ns, .. } => {
            presence::check_overdue_session(record, &op(seen), *late_ns)
        }
        FindingProof::Replaced { read, field, older, newer, shown } => {
            let ops = [&op(read), &op(older), &op(newer), &op(shown)];
            contents::check_replaced_version(record, kind, field.as_deref(), ops)
        }
        FindingProof::BackToBirth { read, field, birth, shown } => {
            let ops = [&op(read), &op(birth), &op(shown)];
            contents::check_back_to_creation(record, kind, field.as_deref(), ops)
        }
        FindingProof::Uncleared { read, field, patch, write } => {
            contents::check_uncleared_field(record, field, [&op(read), &op(patch), &op(write)])
        }
        FindingProof::Unwritten { read, writer } => {
            contents::check_unwritten_data(record, &op(read), some(writer))
        }
        FindingProof::Foreign { read, writer, owner } => {
            contents::check_foreign_data(record, &op(read), some(writer), owner)
        }
        FindingProof::Repeated { read, act, action, times } => {
            actions::check_requested_by(record, some(act), action)?;
            actions::check_repeated_action(record, &op(read), action, *times)
        }
        FindingProof::Undone { read, act, seen, later } => {
            actions::check_missing_action(record, kind, [&op(read), &op(act)], [some(seen), some(later)])
        }
        FindingProof::Unasked { read, action, act } => {
            actions::check_requested_by(record, some(act), action)?;
            actions::check_unrequested_action(record, &op(read), action)
        }
        FindingProof::Overwritten { save, read, other, other_read } => updates::check_overwritten_saves(
            record,
            [&(op(save), some(read)), &(op(other), some(other_read))],
        ),
        FindingProof::NoList { read } => actions::check_not_a_list(record, &op(read)),
        FindingProof::ToldEarlier { earlier, later, back_ns } => {
            check_clock_went_back(record, &op(earlier), &op(later), *back_ns)
        }
        FindingProof::Entries { .. }
        | FindingProof::OutOfOrder { .. }
        | FindingProof::Differ { .. }
        | FindingProof::NotResumed { .. }
        | FindingProof::Skipped { .. }
        | FindingProof::BroughtAgain { .. } => Err(Mismatch("evidence of another kind".to_owned())),
    }
}

fn check_clock_went_back(
    record: &SessionRecord<'_>,
    earlier: &Operation,
    later: &Operation,
    back_ns: i64,
) -> FindingCheck {
    ensure(later.outcome == histories::Outcome::Ok, || "the later one has no answer".to_owned())?;
    ensure(earlier.session == later.session && took_effect_by(earlier) < later.invoked, || {
        "not so ordered".to_owned()
    })?;
    let told = reported_clock(record, earlier).zip(reported_clock(record, later));
    let back = told.is_some_and(|(first, second)| first - second == back_ns);
    ensure(back && back_ns > record.question.tolerance_ns, || "not so told".to_owned())
}

/// Whether a proof can support a finding of this kind. Some kinds are diagnoses (lost, or expired early), and the same
/// proof fits several of them. Their additional conditions are checked with the proof.
pub(super) fn kind_fits_proof(record: &SessionRecord<'_>, kind: FindingKind, proof: &FindingProof) -> bool {
    use FindingKind::*;
    let renewal = |id: &OpId| record.operation(*id).function == Function::RENEW;
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
        FindingProof::NotResumed { .. } => kind == ConnectionNotResumed,
        FindingProof::Skipped { .. } => kind == LostMessage,
        FindingProof::BroughtAgain { .. } => kind == DuplicatedMessage,
    }
}
