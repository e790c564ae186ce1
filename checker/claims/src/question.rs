//! What is asked of a history.

use crate::{BankRules, Model, Property, QuestionError, SessionRules, recognise};
use histories::{History, Id, KeyId, ValueId};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that a verdict depends on beside the history and the limits.
///
/// ```
/// use claims::{Level, Model, Property, Question};
/// let history = histories::notation::parse("a: [w1] [r1]").unwrap();
/// let mut question = Question::recognised(&history).unwrap();
/// assert_eq!(question.model, Model::Register);
/// question.asked = Some(vec![Property::Level(Level::Sequential)]);
/// question.initial.set_default("0").unwrap();
/// question.check(&history).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Question {
    /// What the operations are about.
    pub model: Model,
    /// What is asked; none: what the model is checked against by default.
    pub asked: Option<Vec<Property>>,
    /// What objects hold before the first operation.
    pub initial: InitialValues,
    /// What a failed compare-and-set tells.
    pub failed_cas: FailedCas,
    /// What the user asserts of version orders.
    pub assume: Assume,
    /// How long sessions live, and how far clocks may be off.
    pub sessions: SessionRules,
    /// What is known of a bank's accounts.
    pub bank: BankRules,
    /// Whether what nothing in the history could have contradicted counts as *holds*.
    pub accept_untested: bool,
}

/// What a failed compare-and-set tells of the state.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedCas {
    /// Nothing, as in Jepsen and Knossos.
    #[default]
    SaysNothing,
    /// That the state differed from what it expected, as in Porcupine's model of etcd.
    Observes,
}

impl FailedCas {
    /// The name that users type.
    pub fn name(self) -> &'static str {
        match self {
            FailedCas::SaysNothing => "says-nothing",
            FailedCas::Observes => "observes",
        }
    }
}

/// What else is known of version orders because the user says so.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assume {
    /// The writes of one session to one object keep their order.
    pub sequential_keys: bool,
    /// The writes to one object keep real-time order.
    pub linearizable_keys: bool,
}

impl Assume {
    /// What can be assumed of a history: nothing of real time where it has none.
    #[must_use]
    pub fn applicable_to(self, history: &History) -> Assume {
        Assume { linearizable_keys: self.linearizable_keys && history.has_real_time(), ..self }
    }

    /// The names of what is assumed.
    pub fn assumption_names(self) -> impl Iterator<Item = &'static str> {
        let known =
            [(self.sequential_keys, "sequential-keys"), (self.linearizable_keys, "linearizable-keys")];
        known.into_iter().filter(|(assumed, _)| *assumed).map(|(_, name)| name)
    }
}

/// What objects hold before the first operation, as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialValues {
    /// Every object that is not named.
    default: String,
    /// Objects by the JSON of their keys.
    by_key: BTreeMap<String, String>,
}

impl Default for InitialValues {
    /// All objects are absent: `null`.
    fn default() -> Self {
        Self { default: "null".to_owned(), by_key: BTreeMap::new() }
    }
}

impl InitialValues {
    /// Sets what all objects hold that are not named.
    ///
    /// # Errors
    /// What is wrong with `json`, if it is not JSON.
    pub fn set_default(&mut self, json: &str) -> Result<(), QuestionError> {
        self.default = canonicalize_json(json)?;
        Ok(())
    }

    /// Sets what the object of a key holds; both are JSON.
    ///
    /// # Errors
    /// What is wrong with one of them, if it is not JSON.
    pub fn set_for_key(&mut self, key: &str, json: &str) -> Result<(), QuestionError> {
        self.by_key.insert(canonicalize_json(key)?, canonicalize_json(json)?);
        Ok(())
    }

    /// What objects hold that are not named, as JSON.
    pub fn default_json(&self) -> &str {
        &self.default
    }

    /// What each object holds that is named: key and value, as JSON.
    pub fn values_by_key(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_key.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether all objects are absent at first.
    pub fn are_all_absent(&self) -> bool {
        self.default == "null" && self.by_key.values().all(|value| value == "null")
    }

    /// A history of transactions over registers as if they all were `null` at first: for each key the initial value and `null`
    /// are exchanged. Nothing else tells values apart, so every level holds of the one where it holds of the other.
    #[must_use]
    pub fn rebase_on_null(&self, history: &History) -> History {
        let mut based = history.clone();
        let default = based.values.intern(&self.default);
        let mut by_key: FxHashMap<KeyId, ValueId> = FxHashMap::default();
        for (key, value) in &self.by_key {
            let value = based.values.intern(value);
            if let Some(key) = based.keys.get(key) {
                by_key.insert(key, value);
            }
        }
        based.map_registers(|key, value| {
            let initial = by_key.get(&key).copied().unwrap_or(default);
            match value {
                ValueId::NULL => initial,
                value if value == initial => ValueId::NULL,
                value => value,
            }
        })
    }

    /// The same by the ids of a history. A value that no operation mentions gets an id beyond those of the history.
    pub fn resolve_ids(&self, history: &History) -> InitialValueIds {
        let mut beyond: Vec<String> = Vec::new();
        let mut id = |text: &str| match history.values.get(text) {
            Some(known) => known,
            None => {
                let place = beyond.iter().position(|known| known == text).unwrap_or_else(|| {
                    beyond.push(text.to_owned());
                    beyond.len() - 1
                });
                ValueId::new(history.values.len() + place)
            }
        };
        let default = id(&self.default);
        let mut by_key = FxHashMap::default();
        for (key, value) in &self.by_key {
            let value = id(value);
            if let Some(key) = history.keys.get(key) {
                by_key.insert(key, value);
            }
        }
        InitialValueIds { default, by_key, beyond }
    }
}

fn canonicalize_json(json: &str) -> Result<String, QuestionError> {
    let value: serde_json::Value = serde_json::from_str(json)
        .map_err(|why| QuestionError::NotJson { text: json.to_owned(), why: why.to_string() })?;
    Ok(value.to_string())
}

/// What objects of one history hold before the first operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitialValueIds {
    default: ValueId,
    by_key: FxHashMap<KeyId, ValueId>,
    /// The values that no operation mentions, as JSON.
    beyond: Vec<String>,
}

impl InitialValueIds {
    /// All objects the same.
    pub fn same_for_all(value: ValueId) -> Self {
        Self { default: value, by_key: FxHashMap::default(), beyond: Vec::new() }
    }

    /// What one object holds.
    pub fn value_of_key(&self, key: KeyId) -> ValueId {
        if self.by_key.is_empty() { self.default } else { *self.by_key.get(&key).unwrap_or(&self.default) }
    }

    /// The integer that one object holds; nothing counts as 0.
    pub fn integer_of_key(&self, history: &History, key: KeyId) -> i64 {
        let value = self.value_of_key(key);
        if value.index() < history.values.len() {
            return history.value_text(value).parse().unwrap_or(0);
        }
        self.beyond.get(value.index() - history.values.len()).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The highest id among them.
    pub fn highest_value_id(&self) -> ValueId {
        self.by_key.values().copied().fold(self.default, ValueId::max)
    }
}

/// A question about objects, with its values looked up in one history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectQuestion {
    /// The sequential specification of the objects.
    pub model: Model,
    /// What they hold before the first operation.
    pub initial: InitialValueIds,
    /// What a failed compare-and-set tells.
    pub failed_cas: FailedCas,
    /// What the user asserts of version orders.
    pub assume: Assume,
}

impl Question {
    /// A question about a model with nothing else told: objects are absent at first, nothing is assumed, sessions live
    /// for ever.
    pub fn about(model: Model) -> Self {
        Self {
            model,
            asked: None,
            initial: InitialValues::default(),
            failed_cas: FailedCas::default(),
            assume: Assume::default(),
            sessions: SessionRules::default(),
            bank: BankRules::default(),
            accept_untested: false,
        }
    }

    /// The question that a history suggests: its model recognised from its operations, the rest from its header.
    ///
    /// # Errors
    /// Where no model fits, or several do: which, and what would tell them apart.
    pub fn recognised(history: &History) -> Result<Self, QuestionError> {
        let model = recognise::recognise_model(history)?;
        let sessions = match model {
            Model::Session => SessionRules::from_header(history).map_err(QuestionError::Header)?,
            _ => SessionRules::default(),
        };
        Ok(Self { sessions, ..Self::about(model) })
    }

    /// What is asked.
    pub fn asked_properties(&self) -> Vec<Property> {
        self.asked.clone().unwrap_or_else(|| self.model.default_properties())
    }

    /// The model by which answers are told.
    pub fn reported_model(&self) -> Model {
        let invariant = |property: &Property| matches!(property, Property::Invariant(_));
        let only = self.asked.as_ref().is_some_and(|asked| !asked.is_empty() && asked.iter().all(invariant));
        if only { self.model.model_for_invariants() } else { self.model }
    }

    /// Whether it can be asked of a history: the model has all properties, and what else is told means something to it.
    ///
    /// # Errors
    /// The first thing that does not fit, with what would.
    pub fn check(&self, history: &History) -> Result<(), QuestionError> {
        if let Some(why) = self.reported_model().explain_mismatch(history) {
            return Err(QuestionError::Mismatch(why));
        }
        for property in self.asked_properties() {
            if let Property::Invariant(invariant) = property
                && let Some(why) = invariant.explain_mismatch(history)
            {
                return Err(QuestionError::Mismatch(why));
            }
            if !self.model.properties().contains(&property) {
                return Err(QuestionError::property_not_in_model(property, self.model));
            }
        }
        if self.assume.linearizable_keys && !history.has_real_time() {
            return Err(QuestionError::NoRealTime);
        }
        if !self.initial.are_all_absent() && !self.model.has_initial_values() {
            return Err(QuestionError::NoInitialValue(self.model));
        }
        Ok(())
    }

    /// What is asked of objects, by the ids of a history.
    pub fn about_objects(&self, history: &History) -> ObjectQuestion {
        ObjectQuestion {
            model: self.model,
            initial: self.initial.resolve_ids(history),
            failed_cas: self.failed_cas,
            assume: self.assume.applicable_to(history),
        }
    }
}
