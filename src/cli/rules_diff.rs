//! `syncline rules diff`: where the own rules depart from those that they lie over, and what has changed since the last
//! run, such as by an upgrade.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use similar::TextDiff;

use super::output::{print, print_json, say};
use super::{Exit, Format};
use crate::config::Config;
use crate::diagnostic::SourceText;
use crate::run::RunError;
use crate::run::rules_in_use;
use crate::run::session::folders;

/// One file in two versions.
#[derive(Serialize)]
struct Difference {
    /// `in-from-ad-user.rhai`
    name: String,
    /// `replaced`: ours instead of the one below. `changed`, `new`, `gone`: since the last run.
    kind: &'static str,
    /// Where the first version is.
    before: String,
    /// Where the second is.
    after: String,
    /// As `diff -u` shows it.
    diff: String,
}

pub(super) fn run(config: &Config, format: Format) -> Result<Exit, RunError> {
    let folders = folders(config);
    let mut differences = Vec::new();
    for replacement in folders.replacements().map_err(RunError::Rules)? {
        differences.push(difference("replaced", Some(&replacement.below), Some(&replacement.own)));
    }
    let kept = rules_in_use::kept_files(&config.store_folder);
    if let Some(kept) = &kept {
        let now = folders.read().map_err(RunError::Rules)?;
        let (before, after) = (by_name(kept), by_name(&now));
        for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
            let (old, new) = (before.get(name).copied(), after.get(name).copied());
            let kind = match (old, new) {
                (Some(old), Some(new)) if old.text == new.text => continue,
                (Some(_), Some(_)) => "changed",
                (None, _) => "new",
                (Some(_), None) => "gone",
            };
            differences.push(difference(kind, old, new));
        }
    }
    if format == Format::Json {
        print_json(&differences);
        return Ok(Exit::Success);
    }
    tell(&differences, kept.is_some());
    Ok(Exit::Success)
}

fn tell(differences: &[Difference], ran: bool) {
    for difference in differences {
        print(&match difference.kind {
            "replaced" => format!("{}   replaces {}", difference.after, difference.before),
            "changed" => format!("{}   has changed since the last run", difference.after),
            "new" => format!("{}   is new since the last run", difference.after),
            _ => format!("{}   was there in the last run, and is gone", difference.name),
        });
        print(difference.diff.trim_end());
        print("");
    }
    match (differences.is_empty(), ran) {
        (true, true) => say("nothing is replaced, and nothing has changed since the last run"),
        (_, false) => say("no run has left its rules here yet, so there is nothing to compare with"),
        (false, true) => say("what it does to whom: `syncline plan`"),
    }
}

/// By what a rule is called, with its folder if it has one.
fn by_name(files: &[SourceText]) -> BTreeMap<String, &SourceText> {
    files.iter().map(|file| (name(&file.path), file)).collect()
}

fn name(path: &Path) -> String {
    let part = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match path.parent().map(part) {
        Some(folder) if folder == "lib" || folder == "tables" => format!("{folder}/{}", part(path)),
        _ => part(path),
    }
}

fn difference(kind: &'static str, before: Option<&SourceText>, after: Option<&SourceText>) -> Difference {
    let path = |file: Option<&SourceText>| file.map_or(String::new(), |file| file.path.display().to_string());
    let text = |file: Option<&SourceText>| file.map_or(String::new(), |file| file.text.clone());
    let (old, new) = (text(before), text(after));
    let diff = TextDiff::from_lines(&old, &new).unified_diff().context_radius(2).to_string();
    let name = after.or(before).map(|file| name(&file.path)).unwrap_or_default();
    Difference { name, kind, before: path(before), after: path(after), diff }
}
