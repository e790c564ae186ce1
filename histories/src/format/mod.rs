//! Histories on disk: read in any of their formats, written in two.
//!
//! A history of ten million events is a gigabyte of text. Read with all care on one core it takes a
//! quarter of a minute; held in memory as text it takes more than the history itself. So the text streams by in blocks of a
//! quarter megabyte (`blocks`): while one thread reads on and merges (`merge`), the others turn blocks into small
//! tables of their own (`chunk`). What is in flight is some dozen blocks, whatever the file's size.
//!
//! A line of the usual shape is read by a scanner made for it (`scan`); everything else, and everything that
//! is wrong, by a slow and careful path (`json`, `edn`, `event`) that knows each part's place and says
//! what was expected there. Both must agree: a property test holds them against each other.
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

mod blocks;
mod chunk;
mod datum;
mod edn;
mod event;
mod indexes;
mod input;
mod jepsen_json;
mod json;
mod lines;
mod merge;
mod names;
mod otlp;
mod output;
mod read;
mod recognise;
mod scan;
mod write;

pub use input::Input;
pub use otlp::{OtlpLines, write_otlp};
pub use output::Output;
pub use read::{Loaded, ReadOptions, from_text, read};
pub use write::{write_edn, write_native};

/// A format that histories are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// JSON Lines: one event a line.
    Native,
    /// Jepsen's events in JSON: an array, or one after another.
    JepsenJson,
    /// EDN, as Jepsen and Knossos write it: a vector or list of maps, or maps one after another.
    Edn,
    /// The logs of etcd runs in Porcupine's tests: `INFO  jepsen.util - 3 :invoke :write 4`.
    PorcupineEtcd,
    /// The key-value histories in Porcupine's tests: EDN, one map a line, with `:key`.
    PorcupineKv,
    /// OpenTelemetry spans in OTLP/JSON, as a collector's file exporter writes them.
    Otlp,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] = [
        Format::Native,
        Format::JepsenJson,
        Format::Edn,
        Format::PorcupineEtcd,
        Format::PorcupineKv,
        Format::Otlp,
    ];

    /// Its name, as `--from` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Native => "native",
            Format::JepsenJson => "jepsen-json",
            Format::Edn => "edn",
            Format::PorcupineEtcd => "porcupine-etcd",
            Format::PorcupineKv => "porcupine-kv",
            Format::Otlp => "otlp",
        }
    }

    /// The format of a name; `knossos` and `jepsen` are EDN.
    pub fn from_name(name: &str) -> Option<Format> {
        match name {
            "knossos" | "jepsen" | "jepsen-edn" => Some(Format::Edn),
            _ => Format::ALL.into_iter().find(|format| format.name() == name),
        }
    }
}
