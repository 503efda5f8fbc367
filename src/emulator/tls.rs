//! HTTPS: an authority of our own and a certificate for this machine, signed by it.
//!
//! With a folder the authority stays the same over restarts, so that clients need to trust it once.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::EmulatorError;
use super::persist::write_secret;

/// What serves HTTPS, and the certificate that clients must trust.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
}

/// Makes the certificates; those in `folder` (`ca.pem`, `ca.key`) are used again.
///
/// # Errors
/// Unreadable or unwritable files.
pub(crate) fn prepare(folder: Option<&Path>) -> Result<Tls, EmulatorError> {
    let broken = |error: rcgen::Error| EmulatorError::Key(error.to_string());
    let (ca_pem, ca_key) = match folder {
        Some(folder) => kept_authority(folder)?,
        None => new_authority().map_err(broken)?,
    };
    let issuer = Issuer::new(authority_params(), ca_key);
    let key = KeyPair::generate().map_err(broken)?;
    let mut params =
        CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]).map_err(broken)?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.use_authority_key_identifier_extension = true;
    params.insert_extended_key_usage(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    let certificate = params.signed_by(&key, &issuer).map_err(broken)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EmulatorError::Key(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .map_err(|error| EmulatorError::Key(error.to_string()))?;
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem })
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Syncline emulator authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params
}

fn new_authority() -> Result<(String, KeyPair), rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = authority_params().self_signed(&key)?;
    Ok((certificate.pem(), key))
}

fn kept_authority(folder: &Path) -> Result<(String, KeyPair), EmulatorError> {
    let (certificate_file, key_file) = (folder.join("ca.pem"), folder.join("ca.key"));
    if certificate_file.exists() && key_file.exists() {
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|error| EmulatorError::File { path: path.to_owned(), error })
        };
        let key = KeyPair::from_pem(&read(&key_file)?).map_err(|error| EmulatorError::Key(error.to_string()))?;
        return Ok((read(&certificate_file)?, key));
    }
    let (pem, key) = new_authority().map_err(|error| EmulatorError::Key(error.to_string()))?;
    write_secret(&key_file, key.serialize_pem().as_bytes())?;
    std::fs::write(&certificate_file, &pem).map_err(|error| EmulatorError::File { path: certificate_file, error })?;
    Ok((pem, key))
}

/// The RSA key that signs access tokens: private and public half, PEM. Kept in `folder` as `token.key`.
///
/// # Errors
/// Unreadable or unwritable files.
pub(crate) fn token_key(folder: Option<&Path>) -> Result<(String, String), EmulatorError> {
    let broken = |error: rcgen::Error| EmulatorError::Key(error.to_string());
    let file = folder.map(|folder| folder.join("token.key"));
    if let Some(file) = file.as_ref().filter(|file| file.exists()) {
        let pem = std::fs::read_to_string(file).map_err(|error| EmulatorError::File { path: file.clone(), error })?;
        let key = KeyPair::from_pem(&pem).map_err(broken)?;
        return Ok((pem, key.public_key_pem()));
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map_err(broken)?;
    let pem = key.serialize_pem();
    if let Some(file) = file {
        write_secret(&file, pem.as_bytes())?;
    }
    Ok((pem, key.public_key_pem()))
}
