//! Replaces session ids and tokens in histories by digests, so that a reader of a history cannot use the sessions.
//!
//! Histories are passed around, and a session id is as good as a password while the session lives. A history only
//! needs to show whether two ids are equal, so it holds a digest of each id. The digests are keyed with 256 random
//! bits that are made for one run and never written anywhere. Therefore nobody can find an id by trying candidates.

use std::hash::{BuildHasher, RandomState};

/// The secret key of the digests of one run; `None` if secrets are kept.
pub(crate) struct Secrets(Option<[RandomState; 2]>);

impl Secrets {
    /// Replaces secrets by digests.
    pub(crate) fn with_digests() -> Self {
        Self(Some([RandomState::new(), RandomState::new()]))
    }

    /// Keeps secrets unchanged.
    pub(crate) fn without_digests() -> Self {
        Self(None)
    }

    /// The text that stands for an id or a token in the history. An empty text stays empty.
    pub(super) fn represent_secret(&self, secret: &str) -> String {
        match &self.0 {
            Some(keys) if !secret.is_empty() => {
                let [high, low] = [&keys[0], &keys[1]].map(|key| key.hash_one(secret));
                format!("digest-{high:016x}{low:016x}")
            }
            _ => secret.to_owned(),
        }
    }

    /// A `Set-Cookie` header with a digest in place of its value.
    pub(super) fn represent_cookie(&self, line: &str) -> String {
        let (pair, attributes) = line.split_once(';').map_or((line, None), |(pair, rest)| (pair, Some(rest)));
        let pair = match pair.split_once('=') {
            Some((name, value)) => format!("{name}={}", self.represent_secret(value.trim())),
            // A cookie without a name consists of its value alone.
            None => self.represent_secret(pair.trim()),
        };
        attributes.map_or(pair.clone(), |attributes| format!("{pair};{attributes}"))
    }
}

impl std::fmt::Debug for Secrets {
    /// Shows whether there is a key, but not the key itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Secrets(digested)" } else { "Secrets(kept)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_is_the_same_and_nothing_of_it_is_shown() {
        let secrets = Secrets::with_digests();
        let one = secrets.represent_cookie("sid=s%3Aabc.def; Path=/; HttpOnly");
        assert!(
            one.starts_with("sid=digest-") && one.ends_with("; Path=/; HttpOnly") && !one.contains("abc")
        );
        assert_eq!(one, secrets.represent_cookie("sid=s%3Aabc.def; Path=/; HttpOnly"));
        assert_ne!(one, secrets.represent_cookie("sid=s%3Aabd.def; Path=/; HttpOnly"));
        assert_ne!(
            one,
            Secrets::with_digests().represent_cookie("sid=s%3Aabc.def; Path=/; HttpOnly"),
            "another run"
        );
        // A removal is still recognizable as a removal.
        assert_eq!(secrets.represent_cookie("sid=; Max-Age=0"), "sid=; Max-Age=0");
        assert!(!secrets.represent_cookie("token").contains("token"));
        assert_eq!(Secrets::without_digests().represent_cookie("sid=1; Path=/"), "sid=1; Path=/");
    }
}
