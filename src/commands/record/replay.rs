//! The command that repeats a run: the typed words without output options, quoted for a shell.
//!
//! People copy this command from a terminal, a header or a page and paste it into a shell. Without quotes, the `>` of a
//! link between two nodes created a file and changed the fault.

use crate::args::RunPlan;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

/// Options that only affect where results go and how they look. The flag says whether a value follows.
const LEFT_OUT: [(&str, bool); 19] = [
    ("--output", true),
    ("-o", true),
    ("--format", true),
    ("--report", true),
    ("--dot", true),
    ("--otlp", true),
    ("--certificate", true),
    ("--on-violation", true),
    ("--on-alert", true),
    ("--burn-rate", true),
    ("--command-timeout", true),
    ("--metrics", true),
    ("--live-page", true),
    ("--otlp-violations", true),
    ("--force", false),
    ("--quiet", false),
    ("-q", false),
    ("--color", true),
    ("--no-color", false),
];

/// The command that repeats this run. The same run always gives the same command.
pub(super) fn replay_command(plan: &RunPlan) -> String {
    let seed = plan.repeated.then_some(plan.settings.workload.seed);
    command_from_words(std::env::args_os().skip(1), seed)
}

/// Builds the command from the words after the program's name. `seed` is the seed of one of several runs.
fn command_from_words(typed: impl Iterator<Item = OsString>, seed: Option<u64>) -> String {
    let mut words: Vec<OsString> = vec!["steadfast".into()];
    let repeated: &[(&str, bool)] =
        if seed.is_some() { &[("--repeat", true), ("--seed", true)] } else { &[] };
    let left_out: Vec<&(&str, bool)> = LEFT_OUT.iter().chain(repeated).collect();
    let mut typed = typed;
    while let Some(word) = typed.next() {
        match left_out.iter().find_map(|(name, takes)| match_option(&word, name, *takes)) {
            None => words.push(word),
            Some(true) => drop(typed.next()),
            Some(false) => {}
        }
    }
    words.extend(seed.iter().flat_map(|seed| ["--seed".into(), seed.to_string().into()]));
    words.iter().map(|word| quote_for_shell(word)).collect::<Vec<_>>().join(" ")
}

/// Matches a word with an option. Returns whether the option's value is the next word.
fn match_option(word: &OsStr, name: &str, takes_value: bool) -> Option<bool> {
    let rest = word.as_bytes().strip_prefix(name.as_bytes())?;
    match rest {
        [] => Some(takes_value),
        [b'=', ..] if takes_value => Some(false),
        // `-oFILE`.
        _ if takes_value && !name.starts_with("--") => Some(false),
        _ => None,
    }
}

/// Quotes a word for a shell, if it needs quotes.
fn quote_for_shell(word: &OsStr) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.as_bytes().iter().all(is_plain) => text.to_owned(),
        Some(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let mut quoted = String::from("$'");
            for &byte in word.as_bytes() {
                match byte {
                    b'\'' | b'\\' => quoted.extend(['\\', char::from(byte)]),
                    b' '..=b'~' => quoted.push(char::from(byte)),
                    _ => write!(quoted, "\\x{byte:02x}").expect("a string takes all"),
                }
            }
            quoted + "'"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(words: &[&str], seed: Option<u64>) -> String {
        command_from_words(words.iter().map(OsString::from), seed)
    }

    /// Each word comes back from a shell as it was typed.
    #[test]
    fn a_shell_reads_back_what_was_typed() {
        let words: Vec<OsString> = [
            "run",
            "--faults",
            "delay=5ms:n1>n2@1s+1s,kill:n1",
            "--restart-command",
            "echo $HOME; rm 'a b' \"c\" `d`",
            "",
            "#",
            "~",
            "*",
            "a\\b",
            "two\nlines",
            "tab\t'",
            "ümlaut",
            "-x",
            "!history",
            "\u{7}bell\\",
        ]
        .iter()
        .map(OsString::from)
        .chain([OsStr::from_bytes(b"not \xff UTF-8").to_owned()])
        .collect();
        let command = command_from_words(words.clone().into_iter(), None);
        let script = format!("steadfast() {{ printf '%s\\0' \"$@\"; }}; {command}");
        let output = std::process::Command::new("bash").args(["-c", &script]).output().expect("bash");
        let back: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
        let expected: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).chain([&b""[..]]).collect();
        assert_eq!(back, expected, "{command}");
    }

    #[test]
    fn where_results_go_is_left_out() {
        let words = [
            "run",
            "-o",
            "a",
            "-ob",
            "--output=c",
            "--report",
            "r.html",
            "--quiet",
            "--on-violation",
            "page me",
            "--metrics=9464",
            "--force",
            "--seed",
            "7",
        ];
        assert_eq!(replayed(&words, None), "steadfast run --seed 7");
        assert_eq!(
            replayed(&["run", "--repeat=3", "--seed", "7", "etcd"], Some(9)),
            "steadfast run etcd --seed 9"
        );
    }
}
