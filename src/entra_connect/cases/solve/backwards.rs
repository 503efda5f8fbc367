//! Expressions read backwards: what an object must be like for an expression to give a value.

use super::way::{Want, Way, spare};
use super::{ANCHORS, Schemas, branches::is_condition, solve, subject};
use crate::entra_connect::expression::{Expr, Node, Word};

/// Ways on which an expression gives what is wished for.
pub(in super::super) fn valued(node: &Node, wish: &Want, way: &Way, schemas: Schemas<'_>) -> Vec<Way> {
    let given = |met: bool| if met { vec![way.clone()] } else { Vec::new() };
    if let Some(truth) = node.truth() {
        return given(matches!(wish, Want::Present) || *wish == Want::Boolean(truth));
    }
    match &node.expr {
        Expr::Word(Word::Null | Word::AuthoritativeNull | Word::IgnoreThisFlow) => given(*wish == Want::Absent),
        Expr::Text(text) => given(match wish {
            Want::Text(wish) => {
                wish == text || wish.strip_prefix("other than ").is_some_and(|other| !other.eq_ignore_ascii_case(text))
            }
            Want::Present => true,
            Want::Absent | Want::Integer(_) | Want::Boolean(_) | Want::Count(_) => false,
        }),
        Expr::Integer(number) => given(*wish == Want::Integer(*number) || *wish == Want::Present),
        Expr::Call(name, arguments) => called(name, arguments, node, wish, way, schemas),
        Expr::Attribute(name) => way.want(name, wish.clone()),
        _ if is_condition(node) => truth(node, wish, way, schemas),
        _ => there(node, wish, way),
    }
}

fn called(name: &str, arguments: &[Node], node: &Node, wish: &Want, way: &Way, schemas: Schemas<'_>) -> Vec<Way> {
    match (name, arguments) {
        ("IIF", [condition, yes, no]) => {
            let mut found = Vec::new();
            for (holds, branch) in [(true, yes), (false, no)] {
                let ways = solve(condition, holds, way, schemas);
                found.extend(ways.iter().flat_map(|way| valued(branch, wish, way, schemas)));
            }
            spare(found)
        }
        ("ValueCount" | "Count", [counted]) => {
            let Some(name) = counted.text().or_else(|| subject(counted)) else { return Vec::new() };
            match wish {
                Want::Integer(number) => {
                    usize::try_from(*number).map_or_else(|_| Vec::new(), |count| way.want(name, Want::Count(count)))
                }
                Want::Present => vec![way.clone()],
                Want::Absent | Want::Text(_) | Want::Boolean(_) | Want::Count(_) => Vec::new(),
            }
        }
        ("ConvertToBase64", [bytes]) => match (wish, subject(bytes)) {
            (Want::Text(text), Some(name)) if ANCHORS.contains(&text.as_str()) => {
                way.want(name, Want::Text(text.clone()))
            }
            _ => there(node, wish, way),
        },
        ("Error", _) => Vec::new(),
        _ if is_condition(node) => truth(node, wish, way, schemas),
        _ => match subject(node) {
            Some(name) => way.want(name, wish.clone()),
            None => there(node, wish, way),
        },
    }
}

fn truth(node: &Node, wish: &Want, way: &Way, schemas: Schemas<'_>) -> Vec<Way> {
    match wish {
        Want::Boolean(truth) => solve(node, *truth, way, schemas),
        Want::Present => [true, false].into_iter().flat_map(|truth| solve(node, truth, way, schemas)).collect(),
        Want::Absent | Want::Text(_) | Want::Integer(_) | Want::Count(_) => Vec::new(),
    }
}

/// A text made of an attribute is there where the attribute is.
fn there(node: &Node, wish: &Want, way: &Way) -> Vec<Way> {
    let names = super::super::asked(node);
    match (wish, names.as_slice()) {
        (Want::Present | Want::Absent, [name]) => way.want(name, wish.clone()),
        (Want::Present, _) => names
            .iter()
            .fold(vec![way.clone()], |ways, name| ways.iter().flat_map(|way| way.want(name, Want::Present)).collect()),
        _ => Vec::new(),
    }
}
