//! A plan: everybody synchronised on a draft that nobody commits, and what would be exported from it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::export::{self, Only, item_of};
use super::guard::{self, Exceeded};
use super::session::Session;
use super::synchronise::{self, SyncReport};
use super::{Progress, RunError, refusals};
use crate::connector::target::TargetKind;
use crate::connector_space::{ConnectorObject, EdgeChange, Export, ExportState, ObjectId, Operation};
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::value::{AttributeName, Value, values_to_json};
use predict::{Licences, Predictor, References, Trouble};

mod pattern;
mod predict;
mod saved;

pub use pattern::{Group, LETTER_CASE, Sample, group};
pub use predict::Warning;
pub use saved::{Moved, SavedPlan};

/// What would happen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    /// The rules that were used.
    pub rules: String,
    /// The synchronisation.
    pub sync: SyncReport,
    /// By connector.
    pub targets: BTreeMap<String, TargetPlan>,
    /// This installation is staging: nothing is written anywhere before `promote`.
    pub standby: bool,
    /// Limits that a run would exceed.
    pub exceeded: Vec<Exceeded>,
    /// Why it does not hold everything; then its numbers are those of a part.
    pub incomplete: Vec<String>,
    /// How long it took to make, in milliseconds.
    pub milliseconds: u64,
}

/// What would be written to one target.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TargetPlan {
    /// Whether it is written to at all.
    pub live: bool,
    /// Deletions.
    pub delete: usize,
    /// Accounts that would be disabled.
    pub disable: usize,
    /// Creations.
    pub create: usize,
    /// Changes.
    pub update: usize,
    /// References that would be added or removed, of objects that exist.
    pub references: usize,
    /// What would be refused.
    pub refused: usize,
    /// Objects that are left alone though rules want something else.
    pub held: usize,
    /// How many requests that write it takes.
    pub writes: usize,
    /// How long the target lets them take at least, in seconds; nothing where it has no throttle.
    pub seconds: Option<u64>,
    /// What the target would take, and what would come of it all the same.
    pub warnings: Vec<Warning>,
    /// What is alike, the worst first.
    pub groups: Vec<Group>,
    /// One line an object, deletions first.
    pub lines: Vec<PlanLine>,
}

/// What would happen to one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanLine {
    /// Its id.
    pub id: ObjectId,
    /// `delete`, `disable`, `create`, `update`, `members` (its references alone), `refused`, `held`.
    pub kind: &'static str,
    /// `user`, `group`.
    pub object_type: String,
    /// What a person calls it.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Attribute, before, after, rule and line.
    pub changes: Vec<PlannedChange>,
    /// Its references.
    pub references: Vec<PlannedReferences>,
    /// The place of its group among the target's, where its changes have none of their own.
    #[serde(skip)]
    pub group: Option<usize>,
}

/// What would happen to the references of one attribute of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlannedReferences {
    /// The attribute.
    pub attribute: String,
    /// How many would be added.
    pub added: usize,
    /// How many would be removed.
    pub removed: usize,
    /// The first of them, `+` or `-` and what a person calls the other object.
    pub sample: Vec<String>,
    /// Stands for all of them: where one differs, this does.
    pub digest: uuid::Uuid,
    /// How many of them would be refused.
    #[serde(skip_serializing_if = "is_none")]
    pub refused: usize,
    /// How many of them would wait for an object that would not be made.
    #[serde(skip_serializing_if = "is_none")]
    pub waiting: usize,
    /// Why, of the first of these.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

fn is_none(number: &usize) -> bool {
    *number == 0
}

/// One attribute of a planned change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedChange {
    /// The attribute.
    pub attribute: String,
    /// What the target has.
    pub before: serde_json::Value,
    /// What it would have.
    pub after: serde_json::Value,
    /// `out-to-entra-user:19`.
    pub from: String,
    /// The place of its group among the target's.
    #[serde(skip)]
    pub group: usize,
}

/// Makes a plan; reads the directories before, as a run does, if `import`. What they show is kept.
///
/// # Errors
/// As [`make`], and when a directory could not be used.
pub fn make_from(session: &mut Session, import: bool, progress: &dyn Progress) -> Result<Plan, RunError> {
    let mut incomplete = Vec::new();
    if import {
        for import in super::reading::import_all(session, progress)? {
            incomplete.extend(import.shrunk.iter().map(ToString::to_string));
            incomplete.extend(import.incomplete.iter().map(|why| format!("{}: {why}", import.connector)));
        }
    }
    Ok(Plan { incomplete, ..make(session, progress)? })
}

/// Makes a plan from what is in the store; reads no directory and keeps nothing.
///
/// # Errors
/// When the store fails, or somebody pressed Ctrl-C.
pub fn make(session: &Session, progress: &dyn Progress) -> Result<Plan, RunError> {
    let started = std::time::Instant::now();
    let (sources, targets) = (session.sources()?, session.targets()?);
    let mut draft = session.store.draft();
    progress.begin("plan", "", None);
    let sync = synchronise::on_draft(session, &mut draft, (&sources, &targets), progress)?;
    let plan = describe(session, &draft, None)?;
    Ok(Plan { sync, milliseconds: super::cycle::milliseconds(started), ..plan })
}

/// What would be exported from a draft, or a part of that.
///
/// # Errors
/// When the store fails.
pub(super) fn describe(session: &Session, draft: &Draft<'_>, only: Option<&Only>) -> Result<Plan, RunError> {
    let mut plan = Plan { rules: session.rules.fingerprint().to_owned(), ..Plan::default() };
    plan.standby = super::live::is_standby(draft)?;
    let names: Vec<String> = session.target_kinds().map(|(name, _)| name.clone()).collect();
    for name in &names {
        let (kind, facts, stock) = (session.target_kind(name)?, session.tenant(name)?, session.stock(name)?);
        let mut target = TargetPlan { live: super::live::is_live(draft, name)?, ..TargetPlan::default() };
        let predictor = Predictor { draft, kind, facts: &facts };
        let mut licences = Licences::new(&stock.licences);
        let mut added = Ok(());
        draft.each_export(name, |object| {
            if added.is_ok() && export::is_among(only, object.id) {
                licences.look_at(&object);
                added = target.add(&object, &predictor);
            }
        })?;
        added?;
        predict::leave_out(&mut target, &predictor, stock.objects)?;
        target.add_references(draft, name, predictor.kind, only)?;
        target.warnings = licences.warnings(draft, name)?;
        target.lines.sort_by(|left, right| (order(left.kind), &left.name).cmp(&(order(right.kind), &right.name)));
        target.groups = group(&mut target.lines);
        target.seconds = session.directory(name)?.pace().map(|pace| predict::seconds(target.writes, pace));
        let intent = guard::intent(session, draft, name, (&BTreeSet::new(), only))?;
        plan.exceeded.extend(guard::check(session, draft, name, &intent)?);
        plan.targets.insert(name.clone(), target);
    }
    Ok(plan)
}

fn order(kind: &str) -> usize {
    ["delete", "disable", "refused", "held", "create", "update", "members"]
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(9)
}

/// How many references of an object are shown.
const SHOWN: usize = 5;

impl PlannedReferences {
    fn trouble(&mut self, trouble: Trouble) {
        let why = match trouble {
            Trouble::Refused(count, why) => {
                self.refused += count;
                why
            }
            Trouble::Waits(why) => {
                self.waiting += 1;
                why
            }
        };
        if self.why.is_empty() {
            self.why = why;
        }
    }

    /// The first of them, and how many more.
    pub fn shown(&self) -> String {
        let shown = match (self.added + self.removed).saturating_sub(self.sample.len()) {
            0 => self.sample.join(", "),
            more => format!("{} … {more} more", self.sample.join(", ")),
        };
        match (self.refused, self.waiting) {
            (0, 0) => shown,
            (0, waiting) => format!("{shown}   {waiting} would wait: {}", self.why),
            (refused, _) => format!("{shown}   {refused} would be refused: {}", self.why),
        }
    }
}

impl TargetPlan {
    fn add(&mut self, object: &ConnectorObject, predictor: &Predictor<'_, '_>) -> Result<(), RunError> {
        if !object.outbound.held.is_empty() {
            self.held += 1;
            let reasons: Vec<String> = object
                .outbound
                .held
                .iter()
                .map(|(name, why)| if name.as_str() == "*" { why.clone() } else { format!("{name}: {why}") })
                .collect();
            self.lines.push(line("held", object, reasons.join("; ")));
        }
        if let Some(Export { state: ExportState::Failed { message, .. }, .. }) = &object.export {
            self.refused += 1;
            self.lines.push(line("refused", object, message.clone()));
            return Ok(());
        }
        if item_of(object).is_none() {
            return Ok(());
        }
        let mut refusals = refusals::refusals(object, predictor.kind, predictor.facts);
        refusals.extend(predictor.taken(object)?);
        let Some(pending) = &object.export else { return Ok(()) };
        let danger = guard::danger(object);
        let kind = match (refusals.is_empty(), danger, pending.operation) {
            (false, ..) => "refused",
            (true, Some((guard::Danger::Disable, _)), _) => "disable",
            (true, _, Operation::Delete) => "delete",
            (true, _, Operation::Create) => "create",
            (true, _, Operation::Update) => "update",
        };
        match kind {
            "refused" => self.refused += 1,
            "disable" => self.disable += 1,
            "delete" => self.delete += 1,
            "create" => self.create += 1,
            _ => self.update += 1,
        }
        self.writes += usize::from(refusals.is_empty());
        let reason = if refusals.is_empty() { pending.reason.clone() } else { refusals.join("; ") };
        self.lines.push(line(kind, object, reason));
        Ok(())
    }

    /// References that are due, with the object that has them.
    fn add_references(
        &mut self,
        draft: &Draft<'_>,
        connector: &str,
        kind: TargetKind,
        only: Option<&Only>,
    ) -> Result<(), RunError> {
        let mut found: BTreeMap<ObjectId, BTreeMap<AttributeName, PlannedReferences>> = BTreeMap::new();
        let mut elsewhere = BTreeSet::new();
        let mut look = References::new(draft, connector, kind, &self.lines)?;
        let mut after = None;
        loop {
            let keys = draft.edge_exports(after.as_ref(), 5_000)?;
            for key in keys.iter().filter(|key| only.is_none_or(|only| only.has_reference(key))) {
                let (from, attribute, to) = key;
                let edge = draft.edge(*from, attribute, *to)?;
                if !edge.is_due() || elsewhere.contains(from) {
                    continue;
                }
                if !found.contains_key(from) && draft.object(*from)?.is_none_or(|object| object.connector != connector)
                {
                    elsewhere.insert(*from);
                    continue;
                }
                let planned = found.entry(*from).or_default().entry(attribute.clone()).or_default();
                let adds = edge.pending == Some(EdgeChange::Add);
                *(if adds { &mut planned.added } else { &mut planned.removed }) += 1;
                if let Some(trouble) = look.at(*from, attribute, *to, adds)? {
                    planned.trouble(trouble);
                }
                planned.digest =
                    uuid::Uuid::new_v5(&planned.digest, &[&[u8::from(adds)][..], to.0.as_bytes()].concat());
                if planned.sample.len() < SHOWN {
                    let other = draft.object(*to)?.map_or_else(|| to.to_string(), |object| object.title());
                    planned.sample.push(format!("{}{other}", if adds { '+' } else { '-' }));
                }
                self.references += 1;
            }
            match keys.last() {
                Some(last) => after = Some(last.clone()),
                None => break,
            }
        }
        let mut places: BTreeMap<ObjectId, usize> = BTreeMap::new();
        for (at, line) in self.lines.iter().enumerate().filter(|(_, line)| line.kind != "held") {
            places.insert(line.id, at);
        }
        for (id, mut attributes) in found {
            for (attribute, planned) in &mut attributes {
                if let Some(trouble) = look.too_many(id, attribute, planned)? {
                    planned.trouble(trouble);
                }
                self.refused += planned.refused;
            }
            let at_once = kind.references_at_once();
            let requests =
                |planned: &PlannedReferences| (planned.added - planned.waiting).div_ceil(at_once) + planned.removed;
            self.writes += attributes.values().map(requests).sum::<usize>();
            let references = attributes
                .into_iter()
                .map(|(name, planned)| PlannedReferences { attribute: name.to_string(), ..planned })
                .collect();
            if let Some(line) = places.get(&id).and_then(|at| self.lines.get_mut(*at)) {
                line.references = references;
            } else if let Some(object) = draft.object(id)? {
                self.lines.push(of_references(&object, references));
            }
        }
        Ok(())
    }
}

/// The line of an object of which nothing but references changes.
fn of_references(object: &ConnectorObject, references: Vec<PlannedReferences>) -> PlanLine {
    let whole = references.iter().all(|planned| planned.refused == planned.added + planned.removed);
    let why = references.iter().find(|_| whole).map(|planned| planned.why.clone()).unwrap_or_default();
    PlanLine { references, ..line(if whole { "refused" } else { "members" }, object, why) }
}

fn line(kind: &'static str, object: &ConnectorObject, reason: String) -> PlanLine {
    PlanLine {
        id: object.id,
        kind,
        object_type: object.object_type.clone(),
        name: object.title(),
        reason,
        changes: planned_changes(object),
        references: Vec::new(),
        group: None,
    }
}

/// What an object's pending export changes, attribute by attribute.
pub fn planned_changes(object: &ConnectorObject) -> Vec<PlannedChange> {
    let json = |values: Option<&Vec<Value>>| {
        let values = values.map_or(&[][..], Vec::as_slice);
        values_to_json(values, values.len() > 1)
    };
    let unsent = object.export.iter().flat_map(|export| &export.changes).filter(|(_, change)| !change.sent);
    unsent
        .map(|(name, change)| PlannedChange {
            attribute: name.to_string(),
            before: json(object.image.get(name)),
            after: json(Some(&change.values)),
            from: if change.line == 0 { change.rule.clone() } else { format!("{}:{}", change.rule, change.line) },
            group: 0,
        })
        .collect()
}
