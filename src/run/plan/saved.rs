//! A plan as a file, and whether it still holds: a run that was told to do exactly this plan makes the same plan again
//! from what the directories show now, and does nothing if one line differs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Plan, TargetPlan};
use crate::run::RunError;
use crate::run::audit::sha256;

/// The version of the file.
const VERSION: u32 = 1;
/// More differences are counted, not listed.
const LISTED: usize = 20;

/// A plan that was kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    version: u32,
    /// The run that it undoes; nothing for a plan of what rules want.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<u64>,
    /// The fingerprint of its rules.
    pub rules: String,
    /// When it was made, in seconds since 1970.
    pub made: i64,
    /// SHA-256 over rules and lines, in hexadecimal digits.
    pub digest: String,
    /// By target and object, what is done: as `plan --format json` prints its lines.
    lines: BTreeMap<String, BTreeMap<String, Json>>,
}

/// What became of a plan since it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// How many objects differ.
    pub count: usize,
    /// The first of them, a sentence each.
    pub first: Vec<String>,
}

fn lines(plan: &Plan) -> Result<BTreeMap<String, BTreeMap<String, Json>>, RunError> {
    let mut all = BTreeMap::new();
    for (name, target) in &plan.targets {
        let mut of_target = BTreeMap::new();
        for line in &target.lines {
            let json = serde_json::to_value(line).map_err(|error| RunError::Unknown(error.to_string()))?;
            // What is held may be changed in other attributes, too: two lines of one object.
            of_target.insert(format!("{} {}", line.id, if line.kind == "held" { "held" } else { "" }), json);
        }
        all.insert(name.clone(), of_target);
    }
    Ok(all)
}

fn digest_of(rules: &str, lines: &BTreeMap<String, BTreeMap<String, Json>>) -> Result<String, RunError> {
    let text = serde_json::to_vec(&(VERSION, rules, lines)).map_err(|error| RunError::Unknown(error.to_string()))?;
    Ok(sha256(&text))
}

impl SavedPlan {
    /// Keeps a plan.
    ///
    /// # Errors
    /// When it is not complete.
    pub fn of(plan: &Plan, made: i64) -> Result<SavedPlan, RunError> {
        if !plan.incomplete.is_empty() {
            return Err(RunError::Unknown("a plan that is not complete cannot be kept".into()));
        }
        let lines = lines(plan)?;
        let digest = digest_of(&plan.rules, &lines)?;
        Ok(SavedPlan { version: VERSION, undo: None, rules: plan.rules.clone(), made, digest, lines })
    }

    /// Keeps what undoes a run.
    ///
    /// # Errors
    /// As [`SavedPlan::of`].
    pub fn of_undo(plan: &Plan, run: u64, made: i64) -> Result<SavedPlan, RunError> {
        let mut saved = SavedPlan::of(plan, made)?;
        saved.undo = Some(run);
        saved.digest = digest_of(&saved.subject(), &saved.lines)?;
        Ok(saved)
    }

    /// What the lines are about: the rules, and the run that is undone.
    fn subject(&self) -> String {
        match self.undo {
            Some(run) => format!("{} undo {run}", self.rules),
            None => self.rules.clone(),
        }
    }

    /// What a file of it holds.
    ///
    /// # Errors
    /// When a line cannot be written as text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RunError> {
        serde_json::to_vec(self).map_err(|error| RunError::Unknown(error.to_string()))
    }

    /// Reads what such a file holds.
    ///
    /// # Errors
    /// When it is no plan, or is not as it was written.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<SavedPlan, RunError> {
        let wrong = |why: String| RunError::Unknown(format!("`{}` {why}", path.display()));
        let saved: SavedPlan = serde_json::from_slice(bytes)
            .map_err(|error| wrong(format!("is no plan that `plan --out` wrote: {error}")))?;
        if saved.version != VERSION {
            return Err(wrong(format!("has version {}; this program reads {VERSION}", saved.version)));
        }
        if digest_of(&saved.subject(), &saved.lines)? != saved.digest {
            return Err(wrong("is not as it was written: its digest does not fit".into()));
        }
        Ok(saved)
    }

    /// What it would do to each target, counted.
    pub fn counts(&self) -> BTreeMap<&str, TargetPlan> {
        self.lines.iter().map(|(name, lines)| (name.as_str(), TargetPlan::counted(lines.values()))).collect()
    }

    /// What differs between this plan and one that was made now; nothing if it still holds.
    ///
    /// # Errors
    /// When a line cannot be compared.
    pub fn moved(&self, now: &Plan) -> Result<Moved, RunError> {
        let mut moved = Moved::default();
        if self.rules != now.rules {
            moved.tell(format!("the rules: the plan is of {}, here are {}", self.rules, now.rules));
        }
        let (now, none) = (lines(now)?, BTreeMap::new());
        let targets: std::collections::BTreeSet<&String> = self.lines.keys().chain(now.keys()).collect();
        for target in targets {
            let (was, is) = (self.lines.get(target).unwrap_or(&none), now.get(target).unwrap_or(&none));
            let objects: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for id in objects {
                match (was.get(id), is.get(id)) {
                    (Some(line), None) => moved.tell(format!("{target}: {} no longer", said(line))),
                    (None, Some(line)) => moved.tell(format!("{target}: {} is new", said(line))),
                    (Some(before), Some(after)) if before != after => {
                        moved.tell(format!("{target}: {} was planned otherwise", said(after)));
                    }
                    (Some(_), Some(_)) | (None, None) => {}
                }
            }
        }
        Ok(moved)
    }
}

impl TargetPlan {
    fn counted<'a>(lines: impl Iterator<Item = &'a Json>) -> TargetPlan {
        let mut counts = TargetPlan { live: true, ..TargetPlan::default() };
        for line in lines {
            let count = match line.get("kind").and_then(Json::as_str) {
                Some("delete") => Some(&mut counts.delete),
                Some("disable") => Some(&mut counts.disable),
                Some("create") => Some(&mut counts.create),
                Some("update") => Some(&mut counts.update),
                Some("refused") => Some(&mut counts.refused),
                Some("held") => Some(&mut counts.held),
                Some(_) | None => None,
            };
            if let Some(count) = count {
                *count += 1;
            }
            let number = |of: &Json, name: &str| of.get(name).and_then(Json::as_u64).unwrap_or(0);
            let references = line.get("references").and_then(Json::as_array).into_iter().flatten();
            let moved: u64 = references.map(|of| number(of, "added") + number(of, "removed")).sum();
            counts.references += usize::try_from(moved).unwrap_or(usize::MAX);
        }
        counts
    }
}

/// `update user `zoe@contoso.com``.
fn said(line: &Json) -> String {
    let text = |name: &str| line.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    format!("{} {} `{}`", text("kind"), text("object_type"), text("name"))
}

impl Moved {
    fn tell(&mut self, what: String) {
        self.count += 1;
        if self.first.len() < LISTED {
            self.first.push(what);
        }
    }
}
