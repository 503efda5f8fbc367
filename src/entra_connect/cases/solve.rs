//! Which objects take which way through an expression: conditions are read backwards, as far as they can be.

use std::collections::BTreeMap;

use crate::entra_connect::export::AttributeSchema;
use crate::entra_connect::expression::{Expr, Node, Operator, Word};
use crate::value::Kind;

/// So many ways through one expression are followed.
const WAYS: usize = 24;

/// What an attribute of an object is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Absent,
    /// There, whatever it is.
    Present,
    Text(String),
    Integer(i64),
    Boolean(bool),
}

/// Attributes, by their names in small letters, and what they are to be; the name as it was written first.
pub(super) type Wants = BTreeMap<String, (String, Want)>;

/// What is known of attributes.
pub(super) type Schemas<'a> = &'a dyn Fn(&str) -> AttributeSchema;

/// The ways through an expression, one for each branch that can be reached, and the error that one of them ends in.
pub(super) fn ways(node: &Node, schemas: Schemas<'_>) -> Vec<(Wants, Option<String>)> {
    let mut found = through(node, &Wants::new(), schemas);
    found.dedup();
    found.truncate(WAYS);
    let failing = errors(node, &Wants::new(), schemas);
    let text = |wants: &Wants| failing.iter().find(|(ends, _)| ends == wants).map(|(_, text)| text.clone());
    found.into_iter().map(|wants| (wants.clone(), text(&wants))).collect()
}

/// The ways that end in an error, and its text.
fn errors(node: &Node, wants: &Wants, schemas: Schemas<'_>) -> Vec<(Wants, String)> {
    if let Some([text]) = node.call("Error") {
        return vec![(wants.clone(), text.text().unwrap_or_default().to_owned())];
    }
    let Some([condition, yes, no]) = node.call("IIF") else { return Vec::new() };
    let mut found = Vec::new();
    for (holds, branch) in [(true, yes), (false, no)] {
        for wants in solve(condition, holds, wants, schemas) {
            found.extend(errors(branch, &wants, schemas));
        }
    }
    found
}

fn through(node: &Node, wants: &Wants, schemas: Schemas<'_>) -> Vec<Wants> {
    let Expr::Call(name, arguments) = &node.expr else {
        return match &node.expr {
            Expr::Binary(_, left, right) => both(left, right, wants, schemas),
            _ => vec![wants.clone()],
        };
    };
    match (name.as_str(), arguments.as_slice()) {
        ("IIF", [condition, yes, no]) => {
            let mut found = Vec::new();
            for (holds, branch) in [(true, yes), (false, no)] {
                for wants in solve(condition, holds, wants, schemas) {
                    found.extend(through(branch, &wants, schemas));
                }
            }
            found
        }
        ("Switch", pairs) => {
            let (pairs, _) = pairs.as_chunks::<2>();
            let (mut found, mut before) = (Vec::new(), vec![wants.clone()]);
            for [condition, value] in pairs {
                let next = |holds: bool| {
                    before.iter().flat_map(|wants| solve(condition, holds, wants, schemas)).collect::<Vec<_>>()
                };
                found.extend(next(true).iter().flat_map(|wants| through(value, wants, schemas)));
                before = next(false).into_iter().take(1).collect();
            }
            found
        }
        ("CBool", [inner]) => [true, false].into_iter().flat_map(|holds| solve(inner, holds, wants, schemas)).collect(),
        _ => {
            let mut found: Vec<Wants> = Vec::new();
            for argument in arguments {
                found.extend(through(argument, wants, schemas));
            }
            found.dedup();
            if found.is_empty() { vec![wants.clone()] } else { found }
        }
    }
}

fn both(left: &Node, right: &Node, wants: &Wants, schemas: Schemas<'_>) -> Vec<Wants> {
    let mut found = through(left, wants, schemas);
    found.extend(through(right, wants, schemas));
    found.dedup();
    found
}

/// Objects for which a condition holds, or does not: each way to it is one.
pub(super) fn solve(node: &Node, holds: bool, wants: &Wants, schemas: Schemas<'_>) -> Vec<Wants> {
    if let Some(truth) = node.truth() {
        return if truth == holds { vec![wants.clone()] } else { Vec::new() };
    }
    if node.is_null() {
        return if holds { Vec::new() } else { vec![wants.clone()] };
    }
    match &node.expr {
        Expr::Binary(Operator::Or, left, right) => either(left, right, holds, wants, schemas),
        Expr::Binary(Operator::And, left, right) => {
            let met = |wants: &Wants| solve(right, holds, wants, schemas);
            if holds {
                solve(left, true, wants, schemas).iter().flat_map(met).collect()
            } else {
                let mut found = solve(left, false, wants, schemas);
                found.extend(solve(left, true, wants, schemas).iter().take(1).flat_map(met));
                found
            }
        }
        Expr::Binary(operator, left, right) => compared(*operator, (left, right), holds, wants, schemas),
        Expr::Call(name, arguments) => called(name, arguments, holds, wants, schemas),
        Expr::Attribute(name) => want(wants, name, if holds { Want::Boolean(true) } else { Want::Absent }),
        _ => Vec::new(),
    }
}

fn either(left: &Node, right: &Node, holds: bool, wants: &Wants, schemas: Schemas<'_>) -> Vec<Wants> {
    let not_left = solve(left, false, wants, schemas);
    let after = not_left.iter().take(1).flat_map(|wants| solve(right, holds, wants, schemas));
    if holds { solve(left, true, wants, schemas).into_iter().chain(after).collect() } else { after.collect() }
}

fn called(name: &str, arguments: &[Node], holds: bool, wants: &Wants, schemas: Schemas<'_>) -> Vec<Wants> {
    match (name, arguments) {
        ("IsPresent", [tested]) => presence(tested, holds, wants),
        ("IsNullOrEmpty" | "IsNull", [tested]) => presence(tested, !holds, wants),
        ("CBool", [inner]) => match inner.call("BitAnd") {
            Some([number, mask]) => bits(number, mask, holds, wants),
            _ => solve(inner, holds, wants, schemas),
        },
        ("IIF", [condition, yes, no]) => {
            let mut found = Vec::new();
            for (asked, branch) in [(true, yes), (false, no)] {
                for wants in solve(condition, asked, wants, schemas).iter().take(1) {
                    found.extend(solve(branch, holds, wants, schemas));
                }
            }
            found
        }
        ("IsBitSet", [number, mask]) => bits(number, mask, holds, wants),
        ("IsString", [tested]) => match tested.attribute() {
            Some(name) if schemas(name).kind == Kind::Bytes => {
                if holds {
                    Vec::new()
                } else {
                    vec![wants.clone()]
                }
            }
            Some(name) => want(wants, name, if holds { Want::Present } else { Want::Absent }),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn presence(tested: &Node, there: bool, wants: &Wants) -> Vec<Wants> {
    match subject(tested) {
        Some(name) => want(wants, name, if there { Want::Present } else { Want::Absent }),
        None => Vec::new(),
    }
}

/// The attribute whose value a text is made of, without much ado.
fn subject(node: &Node) -> Option<&str> {
    match &node.expr {
        Expr::Attribute(name) => Some(name),
        Expr::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
            ("Trim" | "CStr" | "LTrim" | "RTrim" | "CRef", [inner]) => subject(inner),
            ("DNComponent", [inner, number]) if number.integer() == Some(1) => {
                subject(inner).filter(|name| name.eq_ignore_ascii_case("dn"))
            }
            _ => None,
        },
        _ => None,
    }
}

fn compared(
    operator: Operator,
    (left, right): (&Node, &Node),
    holds: bool,
    wants: &Wants,
    schemas: Schemas<'_>,
) -> Vec<Wants> {
    let turned = matches!(operator, Operator::NotEqual);
    match operator {
        Operator::Equal | Operator::NotEqual => {
            let (side, other) = if is_literal(left) { (right, left) } else { (left, right) };
            let equal = holds ^ turned;
            if let Some(truth) = other.truth() {
                return match subject(side) {
                    Some(name) if equal => want(wants, name, Want::Boolean(truth)),
                    Some(name) => want(wants, name, Want::Boolean(!truth)),
                    None => solve(side, equal == truth, wants, schemas),
                };
            }
            if let Some([number, mask]) = side.call("BitAnd").filter(|_| other.integer() == Some(0)) {
                return bits(number, mask, !equal, wants);
            }
            same(side, other, equal, wants)
        }
        Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual => {
            ordered(operator, left, right, holds, wants)
        }
        Operator::Or
        | Operator::And
        | Operator::Join
        | Operator::Plus
        | Operator::Minus
        | Operator::Times
        | Operator::Divide => Vec::new(),
    }
}

fn is_literal(node: &Node) -> bool {
    matches!(node.expr, Expr::Text(_) | Expr::Integer(_) | Expr::Word(Word::True | Word::False))
}

/// `[x] = "text"`, `Left([x], 4) = "text"`, `[x] = 2`, `[x] = [y]`.
fn same(side: &Node, other: &Node, equal: bool, wants: &Wants) -> Vec<Wants> {
    if let (Some(name), Some(number)) = (subject(side), other.integer()) {
        return want(wants, name, Want::Integer(if equal { number } else { number.wrapping_add(1) }));
    }
    if let (Some(name), Some(text)) = (subject(side), other.text()) {
        let text = if equal { text.to_owned() } else { format!("other than {text}") };
        return want(wants, name, Want::Text(text));
    }
    if let (Some(left), Some(right)) = (subject(side), subject(other)) {
        let texts = if equal { ["the same", "the same"] } else { ["one", "another"] };
        let first = want(wants, left, Want::Text(texts[0].to_owned()));
        return first.iter().flat_map(|wants| want(wants, right, Want::Text(texts[1].to_owned()))).collect();
    }
    let Some(text) = other.text() else { return Vec::new() };
    let ends = [("Left", format!("{text} and more")), ("Right", format!("more and {text}"))];
    for (function, value) in ends {
        if let Some([inner, _]) = side.call(function) {
            let Some(name) = subject(inner) else { return Vec::new() };
            return want(wants, name, if equal { Want::Text(value) } else { Want::Present });
        }
    }
    Vec::new()
}

fn ordered(operator: Operator, left: &Node, right: &Node, holds: bool, wants: &Wants) -> Vec<Wants> {
    let Some(bound) = right.integer() else { return Vec::new() };
    if let (Some([inner, part]), true) = (left.call("InStr").or_else(|| left.call("Contains")), bound <= 1) {
        let there = holds == matches!(operator, Operator::Greater | Operator::GreaterOrEqual);
        let (Some(name), Some(part)) = (subject(inner), part.text()) else { return Vec::new() };
        let text = if name.eq_ignore_ascii_case("dn") {
            format!("CN=Ada{part}1f,DC=contoso,DC=com")
        } else {
            format!("x{part}y@z")
        };
        // A text that is wished for already gets the part at its end.
        let text = match wants.get(&name.to_ascii_lowercase()) {
            Some((_, Want::Text(known))) if there && !known.contains(part) && !known.starts_with("other") => {
                let mut wants = wants.clone();
                let longer = Want::Text(format!("{known}{part}"));
                wants.insert(name.to_ascii_lowercase(), (name.to_owned(), longer));
                return vec![wants];
            }
            _ => text,
        };
        return if there { want(wants, name, Want::Text(text)) } else { want(wants, name, Want::Present) };
    }
    if let Some([number, mask]) = left.call("BitAnd") {
        return bits(number, mask, holds, wants);
    }
    let Some(name) = subject(left) else { return Vec::new() };
    let met = match (operator, holds) {
        (Operator::Greater, true) | (Operator::LessOrEqual, false) => bound.saturating_add(1),
        (Operator::Less, true) | (Operator::GreaterOrEqual, false) => bound.saturating_sub(1),
        _ => bound,
    };
    want(wants, name, Want::Integer(met))
}

fn bits(number: &Node, mask: &Node, set: bool, wants: &Wants) -> Vec<Wants> {
    let (Some(name), Some(mask)) = (subject(number), mask.integer()) else { return Vec::new() };
    let lowest = mask & mask.wrapping_neg();
    let value = match (set, mask < 0) {
        (true, true) => mask | 2,
        (true, false) => lowest | 512,
        (false, true) => 2,
        (false, false) => 512 & !mask,
    };
    want(wants, name, Want::Integer(value))
}

/// One more wish, if it goes with those that are there.
fn want(wants: &Wants, name: &str, wish: Want) -> Vec<Wants> {
    let key = name.to_ascii_lowercase();
    let kept = match (wants.get(&key).map(|(_, known)| known), &wish) {
        (None, _) => wish,
        (Some(known), wish) if known == wish => return vec![wants.clone()],
        (Some(Want::Present), wish) if *wish != Want::Absent => wish.clone(),
        (Some(known), Want::Present) if *known != Want::Absent => return vec![wants.clone()],
        // `other than x` is other than y, too.
        (Some(Want::Text(known)), Want::Text(new)) if known.starts_with("other than ") => Want::Text(new.clone()),
        (Some(_), Want::Text(new)) if new.starts_with("other than ") => return vec![wants.clone()],
        (Some(_), _) => return Vec::new(),
    };
    let mut wants = wants.clone();
    wants.insert(key, (name.to_owned(), kept));
    vec![wants]
}
