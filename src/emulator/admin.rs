//! `/_emulator/…`: what tests and demonstrations need and Graph does not have. No token is asked for.

use std::borrow::Cow;

use axum::http::Method;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::directory::{Directory, Object, Properties, Slot};
use super::exchange::{Query, Refusal, Reply};
use super::faults::{Draw, Faults};
use super::schema::Kind;
use super::service::{Request, Service, lock, now};

/// Answers a request.
pub(crate) fn route(service: &Service, path: &[&str], request: &Request) -> Reply {
    let result = match (&request.method, path) {
        (&Method::POST, ["seed"]) => read(request).and_then(|body| seed(service, &body)),
        (&Method::GET, ["stats"]) => Ok(Reply::json(200, stats(service))),
        (&Method::POST, ["reset-stats"]) => {
            lock(&service.record).reset();
            Ok(Reply::empty())
        }
        (&Method::POST, ["faults"]) => read(request).and_then(|body| faults(service, body)),
        (&Method::POST, ["expire-tokens"]) => {
            let mut directory = lock(&service.directory);
            directory.epoch += 1;
            directory.version += 1;
            Ok(Reply::empty())
        }
        (&Method::GET, ["dump"]) => Ok(Reply::text(dump(&lock(&service.directory)))),
        (&Method::GET, ["log"]) => {
            let since = Query::parse(&request.query).get("since").and_then(|number| number.parse().ok()).unwrap_or(0);
            Ok(Reply::json(200, Json::Array(lock(&service.record).since(since))))
        }
        _ => Err(Refusal::no_segment(&path.join("/"))),
    };
    result.unwrap_or_else(|refusal| service.refused(refusal, None))
}

fn read(request: &Request) -> Result<Json, Refusal> {
    serde_json::from_slice(&request.body).map_err(|error| Refusal::bad(format!("Unable to read JSON: {error}.")))
}

fn stats(service: &Service) -> Json {
    let mut stats = lock(&service.record).stats();
    let directory = lock(&service.directory);
    let members: usize = directory.objects.iter().map(|object| object.members.len()).sum();
    let managers = directory.objects.iter().filter(|object| object.manager.is_some()).count();
    if let Some(map) = stats.as_object_mut() {
        map.insert("users".into(), directory.count(Kind::User).into());
        map.insert("groups".into(), directory.count(Kind::Group).into());
        map.insert("deleted".into(), directory.deleted.len().into());
        map.insert("edges".into(), json!({"members": members, "manager": managers}));
    }
    stats
}

fn faults(service: &Service, body: Json) -> Result<Reply, Refusal> {
    let rates: Faults = serde_json::from_value(body).map_err(|error| Refusal::bad(error.to_string()))?;
    *lock(&service.faults) = Draw::new(rates);
    Ok(Reply::empty())
}

/// `{"objects": [{"type": "user", "protected": true, "id": …, "displayName": …, "manager": id, "members": [ids]}]}`: taken
/// as they are, read-only properties too. Links may point to objects further down.
fn seed(service: &Service, body: &Json) -> Result<Reply, Refusal> {
    let Some(objects) = body.get("objects").and_then(Json::as_array) else {
        return Err(Refusal::bad("A list `objects` is expected."));
    };
    let mut directory = lock(&service.directory);
    let mut slots = Vec::with_capacity(objects.len());
    for object in objects {
        let Some(map) = object.as_object() else { return Err(Refusal::bad("An object is not a JSON object.")) };
        slots.push(plant(&mut directory, map)?);
    }
    for (slot, object) in slots.iter().zip(objects) {
        link(&mut directory, *slot, object)?;
    }
    let ids: Vec<Option<Uuid>> = slots.iter().map(|slot| directory.get(*slot).map(|object| object.id)).collect();
    Ok(Reply::json(200, json!({"ids": ids})))
}

fn plant(directory: &mut Directory, map: &Map<String, Json>) -> Result<Slot, Refusal> {
    let kind = match map.get("type").and_then(Json::as_str) {
        Some("group") => Kind::Group,
        Some("orgContact") => Kind::OrgContact,
        Some("user") | None => Kind::User,
        Some(other) => return Err(Refusal::bad(format!("Unknown type '{other}'."))),
    };
    let id = match map.get("id").and_then(Json::as_str) {
        Some(id) => id.parse().map_err(|_| Refusal::bad(format!("Invalid id '{id}'.")))?,
        None => directory.next_id(),
    };
    if directory.slot(id).is_some() {
        return Err(Refusal::bad(format!("An object with the id '{id}' exists already.")));
    }
    let mut properties = Properties::default();
    for (name, value) in map {
        if ["type", "id", "protected", "deleted", "manager", "members", "owners", "passwordProfile"]
            .contains(&name.as_str())
        {
            continue;
        }
        properties.set(spelled(kind, name), value.clone());
    }
    let mut object = Object::new(id, kind, properties);
    object.protected = map.get("protected") == Some(&Json::Bool(true));
    if map.get("deleted") == Some(&Json::Bool(true)) {
        object.deleted = Some(now());
    }
    directory.create(object).map_err(|conflict| super::objects::conflict(&conflict))
}

/// The name of a property, shared with the schema where it is known.
pub(crate) fn spelled(kind: Kind, name: &str) -> Cow<'static, str> {
    kind.property(name).map_or_else(|| Cow::Owned(name.to_owned()), |property| property.name.into())
}

fn link(directory: &mut Directory, slot: Slot, object: &Json) -> Result<(), Refusal> {
    let find = |directory: &Directory, id: &Json| {
        let id = id.as_str().unwrap_or_default();
        id.parse().ok().and_then(|id| directory.slot(id)).ok_or_else(|| Refusal::missing(id))
    };
    if let Some(manager) = object.get("manager").filter(|manager| !manager.is_null()) {
        let manager = find(directory, manager)?;
        directory.set_manager(slot, Some(manager));
    }
    for member in object.get("members").and_then(Json::as_array).into_iter().flatten() {
        let member = find(directory, member)?;
        directory.add_member(slot, member);
    }
    for owner in object.get("owners").and_then(Json::as_array).into_iter().flatten() {
        let owner = find(directory, owner)?;
        directory.add_owner(slot, owner);
    }
    Ok(())
}

/// All objects, one a line, oldest first, links as ids.
fn dump(directory: &Directory) -> String {
    let mut text = String::new();
    for object in &directory.objects {
        let mut map = Map::new();
        map.insert("type".into(), object.kind.name().into());
        map.insert("id".into(), object.id.to_string().into());
        if object.protected {
            map.insert("protected".into(), true.into());
        }
        if object.deleted.is_some() {
            map.insert("deleted".into(), true.into());
        }
        for (name, value) in object.properties.0.iter().filter(|(_, value)| !value.is_null()) {
            map.insert(name.to_string(), value.clone());
        }
        let id = |slot: &Slot| directory.get(*slot).map(|object| Json::from(object.id.to_string()));
        if let Some(manager) = object.manager.as_ref().and_then(id) {
            map.insert("manager".into(), manager);
        }
        for (name, set) in [("members", &object.members), ("owners", &object.owners)] {
            if !set.is_empty() {
                map.insert(name.into(), set.iter().filter_map(id).collect());
            }
        }
        text.push_str(&Json::Object(map).to_string());
        text.push('\n');
    }
    text
}
