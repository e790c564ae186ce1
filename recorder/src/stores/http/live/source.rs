//! The table `[live]` of a description: how a session's live connection is opened, and what shows that it belongs to the session.

use super::message::NumberPlace;
use crate::store::RESUME_WITHIN_MAX;
use crate::stores::http::entry::{EntryPoint, parse_entry};
use crate::stores::http::template::{NamedPlace, Template, TemplatePlace};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use workloads::{format_duration, parse_duration};

/// How long a connection may be silent, unless the file says otherwise.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long a lost connection may take to be open again, unless the file says otherwise.
const RESUME_WITHIN: Duration = Duration::from_secs(10);
/// What the place of the last number is called: `{take.last}`.
pub(super) const LAST: &str = "last";

/// The table `[live]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::stores::http) struct LiveTable {
    path: Option<String>,
    /// Whether `path` is that of a WebSocket.
    #[serde(default)]
    websocket: bool,
    /// The address of a WebSocket.
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What is sent to a WebSocket once it is open.
    send: Option<String>,
    /// A text that an event has only if it belongs to the session. Default: any event does.
    shows: Option<String>,
    /// Where a message has its number.
    number: Option<String>,
    /// The statuses that say that there is no such session.
    absent: Option<Vec<u16>>,
    silence: Option<String>,
    resume_within: Option<String>,
}

/// How a live connection is opened, and what shows that it belongs to its session.
#[derive(Clone, Debug)]
pub(in crate::stores::http) struct LiveSource {
    pub(super) kind: LiveKind,
    /// An address beside the entries.
    pub(super) apart: Option<EntryPoint>,
    pub(super) path: Template,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) send: Option<Template>,
    pub(super) shows: Option<Template>,
    pub(super) number: Option<NumberPlace>,
    pub(super) absent: Vec<u16>,
    pub(super) silence: Duration,
    pub(super) resume_within: Duration,
}

/// The protocol of a live connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LiveKind {
    /// Server-sent events.
    Events,
    WebSocket,
}

impl LiveTable {
    /// Whether the connection needs TLS although the entries may not.
    pub(in crate::stores::http) fn is_secure(&self) -> bool {
        self.url.as_deref().is_some_and(|url| url.starts_with("wss://"))
    }

    /// Checks the table. `absent` are the statuses of `[answer]`, and `has_column` says whether the table of users has a column.
    pub(in crate::stores::http) fn read(
        self,
        absent: &[u16],
        has_column: impl Fn(&str) -> bool,
    ) -> Result<LiveSource, String> {
        let (apart, path) =
            match (&self.path, &self.url) {
                (Some(path), None) if path.starts_with('/') => (None, path.clone()),
                (Some(path), None) => return Err(format!("path = {path:?} must begin with /")),
                (None, Some(url)) => split_socket_url(url)?,
                _ => return Err(
                    "where is the connection? Exactly one of path = \"/events\" and url = \"ws://HOST/PATH\""
                        .into(),
                ),
            };
        let is_socket = self.websocket || self.url.is_some();
        let kind = if is_socket { LiveKind::WebSocket } else { LiveKind::Events };
        if self.send.is_some() && !is_socket {
            return Err("send needs a WebSocket: websocket = true, or url = \"ws://…\"".to_owned());
        }
        let duration = |text: &Option<String>, name: &str, usual| match text {
            None => Ok(usual),
            Some(text) => parse_duration(text).map_err(|why| format!("{name} {why}")),
        };
        let resume_within = duration(&self.resume_within, "resume_within", RESUME_WITHIN)?;
        if resume_within > RESUME_WITHIN_MAX {
            let most = format_duration(RESUME_WITHIN_MAX);
            return Err(format!("resume_within is {most} at most: a run waits so long at its end"));
        }
        let silence = duration(&self.silence, "silence", SILENCE_MAX)?;
        if silence.is_zero() {
            return Err("silence must be longer than 0s: every connection would be lost".to_owned());
        }
        let statuses = self.absent.unwrap_or_else(|| absent.to_vec());
        if let Some(odd) = statuses.iter().find(|status| !(100..600).contains(*status)) {
            return Err(format!("{odd} is no status"));
        }
        let header = |(name, text): (&String, &String)| {
            hyper::header::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("{name:?} is not the name of a header"))?;
            Ok::<_, String>((name.to_ascii_lowercase(), Template::parse(text)?))
        };
        let text = |text: &Option<String>| text.as_deref().map(Template::parse).transpose();
        let source = LiveSource {
            kind,
            apart,
            path: Template::parse(&path)?,
            headers: self.headers.iter().map(header).collect::<Result<_, _>>()?,
            send: text(&self.send)?,
            shows: text(&self.shows)?,
            number: self.number.as_deref().map(|place| parse_number_place(place, kind)).transpose()?,
            absent: statuses,
            silence,
            resume_within,
        };
        source.check_names(has_column).map(|()| source)
    }
}

impl LiveSource {
    fn templates(&self) -> impl Iterator<Item = &Template> {
        let headers = self.headers.iter().map(|(_, template)| template);
        headers.chain([&self.path]).chain(&self.send).chain(&self.shows)
    }

    /// Checks that there is a value for each place.
    fn check_names(&self, has_column: impl Fn(&str) -> bool) -> Result<(), String> {
        let mut taken = self.templates().flat_map(|text| text.names(NamedPlace::Taken));
        if let Some(name) = taken.find(|name| *name != LAST) {
            return Err(format!(
                "there is no {{take.{name}}} here; {{take.{LAST}}} is the number of the last message"
            ));
        }
        let mut columns = self.templates().flat_map(|text| text.names(NamedPlace::Column));
        if let Some(name) = columns.find(|name| !has_column(name)) {
            return Err(format!("it has {{user.{name}}}, but the table of users has no such column"));
        }
        use TemplatePlace as Place;
        let unknown = [Place::Value, Place::Field, Place::New, Place::Action, Place::Trace, Place::Base];
        let mut unfilled =
            unknown.iter().filter(|place| self.templates().any(|text| text.has_place(**place)));
        match unfilled.next() {
            Some(place) => Err(format!(
                "{{{}}} belongs to an operation, and a live connection is none; there are {{user}}, {{key}}, {{id}}",
                format!("{place:?}").to_lowercase()
            )),
            None => Ok(()),
        }
    }
}

/// The address and the path of a WebSocket.
fn split_socket_url(url: &str) -> Result<(Option<EntryPoint>, String), String> {
    let wrong = || format!("url = {url:?}: write ws://HOST[:PORT]/PATH or wss://HOST[:PORT]/PATH");
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let scheme = match scheme {
        "ws" => "http",
        "wss" => "https",
        _ => return Err(wrong()),
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    if authority.contains(['{', '?', '#']) {
        return Err(wrong());
    }
    let entry = parse_entry("live", &format!("{scheme}://{authority}")).map_err(|_| wrong())?;
    Ok((Some(entry), if path.is_empty() { "/".to_owned() } else { path.to_owned() }))
}

fn parse_number_place(text: &str, kind: LiveKind) -> Result<NumberPlace, String> {
    match text {
        "id" if kind == LiveKind::WebSocket => {
            Err("number = \"id\" needs server-sent events; messages of a WebSocket have no id. Write number = \"/POINTER\"".to_owned())
        }
        "id" => Ok(NumberPlace::Id),
        pointer if pointer.is_empty() || pointer.starts_with('/') => Ok(NumberPlace::Pointer(pointer.to_owned())),
        other => Err(format!("number = {other:?} is neither \"id\" nor a JSON pointer, which begins with /")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LiveSource, String> {
        let table = toml::from_str::<LiveTable>(text).map_err(|why| why.to_string())?;
        table.read(&[401], |column| column == "name")
    }

    #[test]
    fn the_table_is_checked() {
        let source = read("path = '/news'\nshows = '\"user\":\"{user}\"'\nsilence = '3s'").unwrap();
        assert_eq!(
            (source.absent, source.silence, source.kind),
            (vec![401], Duration::from_secs(3), LiveKind::Events)
        );
        for (wrong, says) in [
            ("path = 'news'", "must begin with /"),
            ("path = '/x'\nsilence = 'long'", "silence"),
            ("path = '/x'\nsilence = '0s'", "longer than 0s"),
            ("path = '/x'\nresume_within = '2m'", "60s at most"),
            ("path = '/x'\nevents = 1", "unknown field"),
            ("path = '/{odd}'", "{odd}"),
            ("path = '/x'\nurl = 'ws://x/'", "Exactly one of"),
            ("silence = '1s'", "Exactly one of"),
            ("path = '/x'\nsend = 'hello'", "needs a WebSocket"),
            ("path = '/x'\nnumber = 'n'", "nor a JSON pointer"),
            ("path = '/x'\nwebsocket = true\nnumber = 'id'", "have no id"),
            ("path = '/x?a={take.csrf}'", "{take.last} is the number"),
            ("path = '/x?a={user.mail}'", "no such column"),
            ("path = '/x?a={value}'", "{value} belongs to an operation"),
            ("path = '/x'\nabsent = [4010]", "4010 is no status"),
            ("url = 'http://x/'", "write ws://HOST"),
            ("url = 'ws://{user}/'", "write ws://HOST"),
            ("url = 'ws://x:99999/'", "write ws://HOST"),
            ("url = 'ws://'", "write ws://HOST"),
        ] {
            let why = read(wrong).map(drop).expect_err(wrong);
            assert!(why.contains(says), "{wrong}: {why}");
        }
    }

    #[test]
    fn a_socket_has_an_address_or_a_path() {
        let apart = read("url = 'wss://news.test/live?after={take.last}&u={user.name}'").unwrap();
        let entry = apart.apart.clone().expect("an address");
        assert_eq!(
            (entry.address.as_str(), entry.secure_host.as_deref()),
            ("news.test:443", Some("news.test"))
        );
        assert_eq!(apart.path.to_string(), "/live?after={take.last}&u={user.name}");
        let source = read("path = '/live'\nwebsocket = true\nsend = '{}'\nnumber = '/n'").unwrap();
        assert_eq!(
            (source.kind, source.number),
            (LiveKind::WebSocket, Some(NumberPlace::Pointer("/n".to_owned())))
        );
        assert_eq!(read("url = 'ws://x'").unwrap().path.to_string(), "/");
    }
}
