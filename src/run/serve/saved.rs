//! Rules that were saved while Syncline serves: what becomes of them, and what is written down beside the store.

use super::{Event, Server};
use crate::reload::Reload;
use crate::run::adoption::Adoption;
use crate::run::rules_in_use::{self, InUse, Refused, RulesStatus, Waiting};

impl Server<'_> {
    pub(super) fn is_accepted(&self) -> bool {
        let waiting = rules_in_use::status(&self.config.store_folder).and_then(|status| status.waiting);
        waiting.is_some_and(|waiting| waiting.accepted)
    }

    /// Takes notice of what was saved. Gives whether there is something to try.
    pub(super) fn saved(&mut self, reload: Reload) -> bool {
        self.saved = None;
        self.waits = false;
        self.status.waiting = None;
        self.status.refused = None;
        match reload.compiled {
            Err(problems) => {
                let rendered = problems.iter().map(|problem| problem.render(false)).collect();
                self.status.refused = Some(Refused { since: now(), problems: rendered });
                // Whoever hears of it looks it up there.
                self.write();
                (self.tell)(Event::Refused(&problems));
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

    pub(super) fn adopted(&mut self, adoption: &Adoption) {
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
    pub(super) fn in_use(&mut self) {
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
