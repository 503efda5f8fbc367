//! What was under way when a run broke off: nobody knows whether it arrived, so it is looked for, and never sent again blindly.

use super::RunError;
use super::export::item_of;
use super::session::Session;
use crate::connector::directory::Directory;
use crate::connector::{Anchor, ExportAction, ExportItem};
use crate::connector_space::{ConnectorObject, ExportState, ObjectId, Operation};
use crate::sync::ledger::{Ledger as _, View as _};
use crate::value::AttributeName;

/// Settles exports whose outcome is unknown since a run that broke off. Updates and deletions may be repeated; a
/// creation is looked for first.
///
/// # Errors
/// When the directory could not be used, or the store fails.
pub(super) fn settle(session: &mut Session, connector: &str) -> Result<Vec<ObjectId>, RunError> {
    let directory = session.directory(connector)?;
    let mut deletions = Vec::new();
    let mut after = None;
    loop {
        let draft = session.store.draft();
        let ids = draft.exports(connector, after, 2_000)?;
        let mut in_flight = Vec::new();
        for id in &ids {
            let object = draft.object(*id)?;
            let flying = |object: &ConnectorObject| {
                object.export.as_ref().is_some_and(|export| export.state == ExportState::InFlight)
            };
            in_flight.extend(object.filter(flying));
        }
        drop(draft);
        for mut object in in_flight {
            let found = find_created(session, connector, &directory, &object)?;
            let Some(export) = &mut object.export else { continue };
            if let Some(anchor) = found {
                object.anchor = Some(anchor);
                export.object_exists();
                // Set once, by the creation.
                export.changes.remove(&AttributeName::from("uniqueName"));
            }
            // Whether a deletion arrived, the next import shows: until then it is not missed.
            let settled_as =
                if export.operation == Operation::Delete { ExportState::Exported } else { ExportState::Pending };
            export.state = export.state.next(settled_as).unwrap_or(ExportState::Pending);
            if export.operation == Operation::Delete {
                deletions.push(object.id);
            }
            let mut draft = session.store.draft();
            draft.put_object(&object)?;
            let writes = draft.finish();
            session.store.commit(writes)?;
        }
        match ids.last() {
            Some(last) => after = Some(*last),
            None => return Ok(deletions),
        }
    }
}

fn find_created(
    session: &Session,
    connector: &str,
    directory: &Directory,
    object: &ConnectorObject,
) -> Result<Option<Anchor>, RunError> {
    let creating = object.export.as_ref().is_some_and(|export| export.operation == Operation::Create);
    if let (Directory::Ldap(ldap), true) = (directory, creating) {
        // Had somebody else made an entry of this name, ours would have been refused.
        let name = object
            .expected()
            .get(&AttributeName::from("dn"))
            .and_then(|values| values.first()?.as_text().map(str::to_owned));
        let Some(name) = name else { return Ok(None) };
        return session.wait_for(connector, ldap.anchor_of(&name));
    }
    let Some(ExportItem { action: ExportAction::Create { match_key: Some((name, value)), .. }, .. }) =
        as_pending(object).as_ref().and_then(item_of).filter(|_| creating)
    else {
        return Ok(None);
    };
    let Directory::Entra(graph) = directory else { return Ok(None) };
    let found = session.wait_for(connector, graph.find(&object.object_type, &name, &value))?;
    Ok(found.into_iter().next())
}

fn as_pending(object: &ConnectorObject) -> Option<ConnectorObject> {
    let mut object = object.clone();
    object.export.as_mut()?.state = ExportState::Pending;
    Some(object)
}
