//! One synchronisation: everything in the queues, in batches that are committed one by one.

use serde::Serialize;

use super::affected::{self, Basis};
use super::session::Session;
use super::{Progress, RunError};
use crate::change::Change;
use crate::connector_space::LinkKind;
use crate::store::Draft;
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
    /// It ended before everybody was looked at: too many objects have errors.
    pub stopped: bool,
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
                | Change::Held(..)
                | Change::Writing(..)
                | Change::WritingReference(..)
                | Change::Unwritten(_)
                | Change::UnwrittenReference(..) => {}
            }
        }
    }
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

/// Synchronises everything that is due, and keeps it.
///
/// # Errors
/// When the store fails, rules vanished, or somebody pressed Ctrl-C.
pub fn run(session: &mut Session, progress: &dyn Progress) -> Result<SyncReport, RunError> {
    let started = std::time::Instant::now();
    let _span = tracing::info_span!("sync").entered();
    refuse_vanished(session)?;
    progress.begin("sync", "", None);
    let known = session.known()?;
    let (sources, targets) = (&known.sources, &known.targets);
    let mut draft = session.store.draft();
    let basis = affected::mark(session, &mut draft, (sources, targets), true)?;
    draft.put_fact("basis", &basis)?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    let (rules, orders) = (session.rules.clone(), session.orders.clone());
    let mut synchronisation = Synchronisation::new(&rules, sources, targets, &orders, threads()).at(session.now);
    let mut report = SyncReport::default();
    loop {
        session.go_on()?;
        report.stopped = report.errors.len() >= session.config.limits.errors;
        if report.stopped {
            break;
        }
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
    if draft.fact::<bool>("rebuilt")?.unwrap_or(false) {
        let why = "the store was made anew from decisions, and knows nobody before `syncline run` has imported them";
        return Err(RunError::Unknown(why.into()));
    }
    affected::mark(session, draft, (sources, targets), false)?;
    let mut synchronisation =
        Synchronisation::new(&session.rules, sources, targets, &session.orders, threads()).at(session.now);
    let mut report = SyncReport::default();
    while let Some(step) = synchronisation.step(draft, BATCH)? {
        session.go_on()?;
        report.add(step);
        progress.advance(report.objects + report.metaverse, None);
    }
    report.count(draft.notes());
    Ok(report)
}

pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8)
}

impl SyncReport {
    /// Adds another synchronisation of the same run.
    pub(super) fn absorb(&mut self, other: SyncReport) {
        self.objects += other.objects;
        self.metaverse += other.metaverse;
        self.references += other.references;
        self.flowed += other.flowed;
        self.joined += other.joined;
        self.projected += other.projected;
        self.provisioned += other.provisioned;
        self.disconnected += other.disconnected;
        self.milliseconds += other.milliseconds;
        self.errors = other.errors;
        self.stopped |= other.stopped;
    }

    fn add(&mut self, step: crate::sync::StepReport) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.objects += number(step.objects);
        self.metaverse += number(step.metaverse);
        self.references += number(step.references);
        self.errors.extend(step.errors);
    }
}
