//! Links between objects: manager, members, owners, and their other ends.

use serde_json::{Value as Json, json};

use super::directory::{Directory, Object, Slot, Unique};
use super::exchange::{Call, Refusal, Reply};
use super::licences;
use super::objects::{by_id, refuse_synced};
use super::query::{Select, page_of_links, render_typed, visible};
use super::route::Tenant;
use super::schema::Kind;

/// The links that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Members,
    Owners,
    MemberOf,
    Reports,
}

impl Link {
    /// As the path says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Link::Members => "members",
            Link::Owners => "owners",
            Link::MemberOf => "memberOf",
            Link::Reports => "directReports",
        }
    }
}

/// `GET …/members`, `…/members/microsoft.graph.user`, `…/members/$ref`, `…/members/$count`
pub(crate) fn list(
    call: &Call,
    directory: &Directory,
    slot: Slot,
    link: Link,
    cast: &[&str],
) -> Result<Reply, Refusal> {
    let Some(object) = directory.get(slot) else { return Err(Refusal::missing("")) };
    let set = match link {
        Link::Members => &object.members,
        Link::Owners => &object.owners,
        Link::MemberOf => &object.member_of,
        Link::Reports => &object.reports,
    };
    match cast {
        [] => Ok(Reply::json(200, page_of_links(call, directory, set, None)?)),
        ["$count"] if call.eventual => {
            let total = set.iter().filter(|slot| directory.alive(**slot)).count();
            Ok(Reply::text(total.to_string()))
        }
        ["$count"] => Err(Refusal::bad("$count is not currently supported.")),
        [cast] => match Kind::from_cast(cast) {
            Some(kind) => Ok(Reply::json(200, page_of_links(call, directory, set, Some(kind))?)),
            None => Err(Refusal::no_segment(cast)),
        },
        [_, other, ..] => Err(Refusal::no_segment(other)),
    }
}

/// The object that a reference names: the last segment of any address.
pub(crate) fn target(call: &Call, directory: &Directory, url: &str) -> Result<Slot, Refusal> {
    let last = url.rsplit('/').next().unwrap_or_default();
    let name = super::exchange::unescape(last, false);
    let inner = name.split_once('\'').map(|(_, rest)| rest.trim_end_matches(['\'', ')']).to_owned());
    let name = inner.unwrap_or(name);
    if name.is_empty() {
        return Err(Refusal::bad("Invalid URL format specified in @odata.bind or @odata.id."));
    }
    let slot = match name.parse() {
        Ok(id) => directory.slot(id),
        Err(_) => directory.find(Unique::UserPrincipalName, &name),
    };
    slot.filter(|slot| visible(directory, *slot, call.now)).ok_or_else(|| Refusal::missing(&name))
}

fn referenced(call: &Call, directory: &Directory) -> Result<Slot, Refusal> {
    let body = call.object()?;
    match body.get("@odata.id").and_then(Json::as_str) {
        Some(url) => target(call, directory, url),
        None => Err(Refusal::bad("A value is required for property '@odata.id'.")),
    }
}

/// Whether an object may be a member of a group of this type.
pub(crate) fn may_join(directory: &Directory, group: &Object, member: Slot) -> Result<(), Refusal> {
    let Some(member) = directory.get(member) else { return Err(Refusal::missing("")) };
    let unified = |object: &Object| object.properties.texts("groupTypes").any(|kind| kind == "Unified");
    let dynamic = group.properties.texts("groupTypes").any(|kind| kind == "DynamicMembership");
    if dynamic {
        return Err(Refusal::bad("Insufficient privileges to update members of a dynamic membership group."));
    }
    let fits = match member.kind {
        Kind::User => true,
        Kind::Group => !unified(group) && !unified(member) && member.id != group.id,
        Kind::OrgContact => !unified(group),
    };
    if fits { Ok(()) } else { Err(Refusal::bad("The specified reference is not a valid reference update.")) }
}

/// The most owners of a group.
const MOST_OWNERS: usize = 100;

/// Whether an object may own a group beside so many others.
pub(crate) fn may_own(directory: &Directory, others: usize, owner: Slot) -> Result<(), Refusal> {
    if others >= MOST_OWNERS {
        return Err(Refusal::bad(format!("A group cannot have more than {MOST_OWNERS} owners.")));
    }
    match directory.get(owner).map(|object| object.kind) {
        Some(Kind::User) => Ok(()),
        Some(Kind::Group | Kind::OrgContact) | None => {
            Err(Refusal::bad("The specified reference is not a valid reference update."))
        }
    }
}

/// Refuses distribution lists and mail-enabled security groups, which only Exchange writes.
pub(crate) fn refuse_mail_group(directory: &Directory, slot: Slot) -> Result<(), Refusal> {
    let Some(group) = directory.get(slot) else { return Ok(()) };
    let mail = group.properties.get("mailEnabled") == Some(&Json::Bool(true));
    if mail && !group.properties.texts("groupTypes").any(|kind| kind == "Unified") {
        return Err(Refusal::bad("Cannot update a mail-enabled security group or distribution list."));
    }
    Ok(())
}

/// The refusal of a link that is there.
pub(crate) fn already_there(link: &str) -> Refusal {
    Refusal::bad(format!(
        "One or more added object references already exist for the following modified properties: '{link}'."
    ))
}

/// `POST …/members/$ref`
pub(crate) fn add(
    call: &Call,
    tenant: &Tenant,
    directory: &mut Directory,
    group: Slot,
    link: Link,
) -> Result<Reply, Refusal> {
    refuse_synced(directory, group)?;
    refuse_mail_group(directory, group)?;
    let target = referenced(call, directory)?;
    let added = match link {
        Link::Owners => {
            let owners = directory.get(group).map(|object| &object.owners);
            if let Some(owners) = owners.filter(|owners| !owners.contains(&target)) {
                may_own(directory, owners.len(), target)?;
            }
            directory.add_owner(group, target)
        }
        Link::Members | Link::MemberOf | Link::Reports => {
            if let Some(object) = directory.get(group) {
                may_join(directory, object, target)?;
            }
            let added = directory.add_member(group, target);
            licences::hand_out(tenant, directory, group, &[target]);
            added
        }
    };
    if added { Ok(Reply::empty()) } else { Err(already_there(link.name())) }
}

/// `DELETE …/members/{id}/$ref`
pub(crate) fn remove(directory: &mut Directory, group: Slot, link: Link, id: &str) -> Result<Reply, Refusal> {
    refuse_synced(directory, group)?;
    refuse_mail_group(directory, group)?;
    let target = by_id(directory, id)?;
    let removed = match link {
        Link::Owners => directory.remove_owner(group, target),
        Link::Members | Link::MemberOf | Link::Reports => directory.remove_member(group, target),
    };
    if removed { Ok(Reply::empty()) } else { Err(Refusal::missing(id)) }
}

fn manager_of(directory: &Directory, slot: Slot) -> Result<&Object, Refusal> {
    let manager = directory.get(slot).and_then(|object| object.manager);
    manager
        .and_then(|manager| directory.get(manager))
        .filter(|manager| manager.deleted.is_none())
        .ok_or_else(|| Refusal::missing("manager"))
}

/// `GET …/manager`
pub(crate) fn manager(call: &Call, directory: &Directory, slot: Slot) -> Result<Reply, Refusal> {
    let manager = manager_of(directory, slot)?;
    let mut body = render_typed(manager, &Select::parse(call, None)?);
    if let Some(map) = body.as_object_mut() {
        map.insert("@odata.context".into(), call.context("directoryObjects/$entity"));
    }
    Ok(Reply::json(200, body))
}

/// `GET …/manager/$ref`
pub(crate) fn manager_reference(call: &Call, directory: &Directory, slot: Slot) -> Result<Reply, Refusal> {
    let manager = manager_of(directory, slot)?;
    let id = format!("{}/{}/directoryObjects/{}", call.root, call.version, manager.id);
    Ok(Reply::json(200, json!({"@odata.context": call.context("$ref"), "@odata.id": id})))
}

/// `PUT …/manager/$ref`
pub(crate) fn set_manager(call: &Call, directory: &mut Directory, slot: Slot) -> Result<Reply, Refusal> {
    refuse_synced(directory, slot)?;
    let target = referenced(call, directory)?;
    match directory.get(target).map(|object| object.kind) {
        Some(Kind::User | Kind::OrgContact) => {
            directory.set_manager(slot, Some(target));
            Ok(Reply::empty())
        }
        Some(Kind::Group) | None => Err(Refusal::bad("The specified reference is not a valid reference update.")),
    }
}

/// `DELETE …/manager/$ref`
pub(crate) fn clear_manager(directory: &mut Directory, slot: Slot) -> Result<Reply, Refusal> {
    refuse_synced(directory, slot)?;
    if directory.set_manager(slot, None) { Ok(Reply::empty()) } else { Err(Refusal::missing("manager")) }
}
