//! TLS to a server, by rustls. All clients get their settings here, and their refusals explained.

mod accept_any_cert;

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "tls")]
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use self::accept_any_cert::AcceptAnyCert;
use crate::config::{Tls, TlsMode};
use crate::error::{Error, Result};

/// How to speak TLS with a server.
///
/// # Errors
/// A file of certificates or the key can't be used.
pub(super) fn client_config(tls: &Tls) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::other("cannot set up TLS").because(&cause))?;
    let builder = match tls.mode {
        Some(TlsMode::VerifyFull) => builder.with_root_certificates(trusted(tls.authorities.as_deref())?),
        None | Some(TlsMode::Disable | TlsMode::Prefer | TlsMode::Require) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnyCert(provider)))
        }
    };
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let (chain, private) = identity(certificate, key)?;
            builder.with_client_auth_cert(chain, private).map_err(|cause| {
                unusable(certificate, "sslcert", OWN)
                    .context(format!("with the key in `{}` (sslkey)", key.display()))
                    .because(&cause)
            })
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// What to show to a server that asks who we are.
///
/// # Errors
/// A file can't be read, or holds no certificate or key.
pub(super) fn identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = certificates(certificate, "sslcert", OWN)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|cause| {
        Error::config(format!("cannot use the private key in `{}` (sslkey)", key.display()))
            .because(&cause)
            .with_help("it should be the PEM file of the key of sslcert, without a passphrase")
    })?;
    Ok((chain, private))
}

/// Which cryptography is used by clients that ask the process. A program that has chosen keeps its choice.
#[cfg(feature = "tls")]
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
    for certificate in certificates(file, "sslrootcert", AUTHORITY)? {
        store.add(certificate).map_err(|cause| unusable(file, "sslrootcert", AUTHORITY).because(&cause))?;
    }
    Ok(store)
}

/// The authorities of a PEM file.
///
/// # Errors
/// It can't be read, or holds none.
#[cfg(feature = "tls")]
pub(super) fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    certificates(file, "sslrootcert", AUTHORITY)
}

/// What the files should be.
const AUTHORITY: &str = "it should be the PEM file of the authority that signed the server's certificate";
const OWN: &str =
    "it should be the PEM file of a certificate to show to the server, and sslkey that of its key";

fn certificates(file: &Path, key: &str, help: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|cause| unusable(file, key, help).because(&cause))?;
    match found.is_empty() {
        true => Err(unusable(file, key, help).context("no certificate in it")),
        false => Ok(found),
    }
}

fn unusable(file: &Path, key: &str, help: &str) -> Error {
    Error::config(format!("cannot use the certificates in `{}` ({key})", file.display())).with_help(help)
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
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            refused("another authority of the name that is trusted signed its certificate")
                .with_help("was the authority made anew? name its file of today: sslrootcert = \"ca.pem\"")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => refused(&cause.to_string()).with_help("use a name in host that its certificate has"),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => refused(&cause.to_string())
            .with_help("have the server's certificate renewed; or is the clock of this machine wrong?"),
        rustls::Error::InvalidCertificate(_) => refused(&cause.to_string()),
        // What is up or goes down says one of these.
        rustls::Error::AlertReceived(
            AlertDescription::CloseNotify | AlertDescription::InternalError | AlertDescription::UserCanceled,
        ) => return None,
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Error::config(format!(
            "{server} asks for a certificate, and was shown none"
        ))
        .with_help(
            "name one that its authority has signed, and its key: sslcert = \"client.crt\", sslkey = \"client.key\"",
        ),
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown),
        ) => Error::config(format!("{server} does not accept the certificate in sslcert: {alert:?}"))
            .with_help("it takes one that its own authority has signed for a client, and that has not expired"),
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            Error::config(format!("{server} refuses to speak TLS with us: HandshakeFailure")).with_help(
                "does it ask for a certificate (sslcert and sslkey), or know no TLS 1.2 or 1.3?",
            )
        }
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            Error::config(format!("{server} does not speak TLS at this port"))
                .with_help("set the port on which it does, or set sslmode = \"disable\" on a network that is yours alone")
        }
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
#[cfg(feature = "tls")]
pub(super) fn missing(server: &str) -> Error {
    Error::config(format!("{server} has no TLS, and sslmode asks for it"))
        .with_help("set up TLS in the server, or set sslmode = \"disable\" on a network that is yours alone")
}
