//! Files that are written beside the results: never over an input, never over what is there unless told to, and whole or
//! not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is written under another name and put in its place when it is whole.
///
/// Dropped before that, it leaves nothing behind.
pub(crate) struct OutputFile {
    path: PathBuf,
    /// What is written until then; none for what is no regular file, such as a pipe.
    part: Option<PathBuf>,
    file: BufWriter<File>,
}

impl OutputFile {
    /// Opens a file for writing. `inputs` are files that this call reads.
    ///
    /// The error, for the user: the file is one of the inputs, or there is one already and `force` is not set, or it cannot
    /// be written.
    pub(crate) fn create<'a>(
        path: &Path,
        force: bool,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self, String> {
        let shown = path.display();
        let unwritable = |why: io::Error| format!("{shown} cannot be written: {why}");
        for input in inputs {
            if is_same_file(path, input) {
                return Err(format!("{shown} is the history that is read. Name another file to write to"));
            }
        }
        let (target, part) = match fs::metadata(path) {
            Ok(about) if about.is_dir() => {
                return Err(format!("{shown} is a directory. Name a file to write to"));
            }
            // A pipe or a device is written as it is.
            Ok(about) if !about.is_file() => (path.to_owned(), None),
            Ok(_) if !force => {
                return Err(format!(
                    "{shown} exists already. Name another file, or pass --force to replace it"
                ));
            }
            // Behind a link, the file itself is replaced.
            Ok(_) => (fs::canonicalize(path).map_err(unwritable)?, Some(())),
            Err(_) => (path.to_owned(), Some(())),
        };
        let part = part.map(|()| beside(&target));
        let mut options = OpenOptions::new();
        options.write(true);
        if part.is_some() {
            options.create_new(true);
        }
        let file = options.open(part.as_deref().unwrap_or(&target)).map_err(unwritable)?;
        Ok(Self { path: target, part, file: BufWriter::new(file) })
    }

    /// Writes what is left and puts the file in its place.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        if let Some(part) = self.part.take() {
            let renamed = fs::rename(&part, &self.path);
            if renamed.is_err() {
                let _ = fs::remove_file(&part);
            }
            renamed?;
        }
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(part) = self.part.take() {
            let _ = fs::remove_file(part);
        }
    }
}

/// A name of its own beside a file, of which nobody else makes use.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

/// Whether two names lead to one file, also through links.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn an_input_is_never_written_over_not_even_through_links() {
        let folder = folder();
        let (history, link, hard) =
            (folder.path().join("h"), folder.path().join("l"), folder.path().join("d"));
        fs::write(&history, "events").expect("written");
        std::os::unix::fs::symlink(&history, &link).expect("a link");
        fs::hard_link(&history, &hard).expect("a link");
        for output in [&history, &link, &hard] {
            let why = OutputFile::create(output, true, [history.as_path()]).err().expect("refused");
            assert!(why.contains("is the history that is read"), "{why}");
        }
        assert_eq!(fs::read_to_string(&history).expect("read"), "events");
    }

    #[test]
    fn what_is_there_stays_unless_told_and_until_the_new_is_whole() {
        let folder = folder();
        let path = folder.path().join("out");
        fs::write(&path, "old").expect("written");
        assert!(OutputFile::create(&path, false, []).err().expect("refused").contains("--force"));
        let mut half = OutputFile::create(&path, true, []).expect("opened");
        half.write_all(b"half").expect("written");
        drop(half);
        assert_eq!(fs::read_to_string(&path).expect("read"), "old");
        let mut whole = OutputFile::create(&path, true, []).expect("opened");
        whole.write_all(b"new").expect("written");
        whole.finish().expect("in its place");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing is left behind");
    }
}
