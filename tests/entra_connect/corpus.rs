//! Expressions that are known from elsewhere, each with what it gives.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use syncline::entra_connect::FlowOutcome;

use crate::engine::{answers, converted, imported, is_boolean, is_list, parameters, plain};
use crate::oracle::{self, Object};

/// Real data, where it is there. Where it is not, the test that asks for it says that it was not run.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/entra-connect-config").join(name);
    if path.exists() {
        return Some(path);
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past what the harness keeps back of tests that pass.
    let _ = writeln!(std::io::stderr(), "{test}: NOT RUN, for there is no {}", path.display());
    None
}

/// What the converter makes of every expression of the corpus, and what it gives for an object that has nothing, beside
/// what the evaluator gives.
#[test]
fn every_known_expression_is_read_and_those_with_a_result_give_it() {
    let Some(path) = shared("expressions.jsonl") else { return };
    let (mut parsed, mut agreed, mut by_hand) = (0, 0, Vec::new());
    let mut wrong = Vec::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let expression = row["expression"].as_str().unwrap();
        let conversion = converted(expression);
        let outcome = &conversion.rules[0].flows[0].outcome;
        let is_read = !matches!(outcome, FlowOutcome::ByHand(problem) if problem.code == "E602");
        assert_eq!(is_read, row["parses"] == true, "{expression}: {outcome:?}");
        parsed += usize::from(is_read);
        if let FlowOutcome::ByHand(problem) = outcome {
            by_hand.push(format!("{expression}: {}", problem.message));
            continue;
        }
        let mut cases: Vec<(Json, Option<Json>)> = Vec::new();
        cases
            .extend(row["cases"].as_array().into_iter().flatten().map(|case| (case[0].clone(), Some(case[1].clone()))));
        if cases.is_empty() {
            cases.push((row["inputs"].clone(), row.get("expect").cloned()));
        }
        for (inputs, expected) in cases {
            let object = object_of(&inputs);
            let shown = imported(1, &object.attributes);
            let ours = answers(&conversion, &[shown], &object.parameters).remove(0);
            let theirs = match &expected {
                Some(expected) => Ok(value_of(expected)),
                None => oracle::parse(expression).and_then(|expr| oracle::evaluate(&expr, &object)),
            };
            let agree = match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => ours.iter().map(ToString::to_string).collect::<Vec<_>>() == texts(theirs),
                (Err(_), Err(_)) => true,
                _ => false,
            };
            if !agree {
                wrong.push(format!("{expression}: {ours:?}, and not {theirs:?}"));
            }
            agreed += usize::from(agree && expected.is_some());
        }
    }
    println!("{parsed} are read, {agreed} give the documented result; by hand: {by_hand:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!((parsed, agreed, by_hand.len()) >= (152, 40, 1));
}

fn value_of(json: &Json) -> oracle::Value {
    match json {
        Json::String(text) => oracle::Value::Text(text.clone()),
        Json::Number(number) => oracle::Value::Int(number.as_i64().unwrap()),
        Json::Bool(truth) => oracle::Value::Bool(*truth),
        Json::Array(values) => oracle::Value::List(values.iter().map(value_of).collect()),
        Json::Null | Json::Object(_) => oracle::Value::Null,
    }
}

fn texts(value: &oracle::Value) -> Vec<String> {
    plain(value).iter().map(ToString::to_string).collect()
}

/// An object with the attributes and parameters of an example.
fn object_of(inputs: &Json) -> Object {
    let mut object = Object {
        attributes: BTreeMap::new(),
        imported: BTreeMap::new(),
        parameters: parameters(),
        counts: BTreeMap::new(),
        multi: is_list,
        booleans: is_boolean,
    };
    for (name, input) in inputs.as_object().into_iter().flatten() {
        match (name.strip_prefix('%').and_then(|name| name.strip_suffix('%')), input) {
            (Some(name), Json::String(text)) => {
                object.parameters.insert(name.to_owned(), text.clone());
            }
            _ => {
                object.attributes.insert(name.clone(), value_of(input));
            }
        }
    }
    object.imported = object.attributes.clone();
    object
        .attributes
        .entry("dn".to_owned())
        .or_insert_with(|| oracle::Value::Text("CN=Person 1,OU=Sales,DC=contoso,DC=com".to_owned()));
    object
}
