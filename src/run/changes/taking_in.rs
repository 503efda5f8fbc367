//! Staging what changed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::looking::{self, Found, Looking, Referrers};
use super::{Changes, Referring, again};
use crate::change::Change;
use crate::connector::changes::Hint;
use crate::connector::{Anchor, Presence};
use crate::connector_space::ObjectId;
use crate::run::import::{self, ImportReport, LOOK_UP_BATCH, MANY, Wanted};
use crate::run::session::Session;
use crate::run::{RunError, cycle};
use crate::sync::ledger::{Ledger as _, View as _};
use crate::sync::stage;

/// Stages what changed; looks at it first if nobody has.
///
/// # Errors
/// When the directory could not be used, the store fails, or somebody pressed Ctrl-C.
pub fn take_in(session: &mut Session, mut changes: Changes) -> Result<ImportReport, RunError> {
    let started = std::time::Instant::now();
    let connector = changes.connector.clone();
    let mut report = ImportReport { connector: connector.clone(), ..ImportReport::default() };
    let wanted = import::wanted(session, &connector)?;
    if !changes.is_next(session, &wanted)? {
        return Ok(report);
    }
    let mut seen = HashSet::new();
    while let Some(part) = changes.split(MANY) {
        look_at(session, &connector, &wanted, &part.looked_at, &mut seen, &mut report)?;
    }
    let Changes { looked_at, references, reached, found, .. } = changes;
    match found {
        Some(found) => stage_found(session, (&connector, &wanted), &looked_at, found, &mut seen, &mut report)?,
        None => look_at(session, &connector, &wanted, &looked_at, &mut seen, &mut report)?,
    }
    for referring in &references {
        refer(session, (&connector, &wanted), referring, &mut report)?;
    }
    if let Some(reached) = reached {
        reached.keep(session, &connector)?;
    }
    session.store.checkpoint()?;
    report.milliseconds = cycle::milliseconds(started);
    Ok(report)
}

/// Looks at some objects, and stages what is found.
pub(in crate::run) fn look_at(
    session: &mut Session,
    connector: &str,
    wanted: &Wanted,
    objects: &[(Anchor, Hint)],
    seen: &mut HashSet<ObjectId>,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    let looking = Looking::of(session, connector, wanted, objects)?;
    let found = session.wait_for(connector, looking.run())?;
    stage_found(session, (connector, wanted), objects, found, seen, report)
}

fn stage_found(
    session: &mut Session,
    (connector, wanted): (&str, &Wanted),
    objects: &[(Anchor, Hint)],
    found: Found,
    seen: &mut HashSet<ObjectId>,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    let hints: BTreeMap<&Anchor, Hint> = objects.iter().map(|(anchor, hint)| (anchor, *hint)).collect();
    let mut uncovered = Vec::new();
    for chunk in found.presences.chunks(LOOK_UP_BATCH) {
        session.go_on()?;
        let draft = session.store.draft();
        let mut unknown = BTreeSet::new();
        for (anchor, _) in chunk {
            if draft.object(draft.id_of_anchor(connector, anchor)?)?.is_none() {
                unknown.insert(anchor);
            }
        }
        drop(draft);
        report.objects += u64::try_from(chunk.len()).unwrap_or(0);
        let shown = import::present(chunk.iter().map(|(_, found)| found));
        import::stage_shown(session, connector, wanted, shown, seen, report)?;
        let mut draft = session.store.draft();
        for (anchor, presence) in chunk.iter().filter(|(_, found)| !matches!(found, Presence::Present(_))) {
            let id = draft.id_of_anchor(connector, anchor)?;
            let Some(object) = draft.object(id)? else { continue };
            let told = hints.get(anchor) == Some(&Hint::Gone);
            import::settle(&mut draft, connector, (id, &object.title()), presence, told, report)?;
        }
        again::note(&mut draft, connector, (&hints, chunk), jiff::Timestamp::now().as_second())?;
        let writes = draft.finish();
        session.store.commit(writes)?;
        uncovered.extend(looking::new(chunk, |anchor| unknown.contains(anchor) && !found.covered.contains(anchor)));
    }
    referred_to(session, (connector, wanted), &found.referrers)?;
    // Those that went and came back since somebody looked.
    let directory = session.directory(connector)?;
    let attributes = wanted.reference_attributes();
    let others = session.wait_for(connector, looking::referrers(&directory, &attributes, &uncovered))?;
    referred_to(session, (connector, wanted), &others)
}

/// Stages who refers to objects that came into sight. Whoever is known to refer to such a name may have meant somebody else.
fn referred_to(
    session: &mut Session,
    (connector, wanted): (&str, &Wanted),
    found: &[Referrers],
) -> Result<(), RunError> {
    for (anchor, attribute, names) in found {
        let mut draft = session.store.draft();
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
                stage::stage_edge(&mut draft, &object, attribute, id, referring.contains(&from), readers)?;
            }
        }
        let writes = draft.finish();
        session.store.commit(writes)?;
    }
    Ok(())
}

/// Stages references that came and went, in batches that are not too large.
fn refer(
    session: &mut Session,
    (connector, wanted): (&str, &Wanted),
    (anchor, attribute, targets): &Referring,
    report: &mut ImportReport,
) -> Result<(), RunError> {
    let mut noted = false;
    for chunk in targets.chunks(MANY) {
        session.go_on()?;
        let mut draft = session.store.draft();
        let id = draft.id_of_anchor(connector, anchor)?;
        let Some(object) = draft.object(id)? else { return Ok(()) };
        let readers = wanted.readers(&object.object_type);
        for (target, there) in chunk {
            stage::stage_reference(&mut draft, &object, attribute, target, *there, readers)?;
        }
        if !noted && draft.weight() > 0 {
            draft.note(Change::Changed(id, Vec::new()));
            report.changed += 1;
            report.objects += 1;
            noted = true;
        }
        let writes = draft.finish();
        session.store.commit(writes)?;
    }
    Ok(())
}
