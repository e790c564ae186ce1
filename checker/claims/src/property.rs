//! The properties that can be asked of a history, under one common type.

use crate::{FindingKind, Invariant, IsolationLevel, Level};
use serde::{Deserialize, Serialize};

/// A property that a history has or does not have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Property {
    /// A consistency level of objects.
    Level(Level),
    /// An isolation level of transactions.
    Isolation(IsolationLevel),
    /// The absence of one kind of finding in a history of sessions.
    Finding(FindingKind),
    /// An invariant of the answers.
    Invariant(Invariant),
}

impl Property {
    /// All properties.
    pub fn all() -> impl Iterator<Item = Property> + Clone {
        let levels = Level::ALL.iter().copied().map(Property::Level);
        let isolation = IsolationLevel::ALL.iter().copied().map(Property::Isolation);
        let findings = FindingKind::ALL.iter().copied().map(Property::Finding);
        let invariants = Invariant::ALL.iter().copied().map(Property::Invariant);
        levels.chain(isolation).chain(findings).chain(invariants)
    }

    /// The name that users type and reports print.
    pub fn name(self) -> &'static str {
        match self {
            Property::Level(level) => level.name(),
            Property::Isolation(level) => level.name(),
            Property::Finding(kind) => kind.name(),
            Property::Invariant(invariant) => invariant.name(),
        }
    }

    /// Aliases of the name.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Property::Level(level) => level.aliases(),
            Property::Isolation(level) => level.aliases(),
            Property::Finding(kind) => kind.aliases(),
            Property::Invariant(invariant) => invariant.aliases(),
        }
    }

    /// The meaning in one line.
    pub fn line(self) -> &'static str {
        match self {
            Property::Level(level) => level.line(),
            Property::Isolation(level) => level.line(),
            Property::Finding(kind) => kind.line(),
            Property::Invariant(invariant) => invariant.line(),
        }
    }

    /// Finds the property with this name or alias. If objects and transactions share a name, this is the property of
    /// objects; [`Property::resolve_for_model`] finds the other.
    pub fn by_name(name: &str) -> Option<Property> {
        Property::all().find(|known| known.name() == name || known.aliases().contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Model;

    #[test]
    fn no_name_means_two_properties_or_two_models() {
        let mut levels: Vec<&str> = Property::all().map(Property::name).collect();
        levels.extend(Property::all().flat_map(Property::aliases));
        let mut models: Vec<&str> = Model::ALL.iter().map(|model| model.name()).collect();
        // The model of the history decides which of the two is meant.
        let shared = levels.iter().position(|&name| name == "causal").expect("of registers");
        levels.swap_remove(shared);
        for names in [&mut levels, &mut models] {
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
        assert_eq!(Property::by_name("PL-3"), Some(Property::Isolation(IsolationLevel::Serializable)));
    }

    #[test]
    fn a_shared_name_means_what_the_model_has() {
        let causal = Property::by_name("causal").expect("a level");
        assert_eq!(causal.resolve_for_model(Model::Register), Some(Property::Level(Level::Causal)));
        assert_eq!(
            causal.resolve_for_model(Model::ListAppend),
            Some(Property::Isolation(IsolationLevel::Causal))
        );
        assert_eq!(causal.resolve_for_model(Model::Queue), None);
    }
}
