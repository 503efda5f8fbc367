//! `$batch`: up to 20 requests in one, each with a fate of its own.

use std::collections::HashMap;

use axum::http::Method;
use serde_json::{Map, Value as Json, json};

use super::exchange::{Call, Query, Refusal, Reply, segments};
use super::service::{Outcome, Service, Standing};

/// The most requests of a batch.
const MOST: usize = 20;

/// Answers a batch.
///
/// # Errors
/// 400 for a batch that is malformed as a whole.
pub(crate) fn run(service: &Service, call: &Call) -> Result<Reply, Refusal> {
    let malformed = |message: String| Refusal::new(400, "BadRequest", message);
    if call.method != Method::POST {
        return Err(super::route::wrong_method());
    }
    let Some(requests) = call.object()?.get("requests").and_then(Json::as_array) else {
        return Err(malformed("Invalid batch payload format.".into()));
    };
    if requests.is_empty() || requests.len() > MOST {
        return Err(malformed(format!("Number of batch request steps exceeds the maximum value of {MOST}.")));
    }
    let mut ids: Vec<String> = Vec::new();
    for request in requests {
        let Some(id) = id(request) else {
            return Err(malformed("Every batch request step must have a non-empty id.".into()));
        };
        if ids.iter().any(|known| known.eq_ignore_ascii_case(&id)) {
            return Err(malformed(format!("Duplicate request id found in the batch: '{id}'.")));
        }
        for parent in parents(request) {
            if !ids.iter().any(|known| known.eq_ignore_ascii_case(&parent)) {
                return Err(malformed(format!("Invalid dependency: '{parent}'.")));
            }
        }
        ids.push(id);
    }
    let mut statuses: HashMap<String, u16> = HashMap::new();
    let mut responses = Vec::with_capacity(requests.len());
    for (id, request) in ids.iter().zip(requests) {
        let failed = parents(request)
            .iter()
            .any(|parent| statuses.get(&parent.to_ascii_lowercase()).is_none_or(|status| !(200..300).contains(status)));
        let reply = if failed {
            service.refused(Refusal::new(424, "FailedDependency", "Failed Dependency"), None)
        } else {
            item(service, call, request)
        };
        statuses.insert(id.to_ascii_lowercase(), reply.status);
        responses.push(response(id, reply));
    }
    Ok(Reply::json(200, json!({"responses": responses})))
}

fn id(request: &Json) -> Option<String> {
    match request.get("id")? {
        Json::String(id) if !id.is_empty() => Some(id.clone()),
        Json::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn parents(request: &Json) -> Vec<String> {
    let list = request.get("dependsOn").and_then(Json::as_array).into_iter().flatten();
    list.filter_map(Json::as_str).map(str::to_owned).collect()
}

fn item(service: &Service, call: &Call, request: &Json) -> Reply {
    let inner = match inner(call, request) {
        Ok(inner) => inner,
        Err(refusal) => return service.refused(refusal, None),
    };
    match service.perform(&inner, None, Standing::Item) {
        Outcome::Reply(reply) => reply,
        // An item has no connection that could break.
        Outcome::Reset => service.refused(Refusal::new(504, "UnknownError", ""), None),
    }
}

fn inner(call: &Call, request: &Json) -> Result<Call, Refusal> {
    let text = |name: &str| request.get(name).and_then(Json::as_str);
    let method = text("method").unwrap_or("GET").to_ascii_uppercase();
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| Refusal::bad("Invalid method in batch request step."))?;
    let Some(url) = text("url") else { return Err(Refusal::bad("A batch request step must have a url.")) };
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (version, path) = relative(path, &call.version);
    let header = |wanted: &str| {
        let headers = request.get("headers").and_then(Json::as_object).into_iter().flatten();
        headers.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).find_map(|(_, value)| value.as_str())
    };
    let body = request.get("body").filter(|body| !body.is_null()).cloned();
    let json = header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
    if body.is_some() && !json {
        return Err(Refusal::new(400, "BadRequest", "Write request id does not contain Content-Type header or body."));
    }
    let path = segments(path);
    if path.first().is_some_and(|segment| segment.name == "$batch") {
        return Err(Refusal::bad("A batch cannot contain another batch."));
    }
    Ok(Call {
        method,
        version: version.to_owned(),
        path,
        query: Query::parse(query),
        eventual: header("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual")),
        prefer: header("prefer").unwrap_or_default().to_owned(),
        body,
        caller: call.caller.clone(),
        client: call.client.clone(),
        root: call.root.clone(),
        now: call.now,
    })
}

/// Takes host and version off an address: official clients send relative, versioned and absolute ones.
fn relative<'a>(path: &'a str, version: &'a str) -> (&'a str, &'a str) {
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => path,
    };
    let path = path.trim_start_matches('/');
    match path.split_once('/') {
        Some((first @ ("v1.0" | "beta"), rest)) => (first, rest),
        _ => (version, path),
    }
}

fn response(id: &str, reply: Reply) -> Json {
    let mut headers = Map::new();
    for (name, value) in &reply.headers {
        let name = match *name {
            "retry-after" => "Retry-After",
            "location" => "Location",
            other => other,
        };
        headers.insert(name.to_owned(), value.as_str().into());
    }
    let status = reply.status;
    let body = reply.body();
    if body.is_some() {
        headers.insert("Content-Type".into(), "application/json".into());
    }
    let mut response = Map::new();
    response.insert("id".into(), id.into());
    response.insert("status".into(), status.into());
    response.insert("headers".into(), Json::Object(headers));
    if let Some(body) = body {
        response.insert("body".into(), body);
    }
    Json::Object(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_forms_become_relative() {
        for (url, expected) in [
            ("users/1", ("v1.0", "users/1")),
            ("/users/1", ("v1.0", "users/1")),
            ("/beta/users/1", ("beta", "users/1")),
            ("https://graph.microsoft.com/v1.0/users", ("v1.0", "users")),
        ] {
            assert_eq!(relative(url, "v1.0"), expected, "{url}");
        }
    }
}
