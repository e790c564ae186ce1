//! Options that several commands share, and the names that may be typed.

use checker::{Model, Property};
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
    /// Of a table (csv), the columns whose names do not tell: call=t0,f=verb
    #[arg(long, value_name = "NAME=COLUMN,..", help_heading = "Reading")]
    pub(crate) columns: Option<String>,
    /// Of a Parquet file, read only the events of the objects with these keys (JSON, or text that is taken for a string)
    #[arg(long, value_name = "KEY,..", value_delimiter = ',', help_heading = "Reading")]
    pub(crate) key: Vec<String>,
}

impl ReadingArgs {
    /// The keys that are wanted, as JSON; absent: all.
    pub(crate) fn selected_keys(&self) -> Option<Vec<String>> {
        let json = |key: &String| {
            crate::input::canonical(key).unwrap_or_else(|_| serde_json::Value::from(key.as_str()).to_string())
        };
        (!self.key.is_empty()).then(|| self.key.iter().map(json).collect())
    }
}

/// Parses the name of a format that can be read.
fn format() -> impl TypedValueParser<Value = Format> {
    let names = Format::ALL.map(|format| PossibleValue::new(format.name()));
    let others = ["jepsen", "knossos", "polysi"].map(|name| PossibleValue::new(name).hide(true));
    PossibleValuesParser::new(names.into_iter().chain(others))
        .map(|name| Format::from_name(&name).expect("one of the possible values"))
}

/// Parses the name of a property, or another name for it.
pub(crate) fn property() -> impl TypedValueParser<Value = Property> {
    // A name that objects and transactions share is offered once.
    let is_first = |property: &Property| Property::by_name(property.name()) == Some(*property);
    let names = Property::all()
        .filter(is_first)
        .map(|known| PossibleValue::new(known.name()).aliases(known.aliases()).help(known.line()));
    PossibleValuesParser::new(names).map(|name| Property::by_name(&name).expect("one of the possible values"))
}

/// Parses the name of a model.
pub(crate) fn model() -> impl TypedValueParser<Value = Model> {
    let names = Model::ALL.iter().map(|model| PossibleValue::new(model.name()).help(model.line()));
    PossibleValuesParser::new(names).map(|name| Model::by_name(&name).expect("one of the possible values"))
}
