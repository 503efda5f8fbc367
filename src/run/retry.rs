//! Trying again: what was refused is not sent anew while nothing changes, but once a day, when the target has changed what
//! it says of itself, or when somebody asks for it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::RunError;
use super::session::Session;
use crate::connector::TenantFacts;
use crate::connector_space::{ConnectorObject, ExportState, ObjectId};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};

/// How long a refusal stands, in seconds.
const DAY: i64 = 24 * 60 * 60;
/// How many objects or references are changed in one commit.
const BATCH: usize = 2_000;

/// When everything was last tried, and what the target said of itself then.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct LastTry {
    at: i64,
    facts: TenantFacts,
}

/// Makes refused exports due again: all of them if it is time or `now`, else those that a person has looked at.
///
/// # Errors
/// When the store fails.
pub(super) fn prepare(
    session: &mut Session,
    connector: &str,
    allowed: &BTreeSet<ObjectId>,
    now: bool,
) -> Result<(), RunError> {
    let key = format!("tried/{connector}");
    let mut draft = session.store.draft();
    let last: Option<LastTry> = draft.fact(&key)?;
    let this = LastTry { at: jiff::Timestamp::now().as_second(), facts: session.tenant(connector)? };
    let due = last.is_none_or(|last| this.at - last.at >= DAY || last.facts != this.facts);
    if !due && !now {
        for id in allowed {
            if let Some(mut object) = draft.object(*id)? {
                object.export.iter_mut().for_each(crate::connector_space::Export::retry);
                draft.put_object(&object)?;
            }
        }
    } else {
        draft.put_fact(&key, &this)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    if due || now {
        objects(session, connector)?;
        references(session, connector)?;
    }
    Ok(())
}

/// Refused exports are due again, and values that somebody else kept changing are put right again.
fn objects(session: &mut Session, connector: &str) -> Result<(), RunError> {
    let corrects = !session.config.target(connector).reports_drift;
    for object_type in session.directory(connector)?.object_types() {
        let mut stale = Vec::new();
        session.store.draft().each_object(connector, &object_type, |object| {
            if is_refused(&object) || (corrects && !object.outbound.corrections.is_empty()) {
                stale.push(object.id);
            }
        })?;
        for ids in stale.chunks(BATCH) {
            let mut draft = session.store.draft();
            for id in ids {
                let Some(mut object) = draft.object(*id)? else { continue };
                object.export.iter_mut().for_each(crate::connector_space::Export::retry);
                if corrects {
                    object.outbound.corrections.clear();
                }
                draft.put_object(&object)?;
                if let Some(link) = &object.link {
                    draft.mark_metaverse(link.metaverse)?;
                }
            }
            let writes = draft.finish();
            session.store.commit(writes)?;
        }
    }
    Ok(())
}

fn references(session: &mut Session, connector: &str) -> Result<(), RunError> {
    let mut after = None;
    loop {
        let mut draft = session.store.draft();
        let keys = draft.edge_exports(after.as_ref(), BATCH)?;
        for (from, attribute, to) in &keys {
            let mut edge = draft.edge(*from, attribute, *to)?;
            if edge.refused && draft.object(*from)?.is_some_and(|object| object.connector == connector) {
                edge.refused = false;
                draft.put_edge(*from, attribute, *to, edge)?;
            }
        }
        let writes = draft.finish();
        session.store.commit(writes)?;
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(()),
        }
    }
}

fn is_refused(object: &ConnectorObject) -> bool {
    object.export.as_ref().is_some_and(|export| matches!(export.state, ExportState::Failed { .. }))
}

/// Objects whose export was refused and has not changed since.
pub(super) fn count_refused(draft: &Draft<'_>, connector: &str) -> Result<u64, RunError> {
    let mut count = 0;
    draft.each_export(connector, |object| count += u64::from(is_refused(&object)))?;
    Ok(count)
}
