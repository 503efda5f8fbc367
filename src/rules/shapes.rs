//! What kind of value each flow gives, and whether it is a list, found in the syntax tree: what `agreement.rs` holds
//! against the schema of a target.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{ASTNode, Expr, Stmt, StmtBlock};

use super::footprint::{Function, first_step, flow, is_variable};
use super::header::Header;
use super::vocabulary;
use crate::value::{AttributeName, Kind};

/// What is known of a value before anything runs: the sum of what its branches may give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Whether it is a list.
    pub list: bool,
    /// It is a list as well where one of these attributes holds several values.
    pub list_like: BTreeSet<AttributeName>,
    /// The kinds that it has.
    pub kinds: BTreeSet<Kind>,
    /// It has the kinds of these attributes as well.
    pub kinds_like: BTreeSet<AttributeName>,
    /// Whether it may have other kinds, too.
    pub open: bool,
}

impl Shape {
    fn unknown() -> Shape {
        Shape { open: true, ..Shape::default() }
    }

    fn of_kind(kind: Kind) -> Shape {
        Shape { kinds: BTreeSet::from([kind]), ..Shape::default() }
    }

    fn of_attribute(name: AttributeName) -> Shape {
        let names = BTreeSet::from([name]);
        Shape { list_like: names.clone(), kinds_like: names, ..Shape::default() }
    }

    fn or(mut self, other: Shape) -> Shape {
        self.list |= other.list;
        self.list_like.extend(other.list_like);
        self.kinds.extend(other.kinds);
        self.kinds_like.extend(other.kinds_like);
        self.open |= other.open;
        self
    }

    /// The same, as a list.
    fn listed(self) -> Shape {
        Shape { list: true, ..self }
    }

    /// One of its values.
    fn single(self) -> Shape {
        Shape { list: false, list_like: BTreeSet::new(), ..self }
    }

    /// As many values, of another kind.
    fn turned_into(self, kind: Kind) -> Shape {
        Shape { list: self.list, list_like: self.list_like, ..Shape::of_kind(kind) }
    }
}

/// The shape of each attribute that a rule writes.
pub(super) fn of(functions: &[Function], header: &Header) -> BTreeMap<AttributeName, Shape> {
    let mut written = BTreeMap::new();
    for copy in &header.copies {
        let shape = Shape::of_attribute(copy.from.clone());
        let merged = header.merge.contains(&copy.to);
        written.insert(copy.to.clone(), if merged { shape.listed() } else { shape });
    }
    let Some(flow) = flow(functions) else { return written };
    let mut shapes = Shapes { parameter: flow.parameter().unwrap_or_default(), variables: BTreeMap::new() };
    flow.walk(&mut |path| match path {
        [.., ASTNode::Stmt(Stmt::Var(var, ..))] => shapes.put(&var.0.name, &var.1),
        [.., ASTNode::Stmt(Stmt::Assignment(assignment))] => {
            if let Expr::Variable(variable, ..) = &assignment.1.lhs {
                shapes.put(&variable.1, &assignment.1.rhs);
            }
        }
        _ => {}
    });
    flow.final_map(|map| {
        written.extend(map.iter().map(|(key, value)| (key.name.as_str().into(), shapes.of(value))));
    });
    written
}

struct Shapes<'a> {
    parameter: &'a str,
    variables: BTreeMap<String, Shape>,
}

impl Shapes<'_> {
    fn put(&mut self, name: &str, value: &Expr) {
        let shape = self.of(value);
        let known = self.variables.remove(name).unwrap_or_default();
        self.variables.insert(name.to_owned(), known.or(shape));
    }

    fn of(&self, expr: &Expr) -> Shape {
        match expr {
            Expr::Unit(_) => Shape::default(),
            Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => Shape::of_kind(Kind::Boolean),
            Expr::IntegerConstant(..) => Shape::of_kind(Kind::Integer),
            Expr::StringConstant(..) | Expr::CharConstant(..) | Expr::InterpolatedString(..) => {
                Shape::of_kind(Kind::Text)
            }
            Expr::Array(items, _) if items.len() > 1 => self.any(items.iter()).listed(),
            Expr::Variable(variable, ..) => {
                self.variables.get(variable.1.as_str()).cloned().unwrap_or_else(Shape::unknown)
            }
            Expr::Coalesce(sides, _) => self.any(sides.iter()),
            Expr::FnCall(call, _) if call.is_operator_call() => operator(&call.name),
            Expr::FnCall(call, _) if call.namespace.is_empty() => {
                called(&call.name, call.args.first().map(|first| self.of(first)).unwrap_or_default())
            }
            Expr::Dot(chain, ..) => self.chain(&chain.lhs, &chain.rhs, false),
            Expr::Index(chain, ..) => self.chain(&chain.lhs, &chain.rhs, true),
            Expr::Stmt(block) => self.block(block),
            _ => Shape::unknown(),
        }
    }

    fn any<'e>(&self, parts: impl Iterator<Item = &'e Expr>) -> Shape {
        parts.fold(Shape::default(), |shape, part| shape.or(self.of(part)))
    }

    /// What a block gives: its last statement, or each branch of it.
    fn block(&self, block: &StmtBlock) -> Shape {
        match block.statements().last() {
            Some(Stmt::Expr(expr)) => self.of(expr),
            Some(Stmt::If(flow, _)) => self.block(&flow.body).or(self.block(&flow.branch)),
            None => Shape::default(),
            Some(_) => Shape::unknown(),
        }
    }

    /// `user.mail`, `user["mail"]`, `user.mail.lower()`, `names.sort()`.
    fn chain(&self, left: &Expr, right: &Expr, indexed: bool) -> Shape {
        let (mut shape, mut rest) = if is_variable(left, self.parameter) {
            let Some((name, _)) = first_step(right, indexed) else { return Shape::unknown() };
            let rest = match right {
                Expr::Dot(chain, ..) => Some(&chain.rhs),
                item @ Expr::Index(..) => Some(item),
                _ => None,
            };
            (Shape::of_attribute(name.into()), rest)
        } else {
            (self.of(left), Some(right))
        };
        while let Some(step) = rest {
            let (method, next) = match step {
                Expr::Dot(chain, ..) => (&chain.lhs, Some(&chain.rhs)),
                last => (last, None),
            };
            let Expr::MethodCall(call, _) = method else { return Shape::unknown() };
            (shape, rest) = (called(&call.name, shape), next);
        }
        shape
    }
}

fn operator(name: &str) -> Shape {
    match name {
        "==" | "!=" | "<" | ">" | "<=" | ">=" | "!" | "in" => Shape::of_kind(Kind::Boolean),
        _ => Shape::unknown(),
    }
}

/// What a function gives for a first argument of some shape, by its signature.
fn called(name: &str, first: Shape) -> Shape {
    match name {
        "once" | "seed" => return first,
        "merge" => return first.listed(),
        "first" | "last" | "item" => return first.single(),
        _ => {}
    }
    let signature = vocabulary::find(name).map_or("", |function| function.signature);
    let (takes, gives) = signature.split_once(" -> ").unwrap_or_default();
    match gives {
        "list" => Shape::unknown().listed(),
        // Text functions work on each of a list.
        "text" if takes.contains("(text,") || takes.contains("(text)") => first.turned_into(Kind::Text),
        "text" => Shape::of_kind(Kind::Text),
        "number" => Shape::of_kind(Kind::Integer),
        "true or false" => Shape::of_kind(Kind::Boolean),
        _ => Shape::unknown(),
    }
}
