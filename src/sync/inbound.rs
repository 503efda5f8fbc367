//! From a connector object into the metaverse: scope, join, project, flow.
//!
//! [`evaluate`] asks the rules and touches nothing, so it runs in parallel; [`integrate`] acts on the answers, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ledger::{Ledger, LedgerError};
use super::{deprovision, precedence, references};
use crate::change::Change;
use crate::connector_space::{ConnectorObject, Link, LinkKind, ObjectError, ObjectId};
use crate::metaverse::{Contribution, FlowValue, MetaverseId, MetaverseObject};
use crate::rules::{Direction, Flow, Host, Input, JoinGroup, LinkType, Rule, RuleError, RuleSet};
use crate::value::{AttributeName, Value};

/// Why an object was left as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// A rule failed.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// Several rules with join criteria are in scope.
    #[error("`{0}` and `{1}` both join this object; only one rule with join criteria may be in scope")]
    TwoJoinRules(String, String),
    /// No join group was unique, and at least one was ambiguous.
    #[error("`{rule}` finds {hits} or more objects for it and cannot choose")]
    Ambiguous {
        /// The rule.
        rule: String,
        /// How many.
        hits: usize,
    },
    /// The only match already belongs to another object of the same connector.
    #[error("`{rule}` finds {metaverse}, which `{other}` of the same connector is linked to already")]
    Taken {
        /// The rule.
        rule: String,
        /// What was found.
        metaverse: MetaverseId,
        /// Who has it.
        other: String,
    },
    /// An object of the target looks like this one, does not carry its anchor, and soft matching is off.
    #[error("`{rule}` finds `{name}` by {by}, which is no anchor; see `soft_match`, or `syncline join`")]
    SoftMatch {
        /// The rule.
        rule: String,
        /// What was found.
        name: String,
        /// The attributes that agree.
        by: String,
    },
    /// What matches is an object of another type.
    #[error("`{rule}` finds the {other} `{name}` where it wants a {wanted}")]
    OtherType {
        /// The rule.
        rule: String,
        /// What was found.
        name: String,
        /// Its type.
        other: String,
        /// The type that the rule writes.
        wanted: String,
    },
    /// What matches holds power over the target.
    #[error("`{rule}` finds `{name}`, which has a role in the directory; see `allow_privileged`")]
    Privileged {
        /// The rule.
        rule: String,
        /// What was found.
        name: String,
    },
    /// Every name that a rule proposes belongs to somebody else.
    #[error("attribute `{attribute}` ({rule}.rhai): somebody else has each of {names}")]
    NoFreeName {
        /// The attribute.
        attribute: AttributeName,
        /// The rule.
        rule: String,
        /// The names, or the first of them.
        names: String,
    },
    /// Merges and plain values meet.
    #[error("attribute `{0}`: {1}")]
    Mixed(AttributeName, precedence::MixedMerge),
    /// An outbound value does not fit the target.
    #[error("attribute `{attribute}` ({rule}.rhai:{line}): {problem}")]
    Misfit {
        /// The attribute of the target.
        attribute: AttributeName,
        /// The rule.
        rule: String,
        /// Its line.
        line: u32,
        /// What does not fit.
        problem: String,
    },
    /// The store.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl SyncError {
    /// A word that never changes its meaning, for those who count errors or wait for one.
    pub fn code(&self) -> &'static str {
        match self {
            SyncError::Rule(_) => "rule-failed",
            SyncError::TwoJoinRules(..) => "two-join-rules",
            SyncError::Ambiguous { .. } => "ambiguous-join",
            SyncError::Taken { .. } => "joined-already",
            SyncError::SoftMatch { .. } => "soft-match",
            SyncError::OtherType { .. } => "type-mismatch",
            SyncError::Privileged { .. } => "privileged",
            SyncError::NoFreeName { .. } => "no-free-name",
            SyncError::Mixed(..) => "mixed-merge",
            SyncError::Misfit { .. } => "value-misfit",
            SyncError::Ledger(_) => "store",
        }
    }

    /// As it is kept with the object.
    pub fn kept(&self) -> ObjectError {
        ObjectError { code: self.code().to_owned(), message: self.to_string() }
    }
}

/// What the rules say about one object.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Rules in scope (by name) with what they flow.
    pub flows: Vec<(String, Vec<Flow>)>,
    /// Rules that are not in scope.
    pub out_of_scope: Vec<String>,
    /// The rule in scope that links, if there is one.
    pub link: Option<LinkRule>,
}

/// The linking rule and its join groups.
#[derive(Clone, Debug)]
pub struct LinkRule {
    /// The rule.
    pub rule: String,
    /// What it does when there is nothing to join.
    pub link: LinkType,
    /// Whether it has join criteria at all.
    pub joins: bool,
    /// The groups in which every key has a value.
    pub groups: Vec<JoinGroup>,
}

/// Asks every rule about an object.
///
/// # Errors
/// The first rule that fails, or two rules that join.
pub fn evaluate<'r>(
    host: &Host,
    rules: impl Iterator<Item = &'r Rule>,
    input: &Arc<Input>,
) -> Result<Evaluation, SyncError> {
    let mut evaluation = Evaluation::default();
    let mut linking: Option<&Rule> = None;
    for rule in rules {
        if !host.scope(rule, input)? {
            evaluation.out_of_scope.push(rule.name.clone());
            continue;
        }
        evaluation.flows.push((rule.name.clone(), host.flow(rule, input)?));
        if rule.header.link == LinkType::None {
            continue;
        }
        match linking {
            Some(first) if first.joins() && rule.joins() => {
                return Err(SyncError::TwoJoinRules(first.name.clone(), rule.name.clone()));
            }
            Some(first) if !rule.joins() && (first.joins() || first.header.precedence <= rule.header.precedence) => {}
            Some(_) | None => linking = Some(rule),
        }
    }
    if let Some(rule) = linking {
        let groups = host.join(rule, input)?;
        let (joins, link) = (rule.joins(), rule.header.link);
        evaluation.link = Some(LinkRule { rule: rule.name.clone(), link, joins, groups });
    }
    Ok(evaluation)
}

/// Acts on an evaluation: links or unlinks the object, replaces its contributions, queues what follows.
///
/// # Errors
/// Nothing was written for the object when this fails, save where the ledger itself fails.
pub fn integrate(
    ledger: &mut dyn Ledger,
    rules: &RuleSet,
    orders: &BTreeMap<String, u16>,
    mut object: ConnectorObject,
    evaluation: &Evaluation,
) -> Result<(), SyncError> {
    let id = object.id;
    let mut stored = object.link.clone();
    if object.link.as_ref().is_some_and(|link| !link.kind.is_outbound())
        && !still_linked(&mut object, rules, evaluation)
    {
        deprovision::disconnect(ledger, &mut object, "no rule that links it is in scope any more")?;
        stored = None;
    }
    if object.link.is_none() && object.is_joined_by_hand() {
        // Whom it was joined to is no more.
        object.pin = None;
        ledger.put_object(&object)?;
    }
    if object.link.is_none()
        && !object.is_kept_apart()
        && let Some(rule) = &evaluation.link
    {
        link(ledger, rules, &mut object, rule)?;
        stored.clone_from(&object.link);
    }
    seek(ledger, &mut object, evaluation)?;
    if let Some(link) = object.link.clone() {
        contribute(ledger, rules, orders, &object, &link, evaluation)?;
    }
    if object.error.take().is_some() || object.link != stored {
        ledger.put_object(&object)?;
    }
    if let Some(link) = object.link.as_ref().filter(|link| link.kind.is_outbound()) {
        // What the target shows has changed: the wish is compared with it again.
        ledger.mark_metaverse(link.metaverse)?;
    }
    Ok(ledger.unmark_object(id)?)
}

/// An object that found nobody is remembered by what it looked for: somebody may come.
fn seek(ledger: &mut dyn Ledger, object: &mut ConnectorObject, evaluation: &Evaluation) -> Result<(), LedgerError> {
    let searches = object.link.is_none() && !object.is_kept_apart();
    let groups = evaluation.link.iter().filter(|_| searches).flat_map(|rule| &rule.groups);
    let seeks = groups.flatten().map(|key| (key.attribute.clone(), key.value.folded())).collect();
    if object.seeks != seeks {
        object.seeks = seeks;
        ledger.put_object(object)?;
    }
    Ok(())
}

/// Whether some rule in scope still carries the link; the link then names that rule.
fn still_linked(object: &mut ConnectorObject, rules: &RuleSet, evaluation: &Evaluation) -> bool {
    let by_hand = object.is_joined_by_hand();
    let Some(link) = &mut object.link else { return false };
    let in_scope = |name: &str| evaluation.flows.iter().any(|(rule, _)| rule == name);
    if in_scope(&link.rule) {
        return true;
    }
    let Some(successor) = &evaluation.link else { return by_hand };
    let same_type = |name: &str| rules.rule(name).map(|rule| rule.header.direction.clone());
    let compatible = match (same_type(&link.rule), same_type(&successor.rule)) {
        (Some(Direction::Inbound { to: old, .. }), Some(Direction::Inbound { to: new, .. })) => old == new,
        _ => true,
    };
    if compatible {
        link.rule.clone_from(&successor.rule);
        link.kind = kind_of(successor.link, link.kind == LinkKind::Projected);
    }
    compatible || by_hand
}

fn kind_of(link: LinkType, projected: bool) -> LinkKind {
    match link {
        LinkType::Project if projected => LinkKind::Projected,
        // A projecting rule that joins keeps the object alive all the same.
        LinkType::Project | LinkType::Sticky => LinkKind::Sticky,
        LinkType::Join | LinkType::None | LinkType::Provision => LinkKind::Joined,
    }
}

fn link(
    ledger: &mut dyn Ledger,
    rules: &RuleSet,
    object: &mut ConnectorObject,
    rule: &LinkRule,
) -> Result<(), SyncError> {
    let wanted_type = rules.rule(&rule.rule).and_then(|rule| match &rule.header.direction {
        Direction::Inbound { to, .. } => to.clone(),
        Direction::Outbound { .. } => None,
    });
    let found = search(ledger, object, rule, wanted_type.as_deref())?;
    let (metaverse, kind) = match (found, wanted_type) {
        (Some(found), _) => (found, kind_of(rule.link, false)),
        (None, Some(wanted)) if rule.link == LinkType::Project && (!rule.joins || !rule.groups.is_empty()) => {
            (project(ledger, object, &wanted)?, LinkKind::Projected)
        }
        (None, _) => return Ok(()),
    };
    Ok(bind(ledger, object, Link { metaverse, kind, rule: rule.rule.clone() })?)
}

/// Links an object of a source to a metaverse object, if that is there.
pub(super) fn bind(ledger: &mut dyn Ledger, object: &mut ConnectorObject, link: Link) -> Result<(), LedgerError> {
    let Some(mut person) = ledger.metaverse(link.metaverse)? else { return Ok(()) };
    person.links.push((object.id, object.connector.clone()));
    ledger.put_metaverse(&person)?;
    ledger.note(Change::Linked(object.id, link.metaverse, link.kind));
    object.link = Some(link);
    ledger.put_object(object)?;
    ledger.mark_metaverse(person.id)?;
    references::mark_referrers_of(ledger, object.id)
}

/// Creates the metaverse object of a connector object. The first free generation, so that a preview and a run agree.
fn project(ledger: &mut dyn Ledger, object: &ConnectorObject, wanted: &str) -> Result<MetaverseId, LedgerError> {
    let mut generation = 0;
    let mut id = MetaverseId::projected(object.id, generation);
    while ledger.metaverse(id)?.is_some() {
        generation += 1;
        id = MetaverseId::projected(object.id, generation);
    }
    ledger.put_metaverse(&MetaverseObject::new(id, wanted))?;
    ledger.note(Change::Created(id));
    Ok(id)
}

/// The first group that finds exactly one object wins.
fn search(
    view: &dyn Ledger,
    object: &ConnectorObject,
    rule: &LinkRule,
    wanted: Option<&str>,
) -> Result<Option<MetaverseId>, SyncError> {
    let mut ambiguous = 0;
    for group in &rule.groups {
        let hits = matches(view, group, wanted)?;
        match hits.as_slice() {
            [] => {}
            [hit] => match rival(view, hit, object)? {
                None => return Ok(Some(hit.id)),
                Some(other) => {
                    return Err(SyncError::Taken { rule: rule.rule.clone(), metaverse: hit.id, other });
                }
            },
            several => ambiguous = several.len(),
        }
    }
    match ambiguous {
        0 => Ok(None),
        hits => Err(SyncError::Ambiguous { rule: rule.rule.clone(), hits }),
    }
}

/// Objects that match every key of a group; two are enough to know that there are several.
///
/// # Errors
/// When the ledger fails.
pub(crate) fn matches(
    view: &dyn Ledger,
    group: &JoinGroup,
    wanted: Option<&str>,
) -> Result<Vec<MetaverseObject>, LedgerError> {
    let Some(first) = group.first() else { return Ok(Vec::new()) };
    let mut hits = Vec::new();
    for id in view.find_metaverse(&first.attribute, &first.value.folded(), 64)? {
        let Some(candidate) = view.metaverse(id)? else { continue };
        if wanted.is_some_and(|wanted| wanted != candidate.object_type) {
            continue;
        }
        let holds = group.iter().all(|key| {
            let values = candidate.contributions.get(&key.attribute).map(|list| precedence::values(list));
            let same = |value: &crate::value::Value| {
                if key.exact { *value == key.value } else { value.folded() == key.value.folded() }
            };
            values.unwrap_or_default().iter().any(same)
        });
        if holds {
            hits.push(candidate);
        }
        if hits.len() == 2 {
            break;
        }
    }
    Ok(hits)
}

/// Another object of the same connector that has the match already.
pub(super) fn rival(
    view: &dyn Ledger,
    hit: &MetaverseObject,
    object: &ConnectorObject,
) -> Result<Option<String>, LedgerError> {
    let Some(other) = hit.linked(&object.connector).find(|other| *other != object.id) else { return Ok(None) };
    Ok(Some(view.object(other)?.map_or_else(|| other.to_string(), |other| other.title())))
}

/// What was decided before stays. Else the name that the person has, if it is among the candidates; else the first one
/// that nobody has.
fn unique_name(
    ledger: &dyn Ledger,
    person: MetaverseId,
    before: &[Contribution],
    object: ObjectId,
    (rule, attribute): (&str, &AttributeName),
    candidates: &[Value],
) -> Result<Value, SyncError> {
    let decided = before.iter().find(|contribution| contribution.object == object && *contribution.rule == *rule);
    if let Some(FlowValue::One(name)) = decided.map(|contribution| &contribution.value) {
        return Ok(name.clone());
    }
    let present = precedence::values(before);
    let is_present = |name: &&Value| present.iter().any(|value| value.folded() == name.folded());
    if let Some(name) = candidates.iter().find(is_present) {
        return Ok(name.clone());
    }
    for name in candidates {
        let holders = ledger.find_metaverse(attribute, &name.folded(), 2)?;
        if holders.iter().all(|holder| *holder == person) {
            return Ok(name.clone());
        }
    }
    let names: Vec<String> = candidates.iter().take(5).map(ToString::to_string).collect();
    let more = if candidates.len() > names.len() { ", …" } else { "" };
    Err(SyncError::NoFreeName { attribute: attribute.clone(), rule: rule.to_owned(), names: names.join(", ") + more })
}

/// Replaces what an object contributes.
fn contribute(
    ledger: &mut dyn Ledger,
    rules: &RuleSet,
    orders: &BTreeMap<String, u16>,
    object: &ConnectorObject,
    link: &Link,
    evaluation: &Evaluation,
) -> Result<(), SyncError> {
    let Some(mut person) = ledger.metaverse(link.metaverse)? else { return Ok(()) };
    let before = std::mem::take(&mut person.contributions);
    for (attribute, list) in &before {
        let others: Vec<_> = list.iter().filter(|contribution| contribution.object != object.id).cloned().collect();
        if !others.is_empty() {
            person.contributions.insert(attribute.clone(), others);
        }
    }
    let order = orders.get(&object.connector).copied().unwrap_or(u16::MAX);
    for (name, flows) in &evaluation.flows {
        let rule: Arc<str> = name.as_str().into();
        let precedence = rules.rule(name).map_or(i64::MAX, |rule| rule.header.precedence);
        for flow in flows.iter().filter(|flow| !matches!(flow.value, FlowValue::Nothing | FlowValue::Keep)) {
            let value = match &flow.value {
                FlowValue::Unique(candidates) => {
                    let known = before.get(&flow.attribute).map_or(&[][..], Vec::as_slice);
                    let asks = (name.as_str(), &flow.attribute);
                    FlowValue::One(unique_name(ledger, person.id, known, object.id, asks, candidates)?)
                }
                other => other.clone(),
            };
            person.contributions.entry(flow.attribute.clone()).or_default().push(Contribution {
                object: object.id,
                rule: Arc::clone(&rule),
                line: flow.line,
                precedence,
                order,
                value,
            });
        }
    }
    for (attribute, list) in &mut person.contributions {
        precedence::sort(list);
        precedence::decide(list).map_err(|mixed| SyncError::Mixed(attribute.clone(), mixed))?;
    }
    if person.contributions != before {
        note_flows(ledger, &before, &person)?;
        ledger.put_metaverse(&person)?;
    }
    Ok(())
}

/// Takes an object's contributions out of a metaverse object.
pub(super) fn drop_contributions(person: &mut MetaverseObject, object: ObjectId) {
    person.contributions.retain(|_, list| {
        list.retain(|contribution| contribution.object != object);
        !list.is_empty()
    });
}

/// Notes the attributes whose outcome changed, and queues the object if there are any.
pub(super) fn note_flows<'a>(
    ledger: &mut dyn Ledger,
    before: &'a BTreeMap<AttributeName, Vec<Contribution>>,
    person: &'a MetaverseObject,
) -> Result<(), LedgerError> {
    let names: std::collections::BTreeSet<&AttributeName> = before.keys().chain(person.contributions.keys()).collect();
    for name in names {
        let list = |of: &'a BTreeMap<AttributeName, Vec<Contribution>>| of.get(name).map_or(&[][..], Vec::as_slice);
        let (old, new) = (list(before), list(&person.contributions));
        if old != new && !precedence::same_outcome(old, new) {
            ledger.note(Change::Flowed(person.id, name.clone(), precedence::values(old)));
            ledger.mark_metaverse(person.id)?;
            for value in precedence::values(new) {
                for seeker in ledger.seekers(name, &value.folded())? {
                    ledger.mark_object(seeker)?;
                }
            }
        }
    }
    Ok(())
}
