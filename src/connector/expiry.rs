//! When credentials and certificates end.

use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A credential or a certificate that ends some day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Which: `client secret`, `server certificate`.
    pub what: String,
    /// Its last second, since 1970.
    pub at: i64,
}

/// The last second of a certificate (DER); nothing if it is none.
pub(super) fn not_after(certificate: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
