//! A certificate for a test server, signed by an authority made on the spot, and one for a client of it.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::folder::Folder;
use super::process::{command, run};
use super::programs::{User, find};

/// The authority and what it signs are two, because strict clients refuse a certificate that is its own authority.
/// Short-lived, but not so short that a clock which goes wrong in a test makes them invalid.
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
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
[ca]
default_ca = signer
[signer]
database = signed
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = names
[names]
commonName = supplied
";

/// Until when the server's certificate is valid.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Until {
    #[default]
    Later,
    /// It has expired.
    Past,
}

/// For `localhost` and 127.0.0.1. The files belong to the user of the folder.
pub struct Certificate {
    /// What a client has to trust.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// What the client `strict` has to show, where it is asked, and the key of that.
    pub client: [PathBuf; 2],
}

impl Certificate {
    pub fn make(folder: &Folder, user: &User, until: Until) -> Certificate {
        let config = folder.write("certificate.cnf", CONFIG);
        folder.write("signed", "");
        folder.write("signed.attr", "unique_subject = no\n");
        let openssl = |arguments: &[&OsStr]| {
            let mut openssl = command(&find("openssl", "openssl"), user, folder.path());
            openssl.current_dir(folder.path()).args(arguments);
            run(&mut openssl, "").unwrap_or_else(|error| panic!("cannot make a certificate: {error}"));
        };
        let authority = ["authority.crt", "authority.key"].map(|name| folder.join(name));
        let new = |subject: &str, more: &[&str], files: [&PathBuf; 2]| {
            let subject = format!("/CN={subject}");
            let mut arguments: Vec<&OsStr> =
                ["req", "-nodes", "-newkey", "ec", "-pkeyopt"].map(OsStr::new).into();
            arguments.extend(["ec_paramgen_curve:P-256", "-subj", &subject, "-config"].map(OsStr::new));
            arguments.push(config.as_os_str());
            arguments.extend(more.iter().map(OsStr::new));
            arguments.extend([
                OsStr::new("-out"),
                files[0].as_os_str(),
                OsStr::new("-keyout"),
                files[1].as_os_str(),
            ]);
            openssl(&arguments);
        };
        new(
            "test authority",
            &["-x509", "-days", "3650", "-extensions", "authority"],
            [&authority[0], &authority[1]],
        );
        let issue = |section: &str, subject: &str, dates: &[&str]| {
            let files = ["crt", "key"].map(|ending| folder.join(&format!("{section}.{ending}")));
            let request = folder.join(&format!("{section}.csr"));
            new(subject, &["-new"], [&request, &files[1]]);
            let mut arguments: Vec<&OsStr> = ["ca", "-batch", "-notext", "-config"].map(OsStr::new).into();
            arguments.extend([config.as_os_str(), OsStr::new("-cert"), authority[0].as_os_str()]);
            arguments.extend([
                OsStr::new("-keyfile"),
                authority[1].as_os_str(),
                OsStr::new("-in"),
                request.as_os_str(),
            ]);
            arguments.extend([
                OsStr::new("-out"),
                files[0].as_os_str(),
                OsStr::new("-extensions"),
                OsStr::new(section),
            ]);
            arguments.extend(dates.iter().map(OsStr::new));
            openssl(&arguments);
            files
        };
        let valid: &[&str] = &["-days", "3650"];
        let dates = match until {
            Until::Later => valid,
            Until::Past => &["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"],
        };
        let [certificate, key] = issue("server", "test server", dates);
        let client = issue("client", "strict", valid);
        let [authority, _] = authority;
        Certificate { authority, certificate, key, client }
    }
}
