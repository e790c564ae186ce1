//! The options for measurements and objectives.

use super::names;
use crate::objectives::Objective;
use std::path::PathBuf;

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct MeasuringArgs {
    /// Show all figures [default: only the effect of each fault]
    #[arg(long, help_heading = "Objectives")]
    measure: bool,
    /// Limits on figures, such as recovery.p99=3s or availability=99.5%; `steadfast objectives` lists the figures
    ///
    /// The exit code is 1 if an objective is missed.
    #[arg(long = "objective", alias = "slo", value_name = "NAME=LIMIT,..", value_delimiter = ',', value_parser = names::objective_parser(), help_heading = "Objectives", hide_possible_values = true)]
    slo: Vec<Objective>,
    /// TOML file with objectives, each a name and a limit
    #[arg(long = "objective-file", alias = "objectives", value_name = "FILE", help_heading = "Objectives")]
    objectives: Option<PathBuf>,
}

/// What is measured and shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct MeasuringPlan {
    /// Whether to show all figures.
    pub(crate) everything: bool,
    pub(crate) objectives: Vec<Objective>,
}

impl MeasuringArgs {
    /// Builds the plan. The error says what is wrong with the file.
    pub(crate) fn into_plan(self) -> Result<MeasuringPlan, String> {
        let mut objectives = self.slo;
        if let Some(file) = &self.objectives {
            let shown = file.display();
            let text =
                std::fs::read_to_string(file).map_err(|why| format!("failed to read {shown}: {why}"))?;
            let more = Objective::from_toml(&text).map_err(|why| format!("{shown}: {why}"))?;
            // Objectives on the command line take precedence.
            let typed: Vec<_> = objectives.iter().map(|objective| objective.metric.name).collect();
            objectives.extend(more.into_iter().filter(|objective| !typed.contains(&objective.metric.name)));
        }
        Ok(MeasuringPlan { everything: self.measure, objectives })
    }
}
