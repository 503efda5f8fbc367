//! What a step did or would do, as data: the journal keeps it, previews and plans print it.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::connector_space::{Anchor, LinkKind, ObjectId, Operation};
use crate::metaverse::MetaverseId;
use crate::value::{AttributeName, Values};

/// What was going on when something was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The number of the run; 0 outside of runs.
    pub run: u64,
    /// When it began: seconds since 1970.
    pub at: i64,
    /// The fingerprint of the rules.
    pub rules: String,
}

/// What was kept in one commit, or in a part of a large one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When, and with which rules.
    pub stamp: Stamp,
    /// What was done, in order.
    pub changes: Vec<Change>,
}

/// One thing that a step did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// An import showed a new object.
    Appeared(ObjectId),
    /// An import showed other values, or other references; what the values were before.
    Changed(ObjectId, Vec<(AttributeName, Values)>),
    /// An object is gone from its directory, with proof.
    Gone(ObjectId),
    /// A link was made.
    Linked(ObjectId, MetaverseId, LinkKind),
    /// A link was dissolved.
    Unlinked(ObjectId, MetaverseId),
    /// A metaverse object was created.
    Created(MetaverseId),
    /// A metaverse attribute has another value; what it was before.
    Flowed(MetaverseId, AttributeName, Values),
    /// A metaverse object ended.
    Ended(MetaverseId),
    /// An export was staged.
    Staged(ObjectId, Operation),
    /// A reference is to be added or removed.
    Reference(ObjectId, AttributeName),
    /// An export was confirmed by an import.
    Confirmed(ObjectId),
    /// An object was left as it was, because of an error.
    Held(ObjectId, String),
    /// Something is about to be written to an object of a target. Kept before it is sent: what came of it is another
    /// matter.
    Writing(ObjectId, Box<Writing>),
    /// A reference of an object of a target is about to be added, or else removed.
    WritingReference(ObjectId, AttributeName, ObjectId, bool),
    /// What was about to be written to an object last was not taken.
    Unwritten(ObjectId),
    /// Nor was a reference.
    UnwrittenReference(ObjectId, AttributeName, ObjectId),
}

/// What is written to an object, and what it wrote over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writing {
    /// What is done.
    pub operation: Operation,
    /// The target.
    pub connector: String,
    /// `user`, `group`.
    pub object_type: String,
    /// Its id in the directory; nothing before it is made.
    pub anchor: Option<Anchor>,
    /// What a person calls it.
    pub name: String,
    /// Of updates, attribute by attribute.
    pub changes: Vec<Written>,
}

/// One attribute that is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Which.
    pub attribute: AttributeName,
    /// What the target had, as far as is known.
    pub before: Values,
    /// What it shall have.
    pub after: Values,
    /// The rule that wants it.
    pub rule: String,
    /// Its line.
    pub line: u32,
}

impl Change {
    /// Whose history it belongs to.
    pub fn subject(&self) -> Uuid {
        match self {
            Change::Appeared(id)
            | Change::Changed(id, _)
            | Change::Gone(id)
            | Change::Linked(id, ..)
            | Change::Unlinked(id, _)
            | Change::Staged(id, _)
            | Change::Reference(id, _)
            | Change::Confirmed(id)
            | Change::Held(id, _)
            | Change::Writing(id, _)
            | Change::WritingReference(id, ..)
            | Change::Unwritten(id)
            | Change::UnwrittenReference(id, ..) => id.0,
            Change::Created(id) | Change::Flowed(id, ..) | Change::Ended(id) => id.0,
        }
    }
}

/// Several values with bars between them; nothing is `—`.
fn shown(values: &Values) -> String {
    if values.is_empty() {
        return "—".into();
    }
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Appeared(id) => write!(f, "appeared   {id}"),
            Change::Changed(id, before) => {
                write!(f, "changed    {id}")?;
                before.iter().try_for_each(|(name, values)| write!(f, " {name} (was {})", shown(values)))
            }
            Change::Gone(id) => write!(f, "gone       {id}"),
            Change::Linked(id, to, kind) => write!(f, "linked     {id} to {to} ({kind:?})"),
            Change::Unlinked(id, from) => write!(f, "unlinked   {id} from {from}"),
            Change::Created(id) => write!(f, "created    {id}"),
            Change::Flowed(id, attribute, before) => {
                write!(f, "flowed     {id} {attribute} (was {})", shown(before))
            }
            Change::Ended(id) => write!(f, "ended      {id}"),
            Change::Staged(id, operation) => write!(f, "staged     {id} {operation:?}"),
            Change::Reference(id, attribute) => write!(f, "reference  {id} {attribute}"),
            Change::Confirmed(id) => write!(f, "confirmed  {id}"),
            Change::Held(id, reason) => write!(f, "held       {id}: {reason}"),
            Change::Writing(id, writing) => {
                write!(f, "writing    {id} {:?}", writing.operation)?;
                writing
                    .changes
                    .iter()
                    .try_for_each(|change| write!(f, " {} (was {})", change.attribute, shown(&change.before)))
            }
            Change::Unwritten(id) => write!(f, "unwritten  {id}"),
            Change::UnwrittenReference(id, attribute, to) => write!(f, "unwritten  {id} {attribute} {to}"),
            Change::WritingReference(id, attribute, to, adds) => {
                write!(f, "writing    {id} {attribute} {}{to}", if *adds { '+' } else { '-' })
            }
        }
    }
}
