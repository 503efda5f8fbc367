//! What synchronisation means, by example: small worlds, one behaviour each.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

#[cfg(test)]
#[path = "common/world.rs"]
mod world;

use expect_test::{Expect, expect};
use syncline::connector_space::ExportState;
use syncline::sync::ledger::{Ledger, View};
use world::World;

const IN_USER: &str = r#"
    const rule = #{ from: ["ad/user", "hr/user"], to: "metaverse/person", link: "project", precedence: 100,
                    copy: ["title", "department"], trim: [#{ displayName: "name" }] };
    fn scope(user) { user.department != "Hidden" }
    fn join(user) { [ #{ id: user.id }, #{ number: user.number }, #{ mail: user.mail } ] }
    fn flow(user) { #{ id: user.id, number: user.number, mail: lower(user.mail), enabled: user.enabled,
                       manager: user.manager, phones: user.phones } }
"#;
const IN_GROUP: &str = r#"
    const rule = #{ from: "ad/group", to: "metaverse/group", link: "project", precedence: 100, trim: [#{ displayName: "name" }] };
    fn flow(group) { #{ id: group.id, member: group.member } }
"#;
const OUT_USER: &str = r#"
    const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100, copy: ["displayName", "mail", "title"] };
    fn scope(person) { person.department != "Local" }
    fn join(person) { [ #{ immutableId: exact(person.id) } ] }
    fn flow(person) { #{ immutableId: person.id, upn: person.id + "@x", accountEnabled: person.enabled, manager: person.manager, phones: person.phones } }
"#;
const OUT_GROUP: &str = r#"
    const rule = #{ from: "metaverse/group", to: "entra/group", link: "provision", precedence: 100, copy: ["displayName"] };
    fn join(group) { [ #{ immutableId: exact(group.id) } ] }
    fn flow(group) { #{ immutableId: group.id, upn: group.id + "@x", members: group.member } }
"#;
const RULES: [(&str, &str); 4] =
    [("in-user", IN_USER), ("in-group", IN_GROUP), ("out-user", OUT_USER), ("out-group", OUT_GROUP)];

fn check(world: &World, expected: Expect) {
    expected.assert_eq(&world.exports());
}

#[test]
fn a_person_is_projected_provisioned_and_then_left_alone() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1 name=_Ada_ mail=ADA@x enabled=#true").sync();
    check(&world, expect!["create a1@x accountEnabled=true displayName=Ada immutableId=a1 mail=ada@x upn=a1@x"]);
    world.export().sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 name=_Ada_ mail=ADA@x enabled=#true").sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 name=Ada_L mail=ADA@x enabled=#true").sync();
    check(&world, expect!["update a1@x displayName=Ada L"]);
    world.export().sync();
    world.import("ad", "user u1 id=a1 mail=ADA@x enabled=#false").sync();
    check(&world, expect!["update a1@x accountEnabled=false displayName="]);
}

#[test]
fn leaving_the_outbound_scope_deletes_only_what_we_made() {
    let mut world = World::new(&RULES);
    world.import("entra", "user e9 immutableId=a2 upn=a2@x displayName=Old");
    world.import("ad", "user u1 id=a1 name=Ada\nuser u2 id=a2 name=Bob").sync();
    check(
        &world,
        expect![[r#"
            create a1@x displayName=Ada immutableId=a1 upn=a1@x
            update a2@x displayName=Bob"#]],
    );
    world.export().sync();
    world.import("ad", "user u1 id=a1 name=Ada department=Local\nuser u2 id=a2 name=Bob department=Local").sync();
    check(&world, expect!["delete a1@x"]);
    world.import("ad", "user u1 id=a1 name=Ada").sync();
    check(&world, expect![""]);
}

#[test]
fn a_deleted_source_deletes_its_target_and_an_unsent_creation_just_goes() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1\nuser u2 id=a2").sync().export().sync();
    world.import("ad", "user u3 id=a3").sync();
    world.delete("ad", "u1").delete("ad", "u3").sync();
    check(&world, expect!["delete a1@x"]);
    world.export().sync();
    check(&world, expect![""]);
}

#[test]
fn an_error_in_scope_keeps_everything_as_it_is() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1 name=Ada").sync().export().sync();
    let broken = IN_USER.replace(r#"user.department != "Hidden""#, r#"has_flag(user.number, 2)"#);
    world.set_rules(&[("in-user", &broken), ("out-user", OUT_USER)]);
    world.sync();
    check(&world, expect![""]);
    expect!["ad `u1`: in-user.rhai:4:22 (scope): `has_flag` needs a number, but the attribute is not there"]
        .assert_eq(&world.errors.join("\n"));
}

#[test]
fn an_error_of_entra_fails_the_object_only_where_it_is_the_result() {
    let rule = IN_USER.replace(
        "mail: lower(user.mail)",
        r#"mail: entra::IIF(entra::IsPresent(user.mail), user.mail, entra::Error("no mail"))"#,
    );
    let mut world = World::new(&[("in-user", &rule), ("out-user", OUT_USER)]);
    world.import("ad", "user u1 id=a1 name=Ada mail=a@x").import("ad", "user u2 id=a2 name=Bob").sync();
    check(&world, expect!["create a1@x displayName=Ada immutableId=a1 mail=a@x upn=a1@x"]);
    expect!["ad `u2`: in-user.rhai (flow, `mail`): no mail"].assert_eq(&world.errors.join("\n"));
}

#[test]
fn what_looks_random_stays_the_same_for_an_object() {
    let rule = IN_USER.replace("mail: lower(user.mail)", "mail: entra::Guid()");
    let mut world = World::new(&[("in-user", &rule), ("out-user", OUT_USER)]);
    world.import("ad", "user u1 id=a1 name=Ada").sync().export().sync();
    world.import("ad", "user u1 id=a1 name=Ada_L").sync();
    check(&world, expect!["update a1@x displayName=Ada L"]);
}

#[test]
fn a_unique_name_is_the_first_free_one_and_stays() {
    let rule = IN_USER.replace("enabled: user.enabled", "enabled: user.enabled, upn: unique(numbered(user.name, 3))");
    let out = OUT_USER.replace(r#"upn: person.id + "@x""#, r#"upn: person.upn + "@x""#);
    let mut world = World::new(&[("in-user", &rule), ("out-user", &out)]);
    world.import("ad", "user u1 id=a1 name=ada\nuser u2 id=a2 name=Ada\nuser u3 id=a3 name=bob").sync();
    let upns = |world: &World| {
        let names = world.exports();
        let mut names: Vec<String> =
            names.split_whitespace().filter_map(|word| word.strip_prefix("upn=")).map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    // Which of the two is first follows from their ids; nobody has a name twice, whatever its letters' case.
    expect!["Ada2@x ada@x bob@x"].assert_eq(&upns(&world));
    world.export().sync();
    // Another name at the source is no reason to take away the decided one.
    world.import("ad", "user u3 id=a3 name=ada").sync();
    expect![""].assert_eq(&upns(&world));
    world.import("ad", "user u4 id=a4 name=ADA\nuser u5 id=a5 name=ada").sync();
    expect!["ada3@x"].assert_eq(&upns(&world));
    expect!["ad `u4`: attribute `upn` (in-user.rhai): somebody else has each of ADA, ADA2, ADA3"]
        .assert_eq(&world.errors.join("\n"));
    // A name that is free again can be taken.
    world.delete("ad", "u1").sync();
    world.sync();
    expect!["ADA@x ada3@x"].assert_eq(&upns(&world));
}

#[test]
fn members_wait_for_their_counterparts_and_move_edge_by_edge() {
    let mut world = World::new(&RULES);
    world.import("ad", "group g1 id=g name=Staff member=>u1,u2,u9").sync();
    check(&world, expect!["create g@x displayName=Staff immutableId=g upn=g@x"]);
    world.import("ad", "user u1 id=a1 manager=>u2\nuser u2 id=a2").sync();
    check(
        &world,
        expect![[r#"
            create a1@x immutableId=a1 upn=a1@x
            create a2@x immutableId=a2 upn=a2@x
            create g@x displayName=Staff immutableId=g upn=g@x
            manager a1@x +a2@x
            members g@x +a1@x
            members g@x +a2@x"#]],
    );
    world.export().sync();
    check(&world, expect![""]);
    world.import("ad", "group g1 id=g name=Staff member=>u2,u3\nuser u3 id=a3").sync();
    check(
        &world,
        expect![[r#"
            create a3@x immutableId=a3 upn=a3@x
            members g@x +a3@x
            members g@x -a1@x"#]],
    );
    world.export().sync();
    world.delete("ad", "u2").sync();
    check(&world, expect!["delete a2@x"]);
}

#[test]
fn joins_try_group_after_group_and_hold_what_is_ambiguous() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1 number=#1 mail=a@x\nuser u2 id=a2 number=#2 mail=b@x").sync();
    world.import("hr", "user h1 number=#1 title=Chief\nuser h2 mail=B@X title=Clerk").sync();
    assert!(world.exports().contains("a1@x immutableId=a1 mail=a@x title=Chief upn=a1@x"), "{}", world.exports());
    assert!(world.exports().contains("a2@x immutableId=a2 mail=b@x title=Clerk upn=a2@x"), "{}", world.exports());
    world.import("ad", "user u3 id=a3 number=#3 mail=c@x\nuser u4 id=a4 number=#4 mail=c@x").sync();
    expect!["ad `u4`: `in-user` finds de48b666-af23-5c9a-9097-3a51149e5f72, which `u3` of the same connector is linked to already"]
        .assert_eq(&world.errors.join("\n"));
}

#[test]
fn who_looked_in_vain_joins_when_somebody_comes() {
    const FROM_HR: &str = r#"
        const rule = #{ from: "hr/user", to: "metaverse/person", link: "join", precedence: 50, copy: ["title"] };
        fn join(user) { [ #{ number: user.number }, #{ mail: user.mail } ] }
    "#;
    let ad_only = IN_USER.replace(r#"["ad/user", "hr/user"]"#, r#""ad/user""#);
    let rules = [("in-user", ad_only.as_str()), ("in-hr", FROM_HR), ("out-user", OUT_USER)];
    // Whoever has the lower id is evaluated first: both orders.
    for hr in ["h1", "h2", "h3", "h4", "h5", "h6"] {
        let mut world = World::new(&rules);
        world.import("hr", &format!("user {hr} number=7 title=Boss"));
        world.import("ad", "user u1 id=a1 number=7 name=Ada").sync();
        check(&world, expect!["create a1@x displayName=Ada immutableId=a1 title=Boss upn=a1@x"]);
    }
    let mut world = World::new(&rules);
    world.import("hr", "user h1 number=7 title=Boss").sync();
    world.import("ad", "user u1 id=a1 name=Ada").sync();
    check(&world, expect!["create a1@x displayName=Ada immutableId=a1 upn=a1@x"]);
    world.import("ad", "user u1 id=a1 number=7 name=Ada").sync();
    check(&world, expect!["create a1@x displayName=Ada immutableId=a1 title=Boss upn=a1@x"]);
}

#[test]
fn an_account_that_somebody_disabled_stays_disabled() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1 enabled=#true").sync().export().sync();
    world.import("entra", "user e-a1@x immutableId=a1 upn=a1@x accountEnabled=#false").sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 enabled=#false").sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 enabled=#true").sync();
    check(&world, expect!["update a1@x accountEnabled=true"]);
}

#[test]
fn drift_is_put_right_three_times_and_then_left() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1 name=Ada").sync().export().sync();
    for _ in 0..3 {
        world.import("entra", "user e-a1@x immutableId=a1 upn=a1@x displayName=Eve").sync();
        check(&world, expect!["update a1@x displayName=Ada"]);
        world.export().sync();
    }
    world.import("entra", "user e-a1@x immutableId=a1 upn=a1@x displayName=Eve").sync();
    check(&world, expect![""]);
}

#[test]
fn drift_counts_from_the_start_when_the_source_changes_its_mind() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1 name=Ada").sync().export().sync();
    for _ in 0..4 {
        world.import("entra", "user e-a1@x immutableId=a1 upn=a1@x displayName=Eve").sync().export().sync();
    }
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 name=Adele").sync();
    check(&world, expect!["update a1@x displayName=Adele"]);
}

/// The directory refuses everything that is due.
fn refuse(world: &mut World) {
    let mut draft = world.store.draft();
    for id in draft.exports("entra", None, 10_000).unwrap() {
        let mut object = draft.object(id).unwrap().unwrap();
        let failed = ExportState::Failed { code: "Request_BadRequest".into(), message: "no".into() };
        object.export.as_mut().unwrap().state = failed;
        draft.put_object(&object).unwrap();
    }
    let writes = draft.finish();
    world.store.commit(writes).unwrap();
}

#[test]
fn what_was_refused_waits_for_another_wish() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1 name=Ada").sync();
    refuse(&mut world);
    world.sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 name=Ada number=7").sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 name=Adele number=7").sync();
    check(&world, expect!["create a1@x displayName=Adele immutableId=a1 upn=a1@x"]);
}

#[test]
fn what_microsoft_synchronises_is_never_written() {
    let mut world = World::new(&RULES);
    world.import("entra", "user e1 immutableId=a1 upn=a1@x onPremisesSyncEnabled=#true displayName=Theirs");
    world.import("ad", "user u1 id=a1 name=Ours").sync();
    check(&world, expect![""]);
    world.delete("ad", "u1").sync();
    check(&world, expect![""]);
}

#[test]
fn who_leaves_before_it_was_created_is_not_referred_to_any_more() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1\nuser u2 id=a2 manager=>u1\ngroup g1 id=g member=>u1").sync();
    world.import("ad", "user u1 id=a1 department=Local").sync();
    check(
        &world,
        expect![[r#"
            create a2@x immutableId=a2 upn=a2@x
            create g@x immutableId=g upn=g@x"#]],
    );
}

#[test]
fn members_go_when_nobody_has_any_to_say() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u1 id=a1\ngroup g1 id=g member=>u1").sync().export().sync();
    world.delete("ad", "g1").import("ad", "group g1 id=g").sync();
    check(&world, expect!["members g@x -a1@x"]);
    world.import("ad", "group g1 id=g member=>u1").sync();
    check(&world, expect![""]);
    let without = IN_GROUP.replace(", member: group.member", "");
    world.set_rules(&[("in-user", IN_USER), ("in-group", &without), ("out-user", OUT_USER), ("out-group", OUT_GROUP)]);
    world.sync();
    check(&world, expect!["members g@x -a1@x"]);
}

#[test]
fn who_returns_and_is_no_member_any_more_is_taken_out() {
    let mut world = World::new(&RULES);
    world.import("ad", "user u2 id=a2\ngroup g1 id=g1 member=>u2").sync().export().sync().export().sync();
    world.delete("ad", "u2").sync();
    check(&world, expect!["delete a2@x"]);
    // The member returns before it was deleted, and the group does not refer to it any more.
    world.import("ad", "user u2 id=a2\ngroup g1 id=g1").sync();
    check(&world, expect!["members g1@x -a2@x"]);
}

#[test]
fn who_returns_gets_back_what_was_made_for_them() {
    let mut world = World::new(&RULES);
    let out = OUT_USER
        .replace("fn join(person) { [ #{ immutableId: exact(person.id) } ] }", "")
        .replace("precedence: 100", "precedence: 100, deprovision: \"disconnect\"");
    world.set_rules(&[("in-user", IN_USER), ("out-user", &out)]);
    world.import("ad", "user u1 id=a1 name=Ada").sync().export().sync();
    world.import("ad", "user u1 id=a1 name=Ada department=Local").sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 name=Ada_L").sync();
    check(&world, expect!["update a1@x displayName=Ada L"]);
}

/// A pilot: whoever is in the group, or in a group of it, and nobody else.
#[test]
fn a_pilot_group_lets_in_and_out_through_groups_in_groups() {
    let pilot = IN_USER.replace(r#"user.department != "Hidden""#, r#"is_in_group(user, "cn=pilot")"#);
    let mut world = World::new(&[("in-user", &pilot), ("out-user", OUT_USER)]);
    world.import("ad", "user u1 id=a1\nuser u2 id=a2\nuser u3 id=a3").sync();
    check(&world, expect![""]);
    world.import("ad", "group g1 dn=cn=pilot member=>u1,g2\ngroup g2 dn=cn=inner member=>u2,g1").sync();
    check(
        &world,
        expect![[r#"
            create a1@x immutableId=a1 upn=a1@x
            create a2@x immutableId=a2 upn=a2@x"#]],
    );
    world.export().sync();
    // A member of the inner group, and then the inner group itself.
    world.import("ad", "group g2 dn=cn=inner member=>u2,u3").sync();
    check(&world, expect!["create a3@x immutableId=a3 upn=a3@x"]);
    world.export().sync();
    world.import("ad", "group g1 dn=cn=pilot member=>u1").sync();
    check(
        &world,
        expect![[r#"
            delete a2@x
            delete a3@x"#]],
    );
    world.import("ad", "group g1 dn=cn=pilot member=>u1,g2").sync();
    check(&world, expect![""]);
    // Rules mean the name: a group that is called otherwise is another one, and a group that is gone is none.
    world.import("ad", "group g1 dn=cn=former_pilot member=>u1,g2").sync();
    check(
        &world,
        expect![[r#"
            delete a1@x
            delete a2@x
            delete a3@x"#]],
    );
    world.import("ad", "group g1 dn=cn=pilot member=>u1,g2").sync();
    world.delete("ad", "g2").sync();
    check(
        &world,
        expect![[r#"
            delete a2@x
            delete a3@x"#]],
    );
    let direct = IN_USER.replace(r#"user.department != "Hidden""#, r#"is_member_of(user, "cn=pilot")"#);
    world.set_rules(&[("in-user", &direct), ("out-user", OUT_USER)]);
    world.sync();
    check(
        &world,
        expect![[r#"
            delete a2@x
            delete a3@x"#]],
    );
}

#[test]
fn members_that_others_change_are_put_right_or_left_as_the_target_says() {
    for reports in [false, true] {
        let mut world = World::new(&RULES);
        world.targets.get_mut("entra").unwrap().reports_drift = reports;
        world.import("ad", "user u1 id=a1\nuser u2 id=a2\nuser u3 id=a3\ngroup g1 id=g1 member=>u1,u2");
        world.sync().export().sync();
        // Somebody takes a1 out, and puts a3 in.
        world.import("entra", "group e-g1@x immutableId=g1 upn=g1@x members=>e-a2@x,e-a3@x").sync();
        let exports = world.exports();
        if !reports {
            assert_eq!(exports, "members g1@x +a1@x\nmembers g1@x -a3@x");
            continue;
        }
        assert_eq!(exports, "");
        let draft = world.store.draft();
        let id = draft.find_object("entra", &"upn".into(), "g1@x", 2).unwrap()[0];
        let drifted = draft.edges(id, &"members".into()).unwrap().iter().filter(|(_, edge)| edge.drifted).count();
        assert_eq!(drifted, 2);
        drop(draft);
        // What the source says anew is done: a1 leaves there, too, and comes back.
        world.import("ad", "group g1 id=g1 member=>u2").sync();
        world.import("ad", "group g1 id=g1 member=>u1,u2").sync();
        assert_eq!(world.exports(), "members g1@x +a1@x");
    }
}

#[test]
fn drift_that_is_only_reported_stays_until_the_source_says_something_else() {
    let mut world = World::new(&RULES);
    world.targets.get_mut("entra").unwrap().reports_drift = true;
    world.import("ad", "user u1 id=a1 name=Ada title=Clerk").sync().export().sync();
    world.import("entra", "user e-a1@x immutableId=a1 upn=a1@x displayName=Ada title=Chief").sync();
    check(&world, expect![""]);
    let draft = world.store.draft();
    let id = draft.find_object("entra", &"upn".into(), "a1@x", 2).unwrap()[0];
    let held = draft.object(id).unwrap().unwrap().outbound.held;
    assert_eq!(
        held.get(&"title".into()).map(String::as_str),
        Some("somebody changed it in the target; it is only reported")
    );
    drop(draft);
    world.import("ad", "user u1 id=a1 name=Ada title=Boss").sync();
    check(&world, expect!["update a1@x title=Boss"]);
}
