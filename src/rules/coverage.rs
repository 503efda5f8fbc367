//! Which lines and branches of rules were evaluated: an interpreter that is watched, and what there is to be evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use rhai::debugger::DebuggerCommand;
use rhai::{AST, ASTNode, Engine, Expr, Position, Stmt};
use serde::Serialize;

use super::footprint::{self, Function};

/// How often each place was evaluated. Copies count together.
#[derive(Clone, Debug, Default)]
pub struct Coverage(Arc<Mutex<BTreeMap<(String, Place), u64>>>);

/// A node of a file: line and column, and what it is, for a chain begins where its first part does.
type Place = (u16, u16, &'static str);

/// What was evaluated of one file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Covered {
    /// Lines of functions that hold something to evaluate.
    pub lines: usize,
    /// Those of them that never were.
    pub missed_lines: Vec<u16>,
    /// Ways that a decision can go.
    pub branches: usize,
    /// Those that none ever went: the line, and which way.
    pub missed_branches: Vec<(u16, String)>,
}

/// One way that a decision can go.
struct Branch {
    line: u16,
    what: String,
    taken: Taken,
}

/// How to know that a branch was taken.
enum Taken {
    /// Its place was evaluated.
    Seen(Place),
    /// The first was evaluated more often than the second.
    Stopped(Place, Place),
}

impl Coverage {
    /// Lets an engine count what it evaluates.
    pub(super) fn watch(&self, engine: &mut Engine) {
        let counts = Arc::clone(&self.0);
        #[expect(deprecated, reason = "rhai marks it volatile, not deprecated; the version is pinned")]
        engine.register_debugger(
            |_, debugger| debugger,
            move |_, _, node, source, _| {
                if let (Some(source), Some(place)) = (source, place(&node)) {
                    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                    *counts.entry((source.to_owned(), place)).or_default() += 1;
                }
                Ok(DebuggerCommand::StepInto)
            },
        );
    }

    /// What was evaluated of a file, and what was not.
    pub(super) fn of(&self, source: &str, ast: &AST) -> Covered {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |place: &Place| counts.get(&(source.to_owned(), *place)).copied().unwrap_or(0);
        let functions = footprint::functions(ast);
        let mut evaluated = BTreeMap::new();
        let mut branches = Vec::new();
        for function in &functions {
            lines(function, &mut |place| *evaluated.entry(place.0).or_insert(0) += count(&place));
            decisions(function, &mut branches);
        }
        let taken = |branch: &Branch| match &branch.taken {
            Taken::Seen(place) => count(place) > 0,
            Taken::Stopped(whole, part) => count(whole) > count(part),
        };
        let missed = branches.iter().filter(|branch| !taken(branch));
        Covered {
            lines: evaluated.len(),
            missed_lines: evaluated.iter().filter(|(_, count)| **count == 0).map(|(line, _)| *line).collect(),
            branches: branches.len(),
            missed_branches: missed
                .map(|branch| (branch.line, branch.what.clone()))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        }
    }
}

fn at(position: Position, what: &'static str) -> Option<Place> {
    Some((u16::try_from(position.line()?).ok()?, u16::try_from(position.position().unwrap_or(0)).ok()?, what))
}

/// Where a node is that is evaluated; a statement that is an expression is told as the expression.
fn place(node: &ASTNode<'_>) -> Option<Place> {
    match node {
        ASTNode::Expr(expr) => of_expr(expr),
        ASTNode::Stmt(Stmt::Expr(_)) => None,
        ASTNode::Stmt(statement) => of_statement(statement),
        _ => None,
    }
}

fn of_statement(statement: &Stmt) -> Option<Place> {
    match statement {
        Stmt::Expr(expr) => of_expr(expr),
        other => at(other.position(), "statement"),
    }
}

fn of_expr(expr: &Expr) -> Option<Place> {
    let what = match expr {
        Expr::Dot(..) | Expr::Index(..) => "chain",
        Expr::FnCall(..) | Expr::MethodCall(..) => "call",
        Expr::And(..) | Expr::Or(..) | Expr::Coalesce(..) => "choice",
        Expr::Variable(..) => "variable",
        Expr::Stmt(..) => "block",
        _ => "value",
    };
    at(expr.start_position(), what)
}

/// Every place of a function that is evaluated by itself.
fn lines(function: &Function, visit: &mut impl FnMut(Place)) {
    function.walk(&mut |path| {
        if let Some(ASTNode::Stmt(statement)) = path.last() {
            of_statement(statement).into_iter().for_each(&mut *visit);
        }
        if let Some(ASTNode::Expr(Expr::Map(map, _))) = path.last() {
            map.0.iter().filter_map(|(_, value)| of_expr(value)).for_each(&mut *visit);
        }
    });
}

/// Every way that the decisions of a function can go.
fn decisions(function: &Function, branches: &mut Vec<Branch>) {
    function.walk(&mut |path| match path.last() {
        Some(ASTNode::Stmt(Stmt::If(flow, _))) => {
            let first = |block: &rhai::StmtBlock| block.statements().first().and_then(of_statement);
            let (condition, then, other) = (of_expr(&flow.expr), first(&flow.body), first(&flow.branch));
            let Some(condition) = condition else { return };
            if let Some(then) = then {
                push(branches, condition, "`if` never holds", Taken::Seen(then));
                let stopped = other.map_or(Taken::Stopped(condition, then), Taken::Seen);
                push(branches, condition, "`if` always holds", stopped);
            }
        }
        Some(ASTNode::Stmt(Stmt::Switch(switch, _))) => {
            for case in &switch.1.expressions {
                if let Some(place) = of_expr(&case.rhs) {
                    push(branches, place, "`switch` never comes here", Taken::Seen(place));
                }
            }
        }
        Some(ASTNode::Expr(Expr::And(parts, _))) => chain(branches, parts, "&&"),
        Some(ASTNode::Expr(Expr::Or(parts, _))) => chain(branches, parts, "||"),
        Some(ASTNode::Expr(Expr::Coalesce(parts, _))) => chain(branches, parts, "??"),
        _ => {}
    });
}

/// Parts of which each is evaluated only if the one before it does not decide.
fn chain(branches: &mut Vec<Branch>, parts: &[Expr], operator: &str) {
    let places: Vec<Option<Place>> = parts.iter().map(of_expr).collect();
    for pair in places.windows(2) {
        if let [Some(left), Some(right)] = pair {
            push(branches, *right, &format!("`{operator}` never comes here"), Taken::Seen(*right));
            push(branches, *left, &format!("`{operator}` never ends here"), Taken::Stopped(*left, *right));
        }
    }
}

fn push(branches: &mut Vec<Branch>, place: Place, what: &str, taken: Taken) {
    branches.push(Branch { line: place.0, what: format!("{what}, at column {}", place.1), taken });
}
