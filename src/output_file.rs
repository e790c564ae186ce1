//! Files that results go to: no output destroys an input, another result, or a recording.
//!
//! Opening a file for writing empties it. So `check --report F F` once emptied the history before it was read, and a
//! second `run` the recording of the first. Here a file that exists is refused unless the user said `--force`, a file
//! that is also read is refused in any case (compared by device and inode, so that links do not hide it), and what is
//! written goes to a file beside, which takes the name only when it is complete: whoever looks at the name sees the old
//! content or the new one, never a part.
//!
//! A pipe or a device (`/dev/null`, `/dev/stdout`) has no content to lose: it is opened and written as it is.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many names are tried for a file beside the one that is meant.
const NAMES_MAX: u32 = 100;

/// A file that is being written. Without [`OutputFile::finish`] nothing is left of it.
#[derive(Debug)]
pub(crate) struct OutputFile {
    /// Where it is to be, links followed.
    path: PathBuf,
    /// Where it is until it is complete; none: `path` is a pipe or a device.
    beside: Option<PathBuf>,
    force: bool,
    file: BufWriter<File>,
}

/// Opens a file for a result. `inputs` are the files that are read; the error is for the user.
pub(crate) fn create_output(path: &Path, force: bool, inputs: &[&Path]) -> Result<OutputFile, String> {
    refuse_existing(path, force, inputs)?;
    let path = resolve(path);
    if is_special(&path) {
        let file = OpenOptions::new().write(true).open(&path).map_err(|why| unwritten(&path, &why))?;
        return Ok(OutputFile { path, beside: None, force, file: BufWriter::new(file) });
    }
    let (beside, file) = create_beside(&path).map_err(|why| unwritten(&path, &why))?;
    Ok(OutputFile { path, beside: Some(beside), force, file: BufWriter::new(file) })
}

/// Has a file written by somebody who opens it by name, whose end tells the format and the compression: under another name
/// with the same end, which is then changed. The error is for the user.
pub(crate) fn write_by_name(
    path: &Path,
    force: bool,
    inputs: &[&Path],
    write: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    refuse_existing(path, force, inputs)?;
    let path = resolve(path);
    if is_special(&path) {
        return write(&path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = path.with_file_name(format!(".{}-part-{name}", std::process::id()));
    let written = write(&beside).and_then(|()| refuse_existing(&path, force, inputs));
    let placed = written.and_then(|()| std::fs::rename(&beside, &path).map_err(|why| unwritten(&path, &why)));
    if placed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    placed
}

/// Whether a file may be written: it does not exist, or may be replaced, and is not read as well. The error is for the
/// user.
pub(crate) fn refuse_existing(path: &Path, force: bool, inputs: &[&Path]) -> Result<(), String> {
    let shown = path.display();
    let Ok(about) = std::fs::metadata(path) else { return Ok(()) };
    if about.is_dir() {
        return Err(format!("{shown} is a directory. Name a file in it"));
    }
    let is_same = |input: &&&Path| {
        std::fs::metadata(input).is_ok_and(|read| (read.dev(), read.ino()) == (about.dev(), about.ino()))
    };
    if let Some(input) = inputs.iter().find(is_same).filter(|_| about.is_file()) {
        return Err(format!(
            "{shown} cannot be written: it is the file {}, which is read. Name another file",
            input.display()
        ));
    }
    if about.is_file() && !force && !is_special(path) {
        return Err(format!("{shown} exists. Name another file, or pass --force to replace it"));
    }
    Ok(())
}

impl OutputFile {
    /// Gives the file its name. Until then there is none of that name, or an older one.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        let path = self.path.clone();
        self.file.flush().map_err(|why| unwritten(&path, &why))?;
        let Some(beside) = self.beside.clone() else { return Ok(()) };
        if self.force {
            std::fs::rename(&beside, &path).map_err(|why| unwritten(&path, &why))?;
            self.beside = None;
            return Ok(());
        }
        // A link fails where the name is taken by now; the file beside is removed when this is dropped.
        match std::fs::hard_link(&beside, &path) {
            Ok(()) => Ok(()),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                Err(format!("{} has come into being meanwhile. Name another file", path.display()))
            }
            // A file system without links.
            Err(_) => {
                std::fs::rename(&beside, &path).map_err(|why| unwritten(&path, &why))?;
                self.beside = None;
                Ok(())
            }
        }
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
        if let Some(beside) = &self.beside {
            // It fails only if somebody else has removed it.
            let _ = std::fs::remove_file(beside);
        }
    }
}

/// A new file in the folder of another.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0..NAMES_MAX {
        let beside = path.with_file_name(format!(".{name}.{}-{number}.part", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&beside) {
            Ok(file) => return Ok((beside, file)),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => return Err(why),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The file that a name leads to: a link stays a link.
fn resolve(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Whether a name is that of a pipe or a device, which is written as it is.
fn is_special(path: &Path) -> bool {
    path.starts_with("/dev")
        || path.starts_with("/proc")
        || path.metadata().is_ok_and(|about| !about.is_file())
}

fn unwritten(path: &Path, why: &io::Error) -> String {
    format!("failed to write {}: {why}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_complete() {
        let folder = folder();
        let path = folder.path().join("out");
        let mut out = create_output(&path, false, &[]).unwrap();
        out.write_all(b"new").unwrap();
        assert!(!path.exists());
        out.finish().unwrap();
        assert_eq!(
            (std::fs::read(&path).unwrap(), names(folder.path())),
            (b"new".to_vec(), vec!["out".into()])
        );
        let mut out = create_output(&path, true, &[]).unwrap();
        out.write_all(b"half of").unwrap();
        drop(out);
        assert_eq!(
            (std::fs::read(&path).unwrap(), names(folder.path())),
            (b"new".to_vec(), vec!["out".into()])
        );
    }

    #[test]
    fn what_exists_is_replaced_only_by_force_and_never_if_it_is_read() {
        let folder = folder();
        let (path, link) = (folder.path().join("history"), folder.path().join("link"));
        std::fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let why = create_output(&path, false, &[]).unwrap_err();
        assert!(why.contains("exists") && why.contains("--force"), "{why}");
        for (output, input) in [(&path, &path), (&link, &path), (&path, &link)] {
            for force in [false, true] {
                let why = create_output(output, force, &[input]).unwrap_err();
                assert!(why.contains("which is read"), "{why}");
            }
        }
        let hard = folder.path().join("hard");
        std::fs::hard_link(&path, &hard).unwrap();
        assert!(create_output(&hard, true, &[&path]).unwrap_err().contains("which is read"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        let mut out = create_output(&link, true, &[]).unwrap();
        out.write_all(b"new").unwrap();
        out.finish().unwrap();
        assert!(link.is_symlink() && std::fs::read(&path).unwrap() == b"new");
        assert!(create_output(folder.path(), true, &[]).unwrap_err().contains("is a directory"));
    }

    /// Two that write one file at once: the second to be complete does not replace the first.
    #[test]
    fn a_name_that_is_taken_meanwhile_is_not_taken_again() {
        let folder = folder();
        let path = folder.path().join("out");
        let outs = [(); 2].map(|()| create_output(&path, false, &[]).unwrap());
        let [mut one, mut two] = outs;
        one.write_all(b"one").unwrap();
        two.write_all(b"two").unwrap();
        one.finish().unwrap();
        assert!(two.finish().unwrap_err().contains("meanwhile"));
        assert_eq!(
            (std::fs::read(&path).unwrap(), names(folder.path())),
            (b"one".to_vec(), vec!["out".into()])
        );
    }

    #[test]
    fn a_device_is_written_as_it_is() {
        let mut out = create_output(Path::new("/dev/null"), false, &[]).unwrap();
        out.write_all(b"nothing").unwrap();
        out.finish().unwrap();
        let mut full = create_output(Path::new("/dev/full"), false, &[]).unwrap();
        full.write_all(b"x").unwrap();
        assert_eq!(full.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
