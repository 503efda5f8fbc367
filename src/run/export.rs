//! One export: what is due is sent in waves, marked on disk before it is sent and settled by what comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::mpsc;

use super::session::Session;
use super::{Progress, RunError};
use crate::connector::directory::Directory;
use crate::connector::graph;
use crate::connector::{Anchor, ConnectorError, ExportAction, ExportItem, ExportOutcome, TenantFacts};
use crate::connector_space::{ConnectorObject, EdgeChange, ExportState, ObjectId, Operation};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::value::{AttributeName, Kind, Value};

/// How many items are in flight between two checkpoints.
const BATCH: usize = 1_000;
/// How many references are read at a time.
const EDGE_BATCH: usize = 20_000;
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
    /// Not now; the next run tries again.
    pub postponed: u64,
    /// Sent, and nobody knows: the next run looks first.
    pub unknown: u64,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// The first refusals: who, and why.
    pub problems: Vec<(String, String)>,
    /// Objects that were written.
    #[serde(skip)]
    pub touched: BTreeSet<ObjectId>,
}

impl ExportReport {
    /// Everything that was written.
    pub fn written(&self) -> u64 {
        self.created + self.restored + self.updated + self.deleted + self.added + self.removed
    }

    fn refuse(&mut self, who: String, why: String) {
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
        (Operation::Create, _) => {
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
    Some(ExportItem { id: object.id.0, object_type: object.object_type.clone(), action })
}

/// What is wrong with an object's export before it is sent.
pub fn refusals(object: &ConnectorObject, facts: &TenantFacts) -> Vec<String> {
    match object.export.as_ref().map(|export| export.operation) {
        Some(Operation::Create) => graph::validate(&object.object_type, &object.expected(), facts),
        Some(Operation::Update) => {
            let mut changed = object.expected();
            let export = object.export.iter().flat_map(|export| export.changes.keys()).collect::<BTreeSet<_>>();
            changed.retain(|name, _| export.contains(name));
            graph::validate_changes(&object.object_type, &changed, facts)
        }
        Some(Operation::Delete) | None => Vec::new(),
    }
}

/// Exports everything that is due in a connector.
///
/// # Errors
/// When the directory could not be used, the store fails, or somebody pressed Ctrl-C.
pub fn run(session: &mut Session, connector: &str, progress: &dyn Progress) -> Result<ExportReport, RunError> {
    let directory = session.directory(connector)?;
    let facts = session.tenant(connector)?;
    let started = std::time::Instant::now();
    let mut report = ExportReport { connector: connector.to_owned(), ..ExportReport::default() };
    let waves = waves(session, connector, &facts, &mut report)?;
    let total: usize = waves.iter().map(Vec::len).sum();
    progress.begin("export", connector, Some(u64::try_from(total).unwrap_or(0)));
    for wave in waves {
        for chunk in wave.chunks(BATCH) {
            session.go_on()?;
            export_objects(session, connector, &directory, chunk, &mut report)?;
            progress.advance(report.written(), None);
        }
    }
    export_edges(session, connector, &directory, &mut report, progress)?;
    report.milliseconds = super::cycle::milliseconds(started);
    Ok(report)
}

/// Settles exports whose outcome is unknown since a run that broke off. Updates and deletions may be repeated; a
/// creation is looked for first.
///
/// # Errors
/// As [`run`].
pub fn settle_in_flight(session: &mut Session, connector: &str) -> Result<u64, RunError> {
    let directory = session.directory(connector)?;
    let mut settled = 0;
    let mut after = None;
    loop {
        let draft = session.store.draft();
        let ids = draft.exports(connector, after, 2_000)?;
        let mut in_flight = Vec::new();
        for id in &ids {
            let object = draft.object(*id)?;
            let flying = |object: &ConnectorObject| {
                object.export.as_ref().is_some_and(|export| export.state == ExportState::InFlight)
            };
            in_flight.extend(object.filter(flying));
        }
        drop(draft);
        for mut object in in_flight {
            let found = find_created(session, connector, &directory, &object)?;
            let Some(export) = &mut object.export else { continue };
            if let Some(anchor) = found {
                object.anchor = Some(anchor);
                export.operation = Operation::Update;
            }
            export.state = export.state.next(ExportState::Pending).unwrap_or(ExportState::Pending);
            settled += 1;
            let mut draft = session.store.draft();
            draft.put_object(&object)?;
            let writes = draft.finish();
            session.store.commit(writes)?;
        }
        match ids.last() {
            Some(last) => after = Some(*last),
            None => return Ok(settled),
        }
    }
}

fn find_created(
    session: &Session,
    connector: &str,
    directory: &Directory,
    object: &ConnectorObject,
) -> Result<Option<Anchor>, RunError> {
    let creating = object.export.as_ref().is_some_and(|export| export.operation == Operation::Create);
    let Some(ExportItem { action: ExportAction::Create { match_key: Some((name, value)), .. }, .. }) =
        as_pending(object).as_ref().and_then(item_of).filter(|_| creating)
    else {
        return Ok(None);
    };
    let Directory::Entra(graph) = directory else { return Ok(None) };
    let found = session
        .runtime
        .block_on(graph.find(&object.object_type, &name, &value))
        .map_err(|error| RunError::Connector { connector: connector.to_owned(), error })?;
    Ok(found.into_iter().next())
}

fn as_pending(object: &ConnectorObject) -> Option<ConnectorObject> {
    let mut object = object.clone();
    object.export.as_mut()?.state = ExportState::Pending;
    Some(object)
}

/// Sorts what is due so that a value is released before somebody else claims it; deletions that release nothing last.
fn waves(
    session: &mut Session,
    connector: &str,
    facts: &TenantFacts,
    report: &mut ExportReport,
) -> Result<Vec<Vec<ObjectId>>, RunError> {
    let mut depths: BTreeMap<ObjectId, usize> = BTreeMap::new();
    let mut refused = Vec::new();
    let mut deletions = Vec::new();
    let mut after = None;
    let draft = session.store.draft();
    loop {
        let ids = draft.exports(connector, after, 2_000)?;
        for id in &ids {
            let Some(object) = draft.object(*id)? else { continue };
            if item_of(&object).is_none() {
                continue;
            }
            let wrong = refusals(&object, facts);
            if !wrong.is_empty() {
                refused.push((object, wrong.join("; ")));
                continue;
            }
            if object.export.as_ref().is_some_and(|export| export.operation == Operation::Delete) {
                deletions.push(*id);
            } else {
                let mut path = Vec::new();
                depth(&draft, &object, &mut depths, &mut path)?;
            }
        }
        match ids.last() {
            Some(last) => after = Some(*last),
            None => break,
        }
    }
    drop(draft);
    for (object, why) in refused {
        let who = format!("{} `{}`", object.object_type, object.title());
        fail(session, object, "invalid", &why)?;
        report.refuse(who, why);
    }
    let mut waves: Vec<Vec<ObjectId>> = Vec::new();
    for (id, depth) in depths {
        if waves.len() <= depth {
            waves.resize(depth + 1, Vec::new());
        }
        if let Some(wave) = waves.get_mut(depth) {
            wave.push(id);
        }
    }
    deletions.retain(|id| !waves.iter().any(|wave| wave.binary_search(id).is_ok()));
    waves.push(deletions);
    Ok(waves)
}

/// How many objects must be written before this one: the longest chain of holders of values that it claims.
fn depth(
    draft: &Draft<'_>,
    object: &ConnectorObject,
    depths: &mut BTreeMap<ObjectId, usize>,
    path: &mut Vec<ObjectId>,
) -> Result<usize, RunError> {
    if let Some(known) = depths.get(&object.id) {
        return Ok(*known);
    }
    if path.contains(&object.id) || path.len() > 32 {
        // Two people who swap names: the directory will refuse one, and the next run finds the name free.
        return Ok(0);
    }
    path.push(object.id);
    let mut deepest = 0;
    for name in graph::unique_attributes(&object.object_type) {
        let name = AttributeName::from(*name);
        let change = object.export.as_ref().and_then(|export| export.changes.get(&name)).filter(|change| !change.sent);
        for value in change.iter().flat_map(|change| &change.values) {
            for holder in draft.find_object(&object.connector, &name, &value.folded(), 8)? {
                let Some(holder) =
                    draft.object(holder)?.filter(|holder| holder.id != object.id && releases(holder, &name, value))
                else {
                    continue;
                };
                deepest = deepest.max(depth(draft, &holder, depths, path)? + 1);
            }
        }
    }
    path.pop();
    depths.insert(object.id, deepest);
    Ok(deepest)
}

/// Whether an object holds a value in the target and is about to give it up.
fn releases(holder: &ConnectorObject, name: &AttributeName, value: &Value) -> bool {
    let holds = holder.image.get(name).is_some_and(|values| values.iter().any(|held| held.folded() == value.folded()));
    let Some(export) = holder.export.as_ref().filter(|export| export.is_due()) else { return false };
    holds && (export.operation == Operation::Delete || export.changes.contains_key(name))
}

fn fail(session: &mut Session, mut object: ConnectorObject, code: &str, message: &str) -> Result<(), RunError> {
    if let Some(export) = &mut object.export {
        export.state = ExportState::Failed { code: code.to_owned(), message: message.to_owned() };
    }
    let mut draft = session.store.draft();
    draft.put_object(&object)?;
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
    report: &mut ExportReport,
) -> Result<(), RunError> {
    let mut items = Vec::with_capacity(ids.len());
    let mut draft = session.store.draft();
    for id in ids {
        let Some(mut object) = draft.object(*id)? else { continue };
        let Some(item) = item_of(&object) else { continue };
        if let Some(export) = &mut object.export {
            let Ok(state) = export.state.next(ExportState::InFlight) else { continue };
            export.state = state;
        }
        draft.put_object(&object)?;
        items.push(item);
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.store.checkpoint()?;
    let items = restore_deleted(session, connector, directory, items)?;
    let outcomes = send(session, connector, directory, items.clone())?;
    let mut draft = session.store.draft();
    for (item, outcome) in items.iter().zip(outcomes) {
        settle(&mut draft, item, outcome, report)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.store.checkpoint().map_err(RunError::from)
}

/// A user who is in the recycle bin is restored, not made anew.
fn restore_deleted(
    session: &Session,
    connector: &str,
    directory: &Directory,
    mut items: Vec<ExportItem>,
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
    let deleted = session
        .runtime
        .block_on(graph.deleted_users())
        .map_err(|error| RunError::Connector { connector: connector.to_owned(), error })?;
    for (at, value) in keys {
        if let (Some(anchor), Some(item)) = (deleted.get(&value), items.get_mut(at)) {
            item.action = ExportAction::Restore { anchor: anchor.clone() };
        }
    }
    Ok(items)
}

/// Sends items and collects what became of each. An item without an answer is unknown.
fn send(
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
        session.runtime.spawn(async move { directory.export(items, sender).await })
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
    match outcome {
        ExportOutcome::Done { created } => {
            report.touched.insert(id);
            match &item.action {
                ExportAction::Create { .. } => {
                    report.created += 1;
                    object.anchor = created.or(object.anchor);
                    mark_sent(&mut export);
                }
                ExportAction::Restore { anchor } => {
                    report.restored += 1;
                    object.anchor = Some(anchor.clone());
                    export.operation = Operation::Update;
                    export.state = ExportState::Pending;
                }
                ExportAction::Update { .. } => {
                    report.updated += 1;
                    mark_sent(&mut export);
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
        ExportOutcome::Missing => {
            report.refuse(who, "the object is not there any more; the next import settles it".into());
            export.state = ExportState::Failed { code: "missing".into(), message: "not there any more".into() };
        }
        ExportOutcome::Temporary { .. } | ExportOutcome::References { .. } => {
            report.postponed += 1;
            export.state = ExportState::Pending;
        }
        ExportOutcome::Unknown { .. } => report.unknown += 1,
    }
    object.export = Some(export);
    draft.put_object(&object)?;
    Ok(())
}

fn mark_sent(export: &mut crate::connector_space::Export) {
    export.state = ExportState::Exported;
    export.changes.values_mut().for_each(|change| change.sent = true);
}

type EdgeKey = (ObjectId, AttributeName, ObjectId);

/// Sends the references that are due, grouped by object and attribute.
fn export_edges(
    session: &mut Session,
    connector: &str,
    directory: &Arc<Directory>,
    report: &mut ExportReport,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    let schemas = session.schemas()?;
    let single = |object_type: &str, attribute: &AttributeName| {
        let known =
            schemas.get(connector).and_then(|types| types.get(object_type)).and_then(|schema| schema.get(attribute));
        known.is_some_and(|known| known.kind == Kind::Reference && !known.multi)
    };
    let mut after: Option<EdgeKey> = None;
    loop {
        session.go_on()?;
        let draft = session.store.draft();
        let keys = draft.edge_exports(after.as_ref(), EDGE_BATCH)?;
        after = keys.last().cloned();
        let groups = group_edges(&draft, connector, &keys, single)?;
        drop(draft);
        for chunk in groups.chunks(BATCH) {
            session.go_on()?;
            let items: Vec<ExportItem> = chunk.iter().map(|group| group.item.clone()).collect();
            let outcomes = send(session, connector, directory, items)?;
            let mut draft = session.store.draft();
            for (group, outcome) in chunk.iter().zip(outcomes) {
                settle_edges(&mut draft, group, outcome, report)?;
            }
            let writes = draft.finish();
            session.store.commit(writes)?;
            progress.advance(report.written(), None);
        }
        session.store.checkpoint()?;
        if after.is_none() {
            return Ok(());
        }
    }
}

struct EdgeGroup {
    from: ObjectId,
    attribute: AttributeName,
    change: EdgeChange,
    targets: BTreeMap<Anchor, ObjectId>,
    superseded: Vec<ObjectId>,
    item: ExportItem,
}

fn group_edges(
    draft: &Draft<'_>,
    connector: &str,
    keys: &[EdgeKey],
    single: impl Fn(&str, &AttributeName) -> bool,
) -> Result<Vec<EdgeGroup>, RunError> {
    let mut lists: BTreeMap<(ObjectId, AttributeName, bool), Vec<(Anchor, ObjectId)>> = BTreeMap::new();
    for (from, attribute, to) in keys {
        let edge = draft.edge(*from, attribute, *to)?;
        let anchor = draft.object(*to)?.and_then(|object| object.anchor);
        let (true, Some(change), Some(anchor)) = (edge.is_due(), edge.pending, anchor) else { continue };
        lists.entry((*from, attribute.clone(), change == EdgeChange::Add)).or_default().push((anchor, *to));
    }
    let replaced: BTreeSet<(ObjectId, AttributeName)> =
        lists.keys().filter(|(.., add)| *add).map(|(from, attribute, _)| (*from, attribute.clone())).collect();
    let mut superseded: BTreeMap<(ObjectId, AttributeName), Vec<ObjectId>> = BTreeMap::new();
    let mut groups = Vec::new();
    for ((from, attribute, add), targets) in lists {
        let Some(object) = draft.object(from)?.filter(|object| object.connector == connector) else { continue };
        let Some(anchor) = object.anchor else { continue };
        let single = single(&object.object_type, &attribute);
        if single && !add && replaced.contains(&(from, attribute.clone())) {
            // Setting the new one replaces the old one; a removal after it would remove the new one.
            superseded.insert((from, attribute), targets.into_iter().map(|(_, to)| to).collect());
            continue;
        }
        for part in targets.chunks(20) {
            let anchors = part.iter().map(|(anchor, _)| anchor.clone()).collect();
            let (anchor, attribute) = (anchor.clone(), attribute.clone());
            let action = if add {
                ExportAction::AddReferences { anchor, attribute: attribute.clone(), targets: anchors }
            } else {
                ExportAction::RemoveReferences { anchor, attribute: attribute.clone(), targets: anchors }
            };
            let item = ExportItem { id: from.0, object_type: object.object_type.clone(), action };
            let change = if add { EdgeChange::Add } else { EdgeChange::Remove };
            // Removals sort before additions, so what is superseded is known by now.
            let superseded = superseded.remove(&(from, attribute.clone())).unwrap_or_default();
            groups.push(EdgeGroup {
                from,
                attribute,
                change,
                targets: part.iter().cloned().collect(),
                superseded,
                item,
            });
        }
    }
    Ok(groups)
}

fn settle_edges(
    draft: &mut Draft<'_>,
    group: &EdgeGroup,
    outcome: ExportOutcome,
    report: &mut ExportReport,
) -> Result<(), RunError> {
    let (done, refused) = match outcome {
        ExportOutcome::Done { .. } => (group.targets.keys().cloned().collect(), Vec::new()),
        ExportOutcome::References { done, refused } => (done, refused),
        ExportOutcome::Refused { message, .. } => {
            (Vec::new(), group.targets.keys().map(|anchor| (anchor.clone(), message.clone())).collect())
        }
        ExportOutcome::Missing | ExportOutcome::Temporary { .. } => {
            report.postponed += 1;
            return Ok(());
        }
        // Adding and removing a reference may be repeated.
        ExportOutcome::Unknown { .. } => {
            report.unknown += 1;
            return Ok(());
        }
    };
    for to in done.iter().filter_map(|anchor| group.targets.get(anchor)) {
        let mut edge = draft.edge(group.from, &group.attribute, *to)?;
        edge.sent = true;
        edge.refused = false;
        draft.put_edge(group.from, &group.attribute, *to, edge)?;
        match group.change {
            EdgeChange::Add => report.added += 1,
            EdgeChange::Remove => report.removed += 1,
        }
        report.touched.insert(group.from);
    }
    for to in group.superseded.iter().filter(|_| !done.is_empty()) {
        let mut edge = draft.edge(group.from, &group.attribute, *to)?;
        edge.sent = true;
        draft.put_edge(group.from, &group.attribute, *to, edge)?;
    }
    for (anchor, message) in refused {
        let Some(to) = group.targets.get(&anchor) else { continue };
        let mut edge = draft.edge(group.from, &group.attribute, *to)?;
        edge.refused = true;
        draft.put_edge(group.from, &group.attribute, *to, edge)?;
        let who = draft.object(group.from)?.map_or_else(|| group.from.to_string(), |object| object.title());
        report.refuse(format!("{} of `{who}`", group.attribute), message);
    }
    Ok(())
}
