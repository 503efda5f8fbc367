//! A tenant in the emulator, people in a file, and rules that wish for whatever a case is about.

use std::fs;

use serde_json::{Value as Json, json};
use syncline::config::{Config, ConnectorSettings};
use syncline::connector::RenderedRequest;
use syncline::connector::graph;
use syncline::connector::target::TargetKind;
use syncline::connector_space::ConnectorObject;
use syncline::diagnostic::Severity;
use syncline::emulator::{self, App, Emulator};
use syncline::run::export::item_of;
use syncline::run::plan::{self, Plan};
use syncline::run::session::Session;
use syncline::run::synchronise;
use syncline::run::{RunError, Silent};

use crate::sign_in::sign_in;

const TENANT: &str = "contoso.onmicrosoft.com";

const CONFIG: &str = r#"
[connector.ad]
kind = "ldif"
file = "people.ldif"
schema = "active-directory"
objects = ["user", "group"]

[connector.entra]
kind = "entra"
tenant = "contoso.onmicrosoft.com"
emulator = true
"#;

const IN_USER: &str = r#"const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 100 };
fn join(user) { [ #{ anchor: exact(base64(user.objectGUID)) } ] }
fn flow(user) { #{ anchor: base64(user.objectGUID), account: user.sAMAccountName, manager: user.manager } }
"#;

const IN_GROUP: &str = r#"const rule = #{ from: "ad/group", to: "metaverse/group", link: "project", precedence: 100 };
fn join(group) { [ #{ anchor: exact(base64(group.objectGUID)) } ] }
fn flow(group) { #{ anchor: base64(group.objectGUID), account: group.sAMAccountName, members: group.member } }
"#;

/// An answer of the emulator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) body: Json,
}

impl Answer {
    pub(crate) fn refused(&self) -> bool {
        self.status >= 400
    }

    /// `400 Request_BadRequest: Property mail is invalid.`
    pub(crate) fn said(&self) -> String {
        format!("{} {}: {}", self.status, self.code, self.message)
    }
}

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    token: String,
    folder: tempfile::TempDir,
}

/// All that an app may be allowed that tests ask for.
pub(crate) fn settings() -> emulator::Settings {
    let mut app = App::default();
    app.roles.push("LicenseAssignment.ReadWrite.All".into());
    emulator::Settings { apps: vec![app], ..emulator::Settings::default() }
}

/// The anchor of the person or group with a number: a GUID as base64.
pub(crate) fn anchor(number: usize) -> String {
    let digits: String = format!("{number:04}").chars().map(|digit| char::from(b'A' + digit as u8 - b'0')).collect();
    format!("{digits}AAAAAAAAAAAAAAAAAA==")
}

/// One entry of the file; more lines may follow it.
pub(crate) fn entry(kind: &str, number: usize, account: &str) -> String {
    let anchor = anchor(number);
    format!(
        "\ndn: CN={account},DC=contoso,DC=test\nobjectClass: {kind}\nobjectGUID:: {anchor}\nsAMAccountName: {account}\n"
    )
}

/// A rule that makes what one account becomes. `flow` are lines of a map.
pub(crate) fn rule(kind: &str, account: &str, flow: &str) -> String {
    let (from, to, key) = match kind {
        "user" => ("person", "user", "onPremisesImmutableId"),
        _ => ("group", "group", "uniqueName"),
    };
    format!(
        "const rule = #{{ from: \"metaverse/{from}\", to: \"entra/{to}\", link: \"provision\", precedence: 100 }};\n\
         fn scope(it) {{ it.account == \"{account}\" }}\n\
         fn join(it) {{ [ #{{ {key}: exact(it.anchor) }} ] }}\n\
         fn flow(it) {{ #{{ {flow} }} }}\n"
    )
}

impl World {
    pub(crate) fn new(settings: emulator::Settings) -> World {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let emulator = runtime.block_on(emulator::start(settings)).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = runtime.block_on(sign_in(&client, &emulator.base_url, TENANT));
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        fs::write(folder.path().join("syncline.toml"), CONFIG).unwrap();
        let world = World { emulator, runtime, client, token, folder };
        world.write("rules/in-user.rhai", IN_USER);
        world.write("rules/in-group.rhai", IN_GROUP);
        world
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Sends a request past all that checks it.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Json>) -> Answer {
        let admin = path.starts_with("/_emulator");
        let url = format!("{}{}{path}", self.emulator.base_url, if admin { "" } else { "/v1.0" });
        let mut request = self.client.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let text = response.text().await.unwrap();
            let body: Json = serde_json::from_str(&text).unwrap_or(Json::Null);
            let error = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
            Answer { status, code: error("code"), message: error("message"), body }
        })
    }

    /// Puts objects into the tenant as they are; gives their ids.
    pub(crate) fn seed(&self, objects: &[Json]) -> Vec<String> {
        let answer = self.send("POST", "/_emulator/seed", Some(&json!({"objects": objects})));
        assert_eq!(answer.status, 200, "{}", answer.said());
        let ids = answer.body["ids"].as_array().unwrap();
        ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::load(&self.folder.path().join("syncline.toml")).unwrap();
        let settings = graph::Settings::for_emulator(&self.emulator.base_url, TENANT);
        for (name, connector) in &mut config.connectors {
            if name == "entra" {
                *connector = ConnectorSettings::Entra(settings.clone());
            }
        }
        config
    }

    pub(crate) fn session(&self) -> Session {
        match Session::open(self.config(), false) {
            Ok(session) => session,
            Err(RunError::Rules(found)) => {
                let errors = found.iter().filter(|finding| finding.severity == Severity::Error);
                panic!("{:?}", errors.map(|error| &error.message).collect::<Vec<_>>())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// What a run would write, and the requests of it by the name of the object, in their order. Nothing is sent.
    pub(crate) fn plan(&self) -> (Plan, Vec<(ConnectorObject, RenderedRequest)>) {
        let mut session = self.session();
        let plan = plan::make_from(&mut session, true, &Silent).unwrap();
        assert!(plan.incomplete.is_empty(), "{:?}", plan.incomplete);
        synchronise::run(&mut session, &Silent).unwrap();
        let mut requests = Vec::new();
        let draft = session.store.draft();
        draft
            .each_export("entra", |object| {
                let item = item_of(&object);
                let rendered = item.iter().flat_map(|item| TargetKind::Entra.render(item)).map(with_password);
                requests.extend(rendered.map(|request| (object.clone(), request)));
            })
            .unwrap();
        drop(draft);
        session.close().unwrap();
        (plan, requests)
    }
}

fn with_password(mut request: RenderedRequest) -> RenderedRequest {
    let place = request.body.as_mut().and_then(|body| body.pointer_mut("/passwordProfile/password"));
    if let Some(place) = place {
        *place = "Correct-Horse-7".into();
    }
    request
}
