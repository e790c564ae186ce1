//! The isolation level that a transaction declares, as it is read from files.

use histories::format::{self, Input, Loaded, ReadOptions};
use histories::{DeclaredIsolation, Problems};

fn read(text: &str) -> Result<Loaded, Problems> {
    let input = Input::Bytes("a.jsonl".to_owned(), text.as_bytes().to_vec());
    format::read(input, &ReadOptions::default(), &|_, _| {})
}

/// A transaction would be judged at a level that nobody asked for. The field of other operations is a field like any other.
#[test]
fn a_transaction_that_declares_an_unknown_isolation_level_is_refused() {
    let names = "read-uncommitted, read-committed, repeatable-read, snapshot-isolation, serializable";
    let line = |function: &str, value: &str, level: &str| {
        format!(r#"{{"process":0,"type":"invoke","f":"{function}","value":{value},"isolation":{level}}}"#)
            + "\n"
    };
    let transaction = |level: &str| line("txn", r#"[["w","x",1]]"#, level);
    for level in ["\"serialisable\"", "2", "[\"serializable\"]"] {
        let found = read(&transaction(level)).expect_err("refused").to_string();
        assert!(found.starts_with("a.jsonl:1:74: found the isolation level "), "{found}");
        assert!(found.ends_with(&format!(", expected one of {names}")), "{found}");
    }
    for known in names.split(", ") {
        let text = transaction(&format!("\"{known}\""));
        let loaded = read(&text).expect("it can be read");
        let declared = loaded.history.declared_isolation_levels();
        assert_eq!(declared[0].map(DeclaredIsolation::name), Some(known));
    }
    let other = line("write", "1", "\"serialisable\"");
    assert!(read(&other).is_ok());
}
