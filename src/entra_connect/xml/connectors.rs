//! Connectors: an `<ma-data>` each.
//!
//! Knows what they lead to and what they import. Reads no run profiles, and nothing that has the state of the server in it.

use std::collections::BTreeMap;

use super::tree::Element;
use super::{Reading, flag, guid, parameters, schema};
use crate::entra_connect::export::{Connector, ConnectorKind, Partition, TENANT_CONNECTOR, Unreadable};

/// Reads one.
pub(super) fn read(reading: &mut Reading, element: &Element) -> Result<Connector, Unreadable> {
    let id = guid(element.text_of("id"));
    let name = element.text_of("name").to_owned();
    if id.is_empty() {
        let message = format!("the connector `{name}` has no `<id>`");
        return Err(reading.unreadable(element.line, message, "rules name their connectors by it"));
    }
    let kind = kind(element, &id);
    let schema = schema::read(reading, element);
    let mut settings = settings(element);
    let partitions = element.below(["ma-partition-data"]).into_iter().flat_map(|all| all.all("partition"));
    let partitions = partitions.map(|part| partition(part, &mut settings.accounts)).collect();
    settings.accounts.sort();
    settings.accounts.dedup();
    Ok(Connector {
        id,
        name,
        kind,
        parameters: settings.values,
        accounts: settings.accounts,
        partitions,
        schema,
        selected: texts(element, ["attribute-inclusion"], "attribute"),
        features: features(element),
    })
}

fn kind(element: &Element, id: &str) -> ConnectorKind {
    let (category, subtype) = (element.text_of("category"), element.text_of("subtype"));
    let tenant = category == "Extensible2" && subtype == "Windows Azure Active Directory (Microsoft)";
    if tenant || id == TENANT_CONNECTOR {
        ConnectorKind::Entra
    } else if category == "AD" {
        ConnectorKind::ActiveDirectory
    } else {
        ConnectorKind::Other(category.to_owned())
    }
}

/// Parameters stand below an element that is called differently in every kind of connector, and accounts may stand
/// beside them too.
fn settings(element: &Element) -> parameters::Parameters {
    let mut found = parameters::Parameters::default();
    for part in element.all("private-configuration").flat_map(Element::everything) {
        match part.name.as_str() {
            "parameter-values" => {
                let parameters::Parameters { values, accounts } = parameters::read(part);
                found.values.extend(values);
                found.accounts.extend(accounts);
            }
            "forest-login-user" if !part.trimmed().is_empty() => found.accounts.push(part.trimmed().to_owned()),
            _ => {}
        }
    }
    found
}

fn partition(element: &Element, accounts: &mut Vec<String>) -> Partition {
    let mut values = BTreeMap::new();
    for list in element.all("parameter-values") {
        let found = parameters::read(list);
        values.extend(found.values);
        accounts.extend(found.accounts);
    }
    Partition {
        dn: element.text_of("name").to_owned(),
        // Where nothing is said it was never taken out.
        selected: element.child("selected").is_none_or(|selected| flag(&selected.text) == Some(true)),
        object_classes: texts(element, ["filter", "object-classes"], "object-class"),
        includes: texts(element, ["filter", "containers", "inclusions"], "inclusion"),
        excludes: texts(element, ["filter", "containers", "exclusions"], "exclusion"),
        parameters: values,
    }
}

/// The texts of a list. An empty one is kept: an inclusion of nothing in particular includes everything.
fn texts<const N: usize>(element: &Element, list: [&str; N], item: &str) -> Vec<String> {
    let items = element.below(list).into_iter().flat_map(|list| list.all(item));
    items.map(|item| item.trimmed().to_owned()).collect()
}

/// Features are switched on in parts like `<password-hash-sync-config><enabled>1</enabled>`.
fn features(element: &Element) -> BTreeMap<String, String> {
    let mut features = BTreeMap::new();
    for part in element.all("private-configuration").flat_map(Element::everything) {
        if let Some(feature) = part.name.strip_suffix("-config")
            && flag(part.text_of("enabled")) == Some(true)
        {
            features.insert(feature.to_owned(), "enabled".to_owned());
        }
    }
    if flag(element.text_of("password-sync-allowed")) == Some(true) {
        features.insert("password-sync".to_owned(), "enabled".to_owned());
    }
    features
}
