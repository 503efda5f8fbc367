//! Which groups an object is in, up through groups in groups; and whom a change of a group concerns, down through them.

use std::collections::BTreeSet;

use super::ledger::{Ledger, LedgerError, Result, View};
use crate::connector_space::ObjectId;
use crate::dn;
use crate::rules::Groups;
use crate::value::AttributeName;

/// The attributes that hold members.
pub const ATTRIBUTES: [&str; 3] = ["member", "members", "uniqueMember"];

/// Whether an attribute holds members.
pub fn is_membership(attribute: &AttributeName) -> bool {
    ATTRIBUTES.iter().any(|name| *attribute == AttributeName::from(*name))
}

/// The groups that an object is in.
pub fn of<V: View + ?Sized>(ledger: &V, object: ObjectId) -> Result<Groups> {
    let mut groups = Groups::default();
    let mut seen = BTreeSet::from([object]);
    let mut open = vec![(object, true)];
    while let Some((member, direct)) = open.pop() {
        for (group, attribute) in ledger.referrers(member)? {
            if !is_membership(&attribute) || !ledger.edge(group, &attribute, member)?.seen {
                continue;
            }
            let Some(found) = ledger.object(group)? else { continue };
            let names = found.dn.as_deref().map(dn::normalise).into_iter().chain(found.anchor.map(|anchor| anchor.0));
            if direct {
                groups.direct.extend(names)
            } else {
                groups.nested.extend(names)
            }
            if seen.insert(group) {
                open.push((group, false));
            }
        }
    }
    Ok(groups)
}

/// Makes an object due, and everybody in it if it is a group: what they are in has changed.
pub fn mark(ledger: &mut dyn Ledger, object: ObjectId) -> std::result::Result<(), LedgerError> {
    let mut seen = BTreeSet::new();
    let mut open = vec![object];
    while let Some(id) = open.pop() {
        if !seen.insert(id) || ledger.object(id)?.is_none() {
            continue;
        }
        ledger.mark_object(id)?;
        for attribute in ledger.reference_attributes(id)?.into_iter().filter(is_membership) {
            open.extend(ledger.edges(id, &attribute)?.into_iter().map(|(to, _)| to));
        }
    }
    Ok(())
}
