//! Conditions on every order of transactions: it contains all of them and extends session order or real time.

use super::ensure;
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{OrderExtent, TransactionPoint};
use histories::{Function, History, Id, OpId, Outcome};

/// Checks that the order contains each committed transaction, no transaction twice, and no failed transaction.
pub(super) fn check_all_transactions_placed(
    history: &History,
    order: &[OpId],
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    let mut seen = vec![false; history.len()];
    for &id in watch.take_while_in_time(StepCost::Look, order.iter()) {
        ensure(!std::mem::replace(&mut seen[id.index()], true), || format!("{id:?} is twice in a witness"))?;
        ensure(history.outcome(id) != Outcome::Fail, || format!("{id:?} failed, but is in a witness"))?;
    }
    let missing = watch.take_while_in_time(StepCost::Look, history.ids()).find(|&id| {
        history.function(id) == Function::TXN && history.outcome(id) == Outcome::Ok && !seen[id.index()]
    });
    ensure(missing.is_none(), || format!("{missing:?} is not in a witness"))
}

/// Checks that the order extends session order or real time: a transaction that completed before another was invoked must commit
/// before the other begins.
pub(super) fn check_extends_order(
    history: &History,
    extent: OrderExtent,
    points: impl DoubleEndedIterator<Item = TransactionPoint>,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    // A transaction that was invoked after another had completed must begin after the other's commit. In a scan from the
    // end: the earliest completion among the commits seen so far must not precede the invocation of a transaction that
    // begins here.
    let mut earliest = vec![u32::MAX; history.sessions.len().max(1)];
    for point in watch.take_while_in_time(StepCost::Look, points.rev()) {
        let (TransactionPoint::Begin(id) | TransactionPoint::Commit(id)) = point;
        let session = match extent {
            OrderExtent::Data => return Ok(()),
            OrderExtent::Session => history.session(id).index(),
            OrderExtent::RealTime => 0,
        };
        let operation = history.operation(id);
        match point {
            TransactionPoint::Commit(_) if operation.outcome == Outcome::Ok => {
                earliest[session] = earliest[session].min(operation.completed);
            }
            TransactionPoint::Commit(_) => {}
            TransactionPoint::Begin(_) => {
                ensure(operation.invoked < earliest[session], || {
                    format!(
                        "in a witness, {id:?} begins before a transaction that completed before its invocation"
                    )
                })?;
            }
        }
    }
    Ok(())
}
