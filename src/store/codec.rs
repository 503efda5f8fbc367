//! Records as bytes: postcard, names as symbols, a version byte in front.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::symbols::{Symbol, Symbols};
use crate::connector_space::{Anchor, ConnectorObject, Export, Link, LinkKind, ObjectError, ObjectId, Outbound, Pin};
use crate::metaverse::{Contribution, FlowValue, MetaverseId, MetaverseObject};
use crate::sync::ledger::{LedgerError, Result};
use crate::value::{Attributes, Values};

/// The version of the layout below.
const VERSION: u8 = 1;

/// Hands out symbols while a record is encoded.
pub(super) trait Intern {
    fn intern(&mut self, name: &str) -> Result<Symbol>;
}

#[derive(Serialize, Deserialize)]
struct StoredObject {
    id: Uuid,
    connector: Symbol,
    object_type: Symbol,
    anchor: Option<String>,
    dn: Option<String>,
    image: Vec<(Symbol, Values)>,
    link: Option<(Uuid, LinkKind, Symbol)>,
    export: Option<Export>,
    outbound: Option<Outbound>,
    missing: bool,
    error: Option<ObjectError>,
    seeks: Vec<(Symbol, String)>,
    pin: Option<Pin>,
}

#[derive(Serialize, Deserialize)]
struct StoredMetaverse {
    id: Uuid,
    object_type: Symbol,
    links: Vec<(Uuid, Symbol)>,
    /// Each rule on each object once; contributions name it by its place.
    voices: Vec<Voice>,
    contributions: Vec<(Symbol, Vec<Said>)>,
    generations: BTreeMap<String, u32>,
    error: Option<ObjectError>,
}

/// The place of a voice, the line of its rule, and what it says.
type Said = (u16, u32, FlowValue);

#[derive(Serialize, Deserialize, PartialEq)]
struct Voice {
    object: Uuid,
    rule: Symbol,
    precedence: i64,
    order: u16,
}

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    postcard::to_extend(record, vec![VERSION]).map_err(|error| LedgerError(format!("cannot encode a record: {error}")))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|error| damaged(&error.to_string())),
        Some((other, _)) => Err(damaged(&format!("unknown layout {other}"))),
        None => Err(damaged("empty")),
    }
}

fn damaged(what: &str) -> LedgerError {
    LedgerError(format!("the store is damaged: a record cannot be read ({what})"))
}

fn name(symbols: &Symbols, symbol: Symbol) -> Result<String> {
    symbols.name(symbol).map(|name| name.to_string()).ok_or_else(|| damaged("unknown symbol"))
}

pub(super) fn encode_object(object: &ConnectorObject, intern: &mut impl Intern) -> Result<Vec<u8>> {
    let mut image = Vec::with_capacity(object.image.len());
    for (name, values) in &object.image {
        image.push((intern.intern(name.as_str())?, values.clone()));
    }
    let link = match &object.link {
        Some(link) => Some((link.metaverse.0, link.kind, intern.intern(&link.rule)?)),
        None => None,
    };
    let mut seeks = Vec::with_capacity(object.seeks.len());
    for (name, folded) in &object.seeks {
        seeks.push((intern.intern(name.as_str())?, folded.clone()));
    }
    encode(&StoredObject {
        seeks,
        pin: object.pin.clone(),
        id: object.id.0,
        connector: intern.intern(&object.connector)?,
        object_type: intern.intern(&object.object_type)?,
        anchor: object.anchor.as_ref().map(|anchor| anchor.0.clone()),
        dn: object.dn.clone(),
        image,
        link,
        export: object.export.clone(),
        outbound: (object.outbound != Outbound::default()).then(|| object.outbound.clone()),
        missing: object.missing,
        error: object.error.clone(),
    })
}

pub(super) fn decode_object(bytes: &[u8], symbols: &Symbols) -> Result<ConnectorObject> {
    restored(decode(bytes)?, symbols)
}

fn restored(stored: StoredObject, symbols: &Symbols) -> Result<ConnectorObject> {
    let mut image = Attributes::new();
    for (symbol, values) in stored.image {
        image.insert(symbols.attribute(symbol).ok_or_else(|| damaged("unknown symbol"))?, values);
    }
    let link = match stored.link {
        Some((metaverse, kind, rule)) => {
            Some(Link { metaverse: MetaverseId(metaverse), kind, rule: name(symbols, rule)? })
        }
        None => None,
    };
    Ok(ConnectorObject {
        id: ObjectId(stored.id),
        connector: name(symbols, stored.connector)?,
        object_type: name(symbols, stored.object_type)?,
        anchor: stored.anchor.map(Anchor),
        dn: stored.dn,
        image,
        link,
        export: stored.export,
        outbound: stored.outbound.unwrap_or_default(),
        seeks: stored
            .seeks
            .into_iter()
            .map(|(symbol, folded)| Ok((symbols.attribute(symbol).ok_or_else(|| damaged("unknown symbol"))?, folded)))
            .collect::<Result<_>>()?,
        missing: stored.missing,
        error: stored.error,
        pin: stored.pin,
    })
}

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
pub(super) fn decode_object_with(bytes: &[u8], symbols: &Symbols, wanted: &[Symbol]) -> Result<ConnectorObject> {
    let Some((&VERSION, bytes)) = bytes.split_first() else { return decode_object(bytes, symbols) };
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
    restored(stored, symbols)
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

pub(super) fn encode_metaverse(object: &MetaverseObject, intern: &mut impl Intern) -> Result<Vec<u8>> {
    let mut links = Vec::with_capacity(object.links.len());
    for (id, connector) in &object.links {
        links.push((id.0, intern.intern(connector)?));
    }
    let mut voices: Vec<Voice> = Vec::new();
    let mut contributions = Vec::with_capacity(object.contributions.len());
    for (attribute, list) in &object.contributions {
        let mut stored = Vec::with_capacity(list.len());
        for contribution in list {
            let voice = Voice {
                object: contribution.object.0,
                rule: intern.intern(&contribution.rule)?,
                precedence: contribution.precedence,
                order: contribution.order,
            };
            let place = voices.iter().position(|known| *known == voice).unwrap_or_else(|| {
                voices.push(voice);
                voices.len() - 1
            });
            let place = u16::try_from(place).map_err(|_| LedgerError("too many rules on one object".into()))?;
            stored.push((place, contribution.line, contribution.value.clone()));
        }
        contributions.push((intern.intern(attribute.as_str())?, stored));
    }
    encode(&StoredMetaverse {
        id: object.id.0,
        object_type: intern.intern(&object.object_type)?,
        links,
        voices,
        contributions,
        generations: object.generations.clone(),
        error: object.error.clone(),
    })
}

pub(super) fn decode_metaverse(bytes: &[u8], symbols: &Symbols) -> Result<MetaverseObject> {
    let stored: StoredMetaverse = decode(bytes)?;
    let mut object = MetaverseObject::new(MetaverseId(stored.id), &name(symbols, stored.object_type)?);
    for (id, connector) in stored.links {
        object.links.push((ObjectId(id), name(symbols, connector)?));
    }
    for (attribute, list) in stored.contributions {
        let mut contributions = Vec::with_capacity(list.len());
        for (place, line, value) in list {
            let voice = stored.voices.get(usize::from(place)).ok_or_else(|| damaged("unknown rule"))?;
            contributions.push(Contribution {
                object: ObjectId(voice.object),
                rule: symbols.name(voice.rule).ok_or_else(|| damaged("unknown symbol"))?,
                line,
                precedence: voice.precedence,
                order: voice.order,
                value,
            });
        }
        object
            .contributions
            .insert(symbols.attribute(attribute).ok_or_else(|| damaged("unknown symbol"))?, contributions);
    }
    object.generations = stored.generations;
    object.error = stored.error;
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector_space::{ExportState, Operation};
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
}
