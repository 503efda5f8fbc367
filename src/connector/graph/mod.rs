//! Microsoft Entra ID through Microsoft Graph.
//!
//! Reading order: `schema`, `validate` and `validate_references` (what Graph takes), `render` (items as requests), `error`,
//! `token`, `throttle`, `http` and `batch` (the wire), `query`, `read`, `delta` and `stock`, `judge` and `write`, `doctor`,
//! `credentials`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::changes::{ChangeSink, ChangesEnd, Watermark};
use super::correlation::Correlation;
use super::expiry::Expiry;
use super::secret::Secret;
use super::{
    Anchor, ConnectorError, ExportItem, ExportOutcome, Finding, ImportEnd, ImportRequest, ImportSink, Pace, Presence,
    Stock, TenantFacts, Traffic,
};
use crate::value::{AttributeName, Value};

mod applications;
mod batch;
mod credentials;
mod delta;
mod doctor;
mod error;
mod http;
mod judge;
mod query;
mod read;
mod render;
mod schema;
mod stock;
mod throttle;
mod token;
mod validate;
mod validate_references;
mod write;

pub use applications::{applications, unread};
pub use render::render;
pub use schema::{
    addresses_with, also_read, anchor_attributes, claimed_address, matching_attributes, protected, schema, schemas,
    source_of, unique_attributes,
};
pub use validate::{validate, validate_against, validate_changes, validate_clearing};
pub use validate_references::{most_references, validate_reference};

/// The settings of an Entra connector.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The tenant: its id or one of its domains.
    pub tenant: String,
    /// The id of the app registration.
    pub client_id: String,
    /// Its secret; or else `certificate`.
    pub client_secret: Option<Secret>,
    /// A PEM with the private key and the certificate of the app registration.
    pub certificate: Option<Secret>,
    /// How assertions are signed.
    #[serde(default)]
    pub assertion: Assertion,
    /// Where tokens come from.
    #[serde(default = "default_login")]
    pub login_url: String,
    /// Where Graph is.
    #[serde(default = "default_graph")]
    pub graph_url: String,
    /// Certificates (PEM) of the authorities to trust, instead of those of the system.
    pub ca_file: Option<PathBuf>,
    /// Our own brake, below the 3,000 writes in 150 seconds that Graph allows an app; 0 is no brake.
    #[serde(default = "default_writes")]
    pub writes_per_150s: u32,
    /// The most requests at a time.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// How long to wait for an answer, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout: u64,
    /// The pause before the first repetition of what failed, in milliseconds; it doubles with each.
    #[serde(default = "default_retry_pause")]
    pub retry_pause_ms: u64,
}

/// How the certificate assertion is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Assertion {
    /// RSA-PSS with SHA-256, as the documentation asks.
    #[default]
    PS256,
    /// RSA PKCS#1 with SHA-256, for older clouds.
    RS256,
}

fn default_login() -> String {
    "https://login.microsoftonline.com".into()
}

fn default_graph() -> String {
    "https://graph.microsoft.com".into()
}

/// Writes that Graph takes from an app in 150 seconds.
const GRAPH_WRITES: u64 = 3_000;

fn default_writes() -> u32 {
    2_700
}

fn default_concurrency() -> usize {
    8
}

fn default_timeout() -> u64 {
    100
}

fn default_retry_pause() -> u64 {
    500
}

impl Settings {
    /// The settings for our own emulator at a URL.
    pub fn for_emulator(base_url: &str, tenant: &str) -> Settings {
        Settings {
            tenant: tenant.to_owned(),
            client_id: "00001111-aaaa-2222-bbbb-3333cccc4444".into(),
            client_secret: Some(Secret::Known("emulator-secret")),
            certificate: None,
            assertion: Assertion::default(),
            login_url: base_url.to_owned(),
            graph_url: base_url.to_owned(),
            ca_file: None,
            writes_per_150s: 0,
            concurrency: default_concurrency(),
            timeout: default_timeout(),
            retry_pause_ms: 10,
        }
    }
}

/// An Entra tenant.
#[derive(Clone)]
pub struct Graph {
    client: Arc<http::Client>,
}

impl Graph {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// `Settings` when they cannot work.
    pub fn new(settings: Settings) -> Result<Graph, ConnectorError> {
        Ok(Graph { client: Arc::new(http::Client::new(settings)?) })
    }

    /// How fast Graph takes writes: with our own brake, or else as it limits every app.
    pub fn pace(&self) -> Pace {
        let own = self.client.settings.writes_per_150s;
        Pace { burst: if own == 0 { GRAPH_WRITES } else { own.into() }, seconds: 150 }
    }

    /// Requests belong to this run from now on.
    pub fn correlate(&self, correlation: &Correlation) {
        let mut current = self.client.correlation.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        current.clone_from(correlation);
    }

    /// What became of writes since the connection was made.
    pub fn traffic(&self) -> Traffic {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let closed = *self.client.closed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Traffic {
            needed: count(&self.client.needed),
            sent: count(&self.client.sent),
            throttled: count(&self.client.throttled),
            closed_until: closed.map(jiff::Timestamp::as_second),
        }
    }

    /// Reads all users and groups with the wanted properties, managers and members.
    ///
    /// # Errors
    /// When the tenant could not be used at all.
    pub async fn import(&self, request: &ImportRequest, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        read::import(&self.client, request, sink).await
    }

    /// Which tenant it reads, as text.
    pub fn place(&self) -> String {
        let Settings { tenant, graph_url, .. } = &self.client.settings;
        // The port of an emulator is another one every time.
        let host = graph_url.rsplit_once(':').filter(|(host, _)| host.starts_with("http://")).map(|(host, _)| host);
        format!("{tenant} {}", host.unwrap_or(graph_url))
    }

    /// Where the changes of the tenant stand now, without reading what is there.
    ///
    /// # Errors
    /// When the tenant could not be asked.
    pub async fn watermark(&self, request: &ImportRequest) -> Result<Watermark, ConnectorError> {
        delta::start(&self.client, request).await
    }

    /// What changed since a watermark.
    ///
    /// # Errors
    /// When the tenant could not be asked; then the watermark stands.
    pub async fn changes(
        &self,
        request: &ImportRequest,
        since: &Watermark,
        sink: ChangeSink,
    ) -> Result<ChangesEnd, ConnectorError> {
        match since {
            Watermark::DeltaLinks(links) => delta::read(&self.client, request, links, &sink).await,
            Watermark::DirSync { .. }
            | Watermark::Usn { .. }
            | Watermark::SyncRepl { .. }
            | Watermark::Timestamp { .. }
            | Watermark::Files(_) => {
                Ok(ChangesEnd::TooOld("the watermark is that of another kind of directory".into()))
            }
        }
    }

    /// Looks objects up by id, in the recycle bin too.
    ///
    /// # Errors
    /// When the tenant could not be asked.
    pub async fn look_up(
        &self,
        request: &ImportRequest,
        anchors: &[Anchor],
    ) -> Result<Vec<(Anchor, Presence)>, ConnectorError> {
        read::look_up(&self.client, request, anchors).await
    }

    /// Finds objects by the value of a property.
    ///
    /// # Errors
    /// When the tenant could not be asked.
    pub async fn find(
        &self,
        object_type: &str,
        attribute: &AttributeName,
        value: &Value,
    ) -> Result<Vec<Anchor>, ConnectorError> {
        read::find(&self.client, object_type, attribute, value).await
    }

    /// The users in the recycle bin, by immutable id.
    ///
    /// # Errors
    /// When the tenant could not be asked.
    pub async fn deleted_users(&self) -> Result<BTreeMap<Value, Anchor>, ConnectorError> {
        read::deleted_users(&self.client).await
    }

    /// What the tenant says about itself.
    ///
    /// # Errors
    /// When the tenant could not be asked.
    pub async fn facts(&self) -> Result<TenantFacts, ConnectorError> {
        read::facts(&self.client).await
    }

    /// What the tenant has only so much of.
    ///
    /// # Errors
    /// When the tenant could not be asked.
    pub async fn stock(&self) -> Result<Stock, ConnectorError> {
        stock::read(&self.client).await
    }

    /// Writes items that do not depend on each other. Each outcome carries the id and the place of its item.
    ///
    /// # Errors
    /// When no token can be had, or Graph cannot be reached; items without an outcome are then unknown.
    pub async fn export(
        &self,
        items: Vec<ExportItem>,
        outcomes: mpsc::Sender<(Uuid, usize, ExportOutcome)>,
    ) -> Result<(), ConnectorError> {
        write::export(&self.client, items, outcomes).await
    }

    /// When the credential of the app ends, as far as it may know.
    ///
    /// # Errors
    /// When the tenant could not be asked.
    pub async fn expiries(&self) -> Result<Vec<Expiry>, ConnectorError> {
        credentials::expiries(&self.client).await
    }

    /// Looks at everything that a run needs.
    pub async fn doctor(&self) -> Vec<Finding> {
        doctor::run(&self.client).await
    }
}
