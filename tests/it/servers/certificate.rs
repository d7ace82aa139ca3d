//! A certificate for a test server, signed by an authority made on the spot.

use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::process::{command, run};
use super::programs::{User, find};

/// Two certificates, because strict clients refuse one that is its own authority. Short-lived,
/// but not so short that a clock which goes wrong in a test makes them invalid.
const CONFIG: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = localhost
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
";

/// For `localhost` and 127.0.0.1. The files belong to the user of the folder.
pub struct Certificate {
    /// What a client has to trust.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    pub fn make(folder: &Folder, user: &User) -> Certificate {
        let config = folder.write("certificate.cnf", CONFIG);
        let made = Certificate {
            authority: folder.join("authority.crt"),
            certificate: folder.join("server.crt"),
            key: folder.join("server.key"),
        };
        let authority_key = folder.join("authority.key");
        let request = |section: &str, certificate: &Path, key: &Path, signer: &[&Path]| {
            let mut openssl = command(&find("openssl", "openssl"), user, folder.path());
            openssl
                .args(["req", "-x509", "-nodes", "-days", "3650", "-newkey", "ec"])
                .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-config"])
                .arg(&config)
                .args(["-extensions", section, "-subj", &format!("/CN=test {section}")])
                .arg("-out")
                .arg(certificate)
                .arg("-keyout")
                .arg(key);
            if let [signer, signer_key] = signer {
                openssl.arg("-CA").arg(signer).arg("-CAkey").arg(signer_key);
            }
            run(&mut openssl, "").unwrap_or_else(|error| panic!("cannot make a certificate: {error}"));
        };
        request("authority", &made.authority, &authority_key, &[]);
        request("server", &made.certificate, &made.key, &[&made.authority, &authority_key]);
        made
    }
}
