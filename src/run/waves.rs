//! The order of an export: a value is released before somebody else claims it.

use std::collections::BTreeMap;

use super::RunError;
use super::export::{ExportReport, item_of, refusals};
use super::session::Session;
use crate::connector::{TenantFacts, graph};
use crate::connector_space::{ConnectorObject, ExportState, ObjectId, Operation};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::value::{AttributeName, Value};

/// Sorts what is due so that a value is released before somebody else claims it; deletions that release nothing last.
pub(super) fn sort(
    session: &mut Session,
    connector: &str,
    facts: &TenantFacts,
    report: &mut ExportReport,
) -> Result<Vec<Vec<ObjectId>>, RunError> {
    let mut depths: BTreeMap<ObjectId, usize> = BTreeMap::new();
    let mut refused = Vec::new();
    let mut deletions = Vec::new();
    let mut after = None;
    let draft = session.store.draft();
    loop {
        let ids = draft.exports(connector, after, 2_000)?;
        for id in &ids {
            let Some(object) = draft.object(*id)? else { continue };
            if item_of(&object).is_none() {
                continue;
            }
            let wrong = refusals(&object, facts);
            if !wrong.is_empty() {
                refused.push((object, wrong.join("; ")));
                continue;
            }
            if object.export.as_ref().is_some_and(|export| export.operation == Operation::Delete) {
                deletions.push(*id);
            } else {
                let mut path = Vec::new();
                depth(&draft, &object, &mut depths, &mut path)?;
            }
        }
        match ids.last() {
            Some(last) => after = Some(*last),
            None => break,
        }
    }
    drop(draft);
    for (object, why) in refused {
        let who = format!("{} `{}`", object.object_type, object.title());
        fail(session, object, "invalid", &why)?;
        report.refuse(who, why);
    }
    let mut waves: Vec<Vec<ObjectId>> = Vec::new();
    for (id, depth) in depths {
        if waves.len() <= depth {
            waves.resize(depth + 1, Vec::new());
        }
        if let Some(wave) = waves.get_mut(depth) {
            wave.push(id);
        }
    }
    deletions.retain(|id| !waves.iter().any(|wave| wave.binary_search(id).is_ok()));
    waves.push(deletions);
    Ok(waves)
}

/// How many objects must be written before this one: the longest chain of holders of values that it claims.
fn depth(
    draft: &Draft<'_>,
    object: &ConnectorObject,
    depths: &mut BTreeMap<ObjectId, usize>,
    path: &mut Vec<ObjectId>,
) -> Result<usize, RunError> {
    if let Some(known) = depths.get(&object.id) {
        return Ok(*known);
    }
    if path.contains(&object.id) || path.len() > 32 {
        // Two people who swap names: the directory will refuse one, and the next run finds the name free.
        return Ok(0);
    }
    path.push(object.id);
    let mut deepest = 0;
    for name in graph::unique_attributes(&object.object_type) {
        let name = AttributeName::from(*name);
        let change = object.export.as_ref().and_then(|export| export.changes.get(&name)).filter(|change| !change.sent);
        for value in change.iter().flat_map(|change| &change.values) {
            for holder in draft.find_object(&object.connector, &name, &value.folded(), 8)? {
                let Some(holder) =
                    draft.object(holder)?.filter(|holder| holder.id != object.id && releases(holder, &name, value))
                else {
                    continue;
                };
                deepest = deepest.max(depth(draft, &holder, depths, path)? + 1);
            }
        }
    }
    path.pop();
    depths.insert(object.id, deepest);
    Ok(deepest)
}

/// Whether an object holds a value in the target and is about to give it up.
fn releases(holder: &ConnectorObject, name: &AttributeName, value: &Value) -> bool {
    let holds = holder.image.get(name).is_some_and(|values| values.iter().any(|held| held.folded() == value.folded()));
    let Some(export) = holder.export.as_ref().filter(|export| export.is_due()) else { return false };
    holds && (export.operation == Operation::Delete || export.changes.contains_key(name))
}

fn fail(session: &mut Session, mut object: ConnectorObject, code: &str, message: &str) -> Result<(), RunError> {
    if let Some(export) = &mut object.export {
        export.state = ExportState::Failed { code: code.to_owned(), message: message.to_owned() };
    }
    let mut draft = session.store.draft();
    draft.put_object(&object)?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
}
