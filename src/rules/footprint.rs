//! What a rule reads and writes, found in its syntax tree. The other files that read the tree are `header.rs` and
//! `check.rs`.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnAccess, Position, Stmt};

use super::header::Header;
use super::shapes::Shape;
use crate::value::{AttributeName, Kind};

/// Reads of one function, and where.
pub(super) type Reads = BTreeMap<AttributeName, Position>;

/// What a rule reads and writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Attributes that `scope` reads.
    pub scope: BTreeSet<AttributeName>,
    /// Attributes that `join` reads.
    pub join: BTreeSet<AttributeName>,
    /// Attributes that `flow`, `copy` and `trim` read.
    pub flow: BTreeSet<AttributeName>,
    /// Attributes that it writes, with the line of each.
    pub writes: BTreeMap<AttributeName, u32>,
    /// Attributes of the other side that its join groups name.
    pub join_keys: BTreeSet<AttributeName>,
    /// Reference attributes that it counts.
    pub counts: BTreeSet<AttributeName>,
    /// Attributes whose values are unique names.
    pub unique: BTreeSet<AttributeName>,
    /// Whether it asks for memberships.
    pub memberships: bool,
    /// Literals that are flowed to an attribute or compared with one: their kind, and their line.
    pub literals: Vec<Literal>,
    /// The attributes that each written one is made of.
    pub sources: BTreeMap<AttributeName, BTreeSet<AttributeName>>,
    /// What is known of what each written one is given.
    pub shapes: BTreeMap<AttributeName, Shape>,
}

/// A literal beside an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// The attribute.
    pub attribute: AttributeName,
    /// What the literal is.
    pub kind: Kind,
    /// Its text: `true`, `42`, `Sales`.
    pub text: String,
    /// Whether it is flowed to the attribute; else it is compared with what is read from it.
    pub flowed: bool,
    /// Where it stands: 1-based line and column.
    pub place: (usize, usize),
}

impl Footprint {
    /// Everything it reads from its source object.
    pub fn reads(&self) -> BTreeSet<AttributeName> {
        self.scope.iter().chain(&self.join).chain(&self.flow).cloned().collect()
    }

    /// Whether it reads one attribute of its source object.
    pub fn reads_one(&self, name: &AttributeName) -> bool {
        self.scope.contains(name) || self.join.contains(name) || self.flow.contains(name)
    }
}

/// One function of a rule file.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) public: bool,
    pub(super) parameters: Vec<String>,
    /// A tree that holds this function alone, for the whole tree does not say which function a node is in.
    body: AST,
}

impl Function {
    /// The name of the first parameter: the object, in a public function.
    pub(super) fn parameter(&self) -> Option<&str> {
        self.parameters.first().map(String::as_str)
    }

    /// Walks every node of the function. A path of one node is a statement of its body.
    pub(super) fn walk(&self, on_node: &mut dyn FnMut(&[ASTNode<'_>])) {
        self.body.walk(&mut |path: &[ASTNode<'_>]| {
            on_node(path);
            true
        });
    }
}

/// The functions of a compiled file.
pub(super) fn functions(ast: &AST) -> Vec<Function> {
    let mut functions: Vec<_> = ast
        .shared_lib()
        .iter_script_fn_info()
        .map(|(_, access, name, arity, definition)| {
            // Not `clone_functions_only_filtered`: in rhai 1.27 it keeps them all.
            let mut body = ast.clone_functions_only();
            body.retain_functions(|_, _, other, parameters| other == name && parameters == arity);
            Function {
                name: name.to_owned(),
                // A closure is a function without a name of its own.
                public: access == FnAccess::Public && !name.starts_with("anon$"),
                parameters: definition.params.iter().map(|name| name.to_string()).collect(),
                body,
            }
        })
        .collect();
    functions.sort_by(|left, right| left.name.cmp(&right.name));
    functions
}

/// The attribute that `parameter.name` or `parameter["name"]` reads.
pub(super) fn attribute_read(node: &ASTNode<'_>, parameter: &str) -> Option<(AttributeName, Position)> {
    let ASTNode::Expr(Expr::Dot(chain, ..) | Expr::Index(chain, ..)) = node else { return None };
    if !is_variable(&chain.lhs, parameter) {
        return None;
    }
    first_step(&chain.rhs, matches!(node, ASTNode::Expr(Expr::Index(..))))
}

/// As [`attribute_read`], for an expression that is nothing but the read: not `user.title.length()`.
pub(super) fn plain_read(expr: &Expr, parameter: &str) -> Option<(AttributeName, Position)> {
    let (Expr::Dot(chain, ..) | Expr::Index(chain, ..)) = expr else { return None };
    let whole = matches!(chain.rhs, Expr::Property(..) | Expr::StringConstant(..));
    attribute_read(&ASTNode::Expr(expr), parameter).filter(|_| whole)
}

/// The first property or index of the right side of a chain: `a.b.c` is `a . (b . c)`.
pub(super) fn first_step(rhs: &Expr, indexed: bool) -> Option<(AttributeName, Position)> {
    match rhs {
        Expr::Property(property, position) if !indexed => Some((property.2.as_str().into(), *position)),
        Expr::StringConstant(name, position) if indexed => Some((name.as_str().into(), *position)),
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => first_step(&chain.lhs, indexed),
        _ => None,
    }
}

pub(super) fn is_variable(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Variable(variable, ..) if variable.1 == name)
}

/// Every attribute of its parameter that a function reads.
pub(super) fn reads(function: &Function) -> Reads {
    let mut reads = Reads::new();
    let Some(parameter) = function.parameter() else { return reads };
    function.walk(&mut |path| {
        if let Some((name, position)) = path.last().and_then(|node| attribute_read(node, parameter)) {
            reads.entry(name).or_insert(position);
        }
    });
    reads
}

/// The keys of the map literal that ends a function, with their positions.
pub(super) fn final_map(function: &Function) -> Option<Vec<(String, Position)>> {
    let mut keys = None;
    function.walk(&mut |path| {
        let [ASTNode::Stmt(statement)] = path else { return };
        keys = match statement {
            Stmt::Expr(expr) => map_keys(expr),
            Stmt::Return(Some(expr), ..) => map_keys(expr),
            _ => None,
        };
    });
    keys
}

fn map_keys(expr: &Expr) -> Option<Vec<(String, Position)>> {
    let Expr::Map(map, _) = expr else { return None };
    Some(map.0.iter().map(|(key, _)| (key.name.to_string(), key.pos)).collect())
}

/// The keys of all map literals inside a `join` function: attributes of the other side.
pub(super) fn join_keys(function: &Function) -> Reads {
    let mut keys = Reads::new();
    function.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::Map(map, _))) = path.last() {
            keys.extend(map.0.iter().map(|(key, _)| (key.name.as_str().into(), key.pos)));
        }
    });
    keys
}

/// The footprint of a whole file.
pub(super) fn of(functions: &[Function], header: &Header) -> Footprint {
    let mut footprint = Footprint::default();
    for function in functions.iter().filter(|function| function.public) {
        let names = reads(function).into_keys();
        match function.name.as_str() {
            "scope" => footprint.scope.extend(names),
            "join" => {
                footprint.join.extend(names);
                footprint.join_keys.extend(join_keys(function).into_keys());
            }
            _ => footprint.flow.extend(names),
        }
        native_reads(function, &mut footprint);
        literals(function, &mut footprint.literals);
    }
    if let Some(flow) = functions.iter().find(|function| function.name == "flow") {
        footprint.unique.extend(unique_names(flow).into_iter().map(|(name, _)| name));
    }
    if let Some(flows) = functions.iter().find(|function| function.name == "flow").and_then(final_map) {
        let line = |position: Position| u32::try_from(position.line().unwrap_or(0)).unwrap_or(0);
        footprint.writes.extend(flows.into_iter().map(|(key, position)| (key.into(), line(position))));
    }
    for copy in &header.copies {
        footprint.flow.insert(copy.from.clone());
        footprint.writes.entry(copy.to.clone()).or_insert(header.line);
    }
    footprint.sources = super::sources::of(functions, header);
    footprint.shapes = super::shapes::of(functions, header);
    footprint
}

/// Where a function of that name is called, if the last node of a path does so.
pub(super) fn call_of(path: &[ASTNode<'_>], name: &str) -> Option<Position> {
    match path.last()? {
        ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position)) => {
            (call.name == name).then_some(*position)
        }
        _ => None,
    }
}

/// The keys of the final map whose value is made by `unique`, with the places of the calls.
pub(super) fn unique_names(flow: &Function) -> Vec<(AttributeName, Position)> {
    let mut names = Vec::new();
    flow.walk(&mut |path| {
        let [ASTNode::Stmt(Stmt::Expr(expr))] = path else { return };
        let Expr::Map(map, _) = &**expr else { return };
        for (key, value) in &map.0 {
            value.walk(&mut Vec::new(), &mut |inner: &[ASTNode<'_>]| {
                names.extend(call_of(inner, "unique").map(|position| (key.name.as_str().into(), position)));
                true
            });
        }
    });
    names
}

/// The kind, text and place of a literal, also in `once(…)` and `seed(…)`.
fn literal(expr: &Expr) -> Option<(Kind, String, (usize, usize))> {
    let (kind, text) = match expr {
        Expr::StringConstant(text, _) => (Kind::Text, text.to_string()),
        Expr::IntegerConstant(number, _) => (Kind::Integer, number.to_string()),
        Expr::BoolConstant(flag, _) => (Kind::Boolean, flag.to_string()),
        Expr::FnCall(call, _) if ["once", "seed"].contains(&call.name.as_str()) => return literal(call.args.first()?),
        _ => return None,
    };
    let position = expr.position();
    Some((kind, text, (position.line()?, position.position().unwrap_or(1))))
}

/// Literals that `flow` gives, and literals that an attribute is compared with.
fn literals(function: &Function, found: &mut Vec<Literal>) {
    let Some(parameter) = function.parameter() else { return };
    function.walk(&mut |path| match path {
        [ASTNode::Stmt(Stmt::Expr(expr))] if function.name == "flow" => {
            let Expr::Map(map, _) = &**expr else { return };
            for (key, value) in &map.0 {
                if let Some((kind, text, place)) = literal(value) {
                    found.push(Literal { attribute: key.name.as_str().into(), kind, text, flowed: true, place });
                }
            }
        }
        [.., ASTNode::Expr(Expr::FnCall(call, _))] if call.is_operator_call() => {
            let ([left, right], "==" | "!=" | "<" | ">" | "<=" | ">=") = (call.args.as_slice(), call.name.as_str())
            else {
                return;
            };
            for (read, other) in [(left, right), (right, left)] {
                if let (Some((attribute, _)), Some((kind, text, place))) = (plain_read(read, parameter), literal(other))
                {
                    found.push(Literal { attribute, kind, text, flowed: false, place });
                }
            }
        }
        _ => {}
    });
}

/// Words that ask for groups, and take the whole object.
pub(super) const MEMBERSHIP_WORDS: [&str; 2] = ["is_member_of", "is_in_group"];

/// `count(x.member)`, `is_member_of(x, …)` and `is_in_group(x, …)`, which need edges.
fn native_reads(function: &Function, footprint: &mut Footprint) {
    let Some(parameter) = function.parameter() else { return };
    function.walk(&mut |path| {
        let Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) = path.last() else {
            return;
        };
        match (call.name.as_str(), call.args.first()) {
            ("count", Some(argument)) => {
                footprint.counts.extend(attribute_read(&ASTNode::Expr(argument), parameter).map(|(name, _)| name));
            }
            (name, _) if MEMBERSHIP_WORDS.contains(&name) => footprint.memberships = true,
            _ => {}
        }
    });
}
