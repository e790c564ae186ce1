//! Small tables and wrapped sentences.

/// Rows with their columns made equally wide; two spaces between, none at the end of a line.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
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

/// The rows without the columns (header apart) that are empty in every row.
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

/// A text broken between words into lines of at most `width` columns; a longer word has a line of its own.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

/// A duration as people read it.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.0995 => format!("{:.1} ms", s * 1e3),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.1} s"),
    }
}

/// A number with its noun: `1 key`, `2 keys`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// A fragment, with a capital and a full stop.
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
        assert_eq!(columns(&without_empty_columns(rows)), ["op   what", "#1   write 1", "#12  r"]);
    }

    #[test]
    fn sentences_wrap_between_words() {
        assert_eq!(wrapped("to be or not to be", 9), ["to be or", "not to be"]);
        assert_eq!(wrapped("incomprehensibilities", 5), ["incomprehensibilities"]);
    }

    #[test]
    fn durations_have_units() {
        assert_eq!([0.00004, 0.0021, 0.45, 12.34].map(duration), ["0.0 ms", "2.1 ms", "450 ms", "12.3 s"]);
    }
}
