//! The days between an account that is switched off and its deletion: counted from the day on which the directory has
//! shown that it is off.

use super::RunError;
use super::session::Session;
use crate::connector_space::{ConnectorObject, Export, ExportState, Grace, Operation, enables};
use crate::sync::ledger::{Ledger, View};

const DAY: i64 = 24 * 60 * 60;

/// Begins to count for those who have been switched off, and lets those go whose time is over. The guard sees them as it
/// sees every deletion.
///
/// # Errors
/// When the store fails.
pub(super) fn prepare(session: &mut Session, connector: &str) -> Result<(), RunError> {
    let now = session.now;
    let mut draft = session.store.draft();
    let mut waiting = Vec::new();
    draft.each_export(connector, |object| {
        if object.outbound.grace.is_some() {
            waiting.push(object.id);
        }
    })?;
    for id in waiting {
        let Some(mut object) = draft.object(id)? else { continue };
        let Some(grace) = object.outbound.grace else { continue };
        if age(&mut object, grace, now) {
            draft.put_object(&object)?;
        }
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
}

/// Whether something about the object has changed.
fn age(object: &mut ConnectorObject, grace: Grace, now: i64) -> bool {
    if object.export.is_some() {
        return false;
    }
    if object.image.iter().any(|(name, values)| enables(name, values) == Some(true)) {
        // Somebody wants it after all.
        object.outbound.grace = None;
        return true;
    }
    match grace.since {
        None => object.outbound.grace = Some(Grace { since: Some(now), ..grace }),
        Some(since) if now - since >= i64::from(grace.days) * DAY => {
            object.outbound.grace = None;
            object.export = Some(Export {
                operation: Operation::Delete,
                state: ExportState::Pending,
                changes: Default::default(),
                reason: format!("switched off {} days ago", grace.days),
            });
        }
        Some(_) => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector_space::ObjectId;
    use crate::value::Value;

    #[test]
    fn the_days_count_from_when_it_is_off_and_somebody_who_switches_it_on_keeps_it() {
        let mut object = ConnectorObject::new(ObjectId(uuid::Uuid::nil()), "entra", "user");
        let pass = |object: &mut ConnectorObject, now: i64| {
            let grace = object.outbound.grace.unwrap_or(Grace { days: 30, since: None });
            age(object, grace, now)
        };
        object.image.insert("accountEnabled".into(), vec![Value::Boolean(false)]);
        assert!(pass(&mut object, 1_000));
        assert_eq!(object.outbound.grace, Some(Grace { days: 30, since: Some(1_000) }));
        assert!(!pass(&mut object, 1_000 + 30 * DAY - 1));
        let mut enabled = object.clone();
        enabled.image.insert("accountEnabled".into(), vec![Value::Boolean(true)]);
        assert!(pass(&mut enabled, 1_000 + 40 * DAY));
        assert_eq!((enabled.outbound.grace, enabled.export), (None, None));
        assert!(pass(&mut object, 1_000 + 30 * DAY));
        assert_eq!(object.export.map(|export| export.operation), Some(Operation::Delete));
    }
}
