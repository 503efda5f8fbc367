//! What engineers who come from Entra Connect rely on, line by line of the list of tests that its documentation leads to.
//! Lines that need a real directory are in `tests/ldap` (an organizational unit that is renamed), `tests/safety.rs`
//! (imports with errors, anchors that change, limits), `tests/rules.rs` (default rules), `tests/topologies.rs` (linked
//! mailboxes) and the vocabulary's own tests.

#[cfg(test)]
#[path = "common/world.rs"]
mod world;

use expect_test::{Expect, expect};
use syncline::sync::ledger::View;
use syncline::value::{AttributeName, AttributeType, Kind};
use world::World;

const IN: &str = r#"
    const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 100, copy: ["title", "department", "phones"] };
    fn scope(user) { user.department != "Hidden" }
    fn join(user) { [ #{ id: user.id } ] }
    fn flow(user) { #{ id: user.id, number: user.number, mail: user.mail, manager: user.manager } }
"#;
const HR: &str = r#"
    const rule = #{ from: "hr/user", to: "metaverse/person", link: "join", precedence: 50, copy: ["title"] };
    fn join(user) { [ #{ mail: user.mail }, #{ number: user.number } ] }
"#;
const OUT: &str = r#"
    const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100, copy: ["title", "phones"] };
    fn scope(person) { person.department != "Filtered" }
    fn join(person) { [ #{ immutableId: exact(person.id) } ] }
    fn flow(person) { #{ immutableId: person.id, upn: person.id + "@x", manager: person.manager } }
"#;

fn world(rules: &[(&str, &str)]) -> World {
    World::new(rules)
}

fn check(world: &World, expected: Expect) {
    expected.assert_eq(&world.exports());
}

/// Everything as in most lines: one source that projects, another that joins, one target.
fn whole() -> World {
    world(&[("in", IN), ("hr", HR), ("out", OUT)])
}

#[test]
fn line_1_reverse_join_by_name_before_provisioning() {
    let out = OUT.replace("upn:", "dn: \"cn=\" + person.id, upn:");
    let mut world = world(&[("in", IN), ("out", &out)]);
    let text = AttributeType { kind: Kind::Text, multi: false, writable: true, max_length: None };
    let schemas = &mut world.targets.get_mut("entra").unwrap().schemas;
    schemas.get_mut("user").unwrap().attributes.insert("dn".into(), text);
    world.import("entra", "user e1 dn=cn=A1 upn=old@x");
    world.import("ad", "user u1 id=a1\nuser u2 id=a2").sync();
    let exports = world.exports();
    assert!(exports.contains("update a1@x") && exports.contains("create a2@x"), "{exports}");
}

#[test]
fn line_2_an_ambiguous_group_is_passed_over_for_a_unique_one() {
    let mut world = whole();
    world.import("ad", "user u1 id=a1 number=#1 mail=m@x\nuser u2 id=a2 number=#2 mail=m@x");
    world.import("hr", "user h1 number=#2 mail=m@x title=Chief").sync();
    assert!(world.exports().contains("create a2@x immutableId=a2 title=Chief upn=a2@x"), "{}", world.exports());
    assert_eq!(world.errors, Vec::<String>::new());
}

#[test]
fn line_3_what_is_joined_stays_so_when_the_criteria_no_longer_hold() {
    let mut world = whole();
    world.import("ad", "user u1 id=a1 number=#1").import("hr", "user h1 number=#1 title=Chief").sync().export().sync();
    world.import("hr", "user h1 number=#9 title=Boss").sync();
    check(&world, expect!["update a1@x title=Boss"]);
}

#[test]
fn line_4_leaving_the_scope_of_the_joining_rule_takes_everything_back() {
    let mut world = whole();
    world.import("ad", "user u1 id=a1 number=#1 title=Clerk");
    world.import("hr", "user h1 number=#1 title=Chief").sync().export().sync();
    let scoped = HR.replace("fn join", "fn scope(user) { user.department != \"Gone\" }\n    fn join");
    world.set_rules(&[("in", IN), ("hr", &scoped), ("out", OUT)]);
    world.import("hr", "user h1 number=#1 title=Chief department=Gone").sync();
    check(&world, expect!["update a1@x title=Clerk"]);
    world.import("ad", "user u1 id=a1 number=#1 title=Clerk department=Hidden").sync();
    check(&world, expect!["delete a1@x"]);
    assert_eq!(world.store.draft().all_metaverse(None, 10).unwrap(), []);
}

#[test]
fn line_5_two_joining_rules_in_scope_are_an_error_of_the_object_alone() {
    let other = HR.replace("precedence: 50", "precedence: 60");
    let mut world = world(&[("in", IN), ("hr", HR), ("hr-too", &other), ("out", OUT)]);
    world.import("ad", "user u1 id=a1 number=#1 title=Clerk").import("hr", "user h1 number=#1 title=Chief").sync();
    check(&world, expect!["create a1@x immutableId=a1 title=Clerk upn=a1@x"]);
    expect!["hr `h1`: `hr-too` and `hr` both join this object; only one rule with join criteria may be in scope"]
        .assert_eq(&world.errors.join("\n"));
}

#[test]
fn line_6_without_any_join_value_nobody_is_projected() {
    let mut world = whole();
    world.import("ad", "user u1 title=Clerk").sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 title=Clerk").sync();
    check(&world, expect!["create a1@x immutableId=a1 title=Clerk upn=a1@x"]);
}

#[test]
fn line_7_nothing_absent_and_keep_with_two_contributors() {
    let with = |title: &str| {
        HR.replace(", copy: [\"title\"]", "") + format!("fn flow(user) {{ #{{ title: {title} }} }}").as_str()
    };
    for (title, expected) in [
        // Nothing to say: the other one's value.
        ("()", expect!["create a1@x immutableId=a1 title=Clerk upn=a1@x"]),
        // There is none, whatever others say.
        ("absent()", expect!["create a1@x immutableId=a1 upn=a1@x"]),
        ("\"Boss\"", expect!["create a1@x immutableId=a1 title=Boss upn=a1@x"]),
    ] {
        let hr = with(title);
        let mut world = world(&[("in", IN), ("hr", &hr), ("out", OUT)]);
        world.import("ad", "user u1 id=a1 number=#1 title=Clerk").import("hr", "user h1 number=#1").sync();
        check(&world, expected);
    }
    // As if the flow were not there: what the target has stays.
    let out = OUT.replace("copy: [\"title\", \"phones\"]", "copy: [\"phones\"]").replace("upn:", "title: keep(), upn:");
    let mut world = world(&[("in", IN), ("out", &out)]);
    world.import("entra", "user e1 immutableId=a1 upn=a1@x title=Theirs");
    world.import("ad", "user u1 id=a1 title=Clerk").sync();
    check(&world, expect![""]);
}

#[test]
fn line_8_merging_and_replacing_in_one_attribute_is_an_error() {
    let hr = HR.replace(", copy: [\"title\"]", "") + "fn flow(user) { #{ phones: merge(user.phones) } }";
    let mut world = world(&[("in", IN), ("hr", &hr), ("out", OUT)]);
    world.import("ad", "user u1 id=a1 number=#1 phones=1").import("hr", "user h1 number=#1 phones=2").sync();
    assert_eq!(world.errors.len(), 1, "{:?}", world.errors);
    assert!(world.errors[0].contains("phones"), "{:?}", world.errors);
}

#[test]
fn line_9_what_is_given_once_survives_later_changes() {
    let out = OUT
        .replace("copy: [\"title\", \"phones\"]", "copy: [\"phones\"]")
        .replace("upn:", "title: once(person.title), upn:");
    let mut world = world(&[("in", IN), ("out", &out)]);
    world.import("ad", "user u1 id=a1 title=Clerk").sync();
    check(&world, expect!["create a1@x immutableId=a1 title=Clerk upn=a1@x"]);
    world.export().sync();
    world.import("ad", "user u1 id=a1 title=Boss").sync();
    check(&world, expect![""]);
}

#[test]
fn line_10_what_was_exported_and_not_seen_yet_is_no_imported_value() {
    let back = r#"
        const rule = #{ from: "entra/user", to: "metaverse/person", precedence: 300 };
        fn flow(user) { #{ expected: user.title, seen: imported(user.title) } }
    "#;
    let mut world = world(&[("in", IN), ("out", OUT), ("back", back)]);
    world.import("ad", "user u1 id=a1").sync().export().sync();
    world.import("ad", "user u1 id=a1 title=Clerk").sync();
    let told = |world: &World, name: &str| {
        let draft = world.store.draft();
        let person = draft.all_metaverse(None, 1).unwrap()[0];
        let person = draft.metaverse(person).unwrap().unwrap();
        person.contributions.get(&AttributeName::from(name)).map(|list| list[0].value.to_string())
    };
    world.import("entra", "user e-a1@x immutableId=a1 upn=a1@x phones=1").sync();
    assert_eq!((told(&world, "expected"), told(&world, "seen")), (Some("Clerk".into()), None));
    world.import("entra", "user e-a1@x immutableId=a1 upn=a1@x title=Clerk").sync();
    assert_eq!((told(&world, "expected"), told(&world, "seen")), (Some("Clerk".into()), Some("Clerk".into())));
}

#[test]
fn line_11_what_was_exported_and_comes_back_otherwise_is_sent_again() {
    let mut world = whole();
    world.import("ad", "user u1 id=a1 title=Clerk").sync().export().sync();
    world.import("entra", "user e-a1@x immutableId=a1 upn=a1@x title=Other").sync();
    check(&world, expect!["update a1@x title=Clerk"]);
}

#[test]
fn line_14_a_reference_to_who_is_not_imported_yet_arrives_without_the_referrer() {
    let mut world = whole();
    world.import("ad", "user u1 id=a1 manager=>u2").sync().export().sync();
    check(&world, expect![""]);
    world.import("ad", "user u2 id=a2").sync().export().sync();
    let draft = world.store.draft();
    let id = draft.find_object("entra", &"upn".into(), "a1@x", 2).unwrap()[0];
    let edges = draft.edges(id, &AttributeName::from("manager")).unwrap();
    assert_eq!(edges.iter().filter(|(_, edge)| edge.seen).count(), 1);
}

#[test]
fn line_15_who_cannot_be_written_stays_as_he_is_and_holds_up_nobody() {
    // Entra Connect stops at groups of 250,000 members: new ones are left out, old ones stay and are errors.
    let large =
        r#"title: if person.id == "a1" || person.id == "a3" { error("too large") } else { person.title }, upn:"#;
    let out = OUT.replace("copy: [\"title\", ", "copy: [");
    let mut world = world(&[("in", IN), ("out", &out)]);
    world.import("ad", "user u1 id=a1\nuser u2 id=a2").sync().export().sync();
    world.set_rules(&[("in", IN), ("out", &out.replace("upn:", large))]);
    world.import("ad", "user u3 id=a3\nuser u2 id=a2 title=Clerk").sync();
    check(&world, expect!["update a2@x title=Clerk"]);
    world.errors.sort();
    expect![[r#"
        person `4e1c058e-1e09-5ecd-9d3b-3724288d9db3`: out.rhai:5:101 (flow, `upn`): too large
        person `de48b666-af23-5c9a-9097-3a51149e5f72`: out.rhai:5:101 (flow, `upn`): too large"#]]
    .assert_eq(&world.errors.join("\n"));
}

#[test]
fn line_16_a_contact_that_becomes_a_user_is_deleted_and_created() {
    // Groups stand for contacts: another type of object in the target.
    let contacts = r#"
        const rule = #{ from: "metaverse/person", to: "entra/group", link: "provision", precedence: 100 };
        fn scope(person) { person.department == "Contact" }
        fn join(person) { [ #{ immutableId: exact(person.id) } ] }
        fn flow(person) { #{ immutableId: person.id, upn: person.id + "@contact" } }
    "#;
    let users = OUT.replace(r#"person.department != "Filtered""#, r#"person.department != "Contact""#);
    let mut world = world(&[("in", IN), ("contacts", contacts), ("out", &users)]);
    world.import("ad", "user u1 id=a1 department=Contact").sync().export().sync();
    world.import("ad", "user u1 id=a1 department=Staff").sync();
    check(
        &world,
        expect![[r#"
        create a1@x immutableId=a1 upn=a1@x
        delete a1@contact"#]],
    );
}

#[test]
fn line_19_who_is_filtered_is_deleted_in_the_target_and_stays_in_the_metaverse() {
    let mut world = whole();
    world.import("ad", "user u1 id=a1").sync().export().sync();
    world.import("ad", "user u1 id=a1 department=Filtered").sync();
    check(&world, expect!["delete a1@x"]);
    assert_eq!(world.store.draft().all_metaverse(None, 10).unwrap().len(), 1);
}

#[test]
fn line_20_who_was_in_the_target_before_us_is_not_touched_by_a_filter() {
    let mut world = whole();
    world.import("entra", "user e1 immutableId=a1 upn=a1@x");
    world.import("ad", "user u1 id=a1").sync();
    world.import("ad", "user u1 id=a1 department=Filtered").sync();
    check(&world, expect![""]);
}

#[test]
fn line_21_a_rule_that_is_switched_off_takes_its_contributions_along() {
    let mut world = whole();
    world.import("ad", "user u1 id=a1 number=#1 title=Clerk");
    world.import("hr", "user h1 number=#1 title=Chief").sync().export().sync();
    let off = HR.replace("precedence: 50", "precedence: 50, state: \"off\"");
    world.set_rules(&[("in", IN), ("hr", &off), ("out", OUT)]);
    world.sync();
    check(&world, expect!["update a1@x title=Clerk"]);
}

#[test]
fn line_22_arithmetic_has_the_usual_precedence_where_entra_connect_goes_from_left_to_right() {
    let sum = OUT.replace("upn:", "mail: to_text(2 + 3 * 4), upn:");
    let mut world = world(&[("in", IN), ("out", &sum)]);
    world.import("ad", "user u1 id=a1").sync();
    // From left to right it would be 20.
    check(&world, expect!["create a1@x immutableId=a1 mail=14 upn=a1@x"]);
}

#[test]
fn line_23_mid_beyond_the_end_gives_the_whole_text() {
    let mid = IN.replace("mail: user.mail", "mail: entra::Mid(user.mail, 9, 1)");
    let mut world = world(&[("in", &mid), ("out", &OUT.replace("upn:", "mail: person.mail, upn:"))]);
    world.import("ad", "user u1 id=a1 mail=a@x").sync();
    check(&world, expect!["create a1@x immutableId=a1 mail=a@x upn=a1@x"]);
}

#[test]
fn line_24_who_changes_type_is_somebody_else() {
    let contact = r#"
        const rule = #{ from: "ad/group", to: "metaverse/group", link: "project", precedence: 100 };
        fn flow(group) { #{ id: group.id } }
    "#;
    let mut world = world(&[("in", IN), ("contact", contact), ("out", OUT)]);
    world.import("ad", "user u1 id=a1").sync().export().sync();
    world.import("ad", "group u1 id=a1").sync();
    check(&world, expect!["delete a1@x"]);
    world.export().sync();
    world.import("ad", "user u1 id=a1").sync();
    check(&world, expect!["create a1@x immutableId=a1 upn=a1@x"]);
}
