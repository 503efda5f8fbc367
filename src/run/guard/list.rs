//! The list of those whom a run that was stopped would have changed: a person looks at it, and gives it to `--allow`.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::Exceeded;
use super::intent::{self, Danger, Endangered, deed, each_reference};
use crate::connector_space::ConnectorObject;
use crate::run::RunError;
use crate::run::export::{self, Only};
use crate::run::session::Session;
use crate::store::Draft;

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
            written = list.add(&intent::endangered(&object, danger, reason));
        }
    })?;
    if exceeded.iter().any(|exceeded| exceeded.danger == Danger::Members) {
        let mut last = None;
        each_reference(draft, (connector, only), |object| {
            if last.replace(object.id) != Some(object.id) && asked(object, Danger::Members) && written.is_ok() {
                written = list.add(&intent::endangered(object, Danger::Members, "its references change".into()));
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

/// A list that says the same as the one before is not kept twice: cycles come often, and a person looks at one of them. Gives
/// which one to look at.
///
/// # Errors
/// When the store fails.
pub(in crate::run) fn settle_list(session: &mut Session, connector: &str, path: PathBuf) -> Result<PathBuf, RunError> {
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
