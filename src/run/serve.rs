//! Serving: a cycle every so often, rules reloaded in between, until somebody says stop. The store is open during cycles
//! only, so that other commands have their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::adoption::Adoption;
use super::cycle::{self, CycleReport, Permissions};
use super::rules_in_use::{self, InUse, Refused, RulesStatus, Waiting};
use super::session::{Session, folders};
use super::{RunError, Silent};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::reload::{Reload, Watcher};
use crate::rules::RuleSet;
use crate::store::StoreError;

/// How long a wait may last before it is looked whether to stop.
const GLANCE: Duration = Duration::from_millis(100);
/// After failures in a row, cycles come later and later, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What there is to tell.
#[derive(Debug)]
pub enum Event<'a> {
    /// Serving begins with these rules.
    Begins(&'a RuleSet),
    /// A cycle ended.
    Cycle(&'a CycleReport),
    /// A cycle could not be run; the next is tried after so long.
    Failed(&'a RunError, Duration),
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

/// Runs cycles until `stop`.
///
/// # Errors
/// When there are no rules to begin with. What goes wrong later is told, and tried again.
pub fn run(config: &Config, stop: &Arc<AtomicBool>, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), RunError> {
    let rules = first_rules(config)?;
    let known = rules.fingerprint().to_owned();
    let watcher = Watcher::start(folders(config), config.settings.clone(), known, config.reload.poll);
    tell(Event::Begins(&rules));
    let mut server = Server { config, stop, tell, rules, saved: None, waits: false, status: RulesStatus::default() };
    server.in_use();
    let mut failures = 0;
    while !stop.load(Ordering::Relaxed) {
        if let Some(reload) = watcher.latest() {
            server.saved(reload);
        }
        let begun = Instant::now();
        let pause = match server.cycle() {
            Ok(()) => {
                failures = 0;
                config.every
            }
            Err(RunError::Interrupted) => break,
            Err(error) => {
                failures += 1;
                let pause = config.every.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE).max(config.every);
                (server.tell)(Event::Failed(&error, pause));
                pause
            }
        };
        server.wait(&watcher, begun, pause);
    }
    Ok(())
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
    rules: RuleSet,
    /// What was saved, compiles, and is not in use.
    saved: Option<RuleSet>,
    /// It was judged, and waits to be accepted.
    waits: bool,
    status: RulesStatus,
}

impl Server<'_> {
    fn cycle(&mut self) -> Result<(), RunError> {
        let mut session = self.open()?;
        session.interrupted = Arc::clone(self.stop);
        let accepted: Option<String> = session.store.draft().fact("accepted")?;
        let is_accepted = |rules: &&RuleSet| !self.waits || accepted.as_deref() == Some(rules.fingerprint());
        let candidate = self.saved.as_ref().filter(is_accepted).map(|rules| rules.active(false));
        let done = cycle::run_towards(&mut session, candidate.as_ref(), &Permissions::default(), &Silent);
        let closed = session.close();
        let report = done?;
        closed?;
        (self.tell)(Event::Cycle(&report));
        if let Some(adoption) = &report.adoption {
            self.adopted(adoption);
        }
        Ok(())
    }

    /// Waits for the store while other commands have it.
    fn open(&mut self) -> Result<Session, RunError> {
        let mut told = false;
        loop {
            match Session::open_with(self.config.clone(), &self.rules.active(false), Vec::new()) {
                Err(RunError::Store(StoreError::InUse { .. })) => {}
                other => return other,
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

    /// Waits for the next cycle; rules that were saved, or accepted, make it come at once.
    fn wait(&mut self, watcher: &Watcher, begun: Instant, pause: Duration) {
        while begun.elapsed() < pause && !self.stop.load(Ordering::Relaxed) {
            if let Some(reload) = watcher.wait(GLANCE.min(pause))
                && self.saved(reload)
            {
                return;
            }
            if self.waits && self.is_accepted() {
                return;
            }
        }
    }

    fn is_accepted(&self) -> bool {
        let waiting = rules_in_use::status(&self.config.store_folder).and_then(|status| status.waiting);
        waiting.is_some_and(|waiting| waiting.accepted)
    }

    /// Takes notice of what was saved. Gives whether there is something to try.
    fn saved(&mut self, reload: Reload) -> bool {
        self.saved = None;
        self.waits = false;
        self.status.waiting = None;
        self.status.refused = None;
        match reload.compiled {
            Err(problems) => {
                (self.tell)(Event::Refused(&problems));
                let problems = problems.iter().map(|problem| problem.render(false)).collect();
                self.status.refused = Some(Refused { since: now(), problems });
            }
            Ok((rules, _)) if rules.fingerprint() == self.rules.fingerprint() => (self.tell)(Event::Back),
            Ok((rules, _)) => {
                (self.tell)(Event::Loaded(&rules, reload.took));
                self.saved = Some(rules);
            }
        }
        self.write();
        self.saved.is_some()
    }

    fn adopted(&mut self, adoption: &Adoption) {
        let Some(saved) = self.saved.take() else { return };
        match adoption {
            Adoption::Taken => {
                (self.tell)(Event::Taken(&saved));
                self.rules = saved;
                self.waits = false;
                self.in_use();
            }
            Adoption::Waits { why, .. } => {
                (self.tell)(Event::Waits(&saved, why));
                let fingerprint = saved.fingerprint().to_owned();
                self.status.waiting = Some(Waiting { fingerprint, since: now(), why: why.clone(), accepted: false });
                self.waits = true;
                self.saved = Some(saved);
            }
            Adoption::Unfit { problems } => {
                (self.tell)(Event::Unfit(problems));
                self.status.refused = Some(Refused { since: now(), problems: problems.clone() });
            }
        }
        self.write();
    }

    /// Keeps the rules in use and says so.
    fn in_use(&mut self) {
        let fingerprint = self.rules.fingerprint().to_owned();
        let before = rules_in_use::status(&self.config.store_folder).and_then(|status| status.in_use);
        let since = before.filter(|before| before.fingerprint == fingerprint).map_or_else(now, |before| before.since);
        let rules = self.rules.rules().len();
        self.status = RulesStatus { in_use: Some(InUse { fingerprint, since, rules }), ..RulesStatus::default() };
        self.write();
        if let Err(error) = rules_in_use::keep(&self.config.store_folder, &self.rules) {
            (self.tell)(Event::NotKept(&error));
        }
    }

    fn write(&mut self) {
        if let Err(error) = rules_in_use::write_status(&self.config.store_folder, &self.status) {
            (self.tell)(Event::NotKept(&error));
        }
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
