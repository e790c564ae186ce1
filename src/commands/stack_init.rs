//! `steadfast stack init URL`: writes a description of an application and tests it.

use super::stack_test::test_stack;
use crate::args::StackInitArgs;
use crate::exit::Exit;
use crate::output;
use crate::output_file::{refuse_existing, write_by_name};
use recorder::stores::http::{DraftQuestion, draft_description};
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

/// The longest answer of a person, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 10;

pub(crate) fn init_stack(args: &StackInitArgs) -> Exit {
    match write_description(args) {
        Ok(()) => {
            output::print_status(&format!("wrote {}; testing it", args.output.display()));
            test_stack(&args.test_args())
        }
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

fn write_description(args: &StackInitArgs) -> Result<(), String> {
    let file = &args.output;
    let options = args.draft_options()?;
    let inputs: Vec<&Path> = options.users.iter().map(Path::new).collect();
    refuse_existing(file, args.force, &inputs)?;
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let mut ask = |question: &DraftQuestion| if asks { ask_person(question) } else { None };
    let text = draft_description(&options, &mut ask)?;
    write_by_name(file, args.force, &inputs, |beside| {
        write_privately(beside, &text).map_err(|why| format!("failed to write {}: {why}", file.display()))
    })
}

/// Asks a question. An empty answer takes the suggestion.
fn ask_person(question: &DraftQuestion) -> Option<String> {
    let suggestion = question.suggestion.as_ref().map_or(String::new(), |text| format!(" [{text}]"));
    let mut stderr = anstream::stderr().lock();
    write!(stderr, "{} ({}){suggestion}: ", question.text, question.option)
        .and_then(|()| stderr.flush())
        .ok()?;
    let mut answer = String::new();
    let mut input = std::io::Read::take(std::io::stdin().lock(), ANSWER_BYTES_MAX);
    input.read_line(&mut answer).ok()?;
    Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty())
}

/// Writes a new file that only its owner can read, because it may have a password.
fn write_privately(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())
}
