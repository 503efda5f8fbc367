//! Serving: whoever says that something changed is asked what, and that goes through to the targets at once. Rules are
//! reloaded in between, and so is the configuration, until somebody says stop.
//!
//! The store stays open, so that a change costs what the change costs; another command that asks for it gets it between
//! two cycles (see [`super::turn`]). Reading order: this file, [`due`], [`triggers`], [`moments`], [`saved`], [`census`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::changes::{self, Changes, News};
use super::cycle::{self, CycleReport, Permissions};
use super::export::ExportReport;
use super::maintenance::{self, Maintained};
use super::reading::Reading;
use super::rules_in_use::{self, RulesStatus};
use super::session::{Session, folders};
use super::{Progress, RunError, turn};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::reload::Watcher;
use crate::rules::RuleSet;
use crate::store::StoreError;
use census::{Census, Counting};
use config_file::ConfigFile;
use due::Due;
use moments::Moments;
use triggers::Triggers;

pub mod census;
mod config_file;
mod due;
mod moments;
mod saved;
mod triggers;

/// How long a wait may last before it is looked whether to stop.
const GLANCE: Duration = Duration::from_millis(100);
/// How often a cycle is run though nothing has changed: days pass, and what was put off is tried again.
const TICK: Duration = Duration::from_secs(600);
/// How long an export may take before changes are looked at again, and what is urgent among them goes first.
const SLICE: Duration = Duration::from_secs(10);
/// How many changed objects a cycle takes in.
const PART: usize = 2_000;
/// How long whoever asked for the store has to take it.
const GRANT: Duration = Duration::from_millis(500);

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
    /// The journal was pruned, or a backup made.
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

/// Runs cycles until `stop`, or until the configuration has changed: then gives the new one.
///
/// # Errors
/// When there are no rules to begin with, or another process serves the same store. What goes wrong later is told, and
/// tried again.
pub fn run(config: &Config, stop: &Arc<AtomicBool>, audience: Audience<'_>) -> Result<Option<Config>, RunError> {
    let _serving = turn::Serving::begin(&config.store_folder)?;
    let rules = first_rules(config)?;
    let known = rules.fingerprint().to_owned();
    let watcher = Watcher::start(folders(config), config.settings.clone(), known, config.reload.poll);
    let Audience { tell, progress } = audience;
    tell(Event::Begins(&rules));
    let names = config.connectors.iter().map(|(name, _)| name.clone());
    let now = Instant::now();
    let mut server = Server {
        config,
        stop,
        tell,
        progress,
        rules,
        saved: None,
        waits: false,
        status: RulesStatus::default(),
        due: Due::new(names, config.every, now),
        failures: 0,
        resting: None,
        last: None,
        backlog: BTreeMap::new(),
        maintained: None,
        moments: Moments::default(),
        counting: Counting::default(),
    };
    server.in_use();
    Ok(server.serve(&watcher))
}

/// The rules of the last time, if they are kept; a folder that was edited meanwhile is looked at like any other save.
fn first_rules(config: &Config) -> Result<RuleSet, RunError> {
    if let Some(Ok((rules, _))) = rules_in_use::kept(&config.store_folder, &config.settings) {
        return Ok(rules);
    }
    let loaded = RuleSet::load(&folders(config), config.settings.clone());
    loaded.map(|(rules, _)| rules).map_err(RunError::Rules)
}

struct Server<'a> {
    config: &'a Config,
    stop: &'a Arc<AtomicBool>,
    tell: &'a mut dyn FnMut(Event<'_>),
    progress: &'a dyn Progress,
    rules: RuleSet,
    /// What was saved, compiles, and is not in use.
    saved: Option<RuleSet>,
    /// It was judged, and waits to be accepted.
    waits: bool,
    status: RulesStatus,
    due: Due,
    /// Cycles that failed in a row.
    failures: u32,
    /// No cycle before then: the last one failed.
    resting: Option<Instant>,
    /// When the last cycle ended, and what it left.
    last: Option<(Instant, Left)>,
    /// Changes that were told and not taken in yet.
    backlog: BTreeMap<String, Changes>,
    /// The minute (since 1970) of the last maintenance.
    maintained: Option<i64>,
    /// Since when changes wait.
    moments: Moments,
    /// When the store was counted.
    counting: Counting,
}

/// What a cycle left for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// What did not work now.
    ToTryAgain,
    /// What there was no time for.
    ToGoOn,
    /// What may not be written at this time of the day.
    ToWaitFor,
}

/// An open store, and who listens meanwhile.
struct Open {
    session: Session,
    triggers: Triggers,
}

impl Server<'_> {
    fn serve(&mut self, watcher: &Watcher) -> Option<Config> {
        let mut file = ConfigFile::of(self.config);
        let mut changed = None;
        let mut open: Option<Open> = None;
        let mut heard = BTreeSet::new();
        while !self.stop.load(Ordering::Relaxed) {
            (self.tell)(Event::Alive);
            match file.changed() {
                None => {}
                Some(Ok(config)) => {
                    (self.tell)(Event::Reconfigured);
                    changed = Some(config);
                    break;
                }
                Some(Err(problems)) => (self.tell)(Event::NotReconfigured(&problems)),
            }
            if let Some(reload) = watcher.latest() {
                self.saved(reload);
            }
            if turn::is_wanted(&self.config.store_folder) {
                self.give_away(&mut open);
            }
            self.maintain(&mut open);
            if !self.is_resting() {
                match self.turn(&mut open, std::mem::take(&mut heard)) {
                    Ok(()) => self.failures = 0,
                    Err(RunError::Interrupted) => break,
                    Err(error) => {
                        self.close(open.take());
                        self.rest(&error);
                    }
                }
            }
            self.count(open.as_ref());
            heard.extend(self.wait(open.as_ref()));
        }
        self.close(open);
        changed
    }

    fn is_resting(&self) -> bool {
        self.resting.is_some_and(|until| Instant::now() < until)
    }

    /// After failures in a row, cycles come later and later.
    fn rest(&mut self, error: &RunError) {
        self.failures += 1;
        let pause = Duration::from_secs(1 << self.failures.min(9)).min(TICK);
        self.resting = Some(Instant::now() + pause);
        self.due.all(Instant::now());
        (self.tell)(Event::Failed(error, pause));
    }

    /// Asks whoever is due, and runs a cycle if there is something to do.
    fn turn(&mut self, open: &mut Option<Open>, heard: BTreeSet<String>) -> Result<(), RunError> {
        let names = self.due.at(&heard, Instant::now());
        let candidate = self.saved.is_some() && (!self.waits || self.is_accepted()) && !self.is_quiet();
        let (names, later): (BTreeSet<_>, BTreeSet<_>) =
            names.into_iter().partition(|name| !self.backlog.contains_key(name));
        later.iter().for_each(|name| self.due.soon(name, Instant::now()));
        if names.is_empty() && !candidate && !self.is_time() {
            return Ok(());
        }
        if candidate {
            // Rules that are tried begin with a session of their own.
            self.close(open.take());
            self.backlog.clear();
        }
        let Open { session, .. } = match open {
            Some(open) => open,
            None => open.insert(self.open()?),
        };
        let names = if candidate { session.directories.keys().cloned().collect() } else { names };
        let whole = self.collect(session, names)?;
        let changes = self.next_part();
        if changes.is_empty() && whole.is_empty() && !candidate && !self.is_time() {
            return Ok(());
        }
        for (name, why) in &whole {
            (self.tell)(Event::Whole(name, why));
        }
        self.cycle(session, Reading::News { changes, whole }, candidate)?;
        if candidate {
            self.close(open.take());
            self.due.all(Instant::now());
        }
        Ok(())
    }

    /// Whether a cycle is due though nobody said anything.
    fn is_time(&self) -> bool {
        !self.backlog.is_empty()
            || self.last.is_none_or(|(at, left)| {
                let pause = match left {
                    Left::Nothing => TICK,
                    Left::ToTryAgain => self.config.every.min(TICK),
                    Left::ToGoOn => Duration::ZERO,
                    Left::ToWaitFor if self.is_quiet() => TICK,
                    Left::ToWaitFor => Duration::ZERO,
                };
                at.elapsed() >= pause
            })
    }

    fn is_quiet(&self) -> bool {
        self.config.serving.is_quiet(jiff::Timestamp::now())
    }

    /// So much of what was told as a cycle takes in.
    fn next_part(&mut self) -> Vec<Changes> {
        let mut parts = Vec::new();
        for (name, mut changes) in std::mem::take(&mut self.backlog) {
            match changes.split(PART) {
                Some(part) => {
                    self.backlog.insert(name, changes);
                    parts.push(part);
                }
                None => parts.push(changes),
            }
        }
        parts
    }

    /// Asks what changed. Gives who has to be read whole. One that does not answer holds up nobody else.
    fn collect(&mut self, session: &mut Session, names: BTreeSet<String>) -> Result<Vec<(String, String)>, RunError> {
        let mut whole = Vec::new();
        for name in names {
            session.go_on()?;
            self.moments.asked(&name);
            match changes::collect(session, &name) {
                Ok(news) => {
                    self.answered(&name);
                    self.moments.answered(&name, !matches!(news, News::Nothing));
                    match news {
                        News::Nothing => {}
                        News::Changes(changes) => drop(self.backlog.insert(name, changes)),
                        News::Everything(why) => whole.push((name, why)),
                    }
                }
                Err(error @ RunError::Connector { .. }) => {
                    let (pause, times) = self.due.failed(&name, Instant::now());
                    (self.tell)(Event::Down(&name, &error, pause, times));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(whole)
    }

    fn answered(&mut self, name: &str) {
        if self.due.answered(name, Instant::now()) {
            (self.tell)(Event::Up(name));
        }
        (self.tell)(Event::Answered(name));
    }

    /// Runs a cycle, which tries what was saved if it is its turn.
    fn cycle(&mut self, session: &mut Session, reading: Reading, tries: bool) -> Result<(), RunError> {
        let accepted: Option<String> = session.store.draft().fact("accepted")?;
        let is_accepted = |rules: &&RuleSet| !self.waits || accepted.as_deref() == Some(rules.fingerprint());
        let candidate = self.saved.as_ref().filter(|_| tries).filter(is_accepted);
        let candidate = candidate.map(|rules| rules.active(false));
        let permissions = Permissions::default();
        let report = cycle::run_towards(session, reading, candidate.as_ref(), &permissions, self.progress)?;
        let sum = |count: fn(&ExportReport) -> u64| report.exports.iter().map(count).sum::<u64>();
        let left = match (sum(|export| export.left), sum(|export| export.postponed + export.unknown)) {
            (0, 0) if report.quiet => Left::ToWaitFor,
            (0, 0) => Left::Nothing,
            (0, _) => Left::ToTryAgain,
            (_, _) => Left::ToGoOn,
        };
        self.last = Some((Instant::now(), left));
        let unread = report.imports.iter().filter(|import| !import.incomplete.is_empty() || !import.shrunk.is_empty());
        for name in unread.map(|import| &import.connector).chain(&session.down) {
            self.due.failed(name, Instant::now());
        }
        (self.tell)(Event::Cycle(&report));
        (self.tell)(Event::Lag(&self.moments.exported(&report, &self.backlog)));
        self.counting.is_stale();
        if let Some(adoption) = &report.adoption {
            self.adopted(adoption);
        }
        Ok(())
    }

    /// Waits for the store while other commands have it.
    fn open(&mut self) -> Result<Open, RunError> {
        let mut told = false;
        loop {
            match Session::open_with(self.config.clone(), &self.rules.active(false), Vec::new()) {
                Err(RunError::Store(StoreError::InUse { .. })) => {}
                Err(error) => return Err(error),
                Ok(mut session) => {
                    session.interrupted = Arc::clone(self.stop);
                    session.slice = Some(SLICE);
                    if let Some(saved) = &self.saved {
                        // What they read is imported, also while they wait. Whether they fit at all, the cycle says.
                        let _ = session.expect_rules(&saved.active(false));
                    }
                    // What was told before belongs to another opening of the store.
                    self.backlog.clear();
                    let triggers = Triggers::of(&session, &self.moments);
                    return Ok(Open { session, triggers });
                }
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(RunError::Interrupted);
            }
            if !told {
                (self.tell)(Event::StoreInUse);
                told = true;
            }
            std::thread::sleep(GLANCE);
        }
    }

    fn close(&mut self, open: Option<Open>) {
        let Some(Open { session, .. }) = open else { return };
        if let Err(error) = session.close() {
            (self.tell)(Event::Failed(&error, Duration::ZERO));
        }
    }

    /// Does what is due at this minute, once.
    fn maintain(&mut self, open: &mut Option<Open>) {
        let now = jiff::Timestamp::now();
        let minute = now.as_second().div_euclid(60);
        let is_due = self.config.serving.maintenance.as_ref().is_some_and(|times| times.cover(now));
        let Some(Open { session, .. }) = open.as_mut().filter(|_| is_due && self.maintained != Some(minute)) else {
            return;
        };
        self.maintained = Some(minute);
        match maintenance::run(session, self.progress) {
            Ok(maintained) => (self.tell)(Event::Maintained(&maintained)),
            Err(error) => (self.tell)(Event::NotMaintained(&error)),
        }
    }

    /// Another command asks for the store: it gets it now.
    fn give_away(&mut self, open: &mut Option<Open>) {
        self.close(open.take());
        turn::granted(&self.config.store_folder);
        std::thread::sleep(GRANT);
        // Nobody has listened meanwhile.
        self.due.all(Instant::now());
    }

    /// Counts what the store holds, if that is due and takes no noticeable time.
    fn count(&mut self, open: Option<&Open>) {
        if let Some(census) = open.and_then(|open| self.counting.take(&open.session)) {
            (self.tell)(Event::Counted(&census));
        }
    }

    /// Waits until somebody says something, or it is time.
    fn wait(&mut self, open: Option<&Open>) -> BTreeSet<String> {
        let pause = if self.is_resting() { GLANCE } else { self.due.pause(Instant::now()) };
        let patience = pause.min(GLANCE).max(Duration::from_millis(1));
        match open {
            Some(open) => open.triggers.wait(patience),
            None => {
                std::thread::sleep(patience);
                BTreeSet::new()
            }
        }
    }
}
