//! Whom a change of the rules, or of what they stand on, concerns: who is due again.
//!
//! Rules that differ are compared object by object where the text of the last run is still known (see
//! [`crate::sync::comparison`]); else everybody that they read is due.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::session::Session;
use super::synchronise::threads;
use super::{RunError, rules_in_use};
use crate::connector::TenantFacts;
use crate::rules::{ConnectorType, Direction, Rule, RuleSet};
use crate::store::Draft;
use crate::sync::comparison::Comparison;
use crate::sync::ledger::Ledger;
use crate::sync::{Sources, Targets};
use crate::value::AttributeName;

/// How many objects are looked at before those among them that are due are queued.
const PAGE: usize = 2_000;

/// What the last synchronisation was done with. What differs says who is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Basis {
    /// By rule.
    rules: BTreeMap<String, RuleBasis>,
    /// Rules that link.
    pub(super) linking: BTreeSet<String>,
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
fn basis(session: &Session) -> Result<Basis, RunError> {
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

/// Who must be looked at again: without a question, or if the rules answer differently.
#[derive(Default)]
struct Affected {
    inbound: BTreeSet<ConnectorType>,
    inbound_if: BTreeSet<ConnectorType>,
    outbound: BTreeSet<String>,
    outbound_if: BTreeSet<String>,
    everybody_outbound: bool,
    /// Rules whose answers are compared.
    compared: BTreeSet<String>,
}

/// Whom the difference between two bases concerns. `known` says whether the text that a rule had in the old one is there.
fn affected(old: &Basis, new: &Basis, known: impl Fn(&str, &RuleBasis) -> bool) -> Affected {
    let mut affected = Affected { everybody_outbound: old.tenants != new.tenants, ..Affected::default() };
    let names: BTreeSet<&String> = old.rules.keys().chain(new.rules.keys()).collect();
    for name in names {
        let (was, is) = (old.rules.get(name), new.rules.get(name));
        if was == is {
            continue;
        }
        let compared = was.is_none_or(|was| known(name, was));
        let (inbound, outbound) = if compared {
            affected.compared.insert(name.clone());
            (&mut affected.inbound_if, &mut affected.outbound_if)
        } else {
            (&mut affected.inbound, &mut affected.outbound)
        };
        for rule in was.into_iter().chain(is) {
            inbound.extend(rule.inbound.iter().cloned());
            outbound.extend(rule.outbound.iter().cloned());
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

/// Queues those whom changes of the rules, or of what they stand on, concern. Gives what they would be synchronised with.
/// `lines` says whether an answer that moved to another line counts: lineage names lines, plans do not need them.
///
/// # Errors
/// When the ledger fails.
pub(super) fn mark(
    session: &Session,
    draft: &mut Draft<'_>,
    (sources, targets): (&Sources, &Targets),
    lines: bool,
) -> Result<Basis, RunError> {
    let old: Basis = draft.fact("basis")?.unwrap_or_default();
    let new = basis(session)?;
    if old == new {
        return Ok(new);
    }
    let settings = session.config.settings.clone();
    let before = rules_in_use::kept(&session.config.store_folder, &settings).and_then(Result::ok);
    let before = match before {
        Some((before, _)) => before.fitted(&session.schemas()?),
        None => RuleSet::default(),
    };
    let known = |name: &str, was: &RuleBasis| before.rule(name).is_some_and(|rule| before.digest(rule) == was.digest);
    let affected = affected(&old, &new, known);
    let names = affected.compared.clone();
    let (before, after) = (before.only(&old.names(&names)), session.rules.only(&names));
    let then = old.rules.values().filter_map(|rule| rule.day).next().map_or(session.now, |day| day * 86_400);
    let moments = (then, session.now);
    let comparison = Comparison::new((&before, &after), (sources, targets), moments, lines, threads());
    mark_inbound(draft, &affected, &comparison)?;
    mark_outbound(draft, &affected, &comparison)?;
    Ok(new)
}

impl Basis {
    /// Those of the names that it has.
    fn names(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        names.iter().filter(|name| self.rules.contains_key(*name)).cloned().collect()
    }
}

fn mark_inbound(draft: &mut Draft<'_>, affected: &Affected, comparison: &Comparison<'_>) -> Result<(), RunError> {
    for side in affected.inbound.union(&affected.inbound_if) {
        let mut after = None;
        let mut everybody = affected.inbound.contains(side);
        loop {
            let ids = draft.population(&side.connector, &side.object_type, after, PAGE)?;
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            let asked = ids.len();
            let due =
                if everybody { ids } else { comparison.objects(draft, (&side.connector, &side.object_type), &ids)? };
            // Where most are due, to ask costs more than it saves.
            everybody |= due.len() * 2 > asked;
            for id in due {
                draft.mark_object(id)?;
            }
        }
    }
    Ok(())
}

fn mark_outbound(draft: &mut Draft<'_>, affected: &Affected, comparison: &Comparison<'_>) -> Result<(), RunError> {
    if !affected.everybody_outbound && affected.outbound.is_empty() && affected.outbound_if.is_empty() {
        return Ok(());
    }
    let mut after = None;
    let mut everybody = affected.everybody_outbound;
    loop {
        let ids = draft.all_metaverse(after, PAGE)?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = Some(*last);
        let asked = ids.len();
        let due = if everybody { ids } else { comparison.people(draft, &ids, &affected.outbound)? };
        everybody |= due.len() * 2 > asked;
        for id in due {
            draft.mark_metaverse(id)?;
        }
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
