//! Tests of rules to a tenant: what the metaverse must hold is what rules into it copy from an object of a forest.

use std::collections::BTreeSet;

use super::{described, object, solve};
use crate::entra_connect::convert::{Attributes, Conversion, ConvertedFlow, ConvertedRule, FlowOutcome, State};
use crate::entra_connect::export::{Direction, Export, FlowSource, Rule};
use crate::entra_connect::expression;
use crate::entra_connect::written::{key, quoted};
use solve::Wants;

/// Tests for the choices of a rule to a tenant, as far as what they ask for is copied from somewhere.
pub(super) fn tests(
    export: &Export,
    conversion: &Conversion,
    schemas: &Attributes,
    rule: &ConvertedRule,
    original: &Rule,
) -> Vec<String> {
    let mut tests = Vec::new();
    for (flow, source) in rule.flows.iter().zip(&original.flows) {
        let FlowSource::Expression(text) = &source.from else { continue };
        let is_code = matches!(flow.outcome, FlowOutcome::Simplified | FlowOutcome::Exact);
        let Ok(parsed) = expression::parse(text) else { continue };
        let ways = solve::ways(&parsed.node, &|name| schemas.of_metaverse(name));
        if !is_code || ways.len() < 2 {
            continue;
        }
        let mut seen = BTreeSet::new();
        for (wants, _) in ways.into_iter().filter(|(_, error)| error.is_none()) {
            let Some((maker, wished)) = at_the_source(export, conversion, original, &wants) else { continue };
            let connector = conversion.rules.iter().find(|rule| rule.place == maker.place && rule.name == maker.name);
            let Some(connector) = connector.map(|rule| rule.connector.as_str()) else { continue };
            let schema = |name: &str| schemas.of_directory(&maker.connector, name);
            let Some(object) = object((maker, connector), &wished, &[], &schema) else { continue };
            if seen.insert(object.clone()) {
                tests.push(test(rule, flow, &described(&wants), &object));
            }
        }
    }
    tests
}

/// The rule that makes the object of the metaverse, and what its object must be like for the metaverse to be so.
fn at_the_source<'a>(
    export: &'a Export,
    conversion: &Conversion,
    original: &Rule,
    wants: &Wants,
) -> Option<(&'a Rule, Wants)> {
    let runs = |rule: &&Rule| {
        conversion
            .rules
            .iter()
            .any(|known| known.place == rule.place && known.name == rule.name && known.state == State::On)
    };
    let inbound: Vec<&Rule> = export
        .rules
        .iter()
        .filter(|rule| rule.direction == Direction::Inbound && rule.metaverse_type == original.metaverse_type)
        .filter(runs)
        .collect();
    let maker = inbound.iter().find(|rule| rule.link == crate::entra_connect::export::Link::Provision)?;
    let mut wished = Wants::new();
    for (name, want) in wants.values() {
        let same = |rule: &&&Rule| (&rule.connector, &rule.directory_type) == (&maker.connector, &maker.directory_type);
        let mut flows =
            inbound.iter().filter(same).flat_map(|rule| &rule.flows).filter(|flow| flow.to.eq_ignore_ascii_case(name));
        let from = flows.find_map(|flow| match &flow.from {
            FlowSource::Direct(name) => Some(name.clone()),
            FlowSource::Expression(text) => {
                let parsed = expression::parse(text).ok()?;
                let [inner] = parsed.node.call("Trim")? else { return None };
                inner.attribute().map(str::to_owned)
            }
            FlowSource::Constant(_) => None,
        })?;
        wished.insert(from.to_ascii_lowercase(), (from, want.clone()));
    }
    Some((maker, wished))
}

fn test(rule: &ConvertedRule, flow: &ConvertedFlow, name: &str, object: &str) -> String {
    let title = format!("{} of {}: {name}", flow.here, rule.file);
    let (connector, attribute) = (key(&rule.connector), key(&flow.here));
    let expect = format!("[[test.expect]]\n{connector} = {{ {attribute} = \"{}\" }}\n", super::UNKNOWN);
    format!("\n[[test]]\nname = {}\n\n[[test.object]]\n{object}\n{expect}", quoted(&title))
}
