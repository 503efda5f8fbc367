//! The order of an export: a value is released before somebody else claims it.

use std::collections::{BTreeMap, BTreeSet};

use super::RunError;
use super::export::{ExportReport, Only, is_among, item_of};
use super::refusals::{invalid, refusals};
use super::session::Session;
use crate::connector::TenantFacts;
use crate::connector::target::TargetKind;
use crate::connector_space::{ConnectorObject, ExportState, ObjectId, Operation, enables};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::value::{AttributeName, Value, Values};

/// A longer chain of people who take over each other's values is cut by a value that holds for a moment.
const LONGEST_CHAIN: usize = 32;

/// What is sent when.
pub(super) struct Order {
    /// One after the other; deletions that release nothing last.
    pub(super) waves: Vec<Vec<ObjectId>>,
    /// Objects that must let go of a value before anything else is sent, for they and others exchange theirs.
    pub(super) swaps: BTreeSet<(ObjectId, AttributeName)>,
}

/// Sorts what is due so that a value is released before somebody else claims it. What cannot be sent is refused here.
/// `allowed` are objects that a person has looked at; `only` is what is sent at all.
pub(super) fn sort(
    session: &mut Session,
    connector: &str,
    facts: &TenantFacts,
    (allowed, only): (&BTreeSet<ObjectId>, Option<&Only>),
    report: &mut ExportReport,
) -> Result<Order, RunError> {
    let kind = session.target_kind(connector)?;
    let mut refused = Vec::new();
    let mut deletions = Vec::new();
    let draft = session.store.draft();
    let (mut due, mut urgent) = (Vec::new(), BTreeSet::new());
    draft.each_export(connector, |object| {
        if !is_among(only, object.id) || item_of(&object).is_none() {
            return;
        }
        let looked_at = allowed.contains(&object.id);
        if looked_at || is_urgent(&object) {
            urgent.insert(object.id);
        }
        let wrong = if looked_at { invalid(&object, kind, facts) } else { refusals(&object, kind, facts) };
        if !wrong.is_empty() {
            refused.push((object, wrong.join("; ")));
        } else if object.export.as_ref().is_some_and(|export| export.operation == Operation::Delete) {
            deletions.push(object.id);
        } else {
            due.push(object.id);
        }
    })?;
    let stuck: BTreeSet<ObjectId> = refused.iter().map(|(object, _)| object.id).collect();
    let order = order(&draft, kind, due, deletions, (&stuck, only))?.with_first(&urgent);
    let order = match session.put_off.get(connector) {
        Some(put_off) => order.with_last(put_off),
        None => order,
    };
    drop(draft);
    for (object, why) in refused {
        let who = format!("{} `{}`", object.object_type, object.title());
        fail(session, object, "invalid", &why)?;
        report.refuse(who, why);
    }
    Ok(order)
}

/// What people wait for: an account that is switched on or off, a password.
fn is_urgent(object: &ConnectorObject) -> bool {
    let Some(export) = object.export.as_ref().filter(|export| export.operation == Operation::Update) else {
        return false;
    };
    let password = |values: &Values| values.iter().any(|value| matches!(value, Value::Password(_)));
    export.changes.iter().any(|(name, change)| enables(name, &change.values).is_some() || password(&change.values))
}

impl Order {
    /// The same, with those first that are urgent and wait for nobody. Deletions among them release nothing that others
    /// claim.
    fn with_first(mut self, urgent: &BTreeSet<ObjectId>) -> Order {
        let last = self.waves.len().saturating_sub(1);
        let mut first = Vec::new();
        for (at, wave) in self.waves.iter_mut().enumerate() {
            if at < 2 || at == last {
                let (before, after) = std::mem::take(wave).into_iter().partition(|id| urgent.contains(id));
                let before: Vec<ObjectId> = before;
                first.extend(before);
                *wave = after;
            }
        }
        self.waves.insert(0, first);
        self
    }

    /// The same, with those last in their waves that were not taken the last time: they may not be taken for long, and an
    /// export has only so much time.
    fn with_last(mut self, put_off: &BTreeSet<ObjectId>) -> Order {
        self.waves.iter_mut().for_each(|wave| wave.sort_by_key(|id| put_off.contains(id)));
        self
    }
}

/// The order of objects that are due, `stuck` ones left out: these let go of nothing. Nor do those that are not among
/// `only`: they are not sent, though others may wait for what they hold.
pub(super) fn order(
    draft: &Draft<'_>,
    kind: TargetKind,
    due: Vec<ObjectId>,
    deletions: Vec<ObjectId>,
    (stuck, only): (&BTreeSet<ObjectId>, Option<&Only>),
) -> Result<Order, RunError> {
    let mut sorting = Sorting::new(kind);
    for id in due {
        if let Some(object) = draft.object(id)? {
            sorting.depth(draft, &object, (stuck, only))?;
        }
    }
    Ok(sorting.order(deletions))
}

/// How many objects must be written before one.
pub(super) fn depth(draft: &Draft<'_>, kind: TargetKind, object: &ConnectorObject) -> Result<usize, RunError> {
    let mut sorting = Sorting::new(kind);
    sorting.depth(draft, object, (&BTreeSet::new(), None))
}

struct Sorting {
    kind: TargetKind,
    depths: BTreeMap<ObjectId, usize>,
    /// Those that are to be made: of two that claim one value, who has an object already is first.
    new: BTreeSet<ObjectId>,
    path: Vec<ObjectId>,
    swaps: BTreeSet<(ObjectId, AttributeName)>,
}

impl Sorting {
    fn new(kind: TargetKind) -> Sorting {
        let (new, swaps) = (BTreeSet::new(), BTreeSet::new());
        Sorting { kind, depths: BTreeMap::new(), new, path: Vec::new(), swaps }
    }

    /// How many objects must be written before this one: the longest chain of holders of values that it claims.
    fn depth(
        &mut self,
        draft: &Draft<'_>,
        object: &ConnectorObject,
        (stuck, only): (&BTreeSet<ObjectId>, Option<&Only>),
    ) -> Result<usize, RunError> {
        if let Some(known) = self.depths.get(&object.id) {
            return Ok(*known);
        }
        self.path.push(object.id);
        let mut deepest = 0;
        let unique = self.kind.unique_attributes(&object.object_type).iter().map(|name| AttributeName::from(*name));
        let change = |name| object.export.as_ref()?.changes.get_key_value(&name);
        let changes = unique.filter_map(change).filter(|(_, change)| !change.sent);
        for (name, value) in changes.flat_map(|(name, change)| change.values.iter().map(move |value| (name, value))) {
            for (held_as, text) in self.kind.claims(&object.object_type, name, value) {
                for holder in draft.find_object(&object.connector, &held_as, &text, 8)? {
                    let other = holder != object.id && !stuck.contains(&holder) && is_among(only, holder);
                    let Some(holder) =
                        draft.object(holder)?.filter(|holder| other && self.releases(holder, &held_as, &text))
                    else {
                        continue;
                    };
                    if self.swaps.contains(&(holder.id, name.clone())) {
                        continue;
                    }
                    if self.path.contains(&holder.id) || self.path.len() > LONGEST_CHAIN {
                        // They exchange values: the holder takes another one for a moment.
                        self.swaps.insert((holder.id, name.clone()));
                        continue;
                    }
                    deepest = deepest.max(self.depth(draft, &holder, (stuck, only))? + 1);
                }
            }
        }
        self.path.pop();
        self.depths.insert(object.id, deepest);
        if object.anchor.is_none() {
            self.new.insert(object.id);
        }
        Ok(deepest)
    }

    /// Whether an object holds a value in the target and is about to give it up.
    fn releases(&self, holder: &ConnectorObject, name: &AttributeName, folded: &str) -> bool {
        let has = |values: &Values| values.iter().any(|held| held.folded() == folded);
        let Some(export) = holder.export.as_ref().filter(|export| export.is_due()) else { return false };
        let lets_go = || self.kind.after(holder, name).is_some_and(|values| !has(&values));
        holder.image.get(name).is_some_and(has) && (export.operation == Operation::Delete || lets_go())
    }

    fn order(self, mut deletions: Vec<ObjectId>) -> Order {
        let mut waves: Vec<Vec<ObjectId>> = Vec::new();
        for (id, depth) in self.depths {
            let place = 2 * depth + usize::from(self.new.contains(&id));
            if waves.len() <= place {
                waves.resize(place + 1, Vec::new());
            }
            if let Some(wave) = waves.get_mut(place) {
                wave.push(id);
            }
        }
        deletions.retain(|id| !waves.iter().any(|wave| wave.binary_search(id).is_ok()));
        waves.push(deletions);
        Order { waves, swaps: self.swaps }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_taken_comes_last_in_its_wave() {
        let [one, two, three] =
            ["1", "2", "3"].map(|name| ObjectId::of_anchor("entra", &crate::connector::Anchor(name.into())));
        let order = Order { waves: vec![vec![one, two, three], vec![one]], swaps: BTreeSet::new() };
        let order = order.with_last(&BTreeSet::from([one, two]));
        assert_eq!(order.waves, [vec![three, one, two], vec![one]]);
    }
}
