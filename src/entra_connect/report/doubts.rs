//! What no rule says of itself: rules that no object reaches, and attributes that are read and were never imported.
//!
//! Looks at the configuration as it was read; knows nothing of what became of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::entra_connect::export::{Direction, Export, FlowSource, Link, Rule};
use crate::entra_connect::expression::{self, Expr, Node};

/// So many rules are named.
const NAMED: usize = 3;

/// Attributes that no connector has to select, for every object has them.
const ALWAYS_THERE: [&str; 3] = ["dn", "rdn", "cloudanchor"];

/// Rules that no object reaches: nothing links objects of their types.
pub(super) fn unlinked(export: &Export) -> Vec<String> {
    let links = |rule: &Rule| {
        export.rules.iter().any(|other| {
            let same = (&other.connector, other.direction, &other.directory_type)
                == (&rule.connector, rule.direction, &rule.directory_type);
            same && !other.disabled && (!other.joins.is_empty() || other.link == Link::Provision)
        })
    };
    // Of a few rules alone, others may link what they are about.
    let whole = export.rules.iter().any(|rule| rule.direction == Direction::Inbound && rule.link == Link::Provision);
    let alone = export
        .rules
        .iter()
        .filter(|rule| !rule.by_reference && !rule.disabled && rule.joins.is_empty() && !links(rule) && whole);
    let inbound = alone.filter(|rule| rule.direction == Direction::Inbound);
    inbound
        .map(|rule| format!("no rule links the objects of `{}`: its flows never come ({})", rule.name, rule.place))
        .collect()
}

/// Attributes that rules read and that their connector did not import.
pub(super) fn not_imported(export: &Export) -> Vec<String> {
    let mut remarks = Vec::new();
    for connector in export.connectors.iter().filter(|connector| !connector.selected.is_empty()) {
        let selected: BTreeSet<String> = connector.selected.iter().map(|name| name.to_lowercase()).collect();
        let mut missing: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
        let inbound = |rule: &&Rule| rule.direction == Direction::Inbound && !rule.disabled && !rule.by_reference;
        for rule in export.rules.iter().filter(|rule| rule.connector == connector.id).filter(inbound) {
            for name in read(rule) {
                let lower = name.to_lowercase();
                if selected.contains(&lower) || ALWAYS_THERE.contains(&lower.as_str()) {
                    continue;
                }
                let (_, rules) = missing.entry(lower).or_insert((name, Vec::new()));
                if !rules.contains(&rule.name.as_str()) {
                    rules.push(&rule.name);
                }
            }
        }
        for (name, rules) in missing.into_values() {
            let named = rules.iter().take(NAMED).map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", ");
            let more = rules.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let connector = &connector.name;
            remarks.push(format!("`{name}` is read by {named}{more}, and was not imported by `{connector}`"));
        }
    }
    remarks
}

/// Every attribute of the directory that a rule reads.
fn read(rule: &Rule) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = rule.scope.iter().flatten().map(|clause| clause.attribute.clone()).collect();
    names.extend(rule.joins.iter().flatten().map(|key| key.directory.clone()));
    for flow in &rule.flows {
        match &flow.from {
            FlowSource::Direct(name) => {
                names.insert(name.clone());
            }
            FlowSource::Constant(_) => {}
            FlowSource::Expression(text) => {
                let Ok(parsed) = expression::parse(text) else { continue };
                parsed.node.walk(&mut |node| names.extend(read_by(node).map(str::to_owned)));
            }
        }
    }
    names
}

fn read_by(node: &Node) -> Option<&str> {
    match &node.expr {
        Expr::Attribute(name) => Some(name),
        Expr::Call(name, arguments) if ["ImportedValue", "ValueCount"].contains(&name.as_str()) => {
            arguments.first().and_then(Node::text)
        }
        _ => None,
    }
}
