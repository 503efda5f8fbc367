//! Requests to Graph: addresses, the token, and repetition of what may be repeated. Knows nothing of users and groups.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex as PlainMutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, Url};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

pub(super) use super::error::{GraphError, refusal};
use super::throttle::Brake;
use super::token::{self, Token};
use super::{Settings, error};
use crate::connector::correlation::Correlation;
use crate::connector::{Anchor, ConnectorError, ConnectorErrorKind};

/// How often a request is sent, all in all.
pub(super) const ATTEMPTS: u32 = 6;

/// Longer than this nobody waits for an answer: what was asked fails, and is asked again by the next run.
const LONGEST_WAIT: Duration = Duration::from_secs(180);

/// What is waited for where Graph does not say how long.
const ONE_SECOND: Duration = Duration::from_secs(1);

/// How long not all of Graph's servers may know a new object.
const FRESH: Duration = Duration::from_secs(300);

/// One tenant's connection.
pub(super) struct Client {
    pub(super) settings: Settings,
    /// `graph_url` without a slash at the end.
    pub(super) root: String,
    origin: Url,
    http: reqwest::Client,
    token: Mutex<Option<Token>>,
    brake: Mutex<Brake>,
    /// Writes that were sent, repetitions among them.
    pub(super) sent: AtomicU64,
    /// Writes that items came to.
    pub(super) needed: AtomicU64,
    /// Writes that were refused for coming too soon.
    pub(super) throttled: AtomicU64,
    /// Graph takes no writes before.
    pub(super) closed: PlainMutex<Option<jiff::Timestamp>>,
    /// Which run requests belong to.
    pub(super) correlation: PlainMutex<Correlation>,
    /// What we made or restored, and when.
    made: PlainMutex<HashMap<Anchor, Instant>>,
}

/// An answer.
#[derive(Clone, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Json,
    pub(super) retry_after: Option<Duration>,
    /// How much of a quota is used, where Graph says so: 1 is all of it.
    pub(super) used: Option<f64>,
    pub(super) date: Option<String>,
}

/// Why there is no answer.
pub(super) enum Broken {
    /// Nothing was carried out.
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

/// Says that a URL cannot be reached, and why, in a few words. The query stays out: it may hold somebody's name.
pub(super) fn unreachable(url: &str, error: &reqwest::Error) -> ConnectorError {
    let url = url.split('?').next().unwrap_or(url);
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() };
    if text.to_lowercase().contains("certificate") {
        let message = format!("the certificate of `{url}` is not trusted: {text}");
        return ConnectorError::new(ConnectorErrorKind::Tls, message)
            .hint("name the authority's certificate with `ca_file`");
    }
    ConnectorError::new(ConnectorErrorKind::Unreachable, format!("cannot reach `{url}`: {text}"))
}

/// Reads an address from the settings: HTTPS, or HTTP on this machine.
fn address(text: &str, name: &str) -> Result<Url, ConnectorError> {
    let wrong = |what: &str| ConnectorError::new(ConnectorErrorKind::Settings, format!("`{name}` {what}: `{text}`"));
    let url = Url::parse(text).map_err(|_| wrong("is no URL"))?;
    if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) {
        return Ok(url);
    }
    Err(wrong("must begin with `https://`"))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
        let login = address(&settings.login_url, "login_url")?;
        let origin = address(&settings.graph_url, "graph_url")?;
        if settings.client_secret.is_some() == settings.certificate.is_some() {
            let message = "set either `client_secret` or `certificate`";
            return Err(ConnectorError::new(ConnectorErrorKind::Settings, message));
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
            .timeout(Duration::from_secs(settings.timeout.max(1)))
            .connect_timeout(Duration::from_secs(settings.timeout.clamp(1, 20)))
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&login) && is_loopback(&origin) {
            builder = builder.no_proxy();
        }
        if let Some(path) = &settings.ca_file {
            builder = builder.tls_certs_only(certificates(path)?);
        }
        let http = builder.build().map_err(|error| {
            ConnectorError::new(ConnectorErrorKind::Settings, format!("cannot prepare HTTPS: {error}"))
        })?;
        let brake = Mutex::new(Brake::new(settings.writes_per_150s, Instant::now()));
        let root = settings.graph_url.trim_end_matches('/').to_owned();
        let (made, correlation) = (PlainMutex::default(), PlainMutex::default());
        let (sent, needed, throttled) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (token, closed) = (Mutex::new(None), PlainMutex::new(None));
        Ok(Client { settings, root, origin, http, token, brake, sent, needed, throttled, closed, correlation, made })
    }

    /// The address of a path below `/v1.0`; a whole address must be one of ours.
    fn url(&self, path: &str) -> Result<Url, ConnectorError> {
        let whole = if path.starts_with('/') { format!("{}/v1.0{path}", self.root) } else { path.to_owned() };
        match Url::parse(&whole) {
            Ok(url) if url.origin() == self.origin.origin() => Ok(url),
            _ => {
                let message = "Graph sent a link to another server; the token was not sent there";
                Err(ConnectorError::new(ConnectorErrorKind::Protocol, message))
            }
        }
    }

    /// An address below ours as a path: it is kept, and the address may be another one the next time.
    pub(super) fn path_of<'a>(&self, address: &'a str) -> &'a str {
        let below = address.strip_prefix(self.root.as_str()).and_then(|rest| rest.strip_prefix("/v1.0"));
        below.filter(|path| path.starts_with('/')).unwrap_or(address)
    }

    /// A token that is good for a while.
    pub(super) async fn bearer(&self) -> Result<Zeroizing<String>, ConnectorError> {
        let mut token = self.token.lock().await;
        if let Some(fresh) = token.as_ref().filter(|token| token.is_fresh()) {
            return Ok(fresh.text.clone());
        }
        let new = token::request(&self.http, &self.settings).await?;
        let text = new.text.clone();
        *token = Some(new);
        Ok(text)
    }

    /// Drops the token, unless somebody else has put another one in its place.
    async fn forget(&self, refused: &str) {
        let mut token = self.token.lock().await;
        if token.as_ref().is_some_and(|token| token.text.as_str() == refused) {
            *token = None;
        }
    }

    /// Drops the token that a part of a batch was refused with.
    pub(super) async fn forget_token(&self) {
        *self.token.lock().await = None;
    }

    /// Waits until so many writes are within our own limit. The error is that nobody waits for so long: nothing may be sent.
    pub(super) async fn brake(&self, writes: usize) -> Result<(), Duration> {
        let wait = self.brake.lock().await.wait_for(writes, Instant::now());
        if is_long(Some(wait)) {
            return Err(wait);
        }
        tokio::time::sleep(wait).await;
        self.sent.fetch_add(u64::try_from(writes).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }

    /// Heeds how a batch was answered: how much of the quota is used, whether a write was refused for coming too soon, and
    /// how long to wait.
    pub(super) async fn heed(&self, replies: &[Reply], now: Instant) {
        let refused = replies.iter().filter(|reply| reply.status == 429);
        let waits: Vec<Duration> = refused.map(|reply| reply.retry_after.unwrap_or(ONE_SECOND)).collect();
        self.throttled.fetch_add(u64::try_from(waits.len()).unwrap_or(0), Ordering::Relaxed);
        let mut brake = self.brake.lock().await;
        if let Some(used) = replies.iter().filter_map(|reply| reply.used).reduce(f64::max) {
            brake.told(used, now);
        }
        match waits.into_iter().max() {
            None => brake.taken(),
            Some(wait) => brake.refused(wait, now),
        }
    }

    /// Remembers that an object was made, for as long as Graph may not know it everywhere.
    pub(super) fn remember(&self, anchor: Anchor) {
        let now = Instant::now();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= 10_000 {
            made.retain(|_, at| now.saturating_duration_since(*at) < FRESH);
        }
        made.insert(anchor, now);
    }

    /// Forgets an object that was deleted.
    pub(super) fn forget_object(&self, anchor: &Anchor) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(anchor);
    }

    /// Whether one of the objects was made a moment ago.
    pub(super) fn is_fresh<'a>(&self, mut anchors: impl Iterator<Item = &'a Anchor>) -> bool {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        !made.is_empty() && anchors.any(|anchor| made.get(anchor).is_some_and(|at| at.elapsed() < FRESH))
    }

    /// Sends once, and once more with a new token when Graph does not take the one we have.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Reply, Broken> {
        let url = self.url(path).map_err(Broken::Before)?;
        let bearer = self.bearer().await.map_err(Broken::Before)?;
        let reply = self.send_as(&bearer, method.clone(), &url, body).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        self.forget(&bearer).await;
        let bearer = self.bearer().await.map_err(Broken::Before)?;
        self.send_as(&bearer, method, &url, body).await
    }

    async fn send_as(&self, bearer: &str, method: Method, url: &Url, body: Option<&Json>) -> Result<Reply, Broken> {
        let id = self.correlation.lock().unwrap_or_else(PoisonError::into_inner).request().to_string();
        tracing::Span::current().record("client_request_id", id.as_str());
        let mut request = self
            .http
            .request(method, url.clone())
            .bearer_auth(bearer)
            .header("client-request-id", id)
            .header("return-client-request-id", "true");
        if url.path().ends_with("/delta") {
            // Only what changed, so that a group is not read again for its members.
            request = request.header("prefer", "return=minimal");
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| {
            let failure = unreachable(url.as_str(), &error);
            if error.is_connect() || failure.kind == ConnectorErrorKind::Tls {
                Broken::Before(failure)
            } else {
                Broken::After(failure.message)
            }
        })?;
        let status = answer.status().as_u16();
        let (retry_after, used) = (retry_after(answer.headers()), used(answer.headers()));
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
        let text = answer.bytes().await.map_err(|error| Broken::After(unreachable(url.as_str(), &error).message))?;
        let body = match serde_json::from_slice(&text) {
            Ok(body) => body,
            // Gateways say what is wrong in HTML; the status is enough.
            Err(_) if text.is_empty() || status >= 400 => Json::Null,
            Err(_) => {
                return Err(Broken::After(format!("`{}` answered something that is no JSON", url.path())));
            }
        };
        Ok(Reply { status, body, retry_after, used, date })
    }

    /// Sends what may be repeated, until it is answered for good.
    pub(super) async fn send_safely(&self, method: Method, path: &str) -> Result<Reply, ConnectorError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let last = attempt >= ATTEMPTS;
            let pause = match self.send(method.clone(), path, None).await {
                Ok(reply) if is_passing(reply.status) && !last && !is_long(reply.retry_after) => {
                    reply.retry_after.unwrap_or_else(|| self.backoff(attempt))
                }
                Ok(reply) => return Ok(reply),
                Err(broken) if last => return Err(broken.into_error()),
                Err(Broken::Before(error)) if error.kind != ConnectorErrorKind::Unreachable || attempt >= 3 => {
                    return Err(error);
                }
                Err(Broken::Before(_) | Broken::After(_)) => self.backoff(attempt),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Gets JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Json, ConnectorError> {
        let reply = self.send_safely(Method::GET, path).await?;
        match reply.status {
            200 => Ok(reply.body),
            status => Err(error::refusal(path, status, &reply.body)),
        }
    }

    /// The pause of the settings, doubled with every attempt, and up to a half more.
    pub(super) fn backoff(&self, attempt: u32) -> Duration {
        let base = self.settings.retry_pause_ms << attempt.saturating_sub(1).min(6);
        let jitter = getrandom::u32().map_or(0, |dice| u64::from(dice) % (base / 2 + 1));
        Duration::from_millis(base + jitter)
    }
}

/// Whether nobody waits for so long.
pub(super) fn is_long(wait: Option<Duration>) -> bool {
    wait.is_some_and(|wait| wait > LONGEST_WAIT)
}

/// Statuses that pass by themselves.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 409 | 423 | 429 | 500 | 502 | 503 | 504)
}

/// Seconds, possibly with a fraction.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse::<f64>().ok().filter(|seconds| seconds.is_finite())?;
    Duration::try_from_secs_f64(seconds.min(86_400.0)).ok()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok().and_then(seconds)
}

/// The header that says how much of a quota is used, from four fifths on.
pub(super) const USED: &str = "x-ms-throttle-limit-percentage";

fn used(headers: &HeaderMap) -> Option<f64> {
    headers.get(USED)?.to_str().ok().and_then(share)
}

/// A share: `0.85`.
pub(super) fn share(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|share| share.is_finite() && *share >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(graph_url: &str) -> Result<Client, ConnectorError> {
        Client::new(Settings { graph_url: graph_url.into(), ..Settings::for_emulator("http://127.0.0.1:1", "t") })
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for url in ["https://graph.microsoft.us", "http://127.0.0.1:80", "http://localhost:80/", "http://[::1]:80"] {
            assert!(client(url).is_ok(), "{url}");
        }
        for url in ["http://graph.microsoft.com", "http://127.0.0.1.example.com", "http://localhost.example", "x", ""] {
            assert_eq!(client(url).err().map(|error| error.kind), Some(ConnectorErrorKind::Settings), "{url}");
        }
    }

    #[test]
    fn the_token_goes_to_our_own_host_only() {
        let client = client("https://graph.microsoft.com/").unwrap_or_else(|error| panic!("{error}"));
        let url = |path: &str| client.url(path).map(|url| url.to_string()).ok();
        assert_eq!(url("/users?$top=1").as_deref(), Some("https://graph.microsoft.com/v1.0/users?$top=1"));
        let next = "https://graph.microsoft.com/v1.0/users?$skiptoken=a%2Bb";
        assert_eq!(url(next).as_deref(), Some(next));
        for elsewhere in [
            "https://graph.microsoft.com.example/v1.0/users",
            "http://graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com@example.com/",
            "users",
        ] {
            assert_eq!(url(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn retry_after_may_have_a_fraction_and_has_an_end() {
        assert_eq!(seconds("2.128"), Some(Duration::from_millis(2_128)));
        assert_eq!(seconds("3600"), Some(Duration::from_secs(3_600)));
        assert_eq!(seconds("604800"), Some(Duration::from_secs(86_400)));
        assert_eq!(seconds("-1"), None);
        assert_eq!(seconds("NaN"), None);
    }
}
