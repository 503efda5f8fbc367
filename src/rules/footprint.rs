//! What a rule reads and writes, found in its syntax tree. The other files that read the tree are `header.rs` and
//! `check.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{AST, ASTNode, Expr, FnAccess, FnCallExpr, Ident, Module, Position, ScriptFuncDef, Stmt};

use super::header::Header;
use super::shapes::Shape;
use super::vocabulary;
use crate::value::{AttributeName, Kind};

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
    /// Attributes whose bits it looks at, so that they must be numbers, and where: 1-based line and column.
    pub numbers: BTreeMap<AttributeName, (usize, usize)>,
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
    /// How many statements it has.
    statements: usize,
}

impl Function {
    fn new(definition: &Arc<ScriptFuncDef>) -> Function {
        let body = AST::new_from_module(Module::from([Arc::clone(definition)]));
        let mut statements = 0;
        body.walk(&mut |path: &[ASTNode<'_>]| {
            statements += usize::from(path.len() == 1);
            true
        });
        Function {
            name: definition.name.to_string(),
            // A closure is a function without a name of its own.
            public: definition.access == FnAccess::Public && !definition.name.starts_with("anon$"),
            parameters: definition.params.iter().map(|name| name.to_string()).collect(),
            body,
            statements,
        }
    }

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

    /// What its last statement looks like: that is its answer. Rhai shows statements in passing only.
    pub(super) fn last<R>(&self, mut look: impl FnMut(&Stmt) -> R) -> Option<R> {
        let (mut left, mut seen) = (self.statements, None);
        self.body.walk(&mut |path: &[ASTNode<'_>]| {
            if let [ASTNode::Stmt(statement)] = path {
                left -= 1;
                seen = (left == 0).then(|| look(statement));
            }
            seen.is_none()
        });
        seen
    }

    /// What the keys and values of the map literal that ends it look like: that is what `flow` gives.
    pub(super) fn final_map<R>(&self, mut look: impl FnMut(&[(Ident, Expr)]) -> R) -> Option<R> {
        let map = |last: &Stmt| {
            let (Stmt::Expr(expr) | Stmt::Return(Some(expr), ..)) = last else { return None };
            let Expr::Map(map, _) = &**expr else { return None };
            Some(look(&map.0))
        };
        self.last(map).flatten()
    }
}

/// The functions of a compiled file.
pub(super) fn functions(ast: &AST) -> Vec<Function> {
    let mut functions: Vec<_> = ast.iter_fn_def().map(Function::new).collect();
    functions.sort_by(|left, right| left.name.cmp(&right.name));
    functions
}

/// The attribute that `parameter.name` or `parameter["name"]` reads.
pub(super) fn attribute_read<'n>(node: &ASTNode<'n>, parameter: &str) -> Option<(&'n str, Position)> {
    let ASTNode::Expr(Expr::Dot(chain, ..) | Expr::Index(chain, ..)) = node else { return None };
    if !is_variable(&chain.lhs, parameter) {
        return None;
    }
    first_step(&chain.rhs, matches!(node, ASTNode::Expr(Expr::Index(..))))
}

/// As [`attribute_read`], for an expression that is nothing but the read: not `user.title.length()`.
pub(super) fn plain_read<'n>(expr: &'n Expr, parameter: &str) -> Option<(&'n str, Position)> {
    let (Expr::Dot(chain, ..) | Expr::Index(chain, ..)) = expr else { return None };
    let whole = matches!(chain.rhs, Expr::Property(..) | Expr::StringConstant(..));
    attribute_read(&ASTNode::Expr(expr), parameter).filter(|_| whole)
}

/// The first property or index of the right side of a chain: `a.b.c` is `a . (b . c)`.
pub(super) fn first_step(rhs: &Expr, indexed: bool) -> Option<(&str, Position)> {
    match rhs {
        Expr::Property(property, position) if !indexed => Some((&property.2, *position)),
        Expr::StringConstant(name, position) if indexed => Some((name, *position)),
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => first_step(&chain.lhs, indexed),
        _ => None,
    }
}

pub(super) fn is_variable(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Variable(variable, ..) if variable.1 == name)
}

/// The call of a function, but of no method, that a node is, and where.
pub(super) fn call_of<'n>(node: &ASTNode<'n>) -> Option<(&'n FnCallExpr, Position)> {
    match node {
        ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position)) => {
            Some((call, *position))
        }
        _ => None,
    }
}

/// The `flow` of a file.
pub(super) fn flow(functions: &[Function]) -> Option<&Function> {
    functions.iter().find(|function| function.public && function.name == "flow")
}

/// The footprint of a whole file.
pub(super) fn of(functions: &[Function], header: &Header) -> Footprint {
    let mut footprint = Footprint::default();
    for function in functions.iter().filter(|function| function.public) {
        let Some(parameter) = function.parameter() else { continue };
        let mut reads = BTreeSet::new();
        function.walk(&mut |path| {
            let Some(node) = path.last() else { return };
            reads.extend(attribute_read(node, parameter).map(|(name, _)| name.into()));
            if let Some((call, _)) = call_of(node) {
                footprint.call(call, parameter);
            }
            if let ASTNode::Expr(Expr::Map(map, _)) = node
                && function.name == "join"
            {
                footprint.join_keys.extend(map.0.iter().map(|(key, _)| key.name.as_str().into()));
            }
        });
        match function.name.as_str() {
            "scope" => footprint.scope = reads,
            "join" => footprint.join = reads,
            _ => footprint.flow = reads,
        }
    }
    if let Some(flow) = flow(functions) {
        footprint.unique.extend(unique_names(flow).into_iter().map(|(name, _)| name));
        flow.final_map(|map| footprint.flows(map));
    }
    for copy in &header.copies {
        footprint.flow.insert(copy.from.clone());
        footprint.writes.entry(copy.to.clone()).or_insert(header.line);
    }
    footprint.sources = super::sources::of(functions, header);
    footprint.shapes = super::shapes::of(functions, header);
    footprint
}

/// Words that ask for groups, and take the whole object.
pub(super) const MEMBERSHIP_WORDS: [&str; 2] = ["is_member_of", "is_in_group"];

impl Footprint {
    /// `count(x.member)`, `is_member_of(x, …)` and `is_in_group(x, …)`, which need edges; `has_flag(x.y, …)`, which needs a
    /// number; a literal that an attribute is compared with.
    fn call(&mut self, call: &FnCallExpr, parameter: &str) {
        match (call.name.as_str(), call.args.as_slice()) {
            (_, arguments) if vocabulary::works_on_bits(call) => {
                for (name, position) in arguments.iter().filter_map(|argument| plain_read(argument, parameter)) {
                    let place = (position.line().unwrap_or(1), position.position().unwrap_or(1));
                    self.numbers.entry(name.into()).or_insert(place);
                }
            }
            ("count", [argument, ..]) => {
                self.counts.extend(attribute_read(&argument.into(), parameter).map(|(name, _)| name.into()));
            }
            (name, _) if MEMBERSHIP_WORDS.contains(&name) => self.memberships = true,
            ("==" | "!=" | "<" | ">" | "<=" | ">=", [left, right]) => {
                for (read, other) in [(left, right), (right, left)] {
                    let read = plain_read(read, parameter);
                    self.literals.extend(read.and_then(|(name, _)| literal(name, other, false)));
                }
            }
            _ => {}
        }
    }

    /// What the map at the end of `flow` writes.
    fn flows(&mut self, map: &[(Ident, Expr)]) {
        for (key, value) in map {
            let line = u32::try_from(key.pos.line().unwrap_or(0)).unwrap_or(0);
            self.writes.insert(key.name.as_str().into(), line);
            self.literals.extend(literal(&key.name, value, true));
        }
    }
}

/// The keys of the final map whose value is made by `unique`, with the places of the calls.
pub(super) fn unique_names(flow: &Function) -> Vec<(AttributeName, Position)> {
    let mut names = Vec::new();
    flow.final_map(|map| {
        for (key, value) in map {
            value.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
                let call = path.last().and_then(call_of).filter(|(call, _)| call.name == "unique");
                names.extend(call.map(|(_, position)| (key.name.as_str().into(), position)));
                true
            });
        }
    });
    names
}

/// A literal beside an attribute, also in `once(…)` and `seed(…)`.
fn literal(attribute: &str, expr: &Expr, flowed: bool) -> Option<Literal> {
    let (kind, text) = match expr {
        Expr::StringConstant(text, _) => (Kind::Text, text.to_string()),
        Expr::IntegerConstant(number, _) => (Kind::Integer, number.to_string()),
        Expr::BoolConstant(flag, _) => (Kind::Boolean, flag.to_string()),
        Expr::FnCall(call, _) if ["once", "seed"].contains(&call.name.as_str()) => {
            return literal(attribute, call.args.first()?, flowed);
        }
        _ => return None,
    };
    let position = expr.position();
    let place = (position.line()?, position.position().unwrap_or(1));
    Some(Literal { attribute: attribute.into(), kind, text, flowed, place })
}
