//! Rules against each other: precedences that nobody can tell apart, values that nobody reads, lists where one value fits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::header::{ConnectorType, Direction, LinkType};
use super::schemas::{Schemas, word, written_at};
use super::{Rule, RuleSet};
use crate::diagnostic::{Diagnostic, did_you_mean, word_at};
use crate::value::{AttributeName, AttributeType, Kind};

/// Everything in which the rules of a set do not agree.
pub(super) fn findings(set: &RuleSet, schemas: &Schemas) -> Vec<Diagnostic> {
    let mut findings = same_precedence(set);
    findings.extend(two_links(set));
    findings.extend(unread(set));
    findings.extend(lists_for_one(set, schemas));
    findings.extend(kinds(set, schemas));
    findings
}

/// Where two rules read and write, so that they meet.
fn meet(left: &Rule, right: &Rule) -> bool {
    match (&left.header.direction, &right.header.direction) {
        (Direction::Inbound { from: a, to: x }, Direction::Inbound { from: b, to: y }) => {
            (x == y || x.is_none() || y.is_none()) && a.iter().any(|side| b.contains(side))
        }
        (Direction::Outbound { from: a, to: x }, Direction::Outbound { from: b, to: y }) => a == b && x == y,
        _ => false,
    }
}

fn pairs(set: &RuleSet) -> impl Iterator<Item = (&Rule, &Rule)> {
    let rules = set.rules();
    rules.iter().enumerate().flat_map(move |(at, left)| rules.iter().skip(at + 1).map(move |right| (left, right)))
}

fn same_precedence(set: &RuleSet) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (left, right) in pairs(set).filter(|(left, right)| meet(left, right)) {
        let shared: Vec<&AttributeName> =
            left.footprint.writes.keys().filter(|name| right.footprint.writes.contains_key(*name)).collect();
        let merged = |name: &&AttributeName| left.header.merge.contains(name) || right.header.merge.contains(name);
        let Some(name) = shared.iter().find(|name| !merged(name)) else { continue };
        if left.header.precedence == right.header.precedence {
            let message = format!(
                "`{}` and `{}` both write `{name}` with precedence {}",
                left.name, right.name, right.header.precedence
            );
            let problem = Diagnostic::warning("W220", message).at(&right.source, word(right, "precedence"));
            findings.push(problem.hint("the name of the file decides; give one of them a lower number"));
        }
    }
    findings
}

/// Two rules that link the same objects whatever these are: only the better one is ever asked.
fn two_links(set: &RuleSet) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let links = |rule: &Rule| rule.header.link != LinkType::None && !rule.has_scope;
    for (left, right) in pairs(set).filter(|(left, right)| meet(left, right) && links(left) && links(right)) {
        let (first, second) =
            if right.header.precedence < left.header.precedence { (right, left) } else { (left, right) };
        let message = format!("`{}` never links anything: `{}` links the same objects", second.name, first.name);
        let problem = Diagnostic::warning("W222", message).at(&second.source, word(second, "link"));
        findings.push(problem.hint("give them scopes that exclude each other, or put the join groups into one rule"));
    }
    findings
}

/// Metaverse attributes that are written and read by no rule, and look like one that is read and written by nobody. What
/// is kept for `explain`, or for rules to come, is no mistake.
fn unread(set: &RuleSet) -> Vec<Diagnostic> {
    let mut read: BTreeMap<&str, BTreeSet<AttributeName>> = BTreeMap::new();
    let mut joined: BTreeSet<AttributeName> = BTreeSet::new();
    for rule in set.rules() {
        match &rule.header.direction {
            Direction::Outbound { from, .. } => read.entry(from.as_str()).or_default().extend(rule.footprint.reads()),
            Direction::Inbound { .. } => joined.extend(rule.footprint.join_keys.iter().cloned()),
        }
    }
    let inbound = set.rules().iter().filter(|rule| matches!(rule.header.direction, Direction::Inbound { .. }));
    let written: BTreeSet<&AttributeName> = inbound.flat_map(|rule| rule.footprint.writes.keys()).collect();
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for rule in set.rules() {
        let Direction::Inbound { to: Some(to), .. } = &rule.header.direction else { continue };
        let Some(read) = read.get(to.as_str()) else { continue };
        for name in rule.footprint.writes.keys().filter(|name| !read.contains(*name) && !joined.contains(*name)) {
            if told.insert((to, name)) {
                let missed = read.iter().filter(|read| !written.contains(read)).map(AttributeName::as_str);
                if let Some(hint) = did_you_mean(name.as_str(), missed) {
                    let message = format!("nothing reads the metaverse attribute `{name}`");
                    let problem = Diagnostic::warning("W221", message).at(&rule.source, written_at(rule, name));
                    findings.push(problem.hint(hint));
                }
            }
        }
    }
    findings
}

fn attribute<'s>(schemas: &'s Schemas, side: &ConnectorType, name: &AttributeName) -> Option<&'s AttributeType> {
    schemas.get(&side.connector)?.get(&side.object_type)?.get(name)
}

/// Literals of another kind than the attribute that they are flowed to or compared with.
fn kinds(set: &RuleSet, schemas: &Schemas) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for rule in set.rules() {
        for literal in &rule.footprint.literals {
            let side = match &rule.header.direction {
                Direction::Inbound { from, .. } if !literal.flowed => from.first(),
                Direction::Outbound { to, .. } if literal.flowed => Some(to),
                Direction::Inbound { .. } | Direction::Outbound { .. } => None,
            };
            let Some(known) = side.and_then(|side| attribute(schemas, side, &literal.attribute)) else { continue };
            // A number may be flowed to a text, and a time is a text in a script.
            let text = matches!(known.kind, Kind::Time | Kind::Bytes) && literal.kind == Kind::Text;
            let number = literal.flowed && known.kind == Kind::Text && literal.kind == Kind::Integer;
            if known.kind == literal.kind || text || number {
                continue;
            }
            let (line, column) = literal.place;
            let place = word_at(&rule.source.text, line, column);
            let message = if literal.flowed {
                format!("`{}` holds {}, and this is {}", literal.attribute, known.kind, literal.kind)
            } else {
                format!("`{}` holds {}: it is never equal to {}", literal.attribute, known.kind, literal.kind)
            };
            let hint = match known.kind {
                Kind::Boolean => "`true` or `false`, without quotes",
                Kind::Integer => "a number, without quotes",
                Kind::Reference => "references are flowed as a whole: `manager: person.manager`",
                Kind::Password => "a password is made, not written: `once(password(24))`",
                Kind::Text | Kind::Bytes | Kind::Time => "a text, in quotes",
            };
            findings.push(Diagnostic::error("E224", message).at(&rule.source, place).hint(hint));
        }
    }
    findings
}

/// A target's attribute that holds one value, copied from a metaverse attribute that copies a list.
fn lists_for_one(set: &RuleSet, schemas: &Schemas) -> Vec<Diagnostic> {
    let mut lists: BTreeMap<&str, BTreeMap<&AttributeName, &str>> = BTreeMap::new();
    for rule in set.rules() {
        let Direction::Inbound { from, to: Some(to) } = &rule.header.direction else { continue };
        for copy in &rule.header.copies {
            let many = |side: &ConnectorType| {
                attribute(schemas, side, &copy.from).is_some_and(|known| known.multi && known.kind != Kind::Reference)
            };
            if from.iter().any(many) || rule.header.merge.contains(&copy.to) {
                lists.entry(to.as_str()).or_default().insert(&copy.to, &rule.name);
            }
        }
    }
    let mut findings = Vec::new();
    for rule in set.rules() {
        let Direction::Outbound { from, to } = &rule.header.direction else { continue };
        let Some(lists) = lists.get(from.as_str()) else { continue };
        for copy in &rule.header.copies {
            let one = attribute(schemas, to, &copy.to).is_some_and(|known| !known.multi);
            if let Some(writer) = lists.get(&copy.from).filter(|_| one) {
                let message = format!("`{}` holds one value, and `{}` of `{writer}` is a list", copy.to, copy.from);
                let problem =
                    Diagnostic::error("E223", message).at(&Arc::clone(&rule.source), written_at(rule, &copy.to));
                findings.push(problem.hint(format!("flow one of them: `{}: first({}.{})`", copy.to, from, copy.from)));
            }
        }
    }
    findings
}
