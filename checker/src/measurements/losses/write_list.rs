//! Writes of one object in order of invocation, and which of those after a position was acknowledged first.

use histories::{History, OpId};

/// Acknowledged writes from the last invocation to the first, each with the one that was acknowledged first among it and all later ones.
#[derive(Clone, Default)]
pub(super) struct WriteList(Vec<(u32, u32, OpId)>);

impl WriteList {
    /// Adds a write that was invoked before all others.
    pub(super) fn push_earlier(&mut self, history: &History, id: OpId) {
        let op = history.operation(id);
        let (_, completed, first) = match self.0.last() {
            Some(&later) if later.1 < op.completed => later,
            _ => (0, op.completed, id),
        };
        self.0.push((op.invoked, completed, first));
    }

    /// Among the writes that began after one position, the one acknowledged first, if that was before another position.
    pub(super) fn first_acknowledged_after(&self, since: u32, before: u32) -> Option<OpId> {
        let later = self.0.partition_point(|entry| entry.0 > since);
        let &(_, completed, id) = self.0[..later].last()?;
        (completed < before).then_some(id)
    }
}
