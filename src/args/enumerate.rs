//! `steadfast enumerate`: its options, and the plan that they describe.

use super::CompareFormat;
use super::names::property_parser;
use super::quantity::parse_duration;
use checker::{Model, Property};
use std::path::PathBuf;
use std::time::Duration;
use workloads::enumeration::{HistoryShape, SmallObjects};

#[derive(clap::Args, Debug)]
pub(crate) struct EnumerateArgs {
    /// Number of operations of each session, such as 2+2 or 2+1+1
    #[arg(long, value_name = "N+N")]
    shape: String,
    /// Number of keys
    #[arg(long, value_name = "N", default_value_t = 2)]
    keys: usize,
    /// Operations: single reads and writes of registers, or transactions over registers or lists
    #[arg(long, value_name = "MODEL", value_enum, default_value = "register")]
    model: EnumeratedModel,
    /// Maximum number of reads and writes in a transaction
    #[arg(long, value_name = "N", default_value_t = 2)]
    length: usize,
    /// Distinguish histories by their real-time order; a level with real time in `--satisfies` or `--violates` implies it
    #[arg(long)]
    real_time: bool,
    /// Find a smallest history that satisfies these levels
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', value_parser = property_parser(), hide_possible_values = true)]
    satisfies: Vec<Property>,
    /// Find a smallest history that violates these levels
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', value_parser = property_parser(), hide_possible_values = true)]
    violates: Vec<Property>,

    /// Time limit; what was found by then is reported [default: none]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Limits")]
    timeout: Option<Duration>,

    /// Format of the results on standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", help_heading = "Output")]
    format: CompareFormat,
    /// Write the history that was found to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Replace the output file if it exists
    #[arg(long, help_heading = "Output")]
    force: bool,
}

/// The models whose histories can be enumerated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum EnumeratedModel {
    /// Single reads and writes
    Register,
    /// Transactions of reads and writes
    RwRegister,
    /// Transactions of reads of lists and appends to them
    ListAppend,
}

impl EnumeratedModel {
    fn parts(self) -> (Model, SmallObjects) {
        match self {
            EnumeratedModel::Register => (Model::Register, SmallObjects::Registers),
            EnumeratedModel::RwRegister => (Model::RwRegister, SmallObjects::TransactionsOverRegisters),
            EnumeratedModel::ListAppend => (Model::ListAppend, SmallObjects::TransactionsOverLists),
        }
    }
}

/// What `steadfast enumerate` does.
#[derive(Clone, Debug)]
pub(crate) struct EnumeratePlan {
    pub(crate) shape: HistoryShape,
    pub(crate) model: Model,
    /// The levels that the history to find satisfies and violates; both are empty if histories are to be counted.
    pub(crate) satisfies: Vec<Property>,
    pub(crate) violates: Vec<Property>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) format: CompareFormat,
    pub(crate) output: Option<PathBuf>,
    pub(crate) force: bool,
}

impl EnumerateArgs {
    /// Builds the plan. The error is worded for the user.
    pub(crate) fn into_plan(self) -> Result<EnumeratePlan, String> {
        let (model, objects) = self.model.parts();
        let mut shape = HistoryShape::parse(&self.shape, self.keys, self.length, objects)
            .map_err(|why| format!("--shape {}: {why}", self.shape))?;
        let resolve = |levels: Vec<Property>| -> Result<Vec<Property>, String> {
            levels.into_iter().map(|level| resolve_level(level, model)).collect()
        };
        let (satisfies, violates) = (resolve(self.satisfies)?, resolve(self.violates)?);
        if self.output.is_some() && satisfies.is_empty() && violates.is_empty() {
            return Err(
                "--output needs --satisfies or --violates: there is no single history to write.".to_owned()
            );
        }
        if let Some(both) = satisfies.iter().find(|level| violates.contains(level)) {
            return Err(format!("no history both satisfies and violates {}. Name two levels.", both.name()));
        }
        let asked = satisfies.iter().chain(&violates);
        shape.real_time = self.real_time || asked.copied().any(mentions_real_time);
        Ok(EnumeratePlan {
            shape,
            model,
            satisfies,
            violates,
            timeout: self.timeout,
            format: self.format,
            output: self.output,
            force: self.force,
        })
    }
}

/// Whether the definition of a level mentions real time.
pub(crate) fn mentions_real_time(level: Property) -> bool {
    checker::define_level(level).is_some_and(|known| known.mentions_real_time)
}

fn resolve_level(level: Property, model: Model) -> Result<Property, String> {
    level.resolve_for_model(model).filter(|&level| checker::define_level(level).is_some()).ok_or_else(|| {
        let known = model.comparable_properties();
        let names: Vec<&str> = known.iter().map(|level| level.name()).collect();
        format!("{} is not a level of {}. Its levels are: {}.", level.name(), model.name(), names.join(", "))
    })
}
