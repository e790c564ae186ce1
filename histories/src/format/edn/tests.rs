//! Tests of the reader of EDN.

use super::super::datum::{Strictness, write_canonical};
use super::super::event::StringProcesses;
use super::*;
use proptest::prelude::*;

/// The canonical JSON of one form.
fn json(edn: &str) -> Result<String, String> {
    let mut parser = EdnParser::new(edn.as_bytes(), 0);
    let form = parser.parse_form(false).map_err(|flaw| format!("{}: {}", flaw.at, flaw.found))?;
    if let Some(flaw) = parser.flaws.first() {
        return Err(format!("{}: {}", flaw.at, flaw.found));
    }
    let mut text = String::new();
    let datum = form.ok_or("nothing")?;
    write_canonical(&datum, Strictness::Judged, &mut text)
        .map_err(|flaw| format!("{}: {}", flaw.at, flaw.found))?;
    Ok(text)
}

#[test]
fn says_in_json_what_the_form_says() {
    for (edn, expected) in [
        ("nil", "null"),
        ("[1 -2 +3 5N 1.5 1e3 true false]", "[1,-2,3,5,1.5,1000.0,true,false]"),
        ("(:a \"b\" \\c \\newline \\u00e9 \\()", r#"[":a","b","c","\n","é","("]"#),
        ("{:b 1, 0 100 \"s\" nil}", r#"{"0":100,":b":1,"s":null}"#),
        ("#{3 1 20}", "[1,3,20]"),
        ("#inst \"2026-11-01\"", r#""2026-11-01""#),
        ("#a #b [#_ 1 #_#_ 2 3 4 ; five\n]", "[4]"),
        (r#""a\"\\\n\u00e9\ud834\udd1e""#, r#""a\"\\\né𝄞""#),
        (": a", "Err"),
        ("[:x\"y\"]", r#"[":x","y"]"#),
    ] {
        let found = json(edn);
        if expected == "Err" {
            assert!(found.is_err(), "{edn}");
        } else {
            assert_eq!(found.as_deref(), Ok(expected), "{edn}");
        }
    }
}

#[test]
fn refuses_what_json_cannot_say_exactly() {
    for edn in [
        "1/2",
        "18446744073709551616",
        "0.1000000000000000000001M",
        "##NaN",
        "symbol",
        "08",
        "\":x\"",
        "{1}",
        "[1)",
        "\"\\q\"",
    ] {
        assert!(json(edn).is_err(), "{edn}: {:?}", json(edn));
    }
    assert_eq!(json("\": x\"").as_deref(), Ok(r#"": x""#));
}

#[test]
fn depth_is_bounded() {
    assert!(json(&("[".repeat(100_000) + &"]".repeat(100_000))).unwrap_err().contains("more than 64"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(
        b"{}[]()#_^:;\\\"u0a1 \n".to_vec())], 0..60)) {
        let rules = EventRules { independent: false, process_required: false, strings: StringProcesses::Recognised };
        let mut chunk = Chunk::default();
        read_block(&mut chunk, &bytes, rules);
    }
}
