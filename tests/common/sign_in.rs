//! Signing in at the emulated tenant as the app that it knows.

/// A token for Graph.
pub(crate) async fn sign_in(client: &reqwest::Client, base_url: &str, tenant: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "00001111-aaaa-2222-bbbb-3333cccc4444"),
        ("client_secret", "emulator-secret"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let url = format!("{base_url}/{tenant}/oauth2/v2.0/token");
    let text = client.post(url).form(&form).send().await.unwrap().text().await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&text).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}
