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
use crate::connector_space::ObjectId;
use crate::store::Draft;
use crate::sync::ledger::{Ledger as _, View as _};
use crate::sync::stage;
use crate::value::AttributeName;

/// How far the changes of a connector have been taken in, and what was asked for then: who asks for more has to read
/// everything once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reached {
    watermark: Watermark,
    asked: BTreeMap<String, BTreeSet<AttributeName>>,
    /// From where, and what part of it.
    place: String,
    /// When everything was read the last time, in seconds since 1970.
    read_whole: i64,
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
            let (asked, read_whole) = (wanted.request.types.clone(), jiff::Timestamp::now().as_second());
            let reached = Reached { watermark, asked, place, read_whole };
            Ok(draft.put_fact(&key(connector), &reached)?)
        }
        None => Ok(draft.remove_fact(&key(connector))?),
    }
}

/// Whose references of which attribute came (`true`) and went.
type Referring = (Anchor, AttributeName, Vec<(Target, bool)>);

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
    /// Who is to be looked at, with what the directory said.
    looked_at: Vec<(Anchor, Hint)>,
    references: Vec<Referring>,
    /// From where on: what was asked again meanwhile holds all of it.
    since: Watermark,
    /// To be kept when all of it is taken in.
    reached: Option<Reached>,
}

impl Changes {
    /// Whose they are.
    pub fn connector(&self) -> &str {
        &self.connector
    }

    /// Takes so many objects out, to be taken in before the rest. How far the changes went is kept with the rest.
    pub fn split(&mut self, count: usize) -> Option<Changes> {
        if self.looked_at.len() <= count {
            return None;
        }
        let rest = self.looked_at.split_off(count);
        let looked_at = std::mem::replace(&mut self.looked_at, rest);
        let (connector, since) = (self.connector.clone(), self.since.clone());
        Some(Changes { connector, looked_at, references: Vec::new(), since, reached: None })
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
    let reached = match session.store.draft().fact::<Reached>(&key(connector))? {
        None => return Ok(News::Everything("its changes were never followed".into())),
        Some(reached) if reached.asked != wanted.request.types => {
            return Ok(News::Everything("rules ask for other attributes than before".into()));
        }
        Some(reached) if reached.place != directory.place() => {
            return Ok(News::Everything("its settings are not what they were".into()));
        }
        Some(reached) => reached,
    };
    let whole = i64::try_from(session.config.serving.whole.as_secs()).unwrap_or(i64::MAX);
    if whole > 0 && jiff::Timestamp::now().as_second().saturating_sub(reached.read_whole) >= whole {
        return Ok(News::Everything("it is time to".into()));
    }
    let (events, end) = ask(session, connector, &directory, &wanted, &reached.watermark)?;
    let (watermark, present) = match end {
        ChangesEnd::TooOld(why) => return Ok(News::Everything(why)),
        ChangesEnd::UpTo { watermark, present } => (watermark, present),
    };
    let since = reached.watermark.clone();
    let moved = watermark != since;
    let reached = Reached { watermark, ..reached };
    let mut due = due(session, connector, &wanted, &events, present.as_ref())?;
    if shrinkage::doubts(session, connector, &wanted, due.gone())?.is_some() {
        make_sure(session, connector, &directory, &wanted, &mut due)?;
        if let Some(why) = shrinkage::doubts(session, connector, &wanted, due.gone())? {
            return Ok(News::Everything(why));
        }
    }
    if due.looked_at.is_empty() && due.references.is_empty() {
        if moved {
            keep(session, connector, &reached)?;
        }
        return Ok(News::Nothing);
    }
    let (looked_at, references) = (due.looked_at.into_iter().collect(), due.references);
    let (connector, reached) = (connector.to_owned(), Some(reached));
    Ok(News::Changes(Changes { connector, looked_at, references, since, reached }))
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
        News::Changes(changes) => take_in(session, changes).map(Some),
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
        if let Err(stop) = session.go_on() {
            asked.abort();
            return Err(stop);
        }
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

/// Stages what changed.
///
/// # Errors
/// When the directory could not be used, the store fails, or somebody pressed Ctrl-C.
pub fn take_in(session: &mut Session, changes: Changes) -> Result<ImportReport, RunError> {
    let started = std::time::Instant::now();
    let Changes { connector, looked_at, references, since, reached } = changes;
    let mut report = ImportReport { connector: connector.clone(), ..ImportReport::default() };
    let stands: Option<Reached> = session.store.draft().fact(&key(&connector))?;
    if stands.is_none_or(|stands| stands.watermark != since) {
        return Ok(report);
    }
    let wanted = import::wanted(session, &connector)?;
    let mut seen = HashSet::new();
    let mut new = Vec::new();
    for chunk in looked_at.chunks(LOOK_UP_BATCH) {
        session.go_on()?;
        new.extend(look_at(session, &connector, &wanted, chunk, &mut seen, &mut report)?);
    }
    for chunk in new.chunks(LOOK_UP_BATCH) {
        session.go_on()?;
        referred_to(session, &connector, &wanted, chunk)?;
    }
    for (anchor, attribute, targets) in &references {
        refer(session, &connector, &wanted, (anchor, attribute, targets), &mut report)?;
    }
    if let Some(reached) = reached {
        keep(session, &connector, &reached)?;
    }
    session.store.checkpoint()?;
    report.milliseconds = super::cycle::milliseconds(started);
    Ok(report)
}

/// Who is to be looked at, and what is known without.
#[derive(Default)]
struct Due {
    looked_at: BTreeMap<Anchor, Hint>,
    references: Vec<Referring>,
}

impl Due {
    fn gone(&self) -> usize {
        self.looked_at.values().filter(|hint| **hint == Hint::Gone).count()
    }
}

/// Looks for those that are said to be gone: OpenLDAP says so of entries that change while it answers.
fn make_sure(
    session: &Session,
    connector: &str,
    directory: &Directory,
    wanted: &Wanted,
    due: &mut Due,
) -> Result<(), RunError> {
    let gone: Vec<Anchor> =
        due.looked_at.iter().filter(|(_, hint)| **hint == Hint::Gone).map(|(anchor, _)| anchor.clone()).collect();
    for chunk in gone.chunks(LOOK_UP_BATCH) {
        session.go_on()?;
        let asked: Vec<_> = chunk.iter().map(|anchor| (anchor.clone(), None)).collect();
        let found = session.runtime.block_on(directory.look_up(&wanted.request, &asked));
        let found = found.map_err(|error| RunError::Connector { connector: connector.to_owned(), error })?;
        for (anchor, presence) in found {
            if matches!(presence, Presence::Present(_)) {
                due.looked_at.insert(anchor, Hint::There);
            }
        }
    }
    Ok(())
}

/// One entry for each object, however often it was told of; nothing that is neither known nor of interest.
fn due(
    session: &Session,
    connector: &str,
    wanted: &Wanted,
    events: &[ChangeEvent],
    present: Option<&BTreeSet<Anchor>>,
) -> Result<Due, RunError> {
    let draft = session.store.draft();
    let known = |anchor: &Anchor| -> Result<bool, RunError> {
        Ok(draft.object(draft.id_of_anchor(connector, anchor)?)?.is_some())
    };
    let mut due = Due::default();
    for event in events {
        match event {
            ChangeEvent::Touched { anchor, hint } => {
                if *hint == Hint::There || known(anchor)? {
                    // The last word counts.
                    due.looked_at.insert(anchor.clone(), *hint);
                }
            }
            ChangeEvent::References { anchor, .. } if !known(anchor)? => {
                due.looked_at.entry(anchor.clone()).or_insert(Hint::There);
            }
            ChangeEvent::References { anchor, attribute, targets } => {
                due.references.push((anchor.clone(), attribute.clone(), targets.clone()));
            }
        }
    }
    // Who is looked at shows all references.
    due.references.retain(|(anchor, ..)| due.looked_at.get(anchor).is_none_or(|hint| *hint != Hint::There));
    if let Some(present) = present {
        for object_type in wanted.request.types.keys() {
            draft.each_object(connector, object_type, |object| {
                if let Some(anchor) = object.anchor.filter(|anchor| !present.contains(anchor)) {
                    due.looked_at.entry(anchor).or_insert(Hint::There);
                }
            })?;
        }
    }
    Ok(due)
}

/// Looks at some objects, and stages what is found. Gives those that came into sight, with their names.
pub(super) fn look_at(
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
    import::stage_shown(
        session,
        connector,
        wanted,
        import::present(found.iter().map(|(_, found)| found)),
        seen,
        report,
    )?;
    let hints: BTreeMap<&Anchor, Hint> = chunk.iter().map(|(anchor, hint)| (anchor, *hint)).collect();
    let mut draft = session.store.draft();
    for (anchor, presence) in &found {
        let id = draft.id_of_anchor(connector, anchor)?;
        let Some(object) = draft.object(id)? else { continue };
        let told = hints.get(anchor) == Some(&Hint::Gone);
        import::settle(&mut draft, connector, (id, &object.title()), presence, told, report)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    let shown = import::present(found.iter().map(|(_, found)| found));
    let new = shown.filter(|object| unknown.contains(&object.anchor));
    Ok(new.filter_map(|object| Some((object.anchor.clone(), object.dn.clone()?))).collect())
}

/// Who refers to objects that came into sight: nobody was told of for it, and whoever is known to refer to such a name may
/// have meant somebody else.
pub(super) fn referred_to(
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
