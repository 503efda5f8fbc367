//! References as edges: what a target's reference must be, one edge at a time.
//!
//! A reference of a target object is wanted when the source object whose references flow there refers to some object of
//! the same person. Every question here is about one edge, so a change costs what changed, whatever the size of the group.

use super::ledger::{Ledger, Result, View};
use crate::change::Change;
use crate::connector_space::{ConnectorObject, Edge, EdgeChange, Members, ObjectId, Operation};
use crate::metaverse::MetaverseId;
use crate::value::AttributeName;

/// Queues the target edges that a source reference stands behind. Call it while the links still are as they were.
pub fn mark_targets_of(ledger: &mut dyn Ledger, from: ObjectId, attribute: &AttributeName, to: ObjectId) -> Result<()> {
    let Some(person) = ledger.person_of(to)? else { return Ok(()) };
    for (target, target_attribute) in ledger.fed_by(from, attribute)? {
        for counterpart in ledger.counterparts(target, person)? {
            ledger.mark_edge(target, &target_attribute, counterpart)?;
        }
    }
    Ok(())
}

/// Queues every edge that stands behind references to an object: it was linked, or is about to be unlinked.
pub fn mark_referrers_of(ledger: &mut dyn Ledger, object: ObjectId) -> Result<()> {
    for (from, attribute) in ledger.referrers(object)? {
        mark_targets_of(ledger, from, &attribute, object)?;
    }
    Ok(())
}

/// Queues every edge into the counterparts of a metaverse object in a connector: a target object came to it.
pub fn mark_arrival(ledger: &mut dyn Ledger, metaverse: MetaverseId) -> Result<()> {
    let Some(person) = ledger.metaverse(metaverse)? else { return Ok(()) };
    for (object, _) in person.links {
        mark_referrers_of(ledger, object)?;
    }
    Ok(())
}

/// Queues every edge into an object of a target: it is about to be let go.
pub fn mark_incoming(ledger: &mut dyn Ledger, object: ObjectId) -> Result<()> {
    for (from, attribute) in ledger.referrers(object)? {
        ledger.mark_edge(from, &attribute, object)?;
    }
    Ok(())
}

/// Queues every edge of one reference attribute of a target: its source changed.
pub fn mark_all(ledger: &mut dyn Ledger, target: &ConnectorObject, attribute: &AttributeName) -> Result<()> {
    for (to, _) in ledger.edges(target.id, attribute)? {
        ledger.mark_edge(target.id, attribute, to)?;
    }
    let Some(source) = target.outbound.references.get(attribute) else { return Ok(()) };
    for (to, edge) in ledger.edges(source.object, &source.attribute)? {
        if !edge.seen {
            continue;
        }
        let Some(person) = ledger.person_of(to)? else { continue };
        for counterpart in ledger.counterparts(target.id, person)? {
            ledger.mark_edge(target.id, attribute, counterpart)?;
        }
    }
    Ok(())
}

/// Brings one edge of a target to what it must be. Gives true when the wish changed. `reporting`: targets in which
/// changes of others are left as they are.
pub fn settle(
    ledger: &mut dyn Ledger,
    target: ObjectId,
    attribute: &AttributeName,
    to: ObjectId,
    reporting: &dyn Fn(&str) -> bool,
) -> Result<bool> {
    ledger.unmark_edge(target, attribute, to)?;
    let old = ledger.edge(target, attribute, to)?;
    let mut new = match ledger.feed_of(target, attribute)? {
        Some((source, from, members)) => {
            let wanted = wanted(ledger, source, &from, to)?;
            let drifted = old.drifted && old.seen != wanted;
            let left = drifted && ledger.object(target)?.is_some_and(|object| reporting(&object.connector));
            let old = Edge { drifted, ..old };
            if left { Edge { pending: None, sent: false, ..old } } else { wish(old, wanted, members) }
        }
        // Nothing flows here any more: what is there stays.
        None => Edge { pending: None, sent: false, refused: false, ..old },
    };
    if new.pending == Some(EdgeChange::Remove) && is_ending(ledger, to)? {
        // The directory drops it along with the object.
        new.pending = None;
    }
    if new == old {
        return Ok(false);
    }
    ledger.put_edge(target, attribute, to, new)?;
    if new.pending.is_some() && new.pending != old.pending {
        ledger.note(Change::Reference(target, attribute.clone()));
    }
    Ok(true)
}

fn is_ending(view: &dyn Ledger, id: ObjectId) -> Result<bool> {
    let export = view.object(id)?.and_then(|object| object.export);
    Ok(export.is_some_and(|export| export.operation == Operation::Delete))
}

/// The state of an edge, given whether it is wanted.
fn wish(edge: Edge, wanted: bool, members: Members) -> Edge {
    let pending = match (edge.seen, wanted) {
        (true, true) | (false, false) => None,
        (false, true) => Some(EdgeChange::Add),
        (true, false) => match members {
            Members::Exact => Some(EdgeChange::Remove),
            Members::Own => edge.ours.then_some(EdgeChange::Remove),
        },
    };
    // An addition that the directory took but no import has shown yet must be taken back when it is no longer wanted.
    let pending = match (pending, edge.pending, edge.sent) {
        (None, Some(EdgeChange::Add), true) if !wanted => Some(EdgeChange::Remove),
        (None, Some(EdgeChange::Remove), true) if wanted => Some(EdgeChange::Add),
        // So it stays until that was sent, however often this edge is looked at.
        (None, Some(EdgeChange::Remove), _) if !wanted && !edge.seen => Some(EdgeChange::Remove),
        (None, Some(EdgeChange::Add), _) if wanted && edge.seen => Some(EdgeChange::Add),
        _ => pending,
    };
    let same = pending == edge.pending;
    Edge {
        pending,
        sent: same && edge.sent,
        refused: same && edge.refused,
        // An addition that was never sent leaves nothing that is ours.
        ours: pending == Some(EdgeChange::Add) || edge.ours && (edge.seen || pending.is_some()),
        ..edge
    }
}

/// Whether the source refers to any object of the person that `to` belongs to.
///
/// # Errors
/// When the ledger fails.
pub fn wanted(view: &dyn View, source: ObjectId, attribute: &AttributeName, to: ObjectId) -> Result<bool> {
    let Some(person) = view.person_of(to)? else { return Ok(false) };
    for candidate in view.counterparts(source, person)? {
        if view.edge(source, attribute, candidate)?.seen {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_own_removes_only_what_we_added() {
        let seen = Edge { seen: true, ..Edge::default() };
        assert_eq!(wish(seen, false, Members::Own).pending, None);
        assert_eq!(wish(seen, false, Members::Exact).pending, Some(EdgeChange::Remove));
        assert_eq!(wish(Edge { ours: true, ..seen }, false, Members::Own).pending, Some(EdgeChange::Remove));
    }

    #[test]
    fn what_was_sent_and_not_yet_seen_is_taken_back() {
        let sent = Edge { pending: Some(EdgeChange::Add), sent: true, ours: true, ..Edge::default() };
        let undone = wish(sent, false, Members::Exact);
        assert_eq!((undone.pending, undone.sent), (Some(EdgeChange::Remove), false));
        assert_eq!(wish(sent, true, Members::Exact), sent);
        assert_eq!(wish(undone, false, Members::Own), undone, "it is the same however often it is asked");
        let removed = Edge { seen: true, pending: Some(EdgeChange::Remove), sent: true, ..Edge::default() };
        let again = wish(removed, true, Members::Exact);
        assert_eq!((again.pending, wish(again, true, Members::Exact)), (Some(EdgeChange::Add), again));
    }
}
