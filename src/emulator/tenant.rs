//! The tenant itself: `/organization` and `/domains`.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::directory::Directory;
use super::exchange::{Call, Refusal, Reply, Segment};
use super::schema::Kind;

/// Facts about the tenant that requests need.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    /// The domain that is always there: `contoso.onmicrosoft.com`.
    pub(crate) initial_domain: String,
    /// All of them, the initial one too.
    pub(crate) domains: Vec<String>,
    /// Whether a Microsoft synchronisation client is active.
    pub(crate) synced_by_microsoft: bool,
    /// Milliseconds until replicas show a new object.
    pub(crate) replication_delay: i64,
}

impl Tenant {
    fn default_domain(&self) -> &str {
        self.domains.first().map_or(self.initial_domain.as_str(), String::as_str)
    }
}

fn chosen(call: &Call, full: Json) -> Json {
    let (Some(names), Json::Object(map)) = (call.query.get("select"), &full) else { return full };
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    Json::Object(
        map.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect(),
    )
}

fn collection(call: &Call, context: &str, value: Vec<Json>) -> Reply {
    Reply::json(200, json!({"@odata.context": call.context(context), "value": value}))
}

fn entity(call: &Call, context: &str, value: Json) -> Reply {
    let mut map = Map::new();
    map.insert("@odata.context".into(), call.context(&format!("{context}/$entity")));
    if let Json::Object(value) = value {
        map.extend(value);
    }
    Reply::json(200, Json::Object(map))
}

/// `/organization`
pub(crate) fn organization(
    call: &Call,
    tenant: &Tenant,
    key: Option<&Segment>,
    rest: &[&str],
) -> Result<Reply, Refusal> {
    if let Some(other) = rest.first() {
        return Err(Refusal::no_segment(other));
    }
    let verified: Vec<Json> = tenant
        .domains
        .iter()
        .map(|name| {
            json!({
                "capabilities": "Email, OfficeCommunicationsOnline",
                "isDefault": name == tenant.default_domain(),
                "isInitial": *name == tenant.initial_domain,
                "name": name,
                "type": "Managed",
            })
        })
        .collect();
    let id = tenant.id.to_string();
    let full = json!({
        "id": id,
        "displayName": tenant.display_name,
        "tenantType": "AAD",
        "onPremisesSyncEnabled": if tenant.synced_by_microsoft { Json::Bool(true) } else { Json::Null },
        "onPremisesLastSyncDateTime": null,
        "verifiedDomains": verified,
    });
    let value = chosen(call, full);
    match key {
        None => Ok(collection(call, "organization", vec![value])),
        Some(key) if key.name == id || key.key.as_ref().is_some_and(|(_, value)| *value == id) => {
            Ok(entity(call, "organization", value))
        }
        Some(key) => Err(Refusal::missing(&key.name)),
    }
}

/// `/roleManagement/directory/roleAssignments`: who is protected holds a role. All on one page, with the principal.
pub(crate) fn role_assignments(call: &Call, directory: &Directory) -> Reply {
    let slots = [Kind::User, Kind::Group].into_iter().flat_map(|kind| directory.slots(kind).iter().copied());
    let holders =
        slots.filter_map(|slot| directory.get(slot)).filter(|object| object.protected && object.deleted.is_none());
    let assignments = holders.map(|object| {
        let id = object.id.to_string();
        json!({
            "id": format!("assignment-{id}"),
            "principalId": id,
            "principal": { "@odata.type": object.kind.odata_type(), "id": id },
        })
    });
    collection(call, "roleManagement/directory/roleAssignments", assignments.collect())
}

/// `/domains`
pub(crate) fn domains(call: &Call, tenant: &Tenant, key: Option<&Segment>, rest: &[&str]) -> Result<Reply, Refusal> {
    if let Some(other) = rest.first() {
        return Err(Refusal::no_segment(other));
    }
    let domain = |name: &String| {
        let full = json!({
            "id": name,
            "authenticationType": "Managed",
            "isAdminManaged": true,
            "isDefault": name == tenant.default_domain(),
            "isInitial": *name == tenant.initial_domain,
            "isRoot": true,
            "isVerified": true,
            "supportedServices": ["Email", "OfficeCommunicationsOnline"],
        });
        chosen(call, full)
    };
    let Some(key) = key else {
        return Ok(collection(call, "domains", tenant.domains.iter().map(domain).collect()));
    };
    let wanted = key.key.as_ref().map_or(key.name.as_str(), |(_, value)| value.as_str());
    match tenant.domains.iter().find(|name| name.eq_ignore_ascii_case(wanted)) {
        Some(name) => Ok(entity(call, "domains", domain(name))),
        None => Err(Refusal::missing(wanted)),
    }
}
