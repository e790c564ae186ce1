//! Initial values of objects that a history does not have.
//!
//! `--init crat=5` for the key *cart* changes nothing, and the verdict is that of a question which nobody asked. So a key that the history
//! does not have is refused.

use crate::args::CheckPlan;
use crate::report::layout::count_noun;
use histories::{History, Id, KeyId};

/// The number of keys that are named.
const NAMED_MAX: usize = 8;

/// The keys with an initial value, as JSON, that none of some histories has.
#[derive(Default)]
pub(crate) struct MissingKeys(Vec<String>);

impl MissingKeys {
    /// All keys to which the user gave an initial value.
    pub(crate) fn of_plan(plan: &CheckPlan) -> Self {
        Self(plan.initial.values_by_key().map(|(key, _)| key.to_owned()).collect())
    }

    /// Strikes off the keys that a history has.
    pub(crate) fn strike_those_of(&mut self, history: &History) {
        self.0.retain(|key| history.keys.get(key).is_none_or(|key| key == KeyId::NONE));
    }

    /// The missing keys in words; none if no key is missing.
    pub(crate) fn join_names(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| match self.0.len() {
            1 => format!("the key {}", self.0[0]),
            count if count <= NAMED_MAX => format!("the keys {}", self.0.join(", ")),
            count => format!("{}, such as {}", count_noun(count, "key"), self.0[..NAMED_MAX].join(", ")),
        })
    }

    /// An error that names the first missing key.
    pub(crate) fn refuse(&self) -> Result<(), String> {
        self.0.first().map_or(Ok(()), |missing| {
            Err(format!("--init names the key {missing}, which this history does not have"))
        })
    }

    /// An error that names the first missing key and some keys of the history.
    pub(crate) fn refuse_with_keys(&self, history: &History) -> Result<(), String> {
        let keys: Vec<&str> = (1..history.keys.len()).map(|at| history.keys.text(KeyId::new(at))).collect();
        let named = keys.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
        let known = match keys.len() {
            0 => "Its operations name no key: pass --init without a key".to_owned(),
            1 => format!("Its only key is {named}"),
            count if count <= NAMED_MAX => format!("Its keys are {named}"),
            count => format!("It has {}, such as {named}", count_noun(count, "key")),
        };
        self.refuse().map_err(|why| format!("{why}. {known}"))
    }
}

/// Refuses the initial value of a key that the history does not have.
pub(crate) fn refuse_unknown_keys(plan: &CheckPlan, history: &History) -> Result<(), String> {
    let mut missing = MissingKeys::of_plan(plan);
    missing.strike_those_of(history);
    missing.refuse_with_keys(history)
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::format::{Format, from_text};

    fn missing(keys: &[&str], history: &History) -> Option<String> {
        let mut missing = MissingKeys(keys.iter().map(|key| (*key).to_owned()).collect());
        missing.strike_those_of(history);
        missing.refuse_with_keys(history).err()
    }

    #[test]
    fn a_key_that_the_history_does_not_have_is_named_with_those_that_it_has() {
        let line = |key: &str, kind: &str| {
            format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"write\",\"value\":1{key}}}\n")
        };
        let history = |keys: &[&str]| {
            let text: String = keys.iter().flat_map(|key| [line(key, "invoke"), line(key, "ok")]).collect();
            from_text(Format::Native, &text).expect("a history")
        };
        let two = history(&[",\"key\":\"cart\"", ",\"key\":7"]);
        assert_eq!(missing(&["\"cart\"", "7"], &two), None);
        assert!(missing(&["\"cart\"", "\"7\""], &two).expect("a string").contains("the key \"7\""));
        let why = missing(&["\"crat\""], &two).expect("it is missing");
        assert!(why.contains("the key \"crat\"") && why.ends_with("Its keys are \"cart\", 7"), "{why}");
        let none = history(&[""]);
        assert!(missing(&["\"cart\""], &none).expect("no key").contains("name no key"));
        assert!(missing(&["null"], &none).expect("no key").contains("name no key"));
    }
}
