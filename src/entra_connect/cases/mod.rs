//! Tests for converted rules: one for each branch of each converted expression. What an object must be like follows from
//! the expression's own structure (`solve`); what comes of it is written by whoever runs the tests first. `object` makes
//! objects of a directory, `outbound` what rules to a tenant need, `untested` says which branches have no test.

use std::collections::{BTreeMap, BTreeSet};

use super::convert::{Attributes, Conversion, ConvertedFlow, ConvertedRule, FlowOutcome, State, schemas_of};
use super::export::{ConnectorKind, Direction, Export, FlowSource, Rule};
use super::expression::{self, Node};
use super::written::{key, one_line, quoted};
use solve::{Branch, Want, Wants, Way};

mod object;
mod outbound;
mod solve;
mod untested;

pub use untested::Untested;

/// What a test expects before it ran.
pub(crate) const UNKNOWN: &str = "?";

/// The tests of a conversion.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    /// Files, by their paths below the folder of the conversion. They expect [`UNKNOWN`] of the attribute that they are
    /// about.
    pub files: BTreeMap<String, String>,
    /// How many branches the expressions of rules that run have.
    pub branches: usize,
    /// Those that no test meets.
    pub untested: Vec<Untested>,
}

/// What tests are made within.
struct Setting<'a> {
    export: &'a Export,
    conversion: &'a Conversion,
    schemas: Attributes,
}

/// A rule, and what it was.
#[derive(Clone, Copy)]
struct Pair<'a> {
    rule: &'a ConvertedRule,
    original: &'a Rule,
}

/// Tests of one expression.
#[derive(Default)]
struct Made {
    tests: Vec<String>,
    ways: Vec<Way>,
    met: BTreeSet<Branch>,
}

/// The tests of a conversion.
pub fn tests(export: &Export, conversion: &Conversion) -> Tests {
    let setting = Setting { export, conversion, schemas: schemas_of(export) };
    let targets = targets(export, conversion);
    let mut all = Tests::default();
    for pair in setting.pairs() {
        let mut made = Vec::new();
        for (flow, source) in pair.rule.flows.iter().zip(&pair.original.flows) {
            let Some(node) = expression_of(flow, &source.from) else { continue };
            let of_flow = setting.of_flow(pair, flow, &node);
            all.branches += solve::branches(&node).len();
            all.untested.extend(setting.untested(pair, flow, &node, &of_flow));
            made.extend(of_flow.tests);
        }
        if !made.is_empty() {
            let name = one_line(&pair.rule.name);
            let head = format!("# Made from the expressions of `{name}`: one test for each branch of each.\n");
            all.files.insert(
                format!("rules/tests/{}.toml", pair.rule.file),
                head + targets.as_str() + made.concat().as_str(),
            );
        }
    }
    all
}

/// The expression of a flow that became code. A parameter alone says nothing about objects, and its value may not be
/// known.
fn expression_of(flow: &ConvertedFlow, source: &FlowSource) -> Option<Node> {
    let FlowSource::Expression(text) = source else { return None };
    let is_code = matches!(flow.outcome, FlowOutcome::Simplified | FlowOutcome::Exact);
    let parsed = expression::parse(text).ok().filter(|_| is_code)?;
    (!matches!(parsed.node.expr, expression::Expr::Parameter(_))).then_some(parsed.node)
}

impl<'a> Setting<'a> {
    /// Rules that run, with their originals.
    fn pairs(&self) -> impl Iterator<Item = Pair<'a>> {
        let (export, conversion) = (self.export, self.conversion);
        conversion.rules.iter().filter(|rule| rule.state == State::On).filter_map(|rule| {
            let same = |original: &&Rule| original.place == rule.place && original.name == rule.name;
            Some(Pair { rule, original: export.rules.iter().find(same)? })
        })
    }

    fn is_directory(&self, id: &str) -> bool {
        let connector = self.export.connectors.iter().find(|connector| connector.id == id);
        connector.is_none_or(|connector| connector.kind == ConnectorKind::ActiveDirectory)
    }

    fn of_flow(&self, pair: Pair<'_>, flow: &ConvertedFlow, node: &Node) -> Made {
        let Pair { rule, original } = pair;
        match (rule.direction, self.is_directory(&original.connector)) {
            (Direction::Inbound, true) => self.inbound(pair, flow, node),
            (Direction::Outbound, false) => self.outbound(pair, flow, node),
            (Direction::Inbound, false) | (Direction::Outbound, true) => Made::default(),
        }
    }

    fn inbound(&self, Pair { rule, original }: Pair<'_>, flow: &ConvertedFlow, node: &Node) -> Made {
        let schema = |name: &str| self.schemas.of_directory(&original.connector, name);
        let ways = solve::ways(node, &schema);
        let asked = asked(node);
        // An expression without a choice is tried where its attributes are there.
        let several = ways.len() > 1;
        let masked = self.is_masked(rule, original, node);
        let make = |way: &Way| {
            let masked = masked && way.error.is_some();
            if masked { None } else { object::object((original, &rule.connector), &way.wants, &asked, &schema) }
        };
        let (kept, met) = solve::chosen(ways.clone(), make);
        let test = |(way, object): &(Way, object::Shown)| {
            let name = if several { described(&way.wants) } else { "whatever the object".to_owned() };
            test((rule, flow), &name, &object.text("object"), ("person", way.error.as_deref()))
        };
        Made { tests: kept.iter().map(test).collect(), ways, met }
    }
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

impl Setting<'_> {
    /// Whether a rule before this one has the same expression for the same objects: an error in it is that rule's.
    fn is_masked(&self, rule: &ConvertedRule, original: &Rule, node: &Node) -> bool {
        let ends = |rule: &Rule| (rule.direction, rule.connector.clone(), rule.directory_type.clone());
        let same = |source: &FlowSource| match source {
            FlowSource::Expression(text) => expression::parse(text).is_ok_and(|parsed| parsed.node.same(node)),
            FlowSource::Direct(_) | FlowSource::Constant(_) => false,
        };
        let mut before = self.pairs().take_while(|pair| pair.rule.file != rule.file);
        before.any(|pair| {
            ends(pair.original) == ends(original) && pair.original.flows.iter().any(|flow| same(&flow.from))
        })
    }
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

/// A test, as text: its objects, and whether the person or the target or an error is looked at.
fn test(
    (rule, flow): (&ConvertedRule, &ConvertedFlow),
    name: &str,
    objects: &str,
    (section, error): (&str, Option<&str>),
) -> String {
    let title = quoted(&format!("{} of {}: {name}", flow.here, rule.file));
    let expect = match error {
        Some(error) => format!("error = {}", quoted(error)),
        None => format!("{} = {{ {} = \"{UNKNOWN}\" }}", key(section), key(&flow.here)),
    };
    format!("\n[[test]]\nname = {title}\n\n{objects}\n[[test.expect]]\n{expect}\n")
}

/// Wishes in words.
fn described(wants: &Wants) -> String {
    let words = wants.values().map(|(name, want)| match want {
        Want::Absent => format!("no {name}"),
        Want::Present => format!("a {name}"),
        Want::Text(text) => format!("{name} is {text}"),
        Want::Integer(number) => format!("{name} is {number}"),
        Want::Boolean(truth) => format!("{name} is {truth}"),
        Want::Count(number) => format!("{number} of {name}"),
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "whatever the object".to_owned() } else { words.join(", ") }
}
