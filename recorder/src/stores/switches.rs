//! The switches of a stack: `name=value`, by which it is configured well or badly.

use std::collections::BTreeMap;

/// A switch that a stack has: name, what it is unless said, what it does.
pub type Switch = (&'static str, &'static str, &'static str);

/// The switches of a stack as they are set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Switches {
    known: &'static [Switch],
    set: BTreeMap<String, String>,
}

impl Switches {
    /// Sets switches from words of the form `name=value`; says what there is, where one is not known.
    pub fn parse(known: &'static [Switch], words: &[String]) -> Result<Self, String> {
        let mut set = BTreeMap::new();
        for word in words {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("{word:?}: expected NAME=VALUE"))?;
            if !known.iter().any(|(switch, ..)| *switch == name) {
                let names: Vec<_> = known.iter().map(|(name, ..)| *name).collect();
                return Err(match names.is_empty() {
                    true => format!("there is no switch {name:?}; this stack has none"),
                    false => format!("there is no switch {name:?}; this stack has {}", names.join(", ")),
                });
            }
            set.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self { known, set })
    }

    /// The value of a switch. Panics if the stack has none of this name.
    pub fn get(&self, name: &str) -> &str {
        let known = self.known.iter().find(|(known, ..)| *known == name).expect("a switch of this stack");
        self.set.get(name).map_or(known.1, String::as_str)
    }

    /// A switch that is `yes` or `no`.
    pub fn is_on(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            "yes" => Ok(true),
            "no" => Ok(false),
            other => Err(format!("{name} is yes or no, not {other:?}")),
        }
    }

    /// A switch that is a number.
    pub fn get_number(&self, name: &str) -> Result<u64, String> {
        let value = self.get(name);
        value.parse().map_err(|_| format!("{name} is a number, not {value:?}"))
    }

    /// A switch that is a time, in ms.
    pub fn get_millis(&self, name: &str) -> Result<u64, String> {
        let time = workloads::parse_duration(self.get(name)).map_err(|why| format!("{name}: {why}"))?;
        Ok(time.as_millis() as u64)
    }

    /// A switch that is one of these.
    pub fn get_one_of(&self, name: &str, all: &[&'static str]) -> Result<&'static str, String> {
        let value = self.get(name);
        let found = all.iter().find(|known| **known == value).copied();
        found.ok_or_else(|| format!("{name} is one of {}, not {value:?}", all.join(", ")))
    }

    /// What was set, for people.
    pub fn describe_set_switches(&self) -> String {
        self.set.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Switch] = &[("slow", "0ms", "how slow"), ("sticky", "no", "or not")];

    #[test]
    fn what_is_not_set_is_as_it_is_unless_said() {
        let switches = Switches::parse(KNOWN, &["slow=30ms".to_owned()]).unwrap();
        assert_eq!((switches.get_millis("slow"), switches.is_on("sticky")), (Ok(30), Ok(false)));
        assert_eq!(switches.describe_set_switches(), "slow=30ms");
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (word, expected) in [("fast=1", "slow, sticky"), ("slow", "NAME=VALUE")] {
            let why = Switches::parse(KNOWN, &[word.to_owned()]).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        let switches = Switches::parse(KNOWN, &["sticky=perhaps".to_owned()]).unwrap();
        assert!(switches.is_on("sticky").unwrap_err().contains("yes or no"));
    }
}
