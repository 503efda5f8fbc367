//! What goes when Microsoft's client goes: what it has made in the tenant, and what Graph lets nobody else write. Shown
//! only while it masters something.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::connector_space::ConnectorObject;
use crate::value::{AttributeName, Value};

/// What Microsoft's client has in a tenant, and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Users that it masters.
    pub users: usize,
    /// Groups that it masters; nothing where groups are not read.
    pub groups: Option<usize>,
    /// What goes.
    pub losses: Vec<Loss>,
}

/// Something that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// What.
    pub what: String,
    /// How many objects it concerns, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// What becomes of it.
    pub why: String,
}

impl Loss {
    fn new(what: &str, count: Option<usize>, why: &str) -> Loss {
        Loss { what: what.to_owned(), count, why: why.to_owned() }
    }
}

/// What was counted so far, of objects that Microsoft's client masters.
#[derive(Debug, Default)]
pub(super) struct Census {
    users: usize,
    groups: usize,
    mail_security: usize,
    distribution: usize,
    addressed: usize,
}

impl Census {
    pub(super) fn look_at(&mut self, object: &ConnectorObject) {
        let values = |name: &str| object.image.get(&AttributeName::from(name)).map_or(&[][..], Vec::as_slice);
        let is = |name: &str| values(name).first() == Some(&Value::Boolean(true));
        if !is("onPremisesSyncEnabled") {
            return;
        }
        match object.object_type.as_str() {
            "user" => {
                self.users += 1;
                self.addressed += usize::from(values("proxyAddresses").len() > 1);
            }
            "group" => {
                self.groups += 1;
                let unified = values("groupTypes").iter().any(|value| value.as_text() == Some("Unified"));
                let of_exchange = is("mailEnabled") && !unified;
                self.mail_security += usize::from(of_exchange && is("securityEnabled"));
                self.distribution += usize::from(of_exchange && !is("securityEnabled"));
            }
            _ => {}
        }
    }

    /// What goes; nothing where Microsoft's client has nothing. `types` are those that were read.
    pub(super) fn lost(&self, types: &BTreeMap<String, BTreeSet<AttributeName>>) -> Option<Lost> {
        if self.users + self.groups == 0 {
            return None;
        }
        let reads_groups = types.contains_key("group");
        let mut losses = Vec::new();
        let counted = [
            (self.mail_security, "mail-enabled security groups", OF_EXCHANGE),
            (self.distribution, "distribution lists", OF_EXCHANGE),
            (self.addressed, "users with more than one address", ADDRESSES),
        ];
        let counted = counted.into_iter().filter(|(count, ..)| *count > 0);
        losses.extend(counted.map(|(count, what, why)| Loss::new(what, Some(count), why)));
        if !reads_groups {
            let why = "Graph does not write them; no rule reads groups, so they are not counted";
            losses.push(Loss::new("mail-enabled security groups and distribution lists", None, why));
        }
        losses.extend(ALWAYS.iter().map(|(what, why)| Loss::new(what, None, why)));
        Some(Lost { users: self.users, groups: reads_groups.then_some(self.groups), losses })
    }
}

const OF_EXCHANGE: &str = "Graph writes neither them nor their members; they are kept in Exchange";
const ADDRESSES: &str = "Graph does not write `proxyAddresses`, only `mail`; the others are kept in Exchange";

/// What no count is known of: none of it is in what Graph lets be read and written.
const ALWAYS: &[(&str, &str)] = &[
    (
        "password hash synchronisation",
        "Graph takes no hashes, so a password that changes in AD no longer arrives; federated domains keep AD the authority",
    ),
    ("password writeback", "a password that is reset in the tenant no longer arrives in AD"),
    ("devices", "computers are no longer made hybrid joined, and devices are no longer written to AD"),
    ("contacts", "Graph does not write them; they are not read here, so they are not counted"),
    (
        "Exchange attributes",
        "those of AD no longer arrive in the tenant, and those that Exchange wrote back (archive, holds, safe senders, the \
         `x500:` address) no longer arrive in AD",
    ),
    (
        "extension attributes",
        "of users that were synchronised once, Graph does not write `onPremisesExtensionAttributes`",
    ),
    ("group writeback", "Microsoft 365 groups are no longer written to AD"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector_space::ObjectId;

    fn object(object_type: &str, attributes: &[(&str, Vec<Value>)]) -> ConnectorObject {
        let mut object = ConnectorObject::new(ObjectId::default(), "entra", object_type);
        object.image = attributes.iter().map(|(name, values)| (AttributeName::from(*name), values.clone())).collect();
        object
    }

    #[test]
    fn only_what_microsofts_client_masters_is_counted() {
        let (yes, no) = (vec![Value::Boolean(true)], vec![Value::Boolean(false)]);
        let text = |values: &[&str]| values.iter().map(|text| Value::Text((*text).into())).collect::<Vec<_>>();
        let synced = ("onPremisesSyncEnabled", yes.clone());
        let mail = ("mailEnabled", yes.clone());
        let two = ("proxyAddresses", text(&["SMTP:a@contoso.com", "smtp:b@contoso.com"]));
        let mut census = Census::default();
        let types = BTreeMap::from([("user".to_owned(), BTreeSet::new()), ("group".to_owned(), BTreeSet::new())]);
        census.look_at(&object("user", std::slice::from_ref(&two)));
        census.look_at(&object("group", &[mail.clone(), ("securityEnabled", yes.clone())]));
        assert_eq!(census.lost(&types), None);
        census.look_at(&object("user", &[synced.clone(), two]));
        census.look_at(&object("user", &[synced.clone(), ("proxyAddresses", text(&["SMTP:c@contoso.com"]))]));
        census.look_at(&object("group", &[synced.clone(), mail.clone(), ("securityEnabled", yes)]));
        census.look_at(&object("group", &[synced.clone(), mail.clone(), ("securityEnabled", no)]));
        census.look_at(&object("group", &[synced, mail, ("groupTypes", text(&["Unified"]))]));
        let lost = census.lost(&types).unwrap();
        let counts: Vec<usize> = lost.losses.iter().filter_map(|loss| loss.count).collect();
        assert_eq!((lost.users, lost.groups, counts), (2, Some(3), vec![1, 1, 1]));
        let without = census.lost(&BTreeMap::new()).unwrap();
        assert!(
            without.groups.is_none()
                && without
                    .losses
                    .iter()
                    .any(|loss| loss.why.contains("so they are not counted") && loss.what.contains("lists"))
        );
    }
}
