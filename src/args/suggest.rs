//! "Did you mean": finds the known name that is closest to a mistyped one, and words the error.
//!
//! Names are compared without case, and with `_` and spaces as `-`. A name is suggested if it is at most a third of its length
//! in edits away (Damerau-Levenshtein: insert, delete, replace, swap), or if it begins with or contains what was typed.

/// Longer input is cut before it is compared: no name is near this length, and the comparison costs length squared.
const TYPED_CHARS_MAX: usize = 64;
/// Shorter input is part of too many names to suggest one of them.
const PART_CHARS_MIN: usize = 3;
/// The most names that an error lists; of more, it names the command that lists them.
const LISTED_MAX: usize = 24;

/// A name in the form in which names are compared.
pub(crate) fn fold_name(name: &str) -> String {
    let cut = name.trim().chars().take(TYPED_CHARS_MAX);
    cut.map(|sign| if sign == '_' || sign == ' ' { '-' } else { sign.to_ascii_lowercase() }).collect()
}

/// Finds a known name that equals what was typed in all but case and hyphens.
pub(crate) fn find_name<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = fold_name(typed);
    known.into_iter().find(|name| fold_name(name) == typed)
}

/// The known name that the user probably meant. O(length² · names).
pub(crate) fn closest_name<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed = fold_name(typed);
    let by_edits = known.iter().map(|name| (count_edits(&typed, &fold_name(name)), *name));
    let near = by_edits.filter(|(edits, name)| *edits <= (name.len().min(typed.len()) / 3).max(1));
    if let Some((_, name)) = near.min_by_key(|(edits, _)| *edits) {
        return Some(name);
    }
    if typed.len() < PART_CHARS_MIN {
        return None;
    }
    let begins = known.iter().find(|name| fold_name(name).starts_with(&typed));
    begins.or_else(|| known.iter().find(|name| fold_name(name).contains(&typed))).copied()
}

/// The message for an unknown name: what was typed, the closest name, and the names that there are or the command that lists
/// them.
pub(crate) fn describe_unknown(
    kind: &str,
    typed: &str,
    known: &[&str],
    list_command: Option<&str>,
) -> String {
    let mut message = format!("there is no {kind} {typed:?}");
    let closest = closest_name(typed, known);
    message += &closest.map_or_else(|| ".".to_owned(), |name| format!("; did you mean {name:?}?"));
    let is_listed = known.len() <= LISTED_MAX && (closest.is_none() || list_command.is_none());
    if is_listed {
        message += &format!(" Choose one of: {}.", known.join(", "));
    }
    if let Some(command) = list_command {
        message += &format!(" `{command}` lists them.");
    }
    message
}

/// The number of edits between two names (restricted Damerau-Levenshtein distance).
fn count_edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for at in 1..=from.len() {
        let mut row = vec![at];
        for column in 1..=to.len() {
            let replaced = usize::from(from[at - 1] != to[column - 1]);
            let least =
                (rows[at - 1][column] + 1).min(row[column - 1] + 1).min(rows[at - 1][column - 1] + replaced);
            let is_swap =
                at > 1 && column > 1 && from[at - 1] == to[column - 2] && from[at - 2] == to[column - 1];
            row.push(if is_swap { least.min(rows[at - 2][column - 2] + 1) } else { least });
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, edits) in [("", "", 0), ("", "ab", 2), ("abc", "acb", 1), ("kitten", "sitting", 3)] {
            assert_eq!(count_edits(from, to), edits, "{from} {to}");
            assert_eq!(count_edits(to, from), edits, "{to} {from}");
        }
    }

    #[test]
    fn a_mistyped_name_is_recognised_and_another_word_is_not() {
        let known = ["linearizable", "sequential", "causal", "read-your-writes", "serializable"];
        for (typed, meant) in [
            ("linearisable", Some("linearizable")),
            ("LINEARIZABEL", Some("linearizable")),
            ("read_your_write", Some("read-your-writes")),
            ("linear", Some("linearizable")),
            ("writes", Some("read-your-writes")),
            ("happiness", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest_name(typed, &known), meant, "{typed}");
        }
        assert_eq!(find_name("Read_Your_Writes", known), Some("read-your-writes"));
        assert_eq!(find_name("linear", known), None);
    }

    /// A hostile name must not cost more than a short one.
    #[test]
    fn long_input_is_cut() {
        let long = "é".repeat(1 << 20);
        assert_eq!(fold_name(&long).chars().count(), TYPED_CHARS_MAX);
        assert_eq!(closest_name(&long, &["causal"]), None);
    }

    #[test]
    fn the_message_says_what_was_typed_what_was_meant_and_where_to_look() {
        let message = describe_unknown("level", "casual", &["causal", "pram"], Some("steadfast levels"));
        assert_eq!(
            message,
            "there is no level \"casual\"; did you mean \"causal\"? `steadfast levels` lists them."
        );
        let message = describe_unknown("level", "x", &["causal", "pram"], None);
        assert_eq!(message, "there is no level \"x\". Choose one of: causal, pram.");
        let many = vec!["name"; LISTED_MAX + 1];
        assert_eq!(describe_unknown("level", "zzz", &many, None), "there is no level \"zzz\".");
    }
}
