//! Reading a tenant: lists page by page, members twenty groups at a time, look-ups by id.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::batch::{self, Part};
use super::http::{Broken, Client, Reply, backoff, is_passing, refusal};
use super::schema::schema;
use crate::connector::{
    Anchor, ConnectorError, ConnectorErrorKind, ImportEnd, ImportEvent, ImportRequest, ImportSink, ImportedObject,
    Presence, Target, TenantFacts,
};
use crate::value::{AttributeName, Attributes, Kind, Schema, Value, Values};

/// What is always read, for rules of safety.
const ALWAYS: &[(&str, &[&str])] = &[
    (
        "user",
        &[
            "userPrincipalName",
            "displayName",
            "onPremisesImmutableId",
            "onPremisesSyncEnabled",
            "userType",
            "accountEnabled",
        ],
    ),
    ("group", &["displayName", "uniqueName", "onPremisesSyncEnabled", "groupTypes", "mailEnabled", "securityEnabled"]),
];

/// What to ask for one object type.
struct Query {
    object_type: &'static str,
    set: &'static str,
    schema: Schema,
    /// Properties without references.
    names: BTreeSet<AttributeName>,
    manager: bool,
    members: bool,
}

impl Query {
    fn new(object_type: &'static str, wanted: &BTreeSet<AttributeName>) -> Query {
        let schema = schema(object_type).unwrap_or_default();
        let always = ALWAYS.iter().filter(|(of, _)| *of == object_type).flat_map(|(_, names)| names.iter().copied());
        let all: BTreeSet<AttributeName> = wanted.iter().cloned().chain(always.map(AttributeName::from)).collect();
        let reference = |name: &&AttributeName| schema.get(name).is_some_and(|known| known.kind == Kind::Reference);
        let has = |name: &str| wanted.contains(&AttributeName::from(name));
        let (manager, members) = (has("manager"), has("members"));
        let names = all.iter().filter(|name| schema.get(name).is_some() && !reference(name)).cloned().collect();
        let set = if object_type == "group" { "groups" } else { "users" };
        Query { object_type, set, names, manager, members, schema }
    }

    /// `$select=…&$expand=…`
    fn parameters(&self) -> String {
        let mut select: BTreeSet<&str> = BTreeSet::from(["id"]);
        select.extend(self.names.iter().map(|name| name.as_str().split('.').next().unwrap_or_default()));
        let select: Vec<&str> = select.into_iter().collect();
        let expand = if self.manager { "&$expand=manager($select=id)" } else { "" };
        format!("$select={}{expand}", select.join(","))
    }

    /// An object as Graph shows it.
    fn object(&self, json: &Json) -> Result<ImportedObject, String> {
        let id = json.get("id").and_then(Json::as_str).ok_or("an object without an id")?;
        let mut attributes = Attributes::new();
        for name in &self.names {
            let found = match name.as_str().split_once('.') {
                None => json.get(name.as_str()),
                Some((outer, inner)) => json.get(outer).and_then(|outer| outer.get(inner)),
            };
            let kind = self.schema.get(name).map_or(Kind::Text, |known| known.kind);
            let values =
                found.map_or(Ok(Values::new()), |json| values(json, kind)).map_err(|why| format!("`{name}`: {why}"))?;
            if !values.is_empty() {
                attributes.insert(name.clone(), values);
            }
        }
        let mut references = BTreeMap::new();
        if let Some(manager) = json.get("manager").and_then(|manager| manager.get("id")).and_then(Json::as_str) {
            references.insert("manager".into(), vec![Target::Anchor(Anchor(manager.to_owned()))]);
        }
        Ok(ImportedObject {
            anchor: Anchor(id.to_owned()),
            dn: None,
            object_type: self.object_type.into(),
            attributes,
            references,
        })
    }
}

fn values(json: &Json, kind: Kind) -> Result<Values, String> {
    let one = |json: &Json| -> Result<Option<Value>, String> {
        Ok(match (kind, json) {
            (_, Json::Null) => None,
            (Kind::Time, Json::String(text)) => {
                let time: jiff::Timestamp = text.parse().map_err(|_| format!("`{text}` is not a time"))?;
                Some(Value::Time(time.as_microsecond()))
            }
            (_, Json::String(text)) => Value::text(text.as_str()),
            (_, Json::Bool(flag)) => Some(Value::Boolean(*flag)),
            (_, Json::Number(number)) => Some(Value::Integer(number.as_i64().ok_or("not a whole number")?)),
            (_, other) => return Err(format!("unexpected {other}")),
        })
    };
    match json {
        Json::Array(list) => list.iter().filter_map(|json| one(json).transpose()).collect(),
        json => Ok(one(json)?.into_iter().collect()),
    }
}

fn queries(request: &ImportRequest) -> Vec<Query> {
    let known = |name: &str| match name {
        "user" => Some("user"),
        "group" => Some("group"),
        _ => None,
    };
    request.types.iter().filter_map(|(name, wanted)| Some(Query::new(known(name)?, wanted))).rev().collect()
}

pub(super) async fn import(
    client: &Client,
    request: &ImportRequest,
    sink: ImportSink,
) -> Result<ImportEnd, ConnectorError> {
    // The first request tells whether the tenant can be used at all.
    let mut first = true;
    let mut reasons = Vec::new();
    for query in queries(request) {
        match list(client, &query, &sink, first).await {
            Ok(()) => {}
            Err(error) if first => return Err(error),
            Err(error) => reasons.push(format!("the list of {}: {error}", query.set)),
        }
        first = false;
    }
    Ok(if reasons.is_empty() { ImportEnd::Complete } else { ImportEnd::Incomplete(reasons) })
}

async fn list(client: &Client, query: &Query, sink: &ImportSink, first: bool) -> Result<(), ConnectorError> {
    let mut next = Some(format!("/{}?{}&$top=999", query.set, query.parameters()));
    let mut started = !first;
    while let Some(path) = next {
        let page = match client.get(&path).await {
            Ok(page) => page,
            Err(error) if !started => return Err(error),
            Err(error) => return Err(ConnectorError::new(ConnectorErrorKind::Protocol, format!("broke off: {error}"))),
        };
        started = true;
        let items = page.get("value").and_then(Json::as_array).ok_or_else(|| no_list(&path))?;
        let mut objects = Vec::with_capacity(items.len());
        for item in items {
            match query.object(item) {
                Ok(object) => objects.push(object),
                Err(reason) => {
                    let who = item.get("id").and_then(Json::as_str).unwrap_or("?").to_owned();
                    deliver(sink, ImportEvent::Unreadable { who, reason }).await?;
                }
            }
        }
        if query.members {
            add_members(client, &mut objects).await?;
        }
        for object in objects {
            deliver(sink, ImportEvent::Object(Box::new(object))).await?;
        }
        next = page.get("@odata.nextLink").and_then(Json::as_str).map(str::to_owned);
    }
    Ok(())
}

fn no_list(path: &str) -> ConnectorError {
    let path = path.split('?').next().unwrap_or(path);
    ConnectorError::new(ConnectorErrorKind::Protocol, format!("`{path}` answered something that is no list"))
}

async fn deliver(sink: &ImportSink, event: ImportEvent) -> Result<(), ConnectorError> {
    let gone = |_| ConnectorError::new(ConnectorErrorKind::Protocol, "the import was stopped");
    sink.send(event).await.map_err(gone)
}

/// Reads the members of groups, twenty groups at a time, every page of each.
async fn add_members(client: &Client, groups: &mut [ImportedObject]) -> Result<(), ConnectorError> {
    for chunk in groups.chunks_mut(batch::SIZE) {
        let ask = |group: &ImportedObject| Part::get(format!("/groups/{}/members?$select=id&$top=999", group.anchor));
        let parts: Vec<Part> = chunk.iter().map(ask).collect();
        let replies = read_batch(client, &parts).await?;
        for (group, reply) in chunk.iter_mut().zip(replies) {
            let mut page = match reply.status {
                200 => reply.body,
                // Deleted since it was listed.
                404 => continue,
                status => return Err(refusal("/groups/…/members", status, &reply.body)),
            };
            let mut members = Vec::new();
            loop {
                let items = page.get("value").and_then(Json::as_array).ok_or_else(|| no_list("members"))?;
                let ids = items.iter().filter_map(|item| item.get("id").and_then(Json::as_str));
                members.extend(ids.map(|id| Target::Anchor(Anchor(id.to_owned()))));
                match page.get("@odata.nextLink").and_then(Json::as_str) {
                    Some(next) => page = client.get(&next.to_owned()).await?,
                    None => break,
                }
            }
            if !members.is_empty() {
                group.references.insert("members".into(), members);
            }
        }
    }
    Ok(())
}

/// Reads a batch, repeating what passes.
async fn read_batch(client: &Client, parts: &[Part]) -> Result<Vec<Reply>, ConnectorError> {
    let mut replies: Vec<Option<Reply>> = parts.iter().map(|_| None).collect();
    for attempt in 1..=super::http::ATTEMPTS {
        let open: Vec<usize> = (0..parts.len()).filter(|at| replies.get(*at).is_some_and(Option::is_none)).collect();
        if open.is_empty() {
            break;
        }
        let asked: Vec<Part> = open.iter().filter_map(|at| parts.get(*at).cloned()).collect();
        let mut pause = None;
        match batch::send(client, &asked).await {
            Ok(answers) => {
                for (at, reply) in open.into_iter().zip(answers) {
                    let expired = reply.status == 401 && attempt == 1;
                    if expired {
                        client.forget_token().await;
                    }
                    if attempt < super::http::ATTEMPTS && (expired || reply.status == 0 || is_passing(reply.status)) {
                        pause = pause.max(Some(reply.retry_after.unwrap_or_else(|| backoff(attempt))));
                    } else if let Some(place) = replies.get_mut(at) {
                        *place = Some(reply);
                    }
                }
            }
            Err(Broken::Before(error)) if error.kind != ConnectorErrorKind::Unreachable => return Err(error),
            Err(broken) if attempt == super::http::ATTEMPTS => return Err(broken.into_error()),
            Err(_) => pause = Some(backoff(attempt)),
        }
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    let unanswered = || ConnectorError::new(ConnectorErrorKind::Unreachable, "Graph did not answer a part of a batch");
    replies.into_iter().map(|reply| reply.ok_or_else(unanswered)).collect()
}

pub(super) async fn look_up(
    client: &Client,
    request: &ImportRequest,
    anchors: &[Anchor],
) -> Result<Vec<(Anchor, Presence)>, ConnectorError> {
    let queries = queries(request);
    let mut found = Vec::with_capacity(anchors.len());
    for chunk in anchors.chunks(batch::SIZE) {
        let mut open: Vec<Anchor> = chunk.to_vec();
        for query in &queries {
            let ask = |anchor: &Anchor| Part::get(format!("/{}/{anchor}?{}", query.set, query.parameters()));
            let parts: Vec<Part> = open.iter().map(ask).collect();
            let mut absent = Vec::new();
            let mut objects = Vec::new();
            for (anchor, reply) in open.into_iter().zip(read_batch(client, &parts).await?) {
                match reply.status {
                    200 => match query.object(&reply.body) {
                        Ok(object) => objects.push(object),
                        Err(_) => found.push((anchor, Presence::NotFound)),
                    },
                    404 => absent.push(anchor),
                    status => return Err(refusal(&format!("/{}/{anchor}", query.set), status, &reply.body)),
                }
            }
            if query.members {
                add_members(client, &mut objects).await?;
            }
            found
                .extend(objects.into_iter().map(|object| (object.anchor.clone(), Presence::Present(Box::new(object)))));
            open = absent;
            if open.is_empty() {
                break;
            }
        }
        let parts: Vec<Part> =
            open.iter().map(|anchor| Part::get(format!("/directory/deletedItems/{anchor}?$select=id"))).collect();
        if parts.is_empty() {
            continue;
        }
        for (anchor, reply) in open.into_iter().zip(read_batch(client, &parts).await?) {
            match reply.status {
                200 => found.push((anchor, Presence::Deleted)),
                404 => found.push((anchor, Presence::NotFound)),
                status => return Err(refusal("/directory/deletedItems", status, &reply.body)),
            }
        }
    }
    Ok(found)
}

fn quoted(value: &Value) -> String {
    value
        .to_string()
        .replace('\'', "''")
        .replace('%', "%25")
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('#', "%23")
}

pub(super) async fn find(
    client: &Client,
    object_type: &str,
    attribute: &AttributeName,
    value: &Value,
) -> Result<Vec<Anchor>, ConnectorError> {
    let set = if object_type == "group" { "groups" } else { "users" };
    let path = format!("/{set}?$filter={attribute} eq '{}'&$select=id", quoted(value));
    let page = client.get(&path).await?;
    let items = page.get("value").and_then(Json::as_array).ok_or_else(|| no_list(&path))?;
    let ids = items.iter().filter_map(|item| item.get("id").and_then(Json::as_str));
    Ok(ids.map(|id| Anchor(id.to_owned())).collect())
}

pub(super) async fn deleted_users(client: &Client) -> Result<BTreeMap<Value, Anchor>, ConnectorError> {
    let mut next =
        Some("/directory/deletedItems/microsoft.graph.user?$select=id,onPremisesImmutableId&$top=999".to_owned());
    let mut deleted = BTreeMap::new();
    while let Some(path) = next {
        let page = client.get(&path).await?;
        for item in page.get("value").and_then(Json::as_array).ok_or_else(|| no_list(&path))? {
            let text = |name: &str| item.get(name).and_then(Json::as_str).map(str::to_owned);
            if let (Some(id), Some(immutable)) = (text("id"), text("onPremisesImmutableId")) {
                deleted.insert(Value::Text(immutable), Anchor(id));
            }
        }
        next = page.get("@odata.nextLink").and_then(Json::as_str).map(str::to_owned);
    }
    Ok(deleted)
}

pub(super) async fn facts(client: &Client) -> Result<TenantFacts, ConnectorError> {
    let page = client.get("/organization").await?;
    let organization = page.get("value").and_then(|list| list.get(0)).ok_or_else(|| no_list("/organization"))?;
    let mut facts = TenantFacts {
        name: organization.get("displayName").and_then(Json::as_str).unwrap_or_default().to_owned(),
        synced_by_microsoft: organization.get("onPremisesSyncEnabled") == Some(&Json::Bool(true)),
        ..TenantFacts::default()
    };
    for domain in organization.get("verifiedDomains").and_then(Json::as_array).into_iter().flatten() {
        let Some(name) = domain.get("name").and_then(Json::as_str) else { continue };
        facts.verified_domains.push(name.to_owned());
        if domain.get("isInitial") == Some(&Json::Bool(true)) {
            facts.initial_domain = name.to_owned();
        }
    }
    facts.verified_domains.sort();
    Ok(facts)
}
