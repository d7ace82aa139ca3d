//! Makes connections, with TLS as it was asked for.

#[cfg(feature = "tls")]
use ::mysql::{ClientIdentity, DriverError, Error as Cause, OptsBuilder, SslOpts};
use ::mysql::{Conn, Opts};

use super::errors::explain_connect;
use crate::config::Tls;
#[cfg(feature = "tls")]
use crate::config::TlsMode;
#[cfg(feature = "tls")]
use crate::driver::tls;
#[cfg(not(feature = "tls"))]
use crate::error::Error;
use crate::error::Result;

/// Connects. The URL may have options of the client's own, such as a certificate to show; without an
/// `sslmode` beside them they are taken as they are.
///
/// # Errors
/// The server can't be reached, does not let us in, or is not spoken to in the way that was asked for.
#[cfg(feature = "tls")]
pub(super) fn connect(opts: &Opts, asked: &Tls) -> Result<Conn> {
    tls::choose_provider();
    let mut own = opts.get_ssl_opts().cloned();
    if let (Some(certificate), Some(key)) = (&asked.certificate, &asked.key) {
        // The client would not say which of the two it can't use.
        tls::identity(certificate, key)?;
        let identity = ClientIdentity::new(certificate.clone(), key.clone());
        own = Some(own.unwrap_or_default().with_client_identity(Some(identity)));
    }
    let anyone = || own.clone().unwrap_or_default().with_danger_accept_invalid_certs(true);
    let made = match asked.mode {
        None if opts.get_ssl_opts().is_some() => with(opts, own),
        Some(TlsMode::Disable) => with(opts, None),
        None | Some(TlsMode::Prefer) => match with(opts, Some(anyone())) {
            // The client can only be told to retry.
            Err(Cause::DriverError(DriverError::TlsNotSupported)) => with(opts, None),
            made => made,
        },
        Some(TlsMode::Require) => with(opts, Some(anyone())),
        Some(TlsMode::VerifyFull) => {
            if let Some(file) = &asked.authorities {
                // The client would pass over a file without certificates.
                tls::read(file)?;
            }
            let strict = own.unwrap_or_default();
            let strict = strict.with_root_cert_path(asked.authorities.clone());
            let strict =
                strict.with_danger_accept_invalid_certs(false).with_danger_skip_domain_validation(false);
            with(opts, Some(strict))
        }
    };
    made.map_err(|cause| explain_connect(&cause, opts, asked))
}

#[cfg(feature = "tls")]
fn with(opts: &Opts, tls: Option<SslOpts>) -> ::mysql::Result<Conn> {
    Conn::new(OptsBuilder::from_opts(opts.clone()).ssl_opts(tls))
}

#[cfg(not(feature = "tls"))]
pub(super) fn connect(opts: &Opts, asked: &Tls) -> Result<Conn> {
    // The client panics when it is asked for what it has not.
    if opts.get_ssl_opts().is_some() {
        return Err(Error::unsupported("the URL of the MySQL server asks for TLS, and this build has none")
            .with_help("build craft-queue with the feature \"tls\""));
    }
    Conn::new(opts.clone()).map_err(|cause| explain_connect(&cause, opts, asked))
}
