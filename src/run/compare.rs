//! What a target holds against what the rules would make of the sources: everything on a draft, nothing written. Objects
//! that must not be written, such as those of Microsoft's client, are compared like all others.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::session::Session;
use super::{Progress, RunError, import, synchronise};
use crate::connector_space::{ConnectorObject, ObjectId, Operation};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::value::Values;

/// How many people are made due at a time.
const BATCH: usize = 2_000;

/// A whole comparison.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// The target.
    pub connector: String,
    /// The rules.
    pub rules: String,
    /// Objects that are as the rules make them.
    pub same: usize,
    /// Objects that the rules would make otherwise.
    pub different: Vec<Different>,
    /// What the rules would make and is not there.
    pub missing: Vec<String>,
    /// What is there because of a rule that does not hold any more, and why.
    pub leaving: Vec<(String, String)>,
    /// What is there, and no rule has to do with.
    pub unknown: Vec<String>,
    /// How often each attribute differs, most often first.
    pub by_attribute: Vec<ByAttribute>,
    /// Objects that could not be evaluated, and why.
    pub errors: Vec<(String, String)>,
}

/// One object that the rules would make otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Different {
    /// What people call it.
    pub name: String,
    /// `user`, `group`.
    pub object_type: String,
    /// Attribute by attribute.
    pub values: Vec<DifferentValue>,
}

/// One attribute that the rules would make otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct DifferentValue {
    /// Which.
    pub attribute: String,
    /// The rule, and its line: `out-to-entra-user:33`. Of references, the rule.
    pub rule: String,
    /// What is there; of references, what would go.
    pub there: Vec<String>,
    /// What the rules make; of references, what would come.
    pub ours: Vec<String>,
}

/// One attribute that differs for many.
#[derive(Clone, Debug, Serialize)]
pub struct ByAttribute {
    /// Which.
    pub attribute: String,
    /// The rule, and its line.
    pub rule: String,
    /// For how many objects.
    pub count: usize,
    /// One of them.
    pub example: String,
    /// What it has.
    pub there: Vec<String>,
    /// What it would have.
    pub ours: Vec<String>,
}

/// Reads all directories, if `read`, and compares one of them.
///
/// # Errors
/// When a directory could not be used, the store fails, or somebody pressed Ctrl-C.
pub fn make(
    session: &mut Session,
    connector: &str,
    read: bool,
    progress: &dyn Progress,
) -> Result<Comparison, RunError> {
    session.target_kind(connector)?;
    if read {
        let names: Vec<String> = session.config.connectors.iter().map(|(name, _)| name.clone()).collect();
        for name in &names {
            import::learn(session, name)?;
        }
        session.fit_rules(Vec::new())?;
        for name in &names {
            let report = import::run(session, name, progress)?;
            if !report.incomplete.is_empty() {
                let why = report.incomplete.join("; ");
                return Err(RunError::Unknown(format!("the import of `{name}` is not complete: {why}")));
            }
        }
    }
    let (sources, mut targets) = (session.sources()?, session.targets()?);
    if let Some(target) = targets.get_mut(connector) {
        target.protected = |_, _| None;
    }
    let mut draft = session.store.draft();
    mark_everybody(&mut draft)?;
    let report = synchronise::on_draft(session, &mut draft, (&sources, &targets), progress)?;
    let mut comparison = Comparison {
        connector: connector.to_owned(),
        rules: session.rules.fingerprint().to_owned(),
        errors: report.errors,
        ..Comparison::default()
    };
    let references = due_references(&draft, connector)?;
    for object_type in session.directory(connector)?.object_types() {
        draft.each_object(connector, &object_type, |object| comparison.add(&object, &references))?;
    }
    comparison.sum_up();
    Ok(comparison)
}

/// Everybody is evaluated: what was decided while an object was protected says nothing.
fn mark_everybody(draft: &mut Draft<'_>) -> Result<(), RunError> {
    let mut after = None;
    loop {
        let ids = draft.all_metaverse(after, BATCH)?;
        for id in &ids {
            draft.mark_metaverse(*id)?;
        }
        match ids.last() {
            Some(last) => after = Some(*last),
            None => return Ok(()),
        }
    }
}

/// References of one object that would go, and that would come, by attribute.
type OfObject = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

type References = BTreeMap<ObjectId, OfObject>;

fn due_references(draft: &Draft<'_>, connector: &str) -> Result<References, RunError> {
    let mut references = References::new();
    let mut after = None;
    loop {
        let keys = draft.edge_exports(after.as_ref(), BATCH)?;
        for (from, attribute, to) in &keys {
            let edge = draft.edge(*from, attribute, *to)?;
            let Some(change) = edge.pending else { continue };
            let Some(object) = draft.object(*from)?.filter(|object| object.connector == connector) else { continue };
            let name = draft.object(*to)?.map_or_else(|| to.to_string(), |object| object.title());
            let (gone, come) = references.entry(object.id).or_default().entry(attribute.to_string()).or_default();
            match change {
                crate::connector_space::EdgeChange::Add => come.insert(name),
                crate::connector_space::EdgeChange::Remove => gone.insert(name),
            };
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(references),
        }
    }
}

impl Comparison {
    fn add(&mut self, object: &ConnectorObject, references: &References) {
        let linked = object.link.as_ref().is_some_and(|link| link.kind.is_outbound());
        let operation = object.export.as_ref().map(|export| export.operation);
        match (linked, operation) {
            (_, Some(Operation::Create)) if object.anchor.is_none() => self.missing.push(object.title()),
            (_, Some(Operation::Delete)) => self.leaving.push((object.title(), reason(object))),
            (false, Some(Operation::Update | Operation::Create)) => self.leaving.push((object.title(), reason(object))),
            (false, None) => self.unknown.push(object.title()),
            (true, _) => {
                let values = differences(object, references.get(&object.id));
                if values.is_empty() {
                    self.same += 1;
                } else {
                    let (name, object_type) = (object.title(), object.object_type.clone());
                    self.different.push(Different { name, object_type, values });
                }
            }
        }
    }

    fn sum_up(&mut self) {
        let mut sums: BTreeMap<(String, String), ByAttribute> = BTreeMap::new();
        for object in &self.different {
            for value in &object.values {
                let sum = sums.entry((value.attribute.clone(), value.rule.clone())).or_insert_with(|| ByAttribute {
                    attribute: value.attribute.clone(),
                    rule: value.rule.clone(),
                    count: 0,
                    example: object.name.clone(),
                    there: value.there.clone(),
                    ours: value.ours.clone(),
                });
                sum.count += 1;
            }
        }
        self.by_attribute = sums.into_values().collect();
        self.by_attribute.sort_by_key(|sum| std::cmp::Reverse(sum.count));
        self.different.sort_by(|left, right| left.name.cmp(&right.name));
        self.missing.sort();
        self.leaving.sort();
        self.unknown.sort();
    }
}

fn reason(object: &ConnectorObject) -> String {
    object.export.as_ref().map(|export| export.reason.clone()).unwrap_or_default()
}

fn differences(object: &ConnectorObject, references: Option<&OfObject>) -> Vec<DifferentValue> {
    let texts = |values: &Values| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let unsent = object.export.iter().flat_map(|export| &export.changes).filter(|(_, change)| !change.sent);
    let mut found: Vec<DifferentValue> = unsent
        .map(|(name, change)| DifferentValue {
            attribute: name.to_string(),
            rule: format!("{}:{}", change.rule, change.line),
            there: object.image.get(name).map(texts).unwrap_or_default(),
            ours: texts(&change.values),
        })
        .collect();
    let rule_of = |attribute: &str| {
        object.outbound.references.get(&attribute.into()).map(|source| source.rule.clone()).unwrap_or_default()
    };
    found.extend(references.into_iter().flatten().map(|(attribute, (gone, come))| DifferentValue {
        attribute: attribute.clone(),
        rule: rule_of(attribute),
        there: gone.iter().cloned().collect(),
        ours: come.iter().cloned().collect(),
    }));
    found
}
