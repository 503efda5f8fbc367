//! A synchroniser that is obviously right: it keeps what the sources show and what was joined, and works out everything
//! anew each time, from rules that are written in Rust. It knows nothing of queues, drafts, differences or edges.

use std::collections::{BTreeMap, BTreeSet};

/// A person of the first source.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct User {
    pub(crate) department: &'static str,
    pub(crate) title: &'static str,
    pub(crate) name: &'static str,
    pub(crate) enabled: bool,
    pub(crate) manager: Option<u8>,
}

/// A record of the second source, about the person with a number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) person: u8,
    pub(crate) title: &'static str,
}

/// What an account in the target must look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Account {
    pub(crate) title: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) manager: Option<String>,
}

/// Rules as they may be edited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Edition {
    /// All of them.
    Whole,
    /// Without the rule for the second source.
    WithoutRecords,
    /// The filter of the target lets everybody through.
    NoFilter,
    /// Titles are written in capitals.
    Capitals,
    /// Names are taken away.
    Nameless,
    /// Titles are where people sit: an attribute that no import asked for before.
    Offices,
}

/// Where somebody sits.
pub(crate) fn office(number: u8) -> &'static str {
    if number.is_multiple_of(2) { "Tower" } else { "" }
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) users: BTreeMap<u8, User>,
    pub(crate) records: BTreeMap<u8, Record>,
    pub(crate) groups: BTreeMap<u8, BTreeSet<u8>>,
    pub(crate) edition: Edition,
    /// Which record belongs to which person: decided once, until one of them is gone.
    joined: BTreeMap<u8, u8>,
    /// Accounts, by person: what was wished for `enabled` last, and whether somebody else switched it off since.
    accounts: BTreeMap<u8, (bool, bool)>,
    /// The same of accounts that must go and are still there.
    leaving: BTreeMap<u8, (bool, bool)>,
}

impl Model {
    pub(crate) fn new() -> Model {
        Model {
            users: BTreeMap::new(),
            records: BTreeMap::new(),
            groups: BTreeMap::new(),
            edition: Edition::Whole,
            joined: BTreeMap::new(),
            accounts: BTreeMap::new(),
            leaving: BTreeMap::new(),
        }
    }

    pub(crate) fn delete_user(&mut self, number: u8) {
        self.users.remove(&number);
        // The directory drops what referred to it.
        self.groups.values_mut().for_each(|set| set.retain(|member| *member != number));
        self.users.values_mut().for_each(|user| user.manager = user.manager.filter(|manager| *manager != number));
        self.joined.retain(|_, person| *person != number);
    }

    pub(crate) fn delete_record(&mut self, number: u8) {
        self.records.remove(&number);
        self.joined.remove(&number);
    }

    /// Whoever is a person.
    fn people(&self) -> impl Iterator<Item = (u8, &User)> {
        self.users.iter().filter(|(_, user)| user.department != "Hidden").map(|(number, user)| (*number, user))
    }

    fn has_account(&self, user: &User) -> bool {
        user.department != "Local" || self.edition == Edition::NoFilter
    }

    /// What a synchronisation decides and remembers.
    pub(crate) fn synchronise(&mut self) {
        let people: BTreeSet<u8> = self.people().map(|(number, _)| number).collect();
        let reads_records = self.edition != Edition::WithoutRecords;
        self.joined.retain(|_, person| reads_records && people.contains(person));
        for (number, record) in self.records.iter().filter(|_| reads_records) {
            let taken = self.joined.values().any(|person| *person == record.person);
            if !self.joined.contains_key(number) && !taken && people.contains(&record.person) {
                self.joined.insert(*number, record.person);
            }
        }
        let wishes: BTreeMap<u8, bool> = self
            .people()
            .filter(|(_, user)| self.has_account(user))
            .map(|(number, user)| (number, user.enabled))
            .collect();
        let (accounts, leaving): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.accounts).into_iter().partition(|(number, _)| wishes.contains_key(number));
        self.accounts = accounts;
        self.leaving.extend(leaving);
        for (number, wish) in wishes {
            // Who returns in time finds the account as it was left.
            let former = self.leaving.remove(&number).unwrap_or((wish, false));
            let account = self.accounts.entry(number).or_insert(former);
            if !wish {
                *account = (false, false);
            } else if !(account.0 && account.1) {
                *account = (true, false);
            }
        }
    }

    /// Somebody switches an account off in the target.
    pub(crate) fn switched_off(&mut self, number: u8) {
        if let Some(account) = self.accounts.get_mut(&number).filter(|account| account.0) {
            account.1 = true;
        }
    }

    /// Somebody deletes an account in the target: it is made anew, as if it had never been.
    pub(crate) fn deleted(&mut self, number: u8) {
        self.accounts.remove(&number);
    }

    /// The target has no account of this person any more.
    pub(crate) fn gone(&mut self, number: u8) {
        self.leaving.remove(&number);
    }

    /// What the target must hold in the end: accounts, and the members of groups.
    pub(crate) fn target(&self) -> (BTreeMap<String, Account>, BTreeMap<String, BTreeSet<String>>) {
        let called = |number: u8| format!("a{number}@x");
        let there = |number: &u8| self.accounts.contains_key(number);
        let accounts = self.people().filter(|(number, _)| there(number)).map(|(number, user)| {
            let record = self.joined.iter().find(|(_, person)| **person == number);
            let better = record.and_then(|(record, _)| text(self.records[record].title));
            let own = match self.edition {
                Edition::Capitals => text(user.title).map(|title| title.to_uppercase()),
                Edition::Offices => text(office(number)),
                _ => text(user.title),
            };
            let (wish, others) = self.accounts[&number];
            let account = Account {
                title: better.or(own),
                name: text(user.name).filter(|_| self.edition != Edition::Nameless),
                enabled: wish && !others,
                manager: user.manager.filter(there).map(called),
            };
            (called(number), account)
        });
        let members = |set: &BTreeSet<u8>| set.iter().copied().filter(|number| there(number)).map(called).collect();
        let groups = self.groups.iter().map(|(number, set)| (format!("g{number}@x"), members(set)));
        (accounts.collect(), groups.collect())
    }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
