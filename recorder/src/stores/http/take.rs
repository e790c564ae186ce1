//! From where in an answer a value is taken that a later request needs.

use serde::Deserialize;

/// From where in an answer a value is taken, as a file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeTable {
    json: Option<String>,
    header: Option<String>,
    cookie: Option<String>,
    between: Option<[String; 2]>,
}

/// From where in an answer a value is taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TakeFrom {
    /// A JSON pointer into the body.
    Json(String),
    Header(String),
    /// A cookie that the user holds after the answer.
    Cookie(String),
    /// What stands between two texts of the body, where they come first.
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
            _ => Err("exactly one of json = \"/POINTER\", header = \"NAME\", cookie = \"NAME\", \
                      between = [\"TEXT BEFORE\", \"TEXT AFTER\"]"
                .to_owned()),
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
