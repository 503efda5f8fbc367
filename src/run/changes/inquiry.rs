//! Asking a directory what changed: the question needs the store, the answer takes its time and does not, and what the answer
//! means needs the store again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Changes, End, News, Reached, Referring, again};
use crate::connector::changes::{ChangeEvent, ChangesEnd, Hint};
use crate::connector::directory::Directory;
use crate::connector::{Anchor, ConnectorError};
use crate::run::import::LOOK_UP_BATCH;
use crate::run::session::Session;
use crate::run::wanted::Wanted;
use crate::run::{RunError, shrinkage};
use crate::sync::ledger::View as _;

/// A question, or what is known without asking.
pub enum Question {
    /// Nobody need be asked.
    Answered(News),
    /// The directory is to be asked.
    Open(Inquiry),
}

/// A question to a directory.
pub struct Inquiry {
    connector: String,
    directory: Arc<Directory>,
    wanted: Arc<Wanted>,
    since: Reached,
}

/// What a directory said.
pub struct Answer {
    events: Vec<ChangeEvent>,
    end: ChangesEnd,
}

/// Prepares to ask what changed since the last time, or after changes that are not taken in yet.
///
/// # Errors
/// When the store cannot be read.
pub fn begin(session: &Session, connector: &str, after: Option<&End>) -> Result<Question, RunError> {
    let directory = session.directory(connector)?;
    let wanted = Arc::new(Wanted::of(session, connector)?);
    if wanted.request.types.is_empty() {
        return Ok(Question::Answered(News::Nothing));
    }
    let everything = |why: &str| Ok(Question::Answered(News::Everything(why.into())));
    let reached = match after.map(|End(reached)| reached.clone()) {
        Some(reached) => Some(reached),
        None => Reached::of(session, connector)?,
    };
    let since = match reached {
        None => return everything("its changes were never followed"),
        Some(reached) if reached.asked != wanted.request.types => {
            return everything("rules ask for other attributes than before");
        }
        Some(reached) if reached.place != directory.place() => {
            return everything("its settings are not what they were");
        }
        Some(reached) => reached,
    };
    let whole = i64::try_from(session.config.serving.whole.as_secs()).unwrap_or(i64::MAX);
    if whole > 0 && jiff::Timestamp::now().as_second().saturating_sub(since.read_whole) >= whole {
        return everything("it is time to");
    }
    Ok(Question::Open(Inquiry { connector: connector.to_owned(), directory, wanted, since }))
}

impl Inquiry {
    /// Asks.
    ///
    /// # Errors
    /// When the directory could not be used.
    pub async fn ask(&self) -> Result<Answer, ConnectorError> {
        let (sender, mut receiver) = mpsc::channel(LOOK_UP_BATCH);
        let told = async {
            let mut events = Vec::new();
            while let Some(event) = receiver.recv().await {
                events.push(event);
            }
            events
        };
        let asked = self.directory.changes(&self.wanted.request, &self.since.watermark, sender);
        let (end, events) = tokio::join!(asked, told);
        Ok(Answer { events, end: end? })
    }

    /// What the answer means for what is known.
    ///
    /// # Errors
    /// When the store fails.
    pub fn conclude(self, session: &mut Session, answer: Answer) -> Result<News, RunError> {
        let Inquiry { connector, wanted, since: reached, .. } = self;
        let (watermark, present) = match answer.end {
            ChangesEnd::TooOld(why) => return Ok(News::Everything(why)),
            ChangesEnd::UpTo { watermark, present } => (watermark, present),
        };
        let since = reached.watermark.clone();
        let reached = Reached { watermark, ..reached };
        let due = due(session, &connector, &wanted, &answer.events, present.as_ref())?;
        if let Some(why) = shrinkage::doubts(session, &connector, &wanted, due.gone())? {
            return Ok(News::Everything(why));
        }
        if due.looked_at.is_empty() && due.references.is_empty() {
            if reached.watermark == since {
                return Ok(News::Nothing);
            }
            if Reached::of(session, &connector)?.is_some_and(|stands| stands.watermark == since) {
                session.remember(&super::key(&connector), &reached)?;
                return Ok(News::Nothing);
            }
        }
        let (looked_at, references) = (due.looked_at.into_iter().collect(), due.references);
        let reached = Some(reached);
        let changes = Changes { connector, looked_at, references, since, wanted, reached, found: None };
        Ok(News::Changes(Box::new(changes)))
    }
}

/// Who is to be looked at, and what is known without.
#[derive(Default)]
struct Due {
    looked_at: BTreeMap<Anchor, Hint>,
    references: Vec<Referring>,
}

impl Due {
    fn gone(&self) -> usize {
        self.looked_at.values().filter(|hint| **hint == Hint::Gone).count()
    }
}

/// One entry for each object, however often it was told of; nothing that is neither known nor of interest.
fn due(
    session: &Session,
    connector: &str,
    wanted: &Wanted,
    events: &[ChangeEvent],
    present: Option<&BTreeSet<Anchor>>,
) -> Result<Due, RunError> {
    let draft = session.store.draft();
    let known =
        |anchor: &Anchor| -> Result<bool, RunError> { Ok(draft.object_of_anchor(connector, anchor)?.is_some()) };
    let mut due = Due::default();
    for event in events {
        match event {
            ChangeEvent::Touched { anchor, hint } => {
                if *hint == Hint::There || known(anchor)? {
                    // The last word counts.
                    due.looked_at.insert(anchor.clone(), *hint);
                }
            }
            ChangeEvent::References { anchor, .. } if !known(anchor)? => {
                due.looked_at.entry(anchor.clone()).or_insert(Hint::There);
            }
            ChangeEvent::References { anchor, attribute, targets } => {
                due.references.push((anchor.clone(), attribute.clone(), targets.clone()));
            }
        }
    }
    for anchor in again::due(&draft, connector, jiff::Timestamp::now().as_second())? {
        due.looked_at.entry(anchor).or_insert(Hint::There);
    }
    // Who is looked at shows all references.
    due.references.retain(|(anchor, ..)| due.looked_at.get(anchor).is_none_or(|hint| *hint != Hint::There));
    if let Some(present) = present {
        for object_type in wanted.request.types.keys() {
            draft.each_object(connector, object_type, |object| {
                if let Some(anchor) = object.anchor.filter(|anchor| !present.contains(anchor)) {
                    due.looked_at.entry(anchor).or_insert(Hint::There);
                }
            })?;
        }
    }
    Ok(due)
}
