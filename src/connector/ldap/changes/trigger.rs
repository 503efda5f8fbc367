//! When to look for changes: a search that never ends, over a connection of its own, of which every answer is a reason to
//! look. What has changed is not taken from it, so nothing is lost when it breaks.

use ldap3::controls::{RawControl, RefreshMode};
use tokio::sync::mpsc;

use super::super::connection::Connection;
use super::super::{Ldap, scope, trouble};
use super::{NOTIFICATION, SYNC_REQUEST, sync_repl};
use crate::connector::ConnectorError;
use crate::connector::changes::Way;

impl Ldap {
    /// Says that something happened, each time, until the connection breaks or nobody listens any more. Gives `false` when
    /// the server has no way to tell: then it has to be asked every so often.
    ///
    /// # Errors
    /// When the directory could not be asked, or the connection broke.
    pub async fn watch(&self, woken: mpsc::Sender<()>) -> Result<bool, ConnectorError> {
        let mut connection = Connection::open(&self.settings).await?;
        let (control, base) = match self.way(&connection) {
            Way::DirSync | Way::Usn if connection.supports(NOTIFICATION) => {
                let Some(domain) = connection.root.default_naming_context.clone() else { return Ok(false) };
                (RawControl { ctype: NOTIFICATION.into(), crit: true, val: None }, domain)
            }
            Way::SyncRepl if connection.supports(SYNC_REQUEST) => {
                let scope = scope::of(self, &connection)?;
                // One search watches one base; the others are asked every so often.
                let Some(base) = scope.bases.first().cloned() else { return Ok(false) };
                let cookie = sync_repl::mark(&mut connection, &base).await?;
                (sync_repl::control(RefreshMode::RefreshAndPersist, cookie.as_deref()), base)
            }
            Way::DirSync | Way::Usn | Way::SyncRepl | Way::Timestamps | Way::Off | Way::Auto => return Ok(false),
        };
        let address = connection.address.clone();
        let broken = |error| trouble::connection(&address, error);
        let ldap = connection.ldap.with_controls(vec![control]);
        let filter = "(objectClass=*)";
        let mut stream =
            ldap.streaming_search(&base, ldap3::Scope::Subtree, filter, vec!["1.1"]).await.map_err(broken)?;
        while stream.next().await.map_err(broken)?.is_some() {
            match woken.try_send(()) {
                // One is waiting already.
                Ok(()) | Err(mpsc::error::TrySendError::Full(())) => {}
                Err(mpsc::error::TrySendError::Closed(())) => return Ok(true),
            }
        }
        let result = stream.finish().await;
        Err(trouble::result(&address, &base, &result))
    }
}
