//! Serving: whoever says that something changed is asked what, and that goes through to the targets at once. Rules are
//! reloaded in between, and so is the configuration, until somebody says stop.
//!
//! The store stays open, so that a change costs what the change costs; another command that asks for it gets it between
//! two cycles (see [`super::turn`]). Reading order: [`events`] (what is told), this file (the loop), [`cycles`] (one turn of
//! it), [`due`] (who is asked when), [`followers`] (workers that ask and look), [`triggers`], [`moments`], [`saved`],
//! [`census`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::compaction::{self, Compacted};
use super::maintenance::{self, Maintained};
use super::rules_in_use::{self, RulesStatus};
use super::session::{Session, folders};
use super::{Progress, RunError, turn};
use crate::config::Config;
use crate::reload::Watcher;
use crate::rules::RuleSet;
use crate::store::StoreError;
use census::Counting;
use config_file::ConfigFile;
use cycles::Left;
use due::Due;
pub use events::{Audience, Event};
use followers::{Followers, Word};
use moments::Moments;

pub mod census;
mod config_file;
mod cycles;
mod due;
mod events;
mod followers;
mod moments;
mod saved;
mod triggers;

/// How long a wait may last before it is looked whether to stop.
const GLANCE: Duration = Duration::from_millis(100);
/// How often a cycle is run though nothing has changed: days pass, and what was put off is tried again.
const TICK: Duration = Duration::from_secs(600);
/// How long an export may take before changes are looked at again, and what is urgent among them goes first.
const SLICE: Duration = Duration::from_secs(10);
/// How long whoever asked for the store has to take it.
const GRANT: Duration = Duration::from_millis(500);

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
        whole: BTreeMap::new(),
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
    /// Who has to be read whole, why, and since when that waits.
    whole: BTreeMap<String, (String, Instant)>,
    /// The minute (since 1970) of the last maintenance.
    maintained: Option<i64>,
    /// Since when changes wait.
    moments: Moments,
    /// When the store was counted.
    counting: Counting,
}

/// An open store, and who follows the connectors meanwhile.
struct Open {
    session: Session,
    followers: Followers,
    since: Instant,
}

impl Server<'_> {
    fn serve(&mut self, watcher: &Watcher) -> Option<Config> {
        let mut file = ConfigFile::of(self.config);
        let mut changed = None;
        let mut open: Option<Open> = None;
        let mut heard = Vec::new();
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
                if open.is_none() {
                    // What workers of another opening of the store did is of no use.
                    heard.retain(|word| matches!(word, Word::Changed(_)));
                }
                match self.turn(&mut open, std::mem::take(&mut heard)) {
                    Ok(()) => {}
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
        let pause = due::rest(self.failures);
        self.resting = Some(Instant::now() + pause);
        self.due.all(Instant::now());
        (self.tell)(Event::Failed(error, pause));
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
                    session.pulse = self.progress.pulse();
                    if let Some(saved) = &self.saved {
                        // What they read is imported, also while they wait. Whether they fit at all, the cycle says.
                        let _ = session.expect_rules(&saved.active(false));
                    }
                    // What was told before belongs to another opening of the store.
                    self.whole.clear();
                    let followers = Followers::of(&session, &self.moments);
                    return Ok(Open { session, followers, since: Instant::now() });
                }
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(RunError::Interrupted);
            }
            if !told {
                (self.tell)(Event::StoreInUse);
                told = true;
            }
            // Whoever has it may keep it for long: that is no reason to be taken for dead.
            (self.tell)(Event::Alive);
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
        match maintenance::run(session, minute, self.progress) {
            Ok(Some(maintained)) => (self.tell)(Event::Maintained(&maintained)),
            // It was, before it was started again.
            Ok(None) => {}
            Err(error) => (self.tell)(Event::NotMaintained(&error)),
        }
        match self.compact(open) {
            Ok(None) => {}
            Ok(compacted) => (self.tell)(Event::Maintained(&Maintained { compacted, ..Maintained::default() })),
            Err(error) => (self.tell)(Event::NotMaintained(&error)),
        }
    }

    /// Compacts the store if it has grown. It is closed for that, and what is due afterwards is everything.
    fn compact(&mut self, open: &mut Option<Open>) -> Result<Option<Compacted>, RunError> {
        let due = match &open {
            Some(Open { session, .. }) => {
                compaction::clear_away(&self.config.store())?;
                compaction::is_due(session)?
            }
            None => false,
        };
        let Some(Open { session, .. }) = open.take_if(|_| due) else { return Ok(None) };
        self.due.all(Instant::now());
        compaction::run(session.leave()?, &self.config.store(), self.progress).map(Some)
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
    fn wait(&mut self, open: Option<&Open>) -> Vec<Word> {
        let pause = if self.is_resting() { GLANCE } else { self.due.pause(Instant::now()) };
        let patience = pause.min(GLANCE).max(Duration::from_millis(1));
        match open {
            Some(open) => open.followers.wait(patience),
            None => {
                std::thread::sleep(patience);
                Vec::new()
            }
        }
    }
}
