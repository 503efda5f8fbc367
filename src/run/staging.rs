//! What a directory shows, into the connector space, in batches that are not too large.

use std::collections::{BTreeSet, HashSet};

use super::RunError;
use super::import::ImportReport;
use super::session::Session;
use super::wanted::Wanted;
use crate::connector::{ImportedObject, Presence};
use crate::connector_space::ObjectId;
use crate::store::{Draft, DraftWrites};
use crate::sync::ledger::{LedgerError, View as _};
use crate::sync::stage::{EdgeNews, Readers, Staged, Staging};
use crate::sync::{deprovision, stage};

/// How many keys a batch writes before it is committed.
const HEAVY: usize = 4_000;
/// How many references of an object are staged at a time: groups may have very many members, and the store needs some
/// kilobytes for each key of a batch.
pub(super) const MANY: usize = 2_000;

/// What is staged, piece by piece: a batch takes as many pieces as it can hold, and what says how far they went comes into
/// the batch of the last.
pub(super) struct Batch<'a> {
    pub(super) session: &'a mut Session,
    open: Option<DraftWrites>,
}

impl Batch<'_> {
    /// Does work that comes in pieces. What is done when it succeeds is committed.
    ///
    /// # Errors
    /// What goes wrong in it; then what no full batch took is as it was. When the store fails.
    pub(super) fn over<T>(
        session: &mut Session,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let mut batch = Batch { session, open: None };
        let done = work(&mut batch)?;
        batch.commit()?;
        Ok(done)
    }

    /// Does one piece, which is written as a whole and sees those before it.
    pub(super) fn piece<T, E>(&mut self, work: impl FnOnce(&mut Draft<'_>) -> Result<T, E>) -> Result<T, RunError>
    where
        RunError: From<E>,
    {
        if self.open.as_ref().is_some_and(|open| open.weight() > HEAVY) {
            self.commit()?;
        }
        self.last(work)
    }

    /// Does a piece that goes with the one before it, however much that was.
    pub(super) fn last<T, E>(&mut self, work: impl FnOnce(&mut Draft<'_>) -> Result<T, E>) -> Result<T, RunError>
    where
        RunError: From<E>,
    {
        let mut draft = match self.open.take() {
            Some(open) => self.session.store.resume(open),
            None => self.session.store.draft(),
        };
        let done = work(&mut draft)?;
        self.open = Some(draft.finish());
        Ok(done)
    }

    /// Writes what is open: whoever reads the store directly sees it then.
    pub(super) fn commit(&mut self) -> Result<(), RunError> {
        if let Some(open) = self.open.take() {
            self.session.store.commit(open)?;
        }
        Ok(())
    }
}

/// Stages objects that a directory shows, and counts what came of them. `seen` are those that this import has shown.
pub(super) fn stage_shown<'a>(
    batch: &mut Batch<'_>,
    connector: &str,
    wanted: &Wanted,
    objects: impl IntoIterator<Item = &'a ImportedObject>,
    seen: &mut HashSet<ObjectId>,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    stage_all(batch, connector, wanted, objects, |draft, object, staging| {
        if !seen.insert(staging.id) {
            report.note(format!("`{}` was shown twice", object.dn.as_ref().unwrap_or(&object.anchor.0)));
        }
        match staging.staged {
            Staged::New => report.new += 1,
            Staged::Changed => report.changed += 1,
            Staged::Unchanged => {}
        }
        let Some(holder) = staging.displaced else { return Ok(()) };
        let shown = |id| seen.contains(&id);
        stage::hand_over(draft, (holder, staging.id), shown, |object_type| wanted.readers(object_type))
    })
}

/// Stages objects in order, and tells what came of each.
pub(super) fn stage_all<'a>(
    batch: &mut Batch<'_>,
    connector: &str,
    wanted: &Wanted,
    objects: impl IntoIterator<Item = &'a ImportedObject>,
    mut tell: impl FnMut(&mut Draft<'_>, &ImportedObject, &Staging) -> Result<(), LedgerError>,
) -> Result<(), RunError> {
    for object in objects {
        let Staging { id, rest, .. } = batch.piece(|draft| {
            let staging = stage_one(draft, connector, wanted, object)?;
            tell(draft, object, &staging)?;
            Ok::<_, LedgerError>(staging)
        })?;
        // Before the next object: it may be what a reference leads to, and takes the place of a name.
        stage_rest(batch, id, &rest, wanted.readers(&object.object_type))?;
    }
    Ok(())
}

/// Stages one object, and at most so many of its references as a batch may hold.
fn stage_one(
    draft: &mut Draft<'_>,
    connector: &str,
    wanted: &Wanted,
    object: &ImportedObject,
) -> Result<Staging, LedgerError> {
    let nothing = BTreeSet::new();
    let references = wanted.references.get(&object.object_type).unwrap_or(&nothing);
    let readers = wanted.readers(&object.object_type);
    stage::stage_part(draft, connector, object, references, readers, MANY)
}

/// Stages what was left of the references of an object, in pieces of their own.
fn stage_rest(batch: &mut Batch<'_>, id: ObjectId, rest: &[EdgeNews], readers: Readers) -> Result<(), RunError> {
    for chunk in rest.chunks(MANY) {
        batch.piece(|draft| {
            let Some(object) = draft.object(id)? else { return Ok(()) };
            for (attribute, to, seen) in chunk {
                stage::stage_edge(draft, &object, attribute, *to, *seen, readers)?;
            }
            Ok::<_, LedgerError>(())
        })?;
        batch.session.go_on()?;
    }
    Ok(())
}

/// The objects that are there.
pub(super) fn present<'a>(found: impl Iterator<Item = &'a Presence>) -> impl Iterator<Item = &'a ImportedObject> {
    found.filter_map(|presence| match presence {
        Presence::Present(object) => Some(&**object),
        Presence::OutOfScope(_) | Presence::Deleted | Presence::NotFound => None,
    })
}

/// What becomes of a known object that was looked for. `told`: the directory said by itself that it was deleted.
pub(super) fn settle(
    draft: &mut Draft<'_>,
    connector: &str,
    (id, name): (ObjectId, &str),
    presence: &Presence,
    told: bool,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    let why = match presence {
        Presence::Present(_) => return Ok(()),
        Presence::OutOfScope(place) => format!("moved out of the scope of `{connector}`, to {place}"),
        Presence::Deleted => format!("deleted from `{connector}`"),
        // It said so by itself, and nothing is there.
        Presence::NotFound if told => format!("deleted from `{connector}`, as it says"),
        Presence::NotFound => {
            stage::hold_missing(draft, id)?;
            report.held += 1;
            report.note(format!("`{name}` was not shown and nothing proves that it was deleted: held"));
            return Ok(());
        }
    };
    deprovision::gone(draft, id, &why)?;
    report.gone += 1;
    Ok(())
}

#[cfg(test)]
pub(in crate::run) mod tests {
    use super::*;
    use crate::config::Config;
    use crate::store::StoreError;

    const PEOPLE: &str = "const rule = #{ from: \"files/user\", to: \"metaverse/person\", precedence: 100 };\n\n\
                          fn flow(user) { #{ title: user.title } }\n";

    /// A deployment with a file that nobody has read.
    pub(in crate::run) fn session(folder: &std::path::Path) -> Session {
        let config = "[connector.files]\nkind = \"ldif\"\nfile = \"people.ldif\"\nschema = \"active-directory\"\n\
                      [rules]\nfolder = \"rules\"\n[store]\nfolder = \"state\"\n";
        std::fs::write(folder.join("syncline.toml"), config).unwrap();
        std::fs::create_dir(folder.join("rules")).unwrap();
        std::fs::write(folder.join("rules/people.rhai"), PEOPLE).unwrap();
        Session::open(Config::load(&folder.join("syncline.toml")).unwrap(), false).unwrap()
    }

    fn put(draft: &mut Draft<'_>, keys: std::ops::Range<usize>) -> Result<(), LedgerError> {
        keys.into_iter().try_for_each(|key| draft.put_fact(&format!("test/{key}"), &key))
    }

    #[test]
    fn how_far_it_went_is_in_the_batch_of_the_last_piece() {
        let folder = tempfile::tempdir().unwrap();
        let mut session = session(folder.path());
        let fact = |session: &Session, key: usize| -> Option<usize> {
            session.store.draft().fact(&format!("test/{key}")).unwrap()
        };
        let broken = || RunError::Store(StoreError::InUse { folder: "elsewhere".into() });
        let failed: Result<(), _> = Batch::over(&mut session, |batch| {
            batch.piece(|draft| put(draft, 0..HEAVY + 1))?;
            assert_eq!(fact(batch.session, 0), None, "nothing is written before it is full");
            batch.piece(|draft| put(draft, 5_000..5_000 + HEAVY + 1))?;
            assert_eq!(fact(batch.session, 0), Some(0), "the batch before was full");
            let seen = batch.last(|draft| draft.fact::<usize>("test/5000"));
            assert_eq!(seen.unwrap(), Some(5_000), "a piece sees those before it");
            batch.piece(|draft| put(draft, 10_000..10_000 + HEAVY + 1))?;
            batch.last(|draft| put(draft, 20_000..20_001))?;
            Err(broken())
        });
        assert!(failed.is_err());
        assert_eq!((fact(&session, 10_000), fact(&session, 20_000)), (None, None), "neither without the other");
        Batch::over(&mut session, |batch| {
            batch.piece(|draft| put(draft, 10_000..10_000 + HEAVY + 1))?;
            batch.last(|draft| put(draft, 20_000..20_001))
        })
        .unwrap();
        assert_eq!((fact(&session, 10_000), fact(&session, 20_000)), (Some(10_000), Some(20_000)));
    }
}
