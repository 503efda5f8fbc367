//! The table is complete, every example holds, and the dialect means what it says.

use std::collections::BTreeSet;

use rhai::{Dynamic, Engine, EvalAltResult};

use super::*;

/// What an expression gives, to the letter: a kind and a value, or the message of an error.
fn outcome(engine: &Engine, expression: &str) -> String {
    outcome_in(engine, &mut rhai::Scope::new(), expression)
}

fn outcome_in(engine: &Engine, scope: &mut rhai::Scope<'_>, expression: &str) -> String {
    match engine.eval_with_scope::<Dynamic>(scope, expression) {
        Ok(value) => format!("{}: {value:?}", value.type_name()),
        Err(error) => match *error {
            EvalAltResult::ErrorRuntime(message, _) => format!("error: {message}"),
            other => format!("failure: {other}"),
        },
    }
}

#[track_caller]
fn check(examples: &[(&str, &str)]) {
    let engine = engine();
    for (expression, expected) in examples {
        let got = outcome(&engine, expression);
        assert_eq!(got, outcome(&engine, expected), "`{expression}`");
        assert!(!got.starts_with("failure"), "`{expression}`: {got}");
    }
}

#[test]
fn examples_hold() {
    for function in all() {
        check(function.examples);
    }
}

#[test]
fn every_function_is_documented_and_shown() {
    let mut names = BTreeSet::new();
    for function in all() {
        let name = function.name;
        assert!(names.insert(name), "`{name}` is there twice");
        assert!(function.signature.starts_with(&format!("{name}(")), "signature of `{name}`");
        assert!(function.doc.ends_with('.') && !function.doc.contains('\n'), "doc of `{name}`");
        let shown = function.examples.iter().filter(|(expression, _)| expression.contains(&format!("{name}("))).count();
        assert!(shown > 0, "`{name}` has no example");
    }
    let groups: BTreeSet<Group> = all().map(|function| function.group).collect();
    assert_eq!(groups, BTreeSet::from(Group::ALL));
}

#[test]
fn every_function_has_a_word_about_nothing() {
    for function in all().filter(|function| function.name != "error") {
        let shown = function.examples.iter().any(|(expression, _)| expression.contains("()"));
        assert!(shown, "`{}` has no example with `()`", function.name);
    }
}

/// The documented examples of Entra Connect's functions, and ours.
#[test]
fn examples_of_entra_hold() {
    let engine = engine();
    let mut scope = rhai::Scope::new();
    scope.push_constant("certificate", entra::EXAMPLE_CERTIFICATE);
    for function in entra::all() {
        for (expression, expected) in function.documented.iter().chain(function.examples) {
            moment::begin(1_700_000_000, uuid::Uuid::from_u128(7));
            let got = outcome_in(&engine, &mut scope, expression);
            assert_eq!(got, outcome_in(&engine, &mut scope, expected), "`{expression}`");
            assert!(!got.starts_with("failure"), "`{expression}`: {got}");
        }
    }
}

#[test]
fn the_functions_of_entra_are_all_there_and_shown() {
    let mut names = BTreeSet::new();
    for function in entra::all() {
        let name = function.name;
        assert!(names.insert(name), "`{name}` is there twice");
        assert!(function.signature.starts_with(&format!("{name}(")), "signature of `{name}`");
        for text in [function.doc, function.differs] {
            assert!(text.is_empty() || text.ends_with('.') && !text.contains('\n'), "text of `{name}`: {text}");
        }
        let mut shown = function.examples.iter().filter(|(expression, _)| expression.contains(&format!("::{name}(")));
        assert!(shown.next().is_some(), "`{name}` has no example");
        let mut all = function.documented.iter().chain(function.examples);
        assert!(all.any(|(expression, _)| expression.contains("()")), "`{name}` and nothing");
    }
    let count = |unlisted: bool| {
        entra::all().filter(|function| (function.group == entra::EntraGroup::Unlisted) == unlisted).count()
    };
    // Two of the four that are not in the reference need the object: `imported(user.x)` and `count(user.x)`.
    assert_eq!((count(false), count(true), entra::INSTEAD.len()), (85, 2, 2));
}

#[test]
fn what_looks_random_follows_from_the_object() {
    let engine = engine();
    let draw = |object: u128| {
        moment::begin(0, uuid::Uuid::from_u128(object));
        outcome(&engine, "[entra::Guid(), entra::Guid(), entra::RandomNum(1, 1000000)]")
    };
    let first = draw(1);
    assert_eq!(first, draw(1));
    assert_ne!(first, draw(2));
    let pieces: BTreeSet<&str> = first.split('"').collect();
    assert!(pieces.len() > 3, "two GUIDs of one evaluation are the same: {first}");
}

#[test]
fn comparison_ignores_case_and_kinds() {
    check(&[
        (r#""Straße" == "STRAßE""#, "true"),
        (r#""Ö" == "ö""#, "true"),
        (r#""a" != "A""#, "false"),
        (r#""a" < "B""#, "true"),
        (r#""b" > "A""#, "true"),
        (r#""a" in ["A", "b"]"#, "true"),
        (r#""a" !in ["B"]"#, "true"),
        ("!(1 == 1)", "false"),
        ("let n = 5; -n + 6", "1"),
        ("2 in [1, 2]", "true"),
        (r#""EN" in "Ben""#, "true"),
        (r#"() == "x""#, "false"),
        (r#"() != "x""#, "true"),
        (r#""x" == ()"#, "false"),
        ("() == ()", "true"),
        ("() == 5", "false"),
        (r#""5" == 5"#, "false"),
        (r#"["a", "b"] == ["B", "A"]"#, "true"),
        (r#"["a"] != ["A"]"#, "false"),
        (r#"["a", "a"] == ["a", "b"]"#, "false"),
        (r#"() ?? "x""#, r#""x""#),
        (r#"exact("A") in ["a"]"#, "false"),
    ]);
}

#[test]
fn numbers_that_are_not_there_are_errors() {
    let engine = engine();
    for expression in ["() < 5", "5 >= ()", "() & 2", "() + 1", "has_flag((), 2)", "clear_flag((), 2)"] {
        let got = outcome(&engine, expression);
        assert!(got.starts_with("error") && got.ends_with("the attribute is not there"), "`{expression}`: {got}");
    }
    for expression in ["if () { 1 }", "!()", "() || true", r#"let s = "a"; s += (); s"#] {
        assert!(engine.eval::<Dynamic>(expression).is_err(), "`{expression}`");
    }
}

#[test]
fn text_with_nothing_is_nothing() {
    check(&[
        (r#""Roe" + ()"#, "()"),
        (r#"() + "@" + "contoso.com""#, "()"),
        (r#"() + "@" ?? "none""#, r#""none""#),
        (r#""emp" + 5"#, r#""emp5""#),
    ]);
}

/// An object as the host hands it out: read through a getter, with nothing to write back to.
#[derive(Clone)]
struct User;

#[test]
fn a_method_is_the_function_and_changes_nothing() {
    let mut engine = engine();
    engine.register_type::<User>();
    engine.register_indexer_get(|_: &mut User, name: &str| -> Dynamic {
        match name {
            "sn" => " Roe ".into(),
            "proxyAddresses" => Dynamic::from_array(vec!["smtp:a".into(), "SMTP:b".into()]),
            _ => Dynamic::UNIT,
        }
    });
    let mut scope = rhai::Scope::new();
    scope.push_constant("user", User);
    let mut eval = |script: &str| engine.eval_with_scope::<Dynamic>(&mut scope, script).map(|value| value.to_string());
    for (script, expected) in [
        ("user.sn.trim()", "Roe"),
        (r#"user.sn.trim().upper().replace("O", "0")"#, "R0E"),
        ("user.sn.trim(); user.sn", " Roe "),
        ("user.nothing.trim()", ""),
        (r#"user.sn.contains("ro")"#, "true"),
        ("user.proxyAddresses.first()", "smtp:a"),
        (r#"user.proxyAddresses.filter(|a| starts_with(a, "SMTP:")).length()"#, "2"),
        (r#"let found = []; for a in user.proxyAddresses { found += after(a, ":"); } join(found, "")"#, "ab"),
        ("let all = user.proxyAddresses; all += [\"x\"]; length(all)", "3"),
    ] {
        match eval(script) {
            Ok(got) => assert_eq!(got, expected, "`{script}`"),
            Err(error) => panic!("`{script}`: {error}"),
        }
    }
    for script in ["user.sn.make_upper()", r#"user.proxyAddresses.push("x")"#, "user.sn.clear()", "user.sn.pop()"] {
        assert!(eval(script).is_err(), "`{script}` must not pass in silence");
    }
}

/// `shapes.rs` reads from the signatures that these work on each of a list.
#[test]
fn text_functions_take_lists() {
    let engine = engine();
    let gives_text = |function: &&Function| {
        let (takes, gives) = function.signature.split_once(" -> ").unwrap_or_default();
        gives == "text" && (takes.contains("(text,") || takes.contains("(text)"))
    };
    let mut tried = 0;
    for function in all().filter(gives_text) {
        let listed = function.examples.iter().find_map(|(expression, _)| {
            let (first, rest) = expression.strip_prefix(&format!("{}(\"", function.name))?.split_once('"')?;
            Some(format!("{}([\"{first}\", \"{first}2\"]{rest}", function.name))
        });
        let Some(listed) = listed else { continue };
        let got = outcome(&engine, &listed);
        assert!(got.starts_with("array") || got.starts_with("()"), "`{listed}`: {got}");
        tried += 1;
    }
    assert!(tried > 20, "only {tried} were tried");
}
