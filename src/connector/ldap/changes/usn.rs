//! Update sequence numbers: every change of an entry gets the next number of its domain controller. Needs no rights but to
//! read, knows one controller alone, and shows a changed list whole.

use ldap3::controls::RawControl;

use super::super::connection::Connection;
use super::super::entry;
use super::{Asking, SHOW_DELETED};
use crate::connector::changes::{ChangesEnd, Hint, Watermark};
use crate::connector::{ConnectorError, ConnectorErrorKind};

/// Where the controller that answers stands. Nothing when it does not tell.
pub(super) async fn start(connection: &mut Connection) -> Result<Option<Watermark>, ConnectorError> {
    let Some((invocation, usn)) = position(connection).await? else { return Ok(None) };
    Ok(Some(Watermark::Usn { invocation, usn }))
}

async fn position(connection: &mut Connection) -> Result<Option<(String, u64)>, ConnectorError> {
    let wanted = ["highestCommittedUSN", "dsServiceName"];
    let Some(root) = connection.read("", &wanted, Vec::new()).await? else { return Ok(None) };
    let (Some(usn), Some(service)) = (root.text("highestCommittedUSN"), root.text("dsServiceName")) else {
        return Ok(None);
    };
    let Some(settings) = connection.read(&service, &["invocationId"], Vec::new()).await? else { return Ok(None) };
    let invocation = settings.values("invocationId").first().map(|bytes| hexadecimal(bytes));
    Ok(invocation.zip(usn.trim().parse().ok()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything with a higher number.
pub(super) async fn read(
    asking: &Asking<'_>,
    connection: &mut Connection,
    invocation: &str,
    usn: u64,
) -> Result<ChangesEnd, ConnectorError> {
    let Some((answers, reached)) = position(connection).await? else {
        return Ok(ChangesEnd::TooOld(format!("{} does not say how far it is", connection.address)));
    };
    if answers != invocation {
        return Ok(ChangesEnd::TooOld("another domain controller answers, or it was restored from a backup".into()));
    }
    if reached < usn {
        return Ok(ChangesEnd::TooOld(format!("{} has fallen behind what it was", connection.address)));
    }
    let Some(domain) = connection.root.default_naming_context.clone() else {
        let message = format!("{} does not say which domain it holds", connection.address);
        return Err(ConnectorError::new(ConnectorErrorKind::Protocol, message));
    };
    let since = format!("(uSNChanged>={})", usn + 1);
    let filter = format!("(&{since}{})", asking.filter_with_containers());
    for entry in connection.paged(&domain, &filter, &["objectGUID", "objectClass"], (asking.page_size, &[])).await? {
        asking.entry(connection, &entry).await?;
    }
    let deleted = RawControl { ctype: SHOW_DELETED.into(), crit: true, val: None };
    let tombstones = format!("CN=Deleted Objects,{domain}");
    let filter = format!("(&(isDeleted=TRUE){since})");
    let pages = (asking.page_size, &[deleted][..]);
    for entry in connection.paged(&tombstones, &filter, &["objectGUID"], pages).await? {
        if let Ok(Some(anchor)) = entry::anchor_of(&entry) {
            asking.touched(anchor, Hint::Gone).await?;
        }
    }
    Ok(ChangesEnd::UpTo { watermark: Watermark::Usn { invocation: answers, usn: reached }, present: None })
}
