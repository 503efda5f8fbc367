//! A connection that is kept for the next small question, with the schema that was read over it: signing in and reading a
//! schema cost many times what looking at one changed object does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Ldap;
use super::connection::Connection;
use crate::connector::schema::Schema;
use crate::connector::{ConnectorError, ConnectorErrorKind};

/// Passwords change, and so do schemas: a connection is not used for longer than this.
const LONGEST: Duration = Duration::from_secs(900);

/// An open connection and what was learned over it.
pub(super) struct Kept {
    pub(super) connection: Connection,
    pub(super) schema: Arc<Schema>,
    since: Instant,
}

/// The place for one.
#[derive(Clone, Default)]
pub(super) struct Place(Arc<Mutex<Option<Kept>>>);

impl std::fmt::Debug for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Place")
    }
}

impl Ldap {
    /// The connection that was kept, or a new one.
    pub(super) async fn take(&self) -> Result<Kept, ConnectorError> {
        let kept = self.kept.0.lock().await.take();
        if let Some(mut kept) = kept
            && kept.since.elapsed() < LONGEST
            && !kept.connection.ldap.is_closed()
        {
            return Ok(kept);
        }
        let mut connection = Connection::open(&self.settings).await?;
        let schema = Arc::new(self.read_schema(&mut connection).await?);
        Ok(Kept { connection, schema, since: Instant::now() })
    }

    /// Keeps a connection for the next time. One that failed is dropped instead.
    pub(super) async fn keep(&self, kept: Kept) {
        *self.kept.0.lock().await = Some(kept);
    }
}

/// Whether a question may be asked once more over a new connection: the one that was kept had gone stale.
pub(super) fn is_stale(error: &ConnectorError) -> bool {
    error.kind == ConnectorErrorKind::Unreachable
}
