//! The page: one HTML file that explains a verdict to a person who has an outage to explain tonight.
//!
//! The page is sent by mail or kept as a build artefact, so it loads nothing, and its content policy forbids loading. People
//! read it at a desk, on a phone, in the dark, on paper, and without script. The most important facts come first: the
//! verdict, the answers to ten questions, the levels, then each anomaly with its argument and a picture, then the run.
//!
//! Its size is bounded for every history. Of each level a few anomalies are shown. Of each anomaly a stretch is drawn
//! ([`stretch`]). The run is drawn in buckets ([`overview`]). Long texts are shortened in the middle. Of several histories
//! each has a section, and after [`SECTIONS_MAX`] only a line in the table at the top.

mod anomaly;
mod answers;
mod argument;
mod compare;
mod density;
mod diff;
mod excerpt;
mod explorer;
mod graph;
mod html;
mod index;
mod measured;
mod overview;
mod primaries;
mod recovery;
mod runbook;
mod section;
mod stack;
mod staleness;
mod stretch;
mod terms;
mod timeline;

pub(crate) use compare::write_compare_page;
pub(crate) use diff::write_diff_page;

use super::{CheckFindings, ReportWriter};
use html::Html;
use index::SummaryLine;
use std::io::{self, Write};

/// The most histories that have their own section.
const SECTIONS_MAX: usize = 20;
/// The most characters of a text that is shown in full.
const TEXT_CHARS_MAX: usize = 400;

/// The style sheet of all pages.
pub(crate) const STYLE: &str = include_str!("style.css");

/// The page under construction.
#[derive(Default)]
pub(crate) struct PageReport {
    /// Name, verdict and sentence of each history.
    histories: Vec<SummaryLine>,
    sections: Vec<Html>,
}

impl ReportWriter for PageReport {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, _out: &mut dyn Write) -> io::Result<()> {
        let number = self.histories.len() + 1;
        self.histories.push(SummaryLine::from_findings(findings, section::verdict_sentence(findings)));
        if self.sections.len() < SECTIONS_MAX {
            let mut html = Html::default();
            section::write_section(findings, number, &mut html);
            self.sections.push(html);
        }
        Ok(())
    }

    fn write_refused(&mut self, name: &str, problems: &str, _out: &mut dyn Write) -> io::Result<()> {
        let sentence = format!("There is no verdict: {}", clip_text(problems));
        self.histories.push(SummaryLine::from_refusal(name, sentence.clone()));
        if self.sections.len() < SECTIONS_MAX {
            let mut html = Html::default();
            section::write_heading(name, "refused", &sentence, self.histories.len(), &mut html);
            self.sections.push(html);
        }
        Ok(())
    }

    fn write_end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let title = match self.histories.as_slice() {
            [only] => only.title(),
            histories => format!("{} histories", histories.len()),
        };
        let mut html = begin_page(&title);
        if self.histories.len() > 1 {
            index::write_index(&self.histories, &mut html);
        }
        std::mem::take(&mut self.sections).into_iter().for_each(|section| html.append_html(section));
        out.write_all(end_page(html).as_bytes())
    }
}

/// Writes the begin of a page, up to its first heading.
fn begin_page(title: &str) -> Html {
    let mut html = Html::default();
    html.open_tag("html", &[("lang", &"en")]);
    html.open_tag("head", &[]);
    html.open_tag("meta", &[("charset", &"utf-8")]);
    // Whatever the history contains, this page loads nothing and sends nothing.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    html.open_tag("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &policy)]);
    html.open_tag("meta", &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")]);
    html.add_leaf("title", &[], format!("steadfast: {}", clip_text(title)));
    html.add_asset("style", STYLE);
    html.close_tag("head");
    html.break_line();
    html.open_tag("body", &[]);
    write_definitions(&mut html);
    html.open_tag("main", &[]);
    html.add_leaf("h1", &[], "steadfast");
    html
}

/// Writes the parts that drawings share: arrow heads, and the gradient of indeterminate operations.
fn write_definitions(html: &mut Html) {
    html.open_tag(
        "svg",
        &[("width", &"0"), ("height", &"0"), ("aria-hidden", &"true"), ("style", &"position:absolute")],
    );
    html.open_tag("defs", &[]);
    graph::draw_arrow_heads(html);
    for of in ["context", "tells"] {
        html.open_tag("linearGradient", &[("id", &format!("fade-{of}"))]);
        for (offset, opacity) in [("0", "0.75"), ("0.5", "0.3"), ("1", "0")] {
            html.add_empty(
                "stop",
                &[("offset", &offset), ("stop-opacity", &opacity), ("class", &format!("stop-{of}"))],
            );
        }
        html.close_tag("linearGradient");
    }
    html.close_tag("defs");
    html.close_tag("svg");
}

fn end_page(mut html: Html) -> String {
    terms::write_terms(&mut html);
    html.open_tag("footer", &[]);
    html.add_text(format!("Written by steadfast {}. ", env!("CARGO_PKG_VERSION")));
    html.add_text("Independent code has checked the evidence for each verdict.");
    html.close_tag("footer");
    html.close_tag("main");
    html.add_asset("script", include_str!("script.js"));
    html.close_tag("body");
    html.close_tag("html");
    format!("<!doctype html>\n{}\n", html.into_text())
}

/// Shortens a very long text in the middle.
fn clip_text(text: &str) -> String {
    let count = text.chars().count();
    if count <= TEXT_CHARS_MAX {
        return text.to_owned();
    }
    let half = TEXT_CHARS_MAX / 2;
    let start: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{start} .. {end}")
}
