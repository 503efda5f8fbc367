//! What became of a configuration, as data: for files, reports and tests.

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::entra_connect::export::{Direction, Place};

/// What became of a rule.
#[derive(Clone, Debug)]
pub struct ConvertedRule {
    /// Its name in Entra Connect.
    pub name: String,
    /// The tag of a rule that the product ships.
    pub tag: Option<String>,
    /// Which way it goes.
    pub direction: Direction,
    /// The connector, as it is called here.
    pub connector: String,
    /// Lower wins.
    pub precedence: i64,
    /// Where it stood.
    pub place: Place,
    /// The file that it became, without folder and ending.
    pub file: String,
    /// The text of the file.
    pub text: String,
    /// Whether it runs.
    pub state: State,
    /// Its flows, in the order of the original.
    pub flows: Vec<ConvertedFlow>,
    /// What changed in its scope, its join criteria or its link, a sentence each.
    pub remarks: Vec<String>,
    /// Its scope or join criteria could not be converted: why.
    pub by_hand: Option<String>,
}

/// Whether a converted rule runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is among the rules.
    On,
    /// It is among the rules, and switched off, as it was.
    Off,
    /// It stands beside the rules, for it would do nothing: why.
    SetAside(String),
}

/// What became of a flow.
#[derive(Clone, Debug)]
pub struct ConvertedFlow {
    /// The attribute, by its name in Entra Connect.
    pub to: String,
    /// The attribute here; the same name where nothing is written.
    pub here: String,
    /// What it said: `Trim([title])`, `[manager]`, `"Contact"`.
    pub original: String,
    /// What became of it.
    pub outcome: FlowOutcome,
    /// What is odd about it.
    pub warnings: Vec<Diagnostic>,
    /// The code, on one line; nothing for what is copied or not written.
    pub code: String,
    /// The line of the new file.
    pub line: Option<usize>,
    /// Where it stood.
    pub place: Place,
}

/// What became of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowOutcome {
    /// The header copies it.
    Copied,
    /// The header trims it.
    Trimmed,
    /// In functions of rules alone.
    Simplified,
    /// With functions of Entra Connect under their own names.
    Exact,
    /// Graph does not take it, or does not show what it is made of: why.
    NotWritten(String),
    /// Somebody has to write it; until then every object of the rule fails.
    ByHand(Diagnostic),
}

/// A whole conversion.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The rules, by precedence.
    pub rules: Vec<ConvertedRule>,
    /// Rules that nothing in Entra Connect corresponds to: file name and text, and why.
    pub added: Vec<AddedRule>,
    /// Connectors: name there, name here.
    pub connectors: Vec<(String, String)>,
    /// Settings that rules ask for, by name, with their values where the export has them.
    pub settings: Vec<(String, Option<String>)>,
    /// What concerns no rule alone, a sentence each.
    pub remarks: Vec<String>,
}

/// A rule that does what the service behind Entra Connect did.
#[derive(Clone, Debug)]
pub struct AddedRule {
    /// The file, without folder and ending.
    pub file: String,
    /// Its text.
    pub text: String,
    /// What for.
    pub why: &'static str,
}

impl Conversion {
    /// Flows that somebody has to write, with their rules.
    pub fn by_hand(&self) -> impl Iterator<Item = (&ConvertedRule, &ConvertedFlow)> {
        self.rules
            .iter()
            .flat_map(|rule| rule.flows.iter().map(move |flow| (rule, flow)))
            .filter(|(_, flow)| matches!(flow.outcome, FlowOutcome::ByHand(_)))
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
