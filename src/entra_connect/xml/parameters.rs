//! Parameters: names and values that a connector, a part of it or the server is set up with.
//!
//! INVARIANT: no secret, and nothing that only the product itself can use, comes out of here; accounts come out by
//! themselves. Exports should hold no secrets, but who made a file is not known.

use std::collections::BTreeMap;

use super::flag;
use super::tree::Element;

/// What a list of parameters says.
#[derive(Default)]
pub(super) struct Parameters {
    /// Those that are neither secret nor an account.
    pub(super) values: BTreeMap<String, String>,
    /// Accounts that are signed in with.
    pub(super) accounts: Vec<String>,
}

/// Reads a `<parameter-values>`.
pub(super) fn read(list: &Element) -> Parameters {
    let mut found = Parameters::default();
    for parameter in list.all("parameter") {
        let Some(name) = parameter.attribute("name").filter(|name| !name.is_empty()) else { continue };
        let value = parameter.trimmed();
        if is_secret(parameter, name, value) {
            continue;
        }
        if !is_account(parameter, name) {
            found.values.insert(name.to_owned(), value.to_owned());
        } else if !value.is_empty() {
            found.accounts.push(value.to_owned());
        }
    }
    found
}

/// Marked as a secret, or named like one. Whether passwords are synchronised is no secret.
fn is_secret(parameter: &Element, name: &str, value: &str) -> bool {
    let marked = parameter.attribute("encrypted").is_some_and(|text| flag(text) != Some(false));
    let typed = parameter.attribute("type").is_some_and(|text| text.to_ascii_lowercase().contains("encrypted"));
    let name = folded(name);
    let named = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let secret =
        ["secret", "cookie", "watermark", "connectionstring", "apikey", "accesskey", "privatekey", "credential"];
    marked
        || typed
        || named(&secret)
        || (named(&["password", "passphrase", "pwd"]) && (value.is_empty() || flag(value).is_none()))
}

/// Accounts are among what a connection is made with; elsewhere such names mean other things.
fn is_account(parameter: &Element, name: &str) -> bool {
    let usage = parameter.attribute("use").unwrap_or_default();
    let name = folded(name);
    let named = ["user", "login", "account"].iter().any(|word| name.contains(word));
    named && !name.contains("domain") && matches!(usage, "" | "connectivity")
}

fn folded(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
