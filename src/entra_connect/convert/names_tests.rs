//! Rules that go before or after others.

use super::*;
use crate::entra_connect::export::Link;

fn rule(id: &str, precedence: i64, before: &str, after: &str) -> Rule {
    let named = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    Rule {
        id: id.to_owned(),
        name: format!("Rule {id}"),
        description: String::new(),
        tag: None,
        by_reference: false,
        direction: Direction::Inbound,
        disabled: false,
        connector: "ad".to_owned(),
        directory_type: "user".to_owned(),
        metaverse_type: "person".to_owned(),
        link: Link::Join,
        precedence,
        before: named(before),
        after: named(after),
        soft_delete: None,
        password_sync: false,
        scope: Vec::new(),
        joins: Vec::new(),
        flows: Vec::new(),
        place: Place::default(),
    }
}

fn order(rules: &[Rule]) -> (Vec<(String, i64)>, Vec<String>) {
    let (numbers, _, remarks) = precedences(rules);
    let mut order: Vec<(String, i64)> = numbers.into_iter().map(|(identity, number)| (identity.3, number)).collect();
    order.sort_by_key(|(_, number)| *number);
    (order, remarks)
}

#[test]
fn a_rule_may_go_before_one_that_goes_after_another() {
    let rules = [rule("c", 0, "b", ""), rule("b", 0, "", "a"), rule("a", 100, "", ""), rule("z", 101, "", "")];
    let (order, remarks) = order(&rules);
    let names: Vec<&str> = order.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.last(), Some(&"z"));
    let at = |name: &str| names.iter().position(|known| *known == name);
    assert!(at("c") < at("b") && at("a") < at("b"), "{order:?}");
    assert!(remarks.is_empty(), "{remarks:?}");
}

#[test]
fn who_waits_for_nobody_or_for_itself_is_remarked_on() {
    let rules = [rule("a", 100, "", ""), rule("b", 0, "c", ""), rule("c", 0, "", "b"), rule("d", 0, "gone", "")];
    let (order, remarks) = order(&rules);
    assert_eq!(order.len(), 4);
    assert_eq!(remarks.len(), 3, "{remarks:?}");
    assert!(remarks[0].contains("`Rule b`") && remarks[0].contains("`Rule c`, which goes"), "{remarks:?}");
    assert!(remarks[2].contains("a rule that the export does not have"), "{remarks:?}");
}

#[test]
fn rules_that_stand_in_are_moved_apart_with_the_others() {
    assert_eq!(
        moved_apart("#{\n    precedence: 116,\n    name: 1,\n}\n"),
        "#{\n    precedence: 1160,\n    name: 1,\n}\n"
    );
    let (numbers, moved, remarks) = precedences(&[rule("a", 100, "", "")]);
    assert!(numbers.is_empty() && !moved && remarks.is_empty());
}
