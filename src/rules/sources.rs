//! Which attributes each flowed value is made of, found in the syntax tree: what `explain` follows backwards.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{ASTNode, Expr, ImmutableString, Stmt};

use super::footprint::{Function, attribute_read, flow, is_variable};
use super::header::Header;
use crate::value::AttributeName;

/// By written attribute.
pub(super) type Sources = BTreeMap<AttributeName, BTreeSet<AttributeName>>;

/// What an expression or a variable is made of.
#[derive(Clone, Default)]
struct Parts {
    reads: BTreeSet<AttributeName>,
    variables: BTreeSet<ImmutableString>,
}

/// The attributes that each key of `flow` and each copy reads. A variable stands for everything that is ever put into
/// it, so an answer may name too much, never too little.
pub(super) fn of(functions: &[Function], header: &Header) -> Sources {
    let mut sources = Sources::new();
    for copy in &header.copies {
        sources.entry(copy.to.clone()).or_default().insert(copy.from.clone());
    }
    let Some(flow) = flow(functions) else { return sources };
    let Some(parameter) = flow.parameter() else { return sources };
    let variables = variables(flow, parameter);
    flow.final_map(|map| {
        let reads = |value| resolve(parts(value, parameter), &variables);
        sources.extend(map.iter().map(|(key, value)| (key.name.as_str().into(), reads(value))));
    });
    sources
}

fn variables(flow: &Function, parameter: &str) -> BTreeMap<ImmutableString, Parts> {
    let mut variables: BTreeMap<ImmutableString, Parts> = BTreeMap::new();
    let mut add = |name: &ImmutableString, value: &Expr| {
        let more = parts(value, parameter);
        let known = variables.entry(name.clone()).or_default();
        known.reads.extend(more.reads);
        known.variables.extend(more.variables);
    };
    flow.walk(&mut |path| match path.last() {
        Some(ASTNode::Stmt(Stmt::Var(var, ..))) => add(&var.0.name, &var.1),
        Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
            if let Expr::Variable(variable, ..) = &assignment.1.lhs {
                add(&variable.1, &assignment.1.rhs);
            }
        }
        Some(ASTNode::Stmt(Stmt::For(looped, _))) => add(&looped.0.name, &looped.2.expr),
        _ => {}
    });
    variables
}

fn parts(expr: &Expr, parameter: &str) -> Parts {
    let mut parts = Parts::default();
    expr.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
        match path.last() {
            Some(ASTNode::Expr(found @ Expr::Variable(variable, ..))) if !is_variable(found, parameter) => {
                parts.variables.insert(variable.1.clone());
            }
            Some(node) => parts.reads.extend(attribute_read(node, parameter).map(|(name, _)| name.into())),
            None => {}
        }
        true
    });
    parts
}

fn resolve(parts: Parts, variables: &BTreeMap<ImmutableString, Parts>) -> BTreeSet<AttributeName> {
    let mut reads = parts.reads;
    let mut seen = BTreeSet::new();
    let mut open: Vec<ImmutableString> = parts.variables.into_iter().collect();
    while let Some(name) = open.pop() {
        let Some(known) = variables.get(&name).filter(|_| seen.insert(name.clone())) else { continue };
        reads.extend(known.reads.iter().cloned());
        open.extend(known.variables.iter().cloned());
    }
    reads
}
