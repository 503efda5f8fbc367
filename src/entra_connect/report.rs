//! What a conversion came to, as data: for a terminal, for Markdown, for a page, for machines.

use std::collections::BTreeMap;

use serde::Serialize;

use super::convert::{Conversion, ConvertedFlow, ConvertedRule, FlowOutcome, State};
use super::export::{Direction, Export, Format, Place};
use super::{settings, stock};
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
    /// Attributes that Graph does not take, and what to do.
    pub lost: Vec<Lost>,
    /// Settings without a counterpart: name, value, and a word about it.
    pub settings: Vec<(String, String, String)>,
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
    /// How many were copied or trimmed.
    pub plain: usize,
    /// Its scope or join criteria need a hand: why.
    pub by_hand: Option<String>,
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

/// Something about a flow.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// A sentence.
    pub text: String,
    /// Line and column in the expression, from 1.
    pub at: Option<(usize, usize)>,
    /// What to do.
    pub hint: Option<String>,
}

/// An attribute that Graph does not take.
#[derive(Clone, Debug, Serialize)]
pub struct Lost {
    /// Its name in the tenant's connector.
    pub attribute: String,
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
    remarks.extend(dead(export));
    let unconverted = settings::unconverted(export);
    Report {
        format: export.format,
        server: export.server.clone(),
        version: export.version.clone(),
        connectors: conversion.connectors.clone(),
        counts: counts(conversion),
        rules,
        added: conversion.added.iter().map(|rule| (format!("rules/{}.rhai", rule.file), rule.why.to_owned())).collect(),
        lost: lost(conversion),
        settings: unconverted.into_iter().map(|(name, value, why)| (name, value, why.to_owned())).collect(),
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
        counts.by_hand += usize::from(rule.by_hand.is_some());
        for flow in &rule.flows {
            counts.flows += 1;
            counts.warnings += usize::from(!flow.warnings.is_empty());
            match flow.outcome {
                FlowOutcome::Copied => counts.copied += 1,
                FlowOutcome::Trimmed => counts.trimmed += 1,
                FlowOutcome::Simplified => counts.simplified += 1,
                FlowOutcome::Exact => counts.exact += 1,
                FlowOutcome::NotWritten(_) => counts.not_written += 1,
                FlowOutcome::ByHand(_) => counts.by_hand += 1,
            }
        }
    }
    counts
}

fn rule_line(export: &Export, rule: &ConvertedRule) -> RuleLine {
    let plain = |flow: &&ConvertedFlow| matches!(flow.outcome, FlowOutcome::Copied | FlowOutcome::Trimmed);
    let original = export.rules.iter().find(|original| original.place == rule.place && original.name == rule.name);
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
        remarks: rule.remarks.clone(),
        plain: rule.flows.iter().filter(plain).count(),
        flows: rule.flows.iter().filter(|flow| !plain(flow) || !flow.warnings.is_empty()).map(flow_line).collect(),
        by_hand: rule.by_hand.clone(),
    }
}

/// The path of a rule's file below the folder of a conversion.
pub fn file_of(rule: &ConvertedRule) -> String {
    let folder = match rule.state {
        State::On | State::Off => "rules",
        State::SetAside(_) => "set-aside",
    };
    format!("{folder}/{}.rhai", rule.file)
}

fn flow_line(flow: &ConvertedFlow) -> FlowLine {
    let mut messages: Vec<Message> = flow.warnings.iter().map(message).collect();
    let outcome = match &flow.outcome {
        FlowOutcome::Copied => "copied",
        FlowOutcome::Trimmed => "trimmed",
        FlowOutcome::Simplified => "simplified",
        FlowOutcome::Exact => "exact",
        FlowOutcome::NotWritten(why) => {
            messages.push(Message { text: why.clone(), at: None, hint: None });
            "not-written"
        }
        FlowOutcome::ByHand(diagnostic) => {
            messages.push(message(diagnostic));
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

fn message(diagnostic: &Diagnostic) -> Message {
    Message { text: diagnostic.message.clone(), at: diagnostic.line_and_column(), hint: diagnostic.hint.clone() }
}

fn lost(conversion: &Conversion) -> Vec<Lost> {
    let mut lost: BTreeMap<(String, String), usize> = BTreeMap::new();
    for rule in conversion.rules.iter().filter(|rule| rule.direction == Direction::Outbound) {
        for flow in &rule.flows {
            if let FlowOutcome::NotWritten(why) = &flow.outcome {
                *lost.entry((flow.to.clone(), why.clone())).or_default() += 1;
            }
        }
    }
    lost.into_iter().map(|((attribute, why), rules)| Lost { attribute, why, rules }).collect()
}

/// Rules that no object reaches: nothing links objects of their types.
fn dead(export: &Export) -> Vec<String> {
    let links = |rule: &super::export::Rule| {
        export.rules.iter().any(|other| {
            let same = (&other.connector, other.direction, &other.directory_type)
                == (&rule.connector, rule.direction, &rule.directory_type);
            same && !other.disabled && !other.joins.is_empty()
        })
    };
    let dead = export
        .rules
        .iter()
        .filter(|rule| !rule.by_reference && !rule.disabled && rule.joins.is_empty() && !links(rule));
    let inbound = dead.filter(|rule| rule.direction == Direction::Inbound);
    inbound
        .map(|rule| format!("no rule links the objects of `{}`: its flows never come ({})", rule.name, rule.place))
        .collect()
}
