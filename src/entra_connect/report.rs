//! What a conversion came to, as data: for a terminal, for Markdown, for a page, for machines.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

mod contests;
mod doubts;

pub use contests::{Contest, Giver};

use super::convert::{Conversion, ConvertedFlow, ConvertedRule, DOUBT, FlowOutcome, State, file_of, tenant};
use super::export::{Clause, Direction, Export, Format, Place, Rule};
use super::{Untested, settings, stock, tests};
use crate::diagnostic::Diagnostic;

/// A whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was read.
    pub format: Format,
    /// The server, where it is named.
    pub server: Option<String>,
    /// The version of its configuration.
    pub version: Option<String>,
    /// Connectors: name there, name here.
    pub connectors: Vec<(String, String)>,
    /// How many of what.
    pub counts: Counts,
    /// Rule by rule, by precedence.
    pub rules: Vec<RuleLine>,
    /// Rules that were added: file, and what for.
    pub added: Vec<(String, String)>,
    /// Attributes that several forests give, and whose value wins.
    pub contests: Vec<Contest>,
    /// Attributes that Graph does not take, and what to do.
    pub lost: Vec<Lost>,
    /// Settings without a counterpart: name, value, and a word about it.
    pub settings: Vec<(String, String, String)>,
    /// How many branches the expressions of rules that run have.
    pub branches: usize,
    /// Those that no test meets.
    pub untested: Vec<Untested>,
    /// Whatever else should be known.
    pub remarks: Vec<String>,
}

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rules that were read.
    pub rules: usize,
    /// Rules that run.
    pub on: usize,
    /// Rules that are switched off, as they were.
    pub off: usize,
    /// Rules that would do nothing through Graph.
    pub set_aside: usize,
    /// Flows that were read.
    pub flows: usize,
    /// Flows that the header copies.
    pub copied: usize,
    /// Flows that the header trims.
    pub trimmed: usize,
    /// Flows in words of rules alone.
    pub simplified: usize,
    /// Flows with functions of Entra Connect.
    pub exact: usize,
    /// Flows to what Graph does not take, or of what it does not show.
    pub not_written: usize,
    /// Flows, scopes and join criteria that somebody has to write.
    pub by_hand: usize,
    /// Flows with a warning.
    pub warnings: usize,
}

/// What became of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct RuleLine {
    /// Its name there.
    pub name: String,
    /// Its tag, on rules that the product ships.
    pub tag: Option<String>,
    /// How it stands to the rule that the product shipped.
    pub stock: stock::Likeness,
    /// Where it goes.
    pub direction: Direction,
    /// The connector here.
    pub connector: String,
    /// Lower wins.
    pub precedence: i64,
    /// The new file: `rules/in-from-ad-user-join.rhai`.
    pub file: String,
    /// Whether it runs.
    pub state: State,
    /// Where it stood.
    pub place: Place,
    /// What changed, a sentence each.
    pub remarks: Vec<String>,
    /// Its flows, but for those that are only copied or trimmed.
    pub flows: Vec<FlowLine>,
    /// What is only copied or trimmed, by its name here.
    pub plain: Vec<String>,
    /// How many flows of what.
    pub counts: FlowCounts,
    /// Its scope needs a hand: why.
    pub by_hand: Option<String>,
    /// What its scope said, where it needs a hand: clauses by operators of Entra Connect.
    pub scope: Option<String>,
    /// The line of its scope in the new file.
    pub scope_line: Option<usize>,
}

/// How many flows of a rule became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlowCounts {
    /// The header copies them.
    pub copied: usize,
    /// The header trims them.
    pub trimmed: usize,
    /// In words of rules alone.
    pub simplified: usize,
    /// With functions of Entra Connect.
    pub exact: usize,
    /// Graph does not take them, or does not show what they are made of.
    pub not_written: usize,
    /// Somebody has to write them.
    pub by_hand: usize,
}

/// What became of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct FlowLine {
    /// The attribute there.
    pub to: String,
    /// The attribute here.
    pub here: String,
    /// `simplified`, `exact`, `not-written`, `by-hand`.
    pub outcome: &'static str,
    /// What it said.
    pub original: String,
    /// What it says now, on one line where it fits.
    pub code: String,
    /// The line of the new file.
    pub line: Option<usize>,
    /// Where it stood.
    pub place: Place,
    /// Why it is not written, or needs a hand; and warnings.
    pub messages: Vec<Message>,
}

/// What a message about a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// It works, and is odd.
    Warning,
    /// Nothing is written: why.
    NotWritten,
    /// Somebody has to write it: why.
    ByHand,
}

/// Something about a flow.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// What it is.
    pub kind: MessageKind,
    /// A sentence.
    pub text: String,
    /// Line and column in the expression, from 1.
    pub at: Option<(usize, usize)>,
    /// How many characters of that line are meant.
    pub length: usize,
    /// What to do.
    pub hint: Option<String>,
}

/// An attribute that Graph does not take.
#[derive(Clone, Debug, Serialize)]
pub struct Lost {
    /// Its name in the tenant's connector.
    pub attribute: String,
    /// The types of objects that it was written to.
    pub objects: Vec<String>,
    /// Why, and what to do.
    pub why: String,
    /// How many rules wrote it.
    pub rules: usize,
}

/// What a conversion came to.
pub fn report(export: &Export, conversion: &Conversion) -> Report {
    let rules: Vec<RuleLine> = conversion.rules.iter().map(|rule| rule_line(export, rule)).collect();
    let mut remarks = conversion.remarks.clone();
    remarks.extend(export.remarks.iter().map(|remark| format!("{} ({})", remark.text, remark.place)));
    for connector in &export.connectors {
        for (feature, value) in &connector.features {
            remarks.push(format!("`{}`: `{feature}` is `{value}`, and is not converted", connector.name));
        }
    }
    for rule in conversion.rules.iter().filter(|rule| rule.state == State::On) {
        let doubts = rule.remarks.iter().filter_map(|remark| remark.strip_prefix(DOUBT));
        remarks.extend(doubts.map(|doubt| format!("`{}`: {doubt} ({})", rule.name, rule.place)));
    }
    remarks.extend(doubts::unlinked(export));
    remarks.extend(doubts::not_imported(export));
    let unconverted = settings::unconverted(export);
    let tests = tests(export, conversion);
    Report {
        format: export.format,
        server: export.server.clone(),
        version: export.version.clone(),
        connectors: conversion.connectors.clone(),
        counts: counts(conversion),
        rules,
        added: conversion.added.iter().map(|rule| (format!("rules/{}.rhai", rule.file), rule.why.to_owned())).collect(),
        contests: contests::contests(export, conversion),
        lost: lost(export, conversion),
        settings: unconverted.into_iter().map(|(name, value, why)| (name, value, why.to_owned())).collect(),
        branches: tests.branches,
        untested: tests.untested,
        remarks,
    }
}

fn counts(conversion: &Conversion) -> Counts {
    let mut counts = Counts { rules: conversion.rules.len(), ..Counts::default() };
    for rule in &conversion.rules {
        match rule.state {
            State::On => counts.on += 1,
            State::Off => counts.off += 1,
            State::SetAside(_) => counts.set_aside += 1,
        }
        let flows = flow_counts(rule);
        counts.flows += rule.flows.len();
        counts.copied += flows.copied;
        counts.trimmed += flows.trimmed;
        counts.simplified += flows.simplified;
        counts.exact += flows.exact;
        counts.not_written += flows.not_written;
        counts.by_hand += flows.by_hand + usize::from(rule.by_hand.is_some());
        counts.warnings += rule.flows.iter().filter(|flow| !flow.warnings.is_empty()).count();
    }
    counts
}

fn flow_counts(rule: &ConvertedRule) -> FlowCounts {
    let mut counts = FlowCounts::default();
    for flow in &rule.flows {
        match flow.outcome {
            FlowOutcome::Copied => counts.copied += 1,
            FlowOutcome::Trimmed => counts.trimmed += 1,
            FlowOutcome::Simplified => counts.simplified += 1,
            FlowOutcome::Exact => counts.exact += 1,
            FlowOutcome::NotWritten(_) => counts.not_written += 1,
            FlowOutcome::ByHand(_) => counts.by_hand += 1,
        }
    }
    counts
}

fn rule_line(export: &Export, rule: &ConvertedRule) -> RuleLine {
    let plain = |flow: &&ConvertedFlow| matches!(flow.outcome, FlowOutcome::Copied | FlowOutcome::Trimmed);
    let original = original(export, rule);
    RuleLine {
        name: rule.name.clone(),
        tag: rule.tag.clone(),
        stock: original.map_or(stock::Likeness::Own, stock::likeness),
        direction: rule.direction,
        connector: rule.connector.clone(),
        precedence: rule.precedence,
        file: file_of(rule),
        state: rule.state.clone(),
        place: rule.place.clone(),
        remarks: rule.remarks.iter().map(|remark| remark.trim_start_matches(DOUBT).to_owned()).collect(),
        plain: rule.flows.iter().filter(plain).map(|flow| flow.here.clone()).collect(),
        counts: flow_counts(rule),
        flows: rule.flows.iter().filter(|flow| !plain(flow) || !flow.warnings.is_empty()).map(flow_line).collect(),
        by_hand: rule.by_hand.clone(),
        scope: original.filter(|_| rule.by_hand.is_some()).map(scope),
        scope_line: rule.text.lines().position(|line| line.starts_with("fn scope(")).map(|at| at + 1),
    }
}

/// Its groups a line each.
fn scope(rule: &Rule) -> String {
    let clause =
        |clause: &Clause| format!("{} {} {}", clause.attribute, clause.operator, clause.value).trim_end().to_owned();
    let groups = rule.scope.iter().map(|group| group.iter().map(clause).collect::<Vec<_>>().join(" && "));
    groups.collect::<Vec<_>>().join("\n|| ")
}

/// The rule that was converted.
fn original<'a>(export: &'a Export, rule: &ConvertedRule) -> Option<&'a Rule> {
    export.rules.iter().find(|original| original.place == rule.place && original.name == rule.name)
}

fn flow_line(flow: &ConvertedFlow) -> FlowLine {
    let mut messages: Vec<Message> =
        flow.warnings.iter().map(|warning| message(MessageKind::Warning, warning)).collect();
    let outcome = match &flow.outcome {
        FlowOutcome::Copied => "copied",
        FlowOutcome::Trimmed => "trimmed",
        FlowOutcome::Simplified => "simplified",
        FlowOutcome::Exact => "exact",
        FlowOutcome::NotWritten(why) => {
            let kind = MessageKind::NotWritten;
            messages.push(Message { kind, text: why.clone(), at: None, length: 0, hint: None });
            "not-written"
        }
        FlowOutcome::ByHand(diagnostic) => {
            messages.push(message(MessageKind::ByHand, diagnostic));
            "by-hand"
        }
    };
    FlowLine {
        to: flow.to.clone(),
        here: flow.here.clone(),
        outcome,
        original: flow.original.clone(),
        code: flow.code.clone(),
        line: flow.line,
        place: flow.place.clone(),
        messages,
    }
}

fn message(kind: MessageKind, diagnostic: &Diagnostic) -> Message {
    let marked = diagnostic.source.as_ref().and_then(|source| source.text.get(diagnostic.range.clone()));
    let length = marked.and_then(|text| text.lines().next()).map_or(0, |line| line.chars().count());
    let (text, hint) = (diagnostic.message.clone(), diagnostic.hint.clone());
    Message { kind, text, at: diagnostic.line_and_column(), length, hint }
}

/// What Graph does not take of objects that it makes. Of what it makes none of, the rules say so.
fn lost(export: &Export, conversion: &Conversion) -> Vec<Lost> {
    let mut lost: BTreeMap<(String, String), (usize, BTreeSet<String>)> = BTreeMap::new();
    for rule in conversion.rules.iter().filter(|rule| rule.direction == Direction::Outbound) {
        let Some(object) = original(export, rule).map(|original| &original.directory_type) else { continue };
        if matches!(&rule.state, State::SetAside(why) if tenant::unmade(object).is_some_and(|unmade| unmade == why)) {
            continue;
        }
        for flow in &rule.flows {
            if let FlowOutcome::NotWritten(why) = &flow.outcome {
                let (rules, objects) = lost.entry((flow.to.clone(), why.clone())).or_default();
                *rules += 1;
                objects.insert(object.clone());
            }
        }
    }
    let line = |((attribute, why), (rules, objects)): ((String, String), (usize, BTreeSet<String>))| Lost {
        attribute,
        objects: objects.into_iter().collect(),
        why,
        rules,
    };
    lost.into_iter().map(line).collect()
}
