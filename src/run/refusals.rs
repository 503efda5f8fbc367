//! What is not sent: what the target would refuse, and what must be left alone.

use crate::connector::target::TargetKind;
use crate::connector::{TenantFacts, graph};
use crate::connector_space::{ConnectorObject, Operation, ValueChange};
use crate::value::AttributeName;

/// The change that an object's export would make to its source anchor, once that is in the target.
pub(super) fn anchor_change(object: &ConnectorObject) -> Option<(AttributeName, &ValueChange)> {
    let export = object.export.as_ref().filter(|export| export.operation == Operation::Update)?;
    let names = graph::anchor_attributes(&object.object_type).iter().map(|name| AttributeName::from(*name));
    names.filter(|name| object.image.contains_key(name)).find_map(|name| {
        let change = export.changes.get(&name).filter(|change| !change.sent)?;
        Some((name, change))
    })
}

fn anchor_refusal(object: &ConnectorObject) -> Option<String> {
    let (name, change) = anchor_change(object)?;
    let before = object.image.get(&name)?.first()?;
    let after = change.values.first().map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"));
    Some(format!("its source anchor `{name}` is `{before}` and would become {after}: that is somebody else"))
}

/// What is wrong with an object's export before it is sent. A source anchor that changes is refused until a person has
/// looked at it.
pub fn refusals(object: &ConnectorObject, kind: TargetKind, facts: &TenantFacts) -> Vec<String> {
    anchor_refusal(object).into_iter().chain(invalid(object, kind, facts)).collect()
}

/// What the target would refuse.
pub(super) fn invalid(object: &ConnectorObject, kind: TargetKind, facts: &TenantFacts) -> Vec<String> {
    if let Some(why) = mastered_elsewhere(object, kind) {
        return vec![format!("it is {why}: nothing is written to it")];
    }
    match object.export.as_ref().map(|export| export.operation) {
        // It comes out of the recycle bin as it went in.
        Some(Operation::Create) if object.anchor.is_some() => Vec::new(),
        Some(Operation::Create) => kind.validate(&object.object_type, &object.expected(), facts),
        Some(Operation::Update) => {
            let unsent = object.export.iter().flat_map(|export| &export.changes).filter(|(_, change)| !change.sent);
            let (set, cleared): (Vec<_>, Vec<_>) = unsent.partition(|(_, change)| !change.values.is_empty());
            let set = set.into_iter().map(|(name, change)| (name.clone(), change.values.clone())).collect();
            let mut wrong = kind.validate_changes(&object.object_type, &set, facts);
            let changed = set.keys().chain(cleared.iter().map(|(name, _)| *name));
            wrong.extend(kind.validate_against(&object.object_type, &object.image, changed));
            wrong.extend(cleared.into_iter().filter_map(|(name, _)| kind.validate_clearing(name)));
            wrong
        }
        Some(Operation::Delete) | None => Vec::new(),
    }
}

/// Why an object that is there must be left alone. Rules that reach it leave it so; one that is let go of asks here.
fn mastered_elsewhere(object: &ConnectorObject, kind: TargetKind) -> Option<&'static str> {
    let there = object.anchor.is_some() && object.export.is_some();
    there.then(|| (kind.protected())(&object.object_type, &object.image)).flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::connector::Anchor;
    use crate::connector_space::{Export, ExportState, ObjectId};
    use crate::value::{Attributes, Value};

    #[test]
    fn who_is_mastered_elsewhere_again_is_neither_deleted_nor_switched_off() {
        let mut object = ConnectorObject::new(ObjectId::default(), "entra", "user");
        object.anchor = Some(Anchor("1".into()));
        let (facts, kind) = (TenantFacts::default(), TargetKind::Entra);
        for operation in [Operation::Delete, Operation::Update] {
            object.image = Attributes::new();
            let changes = BTreeMap::new();
            let reason = String::new();
            object.export = Some(Export { operation, state: ExportState::Pending, changes, reason });
            assert_eq!(refusals(&object, kind, &facts), Vec::<String>::new());
            object.image = [("onPremisesSyncEnabled".into(), vec![Value::Boolean(true)])].into();
            let why = "it is mastered by Microsoft's synchronisation client: nothing is written to it";
            assert_eq!(refusals(&object, kind, &facts), [why]);
        }
    }
}
