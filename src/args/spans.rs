//! The option for the export of spans.

use std::path::PathBuf;
use std::str::FromStr;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SpanArgs {
    /// Export OpenTelemetry spans to a file or to a collector, such as http://127.0.0.1:4318/v1/traces
    #[arg(long, value_name = "FILE|URL", value_parser = SpanTarget::from_str, help_heading = "Output")]
    pub(crate) otlp: Option<SpanTarget>,
}

/// The target of an export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SpanTarget {
    /// A file of OTLP/JSON, one request per line.
    File(PathBuf),
    /// An OTLP/HTTP endpoint: HOST:PORT, and the path.
    Collector { address: String, path: String },
}

impl FromStr for SpanTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(SpanTarget::File(PathBuf::from(text)));
        };
        if scheme != "http" {
            return Err(format!(
                "{scheme} is not supported. Pass an http address, such as that of a collector on this machine that forwards."
            ));
        }
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || host.contains('@') {
            return Err("pass an address such as http://HOST:PORT/v1/traces".to_owned());
        }
        let named = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if named { host.to_owned() } else { format!("{host}:4318") };
        // By the specification of the exporter, an endpoint without a path is a base address.
        let path = if path.is_empty() { "/v1/traces".to_owned() } else { format!("/{path}") };
        Ok(SpanTarget::Collector { address, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_collector_and_anything_else_a_file() {
        let collector = |address: &str, path: &str| {
            Ok(SpanTarget::Collector { address: address.to_owned(), path: path.to_owned() })
        };
        assert_eq!("http://127.0.0.1:4318/v1/traces".parse(), collector("127.0.0.1:4318", "/v1/traces"));
        assert_eq!("http://collector".parse(), collector("collector:4318", "/v1/traces"));
        assert_eq!("http://[::1]/spans".parse(), collector("[::1]:4318", "/spans"));
        assert_eq!("run.otlp.json".parse(), Ok(SpanTarget::File("run.otlp.json".into())));
        for wrong in ["https://collector", "http://", "http://me:secret@collector"] {
            assert!(wrong.parse::<SpanTarget>().is_err(), "{wrong}");
        }
    }
}
