//! The directory itself: objects, links, unique names and the log of changes. Pure and synchronous.
//!
//! Objects live in slots, numbered in the order of their creation and never used again, so that a position in a listing
//! is a number. A deleted object keeps its slot and its links; they are hidden until it is restored. Knows neither HTTP
//! nor the rules about values (see `validate`).

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;
use uuid::Uuid;

use super::schema::Kind;
use crate::value::fold;

/// Where an object lives.
pub(crate) type Slot = u32;

/// The stored properties of an object: few enough to search in a row. A cleared one stays as null, so that a delta query
/// can show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Properties(pub(crate) Vec<(Cow<'static, str>, Json)>);

impl Properties {
    /// A value; null counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// The text of a value.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Json::as_str)
    }

    /// Sets a value. A null is kept only where something stood before.
    pub(crate) fn set(&mut self, name: Cow<'static, str>, value: Json) {
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None if value.is_null() => {}
            None => self.0.push((name, value)),
        }
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get(name).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
    }
}

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) properties: Properties,
    /// Milliseconds since 1970 of its deletion.
    pub(crate) deleted: Option<i64>,
    /// Milliseconds since 1970 from which replicas show it; not kept over a restart.
    pub(crate) visible_from: i64,
    /// An administrator.
    pub(crate) protected: bool,
    pub(crate) manager: Option<Slot>,
    pub(crate) members: BTreeSet<Slot>,
    pub(crate) owners: BTreeSet<Slot>,
    /// The other ends of `manager` and `members`.
    pub(crate) reports: BTreeSet<Slot>,
    pub(crate) member_of: BTreeSet<Slot>,
}

impl Object {
    /// A new object without links.
    pub(crate) fn new(id: Uuid, kind: Kind, properties: Properties) -> Self {
        Object {
            id,
            kind,
            properties,
            deleted: None,
            visible_from: 0,
            protected: false,
            manager: None,
            members: BTreeSet::new(),
            owners: BTreeSet::new(),
            reports: BTreeSet::new(),
            member_of: BTreeSet::new(),
        }
    }

    /// Whether a Microsoft synchronisation client owns it.
    pub(crate) fn synced(&self) -> bool {
        self.properties.get("onPremisesSyncEnabled") == Some(&Json::Bool(true))
    }
}

/// What is unique among the objects that are not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unique {
    UserPrincipalName,
    /// `smtp:someone@contoso.com`
    Address,
    ImmutableId,
    GroupName,
}

impl Unique {
    /// The property to blame.
    pub(crate) fn property(self) -> &'static str {
        match self {
            Unique::UserPrincipalName => "userPrincipalName",
            Unique::Address => "proxyAddresses",
            Unique::ImmutableId => "onPremisesImmutableId",
            Unique::GroupName => "uniqueName",
        }
    }
}

/// Another object has the value already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) unique: Unique,
    pub(crate) with: Uuid,
}

/// One line of the log that delta queries read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) slot: Slot,
    pub(crate) what: What,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Properties by name; created and restored objects name none: everything changed.
    Properties(Vec<Cow<'static, str>>),
    Deleted,
    MemberAdded(Slot),
    MemberRemoved(Slot),
    /// Who it was before, if anybody.
    Manager(Option<Slot>),
}

/// The most lines kept in the log; older delta tokens expire.
const LOG_LIMIT: usize = 4_000_000;

/// All objects of the tenant.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Ids are made from this and the slot, so that the same requests give the same ids.
    pub(crate) namespace: Uuid,
    pub(crate) objects: Vec<Object>,
    by_id: HashMap<Uuid, Slot>,
    unique: HashMap<(Unique, String), Slot>,
    users: Vec<Slot>,
    groups: Vec<Slot>,
    contacts: Vec<Slot>,
    pub(crate) deleted: BTreeSet<Slot>,
    /// Lines that fell off the front of `log`.
    pub(crate) log_start: u64,
    pub(crate) log: Vec<Change>,
    /// Delta tokens of another epoch have expired.
    pub(crate) epoch: u64,
    /// Counts every change; tells whether something is to be saved.
    pub(crate) version: u64,
}

impl Directory {
    /// An empty directory.
    pub(crate) fn new(namespace: Uuid) -> Self {
        Directory { namespace, ..Directory::default() }
    }

    /// The object in a slot, deleted or not.
    pub(crate) fn get(&self, slot: Slot) -> Option<&Object> {
        self.objects.get(slot as usize)
    }

    fn get_mut(&mut self, slot: Slot) -> Option<&mut Object> {
        self.objects.get_mut(slot as usize)
    }

    /// The slot of an id, deleted or not.
    pub(crate) fn slot(&self, id: Uuid) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    /// The slot of an object that is not deleted, by a unique value.
    pub(crate) fn find(&self, unique: Unique, value: &str) -> Option<Slot> {
        self.unique.get(&(unique, key(unique, value))).copied()
    }

    /// All slots of a kind, oldest first, deleted ones too.
    pub(crate) fn slots(&self, kind: Kind) -> &[Slot] {
        match kind {
            Kind::User => &self.users,
            Kind::Group => &self.groups,
            Kind::OrgContact => &self.contacts,
        }
    }

    fn slots_mut(&mut self, kind: Kind) -> &mut Vec<Slot> {
        match kind {
            Kind::User => &mut self.users,
            Kind::Group => &mut self.groups,
            Kind::OrgContact => &mut self.contacts,
        }
    }

    /// Objects of a kind that are not deleted.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        let gone = self.deleted.iter().filter(|slot| self.get(**slot).is_some_and(|object| object.kind == kind));
        self.slots(kind).len() - gone.count()
    }

    /// Whether a slot is there and not deleted.
    pub(crate) fn alive(&self, slot: Slot) -> bool {
        self.get(slot).is_some_and(|object| object.deleted.is_none())
    }

    /// The id that the next object gets.
    pub(crate) fn next_id(&self) -> Uuid {
        Uuid::new_v5(&self.namespace, &(self.objects.len() as u64).to_be_bytes())
    }

    /// Puts an object with its own values into the next slot.
    ///
    /// # Errors
    /// The first unique value that another object has.
    pub(crate) fn create(&mut self, object: Object) -> Result<Slot, Conflict> {
        let slot = self.objects.len() as Slot;
        let keys = if object.deleted.is_none() { keys(&object) } else { Vec::new() };
        self.check(&keys, slot)?;
        self.unique.extend(keys.into_iter().map(|key| (key, slot)));
        self.by_id.insert(object.id, slot);
        self.slots_mut(object.kind).push(slot);
        if object.deleted.is_some() {
            self.deleted.insert(slot);
        }
        self.objects.push(object);
        self.note(slot, What::Properties(Vec::new()));
        Ok(slot)
    }

    /// Sets properties; null clears.
    ///
    /// # Errors
    /// The first unique value that another object has; nothing is changed then.
    pub(crate) fn update(&mut self, slot: Slot, changes: Vec<(Cow<'static, str>, Json)>) -> Result<(), Conflict> {
        let Some(object) = self.get(slot) else { return Ok(()) };
        let old = keys(object);
        let mut changed = object.clone_without_links();
        let mut names = Vec::new();
        for (name, value) in changes {
            let before = changed.properties.get(&name);
            if before != Some(&value) && !(before.is_none() && value.is_null()) {
                names.push(name.clone());
            }
            changed.properties.set(name, value);
        }
        if names.is_empty() {
            return Ok(());
        }
        let new = keys(&changed);
        self.check(&new, slot)?;
        for key in old {
            self.unique.remove(&key);
        }
        self.unique.extend(new.into_iter().map(|key| (key, slot)));
        if let Some(object) = self.get_mut(slot) {
            object.properties = changed.properties;
        }
        self.note(slot, What::Properties(names));
        Ok(())
    }

    /// Moves an object into the recycle bin. Its names are free for others.
    pub(crate) fn delete(&mut self, slot: Slot, now: i64) {
        let Some(object) = self.get_mut(slot).filter(|object| object.deleted.is_none()) else { return };
        object.deleted = Some(now);
        let names = keys(object);
        let groups: Vec<Slot> = object.member_of.iter().copied().collect();
        let reports: Vec<Slot> = object.reports.iter().copied().collect();
        for name in names {
            self.unique.remove(&name);
        }
        self.deleted.insert(slot);
        self.note(slot, What::Deleted);
        for group in groups {
            self.note(group, What::MemberRemoved(slot));
        }
        for report in reports {
            self.note(report, What::Manager(Some(slot)));
        }
    }

    /// Takes an object out of the recycle bin, with its id and its links.
    ///
    /// # Errors
    /// The first unique value that another object has taken meanwhile.
    pub(crate) fn restore(&mut self, slot: Slot) -> Result<(), Conflict> {
        let Some(object) = self.get(slot).filter(|object| object.deleted.is_some()) else { return Ok(()) };
        let names = keys(object);
        let groups: Vec<Slot> = object.member_of.iter().copied().collect();
        let reports: Vec<Slot> = object.reports.iter().copied().collect();
        let members: Vec<Slot> = object.members.iter().copied().filter(|member| self.alive(*member)).collect();
        self.check(&names, slot)?;
        self.unique.extend(names.into_iter().map(|name| (name, slot)));
        if let Some(object) = self.get_mut(slot) {
            object.deleted = None;
        }
        self.deleted.remove(&slot);
        self.note(slot, What::Properties(Vec::new()));
        // Whoever saw the deletion has forgotten the links.
        for member in members {
            self.note(slot, What::MemberAdded(member));
        }
        for group in groups {
            self.note(group, What::MemberAdded(slot));
        }
        for report in reports {
            self.note(report, What::Manager(Some(slot)));
        }
        Ok(())
    }

    /// Gives a deleted user another name, so that it can be restored.
    pub(crate) fn rename_deleted(&mut self, slot: Slot, name: Json) {
        if let Some(object) = self.get_mut(slot).filter(|object| object.deleted.is_some()) {
            object.properties.set("userPrincipalName".into(), name);
        }
    }

    /// Takes the addresses that others have from a deleted object, so that it can be restored.
    pub(crate) fn drop_addresses(&mut self, slot: Slot) {
        let Some(object) = self.get(slot).filter(|object| object.deleted.is_some()) else { return };
        let free = |address: &str| self.find(Unique::Address, address).is_none();
        let kept: Vec<Json> =
            object.properties.texts("proxyAddresses").filter(|address| free(address)).map(Json::from).collect();
        let mail_is_free = object.properties.text("mail").is_none_or(|mail| free(&format!("smtp:{mail}")));
        if let Some(object) = self.get_mut(slot) {
            object.properties.set("proxyAddresses".into(), Json::Array(kept));
            if !mail_is_free {
                object.properties.set("mail".into(), Json::Null);
            }
        }
    }

    /// Adds a member. False when it is one already.
    pub(crate) fn add_member(&mut self, group: Slot, member: Slot) -> bool {
        let added = self.get_mut(group).is_some_and(|object| object.members.insert(member));
        if added {
            if let Some(object) = self.get_mut(member) {
                object.member_of.insert(group);
            }
            self.note(group, What::MemberAdded(member));
        }
        added
    }

    /// Removes a member. False when it is none.
    pub(crate) fn remove_member(&mut self, group: Slot, member: Slot) -> bool {
        let removed = self.get_mut(group).is_some_and(|object| object.members.remove(&member));
        if removed {
            if let Some(object) = self.get_mut(member) {
                object.member_of.remove(&group);
            }
            self.note(group, What::MemberRemoved(member));
        }
        removed
    }

    /// Adds an owner. False when it is one already.
    pub(crate) fn add_owner(&mut self, group: Slot, owner: Slot) -> bool {
        self.version += 1;
        self.get_mut(group).is_some_and(|object| object.owners.insert(owner))
    }

    /// Removes an owner. False when it is none.
    pub(crate) fn remove_owner(&mut self, group: Slot, owner: Slot) -> bool {
        self.version += 1;
        self.get_mut(group).is_some_and(|object| object.owners.remove(&owner))
    }

    /// Sets or clears the manager. False when there was nothing to clear.
    pub(crate) fn set_manager(&mut self, slot: Slot, manager: Option<Slot>) -> bool {
        let Some(object) = self.get_mut(slot) else { return false };
        let old = std::mem::replace(&mut object.manager, manager);
        if old == manager {
            return manager.is_some();
        }
        if let Some(object) = old.and_then(|old| self.get_mut(old)) {
            object.reports.remove(&slot);
        }
        if let Some(object) = manager.and_then(|new| self.get_mut(new)) {
            object.reports.insert(slot);
        }
        self.note(slot, What::Manager(old));
        true
    }

    /// The number that the next line of the log gets.
    pub(crate) fn log_end(&self) -> u64 {
        self.log_start + self.log.len() as u64
    }

    fn note(&mut self, slot: Slot, what: What) {
        self.version += 1;
        if self.log.len() >= LOG_LIMIT {
            self.log.drain(..LOG_LIMIT / 2);
            self.log_start += (LOG_LIMIT / 2) as u64;
        }
        self.log.push(Change { slot, what });
    }

    fn check(&self, keys: &[(Unique, String)], slot: Slot) -> Result<(), Conflict> {
        for key in keys {
            if let Some(other) = self.unique.get(key).filter(|other| **other != slot).and_then(|other| self.get(*other))
            {
                return Err(Conflict { unique: key.0, with: other.id });
            }
        }
        Ok(())
    }
}

impl Object {
    fn clone_without_links(&self) -> Object {
        Object { protected: self.protected, ..Object::new(self.id, self.kind, self.properties.clone()) }
    }
}

fn key(unique: Unique, value: &str) -> String {
    match unique {
        Unique::ImmutableId => value.to_owned(),
        Unique::UserPrincipalName | Unique::Address | Unique::GroupName => fold(value),
    }
}

/// The unique values of an object. Its `mail` counts as an address even if no proxy address says so.
fn keys(object: &Object) -> Vec<(Unique, String)> {
    let properties = &object.properties;
    let mut keys = Vec::with_capacity(4);
    let mut push = |unique, value: &str| {
        let key = (unique, key(unique, value));
        if !keys.contains(&key) {
            keys.push(key);
        }
    };
    for (unique, name) in [
        (Unique::UserPrincipalName, "userPrincipalName"),
        (Unique::ImmutableId, "onPremisesImmutableId"),
        (Unique::GroupName, "uniqueName"),
    ] {
        if let Some(value) = properties.text(name) {
            push(unique, value);
        }
    }
    for address in properties.texts("proxyAddresses") {
        push(Unique::Address, address);
    }
    if let Some(mail) = properties.text("mail") {
        push(Unique::Address, &format!("smtp:{mail}"));
    }
    keys
}
