//! `steadfast run`: records, and checks what was recorded.

use super::{check, record};
use crate::args::{JudgeArgs, RunPlan};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(plan: &RunPlan, judge: JudgeArgs) -> Exit {
    match record::record(plan) {
        Ok(Some(_)) => {
            let exported = record::export(plan);
            check::run(&judge.plan(plan)).max(exported)
        }
        Ok(None) => Exit::Holds,
        Err(why) => {
            output::complain(&why);
            Exit::BadInput
        }
    }
}
