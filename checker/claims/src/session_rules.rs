//! The parameters of a question about sessions: their time to live, what renews it, and the tolerance for clocks.

#[cfg(doc)]
use crate::FindingKind;
use histories::{Function, History};
use serde::{Deserialize, Serialize};

/// The default tolerance: a session may end this much earlier or later than its time to live.
pub const TOLERANCE_NS: i64 = 100_000_000;

/// The parameters by which findings about sessions are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionRules {
    /// How long a session lives after its last renewal; `None`: sessions do not expire.
    pub time_to_live_ns: Option<i64>,
    /// The operations that renew a session.
    pub renewed_by: RenewingOperations,
    /// How far clocks may be off. A session may end this much too early or too late. An answer may contain a time this
    /// much before a time that the session was told earlier.
    pub tolerance_ns: i64,
    /// Whether requests may be missing, as in sampled traces. Then only findings are asked that no missing request
    /// explains: [`FindingKind::is_certain_in_sample`].
    #[serde(default)]
    pub is_sample: bool,
}

/// The operations that renew a session's time to live. A creation always begins it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "named as operations are")]
pub struct RenewingOperations {
    pub write: bool,
    pub patch: bool,
    pub touch: bool,
    pub renew: bool,
    pub read: bool,
}

impl Default for RenewingOperations {
    /// All of them except reads.
    fn default() -> Self {
        Self { write: true, patch: true, touch: true, renew: true, read: false }
    }
}

impl RenewingOperations {
    /// Parses names of operations. The error names one that renews no session.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut by = Self { write: false, patch: false, touch: false, renew: false, read: false };
        for name in names {
            match name {
                "create" => {}
                "write" => by.write = true,
                "patch" => by.patch = true,
                "touch" => by.touch = true,
                "renew" => by.renew = true,
                "read" => by.read = true,
                other => {
                    return Err(format!(
                        "{other:?} renews no session: expected create, write, patch, touch, renew or read"
                    ));
                }
            }
        }
        Ok(by)
    }

    /// Whether operations with this function renew a session.
    pub fn includes_function(&self, function: Function) -> bool {
        match function {
            Function::CREATE => true,
            Function::WRITE => self.write,
            Function::PATCH => self.patch,
            Function::TOUCH => self.touch,
            Function::RENEW => self.renew,
            Function::READ => self.read,
            _ => false,
        }
    }
}

impl Default for SessionRules {
    /// Sessions do not expire.
    fn default() -> Self {
        Self {
            time_to_live_ns: None,
            renewed_by: RenewingOperations::default(),
            tolerance_ns: TOLERANCE_NS,
            is_sample: false,
        }
    }
}

impl SessionRules {
    /// Whether the header tells a rule of a session store. Then the history is one, even if it has only operations that
    /// registers have too, such as a small part of a recording.
    pub(crate) fn are_in_header(history: &History) -> bool {
        let header = history.header().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        header.is_some_and(|header| {
            ["time_to_live_ms", "renewed_by", "sampled"].iter().any(|name| header.get(name).is_some())
        })
    }

    /// Reads the parameters from the header of a history, with the default tolerance. The error says what the header
    /// contains instead.
    pub fn from_header(history: &History) -> Result<Self, String> {
        let header: serde_json::Value = match history.header() {
            Some(text) => serde_json::from_str(text).map_err(|why| format!("the header: {why}"))?,
            None => serde_json::Value::Null,
        };
        let time_to_live_ns = match header.get("time_to_live_ms") {
            None | Some(serde_json::Value::Null) => None,
            Some(told) => {
                let ns = told.as_i64().filter(|&ms| ms > 0).and_then(|ms| ms.checked_mul(1_000_000));
                Some(ns.ok_or_else(|| {
                    format!("time_to_live_ms in the header is {told}. It must be a number of milliseconds")
                })?)
            }
        };
        let renewed_by = match header.get("renewed_by") {
            None | Some(serde_json::Value::Null) => RenewingOperations::default(),
            Some(serde_json::Value::Array(names)) => {
                let names: Option<Vec<&str>> = names.iter().map(serde_json::Value::as_str).collect();
                let names = names.ok_or("the header's renewed_by: expected names of operations")?;
                RenewingOperations::from_names(names)
                    .map_err(|why| format!("the header's renewed_by: {why}"))?
            }
            Some(told) => {
                return Err(format!("renewed_by in the header is {told}. It must be a list of names"));
            }
        };
        let is_sample = header.get("sampled").and_then(serde_json::Value::as_bool).unwrap_or(false);
        Ok(Self { time_to_live_ns, renewed_by, tolerance_ns: TOLERANCE_NS, is_sample })
    }
}
