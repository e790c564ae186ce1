//! Output files: no output destroys an input, another result, or a recording.
//!
//! Opening a file for writing empties it. `check --report F F` once emptied the history before it was read, and a second
//! `run` emptied the recording of the first. This module therefore refuses an existing file unless the user passed
//! `--force`. It always refuses a file that is also read; files are compared by device and inode, so that links do not
//! hide it. Output goes to a temporary file in the same folder and is renamed when complete, so a reader of the name sees
//! the old content or the new content and never a part. A signal that ends the program removes the temporary file.
//!
//! A pipe or a device (`/dev/null`, `/dev/stdout`) has no content to lose: it is opened and written directly.

use recorder::UnfinishedFile;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The endings of files that are not plain lines of JSON.
const OTHER_FORMS: [&str; 6] = [".gz", ".zst", ".edn", ".parquet", ".csv", ".bincode"];

/// The number of names that are tried for a temporary file.
const NAMES_MAX: u32 = 100;

/// A file that is being written. It is removed when dropped, unless [`OutputFile::publish_file`] was called.
#[derive(Debug)]
pub(crate) struct OutputFile {
    /// The final path, with links resolved.
    path: PathBuf,
    /// The temporary file; none if `path` is a pipe or a device.
    beside: Option<UnfinishedFile>,
    force: bool,
    file: BufWriter<File>,
}

/// Opens a file for a result. `inputs` are the files that are read. The error is worded for the user.
pub(crate) fn create_output(path: &Path, force: bool, inputs: &[&Path]) -> Result<OutputFile, String> {
    refuse_existing(path, force, inputs)?;
    let path = resolve_link(path);
    if is_pipe_or_device(&path) {
        let file =
            OpenOptions::new().write(true).open(&path).map_err(|why| describe_write_error(&path, &why))?;
        return Ok(OutputFile { path, beside: None, force, file: BufWriter::new(file) });
    }
    let (beside, file) = create_beside(&path).map_err(|why| describe_write_error(&path, &why))?;
    Ok(OutputFile { path, beside: Some(beside), force, file: BufWriter::new(file) })
}

/// Lets `write` create a file by name, for writers that derive format and compression from the name. `write` gets a
/// temporary name with the same ending; the file is renamed when it is complete. The error is worded for the user.
pub(crate) fn write_by_name(
    path: &Path,
    force: bool,
    inputs: &[&Path],
    write: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    refuse_existing(path, force, inputs)?;
    let path = resolve_link(path);
    if is_pipe_or_device(&path) {
        return write(&path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = path.with_file_name(format!(".{}-part-{name}", std::process::id()));
    let (_part, ()) = UnfinishedFile::create(beside.clone(), |_| Ok(()))
        .map_err(|why| describe_write_error(&path, &why))?;
    let written = write(&beside).and_then(|()| refuse_existing(&path, force, inputs));
    let placed = written
        .and_then(|()| std::fs::rename(&beside, &path).map_err(|why| describe_write_error(&path, &why)));
    if placed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    placed
}

/// Refuses two outputs of one command that are one file: the second would replace the first. Each has the option that names it. Links
/// and `./x` beside `x` do not hide it. A device, such as `/dev/null`, may take several. The error is worded for the user.
pub(crate) fn refuse_equal_outputs(outputs: &[(&str, &Path)]) -> Result<(), String> {
    for (at, (option, path)) in outputs.iter().enumerate() {
        if let Some((other, _)) = outputs[..at].iter().find(|(_, earlier)| is_same_file(earlier, path)) {
            return Err(format!(
                "{other} and {option} would write the same file {}. Pass two names",
                path.display()
            ));
        }
    }
    Ok(())
}

/// Whether two names are of one file, which need not exist yet.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (Err(_), Err(_)) => resolve_new_name(one) == resolve_new_name(other),
        _ => false,
    }
}

/// The name of a file that does not exist, with its folder as it really is.
fn resolve_new_name(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    path.file_name().map_or_else(|| path.to_owned(), |name| folder.join(name))
}

/// Refuses a file that must not be written: a directory, an input, or an existing file without `--force`. The error is
/// worded for the user.
pub(crate) fn refuse_existing(path: &Path, force: bool, inputs: &[&Path]) -> Result<(), String> {
    let shown = path.display();
    if path == Path::new("-") {
        return Err(
            "- means standard output, which has the results already. Pass a file, or ./- for a file of that name"
                .to_owned(),
        );
    }
    let Ok(about) = std::fs::metadata(path) else { return Ok(()) };
    if about.is_dir() {
        return Err(format!("{shown} is a directory. Pass a file"));
    }
    let is_same = |input: &&&Path| {
        std::fs::metadata(input).is_ok_and(|read| (read.dev(), read.ino()) == (about.dev(), about.ino()))
    };
    if let Some(input) = inputs.iter().find(is_same).filter(|_| about.is_file()) {
        return Err(format!("{shown} is also the input {}. Pass another output file", input.display()));
    }
    if about.is_file() && !force && !is_pipe_or_device(path) {
        return Err(format!("{shown} exists. Pass another file, or --force to replace it"));
    }
    Ok(())
}

/// Refuses a file that cannot be written later, before hours of work. Nothing is left of it. A pipe is not opened. The error
/// is worded for the user.
pub(crate) fn refuse_unwritable(path: &Path, force: bool, inputs: &[&Path]) -> Result<(), String> {
    refuse_existing(path, force, inputs)?;
    let path = resolve_link(path);
    if is_pipe_or_device(&path) {
        return Ok(());
    }
    let (beside, _) = create_beside(&path).map_err(|why| describe_write_error(&path, &why))?;
    let _ = std::fs::remove_file(beside.path());
    Ok(())
}

/// Refuses the name of a form that is written only when its content is complete. A file that grows is plain lines, so that a crash
/// loses nothing. `what` begins the sentence: "a recording is". The error is worded for the user.
pub(crate) fn refuse_other_form(path: &Path, what: &str) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let Some(ending) = OTHER_FORMS.into_iter().find(|ending| name.ends_with(ending)) else { return Ok(()) };
    let shown = path.display().to_string();
    let stem = &shown[..shown.len() - ending.len()];
    let plain = if stem.ends_with(".jsonl") { stem.to_owned() } else { format!("{stem}.jsonl") };
    Err(format!(
        "{shown} is named {ending}, and {what} written in plain lines that survive a crash. Pass {plain}, and convert it when \
         it is finished"
    ))
}

impl OutputFile {
    /// Gives the file its final name. Until then there is no file of that name, or the older one.
    pub(crate) fn publish_file(mut self) -> Result<(), String> {
        let path = self.path.clone();
        self.file.flush().map_err(|why| describe_write_error(&path, &why))?;
        let Some(part) = &self.beside else { return Ok(()) };
        let beside = part.path().to_owned();
        if self.force {
            std::fs::rename(&beside, &path).map_err(|why| describe_write_error(&path, &why))?;
            self.beside = None;
            return Ok(());
        }
        // A hard link fails if the name has been taken meanwhile. Dropping `self` removes the temporary file.
        match std::fs::hard_link(&beside, &path) {
            Ok(()) => Ok(()),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Err(format!(
                "another program has created {} in the meantime. Pass another file",
                path.display()
            )),
            // The file system has no hard links.
            Err(_) => {
                std::fs::rename(&beside, &path).map_err(|why| describe_write_error(&path, &why))?;
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
            // This fails only if another process has removed the file.
            let _ = std::fs::remove_file(beside.path());
        }
    }
}

/// Creates a temporary file in the folder of `path`.
fn create_beside(path: &Path) -> io::Result<(UnfinishedFile, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0..NAMES_MAX {
        let beside = path.with_file_name(format!(".{name}.{}-{number}.part", std::process::id()));
        let create = |beside: &Path| OpenOptions::new().write(true).create_new(true).open(beside);
        match UnfinishedFile::create(beside, create) {
            Ok(created) => return Ok(created),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => return Err(why),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Follows a link, so that the link itself is kept and its target is replaced.
fn resolve_link(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Whether a name is that of a pipe or a device, which is written directly.
fn is_pipe_or_device(path: &Path) -> bool {
    path.starts_with("/dev")
        || path.starts_with("/proc")
        || path.metadata().is_ok_and(|about| !about.is_file())
}

fn describe_write_error(path: &Path, why: &io::Error) -> String {
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
        out.publish_file().unwrap();
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
                assert!(why.contains("is also the input"), "{why}");
            }
        }
        let hard = folder.path().join("hard");
        std::fs::hard_link(&path, &hard).unwrap();
        assert!(create_output(&hard, true, &[&path]).unwrap_err().contains("is also the input"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        let mut out = create_output(&link, true, &[]).unwrap();
        out.write_all(b"new").unwrap();
        out.publish_file().unwrap();
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
        one.publish_file().unwrap();
        assert!(two.publish_file().unwrap_err().contains("in the meantime"));
        assert_eq!(
            (std::fs::read(&path).unwrap(), names(folder.path())),
            (b"one".to_vec(), vec!["out".into()])
        );
    }

    /// `check --force --report F --certificate F` once destroyed the report.
    #[test]
    fn two_outputs_are_not_one_file_by_whatever_name() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("old"), "old").unwrap();
        std::fs::hard_link(at("old"), at("hard")).unwrap();
        std::os::unix::fs::symlink(at("old"), at("link")).unwrap();
        std::os::unix::fs::symlink(folder.path(), at("folder")).unwrap();
        for (one, other, same) in [
            ("old", "old", true),
            ("old", "hard", true),
            ("link", "old", true),
            ("new", "./new", true),
            ("new", "folder/new", true),
            ("old", "new", false),
            ("new", "newer", false),
        ] {
            let outputs =
                [("--report", &*at(one)), ("--dot", &*at("another")), ("--certificate", &*at(other))];
            let refused = refuse_equal_outputs(&outputs).err();
            assert_eq!(refused.is_some(), same, "{one} {other}");
            assert!(refused.is_none_or(|why| why.starts_with("--report and --certificate would write")));
        }
        let null = Path::new("/dev/null");
        assert_eq!(refuse_equal_outputs(&[("--report", null), ("--dot", null)]), Ok(()));
        assert!(create_output(Path::new("-"), true, &[]).unwrap_err().contains("standard output"));
    }

    #[test]
    fn a_device_is_written_as_it_is() {
        let mut out = create_output(Path::new("/dev/null"), false, &[]).unwrap();
        out.write_all(b"nothing").unwrap();
        out.publish_file().unwrap();
        let mut full = create_output(Path::new("/dev/full"), false, &[]).unwrap();
        full.write_all(b"x").unwrap();
        assert_eq!(full.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
