//! Where rules lie: a folder, and perhaps another that it lies over. Files of one name replace those below.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tables;
use crate::diagnostic::{Diagnostic, SourceText};

/// The folders of a set. In each: `*.rhai`, `lib/*.rhai`, `tables/*.csv` and `tables/*.toml`; other files, and hidden
/// ones, are left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The organisation's own.
    pub own: PathBuf,
    /// What it lies over, such as the rules that ship.
    pub below: Option<PathBuf>,
}

/// A file that replaces another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The file in the own folder.
    pub own: SourceText,
    /// The file of that name below.
    pub below: SourceText,
}

impl Folders {
    /// One folder.
    pub fn one(own: &Path) -> Folders {
        Folders { own: own.to_path_buf(), below: None }
    }

    /// Reads the files, sorted by path.
    ///
    /// # Errors
    /// `E001` when a folder or a file cannot be read, `E002` when there are no rules, `E007` for a rule in a folder below.
    pub fn read(&self) -> Result<Vec<SourceText>, Vec<Diagnostic>> {
        let mut files = BTreeMap::new();
        for folder in self.below.iter().chain([&self.own]) {
            files.extend(read(folder)?);
        }
        if files.is_empty() {
            let nothing = Diagnostic::error("E002", format!("there are no rules in `{}`", self.own.display()));
            return Err(vec![nothing.hint("a rule is a file that ends in `.rhai`")]);
        }
        let mut files: Vec<SourceText> = files.into_values().collect();
        files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(files)
    }

    /// The files of the own folder that replace others.
    ///
    /// # Errors
    /// As [`Folders::read`].
    pub fn replacements(&self) -> Result<Vec<Replacement>, Vec<Diagnostic>> {
        let Some(below) = &self.below else { return Ok(Vec::new()) };
        let mut below = read(below)?;
        let own = read(&self.own)?.into_iter();
        Ok(own.filter_map(|(name, own)| Some(Replacement { own, below: below.remove(&name)? })).collect())
    }
}

/// The files of a folder by their name in it.
fn read(folder: &Path) -> Result<BTreeMap<PathBuf, SourceText>, Vec<Diagnostic>> {
    let mut files = BTreeMap::new();
    let unreadable = |path: &Path, error: &std::io::Error| {
        let problem = Diagnostic::error("E001", format!("cannot read `{}`: {error}", path.display()));
        if path == folder {
            return vec![problem.hint("`[rules] folder` in the configuration says where the rules are")];
        }
        vec![problem]
    };
    for part in [folder.to_path_buf(), folder.join("lib"), folder.join(tables::FOLDER)] {
        if part != folder && !part.is_dir() {
            continue;
        }
        let entries = std::fs::read_dir(&part).map_err(|error| unreadable(&part, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(&part, &error))?.path();
            if part == folder && path.is_dir() {
                astray(&path)?;
            }
            if !is_rule_file(&path) {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            let name = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
            files.insert(name, SourceText { path, text });
        }
    }
    Ok(files)
}

fn is_rule_file(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let is_rule = path.extension().is_some_and(|extension| extension == "rhai");
    !hidden && (is_rule || tables::is_table(path)) && path.is_file()
}

/// A rule that lies where nobody reads it looks like one that was taken away.
fn astray(folder: &Path) -> Result<(), Vec<Diagnostic>> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // What has tests of its own is another set of rules.
    if name == "lib" || name.starts_with('.') || folder.join("tests").is_dir() {
        return Ok(());
    }
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut rules: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "rhai")).collect();
    rules.sort();
    match rules.first() {
        None => Ok(()),
        Some(rule) => {
            let problem = Diagnostic::error("E007", format!("`{}` is not read", rule.display()));
            Err(vec![problem.hint(
                "rules lie in the rules folder itself, helpers in `lib/`; a folder that begins with a dot is left alone",
            )])
        }
    }
}
