//! When the credential of our own app ends: a certificate says so itself, a secret is looked up in its app registration, if
//! the app may read it (`Application.Read.All`).

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value as Json;

use super::http::Client;
use crate::connector::expiry::{Expiry, not_after};
use crate::connector::{ConnectorError, ConnectorErrorKind};

/// Where an app stands that may not read its own registration.
const FORBIDDEN: [ConnectorErrorKind; 2] = [ConnectorErrorKind::Rights, ConnectorErrorKind::Protocol];

pub(super) async fn expiries(client: &Client) -> Result<Vec<Expiry>, ConnectorError> {
    if let Some(certificate) = &client.settings.certificate {
        let pem = certificate.fetch().await?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok();
        let at = certificate.and_then(|certificate| not_after(&certificate));
        return Ok(at.map(|at| Expiry { what: "client certificate".into(), at }).into_iter().collect());
    }
    let Some(secret) = &client.settings.client_secret else { return Ok(Vec::new()) };
    let secret = secret.fetch().await?;
    let id = &client.settings.client_id;
    let path = format!("/applications?$filter=appId eq '{}'&$select=passwordCredentials", id.replace('\'', "''"));
    match client.get(&path).await {
        Ok(answer) => Ok(of_secret(&answer, &secret).into_iter().collect()),
        Err(error) if FORBIDDEN.contains(&error.kind) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Graph shows the first letters of each secret. Where none fits ours, the last to end may be it.
fn of_secret(answer: &Json, secret: &str) -> Option<Expiry> {
    let credentials = answer.pointer("/value/0/passwordCredentials")?.as_array()?;
    let ours = |credential: &&Json| {
        let hint = credential.get("hint").and_then(Json::as_str);
        hint.is_some_and(|hint| !hint.is_empty() && secret.starts_with(hint))
    };
    let end = |credential: &Json| credential.get("endDateTime")?.as_str()?.parse::<Timestamp>().ok();
    let fits = credentials.iter().filter(ours).filter_map(end).max();
    let at = fits.or_else(|| credentials.iter().filter_map(end).max())?;
    Some(Expiry { what: "client secret".into(), at: at.as_second() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_secret_is_known_by_its_first_letters() {
        let answer = json!({"value": [{"passwordCredentials": [
            {"hint": "abc", "endDateTime": "2027-01-01T00:00:00Z"},
            {"hint": "xyz", "endDateTime": "2030-01-01T00:00:00.1234567Z"},
        ]}]});
        let at = |secret: &str| of_secret(&answer, secret).map(|expiry| expiry.at);
        let second = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_second);
        assert_eq!(at("abc~1"), second("2027-01-01T00:00:00Z"));
        assert_eq!(at("other"), second("2030-01-01T00:00:00Z"));
        assert_eq!(of_secret(&json!({"value": []}), "abc"), None);
    }
}
