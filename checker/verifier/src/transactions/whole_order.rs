//! What every order of transactions must be: of all of them, and an extension of what came before what.

use super::ensure;
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{OrderExtent, TransactionPoint};
use histories::{Function, History, Id, OpId, Outcome};

/// Whether all that completed are in the order, once, and nobody that failed.
pub(super) fn everyone(history: &History, order: &[OpId], watch: &Watch<'_>) -> Result<(), Mismatch> {
    let mut seen = vec![false; history.len()];
    for &id in watch.take_while_in_time(StepCost::Look, order.iter()) {
        ensure(!std::mem::replace(&mut seen[id.index()], true), || format!("{id:?} twice in a witness"))?;
        ensure(history.outcome(id) != Outcome::Fail, || format!("{id:?} failed, but is in a witness"))?;
    }
    let missing = watch.take_while_in_time(StepCost::Look, history.ids()).find(|&id| {
        history.function(id) == Function::TXN && history.outcome(id) == Outcome::Ok && !seen[id.index()]
    });
    ensure(missing.is_none(), || format!("{missing:?} is not in a witness"))
}

/// Whether who completed before another began commits before that begins.
pub(super) fn extends(
    history: &History,
    extent: OrderExtent,
    points: impl DoubleEndedIterator<Item = TransactionPoint>,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    // Backwards: no commit may come before a beginning of something invoked after it completed, so the
    // earliest completion among commits seen from the end must not be before an invocation further forward.
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
                    format!("a witness has {id:?} begin before one that had completed before it was invoked")
                })?;
            }
        }
    }
    Ok(())
}
