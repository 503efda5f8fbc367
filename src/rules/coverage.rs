//! Which lines and branches of rules were evaluated: an interpreter that is watched, and what there is to be evaluated.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use rhai::debugger::DebuggerCommand;
use rhai::{AST, ASTNode, Engine, Expr, Position, Stmt};
use serde::Serialize;

use super::footprint::{self, Function};

/// How often each place was evaluated. Copies count together, each engine for itself: they do not wait for each other.
#[derive(Clone, Debug, Default)]
pub struct Coverage(Arc<Mutex<Vec<Arc<Mutex<Counts>>>>>);

/// How often each place of each file was evaluated by one engine.
type Counts = HashMap<String, HashMap<Place, u64>>;

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

/// A way that a decision never went, though there was something to decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Untaken {
    /// Its 1-based line.
    pub line: u16,
    /// Its 1-based column.
    pub column: u16,
    /// Which way.
    pub way: Way,
    /// The line of what decides.
    pub decided: u16,
    /// How often that was asked.
    pub asked: u64,
}

/// Where a decision can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Into an `if`.
    Then,
    /// Into its `else`, or past it.
    Else,
    /// To a label of a `switch`.
    Case,
    /// To the right side of `&&`.
    And,
    /// To the right side of `||`.
    Or,
}

/// One way that a decision can go.
struct Branch {
    place: Place,
    what: String,
    taken: Taken,
    /// What decides, and which way this is; nothing where it is no fault that nobody ever goes there: a `??` that is not
    /// needed, a default, an `error(…)`.
    way: Option<Goes>,
}

/// A way that somebody must go.
struct Goes {
    decision: Place,
    way: Way,
    /// Where people would point: an operator stands behind what it is given.
    from: Position,
}

/// How to know that a branch was taken.
enum Taken {
    /// Its place was evaluated.
    Seen(Place),
    /// The first was evaluated more often than the second.
    Stopped(Place, Place),
}

impl Taken {
    fn by(&self, count: &impl Fn(&Place) -> u64) -> bool {
        match self {
            Taken::Seen(place) => count(place) > 0,
            Taken::Stopped(whole, part) => count(whole) > count(part),
        }
    }
}

impl Coverage {
    /// Lets an engine count what it evaluates.
    pub(super) fn watch(&self, engine: &mut Engine) {
        let counts = Arc::<Mutex<Counts>>::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counts));
        #[expect(deprecated, reason = "rhai marks it volatile, not deprecated; the version is pinned")]
        engine.register_debugger(
            |_, debugger| debugger,
            move |_, _, node, source, _| {
                if let (Some(source), Some(place)) = (source, place(&node)) {
                    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                    match counts.get_mut(source) {
                        Some(places) => *places.entry(place).or_default() += 1,
                        None => {
                            counts.insert(source.to_owned(), HashMap::from([(place, 1)]));
                        }
                    }
                }
                Ok(DebuggerCommand::StepInto)
            },
        );
    }

    /// How often each place of a file was evaluated, by all engines together.
    fn counts(&self, source: &str) -> HashMap<Place, u64> {
        let mut sum = HashMap::new();
        for engine in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let counts = engine.lock().unwrap_or_else(PoisonError::into_inner);
            for (place, count) in counts.get(source).into_iter().flatten() {
                *sum.entry(*place).or_default() += count;
            }
        }
        sum
    }

    /// The ways that no decision of a file ever went, though there was something to decide. What stands inside of such a
    /// way is not told again.
    pub(super) fn untaken(&self, source: &str, ast: &AST) -> BTreeSet<Untaken> {
        let counts = self.counts(source);
        let count = |place: &Place| counts.get(place).copied().unwrap_or(0);
        let mut branches = Vec::new();
        footprint::functions(ast).iter().for_each(|function| decisions(function, &mut branches));
        let untaken = branches.iter().filter(|branch| !branch.taken.by(&count)).filter_map(|branch| {
            let Goes { decision, way, from } = branch.way.as_ref()?;
            let asked = count(decision);
            let (line, column, _) = at(*from, "")?;
            (asked > 0).then_some(Untaken { line, column, way: *way, decided: decision.0, asked })
        });
        untaken.collect()
    }

    /// What was evaluated of a file, and what was not.
    pub(super) fn of(&self, source: &str, ast: &AST) -> Covered {
        let counts = self.counts(source);
        let count = |place: &Place| counts.get(place).copied().unwrap_or(0);
        let functions = footprint::functions(ast);
        let mut evaluated = BTreeMap::new();
        let mut branches = Vec::new();
        for function in &functions {
            lines(function, &mut |place| *evaluated.entry(place.0).or_insert(0) += count(&place));
            decisions(function, &mut branches);
        }
        let missed = branches.iter().filter(|branch| !branch.taken.by(&count));
        Covered {
            lines: evaluated.len(),
            missed_lines: evaluated.iter().filter(|(_, count)| **count == 0).map(|(line, _)| *line).collect(),
            branches: branches.len(),
            missed_branches: missed
                .map(|branch| (branch.place.0, format!("{}, at column {}", branch.what, branch.place.1)))
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
        // A block is not told itself: what stands first in it is.
        Expr::Stmt(block) => return block.statements().first().and_then(of_statement),
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
            let goes = |way| Goes { decision: condition, way, from: begin(&flow.expr) };
            if let Some(then) = then {
                let way = (!is_guard(&flow.body)).then(|| goes(Way::Then));
                branches.push(branch(condition, "`if` never holds", Taken::Seen(then), way));
                let matters = if other.is_some() { !is_guard(&flow.branch) } else { returns(&flow.body) };
                let way = matters.then(|| goes(Way::Else));
                let stopped = other.map_or(Taken::Stopped(condition, then), Taken::Seen);
                branches.push(branch(condition, "`if` always holds", stopped, way));
            }
        }
        Some(ASTNode::Stmt(Stmt::Switch(switch, _))) => {
            let decision = of_expr(&switch.0);
            for (number, case) in switch.1.expressions.iter().enumerate() {
                let Some(place) = of_expr(&case.rhs) else { continue };
                let quiet = switch.1.def_case == Some(number) || is_error(&case.rhs);
                let goes = |decision| Goes { decision, way: Way::Case, from: case.rhs.start_position() };
                let way = decision.filter(|_| !quiet).map(goes);
                branches.push(branch(place, "`switch` never comes here", Taken::Seen(place), way));
            }
        }
        Some(ASTNode::Expr(Expr::And(parts, _))) => chain(branches, parts, "&&", Some(Way::And)),
        Some(ASTNode::Expr(Expr::Or(parts, _))) => chain(branches, parts, "||", Some(Way::Or)),
        Some(ASTNode::Expr(Expr::Coalesce(parts, _))) => chain(branches, parts, "??", None),
        _ => {}
    });
}

/// Parts of which each is evaluated only if the one before it does not decide.
fn chain(branches: &mut Vec<Branch>, parts: &[Expr], operator: &str, way: Option<Way>) {
    let places: Vec<Option<Place>> = parts.iter().map(of_expr).collect();
    for (pair, behind) in places.windows(2).zip(parts.iter().skip(1)) {
        if let [Some(left), Some(right)] = pair {
            let way = way.map(|way| Goes { decision: *left, way, from: begin(behind) });
            branches.push(branch(*right, &format!("`{operator}` never comes here"), Taken::Seen(*right), way));
            let stopped = Taken::Stopped(*left, *right);
            branches.push(branch(*left, &format!("`{operator}` never ends here"), stopped, None));
        }
    }
}

fn branch(place: Place, what: &str, taken: Taken, way: Option<Goes>) -> Branch {
    Branch { place, what: what.to_owned(), taken, way }
}

/// Where an expression begins.
fn begin(expr: &Expr) -> Position {
    match expr {
        Expr::FnCall(call, _) if call.is_operator_call() => call.args.first().map_or_else(|| expr.position(), begin),
        other => other.start_position(),
    }
}

/// Whether a block does nothing but say that something cannot be.
fn is_guard(block: &rhai::StmtBlock) -> bool {
    matches!(block.statements(), [Stmt::Expr(expr)] if is_error(expr))
        || matches!(block.statements(), [Stmt::FnCall(call, _)] if call.name == "error")
}

fn is_error(expr: &Expr) -> bool {
    match expr {
        Expr::FnCall(call, _) => call.name == "error",
        Expr::Stmt(block) => is_guard(block),
        _ => false,
    }
}

/// Whether nothing comes after a block.
fn returns(block: &rhai::StmtBlock) -> bool {
    matches!(block.statements().last(), Some(Stmt::Return(..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceText;
    use crate::rules::{Host, Input, RuleSet, Settings};
    use crate::value::{Attributes, Value};

    /// What is missed, and which ways nobody goes, when a rule is asked about people of these departments by two hosts.
    fn check(flow: &str, departments: [&str; 2], missed: &[&str], untaken: &[(u16, Way)]) {
        let header = "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 1 };";
        let file =
            SourceText { path: "rules/in.rhai".into(), text: format!("{header}\nfn flow(user) {{\n{flow}\n}}\n") };
        let set = RuleSet::compile(vec![file], Settings::default()).unwrap().0;
        let (coverage, rule) = (Coverage::default(), &set.rules()[0]);
        for department in departments {
            let mut host = Host::new(&set);
            host.record(&set, &coverage);
            let attributes = Attributes::from([("department".into(), vec![Value::Text(department.into())])]);
            host.flow(rule, &Arc::new(Input { attributes, ..Input::default() })).unwrap();
        }
        let branches = set.covered(&coverage).remove("in").unwrap().missed_branches;
        assert_eq!(branches.into_iter().map(|(_, what)| what).collect::<Vec<_>>(), missed, "{flow}");
        let ways: Vec<(u16, Way)> = set.untaken(&coverage, rule).iter().map(|way| (way.line, way.way)).collect();
        assert_eq!(ways, untaken, "{flow}");
    }

    #[test]
    fn labels_of_constants_are_counted() {
        let flow = "#{ a: switch user.department { \"IT\" => 1,\n \"HR\" => 2, _ => 3 } }";
        check(flow, ["IT", "HR"], &["`switch` never comes here, at column 18"], &[]);
        check(flow, ["IT", "Sales"], &["`switch` never comes here, at column 10"], &[(4, Way::Case)]);
    }

    #[test]
    fn what_is_there_to_be_missing_is_no_way_that_somebody_must_go() {
        let flow = "#{ a: user.department ?? \"none\" }";
        check(flow, ["IT", "HR"], &["`??` never comes here, at column 26"], &[]);
        let flow = "#{ a: if user.department == \"X\" { error(\"no\") } else { 1 } }";
        check(flow, ["IT", "HR"], &["`if` never holds, at column 26"], &[]);
    }

    #[test]
    fn what_stands_inside_of_a_way_that_nobody_goes_is_not_told_again() {
        let flow = "#{ a: if user.department == \"X\" {\n if user.l == () { 1 } else { 2 } } else { 3 } }";
        let missed =
            ["`if` never holds, at column 26", "`if` always holds, at column 12", "`if` never holds, at column 12"];
        check(flow, ["IT", "HR"], &missed, &[(3, Way::Then)]);
    }
}
