//! Users: create, update, delete.

use serde_json::Value as Json;

use super::directory::{Directory, Object, Properties, Slot};
use super::exchange::{Call, Refusal, Reply};
use super::objects::{conflict, created, refuse_synced};
use super::query::time;
use super::route::Tenant;
use super::schema::Kind;
use super::validate::{self, Purpose};

/// `POST /users`
pub(crate) fn create(call: &Call, tenant: &Tenant, directory: &mut Directory) -> Result<Reply, Refusal> {
    let body = call.object()?;
    if body.contains_key("manager@odata.bind") || body.contains_key("manager") {
        return Err(Refusal::bad("Invalid property 'manager'."));
    }
    let mut checked = validate::check(Kind::User, Purpose::Create, body, &tenant.domains)?;
    let name = body.get("userPrincipalName").and_then(Json::as_str).unwrap_or_default();
    let elsewhere = name.rsplit_once('@').is_some_and(|(_, domain)| tenant.is_federated(domain));
    if elsewhere && !body.contains_key("onPremisesImmutableId") {
        let message = "A value is required for property 'onPremisesImmutableId' of resource 'User'.";
        return Err(Refusal::invalid("onPremisesImmutableId", "InvalidValue", message));
    }
    validate::complete(&mut checked, None);
    let mut properties = Properties(checked);
    properties.0.retain(|(_, value)| !value.is_null());
    if properties.get("userType").is_none() {
        properties.set("userType".into(), "Member".into());
    }
    properties.set("createdDateTime".into(), time(call.now));
    let mut object = Object::new(directory.next_id(), Kind::User, properties);
    object.visible_from = call.now + tenant.replication_delay;
    tenant.need_room(directory, call.now)?;
    let slot = directory.create(object).map_err(|found| conflict(&found))?;
    created(call, directory, slot)
}

/// The app roles that allow an update, which depend on what it writes.
pub(crate) fn roles_for(call: &Call) -> &'static [&'static str] {
    let names: Vec<&str> = call
        .body
        .as_ref()
        .and_then(Json::as_object)
        .map(|body| body.keys().map(String::as_str).filter(|name| !name.starts_with('@')).collect())
        .unwrap_or_default();
    if names.contains(&"passwordProfile") {
        return &["User-PasswordProfile.ReadWrite.All"];
    }
    if names.contains(&"employeeLeaveDateTime") {
        return &["User-LifeCycleInfo.ReadWrite.All"];
    }
    match names.as_slice() {
        ["accountEnabled"] => &["User.EnableDisableAccount.All", "User.ReadWrite.All", "Directory.ReadWrite.All"],
        ["otherMails"] => &["User-Mail.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"],
        ["businessPhones"] | ["mobilePhone"] | ["businessPhones", "mobilePhone"] => {
            &["User-Phone.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"]
        }
        _ => &["User.ReadWrite.All", "Directory.ReadWrite.All"],
    }
}

/// `PATCH /users/{id}`
pub(crate) fn update(call: &Call, tenant: &Tenant, directory: &mut Directory, slot: Slot) -> Result<Reply, Refusal> {
    let body = call.object()?;
    let mut checked = validate::check(Kind::User, Purpose::Update, body, &tenant.domains)?;
    refuse_synced(directory, slot)?;
    let Some(object) = directory.get(slot) else { return Err(Refusal::missing("")) };
    let sensitive = |name: &String| Kind::User.property(name).is_some_and(|property| property.sensitive);
    if object.protected && body.keys().any(sensitive) {
        return Err(Refusal::denied());
    }
    let formerly_synced = object.properties.get("onPremisesSyncEnabled") == Some(&Json::Bool(false));
    if formerly_synced && body.contains_key("onPremisesExtensionAttributes") {
        return Err(Refusal::bad(
            "Unable to update the specified properties for objects that have originated within an external service.",
        ));
    }
    if formerly_synced && body.get("onPremisesImmutableId").is_some_and(Json::is_null) {
        let message = "Invalid value specified for property 'onPremisesImmutableId' of resource 'User'.";
        return Err(Refusal::invalid("onPremisesImmutableId", "InvalidValue", message));
    }
    validate::complete(&mut checked, Some(&object.properties));
    directory.update(slot, checked).map_err(|found| conflict(&found))?;
    Ok(Reply::empty())
}

/// `DELETE /users/{id}`
pub(crate) fn delete(call: &Call, directory: &mut Directory, slot: Slot) -> Result<Reply, Refusal> {
    refuse_synced(directory, slot)?;
    if directory.get(slot).is_some_and(|object| object.protected) {
        return Err(Refusal::denied());
    }
    directory.delete(slot, call.now);
    Ok(Reply::empty())
}
