//! Reads a stream of bytes while it grows: standard input, or a file that is being written.
//!
//! A thread reads, so that a silent stream blocks neither a signal nor a judgement. It ends at the end of standard input.
//! A file has no such end: the thread waits for more until it is asked to stop, and then reads what is there already.
//!
//! A file can be replaced while it is read, as log rotation does. The writer goes on in the old file until it is told. So the
//! old file is read until the new one has content, and then to its end; the new one is read from its beginning. If the old
//! file grows after that, there are two writers, and their order is not known: that is an error. A file that becomes shorter has lost data that may not have been read; that is an error.

use crate::args::HistorySource;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// The most bytes of one message.
const CHUNK_BYTES: usize = 256 << 10;
/// The most messages that wait; the thread then waits as well.
pub(crate) const CHUNKS_MAX: usize = 8;
/// How long to wait at the end of a file before looking again.
const PATIENCE: Duration = Duration::from_millis(50);

/// What the reading thread found.
pub(crate) enum StreamInput {
    /// The next bytes.
    Bytes(Vec<u8>),
    /// The spans of a request, as a line of a file of spans.
    Spans(String),
    /// Something was left out: a message.
    Warning(String),
    /// The file was replaced, and was read to its end. What follows is in another file of the same name.
    Replaced,
    /// The stream ended.
    End,
    /// The stream cannot be read on: a message without the name of the stream.
    Failed(String),
}

/// What is read of a stream.
pub(crate) struct StreamReading {
    pub(crate) input: Receiver<StreamInput>,
    /// The bytes of a file that were not read yet; none of a pipe.
    unread: Option<Arc<AtomicU64>>,
}

impl StreamReading {
    /// What is received, of which nobody knows how much is to come.
    pub(crate) fn of_unknown_size(input: Receiver<StreamInput>) -> Self {
        Self { input, unread: None }
    }

    /// The bytes of a file that were not read yet; none of a pipe, because what its writer holds is not known.
    pub(crate) fn unread_bytes(&self) -> Option<u64> {
        self.unread.as_ref().map(|unread| unread.load(Ordering::Relaxed))
    }
}

/// Starts to read, a file from the byte at `offset` on. Once `stop` is set, a file is read to its present end.
///
/// # Errors
/// The file cannot be opened.
pub(crate) fn start_reading(
    source: &HistorySource,
    stop: Arc<AtomicBool>,
    offset: u64,
) -> Result<StreamReading, String> {
    let (tell, told) = sync_channel(CHUNKS_MAX);
    match source {
        HistorySource::StandardInput => {
            std::thread::spawn(move || read_pipe(io::stdin().lock(), &tell));
            Ok(StreamReading { input: told, unread: None })
        }
        HistorySource::File(path) => {
            let mut file = open_file(path)?;
            file.seek(SeekFrom::Start(offset)).map_err(|error| format!("{}: {error}", path.display()))?;
            let unread = Arc::new(AtomicU64::new(0));
            let mut reader = GrowingFile {
                path: path.clone(),
                file,
                offset,
                next: VecDeque::new(),
                left: None,
                unread: Arc::clone(&unread),
                stop,
                tell,
            };
            std::thread::spawn(move || reader.read_until_stopped());
            Ok(StreamReading { input: told, unread: Some(unread) })
        }
    }
}

fn open_file(path: &Path) -> Result<File, String> {
    let shown = path.display();
    // A pipe is not opened: that would wait for its writer.
    if std::fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir()) {
        return Err(format!("{shown} is a pipe or a device. Pass - and redirect it: --follow - < {shown}"));
    }
    if path.extension().is_some_and(|ending| ending == "gz" || ending == "zst") {
        return Err(format!(
            "{shown} is compressed, and a stream is plain lines. Decompress it into --follow -"
        ));
    }
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let metadata = file.metadata().map_err(|error| format!("{}: {error}", path.display()))?;
    if metadata.is_dir() {
        return Err(format!("{} is a directory. Pass a file, or - for standard input", path.display()));
    }
    Ok(file)
}

/// Reads a pipe to its end. A send fails only if the command has ended.
fn read_pipe(mut pipe: impl Read, tell: &SyncSender<StreamInput>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let input = match pipe.read(&mut buffer) {
            Ok(0) => StreamInput::End,
            Ok(len) => StreamInput::Bytes(buffer[..len].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => StreamInput::Failed(format!("failed to read: {error}")),
        };
        let ends = !matches!(input, StreamInput::Bytes(_));
        if tell.send(input).is_err() || ends {
            return;
        }
    }
}

/// A file that may still be written.
struct GrowingFile {
    path: PathBuf,
    file: File,
    offset: u64,
    /// The files that have taken the name since, the oldest first.
    next: VecDeque<File>,
    /// The file before this one, and its length when it was left.
    left: Option<(File, u64)>,
    /// The bytes between the offset and the end of the file.
    unread: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tell: SyncSender<StreamInput>,
}

impl GrowingFile {
    fn read_until_stopped(&mut self) {
        loop {
            // Both are looked at before the file is read to its end: what was written before is then read for certain.
            let stopped = self.stop.load(Ordering::SeqCst);
            self.find_replacement();
            // A writer that has begun the new file writes no more into the old one.
            let is_next_begun =
                self.next.len() > 1 || self.next.front().is_some_and(|file| length_of(file) > 0);
            if let Err(input) = self.read_to_present_end().and_then(|()| self.check_left_file()) {
                let _ = self.tell.send(input);
                return;
            }
            let next = if is_next_begun { self.next.pop_front() } else { None };
            let sent = match next {
                Some(file) => {
                    let left = std::mem::replace(&mut self.file, file);
                    self.left = Some((left, self.offset));
                    self.offset = 0;
                    self.tell.send(StreamInput::Replaced).is_ok()
                }
                None if stopped => {
                    let _ = self.tell.send(StreamInput::End);
                    false
                }
                None => {
                    std::thread::sleep(PATIENCE);
                    true
                }
            };
            if !sent {
                return;
            }
        }
    }

    /// Sends everything up to the present end.
    fn read_to_present_end(&mut self) -> Result<(), StreamInput> {
        let failed = |error: io::Error| StreamInput::Failed(format!("failed to read: {error}"));
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let len = self.file.metadata().map_err(failed)?.len();
            if len < self.offset {
                return Err(StreamInput::Failed(format!(
                    "became shorter while it was read: {} bytes were read, and {len} are left. Events may be lost. Let the \
                     writer append, or rotate by renaming",
                    self.offset
                )));
            }
            self.unread.store(len - self.offset, Ordering::Relaxed);
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    self.offset += read as u64;
                    let bytes = buffer[..read].to_vec();
                    self.tell.send(StreamInput::Bytes(bytes)).map_err(|_| StreamInput::End)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Opens another file of the same name, if there is one by now.
    fn find_replacement(&mut self) {
        let newest = self.next.back().unwrap_or(&self.file);
        let place = |about: std::fs::Metadata| (about.dev(), about.ino());
        let (Ok(named), Ok(newest)) = (std::fs::metadata(&self.path), newest.metadata()) else { return };
        if place(named) != place(newest)
            && let Ok(file) = File::open(&self.path)
        {
            self.next.push_back(file);
        }
    }

    /// Fails if the file before this one has grown since it was left.
    fn check_left_file(&self) -> Result<(), StreamInput> {
        let Some((file, length)) = &self.left else { return Ok(()) };
        let more = length_of(file).saturating_sub(*length);
        if more == 0 {
            return Ok(());
        }
        Err(StreamInput::Failed(format!(
            "the renamed file grew by {more} bytes after the new file had begun. The order of these events is not known. \
             Let one writer write, and let it close the old file first"
        )))
    }
}

fn length_of(file: &File) -> u64 {
    file.metadata().map_or(0, |about| about.len())
}
