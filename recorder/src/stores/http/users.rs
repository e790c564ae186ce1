//! A table of users that exist before the run, with names, passwords and whatever else a login needs.

use std::collections::BTreeMap;

/// The maximum number of users.
const USERS_MAX: usize = 1_000_000;

/// Users with the same columns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Users {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Users {
    /// Reads a file.
    pub(super) fn from_file(file: &str) -> Result<Self, String> {
        let text =
            std::fs::read_to_string(file).map_err(|why| format!("users: failed to read {file}: {why}"))?;
        Self::from_csv(&text).map_err(|why| format!("users: {file}: {why}"))
    }

    /// Reads comma-separated lines. The first line names the columns.
    pub(super) fn from_csv(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let cells = |line: &str| line.split(',').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let (_, first) = lines.next().ok_or("the file is empty; its first line must name the columns")?;
        let columns = cells(first);
        let mut rows = Vec::new();
        for (number, line) in lines {
            let row = cells(line);
            if line.contains('"') {
                return Err(format!(
                    "line {}: quoted values are not supported; remove the quotes",
                    number + 1
                ));
            }
            if row.len() != columns.len() {
                let (found, wanted) = (row.len(), columns.len());
                return Err(format!("line {}: {found} values for {wanted} columns", number + 1));
            }
            if rows.len() == USERS_MAX {
                return Err(format!("more than {USERS_MAX} users"));
            }
            rows.push(row);
        }
        if rows.is_empty() {
            Err("the file has columns but no users".to_owned())
        } else {
            Ok(Self { columns, rows })
        }
    }

    /// The number of users; 0 without a table.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is such a column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known == column)
    }

    /// The row of a user of the run: `s-17` has the seventeenth. After the last row, the first one is used again.
    pub(super) fn line_of(&self, user: &str) -> BTreeMap<String, String> {
        if self.rows.is_empty() {
            return BTreeMap::new();
        }
        let digits = user.rsplit(|sign: char| !sign.is_ascii_digit()).next().unwrap_or_default();
        let number = digits.parse::<u64>().unwrap_or(1).max(1) - 1;
        let row = &self.rows[(number % self.rows.len() as u64) as usize];
        self.columns.iter().cloned().zip(row.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_and_taken_in_turn() {
        let users = Users::from_csv("name,password\nann, a1\n\nbob,b2\n").unwrap();
        assert_eq!(users.line_of("s-1")["password"], "a1");
        assert_eq!(users.line_of("s-9f3-2")["name"], "bob");
        assert_eq!(users.line_of("s-3")["name"], "ann");
        assert!(users.has("name") && !users.has("mail"));
        for (text, says) in [
            ("", "the file is empty"),
            ("name,password\n", "no users"),
            ("name,password\nann\n", "line 2: 1 values"),
            ("name\n\"ann\"\n", "line 2: quoted values"),
        ] {
            assert!(Users::from_csv(text).unwrap_err().contains(says), "{text}");
        }
    }
}
