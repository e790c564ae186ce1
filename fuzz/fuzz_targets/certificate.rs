//! `verify` against any certificate: the first line of the input is the history's name, the rest is the certificate.
//!
//! A forged certificate must be refused or refuted. It must never end in an internal error, which is what a panic becomes.
#![no_main]

use histories::History;
use histories::format::{self, Input, ReadOptions};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use steadfast::embedded::{EmbeddedRefusal, verify_certificate};

/// The histories of the corpus, by the folders' names.
static HISTORIES: LazyLock<BTreeMap<String, History>> = LazyLock::new(|| {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../histories/corpus");
    let folders = std::fs::read_dir(corpus).expect("the corpus is there");
    let read = |folder: std::io::Result<std::fs::DirEntry>| {
        let folder = folder.expect("the corpus can be read");
        let input = Input::Path(folder.path().join("history.jsonl"));
        let read = format::read(input, &ReadOptions::default(), &|_, _| {}).ok()?;
        Some((folder.file_name().into_string().ok()?, read.history))
    };
    folders.filter_map(read).collect()
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((name, certificate)) = text.split_once('\n') else { return };
    let Some(history) = HISTORIES.get(name) else { return };
    if let Err(EmbeddedRefusal::Internal(why)) = verify_certificate(history, name, certificate) {
        panic!("{why}");
    }
});
