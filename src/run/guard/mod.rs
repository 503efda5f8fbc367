//! The guard: how much may change in 24 hours, by connector, type and kind of change. Above that the run stops before any
//! of it.
//!
//! Here are the limits; [`intent`] is what a run would do, and [`list`] the list that a person looks at.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::export::{self, ExportReport, Only};
use super::session::Session;
use super::{Progress, RunError};
use crate::connector_space::ObjectId;
use crate::store::Draft;
use crate::sync::ledger::View as _;

pub mod intent;
pub mod list;

pub use intent::{Danger, Endangered, Intent, danger, intent};
pub(super) use list::settle_list;
pub use list::{ByReason, list_path, parse_list, write_list};

/// How long the guard remembers, in seconds.
const WINDOW: i64 = 24 * 60 * 60;

/// A limit that a run would exceed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exceeded {
    /// The connector.
    pub connector: String,
    /// The object type.
    pub object_type: String,
    /// What.
    pub danger: Danger,
    /// How many now.
    pub now: usize,
    /// How many were done in the last 24 hours.
    pub before: usize,
    /// How many objects there are.
    pub population: usize,
    /// How many are allowed.
    pub limit: usize,
}

impl Exceeded {
    /// What a run would do: `delete 24 of 199 users in `entra` (limit 9 in 24 hours, 0 before)`.
    pub fn deed(&self) -> String {
        let what = match self.danger {
            Danger::Delete => "delete",
            Danger::Disable => "disable",
            Danger::Anchor => "give other anchors to",
            Danger::Create => {
                return format!(
                    "create {} {}s in `{}` (limit {} in 24 hours, {} before)",
                    self.now, self.object_type, self.connector, self.limit, self.before
                );
            }
            Danger::Update => "update",
            Danger::Members => {
                return format!(
                    "add or remove {} references of {}s in `{}` (limit {} in 24 hours, {} before)",
                    self.now, self.object_type, self.connector, self.limit, self.before
                );
            }
        };
        format!(
            "{what} {} of {} {}s in `{}` (limit {} in 24 hours, {} before)",
            self.now, self.population, self.object_type, self.connector, self.limit, self.before
        )
    }
}

/// What was done when: (seconds since 1970, type, danger, how many).
type History = Vec<(i64, String, Danger, usize)>;

/// The limits that would be exceeded by what nobody has looked at.
///
/// # Errors
/// When the store cannot be read.
pub fn check(
    session: &Session,
    draft: &Draft<'_>,
    connector: &str,
    intent: &Intent,
) -> Result<Vec<Exceeded>, RunError> {
    let history: History = draft.fact(&format!("guard/{connector}"))?.unwrap_or_default();
    let since = now() - WINDOW;
    let mut exceeded = Vec::new();
    for ((object_type, danger), (all, looked_at)) in &intent.counts {
        let limit = session.config.limits.of(danger.limited(), connector, object_type);
        let now = all - looked_at;
        if now == 0 || !limit.is_set() {
            continue;
        }
        let same =
            |(when, of, what, _): &&(i64, String, Danger, usize)| *when >= since && of == object_type && what == danger;
        let before: usize = history.iter().filter(same).map(|(.., count)| count).sum();
        let population = match danger {
            Danger::Members => count_references(draft, connector, object_type)?,
            _ => draft.count_objects(connector, object_type)?,
        };
        let gone = if *danger == Danger::Delete { before } else { 0 };
        let Some(limit) = limit.of(population + gone) else { continue };
        if now + before > limit {
            exceeded.push(Exceeded {
                connector: connector.to_owned(),
                object_type: object_type.clone(),
                danger: *danger,
                now,
                before,
                population,
                limit,
            });
        }
    }
    Ok(exceeded)
}

/// How many references the objects of a type have.
fn count_references(draft: &Draft<'_>, connector: &str, object_type: &str) -> Result<usize, RunError> {
    let mut ids = Vec::new();
    draft.each_object(connector, object_type, |object| ids.push(object.id))?;
    let mut count = 0;
    for id in ids {
        for attribute in draft.reference_attributes(id)? {
            count += draft.edges(id, &attribute)?.iter().filter(|(_, edge)| edge.seen).count();
        }
    }
    Ok(count)
}

/// Exports what is due, or a part of it, and remembers it: before it is sent, for a run may break off. What is still due
/// afterwards was not done.
///
/// # Errors
/// As [`export::run`].
pub(super) fn export(
    session: &mut Session,
    connector: &str,
    (allowed, only): (&BTreeSet<ObjectId>, Option<&Only>),
    progress: &dyn Progress,
) -> Result<ExportReport, RunError> {
    let due = intent(session, &session.store.draft(), connector, (allowed, only))?;
    let time = now();
    rewrite(session, connector, |history| {
        history.retain(|(when, ..)| *when >= time - WINDOW);
        let mut counts: BTreeMap<(String, Danger), usize> = BTreeMap::new();
        for object in due.endangered.iter().filter(|object| object.is_sent(allowed)) {
            *counts.entry((object.object_type.clone(), object.danger)).or_insert(0) += 1;
        }
        let harmless = |danger: &Danger| matches!(danger, Danger::Create | Danger::Update | Danger::Members);
        let others = due.counts.iter().filter(|((_, danger), _)| harmless(danger));
        counts.extend(others.map(|(kind, (all, _))| (kind.clone(), *all)));
        history.extend(counts.into_iter().map(|((object_type, danger), count)| (time, object_type, danger, count)));
    })?;
    let exported = export::run(session, connector, (allowed, only), progress)?;
    let left = intent(session, &session.store.draft(), connector, (allowed, only))?;
    rewrite(session, connector, |history| {
        for ((object_type, danger), (all, _)) in &left.counts {
            let same = |(_, of, what, _): &&mut (i64, String, Danger, usize)| of == object_type && what == danger;
            if let Some((.., count)) = history.iter_mut().rev().find(same) {
                *count = count.saturating_sub(*all);
            }
        }
        history.retain(|(.., count)| *count > 0);
    })?;
    Ok(exported)
}

fn rewrite(session: &mut Session, connector: &str, change: impl FnOnce(&mut History)) -> Result<(), RunError> {
    let key = format!("guard/{connector}");
    let mut history: History = session.store.draft().fact(&key)?.unwrap_or_default();
    change(&mut history);
    session.remember(&key, &history)
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
