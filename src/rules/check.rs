//! What the dialect forbids, found without running anything. The other files that read the syntax tree are `header.rs` and
//! `footprint.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{ASTNode, Expr, Stmt};

use super::footprint::{Function, MEMBERSHIP_WORDS, attribute_read, is_variable};
use super::header::at;
use super::vocabulary::{self, entra};
use super::words::WORDS;
use crate::diagnostic::{Diagnostic, SourceText, did_you_mean};
use crate::value::AttributeName;

/// The module with the names of Entra Connect.
pub(super) const ENTRA: &str = "entra";

/// Checks the functions of one file against the dialect.
pub(super) fn dialect(
    functions: &[Function],
    source: &Arc<SourceText>,
    libraries: &BTreeSet<String>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let own: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    let mut arities: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for function in functions {
        arities.entry(&function.name).or_default().insert(function.parameters.len());
    }
    for function in functions {
        shape(function, source, &mut problems);
        let mut check = Check { function, source, own: &own, arities: &arities, libraries, problems: &mut problems };
        check.body();
    }
    problems
}

/// Where a function is declared.
pub(super) fn declaration(source: &SourceText, name: &str) -> std::ops::Range<usize> {
    let needle = format!("fn {name}");
    source.text.find(&needle).map_or(0..0, |at| at + 3..at + needle.len())
}

/// A function is called with so many values, and takes another number of them.
pub(super) fn miscounted(name: &str, given: usize) -> Diagnostic {
    let plural = if given == 1 { "" } else { "s" };
    Diagnostic::error("E126", format!("`{name}` is called with {given} value{plural}"))
}

fn shape(function: &Function, source: &Arc<SourceText>, problems: &mut Vec<Diagnostic>) {
    let place = declaration(source, &function.name);
    if !function.public {
        return;
    }
    if !["scope", "join", "flow"].contains(&function.name.as_str()) {
        let problem = Diagnostic::error("E110", format!("`{}` is not a function of a rule", function.name));
        problems
            .push(problem.at(source, place).hint("a rule has `scope`, `join` and `flow`; make helpers `private fn`"));
        return;
    }
    if function.parameters.len() != 1 {
        let problem = Diagnostic::error("E112", format!("`{}` takes one parameter, the object", function.name));
        problems.push(problem.at(source, place.clone()));
    }
    if function.name != "flow" {
        return;
    }
    let ends = function.final_map(|map| {
        let mut seen = BTreeSet::new();
        for (key, _) in map {
            if !seen.insert(AttributeName::from(key.name.as_str())) {
                let problem = Diagnostic::error("E115", format!("`{}` is flowed twice by this rule", key.name));
                problems.push(at(problem, source, key.pos));
            }
        }
    });
    if ends.is_none() {
        let problem = Diagnostic::error("E111", "`flow` must end in one map literal");
        let hint = "what a rule writes must be known without running it; end with `#{ attribute: value, … }`";
        problems.push(problem.at(source, place).hint(hint));
    }
}

struct Check<'a> {
    function: &'a Function,
    source: &'a Arc<SourceText>,
    own: &'a BTreeSet<&'a str>,
    arities: &'a BTreeMap<&'a str, BTreeSet<usize>>,
    libraries: &'a BTreeSet<String>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn body(&mut self) {
        let variables = self.variables();
        let function = self.function;
        function.walk(&mut |path| {
            let Some(node) = path.last() else { return };
            match node {
                ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))
                | ASTNode::Stmt(Stmt::FnCall(call, position)) => {
                    self.call(call, *position);
                }
                ASTNode::Expr(Expr::Variable(variable, _, position)) if !variable.2.is_empty() => {
                    self.constant(variable.2.root(), &variable.1, *position);
                }
                ASTNode::Expr(expr @ Expr::Variable(variable, _, position)) => {
                    self.variable(path, expr, &variable.1, *position, &variables);
                }
                ASTNode::Expr(Expr::Index(chain, ..)) => self.index(chain),
                _ => {}
            }
        });
    }

    /// Everything that `let`, `const`, `for` and closures define, and the parameters.
    fn variables(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.function.parameters.iter().cloned().collect();
        names.extend(["source", "target"].map(str::to_owned));
        self.function.walk(&mut |path| match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(var, ..))) => {
                names.insert(var.0.name.to_string());
            }
            Some(ASTNode::Stmt(Stmt::For(looped, _))) => {
                names.insert(looped.0.name.to_string());
                names.extend(looped.1.iter().map(|ident| ident.name.to_string()));
            }
            _ => {}
        });
        names
    }

    fn call(&mut self, call: &rhai::FnCallExpr, position: rhai::Position) {
        let name = call.name.as_str();
        // `curry` is what a closure does with variables of the function around it.
        if call.is_operator_call() || name.starts_with("anon$") || name == "curry" {
            return;
        }
        if !call.namespace.is_empty() {
            let library = call.namespace.root().to_owned();
            if library == ENTRA {
                self.entra_call(call, position);
            } else if !self.libraries.contains(&library) {
                let problem = Diagnostic::error("E122", format!("there is no library `{library}`"));
                self.problems.push(
                    at(problem, self.source, position).hint(format!("make `lib/{library}.rhai` in the rules folder")),
                );
            }
            return;
        }
        if name == "imported" && !self.is_plain_read(call.args.first()) {
            let problem = Diagnostic::error("E116", "`imported` takes an attribute of the object");
            self.problems.push(at(problem, self.source, position).hint("write `imported(user.mail)`"));
        }
        let words = || WORDS.iter().map(|word| word.name);
        self.own_arity(call, position);
        let known = vocabulary::find(name).is_some() || self.own.contains(name) || words().any(|word| word == name);
        if !known {
            let names = words().chain(self.own.iter().copied()).chain(vocabulary::all().map(|function| function.name));
            let hint = did_you_mean(name, names);
            self.say(Diagnostic::error("E120", format!("there is no function `{name}`")), position, hint);
        }
    }

    /// A constant of a module: only `entra` has some.
    fn constant(&mut self, module: &str, name: &str, position: rhai::Position) {
        if module != ENTRA || !entra::CONSTANTS.contains(&name) {
            let hint = did_you_mean(name, entra::CONSTANTS).filter(|_| module == ENTRA);
            let problem = Diagnostic::error("E121", format!("there is no constant `{module}::{name}`"));
            self.say(problem, position, hint);
        }
    }

    /// A function of Entra Connect: it is there, and takes so many values.
    fn entra_call(&mut self, call: &rhai::FnCallExpr, position: rhai::Position) {
        let Some(function) = entra::find(&call.name) else {
            let instead = entra::INSTEAD.iter().find(|(name, ..)| *name == call.name);
            let hint = instead.map(|(_, spelling, _)| format!("write `{spelling}`"));
            let names = entra::all().map(|function| function.name);
            let hint = hint.or_else(|| did_you_mean(&call.name, names));
            let problem = Diagnostic::error("E120", format!("there is no function `{ENTRA}::{}`", call.name));
            return self.say(problem, position, hint);
        };
        let given = call.args.len();
        if given < function.arity.0 || given > function.arity.1 {
            let problem = miscounted(&format!("{ENTRA}::{}", call.name), given);
            self.say(problem, position, Some(format!("`{ENTRA}::{}`", function.signature)));
        }
    }

    /// A helper of the file is called with as many values as it has parameters.
    fn own_arity(&mut self, call: &rhai::FnCallExpr, position: rhai::Position) {
        let Some(counts) = self.arities.get(call.name.as_str()) else { return };
        if !counts.contains(&call.args.len()) && vocabulary::find(&call.name).is_none() {
            let takes: Vec<String> = counts.iter().map(ToString::to_string).collect();
            let problem = miscounted(&call.name, call.args.len());
            self.say(problem, position, Some(format!("the helper takes {}", takes.join(" or "))));
        }
    }

    fn say(&mut self, problem: Diagnostic, position: rhai::Position, hint: Option<String>) {
        let problem = at(problem, self.source, position);
        self.problems.push(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }

    fn is_plain_read(&self, argument: Option<&Expr>) -> bool {
        let parameter = self.function.parameter().unwrap_or_default();
        argument.is_some_and(|argument| attribute_read(&ASTNode::Expr(argument), parameter).is_some())
    }

    fn variable(
        &mut self,
        path: &[ASTNode<'_>],
        expr: &Expr,
        name: &str,
        position: rhai::Position,
        variables: &BTreeSet<String>,
    ) {
        if !variables.contains(name) {
            let hint = did_you_mean(name, variables.iter().map(String::as_str));
            self.say(Diagnostic::error("E121", format!("there is no variable `{name}`")), position, hint);
            return;
        }
        let is_object = self.function.public && self.function.parameter() == Some(name);
        if is_object && !used_as_object(path, expr, name) {
            let problem = Diagnostic::error("E113", format!("the object `{name}` is handed on as a whole"));
            let hint = "what a rule reads must be known without running it; hand on values: `f(user.title)`";
            self.problems.push(at(problem, self.source, position).hint(hint));
        }
    }

    fn index(&mut self, chain: &rhai::BinaryExpr) {
        let Some(parameter) = self.function.parameter().filter(|_| self.function.public) else { return };
        if !is_variable(&chain.lhs, parameter) {
            return;
        }
        let literal = match &chain.rhs {
            Expr::StringConstant(..) => true,
            Expr::Dot(inner, ..) | Expr::Index(inner, ..) => matches!(inner.lhs, Expr::StringConstant(..)),
            _ => false,
        };
        if !literal {
            let problem = Diagnostic::error("E114", "the name of an attribute must be a literal");
            self.problems.push(at(problem, self.source, chain.lhs.position()).hint("write `user[\"msDS-Name\"]`"));
        }
    }
}

/// Whether the object stands before a dot or bracket, or is the argument of `is_member_of` or `is_in_group`.
fn used_as_object(path: &[ASTNode<'_>], expr: &Expr, name: &str) -> bool {
    let Some(parent) = path.len().checked_sub(2).and_then(|at| path.get(at)) else { return false };
    match parent {
        ASTNode::Expr(Expr::Dot(chain, ..) | Expr::Index(chain, ..)) => {
            is_variable(&chain.lhs, name) && chain.lhs.position() == expr.position()
        }
        ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)) => {
            MEMBERSHIP_WORDS.contains(&call.name.as_str())
        }
        _ => false,
    }
}
