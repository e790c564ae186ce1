//! The options of `steadfast tap`.

use super::quantity::{parse_duration, parse_size};
use super::stores::read_description;
use recorder::ListenTls;
use recorder::stores::http::Description;
use recorder::tap::{HarmlessRequest, TapSettings};
use std::path::PathBuf;
use std::time::Duration;

#[derive(clap::Args, Debug)]
pub(crate) struct TapArgs {
    /// TOML file that describes the application (docs/web-application.md)
    #[arg(long, alias = "application", value_name = "FILE")]
    stack: PathBuf,
    /// Address for the clients; port 0 is any free port
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_address)]
    listen: String,
    /// Certificate to listen with, in PEM, with those between it and its CA [default: plain HTTP]
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<String>,
    /// Key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<String>,
    /// Address of the application; with https:// its certificate must be trusted ([tls] of the stack file)
    #[arg(long, value_name = "[https://]HOST:PORT", value_parser = parse_upstream)]
    to: UpstreamAddress,
    /// File for the history
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    /// Time after which the tap ends [default: at SIGINT or SIGTERM]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Request that changes no session although the file does not describe it, such as "POST /metrics/*"; may be repeated
    #[arg(long, value_name = "METHOD PATH", value_parser = HarmlessRequest::parse)]
    harmless: Vec<HarmlessRequest>,
    /// Time after which a session expires without a write or a touch [default: sessions do not expire]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    time_to_live: Option<Duration>,
    /// Time that the application may take to answer
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "60s")]
    operation_timeout: Duration,
    /// Size of the largest body that is looked at; operations with longer ones are recorded without their values
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "1MiB")]
    look_at: usize,
    /// Number of clients that may be connected at a time; further ones wait
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), default_value_t = 1024)]
    connections: u16,
    /// Write session ids and tokens to the history in the clear, and not as digests
    #[arg(long)]
    keep_secrets: bool,
    /// Print no progress
    #[arg(long, short)]
    quiet: bool,
}

/// What `steadfast tap` does.
#[derive(Clone, Debug)]
pub(crate) struct TapPlan {
    pub(crate) stack: PathBuf,
    pub(crate) description: Description,
    pub(crate) settings: TapSettings,
    pub(crate) output: PathBuf,
    pub(crate) force: bool,
    pub(crate) duration: Option<Duration>,
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) quiet: bool,
}

impl TapArgs {
    /// Builds the plan. The error says what is wrong with the options or with the stack file.
    pub(crate) fn into_plan(self) -> Result<TapPlan, String> {
        let description = read_description(&self.stack)?;
        let listen_tls = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some(ListenTls::load(certificate, key)?),
            _ => None,
        };
        let settings = TapSettings {
            listen: self.listen,
            listen_tls,
            to: self.to.address,
            to_tls: self.to.secure,
            keep_secrets: self.keep_secrets,
            answer_patience: self.operation_timeout,
            look_bytes_max: self.look_at as u64,
            connections_max: usize::from(self.connections),
            harmless: self.harmless,
        };
        Ok(TapPlan {
            stack: self.stack,
            description,
            settings,
            output: self.output,
            force: self.force,
            duration: self.duration,
            time_to_live: self.time_to_live,
            quiet: self.quiet,
        })
    }
}

/// Where the application is.
#[derive(Clone, PartialEq, Eq, Debug)]
struct UpstreamAddress {
    /// `host:port`.
    address: String,
    secure: bool,
}

/// Checks the address of an application: a host and a port, and for https:// only a host.
fn parse_upstream(typed: &str) -> Result<UpstreamAddress, String> {
    let Some(rest) = typed.strip_prefix("https://") else {
        return parse_address(typed).map(|address| UpstreamAddress { address, secure: false });
    };
    let rest = rest.trim_end_matches('/');
    let address = parse_address(rest).or_else(|why| {
        let is_host = !rest.is_empty() && !rest.contains(['/', ':', '@']);
        if is_host { Ok(format!("{rest}:443")) } else { Err(why) }
    });
    address.map(|address| UpstreamAddress { address, secure: true })
}

/// Checks an address in plain text: a host and a port.
pub(super) fn parse_address(typed: &str) -> Result<String, String> {
    if typed.starts_with("https:") {
        return Err("pass HOST:PORT, and --certificate and --key to listen with TLS".to_owned());
    }
    let typed = typed.strip_prefix("http://").unwrap_or(typed).trim_end_matches('/');
    let parts = typed.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains('/'));
    let has_port = parts.is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { Ok(typed.to_owned()) } else { Err("pass HOST:PORT, such as 127.0.0.1:8080".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (typed, read) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://shop.test:80/", "shop.test:80"),
            ("[::1]:0", "[::1]:0"),
        ] {
            assert_eq!(parse_address(typed).as_deref(), Ok(read));
        }
        for wrong in ["", "8080", ":8080", "host", "host:99999", "host:80/path", "https://host:443"] {
            assert!(parse_address(wrong).is_err(), "{wrong}");
        }
        assert!(parse_address("https://host:443").unwrap_err().contains("TLS"));
    }

    #[test]
    fn an_application_may_speak_tls() {
        for (typed, address, secure) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", false),
            ("https://shop.test", "shop.test:443", true),
            ("https://shop.test:8443/", "shop.test:8443", true),
            ("https://[::1]:8443", "[::1]:8443", true),
        ] {
            assert_eq!(parse_upstream(typed), Ok(UpstreamAddress { address: address.to_owned(), secure }));
        }
        for wrong in ["https://", "https://host/path", "https://host:x", "https://user@host", "shop.test"] {
            assert!(parse_upstream(wrong).is_err(), "{wrong}");
        }
    }
}
