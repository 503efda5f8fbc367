//! `syncline keys`: pairs of keys for people and installations, and how commands come by a secret one.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::output::{print, print_json, say};
use super::{Exit, Format};
use crate::connector::secret::{PLACES, Secret};
use crate::run::RunError;
use crate::run::approval::fetch;
use crate::signature::{self, SecretKey};

/// Keys that sign plans and approvals, as minisign makes them.
#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Makes a pair of keys: the secret one in a file, the public one to print.
    New(NewArguments),
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline keys new --name ben\n  syncline keys new --name installation --out /etc/syncline/installation.key --unprotected"
)]
pub(super) struct NewArguments {
    /// Whose it is.
    #[arg(long)]
    name: String,
    /// Where the secret key goes; without, `NAME.key`. The file must not be there.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the password is that protects it: `env:NAME`, `file:PATH`, `credential:NAME` or `command:…`; without, it is asked for.
    #[arg(long, value_name = "WHERE")]
    password: Option<String>,
    /// Without a password, for services.
    #[arg(long, conflicts_with = "password")]
    unprotected: bool,
}

/// A key to sign with.
#[derive(Args)]
pub(super) struct KeyArguments {
    /// The file of your secret key.
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// Where its password is: `env:NAME`, `file:PATH`, `credential:NAME` or `command:…`; without, it is asked for.
    #[arg(long, value_name = "WHERE")]
    pub(super) password: Option<String>,
}

pub(super) fn run(command: &KeysCommand, format: Format) -> Result<Exit, RunError> {
    let KeysCommand::New(arguments) = command;
    let password = match (&arguments.password, arguments.unprotected) {
        (_, true) => None,
        (Some(place), false) => Some(fetch_password(place)?),
        (None, false) => Some(new_password()?),
    };
    let path = arguments.out.clone().unwrap_or_else(|| format!("{}.key", arguments.name).into());
    let comment = format!("syncline secret key of {}", arguments.name.replace(char::is_control, " "));
    let failed =
        |error: &dyn std::fmt::Display| RunError::Unknown(format!("cannot write `{}`: {error}", path.display()));
    let (public, secret) =
        signature::new_pair(&comment, password.as_ref()).map_err(|error| RunError::Unknown(error.to_string()))?;
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|error| failed(&error))?;
    file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| failed(&error))?;
    match format {
        Format::Json => print_json(&serde_json::json!({
            "name": arguments.name, "public_key": public.as_str(), "id": public.id(), "secret_key": path,
        })),
        Format::Text => {
            print(public.as_str());
            say(&format!("the secret key is in {}; keep it where nobody else reads it", path.display()));
            say(&format!(
                "  hint: `[approval]` has it as `people.{}`, or as `public_key` of an installation",
                arguments.name
            ));
        }
    }
    Ok(Exit::Success)
}

/// Reads a secret key; its password comes from where it is said to be, or from the terminal.
pub(super) fn secret_key(path: &Path, password: Option<&str>) -> Result<SecretKey, RunError> {
    let wrong = |why: &dyn std::fmt::Display| RunError::Unknown(format!("`{}` {why}", path.display()));
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let password = match (SecretKey::is_protected(&text).map_err(|error| wrong(&error))?, password) {
        (false, _) => None,
        (true, Some(place)) => Some(fetch_password(place)?),
        (true, None) => Some(ask(&format!("password of {}: ", path.display()))?),
    };
    SecretKey::read(&text, password.as_ref()).map_err(|error| wrong(&error))
}

fn fetch_password(place: &str) -> Result<Zeroizing<String>, RunError> {
    // The text itself stays out of the message: it may be the password.
    let plain = || RunError::Unknown(format!("`--password` says where the password is: {PLACES}"));
    fetch(&Secret::parse(place).ok_or_else(plain)?)
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, RunError> {
    let nobody =
        || RunError::Unknown("nobody is there to ask for a password: say where it is with `--password`".into());
    if !std::io::stdin().is_terminal() {
        return Err(nobody());
    }
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|_| nobody())
}

fn new_password() -> Result<Zeroizing<String>, RunError> {
    let password = ask("password for the new key: ")?;
    if password.is_empty() {
        return Err(RunError::Unknown(
            "an empty password protects nothing: `--unprotected` makes a key without".into(),
        ));
    }
    if *ask("once more: ")? != *password {
        return Err(RunError::Unknown("the two passwords differ".into()));
    }
    Ok(password)
}
