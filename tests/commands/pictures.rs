//! The animated picture of the README is what the program prints. `STEADFAST_WRITE_PICTURES=1` writes it anew.
//!
//! A recorded picture shows a program that nobody has any more. This one is made from a run in simulated time, which gives the
//! same lines on every machine; only the times of the check vary, and they are replaced.

use assert_cmd::Command;
use std::path::Path;

/// The size of a character in the picture.
const CHAR: (f64, f64) = (8.0, 17.0);
const COLUMNS: usize = 80;
/// The most lines that are shown; the rest of the report is cut off.
const LINES_MAX: usize = 42;

/// What the command prints, status lines first.
fn printed_lines(args: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(args)
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let text =
        String::from_utf8(output.stderr).expect("text") + &String::from_utf8(output.stdout).expect("text");
    text.lines().map(with_fixed_times).flat_map(|line| fold_line(&line)).collect()
}

/// A line as a terminal of [`COLUMNS`] shows it.
fn fold_line(line: &str) -> Vec<String> {
    let signs: Vec<char> = line.chars().collect();
    match signs.is_empty() {
        true => vec![String::new()],
        false => signs.chunks(COLUMNS).map(|part| part.iter().collect()).collect(),
    }
}

/// A line without the times that the check took on this machine.
fn with_fixed_times(line: &str) -> String {
    let is_level = ["  violated ", "  holds ", "  took "].iter().any(|begin| line.starts_with(begin));
    if !is_level {
        return line.to_owned();
    }
    let is_digit = |sign: char| sign.is_ascii_digit() || sign == '.';
    let mut parts: Vec<&str> = line.split(" ms").collect();
    let last = parts.pop().unwrap_or_default();
    parts.iter().map(|part| format!("{}1.0 ms", part.trim_end_matches(is_digit))).collect::<String>() + last
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The lines as an SVG in which they appear one after another. Without animation all of them are shown.
fn picture(command: &str, lines: &[String]) -> String {
    let shown = lines.len().min(LINES_MAX);
    let (width, height) = (COLUMNS as f64 * CHAR.0 + 24.0, (shown + 2) as f64 * CHAR.1 + 20.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{}\">\n<style>\n\
         text {{ font: 13px ui-monospace, monospace; fill: #d5dae2; white-space: pre; }}\n\
         .command {{ fill: #8ab4f8; }} .violated {{ fill: #ff8078; font-weight: bold; }} .next {{ fill: #f3d27a; }}\n\
         text {{ animation: show .1s backwards; }}\n\
         @keyframes show {{ from {{ opacity: 0; }} }}\n\
         @media (prefers-reduced-motion) {{ text {{ animation: none; }} }}\n\
         </style>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#14181d\"/>\n",
        escape(command)
    );
    let all = std::iter::once(format!("$ {command}")).chain(lines.iter().take(shown).cloned());
    for (at, line) in all.enumerate() {
        let class = match line.as_str() {
            line if line.starts_with("$ ") => "command",
            line if line.starts_with("VIOLATED") => "violated",
            line if line.starts_with("next: ") => "next",
            _ => "",
        };
        // The command first, then the run, and then the report line by line.
        let delay = if at == 0 { 0.3 } else { 1.0 + at as f64 * 0.12 };
        let y = (at + 1) as f64 * CHAR.1 + 10.0;
        svg += &format!(
            "<text x=\"12\" y=\"{y}\" class=\"{class}\" style=\"animation-delay: {delay:.2}s\">{}</text>\n",
            escape(&line)
        );
    }
    svg + "</svg>\n"
}

#[test]
fn the_picture_shows_what_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures/run.svg");
    let drawn = picture("steadfast run --seed 1", &printed_lines(&["run", "--seed", "1"]));
    if std::env::var_os("STEADFAST_WRITE_PICTURES").is_some() {
        std::fs::write(&path, &drawn).expect("it can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        drawn == known,
        "the picture is old: run STEADFAST_WRITE_PICTURES=1 cargo test --test commands pictures"
    );
    assert!(known.contains("class=\"violated\"") && known.contains("class=\"next\""), "it shows a verdict");
}
