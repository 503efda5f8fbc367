//! Quotas and faults.

use super::super::{Faults, Throttling};
use super::*;

#[tokio::test]
async fn writes_beyond_the_quota_are_refused_one_by_one() {
    let world = World::new(Settings { throttle: Throttling::Factor(1e-6), ..Settings::default() }).await;
    let headers = json!({"Content-Type": "application/json"});
    let batch: Vec<Json> = (0..20)
        .map(|n| json!({"id": n.to_string(), "method": "PATCH", "url": "/users/nobody@contoso.com", "headers": headers, "body": {"city": "x"}}))
        .collect();
    for _ in 0..150 {
        world.post("/$batch", json!({"requests": batch})).await.expect(200);
    }
    let answer = world.post("/$batch", json!({"requests": batch})).await.expect(200);
    let first = &answer["responses"][0];
    assert_eq!(first["status"], 429);
    assert!(
        first["headers"]["Retry-After"]
            .as_str()
            .and_then(|wait| wait.parse::<f64>().ok())
            .is_some_and(|wait| wait > 0.0)
    );
    let alone = world.patch("/users/nobody@contoso.com", json!({"city": "x"})).await;
    assert_eq!(alone.headers["x-ms-throttle-information"], "WriteLimitExceeded");
    alone.refused(429, "TooManyRequests");
    world.get("/users").await.expect(200);
}

#[tokio::test]
async fn a_lost_answer_may_hide_a_write() {
    let world = World::new(Settings::default()).await;
    let always = |faults: Faults| serde_json::to_value(faults).expect("JSON");
    for (faults, status, written) in [
        (Faults { too_many: 1.0, retry_after: 2.0, ..Faults::default() }, 429, false),
        (Faults { unavailable: 1.0, ..Faults::default() }, 503, false),
        (Faults { timeout_before: 1.0, ..Faults::default() }, 504, false),
        (Faults { timeout_after: 1.0, ..Faults::default() }, 504, true),
    ] {
        world.post("/_emulator/faults", always(faults)).await.expect(204);
        let answer = world.post("/users", user("anna")).await;
        assert_eq!(answer.status, status);
        world.post("/_emulator/faults", json!({})).await.expect(204);
        assert_eq!(world.get("/users/anna@contoso.com").await.status == 200, written, "{status}");
    }
}

#[tokio::test]
async fn a_connection_can_break() {
    let world =
        World::new(Settings { faults: Faults { reset_after: 1.0, ..Faults::default() }, ..Settings::default() }).await;
    let url = format!("{}/v1.0/users", world.emulator.base_url);
    let broken = world.client.post(url).bearer_auth(&world.token).json(&user("anna")).send().await;
    assert!(broken.is_err(), "{broken:?}");
    world.post("/_emulator/faults", json!({})).await.expect(204);
    assert_eq!(world.names("/users").await, ["anna"]);
}

#[tokio::test]
async fn a_whole_batch_can_be_lost_or_done_without_a_word() {
    let world = World::new(Settings::default()).await;
    let headers = json!({"Content-Type": "application/json"});
    let request = json!({"id": "1", "method": "POST", "url": "/users", "headers": headers, "body": user("anna")});
    for (fault, status, found) in [("batch-unavailable", 503, 404), ("batch-timeout-after", 504, 200)] {
        world.post("/_emulator/faults", json!({fault: 1.0})).await.expect(204);
        world.post("/$batch", json!({"requests": [request]})).await.expect(status);
        assert_eq!(world.get("/users/anna@contoso.com").await.status, found, "{fault}");
    }
    world.post("/_emulator/faults", json!({"nonsense": 1.0})).await.refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn the_token_endpoint_can_refuse() {
    let world =
        World::new(Settings { faults: Faults { token_refused: 1.0, ..Faults::default() }, ..Settings::default() })
            .await;
    let answer = world.sign_in(&[("grant_type", "client_credentials")]).await;
    assert_eq!((answer.status, answer.body["error"].as_str()), (401, Some("invalid_client")));
}
