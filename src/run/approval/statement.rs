//! What somebody says of a file, signed: a signature of its bytes as minisign makes it, whose comment is the statement. So
//! `minisign -V` proves it, too, and shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::RunError;
use super::super::audit::{self, sha256};
use super::super::who::Who;
use crate::config::Approval;
use crate::signature::{SecretKey, Signature, SignatureError};

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Says {
    /// This file was made here.
    Made,
    /// It may be done.
    Approved,
    /// It must not be done.
    Rejected,
    /// Nothing any more: what was said before is taken back.
    Withdrawn,
}

impl Says {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Says::Made => "made",
            Says::Approved => "approved",
            Says::Rejected => "rejected",
            Says::Withdrawn => "withdrawn",
        }
    }
}

/// A statement: who says what of which bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// What.
    pub says: Says,
    /// Who: the person whose key signs; of the installation's key, who told it to.
    pub by: String,
    /// Their account on the machine where it was signed.
    pub account: String,
    /// When.
    pub at: Timestamp,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A statement with the signature that proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is said.
    pub statement: Statement,
    /// The text of the `.minisig` file.
    pub signature: String,
}

/// Why a statement proves nothing. Each follows the name of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// No statement at all.
    #[error("{0}")]
    Unreadable(SignatureError),
    /// Signed by a key that is not configured.
    #[error("is signed with key {0}, which `[approval]` does not know")]
    Stranger(String),
    /// The signature is of other bytes.
    #[error("does not fit: one of the two was altered after it was signed")]
    Altered,
    /// It was signed, but by somebody else than it says, or by one who may not say so.
    #[error("says what its key cannot say")]
    NotTheirs,
}

impl Statement {
    /// A statement of now.
    pub fn now(says: Says, by: &str, bytes: &[u8], reason: Option<String>) -> Statement {
        let who = Who::of(Some(by));
        Statement { says, by: who.name, account: who.account, at: audit::now(), sha256: sha256(bytes), reason }
    }

    /// Signs it together with the bytes. Gives the text of a `.minisig` file.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn sign(&self, key: &SecretKey, bytes: &[u8]) -> Result<String, RunError> {
        let comment = serde_json::to_string(self).map_err(|error| RunError::Unknown(error.to_string()))?;
        key.sign(bytes, &comment).map_err(|error| RunError::Unknown(format!("the key {error}")))
    }
}

impl Signed {
    /// Reads a statement and proves it by a key of the configuration: over the bytes, or over itself where they are not at
    /// hand.
    ///
    /// # Errors
    /// When it proves nothing.
    pub fn read(approval: &Approval, text: &str, bytes: Option<&[u8]>) -> Result<Signed, Doubt> {
        let signature = Signature::parse(text).map_err(Doubt::Unreadable)?;
        let id = signature.key_id();
        let person = approval.person_with(&id);
        let installation = approval.installation.as_ref().filter(|key| key.id() == id);
        let Some(key) = person.map(|(_, key)| key).or(installation) else { return Err(Doubt::Stranger(id)) };
        let proved = match bytes {
            Some(bytes) => signature.covers(key, bytes),
            None => signature.says(key),
        };
        if !proved {
            return Err(Doubt::Altered);
        }
        let statement: Statement = serde_json::from_str(signature.comment()).map_err(|_| Doubt::NotTheirs)?;
        // What people write is shown to others.
        let reason = statement.reason.map(|reason| reason.replace(char::is_control, " "));
        let statement = Statement { account: statement.account.replace(char::is_control, " "), reason, ..statement };
        let may = match person {
            Some((name, _)) => statement.by == name,
            None => statement.says == Says::Made,
        };
        match bytes {
            _ if !may => Err(Doubt::NotTheirs),
            Some(bytes) if statement.sha256 != sha256(bytes) => Err(Doubt::Altered),
            Some(_) | None => Ok(Signed { statement, signature: text.to_owned() }),
        }
    }
}
