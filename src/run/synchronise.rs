//! One synchronisation: everything in the queues, in batches that are committed one by one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::session::Session;
use super::{Progress, RunError};
use crate::change::Change;
use crate::connector::TenantFacts;
use crate::connector_space::LinkKind;
use crate::rules::{ConnectorType, Direction, Rule, RuleSet};
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::sync::{Sources, Synchronisation, Targets};
use crate::value::AttributeName;

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
                | Change::Held(..) => {}
            }
        }
    }
}

/// What the last synchronisation was done with. What differs says who is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// By rule.
    rules: BTreeMap<String, RuleBasis>,
    /// Rules that link.
    pub linking: BTreeSet<String>,
    /// What was imported, by connector and type.
    imported: BTreeMap<String, BTreeMap<String, BTreeSet<AttributeName>>>,
    /// What targets said of themselves, and how they are configured, as text.
    tenants: String,
}

/// What matters of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RuleBasis {
    digest: String,
    /// The day, of rules that ask for it: on another day they may answer differently. Counted from 1970.
    #[serde(default)]
    day: Option<i64>,
    /// Inbound: the types that it reads.
    inbound: BTreeSet<ConnectorType>,
    /// Outbound: the metaverse type that it reads.
    outbound: Option<String>,
}

fn rule_basis(rules: &RuleSet, rule: &Rule, now: i64) -> RuleBasis {
    let day = rules.asks_for_the_day(rule).then_some(now.div_euclid(86_400));
    let mut basis = RuleBasis { digest: rules.digest(rule), day, ..RuleBasis::default() };
    match &rule.header.direction {
        Direction::Inbound { from, .. } => basis.inbound = from.iter().cloned().collect(),
        Direction::Outbound { from, .. } => basis.outbound = Some(from.clone()),
    }
    basis
}

/// What a synchronisation would be done with now.
///
/// # Errors
/// When the store cannot be read.
pub fn basis(session: &Session) -> Result<Basis, RunError> {
    let mut basis = Basis { linking: session.rules.linking(), ..Basis::default() };
    let mut tenants = BTreeMap::new();
    let draft = session.store.draft();
    for name in session.directories.keys() {
        basis.imported.extend(draft.fact(&format!("imported/{name}"))?.map(|known| (name.clone(), known)));
        // Who holds a role matters to those alone who are matched, and they wait in the queue.
        let facts = TenantFacts { privileged: None, ..session.tenant(name)? };
        let settings = session.config.target(name);
        tenants.insert(name, (facts, settings.soft_match, settings.reports_drift));
    }
    basis.tenants = serde_json::to_string(&tenants).unwrap_or_default();
    let rules = session.rules.rules().iter();
    basis.rules = rules.map(|rule| (rule.name.clone(), rule_basis(&session.rules, rule, session.now))).collect();
    Ok(basis)
}

/// Who must be looked at again.
#[derive(Default, PartialEq, Eq)]
struct Affected {
    inbound: BTreeSet<ConnectorType>,
    outbound: BTreeSet<String>,
    everybody_outbound: bool,
}

/// Whom the difference between two bases concerns.
fn affected(old: &Basis, new: &Basis) -> Affected {
    let mut affected = Affected { everybody_outbound: old.tenants != new.tenants, ..Affected::default() };
    let names: BTreeSet<&String> = old.rules.keys().chain(new.rules.keys()).collect();
    for name in names {
        let (was, is) = (old.rules.get(name), new.rules.get(name));
        for rule in was.into_iter().chain(is).filter(|_| was != is) {
            affected.inbound.extend(rule.inbound.iter().cloned());
            affected.outbound.extend(rule.outbound.iter().cloned());
        }
    }
    let none = BTreeMap::new();
    let connectors: BTreeSet<&String> = old.imported.keys().chain(new.imported.keys()).collect();
    for connector in connectors {
        let was = old.imported.get(connector).unwrap_or(&none);
        let is = new.imported.get(connector).unwrap_or(&none);
        let types: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for object_type in types.into_iter().filter(|object_type| was.get(*object_type) != is.get(*object_type)) {
            let (connector, object_type) = (connector.clone(), object_type.clone());
            affected.inbound.insert(ConnectorType { connector, object_type });
        }
    }
    affected
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

/// Queues those whom changes of the rules, or of what they stand on, concern. Gives how many.
///
/// # Errors
/// When the ledger fails.
pub fn mark_affected(draft: &mut Draft<'_>, old: &Basis, new: &Basis) -> Result<usize, RunError> {
    if old == new {
        return Ok(0);
    }
    let affected = affected(old, new);
    let mut marked = 0;
    for side in &affected.inbound {
        let mut after = None;
        loop {
            let ids = draft.population(&side.connector, &side.object_type, after, 5_000)?;
            for id in &ids {
                draft.mark_object(*id)?;
            }
            marked += ids.len();
            match ids.last() {
                Some(last) => after = Some(*last),
                None => break,
            }
        }
    }
    if !affected.everybody_outbound && affected.outbound.is_empty() {
        return Ok(marked);
    }
    let mut after = None;
    loop {
        let ids = draft.all_metaverse(after, 5_000)?;
        for id in &ids {
            let concerned = affected.everybody_outbound
                || draft.metaverse(*id)?.is_some_and(|person| affected.outbound.contains(&person.object_type));
            if concerned {
                draft.mark_metaverse(*id)?;
                marked += 1;
            }
        }
        match ids.last() {
            Some(last) => after = Some(*last),
            None => return Ok(marked),
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
    mark_affected(&mut draft, &old, &new)?;
    draft.put_fact("basis", &new)?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    let (sources, targets) = (session.sources()?, session.targets()?);
    let (rules, orders) = (session.rules.clone(), session.orders.clone());
    let mut synchronisation = Synchronisation::new(&rules, &sources, &targets, &orders, threads()).at(session.now);
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
    let old: Basis = draft.fact("basis")?.unwrap_or_default();
    mark_affected(draft, &old, &basis(session)?)?;
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

fn threads() -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceText;

    #[test]
    fn a_new_day_concerns_rules_that_ask_for_the_day() {
        let header = r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 100 };"#;
        let file = |name: &str, body: &str| SourceText {
            path: format!("rules/{name}.rhai").into(),
            text: format!("{header}\n{body}\n"),
        };
        let files = vec![
            file("asks", "fn flow(user) { #{ left: days_between(today(), user.accountExpires) } }"),
            file("asks-entra", "fn flow(user) { #{ seen: entra::Now() } }"),
            file("asks-helper", "fn flow(user) { #{ left: dates::left(user.accountExpires) } }"),
            file("lib/dates", "fn left(date) { days_between(today(), date) }"),
            file("plain", "fn flow(user) { #{ title: user.title } }"),
        ];
        let (set, _) = RuleSet::compile(files, BTreeMap::new()).unwrap();
        let noon = 20_000 * 86_400 + 43_200;
        for (later, expected) in [(3_600, 0), (86_400, 3)] {
            let differ = |rule: &&Rule| rule_basis(&set, rule, noon) != rule_basis(&set, rule, noon + later);
            assert_eq!(set.rules().iter().filter(differ).count(), expected, "{later} seconds later");
        }
    }
}
