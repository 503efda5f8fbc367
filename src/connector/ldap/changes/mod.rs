//! Which entries of an LDAP server have changed: by the DirSync control or update sequence numbers of Active Directory, by
//! content synchronisation (RFC 4533), or by times of modification where a server has neither.
//!
//! Reading order: this file (which way), [`dir_sync`], [`usn`], [`sync_repl`], [`timestamps`], [`trigger`] (when to look).

use std::collections::BTreeSet;

use super::connection::Connection;
use super::entry::{self, RawEntry};
use super::scope::{self, Scope};
use super::{Flavour, Ldap, Settings, object_types};
use crate::connector::changes::{ChangeEvent, ChangeSink, ChangesEnd, Hint, Watermark, Way};
use crate::connector::{Anchor, ConnectorError, ConnectorErrorKind, ImportRequest};
use crate::value::AttributeName;

mod dir_sync;
mod sync_repl;
mod timestamps;
mod trigger;
mod usn;

const DIR_SYNC: &str = "1.2.840.113556.1.4.841";
const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
const NOTIFICATION: &str = "1.2.840.113556.1.4.528";

/// Classes of entries that others lie in.
const CONTAINERS: [&str; 6] =
    ["organizationalUnit", "organization", "container", "builtinDomain", "domain", "locality"];

fn is_container(entry: &RawEntry) -> bool {
    let classes = entry.texts("objectClass");
    CONTAINERS.iter().any(|container| classes.iter().any(|class| class.eq_ignore_ascii_case(container)))
}

/// What is asked for, and what of it matters.
struct Asking<'a> {
    flavour: Flavour,
    scope: Scope,
    types: Vec<&'a str>,
    /// Attributes that rules want of any type.
    wanted: BTreeSet<&'a AttributeName>,
    page_size: u32,
    /// Where nobody tells of deletions, what is there is compared with what is known every so many seconds.
    sweep: i64,
    sink: &'a ChangeSink,
}

impl<'a> Asking<'a> {
    fn new(
        source: &Ldap,
        connection: &Connection,
        request: &'a ImportRequest,
        sink: &'a ChangeSink,
    ) -> Result<Asking<'a>, ConnectorError> {
        Ok(Asking {
            flavour: source.flavour,
            scope: scope::of(source, connection)?,
            types: request.types.keys().map(String::as_str).collect(),
            wanted: request.types.values().flatten().collect(),
            page_size: source.settings.page_size,
            sweep: source.settings.sweep.into(),
            sink,
        })
    }

    fn filter(&self) -> String {
        object_types::filter(&self.types)
    }

    /// What is read, and what it lies in: with the name of a container everything in it gets another.
    fn filter_with_containers(&self) -> String {
        let containers: String = CONTAINERS.iter().map(|class| format!("(objectClass={class})")).collect();
        format!("(|{}{containers})", self.filter())
    }

    /// Tells of an entry that may be a container. What happened to it is not known: it may have another name.
    async fn entry(&self, connection: &mut Connection, entry: &RawEntry) -> Result<(), ConnectorError> {
        let Ok(Some(anchor)) = entry::anchor_of(entry) else { return Ok(()) };
        if is_container(entry) {
            self.below(connection, &entry.dn).await?;
        }
        self.touched(anchor, self.hint(entry)).await
    }

    /// Tells of an entry; the error is that nobody listens any more.
    async fn touched(&self, anchor: Anchor, hint: Hint) -> Result<(), ConnectorError> {
        self.send(ChangeEvent::Touched { anchor, hint }).await
    }

    async fn send(&self, event: ChangeEvent) -> Result<(), ConnectorError> {
        let stopped = || ConnectorError::new(ConnectorErrorKind::Protocol, "reading changes was stopped");
        self.sink.send(event).await.map_err(|_| stopped())
    }

    /// What can be said of an entry that was shown with its classes, or without.
    fn hint(&self, entry: &RawEntry) -> Hint {
        let classes = entry.texts("objectClass");
        let other = !classes.is_empty() && object_types::type_of(&classes, &self.types).is_none();
        if other || !self.scope.contains(&entry.dn) { Hint::Outside } else { Hint::There }
    }

    /// Everything below an entry that was moved or renamed has another name, too, and its server tells of none of it.
    async fn below(&self, connection: &mut Connection, name: &str) -> Result<(), ConnectorError> {
        let wanted = [entry::anchor_attribute(self.flavour)];
        for entry in connection.paged(name, &self.filter(), &wanted, (self.page_size, &[])).await? {
            if let Ok(Some(anchor)) = entry::anchor_of(&entry) {
                self.touched(anchor, if self.scope.contains(&entry.dn) { Hint::There } else { Hint::Outside }).await?;
            }
        }
        Ok(())
    }

    /// The anchors of everything that is there.
    async fn sweep(&self, connection: &mut Connection) -> Result<BTreeSet<Anchor>, ConnectorError> {
        let wanted = [entry::anchor_attribute(self.flavour)];
        let mut present = BTreeSet::new();
        scope::check(connection, &self.scope).await?;
        for base in &self.scope.bases {
            let entries = connection.paged(base, &self.filter(), &wanted, (self.page_size, &[])).await?;
            let inside = entries.iter().filter(|entry| self.scope.contains(&entry.dn));
            present.extend(inside.filter_map(|entry| entry::anchor_of(entry).ok().flatten()));
        }
        Ok(present)
    }
}

impl Ldap {
    /// From where it reads, and what part of it, as text.
    pub fn place(&self) -> String {
        let Settings { url, include, exclude, objects, changes, .. } = &self.settings;
        format!("{url} {include:?} {exclude:?} {objects:?} {changes:?}")
    }

    /// Where its changes stand now: whoever reads everything after this, and then the changes since, has missed nothing.
    /// Nothing when the server has no way to tell, or the settings switch it off.
    ///
    /// # Errors
    /// When the directory could not be asked.
    pub async fn watermark(&self) -> Result<Option<Watermark>, ConnectorError> {
        let mut kept = self.take().await?;
        let connection = &mut kept.connection;
        let watermark = match self.way(connection) {
            Way::DirSync => match dir_sync::start(self, connection).await? {
                // Neither way: the account may not ask.
                None => usn::start(connection).await?,
                found => found,
            },
            Way::Usn => usn::start(connection).await?,
            Way::SyncRepl => Some(sync_repl::start(self, connection).await?),
            Way::Timestamps => Some(timestamps::start()),
            Way::Off | Way::Auto => None,
        };
        self.keep(kept).await;
        Ok(watermark)
    }

    /// What changed since a watermark.
    ///
    /// # Errors
    /// When the directory could not be asked; then the watermark stands.
    pub async fn changes(
        &self,
        request: &ImportRequest,
        since: &Watermark,
        sink: ChangeSink,
    ) -> Result<ChangesEnd, ConnectorError> {
        self.check_request(request)?;
        match self.read_changes(request, since, &sink).await {
            Err(error) if super::kept::is_stale(&error) => self.read_changes(request, since, &sink).await,
            end => end,
        }
    }

    async fn read_changes(
        &self,
        request: &ImportRequest,
        since: &Watermark,
        sink: &ChangeSink,
    ) -> Result<ChangesEnd, ConnectorError> {
        let mut kept = self.take().await?;
        let connection = &mut kept.connection;
        let asking = Asking::new(self, connection, request, sink)?;
        let end = match since {
            Watermark::DirSync { cookies, restricted, swept } => {
                dir_sync::read(&asking, connection, cookies, *restricted, *swept).await?
            }
            Watermark::Usn { invocation, usn } => usn::read(&asking, connection, invocation, *usn).await?,
            Watermark::SyncRepl { cookies } => sync_repl::read(&asking, connection, cookies).await?,
            Watermark::Timestamp { since, swept } => timestamps::read(&asking, connection, since, *swept).await?,
            Watermark::Files(_) | Watermark::DeltaLinks(_) => {
                ChangesEnd::TooOld("the watermark is that of another kind of directory".into())
            }
        };
        self.keep(kept).await;
        Ok(end)
    }

    fn way(&self, connection: &Connection) -> Way {
        match (self.settings.changes, self.flavour) {
            (Way::Auto, Flavour::ActiveDirectory) if connection.supports(DIR_SYNC) => Way::DirSync,
            (Way::Auto, Flavour::ActiveDirectory) => Way::Usn,
            (Way::Auto, Flavour::OpenLdap) if connection.supports(SYNC_REQUEST) => Way::SyncRepl,
            (Way::Auto, Flavour::OpenLdap) => Way::Timestamps,
            (chosen, _) => chosen,
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
