//! Makes connections, with TLS as it was asked for.

use ::mysql::{Conn, Opts};
#[cfg(feature = "tls")]
use ::mysql::{DriverError, Error as Cause, OptsBuilder, SslOpts};

#[cfg(feature = "tls")]
use super::super::tls;
use super::explain::explain_connect;
use crate::config::Tls;
#[cfg(not(feature = "tls"))]
use crate::error::Error;
use crate::error::Result;

/// Connects. The URL may have options of the client's own, such as a certificate to show; without an
/// `sslmode` beside them they are taken as they are.
///
/// # Errors
/// The server can't be reached, does not let us in, or is not spoken to in the way that was asked for.
#[cfg(feature = "tls")]
pub(super) fn connect(opts: &Opts, asked: Option<&Tls>) -> Result<Conn> {
    tls::choose_provider();
    let own = opts.get_ssl_opts();
    let anyone = || own.cloned().unwrap_or_default().with_danger_accept_invalid_certs(true);
    let made = match asked {
        None if own.is_some() => with(opts, own.cloned()),
        Some(Tls::Disable) => with(opts, None),
        None | Some(Tls::Prefer) => match with(opts, Some(anyone())) {
            // The client can only be told to insist.
            Err(Cause::DriverError(DriverError::TlsNotSupported)) => with(opts, None),
            made => made,
        },
        Some(Tls::Require) => with(opts, Some(anyone())),
        Some(Tls::VerifyFull { authorities }) => {
            if let Some(file) = authorities {
                // The client would pass over a file without certificates.
                tls::read(file)?;
            }
            let strict = own.cloned().unwrap_or_default();
            let strict = strict.with_root_cert_path(authorities.clone());
            let strict =
                strict.with_danger_accept_invalid_certs(false).with_danger_skip_domain_validation(false);
            with(opts, Some(strict))
        }
    };
    made.map_err(|cause| explain_connect(&cause, opts))
}

#[cfg(feature = "tls")]
fn with(opts: &Opts, tls: Option<SslOpts>) -> ::mysql::Result<Conn> {
    Conn::new(OptsBuilder::from_opts(opts.clone()).ssl_opts(tls))
}

#[cfg(not(feature = "tls"))]
pub(super) fn connect(opts: &Opts, _: Option<&Tls>) -> Result<Conn> {
    // The client panics when it is asked for what it has not.
    if opts.get_ssl_opts().is_some() {
        return Err(Error::unsupported("the URL of the MySQL server asks for TLS, and this build has none")
            .with_help("build craft-queue with the feature \"tls\""));
    }
    Conn::new(opts.clone()).map_err(|cause| explain_connect(&cause, opts))
}
