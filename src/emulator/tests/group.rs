//! Groups and their members.

use super::*;

#[tokio::test]
async fn members_come_and_go() {
    let world = World::new(Settings::default()).await;
    let group = world.group("staff").await;
    let mut users = Vec::new();
    for number in 0..45 {
        users.push(world.user(&format!("u{number:02}")).await);
    }
    let url = |id: &String| format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}");
    let bind = |ids: &[String]| json!({"members@odata.bind": ids.iter().map(url).collect::<Vec<_>>()});
    let path = format!("/groups/{group}");
    let members = format!("{path}/members");

    world.post(&format!("{members}/$ref"), world.reference(&users[0])).await.expect(204);
    let again =
        world.post(&format!("{members}/$ref"), world.reference(&users[0])).await.refused(400, "Request_BadRequest");
    assert!(again["error"]["message"].as_str().is_some_and(|message| message.contains("already exist")));
    world.patch(&path, bind(&users[1..21])).await.expect(204);
    world.patch(&path, bind(&users[21..42])).await.refused(400, "Request_BadRequest");
    world.patch(&path, bind(&[users[21].clone(), users[0].clone()])).await.refused(400, "Request_BadRequest");
    world
        .patch(&path, bind(&[users[21].clone(), "00000000-0000-0000-0000-000000000000".into()]))
        .await
        .refused(404, "Request_ResourceNotFound");
    assert_eq!(values(&world.get(&members).await.expect(200), "id"), users[..21], "all or nothing");

    let page = world.get(&format!("{members}?$top=15&$select=id")).await.expect(200);
    assert_eq!(page["value"][0]["@odata.type"], "#microsoft.graph.user");
    let next = page["@odata.nextLink"].as_str().expect("a second page").to_owned();
    assert_eq!(values(&world.get(&next).await.expect(200), "id"), users[15..21]);
    let cast = world.get(&format!("{members}/microsoft.graph.group")).await.expect(200);
    assert_eq!(cast["value"], json!([]));
    let shown = world.get(&format!("{path}?$expand=members")).await.expect(200);
    assert_eq!(shown["members"].as_array().map(Vec::len), Some(20));
    assert_eq!(world.names(&format!("/users/{}/memberOf", users[3])).await, ["staff"]);

    world.delete(&format!("{members}/{}/$ref", users[0])).await.expect(204);
    world.delete(&format!("{members}/{}/$ref", users[0])).await.refused(404, "Request_ResourceNotFound");
    world.delete(&format!("/users/{}", users[1])).await.expect(204);
    assert_eq!(values(&world.get(&members).await.expect(200), "id"), users[2..21], "deleted users are hidden");
    world.post(&format!("/directory/deletedItems/{}/restore", users[1]), json!({})).await.expect(200);
    assert_eq!(values(&world.get(&members).await.expect(200), "id"), users[1..21], "and come back");
    world.delete(&format!("{members}/{}", users[5])).await.expect(204);
    world.get(&format!("/users/{}", users[5])).await.refused(404, "Request_ResourceNotFound");
}

#[tokio::test]
async fn wrong_groups_are_refused() {
    let world = World::new(Settings::default()).await;
    for (changes, status) in [
        (json!({"displayName": null}), 400),
        (json!({"mailNickname": "a b"}), 400),
        (json!({"mailNickname": "a@b"}), 400),
        (json!({"securityEnabled": false}), 400),
        (json!({"mailEnabled": true}), 400),
        (json!({"isAssignableToRole": true}), 403),
        (json!({"mail": "x@contoso.com"}), 400),
        (json!({"hideFromAddressLists": true}), 400),
        (json!({"displayName": "x".repeat(257)}), 400),
    ] {
        let answer = world.post("/groups", with(group("g"), changes.clone())).await;
        assert_eq!(answer.status, status, "{changes}: {}", answer.body);
    }
    let unified =
        with(group("team"), json!({"groupTypes": ["Unified"], "mailEnabled": true, "securityEnabled": false}));
    let unified = world.post("/groups", unified).await.expect(201);
    assert_eq!(unified["mail"], "team@contoso.onmicrosoft.com");
    let plain = world.group("plain").await;
    let into_team = world.post(&format!("/groups/{}/members/$ref", id(&unified)), world.reference(&plain)).await;
    into_team.refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn a_group_is_made_once_by_its_unique_name() {
    let world = World::new(Settings::default()).await;
    let path = "/groups(uniqueName='guid-1')";
    world.patch(path, group("staff")).await.refused(404, "Request_ResourceNotFound");
    let prefer = [("Prefer", "create-if-missing")];
    let made = world.send_with(Method::PATCH, path, Some(group("staff")), &prefer).await.expect(201);
    assert_eq!(world.send_with(Method::PATCH, path, Some(json!({"displayName": "crew"})), &prefer).await.status, 204);
    let shown = world.get(&format!("{path}?$select=id,displayName,uniqueName")).await.expect(200);
    assert_eq!(
        (id(&shown), &shown["displayName"], &shown["uniqueName"]),
        (id(&made), &json!("crew"), &json!("guid-1"))
    );
    world
        .post("/groups", with(group("other"), json!({"uniqueName": "guid-1"})))
        .await
        .refused(409, "Request_MultipleObjectsWithSameKeyValue");
    world.patch(path, json!({"uniqueName": "guid-2"})).await.refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn ids_find_objects_of_all_kinds() {
    let world = World::new(Settings::default()).await;
    let (user, group) = (world.user("anna").await, world.group("staff").await);
    let body = json!({"ids": [group, "00000000-0000-0000-0000-000000000000", user]});
    let found = world.post("/directoryObjects/getByIds?$select=id,displayName", body).await.expect(200);
    assert_eq!(values(&found, "@odata.type"), ["#microsoft.graph.group", "#microsoft.graph.user"]);
    let organization = world.get("/organization?$select=verifiedDomains,onPremisesSyncEnabled").await.expect(200);
    let domains: Vec<_> = organization["value"][0]["verifiedDomains"]
        .as_array()
        .expect("domains")
        .iter()
        .map(|domain| &domain["name"])
        .collect();
    assert_eq!(domains, ["contoso.com", "contoso.test", "contoso.onmicrosoft.com"]);
    assert_eq!(values(&world.get("/domains").await.expect(200), "id").len(), 3);
}
