//! Which object of a target is a person's: one that is found, one that was made before, or a new one.

use std::collections::{BTreeMap, BTreeSet};

use super::Target;
use super::inbound::SyncError;
use super::ledger::{Ledger, LedgerError};
use super::outbound::OutboundEvaluation;
use super::precedence::{self, Winner};
use crate::change::Change;
use crate::connector_space::{Anchor, ConnectorObject, Export, ExportState, ObjectId, Operation};
use crate::metaverse::MetaverseObject;
use crate::rules::{ConnectorType, JoinGroup};
use crate::value::{AttributeName, Value};

/// The unlinked object of the type that has the very name that the new one would have (`dn`, in LDAP directories).
pub(super) fn called(
    ledger: &dyn Ledger,
    evaluation: &OutboundEvaluation,
) -> Result<Option<ConnectorObject>, LedgerError> {
    let list = evaluation.flows.get(&AttributeName::from("dn")).map_or(&[][..], Vec::as_slice);
    let Ok(Winner::Value(_, values)) = precedence::decide(list) else { return Ok(None) };
    let Some(name) = values.first().and_then(Value::as_text) else { return Ok(None) };
    let to = &evaluation.to;
    let Some(id) = ledger.id_of_dn(&to.connector, &crate::dn::normalise(name))? else { return Ok(None) };
    let fits = |object: &ConnectorObject| {
        object.link.is_none()
            && object.anchor.is_some()
            && !object.is_kept_apart()
            && object.object_type.eq_ignore_ascii_case(&to.object_type)
    };
    Ok(ledger.object(id)?.filter(fits))
}

/// The object that was made for the person before and let go, if it still is there, or else a new one.
pub(super) fn provision(
    ledger: &mut dyn Ledger,
    person: &MetaverseObject,
    to: &ConnectorType,
    rule: &str,
) -> Result<ConnectorObject, LedgerError> {
    let mut generation = person.generations.get(&to.connector).copied().unwrap_or(0);
    loop {
        let id = ObjectId::provisioned(&to.connector, person.id, generation);
        match ledger.object(id)? {
            Some(old)
                if old.link.is_none()
                    && old.outbound.owned
                    && !old.is_kept_apart()
                    && old.object_type == to.object_type =>
            {
                return Ok(old);
            }
            Some(_) => generation += 1,
            None => {
                let mut object = ConnectorObject::new(id, &to.connector, &to.object_type);
                object.outbound.owned = true;
                object.export = Some(Export {
                    operation: Operation::Create,
                    state: ExportState::Pending,
                    changes: BTreeMap::new(),
                    reason: format!("provisioned by {rule}"),
                });
                ledger.note(Change::Staged(id, Operation::Create));
                return Ok(object);
            }
        }
    }
}

/// What a target says about taking its objects for somebody's.
#[derive(Clone, Debug, Default)]
pub struct Matching {
    /// Attributes by which an object says whose it is, by type; none: every attribute is as good.
    pub anchors: BTreeMap<String, Vec<AttributeName>>,
    /// Whether objects may be found by other attributes, which a person then approves.
    pub soft: bool,
    /// Objects that hold power over the directory: they are nobody's, unless a person says so.
    pub privileged: BTreeSet<Anchor>,
}

impl Matching {
    fn anchors_of(&self, object_type: &str) -> &[AttributeName] {
        let of_type = self.anchors.iter().find(|(name, _)| name.eq_ignore_ascii_case(object_type));
        of_type.map_or(&[], |(_, anchors)| anchors)
    }

    /// Whether a group asks for the anchor, and so cannot be wrong.
    fn is_hard(&self, object_type: &str, group: &JoinGroup) -> bool {
        let anchors = self.anchors_of(object_type);
        anchors.is_empty() || group.iter().any(|key| anchors.contains(&key.attribute))
    }

    /// Who carries an anchor is somebody's already; guests have their home elsewhere.
    fn may_be_proposed(&self, object: &ConnectorObject) -> bool {
        let is_guest = |value: &Value| value.folded() == "guest";
        let guest =
            object.image.get(&AttributeName::from("userType")).is_some_and(|values| values.iter().any(is_guest));
        let anchored = self.anchors_of(&object.object_type).iter().any(|name| object.image.contains_key(name));
        !guest && !anchored
    }

    fn is_privileged(&self, object: &ConnectorObject) -> bool {
        object.anchor.as_ref().is_some_and(|anchor| self.privileged.contains(anchor))
    }
}

/// What join groups find in a target.
pub(super) enum Found {
    /// Nobody.
    Nobody,
    /// An object that says that it is the person's.
    Surely(Box<ConnectorObject>),
    /// An object that looks like the person's, and by what.
    Perhaps(Box<ConnectorObject>, Vec<AttributeName>),
}

/// The first group that finds exactly one unlinked object of the type.
pub(super) fn find(
    ledger: &dyn Ledger,
    target: &Target,
    to: &ConnectorType,
    rule: &str,
    groups: &[JoinGroup],
) -> Result<Found, SyncError> {
    let mut ambiguous = 0;
    for group in groups {
        let hard = target.matching.is_hard(&to.object_type, group);
        let (mut hits, others) = of_any_type(ledger, to, group)?;
        if !hard {
            hits.retain(|hit| target.matching.may_be_proposed(hit));
        }
        match hits.len() {
            0 if !hard && !others.is_empty() => return Err(mismatch(rule, to, &others)),
            0 => {}
            1 => return hits.pop().map_or(Ok(Found::Nobody), |hit| one(target, rule, group, hit, hard)),
            several => ambiguous = several,
        }
    }
    match ambiguous {
        0 => Ok(Found::Nobody),
        hits => Err(SyncError::Ambiguous { rule: rule.to_owned(), hits }),
    }
}

fn one(target: &Target, rule: &str, group: &JoinGroup, hit: ConnectorObject, hard: bool) -> Result<Found, SyncError> {
    let by: Vec<AttributeName> = group.iter().map(|key| key.attribute.clone()).collect();
    let (rule, name) = (rule.to_owned(), hit.title());
    // What we made or adopted was somebody's decision before.
    if target.matching.is_privileged(&hit) && !hit.outbound.owned {
        return Err(SyncError::Privileged { rule, name });
    }
    match (hard, target.matching.soft) {
        (true, _) => Ok(Found::Surely(Box::new(hit))),
        (false, true) => Ok(Found::Perhaps(Box::new(hit), by)),
        (false, false) => Err(SyncError::SoftMatch { rule, name, by: names(&by) }),
    }
}

fn mismatch(rule: &str, to: &ConnectorType, others: &[ConnectorObject]) -> SyncError {
    let other = others.first();
    SyncError::OtherType {
        rule: rule.to_owned(),
        name: other.map(ConnectorObject::title).unwrap_or_default(),
        other: other.map(|other| other.object_type.clone()).unwrap_or_default(),
        wanted: to.object_type.clone(),
    }
}

fn names(attributes: &[AttributeName]) -> String {
    let names: Vec<String> = attributes.iter().map(|name| format!("`{name}`")).collect();
    names.join(" and ")
}

/// Unlinked objects of the type that match every key of a group.
///
/// # Errors
/// When the ledger fails.
pub(crate) fn matches(
    ledger: &dyn Ledger,
    to: &ConnectorType,
    group: &JoinGroup,
) -> Result<Vec<ConnectorObject>, LedgerError> {
    Ok(of_any_type(ledger, to, group)?.0)
}

/// Unlinked objects that match every key of a group: those of the type, and others.
fn of_any_type(
    ledger: &dyn Ledger,
    to: &ConnectorType,
    group: &JoinGroup,
) -> Result<(Vec<ConnectorObject>, Vec<ConnectorObject>), LedgerError> {
    let (mut hits, mut others) = (Vec::new(), Vec::new());
    let Some(first) = group.first() else { return Ok((hits, others)) };
    for id in ledger.find_object(&to.connector, &first.attribute, &first.value.folded(), 64)? {
        let Some(candidate) = ledger.object(id)? else { continue };
        let attributes = candidate.expected();
        let holds = group.iter().all(|key| {
            let same =
                |value: &Value| if key.exact { *value == key.value } else { value.folded() == key.value.folded() };
            attributes.get(&key.attribute).is_some_and(|values| values.iter().any(same))
        });
        if !holds || candidate.link.is_some() || candidate.is_kept_apart() {
            continue;
        }
        if candidate.object_type.eq_ignore_ascii_case(&to.object_type) {
            hits.push(candidate);
        } else {
            others.push(candidate);
        }
    }
    Ok((hits, others))
}
