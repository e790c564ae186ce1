//! A library that is loaded into servers to change their wall clock and to slow down their disk.
//!
//! *Choices.* A cgroup's limit on a device could slow down a disk. It needs writable cgroups and a device (an overlay
//! has none), and with the first version of cgroups it does not slow down buffered writes, which is how databases
//! write their logs. With this library the writing process itself waits, without privileges and on any file system.
//! Writes through `stdio`, such as Redis' snapshots, do not wait.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("preload.c");
/// The offsets of the fields of `struct control`.
const CLOCK_OFFSET_AT: u64 = 0;
const DISK_RATE_AT: u64 = 8;
const DISK_WAITED_AT: u64 = 16;
const CONTROL_BYTES: u64 = 24;

/// The library, compiled for this run.
#[derive(Clone, Debug)]
pub struct Preload(PathBuf);

/// The shared file by which one server's library is controlled. Changes take effect at once.
#[derive(Debug)]
pub struct Control {
    library: PathBuf,
    path: PathBuf,
    file: File,
}

impl Preload {
    /// Compiles the library into a folder.
    pub fn build(folder: &Path) -> Result<Self, String> {
        let (source, library) = (folder.join("preload.c"), folder.join("preload.so"));
        std::fs::write(&source, SOURCE).map_err(|why| format!("{}: {why}", source.display()))?;
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&library)
            .arg(&source)
            .output()
            .map_err(|why| format!("it takes a C compiler: cc: {why} (package gcc)"))?;
        if output.status.success() {
            Ok(Self(library))
        } else {
            Err(format!("cc failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
    }

    /// Checks that the library can be compiled here.
    pub fn probe() -> Result<(), String> {
        let folder = super::RunFolder::create().map_err(|why| why.to_string())?;
        Self::build(folder.path()).map(drop)
    }

    /// Creates the control file of one server.
    pub fn create_control(&self, path: PathBuf) -> Result<Control, String> {
        let open = || -> std::io::Result<File> {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
            file.set_len(CONTROL_BYTES)?;
            Ok(file)
        };
        let file = open().map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(Control { library: self.0.clone(), path, file })
    }
}

impl Control {
    /// The environment variables with which a server loads the library.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD".to_owned(), text(&self.library)),
            ("STEADFAST_CONTROL".to_owned(), text(&self.path)),
        ]
    }

    /// Sets the offset of the wall clock.
    pub fn set_clock_offset_ns(&self, offset_ns: i64) -> Result<(), String> {
        self.write_value(CLOCK_OFFSET_AT, offset_ns)
    }

    /// Sets how many bytes a second the disk accepts; `None` means without a limit.
    pub fn set_disk_rate(&self, bytes_per_s: Option<u64>) -> Result<(), String> {
        self.write_value(DISK_RATE_AT, bytes_per_s.map_or(0, |rate| i64::try_from(rate).unwrap_or(i64::MAX)))
    }

    /// How long the server's writes to files have waited so far, by the library's own count.
    pub fn disk_waited_ns(&self) -> Result<u64, String> {
        let mut bytes = [0; 8];
        let read = self.file.read_exact_at(&mut bytes, DISK_WAITED_AT);
        read.map_err(|why| format!("{}: {why}", self.path.display()))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// One aligned write of eight bytes to a page that is mapped: nobody sees half of it.
    fn write_value(&self, at: u64, value: i64) -> Result<(), String> {
        self.file
            .write_all_at(&value.to_ne_bytes(), at)
            .map_err(|why| format!("{}: {why}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::RunFolder;
    use super::*;
    use std::time::{Duration, Instant, SystemTime};

    fn prepared() -> Option<(RunFolder, Control)> {
        let folder = RunFolder::create().unwrap();
        match Preload::build(folder.path()) {
            Ok(library) => {
                let control = library.create_control(folder.path().join("control")).unwrap();
                Some((folder, control))
            }
            Err(why) => {
                #[allow(clippy::print_stderr, reason = "says what was skipped")]
                {
                    eprintln!("skipped: {why}");
                }
                None
            }
        }
    }

    #[test]
    fn a_clock_jumps_there_and_back() {
        let Some((_folder, control)) = prepared() else { return };
        let off = |offset_ns: i64| {
            control.set_clock_offset_ns(offset_ns).unwrap();
            let output = Command::new("date").arg("+%s%N").envs(control.environment()).output().unwrap();
            let told: i128 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i128;
            (told - now) as f64 / 1e9
        };
        // Starting a process takes some time, and longer on a busy machine.
        for seconds in [0.0, 3600.0, -86_400.5, 0.25] {
            let told = off((seconds * 1e9) as i64);
            assert!((told - seconds).abs() < 5.0, "{seconds}: {told}");
        }
    }

    #[test]
    fn a_disk_is_slow_and_a_pipe_is_not() {
        let Some((folder, control)) = prepared() else { return };
        let seconds = |script: &str| {
            let began = Instant::now();
            let mut command = Command::new("sh");
            command.args(["-c", script]).current_dir(folder.path()).envs(control.environment());
            assert!(command.status().unwrap().success());
            began.elapsed().as_secs_f64()
        };
        control.set_disk_rate(Some(100_000)).unwrap();
        let slow = seconds("dd if=/dev/zero of=file bs=5000 count=10 2>/dev/null");
        assert!(slow >= Duration::from_millis(500).as_secs_f64(), "{slow}");
        assert_eq!(control.disk_waited_ns().unwrap(), 500_000_000, "by the library's own count");
        let piped = seconds("dd if=/dev/zero bs=5000 count=400 2>/dev/null | cat >/dev/null");
        assert!(piped < 15.0, "at that speed it would take 20 s: {piped}");
        control.set_disk_rate(None).unwrap();
        let fast = seconds("dd if=/dev/zero of=file bs=5000 count=400 2>/dev/null");
        assert!(fast < 15.0, "at that speed it would take 20 s: {fast}");
    }
}
