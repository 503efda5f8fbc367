//! The tenant itself: `/organization` and `/domains`, and how many objects it takes.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::Licence;
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
    /// Those of the domains whose users sign in elsewhere.
    pub(crate) federated: Vec<String>,
    /// How many objects it takes.
    pub(crate) quota: u64,
    /// Licences that it has bought.
    pub(crate) licences: Vec<Licence>,
    /// Milliseconds until replicas show a new object.
    pub(crate) replication_delay: i64,
}

/// How long a deleted object can be restored, in milliseconds; it counts whole for so long, and a quarter for as long again.
const RESTORABLE: i64 = 30 * 24 * 60 * 60 * 1_000;

impl Tenant {
    /// Whether the users of a domain sign in elsewhere.
    pub(crate) fn is_federated(&self, domain: &str) -> bool {
        self.federated.iter().any(|federated| federated.eq_ignore_ascii_case(domain))
    }

    fn sign_in(&self, domain: &str) -> &'static str {
        if self.is_federated(domain) { "Federated" } else { "Managed" }
    }

    /// How much of the quota is used.
    fn used(&self, directory: &Directory, now: i64) -> u64 {
        let alive = (directory.objects.len() - directory.deleted.len()) as u64;
        let deleted = directory.deleted.iter().filter_map(|slot| directory.get(*slot)?.deleted);
        let quarters: u64 = deleted
            .map(|since| match now - since {
                ..RESTORABLE => 4,
                age if age < 2 * RESTORABLE => 1,
                _ => 0,
            })
            .sum();
        alive + quarters.div_ceil(4)
    }

    /// Refuses another object where the quota is used up.
    pub(crate) fn need_room(&self, directory: &Directory, now: i64) -> Result<(), Refusal> {
        // No more objects than slots: counting is for full tenants.
        if (directory.objects.len() as u64) < self.quota || self.used(directory, now) < self.quota {
            return Ok(());
        }
        let message = "The directory object quota limit for the Tenant has been exceeded. Please ask your administrator \
                       to increase the quota limit or delete objects to reduce the used quota.";
        Err(Refusal::new(403, "Directory_QuotaExceeded", message))
    }

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
    directory: &Directory,
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
                "type": tenant.sign_in(name),
            })
        })
        .collect();
    let id = tenant.id.to_string();
    let mut full = json!({
        "id": id,
        "displayName": tenant.display_name,
        "tenantType": "AAD",
        "onPremisesSyncEnabled": if tenant.synced_by_microsoft { Json::Bool(true) } else { Json::Null },
        "onPremisesLastSyncDateTime": null,
        "verifiedDomains": verified,
    });
    // The version that is promised to last does not tell.
    if call.version == "beta" {
        let used = tenant.used(directory, call.now);
        full["directorySizeQuota"] = json!({"used": used, "total": tenant.quota});
    }
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
            "authenticationType": tenant.sign_in(name),
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
