//! One export: what is due is sent in waves, marked on disk before it is sent and settled by what comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::session::Session;
use super::{Progress, RunError, references, retry, swaps, waves};
use crate::change::{Change, Writing, Written};
use crate::connector::directory::Directory;
use crate::connector::{Anchor, ConnectorError, ExportAction, ExportItem, ExportOutcome, Known, Traffic};
use crate::connector_space::{ConnectorObject, Export, ExportState, ObjectId, Operation};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::value::{AttributeName, Value};

/// How many items are in flight between two checkpoints.
const BATCH: usize = 1_000;
/// The same, where an export has only so much time.
pub(super) const SLICED: usize = 200;
/// More refusals than this are counted, not listed.
const LISTED: usize = 50;

/// What an export did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExportReport {
    /// The connector.
    pub connector: String,
    /// Objects made.
    pub created: u64,
    /// Objects taken out of the recycle bin.
    pub restored: u64,
    /// Objects changed.
    pub updated: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// References added.
    pub added: u64,
    /// References removed.
    pub removed: u64,
    /// Refused by the directory, or beforehand.
    pub refused: u64,
    /// Refused by an earlier run, and not sent again, for nothing has changed since.
    pub refused_before: u64,
    /// Not now; the next run tries again.
    pub postponed: u64,
    /// What the target said when it took no more objects; those that were not made are among the postponed.
    pub full: Option<String>,
    /// Sent, and nobody knows: the next run looks first.
    pub unknown: u64,
    /// Left for the next run, for this one has had its time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left: u64,
    /// Requests that it took, where the directory counts them, and how many it would have taken at the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<(u64, u64)>,
    /// The directory takes no writes before then, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_until: Option<i64>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// The first refusals: who, and why.
    pub problems: Vec<(String, String)>,
    /// Objects that were written.
    #[serde(skip)]
    pub touched: BTreeSet<ObjectId>,
    /// Objects that were sent and not taken now: the next time they come after others of their wave.
    #[serde(skip)]
    pub put_off: BTreeSet<ObjectId>,
    /// Those of the written ones that came out of the recycle bin as they were, and wait for what rules say now.
    #[serde(skip)]
    pub as_they_were: Vec<ObjectId>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ExportReport {
    /// Everything that was written.
    pub fn written(&self) -> u64 {
        self.created + self.restored + self.updated + self.deleted + self.added + self.removed
    }

    /// How long what was left will take, at the speed of what was written; nothing where none was.
    pub fn time_left(&self) -> Option<Duration> {
        let (left, written) = (u32::try_from(self.left).ok()?, u32::try_from(self.written()).ok()?);
        Duration::from_millis(self.milliseconds).checked_mul(left)?.checked_div(written).filter(|_| left > 0)
    }

    pub(super) fn refuse(&mut self, who: String, why: String) {
        self.refused += 1;
        if self.problems.len() < LISTED {
            self.problems.push((who, why));
        }
    }
}

/// The item that an object's export comes to, if it can be sent at all.
pub fn item_of(object: &ConnectorObject) -> Option<ExportItem> {
    let export = object.export.as_ref().filter(|export| export.is_due())?;
    let unsent = export.changes.iter().filter(|(_, change)| !change.sent);
    let action = match (export.operation, &object.anchor) {
        (Operation::Create, Some(anchor)) => ExportAction::Restore { anchor: anchor.clone() },
        (Operation::Create, None) => {
            let present = unsent.filter(|(_, change)| !change.values.is_empty());
            let attributes: BTreeMap<_, _> =
                present.map(|(name, change)| (name.clone(), change.values.clone())).collect();
            let key = ["onPremisesImmutableId", "uniqueName"].map(AttributeName::from).into_iter().find_map(|name| {
                let value = attributes.get(&name)?.first()?.clone();
                Some((name, value))
            });
            ExportAction::Create { attributes, references: BTreeMap::new(), match_key: key }
        }
        (Operation::Update, Some(anchor)) => ExportAction::Update {
            anchor: anchor.clone(),
            attributes: unsent.map(|(name, change)| (name.clone(), change.values.clone())).collect(),
        },
        (Operation::Delete, Some(anchor)) => ExportAction::Delete { anchor: anchor.clone() },
        (Operation::Update | Operation::Delete, None) => return None,
    };
    Some(ExportItem { known: known(object), ..ExportItem::new(object.id.0, &object.object_type, action) })
}

/// What directories may need to know of an object that is written.
pub(super) fn known(object: &ConnectorObject) -> Known {
    let names = object.anchor.iter().zip(&object.dn).map(|(anchor, dn)| (anchor.clone(), dn.clone()));
    let changed = object.export.iter().flat_map(|export| export.changes.keys());
    let before = changed.filter_map(|name| Some((name.clone(), object.image.get(name)?.clone())));
    Known { names: names.collect(), before: before.collect(), ..Known::default() }
}

/// A reference: from, attribute, to.
pub type EdgeKey = (ObjectId, AttributeName, ObjectId);

/// What an export is limited to.
#[derive(Clone, Debug, Default)]
pub struct Only {
    /// These objects.
    pub objects: BTreeSet<ObjectId>,
    /// These references; nothing: all of these objects.
    pub references: Option<BTreeSet<EdgeKey>>,
}

impl Only {
    /// Whether a reference is among it.
    pub fn has_reference(&self, key: &EdgeKey) -> bool {
        match &self.references {
            Some(references) => references.contains(key),
            None => self.objects.contains(&key.0),
        }
    }
}

/// Whether an object is to be sent.
pub(super) fn is_among(only: Option<&Only>, id: ObjectId) -> bool {
    only.is_none_or(|only| only.objects.contains(&id))
}

/// What is about to be done to an object, for the journal. Passwords are not in it, nor what is made of a new object:
/// that is what its rules say.
pub(super) fn writing(object: &ConnectorObject, item: &ExportItem) -> Change {
    let changes = match &item.action {
        ExportAction::Update { attributes, .. } => attributes
            .iter()
            .map(|(name, after)| {
                let by = object.export.as_ref().and_then(|export| export.changes.get(name));
                Written {
                    attribute: name.clone(),
                    before: object.image.get(name).cloned().unwrap_or_default(),
                    after: after.clone(),
                    rule: by.map(|change| change.rule.clone()).unwrap_or_default(),
                    line: by.map_or(0, |change| change.line),
                }
            })
            .collect(),
        ExportAction::Create { .. }
        | ExportAction::Restore { .. }
        | ExportAction::Delete { .. }
        | ExportAction::AddReferences { .. }
        | ExportAction::RemoveReferences { .. } => Vec::new(),
    };
    let operation = object.export.as_ref().map_or(Operation::Update, |export| export.operation);
    let (connector, object_type) = (object.connector.clone(), object.object_type.clone());
    let (anchor, name) = (object.anchor.clone(), object.title());
    Change::Writing(object.id, Box::new(Writing { operation, connector, object_type, anchor, name, changes }))
}

/// Exports everything that is due in a connector, or a part of it. `allowed` are objects that a person has looked at.
///
/// # Errors
/// When the directory could not be used, the store fails, or somebody pressed Ctrl-C.
pub fn run(
    session: &mut Session,
    connector: &str,
    (allowed, only): (&BTreeSet<ObjectId>, Option<&Only>),
    progress: &dyn Progress,
) -> Result<ExportReport, RunError> {
    let directory = session.directory(connector)?;
    let facts = session.tenant(connector)?;
    let started = std::time::Instant::now();
    let mut report = ExportReport { connector: connector.to_owned(), ..ExportReport::default() };
    report.refused_before = retry::count_refused(&session.store.draft(), connector)?;
    if is_closed(session, connector, &mut report)? {
        return Ok(report);
    }
    let before = directory.traffic();
    let deadline = session.slice.map(|slice| started + slice);
    let batch = if deadline.is_some() { SLICED } else { BATCH };
    let waves::Order { waves, swaps } = waves::sort(session, connector, &facts, (allowed, only), &mut report)?;
    // Who stepped aside for a moment must not stay there for the next slice.
    let deadline = deadline.filter(|_| swaps.is_empty());
    let total: usize = waves.iter().map(Vec::len).sum();
    progress.begin("export", connector, Some(u64::try_from(total).unwrap_or(0)));
    let mut recycle_bin = None;
    swaps::step_aside(session, connector, &directory, &swaps)?;
    for wave in waves {
        for chunk in wave.chunks(batch) {
            session.go_on()?;
            let count = u64::try_from(chunk.len()).unwrap_or(0);
            if is_shut(&directory) {
                report.postponed += count;
                continue;
            }
            if is_over(deadline) {
                report.left += count;
                continue;
            }
            export_objects(session, connector, &directory, chunk, &mut recycle_bin, &mut report)?;
            progress.advance(report.written(), None);
        }
    }
    for chunk in std::mem::take(&mut report.as_they_were).chunks(batch) {
        session.go_on()?;
        if is_shut(&directory) {
            break;
        }
        export_objects(session, connector, &directory, chunk, &mut recycle_bin, &mut report)?;
    }
    references::run(session, connector, &directory, (only, deadline), &mut report, progress)?;
    session.put_off.insert(connector.to_owned(), report.put_off.clone());
    take_room(session, connector, &report)?;
    count_requests(session, connector, before, directory.traffic(), &mut report)?;
    report.milliseconds = super::cycle::milliseconds(started);
    Ok(report)
}

/// Whether the directory said just now that it takes no writes for a while.
pub(super) fn is_shut(directory: &Directory) -> bool {
    let until = directory.traffic().and_then(|traffic| traffic.closed_until);
    until.is_some_and(|until| until > jiff::Timestamp::now().as_second())
}

pub(super) fn is_over(deadline: Option<std::time::Instant>) -> bool {
    deadline.is_some_and(|deadline| std::time::Instant::now() >= deadline)
}

/// Whether the directory said that it takes no writes for a while, in this run or one before it.
fn is_closed(session: &Session, connector: &str, report: &mut ExportReport) -> Result<bool, RunError> {
    let until: Option<i64> = session.store.draft().fact(&closed(connector))?;
    report.closed_until = until.filter(|until| *until > session.now);
    Ok(report.closed_until.is_some())
}

fn closed(connector: &str) -> String {
    format!("closed/{connector}")
}

/// Counts what a directory was asked for, and remembers until when it takes nothing more.
fn count_requests(
    session: &mut Session,
    connector: &str,
    before: Option<Traffic>,
    after: Option<Traffic>,
    report: &mut ExportReport,
) -> Result<(), RunError> {
    let Some((before, after)) = before.zip(after) else { return Ok(()) };
    report.requests = Some((after.sent - before.sent, after.needed - before.needed)).filter(|(sent, _)| *sent > 0);
    let Some(until) = after.closed_until.filter(|until| *until > session.now) else { return Ok(()) };
    report.closed_until = Some(until);
    let mut draft = session.store.draft();
    draft.put_fact(&closed(connector), &until)?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
}

/// What was made takes room, so that a plan knows before the next import.
fn take_room(session: &mut Session, connector: &str, report: &ExportReport) -> Result<(), RunError> {
    let mut stock = session.stock(connector)?;
    let Some(objects) = stock.objects.as_mut().filter(|_| report.created > 0 || report.full.is_some()) else {
        return Ok(());
    };
    objects.used += report.created;
    if report.full.is_some() {
        objects.used = objects.used.max(objects.total);
    }
    let mut draft = session.store.draft();
    draft.put_fact(&format!("stock/{connector}"), &stock)?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
}

/// Marks a stretch of objects on disk, sends it, and settles every outcome.
fn export_objects(
    session: &mut Session,
    connector: &str,
    directory: &Arc<Directory>,
    ids: &[ObjectId],
    recycle_bin: &mut Option<RecycleBin>,
    report: &mut ExportReport,
) -> Result<(), RunError> {
    let mut items = Vec::with_capacity(ids.len());
    let dangling = session.target_kind(connector)?.leaves_dangling_references();
    let mut draft = session.store.draft();
    for id in ids {
        let Some(mut object) = draft.object(*id)? else { continue };
        let Some(mut item) = item_of(&object) else { continue };
        if report.full.is_some() && !is_restorable(&item, recycle_bin.as_ref()) {
            report.postponed += 1;
            continue;
        }
        if dangling && loses_its_name(&item) {
            item.known.referrers = referrers(&draft, &object)?;
        }
        let writing = writing(&object, &item);
        if let Some(export) = &mut object.export {
            let Ok(state) = export.state.next(ExportState::InFlight) else { continue };
            export.state = state;
        }
        draft.note(writing);
        if matches!(item.action, ExportAction::Delete { .. }) {
            note_dropped_references(&mut draft, &object)?;
        }
        draft.put_object(&object)?;
        items.push(item);
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.store.checkpoint()?;
    let items = restore_deleted(session, connector, directory, items, recycle_bin)?;
    let outcomes = send(session, connector, directory, items.clone())?;
    let mut draft = session.store.draft();
    for (item, outcome) in items.iter().zip(outcomes) {
        settle(&mut draft, item, outcome, report)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.store.checkpoint().map_err(RunError::from)
}

/// The directory drops references along with an object; whoever undoes the deletion must know of them.
fn note_dropped_references(draft: &mut Draft<'_>, object: &ConnectorObject) -> Result<(), RunError> {
    let mut dropped = Vec::new();
    for attribute in draft.reference_attributes(object.id)? {
        let edges = draft.edges(object.id, &attribute)?;
        dropped.extend(edges.iter().map(|(to, _)| (object.id, attribute.clone(), *to)));
    }
    dropped.extend(draft.referrers(object.id)?.into_iter().map(|(from, attribute)| (from, attribute, object.id)));
    for (from, attribute, to) in dropped {
        if draft.edge(from, &attribute, to)?.seen {
            draft.note(Change::WritingReference(from, attribute, to, false));
        }
    }
    Ok(())
}

/// Deleted users by immutable id; read once an export, when the first user is to be made.
type RecycleBin = BTreeMap<Value, Anchor>;

/// Whether an item needs no room where there is none: it makes nothing, or takes it out of the recycle bin.
fn is_restorable(item: &ExportItem, recycle_bin: Option<&RecycleBin>) -> bool {
    let ExportAction::Create { match_key, .. } = &item.action else { return true };
    let deleted = recycle_bin.filter(|_| item.object_type == "user").zip(match_key.as_ref());
    deleted.is_some_and(|(deleted, (_, value))| deleted.contains_key(value))
}

/// A user who is in the recycle bin is restored, not made anew.
fn restore_deleted(
    session: &Session,
    connector: &str,
    directory: &Directory,
    mut items: Vec<ExportItem>,
    recycle_bin: &mut Option<RecycleBin>,
) -> Result<Vec<ExportItem>, RunError> {
    let Directory::Entra(graph) = directory else { return Ok(items) };
    let keys: Vec<(usize, Value)> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.object_type == "user")
        .filter_map(|(at, item)| match &item.action {
            ExportAction::Create { match_key: Some((_, value)), .. } => Some((at, value.clone())),
            _ => None,
        })
        .collect();
    if keys.is_empty() {
        return Ok(items);
    }
    let deleted = match recycle_bin {
        Some(known) => known,
        None => {
            let read = session.runtime.block_on(graph.deleted_users());
            recycle_bin.insert(read.map_err(|error| RunError::Connector { connector: connector.to_owned(), error })?)
        }
    };
    for (at, value) in keys {
        if let (Some(anchor), Some(item)) = (deleted.get(&value), items.get_mut(at)) {
            item.action = ExportAction::Restore { anchor: anchor.clone() };
        }
    }
    Ok(items)
}

/// Sends items and collects what became of each. An item without an answer is unknown.
pub(super) fn send(
    session: &Session,
    connector: &str,
    directory: &Arc<Directory>,
    items: Vec<ExportItem>,
) -> Result<Vec<ExportOutcome>, RunError> {
    let silence = || ExportOutcome::Unknown { message: "no answer".into() };
    let mut outcomes: Vec<ExportOutcome> = items.iter().map(|_| silence()).collect();
    let (sender, mut receiver) = mpsc::channel(256);
    let task = {
        let directory = Arc::clone(directory);
        session.runtime.spawn(async move { directory.export(items, sender).await }.in_current_span())
    };
    while let Some((_, at, outcome)) = receiver.blocking_recv() {
        if let Some(place) = outcomes.get_mut(at) {
            *place = outcome;
        }
    }
    let ended = session.runtime.block_on(task);
    match ended {
        Ok(Ok(())) => Ok(outcomes),
        Ok(Err(error)) => postpone(connector, error, outcomes),
        Err(error) => Err(RunError::Runtime(format!("the export to `{connector}` broke off: {error}"))),
    }
}

/// The directory could not be used any more. If it never answered, the run ends; what was answered is settled first.
fn postpone(
    connector: &str,
    error: ConnectorError,
    outcomes: Vec<ExportOutcome>,
) -> Result<Vec<ExportOutcome>, RunError> {
    let unanswered = |outcome: &ExportOutcome| matches!(outcome, ExportOutcome::Unknown { .. });
    if outcomes.iter().all(unanswered) {
        return Err(RunError::Connector { connector: connector.to_owned(), error });
    }
    Ok(outcomes)
}

/// Whether the directory did nothing of what it was sent; silence is no such answer.
pub(super) fn is_untaken(outcome: &ExportOutcome) -> bool {
    !matches!(outcome, ExportOutcome::Done { .. } | ExportOutcome::Unknown { .. })
}

/// Brings one object in line with what became of its item.
fn settle(
    draft: &mut Draft<'_>,
    item: &ExportItem,
    outcome: ExportOutcome,
    report: &mut ExportReport,
) -> Result<(), RunError> {
    let id = ObjectId(item.id);
    let Some(mut object) = draft.object(id)? else { return Ok(()) };
    let who = format!("{} `{}`", object.object_type, object.title());
    let Some(mut export) = object.export.take() else { return Ok(()) };
    if is_untaken(&outcome) {
        draft.note(Change::Unwritten(id));
    }
    match outcome {
        ExportOutcome::Done { created } => {
            report.touched.insert(id);
            if let Some(name) = new_name(&export) {
                object.dn = Some(name);
            }
            match &item.action {
                ExportAction::Create { .. } => {
                    report.created += 1;
                    object.anchor = created.or(object.anchor);
                    export.mark_sent();
                }
                ExportAction::Restore { anchor } => {
                    report.restored += 1;
                    report.as_they_were.push(id);
                    object.anchor = Some(anchor.clone());
                    export.object_exists();
                    export.state = ExportState::Pending;
                }
                ExportAction::Update { .. } => {
                    report.updated += 1;
                    export.mark_sent();
                }
                ExportAction::Delete { .. } => {
                    report.deleted += 1;
                    export.state = ExportState::Exported;
                }
                ExportAction::AddReferences { .. } | ExportAction::RemoveReferences { .. } => {}
            }
        }
        ExportOutcome::Refused { code, message } => {
            report.refuse(who, message.clone());
            export.state = ExportState::Failed { code, message };
        }
        ExportOutcome::Full { message } => {
            report.postponed += 1;
            report.full.get_or_insert(message);
            export.state = ExportState::Pending;
        }
        ExportOutcome::Missing => {
            report.refuse(who, "the object is not there any more; the next import settles it".into());
            export.state = ExportState::Failed { code: "missing".into(), message: "not there any more".into() };
        }
        ExportOutcome::Temporary { .. } | ExportOutcome::References { .. } => {
            report.postponed += 1;
            report.put_off.insert(id);
            export.state = ExportState::Pending;
        }
        ExportOutcome::Unknown { .. } => report.unknown += 1,
    }
    object.export = Some(export);
    draft.put_object(&object)?;
    Ok(())
}

/// The name that an entry of an LDAP server has once its changes were taken.
fn new_name(export: &Export) -> Option<String> {
    let change = export.changes.get(&AttributeName::from("dn")).filter(|change| !change.sent)?;
    Some(change.values.first()?.as_text()?.to_owned())
}

fn loses_its_name(item: &ExportItem) -> bool {
    match &item.action {
        ExportAction::Delete { .. } => true,
        ExportAction::Update { attributes, .. } => attributes.contains_key(&AttributeName::from("dn")),
        ExportAction::Create { .. }
        | ExportAction::Restore { .. }
        | ExportAction::AddReferences { .. }
        | ExportAction::RemoveReferences { .. } => false,
    }
}

/// The entries of the same directory that name an object.
fn referrers(draft: &Draft<'_>, object: &ConnectorObject) -> Result<Vec<(Anchor, String, AttributeName)>, RunError> {
    let mut found = Vec::new();
    for (from, attribute) in draft.referrers(object.id)? {
        let Some(other) = draft.object(from)?.filter(|other| other.connector == object.connector) else { continue };
        if let (Some(anchor), Some(name), true) =
            (other.anchor, other.dn, draft.edge(from, &attribute, object.id)?.seen)
        {
            found.push((anchor, name, attribute));
        }
    }
    Ok(found)
}
