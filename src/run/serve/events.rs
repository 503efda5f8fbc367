//! What serving tells whoever listens.

use std::time::Duration;

use super::census::Census;
use crate::diagnostic::Diagnostic;
use crate::rules::RuleSet;
use crate::run::cycle::CycleReport;
use crate::run::maintenance::Maintained;
use crate::run::{Progress, RunError};

/// What there is to tell.
#[derive(Debug)]
pub enum Event<'a> {
    /// Serving begins with these rules.
    Begins(&'a RuleSet),
    /// Still at it.
    Alive,
    /// A cycle ended.
    Cycle(&'a CycleReport),
    /// A cycle could not be run; the next is tried after so long.
    Failed(&'a RunError, Duration),
    /// A connector could not be asked what changed; it is asked again after so long. How often in a row that was.
    Down(&'a str, &'a RunError, Duration, u32),
    /// A connector that could not be asked answers again.
    Up(&'a str),
    /// A connector was asked what changed, and answered.
    Answered(&'a str),
    /// How long changes took from when a connector said that there are some, or was asked, until they were exported.
    Lag(&'a [(String, Duration)]),
    /// What the store holds.
    Counted(&'a Census),
    /// A connector is read whole, and why.
    Whole(&'a str, &'a str),
    /// The journal was pruned, a backup made, or the store compacted.
    Maintained(&'a Maintained),
    /// That could not be done; it is tried again the next time.
    NotMaintained(&'a RunError),
    /// The configuration has changed: serving begins anew with it.
    Reconfigured,
    /// The configuration has changed, and cannot be used: it goes on as before.
    NotReconfigured(&'a [Diagnostic]),
    /// What was saved cannot be used; the rules stay.
    Refused(&'a [Diagnostic]),
    /// What was saved does not fit what a directory says of its attributes; the rules stay.
    Unfit(&'a [String]),
    /// What was saved compiles, and is about to be tried.
    Loaded(&'a RuleSet, Duration),
    /// It is what is in use already.
    Back,
    /// It is in use now.
    Taken(&'a RuleSet),
    /// It waits to be accepted, and why.
    Waits(&'a RuleSet, &'a str),
    /// Another process has the store.
    StoreInUse,
    /// How rules stand could not be written beside the store.
    NotKept(&'a std::io::Error),
}

/// Who is told, and shown how far a step is.
pub struct Audience<'a> {
    /// Hears what there is to tell.
    pub tell: &'a mut dyn FnMut(Event<'_>),
    /// Sees the steps of cycles.
    pub progress: &'a dyn Progress,
}
