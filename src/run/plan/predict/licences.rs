//! Licences, which nobody here gives to anybody: what a target would do about them because of what is written. Nothing of it
//! is a refusal, so it is a warning.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::connector::Licence;
use crate::connector_space::{ConnectorObject, EdgeChange, ObjectId, Operation};
use crate::run::RunError;
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::value::{AttributeName, Value};

/// How many objects are named.
const NAMED: usize = 5;

/// What a target would take, and what would come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What would be, in a sentence.
    pub what: String,
    /// How many objects it is about.
    pub count: usize,
    /// The first of them.
    pub sample: Vec<String>,
}

/// Looks at everything that waits for one target.
pub(in crate::run::plan) struct Licences<'a> {
    bought: &'a [Licence],
    /// Users who would be made without a place.
    nowhere: Warning,
    /// Users who would be deleted, by licence that they have.
    freed: BTreeMap<String, BTreeSet<ObjectId>>,
}

impl<'a> Licences<'a> {
    /// Where the tenant has none, or we may not know, nothing is said.
    pub(in crate::run::plan) fn new(bought: &'a [Licence]) -> Self {
        let what = "made without `usageLocation`: nobody can give them a licence, save through a group, which takes the \
                    country of the tenant";
        Licences {
            bought,
            nowhere: Warning { what: what.into(), count: 0, sample: Vec::new() },
            freed: BTreeMap::new(),
        }
    }

    /// One object that waits.
    pub(in crate::run::plan) fn look_at(&mut self, object: &ConnectorObject) {
        if self.bought.is_empty() || object.object_type != "user" {
            return;
        }
        let Some(export) = object.export.as_ref().filter(|export| export.is_due()) else { return };
        match export.operation {
            Operation::Create if !export.changes.contains_key(&AttributeName::from("usageLocation")) => {
                self.nowhere.count += 1;
                if self.nowhere.sample.len() < NAMED {
                    self.nowhere.sample.push(object.title());
                }
            }
            Operation::Delete => {
                for licence in held(object) {
                    self.freed.entry(licence).or_default().insert(object.id);
                }
            }
            Operation::Create | Operation::Update => {}
        }
    }

    /// What there is to say, once everything was looked at.
    pub(in crate::run::plan) fn warnings(
        mut self,
        draft: &Draft<'_>,
        connector: &str,
    ) -> Result<Vec<Warning>, RunError> {
        let mut warnings = Vec::new();
        if !self.bought.is_empty() {
            let wanted = self.through_groups(draft, connector)?;
            let none = BTreeSet::new();
            for licence in self.bought {
                let get = wanted.get(&licence.id).unwrap_or(&none);
                let freed = self.freed.get(&licence.id).map_or(0, BTreeSet::len);
                warnings.extend(too_few(draft, licence, get, freed)?);
            }
        }
        if self.nowhere.count > 0 {
            warnings.push(self.nowhere);
        }
        Ok(warnings)
    }

    /// Users who would get a licence because they come into a group that gives it. Who leaves one gives his back: perhaps
    /// not, if he has it from elsewhere, too, but then nothing is claimed.
    fn through_groups(
        &mut self,
        draft: &Draft<'_>,
        connector: &str,
    ) -> Result<BTreeMap<String, BTreeSet<ObjectId>>, RunError> {
        let mut giving = Vec::new();
        draft.each_object(connector, "group", |group| {
            giving.extend(Some((group.id, held(&group))).filter(|(_, licences)| !licences.is_empty()));
        })?;
        let mut wanted: BTreeMap<String, BTreeSet<ObjectId>> = BTreeMap::new();
        for (group, licences) in giving {
            for (member, edge) in draft.edges(group, &AttributeName::from("members"))? {
                let Some(change) = edge.pending.filter(|_| edge.is_due()) else { continue };
                // Groups in groups give nothing.
                let Some(user) = draft.object(member)?.filter(|object| object.object_type == "user") else { continue };
                let has = held(&user);
                for licence in &licences {
                    let set = match (change, has.contains(licence)) {
                        (EdgeChange::Add, false) => &mut wanted,
                        (EdgeChange::Remove, true) => &mut self.freed,
                        (EdgeChange::Add, true) | (EdgeChange::Remove, false) => continue,
                    };
                    set.entry(licence.clone()).or_default().insert(member);
                }
            }
        }
        Ok(wanted)
    }
}

/// The licences that a user has, or that a group gives.
fn held(object: &ConnectorObject) -> Vec<String> {
    let values = object.image.get(&AttributeName::from("assignedLicenses")).into_iter().flatten();
    values.filter_map(Value::as_text).map(str::to_owned).collect()
}

fn too_few(
    draft: &Draft<'_>,
    licence: &Licence,
    get: &BTreeSet<ObjectId>,
    freed: usize,
) -> Result<Option<Warning>, RunError> {
    let left = usize::try_from(licence.left).unwrap_or(usize::MAX).saturating_add(freed);
    let lacking = get.len().saturating_sub(left);
    if lacking == 0 {
        return Ok(None);
    }
    let mut sample = Vec::new();
    for id in get.iter().take(NAMED) {
        sample.extend(draft.object(*id)?.map(|object| object.title()));
    }
    let what = format!(
        "of {} who come into groups with the licence `{}` would get none (seats left: {left}), and have a licence error",
        get.len(),
        licence.name
    );
    Ok(Some(Warning { what, count: lacking, sample }))
}
