//! `steadfast levels`: the table of levels, as text, JSON or Markdown.

use crate::args::LevelsFormat;
use crate::exit::Exit;
use crate::separations::{find_equivalence, find_separation};
use checker::{FORMULA_SYMBOLS, LevelDefinition, LevelImplication, Property};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(crate) fn list_levels(format: LevelsFormat) -> Exit {
    super::print_result(&match format {
        LevelsFormat::Text => {
            super::format_listing(Property::all().map(|level| (level.name(), level.line())))
        }
        LevelsFormat::Json => format!("{:#}\n", describe_as_json()),
        LevelsFormat::Markdown => describe_as_markdown(),
    })
}

/// What a level is a promise about.
pub(super) fn subject_of(property: Property) -> &'static str {
    match property {
        Property::Level(_) => "objects",
        Property::Isolation(_) => "transactions",
        Property::Finding(_) => "session store",
        Property::Invariant(_) => "answers",
    }
}

fn implications_of(property: Property) -> impl Iterator<Item = LevelImplication> {
    checker::level_implications().filter(move |edge| edge.stronger == property)
}

fn describe_as_json() -> Value {
    let symbols: serde_json::Map<String, Value> =
        FORMULA_SYMBOLS.iter().map(|&(symbol, meaning)| (symbol.to_owned(), meaning.into())).collect();
    let others = Property::all().filter(|one| checker::define_level(*one).is_none());
    let others = others.map(|one| {
        json!({ "name": one.name(), "aliases": one.aliases(), "about": subject_of(one), "line": one.line() })
    });
    json!({
        "symbols": symbols,
        "levels": checker::level_definitions().map(level_as_json).collect::<Vec<_>>(),
        "others": others.collect::<Vec<_>>(),
    })
}

fn level_as_json(level: &LevelDefinition) -> Value {
    let implies = implications_of(level.property).map(|edge| {
        json!({
            "level": edge.weaker.name(),
            "proviso": edge.proviso.words(),
            "reason": edge.reason,
            "separated_by": find_separation(&edge).map(|one| json!({ "case": one.name, "history": one.drawing, "why": one.why })),
            "equivalent_because": find_equivalence(&edge).map(|one| one.reason),
        })
    });
    json!({
        "level": level.property.name(),
        "aliases": level.property.aliases(),
        "about": subject_of(level.property),
        "family": level.family.name(),
        "line": level.property.line(),
        "formula": level.formula,
        "source": level.source,
        "decided_by": level.decided_by,
        "mentions_real_time": level.mentions_real_time,
        "implies": implies.collect::<Vec<_>>(),
    })
}

const MARKDOWN_HEAD: &str = "\
# The levels

This page is made by `steadfast levels --format markdown`. It lists every level with its definition, its source, and the
engines that decide it. A source without a section was not looked up: its definition is as later papers use it. Each level
names the levels that it implies. A history shows that the implied level is weaker.
[definitions.md](definitions.md) says what a history is and how operations that failed or ended as `info` count.

A level **holds** if some execution meets the formula. An execution says which `info` operations took effect, and which
write each read returned. The initial value of an object counts as a write that precedes all others. These symbols occur
in the formulas:

| symbol | meaning |
| --- | --- |
";

const MARKDOWN_NOTATION: &str = "
In the histories below, each line is a session and columns are time. `[x.w1]` is a write of 1 to x, and `[x.r_]` is a read
of x that returned the initial value. `[t wx1 ry_]` is a transaction that writes 1 to x and then reads y. `ax1` appends 1 to
the list x, and `rx(1,2)` reads the list. [Each history](../histories/corpus/levels) is a file of the corpus.

*Sessions aside* means: the implication holds for arguments that use no session order. *Own appends aside* means: it holds
if no transaction reads a list to which it had appended before. *Version tokens aside* means: it holds if the store returned no
version numbers and `--assume` says nothing.
";

fn describe_as_markdown() -> String {
    let mut text = String::from(MARKDOWN_HEAD);
    for (symbol, meaning) in FORMULA_SYMBOLS {
        let _ = writeln!(text, "| `{symbol}` | {meaning} |");
    }
    text.push_str(MARKDOWN_NOTATION);
    let mut subject = "";
    for level in checker::level_definitions() {
        if subject_of(level.property) != subject {
            subject = subject_of(level.property);
            let _ = write!(text, "\n## Levels of {subject}\n");
        }
        level_as_markdown(level, &mut text);
    }
    super::levels_matrix::write_matrix(&mut text);
    text
}

fn level_as_markdown(level: &LevelDefinition, text: &mut String) {
    let (name, line) = (level.property.name(), level.property.line());
    let aliases: Vec<String> = level.property.aliases().iter().map(|alias| format!("`{alias}`")).collect();
    let _ = write!(text, "\n### {name}\n\n{}.\n", capitalize(line));
    if !aliases.is_empty() {
        let _ = writeln!(text, "Also called {}.", aliases.join(", "));
    }
    let _ = write!(
        text,
        "\n```text\n{}\n```\n\n- Family: {} ({}).\n- Source: {}.\n- Decided by {}.\n",
        level.formula,
        level.family.name(),
        level.family.line(),
        level.source,
        level.decided_by
    );
    for edge in implications_of(level.property) {
        implication_as_markdown(&edge, text);
    }
}

fn implication_as_markdown(edge: &LevelImplication, text: &mut String) {
    let weaker = edge.weaker.name();
    let proviso = edge.proviso.words().map(|words| format!(" ({words})")).unwrap_or_default();
    let _ = write!(text, "- Implies `{weaker}`{proviso}: {}.", edge.reason);
    if let Some(equivalence) = find_equivalence(edge) {
        let _ = write!(text, " No history separates them: {}.", equivalence.reason);
    }
    text.push('\n');
    if let Some(separation) = find_separation(edge) {
        let _ = write!(
            text,
            "  This history satisfies `{weaker}` and violates `{}`: {}.\n\n",
            edge.stronger.name(),
            separation.why
        );
        let indented: Vec<String> = separation.drawing.lines().map(|line| format!("  {line}")).collect();
        let _ = write!(text, "  ```text\n{}\n  ```\n", indented.join("\n"));
    }
}

fn capitalize(line: &str) -> String {
    let mut signs = line.chars();
    signs.next().map_or_else(String::new, |first| first.to_uppercase().chain(signs).collect())
}
