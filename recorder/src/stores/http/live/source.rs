//! The table `[live]` of a description: how a session's live connection is opened, and what shows that it belongs to the session.

use super::template::Template;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use workloads::parse_duration;

/// How long a connection may be silent, unless the file says otherwise.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// The table `[live]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LiveTable {
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A text that an event has only if it belongs to the session. Default: any event does.
    shows: Option<String>,
    /// The statuses that say that there is no such session.
    absent: Option<Vec<u16>>,
    silence: Option<String>,
}

/// How a live connection is opened, and what shows that it belongs to its session.
#[derive(Clone, Debug)]
pub(crate) struct LiveSource {
    pub(super) path: Template,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) shows: Option<Template>,
    pub(super) absent: Vec<u16>,
    pub(super) silence: Duration,
}

impl LiveTable {
    /// Checks the table. `absent` are the statuses of `[answer]`.
    pub(super) fn read(self, absent: &[u16]) -> Result<LiveSource, String> {
        if !self.path.starts_with('/') {
            return Err(format!("path = {:?} must begin with /", self.path));
        }
        let silence = match &self.silence {
            None => SILENCE_MAX,
            Some(text) => parse_duration(text).map_err(|why| format!("silence {why}"))?,
        };
        let header = |(name, text): (&String, &String)| {
            hyper::header::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("{name:?} is not the name of a header"))?;
            Ok::<_, String>((name.to_ascii_lowercase(), Template::parse(text)?))
        };
        Ok(LiveSource {
            path: Template::parse(&self.path)?,
            headers: self.headers.iter().map(header).collect::<Result<_, _>>()?,
            shows: self.shows.as_deref().map(Template::parse).transpose()?,
            absent: self.absent.unwrap_or_else(|| absent.to_vec()),
            silence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_checked() {
        let read =
            |text: &str| toml::from_str::<LiveTable>(text).map_err(|why| why.to_string())?.read(&[401]);
        let source = read("path = '/news'\nshows = '\"user\":\"{user}\"'\nsilence = '3s'").unwrap();
        assert_eq!((source.absent, source.silence), (vec![401], Duration::from_secs(3)));
        for wrong in
            ["path = 'news'", "path = '/x'\nsilence = 'long'", "path = '/x'\nevents = 1", "path = '/{odd}'"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
