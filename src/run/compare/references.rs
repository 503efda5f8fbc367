//! References that would go and come: all are counted, and the first of each are named, so that a group of a hundred
//! thousand costs no more than one of twenty.

use std::collections::{BTreeMap, BTreeSet};

use super::{Counts, DifferentValue};
use crate::connector_space::{ConnectorObject, EdgeChange, Members, ObjectId};
use crate::run::RunError;
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::sync::references::wanted;

/// How many edges are read at a time.
const BATCH: usize = 2_000;
/// How many are named of those that go, and of those that come.
const NAMED: usize = 20;

/// The references of one attribute of one object.
#[derive(Default)]
pub(super) struct Due {
    pub(super) counts: Counts,
    pub(super) go: Vec<String>,
    pub(super) come: Vec<String>,
}

/// What is due, by object and attribute.
pub(super) type References = BTreeMap<ObjectId, BTreeMap<String, Due>>;

/// What is due in one connector.
pub(super) fn due(draft: &Draft<'_>, connector: &str) -> Result<References, RunError> {
    let mut references = References::new();
    let mut elsewhere = BTreeSet::new();
    let mut after = None;
    loop {
        let keys = draft.edge_exports(after.as_ref(), BATCH)?;
        for (from, attribute, to) in &keys {
            let Some(change) = draft.edge(*from, attribute, *to)?.pending else { continue };
            if elsewhere.contains(from) {
                continue;
            }
            if !references.contains_key(from) && draft.object(*from)?.is_none_or(|object| object.connector != connector)
            {
                elsewhere.insert(*from);
                continue;
            }
            let due = references.entry(*from).or_default().entry(attribute.to_string()).or_default();
            let (count, named) = match change {
                EdgeChange::Add => (&mut due.counts.come, &mut due.come),
                EdgeChange::Remove => (&mut due.counts.go, &mut due.go),
            };
            *count += 1;
            if named.len() < NAMED {
                named.push(draft.object(*to)?.map_or_else(|| to.to_string(), |object| object.title()));
            }
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => break,
        }
    }
    for due in references.values_mut().flat_map(BTreeMap::values_mut) {
        due.go.sort();
        due.come.sort();
    }
    Ok(references)
}

/// References that are there, that no rule wants, and that stay: only what is ours is taken out of what is not.
pub(super) fn staying(draft: &Draft<'_>, object: &ConnectorObject) -> Result<Vec<DifferentValue>, RunError> {
    let mut found = Vec::new();
    for (attribute, source) in object.outbound.references.iter().filter(|(_, source)| source.members == Members::Own) {
        let (mut count, mut named) = (0, Vec::new());
        for (to, edge) in draft.edges(object.id, attribute)? {
            if !edge.seen || edge.pending.is_some() || wanted(draft, source.object, &source.attribute, to)? {
                continue;
            }
            count += 1;
            if named.len() < NAMED {
                named.push(draft.object(to)?.map_or_else(|| to.to_string(), |object| object.title()));
            }
        }
        if count > 0 {
            named.sort();
            found.push(DifferentValue {
                attribute: attribute.to_string(),
                rule: source.rule.clone(),
                there: named.into(),
                references: Some(Counts { go: count, come: 0 }),
                held: "no rule wants them, and nobody adopted what they are in".to_owned(),
                ..DifferentValue::default()
            });
        }
    }
    Ok(found)
}
