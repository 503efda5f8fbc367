//! Access tokens by client credentials: a secret, or an assertion signed with a certificate's key.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Assertion, Settings};
use crate::connector::{ConnectorError, ConnectorErrorKind};

/// A token is renewed this long before it ends.
const EARLY: Duration = Duration::from_secs(300);

/// How often a token is asked for.
const ATTEMPTS: u32 = 4;

/// A token and its end.
pub(super) struct Token {
    pub(super) text: Zeroizing<String>,
    pub(super) until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
    error_codes: Vec<u64>,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: i64,
    iat: i64,
    exp: i64,
}

impl Token {
    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.until
    }
}

/// Asks for a new token.
pub(super) async fn request(http: &reqwest::Client, settings: &Settings) -> Result<Token, ConnectorError> {
    let url = format!("{}/{}/oauth2/v2.0/token", settings.login_url.trim_end_matches('/'), settings.tenant);
    let scope = format!("{}/.default", settings.graph_url.trim_end_matches('/'));
    let mut form = vec![
        ("client_id", Zeroizing::new(settings.client_id.clone())),
        ("grant_type", Zeroizing::new("client_credentials".into())),
        ("scope", Zeroizing::new(scope)),
    ];
    match (&settings.client_secret, &settings.certificate) {
        (Some(secret), None) => form.push(("client_secret", secret.fetch().await?)),
        (None, Some(certificate)) => {
            let pem = certificate.fetch().await?;
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            form.push(("client_assertion_type", Zeroizing::new(kind.into())));
            form.push(("client_assertion", Zeroizing::new(assertion(settings, &url, &pem)?)));
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(ConnectorError::new(
                ConnectorErrorKind::Settings,
                "set either `client_secret` or `certificate`",
            ));
        }
    }
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let last = attempt >= ATTEMPTS;
        match http.post(&url).form(&form).send().await {
            Ok(answer) if answer.status().is_success() => return accepted(answer, &url).await,
            Ok(answer) if last || !matches!(answer.status().as_u16(), 429 | 500..) => {
                return Err(refused(answer, settings, &url).await);
            }
            Ok(_) => {}
            Err(error) => {
                let failure = super::http::unreachable(&url, &error);
                if last || failure.kind != ConnectorErrorKind::Unreachable {
                    return Err(failure);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(settings.retry_pause_ms) * attempt).await;
    }
}

async fn accepted(answer: reqwest::Response, url: &str) -> Result<Token, ConnectorError> {
    let body: Answer = answer.json().await.map_err(|_| {
        ConnectorError::new(ConnectorErrorKind::Protocol, format!("`{url}` answered something that is no token"))
            .hint("is `login_url` right, or does a proxy answer in its place?")
    })?;
    let life = Duration::from_secs(body.expires_in);
    let until = Instant::now() + life.checked_sub(EARLY).unwrap_or(life / 2);
    Ok(Token { text: Zeroizing::new(body.access_token), until })
}

async fn refused(answer: reqwest::Response, settings: &Settings, url: &str) -> ConnectorError {
    let status = answer.status();
    if matches!(status.as_u16(), 429 | 500..) {
        let message = format!("no token from `{url}`: it is unavailable (HTTP {})", status.as_u16());
        return ConnectorError::new(ConnectorErrorKind::Unreachable, message);
    }
    let refusal: Refusal = answer.json().await.unwrap_or_default();
    let code = refusal.error_codes.first().copied().unwrap_or(0);
    let first_line = refusal.error_description.lines().next().unwrap_or_default();
    let first_line = first_line.split(" Trace ID").next().unwrap_or(first_line).trim_end_matches(['.', ' ']);
    let message = format!("no token from `{url}`: {} {first_line} (HTTP {})", refusal.error, status.as_u16());
    let hint = match code {
        7_000_215 => "the secret is wrong; copy the secret's value, not its id".to_owned(),
        7_000_222 => "the secret has expired; make a new one in the app registration".to_owned(),
        700_016 | 700_038 => format!("there is no app `{}` in this tenant", settings.client_id),
        700_027 => "the app registration does not know this certificate, or the key is another one's".to_owned(),
        700_024 => "the assertion is not valid now; is the clock of this machine right?".to_owned(),
        90_002 => format!("there is no tenant `{}`", settings.tenant),
        _ => "look at `tenant`, `client_id` and the credential in the configuration".to_owned(),
    };
    ConnectorError::new(ConnectorErrorKind::Credentials, message).hint(hint)
}

/// A signed statement that we are the app. Valid for ten minutes.
pub(super) fn assertion(settings: &Settings, audience: &str, pem: &str) -> Result<String, ConnectorError> {
    let wrong = |what: &str| {
        ConnectorError::new(ConnectorErrorKind::Settings, format!("`certificate` {what}"))
            .hint("it must be a PEM with a private RSA key and its certificate")
    };
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong("holds no certificate"))?;
    let key = pem_key(pem).and_then(|key| EncodingKey::from_rsa_pem(key.as_bytes()).ok());
    let key = key.ok_or_else(|| wrong("holds no RSA key"))?;
    let algorithm = match settings.assertion {
        Assertion::PS256 => Algorithm::PS256,
        Assertion::RS256 => Algorithm::RS256,
    };
    let mut header = Header::new(algorithm);
    header.x5t_s256 = Some(URL_SAFE_NO_PAD.encode(sha256(&certificate)));
    let now = jiff::Timestamp::now().as_second();
    let claims = Claims {
        aud: audience,
        iss: &settings.client_id,
        sub: &settings.client_id,
        jti: Uuid::new_v4().to_string(),
        nbf: now - 60,
        iat: now,
        exp: now + 600,
    };
    jsonwebtoken::encode(&header, &claims, &key).map_err(|_| wrong("cannot sign"))
}

/// The private key's block of a PEM with several.
fn pem_key(pem: &str) -> Option<&str> {
    pem.match_indices("-----BEGIN").find_map(|(at, _)| {
        let block = pem.get(at..)?;
        block.lines().next()?.contains("PRIVATE KEY").then_some(())?;
        let end = block.find("-----END")?;
        let line = block.get(end..)?.find('\n').unwrap_or(block.len() - end);
        block.get(..end + line)
    })
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}
