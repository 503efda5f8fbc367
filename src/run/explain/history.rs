//! What the journal remembers of one object.

use serde::Serialize;
use uuid::Uuid;

use crate::change::{Change, Stamp};
use crate::run::RunError;
use crate::store::Draft;
use crate::value::{AttributeName, Values};

/// One moment in the life of an object or of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Past {
    /// The run, when it began, and the rules.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// What happened, in words.
    pub what: String,
    /// What the value was before; nothing when it is about the object as a whole, or when there was no value.
    pub before: Vec<String>,
}

fn texts(values: &Values) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The changes of one attribute, the latest first, and last how the object began.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn of_attribute(draft: &Draft<'_>, subject: Uuid, attribute: &AttributeName) -> Result<Vec<Past>, RunError> {
    let mut history = Vec::new();
    for entry in draft.history(subject)? {
        for change in &entry.changes {
            let before = match change {
                Change::Changed(_, before) => match before.iter().find(|(name, _)| name == attribute) {
                    Some((_, values)) => texts(values),
                    None => continue,
                },
                Change::Flowed(_, name, values) if name == attribute => texts(values),
                Change::Appeared(_) | Change::Created(_) => Vec::new(),
                _ => continue,
            };
            let what = match change {
                Change::Appeared(_) => "first seen",
                Change::Created(_) => "created",
                _ => "changed",
            };
            history.push(Past { stamp: entry.stamp.clone(), what: what.into(), before });
        }
    }
    // What was given along with the creation is no change of its own.
    let begun = history.iter().find(|past| past.what != "changed").map(|past| past.stamp.clone());
    history.retain(|past| past.what != "changed" || !past.before.is_empty() || Some(&past.stamp) != begun.as_ref());
    history.reverse();
    Ok(history)
}

/// Everything that happened to an object, the latest first, at most `limit`.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn of_object(draft: &Draft<'_>, subjects: &[Uuid], limit: usize) -> Result<Vec<Past>, RunError> {
    let mut history = Vec::new();
    for subject in subjects {
        let mut begun = None;
        for entry in draft.history(*subject)? {
            if entry.changes.iter().any(|change| matches!(change, Change::Created(_))) {
                begun = Some(entry.stamp.clone());
            }
            // What was given along with the creation is no change of its own.
            let begins = begun.as_ref() == Some(&entry.stamp);
            let given = |change: &Change| begins && matches!(change, Change::Flowed(_, _, before) if before.is_empty());
            let changes = entry.changes.iter().filter(|change| !given(change));
            history.extend(changes.flat_map(|change| told(change, &entry.stamp)));
        }
    }
    history.sort_by_key(|past| std::cmp::Reverse((past.stamp.run, past.stamp.at)));
    history.truncate(limit);
    Ok(history)
}

fn told(change: &Change, stamp: &Stamp) -> Vec<Past> {
    let past = |what: String, before: Vec<String>| Past { stamp: stamp.clone(), what, before };
    match change {
        Change::Appeared(_) => vec![past("first seen".into(), Vec::new())],
        Change::Changed(_, before) if before.is_empty() => vec![past("references changed".into(), Vec::new())],
        Change::Changed(_, before) => {
            before.iter().map(|(name, values)| past(format!("{name} changed"), texts(values))).collect()
        }
        Change::Gone(_) => vec![past("gone from its directory".into(), Vec::new())],
        Change::Linked(_, _, kind) => vec![past(format!("linked ({kind:?})").to_lowercase(), Vec::new())],
        Change::Unlinked(..) => vec![past("unlinked".into(), Vec::new())],
        Change::Created(_) => vec![past("created in the metaverse".into(), Vec::new())],
        Change::Flowed(_, name, before) if before.is_empty() => vec![past(format!("{name} flowed"), Vec::new())],
        Change::Flowed(_, name, before) => vec![past(format!("{name} flowed"), texts(before))],
        Change::Ended(_) => vec![past("ended in the metaverse".into(), Vec::new())],
        // The import that shows it says the same once more.
        Change::Writing(..)
        | Change::WritingReference(..)
        | Change::Unwritten(_)
        | Change::UnwrittenReference(..)
        | Change::Staged(..)
        | Change::Reference(..)
        | Change::Confirmed(_)
        | Change::Held(..) => Vec::new(),
    }
}
