//! The guard: how much may be deleted, disabled or given another anchor in 24 hours. Above that the run stops before any
//! of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::session::Session;
use super::{RunError, export};
use crate::connector_space::{ConnectorObject, ObjectId, Operation, enables};
use crate::store::Draft;

/// How long the guard remembers, in seconds.
const WINDOW: i64 = 24 * 60 * 60;

/// What the guard counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Danger {
    /// A deletion.
    Delete,
    /// An account that is switched off.
    Disable,
    /// An object that would get another source anchor, and so be somebody else's. Never done unless it was looked at.
    Anchor,
}

/// One object that is in danger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endangered {
    /// The object.
    pub id: ObjectId,
    /// What would happen.
    pub danger: Danger,
    /// Its type.
    pub object_type: String,
    /// What a person calls it.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A limit that a run would exceed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exceeded {
    /// The connector.
    pub connector: String,
    /// The object type.
    pub object_type: String,
    /// What.
    pub danger: Danger,
    /// How many now.
    pub now: usize,
    /// How many were done in the last 24 hours.
    pub before: usize,
    /// How many objects there are.
    pub population: usize,
    /// How many are allowed.
    pub limit: usize,
}

impl Exceeded {
    /// What a run would do: `delete 24 of 199 users in `entra` (limit 9 in 24 hours, 0 before)`.
    pub fn deed(&self) -> String {
        let what = match self.danger {
            Danger::Delete => "delete",
            Danger::Disable => "disable",
            Danger::Anchor => "give other anchors to",
        };
        format!(
            "{what} {} of {} {}s in `{}` (limit {} in 24 hours, {} before)",
            self.now, self.population, self.object_type, self.connector, self.limit, self.before
        )
    }
}

/// What was done when: (seconds since 1970, type, danger, how many).
type History = Vec<(i64, String, Danger, usize)>;

/// The danger that an object's pending export means.
pub fn danger(object: &ConnectorObject) -> Option<(Danger, String)> {
    let export = object.export.as_ref().filter(|export| export.is_due())?;
    if export.operation == Operation::Delete {
        return Some((Danger::Delete, export.reason.clone()));
    }
    if let Some((name, change)) = export::anchor_change(object) {
        return Some((Danger::Anchor, format!("{}.rhai:{} gives another `{name}`", change.rule, change.line)));
    }
    let unsent = export.changes.iter().filter(|(_, change)| !change.sent);
    let mut off = unsent.filter(|(name, change)| {
        let now = object.image.get(*name).and_then(|values| enables(name, values));
        enables(name, &change.values) == Some(false) && now == Some(true)
    });
    off.next().map(|(_, change)| {
        let reason =
            if change.line == 0 { export.reason.clone() } else { format!("{}.rhai:{}", change.rule, change.line) };
        (Danger::Disable, reason)
    })
}

/// Everything in danger in a connector.
///
/// # Errors
/// When the store cannot be read.
pub fn endangered(draft: &Draft<'_>, connector: &str) -> Result<Vec<Endangered>, RunError> {
    let mut found = Vec::new();
    draft.each_export(connector, |object| {
        if let Some((danger, reason)) = danger(&object) {
            let name = object.title();
            found.push(Endangered { id: object.id, danger, object_type: object.object_type, name, reason });
        }
    })?;
    Ok(found)
}

/// The limits that would be exceeded. `allowed` are objects that a person has looked at.
///
/// # Errors
/// When the store cannot be read.
pub fn check(
    session: &Session,
    draft: &Draft<'_>,
    connector: &str,
    endangered: &[Endangered],
    allowed: &BTreeSet<ObjectId>,
) -> Result<Vec<Exceeded>, RunError> {
    let history: History = draft.fact(&format!("guard/{connector}"))?.unwrap_or_default();
    let since = now() - WINDOW;
    let mut counts: BTreeMap<(String, Danger), usize> = BTreeMap::new();
    for object in endangered.iter().filter(|object| !allowed.contains(&object.id)) {
        *counts.entry((object.object_type.clone(), object.danger)).or_insert(0) += 1;
    }
    let mut exceeded = Vec::new();
    for ((object_type, danger), count) in counts {
        let same = |(when, of, what, _): &&(i64, String, Danger, usize)| {
            *when >= since && *of == object_type && *what == danger
        };
        let before: usize = history.iter().filter(same).map(|(.., count)| count).sum();
        let population = draft.count_objects(connector, &object_type)?;
        let limit = match danger {
            Danger::Delete => session.config.limits.deletes,
            Danger::Disable => session.config.limits.disables,
            Danger::Anchor => session.config.limits.anchors,
        };
        let limit = limit.of(population + before);
        if count + before > limit {
            exceeded.push(Exceeded {
                connector: connector.to_owned(),
                object_type,
                danger,
                now: count,
                before,
                population,
                limit,
            });
        }
    }
    Ok(exceeded)
}

/// Remembers what a run deletes and disables, before it does.
///
/// # Errors
/// When the store cannot be written.
pub fn remember(session: &mut Session, connector: &str, done: &[Endangered]) -> Result<(), RunError> {
    let mut draft = session.store.draft();
    let key = format!("guard/{connector}");
    let mut history: History = draft.fact(&key)?.unwrap_or_default();
    let time = now();
    history.retain(|(when, ..)| *when >= time - WINDOW);
    let mut counts: BTreeMap<(String, Danger), usize> = BTreeMap::new();
    for object in done {
        *counts.entry((object.object_type.clone(), object.danger)).or_insert(0) += 1;
    }
    history.extend(counts.into_iter().map(|((object_type, danger), count)| (time, object_type, danger, count)));
    draft.put_fact(&key, &history)?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Writes the list that `--allow-deletes` takes, one JSON object a line.
///
/// # Errors
/// When the file cannot be written.
pub fn write_list<'a>(path: &Path, endangered: impl Iterator<Item = &'a Endangered>) -> Result<(), RunError> {
    let mut text = String::new();
    for object in endangered {
        text.push_str(&serde_json::to_string(object).unwrap_or_default());
        text.push('\n');
    }
    std::fs::write(path, text).map_err(|error| RunError::Unknown(format!("cannot write `{}`: {error}", path.display())))
}

/// Reads such a list.
///
/// # Errors
/// When it cannot be read, or a line is not from such a list.
pub fn read_list(path: &Path) -> Result<BTreeSet<ObjectId>, RunError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| RunError::Unknown(format!("cannot read `{}`: {error}", path.display())))?;
    let mut ids = BTreeSet::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let object: Endangered = serde_json::from_str(line).map_err(|_| {
            let place = format!("`{}` line {}", path.display(), number + 1);
            RunError::Unknown(format!(
                "{place} is not from a list that the guard wrote (`deletes-N.jsonl` in the store's folder)"
            ))
        })?;
        ids.insert(object.id);
    }
    Ok(ids)
}
