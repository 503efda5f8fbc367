//! Walks over a draft, a stretch at a time, so that no caller holds the population or keeps a cursor of its own.

use super::key;
use super::records::Draft;
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::sync::ledger::{Result, View};

/// How many ids are read at a time.
pub(super) const STRETCH: usize = 2_000;

impl Draft<'_> {
    /// Visits the objects of a type in a connector, in the order of their ids.
    ///
    /// # Errors
    /// When the store cannot be read; so for all that follow.
    pub fn each_object(&self, connector: &str, object_type: &str, visit: impl FnMut(ConnectorObject)) -> Result<()> {
        self.each(|after| self.population(connector, object_type, after, STRETCH), visit)
    }

    /// Visits the objects of a connector that wait for something to be written or confirmed.
    pub fn each_export(&self, connector: &str, visit: impl FnMut(ConnectorObject)) -> Result<()> {
        self.each(|after| self.exports(connector, after, STRETCH), visit)
    }

    /// Visits all metaverse objects.
    pub fn each_metaverse(&self, mut visit: impl FnMut(MetaverseObject)) -> Result<()> {
        stretches(
            |after| self.all_metaverse(after, STRETCH),
            |ids| {
                for id in ids {
                    self.metaverse(*id)?.into_iter().for_each(&mut visit);
                }
                Ok(())
            },
        )
    }

    /// The objects of the connector space that this draft writes or removes, in the order of their ids.
    pub fn written_objects(&self) -> Vec<ObjectId> {
        self.bytes.written(&[key::OBJECT]).filter_map(|key| key::last_id(key)).map(ObjectId).collect()
    }

    /// The metaverse objects that this draft writes or removes, in the order of their ids.
    pub fn written_metaverse(&self) -> Vec<MetaverseId> {
        self.bytes.written(&[key::METAVERSE]).filter_map(|key| key::last_id(key)).map(MetaverseId).collect()
    }

    /// How many objects of a type a connector has.
    pub fn count_objects(&self, connector: &str, object_type: &str) -> Result<usize> {
        let mut count = 0;
        stretches(
            |after| self.population(connector, object_type, after, STRETCH),
            |ids| {
                count += ids.len();
                Ok(())
            },
        )?;
        Ok(count)
    }

    fn each(
        &self,
        next: impl Fn(Option<ObjectId>) -> Result<Vec<ObjectId>>,
        mut visit: impl FnMut(ConnectorObject),
    ) -> Result<()> {
        stretches(next, |ids| {
            for id in ids {
                self.object(*id)?.into_iter().for_each(&mut visit);
            }
            Ok(())
        })
    }
}

/// Calls `next` with the last id it gave until it gives none.
pub(super) fn stretches<I: Copy>(
    next: impl Fn(Option<I>) -> Result<Vec<I>>,
    mut take: impl FnMut(&[I]) -> Result<()>,
) -> Result<()> {
    let mut after = None;
    loop {
        let ids = next(after)?;
        take(&ids)?;
        match ids.last() {
            Some(last) => after = Some(*last),
            None => return Ok(()),
        }
    }
}
