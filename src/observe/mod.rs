//! Watching `syncline serve`: metrics and health over HTTP, alerts, structured logs, traces. Hears what serving tells, and
//! changes nothing.
//!
//! Reading order: [`metrics`] (what there is to count) and `counting`, `health` (how it stands), `web` (who may ask), `alerts`, `delivery` and
//! `expiry` (who is told what is wrong), [`log`] and `otlp`.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::config::Config;
use crate::rules::RuleSet;
use crate::run::RunError;
use crate::run::serve::Event;
use alerts::Alerts;
use delivery::Outbox;
use health::Standing;
pub use log::Log;
use metrics::Metrics;

mod alerts;
mod counting;
mod delivery;
mod expiry;
mod health;
pub mod log;
pub mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod web;

pub use alerts::KINDS;

/// How often it is looked whether something is wrong.
const TICK: Duration = Duration::from_secs(1);

/// What the loop writes and others read.
struct Shared {
    config: Config,
    metrics: Arc<Metrics>,
    standing: Mutex<Standing>,
}

impl Shared {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sign of life.
    fn turned(&self) {
        self.standing().turned(Instant::now());
        self.metrics.turned.set(jiff::Timestamp::now().as_second());
    }
}

/// Watches one process that serves.
pub struct Observer {
    shared: Arc<Shared>,
    rules: RuleSet,
    stop: Option<(watch::Sender<()>, std::thread::JoinHandle<()>)>,
    /// What people should know about how it is watched.
    pub remarks: Vec<String>,
}

impl Observer {
    /// Begins to watch; whoever asks is answered from now on.
    ///
    /// # Errors
    /// When the address to listen on cannot be had.
    pub fn start(config: &Config) -> Result<Observer, RunError> {
        let names: Vec<String> = config.connectors.iter().map(|(name, _)| name.clone()).collect();
        let shared = Arc::new(Shared {
            config: config.clone(),
            metrics: Arc::new(Metrics::default()),
            standing: Mutex::new(Standing::new(&names, config.every, Instant::now())),
        });
        let mut observer =
            Observer { shared: Arc::clone(&shared), rules: RuleSet::default(), stop: None, remarks: Vec::new() };
        let listener = match config.serving.listen {
            Some(address) => {
                let failed = |error: std::io::Error| RunError::Runtime(format!("cannot listen on {address}: {error}"));
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let here = listener.local_addr().map_err(failed)?;
                observer.remarks.push(format!("metrics on http://{here}/metrics"));
                if !here.ip().is_loopback() {
                    let who = "whoever reaches this address reads names of connectors and rules, and numbers";
                    observer.remarks.push(format!("warning: {here} is not only this machine: {who}"));
                }
                Some(listener)
            }
            None => None,
        };
        if listener.is_some() || config.alerting.is_on() {
            observer.stop = Some(spawn(shared, listener)?);
        }
        Ok(observer)
    }

    /// For whoever gives signs of life while the loop is in a long step.
    pub fn pulse(&self) -> impl Fn() + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.turned()
    }

    /// Takes notice of what serving tells.
    pub fn note(&mut self, event: &Event<'_>) {
        let now = Instant::now();
        let metrics = &self.shared.metrics;
        match event {
            Event::Begins(rules) | Event::Taken(rules) => {
                self.rules = (*rules).clone();
                let names: Vec<String> = self.shared.config.connectors.iter().map(|(name, _)| name.clone()).collect();
                metrics.begin(&names, &self.rules);
                metrics.rules_wait(false);
            }
            Event::Alive => self.shared.turned(),
            Event::Cycle(report) => {
                metrics.cycle(report);
                metrics.rules(&self.rules);
                self.shared.standing().ran(report, now);
            }
            Event::Failed(error, pause) => {
                metrics.failed();
                // Closing a store that fails is no run.
                if !pause.is_zero() {
                    self.shared.standing().failed(error.to_string(), now);
                }
            }
            Event::Down(connector, error, _, times) => {
                metrics.asked(connector, *times);
                self.shared.standing().down(connector, error.to_string(), *times, now);
            }
            Event::Answered(connector) | Event::Up(connector) => {
                metrics.asked(connector, 0);
                self.shared.standing().answered(connector, now);
            }
            Event::Whole(connector, _) => metrics.read_whole(connector),
            Event::Lag(lag) => metrics.lag(lag),
            Event::Counted(census) => metrics.counted(census),
            Event::Waits(..) => metrics.rules_wait(true),
            Event::Back | Event::Refused(_) | Event::Unfit(_) => metrics.rules_wait(false),
            Event::Loaded(..)
            | Event::StoreInUse
            | Event::NotKept(_)
            | Event::Reconfigured
            | Event::NotReconfigured(_)
            | Event::Maintained(_)
            | Event::NotMaintained(_) => {}
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.stop.take() {
            drop(stop);
            // A thread that panicked has nothing more to answer.
            let _ = thread.join();
        }
    }
}

/// A thread with a runtime of its own: it answers and tells whatever the loop does.
fn spawn(
    shared: Arc<Shared>,
    listener: Option<TcpListener>,
) -> Result<(watch::Sender<()>, std::thread::JoinHandle<()>), RunError> {
    let failed = |error: std::io::Error| RunError::Runtime(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (stop, mut stopped) = watch::channel(());
    let work = async move {
        let watching = tokio::spawn(watch_over(Arc::clone(&shared)));
        if let Some(listener) = listener.and_then(|listener| tokio::net::TcpListener::from_std(listener).ok()) {
            tokio::spawn(async move { axum::serve(listener, web::router(shared)).await });
        }
        // It ends when the sender is gone.
        let _ = stopped.changed().await;
        watching.abort();
    };
    let builder = std::thread::Builder::new().name("observe".into());
    let thread = builder.spawn(move || runtime.block_on(work)).map_err(failed)?;
    Ok((stop, thread))
}

/// Looks every so often whether something is wrong, and says so.
async fn watch_over(shared: Arc<Shared>) {
    let settings = &shared.config.alerting;
    let outbox = Outbox::open(settings, &shared.metrics);
    let mut alerts = Alerts::kept(&shared.config.store_folder);
    // Nothing until everybody was asked once.
    let endings = Arc::new(Mutex::new(None));
    tokio::spawn(ask_daily(Arc::clone(&shared), Arc::clone(&endings)));
    loop {
        tokio::time::sleep(TICK).await;
        let standing = shared.standing().clone();
        let clock = jiff::Timestamp::now().as_second();
        let known = endings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let settled = standing.ran && known.is_some();
        let troubles = alerts::troubles(&standing, settings, &known.unwrap_or_default(), (Instant::now(), clock));
        for notice in alerts.update(troubles, settled, clock) {
            let state = notice.state;
            tracing::warn!(alert = notice.alert, subject = notice.subject, state, "{}", notice.message);
            outbox.send(&notice);
        }
        shared.metrics.alerts.clear();
        for (alert, subject) in alerts.active() {
            counting::set(&shared.metrics.alerts, &[("alert", alert), ("subject", subject)], 1);
        }
    }
}

async fn ask_daily(shared: Arc<Shared>, endings: Arc<Mutex<Option<Vec<alerts::Ending>>>>) {
    let mut known = Vec::new();
    loop {
        expiry::ask(&shared.config, &mut known).await;
        for ending in &known {
            let labels = [("connector", ending.connector.as_str()), ("what", ending.what.as_str())];
            counting::set(&shared.metrics.expiry, &labels, ending.at);
        }
        *endings.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        tokio::time::sleep(expiry::DAY).await;
    }
}
