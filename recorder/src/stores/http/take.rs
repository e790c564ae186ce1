//! The places in an answer from which values for later requests are taken.

use serde::Deserialize;

/// A place in an answer, as the stack file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeTable {
    json: Option<String>,
    header: Option<String>,
    cookie: Option<String>,
    between: Option<[String; 2]>,
}

/// A place in an answer from which a value is taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TakeFrom {
    /// A JSON pointer into the body.
    Json(String),
    Header(String),
    /// A cookie that the user holds after the answer.
    Cookie(String),
    /// The text between the first occurrences of two texts in the body.
    Between(String, String),
}

impl TakeTable {
    pub(super) fn read(self) -> Result<TakeFrom, String> {
        match (self.json, self.header, self.cookie, self.between) {
            (Some(pointer), None, None, None) if pointer.is_empty() || pointer.starts_with('/') => {
                Ok(TakeFrom::Json(pointer))
            }
            (Some(pointer), None, None, None) => Err(format!("json = {pointer:?} must begin with /")),
            (None, Some(name), None, None) => Ok(TakeFrom::Header(name.to_ascii_lowercase())),
            (None, None, Some(name), None) => Ok(TakeFrom::Cookie(name)),
            (None, None, None, Some([before, after])) if !before.is_empty() && !after.is_empty() => {
                Ok(TakeFrom::Between(before, after))
            }
            _ => Err("use exactly one of json = \"/POINTER\", header = \"NAME\", cookie = \"NAME\", \
                      between = [\"TEXT BEFORE\", \"TEXT AFTER\"]"
                .to_owned()),
        }
    }
}

impl std::fmt::Display for TakeFrom {
    /// Writes the place as a stack file states it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TakeFrom::Json(pointer) => write!(f, "json {pointer:?}"),
            TakeFrom::Header(name) => write!(f, "header {name}"),
            TakeFrom::Cookie(name) => write!(f, "cookie {name}"),
            TakeFrom::Between(before, after) => write!(f, "between {before:?} and {after:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TakeFrom, String> {
        toml::from_str::<TakeTable>(text).map_err(|why| why.to_string())?.read()
    }

    #[test]
    fn a_place_is_one_of_four() {
        assert_eq!(read("header = 'X-Token'"), Ok(TakeFrom::Header("x-token".into())));
        assert_eq!(read("between = ['a', 'b']"), Ok(TakeFrom::Between("a".into(), "b".into())));
        for text in ["", "json = 'x'", "json = '/x'\ncookie = 'y'", "between = ['', 'b']", "css = 'a'"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
