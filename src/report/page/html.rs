//! Builds HTML in which no text can remain unescaped.
//!
//! Histories come from elsewhere: keys, values, sessions and errors may contain anything, including `</script>`. Tags and
//! attribute names are therefore literals of this program, and every other string passes through [`Escaped`]. Tags must be
//! closed in reverse order of opening; otherwise the program panics.
//!
//! Why no template engine: four fifths of the page are drawings with computed numbers, and the rest is shorter as code
//! than as a template with its context structs.

use std::fmt::{self, Display, Write as _};

/// Attributes of a tag.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// Elements without content, which are not closed.
const VOID: &[&str] = &["meta", "br", "col", "wbr"];

/// A piece of a page.
#[derive(Default)]
pub(super) struct Html {
    text: String,
    open: Vec<&'static str>,
}

impl Html {
    /// Opens an element.
    pub(super) fn open_tag(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.start_tag(tag, attributes);
        self.text.push('>');
        if !VOID.contains(&tag) {
            self.open.push(tag);
        }
    }

    /// Opens a part that scrolls sideways where it does not fit. It can be reached with the keyboard.
    pub(super) fn open_scroll(&mut self) {
        let label = "Scrolls sideways if it does not fit";
        self.open_tag(
            "div",
            &[("class", &"scroll"), ("tabindex", &"0"), ("role", &"group"), ("aria-label", &label)],
        );
    }

    /// Closes the element that was opened last, which must be `tag`.
    pub(super) fn close_tag(&mut self, tag: &'static str) {
        assert_eq!(self.open.pop(), Some(tag), "tags close in the order in which they were opened");
        self.end_tag(tag);
    }

    /// Adds an element that contains only text.
    pub(super) fn add_leaf(&mut self, tag: &'static str, attributes: Attributes<'_>, text: impl Display) {
        self.start_tag(tag, attributes);
        self.text.push('>');
        self.add_text(text);
        self.end_tag(tag);
    }

    /// Adds an empty element of a drawing.
    pub(super) fn add_empty(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.start_tag(tag, attributes);
        self.text.push_str("/>");
    }

    /// Adds text.
    pub(super) fn add_text(&mut self, text: impl Display) {
        write!(Escaped(&mut self.text), "{text}").expect("text grows");
    }

    /// Adds a style sheet or a script of this program without escaping.
    pub(super) fn add_asset(&mut self, tag: &'static str, text: &'static str) {
        self.start_tag(tag, &[]);
        self.text.push_str(">\n");
        self.text.push_str(text);
        self.end_tag(tag);
    }

    /// Appends another piece.
    pub(super) fn append_html(&mut self, other: Html) {
        self.text.push_str(&other.into_text());
    }

    /// Adds a line break to the source between blocks.
    pub(super) fn break_line(&mut self) {
        self.text.push('\n');
    }

    /// Returns the text.
    pub(super) fn into_text(self) -> String {
        assert!(self.open.is_empty(), "not closed: {:?}", self.open);
        self.text
    }

    fn start_tag(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.text.push('<');
        self.text.push_str(tag);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.add_text(value);
            self.text.push('"');
        }
    }

    fn end_tag(&mut self, tag: &str) {
        self.text.push_str("</");
        self.text.push_str(tag);
        self.text.push('>');
    }
}

/// A writer that escapes characters with a meaning in markup. Control characters and marks that change the direction of
/// text (with which one value can pose as another) are shown as `U+202E`.
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
        html.open_tag("p", &[("title", &"\"><script>")]);
        html.add_text("</p><script>alert('1')</script>");
        html.close_tag("p");
        let text = html.into_text();
        assert_eq!(
            text,
            "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;/p&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;</p>"
        );
    }

    #[test]
    fn signs_that_nobody_sees_are_shown() {
        let mut html = Html::default();
        html.add_text("a\u{0}b\u{202E}c");
        assert_eq!(html.into_text(), "aU+0000bU+202Ec");
    }

    #[test]
    #[should_panic(expected = "in the order")]
    fn tags_do_not_cross() {
        let mut html = Html::default();
        html.open_tag("p", &[]);
        html.open_tag("b", &[]);
        html.close_tag("p");
    }
}
