//! Links that people decide: join by hand, and keep apart. Rules do not undo them.

use super::deprovision;
use super::ledger::{Ledger, LedgerError};
use super::{inbound, outbound, references};
use crate::connector_space::{ConnectorObject, Deprovision, Link, LinkKind, Pin, Proposal};
use crate::metaverse::MetaverseObject;
use crate::rules::{Direction, LinkType, RuleSet};

/// Why a person's word cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is linked to somebody else.
    #[error("`{0}` is linked already; `syncline disjoin` it first")]
    Linked(String),
    /// Two objects of one connector never share a metaverse object.
    #[error("`{0}` of the same connector is linked to that metaverse object already")]
    Taken(String),
    /// No rule leads from one to the other.
    #[error("no rule links `{from}` with `metaverse/{to}`")]
    NoRule {
        /// The connector and type of the object.
        from: String,
        /// The type of the metaverse object.
        to: String,
    },
    /// It is not linked.
    #[error("`{0}` is not linked, and is kept apart already")]
    Apart(String),
    /// The store.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Links an object to a metaverse object, whatever the join criteria say. An object of a target is matched, not adopted.
///
/// # Errors
/// See [`Refusal`]; nothing was written then.
pub fn join(
    ledger: &mut dyn Ledger,
    rules: &RuleSet,
    mut object: ConnectorObject,
    person: &MetaverseObject,
    reason: &str,
) -> Result<(), Refusal> {
    if object.link.is_some() {
        return Err(Refusal::Linked(object.title()));
    }
    let Some((rule, outbound)) = linking_rule(rules, &object, person) else {
        let from = format!("{}/{}", object.connector, object.object_type);
        return Err(Refusal::NoRule { from, to: person.object_type.clone() });
    };
    let other = if outbound {
        // A target may hold an account and a contact of one person.
        outbound::existing(ledger, person, &object.connector, &object.object_type)?.map(|other| other.title())
    } else {
        inbound::rival(ledger, person, &object)?
    };
    if let Some(other) = other {
        return Err(Refusal::Taken(other));
    }
    object.pin = Some(Pin { joined: true, reason: reason.to_owned() });
    if outbound {
        let kind = if object.outbound.owned { LinkKind::Provisioned } else { LinkKind::Matched };
        outbound::bind(ledger, object, person.id, kind, &rule)?;
    } else {
        inbound::bind(ledger, &mut object, Link { metaverse: person.id, kind: LinkKind::Joined, rule })?;
        ledger.mark_object(object.id)?;
    }
    ledger.mark_metaverse(person.id)?;
    Ok(())
}

/// Makes a matched object of a target ours, or one that was proposed somebody's and ours. Gives what it was before: a link,
/// or a proposal; nothing where it was neither, or whoever it was proposed for is gone or has another.
///
/// # Errors
/// When the ledger fails.
pub fn adopt(ledger: &mut dyn Ledger, mut object: ConnectorObject) -> Result<Option<Adopted>, LedgerError> {
    object.outbound.owned = true;
    match (&mut object.link, object.outbound.proposed.take()) {
        (Some(link), _) if link.kind == LinkKind::Matched => {
            let before = link.clone();
            link.kind = LinkKind::Adopted;
            ledger.put_object(&object)?;
            ledger.mark_metaverse(before.metaverse)?;
            Ok(Some(Adopted::Matched(before)))
        }
        (None, Some(proposal)) => {
            let Some(person) = ledger.metaverse(proposal.metaverse)? else { return Ok(None) };
            if outbound::existing(ledger, &person, &object.connector, &object.object_type)?.is_some() {
                return Ok(None);
            }
            outbound::bind(ledger, object, person.id, LinkKind::Adopted, &proposal.rule)?;
            ledger.mark_metaverse(person.id)?;
            Ok(Some(Adopted::Proposed(proposal)))
        }
        _ => Ok(None),
    }
}

/// What an object was before it was adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// A rule had matched it.
    Matched(Link),
    /// A rule thought that it might be somebody's.
    Proposed(Proposal),
}

/// Unlinks an object, and keeps it apart from everybody.
///
/// # Errors
/// See [`Refusal`].
pub fn disjoin(ledger: &mut dyn Ledger, mut object: ConnectorObject, reason: &str) -> Result<(), Refusal> {
    if object.link.is_none() && object.is_kept_apart() {
        return Err(Refusal::Apart(object.title()));
    }
    object.pin = Some(Pin { joined: false, reason: reason.to_owned() });
    if let Some(proposal) = object.outbound.proposed.take() {
        ledger.mark_metaverse(proposal.metaverse)?;
    }
    match object.link.clone() {
        Some(link) if link.kind.is_outbound() => {
            references::mark_referrers_of(ledger, object.id)?;
            outbound::let_go(ledger, object, Deprovision::Disconnect, reason)?;
            ledger.mark_metaverse(link.metaverse)?;
        }
        Some(_) => {
            ledger.put_object(&object)?;
            deprovision::disconnect(ledger, &mut object, reason)?;
            ledger.mark_object(object.id)?;
        }
        None => {
            ledger.put_object(&object)?;
            ledger.mark_object(object.id)?;
        }
    }
    Ok(())
}

/// Forgets what a person decided: rules look for its person again.
///
/// # Errors
/// When the ledger fails.
pub fn unpin(ledger: &mut dyn Ledger, mut object: ConnectorObject) -> Result<(), LedgerError> {
    object.pin = None;
    ledger.put_object(&object)?;
    if let Some(link) = &object.link {
        ledger.mark_metaverse(link.metaverse)?;
    }
    ledger.mark_object(object.id)
}

/// The rule that a link by hand stands on, and whether it leads to the object.
fn linking_rule(rules: &RuleSet, object: &ConnectorObject, person: &MetaverseObject) -> Option<(String, bool)> {
    let inbound = rules.inbound(&object.connector, &object.object_type).find(|rule| match &rule.header.direction {
        Direction::Inbound { to, .. } => {
            rule.header.link != LinkType::None && to.as_ref().is_none_or(|to| *to == person.object_type)
        }
        Direction::Outbound { .. } => false,
    });
    if let Some(rule) = inbound {
        return Some((rule.name.clone(), false));
    }
    let outbound = rules.outbound(&person.object_type).find(|(rule, to)| {
        rule.header.link != LinkType::None
            && to.connector == object.connector
            && to.object_type.eq_ignore_ascii_case(&object.object_type)
    });
    outbound.map(|(rule, _)| (rule.name.clone(), true))
}
