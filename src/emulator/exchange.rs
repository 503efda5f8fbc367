//! One request and one answer, apart from HTTP: what a batch item and a request of its own have in common.
//!
//! Knows neither the directory nor the transport.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Map, Value as Json, json};

/// The rights and the identity of the caller, from the access token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// The app's client id.
    pub(crate) app: String,
    /// App roles: `User.ReadWrite.All`.
    pub(crate) roles: Vec<String>,
}

/// One Graph request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// `v1.0` or `beta`.
    pub(crate) version: String,
    /// What stands between the slashes after the version.
    pub(crate) path: Vec<Segment>,
    pub(crate) query: Query,
    /// `ConsistencyLevel: eventual`.
    pub(crate) eventual: bool,
    /// The `Prefer` header, or nothing.
    pub(crate) prefer: String,
    pub(crate) body: Option<Json>,
    pub(crate) caller: Arc<Caller>,
    /// The `client-request-id` header; that of the batch, for its items.
    pub(crate) client: Option<Arc<str>>,
    /// `http://127.0.0.1:1234`, as the caller sees us.
    pub(crate) root: Arc<str>,
    /// Milliseconds since 1970.
    pub(crate) now: i64,
}

impl Call {
    /// Whether the method changes something.
    pub(crate) fn writes(&self) -> bool {
        self.method != Method::GET && !self.is("getByIds")
    }

    fn is(&self, last: &str) -> bool {
        self.path.last().is_some_and(|segment| segment.name == last)
    }

    /// The body, which must be a JSON object.
    pub(crate) fn object(&self) -> Result<&Map<String, Json>, Refusal> {
        self.body
            .as_ref()
            .and_then(Json::as_object)
            .ok_or_else(|| Refusal::bad("Write requests must contain a JSON object as request body."))
    }

    /// `@odata.context` of this answer.
    pub(crate) fn context(&self, what: &str) -> Json {
        format!("{}/{}/$metadata#{what}", self.root, self.version).into()
    }

    /// The address of this collection with another query.
    pub(crate) fn link(&self, query: &str) -> Json {
        let path: Vec<String> = self.path.iter().map(Segment::to_string).collect();
        format!("{}/{}/{}?{query}", self.root, self.version, path.join("/")).into()
    }

    /// The path in general terms, for counting: `users/{id}/manager/$ref`.
    pub(crate) fn kind(&self) -> String {
        let mut kind = Vec::new();
        for (at, segment) in self.path.iter().enumerate() {
            let follows_collection = at > 0
                && self.path.get(at - 1).is_some_and(|before| {
                    ["users", "groups", "members", "owners", "deletedItems", "directoryObjects"]
                        .contains(&before.name.as_str())
                        && before.key.is_none()
                });
            let word = segment.name.as_str();
            let known = word.starts_with('$')
                || word.starts_with("microsoft.graph")
                || ["delta", "getByIds", "validateProperties"].contains(&word);
            if follows_collection && !known {
                kind.push("{id}".to_owned());
            } else if segment.key.is_some() {
                kind.push(format!("{word}({{key}})"));
            } else {
                kind.push(word.to_owned());
            }
        }
        kind.join("/")
    }
}

/// One piece of a path: `users`, `users(userPrincipalName='a@b')`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) name: String,
    /// The alternate key (its name may be empty) and its value.
    pub(crate) key: Option<(String, String)>,
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&escape(&self.name))?;
        match &self.key {
            Some((name, value)) if name.is_empty() => write!(f, "('{}')", escape(&value.replace('\'', "''"))),
            Some((name, value)) => write!(f, "({name}='{}')", escape(&value.replace('\'', "''"))),
            None => Ok(()),
        }
    }
}

/// Cuts a path (without version) into segments; slashes inside quotes do not count.
pub(crate) fn segments(path: &str) -> Vec<Segment> {
    let mut pieces = vec![String::new()];
    let mut quoted = false;
    for letter in path.chars() {
        match letter {
            '/' if !quoted => pieces.push(String::new()),
            _ => {
                // A quote in a plain segment (`o'neil@contoso.com`) opens nothing.
                let keyed = pieces.last().is_some_and(|piece| piece.contains('('));
                quoted ^= letter == '\'' && keyed;
                if let Some(piece) = pieces.last_mut() {
                    piece.push(letter);
                }
            }
        }
    }
    pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| segment(&unescape(piece, false))).collect()
}

fn segment(text: &str) -> Segment {
    // Microsoft's own clients say `graph.user` for `microsoft.graph.user`.
    let whole =
        text.strip_prefix("graph.").filter(|rest| !rest.contains('@')).map(|rest| format!("microsoft.graph.{rest}"));
    let text = whole.as_deref().unwrap_or(text);
    let plain = || Segment { name: text.to_owned(), key: None };
    let Some((name, inner)) = text.split_once('(').and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)))
    else {
        return plain();
    };
    if inner.is_empty() {
        let name = name.strip_prefix("microsoft.graph.").unwrap_or(name);
        return Segment { name: name.to_owned(), key: None };
    }
    let (key, value) = match inner.split_once('=') {
        Some((key, value)) if !key.contains('\'') => (key, value),
        _ => ("", inner),
    };
    let Some(value) = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) else {
        return plain();
    };
    Segment { name: name.to_owned(), key: Some((key.to_owned(), value.replace("''", "'"))) }
}

/// The query, decoded, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`.
    pub(crate) fn parse(text: &str) -> Self {
        Query(
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (unescape(name, true), unescape(value, true))
                })
                .collect(),
        )
    }

    /// A value by name; the leading dollar sign is optional in OData.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key.strip_prefix('$').unwrap_or(key).eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The query as text without one option.
    pub(crate) fn without(&self, name: &str) -> String {
        let kept: Vec<String> = self
            .0
            .iter()
            .filter(|(key, _)| !key.strip_prefix('$').unwrap_or(key).eq_ignore_ascii_case(name))
            .map(|(key, value)| format!("{key}={}", escape(value)))
            .collect();
        kept.join("&")
    }
}

/// Undoes percent encoding; in forms and queries a plus sign is a blank.
pub(crate) fn unescape(text: &str, form: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let decoded = if first == b'%' { hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) } else { None };
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if form && first == b'+' { b' ' } else { first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes what may not stand in a path or query as it is.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$,'()@:*!".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What goes back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content: Content,
}

/// The body of a [`Reply`].
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Empty,
    Json(Json),
    Text(String),
}

impl Reply {
    /// 204.
    pub(crate) fn empty() -> Self {
        Reply { status: 204, headers: Vec::new(), content: Content::Empty }
    }

    /// JSON with a status.
    pub(crate) fn json(status: u16, body: Json) -> Self {
        Reply { status, headers: Vec::new(), content: Content::Json(body) }
    }

    /// Plain text with status 200.
    pub(crate) fn text(text: String) -> Self {
        Reply { status: 200, headers: Vec::new(), content: Content::Text(text) }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Why a request is refused, as Graph says it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// `error.details`.
    pub(crate) details: Vec<Json>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal without details.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Refusal { status, code, message: message.into(), details: Vec::new(), headers: Vec::new() }
    }

    /// 400 `Request_BadRequest`.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Refusal::new(400, "Request_BadRequest", message)
    }

    /// 400 that blames one property.
    pub(crate) fn invalid(property: &str, code: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let detail = json!({"code": code, "target": property, "message": message});
        Refusal { details: vec![detail], ..Refusal::bad(message) }
    }

    /// 400 for a query that needs another mode or does not exist.
    pub(crate) fn query(message: impl Into<String>) -> Self {
        Refusal::new(400, "Request_UnsupportedQuery", message)
    }

    /// 403.
    pub(crate) fn denied() -> Self {
        Refusal::new(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    }

    /// 404 for an object.
    pub(crate) fn missing(id: &str) -> Self {
        let message =
            format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present.");
        Refusal::new(404, "Request_ResourceNotFound", message)
    }

    /// 404 for a path.
    pub(crate) fn no_segment(segment: &str) -> Self {
        Refusal::new(404, "BadRequest", format!("Resource not found for the segment '{segment}'."))
    }

    /// As an answer. `request` and `client` are the request ids.
    pub(crate) fn reply(self, request: &str, client: &str) -> Reply {
        let date = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "innerError": {"date": date, "request-id": request, "client-request-id": client},
        });
        if let (false, Some(error)) = (self.details.is_empty(), error.as_object_mut()) {
            error.insert("details".into(), Json::Array(self.details));
        }
        Reply { status: self.status, headers: self.headers, content: Content::Json(json!({"error": error})) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_at_slashes_outside_quotes() {
        let key =
            |name: &str, key: &str, value: &str| Segment { name: name.into(), key: Some((key.into(), value.into())) };
        let plain = |name: &str| Segment { name: name.into(), key: None };
        for (path, expected) in [
            ("users/a%23b@c", vec![plain("users"), plain("a#b@c")]),
            ("/users/o'neil@c/manager/$ref", vec![plain("users"), plain("o'neil@c"), plain("manager"), plain("$ref")]),
            ("users(userPrincipalName='o''neil@c')", vec![key("users", "userPrincipalName", "o'neil@c")]),
            ("groups(uniqueName='a/b=')/members", vec![key("groups", "uniqueName", "a/b="), plain("members")]),
            ("users('1')", vec![key("users", "", "1")]),
            ("users/delta()", vec![plain("users"), plain("delta")]),
            ("users/microsoft.graph.delta()", vec![plain("users"), plain("delta")]),
            ("groups/1/members/graph.user", "groups/1/members/microsoft.graph.user".split('/').map(plain).collect()),
            ("users/graph.user@c", vec![plain("users"), plain("graph.user@c")]),
        ] {
            assert_eq!(segments(path), expected, "{path}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("$filter=a%20eq+'b%2B'&top=3&%24select=id");
        assert_eq!(query.get("filter"), Some("a eq 'b+'"));
        assert_eq!(query.get("top"), Some("3"));
        assert_eq!(query.get("select"), Some("id"));
        assert_eq!(query.without("top"), "$filter=a%20eq%20'b%2B'&$select=id");
    }
}
