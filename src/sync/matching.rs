//! Which object of a target is a person's: one that is found, one that was made before, or a new one.

use std::collections::BTreeMap;

use super::inbound::SyncError;
use super::ledger::{Ledger, LedgerError};
use super::outbound::OutboundEvaluation;
use super::precedence::{self, Winner};
use crate::change::Change;
use crate::connector_space::{ConnectorObject, Export, ExportState, ObjectId, Operation};
use crate::metaverse::MetaverseObject;
use crate::rules::{ConnectorType, JoinGroup};
use crate::value::{AttributeName, Value};

/// The unlinked object of the type that has the very name that the new one would have (`dn`, in LDAP directories).
pub(super) fn called(
    ledger: &dyn Ledger,
    evaluation: &OutboundEvaluation,
) -> Result<Option<ConnectorObject>, LedgerError> {
    let list = evaluation.flows.get(&AttributeName::from("dn")).map_or(&[][..], Vec::as_slice);
    let Ok(Winner::Value(_, values)) = precedence::decide(list) else { return Ok(None) };
    let Some(name) = values.first().and_then(Value::as_text) else { return Ok(None) };
    let to = &evaluation.to;
    let Some(id) = ledger.id_of_dn(&to.connector, &crate::dn::normalise(name))? else { return Ok(None) };
    let fits = |object: &ConnectorObject| {
        object.link.is_none() && object.anchor.is_some() && object.object_type.eq_ignore_ascii_case(&to.object_type)
    };
    Ok(ledger.object(id)?.filter(fits))
}

/// The object that was made for the person before and let go, if it still is there, or else a new one.
pub(super) fn provision(
    ledger: &mut dyn Ledger,
    person: &MetaverseObject,
    to: &ConnectorType,
    rule: &str,
) -> Result<ConnectorObject, LedgerError> {
    let mut generation = person.generations.get(&to.connector).copied().unwrap_or(0);
    loop {
        let id = ObjectId::provisioned(&to.connector, person.id, generation);
        match ledger.object(id)? {
            Some(old) if old.link.is_none() && old.outbound.owned && old.object_type == to.object_type => {
                return Ok(old);
            }
            Some(_) => generation += 1,
            None => {
                let mut object = ConnectorObject::new(id, &to.connector, &to.object_type);
                object.outbound.owned = true;
                object.export = Some(Export {
                    operation: Operation::Create,
                    state: ExportState::Pending,
                    changes: BTreeMap::new(),
                    reason: format!("provisioned by {rule}"),
                });
                ledger.note(Change::Staged(id, Operation::Create));
                return Ok(object);
            }
        }
    }
}

/// The first group that finds exactly one unlinked object of the type.
pub(super) fn find(
    ledger: &dyn Ledger,
    to: &ConnectorType,
    rule: &str,
    groups: &[JoinGroup],
) -> Result<Option<ConnectorObject>, SyncError> {
    let mut ambiguous = 0;
    for group in groups {
        let mut hits = matches(ledger, to, group)?;
        match hits.len() {
            0 => {}
            1 => return Ok(hits.pop()),
            several => ambiguous = several,
        }
    }
    match ambiguous {
        0 => Ok(None),
        hits => Err(SyncError::Ambiguous { rule: rule.to_owned(), hits }),
    }
}

/// Unlinked objects of the type that match every key of a group.
///
/// # Errors
/// When the ledger fails.
pub(crate) fn matches(
    ledger: &dyn Ledger,
    to: &ConnectorType,
    group: &JoinGroup,
) -> Result<Vec<ConnectorObject>, LedgerError> {
    let mut hits = Vec::new();
    let Some(first) = group.first() else { return Ok(hits) };
    for id in ledger.find_object(&to.connector, &first.attribute, &first.value.folded(), 64)? {
        let Some(candidate) = ledger.object(id)? else { continue };
        let attributes = candidate.expected();
        let holds = group.iter().all(|key| {
            let same =
                |value: &Value| if key.exact { *value == key.value } else { value.folded() == key.value.folded() };
            attributes.get(&key.attribute).is_some_and(|values| values.iter().any(same))
        });
        if holds && candidate.link.is_none() && candidate.object_type.eq_ignore_ascii_case(&to.object_type) {
            hits.push(candidate);
        }
    }
    Ok(hits)
}
