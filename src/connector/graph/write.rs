//! Writing to a tenant: batches of twenty, as many at a time as the tenant bears, each part settled on its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::batch::{self, Part};
use super::http::{ATTEMPTS, Broken, Client, GraphError, Reply, backoff, is_passing};
use super::read;
use super::render::{MADE_WHEN_SENT, RenderedRequest, render};
use crate::connector::{Anchor, ConnectorError, ExportAction, ExportItem, ExportOutcome};

/// One request on its way.
struct Unit {
    item: usize,
    request: RenderedRequest,
    attempts: u32,
    not_before: Instant,
}

/// What is known of an item.
#[derive(Default)]
struct Progress {
    open: usize,
    done: Vec<Anchor>,
    refused: Vec<(Anchor, String)>,
    postponed: Option<String>,
}

/// What became of a unit.
enum Verdict {
    Settled(ExportOutcome),
    References { done: Vec<Anchor>, refused: Vec<(Anchor, String)> },
    Again(Duration),
    Split,
    LookFirst(String),
}

struct Export<'a> {
    client: &'a Arc<Client>,
    items: &'a [ExportItem],
    progress: Vec<Progress>,
    queue: VecDeque<Unit>,
    outcomes: mpsc::Sender<(Uuid, usize, ExportOutcome)>,
    width: usize,
}

pub(super) async fn export(
    client: &Arc<Client>,
    items: Vec<ExportItem>,
    outcomes: mpsc::Sender<(Uuid, usize, ExportOutcome)>,
) -> Result<(), ConnectorError> {
    client.bearer().await?;
    let mut progress: Vec<Progress> = items.iter().map(|_| Progress::default()).collect();
    let mut queue = VecDeque::new();
    let now = Instant::now();
    for (item, place) in items.iter().enumerate().zip(&mut progress) {
        for request in render(item.1) {
            place.open += 1;
            queue.push_back(Unit { item: item.0, request, attempts: 0, not_before: now });
        }
    }
    let width = client.settings.concurrency.clamp(1, 4);
    Export { client, items: &items, progress, queue, outcomes, width }.run().await
}

impl Export<'_> {
    async fn run(&mut self) -> Result<(), ConnectorError> {
        let mut running = JoinSet::new();
        loop {
            while running.len() < self.width {
                let Some(units) = self.take_batch() else { break };
                let client = Arc::clone(self.client);
                running.spawn(async move {
                    let parts: Vec<Part> = units.iter().map(|unit| part(&unit.request)).collect();
                    client.brake(parts.len()).await;
                    let replies = batch::send(&client, &parts).await;
                    (units, replies)
                });
            }
            match running.join_next().await {
                Some(Ok((units, Ok(replies)))) => self.answered(units, replies).await,
                Some(Ok((units, Err(broken)))) => self.broken(units, broken).await?,
                Some(Err(_)) => {}
                None => match self.queue.iter().map(|unit| unit.not_before).min() {
                    Some(next) => tokio::time::sleep_until(next.into()).await,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Up to twenty units that may go now, at most one of each item: parts of a batch run side by side.
    fn take_batch(&mut self) -> Option<Vec<Unit>> {
        let now = Instant::now();
        let mut units: Vec<Unit> = Vec::new();
        let mut later = VecDeque::new();
        while let Some(unit) = self.queue.pop_front() {
            let busy = units.iter().any(|other| other.item == unit.item);
            if units.len() < batch::SIZE && unit.not_before <= now && !busy {
                units.push(unit);
            } else {
                later.push_back(unit);
            }
            if units.len() == batch::SIZE || later.len() > 4 * batch::SIZE {
                break;
            }
        }
        while let Some(unit) = later.pop_back() {
            self.queue.push_front(unit);
        }
        (!units.is_empty()).then_some(units)
    }

    async fn answered(&mut self, units: Vec<Unit>, replies: Vec<Reply>) {
        let throttled = replies.iter().any(|reply| reply.status == 429);
        self.width = if throttled {
            (self.width / 2).max(1)
        } else {
            (self.width + 1).min(self.client.settings.concurrency.max(1))
        };
        for (unit, reply) in units.into_iter().zip(replies) {
            if reply.status == 401 {
                self.client.forget_token().await;
            }
            let verdict = self.judge(&unit, &reply);
            self.settle(unit, verdict).await;
        }
    }

    /// A whole batch without an answer: nothing is known of any part.
    async fn broken(&mut self, units: Vec<Unit>, broken: Broken) -> Result<(), ConnectorError> {
        self.width = (self.width / 2).max(1);
        match broken {
            Broken::Before(error) if units.iter().any(|unit| unit.attempts >= 3) => Err(error),
            Broken::Before(_) => {
                for unit in units {
                    let pause = backoff(unit.attempts + 1);
                    self.settle(unit, Verdict::Again(pause)).await;
                }
                Ok(())
            }
            Broken::After(message) => {
                for unit in units {
                    let verdict = self.unanswered(&unit, message.clone());
                    self.settle(unit, verdict).await;
                }
                Ok(())
            }
        }
    }

    /// Creations are looked up before they are repeated; everything else may be repeated.
    fn unanswered(&self, unit: &Unit, message: String) -> Verdict {
        match self.items.get(unit.item).map(|item| &item.action) {
            Some(ExportAction::Create { .. }) => Verdict::LookFirst(message),
            _ => Verdict::Again(backoff(unit.attempts + 1)),
        }
    }

    fn judge(&self, unit: &Unit, reply: &Reply) -> Verdict {
        let Some(item) = self.items.get(unit.item) else { return Verdict::Again(Duration::ZERO) };
        let error = GraphError::of(&reply.body);
        let refused = || Verdict::Settled(ExportOutcome::Refused { code: error.code.clone(), message: error.text() });
        let done = |created: Option<Anchor>| Verdict::Settled(ExportOutcome::Done { created });
        let pause = || reply.retry_after.unwrap_or_else(|| backoff(unit.attempts + 1));
        match (reply.status, &item.action) {
            (0, _) | (504, _) => self.unanswered(unit, "no answer to this part of a batch".into()),
            (401, _) => Verdict::Again(Duration::ZERO),
            (429 | 500 | 502 | 503 | 423 | 424, _) => Verdict::Again(pause()),
            (409, _) if error.code == "Directory_ConcurrencyViolation" => Verdict::Again(pause()),
            (200..=299, ExportAction::AddReferences { .. } | ExportAction::RemoveReferences { .. }) => {
                Verdict::References { done: unit.request.targets.clone(), refused: Vec::new() }
            }
            (200..=299, ExportAction::Create { .. }) => {
                done(reply.body.get("id").and_then(Json::as_str).map(|id| Anchor(id.to_owned())))
            }
            (200..=299, _) | (404, ExportAction::Delete { .. }) => done(None),
            (404, ExportAction::Update { .. } | ExportAction::Restore { .. }) => {
                Verdict::Settled(ExportOutcome::Missing)
            }
            (404, ExportAction::RemoveReferences { .. }) => {
                Verdict::References { done: unit.request.targets.clone(), refused: Vec::new() }
            }
            // Not visible everywhere yet, perhaps.
            (404, ExportAction::AddReferences { .. }) if unit.attempts < 3 => {
                Verdict::Again(backoff(unit.attempts + 1))
            }
            (400 | 404, ExportAction::AddReferences { .. }) if unit.request.targets.len() > 1 && is_set(unit) => {
                Verdict::Split
            }
            (400, ExportAction::AddReferences { .. }) if error.message.contains("already exist") => {
                Verdict::References { done: unit.request.targets.clone(), refused: Vec::new() }
            }
            (_, ExportAction::AddReferences { .. } | ExportAction::RemoveReferences { .. }) => {
                let why = error.text();
                let refused = unit.request.targets.iter().map(|target| (target.clone(), why.clone())).collect();
                Verdict::References { done: Vec::new(), refused }
            }
            (status, _) if is_passing(status) && status != 409 => Verdict::Again(pause()),
            _ => refused(),
        }
    }

    async fn settle(&mut self, mut unit: Unit, verdict: Verdict) {
        let at = unit.item;
        match verdict {
            Verdict::Again(pause) => {
                unit.attempts += 1;
                if unit.attempts < ATTEMPTS * 2 {
                    unit.not_before = Instant::now() + pause;
                    self.queue.push_back(unit);
                } else {
                    self.finish(
                        at,
                        Some(ExportOutcome::Temporary { message: "throttled or unavailable for too long".into() }),
                    )
                    .await;
                }
            }
            Verdict::Split => self.split(unit),
            Verdict::LookFirst(message) => self.look_first(unit, message).await,
            Verdict::References { done, refused } => {
                if let Some(progress) = self.progress.get_mut(at) {
                    progress.done.extend(done);
                    progress.refused.extend(refused);
                }
                self.finish(at, None).await;
            }
            Verdict::Settled(outcome) => self.finish(at, Some(outcome)).await,
        }
    }

    /// One bad member fails all twenty: halves find it.
    fn split(&mut self, unit: Unit) {
        let middle = unit.request.targets.len() / 2;
        let (left, right) = unit.request.targets.split_at(middle);
        let Some(ExportItem { action: ExportAction::AddReferences { anchor, attribute, .. }, object_type, id }) =
            self.items.get(unit.item)
        else {
            return;
        };
        let mut count = 0;
        for part in [left, right] {
            let action = ExportAction::AddReferences {
                anchor: anchor.clone(),
                attribute: attribute.clone(),
                targets: part.to_vec(),
            };
            for request in render(&ExportItem { id: *id, object_type: object_type.clone(), action }) {
                count += 1;
                self.queue.push_back(Unit {
                    item: unit.item,
                    request,
                    attempts: unit.attempts,
                    not_before: Instant::now(),
                });
            }
        }
        if let Some(progress) = self.progress.get_mut(unit.item) {
            progress.open += count - 1;
        }
    }

    async fn look_first(&mut self, unit: Unit, message: String) {
        let at = unit.item;
        let found = match self.items.get(at) {
            Some(ExportItem {
                object_type,
                action: ExportAction::Create { match_key: Some((name, value)), .. },
                ..
            }) => read::find(self.client, object_type, name, value).await.ok(),
            _ => None,
        };
        match found.map(|found| found.into_iter().next()) {
            Some(Some(anchor)) => self.finish(at, Some(ExportOutcome::Done { created: Some(anchor) })).await,
            Some(None) if unit.attempts < ATTEMPTS => {
                let pause = backoff(unit.attempts + 1);
                let mut unit = unit;
                unit.attempts += 1;
                unit.not_before = Instant::now() + pause;
                self.queue.push_back(unit);
            }
            Some(None) | None => self.finish(at, Some(ExportOutcome::Unknown { message })).await,
        }
    }

    /// A unit of an item has ended; with the last one the item has.
    async fn finish(&mut self, at: usize, outcome: Option<ExportOutcome>) {
        let (Some(progress), Some(item)) = (self.progress.get_mut(at), self.items.get(at)) else { return };
        progress.open = progress.open.saturating_sub(1);
        let references =
            matches!(item.action, ExportAction::AddReferences { .. } | ExportAction::RemoveReferences { .. });
        let outcome = if references {
            if let Some(ExportOutcome::Temporary { message }) = outcome {
                progress.postponed = Some(message);
            }
            if progress.open > 0 {
                return;
            }
            let progress = std::mem::take(progress);
            match progress.postponed {
                Some(message) if progress.done.is_empty() && progress.refused.is_empty() => {
                    ExportOutcome::Temporary { message }
                }
                _ => ExportOutcome::References { done: progress.done, refused: progress.refused },
            }
        } else {
            match outcome {
                Some(outcome) => outcome,
                None => return,
            }
        };
        // A receiver that went away has its own way to learn: the item stays in flight.
        let _ = self.outcomes.send((item.id, at, outcome)).await;
    }
}

fn is_set(unit: &Unit) -> bool {
    unit.request.method == "PATCH"
}

/// The request as it is sent: with a password where one belongs.
fn part(request: &RenderedRequest) -> Part {
    let mut body = request.body.clone();
    let password = body.as_mut().and_then(|body| body.pointer_mut("/passwordProfile/password"));
    if let Some(place) = password.filter(|place| **place == Json::from(MADE_WHEN_SENT)) {
        *place = Json::from(password_text().as_str());
    }
    Part { method: request.method, url: request.path.clone(), body }
}

/// 40 random characters of four classes. Nobody learns it: the user gets another one from an administrator.
fn password_text() -> Zeroizing<String> {
    const CLASSES: [&[u8]; 4] = [b"abcdefghijkmnopqrstuvwxyz", b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"23456789", b"!#%+-=?_"];
    let mut bytes = Zeroizing::new([0_u8; 80]);
    if getrandom::fill(bytes.as_mut_slice()).is_err() {
        // Without randomness there must be no password: Graph refuses the empty one.
        return Zeroizing::new(String::new());
    }
    let mut text = Zeroizing::new(String::with_capacity(40));
    for (at, pair) in bytes.chunks_exact(2).enumerate() {
        let class = CLASSES.get(at % CLASSES.len()).copied().unwrap_or_default();
        let dice = pair.iter().fold(0_usize, |sum, byte| sum * 256 + usize::from(*byte));
        text.extend(class.get(dice % class.len()).map(|byte| char::from(*byte)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_have_every_class() {
        let (one, other) = (password_text(), password_text());
        assert_ne!(*one, *other);
        assert_eq!(one.len(), 40);
        for class in
            [char::is_lowercase, char::is_uppercase, |c: char| c.is_ascii_digit(), |c: char| c.is_ascii_punctuation()]
        {
            assert!(one.chars().any(class));
        }
    }
}
