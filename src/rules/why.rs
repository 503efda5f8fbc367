//! Why a rule is not in scope, and what its join groups came to: for people who look at one object.
//!
//! The clauses of `scope` are cut out of the rule's text and asked one by one, on the same object and in the same
//! engine. Knows neither stores nor screens; runs never come here.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::clauses::Scope;
use super::host::Host;
use super::input::{Input, JoinGroup, JoinKey, RuleError};
use super::script::to_join_attempts;
use super::{Direction, Rule};
use crate::value::{AttributeName, Value, Values};

/// The part of a `scope` that said no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// Its 1-based line in the rule file.
    pub line: u32,
    /// Its source text, in one line and without comments.
    pub text: String,
    /// What it read, in its order; no values where there are none. Names such as `source.dn` are facts about the object.
    pub reads: Vec<(AttributeName, Values)>,
}

/// One group of `join`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinAttempt {
    /// Every key has a value: it is looked up.
    Tried(JoinGroup),
    /// A key has no value: it is skipped, never matched.
    Skipped {
        /// The keys that have none.
        empty: Vec<AttributeName>,
        /// The others.
        keys: Vec<JoinKey>,
    },
}

impl Host {
    /// The first clause of a rule's `scope` that is false for an object. Nothing when the object is in scope, when the
    /// rule has no `scope`, and when `scope` fails. Where no clause can be told apart, it is the whole `scope`.
    pub fn why_not(&self, rule: &Rule, input: &Arc<Input>) -> Option<Clause> {
        if self.scope(rule, input) != Ok(false) {
            return None;
        }
        let scope = Scope::of(&rule.source.text)?;
        let mut ask = |prefix: &[Range<usize>], clause: Range<usize>| self.ask(rule, &scope, prefix, clause, input);
        let place = scope.refusing(&mut ask).unwrap_or_else(|| scope.whole());
        let reads = scope.reads(&place).into_iter().map(|read| values_of(&read.name, read.confirmed, input)).collect();
        Some(Clause { line: scope.line(place.clause.start), text: scope.text(place.clause), reads })
    }

    /// What a part of a `scope` answers, after the statements before it.
    fn ask(
        &self,
        rule: &Rule,
        scope: &Scope<'_>,
        prefix: &[Range<usize>],
        clause: Range<usize>,
        input: &Arc<Input>,
    ) -> Option<bool> {
        self.evaluate_text(rule, &scope.with_body(prefix, clause), "scope", input)?.as_bool().ok()
    }

    /// Every group of a rule's `join` for an object, with those that are skipped.
    ///
    /// # Errors
    /// As [`Host::join`].
    pub fn join_attempts(&self, rule: &Rule, input: &Arc<Input>) -> Result<Vec<JoinAttempt>, RuleError> {
        let Some(answer) = self.join_answer(rule, input)? else { return Ok(Vec::new()) };
        let groups = to_join_attempts(answer).map_err(|message| RuleError {
            rule: rule.name.clone(),
            function: "join".to_owned(),
            line: None,
            column: None,
            attribute: None,
            message,
        })?;
        Ok(groups.into_iter().map(attempt).collect())
    }
}

fn attempt(group: Vec<(AttributeName, Option<JoinKey>)>) -> JoinAttempt {
    let empty: Vec<AttributeName> =
        group.iter().filter(|(_, key)| key.is_none()).map(|(name, _)| name.clone()).collect();
    let keys: JoinGroup = group.into_iter().filter_map(|(_, key)| key).collect();
    if empty.is_empty() { JoinAttempt::Tried(keys) } else { JoinAttempt::Skipped { empty, keys } }
}

fn values_of(name: &str, confirmed: bool, input: &Input) -> (AttributeName, Values) {
    let text = |text: &String| Value::text(text.clone());
    let attribute = AttributeName::from(name);
    if let Some((context, fact)) = name.split_once('.').filter(|(context, _)| *context == input.context.name) {
        let (single, several) = (input.context.texts.get(fact), input.context.lists.get(fact));
        if single.is_some() || several.is_some() || context == "source" {
            let values = single.into_iter().chain(several.into_iter().flatten()).filter_map(text).collect();
            return (attribute, values);
        }
    }
    if let Some(values) = input.confirmed.get(&attribute).filter(|_| confirmed) {
        return (attribute, values.clone());
    }
    let values = match input.references.get(&attribute) {
        Some(_) => vec![Value::Text("(references)".into())],
        None => input.attributes.get(&attribute).cloned().unwrap_or_default(),
    };
    (attribute, values)
}

impl Rule {
    /// The text that flows an attribute: its entry of the flow map in one line, or `copy` and `trim` in words. Nothing
    /// when the rule does not write it.
    pub fn source_of(&self, attribute: &AttributeName) -> Option<String> {
        let line = *self.footprint.writes.get(attribute)?;
        if let Some(copy) = self.header.copies.iter().find(|copy| copy.to == *attribute && line == self.header.line) {
            let how = if copy.trim { "trim" } else { "copy" };
            return Some(format!("{how} of `{}`", copy.from));
        }
        let next = self.footprint.writes.values().filter(|at| **at > line).min().copied().unwrap_or(u32::MAX);
        let last = next.min(line.saturating_add(12));
        let number = |line: u32| usize::try_from(line).unwrap_or(usize::MAX);
        let lines = self.source.text.lines().skip(number(line).saturating_sub(1));
        let mut words: Vec<&str> = Vec::new();
        for line in lines.take(number(last - line).max(1)) {
            let code = line.trim();
            if code == "}" || code == "};" {
                break;
            }
            if !code.starts_with("//") {
                words.push(code);
            }
        }
        let text = words.join(" ");
        let text = text.trim().trim_end_matches(',');
        // Values are lined up in the file.
        Some(match text.split_once(": ") {
            Some((name, value)) => format!("{name}: {}", value.trim_start()),
            None => text.to_owned(),
        })
    }

    /// A line of its file, without the blanks around it.
    pub fn line(&self, line: u32) -> Option<&str> {
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        self.source.text.lines().nth(at).map(str::trim)
    }

    /// Where it goes to, as its header says: `metaverse/person`, `entra/user`.
    pub fn to(&self) -> String {
        match &self.header.direction {
            Direction::Inbound { to: Some(to), .. } => format!("metaverse/{to}"),
            Direction::Inbound { to: None, .. } => "metaverse/*".to_owned(),
            Direction::Outbound { to, .. } => format!("{}/{}", to.connector, to.object_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceText;
    use crate::rules::Context;
    use crate::rules::{RuleSet, Settings};
    use crate::value::Attributes;
    use expect_test::{Expect, expect};

    const HEADER: &str =
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", link: \"project\", precedence: 1 };\n";

    fn input(attributes: &[(&str, &str)]) -> Arc<Input> {
        let values = attributes.iter().map(|(name, text)| ((*name).into(), vec![Value::Text((*text).into())]));
        let context = Context { name: "source", texts: [("dn", "CN=x".to_owned())].into(), ..Context::default() };
        Arc::new(Input { attributes: values.collect::<Attributes>(), context: Arc::new(context), ..Input::default() })
    }

    fn compiled(body: &str) -> RuleSet {
        let file = SourceText { path: "rules/in.rhai".into(), text: format!("{HEADER}{body}") };
        RuleSet::compile(vec![file], Settings::default()).unwrap().0
    }

    fn check(body: &str, attributes: &[(&str, &str)], expected: Expect) {
        let set = compiled(body);
        let host = Host::new(&set);
        let text = match host.why_not(&set.rules()[0], &input(attributes)) {
            Some(clause) => format!("{}: {} {:?}", clause.line, clause.text, clause.reads),
            None => format!("in scope: {:?}", host.scope(&set.rules()[0], &input(attributes))),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn the_first_clause_that_says_no_is_named() {
        let scope = "fn scope(user) {\n    user.mail != () // must have mail\n        && user.title == \"VP && CEO // not\"\n}\nfn flow(user) { #{ a: user.mail } }\n";
        check(scope, &[("mail", "a@b"), ("title", "VP && CEO // not")], expect!["in scope: Ok(true)"]);
        check(
            scope,
            &[("mail", "a@b"), ("title", "Manager")],
            expect![[r#"4: user.title == "VP && CEO // not" [("title", [Text("Manager")])]"#]],
        );
        check(scope, &[], expect![[r#"3: user.mail != () [("mail", [])]"#]]);
    }

    #[test]
    fn guards_and_variables_are_followed() {
        let scope = "fn scope(user) {\n    let account = user.name;\n    if starts_with(account, \"svc\") {\n        return false;\n    }\n    if user.kind == \"x\" { user.a == \"1\" } else { (user.b == \"2\" && !is_empty_(user[\"c-d\"])) }\n}\nprivate fn is_empty_(text) { text == () }\nfn flow(user) { #{ a: user.mail } }\n";
        check(scope, &[("name", "svc-x")], expect![[r#"4: starts_with(account, "svc") [("name", [Text("svc-x")])]"#]]);
        check(scope, &[("name", "zoe"), ("kind", "x")], expect![[r#"7: user.a == "1" [("a", [])]"#]]);
        check(scope, &[("name", "zoe"), ("b", "2")], expect![[r#"7: !is_empty_(user["c-d"]) [("c-d", [])]"#]]);
        check(scope, &[("name", "zoe"), ("b", "2"), ("c-d", "x")], expect!["in scope: Ok(true)"]);
    }

    #[test]
    fn alternatives_and_loops_stay_whole() {
        let scope =
            "fn scope(user) {\n    (user.a == \"1\" || user.b == \"2\") && true\n}\nfn flow(user) { #{ a: user.a } }\n";
        check(scope, &[("b", "3")], expect![[r#"3: user.a == "1" || user.b == "2" [("a", []), ("b", [Text("3")])]"#]]);
        let scope = "fn scope(user) {\n    for bad in [\"x\", \"y\"] {\n        if user.a == bad { return false; }\n    }\n    true\n}\nfn flow(user) { #{ a: user.a } }\n";
        check(
            scope,
            &[("a", "y")],
            expect![[r#"3: for bad in ["x", "y"] { if user.a == bad { return false; } } [("a", [Text("y")])]"#]],
        );
        check(scope, &[("a", "z")], expect!["in scope: Ok(true)"]);
    }

    #[test]
    fn guards_that_let_in_are_told_together() {
        let scope = "fn scope(user) {\n    if user.a == \"1\" { return true; }\n    /* { && */ if user.b == '2' && true { return true }\n    false\n}\nfn flow(user) { #{ a: user.a } }\n";
        check(
            scope,
            &[("b", "3")],
            expect![[
                r#"3: if user.a == "1" { return true; } if user.b == '2' && true { return true } false [("a", []), ("b", [Text("3")])]"#
            ]],
        );
        let scope = "fn scope(user) {\n    return if user.a == \"1\" && user.b == \"2\" { true } else if user.c == \"3\" { user.d != () } else { false };\n}\nfn flow(user) { #{ a: user.a } }\n";
        check(scope, &[("a", "1")], expect![[r#"3: user.c == "3" [("c", [])]"#]]);
        check(scope, &[("c", "3")], expect![[r#"3: user.d != () [("d", [])]"#]]);
        let scope = "fn scope(user) {\n    if user.a == \"1\" && user.b == \"2\" { true } else { false }\n}\nfn flow(user) { #{ a: user.a } }\n";
        check(scope, &[("a", "1")], expect![[r#"3: user.b == "2" [("b", [])]"#]]);
        let scope = "fn scope (user) {\n    let ou = source.dn;\n    (user?.a == () && ((imported(user.b) == \"x\" || ou == \"y\")))\n}\nfn flow(user) { #{ a: user.a } }\n";
        check(
            scope,
            &[("b", "y")],
            expect![[r#"4: imported(user.b) == "x" || ou == "y" [("b", [Text("y")]), ("source.dn", [Text("CN=x")])]"#]],
        );
    }

    #[test]
    fn a_switch_is_one_clause() {
        let scope =
            "fn scope(user) {\n    switch user.a { \"x\" => true, _ => false }\n}\nfn flow(user) { #{ a: user.a } }\n";
        check(scope, &[("a", "y")], expect![[r#"3: switch user.a { "x" => true, _ => false } [("a", [Text("y")])]"#]]);
    }

    #[test]
    fn groups_without_a_value_are_shown_as_skipped() {
        let set = compiled(
            "fn join(user) { [ #{ id: user.id, mail: user.mail }, #{ mail: user.mail } ] }\nfn flow(user) { #{ id: user.id, mail: user.mail } }\n",
        );
        let host = Host::new(&set);
        let attempts = host.join_attempts(&set.rules()[0], &input(&[("mail", "a@b")])).unwrap();
        assert!(matches!(&attempts[0], JoinAttempt::Skipped { empty, .. } if *empty == ["id".into()]));
        assert!(matches!(&attempts[1], JoinAttempt::Tried(group) if group.len() == 1));
        assert_eq!(host.join(&set.rules()[0], &input(&[("mail", "a@b")])).unwrap().len(), 1);
    }

    #[test]
    fn the_text_of_a_flow_is_its_entry() {
        let set = compiled(
            "fn flow(user) {\n    #{\n        // why\n        a: first(\n            user.a\n        ),\n        b: user.b,\n    }\n}\n",
        );
        let rule = &set.rules()[0];
        assert_eq!(rule.source_of(&"a".into()).as_deref(), Some("a: first( user.a )"));
        assert_eq!(rule.source_of(&"b".into()).as_deref(), Some("b: user.b"));
        assert_eq!(rule.source_of(&"c".into()), None);
    }
}
