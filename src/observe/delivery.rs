//! Sends alerts: to a web hook, and to a command. What does not arrive is tried again; nobody waits for it.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::alerts::Notice;
use super::counting::add;
use super::metrics::Metrics;
use crate::config::{Address, Alerting};

/// How long an alert is tried, and how long at most between two attempts.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
const PAUSE: Duration = Duration::from_secs(600);
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than these do not wait; the oldest are dropped.
const WAITING: usize = 100;

/// Where alerts go in.
#[derive(Clone)]
pub(super) struct Outbox(Vec<UnboundedSender<Notice>>);

impl Outbox {
    /// Begins to deliver. To be called within a runtime.
    pub(super) fn open(settings: &Alerting, metrics: &Arc<Metrics>) -> Outbox {
        let mut ways = Vec::new();
        if let Some(url) = settings.url.clone() {
            let (sender, receiver) = unbounded_channel();
            tokio::spawn(work(receiver, Way::Hook(url), Arc::clone(metrics)));
            ways.push(sender);
        }
        if !settings.command.is_empty() {
            let (sender, receiver) = unbounded_channel();
            tokio::spawn(work(receiver, Way::Command(settings.command.clone()), Arc::clone(metrics)));
            ways.push(sender);
        }
        Outbox(ways)
    }

    pub(super) fn send(&self, notice: &Notice) {
        for way in &self.0 {
            // The other end lives as long as the runtime.
            let _ = way.send(notice.clone());
        }
    }
}

enum Way {
    Hook(Address),
    Command(Vec<String>),
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Way::Hook(_) => "webhook",
            Way::Command(_) => "command",
        }
    }

    /// # Errors
    /// Why it did not arrive, without the URL: it may hold a secret.
    async fn deliver(&self, notice: &Notice) -> Result<(), String> {
        let attempt = async {
            match self {
                Way::Hook(url) => post(url, notice).await,
                Way::Command(command) => call(command, notice).await,
            }
        };
        tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(|_| Err("no answer in time".into()))
    }
}

async fn work(mut notices: UnboundedReceiver<Notice>, way: Way, metrics: Arc<Metrics>) {
    let mut waiting = VecDeque::new();
    loop {
        let Some(notice) = waiting.pop_front() else {
            match notices.recv().await {
                Some(notice) => waiting.push_back(notice),
                None => return,
            }
            continue;
        };
        let begun = Instant::now();
        let mut pause = Duration::from_secs(2);
        while let Err(why) = way.deliver(&notice).await {
            tracing::warn!(to = way.name(), alert = notice.alert, "an alert could not be sent: {why}");
            add(&metrics.sent, &[("to", way.name()), ("outcome", "failed")], 1);
            if begun.elapsed() > LONGEST {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
        }
        add(&metrics.sent, &[("to", way.name()), ("outcome", "sent")], 1);
        while let Ok(notice) = notices.try_recv() {
            waiting.push_back(notice);
        }
        while waiting.len() > WAITING {
            waiting.pop_front();
        }
    }
}

async fn post(url: &Address, notice: &Notice) -> Result<(), String> {
    let url = match url {
        Address::Plain(url) => url.clone(),
        Address::Secret(secret) => secret.fetch().await.map_err(|error| error.message)?.to_string(),
    };
    // The URL stays out of what is told: it may hold a secret.
    let client = reqwest::Client::builder().user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")));
    let client = client.timeout(PATIENCE).build().map_err(|error| error.without_url().to_string())?;
    let answer = client.post(url).json(notice).send().await.map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("HTTP {}", status.as_u16())) }
}

async fn call(command: &[String], notice: &Notice) -> Result<(), String> {
    let [program, arguments @ ..] = command else { return Ok(()) };
    let failed = |error: std::io::Error| format!("`{program}`: {error}");
    let text = serde_json::to_vec(notice).map_err(|error| error.to_string())?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // Who does not read it does not want it.
        let _ = input.write_all(&text).await;
    }
    let status = child.wait().await.map_err(failed)?;
    if status.success() { Ok(()) } else { Err(format!("`{program}` failed ({status})")) }
}
