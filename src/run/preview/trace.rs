//! Makes a preview: synchronises one object and its person on a draft, and notes what every rule said.

use std::collections::BTreeSet;

use super::person::{Side, person};
use super::shown::texts;
use super::{
    ChangeTrace, LinkTrace, ObjectTrace, Preview, ReferenceTrace, SourceTrace, Subject, TargetTrace, Tried, World,
    rules,
};
use crate::connector::ExportItem;
use crate::connector_space::{ConnectorObject, EdgeChange, Export, ExportState, ObjectId};
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::rules::RuleSet;
use crate::run::export::item_of;
use crate::run::live::is_live;
use crate::run::refusals::refusals;
use crate::run::{RunError, references};
use crate::store::Draft;
use crate::sync::Synchronisation;
use crate::sync::ledger::{Ledger, View};

/// How many objects are evaluated at a time.
const BATCH: usize = 500;
/// More referrers than this are not looked at.
const REFERRERS: usize = 200;

/// Takes one object through the rules. `draft` is what is stored with what is tried laid over it, `stored` what is
/// stored; the draft is used up.
///
/// # Errors
/// When the store cannot be read. What fails on objects is in the preview.
pub fn trace(
    mut draft: Draft<'_>,
    stored: &Draft<'_>,
    ruleset: &RuleSet,
    world: &World,
    subject: Subject,
    tried: Vec<Tried>,
) -> Result<Preview, RunError> {
    let object = match subject {
        Subject::Object(id) => draft.object(id)?,
        Subject::Person(_) => None,
    };
    let before = match (subject, &object) {
        (Subject::Person(id), _) => Some(id),
        (Subject::Object(id), _) => stored.person_of(id)?,
    };
    let mut synchronisation =
        Synchronisation::new(ruleset, &world.sources, &world.targets, &world.orders, 1).at(world.now);
    let family = family(&draft, object.as_ref(), before)?;
    let is_source = object.as_ref().is_some_and(|object| is_source(ruleset, object));
    let mut sources = Vec::new();
    for source in family.iter().filter(|source| self::is_source(ruleset, source)) {
        let input = synchronisation.input(&draft, source)?;
        let rules = match synchronisation.host() {
            Some(host) => rules::inbound_rules(host, ruleset, &draft, source, &input)?,
            None => Vec::new(),
        };
        sources.push(SourceTrace { object: object_trace(source), rules });
    }
    still_others(&mut draft, object.as_ref(), before)?;
    mark(&mut draft, &family, before)?;
    let mut errors = settle(&mut synchronisation, &mut draft)?;
    let after = match subject {
        Subject::Person(id) => Some(id),
        Subject::Object(id) => draft.person_of(id)?,
    };
    if let Some(joined) = after.filter(|after| Some(*after) != before) {
        // The rules may have changed since the others of this person were synchronised.
        let family = self::family(&draft, None, Some(joined))?;
        mark(&mut draft, &family, Some(joined))?;
        let mut synchronisation =
            Synchronisation::new(ruleset, &world.sources, &world.targets, &world.orders, 1).at(world.now);
        errors.extend(settle(&mut synchronisation, &mut draft)?);
    }
    let focus = after.or(before);
    let person_now = focus.map(|id| stored.metaverse(id)).transpose()?.flatten();
    let person_after = focus.map(|id| draft.metaverse(id)).transpose()?.flatten();
    let outbound = match (synchronisation.host(), &person_after) {
        (Some(host), Some(person)) => rules::outbound_rules(host, ruleset, &world.targets, stored, person)?,
        (Some(_), None) | (None, _) => Vec::new(),
    };
    let now = Side { view: stored, person: person_now.as_ref() };
    // What comes from the one object whose rules are shown needs no name.
    let only = match (object.as_ref().filter(|_| is_source), sources.as_slice()) {
        (Some(subject), _) => Some(subject.id),
        (None, [only]) => Some(only.object.id),
        (None, _) => None,
    };
    let person = person(ruleset, now, Side { view: &draft, person: person_after.as_ref() }, only)?;
    let left = before.filter(|id| Some(*id) != focus).map(|id| stored.metaverse(id)).transpose()?.flatten();
    let people: Vec<&MetaverseObject> = [&left, &person_now, &person_after].into_iter().flatten().collect();
    let targets = targets(ruleset, world, &draft, &people, object.as_ref())?;
    errors.sort();
    errors.dedup();
    Ok(Preview {
        rules: ruleset.fingerprint().to_owned(),
        subject: object.as_ref().map(object_trace),
        tried,
        sources,
        person,
        outbound,
        targets,
        errors,
    })
}

/// The subject, and the objects that contribute to its person.
fn family(
    draft: &Draft<'_>,
    subject: Option<&ConnectorObject>,
    person: Option<MetaverseId>,
) -> Result<Vec<ConnectorObject>, RunError> {
    let mut family: Vec<ConnectorObject> = subject.cloned().into_iter().collect();
    let person = person.map(|id| draft.metaverse(id)).transpose()?.flatten();
    for (id, _) in person.iter().flat_map(|person| &person.links) {
        let object = draft.object(*id)?.filter(|object| {
            subject.is_none_or(|subject| subject.id != object.id)
                && object.link.as_ref().is_some_and(|link| !link.kind.is_outbound())
        });
        family.extend(object);
    }
    Ok(family)
}

/// Whether inbound rules concern an object: some rule reads its type, or no outbound rule made its link.
fn is_source(ruleset: &RuleSet, object: &ConnectorObject) -> bool {
    let read = ruleset.inbound(&object.connector, &object.object_type).next().is_some();
    read || object.link.as_ref().is_none_or(|link| !link.kind.is_outbound())
}

/// Only this object and its person shall move: whatever else waits is taken out of the draft's queues.
fn still_others(
    draft: &mut Draft<'_>,
    subject: Option<&ConnectorObject>,
    person: Option<MetaverseId>,
) -> Result<(), RunError> {
    let person = person.map(|id| draft.metaverse(id)).transpose()?.flatten();
    let linked = person.iter().flat_map(|person| &person.links).map(|(id, _)| *id);
    let moving: BTreeSet<ObjectId> = linked.chain(subject.map(|object| object.id)).collect();
    for id in draft.object_queue(None, usize::MAX)? {
        draft.unmark_object(id)?;
    }
    for id in draft.metaverse_queue(None, usize::MAX)? {
        draft.unmark_metaverse(id)?;
    }
    for (from, attribute, to) in draft.edge_queue(usize::MAX)? {
        if !moving.contains(&from) && !moving.contains(&to) {
            draft.unmark_edge(from, &attribute, to)?;
        }
    }
    Ok(())
}

fn mark(draft: &mut Draft<'_>, family: &[ConnectorObject], person: Option<MetaverseId>) -> Result<(), RunError> {
    for object in family {
        draft.mark_object(object.id)?;
    }
    if let Some(person) = person {
        draft.mark_metaverse(person)?;
    }
    Ok(())
}

fn settle(synchronisation: &mut Synchronisation<'_>, draft: &mut Draft<'_>) -> Result<Vec<String>, RunError> {
    let mut errors = Vec::new();
    while let Some(step) = synchronisation.step(draft, BATCH)? {
        errors.extend(step.errors.into_iter().map(|(who, why)| format!("{who}: {why}")));
    }
    Ok(errors)
}

/// How an object is called and linked.
pub(super) fn object_trace(object: &ConnectorObject) -> ObjectTrace {
    ObjectTrace {
        id: object.id,
        connector: object.connector.clone(),
        name: object.title(),
        object_type: object.object_type.clone(),
        anchor: object.anchor.as_ref().map(ToString::to_string),
        link: object.link.as_ref().map(|link| LinkTrace {
            metaverse: link.metaverse.to_string(),
            kind: format!("{:?}", link.kind).to_lowercase(),
            rule: link.rule.clone(),
        }),
    }
}

/// Every target object that belongs, or belonged, to one of some people.
fn targets(
    ruleset: &RuleSet,
    world: &World,
    draft: &Draft<'_>,
    people: &[&MetaverseObject],
    subject: Option<&ConnectorObject>,
) -> Result<Vec<TargetTrace>, RunError> {
    let mut linked: BTreeSet<(String, ObjectId)> = people
        .iter()
        .flat_map(|person| &person.links)
        .filter(|(_, connector)| world.targets.contains_key(connector))
        .map(|(id, connector)| (connector.clone(), *id))
        .collect();
    let is_target = |object: &&ConnectorObject| world.targets.contains_key(&object.connector);
    linked.extend(subject.filter(is_target).map(|object| (object.connector.clone(), object.id)));
    let mut traces = Vec::new();
    for (connector, id) in linked {
        let Some(object) = draft.object(id)? else { continue };
        traces.push(target(ruleset, world, draft, &connector, &object)?);
    }
    Ok(traces)
}

fn target(
    ruleset: &RuleSet,
    world: &World,
    draft: &Draft<'_>,
    connector: &str,
    object: &ConnectorObject,
) -> Result<TargetTrace, RunError> {
    let due = object.export.as_ref().filter(|export| export.is_due());
    let (references, keys) = due_references(draft, object)?;
    let item = item_of(object);
    let kind = world.kinds.get(connector).copied();
    let render = |item: &ExportItem| kind.map(|kind| kind.render(item)).unwrap_or_default();
    let mut requests = item.as_ref().map(render).unwrap_or_default();
    if let (Some(target), Some(kind)) = (world.targets.get(connector), kind) {
        let items = references::items(draft, connector, &keys, kind, &target.schemas)?;
        requests.extend(items.iter().flat_map(render));
    }
    let facts = world.facts.get(connector).cloned().unwrap_or_default();
    Ok(TargetTrace {
        object: object_trace(object),
        live: is_live(draft, connector)?,
        operation: due.map(|export| format!("{:?}", export.operation).to_lowercase()),
        reason: due.map(|export| export.reason.clone()).unwrap_or_default(),
        changes: changes(ruleset, object),
        references,
        requests,
        refused: match kind.filter(|_| item.is_some()) {
            Some(kind) => refusals(object, kind, &facts),
            None => Vec::new(),
        },
        held: object
            .outbound
            .held
            .iter()
            .map(|(name, why)| if name.as_str() == "*" { why.clone() } else { format!("{name}: {why}") })
            .collect(),
        unsettled: object.export.as_ref().and_then(unsettled),
    })
}

/// What came of an export that is not due.
fn unsettled(export: &Export) -> Option<String> {
    match &export.state {
        ExportState::Pending => None,
        ExportState::InFlight => Some("it was being sent when a run broke off: the next run looks first".into()),
        ExportState::Exported => Some("it was sent, and no import has shown it yet".into()),
        ExportState::Failed { message, .. } => {
            Some(format!("refused, and not sent again before something changes: {message}"))
        }
    }
}

fn changes(ruleset: &RuleSet, object: &ConnectorObject) -> Vec<ChangeTrace> {
    let unsent = object.export.iter().flat_map(|export| &export.changes).filter(|(_, change)| !change.sent);
    unsent
        .map(|(name, change)| ChangeTrace {
            attribute: name.to_string(),
            now: object.image.get(name).map(|values| texts(name, values)).unwrap_or_default(),
            after: texts(name, &change.values),
            rule: change.rule.clone(),
            line: change.line,
            source: ruleset.rule(&change.rule).and_then(|rule| rule.source_of(name)).unwrap_or_default(),
        })
        .collect()
}

/// References of an object, and to it, that would be written.
fn due_references(
    draft: &Draft<'_>,
    object: &ConnectorObject,
) -> Result<(Vec<ReferenceTrace>, Vec<crate::run::export::EdgeKey>), RunError> {
    // The name of an object, and whether it is there.
    let find = |id: ObjectId| -> Result<(String, bool), RunError> {
        let found = draft.object(id)?;
        Ok(found.map_or_else(|| (id.to_string(), false), |object| (object.title(), object.anchor.is_some())))
    };
    let mut keys = Vec::new();
    for attribute in draft.reference_attributes(object.id)? {
        let edges = draft.edges(object.id, &attribute)?.into_iter();
        keys.extend(edges.map(|(to, _)| (object.id, attribute.clone(), to)));
    }
    let referrers = draft.referrers(object.id)?.into_iter().take(REFERRERS);
    keys.extend(referrers.map(|(from, attribute)| (from, attribute, object.id)));
    let mut traces = Vec::new();
    let mut due = Vec::new();
    for (from, attribute, to) in keys {
        let edge = draft.edge(from, &attribute, to)?;
        let Some(change) = edge.pending.filter(|_| edge.is_due()) else { continue };
        let ((of, of_there), (what, what_there)) = (find(from)?, find(to)?);
        traces.push(ReferenceTrace {
            add: change == EdgeChange::Add,
            attribute: attribute.to_string(),
            of,
            to: what,
            waits: !of_there || !what_there,
        });
        due.push((from, attribute, to));
    }
    let order = |trace: &ReferenceTrace| {
        (trace.of != object.title(), trace.attribute.clone(), trace.of.clone(), trace.to.clone(), trace.add)
    };
    traces.sort_by_key(order);
    Ok((traces, due))
}
