//! A worker a connector, on the session's runtime: it asks what changed, and looks at it, while others are synchronised or
//! written to. One that is slow, or does not answer, holds up nobody else.
//!
//! Here is what each of them is at; what the store has to say comes from the session, between two cycles.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::moments::Moments;
use super::triggers;
use crate::connector::{ConnectorError, ConnectorErrorKind};
use crate::run::RunError;
use crate::run::changes::inquiry::{self, Answer, Inquiry, Question};
use crate::run::changes::looking::{Found, Looking};
use crate::run::changes::{Changes, End, News};
use crate::run::session::Session;
use crate::run::wanted::Wanted;

/// How many changed objects a cycle takes in at first: few, so that the first of many are soon under way.
const FIRST_PART: usize = 500;
/// And later: twice as many each time, up to this. Who is urgent among the last should not wait for many cycles.
const PART: usize = 2_000;

/// No answer takes so long.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What is said between two cycles.
pub(super) enum Word {
    /// Something happened in a connector.
    Changed(String),
    /// A worker is done.
    Done(String, u64, Done),
}

/// What a worker did.
pub(super) enum Done {
    Asked(Box<Inquiry>, Result<Answer, ConnectorError>),
    Looked(Told, Result<Found, ConnectorError>),
    /// It did not come to an end.
    Broke(ConnectorError),
}

/// Changes, and since when they wait.
pub(super) struct Told {
    pub(super) changes: Box<Changes>,
    pub(super) since: Instant,
}

/// What came of a word.
pub(super) enum Outcome {
    /// Nothing that others need to know.
    Nothing,
    /// It was asked, and answered.
    Answered,
    /// It has to be read whole: why, and since when that waits.
    Whole(String, Instant),
    /// It could not be asked.
    Down(ConnectorError),
}

#[derive(Default)]
struct Follower {
    /// What was begun in an earlier era was given up.
    era: u64,
    /// What its worker is at.
    work: Option<AbortHandle>,
    /// It was asked since the store was opened, and answered or did not.
    settled: bool,
    /// To be asked as soon as it can be.
    due: bool,
    /// To be looked at.
    told: Option<Told>,
    /// How many of them next.
    part: usize,
    /// Looked at, and to be taken in.
    ready: Option<Told>,
    /// How far it was asked, if that may not be in the store yet.
    end: Option<End>,
}

/// All of them, and what they say.
pub(super) struct Followers {
    words: Receiver<Word>,
    sender: Sender<Word>,
    all: BTreeMap<String, Follower>,
    moments: Moments,
}

impl Followers {
    /// Begins to listen to every connector of a session, for as long as it is open.
    pub(super) fn of(session: &Session, moments: &Moments) -> Followers {
        let (sender, words) = channel();
        for (name, directory) in &session.directories {
            let listening = triggers::listen(name.clone(), Arc::clone(directory), sender.clone(), moments.clone());
            session.runtime.spawn(listening);
        }
        let all = session.directories.keys().map(|name| (name.clone(), Follower::default())).collect();
        Followers { words, sender, all, moments: moments.clone() }
    }

    /// Waits for somebody to say something, and takes along what others have said.
    pub(super) fn wait(&self, patience: Duration) -> Vec<Word> {
        let first = self.words.recv_timeout(patience).ok();
        first.into_iter().chain(self.words.try_iter()).collect()
    }

    /// One is to be asked as soon as it can be.
    pub(super) fn ask(&mut self, name: &str) {
        if let Some(follower) = self.all.get_mut(name) {
            follower.due = true;
        }
    }

    /// What a connector was doing is of no use any more: it was read, or written to, meanwhile.
    pub(super) fn forget(&mut self, name: &str) {
        let Some(follower) = self.all.get_mut(name) else { return };
        let at_it = follower.work.take().inspect(AbortHandle::abort).is_some();
        let due = follower.due || at_it || follower.told.is_some() || follower.ready.is_some();
        *follower = Follower { era: follower.era + 1, due, settled: follower.settled, ..Follower::default() };
    }

    /// Whether every connector was asked since the store was opened, and said what changed or did not answer. Before, nothing
    /// is decided: what is known may be of long ago.
    pub(super) fn are_settled(&self) -> bool {
        self.all.values().all(|follower| follower.settled)
    }

    /// Whether something is told that is not ready to be taken in.
    pub(super) fn are_behind(&self) -> bool {
        self.all.values().any(|follower| follower.told.is_some() || !follower.settled)
    }

    /// Whether nobody has anything to do, or to tell.
    pub(super) fn are_idle(&self) -> bool {
        let is_idle =
            |it: &Follower| it.work.is_none() && !it.due && it.told.is_none() && it.ready.is_none() && it.settled;
        self.all.values().all(is_idle)
    }

    /// Takes note of what a worker did.
    pub(super) fn done(
        &mut self,
        session: &mut Session,
        (name, era): (&str, u64),
        done: Done,
    ) -> Result<Outcome, RunError> {
        let Some(follower) = self.all.get_mut(name).filter(|follower| follower.era == era) else {
            return Ok(Outcome::Nothing);
        };
        follower.work = None;
        match done {
            Done::Asked(_, Err(error)) | Done::Looked(_, Err(error)) | Done::Broke(error) => {
                (follower.told, follower.end, follower.settled) = (None, None, true);
                Ok(Outcome::Down(error))
            }
            Done::Looked(mut told, Ok(found)) => {
                told.changes.show(found);
                (follower.ready, follower.settled) = (Some(told), true);
                Ok(Outcome::Answered)
            }
            Done::Asked(inquiry, Ok(answer)) => match inquiry.conclude(session, answer)? {
                News::Nothing => {
                    follower.end = follower.end.take().filter(|_| follower.ready.is_some());
                    follower.settled = true;
                    self.moments.answered(name);
                    Ok(Outcome::Answered)
                }
                News::Changes(changes) => {
                    (follower.end, follower.part) = (changes.end(), FIRST_PART);
                    follower.told = Some(Told { changes, since: self.moments.answered(name) });
                    // It has answered when it was looked at.
                    Ok(Outcome::Nothing)
                }
                News::Everything(why) => {
                    follower.settled = true;
                    Ok(Outcome::Whole(why, self.moments.answered(name)))
                }
            },
        }
    }

    /// Gives everybody something to do who has nothing to do. Gives who need not be asked, and what is known of them.
    pub(super) fn go_on(&mut self, session: &Session) -> Result<Vec<(String, Outcome)>, RunError> {
        let mut known = Vec::new();
        for (name, follower) in self.all.iter_mut().filter(|(_, follower)| follower.work.is_none()) {
            if follower.ready.is_none()
                && let Some(mut told) = follower.told.take()
            {
                let part = told.changes.split(follower.part);
                follower.part = (follower.part * 2).min(PART);
                let next = match part {
                    Some(changes) => {
                        let next = Told { changes: Box::new(changes), since: told.since };
                        follower.told = Some(told);
                        next
                    }
                    None => told,
                };
                let looking = Looking::at(session, &next.changes)?;
                let work = async move { Done::Looked(next, looking.run().await) };
                follower.work = Some(spawn(session, self.sender.clone(), (name, follower.era), work));
            } else if follower.told.is_none() && std::mem::take(&mut follower.due) {
                self.moments.asked(name);
                match inquiry::begin(session, name, follower.end.as_ref())? {
                    Question::Answered(News::Everything(why)) => {
                        follower.settled = true;
                        known.push((name.clone(), Outcome::Whole(why, self.moments.answered(name))));
                    }
                    Question::Answered(News::Nothing | News::Changes(_)) => {
                        follower.settled = true;
                        self.moments.answered(name);
                        known.push((name.clone(), Outcome::Answered));
                    }
                    Question::Open(inquiry) => {
                        let work = async move {
                            let answer = inquiry.ask().await;
                            Done::Asked(Box::new(inquiry), answer)
                        };
                        follower.work = Some(spawn(session, self.sender.clone(), (name, follower.era), work));
                    }
                }
            }
        }
        Ok(known)
    }

    /// What is to be taken in now.
    pub(super) fn ready(&mut self, session: &Session) -> Result<Vec<Told>, RunError> {
        let mut ready = Vec::new();
        for name in self.all.keys().cloned().collect::<Vec<_>>() {
            let Some(told) = self.all.get_mut(&name).and_then(|follower| follower.ready.take()) else { continue };
            if told.changes.is_next(session, &Wanted::of(session, &name)?)? {
                ready.push(told);
            } else {
                self.forget(&name);
                self.ask(&name);
            }
        }
        Ok(ready)
    }
}

/// Has work done by a worker, who says what came of it, or that it did not come to an end.
fn spawn(
    session: &Session,
    sender: Sender<Word>,
    (name, era): (&str, u64),
    work: impl Future<Output = Done> + Send + 'static,
) -> AbortHandle {
    let name = name.to_owned();
    let work = session.runtime.spawn(async move { tokio::time::timeout(LONGEST, work).await });
    let handle = work.abort_handle();
    session.runtime.spawn(async move {
        let broke = |why: String| Done::Broke(ConnectorError::new(ConnectorErrorKind::Protocol, why));
        let done = match work.await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => broke(format!("it was not done after {} minutes", LONGEST.as_secs() / 60)),
            Err(error) => broke(format!("asking it broke off: {error}")),
        };
        // Nobody hears it once the store is closed.
        let _ = sender.send(Word::Done(name, era, done));
    });
    handle
}
