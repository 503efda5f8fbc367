//! Tests for converted rules: one for each branch of each converted expression. What an object must be like follows from
//! the expression's own structure (`solve`); what comes of it is written by whoever runs the tests first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::convert::{Conversion, ConvertedFlow, ConvertedRule, FlowOutcome, State, schemas_of};
use super::export::{AttributeSchema, ConnectorKind, Direction, Export, FlowSource, Rule};
use super::expression::{self, Node};
use super::written::{key, one_line, quoted};
use crate::value::Kind;
use solve::{Want, Wants};

mod outbound;
mod solve;

/// What a test expects before it ran.
pub(crate) const UNKNOWN: &str = "?";

/// Files of tests, by their paths below the folder of a conversion. They expect [`UNKNOWN`] of the attribute that they
/// are about.
pub fn tests(export: &Export, conversion: &Conversion) -> BTreeMap<String, String> {
    let schemas = schemas_of(export);
    let targets = targets(export, conversion);
    let mut files = BTreeMap::new();
    for rule in conversion.rules.iter().filter(|rule| rule.state == State::On) {
        let Some(original) =
            export.rules.iter().find(|original| original.place == rule.place && original.name == rule.name)
        else {
            continue;
        };
        let active_directory = |id: &str| {
            let connector = export.connectors.iter().find(|connector| connector.id == id);
            connector.is_none_or(|connector| connector.kind == ConnectorKind::ActiveDirectory)
        };
        let made = match rule.direction {
            Direction::Inbound if active_directory(&original.connector) => {
                let schema = |name: &str| schemas.of_directory(&original.connector, name);
                inbound(rule, original, &schema)
            }
            Direction::Outbound if !active_directory(&original.connector) => {
                outbound::tests(export, conversion, &schemas, rule, original)
            }
            Direction::Inbound | Direction::Outbound => Vec::new(),
        };
        if !made.is_empty() {
            let head = format!(
                "# Made from the expressions of `{}`: one test for each branch of each.\n",
                one_line(&rule.name)
            );
            files.insert(format!("rules/tests/{}.toml", rule.file), head + targets.as_str() + made.join("").as_str());
        }
    }
    files
}

/// What tenants say of themselves, in tests.
fn targets(export: &Export, conversion: &Conversion) -> String {
    let names = export.connectors.iter().zip(&conversion.connectors);
    let tenants = names.filter(|(connector, _)| connector.kind == ConnectorKind::Entra);
    let table = |(_, (_, name)): (_, &(String, String))| {
        let domains = "initial_domain = \"contoso.onmicrosoft.com\"\nverified_domains = [\"contoso.com\"]\n";
        format!("\n[target.{}]\n{domains}", key(name))
    };
    tenants.map(table).collect()
}

fn inbound(rule: &ConvertedRule, original: &Rule, schema: &dyn Fn(&str) -> AttributeSchema) -> Vec<String> {
    let mut tests = Vec::new();
    for (flow, source) in rule.flows.iter().zip(&original.flows) {
        let FlowSource::Expression(text) = &source.from else { continue };
        if !matches!(flow.outcome, FlowOutcome::Simplified | FlowOutcome::Exact) {
            continue;
        }
        let Ok(parsed) = expression::parse(text) else { continue };
        // A parameter alone says nothing about objects, and its value may not be known.
        if matches!(parsed.node.expr, expression::Expr::Parameter(_)) {
            continue;
        }
        let ways = solve::ways(&parsed.node, schema);
        let asked = asked(&parsed.node);
        // An expression without a choice is tried where its attributes are there.
        let several = ways.len() > 1;
        let mut seen = BTreeSet::new();
        for (wants, error) in ways {
            let Some(object) = object((original, &rule.connector), &wants, &asked, schema) else { continue };
            let name = if several { described(&wants) } else { "whatever the object".to_owned() };
            if seen.insert(object.clone()) {
                tests.push(test(rule, flow, &name, &object, error.as_deref()));
            }
        }
    }
    tests
}

/// Attributes that an expression reads.
fn asked(node: &Node) -> Vec<String> {
    let mut names = Vec::new();
    node.walk(&mut |node| {
        let quoted = node.call("ImportedValue").and_then(|arguments| arguments.first()?.text());
        names.extend(node.attribute().or(quoted).map(str::to_owned));
    });
    names
}

/// A test, as text.
fn test(rule: &ConvertedRule, flow: &ConvertedFlow, name: &str, object: &str, error: Option<&str>) -> String {
    let mut text = String::new();
    let title = format!("{} of {}: {name}", flow.here, rule.file);
    let _ = write!(text, "\n[[test]]\nname = {}\n\n[[test.object]]\n{object}", quoted(&title));
    let attribute = key(&flow.here);
    let _ = match error {
        Some(error) => write!(text, "\n[[test.expect]]\nerror = {}\n", quoted(error)),
        None => write!(text, "\n[[test.expect]]\nperson = {{ {attribute} = \"{UNKNOWN}\" }}\n"),
    };
    text
}

/// Wishes in words.
fn described(wants: &Wants) -> String {
    let words = wants.values().map(|(name, want)| match want {
        Want::Absent => format!("no {name}"),
        Want::Present => format!("a {name}"),
        Want::Text(text) => format!("{name} is {text}"),
        Want::Integer(number) => format!("{name} is {number}"),
        Want::Boolean(truth) => format!("{name} is {truth}"),
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "whatever the object".to_owned() } else { words.join(", ") }
}

/// What every object has, so that it comes in at all.
const ALWAYS: &[(&str, &str)] = &[
    ("cn", "\"Ada Lovelace\""),
    ("objectGUID", "\"base64:EREAAKqqIiK7uzMzzMxERA==\""),
    ("objectSid", "\"base64:AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAAUQQAAA==\""),
    ("sAMAccountName", "\"ada\""),
];

/// Values of attributes that must be there, and whose value must fit.
const SAMPLES: &[(&str, &str)] = &[
    ("userAccountControl", "512"),
    ("groupType", "-2147483646"),
    ("userPrincipalName", "\"ada@contoso.com\""),
    ("mail", "\"ada@contoso.com\""),
    ("mailNickname", "\"ada\""),
    ("displayName", "\"Ada L.\""),
    ("proxyAddresses", "[\"SMTP:ada@contoso.com\", \"smtp:al@contoso.com\"]"),
    ("pwdLastSet", "130543784930000000"),
];

/// The object of a test: what the rule's scope asks for, then what the way through the expression asks for.
fn object(
    (rule, connector): (&Rule, &str),
    wants: &Wants,
    asked: &[String],
    schema: &dyn Fn(&str) -> AttributeSchema,
) -> Option<String> {
    let mut attributes: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut set = |name: &str, value: String| attributes.insert(name.to_ascii_lowercase(), (name.to_owned(), value));
    let class = rule.directory_type.to_ascii_lowercase();
    for (name, value) in
        ALWAYS.iter().filter(|(name, _)| class != "contact" || !["objectSid", "sAMAccountName"].contains(name))
    {
        set(name, (*value).to_owned());
    }
    match class.as_str() {
        "user" | "inetorgperson" => {
            set("userAccountControl", "512".to_owned());
            set("userPrincipalName", "\"ada@contoso.com\"".to_owned());
        }
        "group" => {
            set("groupType", "-2147483646".to_owned());
        }
        "contact" => {
            set("mail", "\"ada@contoso.com\"".to_owned());
        }
        _ => {}
    }
    for (name, value) in in_scope(rule)? {
        set(&name, value.unwrap_or_else(|| sample(&name, schema(&name))));
    }
    let reference = |name: &str| schema(name).kind == Kind::Reference;
    for name in asked.iter().filter(|name| !reference(name) && !wants.contains_key(&name.to_ascii_lowercase())) {
        if !name.eq_ignore_ascii_case("dn") && !attributes.contains_key(&name.to_ascii_lowercase()) {
            attributes.insert(name.to_ascii_lowercase(), (name.clone(), sample(name, schema(name))));
        }
    }
    let mut dn = "CN=Ada,OU=People,DC=contoso,DC=com".to_owned();
    for (key, (name, want)) in wants {
        match want {
            Want::Text(text) if key == "dn" => dn.clone_from(text),
            _ if key == "dn" => {}
            Want::Absent => {
                attributes.remove(key);
            }
            want => {
                attributes.insert(key.clone(), (name.clone(), wished(name, want, schema(name))?));
            }
        }
    }
    let listed = attributes.values().map(|(name, value)| format!("{} = {value}", key(name)));
    let listed = listed.collect::<Vec<_>>().join(", ");
    let kind = &rule.directory_type;
    let side = quoted(&format!("{connector}/{kind}"));
    Some(format!("in = {side}\ndn = {}\nattributes = {{ {listed} }}\n", quoted(&dn)))
}

/// Attributes that the first group of a scope asks for, and their values; nothing where it asks for something unusual.
fn in_scope(rule: &Rule) -> Option<Vec<(String, Option<String>)>> {
    let mut asked = Vec::new();
    for clause in rule.scope.first().into_iter().flatten() {
        match clause.operator.to_ascii_uppercase().as_str() {
            "ISNOTNULL" => asked.push((clause.attribute.clone(), None)),
            "EQUAL" if !clause.value.contains('%') => {
                asked.push((clause.attribute.clone(), Some(quoted(&clause.value))))
            }
            operator if operator.contains("NOT") || operator == "ISNULL" => {}
            _ => return None,
        }
    }
    Some(asked)
}

fn sample(name: &str, schema: AttributeSchema) -> String {
    if let Some((_, value)) = SAMPLES.iter().chain(ALWAYS).find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return (*value).to_owned();
    }
    let one = match schema.kind {
        Kind::Integer => "1".to_owned(),
        Kind::Boolean => "false".to_owned(),
        Kind::Bytes => "\"base64:AQIDBA==\"".to_owned(),
        Kind::Text | Kind::Time | Kind::Password | Kind::Reference => quoted(&format!(" some {name} ")),
    };
    if schema.multi { format!("[{one}]") } else { one }
}

fn wished(name: &str, want: &Want, schema: AttributeSchema) -> Option<String> {
    let value = match (want, schema.kind) {
        (Want::Present, _) => return Some(sample(name, schema)),
        (Want::Text(text), Kind::Text | Kind::Time) => quoted(text),
        (Want::Text(text), Kind::Integer) => text.trim().parse::<i64>().ok()?.to_string(),
        (Want::Integer(number), Kind::Integer) => number.to_string(),
        (Want::Integer(number), Kind::Text) => quoted(&number.to_string()),
        (Want::Boolean(truth), Kind::Boolean) => truth.to_string(),
        _ => return None,
    };
    Some(if schema.multi { format!("[{value}]") } else { value })
}
