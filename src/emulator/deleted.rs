//! `/directory/deletedItems`: the recycle bin.

use axum::http::Method;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::directory::{Directory, Object, Slot};
use super::exchange::{Call, Refusal, Reply};
use super::objects::conflict;
use super::query::{Listing, Select, page, render, render_typed};
use super::route::{Tenant, need, read_roles, restore_roles, wrong_method};
use super::schema::Kind;
use super::validate;

/// Answers a request.
pub(crate) fn route(call: &Call, tenant: &Tenant, directory: &mut Directory, rest: &[&str]) -> Result<Reply, Refusal> {
    match (&call.method, rest) {
        (&Method::GET, [cast]) if cast.starts_with("microsoft.graph.") => {
            let kind = Kind::from_cast(cast).ok_or_else(|| Refusal::no_segment(cast))?;
            need(call, read_roles(kind))?;
            list(call, directory, kind)
        }
        (&Method::GET, [id]) => {
            let slot = find(directory, id)?;
            let Some(object) = directory.get(slot) else { return Err(Refusal::missing(id)) };
            need(call, read_roles(object.kind))?;
            let select = with_deletion(Select::parse(call, Some(object.kind))?);
            let mut body = render_typed(object, &select);
            if let Some(map) = body.as_object_mut() {
                map.insert("@odata.context".into(), call.context("directoryObjects/$entity"));
                tell_deletion(object, &select, map);
            }
            Ok(Reply::json(200, body))
        }
        (&Method::POST, [id, "restore" | "microsoft.graph.restore"]) => restore(call, tenant, directory, id),
        // No app permission allows it.
        (&Method::DELETE, [_]) => Err(Refusal::denied()),
        _ => Err(wrong_method()),
    }
}

fn with_deletion(select: Select) -> Select {
    match select {
        Select::Names(mut names) => {
            if !names.iter().any(|name| name == "id") {
                names.push("id".to_owned());
            }
            Select::Names(names)
        }
        Select::Default => Select::Default,
    }
}

/// In the recycle bin, the moment of deletion is among the default properties.
fn tell_deletion(object: &Object, select: &Select, map: &mut Map<String, Json>) {
    if *select == Select::Default {
        map.insert("deletedDateTime".into(), object.deleted.map_or(Json::Null, super::query::time));
    }
}

fn list(call: &Call, directory: &Directory, kind: Kind) -> Result<Reply, Refusal> {
    let listing = Listing::parse(call, Some(kind))?;
    let from = Slot::try_from(listing.from).unwrap_or(Slot::MAX);
    let wanted = |slot: Slot| {
        directory.get(slot).is_some_and(|object| {
            object.kind == kind && listing.filter.as_ref().is_none_or(|filter| filter.matches(object))
        })
    };
    let show = |slot: Slot| {
        let Some(object) = directory.get(slot) else { return Json::Null };
        let mut map = render(object, &listing.select);
        tell_deletion(object, &listing.select, &mut map);
        Json::Object(map)
    };
    let slots = directory.deleted.range(from..).map(|slot| (u64::from(*slot) + 1, *slot));
    let mut body = page(call, &listing, kind.set(), slots, wanted, show);
    if let (true, Some(map)) = (listing.count, body.as_object_mut()) {
        map.insert("@odata.count".into(), directory.deleted.iter().filter(|slot| wanted(**slot)).count().into());
    }
    Ok(Reply::json(200, body))
}

fn find(directory: &Directory, id: &str) -> Result<Slot, Refusal> {
    let slot = id.parse::<Uuid>().ok().and_then(|id| directory.slot(id));
    slot.filter(|slot| !directory.alive(*slot)).ok_or_else(|| Refusal::missing(id))
}

fn restore(call: &Call, tenant: &Tenant, directory: &mut Directory, id: &str) -> Result<Reply, Refusal> {
    let slot = find(directory, id)?;
    let Some(object) = directory.get(slot) else { return Err(Refusal::missing(id)) };
    let kind = object.kind;
    need(call, restore_roles(kind))?;
    if object.protected {
        return Err(Refusal::denied());
    }
    let option = |name: &str| call.body.as_ref().and_then(|body| body.get(name)).cloned();
    if let (Kind::User, Some(name)) = (kind, option("newUserPrincipalName").filter(Json::is_string)) {
        validate::user_principal_name(name.as_str().unwrap_or_default(), &tenant.domains)?;
        directory.rename_deleted(slot, name);
    }
    if let Err(found) = directory.restore(slot) {
        let reconcile = option("autoReconcileProxyConflict") == Some(Json::Bool(true));
        if !(reconcile && found.unique.property() == "proxyAddresses") {
            return Err(conflict(&found));
        }
        directory.drop_addresses(slot);
        directory.restore(slot).map_err(|found| conflict(&found))?;
    }
    let Some(object) = directory.get(slot) else { return Err(Refusal::missing(id)) };
    let mut body = Map::new();
    body.insert("@odata.context".into(), call.context(&format!("{}/$entity", kind.set())));
    body.insert("@odata.type".into(), kind.odata_type().into());
    body.extend(render(object, &Select::Default));
    Ok(Reply::json(200, Json::Object(body)))
}
