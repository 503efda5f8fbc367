//! From a metaverse object to a target: scope, match, provision, flow, deprovision. What comes out is a difference
//! against the image of the target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::deprovision;
use super::inbound::SyncError;
use super::ledger::{Ledger, LedgerError};
use super::matching::{self, Found};
use super::precedence::{self, Winner};
use super::{Target, Targets, references};
use crate::change::Change;
use crate::connector_space::{
    ConnectorObject, Deprovision, Export, ExportState, Link, LinkKind, Members, ObjectId, Operation, Proposal,
    ReferenceSource, ValueChange, enables,
};
use crate::dn::agree;
use crate::metaverse::{Contribution, FlowValue, MetaverseId, MetaverseObject};
use crate::rules::{ConnectorType, Host, Input, JoinGroup, LinkType, Rule, RuleSet};
use crate::value::{AttributeName, Kind, Value, Values};

/// More corrections than this, and somebody else is writing too.
const ENOUGH_CORRECTIONS: u8 = 3;

/// What the rules to one type of a connector's objects say about a metaverse object.
#[derive(Clone, Debug)]
pub struct OutboundEvaluation {
    /// Where to.
    pub to: ConnectorType,
    /// Rules in scope with what they flow, as contributions by attribute, sorted.
    pub flows: BTreeMap<AttributeName, Vec<Contribution>>,
    /// Rules in scope.
    pub in_scope: Vec<String>,
    /// Rules out of scope.
    pub out_of_scope: Vec<String>,
    /// The linking rule with its match groups.
    pub link: Option<(String, LinkType, Vec<JoinGroup>)>,
}

/// Asks every outbound rule of the object's type.
///
/// # Errors
/// The first rule that fails.
pub fn evaluate(
    host: &Host,
    rules: &RuleSet,
    targets: &Targets,
    person: &MetaverseObject,
) -> Result<Vec<OutboundEvaluation>, SyncError> {
    let mut by_target: BTreeMap<&ConnectorType, Vec<&Rule>> = BTreeMap::new();
    for (rule, to) in rules.outbound(&person.object_type) {
        by_target.entry(to).or_default().push(rule);
    }
    let mut evaluations = Vec::with_capacity(by_target.len());
    let mut input = input_of(person);
    for (to, mut rules) in by_target {
        rules.sort_by_key(|rule| rule.header.precedence);
        if let Some(target) = targets.get(&to.connector) {
            input.context = Arc::clone(&target.context);
        }
        evaluations.push(evaluate_target(host, &rules, to, person, &Arc::new(input.clone()))?);
    }
    Ok(evaluations)
}

fn evaluate_target(
    host: &Host,
    rules: &[&Rule],
    to: &ConnectorType,
    person: &MetaverseObject,
    input: &Arc<Input>,
) -> Result<OutboundEvaluation, SyncError> {
    let mut evaluation = OutboundEvaluation {
        to: to.clone(),
        flows: BTreeMap::new(),
        in_scope: Vec::new(),
        out_of_scope: Vec::new(),
        link: None,
    };
    let nobody = ObjectId(person.id.0);
    for rule in rules {
        if !host.scope(rule, input)? {
            evaluation.out_of_scope.push(rule.name.clone());
            continue;
        }
        evaluation.in_scope.push(rule.name.clone());
        let name: Arc<str> = rule.name.as_str().into();
        for flow in host.flow(rule, input)? {
            evaluation.flows.entry(flow.attribute).or_default().push(Contribution {
                object: nobody,
                rule: Arc::clone(&name),
                line: flow.line,
                precedence: rule.header.precedence,
                order: 0,
                value: flow.value,
            });
        }
        if rule.header.link != LinkType::None && evaluation.link.is_none() {
            evaluation.link = Some((rule.name.clone(), rule.header.link, host.join(rule, input)?));
        }
    }
    Ok(evaluation)
}

/// A metaverse object as rules see it.
pub fn input_of(person: &MetaverseObject) -> Input {
    let mut input = Input { id: person.id.0, ..Input::default() };
    let mut lists = BTreeSet::new();
    for (name, contributions) in &person.contributions {
        if precedence::reference_source(contributions).is_some() {
            input.references.insert(name.clone(), 1);
            continue;
        }
        let is_list =
            |contribution: &Contribution| matches!(contribution.value, FlowValue::List(_) | FlowValue::Merge(_));
        if contributions.first().is_some_and(is_list) {
            lists.insert(name.clone());
        }
        let values = precedence::values(contributions);
        if !values.is_empty() {
            input.attributes.insert(name.clone(), values);
        }
    }
    input.lists = Arc::new(lists);
    input
}

/// Acts on the evaluations of a metaverse object.
///
/// # Errors
/// The object keeps its place in the queue when this fails.
pub fn integrate(
    ledger: &mut dyn Ledger,
    rules: &RuleSet,
    targets: &Targets,
    person: &MetaverseObject,
    evaluations: &[OutboundEvaluation],
) -> Result<(), SyncError> {
    for evaluation in evaluations {
        let Some(target) = targets.get(&evaluation.to.connector) else { continue };
        let existing = existing(ledger, person, &evaluation.to.connector, &evaluation.to.object_type)?;
        match (&evaluation.link, existing) {
            (Some((rule, link, groups)), existing) => {
                let object = match existing {
                    Some(object) => Some(object),
                    None => {
                        let found = attach(ledger, target, person, evaluation, (rule, *link, groups))?;
                        found.iter().try_for_each(|object| read_again(ledger, rules, object))?;
                        found
                    }
                };
                if let Some(object) = object {
                    flow(ledger, rules, target, person, object, evaluation)?;
                }
            }
            (None, Some(mut object)) if is_source(&object) => {
                // It came in from there: nothing is written to it any more, and it stays who it is.
                let old = object.clone();
                object.export = None;
                object.outbound.references.clear();
                if object != old {
                    ledger.put_object(&object)?;
                }
            }
            (None, Some(object)) => {
                let policy = object.outbound.deprovision.unwrap_or(Deprovision::Delete);
                let rules = evaluation.out_of_scope.join(", ");
                let_go(ledger, object, policy, &format!("out of the scope of {rules}"))?;
            }
            (None, None) => {}
        }
    }
    Ok(ledger.unmark_metaverse(person.id)?)
}

/// What an object of a target holds already comes in once it is somebody's.
fn read_again(ledger: &mut dyn Ledger, rules: &RuleSet, object: &ConnectorObject) -> Result<(), LedgerError> {
    let is_read = object.anchor.is_some() && rules.inbound(&object.connector, &object.object_type).next().is_some();
    if is_read { ledger.mark_object(object.id) } else { Ok(()) }
}

/// Whether an object is one that rules read, and other rules write back to.
fn is_source(object: &ConnectorObject) -> bool {
    object.link.as_ref().is_some_and(|link| !link.kind.is_outbound())
}

/// The object of the type that a metaverse object has in a target.
pub(super) fn existing(
    ledger: &dyn Ledger,
    person: &MetaverseObject,
    connector: &str,
    object_type: &str,
) -> Result<Option<ConnectorObject>, LedgerError> {
    for id in person.linked(connector) {
        let object = ledger.object(id)?;
        if let Some(object) = object.filter(|object| object.object_type.eq_ignore_ascii_case(object_type)) {
            return Ok(Some(object));
        }
    }
    Ok(None)
}

/// Takes an object of a target from its metaverse object.
pub(super) fn let_go(
    ledger: &mut dyn Ledger,
    mut object: ConnectorObject,
    policy: Deprovision,
    reason: &str,
) -> Result<(), LedgerError> {
    references::mark_incoming(ledger, object.id)?;
    if let Some(link) = object.link.take() {
        ledger.note(Change::Unlinked(object.id, link.metaverse));
        if let Some(mut person) = ledger.metaverse(link.metaverse)? {
            person.links.retain(|(id, _)| *id != object.id);
            ledger.put_metaverse(&person)?;
        }
    }
    deprovision::release(ledger, object, policy, reason)
}

/// Finds the target object, or makes it.
fn attach(
    ledger: &mut dyn Ledger,
    target: &Target,
    person: &MetaverseObject,
    evaluation: &OutboundEvaluation,
    (rule, link, groups): (&str, LinkType, &[JoinGroup]),
) -> Result<Option<ConnectorObject>, SyncError> {
    let to = &evaluation.to;
    let found = match matching::find(ledger, target, to, rule, groups)? {
        Found::Surely(found) => Some(*found),
        Found::Perhaps(found, by) => {
            propose(ledger, person, *found, rule, by)?;
            return Ok(None);
        }
        Found::Nobody => matching::called(ledger, evaluation)?,
    };
    let (object, kind) = match found {
        Some(found) => {
            let kind = if found.outbound.owned { LinkKind::Provisioned } else { LinkKind::Matched };
            (found, kind)
        }
        None if link == LinkType::Provision && target.may_provision(&to.object_type) => {
            (matching::provision(ledger, person, to, rule)?, LinkKind::Provisioned)
        }
        None => return Ok(None),
    };
    Ok(Some(bind(ledger, object, person.id, kind, rule)?))
}

/// Says that an object may be somebody's; a person decides.
fn propose(
    ledger: &mut dyn Ledger,
    person: &MetaverseObject,
    mut object: ConnectorObject,
    rule: &str,
    by: Vec<AttributeName>,
) -> Result<(), LedgerError> {
    let proposal = Some(Proposal { metaverse: person.id, rule: rule.to_owned(), by });
    if object.outbound.proposed != proposal {
        object.outbound.proposed = proposal;
        ledger.put_object(&object)?;
    }
    Ok(())
}

/// Links an object of a target to a metaverse object.
pub(super) fn bind(
    ledger: &mut dyn Ledger,
    mut object: ConnectorObject,
    person: MetaverseId,
    kind: LinkKind,
    rule: &str,
) -> Result<ConnectorObject, LedgerError> {
    let stays = object.export.as_ref().is_some_and(|export| export.operation == Operation::Delete);
    if stays {
        object.export = None;
    }
    object.outbound.grace = None;
    object.outbound.proposed = None;
    object.link = Some(Link { metaverse: person, kind, rule: rule.to_owned() });
    ledger.put_object(&object)?;
    if let Some(mut person) = ledger.metaverse(person)? {
        person.links.push((object.id, object.connector.clone()));
        ledger.put_metaverse(&person)?;
    }
    ledger.note(Change::Linked(object.id, person, kind));
    if stays {
        // What referred to it was left to the deletion.
        references::mark_incoming(ledger, object.id)?;
    }
    references::mark_arrival(ledger, person)?;
    references::mark_referrers_of(ledger, object.id)?;
    Ok(object)
}

/// Compares what the rules want with what the target has.
fn flow(
    ledger: &mut dyn Ledger,
    rules: &RuleSet,
    target: &Target,
    person: &MetaverseObject,
    old: ConnectorObject,
    evaluation: &OutboundEvaluation,
) -> Result<(), SyncError> {
    let mut object = old.clone();
    object.outbound.held.clear();
    if let Some((rule, ..)) = &evaluation.link {
        if let Some(rule) = rules.rule(rule) {
            object.outbound.deprovision = Some(rule.header.deprovision);
            object.outbound.delete_after = rule.header.delete_after;
        }
        if let Some(link) = object.link.as_mut().filter(|link| link.kind.is_outbound()) {
            link.rule.clone_from(rule);
        }
    }
    let reason = (target.protected)(&object.object_type, &object.image);
    if let Some(reason) = reason {
        object.export = None;
        object.outbound.references.clear();
        object.outbound.held.insert("*".into(), reason.to_owned());
    } else {
        let mut wish = Wish { target, creating: is_creation(&object), object: &mut object };
        for (attribute, contributions) in &evaluation.flows {
            wish.attribute(attribute, contributions)?;
        }
        wish.forget_others(&evaluation.flows);
        wish.try_again_if_changed(old.export.as_ref());
        wish_references(rules, target, person, &mut object, evaluation);
    }
    tidy(&mut object);
    if object == old {
        return Ok(());
    }
    if object.export != old.export && old.export.is_none() {
        ledger.note(Change::Staged(object.id, Operation::Update));
    }
    ledger.put_object(&object)?;
    let names: BTreeSet<AttributeName> =
        old.outbound.references.keys().chain(object.outbound.references.keys()).cloned().collect();
    for name in names {
        if old.outbound.references.get(&name) != object.outbound.references.get(&name) {
            references::mark_all(ledger, &object, &name)?;
        }
    }
    Ok(())
}

fn is_creation(object: &ConnectorObject) -> bool {
    object.export.as_ref().is_some_and(|export| export.operation == Operation::Create)
}

/// Drops an export that says nothing, and brings its state in line with its changes.
fn tidy(object: &mut ConnectorObject) {
    let Some(export) = &mut object.export else { return };
    if export.operation != Operation::Update {
        return;
    }
    if export.changes.is_empty() {
        object.export = None;
        return;
    }
    let unsent = export.changes.values().any(|change| !change.sent);
    if unsent && export.state == ExportState::Exported {
        export.state = ExportState::Pending;
    }
}

/// The wish for one target object while it is being put together.
struct Wish<'a> {
    target: &'a Target,
    creating: bool,
    object: &'a mut ConnectorObject,
}

impl Wish<'_> {
    fn attribute(&mut self, attribute: &AttributeName, contributions: &[Contribution]) -> Result<(), SyncError> {
        let winner = precedence::decide(contributions).map_err(|mixed| SyncError::Mixed(attribute.clone(), mixed))?;
        let there = self.object.image.contains_key(attribute);
        let (values, by) = match winner {
            Winner::References(..) => return Ok(()),
            Winner::Keep => {
                return {
                    self.leave(attribute);
                    Ok(())
                };
            }
            Winner::Nobody => (Values::new(), contributions.first()),
            Winner::Absent(by) => (Values::new(), Some(by)),
            Winner::Value(by, values) => (values, Some(by)),
            Winner::Once(by, values) if self.creating && !self.is_made(values) => (values.clone(), Some(by)),
            Winner::Seed(by, values) if self.creating || !there => (values.clone(), Some(by)),
            Winner::Once(..) | Winner::Seed(..) => {
                return {
                    self.leave(attribute);
                    Ok(())
                };
            }
        };
        let Some(by) = by else { return Ok(()) };
        let values = self.fit(attribute, values, by)?;
        self.want(attribute, values, by);
        Ok(())
    }

    /// A password that was sent is not wished for again, though the import that shows the object is yet to come.
    fn is_made(&self, values: &[Value]) -> bool {
        let sent = self.object.export.as_ref().is_some_and(|export| export.state == ExportState::Exported);
        sent && values.iter().any(|value| value.kind() == Kind::Password)
    }

    /// Whatever is in the target stays; what was not sent yet is dropped.
    fn leave(&mut self, attribute: &AttributeName) {
        if let Some(export) = &mut self.object.export
            && export.changes.get(attribute).is_some_and(|change| !change.sent)
        {
            export.changes.remove(attribute);
        }
    }

    /// Attributes that no rule flows any more are no longer ours.
    fn forget_others(&mut self, flows: &BTreeMap<AttributeName, Vec<Contribution>>) {
        if let Some(export) = &mut self.object.export {
            export.changes.retain(|name, change| change.sent || flows.contains_key(name));
        }
        self.object.outbound.corrections.retain(|name, _| flows.contains_key(name));
    }

    /// What was refused is sent again when something else is wanted than what was refused; a line that moved is nothing else.
    fn try_again_if_changed(&mut self, old: Option<&Export>) {
        if let (Some(export), Some(old)) = (&mut self.object.export, old)
            && !export.wants_the_same(old)
        {
            export.retry();
        }
    }

    /// Brings values into the shape that the target's schema asks for.
    fn fit(&self, attribute: &AttributeName, values: Values, by: &Contribution) -> Result<Values, SyncError> {
        let misfit = |problem: String| SyncError::Misfit {
            attribute: attribute.clone(),
            rule: by.rule.to_string(),
            line: by.line,
            problem,
        };
        let schema = self.target.schemas.get(&self.object.object_type);
        let Some(known) = schema.and_then(|schema| schema.get(attribute)) else { return Ok(values) };
        if !known.multi && values.len() > 1 {
            return Err(misfit(format!("{} values for an attribute that holds one", values.len())));
        }
        values
            .into_iter()
            .map(|value| match (known.kind, value) {
                (Kind::Text, value @ (Value::Integer(_) | Value::Time(_) | Value::Bytes(_))) => {
                    Ok(Value::Text(value.to_string()))
                }
                (Kind::Time, Value::Text(text)) => text
                    .parse::<jiff::Timestamp>()
                    .map(|time| Value::Time(time.as_microsecond()))
                    .map_err(|_| misfit(format!("`{text}` is not a time such as 2026-01-31T00:00:00Z"))),
                (kind, value) if kind == value.kind() => Ok(value),
                // Whatever it is, it is not for the log.
                (Kind::Password, _) => Err(misfit("a password is made, not written: `once(password(24))`".into())),
                (kind, value) => Err(misfit(format!("{} `{value}` where the target wants {kind}", value.kind()))),
            })
            .collect()
    }

    fn want(&mut self, attribute: &AttributeName, values: Values, by: &Contribution) {
        if self.is_blocked(attribute, &values) {
            return self.leave(attribute);
        }
        let none = Values::new();
        let there = agree(attribute, self.object.image.get(attribute).unwrap_or(&none), &values);
        let export = self.object.export.get_or_insert_with(|| Export {
            operation: Operation::Update,
            state: ExportState::Pending,
            changes: BTreeMap::new(),
            reason: String::new(),
        });
        match export.changes.get_mut(attribute) {
            Some(change) if agree(attribute, &change.values, &values) => {}
            // Something else was sent and may arrive yet: the wish must be sent even if the image has it.
            Some(change) if change.sent || !there => {
                *change = ValueChange { values, sent: false, unseen: 0, rule: by.rule.to_string(), line: by.line };
            }
            Some(_) => {
                export.changes.remove(attribute);
            }
            None if there || (self.creating && values.is_empty()) => {}
            None => {
                let change = ValueChange { values, sent: false, unseen: 0, rule: by.rule.to_string(), line: by.line };
                export.changes.insert(attribute.clone(), change);
            }
        }
    }

    /// Two things are never put right: an account that somebody disabled, and a value that keeps coming back.
    fn is_blocked(&mut self, attribute: &AttributeName, values: &[Value]) -> bool {
        let image = self.object.image.get(attribute).cloned().unwrap_or_default();
        if let Some(wanted) = enables(attribute, values) {
            let disabled = enables(attribute, &image) == Some(false);
            let by_us = self.object.outbound.enabled == Some(false);
            let on_its_way = self.object.export.as_ref().is_some_and(|export| export.changes.contains_key(attribute));
            if wanted && disabled && !by_us && !on_its_way && !self.creating {
                let why = "disabled in the target, and nothing changed at the source: it stays disabled";
                self.object.outbound.held.insert(attribute.clone(), why.to_owned());
                return true;
            }
            if !wanted && !disabled && !self.creating && !self.object.outbound.owned {
                let why = "neither made nor adopted by us, so it is not disabled; `syncline adopt` takes it over";
                self.object.outbound.held.insert(attribute.clone(), why.to_owned());
                return true;
            }
            self.object.outbound.enabled = Some(wanted);
        }
        let corrections = &mut self.object.outbound.corrections;
        if corrections.get(attribute).is_some_and(|correction| !agree(attribute, &correction.wish, values)) {
            corrections.remove(attribute);
        }
        let times = corrections.get(attribute).map_or(0, |correction| correction.times);
        let enough = if self.target.reports_drift { 0 } else { ENOUGH_CORRECTIONS };
        if times > enough && !agree(attribute, &image, values) {
            let why = if self.target.reports_drift {
                "somebody changed it in the target; it is only reported".to_owned()
            } else {
                format!("put right {ENOUGH_CORRECTIONS} times already: somebody else writes it too")
            };
            self.object.outbound.held.insert(attribute.clone(), why);
            return true;
        }
        false
    }
}

/// Notes which source each reference attribute of the target follows. Where rules flow a reference and nobody has any,
/// the source is nobody: what must go is taken away.
fn wish_references(
    rules: &RuleSet,
    target: &Target,
    person: &MetaverseObject,
    object: &mut ConnectorObject,
    evaluation: &OutboundEvaluation,
) {
    let schema = target.schemas.get(&object.object_type);
    let is_reference = |name: &AttributeName| {
        schema.and_then(|schema| schema.get(name)).is_some_and(|known| known.kind == Kind::Reference)
    };
    let provisioned = object.outbound.owned;
    let mut sources = BTreeMap::new();
    for (attribute, contributions) in &evaluation.flows {
        let nobody = || (ObjectId(person.id.0), attribute.clone());
        let (by, (from, from_attribute)) = match precedence::decide(contributions) {
            Ok(Winner::References(by, metaverse_attribute)) => {
                let list = person.contributions.get(metaverse_attribute);
                (by, list.and_then(|list| precedence::reference_source(list)).unwrap_or_else(nobody))
            }
            Ok(Winner::Absent(by)) if is_reference(attribute) => (by, nobody()),
            Ok(Winner::Nobody) if is_reference(attribute) => match contributions.first() {
                Some(by) => (by, nobody()),
                None => continue,
            },
            Ok(Winner::Nobody | Winner::Absent(_) | Winner::Keep | Winner::Value(..))
            | Ok(Winner::Once(..) | Winner::Seed(..))
            | Err(_) => continue,
        };
        let stated = rules.rule(&by.rule).and_then(|rule| rule.header.members);
        let members = stated.unwrap_or(if provisioned { Members::Exact } else { Members::Own });
        let source = ReferenceSource { object: from, attribute: from_attribute, members, rule: by.rule.to_string() };
        sources.insert(attribute.clone(), source);
    }
    object.outbound.references = sources;
}
