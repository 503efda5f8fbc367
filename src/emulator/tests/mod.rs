//! The emulator over HTTP, as a client sees it.

mod batches;
mod deltas;
mod disk;
mod group;
mod signing_in;
mod trouble;
mod user;

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::{App, Emulator, Settings, start};

/// A started emulator and a client that is signed in.
pub(super) struct World {
    pub(super) emulator: Emulator,
    pub(super) client: reqwest::Client,
    token: String,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Json,
}

impl Answer {
    /// `error.code`
    pub(super) fn code(&self) -> &str {
        self.body.pointer("/error/code").and_then(Json::as_str).unwrap_or_default()
    }

    /// The answer, whose status must be the one given.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Json {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// A refusal, with status and code.
    #[track_caller]
    pub(super) fn refused(self, status: u16, code: &str) -> Json {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
        self.body
    }
}

impl World {
    pub(super) async fn new(settings: Settings) -> World {
        let emulator = start(settings).await.expect("the emulator starts");
        World::around(emulator).await
    }

    pub(super) async fn around(emulator: Emulator) -> World {
        let mut builder = reqwest::Client::builder().no_proxy();
        if let Some(pem) = &emulator.ca_pem {
            let authority = reqwest::Certificate::from_pem(pem.as_bytes()).expect("a certificate");
            builder = builder.tls_certs_only([authority]);
        }
        let mut world = World { emulator, client: builder.build().expect("a client"), token: String::new() };
        let app = App::default();
        let secret = app.secret.clone().unwrap_or_default();
        let answer = world
            .sign_in(&[
                ("grant_type", "client_credentials"),
                ("client_id", &app.client_id),
                ("client_secret", &secret),
                ("scope", "https://graph.microsoft.com/.default"),
            ])
            .await;
        if answer.status == 200 {
            world.token = answer.body["access_token"].as_str().unwrap_or_default().to_owned();
        }
        world
    }

    pub(super) async fn sign_in(&self, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}/contoso.onmicrosoft.com/oauth2/v2.0/token", self.emulator.base_url);
        read(self.client.post(url).form(form)).await
    }

    /// With these headers, to `/v1.0` and on.
    pub(super) async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: Option<Json>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let url = match path {
            absolute if absolute.starts_with("http") => absolute.to_owned(),
            admin if admin.starts_with("/_emulator") => format!("{}{admin}", self.emulator.base_url),
            path => format!("{}/v1.0{path}", self.emulator.base_url),
        };
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send_with(Method::GET, path, None, &[]).await
    }

    /// In advanced mode.
    pub(super) async fn get_eventual(&self, path: &str) -> Answer {
        self.send_with(Method::GET, path, None, &[("ConsistencyLevel", "eventual")]).await
    }

    pub(super) async fn post(&self, path: &str, body: Json) -> Answer {
        self.send_with(Method::POST, path, Some(body), &[]).await
    }

    pub(super) async fn patch(&self, path: &str, body: Json) -> Answer {
        self.send_with(Method::PATCH, path, Some(body), &[]).await
    }

    pub(super) async fn put(&self, path: &str, body: Json) -> Answer {
        self.send_with(Method::PUT, path, Some(body), &[]).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.send_with(Method::DELETE, path, None, &[]).await
    }

    /// A new user's id.
    #[track_caller]
    pub(super) fn user(&self, name: &str) -> impl Future<Output = String> {
        let body = user(name);
        async move { id(&self.post("/users", body).await.expect(201)) }
    }

    /// A new security group's id.
    pub(super) async fn group(&self, name: &str) -> String {
        id(&self.post("/groups", group(name)).await.expect(201))
    }

    /// Values of a property over a listing's first page.
    pub(super) async fn names(&self, path: &str) -> Vec<String> {
        values(&self.get(path).await.expect(200), "displayName")
    }

    /// `{"@odata.id": …}`
    pub(super) fn reference(&self, id: &str) -> Json {
        json!({"@odata.id": format!("{}/v1.0/directoryObjects/{id}", self.emulator.base_url)})
    }
}

async fn read(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Json::String(text));
    Answer { status, headers, body }
}

pub(super) fn id(body: &Json) -> String {
    body["id"].as_str().expect("an id").to_owned()
}

pub(super) fn values(body: &Json, name: &str) -> Vec<String> {
    let list = body["value"].as_array().expect("a list");
    list.iter().map(|item| item[name].as_str().unwrap_or_default().to_owned()).collect()
}

/// The body that creates a user.
pub(super) fn user(name: &str) -> Json {
    json!({
        "accountEnabled": true,
        "displayName": name,
        "mailNickname": name,
        "userPrincipalName": format!("{name}@contoso.com"),
        "passwordProfile": {"password": "Correct-Horse-7", "forceChangePasswordNextSignIn": true},
    })
}

/// The body that creates a security group.
pub(super) fn group(name: &str) -> Json {
    json!({"displayName": name, "mailEnabled": false, "mailNickname": name, "securityEnabled": true})
}

/// One body with other values; null takes a name away.
pub(super) fn with(mut body: Json, changes: Json) -> Json {
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            body.as_object_mut().expect("an object").remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}
