//! Secrets: named in the configuration, fetched when needed, wiped after use, never shown.

use std::ffi::OsString;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{ConnectorError, ConnectorErrorKind};

/// How the place of a secret is named, for messages.
pub const PLACES: &str = "`env:NAME`, `file:PATH`, `credential:NAME` or `command:…`";

/// The folder that systemd names to a service, with a file for each of its credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// `env:NAME`
    Environment(String),
    /// `file:PATH`; a line break at the end is not part of the secret.
    File(PathBuf),
    /// `credential:NAME`: what systemd hands to a service (`LoadCredential=`); a line break at the end as above.
    Credential(String),
    /// `command:…`: what the shell command prints, without the line break at the end.
    Command(String),
    /// No secret at all: what everybody knows, such as the emulator's. Cannot be configured.
    Known(&'static str),
}

impl Secret {
    /// Reads one of [`PLACES`]; anything else gives nothing, for it would be the secret itself.
    pub fn parse(text: &str) -> Option<Secret> {
        let (scheme, rest) = text.split_once(':')?;
        match scheme {
            _ if rest.is_empty() => None,
            "env" => Some(Secret::Environment(rest.into())),
            "file" => Some(Secret::File(rest.into())),
            "credential" => Some(Secret::Credential(rest.into())),
            "command" => Some(Secret::Command(rest.into())),
            _ => None,
        }
    }

    /// Fetches the secret.
    ///
    /// # Errors
    /// `Settings` when the variable is unset, the file or credential unreadable, the command fails, or the secret is empty.
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
            Secret::Credential(name) => {
                let path = credential(name, std::env::var_os(CREDENTIALS)).map_err(failed)?;
                tokio::fs::read_to_string(&path).await.map_err(|error| {
                    failed(format!("cannot read credential `{name}` in `{}`: {error}", path.display()))
                })?
            }
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

/// The file of a credential. `folder` is what the environment says; a name is one part of a path and nothing else.
fn credential(name: &str, folder: Option<OsString>) -> Result<PathBuf, String> {
    let mut parts = Path::new(name).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) || name.contains('/') {
        return Err(format!("`credential:{name}` is no name of a credential: it has no folders in it"));
    }
    let folder = folder.filter(|folder| !folder.is_empty()).ok_or_else(|| {
        format!("credential `{name}`: `{CREDENTIALS}` is not set; systemd sets it for a service with `LoadCredential=`")
    })?;
    Ok(PathBuf::from(folder).join(name))
}

/// Shows where the secret is, never the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Known(_) => f.write_str("known"),
            Secret::Environment(name) => write!(f, "env:{name}"),
            Secret::File(path) => write!(f, "file:{}", path.display()),
            Secret::Credential(name) => write!(f, "credential:{name}"),
            Secret::Command(command) => write!(f, "command:{command}"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text itself stays out of the message: it may be the secret.
        let text = String::deserialize(deserializer)
            .map(Zeroizing::new)
            .map_err(|_| serde::de::Error::custom(format!("must be text such as {PLACES}")))?;
        Secret::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("holds a secret in plain text; use {PLACES}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_file_in_the_folder_that_systemd_names() {
        let folder = || Some(OsString::from("/run/credentials/syncline.service"));
        let path = credential("ad-password", folder());
        assert_eq!(path, Ok("/run/credentials/syncline.service/ad-password".into()));
        for nothing in [None, Some(OsString::new())] {
            let error = credential("ad-password", nothing).unwrap_err();
            assert_eq!(
                error,
                "credential `ad-password`: `CREDENTIALS_DIRECTORY` is not set; systemd sets it for a service with \
                 `LoadCredential=`"
            );
        }
        for name in ["..", ".", "../shadow", "/etc/shadow", "a/b", "a/"] {
            let error = credential(name, folder()).unwrap_err();
            assert_eq!(error, format!("`credential:{name}` is no name of a credential: it has no folders in it"));
        }
    }

    #[test]
    fn it_is_named_like_the_others_and_shown_by_its_name() {
        let secret = Secret::parse("credential:ad-password").unwrap();
        assert_eq!(format!("{secret:?}"), "credential:ad-password");
        assert!(Secret::parse("credential:").is_none());
        assert!(Secret::parse("hunter2").is_none());
    }
}
