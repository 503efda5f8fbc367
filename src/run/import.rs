//! One import: from a directory into the connector space. What is not shown is looked up before anything is inferred.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::mpsc;

use super::session::Session;
use super::shrinkage::{self, Census, Shrunk};
use super::{Progress, RunError, changes, reading};
use crate::connector::directory::Directory;
use crate::connector::{Anchor, ConnectorError, ImportEnd, ImportEvent, ImportRequest, ImportedObject, Presence};
use crate::connector_space::ObjectId;
use crate::rules::{ConnectorType, RuleSet};
use crate::store::Draft;
use crate::sync::ledger::{LedgerError, View};
use crate::sync::stage::{EdgeNews, Readers, Staged, Staging};
use crate::sync::{deprovision, memberships, stage};
use crate::value::{AttributeName, Kind, Schema};

/// How many objects are committed at a time.
const BATCH: usize = 200;
/// How many keys a batch writes before it is committed early.
const HEAVY: usize = 4_000;
/// How many references of an object are staged at a time: groups may have very many members, and the store needs some
/// kilobytes for each key of a batch.
pub(super) const MANY: usize = 2_000;
/// How many objects are looked up at a time.
pub(super) const LOOK_UP_BATCH: usize = 200;
/// More findings than this are counted, not listed.
const LISTED: usize = 20;

/// What people want to see of an object even if no rule reads it, and what says whose it is.
const ALWAYS_READ: [&str; 5] = ["displayName", "userPrincipalName", "onPremisesSyncEnabled", "userType", "mail"];

/// What says whether an entry of an LDAP server may be written, and whether it is switched on.
const OF_TARGETS: [&str; 2] = ["isCriticalSystemObject", "userAccountControl"];

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

/// What to read from a connector, and which of it are references.
pub struct Wanted {
    /// For the directory.
    pub request: ImportRequest,
    /// Reference attributes by object type.
    pub references: BTreeMap<String, BTreeSet<AttributeName>>,
    /// Object types that no inbound rule reads.
    pub unread: BTreeSet<String>,
    /// Whether rules ask which groups objects are in.
    pub memberships: bool,
}

impl Wanted {
    /// Who reads objects of a type.
    pub fn readers(&self, object_type: &str) -> Readers {
        Readers { rules: !self.unread.contains(object_type), memberships: self.memberships }
    }

    /// Reference attributes of any type.
    pub(super) fn reference_attributes(&self) -> BTreeSet<AttributeName> {
        self.references.values().flatten().cloned().collect()
    }

    /// Whether an attribute of a type is read.
    pub(super) fn asks_for(&self, object_type: &str, name: &AttributeName) -> bool {
        self.request.types.get(object_type).is_some_and(|names| names.contains(name))
    }

    /// Stages one object, and at most so many of its references as a batch may hold.
    fn stage(&self, draft: &mut Draft<'_>, connector: &str, object: &ImportedObject) -> Result<Staging, LedgerError> {
        let nothing = BTreeSet::new();
        let references = self.references.get(&object.object_type).unwrap_or(&nothing);
        let readers = self.readers(&object.object_type);
        stage::stage_part(draft, connector, object, references, readers, MANY)
    }
}

/// What rules need from a connector.
///
/// # Errors
/// When the store cannot be read.
pub fn wanted(session: &Session, connector: &str) -> Result<Wanted, RunError> {
    let known = session.known()?;
    let schemas = &known.schemas;
    let directory = session.directory(connector)?;
    let mut wanted = Wanted {
        request: ImportRequest::default(),
        references: BTreeMap::new(),
        unread: BTreeSet::new(),
        memberships: false,
    };
    let types: BTreeSet<ConnectorType> = session.rule_sets().flat_map(RuleSet::connector_types).collect();
    for side in types.iter().filter(|side| side.connector == connector) {
        let reads = |rules: &RuleSet| rules.reads(connector, &side.object_type);
        let mut names: BTreeSet<AttributeName> = session.rule_sets().flat_map(reads).collect();
        let schema = schemas.get(connector).and_then(|types| types.get(&side.object_type));
        let is_reference = |name: &&AttributeName| {
            schema.and_then(|schema| schema.get(name)).is_some_and(|known| known.kind == Kind::Reference)
        };
        let references = names.iter().filter(is_reference).cloned().collect();
        wanted.references.insert(side.object_type.clone(), references);
        if session.rule_sets().all(|rules| rules.inbound(connector, &side.object_type).next().is_none()) {
            wanted.unread.insert(side.object_type.clone());
        }
        names.extend(ALWAYS_READ.map(AttributeName::from));
        if directory.is_target() {
            names.extend(OF_TARGETS.map(AttributeName::from));
            let also = directory.target_kind().map_or_else(Vec::new, |kind| kind.also_read(&side.object_type));
            names.extend(also.into_iter().map(AttributeName::from));
        }
        names.retain(|name| schema.is_none_or(|schema| !schema.closed || schema.get(name).is_some()));
        wanted.request.types.insert(side.object_type.clone(), names);
    }
    wanted.memberships = session.rule_sets().any(|rules| rules.asks_for_memberships(connector));
    if wanted.memberships {
        let types = directory.object_types();
        ask_for_members(&mut wanted, &types, schemas.get(connector).unwrap_or(&BTreeMap::new()));
    }
    Ok(wanted)
}

/// Who is in which group is to be known, though no rule may read groups.
fn ask_for_members(wanted: &mut Wanted, types: &[String], schemas: &BTreeMap<String, Schema>) {
    for object_type in types.iter().filter(|name| name.to_ascii_lowercase().contains("group")) {
        let known = |name: &AttributeName| schemas.get(object_type).is_none_or(|schema| schema.get(name).is_some());
        for name in memberships::ATTRIBUTES.map(AttributeName::from).into_iter().filter(known) {
            if !wanted.request.types.contains_key(object_type) {
                wanted.unread.insert(object_type.clone());
            }
            wanted.request.types.entry(object_type.clone()).or_default().insert(name.clone());
            wanted.references.entry(object_type.clone()).or_default().insert(name);
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
    let wanted = wanted(session, connector)?;
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
    let directory = session.directory(connector)?;
    let Directory::Ldap(ldap) = &*directory else { return Ok(Vec::new()) };
    let key = format!("places/{connector}");
    let known = session.store.draft().fact(&key)?.unwrap_or_default();
    let places = session.wait_for(connector, ldap.places(&known))?;
    if places.anchors != known {
        session.remember(&key, &places.anchors)?;
    }
    if !places.warnings.is_empty() {
        session.directories.insert(connector.to_owned(), Arc::new(Directory::Ldap(ldap.at(&places))));
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
    stage_shown(session, connector, wanted, batch.iter(), &mut seen.objects, report)?;
    batch.clear();
    Ok(())
}

/// Stages objects that a directory shows, and counts what came of them. `seen` are those that this import has shown.
pub(super) fn stage_shown<'a>(
    session: &mut Session,
    connector: &str,
    wanted: &Wanted,
    objects: impl IntoIterator<Item = &'a ImportedObject>,
    seen: &mut HashSet<ObjectId>,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    stage_all(session, connector, wanted, objects, |draft, object, staging| {
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

/// Stages objects in order, in batches that are not too large, and tells what came of each.
fn stage_all<'a>(
    session: &mut Session,
    connector: &str,
    wanted: &Wanted,
    objects: impl IntoIterator<Item = &'a ImportedObject>,
    mut tell: impl FnMut(&mut Draft<'_>, &ImportedObject, &Staging) -> Result<(), LedgerError>,
) -> Result<(), RunError> {
    let mut draft = session.store.draft();
    for object in objects {
        let staging = wanted.stage(&mut draft, connector, object)?;
        tell(&mut draft, object, &staging)?;
        let Staging { id, rest, .. } = staging;
        if draft.weight() > HEAVY || !rest.is_empty() {
            let writes = draft.finish();
            session.store.commit(writes)?;
            // Before the next object: it may be what a reference leads to, and takes the place of a name.
            stage_rest(session, id, &rest, wanted.readers(&object.object_type))?;
            draft = session.store.draft();
        }
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
}

/// The objects that are there.
pub(super) fn present<'a>(found: impl Iterator<Item = &'a Presence>) -> impl Iterator<Item = &'a ImportedObject> {
    found.filter_map(|presence| match presence {
        Presence::Present(object) => Some(&**object),
        Presence::OutOfScope(_) | Presence::Deleted | Presence::NotFound => None,
    })
}

/// Stages what was left of the references of an object, in batches of their own.
fn stage_rest(session: &mut Session, id: ObjectId, rest: &[EdgeNews], readers: Readers) -> Result<(), RunError> {
    for chunk in rest.chunks(MANY) {
        let mut draft = session.store.draft();
        let Some(object) = draft.object(id)? else { return Ok(()) };
        for (attribute, to, seen) in chunk {
            stage::stage_edge(&mut draft, &object, attribute, *to, *seen, readers)?;
        }
        let writes = draft.finish();
        session.store.commit(writes)?;
        session.go_on()?;
    }
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
    stage_all(session, connector, wanted, present(found.values()), |_, _, _| Ok(()))?;
    let mut draft = session.store.draft();
    for (id, anchor, dn) in chunk {
        let name = dn.clone().unwrap_or_else(|| anchor.to_string());
        let presence = found.get(anchor).unwrap_or(&Presence::NotFound);
        if let Presence::Present(_) = presence {
            report.note(format!("`{name}` was not shown, yet it is there"));
        }
        settle(&mut draft, connector, (*id, &name), presence, false, report)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
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

/// Looks up some objects by anchor and stages what is there: the confirming import of a small export.
///
/// # Errors
/// As [`run`].
pub fn refresh(session: &mut Session, connector: &str, ids: &[ObjectId]) -> Result<u64, RunError> {
    let directory = session.directory(connector)?;
    let wanted = wanted(session, connector)?;
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
        let there = present(found.iter().map(|(_, presence)| presence));
        stage_all(session, connector, &wanted, there, |_, _, _| {
            seen += 1;
            Ok(())
        })?;
        let mut draft = session.store.draft();
        for (anchor, _) in found.iter().filter(|(_, presence)| matches!(presence, Presence::Deleted)) {
            if let Some(id) = ids.get(anchor) {
                deprovision::gone(&mut draft, *id, &format!("deleted from `{connector}`"))?;
                seen += 1;
            }
        }
        let writes = draft.finish();
        session.store.commit(writes)?;
    }
    session.store.checkpoint()?;
    Ok(seen)
}
