//! YAML as configuration as code keeps it, and broken YAML.

use std::path::Path;

use expect_test::{Expect, expect};

use super::read_text;
use crate::entra_connect::export::{ConnectorKind, Direction, Export, FlowSource, Link, Merge};

fn read(text: &str) -> Export {
    read_text(text, Path::new("rules.yml")).unwrap().unwrap()
}

fn check_error(text: &str, expected: Expect) {
    let error = read_text(text, Path::new("rules.yml")).unwrap_err();
    expected.assert_eq(&format!("{error}\nhint: {}", error.hint.clone().unwrap_or_default()));
}

const SAMPLE: &str = r#"# rules of the forest
AADSyncRules:
  Items:
  - Name: 02 - In from AD - User Common
    Description: |-
      first line
      second line
    ConnectorName: contoso.com
    Direction: Inbound
    Disabled: true
    SourceObjectType: user
    TargetObjectType: person
    Precedence: 2
    LinkType: Join
    EnablePasswordSync: false
    ScopeFilter:
    - ScopeConditionList:
      - Attribute: employeeType
        ComparisonValue: "50"
        ComparisonOperator: GREATERTHAN_OR_EQUAL
      - Attribute: mail
        ComparisonValue: ''
        ComparisonOperator: ISNOTNULL
    JoinFilter:
    - JoinConditionList:
      - CSAttribute: sAMAccountName
        MVAttribute: accountName
        CaseSensitive: true
      - {CSAttribute: mail, MVAttribute: mail}
    AttributeFlowMappings:
    - Source: dn
      Destination: distinguishedName
      FlowType: Direct
      ExecuteOnce: false
      Expression:
      ValueMergeType: Update
    - Source: ''
      Destination: displayName
      FlowType: Expression
      Expression: |-

        IIF(IsNullOrEmpty([displayName]),
          [cn],[displayName])
      ValueMergeType: Replace
    - Source: A01
      Destination: forestNetBios
      FlowType: Constant
      ExecuteOnce: true
      ValueMergeType: MergeCaseInsensitive
    - Destination: domainFQDN
      FlowType: Expression
      Expression: '%Domain.FQDN%'
    - Destination: unicodePwd
      FlowType: Constant
      Source: Geheim-1
  - Name: Out to AAD - User Join
    ConnectorName: contoso.onmicrosoft.com - AAD
    IsStandardRule: true
    Disabled: true
  - Name: gone
    Ensure: Absent
    JoinFilter: []
"#;

#[test]
fn a_rule_is_read_whole() {
    let export = read(SAMPLE);
    let rule = export.rules.iter().find(|rule| !rule.by_reference).unwrap();
    assert_eq!((rule.name.as_str(), rule.place.line, rule.precedence), ("02 - In from AD - User Common", 4, 2));
    assert_eq!((rule.direction, rule.link, rule.disabled), (Direction::Inbound, Link::Join, true));
    assert_eq!((rule.directory_type.as_str(), rule.metaverse_type.as_str()), ("user", "person"));
    assert_eq!(rule.description, "first line\nsecond line");
    let scope: Vec<&str> = rule.scope.iter().flatten().map(|clause| clause.value.as_str()).collect();
    assert_eq!(scope, ["50", ""]);
    let joins: Vec<bool> = rule.joins.iter().flatten().map(|key| key.case_sensitive).collect();
    assert_eq!((rule.joins.len(), joins), (1, vec![true, false]));
}

#[test]
fn flows_have_lines_and_kinds() {
    let export = read(SAMPLE);
    let flows: Vec<_> = export.rules.iter().flat_map(|rule| &rule.flows).collect();
    let told: Vec<_> = flows.iter().map(|flow| (flow.place.line, flow.to.as_str(), flow.from.clone())).collect();
    let expression = "\nIIF(IsNullOrEmpty([displayName]),\n  [cn],[displayName])";
    assert_eq!(
        told,
        [
            (31, "distinguishedName", FlowSource::Direct("dn".into())),
            (42, "displayName", FlowSource::Expression(expression.into())),
            (45, "forestNetBios", FlowSource::Constant("A01".into())),
            (52, "domainFQDN", FlowSource::Expression("%Domain.FQDN%".into())),
            (53, "unicodePwd", FlowSource::Constant(String::new())),
        ]
    );
    assert!(flows.iter().all(|flow| flow.once == (flow.to == "forestNetBios")));
    assert_eq!(flows.get(2).unwrap().merge, Merge::MergeCaseInsensitive);
    assert!(!format!("{export:?}").contains("Geheim"));
}

#[test]
fn an_expression_has_the_line_of_its_first_character() {
    for (value, line) in [
        ("a", 6),
        ("\n      a", 7),
        ("|\n     a", 7),
        ("|-\n\n\n     a\n      b", 9),
        (">+  # folded\n     a", 7),
        ("|1\n\n     a", 8),
        ("'a'", 6),
        ("'\n     \n     a\n     b'", 8),
        ("\"\n     a\"", 7),
    ] {
        let head = "Items:\n- Name: In from AD - é\n  Direction: Inbound\n  AttributeFlowMappings:\n  - Destination: b\n    Expression: ";
        let export = read(&format!("{head}{value}\n"));
        assert_eq!(export.rules.first().unwrap().flows.first().unwrap().place.line, line, "{value}");
    }
}

#[test]
fn rules_that_ship_are_names() {
    let export = read(SAMPLE);
    let rule = export.rules.iter().find(|rule| rule.by_reference).unwrap();
    assert_eq!(
        (rule.name.as_str(), rule.direction, rule.disabled),
        ("Out to AAD - User Join", Direction::Outbound, true)
    );
    let connectors: Vec<_> = export.connectors.iter().map(|c| (c.id.as_str(), c.name.as_str(), &c.kind)).collect();
    let cloud = "contoso.onmicrosoft.com - AAD";
    assert_eq!(
        connectors,
        [("contoso.com", "contoso.com", &ConnectorKind::ActiveDirectory), (cloud, cloud, &ConnectorKind::Entra),]
    );
}

#[test]
fn what_is_left_out_is_remarked_on() {
    let remarks: Vec<String> =
        read(SAMPLE).remarks.iter().map(|remark| format!("{}: {}", remark.place.line, remark.text)).collect();
    expect![[r#"
        53: the flow to `unicodePwd` of the rule `02 - In from AD - User Common` holds a password, which is left out
        60: the rule `gone` has `Ensure: Absent` and is left out"#]]
    .assert_eq(&remarks.join("\n"));
}

#[test]
fn documents_and_lists_at_the_top_are_read() {
    let rule = |name: &str| {
        format!(
            "Items:\n- Name: {name}\n  ConnectorName: x\n  Direction: Inbound\n  LinkType: Join\n  Precedence: 1\n  JoinFilter: []\n"
        )
    };
    let export = read(&format!("---\n{}---\n{}", rule("a"), rule("b")));
    let told: Vec<_> = export.rules.iter().map(|rule| (rule.name.as_str(), rule.place.line)).collect();
    assert_eq!(told, [("a", 3), ("b", 11)]);
    assert_eq!(export.remarks, Vec::new());
}

#[test]
fn aliases_and_merges_are_followed() {
    let export = read(
        "Items:
- &first
  Name: a
  ConnectorName: x
  Direction: Outbound
  LinkType: Join
  Precedence: 1
  AttributeFlowMappings: &flows
  - {Source: mail, Destination: mail, FlowType: Direct}
- <<: *first
  Name: b
  AttributeFlowMappings: *flows
",
    );
    let told: Vec<_> = export.rules.iter().map(|rule| (rule.name.as_str(), rule.direction, rule.flows.len())).collect();
    assert_eq!(told, [("a", Direction::Outbound, 1), ("b", Direction::Outbound, 1)]);
}

#[test]
fn a_bomb_of_aliases_does_no_harm() {
    let mut text = String::from("a0: &a0 [JoinFilter, Items]\n");
    for n in 1..30 {
        let before = format!("*a{}, ", n - 1).repeat(9);
        text.push_str(&format!("a{n}: &a{n} [{before}]\n"));
    }
    check_error(
        &text,
        expect![[r#"
        rules.yml:7: the aliases of this file repeat too much
        hint: check the indentation and the quotes of the lines above it"#]],
    );
    check_error(
        "Items: &a [JoinFilter, *a]\n",
        expect![[r#"
        rules.yml:1: an alias stands inside what it names, or names nothing
        hint: check the indentation and the quotes of the lines above it"#]],
    );
    let deep = format!("Items: {}JoinFilter", "[".repeat(10_000));
    check_error(
        &deep,
        expect![[r#"
        rules.yml:1: this is not YAML: recursion limit exceeded
        hint: check the indentation and the quotes of the lines above it"#]],
    );
}

#[test]
fn other_files_are_none_of_ours() {
    for text in [
        "",
        "a: 1",
        "Items:\n- Name: a\n",
        "Items: [{Name: attribute, Type: JoinFilter}]",
        "Items: JoinFilter",
        "[broken",
    ] {
        assert!(read_text(text, Path::new("other.yml")).unwrap().is_none(), "{text}");
    }
}

#[test]
fn what_is_broken_is_told_with_its_line() {
    check_error(
        "Items:\n- Name: a\n  JoinFilter: [\n",
        expect![[r#"
        rules.yml:4: this is not YAML: while parsing a node, did not find expected node content
        hint: check the indentation and the quotes of the lines above it"#]],
    );
    check_error(
        "Items:\n- Name: 'a\n  JoinFilter: []\n",
        expect![[r#"
        rules.yml:2: this is not YAML: invalid indentation in quoted scalar
        hint: check the indentation and the quotes of the lines above it"#]],
    );
    check_error(
        "Items:\n- Name: a\n  JoinFilter: []\n Direction: Inbound\n",
        expect![[r#"
        rules.yml:4: this is not YAML: while parsing a block mapping, did not find expected key
        hint: check the indentation and the quotes of the lines above it"#]],
    );
    check_error(
        "Items:\n- ConnectorName: x\n  JoinFilter: []\n",
        expect![[r#"
        rules.yml:2: an item has no `Name`, but `ConnectorName`, `JoinFilter`
        hint: give the rule a `Name`"#]],
    );
    check_error(
        "Items:\n- Name: a\n  JoinFilter: mail\n",
        expect![[r#"
        rules.yml:3: `JoinFilter` is a single value, not a list
        hint: begin each of its entries with `- `"#]],
    );
    check_error(
        "Items:\n- Name: a\n  ScopeFilter:\n  - ScopeConditionList:\n    - Attribute: mail\n",
        expect![[r#"
        rules.yml:5: `ComparisonOperator` is missing; found are `Attribute`
        hint: give it a `ComparisonOperator`"#]],
    );
    check_error(
        "Items:\n- Name: a\n  ScopeFilter:\n  - Conditions: []\n",
        expect![[r#"
        rules.yml:2: the rule `a` has a group without conditions
        hint: fill `ScopeConditionList` or `JoinConditionList`, or take the group away"#]],
    );
    check_error(
        "Items:\n- Name: a\n  AttributeFlowMappings:\n  - Source: mail\n",
        expect![[r#"
        rules.yml:4: `Destination` is missing; found are `Source`
        hint: give it a `Destination`"#]],
    );
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_much(text in "(Items|JoinFilter|AttributeFlowMappings|Name|[-:?{}\\[\\],&*!|>'\"%@`# \n]|  |[a-z0-9]|é){0,60}") {
        let _ = read_text(&format!("Items:\n- JoinFilter: []\n{text}"), Path::new("rules.yml"));
    }
}
