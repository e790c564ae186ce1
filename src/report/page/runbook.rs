//! The runbook's entry for a finding, taken along: the page travels alone, and whoever reads it at night has no
//! repository at hand.
//!
//! The runbook is written in a small part of Markdown: headings, paragraphs, lists, bold, code and links. So much is
//! understood; a link becomes its text, as what it leads to does not travel along.

use super::html::Html;

/// What each finding usually means, and what to do.
const RUNBOOK: &str = include_str!("../../../docs/runbook.md");

/// Whether there is an entry for a finding.
pub(super) fn has(kind: &str) -> bool {
    entry(RUNBOOK, kind).is_some()
}

/// Writes the entry of a finding, if there is one.
pub(super) fn write(kind: &str, html: &mut Html) {
    let Some(entry) = entry(RUNBOOK, kind) else { return };
    html.open("div", &[("class", &"next")]);
    let mut listed = false;
    for block in blocks(entry) {
        let item = block.strip_prefix("- ");
        if item.is_some() != listed {
            listed = item.is_some();
            if listed { html.open("ul", &[("class", &"notes")]) } else { html.close("ul") }
        }
        let tag = if listed { "li" } else { "p" };
        html.open(tag, &[]);
        inline(item.unwrap_or(&block), html);
        html.close(tag);
    }
    if listed {
        html.close("ul");
    }
    html.close("div");
}

/// What stands below a heading, up to the next.
fn entry<'a>(runbook: &'a str, kind: &str) -> Option<&'a str> {
    let (_, rest) = runbook.split_once(&format!("\n## {kind}\n"))?;
    Some(rest.split("\n## ").next().unwrap_or(rest).trim())
}

/// Paragraphs and items, each on one line. An item begins with a hyphen; what follows it belongs to it.
fn blocks(entry: &str) -> Vec<String> {
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

/// Bold, code and the text of links.
fn inline(text: &str, html: &mut Html) {
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, mark) = rest.split_at(at);
        html.say(before);
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
            Some((tag, inside, after)) => {
                html.leaf(tag, &[], inside);
                rest = after;
            }
            None => {
                html.say(&mark[..1]);
                rest = &mark[1..];
            }
        }
    }
    html.say(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "# Runbook\n\nFirst.\n\n## lost-write\n\nIt is *gone*,\nsee [there](#there).\n\n- **Usually**: `a < b`\n  and more\n- else\n\n## next\n\nNo.\n";

    #[test]
    fn an_entry_ends_where_the_next_begins() {
        let found = blocks(entry(SMALL, "lost-write").expect("an entry"));
        assert_eq!(
            found,
            ["It is *gone*, see [there](#there).", "- **Usually**: `a < b` and more", "- else"]
        );
        assert_eq!(entry(SMALL, "lost"), None);
    }

    #[test]
    fn every_finding_has_an_entry() {
        for kind in checker::continuity::Kind::ALL {
            assert!(has(kind.name()), "{}", kind.name());
        }
    }

    #[test]
    fn marks_become_tags_and_links_their_text() {
        let mut html = Html::default();
        inline("**Usually**: `a < b`, see [there](#there) * 2", &mut html);
        assert_eq!(html.finish(), "<b>Usually</b>: <code>a &lt; b</code>, see <span>there</span> * 2");
    }
}
