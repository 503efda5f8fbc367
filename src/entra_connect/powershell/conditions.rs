//! The commands that make conditions of scope and joins, and groups of them. Knows neither tokens nor how a value is written.

use super::super::export::{Clause, JoinKey};
use super::super::spelling;
use super::Script;
use super::arguments::{Given, first_unknown};
use super::commands::why;
use super::terms::Command;
use super::values::{Value, flat, shown};

const OBJECT: [&str; 3] = ["TypeName", "ArgumentList", "Property"];
const SCOPE_GROUP: [&str; 2] = ["SynchronizationRule", "ScopeConditions"];
const JOIN_GROUP: [&str; 2] = ["SynchronizationRule", "JoinConditions"];

impl Script<'_> {
    /// A condition. Nothing where the object is something else.
    pub(super) fn new_object(&mut self, command: &Command) -> Option<Value> {
        let given = self.given(command, &OBJECT, 2);
        let class = given.text("TypeName")?.to_lowercase();
        let value = if class.ends_with("scopecondition") {
            self.scope_condition(&given)
        } else if class.ends_with("joincondition") {
            self.join_condition(&given)
        } else {
            return None;
        };
        self.put_out(&given, &value);
        Some(value)
    }

    fn scope_condition(&mut self, given: &Given) -> Value {
        let parts = self.parts(given, "scope");
        let part = |index: usize| parts.get(index).cloned().unwrap_or_default();
        // Attribute, value, operator: not as in the other formats.
        Value::Scope(Clause { attribute: part(0), value: part(1), operator: part(2) })
    }

    fn join_condition(&mut self, given: &Given) -> Value {
        let parts = self.parts(given, "join");
        let part = |index: usize| parts.get(index).cloned().unwrap_or_default();
        let case_sensitive = spelling::truth(&part(2)).unwrap_or(false);
        Value::Join(JoinKey { directory: part(0), metaverse: part(1), case_sensitive })
    }

    /// The three arguments of a condition. What is not known stands there as it is written, and matches nothing.
    fn parts(&mut self, given: &Given, kind: &str) -> Vec<String> {
        let list = match given.get("ArgumentList") {
            Some(Value::List(items)) => items.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        if list.len() != 3 && !(kind == "join" && list.len() == 2) {
            let text = format!("a {kind} condition has {} arguments instead of three", list.len());
            self.draft.remark(given.line, text);
        }
        let mut parts = Vec::new();
        for value in &list {
            parts.push(shown(value).unwrap_or_else(|| {
                let unknown = first_unknown(value);
                let text = format!(
                    "`-ArgumentList` of a {kind} condition has {}; it stands there as it is written",
                    why(&unknown)
                );
                self.draft.remark(given.line, text);
                unknown.raw
            }));
        }
        parts
    }

    /// A group of clauses for the rule that was made last.
    pub(super) fn add_scope(&mut self, command: &Command) -> Value {
        let (given, conditions) = self.group(command, &SCOPE_GROUP, "ScopeConditions");
        let mut group = Vec::new();
        for value in conditions {
            match value {
                Value::Scope(clause) => group.push(clause),
                other => {
                    // No attribute is called so: the clause, and with it the group, holds for nobody.
                    let raw = self.lost(&given, "ScopeConditions", &other);
                    group.push(Clause { attribute: raw.clone(), operator: "EQUAL".into(), value: raw });
                }
            }
        }
        if let Some(rule) = &mut self.current
            && !group.is_empty()
        {
            rule.scope.push(group);
        }
        self.put_out(&given, &Value::Rule);
        Value::Rule
    }

    /// A group of pairs for the rule that was made last.
    pub(super) fn add_joins(&mut self, command: &Command) -> Value {
        let (given, conditions) = self.group(command, &JOIN_GROUP, "JoinConditions");
        let mut group = Vec::new();
        for value in conditions {
            match value {
                Value::Join(key) => group.push(key),
                other => {
                    // No attribute is called so: the pair never agrees.
                    let raw = self.lost(&given, "JoinConditions", &other);
                    group.push(JoinKey { directory: raw.clone(), metaverse: raw, case_sensitive: false });
                }
            }
        }
        if let Some(rule) = &mut self.current
            && !group.is_empty()
        {
            rule.joins.push(group);
        }
        self.put_out(&given, &Value::Rule);
        Value::Rule
    }

    fn group(&mut self, command: &Command, parameters: &[&str], parameter: &str) -> (Given, Vec<Value>) {
        let given = self.given(command, parameters, 1);
        let conditions = given.get(parameter).cloned().map(flat).unwrap_or_default();
        if self.current.is_none() {
            self.draft.remark(command.line, format!("`{}` stands before any rule and is left out", command.name));
        } else if conditions.is_empty() {
            self.draft.remark(command.line, format!("`{}` has no conditions and is left out", command.name));
        }
        (given, conditions)
    }

    fn lost(&mut self, given: &Given, parameter: &str, value: &Value) -> String {
        let unknown = first_unknown(value);
        let rule = self.current.as_ref().map(|rule| rule.name.clone()).unwrap_or_default();
        let text =
            format!("`-{parameter}` of the rule `{rule}` has {}; it stands there as it is written", why(&unknown));
        self.draft.remark(given.line, text);
        unknown.raw
    }
}
