//! What Graph says when it refuses, and what a refusal means to a step that cannot go on. Branches on codes, not on texts.

use serde_json::Value as Json;

use crate::connector::{ConnectorError, ConnectorErrorKind};

/// The `error` of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct GraphError {
    pub(super) code: String,
    pub(super) message: String,
    details: Vec<Detail>,
}

#[derive(Clone, Debug, Default)]
struct Detail {
    code: String,
    target: String,
    /// Who has the value, where it is told.
    holders: String,
}

impl Detail {
    fn of(json: &Json) -> Detail {
        let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let code = text("code");
        let named = ["ConflictingObjects", "conflictingObjects"].iter().find_map(|name| json.get(*name));
        let holders = match named.filter(|holders| !holders.is_null()) {
            Some(holders) => holders.to_string(),
            None if code == "ConflictingObjects" => text("message"),
            None => String::new(),
        };
        Detail { code, target: text("target"), holders }
    }
}

impl GraphError {
    /// The error in a body; an empty one when there is none.
    pub(super) fn of(body: &Json) -> GraphError {
        let Some(error) = body.get("error") else { return GraphError::default() };
        let text = |name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let details = error.get("details").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        GraphError { code: text("code"), message: text("message"), details: details.iter().map(Detail::of).collect() }
    }

    /// Whether another object holds a value that must be unique.
    pub(super) fn is_conflict(&self, status: u16) -> bool {
        let codes = ["ObjectConflict", "ConflictingObjects"];
        status == 409 || self.details.iter().any(|detail| codes.contains(&detail.code.as_str()))
    }

    /// `TooManyRequests: …`
    pub(super) fn said(&self) -> String {
        match (self.code.as_str(), self.text()) {
            ("", text) if text.is_empty() => "no reason given".into(),
            ("", text) => text,
            (code, text) if text.is_empty() => code.to_owned(),
            (code, text) => format!("{code}: {text}"),
        }
    }

    /// The message with what the details add: which property, and which objects have the value.
    pub(super) fn text(&self) -> String {
        let mut text = self.message.trim_end_matches('.').to_owned();
        for detail in self.details.iter().filter(|detail| !detail.target.is_empty()) {
            text.push_str(&format!(" ({} `{}`", detail.code, detail.target));
            if !detail.holders.is_empty() {
                text.push_str(&format!(" with {}", detail.holders));
            }
            text.push(')');
        }
        text
    }
}

/// An answer that ends a step.
pub(super) fn refusal(path: &str, status: u16, body: &Json) -> ConnectorError {
    let path = path.split('?').next().unwrap_or(path);
    let message = format!("Graph refuses `{path}`: {} (HTTP {status})", GraphError::of(body).said());
    match status {
        401 => ConnectorError::new(ConnectorErrorKind::Credentials, message)
            .hint("the token is not for this Graph; do `login_url` and `graph_url` belong to the same cloud?"),
        403 => ConnectorError::new(ConnectorErrorKind::Rights, message)
            .hint("grant the app the permissions that `syncline doctor` lists, and consent to them"),
        429 | 500.. => ConnectorError::new(ConnectorErrorKind::Unreachable, message),
        _ => ConnectorError::new(ConnectorErrorKind::Protocol, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_conflict_names_the_property_and_the_holders() {
        let body = json!({"error": {"code": "Request_BadRequest", "message": "Another object has it.", "details": [
            {"code": "ObjectConflict", "target": "proxyAddresses", "message": "long"},
            {"code": "ConflictingObjects", "target": "proxyAddresses", "message": "id-1, id-2"},
        ]}});
        let error = GraphError::of(&body);
        assert!(error.is_conflict(400));
        let expected = "Another object has it (ObjectConflict `proxyAddresses`) (ConflictingObjects `proxyAddresses` with id-1, id-2)";
        assert_eq!(error.text(), expected);
        assert!(!GraphError::of(&json!({"error": {"code": "x"}})).is_conflict(400));
        assert_eq!(GraphError::of(&Json::Null).said(), "no reason given");
    }
}
