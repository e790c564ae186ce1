//! How many histories of a shape there are, before renaming.

use super::orders::list_real_time_orders;
use super::shape::{HISTORIES_MAX, HistoryShape, ShapeError, SmallObjects};
use std::collections::BTreeMap;

impl HistoryShape {
    /// Checks that the histories of this shape can be enumerated, and returns their number before renaming.
    ///
    /// # Errors
    /// [`ShapeError::TooLarge`] if there are more than [`HISTORIES_MAX`].
    pub fn check_size(&self) -> Result<u128, ShapeError> {
        let too_large = |count: String| ShapeError::TooLarge { shape: self.to_string(), count };
        let choices: u128 =
            (1..=self.length_max as u32).map(|length| (2 * self.keys as u128).pow(length)).sum();
        let skeletons = choices.saturating_pow(self.operation_count() as u32);
        if skeletons > HISTORIES_MAX {
            return Err(too_large(format!("at least {skeletons}")));
        }
        let orders = list_real_time_orders(self)?.len() as u128;
        let count = self.count_results().saturating_mul(orders);
        if count > HISTORIES_MAX { Err(too_large(count.to_string())) } else { Ok(count) }
    }

    /// The number of histories with one real-time order: the sum over all skeletons of the product of the numbers of
    /// results of each read. Skeletons with equally many reads and writes of each key are counted together.
    fn count_results(&self) -> u128 {
        // By key: the number of writes, and the number of reads.
        type Uses = Vec<(u8, u8)>;
        let add = |sums: &mut BTreeMap<Uses, u128>, uses: Uses, count: u128| {
            let sum = sums.entry(uses).or_default();
            *sum = sum.saturating_add(count);
        };
        let mut operation: BTreeMap<Uses, u128> = BTreeMap::new();
        for steps in self.list_operation_skeletons() {
            let mut uses = vec![(0, 0); self.keys];
            for step in steps {
                let (writes, reads) = &mut uses[usize::from(step.key)];
                if step.is_write { *writes += 1 } else { *reads += 1 }
            }
            add(&mut operation, uses, 1);
        }
        let mut total: BTreeMap<Uses, u128> = BTreeMap::from([(vec![(0, 0); self.keys], 1)]);
        for _ in 0..self.operation_count() {
            let mut next = BTreeMap::new();
            for (before, count) in &total {
                for (more, times) in &operation {
                    let sum = before.iter().zip(more).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect();
                    add(&mut next, sum, count.saturating_mul(*times));
                }
            }
            total = next;
        }
        let results = |(uses, count): (Uses, u128)| {
            let reads = uses
                .iter()
                .map(|&(writes, reads)| self.count_read_results(writes).saturating_pow(reads.into()));
            reads.fold(count, u128::saturating_mul)
        };
        total.into_iter().map(results).fold(0, u128::saturating_add)
    }

    /// The number of results of a read of a key with this many writes.
    fn count_read_results(&self, writes: u8) -> u128 {
        let writes = u128::from(writes);
        match self.objects {
            SmallObjects::TransactionsOverLists => {
                // Ordered selections of distinct elements: 1 + n (1 + (n - 1) (1 + …)).
                (1..=writes).fold(1, |sum, n| 1u128.saturating_add(sum.saturating_mul(n)))
            }
            _ => writes + 1,
        }
    }
}
