//! `steadfast convert`: its options.

use super::names::ReadingArgs;
use histories::format::TargetFormat;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(crate) struct ConvertArgs {
    /// History to read; - reads standard input
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// File to write; - writes to standard output
    ///
    /// The name determines the format: .jsonl, .edn, .otlp.json, .parquet or .bincode (dbcop). Append .gz or .zst to compress.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Format to write [default: by the name of OUT]
    #[arg(long, value_name = "FORMAT", value_enum, help_heading = "Output")]
    pub(crate) to: Option<WrittenFormat>,
    /// Write the history even if the format cannot express the order between sessions, which is lost
    #[arg(long, help_heading = "Output")]
    pub(crate) without_real_time: bool,
    /// Replace OUT if it exists
    #[arg(long, help_heading = "Output")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// The formats that can be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum WrittenFormat {
    /// JSON Lines, one event per line
    Native,
    /// Jepsen EDN, one operation map per line
    Edn,
    /// OpenTelemetry spans in OTLP/JSON
    Otlp,
    /// Text of Plume and PolySI, one step of a transaction per line
    Plume,
    /// Test format of AWDIT
    Awdit,
    /// JSON of dbcop (2026)
    DbcopJson,
    /// Bincode of dbcop (2019)
    DbcopBincode,
    /// Events as columns, in a Parquet file
    Parquet,
}

impl From<WrittenFormat> for TargetFormat {
    fn from(written: WrittenFormat) -> TargetFormat {
        match written {
            WrittenFormat::Native => TargetFormat::Native,
            WrittenFormat::Edn => TargetFormat::Edn,
            WrittenFormat::Otlp => TargetFormat::Otlp,
            WrittenFormat::Plume => TargetFormat::Plume,
            WrittenFormat::Awdit => TargetFormat::Awdit,
            WrittenFormat::DbcopJson => TargetFormat::DbcopJson,
            WrittenFormat::DbcopBincode => TargetFormat::DbcopBincode,
            WrittenFormat::Parquet => TargetFormat::Parquet,
        }
    }
}

impl ConvertArgs {
    /// The format to write, by `--to` or by the name.
    pub(crate) fn target_format(&self) -> Result<TargetFormat, String> {
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
                "the name {} does not determine an output format. Pass --to native, edn, otlp, plume, awdit, dbcop-json, \
                 dbcop-bincode or parquet",
                self.output.display()
            )),
        }
    }
}
