//! Which objects take which way through an expression: conditions are read backwards, as far as they can be.

use std::collections::BTreeSet;

use crate::entra_connect::export::AttributeSchema;
use crate::entra_connect::expression::{Expr, Node, Operator};
use crate::value::Kind;

mod backwards;
mod branches;
mod compared;
mod way;

pub(super) use backwards::valued;
pub(super) use branches::branches;
use branches::is_condition;
use way::spare;
pub(super) use way::{Branch, Want, Wants, Way};

/// GUIDs in Base64 that test objects have: bytes there, and a text where an expression makes one of them.
pub(super) const ANCHORS: [&str; 2] = ["EREAAKqqIiK7uzMzzMxERA==", "EREAAKqqIiK7uzMzzMxERQ=="];

/// What is known of attributes.
pub(super) type Schemas<'a> = &'a dyn Fn(&str) -> AttributeSchema;

/// The ways through an expression, at least one for each branch that can be met.
pub(super) fn ways(node: &Node, schemas: Schemas<'_>) -> Vec<Way> {
    through(node, &Way::default(), schemas)
}

/// Whether any object is known for which a condition of an expression holds, or does not, whatever stands before it.
pub(super) fn is_solved(node: &Node, branch: Branch, schemas: Schemas<'_>) -> bool {
    let mut solved = false;
    node.walk(&mut |node| {
        let here = (node.span.start, node.span.end) == (branch.start, branch.end);
        solved |= here && !solve(node, branch.holds, &Way::default(), schemas).is_empty();
    });
    solved
}

fn through(node: &Node, way: &Way, schemas: Schemas<'_>) -> Vec<Way> {
    if let Some([text]) = node.call("Error") {
        let error = Some(text.text().unwrap_or_default().to_owned());
        return vec![Way { error, ..way.clone() }];
    }
    if is_condition(node) {
        let found: Vec<Way> = [true, false].into_iter().flat_map(|holds| solve(node, holds, way, schemas)).collect();
        return if found.is_empty() { vec![way.clone()] } else { found };
    }
    let (name, arguments) = match &node.expr {
        Expr::Call(name, arguments) => (name.as_str(), arguments.as_slice()),
        Expr::Binary(_, left, right) => return each([left.as_ref(), right], way, schemas),
        _ => return vec![way.clone()],
    };
    match (name, arguments) {
        ("IIF", [condition, yes, no]) => {
            let mut found = Vec::new();
            for (holds, branch) in [(true, yes), (false, no)] {
                let ways = solve(condition, holds, way, schemas);
                found.extend(ways.iter().flat_map(|way| through(branch, way, schemas)));
            }
            spare(found)
        }
        ("Switch", pairs) => switched(pairs.as_chunks::<2>().0, way, schemas),
        _ => each(arguments, way, schemas),
    }
}

fn switched(pairs: &[[Node; 2]], way: &Way, schemas: Schemas<'_>) -> Vec<Way> {
    let (mut found, mut before) = (Vec::new(), vec![way.clone()]);
    for [condition, value] in pairs {
        let next = |holds: bool| before.iter().flat_map(move |way| solve(condition, holds, way, schemas));
        found.extend(next(true).flat_map(|way| through(value, &way, schemas)));
        before = spare(next(false).collect());
    }
    // Nothing of it holds.
    found.extend(before);
    spare(found)
}

/// The ways through parts that are all evaluated: what is asked in one of them says nothing about another.
fn each<'a>(parts: impl IntoIterator<Item = &'a Node>, way: &Way, schemas: Schemas<'_>) -> Vec<Way> {
    let mut found: Vec<Way> = Vec::new();
    for way in parts.into_iter().flat_map(|part| through(part, way, schemas)) {
        if !found.contains(&way) {
            found.push(way);
        }
    }
    if found.len() > 1 {
        found.retain(|one| one != way);
    }
    if found.is_empty() { vec![way.clone()] } else { found }
}

/// Objects for which a condition holds, or does not: each way to it is one.
pub(super) fn solve(node: &Node, holds: bool, way: &Way, schemas: Schemas<'_>) -> Vec<Way> {
    if let Some(truth) = node.truth() {
        return if truth == holds { vec![way.clone()] } else { Vec::new() };
    }
    if node.is_null() {
        return if holds { Vec::new() } else { vec![way.clone()] };
    }
    let found = match &node.expr {
        Expr::Binary(Operator::Or, left, right) => short((left, right), true, holds, way, schemas),
        Expr::Binary(Operator::And, left, right) => short((left, right), false, holds, way, schemas),
        Expr::Binary(operator, left, right) => compared::compared(*operator, (left, right), holds, way, schemas),
        Expr::Call(name, arguments) => called(name, arguments, holds, way, schemas),
        Expr::Attribute(name) => way.want(name, if holds { Want::Boolean(true) } else { Want::Absent }),
        _ => Vec::new(),
    };
    spare(found.into_iter().map(|way| way.meeting(Branch::of(node, holds))).collect())
}

/// `||` is done when its left side holds, `&&` when it does not.
fn short((left, right): (&Node, &Node), done: bool, holds: bool, way: &Way, schemas: Schemas<'_>) -> Vec<Way> {
    let after = |way: &Way| solve(right, holds, way, schemas);
    let on = solve(left, !done, way, schemas);
    if holds != done {
        return on.iter().flat_map(after).collect();
    }
    let mut found = solve(left, done, way, schemas);
    found.extend(on.iter().map(after).find(|found| !found.is_empty()).unwrap_or_default());
    found
}

fn called(name: &str, arguments: &[Node], holds: bool, way: &Way, schemas: Schemas<'_>) -> Vec<Way> {
    match (name, arguments) {
        ("IsPresent", [tested]) => presence(tested, holds, way),
        ("IsNullOrEmpty" | "IsNull", [tested]) => presence(tested, !holds, way),
        ("CBool", [inner]) => match inner.call("BitAnd") {
            Some([number, mask]) => compared::bits(number, mask, holds, way),
            _ => solve(inner, holds, way, schemas),
        },
        ("IIF", [condition, yes, no]) => {
            let mut found = Vec::new();
            for (asked, branch) in [(true, yes), (false, no)] {
                let ways = solve(condition, asked, way, schemas);
                found.extend(ways.iter().flat_map(|way| solve(branch, holds, way, schemas)));
            }
            found
        }
        ("IsBitSet", [number, mask]) => compared::bits(number, mask, holds, way),
        ("IsString", [tested]) => match tested.attribute() {
            Some(name) if schemas(name).kind == Kind::Bytes => {
                if holds {
                    Vec::new()
                } else {
                    vec![way.clone()]
                }
            }
            Some(name) => way.want(name, if holds { Want::Present } else { Want::Absent }),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn presence(tested: &Node, there: bool, way: &Way) -> Vec<Way> {
    match subject(tested) {
        Some(name) => way.want(name, if there { Want::Present } else { Want::Absent }),
        None => Vec::new(),
    }
}

/// The attribute whose value a text is made of, without much ado.
fn subject(node: &Node) -> Option<&str> {
    match &node.expr {
        Expr::Attribute(name) => Some(name),
        Expr::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
            ("Trim" | "CStr" | "LTrim" | "RTrim" | "CRef", [inner]) => subject(inner),
            ("ImportedValue", [inner]) => inner.text(),
            // The value that has a text in it, of one value.
            ("Item", [inner, place])
                if place.call("Contains").is_some_and(|found| found.first().is_some_and(|first| first.same(inner))) =>
            {
                subject(inner)
            }
            ("DNComponent", [inner, number]) if number.integer() == Some(1) => {
                subject(inner).filter(|name| name.eq_ignore_ascii_case("dn"))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Of these ways, those whose branches are not all met by earlier ones that can be made.
pub(super) fn chosen<T>(ways: Vec<Way>, make: impl Fn(&Way) -> Option<T>) -> (Vec<(Way, T)>, BTreeSet<Branch>) {
    let (mut kept, mut met) = (Vec::new(), BTreeSet::new());
    for way in ways {
        if !kept.is_empty() && way.met.is_subset(&met) {
            continue;
        }
        if let Some(made) = make(&way) {
            met.extend(way.met.iter().copied());
            kept.push((way, made));
        }
    }
    (kept, met)
}
