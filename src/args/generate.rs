//! `steadfast generate`: its options, and the plan that they describe.

use clap::value_parser;
use std::path::PathBuf;
use workloads::databases::{Defect, Isolation, Shape, SimulationPlan};

#[derive(clap::Args, Debug)]
pub(crate) struct GenerateArgs {
    /// File to write; - writes to standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Transactions over lists or over registers
    #[arg(long, value_name = "MODEL", value_enum, default_value = "list-append")]
    model: GeneratedModel,
    /// Isolation level of the simulated database [default: strict-serializable, or the level that the defect breaks]
    #[arg(long, value_name = "LEVEL", value_enum)]
    isolation: Option<SimulatedIsolation>,
    /// Rule that the database breaks occasionally [default: none]
    #[arg(long, value_name = "DEFECT", value_enum)]
    defect: Option<SimulatedDefect>,
    /// Number of transactions
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = value_parser!(u32).range(1..=5_000_000))]
    transactions: u32,
    /// Number of sessions; each has one transaction in flight
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..=10_000))]
    sessions: u32,
    /// Number of keys in use at a time
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=30))]
    keys: u32,
    /// Maximum number of writes of a key, after which a new key replaces it
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u32).range(1..=1_000_000))]
    writes_per_key: u32,
    /// Maximum number of reads and writes in a transaction
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u32).range(1..=1_000))]
    length: u32,
    /// Percentage of transactions that end as `info`
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = value_parser!(u32).range(0..=100))]
    indeterminate: u32,
    /// Seed of all random choices
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Replace OUT if it exists
    #[arg(long, help_heading = "Output")]
    force: bool,
}

/// The models whose histories can be generated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum GeneratedModel {
    /// Reads of lists and appends to them
    ListAppend,
    /// Reads and writes of registers
    RwRegister,
}

/// The isolation levels that can be simulated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum SimulatedIsolation {
    /// Each transaction takes effect at one moment
    StrictSerializable,
    /// Read-only transactions may read an older state
    Serializable,
    /// Each transaction reads the state at its beginning
    SnapshotIsolation,
    /// Two sites with snapshot isolation each
    ParallelSnapshotIsolation,
    /// Each read returns what is committed at that moment
    ReadCommitted,
}

/// The rules that a simulated database can break.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum SimulatedDefect {
    /// A read-only transaction reads a state from before its invocation
    StaleRead,
    /// A transaction reads the state at its beginning, although others have replaced it
    WriteSkew,
    /// A transaction commits although another one has written the same key
    LostUpdate,
    /// The reads of a transaction come from different states
    FracturedRead,
    /// Writes of an aborted transaction can be read
    DirtyRead,
    /// A read returns a write that its transaction later overwrites
    IntermediateRead,
}

/// What `steadfast generate` does.
#[derive(Clone, Debug)]
pub(crate) struct GeneratePlan {
    pub(crate) simulation: SimulationPlan,
    pub(crate) output: PathBuf,
    pub(crate) force: bool,
}

impl GenerateArgs {
    /// Builds the plan. The error is worded for the user.
    pub(crate) fn into_plan(self) -> Result<GeneratePlan, String> {
        let defect = self.defect.map(Defect::from);
        let isolation = match (self.isolation, defect) {
            (None, None) => Isolation::StrictSerializable,
            (Some(level), None) => level.into(),
            (level, Some(defect)) => {
                let broken = defect.broken_level();
                if level.is_some_and(|level| Isolation::from(level) != broken) {
                    return Err(
                        "--defect determines the isolation level that it breaks. Leave out --isolation."
                            .to_owned(),
                    );
                }
                broken
            }
        };
        let shape = match self.model {
            GeneratedModel::ListAppend => Shape::Lists,
            GeneratedModel::RwRegister => Shape::Registers,
        };
        let simulation = SimulationPlan {
            seed: self.seed,
            transactions: self.transactions as usize,
            clients: self.sessions as usize,
            keys: self.keys as usize,
            writes_per_key: self.writes_per_key as usize,
            length_max: self.length as usize,
            indeterminate_percent: self.indeterminate as usize,
            shape,
            isolation,
            defect,
        };
        Ok(GeneratePlan { simulation, output: self.output, force: self.force })
    }
}

impl From<SimulatedIsolation> for Isolation {
    fn from(level: SimulatedIsolation) -> Isolation {
        match level {
            SimulatedIsolation::StrictSerializable => Isolation::StrictSerializable,
            SimulatedIsolation::Serializable => Isolation::Serializable,
            SimulatedIsolation::SnapshotIsolation => Isolation::SnapshotIsolation,
            SimulatedIsolation::ParallelSnapshotIsolation => Isolation::ParallelSnapshotIsolation,
            SimulatedIsolation::ReadCommitted => Isolation::ReadCommitted,
        }
    }
}

impl From<SimulatedDefect> for Defect {
    fn from(defect: SimulatedDefect) -> Defect {
        match defect {
            SimulatedDefect::StaleRead => Defect::StaleRead,
            SimulatedDefect::WriteSkew => Defect::WriteSkew,
            SimulatedDefect::LostUpdate => Defect::LostUpdate,
            SimulatedDefect::FracturedRead => Defect::FracturedRead,
            SimulatedDefect::DirtyRead => Defect::DirtyRead,
            SimulatedDefect::IntermediateRead => Defect::IntermediateRead,
        }
    }
}
