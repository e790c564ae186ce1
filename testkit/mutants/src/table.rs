//! The rows of a module in the tables of `docs/trust.md`.

use crate::trials::TrialOutcome;
use std::fmt;
use std::path::Path;

/// The figures of a module.
pub(crate) struct ModuleResult {
    module: String,
    seed: u64,
    total: usize,
    sample: usize,
    caught: usize,
    timed_out: usize,
    not_reached: usize,
}

impl ModuleResult {
    pub(crate) fn from_outcomes(
        module: &Path,
        seed: u64,
        total: usize,
        outcomes: &[TrialOutcome],
    ) -> ModuleResult {
        let count = |is: fn(&TrialOutcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count();
        ModuleResult {
            module: module.display().to_string(),
            seed,
            total,
            sample: outcomes.len(),
            caught: count(|outcome| !matches!(outcome, TrialOutcome::Survived(_))),
            timed_out: count(|outcome| matches!(outcome, TrialOutcome::TimedOut(_))),
            not_reached: count(|outcome| *outcome == TrialOutcome::Survived(0)),
        }
    }
}

impl fmt::Display for ModuleResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sample == 0 {
            // A share of nothing is not known.
            let (module, total, seed) = (&self.module, self.total, self.seed);
            return write!(f, "| `{module}` | {total} | {seed} | 0 | – | – | – | – |");
        }
        let share = 100.0 * self.caught as f64 / self.sample as f64;
        write!(
            f,
            "| `{}` | {} | {} | {} | {} ({share:.1} %) | {} | {} | {} |",
            self.module,
            self.total,
            self.seed,
            self.sample,
            self.caught,
            self.timed_out,
            self.sample - self.caught,
            self.not_reached
        )
    }
}

/// Replaces the row of a module, or adds it to the end of the table that begins with `head`.
pub(crate) fn write_row(
    path: &Path,
    head: &str,
    module: &str,
    row: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(path)?;
    let text = replace_row(&text, head, module, row)
        .ok_or_else(|| format!("{} has no table that begins with {head}", path.display()))?;
    Ok(std::fs::write(path, text)?)
}

fn replace_row(text: &str, head: &str, module: &str, row: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let head = lines.iter().position(|line| line.starts_with(head))?;
    let length = lines[head..].iter().position(|line| !line.starts_with('|')).unwrap_or(lines.len() - head);
    let own = format!("| `{module}` |");
    match (head..head + length).find(|&at| lines[at].starts_with(&own)) {
        Some(at) => lines[at] = row,
        None => lines.insert(head + length, row),
    }
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::replace_row;

    #[test]
    fn a_row_is_replaced_and_a_new_one_added_at_the_end_of_the_table() {
        let text = "# T\n\n| module | n |\n| --- | --- |\n| `a` | 1 |\n\nafter\n";
        let replaced = replace_row(text, "| module |", "a", "| `a` | 2 |").expect("a table");
        assert_eq!(replaced, text.replace("1", "2"));
        let added = replace_row(text, "| module |", "b", "| `b` | 3 |").expect("a table");
        assert_eq!(added, text.replace("| 1 |\n", "| 1 |\n| `b` | 3 |\n"));
        assert_eq!(replace_row(text, "| module | m |", "a", ""), None);
    }
}
