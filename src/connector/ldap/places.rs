//! Search bases by their anchors: a unit that is renamed or moved stays what it is, and so stays in scope, or out of it.

use std::collections::BTreeMap;

use super::connection::Connection;
use super::{Flavour, Ldap, entry, scope};
use crate::connector::{Anchor, ConnectorError};
use crate::dn;

/// The anchors of search bases and of what is left out, by the name in the settings (normalised).
pub type Anchors = BTreeMap<String, Anchor>;

/// Where search bases lie now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// To be remembered until the next time.
    pub anchors: Anchors,
    /// Search bases.
    pub include: Vec<String>,
    /// What is left out.
    pub exclude: Vec<String>,
    /// Which of them are called otherwise than the settings say, in a sentence each.
    pub warnings: Vec<String>,
}

/// Looks where the bases of the settings are. `known` are the anchors of the last time.
pub(super) async fn find(
    source: &Ldap,
    connection: &mut Connection,
    known: &Anchors,
) -> Result<Places, ConnectorError> {
    let mut places = Places::default();
    for base in &source.settings.include {
        places.include.extend(
            place(source, connection, known, ("include", base), &mut places.anchors, &mut places.warnings).await?,
        );
    }
    for base in &source.settings.exclude {
        places.exclude.extend(
            place(source, connection, known, ("exclude", base), &mut places.anchors, &mut places.warnings).await?,
        );
    }
    Ok(places)
}

/// The names of one base: as the settings spell it, or where the entry that was meant is now. When another entry has
/// taken its name, both count.
async fn place(
    source: &Ldap,
    connection: &mut Connection,
    known: &Anchors,
    (setting, base): (&str, &String),
    anchors: &mut Anchors,
    warnings: &mut Vec<String>,
) -> Result<Vec<String>, ConnectorError> {
    let key = dn::normalise(base);
    let wanted = [entry::anchor_attribute(source.flavour)];
    let here = connection.read(base, &wanted, Vec::new()).await?;
    let here = here.and_then(|entry| entry::anchor_of(&entry).ok().flatten());
    let meant = known.get(&key).filter(|meant| here.as_ref() != Some(*meant));
    let moved = match meant {
        Some(meant) => name_of(source, connection, meant).await?,
        None => None,
    };
    let Some(name) = moved else {
        anchors.extend(here.or_else(|| known.get(&key).cloned()).map(|anchor| (key, anchor)));
        return Ok(vec![base.clone()]);
    };
    anchors.extend(meant.map(|meant| (key, meant.clone())));
    let stays = if setting == "include" { "stays in scope" } else { "stays left out" };
    let mut warning = format!("`{base}` is called `{name}` now and {stays}; write the new name into `{setting}`");
    if here.is_none() {
        warnings.push(warning);
        return Ok(vec![name]);
    }
    warning.push_str("; another entry has taken the old name, and counts as well");
    warnings.push(warning);
    Ok(vec![name, base.clone()])
}

/// What the entry with an anchor is called, if it is there.
async fn name_of(
    source: &Ldap,
    connection: &mut Connection,
    anchor: &Anchor,
) -> Result<Option<String>, ConnectorError> {
    if source.flavour == Flavour::ActiveDirectory {
        let found = connection.read(&format!("<GUID={anchor}>"), &["1.1"], Vec::new()).await?;
        return Ok(found.map(|entry| entry.dn));
    }
    let filter = format!("(entryUUID={})", ldap3::ldap_escape(anchor.0.as_str()));
    for suffix in scope::suffixes(source.flavour, connection) {
        let found = connection.search(&suffix, ldap3::Scope::Subtree, &filter, &["1.1"], Vec::new(), 1).await?;
        if let Some(entry) = found.into_iter().next() {
            return Ok(Some(entry.dn));
        }
    }
    Ok(None)
}
