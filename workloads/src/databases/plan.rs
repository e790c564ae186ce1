//! What clients ask for: transactions in the shape of Elle's generator, so that figures can be compared.
//!
//! A few keys are in use at a time, key i twice as often as key i - 1; each takes a limited number of writes and is
//! then replaced by a fresh one. Values of a key are 1, 2, 3, …

use super::{Defect, Isolation, Random};

/// What a value of a key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// `append`, and reads of whole lists.
    Lists,
    /// `w`, and reads of the last value.
    Registers,
}

/// A run of a simulated database.
#[derive(Clone, Copy, Debug)]
pub struct SimulationPlan {
    /// Where all choices come from.
    pub seed: u64,
    /// How many transactions are invoked.
    pub transactions: usize,
    /// How many clients there are; each has one transaction in flight. A client is a session.
    pub clients: usize,
    /// How many keys are in use at a time.
    pub keys: usize,
    /// After how many writes a key is replaced, at most.
    pub writes_per_key: usize,
    /// The most operations in a transaction.
    pub length_max: usize,
    /// In how many of a hundred the client is not told whether the transaction committed.
    pub indeterminate_percent: usize,
    /// Lists or registers.
    pub shape: Shape,
    /// What the database promises.
    pub isolation: Isolation,
    /// And where it fails.
    pub defect: Option<Defect>,
}

/// One operation of a transaction: on which key, and what it writes; nothing is a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedStep {
    pub key: usize,
    pub write: Option<u32>,
}

/// Draws transactions.
pub(crate) struct TransactionGenerator {
    plan: SimulationPlan,
    /// Of each key in use: its number, how many writes it had, how many it takes.
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
        // Twice as likely each: the position of the highest bit of a number below 2^keys.
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
