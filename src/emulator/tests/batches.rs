//! `$batch`.

use super::*;

#[tokio::test]
async fn items_have_fates_of_their_own() {
    let world = World::new(Settings::default()).await;
    let headers = json!({"Content-Type": "application/json"});
    let answer = world.post("/$batch", json!({"requests": [
        {"id": "1", "method": "POST", "url": "/users", "headers": headers, "body": user("anna")},
        {"id": "2", "method": "POST", "url": "users", "headers": headers, "body": user("anna")},
        {"id": "3", "method": "GET", "url": "/users/anna@contoso.com?$select=displayName", "dependsOn": ["1"]},
        {"id": "4", "method": "GET", "url": "/users", "dependsOn": ["2"]},
        {"id": "5", "method": "GET", "url": "https://graph.microsoft.com/v1.0/users?$top=1"},
        {"id": "6", "method": "GET", "url": "/v1.0/users/nobody@contoso.com"},
        {"id": "7", "method": "POST", "url": "/users", "body": user("carl")},
        {"id": "8", "method": "PATCH", "url": "/users/anna@contoso.com", "headers": headers, "body": {"jobTitle": "x"}},
    ]})).await.expect(200);
    let status: Vec<(&str, u64)> = answer["responses"]
        .as_array()
        .expect("responses")
        .iter()
        .map(|one| (one["id"].as_str().unwrap_or_default(), one["status"].as_u64().unwrap_or_default()))
        .collect();
    assert_eq!(
        status,
        [("1", 201), ("2", 400), ("3", 200), ("4", 424), ("5", 200), ("6", 404), ("7", 400), ("8", 204)]
    );
    assert_eq!(answer["responses"][2]["body"]["displayName"], "anna");
    assert_eq!(answer["responses"][7].get("body"), None);
}

#[tokio::test]
async fn malformed_batches_are_refused_whole() {
    let world = World::new(Settings::default()).await;
    let get = |id: &str| json!({"id": id, "method": "GET", "url": "/users"});
    let many: Vec<Json> = (0..21).map(|number| get(&number.to_string())).collect();
    for (name, requests) in [
        ("none", json!([])),
        ("21", json!(many)),
        ("the same id in other letters", json!([get("a"), get("A")])),
        ("no id", json!([{"method": "GET", "url": "/users"}])),
        ("a later parent", json!([{"id": "1", "method": "GET", "url": "/users", "dependsOn": ["2"]}, get("2")])),
    ] {
        let answer = world.post("/$batch", json!({"requests": requests})).await;
        assert_eq!(answer.status, 400, "{name}");
    }
}

#[tokio::test]
async fn the_log_shows_writes_without_passwords() {
    let world = World::new(Settings::default()).await;
    let id = world.user("anna").await;
    world.patch(&format!("/users/{id}"), json!({"jobTitle": "x"})).await.expect(204);
    world.get("/users").await.expect(200);
    let log = world.get("/_emulator/log").await.expect(200);
    let seen: Vec<_> =
        log.as_array().expect("a list").iter().map(|one| (one["method"].as_str(), one["status"].as_u64())).collect();
    assert_eq!(seen, [(Some("POST"), Some(201)), (Some("PATCH"), Some(204))]);
    assert!(!log.to_string().contains("Correct-Horse"), "{log}");
    assert_eq!(world.get("/_emulator/log?since=1").await.expect(200).as_array().map(Vec::len), Some(1));
    let stats = world.get("/_emulator/stats").await.expect(200);
    assert_eq!(
        (&stats["requests"]["PATCH users/{id}"], &stats["writes"], &stats["users"]),
        (&json!(1), &json!(2), &json!(1))
    );
    world.post("/_emulator/reset-stats", json!({})).await.expect(204);
    assert_eq!(world.get("/_emulator/stats").await.expect(200)["writes"], json!(0));
}
