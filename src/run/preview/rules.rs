//! Every rule on one object: scope, and what its join groups find.

use std::sync::Arc;

use super::shown::texts;
use super::{JoinOutcome, JoinTrace, RuleTrace, ScopeTrace};
use crate::connector_space::ConnectorObject;
use crate::metaverse::MetaverseObject;
use crate::rules::{ConnectorType, Direction, Host, Input, JoinAttempt, JoinGroup, LinkType, Rule, RuleSet};
use crate::sync::ledger::{Ledger, LedgerError};
use crate::sync::{Targets, inbound, matching, outbound, title};

/// The inbound rules of a source object. The draft is as it was before anything was synchronised.
pub(super) fn inbound_rules(
    host: &Host,
    rules: &RuleSet,
    before: &dyn Ledger,
    object: &ConnectorObject,
    input: &Arc<Input>,
) -> Result<Vec<RuleTrace>, LedgerError> {
    let mut traces = Vec::new();
    for rule in rules.inbound(&object.connector, &object.object_type) {
        let wanted = match &rule.header.direction {
            Direction::Inbound { to, .. } => to.as_deref(),
            Direction::Outbound { .. } => None,
        };
        traces.push(rule_on(host, rule, input, |group| {
            let found = inbound::matches(before, group, wanted)?;
            Ok(found.iter().map(title).collect())
        })?);
    }
    traces.sort_by(|left, right| (left.precedence, &left.rule).cmp(&(right.precedence, &right.rule)));
    Ok(traces)
}

/// The outbound rules of a metaverse object.
pub(super) fn outbound_rules(
    host: &Host,
    rules: &RuleSet,
    targets: &Targets,
    before: &dyn Ledger,
    person: &MetaverseObject,
) -> Result<Vec<RuleTrace>, LedgerError> {
    let mut traces = Vec::new();
    for (rule, to) in rules.outbound(&person.object_type) {
        let mut input = outbound::input_of(person);
        if let Some(target) = targets.get(&to.connector) {
            input.context = Arc::clone(&target.context);
        }
        let is_there = already(before, person, to)?;
        traces.push(rule_on(host, rule, &Arc::new(input), |group| {
            if let Some(name) = &is_there {
                return Ok(vec![name.clone()]);
            }
            Ok(matching::matches(before, to, group)?.iter().map(ConnectorObject::title).collect())
        })?);
    }
    traces.sort_by(|left, right| {
        (&left.to, left.precedence, &left.rule).cmp(&(&right.to, right.precedence, &right.rule))
    });
    Ok(traces)
}

/// The object that the person has in a target already: it is no longer looked for.
fn already(before: &dyn Ledger, person: &MetaverseObject, to: &ConnectorType) -> Result<Option<String>, LedgerError> {
    for id in person.linked(&to.connector) {
        let object = before.object(id)?;
        if let Some(object) = object.filter(|object| object.object_type.eq_ignore_ascii_case(&to.object_type)) {
            return Ok(Some(object.title()));
        }
    }
    Ok(None)
}

fn rule_on(
    host: &Host,
    rule: &Rule,
    input: &Arc<Input>,
    find: impl Fn(&JoinGroup) -> Result<Vec<String>, LedgerError>,
) -> Result<RuleTrace, LedgerError> {
    let mut trace = RuleTrace {
        rule: rule.name.clone(),
        precedence: rule.header.precedence,
        to: rule.to(),
        link: format!("{:?}", rule.header.link).to_lowercase(),
        scope: scope(host, rule, input),
        joins: Vec::new(),
    };
    if trace.scope != ScopeTrace::In {
        return Ok(trace);
    }
    if let Err(error) = host.flow(rule, input) {
        trace.scope = ScopeTrace::Error { message: error.to_string() };
    }
    if rule.header.link == LinkType::None {
        return Ok(trace);
    }
    match host.join_attempts(rule, input) {
        Ok(attempts) => {
            for attempt in attempts {
                trace.joins.push(join(attempt, &find)?);
            }
        }
        Err(error) => trace.scope = ScopeTrace::Error { message: error.to_string() },
    }
    Ok(trace)
}

fn scope(host: &Host, rule: &Rule, input: &Arc<Input>) -> ScopeTrace {
    match host.scope(rule, input) {
        Ok(true) => ScopeTrace::In,
        Err(error) => ScopeTrace::Error { message: error.to_string() },
        Ok(false) => match host.why_not(rule, input) {
            Some(clause) => ScopeTrace::Out {
                line: clause.line,
                text: clause.text,
                reads: clause.reads.iter().map(|(name, values)| (name.to_string(), texts(name, values))).collect(),
            },
            None => ScopeTrace::Out { line: rule.header.line, text: String::new(), reads: Vec::new() },
        },
    }
}

fn join(
    attempt: JoinAttempt,
    find: &impl Fn(&JoinGroup) -> Result<Vec<String>, LedgerError>,
) -> Result<JoinTrace, LedgerError> {
    let shown = |group: &JoinGroup| -> Vec<(String, String)> {
        group
            .iter()
            .map(|key| (key.attribute.to_string(), texts(&key.attribute, std::slice::from_ref(&key.value)).concat()))
            .collect()
    };
    match attempt {
        JoinAttempt::Skipped { empty, keys } => {
            let empty: Vec<String> = empty.iter().map(ToString::to_string).collect();
            let mut all = shown(&keys);
            all.extend(empty.iter().map(|name| (name.clone(), String::new())));
            Ok(JoinTrace { keys: all, outcome: JoinOutcome::Skipped(empty) })
        }
        JoinAttempt::Tried(group) => {
            let mut found = find(&group)?;
            let outcome = match (found.pop(), found.is_empty()) {
                (None, _) => JoinOutcome::Nobody,
                (Some(one), true) => JoinOutcome::One(one),
                (Some(last), false) => {
                    found.push(last);
                    JoinOutcome::Several(found)
                }
            };
            Ok(JoinTrace { keys: shown(&group), outcome })
        }
    }
}
