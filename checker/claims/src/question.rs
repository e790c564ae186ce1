//! The questions that can be asked of a history.

use crate::{
    BankRules, FindingKind, IsolationLevel, Level, Model, Property, QuestionError, SessionRules,
    StalenessBound, recognise,
};
use histories::{History, Id, KeyId, ValueId};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that a verdict depends on besides the history and the limits.
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
    /// What the history is about.
    pub model: Model,
    /// The properties that are asked; `None`: the default properties of the model.
    pub asked: Option<Vec<Property>>,
    /// The values of objects before the first operation.
    pub initial: InitialValues,
    /// How to interpret a failed compare-and-set.
    pub failed_cas: FailedCas,
    /// What the user asserts about version orders.
    pub assume: Assume,
    /// The time to live of sessions, and the tolerance for clocks.
    pub sessions: SessionRules,
    /// Facts about the accounts of a bank.
    pub bank: BankRules,
    /// Whether a property that nothing in the history could have contradicted counts as *holds*.
    pub accept_untested: bool,
    /// The bound of `bounded-staleness`. Without one, that level is *unknown*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staleness: Option<StalenessBound>,
}

/// How to interpret a failed compare-and-set.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedCas {
    /// It says nothing about the state, as in Jepsen and Knossos.
    #[default]
    SaysNothing,
    /// It observed that the state differed from the expected value, as in Porcupine's model of etcd.
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

/// What the user asserts about version orders.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assume {
    /// The writes of one session to one object keep their order.
    pub sequential_keys: bool,
    /// The writes to one object keep real-time order.
    pub linearizable_keys: bool,
}

impl Assume {
    /// The assumptions that apply to a history. Assumptions about real time are dropped if the history has none.
    #[must_use]
    pub fn applicable_to(self, history: &History) -> Assume {
        Assume { linearizable_keys: self.linearizable_keys && history.has_real_time(), ..self }
    }

    /// The names of the assumptions that are made.
    pub fn assumption_names(self) -> impl Iterator<Item = &'static str> {
        let known =
            [(self.sequential_keys, "sequential-keys"), (self.linearizable_keys, "linearizable-keys")];
        known.into_iter().filter(|(assumed, _)| *assumed).map(|(_, name)| name)
    }
}

/// The values of objects before the first operation, as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialValues {
    /// The value of every object that is not in `by_key`.
    default: String,
    /// Values by the JSON of the key.
    by_key: BTreeMap<String, String>,
}

impl Default for InitialValues {
    /// All objects are absent, which is `null`.
    fn default() -> Self {
        Self { default: "null".to_owned(), by_key: BTreeMap::new() }
    }
}

impl InitialValues {
    /// Sets the value of all objects that have no value of their own.
    ///
    /// # Errors
    /// Returns an error if `json` is not JSON.
    pub fn set_default(&mut self, json: &str) -> Result<(), QuestionError> {
        self.default = canonicalize_json(json)?;
        Ok(())
    }

    /// Sets the value of the object with this key. Both arguments are JSON.
    ///
    /// # Errors
    /// Returns an error if one of the arguments is not JSON.
    pub fn set_for_key(&mut self, key: &str, json: &str) -> Result<(), QuestionError> {
        self.by_key.insert(canonicalize_json(key)?, canonicalize_json(json)?);
        Ok(())
    }

    /// The value of all objects that have no value of their own, as JSON.
    pub fn default_json(&self) -> &str {
        &self.default
    }

    /// The objects with a value of their own: key and value, as JSON.
    pub fn values_by_key(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_key.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether all objects are absent at first.
    pub fn are_all_absent(&self) -> bool {
        self.default == "null" && self.by_key.values().all(|value| value == "null")
    }

    /// Rewrites a history of transactions over registers as if all registers were `null` at first: for each key, the
    /// initial value and `null` are exchanged. Nothing else distinguishes values, so a level holds of the result if and
    /// only if it holds of the original.
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

    /// Looks the values up in a history. A value that no operation mentions gets an id above those of the history.
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

/// The values of the objects of one history before the first operation, as ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitialValueIds {
    default: ValueId,
    by_key: FxHashMap<KeyId, ValueId>,
    /// The values that no operation mentions, as JSON. Their ids follow those of the history.
    beyond: Vec<String>,
}

impl InitialValueIds {
    /// The same initial value for all objects.
    pub fn same_for_all(value: ValueId) -> Self {
        Self { default: value, by_key: FxHashMap::default(), beyond: Vec::new() }
    }

    /// The initial value of one object.
    pub fn value_of_key(&self, key: KeyId) -> ValueId {
        if self.by_key.is_empty() { self.default } else { *self.by_key.get(&key).unwrap_or(&self.default) }
    }

    /// `null` for the initial value of an object, its initial value for `null`, and any other value as it is.
    pub fn exchange_with_null(&self, key: KeyId, value: ValueId) -> ValueId {
        match (value, self.value_of_key(key)) {
            (ValueId::NULL, initial) => initial,
            (value, initial) if value == initial => ValueId::NULL,
            (value, _) => value,
        }
    }

    /// The initial value of one object as an integer; 0 if it is not one.
    pub fn integer_of_key(&self, history: &History, key: KeyId) -> i128 {
        let value = self.value_of_key(key);
        if value.index() < history.values.len() {
            return history.value_text(value).parse().unwrap_or(0);
        }
        self.beyond.get(value.index() - history.values.len()).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The highest id among the initial values.
    pub fn highest_value_id(&self) -> ValueId {
        self.by_key.values().copied().fold(self.default, ValueId::max)
    }
}

/// A question about objects, with its values resolved to the ids of one history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectQuestion {
    /// The sequential specification of the objects.
    pub model: Model,
    /// The values of the objects before the first operation.
    pub initial: InitialValueIds,
    /// How to interpret a failed compare-and-set.
    pub failed_cas: FailedCas,
    /// What the user asserts about version orders.
    pub assume: Assume,
    /// The bound of `bounded-staleness`.
    pub staleness: Option<StalenessBound>,
}

impl Question {
    /// A question about a model with default settings: objects are absent at first, nothing is assumed, and sessions do
    /// not expire.
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
            staleness: None,
        }
    }

    /// The question that a history suggests: the model is recognised from the operations, and the rest is read from the
    /// header.
    ///
    /// # Errors
    /// Returns an error if no model or several models fit. The error names them and says how to choose.
    pub fn recognised(history: &History) -> Result<Self, QuestionError> {
        let model = recognise::recognise_model(history)?;
        let sessions = match model {
            Model::Session => SessionRules::from_header(history).map_err(QuestionError::Header)?,
            _ => SessionRules::default(),
        };
        let asked = Self::declared_properties(model, history);
        Ok(Self { sessions, asked, ..Self::about(model) })
    }

    /// The property that a history of transactions asks for itself: if a transaction declares an isolation level, each is held to the
    /// level that it declares.
    pub fn declared_properties(model: Model, history: &History) -> Option<Vec<Property>> {
        let declares = model.has_transactions() && history.declares_isolation_levels();
        declares.then(|| vec![Property::Isolation(IsolationLevel::Mixed)])
    }

    /// The properties that are asked.
    pub fn asked_properties(&self) -> Vec<Property> {
        self.asked.clone().unwrap_or_else(|| {
            let mut usual = self.model.default_properties();
            usual.retain(|property| !self.is_uncertain_in_sample(*property));
            usual
        })
    }

    /// Whether the history is a sample, and a request that is missing may explain a violation of the property.
    fn is_uncertain_in_sample(&self, property: Property) -> bool {
        self.model == Model::Session
            && self.sessions.is_sample
            && !matches!(property, Property::Finding(kind) if kind.is_certain_in_sample())
    }

    /// Whether all levels that are asked ask nothing of what reads return. Such a level only asks that the versions which lists show, or the
    /// store tells, have an order.
    pub fn asks_for_version_orders_alone(&self) -> bool {
        use IsolationLevel::{ReadUncommitted, StrongReadUncommitted, StrongSessionReadUncommitted};
        let is_about_versions = |property: &Property| {
            matches!(
                property,
                Property::Isolation(ReadUncommitted | StrongSessionReadUncommitted | StrongReadUncommitted)
            )
        };
        self.asked.as_ref().is_some_and(|asked| !asked.is_empty() && asked.iter().all(is_about_versions))
    }

    /// Whether `monotonic-writes` is all that is asked. Beside other levels it is one part of an answer, and no question of its own.
    pub fn asks_monotonic_writes_alone(&self) -> bool {
        self.asked.as_deref() == Some(&[Property::Level(Level::MonotonicWrites)])
    }

    /// The model that the report names.
    pub fn reported_model(&self) -> Model {
        let invariant = |property: &Property| matches!(property, Property::Invariant(_));
        let only = self.asked.as_ref().is_some_and(|asked| !asked.is_empty() && asked.iter().all(invariant));
        if only { self.model.model_for_invariants() } else { self.model }
    }

    /// Checks that the question can be asked of a history: the properties are defined for the model, and the other
    /// settings apply to it.
    ///
    /// # Errors
    /// Returns the first setting that does not fit, with the alternatives.
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
            if self.is_uncertain_in_sample(property) {
                let certain: Vec<&str> = FindingKind::certain_in_sample().map(FindingKind::name).collect();
                return Err(QuestionError::Mismatch(format!(
                    "{} cannot be judged in a sample of requests: one that is missing may explain it. What can be judged: {}",
                    property.name(),
                    certain.join(", ")
                )));
            }
            // Other levels of objects are unknown of such a history. A specification has no answer to such an operation.
            if matches!(
                property,
                Property::Level(Level::Linearizable | Level::TwoAtomic | Level::BoundedStaleness)
            ) && let Some(why) = self.model.explain_foreign_operation(history)
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

    /// The question about objects, with its values resolved to the ids of a history.
    pub fn about_objects(&self, history: &History) -> ObjectQuestion {
        ObjectQuestion {
            model: self.model,
            initial: self.initial.resolve_ids(history),
            failed_cas: self.failed_cas,
            assume: self.assume.applicable_to(history),
            staleness: self.staleness,
        }
    }
}
