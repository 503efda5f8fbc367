//! Requests to Graph: the token, retries of what may be repeated, and the brake on writes.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Settings;
use super::token::{self, Token};
use crate::connector::{ConnectorError, ConnectorErrorKind};

/// How often a request is repeated.
pub(super) const ATTEMPTS: u32 = 6;

/// One tenant's connection.
pub(super) struct Client {
    pub(super) settings: Settings,
    http: reqwest::Client,
    token: Mutex<Option<Token>>,
    brake: Mutex<Brake>,
}

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Json,
    pub(super) retry_after: Option<Duration>,
    pub(super) date: Option<String>,
}

/// Why there is no answer.
pub(super) enum Broken {
    /// Nothing was sent.
    Before(ConnectorError),
    /// It was sent, and what became of it is unknown.
    After(String),
}

impl Broken {
    pub(super) fn into_error(self) -> ConnectorError {
        match self {
            Broken::Before(error) => error,
            Broken::After(message) => ConnectorError::new(ConnectorErrorKind::Unreachable, message),
        }
    }
}

/// What Graph says when it refuses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GraphError {
    pub(super) code: String,
    pub(super) message: String,
    details: Vec<Detail>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    code: String,
    target: String,
    #[serde(rename = "ConflictingObjects", alias = "conflictingObjects")]
    conflicting: Json,
}

impl GraphError {
    pub(super) fn of(body: &Json) -> GraphError {
        body.get("error").and_then(|error| serde_json::from_value(error.clone()).ok()).unwrap_or_default()
    }

    /// The message with what the details add.
    pub(super) fn text(&self) -> String {
        let mut text = self.message.trim_end_matches('.').to_owned();
        for detail in self.details.iter().filter(|detail| !detail.target.is_empty()) {
            text.push_str(&format!(" ({} `{}`", detail.code, detail.target));
            if !detail.conflicting.is_null() {
                text.push_str(&format!(" with {}", detail.conflicting));
            }
            text.push(')');
        }
        text
    }
}

/// A bucket of writes that fills at a steady rate.
struct Brake {
    capacity: f64,
    level: f64,
    at: Instant,
}

impl Brake {
    fn wait_for(&mut self, writes: f64) -> Duration {
        if self.capacity <= 0.0 {
            return Duration::ZERO;
        }
        let rate = self.capacity / 150.0;
        self.level = (self.level + self.at.elapsed().as_secs_f64() * rate).min(self.capacity);
        self.at = Instant::now();
        self.level -= writes;
        if self.level >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.level / rate) }
    }
}

/// Says that a URL cannot be reached, and why, in a few words.
pub(super) fn unreachable(url: &str, error: &reqwest::Error) -> ConnectorError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    if text.to_lowercase().contains("certificate") {
        return ConnectorError::new(
            ConnectorErrorKind::Tls,
            format!("the certificate of `{url}` is not trusted: {text}"),
        )
        .hint("name the authority's certificate with `ca_file`");
    }
    ConnectorError::new(ConnectorErrorKind::Unreachable, format!("cannot reach `{url}`: {text}"))
}

fn refuse_plain(url: &str, name: &str) -> Result<(), ConnectorError> {
    let loopback = ["http://127.", "http://localhost", "http://[::1]"].iter().any(|start| url.starts_with(start));
    if url.starts_with("https://") || loopback {
        return Ok(());
    }
    Err(ConnectorError::new(ConnectorErrorKind::Settings, format!("`{name}` must begin with `https://`: `{url}`")))
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, ConnectorError> {
    let failed = |what: String| {
        ConnectorError::new(ConnectorErrorKind::Settings, format!("`ca_file` `{}`: {what}", path.display()))
    };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| failed("holds no certificate".into()))?;
    if found.is_empty() { Err(failed("holds no certificate".into())) } else { Ok(found) }
}

impl Client {
    pub(super) fn new(settings: Settings) -> Result<Client, ConnectorError> {
        refuse_plain(&settings.login_url, "login_url")?;
        refuse_plain(&settings.graph_url, "graph_url")?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
            .timeout(Duration::from_secs(settings.timeout))
            .connect_timeout(Duration::from_secs(settings.timeout.min(20)))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &settings.ca_file {
            builder = builder.tls_certs_only(certificates(path)?);
        }
        let http = builder.build().map_err(|error| {
            ConnectorError::new(ConnectorErrorKind::Settings, format!("cannot prepare HTTPS: {error}"))
        })?;
        let capacity = f64::from(settings.writes_per_150s);
        let brake = Mutex::new(Brake { capacity, level: capacity, at: Instant::now() });
        Ok(Client { settings, http, token: Mutex::new(None), brake })
    }

    /// The address of a path below `/v1.0`; a whole address must be one of ours.
    fn url(&self, path: &str) -> Result<String, ConnectorError> {
        let root = self.settings.graph_url.trim_end_matches('/');
        if path.starts_with('/') {
            return Ok(format!("{root}/v1.0{path}"));
        }
        if path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')) {
            return Ok(path.to_owned());
        }
        let message = "Graph sent a link to another server; the token was not sent there";
        Err(ConnectorError::new(ConnectorErrorKind::Protocol, message))
    }

    /// A token that is good for a while.
    pub(super) async fn bearer(&self) -> Result<zeroize::Zeroizing<String>, ConnectorError> {
        let mut token = self.token.lock().await;
        if let Some(fresh) = token.as_ref().filter(|token| token.is_fresh()) {
            return Ok(fresh.text.clone());
        }
        let new = token::request(&self.http, &self.settings).await?;
        let text = new.text.clone();
        *token = Some(new);
        Ok(text)
    }

    pub(super) async fn forget_token(&self) {
        *self.token.lock().await = None;
    }

    /// Waits until so many writes are within our own limit.
    pub(super) async fn brake(&self, writes: usize) {
        let writes = f64::from(u32::try_from(writes).unwrap_or(u32::MAX));
        let wait = self.brake.lock().await.wait_for(writes);
        tokio::time::sleep(wait).await;
    }

    /// Sends once.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Reply, Broken> {
        let url = self.url(path).map_err(Broken::Before)?;
        let bearer = self.bearer().await.map_err(Broken::Before)?;
        let mut request = self
            .http
            .request(method, &url)
            .bearer_auth(bearer.as_str())
            .header("client-request-id", Uuid::new_v4().to_string())
            .header("return-client-request-id", "true");
        if path.contains("$count=true") {
            request = request.header("ConsistencyLevel", "eventual");
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| {
            let failure = unreachable(&url, &error);
            if error.is_connect() || failure.kind == ConnectorErrorKind::Tls {
                Broken::Before(failure)
            } else {
                Broken::After(failure.message)
            }
        })?;
        let status = answer.status().as_u16();
        let retry_after = retry_after(answer.headers());
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
        let text = answer.bytes().await.map_err(|error| Broken::After(unreachable(&url, &error).message))?;
        let body = if text.is_empty() { Ok(Json::Null) } else { serde_json::from_slice(&text) };
        let body =
            body.map_err(|_| Broken::After(format!("`{url}` answered something that is no JSON (HTTP {status})")))?;
        Ok(Reply { status, body, retry_after, date })
    }

    /// Sends what may be repeated, until it is answered for good.
    pub(super) async fn send_safely(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<Reply, ConnectorError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let last = attempt >= ATTEMPTS;
            let pause = match self.send(method.clone(), path, body).await {
                Ok(reply) if reply.status == 401 && attempt == 1 => {
                    self.forget_token().await;
                    Duration::ZERO
                }
                Ok(reply) if is_passing(reply.status) && !last => reply.retry_after.unwrap_or_else(|| backoff(attempt)),
                Ok(reply) => return Ok(reply),
                Err(Broken::Before(error)) if error.kind != ConnectorErrorKind::Unreachable || attempt >= 3 => {
                    return Err(error);
                }
                Err(broken) if last => return Err(broken.into_error()),
                Err(_) => backoff(attempt),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Gets JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Json, ConnectorError> {
        let reply = self.send_safely(Method::GET, path, None).await?;
        match reply.status {
            200 => Ok(reply.body),
            status => Err(refusal(path, status, &reply.body)),
        }
    }
}

/// An answer that ends a step.
pub(super) fn refusal(path: &str, status: u16, body: &Json) -> ConnectorError {
    let error = GraphError::of(body);
    let path = path.split('?').next().unwrap_or(path);
    let message = format!("Graph refuses `{path}`: {} {} (HTTP {status})", error.code, error.text());
    match status {
        401 => ConnectorError::new(ConnectorErrorKind::Credentials, message),
        403 => ConnectorError::new(ConnectorErrorKind::Rights, message)
            .hint("grant the app the permissions that `syncline doctor` lists, and consent to them"),
        _ => ConnectorError::new(ConnectorErrorKind::Protocol, message),
    }
}

/// Statuses that pass: nothing was done, or what was done may be done again.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 409 | 423 | 429 | 500 | 502 | 503 | 504)
}

/// 0.5, 1, 2, 4 … seconds, and up to a half more.
pub(super) fn backoff(attempt: u32) -> Duration {
    let base = 500_u64 << attempt.saturating_sub(1).min(6);
    let jitter = getrandom::u32().map_or(0, |dice| u64::from(dice) % (base / 2 + 1));
    Duration::from_millis(base + jitter)
}

/// Seconds, possibly with a fraction.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds.min(600.0)).ok())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok().and_then(seconds)
}
