//! People who exchange a value that only one may have, such as a user name: one of them takes another for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::RunError;
use super::export::{self, send};
use super::session::Session;
use crate::change::Change;
use crate::connector::directory::Directory;
use crate::connector::{ExportAction, ExportItem};
use crate::connector_space::{ConnectorObject, ExportState, ObjectId};
use crate::sync::ledger::{Ledger, View};
use crate::value::{AttributeName, Value};

/// Gives each object a value that nobody else has. What it shall have in the end is sent later, as for everybody; if
/// this is refused, so will be that, and the next run finds everything as it was.
pub(super) fn step_aside(
    session: &mut Session,
    connector: &str,
    directory: &Arc<Directory>,
    swaps: &BTreeSet<(ObjectId, AttributeName)>,
) -> Result<(), RunError> {
    let mut items = Vec::new();
    let mut draft = session.store.draft();
    for (id, name) in swaps {
        let Some(mut object) = draft.object(*id)? else { continue };
        let Some(item) = aside(&object, name) else { continue };
        draft.note(export::writing(&object, &item));
        let Some(export) = &mut object.export else { continue };
        // On disk before the call: if the run breaks off here, the next one looks first.
        export.state = export.state.next(ExportState::InFlight).unwrap_or(ExportState::InFlight);
        draft.put_object(&object)?;
        items.push(item);
    }
    if items.is_empty() {
        return Ok(());
    }
    let ids: Vec<ObjectId> = items.iter().map(|item| ObjectId(item.id)).collect();
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.store.checkpoint()?;
    let outcomes = send(session, connector, directory, items)?;
    let mut draft = session.store.draft();
    for (id, outcome) in ids.into_iter().zip(outcomes) {
        if export::is_untaken(&outcome) {
            draft.note(Change::Unwritten(id));
        }
        let Some(mut object) = draft.object(id)? else { continue };
        if let Some(export) = &mut object.export {
            export.state = export.state.next(ExportState::Pending).unwrap_or(ExportState::Pending);
        }
        draft.put_object(&object)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
}

/// The update that lets go of a value. An address keeps its domain; the rest names the object.
fn aside(object: &ConnectorObject, name: &AttributeName) -> Option<ExportItem> {
    let held = object.image.get(name)?.first()?.to_string();
    let local = format!("syncline-moves-{}", object.id.0.simple());
    let text = match held.rsplit_once('@') {
        Some((_, domain)) => format!("{local}@{domain}"),
        None => local,
    };
    let attributes = BTreeMap::from([(name.clone(), vec![Value::Text(text)])]);
    let action = ExportAction::Update { anchor: object.anchor.clone()?, attributes };
    Some(ExportItem { known: export::known(object), ..ExportItem::new(object.id.0, &object.object_type, action) })
}
