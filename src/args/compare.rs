//! `steadfast compare`: what may be typed, and what it means.

use super::check::{CheckArgs, CheckPlan};
use crate::report::Format;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    check: CheckArgs,
}

/// What `steadfast compare` is to do.
#[derive(Clone, Debug)]
pub(crate) struct ComparePlan {
    pub(crate) check: CheckPlan,
    pub(crate) json: bool,
    pub(crate) report: Option<PathBuf>,
}

impl CompareArgs {
    /// What is meant, or what is wrong with what was typed.
    pub(crate) fn plan(self) -> Result<ComparePlan, String> {
        let mut check = self.check.plan();
        let json = match check.format {
            Format::Text => false,
            Format::Json => true,
            _ => return Err("--format: a comparison is told as text or json".to_owned()),
        };
        if check.certificate.is_some() {
            return Err("--certificate: `steadfast check` writes certificates".to_owned());
        }
        if check.pictures.dot.is_some() {
            return Err("--dot: a comparison has a picture of the levels (--report), and no cycle".to_owned());
        }
        let report = check.pictures.report.take();
        Ok(ComparePlan { check, json, report })
    }
}
