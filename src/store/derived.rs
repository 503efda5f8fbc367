//! Derived keys: what follows from records, so that they are found by name, value, link and state.

use std::collections::BTreeMap;

use super::codec::Intern as _;
use super::key::{self, Key};
use super::records::Draft;
use crate::connector_space::{ConnectorObject, ExportState, Members, ObjectId};
use crate::metaverse::MetaverseObject;
use crate::sync::ledger::Result;
use crate::sync::precedence;

/// Derived keys with their values.
pub(super) type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

impl Draft<'_> {
    /// Keys of derived records that follow from an object.
    pub(super) fn object_keys(&mut self, object: &ConnectorObject) -> Result<Keys> {
        let connector = self.intern(&object.connector)?;
        let object_type = self.intern(&object.object_type)?;
        let id = object.id.0;
        let keys = Keys::new();
        let mut keys = Keyring(keys);
        keys.insert(Key::new(key::POPULATION).symbol(connector).symbol(object_type).id(id).bytes());
        if let Some(dn) = &object.dn {
            keys.insert(Key::new(key::DN).symbol(connector).text(&crate::dn::normalise(dn)).id(id).bytes());
        }
        for (attribute, folded) in &object.seeks {
            let attribute = self.intern(attribute.as_str())?;
            keys.insert(Key::new(key::SEEK).symbol(attribute).text(folded).id(id).bytes());
        }
        if let Some(anchor) =
            object.anchor.as_ref().filter(|anchor| ObjectId::of_anchor(&object.connector, anchor) != object.id)
        {
            keys.insert(Key::new(key::ANCHOR).symbol(connector).text(&anchor.0).id(id).bytes());
        }
        // A proposal waits for a person, a grace for a day; what is held is shown by plans.
        let outbound = &object.outbound;
        let waits = outbound.proposed.is_some() || outbound.grace.is_some() || !outbound.held.is_empty();
        if object.export.is_some() || waits {
            keys.insert(Key::new(key::EXPORT).symbol(connector).id(id).bytes());
        }
        if let Some(link) = &object.link {
            let value = [link.metaverse.0.as_bytes().as_slice(), &connector.0.to_be_bytes()].concat();
            keys.0.insert(Key::new(key::LINK).id(id).bytes(), value);
            keys.insert(Key::new(key::COUNTERPART).id(link.metaverse.0).symbol(connector).id(id).bytes());
        }
        for (name, source) in &object.outbound.references {
            let (attribute, from) = (self.intern(name.as_str())?, self.intern(source.attribute.as_str())?);
            let feeds =
                Key::new(key::FEEDS).id(source.object.0).symbol(from).id(id).symbol(attribute).symbol(connector);
            keys.insert(feeds.bytes());
            let members = match source.members {
                Members::Own => 0,
                Members::Exact => 1,
            };
            let value = [source.object.0.as_bytes().as_slice(), &from.0.to_be_bytes(), &[members]].concat();
            keys.0.insert(Key::new(key::FED).id(id).symbol(attribute).bytes(), value);
        }
        let Some(indexed) = self.indexes.objects.get(&object.connector) else { return Ok(keys.0) };
        let pending = object.export.iter().filter(|export| !matches!(export.state, ExportState::Failed { .. }));
        let coming = pending.flat_map(|export| &export.changes).map(|(name, change)| (name, &change.values));
        for (name, values) in object.image.iter().chain(coming).filter(|(name, _)| indexed.contains(*name)) {
            let attribute = self.intern(name.as_str())?;
            for value in values {
                let base = Key::new(key::MATCH).symbol(connector).symbol(attribute);
                keys.insert(base.text(&value.folded()).id(id).bytes());
            }
        }
        Ok(keys.0)
    }

    pub(super) fn metaverse_keys(&mut self, object: &MetaverseObject) -> Result<Keys> {
        let mut keys = Keys::new();
        let indexed = self.indexes.metaverse.iter().filter_map(|name| Some((name, object.contributions.get(name)?)));
        for (name, contributions) in indexed.collect::<Vec<_>>() {
            let attribute = self.intern(name.as_str())?;
            for value in precedence::values(contributions) {
                let base = Key::new(key::JOIN).symbol(attribute);
                keys.insert(base.text(&value.folded()).id(object.id.0).bytes(), Vec::new());
            }
        }
        Ok(keys)
    }
}

/// Keys that are being collected; most have no value.
struct Keyring(Keys);

impl Keyring {
    fn insert(&mut self, key: Vec<u8>) {
        self.0.insert(key, Vec::new());
    }
}
