//! Two rule sets on one object: what differs, and nothing else.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    AttributeTrace, ChangeTrace, Fate, ObjectTrace, Preview, ReferenceTrace, RuleTrace, ScopeTrace, TargetTrace, Tried,
};

/// One thing as each of two rule sets has it; nothing where one does not have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair<T> {
    /// With the rules in use.
    pub here: Option<T>,
    /// With the others.
    pub there: Option<T>,
}

/// What differs between two rule sets for one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The fingerprints.
    pub rules: Pair<String>,
    /// The object.
    pub subject: Option<ObjectTrace>,
    /// What was tried on it.
    pub tried: Vec<Tried>,
    /// What becomes of the metaverse object, where that differs; nothing where there is none.
    pub person: Pair<Fate>,
    /// Rules that answer otherwise in scope or joins, or that only one set has.
    pub scopes: Vec<Pair<RuleTrace>>,
    /// Metaverse attributes with other values, or from other rules.
    pub attributes: Vec<Pair<AttributeTrace>>,
    /// Target objects that would be written otherwise.
    pub targets: Vec<TargetDifference>,
    /// Errors that only one of them has.
    pub errors: Pair<Vec<String>>,
}

/// How one target object would be written otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetDifference {
    /// The object.
    pub object: ObjectTrace,
    /// What is done with it: `create`, `update`, `delete`.
    pub operation: Pair<String>,
    /// Attributes.
    pub changes: Vec<Pair<ChangeTrace>>,
    /// References that only one of them adds or removes.
    pub references: Pair<Vec<ReferenceTrace>>,
    /// What is sent, as lines `PATCH /users/… {…}`.
    pub requests: Pair<Vec<String>>,
}

impl Comparison {
    /// Whether both sets do the same.
    pub fn is_empty(&self) -> bool {
        self.person.here == self.person.there
            && self.scopes.is_empty()
            && self.attributes.is_empty()
            && self.targets.is_empty()
            && no_lists(&self.errors)
    }
}

/// Compares two previews of one object.
pub fn compare(here: &Preview, there: &Preview) -> Comparison {
    Comparison {
        rules: Pair { here: Some(here.rules.clone()), there: Some(there.rules.clone()) },
        subject: here.subject.clone(),
        tried: here.tried.clone(),
        person: person(here, there),
        scopes: scopes(here, there),
        attributes: attributes(here, there),
        targets: targets(here, there),
        errors: only_in_one(&here.errors, &there.errors),
    }
}

/// Everything that has one key on both sides and differs, in the order of the keys.
fn pairs<'a, T: Clone + 'a, K: Ord>(
    here: impl Iterator<Item = &'a T>,
    there: impl Iterator<Item = &'a T>,
    key: impl Fn(&T) -> K,
    same: impl Fn(&T, &T) -> bool,
) -> Vec<Pair<T>> {
    let mut found: BTreeMap<K, Pair<T>> = BTreeMap::new();
    for item in here {
        found.insert(key(item), Pair { here: Some(item.clone()), there: None });
    }
    for item in there {
        found.entry(key(item)).or_insert(Pair { here: None, there: None }).there = Some(item.clone());
    }
    let differs = |pair: &Pair<T>| match (&pair.here, &pair.there) {
        (Some(here), Some(there)) => !same(here, there),
        (Some(_), None) | (None, Some(_)) => true,
        (None, None) => false,
    };
    found.into_values().filter(differs).collect()
}

fn person(here: &Preview, there: &Preview) -> Pair<Fate> {
    let fate = |preview: &Preview| preview.person.as_ref().map(|person| person.fate);
    let (here, there) = (fate(here), fate(there));
    if here == there { Pair { here: None, there: None } } else { Pair { here, there } }
}

fn scopes(here: &Preview, there: &Preview) -> Vec<Pair<RuleTrace>> {
    // Without a metaverse object no outbound rule is asked.
    let lives = |preview: &Preview| preview.person.as_ref().is_some_and(|person| person.fate != Fate::Ends);
    let both = lives(here) && lives(there);
    let rules = |preview: &'_ Preview| -> Vec<RuleTrace> {
        let outbound = preview.outbound.iter().filter(|_| both);
        preview.sources.iter().flat_map(|source| &source.rules).chain(outbound).cloned().collect()
    };
    // The line of a clause is no difference of its own.
    let same_scope = |here: &ScopeTrace, there: &ScopeTrace| match (here, there) {
        (ScopeTrace::Out { text: one, reads: first, .. }, ScopeTrace::Out { text: other, reads: second, .. }) => {
            one == other && first == second
        }
        (here, there) => here == there,
    };
    let same = |here: &RuleTrace, there: &RuleTrace| {
        same_scope(&here.scope, &there.scope)
            && (&here.joins, here.precedence, &here.to, &here.link)
                == (&there.joins, there.precedence, &there.to, &there.link)
    };
    pairs(rules(here).iter(), rules(there).iter(), |trace| trace.rule.clone(), same)
}

fn attributes(here: &Preview, there: &Preview) -> Vec<Pair<AttributeTrace>> {
    fn of(preview: &Preview) -> impl Iterator<Item = &AttributeTrace> {
        let person = preview.person.iter().flat_map(|person| &person.attributes);
        person.filter(|trace| !trace.after.is_empty() || !trace.from.is_empty())
    }
    let winners = |trace: &AttributeTrace| trace.from.iter().map(|from| from.rule.clone()).collect::<Vec<_>>();
    let same =
        |here: &AttributeTrace, there: &AttributeTrace| here.after == there.after && winners(here) == winners(there);
    pairs(of(here), of(there), |trace| trace.attribute.to_lowercase(), same)
}

fn targets(here: &Preview, there: &Preview) -> Vec<TargetDifference> {
    let key = |target: &TargetTrace| target.object.id.clone();
    let same = |_: &TargetTrace, _: &TargetTrace| false;
    let all = pairs(here.targets.iter(), there.targets.iter(), key, same);
    all.into_iter().filter_map(target).collect()
}

fn target(pair: Pair<TargetTrace>) -> Option<TargetDifference> {
    let object = pair.here.as_ref().or(pair.there.as_ref())?.object.clone();
    let changes = |side: &Option<TargetTrace>| side.as_ref().map(|side| side.changes.clone()).unwrap_or_default();
    let references = |side: &Option<TargetTrace>| side.as_ref().map(|side| side.references.clone()).unwrap_or_default();
    let operation = |side: &Option<TargetTrace>| side.as_ref().and_then(|side| side.operation.clone());
    let (here, there) = (requests(&pair.here), requests(&pair.there));
    let same = |here: &ChangeTrace, there: &ChangeTrace| here.after == there.after && here.rule == there.rule;
    let changes =
        pairs(changes(&pair.here).iter(), changes(&pair.there).iter(), |change| change.attribute.to_lowercase(), same);
    let requests = Pair { here: (here != there).then(|| here.clone()), there: (here != there).then_some(there) };
    let references = only_in_one(&references(&pair.here), &references(&pair.there));
    let operation = Pair { here: operation(&pair.here), there: operation(&pair.there) };
    let nothing =
        changes.is_empty() && no_lists(&references) && requests.here.is_none() && operation.here == operation.there;
    (!nothing).then_some(TargetDifference { object, operation, changes, references, requests })
}

fn requests(side: &Option<TargetTrace>) -> Vec<String> {
    let requests = side.iter().flat_map(|side| &side.requests);
    requests.map(super::request_line).collect()
}

fn only_in_one<T: Clone + PartialEq>(here: &[T], there: &[T]) -> Pair<Vec<T>> {
    let missing = |of: &[T], from: &[T]| -> Vec<T> { of.iter().filter(|item| !from.contains(item)).cloned().collect() };
    Pair { here: Some(missing(here, there)), there: Some(missing(there, here)) }
}

fn no_lists<T>(pair: &Pair<Vec<T>>) -> bool {
    [&pair.here, &pair.there].into_iter().flatten().all(Vec::is_empty)
}
