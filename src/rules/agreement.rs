//! Rules against each other: precedences that nobody can tell apart, values that nobody reads, lists where one value fits.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::header::{ConnectorType, Direction, LinkType};
use super::schemas::{Schemas, word, written_at};
use super::{Rule, RuleSet, Shape};
use crate::diagnostic::{Diagnostic, did_you_mean, word_at};
use crate::value::{AttributeName, AttributeType, Kind};

/// Everything in which the rules of a set do not agree.
pub(super) fn findings(set: &RuleSet, schemas: &Schemas) -> Vec<Diagnostic> {
    let mut findings = same_precedence(set);
    findings.extend(two_links(set));
    findings.extend(unread(set));
    let metaverse = metaverse(set, schemas);
    findings.extend(lists_for_one(set, schemas, &metaverse));
    findings.extend(compared(set, schemas));
    findings.extend(kinds(set, schemas, &metaverse));
    findings.extend(without_flags(set, schemas, &metaverse));
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
    let same = |left: &Rule, right: &Rule| left.header.precedence == right.header.precedence && meet(left, right);
    for (left, right) in pairs(set).filter(|(left, right)| same(left, right)) {
        let shared: Vec<&AttributeName> =
            left.footprint.writes.keys().filter(|name| right.footprint.writes.contains_key(*name)).collect();
        let merged = |name: &&AttributeName| left.header.merge.contains(name) || right.header.merge.contains(name);
        let Some(name) = shared.iter().find(|name| !merged(name)) else { continue };
        let message = format!(
            "`{}` and `{}` both write `{name}` with precedence {}",
            left.name, right.name, right.header.precedence
        );
        let problem = Diagnostic::warning("W220", message).at(&right.source, word(right, "precedence"));
        findings.push(problem.hint("the name of the file decides; give one of them a lower number"));
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

/// What is known of the metaverse's attributes, by type.
type Known<'s> = BTreeMap<&'s str, BTreeMap<&'s AttributeName, MetaverseAttribute<'s>>>;

/// What the rules that write an attribute of the metaverse give to it.
#[derive(Default)]
struct MetaverseAttribute<'s> {
    /// A rule that gives a list.
    list: Option<&'s str>,
    kinds: BTreeSet<Kind>,
    /// Whether a rule may give other kinds.
    open: bool,
}

fn metaverse<'s>(set: &'s RuleSet, schemas: &Schemas) -> Known<'s> {
    let mut known = Known::new();
    for rule in set.rules() {
        let Direction::Inbound { from, to: Some(to) } = &rule.header.direction else { continue };
        let sides = |name| from.iter().map(move |side| attribute(schemas, side, name));
        let holds_many = |known: &AttributeType| known.multi && known.kind != Kind::Reference;
        for (name, shape) in &rule.footprint.shapes {
            let entry = known.entry(to.as_str()).or_default().entry(name).or_default();
            if shape.list || shape.list_like.iter().any(|like| sides(like).flatten().any(holds_many)) {
                entry.list = Some(&rule.name);
            }
            entry.kinds.extend(&shape.kinds);
            let read = shape.kinds_like.iter().flat_map(sides);
            entry.open |= shape.open;
            for known in read {
                entry.open |= known.is_none();
                entry.kinds.extend(known.map(|known| known.kind));
            }
        }
    }
    known
}

/// What an outbound rule gives to an attribute of its target.
struct Given<'s> {
    rule: &'s Rule,
    /// The type of the metaverse that the rule reads.
    from: &'s str,
    name: &'s AttributeName,
    shape: &'s Shape,
    /// What the target takes.
    takes: &'s AttributeType,
}

fn given<'s>(set: &'s RuleSet, schemas: &'s Schemas) -> impl Iterator<Item = Given<'s>> {
    let outbound = set.rules().iter().filter_map(|rule| match &rule.header.direction {
        Direction::Outbound { from, to } => Some((rule, from, to)),
        Direction::Inbound { .. } => None,
    });
    outbound.flat_map(move |(rule, from, to)| {
        rule.footprint.shapes.iter().filter_map(move |(name, shape)| {
            Some(Given { rule, from, name, shape, takes: attribute(schemas, to, name)? })
        })
    })
}

/// A target's attribute that holds one value, and is given a list: one that the rule makes, or one that comes from a
/// metaverse attribute that is a list itself.
fn lists_for_one(set: &RuleSet, schemas: &Schemas, metaverse: &Known<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for Given { rule, from, name, shape, takes } in given(set, schemas) {
        if takes.multi || takes.kind == Kind::Reference {
            continue;
        }
        let list = |like| Some((like, metaverse.get(from)?.get(like)?.list?));
        let (message, hint) = match shape.list_like.iter().find_map(list) {
            Some((read, writer)) => (
                format!("`{name}` holds one value, and `{read}` of `{writer}` is a list"),
                format!("flow one of them: `{name}: first({from}.{read})`"),
            ),
            None if shape.list => (
                format!("`{name}` holds one value, and this is a list"),
                "flow one of them with `first(…)`, or all as one text: `join(…, \", \")`".to_owned(),
            ),
            None => continue,
        };
        findings.push(Diagnostic::error("E223", message).at(&rule.source, written_at(rule, name)).hint(hint));
    }
    findings
}

/// What is flowed to an attribute and is of another kind.
fn kinds(set: &RuleSet, schemas: &Schemas, metaverse: &Known<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for Given { rule, from, name, shape, takes } in given(set, schemas) {
        let wrong = |kind: &&Kind| !fits(**kind, takes.kind);
        let of_attribute = |like| {
            let known = metaverse.get(from)?.get(like).filter(|known| !known.open)?;
            let kind = known.kinds.first().filter(|_| known.kinds.iter().all(|kind| wrong(&kind)))?;
            Some(format!("`{name}` holds {}, and `{like}` is {kind}", takes.kind))
        };
        let own =
            shape.kinds.iter().find(wrong).map(|kind| format!("`{name}` holds {}, and this is {kind}", takes.kind));
        if let Some(message) = own.or_else(|| shape.kinds_like.iter().find_map(of_attribute)) {
            let place = literal_at(rule, name).unwrap_or_else(|| written_at(rule, name));
            findings.push(Diagnostic::error("E224", message).at(&rule.source, place).hint(instead(takes.kind)));
        }
    }
    findings
}

/// A literal that is flowed to an attribute.
fn literal_at(rule: &Rule, name: &AttributeName) -> Option<Range<usize>> {
    let literal = rule.footprint.literals.iter().find(|literal| literal.flowed && literal.attribute == *name)?;
    Some(word_at(&rule.source.text, literal.place.0, literal.place.1))
}

/// Literals that are compared with an attribute of another kind.
fn compared(set: &RuleSet, schemas: &Schemas) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for rule in set.rules() {
        let Direction::Inbound { from, .. } = &rule.header.direction else { continue };
        for literal in rule.footprint.literals.iter().filter(|literal| !literal.flowed) {
            let known = from.first().and_then(|side| attribute(schemas, side, &literal.attribute));
            let Some(known) = known.filter(|known| known.kind != literal.kind) else { continue };
            if matches!(known.kind, Kind::Time | Kind::Bytes) && literal.kind == Kind::Text {
                continue;
            }
            let place = word_at(&rule.source.text, literal.place.0, literal.place.1);
            let message =
                format!("`{}` holds {}: it is never equal to {}", literal.attribute, known.kind, literal.kind);
            findings.push(Diagnostic::error("E224", message).at(&rule.source, place).hint(instead(known.kind)));
        }
    }
    findings
}

/// Attributes whose bits a rule looks at, and that are no numbers.
fn without_flags(set: &RuleSet, schemas: &Schemas, metaverse: &Known<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for rule in set.rules() {
        for (name, place) in &rule.footprint.numbers {
            let kinds: BTreeSet<Kind> = match &rule.header.direction {
                Direction::Inbound { from, .. } => {
                    from.iter().filter_map(|side| Some(attribute(schemas, side, name)?.kind)).collect()
                }
                Direction::Outbound { from, .. } => {
                    let known = metaverse.get(from.as_str()).and_then(|known| known.get(name));
                    known.filter(|known| !known.open).map(|known| known.kinds.clone()).unwrap_or_default()
                }
            };
            let Some(kind) = kinds.first().filter(|_| !kinds.contains(&Kind::Integer)) else { continue };
            let place = word_at(&rule.source.text, place.0, place.1);
            let problem = Diagnostic::error("E227", format!("`{name}` is {kind}, and only a number has flags"));
            findings.push(problem.at(&rule.source, place).hint("`to_integer(…)` makes a number of a text"));
        }
    }
    findings
}

/// Whether a target takes one kind for another. A number may be flowed to a text, and a time is a text in a script.
fn fits(given: Kind, takes: Kind) -> bool {
    match (given, takes) {
        (Kind::Text | Kind::Bytes | Kind::Time, Kind::Text | Kind::Bytes | Kind::Time)
        | (Kind::Integer, Kind::Text) => true,
        // References are not values, and have their own checks.
        (Kind::Reference, _) => true,
        (given, takes) => given == takes,
    }
}

fn instead(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "`true` or `false`, without quotes",
        Kind::Integer => "a number, without quotes",
        Kind::Reference => "references are flowed as a whole: `manager: person.manager`",
        Kind::Password => "a password is made, not written: `once(password(24))`",
        Kind::Text | Kind::Bytes | Kind::Time => "a text, in quotes",
    }
}
