//! Twenty requests in one: JSON batching.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Value as Json, json};
use tracing::Instrument as _;

use super::http::{Broken, Client, Reply, USED, refusal, seconds, share};

/// How many requests a batch holds.
pub(super) const SIZE: usize = 20;

/// One request of a batch. Without `Debug`: the body may hold a password.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) method: &'static str,
    /// Below `/v1.0`.
    pub(super) url: String,
    pub(super) body: Option<Json>,
}

impl Part {
    pub(super) fn get(url: String) -> Part {
        Part { method: "GET", url, body: None }
    }
}

/// Sends one batch once; replies come in the order of the parts. A part that got no reply has status 0.
pub(super) async fn send(client: &Client, parts: &[Part]) -> Result<Vec<Reply>, Broken> {
    let requests: Vec<Json> = parts
        .iter()
        .enumerate()
        .map(|(id, part)| {
            let mut request = json!({ "id": id.to_string(), "method": part.method, "url": part.url });
            if let (Some(body), Some(object)) = (&part.body, request.as_object_mut()) {
                object.insert("body".into(), body.clone());
                object.insert("headers".into(), json!({ "Content-Type": "application/json" }));
            }
            request
        })
        .collect();
    let span = tracing::info_span!("graph batch", requests = parts.len(), client_request_id = tracing::field::Empty);
    let body = json!({ "requests": requests });
    let reply = client.send(Method::POST, "/$batch", Some(&body)).instrument(span).await?;
    match reply.status {
        200 => Ok(unpack(parts.len(), reply.body)),
        // Nothing of the batch was looked at: every part gets the answer of the whole.
        429 | 503 | 401 => Ok(parts.iter().map(|_| Reply { date: None, ..reply.clone() }).collect()),
        500 | 502 | 504 => Err(Broken::After(format!("the batch was answered with HTTP {}", reply.status))),
        status => Err(Broken::Before(refusal("/$batch", status, &reply.body))),
    }
}

fn unpack(count: usize, mut body: Json) -> Vec<Reply> {
    let mut by_id: HashMap<String, Json> = HashMap::new();
    if let Some(Json::Array(responses)) = body.get_mut("responses").map(Json::take) {
        for response in responses {
            let id = match response.get("id") {
                Some(Json::String(id)) => id.clone(),
                Some(other) => other.to_string(),
                None => continue,
            };
            by_id.insert(id, response);
        }
    }
    (0..count)
        .map(|id| {
            let mut response = by_id.remove(&id.to_string()).unwrap_or(Json::Null);
            let status = response.get("status").and_then(Json::as_u64).and_then(|status| u16::try_from(status).ok());
            Reply {
                status: status.unwrap_or(0),
                retry_after: header(&response, "retry-after").as_deref().and_then(seconds),
                used: header(&response, USED).as_deref().and_then(share),
                body: response.get_mut("body").map(Json::take).unwrap_or(Json::Null),
                date: None,
            }
        })
        .collect()
}

fn header(response: &Json, wanted: &str) -> Option<String> {
    let headers = response.get("headers")?.as_object()?;
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn answers_are_sorted_by_id_and_gaps_are_told() {
        let body = json!({"responses": [
            {"id": "2", "status": 204, "headers": {"X-MS-Throttle-Limit-Percentage": "0.91"}},
            {"id": 0, "status": 429, "headers": {"retry-after": "1.5"}, "body": {"error": {"code": "TooManyRequests"}}},
        ]});
        let replies = unpack(3, body);
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [429, 0, 204]);
        assert_eq!(replies[0].retry_after, Some(Duration::from_millis(1_500)));
        assert_eq!(replies.iter().map(|reply| reply.used).collect::<Vec<_>>(), [None, None, Some(0.91)]);
        assert_eq!(replies[0].body["error"]["code"], "TooManyRequests");
        assert!(unpack(2, Json::Null).iter().all(|reply| reply.status == 0));
    }
}
