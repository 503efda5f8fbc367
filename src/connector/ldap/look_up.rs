//! Looking single objects up by their anchors. What cannot be proved is "not found", never "deleted".

use ldap3::Scope as Reach;
use ldap3::controls::RawControl;

use super::connection::Connection;
use super::entry::{self, Converted, Converter, RawEntry};
use super::kept::Kept;
use super::scope::{self, Scope};
use super::{Flavour, Ldap, object_types};
use crate::connector::{Anchor, ConnectorError, ImportRequest, Presence};
use crate::dn;
use uuid::Uuid;

const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// Looks every anchor up, in the order given.
pub(crate) async fn run(
    source: &Ldap,
    kept: &mut Kept,
    request: &ImportRequest,
    anchors: &[(Anchor, Option<String>)],
) -> Result<Vec<(Anchor, Presence)>, ConnectorError> {
    let Kept { connection, schema, .. } = kept;
    let scope = scope::of(source, connection)?;
    scope::check(connection, &scope).await?;
    let converter = Converter::new(request, schema);
    let mut wanted = entry::attributes_to_ask(request, source.flavour);
    if source.flavour == Flavour::ActiveDirectory {
        wanted.push("isDeleted".into());
    }
    let types: Vec<&str> = request.types.keys().map(String::as_str).collect();
    let looking =
        Looking { source, scope: &scope, converter: &converter, wanted, filter: object_types::filter(&types) };
    let mut found = Vec::with_capacity(anchors.len());
    for (anchor, last_name) in anchors {
        let presence = match Uuid::try_parse(&anchor.0) {
            Err(_) => Presence::NotFound,
            Ok(_) => match source.flavour {
                Flavour::ActiveDirectory => looking.in_active_directory(connection, anchor).await?,
                Flavour::OpenLdap => looking.by_uuid(connection, anchor, last_name.as_deref()).await?,
            },
        };
        found.push((anchor.clone(), presence));
    }
    Ok(found)
}

struct Looking<'a> {
    source: &'a Ldap,
    scope: &'a Scope,
    converter: &'a Converter<'a>,
    wanted: Vec<String>,
    filter: String,
}

impl Looking<'_> {
    fn wanted(&self) -> Vec<&str> {
        self.wanted.iter().map(String::as_str).collect()
    }

    /// A tombstone is the proof; an account without the right to see tombstones finds nothing.
    async fn in_active_directory(
        &self,
        connection: &mut Connection,
        anchor: &Anchor,
    ) -> Result<Presence, ConnectorError> {
        let controls = if connection.supports(SHOW_DELETED) {
            vec![RawControl { ctype: SHOW_DELETED.into(), crit: true, val: None }]
        } else {
            Vec::new()
        };
        let base = format!("<GUID={anchor}>");
        let Some(entry) = connection.read(&base, &self.wanted(), controls).await? else {
            return Ok(Presence::NotFound);
        };
        if entry.text("isDeleted").is_some_and(|flag| flag.eq_ignore_ascii_case("true")) {
            return Ok(Presence::Deleted);
        }
        self.judge(connection, entry, &base).await
    }

    async fn by_uuid(
        &self,
        connection: &mut Connection,
        anchor: &Anchor,
        last_name: Option<&str>,
    ) -> Result<Presence, ConnectorError> {
        let filter = format!("(entryUUID={anchor})");
        let mut places = self.scope.bases.clone();
        places.extend(scope::suffixes(self.source.flavour, connection));
        for place in places {
            let found = connection.search(&place, Reach::Subtree, &filter, &self.wanted(), Vec::new(), 0).await?;
            if let Some(entry) = found.into_iter().next() {
                let name = entry.dn.clone();
                return self.judge(connection, entry, &name).await;
            }
        }
        match last_name {
            Some(name) if self.is_gone(connection, anchor, name).await? => Ok(Presence::Deleted),
            Some(_) | None => Ok(Presence::NotFound),
        }
    }

    /// Whether an entry that a search by anchor did not find is gone from its place, and not merely hidden.
    ///
    /// Either another entry has taken its name, or the account sees the entry above and that there are others of the
    /// kind in the same place, or that the place is empty. An account that has lost its rights there sees neither.
    /// When the entry above is gone too, nothing is proved. What was moved to a place that the account may not read
    /// cannot be told from what was deleted.
    async fn is_gone(&self, connection: &mut Connection, anchor: &Anchor, name: &str) -> Result<bool, ConnectorError> {
        let Some(above) = dn::parent(name) else { return Ok(false) };
        if !self.scope.contains(name) {
            return Ok(false);
        }
        if let Some(successor) = connection.read(name, &["entryUUID"], Vec::new()).await? {
            return Ok(entry::anchor_of(&successor).is_ok_and(|found| found.is_some_and(|found| found != *anchor)));
        }
        let Some(parent) = connection.read(above, &["hasSubordinates"], Vec::new()).await? else { return Ok(false) };
        if parent.text("hasSubordinates").is_some_and(|flag| flag.eq_ignore_ascii_case("false")) {
            return Ok(true);
        }
        let others = connection.search(above, Reach::OneLevel, &self.filter, &["1.1"], Vec::new(), 1).await?;
        Ok(!others.is_empty())
    }

    /// What an entry that was found means for the import.
    async fn judge(
        &self,
        connection: &mut Connection,
        mut entry: RawEntry,
        base: &str,
    ) -> Result<Presence, ConnectorError> {
        if !self.scope.contains(&entry.dn) {
            return Ok(Presence::OutOfScope(entry.dn));
        }
        if connection.complete(&mut entry, base).await?.is_err() {
            return Ok(Presence::NotFound);
        }
        Ok(match self.converter.convert(&entry) {
            Converted::Object(object) => Presence::Present(object),
            Converted::OtherType => Presence::OutOfScope(format!("{} (of another type)", entry.dn)),
            // It is there and cannot be read: that proves nothing.
            Converted::Unreadable(_) => Presence::NotFound,
        })
    }
}
