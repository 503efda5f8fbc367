//! What connectors, files, parameters and settings are called, and which precedence rules get.

use std::collections::{BTreeMap, BTreeSet};

use super::code::Code;
use crate::entra_connect::export::{Connector, ConnectorKind, Direction, Export, Place, Rule};

/// Parameters of a domain that every rule knows.
const OF_DOMAIN: [(&str, &str); 2] =
    [("domain.fqdn", "source.domain_fqdn"), ("domain.netbios", "source.domain_netbios")];

/// How far numbers are moved apart where a rule must go between two others.
const SPACE: i64 = 10;

/// The names of one conversion.
pub(super) struct Names {
    /// By id.
    connectors: BTreeMap<String, String>,
    /// By rule, as far as it can be told apart.
    files: BTreeMap<Identity, String>,
    precedences: BTreeMap<Identity, i64>,
    moved: bool,
    /// Rules whose place among the others nobody can tell, a sentence each.
    lost: Vec<String>,
}

/// What tells rules apart: names and ids need not.
type Identity = (String, String, i64, String, Place);

fn identity(rule: &Rule) -> Identity {
    (rule.connector.clone(), rule.name.clone(), rule.precedence, rule.id.clone(), rule.place.clone())
}

/// Small letters, digits and hyphens.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.to_lowercase().chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

impl Names {
    pub(super) fn of(export: &Export, chosen: &BTreeMap<String, String>) -> Names {
        let mut connectors = BTreeMap::new();
        let mut taken = BTreeSet::new();
        let forests =
            export.connectors.iter().filter(|connector| connector.kind == ConnectorKind::ActiveDirectory).count();
        for connector in &export.connectors {
            let wanted = chosen.get(&connector.id).or_else(|| chosen.get(&connector.name)).cloned();
            let wanted = wanted.unwrap_or_else(|| connector_name(connector, forests));
            connectors.insert(connector.id.clone(), free(wanted, &mut taken));
        }
        let mut files = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for rule in &export.rules {
            let mut name = slug(&rule.name);
            if name.is_empty() || !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
                name = format!("rule-{name}");
            }
            if taken.contains(&name) {
                let connector = connectors.get(&rule.connector).map(|name| slug(name)).unwrap_or_default();
                name = format!("{name}-{connector}");
            }
            files.insert(identity(rule), free(name, &mut taken));
        }
        let (precedences, moved, lost) = precedences(&export.rules);
        Names { connectors, files, precedences, moved, lost }
    }

    pub(super) fn connector(&self, id: &str) -> String {
        self.connectors.get(id).cloned().unwrap_or_else(|| slug(id))
    }

    pub(super) fn file(&self, rule: &Rule) -> String {
        self.files.get(&identity(rule)).cloned().unwrap_or_else(|| slug(&rule.name))
    }

    pub(super) fn precedence(&self, rule: &Rule) -> i64 {
        self.precedences.get(&identity(rule)).copied().unwrap_or(rule.precedence)
    }

    /// A rule that stands in for one that is only named, with its precedence among those of the others.
    pub(super) fn standing_in(&self, text: String) -> String {
        if self.moved { moved_apart(&text) } else { text }
    }

    /// Names there and here.
    pub(super) fn connectors(&self, export: &Export) -> Vec<(String, String)> {
        let of = |connector: &Connector| {
            let there = if connector.name.is_empty() { connector.id.clone() } else { connector.name.clone() };
            (there, self.connector(&connector.id))
        };
        export.connectors.iter().map(of).collect()
    }

    /// The code of a parameter.
    pub(super) fn parameter(&self, rule: &Rule, name: &str) -> Result<Code, String> {
        let lower = name.to_ascii_lowercase();
        let inbound = rule.direction == Direction::Inbound;
        if lower == "connector.id" {
            return Ok(Code::plain(if inbound { "source.connector" } else { "target.connector" }));
        }
        if let Some((_, code)) = OF_DOMAIN.iter().find(|(known, _)| *known == lower) {
            return if inbound {
                Ok(Code::plain(*code))
            } else {
                Err(format!("`%{name}%` is known of objects of a source, and this rule goes to a target"))
            };
        }
        Ok(Code::call("setting", [Code::text(&self.setting(&rule.connector, name))]))
    }

    /// `ad_forest_fqdn`
    fn setting(&self, connector: &str, parameter: &str) -> String {
        format!("{}_{}", self.connector(connector), slug(parameter)).replace('-', "_")
    }

    /// Settings that rules ask for, with the values that the export has.
    pub(super) fn settings(&self, export: &Export) -> Vec<(String, Option<String>)> {
        let mut settings = BTreeMap::new();
        for rule in &export.rules {
            for name in parameters(rule) {
                let lower = name.to_ascii_lowercase();
                if lower == "connector.id" || OF_DOMAIN.iter().any(|(known, _)| *known == lower) {
                    continue;
                }
                let connector = export.connectors.iter().find(|connector| connector.id == rule.connector);
                let value = connector.and_then(|connector| parameter_of(connector, &name));
                settings.insert(self.setting(&rule.connector, &name), value);
            }
        }
        settings.into_iter().collect()
    }

    /// What is odd about names and numbers.
    pub(super) fn remarks(&self, export: &Export) -> Vec<String> {
        let mut remarks = self.lost.clone();
        if self.moved {
            remarks.push(format!(
                "some rules go before or after others by reference: all precedences are {SPACE} times what they were, to make room"
            ));
        }
        let mut by_number: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
        for rule in export.rules.iter().filter(|rule| !rule.by_reference) {
            by_number.entry(self.precedence(rule)).or_default().push(&rule.name);
        }
        for (number, names) in by_number.into_iter().filter(|(_, names)| names.len() > 1) {
            let names = names.join("`, `");
            remarks.push(format!("precedence {number} is that of several rules, and the first name wins: `{names}`"));
        }
        remarks
    }
}

fn connector_name(connector: &Connector, forests: usize) -> String {
    match &connector.kind {
        ConnectorKind::Entra => "entra".to_owned(),
        ConnectorKind::ActiveDirectory if forests == 1 => "ad".to_owned(),
        ConnectorKind::ActiveDirectory => {
            let first = connector.name.split('.').next().unwrap_or_default();
            let first = slug(if first.is_empty() { &connector.id } else { first });
            format!("ad-{first}")
        }
        ConnectorKind::Other(category) => slug(if connector.name.is_empty() { category } else { &connector.name }),
    }
}

/// The name, or the name with the first number that is free.
fn free(name: String, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = name.clone();
    let mut number = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}-{number}");
        number += 1;
    }
    candidate
}

fn parameter_of(connector: &Connector, name: &str) -> Option<String> {
    let of_partitions = connector.partitions.iter().flat_map(|partition| &partition.parameters);
    let mut all = connector.parameters.iter().chain(of_partitions);
    all.find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.clone())
        .filter(|value| !value.is_empty())
}

/// Parameters that a rule names.
fn parameters(rule: &Rule) -> BTreeSet<String> {
    use crate::entra_connect::export::FlowSource;
    use crate::entra_connect::expression::{Expr, parse};
    let mut names = BTreeSet::new();
    for flow in &rule.flows {
        let FlowSource::Expression(text) = &flow.from else { continue };
        let Ok(parsed) = parse(text) else { continue };
        parsed.node.walk(&mut |node| {
            if let Expr::Parameter(name) = &node.expr {
                names.insert(name.clone());
            }
        });
    }
    for clause in rule.scope.iter().flatten() {
        let name = clause.value.trim().strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
        names.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    names
}

type Precedences = BTreeMap<Identity, i64>;

/// The numbers as they are; where rules go before or after others by reference, all are moved apart, to make room. And what
/// is to be known of rules whose place nobody can tell.
fn precedences(rules: &[Rule]) -> (Precedences, bool, Vec<String>) {
    let relative = |rule: &&Rule| rule.precedence == 0 && (rule.before.is_some() || rule.after.is_some());
    let (mut waiting, fixed): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(relative);
    if waiting.is_empty() {
        return (BTreeMap::new(), false, Vec::new());
    }
    let mut placed = Placed::default();
    for rule in fixed {
        placed.put(rule, rule.precedence * SPACE);
    }
    // One may go before or after another that waits, too.
    while let Some(at) = waiting.iter().position(|rule| placed.beside(rule).is_some()) {
        let rule = waiting.remove(at);
        if let Some((number, step)) = placed.beside(rule) {
            placed.put_near(rule, number, step);
        }
    }
    let mut remarks = Vec::new();
    for rule in &waiting {
        placed.put_near(rule, 0, 1);
        let names = [&rule.before, &rule.after].into_iter().flatten();
        let named = |id: &String| rules.iter().find(|other| other.id == *id);
        let why = match names.filter_map(named).next() {
            Some(other) if other.by_reference => format!("`{}`, whose precedence the export does not have", other.name),
            Some(other) => format!("`{}`, which goes before or after it in turn", other.name),
            None => "a rule that the export does not have".to_owned(),
        };
        remarks.push(format!(
            "`{}` goes before or after {why}: it goes before all others now; give it a precedence ({})",
            rule.name, rule.place
        ));
    }
    (placed.numbers, true, remarks)
}

/// Rules that have a number.
#[derive(Default)]
struct Placed<'a> {
    numbers: Precedences,
    by_id: BTreeMap<&'a str, i64>,
    used: BTreeSet<i64>,
}

impl<'a> Placed<'a> {
    fn put(&mut self, rule: &'a Rule, number: i64) {
        self.numbers.insert(identity(rule), number);
        self.used.insert(number);
        if !rule.id.is_empty() && !rule.by_reference {
            self.by_id.insert(&rule.id, number);
        }
    }

    /// The number, or the next one in a direction that is free.
    fn put_near(&mut self, rule: &'a Rule, mut number: i64, step: i64) {
        while self.used.contains(&number) {
            number += step;
        }
        self.put(rule, number);
    }

    /// The place before or after the rule that one names, and the direction in which there is room.
    fn beside(&self, rule: &Rule) -> Option<(i64, i64)> {
        let number = |id: &Option<String>| id.as_deref().and_then(|id| self.by_id.get(id)).copied();
        number(&rule.before).map(|before| (before - 1, -1)).or_else(|| Some((number(&rule.after)? + 1, 1)))
    }
}

/// The text of a rule that ships, with its precedence moved like all others.
fn moved_apart(text: &str) -> String {
    let line = |line: &str| {
        let number = line.trim().strip_prefix("precedence:").and_then(|rest| rest.trim().strip_suffix(','));
        match number.and_then(|number| number.trim().parse::<i64>().ok()) {
            Some(number) => format!("    precedence: {},\n", number * SPACE),
            None => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
