//! Licences: what the tenant has bought, who has it, and groups that give it to their members.
//!
//! A group gives its licences in the background at Graph, and at once here. Who gets none is not told in the answer, but
//! noted on the user.

use serde_json::{Value as Json, json};

use super::Licence;
use super::directory::{Directory, Slot};
use super::exchange::{Call, Refusal, Reply};
use super::route::Tenant;
use super::schema::Kind;

/// `GET /subscribedSkus`
pub(crate) fn list(call: &Call, tenant: &Tenant, directory: &Directory) -> Reply {
    let sku = |licence: &Licence| {
        json!({
            "id": format!("{}_{}", tenant.id, licence.sku_id),
            "skuId": licence.sku_id,
            "skuPartNumber": licence.name,
            "appliesTo": "User",
            "capabilityStatus": "Enabled",
            "consumedUnits": consumed(directory, &licence.sku_id),
            "prepaidUnits": {"enabled": licence.seats, "lockedOut": 0, "suspended": 0, "warning": 0},
            "servicePlans": [],
        })
    };
    let value: Vec<Json> = tenant.licences.iter().map(sku).collect();
    Reply::json(200, json!({"@odata.context": call.context("subscribedSkus"), "value": value}))
}

fn skus(list: Option<&Json>) -> impl Iterator<Item = &str> {
    let list = list.and_then(Json::as_array).into_iter().flatten();
    list.filter_map(|licence| licence.get("skuId")?.as_str())
}

fn has(directory: &Directory, slot: Slot, sku: &str) -> bool {
    directory.get(slot).is_some_and(|object| skus(object.properties.get("assignedLicenses")).any(|held| held == sku))
}

/// Who is in the recycle bin has given back his licences.
fn consumed(directory: &Directory, sku: &str) -> u64 {
    let holders = directory.slots(Kind::User).iter().filter(|slot| directory.alive(**slot));
    holders.filter(|slot| has(directory, **slot, sku)).count() as u64
}

fn seats_left(tenant: &Tenant, directory: &Directory, sku: &str) -> u64 {
    let licence = tenant.licences.iter().find(|licence| licence.sku_id == sku);
    licence.map_or(0, |licence| licence.seats.saturating_sub(consumed(directory, sku)))
}

/// The wanted and unwanted licences of a request.
fn asked(call: &Call, tenant: &Tenant) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let body = call.object()?;
    let add: Vec<String> = skus(body.get("addLicenses")).map(str::to_owned).collect();
    let list = body.get("removeLicenses").and_then(Json::as_array).into_iter().flatten();
    let remove: Vec<String> = list.filter_map(Json::as_str).map(str::to_owned).collect();
    if let Some(unknown) = add.iter().find(|sku| !tenant.licences.iter().any(|known| known.sku_id == **sku)) {
        return Err(Refusal::bad(format!("License {unknown} does not correspond to a valid company License.")));
    }
    Ok((add, remove))
}

fn change(directory: &mut Directory, slot: Slot, add: &[String], remove: &[String]) {
    let Some(object) = directory.get(slot) else { return };
    let before: Vec<String> = skus(object.properties.get("assignedLicenses")).map(str::to_owned).collect();
    let kept = before.iter().filter(|sku| !remove.contains(sku));
    let new = add.iter().filter(|sku| !before.contains(sku));
    let list: Json = kept.chain(new).map(|sku| json!({"skuId": sku, "disabledPlans": []})).collect();
    // A list of licences is no unique value.
    let _ = directory.update(slot, vec![("assignedLicenses".into(), list)]);
}

/// `POST /users/{id}/assignLicense`
pub(crate) fn assign_to_user(
    call: &Call,
    tenant: &Tenant,
    directory: &mut Directory,
    slot: Slot,
) -> Result<Reply, Refusal> {
    let (add, remove) = asked(call, tenant)?;
    let located = directory.get(slot).is_some_and(|user| user.properties.get("usageLocation").is_some());
    if !add.is_empty() && !located {
        return Err(Refusal::bad("License assignment cannot be done for user with invalid usage location."));
    }
    for sku in add.iter().filter(|sku| !has(directory, slot, sku)) {
        if seats_left(tenant, directory, sku) == 0 {
            return Err(Refusal::bad(format!("Subscription with SKU {sku} does not have any available licenses.")));
        }
    }
    change(directory, slot, &add, &remove);
    super::objects::get(call, directory, Kind::User, slot)
}

/// `POST /groups/{id}/assignLicense`
pub(crate) fn assign_to_group(
    call: &Call,
    tenant: &Tenant,
    directory: &mut Directory,
    slot: Slot,
) -> Result<Reply, Refusal> {
    let (add, remove) = asked(call, tenant)?;
    change(directory, slot, &add, &remove);
    let members: Vec<Slot> =
        directory.get(slot).map(|group| group.members.iter().copied().collect()).unwrap_or_default();
    hand_out(tenant, directory, slot, &members);
    Ok(Reply { status: 202, ..super::objects::get(call, directory, Kind::Group, slot)? })
}

/// Gives members the licences of their group, as far as there are seats. Who has no usage location gets that of the tenant.
pub(crate) fn hand_out(tenant: &Tenant, directory: &mut Directory, group: Slot, members: &[Slot]) {
    let Some(object) = directory.get(group) else { return };
    let (id, licences) = (object.id.to_string(), object.properties.get("assignedLicenses").cloned());
    let given: Vec<String> = skus(licences.as_ref()).map(str::to_owned).collect();
    for member in members {
        // Groups in groups give nothing.
        let is_user = directory.get(*member).is_some_and(|object| object.kind == Kind::User);
        for sku in given.iter().filter(|_| is_user) {
            if has(directory, *member, sku) {
                continue;
            }
            let free = seats_left(tenant, directory, sku) > 0;
            let (state, error) = if free { ("Active", Json::Null) } else { ("Error", "CountViolation".into()) };
            let new = json!({"skuId": sku, "assignedByGroup": id, "state": state, "error": error, "disabledPlans": []});
            let states = directory.get(*member).and_then(|user| user.properties.get("licenseAssignmentStates"));
            let mut states = states.and_then(Json::as_array).cloned().unwrap_or_default();
            states.push(new);
            let _ = directory.update(*member, vec![("licenseAssignmentStates".into(), Json::Array(states))]);
            if free {
                change(directory, *member, std::slice::from_ref(sku), &[]);
            } else {
                let _ = directory.update(group, vec![("hasMembersWithLicenseErrors".into(), true.into())]);
            }
        }
    }
}
