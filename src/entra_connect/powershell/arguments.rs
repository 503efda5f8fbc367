//! The arguments of a command by their full names, from parameters, positions and tables. Knows what no parameter means.

use super::Script;
use super::terms::{Argument, Command};
use super::values::{Unknown, Value, shown};

/// The arguments of one command.
#[derive(Default)]
pub(super) struct Given {
    values: Vec<(String, Value)>,
    /// Of the command.
    pub(super) line: usize,
}

impl Given {
    /// The value of a parameter, by its full name.
    pub(super) fn get(&self, parameter: &str) -> Option<&Value> {
        self.values.iter().rev().find(|(name, _)| name == parameter).map(|(_, value)| value)
    }

    /// Its text, where it has one that is known.
    pub(super) fn text(&self, parameter: &str) -> Option<String> {
        self.get(parameter).and_then(shown)
    }

    /// What is not known of it.
    pub(super) fn unknown(&self, parameter: &str) -> Option<Unknown> {
        let value = self.get(parameter)?;
        if shown(value).is_some() { None } else { Some(first_unknown(value)) }
    }
}

/// What of a value is not known.
pub(super) fn first_unknown(value: &Value) -> Unknown {
    match value {
        Value::Unknown(unknown) => unknown.clone(),
        Value::List(items) => items
            .iter()
            .find(|item| matches!(item, Value::Unknown(_) | Value::List(_)))
            .map_or_else(|| Unknown { raw: "a list".into(), variable: None }, first_unknown),
        Value::Text(..)
        | Value::Truth(_)
        | Value::Null
        | Value::Table(_)
        | Value::Rule
        | Value::Scope(_)
        | Value::Join(_) => Unknown { raw: "something else than text".into(), variable: None },
    }
}

/// Parameters that every command has.
const EVERYWHERE: [&str; 12] = [
    "OutVariable",
    "ErrorAction",
    "ErrorVariable",
    "WarningAction",
    "WarningVariable",
    "InformationAction",
    "Verbose",
    "Debug",
    "WhatIf",
    "Confirm",
    "OutBuffer",
    "PipelineVariable",
];

impl Script<'_> {
    /// The arguments of a command. The first of its parameters are those that may stand without a name.
    pub(super) fn given(&mut self, command: &Command, parameters: &[&str], positions: usize) -> Given {
        let mut given = Given { values: Vec::new(), line: command.line };
        let mut free = parameters.iter().take(positions);
        for argument in &command.arguments {
            match argument {
                Argument::Named(name, term) => {
                    // A switch that is there is on.
                    let value = term.as_ref().map_or(Value::Truth(true), |term| self.value(term));
                    self.put(&mut given, command, parameters, name, value);
                }
                Argument::Positional(term) => match free.next() {
                    Some(parameter) => {
                        let value = self.value(term);
                        given.values.push(((*parameter).to_owned(), value));
                    }
                    None => {
                        let text =
                            format!("an argument of `{}` stands without a parameter and is left out", command.name);
                        self.draft.remark(term.line, text);
                    }
                },
                Argument::Splat(table, line) => match self.variables.get(table).cloned() {
                    Some(Value::Table(entries)) => {
                        for (key, value) in entries {
                            self.put(&mut given, command, parameters, &key, value);
                        }
                    }
                    _ => self
                        .draft
                        .remark(*line, format!("`@{table}` of `{}` has no value that can be read here", command.name)),
                },
            }
        }
        given
    }

    fn put(&mut self, given: &mut Given, command: &Command, parameters: &[&str], name: &str, value: Value) {
        match full_name(parameters, name) {
            Some(full) => given.values.push((full.to_owned(), value)),
            None => {
                let text = format!("`-{name}` of `{}` is not known and is left out", command.name);
                self.draft.remark(command.line, text);
            }
        }
    }
}

/// A parameter by its name in any case, or by a beginning of it that no other has.
fn full_name<'p>(parameters: &[&'p str], name: &str) -> Option<&'p str> {
    let name = name.to_lowercase();
    let all = || parameters.iter().copied().chain(EVERYWHERE);
    if name == "ov" {
        return Some("OutVariable");
    }
    let exact = all().find(|parameter| parameter.to_lowercase() == name);
    exact.or_else(|| {
        let mut begin = all().filter(|parameter| parameter.to_lowercase().starts_with(&name));
        begin.next().filter(|_| begin.next().is_none())
    })
}
