//! Certificates of a CA of its own, made by OpenSSL, so that no code of ours agrees with itself.

use std::path::Path;
use std::process::Command;

/// Sections for `openssl req`: what a CA, a server and a client are.
const OPENSSL: &str = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = steadfast test\n\
    [ca]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = keyCertSign\n\
    [server]\nbasicConstraints = CA:FALSE\nsubjectAltName = IP:127.0.0.1\n\
    [client]\nbasicConstraints = CA:FALSE\nextendedKeyUsage = clientAuth\n";

/// Makes the files of two CAs, and of a server and a client of the first: `ca`, `other-ca`, `server` and `client`, each with `.pem` and
/// `.key`. Returns whether there is an OpenSSL that can do this (3.0 or later).
pub(crate) fn make_certificates(folder: &Path) -> bool {
    std::fs::write(folder.join("openssl.cnf"), OPENSSL).expect("a file");
    make_certificate(folder, "ca", "ca", None)
        && make_certificate(folder, "other-ca", "ca", None)
        && make_certificate(folder, "server", "server", Some("ca"))
        && make_certificate(folder, "client", "client", Some("ca"))
}

/// Makes a certificate and its key, signed by `signer` or by itself.
fn make_certificate(folder: &Path, name: &str, section: &str, signer: Option<&str>) -> bool {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["req", "-x509", "-config", "openssl.cnf", "-days", "2", "-nodes"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-extensions", section]);
    command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    if let Some(signer) = signer {
        command.args(["-CA", &format!("{signer}.pem"), "-CAkey", &format!("{signer}.key")]);
    }
    command.output().is_ok_and(|output| output.status.success())
}
