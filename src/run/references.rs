//! Exporting references: adds and removes, grouped by object and attribute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::export::{self, EdgeKey, ExportReport, Only};
use super::session::Session;
use super::{Progress, RunError};
use crate::change::Change;
use crate::connector::directory::Directory;
use crate::connector::target::TargetKind;
use crate::connector::{Anchor, ExportAction, ExportItem, ExportOutcome};
use crate::connector_space::{EdgeChange, ObjectId};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::value::{AttributeName, Kind, Schema};

/// How many items are sent between two checkpoints.
const BATCH: usize = 1_000;
/// How many references are read at a time.
const EDGE_BATCH: usize = 20_000;

/// Sends the references that are due, grouped by object and attribute.
pub(super) fn run(
    session: &mut Session,
    connector: &str,
    directory: &Arc<Directory>,
    (only, deadline): (Option<&Only>, Option<Instant>),
    report: &mut ExportReport,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    let batch = if deadline.is_some() { export::SLICED } else { BATCH };
    let (known, kind) = (session.known()?, session.target_kind(connector)?);
    let single = |object_type: &str, attribute: &AttributeName| {
        let known = known
            .schemas
            .get(connector)
            .and_then(|types| types.get(object_type))
            .and_then(|schema| schema.get(attribute));
        known.is_some_and(|known| known.kind == Kind::Reference && !known.multi)
    };
    let mut after: Option<EdgeKey> = None;
    loop {
        session.go_on()?;
        let draft = session.store.draft();
        let mut keys = draft.edge_exports(after.as_ref(), EDGE_BATCH)?;
        after = keys.last().cloned();
        keys.retain(|key| only.is_none_or(|only| only.has_reference(key)));
        let groups = group_edges(&draft, connector, &keys, kind, single)?;
        drop(draft);
        for chunk in groups.chunks(batch) {
            session.go_on()?;
            if export::is_shut(directory) {
                report.postponed += u64::try_from(chunk.len()).unwrap_or(0);
                continue;
            }
            if export::is_over(deadline) {
                report.left += u64::try_from(chunk.len()).unwrap_or(0);
                continue;
            }
            let items: Vec<ExportItem> = chunk.iter().map(|group| group.item.clone()).collect();
            let mut draft = session.store.draft();
            chunk.iter().for_each(|group| group.note(&mut draft));
            let writes = draft.finish();
            session.store.commit(writes)?;
            // On disk before the call: whoever undoes this run must know.
            session.store.checkpoint()?;
            let outcomes = export::send(session, connector, directory, items)?;
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

impl EdgeGroup {
    fn untaken(&self, to: ObjectId) -> Change {
        Change::UnwrittenReference(self.from, self.attribute.clone(), to)
    }

    fn note(&self, draft: &mut Draft<'_>) {
        let adds = self.change == EdgeChange::Add;
        for to in self.targets.values() {
            draft.note(Change::WritingReference(self.from, self.attribute.clone(), *to, adds));
        }
        for to in &self.superseded {
            draft.note(Change::WritingReference(self.from, self.attribute.clone(), *to, false));
        }
    }
}

/// What the references that are due among some come to, as it would be sent.
pub(super) fn items(
    draft: &Draft<'_>,
    connector: &str,
    keys: &[EdgeKey],
    kind: TargetKind,
    schemas: &BTreeMap<String, Schema>,
) -> Result<Vec<ExportItem>, RunError> {
    let single = |object_type: &str, attribute: &AttributeName| {
        let known = schemas.get(object_type).and_then(|schema| schema.get(attribute));
        known.is_some_and(|known| known.kind == Kind::Reference && !known.multi)
    };
    Ok(group_edges(draft, connector, keys, kind, single)?.into_iter().map(|group| group.item).collect())
}

fn group_edges(
    draft: &Draft<'_>,
    connector: &str,
    keys: &[EdgeKey],
    kind: TargetKind,
    single: impl Fn(&str, &AttributeName) -> bool,
) -> Result<Vec<EdgeGroup>, RunError> {
    // What the objects are called, in directories where they have names.
    let mut names: BTreeMap<Anchor, String> = BTreeMap::new();
    let mut lists: BTreeMap<(ObjectId, AttributeName, bool), Vec<(Anchor, ObjectId)>> = BTreeMap::new();
    for (from, attribute, to) in keys {
        let edge = draft.edge(*from, attribute, *to)?;
        let Some(object) = draft.object(*to)? else { continue };
        let (true, Some(change), Some(anchor)) = (edge.is_due(), edge.pending, object.anchor) else { continue };
        names.extend(object.dn.map(|dn| (anchor.clone(), dn)));
        lists.entry((*from, attribute.clone(), change == EdgeChange::Add)).or_default().push((anchor, *to));
    }
    let replaced: BTreeSet<(ObjectId, AttributeName)> =
        lists.keys().filter(|(.., add)| *add).map(|(from, attribute, _)| (*from, attribute.clone())).collect();
    let mut superseded: BTreeMap<(ObjectId, AttributeName), Vec<ObjectId>> = BTreeMap::new();
    let mut groups = Vec::new();
    for ((from, attribute, add), targets) in lists {
        let Some(object) = draft.object(from)?.filter(|object| object.connector == connector) else { continue };
        let Some(anchor) = object.anchor else { continue };
        names.extend(object.dn.map(|dn| (anchor.clone(), dn)));
        let single = single(&object.object_type, &attribute);
        if single && !add && replaced.contains(&(from, attribute.clone())) {
            // Setting the new one replaces the old one; a removal after it would remove the new one.
            superseded.insert((from, attribute), targets.into_iter().map(|(_, to)| to).collect());
            continue;
        }
        for part in targets.chunks(kind.references_at_once()) {
            let anchors = part.iter().map(|(anchor, _)| anchor.clone()).collect();
            let (owner, anchor, attribute) = (anchor.clone(), anchor.clone(), attribute.clone());
            let action = if add {
                ExportAction::AddReferences { anchor, attribute: attribute.clone(), targets: anchors }
            } else {
                ExportAction::RemoveReferences { anchor, attribute: attribute.clone(), targets: anchors }
            };
            let mut item = ExportItem::new(from.0, &object.object_type, action);
            let of_item = part.iter().map(|(target, _)| target).chain([&owner]);
            item.known.names = of_item.filter_map(|one| Some((one.clone(), names.get(one)?.clone()))).collect();
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
    if !matches!(outcome, ExportOutcome::References { .. }) && export::is_untaken(&outcome) {
        group.targets.values().chain(&group.superseded).for_each(|to| draft.note(group.untaken(*to)));
    }
    let (done, refused) = match outcome {
        ExportOutcome::Done { .. } => (group.targets.keys().cloned().collect(), Vec::new()),
        ExportOutcome::References { done, refused } => (done, refused),
        ExportOutcome::Refused { message, .. } => {
            (Vec::new(), group.targets.keys().map(|anchor| (anchor.clone(), message.clone())).collect())
        }
        ExportOutcome::Missing | ExportOutcome::Temporary { .. } | ExportOutcome::Full { .. } => {
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
        draft.note(group.untaken(*to));
        draft.put_edge(group.from, &group.attribute, *to, edge)?;
        let who = draft.object(group.from)?.map_or_else(|| group.from.to_string(), |object| object.title());
        report.refuse(format!("{} of `{who}`", group.attribute), message);
    }
    Ok(())
}
