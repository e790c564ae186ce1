//! `steadfast completions SHELL`: prints a completion script.
//!
//! The scripts of clap complete the first item of a list such as `--faults kill,pause` only. For bash, whose script is plain, this
//! module lets the items after a comma be completed as well.

use crate::args::full_command;
use crate::exit::Exit;
use clap::Command;
use std::collections::BTreeSet;

/// Completes the part of a word after its last comma.
const LIST_FUNCTION: &str = r#"_steadfast_complete_list() {
    local head="" tail="$2" word
    [[ $tail == *,* ]] && head="${tail%,*}," && tail="${tail##*,}"
    COMPREPLY=()
    for word in $(compgen -W "$1" -- "$tail"); do
        COMPREPLY+=("$head$word")
    done
}

"#;

pub(crate) fn print_completions(shell: clap_complete::Shell) -> Exit {
    let mut command = full_command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "steadfast", &mut script);
    let script = String::from_utf8_lossy(&script);
    match shell {
        clap_complete::Shell::Bash => super::print_result(&complete_lists(&script, &list_options(&command))),
        _ => super::print_result(&script),
    }
}

/// The options of all commands that take lists, as a script names them: `--faults`.
fn list_options(command: &Command) -> BTreeSet<String> {
    let arguments = command.get_subcommands().flat_map(Command::get_arguments);
    let lists = arguments.filter(|arg| arg.get_value_delimiter().is_some());
    lists.filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect()
}

/// Replaces the completion of each list option by one that looks behind the last comma.
fn complete_lists(script: &str, options: &BTreeSet<String>) -> String {
    let mut text = String::from(LIST_FUNCTION);
    let mut is_list = false;
    for line in script.lines() {
        let trimmed = line.trim();
        if let Some(option) = trimmed.strip_suffix(')').filter(|option| option.starts_with('-')) {
            is_list = options.contains(option);
        }
        let words = trimmed.strip_prefix("COMPREPLY=($(compgen -W ");
        let words = words.and_then(|rest| rest.strip_suffix(" -- \"${cur}\"))"));
        match words.filter(|_| is_list) {
            Some(words) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                text += &format!("{indent}_steadfast_complete_list {words} \"${{cur}}\"\n");
            }
            None => text += &format!("{line}\n"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_are_completed_behind_a_comma() {
        let script = "case \"${prev}\" in\n  --faults)\n    COMPREPLY=($(compgen -W \"kill pause\" -- \"${cur}\"))\n    ;;\n  --format)\n    \
                      COMPREPLY=($(compgen -W \"text json\" -- \"${cur}\"))\n    ;;\n";
        let text = complete_lists(script, &["--faults".to_owned()].into());
        assert!(text.contains("    _steadfast_complete_list \"kill pause\" \"${cur}\"\n"), "{text}");
        assert!(text.contains("COMPREPLY=($(compgen -W \"text json\""), "{text}");
        assert!(list_options(&full_command()).contains("--consistency"));
    }
}
