//! Small tables and wrapped text.

/// The cell of a figure that is not known.
const UNKNOWN_CELL: &str = "?";
/// The narrowest column of wrapped text.
const TEXT_WIDTH_MIN: usize = 20;

/// Aligns the columns of a table, with two spaces between columns and none at the end of a line.
pub(crate) fn align_columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Removes columns that are empty in every row but the header.
pub(crate) fn without_empty_columns(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let count = rows.first().map_or(0, Vec::len);
    for column in (0..count).rev() {
        if rows.iter().skip(1).all(|row| row[column].is_empty()) {
            rows.iter_mut().for_each(|row| {
                row.remove(column);
            });
        }
    }
    rows
}

/// Breaks a text between words into lines of at most `width` columns. A longer word is broken too: a value or a path of a
/// history can have any length.
pub(crate) fn wrap_text(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        if used > 0 {
            lines.last_mut().expect("there is always a line").push(' ');
            used += 1;
        }
        for sign in word.chars() {
            if used == width {
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().expect("there is always a line").push(sign);
            used += 1;
        }
    }
    lines
}

/// Formats a duration.
pub(crate) fn format_elapsed(seconds: f64) -> String {
    match seconds {
        s if s < 0.0995 => format!("{:.1} ms", s * 1e3),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.1} s"),
    }
}

/// Formats a number with its noun: `1 key`, `2 keys`, `3 processes`, `4 anomalies`.
pub(crate) fn count_noun(count: usize, noun: &str) -> String {
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (count, stem) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) if noun.ends_with('s') => format!("{count} {noun}es"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// Aligns a table whose first row is the header. If it is wider than `width`, each row becomes a block: its first cell, and
/// below it the other cells with their names, wrapped.
pub(crate) fn fit_table(rows: &[Vec<String>], width: usize) -> Vec<String> {
    let aligned = align_columns(rows);
    if aligned.iter().all(|line| line.chars().count() <= width) {
        return aligned;
    }
    let Some((header, rows)) = rows.split_first() else { return Vec::new() };
    let mut lines = Vec::new();
    for row in rows {
        lines.extend(wrap_text(&format!("{} {}", header[0], row[0]), width));
        let cells = header.iter().zip(row).skip(1).filter(|(_, cell)| !cell.is_empty());
        let (unknown, known): (Vec<_>, Vec<_>) = cells.partition(|(_, cell)| *cell == UNKNOWN_CELL);
        let mut cells: Vec<String> = known.iter().map(|(name, cell)| format!("{name} {cell}")).collect();
        let unknown: Vec<&str> = unknown.iter().map(|(name, _)| name.as_str()).collect();
        cells.extend((!unknown.is_empty()).then(|| format!("unknown: {}", unknown.join(", "))));
        lines.extend(
            wrap_text(&cells.join("; "), width.saturating_sub(2)).into_iter().map(|line| format!("  {line}")),
        );
    }
    lines
}

/// Aligns the first cells of each row, and wraps the text of the row beside them.
pub(crate) fn describe_list(rows: &[(Vec<String>, String)], width: usize) -> Vec<String> {
    let cells: Vec<Vec<String>> = rows.iter().map(|(cells, _)| cells.clone()).collect();
    let aligned = align_columns(&cells);
    let indent = aligned.iter().map(|line| line.chars().count()).max().unwrap_or(0) + 2;
    let mut lines = Vec::new();
    for (first, (_, text)) in aligned.iter().zip(rows) {
        let wrapped = wrap_text(text, width.saturating_sub(indent).max(TEXT_WIDTH_MIN));
        for (at, line) in wrapped.iter().enumerate() {
            let before = if at == 0 { first.as_str() } else { "" };
            lines.push(format!("{before:<indent$}{line}").trim_end().to_owned());
        }
    }
    lines
}

/// Shortens a path from the left, so that its last parts remain.
pub(crate) fn shorten_path(path: &str, width: usize) -> String {
    let count = path.chars().count();
    if count <= width {
        return path.to_owned();
    }
    let end: String = path.chars().skip(count - width.saturating_sub(2)).collect();
    format!("..{end}")
}

/// Turns a fragment into a sentence with a capital and a full stop.
pub(crate) fn as_sentence(fragment: &str) -> String {
    let mut signs = fragment.chars();
    let first = signs.next().into_iter().flat_map(char::to_uppercase);
    let end = (!fragment.ends_with('.')).then_some('.');
    first.chain(signs).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_go() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = vec![row(["op", "node", "what"]), row(["#1", "", "write 1"]), row(["#12", "", "r"])];
        assert_eq!(align_columns(&without_empty_columns(rows)), ["op   what", "#1   write 1", "#12  r"]);
    }

    #[test]
    fn sentences_wrap_between_words() {
        assert_eq!(wrap_text("to be or not to be", 9), ["to be or", "not to be"]);
        // A value of a history can be of any length, and a longer line breaks the layout of a terminal.
        assert_eq!(wrap_text("an incomprehensible", 8), ["an", "incompre", "hensible"]);
        assert_eq!(wrap_text("", 8), [""]);
    }

    #[test]
    fn a_table_that_is_too_wide_becomes_blocks() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = vec![
            row(["fault", "at", "lasted"]),
            row(["kill n1", "3 s", ""]),
            row(["pause n2", "5 s", "4 s"]),
        ];
        assert_eq!(fit_table(&rows, 40), ["fault     at   lasted", "kill n1   3 s", "pause n2  5 s  4 s"]);
        assert_eq!(
            fit_table(&rows, 16),
            ["fault kill n1", "  at 3 s", "fault pause n2", "  at 5 s; lasted", "  4 s"]
        );
    }

    #[test]
    fn nouns_have_their_plurals() {
        let counted = ["key", "process", "anomaly", "history"].map(|noun| count_noun(2, noun));
        assert_eq!(counted, ["2 keys", "2 processes", "2 anomalies", "2 histories"]);
        assert_eq!(count_noun(1, "process"), "1 process");
        assert_eq!(
            (shorten_path("runs/a.jsonl", 20), shorten_path("runs/a.jsonl", 9)),
            ("runs/a.jsonl".into(), "..a.jsonl".into())
        );
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(
            [0.00004, 0.0021, 0.45, 12.34].map(format_elapsed),
            ["0.0 ms", "2.1 ms", "450 ms", "12.3 s"]
        );
    }
}
