//! What a run would do to a connector, as the guard counts it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::Limited;
use crate::connector_space::{ConnectorObject, ObjectId, Operation, enables};
use crate::run::export::{self, Only};
use crate::run::session::Session;
use crate::run::{RunError, refusals};
use crate::store::Draft;
use crate::sync::ledger::View as _;

/// What the guard counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Danger {
    /// A deletion.
    Delete,
    /// An account that is switched off.
    Disable,
    /// An object that would get another source anchor, and so be somebody else's. Never done unless it was looked at.
    Anchor,
    /// A creation.
    Create,
    /// A change that is none of these.
    Update,
    /// A reference that is added or removed.
    Members,
}

impl Danger {
    pub(super) fn limited(self) -> Limited {
        match self {
            Danger::Delete => Limited::Deletes,
            Danger::Disable => Limited::Disables,
            Danger::Anchor => Limited::Anchors,
            Danger::Create => Limited::Creates,
            Danger::Update => Limited::Updates,
            Danger::Members => Limited::Members,
        }
    }
}

/// One object that is in danger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endangered {
    /// The object.
    pub id: ObjectId,
    /// What would happen.
    pub danger: Danger,
    /// Its type.
    pub object_type: String,
    /// What a person calls it.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Endangered {
    /// Whether it is sent: another source anchor only if a person has looked at it.
    pub(in crate::run) fn is_sent(&self, allowed: &BTreeSet<ObjectId>) -> bool {
        self.danger != Danger::Anchor || allowed.contains(&self.id)
    }
}

/// The danger that an object's pending export means.
pub fn danger(object: &ConnectorObject) -> Option<(Danger, String)> {
    let export = object.export.as_ref().filter(|export| export.is_due())?;
    if export.operation == Operation::Delete {
        return Some((Danger::Delete, export.reason.clone()));
    }
    if let Some((name, change)) = refusals::anchor_change(object) {
        return Some((Danger::Anchor, format!("{}.rhai:{} gives another `{name}`", change.rule, change.line)));
    }
    let unsent = export.changes.iter().filter(|(_, change)| !change.sent);
    let mut off = unsent.filter(|(name, change)| {
        let now = object.image.get(*name).and_then(|values| enables(name, values));
        enables(name, &change.values) == Some(false) && now == Some(true)
    });
    off.next().map(|(_, change)| {
        let reason =
            if change.line == 0 { export.reason.clone() } else { format!("{}.rhai:{}", change.rule, change.line) };
        (Danger::Disable, reason)
    })
}

/// What an object's pending export comes to, dangerous or not.
pub(super) fn deed(object: &ConnectorObject) -> Option<(Danger, String)> {
    danger(object).or_else(|| {
        let export = object.export.as_ref().filter(|export| export.is_due())?;
        if export.operation == Operation::Create {
            let rule = object.link.as_ref().map(|link| link.rule.as_str()).unwrap_or_default();
            return Some((Danger::Create, format!("{rule}.rhai provisions it")));
        }
        let (name, change) = export.changes.iter().find(|(_, change)| !change.sent)?;
        Some((Danger::Update, format!("{}.rhai:{} gives another `{name}`", change.rule, change.line)))
    })
}

/// What a run would do to a connector.
#[derive(Clone, Debug, Default)]
pub struct Intent {
    /// Everybody who would be deleted, disabled, or given another anchor.
    pub endangered: Vec<Endangered>,
    /// How many of each kind, by type: all, and those that a person has looked at.
    pub(super) counts: BTreeMap<(String, Danger), (usize, usize)>,
}

/// What a run would do to a connector. `allowed` are objects that a person has looked at.
///
/// # Errors
/// When the store cannot be read.
pub fn intent(
    session: &Session,
    draft: &Draft<'_>,
    connector: &str,
    (allowed, only): (&BTreeSet<ObjectId>, Option<&Only>),
) -> Result<Intent, RunError> {
    let mut intent = Intent::default();
    draft.each_export(connector, |object| {
        let Some((danger, reason)) = deed(&object).filter(|_| export::is_among(only, object.id)) else { return };
        intent.count(&object.object_type, danger, allowed.contains(&object.id));
        if matches!(danger, Danger::Delete | Danger::Disable | Danger::Anchor) {
            intent.endangered.push(endangered(&object, danger, reason));
        }
    })?;
    if limits_members(session, connector)? {
        each_reference(draft, (connector, only), |object| {
            intent.count(&object.object_type, Danger::Members, allowed.contains(&object.id));
        })?;
    }
    Ok(intent)
}

impl Intent {
    fn count(&mut self, object_type: &str, danger: Danger, allowed: bool) {
        let (all, looked_at) = self.counts.entry((object_type.to_owned(), danger)).or_default();
        *all += 1;
        *looked_at += usize::from(allowed);
    }
}

pub(super) fn endangered(object: &ConnectorObject, danger: Danger, reason: String) -> Endangered {
    Endangered { id: object.id, danger, object_type: object.object_type.clone(), name: object.title(), reason }
}

/// Counting references reads all that wait; without a limit nobody needs to know.
fn limits_members(session: &Session, connector: &str) -> Result<bool, RunError> {
    let types = session.directory(connector)?.object_types();
    let limits = &session.config.limits;
    Ok(types.iter().any(|object_type| limits.of(Limited::Members, connector, object_type).is_set()))
}

/// Visits the object of each reference of a connector that is due.
pub(super) fn each_reference(
    draft: &Draft<'_>,
    (connector, only): (&str, Option<&Only>),
    mut visit: impl FnMut(&ConnectorObject),
) -> Result<(), RunError> {
    let mut after = None;
    let mut last: Option<ConnectorObject> = None;
    loop {
        let keys = draft.edge_exports(after.as_ref(), 5_000)?;
        for key in keys.iter().filter(|key| only.is_none_or(|only| only.has_reference(key))) {
            let (from, attribute, to) = key;
            if last.as_ref().is_none_or(|object| object.id != *from) {
                last = draft.object(*from)?;
            }
            let Some(object) = last.as_ref().filter(|object| object.connector == connector) else { continue };
            // One whose other end is not there yet waits, and is not sent.
            let there = || draft.object(*to).map(|other| other.is_some_and(|other| other.anchor.is_some()));
            if draft.edge(*from, attribute, *to)?.is_due() && object.anchor.is_some() && there()? {
                visit(object);
            }
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(()),
        }
    }
}
