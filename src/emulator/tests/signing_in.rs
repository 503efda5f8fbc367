//! The token endpoint and what tokens allow.

use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::super::certificate::Certificate;
use super::*;

const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const SCOPE: &str = "https://graph.microsoft.com/.default";

fn certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    let certificate =
        rcgen::CertificateParams::new(Vec::new()).expect("parameters").self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn secrets_are_checked() {
    let world = World::new(Settings::default()).await;
    let good = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", "emulator-secret"),
        ("scope", SCOPE),
    ];
    let answer = world.sign_in(&good).await.expect(200);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3599)));
    for (name, value, status, error, code) in [
        ("client_secret", "wrong", 401, "invalid_client", 7_000_215),
        ("client_id", "99991111-aaaa-2222-bbbb-3333cccc4444", 400, "unauthorized_client", 700_016),
        ("client_id", "nonsense", 400, "unauthorized_client", 700_038),
        ("scope", "https://elsewhere.example/.default", 400, "invalid_resource", 500_011),
        ("grant_type", "password", 400, "unsupported_grant_type", 70_003),
    ] {
        let form: Vec<_> = good.iter().map(|(key, old)| (*key, if *key == name { value } else { *old })).collect();
        let answer = world.sign_in(&form).await;
        assert_eq!((answer.status, answer.body["error"].as_str()), (status, Some(error)), "{name}={value}");
        assert_eq!(answer.body["error_codes"], json!([code]), "{name}={value}");
        let description = answer.body["error_description"].as_str().unwrap_or_default();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
    }
    let url = format!("{}/nowhere/oauth2/v2.0/token", world.emulator.base_url);
    let nowhere = read(world.client.post(url).form(&good)).await;
    assert_eq!(nowhere.body["error_codes"], json!([90_002]));
    let url = format!("{}/contoso.com/oauth2/v2.0/token", world.emulator.base_url);
    let basic = world.client.post(url).basic_auth(CLIENT, Some("emulator-secret")).form(&[good[0], good[3]]);
    read(basic).await.expect(200);
    let url = format!("{}/contoso.com/v2.0/.well-known/openid-configuration", world.emulator.base_url);
    let found = world.get(&url).await.expect(200);
    assert_eq!(found["token_endpoint"], format!("{}/contoso.com/oauth2/v2.0/token", world.emulator.base_url));
}

#[tokio::test]
async fn assertions_of_all_clients_are_checked() {
    let (pem, key) = certificate();
    let (_, other_key) = certificate();
    let app = App { certificate: Some(pem.clone()), ..App::default() };
    let world = World::new(Settings { apps: vec![app], ..Settings::default() }).await;
    let known = Certificate::parse_all(&pem).expect("a certificate").remove(0);
    let audience = format!("{}/contoso.onmicrosoft.com/oauth2/v2.0/token", world.emulator.base_url);
    let now = super::super::service::now() / 1000;
    let claims =
        json!({"aud": audience, "iss": CLIENT, "sub": CLIENT, "jti": "1", "nbf": now, "iat": now, "exp": now + 300});
    let float = with(claims.clone(), json!({"exp": now as f64 + 300.5, "nbf": null, "iat": now as f64 + 0.25}));
    let print = |sha256: bool, text: &str| {
        let text = Some(text.to_owned());
        if sha256 { (None, text) } else { (text, None) }
    };
    let sha256_padded = format!("{}=", known.sha256);
    let sha1_padded = format!("{}=", known.sha1);
    for (name, algorithm, (x5t, x5t_s256), key, claims, code) in [
        ("as documented", Algorithm::PS256, print(true, &known.sha256), &key, claims.clone(), 0),
        ("msal", Algorithm::PS256, print(true, &sha256_padded), &key, float.clone(), 0),
        ("azure-identity", Algorithm::RS256, print(false, &sha1_padded), &key, float, 0),
        ("old", Algorithm::RS256, print(false, &known.sha1), &key, claims.clone(), 0),
        ("another key", Algorithm::PS256, print(true, &known.sha256), &other_key, claims.clone(), 700_027),
        ("another certificate", Algorithm::PS256, print(true, "AAAA"), &key, claims.clone(), 700_027),
        (
            "expired",
            Algorithm::PS256,
            print(true, &known.sha256),
            &key,
            with(claims.clone(), json!({"exp": now - 400})),
            700_024,
        ),
        (
            "too early",
            Algorithm::PS256,
            print(true, &known.sha256),
            &key,
            with(claims.clone(), json!({"nbf": now + 400})),
            700_024,
        ),
        (
            "another app",
            Algorithm::PS256,
            print(true, &known.sha256),
            &key,
            with(claims.clone(), json!({"iss": "x"})),
            700_021,
        ),
        (
            "another audience",
            Algorithm::PS256,
            print(true, &known.sha256),
            &key,
            with(claims, json!({"aud": "https://x"})),
            700_023,
        ),
    ] {
        let header = Header { x5t, x5t_s256, ..Header::new(algorithm) };
        let key = EncodingKey::from_rsa_pem(key.as_bytes()).expect("a key");
        let assertion = jsonwebtoken::encode(&header, &claims, &key).expect("a token");
        let answer = world
            .sign_in(&[
                ("grant_type", "client_credentials"),
                ("client_id", CLIENT),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", &assertion),
                ("scope", SCOPE),
                ("client_info", "1"),
            ])
            .await;
        let found = answer.body.pointer("/error_codes/0").and_then(Json::as_u64).unwrap_or_default();
        assert_eq!(found, code, "{name}: {}", answer.body);
        assert_eq!(answer.status, if code == 0 { 200 } else { 401 }, "{name}");
    }
}

#[tokio::test]
async fn tokens_expire_and_carry_roles() {
    let world = World::new(Settings { token_lifetime: 0, ..Settings::default() }).await;
    world.get("/users").await.refused(401, "InvalidAuthenticationToken");
    let bare = world.client.get(format!("{}/v1.0/users", world.emulator.base_url));
    read(bare).await.refused(401, "InvalidAuthenticationToken");

    let app = App { roles: vec!["User.Read.All".into()], ..App::default() };
    let reader = World::new(Settings { apps: vec![app], ..Settings::default() }).await;
    reader.get("/users").await.expect(200);
    reader.post("/users", user("anna")).await.refused(403, "Authorization_RequestDenied");
    reader.get("/groups").await.refused(403, "Authorization_RequestDenied");
    reader.get("/organization").await.refused(403, "Authorization_RequestDenied");
}
