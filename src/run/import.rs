//! One import: from a directory into the connector space. What is not shown is looked up before anything is inferred.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::mpsc;

use super::session::Session;
use super::shrinkage::{self, Census, Shrunk};
use super::staging::{Batch, present, settle, stage_all, stage_shown};
use super::wanted::Wanted;
use super::{Progress, RunError, changes, reading};
use crate::config::ConnectorSettings;
use crate::connector::directory::Directory;
use crate::connector::ldap::Ldap;
use crate::connector::{Anchor, ConnectorError, ImportEnd, ImportEvent, ImportedObject, Presence};
use crate::connector_space::ObjectId;
use crate::sync::deprovision;
use crate::sync::ledger::View as _;

/// How many objects are committed at a time.
const BATCH: usize = 200;
/// How many objects are looked up at a time.
pub(super) const LOOK_UP_BATCH: usize = 200;
/// More findings than this are counted, not listed.
const LISTED: usize = 20;

/// What an import did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ImportReport {
    /// The connector.
    pub connector: String,
    /// Objects that the directory showed.
    pub objects: u64,
    /// New ones.
    pub new: u64,
    /// Ones with other values.
    pub changed: u64,
    /// Ones that are gone, with proof.
    pub gone: u64,
    /// Ones that were not shown, and nothing proves that they are gone: left as they are.
    pub held: u64,
    /// Ones that were there but could not be read: left as they are.
    pub unreadable: u64,
    /// Why the import is not complete; nothing was inferred from absence.
    pub incomplete: Vec<String>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// The first of what was held or unreadable.
    pub notes: Vec<String>,
    /// What it shows far fewer of than there was; then nothing was derived from it.
    pub shrunk: Vec<Shrunk>,
    /// Where the list of whom that concerns is.
    pub shrunk_list: Option<PathBuf>,
}

impl ImportReport {
    pub(super) fn note(&mut self, note: String) {
        if self.notes.len() < LISTED {
            self.notes.push(note);
        }
    }
}

/// Imports everything that rules need from a connector. One that shows far fewer than there were is believed only if
/// somebody has looked at the directory (`session.believed`).
///
/// # Errors
/// When the directory could not be used at all, the store fails, or somebody pressed Ctrl-C.
pub fn run(session: &mut Session, connector: &str, progress: &dyn Progress) -> Result<ImportReport, RunError> {
    let directory = session.directory(connector)?;
    let failed = |error: ConnectorError| RunError::Connector { connector: connector.to_owned(), error };
    let wanted = Wanted::of(session, connector)?;
    let started = std::time::Instant::now();
    let mut report = ImportReport { connector: connector.to_owned(), ..ImportReport::default() };
    if wanted.request.types.is_empty() {
        return Ok(report);
    }
    progress.begin("import", connector, None);
    reading::begin_whole(session, connector)?;
    // What changes while everything is read is read again afterwards.
    let watermark = session.alive_while(directory.watermark(&wanted.request)).unwrap_or_else(|error| {
        report.note(format!("its changes cannot be followed: {error}"));
        None
    });
    let journal = session.store.journal_end();
    let (sender, receiver) = mpsc::channel(BATCH * 2);
    let request = wanted.request.clone();
    let task = {
        let directory = Arc::clone(&directory);
        session.runtime.spawn(async move { directory.import(&request, sender).await })
    };
    let mut seen = Seen::default();
    let staged = receive(session, connector, &wanted, receiver, &mut seen, &mut report, progress);
    if staged.is_err() {
        task.abort();
    }
    staged?;
    let end = session
        .runtime
        .block_on(task)
        .map_err(|error| RunError::Runtime(format!("the import of `{connector}` broke off: {error}")))?
        .map_err(failed)?;
    session.store.checkpoint()?;
    let complete = matches!(end, ImportEnd::Complete);
    if let ImportEnd::Incomplete(reasons) = end {
        report.incomplete = reasons;
    }
    let shown = complete.then_some(&seen.objects);
    let shrunk = shrinkage::find(session, connector, &wanted, &seen.census, shown)?;
    let believed = shrunk.is_empty() || session.believed.contains(connector);
    if complete && believed {
        settle_absent(session, connector, &directory, &wanted, &seen.objects, &mut report)?;
    }
    let mut draft = session.store.draft();
    match (believed, complete) {
        (true, true) => shrinkage::accept(&mut draft, connector, &seen.census)?,
        (true, false) => {}
        (false, _) => shrinkage::refuse(&mut draft, connector, journal)?,
    }
    if complete {
        draft.put_fact(&format!("imported/{connector}"), &wanted.request.types)?;
    }
    if complete && believed {
        reading::end_whole(&mut draft, connector)?;
    }
    changes::reach(session, &mut draft, connector, &wanted, watermark.filter(|_| complete && believed))?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.forget();
    if !believed {
        let run = session.store.draft().fact::<u64>("run")?.unwrap_or(0);
        let path = shrinkage::path_of(session, connector, run);
        shrinkage::write_list(session, &path, &shrunk, shown)?;
        (report.shrunk, report.shrunk_list) = (shrunk, Some(path));
    }
    session.store.checkpoint()?;
    report.milliseconds = super::cycle::milliseconds(started);
    Ok(report)
}

/// Asks a directory about itself, and remembers the answer. Wrong addresses, accounts and secrets show here, before
/// anything is imported from anywhere. Gives what people should know, in a sentence each.
///
/// # Errors
/// When the directory could not be used, or the store fails.
pub fn learn(session: &mut Session, connector: &str) -> Result<Vec<String>, RunError> {
    let warnings = find_places(session, connector)?;
    let directory = session.directory(connector)?;
    let asked = async {
        let (schema, netbios) = (directory.schema().await?, directory.netbios_names().await?);
        Ok((schema, netbios, directory.facts().await?, directory.stock().await?))
    };
    let (schema, netbios, facts, stock) = session.wait_for(connector, asked)?;
    let mut draft = session.store.draft();
    draft.put_fact(&format!("schema/{connector}"), &schema)?;
    draft.put_fact(&format!("netbios/{connector}"), &netbios)?;
    if directory.is_target() {
        draft.put_fact(&format!("tenant/{connector}"), &facts)?;
        draft.put_fact(&format!("stock/{connector}"), &stock)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.forget();
    Ok(warnings)
}

/// Looks for search bases by their anchors, and from now on uses them where they are.
fn find_places(session: &mut Session, connector: &str) -> Result<Vec<String>, RunError> {
    let settings = session.config.connectors.iter().find(|(name, _)| name == connector);
    let Some((_, ConnectorSettings::Ldap(flavour, settings))) = settings else { return Ok(Vec::new()) };
    let failed = |error| RunError::Connector { connector: connector.to_owned(), error };
    // As the settings spell them, whatever they are called in this session.
    let ldap = Ldap::new(*flavour, settings.clone()).map_err(failed)?;
    let key = format!("places/{connector}");
    let known = session.store.draft().fact(&key)?.unwrap_or_default();
    let places = session.wait_for(connector, ldap.places(&known))?;
    if places.anchors != known {
        session.remember(&key, &places.anchors)?;
    }
    let there = ldap.at(&places);
    if session.directory(connector)?.place() != there.place() {
        session.directories.insert(connector.to_owned(), Arc::new(Directory::Ldap(there)));
    }
    Ok(places.warnings)
}

/// What an import has shown.
#[derive(Default)]
struct Seen {
    objects: HashSet<ObjectId>,
    census: Census,
}

/// Takes events until the directory has no more, and stages them in batches.
fn receive(
    session: &mut Session,
    connector: &str,
    wanted: &Wanted,
    mut events: mpsc::Receiver<ImportEvent>,
    seen: &mut Seen,
    report: &mut ImportReport,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    let mut batch = Vec::with_capacity(BATCH);
    let mut expected = None;
    loop {
        let event = match events.try_recv() {
            Ok(event) => Some(event),
            Err(_) => session.next(&mut events)?,
        };
        let ended = event.is_none();
        match event {
            Some(ImportEvent::Object(object)) => batch.push(*object),
            Some(ImportEvent::Unreadable { who, reason }) => {
                report.unreadable += 1;
                report.note(format!("`{who}` could not be read: {reason}"));
            }
            Some(ImportEvent::Expected(total)) => expected = Some(total),
            None => {}
        }
        if batch.len() >= BATCH || ended {
            report.objects += u64::try_from(batch.len()).unwrap_or(0);
            stage_batch(session, connector, wanted, &mut batch, seen, report)?;
            progress.advance(report.objects, expected);
            session.go_on()?;
        }
        if ended {
            return Ok(());
        }
    }
}

fn stage_batch(
    session: &mut Session,
    connector: &str,
    wanted: &Wanted,
    batch: &mut Vec<ImportedObject>,
    seen: &mut Seen,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    for object in batch.iter() {
        seen.census.count(object);
    }
    Batch::over(session, |open| stage_shown(open, connector, wanted, batch.iter(), &mut seen.objects, report))?;
    batch.clear();
    Ok(())
}

/// Looks up every object that a complete import did not show.
fn settle_absent(
    session: &mut Session,
    connector: &str,
    directory: &Arc<Directory>,
    wanted: &Wanted,
    seen: &HashSet<ObjectId>,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    for object_type in wanted.request.types.keys() {
        let mut after = None;
        loop {
            let draft = session.store.draft();
            let ids = draft.population(connector, object_type, after, 5_000)?;
            let mut absent = Vec::new();
            for id in ids.iter().filter(|id| !seen.contains(id)) {
                let object = draft.object(*id)?;
                absent.extend(object.and_then(|object| Some((*id, object.anchor?, object.dn))));
            }
            drop(draft);
            for chunk in absent.chunks(LOOK_UP_BATCH) {
                session.go_on()?;
                settle_chunk(session, connector, directory, wanted, chunk, report)?;
            }
            match ids.last() {
                Some(last) => after = Some(*last),
                None => break,
            }
        }
    }
    Ok(())
}

fn settle_chunk(
    session: &mut Session,
    connector: &str,
    directory: &Arc<Directory>,
    wanted: &Wanted,
    chunk: &[(ObjectId, Anchor, Option<String>)],
    report: &mut ImportReport,
) -> Result<(), RunError> {
    let anchors: Vec<_> = chunk.iter().map(|(_, anchor, dn)| (anchor.clone(), dn.clone())).collect();
    let found = session.wait_for(connector, directory.look_up(&wanted.request, &anchors))?;
    let found: BTreeMap<Anchor, Presence> = found.into_iter().collect();
    Batch::over(session, |batch| {
        stage_all(batch, connector, wanted, present(found.values()), |_, _, _| Ok(()))?;
        for (id, anchor, dn) in chunk {
            let name = dn.clone().unwrap_or_else(|| anchor.to_string());
            let presence = found.get(anchor).unwrap_or(&Presence::NotFound);
            if let Presence::Present(_) = presence {
                report.note(format!("`{name}` was not shown, yet it is there"));
            }
            batch.piece(|draft| settle(draft, connector, (*id, &name), presence, false, report))?;
        }
        Ok(())
    })
}

/// Looks up some objects by anchor and stages what is there: the confirming import of a small export.
///
/// # Errors
/// As [`run`].
pub fn refresh(session: &mut Session, connector: &str, ids: &[ObjectId]) -> Result<u64, RunError> {
    let directory = session.directory(connector)?;
    let wanted = Wanted::of(session, connector)?;
    let mut seen = 0;
    for chunk in ids.chunks(LOOK_UP_BATCH) {
        let draft = session.store.draft();
        let mut anchors = Vec::new();
        for id in chunk {
            let object = draft.object(*id)?;
            anchors.extend(object.and_then(|object| Some((object.anchor?, object.dn, *id))));
        }
        drop(draft);
        let asked: Vec<_> = anchors.iter().map(|(anchor, name, _)| (anchor.clone(), name.clone())).collect();
        let found = session.wait_for(connector, directory.look_up(&wanted.request, &asked))?;
        let ids: BTreeMap<Anchor, ObjectId> = anchors.into_iter().map(|(anchor, _, id)| (anchor, id)).collect();
        Batch::over(session, |batch| {
            let there = present(found.iter().map(|(_, presence)| presence));
            stage_all(batch, connector, &wanted, there, |_, _, _| {
                seen += 1;
                Ok(())
            })?;
            let deleted = found.iter().filter(|(_, presence)| matches!(presence, Presence::Deleted));
            for id in deleted.filter_map(|(anchor, _)| ids.get(anchor)) {
                batch.piece(|draft| deprovision::gone(draft, *id, &format!("deleted from `{connector}`")))?;
                seen += 1;
            }
            Ok(())
        })?;
    }
    session.store.checkpoint()?;
    Ok(seen)
}
