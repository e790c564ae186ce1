//! The state of a followed stream in a file, from which another process goes on after the first one was killed.
//!
//! A violation is printed once. Before it is printed, the state is written with the violation in it and with the size that
//! standard output has. A process that goes on compares what it has to print with what follows there: what was printed
//! already is left out. This works if standard output is a file that is appended to. In a pipe nothing can be looked up,
//! and the last verdict may be printed again.
//!
//! The state is written to a temporary file, which is then renamed. So there is the old state or the new one, whole.

use crate::output::ResultWriter;
use crate::stream_judge::StreamJudge;
use crate::stream_lines::StreamLines;
use crate::stream_sorter::LateSorter;
use checker::Monitor;
use checker::measurements::StreamFigures;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The version of the form. A state of another version is refused.
const VERSION: u32 = 1;
/// How a state begins.
const STATE_BEGINS: &[u8] = b"{\"version\":";
/// The last bytes before the place of the state, by which the followed file is recognised.
const MARK_BYTES: usize = 4_096;
/// The least time between two states, unless a violation is printed.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Saving takes at most one part in so many of the time.
const SAVE_SHARE: u32 = 20;

/// Where a state was taken: the number of bytes of the followed file that it covers, and the last of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FilePlace {
    offset: u64,
    mark: Vec<u8>,
}

impl FilePlace {
    /// The number of bytes that were read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on by some bytes of the file.
    pub(crate) fn advance(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.mark.extend_from_slice(bytes);
        let excess = self.mark.len().saturating_sub(MARK_BYTES);
        self.mark.drain(..excess);
    }

    /// Checks that a file has the same bytes at this place.
    pub(crate) fn check_file(&self, path: &Path) -> Result<(), String> {
        let shown = path.display();
        let mut file = File::open(path).map_err(|why| format!("{shown}: {why}"))?;
        let len = file.metadata().map_err(|why| format!("{shown}: {why}"))?.len();
        if len < self.offset {
            return Err(format!(
                "{shown} has {len} bytes, and {} were read when the checkpoint was written. Events are lost",
                self.offset
            ));
        }
        let mut found = vec![0; self.mark.len()];
        file.seek(SeekFrom::Start(self.offset - self.mark.len() as u64))
            .and_then(|_| file.read_exact(&mut found))
            .map_err(|why| format!("{shown}: {why}"))?;
        if found != self.mark {
            return Err(format!(
                "{shown} is not the file that the checkpoint was written for, or it was replaced"
            ));
        }
        Ok(())
    }
}

/// The state of a followed stream.
#[derive(Deserialize)]
pub(crate) struct StreamState {
    version: u32,
    pub(crate) place: FilePlace,
    pub(crate) lines: StreamLines,
    pub(crate) monitor: Monitor,
    #[serde(default)]
    pub(crate) figures: StreamFigures,
    /// What waits to be judged in the order of times.
    #[serde(default)]
    pub(crate) sorter: Option<LateSorter>,
    /// The size that standard output had, if it was a file.
    printed: Option<u64>,
}

/// The same, to be written.
#[derive(Serialize)]
struct StateToWrite<'a> {
    version: u32,
    place: &'a FilePlace,
    lines: &'a StreamLines,
    monitor: &'a Monitor,
    figures: &'a StreamFigures,
    sorter: Option<&'a LateSorter>,
    printed: Option<u64>,
}

impl StreamState {
    /// Reads a state, if there is one.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, String> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let mut file = BufReader::new(file);
        let begins = file.fill_buf().map_err(|error| format!("{}: {error}", path.display()))?;
        // Whatever else it is may be dear to the user.
        if !begins.starts_with(STATE_BEGINS) {
            return Err(format!("{} is not a checkpoint. Pass the name of a new file", path.display()));
        }
        let state: Self = serde_json::from_reader(file).map_err(|why| {
            format!(
                "{} is no whole checkpoint of this version: {why}. Remove it to begin again",
                path.display()
            )
        })?;
        match state.version {
            VERSION => Ok(Some(state)),
            other => Err(format!("{} has version {other}, expected {VERSION}", path.display())),
        }
    }

    /// What was printed after the state was written, as far as that can be looked up.
    pub(crate) fn read_printed_since(&self) -> Vec<u8> {
        let Some(from) = self.printed else { return Vec::new() };
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open("/proc/self/fd/1")?;
            let mut text = Vec::new();
            if file.metadata()?.is_file() {
                file.seek(SeekFrom::Start(from))?;
                file.read_to_end(&mut text)?;
            }
            Ok(text)
        };
        read().unwrap_or_default()
    }
}

/// Writes states to a file.
pub(crate) struct CheckpointWriter {
    path: PathBuf,
    saved_at: Instant,
    saving_took: Duration,
}

impl CheckpointWriter {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, saved_at: Instant::now(), saving_took: Duration::ZERO }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.saved_at.elapsed() >= SAVE_EVERY.max(self.saving_took * SAVE_SHARE)
    }

    /// Writes a state. Everything that was printed must have been flushed. `ahead` is the number of bytes that an earlier
    /// process printed and this one has not come to yet.
    pub(crate) fn save(
        &mut self,
        place: &FilePlace,
        judge: &StreamJudge,
        sorter: Option<&LateSorter>,
        ahead: u64,
    ) -> Result<(), String> {
        let began = Instant::now();
        let printed = printed_size().map(|size| size.saturating_sub(ahead));
        let StreamJudge { lines, monitor, figures, .. } = judge;
        let state = StateToWrite { version: VERSION, place, lines, monitor, figures, sorter, printed };
        let written = self.write_beside(&state);
        (self.saved_at, self.saving_took) = (Instant::now(), began.elapsed());
        written.map_err(|why| format!("failed to write {}: {why}", self.path.display()))
    }

    fn write_beside(&self, state: &StateToWrite<'_>) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = self.path.with_file_name(format!(".{name}-part"));
        let mut file = BufWriter::new(File::create(&beside)?);
        serde_json::to_writer(&mut file, state)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)
    }
}

/// The size of standard output, if it is a file.
fn printed_size() -> Option<u64> {
    let metadata = std::fs::metadata("/proc/self/fd/1").ok()?;
    metadata.is_file().then_some(metadata.len())
}

/// Standard output, without what an earlier process printed already.
pub(crate) struct ResumedWriter {
    out: ResultWriter,
    /// What follows in the output of the earlier process.
    already: Vec<u8>,
    /// What was left out because it is there.
    left_out: Vec<u8>,
    /// Whether escape sequences are not printed.
    plain: bool,
}

impl ResumedWriter {
    pub(crate) fn new(out: ResultWriter, already: Vec<u8>, plain: bool) -> Self {
        Self { out, already, left_out: Vec::new(), plain }
    }

    /// The number of bytes that an earlier process printed and this one has not come to yet.
    pub(crate) fn bytes_ahead(&self) -> u64 {
        self.already.len() as u64
    }

    pub(crate) fn into_inner(self) -> ResultWriter {
        self.out
    }
}

impl Write for ResumedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.already.is_empty() {
            return self.out.write(bytes);
        }
        let shown = match self.plain {
            true => anstream::adapter::strip_bytes(bytes).into_vec(),
            false => bytes.to_vec(),
        };
        if self.already.starts_with(&shown) {
            self.already.drain(..shown.len());
            self.left_out.extend(shown);
        } else if let Some(rest) = shown.strip_prefix(self.already.as_slice()) {
            self.already.clear();
            self.out.write_all(rest)?;
        } else {
            // Something else is there: rather twice than never.
            self.already.clear();
            let left_out = std::mem::take(&mut self.left_out);
            self.out.write_all(&left_out)?;
            self.out.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
