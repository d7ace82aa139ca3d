//! TLS to a server, by rustls. Both clients get their settings here, and their refusals explained.

mod anyone;

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use self::anyone::Anyone;
use crate::config::Tls;
use crate::error::{Error, Result};

/// How to speak TLS with a server.
///
/// # Errors
/// The file of authorities can't be used.
pub(super) fn client_config(tls: &Tls) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::other("cannot set up TLS").because(&cause))?;
    let builder = match tls {
        Tls::VerifyFull { authorities } => builder.with_root_certificates(trusted(authorities.as_deref())?),
        Tls::Disable | Tls::Prefer | Tls::Require => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        }
    };
    Ok(builder.with_no_client_auth())
}

/// Which cryptography is used by clients that ask the process. A program that has chosen keeps its choice.
pub(super) fn choose_provider() {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been quicker, with the same.
        let _ = ring::default_provider().install_default();
    }
}

fn trusted(authorities: Option<&Path>) -> Result<RootCertStore> {
    let Some(file) = authorities else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut store = RootCertStore::empty();
    for certificate in read(file)? {
        store.add(certificate).map_err(|cause| unusable(file).because(&cause))?;
    }
    Ok(store)
}

/// The certificates of a PEM file.
///
/// # Errors
/// It can't be read, or holds none.
pub(super) fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|cause| unusable(file).because(&cause))?;
    match found.is_empty() {
        true => Err(unusable(file).context("no certificate in it")),
        false => Ok(found),
    }
}

fn unusable(file: &Path) -> Error {
    Error::config(format!("cannot use the certificates in `{}` (sslrootcert)", file.display()))
        .with_help("it should be the PEM file of the authority that signed the server's certificate")
}

/// Why TLS with `server` failed for good; `None` when the cause is something else, such as a lost
/// connection.
pub(super) fn refusal(server: &str, cause: &(dyn StdError + 'static)) -> Option<Error> {
    let refused = |why: &str| Error::config(format!("{server} can't be trusted: {why}"));
    let cause = of_tls(cause)?;
    Some(match cause {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            refused("an unknown authority signed its certificate")
                .with_help("name the file of the authority that you trust: sslrootcert = \"ca.pem\"")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => refused(&cause.to_string()).with_help("use a name in host that stands in its certificate"),
        rustls::Error::InvalidCertificate(_) => refused(&cause.to_string()),
        other => Error::config(format!("cannot speak TLS with {server}: {other}")),
    })
}

/// The error of TLS in a chain of causes.
fn of_tls<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(cause);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // What an I/O error wraps does not count as its source.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => cause.source(),
        };
    }
    None
}

/// A server without TLS, of which it was asked.
pub(super) fn missing(server: &str) -> Error {
    Error::config(format!("{server} has no TLS, and sslmode asks for it"))
        .with_help("set up TLS in the server, or set sslmode = \"disable\" on a network that is yours alone")
}
