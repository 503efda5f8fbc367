//! What a step did or would do, as data: the journal keeps it, previews and plans print it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::connector_space::{LinkKind, ObjectId, Operation};
use crate::metaverse::MetaverseId;
use crate::value::AttributeName;

/// One thing that a step did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// An import showed a new object.
    Appeared(ObjectId),
    /// An import showed other values.
    Changed(ObjectId),
    /// An object is gone from its directory, with proof.
    Gone(ObjectId),
    /// A link was made.
    Linked(ObjectId, MetaverseId, LinkKind),
    /// A link was dissolved.
    Unlinked(ObjectId, MetaverseId),
    /// A metaverse object was created.
    Created(MetaverseId),
    /// A metaverse attribute has another value.
    Flowed(MetaverseId, AttributeName),
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
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Appeared(id) => write!(f, "appeared   {id}"),
            Change::Changed(id) => write!(f, "changed    {id}"),
            Change::Gone(id) => write!(f, "gone       {id}"),
            Change::Linked(id, to, kind) => write!(f, "linked     {id} to {to} ({kind:?})"),
            Change::Unlinked(id, from) => write!(f, "unlinked   {id} from {from}"),
            Change::Created(id) => write!(f, "created    {id}"),
            Change::Flowed(id, attribute) => write!(f, "flowed     {id} {attribute}"),
            Change::Ended(id) => write!(f, "ended      {id}"),
            Change::Staged(id, operation) => write!(f, "staged     {id} {operation:?}"),
            Change::Reference(id, attribute) => write!(f, "reference  {id} {attribute}"),
            Change::Confirmed(id) => write!(f, "confirmed  {id}"),
            Change::Held(id, reason) => write!(f, "held       {id}: {reason}"),
        }
    }
}
