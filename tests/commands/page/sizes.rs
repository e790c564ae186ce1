//! The size of pages: long histories, many anomalies, no times, no script.

use super::{explorer_data, first_answers, folder, of_case, page, sum_counts};

/// A page must go by mail, however long the run was. (A million operations are measured in docs/page.md.)
#[test]
fn the_page_of_a_long_history_is_bounded() {
    let folder = folder();
    let mut lines = String::new();
    let mut time = 0;
    let mut add = |process: u32, f: &str, key: u32, value: u32| {
        for kind in ["invoke", "ok"] {
            time += 20_000;
            lines += &format!(
                "{{\"time\":{time},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":{key},\"value\":{value}}}\n"
            );
        }
    };
    for n in 0..15_000 {
        add(n % 50, "write", n % 20, n);
        // Now and then a read returns what was there a round before.
        let stale = n % 97 == 96;
        add(n % 50 + 50, "read", n % 20, if stale { n - 20 } else { n });
    }
    let file = folder.path().join("long.jsonl");
    std::fs::write(&file, lines).expect("it can be written");
    let text = page(folder.path(), &["check", file.to_str().expect("text")], 1);
    assert!(text.len() < 1_000_000, "{} bytes", text.len());
    assert!(text.contains("The whole run") && text.contains("more violation"));
}

/// Of 200,000 operations the page held the 15,000 around one anomaly. It did not say so outside of the script, a filter
/// changed nothing in the density, and there was no ordinary part of the run to compare with.
#[test]
fn the_page_of_a_long_run_counts_all_and_says_what_it_leaves_out() {
    const OPERATIONS: u32 = 200_000;
    let folder = folder();
    let mut lines = String::new();
    let mut time = 0_u64;
    let mut add = |process: u32, f: &str, key: u32, value: u32| {
        for kind in ["invoke", "ok"] {
            time += 10_000;
            lines += &format!(
                "{{\"time\":{time},\"process\":{process},\"session\":\"user-{process}\",\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":{key},\"value\":{value},\"node\":\"n{}\"}}\n",
                process % 3
            );
        }
    };
    for n in 0..OPERATIONS / 2 {
        add(n % 50, "write", n % 1000, n);
        // One read returns what was there a round before.
        let value = if n == 70_500 { n - 1000 } else { n };
        add(n % 50 + 50, "read", n % 1000, value);
    }
    let file = folder.path().join("long.jsonl");
    std::fs::write(&file, lines).expect("it can be written");
    let args = ["check", "--consistency", "linearizable", file.to_str().expect("text")];
    let text = page(folder.path(), &args, 1);
    assert!(text.len() < 2_000_000, "{} bytes", text.len());
    assert_eq!(sum_counts(explorer_data(&text, "counts")), u64::from(OPERATIONS), "all are counted");
    let rows: serde_json::Value =
        serde_json::from_str(&explorer_data(&text, "rows").replace("&quot;", "\"")).expect("rows");
    let total = |column: &str| -> u64 {
        let rows = rows[column].as_object().expect("a column").values();
        rows.map(|row| sum_counts(row.as_str().expect("counts"))).sum()
    };
    // Every node and kind of operation has its row; of a hundred sessions and a thousand keys, sixty have.
    assert_eq!((total("node"), total("operation")), (200_000, 200_000));
    assert_eq!((total("session"), total("key")), (60 * 2000, 60 * 200));
    let held: Vec<&str> =
        explorer_data(&text, "operations").split(';').filter(|row| !row.is_empty()).collect();
    assert!((20_000..=25_000).contains(&held.len()), "{} operations", held.len());
    assert!(text.contains(&format!("This page holds {} operations of {OPERATIONS}", held.len())));
    // The stale read is among them. Indexes are written as distances.
    let mut index = 0;
    let signed = |text: &str| i64::from_str_radix(text, 36).expect("a number");
    let indexes: Vec<i64> = held
        .iter()
        .map(|row| {
            index += signed(row.rsplit(',').next().expect("an index"));
            index
        })
        .collect();
    let stale = i64::from(70_500 * 4 + 2);
    assert!(indexes.contains(&stale) && indexes.contains(&(stale + 5000)), "what lies around it as well");
    assert!(indexes.iter().any(|&at| at > 370_000) && indexes.iter().any(|&at| at < 30_000), "and samples");
}

/// A store that is wrong all the time gives a page that can be read: each kind once, the rest counted.
#[test]
fn ten_thousand_anomalies_and_no_times_give_a_bounded_page() {
    let folder = folder();
    let mut lines = String::new();
    let mut add = |process: u32, f: &str, key: u32, value: u32| {
        for kind in ["invoke", "ok"] {
            lines += &format!(
                "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":{key},\"value\":{value}}}\n"
            );
        }
    };
    for key in 0..10_000 {
        add(0, "write", key, 1);
        add(0, "write", key, 2);
        add(1, "read", key, 1);
    }
    let file = folder.path().join("wrong.jsonl");
    std::fs::write(&file, lines).expect("it can be written");
    let text = page(folder.path(), &["check", file.to_str().expect("text")], 1);
    assert!(text.len() < 200_000, "{} bytes", text.len());
    let answers = first_answers(&text);
    let find = |name| answers.iter().find(|(known, _)| *known == name).expect(name).1;
    assert!(find("What happened").contains("10000 stale-read"), "{answers:?}");
    assert!(find("When").contains("The history records no times"), "{answers:?}");
    assert!(text.contains("And 9997 more violations"), "the rest is counted");
    // Without times there is no axis to draw along; what happened is drawn in the order of events.
    assert!(!text.contains("class=\"explorer\"") && text.contains("class=\"timeline\""));
}

/// On a share that forbids scripts, everything but the explorer is there: nothing is hidden that only a script shows.
#[test]
fn without_script_nothing_is_missing_but_the_explorer() {
    let text = of_case("stale-read", 1);
    let hidden: Vec<&str> =
        text.split(" hidden=\"").skip(1).map(|rest| &rest[..60.min(rest.len())]).collect();
    // The buttons that take steps, whose steps are all shown.
    assert_eq!(hidden.len(), 2, "{hidden:?}");
    assert_eq!(text.matches("<button type=\"button\"").count(), 2);
    for part in
        ["Why every order fails", "class=\"cross\"", "What was not checked", "<title>operation 5: read 1"]
    {
        assert!(text.contains(part), "{part}");
    }
}
