//! What the original rules of a configuration say about an object, by the evaluator of the tests.

use std::collections::BTreeMap;

use syncline::entra_connect::{ConnectorKind, Direction, Export, FlowSource, Link, Rule};

use super::company::{is_boolean, is_list};
use crate::engine::plain;
use crate::oracle::{self, Expr, Object, Value};

pub(crate) fn parameters(connector: &str) -> BTreeMap<String, String> {
    [
        ("Domain.FQDN", "contoso.test"),
        ("Domain.Netbios", "CONTOSO"),
        ("Forest.FQDN", "contoso.test"),
        ("Forest.Netbios", "CONTOSO"),
        ("Connector.ID", connector),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// What expressions see of an object.
pub(crate) fn object(attributes: BTreeMap<String, Value>, members: usize, connector: &str) -> Object {
    Object {
        imported: attributes.clone(),
        attributes,
        parameters: parameters(connector),
        counts: [("member".to_owned(), i64::try_from(members).unwrap())].into(),
        multi: is_list,
        booleans: is_boolean,
    }
}

/// What the original rules of one direction say about an object, by attribute: the first value by precedence.
pub(crate) struct Originals {
    rules: Vec<(Rule, Vec<Option<Expr>>)>,
}

impl Originals {
    pub(crate) fn of(export: &Export, direction: Direction, kind: &ConnectorKind) -> Originals {
        let connector = export.connectors.iter().find(|connector| connector.kind == *kind).unwrap();
        let mut rules: Vec<&Rule> =
            export.rules.iter().filter(|rule| rule.direction == direction && rule.connector == connector.id).collect();
        rules.sort_by_key(|rule| rule.precedence);
        let parsed = |rule: &&Rule| {
            let exprs = rule.flows.iter().map(|flow| match &flow.from {
                FlowSource::Expression(text) => Some(oracle::parse(text).unwrap()),
                FlowSource::Direct(_) | FlowSource::Constant(_) => None,
            });
            ((*rule).clone(), exprs.collect())
        };
        Originals { rules: rules.iter().map(parsed).collect() }
    }

    pub(crate) fn say(&self, object: &Object, kinds: (&str, &str)) -> Result<(bool, BTreeMap<String, Value>), String> {
        let (mut linked, mut values) = (false, BTreeMap::new());
        for (rule, exprs) in &self.rules {
            if (rule.directory_type.as_str(), rule.metaverse_type.as_str()) != kinds {
                continue;
            }
            let groups: Vec<Vec<(String, String, String)>> = rule
                .scope
                .iter()
                .map(|group| {
                    group
                        .iter()
                        .map(|clause| (clause.attribute.clone(), clause.operator.clone(), clause.value.clone()))
                        .collect()
                })
                .collect();
            if !groups.is_empty() && !oracle::in_scope(&groups, object)? {
                continue;
            }
            linked |= rule.link == Link::Provision;
            for (flow, expr) in rule.flows.iter().zip(exprs) {
                let value = match (&flow.from, expr) {
                    (_, Some(expr)) => oracle::evaluate(expr, object)?,
                    (FlowSource::Direct(name), None) => object.attribute(name),
                    (FlowSource::Constant(text), None) => match text.to_lowercase().as_str() {
                        "true" => Value::Bool(true),
                        "false" => Value::Bool(false),
                        _ => Value::Text(text.clone()),
                    },
                    (FlowSource::Expression(_), None) => Value::Null,
                };
                if !plain(&value).is_empty() && !values.contains_key(&flow.to) {
                    values.insert(flow.to.clone(), value);
                }
            }
        }
        Ok((linked, values))
    }
}
