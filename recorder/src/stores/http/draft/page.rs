//! The forms and links of an HTML page.
//!
//! A tokenizer of the HTML standard reads the page, because attributes come in any order, with or without quotes, and in
//! comments that mean nothing. The position of a field in the source is kept: a stack file takes a hidden token by the texts
//! around it.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};

/// The most bytes of a page that are read.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// The most forms, links, and fields of a form that are kept.
const FORMS_MAX: usize = 64;
const LINKS_MAX: usize = 1024;
const FIELDS_MAX: usize = 256;

/// What a page offers to its user.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct HtmlPage {
    pub(super) forms: Vec<HtmlForm>,
    pub(super) links: Vec<HtmlLink>,
}

/// A form.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct HtmlForm {
    /// In upper case.
    pub(super) method: String,
    /// As the page has it; empty for the address of the page.
    pub(super) action: String,
    pub(super) fields: Vec<FormField>,
}

/// A field of a form that has a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FormField {
    pub(super) name: String,
    /// In lower case, such as `text`, `hidden` or `password`.
    pub(super) kind: String,
    pub(super) value: String,
    /// The tag as it stands in the page.
    pub(super) source: String,
}

/// A link and its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct HtmlLink {
    pub(super) target: String,
    pub(super) text: String,
}

impl HtmlPage {
    /// Reads a page. A page that breaks the rules is read as a browser reads it.
    pub(super) fn parse(source: &str) -> Self {
        let mut end = source.len().min(PAGE_BYTES_MAX);
        while !source.is_char_boundary(end) {
            end -= 1;
        }
        let source = &source[..end];
        let mut page = HtmlPage::default();
        // The form and the link that are open.
        let (mut form, mut link): (Option<HtmlForm>, Option<HtmlLink>) = (None, None);
        let emitter = DefaultEmitter::<usize>::new_with_span();
        for token in Tokenizer::new_with_emitter(source, emitter) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => match &*tag.name.to_vec() {
                    b"form" if page.forms.len() < FORMS_MAX => {
                        page.forms.extend(form.take());
                        let method = read_attribute(&tag, "method").unwrap_or_default().to_ascii_uppercase();
                        form = Some(HtmlForm {
                            method: if method == "POST" { method } else { "GET".to_owned() },
                            action: read_attribute(&tag, "action").unwrap_or_default(),
                            fields: Vec::new(),
                        });
                    }
                    b"input" | b"textarea" => {
                        if let Some(form) = form.as_mut().filter(|form| form.fields.len() < FIELDS_MAX) {
                            form.fields.extend(read_field(&tag, source));
                        }
                    }
                    b"a" if page.links.len() < LINKS_MAX => {
                        page.links.extend(link.take());
                        link = read_attribute(&tag, "href")
                            .map(|target| HtmlLink { target, text: String::new() });
                    }
                    _ => {}
                },
                Token::EndTag(tag) => match &*tag.name.to_vec() {
                    b"form" => page.forms.extend(form.take()),
                    b"a" => page.links.extend(link.take()),
                    _ => {}
                },
                Token::String(text) => {
                    if let Some(link) = &mut link {
                        link.text.push_str(&String::from_utf8_lossy(&text));
                    }
                }
                _ => {}
            }
        }
        page.forms.extend(form);
        page.links.extend(link);
        page
    }

    /// The first form with a field for a password.
    pub(super) fn find_login_form(&self) -> Option<&HtmlForm> {
        self.forms.iter().find(|form| form.fields.iter().any(|field| field.kind == "password"))
    }

    /// The request of the first form or link whose address or text has one of these words: its method and its target.
    pub(super) fn find_request(&self, words: &[&str]) -> Option<(String, String)> {
        let has_word = |text: &str| {
            let text = text.to_lowercase().replace(['-', '_', ' '], "");
            words.iter().any(|word| text.contains(word))
        };
        let forms = self.forms.iter().filter(|form| has_word(&form.action));
        let links = self.links.iter().filter(|link| has_word(&link.target) || has_word(&link.text));
        let forms = forms.map(|form| (form.method.clone(), form.action.clone()));
        forms.chain(links.map(|link| ("GET".to_owned(), link.target.clone()))).next()
    }
}

fn read_attribute(tag: &StartTag<usize>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn read_field(tag: &StartTag<usize>, source: &str) -> Option<FormField> {
    let kind = read_attribute(tag, "type").unwrap_or_else(|| "text".to_owned()).to_ascii_lowercase();
    Some(FormField {
        name: read_attribute(tag, "name").filter(|name| !name.is_empty())?,
        kind,
        value: read_attribute(tag, "value").unwrap_or_default(),
        source: source.get(tag.span.start..tag.span.end).unwrap_or_default().to_owned(),
    })
}

/// The texts between which the value of a field stands in a page, if the first occurrences of these texts enclose it.
pub(super) fn find_enclosing_texts(page: &str, field: &FormField) -> Option<[String; 2]> {
    let tag = &field.source;
    let at = find_value_in_tag(tag, &field.value)?;
    let after = tag[at + field.value.len()..].chars().next()?.to_string();
    // Short texts survive changes of the page. They begin with the name if it comes before the value.
    let name = tag[..at].find("name=");
    [name, Some(0)].into_iter().flatten().find_map(|begin| {
        let before = &tag[begin..at];
        let found = take_between(page, before, &after)?;
        (found == field.value).then(|| [before.to_owned(), after.clone()])
    })
}

/// Takes what stands between the first occurrences of two texts, as a stack file does.
pub(super) fn take_between<'a>(page: &'a str, before: &str, after: &str) -> Option<&'a str> {
    page.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// The position of the value behind `value=` in a tag; `None` if it is written with entities.
fn find_value_in_tag(tag: &str, value: &str) -> Option<usize> {
    let lower = tag.to_ascii_lowercase();
    lower.match_indices("value").find_map(|(at, word)| {
        let rest = tag[at + word.len()..].trim_start().strip_prefix('=')?.trim_start();
        let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
        rest.starts_with(value).then(|| tag.len() - rest.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<html><!-- <form action="/old"><input type=password name=old></form> -->
        <a href="/about">About us</a> <A HREF='/accounts/login?next=/'><b>Sign</b> in</A>
        <form action="/search"><input name=q></form>
        <form method=post action="/accounts/login/?a=1&amp;b=2"><input type="hidden" name="csrf" value="t0k">
        <input type=hidden value='/' name=next><input name="user"><input TYPE=Password name=password>
        <input type=submit value=Go></form>"#;

    #[test]
    fn forms_and_links_are_found_as_a_browser_finds_them() {
        let page = HtmlPage::parse(PAGE);
        assert_eq!(page.forms.len(), 2, "the one in a comment is none");
        let login = page.find_login_form().expect("a form with a password");
        assert_eq!((login.method.as_str(), login.action.as_str()), ("POST", "/accounts/login/?a=1&b=2"));
        let fields: Vec<(&str, &str, &str)> = (login.fields.iter())
            .map(|field| (field.name.as_str(), field.kind.as_str(), field.value.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("csrf", "hidden", "t0k"),
                ("next", "hidden", "/"),
                ("user", "text", ""),
                ("password", "password", "")
            ]
        );
        let found = page.find_request(&["signin"]);
        assert_eq!(found, Some(("GET".to_owned(), "/accounts/login?next=/".to_owned())));
        assert_eq!(page.find_request(&["logout"]), None);
    }

    #[test]
    fn a_hidden_value_is_taken_between_the_shortest_texts_that_enclose_it() {
        let page = HtmlPage::parse(PAGE);
        let fields = &page.find_login_form().expect("a form").fields;
        let texts = find_enclosing_texts(PAGE, &fields[0]).expect("texts");
        assert_eq!(texts, [r#"name="csrf" value=""#, "\""]);
        assert_eq!(take_between(&PAGE.replace("t0k", "another"), &texts[0], &texts[1]), Some("another"));
        // The name comes after the value: the whole beginning of the tag, which no other tag has here.
        assert_eq!(
            find_enclosing_texts(PAGE, &fields[1]),
            Some(["<input type=hidden value='".into(), "'".into()])
        );
        // Two fields begin alike: the texts would take the first one's value for the second one's.
        let twins = "<form><input type=hidden value='1' name=a><input type=hidden value='2' name=b></form>";
        let fields = &HtmlPage::parse(twins).forms[0].fields;
        assert!(find_enclosing_texts(twins, &fields[0]).is_some());
        assert_eq!(find_enclosing_texts(twins, &fields[1]), None);
        // Entities are not undone when a value is taken, so such a value cannot be taken.
        let escaped = "<form><input name=a value='1&amp;2'></form>";
        let fields = &HtmlPage::parse(escaped).forms[0].fields;
        assert_eq!((fields[0].value.as_str(), find_enclosing_texts(escaped, &fields[0])), ("1&2", None));
    }

    /// Pages are input from outside: what is kept of them is bounded, and nothing panics at odd ends.
    #[test]
    fn a_hostile_page_costs_a_bounded_amount() {
        let many = "<form><a href=x>".repeat(100_000);
        let page = HtmlPage::parse(&many);
        assert!(page.forms.len() <= FORMS_MAX + 1 && page.links.len() <= LINKS_MAX + 1);
        let long = "ü".repeat(PAGE_BYTES_MAX);
        assert_eq!(HtmlPage::parse(&long), HtmlPage::default());
        for odd in
            ["<", "<input", "<form><input name", "<form><input name=x value=", "</form></a>", "<a href='"]
        {
            let page = HtmlPage::parse(odd);
            let fields = page.forms.iter().flat_map(|form| &form.fields);
            fields.for_each(|field| drop(find_enclosing_texts(odd, field)));
        }
    }
}
