//! HTTPS, and state that lasts.

use super::*;

#[tokio::test]
async fn state_and_authority_last_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { folder: Some(folder.path().to_owned()), tls: true, ..Settings::default() };
    let world = World::new(settings.clone()).await;
    assert!(world.emulator.base_url.starts_with("https://127.0.0.1:"));
    let (anna, bob, group) = (world.user("anna").await, world.user("bob").await, world.group("staff").await);
    world.put(&format!("/users/{anna}/manager/$ref"), world.reference(&bob)).await.expect(204);
    world.post(&format!("/groups/{group}/members/$ref"), world.reference(&anna)).await.expect(204);
    let gone = world.user("gone").await;
    world.delete(&format!("/users/{gone}")).await.expect(204);
    let link = world.get("/users/delta?$deltatoken=latest").await.expect(200)["@odata.deltaLink"]
        .as_str()
        .expect("a link")
        .to_owned();
    world.patch(&format!("/users/{anna}"), json!({"jobTitle": "x"})).await.expect(204);
    let dump = world.get("/_emulator/dump").await.expect(200);
    let (old_url, old_ca) = (world.emulator.base_url.clone(), world.emulator.ca_pem.clone());
    assert_eq!(world.emulator.ca_file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()), old_ca);
    world.emulator.stop().await.expect("saved");
    assert!(!std::fs::read_to_string(folder.path().join("state.jsonl")).expect("state").contains("Correct-Horse"));

    let again = World::new(settings).await;
    assert_eq!(again.emulator.ca_pem, old_ca);
    assert_eq!(again.get("/_emulator/dump").await.expect(200), dump);
    let changed = again.get(&link.replace(&old_url, &again.emulator.base_url)).await.expect(200);
    assert_eq!(values(&changed, "id"), [anna]);
    again.post("/users", user("anna")).await.refused(400, "Request_BadRequest");
    again.user("gone").await;
}
