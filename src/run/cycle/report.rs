//! What a cycle did, and what a person says about one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

use crate::connector_space::ObjectId;
use crate::run::adoption::Adoption;
use crate::run::canary::{CanaryStage, Stage};
use crate::run::export::ExportReport;
use crate::run::guard::Exceeded;
use crate::run::import::ImportReport;
use crate::run::plan::{Moved, SavedPlan};
use crate::run::synchronise::SyncReport;

/// What a cycle did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CycleReport {
    /// The number of the run.
    pub run: u64,
    /// The id of the run: see [`RunLog::id`](crate::run::runs::RunLog::id).
    #[serde(skip)]
    pub id: Uuid,
    /// When the last export was through: what waits for others to see it is none of its time.
    #[serde(skip)]
    pub exported_at: Option<std::time::Instant>,
    /// The rules that were used.
    pub rules: String,
    /// How many rules.
    pub rule_count: usize,
    /// One a connector.
    pub imports: Vec<ImportReport>,
    /// The synchronisation.
    pub sync: SyncReport,
    /// One a target.
    pub exports: Vec<ExportReport>,
    /// Exported objects that an import showed, of how many.
    pub confirmed: (u64, u64),
    /// Targets that were not written because nobody said `go-live` yet, and what waits for them.
    pub staging: Vec<(String, usize)>,
    /// This installation is staging: nothing is written anywhere before `promote`.
    pub standby: bool,
    /// Nothing is exported at this time of the day: what is due waits.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub quiet: bool,
    /// Objects of targets that look like somebody's and wait for a person, by target.
    pub proposals: Vec<(String, usize)>,
    /// What directories show far fewer of than there was, in a sentence each. Nothing was derived from any import.
    pub shrunk: Vec<String>,
    /// Limits that stopped the run.
    pub exceeded: Vec<Exceeded>,
    /// What the guard stopped: why, how many, and the first.
    pub endangered: Vec<(String, usize, String)>,
    /// What came of each stage of an export in stages.
    pub canary: Vec<CanaryStage>,
    /// Where the whole list is.
    pub list: Option<PathBuf>,
    /// What has changed since the plan was made that the run was to do. Nothing was synchronised or exported.
    pub moved: Option<Moved>,
    /// What became of rules that were saved since.
    pub adoption: Option<Adoption>,
    /// What people should know about a connector's settings, in a sentence each.
    pub warnings: Vec<(String, String)>,
    /// Objects that wait in an error, import and synchronisation together.
    pub errors: usize,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// What a person says about a cycle.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    /// Deletions, disablements and changes of anchors that a person has looked at.
    pub allowed: BTreeSet<ObjectId>,
    /// Connectors whose imports are believed, however few objects they show.
    pub believed: BTreeSet<String>,
    /// Exports in these stages, and goes on only if all is well; none: all at once.
    pub canary: Vec<Stage>,
    /// Sends again what was refused, though nothing has changed.
    pub retry: bool,
    /// Does exactly this, or nothing.
    pub plan: Option<SavedPlan>,
}

impl CycleReport {
    /// Whether an export in stages ended before its last one.
    pub fn is_halted(&self) -> bool {
        self.canary.iter().any(|stage| stage.halted.is_some())
    }
}
