//! Reads histories in many file formats, and writes them in some.
//!
//! A history of ten million events is a gigabyte of text. Read by the careful parser on one core, it takes a quarter of
//! a minute; held in memory as text, it takes more space than the history itself. So the text is streamed in blocks of
//! a quarter megabyte (`blocks`). One thread reads on and merges (`merge`), while the others parse blocks into small
//! tables of their own (`chunk`). Only a few dozen blocks are in memory at a time, whatever the size of the file.
//!
//! A line of the usual shape is read by a scanner made for it (`scan`). Any other line, and any line with a mistake,
//! goes through a slower, careful path (`json`, `edn`, `event`) that knows the place of each part and says what was
//! expected there. Both must agree; a property test compares them.
//!
//! ```
//! use histories::format::{self, Format};
//!
//! let text = r#"
//! {"process": 0, "type": "invoke", "f": "write", "key": "x", "value": 5}
//! {"process": 0, "type": "ok", "f": "write", "key": "x", "value": 5}
//! "#;
//! let history = format::from_text(Format::Native, text).unwrap();
//! assert_eq!((history.len(), history.event_count()), (1, 2));
//!
//! let mut edn = Vec::new();
//! format::write_edn(&history, &mut edn).unwrap();
//! assert!(edn.starts_with(b"{:index 0, :process 0, :type :invoke, :f :write, :key \"x\", :value 5}"));
//!
//! let problems = format::from_text(Format::Native, r#"{"process": 0, "type": "invok", "f": "read"}"#);
//! assert_eq!(
//!     problems.unwrap_err().to_string(),
//!     "text:1:24: found \"invok\", expected a type: invoke, ok, fail or info"
//! );
//! ```

mod awdit;
mod blocks;
mod by_session;
mod census;
mod chronos;
mod chunk;
mod cobra;
#[cfg(feature = "arrow")]
pub mod columns;
mod datum;
mod dbcop;
mod edn;
mod event;
mod folder;
mod gathering;
mod indexes;
mod input;
mod integers;
mod jepsen_json;
mod json;
mod lines;
mod loaded;
mod merge;
mod merge_settings;
mod micros;
mod names;
mod operations;
mod otlp;
mod output;
mod pairing;
mod places;
mod plume;
mod read;
mod read_sessions;
mod recognise;
mod s2;
mod sayable;
mod scan;
mod stream;
mod whole;
mod write;
mod write_sessions;
#[cfg(any(test, all(feature = "zstd", target_family = "wasm")))]
mod zstd_frames;

pub use input::{Input, open_decompressed};
pub use loaded::{Loaded, ReadOptions};
pub use otlp::{OtlpLines, began_unix_ns, write_otlp};
pub use output::Output;
pub use read::{StreamPart, from_text, read, read_stream_part};
pub use sayable::{AcceptedLosses, NotRepresentable, RepresentableHistory};
pub use write::{push_event_line, write_edn, write_native};

/// A format that histories can be read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// JSON Lines: one event a line.
    Native,
    /// Jepsen's events in JSON: in an array, or one after another.
    JepsenJson,
    /// EDN, as Jepsen and Knossos write it: a vector or list of maps, or maps one after another.
    Edn,
    /// Jepsen's logs, and excerpts of them in Porcupine's tests: `INFO  jepsen.util - 3 :invoke :write 4`. Other lines
    /// are skipped.
    PorcupineEtcd,
    /// The `history.txt` of a run of Jepsen: `3 :invoke :write 4`.
    JepsenText,
    /// The key-value histories in Porcupine's tests: EDN, one map a line, with `:key`.
    PorcupineKv,
    /// OpenTelemetry spans in OTLP/JSON, as a collector's file exporter writes them.
    Otlp,
    /// Plume's and PolySI's text: `w(key,value,session,transaction)`, a step a line.
    Plume,
    /// AWDIT's text for tests: `w key value`, with lines of `=` between sessions and lines of `-` between transactions.
    Awdit,
    /// dbcop's bincode of 2019 or its JSON of 2026; the first bytes tell which.
    Dbcop,
    /// Porcupine's operations in JSON: objects with a call and a return.
    PorcupineJson,
    /// Operations as a table in CSV, with a line of column names.
    Csv,
    /// The logs of S2's verification: starts and finishes in JSON Lines.
    S2,
    /// Chronos' and Aion's JSON: transactions with timestamps from the database.
    Chronos,
    /// Cobra's logs: a folder with a file for each session.
    Cobra,
    /// Events as columns, in a Parquet file.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 16] = [
        Format::Native,
        Format::JepsenJson,
        Format::Edn,
        Format::JepsenText,
        Format::PorcupineEtcd,
        Format::PorcupineKv,
        Format::Otlp,
        Format::Plume,
        Format::Awdit,
        Format::Dbcop,
        Format::PorcupineJson,
        Format::Csv,
        Format::S2,
        Format::Chronos,
        Format::Cobra,
        Format::Parquet,
    ];

    /// The name of the format, as `--from` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Native => "native",
            Format::JepsenJson => "jepsen-json",
            Format::Edn => "edn",
            Format::PorcupineEtcd => "porcupine-etcd",
            Format::PorcupineKv => "porcupine-kv",
            Format::Otlp => "otlp",
            Format::Plume => "plume",
            Format::Awdit => "awdit",
            Format::Dbcop => "dbcop",
            Format::JepsenText => "jepsen-text",
            Format::PorcupineJson => "porcupine-json",
            Format::Csv => "csv",
            Format::S2 => "s2",
            Format::Chronos => "chronos",
            Format::Cobra => "cobra",
            Format::Parquet => "parquet",
        }
    }

    /// Whether a file of this format must be read completely before its first event is known.
    pub(crate) fn is_read_whole(self) -> bool {
        matches!(self, Format::Otlp | Format::PorcupineJson | Format::Csv | Format::Chronos)
    }

    /// Whether the format records what each session did, but not when.
    pub(crate) fn is_by_session(self) -> bool {
        matches!(self, Format::Plume | Format::Awdit | Format::Dbcop)
    }

    /// The format with a name. Some formats have several names: `knossos`, `jepsen` and `viper` are EDN, `polysi` and
    /// `isovista` are Plume's format, `aion` is Chronos', and `jepsen-log` is the format of the excerpts in Porcupine's
    /// tests.
    pub fn from_name(name: &str) -> Option<Format> {
        match name {
            "knossos" | "jepsen" | "jepsen-edn" => Some(Format::Edn),
            "jepsen-log" => Some(Format::PorcupineEtcd),
            "aion" => Some(Format::Chronos),
            "viper" => Some(Format::Edn),
            "polysi" | "isovista" => Some(Format::Plume),
            _ => Format::ALL.into_iter().find(|format| format.name() == name),
        }
    }
}

/// A format that histories can be written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetFormat {
    /// JSON Lines.
    Native,
    /// Jepsen's EDN, a map a line.
    Edn,
    /// OpenTelemetry spans in OTLP/JSON, 500 per line.
    Otlp,
    /// Plume's text.
    Plume,
    /// AWDIT's text for tests.
    Awdit,
    /// dbcop's JSON of 2026.
    DbcopJson,
    /// dbcop's bincode of 2019.
    DbcopBincode,
    /// Events as columns, in a Parquet file.
    Parquet,
}

impl TargetFormat {
    /// The name of the format.
    pub fn name(self) -> &'static str {
        match self {
            TargetFormat::Native => "native",
            TargetFormat::Edn => "edn",
            TargetFormat::Otlp => "otlp",
            TargetFormat::Plume => "plume",
            TargetFormat::Awdit => "awdit",
            TargetFormat::DbcopJson => "dbcop-json",
            TargetFormat::DbcopBincode => "dbcop-bincode",
            TargetFormat::Parquet => "parquet",
        }
    }
}
