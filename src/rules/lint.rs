//! What compiles and is a mistake all the same, function by function. Like `check.rs`, it runs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use rhai::{ASTFlags, ASTNode, Engine, Expr, ImmutableString, Position, Stmt};

use super::footprint::{Function, attribute_read, call_of, is_variable, unique_names};
use super::header::{Direction, Header, at};
use super::{RuleSet, vocabulary};
use crate::diagnostic::{Diagnostic, SourceText, did_you_mean, word_at};

/// What inbound rules know about the connector, and outbound rules about the target.
const SOURCE: [&str; 4] = ["connector", "domain_fqdn", "domain_netbios", "dn"];
const TARGET: [&str; 5] = ["connector", "name", "initial_domain", "verified_domains", "base_dn"];

/// Words for flows to a target.
const OUTBOUND_WORDS: [&str; 4] = ["keep", "once", "password", "seed"];

/// Everything that looks wrong in the functions of a rule.
pub(super) fn functions(
    functions: &[Function],
    header: &Header,
    set: &RuleSet,
    source: &Arc<SourceText>,
) -> Vec<Diagnostic> {
    let inbound = matches!(header.direction, Direction::Inbound { .. });
    let mut problems = Vec::new();
    for function in functions {
        let mut lint = Lint { function, inbound, set, source, problems: &mut problems };
        lint.ending();
        lint.nodes();
    }
    problems
}

struct Lint<'a> {
    function: &'a Function,
    inbound: bool,
    set: &'a RuleSet,
    source: &'a Arc<SourceText>,
    problems: &'a mut Vec<Diagnostic>,
}

/// What can be judged at the end of a function only.
#[derive(Default)]
struct Seen {
    defined: Vec<(ImmutableString, Position)>,
    used: BTreeSet<ImmutableString>,
    /// Calls of `unique`.
    unique: Vec<Position>,
}

impl Seen {
    fn see(&mut self, node: &ASTNode<'_>) {
        match node {
            ASTNode::Stmt(Stmt::Var(var, flags, _)) if !flags.contains(ASTFlags::EXPORTED) => {
                self.defined.push((var.0.name.clone(), var.0.pos));
            }
            ASTNode::Expr(Expr::Variable(variable, ..)) => {
                self.used.insert(variable.1.clone());
            }
            ASTNode::Stmt(Stmt::Share(shared)) => {
                self.used.extend(shared.iter().map(|(ident, _)| ident.name.clone()));
            }
            _ => {}
        }
        let unique = call_of(node).filter(|(call, _)| call.name == "unique");
        self.unique.extend(unique.map(|(_, position)| position));
    }
}

impl Lint<'_> {
    fn say(&mut self, problem: Diagnostic, position: Position, hint: String) {
        self.problems.push(at(problem, self.source, position).hint(hint));
    }

    /// `scope` and `join` must end in what they answer.
    fn ending(&mut self) {
        if !self.function.public || !["scope", "join"].contains(&self.function.name.as_str()) {
            return;
        }
        let last = self.function.last(|last| (is_answer(last), last.position()));
        if last.is_some_and(|(answers, _)| answers) {
            return;
        }
        let name = self.function.name.as_str();
        let problem = Diagnostic::error("E117", format!("`{name}` ends without an answer"));
        let hint = if name == "scope" {
            "its last line is true or false: `user.mail != ()`"
        } else {
            "its last line is a list of maps: `[#{ mail: user.mail }]`"
        };
        let problem = match last.filter(|(_, position)| !position.is_none()) {
            Some((_, position)) => at(problem, self.source, position),
            None => problem.at(self.source, super::check::declaration(self.source, name)),
        };
        self.problems.push(problem.hint(hint));
    }

    fn nodes(&mut self) {
        let function = self.function;
        let mut seen = Seen::default();
        function.walk(&mut |path| {
            let Some(node) = path.last() else { return };
            seen.see(node);
            if let Some((call, position)) = call_of(node) {
                self.call(call, 0, position);
                self.password(path, call, position);
            }
            match node {
                ASTNode::Expr(Expr::MethodCall(call, position)) => self.call(call, 1, *position),
                ASTNode::Expr(Expr::InterpolatedString(parts, _)) => self.interpolation(parts),
                ASTNode::Expr(Expr::Dot(chain, ..)) => self.context(chain),
                ASTNode::Stmt(Stmt::Assignment(assignment)) => self.assignment(assignment),
                ASTNode::Stmt(Stmt::If(flow, _)) => self.condition(&flow.expr),
                ASTNode::Stmt(Stmt::Switch(switch, position)) => self.labels(&switch.0, *position),
                _ => {}
            }
        });
        self.unused_variables(&seen);
        self.unique(&seen.unique);
    }

    fn call(&mut self, call: &rhai::FnCallExpr, receiver: usize, position: Position) {
        let name = call.name.as_str();
        if vocabulary::works_on_bits(call) {
            self.bits(call);
        }
        if call.is_operator_call() || !call.namespace.is_empty() {
            return;
        }
        if self.inbound && OUTBOUND_WORDS.contains(&name) {
            let problem = Diagnostic::error("E118", format!("`{name}` is for rules to a target"));
            let hint = "inbound, `()` contributes nothing and `absent()` says that there is no value";
            self.say(problem, position, hint.to_owned());
        }
        if name == "setting"
            && let Some(Expr::StringConstant(key, place)) = call.args.first()
            && !self.set.settings.values.contains_key(key.as_str())
        {
            let problem = Diagnostic::error("E125", format!("there is no setting `{key}` in `[rules.settings]`"));
            let known = self.set.settings.values.keys().map(String::as_str);
            let hint = did_you_mean(key, known).unwrap_or_else(|| format!("add `{key} = \"…\"` to `[rules.settings]`"));
            self.say(problem, *place, hint);
        }
        if name == "lookup" {
            self.lookup(call);
        }
        let given = call.args.len() + receiver;
        if let Some((counts, signature)) = arities().get(name)
            && !counts.contains(&given)
        {
            self.say(super::check::miscounted(name, given), position, format!("`{signature}`"));
        }
    }

    /// A text has no bits.
    fn bits(&mut self, call: &rhai::FnCallExpr) {
        for argument in &call.args {
            if let Expr::StringConstant(_, position) = argument {
                let problem = Diagnostic::error("E227", format!("`{}` works on numbers, and this is text", call.name));
                self.say(problem, *position, "a number, without quotes".to_owned());
            }
        }
    }

    /// A password is wished for once, when the account is made.
    fn password(&mut self, path: &[ASTNode<'_>], call: &rhai::FnCallExpr, position: Position) {
        let outer = path.iter().rev().nth(1);
        let is_once = |call: &rhai::FnCallExpr| call.name == "once";
        let once = match outer {
            Some(ASTNode::Expr(Expr::FnCall(outer, _)) | ASTNode::Stmt(Stmt::FnCall(outer, _))) => is_once(outer),
            _ => false,
        };
        if call.name == "password" && call.namespace.is_empty() && !self.inbound && !once {
            let problem = Diagnostic::error("E134", "`password` stands outside of `once`");
            self.say(problem, position, "a password is given when an account is made: `once(password(24))`".into());
        }
    }

    /// A table that is there, and a column that it has.
    fn lookup(&mut self, call: &rhai::FnCallExpr) {
        let Some(Expr::StringConstant(name, place)) = call.args.first() else { return };
        let tables = &self.set.tables;
        if self.set.broken_tables.contains(name.as_str()) {
            return;
        }
        let Some(table) = tables.get(name.as_str()) else {
            let problem = Diagnostic::error("E131", format!("there is no table `{name}`"));
            let hint = did_you_mean(name, tables.keys().map(String::as_str));
            let hint = hint.unwrap_or_else(|| format!("make `tables/{name}.csv` in the rules folder"));
            return self.say(problem, *place, hint);
        };
        let (column, place) = match call.args.get(2) {
            None => (None, place),
            Some(Expr::StringConstant(column, place)) => (Some(column.as_str()), place),
            Some(_) => return,
        };
        if let Err(hint) = table.column(column) {
            let what =
                column.map_or_else(|| "has several columns".to_owned(), |name| format!("has no column `{name}`"));
            self.say(Diagnostic::error("E131", format!("the table `{name}` {what}")), *place, hint);
        }
    }

    /// A unique name is looked for in the metaverse, for one attribute.
    fn unique(&mut self, calls: &[Position]) {
        if calls.is_empty() {
            return;
        }
        let placed = unique_names(self.function);
        for position in calls.iter().copied() {
            let in_map = self.function.public && placed.iter().any(|(_, at)| *at == position);
            if !self.inbound || !in_map {
                let problem = Diagnostic::error("E129", "`unique` cannot stand here");
                let hint =
                    "it stands in the map of `flow`, in a rule into the metaverse: `#{ accountName: unique(…) }`";
                self.say(problem, position, hint.to_owned());
            }
        }
    }

    /// `` `${user.x}` `` writes nothing where there is no value, and so makes half a text.
    fn interpolation(&mut self, parts: &[Expr]) {
        let Some(parameter) = self.function.parameter().filter(|_| self.function.public) else { return };
        for part in parts {
            let whole = match part {
                Expr::Stmt(block) => match block.statements() {
                    [Stmt::Expr(inner)] => inner,
                    _ => continue,
                },
                other => other,
            };
            if let Some((name, position)) = attribute_read(&ASTNode::Expr(whole), parameter) {
                // Whoever looks whether it is there knows what to do.
                let read = format!("{parameter}.{name}");
                let looked = [format!("{read} == ()"), format!("{read} != ()"), format!("is_present({read})")];
                if looked.iter().any(|looked| self.source.text.contains(looked.as_str())) {
                    continue;
                }
                let message = format!("where `{name}` has no value, this makes half a text");
                let hint = format!("`\"…\" + {parameter}.{name}` gives nothing where a part is missing");
                self.say(Diagnostic::warning("W122", message), position, hint);
            }
        }
    }

    /// `source.x` and `target.x`.
    fn context(&mut self, chain: &rhai::BinaryExpr) {
        let (known, name): (&[&str], &str) = if is_variable(&chain.lhs, "source") {
            (&SOURCE, "source")
        } else if is_variable(&chain.lhs, "target") {
            (&TARGET, "target")
        } else {
            return;
        };
        if self.function.parameter() == Some(name) {
            return;
        }
        let here = if self.inbound { "source" } else { "target" };
        if name != here {
            let side = if self.inbound { "rules to a target" } else { "rules into the metaverse" };
            let problem = Diagnostic::error("E124", format!("`{name}` is for {side}"));
            return self.say(problem, chain.lhs.position(), format!("here there is `{here}`"));
        }
        let property = match &chain.rhs {
            Expr::Property(property, position) => Some((property.2.as_str(), *position)),
            Expr::Dot(inner, ..) | Expr::Index(inner, ..) => match &inner.lhs {
                Expr::Property(property, position) => Some((property.2.as_str(), *position)),
                _ => None,
            },
            _ => None,
        };
        if let Some((property, position)) = property.filter(|(property, _)| !known.contains(property)) {
            let problem = Diagnostic::error("E123", format!("`{name}` has no `{property}`"));
            let hint =
                did_you_mean(property, known.iter().copied()).unwrap_or_else(|| format!("it has {}", known.join(", ")));
            self.say(problem, position, hint);
        }
    }

    fn assignment(&mut self, assignment: &(rhai::OpAssignment, rhai::BinaryExpr)) {
        let Some(parameter) = self.function.parameter().filter(|_| self.function.public) else { return };
        if let Some((name, position)) = attribute_read(&ASTNode::Expr(&assignment.1.lhs), parameter) {
            let problem = Diagnostic::error("E119", format!("`{name}` of the object cannot be changed"));
            let hint = format!("keep the new value in a variable: `let {name} = …;`, and flow that");
            self.say(problem, position, hint);
        }
    }

    /// `switch lower(x)` with labels that have capitals: `switch` compares to the letter.
    fn labels(&mut self, value: &Expr, position: Position) {
        let Expr::FnCall(call, _) = value else { return };
        let fits: fn(char) -> bool = match call.name.as_str() {
            "lower" => |c| !c.is_uppercase(),
            "upper" => |c| !c.is_lowercase(),
            _ => return,
        };
        for (place, label) in labels(self.source, position) {
            if !label.chars().all(fits) {
                let message = format!("`switch {}(…)` is never `{label}`", call.name);
                let hint = format!("`switch` compares to the letter: write the label as `{}` makes it", call.name);
                self.problems.push(Diagnostic::error("E127", message).at(self.source, place).hint(hint));
            }
        }
    }

    fn condition(&mut self, condition: &Expr) {
        if let Expr::BoolConstant(value, position) = condition {
            let problem = Diagnostic::warning("W124", format!("this condition is always {value}"));
            self.say(problem, *position, "take out the branch that is never gone".into());
        }
    }

    fn unused_variables(&mut self, seen: &Seen) {
        let unused = |name: &str| !seen.used.contains(name) && !name.starts_with('_');
        for (name, position) in seen.defined.iter().filter(|(name, _)| unused(name)) {
            let problem = Diagnostic::warning("W123", format!("`{name}` is never used"));
            self.say(problem, *position, format!("take it out, or call it `_{name}`"));
        }
    }
}

/// The text labels of a `switch`, and where they stand, quotation marks included. The tree keeps no labels, so they are
/// read from the text.
pub(super) fn labels(source: &SourceText, switch: Position) -> Vec<(std::ops::Range<usize>, &str)> {
    let mut labels = Vec::new();
    let start = word_at(&source.text, switch.line().unwrap_or(1), switch.position().unwrap_or(1)).start;
    let rest = source.text.get(start..).unwrap_or_default();
    let Some((_, body)) = rest.split_once('{') else { return labels };
    let body_start = start + (rest.len() - body.len());
    let mut at = 0;
    while let Some(open) = body.get(at..).and_then(|rest| rest.find(['"', '}'])).map(|found| at + found) {
        let is_text = body.as_bytes().get(open) == Some(&b'"');
        let close = body.get(open + 1..).and_then(|rest| rest.find('"')).map(|found| open + 1 + found);
        let Some(close) = close.filter(|_| is_text) else { break };
        let next = body.get(close + 1..).unwrap_or_default().trim_start();
        let line = body.get(..open).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
        let comment = line.contains("//") || line.contains("/*");
        if (next.starts_with("=>") || next.starts_with('|')) && !comment {
            labels.push((body_start + open..body_start + close + 1, body.get(open + 1..close).unwrap_or_default()));
        }
        at = close + 1;
    }
    labels
}

/// Whether a statement is an answer when it stands at the end of a function.
fn is_answer(statement: &Stmt) -> bool {
    match statement {
        Stmt::Expr(_) | Stmt::FnCall(..) | Stmt::Return(Some(_), ..) | Stmt::Switch(..) | Stmt::Block(_) => true,
        Stmt::If(flow, _) => !flow.branch.is_empty(),
        _ => false,
    }
}

/// With how many values each word may be called, and its signature: what the table's signature and examples show.
fn arities() -> &'static BTreeMap<&'static str, (BTreeSet<usize>, &'static str)> {
    static ARITIES: OnceLock<BTreeMap<&'static str, (BTreeSet<usize>, &'static str)>> = OnceLock::new();
    ARITIES.get_or_init(|| {
        let mut arities = BTreeMap::new();
        let engine = vocabulary::engine();
        for function in vocabulary::all() {
            let inside = function.signature.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
            let list = inside.map_or("", |(inside, _)| inside);
            // A closure's parameter stands between bars.
            let count = if list.is_empty() { 0 } else { list.split(',').count() };
            let mut counts = BTreeSet::from([count]);
            for (example, _) in function.examples {
                counts.extend(calls(&engine, example, function.name));
            }
            arities.insert(function.name, (counts, function.signature));
        }
        arities
    })
}

fn calls(engine: &Engine, example: &str, name: &str) -> Vec<usize> {
    let mut counts = Vec::new();
    if let Ok(ast) = engine.compile(example) {
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)))
                    if call.name == name =>
                {
                    counts.push(call.args.len())
                }
                Some(ASTNode::Expr(Expr::MethodCall(call, _))) if call.name == name => {
                    counts.push(call.args.len() + 1);
                }
                _ => {}
            }
            true
        });
    }
    counts
}
