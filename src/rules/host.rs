//! Runs the functions of rules. One [`Host`] a thread: sharing an engine between threads costs more than compiling twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, Position, Scope};

use super::coverage::Coverage;
use super::header::Copy;
use super::input::{Flow, FlowValue, Input, JoinGroup, RuleError};
use super::script::{self, ScriptObject, to_flow_value, to_join_groups};
use super::spent::Sampler;
use super::{Rule, RuleSet, Table, vocabulary};
use crate::value::{AttributeName, Value, Values};

/// An engine with every rule of a set compiled into it.
pub struct Host {
    engine: Engine,
    scripts: Vec<AST>,
    /// When the run began, in seconds since 1970: what rules that ask for the day are told.
    pub at: i64,
    sampler: Sampler,
}

impl Host {
    /// Compiles the rules of a set again, for this thread. Cannot fail for a set that compiled, save for a bug: then
    /// every evaluation says so.
    pub fn new(rules: &RuleSet) -> Host {
        let engine = engine(rules);
        let compile = |rule: &Rule| engine.compile(rule.source.text.as_str()).unwrap_or_default();
        let scripts = rules.rules().iter().map(compile).collect();
        Host { engine, scripts, at: 0, sampler: Sampler::default() }
    }

    /// Counts from now on what is evaluated.
    pub fn record(&mut self, rules: &RuleSet, coverage: &Coverage) {
        for (script, rule) in self.scripts.iter_mut().zip(rules.rules()) {
            script.set_source(rule.name.as_str());
        }
        coverage.watch(&mut self.engine);
    }

    /// Whether the object is in the scope of a rule. A rule without `scope` takes all.
    ///
    /// # Errors
    /// An error is not "no": the object must keep its state.
    pub fn scope(&self, rule: &Rule, input: &Arc<Input>) -> Result<bool, RuleError> {
        if !rule.has_scope {
            return Ok(true);
        }
        let answer = self.call(rule, "scope", input)?;
        answer.as_bool().map_err(|kind| {
            error(
                rule,
                "scope",
                None,
                format!("`scope` must answer true or false, and answered a value of type `{kind}`"),
            )
        })
    }

    /// The join groups of a rule for an object, without those in which a key has no value.
    ///
    /// # Errors
    /// As `scope`.
    pub fn join(&self, rule: &Rule, input: &Arc<Input>) -> Result<Vec<JoinGroup>, RuleError> {
        let Some(answer) = self.join_answer(rule, input)? else { return Ok(Vec::new()) };
        to_join_groups(answer).map_err(|message| error(rule, "join", None, message))
    }

    /// What a rule flows for an object: `copy` and `trim` first, then the keys of `flow`. A key of `flow` wins over a
    /// copy of the same name.
    ///
    /// # Errors
    /// As `scope`.
    pub fn flow(&self, rule: &Rule, input: &Arc<Input>) -> Result<Vec<Flow>, RuleError> {
        let mut flows = Vec::with_capacity(rule.footprint.writes.len());
        let mut written = BTreeSet::new();
        if rule.has_flow {
            let answer = self.call(rule, "flow", input)?;
            let map = answer
                .try_cast::<rhai::Map>()
                .ok_or_else(|| error(rule, "flow", None, "`flow` must end in a map".to_owned()))?;
            for (name, value) in map {
                let attribute = AttributeName::from(name.as_str());
                let value = to_flow_value(value).map_err(|message| RuleError {
                    attribute: Some(attribute.clone()),
                    ..error(rule, "flow", None, message)
                })?;
                let line = rule.footprint.writes.get(&attribute).copied().unwrap_or(rule.header.line);
                let value = merged(rule, &attribute, value);
                written.insert(attribute.clone());
                flows.push(Flow { attribute, value, line });
            }
        }
        for copy in rule.header.copies.iter().filter(|copy| !written.contains(&copy.to)) {
            let value = merged(rule, &copy.to, copied(rule, copy, input)?);
            flows.push(Flow { attribute: copy.to.clone(), value, line: rule.header.line });
        }
        flows.retain(|flow| !rule.muted.contains(&flow.attribute));
        Ok(flows)
    }

    /// What `join` answers; nothing for a rule that has none.
    pub(super) fn join_answer(&self, rule: &Rule, input: &Arc<Input>) -> Result<Option<Dynamic>, RuleError> {
        if rule.has_join { self.call(rule, "join", input).map(Some) } else { Ok(None) }
    }

    /// What a function answers in another text of a rule; nothing when that text fails.
    pub(super) fn evaluate_text(
        &self,
        rule: &Rule,
        text: &str,
        function: &'static str,
        input: &Arc<Input>,
    ) -> Option<Dynamic> {
        let script = self.engine.compile(text).ok()?;
        self.call_in(&script, rule, function, input).ok()
    }

    fn call(&self, rule: &Rule, function: &'static str, input: &Arc<Input>) -> Result<Dynamic, RuleError> {
        let Some(script) = self.scripts.get(rule.index) else {
            return Err(error(rule, function, None, "this rule belongs to another rule set".into()));
        };
        self.sampler.time(&rule.spent, || self.call_in(script, rule, function, input))
    }

    fn call_in(
        &self,
        script: &AST,
        rule: &Rule,
        function: &'static str,
        input: &Arc<Input>,
    ) -> Result<Dynamic, RuleError> {
        script::forget_last_read();
        vocabulary::moment::begin(self.at, input.id);
        let options = CallFnOptions::new().eval_ast(false).with_tag(Arc::clone(&input.context));
        let argument = (ScriptObject(Arc::clone(input)),);
        self.engine
            .call_fn_with_options::<Dynamic>(options, &mut Scope::new(), script, function, argument)
            .map_err(|failure| from_rhai(rule, function, &failure))
    }
}

/// The engine for a set: the sandbox and its vocabulary, the object types, the helper modules, the settings.
pub(super) fn engine(rules: &RuleSet) -> Engine {
    let mut engine = vocabulary::engine();
    script::register(
        &mut engine,
        rules.rules().iter().flat_map(|rule| rule.footprint.reads()).collect::<BTreeSet<_>>().into_iter(),
    );
    let settings = Arc::clone(&rules.settings);
    engine.register_fn("setting", move |name: &str| -> Result<Dynamic, Box<EvalAltResult>> {
        settings.values.get(name).map(|text| Dynamic::from(text.clone())).ok_or_else(|| {
            let message = format!("there is no setting `{name}` in `[rules.settings]`");
            EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into()
        })
    });
    let tables = Arc::clone(&rules.tables);
    let of_column = Arc::clone(&tables);
    engine.register_fn("lookup", move |table: &str, key: Dynamic| look_up(&tables, table, &key, None));
    engine.register_fn("lookup", move |table: &str, key: Dynamic, column: &str| {
        look_up(&of_column, table, &key, Some(column))
    });
    for (name, source) in &rules.libraries {
        // A library that does not evaluate was reported by `check`.
        let module = engine
            .compile(source.text.as_str())
            .ok()
            .map(|mut ast| {
                ast.set_source(format!("lib/{name}"));
                ast
            })
            .and_then(|ast| rhai::Module::eval_ast_as_new(Scope::new(), &ast, &engine).ok());
        if let Some(module) = module {
            engine.register_static_module(name, module.into());
        }
    }
    engine
}

fn look_up(
    tables: &BTreeMap<String, Table>,
    table: &str,
    key: &Dynamic,
    column: Option<&str>,
) -> Result<Dynamic, Box<EvalAltResult>> {
    let failed = |message: String| Box::new(EvalAltResult::ErrorRuntime(message.into(), Position::NONE));
    let found = tables.get(table).ok_or_else(|| failed(format!("there is no table `{table}`")))?;
    vocabulary::each_key("lookup", key, |key| {
        let values = found.get(key, column).map_err(|problem| failed(format!("table `{table}`: {problem}")))?;
        Ok(script::to_dynamic(values, values.len() > 1))
    })
}

fn copied(rule: &Rule, copy: &Copy, input: &Input) -> Result<FlowValue, RuleError> {
    if input.imported.as_ref().is_some_and(|imported| !imported.contains(&copy.from)) {
        let message = format!("`{}` has not been imported for this type of object", copy.from);
        return Err(RuleError { attribute: Some(copy.to.clone()), ..error(rule, "copy", None, message) });
    }
    if input.references.contains_key(&copy.from) {
        return Ok(FlowValue::References(copy.from.clone()));
    }
    let Some(values) = input.attributes.get(&copy.from) else { return Ok(FlowValue::Nothing) };
    let values = if copy.trim { trimmed(values) } else { values.clone() };
    Ok(match (values.as_slice(), input.lists.contains(&copy.from)) {
        ([], _) => FlowValue::Nothing,
        ([value], false) => FlowValue::One(value.clone()),
        _ => FlowValue::List(values),
    })
}

fn trimmed(values: &[Value]) -> Values {
    values
        .iter()
        .filter_map(|value| match value {
            Value::Text(text) => Value::text(text.trim()),
            Value::Integer(_) | Value::Boolean(_) | Value::Bytes(_) | Value::Time(_) | Value::Password(_) => {
                Some(value.clone())
            }
        })
        .collect()
}

/// Turns a plain value into a merge where the header says so.
fn merged(rule: &Rule, attribute: &AttributeName, value: FlowValue) -> FlowValue {
    if !rule.header.merge.contains(attribute) {
        return value;
    }
    match value {
        FlowValue::One(value) => FlowValue::Merge(vec![value]),
        FlowValue::List(values) => FlowValue::Merge(values),
        other => other,
    }
}

fn error(rule: &Rule, function: &str, position: Option<Position>, message: String) -> RuleError {
    let number = |number: usize| u32::try_from(number).ok();
    let line = position.and_then(|position| position.line()).and_then(number);
    let column = position.and_then(|position| position.position()).and_then(number);
    let attribute = line.filter(|_| function == "flow").and_then(|line| attribute_at(rule, line));
    RuleError { rule: rule.name.clone(), function: function.to_owned(), line, column, attribute, message }
}

/// The key of the flow map that a line belongs to: the last one that begins at or before it.
fn attribute_at(rule: &Rule, line: u32) -> Option<AttributeName> {
    let keys = rule.footprint.writes.iter().filter(|(_, at)| **at > rule.header.line && **at <= line);
    keys.max_by_key(|(_, at)| **at).map(|(name, _)| name.clone())
}

fn from_rhai(rule: &Rule, function: &str, failure: &EvalAltResult) -> RuleError {
    let mut inner = failure;
    let mut position = failure.position();
    while let EvalAltResult::ErrorInFunctionCall(_, _, cause, at) = inner {
        if position.is_none() {
            position = *at;
        }
        inner = cause;
        if !inner.position().is_none() {
            position = inner.position();
        }
    }
    let message = match inner {
        EvalAltResult::ErrorRuntime(message, _) => message.to_string(),
        EvalAltResult::ErrorTooManyOperations(_) => "the script did not come to an end (too many operations)".into(),
        EvalAltResult::ErrorStackOverflow(_) => "functions call each other too deeply".into(),
        EvalAltResult::ErrorDataTooLarge(what, _) => format!("a value grew beyond the limit ({what})"),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => format!("there is no function `{signature}`"),
        other => {
            let text = other.to_string();
            text.split(" (line ").next().unwrap_or(&text).to_owned()
        }
    };
    error(rule, function, Some(position), message)
}
