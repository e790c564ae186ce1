//! What may be asked to be measured, and how good it has to be.

use crate::objectives::Objective;
use std::path::PathBuf;

#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct MeasuringArgs {
    /// Show all that was measured [default: what each fault did, where there are faults and times]
    #[arg(long, help_heading = "Objectives")]
    measure: bool,
    /// What a figure may be at most, or must be at least: recovery.p99=3s, availability=99.5% (`steadfast objectives` lists
    /// them); missed, the exit code is 1
    #[arg(long, value_name = "NAME=LIMIT,..", value_delimiter = ',', value_parser = Objective::parse, help_heading = "Objectives")]
    slo: Vec<Objective>,
    /// A TOML file of such objectives: a name and a limit each
    #[arg(long, value_name = "FILE", help_heading = "Objectives")]
    objectives: Option<PathBuf>,
}

/// What is to be measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measuring {
    /// Whether to show everything.
    pub(crate) everything: bool,
    pub(crate) objectives: Vec<Objective>,
}

impl MeasuringArgs {
    /// What is meant, or what is wrong with the file.
    pub(crate) fn plan(self) -> Result<Measuring, String> {
        let mut objectives = self.slo;
        if let Some(file) = &self.objectives {
            let shown = file.display();
            let text =
                std::fs::read_to_string(file).map_err(|why| format!("failed to read {shown}: {why}"))?;
            let more = Objective::from_toml(&text).map_err(|why| format!("{shown}: {why}"))?;
            // What was typed wins.
            let typed: Vec<_> = objectives.iter().map(|objective| objective.metric.name).collect();
            objectives.extend(more.into_iter().filter(|objective| !typed.contains(&objective.metric.name)));
        }
        Ok(Measuring { everything: self.measure, objectives })
    }
}
