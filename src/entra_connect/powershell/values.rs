//! The values of variables, as far as a script says them plainly. Knows no rule.
//!
//! A variable that is set in a block has no known value after it: whether the block runs is not known.

use std::collections::BTreeMap;

use super::super::export::{Clause, JoinKey};
use super::terms::{Term, What};
use super::texts::Piece;

/// How large a value may become that variables have a part in: more is taken for not known, so that a few lines which
/// double it do not fill the memory.
const MAX_WEIGHT: usize = 65_536;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Text, and the line where it begins.
    Text(String, usize),
    Truth(bool),
    Null,
    List(Vec<Value>),
    /// Keys as they are written.
    Table(Vec<(String, Value)>),
    /// A rule, whichever.
    Rule,
    Scope(Clause),
    Join(JoinKey),
    Unknown(Unknown),
}

/// A value that only running the script would tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// How it is written.
    pub(super) raw: String,
    /// The variable that has no known value, where it is one.
    pub(super) variable: Option<String>,
}

/// Variables and their values.
#[derive(Default)]
pub(super) struct Variables {
    values: BTreeMap<String, Value>,
    /// What each open block has set.
    blocks: Vec<Vec<String>>,
}

impl Variables {
    /// The value of a variable, by its name in small letters.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.values.get_mut(name)
    }

    /// Sets a variable.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        let name = name.to_lowercase();
        if let Some(block) = self.blocks.last_mut() {
            block.push(name.clone());
        }
        let value = value.limited(&format!("${name}"));
        self.values.insert(name, value);
    }

    /// Enters a block.
    pub(super) fn open_block(&mut self) {
        self.blocks.push(Vec::new());
    }

    /// Leaves it: what was set in it is not known any more.
    pub(super) fn close_block(&mut self) {
        for name in self.blocks.pop().unwrap_or_default() {
            self.values.remove(&name);
            // What is not known here is not known in the block around it.
            if let Some(outer) = self.blocks.last_mut() {
                outer.push(name);
            }
        }
    }

    /// Whether this is in a block.
    pub(super) fn in_block(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// The value of a term that is no command.
    pub(super) fn value(&self, term: &Term) -> Value {
        let unknown = |variable: Option<&str>| {
            Value::Unknown(Unknown { raw: term.raw.clone(), variable: variable.map(str::to_owned) })
        };
        match &term.what {
            What::Text(pieces) => match self.filled(pieces) {
                Ok(text) => Value::Text(text, term.line),
                Err(variable) => unknown(variable),
            },
            What::Variable(name) => self.variable(name).unwrap_or_else(|| unknown(Some(name))),
            What::Item(name, index) => match self.variable(name) {
                Some(Value::List(items)) => items.into_iter().nth(*index).unwrap_or_else(|| unknown(Some(name))),
                Some(Value::Unknown(inner)) => Value::Unknown(inner),
                // `-OutVariable` makes a list of one.
                Some(one) if *index == 0 => one,
                Some(_) | None => unknown(Some(name)),
            },
            What::List(items) => list(items, &term.raw, |item| self.value(item)),
            What::Table(entries) => {
                Value::Table(entries.iter().map(|(key, term)| (key.clone(), self.value(term))).collect())
            }
            What::Sum(items) => self.sum(items, &term.raw, term.line),
            What::Call(_) | What::Other => unknown(None),
        }
    }

    fn variable(&self, name: &str) -> Option<Value> {
        match name {
            "true" => Some(Value::Truth(true)),
            "false" => Some(Value::Truth(false)),
            "null" => Some(Value::Null),
            name => self.values.get(name).cloned(),
        }
    }

    /// The text of pieces, or else the variable that is not known.
    fn filled<'p>(&self, pieces: &'p [Piece]) -> Result<String, Option<&'p str>> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Plain(plain) => text.push_str(plain),
                Piece::Variable(name) => {
                    let value = self.variable(name).and_then(|value| shown(&value));
                    text.push_str(&value.ok_or(Some(name.as_str()))?);
                    if text.len() > MAX_WEIGHT {
                        return Err(Some(name));
                    }
                }
                Piece::Unknown(_) => return Err(None),
            }
        }
        Ok(text)
    }

    fn sum(&self, items: &[Term], raw: &str, line: usize) -> Value {
        let values: Vec<Value> = items.iter().map(|item| self.value(item)).collect();
        add(values)
            .unwrap_or_else(|variable| match variable {
                Some(Unknown { variable, .. }) => Value::Unknown(Unknown { raw: raw.to_owned(), variable }),
                None => Value::Unknown(Unknown { raw: raw.to_owned(), variable: None }),
            })
            .at(line)
    }
}

/// The values of a list, unless they are too large together.
pub(super) fn list(items: &[Term], raw: &str, mut value: impl FnMut(&Term) -> Value) -> Value {
    let (mut values, mut total) = (Vec::new(), 0);
    for item in items {
        let value = value(item);
        total += value.weight();
        if total > MAX_WEIGHT {
            return Value::Unknown(Unknown { raw: raw.to_owned(), variable: None });
        }
        values.push(value);
    }
    Value::List(values)
}

impl Value {
    fn weight(&self) -> usize {
        1 + match self {
            Value::Text(text, _) => text.len(),
            Value::List(items) => items.iter().map(Value::weight).sum(),
            Value::Table(entries) => entries.iter().map(|(key, value)| key.len() + value.weight()).sum(),
            Value::Scope(clause) => clause.attribute.len() + clause.operator.len() + clause.value.len(),
            Value::Join(key) => key.directory.len() + key.metaverse.len(),
            Value::Unknown(unknown) => unknown.raw.len(),
            Value::Truth(_) | Value::Null | Value::Rule => 0,
        }
    }

    /// The same value, unless it is too large.
    pub(super) fn limited(self, raw: &str) -> Value {
        if self.weight() <= MAX_WEIGHT { self } else { Value::Unknown(Unknown { raw: raw.to_owned(), variable: None }) }
    }

    /// The same text at a line.
    fn at(self, line: usize) -> Value {
        match self {
            Value::Text(text, _) => Value::Text(text, line),
            other => other,
        }
    }
}

/// What `+` makes of values: lists are joined, texts too. Otherwise what is not known.
pub(super) fn add(values: Vec<Value>) -> Result<Value, Option<Unknown>> {
    if let Some(Value::Unknown(unknown)) = values.iter().find(|value| matches!(value, Value::Unknown(_))) {
        return Err(Some(unknown.clone()));
    }
    if matches!(values.first(), Some(Value::List(_) | Value::Scope(_) | Value::Join(_) | Value::Null)) {
        let mut all = Vec::new();
        for value in values {
            match value {
                Value::List(items) => all.extend(items),
                Value::Null => {}
                other => all.push(other),
            }
        }
        return Ok(Value::List(all));
    }
    let numbers = matches!(values.first(), Some(Value::Text(first, _)) if super::terms::is_number(first));
    let texts: Option<Vec<String>> = values.iter().map(shown).collect();
    let text = texts.filter(|_| !numbers || values.len() == 1).ok_or(None)?;
    Ok(Value::Text(text.concat(), 0))
}

/// A value as text, where it is one value.
pub(super) fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Text(text, _) => Some(text.clone()),
        Value::Truth(true) => Some("True".into()),
        Value::Truth(false) => Some("False".into()),
        Value::Null => Some(String::new()),
        Value::List(items) => match items.as_slice() {
            [one] => shown(one),
            _ => None,
        },
        Value::Table(_) | Value::Rule | Value::Scope(_) | Value::Join(_) | Value::Unknown(_) => None,
    }
}

/// All values of a list in a list, in order.
pub(super) fn flat(value: Value) -> Vec<Value> {
    match value {
        Value::List(items) => items.into_iter().flat_map(flat).collect(),
        Value::Null => Vec::new(),
        other => vec![other],
    }
}
