//! A plan: everybody synchronised on a draft that nobody commits, and what would be exported from it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::export::{self, item_of};
use super::guard::{self, Exceeded};
use super::session::Session;
use super::synchronise::{self, SyncReport};
use super::{Progress, RunError};
use crate::connector::TenantFacts;
use crate::connector::target::TargetKind;
use crate::connector_space::{ConnectorObject, Export, ExportState, Operation};
use crate::sync::ledger::View;
use crate::value::{Value, values_to_json};

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
    /// One line an object, deletions first.
    pub lines: Vec<PlanLine>,
}

/// What would happen to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanLine {
    /// `delete`, `disable`, `create`, `update`, `refused`, `held`.
    pub kind: &'static str,
    /// `user`, `group`.
    pub object_type: String,
    /// What a person calls it.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Attribute, before, after, rule and line.
    pub changes: Vec<PlannedChange>,
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
}

/// Makes a plan from what is in the store; reads no directory and keeps nothing.
///
/// # Errors
/// When the store fails, or somebody pressed Ctrl-C.
pub fn make(session: &Session, progress: &dyn Progress) -> Result<Plan, RunError> {
    let (sources, targets) = (session.sources()?, session.targets()?);
    let mut draft = session.store.draft();
    progress.begin("plan", "", None);
    let sync = synchronise::on_draft(session, &mut draft, (&sources, &targets), progress)?;
    let mut plan = Plan { rules: session.rules.fingerprint().to_owned(), sync, ..Plan::default() };
    plan.standby = super::cycle::is_standby(&draft)?;
    for name in targets.keys() {
        let (kind, facts) = (session.target_kind(name)?, session.tenant(name)?);
        let mut target = TargetPlan { live: super::cycle::is_live(&draft, name)?, ..TargetPlan::default() };
        for object_type in session.directory(name)?.object_types() {
            draft.each_object(name, &object_type, |object| target.add(&object, kind, &facts))?;
        }
        target.references = count_references(&draft, name)?;
        target.lines.sort_by(|left, right| (order(left.kind), &left.name).cmp(&(order(right.kind), &right.name)));
        let endangered = guard::endangered(&draft, name)?;
        plan.exceeded.extend(guard::check(session, &draft, name, &endangered, &Default::default())?);
        plan.targets.insert(name.clone(), target);
    }
    Ok(plan)
}

fn order(kind: &str) -> usize {
    ["delete", "disable", "refused", "held", "create", "update"].iter().position(|known| *known == kind).unwrap_or(9)
}

fn count_references(draft: &crate::store::Draft<'_>, connector: &str) -> Result<usize, RunError> {
    let mut count = 0;
    let mut after = None;
    loop {
        let keys = draft.edge_exports(after.as_ref(), 5_000)?;
        for (from, attribute, to) in &keys {
            let ours = draft.object(*from)?.is_some_and(|object| object.connector == connector);
            count += usize::from(ours && draft.edge(*from, attribute, *to)?.is_due());
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(count),
        }
    }
}

impl TargetPlan {
    fn add(&mut self, object: &ConnectorObject, target: TargetKind, facts: &TenantFacts) {
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
            return self.lines.push(line("refused", object, message.clone()));
        }
        if item_of(object).is_none() {
            return;
        }
        let refusals = export::refusals(object, target, facts);
        let Some(pending) = &object.export else { return };
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
        let reason = if refusals.is_empty() { pending.reason.clone() } else { refusals.join("; ") };
        self.lines.push(line(kind, object, reason));
    }
}

fn line(kind: &'static str, object: &ConnectorObject, reason: String) -> PlanLine {
    PlanLine {
        kind,
        object_type: object.object_type.clone(),
        name: object.title(),
        reason,
        changes: planned_changes(object),
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
            from: format!("{}:{}", change.rule, change.line),
        })
        .collect()
}
