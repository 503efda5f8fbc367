//! Slips of the pen: what compiles, says something, and hardly what was meant.

use std::sync::Arc;

use rhai::{AST, ASTFlags, ASTNode, Expr, Position, Stmt, StmtBlock};

use super::footprint::{Function, attribute_read, plain_read};
use super::header::at;
use super::lint::labels;
use crate::diagnostic::{Diagnostic, SourceText};
use crate::value::AttributeName;

/// What stands outside of every function and is not the header.
pub(super) fn outside(ast: &AST, source: &Arc<SourceText>) -> Vec<Diagnostic> {
    let is_header = |statement: &Stmt| match statement {
        Stmt::Var(var, flags, _) => var.0.name == "rule" && flags.contains(ASTFlags::CONSTANT),
        Stmt::Noop(_) => true,
        _ => false,
    };
    let outside = ast.statements().iter().filter(|statement| !is_header(statement));
    let told = outside.map(|statement| {
        let problem = Diagnostic::error("E132", "this stands outside of every function");
        let hint = match statement {
            Stmt::Var(..) => "functions do not see it; put it inside, or make it `private fn`",
            Stmt::Import(..) => "libraries are there without `import`: `names::full(…)` is in `lib/names.rhai`",
            _ => "a rule is its header and its functions",
        };
        at(problem, source, statement.position()).hint(hint)
    });
    told.collect()
}

/// Looks through one function.
pub(super) fn of(function: &Function, source: &Arc<SourceText>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    function.walk(&mut |path| {
        let found = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, position))) if call.is_operator_call() => {
                operator(function, &call.name, &call.args, *position)
            }
            Some(ASTNode::Stmt(Stmt::Switch(switch, position))) => letters(function, &switch.0, source, *position),
            Some(ASTNode::Stmt(Stmt::Return(None, _, position))) => empty_return(function, *position),
            _ => None,
        };
        problems.extend(found.map(|(problem, position, hint)| at(problem, source, position).hint(hint)));
    });
    let ends = [silent_helper(function), answer(function), gap(function)];
    problems
        .extend(ends.into_iter().flatten().map(|(problem, position, hint)| at(problem, source, position).hint(hint)));
    problems
}

/// A way through `scope` that answers nothing. An `if` without `else` at its very end is told as E117.
fn gap(function: &Function) -> Found {
    let ending = |last: &Stmt| match last {
        Stmt::If(flow, _) if flow.branch.is_empty() => None,
        other => gap_of_statement(other),
    };
    let (what, position) = function.last(ending).flatten().filter(|_| function.public && function.name == "scope")?;
    let problem = Diagnostic::error("E137", format!("where {what}, `scope` gives no answer"));
    Some((problem, position, "say what else: `else { false }`, or `_ => false` in a `switch`".to_owned()))
}

type Gap = Option<(&'static str, Position)>;

fn gap_of_statement(statement: &Stmt) -> Gap {
    match statement {
        Stmt::If(flow, position) if flow.branch.is_empty() => Some(("this `if` does not hold", *position)),
        Stmt::If(flow, _) => gap_of_block(&flow.body).or_else(|| gap_of_block(&flow.branch)),
        Stmt::Switch(switch, position) => match switch.1.def_case {
            // Of a comparison there are but two answers.
            None if !is_condition(&switch.0) => Some(("no arm of this `switch` fits", *position)),
            _ => switch.1.expressions.iter().find_map(|arm| gap_of(&arm.rhs)),
        },
        Stmt::Block(block) => gap_of_block(block),
        Stmt::Expr(expr) | Stmt::Return(Some(expr), ..) => gap_of(expr),
        _ => None,
    }
}

fn gap_of_block(block: &StmtBlock) -> Gap {
    block.statements().last().and_then(gap_of_statement)
}

fn gap_of(expr: &Expr) -> Gap {
    match expr {
        Expr::Stmt(block) => gap_of_block(block),
        Expr::And(parts, _) | Expr::Or(parts, _) => parts.iter().find_map(gap_of),
        _ => None,
    }
}

type Found = Option<(Diagnostic, Position, String)>;

fn operator(function: &Function, name: &str, args: &[Expr], position: Position) -> Found {
    let [left, right] = args else { return None };
    match name {
        "==" | "!=" | "<" | ">" | "<=" | ">=" if is_same(function, left, right) => {
            let problem = Diagnostic::warning("W126", "both sides are the same");
            Some((problem, position, "one of them was meant to be something else".to_owned()))
        }
        "&" | "|" if args.iter().any(is_condition) => {
            let problem = Diagnostic::warning("W127", format!("`{name}` works on the bits of numbers"));
            Some((problem, position, format!("between conditions, write `{name}{name}`")))
        }
        _ => None,
    }
}

fn is_condition(expr: &Expr) -> bool {
    let compares = |name: &str| matches!(name, "==" | "!=" | "<" | ">" | "<=" | ">=" | "!");
    match expr {
        Expr::FnCall(call, _) => call.is_operator_call() && compares(&call.name),
        Expr::And(..) | Expr::Or(..) | Expr::BoolConstant(..) => true,
        _ => false,
    }
}

fn is_same(function: &Function, left: &Expr, right: &Expr) -> bool {
    let read = |expr: &Expr| plain_read(expr, function.parameter()?).map(|(name, _)| AttributeName::from(name));
    match (left, right) {
        (Expr::StringConstant(left, _), Expr::StringConstant(right, _)) => left == right,
        (Expr::IntegerConstant(left, _), Expr::IntegerConstant(right, _)) => left == right,
        (Expr::Variable(left, ..), Expr::Variable(right, ..)) => left.1 == right.1,
        _ => read(left).is_some_and(|name| read(right) == Some(name)),
    }
}

/// `switch user.co { "Germany" => … }` compares to the letter, unlike everything else.
fn letters(function: &Function, value: &Expr, source: &Arc<SourceText>, position: Position) -> Found {
    let parameter = function.parameter().filter(|_| function.public)?;
    let (name, _) = attribute_read(&ASTNode::Expr(value), parameter)?;
    plain_read(value, parameter)?;
    labels(source, position).iter().find(|(_, label)| label.contains(char::is_alphabetic))?;
    let problem = Diagnostic::warning("W125", format!("`switch` compares `{name}` to the letter"));
    Some((problem, position, format!("`switch lower({parameter}.{name}) {{ … }}`, with labels in small letters")))
}

/// `return;` answers nothing.
fn empty_return(function: &Function, position: Position) -> Found {
    let answer = match function.name.as_str() {
        "scope" if function.public => "`return false;`",
        "join" if function.public => "`return [];`",
        "flow" if function.public => "`return #{};`",
        _ => return None,
    };
    let problem = Diagnostic::error("E117", format!("`{}` returns without an answer", function.name));
    Some((problem, position, answer.to_owned()))
}

/// A helper whose last line is no value gives `()`, and so does every attribute that is made with it.
fn silent_helper(function: &Function) -> Found {
    if function.public {
        return None;
    }
    let silent = |last: &Stmt| matches!(last, Stmt::Var(..) | Stmt::Assignment(..)).then(|| last.position());
    let position = function.last(silent)??;
    let problem = Diagnostic::warning("W128", format!("`{}` ends without an answer", function.name));
    Some((problem, position, "its last line is what it gives, without `;`".to_owned()))
}

/// The last line of `scope` and `join`, where it can be seen what it is.
fn answer(function: &Function) -> Found {
    let wanted = match function.name.as_str() {
        "scope" if function.public => "true or false",
        "join" if function.public => "a list of maps: `[#{ mail: user.mail }]`",
        _ => return None,
    };
    let told = |last: &Stmt| match last {
        Stmt::Expr(expr) => Some((what(expr)?, expr.position())),
        _ => None,
    };
    let (what, position) = function.last(told)??;
    if function.name == "join" && what == "a list" || function.name == "scope" && what == "true or false" {
        return None;
    }
    let problem = Diagnostic::error("E117", format!("`{}` ends in {what}", function.name));
    Some((problem, position, format!("it answers {wanted}")))
}

fn what(expr: &Expr) -> Option<&'static str> {
    Some(match expr {
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => "a text",
        Expr::IntegerConstant(..) => "a number",
        Expr::BoolConstant(..) => "true or false",
        Expr::Map(..) => "a map",
        Expr::Array(items, _) if items.is_empty() => "an empty list",
        Expr::Array(..) => "a list",
        Expr::Unit(_) => "nothing",
        _ => return None,
    })
}
