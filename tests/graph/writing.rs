//! What is written arrives, once, and can be read back.

use std::collections::BTreeSet;

use serde_json::json;
use syncline::connector::{Anchor, ExportAction, ExportOutcome, Presence};
use syncline::emulator;
use syncline::value::Value;

use crate::world::*;

#[tokio::test]
async fn a_round_trip_over_http() {
    round_trip(World::new().await).await;
}

#[tokio::test]
async fn a_round_trip_over_https() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings =
        emulator::Settings { tls: true, folder: Some(folder.path().into()), ..emulator::Settings::default() };
    let world = World::with(settings).await;
    assert!(world.emulator.base_url.starts_with("https://"));
    round_trip(world).await;
}

async fn round_trip(world: World) {
    let users = world.users(45).await;
    let sales = world.made("group", group("sales", &users[..20])).await;
    let outcome = world.export_one("group", add(&sales, "members", &users[20..])).await;
    let ExportOutcome::References { done: taken, refused } = outcome else { panic!("{outcome:?}") };
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), users[20..].iter().cloned().collect());
    assert_eq!(refused, []);
    let changes = json!({
        "GivenName": "Zoë",
        "otherMails": ["a@example.com", "b@example.com"],
        "employeeOrgData.costCenter": "42",
        "onPremisesExtensionAttributes.extensionAttribute1": "one",
        "onPremisesExtensionAttributes.extensionAttribute2": "two",
        "jobTitle": "Engineer",
    });
    let outcomes = world
        .export(vec![
            item("user", update(&users[0], changes)),
            item("user", add(&users[1], "manager", &users[..1])),
            item("group", add(&sales, "owners", &users[..2])),
        ])
        .await;
    let owners = ExportOutcome::References { done: users[..2].to_vec(), refused: vec![] };
    let manager = ExportOutcome::References { done: users[..1].to_vec(), refused: vec![] };
    assert_eq!(outcomes, [done(), manager, owners]);

    let objects = world.everything().await;
    assert_eq!(objects.len(), 46);
    assert_eq!(references(&objects[&sales], "members"), users.iter().cloned().collect());
    assert_eq!(references(&objects[&sales], "owners"), users[..2].iter().cloned().collect());
    assert_eq!(references(&objects[&users[1]], "manager"), users[..1].iter().cloned().collect());
    let expected = [
        "accountEnabled=true",
        "displayName=user0",
        "employeeOrgData.costCenter=42",
        "givenName=Zoë",
        "jobTitle=Engineer",
        "onPremisesExtensionAttributes.extensionAttribute1=one",
        "onPremisesExtensionAttributes.extensionAttribute2=two",
        "onPremisesImmutableId=user0+/==",
        "otherMails=a@example.com|b@example.com",
        "userPrincipalName=user0@contoso.com",
        "userType=Member",
    ];
    assert_eq!(shown(&objects[&users[0]]), expected);

    let cleared = json!({
        "jobTitle": null,
        "otherMails": null,
        "onPremisesExtensionAttributes.extensionAttribute1": null,
    });
    let outcomes = world
        .export(vec![
            item("user", update(&users[0], cleared)),
            item("group", remove(&sales, "members", &users[3..])),
            item("user", remove(&users[1], "manager", &users[..1])),
        ])
        .await;
    assert_eq!(outcomes[0], done());
    let objects = world.everything().await;
    assert_eq!(references(&objects[&sales], "members"), users[..3].iter().cloned().collect());
    assert_eq!(references(&objects[&users[1]], "manager"), BTreeSet::new());
    let left = shown(&objects[&users[0]]);
    assert!(left.contains(&"onPremisesExtensionAttributes.extensionAttribute2=two".to_owned()), "{left:?}");
    assert!(
        !left
            .iter()
            .any(|line| line.contains("Attribute1") || line.contains("jobTitle") || line.contains("otherMails"))
    );
}

#[tokio::test]
async fn deleting_restoring_and_what_is_not_there() {
    let world = World::new().await;
    let users = world.users(2).await;
    let anchor = users[0].clone();
    let delete = || ExportAction::Delete { anchor: anchor.clone() };
    let restore = || ExportAction::Restore { anchor: anchor.clone() };
    assert_eq!(world.export_one("user", delete()).await, done());
    assert_eq!(world.export_one("user", delete()).await, done(), "deleting again changes nothing");
    assert_eq!(world.export_one("user", update(&anchor, json!({"city": "Ulm"}))).await, ExportOutcome::Missing);
    let deleted = world.graph.deleted_users().await.expect("a list");
    assert_eq!(deleted.get(&Value::Text("user0+/==".into())), Some(&anchor));
    let nobody = Anchor("5b0c1ab2-0000-4000-8000-000000000001".into());
    let asked = [anchor.clone(), users[1].clone(), nobody.clone()];
    let mut found = world.graph.look_up(&wanted(), &asked).await.expect("an answer");
    found.sort_by_key(|(anchor, _)| asked.iter().position(|known| known == anchor));
    assert!(matches!(found[1].1, Presence::Present(_)), "{found:?}");
    assert_eq!([&found[0].1, &found[2].1], [&Presence::Deleted, &Presence::NotFound]);
    assert_eq!(world.export_one("user", restore()).await, done());
    assert_eq!(world.export_one("user", restore()).await, ExportOutcome::Missing);
    assert_eq!(world.export_one("user", update(&anchor, json!({"city": "Ulm"}))).await, done());
}

#[tokio::test]
async fn members_that_are_there_already_or_do_not_exist_do_not_hold_up_the_others() {
    let world = World::new().await;
    let users = world.users(20).await;
    let sales = world.made("group", group("sales", &users[5..7])).await;
    let nobody = Anchor("5b0c1ab2-0000-4000-8000-000000000001".into());
    let mut targets = users[..19].to_vec();
    targets.insert(11, nobody.clone());
    let outcome = world.export_one("group", add(&sales, "members", &targets)).await;
    let ExportOutcome::References { done: taken, refused } = outcome else { panic!("{outcome:?}") };
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), users[..19].iter().cloned().collect());
    // Its group was made a moment ago, so that nobody knows whether the member is missing or late: not refused, not done.
    assert_eq!(refused, []);
    let objects = world.everything().await;
    assert_eq!(references(&objects[&sales], "members"), users[..19].iter().cloned().collect());
    let gone = [users[0].clone(), users[19].clone(), nobody.clone()];
    let outcome = world.export_one("group", remove(&sales, "members", &gone)).await;
    let ExportOutcome::References { done: taken, refused } = outcome else { panic!("{outcome:?}") };
    assert!(taken.contains(&users[0]) && taken.contains(&users[19]) && refused.is_empty(), "{taken:?} {refused:?}");
    // Removing a member never removes the user.
    assert_eq!(world.everything().await.len(), 21);
}

#[tokio::test]
async fn a_member_that_does_not_exist_is_refused_in_a_group_that_is_known() {
    let world = World::new().await;
    let seeded = json!({"objects": [{"type": "group", "displayName": "old", "securityEnabled": true, "mailEnabled": false},
        {"type": "user", "displayName": "a"}, {"type": "user", "displayName": "b"}]});
    let ids = world.admin("seed", seeded).await;
    let anchors: Vec<Anchor> =
        ids["ids"].as_array().expect("ids").iter().map(|id| Anchor(id.as_str().expect("an id").into())).collect();
    let nobody = Anchor("5b0c1ab2-0000-4000-8000-000000000001".into());
    let targets = [anchors[1].clone(), nobody.clone(), anchors[2].clone()];
    let outcome = world.export_one("group", add(&anchors[0], "members", &targets)).await;
    let ExportOutcome::References { done: taken, refused } = outcome else { panic!("{outcome:?}") };
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), anchors[1..].iter().cloned().collect());
    assert_eq!(refused.iter().map(|(anchor, _)| anchor).collect::<Vec<_>>(), [&nobody]);
    assert_eq!(world.export_one("group", add(&nobody, "members", &targets[..1])).await, ExportOutcome::Missing);
}

#[tokio::test]
async fn refusals_say_which_property() {
    let world = World::new().await;
    world.users(1).await;
    let ExportOutcome::Refused { code, message } = world.export_one("user", user("user0")).await else { panic!() };
    assert_eq!(code, "Request_BadRequest");
    assert!(message.contains("ObjectConflict `userPrincipalName`"), "{message}");
    world.made("group", group("sales", &[])).await;
    let ExportOutcome::Refused { code, .. } = world.export_one("group", group("sales", &[])).await else { panic!() };
    assert_eq!(code, "Request_MultipleObjectsWithSameKeyValue");
    let seeded = json!({"objects": [{"displayName": "synced", "onPremisesSyncEnabled": true}]});
    let id = world.admin("seed", seeded).await["ids"][0].as_str().expect("an id").to_owned();
    let outcome = world.export_one("user", update(&Anchor(id), json!({"city": "Ulm"}))).await;
    let ExportOutcome::Refused { message, .. } = outcome else { panic!("{outcome:?}") };
    assert!(message.contains("Directory Sync"), "{message}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let world = World::new().await;
    let strange = Anchor("x/../users".into());
    let outcomes = world
        .export(vec![
            item("user", ExportAction::Delete { anchor: strange.clone() }),
            item("group", add(&Anchor("g".into()), "members", &[])),
            item("user", update(&Anchor("u".into()), json!({}))),
        ])
        .await;
    assert!(matches!(&outcomes[0], ExportOutcome::Refused { code, .. } if code == "unfit"), "{outcomes:?}");
    assert_eq!(outcomes[1], ExportOutcome::References { done: vec![], refused: vec![] });
    assert_eq!(outcomes[2], done());
    assert_eq!(world.log().await, Vec::<String>::new());
}

#[tokio::test]
async fn passwords_are_made_and_strong_and_asked_for_again_at_the_first_sign_in() {
    let world = World::new().await;
    world.users(2).await;
    // The emulator refuses weak ones, and masks what it logs.
    let log = world.admin("log", serde_json::Value::Null).await;
    for entry in log.as_array().expect("a list") {
        let profile = json!({"password": "***", "forceChangePasswordNextSignIn": true});
        assert_eq!(entry["body"]["passwordProfile"], profile);
    }
}
