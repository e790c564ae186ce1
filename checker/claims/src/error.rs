//! Why a question cannot be asked.

use crate::{Model, Property};

/// Why a question cannot be asked of a history.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// A name that does not exist.
    #[error("there is no {noun} {name:?}{}", did_you_mean(.near))]
    NoSuch {
        /// The kind of thing that the name should denote, for example `level`.
        noun: &'static str,
        /// The name.
        name: String,
        /// Existing names that are similar.
        near: Vec<&'static str>,
    },
    /// A property that histories of this model do not have.
    #[error("{} is not a property of the model {}. Its properties are: {}", .property.name(), .model.name(), .fits.join(", "))]
    Foreign {
        /// The property that was asked.
        property: Property,
        /// The model of the history.
        model: Model,
        /// The properties that can be asked of this model.
        fits: Vec<&'static str>,
    },
    /// The history contains operations or values that the model does not know.
    #[error("{0}")]
    Mismatch(String),
    /// The operations do not determine a model.
    #[error("{0}")]
    Unrecognised(String),
    /// The history's header is invalid.
    #[error("{0}")]
    Header(String),
    /// Text that is not JSON.
    #[error("{text:?} is not JSON: {why}")]
    NotJson {
        /// The text.
        text: String,
        /// The parser's message.
        why: String,
    },
    /// An assumption about real time, of a history without it.
    #[error("linearizable-keys cannot be assumed, because this history has no real-time order")]
    NoRealTime,
    /// `bounded-staleness` without a bound.
    #[error("bounded-staleness needs a bound: pass --staleness, such as 5s or k=2")]
    NoBound,
    /// A bound of staleness without `bounded-staleness`.
    #[error("--staleness is the bound of bounded-staleness: pass --consistency bounded-staleness as well")]
    UnusedBound,
    /// An initial value for what has none.
    #[error("{} takes no initial value: {}", .0.name(), beginning(*.0))]
    NoInitialValue(Model),
}

impl QuestionError {
    /// Reports an unknown name and suggests up to three known names that are similar to it.
    pub fn no_such(noun: &'static str, name: &str, known: impl Iterator<Item = &'static str>) -> Self {
        let folded = name.to_lowercase().replace('_', "-");
        let mut near: Vec<(usize, &'static str)> = known
            .map(|known| (edit_distance(&folded, &known.to_lowercase()), known))
            .filter(|&(distance, known)| distance <= 1 + known.len() / 5)
            .collect();
        near.sort_unstable();
        near.truncate(3);
        QuestionError::NoSuch {
            noun,
            name: name.to_owned(),
            near: near.into_iter().map(|near| near.1).collect(),
        }
    }

    /// Reports that a model does not have a property.
    pub fn property_not_in_model(property: Property, model: Model) -> Self {
        let fits = model.properties().into_iter().map(Property::name).collect();
        QuestionError::Foreign { property, model, fits }
    }
}

fn did_you_mean(near: &[&str]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
}

/// Describes the initial state of a model.
fn beginning(model: Model) -> &'static str {
    match model {
        Model::Session => "a session is absent before it is created",
        Model::ListAppend => "every list is empty at first",
        Model::Bank => "pass --total for a bank",
        Model::Mutex => "a lock is free at first",
        _ => "it is empty at first",
    }
}

/// The edit distance of two words: insertions, deletions and replacements (Levenshtein 1966). O(a · b), with words cut
/// to 64 characters.
fn edit_distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(LONGEST).collect(), b.chars().take(LONGEST).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_told_what_is() {
        let why = "linearisable".parse::<crate::Level>().unwrap_err().to_string();
        assert_eq!(why, "there is no level \"linearisable\"; did you mean linearizable?");
        assert_eq!("zzz".parse::<crate::Level>().unwrap_err().to_string(), "there is no level \"zzz\"");
    }

    #[test]
    fn a_property_of_another_model_is_told_what_fits() {
        let why =
            QuestionError::property_not_in_model(Property::by_name("causal-memory").unwrap(), Model::Queue)
                .to_string();
        assert_eq!(
            why,
            "causal-memory is not a property of the model queue. Its properties are: linearizable, total-queue, at-most-once"
        );
    }
}
