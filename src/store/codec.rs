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
pub(super) const VERSION: u8 = 1;

/// Hands out symbols while a record is encoded.
pub(super) trait Intern {
    fn intern(&mut self, name: &str) -> Result<Symbol>;
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredObject {
    pub(super) id: Uuid,
    pub(super) connector: Symbol,
    pub(super) object_type: Symbol,
    pub(super) anchor: Option<String>,
    pub(super) dn: Option<String>,
    pub(super) image: Vec<(Symbol, Values)>,
    pub(super) link: Option<(Uuid, LinkKind, Symbol)>,
    pub(super) export: Option<Export>,
    pub(super) outbound: Option<Outbound>,
    pub(super) missing: bool,
    pub(super) error: Option<ObjectError>,
    pub(super) seeks: Vec<(Symbol, String)>,
    pub(super) pin: Option<Pin>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredMetaverse {
    pub(super) id: Uuid,
    pub(super) object_type: Symbol,
    pub(super) links: Vec<(Uuid, Symbol)>,
    /// Each rule on each object once; contributions name it by its place.
    pub(super) voices: Vec<Voice>,
    pub(super) contributions: Vec<(Symbol, Vec<Said>)>,
    pub(super) generations: BTreeMap<String, u32>,
    pub(super) error: Option<ObjectError>,
}

/// The place of a voice, the line of its rule, and what it says.
pub(super) type Said = (u16, u32, FlowValue);

#[derive(Serialize, Deserialize, PartialEq)]
pub(super) struct Voice {
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

pub(super) fn damaged(what: &str) -> LedgerError {
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

pub(super) fn restored(stored: StoredObject, symbols: &Symbols) -> Result<ConnectorObject> {
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
    restored_metaverse(decode(bytes)?, symbols)
}

pub(super) fn restored_metaverse(stored: StoredMetaverse, symbols: &Symbols) -> Result<MetaverseObject> {
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
