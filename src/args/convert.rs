//! `steadfast convert`.

use super::names::ReadingArgs;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct ConvertArgs {
    /// The history to read; - is standard input
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Where to write it; - is standard output. The name tells the format: .jsonl, .edn or .otlp.json, with .gz or .zst behind it to compress
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// The format to write, where the name does not tell
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) to: Option<Written>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// The formats that can be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Written {
    /// JSON Lines, one event a line
    Native,
    /// Jepsen's EDN, one operation map a line
    Edn,
    /// OpenTelemetry spans in OTLP/JSON, some hundreds a line
    Otlp,
}

impl ConvertArgs {
    /// The format to write: what was asked for, or what the name says.
    pub(crate) fn written(&self) -> Result<Written, String> {
        if let Some(format) = self.to {
            return Ok(format);
        }
        let name = self.output.to_string_lossy().to_ascii_lowercase();
        let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
        match name.rsplit_once('.') {
            Some((stem, "json" | "jsonl")) if stem.ends_with(".otlp") => Ok(Written::Otlp),
            Some((_, "jsonl")) => Ok(Written::Native),
            Some((_, "edn")) => Ok(Written::Edn),
            _ => Err(format!(
                "the name {} tells no format that can be written; say --to native, --to edn or --to otlp",
                self.output.display()
            )),
        }
    }
}
