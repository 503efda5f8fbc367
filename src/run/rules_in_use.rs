//! The rules in use, beside the store: their text, so that a restart goes on with them while the folder is broken, and how
//! they stand, for those who ask while a run has the store.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::diagnostic::SourceText;
use crate::rules::{Compiled, Folders, RuleSet, Settings};
use crate::store::private_folder;

/// How rules stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesStatus {
    /// The set in use.
    pub in_use: Option<InUse>,
    /// A set that was saved and waits to be accepted.
    pub waiting: Option<Waiting>,
    /// What was saved last does not compile, or does not fit: as `check` shows it.
    pub refused: Option<Refused>,
}

/// The rules in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InUse {
    /// Which.
    pub fingerprint: String,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// How many.
    pub rules: usize,
}

/// Rules that wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Which.
    pub fingerprint: String,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// Why.
    pub why: String,
    /// Somebody has accepted them: the process that serves takes them at once.
    #[serde(default)]
    pub accepted: bool,
}

/// Rules that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// What is wrong, as `check` shows it.
    pub problems: Vec<String>,
}

const STATUS: &str = "rules.json";
const KEPT: &str = "rules-in-use";

/// How rules stand, if Syncline has been serving from this folder.
pub fn status(store_folder: &Path) -> Option<RulesStatus> {
    let text = std::fs::read_to_string(store_folder.join(STATUS)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Tells the process that serves, if there is one, that what waits was accepted.
///
/// # Errors
/// When the file cannot be written.
pub fn tell_accepted(store_folder: &Path, fingerprint: &str) -> std::io::Result<()> {
    let Some(mut status) = status(store_folder) else { return Ok(()) };
    match &mut status.waiting {
        Some(waiting) if waiting.fingerprint == fingerprint => waiting.accepted = true,
        Some(_) | None => return Ok(()),
    }
    write_status(store_folder, &status)
}

/// Writes how rules stand, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_status(store_folder: &Path, status: &RulesStatus) -> std::io::Result<()> {
    private_folder(store_folder)?;
    let text = serde_json::to_string_pretty(status).map_err(std::io::Error::other)?;
    let fresh = store_folder.join(format!("{STATUS}.new"));
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, store_folder.join(STATUS))
}

/// Keeps the text of a set, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn keep(store_folder: &Path, rules: &RuleSet) -> std::io::Result<()> {
    let (fresh, kept) = (store_folder.join(format!("{KEPT}.new")), store_folder.join(KEPT));
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh)?;
    }
    for folder in ["lib", "tables"] {
        std::fs::create_dir_all(fresh.join(folder))?;
    }
    for source in rules.sources() {
        let names: Vec<_> = source.path.iter().rev().take(2).collect();
        let (Some(name), parent) = (names.first(), names.get(1)) else { continue };
        let place: PathBuf = match parent.and_then(|parent| parent.to_str()) {
            Some(folder @ ("lib" | "tables")) => fresh.join(folder),
            _ => fresh.clone(),
        };
        std::fs::write(place.join(name), &source.text)?;
    }
    if kept.exists() {
        std::fs::remove_dir_all(&kept)?;
    }
    std::fs::rename(fresh, kept)
}

/// The files that were kept, if there are any.
pub fn kept_files(store_folder: &Path) -> Option<Vec<SourceText>> {
    let folder = store_folder.join(KEPT);
    folder.is_dir().then(|| Folders::one(&folder).read().ok()).flatten()
}

/// The set that was kept, if there is one.
pub fn kept(store_folder: &Path, settings: &Settings) -> Option<Compiled> {
    let folder = store_folder.join(KEPT);
    if !folder.is_dir() {
        return None;
    }
    // All of it was accepted, rules for connectors that are not configured too.
    let loaded = RuleSet::load(&Folders::one(&folder), settings.clone());
    Some(loaded.map(|(set, findings)| (set.lying_over(Some(&folder)), findings)))
}
