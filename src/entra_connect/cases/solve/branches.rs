//! The branches of an expression: each condition that decides something, holding and not holding.

use super::way::Branch;
use crate::entra_connect::expression::{Expr, Node, Operator};

/// All branches of an expression, in the order of its text.
pub(in super::super) fn branches(node: &Node) -> Vec<Branch> {
    let mut found = Vec::new();
    chosen(node, &mut found);
    found
}

/// Whether it says yes or no.
pub(super) fn is_condition(node: &Node) -> bool {
    match &node.expr {
        Expr::Binary(operator, ..) => match operator {
            Operator::Or
            | Operator::And
            | Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => true,
            Operator::Join | Operator::Plus | Operator::Minus | Operator::Times | Operator::Divide => false,
        },
        Expr::Call(name, _) => matches!(name.as_str(), "IsPresent" | "IsNullOrEmpty" | "IsNull" | "IsString" | "CBool"),
        _ => false,
    }
}

/// What stands where a value is asked for.
fn chosen(node: &Node, found: &mut Vec<Branch>) {
    match &node.expr {
        Expr::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
            ("IIF", [condition, yes, no]) => {
                asked(condition, found);
                chosen(yes, found);
                chosen(no, found);
            }
            ("Switch", pairs) => {
                for [condition, value] in pairs.as_chunks::<2>().0 {
                    asked(condition, found);
                    chosen(value, found);
                }
            }
            _ if is_condition(node) => asked(node, found),
            _ => arguments.iter().for_each(|argument| chosen(argument, found)),
        },
        Expr::Binary(..) if is_condition(node) => asked(node, found),
        Expr::Binary(_, left, right) => {
            chosen(left, found);
            chosen(right, found);
        }
        Expr::Negative(inner) => chosen(inner, found),
        _ => {}
    }
}

/// What stands where yes or no is asked for.
fn asked(node: &Node, found: &mut Vec<Branch>) {
    if node.truth().is_some() || node.is_null() {
        return;
    }
    match &node.expr {
        Expr::Binary(Operator::Or | Operator::And, left, right) => {
            asked(left, found);
            asked(right, found);
        }
        Expr::Binary(Operator::Equal | Operator::NotEqual, left, right)
            if right.truth().is_some() && is_condition(left) =>
        {
            asked(left, found);
        }
        Expr::Call(name, arguments) if name == "CBool" && !is_number(arguments) => {
            arguments.iter().for_each(|inner| asked(inner, found));
        }
        Expr::Call(name, arguments) if name == "IIF" => arguments.iter().for_each(|inner| asked(inner, found)),
        _ => found.extend([true, false].map(|holds| Branch::of(node, holds))),
    }
}

fn is_number(arguments: &[Node]) -> bool {
    arguments.first().is_some_and(|inner| inner.call("BitAnd").is_some())
}
