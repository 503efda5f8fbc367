//! Writes into test files what is, where it is not what they expect; a test that expects nothing yet gets all of it.
//! Comments and the order of everything else stay.

use std::path::{Path, PathBuf};

use serde::Serialize;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value as Toml};

use super::file::TestFile;
use super::world::World;
use crate::diagnostic::Diagnostic;
use crate::rules::{RuleSet, Schemas};
use crate::value::{Value, Values};

/// One place of a test's expectations, and what stands there from now on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fix {
    /// Which of its expectations.
    pub(super) expectation: usize,
    /// `scope`, `person`, or a target.
    pub(super) section: String,
    /// The rule or attribute; nothing where the section itself says whether the object is there.
    pub(super) name: Option<String>,
    /// What is; nothing is written as `false`.
    pub(super) values: Values,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Blessed {
    /// The file, relative to the folder of tests.
    pub file: String,
    /// The name of the test.
    pub name: String,
    /// How many expectations are others now.
    pub written: usize,
    /// What is not as expected and cannot be written down: errors.
    pub left: usize,
}

/// Runs the tests of a folder and writes what is into those that fail.
///
/// # Errors
/// What is wrong with the test files, or that one cannot be written.
pub fn run(
    rules: &RuleSet,
    schemas: &Schemas,
    folder: &Path,
    filters: &[String],
) -> Result<Vec<Blessed>, Vec<Diagnostic>> {
    let mut all = Vec::new();
    for file in super::read(rules, schemas, folder)? {
        let unusable =
            |problem: String| vec![Diagnostic::error("E005", format!("`{}`: {problem}", file.path.display()))];
        let text = std::fs::read_to_string(&file.path).map_err(|error| unusable(error.to_string()))?;
        let mut document: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| unusable(error.to_string()))?;
        let blessed = bless(rules, schemas, &file, folder, filters, &mut document);
        if blessed.iter().any(|one| one.written > 0) {
            write(&file.path, &document.to_string()).map_err(|error| unusable(error.to_string()))?;
        }
        all.extend(blessed);
    }
    Ok(all)
}

fn bless(
    rules: &RuleSet,
    schemas: &Schemas,
    file: &TestFile,
    folder: &Path,
    filters: &[String],
    document: &mut DocumentMut,
) -> Vec<Blessed> {
    let name = file.path.strip_prefix(folder).unwrap_or(&file.path).display().to_string();
    let mut blessed = Vec::new();
    for (at, test) in file.tests.iter().enumerate().filter(|(_, test)| super::is_wanted(filters, &name, &test.name)) {
        let mut touched = Default::default();
        let fixes: Vec<Option<Fix>> = World::new(rules, schemas, file, None).fixes(test, &mut touched);
        let table = document.get_mut("test").and_then(Item::as_array_of_tables_mut).and_then(|tests| tests.get_mut(at));
        let Some(table) = table.filter(|_| !fixes.is_empty()) else { continue };
        let written = fixes.iter().flatten().filter(|fix| put(table, fix).is_some()).count();
        let left = fixes.len() - written;
        blessed.push(Blessed { file: name.clone(), name: test.name.clone(), written, left });
    }
    blessed
}

fn put(test: &mut Table, fix: &Fix) -> Option<()> {
    let expectations = test.entry("expect").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let expectations = expectations.as_array_of_tables_mut()?;
    if expectations.is_empty() {
        expectations.push(Table::new());
    }
    let expectation = expectations.get_mut(fix.expectation)?;
    let Some(name) = &fix.name else {
        expectation.insert(&fix.section, Item::Value(toml(&fix.values)));
        return Some(());
    };
    let section = expectation.entry(&fix.section).or_insert_with(|| {
        if fix.section == "scope" { Item::Value(InlineTable::new().into()) } else { Item::Table(Table::new()) }
    });
    if !section.is_table_like() {
        *section = Item::Table(Table::new());
    }
    section.as_table_like_mut()?.insert(name, Item::Value(toml(&fix.values)));
    Some(())
}

/// Values as test files write them.
fn toml(values: &Values) -> Toml {
    let one = |value: &Value| match value {
        Value::Integer(number) => Toml::from(*number),
        Value::Boolean(flag) => Toml::from(*flag),
        Value::Bytes(_) => Toml::from(format!("base64:{value}")),
        Value::Text(_) | Value::Time(_) | Value::Password(_) => Toml::from(value.to_string()),
    };
    match values.as_slice() {
        [] => Toml::from(false),
        [value] => one(value),
        values => Toml::Array(values.iter().map(one).collect::<Array>()),
    }
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, path)
}
