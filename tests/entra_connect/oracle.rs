//! A direct evaluator of Entra Connect's expressions, for tests only: what a converted rule gives is compared with it.
//!
//! It follows the written rules of the language and shares nothing with the converter. An expression is evaluated as it is
//! parsed, for one object; an error is what makes the object fail.

use std::collections::{BTreeMap, BTreeSet};

use crate::oracle_functions::{call, text_of};
use crate::oracle_parser::Operator;

pub(crate) use crate::oracle_parser::{Expr, parse};
pub(crate) use crate::oracle_scope::in_scope;

/// Whether `=` and the other comparisons of text tell capitals from small letters.
const COMPARE_WITH_CASE: bool = true;

/// What an expression over a multi-valued attribute without values gives: evaluated once with nothing, or nothing at all.
const ABSENT_LIST_IS_EVALUATED_ONCE: bool = false;

/// A value of an attribute or of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// Only inside an expression: as a result it is text.
    Time(jiff::Timestamp),
    List(Vec<Value>),
    IgnoreThisFlow,
    AuthoritativeNull,
}

/// An object as an expression sees it. All names are compared without case.
pub(crate) struct Object {
    /// The values, those of multi-valued attributes as lists.
    pub attributes: BTreeMap<String, Value>,
    /// The values that an import has confirmed, for `ImportedValue`.
    pub imported: BTreeMap<String, Value>,
    /// The parameters, such as `Domain.FQDN`.
    pub parameters: BTreeMap<String, String>,
    /// How many values there are, for `ValueCount`; the values themselves are counted otherwise.
    pub counts: BTreeMap<String, i64>,
    /// Which attributes are multi-valued.
    pub multi: fn(&str) -> bool,
    /// Which attributes are true or false, for scopes.
    pub booleans: fn(&str) -> bool,
}

impl Object {
    /// A parameter's value; an unknown one is an error.
    pub(crate) fn parameter(&self, name: &str) -> Result<&str, String> {
        named(&self.parameters, name).map(String::as_str).ok_or_else(|| format!("no parameter %{name}%"))
    }

    /// The value of an attribute, nothing where it is absent or an empty list.
    pub(crate) fn attribute(&self, name: &str) -> Value {
        whole_value(&self.attributes, name)
    }

    fn value_count(&self, name: &str) -> i64 {
        match named(&self.counts, name) {
            Some(count) => *count,
            None => crate::oracle_functions::values(&self.attribute(name)).len() as i64,
        }
    }
}

fn named<'a, T>(map: &'a BTreeMap<String, T>, name: &str) -> Option<&'a T> {
    map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn whole_value(map: &BTreeMap<String, Value>, name: &str) -> Value {
    match named(map, name) {
        None => Value::Null,
        Some(Value::List(values)) => list(values.clone()),
        Some(value) => value.clone(),
    }
}

/// A list of values: lists in it are spread, nothing is dropped from it, and without values it is nothing.
pub(crate) fn list(values: Vec<Value>) -> Value {
    let mut flat = Vec::new();
    for value in values {
        match value {
            Value::Null => {}
            Value::List(inner) => flat.extend(inner.into_iter().filter(|value| *value != Value::Null)),
            value => flat.push(value),
        }
    }
    if flat.is_empty() { Value::Null } else { Value::List(flat) }
}

/// The value of an expression for an object; an error fails the object.
pub(crate) fn evaluate(expr: &Expr, object: &Object) -> Result<Value, String> {
    let scope = Scope { object, element: None, variables: BTreeMap::new() };
    scope.whole(expr).map(finished)
}

fn finished(value: Value) -> Value {
    match value {
        Value::Time(time) => Value::Text(time.to_string()),
        Value::List(values) => Value::List(values.into_iter().map(finished).collect()),
        value => value,
    }
}

/// Where a multi-valued attribute's values come from: the object, or what an import has confirmed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    imported: bool,
    name: String,
}

impl Source {
    fn of(expr: &Expr) -> Option<Source> {
        match expr {
            Expr::Attribute(name) => Some(Source { imported: false, name: name.to_lowercase() }),
            Expr::Imported(name) => Some(Source { imported: true, name: name.to_lowercase() }),
            _ => None,
        }
    }
}

/// The multi-valued attributes of an expression outside of aggregate positions.
#[derive(Default)]
struct Found {
    elements: BTreeSet<Source>,
    branches: BTreeSet<Source>,
}

impl Found {
    /// `result` says that the value of `expr` is the whole's result, as a branch of `IIF` is.
    fn scan(&mut self, expr: &Expr, object: &Object, result: bool) {
        match expr {
            Expr::Attribute(name) | Expr::Imported(name) if (object.multi)(name) => {
                let set = if result { &mut self.branches } else { &mut self.elements };
                set.extend(Source::of(expr));
            }
            Expr::Minus(inner) => self.scan(inner, object, false),
            Expr::Binary(_, left, right) => {
                self.scan(left, object, false);
                self.scan(right, object, false);
            }
            Expr::Loop { body, .. } => self.scan(body, object, false),
            Expr::Call(name, arguments) => self.scan_call(name, arguments, object, result),
            _ => {}
        }
    }

    fn scan_call(&mut self, name: &str, arguments: &[Expr], object: &Object, result: bool) {
        for (index, argument) in arguments.iter().enumerate() {
            let branch = name == "IIF" && index > 0 || name == "Switch" && index % 2 == 1;
            if !(index == 0 && is_aggregate(name)) {
                self.scan(argument, object, result && branch);
            }
        }
    }

    /// The one attribute for whose values the expression is evaluated, if there is one.
    fn element(self) -> Result<Option<Source>, String> {
        let mut elements = self.elements;
        let Some(element) = elements.pop_first() else { return Ok(None) };
        if !elements.is_empty() || self.branches.iter().any(|source| *source != element) {
            return Err("two multi-valued attributes, value by value".into());
        }
        Ok(Some(element))
    }
}

/// Functions whose first argument is a whole list.
pub(crate) fn is_aggregate(name: &str) -> bool {
    let aggregates = ["Contains", "Count", "Item", "ItemOrNull", "Join", "RemoveDuplicates"];
    let questions = ["IsPresent", "IsNull", "IsNullOrEmpty", "IsEmpty"];
    aggregates.contains(&name) || questions.contains(&name)
}

#[derive(Clone)]
struct Scope<'a> {
    object: &'a Object,
    /// The value that stands for a multi-valued attribute.
    element: Option<(Source, Value)>,
    variables: BTreeMap<usize, Value>,
}

impl Scope<'_> {
    /// An expression that stands for itself or in an aggregate position: value by value where need be.
    fn whole(&self, expr: &Expr) -> Result<Value, String> {
        let mut found = Found::default();
        found.scan(expr, self.object, true);
        let Some(source) = found.element()? else {
            return Scope { element: None, ..self.clone() }.value(expr);
        };
        let values = crate::oracle_functions::values(&self.source_value(&source));
        let once = |value| Scope { element: Some((source.clone(), value)), ..self.clone() }.value(expr);
        if values.is_empty() {
            return if ABSENT_LIST_IS_EVALUATED_ONCE { once(Value::Null) } else { Ok(Value::Null) };
        }
        one_kind(values.into_iter().map(once).collect::<Result<_, _>>()?)
    }

    fn source_value(&self, source: &Source) -> Value {
        let map = if source.imported { &self.object.imported } else { &self.object.attributes };
        whole_value(map, &source.name)
    }

    fn attribute(&self, expr: &Expr) -> Value {
        let source = Source::of(expr).expect("an attribute");
        match &self.element {
            Some((element, value)) if *element == source => value.clone(),
            _ => self.source_value(&source),
        }
    }

    fn value(&self, expr: &Expr) -> Result<Value, String> {
        match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Fraction(text) => Err(format!("{text} is no whole number")),
            Expr::Attribute(_) | Expr::Imported(_) => Ok(self.attribute(expr)),
            Expr::Parameter(name) => Ok(Value::Text(self.object.parameter(name)?.to_owned())),
            Expr::Variable(number) => Ok(self.variables[number].clone()),
            Expr::Minus(inner) => match self.value(inner)? {
                Value::Null => Ok(Value::Null),
                Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(overflow),
                _ => Err("`-` needs a number".into()),
            },
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expr::Loop { keep, variable, list, body } => self.loop_over(*keep, *variable, list, body),
            Expr::Call(name, arguments) => self.call(name, arguments),
        }
    }

    fn holds(&self, expr: &Expr) -> Result<bool, String> {
        truth(&self.value(expr)?)
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr) -> Result<Value, String> {
        match operator {
            Operator::And => Ok(Value::Bool(self.holds(left)? && self.holds(right)?)),
            Operator::Or => Ok(Value::Bool(self.holds(left)? || self.holds(right)?)),
            Operator::Join => joined(self.value(left)?, self.value(right)?),
            Operator::Plus | Operator::Minus | Operator::Times | Operator::Divide => {
                calculated(operator, self.value(left)?, self.value(right)?)
            }
            _ => compared(operator, &self.value(left)?, &self.value(right)?).map(Value::Bool),
        }
    }

    fn loop_over(&self, keep: bool, variable: usize, over: &Expr, body: &Expr) -> Result<Value, String> {
        let over = self.whole(over)?;
        let mut results = Vec::new();
        for item in crate::oracle_functions::values(&over) {
            let mut inner = self.clone();
            inner.variables.insert(variable, item.clone());
            let result = inner.value(body)?;
            if !keep {
                results.push(result);
            } else if truth(&result)? {
                results.push(item);
            }
        }
        match over {
            Value::List(_) | Value::Null => Ok(list(results)),
            _ => Ok(results.pop().unwrap_or(Value::Null)),
        }
    }

    fn call(&self, name: &'static str, arguments: &[Expr]) -> Result<Value, String> {
        match (name, arguments) {
            ("IIF", [condition, yes, no]) => self.value(if self.holds(condition)? { yes } else { no }),
            ("Switch", pairs) => {
                for pair in pairs.chunks(2) {
                    if self.holds(&pair[0])? {
                        return self.value(&pair[1]);
                    }
                }
                Ok(Value::Null)
            }
            ("ValueCount", [Expr::Literal(Value::Text(attribute))]) => {
                Ok(Value::Int(self.object.value_count(attribute)))
            }
            _ => call(name, &self.arguments(name, arguments)?),
        }
    }

    fn arguments(&self, name: &str, arguments: &[Expr]) -> Result<Vec<Value>, String> {
        let whole = |index| index == 0 && is_aggregate(name);
        let pairs = arguments.iter().enumerate();
        pairs.map(|(index, each)| if whole(index) { self.whole(each) } else { self.value(each) }).collect()
    }
}

/// The results of all values as one; a special one is that of all or of none.
fn one_kind(results: Vec<Value>) -> Result<Value, String> {
    let results = list(results);
    let Value::List(values) = &results else { return Ok(results) };
    let special = |value: &Value| matches!(value, Value::IgnoreThisFlow | Value::AuthoritativeNull);
    match values.iter().find(|value| special(value)) {
        None => Ok(results),
        Some(first) if values.iter().all(|value| value == first) => Ok(first.clone()),
        Some(first) => Err(format!("{first:?} for some of the values")),
    }
}

fn overflow() -> String {
    "the number is too large".into()
}

/// Whether a condition holds: nothing does not.
pub(crate) fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        other => Err(format!("true or false is needed, not {other:?}")),
    }
}

fn joined(left: Value, right: Value) -> Result<Value, String> {
    match (left, right) {
        (Value::Bytes(left), Value::Bytes(right)) => Ok(Value::Bytes([left, right].concat())),
        (Value::Bytes(bytes), Value::Null) | (Value::Null, Value::Bytes(bytes)) => Ok(Value::Bytes(bytes)),
        (left, right) => Ok(Value::Text(text_of(&left)? + text_of(&right)?.as_str())),
    }
}

fn calculated(operator: Operator, left: Value, right: Value) -> Result<Value, String> {
    match (operator, left, right) {
        (Operator::Plus, Value::Text(left), Value::Text(right)) => Ok(Value::Text(left + right.as_str())),
        (Operator::Plus, Value::Text(text), Value::Null) | (Operator::Plus, Value::Null, Value::Text(text)) => {
            Ok(Value::Text(text))
        }
        (_, Value::Int(left), Value::Int(right)) => number(operator, left, right).map(Value::Int).ok_or_else(overflow),
        (_, Value::Int(_) | Value::Null, Value::Int(_) | Value::Null) => Ok(Value::Null),
        (operator, left, right) => Err(format!("{operator:?} of {left:?} and {right:?}")),
    }
}

fn number(operator: Operator, left: i64, right: i64) -> Option<i64> {
    match operator {
        Operator::Plus => left.checked_add(right),
        Operator::Minus => left.checked_sub(right),
        Operator::Times => left.checked_mul(right),
        _ => left.checked_div(right),
    }
}

/// A comparison: with nothing it is false, whichever it is.
fn compared(operator: Operator, left: &Value, right: &Value) -> Result<bool, String> {
    if *left == Value::Null || *right == Value::Null {
        return Ok(false);
    }
    let order = order(left, right)?;
    Ok(match operator {
        Operator::Equal => order.is_eq(),
        Operator::Unequal => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn order(left: &Value, right: &Value) -> Result<std::cmp::Ordering, String> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Ok(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Ok(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Ok(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Ok(left.cmp(right)),
        (Value::Bool(_), Value::Text(_)) | (Value::Text(_), Value::Bool(_)) => {
            Ok(text_of(left)?.to_lowercase().cmp(&text_of(right)?.to_lowercase()))
        }
        _ if COMPARE_WITH_CASE => Ok(text_of(left)?.cmp(&text_of(right)?)),
        _ => Ok(text_of(left)?.to_lowercase().cmp(&text_of(right)?.to_lowercase())),
    }
}
