//! A tenant in the emulator, the connector before it, and short ways to say what is written and read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use syncline::connector::graph::{Graph, Settings};
use syncline::connector::{
    Anchor, ExportAction, ExportItem, ExportOutcome, ImportEnd, ImportEvent, ImportRequest, ImportedObject, Target,
};
use syncline::emulator::{self, Emulator};
use syncline::value::{AttributeName, Attributes, Value, Values};
use tokio::sync::mpsc;
use uuid::Uuid;

pub(crate) const TENANT: &str = "contoso.onmicrosoft.com";

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) graph: Graph,
    pub(crate) client: reqwest::Client,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(emulator::Settings::default()).await
    }

    pub(crate) async fn with(settings: emulator::Settings) -> World {
        World::tuned(settings, |_| {}).await
    }

    pub(crate) async fn tuned(settings: emulator::Settings, tune: impl FnOnce(&mut Settings)) -> World {
        let emulator = emulator::start(settings).await.expect("the emulator starts");
        let mut builder = reqwest::Client::builder().no_proxy();
        let mut settings = Settings { retry_pause_ms: 1, ..Settings::for_emulator(&emulator.base_url, TENANT) };
        if let Some(pem) = &emulator.ca_pem {
            let authority = reqwest::Certificate::from_pem(pem.as_bytes()).expect("a certificate");
            builder = builder.tls_certs_only([authority]);
            settings.ca_file = emulator.ca_file.clone();
        }
        tune(&mut settings);
        let graph = Graph::new(settings).expect("settings that can work");
        World { emulator, graph, client: builder.build().expect("a client") }
    }

    pub(crate) async fn admin(&self, path: &str, body: Json) -> Json {
        let url = format!("{}/_emulator/{path}", self.emulator.base_url);
        let request = if body.is_null() { self.client.get(url) } else { self.client.post(url).json(&body) };
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.text().await.expect("text");
        serde_json::from_str(&text).unwrap_or(Json::String(text))
    }

    pub(crate) async fn faults(&self, rates: Json) {
        self.admin("faults", rates).await;
    }

    /// Objects as the emulator keeps them, deleted ones too.
    pub(crate) async fn dump(&self) -> Vec<Json> {
        match self.admin("dump", Json::Null).await {
            Json::String(text) => text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(),
            Json::Null => Vec::new(),
            one => vec![one],
        }
    }

    /// Writes carried out or refused, `POST /users 201`.
    pub(crate) async fn log(&self) -> Vec<String> {
        let log = self.admin("log", Json::Null).await;
        let text = |entry: &Json, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let line = |entry: &Json| format!("{} {} {}", text(entry, "method"), text(entry, "path"), entry["status"]);
        log.as_array().expect("a list").iter().map(line).collect()
    }

    /// Outcomes in the order of the items.
    pub(crate) async fn export(&self, items: Vec<ExportItem>) -> Vec<ExportOutcome> {
        let mut outcomes = BTreeMap::new();
        let ids: Vec<Uuid> = items.iter().map(|item| item.id).collect();
        let (sender, mut receiver) = mpsc::channel(4);
        let graph = self.graph.clone();
        let export = tokio::spawn(async move { graph.export(items, sender).await });
        while let Some((id, at, outcome)) = receiver.recv().await {
            assert_eq!(ids.get(at), Some(&id));
            assert!(outcomes.insert(at, outcome).is_none(), "item {at} ended twice");
        }
        export.await.expect("no panic").expect("Graph can be used");
        assert_eq!(outcomes.len(), ids.len(), "every item has an outcome");
        outcomes.into_values().collect()
    }

    pub(crate) async fn export_one(&self, object_type: &str, action: ExportAction) -> ExportOutcome {
        self.export(vec![item(object_type, action)]).await.remove(0)
    }

    /// Makes something that must succeed.
    pub(crate) async fn made(&self, object_type: &str, action: ExportAction) -> Anchor {
        match self.export_one(object_type, action).await {
            ExportOutcome::Done { created: Some(anchor) } => anchor,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn users(&self, count: usize) -> Vec<Anchor> {
        let items = (0..count).map(|number| item("user", user(&format!("user{number}")))).collect();
        let done = |outcome| match outcome {
            ExportOutcome::Done { created: Some(anchor) } => anchor,
            other => panic!("{other:?}"),
        };
        self.export(items).await.into_iter().map(done).collect()
    }

    pub(crate) async fn import(&self, request: ImportRequest) -> (Vec<ImportEvent>, ImportEnd) {
        let (sender, mut receiver) = mpsc::channel(4);
        let graph = self.graph.clone();
        let import = tokio::spawn(async move { graph.import(&request, sender).await });
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        (events, import.await.expect("no panic").expect("Graph can be used"))
    }

    /// Everything, by anchor.
    pub(crate) async fn everything(&self) -> BTreeMap<Anchor, ImportedObject> {
        let (events, end) = self.import(wanted()).await;
        assert_eq!(end, ImportEnd::Complete);
        let object = |event| match event {
            ImportEvent::Object(object) => (object.anchor.clone(), *object),
            other => panic!("{other:?}"),
        };
        events.into_iter().map(object).collect()
    }
}

pub(crate) fn names(names: &[&str]) -> BTreeSet<AttributeName> {
    names.iter().map(|name| AttributeName::from(*name)).collect()
}

pub(crate) fn wanted() -> ImportRequest {
    let user = [
        "givenName",
        "jobTitle",
        "manager",
        "otherMails",
        "employeeOrgData.costCenter",
        "onPremisesExtensionAttributes.extensionAttribute1",
        "onPremisesExtensionAttributes.extensionAttribute2",
    ];
    let types = [("user".to_owned(), names(&user)), ("group".to_owned(), names(&["description", "members", "owners"]))];
    ImportRequest { types: types.into() }
}

pub(crate) fn item(object_type: &str, action: ExportAction) -> ExportItem {
    ExportItem::new(Uuid::new_v4(), object_type, action)
}

pub(crate) fn attributes(json: Json) -> BTreeMap<AttributeName, Values> {
    let one = |json: &Json| match json {
        Json::String(text) => Value::Text(text.clone()),
        Json::Bool(flag) => Value::Boolean(*flag),
        other => panic!("{other}"),
    };
    let values = |json: &Json| match json {
        Json::Null => Vec::new(),
        Json::Array(list) => list.iter().map(one).collect(),
        other => vec![one(other)],
    };
    let map = json.as_object().expect("an object").iter();
    map.map(|(name, json)| (AttributeName::from(name.as_str()), values(json))).collect()
}

pub(crate) fn create(json: Json, key: &str) -> ExportAction {
    let attributes: Attributes = attributes(json);
    let name = AttributeName::from(key);
    let match_key = attributes.get(&name).map(|values| (name, values[0].clone()));
    ExportAction::Create { attributes, references: BTreeMap::new(), match_key }
}

pub(crate) fn user(name: &str) -> ExportAction {
    let json = json!({
        "accountEnabled": true,
        "displayName": name,
        "mailNickname": name,
        "userPrincipalName": format!("{name}@contoso.com"),
        "onPremisesImmutableId": format!("{name}+/=="),
    });
    create(json, "onPremisesImmutableId")
}

pub(crate) fn group(name: &str, members: &[Anchor]) -> ExportAction {
    let json = json!({"displayName": name, "mailNickname": name, "uniqueName": format!("{name}'s key")});
    match create(json, "uniqueName") {
        ExportAction::Create { attributes, match_key, .. } => {
            ExportAction::Create { attributes, references: [("members".into(), members.to_vec())].into(), match_key }
        }
        other => other,
    }
}

pub(crate) fn update(anchor: &Anchor, json: Json) -> ExportAction {
    ExportAction::Update { anchor: anchor.clone(), attributes: attributes(json) }
}

pub(crate) fn add(anchor: &Anchor, attribute: &str, targets: &[Anchor]) -> ExportAction {
    ExportAction::AddReferences { anchor: anchor.clone(), attribute: attribute.into(), targets: targets.to_vec() }
}

pub(crate) fn remove(anchor: &Anchor, attribute: &str, targets: &[Anchor]) -> ExportAction {
    ExportAction::RemoveReferences { anchor: anchor.clone(), attribute: attribute.into(), targets: targets.to_vec() }
}

pub(crate) fn done() -> ExportOutcome {
    ExportOutcome::Done { created: None }
}

/// References of an object, sorted.
pub(crate) fn references(object: &ImportedObject, attribute: &str) -> BTreeSet<Anchor> {
    let targets = object.references.get(&AttributeName::from(attribute)).into_iter().flatten();
    let anchor = |target: &Target| match target {
        Target::Anchor(anchor) => anchor.clone(),
        Target::Dn(dn) => panic!("{dn}"),
    };
    targets.map(anchor).collect()
}

/// `givenName=Zoë`, sorted by name.
pub(crate) fn shown(object: &ImportedObject) -> Vec<String> {
    let values = |values: &Values| values.iter().map(Value::to_string).collect::<Vec<_>>().join("|");
    object.attributes.iter().map(|(name, list)| format!("{name}={}", values(list))).collect()
}
