//! Results to standard output, everything else to standard error.

use crate::args::Color;
use crate::exit::Exit;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::io::{self, BufWriter, Stdout, Write};

/// Columns where standard output is no terminal.
const WIDTH_DEFAULT: usize = 100;
/// Longer lines are not easier to read.
const WIDTH_MAX: usize = 140;

const RED: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));

/// Standard output for results that come one after another. Once it cannot be written any more, what comes is dropped:
/// verdicts, exit codes and files of their own do not depend on who reads along.
pub(crate) struct Results {
    out: BufWriter<AutoStream<Stdout>>,
    failed: Option<io::Error>,
}

impl Results {
    pub(crate) fn new(color: Color) -> Self {
        Self { out: results(color), failed: None }
    }

    /// The end of a call: its exit code, and a word where results were lost that somebody was reading.
    pub(crate) fn finish(mut self, so_far: Exit) -> Exit {
        let _ = self.flush();
        match self.failed.take() {
            Some(error) => unwritten(&error, so_far),
            None => so_far,
        }
    }
}

impl Write for Results {
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

/// Standard output, without colours where nobody sees them.
pub(crate) fn results(color: Color) -> BufWriter<AutoStream<Stdout>> {
    let choice = match color {
        // Looks at the terminal, NO_COLOR, CLICOLOR and CLICOLOR_FORCE.
        Color::Auto => AutoStream::choice(&io::stdout()),
        Color::Never => ColorChoice::Never,
    };
    BufWriter::new(AutoStream::new(io::stdout(), choice))
}

/// How wide the terminal is.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH_DEFAULT, |(width, _)| usize::from(width.0)).min(WIDTH_MAX)
}

/// Says on standard error what went wrong. A closed standard error is no reason to stop.
pub(crate) fn complain(message: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{RED}error{RED:#}: {message}");
}

/// Says on standard error what is going on.
pub(crate) fn say(message: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{message}");
}

/// Says on standard error why the results are not what they seem to be.
pub(crate) fn warn(message: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{RED}warning{RED:#}: {message}");
}

/// Says on standard error what the user should know.
pub(crate) fn remark(message: &str) {
    let _ = writeln!(anstream::stderr().lock(), "note: {message}");
}

/// The end of a call whose results could not be written: quiet if whoever read them has gone (`| head`).
pub(crate) fn unwritten(error: &io::Error, so_far: Exit) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return so_far;
    }
    complain(&format!("failed to write the results: {error}"));
    so_far.max(Exit::BadInput)
}
