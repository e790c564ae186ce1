//! TLS to the entries of an application, with certificates of its own.
//!
//! Staging systems are signed by a CA that no system knows, and some want a certificate of the client. Both are files in the
//! `[tls]` table. A certificate is always checked: there is no switch that turns this off, because the file of the CA takes as
//! long to name.
//!
//! A handshake that fails is a connection that was not made: nothing of a request was sent.

use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Where systems keep the certificates of public CAs.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The table `[tls]`: files in PEM.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsTable {
    /// The certificates of the CAs that sign those of the entries. Default: those of the system.
    pub ca: Option<String>,
    /// The certificate of the client, and those between it and its CA.
    pub certificate: Option<String>,
    /// The key of the client's certificate.
    pub key: Option<String>,
    /// The name that the certificates of the entries have. Default: the host of each entry.
    pub name: Option<String>,
}

/// How connections to entries are secured.
#[derive(Clone)]
pub(crate) struct TlsClient {
    pub(crate) connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

impl TlsTable {
    /// Reads the files.
    ///
    /// # Errors
    /// Says which file is wrong, and why.
    pub(super) fn load(&self) -> Result<TlsClient, String> {
        let roots = self.read_roots()?;
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| why.to_string())?
            .with_root_certificates(roots);
        let mut config = match (&self.certificate, &self.key) {
            (None, None) => config.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = read_certificates(certificate)?;
                let secret = PrivateKeyDer::from_pem_file(key)
                    .map_err(|why| format!("key = {key:?} has no private key in PEM: {why}"))?;
                config.with_client_auth_cert(chain, secret).map_err(|why| {
                    format!("the key {key:?} does not belong to the certificate {certificate:?}: {why}")
                })?
            }
            _ => return Err("a client certificate needs certificate = FILE and key = FILE".to_owned()),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = self.name.as_deref().map(parse_server_name).transpose()?;
        Ok(TlsClient { connector: TlsConnector::from(Arc::new(config)), name })
    }

    fn read_roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        if let Some(file) = &self.ca {
            for certificate in read_certificates(file)? {
                roots.add(certificate).map_err(|why| format!("ca = {file:?}: {why}"))?;
            }
            return Ok(roots);
        }
        let bundle = SYSTEM_BUNDLES.iter().find(|file| Path::new(file).exists());
        let bundle = bundle
            .ok_or("this system has no certificates of CAs. Name those of the application: ca = FILE")?;
        // Some certificates of old CAs cannot be read. They sign nothing that would be accepted.
        roots.add_parsable_certificates(read_certificates(bundle)?);
        Ok(roots)
    }
}

impl TlsClient {
    /// The name that the certificate of a host must have.
    pub(crate) fn name_for_host(&self, host: &str) -> Result<ServerName<'static>, String> {
        self.name.clone().map_or_else(|| parse_server_name(host), Ok)
    }
}

impl std::fmt::Debug for TlsClient {
    /// Shows nothing of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

fn parse_server_name(name: &str) -> Result<ServerName<'static>, String> {
    let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
    ServerName::try_from(bare).map_err(|_| format!("{name:?} is not a name that a certificate can have"))
}

/// Reads the certificates in a file. The error names the file.
pub(crate) fn read_certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|why| format!("failed to read certificates from {file}: {why}"))?;
    if all.is_empty() { Err(format!("{file} has no certificate in PEM")) } else { Ok(all) }
}
