//! Options that several commands share, and the names that may be typed.

use crate::subject::{Promise, Subject};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use histories::format::Format;

/// How a history is to be read.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ReadingArgs {
    /// The format of the histories, where neither name nor content tells
    #[arg(long, value_name = "FORMAT", value_parser = format(), help_heading = "Reading")]
    pub(crate) from: Option<Format>,
    /// Each value is [key, value], as Jepsen's independent workloads write it
    #[arg(long, help_heading = "Reading")]
    pub(crate) independent: bool,
    /// Drop a truncated last line (and say so) instead of refusing the history
    #[arg(long, help_heading = "Reading")]
    pub(crate) lenient: bool,
}

/// Parses the name of a format that can be read.
fn format() -> impl TypedValueParser<Value = Format> {
    let names = Format::ALL.map(|format| PossibleValue::new(format.name()));
    let others = ["jepsen", "knossos", "polysi"].map(|name| PossibleValue::new(name).hide(true));
    PossibleValuesParser::new(names.into_iter().chain(others))
        .map(|name| Format::from_name(&name).expect("one of the possible values"))
}

/// Parses the name of a level that is built, or another name for it.
pub(crate) fn level() -> impl TypedValueParser<Value = Promise> {
    // A name that objects and transactions share is offered once.
    let is_first = |level: &Promise| Promise::by_name(level.name()) == Some(*level);
    let names = Promise::all()
        .filter(is_first)
        .map(|level| PossibleValue::new(level.name()).aliases(level.aliases()).help(level.line()));
    PossibleValuesParser::new(names).map(|name| Promise::by_name(&name).expect("one of the possible values"))
}

/// Parses the name of a model that is built.
pub(crate) fn model() -> impl TypedValueParser<Value = Subject> {
    let names = Subject::all().map(|(_, name, line)| PossibleValue::new(name).help(line));
    PossibleValuesParser::new(names).map(|name| {
        let known = Subject::all().find(|known| known.1 == name);
        known.expect("one of the possible values").0
    })
}
