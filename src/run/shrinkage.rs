//! Shrinkage: an import that shows far fewer objects than there were, or far fewer values of an attribute, is not
//! believed before a person has looked at the directory. Nothing is derived from it.
//!
//! Objects are compared with the connector space. Values are compared with a census of the last import that was
//! believed: the images themselves are those of the directory at once, and say nothing about before.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RunError;
use super::session::Session;
use super::wanted::Wanted;
use crate::change::Change;
use crate::config::{Limit, Limited};
use crate::connector_space::{ConnectorObject, ExportState, ImportedObject, ObjectId, Operation};
use crate::rules::Direction;
use crate::store::Draft;
use crate::sync::ledger::View as _;
use crate::value::AttributeName;

/// Fewer are never far fewer, whatever share they are.
const FEWEST: usize = 10;

/// What an import shows far fewer of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shrunk {
    /// The connector.
    pub connector: String,
    /// The type of the objects.
    pub object_type: String,
    /// The attribute; nothing when objects are missing.
    pub attribute: Option<AttributeName>,
    /// How many there were.
    pub before: usize,
    /// How many fewer there are.
    pub lost: usize,
    /// How many fewer there may be.
    pub limit: usize,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shrunk { connector, object_type, .. } = self;
        let number = |count: usize| super::thousands(u64::try_from(count).unwrap_or(u64::MAX));
        let (before, lost, limit) = (number(self.before), number(self.lost), number(self.limit));
        match &self.attribute {
            Some(name) => {
                write!(
                    f,
                    "`{connector}` shows no `{name}` any more for {lost} of {before} {object_type}s that had one"
                )?;
            }
            None => write!(f, "`{connector}` does not show {lost} of {before} {object_type}s")?,
        }
        write!(f, " (limit {limit})")
    }
}

/// How many objects an import showed, and how many of them had each attribute, by type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Census(BTreeMap<String, (usize, BTreeMap<AttributeName, usize>)>);

impl Census {
    pub(super) fn count(&mut self, object: &ImportedObject) {
        let (objects, attributes) = match self.0.get_mut(&object.object_type) {
            Some(counts) => counts,
            None => self.0.entry(object.object_type.clone()).or_default(),
        };
        *objects += 1;
        let referring = object.references.iter().filter(|(_, targets)| !targets.is_empty()).map(|(name, _)| name);
        for name in object.attributes.keys().chain(referring) {
            match attributes.get_mut(name) {
                Some(count) => *count += 1,
                None => {
                    attributes.insert(name.clone(), 1);
                }
            }
        }
    }
}

fn limit_of(limit: Limit, before: usize) -> Option<usize> {
    let share = Limit { count: None, ..limit }.of(before).map(|share| share.max(FEWEST));
    limit.count.into_iter().chain(share).min()
}

/// What an import shows far fewer of. Of one that is not complete, nothing follows from objects that it does not show.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn find(
    session: &Session,
    connector: &str,
    wanted: &Wanted,
    census: &Census,
    seen: Option<&HashSet<ObjectId>>,
) -> Result<Vec<Shrunk>, RunError> {
    let draft = session.store.draft();
    let before: Census = draft.fact(&key(connector))?.unwrap_or_default();
    let mut found = Vec::new();
    for object_type in wanted.request.types.keys() {
        let limit = session.config.limits.of(Limited::Shrinkage, connector, object_type);
        let mut tell = |attribute: Option<&AttributeName>, before: usize, lost: usize| {
            if let Some(limit) = limit_of(limit, before).filter(|limit| lost > *limit) {
                let (connector, object_type) = (connector.to_owned(), object_type.clone());
                found.push(Shrunk { connector, object_type, attribute: attribute.cloned(), before, lost, limit });
            }
        };
        if let Some(seen) = seen {
            let (mut there, mut lost) = (0, 0);
            draft.each_object(connector, object_type, |object| {
                there += usize::from(is_expected(&object));
                lost += usize::from(is_expected(&object) && !seen.contains(&object.id));
            })?;
            tell(None, there, lost);
        }
        let nothing = (0, BTreeMap::new());
        let (was, had) = before.0.get(object_type).unwrap_or(&nothing);
        let (is, have) = census.0.get(object_type).unwrap_or(&nothing);
        for name in compared(session, connector, object_type).iter().filter(|name| wanted.asks_for(object_type, name)) {
            // As many as there would be among so many objects.
            let expected = had.get(name).map_or(0, |had| had * is / (*was).max(1));
            tell(Some(name), expected, expected.saturating_sub(have.get(name).copied().unwrap_or(0)));
        }
    }
    Ok(found)
}

/// Why a directory that says by itself that so many objects are gone is not believed without a look at all of it; nothing
/// when it is.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn doubts(
    session: &Session,
    connector: &str,
    wanted: &Wanted,
    gone: usize,
) -> Result<Option<String>, RunError> {
    if gone == 0 || session.believed.contains(connector) {
        return Ok(None);
    }
    let census: Census = session.store.draft().fact(&key(connector))?.unwrap_or_default();
    for object_type in wanted.request.types.keys() {
        let before = census.0.get(object_type).map_or(0, |(objects, _)| *objects);
        let limit = session.config.limits.of(Limited::Shrinkage, connector, object_type);
        if let Some(limit) = limit_of(limit, before).filter(|limit| before > 0 && gone > *limit) {
            return Ok(Some(format!("it says that {gone} objects are gone, more than {limit}")));
        }
    }
    Ok(None)
}

/// Whether an import should show an object: it has been there, and we did not delete it.
fn is_expected(object: &ConnectorObject) -> bool {
    let deleted = object.export.as_ref().is_some_and(|export| {
        export.operation == Operation::Delete && matches!(export.state, ExportState::Exported | ExportState::InFlight)
    });
    object.anchor.is_some() && !object.missing && !deleted
}

/// What inbound rules read, without what outbound rules write: that changes because we want it to.
fn compared(session: &Session, connector: &str, object_type: &str) -> BTreeSet<AttributeName> {
    let mut names: BTreeSet<AttributeName> =
        session.rules.inbound(connector, object_type).flat_map(|rule| rule.footprint.reads()).collect();
    for rule in session.rules.rules() {
        if matches!(&rule.header.direction, Direction::Outbound { to, .. } if to.connector == connector) {
            rule.footprint.writes.keys().for_each(|name| {
                names.remove(name);
            });
        }
    }
    names
}

fn key(connector: &str) -> String {
    format!("census/{connector}")
}

fn since_key(connector: &str) -> String {
    format!("shrunk/{connector}")
}

/// An import was believed: the next one is compared with it.
///
/// # Errors
/// When the store cannot be written.
pub(super) fn accept(draft: &mut Draft<'_>, connector: &str, census: &Census) -> Result<(), RunError> {
    draft.put_fact(&key(connector), census)?;
    Ok(draft.remove_fact(&since_key(connector))?)
}

/// An import was not believed: remembers after which journal entry the first of them in a row came.
///
/// # Errors
/// When the store cannot be written.
pub(super) fn refuse(draft: &mut Draft<'_>, connector: &str, journal: u64) -> Result<(), RunError> {
    let key = since_key(connector);
    if draft.fact::<u64>(&key)?.is_none() {
        draft.put_fact(&key, &journal)?;
    }
    Ok(())
}

/// Connectors of which an earlier import was not believed, and nobody has looked since, in a sentence each.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn unbelieved(session: &Session) -> Result<Vec<String>, RunError> {
    let draft = session.store.draft();
    let mut found = Vec::new();
    for (name, _) in &session.config.connectors {
        if draft.fact::<u64>(&since_key(name))?.is_some() && !session.believed.contains(name) {
            found.push(format!("`{name}` showed far fewer than before, and nobody has looked yet"));
        }
    }
    Ok(found)
}

/// One line of the list of who is concerned.
#[derive(Serialize)]
struct Line<'a> {
    connector: &'a str,
    object_type: &'a str,
    name: String,
    /// The attribute that is empty now; nothing for an object that is not shown.
    attribute: Option<&'a AttributeName>,
}

/// Writes who is concerned, one JSON object a line: objects that were not shown (`seen` are those that were), and
/// objects that had a value.
///
/// # Errors
/// When the store cannot be read, or the file cannot be written.
pub(super) fn write_list(
    session: &Session,
    path: &Path,
    shrunk: &[Shrunk],
    seen: Option<&HashSet<ObjectId>>,
) -> Result<(), RunError> {
    let failed = |error: std::io::Error| RunError::Unknown(format!("cannot write `{}`: {error}", path.display()));
    let mut file = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    let mut write = |line: &Line<'_>| -> Result<(), RunError> {
        serde_json::to_writer(&mut file, line).map_err(std::io::Error::other).map_err(failed)?;
        file.write_all(b"\n").map_err(failed)
    };
    let draft = session.store.draft();
    for Shrunk { connector, object_type, attribute, .. } in shrunk {
        if let (None, Some(seen)) = (attribute, seen) {
            let mut written = Ok(());
            draft.each_object(connector, object_type, |object| {
                if written.is_ok() && is_expected(&object) && !seen.contains(&object.id) {
                    written = write(&Line { connector, object_type, name: object.title(), attribute: None });
                }
            })?;
            written?;
        }
    }
    for connector in shrunk.iter().map(|shrunk| shrunk.connector.as_str()).collect::<BTreeSet<_>>() {
        emptied(&draft, connector, shrunk, |object, name| {
            let object_type = &object.object_type;
            write(&Line { connector, object_type, name: object.title(), attribute: Some(name) })
        })?;
    }
    file.flush().map_err(failed)
}

/// Visits each object of a connector with each attribute that it had before the imports that are not believed, once.
fn emptied(
    draft: &Draft<'_>,
    connector: &str,
    shrunk: &[Shrunk],
    mut visit: impl FnMut(&ConnectorObject, &AttributeName) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let Some(mut number) = draft.fact::<u64>(&since_key(connector))? else { return Ok(()) };
    let mut told = BTreeSet::new();
    while let Some(entry) = draft.journal_entry(number + 1)? {
        number += 1;
        for (id, before) in entry.changes.iter().filter_map(changed) {
            let Some(object) = draft.object(id)?.filter(|object| object.connector == connector) else { continue };
            let asked = |name: &AttributeName| {
                let of_type = |one: &&Shrunk| one.connector == connector && one.object_type == object.object_type;
                shrunk.iter().filter(of_type).any(|one| one.attribute.as_ref() == Some(name))
            };
            for (name, _) in before.iter().filter(|(name, values)| !values.is_empty() && asked(name)) {
                if !object.image.contains_key(name) && told.insert((id, name.clone())) {
                    visit(&object, name)?;
                }
            }
        }
    }
    Ok(())
}

fn changed(change: &Change) -> Option<(ObjectId, &Vec<(AttributeName, crate::value::Values)>)> {
    match change {
        Change::Changed(id, before) => Some((*id, before)),
        _ => None,
    }
}

/// Where the list of a run is.
pub(super) fn path_of(session: &Session, connector: &str, run: u64) -> PathBuf {
    session.config.store_folder.join(format!("shrunk-{run}-{connector}.jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_never_far_fewer_unless_a_number_says_so() {
        let share = Limit { count: None, percent: Some(20) };
        assert_eq!([3, 40, 100, 1_000].map(|before| limit_of(share, before)), [10, 10, 20, 200].map(Some));
        assert_eq!(limit_of(Limit { count: Some(2), ..share }, 1_000), Some(2));
        assert_eq!(limit_of(Limit { count: None, percent: None }, 1_000), None);
    }
}
