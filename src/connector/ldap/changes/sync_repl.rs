//! Content synchronisation (RFC 4533): a server says which entries were added, changed and deleted since a cookie.
//!
//! Which entries is asked for, not what is in them; and for entries of every kind, for OpenLDAP searches anew for each one
//! that changed: with a filter that it has to work on, 20,000 changes among 30,000 entries take it ten times as long. Where the server remembers too little it goes through all
//! that is there instead (a present phase); then everything is read, which says the same and more.

use std::collections::{BTreeMap, BTreeSet};

use ldap3::asn1::{StructureTag, TagClass, parse_tag};
use ldap3::controls::{Control, RawControl, RefreshMode, SyncRequest};
use uuid::Uuid;

use super::super::connection::{Connection, SUCCESS};
use super::super::entry::{self, RawEntry};
use super::super::scope;
use super::super::{Ldap, trouble};
use super::Asking;
use crate::connector::changes::{ChangesEnd, Hint, Watermark};
use crate::connector::{Anchor, ConnectorError};
use crate::dn;

/// Every entry; which of them matter, their classes say.
const EVERYTHING: &str = "(objectClass=*)";

/// How many that are said to be gone are looked for with one search.
const ASKED_AT_ONCE: usize = 100;

const STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
/// What is said of an entry that was deleted.
const DELETED: u8 = 3;

const DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";

/// Result code: everything has to be read again.
const REFRESH_REQUIRED: u32 = 4096;
/// Result code: the cookie is from the future, or from elsewhere.
const UNWILLING: u32 = 53;

/// The request, with a cookie or from the beginning.
pub(super) fn control(mode: RefreshMode, cookie: Option<&[u8]>) -> RawControl {
    let cookie = cookie.map(<[u8]>::to_vec);
    RawControl { crit: true, ..SyncRequest { mode, cookie, reload_hint: false }.into() }
}

/// Where the server stands. OpenLDAP writes it into the entry at the top of a suffix; from others a cookie is got by
/// going through everything once.
pub(super) async fn start(source: &Ldap, connection: &mut Connection) -> Result<Watermark, ConnectorError> {
    let scope = scope::of(source, connection)?;
    let mut cookies = BTreeMap::new();
    for base in &scope.bases {
        let cookie = match mark(connection, base).await? {
            Some(mark) => mark,
            None => {
                let control = control(RefreshMode::RefreshOnly, None);
                let (_, result) = connection.answer(base, EVERYTHING, &["1.1"], vec![control]).await?;
                done(&result.ctrls).and_then(|done| done.cookie).unwrap_or_default()
            }
        };
        cookies.insert(base.clone(), cookie);
    }
    Ok(Watermark::SyncRepl { cookies })
}

/// The mark that OpenLDAP keeps at the top of the suffix of a base, as a cookie.
pub(super) async fn mark(connection: &mut Connection, base: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
    let suffix = connection.root.naming_contexts.iter().find(|suffix| dn::is_under(base, suffix)).cloned();
    let top = connection.read(suffix.as_deref().unwrap_or(base), &["contextCSN"], Vec::new()).await?;
    let marks = top.map(|top| top.texts("contextCSN")).unwrap_or_default();
    Ok((!marks.is_empty()).then(|| format!("rid=000,csn={}", marks.join(";")).into_bytes()))
}

/// Reads on from the cookies.
pub(super) async fn read(
    asking: &Asking<'_>,
    connection: &mut Connection,
    cookies: &BTreeMap<String, Vec<u8>>,
) -> Result<ChangesEnd, ConnectorError> {
    let mut reached = BTreeMap::new();
    for base in &asking.scope.bases {
        let Some(cookie) = cookies.get(base).filter(|cookie| !cookie.is_empty()) else {
            return Ok(ChangesEnd::TooOld(format!("nothing is known of `{base}`")));
        };
        let control = control(RefreshMode::RefreshOnly, Some(cookie));
        let wanted = ["entryUUID", "objectClass"];
        let (answers, result) = connection.raw_answer(base, EVERYTHING, &wanted, vec![control]).await?;
        match result.rc {
            SUCCESS => {}
            REFRESH_REQUIRED | UNWILLING => {
                return Ok(ChangesEnd::TooOld(format!("{} does not take up where it was", connection.address)));
            }
            _ => return Err(trouble::result(&connection.address, base, &result)),
        }
        let done = done(&result.ctrls).ok_or_else(|| trouble::malformed(&connection.address))?;
        if !done.refresh_deletes {
            return Ok(ChangesEnd::TooOld(format!("{} no longer remembers what was deleted", connection.address)));
        }
        let mut deleted = Vec::new();
        for answer in answers.into_iter().filter(|answer| !answer.is_ref()) {
            let malformed = || trouble::malformed(&connection.address);
            if answer.is_intermediate() {
                deleted.extend(deleted_in(&answer.0).ok_or_else(malformed)?);
                continue;
            }
            match state(&answer.1).ok_or_else(malformed)? {
                (anchor, DELETED) => deleted.push(anchor),
                (_, _) => {
                    let entry = RawEntry::decode(answer).ok_or_else(malformed)?;
                    asking.entry(connection, &entry).await?;
                }
            }
        }
        for chunk in deleted.chunks(ASKED_AT_ONCE) {
            gone(asking, connection, chunk).await?;
        }
        match done.cookie {
            Some(next) if next.is_empty() => {
                return Ok(ChangesEnd::TooOld(format!("{} does not know the mark", connection.address)));
            }
            Some(next) => reached.insert(base.clone(), next),
            // Nothing has happened.
            None => reached.insert(base.clone(), cookie.clone()),
        };
    }
    Ok(ChangesEnd::UpTo { watermark: Watermark::SyncRepl { cookies: reached }, present: None })
}

/// Deleted, it says, or no longer where it is looked for; OpenLDAP also says so of entries that change while it answers.
/// With a container that was moved away goes all that is in it.
async fn gone(asking: &Asking<'_>, connection: &mut Connection, anchors: &[Anchor]) -> Result<(), ConnectorError> {
    let filter: String = anchors.iter().map(|anchor| format!("(entryUUID={anchor})")).collect();
    let filter = format!("(|{filter})");
    let mut gone: BTreeSet<&Anchor> = anchors.iter().collect();
    for suffix in scope::suffixes(asking.flavour, connection) {
        let wanted = ["entryUUID", "objectClass"];
        for entry in connection.search(&suffix, ldap3::Scope::Subtree, &filter, &wanted, Vec::new(), 0).await? {
            if let Ok(Some(anchor)) = entry::anchor_of(&entry) {
                gone.remove(&anchor);
                asking.entry(connection, &entry).await?;
            }
        }
    }
    for anchor in gone {
        asking.touched(anchor.clone(), Hint::Gone).await?;
    }
    Ok(())
}

/// Whose entry it is, and what is said about it: 0 present, 1 added, 2 changed, 3 deleted.
fn state(controls: &[Control]) -> Option<(Anchor, u8)> {
    let Control(_, control) = controls.iter().find(|Control(_, control)| control.ctype == STATE)?;
    let (_, state) = parse_tag(control.val.as_deref()?).ok()?;
    let mut parts = state.expect_constructed()?.into_iter();
    let state = parts.next()?.expect_primitive()?.first().copied()?;
    Some((anchor(&parts.next()?.expect_primitive()?)?, state))
}

/// The ids of deleted entries in a message between entries; cookies on the way and the ends of phases say nothing of any.
fn deleted_in(tag: &StructureTag) -> Option<Vec<Anchor>> {
    const ID_SET: u64 = 3;
    let parts = tag.clone().expect_constructed()?;
    let Some(value) = parts.into_iter().find(|part| part.class == TagClass::Context && part.id == 1) else {
        return Some(Vec::new());
    };
    let (_, value) = parse_tag(&value.expect_primitive()?).ok()?;
    if value.class != TagClass::Context || value.id != ID_SET {
        return Some(Vec::new());
    }
    let (mut deleted, mut anchors) = (false, Vec::new());
    for part in value.expect_constructed()? {
        match part.id {
            1 => deleted = part.expect_primitive()?.iter().any(|byte| *byte != 0),
            17 => {
                for id in part.expect_constructed()? {
                    anchors.push(anchor(&id.expect_primitive()?)?);
                }
            }
            _ => {}
        }
    }
    Some(if deleted { anchors } else { Vec::new() })
}

fn anchor(bytes: &[u8]) -> Option<Anchor> {
    Some(Anchor(Uuid::from_slice(bytes).ok()?.hyphenated().to_string()))
}

/// How an answer ended.
struct Done {
    cookie: Option<Vec<u8>>,
    /// Whether what was deleted was told; otherwise it is what was not mentioned.
    refresh_deletes: bool,
}

fn done(controls: &[Control]) -> Option<Done> {
    let Control(_, control) = controls.iter().find(|Control(_, control)| control.ctype == DONE)?;
    let mut done = Done { cookie: None, refresh_deletes: false };
    let Some(value) = control.val.as_deref().filter(|value| !value.is_empty()) else { return Some(done) };
    for part in parse_tag(value).ok()?.1.expect_constructed()? {
        match part.id {
            4 => done.cookie = Some(part.expect_primitive()?),
            1 => done.refresh_deletes = part.expect_primitive()?.iter().any(|byte| *byte != 0),
            _ => {}
        }
    }
    Some(done)
}
