//! `steadfast stack test FILE`: takes one session through its life and shows each request and answer.

use crate::args::{ColorMode, StackTestArgs, read_description};
use crate::exit::Exit;
use crate::output::{self, ResultWriter};
use recorder::stores::http::{LifeStep, SeenExchange, StepOutcome, WalkSettings, walk_application};
use std::io::Write;

/// What was seen so far.
#[derive(Default)]
struct WalkCounts {
    kept: usize,
    bugs: usize,
    untried: usize,
    misfit: Option<String>,
}

pub(crate) fn test_stack(args: &StackTestArgs) -> Exit {
    let description = match read_description(&args.file) {
        Ok(description) => description,
        Err(why) => {
            output::print_error(&why);
            return Exit::BadInput;
        }
    };
    let settings =
        WalkSettings { user: args.session.clone(), patience: args.operation_timeout, limit: args.timeout };
    let (mut out, mut counts) = (ResultWriter::new(ColorMode::Auto), WalkCounts::default());
    // Each step is shown at once: if the application hangs, the last line says where.
    let mut tell = |step: &LifeStep| {
        counts.add_step(step);
        let _ = write_step(step, args.quiet, &mut out).and_then(|()| out.flush());
    };
    let walked = walk_application(description, args.keep_secrets, &settings, &mut tell);
    let exit = match walked {
        Ok(true) => {
            let _ = writeln!(out, "\n{}", counts.describe_fit());
            Exit::Holds
        }
        Ok(false) => {
            let why = counts.misfit.as_deref().unwrap_or("the walk ended");
            output::print_error(&format!("{}: {why}", args.file.display()));
            Exit::BadInput
        }
        Err(why) => {
            output::print_error(&format!("{}: {why}", args.file.display()));
            Exit::BadInput
        }
    };
    out.finish(exit)
}

impl WalkCounts {
    fn add_step(&mut self, step: &LifeStep) {
        match step.outcome {
            StepOutcome::Kept => self.kept += 1,
            StepOutcome::PossibleBug => self.bugs += 1,
            StepOutcome::NotTried => self.untried += 1,
            StepOutcome::Misfit => {
                let advice = step.advice.as_deref().unwrap_or_default();
                self.misfit = Some(format!("{}. {advice}", step.did).trim_end().to_owned());
            }
        }
    }

    fn describe_fit(&self) -> String {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let (kept, bugs, untried) = (self.kept, self.bugs, self.untried);
        format!(
            "The description fits: {kept} promise{} kept, {bugs} possible bug{}, {untried} step{} not tried.",
            plural(kept),
            plural(bugs),
            plural(untried),
        )
    }
}

/// Writes a step: one line with the promise and what was done, the advice, and the exchanges.
fn write_step(step: &LifeStep, quiet: bool, out: &mut impl Write) -> std::io::Result<()> {
    let mark = match step.outcome {
        StepOutcome::Kept => "ok    ",
        StepOutcome::PossibleBug => "bug?  ",
        StepOutcome::Misfit => "misfit",
        StepOutcome::NotTried => "-     ",
    };
    match step.outcome {
        StepOutcome::NotTried => writeln!(out, "{mark}  {}: not tried: {}", step.operation, step.did)?,
        _ => writeln!(
            out,
            "{mark}  {} at {}: promised: {}; found: {}",
            step.operation, step.entry, step.promised, step.did
        )?,
    }
    if let Some(advice) = &step.advice {
        writeln!(out, "        {advice}")?;
    }
    match quiet {
        true => Ok(()),
        false => step.exchanges.iter().try_for_each(|exchange| write_exchange(exchange, out)),
    }
}

fn write_exchange(exchange: &SeenExchange, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "        {} {}", exchange.method, exchange.url)?;
    if !exchange.sent.is_empty() {
        writeln!(out, "          sent: {}", exchange.sent.join("; "))?;
    }
    let answer = match (exchange.status, &exchange.failure) {
        (Some(status), _) => {
            let node = exchange.node.as_ref().map_or(String::new(), |node| format!(" from {node}"));
            let to = exchange.location.as_ref().map_or(String::new(), |to| format!(", redirects to {to}"));
            let body = if exchange.body.is_empty() { String::new() } else { format!(", {}", exchange.body) };
            format!("{status}{node} after {} ms{to}{body}", exchange.took.as_millis())
        }
        (None, Some(why)) => format!("none: {why}"),
        (None, None) => "none in time".to_owned(),
    };
    writeln!(out, "          answer: {answer}")?;
    for cookie in &exchange.set_cookies {
        writeln!(out, "          set-cookie: {cookie}")?;
    }
    for taken in &exchange.taken {
        writeln!(out, "          taken: {taken}")?;
    }
    Ok(())
}
