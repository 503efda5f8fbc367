//! A stand-in for Microsoft Entra ID: speaks Graph and the token endpoint over HTTP or HTTPS, with a directory of its own.
//!
//! For tests, demonstrations and trying out rules without a tenant. Depends on nothing of ours but `value`, and must not:
//! what it says about Graph is written down here a second time, so that a connector cannot agree with itself by mistake.
//!
//! Reading order: `exchange` (a request, an answer), `schema`, `directory` (the state), `validate`, `filter`, `query`,
//! then what requests do (`users`, `groups`, `links`, `licences`, `objects`, `deleted`, `delta`, `tenant`, found through
//! `route`),
//! then what surrounds them (`service`, `batch`, `throttle`, `faults`, `record`, `admin`), and the outside (`token`,
//! `certificate`, `tls`, `persist`, `serve`).

mod admin;
mod batch;
mod certificate;
mod deleted;
mod delta;
mod directory;
mod exchange;
mod faults;
mod filter;
mod groups;
mod licences;
mod links;
mod objects;
mod persist;
mod query;
mod record;
mod route;
mod schema;
mod serve;
mod service;
mod tenant;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;
mod token;
mod users;
mod validate;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use directory::Directory;
pub use faults::Faults;
use service::{Service, lock};

/// How to run the emulator. The default is a small tenant in memory, over plain HTTP on a free port, without throttling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The initial domain: `contoso.onmicrosoft.com`.
    pub tenant: String,
    /// The name of the organisation.
    pub display_name: String,
    /// Verified domains besides the initial one; the first is the default domain.
    pub domains: Vec<String>,
    /// The port on 127.0.0.1; 0 is any free one.
    pub port: u16,
    /// HTTPS instead of HTTP.
    pub tls: bool,
    /// Where state, keys and `ca.pem` are kept. Without it all is gone at the end.
    pub folder: Option<PathBuf>,
    /// Apps that may sign in.
    pub apps: Vec<App>,
    /// Quotas.
    pub throttle: Throttling,
    /// Trouble on purpose.
    pub faults: Faults,
    /// Milliseconds until reads show a new object.
    pub replication_delay_ms: u64,
    /// Seconds that an access token lives.
    pub token_lifetime: u64,
    /// Whether the tenant says that a Microsoft synchronisation client is active.
    pub synced_by_microsoft: bool,
    /// Those of the domains whose users sign in elsewhere.
    pub federated: Vec<String>,
    /// How many objects the tenant takes. Those in the recycle bin count.
    pub quota: u64,
    /// Licences that the tenant has bought.
    pub licences: Vec<Licence>,
}

/// A licence with its seats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Licence {
    /// Its id, a GUID.
    pub sku_id: String,
    /// Its name: `ENTERPRISEPACK`.
    pub name: String,
    /// How many users may have it.
    pub seats: u64,
}

impl Settings {
    /// A tenant with a name, kept in a folder if one is given.
    pub fn for_tenant(tenant: &str, folder: Option<PathBuf>) -> Settings {
        Settings { tenant: tenant.to_owned(), folder, ..Settings::default() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            tenant: "contoso.onmicrosoft.com".into(),
            display_name: "Contoso".into(),
            domains: vec!["contoso.com".into(), "contoso.test".into()],
            port: 0,
            tls: false,
            folder: None,
            apps: vec![App::default()],
            throttle: Throttling::Off,
            faults: Faults::default(),
            replication_delay_ms: 0,
            token_lifetime: 3599,
            synced_by_microsoft: false,
            federated: Vec::new(),
            // That of a tenant with a domain of its own.
            quota: 300_000,
            licences: Vec::new(),
        }
    }
}

/// An app registration.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct App {
    /// Its client id, a GUID.
    pub client_id: String,
    /// Its secret. A made-up one: the emulator protects nothing.
    pub secret: Option<String>,
    /// Its certificates, PEM.
    pub certificate: Option<String>,
    /// App roles: `User.ReadWrite.All`.
    pub roles: Vec<String>,
}

impl Default for App {
    fn default() -> Self {
        let roles = [
            "User.ReadWrite.All",
            "Group.ReadWrite.All",
            "Organization.Read.All",
            "Domain.Read.All",
            "RoleManagement.Read.Directory",
        ];
        App {
            client_id: "00001111-aaaa-2222-bbbb-3333cccc4444".into(),
            secret: Some("emulator-secret".into()),
            certificate: None,
            roles: roles.map(str::to_owned).to_vec(),
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("client_id", &self.client_id).field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// Whether quotas apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Throttling {
    /// No quotas.
    #[default]
    Off,
    /// The quotas of Graph, refilled so many times faster than there. 1 is the real thing.
    Factor(f64),
}

/// Why the emulator cannot start or stop properly.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// The port cannot be bound.
    #[error("cannot listen on 127.0.0.1:{port}: {error}")]
    Listen {
        /// Which.
        port: u16,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot use `{path}`: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The saved state is damaged.
    #[error("cannot read `{path}`, line {line}: {what}")]
    State {
        /// Which file.
        path: PathBuf,
        /// Which line; 0 when no single one is to blame.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A key or certificate cannot be made or read.
    #[error("cannot prepare keys: {0}")]
    Key(String),
    /// The certificate of an app is none, or has no RSA key.
    #[error("the certificate of app `{0}` is not a PEM certificate with an RSA key")]
    Certificate(String),
}

/// A running emulator. Dropping it stops it without saving.
#[derive(Debug)]
pub struct Emulator {
    /// `http://127.0.0.1:51234`; Graph is below `/v1.0`, the token endpoint below `/{tenant}/oauth2/v2.0`.
    pub base_url: String,
    /// The tenant id.
    pub tenant_id: Uuid,
    /// The certificate that clients must trust, PEM; only with TLS.
    pub ca_pem: Option<String>,
    /// The same in a file; only with TLS and a folder.
    pub ca_file: Option<PathBuf>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    saving: Option<JoinHandle<()>>,
    keeper: Keeper,
}

/// Saves the state.
#[derive(Clone)]
struct Keeper {
    service: Arc<Service>,
    folder: Option<PathBuf>,
    /// The version on the disk.
    saved: Arc<Mutex<u64>>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Starts an emulator.
///
/// # Errors
/// A port in use, a folder that cannot be written, damaged state, a certificate that is none.
pub async fn start(settings: Settings) -> Result<Emulator, EmulatorError> {
    let emulator = start_asleep(settings).await?;
    emulator.wake()?;
    Ok(emulator)
}

/// Starts an emulator that reads its state when somebody asks for something.
///
/// # Errors
/// As [`start`], but for damaged state: then all that is asked is answered with what is wrong.
pub async fn start_asleep(settings: Settings) -> Result<Emulator, EmulatorError> {
    let tenant_id = Uuid::new_v5(&Uuid::NAMESPACE_DNS, settings.tenant.to_lowercase().as_bytes());
    let folder = settings.folder.clone();
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder).map_err(|error| EmulatorError::File { path: folder.clone(), error })?;
    }
    let tls = settings.tls.then(|| tls::prepare(folder.as_deref())).transpose()?;
    let service = Arc::new(service(&settings, tenant_id)?);
    let listen = |error| EmulatorError::Listen { port: settings.port, error };
    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await.map_err(listen)?;
    let port = listener.local_addr().map_err(listen)?.port();
    let (stop, stopped) = watch::channel(false);
    let (acceptor, ca_pem) = tls.map(|tls| (tls.acceptor, tls.ca_pem)).unzip();
    let serving = tokio::spawn(serve::run(listener, acceptor, Arc::clone(&service), stopped.clone()));
    let keeper = Keeper { service, folder: folder.clone(), saved: Arc::default() };
    let saving = folder.is_some().then(|| tokio::spawn(keeper.clone().run(stopped)));
    Ok(Emulator {
        base_url: format!("{}://127.0.0.1:{port}", if settings.tls { "https" } else { "http" }),
        tenant_id,
        ca_file: folder.filter(|_| settings.tls).map(|folder| folder.join("ca.pem")),
        ca_pem,
        stop,
        serving,
        saving,
        keeper,
    })
}

fn service(settings: &Settings, tenant_id: Uuid) -> Result<Service, EmulatorError> {
    let mut domains = settings.domains.clone();
    if !domains.iter().any(|domain| domain.eq_ignore_ascii_case(&settings.tenant)) {
        domains.push(settings.tenant.clone());
    }
    let mut names = domains.clone();
    names.push(tenant_id.to_string());
    let key = tls::token_key(settings.folder.as_deref())?;
    let authority = token::Authority::new(tenant_id, names, &settings.apps, (&key.0, &key.1), settings.token_lifetime)?;
    Ok(Service {
        tenant: tenant::Tenant {
            id: tenant_id,
            display_name: settings.display_name.clone(),
            initial_domain: settings.tenant.clone(),
            domains,
            synced_by_microsoft: settings.synced_by_microsoft,
            federated: settings.federated.clone(),
            quota: settings.quota,
            licences: settings.licences.clone(),
            replication_delay: i64::try_from(settings.replication_delay_ms).unwrap_or(i64::MAX / 2),
        },
        authority,
        directory: Mutex::new(Directory::new(tenant_id)),
        unread: Mutex::new(settings.folder.clone()),
        faults: Mutex::new(faults::Draw::new(settings.faults.clone())),
        throttle: Mutex::new(match settings.throttle {
            Throttling::Off => None,
            Throttling::Factor(factor) => Some(throttle::Throttle::new(factor)),
        }),
        record: Mutex::default(),
        started: Instant::now(),
    })
}

impl Emulator {
    /// Reads the state, if that has not been done.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn wake(&self) -> Result<(), EmulatorError> {
        self.keeper.service.wake()
    }

    /// Stops serving and saves the state.
    ///
    /// # Errors
    /// The state cannot be written.
    pub async fn stop(self) -> Result<(), EmulatorError> {
        let _ = self.stop.send(true);
        let _ = self.serving.await;
        if let Some(saving) = self.saving {
            let _ = saving.await;
        }
        let keeper = self.keeper;
        let saved = tokio::task::spawn_blocking(move || keeper.save()).await;
        saved.unwrap_or_else(|error| Err(EmulatorError::Key(error.to_string())))
    }
}

impl Keeper {
    /// Saves once a second while something changed; less often when saving takes long.
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut pause = Duration::from_secs(1);
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopped.changed() => return,
            }
            let keeper = self.clone();
            let began = Instant::now();
            // A full disk now may be free in a second; `stop` reports what lasts.
            let _ = tokio::task::spawn_blocking(move || keeper.save()).await;
            pause = Duration::from_secs(1).max(began.elapsed() * 10);
        }
    }

    /// Saves what has changed since the last time.
    fn save(&self) -> Result<(), EmulatorError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let Some(version) = self.service.version() else { return Ok(()) };
        let mut saved = lock(&self.saved);
        if *saved != version {
            persist::save(folder, &lock(&self.service.directory))?;
            *saved = version;
        }
        Ok(())
    }
}
