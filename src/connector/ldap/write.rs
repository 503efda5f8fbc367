//! Writing to an LDAP server: some entries at a time on one connection, each settled on its own.
//!
//! An entry is named by its anchor where the server allows it (`<GUID=…>` in Active Directory); elsewhere by its last
//! known name, on the condition (RFC 4528) that the entry there still is the one that is meant.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ldap3::controls::{Assertion, MakeCritical as _, RawControl};
use ldap3::exop::PasswordModify;
use ldap3::{LdapResult, Mod};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::connection::{Connection, NO_SUCH_OBJECT, SUCCESS};
use super::operations::{NAME, Operation, Part, Raw, operations};
use super::scope::{self, Scope};
use super::{Flavour, Ldap, entry, trouble};
use crate::connector::{Anchor, ConnectorError, ConnectorErrorKind, ExportAction, ExportItem, ExportOutcome, password};
use crate::dn;
use crate::value::{AttributeName, Value};

/// How many entries are written at a time.
const WIDTH: usize = 8;
/// Adding what is there, and removing what is not, is no error.
const PERMISSIVE_MODIFY: &str = "1.2.840.113556.1.4.1413";
const ASSERTION: &str = "1.3.6.1.1.12";

const NO_SUCH_ATTRIBUTE: u32 = 16;
const VALUE_EXISTS: u32 = 20;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;
const ALREADY_EXISTS: u32 = 68;
const ASSERTION_FAILED: u32 = 122;

/// Writes everything, parents before what lies below them.
pub(super) async fn export(
    target: &Ldap,
    items: Vec<ExportItem>,
    outcomes: mpsc::Sender<(Uuid, usize, ExportOutcome)>,
) -> Result<(), ConnectorError> {
    let connection = Connection::open(&target.settings).await?;
    let writer = Arc::new(Writer {
        flavour: target.flavour,
        encrypted: target.settings.is_encrypted(),
        create_parents: target.settings.create_parents,
        timeout: Duration::from_secs(target.settings.timeout),
        permissive: connection.supports(PERMISSIVE_MODIFY),
        asserts: connection.supports(ASSERTION),
        scope: scope::of(target, &connection)?,
        address: connection.address.clone(),
        ldap: connection.ldap.clone(),
    });
    let mut levels: BTreeMap<i64, Vec<(usize, ExportItem)>> = BTreeMap::new();
    for (at, item) in items.into_iter().enumerate() {
        levels.entry(level(&item)).or_default().push((at, item));
    }
    let mut ended = Ok(());
    for items in levels.into_values() {
        ended = writer.level(items, &outcomes).await;
        if ended.is_err() {
            break;
        }
    }
    connection.close().await;
    ended
}

/// New entries from the top, deletions from the bottom.
fn level(item: &ExportItem) -> i64 {
    let depth = |name: &str| i64::try_from(dn::components(name).count()).unwrap_or(0);
    match &item.action {
        ExportAction::Create { attributes, .. } => {
            let name = attributes.get(&AttributeName::from(NAME)).and_then(|values| values.first());
            depth(name.and_then(Value::as_text).unwrap_or_default())
        }
        ExportAction::Delete { anchor } => i64::MAX - depth(item.known.names.get(anchor).map_or("", String::as_str)),
        ExportAction::Restore { .. }
        | ExportAction::Update { .. }
        | ExportAction::AddReferences { .. }
        | ExportAction::RemoveReferences { .. } => i64::MAX / 2,
    }
}

struct Writer {
    flavour: Flavour,
    encrypted: bool,
    create_parents: bool,
    timeout: Duration,
    permissive: bool,
    asserts: bool,
    scope: Scope,
    address: String,
    ldap: ldap3::Ldap,
}

/// What stops an item.
enum Stop {
    /// It has an outcome.
    Outcome(ExportOutcome),
    /// The connection broke while it was on its way.
    Broken(ConnectorError),
}

impl Stop {
    fn refused(code: &str, message: impl Into<String>) -> Stop {
        Stop::Outcome(ExportOutcome::Refused { code: code.to_owned(), message: message.into() })
    }
}

impl Writer {
    /// Writes what does not depend on each other.
    async fn level(
        self: &Arc<Self>,
        items: Vec<(usize, ExportItem)>,
        outcomes: &mpsc::Sender<(Uuid, usize, ExportOutcome)>,
    ) -> Result<(), ConnectorError> {
        let places = Arc::new(Semaphore::new(WIDTH));
        let mut running = JoinSet::new();
        for (at, item) in items {
            let (writer, places, outcomes) = (Arc::clone(self), Arc::clone(&places), outcomes.clone());
            running.spawn(async move {
                // Who breaks the connection closes the door behind itself.
                let Ok(_place) = places.acquire().await else { return Ok(()) };
                let (outcome, broken) = match writer.item(&item).await {
                    Ok(outcome) | Err(Stop::Outcome(outcome)) => (outcome, None),
                    Err(Stop::Broken(error)) => {
                        (ExportOutcome::Unknown { message: error.message.clone() }, Some(error))
                    }
                };
                let _ = outcomes.send((item.id, at, outcome)).await;
                match broken {
                    None => Ok(()),
                    Some(error) => {
                        places.close();
                        Err(error)
                    }
                }
            });
        }
        let mut ended = Ok(());
        while let Some(done) = running.join_next().await {
            let broke_off = |error: tokio::task::JoinError| {
                ConnectorError::new(ConnectorErrorKind::Protocol, format!("writing broke off: {error}"))
            };
            ended = ended.and(done.map_err(broke_off).and_then(|done| done));
        }
        ended
    }

    async fn item(&self, item: &ExportItem) -> Result<ExportOutcome, Stop> {
        match &item.action {
            ExportAction::AddReferences { anchor, attribute, targets } => {
                self.references(item, anchor, attribute, targets, true).await
            }
            ExportAction::RemoveReferences { anchor, attribute, targets } => {
                self.references(item, anchor, attribute, targets, false).await
            }
            ExportAction::Update { anchor, .. } | ExportAction::Delete { anchor } => {
                for operation in operations(self.flavour, item) {
                    self.change(item, anchor, &operation).await?;
                    self.mend_references(item, anchor, &operation).await?;
                }
                Ok(ExportOutcome::Done { created: None })
            }
            ExportAction::Create { .. } => self.create(item).await,
            ExportAction::Restore { .. } => Err(Stop::refused("restore", "this directory has no recycle bin for us")),
        }
    }

    fn handle(&self, controls: Vec<RawControl>) -> ldap3::Ldap {
        let mut ldap = self.ldap.clone();
        ldap.with_timeout(self.timeout);
        if !controls.is_empty() {
            ldap.with_controls(controls);
        }
        ldap
    }

    fn broken(&self, error: ldap3::LdapError) -> Stop {
        Stop::Broken(trouble::connection(&self.address, error))
    }

    /// Rename, modify or delete an entry that is there.
    async fn change(&self, item: &ExportItem, anchor: &Anchor, operation: &Operation) -> Result<(), Stop> {
        if let Operation::Rename { name, above, .. } = operation {
            self.inside(name)?;
            if let Some(above) = above.as_ref().filter(|_| self.create_parents) {
                self.make_above(above).await?;
            }
        }
        let known = item.known.names.get(anchor).cloned();
        let mut name = match (self.flavour, known) {
            // Samba renames by name only.
            (Flavour::ActiveDirectory, _) if matches!(operation, Operation::Rename { .. }) => self.find(anchor).await?,
            (Flavour::ActiveDirectory, _) => format!("<GUID={anchor}>"),
            (Flavour::OpenLdap, Some(name)) => name,
            (Flavour::OpenLdap, None) => self.find(anchor).await?,
        };
        let mut result = self.once(&name, anchor, operation).await?;
        if self.flavour == Flavour::OpenLdap && matches!(result.rc, NO_SUCH_OBJECT | ASSERTION_FAILED) {
            // Somebody else renamed it, or an operation before this one did.
            name = self.find(anchor).await?;
            result = self.once(&name, anchor, operation).await?;
        }
        self.judge(&result, operation)
    }

    /// One attempt. Deltas that do not fit what is there are sent whole.
    async fn once(&self, name: &str, anchor: &Anchor, operation: &Operation) -> Result<LdapResult, Stop> {
        let mut controls = Vec::new();
        if self.flavour == Flavour::OpenLdap {
            if self.asserts {
                controls.push(Assertion { filter: format!("(entryUUID={anchor})") }.critical().into());
            } else if self.anchor_at(name).await?.is_some_and(|found| found != *anchor) {
                return Ok(result_of(ASSERTION_FAILED));
            }
        }
        let mut ldap = self.handle(controls.clone());
        let answer = match operation {
            Operation::Add { .. } => return Ok(result_of(SUCCESS)),
            Operation::Rename { rdn, above, .. } => ldap.modifydn(name, rdn, true, above.as_deref()).await,
            Operation::Delete => ldap.delete(name).await,
            Operation::Modify(parts) => {
                let first = ldap.modify(name, mods(parts, false)).await.map_err(|error| self.broken(error))?;
                let whole = parts.iter().any(|part| matches!(part, Part::Delta { whole, .. } if !whole.is_empty()));
                if !(whole && matches!(first.rc, NO_SUCH_ATTRIBUTE | VALUE_EXISTS)) {
                    return Ok(first);
                }
                self.handle(controls).modify(name, mods(parts, true)).await
            }
        };
        answer.map_err(|error| self.broken(error))
    }

    /// Entries that name one which is called otherwise now, or is gone. Servers with referential integrity have done it
    /// already, and what is refused shows in the next import.
    async fn mend_references(&self, item: &ExportItem, anchor: &Anchor, operation: &Operation) -> Result<(), Stop> {
        let new = match operation {
            Operation::Rename { name, .. } => vec![name.clone().into_bytes()],
            Operation::Delete => Vec::new(),
            Operation::Add { .. } | Operation::Modify(_) => return Ok(()),
        };
        let Some(old) = item.known.names.get(anchor) else { return Ok(()) };
        for (other, name, attribute) in &item.known.referrers {
            let remove = vec![old.clone().into_bytes()];
            let part = Part::Delta { name: attribute.to_string(), remove, add: new.clone(), whole: Vec::new() };
            let operation = Operation::Modify(vec![part]);
            match self.members(other, Some(name), &operation).await {
                Ok(_) | Err(Stop::Outcome(_)) => {}
                Err(broken) => return Err(broken),
            }
        }
        Ok(())
    }

    fn judge(&self, result: &LdapResult, operation: &Operation) -> Result<(), Stop> {
        let said = trouble::described(result);
        match (result.rc, operation) {
            (SUCCESS, _) => Ok(()),
            (NO_SUCH_OBJECT, Operation::Rename { above: Some(above), .. }) => {
                Err(Stop::refused(&result.rc.to_string(), no_parent(above, &said)))
            }
            (NO_SUCH_OBJECT, _) => Err(Stop::Outcome(ExportOutcome::Missing)),
            (BUSY | UNAVAILABLE, _) => Err(Stop::Outcome(ExportOutcome::Temporary { message: said })),
            (ALREADY_EXISTS, Operation::Rename { name, .. }) => {
                Err(Stop::refused("68", format!("there is another entry `{name}`: {said}")))
            }
            (code, _) => Err(Stop::refused(&code.to_string(), said)),
        }
    }

    async fn create(&self, item: &ExportItem) -> Result<ExportOutcome, Stop> {
        let Some(Operation::Add { name, mut attributes, password: wanted }) =
            operations(self.flavour, item).into_iter().next()
        else {
            return Err(Stop::refused("unfit", "there is nothing to make"));
        };
        self.inside(&name)?;
        let mut later = None;
        if let Some((attribute, length)) = wanted {
            if !self.encrypted {
                return Err(Stop::refused("unfit", "passwords are set over an encrypted connection only"));
            }
            let no_dice = || Stop::refused("unfit", "this machine has no random numbers for passwords");
            let text = password::random(length).ok_or_else(no_dice)?;
            match self.flavour {
                Flavour::ActiveDirectory => {
                    let quoted = format!("\"{}\"", text.as_str());
                    let utf16 = quoted.encode_utf16().flat_map(u16::to_le_bytes).collect();
                    attributes.push((attribute, vec![utf16]));
                }
                // The server makes a hash of it.
                Flavour::OpenLdap => later = Some(text),
            }
        }
        let mut result = self.add(&name, &attributes).await?;
        if let (NO_SUCH_OBJECT, true, Some(above)) = (result.rc, self.create_parents, dn::parent(&name)) {
            self.make_above(above).await?;
            result = self.add(&name, &attributes).await?;
        }
        let said = trouble::described(&result);
        match result.rc {
            SUCCESS => {}
            ALREADY_EXISTS => {
                let message = format!("there is an entry `{name}` already; a join of the rule could match it: {said}");
                return Err(Stop::refused("68", message));
            }
            NO_SUCH_OBJECT => return Err(Stop::refused("32", no_parent(dn::parent(&name).unwrap_or_default(), &said))),
            BUSY | UNAVAILABLE => return Err(Stop::Outcome(ExportOutcome::Temporary { message: said })),
            code => return Err(Stop::refused(&code.to_string(), said)),
        }
        if let Some(text) = later {
            self.set_password(&name, &text).await?;
        }
        match self.anchor_at(&name).await? {
            Some(created) => Ok(ExportOutcome::Done { created: Some(created) }),
            None => Ok(ExportOutcome::Unknown { message: "it was made, and cannot be read".into() }),
        }
    }

    async fn add(&self, name: &str, attributes: &[Raw]) -> Result<LdapResult, Stop> {
        let attributes = attributes
            .iter()
            .map(|(name, values)| (name.clone().into_bytes(), values.iter().cloned().collect::<HashSet<Vec<u8>>>()));
        self.handle(Vec::new()).add(name, attributes.collect()).await.map_err(|error| self.broken(error))
    }

    /// An account whose password cannot be set is taken back: half an account is none.
    async fn set_password(&self, name: &str, text: &str) -> Result<(), Stop> {
        let wish = PasswordModify { user_id: Some(name), old_pass: None, new_pass: Some(text) };
        let answer = self.handle(Vec::new()).extended(wish).await.map_err(|error| self.broken(error))?;
        if answer.1.rc == SUCCESS {
            return Ok(());
        }
        let said = trouble::described(&answer.1);
        self.handle(Vec::new()).delete(name).await.map_err(|error| self.broken(error))?;
        Err(Stop::refused(&answer.1.rc.to_string(), format!("its password cannot be set, so it was not made: {said}")))
    }

    /// Makes the organizational units of a name that are not there, from the top.
    async fn make_above(&self, name: &str) -> Result<(), Stop> {
        self.inside(name)?;
        let mut missing = Vec::new();
        let mut place = Some(name);
        while let Some(name) = place.filter(|name| self.scope.contains(name)) {
            if self.anchor_at(name).await?.is_some() {
                break;
            }
            missing.push(name);
            place = dn::parent(name);
        }
        for name in missing.into_iter().rev() {
            let kind = dn::components(name).next().map_or("", |(kind, _)| kind);
            let value = dn::rdn_value(name).filter(|_| kind.eq_ignore_ascii_case("ou"));
            let Some(value) = value else { return Err(Stop::refused("32", no_parent(name, "only units are made"))) };
            let classes = ["top", "organizationalUnit"].map(|class| class.as_bytes().to_vec()).to_vec();
            let attributes = [("objectClass".to_owned(), classes), ("ou".to_owned(), vec![value.into_bytes()])];
            let result = self.add(name, &attributes).await?;
            if !matches!(result.rc, SUCCESS | ALREADY_EXISTS) {
                let said = trouble::described(&result);
                return Err(Stop::refused(&result.rc.to_string(), format!("cannot make `{name}` for it: {said}")));
            }
        }
        Ok(())
    }

    /// What is made outside of what is read would never be seen again.
    fn inside(&self, name: &str) -> Result<(), Stop> {
        if self.scope.contains(name) {
            return Ok(());
        }
        let message = format!("`{name}` lies outside of what is read (`include` and `exclude` of the connector)");
        Err(Stop::refused("unfit", message))
    }

    /// The anchor of the entry with a name.
    async fn anchor_at(&self, name: &str) -> Result<Option<Anchor>, Stop> {
        let wanted = vec![entry::anchor_attribute(self.flavour)];
        let found = self.search(name, ldap3::Scope::Base, "(objectClass=*)", wanted).await?;
        Ok(found.first().and_then(|entry| entry::anchor_of(entry).ok().flatten()))
    }

    /// The present name of the entry with an anchor.
    async fn find(&self, anchor: &Anchor) -> Result<String, Stop> {
        if self.flavour == Flavour::ActiveDirectory {
            let place = format!("<GUID={anchor}>");
            let found = self.search(&place, ldap3::Scope::Base, "(objectClass=*)", vec!["1.1"]).await?;
            return found.into_iter().next().map(|entry| entry.dn).ok_or(Stop::Outcome(ExportOutcome::Missing));
        }
        let filter = format!("(entryUUID={})", ldap3::ldap_escape(anchor.0.as_str()));
        for base in &self.scope.bases {
            let found = self.search(base, ldap3::Scope::Subtree, &filter, vec!["1.1"]).await?;
            if let Some(entry) = found.into_iter().next() {
                return Ok(entry.dn);
            }
        }
        Err(Stop::Outcome(ExportOutcome::Missing))
    }

    async fn search(
        &self,
        base: &str,
        reach: ldap3::Scope,
        filter: &str,
        wanted: Vec<&str>,
    ) -> Result<Vec<entry::RawEntry>, Stop> {
        let answer = self.handle(Vec::new()).search(base, reach, filter, wanted).await;
        let ldap3::SearchResult(entries, result) = answer.map_err(|error| self.broken(error))?;
        if !matches!(result.rc, SUCCESS | NO_SUCH_OBJECT) {
            // Who may not look does not know that nothing is there.
            return Err(Stop::Outcome(ExportOutcome::Temporary { message: trouble::described(&result) }));
        }
        Ok(entries.into_iter().filter(|entry| !entry.is_ref()).filter_map(entry::RawEntry::decode).collect())
    }

    /// Members by name, as many at a time as there are; one by one when some are refused.
    async fn references(
        &self,
        item: &ExportItem,
        anchor: &Anchor,
        attribute: &AttributeName,
        targets: &[Anchor],
        add: bool,
    ) -> Result<ExportOutcome, Stop> {
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        let (named, nameless): (Vec<&Anchor>, Vec<&Anchor>) =
            targets.iter().partition(|target| item.known.names.contains_key(*target));
        refused.extend(nameless.into_iter().map(|target| (target.clone(), "its name is not known yet".to_owned())));
        let mut open: Vec<Vec<Anchor>> = vec![named.into_iter().cloned().collect()];
        while let Some(part) = open.pop().filter(|part| !part.is_empty()) {
            let operation = Operation::Modify(vec![delta(item, attribute, &part, add)]);
            let result = self.members(anchor, item.known.names.get(anchor), &operation).await?;
            match (result.rc, part.as_slice()) {
                (SUCCESS, _) => done.extend(part),
                (VALUE_EXISTS, [one]) if add => done.push(one.clone()),
                (NO_SUCH_ATTRIBUTE, [one]) if !add => done.push(one.clone()),
                (BUSY | UNAVAILABLE, _) => {}
                (_, [one]) => refused.push((one.clone(), trouble::described(&result))),
                _ => open.extend(part.into_iter().map(|one| vec![one])),
            }
        }
        Ok(ExportOutcome::References { done, refused })
    }

    /// Changes members of an entry, which may have another name by now.
    async fn members(
        &self,
        anchor: &Anchor,
        known: Option<&String>,
        operation: &Operation,
    ) -> Result<LdapResult, Stop> {
        let name = match (self.flavour, known) {
            (Flavour::ActiveDirectory, _) => format!("<GUID={anchor}>"),
            (Flavour::OpenLdap, Some(name)) => name.clone(),
            (Flavour::OpenLdap, None) => self.find(anchor).await?,
        };
        let result = self.once_permissive(&name, anchor, operation).await?;
        if self.flavour == Flavour::OpenLdap && matches!(result.rc, NO_SUCH_OBJECT | ASSERTION_FAILED) {
            let name = self.find(anchor).await?;
            return self.once_permissive(&name, anchor, operation).await;
        }
        Ok(result)
    }

    async fn once_permissive(&self, name: &str, anchor: &Anchor, operation: &Operation) -> Result<LdapResult, Stop> {
        let Operation::Modify(parts) = operation else { return Ok(result_of(SUCCESS)) };
        let mut controls = Vec::new();
        if self.permissive {
            controls.push(RawControl { ctype: PERMISSIVE_MODIFY.into(), crit: true, val: None });
        }
        if self.flavour == Flavour::OpenLdap && self.asserts {
            controls.push(Assertion { filter: format!("(entryUUID={anchor})") }.critical().into());
        }
        self.handle(controls).modify(name, mods(parts, false)).await.map_err(|error| self.broken(error))
    }
}

fn delta(item: &ExportItem, attribute: &AttributeName, targets: &[Anchor], add: bool) -> Part {
    let names = targets.iter().filter_map(|target| item.known.names.get(target));
    let values: Vec<Vec<u8>> = names.map(|name| name.clone().into_bytes()).collect();
    let (add, remove) = if add { (values, Vec::new()) } else { (Vec::new(), values) };
    Part::Delta { name: attribute.to_string(), remove, add, whole: Vec::new() }
}

fn no_parent(above: &str, said: &str) -> String {
    format!("there is no `{above}` to put it in; `create_parents = true` makes units: {said}")
}

fn result_of(rc: u32) -> LdapResult {
    LdapResult { rc, matched: String::new(), text: String::new(), refs: Vec::new(), ctrls: Vec::new() }
}

/// The changes as the protocol has them; `whole` replaces where a delta could be sent.
fn mods(parts: &[Part], whole: bool) -> Vec<Mod<Vec<u8>>> {
    let set = |values: &[Vec<u8>]| values.iter().cloned().collect::<HashSet<Vec<u8>>>();
    let mut mods = Vec::new();
    for part in parts {
        match part {
            Part::Replace((name, values)) => mods.push(Mod::Replace(name.clone().into_bytes(), set(values))),
            Part::Delta { name, whole: all, .. } if whole && !all.is_empty() => {
                mods.push(Mod::Replace(name.clone().into_bytes(), set(all)));
            }
            Part::Delta { name, remove, add, .. } => {
                let name = || name.clone().into_bytes();
                if !remove.is_empty() {
                    mods.push(Mod::Delete(name(), set(remove)));
                }
                if !add.is_empty() {
                    mods.push(Mod::Add(name(), set(add)));
                }
            }
        }
    }
    mods
}
