//! One turn of serving: whoever is due is asked, and what came of it goes through a cycle.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::followers::{Outcome, Told, Word};
use super::{Event, Open, Server, TICK};
use crate::connector::ConnectorError;
use crate::run::RunError;
use crate::run::changes::{self, News};
use crate::run::cycle::{self, CycleReport, Permissions};
use crate::run::export::ExportReport;
use crate::run::reading::{self, Reading};
use crate::run::session::Session;

/// How long after the store was opened a connector that says nothing may hold up the others.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a cycle left for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// What did not work now.
    ToTryAgain,
    /// What there was no time for.
    ToGoOn,
    /// What may not be written at this time of the day.
    ToWaitFor,
}

impl Left {
    fn by(report: &CycleReport) -> Left {
        let sum = |count: fn(&ExportReport) -> u64| report.exports.iter().map(count).sum::<u64>();
        let written = sum(ExportReport::written);
        match (sum(|export| export.left), sum(|export| export.postponed + export.unknown)) {
            (0, 0) if report.quiet => Left::ToWaitFor,
            (0, 0) => Left::Nothing,
            // Where nothing is taken, the rest need not be tried at once.
            (left, put_off) if left == 0 || (put_off > 0 && written == 0) => Left::ToTryAgain,
            (_, _) => Left::ToGoOn,
        }
    }
}

impl Server<'_> {
    /// Has whoever is due asked, and runs a cycle if there is something to do.
    pub(super) fn turn(&mut self, open: &mut Option<Open>, words: Vec<Word>) -> Result<(), RunError> {
        let now = Instant::now();
        let changed = words.iter().filter_map(|word| match word {
            Word::Changed(name) => Some(name.clone()),
            Word::Done(..) => None,
        });
        let due = self.due.at(&changed.collect(), now);
        due.iter().for_each(|name| self.due.asked(name, now));
        if self.saved.is_some() && (!self.waits || self.is_accepted()) && !self.is_quiet() {
            return self.try_saved(open);
        }
        if open.is_none() && due.is_empty() && !self.is_time() {
            return Ok(());
        }
        let mut opened = match open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let turned = self.turn_of(&mut opened, due, words);
        *open = Some(opened);
        turned
    }

    fn turn_of(&mut self, open: &mut Open, due: BTreeSet<String>, words: Vec<Word>) -> Result<(), RunError> {
        due.iter().for_each(|name| open.followers.ask(name));
        for word in words {
            if let Word::Done(name, era, done) = word {
                let outcome = open.followers.done(&mut open.session, (&name, era), done)?;
                self.came(open, &name, outcome);
            }
        }
        self.go_on(open)?;
        if !open.followers.are_settled() && open.since.elapsed() < PATIENCE {
            return Ok(());
        }
        let told = open.followers.ready(&open.session)?;
        if told.is_empty() && self.whole.is_empty() && !self.is_time() {
            if open.followers.are_idle() {
                open.session.silent = self.due.failing();
                for (name, error) in reading::learn_at_leisure(&mut open.session)? {
                    self.down(&name, error);
                }
            }
            return Ok(());
        }
        // What comes next is looked at while this goes through.
        self.go_on(open)?;
        (open.session.behind, open.session.silent) = (open.followers.are_behind(), self.due.failing());
        let report = self.cycle(&mut open.session, told, false)?;
        let whole = std::mem::take(&mut self.whole);
        for import in report.imports.iter().filter(|import| whole.contains_key(&import.connector)) {
            open.followers.forget(&import.connector);
            if import.incomplete.is_empty() && import.shrunk.is_empty() {
                self.answered(&import.connector);
            }
        }
        let sent = |export: &&ExportReport| export.written() + export.unknown > 0 || !export.sent.is_empty();
        for export in report.exports.iter().filter(sent) {
            open.followers.forget(&export.connector);
        }
        Ok(())
    }

    fn go_on(&mut self, open: &mut Open) -> Result<(), RunError> {
        for (name, outcome) in open.followers.go_on(&open.session)? {
            self.came(open, &name, outcome);
        }
        Ok(())
    }

    /// Something came of what a connector was asked.
    fn came(&mut self, open: &mut Open, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Answered => self.answered(name),
            Outcome::Whole(why, since) => {
                open.followers.forget(name);
                self.whole.insert(name.to_owned(), (why, since));
            }
            Outcome::Down(error) => self.down(name, error),
        }
    }

    /// Rules that were saved are tried, with a session of their own and everything that has changed so far.
    fn try_saved(&mut self, open: &mut Option<Open>) -> Result<(), RunError> {
        self.close(open.take());
        let mut opened = self.open()?;
        let done = self.collect(&mut opened.session).and_then(|told| self.cycle(&mut opened.session, told, true));
        self.close(Some(opened));
        self.whole.clear();
        self.due.all(Instant::now());
        done.map(drop)
    }

    /// Whether a cycle is due though nobody said anything.
    fn is_time(&self) -> bool {
        self.last.is_none_or(|(at, left)| {
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

    /// Asks everybody what changed, and waits for it.
    fn collect(&mut self, session: &mut Session) -> Result<Vec<Told>, RunError> {
        let mut told = Vec::new();
        for name in session.directories.keys().cloned().collect::<Vec<_>>() {
            session.go_on()?;
            self.moments.asked(&name);
            let news = match changes::collect(session, &name) {
                Err(RunError::Connector { error, .. }) => {
                    self.down(&name, error);
                    continue;
                }
                news => news?,
            };
            self.answered(&name);
            let since = self.moments.answered(&name);
            match news {
                News::Nothing => {}
                News::Changes(changes) => told.push(Told { changes, since }),
                News::Everything(why) => drop(self.whole.insert(name, (why, since))),
            }
        }
        Ok(told)
    }

    fn answered(&mut self, name: &str) {
        if self.due.answered(name, Instant::now()) {
            (self.tell)(Event::Up(name));
        }
        (self.tell)(Event::Answered(name));
    }

    fn down(&mut self, name: &str, error: ConnectorError) {
        let (pause, times) = self.due.failed(name, Instant::now());
        let error = RunError::Connector { connector: name.to_owned(), error };
        (self.tell)(Event::Down(name, &error, pause, times));
    }

    /// Runs a cycle, which tries what was saved if it is its turn.
    fn cycle(&mut self, session: &mut Session, told: Vec<Told>, tries: bool) -> Result<CycleReport, RunError> {
        let accepted: Option<String> = session.store.draft().fact("accepted")?;
        let is_accepted =
            |rules: &&crate::rules::RuleSet| !self.waits || accepted.as_deref() == Some(rules.fingerprint());
        let candidate = self.saved.as_ref().filter(|_| tries).filter(is_accepted);
        let candidate = candidate.map(|rules| rules.active(false));
        let mut waited: Vec<(String, Instant)> =
            told.iter().map(|told| (told.changes.connector().to_owned(), told.since)).collect();
        let changes = told.into_iter().map(|told| *told.changes).collect();
        let mut whole = Vec::new();
        for (name, (why, since)) in &self.whole {
            (self.tell)(Event::Whole(name, why));
            waited.push((name.clone(), *since));
            whole.push((name.clone(), why.clone()));
        }
        let reading = Reading::News { changes, whole };
        let report = cycle::run_towards(session, reading, candidate.as_ref(), &Permissions::default(), self.progress)?;
        self.failures = 0;
        self.last = Some((Instant::now(), Left::by(&report)));
        let unread = report.imports.iter().filter(|import| !import.incomplete.is_empty() || !import.shrunk.is_empty());
        for name in unread.map(|import| &import.connector).chain(&session.down) {
            self.due.failed(name, Instant::now());
        }
        (self.tell)(Event::Cycle(&report));
        (self.tell)(Event::Lag(&self.moments.exported(&report, waited)));
        self.counting.is_stale();
        if let Some(adoption) = &report.adoption {
            self.adopted(adoption);
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_says_when_to_go_on() {
        let by = |written: u64, left: u64, put_off: u64, quiet: bool| {
            let export = ExportReport { updated: written, left, postponed: put_off, ..ExportReport::default() };
            Left::by(&CycleReport { exports: vec![export], quiet, ..CycleReport::default() })
        };
        assert_eq!(by(5, 0, 0, false), Left::Nothing);
        assert_eq!(by(0, 0, 0, true), Left::ToWaitFor);
        assert_eq!(by(5, 0, 3, false), Left::ToTryAgain);
        assert_eq!(by(5, 7, 3, false), Left::ToGoOn, "the others have their turn");
        assert_eq!(by(0, 7, 3, false), Left::ToTryAgain, "nothing was taken");
        assert_eq!(by(0, 7, 0, false), Left::ToGoOn);
    }
}
