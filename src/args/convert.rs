//! `steadfast convert`.

use super::names::ReadingArgs;
use histories::format::TargetFormat;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct ConvertArgs {
    /// The history to read; - is standard input
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Where to write it; - is standard output. The name tells the format: .jsonl, .edn, .otlp.json, .parquet, .bincode (dbcop), with .gz or .zst behind it to compress
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// The format to write, where the name does not tell
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) to: Option<Written>,
    /// Write it also where the order between sessions cannot be said, and lose that
    #[arg(long)]
    pub(crate) without_real_time: bool,
    /// Replace OUT if it exists
    #[arg(long)]
    pub(crate) force: bool,
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
    /// Plume's and PolySI's text, one step of a transaction a line
    Plume,
    /// AWDIT's text for tests
    Awdit,
    /// dbcop's JSON of 2026
    DbcopJson,
    /// dbcop's bincode of 2019
    DbcopBincode,
    /// Events as columns, in a Parquet file
    Parquet,
}

impl From<Written> for TargetFormat {
    fn from(written: Written) -> TargetFormat {
        match written {
            Written::Native => TargetFormat::Native,
            Written::Edn => TargetFormat::Edn,
            Written::Otlp => TargetFormat::Otlp,
            Written::Plume => TargetFormat::Plume,
            Written::Awdit => TargetFormat::Awdit,
            Written::DbcopJson => TargetFormat::DbcopJson,
            Written::DbcopBincode => TargetFormat::DbcopBincode,
            Written::Parquet => TargetFormat::Parquet,
        }
    }
}

impl ConvertArgs {
    /// The format to write: what was asked for, or what the name says.
    pub(crate) fn written(&self) -> Result<TargetFormat, String> {
        if let Some(format) = self.to {
            return Ok(format.into());
        }
        let name = self.output.to_string_lossy().to_ascii_lowercase();
        let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
        match name.rsplit_once('.') {
            Some((stem, "json" | "jsonl")) if stem.ends_with(".otlp") => Ok(TargetFormat::Otlp),
            Some((_, "jsonl")) => Ok(TargetFormat::Native),
            Some((_, "edn")) => Ok(TargetFormat::Edn),
            Some((_, "parquet")) => Ok(TargetFormat::Parquet),
            Some((_, "bincode")) => Ok(TargetFormat::DbcopBincode),
            _ => Err(format!(
                "the name {} tells no format that can be written; say --to native, edn, otlp, plume, awdit, \
                 dbcop-json, dbcop-bincode or parquet",
                self.output.display()
            )),
        }
    }
}
