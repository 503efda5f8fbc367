//! What all kinds share: read one, list, count, `getByIds`, and the answers after a write.

use axum::http::Method;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::directory::{Conflict, Directory, Slot};
use super::exchange::{Call, Refusal, Reply, Segment};
use super::query::{self, Select, page_of_kind, render, render_typed, show_links, visible};
use super::route::{need, read_roles, wrong_method};
use super::schema::Kind;
use super::{groups, users};

/// `GET /users`
pub(crate) fn list(call: &Call, directory: &Directory, kind: Kind) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, page_of_kind(call, directory, kind)?))
}

/// `GET /users/$count`
pub(crate) fn count(call: &Call, directory: &Directory, kind: Kind) -> Result<Reply, Refusal> {
    if !call.eventual {
        return Err(Refusal::bad("$count is not currently supported."));
    }
    let mut counting = call.clone();
    counting.query.0.push(("$count".into(), "true".into()));
    let body = page_of_kind(&counting, directory, kind)?;
    let total = body.get("@odata.count").and_then(Json::as_u64).unwrap_or_default();
    Ok(Reply::text(total.to_string()))
}

/// `GET /users/{id}`
pub(crate) fn get(call: &Call, directory: &Directory, kind: Kind, slot: Slot) -> Result<Reply, Refusal> {
    let select = Select::parse(call, Some(kind))?;
    let expands = query::expand(call)?;
    let Some(object) = directory.get(slot) else { return Err(Refusal::missing("")) };
    let mut map = Map::new();
    map.insert("@odata.context".into(), call.context(&format!("{}/$entity", kind.set())));
    map.extend(render(object, &select));
    show_links(directory, slot, &expands, &mut map);
    Ok(Reply::json(200, Json::Object(map)))
}

/// 201 with the default properties.
pub(crate) fn created(call: &Call, directory: &Directory, slot: Slot) -> Result<Reply, Refusal> {
    let Some(object) = directory.get(slot) else { return Err(Refusal::missing("")) };
    let kind = object.kind;
    let mut map = Map::new();
    map.insert("@odata.context".into(), call.context(&format!("{}/$entity", kind.set())));
    map.extend(render(object, &Select::Default));
    let location = format!(
        "{}/{}/directoryObjects/{}/Microsoft.DirectoryServices.{}",
        call.root,
        call.version,
        object.id,
        kind.title()
    );
    Ok(Reply::json(201, Json::Object(map)).header("location", location))
}

/// The refusal for a value that another object has.
pub(crate) fn conflict(conflict: &Conflict) -> Refusal {
    let property = conflict.unique.property();
    let message = format!("Another object with the same value for property {property} already exists.");
    if property == "uniqueName" {
        return Refusal::new(409, "Request_MultipleObjectsWithSameKeyValue", message);
    }
    let mut refusal = Refusal::invalid(property, "ObjectConflict", message);
    if property == "proxyAddresses" {
        let ids = conflict.with.to_string();
        refusal.details.push(json!({"code": "ConflictingObjects", "target": property, "message": ids}));
    }
    refusal
}

/// The refusal for writing to what a Microsoft synchronisation client owns.
pub(crate) fn refuse_synced(directory: &Directory, slot: Slot) -> Result<(), Refusal> {
    if directory.get(slot).is_some_and(super::directory::Object::synced) {
        return Err(Refusal::bad(
            "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects \
             currently undergoing migration.",
        ));
    }
    Ok(())
}

/// `/directoryObjects/...`
pub(crate) fn route(
    call: &Call,
    directory: &mut Directory,
    key: Option<&Segment>,
    rest: &[&str],
) -> Result<Reply, Refusal> {
    let Some(key) = key else { return Err(wrong_method()) };
    if key.name == "getByIds" && call.method == Method::POST {
        return get_by_ids(call, directory);
    }
    if let Some(other) = rest.first() {
        return Err(Refusal::no_segment(other));
    }
    let slot = by_id(directory, &key.name)?;
    match call.method {
        Method::GET => {
            if !visible(directory, slot, call.now) {
                return Err(Refusal::missing(&key.name));
            }
            let Some(object) = directory.get(slot) else { return Err(Refusal::missing(&key.name)) };
            need(call, read_roles(object.kind))?;
            let mut body = render_typed(object, &Select::parse(call, None)?);
            if let Some(map) = body.as_object_mut() {
                map.insert("@odata.context".into(), call.context("directoryObjects/$entity"));
            }
            Ok(Reply::json(200, body))
        }
        Method::DELETE => delete_through_link(call, directory, &key.name),
        _ => Err(wrong_method()),
    }
}

/// The slot of an id that is not deleted.
pub(crate) fn by_id(directory: &Directory, id: &str) -> Result<Slot, Refusal> {
    let found: Option<Uuid> = id.parse().ok();
    found.and_then(|id| directory.slot(id)).filter(|slot| directory.alive(*slot)).ok_or_else(|| Refusal::missing(id))
}

/// `DELETE /groups/{id}/members/{id}` without `$ref`: deletes the member itself, as Graph does.
pub(crate) fn delete_through_link(call: &Call, directory: &mut Directory, id: &str) -> Result<Reply, Refusal> {
    let slot = by_id(directory, id)?;
    match directory.get(slot).map(|object| object.kind) {
        Some(Kind::User) => {
            need(call, super::route::restore_roles(Kind::User))?;
            users::delete(call, directory, slot)
        }
        Some(Kind::Group) => {
            need(call, super::route::restore_roles(Kind::Group))?;
            groups::delete(call, directory, slot)
        }
        Some(Kind::OrgContact) | None => Err(Refusal::denied()),
    }
}

fn get_by_ids(call: &Call, directory: &Directory) -> Result<Reply, Refusal> {
    let body = call.object()?;
    let Some(ids) = body.get("ids").and_then(Json::as_array) else {
        return Err(Refusal::bad("A value is required for property 'ids'."));
    };
    if ids.len() > 1000 {
        return Err(Refusal::bad("The request exceeds the limit of 1000 ids."));
    }
    let types: Option<Vec<&str>> =
        body.get("types").and_then(Json::as_array).map(|list| list.iter().filter_map(Json::as_str).collect());
    let select = Select::parse(call, None)?;
    let wanted = |kind: Kind| match &types {
        Some(types) => types.contains(&kind.name()) || types.contains(&"directoryObject"),
        None => true,
    };
    let mut value = Vec::new();
    for id in ids.iter().filter_map(Json::as_str) {
        let id: Uuid = id.parse().map_err(|_| Refusal::bad(format!("Invalid GUID: '{id}'.")))?;
        let found = directory.slot(id).filter(|slot| visible(directory, *slot, call.now));
        let Some(object) = found.and_then(|slot| directory.get(slot)) else { continue };
        if wanted(object.kind) && need(call, read_roles(object.kind)).is_ok() {
            value.push(render_typed(object, &select));
        }
    }
    Ok(Reply::json(200, json!({"@odata.context": call.context("directoryObjects"), "value": value})))
}
