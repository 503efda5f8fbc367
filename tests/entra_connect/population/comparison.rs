//! What converted rules gave every object, beside what the original rules say about it.

use std::collections::{BTreeMap, BTreeSet};

use syncline::connector_space::{ConnectorObject, EdgeChange, ObjectId};
use syncline::dn;
use syncline::entra_connect::{ConnectorKind, Direction, Export};
use syncline::metaverse::MetaverseObject;
use syncline::store::Draft;
use syncline::sync::ledger::View;
use syncline::sync::precedence;
use syncline::value::{AttributeName, Values};

use super::company::{Person, REFERENCES, among};
use super::originals::{Originals, object};
use crate::engine::plain;
use crate::oracle::Value;
use crate::random::once;

/// What Graph calls attributes of the tenant's connector.
const IN_GRAPH: [(&str, &str); 22] = [
    ("accountEnabled", "accountEnabled"),
    ("city", "city"),
    ("company", "companyName"),
    ("country", "country"),
    ("department", "department"),
    ("displayName", "displayName"),
    ("facsimileTelephoneNumber", "faxNumber"),
    ("givenName", "givenName"),
    ("mail", "mail"),
    ("mobile", "mobilePhone"),
    ("physicalDeliveryOfficeName", "officeLocation"),
    ("postalCode", "postalCode"),
    ("preferredLanguage", "preferredLanguage"),
    ("sourceAnchor", "onPremisesImmutableId"),
    ("state", "state"),
    ("streetAddress", "streetAddress"),
    ("surname", "surname"),
    ("telephoneNumber", "businessPhones"),
    ("title", "jobTitle"),
    ("usageLocation", "usageLocation"),
    ("extensionAttribute1", "onPremisesExtensionAttributes.extensionAttribute1"),
    ("userPrincipalName", "userPrincipalName"),
];

/// What Graph calls references.
const REFERENCES_IN_GRAPH: [(&str, &str); 2] = [("manager", "manager"), ("member", "members")];

/// How much was compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) objects: usize,
    pub(crate) values: usize,
    pub(crate) references: usize,
    /// Objects about which both sides say that they fail.
    pub(crate) failed: usize,
    pub(crate) provisioned: usize,
}

/// What the original rules give an object, by attribute.
type Given = BTreeMap<String, Value>;

/// Values as two sides compare them: in any order, each once.
fn sorted(values: Values) -> Vec<String> {
    let mut texts: Vec<String> = once(values).iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

/// Compares every object, in the metaverse if asked, and on its way to the tenant.
pub(crate) fn compare(export: &Export, draft: &Draft<'_>, company: &[Person], ids: &[ObjectId], whole: bool) -> Counts {
    let mut comparison = Comparison {
        draft,
        inbound: Originals::of(export, Direction::Inbound, &ConnectorKind::ActiveDirectory),
        outbound: Originals::of(export, Direction::Outbound, &ConnectorKind::Entra),
        whole,
        targets: targets(draft, company, ids),
        counts: Counts { objects: company.len(), ..Counts::default() },
        wrong: Vec::new(),
    };
    for (person, id) in company.iter().zip(ids) {
        if let Some((metaverse, given)) = comparison.inbound(person, *id) {
            comparison.outbound(person, &metaverse, given);
        }
    }
    let Comparison { counts, wrong, .. } = comparison;
    let shown = wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {counts:?} differ:\n{shown}", wrong.len());
    counts
}

/// The tenant's object of each name.
fn targets(draft: &Draft<'_>, company: &[Person], ids: &[ObjectId]) -> BTreeMap<String, ObjectId> {
    let mut targets = BTreeMap::new();
    for (person, id) in company.iter().zip(ids) {
        let link = draft.object(*id).unwrap().unwrap().link;
        let metaverse = link.and_then(|link| draft.metaverse(link.metaverse).unwrap());
        if let Some(target) = metaverse.and_then(|metaverse| target_of(&metaverse)) {
            targets.insert(dn::normalise(&person.dn), target);
        }
    }
    targets
}

fn target_of(metaverse: &MetaverseObject) -> Option<ObjectId> {
    metaverse.links.iter().find(|(_, connector)| connector.as_str() == "entra").map(|(id, _)| *id)
}

struct Comparison<'a> {
    draft: &'a Draft<'a>,
    inbound: Originals,
    outbound: Originals,
    whole: bool,
    targets: BTreeMap<String, ObjectId>,
    counts: Counts,
    wrong: Vec<String>,
}

impl Comparison<'_> {
    /// In the metaverse; nothing for who is nobody there, or fails.
    fn inbound(&mut self, person: &Person, id: ObjectId) -> Option<(MetaverseObject, Given)> {
        let ours = self.draft.object(id).unwrap().unwrap();
        let given = self.inbound.say(&object(seen(person), members(person), "ad"), (&person.kind, kind(person)));
        let (is_linked, given) = match (given, &ours.error) {
            (Err(_), Some(_)) => {
                self.counts.failed += 1;
                return None;
            }
            (Ok(given), None) => given,
            (given, error) => {
                self.wrong.push(format!("{}: {error:?}, and not {given:?}", person.dn));
                return None;
            }
        };
        let Some(link) = ours.link.as_ref() else {
            if is_linked {
                self.wrong.push(format!("{}: is nobody", person.dn));
            }
            return None;
        };
        let metaverse = self.draft.metaverse(link.metaverse).unwrap().unwrap();
        let names = metaverse.contributions.keys().map(ToString::to_string).chain(given.keys().cloned());
        let names: BTreeSet<String> = names.filter(|name| self.whole && !among(&REFERENCES, name)).collect();
        for name in names {
            let key = AttributeName::from(name.as_str());
            let ours = metaverse.contributions.get(&key).map(|all| precedence::values(all)).unwrap_or_default();
            self.value(person, &name, ours, given.get(&name).map(plain).unwrap_or_default());
        }
        Some((metaverse, given))
    }

    /// On its way to the tenant.
    fn outbound(&mut self, person: &Person, metaverse: &MetaverseObject, given: Given) {
        let kinds = if kind(person) == "group" { ("group", "group") } else { ("user", "person") };
        let given = self.outbound.say(&object(given, members(person), "entra"), kinds);
        let target = target_of(metaverse).map(|id| self.draft.object(id).unwrap().unwrap());
        let (is_made, given) = match (given, &metaverse.error) {
            (Ok(given), None) => given,
            (Err(_), Some(_)) => return,
            (given, error) => {
                self.wrong.push(format!("{}: outbound {error:?}, and not {given:?}", person.dn));
                return;
            }
        };
        let secure = given.get("securityEnabled") == Some(&Value::Bool(true));
        let is_made = is_made && (kind(person) != "group" || secure);
        if is_made != target.is_some() {
            self.wrong.push(format!("{}: made {}, and not {is_made}", person.dn, target.is_some()));
            return;
        }
        if let Some(target) = target {
            self.counts.provisioned += 1;
            self.sent(person, &target, &given);
            self.references(person, target.id, &given);
        }
    }

    fn sent(&mut self, person: &Person, target: &ConnectorObject, given: &Given) {
        let expected = target.expected();
        for (there, here) in IN_GRAPH {
            if kind(person) == "group" && there != "displayName" {
                continue;
            }
            let theirs = given.get(there).map(plain).unwrap_or_default();
            // What a user name may not hold, converted rules leave out by other means than the service did.
            let is_plain = |value: &syncline::value::Value| {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'.-_!#^~@".contains(&byte);
                value.to_string().bytes().all(allowed)
            };
            if there != "userPrincipalName" || theirs.iter().all(is_plain) {
                let ours = expected.get(&AttributeName::from(here)).cloned().unwrap_or_default();
                self.value(person, &format!("{here} on its way out"), ours, theirs);
            }
        }
    }

    /// References lead to who has the name there, if the tenant has them here.
    fn references(&mut self, person: &Person, target: ObjectId, given: &Given) {
        for (there, here) in REFERENCES_IN_GRAPH {
            let names = given.get(there).map(plain).unwrap_or_default();
            let names = names.iter().map(|name| dn::normalise(&name.to_string()));
            let theirs: BTreeSet<ObjectId> = names.filter_map(|name| self.targets.get(&name)).copied().collect();
            let edges = self.draft.edges(target, &AttributeName::from(here)).unwrap();
            let wanted = edges.iter().filter(|(_, edge)| edge.pending == Some(EdgeChange::Add));
            let ours: BTreeSet<ObjectId> = wanted.map(|(to, _)| *to).collect();
            self.counts.references += theirs.len();
            for id in ours.symmetric_difference(&theirs) {
                let name = self.targets.iter().find(|(_, target)| *target == id).map(|(name, _)| name.as_str());
                let name = name.unwrap_or("somebody who is not there");
                let which = if ours.contains(id) { "too much" } else { "missing" };
                self.wrong.push(format!("{}: {here} {name} is {which}", person.dn));
            }
        }
    }

    fn value(&mut self, person: &Person, name: &str, ours: Values, theirs: Values) {
        self.counts.values += 1;
        if sorted(ours.clone()) != sorted(theirs.clone()) {
            self.wrong.push(format!("{}: {name} is {ours:?}, and not {theirs:?}", person.dn));
        }
    }
}

/// What an expression sees of a person, with the names that references lead to.
fn seen(person: &Person) -> Given {
    let mut attributes = person.attributes.clone();
    attributes.insert("dn".to_owned(), Value::Text(person.dn.clone()));
    for (name, to) in &person.references {
        let names: Vec<Value> = to.iter().map(|name| Value::Text(name.clone())).collect();
        let value = if name == "member" { Value::List(names) } else { names.into_iter().next().unwrap_or(Value::Null) };
        attributes.insert(name.clone(), value);
    }
    attributes
}

fn members(person: &Person) -> usize {
    person.references.get("member").map_or(0, Vec::len)
}

/// Its type in the metaverse.
fn kind(person: &Person) -> &'static str {
    if person.kind == "group" { "group" } else { "person" }
}
