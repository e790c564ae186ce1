//! Markup, grown piece by piece, in which nothing can be forgotten to be escaped.
//!
//! A history is written by somebody else: keys, values, sessions and errors may hold anything at all, also
//! `</script>`. So tags and names of attributes are literals of this program, and every other string passes
//! through [`Escaped`]. Tags close in the order in which they were opened, or the program stops.
//!
//! Why no template engine: four fifths of the page are drawings whose every number is computed, and what is left
//! is shorter as code than a template with its context structs.

use std::fmt::{self, Display, Write as _};

/// Attributes of a tag.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// Tags that have no content and are not closed.
const VOID: &[&str] = &["meta", "br", "col", "wbr"];

/// A piece of a page.
#[derive(Default)]
pub(super) struct Html {
    text: String,
    open: Vec<&'static str>,
}

impl Html {
    /// Opens a tag.
    pub(super) fn open(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.start(tag, attributes);
        self.text.push('>');
        if !VOID.contains(&tag) {
            self.open.push(tag);
        }
    }

    /// Closes the tag that was opened last, which is `tag`.
    pub(super) fn close(&mut self, tag: &'static str) {
        assert_eq!(self.open.pop(), Some(tag), "tags close in the order in which they were opened");
        self.end(tag);
    }

    /// A tag with a text in it.
    pub(super) fn leaf(&mut self, tag: &'static str, attributes: Attributes<'_>, text: impl Display) {
        self.start(tag, attributes);
        self.text.push('>');
        self.say(text);
        self.end(tag);
    }

    /// A tag of a drawing without anything in it.
    pub(super) fn empty(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.start(tag, attributes);
        self.text.push_str("/>");
    }

    /// A text.
    pub(super) fn say(&mut self, text: impl Display) {
        write!(Escaped(&mut self.text), "{text}").expect("text grows");
    }

    /// A style sheet or a script of this program, as it is.
    pub(super) fn asset(&mut self, tag: &'static str, text: &'static str) {
        self.start(tag, &[]);
        self.text.push_str(">\n");
        self.text.push_str(text);
        self.end(tag);
    }

    /// Another piece behind this one.
    pub(super) fn append(&mut self, other: Html) {
        self.text.push_str(&other.finish());
    }

    /// A line break between blocks, so that the source can be read.
    pub(super) fn line(&mut self) {
        self.text.push('\n');
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        assert!(self.open.is_empty(), "not closed: {:?}", self.open);
        self.text
    }

    fn start(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.text.push('<');
        self.text.push_str(tag);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.say(value);
            self.text.push('"');
        }
    }

    fn end(&mut self, tag: &str) {
        self.text.push_str("</");
        self.text.push_str(tag);
        self.text.push('>');
    }
}

/// A writer that escapes what means something in markup, and shows control characters and the marks that turn
/// the direction of a text (with which a value can pose as another) as `U+202E`.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for sign in text.chars() {
            match sign {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' => self.0.push('\n'),
                sign if sign.is_control() || turns_direction(sign) => {
                    write!(self.0, "U+{:04X}", u32::from(sign))?;
                }
                sign => self.0.push(sign),
            }
        }
        Ok(())
    }
}

fn turns_direction(sign: char) -> bool {
    matches!(sign, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_said_is_markup() {
        let mut html = Html::default();
        html.open("p", &[("title", &"\"><script>")]);
        html.say("</p><script>alert('1')</script>");
        html.close("p");
        let text = html.finish();
        assert_eq!(
            text,
            "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;/p&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;</p>"
        );
    }

    #[test]
    fn signs_that_nobody_sees_are_shown() {
        let mut html = Html::default();
        html.say("a\u{0}b\u{202E}c");
        assert_eq!(html.finish(), "aU+0000bU+202Ec");
    }

    #[test]
    #[should_panic(expected = "in the order")]
    fn tags_do_not_cross() {
        let mut html = Html::default();
        html.open("p", &[]);
        html.open("b", &[]);
        html.close("p");
    }
}
