//! Keys and signatures as minisign makes them: Ed25519 over a hash of the bytes, and over a comment. The only place that
//! knows the library. Knows nothing of plans, people or files.

use std::io::Cursor;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minisign::{KeyPair, SecretKeyBox, SignatureBox};
use zeroize::Zeroizing;

/// What is wrong with a key or a signature. Each follows the name of what it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A public key.
    #[error("is no public key: one line that begins with `RW`, as `syncline keys new` prints it")]
    PublicKey,
    /// A secret key.
    #[error("is no secret key of minisign's format")]
    SecretKey,
    /// A secret key that needs a password.
    #[error("is protected by a password")]
    Protected,
    /// The password is another, or the key is damaged.
    #[error("does not open with this password")]
    Password,
    /// A signature.
    #[error("is no signature of minisign's format")]
    Signature,
    /// The library or the system failed.
    #[error("cannot be used: {0}")]
    Failed(String),
}

fn failed(error: minisign::PError) -> SignatureError {
    SignatureError::Failed(error.to_string())
}

/// What every key and signature begins with: an algorithm, and the number of the key.
const ALGORITHM: usize = 2;
const NUMBER: usize = 8;

/// The number of a key, as minisign prints it.
fn key_id(number: &[u8]) -> String {
    number.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

/// A public key: whose signatures it proves is for others to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    text: String,
    key: minisign::PublicKey,
}

impl PublicKey {
    /// Reads a key from one line.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<PublicKey, SignatureError> {
        let text = text.trim();
        let key = minisign::PublicKey::from_base64(text).map_err(|_| SignatureError::PublicKey)?;
        if !key.to_bytes().starts_with(b"Ed") {
            return Err(SignatureError::PublicKey);
        }
        Ok(PublicKey { text: text.to_owned(), key })
    }

    /// The key in one line.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its number.
    pub fn id(&self) -> String {
        key_id(self.key.keynum())
    }
}

/// A secret key that is ready to sign. It is never shown.
pub struct SecretKey(minisign::SecretKey);

/// Makes a pair of keys. Gives the public one, and the text of a file for the secret one.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_pair(
    comment: &str,
    password: Option<&Zeroizing<String>>,
) -> Result<(PublicKey, Zeroizing<String>), SignatureError> {
    let pair = match password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password.to_string())),
        None => KeyPair::generate_unencrypted_keypair(),
    };
    let pair = pair.map_err(failed)?;
    let secret = pair.sk.to_box(Some(comment)).map_err(failed)?.into_string();
    Ok((PublicKey::parse(&pair.pk.to_base64())?, Zeroizing::new(secret)))
}

/// The line of a secret key's text that holds the key: all of it, or the one below the comment.
fn key_line(text: &str) -> &str {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default()
}

impl SecretKey {
    /// Whether the key in a text needs a password.
    ///
    /// # Errors
    /// When there is no key in it.
    pub fn is_protected(text: &str) -> Result<bool, SignatureError> {
        let bytes = Zeroizing::new(STANDARD.decode(key_line(text)).map_err(|_| SignatureError::SecretKey)?);
        match bytes.get(..2 * ALGORITHM) {
            Some(b"EdSc") => Ok(true),
            Some(b"Ed\0\0") => Ok(false),
            Some(_) | None => Err(SignatureError::SecretKey),
        }
    }

    /// Reads a key. The password of one that has none is not looked at.
    ///
    /// # Errors
    /// When there is no key in the text, or the password is missing or another.
    pub fn read(text: &str, password: Option<&Zeroizing<String>>) -> Result<SecretKey, SignatureError> {
        let protected = SecretKey::is_protected(text)?;
        let key = match (protected, password) {
            (false, _) => {
                // minisign gives keys without a password no checksum, and the library would ask for one.
                let bytes = Zeroizing::new(STANDARD.decode(key_line(text)).map_err(|_| SignatureError::SecretKey)?);
                minisign::SecretKey::from_bytes(&bytes).map_err(|_| SignatureError::SecretKey)
            }
            (true, None) => Err(SignatureError::Protected),
            (true, Some(password)) => {
                let whole = SecretKeyBox::from(format!("untrusted comment: \n{}\n", key_line(text)));
                whole.into_secret_key(Some(password.to_string())).map_err(|_| SignatureError::Password)
            }
        };
        key.map(SecretKey)
    }

    /// The key that proves its signatures.
    ///
    /// # Errors
    /// When the key is damaged.
    pub fn public(&self) -> Result<PublicKey, SignatureError> {
        let key = minisign::PublicKey::from_secret_key(&self.0).map_err(failed)?;
        PublicKey::parse(&key.to_base64())
    }

    /// Signs bytes and a comment of one line. Gives the text of a `.minisig` file.
    ///
    /// # Errors
    /// When the key is damaged, or the system gives no random numbers.
    pub fn sign(&self, bytes: &[u8], comment: &str) -> Result<String, SignatureError> {
        let public = minisign::PublicKey::from_secret_key(&self.0).map_err(failed)?;
        let about = format!("signature of {}", key_id(public.keynum()));
        let signature = minisign::sign(Some(&public), &self.0, Cursor::new(bytes), Some(comment.trim()), Some(&about));
        Ok(signature.map_err(failed)?.into_string())
    }
}

/// A signature as it was read; nothing is proved yet.
pub struct Signature {
    signature: SignatureBox,
    comment: String,
    /// What the second signature is over: the first one, and the comment.
    said: Vec<u8>,
    second: Vec<u8>,
}

impl Signature {
    /// Reads the text of a `.minisig` file.
    ///
    /// # Errors
    /// When it is none, or of the old kind that signs without a hash.
    pub fn parse(text: &str) -> Result<Signature, SignatureError> {
        let wrong = |_| SignatureError::Signature;
        let signature = SignatureBox::from_string(text).map_err(|_| SignatureError::Signature)?;
        let comment = signature.trusted_comment().map_err(|_| SignatureError::Signature)?;
        let line = |number| text.lines().nth(number).unwrap_or_default().trim();
        let first = STANDARD.decode(line(1)).map_err(wrong)?;
        let second = STANDARD.decode(line(3)).map_err(wrong)?;
        // The library takes lengths on trust.
        let (true, 64, Some(sig)) = (
            signature.is_prehashed(),
            second.len(),
            first.get(ALGORITHM + NUMBER..).and_then(|sig| <&[u8; 64]>::try_from(sig).ok()),
        ) else {
            return Err(SignatureError::Signature);
        };
        let said = [&sig[..], comment.as_bytes()].concat();
        Ok(Signature { signature, comment, said, second })
    }

    /// The number of the key that is said to have signed.
    pub fn key_id(&self) -> String {
        key_id(self.signature.keynum())
    }

    /// The comment. It is worth what [`Signature::covers`] or [`Signature::says`] gives.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether this key signed these bytes and the comment.
    pub fn covers(&self, key: &PublicKey, bytes: &[u8]) -> bool {
        minisign::verify(&key.key, &self.signature, Cursor::new(bytes), true, false, false).is_ok()
    }

    /// Whether this key signed the comment: what can be told without the bytes.
    pub fn says(&self, key: &PublicKey) -> bool {
        let whole = key.key.to_bytes();
        let point = whole.get(ALGORITHM + NUMBER..).unwrap_or_default();
        key.key.keynum() == self.signature.keynum()
            && UnparsedPublicKey::new(&ED25519, point).verify(&self.said, &self.second).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What minisign 0.11 made of `hello\n`, with `minisign -G -W` and `minisign -S`.
    const PUBLIC: &str = "RWReqTiSPzyw8TU5LM72/L+PSEMWjfG8aC/+Qd7ZFd0TV1jOUzqV31AV";
    const SECRET: &str = "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXqk4kj88sPFnwxE4kb3GOe7aHUX48d0yJMA3Sekto2tTCYwKpGRj7zU5LM72/L+PSEMWjfG8aC/+Qd7ZFd0TV1jOUzqV31AVAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const MADE_BY_MINISIGN: &str = "untrusted comment: signature from minisign secret key\n\
        RUReqTiSPzyw8Wdk3qPsw/+Bfq/mWPnfa2xRad84fYB588mySkr2y1RzphZXWLOXmrzuSsHImOPcm/SI7fyviXOLrl3k6pXYqA8=\n\
        trusted comment: by minisign\n\
        f+zHwrY+sTt1Fsv9fYyrfohqXAkSesPftSsQ30Mo8mu+f2G5WhfEsSz3X1zC2Vg/5JFQ/kOJAlIxhWejzG6xCg==\n";

    fn by_another_library(public: &str, signature: &str, bytes: &[u8]) -> bool {
        let key = minisign_verify::PublicKey::from_base64(public).unwrap();
        let signature = minisign_verify::Signature::decode(signature).unwrap();
        key.verify(bytes, &signature, false).is_ok()
    }

    #[test]
    fn what_minisign_signed_is_right_here() {
        let key = PublicKey::parse(PUBLIC).unwrap();
        let signature = Signature::parse(MADE_BY_MINISIGN).unwrap();
        assert_eq!((signature.key_id(), signature.comment()), (key.id(), "by minisign"));
        assert!(signature.covers(&key, b"hello\n") && signature.says(&key));
        assert!(!signature.covers(&key, b"hallo\n"));
        assert_eq!(SecretKey::read(SECRET, None).unwrap().public().unwrap(), key);
    }

    #[test]
    fn what_is_signed_here_is_right_elsewhere() {
        let text = SecretKey::read(SECRET, None).unwrap().sign(b"hello\n", "by us").unwrap();
        assert!(by_another_library(PUBLIC, &text, b"hello\n"));
        assert!(!by_another_library(PUBLIC, &text, b"hallo\n"));
    }

    #[test]
    fn a_signature_that_was_touched_anywhere_proves_nothing() {
        let (public, secret) = new_pair("test", None).unwrap();
        let (other, _) = new_pair("other", None).unwrap();
        let text = SecretKey::read(&secret, None).unwrap().sign(b"plan", "said").unwrap();
        let whole = Signature::parse(&text).unwrap();
        assert!(whole.covers(&public, b"plan") && whole.says(&public));
        assert!(!whole.covers(&other, b"plan") && !whole.says(&other));
        let start = text.find('\n').unwrap() + 1;
        for at in start..text.trim_end().len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let touched = String::from_utf8(bytes).unwrap();
            let Ok(signature) = Signature::parse(&touched) else { continue };
            assert!(!signature.covers(&public, b"plan"), "byte {at}: {touched}");
        }
    }

    #[test]
    fn what_is_no_key_or_signature_is_refused_and_breaks_nothing() {
        let text = MADE_BY_MINISIGN;
        let lines: Vec<&str> = text.lines().collect();
        for cut in 0..text.len() {
            let _ = Signature::parse(&text[..cut]).map(|it| it.covers(&PublicKey::parse(PUBLIC).unwrap(), b"hello\n"));
        }
        // A second signature that is too short, and one of the old kind.
        let short = [lines[0], lines[1], lines[2], "AAAA"].join("\n");
        let old = text.replace("\nRU", "\nRW");
        assert!(old != text && Signature::parse(&short).is_err() && Signature::parse(&old).is_err());
        for wrong in ["", "RW", &PUBLIC[1..], &PUBLIC.replacen("RW", "AA", 1)] {
            assert_eq!(PublicKey::parse(wrong), Err(SignatureError::PublicKey), "{wrong}");
        }
        for wrong in ["", "untrusted comment: x", PUBLIC, &SECRET[..SECRET.len() - 8], &SECRET.replace("RWQ", "RWS")] {
            assert!(SecretKey::read(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_opens_what_it_protects() {
        let password = Zeroizing::new("correct horse".to_owned());
        let (public, secret) = new_pair("test", Some(&password)).unwrap();
        assert_eq!(SecretKey::read(&secret, Some(&password)).unwrap().public().unwrap(), public);
        let other = Zeroizing::new("battery staple".to_owned());
        assert_eq!(SecretKey::read(&secret, Some(&other)).err(), Some(SignatureError::Password));
        assert_eq!(SecretKey::read(&secret, None).err(), Some(SignatureError::Protected));
        // A line alone, as a variable of the environment has it.
        assert!(SecretKey::read(secret.lines().last().unwrap(), Some(&password)).is_ok());
    }
}
