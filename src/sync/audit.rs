//! Invariants of a store, checked one object at a time. Random worlds and damaged stores are judged by this.

use super::ledger::{Result, View};
use crate::connector_space::{ConnectorObject, ExportState, LinkKind, Operation};
use crate::metaverse::MetaverseObject;

/// What is wrong with a connector object: one sentence each.
///
/// # Errors
/// When the ledger cannot be read.
pub fn object(view: &dyn View, object: &ConnectorObject) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let name = object.title();
    if let Some(link) = &object.link {
        match view.metaverse(link.metaverse)? {
            None => findings.push(format!("`{name}` is linked to {}, which does not exist", link.metaverse)),
            Some(person) if !person.links.iter().any(|(id, _)| *id == object.id) => {
                findings.push(format!("`{name}` is linked to {}, which does not know it", link.metaverse));
            }
            Some(_) => {}
        }
    }
    for attribute in view.reference_attributes(object.id)? {
        for (to, edge) in view.edges(object.id, &attribute)? {
            let known = view.referrers(to)?.iter().any(|(from, name)| *from == object.id && *name == attribute);
            if !known {
                findings.push(format!("`{name}` refers to {to} by `{attribute}`, which is not recorded backwards"));
            }
            if edge.pending.is_some() && object.link.is_none() {
                findings.push(format!("`{name}` is unlinked and yet waits for a change of `{attribute}`"));
            }
        }
    }
    if let Some(export) = &object.export {
        let deletes = export.operation == Operation::Delete;
        if deletes && object.link.is_some() {
            findings.push(format!("`{name}` is linked and yet to be deleted"));
        }
        if deletes && !object.outbound.owned {
            findings.push(format!("`{name}` is to be deleted though we neither made nor adopted it"));
        }
        let created = export.state == ExportState::Exported;
        if export.operation == Operation::Create && object.anchor.is_some() != created {
            findings.push(match created {
                true => format!("`{name}` was created and yet has no anchor"),
                false => format!("`{name}` exists and yet is to be created"),
            });
        }
    }
    Ok(findings)
}

/// What is wrong with a metaverse object.
///
/// # Errors
/// When the ledger cannot be read.
pub fn metaverse(view: &dyn View, person: &MetaverseObject) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut alive = false;
    for (id, connector) in &person.links {
        match view.object(*id)? {
            None => findings.push(format!("{} is linked to {id}, which does not exist", person.id)),
            Some(object) => {
                let kind = object.link.as_ref().filter(|link| link.metaverse == person.id).map(|link| link.kind);
                alive |= kind.is_some_and(LinkKind::keeps_alive);
                if kind.is_none() {
                    findings.push(format!("{} is linked to `{}`, which does not know it", person.id, object.title()));
                }
                if object.connector != *connector {
                    findings.push(format!("{} has `{}` under the wrong connector", person.id, object.title()));
                }
            }
        }
        if person.linked(connector).count() > 1 {
            findings.push(format!("{} has several objects of `{connector}`", person.id));
        }
    }
    if !alive {
        findings.push(format!("{} lives though nothing keeps it alive", person.id));
    }
    for (attribute, list) in &person.contributions {
        for contribution in list {
            if !person.links.iter().any(|(id, _)| *id == contribution.object) {
                findings
                    .push(format!("{}: `{attribute}` has a contribution of an object that is not linked", person.id));
            }
        }
    }
    Ok(findings)
}
