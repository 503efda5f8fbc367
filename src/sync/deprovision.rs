//! Endings: an object leaves its metaverse object, a metaverse object ends, a target object is let go.

use super::inbound::{drop_contributions, note_flows};
use super::ledger::{Ledger, Result};
use super::{memberships, references};
use crate::change::Change;
use crate::connector_space::{
    ConnectorObject, Deprovision, Edge, Export, ExportState, Grace, LinkKind, ObjectId, Operation, ValueChange, enables,
};
use crate::metaverse::MetaverseObject;
use crate::value::{AttributeName, Value, Values};

/// Unlinks an inbound object: recalls what it contributed, and ends its metaverse object if nothing keeps that alive.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn disconnect(ledger: &mut dyn Ledger, object: &mut ConnectorObject, reason: &str) -> Result<()> {
    let Some(link) = object.link.clone() else { return Ok(()) };
    references::mark_referrers_of(ledger, object.id)?;
    object.link = None;
    ledger.put_object(object)?;
    ledger.note(Change::Unlinked(object.id, link.metaverse));
    let Some(mut person) = ledger.metaverse(link.metaverse)? else { return Ok(()) };
    let before = person.contributions.clone();
    person.links.retain(|(id, _)| *id != object.id);
    drop_contributions(&mut person, object.id);
    if is_alive(ledger, &person)? {
        note_flows(ledger, &before, &person)?;
        ledger.put_metaverse(&person)?;
        return ledger.mark_metaverse(person.id);
    }
    end(ledger, &person, reason)
}

fn is_alive(ledger: &dyn Ledger, person: &MetaverseObject) -> Result<bool> {
    for (id, _) in &person.links {
        let kind = ledger.object(*id)?.and_then(|object| object.link).map(|link| link.kind);
        if kind.is_some_and(LinkKind::keeps_alive) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ends a metaverse object: what was provisioned for it is deprovisioned, everything else is only unlinked.
fn end(ledger: &mut dyn Ledger, person: &MetaverseObject, reason: &str) -> Result<()> {
    for (id, _) in &person.links {
        let Some(mut object) = ledger.object(*id)? else { continue };
        let outbound = object.link.as_ref().is_some_and(|link| link.kind.is_outbound());
        references::mark_referrers_of(ledger, *id)?;
        if outbound {
            references::mark_incoming(ledger, *id)?;
        }
        object.link = None;
        ledger.note(Change::Unlinked(*id, person.id));
        if outbound {
            let policy = object.outbound.deprovision.unwrap_or(Deprovision::Delete);
            release(ledger, object, policy, reason)?;
        } else {
            ledger.put_object(&object)?;
            // It may find another metaverse object.
            ledger.mark_object(*id)?;
        }
    }
    ledger.remove_metaverse(person.id)?;
    ledger.unmark_metaverse(person.id)?;
    ledger.note(Change::Ended(person.id));
    Ok(())
}

/// Lets go of a target object that was unlinked. Only what we made or adopted is deleted or disabled.
///
/// # Errors
/// As [`disconnect`].
pub fn release(ledger: &mut dyn Ledger, mut object: ConnectorObject, policy: Deprovision, reason: &str) -> Result<()> {
    let never_sent = object.anchor.is_none()
        && object
            .export
            .as_ref()
            .is_none_or(|export| matches!(export.state, ExportState::Pending | ExportState::Failed { .. }));
    if never_sent {
        return ledger.remove_object(object.id);
    }
    settle_export(&mut object);
    let references: Vec<_> = object.outbound.references.keys().cloned().collect();
    object.outbound.references.clear();
    object.outbound.held.clear();
    object.outbound.proposed = None;
    let operation = match (object.outbound.owned, policy) {
        (true, Deprovision::Delete) => Some((Operation::Delete, Default::default())),
        (true, Deprovision::Disable) => {
            let (attribute, off) = switched_off(&object);
            let rule = "deprovision".to_owned();
            let change = ValueChange { values: off, sent: false, unseen: 0, rule, line: 0 };
            object.outbound.enabled = Some(false);
            object.outbound.grace = object.outbound.delete_after.map(|days| Grace { days, since: None });
            Some((Operation::Update, std::iter::once((attribute, change)).collect()))
        }
        (true, Deprovision::Disconnect | Deprovision::Nothing) | (false, _) => None,
    };
    object.export = operation.map(|(operation, changes)| {
        ledger.note(Change::Staged(object.id, operation));
        Export { operation, state: ExportState::Pending, changes, reason: reason.to_owned() }
    });
    ledger.put_object(&object)?;
    for attribute in references {
        for (to, edge) in ledger.edges(object.id, &attribute)? {
            ledger.put_edge(object.id, &attribute, to, Edge { pending: None, sent: false, refused: false, ..edge })?;
        }
    }
    Ok(())
}

/// The export of an object is about to be forgotten, and who returns to it must know how it is: what was sent, the
/// directory took; an account that was to be switched on, or off, and was not yet, stays what it is.
fn settle_export(object: &mut ConnectorObject) {
    let Some(export) = &object.export else { return };
    for (name, change) in &export.changes {
        match (change.sent, enables(name, &change.values)) {
            (true, _) if change.values.is_empty() => {
                object.image.remove(name);
            }
            (true, _) => {
                object.image.insert(name.clone(), change.values.clone());
            }
            (false, Some(wish)) => object.outbound.enabled = Some(!wish),
            (false, None) => {}
        }
    }
}

/// How an account is switched off in its directory.
fn switched_off(object: &ConnectorObject) -> (AttributeName, Values) {
    let flags = AttributeName::from("userAccountControl");
    match object.image.get(&flags).and_then(|values| values.first()) {
        Some(Value::Integer(now)) => (flags, vec![Value::Integer(now | 2)]),
        _ => (AttributeName::from("accountEnabled"), vec![Value::Boolean(false)]),
    }
}

/// Takes an object out of the connector space: its directory no longer has it, with proof.
///
/// # Errors
/// As [`disconnect`].
pub fn gone(ledger: &mut dyn Ledger, id: ObjectId, reason: &str) -> Result<()> {
    let Some(mut object) = ledger.object(id)? else { return Ok(()) };
    if object.link.as_ref().is_none_or(|link| !link.kind.is_outbound()) {
        // Who was in it may be in nothing else.
        for attribute in ledger.reference_attributes(id)?.into_iter().filter(memberships::is_membership) {
            for (member, _) in ledger.edges(id, &attribute)? {
                memberships::mark(ledger, member)?;
            }
        }
    }
    match object.link.clone() {
        Some(link) if link.kind.is_outbound() => {
            references::mark_referrers_of(ledger, id)?;
            if let Some(mut person) = ledger.metaverse(link.metaverse)? {
                person.links.retain(|(linked, _)| *linked != id);
                *person.generations.entry(object.connector.clone()).or_insert(0) += 1;
                ledger.put_metaverse(&person)?;
                ledger.mark_metaverse(person.id)?;
            }
        }
        Some(_) => disconnect(ledger, &mut object, reason)?,
        None => {}
    }
    for (from, attribute) in ledger.referrers(id)? {
        ledger.put_edge(from, &attribute, id, Edge::default())?;
    }
    ledger.remove_object(id)?;
    ledger.unmark_object(id)?;
    ledger.note(Change::Gone(id));
    Ok(())
}
