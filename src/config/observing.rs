//! `[alert]`: whom `syncline serve` tells what is wrong, and when; and how its log is written.

use std::time::Duration;

use serde::Deserialize;

use crate::connector::secret::Secret;

/// How the log of `syncline serve` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Logging {
    /// For people.
    #[default]
    Text,
    /// One object a line, for machines.
    Json,
}

/// A URL, or where it is kept: many hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// As it stands in the file.
    Plain(String),
    /// Kept elsewhere.
    Secret(Secret),
}

/// When and how alerts are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerting {
    /// They are posted here, as JSON.
    pub url: Option<Address>,
    /// This is called with each, as JSON on its standard input.
    pub command: Vec<String>,
    /// A connector that does not answer for so long.
    pub down: Duration,
    /// No run has succeeded for so long.
    pub success: Duration,
    /// More objects than this wait in an error.
    pub errors: Option<u64>,
    /// A credential or a certificate has only so long to go.
    pub expiry: Duration,
}

impl Default for Alerting {
    fn default() -> Alerting {
        Alerting {
            url: None,
            command: Vec::new(),
            down: Duration::from_secs(10 * 60),
            success: Duration::from_secs(60 * 60),
            errors: None,
            expiry: Duration::from_secs(30 * 24 * 3_600),
        }
    }
}

impl Alerting {
    /// Whether anybody is told.
    pub fn is_on(&self) -> bool {
        self.url.is_some() || !self.command.is_empty()
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertSection {
    url: Option<String>,
    #[serde(default)]
    command: Vec<String>,
    down_minutes: Option<u32>,
    success_minutes: Option<u32>,
    errors: Option<u64>,
    expiry_days: Option<u32>,
}

impl AlertSection {
    /// # Errors
    /// What is wrong with it, without the URL: it may hold a secret.
    pub(super) fn alerting(self) -> Result<Alerting, &'static str> {
        let minutes = |number: u32| Duration::from_secs(u64::from(number) * 60);
        let default = Alerting::default();
        let url = self.url.map(|text| match Secret::parse(&text) {
            Some(secret) => Ok(Address::Secret(secret)),
            None if text.starts_with("https://") || text.starts_with("http://") => Ok(Address::Plain(text)),
            None => Err("`url` is `https://…`, or where it is kept: `env:NAME` or `file:PATH`"),
        });
        Ok(Alerting {
            url: url.transpose()?,
            command: self.command,
            down: self.down_minutes.map_or(default.down, minutes),
            success: self.success_minutes.map_or(default.success, minutes),
            errors: self.errors,
            expiry: self.expiry_days.map_or(default.expiry, |days| minutes(days.saturating_mul(24 * 60))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_urls_or_say_where_one_is() {
        let of = |url: &str| AlertSection { url: Some(url.into()), ..AlertSection::default() }.alerting();
        let address = |url: &str| of(url).map(|alerting| alerting.url);
        assert_eq!(address("https://a.test/x"), Ok(Some(Address::Plain("https://a.test/x".into()))));
        assert_eq!(address("env:HOOK"), Ok(Some(Address::Secret(Secret::Environment("HOOK".into())))));
        assert!(address("a.test/T0000/secret").is_err_and(|why| !why.contains("secret")));
    }
}
