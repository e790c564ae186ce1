//! Options that several commands share, and the parsers of names.
//!
//! Names are parsed without regard to case. An unknown name is reported with the closest known one.

use super::suggest::{describe_unknown, find_name, fold_name};
use crate::objectives::Objective;
use checker::measurements::METRICS;
use checker::{Model, Property};
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::Error;
use histories::format::Format;
use std::ffi::OsStr;
use std::path::PathBuf;

/// The options for reading a history.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ReadingArgs {
    /// Format of the histories [default: recognised from name and content]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), help_heading = "Reading")]
    pub(crate) from: Option<Format>,
    /// Read each value as [key, value], as in Jepsen's independent workloads
    #[arg(long, help_heading = "Reading")]
    pub(crate) independent: bool,
    /// Drop a truncated last line instead of refusing the history; the report says so
    #[arg(long, help_heading = "Reading")]
    pub(crate) lenient: bool,
    /// Columns of a CSV table with unusual names, such as call=t0,f=verb
    #[arg(long, value_name = "NAME=COLUMN,..", help_heading = "Reading")]
    pub(crate) columns: Option<String>,
    /// TOML file that says which spans of an application are operations on its sessions (docs/traces.md); the histories are
    /// OTLP/JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["independent", "lenient", "columns", "key"], help_heading = "Reading")]
    pub(crate) map: Option<PathBuf>,
    /// From a Parquet file, read only the events of objects with these keys (JSON, or plain text for strings)
    #[arg(long, value_name = "KEY,..", value_delimiter = ',', help_heading = "Reading")]
    pub(crate) key: Vec<String>,
}

impl ReadingArgs {
    /// The selected keys, as JSON. `None` selects all.
    pub(crate) fn selected_keys(&self) -> Option<Vec<String>> {
        let json = |key: &String| {
            crate::input::canonical_json(key)
                .unwrap_or_else(|_| serde_json::Value::from(key.as_str()).to_string())
        };
        (!self.key.is_empty()).then(|| self.key.iter().map(json).collect())
    }
}

/// Parses a name with a function, and offers the known names to the help and to completions.
///
/// Clap's own parser of possible values lists all of them in its error, which for levels fills a screen.
#[derive(Clone)]
pub(crate) struct NameParser<T> {
    parse: fn(&str) -> Result<T, String>,
    offered: fn() -> Vec<PossibleValue>,
}

impl<T> NameParser<T> {
    pub(crate) fn new(parse: fn(&str) -> Result<T, String>, offered: fn() -> Vec<PossibleValue>) -> Self {
        Self { parse, offered }
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for NameParser<T> {
    type Value = T;

    fn parse_ref(&self, command: &clap::Command, arg: Option<&clap::Arg>, value: &OsStr) -> Result<T, Error> {
        let parse = self.parse;
        StringValueParser::new().try_map(move |text| parse(&text)).parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.offered)().into_iter()))
    }
}

/// Parses the name of a format that can be read.
fn format_parser() -> NameParser<Format> {
    let parse = |typed: &str| {
        let names = Format::ALL.map(|format| format.name());
        Format::from_name(&fold_name(typed)).ok_or_else(|| describe_unknown("format", typed, &names, None))
    };
    NameParser::new(parse, || Format::ALL.iter().map(|format| PossibleValue::new(format.name())).collect())
}

/// Parses the name of a property, or an alias of it.
pub(crate) fn property_parser() -> NameParser<Property> {
    let parse = |typed: &str| {
        let names: Vec<&str> = Property::all()
            .flat_map(|known| std::iter::once(known.name()).chain(known.aliases().iter().copied()))
            .collect();
        let found = find_name(typed, names.iter().copied()).and_then(Property::by_name);
        found.ok_or_else(|| describe_unknown("level or finding", typed, &names, Some("steadfast levels")))
    };
    NameParser::new(parse, || {
        // A name that objects and transactions share is offered once.
        let is_first = |property: &Property| Property::by_name(property.name()) == Some(*property);
        let known = Property::all().filter(is_first);
        known.map(|known| PossibleValue::new(known.name()).help(known.line())).collect()
    })
}

/// Parses the name of a model.
pub(crate) fn model_parser() -> NameParser<Model> {
    let parse = |typed: &str| {
        let names: Vec<&str> = Model::ALL.iter().map(|model| model.name()).collect();
        let found = find_name(typed, names.iter().copied()).and_then(Model::by_name);
        found.ok_or_else(|| describe_unknown("model", typed, &names, Some("steadfast models")))
    };
    NameParser::new(parse, || {
        Model::ALL.iter().map(|model| PossibleValue::new(model.name()).help(model.line())).collect()
    })
}

/// Parses an objective. Completions offer the names of the figures.
pub(crate) fn objective_parser() -> NameParser<Objective> {
    NameParser::new(Objective::parse_objective, || {
        METRICS.iter().map(|metric| PossibleValue::new(metric.objective).help(metric.line)).collect()
    })
}
