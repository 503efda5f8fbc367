//! What has changed in a directory since it was last read: the words. Each kind of directory has a way of its own to tell.
//!
//! A directory says *which* objects changed; what they look like now is looked up. So there is one way from an entry to
//! an object, and a deletion needs the same proof whichever way it was heard of. Only references travel by themselves:
//! a group of 50,000 is not read again because one person joined it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Anchor, Target};
use crate::value::AttributeName;

/// How far the changes of a directory have been read. It means something to the connector that gave it alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watermark {
    /// The cookies of Active Directory's DirSync control, by naming context.
    DirSync {
        /// As the server gave them.
        cookies: BTreeMap<String, Vec<u8>>,
        /// Whether the account sees only what it may read (the flag `OBJECT_SECURITY`): then it hears of no deletions.
        restricted: bool,
        /// When everything was last compared with what is there, in seconds since 1970.
        swept: i64,
    },
    /// The highest update sequence number of one domain controller.
    Usn {
        /// Which copy of the directory counts: numbers of another mean nothing.
        invocation: String,
        /// Everything up to it has been read.
        usn: u64,
    },
    /// The cookies of RFC 4533, by search base.
    SyncRepl {
        /// As the server gave them.
        cookies: BTreeMap<String, Vec<u8>>,
    },
    /// The time of the last modification that was seen, for servers that tell nothing better.
    Timestamp {
        /// As the server writes it: `20261129214528Z`.
        since: String,
        /// When everything was last compared with what is there, in seconds since 1970.
        swept: i64,
    },
    /// What files looked like: path, length, and time of the last change in nanoseconds since 1970.
    Files(Vec<(String, u64, i128)>),
    /// The delta links of Graph, by set.
    DeltaLinks(BTreeMap<String, String>),
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeEvent {
    /// An object is new, changed, moved or gone: it is to be looked at.
    Touched {
        /// Which.
        anchor: Anchor,
        /// What the directory says about it, without having been asked.
        hint: Hint,
    },
    /// References of an object came and went, and nothing else about it changed.
    References {
        /// Whose.
        anchor: Anchor,
        /// Which attribute.
        attribute: AttributeName,
        /// To what, and whether it is there now.
        targets: Vec<(Target, bool)>,
    },
}

/// What a directory says about an object that it calls changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// It may be new, and of interest.
    There,
    /// It lies outside of what is read: of interest only if it is known.
    Outside,
    /// It was deleted, and the directory says so: of interest only if it is known.
    Gone,
}

/// Where a directory puts its changes. Bounded, so that a slow reader slows the directory down.
pub type ChangeSink = mpsc::Sender<ChangeEvent>;

/// How reading the changes ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangesEnd {
    /// Everything up to here was delivered.
    UpTo {
        /// To be kept in the same batch as what was delivered.
        watermark: Watermark,
        /// Everything that is there, where the directory cannot tell what was deleted: what is known and not among them
        /// is to be looked up.
        present: Option<BTreeSet<Anchor>>,
    },
    /// The directory cannot tell what changed since: everything has to be read. Why, in half a sentence.
    TooOld(String),
}

/// What to ask a server for changes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The best that the server offers.
    #[default]
    Auto,
    /// Active Directory's DirSync control.
    DirSync,
    /// Update sequence numbers of one domain controller.
    Usn,
    /// Content synchronisation (RFC 4533).
    SyncRepl,
    /// Times of modification, and a look for what is missing.
    Timestamps,
    /// Not at all: everything is read every time.
    Off,
}
