//! The addresses through which requests enter an application.

use std::sync::Arc;

/// An address through which requests can enter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EntryPoint {
    pub(super) name: Arc<str>,
    /// `host:port`.
    pub(crate) address: String,
    /// What stands before it, `host:port`, and is connected to instead.
    pub(crate) front: Option<String>,
    /// What all paths begin with.
    pub(super) base: String,
    /// The host of an address that begins with `https`.
    pub(super) secure_host: Option<String>,
}

impl EntryPoint {
    /// The address as a person writes it, without the base.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.secure_host.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

/// Parses the address of an entry.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn parse_entry(name: &str, url: &str) -> Result<EntryPoint, String> {
    let wrong = |why: &str| format!("[entries] {name} = {url:?}: {why}");
    let secure = url.strip_prefix("https://");
    let rest = secure
        .or_else(|| url.strip_prefix("http://"))
        .ok_or_else(|| wrong("begin with http:// or https://"))?;
    let (authority, base) = rest.split_once('/').map_or((rest, ""), |(authority, base)| (authority, base));
    if authority.is_empty() || authority.contains('@') {
        return Err(wrong("write http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]"));
    }
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    if port.is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(wrong("the port is a number up to 65535"));
    }
    let usual = if secure.is_some() { 443 } else { 80 };
    let address = if port.is_some() { authority.to_owned() } else { format!("{authority}:{usual}") };
    let host = port.map_or(authority, |(host, _)| host).to_owned();
    let base = base.trim_end_matches('/');
    let base = if base.is_empty() { String::new() } else { format!("/{base}") };
    let secure_host = secure.map(|_| host);
    Ok(EntryPoint { name: name.into(), address, front: None, base, secure_host })
}
