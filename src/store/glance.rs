//! Records with some of their attributes: read piece by piece, as [`super::codec`] lays them out, and the rest passed over.

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

use super::codec::{self, Said, StoredMetaverse, StoredObject, VERSION, Voice, damaged};
use super::symbols::{Symbol, Symbols};
use crate::connector_space::{ConnectorObject, Export, LinkKind, ObjectError, Outbound, Pin};
use crate::metaverse::MetaverseObject;
use crate::sync::ledger::Result;
use crate::value::Values;

/// Everything that follows the image of a stored object.
type Rest = (
    Option<(Uuid, LinkKind, Symbol)>,
    Option<Export>,
    Option<Outbound>,
    bool,
    Option<ObjectError>,
    Vec<(Symbol, String)>,
    Option<Pin>,
);

/// A value that is passed over without being copied: as [`crate::value::Value`].
#[derive(Deserialize)]
#[expect(dead_code, reason = "what is passed over is not looked at")]
enum Passed<'a> {
    Text(#[serde(borrow)] &'a str),
    Integer(i64),
    Boolean(bool),
    Bytes(#[serde(borrow)] &'a [u8]),
    Time(i64),
    Password(u16),
}

/// The same, with no attributes in the image but those that are wanted. Reads what [`StoredObject`] lays out, piece by
/// piece.
pub(super) fn object(bytes: &[u8], symbols: &Symbols, wanted: &[Symbol]) -> Result<ConnectorObject> {
    let Some((&VERSION, bytes)) = bytes.split_first() else { return codec::decode_object(bytes, symbols) };
    let (head, bytes) = take::<(Uuid, Symbol, Symbol, Option<String>, Option<String>)>(bytes)?;
    let (id, connector, object_type, anchor, dn) = head;
    let (count, mut bytes) = take::<u64>(bytes)?;
    let mut image = Vec::with_capacity(wanted.len());
    for _ in 0..count {
        let (symbol, rest) = take::<Symbol>(bytes)?;
        bytes = if wanted.contains(&symbol) {
            let (values, rest) = take::<Values>(rest)?;
            image.push((symbol, values));
            rest
        } else {
            pass_values(rest)?
        };
    }
    let (rest, _) = take::<Rest>(bytes)?;
    let (link, export, outbound, missing, error, seeks, pin) = rest;
    let stored = StoredObject {
        id,
        connector,
        object_type,
        anchor,
        dn,
        image,
        link,
        export,
        outbound,
        missing,
        error,
        seeks,
        pin,
    };
    codec::restored(stored, symbols)
}

fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8])> {
    postcard::take_from_bytes(bytes).map_err(|error| damaged(&error.to_string()))
}

fn pass_values(bytes: &[u8]) -> Result<&[u8]> {
    let (count, mut bytes) = take::<u64>(bytes)?;
    for _ in 0..count {
        bytes = take::<Passed<'_>>(bytes)?.1;
    }
    Ok(bytes)
}

/// What a rule said, passed over: as [`crate::metaverse::FlowValue`].
#[derive(Deserialize)]
#[expect(dead_code, reason = "what is passed over is not looked at")]
enum PassedFlow<'a> {
    Nothing,
    One(#[serde(borrow)] Passed<'a>),
    List(#[serde(borrow)] Vec<Passed<'a>>),
    Absent,
    Keep,
    Once(#[serde(borrow)] Vec<Passed<'a>>),
    Seed(#[serde(borrow)] Vec<Passed<'a>>),
    Merge(#[serde(borrow)] Vec<Passed<'a>>),
    References(#[serde(borrow)] &'a str),
    Unique(#[serde(borrow)] Vec<Passed<'a>>),
}

/// A metaverse object with contributions to wanted attributes alone.
pub(super) fn metaverse(bytes: &[u8], symbols: &Symbols, wanted: &[Symbol]) -> Result<MetaverseObject> {
    let Some((&VERSION, bytes)) = bytes.split_first() else { return codec::decode_metaverse(bytes, symbols) };
    let ((id, object_type, links, voices), bytes) = take::<(Uuid, Symbol, Vec<(Uuid, Symbol)>, Vec<Voice>)>(bytes)?;
    let (count, mut bytes) = take::<u64>(bytes)?;
    let mut contributions = Vec::with_capacity(wanted.len());
    for _ in 0..count {
        let (symbol, rest) = take::<Symbol>(bytes)?;
        bytes = if wanted.contains(&symbol) {
            let (said, rest) = take::<Vec<Said>>(rest)?;
            contributions.push((symbol, said));
            rest
        } else {
            take::<Vec<(u16, u32, PassedFlow<'_>)>>(rest)?.1
        };
    }
    let ((generations, error), _) = take::<(BTreeMap<String, u32>, Option<ObjectError>)>(bytes)?;
    let stored = StoredMetaverse { id, object_type, links, voices, contributions, generations, error };
    codec::restored_metaverse(stored, symbols)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector_space::{Anchor, ExportState, ObjectId, Operation};
    use crate::metaverse::{Contribution, FlowValue, MetaverseId};
    use crate::store::Store;
    use crate::sync::ledger::{Ledger, View};
    use crate::value::Value;

    #[test]
    fn an_object_with_some_attributes_lacks_the_others_and_nothing_else() {
        let store = Store::in_memory();
        let mut draft = store.draft();
        let anchor = Anchor("a".into());
        let mut object = ConnectorObject::new(ObjectId::of_anchor("ad", &anchor), "ad", "user");
        object.anchor = Some(anchor);
        object.dn = Some("CN=A".into());
        let values = [
            Value::Text("Zoë".into()),
            Value::Integer(-7),
            Value::Boolean(true),
            Value::Bytes(vec![0, 255, 7]),
            Value::Time(1),
            Value::Password(24),
        ];
        for (at, value) in values.iter().enumerate() {
            object.image.insert(format!("one{at}").as_str().into(), vec![value.clone()]);
            object.image.insert(format!("two{at}").as_str().into(), vec![value.clone(), Value::Integer(0)]);
        }
        object.export = Some(Export {
            operation: Operation::Update,
            state: ExportState::Failed { code: "c".into(), message: "m".into() },
            changes: BTreeMap::new(),
            reason: "r".into(),
        });
        object.outbound.owned = true;
        object.seeks.insert(("mail".into(), "a@x".into()));
        object.pin = Some(Pin { joined: true, reason: "p".into() });
        draft.put_object(&object).unwrap();
        let names: std::collections::BTreeSet<_> = object.image.keys().cloned().collect();
        assert_eq!(draft.object_with(object.id, &names).unwrap().as_ref(), Some(&object));
        for name in &names {
            let wanted = [name.clone()].into();
            let found = draft.object_with(object.id, &wanted).unwrap().unwrap();
            let mut expected = object.clone();
            expected.image.retain(|known, _| known == name);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_person_with_some_attributes_lacks_the_others_and_nothing_else() {
        let store = Store::in_memory();
        let mut draft = store.draft();
        let object = ObjectId::of_anchor("ad", &Anchor("a".into()));
        let mut person = MetaverseObject::new(MetaverseId::projected(object, 0), "person");
        person.links.push((object, "ad".into()));
        person.generations.insert("entra".into(), 3);
        person.error = Some(ObjectError { code: "c".into(), message: "m".into() });
        let some = || vec![Value::Text("Zoë".into()), Value::Bytes(vec![0, 255])];
        let values = [
            FlowValue::One(Value::Integer(7)),
            FlowValue::List(some()),
            FlowValue::Absent,
            FlowValue::Keep,
            FlowValue::Once(some()),
            FlowValue::Seed(some()),
            FlowValue::Merge(some()),
            FlowValue::References("member".into()),
            FlowValue::Unique(some()),
            FlowValue::Nothing,
        ];
        for (at, value) in values.iter().enumerate() {
            let said = |rule: &str, precedence| Contribution {
                object,
                rule: rule.into(),
                line: 7,
                precedence,
                order: 1,
                value: value.clone(),
            };
            person.contributions.insert(format!("a{at}").as_str().into(), vec![said("one", 1), said("two", 2)]);
        }
        draft.put_metaverse(&person).unwrap();
        for name in person.contributions.keys() {
            let found = draft.metaverse_with(person.id, &[name.clone()].into()).unwrap().unwrap();
            let mut expected = person.clone();
            expected.contributions.retain(|known, _| known == name);
            assert_eq!(found, expected, "{name}");
        }
    }
}
