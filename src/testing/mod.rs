//! Unit tests for rules: objects in, and what rules make of them. Test files are TOML beside the rules; nothing is read
//! but these, nothing is written, and no directory is needed.
//!
//! Reading order: [`file`] (what stands in a test file), [`world`] (a small world in memory for each test),
//! [`looking`] (what came of it), this file (running them, and what they touched), [`mutants`] (what the tests do not notice).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::rules::{Coverage, Covered, RuleSet, Schemas};

pub mod bless;
mod file;
mod looking;
pub mod mutants;
mod world;

use file::TestFile;
use world::World;

/// What came of one test.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The file, relative to the folder of tests.
    pub file: String,
    /// The name of the test.
    pub name: String,
    /// Everything that is not as expected; nothing when the test passes.
    pub mismatches: Vec<Mismatch>,
    /// How long it took, in microseconds.
    pub microseconds: u64,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mismatch {
    /// `person.displayName`, `entra.accountEnabled`, `scope of in-from-ad-user`.
    pub what: String,
    /// What the test says.
    pub wanted: String,
    /// What is.
    pub got: String,
    /// The rule and line that gave it.
    pub from: Option<String>,
    /// What `--bless` writes; nothing for what cannot be expected.
    #[serde(skip)]
    fix: Option<bless::Fix>,
}

/// What tests touched of one rule.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Touched {
    /// Some test had an object in its scope.
    pub in_scope: bool,
    /// Some test had an object out of its scope; true for rules without `scope`.
    pub out_of_scope: bool,
    /// Attributes for which it gave a value in some test.
    pub flowed: BTreeSet<String>,
    /// Attributes that it writes, and never gave a value for.
    pub never_flowed: BTreeSet<String>,
}

/// Everything that came of a folder of tests.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// One a test.
    pub outcomes: Vec<Outcome>,
    /// By rule.
    pub touched: BTreeMap<String, Touched>,
    /// By file, where it was asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub covered: BTreeMap<String, Covered>,
}

impl Report {
    /// Tests that fail.
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !outcome.mismatches.is_empty()).count()
    }
}

/// Runs the tests of a folder whose file or name holds one of the filters; all without filters. `covering` counts which
/// lines and branches the rules evaluate, too.
///
/// # Errors
/// What is wrong with the test files.
pub fn run(
    rules: &RuleSet,
    schemas: &Schemas,
    folder: &Path,
    filters: &[String],
    covering: bool,
) -> Result<Report, Vec<Diagnostic>> {
    let coverage = covering.then(Coverage::default);
    let files = read(rules, schemas, folder)?;
    let mut report = Report::default();
    for rule in rules.rules() {
        let touched = Touched { out_of_scope: !rule.has_scope(), ..Touched::default() };
        report.touched.insert(rule.name.clone(), touched);
    }
    for file in &files {
        let name = file.path.strip_prefix(folder).unwrap_or(&file.path).display().to_string();
        for test in &file.tests {
            if !is_wanted(filters, &name, &test.name) {
                continue;
            }
            let begun = std::time::Instant::now();
            let mismatches = World::new(rules, schemas, file, coverage.as_ref()).check(test, &mut report.touched);
            let microseconds = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            report.outcomes.push(Outcome { file: name.clone(), name: test.name.clone(), mismatches, microseconds });
        }
    }
    for rule in rules.rules() {
        let Some(touched) = report.touched.get_mut(&rule.name) else { continue };
        let writes = rule.footprint.writes.keys().map(ToString::to_string);
        touched.never_flowed = writes.filter(|name| !touched.flowed.contains(name)).collect();
    }
    report.covered = coverage.map(|coverage| rules.covered(&coverage)).unwrap_or_default();
    Ok(report)
}

/// Reads all test files.
fn read(rules: &RuleSet, schemas: &Schemas, folder: &Path) -> Result<Vec<TestFile>, Vec<Diagnostic>> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in test_files(folder)? {
        match TestFile::read(&path, rules, schemas) {
            Ok(file) => files.push(file),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

fn is_wanted(filters: &[String], file: &str, name: &str) -> bool {
    let holds = |filter: &String| file.contains(filter.as_str()) || name.contains(filter.as_str());
    filters.is_empty() || filters.iter().any(holds)
}

/// Whether some test fails; the ones after it are not run.
fn any_fails(rules: &RuleSet, schemas: &Schemas, files: &[TestFile]) -> bool {
    let mut touched = BTreeMap::new();
    files.iter().any(|file| {
        let mut tests = file.tests.iter();
        tests.any(|test| !World::new(rules, schemas, file, None).check(test, &mut touched).is_empty())
    })
}

/// `*.toml` in the folder, in order.
fn test_files(folder: &Path) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let unreadable = |error: std::io::Error| {
        let problem = Diagnostic::error("E005", format!("cannot read `{}`: {error}", folder.display()));
        vec![problem.hint("tests of rules are TOML files in the folder `tests` beside them")]
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
