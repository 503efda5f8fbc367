//! Precedence over forests: attributes of the metaverse that rules of several forests give, and which rule comes first.
//!
//! Only what is written counts; a single forest has no contest.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::original;
use crate::entra_connect::convert::{Conversion, ConvertedRule, FlowOutcome, State};
use crate::entra_connect::export::{ConnectorKind, Direction, Export, Merge, Rule};

/// Attributes that the same rules of several forests give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contest {
    /// The type of the metaverse.
    pub object: String,
    /// The attributes.
    pub attributes: Vec<String>,
    /// Whether the values of all are put together.
    pub merged: bool,
    /// Who gives them, the first wins.
    pub givers: Vec<Giver>,
}

/// A rule that gives an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Giver {
    /// Lower wins.
    pub precedence: i64,
    /// The rule.
    pub rule: String,
    /// Its file.
    pub file: String,
    /// Its connector here.
    pub connector: String,
}

/// The contests of a conversion.
pub(super) fn contests(export: &Export, conversion: &Conversion) -> Vec<Contest> {
    let mut given = Given::new();
    let mut forests = BTreeSet::new();
    for rule in conversion.rules.iter().filter(|rule| rule.direction == Direction::Inbound && rule.state == State::On) {
        let Some(original) = original(export, rule) else { continue };
        if of_forest(export, original) {
            forests.insert(rule.connector.clone());
        }
        let written = rule.flows.iter().filter(|flow| !matches!(flow.outcome, FlowOutcome::NotWritten(_)));
        for flow in written {
            let merged = original.flows.iter().any(|other| other.to == flow.to && other.merge != Merge::Update);
            let key = (original.metaverse_type.clone(), flow.to.to_lowercase());
            let (_, all_merged, givers) = given.entry(key).or_insert((flow.to.clone(), true, Vec::new()));
            *all_merged &= merged;
            if !givers.iter().any(|known| known.file == super::file_of(rule)) {
                givers.push(giver(rule));
            }
        }
    }
    grouped(given, &forests)
}

fn of_forest(export: &Export, rule: &Rule) -> bool {
    let connector = export.connectors.iter().find(|connector| connector.id == rule.connector);
    connector.is_some_and(|connector| connector.kind != ConnectorKind::Entra)
}

fn giver(rule: &ConvertedRule) -> Giver {
    Giver {
        precedence: rule.precedence,
        rule: rule.name.clone(),
        file: super::file_of(rule),
        connector: rule.connector.clone(),
    }
}

type Given = BTreeMap<(String, String), (String, bool, Vec<Giver>)>;

/// Attributes of several forests; those with the same rules are one contest.
fn grouped(given: Given, forests: &BTreeSet<String>) -> Vec<Contest> {
    let mut contests: BTreeMap<(String, Vec<Giver>, bool), Vec<String>> = BTreeMap::new();
    for ((object, _), (attribute, merged, mut givers)) in given {
        let from: BTreeSet<&String> =
            givers.iter().map(|giver| &giver.connector).filter(|name| forests.contains(*name)).collect();
        if from.len() < 2 {
            continue;
        }
        givers.sort_by(|left, right| (left.precedence, &left.file).cmp(&(right.precedence, &right.file)));
        contests.entry((object, givers, merged)).or_default().push(attribute);
    }
    let made = |((object, givers, merged), attributes)| Contest { object, attributes, merged, givers };
    contests.into_iter().map(made).collect()
}
