//! Certificates of apps: thumbprints and the public key, read from PEM.
//!
//! Only as much of DER as it takes to find the key. Chains and dates are not looked at, as Entra does not either.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};

/// What is needed of a certificate to check signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Base64url of the SHA-1 of the certificate, without padding: `x5t`.
    pub(crate) sha1: String,
    /// Base64url of its SHA-256: `x5t#S256`.
    pub(crate) sha256: String,
    /// The RSA public key (PKCS #1).
    pub(crate) public_key: Vec<u8>,
}

impl Certificate {
    /// Reads all certificates of a PEM text; nothing when there is none, or one without an RSA key.
    pub(crate) fn parse_all(pem: &str) -> Option<Vec<Certificate>> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        let blocks: Vec<&str> = pem.split(BEGIN).skip(1).collect();
        if blocks.is_empty() {
            return None;
        }
        blocks.into_iter().map(|block| Certificate::parse(block.split("-----END").next()?)).collect()
    }

    fn parse(base64: &str) -> Option<Certificate> {
        let text: String = base64.chars().filter(|letter| !letter.is_whitespace()).collect();
        let der = BASE64.decode(text).ok()?;
        let print = |algorithm| URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &der));
        Some(Certificate {
            sha1: print(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            sha256: print(&digest::SHA256),
            public_key: public_key(&der)?,
        })
    }
}

/// Certificate → tbsCertificate → version?, serial, algorithm, issuer, validity, subject → subjectPublicKeyInfo.
fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let (certificate, _) = element(der, 0x30)?;
    let (mut tbs, _) = element(certificate, 0x30)?;
    if tbs.first() == Some(&0xa0) {
        tbs = element(tbs, 0xa0)?.1;
    }
    for tag in [0x02, 0x30, 0x30, 0x30, 0x30] {
        tbs = element(tbs, tag)?.1;
    }
    let (info, _) = element(tbs, 0x30)?;
    let (_, key) = element(info, 0x30)?;
    let (bits, _) = element(key, 0x03)?;
    let (unused, key) = bits.split_first()?;
    // An RSA key is itself a sequence; anything else is another algorithm.
    (*unused == 0 && key.first() == Some(&0x30)).then(|| key.to_vec())
}

/// The content of the first element, which must have the tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    if *found != tag {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (size, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if size.len() > 4 {
            return None;
        }
        (size.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
    };
    rest.split_at_checked(length)
}
