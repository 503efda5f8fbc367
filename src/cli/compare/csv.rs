//! A comparison as a table for spreadsheets: one row a difference, one an object where there is nothing to compare.

use serde_json::Value as Json;

use super::wholes;
use crate::cli::plan::csv::written;
use crate::run::RunError;
use crate::run::compare::{Comparison, Different, DifferentValue, Whole};

const HEAD: [&str; 10] = ["kind", "type", "object", "id", "attribute", "there", "ours", "rule", "line", "reason"];

pub(super) fn table(comparison: &Comparison) -> Result<String, RunError> {
    let different = comparison.different.iter().flat_map(|object| object.values.iter().map(|value| row(object, value)));
    let wholes =
        wholes(comparison).into_iter().flat_map(|(kind, list)| list.iter().map(move |found| whole(kind, found)));
    let errors = comparison.errors.iter().map(|(name, why)| {
        let found = Whole { name: name.clone(), id: String::new(), object_type: String::new(), reason: why.clone() };
        whole("error", &found)
    });
    written(HEAD, different.chain(wholes).chain(errors))
}

fn row(object: &Different, value: &DifferentValue) -> [String; 10] {
    let (there, ours) = match value.references {
        Some(counts) => (names(counts.go, value.goes(), &value.there), names(counts.come, "would come", &value.ours)),
        None => (cell(&value.there), cell(&value.ours)),
    };
    let line = if value.line == 0 { String::new() } else { value.line.to_string() };
    let head = ["different", &object.object_type, &object.name, &object.id, &value.attribute].map(str::to_owned);
    let [kind, object_type, name, id, attribute] = head;
    [kind, object_type, name, id, attribute, there, ours, value.rule.clone(), line, value.held.clone()]
}

fn whole(kind: &str, found: &Whole) -> [String; 10] {
    let nothing = String::new;
    let [kind, object_type, name, id, reason] =
        [kind, &found.object_type, &found.name, &found.id, &found.reason].map(str::to_owned);
    [kind, object_type, name, id, nothing(), nothing(), nothing(), nothing(), nothing(), reason]
}

fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    }
}

fn names(count: usize, what: &str, names: &Json) -> String {
    let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    match (count, count > names.len()) {
        (0, _) => String::new(),
        (_, false) => format!("{count} {what}: {}", names.join(", ")),
        (_, true) => format!("{count} {what}: {}, …", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::compare::Counts;
    use serde_json::json;

    #[test]
    fn values_are_quoted_and_no_cell_is_a_formula() {
        let value = |there: Json, ours: Json| DifferentValue {
            attribute: "displayName".into(),
            rule: "out".into(),
            line: 7,
            there,
            ours,
            ..DifferentValue::default()
        };
        let members = DifferentValue {
            attribute: "members".into(),
            references: Some(Counts { go: 0, come: 3 }),
            ours: json!(["Ada", "Bob"]),
            ..value(Json::Null, Json::Null)
        };
        let values =
            vec![value(json!("=1+1"), json!("Roe, \"Zoe\"\nA")), value(Json::Null, json!(["a", "b"])), members];
        let object = Different { name: "+Zoe".into(), id: "1".into(), object_type: "user".into(), values };
        let comparison =
            Comparison { different: vec![object], errors: vec![("@Bob".into(), "-1".into())], ..Comparison::default() };
        let expected = "kind,type,object,id,attribute,there,ours,rule,line,reason\n\
                        different,user,'+Zoe,1,displayName,'=1+1,\"Roe, \"\"Zoe\"\"\nA\",out,7,\n\
                        different,user,'+Zoe,1,displayName,,\"[\"\"a\"\",\"\"b\"\"]\",out,7,\n\
                        different,user,'+Zoe,1,members,,\"3 would come: Ada, Bob, …\",out,7,\n\
                        error,,'@Bob,,,,,,,'-1\n";
        assert_eq!(table(&comparison).unwrap(), expected);
    }
}
