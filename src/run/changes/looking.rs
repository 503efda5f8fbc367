//! What objects look like now that a directory calls changed, and who refers to those that are new.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Changes;
use crate::connector::changes::Hint;
use crate::connector::directory::Directory;
use crate::connector::{Anchor, ConnectorError, ImportRequest, Presence};
use crate::run::RunError;
use crate::run::import::LOOK_UP_BATCH;
use crate::run::session::Session;
use crate::run::staging::present;
use crate::run::wanted::Wanted;
use crate::sync::ledger::View as _;
use crate::value::AttributeName;

/// Who refers to an object: the object, the attribute, and names of entries.
pub(super) type Referrers = (Anchor, AttributeName, Vec<String>);

/// Objects to look at.
pub struct Looking {
    directory: Arc<Directory>,
    request: ImportRequest,
    /// Who, with the name that is known.
    asked: Vec<(Anchor, Option<String>)>,
    /// Those of them that were never seen: who refers to them is asked, too.
    unknown: BTreeSet<Anchor>,
    /// By which attributes.
    attributes: BTreeSet<AttributeName>,
}

/// What was found.
#[derive(Default)]
pub struct Found {
    pub(super) presences: Vec<(Anchor, Presence)>,
    pub(super) referrers: Vec<Referrers>,
    /// Those whose referrers are among it.
    pub(super) covered: BTreeSet<Anchor>,
}

impl Looking {
    /// At everybody who is said to have changed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn at(session: &Session, changes: &Changes) -> Result<Looking, RunError> {
        Looking::of(session, &changes.connector, &changes.wanted, &changes.looked_at)
    }

    /// At these.
    pub(super) fn of(
        session: &Session,
        connector: &str,
        wanted: &Wanted,
        objects: &[(Anchor, Hint)],
    ) -> Result<Looking, RunError> {
        let draft = session.store.draft();
        let mut looking = Looking {
            directory: session.directory(connector)?,
            request: wanted.request.clone(),
            asked: Vec::with_capacity(objects.len()),
            unknown: BTreeSet::new(),
            attributes: wanted.reference_attributes(),
        };
        for (anchor, _) in objects {
            let object = draft.object_of_anchor(connector, anchor)?;
            if object.is_none() {
                looking.unknown.insert(anchor.clone());
            }
            looking.asked.push((anchor.clone(), object.and_then(|object| object.dn)));
        }
        Ok(looking)
    }

    /// Looks.
    ///
    /// # Errors
    /// When the directory could not be used.
    pub async fn run(self) -> Result<Found, ConnectorError> {
        let mut found = Found::default();
        for chunk in self.asked.chunks(LOOK_UP_BATCH) {
            found.presences.extend(self.directory.look_up(&self.request, chunk).await?);
        }
        let new: Vec<_> = new(&found.presences, |anchor| self.unknown.contains(anchor)).collect();
        found.referrers = referrers(&self.directory, &self.attributes, &new).await?;
        found.covered = new.into_iter().map(|(anchor, _)| anchor).collect();
        Ok(found)
    }
}

/// Those among what was found that are there and were not known, with their names.
pub(super) fn new(
    found: &[(Anchor, Presence)],
    is_unknown: impl Fn(&Anchor) -> bool,
) -> impl Iterator<Item = (Anchor, String)> {
    let shown = present(found.iter().map(|(_, found)| found));
    let new = shown.filter(move |object| is_unknown(&object.anchor));
    new.filter_map(|object| Some((object.anchor.clone(), object.dn.clone()?)))
}

/// Who refers to objects that came into sight: a directory tells of nobody for it.
pub(super) async fn referrers(
    directory: &Directory,
    attributes: &BTreeSet<AttributeName>,
    new: &[(Anchor, String)],
) -> Result<Vec<Referrers>, ConnectorError> {
    let mut found = Vec::new();
    for chunk in new.chunks(LOOK_UP_BATCH) {
        found.extend(directory.referrers(attributes, chunk).await?);
    }
    Ok(found)
}
