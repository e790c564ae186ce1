//! The page: one HTML file that explains a verdict to somebody who has an outage to explain tonight.
//!
//! It travels alone (by mail, as an artefact of a build), so nothing is loaded from anywhere, and its content policy
//! forbids it. It is read at a desk, on a phone, in the dark and on paper. What matters comes first: the verdict in a
//! sentence, the levels, then each anomaly with its sentence, its operations and a picture of what happened around
//! them; then the run as a whole.
//!
//! Its size is bounded whatever the history: of each level a few anomalies are told, of each anomaly a stretch is
//! drawn ([`stretch`]), the run is drawn in buckets ([`overview`]), long texts lose their middle. Of several
//! histories each has a section; beyond [`SECTIONS_MAX`] only a line in the table at the top.

mod anomaly;
mod compare;
mod graph;
mod html;
mod measured;
mod overview;
mod runbook;
mod section;
mod stack;
mod stretch;
mod timeline;

pub(crate) use compare::compare;

use super::{Findings, Report};
use html::Html;
use std::io::{self, Write};

/// Histories with a section of their own.
const SECTIONS_MAX: usize = 20;
/// Characters of a text that is shown whole.
const TEXT_CHARS_MAX: usize = 400;

/// The page, as it grows.
#[derive(Default)]
pub(crate) struct Page {
    /// Name, verdict and sentence of each history.
    histories: Vec<Line>,
    sections: Vec<Html>,
}

struct Line {
    name: String,
    verdict: &'static str,
    sentence: String,
}

impl Report for Page {
    fn checked(&mut self, findings: &Findings<'_>, _out: &mut dyn Write) -> io::Result<()> {
        let number = self.histories.len() + 1;
        self.histories.push(Line {
            name: findings.name.to_owned(),
            verdict: findings.verdict(),
            sentence: section::sentence(findings),
        });
        if self.sections.len() < SECTIONS_MAX {
            let mut html = Html::default();
            section::write(findings, number, &mut html);
            self.sections.push(html);
        }
        Ok(())
    }

    fn refused(&mut self, name: &str, problems: &str, _out: &mut dyn Write) -> io::Result<()> {
        let sentence = format!("There is no verdict: {}", clipped(problems));
        self.histories.push(Line { name: name.to_owned(), verdict: "refused", sentence: sentence.clone() });
        if self.sections.len() < SECTIONS_MAX {
            let mut html = Html::default();
            section::heading(name, "refused", &sentence, self.histories.len(), &mut html);
            self.sections.push(html);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let title = match self.histories.as_slice() {
            [only] => format!("{}: {}", only.verdict, only.name),
            histories => format!("{} histories", histories.len()),
        };
        let mut html = begin(&title);
        if self.histories.len() > 1 {
            self.contents(&mut html);
        }
        std::mem::take(&mut self.sections).into_iter().for_each(|section| html.append(section));
        out.write_all(end(html).as_bytes())
    }
}

impl Page {
    /// A line a history, where there are several.
    fn contents(&self, html: &mut Html) {
        html.open("div", &[("class", &"scroll")]);
        html.open("table", &[("class", &"levels")]);
        for (line, number) in self.histories.iter().zip(1..) {
            html.open("tr", &[]);
            html.leaf("td", &[("class", &line.verdict)], line.verdict);
            html.open("td", &[]);
            if number <= SECTIONS_MAX {
                html.leaf("a", &[("href", &format!("#history-{number}"))], clipped(&line.name));
            } else {
                html.say(clipped(&line.name));
            }
            html.close("td");
            html.leaf("td", &[], &line.sentence);
            html.close("tr");
            html.line();
        }
        html.close("table");
        html.close("div");
        if self.histories.len() > SECTIONS_MAX {
            html.leaf("p", &[("class", &"quiet")], format!("The first {SECTIONS_MAX} are told below."));
        }
    }
}

/// The beginning of a page, up to its first heading.
fn begin(title: &str) -> Html {
    let mut html = Html::default();
    html.open("html", &[("lang", &"en")]);
    html.open("head", &[]);
    html.open("meta", &[("charset", &"utf-8")]);
    // Whatever a history holds: this page loads nothing and sends nothing.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    html.open("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &policy)]);
    html.open("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")]);
    html.leaf("title", &[], format!("steadfast: {}", clipped(title)));
    html.asset("style", include_str!("style.css"));
    html.close("head");
    html.line();
    html.open("body", &[]);
    definitions(&mut html);
    html.leaf("h1", &[], "steadfast");
    html
}

/// What drawings refer to: arrow heads, and the fading of what never ended.
fn definitions(html: &mut Html) {
    html.open(
        "svg",
        &[("width", &"0"), ("height", &"0"), ("aria-hidden", &"true"), ("style", &"position:absolute")],
    );
    html.open("defs", &[]);
    graph::heads(html);
    for of in ["context", "tells"] {
        html.open("linearGradient", &[("id", &format!("fade-{of}"))]);
        for (offset, opacity) in [("0", "0.75"), ("0.5", "0.3"), ("1", "0")] {
            html.empty(
                "stop",
                &[("offset", &offset), ("stop-opacity", &opacity), ("class", &format!("stop-{of}"))],
            );
        }
        html.close("linearGradient");
    }
    html.close("defs");
    html.close("svg");
}

fn end(mut html: Html) -> String {
    html.open("footer", &[]);
    html.say(format!("Written by steadfast {}. ", env!("CARGO_PKG_VERSION")));
    html.say("Each verdict comes with evidence that other code has checked again.");
    html.close("footer");
    html.asset("script", include_str!("script.js"));
    html.close("body");
    html.close("html");
    format!("<!doctype html>\n{}\n", html.finish())
}

/// A text without its middle, where it is far longer than anybody reads.
fn clipped(text: &str) -> String {
    let count = text.chars().count();
    if count <= TEXT_CHARS_MAX {
        return text.to_owned();
    }
    let half = TEXT_CHARS_MAX / 2;
    let start: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{start} .. {end}")
}
