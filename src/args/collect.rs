//! The options of `steadfast collect`.

use super::quantity::{parse_duration, parse_size};
use super::tap::parse_address;
use std::path::PathBuf;
use std::time::Duration;

/// The default of `--body-size`, as it is shown.
const BODY_SIZE_USUAL: &str = "16MiB";
/// The same as a number.
pub(crate) const BODY_BYTES_USUAL: usize = 16 << 20;
/// The default of `--connections`.
pub(crate) const CONNECTIONS_USUAL: u16 = 256;

#[derive(clap::Args, Debug)]
pub(crate) struct CollectArgs {
    /// Address for the exporters; port 0 is any free port
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) listen: String,
    /// Certificate to listen with, in PEM, with those between it and its CA [default: plain text]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<String>,
    /// Key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<String>,
    /// File for the spans; it must not exist
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Time after which the command ends [default: at SIGINT or SIGTERM]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Size of the largest body of a request, before and after decompression
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = BODY_SIZE_USUAL)]
    pub(crate) body_size: usize,
    /// Number of exporters that may be connected at a time; further ones wait
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), default_value_t = CONNECTIONS_USUAL)]
    pub(crate) connections: u16,
}
