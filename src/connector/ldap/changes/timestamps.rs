//! Times of modification, for servers that offer nothing better: they tell what changed, and nothing of what is gone. So
//! every so often the anchors of everything that is there are asked for.

use super::super::connection::Connection;
use super::{Asking, now};
use crate::connector::ConnectorError;
use crate::connector::changes::{ChangesEnd, Watermark};

/// Clocks differ: so many seconds are read again.
const SKEW: i64 = 300;

/// So many seconds before the last modification are read again each time.
const OVERLAP: i64 = 30;

/// From a while ago on.
pub(super) fn start() -> Watermark {
    Watermark::Timestamp { since: generalized(now() - SKEW), swept: now() }
}

fn generalized(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y%m%d%H%M%SZ").to_string()
}

/// Seconds since 1970; nothing for what is no time. Fractions are left out.
fn parsed(text: &str) -> Option<i64> {
    let digits = text.get(..14).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Everything that was modified since; the last second is read again the next time, for it may not have been over.
pub(super) async fn read(
    asking: &Asking<'_>,
    connection: &mut Connection,
    since: &str,
    swept: i64,
) -> Result<ChangesEnd, ConnectorError> {
    // Clocks of servers differ a little: what was modified shortly before is asked for again.
    let asked = parsed(since).unwrap_or_else(|| now() - SKEW) - OVERLAP;
    let filter = format!("(&(modifyTimestamp>={}){})", generalized(asked), asking.filter_with_containers());
    let wanted = ["entryUUID", "objectClass", "modifyTimestamp"];
    let mut latest = since.to_owned();
    for base in &asking.scope.bases {
        for entry in connection.paged(base, &filter, &wanted, (asking.page_size, &[])).await? {
            asking.entry(connection, &entry).await?;
            // A clock that is ahead must not hide what happens until then.
            let time = entry.text("modifyTimestamp").and_then(|time| parsed(&time)).map(|time| time.min(now()));
            latest = latest.max(time.map(generalized).unwrap_or_default());
        }
    }
    let due = now() - swept >= asking.sweep;
    let present = if due { Some(asking.sweep(connection).await?) } else { None };
    let swept = if due { now() } else { swept };
    Ok(ChangesEnd::UpTo { watermark: Watermark::Timestamp { since: latest, swept }, present })
}
