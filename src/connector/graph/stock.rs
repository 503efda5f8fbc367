//! What a tenant has only so much of: objects and licences. An app that may not read it gets none of it.

use serde_json::Value as Json;

use super::http::Client;
use super::read::pages;
use crate::connector::{ConnectorError, ConnectorErrorKind, Licence, Quota, Stock};

pub(super) async fn read(client: &Client) -> Result<Stock, ConnectorError> {
    let licences =
        optional(pages(client, "/subscribedSkus?$select=skuId,skuPartNumber,consumedUnits,prepaidUnits").await)?;
    // Only this version tells; nothing depends on it.
    let organization = client.get(&format!("{}/beta/organization?$select=directorySizeQuota", client.root)).await;
    let quota = optional(organization)?.and_then(|page| quota(&page));
    Ok(Stock { objects: quota, licences: licences.iter().flatten().filter_map(licence).collect() })
}

/// What is refused or not there is not known.
fn optional<T>(answer: Result<T, ConnectorError>) -> Result<Option<T>, ConnectorError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if matches!(error.kind, ConnectorErrorKind::Rights | ConnectorErrorKind::Protocol) => Ok(None),
        Err(error) => Err(error),
    }
}

fn quota(page: &Json) -> Option<Quota> {
    let number = |name: &str| page.pointer(&format!("/value/0/directorySizeQuota/{name}"))?.as_u64();
    Some(Quota { used: number("used")?, total: number("total")? })
}

/// Seats whose subscription has run out are good for a while yet.
fn licence(sku: &Json) -> Option<Licence> {
    let text = |name: &str| sku.get(name).and_then(Json::as_str).map(str::to_owned);
    let seats = |name: &str| sku.get("prepaidUnits").and_then(|units| units.get(name)).and_then(Json::as_u64);
    let all = seats("enabled")? + seats("warning").unwrap_or(0);
    let left = all.saturating_sub(sku.get("consumedUnits").and_then(Json::as_u64)?);
    Some(Licence { id: text("skuId")?, name: text("skuPartNumber")?, left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_is_what_was_bought_without_what_is_used() {
        let sku = |used: u64| {
            let units = json!({"enabled": 10, "warning": 2, "suspended": 5, "lockedOut": 1});
            json!({"skuId": "1", "skuPartNumber": "E5", "consumedUnits": used, "prepaidUnits": units})
        };
        let left = |used| licence(&sku(used)).map(|licence| licence.left);
        assert_eq!([left(0), left(11), left(40)], [Some(12), Some(1), Some(0)]);
        assert_eq!(licence(&json!({"skuId": "1"})), None);
        let page = json!({"value": [{"directorySizeQuota": {"used": 7, "total": 5}}]});
        assert_eq!(quota(&page).map(Quota::left), Some(0));
        assert_eq!(quota(&json!({"value": [{"directorySizeQuota": null}]})), None);
    }
}
