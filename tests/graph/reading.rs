//! Lists of many pages, objects one by one, and facts.

use serde_json::{Value as Json, json};
use syncline::connector::{Anchor, ImportEvent, ImportRequest, Licence, Presence, Quota, Stock, TenantFacts};
use syncline::emulator;
use syncline::value::Value;

use crate::world::*;

fn ids(seeded: &Json) -> Vec<Anchor> {
    seeded["ids"].as_array().expect("ids").iter().map(|id| Anchor(id.as_str().expect("an id").into())).collect()
}

#[tokio::test]
async fn every_page_of_objects_and_of_members_is_read() {
    let world = World::new().await;
    let id = |number: usize| format!("00000000-0000-4000-8000-{number:012}");
    let users = (0..2_100).map(|number| json!({"id": id(number), "displayName": format!("u{number}")}));
    let members: Vec<String> = (0..1_500).map(id).collect();
    let small =
        (0..45).map(|number| json!({"type": "group", "displayName": format!("g{number}"), "members": [id(number)]}));
    let large = json!({"type": "group", "displayName": "large", "members": members});
    let objects: Vec<Json> = users.chain(small).chain([large]).collect();
    let anchors = ids(&world.admin("seed", json!({"objects": objects})).await);
    // Reading repeats what fails.
    world.faults(json!({"too-many": 0.1, "retry-after": 0.001, "unavailable": 0.05, "timeout-before": 0.05, "reset-before": 0.02, "batch-unavailable": 0.05, "seed": 3})).await;
    let found = world.everything().await;
    assert_eq!(found.len(), 2_146);
    for (number, anchor) in anchors[2_100..2_145].iter().enumerate() {
        assert_eq!(references(&found[anchor], "members"), [Anchor(id(number))].into());
    }
    assert_eq!(references(&found[&anchors[2_145]], "members").len(), 1_500);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_not_the_whole() {
    let world = World::with(emulator::Settings::default()).await;
    world.users(3).await;
    world.faults(json!({"unavailable": 1.0})).await;
    let (sender, _receiver) = tokio::sync::mpsc::channel(4);
    let error = world.graph.import(&wanted(), sender).await.expect_err("nothing can be read");
    assert_eq!(error.kind, syncline::connector::ConnectorErrorKind::Unreachable, "{error}");
    assert!(error.message.contains("/users"), "{error}");
}

#[tokio::test]
async fn objects_are_looked_up_with_everything_they_have() {
    let mut app = emulator::App::default();
    app.roles.push("OrgContact.Read.All".into());
    let world = World::with(emulator::Settings { apps: vec![app], ..emulator::Settings::default() }).await;
    let users = world.users(3).await;
    let sales = world.made("group", group("sales", &users)).await;
    let contact = ids(&world.admin("seed", json!({"objects": [{"type": "orgContact", "displayName": "c"}]})).await);
    let asked = [sales.clone(), contact[0].clone()];
    let found = world.graph.look_up(&wanted(), &asked).await.expect("an answer");
    let Some((_, Presence::Present(object))) = found.iter().find(|(anchor, _)| *anchor == sales) else { panic!() };
    assert_eq!(references(object, "members"), users.iter().cloned().collect());
    let elsewhere = Presence::OutOfScope("objects of type `orgContact`".into());
    assert!(found.contains(&(contact[0].clone(), elsewhere)), "{found:?}");
}

#[tokio::test]
async fn objects_are_found_by_their_keys() {
    let world = World::new().await;
    let users = world.users(2).await;
    let sales = world.made("group", group("sales", &[])).await;
    let find = async |object_type: &str, name: &str, text: &str| {
        world.graph.find(object_type, &name.into(), &Value::Text(text.into())).await.expect("an answer")
    };
    assert_eq!(find("user", "onPremisesImmutableId", "user1+/==").await, users[1..]);
    assert_eq!(find("user", "userPrincipalName", "user1@contoso.com").await, users[1..]);
    assert_eq!(find("group", "uniqueName", "sales's key").await, [sales]);
    for (object_type, name) in
        [("user", "onPremisesImmutableId"), ("user", "userPrincipalName"), ("group", "uniqueName")]
    {
        assert_eq!(find(object_type, name, "nobody's & nothing#?").await, []);
    }
}

#[tokio::test]
async fn what_a_rule_does_not_want_is_not_read() {
    let world = World::new().await;
    world.users(1).await;
    let request = ImportRequest { types: [("user".to_owned(), names(&["ID"]))].into() };
    let (events, _) = world.import(request).await;
    let [ImportEvent::Object(object)] = events.as_slice() else { panic!("{events:?}") };
    assert!(shown(object).contains(&format!("id={}", object.anchor)), "{object:?}");
    assert!(!shown(object).iter().any(|line| line.starts_with("givenName")));
}

#[tokio::test]
async fn the_tenant_tells_about_itself() {
    let federated = vec!["contoso.test".to_owned()];
    let settings = emulator::Settings { synced_by_microsoft: true, federated, ..emulator::Settings::default() };
    let world = World::with(settings).await;
    let expected = TenantFacts {
        name: "Contoso".into(),
        verified_domains: vec!["contoso.com".into(), "contoso.onmicrosoft.com".into(), "contoso.test".into()],
        initial_domain: "contoso.onmicrosoft.com".into(),
        synced_by_microsoft: true,
        base_dn: String::new(),
        privileged: Some(Vec::new()),
        federated_domains: vec!["contoso.test".into()],
    };
    assert_eq!(world.graph.facts().await.expect("facts"), expected);
    let roles = vec!["Domain.Read.All".to_owned()];
    let app = emulator::App { roles, ..emulator::App::default() };
    let world = World::with(emulator::Settings { apps: vec![app], ..emulator::Settings::default() }).await;
    let facts = world.graph.facts().await.expect("the domains at least");
    assert_eq!(facts.privileged, None, "an app that may not ask does not know");
    assert_eq!(facts.verified_domains, expected.verified_domains);
}

#[tokio::test]
async fn the_tenant_tells_what_it_has_left() {
    let licence = emulator::Licence { sku_id: "1".into(), name: "ENTERPRISEPACK".into(), seats: 3 };
    let settings =
        || emulator::Settings { quota: 10, licences: vec![licence.clone()], ..emulator::Settings::default() };
    let world = World::with(settings()).await;
    let (kept, gone) =
        (json!({"userPrincipalName": "a@contoso.com", "assignedLicenses": [{"skuId": "1"}]}), json!({"deleted": true}));
    world.admin("seed", json!({"objects": [kept, gone]})).await;
    let stock = world.graph.stock().await.expect("a stock");
    assert_eq!(stock.objects, Some(Quota { used: 2, total: 10 }), "what is in the recycle bin counts");
    assert_eq!(stock.licences, [Licence { id: "1".into(), name: "ENTERPRISEPACK".into(), left: 2 }]);
    let app = emulator::App { roles: vec!["Domain.Read.All".into()], ..emulator::App::default() };
    let world = World::with(emulator::Settings { apps: vec![app], ..settings() }).await;
    assert_eq!(world.graph.stock().await, Ok(Stock::default()), "an app that may not ask does not know");
}
