//! The XML of `Get-ADSyncServerConfiguration`: a folder with a file for each rule and connector, or one of its files.
//!
//! Reading order: this file (which files, which roots), `tree`, `parse`, `rules`, `connectors`, `globals`, `schema`,
//! `parameters`, `mim`. Says what stands in the files; what it means is for others, and so is Rhai.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::export::{Export, Format, Place, Remark, Unreadable};
use super::text;
use tree::Element;

mod connectors;
mod globals;
mod mim;
mod parameters;
mod parse;
mod rules;
mod schema;
#[cfg(test)]
mod tests;
mod tree;

/// The folders of an export, and how the names of the files in them begin.
const PARTS: [(&str, &str); 3] =
    [("globalsettings", "mv"), ("connectors", "connector_"), ("synchronizationrules", "synchronizationrule_")];

/// In characters.
const LONGEST_SENTENCE: usize = 500;

/// The export in a folder, or in the one folder just below it that has one. Nothing where there is none.
pub(super) fn read_folder(folder: &Path) -> Result<Option<Export>, Unreadable> {
    let files = files_of(folder)?;
    if !files.is_empty() {
        return read_files(&files).map(Some);
    }
    let mut found = Vec::new();
    for below in entries(folder)?.into_iter().filter(|entry| entry.is_dir()) {
        let files = files_of(&below)?;
        if !files.is_empty() {
            found.push((below, files));
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [(_, files)] => read_files(files).map(Some),
        several => {
            let names: Vec<String> = several.iter().map(|(below, _)| format!("`{}`", below.display())).collect();
            let message = format!("there are several exports in it: {}", names.join(", "));
            Err(unreadable(folder, 1, message, "name one of them"))
        }
    }
}

/// What a file says. Nothing where it is not XML at all.
pub(super) fn read_text(text: &str, file: &Path) -> Result<Option<Export>, Unreadable> {
    let Some(root) = parse::parse(text, file)? else { return Ok(None) };
    let mut reading = Reading::new();
    reading.file = file.to_owned();
    reading.root(&root)?;
    Ok(Some(reading.finish()))
}

fn read_files(files: &[PathBuf]) -> Result<Export, Unreadable> {
    let mut reading = Reading::new();
    for file in files {
        let text = text::read(file)?;
        let Some(root) = parse::parse(&text, file)? else {
            return Err(unreadable(file, 1, "this is not XML".to_owned(), "is the copy of the export complete?"));
        };
        reading.file.clone_from(file);
        reading.root(&root)?;
    }
    Ok(reading.finish())
}

/// The files of an export: in the three folders, or side by side where somebody put them together.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let mut files = Vec::new();
    let all = entries(folder)?;
    for (part, begin) in PARTS {
        for entry in &all {
            let name = small_name(entry);
            if name == part && entry.is_dir() {
                files.extend(entries(entry)?.into_iter().filter(|file| is_xml(file) && file.is_file()));
            } else if name.starts_with(begin) && is_xml(entry) && entry.is_file() {
                files.push(entry.clone());
            }
        }
    }
    Ok(files)
}

fn is_xml(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml"))
}

/// Windows does not tell letter case apart, and who copies files may change it.
fn small_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let broken = |error: std::io::Error| Unreadable {
        place: Place { file: folder.to_owned(), line: 1 },
        message: format!("the folder cannot be read: {error}"),
        hint: None,
    };
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(broken)? {
        found.push(entry.map_err(broken)?.path());
    }
    found.sort();
    Ok(found)
}

fn unreadable(file: &Path, line: usize, message: String, hint: &str) -> Unreadable {
    let message = sentence(&message);
    Unreadable { place: Place { file: file.to_owned(), line }, message, hint: Some(hint.to_owned()) }
}

/// A message that can be shown, whatever names a file has: in one line, and not longer than one reads.
fn sentence(text: &str) -> String {
    let mut characters = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    let sentence: String = characters.by_ref().take(LONGEST_SENTENCE).collect();
    if characters.next().is_some() { sentence + "..." } else { sentence }
}

/// What files have said so far.
struct Reading {
    /// The file that is being read.
    file: PathBuf,
    export: Export,
    /// What may be odd in the same way in a hundred places: where first, and in how many.
    oddities: BTreeMap<String, (Place, usize)>,
}

impl Reading {
    fn new() -> Reading {
        let export = Export {
            format: Format::Xml,
            server: None,
            version: None,
            settings: BTreeMap::new(),
            metaverse: BTreeMap::new(),
            connectors: Vec::new(),
            rules: Vec::new(),
            remarks: Vec::new(),
        };
        Reading { file: PathBuf::new(), export, oddities: BTreeMap::new() }
    }

    fn place(&self, line: usize) -> Place {
        Place { file: self.file.clone(), line }
    }

    fn unreadable(&self, line: usize, message: String, hint: &str) -> Unreadable {
        unreadable(&self.file, line, message, hint)
    }

    fn remark(&mut self, line: usize, text: String) {
        let place = self.place(line);
        self.export.remarks.push(Remark { text: sentence(&text), place });
    }

    fn odd(&mut self, line: usize, text: String) {
        let place = self.place(line);
        self.oddities.entry(sentence(&text)).or_insert((place, 0)).1 += 1;
    }

    /// Tells of children that have something to say and are not known.
    fn tell_unknown(&mut self, element: &Element, known: &[&str]) {
        for child in &element.children {
            let silent = child.children.is_empty() && child.trimmed().is_empty();
            if !silent && !known.contains(&child.name.as_str()) {
                self.odd(child.line, format!("`<{}>` in `<{}>` is not known, and left out", child.name, element.name));
            }
        }
    }

    fn root(&mut self, root: &Element) -> Result<(), Unreadable> {
        if let Some(refusal) = mim::refusal(root) {
            let hint = "export the configuration of Entra Connect with `Get-ADSyncServerConfiguration -Path FOLDER`";
            return Err(self.unreadable(refusal.line, refusal.message, hint));
        }
        match root.name.as_str() {
            "synchronizationRule" => self.part(root),
            "SyncRules" => self.wrapped(root, "synchronizationRule"),
            "ma-data" => self.part(root),
            "saved-ma-configuration" => self.wrapped(root, "ma-data"),
            "mv-data" => self.part(root),
            "saved-mv-configuration" => self.wrapped(root, "mv-data"),
            "Objs" => {
                let message = "the root element `<Objs>` is that of `Export-Clixml`, which is not read".to_owned();
                Err(self.unreadable(root.line, message, "use `Get-ADSyncServerConfiguration -Path FOLDER`"))
            }
            other => {
                let message = format!("the root element `<{other}>` is none of an export of Entra Connect");
                let hint = "these are `<synchronizationRule>`, `<SyncRules>`, `<ma-data>`, `<saved-ma-configuration>`, \
                            `<mv-data>` and `<saved-mv-configuration>`";
                Err(self.unreadable(root.line, message, hint))
            }
        }
    }

    fn wrapped(&mut self, root: &Element, name: &str) -> Result<(), Unreadable> {
        if root.child(name).is_none() {
            let message = format!("there is no `<{name}>` in `<{}>`", root.name);
            return Err(self.unreadable(root.line, message, "is the file complete, and as it was exported?"));
        }
        if let Some(server) = root.attribute("server").filter(|server| !server.is_empty()) {
            self.export.server.get_or_insert_with(|| server.to_owned());
        }
        self.tell_unknown(root, &[name]);
        root.all(name).try_for_each(|element| self.part(element))
    }

    fn part(&mut self, element: &Element) -> Result<(), Unreadable> {
        match element.name.as_str() {
            "synchronizationRule" => {
                let rule = rules::read(self, element)?;
                self.export.rules.push(rule);
            }
            "ma-data" => {
                let connector = connectors::read(self, element)?;
                if self.export.connectors.iter().any(|other| other.id == connector.id) {
                    let text =
                        format!("the connector `{}` (`{}`) is there more than once", connector.name, connector.id);
                    self.remark(element.line, text);
                }
                self.export.connectors.push(connector);
            }
            _ => globals::read(self, element),
        }
        Ok(())
    }

    /// Puts the rules in order, and says at the end what is said of the whole.
    fn finish(mut self) -> Export {
        for (text, (place, times)) in std::mem::take(&mut self.oddities) {
            let text = if times == 1 { text } else { format!("{text} ({times} times, first here)") };
            self.export.remarks.push(Remark { text, place });
        }
        let Export { rules, remarks, .. } = &mut self.export;
        rules.sort_by(|a, b| {
            (a.precedence, &a.connector, &a.name, &a.id).cmp(&(b.precedence, &b.connector, &b.name, &b.id))
        });
        let mut seen = BTreeSet::new();
        for rule in rules.iter().filter(|rule| !rule.id.is_empty() && !seen.insert(rule.id.as_str())) {
            let text = format!("the rule `{}` has the id `{}`, which another rule has too", rule.name, rule.id);
            remarks.push(Remark { text, place: rule.place.clone() });
        }
        self.export
    }
}

/// A GUID in small letters without braces, for files write the same one in several ways. Other text stays as it is.
fn guid(text: &str) -> String {
    let text = text.trim();
    let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let shaped = bare.len() == NIL.len() && bare.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if shaped { bare.to_ascii_lowercase() } else { text.to_owned() }
}

/// The GUID that says "none".
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Yes or no, in the spellings of several writers; nothing said is no.
fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" | "" => Some(false),
        _ => None,
    }
}
