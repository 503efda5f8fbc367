//! What a target holds against what the rules would make of the sources: everything on a draft, nothing written. Objects
//! that must not be written, such as those of Microsoft's client, are compared like all others.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value as Json;

use super::plan::PlanLine;
use super::session::Session;
use super::{Progress, RunError, import, synchronise};
use crate::store::Draft;
use crate::sync::ledger::Ledger;
use crate::value::AttributeName;
use lost::Lost;
use reading::Reading;

pub mod lost;
mod reading;
mod references;
mod verdict;

/// How many people are made due at a time.
const BATCH: usize = 2_000;

/// A whole comparison.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// The target.
    pub connector: String,
    /// The rules.
    pub rules: String,
    /// What it comes to, in a sentence.
    pub verdict: String,
    /// Whether the rules would change nothing of what is there, and everybody could be asked.
    pub safe: bool,
    /// Objects that are as the rules make them.
    pub same: usize,
    /// Objects that the rules would make otherwise.
    pub different: Vec<Different>,
    /// What the rules would make and is not there.
    pub missing: Vec<Whole>,
    /// How many of these are there under the same name, and no rule knows them.
    pub twice: usize,
    /// What is there because of a rule that does not hold any more, and why.
    pub leaving: Vec<Whole>,
    /// What looks like somebody's and waits for `adopt`, and by what.
    pub proposed: Vec<Whole>,
    /// What is there, and no rule has to do with.
    pub unknown: Vec<Whole>,
    /// How many values differ, attribute by attribute and object by object.
    pub values: usize,
    /// How many of them in letter case alone.
    pub letter_case: usize,
    /// Objects that differ because of each rule, most first.
    pub by_rule: Vec<(String, usize)>,
    /// How often each attribute differs, most often first.
    pub by_attribute: Vec<ByAttribute>,
    /// Differences that look alike, in the order of `by_attribute`.
    pub alike: Vec<Alike>,
    /// What goes when Microsoft's client goes; nothing where it has no object.
    pub lost: Option<Lost>,
    /// Objects that could not be evaluated, and why.
    pub errors: Vec<(String, String)>,
}

/// One object that the rules would make otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Different {
    /// What people call it.
    pub name: String,
    /// Its id in the directory.
    pub id: String,
    /// `user`, `group`.
    pub object_type: String,
    /// Attribute by attribute.
    pub values: Vec<DifferentValue>,
}

/// One object of which there is nothing to compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Whole {
    /// What people call it.
    pub name: String,
    /// Its id in the directory; nothing while it is not there.
    pub id: String,
    /// `user`, `group`.
    pub object_type: String,
    /// Why.
    pub reason: String,
}

/// One attribute that the rules would make otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DifferentValue {
    /// Which.
    pub attribute: String,
    /// The rule; nothing for what is left alone.
    pub rule: String,
    /// Its line; 0 where it is no line that says so.
    pub line: u32,
    /// What is there; of references, the first of those that would go.
    pub there: Json,
    /// What the rules make; of references, the first of those that would come.
    pub ours: Json,
    /// How many references would go and come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub references: Option<Counts>,
    /// Why it is left as it is, though the rules want something else.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub held: String,
    /// Its place among what is alike.
    #[serde(skip)]
    pub alike: usize,
}

/// How many references differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Those that would go, or stay though no rule wants them.
    pub go: usize,
    /// Those that would come.
    pub come: usize,
}

impl DifferentValue {
    /// The rule and its line: `out-to-entra-user:33`.
    pub fn from(&self) -> String {
        from(&self.rule, self.line)
    }

    /// What the references do that are there and not ours.
    pub fn goes(&self) -> &'static str {
        if self.held.is_empty() { "would go" } else { "stay" }
    }
}

fn from(rule: &str, line: u32) -> String {
    if line == 0 { rule.to_owned() } else { format!("{rule}:{line}") }
}

/// One attribute that differs for many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ByAttribute {
    /// Which.
    pub attribute: String,
    /// The rule.
    pub rule: String,
    /// Its line.
    pub line: u32,
    /// How many differences.
    pub count: usize,
}

impl ByAttribute {
    /// The rule and its line: `out-to-entra-user:33`.
    pub fn from(&self) -> String {
        from(&self.rule, self.line)
    }

    /// Whether a difference is one of these.
    pub fn has(&self, alike: &Alike) -> bool {
        (&self.attribute, &self.rule, self.line) == (&alike.attribute, &alike.rule, alike.line)
    }
}

/// Differences of one attribute, by one line of one rule, that look alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alike {
    /// Which attribute.
    pub attribute: String,
    /// The rule.
    pub rule: String,
    /// Its line.
    pub line: u32,
    /// How they differ: `letter case only`, `*@contoso.com → *@contoso.example`.
    pub how: String,
    /// How many.
    pub count: usize,
    /// One of the objects.
    pub example: String,
    /// How it differs.
    pub value: DifferentValue,
}

/// Reads all directories, if `read`, and compares one of them.
///
/// # Errors
/// When a directory could not be used, the store fails, or somebody pressed Ctrl-C.
pub fn make(
    session: &mut Session,
    connector: &str,
    read: bool,
    progress: &dyn Progress,
) -> Result<Comparison, RunError> {
    session.target_kind(connector)?;
    if read {
        read_all(session, progress)?;
    }
    let (sources, mut targets) = (session.sources()?, session.targets()?);
    if let Some(target) = targets.get_mut(connector) {
        target.protected = |_, _| None;
    }
    let mut draft = session.store.draft();
    mark_everybody(&mut draft)?;
    let report = synchronise::on_draft(session, &mut draft, (&sources, &targets), progress)?;
    let mut reading = Reading::of(references::due(&draft, connector)?);
    let imported: Option<BTreeMap<String, BTreeSet<AttributeName>>> = draft.fact(&format!("imported/{connector}"))?;
    let types = imported.unwrap_or_default();
    for object_type in session.directory(connector)?.object_types() {
        let mut added = Ok(());
        draft.each_object(connector, &object_type, |object| {
            if added.is_ok() {
                added = reading.add(&draft, &object);
            }
        })?;
        added?;
    }
    let names = (connector.to_owned(), session.rules.fingerprint().to_owned());
    Ok(reading.end(names, &types, report.errors))
}

/// Reads every directory, as a run does.
fn read_all(session: &mut Session, progress: &dyn Progress) -> Result<(), RunError> {
    let names: Vec<String> = session.config.connectors.iter().map(|(name, _)| name.clone()).collect();
    for name in &names {
        import::learn(session, name)?;
    }
    session.fit_rules(Vec::new())?;
    for name in &names {
        let report = import::run(session, name, progress)?;
        let shrunk = report.shrunk.iter().map(ToString::to_string);
        let why: Vec<String> = report.incomplete.iter().cloned().chain(shrunk).collect();
        if !why.is_empty() {
            let why = why.join("; ");
            return Err(RunError::Unknown(format!("the import of `{name}` is not complete: {why}")));
        }
    }
    Ok(())
}

/// Everybody is evaluated: what was decided while an object was protected says nothing.
fn mark_everybody(draft: &mut Draft<'_>) -> Result<(), RunError> {
    let mut after = None;
    loop {
        let ids = draft.all_metaverse(after, BATCH)?;
        for id in &ids {
            draft.mark_metaverse(*id)?;
        }
        match ids.last() {
            Some(last) => after = Some(*last),
            None => return Ok(()),
        }
    }
}
