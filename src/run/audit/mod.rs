//! The audit log: who decided or did what, and when. One JSON object a line, each with its own hash and that of the line
//! before, so that a line that was changed or taken out shows. What is about to be done is written first; if that cannot be
//! written, it is not done. No secrets and no values of attributes are in it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RunError;
use super::session::Session;
use super::who::Who;
use crate::connector_space::ObjectId;
use crate::store::{DraftWrites, private_folder};

#[cfg(test)]
mod tests;
mod verify;

pub use verify::Verdict;

/// What the first line has for the hash of the line before.
const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is decided or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// A person says that a plan or a list may be done.
    Approve,
    /// A person says that it must not.
    Reject,
    /// A person takes back what they said.
    Withdraw,
    /// A run does a plan that was kept.
    RunPlan,
    /// A run does what the guard stopped.
    Allow,
    /// What a run wrote is taken back.
    Undo,
    /// A target is written to from now on.
    GoLive,
    /// An installation that was staging writes from now on.
    Promote,
    /// It is staging again.
    PromoteBack,
    /// Objects of a target are ours.
    Adopt,
    /// Rules that waited, or vanished, are meant.
    AcceptRules,
    /// An object was linked by hand.
    Join,
    /// An object is kept apart.
    Disjoin,
    /// What was decided of an object by hand is left to the rules again.
    DisjoinUndo,
    /// Objects that no import shows are gone.
    Gone,
    /// A store was filled from decisions.
    RestoreDecisions,
    /// The state was made anew from a backup.
    Restore,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is about to be done.
    Begun,
    /// It is done.
    Done,
    /// The run stopped: the guard, a stage that went wrong, or something had changed.
    Stopped,
    /// It could not be done, or not all of it.
    Failed,
    /// It was not approved, and nothing was done.
    Refused,
}

impl Outcome {
    /// How something ended that can only be done or fail.
    pub fn of<T, E>(result: &Result<T, E>) -> Outcome {
        if result.is_ok() { Outcome::Done } else { Outcome::Failed }
    }
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What.
    pub deed: Deed,
    /// To what: a file, a connector, rules, the id of an object.
    pub subject: String,
    /// SHA-256 of the file.
    pub sha256: Option<String>,
    /// What people and the installation have signed about it.
    pub signatures: Vec<String>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its number, from 1.
    pub line: usize,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// Their account.
    pub account: String,
    /// What.
    pub deed: Deed,
    /// To what.
    pub subject: String,
    /// SHA-256 of the file that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The number of the line that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<usize>,
    /// What else there is to say: `run 12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Statements about the file, each the text of a `.minisig` file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
    /// The hash of the line before.
    pub before: String,
    /// SHA-256 of this line without this.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Now, to the second.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

/// The log of an installation.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
}

/// Something that was written down before it is done. Say how it ended.
#[must_use = "a line that begins something wants one that ends it"]
pub struct Begun {
    log: Log,
    who: Who,
    entry: Entry,
    line: usize,
}

impl Log {
    /// The log beside a store.
    pub fn beside(store_folder: &Path) -> Log {
        Log { path: store_folder.join("audit.jsonl") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down what is about to be done.
    ///
    /// # Errors
    /// When it cannot be written; then it must not be done.
    pub fn begin(&self, who: Who, entry: Entry) -> Result<Begun, RunError> {
        let line = self.append(&who, &entry, (Outcome::Begun, None), None)?;
        Ok(Begun { log: self.clone(), who, entry, line })
    }

    /// Writes down what was not done.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn refused(&self, who: &Who, entry: &Entry, why: &str) -> Result<(), RunError> {
        self.append(who, entry, (Outcome::Refused, None), Some(why.to_owned())).map(|_| ())
    }

    /// Adds a line. Gives its number.
    fn append(
        &self,
        who: &Who,
        entry: &Entry,
        (outcome, begun): (Outcome, Option<usize>),
        note: Option<String>,
    ) -> Result<usize, RunError> {
        let failed = |error: std::io::Error| {
            RunError::Audit(format!("the audit log `{}` cannot be written: {error}", self.path.display()))
        };
        if let Some(folder) = self.path.parent() {
            private_folder(folder).map_err(failed)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path).map_err(failed)?;
        // Others may write at the same time: `serve` beside commands.
        file.lock().map_err(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let lines = lines(&text);
        let line = Line {
            line: lines.len() + 1,
            at: now(),
            who: who.name.clone(),
            account: who.account.clone(),
            deed: entry.deed,
            subject: entry.subject.clone(),
            sha256: entry.sha256.clone(),
            outcome,
            begun,
            note,
            signatures: entry.signatures.clone(),
            before: lines.last().map_or_else(|| NONE.to_owned(), |last| mark(last)),
            hash: String::new(),
        };
        let mut fresh = with_hash(&bare(&line));
        fresh.push(b'\n');
        if !text.is_empty() && !text.ends_with(b"\n") {
            // The machine stopped within a line. It stays, for `--verify` to find.
            fresh.insert(0, b'\n');
        }
        file.write_all(&fresh).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(line.line)
    }

    fn text(&self) -> Result<Vec<u8>, RunError> {
        let mut text = Vec::new();
        match File::open(&self.path).and_then(|mut file| file.read_to_end(&mut text)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(RunError::Audit(format!("the audit log `{}` cannot be read: {error}", self.path.display())))
            }
            Ok(_) | Err(_) => Ok(text),
        }
    }

    /// Every line that can be read; `verify` says whether any cannot.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> Result<Vec<Line>, RunError> {
        let text = self.text()?;
        Ok(lines(&text).into_iter().filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

/// The lines of a text; the last one may lack its end.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    if whole.is_empty() { Vec::new() } else { whole.split(|byte| *byte == b'\n').collect() }
}

/// The text of a line without its hash.
fn bare(line: &Line) -> Vec<u8> {
    serde_json::to_vec(&Line { hash: String::new(), ..line.clone() }).unwrap_or_default()
}

/// A line with its hash at the end.
fn with_hash(bare: &[u8]) -> Vec<u8> {
    let open = bare.strip_suffix(b"}").unwrap_or(bare);
    [open, format!(",\"hash\":\"{}\"}}", sha256(bare)).as_bytes()].concat()
}

/// What the line after this one has to say of it.
fn mark(text: &[u8]) -> String {
    let said = serde_json::from_slice::<Line>(text).map(|line| line.hash).unwrap_or_default();
    if said.is_empty() { sha256(text) } else { said }
}

impl Begun {
    /// The log is beside another store from now on: its folder was renamed.
    pub(super) fn moving_to(self, store_folder: &Path) -> Begun {
        Begun { log: Log::beside(store_folder), ..self }
    }

    /// Writes down how it ended.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(self, outcome: Outcome, note: Option<String>) -> Result<(), RunError> {
        // The line that began it has the signatures.
        let entry = Entry { signatures: Vec::new(), ..self.entry };
        self.log.append(&self.who, &entry, (outcome, Some(self.line)), note).map(|_| ())
    }
}

/// The subject of a decision about objects: their ids, or how many they are.
pub fn objects(connector: &str, ids: &[ObjectId]) -> String {
    match ids.len() {
        0..=20 => ids.iter().fold(connector.to_owned(), |text, id| format!("{text} {id}")),
        many => format!("{connector}: {many} objects"),
    }
}

/// Commits what a person decided, and writes it down before and after.
///
/// # Errors
/// When it cannot be written down, and then nothing was committed; or when the store fails.
pub fn commit(session: &mut Session, writes: DraftWrites, deed: Deed, subject: String) -> Result<(), RunError> {
    let who = Who::of(session.who.as_deref());
    let entry = Entry { deed, subject, sha256: None, signatures: Vec::new() };
    let begun = Log::beside(&session.config.store_folder).begin(who, entry)?;
    let done = session.store.commit(writes);
    begun.end(Outcome::of(&done), None)?;
    done?;
    Ok(())
}
