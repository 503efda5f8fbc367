//! Which request goes where, and which app role it needs. The table of what the emulator can do.

use axum::http::Method;

use super::directory::{Directory, Slot, Unique};
use super::exchange::{Call, Refusal, Reply, Segment};
use super::query::visible;
use super::schema::Kind;
use super::{deleted, delta, groups, licences, links, objects, tenant, users};

pub(crate) use tenant::Tenant;

const READ_USERS: &[&str] =
    &["User.Read.All", "User.ReadWrite.All", "User.ReadBasic.All", "Directory.Read.All", "Directory.ReadWrite.All"];
const WRITE_USERS: &[&str] = &["User.ReadWrite.All", "Directory.ReadWrite.All"];
const DELETE_USERS: &[&str] = &["User.DeleteRestore.All", "User.ReadWrite.All", "Directory.ReadWrite.All"];
const READ_GROUPS: &[&str] =
    &["Group.Read.All", "Group.ReadWrite.All", "GroupMember.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"];
const READ_MEMBERS: &[&str] = &[
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "GroupMember.ReadBasic.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_GROUPS: &[&str] = &["Group.ReadWrite.All", "Directory.ReadWrite.All"];
const CREATE_GROUPS: &[&str] = &["Group.Create", "Group.ReadWrite.All", "Directory.ReadWrite.All"];
const WRITE_MEMBERS: &[&str] = &["GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"];
const READ_CONTACTS: &[&str] = &["OrgContact.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"];
const READ_TENANT: &[&str] =
    &["Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];
const READ_DOMAINS: &[&str] =
    &["Domain.Read.All", "Domain.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];

const READ_LICENCES: &[&str] = &[
    "LicenseAssignment.Read.All",
    "LicenseAssignment.ReadWrite.All",
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const ASSIGN_LICENCES: &[&str] = &["LicenseAssignment.ReadWrite.All", "Directory.ReadWrite.All"];
const READ_ROLES: &[&str] = &[
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

/// Refuses a caller that has none of the roles.
pub(crate) fn need(call: &Call, roles: &[&str]) -> Result<(), Refusal> {
    let has = call.caller.roles.iter().any(|role| roles.contains(&role.as_str()));
    if has { Ok(()) } else { Err(Refusal::denied()) }
}

/// Carries out one request.
pub(crate) fn dispatch(call: &Call, tenant: &Tenant, directory: &mut Directory) -> Result<Reply, Refusal> {
    let Some(head) = call.path.first() else { return Err(Refusal::no_segment("")) };
    let (key, rest) = match &head.key {
        Some(_) => (Some(head), call.path.get(1..).unwrap_or_default()),
        None => (call.path.get(1), call.path.get(2..).unwrap_or_default()),
    };
    let rest: Vec<&str> = rest.iter().map(|segment| segment.name.as_str()).collect();
    match head.name.as_str() {
        "users" => users_route(call, tenant, directory, key, &rest),
        "groups" => groups_route(call, tenant, directory, key, &rest),
        "contacts" => contacts_route(call, directory, key, &rest),
        "organization" if call.method == Method::GET => {
            need(call, READ_TENANT)?;
            tenant::organization(call, tenant, directory, key, &rest)
        }
        "subscribedSkus" if call.method == Method::GET && key.is_none() => {
            need(call, READ_LICENCES)?;
            Ok(licences::list(call, tenant, directory))
        }
        "domains" if call.method == Method::GET => {
            need(call, READ_DOMAINS)?;
            tenant::domains(call, tenant, key, &rest)
        }
        "roleManagement" if call.method == Method::GET => {
            need(call, READ_ROLES)?;
            match (key.map(|key| key.name.as_str()), rest.as_slice()) {
                (Some("directory"), ["roleAssignments"]) => Ok(tenant::role_assignments(call, directory)),
                (other, _) => Err(Refusal::no_segment(other.unwrap_or("roleManagement"))),
            }
        }
        "directoryObjects" => objects::route(call, directory, key, &rest),
        "directory" => directory_route(call, tenant, directory, key, &rest),
        other => Err(Refusal::no_segment(other)),
    }
}

fn users_route(
    call: &Call,
    tenant: &Tenant,
    directory: &mut Directory,
    key: Option<&Segment>,
    rest: &[&str],
) -> Result<Reply, Refusal> {
    let get = call.method == Method::GET;
    let Some(key) = key else {
        return match call.method {
            Method::GET => need(call, READ_USERS).and_then(|()| objects::list(call, directory, Kind::User)),
            Method::POST => need(call, WRITE_USERS).and_then(|()| users::create(call, tenant, directory)),
            _ => Err(wrong_method()),
        };
    };
    match (key.name.as_str(), rest) {
        ("$count", []) if get => {
            need(call, READ_USERS)?;
            return objects::count(call, directory, Kind::User);
        }
        ("delta", []) if get => {
            need(call, READ_USERS)?;
            return delta::run(call, directory, Kind::User);
        }
        _ => {}
    }
    // Rights come before existence, as in Graph: a caller without them learns nothing.
    let roles = match (&call.method, rest) {
        (&Method::GET, ["memberOf", ..]) => READ_USERS,
        (&Method::GET, _) => READ_USERS,
        (&Method::DELETE, []) => DELETE_USERS,
        (&Method::PATCH, []) => users::roles_for(call),
        (_, ["assignLicense"]) => ASSIGN_LICENCES,
        _ => WRITE_USERS,
    };
    need(call, roles)?;
    let slot = resolve(call, directory, Kind::User, key)?;
    match (&call.method, rest) {
        (&Method::GET, []) => objects::get(call, directory, Kind::User, slot),
        (&Method::PATCH, []) => users::update(call, tenant, directory, slot),
        (&Method::POST, ["assignLicense"]) => licences::assign_to_user(call, tenant, directory, slot),
        (&Method::DELETE, []) => users::delete(call, directory, slot),
        (&Method::GET, ["manager"]) => links::manager(call, directory, slot),
        (&Method::GET, ["manager", "$ref"]) => links::manager_reference(call, directory, slot),
        (&Method::PUT, ["manager", "$ref"]) => links::set_manager(call, directory, slot),
        (&Method::DELETE, ["manager", "$ref"]) => links::clear_manager(directory, slot),
        (&Method::GET, ["directReports", cast @ ..]) => links::list(call, directory, slot, links::Link::Reports, cast),
        (&Method::GET, ["memberOf", cast @ ..]) => links::list(call, directory, slot, links::Link::MemberOf, cast),
        (_, []) => Err(wrong_method()),
        (_, [other, ..]) => Err(Refusal::no_segment(other)),
    }
}

fn groups_route(
    call: &Call,
    tenant: &Tenant,
    directory: &mut Directory,
    key: Option<&Segment>,
    rest: &[&str],
) -> Result<Reply, Refusal> {
    let get = call.method == Method::GET;
    let Some(key) = key else {
        return match call.method {
            Method::GET => need(call, READ_GROUPS).and_then(|()| objects::list(call, directory, Kind::Group)),
            Method::POST => need(call, CREATE_GROUPS).and_then(|()| groups::create(call, tenant, directory)),
            _ => Err(wrong_method()),
        };
    };
    match (key.name.as_str(), rest) {
        ("$count", []) if get => {
            need(call, READ_GROUPS)?;
            return objects::count(call, directory, Kind::Group);
        }
        ("delta", []) if get => {
            need(call, READ_GROUPS)?;
            return delta::run(call, directory, Kind::Group);
        }
        _ => {}
    }
    let roles = match (&call.method, rest) {
        (&Method::GET, []) => READ_GROUPS,
        (&Method::GET, _) => READ_MEMBERS,
        (_, ["members", ..]) => WRITE_MEMBERS,
        (&Method::PATCH, []) if groups::only_members(call) => WRITE_MEMBERS,
        (_, ["assignLicense"]) => ASSIGN_LICENCES,
        _ => WRITE_GROUPS,
    };
    need(call, roles)?;
    let slot = match resolve(call, directory, Kind::Group, key) {
        Ok(slot) => slot,
        Err(refusal) => {
            let unique = key.key.as_ref().filter(|(name, _)| name == "uniqueName");
            return match unique {
                Some((_, value)) if call.method == Method::PATCH && call.prefer.contains("create-if-missing") => {
                    groups::create_named(call, tenant, directory, value)
                }
                _ => Err(refusal),
            };
        }
    };
    match (&call.method, rest) {
        (&Method::GET, []) => objects::get(call, directory, Kind::Group, slot),
        (&Method::PATCH, []) => groups::update(call, tenant, directory, slot),
        (&Method::DELETE, []) => groups::delete(call, directory, slot),
        (&Method::POST, ["assignLicense"]) => licences::assign_to_group(call, tenant, directory, slot),
        (&Method::POST, ["members", "$ref"]) => links::add(call, tenant, directory, slot, links::Link::Members),
        (&Method::POST, ["owners", "$ref"]) => links::add(call, tenant, directory, slot, links::Link::Owners),
        (&Method::DELETE, ["members", id, "$ref"]) => links::remove(directory, slot, links::Link::Members, id),
        (&Method::DELETE, ["owners", id, "$ref"]) => links::remove(directory, slot, links::Link::Owners, id),
        (&Method::DELETE, ["members" | "owners", id]) => objects::delete_through_link(call, directory, id),
        (&Method::PATCH, ["members" | "owners", "$ref"]) => {
            Err(Refusal::bad("The requested operation is currently not supported on the targeted entity set."))
        }
        (&Method::GET, ["members", cast @ ..]) => links::list(call, directory, slot, links::Link::Members, cast),
        (&Method::GET, ["owners", cast @ ..]) => links::list(call, directory, slot, links::Link::Owners, cast),
        (&Method::GET, ["memberOf", cast @ ..]) => links::list(call, directory, slot, links::Link::MemberOf, cast),
        (_, []) => Err(wrong_method()),
        (_, [other, ..]) => Err(Refusal::no_segment(other)),
    }
}

fn contacts_route(call: &Call, directory: &Directory, key: Option<&Segment>, rest: &[&str]) -> Result<Reply, Refusal> {
    need(call, READ_CONTACTS)?;
    match (&call.method, key, rest) {
        (&Method::GET, None, []) => objects::list(call, directory, Kind::OrgContact),
        (&Method::GET, Some(key), []) => {
            let slot = resolve(call, directory, Kind::OrgContact, key)?;
            objects::get(call, directory, Kind::OrgContact, slot)
        }
        (&Method::GET, _, [other, ..]) => Err(Refusal::no_segment(other)),
        _ => Err(Refusal::denied()),
    }
}

fn directory_route(
    call: &Call,
    tenant: &Tenant,
    directory: &mut Directory,
    key: Option<&Segment>,
    rest: &[&str],
) -> Result<Reply, Refusal> {
    match (key.map(|key| key.name.as_str()), rest) {
        (Some("deletedItems"), rest) => deleted::route(call, tenant, directory, rest),
        (other, _) => Err(Refusal::no_segment(other.unwrap_or("directory"))),
    }
}

/// Roles that may restore an object of a kind, or read deleted ones.
pub(crate) fn restore_roles(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::User => DELETE_USERS,
        Kind::Group => WRITE_GROUPS,
        Kind::OrgContact => &[],
    }
}

/// Roles that may read objects of a kind.
pub(crate) fn read_roles(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::User => READ_USERS,
        Kind::Group => READ_GROUPS,
        Kind::OrgContact => READ_CONTACTS,
    }
}

/// The object that a path names, by id, user name or alternate key.
fn resolve(call: &Call, directory: &Directory, kind: Kind, key: &Segment) -> Result<Slot, Refusal> {
    let (name, value) = match &key.key {
        Some((name, value)) => (name.as_str(), value.as_str()),
        None => ("", key.name.as_str()),
    };
    let slot = match (kind, name) {
        (Kind::User, "userPrincipalName") => directory.find(Unique::UserPrincipalName, value),
        (Kind::Group, "uniqueName") => directory.find(Unique::GroupName, value),
        (_, "" | "id") => match value.parse() {
            Ok(id) => directory.slot(id),
            Err(_) if kind == Kind::User => directory.find(Unique::UserPrincipalName, value),
            Err(_) => {
                return Err(Refusal::new(400, "Request_BadRequest", format!("Invalid object identifier '{value}'.")));
            }
        },
        (_, other) => return Err(Refusal::bad(format!("The key '{other}' does not exist on this resource."))),
    };
    let of_kind =
        |slot: &Slot| directory.get(*slot).is_some_and(|object| object.kind == kind && object.deleted.is_none());
    let found = slot.filter(of_kind).ok_or_else(|| Refusal::missing(value))?;
    // Writes go to the primary copy, reads to a replica that may lag.
    if call.writes() || visible(directory, found, call.now) { Ok(found) } else { Err(Refusal::missing(value)) }
}

/// 405.
pub(crate) fn wrong_method() -> Refusal {
    Refusal::new(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
}
