//! Includes the runbook's entry for a finding in the page, because the reader of the page may not have the repository.
//!
//! The runbook uses a small part of Markdown: headings, paragraphs, lists, bold, code and links. This module renders that
//! part. A link becomes its text, because its target is not part of the page.

use super::html::Html;

/// The runbook: what each finding usually means, and what to do.
const RUNBOOK: &str = include_str!("../../../docs/runbook.md");

/// What begins the list item that says what to look at.
const LOOK_AT: &str = "- **Look at**: ";

/// Whether the runbook has an entry for a finding.
pub(super) fn has_entry(kind: &str) -> bool {
    find_entry(RUNBOOK, kind).is_some()
}

/// Writes the entry of a finding, if it exists.
pub(super) fn write_entry(kind: &str, html: &mut Html) {
    let Some(entry) = find_entry(RUNBOOK, kind) else { return };
    html.open_tag("div", &[("class", &"next")]);
    let mut listed = false;
    for block in split_blocks(entry) {
        let item = block.strip_prefix("- ");
        if item.is_some() != listed {
            listed = item.is_some();
            if listed { html.open_tag("ul", &[("class", &"notes")]) } else { html.close_tag("ul") }
        }
        let tag = if listed { "li" } else { "p" };
        html.open_tag(tag, &[]);
        write_inline(item.unwrap_or(&block), html);
        html.close_tag(tag);
    }
    if listed {
        html.close_tag("ul");
    }
    html.close_tag("div");
}

/// Writes what to look at first, without its label. Nothing if the runbook does not say it.
pub(super) fn write_look_at(kind: &str, html: &mut Html) {
    let blocks = find_entry(RUNBOOK, kind).map(split_blocks).unwrap_or_default();
    if let Some(text) = blocks.iter().find_map(|block| block.strip_prefix(LOOK_AT)) {
        html.add_text("Look at ");
        write_inline(text, html);
    }
}

/// The text below a heading, up to the next heading.
fn find_entry<'a>(runbook: &'a str, kind: &str) -> Option<&'a str> {
    let (_, rest) = runbook.split_once(&format!("\n## {kind}\n"))?;
    Some(rest.split("\n## ").next().unwrap_or(rest).trim())
}

/// Splits an entry into paragraphs and list items, each on one line. An item begins with a hyphen and continues until the
/// next item or blank line.
fn split_blocks(entry: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut new = true;
    for line in entry.lines().map(str::trim) {
        match (line.is_empty(), new || line.starts_with("- ")) {
            (true, _) => new = true,
            (false, true) => {
                blocks.push(line.to_owned());
                new = false;
            }
            (false, false) => {
                let block = blocks.last_mut().expect("the first line begins a block");
                block.push(' ');
                block.push_str(line);
            }
        }
    }
    blocks
}

/// Writes a text with bold, code and the text of links.
fn write_inline(text: &str, html: &mut Html) {
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, mark) = rest.split_at(at);
        html.add_text(before);
        let tagged = if let Some(after) = mark.strip_prefix("**") {
            after.split_once("**").map(|(inside, after)| ("b", inside, after))
        } else if let Some(after) = mark.strip_prefix('`') {
            after.split_once('`').map(|(inside, after)| ("code", inside, after))
        } else if let Some((inside, after)) = mark.strip_prefix('[').and_then(|after| after.split_once("]("))
        {
            after.split_once(')').map(|(_, after)| ("span", inside, after))
        } else {
            None
        };
        match tagged {
            // Bold text contains no other bold text, so this calls itself once at most.
            Some(("b", inside, after)) => {
                html.open_tag("b", &[]);
                write_inline(inside, html);
                html.close_tag("b");
                rest = after;
            }
            Some((tag, inside, after)) => {
                html.add_leaf(tag, &[], inside);
                rest = after;
            }
            None => {
                html.add_text(&mark[..1]);
                rest = &mark[1..];
            }
        }
    }
    html.add_text(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "# Runbook\n\nFirst.\n\n## lost-write\n\nIt is *gone*,\nsee [there](#there).\n\n- **Usually**: `a < b`\n  and more\n- else\n\n## next\n\nNo.\n";

    #[test]
    fn an_entry_ends_where_the_next_begins() {
        let found = split_blocks(find_entry(SMALL, "lost-write").expect("an entry"));
        assert_eq!(
            found,
            ["It is *gone*, see [there](#there).", "- **Usually**: `a < b` and more", "- else"]
        );
        assert_eq!(find_entry(SMALL, "lost"), None);
    }

    #[test]
    fn every_finding_has_an_entry() {
        for kind in checker::continuity::Kind::ALL {
            let entry = find_entry(RUNBOOK, kind.name()).unwrap_or_else(|| panic!("{}", kind.name()));
            // The first screen of the page says it.
            assert!(entry.contains(LOOK_AT), "{}", kind.name());
        }
    }

    #[test]
    fn marks_become_tags_and_links_their_text() {
        let mut html = Html::default();
        write_inline("**Usually**: `a < b`, see [there](#there) * 2", &mut html);
        assert_eq!(html.into_text(), "<b>Usually</b>: <code>a &lt; b</code>, see <span>there</span> * 2");
    }
}
