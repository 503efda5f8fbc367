//! Reads that a store and a draft share.

use uuid::Uuid;

use super::codec;
use super::key::{self, Key};
use super::keyspace::Keyspace;
use super::symbols::Symbols;
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::sync::ledger::{LedgerError, Result};

pub(super) fn object(bytes: &dyn Keyspace, symbols: &Symbols, id: ObjectId) -> Result<Option<ConnectorObject>> {
    bytes.get(&key::object(id))?.map(|bytes| codec::decode_object(&bytes, symbols)).transpose()
}

pub(super) fn metaverse(bytes: &dyn Keyspace, symbols: &Symbols, id: MetaverseId) -> Result<Option<MetaverseObject>> {
    bytes.get(&key::metaverse(id))?.map(|bytes| codec::decode_metaverse(&bytes, symbols)).transpose()
}

/// The ids that end the keys below a prefix.
pub(super) fn ids(bytes: &dyn Keyspace, prefix: Key, limit: usize) -> Result<Vec<Uuid>> {
    let pairs = bytes.scan(&prefix.bytes(), None, limit)?;
    pairs.iter().map(|(key, _)| key::last_id(key).ok_or_else(bad_key)).collect()
}

pub(super) fn bad_key() -> LedgerError {
    LedgerError("the store is damaged: a key has the wrong length".into())
}
