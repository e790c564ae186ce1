//! What can be asked of a history, under one name each.

use crate::{FindingKind, Invariant, IsolationLevel, Level, Model};
use serde::{Deserialize, Serialize};

/// Something that holds of a history or does not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Property {
    /// A consistency level of objects.
    Level(Level),
    /// An isolation level of transactions.
    Isolation(IsolationLevel),
    /// That no finding of a kind is in a history of sessions.
    Finding(FindingKind),
    /// An invariant of the answers.
    Invariant(Invariant),
}

impl Property {
    /// Every property.
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

    /// Other names for it.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Property::Level(level) => level.aliases(),
            Property::Isolation(level) => level.aliases(),
            Property::Finding(kind) => kind.aliases(),
            Property::Invariant(invariant) => invariant.aliases(),
        }
    }

    /// What it promises, in one line.
    pub fn line(self) -> &'static str {
        match self {
            Property::Level(level) => level.line(),
            Property::Isolation(level) => level.line(),
            Property::Finding(kind) => kind.line(),
            Property::Invariant(invariant) => invariant.line(),
        }
    }

    /// The property of a name or an alias. Where objects and transactions share a name it is that of objects;
    /// [`Property::of_model`] finds the other.
    pub fn by_name(name: &str) -> Option<Property> {
        Property::all().find(|known| known.name() == name || known.aliases().contains(&name))
    }

    /// The property that its name means to histories of a model; none if such histories do not have it.
    pub fn resolve_for_model(self, model: Model) -> Option<Property> {
        let own = model.properties();
        let meant = |known: &&Property| known.name() == self.name();
        own.iter().find(|&&known| known == self).or_else(|| own.iter().find(meant)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_properties_or_two_models() {
        let mut levels: Vec<&str> = Property::all().map(Property::name).collect();
        levels.extend(Property::all().flat_map(Property::aliases));
        let mut models: Vec<&str> = Model::ALL.iter().map(|model| model.name()).collect();
        // The model of the history tells which of the two is meant.
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
