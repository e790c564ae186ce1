//! Writes results to standard output and everything else to standard error.

use crate::args::ColorMode;
use crate::exit::Exit;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::io::{self, BufWriter, Stdout, Write};

/// Columns if standard output is not a terminal.
const WIDTH_DEFAULT: usize = 80;
/// Lines are not made longer than this on a wide terminal: they would be harder to read.
const WIDTH_MAX: usize = 120;

const RED: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));

/// Standard output for a sequence of results. After a failed write all further output is dropped: verdicts, exit codes and
/// report files do not depend on the reader of standard output.
pub(crate) struct ResultWriter {
    out: BufWriter<AutoStream<Stdout>>,
    failed: Option<io::Error>,
}

impl ResultWriter {
    pub(crate) fn new(color: ColorMode) -> Self {
        Self { out: open_stdout(color), failed: None }
    }

    /// Returns the exit code of the call. Prints an error if output was lost for another reason than a closed pipe.
    pub(crate) fn finish(mut self, so_far: Exit) -> Exit {
        let _ = self.flush();
        match self.failed.take() {
            Some(error) => exit_after_write_error(&error, so_far),
            None => so_far,
        }
    }
}

impl Write for ResultWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.out.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed.is_none() {
            self.failed = self.out.flush().err();
        }
        Ok(())
    }
}

/// Opens standard output, with colours only where they can be seen.
pub(crate) fn open_stdout(color: ColorMode) -> BufWriter<AutoStream<Stdout>> {
    let choice = match color {
        // `AutoStream` considers the terminal, NO_COLOR, CLICOLOR and CLICOLOR_FORCE.
        ColorMode::Auto => AutoStream::choice(&io::stdout()),
        ColorMode::Always => ColorChoice::Always,
        ColorMode::Never => ColorChoice::Never,
    };
    BufWriter::new(AutoStream::new(io::stdout(), choice))
}

/// The width of the terminal in columns.
#[cfg(feature = "command-line")]
pub(crate) fn terminal_width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH_DEFAULT, |(width, _)| usize::from(width.0)).min(WIDTH_MAX)
}

/// Prints an error on standard error. A closed standard error is ignored.
pub(crate) fn print_error(message: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{RED}error{RED:#}: {message}");
}

/// Prints a status line on standard error.
pub(crate) fn print_status(message: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{message}");
}

/// Prints a warning on standard error: the results are weaker than they look.
pub(crate) fn print_warning(message: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{RED}warning{RED:#}: {message}");
}

/// Indents each line of a text that is quoted in a message.
pub(crate) fn indent_text(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Prints a note on standard error.
pub(crate) fn print_note(message: &str) {
    let _ = writeln!(anstream::stderr().lock(), "note: {message}");
}

/// The exit code of a call whose results could not be written. A closed pipe (`| head`) is not an error.
pub(crate) fn exit_after_write_error(error: &io::Error, so_far: Exit) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return so_far;
    }
    print_error(&format!("failed to write the results: {error}"));
    so_far.max(Exit::BadInput)
}
