//! Rules against schemas: attributes that do not exist, that cannot be written, that nobody writes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::header::{ConnectorType, Deprovision, Direction};
use super::{Rule, RuleSet};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::value::{AttributeName, Schema};

/// The schemas of all connectors, by connector and object type.
pub type Schemas = BTreeMap<String, BTreeMap<String, Schema>>;

/// Everything that does not fit. `whole` is the set before rules were left out for what a directory lacks: what those
/// would write is no riddle.
pub fn against_schemas(set: &RuleSet, whole: &RuleSet, schemas: &Schemas) -> Vec<Diagnostic> {
    let written = written(whole);
    let mut findings = Vec::new();
    for rule in set.rules() {
        match &rule.header.direction {
            Direction::Inbound { from, to } => {
                for side in from {
                    if let Some(schema) = schema_of(rule, side, schemas, &mut findings) {
                        reads(rule, side, schema, &mut findings);
                    }
                }
                let types: Vec<&String> = match to {
                    Some(to) => vec![to],
                    None => written.keys().collect(),
                };
                let known = |name: &AttributeName| {
                    types.iter().any(|to| written.get(*to).is_some_and(|all| all.contains(name)))
                };
                let strangers = rule.footprint.join_keys.iter().filter(|name| !known(name));
                findings.extend(strangers.map(|name| nobody_writes(rule, name, &written)));
            }
            Direction::Outbound { from, to } => {
                if let Some(schema) = schema_of(rule, to, schemas, &mut findings) {
                    writes(rule, to, schema, &mut findings);
                }
                let nothing = BTreeSet::new();
                let known = written.get(from).unwrap_or(&nothing);
                let read = rule.footprint.reads();
                findings.extend(
                    read.iter().filter(|name| !known.contains(*name)).map(|name| nobody_writes(rule, name, &written)),
                );
            }
        }
    }
    findings.extend(super::agreement::findings(set, schemas));
    // A rule that reads from several types says the same of each.
    let mut seen = BTreeSet::new();
    findings.retain(|finding| {
        seen.insert((finding.source.as_ref().map(|source| source.path.clone()), finding.range.start, finding.code))
    });
    findings
}

/// What inbound rules write, by metaverse type. A rule to `metaverse/*` writes to all.
fn written(set: &RuleSet) -> BTreeMap<String, BTreeSet<AttributeName>> {
    let mut written: BTreeMap<String, BTreeSet<AttributeName>> = BTreeMap::new();
    let mut everywhere = BTreeSet::new();
    for rule in set.rules() {
        let names = rule.footprint.writes.keys().cloned();
        match &rule.header.direction {
            Direction::Inbound { to: Some(to), .. } => written.entry(to.clone()).or_default().extend(names),
            Direction::Inbound { to: None, .. } => everywhere.extend(names),
            Direction::Outbound { .. } => {}
        }
    }
    for names in written.values_mut() {
        names.extend(everywhere.iter().cloned());
    }
    written
}

fn schema_of<'s>(
    rule: &Rule,
    side: &ConnectorType,
    schemas: &'s Schemas,
    findings: &mut Vec<Diagnostic>,
) -> Option<&'s Schema> {
    let Some(types) = schemas.get(&side.connector) else {
        let message = format!("there is no connector `{}` in the configuration", side.connector);
        let problem = Diagnostic::error("E220", message).at(&rule.source, word(rule, &side.connector));
        let hint = did_you_mean(&side.connector, schemas.keys().map(String::as_str));
        let known: Vec<&str> = schemas.keys().map(String::as_str).collect();
        findings.push(problem.hint(hint.unwrap_or_else(|| format!("connectors: {}", known.join(", ")))));
        return None;
    };
    let found = types.iter().find(|(name, _)| name.eq_ignore_ascii_case(&side.object_type));
    let outbound = matches!(rule.header.direction, Direction::Outbound { .. });
    if let Some(why) = found.and_then(|(_, schema)| schema.unwritable()).filter(|_| outbound) {
        let message = format!("`{}` takes no objects of type `{}`", side.connector, side.object_type);
        let problem = Diagnostic::error("E225", message).at(&rule.source, word(rule, &side.object_type));
        findings.push(problem.hint(why));
        return None;
    }
    let found = found.filter(|(_, schema)| schema.unwritable().is_none());
    if found.is_none() {
        let message = format!("connector `{}` has no objects of type `{}`", side.connector, side.object_type);
        let known: Vec<&str> =
            types.iter().filter(|(_, schema)| schema.unwritable().is_none()).map(|(name, _)| name.as_str()).collect();
        let mut hint = format!("types: {}", known.join(", "));
        if types.values().any(|schema| !schema.closed) {
            hint += &format!("; `objects` of `[connector.{}]` says which are read", side.connector);
        }
        let problem = Diagnostic::error("E221", message).at(&rule.source, word(rule, &side.object_type));
        findings.push(problem.hint(hint));
    }
    found.map(|(_, schema)| schema)
}

fn reads(rule: &Rule, side: &ConnectorType, schema: &Schema, findings: &mut Vec<Diagnostic>) {
    for name in rule.footprint.reads().iter().filter(|name| schema.get(name).is_none()) {
        findings.push(unknown(rule, name, side, schema));
    }
}

/// Values that the directory never takes, and ends that it has no way for.
fn refuses(rule: &Rule, side: &ConnectorType, schema: &Schema, findings: &mut Vec<Diagnostic>) {
    for refusal in &schema.refusals {
        let Some((name, value)) = &refusal.flow else { continue };
        let excused = refusal.unless.as_ref().is_some_and(|other| rule.footprint.writes.contains_key(other));
        let flowed = rule
            .footprint
            .literals
            .iter()
            .any(|literal| literal.flowed && literal.attribute == *name && literal.text == value.to_string());
        if flowed && !excused {
            let message = format!("`{}/{}` never takes `{name}: {value}`", side.connector, side.object_type);
            findings
                .push(Diagnostic::error("E225", message).at(&rule.source, written_at(rule, name)).hint(&*refusal.why));
        }
    }
    let switches = ["accountEnabled", "userAccountControl"].map(AttributeName::from);
    let disables = rule.header.deprovision == Deprovision::Disable;
    if disables && !switches.iter().any(|name| schema.get(name).is_some()) {
        let message = format!("objects of `{}/{}` cannot be disabled", side.connector, side.object_type);
        let problem = Diagnostic::error("E226", message).at(&rule.source, word(rule, "deprovision"));
        findings.push(problem.hint("`deprovision: \"disconnect\"` leaves them as they are, `\"delete\"` deletes them"));
    }
}

fn writes(rule: &Rule, side: &ConnectorType, schema: &Schema, findings: &mut Vec<Diagnostic>) {
    refuses(rule, side, schema, findings);
    for name in rule.footprint.writes.keys().chain(&rule.footprint.join_keys).collect::<BTreeSet<_>>() {
        match schema.get(name) {
            None => findings.push(unknown(rule, name, side, schema)),
            Some(known) if !known.writable && rule.footprint.writes.contains_key(name) => {
                let message =
                    format!("attribute `{name}` of `{}/{}` cannot be written", side.connector, side.object_type);
                findings.push(Diagnostic::error("E211", message).at(&rule.source, written_at(rule, name)));
            }
            Some(_) => {}
        }
    }
}

/// Unknown to a closed schema: an error. Unknown to a table of well-known names: worth a look.
fn unknown(rule: &Rule, name: &AttributeName, side: &ConnectorType, schema: &Schema) -> Diagnostic {
    let of = format!("`{}/{}`", side.connector, side.object_type);
    let problem = if schema.closed {
        Diagnostic::error("E210", format!("attribute `{name}` is not in the schema of {of}"))
    } else {
        Diagnostic::warning("W210", format!("attribute `{name}` is not among the well-known ones of {of}"))
    };
    let problem = problem.at(&rule.source, word(rule, name.as_str()));
    match did_you_mean(name.as_str(), schema.attributes.keys().map(AttributeName::as_str)) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Where a rule reads an attribute: `.name`, before any other place where the name stands.
fn read_at(rule: &Rule, name: &str) -> Range<usize> {
    let text = &rule.source.text;
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let dotted = format!(".{name}");
    let hits = text.match_indices(&dotted).map(|(at, _)| at + 1..at + 1 + name.len());
    let mut whole = hits.filter(|range| {
        let line = text.get(..range.start).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
        !is_part(text.get(range.end..).and_then(|rest| rest.chars().next())) && !line.contains("//")
    });
    whole.next().unwrap_or_else(|| word(rule, name))
}

fn nobody_writes(rule: &Rule, name: &AttributeName, written: &BTreeMap<String, BTreeSet<AttributeName>>) -> Diagnostic {
    let message = format!("no rule writes the metaverse attribute `{name}`");
    let problem = Diagnostic::warning("W212", message).at(&rule.source, read_at(rule, name.as_str()));
    let known = written.values().flatten().map(AttributeName::as_str);
    match did_you_mean(name.as_str(), known) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Where a rule writes an attribute.
pub(super) fn written_at(rule: &Rule, name: &AttributeName) -> Range<usize> {
    let line = rule.footprint.writes.get(name).and_then(|line| usize::try_from(*line).ok()).unwrap_or(1);
    let text = &rule.source.text;
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    word_from(rule, start, name.as_str()).unwrap_or_else(|| word(rule, name.as_str()))
}

/// Where a name stands in a rule: as `.name`, `"name"` or a key, whichever comes first outside of comments.
pub(super) fn word(rule: &Rule, name: &str) -> Range<usize> {
    word_from(rule, 0, name).unwrap_or(0..0)
}

/// The same, from some byte on.
fn word_from(rule: &Rule, mut at: usize, name: &str) -> Option<Range<usize>> {
    let text = &rule.source.text;
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(name)) {
        let start = at + found;
        let end = start + name.len();
        let before = text.get(..start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        let bounded =
            !is_part(before.chars().next_back()) && !is_part(text.get(end..).and_then(|rest| rest.chars().next()));
        if bounded && !line.contains("//") {
            return Some(start..end);
        }
        at = end;
    }
    None
}
