//! Users: create, read, change, delete, find.

use super::*;

#[tokio::test]
async fn a_user_lives() {
    let world = World::new(Settings::default()).await;
    let made = world
        .post("/users", with(user("anna"), json!({"mail": "anna@contoso.com", "onPremisesImmutableId": "QUJD=="})))
        .await;
    assert_eq!(made.headers["odata-version"], "4.0");
    let made = made.expect(201);
    assert!(made["@odata.context"].as_str().is_some_and(|context| context.ends_with("/v1.0/$metadata#users/$entity")));
    assert_eq!(made.get("accountEnabled"), None, "not among the default properties");
    let id = id(&made);

    let select = "$select=id,accountEnabled,proxyAddresses,passwordProfile,onPremisesExtensionAttributes,usageLocation";
    let shown = world.get(&format!("/users/{id}?{select}")).await.expect(200);
    assert_eq!(shown["proxyAddresses"], json!(["SMTP:anna@contoso.com"]));
    assert_eq!((&shown["passwordProfile"], &shown["usageLocation"]), (&Json::Null, &Json::Null));
    assert_eq!(shown["onPremisesExtensionAttributes"]["extensionAttribute15"], Json::Null);

    world.patch(&format!("/users/{id}"), json!({"jobTitle": "Head", "onPremisesExtensionAttributes": {"extensionAttribute1": "a", "extensionAttribute2": "b"}})).await.expect(204);
    world
        .patch(
            "/users/ANNA@contoso.com",
            json!({"jobTitle": null, "onPremisesExtensionAttributes": {"extensionAttribute1": null}}),
        )
        .await
        .expect(204);
    let shown = world
        .get("/users(userPrincipalName='anna@contoso.com')?$select=jobTitle,onPremisesExtensionAttributes")
        .await
        .expect(200);
    assert_eq!(shown["jobTitle"], Json::Null);
    let attributes = &shown["onPremisesExtensionAttributes"];
    assert_eq!((&attributes["extensionAttribute1"], &attributes["extensionAttribute2"]), (&Json::Null, &json!("b")));

    world.delete(&format!("/users/{id}")).await.expect(204);
    world.get(&format!("/users/{id}")).await.refused(404, "Request_ResourceNotFound");
    let bin = world
        .get("/directory/deletedItems/microsoft.graph.user?$filter=onPremisesImmutableId eq 'QUJD=='&$select=id")
        .await
        .expect(200);
    assert_eq!(values(&bin, "id"), std::slice::from_ref(&id));
    world.delete(&format!("/directory/deletedItems/{id}")).await.refused(403, "Authorization_RequestDenied");
    world.post(&format!("/directory/deletedItems/{id}/restore"), json!({})).await.expect(200);
    assert_eq!(world.names("/users").await, ["anna"]);
}

#[tokio::test]
async fn wrong_users_are_refused() {
    let world = World::new(Settings::default()).await;
    world
        .post("/users", with(user("anna"), json!({"mail": "anna@contoso.com", "onPremisesImmutableId": "A"})))
        .await
        .expect(201);
    for (changes, status, target) in [
        (json!({"displayName": null}), 400, "displayName"),
        (json!({"accountEnabled": null}), 400, "accountEnabled"),
        (json!({"mailNickname": null}), 400, "mailNickname"),
        (json!({"passwordProfile": null}), 400, "passwordProfile"),
        (json!({"passwordProfile": {"password": "weak"}}), 400, "passwordProfile"),
        (json!({"passwordProfile": {"password": "onlylowercase"}}), 400, "passwordProfile"),
        (json!({"userPrincipalName": "bob@elsewhere.com"}), 400, "userPrincipalName"),
        (json!({"userPrincipalName": "b b@contoso.com"}), 400, "userPrincipalName"),
        (json!({"userPrincipalName": "bob.@contoso.com"}), 400, "userPrincipalName"),
        (json!({"userPrincipalName": "bób@contoso.com"}), 400, "userPrincipalName"),
        (json!({"userPrincipalName": "ANNA@contoso.com"}), 400, "userPrincipalName"),
        (json!({"mail": "anna@contoso.com"}), 400, "proxyAddresses"),
        (json!({"onPremisesImmutableId": "A"}), 400, "onPremisesImmutableId"),
        (json!({"onPremisesImmutableId": "a_b"}), 400, "onPremisesImmutableId"),
        (json!({"employeeId": "12345678901234567"}), 400, "employeeId"),
        (json!({"usageLocation": "Germany"}), 400, "usageLocation"),
        (json!({"usageLocation": "de"}), 400, "usageLocation"),
        (json!({"accountEnabled": "yes"}), 400, "accountEnabled"),
        (json!({"businessPhones": ["1", "2"]}), 400, "businessPhones"),
        (json!({"businessPhones": "1"}), 400, "businessPhones"),
        (json!({"otherMails": ["nonsense"]}), 400, "otherMails"),
        (json!({"proxyAddresses": ["smtp:b@contoso.com"]}), 400, "proxyAddresses"),
        (json!({"onPremisesSyncEnabled": true}), 400, "onPremisesSyncEnabled"),
        (json!({"department": ""}), 400, "department"),
        (json!({"employeeHireDate": "soon"}), 400, "employeeHireDate"),
        (json!({"sAMAccountName": "bob"}), 400, ""),
        (json!({"onPremisesExtensionAttributes": {"extensionAttribute16": "x"}}), 400, ""),
        (json!({"skills": ["x"]}), 501, ""),
    ] {
        let body = world.post("/users", with(user("bob"), changes.clone())).await;
        assert_eq!(body.status, status, "{changes}: {}", body.body);
        let found = body.body.pointer("/error/details/0/target").and_then(Json::as_str).unwrap_or_default();
        assert_eq!(found, target, "{changes}: {}", body.body);
    }
    let conflict = world.post("/users", user("anna")).await.refused(400, "Request_BadRequest");
    assert_eq!(conflict["error"]["details"][0]["code"], "ObjectConflict");
    assert!(conflict["error"]["innerError"]["request-id"].is_string());
    assert_eq!(world.names("/users").await, ["anna"], "nothing else was made");
}

#[tokio::test]
async fn protected_and_synced_users_are_left_alone() {
    let world = World::new(Settings::default()).await;
    let ids = world.post("/_emulator/seed", json!({"objects": [
        {"type": "user", "displayName": "admin", "userPrincipalName": "admin@contoso.com", "protected": true},
        {"type": "user", "displayName": "synced", "userPrincipalName": "synced@contoso.com", "onPremisesSyncEnabled": true},
        {"type": "user", "displayName": "former", "userPrincipalName": "former@contoso.com", "onPremisesSyncEnabled": false},
    ]})).await.expect(200);
    let path = |at: usize| format!("/users/{}", ids["ids"][at].as_str().unwrap_or_default());
    world.patch(&path(0), json!({"jobTitle": "x"})).await.expect(204);
    world.patch(&path(0), json!({"accountEnabled": false})).await.refused(403, "Authorization_RequestDenied");
    world.delete(&path(0)).await.refused(403, "Authorization_RequestDenied");
    world.patch(&path(1), json!({"jobTitle": "x"})).await.refused(400, "Request_BadRequest");
    world.delete(&path(1)).await.refused(400, "Request_BadRequest");
    world.patch(&path(2), json!({"jobTitle": "x"})).await.expect(204);
    world
        .patch(&path(2), json!({"onPremisesExtensionAttributes": {"extensionAttribute1": "x"}}))
        .await
        .refused(400, "Request_BadRequest");
    world
        .patch(&path(2), json!({"passwordProfile": {"password": "Correct-Horse-8"}}))
        .await
        .refused(403, "Authorization_RequestDenied");
}

#[tokio::test]
async fn listings_page_and_filter() {
    let world = World::new(Settings::default()).await;
    for number in 0..25 {
        let name = format!("u{number:02}");
        let extra =
            json!({"department": if number % 2 == 0 { "Even" } else { "Odd" }, "mail": format!("{name}@contoso.com")});
        world.post("/users", with(user(&name), extra)).await.expect(201);
    }
    let mut seen = Vec::new();
    let mut page = world.get("/users?$top=10&$select=displayName").await.expect(200);
    loop {
        seen.extend(values(&page, "displayName"));
        let Some(next) = page["@odata.nextLink"].as_str().map(str::to_owned) else { break };
        page = world.get(&next).await.expect(200);
    }
    assert_eq!(seen, (0..25).map(|number| format!("u{number:02}")).collect::<Vec<_>>());

    for (filter, count) in [
        ("department eq 'even'", 13),
        ("startsWith(displayName,'u1')", 10),
        ("mail in ('U03@contoso.com','u04@contoso.com','none@contoso.com')", 2),
        ("proxyAddresses/any(p:p eq 'smtp:u07@contoso.com')", 1),
        ("userPrincipalName eq 'u08@contoso.com' and department eq 'Odd'", 0),
    ] {
        let found = world.get(&format!("/users?$filter={filter}&$top=999")).await.expect(200);
        assert_eq!(values(&found, "displayName").len(), count, "{filter}");
    }
    world.get("/users?$filter=department ne 'Even'").await.refused(400, "Request_UnsupportedQuery");
    let odd = world.get_eventual("/users?$filter=department ne 'Even'&$count=true&$top=5").await.expect(200);
    assert_eq!((odd["@odata.count"].as_u64(), values(&odd, "id").len()), (Some(12), 5));
    assert_eq!(world.get_eventual("/users/$count").await.expect(200), json!(25));
    world.get("/users/$count").await.refused(400, "Request_BadRequest");
    world.get("/users?$top=1000").await.refused(400, "Request_BadRequest");
    world.get("/users?$select=nonsense").await.refused(400, "BadRequest");
    world.get("/me").await.refused(404, "BadRequest");
}

#[tokio::test]
async fn managers_are_set_and_cleared() {
    let world = World::new(Settings::default()).await;
    let (anna, bob) = (world.user("anna").await, world.user("bob").await);
    let path = format!("/users/{anna}/manager");
    world.get(&path).await.refused(404, "Request_ResourceNotFound");
    world.put(&format!("{path}/$ref"), world.reference(&bob)).await.expect(204);
    assert_eq!(id(&world.get(&path).await.expect(200)), bob);
    let list = world.get("/users?$expand=manager($select=id)&$select=displayName").await.expect(200);
    assert_eq!(list["value"][0]["manager"]["id"], json!(bob));
    assert_eq!(list["value"][1].get("manager"), None);
    assert_eq!(world.names(&format!("/users/{bob}/directReports")).await, ["anna"]);
    world.delete(&format!("{path}/$ref")).await.expect(204);
    world.delete(&format!("{path}/$ref")).await.refused(404, "Request_ResourceNotFound");
    world
        .put(&format!("{path}/$ref"), world.reference("00000000-0000-0000-0000-000000000000"))
        .await
        .refused(404, "Request_ResourceNotFound");
    world
        .post("/users", with(user("carl"), json!({"manager@odata.bind": "x"})))
        .await
        .refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn a_new_object_shows_late() {
    let world = World::new(Settings { replication_delay_ms: 3_600_000, ..Settings::default() }).await;
    let id = world.user("anna").await;
    world.get(&format!("/users/{id}")).await.refused(404, "Request_ResourceNotFound");
    assert!(world.names("/users?$filter=userPrincipalName eq 'anna@contoso.com'").await.is_empty());
    world.post("/users", user("anna")).await.refused(400, "Request_BadRequest");
    let group = world.group("g").await;
    world
        .post(&format!("/groups/{group}/members/$ref"), world.reference(&id))
        .await
        .refused(404, "Request_ResourceNotFound");
    world.patch(&format!("/users/{id}"), json!({"jobTitle": "x"})).await.expect(204);
}
