//! Policies as far as they are known, and shapes that are not.

use std::path::Path;

use expect_test::{Expect, expect};

use super::read_text;
use crate::entra_connect::export::{ConnectorKind, Direction, Export, FlowSource, Link, TENANT_CONNECTOR};

fn read(text: &str) -> Export {
    read_text(text, Path::new("policy.json")).unwrap().unwrap()
}

fn check_error(text: &str, expected: Expect) {
    let error = read_text(text, Path::new("policy.json")).unwrap_err();
    expected.assert_eq(&format!("{error}\nhint: {}", error.hint.clone().unwrap_or_default()));
}

/// A policy with one custom rule that has these keys too.
fn with_rule(keys: &str) -> String {
    format!(
        r#"{{"onpremisesDirectoryPolicy": [{{"fullyQualifiedDomainName": "contoso.com", "customSynchronizationRules": [
{{"name": "In - Own", "direction": "Inbound", "linkType": "Join", "precedence": 5, "disabled": false, {keys}}}]}}]}}"#
    )
}

const SAMPLE: &str = r#"{
  "onpremisesDirectoryPolicy": [
    {
      "UniqueIdentifier": "{AE4DB4CC-B16B-4EB2-ACF5-837CA84E4D7D}",
      "friendlyName": "contoso.com",
      "fullyQualifiedDomainName": "contoso.com",
      "partitionFilters": [
        {
          "distinguishedName": "DC=contoso,DC=com",
          "containerInclusions": ["OU=CORP,DC=contoso,DC=com"],
          "containerExclusions": ["DC=contoso,DC=com", "OU=Old \"A\",OU=CORP,DC=contoso,DC=com"]
        }
      ],
      "standardSynchronizationRules": [
        { "name": "In from AD - User Join", "uniqueIdentifier": "0b088913-b613-4d9d-9563-9988b7719ed6",
          "immutableTag": "Microsoft.InfromADUserJoin.003", "precedence": 100 }
      ],
      "customSynchronizationRules": [
        {
          "Name": "In from AD - Own",
          "description": null,
          "uniqueIdentifier": "1b088913-b613-4d9d-9563-9988b7719ed6",
          "internalIdentifier": "1b088913-b613-4d9d-9563-9988b7719ed6",
          "direction": "Inbound", "source": "user", "target": "person",
          "linkType": "Provision", "precedence": 50,
          "scopeFilters": [
            [ { "attribute": "mail", "condition": "ISNOTNULL", "value": "" },
              { "attribute": "c", "condition": "EQUAL", "value": "DE" } ],
            { "scopeConditions": [ { "attribute": "co", "condition": "EQUAL", "value": "x" } ] }
          ],
          "joinFilters": [ { "joinConditions": [ { "csAttribute": "mail", "mvAttribute": "mail", "caseSensitive": true } ] } ],
          "attributeMappings": [
            { "destination": "mail", "source": "mail" },
            { "destination": "accountEnabled", "source": ["userAccountControl"], "flowType": "Expression",
              "expression": "IIF([a]=\"\u00e9\",\n1,2)", "applyOnce": true },
            { "destination": "userPassword", "source": "Geheim-1", "flowType": "Constant" }
          ]
        }
      ]
    }
  ],
  "azureDirectoryPolicy": {
    "standardSynchronizationRules": [ { "name": "Out to AAD - User Join", "precedence": 110 } ],
    "customSynchronizationRules": []
  }
}"#;

#[test]
fn connectors_and_partitions_are_read() {
    let export = read(SAMPLE);
    let [forest, cloud] = export.connectors.as_slice() else { return assert_eq!(export.connectors.len(), 2) };
    assert_eq!((forest.id.as_str(), forest.name.as_str()), ("ae4db4cc-b16b-4eb2-acf5-837ca84e4d7d", "contoso.com"));
    let partition = forest.partitions.first().unwrap();
    assert_eq!(partition.includes, ["OU=CORP,DC=contoso,DC=com"]);
    assert_eq!(partition.excludes, ["DC=contoso,DC=com", "OU=Old \"A\",OU=CORP,DC=contoso,DC=com"]);
    assert_eq!((cloud.id.as_str(), &cloud.kind), (TENANT_CONNECTOR, &ConnectorKind::Entra));
}

#[test]
fn a_custom_rule_is_read_whole() {
    let export = read(SAMPLE);
    let rule = export.rules.iter().find(|rule| !rule.by_reference).unwrap();
    assert_eq!((rule.name.as_str(), rule.place.line, rule.precedence), ("In from AD - Own", 19, 50));
    assert_eq!(
        (rule.direction, rule.link, rule.directory_type.as_str()),
        (Direction::Inbound, Link::Provision, "user")
    );
    let scope: Vec<usize> = rule.scope.iter().map(Vec::len).collect();
    assert_eq!(scope, [2, 1]);
    assert!(rule.joins.iter().flatten().all(|key| key.case_sensitive));
    let flows: Vec<_> = rule.flows.iter().map(|flow| (flow.place.line, flow.once, flow.from.clone())).collect();
    assert_eq!(
        flows,
        [
            (33, false, FlowSource::Direct("mail".into())),
            (35, true, FlowSource::Expression("IIF([a]=\"é\",\n1,2)".into())),
            (36, false, FlowSource::Constant(String::new())),
        ]
    );
    assert!(!format!("{export:?}").contains("Geheim"));
}

#[test]
fn rules_that_ship_are_names() {
    let export = read(SAMPLE);
    let told: Vec<_> =
        export.rules.iter().filter(|rule| rule.by_reference).map(|rule| (rule.name.as_str(), rule.direction)).collect();
    assert_eq!(told, [("In from AD - User Join", Direction::Inbound), ("Out to AAD - User Join", Direction::Outbound)]);
}

#[test]
fn what_is_not_said_is_remarked_on() {
    let remarks: Vec<String> =
        read(SAMPLE).remarks.iter().map(|remark| format!("{}: {}", remark.place.line, remark.text)).collect();
    expect![[r#"
        36: the flow to `userPassword` of the rule `In from AD - Own` holds a password, which is left out
        19: custom rules, 1 in all, do not say whether they are switched off; they are taken for on
        33: flows, 1 in all, do not say whether they are direct or constant; they are taken for direct"#]]
    .assert_eq(&remarks.join("\n"));
}

#[test]
fn plain_lists_are_taken_with_a_remark() {
    let clause = r#"{"attribute": "a", "condition": "EQUAL", "value": "b"}"#;
    let pair = r#"{"csAttribute": "a", "mvAttribute": "b"}"#;
    let export = read(&with_rule(&format!(
        r#""scopeFilters": [{clause}, {clause}], "joinConditions": [{pair}, {pair}], "shade": 3"#
    )));
    let rule = export.rules.first().unwrap();
    assert_eq!((rule.scope.len(), rule.joins.len()), (1, 2));
    let remarks: Vec<&str> = export.remarks.iter().map(|remark| remark.text.as_str()).collect();
    expect![[r#"
        `shade` of the rule `In - Own` is not known and is left out
        the scope of the rule `In - Own` is a plain list of clauses; all of them must hold
        the joins of the rule `In - Own` are a plain list of pairs; each is tried by itself"#]]
    .assert_eq(&remarks.join("\n"));
}

#[test]
fn other_files_are_none_of_ours() {
    for text in ["", "{}", "[]", "{ broken", r#"{"a": "onpremisesDirectoryPolicy"}"#] {
        assert!(read_text(text, Path::new("other.json")).unwrap().is_none(), "{text}");
    }
}

#[test]
fn shapes_that_are_not_known_are_told_with_path_and_keys() {
    check_error(
        &with_rule(r#""attributeMappings": [{"destination": "a", "source": "b"}, {"to": "mail"}]"#),
        expect![[r#"
        policy.json:2: `onpremisesDirectoryPolicy[0].customSynchronizationRules[0].attributeMappings[1]` should be a mapping with `destination`; found are `to`
        hint: report the names of these keys, without their values, so that they can be read"#]],
    );
    check_error(
        &with_rule(r#""attributeMappings": [{"destination": "a", "formula": "b"}]"#),
        expect![[r#"
        policy.json:2: `onpremisesDirectoryPolicy[0].customSynchronizationRules[0].attributeMappings[0]` should be a mapping with keys that are known, which `formula` is not; found are `destination`, `formula`
        hint: report the names of these keys, without their values, so that they can be read"#]],
    );
    check_error(
        &with_rule(r#""attributeMappings": "none""#),
        expect![[r#"
        policy.json:2: `onpremisesDirectoryPolicy[0].customSynchronizationRules[0].attributeMappings` should be a list; found are no keys, but a single value
        hint: report the names of these keys, without their values, so that they can be read"#]],
    );
    check_error(
        &with_rule(r#""scopeFilters": [{"all": [{"attribute": "a"}]}]"#),
        expect![[r#"
        policy.json:2: `onpremisesDirectoryPolicy[0].customSynchronizationRules[0].scopeFilters[0]` should be groups of conditions; found are `all`
        hint: report the names of these keys, without their values, so that they can be read"#]],
    );
    check_error(
        &with_rule(r#""scopeFilters": [[{"attribute": "a", "is": "b"}]]"#),
        expect![[r#"
        policy.json:2: `onpremisesDirectoryPolicy[0].customSynchronizationRules[0].scopeFilters[0][0]` should be clauses of `attribute`, `condition` and `value`; found are `attribute`, `is`
        hint: report the names of these keys, without their values, so that they can be read"#]],
    );
    check_error(
        &with_rule(r#""joinMatches": [{"a": "b"}]"#),
        expect![[r#"
        policy.json:2: `onpremisesDirectoryPolicy[0].customSynchronizationRules[0]` should be a rule with keys that are known, which `joinMatches` is not; found are `name`, `direction`, `linkType`, `precedence`, `disabled`, `joinMatches`
        hint: report the names of these keys, without their values, so that they can be read"#]],
    );
    check_error(
        r#"{"onpremisesDirectoryPolicy": [{"customSynchronizationRules": []}]}"#,
        expect![[r#"
        policy.json:1: `onpremisesDirectoryPolicy[0]` should be a directory with `uniqueIdentifier` or `fullyQualifiedDomainName`; found are `customSynchronizationRules`
        hint: report the names of these keys, without their values, so that they can be read"#]],
    );
    check_error(
        r#"{"onpremisesDirectoryPolicy": [{"friendlyName": "a", "customSynchronizationRules": [{"name": "b"}]}]}"#,
        expect![[r#"
        policy.json:1: `onpremisesDirectoryPolicy[0].customSynchronizationRules[0]` should be a rule with `direction` of `Inbound` or `Outbound`; found are `name`
        hint: report the names of these keys, without their values, so that they can be read"#]],
    );
}

#[test]
fn broken_json_is_told_with_its_line() {
    check_error(
        "{\n  \"onpremisesDirectoryPolicy\": [\n    { \"friendlyName\": }\n",
        expect![[r#"
        policy.json:3: this is not JSON: expected value at line 3 column 23
        hint: export the policy again, or undo what was changed by hand"#]],
    );
    let deep = format!("{{\"onpremisesDirectoryPolicy\": {}", "[".repeat(100_000) + "]".repeat(100_000).as_str() + "}");
    check_error(
        &deep,
        expect![[r#"
            policy.json:1: this is not JSON: recursion limit exceeded at line 1 column 157
            hint: export the policy again, or undo what was changed by hand"#]],
    );
}

proptest::proptest! {
    #[test]
    fn values_are_read_as_the_library_reads_them(words in proptest::collection::vec("[a-z\"\\\\\n,:{}\u{e9}]{0,6}", 0..6)) {
        let value = serde_json::json!({ "onpremisesDirectoryPolicy": [], "words": words });
        let node = super::json::load(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
        let read: Vec<_> = node.get("words").unwrap().list().unwrap().iter().map(|item| item.scalar().unwrap().to_owned()).collect();
        proptest::prop_assert_eq!(read, words);
    }
}
