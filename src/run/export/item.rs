//! What is sent of an object, and what the journal says of it beforehand.

use std::collections::BTreeMap;

use crate::change::{Change, Writing, Written};
use crate::connector::{ExportAction, ExportItem, Known};
use crate::connector_space::{ConnectorObject, Operation};
use crate::value::AttributeName;

/// The item that an object's export comes to, if it can be sent at all.
pub fn item_of(object: &ConnectorObject) -> Option<ExportItem> {
    let export = object.export.as_ref().filter(|export| export.is_due())?;
    let unsent = export.changes.iter().filter(|(_, change)| !change.sent);
    let action = match (export.operation, &object.anchor) {
        (Operation::Create, Some(anchor)) => ExportAction::Restore { anchor: anchor.clone() },
        (Operation::Create, None) => {
            let present = unsent.filter(|(_, change)| !change.values.is_empty());
            let attributes: BTreeMap<_, _> =
                present.map(|(name, change)| (name.clone(), change.values.clone())).collect();
            let key = ["onPremisesImmutableId", "uniqueName"].map(AttributeName::from).into_iter().find_map(|name| {
                let value = attributes.get(&name)?.first()?.clone();
                Some((name, value))
            });
            ExportAction::Create { attributes, references: BTreeMap::new(), match_key: key }
        }
        (Operation::Update, Some(anchor)) => ExportAction::Update {
            anchor: anchor.clone(),
            attributes: unsent.map(|(name, change)| (name.clone(), change.values.clone())).collect(),
        },
        (Operation::Delete, Some(anchor)) => ExportAction::Delete { anchor: anchor.clone() },
        (Operation::Update | Operation::Delete, None) => return None,
    };
    Some(ExportItem { known: known(object), ..ExportItem::new(object.id.0, &object.object_type, action) })
}

/// What directories may need to know of an object that is written.
pub(in crate::run) fn known(object: &ConnectorObject) -> Known {
    let names = object.anchor.iter().zip(&object.dn).map(|(anchor, dn)| (anchor.clone(), dn.clone()));
    let changed = object.export.iter().flat_map(|export| export.changes.keys());
    let before = changed.filter_map(|name| Some((name.clone(), object.image.get(name)?.clone())));
    Known { names: names.collect(), before: before.collect(), ..Known::default() }
}

/// What is about to be done to an object, for the journal. Passwords are not in it, nor what is made of a new object:
/// that is what its rules say.
pub(in crate::run) fn writing(object: &ConnectorObject, item: &ExportItem) -> Change {
    let changes = match &item.action {
        ExportAction::Update { attributes, .. } => attributes
            .iter()
            .map(|(name, after)| {
                let by = object.export.as_ref().and_then(|export| export.changes.get(name));
                Written {
                    attribute: name.clone(),
                    before: object.image.get(name).cloned().unwrap_or_default(),
                    after: after.clone(),
                    rule: by.map(|change| change.rule.clone()).unwrap_or_default(),
                    line: by.map_or(0, |change| change.line),
                }
            })
            .collect(),
        ExportAction::Create { .. }
        | ExportAction::Restore { .. }
        | ExportAction::Delete { .. }
        | ExportAction::AddReferences { .. }
        | ExportAction::RemoveReferences { .. } => Vec::new(),
    };
    let operation = object.export.as_ref().map_or(Operation::Update, |export| export.operation);
    let (connector, object_type) = (object.connector.clone(), object.object_type.clone());
    let (anchor, name) = (object.anchor.clone(), object.title());
    Change::Writing(object.id, Box::new(Writing { operation, connector, object_type, anchor, name, changes }))
}
