//! The guard: how much may change in 24 hours, by connector, type and kind of change. Above that the run stops before any
//! of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::export::{self, ExportReport, Only};
use super::session::Session;
use super::{Progress, RunError, refusals};
use crate::config::Limited;
use crate::connector_space::{ConnectorObject, ObjectId, Operation, enables};
use crate::store::Draft;
use crate::sync::ledger::View as _;

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
    /// A creation.
    Create,
    /// A change that is none of these.
    Update,
    /// A reference that is added or removed.
    Members,
}

impl Danger {
    fn limited(self) -> Limited {
        match self {
            Danger::Delete => Limited::Deletes,
            Danger::Disable => Limited::Disables,
            Danger::Anchor => Limited::Anchors,
            Danger::Create => Limited::Creates,
            Danger::Update => Limited::Updates,
            Danger::Members => Limited::Members,
        }
    }
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

impl Endangered {
    /// Whether it is sent: another source anchor only if a person has looked at it.
    pub(super) fn is_sent(&self, allowed: &BTreeSet<ObjectId>) -> bool {
        self.danger != Danger::Anchor || allowed.contains(&self.id)
    }
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
            Danger::Create => {
                return format!(
                    "create {} {}s in `{}` (limit {} in 24 hours, {} before)",
                    self.now, self.object_type, self.connector, self.limit, self.before
                );
            }
            Danger::Update => "update",
            Danger::Members => {
                return format!(
                    "add or remove {} references of {}s in `{}` (limit {} in 24 hours, {} before)",
                    self.now, self.object_type, self.connector, self.limit, self.before
                );
            }
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
    if let Some((name, change)) = refusals::anchor_change(object) {
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

/// What an object's pending export comes to, dangerous or not.
fn deed(object: &ConnectorObject) -> Option<(Danger, String)> {
    danger(object).or_else(|| {
        let export = object.export.as_ref().filter(|export| export.is_due())?;
        if export.operation == Operation::Create {
            let rule = object.link.as_ref().map(|link| link.rule.as_str()).unwrap_or_default();
            return Some((Danger::Create, format!("{rule}.rhai provisions it")));
        }
        let (name, change) = export.changes.iter().find(|(_, change)| !change.sent)?;
        Some((Danger::Update, format!("{}.rhai:{} gives another `{name}`", change.rule, change.line)))
    })
}

/// What a run would do to a connector.
#[derive(Clone, Debug, Default)]
pub struct Intent {
    /// Everybody who would be deleted, disabled, or given another anchor.
    pub endangered: Vec<Endangered>,
    /// How many of each kind, by type: all, and those that a person has looked at.
    counts: BTreeMap<(String, Danger), (usize, usize)>,
}

/// What a run would do to a connector. `allowed` are objects that a person has looked at.
///
/// # Errors
/// When the store cannot be read.
pub fn intent(
    session: &Session,
    draft: &Draft<'_>,
    connector: &str,
    (allowed, only): (&BTreeSet<ObjectId>, Option<&Only>),
) -> Result<Intent, RunError> {
    let mut intent = Intent::default();
    draft.each_export(connector, |object| {
        let Some((danger, reason)) = deed(&object).filter(|_| export::is_among(only, object.id)) else { return };
        intent.count(&object.object_type, danger, allowed.contains(&object.id));
        if matches!(danger, Danger::Delete | Danger::Disable | Danger::Anchor) {
            intent.endangered.push(endangered(&object, danger, reason));
        }
    })?;
    if limits_members(session, connector)? {
        each_reference(draft, (connector, only), |object| {
            intent.count(&object.object_type, Danger::Members, allowed.contains(&object.id));
        })?;
    }
    Ok(intent)
}

impl Intent {
    fn count(&mut self, object_type: &str, danger: Danger, allowed: bool) {
        let (all, looked_at) = self.counts.entry((object_type.to_owned(), danger)).or_default();
        *all += 1;
        *looked_at += usize::from(allowed);
    }
}

fn endangered(object: &ConnectorObject, danger: Danger, reason: String) -> Endangered {
    Endangered { id: object.id, danger, object_type: object.object_type.clone(), name: object.title(), reason }
}

/// Counting references reads all that wait; without a limit nobody needs to know.
fn limits_members(session: &Session, connector: &str) -> Result<bool, RunError> {
    let types = session.directory(connector)?.object_types();
    let limits = &session.config.limits;
    Ok(types.iter().any(|object_type| limits.of(Limited::Members, connector, object_type).is_set()))
}

/// Visits the object of each reference of a connector that is due.
fn each_reference(
    draft: &Draft<'_>,
    (connector, only): (&str, Option<&Only>),
    mut visit: impl FnMut(&ConnectorObject),
) -> Result<(), RunError> {
    let mut after = None;
    let mut last: Option<ConnectorObject> = None;
    loop {
        let keys = draft.edge_exports(after.as_ref(), 5_000)?;
        for key in keys.iter().filter(|key| only.is_none_or(|only| only.has_reference(key))) {
            let (from, attribute, to) = key;
            if last.as_ref().is_none_or(|object| object.id != *from) {
                last = draft.object(*from)?;
            }
            let Some(object) = last.as_ref().filter(|object| object.connector == connector) else { continue };
            // One whose other end is not there yet waits, and is not sent.
            let there = || draft.object(*to).map(|other| other.is_some_and(|other| other.anchor.is_some()));
            if draft.edge(*from, attribute, *to)?.is_due() && object.anchor.is_some() && there()? {
                visit(object);
            }
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(()),
        }
    }
}

/// The limits that would be exceeded by what nobody has looked at.
///
/// # Errors
/// When the store cannot be read.
pub fn check(
    session: &Session,
    draft: &Draft<'_>,
    connector: &str,
    intent: &Intent,
) -> Result<Vec<Exceeded>, RunError> {
    let history: History = draft.fact(&format!("guard/{connector}"))?.unwrap_or_default();
    let since = now() - WINDOW;
    let mut exceeded = Vec::new();
    for ((object_type, danger), (all, looked_at)) in &intent.counts {
        let limit = session.config.limits.of(danger.limited(), connector, object_type);
        let now = all - looked_at;
        if now == 0 || !limit.is_set() {
            continue;
        }
        let same =
            |(when, of, what, _): &&(i64, String, Danger, usize)| *when >= since && of == object_type && what == danger;
        let before: usize = history.iter().filter(same).map(|(.., count)| count).sum();
        let population = match danger {
            Danger::Members => count_references(draft, connector, object_type)?,
            _ => draft.count_objects(connector, object_type)?,
        };
        let gone = if *danger == Danger::Delete { before } else { 0 };
        let Some(limit) = limit.of(population + gone) else { continue };
        if now + before > limit {
            exceeded.push(Exceeded {
                connector: connector.to_owned(),
                object_type: object_type.clone(),
                danger: *danger,
                now,
                before,
                population,
                limit,
            });
        }
    }
    Ok(exceeded)
}

/// How many references the objects of a type have.
fn count_references(draft: &Draft<'_>, connector: &str, object_type: &str) -> Result<usize, RunError> {
    let mut ids = Vec::new();
    draft.each_object(connector, object_type, |object| ids.push(object.id))?;
    let mut count = 0;
    for id in ids {
        for attribute in draft.reference_attributes(id)? {
            count += draft.edges(id, &attribute)?.iter().filter(|(_, edge)| edge.seen).count();
        }
    }
    Ok(count)
}

/// Exports what is due, or a part of it, and remembers it: before it is sent, for a run may break off. What is still due
/// afterwards was not done.
///
/// # Errors
/// As [`export::run`].
pub(super) fn export(
    session: &mut Session,
    connector: &str,
    (allowed, only): (&BTreeSet<ObjectId>, Option<&Only>),
    progress: &dyn Progress,
) -> Result<ExportReport, RunError> {
    let due = intent(session, &session.store.draft(), connector, (allowed, only))?;
    let time = now();
    rewrite(session, connector, |history| {
        history.retain(|(when, ..)| *when >= time - WINDOW);
        let mut counts: BTreeMap<(String, Danger), usize> = BTreeMap::new();
        for object in due.endangered.iter().filter(|object| object.is_sent(allowed)) {
            *counts.entry((object.object_type.clone(), object.danger)).or_insert(0) += 1;
        }
        let harmless = |danger: &Danger| matches!(danger, Danger::Create | Danger::Update | Danger::Members);
        let others = due.counts.iter().filter(|((_, danger), _)| harmless(danger));
        counts.extend(others.map(|(kind, (all, _))| (kind.clone(), *all)));
        history.extend(counts.into_iter().map(|((object_type, danger), count)| (time, object_type, danger, count)));
    })?;
    let exported = export::run(session, connector, (allowed, only), progress)?;
    let left = intent(session, &session.store.draft(), connector, (allowed, only))?;
    rewrite(session, connector, |history| {
        for ((object_type, danger), (all, _)) in &left.counts {
            let same = |(_, of, what, _): &&mut (i64, String, Danger, usize)| of == object_type && what == danger;
            if let Some((.., count)) = history.iter_mut().rev().find(same) {
                *count = count.saturating_sub(*all);
            }
        }
        history.retain(|(.., count)| *count > 0);
    })?;
    Ok(exported)
}

fn rewrite(session: &mut Session, connector: &str, change: impl FnOnce(&mut History)) -> Result<(), RunError> {
    let key = format!("guard/{connector}");
    let mut history: History = session.store.draft().fact(&key)?.unwrap_or_default();
    change(&mut history);
    session.remember(&key, &history)
}

/// Why so many, how many, and the first of them.
pub type ByReason = Vec<(String, usize, String)>;

/// Writes the list that `--allow` takes, one JSON object a line: those in danger, and all whose change is of a kind that
/// exceeds its limit. Says why, the most frequent reason first.
///
/// # Errors
/// When the store cannot be read, or the file cannot be written.
pub fn write_list(
    path: &Path,
    draft: &Draft<'_>,
    (connector, only): (&str, Option<&Only>),
    endangered: &[&Endangered],
    exceeded: &[Exceeded],
) -> Result<ByReason, RunError> {
    let failed = |error: std::io::Error| RunError::Unknown(format!("cannot write `{}`: {error}", path.display()));
    let mut list =
        List { file: BufWriter::new(std::fs::File::create(path).map_err(failed)?), reasons: BTreeMap::new() };
    let mut written = Ok(());
    for object in endangered {
        list.add(object).map_err(failed)?;
    }
    let asked = |object: &ConnectorObject, danger: Danger| {
        exceeded.iter().any(|exceeded| exceeded.danger == danger && exceeded.object_type == object.object_type)
    };
    draft.each_export(connector, |object| {
        let among = deed(&object).filter(|_| export::is_among(only, object.id));
        let harmless = among.filter(|(danger, _)| matches!(danger, Danger::Create | Danger::Update));
        if let Some((danger, reason)) = harmless.filter(|(danger, _)| asked(&object, *danger) && written.is_ok()) {
            written = list.add(&self::endangered(&object, danger, reason));
        }
    })?;
    if exceeded.iter().any(|exceeded| exceeded.danger == Danger::Members) {
        let mut last = None;
        each_reference(draft, (connector, only), |object| {
            if last.replace(object.id) != Some(object.id) && asked(object, Danger::Members) && written.is_ok() {
                written = list.add(&self::endangered(object, Danger::Members, "its references change".into()));
            }
        })?;
    }
    written.and_then(|()| list.file.flush()).map_err(failed)?;
    let mut reasons: ByReason =
        list.reasons.into_iter().map(|(reason, (count, first))| (reason, count, first)).collect();
    reasons.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    Ok(reasons)
}

/// A list that is being written.
struct List {
    file: BufWriter<std::fs::File>,
    reasons: BTreeMap<String, (usize, String)>,
}

impl List {
    fn add(&mut self, object: &Endangered) -> std::io::Result<()> {
        self.reasons.entry(object.reason.clone()).or_insert_with(|| (0, object.name.clone())).0 += 1;
        serde_json::to_writer(&mut self.file, object)?;
        self.file.write_all(b"\n")
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A list that says the same as the one before is not kept twice: cycles come often, and a person looks at one of them. Gives
/// which one to look at.
///
/// # Errors
/// When the store fails.
pub(super) fn settle_list(session: &mut Session, connector: &str, path: PathBuf) -> Result<PathBuf, RunError> {
    let key = format!("stopped/{connector}");
    let before: Option<PathBuf> = session.store.draft().fact(&key)?;
    if let Some(before) = before.filter(|before| *before != path) {
        let same = std::fs::read(&before).ok().zip(std::fs::read(&path).ok()).is_some_and(|(was, is)| was == is);
        if same {
            // A second copy does no harm.
            let _ = std::fs::remove_file(&path);
            return Ok(before);
        }
    }
    session.remember(&key, &path)?;
    Ok(path)
}

/// Where the list of a run is.
pub fn list_path(store_folder: &Path, run: u64) -> PathBuf {
    store_folder.join(format!("stopped-{run}.jsonl"))
}

/// Reads the text of such a list.
///
/// # Errors
/// When a line is not from such a list.
pub fn parse_list(path: &Path, text: &[u8]) -> Result<Vec<Endangered>, RunError> {
    let mut objects = Vec::new();
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
        objects.push(serde_json::from_slice(line).map_err(|_| {
            let place = format!("`{}` line {}", path.display(), number + 1);
            RunError::Unknown(format!(
                "{place} is not from a list that the guard wrote (`stopped-N.jsonl` in the store's folder)"
            ))
        })?);
    }
    Ok(objects)
}
