//! The wire: what every directory kind offers to a run. Never sees the metaverse, the store or the rules.
//!
//! Reading order: this file (the words), [`secret`], [`schema`], then one folder a directory kind.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

pub use crate::connector_space::{Anchor, ImportedObject, Target};
use crate::value::{AttributeName, Attributes, Value, Values};

pub mod changes;
pub mod correlation;
pub mod directory;
pub mod expiry;
pub mod graph;
pub mod ldap;
pub mod ldif;
mod password;
pub mod schema;
pub mod secret;
pub mod target;

/// What to read: object types, and for each the attributes and references wanted besides anchor and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRequest {
    /// By object type.
    pub types: BTreeMap<String, BTreeSet<AttributeName>>,
}

/// What an import reports while it runs.
#[derive(Clone, Debug)]
pub enum ImportEvent {
    /// An object.
    Object(Box<ImportedObject>),
    /// Something was there but could not be read. It is not absent.
    Unreadable {
        /// The DN, anchor or line number.
        who: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The total, when the directory tells.
    Expected(u64),
}

/// Where an import puts its events. Bounded, so that a slow reader slows the directory down.
pub type ImportSink = mpsc::Sender<ImportEvent>;

/// How an import that got as far as talking to the directory ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportEnd {
    /// Everything in scope was delivered: what was not shown may be looked up and found deleted.
    Complete,
    /// Something was cut off; nothing may be inferred from absence. One reason a line.
    Incomplete(Vec<String>),
}

/// What a look-up by anchor found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there and inside the scope of the import.
    Present(Box<ImportedObject>),
    /// It is there, but outside the search bases or object types that the import covers. The text says where.
    OutOfScope(String),
    /// The directory says that it was deleted (a tombstone, a recycle bin), or proves its absence otherwise.
    Deleted,
    /// No trace. Lost rights look like this, so it proves nothing.
    NotFound,
}

/// One thing to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportItem {
    /// Which object of the connector space this is; outcomes carry it back.
    pub id: Uuid,
    /// The object type in the target: `user`, `group`.
    pub object_type: String,
    /// What to do.
    pub action: ExportAction,
    /// What is known of the objects that it is about.
    pub known: Known,
}

/// What the last import showed of the objects that an item is about, for directories that need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Their names, where objects have any.
    pub names: BTreeMap<Anchor, String>,
    /// The values of the attributes that change.
    pub before: Attributes,
    /// Where an entry that is renamed or deleted is named: anchor and name of the other entry, and the attribute.
    pub referrers: Vec<(Anchor, String, AttributeName)>,
}

impl ExportItem {
    /// An item of which nothing more is known.
    pub fn new(id: Uuid, object_type: &str, action: ExportAction) -> ExportItem {
        ExportItem { id, object_type: object_type.to_owned(), action, known: Known::default() }
    }
}

/// One request, as people see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RenderedRequest {
    /// `POST`, `PATCH`, `PUT`, `DELETE`; `add`, `modify`, `modrdn`, `delete` to an LDAP server.
    pub method: &'static str,
    /// Below `/v1.0`; to an LDAP server, the name of the entry.
    pub path: String,
    /// JSON. What must not be seen, such as a password, is put in when it is sent.
    pub body: Option<serde_json::Value>,
    /// The references that it is about.
    #[serde(skip)]
    pub targets: Vec<Anchor>,
    /// The characters of the password that it needs.
    #[serde(skip)]
    pub password: Option<u16>,
}

/// What to do with an object. References are written apart from attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportAction {
    /// Make it. Nested properties have dotted names.
    Create {
        /// All attributes.
        attributes: Attributes,
        /// Up to the target's limit of references that go along with the creation.
        references: BTreeMap<AttributeName, Vec<Anchor>>,
        /// A unique attribute by which the object can be found if the outcome is unknown.
        match_key: Option<(AttributeName, Value)>,
    },
    /// Take it out of the recycle bin; attributes are brought up to date by a later update.
    Restore {
        /// Which.
        anchor: Anchor,
    },
    /// Set attributes; an empty list clears.
    Update {
        /// Which.
        anchor: Anchor,
        /// New values.
        attributes: BTreeMap<AttributeName, Values>,
    },
    /// Delete it.
    Delete {
        /// Which.
        anchor: Anchor,
    },
    /// Add references, in the order given.
    AddReferences {
        /// Whose.
        anchor: Anchor,
        /// Which attribute: `members`, `manager`. For a single-valued one the last replaces what is there.
        attribute: AttributeName,
        /// To what.
        targets: Vec<Anchor>,
    },
    /// Remove references.
    RemoveReferences {
        /// Whose.
        anchor: Anchor,
        /// Which attribute.
        attribute: AttributeName,
        /// To what.
        targets: Vec<Anchor>,
    },
}

impl ExportAction {
    /// The object that it is about, if it is there already.
    pub fn owner(&self) -> Option<&Anchor> {
        match self {
            ExportAction::Create { .. } => None,
            ExportAction::Restore { anchor }
            | ExportAction::Update { anchor, .. }
            | ExportAction::Delete { anchor }
            | ExportAction::AddReferences { anchor, .. }
            | ExportAction::RemoveReferences { anchor, .. } => Some(anchor),
        }
    }
}

/// How one item ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportOutcome {
    /// The directory took it. A creation gives the new anchor.
    Done {
        /// The anchor of a created object.
        created: Option<Anchor>,
    },
    /// References of an add or remove: which were taken, and which were refused and why. Others count as temporary.
    References {
        /// Taken (or already so).
        done: Vec<Anchor>,
        /// Refused, with a message.
        refused: Vec<(Anchor, String)>,
    },
    /// The directory refuses it for a reason that a repetition will not change.
    Refused {
        /// The directory's own code: `Request_BadRequest`.
        code: String,
        /// What it says, in its words.
        message: String,
    },
    /// The directory takes no more objects. Nothing was written, and another creation would end alike.
    Full {
        /// What it says, in its words.
        message: String,
    },
    /// The object to update or delete is not there.
    Missing,
    /// Not now: throttled, unavailable, not yet visible. Nothing was written.
    Temporary {
        /// What it said.
        message: String,
    },
    /// It may or may not have been written; look it up before repeating.
    Unknown {
        /// What happened.
        message: String,
    },
}

/// What a target knows about itself that rules and checks need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantFacts {
    /// The display name of the tenant.
    pub name: String,
    /// Domains that user names may have.
    pub verified_domains: Vec<String>,
    /// The domain that is always there: `contoso.onmicrosoft.com`; that of an LDAP server's suffix.
    pub initial_domain: String,
    /// The suffix below which the entries of an LDAP server lie.
    #[serde(default)]
    pub base_dn: String,
    /// Whether a Microsoft synchronisation client is active in the tenant.
    pub synced_by_microsoft: bool,
    /// Accounts that hold a role in the directory; nothing where we may not know.
    pub privileged: Option<Vec<String>>,
    /// Those of the domains whose users sign in elsewhere.
    #[serde(default)]
    pub federated_domains: Vec<String>,
}

/// What a tenant has only so much of. It changes all the time, so it is no fact about the tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Objects; nothing where we may not know.
    pub objects: Option<Quota>,
    /// Licences; none where we may not know.
    pub licences: Vec<Licence>,
}

/// How many objects a tenant takes. Those in the recycle bin count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// How many it has.
    pub used: u64,
    /// How many it may have.
    pub total: u64,
}

impl Quota {
    /// How many more it takes.
    pub fn left(self) -> u64 {
        self.total.saturating_sub(self.used)
    }
}

/// A licence that a tenant has bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    /// Its id.
    pub id: String,
    /// Its name: `ENTERPRISEPACK`.
    pub name: String,
    /// How many more users may have it.
    pub left: u64,
}

/// A throttle: a bucket of writes, full at first, that is filled again in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many writes it holds.
    pub burst: u64,
    /// How long it takes to fill, in seconds.
    pub seconds: u64,
}

/// What became of writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Writes that items came to: with fewer it could not be done.
    pub needed: u64,
    /// Writes that were sent, repetitions among them.
    pub sent: u64,
    /// Writes that were refused for coming too soon.
    pub throttled: u64,
    /// The directory takes no writes before then, in seconds since 1970.
    pub closed_until: Option<i64>,
}

/// One line of `syncline doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub level: FindingLevel,
    /// What was looked at: `bind`, `rights on OU=Sales,…`, `clock`.
    pub subject: String,
    /// What was found.
    pub message: String,
    /// Advice.
    pub hint: Option<String>,
}

/// How a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingLevel {
    /// As it should be.
    Ok,
    /// Works, but.
    Warning,
    /// A run would fail.
    Error,
}

impl Finding {
    /// A finding without advice.
    pub fn new(level: FindingLevel, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Finding { level, subject: subject.into(), message: message.into(), hint: None }
    }

    /// Adds advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why a directory could not be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectorError {
    /// What went wrong, for machines.
    pub kind: ConnectorErrorKind,
    /// One sentence with the address, lower case, no full stop.
    pub message: String,
    /// Advice.
    pub hint: Option<String>,
}

/// The kinds of [`ConnectorError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectorErrorKind {
    /// No connection, or it broke.
    Unreachable,
    /// The certificate or the handshake.
    Tls,
    /// Wrong name, password, secret or certificate.
    Credentials,
    /// The account may not do this.
    Rights,
    /// The settings cannot work: no such base, unreadable file.
    Settings,
    /// The directory said something unexpected.
    Protocol,
}

impl ConnectorError {
    /// An error without advice.
    pub fn new(kind: ConnectorErrorKind, message: impl Into<String>) -> Self {
        ConnectorError { kind, message: message.into(), hint: None }
    }

    /// Adds advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
