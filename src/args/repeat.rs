//! `--repeat`: the same run several times, each with its own seed.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct RepeatArgs {
    /// Number of runs, with seeds from --seed upwards
    ///
    /// Each history has its seed in its name. The figures are reported over all runs.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Workload")]
    repeat: NonZeroU16,
}

impl RepeatArgs {
    /// The number of runs.
    pub(crate) fn count(self) -> u16 {
        self.repeat.get()
    }
}

/// Adds a seed to a file name: `runs/a.jsonl.zst` with seed 3 becomes `runs/a-3.jsonl.zst`.
pub(super) fn path_with_seed(path: &Path, seed: u64) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A leading dot does not begin an extension.
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
            assert_eq!(path_with_seed(Path::new(path), 3), Path::new(expected));
        }
    }
}
