//! Writing to a tenant: batches of twenty, as many at a time as the tenant bears, each part settled on its own.
//!
//! What an answer means is decided in `judge`; this file keeps count, waits, and repeats.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use uuid::Uuid;

use super::batch::{self, Part};
use super::http::{ATTEMPTS, Broken, Client, Reply, is_long};
use super::judge::{Situation, Verdict, Work, judge, unanswered};
use super::query::finding;
use super::render::{requests, unfit};
use super::schema::unique_attributes;
use super::throttle::Width;
use crate::connector::password;
use crate::connector::{
    Anchor, ConnectorError, ConnectorErrorKind, ExportAction, ExportItem, ExportOutcome, RenderedRequest,
};
use crate::value::{AttributeName, Value};

/// How often a batch is tried when nobody answers at all.
const CONNECTIONS: u32 = 4;

/// One request on its way.
struct Unit {
    item: usize,
    work: Work,
    request: RenderedRequest,
    attempts: u32,
    /// An attempt may have been carried out without anybody saying so.
    uncertain: bool,
    not_before: Instant,
}

/// What is known of an item.
#[derive(Default)]
struct Progress {
    open: usize,
    done: Vec<Anchor>,
    refused: Vec<(Anchor, String)>,
    /// The outcome of the whole, if there is one; a worse one stays.
    whole: Option<ExportOutcome>,
}

struct Export<'a> {
    client: &'a Arc<Client>,
    items: &'a [ExportItem],
    progress: Vec<Progress>,
    ready: VecDeque<Unit>,
    waiting: Vec<Unit>,
    outcomes: mpsc::Sender<(Uuid, usize, ExportOutcome)>,
    width: Width,
    /// Why nothing more is made.
    full: Option<String>,
    /// Why nothing more is sent.
    failed: Option<ConnectorError>,
}

type Answer = Result<Vec<Reply>, Broken>;

pub(super) async fn export(
    client: &Arc<Client>,
    items: Vec<ExportItem>,
    outcomes: mpsc::Sender<(Uuid, usize, ExportOutcome)>,
) -> Result<(), ConnectorError> {
    client.bearer().await?;
    let mut export = Export {
        client,
        items: &items,
        progress: items.iter().map(|_| Progress::default()).collect(),
        ready: VecDeque::new(),
        waiting: Vec::new(),
        outcomes,
        width: Width::new(client.settings.concurrency),
        full: None,
        failed: None,
    };
    for (at, item) in items.iter().enumerate() {
        export.begin(at, item).await;
    }
    export.run().await
}

fn work(action: &ExportAction) -> Work {
    match action {
        ExportAction::Create { .. } => Work::Create,
        ExportAction::Restore { .. } => Work::Restore,
        ExportAction::Update { .. } => Work::Update,
        ExportAction::Delete { .. } => Work::Delete,
        ExportAction::AddReferences { .. } => Work::Add,
        ExportAction::RemoveReferences { .. } => Work::Remove,
    }
}

/// The attribute by which a created object can be found again: one that no two objects share.
fn match_key(item: &ExportItem) -> Option<(&AttributeName, &Value)> {
    let ExportAction::Create { match_key: Some((name, value)), .. } = &item.action else { return None };
    let unique = unique_attributes(&item.object_type).iter().any(|unique| AttributeName::from(*unique) == *name);
    unique.then_some((name, value))
}

impl Export<'_> {
    async fn begin(&mut self, at: usize, item: &ExportItem) {
        if let Some(message) = unfit(item) {
            self.tell(at, ExportOutcome::Refused { code: "unfit".into(), message }).await;
            return;
        }
        let requests = requests(item, &self.client.root);
        if let Some(progress) = self.progress.get_mut(at) {
            progress.open = requests.len();
        }
        self.client.needed.fetch_add(u64::try_from(requests.len()).unwrap_or(0), Ordering::Relaxed);
        if requests.is_empty() {
            self.conclude(at).await;
        }
        let now = Instant::now();
        let work = work(&item.action);
        let unit = |request| Unit { item: at, work, request, attempts: 0, uncertain: false, not_before: now };
        self.ready.extend(requests.into_iter().map(unit));
    }

    async fn run(mut self) -> Result<(), ConnectorError> {
        let mut running = JoinSet::new();
        loop {
            self.wake();
            self.turn_away().await;
            while running.len() < self.width.get() && !self.ready.is_empty() && self.failed.is_none() {
                let units: Vec<Unit> = self.ready.drain(..self.ready.len().min(batch::SIZE)).collect();
                let client = Arc::clone(self.client);
                running.spawn(async move { send(&client, units).await }.in_current_span());
            }
            let next = self.waiting.iter().map(|unit| unit.not_before).min().filter(|_| self.failed.is_none());
            let wakes = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(ended) = running.join_next() => match ended {
                    Ok((units, answer)) => self.answered(units, answer).await,
                    Err(error) => {
                        let message = format!("sending a batch broke off: {error}");
                        self.failed = Some(ConnectorError::new(ConnectorErrorKind::Protocol, message));
                    }
                },
                () = wakes, if next.is_some() => {}
                else => return self.failed.map_or(Ok(()), Err),
            }
        }
    }

    /// Brings what has waited long enough back into the line.
    fn wake(&mut self) {
        let now = Instant::now();
        let (due, waiting): (Vec<Unit>, Vec<Unit>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|unit| unit.not_before <= now);
        self.waiting = waiting;
        self.ready.extend(due);
    }

    /// Where there is no room, creations are not even tried; nobody waits for those that may have been carried out.
    async fn turn_away(&mut self) {
        let Some(message) = self.full.clone() else { return };
        let hopeless = |unit: &Unit| unit.work == Work::Create && !unit.uncertain;
        let (creations, others) = std::mem::take(&mut self.ready).into_iter().partition(hopeless);
        self.ready = others;
        let creations: VecDeque<Unit> = creations;
        for unit in creations {
            self.end(unit.item, ExportOutcome::Full { message: message.clone() }).await;
        }
    }

    async fn answered(&mut self, units: Vec<Unit>, answer: Answer) {
        match answer {
            Ok(replies) => {
                self.client.heed(&replies, Instant::now()).await;
                if replies.iter().any(|reply| reply.status == 429) {
                    self.width.refused();
                } else {
                    self.width.taken();
                }
                if replies.iter().any(|reply| reply.status == 401) {
                    self.client.forget_token().await;
                }
                for (unit, reply) in units.into_iter().zip(replies) {
                    let verdict = self.judge(&unit, &reply);
                    self.settle(unit, verdict).await;
                }
            }
            Err(Broken::Before(error)) => {
                self.width.refused();
                let passes = error.kind == ConnectorErrorKind::Unreachable;
                if !passes || units.iter().any(|unit| unit.attempts + 1 >= CONNECTIONS) {
                    self.failed = Some(error);
                    return;
                }
                for unit in units {
                    let verdict = Verdict::Again { after: None, uncertain: false, why: error.message.clone() };
                    self.settle(unit, verdict).await;
                }
            }
            Err(Broken::After(message)) => {
                self.width.refused();
                for unit in units {
                    let verdict = unanswered(unit.work, message.clone());
                    self.settle(unit, verdict).await;
                }
            }
        }
    }

    fn judge(&self, unit: &Unit, reply: &Reply) -> Verdict {
        let owner = self.items.get(unit.item).and_then(|item| item.action.owner());
        let fresh = reply.status >= 400 && self.client.is_fresh(owner.into_iter().chain(&unit.request.targets));
        let situation = Situation {
            work: unit.work,
            owner: owner.map_or("", |owner| owner.0.as_str()),
            targets: unit.request.targets.len(),
            uncertain: unit.uncertain,
            fresh,
            last: unit.attempts + 1 >= ATTEMPTS,
        };
        judge(&situation, reply)
    }

    async fn settle(&mut self, mut unit: Unit, verdict: Verdict) {
        let at = unit.item;
        match verdict {
            Verdict::Done(created) => self.done(unit, created).await,
            Verdict::Missing => self.end(at, ExportOutcome::Missing).await,
            Verdict::Refused { code, message } => self.refused(unit, code, message).await,
            Verdict::Full(message) => {
                self.full = Some(message.clone());
                self.end(at, ExportOutcome::Full { message }).await;
            }
            Verdict::Halve => self.halve(unit),
            Verdict::Again { after, uncertain, why } => {
                unit.uncertain |= uncertain;
                unit.attempts += 1;
                let long = after.filter(|wait| is_long(Some(*wait)));
                if let Some(wait) = long {
                    self.close_for(wait, &why).await;
                }
                if long.is_some() || unit.attempts >= ATTEMPTS {
                    let outcome = if unit.uncertain {
                        ExportOutcome::Unknown { message: why }
                    } else {
                        ExportOutcome::Temporary { message: why }
                    };
                    self.end(at, outcome).await;
                    return;
                }
                unit.not_before = Instant::now() + after.unwrap_or_else(|| self.client.backoff(unit.attempts));
                self.waiting.push(unit);
            }
            Verdict::LookFirst(why) => self.look_first(unit, why).await,
            Verdict::NoSuch => self.create_again(unit).await,
            Verdict::Several => {
                let message = "several objects have the value that only the new one should have".to_owned();
                self.end(at, ExportOutcome::Unknown { message }).await;
            }
        }
    }

    /// Graph takes nothing for longer than anybody waits: what was not sent is put off.
    async fn close_for(&mut self, wait: Duration, why: &str) {
        let until = jiff::Timestamp::now() + wait;
        *self.client.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        let waiting = std::mem::take(&mut self.waiting);
        let (uncertain, others): (Vec<Unit>, Vec<Unit>) =
            std::mem::take(&mut self.ready).into_iter().chain(waiting).partition(|unit| unit.uncertain);
        self.waiting = uncertain;
        for unit in others {
            self.end(unit.item, ExportOutcome::Temporary { message: why.to_owned() }).await;
        }
    }

    async fn done(&mut self, unit: Unit, created: Option<Anchor>) {
        let at = unit.item;
        match unit.work {
            Work::Add | Work::Remove => {
                if let Some(progress) = self.progress.get_mut(at) {
                    progress.done.extend(unit.request.targets);
                }
                self.close(at).await;
            }
            Work::Create | Work::Find | Work::Restore | Work::Update | Work::Delete => {
                let object = self.items.get(at).and_then(|item| item.action.owner());
                let fresh = created.as_ref().or(object.filter(|_| unit.work == Work::Restore));
                if let Some(fresh) = fresh {
                    self.client.remember(fresh.clone());
                }
                if let Some(gone) = object.filter(|_| unit.work == Work::Delete) {
                    self.client.forget_object(gone);
                }
                self.end(at, ExportOutcome::Done { created }).await;
            }
        }
    }

    async fn refused(&mut self, unit: Unit, code: String, message: String) {
        match unit.work {
            Work::Add | Work::Remove => {
                if let Some(progress) = self.progress.get_mut(unit.item) {
                    let targets = unit.request.targets.into_iter();
                    progress.refused.extend(targets.map(|target| (target, message.clone())));
                }
                self.close(unit.item).await;
            }
            // What the look-up is refused for says nothing about the creation.
            Work::Find => self.end(unit.item, ExportOutcome::Unknown { message }).await,
            Work::Create | Work::Restore | Work::Update | Work::Delete => {
                self.end(unit.item, ExportOutcome::Refused { code, message }).await;
            }
        }
    }

    /// One bad reference fails all twenty: halves find it.
    fn halve(&mut self, unit: Unit) {
        let Some(ExportItem { action: ExportAction::AddReferences { anchor, attribute, .. }, object_type, id, .. }) =
            self.items.get(unit.item)
        else {
            return;
        };
        let (left, right) = unit.request.targets.split_at(unit.request.targets.len() / 2);
        let mut halves = Vec::new();
        for part in [left, right] {
            let (anchor, attribute, targets) = (anchor.clone(), attribute.clone(), part.to_vec());
            let action = ExportAction::AddReferences { anchor, attribute, targets };
            halves.extend(requests(&ExportItem::new(*id, object_type, action), &self.client.root));
        }
        if let Some(progress) = self.progress.get_mut(unit.item) {
            progress.open = (progress.open + halves.len()).saturating_sub(1);
        }
        let now = Instant::now();
        // What was waited for is not waited for again.
        let Unit { item, work, attempts, uncertain, .. } = unit;
        self.ready.extend(halves.into_iter().map(|request| Unit {
            item,
            work,
            request,
            attempts,
            uncertain,
            not_before: now,
        }));
    }

    /// A creation that nobody answered is looked for before it is repeated.
    async fn look_first(&mut self, unit: Unit, why: String) {
        let key = self.items.get(unit.item).and_then(|item| Some((item, match_key(item)?)));
        let Some((item, (name, value))) = key else {
            self.end(unit.item, ExportOutcome::Unknown { message: why }).await;
            return;
        };
        let path = finding(&item.object_type, name, value);
        let request = RenderedRequest { method: "GET", path, body: None, targets: Vec::new(), password: None };
        let attempts = unit.attempts + 1;
        if attempts >= 2 * ATTEMPTS {
            self.end(unit.item, ExportOutcome::Unknown { message: why }).await;
            return;
        }
        let not_before = Instant::now() + self.client.backoff(1);
        let find = Unit { item: unit.item, work: Work::Find, request, attempts, uncertain: true, not_before };
        self.waiting.push(find);
    }

    /// The look-up found nothing: either nothing was made, or not all servers know it yet. In the latter case Graph refuses
    /// the repetition, because the value is unique, and the object is looked up again.
    async fn create_again(&mut self, unit: Unit) {
        let request = self.items.get(unit.item).and_then(|item| requests(item, &self.client.root).pop());
        match request {
            Some(request) if unit.attempts < 2 * ATTEMPTS => {
                let not_before = Instant::now() + self.client.backoff(unit.attempts.min(ATTEMPTS));
                self.waiting.push(Unit { work: Work::Create, request, not_before, ..unit });
            }
            Some(_) | None => {
                let message = "nobody answered the creation, and there is no such object yet".to_owned();
                self.end(unit.item, ExportOutcome::Unknown { message }).await;
            }
        }
    }

    /// A unit ended with an outcome for the whole item.
    async fn end(&mut self, at: usize, outcome: ExportOutcome) {
        if let Some(progress) = self.progress.get_mut(at) {
            progress.whole.get_or_insert(outcome);
        }
        self.close(at).await;
    }

    /// A unit ended; with the last one the item does.
    async fn close(&mut self, at: usize) {
        let Some(progress) = self.progress.get_mut(at) else { return };
        progress.open = progress.open.saturating_sub(1);
        if progress.open == 0 {
            self.conclude(at).await;
        }
    }

    async fn conclude(&mut self, at: usize) {
        let (Some(progress), Some(item)) = (self.progress.get_mut(at), self.items.get(at)) else { return };
        let Progress { done, refused, whole, .. } = std::mem::take(progress);
        let references = matches!(work(&item.action), Work::Add | Work::Remove);
        let outcome = match whole {
            // What was not taken and not refused counts as temporary.
            Some(_) | None if references && !(done.is_empty() && refused.is_empty()) => {
                ExportOutcome::References { done, refused }
            }
            Some(outcome) => outcome,
            None if references => ExportOutcome::References { done, refused },
            None => ExportOutcome::Done { created: None },
        };
        self.tell(at, outcome).await;
    }

    async fn tell(&mut self, at: usize, outcome: ExportOutcome) {
        let Some(item) = self.items.get(at) else { return };
        if self.outcomes.send((item.id, at, outcome)).await.is_err() {
            // Whoever asked went away: nothing more is begun, and what is in flight stays so for them.
            self.ready.clear();
            self.waiting.clear();
        }
    }
}

/// Sends one batch, within our own limit of writes.
async fn send(client: &Client, units: Vec<Unit>) -> (Vec<Unit>, Answer) {
    let writes = units.iter().filter(|unit| unit.work != Work::Find).count();
    if let Err(wait) = client.brake(writes).await {
        let refused = |_: &Unit| Reply { status: 429, retry_after: Some(wait), ..Reply::default() };
        let replies = units.iter().map(refused).collect();
        return (units, Ok(replies));
    }
    let parts: Option<Vec<Part>> = units.iter().map(|unit| part(&unit.request)).collect();
    let answer = match parts {
        Some(parts) => batch::send(client, &parts).await,
        None => {
            let message = "this machine has no random numbers for passwords";
            Err(Broken::Before(ConnectorError::new(ConnectorErrorKind::Settings, message)))
        }
    };
    (units, answer)
}

/// The request as it is sent: with a password where one belongs. Nothing when there is no randomness to make one of.
fn part(request: &RenderedRequest) -> Option<Part> {
    let mut body = request.body.clone();
    let place = body.as_mut().and_then(|body| body.pointer_mut("/passwordProfile/password"));
    if let (Some(place), Some(length)) = (place, request.password) {
        *place = Json::from(password::random(length)?.as_str());
    }
    Some(Part { method: request.method, url: request.path.clone(), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_nobody_shares_lead_back_to_a_new_object() {
        let key = |object_type: &str, name: &str| {
            let match_key = Some((name.into(), Value::Text("x".into())));
            let action = ExportAction::Create { attributes: [].into(), references: [].into(), match_key };
            match_key_is_some(&ExportItem::new(Uuid::nil(), object_type, action))
        };
        assert!(key("user", "onPremisesImmutableId") && key("user", "USERPRINCIPALNAME") && key("group", "uniqueName"));
        assert!(!key("user", "displayName") && !key("group", "mailNickname"));
    }

    fn match_key_is_some(item: &ExportItem) -> bool {
        match_key(item).is_some()
    }
}
