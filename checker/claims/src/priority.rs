//! Whether the elements of a priority queue have priorities.

use crate::specification::parse_priority;
use histories::{Function, History, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

/// How a history names the elements of a priority queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ElementForm {
    Integer,
    Pair,
}

impl ElementForm {
    fn describe(self) -> &'static str {
        match self {
            ElementForm::Integer => "an integer",
            ElementForm::Pair => "a list of a priority and a value",
        }
    }
}

/// Names the first operation whose element has no integer priority, or has another form than the first element. If
/// insertions and removals name elements in different forms, no removal returns what was inserted, and every history is
/// violated. That is a mistake in the recording and not in the store.
pub(crate) fn explain_foreign_element(history: &History) -> Option<String> {
    let mut forms: FxHashMap<ValueId, Option<ElementForm>> = FxHashMap::default();
    let mut first: Option<(OpId, ElementForm)> = None;
    for id in history.ids() {
        let Some(element) = element_of_operation(history, id) else { continue };
        let text = history.value_text(element);
        let index = history.operation_index(id);
        let Some(form) = *forms.entry(element).or_insert_with(|| form_of_element(text)) else {
            return Some(format!(
                "operation {index} has the element {text}: an element of a priority queue is an integer, which is its \
                 priority, or a list of an integer priority and a value, such as [3, \"job\"]"
            ));
        };
        let (other, expected) = *first.get_or_insert((id, form));
        if form != expected {
            let other = history.operation_index(other);
            return Some(format!(
                "operation {index} has {} as its element, but operation {other} has {}: use the same form everywhere",
                form.describe(),
                expected.describe()
            ));
        }
    }
    None
}

/// The element that an operation inserted or returned.
fn element_of_operation(history: &History, id: OpId) -> Option<ValueId> {
    let operation = history.operation(id);
    match (operation.function, operation.outcome) {
        (_, Outcome::Fail) => None,
        (Function::INSERT, _) => Some(operation.value()),
        (Function::DELETE_MIN, Outcome::Ok) => Some(operation.result).filter(|&value| value != ValueId::NULL),
        _ => None,
    }
}

fn form_of_element(text: &str) -> Option<ElementForm> {
    parse_priority(text)?;
    Some(if text.starts_with('[') { ElementForm::Pair } else { ElementForm::Integer })
}

#[cfg(test)]
mod tests {
    use super::explain_foreign_element;
    use histories::format::{Format, from_text};

    /// What is wrong with operations that follow one another: the function, the value that it was asked with, how it
    /// ended, and what it returned. The n-th of them is operation 2n.
    fn explained(operations: &[(&str, &str, &str, &str)]) -> Option<String> {
        let events = operations.iter().map(|(f, asked, end, returned)| {
            format!(
                "{{\"process\":0,\"type\":\"invoke\",\"f\":\"{f}\",\"value\":{asked}}}\n\
                 {{\"process\":0,\"type\":\"{end}\",\"f\":\"{f}\",\"value\":{returned}}}\n"
            )
        });
        let text: String = events.collect();
        explain_foreign_element(&from_text(Format::Native, &text).expect("a history"))
    }

    fn insert(element: &'static str) -> (&'static str, &'static str, &'static str, &'static str) {
        ("insert", element, "ok", element)
    }

    fn delete_min(element: &'static str) -> (&'static str, &'static str, &'static str, &'static str) {
        ("delete-min", "null", "ok", element)
    }

    #[test]
    fn an_element_without_an_integer_priority_is_named_with_its_operation() {
        let why = explained(&[insert("1"), insert("\"high\""), delete_min("1")]).expect("a reason");
        assert!(why.contains("operation 2 has the element \"high\""), "{why}");
        let why = explained(&[insert("[1.5,\"a\"]")]).expect("a reason");
        assert!(why.contains("operation 0 has the element [1.5,\"a\"]"), "{why}");
        assert!(explained(&[insert("[1]")]).is_some() && explained(&[insert("null")]).is_some());
        let failed = ("insert", "\"high\"", "fail", "\"high\"");
        assert_eq!(explained(&[failed]), None, "it took no effect");
        assert_eq!(explained(&[insert("1"), delete_min("1"), delete_min("null")]), None);
    }

    #[test]
    fn elements_of_two_forms_are_a_mistake_in_the_recording() {
        let why = explained(&[insert("[1,\"a\"]"), delete_min("\"a\"")]).expect("a reason");
        assert!(why.contains("operation 2 has the element \"a\""), "{why}");
        let why = explained(&[insert("[1,\"a\"]"), delete_min("1")]).expect("a reason");
        assert!(
            why.starts_with("operation 2 has an integer as its element, but operation 0 has a list"),
            "{why}"
        );
        let pairs = [insert("[1,\"a\"]"), insert("[1,\"b\"]"), delete_min("[1,\"b\"]")];
        assert_eq!(explained(&pairs), None);
    }
}
