//! Texts with places to fill in: `/login?user={user}`.
//!
//! A place is a known name in braces, or one that the file defines: `{take.csrf}` was taken from an earlier answer,
//! `{cookie.csrftoken}` is a cookie that the user has, and `{user.password}` is a column of the table of users. Braces
//! around anything else are ordinary text, so that JSON can be written without escapes. An unknown name in braces is an
//! error, because it is probably a typing mistake.

use std::fmt::Write as _;

/// The places that can be filled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TemplatePlace {
    /// The user of the session.
    User,
    /// The name of the session in the history.
    Key,
    /// The session's id, as the application chose it.
    Id,
    /// The value to write.
    Value,
    /// The field to write.
    Field,
    /// The new name of a renewed session.
    New,
    /// The action to do.
    Action,
    /// The trace id of the operation.
    Trace,
    /// What the user had read and changed into the value; empty, if it was made from nothing.
    Base,
}

const PLACES: [(&str, TemplatePlace); 9] = [
    ("user", TemplatePlace::User),
    ("key", TemplatePlace::Key),
    ("id", TemplatePlace::Id),
    ("value", TemplatePlace::Value),
    ("field", TemplatePlace::Field),
    ("new", TemplatePlace::New),
    ("action", TemplatePlace::Action),
    ("trace", TemplatePlace::Trace),
    ("base", TemplatePlace::Base),
];

/// The origin of a value whose name the file defines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NamedPlace {
    /// Taken from an earlier answer.
    Taken,
    /// A cookie of the user.
    Cookie,
    /// A column of the table of users.
    Column,
}

const NAMED: [(&str, NamedPlace); 3] =
    [("take", NamedPlace::Taken), ("cookie", NamedPlace::Cookie), ("user", NamedPlace::Column)];

/// How filled-in values are escaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Escape {
    /// Unchanged.
    Nothing,
    /// As the inside of a JSON string.
    Json,
    /// Percent-encoded, as in a URL or a form.
    Percent,
}

impl Escape {
    /// Chooses the escape for a content type.
    pub(super) fn for_content_type(content_type: &str) -> Self {
        if content_type.contains("json") {
            Escape::Json
        } else if content_type.contains("urlencoded") {
            Escape::Percent
        } else {
            Escape::Nothing
        }
    }
}

/// A text with places.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Template(Vec<TemplatePart>);

/// A piece of a template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TemplatePart {
    /// Text that stays as it is.
    Text(String),
    /// A known place.
    Place(TemplatePlace),
    /// A place whose name the file defines.
    Named(NamedPlace, String),
}

impl Template {
    /// Parses a text and finds its places.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let inside = &rest[open + 1..];
            let (before, length) = (&rest[..open], name_length(inside));
            let name = &inside[..length];
            if length == 0 || !inside[length..].starts_with('}') {
                parts.push(TemplatePart::Text(rest[..=open].to_owned()));
                rest = inside;
                continue;
            }
            if let Some((of, name)) = name.split_once('.') {
                let of = NAMED.iter().find(|(known, _)| *known == of).ok_or_else(|| {
                    format!(
                        "there is no {{{of}.…}} to fill in; there are {{take.…}}, {{cookie.…}}, {{user.…}}"
                    )
                })?;
                parts.push(TemplatePart::Text(before.to_owned()));
                parts.push(TemplatePart::Named(of.1, name.to_owned()));
                rest = &inside[length + 1..];
                continue;
            }
            let place = PLACES.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                let names = PLACES.map(|(name, _)| format!("{{{name}}}")).join(", ");
                format!("there is no {{{name}}} to fill in; there are {names}")
            })?;
            parts.push(TemplatePart::Text(before.to_owned()));
            parts.push(TemplatePart::Place(place.1));
            rest = &inside[length + 1..];
        }
        parts.push(TemplatePart::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The pieces of the text, in order.
    pub(crate) fn parts(&self) -> &[TemplatePart] {
        &self.0
    }

    /// Whether the text has this place.
    pub(crate) fn has_place(&self, place: TemplatePlace) -> bool {
        self.0.contains(&TemplatePart::Place(place))
    }

    /// The names of all places of this kind, as the file defines them.
    pub(super) fn names(&self, of: NamedPlace) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(move |part| match part {
            TemplatePart::Named(kind, name) if *kind == of => Some(name.as_str()),
            _ => None,
        })
    }

    /// The text as it was before parsing, with everything but its places escaped.
    pub(super) fn to_escaped_source(&self, escape: Escape) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => push_escaped(text, escape, &mut out),
                place => out.push_str(&Template(vec![place.clone()]).to_string()),
            }
        }
        out
    }

    /// Returns the text with its places filled in.
    pub(super) fn fill_places(
        &self,
        escape: Escape,
        value: impl Fn(TemplatePlace) -> String,
        named: impl Fn(NamedPlace, &str) -> String,
    ) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => out.push_str(text),
                TemplatePart::Place(place) => push_escaped(&value(*place), escape, &mut out),
                TemplatePart::Named(of, name) => push_escaped(&named(*of, name), escape, &mut out),
            }
        }
        out
    }
}

impl std::fmt::Display for Template {
    /// Writes the text as it was before parsing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            TemplatePart::Text(text) => f.write_str(text),
            TemplatePart::Place(place) => {
                let known = PLACES.iter().find(|(_, known)| known == place);
                write!(f, "{{{}}}", known.map_or("", |(name, _)| name))
            }
            TemplatePart::Named(of, name) => {
                let known = NAMED.iter().find(|(_, known)| known == of);
                write!(f, "{{{}.{name}}}", known.map_or("", |(of, _)| of))
            }
        })
    }
}

/// How long the name is that a text begins with: lower-case letters and underscores, and after a dot any name.
fn name_length(text: &str) -> usize {
    let first = text.find(|sign: char| !sign.is_ascii_lowercase() && sign != '_').unwrap_or(0);
    if first == 0 || !text[first..].starts_with('.') {
        return first;
    }
    let rest = &text[first + 1..];
    let second = rest.find(|sign: char| !sign.is_ascii_alphanumeric() && !"-_".contains(sign)).unwrap_or(0);
    if second == 0 { first } else { first + 1 + second }
}

fn push_escaped(text: &str, escape: Escape, out: &mut String) {
    match escape {
        Escape::Nothing => out.push_str(text),
        Escape::Json => {
            let quoted = serde_json::Value::from(text).to_string();
            out.push_str(&quoted[1..quoted.len() - 1]);
        }
        Escape::Percent => {
            for byte in text.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(char::from(byte));
                } else {
                    write!(out, "%{byte:02X}").expect("a string takes all");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, escape: Escape) -> String {
        let named = |of: NamedPlace, name: &str| format!("<{of:?} {name}>");
        Template::parse(text).unwrap().fill_places(escape, |place| format!("<{place:?}\n>"), named)
    }

    #[test]
    fn places_are_filled_and_escaped() {
        assert_eq!(filled(r#"{"user":"{user}","v":{}}"#, Escape::Json), r#"{"user":"<User\n>","v":{}}"#);
        assert_eq!(filled("/s/{key}?a={b", Escape::Percent), "/s/%3CKey%0A%3E?a={b");
        assert_eq!(Template::parse("/s/{key}?a={b").unwrap().to_string(), "/s/{key}?a={b");
        assert_eq!(filled("{id}{new}", Escape::Nothing), "<Id\n><New\n>");
        assert_eq!(filled("t={take.csrf}&{cookie.X-1}", Escape::Nothing), "t=<Taken csrf>&<Cookie X-1>");
        assert_eq!(Template::parse("{user.pass}{a.").unwrap().to_string(), "{user.pass}{a.");
        assert!(Template::parse("{taken.csrf}").unwrap_err().contains("{take.…}"));
        assert_eq!(Escape::for_content_type("application/json; charset=utf-8"), Escape::Json);
    }

    #[test]
    fn a_place_that_is_not_known_is_an_error() {
        let why = Template::parse("/login?u={usr}").unwrap_err();
        assert!(why.contains("{usr}") && why.contains("{user}"), "{why}");
    }
}
