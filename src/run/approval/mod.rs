//! Approval of plans, and of what the guard stopped: a person signs what they think of a file, and a run does it only when
//! that comes to a yes. Statements lie beside the file, and may come another way than through this machine.
//!
//! [`statement`] is what is signed, [`standing`] what it comes to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::RunError;
use super::audit::{Begun, Deed, Entry, Log, Outcome, sha256};
use super::guard::{self, Endangered};
use super::plan::SavedPlan;
use super::who::Who;
use crate::config::{Approval, Config};
use crate::connector::secret::Secret;
use crate::connector_space::ObjectId;
use crate::signature::{SecretKey, SignatureError};
use standing::{Judge, Refusal, statement_path};
use statement::{Says, Statement};

pub mod standing;
pub mod statement;
#[cfg(test)]
mod tests;

/// What may be approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A plan that `plan --out` wrote.
    Plan,
    /// A list that the guard wrote.
    List,
}

/// A file that waits for a word. It is read once: what is proved is what is done.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where it is.
    pub path: PathBuf,
    /// What it is said to be.
    pub kind: Kind,
    /// SHA-256 of its bytes.
    pub sha256: String,
    bytes: Vec<u8>,
}

impl Subject {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path, kind: Kind) -> Result<Subject, RunError> {
        let failed = |error| RunError::Unknown(format!("`{}` cannot be read: {error}", path.display()));
        let bytes = std::fs::read(path).map_err(failed)?;
        Ok(Subject { path: path.to_owned(), kind, sha256: sha256(&bytes), bytes })
    }

    /// Reads what a person names: a plan, a list, or the number of a run that the guard stopped.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn named(config: &Config, name: &str) -> Result<Subject, RunError> {
        if let Ok(run) = name.parse::<u64>() {
            return Subject::read(&guard::list_path(&config.store_folder, run), Kind::List);
        }
        let subject = Subject::read(Path::new(name), Kind::List)?;
        let is_plan = subject.bytes.starts_with(b"{\"version\":");
        Ok(Subject { kind: if is_plan { Kind::Plan } else { Kind::List }, ..subject })
    }

    /// The plan that it is.
    ///
    /// # Errors
    /// When it is none, or was damaged.
    pub fn plan(&self) -> Result<SavedPlan, RunError> {
        SavedPlan::parse(&self.path, &self.bytes)
    }

    /// The list that it is.
    ///
    /// # Errors
    /// When it is none.
    pub fn list(&self) -> Result<Vec<Endangered>, RunError> {
        guard::parse_list(&self.path, &self.bytes)
    }

    fn entry(&self, deed: Deed, signatures: Vec<String>) -> Entry {
        Entry { deed, subject: self.path.display().to_string(), sha256: Some(self.sha256.clone()), signatures }
    }
}

/// Writes a file, whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let failed = |error: std::io::Error| RunError::Unknown(format!("cannot write `{}`: {error}", path.display()));
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    std::fs::write(&fresh, bytes).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)
}

/// Fetches a secret where nothing else is open.
///
/// # Errors
/// When it cannot be fetched.
pub fn fetch(secret: &Secret) -> Result<Zeroizing<String>, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| RunError::Runtime(error.to_string()))?;
    runtime.block_on(secret.fetch()).map_err(|error| RunError::Unknown(error.to_string()))
}

/// Keeps a plan, signed with a person's key or else the installation's, if there is one. Gives what was signed.
///
/// # Errors
/// When the key is not one of the configuration's, or a file cannot be written.
pub fn keep(
    config: &Config,
    plan: &SavedPlan,
    path: &Path,
    who: &Who,
    key: Option<&SecretKey>,
) -> Result<Option<Statement>, RunError> {
    let bytes = plan.to_bytes()?;
    let signed = match (key, &config.approval) {
        (Some(key), Some(approval)) => Some(made(&signer(approval, key, None)?, key, &bytes)?),
        (Some(key), None) => Some(made(&who.name, key, &bytes)?),
        (None, Some(approval)) => match installation_key(approval)? {
            Some(key) => Some(made(&who.name, &key, &bytes)?),
            None => None,
        },
        (None, None) => None,
    };
    write_whole(path, &bytes)?;
    let beside = statement_path(path, None);
    match &signed {
        Some((_, text)) => write_whole(&beside, text.as_bytes())?,
        // That of a plan which was here before would make this one look altered.
        None if beside.exists() => std::fs::remove_file(&beside)
            .map_err(|error| RunError::Unknown(format!("cannot remove `{}`: {error}", beside.display())))?,
        None => {}
    }
    Ok(signed.map(|(statement, _)| statement))
}

fn made(by: &str, key: &SecretKey, bytes: &[u8]) -> Result<(Statement, String), RunError> {
    let statement = Statement::now(Says::Made, by, bytes, None);
    let text = statement.sign(key, bytes)?;
    Ok((statement, text))
}

fn installation_key(approval: &Approval) -> Result<Option<SecretKey>, RunError> {
    let (Some(secret), Some(public)) = (&approval.secret_key, &approval.installation) else { return Ok(None) };
    let wrong = |error: SignatureError| RunError::Unknown(format!("`approval.secret_key` {error}"));
    let key = SecretKey::read(&fetch(secret)?, None).map_err(wrong)?;
    if key.public().map_err(wrong)? != *public {
        return Err(RunError::Unknown("`approval.secret_key` is not the key that `public_key` belongs to".into()));
    }
    Ok(Some(key))
}

/// The person whose key this is.
///
/// # Errors
/// When it is nobody's, or not of the person who was named.
fn signer(approval: &Approval, key: &SecretKey, named: Option<&str>) -> Result<String, RunError> {
    let public = key.public().map_err(|error| RunError::Unknown(format!("the key {error}")))?;
    match (approval.person_with(&public.id()).filter(|(_, known)| **known == public), named) {
        (None, _) => Err(RunError::Unknown(format!("key {} belongs to nobody in `approval.people`", public.id()))),
        (Some((name, _)), Some(named)) if name != named => {
            Err(RunError::Unknown(format!("this is the key of `{name}`, not of `{named}`")))
        }
        (Some((name, _)), _) => Ok(name.to_owned()),
    }
}

/// What a person thinks of a file.
pub struct Word<'a> {
    /// What they say.
    pub says: Says,
    /// With which key.
    pub key: &'a SecretKey,
    /// Who they say they are; the key must be theirs.
    pub named: Option<&'a str>,
    /// Why.
    pub reason: Option<String>,
}

/// Signs what a person thinks of a file, and keeps it beside the file. Gives who it was, and where it is.
///
/// # Errors
/// When the key is nobody's, they may not approve this, or it cannot be written.
pub fn decide(config: &Config, subject: &Subject, word: Word<'_>) -> Result<(String, PathBuf), RunError> {
    let nobody = || RunError::Unknown("nobody approves anything here: `[approval]` is not in the configuration".into());
    let approval = config.approval.as_ref().ok_or_else(nobody)?;
    let name = signer(approval, word.key, word.named)?;
    if word.says == Says::Approved {
        let made = match subject.kind {
            Kind::Plan => Some(standing::made(approval, subject)?.map_err(refused)?.statement),
            Kind::List => None,
        };
        if let Some(why) = (Judge { approval, made, asks: None }).first_person(&name) {
            let why = format!("`{}` needs a second person, and {name} {why}", subject.path.display());
            return Err(RunError::NotApproved { why, hint: "`second_person` of `[approval]` asks for that".into() });
        }
    }
    let statement = Statement::now(word.says, &name, &subject.bytes, word.reason);
    let text = statement.sign(word.key, &subject.bytes)?;
    let path = statement_path(&subject.path, Some(&name));
    // Where no runs are, the signature alone says it; the run that goes by it writes it down.
    if !config.store_folder.exists() {
        write_whole(&path, text.as_bytes())?;
        return Ok((name, path));
    }
    let deed = match word.says {
        Says::Approved | Says::Made => Deed::Approve,
        Says::Rejected => Deed::Reject,
        Says::Withdrawn => Deed::Withdraw,
    };
    let who = Who { name: name.clone(), account: statement.account };
    let begun = Log::beside(&config.store_folder).begin(who, subject.entry(deed, vec![text.clone()]))?;
    let written = write_whole(&path, text.as_bytes());
    begun.end(Outcome::of(&written), None)?;
    written.map(|()| (name, path))
}

fn refused(refusal: Refusal) -> RunError {
    RunError::NotApproved { why: refusal.why, hint: refusal.hint }
}

/// What a run was told to do, and may.
#[derive(Default)]
pub struct Admitted {
    /// A plan.
    pub plan: Option<SavedPlan>,
    /// Objects of a list that the guard wrote.
    pub allowed: BTreeSet<ObjectId>,
    begun: Vec<Begun>,
}

impl Admitted {
    /// Writes down something else that begins with it.
    ///
    /// # Errors
    /// When the log cannot be written; then it must not be done.
    pub fn begin(&mut self, config: &Config, who: Who, deed: Deed, subject: String) -> Result<(), RunError> {
        let entry = Entry { deed, subject, sha256: None, signatures: Vec::new() };
        self.begun.push(Log::beside(&config.store_folder).begin(who, entry)?);
        Ok(())
    }

    /// Writes down how it ended.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn end(&mut self, outcome: Outcome, note: Option<&str>) -> Result<(), RunError> {
        self.begun.drain(..).try_for_each(|begun| begun.end(outcome, note.map(str::to_owned)))
    }
}

/// Reads what a run was told to do, and writes down that it begins, or that it may not be done.
///
/// # Errors
/// When something cannot be read or may not be done, or the log cannot be written.
pub fn admit(config: &Config, who: &Who, files: &[(Kind, &Path)]) -> Result<Admitted, RunError> {
    let log = Log::beside(&config.store_folder);
    let (mut admitted, mut entries) = (Admitted::default(), Vec::new());
    for (kind, path) in files {
        let subject = Subject::read(path, *kind)?;
        let standing = standing::of(config, &subject, Some(who))?;
        let deed = if *kind == Kind::Plan { Deed::RunPlan } else { Deed::Allow };
        let entry = subject.entry(deed, standing.signatures);
        let told = match (standing.refusal, kind) {
            (Some(refusal), _) => Err(refused(refusal)),
            (None, Kind::Plan) => subject.plan().map(|plan| admitted.plan = Some(plan)),
            (None, Kind::List) => {
                subject.list().map(|list| admitted.allowed = list.into_iter().map(|object| object.id).collect())
            }
        };
        if let Err(error) = told {
            log.refused(who, &entry, &error.to_string())?;
            return Err(error);
        }
        entries.push(entry);
    }
    for entry in entries {
        admitted.begun.push(log.begin(who.clone(), entry)?);
    }
    Ok(admitted)
}
