//! The scopes of the oracle: whether a rule applies to an object, by groups of clauses.

use std::cmp::Ordering;

use crate::oracle::{Object, Value};
use crate::oracle_functions::{text_of, values};

/// The operators that hold for any of an attribute's values.
const OPERATORS: &str = "EQUAL LESSTHAN LESSTHANOREQUAL GREATERTHAN GREATERTHANOREQUAL CONTAINS STARTSWITH ENDSWITH ISIN \
                         ISBITSET ISNULL ISNOTNULL ISMEMBEROF";

/// Whether one of the groups holds, each with all its clauses of attribute, operator and value; without groups it holds.
///
/// An unknown operator is an error wherever it stands; all else is looked at only where it decides.
pub(crate) fn in_scope(groups: &[Vec<(String, String, String)>], object: &Object) -> Result<bool, String> {
    for (_, operator, _) in groups.iter().flatten() {
        let normal = normal(operator);
        let known = positive(&normal).unwrap_or(&normal);
        if !OPERATORS.split_whitespace().any(|each| each == known) {
            return Err(format!("the operator {operator} is unknown"));
        }
    }
    for group in groups {
        if all(group, object)? {
            return Ok(true);
        }
    }
    Ok(groups.is_empty())
}

fn all(group: &[(String, String, String)], object: &Object) -> Result<bool, String> {
    for (attribute, operator, value) in group {
        if !clause(attribute, &normal(operator), value, object)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An operator without case, underscores and two misspellings.
fn normal(operator: &str) -> String {
    match operator.to_uppercase().replace('_', "").as_str() {
        "ISNOTBITSET" => "ISBITNOTSET".into(),
        "NOTSTARTWITH" => "NOTSTARTSWITH".into(),
        other => other.into(),
    }
}

fn clause(attribute: &str, operator: &str, value: &str, object: &Object) -> Result<bool, String> {
    match operator {
        "ISNULL" => return Ok(is_null(attribute, object)),
        "ISNOTNULL" => return Ok(!is_null(attribute, object)),
        _ => {}
    }
    let parameter = value.trim().strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
    let value = parameter.map_or(Ok(value), |name| object.parameter(name))?;
    if let Some(positive) = positive(operator) {
        return any(attribute, positive, value, object).map(|found| !found);
    }
    let unset = || (object.booleans)(attribute) && object.attribute(attribute) == Value::Null;
    if operator == "EQUAL" && value.eq_ignore_ascii_case("false") && unset() {
        return Ok(true);
    }
    any(attribute, operator, value, object)
}

/// The operator whose opposite this one is.
fn positive(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "NOTEQUAL" => "EQUAL",
        "NOTCONTAINS" => "CONTAINS",
        "NOTSTARTSWITH" => "STARTSWITH",
        "NOTENDSWITH" => "ENDSWITH",
        "ISNOTIN" => "ISIN",
        "ISNOTMEMBEROF" => "ISMEMBEROF",
        "ISBITNOTSET" => "ISBITSET",
        _ => return None,
    })
}

fn is_null(attribute: &str, object: &Object) -> bool {
    values(&object.attribute(attribute)).iter().all(|value| *value == Value::Text(String::new()))
}

/// Whether an operator holds for any of the attribute's values.
fn any(attribute: &str, operator: &str, value: &str, object: &Object) -> Result<bool, String> {
    let attribute = if operator == "ISMEMBEROF" { "memberOf" } else { attribute };
    for each in values(&object.attribute(attribute)) {
        if holds(&each, operator, value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn holds(attribute: &Value, operator: &str, value: &str) -> Result<bool, String> {
    if let Value::Bytes(_) = attribute {
        return Ok(false);
    }
    let text = text_of(attribute)?;
    let (left, right) = (text.to_lowercase(), value.to_lowercase());
    let order = match (text.trim().parse::<i64>(), value.trim().parse::<i64>()) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        _ => left.cmp(&right),
    };
    Ok(match operator {
        "LESSTHAN" => order == Ordering::Less,
        "LESSTHANOREQUAL" => order != Ordering::Greater,
        "GREATERTHAN" => order == Ordering::Greater,
        "GREATERTHANOREQUAL" => order != Ordering::Less,
        "CONTAINS" => left.contains(&right),
        "STARTSWITH" => left.starts_with(&right),
        "ENDSWITH" => left.ends_with(&right),
        "ISBITSET" => bits(&text, &right)?,
        _ => left == right,
    })
}

fn bits(text: &str, mask: &str) -> Result<bool, String> {
    let mask = mask.trim();
    let mask = match mask.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => mask.parse(),
    };
    match (text.trim().parse::<i64>(), mask) {
        (Ok(number), Ok(mask)) => Ok(number & mask == mask),
        _ => Err(format!("a bit of `{text}`")),
    }
}
