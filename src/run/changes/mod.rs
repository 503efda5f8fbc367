//! An import of what changed: a directory says which objects, they are looked up, and how far that went is kept with
//! the last of them. What cannot be told that way is read whole.
//!
//! Three steps. Two of them wait for the directory and need no store, so that a worker may do them while something else is
//! synchronised or written: [`inquiry`] asks what changed, [`looking`] what it looks like now. [`taking_in`] stages it.
//! [`collect`], [`take_in`] and [`catch_up`] do them one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::import::{self, ImportReport};
use super::session::Session;
use super::wanted::Wanted;
use super::{Progress, RunError};
use crate::connector::changes::{Hint, Watermark};
use crate::connector::{Anchor, Target};
use crate::store::Draft;
use crate::sync::ledger::LedgerError;
use crate::value::AttributeName;

mod again;
pub mod inquiry;
pub mod looking;
pub mod taking_in;

use inquiry::Question;
use looking::Found;
pub use taking_in::take_in;

/// What is asked of each object type: who asks for more has to read everything once.
type Asked = BTreeMap<String, BTreeSet<AttributeName>>;

/// How far the changes of a connector have been taken in, and what was asked for then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reached {
    watermark: Watermark,
    asked: Asked,
    /// From where, and what part of it.
    place: String,
    /// When everything was read the last time, in seconds since 1970.
    read_whole: i64,
}

impl Reached {
    fn of(session: &Session, connector: &str) -> Result<Option<Reached>, RunError> {
        Ok(session.store.draft().fact(&key(connector))?)
    }

    fn put(&self, draft: &mut Draft<'_>, connector: &str) -> Result<(), LedgerError> {
        draft.put_fact(&key(connector), self)
    }
}

fn key(connector: &str) -> String {
    format!("reached/{connector}")
}

/// Whether the changes of a connector can be asked for.
///
/// # Errors
/// When the store cannot be read.
pub fn is_reached(session: &Session, connector: &str) -> Result<bool, RunError> {
    Ok(Reached::of(session, connector)?.is_some())
}

/// Remembers where the changes stood before everything was read. Without a watermark there is nothing to go on from.
pub(super) fn reach(
    session: &Session,
    draft: &mut Draft<'_>,
    connector: &str,
    wanted: &Wanted,
    watermark: Option<Watermark>,
) -> Result<(), RunError> {
    match watermark {
        Some(watermark) => {
            let place = session.directory(connector)?.place();
            let (asked, read_whole) = (wanted.request.types.clone(), jiff::Timestamp::now().as_second());
            let reached = Reached { watermark, asked, place, read_whole };
            Ok(reached.put(draft, connector)?)
        }
        None => Ok(draft.remove_fact(&key(connector))?),
    }
}

/// Whose references of which attribute came (`true`) and went.
type Referring = (Anchor, AttributeName, Vec<(Target, bool)>);

/// What a connector has to tell.
pub enum News {
    /// Nothing has changed.
    Nothing,
    /// Something has.
    Changes(Box<Changes>),
    /// It cannot tell what: everything has to be read. Why, in half a sentence.
    Everything(String),
}

/// Where changes end that may not be taken in yet.
#[derive(Clone, Debug)]
pub struct End(Reached);

/// What changed in a connector, not taken in yet.
pub struct Changes {
    connector: String,
    /// Who is to be looked at, with what the directory said.
    looked_at: Vec<(Anchor, Hint)>,
    references: Vec<Referring>,
    /// From where on: what was asked again meanwhile holds all of it.
    since: Watermark,
    /// What was asked for.
    wanted: Arc<Wanted>,
    /// To be kept when all of it is taken in.
    reached: Option<Reached>,
    /// What those who are to be looked at look like, once somebody has looked.
    found: Option<Found>,
}

impl Changes {
    /// Whose they are.
    pub fn connector(&self) -> &str {
        &self.connector
    }

    /// Takes so many objects out, to be taken in before the rest. How far the changes went is kept with the rest.
    pub fn split(&mut self, count: usize) -> Option<Changes> {
        if self.looked_at.len() <= count || self.found.is_some() {
            return None;
        }
        let rest = self.looked_at.split_off(count);
        let looked_at = std::mem::replace(&mut self.looked_at, rest);
        let (connector, since, wanted) = (self.connector.clone(), self.since.clone(), Arc::clone(&self.wanted));
        Some(Changes { connector, looked_at, references: Vec::new(), since, wanted, reached: None, found: None })
    }

    /// Where they end, so that what comes after them can be asked before they are taken in.
    pub fn end(&self) -> Option<End> {
        self.reached.clone().map(End)
    }

    /// Adds what was found when somebody looked.
    pub fn show(&mut self, found: Found) {
        self.found = Some(found);
    }

    /// Whether they go on from where the store stands, with what is wanted now. Others were read again meanwhile, and are in
    /// what was read then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_next(&self, session: &Session, wanted: &Wanted) -> Result<bool, RunError> {
        let stands = Reached::of(session, &self.connector)?;
        let same = wanted.request.types == self.wanted.request.types;
        Ok(same && stands.is_some_and(|stands| stands.watermark == self.since))
    }
}

/// Asks a directory what changed since the last time.
///
/// # Errors
/// When the directory could not be used, or the store fails.
pub fn collect(session: &mut Session, connector: &str) -> Result<News, RunError> {
    match inquiry::begin(session, connector, None)? {
        Question::Answered(news) => Ok(news),
        Question::Open(inquiry) => {
            let answer = session.wait_for(connector, inquiry.ask())?;
            inquiry.conclude(session, answer)
        }
    }
}

/// Asks and takes in; reads everything where that is needed. Nothing when nothing has changed.
///
/// # Errors
/// As [`collect`] and [`take_in`].
pub(super) fn catch_up(
    session: &mut Session,
    connector: &str,
    progress: &dyn Progress,
) -> Result<Option<ImportReport>, RunError> {
    match collect(session, connector)? {
        News::Nothing => Ok(None),
        News::Changes(changes) => take_in(session, *changes).map(Some),
        News::Everything(_) => import::run(session, connector, progress).map(Some),
    }
}
