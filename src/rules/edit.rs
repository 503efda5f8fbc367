//! What an edit may change of a rule's answers, found in its two texts without running them; and rules cut down to the
//! attributes in question, so that an edit of one line costs one line for everybody.
//!
//! Whatever cannot be taken apart counts as changed: too much is asked then, and never too little.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::code::Code;
use super::{Rule, RuleSet, footprint, host};
use crate::diagnostic::SourceText;
use crate::value::AttributeName;

/// What of a rule's answers may differ between its two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Whether it is in scope.
    pub scope: bool,
    /// Whom it joins.
    pub join: bool,
    /// What it gives to these attributes.
    pub attributes: BTreeSet<AttributeName>,
}

/// Under which circumstances two texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Whether the line that an answer stands on belongs to it.
    pub lines: bool,
    /// Whether the two are asked on different days.
    pub another_day: bool,
}

/// What `flow` gives: each key with its expression.
struct FlowText {
    /// Everything before the map.
    prelude: String,
    /// The variables that stand there, with what defines them; none where other statements do, too.
    variables: Vec<(String, Range<usize>)>,
    /// By attribute: where key and expression stand, and their text in one line.
    entries: BTreeMap<AttributeName, (Range<usize>, String)>,
}

/// A rule's text, taken apart.
struct Parts {
    /// By name, without `flow`.
    functions: BTreeMap<String, String>,
    flow: Option<FlowText>,
    /// Where `flow` ends.
    end: usize,
}

impl Parts {
    /// Nothing when the text cannot be taken apart.
    fn of(rule: &Rule) -> Option<Parts> {
        if rule.source.text.contains("#\"") {
            // Where raw texts end is not looked for.
            return None;
        }
        let code = Code::of(&rule.source.text);
        let mut parts = Parts { functions: BTreeMap::new(), flow: None, end: 0 };
        for function in code.functions()? {
            if function.name == "flow" {
                parts.flow = Some(flow_text(&code, &function.body)?);
                parts.end = function.body.end;
            } else {
                // Several may have one name, and other numbers of parameters.
                let texts = parts.functions.entry(function.name.to_owned()).or_default();
                texts.push_str(&code.text(function.whole));
                texts.push('\n');
            }
        }
        let copied = |name: &AttributeName| rule.header.copies.iter().any(|copy| copy.to == *name);
        let entries = parts.flow.as_ref().map(|flow| &flow.entries);
        let told = |name: &AttributeName| entries.is_some_and(|entries| entries.contains_key(name)) || copied(name);
        let known = |name: &AttributeName| rule.footprint.writes.contains_key(name);
        let agree = rule.footprint.writes.keys().all(told)
            && entries.is_none_or(|entries| entries.keys().all(known))
            && parts.flow.is_some() == rule.has_flow;
        agree.then_some(parts)
    }
}

/// The map that ends a body, key by key.
fn flow_text(code: &Code<'_>, body: &Range<usize>) -> Option<FlowText> {
    let last = code.trimmed(body.clone());
    let close = last.end.checked_sub(1)?;
    let open = (last.start..close).rfind(|at| code.byte(*at) == Some(b'{') && code.closing(*at) == Some(close))?;
    let start = open.checked_sub(1).filter(|at| code.byte(*at) == Some(b'#'))?;
    let mut entries = BTreeMap::new();
    let mut at = open + 1;
    while code.skip_blank(at) < close {
        let end = code.comma(at, close);
        let range = code.trimmed(at..end);
        let colon = range.clone().find(|at| code.byte(*at) == Some(b':'))?;
        let name = code.slice(code.trimmed(range.start..colon)).trim_matches('"');
        let text = code.text(range.clone());
        entries.insert(AttributeName::from(name), (range.start..(end + 1).min(close), text));
        at = end + 1;
    }
    let variables = variables(code, body.start..start).unwrap_or_default();
    Some(FlowText { prelude: code.text(body.start..start), variables, entries })
}

/// The variables of a stretch that is nothing but definitions.
fn variables(code: &Code<'_>, range: Range<usize>) -> Option<Vec<(String, Range<usize>)>> {
    let mut found = Vec::new();
    let mut at = code.skip_blank(range.start);
    while at < range.end {
        let end = code.statement_end(at, range.end);
        let keyword = code.word_at(at);
        let name = code.word_at(code.skip_blank(at + keyword.len()));
        if !matches!(keyword, "let" | "const") || name.is_empty() || end == range.end {
            return None;
        }
        found.push((name.to_owned(), at..end + 1));
        at = code.skip_blank(end + 1);
    }
    Some(found)
}

/// Words whose meaning changed, though the text that uses them did not.
struct Changed(Vec<String>);

impl Changed {
    fn touches(&self, text: &str) -> bool {
        self.0.iter().any(|word| text.contains(word.as_str()))
    }

    /// Of what surrounds the rules: helpers in `lib/`, tables, settings, the day.
    fn between(before: &RuleSet, after: &RuleSet, another_day: bool) -> Changed {
        let mut words: Vec<&str> = Vec::new();
        if before.libraries != after.libraries {
            words.push("::");
        }
        let texts = |set: &RuleSet| set.tables.values().map(|table| Arc::clone(&table.source)).collect::<Vec<_>>();
        if texts(before) != texts(after) || before.broken_tables != after.broken_tables {
            words.extend(["lookup", "::"]);
        }
        if before.settings.values != after.settings.values {
            words.extend(["setting", "::"]);
        }
        if another_day {
            words.extend(super::DAY);
            if after.libraries.values().any(|source| super::asks_for_day(&source.text)) {
                words.push("::");
            }
        }
        Changed(words.into_iter().map(str::to_owned).collect())
    }

    /// Adds the rule's own helpers: those that differ, and those that use what changed.
    fn with_helpers(mut self, before: &Parts, after: &Parts) -> Changed {
        let names: BTreeSet<&String> = before.functions.keys().chain(after.functions.keys()).collect();
        let public = |name: &&&String| !matches!(name.as_str(), "scope" | "join");
        let mut open: Vec<&String> = names.iter().filter(public).copied().collect();
        loop {
            let changed = |name: &&String| {
                let (was, is) = (before.functions.get(*name), after.functions.get(*name));
                was != is || is.is_some_and(|text| self.touches(text))
            };
            let (found, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(changed);
            if found.is_empty() {
                return self;
            }
            self.0.extend(found.into_iter().cloned());
            open = rest;
        }
    }
}

/// What may differ between two texts of a rule; everything, where they cannot be taken apart.
pub(crate) fn edit(before: (&RuleSet, &Rule), after: (&RuleSet, &Rule), how: Circumstances) -> Edit {
    let (was, is) = (before.1, after.1);
    let written = || was.footprint.writes.keys().chain(is.footprint.writes.keys()).cloned();
    let (Some(old), Some(new)) = (Parts::of(was), Parts::of(is)) else {
        return Edit { scope: true, join: true, attributes: written().collect() };
    };
    let changed = Changed::between(before.0, after.0, how.another_day).with_helpers(&old, &new);
    let function = |name: &str| {
        let (was, is) = (old.functions.get(name), new.functions.get(name));
        was != is || is.is_some_and(|text| changed.touches(text))
    };
    let prelude = |parts: &Parts| parts.flow.as_ref().map(|flow| flow.prelude.clone()).unwrap_or_default();
    let whole_flow = prelude(&old) != prelude(&new) || changed.touches(&prelude(&new));
    let differs = |name: &AttributeName| {
        let text = |parts: &Parts| Some(parts.flow.as_ref()?.entries.get(name)?.1.clone());
        let copy = |rule: &Rule| rule.header.copies.iter().find(|copy| copy.to == *name).cloned();
        let shape = |rule: &Rule| (copy(rule), rule.header.merge.contains(name), rule.muted.contains(name));
        let line = |rule: &Rule| rule.footprint.writes.get(name).copied();
        let (was_text, is_text) = (text(&old), text(&new));
        was_text != is_text
            || shape(was) != shape(is)
            || (how.lines && line(was) != line(is))
            || is_text.is_some_and(|text| whole_flow || changed.touches(&text))
    };
    let attributes = written().filter(differs).collect();
    Edit { scope: function("scope"), join: function("join"), attributes }
}

impl RuleSet {
    /// The set with rules that give these attributes and no others: by name of the rule. Rules that are not named give
    /// everything that they did.
    #[must_use]
    pub fn giving(&self, wanted: &BTreeMap<String, BTreeSet<AttributeName>>) -> RuleSet {
        let engine = host::engine(self);
        let mut set = self.clone();
        for rule in &mut set.rules {
            let narrowed = wanted.get(&rule.name).and_then(|wanted| narrowed(&engine, rule, wanted));
            *rule = narrowed.unwrap_or_else(|| rule.clone());
        }
        set
    }
}

/// A rule whose text lacks the other keys of `flow`: blanks stand in their place, so that lines stay what they are.
fn narrowed(engine: &rhai::Engine, rule: &Rule, wanted: &BTreeSet<AttributeName>) -> Option<Rule> {
    let parts = Parts::of(rule)?;
    let mut text = rule.source.text.clone();
    for (name, (range, _)) in parts.flow.iter().flat_map(|flow| &flow.entries) {
        if !wanted.contains(name) {
            text.replace_range(range.clone(), &blanks(text.get(range.clone())?));
        }
    }
    // The last first, for it may be made of those before it.
    for (name, range) in parts.flow.iter().flat_map(|flow| flow.variables.iter().rev()) {
        if !text.get(range.end..parts.end)?.contains(name.as_str()) {
            text.replace_range(range.clone(), &blanks(text.get(range.clone())?));
        }
    }
    let ast = engine.compile(text.as_str()).ok()?;
    let mut header = rule.header.clone();
    header.copies.retain(|copy| wanted.contains(&copy.to));
    let footprint = Arc::new(footprint::of(&footprint::functions(&ast), &header));
    let source = Arc::new(SourceText { path: rule.source.path.clone(), text });
    Some(Rule { header, footprint, source, ..rule.clone() })
}

/// As many bytes, and the same line breaks.
fn blanks(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = r##"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 1, copy: ["sn", "l"] };
fn scope(user) { user.mail != () }
fn flow(user) {
    let name = user.cn; // a comment
    #{
        a: lower(user.a), // another, with } and ,
        "b.c": `${user.b}, ${helper(user.c)}`,
        d: [name, #{ x: 1 }.x],
    }
}
private fn helper(text) { upper(text) }
"##;

    fn set(text: &str) -> RuleSet {
        let file = SourceText { path: "rules/rule.rhai".into(), text: text.into() };
        RuleSet::compile(vec![file], BTreeMap::new()).unwrap().0
    }

    fn check(replace: (&str, &str), lines: bool, scope: bool, attributes: &[&str]) {
        let (before, after) = (set(RULE), set(&RULE.replacen(replace.0, replace.1, 1)));
        let how = Circumstances { lines, another_day: false };
        let found = edit((&before, &before.rules()[0]), (&after, &after.rules()[0]), how);
        let names: Vec<&str> = found.attributes.iter().map(AttributeName::as_str).collect();
        assert_eq!((found.scope, names.as_slice()), (scope, attributes), "{replace:?}");
    }

    #[test]
    fn an_edit_is_as_small_as_it_is() {
        check(("lower", "upper"), false, false, &["a"]);
        check(("a comment", "a remark"), false, false, &[]);
        check(("// another, with } and ,", "\n"), false, false, &[]);
        check(("// another, with } and ,", "\n"), true, false, &["b.c", "d"]);
        check(("user.b", "user.e"), false, false, &["b.c"]);
        check(("upper(text)", "lower(text)"), false, false, &["b.c"]);
        check(("user.cn", "user.dn"), false, false, &["a", "b.c", "d"]);
        check(("user.mail", "user.cn"), false, true, &[]);
        check((", \"l\"", ""), false, false, &["l"]);
        check(("\"sn\"", "#{ l2: \"l\" }"), false, false, &["l2", "sn"]);
        check(("        d: [name, #{ x: 1 }.x],\n", ""), false, false, &["d"]);
    }

    #[test]
    fn helpers_of_one_name_are_told_apart_by_their_texts() {
        let text = RULE.replace("private fn helper", "private fn helper(a, b) { a + b }\nprivate fn helper");
        let (before, after) = (set(&text), set(&text.replace("a + b", "b + a")));
        let how = Circumstances { lines: false, another_day: false };
        let found = edit((&before, &before.rules()[0]), (&after, &after.rules()[0]), how);
        assert_eq!(found.attributes, [AttributeName::from("b.c")].into());
    }

    #[test]
    fn what_a_text_is_made_of_is_no_comment() {
        let text = RULE.replace("${user.b}, ", "${if user.b == () { `` } else { `https://x/${user.b}` }}, ");
        let (before, after) = (set(&text), set(&text.replace("x/${user.b}", "x/${user.cn}")));
        let how = Circumstances { lines: false, another_day: false };
        let found = edit((&before, &before.rules()[0]), (&after, &after.rules()[0]), how);
        assert!(found.attributes.contains(&"b.c".into()), "{found:?}");
    }

    #[test]
    fn a_narrowed_rule_gives_the_same_on_the_same_lines() {
        let whole = set(RULE);
        for name in ["a", "b.c", "d", "l"] {
            let wanted = BTreeSet::from([AttributeName::from(name)]);
            let narrow = whole.giving(&BTreeMap::from([("rule".to_owned(), wanted)]));
            let give = |set: &RuleSet| {
                let mut input = crate::rules::Input::default();
                for read in ["a", "b", "c", "cn", "l"] {
                    let value = crate::value::Value::Text(format!("The {read}"));
                    input.attributes.insert(read.into(), vec![value]);
                }
                let flows = host::Host::new(set).flow(&set.rules()[0], &Arc::new(input)).unwrap();
                flows.into_iter().filter(|flow| flow.attribute.as_str() == name).collect::<Vec<_>>()
            };
            assert_eq!(give(&narrow), give(&whole), "{name}");
            assert_eq!(narrow.rules()[0].footprint.writes.len(), 1, "{name}");
            let reads_name = narrow.rules()[0].footprint.flow.contains(&"cn".into());
            assert_eq!(reads_name, name == "d", "a variable goes with what it is for: {name}");
        }
    }

    #[test]
    fn what_cannot_be_taken_apart_counts_as_changed() {
        let text = RULE.replace("${user.b}, ", "${#\"}\"#}");
        let (before, after) = (set(&text), set(&text.replacen("lower", "upper", 1)));
        let how = Circumstances { lines: false, another_day: false };
        let found = edit((&before, &before.rules()[0]), (&after, &after.rules()[0]), how);
        assert_eq!(found.attributes.len(), 5);
    }
}
