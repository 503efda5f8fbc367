//! Objects that a directory calls changed and does not show. The copy of it that was asked may lag behind the one that told, so
//! they are looked for again for a while, whenever the directory is asked; how far its changes went is kept all the same.

use std::collections::BTreeMap;

use crate::connector::changes::Hint;
use crate::connector::{Anchor, Presence};
use crate::run::RunError;
use crate::store::Draft;
use crate::sync::ledger::View as _;

/// For how many seconds: copies of a directory are minutes apart at the most.
const PATIENCE: i64 = 600;
/// More of them are no lagging copy.
const MOST: usize = 1_000;

/// Since when each is looked for, and when it is looked for the next time: seconds since 1970.
type Sought = BTreeMap<String, (i64, i64)>;

fn key(connector: &str) -> String {
    format!("again/{connector}")
}

/// Who is looked for now: later and later.
pub(super) fn due(draft: &Draft<'_>, connector: &str, now: i64) -> Result<Vec<Anchor>, RunError> {
    let sought: Sought = draft.fact(&key(connector))?.unwrap_or_default();
    Ok(sought.into_iter().filter(|(_, (_, next))| *next <= now).map(|(anchor, _)| Anchor(anchor)).collect())
}

/// Notes what came of looking at some objects: who is not there yet and should be, and who need not be looked for any more.
pub(super) fn note(
    draft: &mut Draft<'_>,
    connector: &str,
    (hints, found): (&BTreeMap<&Anchor, Hint>, &[(Anchor, Presence)]),
    now: i64,
) -> Result<(), RunError> {
    let before: Sought = draft.fact(&key(connector))?.unwrap_or_default();
    let mut sought = before.clone();
    for (anchor, presence) in found {
        let unseen = hints.get(anchor) == Some(&Hint::There) && matches!(presence, Presence::NotFound);
        let expected = unseen && draft.object_of_anchor(connector, anchor)?.is_none();
        let known = sought.get(&anchor.0).map(|(since, _)| *since);
        let since = known.unwrap_or(now);
        if !expected || now - since >= PATIENCE {
            sought.remove(&anchor.0);
        } else if known.is_some() || sought.len() < MOST {
            sought.insert(anchor.0.clone(), (since, now + (now - since)));
        }
    }
    match sought == before {
        true => Ok(()),
        false if sought.is_empty() => Ok(draft.remove_fact(&key(connector))?),
        false => Ok(draft.put_fact(&key(connector), &sought)?),
    }
}
