//! Times of modification, for servers that offer nothing better: they tell what changed, and nothing of what is gone. So
//! every so often the anchors of everything that is there are asked for.

use super::super::connection::Connection;
use super::{Asking, now};
use crate::connector::ConnectorError;
use crate::connector::changes::{ChangesEnd, Watermark};

/// Clocks differ: so many seconds are read again.
const SKEW: i64 = 300;

/// From a while ago on.
pub(super) fn start() -> Watermark {
    Watermark::Timestamp { since: generalized(now() - SKEW), swept: now() }
}

fn generalized(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y%m%d%H%M%SZ").to_string()
}

/// Everything that was modified since; the last second is read again the next time, for it may not have been over.
pub(super) async fn read(
    asking: &Asking<'_>,
    connection: &mut Connection,
    since: &str,
    swept: i64,
) -> Result<ChangesEnd, ConnectorError> {
    let filter = format!("(&(modifyTimestamp>={since}){})", asking.filter_with_containers());
    let wanted = ["entryUUID", "objectClass", "modifyTimestamp"];
    let mut latest = since.to_owned();
    for base in &asking.scope.bases {
        for entry in connection.paged(base, &filter, &wanted, asking.page_size).await? {
            asking.entry(connection, &entry).await?;
            // Fractions do not compare as text with times without.
            let time = entry.text("modifyTimestamp").filter(|time| time.len() == latest.len());
            latest = latest.max(time.unwrap_or_default());
        }
    }
    let due = now() - swept >= asking.sweep;
    let present = if due { Some(asking.sweep(connection).await?) } else { None };
    let swept = if due { now() } else { swept };
    Ok(ChangesEnd::UpTo { watermark: Watermark::Timestamp { since: latest, swept }, present })
}
