//! One synchronisation: everything in the queues, in batches that are committed one by one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::session::Session;
use super::{Progress, RunError};
use crate::change::Change;
use crate::connector_space::LinkKind;
use crate::store::Draft;
use crate::sync::ledger::Ledger;
use crate::sync::{Sources, Synchronisation, Targets};

/// How many objects are evaluated and committed at a time.
const BATCH: usize = 500;

/// What a synchronisation did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SyncReport {
    /// Connector objects that were evaluated.
    pub objects: u64,
    /// Metaverse objects that were evaluated.
    pub metaverse: u64,
    /// References that were settled.
    pub references: u64,
    /// Attributes that got another value.
    pub flowed: u64,
    /// Objects that joined.
    pub joined: u64,
    /// Objects that projected.
    pub projected: u64,
    /// Objects that were provisioned or matched in a target.
    pub provisioned: u64,
    /// Links that were dissolved.
    pub disconnected: u64,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Objects that were left as they were, and why.
    pub errors: Vec<(String, String)>,
}

impl SyncReport {
    /// Counts what was done.
    pub fn count(&mut self, notes: &[Change]) {
        for note in notes {
            match note {
                Change::Flowed(..) => self.flowed += 1,
                Change::Linked(_, _, LinkKind::Projected) => self.projected += 1,
                Change::Linked(_, _, LinkKind::Joined | LinkKind::Sticky) => self.joined += 1,
                Change::Linked(..) => self.provisioned += 1,
                Change::Unlinked(..) => self.disconnected += 1,
                Change::Appeared(_)
                | Change::Changed(..)
                | Change::Gone(_)
                | Change::Created(_)
                | Change::Ended(_)
                | Change::Staged(..)
                | Change::Reference(..)
                | Change::Confirmed(_)
                | Change::Held(..) => {}
            }
        }
    }
}

/// What the last synchronisation was done with. When it differs, everybody is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    fingerprint: String,
    /// Rules that link.
    pub linking: BTreeSet<String>,
    imported: String,
    tenants: String,
}

/// What a synchronisation would be done with now.
///
/// # Errors
/// When the store cannot be read.
pub fn basis(session: &Session) -> Result<Basis, RunError> {
    let mut imported = BTreeMap::new();
    let mut tenants = BTreeMap::new();
    let draft = session.store.draft();
    for name in session.directories.keys() {
        let known: Option<BTreeMap<String, BTreeSet<crate::value::AttributeName>>> =
            draft.fact(&format!("imported/{name}"))?;
        imported.insert(name, known);
        tenants.insert(name, session.tenant(name)?);
    }
    let text = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    Ok(Basis {
        fingerprint: session.rules.fingerprint().to_owned(),
        linking: session.rules.linking(),
        imported: text(serde_json::to_string(&imported)),
        tenants: text(serde_json::to_string(&tenants)),
    })
}

/// Refuses a rule set in which a linking rule has vanished, until somebody accepts it.
///
/// # Errors
/// `VanishedRules`.
pub fn refuse_vanished(session: &Session) -> Result<(), RunError> {
    let old: Basis = session.store.draft().fact("basis")?.unwrap_or_default();
    let accepted: Option<String> = session.store.draft().fact("accepted")?;
    let now = session.rules.linking();
    let vanished: Vec<String> = old.linking.difference(&now).cloned().collect();
    if vanished.is_empty() || accepted.as_deref() == Some(session.rules.fingerprint()) {
        return Ok(());
    }
    Err(RunError::VanishedRules(vanished))
}

/// Queues everybody if the rules or what they stand on are not those of the last time.
///
/// # Errors
/// When the ledger fails.
pub fn mark_if_changed(draft: &mut Draft<'_>, old: &Basis, new: &Basis) -> Result<bool, RunError> {
    if old == new {
        return Ok(false);
    }
    let mut after = None;
    loop {
        let ids = draft.all_objects(after, 5_000)?;
        for id in &ids {
            draft.mark_object(*id)?;
        }
        match ids.last() {
            Some(last) => after = Some(*last),
            None => break,
        }
    }
    let mut after = None;
    loop {
        let ids = draft.all_metaverse(after, 5_000)?;
        for id in &ids {
            draft.mark_metaverse(*id)?;
        }
        match ids.last() {
            Some(last) => after = Some(*last),
            None => return Ok(true),
        }
    }
}

/// Synchronises everything that is due, and keeps it.
///
/// # Errors
/// When the store fails, rules vanished, or somebody pressed Ctrl-C.
pub fn run(session: &mut Session, progress: &dyn Progress) -> Result<SyncReport, RunError> {
    let started = std::time::Instant::now();
    refuse_vanished(session)?;
    progress.begin("sync", "", None);
    let old: Basis = session.store.draft().fact("basis")?.unwrap_or_default();
    let new = basis(session)?;
    let mut draft = session.store.draft();
    mark_if_changed(&mut draft, &old, &new)?;
    draft.put_fact("basis", &new)?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    let (sources, targets) = (session.sources()?, session.targets()?);
    let (rules, orders) = (session.rules.clone(), session.orders.clone());
    let mut synchronisation = Synchronisation::new(&rules, &sources, &targets, &orders, threads());
    let mut report = SyncReport::default();
    loop {
        session.go_on()?;
        let mut draft = session.store.draft();
        let Some(step) = synchronisation.step(&mut draft, BATCH)? else { break };
        let writes = draft.finish();
        let notes = session.store.commit(writes)?;
        report.count(&notes);
        report.add(step);
        progress.advance(report.objects + report.metaverse, None);
    }
    session.store.checkpoint()?;
    report.milliseconds = super::cycle::milliseconds(started);
    Ok(report)
}

/// Synchronises everything on one draft, which somebody else keeps or drops.
///
/// # Errors
/// As [`run`].
pub fn on_draft(
    session: &Session,
    draft: &mut Draft<'_>,
    (sources, targets): (&Sources, &Targets),
    progress: &dyn Progress,
) -> Result<SyncReport, RunError> {
    let old: Basis = draft.fact("basis")?.unwrap_or_default();
    mark_if_changed(draft, &old, &basis(session)?)?;
    let mut synchronisation = Synchronisation::new(&session.rules, sources, targets, &session.orders, threads());
    let mut report = SyncReport::default();
    while let Some(step) = synchronisation.step(draft, BATCH)? {
        session.go_on()?;
        report.add(step);
        progress.advance(report.objects + report.metaverse, None);
    }
    report.count(draft.notes());
    Ok(report)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8)
}

impl SyncReport {
    fn add(&mut self, step: crate::sync::StepReport) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.objects += number(step.objects);
        self.metaverse += number(step.metaverse);
        self.references += number(step.references);
        self.errors.extend(step.errors);
    }
}
