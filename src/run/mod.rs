//! Runs: the only place where store, rules and connectors meet.
//!
//! Reading order: [`session`] (what a run needs), [`wanted`] (what is read), [`import`], `staging` (into the store),
//! `affected` (who is due),
//! [`synchronise`], [`guard`], [`export`], [`cycle`] (all of it
//! in order), [`plan`] (all of it on a draft that nobody commits), [`analysis`] (rules against everybody, twice), [`preview`]
//! (one object, in full), [`approval`] (who has to look at a plan), [`audit`] (who did what), [`backup`] (the whole state in
//! one file).

pub mod adoption;
mod affected;
pub mod analysis;
pub mod approval;
pub mod audit;
pub mod backup;
pub mod bisect;
pub mod canary;
pub mod changes;
pub mod compaction;
pub mod compare;
pub mod cycle;
pub mod explain;
pub mod export;
mod grace;
pub mod guard;
pub mod import;
mod in_flight;
mod lines;
pub mod live;
pub mod maintenance;
pub mod plan;
pub mod preview;
pub mod reading;
mod references;
pub mod refusals;
mod retry;
pub mod rules_in_use;
pub mod runs;
pub mod serve;
pub mod session;
mod shrinkage;
pub mod single;
mod staging;
mod swaps;
pub mod synchronise;
mod taking_back;
pub mod turn;
pub mod undo;
pub mod wanted;
mod waves;
pub mod who;

use crate::connector::ConnectorError;
use crate::diagnostic::Diagnostic;
use crate::store::StoreError;
use crate::sync::ledger::LedgerError;

/// Why a run could not start or go on. What concerns single objects is in reports instead.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration.
    #[error("the configuration has {} mistakes", .0.len())]
    Config(Vec<Diagnostic>),
    /// The rules do not compile or do not fit the schemas.
    #[error("the rules have {} mistakes", .0.len())]
    Rules(Vec<Diagnostic>),
    /// Linking rules have vanished.
    #[error("these rules joined, projected or provisioned in the last run and are gone: {}", .0.join(", "))]
    VanishedRules(Vec<String>),
    /// A connector.
    #[error("{connector}: {error}")]
    Connector {
        /// Its name.
        connector: String,
        /// What is wrong.
        error: ConnectorError,
    },
    /// There is no such connector or object.
    #[error("{0}")]
    Unknown(String),
    /// A plan, or what the guard stopped, is not approved, or not as it was when it was signed.
    #[error("{why}")]
    NotApproved {
        /// Why.
        why: String,
        /// The way on.
        hint: String,
    },
    /// The audit log cannot be read or written.
    #[error("{0}")]
    Audit(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A backup.
    #[error(transparent)]
    Backup(backup::BackupError),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted; everything up to here is kept, and the next run goes on")]
    Interrupted,
    /// The asynchronous runtime could not be started.
    #[error("cannot start: {0}")]
    Runtime(String),
}

impl From<LedgerError> for RunError {
    fn from(error: LedgerError) -> Self {
        RunError::Store(error.into())
    }
}

/// Shows a person how far a step is.
pub trait Progress {
    /// A step begins; `total` if it is known.
    fn begin(&self, step: &str, what: &str, total: Option<u64>);
    /// So many are done.
    fn advance(&self, done: u64, total: Option<u64>);
    /// The step ended; this is its line.
    fn end(&self, line: &str);
    /// Asks a person who watches whether to go on; yes where nobody does.
    fn asks(&self, _question: &str) -> bool {
        true
    }
    /// Something to tell apart from the steps.
    fn say(&self, line: &str);
    /// What gives a sign of life while a step waits for a directory; nothing where nobody looks for one.
    fn pulse(&self) -> Option<Pulse> {
        None
    }
}

/// Gives a sign of life.
pub type Pulse = std::sync::Arc<dyn Fn() + Send + Sync>;

/// `99,160`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// Shows nothing.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _step: &str, _what: &str, _total: Option<u64>) {}
    fn advance(&self, _done: u64, _total: Option<u64>) {}
    fn end(&self, _line: &str) {}
    fn say(&self, _line: &str) {}
}
