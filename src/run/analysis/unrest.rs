//! What does not come to rest: values and links that change again, though nothing changed outside.

use std::collections::{BTreeMap, BTreeSet};

use super::{Counted, shown};
use crate::connector::{Anchor, ImportedObject};
use crate::connector_space::{ConnectorObject, Export, ObjectId, Operation};
use crate::diagnostic::Diagnostic;
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::rules::{Direction, RuleSet};
use crate::run::RunError;
use crate::run::thousands;
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::sync::stage::{self, Readers};
use crate::sync::{name, precedence};
use crate::value::{AttributeName, Kind, Value, Values, same_values};

/// Everything that does not come to rest.
#[derive(Default)]
pub(super) struct Unrest {
    values: BTreeMap<Flapping, Flaps>,
    links: BTreeMap<(String, String), (u64, String)>,
}

/// An attribute, and the rule that gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flapping {
    /// `metaverse/person`, `entra/user`.
    place: String,
    attribute: AttributeName,
    rule: String,
}

/// How often one was seen, and the first time.
struct Flaps {
    count: u64,
    /// Whether it still changed in the last round.
    restless: bool,
    name: String,
    values: Vec<Values>,
}

/// An object of either kind. People first: what changes in a target follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    Person(MetaverseId),
    Object(ObjectId),
}

/// What an object was like at some time.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    place: String,
    name: String,
    /// Each value, and the rule that gave it.
    values: BTreeMap<AttributeName, (Values, Option<String>)>,
    /// Of an object of a directory: whose it is, and by which rule.
    link: Option<(MetaverseId, String)>,
}

/// Everything that a draft wrote; nothing for what it removed.
pub(super) type Snapshot = BTreeMap<Id, Option<Thing>>;

fn of_person(person: &MetaverseObject) -> Thing {
    let mut values = BTreeMap::new();
    for (attribute, list) in &person.contributions {
        let by = list.first().map(|winner| winner.rule.to_string());
        let references =
            precedence::reference_source(list).map(|(object, of)| Value::Text(format!("{of} of {object}")));
        let given = references.map_or_else(|| precedence::values(list), |reference| vec![reference]);
        values.insert(attribute.clone(), (given, by));
    }
    Thing { place: format!("metaverse/{}", person.object_type), name: name(person), values, link: None }
}

fn of_object(object: &ConnectorObject) -> Thing {
    let by = |attribute: &AttributeName| {
        let change = object.export.as_ref().and_then(|export| export.changes.get(attribute));
        change.map(|change| change.rule.to_string())
    };
    let shown =
        object.expected().into_iter().filter(|(_, values)| values.iter().all(|value| value.kind() != Kind::Password));
    Thing {
        place: format!("{}/{}", object.connector, object.object_type),
        name: object.title(),
        values: shown.map(|(attribute, values)| (attribute.clone(), (values, by(&attribute)))).collect(),
        link: object.link.as_ref().map(|link| (link.metaverse, link.rule.clone())),
    }
}

fn thing(draft: &Draft<'_>, id: Id) -> Result<Option<Thing>, RunError> {
    Ok(match id {
        Id::Person(id) => draft.metaverse(id)?.as_ref().map(of_person),
        Id::Object(id) => draft.object(id)?.as_ref().map(of_object),
    })
}

/// What a draft has made of everything that it wrote so far.
pub(super) fn snapshot(draft: &Draft<'_>) -> Result<Snapshot, RunError> {
    let people = draft.written_metaverse().into_iter().map(Id::Person);
    let objects = draft.written_objects().into_iter().map(Id::Object);
    people.chain(objects).map(|id| Ok((id, thing(draft, id)?))).collect()
}

/// Whether the last round changed anything.
pub(super) fn has_changed(settled: &Draft<'_>, history: &[Snapshot]) -> Result<bool, RunError> {
    let Some((last, before)) = history.split_last() else { return Ok(false) };
    for (id, now) in last {
        let was = match before.last().and_then(|before| before.get(id)) {
            Some(was) => was.clone(),
            None => thing(settled, *id)?,
        };
        let same = match (&was, now) {
            (Some(was), Some(now)) => {
                let names: BTreeSet<&AttributeName> = was.values.keys().chain(now.values.keys()).collect();
                let alike = |name: &&AttributeName| same_values(was.given(name), now.given(name));
                was.owner() == now.owner() && names.iter().all(alike)
            }
            (was, now) => was.is_none() && now.is_none(),
        };
        if !same {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lets a target show what waits to be written to an object, as if it had been written and read again.
pub(super) fn confirm(
    draft: &mut Draft<'_>,
    id: ObjectId,
    readers: &BTreeMap<(String, String), Readers>,
) -> Result<bool, RunError> {
    let Some(mut object) = draft.object(id)? else { return Ok(false) };
    let Some(readers) = readers.get(&(object.connector.clone(), object.object_type.clone())) else { return Ok(false) };
    let Some(export) = object.export.as_mut().filter(|export| is_written(export) && readers.rules) else {
        return Ok(false);
    };
    export.mark_sent();
    let anchor = object.anchor.get_or_insert_with(|| Anchor(id.to_string())).clone();
    let imported = ImportedObject {
        anchor,
        dn: object.dn.clone(),
        object_type: object.object_type.clone(),
        attributes: object.expected(),
        references: BTreeMap::new(),
    };
    draft.put_object(&object)?;
    stage::stage_part(draft, &object.connector, &imported, &BTreeSet::new(), *readers, usize::MAX)?;
    Ok(true)
}

/// Whether an export leaves an object behind that a target can show.
fn is_written(export: &Export) -> bool {
    export.is_due() && export.operation != Operation::Delete
}

impl Thing {
    fn given(&self, attribute: &AttributeName) -> &[Value] {
        self.values.get(attribute).map_or(&[][..], |(values, _)| values)
    }

    fn owner(&self) -> Option<MetaverseId> {
        self.link.as_ref().map(|(owner, _)| *owner)
    }
}

impl Unrest {
    /// Takes in what became of some, round by round. `stored` is how it all began, `settled` how it is once all that is due
    /// is done.
    pub(super) fn add(
        &mut self,
        stored: &Draft<'_>,
        settled: &Draft<'_>,
        history: &[Snapshot],
    ) -> Result<(), RunError> {
        let ids: BTreeSet<Id> = history.last().into_iter().flat_map(|last| last.keys().copied()).collect();
        let mut restless = BTreeSet::new();
        for id in ids {
            let began = thing(settled, id)?;
            let mut times = vec![began.clone()];
            for snapshot in history {
                let before = times.last().cloned().flatten();
                times.push(snapshot.get(&id).cloned().unwrap_or(before));
            }
            let Some(began) = began else { continue };
            if self.unlinked(&began, &times) || times.iter().any(Option::is_none) {
                continue;
            }
            if began.owner().is_some_and(|owner| restless.contains(&owner)) {
                continue;
            }
            let times: Vec<Thing> = thing(stored, id)?.into_iter().chain(times.into_iter().flatten()).collect();
            let known = times.len() - history.len();
            if let (true, Id::Person(person)) = (self.changed(&times, known), id) {
                restless.insert(person);
            }
        }
        Ok(())
    }

    /// Whether an object was somebody's, and no longer is.
    fn unlinked(&mut self, began: &Thing, times: &[Option<Thing>]) -> bool {
        let Some((owner, rule)) = &began.link else { return false };
        let stays = |thing: &Option<Thing>| thing.as_ref().and_then(Thing::owner) == Some(*owner);
        if times.iter().all(stays) {
            return false;
        }
        let sample = || (0, began.name.clone());
        self.links.entry((began.place.clone(), rule.clone())).or_insert_with(sample).0 += 1;
        true
    }

    /// Attributes that changed more than once, and once at least after the first `known` times.
    fn changed(&mut self, times: &[Thing], known: usize) -> bool {
        let Some(last) = times.last() else { return false };
        let names: BTreeSet<&AttributeName> = times.iter().flat_map(|thing| thing.values.keys()).collect();
        let mut changed = false;
        for attribute in names {
            let differs = |pair: &[Thing]| match pair {
                [was, is] => !same_values(was.given(attribute), is.given(attribute)),
                _ => false,
            };
            let changes: Vec<usize> =
                times.windows(2).enumerate().filter(|(_, pair)| differs(pair)).map(|(at, _)| at + 1).collect();
            if changes.len() < 2 || changes.last().is_none_or(|at| *at < known) {
                continue;
            }
            changed = true;
            let by = times.iter().rev().filter_map(|thing| thing.values.get(attribute)?.1.clone()).next();
            let key =
                Flapping { place: last.place.clone(), attribute: attribute.clone(), rule: by.unwrap_or_default() };
            let first = times.first().map(|thing| thing.given(attribute).to_vec());
            let then = changes.iter().filter_map(|at| Some(times.get(*at)?.given(attribute).to_vec()));
            let sample = || Flaps {
                count: 0,
                restless: false,
                name: last.name.clone(),
                values: first.into_iter().chain(then).collect(),
            };
            let flaps = self.values.entry(key).or_insert_with(sample);
            flaps.count += 1;
            flaps.restless |= changes.last() == Some(&(times.len() - 1));
        }
        changed
    }

    /// The rules that give or link what does not come to rest.
    pub(super) fn rules(&self) -> BTreeSet<&str> {
        let values = self.values.keys().map(|flapping| flapping.rule.as_str());
        values.chain(self.links.keys().map(|(_, rule)| rule.as_str())).collect()
    }

    /// What is wrong, rule by rule.
    pub(super) fn findings(&self, rules: &RuleSet) -> Counted {
        let mut found = Counted::new();
        for (key, flaps) in &self.values {
            let when = if flaps.restless { "changes with every run" } else { "changes more than once before it rests" };
            let message = format!("`{}` of {} {} {when}", key.attribute, thousands(flaps.count), key.place);
            let finding = Diagnostic::warning("W300", message);
            let values: Vec<String> = flaps.values.iter().map(|values| shown(values)).collect();
            let more = if flaps.restless { " → …" } else { "" };
            let finding = finding.note(format!("`{}`: {}{more}", flaps.name, values.join(" → ")));
            let finding = match rules.rule(&key.rule) {
                Some(rule) => finding.at(&rule.source, rule.written_at(&key.attribute)),
                None => finding,
            };
            found.push((flaps.count, finding.hint("no value may be made of what rules made of it before")));
        }
        for ((place, rule), (count, sample)) in &self.links {
            let message = format!("`{rule}` lets go of {} {place} in the second run", thousands(*count));
            let finding = Diagnostic::warning("W301", message);
            let finding =
                finding.note(format!("`{sample}` is linked by the first run, and no longer by the one after it"));
            let finding = match rules.rule(rule) {
                Some(rule) => {
                    let word = match &rule.header.direction {
                        Direction::Inbound { .. } | Direction::Outbound { .. } if rule.has_scope() => "scope",
                        Direction::Inbound { .. } | Direction::Outbound { .. } => "link",
                    };
                    finding.at(&rule.source, rule.place_of(word))
                }
                None => finding,
            };
            found.push((*count, finding.hint("a scope must not ask for what rules write")));
        }
        found
    }
}
