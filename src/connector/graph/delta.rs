//! Delta queries: which users and groups changed since a link that Graph gave, and who came to a group or left it.
//!
//! Owners of groups are not in them: a whole import shows these.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Map, Value as Json};

use super::http::{Client, refusal};
use super::query::{Query, queries};
use super::read::{items, next_page};
use crate::connector::changes::{ChangeEvent, ChangeSink, ChangesEnd, Hint, Watermark};
use crate::connector::{Anchor, ConnectorError, ConnectorErrorKind, ImportRequest, Target};
use crate::value::AttributeName;

/// Links that begin now, without reading what is there.
pub(super) async fn start(client: &Arc<Client>, request: &ImportRequest) -> Result<Watermark, ConnectorError> {
    let mut links = BTreeMap::new();
    for query in queries(request)? {
        let mut path = format!("/{}/delta?$deltatoken=latest&{}", query.set, query.delta_parameters());
        let link = loop {
            let page = client.get(&path).await?;
            match (delta_link(&page), next_page(&page)) {
                (Some(link), _) => break link,
                (None, Some(next)) => path = next,
                (None, None) => return Err(endless(query.set)),
            }
        };
        links.insert(query.set.to_owned(), client.path_of(&link).to_owned());
    }
    Ok(Watermark::DeltaLinks(links))
}

fn delta_link(page: &Json) -> Option<String> {
    page.get("@odata.deltaLink").and_then(Json::as_str).map(str::to_owned)
}

fn endless(set: &str) -> ConnectorError {
    let message = format!("the changes of {set} end with neither a link to more nor one for the next time");
    ConnectorError::new(ConnectorErrorKind::Protocol, message)
}

/// Follows the links until there is no more.
pub(super) async fn read(
    client: &Arc<Client>,
    request: &ImportRequest,
    links: &BTreeMap<String, String>,
    sink: &ChangeSink,
) -> Result<ChangesEnd, ConnectorError> {
    let mut reached = BTreeMap::new();
    for query in queries(request)? {
        let Some(link) = links.get(query.set) else {
            return Ok(ChangesEnd::TooOld(format!("nothing is known of {}", query.set)));
        };
        let mut path = link.clone();
        let link = loop {
            let reply = client.send_safely(Method::GET, &path).await?;
            let page = match reply.status {
                200 => reply.body,
                status if is_reset(status, &reply.body) => {
                    return Ok(ChangesEnd::TooOld(format!(
                        "Graph has forgotten where the changes of {} were",
                        query.set
                    )));
                }
                status => return Err(refusal(&format!("/{}/delta", query.set), status, &reply.body)),
            };
            for item in items(&page, &path)? {
                tell(&query, item, sink).await?;
            }
            match (delta_link(&page), next_page(&page)) {
                (Some(link), _) => break link,
                (None, Some(next)) if next != path => path = next,
                (None, _) => return Err(endless(query.set)),
            }
        };
        reached.insert(query.set.to_owned(), client.path_of(&link).to_owned());
    }
    Ok(ChangesEnd::UpTo { watermark: Watermark::DeltaLinks(reached), present: None })
}

/// Links are good for seven days, and less when Graph moves its data. Which answer says so differs.
fn is_reset(status: u16, body: &Json) -> bool {
    let code = body.pointer("/error/code").and_then(Json::as_str).unwrap_or_default().to_ascii_lowercase();
    let named = ["token", "resync", "syncstate"].iter().any(|part| code.contains(part));
    matches!(status, 404 | 410) || (status == 400 && named)
}

async fn tell(query: &Query, item: &Json, sink: &ChangeSink) -> Result<(), ConnectorError> {
    let Some(item) = item.as_object() else { return Ok(()) };
    let Some(id) = item.get("id").and_then(Json::as_str) else { return Ok(()) };
    let anchor = Anchor(id.to_owned());
    let stopped = |_| ConnectorError::new(ConnectorErrorKind::Protocol, "reading changes was stopped");
    if item.contains_key("@removed") {
        return sink.send(ChangeEvent::Touched { anchor, hint: Hint::Gone }).await.map_err(stopped);
    }
    for name in ["members", "manager"] {
        let targets = targets(item, &format!("{name}@delta"));
        if !targets.is_empty() && query.refers(name) {
            let attribute = AttributeName::from(name);
            let event = ChangeEvent::References { anchor: anchor.clone(), attribute, targets };
            sink.send(event).await.map_err(stopped)?;
        }
    }
    if item.keys().any(|name| name != "id" && !name.contains('@')) {
        sink.send(ChangeEvent::Touched { anchor, hint: Hint::There }).await.map_err(stopped)?;
    }
    Ok(())
}

/// Who came (`true`) and who went.
fn targets(item: &Map<String, Json>, name: &str) -> Vec<(Target, bool)> {
    let listed = item.get(name).and_then(Json::as_array).into_iter().flatten();
    let one = |target: &Json| {
        let id = target.get("id").and_then(Json::as_str)?;
        Some((Target::Anchor(Anchor(id.to_owned())), target.get("@removed").is_none()))
    };
    listed.filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_link_that_is_no_longer_good_is_known_by_several_answers() {
        let coded = |code: &str| json!({"error": {"code": code}});
        assert!(is_reset(410, &Json::Null));
        assert!(is_reset(404, &Json::Null));
        for code in ["Directory_ExpiredPageToken", "resyncRequired", "syncStateNotFound"] {
            assert!(is_reset(400, &coded(code)), "{code}");
        }
        assert!(!is_reset(400, &coded("Request_BadRequest")));
        assert!(!is_reset(403, &coded("Authorization_RequestDenied")));
    }

    #[test]
    fn members_come_and_go() {
        let item = json!({"members@delta": [{"id": "1"}, {"id": "2", "@removed": {"reason": "deleted"}}, {}]});
        let target = |id: &str| Target::Anchor(Anchor(id.into()));
        let found = targets(item.as_object().unwrap(), "members@delta");
        assert_eq!(found, [(target("1"), true), (target("2"), false)]);
    }
}
