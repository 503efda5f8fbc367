//! An import of what changed: a directory says which objects, they are looked up, and how far that went is kept in the
//! same batch as the last of them. What cannot be told that way is read whole.
//!
//! Two steps, so that nobody makes a run of nothing: [`collect`] asks, [`take_in`] stages.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::import::{self, ImportReport, LOOK_UP_BATCH, MANY, Wanted};
use super::session::Session;
use super::{Progress, RunError, shrinkage};
use crate::change::Change;
use crate::connector::changes::{ChangeEvent, ChangesEnd, Hint, Watermark};
use crate::connector::directory::Directory;
use crate::connector::{Anchor, ConnectorError, Presence, Target};
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::store::Draft;
use crate::sync::ledger::{Ledger as _, View as _};
use crate::sync::{deprovision, stage};
use crate::value::AttributeName;

/// How far the changes of a connector have been taken in, and what was asked for then: who asks for more has to read
/// everything once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reached {
    watermark: Watermark,
    asked: BTreeMap<String, BTreeSet<AttributeName>>,
    /// From where, and what part of it.
    place: String,
}

fn key(connector: &str) -> String {
    format!("reached/{connector}")
}

/// Whether the changes of a connector can be asked for.
///
/// # Errors
/// When the store cannot be read.
pub fn is_reached(session: &Session, connector: &str) -> Result<bool, RunError> {
    Ok(session.store.draft().fact::<Reached>(&key(connector))?.is_some())
}

/// Remembers where the changes stood before everything was read. Without a watermark there is nothing to go on from.
pub(super) fn reach(
    session: &Session,
    draft: &mut Draft<'_>,
    connector: &str,
    wanted: &Wanted,
    watermark: Option<Watermark>,
) -> Result<(), RunError> {
    match watermark {
        Some(watermark) => {
            let place = session.directory(connector)?.place();
            let reached = Reached { watermark, asked: wanted.request.types.clone(), place };
            Ok(draft.put_fact(&key(connector), &reached)?)
        }
        None => Ok(draft.remove_fact(&key(connector))?),
    }
}

/// What a connector has to tell.
pub enum News {
    /// Nothing has changed.
    Nothing,
    /// Something has.
    Changes(Changes),
    /// It cannot tell what: everything has to be read. Why, in half a sentence.
    Everything(String),
}

/// What changed in a connector, not taken in yet.
pub struct Changes {
    connector: String,
    events: Vec<ChangeEvent>,
    reached: Reached,
    present: Option<BTreeSet<Anchor>>,
}

impl Changes {
    /// Whose they are.
    pub fn connector(&self) -> &str {
        &self.connector
    }
}

/// Asks a directory what changed since the last time.
///
/// # Errors
/// When the directory could not be used, or the store fails.
pub fn collect(session: &mut Session, connector: &str) -> Result<News, RunError> {
    let directory = session.directory(connector)?;
    let wanted = import::wanted(session, connector)?;
    if wanted.request.types.is_empty() {
        return Ok(News::Nothing);
    }
    let Some(reached) = session.store.draft().fact::<Reached>(&key(connector))? else {
        return Ok(News::Everything("its changes were never followed".into()));
    };
    if reached.asked != wanted.request.types {
        return Ok(News::Everything("rules ask for other attributes than before".into()));
    }
    if reached.place != directory.place() {
        return Ok(News::Everything("its settings are not what they were".into()));
    }
    let (events, end) = ask(session, connector, &directory, &wanted, &reached.watermark)?;
    Ok(match end {
        ChangesEnd::TooOld(why) => News::Everything(why),
        ChangesEnd::UpTo { watermark, present } if events.is_empty() && present.is_none() => {
            if watermark != reached.watermark {
                keep(session, connector, &Reached { watermark, ..reached })?;
            }
            News::Nothing
        }
        ChangesEnd::UpTo { watermark, present } => {
            let reached = Reached { watermark, ..reached };
            News::Changes(Changes { connector: connector.to_owned(), events, reached, present })
        }
    })
}

/// Asks and takes in; reads everything where that is needed. Nothing when nothing has changed.
///
/// # Errors
/// As [`collect`] and [`take_in`].
pub(super) fn catch_up(
    session: &mut Session,
    connector: &str,
    progress: &dyn Progress,
) -> Result<Option<ImportReport>, RunError> {
    match collect(session, connector)? {
        News::Nothing => Ok(None),
        News::Changes(changes) => match take_in(session, changes)? {
            Ok(report) => Ok(Some(report)),
            Err(_) => import::run(session, connector, progress).map(Some),
        },
        News::Everything(_) => import::run(session, connector, progress).map(Some),
    }
}

fn ask(
    session: &Session,
    connector: &str,
    directory: &Arc<Directory>,
    wanted: &Wanted,
    since: &Watermark,
) -> Result<(Vec<ChangeEvent>, ChangesEnd), RunError> {
    let (sender, mut receiver) = mpsc::channel(LOOK_UP_BATCH);
    let asked = {
        let (directory, request, since) = (Arc::clone(directory), wanted.request.clone(), since.clone());
        session.runtime.spawn(async move { directory.changes(&request, &since, sender).await })
    };
    let mut events = Vec::new();
    while let Some(event) = receiver.blocking_recv() {
        events.push(event);
    }
    let end = session
        .runtime
        .block_on(asked)
        .map_err(|error| RunError::Runtime(format!("reading the changes of `{connector}` broke off: {error}")))?
        .map_err(|error| RunError::Connector { connector: connector.to_owned(), error })?;
    Ok((events, end))
}

fn keep(session: &mut Session, connector: &str, reached: &Reached) -> Result<(), RunError> {
    let mut draft = session.store.draft();
    draft.put_fact(&key(connector), reached)?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
}

/// Who is to be looked at, and what is known of them.
#[derive(Default)]
struct Due {
    /// With what the directory said.
    looked_up: BTreeMap<Anchor, Hint>,
    references: Vec<(Anchor, AttributeName, Vec<(Target, bool)>)>,
}

/// Stages what changed. Gives why everything has to be read instead, if the directory says that more is gone than is
/// believed without a look at all of it.
///
/// # Errors
/// When the directory could not be used, the store fails, or somebody pressed Ctrl-C.
pub fn take_in(session: &mut Session, changes: Changes) -> Result<Result<ImportReport, String>, RunError> {
    let started = std::time::Instant::now();
    let connector = changes.connector.clone();
    let mut report = ImportReport { connector: connector.clone(), ..ImportReport::default() };
    let wanted = import::wanted(session, &connector)?;
    let due = due(session, &wanted, &changes)?;
    let gone = due.looked_up.values().filter(|hint| **hint == Hint::Gone).count();
    if let Some(why) = shrinkage::doubts(session, &connector, &wanted, gone)? {
        return Ok(Err(why));
    }
    let mut seen = HashSet::new();
    let touched: Vec<(Anchor, Hint)> = due.looked_up.into_iter().collect();
    let mut new = Vec::new();
    for chunk in touched.chunks(LOOK_UP_BATCH) {
        session.go_on()?;
        new.extend(look_at(session, &connector, &wanted, chunk, &mut seen, &mut report)?);
    }
    for chunk in new.chunks(LOOK_UP_BATCH) {
        session.go_on()?;
        referred_to(session, &connector, &wanted, chunk)?;
    }
    for (anchor, attribute, targets) in &due.references {
        refer(session, &connector, &wanted, (anchor, attribute, targets), &mut report)?;
    }
    keep(session, &connector, &changes.reached)?;
    session.store.checkpoint()?;
    report.milliseconds = super::cycle::milliseconds(started);
    Ok(Ok(report))
}

/// One entry for each object, however often it was told of; nothing that is neither known nor of interest.
fn due(session: &Session, wanted: &Wanted, changes: &Changes) -> Result<Due, RunError> {
    let draft = session.store.draft();
    let known = |anchor: &Anchor| -> Result<bool, RunError> {
        Ok(draft.object(draft.id_of_anchor(&changes.connector, anchor)?)?.is_some())
    };
    let mut due = Due::default();
    for event in &changes.events {
        match event {
            ChangeEvent::Touched { anchor, hint } => {
                if *hint == Hint::There || known(anchor)? {
                    // The last word counts.
                    due.looked_up.insert(anchor.clone(), *hint);
                }
            }
            ChangeEvent::References { anchor, .. } if !known(anchor)? => {
                due.looked_up.entry(anchor.clone()).or_insert(Hint::There);
            }
            ChangeEvent::References { anchor, attribute, targets } => {
                due.references.push((anchor.clone(), attribute.clone(), targets.clone()));
            }
        }
    }
    // Who is looked at shows all references.
    due.references.retain(|(anchor, ..)| due.looked_up.get(anchor).is_none_or(|hint| *hint != Hint::There));
    if let Some(present) = &changes.present {
        for object_type in wanted.request.types.keys() {
            draft.each_object(&changes.connector, object_type, |object| {
                if let Some(anchor) = object.anchor.filter(|anchor| !present.contains(anchor)) {
                    due.looked_up.entry(anchor).or_insert(Hint::There);
                }
            })?;
        }
    }
    Ok(due)
}

/// Looks at some objects, and stages what is found. Gives those that came into sight, with their names.
fn look_at(
    session: &mut Session,
    connector: &str,
    wanted: &Wanted,
    chunk: &[(Anchor, Hint)],
    seen: &mut HashSet<ObjectId>,
    report: &mut ImportReport,
) -> Result<Vec<(Anchor, String)>, RunError> {
    let directory = session.directory(connector)?;
    let draft = session.store.draft();
    let mut asked = Vec::with_capacity(chunk.len());
    let mut unknown = BTreeSet::new();
    for (anchor, _) in chunk {
        let object = draft.object(draft.id_of_anchor(connector, anchor)?)?;
        if object.is_none() {
            unknown.insert(anchor);
        }
        asked.push((anchor.clone(), object.and_then(|object| object.dn)));
    }
    drop(draft);
    let failed = |error: ConnectorError| RunError::Connector { connector: connector.to_owned(), error };
    let found = session.runtime.block_on(directory.look_up(&wanted.request, &asked)).map_err(failed)?;
    report.objects += u64::try_from(found.len()).unwrap_or(0);
    import::stage_shown(session, connector, wanted, import::present(found.iter().map(|(_, found)| found)), seen, report)?;
    let hints: BTreeMap<&Anchor, Hint> = chunk.iter().map(|(anchor, hint)| (anchor, *hint)).collect();
    let mut draft = session.store.draft();
    for (anchor, presence) in &found {
        let id = draft.id_of_anchor(connector, anchor)?;
        let Some(object) = draft.object(id)? else { continue };
        settle(&mut draft, connector, &object, presence, hints.get(anchor) == Some(&Hint::Gone), report)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    let shown = import::present(found.iter().map(|(_, found)| found));
    let new = shown.filter(|object| unknown.contains(&object.anchor));
    Ok(new.filter_map(|object| Some((object.anchor.clone(), object.dn.clone()?))).collect())
}

/// Who refers to objects that came into sight: nobody was told of for it, and whoever is known to refer to such a name may
/// have meant somebody else.
fn referred_to(
    session: &mut Session,
    connector: &str,
    wanted: &Wanted,
    new: &[(Anchor, String)],
) -> Result<(), RunError> {
    let directory = session.directory(connector)?;
    let attributes: BTreeSet<AttributeName> = wanted.references.values().flatten().cloned().collect();
    let failed = |error: ConnectorError| RunError::Connector { connector: connector.to_owned(), error };
    let found = session.runtime.block_on(directory.referrers(&attributes, new)).map_err(failed)?;
    for (anchor, attribute, names) in found {
        let mut draft = session.store.draft();
        let id = draft.id_of_anchor(connector, &anchor)?;
        let mut referring = BTreeSet::new();
        for name in names {
            referring.extend(draft.id_of_dn(connector, &crate::dn::normalise(&name))?);
        }
        let known = draft.referrers(id)?.into_iter().filter(|(_, known)| *known == attribute).map(|(from, _)| from);
        let all: BTreeSet<ObjectId> = known.chain(referring.iter().copied()).collect();
        for from in all {
            if let Some(object) = draft.object(from)? {
                let readers = wanted.readers(&object.object_type);
                stage::stage_edge(&mut draft, &object, &attribute, id, referring.contains(&from), readers)?;
            }
        }
        let writes = draft.finish();
        session.store.commit(writes)?;
    }
    Ok(())
}

/// What becomes of a known object that was looked for.
fn settle(
    draft: &mut Draft<'_>,
    connector: &str,
    object: &ConnectorObject,
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
            stage::hold_missing(draft, object.id)?;
            report.held += 1;
            report.note(format!("`{}` is not shown and nothing proves that it was deleted: held", object.title()));
            return Ok(());
        }
    };
    deprovision::gone(draft, object.id, &why)?;
    report.gone += 1;
    Ok(())
}

/// Stages references that came and went, in batches that are not too large.
fn refer(
    session: &mut Session,
    connector: &str,
    wanted: &Wanted,
    (anchor, attribute, targets): (&Anchor, &AttributeName, &[(Target, bool)]),
    report: &mut ImportReport,
) -> Result<(), RunError> {
    let mut noted = false;
    for chunk in targets.chunks(MANY) {
        session.go_on()?;
        let mut draft = session.store.draft();
        let id = draft.id_of_anchor(connector, anchor)?;
        let Some(object) = draft.object(id)? else { return Ok(()) };
        let readers = wanted.readers(&object.object_type);
        for (target, there) in chunk {
            stage::stage_reference(&mut draft, &object, attribute, target, *there, readers)?;
        }
        if !noted && draft.weight() > 0 {
            draft.note(Change::Changed(id, Vec::new()));
            report.changed += 1;
            report.objects += 1;
            noted = true;
        }
        let writes = draft.finish();
        session.store.commit(writes)?;
    }
    Ok(())
}
