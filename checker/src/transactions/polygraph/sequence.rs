//! Reads the orders of commits and moments off an encoding in which all choices are made.

use super::encode::CaseEncoding;
use histories::OpId;

impl CaseEncoding<'_, '_> {
    /// The transactions in the order of their commits.
    pub(super) fn commit_sequence(&self) -> Vec<OpId> {
        let ends =
            |moment: u32| moment < self.moments.count && self.moments.place_of_moment(moment).is_none();
        let moments = self.order.sequence().iter().copied().filter(|&moment| ends(moment));
        moments
            .map(|moment| self.facts.transactions[self.moments.transaction_of_moment(moment) as usize])
            .collect()
    }

    /// All moments of transactions in order. Each has its transaction and a micro-operation; commits have none.
    pub(super) fn moment_sequence(&self) -> impl Iterator<Item = (OpId, Option<u32>)> + '_ {
        let moments = self.order.sequence().iter().copied().filter(|&moment| moment < self.moments.count);
        moments.map(|moment| {
            let id = self.facts.transactions[self.moments.transaction_of_moment(moment) as usize];
            (id, self.moments.place_of_moment(moment))
        })
    }
}
