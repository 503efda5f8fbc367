//! From a configuration of Entra Connect to rules: pure, and the same every time.
//!
//! `flow` and `scope` take a rule apart, `emit` and its neighbours write expressions, `rule` writes the file. `tenant` is
//! what Graph calls things; `attributes` is what kinds they are.

use std::collections::{BTreeMap, BTreeSet};

mod added;
mod attributes;
mod choices;
mod code;
mod conditions;
mod emit;
mod flow;
mod functions;
mod lists;
mod names;
mod outcome;
mod rule;
mod scope;
mod shipped;
pub(crate) mod tenant;

mod value;

pub(super) use attributes::Attributes;
use code::Code;
use emit::Scene;
use flow::{Converted, Piece, Side};
use names::Names;
pub use outcome::{AddedRule, Conversion, ConvertedFlow, ConvertedRule, FlowOutcome, State, file_of};
use scope::Key;

use super::export::{AttributeSchema, Connector, ConnectorKind, Direction, Export, Link, Rule};

/// Converts a configuration. `connectors`: names that people chose, by the id or the name of a connector there.
pub fn convert(export: &Export, connectors: &BTreeMap<String, String>) -> Conversion {
    let names = Names::of(export, connectors);
    let attributes = Attributes::of(export);
    let mut whole = Whole { export, names: &names, attributes: &attributes, come: BTreeSet::new() };
    let (inbound, outbound): (Vec<&Rule>, Vec<&Rule>) =
        export.rules.iter().filter(|rule| !rule.by_reference).partition(|rule| rule.direction == Direction::Inbound);
    let mut rules: Vec<ConvertedRule> = inbound.iter().map(|rule| whole.rule(rule)).collect();
    rules.extend(outbound.iter().map(|rule| whole.rule(rule)));
    let files: Vec<String> = rules.iter().map(|rule| rule.file.clone()).collect();
    rules.sort_by(|left, right| (left.precedence, &left.file).cmp(&(right.precedence, &right.file)));
    let mut remarks = names.remarks(export);
    let tenants: Vec<String> = export
        .connectors
        .iter()
        .filter(|connector| connector.kind == ConnectorKind::Entra)
        .map(|connector| names.connector(&connector.id))
        .collect();
    let mut added = added::rules(&rules, &files, &tenants);
    let named: Vec<&Rule> = export.rules.iter().filter(|rule| rule.by_reference).collect();
    if !named.is_empty() {
        added.extend(stand_ins(export, &names, &files, &mut remarks));
        let off: Vec<&str> = named.iter().filter(|rule| rule.disabled).map(|rule| rule.name.as_str()).collect();
        if !off.is_empty() {
            let off = off.join("`, `");
            remarks.push(format!(
                "rules of the product that are switched off: `{off}`; look whether those in their place are, too"
            ));
        }
    }
    Conversion { rules, added, connectors: names.connectors(export), settings: names.settings(export), remarks }
}

/// Rules in the place of those that an export only names.
fn stand_ins(export: &Export, names: &Names, files: &[String], remarks: &mut Vec<String>) -> Vec<AddedRule> {
    let first = |kind: &ConnectorKind, other: &str| {
        let connector = export.connectors.iter().find(|connector| connector.kind == *kind);
        connector.map_or_else(|| other.to_owned(), |connector| names.connector(&connector.id))
    };
    let (directory, tenant) = (first(&ConnectorKind::ActiveDirectory, "ad"), first(&ConnectorKind::Entra, "entra"));
    let forests = export.connectors.iter().filter(|connector| connector.kind == ConnectorKind::ActiveDirectory).count();
    if forests > 1 {
        remarks.push(format!("rules of the product are there for `{directory}` alone: `as` in the configuration lets other forests stand in"));
    }
    let off: Vec<String> = export
        .rules
        .iter()
        .filter(|rule| rule.by_reference && rule.disabled)
        .map(|rule| names::slug(&rule.name))
        .collect();
    let rules = shipped::rules(&directory, &tenant, &off).into_iter().filter(|rule| !files.contains(&rule.file));
    rules.map(|rule| AddedRule { text: names.standing_in(rule.text), ..rule }).collect()
}

/// Begins remarks that somebody should look at: a report counts them.
pub(super) const DOUBT: &str = "look: ";

/// What is known of the attributes of an export.
pub(super) fn schemas_of(export: &Export) -> Attributes {
    Attributes::of(export)
}

/// What a rule is converted within.
struct Whole<'a> {
    export: &'a Export,
    names: &'a Names,
    attributes: &'a Attributes,
    /// Attributes of the metaverse that converted rules give, in small letters.
    come: BTreeSet<String>,
}

impl Whole<'_> {
    fn connector(&self, id: &str) -> Option<&Connector> {
        self.export.connectors.iter().find(|connector| connector.id == id)
    }

    fn rule(&mut self, rule: &Rule) -> ConvertedRule {
        let entra = ConnectorKind::Entra;
        let kind = self
            .connector(&rule.connector)
            .map_or(&ConnectorKind::ActiveDirectory, |connector| &connector.kind)
            .clone();
        let object = object_name(rule);
        let to_tenant = kind == entra;
        let outbound = rule.direction == Direction::Outbound;
        let schema = |name: &str| self.schema(rule, outbound, name);
        let there = |name: &str| self.schema(rule, !outbound, name);
        let attribute = |name: &str| self.attribute(rule, to_tenant, object, name);
        let parameter = |name: &str| self.names.parameter(rule, name);
        let scene =
            Scene { direction: rule.direction, object, schema: &schema, attribute: &attribute, parameter: &parameter };
        let orphan = |name: &str| self.orphan(rule, name);
        let side = Side { rule, kind: &kind, scene: &scene, there: &there, orphan: &orphan };
        let mut flows: Vec<Converted> = rule.flows.iter().map(|flow| flow::convert(&side, flow)).collect();
        flow::once_each(&mut flows);
        let mut remarks = remarks_of(rule);
        // What never comes counts as not there in a scope.
        let in_scope = |name: &str| self.orphan(rule, name).map_or_else(|| attribute(name), Err);
        let scoped = Scene { attribute: &in_scope, ..scene };
        for clause in rule.scope.iter().flatten() {
            let Err(why) = in_scope(&clause.attribute) else { continue };
            let there = if scope::holds_of_nothing(clause) { "always holds" } else { "never holds" };
            let asked = format!("{} {} {}", clause.attribute, clause.operator, clause.value);
            let harmless = why.starts_with("no rule gives") || (to_tenant && !outbound);
            let doubt = if harmless { "" } else { DOUBT };
            let remark = format!("{doubt}`{}` in its scope {there}: {why}", asked.trim());
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
        let (scope, scope_comments, by_hand) = scope_of(&scoped, rule, to_tenant, &mut remarks);
        let joins = self.joins(&scene, rule, to_tenant, &mut remarks);
        // A rule that makes objects without looking for them would make them a second time.
        let made = !to_tenant || tenant::unmade(&rule.directory_type).is_none();
        let lost = outbound && made && rule.link == Link::Provision && joins.is_empty() && !rule.joins.is_empty();
        let by_hand = by_hand
            .or_else(|| lost.then(|| "none of its join criteria can be asked here, so it makes nobody".to_owned()));
        let added = if to_tenant && outbound { added::flows(rule) } else { Vec::new() };
        let state = state_of(rule, &kind, self.is_carried(&rule.metaverse_type), &flows);
        let (from, to) = self.ends(rule);
        let precedence = self.names.precedence(rule);
        let parts = rule::Parts {
            rule,
            from,
            to,
            precedence,
            scene: &scene,
            scope,
            scope_comments,
            joins,
            flows: &flows,
            added,
        };
        let text = rule::text(&parts);
        let flows = outcomes(rule, flows, &text);
        let runs = matches!(state, State::On | State::Off);
        let converted = ConvertedRule {
            name: rule.name.clone(),
            tag: rule.tag.clone(),
            direction: rule.direction,
            connector: self.names.connector(&rule.connector),
            precedence,
            place: rule.place.clone(),
            file: self.names.file(rule),
            text,
            state,
            flows,
            remarks,
            by_hand,
        };
        if runs && !outbound {
            let written = converted.flows.iter().filter(|flow| !matches!(flow.outcome, FlowOutcome::NotWritten(_)));
            self.come.extend(written.map(|flow| flow.to.to_ascii_lowercase()));
        }
        converted
    }

    /// What is known of an attribute, on the side of the metaverse or of the directory.
    fn schema(&self, rule: &Rule, of_metaverse: bool, name: &str) -> AttributeSchema {
        if of_metaverse {
            self.attributes.of_metaverse(name)
        } else {
            self.attributes.of_directory(&rule.connector, name)
        }
    }

    fn attribute(&self, rule: &Rule, tenant: bool, object: &str, name: &str) -> Result<Option<Code>, String> {
        let is_dn = name.eq_ignore_ascii_case("dn");
        match (rule.direction, tenant) {
            (Direction::Outbound, _) if is_dn => Err("objects of the metaverse have no names".to_owned()),
            (Direction::Outbound, _) => Ok(None),
            (Direction::Inbound, true) => match tenant::read(&rule.directory_type, name, object) {
                Some(code) => Ok((code != emit::attribute(object, name)).then_some(code)),
                None => Err(format!("Graph does not show `{name}` of a {}", rule.directory_type)),
            },
            (Direction::Inbound, false) if is_dn => Ok(Some(Code::plain("source.dn"))),
            (Direction::Inbound, false) => Ok(None),
        }
    }

    /// Why an attribute of the metaverse never comes: rules gave it there, and none gives it here; or none gave it at all.
    fn orphan(&self, rule: &Rule, name: &str) -> Option<String> {
        if rule.direction == Direction::Inbound || self.come.contains(&name.to_ascii_lowercase()) {
            return None;
        }
        let inbound = self.export.rules.iter().filter(|rule| rule.direction == Direction::Inbound);
        let came = inbound.clone().flat_map(|rule| &rule.flows).any(|flow| flow.to.eq_ignore_ascii_case(name));
        if came {
            return Some(format!("`{name}` came from the tenant, and Graph does not show it"));
        }
        self.is_whole().then(|| format!("no rule gives `{name}`"))
    }

    /// Whether the export has all the rules of a server: of a few alone, nobody knows what the others do.
    fn is_whole(&self) -> bool {
        let has = |start: &str| {
            let tags =
                self.export.rules.iter().filter(|rule| !rule.by_reference).filter_map(|rule| rule.tag.as_deref());
            tags.into_iter().any(|tag| tag.starts_with(start))
        };
        let named = self.export.rules.iter().any(|rule| rule.by_reference);
        !named && has("Microsoft.InfromADUserJoin") && has("Microsoft.OuttoAADUserJoin")
    }

    /// Whether objects of a type of the metaverse are carried anywhere.
    fn is_carried(&self, metaverse_type: &str) -> bool {
        let outbound = || self.export.rules.iter().filter(|rule| rule.direction == Direction::Outbound);
        let makes = |rule: &&Rule| {
            let tenant =
                self.connector(&rule.connector).is_some_and(|connector| connector.kind == ConnectorKind::Entra);
            !rule.disabled && !rule.by_reference && (!tenant || tenant::unmade(&rule.directory_type).is_none())
        };
        !self.is_whole()
            || metaverse_type == "*"
            || outbound().next().is_none()
            || outbound().filter(makes).any(|rule| rule.metaverse_type == metaverse_type && !rule.flows.is_empty())
    }

    fn ends(&self, rule: &Rule) -> (String, String) {
        let directory = format!("{}/{}", self.names.connector(&rule.connector), rule.directory_type);
        let metaverse = format!("metaverse/{}", rule.metaverse_type);
        match rule.direction {
            Direction::Inbound => (directory, metaverse),
            Direction::Outbound => (metaverse, directory),
        }
    }

    fn joins(&self, scene: &Scene<'_>, rule: &Rule, tenant: bool, remarks: &mut Vec<String>) -> Vec<Vec<Key>> {
        if rule.joins.is_empty() {
            return Vec::new();
        }
        if tenant && rule.direction == Direction::Inbound {
            remarks.push(
                "its join criteria are left out: the rule that writes an object of the tenant joins it".to_owned(),
            );
            return Vec::new();
        }
        let maker = self.export.rules.iter().find(|other| {
            let ends = |rule: &Rule| {
                (rule.direction, rule.connector.clone(), rule.directory_type.clone(), rule.metaverse_type.clone())
            };
            other.link == Link::Provision && !other.joins.is_empty() && !other.disabled && ends(other) == ends(rule)
        });
        if let Some(maker) = maker.filter(|_| rule.link == Link::Join) {
            let name = &maker.name;
            remarks.push(if maker.joins == rule.joins {
                format!("its join criteria are left out: `{name}` has them, and only one rule may join an object")
            } else {
                format!("{DOUBT}its join criteria, which are not those of `{name}`, are left out: only one rule may join an object")
            });
            return Vec::new();
        }
        let mut groups = Vec::new();
        for keys in &rule.joins {
            match keys.iter().map(|key| join_key(scene, rule, tenant, key)).collect() {
                Ok(keys) => groups.push(keys),
                Err(why) => remarks.push(format!("{DOUBT}a group of its join criteria is left out: {why}")),
            }
        }
        if tenant && rule.direction == Direction::Outbound && rule.directory_type == "group" {
            let ours = Code::call("sid", [emit::attribute(scene.object, "objectSid")]);
            groups.push(vec![Key { theirs: "onPremisesSecurityIdentifier".to_owned(), ours }]);
            remarks.push("groups that Entra Connect made carry no anchor that Graph shows: they are found by their security identifier".to_owned());
        }
        groups
    }
}

fn join_key(scene: &Scene<'_>, rule: &Rule, tenant: bool, key: &super::export::JoinKey) -> Result<Key, String> {
    match rule.direction {
        Direction::Inbound => {
            let ours = scope::key(scene, &key.directory, key.case_sensitive)?;
            Ok(Key { theirs: key.metaverse.clone(), ours })
        }
        Direction::Outbound => {
            let theirs = match tenant.then(|| tenant::written(&rule.directory_type, &key.directory)) {
                None | Some(tenant::Written::Same) => key.directory.clone(),
                Some(tenant::Written::As(name) | tenant::Written::Once(name) | tenant::Written::List(name)) => {
                    name.to_owned()
                }
                Some(tenant::Written::UserName) => "userPrincipalName".to_owned(),
                Some(tenant::Written::Not(why)) => return Err(format!("`{}`: {why}", key.directory)),
            };
            // Anchors in Base64 differ in letter case alone.
            let exact = key.case_sensitive || theirs == "onPremisesImmutableId";
            Ok(Key { theirs, ours: scope::key(scene, &key.metaverse, exact)? })
        }
    }
}

/// What rules call their object.
fn object_name(rule: &Rule) -> &'static str {
    let class = match rule.direction {
        Direction::Inbound => &rule.directory_type,
        Direction::Outbound => &rule.metaverse_type,
    };
    match class.to_ascii_lowercase().as_str() {
        "user" | "inetorgperson" => "user",
        "person" => "person",
        "group" => "group",
        "contact" => "contact",
        "computer" => "computer",
        "device" | "msds-device" => "device",
        _ => "object",
    }
}

fn scope_of(
    scene: &Scene<'_>,
    rule: &Rule,
    tenant: bool,
    remarks: &mut Vec<String>,
) -> (Option<Code>, Vec<String>, Option<String>) {
    let makes_groups = tenant
        && rule.direction == Direction::Outbound
        && rule.directory_type == "group"
        && rule.link == Link::Provision;
    match scope::scope(scene, &rule.scope) {
        Ok(scope) if makes_groups => {
            let why =
                "Graph makes neither distribution lists nor mail-enabled security groups: those belong to Exchange.";
            remarks.push("its scope takes security groups alone: Graph makes no distribution lists".to_owned());
            let secure = Code::compare("==", emit::attribute(scene.object, "securityEnabled"), Code::plain("true"));
            let scope = Code::chain("&&", [secure].into_iter().chain(scope));
            (Some(scope), vec![why.to_owned()], None)
        }
        Ok(scope) => (scope, Vec::new(), None),
        // A rule whose scope is not known must take nobody.
        Err(why) => {
            let message = Code::text(&format!("not converted: {why}"));
            (Some(Code::call("error", [message])), Vec::new(), Some(why))
        }
    }
}

fn remarks_of(rule: &Rule) -> Vec<String> {
    let mut remarks = Vec::new();
    if rule.password_sync {
        remarks.push("hashes of passwords went with it; no documented interface of Microsoft takes them".to_owned());
    }
    if let Some(interval) = &rule.soft_delete {
        remarks.push(format!(
            "it waited {interval} before it deleted; `deprovision: \"disable\"` with `delete_after` waits days"
        ));
    }
    if rule.link == Link::StickyJoin && rule.direction == Direction::Outbound {
        remarks.push("`StickyJoin` to a directory keeps nothing alive here".to_owned());
    }
    if rule.direction == Direction::Inbound && rule.flows.iter().any(|flow| flow.once) {
        remarks.push("flows into the metaverse that were to be applied once are applied always".to_owned());
    }
    if rule.link == Link::Provision && rule.direction == Direction::Inbound && rule.joins.is_empty() {
        remarks.push("it makes objects of the metaverse without join criteria".to_owned());
    }
    remarks
}

fn state_of(rule: &Rule, kind: &ConnectorKind, carried: bool, flows: &[Converted]) -> State {
    if let ConnectorKind::Other(category) = kind {
        return State::SetAside(format!("its connector is of the kind `{category}`, which is not read here"));
    }
    let tenant = *kind == ConnectorKind::Entra;
    let writes = flows.iter().any(|flow| !matches!(flow.piece, Piece::NotWritten(_)));
    if let Some(why) = tenant::unmade(&rule.directory_type).filter(|_| tenant) {
        return State::SetAside(why.to_owned());
    }
    match (rule.direction, writes) {
        (Direction::Inbound, _) if !carried => {
            State::SetAside(format!("nothing carries objects of the type `{}` to a target", rule.metaverse_type))
        }
        (Direction::Outbound, false) if rule.link != Link::Provision => State::SetAside(
            "it would write nothing; objects that rules into the metaverse have joined are joined here".to_owned(),
        ),
        (Direction::Inbound, false) if tenant => State::SetAside("Graph shows nothing of what it reads".to_owned()),
        _ if rule.disabled => State::Off,
        _ => State::On,
    }
}

/// What became of the flows, with the lines of the new file.
fn outcomes(rule: &Rule, flows: Vec<Converted>, text: &str) -> Vec<ConvertedFlow> {
    let places = rule.flows.iter().map(|flow| flow.place.clone());
    flows.into_iter().zip(places).map(|(flow, place)| outcome_of(flow, text, place)).collect()
}

fn outcome_of(flow: Converted, text: &str, place: super::export::Place) -> ConvertedFlow {
    let code = match &flow.piece {
        Piece::Code(code) => code.layout(0, 0),
        Piece::Copied(_) | Piece::Trimmed(_) | Piece::NotWritten(_) => String::new(),
    };
    let outcome = match (flow.piece, flow.by_hand) {
        (_, Some(diagnostic)) => FlowOutcome::ByHand(diagnostic),
        (Piece::Copied(_), _) => FlowOutcome::Copied,
        (Piece::Trimmed(_), _) => FlowOutcome::Trimmed,
        (Piece::NotWritten(why), _) => FlowOutcome::NotWritten(why),
        (Piece::Code(_), _) if code.contains("entra::") => FlowOutcome::Exact,
        (Piece::Code(_), _) => FlowOutcome::Simplified,
    };
    let line = match outcome {
        FlowOutcome::NotWritten(_) => None,
        FlowOutcome::Copied | FlowOutcome::Trimmed => {
            line_of(text, &[&format!("\"{}\"", flow.here), &format!("{}:", rule::map_key(&flow.here))])
        }
        FlowOutcome::Simplified | FlowOutcome::Exact | FlowOutcome::ByHand(_) => {
            let key = format!("        {}:", rule::map_key(&flow.here));
            text.lines().position(|line| line.starts_with(&key)).map(|at| at + 1)
        }
    };
    let Converted { to, here, original, warnings, .. } =
        Converted { piece: Piece::NotWritten(String::new()), by_hand: None, ..flow };
    ConvertedFlow { to, here, original, outcome, warnings, code, line, place }
}

/// The first line of the header that has one of these.
fn line_of(text: &str, needles: &[&str]) -> Option<usize> {
    let header = text.lines().skip_while(|line| !line.starts_with("const rule"));
    let before = text.lines().take_while(|line| !line.starts_with("const rule")).count();
    let mut lines = header.take_while(|line| *line != "};");
    lines.position(|line| needles.iter().any(|needle| line.contains(needle))).map(|at| before + at + 1)
}
