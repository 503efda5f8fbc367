//! Keys of the store: one tree, a letter for each kind of record. The format version lives here and nowhere else.

use uuid::Uuid;

use super::symbols::Symbol;
use crate::connector_space::ObjectId;
use crate::metaverse::MetaverseId;

/// The version of keys and records. A store of another version is refused.
pub(super) const FORMAT: u32 = 3;

/// Folded values longer than this are cut in index keys; the record decides whether it really matches.
const LONGEST_VALUE: usize = 200;

/// Connector objects.
pub(super) const OBJECT: u8 = b'o';
/// Metaverse objects.
pub(super) const METAVERSE: u8 = b'm';
/// Symbols by number.
pub(super) const SYMBOL: u8 = b'y';
/// Derived: objects whose id does not follow from their anchor.
pub(super) const ANCHOR: u8 = b'a';
/// Derived: objects by DN.
pub(super) const DN: u8 = b'n';
/// Derived: metaverse objects by attribute value.
pub(super) const JOIN: u8 = b'j';
/// Derived: unlinked connector objects by the metaverse value that they would join on.
pub(super) const SEEK: u8 = b's';
/// Derived: connector objects by attribute value.
pub(super) const MATCH: u8 = b't';
/// Derived: objects by connector and type.
pub(super) const POPULATION: u8 = b'c';
/// Derived: objects that wait for something to be written or confirmed.
pub(super) const EXPORT: u8 = b'x';
/// Derived: references that wait for the same.
pub(super) const EDGE_EXPORT: u8 = b'q';
/// Derived: the metaverse object and the connector of an object.
pub(super) const LINK: u8 = b'l';
/// Derived: the objects of a metaverse object, by connector.
pub(super) const COUNTERPART: u8 = b'k';
/// Derived: the target references that a source reference attribute feeds.
pub(super) const FEEDS: u8 = b'w';
/// Derived: where a target's references come from.
pub(super) const FED: u8 = b'v';
/// References.
pub(super) const EDGE: u8 = b'e';
/// Derived: references backwards.
pub(super) const REFERRER: u8 = b'r';
/// Queues: objects, metaverse objects, references.
pub(super) const OBJECT_QUEUE: u8 = b'1';
/// See above.
pub(super) const METAVERSE_QUEUE: u8 = b'2';
/// See above.
pub(super) const EDGE_QUEUE: u8 = b'3';
/// Facts by name.
pub(super) const FACT: u8 = b'f';
/// The journal: what was done, commit by commit.
pub(super) const JOURNAL: u8 = b'J';
/// Which journal entries speak of an object or metaverse object.
pub(super) const HISTORY: u8 = b'h';

/// Kinds that follow from other records and can be rebuilt.
pub(super) const DERIVED: [u8; 13] =
    [SEEK, ANCHOR, DN, JOIN, MATCH, POPULATION, EXPORT, LINK, COUNTERPART, FEEDS, FED, EDGE_EXPORT, REFERRER];

/// Puts a key together.
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn new(kind: u8) -> Key {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(kind);
        Key(bytes)
    }

    pub(super) fn symbol(mut self, symbol: Symbol) -> Key {
        self.0.extend(symbol.0.to_be_bytes());
        self
    }

    pub(super) fn id(mut self, id: Uuid) -> Key {
        self.0.extend(id.as_bytes());
        self
    }

    pub(super) fn number(mut self, number: u64) -> Key {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Text at the end of a key, or closed by a zero byte so that no text is the beginning of another.
    pub(super) fn text(mut self, text: &str) -> Key {
        self.0.extend(text.bytes().filter(|byte| *byte != 0).take(LONGEST_VALUE));
        self.0.push(0);
        self
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

pub(super) fn object(id: ObjectId) -> Vec<u8> {
    Key::new(OBJECT).id(id.0).bytes()
}

pub(super) fn metaverse(id: MetaverseId) -> Vec<u8> {
    Key::new(METAVERSE).id(id.0).bytes()
}

pub(super) fn fact(name: &str) -> Vec<u8> {
    Key::new(FACT).text(name).bytes()
}

/// The id in the last 16 bytes of a key.
pub(super) fn last_id(key: &[u8]) -> Option<Uuid> {
    let bytes = key.get(key.len().checked_sub(16)?..)?;
    Uuid::from_slice(bytes).ok()
}

/// The parts of an edge key: from, attribute, to.
pub(super) fn edge_parts(key: &[u8], start: usize) -> Option<(Uuid, Symbol, Uuid)> {
    let from = Uuid::from_slice(key.get(start..start + 16)?).ok()?;
    let symbol = u16::from_be_bytes(key.get(start + 16..start + 18)?.try_into().ok()?);
    let to = Uuid::from_slice(key.get(start + 18..start + 34)?).ok()?;
    Some((from, Symbol(symbol), to))
}
