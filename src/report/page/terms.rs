//! The terms of the page: definitions from the glossary, for the words that the page uses.

use super::html::Html;
use crate::report::terms::glossary_terms;

/// The terms that pages use. Each must be in the glossary.
const PAGE_TERMS: &[&str] = &[
    "anomaly",
    "cycle",
    "dependency",
    "fault",
    "finding",
    "history",
    "indeterminate",
    "isolation level",
    "level",
    "operation",
    "outcome",
    "process",
    "session",
    "verdict",
    "version order",
    "witness",
];

/// Writes the definitions, folded.
pub(super) fn write_terms(html: &mut Html) {
    html.open_tag("details", &[("class", &"terms")]);
    html.add_leaf("summary", &[], "Terms");
    html.open_tag("dl", &[("class", &"facts")]);
    for (term, meaning) in glossary_terms().filter(|(term, _)| PAGE_TERMS.contains(term)) {
        html.add_leaf("dt", &[("id", &format!("term-{}", term.replace(' ', "-")))], term);
        html.add_leaf("dd", &[], meaning.replace(['*', '`'], ""));
    }
    html.close_tag("dl");
    html.close_tag("details");
    html.break_line();
}

/// Writes a link to the definition of a term.
pub(super) fn link_term(term: &str, text: &str, html: &mut Html) {
    debug_assert!(PAGE_TERMS.contains(&term), "{term} has no definition on the page");
    html.add_leaf("a", &[("href", &format!("#term-{}", term.replace(' ', "-"))), ("class", &"term")], text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_of_the_page_is_in_the_glossary() {
        for term in PAGE_TERMS {
            assert!(glossary_terms().any(|(known, _)| known == *term), "{term}");
        }
    }
}
