//! Secrets: named in the configuration, fetched when needed, wiped after use, never shown.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{ConnectorError, ConnectorErrorKind};

/// Where a secret is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// `env:NAME`
    Environment(String),
    /// `file:PATH`; a line break at the end is not part of the secret.
    File(PathBuf),
    /// `command:…`: what the shell command prints, without the line break at the end.
    Command(String),
    /// No secret at all: what everybody knows, such as the emulator's. Cannot be configured.
    Known(&'static str),
}

impl Secret {
    /// Reads `env:NAME`, `file:PATH` or `command:…`; anything else gives nothing, for it would be the secret itself.
    pub fn parse(text: &str) -> Option<Secret> {
        let (scheme, rest) = text.split_once(':')?;
        match scheme {
            _ if rest.is_empty() => None,
            "env" => Some(Secret::Environment(rest.into())),
            "file" => Some(Secret::File(rest.into())),
            "command" => Some(Secret::Command(rest.into())),
            _ => None,
        }
    }

    /// Fetches the secret.
    ///
    /// # Errors
    /// `Settings` when the variable is unset, the file unreadable, the command fails, or the secret is empty.
    pub async fn fetch(&self) -> Result<Zeroizing<String>, ConnectorError> {
        let failed = |what: String| ConnectorError::new(ConnectorErrorKind::Settings, what);
        let text = match self {
            Secret::Known(text) => (*text).to_owned(),
            Secret::Environment(name) => {
                std::env::var(name).map_err(|_| failed(format!("environment variable `{name}` is not set")))?
            }
            Secret::File(path) => tokio::fs::read_to_string(path)
                .await
                .map_err(|error| failed(format!("cannot read secret file `{}`: {error}", path.display())))?,
            Secret::Command(command) => {
                let output = tokio::process::Command::new("sh")
                    .args(["-c", command])
                    .stdin(std::process::Stdio::null())
                    .output()
                    .await
                    .map_err(|error| failed(format!("cannot run `{command}`: {error}")))?;
                if !output.status.success() {
                    return Err(failed(format!("`{command}` failed ({})", output.status)));
                }
                String::from_utf8(output.stdout).map_err(|_| failed(format!("`{command}` did not print text")))?
            }
        };
        let text = Zeroizing::new(text);
        let trimmed = text.strip_suffix('\n').unwrap_or(&text);
        let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
        if trimmed.is_empty() {
            return Err(failed(format!("the secret from {self:?} is empty")));
        }
        Ok(Zeroizing::new(trimmed.to_owned()))
    }
}

/// Shows where the secret is, never the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Known(_) => f.write_str("known"),
            Secret::Environment(name) => write!(f, "env:{name}"),
            Secret::File(path) => write!(f, "file:{}", path.display()),
            Secret::Command(command) => write!(f, "command:{command}"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text itself stays out of the message: it may be the secret.
        let text = String::deserialize(deserializer)
            .map(Zeroizing::new)
            .map_err(|_| serde::de::Error::custom("must be text such as `env:NAME`, `file:PATH` or `command:…`"))?;
        Secret::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("holds a secret in plain text; use `env:NAME`, `file:PATH` or `command:…`")
        })
    }
}
