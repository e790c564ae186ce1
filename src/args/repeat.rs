//! `--repeat`: the same run several times, with another seed each.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct RepeatArgs {
    /// Run so many times, with the seeds from --seed on; each history has its seed in its name, and what was measured is
    /// told over all of them
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Workload")]
    repeat: NonZeroU16,
}

impl RepeatArgs {
    /// How many runs.
    pub(crate) fn count(self) -> u16 {
        self.repeat.get()
    }
}

/// `runs/a.jsonl.zst` with the seed 3: `runs/a-3.jsonl.zst`.
pub(super) fn numbered(path: &Path, seed: u64) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A leading dot is no extension.
    let at = name.char_indices().skip(1).find(|&(_, sign)| sign == '.').map_or(name.len(), |(at, _)| at);
    path.with_file_name(format!("{}-{seed}{}", &name[..at], &name[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_before_every_extension() {
        for (path, expected) in
            [("a/b.jsonl.zst", "a/b-3.jsonl.zst"), ("b", "b-3"), (".b", ".b-3"), ("a.b/c", "a.b/c-3")]
        {
            assert_eq!(numbered(Path::new(path), 3), Path::new(expected));
        }
    }
}
