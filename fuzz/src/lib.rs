//! What must hold of any bytes: a history or a problem, the same wherever they are cut, and a history that can be
//! written and read again.

use histories::History;
use histories::format::{self, Format, Input, AcceptedLosses, ReadOptions, RepresentableHistory, TargetFormat};

/// Reads `bytes` whole and in small blocks.
pub fn read(format: Format, bytes: &[u8]) {
    for lenient in [false, true] {
        let whole = ReadOptions { from: Some(format), lenient, ..ReadOptions::default() };
        let cut = ReadOptions { block_bytes: 7, ..whole.clone() };
        let read = |options| format::read(Input::Bytes("-".to_owned(), bytes.to_vec()), options, &|_, _| {});
        match (read(&whole), read(&cut)) {
            (Ok(whole), Ok(cut)) => {
                assert!(whole.history.same_events(&cut.history));
                let mut text = Vec::new();
                format::write_native(&whole.history, &mut text).expect("memory can be written");
                let text = String::from_utf8(text).expect("native lines are UTF-8");
                let again = format::from_text(Format::Native, &text).expect("what is written can be read");
                // That a format has no real time is written beside its events; a history without events has none.
                assert!(whole.history.same_events(&again) || whole.history.event_count() == 0);
                if whole.history.header().is_none() {
                    let mut text = Vec::new();
                    format::write_edn(&whole.history, &mut text).expect("memory can be written");
                    let text = String::from_utf8(text).expect("EDN is UTF-8");
                    let again = format::from_text(Format::Edn, &text).expect("what is written can be read");
                    assert!(whole.history.same_events(&again), "{text}");
                }
                by_session(format, &whole.history);
            }
            (Err(whole), Err(_)) => assert!(!whole.list.is_empty()),
            _ => panic!("it depends on where it is cut"),
        }
    }
}

/// What a format that is told by session can say, it says so that it can be read again: written twice it is the same.
fn by_session(format: Format, history: &History) {
    let targets: &[TargetFormat] = match format {
        Format::Plume => &[TargetFormat::Plume],
        Format::Awdit => &[TargetFormat::Awdit],
        Format::Dbcop => &[TargetFormat::DbcopJson, TargetFormat::DbcopBincode],
        _ => return,
    };
    for &target in targets {
        let write = |history: &History| {
            let mut bytes = Vec::new();
            let sayable = RepresentableHistory::new(history, target, AcceptedLosses::default()).ok()?;
            sayable.write(&mut bytes).expect("memory can be written");
            Some(bytes)
        };
        let Some(bytes) = write(history) else { continue };
        let options = ReadOptions { from: Some(format), ..ReadOptions::default() };
        let again = format::read(Input::Bytes("-".to_owned(), bytes.clone()), &options, &|_, _| {});
        let again = again.expect("what is written can be read").history;
        assert!(!again.has_real_time());
        assert_eq!(write(&again), Some(bytes));
    }
}
