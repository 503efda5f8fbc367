//! Whether rules that somebody saved are taken by themselves: what they would export is compared with what waits already,
//! on a draft. Saving a file never deletes by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::affected::Basis;
use super::session::Session;
use super::synchronise;
use super::{Progress, RunError, guard};
use crate::connector_space::{Export, ObjectId};
use crate::rules::RuleSet;
use crate::store::Draft;
use crate::sync::ledger::View;

/// What became of rules that were saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adoption {
    /// They are in use from now on.
    Taken,
    /// They wait for `syncline rules accept`.
    Waits {
        /// Why.
        why: String,
        /// Objects that they would export.
        objects: usize,
        /// Deletions, disablements and new anchors among these.
        dangers: usize,
    },
    /// They do not fit what the directories say of their attributes.
    Unfit {
        /// What is wrong, as `check` shows it.
        problems: Vec<String>,
    },
}

/// Makes sure that this cycle imports what the rules will need.
pub(super) fn prepare(session: &mut Session, candidate: &RuleSet) -> Result<Option<Adoption>, RunError> {
    match session.expect_rules(candidate) {
        Ok(()) => Ok(None),
        Err(error) => unfit(error).map(Some),
    }
}

fn unfit(error: RunError) -> Result<Adoption, RunError> {
    match error {
        RunError::Rules(problems) => {
            Ok(Adoption::Unfit { problems: problems.iter().map(|problem| problem.render(false)).collect() })
        }
        other => Err(other),
    }
}

/// Takes the rules if they may be taken.
pub(super) fn decide(
    session: &mut Session,
    candidate: &RuleSet,
    progress: &dyn Progress,
) -> Result<Adoption, RunError> {
    let accepted: Option<String> = session.store.draft().fact("accepted")?;
    let before = match session.take_rules(candidate) {
        Ok(before) => before,
        Err(error) => return unfit(error),
    };
    if accepted.as_deref() == Some(candidate.fingerprint()) {
        session.expected = None;
        return Ok(Adoption::Taken);
    }
    let judged = judge(session, progress);
    if matches!(judged, Ok(Adoption::Taken)) {
        session.expected = None;
    } else {
        session.take_rules(&before)?;
    }
    judged
}

fn judge(session: &Session, progress: &dyn Progress) -> Result<Adoption, RunError> {
    let old: Basis = session.store.draft().fact("basis")?.unwrap_or_default();
    let now = session.rules.linking();
    let vanished: Vec<&str> = old.linking.difference(&now).map(String::as_str).collect();
    if !vanished.is_empty() {
        let why = format!("rules that joined, projected or provisioned are gone: {}", vanished.join(", "));
        return Ok(Adoption::Waits { why, objects: 0, dangers: 0 });
    }
    let (sources, targets) = (session.sources()?, session.targets()?);
    let mut draft = session.store.draft();
    let mut known = BTreeMap::new();
    let mut edges = 0;
    for name in targets.keys() {
        known.extend(due(&draft, name)?);
    }
    edges += due_references(&draft)?;
    let report = synchronise::on_draft(session, &mut draft, (&sources, &targets), progress)?;
    let mut changed = 0;
    let mut dangers = 0;
    for name in targets.keys() {
        for (id, export) in due(&draft, name)? {
            if known.get(&id) == Some(&export) {
                continue;
            }
            changed += 1;
            let object = draft.object(id)?;
            dangers += usize::from(object.is_some_and(|object| guard::danger(&object).is_some()));
        }
    }
    let objects = changed + due_references(&draft)?.saturating_sub(edges);
    let below = session.config.reload.apply_below;
    let why = if dangers > 0 {
        format!("{dangers} objects would be deleted, disabled or given another anchor")
    } else if objects >= below {
        format!("{objects} objects would change, and only fewer than {below} are changed by themselves")
    } else if report.errors.len() > old_errors(session)? {
        format!("{} objects could not be synchronised with them", report.errors.len())
    } else {
        return Ok(Adoption::Taken);
    };
    Ok(Adoption::Waits { why, objects, dangers })
}

/// Objects that are in an error already.
fn old_errors(session: &Session) -> Result<usize, RunError> {
    let draft = session.store.draft();
    Ok(draft.object_queue(None, usize::MAX)?.len() + draft.metaverse_queue(None, usize::MAX)?.len())
}

fn due(draft: &Draft<'_>, connector: &str) -> Result<BTreeMap<ObjectId, Export>, RunError> {
    let mut found = BTreeMap::new();
    draft.each_export(connector, |object| {
        if let Some(export) = object.export.filter(Export::is_due) {
            found.insert(object.id, export);
        }
    })?;
    Ok(found)
}

fn due_references(draft: &Draft<'_>) -> Result<usize, RunError> {
    let mut count = 0;
    let mut after = None;
    loop {
        let keys = draft.edge_exports(after.as_ref(), 5_000)?;
        for (from, attribute, to) in &keys {
            count += usize::from(draft.edge(*from, attribute, *to)?.is_due());
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(count),
        }
    }
}
