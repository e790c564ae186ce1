//! `steadfast clean`.

use crate::args::read_description;
use crate::exit::Exit;
use crate::output;
use recorder::system::{clean, clean_undoing};
use std::fmt::Write;
use std::path::Path;

pub(crate) fn run_clean(stack: Option<&Path>) -> Exit {
    let cleaned = match stack.map(read_description).transpose() {
        Ok(None) => clean(),
        Ok(Some(description)) => clean_undoing(&mut |left| {
            description.undo_left(left)?;
            output::print_status(&format!("undone  {left}"));
            Ok(())
        }),
        Err(why) => {
            output::print_error(&why);
            return Exit::BadInput;
        }
    };
    let cleaned = match cleaned {
        Ok(cleaned) => cleaned,
        Err(why) => {
            output::print_error(&format!("failed to search for files of earlier runs: {why}"));
            return Exit::BadInput;
        }
    };
    let mut text = String::new();
    for path in &cleaned.removed {
        let _ = writeln!(text, "removed {}", path.display());
    }
    for path in &cleaned.in_use {
        let _ = writeln!(text, "in use  {}", path.display());
    }
    for (path, why) in &cleaned.failed {
        output::print_error(&format!("failed to remove {}: {why}", path.display()));
    }
    if text.is_empty() && cleaned.failed.is_empty() {
        text.push_str("no run left anything behind\n");
    }
    let printed = super::print_result(&text);
    if cleaned.failed.is_empty() { printed } else { Exit::BadInput }
}
