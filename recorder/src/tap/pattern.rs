//! Templates of a description, read backwards: what stands in a request at the places of a template.
//!
//! A driven run fills `{"cart":"{value}"}` and sends it. A tap gets `{"cart": "apples", "lang": "en"}` from a client that
//! nobody here wrote, and has to find `apples`. Comparing texts would not do: other clients order members and fields
//! differently, add some, and escape more or less. So a body is compared as what it is. A template of JSON is a set of members
//! that the request must have, a template of a form is a set of fields, and everything else is a text. A path is a text, and its
//! query is a set of parameters.
//!
//! Matching never backtracks: a place ends where the text after it first occurs. So its cost is linear in the request.

use crate::stores::http::template::{Template, TemplatePart, TemplatePlace};
use serde_json::Value as Json;

/// Marks the number of a place in a text that is parsed as JSON, a form or a query. The signs have no meaning in any of them.
const MARK_OPEN: char = '\u{E000}';
const MARK_CLOSE: char = '\u{E001}';

/// The greatest depth of JSON in a template.
const DEPTH_MAX: usize = 32;

/// What a request has at the places of a step.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Captured(Vec<(TemplatePlace, String)>);

impl Captured {
    /// What stands at a place, if the step has it.
    pub(super) fn text_at(&self, place: TemplatePlace) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == place).map(|(_, text)| text.as_str())
    }

    fn add(&mut self, place: TemplatePlace, text: String) {
        if self.text_at(place).is_none() {
            self.0.push((place, text));
        }
    }
}

/// A place of a pattern: one that is known, or one whose content does not matter.
type PatternPlace = Option<TemplatePlace>;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Literal(String),
    Place(PatternPlace),
}

/// How the content of a place is escaped, and which signs end it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PlaceText {
    /// Anything.
    Plain,
    /// A part of a path: percent-encoded, and without a slash.
    Path,
    /// A field of a form or a parameter of a query, decoded before it is compared.
    Decoded,
}

/// A text with places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TextPattern(Vec<Piece>);

impl TextPattern {
    /// The pattern of a whole template.
    pub(super) fn from_template(template: &Template) -> Self {
        let (marked, places) = mark_places(template);
        Self::from_marked(&marked, &places)
    }

    fn from_marked(text: &str, places: &[PatternPlace]) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(MARK_OPEN) {
            let Some((number, after)) = after.split_once(MARK_CLOSE) else { break };
            let place = number.parse::<usize>().ok().and_then(|number| places.get(number).copied());
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.to_owned()));
            }
            pieces.push(Piece::Place(place.flatten()));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Self(pieces)
    }

    /// Whether the text consists of one place.
    fn is_one_place(&self) -> bool {
        matches!(self.0.as_slice(), [Piece::Place(_)])
    }

    /// Whether the text has no places.
    pub(super) fn is_literal(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Literal(_)))
    }

    /// The number of places.
    pub(super) fn place_count(&self) -> usize {
        self.0.iter().filter(|piece| matches!(piece, Piece::Place(_))).count()
    }

    /// Whether a request may lack this text: nothing that an operation needs stands in it.
    fn is_optional(&self) -> bool {
        use TemplatePlace::{Action, Field, Value};
        let needed = [Value, Field, Action];
        !self.is_literal()
            && !self
                .0
                .iter()
                .any(|piece| matches!(piece, Piece::Place(Some(place)) if needed.contains(place)))
    }

    /// Compares a text, and notes what stands at the places. Returns whether it fits.
    pub(super) fn capture_text(&self, text: &str, kind: PlaceText, captured: &mut Captured) -> bool {
        let mut rest = text;
        for (at, piece) in self.0.iter().enumerate() {
            match piece {
                // The literal after a place was already consumed with that place.
                Piece::Literal(_) if at > 0 => {}
                Piece::Literal(literal) => match rest.strip_prefix(literal.as_str()) {
                    Some(after) => rest = after,
                    None => return false,
                },
                Piece::Place(place) => {
                    let Some((held, after)) = self.split_at_place(at, rest) else { return false };
                    let held = match kind {
                        PlaceText::Path if held.contains('/') => return false,
                        PlaceText::Path => percent_decode(held, false),
                        PlaceText::Plain | PlaceText::Decoded => held.to_owned(),
                    };
                    if let Some(place) = place {
                        captured.add(*place, held);
                    }
                    rest = after;
                }
            }
        }
        rest.is_empty()
    }

    /// What stands at the place number `at`, and what follows the literal after it.
    fn split_at_place<'a>(&self, at: usize, rest: &'a str) -> Option<(&'a str, &'a str)> {
        match &self.0[at + 1..] {
            [] => Some((rest, "")),
            [Piece::Literal(last)] => rest.strip_suffix(last.as_str()).map(|held| (held, "")),
            [Piece::Literal(next), ..] => rest.split_once(next.as_str()),
            // Two places side by side: the first one is empty, because nothing tells where it ends.
            [Piece::Place(_), ..] => Some(("", rest)),
        }
    }
}

/// Fields by name that a request must have, in any order and among others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct FieldsPattern(Vec<(String, TextPattern)>);

impl FieldsPattern {
    fn from_marked(text: &str, places: &[PatternPlace]) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name, true), TextPattern::from_marked(&percent_decode(value, true), places))
        });
        Self(fields.collect())
    }

    fn capture_fields(&self, text: &str, captured: &mut Captured) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let sent: Vec<(String, String)> = text
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (percent_decode(name, true), percent_decode(value, true))
            })
            .collect();
        self.0.iter().all(|(name, pattern)| match sent.iter().find(|(known, _)| known == name) {
            Some((_, value)) => pattern.capture_text(value, PlaceText::Decoded, captured),
            None => pattern.is_optional(),
        })
    }
}

/// A document of JSON that a request must contain.
#[derive(Clone, PartialEq, Debug)]
enum JsonPattern {
    Text(TextPattern),
    Members(Vec<(String, JsonPattern)>),
    Elements(Vec<JsonPattern>),
    Same(Json),
}

impl JsonPattern {
    fn from_marked(json: &Json, places: &[PatternPlace], depth: usize) -> Option<Self> {
        if depth > DEPTH_MAX {
            return None;
        }
        Some(match json {
            Json::String(text) => JsonPattern::Text(TextPattern::from_marked(text, places)),
            Json::Object(members) => {
                let members = members.iter().map(|(name, member)| {
                    Some((name.clone(), Self::from_marked(member, places, depth + 1)?))
                });
                JsonPattern::Members(members.collect::<Option<_>>()?)
            }
            Json::Array(elements) => {
                let elements = elements.iter().map(|element| Self::from_marked(element, places, depth + 1));
                JsonPattern::Elements(elements.collect::<Option<_>>()?)
            }
            other => JsonPattern::Same(other.clone()),
        })
    }

    /// The depth is bounded by that of the pattern.
    fn capture_json(&self, json: &Json, captured: &mut Captured) -> bool {
        match (self, json) {
            (JsonPattern::Text(pattern), Json::String(text)) => {
                pattern.capture_text(text, PlaceText::Plain, captured)
            }
            // A client may send a number where the description has a text.
            (JsonPattern::Text(pattern), other) => {
                pattern.is_one_place() && pattern.capture_text(&other.to_string(), PlaceText::Plain, captured)
            }
            (JsonPattern::Members(members), Json::Object(sent)) => {
                members.iter().all(|(name, pattern)| match sent.get(name) {
                    Some(member) => pattern.capture_json(member, captured),
                    None => matches!(pattern, JsonPattern::Text(text) if text.is_optional()),
                })
            }
            (JsonPattern::Elements(elements), Json::Array(sent)) => {
                elements.len() == sent.len()
                    && elements.iter().zip(sent).all(|(pattern, one)| pattern.capture_json(one, captured))
            }
            (JsonPattern::Same(expected), sent) => expected == sent,
            _ => false,
        }
    }
}

/// The body of a step.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum BodyPattern {
    /// The step says nothing of its body.
    Any,
    Text(TextPattern),
    Form(FieldsPattern),
    Json(JsonBody),
}

/// A body of JSON.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct JsonBody(JsonPattern);

impl BodyPattern {
    /// The pattern of a step's body with this content type.
    pub(super) fn from_template(body: Option<&Template>, content_type: &str) -> Self {
        let Some(template) = body else { return BodyPattern::Any };
        let (marked, places) = mark_places(template);
        if content_type.contains("urlencoded") {
            return BodyPattern::Form(FieldsPattern::from_marked(&marked, &places));
        }
        let json =
            content_type.contains("json").then(|| serde_json::from_str::<Json>(&marked).ok()).flatten();
        match json.and_then(|json| JsonPattern::from_marked(&json, &places, 0)) {
            Some(pattern) => BodyPattern::Json(JsonBody(pattern)),
            None => BodyPattern::Text(TextPattern::from_marked(&marked, &places)),
        }
    }

    /// Compares a body, and notes what stands at the places. Returns whether it fits.
    pub(super) fn capture_body(&self, body: &[u8], captured: &mut Captured) -> bool {
        match self {
            BodyPattern::Any => true,
            BodyPattern::Json(JsonBody(pattern)) => {
                serde_json::from_slice(body).is_ok_and(|json| pattern.capture_json(&json, captured))
            }
            BodyPattern::Text(pattern) => std::str::from_utf8(body)
                .is_ok_and(|text| pattern.capture_text(text, PlaceText::Plain, captured)),
            BodyPattern::Form(pattern) => {
                std::str::from_utf8(body).is_ok_and(|text| pattern.capture_fields(text, captured))
            }
        }
    }
}

/// The path of a step with its query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PathPattern {
    path: TextPattern,
    query: FieldsPattern,
}

impl PathPattern {
    pub(super) fn from_template(template: &Template) -> Self {
        let (marked, places) = mark_places(template);
        let (path, query) = marked.split_once('?').unwrap_or((&marked, ""));
        Self {
            path: TextPattern::from_marked(path, &places),
            query: FieldsPattern::from_marked(query, &places),
        }
    }

    /// The number of places in the path. A path with fewer places says more.
    pub(super) fn place_count(&self) -> usize {
        self.path.place_count()
    }

    pub(super) fn capture_path(&self, path: &str, query: &str, captured: &mut Captured) -> bool {
        self.path.capture_text(path, PlaceText::Path, captured) && self.query.capture_fields(query, captured)
    }
}

/// The text of a template with a mark for each place, and the places by number.
fn mark_places(template: &Template) -> (String, Vec<PatternPlace>) {
    let (mut text, mut places) = (String::new(), Vec::new());
    for part in template.parts() {
        let place = match part {
            TemplatePart::Text(literal) => {
                text.push_str(literal);
                continue;
            }
            // The names are those of the driver, and each tap gives its own.
            TemplatePart::Place(TemplatePlace::Key | TemplatePlace::New | TemplatePlace::Trace) => None,
            TemplatePart::Place(place) => Some(*place),
            TemplatePart::Named(..) => None,
        };
        text.push(MARK_OPEN);
        text.push_str(&places.len().to_string());
        text.push(MARK_CLOSE);
        places.push(place);
    }
    (text, places)
}

/// Decodes percent-encoding, and in forms a plus as a space. What is not well encoded stays as it is.
fn percent_decode(text: &str, form: bool) -> String {
    if !text.bytes().any(|byte| byte == b'%' || (form && byte == b'+')) {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) if form => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use TemplatePlace::{Action, Base, Field, User, Value};

    fn captured(pairs: &[(TemplatePlace, &str)]) -> Option<Captured> {
        Some(Captured(pairs.iter().map(|(place, text)| (*place, (*text).to_owned())).collect()))
    }

    fn body(template: &str, content_type: &str, sent: &str) -> Option<Captured> {
        let pattern = BodyPattern::from_template(Some(&Template::parse(template).unwrap()), content_type);
        let mut found = Captured::default();
        pattern.capture_body(sent.as_bytes(), &mut found).then_some(found)
    }

    fn path(template: &str, sent: &str) -> Option<Captured> {
        let pattern = PathPattern::from_template(&Template::parse(template).unwrap());
        let (path, query) = sent.split_once('?').unwrap_or((sent, ""));
        let mut found = Captured::default();
        pattern.capture_path(path, query, &mut found).then_some(found)
    }

    /// A comparison of texts would miss each request but the first, because no client but ours writes JSON in that order.
    #[test]
    fn json_is_compared_by_members() {
        let template = r#"{"user":"{user}","value":"{value}","base":"{base}"}"#;
        let json = |sent| body(template, "application/json", sent);
        let (user, value) = ((User, "ann"), (Value, "a \"b\""));
        assert_eq!(
            json(r#"{"user":"ann","value":"a \"b\"","base":""}"#),
            captured(&[(Base, ""), user, value])
        );
        assert_eq!(json(r#"{ "lang": 1, "value":"a \u0022b\"", "user":"ann" }"#), captured(&[user, value]));
        assert_eq!(json(r#"{"user":7,"value":[1,2]}"#), captured(&[(User, "7"), (Value, "[1,2]")]));
        assert_eq!(json(r#"{"user":"ann"}"#), None, "there is no value to record");
        assert_eq!(json("value"), None);
        let renewal = r#"{"query":"mutation { renew }"}"#;
        assert!(body(renewal, "application/json", renewal).is_some());
        assert!(body(renewal, "application/json", r#"{"query":"mutation { logout }"}"#).is_none());
    }

    #[test]
    fn forms_are_compared_by_fields() {
        let template = "user={user.name}&csrf={take.csrf}&next=%2Fcart&cart={value}";
        let form = |sent| body(template, "application/x-www-form-urlencoded", sent);
        assert_eq!(form("cart=a+b%26c&next=/cart&other=1"), captured(&[(Value, "a b&c")]));
        assert_eq!(form("cart=a&next=%2Fother"), None);
        assert_eq!(form("next=%2Fcart&csrf=1"), None);
    }

    #[test]
    fn paths_are_texts_and_queries_are_sets() {
        assert_eq!(path("/me/{field}", "/me/cart?x=1"), captured(&[(Field, "cart")]));
        assert_eq!(path("/me/{field}", "/me/cart/more"), None);
        assert_eq!(path("/orders?id={action}", "/orders?x=1&id=s%2F1"), captured(&[(Action, "s/1")]));
        assert_eq!(path("/orders?id={action}", "/orders"), None);
        assert_eq!(
            path("/o/{action}/of/{user}.json", "/o/7/of/a.b.json"),
            captured(&[(Action, "7"), (User, "a.b")])
        );
        assert_eq!(path("/", "/index"), None);
    }

    #[test]
    fn a_text_is_compared_from_end_to_end() {
        assert_eq!(body("{value}", "", "any\ntext"), captured(&[(Value, "any\ntext")]));
        assert_eq!(body("v={value};", "", "v=1;2;"), captured(&[(Value, "1;2")]));
        assert_eq!(body("v={value};w={base}", "", "v=1;w=2;w=3"), captured(&[(Value, "1"), (Base, "2;w=3")]));
        assert_eq!(body("v={value};", "", "v=1"), None);
        assert_eq!(body("{user}{value}", "", "x"), captured(&[(User, ""), (Value, "x")]));
        assert_eq!(percent_decode("%zz%4", false), "%zz%4");
    }
}
