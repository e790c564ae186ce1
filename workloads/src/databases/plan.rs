//! Generates the transactions of clients in the shape of Elle's generator, so that results can be compared.
//!
//! A few keys are in use at a time, key i twice as often as key i - 1. Each takes a limited number of writes and is
//! then replaced by a new one. The values of a key are 1, 2, 3, …

use super::{Defect, Isolation, Random};

/// The type of the values of keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Lists: `append`, and reads of whole lists.
    Lists,
    /// Registers: `w`, and reads of the last value.
    Registers,
}

/// The parameters of a run of a simulated database.
#[derive(Clone, Copy, Debug)]
pub struct SimulationPlan {
    /// The seed of all random choices.
    pub seed: u64,
    /// The number of transactions.
    pub transactions: usize,
    /// The number of clients. Each has one transaction in flight and is one session.
    pub clients: usize,
    /// The number of keys in use at a time.
    pub keys: usize,
    /// The maximum number of writes after which a key is replaced.
    pub writes_per_key: usize,
    /// The maximum number of operations in a transaction.
    pub length_max: usize,
    /// The percentage of transactions whose client does not learn whether they committed.
    pub indeterminate_percent: usize,
    /// Lists or registers.
    pub shape: Shape,
    /// The isolation level that the database promises.
    pub isolation: Isolation,
    /// The rule that it breaks, if any.
    pub defect: Option<Defect>,
}

/// One operation of a transaction: the key, and the value to write. `None` is a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedStep {
    pub key: usize,
    pub write: Option<u32>,
}

/// Generates transactions.
pub(crate) struct TransactionGenerator {
    plan: SimulationPlan,
    /// The keys in use: number, writes so far, maximum number of writes.
    active: Vec<(usize, u32, u32)>,
    fresh: usize,
}

impl TransactionGenerator {
    pub(crate) fn new(plan: SimulationPlan, random: &mut Random) -> Self {
        let active = (0..plan.keys).map(|key| (key, 0, draw_write_limit(plan, random))).collect();
        Self { plan, active, fresh: plan.keys }
    }

    pub(crate) fn draw_transaction(&mut self, random: &mut Random) -> Vec<PlannedStep> {
        let length = 1 + random.draw_below(self.plan.length_max);
        (0..length).map(|_| self.draw_step(random)).collect()
    }

    fn draw_step(&mut self, random: &mut Random) -> PlannedStep {
        // Each key is twice as likely as the previous one: the position of the highest bit of a number below 2^keys.
        let bits = self.plan.keys.min(30);
        let place = (random.draw_below((1 << bits) - 1) + 1).ilog2() as usize;
        if random.draw_chance(50) {
            return PlannedStep { key: self.active[place].0, write: None };
        }
        let (key, writes, limit_of_key) = self.active[place];
        if writes < limit_of_key {
            self.active[place].1 += 1;
            return PlannedStep { key, write: Some(writes + 1) };
        }
        self.active[place] = (self.fresh, 1, draw_write_limit(self.plan, random));
        self.fresh += 1;
        PlannedStep { key: self.fresh - 1, write: Some(1) }
    }
}

fn draw_write_limit(plan: SimulationPlan, random: &mut Random) -> u32 {
    1 + random.draw_below(plan.writes_per_key) as u32
}
