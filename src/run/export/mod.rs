//! One export: what is due is sent in waves, marked on disk before it is sent and settled by what comes back.

use std::collections::BTreeSet;

use super::session::Session;
use super::{Progress, RunError, references, retry, swaps, waves};
use crate::connector::Traffic;
use crate::connector::directory::Directory;
use crate::connector_space::ObjectId;
use crate::value::AttributeName;

mod item;
mod report;
mod sending;
mod settling;

pub use item::item_of;
pub(super) use item::{known, writing};
pub use report::ExportReport;
use sending::export_objects;
pub(super) use sending::send;
pub(super) use settling::is_untaken;

/// How many items are in flight between two checkpoints.
const BATCH: usize = 1_000;
/// The same, where an export has only so much time.
pub(super) const SLICED: usize = 200;
/// A reference: from, attribute, to.
pub type EdgeKey = (ObjectId, AttributeName, ObjectId);

/// What an export is limited to.
#[derive(Clone, Debug, Default)]
pub struct Only {
    /// These objects.
    pub objects: BTreeSet<ObjectId>,
    /// These references; nothing: all of these objects.
    pub references: Option<BTreeSet<EdgeKey>>,
}

impl Only {
    /// Whether a reference is among it.
    pub fn has_reference(&self, key: &EdgeKey) -> bool {
        match &self.references {
            Some(references) => references.contains(key),
            None => self.objects.contains(&key.0),
        }
    }
}

/// Whether an object is to be sent.
pub(super) fn is_among(only: Option<&Only>, id: ObjectId) -> bool {
    only.is_none_or(|only| only.objects.contains(&id))
}

/// Exports everything that is due in a connector, or a part of it. `allowed` are objects that a person has looked at.
///
/// # Errors
/// When the directory could not be used, the store fails, or somebody pressed Ctrl-C.
pub fn run(
    session: &mut Session,
    connector: &str,
    (allowed, only): (&BTreeSet<ObjectId>, Option<&Only>),
    progress: &dyn Progress,
) -> Result<ExportReport, RunError> {
    let directory = session.directory(connector)?;
    let facts = session.tenant(connector)?;
    let started = std::time::Instant::now();
    let mut report = ExportReport { connector: connector.to_owned(), ..ExportReport::default() };
    report.refused_before = retry::count_refused(&session.store.draft(), connector)?;
    if is_closed(session, connector, &mut report)? {
        return Ok(report);
    }
    let before = directory.traffic();
    let deadline = session.slice.map(|slice| started + slice);
    let batch = if deadline.is_some() { SLICED } else { BATCH };
    let waves::Order { waves, swaps } = waves::sort(session, connector, &facts, (allowed, only), &mut report)?;
    // Who stepped aside for a moment must not stay there for the next slice.
    let deadline = deadline.filter(|_| swaps.is_empty());
    let total: usize = waves.iter().map(Vec::len).sum();
    progress.begin("export", connector, Some(u64::try_from(total).unwrap_or(0)));
    let mut recycle_bin = None;
    swaps::step_aside(session, connector, &directory, &swaps)?;
    for wave in waves {
        for chunk in wave.chunks(batch) {
            session.go_on()?;
            let count = u64::try_from(chunk.len()).unwrap_or(0);
            if is_shut(&directory) {
                report.postponed += count;
                continue;
            }
            if is_over(deadline) {
                report.left += count;
                continue;
            }
            export_objects(session, connector, &directory, chunk, &mut recycle_bin, &mut report)?;
            progress.advance(report.written(), None);
        }
    }
    for chunk in std::mem::take(&mut report.as_they_were).chunks(batch) {
        session.go_on()?;
        if is_shut(&directory) {
            break;
        }
        export_objects(session, connector, &directory, chunk, &mut recycle_bin, &mut report)?;
    }
    references::run(session, connector, &directory, (only, deadline), &mut report, progress)?;
    remember_put_off(session, connector, &report);
    take_room(session, connector, &report)?;
    count_requests(session, connector, before, directory.traffic(), &mut report)?;
    report.milliseconds = super::cycle::milliseconds(started);
    Ok(report)
}

/// Those that were not taken come last until everybody else has had a turn.
fn remember_put_off(session: &mut Session, connector: &str, report: &ExportReport) {
    let before = session.put_off.remove(connector).filter(|_| report.left > 0).unwrap_or_default();
    let still = before.difference(&report.sent).chain(&report.put_off).copied().collect();
    session.put_off.insert(connector.to_owned(), still);
}

/// Whether the directory said just now that it takes no writes for a while.
pub(super) fn is_shut(directory: &Directory) -> bool {
    let until = directory.traffic().and_then(|traffic| traffic.closed_until);
    until.is_some_and(|until| until > jiff::Timestamp::now().as_second())
}

pub(super) fn is_over(deadline: Option<std::time::Instant>) -> bool {
    deadline.is_some_and(|deadline| std::time::Instant::now() >= deadline)
}

/// Whether the directory said that it takes no writes for a while, in this run or one before it.
fn is_closed(session: &Session, connector: &str, report: &mut ExportReport) -> Result<bool, RunError> {
    let until: Option<i64> = session.store.draft().fact(&closed(connector))?;
    report.closed_until = until.filter(|until| *until > session.now);
    Ok(report.closed_until.is_some())
}

fn closed(connector: &str) -> String {
    format!("closed/{connector}")
}

/// Counts what a directory was asked for, and remembers until when it takes nothing more.
fn count_requests(
    session: &mut Session,
    connector: &str,
    before: Option<Traffic>,
    after: Option<Traffic>,
    report: &mut ExportReport,
) -> Result<(), RunError> {
    let Some((before, after)) = before.zip(after) else { return Ok(()) };
    report.requests = Some((after.sent - before.sent, after.needed - before.needed)).filter(|(sent, _)| *sent > 0);
    let Some(until) = after.closed_until.filter(|until| *until > session.now) else { return Ok(()) };
    report.closed_until = Some(until);
    session.remember(&closed(connector), &until)
}

/// What was made takes room, so that a plan knows before the next import.
fn take_room(session: &mut Session, connector: &str, report: &ExportReport) -> Result<(), RunError> {
    let mut stock = session.stock(connector)?;
    let Some(objects) = stock.objects.as_mut().filter(|_| report.created > 0 || report.full.is_some()) else {
        return Ok(());
    };
    objects.used += report.created;
    if report.full.is_some() {
        objects.used = objects.used.max(objects.total);
    }
    session.remember(&format!("stock/{connector}"), &stock)
}
