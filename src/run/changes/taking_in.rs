//! Staging what changed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::looking::{self, Found, Looking, Referrers};
use super::{Changes, Referring, again};
use crate::change::Change;
use crate::connector::changes::Hint;
use crate::connector::{Anchor, Presence};
use crate::connector_space::ObjectId;
use crate::run::import::{ImportReport, LOOK_UP_BATCH};
use crate::run::session::Session;
use crate::run::staging::{Batch, MANY, present, settle, stage_shown};
use crate::run::wanted::Wanted;
use crate::run::{RunError, cycle};
use crate::store::Draft;
use crate::sync::ledger::{Ledger as _, LedgerError, View as _};
use crate::sync::stage;

/// Stages what changed; looks at it first if nobody has. How far that goes is kept in the batch of the last of it.
///
/// # Errors
/// When the directory could not be used, the store fails, or somebody pressed Ctrl-C.
pub fn take_in(session: &mut Session, changes: Changes) -> Result<ImportReport, RunError> {
    let started = std::time::Instant::now();
    let connector = changes.connector.clone();
    let mut report = ImportReport { connector: connector.clone(), ..ImportReport::default() };
    let wanted = Wanted::of(session, &connector)?;
    if !changes.is_next(session, &wanted)? {
        return Ok(report);
    }
    Batch::over(session, |batch| stage_changes(batch, &wanted, changes, &mut report))?;
    session.store.checkpoint()?;
    report.milliseconds = cycle::milliseconds(started);
    Ok(report)
}

fn stage_changes(
    batch: &mut Batch<'_>,
    wanted: &Wanted,
    mut changes: Changes,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    let mut seen = HashSet::new();
    while let Some(part) = changes.split(MANY) {
        look_at(batch, &part.connector, wanted, &part.looked_at, &mut seen, report)?;
    }
    let Changes { connector, looked_at, references, reached, found, .. } = changes;
    match found {
        Some(found) => stage_found(batch, (&connector, wanted), &looked_at, found, &mut seen, report)?,
        None => look_at(batch, &connector, wanted, &looked_at, &mut seen, report)?,
    }
    for referring in &references {
        refer(batch, (&connector, wanted), referring, report)?;
    }
    match reached {
        Some(reached) => batch.last(|draft| reached.put(draft, &connector)),
        None => Ok(()),
    }
}

/// Looks at some objects, and stages what is found.
pub(in crate::run) fn look_at(
    batch: &mut Batch<'_>,
    connector: &str,
    wanted: &Wanted,
    objects: &[(Anchor, Hint)],
    seen: &mut HashSet<ObjectId>,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    batch.commit()?;
    let looking = Looking::of(batch.session, connector, wanted, objects)?;
    let found = batch.session.wait_for(connector, looking.run())?;
    stage_found(batch, (connector, wanted), objects, found, seen, report)
}

fn stage_found(
    batch: &mut Batch<'_>,
    (connector, wanted): (&str, &Wanted),
    objects: &[(Anchor, Hint)],
    found: Found,
    seen: &mut HashSet<ObjectId>,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    let hints: BTreeMap<&Anchor, Hint> = objects.iter().map(|(anchor, hint)| (anchor, *hint)).collect();
    let mut uncovered = Vec::new();
    for chunk in found.presences.chunks(LOOK_UP_BATCH) {
        batch.session.go_on()?;
        report.objects += u64::try_from(chunk.len()).unwrap_or(0);
        let unknown = batch.piece(|draft| unknown(draft, connector, chunk))?;
        let shown = present(chunk.iter().map(|(_, found)| found));
        stage_shown(batch, connector, wanted, shown, seen, report)?;
        batch.piece(|draft| settle_unseen(draft, connector, (&hints, chunk), report))?;
        uncovered.extend(looking::new(chunk, |anchor| unknown.contains(anchor) && !found.covered.contains(anchor)));
    }
    referred_to(batch, (connector, wanted), &found.referrers)?;
    // Those that went and came back since somebody looked.
    let directory = batch.session.directory(connector)?;
    let attributes = wanted.reference_attributes();
    let others = batch.session.wait_for(connector, looking::referrers(&directory, &attributes, &uncovered))?;
    referred_to(batch, (connector, wanted), &others)
}

/// Those that were never seen.
fn unknown<'a>(
    draft: &Draft<'_>,
    connector: &str,
    found: &'a [(Anchor, Presence)],
) -> Result<BTreeSet<&'a Anchor>, RunError> {
    let mut unknown = BTreeSet::new();
    for (anchor, _) in found {
        if draft.object_of_anchor(connector, anchor)?.is_none() {
            unknown.insert(anchor);
        }
    }
    Ok(unknown)
}

/// What becomes of those that are known and were not shown, and of those that were to be shown and are not.
fn settle_unseen(
    draft: &mut Draft<'_>,
    connector: &str,
    (hints, found): (&BTreeMap<&Anchor, Hint>, &[(Anchor, Presence)]),
    report: &mut ImportReport,
) -> Result<(), RunError> {
    for (anchor, presence) in found.iter().filter(|(_, found)| !matches!(found, Presence::Present(_))) {
        let id = draft.id_of_anchor(connector, anchor)?;
        let Some(object) = draft.object(id)? else { continue };
        let told = hints.get(anchor) == Some(&Hint::Gone);
        settle(draft, connector, (id, &object.title()), presence, told, report)?;
    }
    again::note(draft, connector, (hints, found), jiff::Timestamp::now().as_second())
}

/// Stages who refers to objects that came into sight. Whoever is known to refer to such a name may have meant somebody else.
fn referred_to(
    batch: &mut Batch<'_>,
    (connector, wanted): (&str, &Wanted),
    found: &[Referrers],
) -> Result<(), RunError> {
    for (anchor, attribute, names) in found {
        batch.piece(|draft| {
            let id = draft.id_of_anchor(connector, anchor)?;
            let mut referring = BTreeSet::new();
            for name in names {
                referring.extend(draft.id_of_dn(connector, &crate::dn::normalise(name))?);
            }
            let known = draft.referrers(id)?.into_iter().filter(|(_, known)| known == attribute).map(|(from, _)| from);
            let all: BTreeSet<ObjectId> = known.chain(referring.iter().copied()).collect();
            for from in all {
                if let Some(object) = draft.object(from)? {
                    let readers = wanted.readers(&object.object_type);
                    stage::stage_edge(draft, &object, attribute, id, referring.contains(&from), readers)?;
                }
            }
            Ok::<_, LedgerError>(())
        })?;
    }
    Ok(())
}

/// Stages references that came and went, in pieces that are not too large.
fn refer(
    batch: &mut Batch<'_>,
    (connector, wanted): (&str, &Wanted),
    (anchor, attribute, targets): &Referring,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    let mut noted = false;
    for chunk in targets.chunks(MANY) {
        batch.session.go_on()?;
        batch.piece(|draft| {
            let id = draft.id_of_anchor(connector, anchor)?;
            let Some(object) = draft.object(id)? else { return Ok(()) };
            let readers = wanted.readers(&object.object_type);
            let mut news = false;
            for (target, there) in chunk {
                news |= stage::stage_reference(draft, &object, attribute, target, *there, readers)?;
            }
            if !noted && news {
                draft.note(Change::Changed(id, Vec::new()));
                report.changed += 1;
                report.objects += 1;
                noted = true;
            }
            Ok::<_, LedgerError>(())
        })?;
    }
    Ok(())
}
