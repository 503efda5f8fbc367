//! Comparisons read backwards: `[x] = "text"`, `InStr([x], "text") > 0`, `Count([x]) > 500`, bits of a number.

use super::way::{Want, Way};
use super::{ANCHORS, Schemas, solve, subject};
use crate::entra_connect::expression::{Expr, Node, Operator, Word};

pub(super) fn compared(
    operator: Operator,
    (left, right): (&Node, &Node),
    holds: bool,
    way: &Way,
    schemas: Schemas<'_>,
) -> Vec<Way> {
    let turned = matches!(operator, Operator::NotEqual);
    match operator {
        Operator::Equal | Operator::NotEqual => {
            let (side, other) = if is_literal(left) { (right, left) } else { (left, right) };
            let equal = holds ^ turned;
            if let Some(truth) = other.truth() {
                return match subject(side) {
                    Some(name) if equal => way.want(name, Want::Boolean(truth)),
                    Some(name) => way.want(name, Want::Boolean(!truth)),
                    None => solve(side, equal == truth, way, schemas),
                };
            }
            if let Some([number, mask]) = side.call("BitAnd").filter(|_| other.integer() == Some(0)) {
                return bits(number, mask, !equal, way);
            }
            same(side, other, equal, way)
        }
        Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual => {
            ordered(operator, left, right, holds, way)
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
fn same(side: &Node, other: &Node, equal: bool, way: &Way) -> Vec<Way> {
    if let (Some(name), Some(number)) = (subject(side), other.integer()) {
        return way.want(name, Want::Integer(if equal { number } else { number.wrapping_add(1) }));
    }
    if let (Some(name), Some(text)) = (subject(side), other.text()) {
        let text = if equal { text.to_owned() } else { format!("other than {text}") };
        return way.want(name, Want::Text(text));
    }
    if let (Some(left), Some(right)) = (subject(side), subject(other)) {
        let [anchor, another] = ANCHORS;
        let equals = [["the same", "the same"], [anchor, anchor]];
        let pairs = if equal { equals } else { [["one", "another"], [another, anchor]] };
        return pairs.iter().flat_map(|pair| pair_of([left, right], *pair, way)).collect();
    }
    if let (Some([inner, place, between]), Some(other)) = (side.call("Word"), subject(other)) {
        let (Some(inner), Some(1), Some(between)) = (subject(inner), place.integer(), between.text()) else {
            return Vec::new();
        };
        let first = |word: &str| [format!("{word}{between}1"), if equal { word } else { "another" }.to_owned()];
        let pairs = ["User", "Group", "one"].map(first);
        return pairs.iter().flat_map(|[left, right]| pair_of([inner, other], [left, right], way)).collect();
    }
    if let (Some(name), Some(number)) = (counted(side), other.integer().and_then(|number| usize::try_from(number).ok()))
    {
        return way.want(name, Want::Count(if equal { number } else { number.saturating_add(1) }));
    }
    let Some(text) = other.text() else { return Vec::new() };
    let ends = [("Left", format!("{text} and more")), ("Right", format!("more and {text}"))];
    for (function, value) in ends {
        if let Some([inner, _]) = side.call(function) {
            let Some(name) = subject(inner) else { return Vec::new() };
            return way.want(name, if equal { Want::Text(value) } else { Want::Present });
        }
    }
    Vec::new()
}

fn pair_of([left, right]: [&str; 2], [first, second]: [&str; 2], way: &Way) -> Vec<Way> {
    let ways = way.want(left, Want::Text(first.to_owned()));
    ways.iter().flat_map(|way| way.want(right, Want::Text(second.to_owned()))).collect()
}

/// The attribute whose values are counted.
fn counted(node: &Node) -> Option<&str> {
    let [counted] = node.call("Count").or_else(|| node.call("ValueCount"))? else { return None };
    counted.text().or_else(|| subject(counted))
}

/// Numbers above this are large.
const MANY: i64 = 1_000;

/// A text that has a part in it, or does not.
fn found_in(name: &str, part: &str, there: bool, way: &Way) -> Vec<Way> {
    let is_dn = name.eq_ignore_ascii_case("dn");
    let known = match way.wants.get(&name.to_ascii_lowercase()) {
        Some((_, Want::Text(known))) if !known.starts_with("other than ") => Some(known),
        _ => None,
    };
    match (known, there) {
        (Some(known), _) if known.contains(part) == there => vec![way.clone()],
        // A text that is wished for already gets the part at its end.
        (Some(known), true) => {
            let mut way = way.clone();
            let longer = Want::Text(format!("{known}{part}"));
            way.wants.insert(name.to_ascii_lowercase(), (name.to_owned(), longer));
            vec![way]
        }
        (Some(_), false) => Vec::new(),
        (None, true) if is_dn => way.want(name, Want::Text(format!("CN=Ada{part}1f,DC=contoso,DC=com"))),
        (None, true) => [format!("x{part}y@z"), format!("x{part}y")]
            .into_iter()
            .flat_map(|text| way.want(name, Want::Text(text)))
            .collect(),
        (None, false) if is_dn => way.want(name, Want::Present),
        (None, false) => way.want(name, Want::Text("none of that".to_owned())),
    }
}

fn ordered(operator: Operator, left: &Node, right: &Node, holds: bool, way: &Way) -> Vec<Way> {
    let Some(bound) = right.integer() else { return Vec::new() };
    if let (Some([inner, part]), true) = (left.call("InStr").or_else(|| left.call("Contains")), bound <= 1) {
        let there = holds == matches!(operator, Operator::Greater | Operator::GreaterOrEqual);
        let (Some(name), Some(part)) = (subject(inner), part.text()) else { return Vec::new() };
        return found_in(name, part, there, way);
    }
    if let Some([number, mask]) = left.call("BitAnd") {
        return bits(number, mask, holds, way);
    }
    // Of a large number a small one is as good, and nobody must have so many members.
    let less = |number: i64| if number > MANY { 1 } else { number };
    let met = match (operator, holds) {
        (Operator::Greater, true) | (Operator::LessOrEqual, false) => bound.saturating_add(1),
        (Operator::Less, true) | (Operator::GreaterOrEqual, false) => less(bound.saturating_sub(1)),
        (Operator::LessOrEqual, true) | (Operator::Greater, false) => less(bound),
        _ => bound,
    };
    match (subject(left), counted(left), usize::try_from(met)) {
        (Some(name), ..) => way.want(name, Want::Integer(met)),
        (None, Some(name), Ok(count)) => way.want(name, Want::Count(count)),
        (None, ..) => Vec::new(),
    }
}

pub(super) fn bits(number: &Node, mask: &Node, set: bool, way: &Way) -> Vec<Way> {
    let (Some(name), Some(mask)) = (subject(number), mask.integer()) else { return Vec::new() };
    let lowest = mask & mask.wrapping_neg();
    let value = match (set, mask < 0) {
        (true, true) => mask | 2,
        (true, false) => lowest | 512,
        (false, true) => 2,
        (false, false) => 512 & !mask,
    };
    way.want(name, Want::Integer(value))
}
