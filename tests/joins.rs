//! Whose object is whose: anchors, objects that only look like somebody's, accounts with power, and what people decide
//! by hand.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

#[cfg(test)]
#[path = "common/world.rs"]
mod world;

use expect_test::{Expect, expect};
use syncline::connector::Anchor;
use syncline::connector_space::ConnectorObject;
use syncline::store::Draft;
use syncline::sync::Matching;
use syncline::sync::by_hand::{self, Adopted, Refusal};
use syncline::sync::ledger::View;
use world::World;

const IN: &str = r#"
    const rule = #{ from: ["ad/user", "hr/user"], to: "metaverse/person", link: "project", precedence: 100,
                    copy: ["title", "mail", #{ displayName: "name" }] };
    fn join(user) { [ #{ id: user.id } ] }
    fn flow(user) { #{ id: user.id } }
"#;
const OUT: &str = r#"
    const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100, copy: ["displayName", "mail", "title"] };
    fn join(person) { [ #{ immutableId: exact(person.id) }, #{ upn: person.id + "@x" } ] }
    fn flow(person) { #{ immutableId: person.id, upn: person.id + "@x" } }
"#;

fn check(world: &World, expected: Expect) {
    expected.assert_eq(&world.exports());
}

/// A tenant in which the immutable id says whose an object is.
fn world(soft: bool) -> World {
    let mut world = World::new(&[("in", IN), ("out", OUT)]);
    let anchors = [("user".to_owned(), vec!["immutableId".into()])].into();
    world.targets.get_mut("entra").unwrap().matching = Matching { anchors, soft, ..Matching::default() };
    world
}

fn object(draft: &Draft<'_>, connector: &str, anchor: &str) -> ConnectorObject {
    let id = draft.id_of_anchor(connector, &Anchor(anchor.into())).unwrap();
    draft.object(id).unwrap().unwrap()
}

/// Does something by hand, and keeps it.
fn by_hand<T>(world: &mut World, act: impl FnOnce(&mut Draft<'_>) -> T) -> T {
    let mut draft = world.store.draft();
    let done = act(&mut draft);
    let writes = draft.finish();
    world.store.commit(writes).unwrap();
    done
}

#[test]
fn what_only_looks_like_somebodys_is_never_taken_without_the_switch() {
    let mut world = world(false);
    world.import("entra", "user e1 upn=a1@x displayName=Ada");
    world.import("ad", "user u1 id=a1 name=Ada").sync();
    check(&world, expect![""]);
    expect!["person `Ada`: `out` finds `Ada` by `upn`, which is no anchor; see `soft_match`, or `syncline join`"]
        .assert_eq(&world.errors.join("\n"));
}

#[test]
fn with_the_switch_it_waits_for_a_persons_approval() {
    let mut world = world(true);
    world.import("entra", "user e1 upn=a1@x displayName=Ada");
    world.import("ad", "user u1 id=a1 name=Ada\nuser u2 id=a2 name=Bob").sync();
    check(&world, expect!["create a2@x displayName=Bob immutableId=a2 upn=a2@x"]);
    let proposal = object(&world.store.draft(), "entra", "e1").outbound.proposed.unwrap();
    assert_eq!((proposal.rule.as_str(), proposal.by.as_slice()), ("out", &["upn".into()][..]));
    let adopted = by_hand(&mut world, |draft| {
        let found = object(draft, "entra", "e1");
        by_hand::adopt(draft, found).unwrap()
    });
    assert_eq!(adopted, Some(Adopted::Proposed(proposal)));
    world.sync();
    check(
        &world,
        expect![[r#"
            create a2@x displayName=Bob immutableId=a2 upn=a2@x
            update a1@x immutableId=a1"#]],
    );
    assert_eq!(object(&world.store.draft(), "entra", "e1").outbound.proposed, None);
}

#[test]
fn guests_and_those_who_carry_another_anchor_are_not_proposed() {
    let mut world = world(true);
    world.import("entra", "user e1 upn=a1@x userType=Guest\nuser e2 upn=a2@x immutableId=other");
    world.import("ad", "user u1 id=a1\nuser u2 id=a2").sync();
    let draft = world.store.draft();
    assert!(["e1", "e2"].iter().all(|anchor| object(&draft, "entra", anchor).outbound.proposed.is_none()));
    drop(draft);
    check(
        &world,
        expect![[r#"
            create a1@x immutableId=a1 upn=a1@x
            create a2@x immutableId=a2 upn=a2@x"#]],
    );
}

#[test]
fn an_object_of_another_type_is_an_error_and_nobody_is_made() {
    let mut world = world(true);
    world.import("entra", "group g1 upn=a1@x");
    world.import("ad", "user u1 id=a1 name=Ada").sync();
    check(&world, expect![""]);
    expect!["person `Ada`: `out` finds the group `g1` where it wants a user"].assert_eq(&world.errors.join("\n"));
}

#[test]
fn accounts_with_a_role_are_nobodys_until_that_is_allowed() {
    for (soft, shown) in [(false, "user e1 upn=boss@x immutableId=a1"), (true, "user e1 upn=a1@x")] {
        let mut world = world(soft);
        world.targets.get_mut("entra").unwrap().matching.privileged = [Anchor("e1".into())].into();
        world.import("entra", shown).import("ad", "user u1 id=a1 name=Ada").sync();
        check(&world, expect![""]);
        assert!(world.errors.join("\n").contains("which has a role in the directory"), "{:?}", world.errors);
        assert_eq!(object(&world.store.draft(), "entra", "e1").link, None);
        world.targets.get_mut("entra").unwrap().matching.privileged.clear();
        world.sync();
        assert_eq!(world.errors, Vec::<String>::new());
    }
}

#[test]
fn joining_by_hand_holds_whatever_the_criteria_say() {
    let mut world = world(false);
    world.import("ad", "user u1 id=a1 name=Ada").import("hr", "user h1 id=b7 title=Chief").sync().export().sync();
    let join = |world: &mut World| {
        let rules = world.rules.clone();
        by_hand(world, |draft| {
            let person = object(draft, "ad", "u1").link.unwrap().metaverse;
            let person = draft.metaverse(person).unwrap().unwrap();
            let wanted = object(draft, "hr", "h1");
            by_hand::join(draft, &rules, wanted, &person, "her maiden name")
        })
    };
    assert_eq!(join(&mut world), Err(Refusal::Linked("h1".into())));
    by_hand(&mut world, |draft| {
        let wrong = object(draft, "hr", "h1");
        by_hand::disjoin(draft, wrong, "she is Ada").unwrap();
    });
    world.sync();
    // Who projected is nobody now, and its account goes.
    check(&world, expect!["delete b7@x"]);
    assert_eq!(join(&mut world), Ok(()));
    world.sync().export().sync();
    world.import("hr", "user h1 id=b8 title=Boss").sync();
    check(&world, expect!["update a1@x title=Boss"]);
    let pin = object(&world.store.draft(), "hr", "h1").pin.unwrap();
    assert_eq!((pin.joined, pin.reason.as_str()), (true, "her maiden name"));
}

#[test]
fn what_is_kept_apart_stays_so_until_somebody_says_otherwise() {
    let mut world = world(false);
    world.import("entra", "user e1 upn=old@x immutableId=a1");
    world.import("ad", "user u1 id=a1 name=Ada").sync();
    check(&world, expect!["update a1@x displayName=Ada upn=a1@x"]);
    by_hand(&mut world, |draft| {
        let wrong = object(draft, "entra", "e1");
        by_hand::disjoin(draft, wrong, "another Ada").unwrap();
    });
    world.sync();
    // Nothing is written to it, and she gets an account of her own.
    check(&world, expect!["create a1@x displayName=Ada immutableId=a1 upn=a1@x"]);
    let again = by_hand(&mut world, |draft| {
        let apart = object(draft, "entra", "e1");
        by_hand::disjoin(draft, apart, "once more")
    });
    assert_eq!(again, Err(Refusal::Apart("e1".into())));
    by_hand(&mut world, |draft| {
        let mine = object(draft, "ad", "u1");
        by_hand::disjoin(draft, mine, "a test account").unwrap();
    });
    world.sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 name=Ada_L").sync();
    check(&world, expect![""]);
    by_hand(&mut world, |draft| {
        for (connector, anchor) in [("ad", "u1"), ("entra", "e1")] {
            let free = object(draft, connector, anchor);
            by_hand::unpin(draft, free).unwrap();
        }
    });
    world.sync();
    check(&world, expect!["update a1@x displayName=Ada L upn=a1@x"]);
}

#[test]
fn no_two_objects_of_a_connector_share_a_person_by_hand_either() {
    let mut world = world(false);
    world.import("ad", "user u1 id=a1\nuser u2 id=a2").sync();
    let rules = world.rules.clone();
    let refused = by_hand(&mut world, |draft| {
        let second = object(draft, "ad", "u2");
        by_hand::disjoin(draft, second, "the same").unwrap();
        let person = object(draft, "ad", "u1").link.unwrap().metaverse;
        let person = draft.metaverse(person).unwrap().unwrap();
        let second = object(draft, "ad", "u2");
        by_hand::join(draft, &rules, second, &person, "the same")
    });
    assert_eq!(refused, Err(Refusal::Taken("u1".into())));
}

#[test]
fn who_is_switched_off_first_is_deleted_some_days_later_unless_the_person_returns() {
    let out = OUT.replace("copy: [", "deprovision: \"disable\", delete_after: 30, copy: [");
    let out = out.replace("fn join", "fn scope(person) { person.title != \"Gone\" }\n fn join");
    let mut world = world(false);
    world.set_rules(&[("in", IN), ("out", &out)]);
    world.import("ad", "user u1 id=a1 name=Ada").sync().export().sync();
    let grace = |world: &World| object(&world.store.draft(), "entra", "e-a1@x").outbound.grace.map(|grace| grace.days);
    world.import("ad", "user u1 id=a1 name=Ada title=Gone").sync();
    check(&world, expect!["update a1@x accountEnabled=false"]);
    assert_eq!(grace(&world), Some(30));
    world.export().sync();
    check(&world, expect![""]);
    world.import("ad", "user u1 id=a1 name=Ada").sync();
    assert_eq!(grace(&world), None);
}
