//! Delta queries.

use super::*;

/// Goes through all pages; gives the items and the delta link.
async fn follow(world: &World, path: &str) -> (Vec<Json>, String) {
    let mut items = Vec::new();
    let mut link = path.to_owned();
    loop {
        let page = world.get(&link).await.expect(200);
        items.extend(page["value"].as_array().expect("a list").iter().cloned());
        match page["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => return (items, page["@odata.deltaLink"].as_str().expect("a delta link").to_owned()),
        }
    }
}

#[tokio::test]
async fn users_show_what_changed() {
    let world = World::new(Settings::default()).await;
    let (anna, bob) = (world.user("anna").await, world.user("bob").await);
    let (all, link) = follow(&world, "/users/delta()?$select=displayName,jobTitle,manager").await;
    assert_eq!(all, [json!({"id": anna, "displayName": "anna"}), json!({"id": bob, "displayName": "bob"})]);
    let (none, link) = follow(&world, &link).await;
    assert!(none.is_empty());

    world.patch(&format!("/users/{anna}"), json!({"jobTitle": "x"})).await.expect(204);
    world.patch(&format!("/users/{bob}"), json!({"city": "Bonn"})).await.expect(204);
    world.put(&format!("/users/{bob}/manager/$ref"), world.reference(&anna)).await.expect(204);
    let (changed, link) = follow(&world, &link).await;
    let manager = json!([{"@odata.type": "#microsoft.graph.user", "id": anna}]);
    assert_eq!(
        changed,
        [
            json!({"id": anna, "displayName": "anna", "jobTitle": "x"}),
            json!({"id": bob, "displayName": "bob", "manager@delta": manager}),
        ]
    );

    world.patch(&format!("/users/{anna}"), json!({"jobTitle": null})).await.expect(204);
    world.delete(&format!("/users/{bob}")).await.expect(204);
    let (changed, link) = follow(&world, &link).await;
    assert_eq!(
        changed,
        [
            json!({"id": anna, "displayName": "anna", "jobTitle": null}),
            json!({"id": bob, "@removed": {"reason": "changed"}}),
        ]
    );

    world.patch(&format!("/users/{anna}"), json!({"city": "Bonn"})).await.expect(204);
    let (unseen, link) = follow(&world, &link).await;
    assert!(unseen.is_empty(), "city is not selected");
    world.post("/_emulator/expire-tokens", json!({})).await.expect(204);
    world.get(&link).await.refused(410, "syncStateNotFound");
    world.get("/users/delta?$deltatoken=nonsense").await.refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn a_start_from_now_shows_later_changes_only() {
    let world = World::new(Settings::default()).await;
    world.user("anna").await;
    let (none, link) = follow(&world, "/users/delta?$deltatoken=latest").await;
    assert!(none.is_empty());
    let bob = world.user("bob").await;
    let (new, _) = follow(&world, &link).await;
    assert_eq!(new.len(), 1);
    assert_eq!(id(&new[0]), bob);
}

#[tokio::test]
async fn groups_show_members_in_slices() {
    let world = World::new(Settings::default()).await;
    let users: Vec<Json> = (0..4_500)
        .map(|n| json!({"type": "user", "id": format!("00000000-0000-0000-0001-{n:012}"), "displayName": "u"}))
        .collect();
    let ids: Vec<&Json> = users.iter().map(|user| &user["id"]).collect();
    let group = json!({"type": "group", "displayName": "all", "members": ids});
    let mut objects = users.clone();
    objects.push(group);
    world.post("/_emulator/seed", json!({"objects": objects})).await.expect(200);

    let (items, link) = follow(&world, "/groups/delta").await;
    assert!(items.len() > 1, "one large group comes in several slices");
    let members: std::collections::BTreeSet<String> =
        items.iter().flat_map(|item| item["members@delta"].as_array().expect("members")).map(id).collect();
    assert_eq!(members.len(), 4_500);

    let group = id(&items[0]);
    let user = users[7]["id"].as_str().expect("an id");
    world.delete(&format!("/groups/{group}/members/{user}/$ref")).await.expect(204);
    let (items, link) = follow(&world, &link).await;
    assert_eq!(items.len(), 1);
    assert_eq!(
        items[0]["members@delta"],
        json!([{"@odata.type": "#microsoft.graph.user", "id": user, "@removed": {"reason": "deleted"}}])
    );
    world.delete("/users/00000000-0000-0000-0001-000000000009").await.expect(204);
    let (items, _) = follow(&world, &link).await;
    assert_eq!(items[0]["members@delta"][0]["@removed"]["reason"], "deleted");
}

#[tokio::test]
async fn minimal_answers_and_small_pages_are_granted() {
    let world = World::new(Settings::default()).await;
    let (anna, bob) = (world.user("anna").await, world.user("bob").await);
    let (_, link) = follow(&world, "/users/delta?$deltatoken=latest").await;
    world.patch(&format!("/users/{anna}"), json!({"jobTitle": "x"})).await.expect(204);
    world.patch(&format!("/users/{bob}"), json!({"jobTitle": "y"})).await.expect(204);
    let prefer = [("Prefer", "return=minimal, odata.maxpagesize=1")];
    let page = world.send_with(Method::GET, &link, None, &prefer).await.expect(200);
    assert_eq!(page["value"], json!([{"id": anna, "jobTitle": "x"}]));
    let next = page["@odata.nextLink"].as_str().expect("a second page");
    let page = world.send_with(Method::GET, next, None, &prefer).await.expect(200);
    assert_eq!(page["value"], json!([{"id": bob, "jobTitle": "y"}]));
    assert!(page["@odata.deltaLink"].is_string());
    let (one, _) = follow(&world, &format!("/users/delta?$select=displayName&$filter=id eq '{bob}'")).await;
    assert_eq!(one, [json!({"id": bob, "displayName": "bob"})]);
}

#[tokio::test]
async fn a_restored_group_shows_again_with_its_members() {
    let world = World::new(Settings::default()).await;
    let (anna, group) = (world.user("anna").await, world.group("staff").await);
    world.post(&format!("/groups/{group}/members/$ref"), world.reference(&anna)).await.expect(204);
    let (_, link) = follow(&world, "/groups/delta?$select=displayName,members").await;
    world.delete(&format!("/groups/{group}")).await.expect(204);
    let (gone, link) = follow(&world, &link).await;
    assert_eq!(gone, [json!({"id": group, "@removed": {"reason": "changed"}})]);
    world.post(&format!("/directory/deletedItems/{group}/restore"), json!({})).await.expect(200);
    let (back, _) = follow(&world, &link).await;
    assert_eq!(back[0]["displayName"], "staff");
    assert_eq!(back[0]["members@delta"][0]["id"], json!(anna));
}

#[tokio::test]
async fn a_deleted_manager_is_gone_from_reports() {
    let world = World::new(Settings::default()).await;
    let (anna, boss) = (world.user("anna").await, world.user("boss").await);
    world.put(&format!("/users/{anna}/manager/$ref"), world.reference(&boss)).await.expect(204);
    let (_, link) = follow(&world, "/users/delta?$select=manager&$deltatoken=latest").await;
    world.delete(&format!("/users/{boss}")).await.expect(204);
    let (changed, link) = follow(&world, &link).await;
    assert_eq!(
        changed,
        [
            json!({"id": anna, "manager@delta": [{"@odata.type": "#microsoft.graph.user", "id": boss, "@removed": {"reason": "deleted"}}]}),
            json!({"id": boss, "@removed": {"reason": "changed"}}),
        ]
    );
    world.post(&format!("/directory/deletedItems/{boss}/restore"), json!({})).await.expect(200);
    let (changed, _) = follow(&world, &link).await;
    assert_eq!(changed[0]["manager@delta"][0]["id"], json!(boss));
}
