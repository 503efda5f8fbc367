//! Groups: create, update, delete, and members that come along with them.

use serde_json::{Map, Value as Json};

use super::directory::{Directory, Object, Properties, Slot};
use super::exchange::{Call, Refusal, Reply};
use super::licences;
use super::links::{self, Link};
use super::objects::{conflict, created, refuse_synced};
use super::query::time;
use super::route::{Tenant, need};
use super::schema::Kind;
use super::validate::{self, Purpose};

/// The most links that one request may bring along.
const MOST_LINKS: usize = 20;

/// `POST /groups`
pub(crate) fn create(call: &Call, tenant: &Tenant, directory: &mut Directory) -> Result<Reply, Refusal> {
    create_from(call, tenant, directory, call.object()?)
}

/// `PATCH /groups(uniqueName='…')` with `Prefer: create-if-missing`, where the name is not there.
pub(crate) fn create_named(
    call: &Call,
    tenant: &Tenant,
    directory: &mut Directory,
    name: &str,
) -> Result<Reply, Refusal> {
    let mut body = call.object()?.clone();
    if body.get("uniqueName").is_some_and(|other| other.as_str() != Some(name)) {
        return Err(Refusal::invalid("uniqueName", "InvalidValue", "Property uniqueName differs from the key."));
    }
    body.insert("uniqueName".into(), name.into());
    create_from(call, tenant, directory, &body)
}

fn create_from(
    call: &Call,
    tenant: &Tenant,
    directory: &mut Directory,
    body: &Map<String, Json>,
) -> Result<Reply, Refusal> {
    let mut checked = validate::check(Kind::Group, Purpose::Create, body, &tenant.domains)?;
    let unified = body
        .get("groupTypes")
        .and_then(Json::as_array)
        .is_some_and(|types| types.iter().any(|kind| kind.as_str() == Some("Unified")));
    let flag = |name: &str| body.get(name) == Some(&Json::Bool(true));
    if flag("mailEnabled") != unified {
        let message = "The service does not currently support writes of mail-enabled groups. Please ensure that the \
                       mail-enablement property is unset and the security-enablement property is set.";
        return Err(if unified {
            Refusal::invalid("mailEnabled", "InvalidValue", "Property mailEnabled must be true for a unified group.")
        } else {
            Refusal::bad(message)
        });
    }
    if !unified && !flag("securityEnabled") {
        return Err(Refusal::invalid("securityEnabled", "InvalidValue", "Property securityEnabled must be true."));
    }
    if flag("isAssignableToRole") {
        need(call, &["RoleManagement.ReadWrite.Directory"])?;
    }
    if unified {
        let address = format!("{}@{}", text(body, "mailNickname"), tenant.initial_domain);
        checked.push(("mail".into(), address.into()));
        validate::complete(&mut checked, None);
    }
    let links = bound(call, directory, body, &["members@odata.bind", "owners@odata.bind"])?;
    let mut properties = Properties(checked);
    properties.0.retain(|(_, value)| !value.is_null());
    properties.set("createdDateTime".into(), time(call.now));
    properties.set("renewedDateTime".into(), time(call.now));
    let mut object = Object::new(directory.next_id(), Kind::Group, properties);
    object.visible_from = call.now + tenant.replication_delay;
    for (_, member) in links.iter().filter(|(link, _)| *link == Link::Members) {
        links::may_join(directory, &object, *member)?;
    }
    let owners = links.iter().filter(|(link, _)| *link == Link::Owners);
    for (others, (_, owner)) in owners.enumerate() {
        links::may_own(directory, others, *owner)?;
    }
    tenant.need_room(directory, call.now)?;
    let slot = directory.create(object).map_err(|found| conflict(&found))?;
    attach(directory, slot, &links);
    created(call, directory, slot)
}

/// Whether an update touches members alone.
pub(crate) fn only_members(call: &Call) -> bool {
    let body = call.body.as_ref().and_then(Json::as_object);
    body.is_some_and(|body| !body.is_empty() && body.keys().all(|name| name == "members@odata.bind"))
}

/// `PATCH /groups/{id}`: properties, and up to 20 new members, all or nothing.
pub(crate) fn update(call: &Call, tenant: &Tenant, directory: &mut Directory, slot: Slot) -> Result<Reply, Refusal> {
    let body = call.object()?;
    let mut body = body.clone();
    // The key may be repeated in an upsert.
    let unique = directory.get(slot).and_then(|object| object.properties.text("uniqueName").map(str::to_owned));
    if body.get("uniqueName").is_some_and(|name| name.as_str() == unique.as_deref()) {
        body.remove("uniqueName");
    }
    let checked = validate::check(Kind::Group, Purpose::Update, &body, &tenant.domains)?;
    if body.get("visibility").and_then(Json::as_str) == Some("HiddenMembership") {
        let message = "Property 'visibility' can be HiddenMembership only when the group is created.";
        return Err(Refusal::invalid("visibility", "InvalidValue", message));
    }
    refuse_synced(directory, slot)?;
    links::refuse_mail_group(directory, slot)?;
    if body.contains_key("owners@odata.bind") {
        return Err(Refusal::bad("Property 'owners' cannot be bound in an update."));
    }
    let links = bound(call, directory, &body, &["members@odata.bind"])?;
    if let Some(group) = directory.get(slot) {
        for (_, member) in &links {
            links::may_join(directory, group, *member)?;
        }
        if links.iter().any(|(_, member)| group.members.contains(member)) {
            return Err(links::already_there("members"));
        }
    }
    directory.update(slot, checked).map_err(|found| conflict(&found))?;
    attach(directory, slot, &links);
    let joined: Vec<Slot> = links.iter().map(|(_, member)| *member).collect();
    licences::hand_out(tenant, directory, slot, &joined);
    Ok(Reply::empty())
}

/// `DELETE /groups/{id}`
pub(crate) fn delete(call: &Call, directory: &mut Directory, slot: Slot) -> Result<Reply, Refusal> {
    refuse_synced(directory, slot)?;
    links::refuse_mail_group(directory, slot)?;
    if directory.get(slot).is_some_and(|object| object.protected) {
        return Err(Refusal::denied());
    }

    directory.delete(slot, call.now);
    Ok(Reply::empty())
}

fn attach(directory: &mut Directory, group: Slot, links: &[(Link, Slot)]) {
    for (link, target) in links {
        match link {
            Link::Owners => directory.add_owner(group, *target),
            Link::Members | Link::MemberOf | Link::Reports => directory.add_member(group, *target),
        };
    }
}

/// The targets of `members@odata.bind` and `owners@odata.bind`.
fn bound(
    call: &Call,
    directory: &Directory,
    body: &Map<String, Json>,
    names: &[&str],
) -> Result<Vec<(Link, Slot)>, Refusal> {
    let mut links: Vec<(Link, Slot)> = Vec::new();
    for name in names {
        let Some(value) = body.get(*name) else { continue };
        let link = if name.starts_with("owners") { Link::Owners } else { Link::Members };
        let Some(list) = value.as_array() else {
            return Err(Refusal::bad(format!("Invalid value specified for property '{name}'.")));
        };
        for url in list {
            let slot = links::target(call, directory, url.as_str().unwrap_or_default())?;
            if links.contains(&(link, slot)) {
                return Err(links::already_there(link.name()));
            }
            links.push((link, slot));
        }
    }
    if links.len() > MOST_LINKS {
        return Err(Refusal::bad(format!(
            "The number of links in the request exceeds the limit of {MOST_LINKS}: {}.",
            links.len()
        )));
    }
    Ok(links)
}

fn text<'a>(body: &'a Map<String, Json>, name: &str) -> &'a str {
    body.get(name).and_then(Json::as_str).unwrap_or_default()
}
