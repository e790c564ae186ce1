//! A separate disk for a server, small enough to be filled.
//!
//! A full disk has more effects than a failing `write`: files cannot be created, data in `stdio` buffers is lost, and
//! a new version of a file cannot be written next to the old one. So it has to be a file system. A tmpfs needs no
//! device and no time. To fill it, its size is set to what it holds, which costs no memory. To empty it, the size is
//! set back.
//!
//! It is mounted in a mount namespace that only this thread and its children are in. No other process sees it, and
//! the kernel removes it with the last of them.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::statvfs;
use std::path::{Path, PathBuf};

/// The capacity in bytes while the disk is not full. Only its content takes memory.
const ROOM: u64 = 1 << 30;
/// How many times the disk is filled again, because a server may write between reading the usage and setting the
/// size.
const TRIES: usize = 20;

/// A disk. It is unmounted when this is dropped, which must happen on the thread that made it.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// Gives this thread its own mount namespace. One call is enough; all disks are in that namespace.
    pub fn isolate_mounts() -> Result<(), String> {
        let failed = |why: nix::Error| format!("no mount namespace of its own: {why}");
        unshare(CloneFlags::CLONE_NEWNS).map_err(failed)?;
        // Without this, the mounts would also appear in the original namespace.
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
            .map_err(failed)
    }

    /// Checks that disks can be mounted here, in a thread that ends right away.
    pub fn probe() -> Result<(), String> {
        let probe = || {
            Self::isolate_mounts()?;
            let folder = super::RunFolder::create().map_err(|why| why.to_string())?;
            Self::mount(folder.path()).map(drop)
        };
        std::thread::spawn(probe).join().unwrap_or_else(|_| Err("a panic".to_owned()))
    }

    /// Mounts an empty disk in place of this folder. [`Disk::isolate_mounts`] must have been called before.
    pub fn mount(folder: &Path) -> Result<Self, String> {
        let options = format!("size={ROOM},mode=0700");
        mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
            .map_err(|why| format!("no disk of its own at {}: {why}", folder.display()))?;
        Ok(Self(folder.to_owned()))
    }

    /// Leaves no free space. Writes from now on fail with `ENOSPC`.
    pub fn fill(&self) -> Result<(), String> {
        let mut failed = String::new();
        for _ in 0..TRIES {
            let about = statvfs(&self.0).map_err(|why| why.to_string())?;
            let used = (about.blocks() - about.blocks_free()) * about.fragment_size();
            // A size of zero would mean no limit.
            match self.resize(used.max(about.fragment_size())) {
                Ok(()) => return Ok(()),
                Err(why) => failed = why,
            }
        }
        Err(failed)
    }

    /// Whether the disk is full, found out by an attempt to write.
    pub fn is_full(&self) -> Result<bool, String> {
        let file = self.0.join("is-there-room");
        let written = std::fs::write(&file, [7; 1 << 16]);
        // An incomplete write may have created the file all the same.
        let _ = std::fs::remove_file(&file);
        match written {
            Ok(()) => Ok(false),
            Err(why) if why.kind() == std::io::ErrorKind::StorageFull => Ok(true),
            Err(why) => Err(format!("{}: {why}", file.display())),
        }
    }

    /// Makes room again.
    pub fn empty(&self) -> Result<(), String> {
        self.resize(ROOM)
    }

    fn resize(&self, bytes: u64) -> Result<(), String> {
        let options = format!("size={bytes}");
        mount(None::<&str>, &self.0, None::<&str>, MsFlags::MS_REMOUNT, Some(options.as_str()))
            .map_err(|why| format!("failed to set the size of the disk at {}: {why}", self.0.display()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A busy file system is unmounted once it is no longer busy, and at the latest with the namespace.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn a_disk_is_full_and_then_is_not_and_nobody_else_sees_it() {
        if let Err(why) = Disk::probe() {
            #[allow(clippy::print_stderr, reason = "says what was skipped")]
            {
                eprintln!("skipped: {why}");
            }
            return;
        }
        let folder = super::super::RunFolder::create().unwrap();
        let path = folder.path().to_owned();
        let thread = std::thread::spawn(move || {
            Disk::isolate_mounts().unwrap();
            let disk = Disk::mount(&path).unwrap();
            let megabyte = vec![7; 1 << 20];
            std::fs::write(path.join("before"), &megabyte).unwrap();
            disk.fill().unwrap();
            let full = std::fs::write(path.join("during"), &megabyte).unwrap_err();
            assert_eq!((full.kind(), disk.is_full()), (ErrorKind::StorageFull, Ok(true)));
            assert_eq!(std::fs::read(path.join("before")).unwrap(), megabyte);
            disk.empty().unwrap();
            assert_eq!(disk.is_full(), Ok(false));
            std::fs::write(path.join("after"), &megabyte).unwrap();
        });
        thread.join().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(!std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains("steadfast-run"));
    }
}
