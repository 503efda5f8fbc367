//! One stretch of objects: marked on disk, sent, and settled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::settling::settle;
use super::{ExportReport, item_of, writing};
use crate::change::Change;
use crate::connector::directory::Directory;
use crate::connector::{Anchor, ConnectorError, ExportAction, ExportItem, ExportOutcome};
use crate::connector_space::{ConnectorObject, ExportState, ObjectId};
use crate::run::RunError;
use crate::run::session::Session;
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::value::{AttributeName, Value};

/// How long whoever wants to stop waits for what was sent: for one answer, and not for a directory that says nothing any more.
const LAST_WORDS: Duration = Duration::from_secs(120);

/// Marks a stretch of objects on disk, sends it, and settles every outcome.
pub(super) fn export_objects(
    session: &mut Session,
    connector: &str,
    directory: &Arc<Directory>,
    ids: &[ObjectId],
    recycle_bin: &mut Option<RecycleBin>,
    report: &mut ExportReport,
) -> Result<(), RunError> {
    let mut items = Vec::with_capacity(ids.len());
    let dangling = session.target_kind(connector)?.leaves_dangling_references();
    let mut draft = session.store.draft();
    for id in ids {
        let Some(mut object) = draft.object(*id)? else { continue };
        let Some(mut item) = item_of(&object) else { continue };
        if report.full.is_some() && !is_restorable(&item, recycle_bin.as_ref()) {
            report.postponed += 1;
            continue;
        }
        if dangling && loses_its_name(&item) {
            item.known.referrers = referrers(&draft, &object)?;
        }
        let writing = writing(&object, &item);
        if let Some(export) = &mut object.export {
            let Ok(state) = export.state.next(ExportState::InFlight) else { continue };
            export.state = state;
        }
        draft.note(writing);
        if matches!(item.action, ExportAction::Delete { .. }) {
            note_dropped_references(&mut draft, &object)?;
        }
        draft.put_object(&object)?;
        items.push(item);
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.store.checkpoint()?;
    let items = restore_deleted(session, connector, directory, items, recycle_bin)?;
    let outcomes = send(session, connector, directory, items.clone())?;
    let mut draft = session.store.draft();
    for (item, outcome) in items.iter().zip(outcomes) {
        settle(&mut draft, item, outcome, report)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.store.checkpoint().map_err(RunError::from)
}

/// The directory drops references along with an object; whoever undoes the deletion must know of them.
fn note_dropped_references(draft: &mut Draft<'_>, object: &ConnectorObject) -> Result<(), RunError> {
    let mut dropped = Vec::new();
    for attribute in draft.reference_attributes(object.id)? {
        let edges = draft.edges(object.id, &attribute)?;
        dropped.extend(edges.iter().map(|(to, _)| (object.id, attribute.clone(), *to)));
    }
    dropped.extend(draft.referrers(object.id)?.into_iter().map(|(from, attribute)| (from, attribute, object.id)));
    for (from, attribute, to) in dropped {
        if draft.edge(from, &attribute, to)?.seen {
            draft.note(Change::WritingReference(from, attribute, to, false));
        }
    }
    Ok(())
}

/// Deleted users by immutable id; read once an export, when the first user is to be made.
pub(super) type RecycleBin = BTreeMap<Value, Anchor>;

/// Whether an item needs no room where there is none: it makes nothing, or takes it out of the recycle bin.
fn is_restorable(item: &ExportItem, recycle_bin: Option<&RecycleBin>) -> bool {
    let ExportAction::Create { match_key, .. } = &item.action else { return true };
    let deleted = recycle_bin.filter(|_| item.object_type == "user").zip(match_key.as_ref());
    deleted.is_some_and(|(deleted, (_, value))| deleted.contains_key(value))
}

/// A user who is in the recycle bin is restored, not made anew.
fn restore_deleted(
    session: &Session,
    connector: &str,
    directory: &Directory,
    mut items: Vec<ExportItem>,
    recycle_bin: &mut Option<RecycleBin>,
) -> Result<Vec<ExportItem>, RunError> {
    let Directory::Entra(graph) = directory else { return Ok(items) };
    let keys: Vec<(usize, Value)> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.object_type == "user")
        .filter_map(|(at, item)| match &item.action {
            ExportAction::Create { match_key: Some((_, value)), .. } => Some((at, value.clone())),
            _ => None,
        })
        .collect();
    if keys.is_empty() {
        return Ok(items);
    }
    let deleted = match recycle_bin {
        Some(known) => known,
        None => recycle_bin.insert(session.wait_for(connector, graph.deleted_users())?),
    };
    for (at, value) in keys {
        if let (Some(anchor), Some(item)) = (deleted.get(&value), items.get_mut(at)) {
            item.action = ExportAction::Restore { anchor: anchor.clone() };
        }
    }
    Ok(items)
}

/// Sends items and collects what became of each. An item without an answer is unknown.
pub(in crate::run) fn send(
    session: &Session,
    connector: &str,
    directory: &Arc<Directory>,
    items: Vec<ExportItem>,
) -> Result<Vec<ExportOutcome>, RunError> {
    let silence = || ExportOutcome::Unknown { message: "no answer".into() };
    let mut outcomes: Vec<ExportOutcome> = items.iter().map(|_| silence()).collect();
    let (sender, mut receiver) = mpsc::channel(256);
    let task = {
        let directory = Arc::clone(directory);
        session.runtime.spawn(async move { directory.export(items, sender).await }.in_current_span())
    };
    session.alive_while(async {
        let answers = async {
            while let Some((_, at, outcome)) = receiver.recv().await {
                if let Some(place) = outcomes.get_mut(at) {
                    *place = outcome;
                }
            }
        };
        tokio::select! {
            () = answers => {}
            () = session.is_overdue(LAST_WORDS) => task.abort(),
        }
    });
    let ended = session.alive_while(task);
    match ended {
        Ok(Ok(())) => Ok(outcomes),
        Ok(Err(error)) => postpone(connector, error, outcomes),
        // Whether it was done is not known: the next run looks.
        Err(error) if error.is_cancelled() => Ok(outcomes),
        Err(error) => Err(RunError::Runtime(format!("the export to `{connector}` broke off: {error}"))),
    }
}

/// The directory could not be used any more. If it never answered, the run ends; what was answered is settled first.
fn postpone(
    connector: &str,
    error: ConnectorError,
    outcomes: Vec<ExportOutcome>,
) -> Result<Vec<ExportOutcome>, RunError> {
    let unanswered = |outcome: &ExportOutcome| matches!(outcome, ExportOutcome::Unknown { .. });
    if outcomes.iter().all(unanswered) {
        return Err(RunError::Connector { connector: connector.to_owned(), error });
    }
    Ok(outcomes)
}

fn loses_its_name(item: &ExportItem) -> bool {
    match &item.action {
        ExportAction::Delete { .. } => true,
        ExportAction::Update { attributes, .. } => attributes.contains_key(&AttributeName::from("dn")),
        ExportAction::Create { .. }
        | ExportAction::Restore { .. }
        | ExportAction::AddReferences { .. }
        | ExportAction::RemoveReferences { .. } => false,
    }
}

/// The entries of the same directory that name an object.
fn referrers(draft: &Draft<'_>, object: &ConnectorObject) -> Result<Vec<(Anchor, String, AttributeName)>, RunError> {
    let mut found = Vec::new();
    for (from, attribute) in draft.referrers(object.id)? {
        let Some(other) = draft.object(from)?.filter(|other| other.connector == object.connector) else { continue };
        if let (Some(anchor), Some(name), true) =
            (other.anchor, other.dn, draft.edge(from, &attribute, object.id)?.seen)
        {
            found.push((anchor, name, attribute));
        }
    }
    Ok(found)
}
