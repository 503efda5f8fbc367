//! What the statements about a file come to: whether it may be done, and if not, why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::RunError;
use super::super::audit::{Log, now};
use super::super::who::Who;
use super::statement::{Doubt, Says, Signed, Statement};
use super::{Kind, Subject};
use crate::config::{Approval, Config};

/// Why something may not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Why.
    pub why: String,
    /// The way on.
    pub hint: String,
}

/// What somebody said last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What.
    #[serde(flatten)]
    pub statement: Statement,
    /// Why it does not count.
    pub void: Option<String>,
}

/// How a file stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Standing {
    /// Who made it, as its signature proves.
    pub made: Option<Statement>,
    /// What people said of it.
    pub decisions: Vec<Decision>,
    /// Statements beside it that prove nothing.
    pub doubts: Vec<String>,
    /// Why it may not be done; nothing if it may.
    pub refusal: Option<Refusal>,
    /// Every signature that was right.
    #[serde(skip)]
    pub(super) signatures: Vec<String>,
}

/// The file of a statement: `friday.plan.minisig` of who made it, `friday.plan.ben.minisig` of others.
pub(super) fn statement_path(path: &Path, person: Option<&str>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(person.map(|person| format!(".{person}")).unwrap_or_default());
    name.push(".minisig");
    name.into()
}

/// The text of a file, if it is there.
fn text_of(path: &Path) -> Result<Option<String>, RunError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RunError::Unknown(format!("`{}` cannot be read: {error}", path.display()))),
    }
}

/// Who made a plan, as its signature proves.
pub(super) fn made(approval: &Approval, subject: &Subject) -> Result<Result<Signed, Refusal>, RunError> {
    let beside = statement_path(&subject.path, None);
    let Some(text) = text_of(&beside)? else {
        return Ok(Err(Refusal {
            why: format!("`{}` is not signed", subject.path.display()),
            hint: "`plan --out FILE` signs with `secret_key` of `[approval]`, or with `--sign-with KEY`".into(),
        }));
    };
    Ok(match Signed::read(approval, &text, Some(&subject.bytes)) {
        Ok(signed) if signed.statement.says == Says::Made => Ok(signed),
        other => Err(Refusal {
            why: format!("`{}` {}", beside.display(), other.err().unwrap_or(Doubt::NotTheirs)),
            hint: "find out who touched it; `syncline plan --out FILE` makes a new plan".into(),
        }),
    })
}

/// What everybody said last: from statements beside the file, and from the log, for a rejection is not gone with its file.
fn said(
    approval: &Approval,
    subject: &Subject,
    log: &Log,
    doubts: &mut Vec<String>,
) -> Result<BTreeMap<String, Signed>, RunError> {
    let mut found = Vec::new();
    for line in log.read()?.into_iter().filter(|line| line.sha256.as_ref() == Some(&subject.sha256)) {
        let read = |text: &String| Signed::read(approval, text, Some(&subject.bytes)).ok();
        found.extend(line.signatures.iter().filter_map(read));
    }
    for name in approval.people.keys() {
        let path = statement_path(&subject.path, Some(name));
        let Some(text) = text_of(&path)? else { continue };
        match Signed::read(approval, &text, Some(&subject.bytes)) {
            Ok(signed) if signed.statement.by == *name => found.push(signed),
            other => doubts.push(format!("`{}` {}", path.display(), other.err().unwrap_or(Doubt::NotTheirs))),
        }
    }
    let mut last: BTreeMap<String, Signed> = BTreeMap::new();
    for signed in found.into_iter().filter(|signed| signed.statement.says != Says::Made) {
        let later = last.get(&signed.statement.by).is_none_or(|other| other.statement.at <= signed.statement.at);
        if later {
            last.insert(signed.statement.by.clone(), signed);
        }
    }
    Ok(last)
}

/// How a file stands. `asks` is who wants to do it now.
///
/// # Errors
/// When a statement or the log cannot be read.
pub fn of(config: &Config, subject: &Subject, asks: Option<&Who>) -> Result<Standing, RunError> {
    let mut standing = Standing::default();
    let Some(approval) = &config.approval else { return Ok(standing) };
    if subject.kind == Kind::Plan {
        match made(approval, subject)? {
            Ok(signed) => {
                standing.signatures.push(signed.signature);
                standing.made = Some(signed.statement);
            }
            Err(refusal) => standing.refusal = Some(refusal),
        }
    }
    let asks = asks.filter(|_| subject.kind == Kind::List);
    let judge = Judge { approval, made: standing.made.clone(), asks };
    let log = Log::beside(&config.store_folder);
    for signed in said(approval, subject, &log, &mut standing.doubts)?.into_values() {
        standing.signatures.push(signed.signature);
        let void = judge.void(&signed.statement);
        standing.decisions.push(Decision { statement: signed.statement, void });
    }
    if standing.refusal.is_none() {
        standing.refusal = judge.refusal(&subject.path, &standing.decisions);
    }
    Ok(standing)
}

/// Weighs statements.
pub(super) struct Judge<'a> {
    pub(super) approval: &'a Approval,
    /// Who made the plan.
    pub(super) made: Option<Statement>,
    /// Who wants to do what the guard stopped.
    pub(super) asks: Option<&'a Who>,
}

impl Judge<'_> {
    /// Why somebody is not a second person.
    pub(super) fn first_person(&self, name: &str) -> Option<&'static str> {
        let maker = self.made.as_ref().map(|made| Who { name: made.by.clone(), account: made.account.clone() });
        if !self.approval.second_person {
            None
        } else if maker.is_some_and(|maker| maker.is(name)) {
            Some("made it")
        } else if self.asks.is_some_and(|asks| asks.is(name)) {
            Some("asks to go on")
        } else {
            None
        }
    }

    /// Why an approval does not count.
    fn void(&self, statement: &Statement) -> Option<String> {
        let days = i64::from(self.approval.days);
        let age = now().as_second() - statement.at.as_second();
        match statement.says {
            Says::Approved if age > days * 24 * 60 * 60 => Some(format!("is older than {days} days")),
            Says::Approved => {
                self.first_person(&statement.by).map(|why| format!("does not count: {} {why}", statement.by))
            }
            Says::Made | Says::Rejected | Says::Withdrawn => None,
        }
    }

    fn refusal(&self, path: &Path, decisions: &[Decision]) -> Option<Refusal> {
        let path = path.display();
        let says = |what| decisions.iter().filter(move |decision| decision.statement.says == what);
        if let Some(Decision { statement, .. }) = says(Says::Rejected).next() {
            let reason = statement.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            return Some(Refusal {
                why: format!("`{path}` was rejected by {}{reason}", statement.by),
                hint: format!("{} may take that back: `syncline reject {path} --withdraw`", statement.by),
            });
        }
        let counted = says(Says::Approved).filter(|decision| decision.void.is_none()).count();
        let missing = self.approval.needed.saturating_sub(counted);
        if !self.approval.required || missing == 0 {
            return None;
        }
        let void = says(Says::Approved)
            .filter_map(|decision| Some(format!("; that of {} {}", decision.statement.by, decision.void.as_ref()?)));
        let void: String = void.collect();
        let names = self.approval.people.keys().map(String::as_str);
        let others: Vec<&str> = names.filter(|name| self.first_person(name).is_none()).collect();
        Some(Refusal {
            why: match missing {
                1 => format!("`{path}` waits for an approval{void}"),
                missing => format!("`{path}` waits for {missing} approvals{void}"),
            },
            hint: format!("`syncline approve {path} --key FILE`, by {}", others.join(" or ")),
        })
    }
}
