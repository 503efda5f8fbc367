//! `[approval]`: whose keys count, what needs them, and the installation's own key.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::{Config, Reader};
use crate::connector::secret::Secret;
use crate::signature::PublicKey;

/// Who approves what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The people who may approve and reject, by name.
    pub people: BTreeMap<String, PublicKey>,
    /// Whether plans, and what the guard stopped, are done only when they were approved.
    pub required: bool,
    /// Whether nobody's approval counts who made the plan, or asks to go on.
    pub second_person: bool,
    /// How many people it takes.
    pub needed: usize,
    /// How many days an approval is good for.
    pub days: u32,
    /// The installation's own key: it proves which plans were made here.
    pub installation: Option<PublicKey>,
    /// Where its secret half is; nothing where plans are not made.
    pub secret_key: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    people: BTreeMap<String, Spanned<String>>,
    required: Option<bool>,
    second_person: Option<bool>,
    needed: Option<usize>,
    days: Option<u32>,
    public_key: Option<Spanned<String>>,
    secret_key: Option<Secret>,
}

/// Names become parts of the names of files.
fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(letter)
}

impl Reader {
    /// Reads the section.
    pub(super) fn approval(&mut self, value: Spanned<DeValue<'_>>, folder: &Path) -> Option<Approval> {
        let range = value.span();
        let section: Section = self.section("approval", value)?;
        let mut people: BTreeMap<String, PublicKey> = BTreeMap::new();
        for (name, text) in &section.people {
            let Some(key) = self.public_key(&format!("people.{name}"), text) else { continue };
            if !is_name(name) {
                let message = format!("`approval.people`: `{name}` must be of letters, digits and `-_.@`");
                self.problem(message, text.span());
            } else if let Some((other, _)) = people.iter().find(|(_, other)| other.id() == key.id()) {
                let message = format!("`approval.people`: `{name}` and `{other}` have one key");
                self.problem(message, text.span());
            } else if let Some(other) = people.keys().find(|other| other.eq_ignore_ascii_case(name)) {
                let message = format!("`approval.people`: `{name}` and `{other}` differ in letter case only");
                self.problem(message, text.span());
            } else {
                people.insert(name.clone(), key);
            }
        }
        let installation = section.public_key.as_ref().and_then(|text| self.public_key("public_key", text));
        if let (Some(text), Some(key)) = (&section.public_key, &installation)
            && let Some((name, _)) = people.iter().find(|(_, other)| other.id() == key.id())
        {
            self.problem(format!("`approval.public_key` is the key of `{name}`"), text.span());
        }
        let (required, needed) = (section.required.unwrap_or(true), section.needed.unwrap_or(1).max(1));
        if required && section.people.len() < needed {
            let message = format!("`approval.people` names {}, and {needed} must approve", section.people.len());
            self.problem(message, range.clone());
        }
        if section.secret_key.is_some() && section.public_key.is_none() {
            self.problem("`approval.secret_key` needs its `public_key`, which `syncline keys new` printed", range);
        }
        let mut secret_key = section.secret_key;
        if let Some(Secret::File(path)) = &mut secret_key {
            Config::resolve(folder, path);
        }
        Some(Approval {
            people,
            required,
            second_person: section.second_person.unwrap_or(true),
            needed,
            days: section.days.unwrap_or(7),
            installation,
            secret_key,
        })
    }

    fn public_key(&mut self, what: &str, text: &Spanned<String>) -> Option<PublicKey> {
        match PublicKey::parse(text.get_ref()) {
            Ok(key) => Some(key),
            Err(error) => {
                self.problem(format!("`approval.{what}` {error}"), text.span());
                None
            }
        }
    }
}

impl Approval {
    /// The person whose key has this number.
    pub fn person_with(&self, key_id: &str) -> Option<(&str, &PublicKey)> {
        self.people.iter().find(|(_, key)| key.id() == key_id).map(|(name, key)| (name.as_str(), key))
    }
}
