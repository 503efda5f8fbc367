//! Who refers to an entry. An entry that comes into sight may have been referred to all along: by a name that it no longer
//! has, or that another had before; whoever refers to it is not told of as changed.

use std::collections::BTreeSet;

use ldap3::Scope as Reach;

use super::connection::Connection;
use super::{Flavour, Ldap, scope};
use crate::connector::{Anchor, ConnectorError};
use crate::value::AttributeName;

/// Attributes of Active Directory and the other ends of their links, which are read from the entry itself.
const BACK_LINKS: [(&str, &str); 3] =
    [("member", "memberOf"), ("manager", "directReports"), ("managedBy", "managedObjects")];

/// Names of entries that refer to each of these, and by which attribute.
pub(super) async fn find(
    source: &Ldap,
    connection: &mut Connection,
    attributes: &BTreeSet<AttributeName>,
    entries: &[(Anchor, String)],
) -> Result<Vec<(Anchor, AttributeName, Vec<String>)>, ConnectorError> {
    let mut found = Vec::new();
    for (anchor, name) in entries {
        for attribute in attributes {
            let back = BACK_LINKS.iter().find(|(forward, _)| *attribute == AttributeName::from(*forward));
            let names = match (source.flavour, back) {
                (Flavour::ActiveDirectory, Some((_, back))) => read(connection, anchor, back).await?,
                (Flavour::ActiveDirectory, None) | (Flavour::OpenLdap, _) => {
                    search(source, connection, attribute, name).await?
                }
            };
            found.push((anchor.clone(), attribute.clone(), names));
        }
    }
    Ok(found)
}

async fn read(connection: &mut Connection, anchor: &Anchor, back: &str) -> Result<Vec<String>, ConnectorError> {
    let base = format!("<GUID={anchor}>");
    let Some(mut entry) = connection.read(&base, &[back], Vec::new()).await? else { return Ok(Vec::new()) };
    // What cannot be read as one whole shows with the next whole import.
    let _ = connection.complete(&mut entry, &base).await?;
    Ok(entry.texts(back))
}

async fn search(
    source: &Ldap,
    connection: &mut Connection,
    attribute: &AttributeName,
    name: &str,
) -> Result<Vec<String>, ConnectorError> {
    let filter = format!("({attribute}={})", ldap3::ldap_escape(name));
    let mut names = Vec::new();
    for base in scope::of(source, connection)?.bases {
        let found = connection.search(&base, Reach::Subtree, &filter, &["1.1"], Vec::new(), 0).await?;
        names.extend(found.into_iter().map(|entry| entry.dn));
    }
    Ok(names)
}
